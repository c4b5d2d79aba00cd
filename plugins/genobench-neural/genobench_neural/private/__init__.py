"""Differential privacy: accounting, private gradients and moments, and the chains fitted with them."""
