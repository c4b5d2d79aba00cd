"""Simulated datasets for genobench: a dairy cattle population and rats of two vendors, at any size."""

from __future__ import annotations

from genobench import Offer, hookimpl


@hookimpl
def genobench_datasets() -> list[Offer]:
    """The simulators behind the two demo datasets."""
    return [
        Offer("cattle-sim", "genobench_simulation.cattle:CattleSim", "Holstein-like cows in half-sib families, simulated at any size"),
        Offer("rat-sim", "genobench_simulation.rat:RatSim", "outbred rats of two vendors and six facilities, simulated at any size"),
    ]
