"""What the classifiers share: the trait and its losses, what networks see, the linear part, and a committee of small networks."""
