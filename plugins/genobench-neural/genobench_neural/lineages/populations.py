"""Which haplotype clusters belong to which population, where the condition names populations: breeds, strains, vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from genobench import ConditionEncoder


def population_columns(condition: torch.Tensor, encoder: ConditionEncoder, is_population: torch.Tensor) -> list[slice]:
    """Numbers of the columns that name a sample's population, without columns that follow from another one.

    Args:
        condition: Of the training samples, shape (n_samples, n_condition).
        encoder: Of conditions.
        is_population: Which numbers name one, shape (n_condition,); see `TraitPredictor`.
    """
    found = [place for place in encoder.slices().values() if is_population[place].all()]
    found.sort(key=lambda place: place.start - place.stop)
    kept: list[slice] = []
    for place in found:
        if not any(_n_distinct(condition[:, one], condition[:, place]) == _n_distinct(condition[:, one]) for one in kept):
            kept.append(place)
    return kept


def _n_distinct(*columns: torch.Tensor) -> int:
    """Distinct rows of columns side by side, shape (n_samples, width) each."""
    return len(torch.unique(torch.cat(columns, dim=1), dim=0))


def population_leanings(
    tokens: torch.Tensor, condition: torch.Tensor, encoder: ConditionEncoder, columns: list[slice], *, n_clusters: int
) -> torch.Tensor:
    """Log of P(cluster | population) / P(cluster), by Bayes's rule from the populations of each cluster's gametes.

    Args:
        tokens: Cluster of each gamete, shape (n_blocks, n_gametes).
        condition: Of the gametes, encoded, shape (n_gametes, n_condition).
        encoder: Of conditions.
        columns: From `population_columns`, of classes.
        n_clusters: Clusters a block.

    Returns:
        Factors of the encoded condition, and last what is added for everybody, shape (n_blocks, n_condition + 1, n_clusters).
    """
    n_condition = condition.shape[1]
    leanings = condition.new_zeros(len(tokens), n_condition + 1, n_clusters)
    shares = torch.tensor([share for column in encoder.columns for share in column.shares or (0.0,)]).to(condition)
    for block, cluster in enumerate(tokens if columns else ()):
        is_member = functional.one_hot(cluster, n_clusters).T.to(condition)
        # One gamete of the average population more, so that few gametes exclude nobody.
        means = (is_member @ condition) / (is_member.sum(dim=1, keepdim=True) + 1)
        for place in columns:
            factors = torch.log1p((means[:, place] / shares[place]).clamp(min=-0.999))
            leanings[block, place] = factors.T
            # Classes are encoded less their shares.
            leanings[block, n_condition] += factors @ shares[place]
    return leanings
