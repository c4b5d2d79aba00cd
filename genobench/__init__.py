"""genobench: a benchmarking harness for generative models of genotypes.

This is the face that plugin authors import. Names are loaded when they are first used, so that `import genobench` and listing plugins
cost milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from genobench.alignment import align_to_variants
    from genobench.calls import MISSING, CallMatrix, PackedCalls
    from genobench.contracts import (
        Classifier,
        Comparison,
        Components,
        Dataset,
        DatasetCard,
        FitContext,
        Generator,
        Metric,
        Pairwise,
        Part,
        Prediction,
        Predictions,
        Predictor,
        Sampler,
        Score,
        ScoreSpec,
        Trait,
        Trial,
    )
    from genobench.covariates import Covariates
    from genobench.encoding import ConditionEncoder
    from genobench.errors import ContractError, DatasetError, FormatError, GenobenchError, GenotypesError, SettingsError
    from genobench.formats import read_genotypes, write_genotypes
    from genobench.genotypes import Genotypes, synthetic_ids
    from genobench.hookspecs import Offer, hookimpl
    from genobench.sampler_tables import SamplerTables
    from genobench.settings import check_below, check_lowest, check_positive, check_share, with_settings
    from genobench.storage import content_sha256, load_description, read_store, save_description, whole_sampler, write_store
    from genobench.targets import Target

__version__: Final = "0.1.0"

__all__ = [
    "MISSING",
    "CallMatrix",
    "Classifier",
    "Comparison",
    "Components",
    "ConditionEncoder",
    "ContractError",
    "Covariates",
    "Dataset",
    "DatasetCard",
    "DatasetError",
    "FitContext",
    "FormatError",
    "Generator",
    "GenobenchError",
    "Genotypes",
    "GenotypesError",
    "Metric",
    "Offer",
    "PackedCalls",
    "Pairwise",
    "Part",
    "Prediction",
    "Predictions",
    "Predictor",
    "Sampler",
    "SamplerTables",
    "Score",
    "ScoreSpec",
    "SettingsError",
    "Target",
    "Trait",
    "Trial",
    "align_to_variants",
    "check_below",
    "check_lowest",
    "check_positive",
    "check_share",
    "content_sha256",
    "hookimpl",
    "load_description",
    "read_genotypes",
    "read_store",
    "save_description",
    "synthetic_ids",
    "whole_sampler",
    "with_settings",
    "write_genotypes",
    "write_store",
]

_MODULES: Final = {
    "alignment": ("align_to_variants",),
    "calls": ("MISSING", "CallMatrix", "PackedCalls"),
    "covariates": ("Covariates",),
    "encoding": ("ConditionEncoder",),
    "errors": ("ContractError", "DatasetError", "FormatError", "GenobenchError", "GenotypesError", "SettingsError"),
    "formats": ("read_genotypes", "write_genotypes"),
    "genotypes": ("Genotypes", "synthetic_ids"),
    "hookspecs": ("Offer", "hookimpl"),
    "sampler_tables": ("SamplerTables",),
    "settings": ("check_below", "check_lowest", "check_positive", "check_share", "with_settings"),
    "storage": ("content_sha256", "load_description", "read_store", "save_description", "whole_sampler", "write_store"),
    "targets": ("Target",),
}
_MODULE_OF: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'genobench' has no attribute '{name}'; its public names are in genobench.__all__.")
    return getattr(import_module(f"genobench.{_MODULE_OF.get(name, 'contracts')}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
