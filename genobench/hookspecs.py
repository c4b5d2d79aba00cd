"""The four hooks by which everything that has a name enters genobench.

A plugin is a module that implements some of them and is named by an entry point of group `genobench`:

    [project.entry-points.genobench]
    my-plugin = "my_plugin"

Each hook takes nothing and returns a list of `Offer`. Offers name classes as text, so that listing plugins imports no class and nothing
heavy; the class is loaded when somebody asks for it by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT: Final = "genobench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Offer:
    """One class that a plugin offers.

    Args:
        name: What users type, for example "wgan": lower case, digits and hyphens.
        target: "module:Class".
        summary: One line for `genobench plugins list`.
    """

    name: str
    target: str
    summary: str


@hookspec
def genobench_generators() -> Sequence[Offer]:  # type: ignore[empty-body]
    """Offer generators: classes that derive from `genobench.Generator`.

    Called once by `load_registry`, in any order among plugins. Return a list, or an empty one. Two plugins that offer one name are both
    kept, and the bare name is then an error that tells users to write `distribution/name`.
    """


@hookspec
def genobench_classifiers() -> Sequence[Offer]:  # type: ignore[empty-body]
    """Offer classifiers: classes that derive from `genobench.Classifier`. As for `genobench_generators`."""


@hookspec
def genobench_metrics() -> Sequence[Offer]:  # type: ignore[empty-body]
    """Offer metrics: classes that derive from `genobench.Metric`. As for `genobench_generators`."""


@hookspec
def genobench_datasets() -> Sequence[Offer]:  # type: ignore[empty-body]
    """Offer datasets: classes that derive from `genobench.Dataset`. As for `genobench_generators`."""
