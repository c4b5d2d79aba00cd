"""`genobench plugins`: what is installed, what it is, whether it keeps its contract."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Annotated, Final

import typer

from genobench.errors import ContractError

if TYPE_CHECKING:
    from genobench.registry import Registered

_NARROWEST: Final = 40
"""Columns for what is said of a plugin, however narrow the terminal is."""

app = typer.Typer(help="What is installed, what it is, whether it keeps its contract.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]


@app.command("list")
def list_plugins(*, as_json: JsonOption = False) -> None:
    """List every generator, classifier, metric and dataset, and plugins that failed to load."""
    from genobench.registry import KINDS, load_registry

    registry = load_registry()
    if as_json:
        fields = ("kind", "name", "distribution", "version", "summary", "error")
        typer.echo(json.dumps([{field: getattr(entry, field) for field in fields} for entry in registry.entries], indent=2))
        return
    width = max((len(entry.name) for entry in registry.entries), default=0)
    for kind in KINDS:
        typer.echo(f"{kind}s")
        for entry in registry.offers(kind):
            typer.echo(_listed(entry, entry.summary, width))
    if registry.failures():
        typer.echo("failed to load")
        for entry in registry.failures():
            typer.echo(_listed(entry, entry.error or "", width))


def _listed(entry: Registered, text: str, width: int) -> str:
    """A plugin's name beside what is said of it, wrapped to the terminal; in a pipe one line, for grep."""
    whole = f"{text.rstrip('.')}  ({entry.distribution} {entry.version})"
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(whole) + width + 4
    first = f"  {entry.name:<{width}}  "
    columns = max(columns, width + _NARROWEST)
    return textwrap.fill(whole, columns, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)


@app.command("info")
def info(name: Annotated[str, typer.Argument(help="A plugin's name, or distribution/name.")], *, as_json: JsonOption = False) -> None:
    """Show what a plugin is: its settings with their defaults, its description with its citation."""
    import dataclasses
    import inspect

    from genobench.registry import load_registry, load_target

    for entry in load_registry().find_any(name):
        assert entry.kind is not None  # noqa: S101 - find_any gives offers only
        cls = load_target(entry.kind, entry)
        settings = [
            {"name": item.name, "type": str(item.type), "default": None if item.default is dataclasses.MISSING else item.default}
            for item in (dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ())
        ]
        text = inspect.getdoc(cls) or ""
        if as_json:
            head = {"kind": entry.kind, "name": entry.name, "distribution": entry.distribution, "version": entry.version}
            typer.echo(json.dumps({**head, "target": entry.target, "settings": settings, "description": text}, indent=2, default=str))
            continue
        typer.echo(f"{entry.kind} {entry.name}  ({entry.distribution} {entry.version}, {entry.target})\n\n{text}\n")
        if settings:
            width = max(len(str(item["name"])) for item in settings)
            typer.echo("Settings (--set name=value):")
            for item in settings:
                typer.echo(f"  {item['name']:<{width}}  {item['type']} = {item['default']!r}")


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A plugin's name, or distribution/name.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="A setting that makes it quick, name=value; may be repeated.")] = None,
    device: Annotated[str, typer.Option(help="What generators and classifiers are fitted on: auto, cpu, cuda, cuda:1, ...")] = "cpu",
) -> None:
    """Hold an installed plugin to its contract: run the conformance suite of its kind (ten fits of a generator)."""
    from genobench.cli.run import read_settings
    from genobench.devices import resolve_device
    from genobench.registry import load_registry, load_target
    from genobench.testing import iterate_checks

    chosen, device = read_settings(settings or [], None), resolve_device(device)
    n_broken = 0
    for entry in load_registry().find_any(name):
        assert entry.kind is not None  # noqa: S101 - find_any gives offers only
        typer.echo(f"{entry.kind} {entry.name} ({entry.distribution} {entry.version})")
        for result in iterate_checks(entry.kind, load_target(entry.kind, entry), chosen, device=device):
            typer.echo(f"  {'ok  ' if result.ok else 'FAIL'}  {result.rule}" + ("" if result.ok else f"\n        {result.message}"))
            n_broken += not result.ok
    if n_broken:
        raise ContractError(f"The plugin '{name}' breaks {n_broken} rule{'s' if n_broken > 1 else ''} of its contract; see above.")
    typer.echo("All rules kept.")
