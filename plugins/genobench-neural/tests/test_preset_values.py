"""Settings that are None stand for those of a preset: the docstring, which `genobench plugins info` shows, says the default's."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from typing import Any

import pytest

from genobench_neural.diffusion import Diffusion
from genobench_neural.gan import Gan
from genobench_neural.vae import Vae
from genobench_neural.wgan import Wgan
from genobench_neural.windows.training import WindowPlan

PLANS: dict[type[Any], Any] = {Vae: WindowPlan(), Gan: Gan().plan, Wgan: Wgan().plan, Diffusion: Diffusion().plan}
FIRST_ENTRY = "preset"


def said_values(text: str) -> dict[str, object]:
    """The value in the last brackets of each entry of `Args:`."""
    entries = re.split(r"\n    (?=\w+:)", "\n" + text.partition("Args:\n")[2].partition("\n\n")[0])[1:]
    said = {}
    for entry in entries:
        name, _, about = entry.partition(":")
        found = re.search(r"\((?:default only:\s+)?([^():;]+)(?:;[^()]*)?\)\.$", " ".join(about.split()), re.IGNORECASE)
        if found:
            said[name] = ast.literal_eval(found[1].replace(" million", "e6").replace("true", "True"))
    return said


@pytest.mark.parametrize("generator", list(PLANS))
def test_docstring__says_the_values_of_the_default_preset(generator: type[Any]) -> None:
    said, plan = said_values(inspect.getdoc(generator) or ""), PLANS[generator]
    unset = [field.name for field in dataclasses.fields(generator) if field.default is None and hasattr(plan, field.name)]
    assert unset
    assert said == {name: getattr(plan, name) for name in unset}
