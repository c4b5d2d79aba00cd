"""Genotypes, trait and covariates as the columns of a table: the parts of CTGAN."""
