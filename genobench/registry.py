"""Who offers what: finds plugins, keeps what failed to load, loads a class when it is asked for.

`load_registry` builds a fresh registry each time; there is no global one. The built-ins come by the same door as everybody.
"""

from __future__ import annotations

import difflib
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import pluggy

from genobench import hookspecs
from genobench.errors import ContractError, DuplicateNameError, PluginLoadError, UnknownNameError
from genobench.hookspecs import Offer
from genobench.sources import source_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["generator", "classifier", "metric", "dataset"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
GROUP: Final = "genobench"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_TARGET: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Registered:
    """One name that a distribution offers, or a plugin that could not be loaded.

    Args:
        kind: `generator`, `classifier`, `metric`, `dataset`; None for a plugin that failed before it could offer anything.
        name: The name offered; of a failed plugin, its entry point's name.
        distribution: The installed distribution.
        version: Its version.
        target: "module:Class".
        summary: One line.
        error: Why it cannot be used; None for a good one.
    """

    kind: Kind | None
    name: str
    distribution: str
    version: str
    target: str
    summary: str
    error: str | None = None

    @property
    def qualified_name(self) -> str:
        """`distribution/name`, which always works."""
        return f"{self.distribution}/{self.name}"


@dataclass(frozen=True)
class Registry:
    """All that is installed, as `load_registry` found it."""

    entries: tuple[Registered, ...]

    def offers(self, kind: Kind) -> tuple[Registered, ...]:
        """What is offered of one kind, in alphabetical order of names."""
        return tuple(entry for entry in self.entries if entry.kind == kind and entry.error is None)

    def failures(self) -> tuple[Registered, ...]:
        """Plugins that could not be loaded, with their errors."""
        return tuple(entry for entry in self.entries if entry.error is not None)

    def find(self, kind: Kind, name: str) -> Registered:
        """The offer of that name.

        Args:
            kind: What it is.
            name: The bare name, or `distribution/name`.

        Raises:
            UnknownNameError: If nobody offers it; the message gives the nearest name.
            DuplicateNameError: If the bare name is offered by two distributions.
            PluginLoadError: If a plugin of that name failed to load.
        """
        found = [entry for entry in self.offers(kind) if name in (entry.name, entry.qualified_name)]
        if len(found) == 1:
            return found[0]
        if found:
            sides = " and ".join(f"{entry.distribution} {entry.version}" for entry in found)
            choices = " or ".join(entry.qualified_name for entry in found)
            raise DuplicateNameError(f"The {kind} '{name}' is offered by {sides}. Write {choices}.")
        self._raise_if_failed(name)
        raise UnknownNameError(self._unknown(kind, name, [entry.name for entry in self.offers(kind)]))

    def find_any(self, name: str) -> tuple[Registered, ...]:
        """The offers of that name, of whatever kind.

        Raises:
            UnknownNameError: If nobody offers it.
            PluginLoadError: If a plugin of that name failed to load.
        """
        found = tuple(entry for kind in KINDS for entry in self.offers(kind) if name in (entry.name, entry.qualified_name))
        if not found:
            self._raise_if_failed(name)
            raise UnknownNameError(self._unknown("plugin", name, [entry.name for kind in KINDS for entry in self.offers(kind)]))
        return found

    def load(self, kind: Kind, name: str) -> type[Any]:
        """The class of that name, imported and checked to derive from the contract of its kind.

        Raises:
            PluginLoadError: If its module raises, or lacks the class.
            ContractError: If the class does not derive from the contract.
            UnknownNameError: As `find`.
            DuplicateNameError: As `find`.
        """
        return load_target(kind, self.find(kind, name))

    def _raise_if_failed(self, name: str) -> None:
        for failed in self.failures():
            if name in (failed.name, failed.distribution, failed.qualified_name):
                raise PluginLoadError(f"The plugin {failed.distribution} {failed.version} could not be loaded: {failed.error}")

    def _unknown(self, what: str, name: str, names: list[str]) -> str:
        message = f"There is no {what} '{name}'."
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        message += f" Did you mean '{nearest[0]}'?" if nearest else f" Installed: {', '.join(sorted(set(names))) or 'none'}."
        n_failed = len(self.failures())
        if n_failed:
            message += f" ({n_failed} plugin{'s' if n_failed > 1 else ''} failed to load: see `genobench plugins list`.)"
        return message


def load_registry() -> Registry:
    """Find every installed plugin (entry points of group `genobench`) and ask it what it offers.

    A plugin that raises at import, or offers what is no offer, costs only its own names and is listed with its error.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    entries: list[Registered] = []
    seen: set[tuple[str, str]] = set()
    for entry_point in metadata.entry_points(group=GROUP):
        distribution = entry_point.dist.name if entry_point.dist is not None else entry_point.name
        version = entry_point.dist.version if entry_point.dist is not None else "unknown"
        if (distribution, entry_point.value) in seen:
            continue
        seen.add((distribution, entry_point.value))
        try:
            # What a plugin prints must not stand among results.
            with redirect_stdout(sys.stderr):
                plugin = entry_point.load()
                manager.register(plugin, name=f"{distribution}:{entry_point.name}")
                entries.extend(_ask(manager, plugin, distribution, version))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything at import
            entries.append(
                Registered(
                    kind=None,
                    name=entry_point.name,
                    distribution=distribution,
                    version=version,
                    target=entry_point.value,
                    summary="",
                    error=f"{type(error).__name__}: {error}",
                )
            )
    return Registry(entries=tuple(sorted(entries, key=lambda entry: (str(entry.kind), entry.name, entry.distribution))))


def _ask(manager: pluggy.PluginManager, plugin: object, distribution: str, version: str) -> list[Registered]:
    answered: list[Registered] = []
    for kind in KINDS:
        hook = getattr(manager.hook, f"genobench_{kind}s")
        for implementation in hook.get_hookimpls():
            if implementation.plugin is plugin:
                offers: Iterable[Offer] = implementation.function()
                answered.extend(_registered(kind, offer, distribution, version) for offer in offers)
    names = [(entry.kind, entry.name) for entry in answered]
    for twice in names:
        if names.count(twice) > 1:
            raise ContractError(f"{distribution} offers the {twice[0]} '{twice[1]}' more than once.")
    return answered


def _registered(kind: Kind, offer: object, distribution: str, version: str) -> Registered:
    if not isinstance(offer, Offer):
        raise ContractError(f"The hook genobench_{kind}s of {distribution} returned {offer!r}; it must return genobench.Offer objects.")
    if not _NAME.fullmatch(offer.name):
        raise ContractError(f"{distribution} offers the {kind} name {offer.name!r}; a name is lower-case letters, digits and hyphens.")
    if not _TARGET.fullmatch(offer.target):
        raise ContractError(f"{distribution} offers {offer.name} with target {offer.target!r}; a target is 'module:Class'.")
    return Registered(kind, offer.name, distribution, version, offer.target, offer.summary)


def load_target(kind: Kind, entry: Registered) -> type[Any]:
    """Import the class behind an offer, and hold it to its contract.

    Raises:
        PluginLoadError: If its module raises, or lacks the class.
        ContractError: If the class does not derive from the contract.
    """
    from genobench import contracts

    module_name, _, class_name = entry.target.partition(":")
    try:
        with redirect_stdout(sys.stderr):
            loaded = getattr(import_module(module_name), class_name)
    except (Exception, SystemExit) as error:
        raise PluginLoadError(
            f"The {kind} '{entry.name}' of {entry.distribution} {entry.version} could not be loaded from {entry.target}: "
            f"{type(error).__name__}: {error}"
        ) from error
    contract = getattr(contracts, kind.capitalize())
    if not (isinstance(loaded, type) and issubclass(loaded, contract)):
        raise ContractError(
            f"{entry.target}, which {entry.distribution} offers as the {kind} '{entry.name}', is {loaded!r}; "
            f"it must be a class that derives from genobench.{kind.capitalize()}."
        )
    return loaded


def code_sha256(entry: Registered) -> str:
    """Hash of the Python files that a plugin's numbers hang on: another hash, another plugin.

    They are those that its module imports (`genobench.sources`), so that a change in one plugin of a distribution leaves the records of
    the others.

    Raises:
        PluginLoadError: If the module cannot be imported, or its files not read.
    """
    try:
        return source_sha256(entry.target.partition(":")[0])
    except (Exception, SystemExit) as error:
        raise PluginLoadError(f"The code of {entry.qualified_name} cannot be read: {type(error).__name__}: {error}") from error
