"""Figures of one run, drawn from its real and synthetic genotypes."""
