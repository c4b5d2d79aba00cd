"""Downstream prediction: classifiers trained on real and on synthetic samples, judged on the same real holdout."""
