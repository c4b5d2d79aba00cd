"""Families: haplotypes inferred of parents, gametes drawn from a chain of haplotype clusters, and their progeny."""
