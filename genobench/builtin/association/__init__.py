"""What synthetic samples say of variants and a trait, against what as many holdout samples say: association and importance."""
