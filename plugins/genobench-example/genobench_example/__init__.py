"""The smallest whole genobench plugin: it offers one generator, `segments`."""

from genobench import Offer, hookimpl

__all__ = ["genobench_generators"]


@hookimpl
def genobench_generators() -> list[Offer]:
    """Offer the generator by name; its class is imported only when somebody asks for it."""
    return [Offer("segments", "genobench_example.segments:Segments", "stretches of chromosomes, each copied from a random training sample")]
