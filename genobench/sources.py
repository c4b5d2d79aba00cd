"""Which source files a module's behaviour hangs on: its own, and those that it imports from its distribution and from the public face.

Imports are read from the source, without running it, so that the answer is the same on every machine. Where a file imports by a name
that is only known when it runs (`importlib`, `__import__`), its whole package counts. Comments, docstrings, blank lines and imports for
type checkers do not count: what is said of a model may be mended without another row on the boards.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_CORE: Final = ("genobench.statgen", "genobench.class_strata", "genobench.encoding", "genobench.sampler_tables")
"""What of the core a generator's numbers hang on; the rest only carries them."""

_PUBLIC: Final = {
    "ConditionEncoder": "genobench.encoding",
    "Covariates": "genobench.covariates",
    "SamplerTables": "genobench.sampler_tables",
    "Target": "genobench.targets",
}
"""Where the public names are defined that stand for such parts."""


def source_sha256(module: str) -> str:
    """Hash of the files that a module hangs on.

    Args:
        module: Its full name; it may be a file without a package.

    Raises:
        ModuleNotFoundError: If it is not there.
    """
    digest = hashlib.sha256()
    for name, path in sorted(source_files(module).items()):
        digest.update(name.encode() + b"\0" + _source(path.read_bytes()).code + b"\0")
    return digest.hexdigest()


def texts_of(module: str) -> frozenset[str]:
    """Every text that stands in the files that a module hangs on, as a whole: what it may name without importing it.

    Raises:
        ModuleNotFoundError: If the module is not there.
    """
    return frozenset().union(*(_source(path.read_bytes()).texts for path in source_files(module).values()))


def package_sha256(package: str) -> str:
    """Hash of the Python files of a package and of the packages in it.

    Raises:
        ModuleNotFoundError: If there is no such package.
    """
    file = _file_of(package)
    if file is None or file.name != "__init__.py":
        raise ModuleNotFoundError(f"There is no package named {package!r} with source files.", name=package)
    digest = hashlib.sha256()
    for source in sorted(file.parent.rglob("*.py")):
        digest.update(source.relative_to(file.parent).as_posix().encode() + b"\0" + _source(source.read_bytes()).code + b"\0")
    return digest.hexdigest()


def running_code(source: str) -> str:
    """A Python source without comments, docstrings, blank lines, and what only type checkers read.

    Text is cut out, not written anew from the syntax tree, whose printed form differs between versions of Python.

    Raises:
        SyntaxError: If the source is not Python.
    """
    written = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            written[row - 1] = written[row - 1][:column]
    # A tree counts in bytes, where tokens count in characters.
    lines = [line.encode() for line in written]
    for node in _not_running(ast.parse(source)):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        behind = lines[last][node.end_col_offset :]
        lines[first] = lines[first][: node.col_offset] + (behind if first == last else b"")
        if first < last:
            lines[first + 1 : last + 1] = [b""] * (last - first - 1) + [behind]
    return "\n".join(line.decode().rstrip() for line in lines if line.strip())


def source_files(module: str) -> dict[str, Path]:
    """The files that a module hangs on, by the name of the module that each is.

    Followed are imports from the module's own outermost package, `genobench.statgen`, and what encodes and draws conditions, wherever in
    a file they stand. A name that a package only hands on is followed to the module that defines it, so that a package may offer
    something new without change for those who do not use it.

    Raises:
        ModuleNotFoundError: If the module is not there.
    """
    if _file_of(module) is None:
        raise ModuleNotFoundError(f"There is no module named {module!r} with a source file.", name=module)
    parts = module.split(".")
    search = _Search((".".join(parts[:2]) if parts[0] == "genobench" else parts[0], *_CORE))
    search.follow(module)
    return search.found


@dataclass(frozen=True)
class _Search:
    """A walk along imports.

    Args:
        roots: The packages that are followed into.
        found: The files found so far, by module.
    """

    roots: tuple[str, ...]
    found: dict[str, Path] = field(default_factory=dict)

    def follow(self, module: str) -> None:
        path = None if module in self.found else _file_of(module)
        if path is None:  # Known already, compiled, or one that this machine lacks and the plugin does without.
            return
        self.found[module] = path
        for imported, name in _imports(module, path):
            if imported in {"importlib", "builtins"} and name in {"import_module", "", "__import__"}:
                self._follow_all(module, path)
            elif any(imported == root or imported.startswith(f"{root}.") for root in self.roots):
                self._follow_name(imported, name)
            elif imported == "genobench" and name in _PUBLIC:
                self.follow(_PUBLIC[name])

    def _follow_name(self, module: str, name: str) -> None:
        """Follow `from module import name`; "" for `import module`."""
        if name and _file_of(f"{module}.{name}") is not None:
            self.follow(f"{module}.{name}")
            return
        path = _file_of(module)
        if path is not None and path.name == "__init__.py" and name:
            for imported, handed_on in _imports(module, path):
                if handed_on == name and imported != module:
                    self._follow_name(imported, name)
                    return
        self.follow(module)

    def _follow_all(self, module: str, path: Path) -> None:
        """Count the whole package that holds a module."""
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        if package:
            for source in path.parent.rglob("*.py"):
                parts = source.relative_to(path.parent).with_suffix("").parts
                self.found.setdefault(".".join([package, *parts]).removesuffix(".__init__"), source)


def _not_running(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements without effect: texts that stand alone, such as docstrings, and imports for type checkers."""
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        is_typing = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" and not node.orelse
        if isinstance(node, ast.stmt) and (is_text or is_typing):
            yield node


@dataclass(frozen=True)
class _Source:
    """What is read off a file.

    Args:
        code: What of it is hashed; all of it where it is not Python of this version.
        imports: Of each name that it imports: dots before the module, the module, and the name taken from it ("" for `import module`).
        texts: The texts in it.
    """

    code: bytes
    imports: tuple[tuple[int, str, str], ...] = ()
    texts: frozenset[str] = frozenset()


@cache
def _source(content: bytes) -> _Source:
    try:
        code, tree = running_code(content.decode()).encode(), ast.parse(content)
    except (SyntaxError, ValueError, tokenize.TokenError):
        return _Source(content)
    skipped = {id(inner) for node in _not_running(tree) for inner in ast.walk(node)}
    imports: list[tuple[int, str, str]] = []
    texts = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            imports.extend((0, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports.extend((node.level, node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Name) and node.id == "__import__":
            imports.append((0, "builtins", "__import__"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    return _Source(code, tuple(imports), frozenset(texts))


def _file_of(module: str) -> Path | None:
    """The source file of a module; None where there is none. Its parent packages are imported, as `find_spec` does."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _imports(module: str, path: Path) -> list[tuple[str, str]]:
    """Each import of a file: the module, and the name taken from it ("" for `import module`)."""
    package = (module if path.name == "__init__.py" else module.rpartition(".")[0]).split(".")
    imports = []
    for level, source, name in _source(path.read_bytes()).imports:
        parents = package[: len(package) - level + 1] if level else []
        imports.append((".".join([*parents, *([source] if source else [])]), name))
    return imports
