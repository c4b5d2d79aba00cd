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
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_CORE: Final = ("genobench.statgen", "genobench.encoding", "genobench.sampler_tables")
"""What of the core a generator's numbers hang on; the rest only carries them."""

_PUBLIC: Final = {"ConditionEncoder": "genobench.encoding", "SamplerTables": "genobench.sampler_tables"}
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
        digest.update(name.encode() + b"\0" + _code_of(path) + b"\0")
    return digest.hexdigest()


def package_sha256(module: str) -> str:
    """Hash of the files of the outermost package that holds a module, tests left out; of the file alone where there is no package.

    For what ships with genobench it is the package right below it (`genobench.builtin`, `genobench.statgen`).

    Raises:
        ModuleNotFoundError: If the module is not there.
    """
    file = _file_of(module)
    if file is None:
        raise ModuleNotFoundError(f"There is no module named {module!r} with a source file.", name=module)
    package, core = file.parent, Path(__file__).parent
    if not (package / "__init__.py").exists():
        return hashlib.sha256(file.name.encode() + b"\0" + _code_of(file)).hexdigest()
    while package.parent != core and (package.parent / "__init__.py").exists():
        package = package.parent
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        if "tests" not in source.relative_to(package).parts:
            digest.update(source.relative_to(package).as_posix().encode() + b"\0" + _code_of(source) + b"\0")
    return digest.hexdigest()


def running_code(source: str) -> str:
    """A Python source without comments, docstrings, blank lines, and what only type checkers read.

    Text is cut out, not written anew from the syntax tree, whose printed form differs between versions of Python.

    Raises:
        SyntaxError: If the source is not Python.
    """
    lines = [line.encode() for line in source.split("\n")]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = token.line[:column].encode()
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


def _code_of(path: Path) -> bytes:
    """What of a file is hashed; all of it where it is not Python of this version."""
    source = path.read_bytes()
    try:
        return running_code(source.decode()).encode()
    except (SyntaxError, ValueError, tokenize.TokenError):
        return source


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
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    imports: list[tuple[str, str]] = []
    tree = ast.parse(path.read_bytes())
    skipped = {id(inner) for node in _not_running(tree) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            imports.extend((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            imports.extend((source, alias.name) for alias in node.names)
        elif isinstance(node, ast.Name) and node.id == "__import__":
            imports.append(("builtins", "__import__"))
    return imports
