"""What synthetic samples say of variants and a trait, against what as many training samples say: association and importance."""
