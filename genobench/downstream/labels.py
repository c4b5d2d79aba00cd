"""Labels: the shortest names of classifiers and of generators that tell those of one board apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genobench.downstream.records import PredictionRecord


@dataclass(frozen=True)
class Named:
    """Something with settings that tables name, and whatever else tells two of one name apart.

    Args:
        name: As `distribution/name`; "" for no generator.
        settings: As JSON.
        others: Further facts as text, by what they are.
    """

    name: str
    settings: str
    others: tuple[tuple[str, str], ...]

    @classmethod
    def classifier(cls, record: PredictionRecord) -> Self:
        """The classifier of a record."""
        others = (("components", str(record.n_components)), ("code", record.code_sha256[:6]))
        return cls(record.classifier, json.dumps(dict(record.classifier_settings), sort_keys=True), others)

    @classmethod
    def generator(cls, record: PredictionRecord) -> Self:
        """The generator of a record; "" where it has none."""
        if not record.generator:
            return cls("", "{}", ())
        settings = json.dumps(dict(record.generator_settings), sort_keys=True)
        return cls(record.generator, settings, (("budget", record.budget or "none"),))


def labels(named: Iterable[Named]) -> dict[Named, str]:
    """The shortest labels that tell them apart: a name, with the settings and facts in which those of one name differ."""
    listed = sorted(set(named), key=lambda one: (one.name, one.settings, one.others))
    short = {one: one.name.rsplit("/", 1)[-1] for one in listed}
    found = {}
    for one in listed:
        peers = [other for other in listed if other.name == one.name]
        facts = [{**json.loads(peer.settings), **dict(peer.others)} for peer in peers]
        mine = facts[peers.index(one)]
        names = sorted({name for fact in facts for name in fact if len({str(other.get(name)) for other in facts}) > 1})
        is_alone = len({other.name for other in listed if short[other] == short[one]}) == 1
        parts = ", ".join(f"{name}={mine.get(name)}" for name in names)
        found[one] = (short[one] if is_alone else one.name) + (f" ({parts})" if parts else "")
    return found
