"""The dense networks of Xie et al. 2025 (arXiv:2508.09212), their presets and their training."""
