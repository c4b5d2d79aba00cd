"""Genome-wide codes of samples: flow matching over them, and their decoding to haplotype clusters."""
