"""The smallest whole genobench plugin: it offers one generator, `mosaic`."""

from genobench import Offer, hookimpl

__all__ = ["genobench_generators"]


@hookimpl
def genobench_generators() -> list[Offer]:
    """Offer the generator by name; its class is imported only when somebody asks for it."""
    return [Offer("mosaic", "genobench_example.mosaic:Mosaic", "segments of chromosomes, each copied from a random training sample")]
