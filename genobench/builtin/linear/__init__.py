"""Linear classifiers, one a file: a trait as a weighted sum of calls beside covariates that are not penalised."""
