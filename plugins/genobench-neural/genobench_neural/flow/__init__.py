"""The parts of latent-flow: codes of samples, the flow over them, and the chain that turns them into paths through haplotype clusters."""
