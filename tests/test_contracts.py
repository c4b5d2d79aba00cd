from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from genobench.contracts import DatasetCard, Trait
from genobench.errors import DatasetError

_HEAD = dict.fromkeys(("title", "species", "assembly", "source", "licence", "citation"), "made up")


def test_trait__survives_json():
    trait = Trait("coat", "ordinal", classes=("white", "grey"), covariates=("sex",), family="sire")
    assert Trait.from_json(json.loads(json.dumps(asdict(trait)))) == trait


def test_trait__what_is_left_out_of_json_is_empty():
    assert Trait.from_json({"column": "weight", "kind": "quantitative"}) == Trait("weight", "quantitative")


def test_trait__among_its_own_covariates_is_refused_however_it_is_made():
    with pytest.raises(DatasetError, match="'milk' cannot be among its own covariates"):
        Trait("milk", "quantitative", covariates=("herd", "milk"))
    with pytest.raises(DatasetError, match="'milk' cannot be among its own covariates"):
        Trait.from_json({"column": "milk", "kind": "quantitative", "covariates": ["milk"]})


@pytest.mark.parametrize("values", [{"kind": "ordinal"}, {"column": "weight"}, {"column": "weight", "kind": "number"}])
def test_trait__without_a_column_or_a_kind_is_refused(values):
    with pytest.raises(DatasetError, match="must have a column, and a kind that is one of categorical, ordinal, quantitative"):
        Trait.from_json(values)


def test_dataset_card__without_traits_is_refused():
    with pytest.raises(DatasetError, match="lacks or misstates the field 'traits'"):
        DatasetCard.from_json(_HEAD)


def test_dataset_card__gives_the_first_trait_by_default():
    traits = [{"column": "fat", "kind": "quantitative"}, {"column": "coat", "kind": "categorical", "classes": ["white", "grey"]}]
    card = DatasetCard.from_json({**_HEAD, "traits": traits, "measured": 3})
    assert card.trait() == Trait("fat", "quantitative")
    assert card.trait("coat").classes == ("white", "grey")
    with pytest.raises(DatasetError, match=r"no trait 'milk'; its traits are: fat, coat\."):
        card.trait("milk")
