"""`genobench generate`: more synthetic samples from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def generate(
    cell: Annotated[str, typer.Argument(help="A finished cell, or the beginning of its id.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where: the ending says the format (.bed, .vcf.gz, .npz, .parquet, ...).")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many samples.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 1,
) -> None:
    """Generate samples from the model of a finished cell and write them to a file."""
    from genobench.cli.progress import RunProgress
    from genobench.fitting import generate_from_cell
    from genobench.formats import write_genotypes
    from genobench.home import genobench_home
    from genobench.registry import load_registry

    with RunProgress() as progress:
        genotypes = generate_from_cell(cell, n_samples=n, seed=seed, home=genobench_home(), registry=load_registry(), on_event=progress)
    write_genotypes(genotypes, out)
    typer.echo(f"{genotypes.n_samples:,} synthetic samples x {genotypes.n_variants:,} variants written to {out}")
