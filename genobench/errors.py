"""Every exception that genobench raises on purpose.

All derive from `GenobenchError`, which `genobench.cli.main` alone catches: one line on stderr, exit code 2.
"""

from __future__ import annotations


class GenobenchError(Exception):
    """Something a user, a file or a plugin did; the message says what, where, and what would be right."""


class UnknownNameError(GenobenchError):
    """A name that nobody offers; the message gives the nearest one that exists."""


class DuplicateNameError(GenobenchError):
    """One name offered by two distributions; the message names both."""


class PluginLoadError(GenobenchError):
    """A plugin that could not be imported; kept by the registry and raised when the plugin is asked for."""


class GenotypesError(GenobenchError, ValueError):
    """Calls, sample table and variant table that do not fit together, or values out of range."""


class FormatError(GenobenchError):
    """A file that is not what its name or header says; the message gives the file and the line or byte."""


class DatasetError(GenobenchError):
    """A dataset whose bytes, columns or trait are not what its card says."""


class SplitError(GenobenchError):
    """Samples that cannot be split as asked (too few, no family column, ...)."""


class SettingsError(GenobenchError):
    """A setting that a plugin does not have, or a value that it does not take."""


class ContractError(GenobenchError):
    """A plugin that broke a rule of its contract; the message names the plugin, the rule and the value."""


class CellError(GenobenchError):
    """A cell that cannot be used as asked; the message gives its status, phase and log."""
