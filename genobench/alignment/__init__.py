"""Genotypes of several files over one list of variants: which variants are the same, and calls brought to the alleles of the first."""

from genobench.alignment.aligning import Alignment, align, align_to_variants
from genobench.alignment.matching import MatchCounts, VariantMatch, match_variants, variant_keys

__all__ = ["Alignment", "MatchCounts", "VariantMatch", "align", "align_to_variants", "match_variants", "variant_keys"]
