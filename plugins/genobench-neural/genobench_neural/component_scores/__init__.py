"""Principal component scores of chromosomes, and diffusion over them."""
