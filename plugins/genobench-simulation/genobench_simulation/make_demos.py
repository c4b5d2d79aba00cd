"""Make the demo datasets that genobench ships: python -m genobench_simulation.make_demos FOLDER."""

from __future__ import annotations

import argparse
import json
import lzma
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genobench import content_sha256
from genobench_simulation.cards import CATTLE_CARD, RAT_CARD
from genobench_simulation.cattle import CattleSim
from genobench_simulation.measurement import cattle_facts, rat_facts
from genobench_simulation.rat import RatSim
from genobench_simulation.simulated import to_genotypes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from genobench_simulation.simulated import Simulated


def write_demo(simulated: Simulated, folder: Path, card: Mapping[str, Any], facts: Mapping[str, object]) -> None:
    """Write a simulated dataset in the packed form that the core ships.

    Args:
        simulated: What to write.
        folder: Where; made if need be.
        card: The fields of the card.
        facts: What was measured on the data; the card repeats it.
    """
    genotypes = to_genotypes(simulated)
    contents = {
        "calls.bin": np.ascontiguousarray(genotypes.calls.packed).tobytes(),
        "samples.csv": _csv(simulated.samples),
        "variants.csv": _csv(simulated.variants),
        "causal.csv": _csv(simulated.causal),
        "pedigree.csv": _csv(simulated.pedigree),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.xz").write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    full_card = {
        **card,
        "sha256": content_sha256(genotypes),
        "files": {name: sha256(content).hexdigest() for name, content in contents.items()},
        "measured": dict(facts),
    }
    (folder / "card.json").write_text(json.dumps(full_card, indent=2) + "\n", encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate both demo datasets into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write; genobench ships genobench/builtin/demo_data")
    folder: Path = parser.parse_args(arguments).folder
    cattle = CattleSim().simulate()
    write_demo(cattle, folder / "cattle", CATTLE_CARD, cattle_facts(cattle))
    rats = RatSim().simulate()
    write_demo(rats, folder / "rat", RAT_CARD, rat_facts(rats))


def _csv(table: pd.DataFrame) -> bytes:
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text.encode()


if __name__ == "__main__":
    main()
