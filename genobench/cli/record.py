"""`genobench record`: MLflow brought up to what the local records say."""

from __future__ import annotations

import typer

from genobench.cli.console import warn


def record() -> None:
    """Record every local outcome in MLflow, for example after runs with --no-track or without a server; what is there already stays."""
    from genobench.home import genobench_home
    from genobench.outcomes import read_local_outcomes
    from genobench.tracking import rebuild

    home = genobench_home()
    typer.echo(f"Local outcomes that MLflow holds now: {rebuild(home, read_local_outcomes(home, warn)):,}")
