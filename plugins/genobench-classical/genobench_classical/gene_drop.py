"""Gene dropping: training samples are mated as a breeder would, and their haplotypes handed down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from genobench import (
    FitContext,
    Generator,
    Genotypes,
    PackedCalls,
    Sampler,
    SamplerTables,
    Trial,
    check_lowest,
    whole_sampler,
    with_settings,
)
from genobench.statgen import GeneticPath, phased_haplotypes
from genobench_classical.donors import Donors, check_kernel
from genobench_classical.haplotype_copies import gametes, mosaic_haplotypes, packed_in_chunks
from genobench_classical.stored_arrays import load_arrays, save_arrays, stored_haplotypes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    Encoded = NDArray[np.float32]

_PER_SIRE: Final = 5.0
_PER_DAM: Final = 2.0
_NO_FAMILIES: Final = (1.0, 1.0)
"""Children of a sire and of a dam before the last generation: few parents would lose alleles in each generation."""

_FEWEST_IN_GENERATION: Final = 40
"""So few in all, and of each stratum: as many parents again lose 1 / 80 of heterozygosity."""

_MOST_IN_GENERATION: Final = 2000
"""So many in all, and as many again by which strata of fewer than 40 are filled up."""

_LARGEST_PART_BETWEEN: Final = 0.5
"""Of a stratum's candidates, what counts at least before the last generation: one or two parents would leave a small one no alleles."""


@dataclass(frozen=True)
class GeneDrop(Generator):
    """Descendants of training samples, several generations on, in synthetic families (MacCluer et al. 1986, doi:10.1002/zoo.1430050209).

    Training calls are phased. In each generation sires and dams are chosen and mated, within classes of the covariates (sex apart),
    and each child gets a gamete of both with crossovers by Haldane's map: 1 cM a Mb where the variant table has no `position_cm`. Sires
    and dams of the last generation are few, so that the synthetic samples have sibs; before it they are many, since few would lose
    alleles in each generation. Every generation but the last has as many animals as training had (40 to 2,000), and at least 40 of each
    combination of classes, as far as 2,000 more animals go. **All variants are inherited as autosomal**, those of X, Y and MT too: sons
    have their sire's X. Leave them out where that matters.

    The condition: a child's parents are drawn by a kernel of their trait around the child's, and parents of the last generation were
    chosen likewise, so that the expected genetic value follows the trait. Where few candidates are near, as at an extreme trait, the
    kernel is widened until `least_donors` count. In generations between, traits are drawn from the distribution kept from training.

    **With `n_generations=1` the synthetic samples are children of training samples and nothing is private**: an owner of a sample's
    genotypes finds its children by opposing homozygotes and shared segments. Later generations share ever shorter segments with training
    samples; `founder_rate` cuts the founders' haplotypes to pieces before the first mating. The saved sampler holds the training
    haplotypes: give away samples, not the sampler.

    Args:
        n_generations: Generations from the training samples to the synthetic ones.
        founder_rate: Changes of donor a morgan with which founders are put together from training haplotypes, as in `mosaic`; 0: founders
            are the training samples themselves.
        offspring_per_sire: Mean number of synthetic samples of a sire; None: as in the training samples' column `sire`, or 5.
        offspring_per_dam: Likewise, of a dam; None: as in the column `dam`, or 2.
        kernel_width: Standard deviation of the kernel in the trait (and quantitative covariates), in standard deviations of the column.
        least_donors: Effective number of candidates, 1 / sum(P(parent)²), below which no condition goes (but a quarter of them, and
            half before the last generation). What it takes off the trait at extremes is taken off in each generation.
    """

    n_generations: int = 6
    founder_rate: float = 0.0
    offspring_per_sire: float | None = None
    offspring_per_dam: float | None = None
    kernel_width: float = 0.3
    least_donors: int = 10

    def __post_init__(self) -> None:
        check_lowest(self, {"n_generations": 1, "founder_rate": 0, "offspring_per_sire": 1, "offspring_per_dam": 1, "least_donors": 1})
        check_kernel(self)

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Generations, family sizes and the kernel; never children of training samples."""
        return cls(
            n_generations=trial.suggest_int("n_generations", 2, 12),
            founder_rate=trial.suggest_float("founder_rate", 1.0, 50.0, log=True),
            offspring_per_sire=trial.suggest_float("offspring_per_sire", 2.0, 30.0, log=True),
            offspring_per_dam=trial.suggest_float("offspring_per_dam", 1.0, 10.0, log=True),
            kernel_width=trial.suggest_float("kernel_width", 0.1, 1.0, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> GeneDropSampler:
        """Phase the training samples and keep their conditions."""
        tables = SamplerTables.of_training(train, context.trait)
        return GeneDropSampler(
            settings=self,
            tables=tables,
            haplotypes=phased_haplotypes(train, seed=context.seed),
            encoded=tables.encoder.encode(train.samples),
            recorded_sex=_recorded_sex(train.samples),
            offspring=(
                self.offspring_per_sire or _mean_family(train.samples, "sire", _PER_SIRE),
                self.offspring_per_dam or _mean_family(train.samples, "dam", _PER_DAM),
            ),
        )

    @classmethod
    def load(cls, folder: Path) -> GeneDropSampler:
        """The sampler that `GeneDropSampler.save` wrote.

        Raises:
            GenobenchError: If the folder holds no whole sampler of this version.
        """
        tables, description = SamplerTables.load(folder, needs=("settings", "offspring"))
        kinds = {"haplotypes": "uint8 n_haplotypes n_bytes", "encoded": "float32 n_train width", "recorded_sex": "int8 n_train"}
        arrays = load_arrays(folder, kinds, width=tables.encoder.width)
        with whole_sampler(folder):
            settings = with_settings(cls, description["settings"])
            sire, dam = map(float, description["offspring"])
            # Made once more, settings are checked with these.
            replace(settings, offspring_per_sire=sire, offspring_per_dam=dam)
            return GeneDropSampler(
                settings=settings,
                tables=tables,
                haplotypes=stored_haplotypes(arrays, len(tables.variants)),
                encoded=arrays["encoded"],
                recorded_sex=arrays["recorded_sex"],
                offspring=(sire, dam),
            )


@dataclass(frozen=True)
class Offspring(GeneDrop):
    """Children of training samples: a control, and what an attack on relatives must find (see `GeneDrop`).

    Args:
        n_generations: 1: children of training samples.
    """

    is_control = True

    n_generations: int = 1

    @classmethod
    def suggest(cls, trial: Trial) -> Self:  # noqa: ARG003 - a control is not tuned
        """The defaults."""
        return cls()


@dataclass(frozen=True, eq=False)
class _Generation:
    """Animals to mate: their haplotypes, conditions, and which are males."""

    haplotypes: PackedCalls
    encoded: Encoded
    is_male: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class GeneDropSampler(Sampler):
    """Mates generation after generation.

    Args:
        settings: Those of the fit.
        tables: Conditions and variants.
        haplotypes: Training haplotypes, shape (2 * n_train, n_variants).
        encoded: Training conditions, shape (n_train, width).
        recorded_sex: 1 for males, 0 for females, -1 where the sex is drawn; shape (n_train,).
        offspring: Children of a sire and of a dam.
    """

    settings: GeneDrop
    tables: SamplerTables
    haplotypes: PackedCalls
    encoded: Encoded
    recorded_sex: NDArray[np.int8]
    offspring: tuple[float, float]

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Descendants; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition's length is not n_samples, or it asks for what training did not have.
        """
        conditions = self.tables.conditions(n_samples, condition, seed=seed)
        if not n_samples:
            return self.tables.genotypes(self.tables.packed_rows(0), conditions)
        rng = np.random.default_rng([seed, 2])
        path = GeneticPath.of_variants(self.tables.variants)
        settings, encoder = self.settings, self.tables.encoder
        donors = Donors(
            encoder,
            self.encoded,
            kernel_width=settings.kernel_width,
            least_donors=settings.least_donors,
            pooling=0.0,
            ignored=("sex",),
        )
        generation = self._founders(donors, path, rng)
        between = replace(donors, largest_part=_LARGEST_PART_BETWEEN)
        for _ in range(settings.n_generations - 1):
            encoded = self._drawn_conditions(donors, rng)
            sires, dams = self._parents(generation, encoded, donors=between, offspring=_NO_FAMILIES, rng=rng)
            handed_down = _handed_down(generation, path, sires=sires, dams=dams, rng=rng)
            packed = packed_in_chunks(2 * len(encoded), len(self.tables.variants), handed_down)
            haplotypes = PackedCalls(packed=packed, n_variants=len(self.tables.variants))
            generation = _Generation(haplotypes=haplotypes, encoded=encoded, is_male=_drawn_sex(len(encoded), rng))
        sires, dams = self._parents(generation, encoder.encode(conditions), donors=donors, offspring=self.offspring, rng=rng)

        def drawn(rows: slice) -> NDArray[np.int8]:
            first, second = (gametes(generation.haplotypes, parents[rows], path, rng) for parents in (sires, dams))
            return first + second

        return self.tables.genotypes(packed_in_chunks(n_samples, len(self.tables.variants), drawn), conditions)

    def _drawn_conditions(self, donors: Donors, rng: np.random.Generator) -> Encoded:
        """Conditions of a generation, shape (n_animals, width): drawn as in training, and small strata filled up with their own again."""
        encoder = self.tables.encoder
        n_animals = int(np.clip(len(self.encoded), _FEWEST_IN_GENERATION, _MOST_IN_GENERATION))
        encoded = encoder.encode(encoder.draw(n_animals, rng))
        strata = _strata(encoded, donors)
        fewest = min(_FEWEST_IN_GENERATION, _MOST_IN_GENERATION // len(strata))
        more = [rng.choice(rows, size=fewest - len(rows)) for rows in strata if len(rows) < fewest]
        filled: Encoded = encoded[np.concatenate([np.arange(n_animals), *more])]
        return filled

    def _founders(self, donors: Donors, path: GeneticPath, rng: np.random.Generator) -> _Generation:
        if self.settings.founder_rate == 0:
            is_male = np.where(self.recorded_sex < 0, _drawn_sex(len(self.recorded_sex), rng), self.recorded_sex > 0)
            return _Generation(self.haplotypes, self.encoded, is_male)
        encoded = self._drawn_conditions(donors, rng)

        def founders(rows: slice) -> NDArray[np.int8]:
            weights = donors.weights(encoded[np.arange(rows.start, rows.stop) // 2])
            return mosaic_haplotypes(self.haplotypes, weights, path, rate=self.settings.founder_rate, rng=rng)

        packed = packed_in_chunks(2 * len(encoded), len(self.tables.variants), founders)
        haplotypes = PackedCalls(packed=packed, n_variants=len(self.tables.variants))
        return _Generation(haplotypes=haplotypes, encoded=encoded, is_male=_drawn_sex(len(encoded), rng))

    def _parents(
        self, generation: _Generation, encoded: Encoded, *, donors: Donors, offspring: tuple[float, float], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A sire and a dam for each child: a dam by the child's condition, and the sire that she was mated with.

        Args:
            generation: Their parents are among these animals.
            encoded: Conditions of the children, shape (n_children, width).
            donors: Chances by conditions.
            offspring: Mean number of children of a sire and of a dam.
            rng: Draws parents.

        Returns:
            Rows of the generation, each of shape (n_children,).
        """
        sires, dams = np.empty((2, len(encoded)), dtype=np.int64)
        males, females = np.flatnonzero(generation.is_male), np.flatnonzero(~generation.is_male)
        for rows in _strata(encoded, donors):
            chosen = []
            for candidates, per_parent in zip((males, females), offspring, strict=True):
                some = rng.choice(rows, size=max(1, round(len(rows) / per_parent)), replace=False)
                chosen.append(np.unique(candidates[donors.one_each(encoded[some], generation.encoded[candidates], rng)]))
            of_sires, of_dams = (generation.encoded[parents] for parents in chosen)
            mate = chosen[0][donors.one_each(of_dams, of_sires, rng)]
            dam = donors.one_each(encoded[rows], of_dams, rng)
            sires[rows], dams[rows] = mate[dam], chosen[1][dam]
        return sires, dams

    def save(self, folder: Path) -> None:
        """Write the tables, the haplotypes, the conditions and the sexes."""
        self.tables.save(folder, {"settings": asdict(self.settings), "offspring": list(self.offspring)})
        save_arrays(folder, {"haplotypes": self.haplotypes.packed, "encoded": self.encoded, "recorded_sex": self.recorded_sex})


def _handed_down(
    generation: _Generation, path: GeneticPath, *, sires: NDArray[np.int64], dams: NDArray[np.int64], rng: np.random.Generator
) -> Callable[[slice], NDArray[np.int8]]:
    """Draws the haplotypes of children: that of the sire, then that of the dam."""
    parents = np.stack([sires, dams], axis=1).ravel()
    return lambda rows: gametes(generation.haplotypes, parents[rows], path, rng)


def _strata(encoded: Encoded, donors: Donors) -> list[NDArray[np.int64]]:
    """Rows that share all classes, those of ignored columns apart."""
    encoder = donors.encoder
    keep = [
        number
        for column, numbers in zip(encoder.columns, encoder.slices().values(), strict=True)
        if column.classes and column.name not in donors.ignored
        for number in range(numbers.start, numbers.stop)
    ]
    if not keep:
        return [np.arange(len(encoded))]
    group = np.unique(encoded[:, keep], axis=0, return_inverse=True)[1].reshape(-1)
    return [np.flatnonzero(group == k) for k in range(group.max() + 1)]


def _drawn_sex(n_animals: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Half of them males; with two animals or more there are both, so that none is its own mate."""
    is_male: NDArray[np.bool_] = rng.permutation(n_animals) % 2 == 0
    return is_male


def _recorded_sex(samples: pd.DataFrame) -> NDArray[np.int8]:
    """By the column `sex`, where both sexes occur."""
    sex = samples["sex"].astype(str).str.lower() if "sex" in samples.columns else None
    if sex is None or not (sex == "male").any() or not (sex == "female").any():
        return np.full(len(samples), -1, dtype=np.int8)
    return np.where(sex == "male", 1, np.where(sex == "female", 0, -1)).astype(np.int8)


def _mean_family(samples: pd.DataFrame, column: str, default: float) -> float:
    """Mean number of children of those parents that are known."""
    if column not in samples.columns or not samples[column].notna().any():
        return default
    return float(samples[column].value_counts().mean())
