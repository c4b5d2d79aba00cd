"""What a plugin is: the classes to derive from and the values that pass through them.

A generator is a frozen dataclass of settings; fitting it gives a sampler; a sampler generates genotypes. A classifier likewise: fitted,
it gives a predictor. A metric scores a comparison. A dataset loads genotypes. No object changes after it is made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, Self, get_args

from genobench.errors import DatasetError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from genobench.genotypes import Genotypes

TraitKind = Literal["categorical", "ordinal", "quantitative"]
ScoreFamily = Literal["fidelity", "privacy", "utility"]
Direction = Literal["lower", "higher", "target"]
Part = Literal["train", "holdout", "nonmembers", "synthetic"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
Measure = Literal["manhattan", "squared-euclidean", "manhattan-visible", "opposing-homozygotes", "shared-segment", "king"]


class Trial(Protocol):
    """What `suggest` may ask; Optuna's trials satisfy it as they are."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        """A number in [low, high]."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number in [low, high]."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        ...


@dataclass(frozen=True)
class Trait:
    """Which phenotype is predicted and conditioned on, and how to treat it.

    Args:
        column: Its column in the sample table.
        kind: `quantitative`, `categorical`, or `ordinal` (classes in order).
        classes: The classes, in order; empty for a quantitative trait.
        covariates: Columns known beside it (sex, vendor, batch, ...).
        family: The column whose value groups relatives; None where no family is recorded.

    Raises:
        DatasetError: If the trait is among its own covariates.
    """

    column: str
    kind: TraitKind
    classes: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    family: str | None = None

    def __post_init__(self) -> None:
        if self.column in self.covariates:
            raise DatasetError(f"The trait '{self.column}' cannot be among its own covariates: whoever sees these would see it.")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """A trait from its JSON object, as `dataclasses.asdict` gives it.

        Raises:
            DatasetError: If the column or the kind is missing, or the kind is none.
        """
        kind: Any = values.get("kind")
        if "column" not in values or kind not in get_args(TraitKind):
            raise DatasetError(f"The trait {dict(values)} must have a column, and a kind that is one of {', '.join(get_args(TraitKind))}.")
        return cls(
            column=str(values["column"]),
            kind=kind,
            classes=tuple(values.get("classes", ())),
            covariates=tuple(values.get("covariates", ())),
            family=values.get("family"),
        )


@dataclass(frozen=True)
class DatasetCard:
    """What a dataset is, where it comes from, and what may be done with it.

    Args:
        title: One line.
        species: Binomial name with the common one.
        assembly: The assembly of `position_bp`, or "none".
        source: How it was made, or where it was published.
        licence: As stated by the source.
        citation: What to cite.
        sha256: `genobench.storage.content_sha256` of the genotypes; "" where it is only known after loading (simulators of any size).
        traits: The first one is the default.
        birth_column: A sortable column (year, generation) for forward-in-time splits; None where not known.
        notes: Facts that a user must know (what is simulated, what was measured).
    """

    title: str
    species: str
    assembly: str
    source: str
    licence: str
    citation: str
    sha256: str
    traits: tuple[Trait, ...]
    birth_column: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """A card from its JSON object; unknown keys are ignored, so that a card may say more (measured facts).

        Raises:
            DatasetError: If a field is missing or malformed.
        """
        try:
            texts = {name: str(values[name]) for name in ("title", "species", "assembly", "source", "licence", "citation")}
            return cls(
                **texts,
                sha256=str(values.get("sha256", "")),
                traits=tuple(Trait.from_json(trait) for trait in values["traits"]),
                birth_column=values.get("birth_column"),
                notes=tuple(values.get("notes", ())),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise DatasetError(f"The dataset card lacks or misstates the field {error}.") from error

    def trait(self, column: str | None = None) -> Trait:
        """The trait of that column; the first one for None.

        Raises:
            DatasetError: If the card has no (such) trait.
        """
        for trait in self.traits:
            if column in (None, trait.column):
                return trait
        if not self.traits:
            raise DatasetError(
                f"'{self.title}' names no trait, and a run needs one: import it again with --phenotypes FILE --trait COLUMN --replace."
            )
        listed = ", ".join(trait.column for trait in self.traits)
        raise DatasetError(f"The dataset has no trait '{column or ''}'; its traits are: {listed}.")


class Dataset(ABC):
    """Genotypes by name; made without arguments (its fields, if any, have defaults)."""

    @property
    @abstractmethod
    def card(self) -> DatasetCard:
        """What it is."""

    @abstractmethod
    def load(self, cache: Path) -> Genotypes:
        """The genotypes.

        Args:
            cache: A folder of this dataset's own that outlives the call; an embedded dataset needs none.

        Returns:
            Genotypes whose content hash is the card's.
        """

    def causal(self) -> pd.DataFrame | None:
        """The variants that make the traits, where these were simulated; None, the default, where nobody knows them.

        Returns:
            A row a variant: `id`, one of those of the genotypes, and `effect`, what one ALT allele adds to the trait, or to whatever the
            trait is made from; other columns are passed over.
        """
        return None


@dataclass(frozen=True)
class FitContext:
    """What a fit is given beside the training samples. A fit never sees holdout or nonmembers.

    Args:
        trait: The phenotype to condition on.
        seed: Seeds every random draw of the fit.
        device: `cpu`, `cuda` or `cuda:0`, ...
        folder: A folder of the fit's own, for checkpoints; it outlives a kill.
        validation: Samples for early stopping; None where there are none.
        time_limit_seconds: After this the fit is stopped from outside with status `timeout`; None: no limit.
        n_components: Principal components that a classifier is to take as covariates beside the trait's; see `genobench.Covariates`.
        n_devices: Devices of that kind which the fit shares: GPUs from the first on, or as many processes on the CPU; see
            `Generator.check_devices`.
        report: Called with (step, {"loss": value, ...}) as the fit goes on; draws the curves. `total_steps` may be among the values.
    """

    trait: Trait
    seed: int
    device: str
    folder: Path
    validation: Genotypes | None = None
    time_limit_seconds: float | None = None
    n_components: int = 0
    n_devices: int = 1
    report: Reporter = field(default=lambda _step, _losses: None)


class Reporter(Protocol):
    """Takes a step and its losses."""

    def __call__(self, step: int, losses: Mapping[str, float], /) -> None:
        """Record one point of the curves."""
        ...


class Sampler(ABC):
    """A fitted generator."""

    @abstractmethod
    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Synthetic genotypes over the training variants, no call missing.

        Args:
            n_samples: How many.
            seed: Same seed, same samples, on one machine.
            condition: The trait and its covariates, one row a sample, drawn by the harness from the training rows and smoothed where
                quantitative; a generator that does not condition ignores it.

        Returns:
            Genotypes of n_samples samples, the variants of training, in their order. Where a condition was given, its columns stand in
            the sample table.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the sampler into an empty folder, as safetensors, npy and JSON; nothing that must be unpickled."""


class Generator(ABC):
    """A generative model of genotypes; derive a frozen dataclass whose fields are the settings, each with a default.

    `is_control` marks a generator that anchors the scale (a floor, a leak): boards show it and never rank it.
    """

    is_control: ClassVar[bool] = False

    @classmethod
    def suggest(cls, trial: Trial) -> Self:  # noqa: ARG003 - the default asks the trial nothing
        """The settings worth trying; by default only the defaults."""
        return cls()

    def check_devices(self, n_devices: int) -> None:
        """Refuse a number of devices that these settings cannot share one fit among; asked before anything is fitted.

        By default that is any but one. A generator that can share a fit overrides this, and its `fit` heeds `context.n_devices`.

        Args:
            n_devices: At least 1.

        Raises:
            GenobenchError: If it cannot; the message says why.
        """
        if n_devices > 1:
            raise SettingsError(f"{type(self).__name__} cannot share a fit among {n_devices} devices; leave --devices out.")

    @abstractmethod
    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples. Calls may be missing; `genobench.statgen.impute` is the stated default."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that `Sampler.save` wrote.

        Raises:
            GenobenchError: If the folder holds no whole sampler of this generator (see `genobench.whole_sampler`).
        """


class Predictor(ABC):
    """A fitted classifier."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the columns that `predict` gives; empty for a quantitative trait."""
        return ()

    @abstractmethod
    def predict(self, genotypes: Genotypes) -> NDArray[np.float64]:
        """Predictions for samples whose trait is withheld.

        Returns:
            Class probabilities, shape (n_samples, n_classes), or values of a quantitative trait, shape (n_samples,).
        """


class Classifier(ABC):
    """A model that predicts a trait (classes or values) from genotypes; derive a frozen dataclass of settings.

    `trait_kinds` says which kinds of trait it takes.
    """

    trait_kinds: ClassVar[frozenset[TraitKind]] = frozenset({"categorical", "ordinal", "quantitative"})

    @classmethod
    def suggest(cls, trial: Trial) -> Self:  # noqa: ARG003 - the default asks the trial nothing
        """The settings worth trying; by default only the defaults."""
        return cls()

    @abstractmethod
    def fit(self, train: Genotypes, context: FitContext) -> Predictor:
        """Learn the trait `context.trait` from samples whose trait is known."""


@dataclass(frozen=True)
class ScoreSpec:
    """What a score means, declared before any is computed.

    Args:
        name: Its key on boards, for example `ld_decay_error`.
        summary: One line for the report.
        unit: For example "allele frequency", "r2", "AUC", "share".
        direction: `lower` or `higher` is better, or `target`: the nearer to the ideal the better.
        ideal: The value of a perfect generator; None where only the band says it.
        version: Raised whenever the definition changes; scores of two versions are never compared.
        is_primary: Whether boards rank by it.
        chance: For an attack: what one scores that knows nothing (0.5 for an AUC). The harness lets it attack with unseen real samples in
            the place of synthetic ones, and withdraws the metric's scores as not exchangeable if it is then more than four standard
            errors away from chance. None for what is no attack.
    """

    name: str
    summary: str
    unit: str
    direction: Direction
    ideal: float | None
    version: int
    is_primary: bool = False
    chance: float | None = None


@dataclass(frozen=True)
class Score:
    """One number with its noise.

    Args:
        name: As declared in a `ScoreSpec`.
        value: The number; NaN where it cannot be computed.
        standard_error: Of the value, on its scale; None where an interval alone is given, or none can be had.
        interval: 95 % interval (low, high); None where value ± 1.96 standard errors says it.
        reason: Why the value is NaN, in one sentence; None otherwise.
    """

    name: str
    value: float
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Pairwise:
    """Request: one number for every pair of samples of two parts, as `genobench.statgen` defines the measure.

    The result is an array of shape (n_queries, n_references), int32, or float32 for `king`; missing calls are imputed from train.

    Args:
        queries: The part along axis 0.
        references: The part along axis 1.
        measure: `manhattan` and `squared-euclidean` distance; `manhattan-visible`, over the variants that an attacker who infers the others
            is shown; `opposing-homozygotes`, variants where one has 0 and the other 2; `shared-segment`, the longest run of variants
            without any; `king`, kinship by KING-robust over autosomes.
    """

    queries: Part
    references: Part
    measure: Measure = "manhattan"


@dataclass(frozen=True)
class Components:
    """Request: the samples of every part on the principal components of train.

    The result maps each part's name to scores of shape (n_samples, n_components), and "explained_share" to shape (n_components,).
    """

    n_components: int = 10


@dataclass(frozen=True)
class Predictions:
    """Request: a part's trait predicted by a classifier trained on another part.

    The result is a `Prediction`, or a string that says why there is none.

    Args:
        classifier: Its name.
        arm: The part it is trained on.
        target: The part whose trait is predicted.
    """

    classifier: str
    arm: Part
    target: Part = "holdout"


Request = Pairwise | Components | Predictions


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier said of the samples of a part.

    Args:
        truth: Class labels (str), "" where not known, or values of the trait, NaN where not known, shape (n_samples,).
        predicted: Class probabilities, shape (n_samples, n_classes), or values, shape (n_samples,).
        classes: The classes in column order; empty for a quantitative trait.
        groups: The family of each sample (or its own number), for intervals, shape (n_samples,).
    """

    truth: NDArray[Any]
    predicted: NDArray[np.float64]
    classes: tuple[str, ...]
    groups: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a metric compares.

    Metrics that use the holdout are handed as many synthetic samples as it has, others all of them; for those of fidelity the calls are
    missing in synthetic samples that are missing in the holdout. A part that nobody has holds no samples.

    Args:
        trait: The phenotype of the run.
        train: The training samples.
        holdout: Samples unrelated to training, as far as the split could do it (validation samples while tuning).
        nonmembers: Samples of the training families that no fit has seen: exchangeable with train.
        synthetic: The generated samples; or real ones, when the harness computes a band.
        results: What was asked for in `Metric.needs`, by request.
        groups: For each real part, a number per sample that relatives share (the unit the split kept together), shape (n_samples,);
            intervals are made by leaving out whole groups. Absent where the caller knows none: every sample then stands alone.
        causal: What one ALT allele adds to the trait, by the id of each variant that makes it; None where the dataset names none.
    """

    trait: Trait
    train: Genotypes
    holdout: Genotypes
    nonmembers: Genotypes
    synthetic: Genotypes
    results: Mapping[Request, Any] = field(default_factory=dict)
    groups: Mapping[Part, NDArray[np.intp]] = field(default_factory=dict)
    causal: Mapping[str, float] | None = None

    def part(self, name: Part) -> Genotypes:
        """The samples of one part."""
        genotypes: Genotypes = getattr(self, name)
        return genotypes


class Metric(ABC):
    """Scores of one family; derive a frozen dataclass whose fields are the settings, each with a default."""

    family: ClassVar[ScoreFamily]
    scores: ClassVar[tuple[ScoreSpec, ...]]
    is_on_request: ClassVar[bool] = False
    """Whether it is left out unless it is asked for by name."""
    most_samples: ClassVar[int] = 10_000
    """Of a part that it is shown, for a metric whose time grows with pairs of samples; of a larger part so many are drawn."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts without which there is no score; by default what the family compares."""
        by_family: Mapping[ScoreFamily, tuple[Part, ...]] = {
            "fidelity": ("holdout", "synthetic"),
            "privacy": ("train", "nonmembers", "synthetic"),
            "utility": ("train", "holdout", "synthetic"),
        }
        return by_family[self.family]

    def needs(self, trait: Trait) -> tuple[Request, ...]:  # noqa: ARG002 - the default needs nothing
        """What the harness must compute once for all metrics that ask; by default nothing."""
        return ()

    def applies_to(self, trait: Trait) -> bool:  # noqa: ARG002 - the default suits every trait
        """Whether the metric means anything for this trait; scores that do not apply have no row."""
        return True

    @abstractmethod
    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The declared scores, each once, in any order."""
