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
    samples: Annotated[Path | None, typer.Option(help="Write the trait and covariates they were asked for here, as CSV.")] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace files that are there.")] = False,
) -> None:
    """Generate samples from the model of a finished cell and write them to a file."""
    from genobench.cli.progress import RunProgress
    from genobench.errors import FormatError
    from genobench.formats import check_writable, write_genotypes
    from genobench.generating import generate_from_cell
    from genobench.home import genobench_home, write_text_atomically
    from genobench.registry import load_registry

    for path in (out, samples):
        if path is not None and path.exists() and not replace:
            raise FormatError(f"{path} exists already; choose another place, or add --replace.")
    check_writable(out)
    with RunProgress() as progress:
        genotypes = generate_from_cell(cell, n_samples=n, seed=seed, home=genobench_home(), registry=load_registry(), on_event=progress)
    written = list(write_genotypes(genotypes, out))
    if samples is not None:
        write_text_atomically(samples, genotypes.samples.to_csv(index=False))
        written.append(samples)
    typer.echo(f"{genotypes.n_samples:,} synthetic samples x {genotypes.n_variants:,} variants written to {', '.join(map(str, written))}")
    if samples is None and genotypes.samples.shape[1] > 1:
        typer.echo("What they were asked to be (trait, covariates) may have no place in this format: --samples FILE writes it.", err=True)
