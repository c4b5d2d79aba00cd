"""The autoencoder whose decoder sees the variants before each one."""
