"""Privacy: what synthetic samples give away about who was in training. One module a kind of attack."""
