"""Two simulated datasets that ship with genobench and need no download.

They were simulated once by `genobench_simulation.make_demos` (the plugin genobench-simulation). Each lies in a folder of `demo_data`:
calls at two bits each, sample-major, and CSV tables, all compressed by xz; and `card.json`, which holds the sha256 of each file's
content, what is simulated and how, and what was measured on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from genobench import Dataset, DatasetCard, DatasetError, Genotypes, PackedCalls

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    import pandas as pd

_NUMBERS: Final = {
    "position_bp": "int64",
    "birth_year": "int64",
    "fat_content": "float64",
    "pavca_index": "float64",
    "effect": "float64",
    "share": "float64",
}
"""Columns that are no text."""


class _Demo(Dataset):
    """A dataset in a folder of `demo_data`."""

    folder: ClassVar[str]

    @property
    def card(self) -> DatasetCard:
        """What it is."""
        return DatasetCard.from_json(self._card_values())

    def load(self, cache: Path) -> Genotypes:  # noqa: ARG002 - embedded: nothing to keep
        """The genotypes; nothing is written to `cache`.

        Raises:
            DatasetError: If a shipped file is not the one that the card describes.
        """
        import numpy as np

        samples, variants = self._table("samples.csv"), self._table("variants.csv")
        packed = np.frombuffer(self._content("calls.bin"), dtype=np.uint8).reshape(len(samples), -1)
        return Genotypes(PackedCalls(packed, n_variants=len(variants)), samples, variants)

    def causal(self) -> pd.DataFrame:
        """The causal variants: `id`, and `effect` of one ALT allele; the additive genetic values are calls times effects."""
        return self._table("causal.csv")

    def pedigree(self) -> pd.DataFrame:
        """The samples and their recorded ancestors, parents before offspring: `id`, `sire`, `dam` ("" for founders), `sex`, and more."""
        return self._table("pedigree.csv")

    def measured(self) -> dict[str, Any]:
        """What was measured on the data when they were made: size, linkage, structure, heritability."""
        facts: dict[str, Any] = self._card_values()["measured"]
        return facts

    def _file(self, name: str) -> Traversable:
        from importlib.resources import files

        return files("genobench.builtin").joinpath("demo_data", self.folder, name)

    def _card_values(self) -> dict[str, Any]:
        import json

        values: dict[str, Any] = json.loads(self._file("card.json").read_text(encoding="utf-8"))
        return values

    def _content(self, name: str) -> bytes:
        import lzma
        from hashlib import sha256

        file = self._file(f"{name}.xz")
        expected = self._card_values()["files"][name]
        try:
            content = lzma.decompress(file.read_bytes())
        except (OSError, lzma.LZMAError) as error:
            raise DatasetError(f"The embedded file {file} cannot be read: {error}. Install genobench again.") from error
        found = sha256(content).hexdigest()
        if found != expected:
            raise DatasetError(
                f"The embedded file {file} holds content of sha256 {found}; its card says {expected}. Install genobench again."
            )
        return content

    def _table(self, name: str) -> pd.DataFrame:
        from io import BytesIO

        import pandas as pd

        table = pd.read_csv(BytesIO(self._content(name)), dtype=str, keep_default_na=False)
        return table.astype({column: kind for column, kind in _NUMBERS.items() if column in table.columns})


class CattleDemo(_Demo):
    """1,950 simulated Holstein-like cows in half-sib families x 4,011 variants; fat content."""

    folder = "cattle"


class RatDemo(_Demo):
    """1,900 simulated outbred rats of two vendors x 3,840 variants; the PavCA index and its classes."""

    folder = "rat"
