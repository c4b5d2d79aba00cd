"""Which samples a generator may learn from, and which it is judged by.

A split has four parts. `train` is what a fit sees, `validation` what tuning sees, `holdout` what fidelity and utility are measured
against. `nonmembers` are a random share of each training family that no fit sees: only they are exchangeable with the training samples, so
only they can tell a model that remembers from one that knows the family.
"""

from __future__ import annotations

from genobench.splitting.making import load_or_make_split, split_samples
from genobench.splitting.parts import StoredParts, parts_folder
from genobench.splitting.split import PARTS, SCHEMES, Shares, Split, split_sha256

__all__ = ["PARTS", "SCHEMES", "Shares", "Split", "StoredParts", "load_or_make_split", "parts_folder", "split_samples", "split_sha256"]
