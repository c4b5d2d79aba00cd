"""Fidelity: how near synthetic samples are to the holdout. One module an aspect of genotypes."""
