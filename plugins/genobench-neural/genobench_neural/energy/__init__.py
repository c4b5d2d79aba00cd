"""Models of genotypes by their energy: the parts of the restricted Boltzmann machine."""
