"""What a simulation gives: genotypes with what is known only because they are simulated."""

from __future__ import annotations

import json
import shutil
from dataclasses import Field, asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np

from genobench import Genotypes, PackedCalls, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd

FEWEST_SAMPLES: Final = 60
"""Below this, a facility or a birth year has too few samples for its effect to be told from the others."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated population.

    Attributes:
        calls: Number of ALT alleles, int8, shape (n_samples, n_variants); none is missing.
        samples: One row a sample, `id` first.
        variants: One row a variant: chromosome, position_bp, id, ref, alt.
        causal: One row a causal variant: its id and what one ALT allele adds to the trait.
        pedigree: Samples and their ancestors as far as recorded: id, sire, dam, sex, birth.
    """

    calls: npt.NDArray[np.int8]
    samples: pd.DataFrame
    variants: pd.DataFrame
    causal: pd.DataFrame
    pedigree: pd.DataFrame


class Simulation(Protocol):
    """A frozen dataclass of settings that can simulate."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def simulate(self) -> Simulated:
        """Simulate."""
        ...


def check_size(n_samples: int, chromosomes: Sequence[str], autosomes: Sequence[str]) -> None:
    """Refuse settings that no simulation can follow.

    Args:
        n_samples: How many samples are asked for.
        chromosomes: Which chromosomes are asked for.
        autosomes: The autosomes of the species.

    Raises:
        SettingsError: If there are too few samples for a trait of stated heritability, or the chromosomes are none or unknown.
    """
    if n_samples < FEWEST_SAMPLES:
        raise SettingsError(f"n_samples is {n_samples}; the trait can be made to measure for {FEWEST_SAMPLES} samples or more.")
    unknown = [name for name in chromosomes if name not in autosomes]
    if unknown or not chromosomes:
        raise SettingsError(f"chromosomes are {tuple(chromosomes)}; they must be some of the autosomes '1' to '{autosomes[-1]}'.")


def to_genotypes(simulated: Simulated) -> Genotypes:
    """What genobench reads: calls with the sample and variant tables."""
    return Genotypes(PackedCalls.from_calls(simulated.calls), simulated.samples, simulated.variants)


def cached_genotypes(dataset: Simulation, cache: Path) -> Genotypes:
    """The genotypes of a simulation, kept under the hash of its settings.

    Args:
        dataset: A frozen dataclass of settings that can simulate.
        cache: Folder to keep the result in.

    Returns:
        The genotypes; simulated only if `cache` does not hold them.
    """
    import pandas as pd

    settings = f"{type(dataset).__name__} {version('genobench-simulation')} {json.dumps(asdict(dataset), sort_keys=True)}"
    folder = cache / sha256(settings.encode()).hexdigest()[:16]
    if not folder.exists():
        _keep(to_genotypes(dataset.simulate()), folder)
    samples, variants = (pd.read_parquet(folder / f"{table}.parquet") for table in ("samples", "variants"))
    return Genotypes(PackedCalls(np.load(folder / "calls.npy", mmap_mode="r"), n_variants=len(variants)), samples, variants)


def _keep(genotypes: Genotypes, folder: Path) -> None:
    # Made beside its place and renamed, so that a run that is killed leaves nothing that looks whole.
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        np.save(temporary / "calls.npy", genotypes.calls.packed)
        genotypes.samples.to_parquet(temporary / "samples.parquet", index=False)
        genotypes.variants.to_parquet(temporary / "variants.parquet", index=False)
        temporary.rename(folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        if not folder.exists():
            raise
