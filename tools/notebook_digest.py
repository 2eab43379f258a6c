"""What a built notebook depends on, as digests that ignore comments, docstrings and layout."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

from tools.repository import repository

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "course_lib"
BUILDER = ("build_notebooks", "cell_ids", "notebook_digest", "notebook_outputs", "notebook_source")


def code_digest(code: str) -> str:
    """A digest of what the code does: the same after a change of comments, docstrings or line breaks."""
    return _sha(_plain(ast.parse(code)))


def imported_modules(code: str, package: Path, module: str = "") -> set[str]:
    """Modules of the package that `code` imports, anywhere in it, with the packages that hold them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            here = module.split(".") if _file(package, module).name == "__init__.py" else module.split(".")[:-1]
            base = ".".join([*here[: len(here) - node.level + 1], node.module or ""]) if node.level else node.module
            base = (base or "").strip(".")
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    parents = {".".join(name.split(".")[:i]) for name in names for i in range(1, name.count(".") + 2)}
    return {name for name in parents if name.split(".")[0] == package.name and _file(package, name).is_file()}


def library_digests(code: str, package: Path = ROOT / PACKAGE) -> dict[str, str]:
    """Digest of every module that `code` imports, directly or through others."""
    digests: dict[str, str] = {}
    waiting = imported_modules(code, package)
    while waiting:
        name = waiting.pop()
        text = _file(package, name).read_text(encoding="utf-8")
        digests[name] = code_digest(text)
        waiting |= imported_modules(text, package, name) - digests.keys()
        if (
            _file(package, name).name == "__init__.py"
        ):  # what the package carries besides Python: the explorers' browser code
            for part in sorted(p for p in _file(package, name).parent.rglob("*") if p.suffix in (".js", ".css")):
                digests[f"{name}:{part.name}"] = _sha([part.read_text(encoding="utf-8")])
    return dict(sorted(digests.items()))


def digests(source: Path, code: str, root: Path = ROOT) -> dict:
    """Everything that decides whether a built notebook is up to date."""
    builder = [code_digest((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")) for name in BUILDER]
    found = repository(root)
    return {
        "repository": found.requirement if found else "",
        "source": _sha([source.read_text(encoding="utf-8")]),
        "builder": _sha(builder),
        "lock": _sha([(root / "requirements.lock").read_text(encoding="utf-8")]),
        "library": library_digests(code, root / PACKAGE),
    }


def changes(stored: dict, current: dict) -> list[str]:
    """In words, what changed since the digests were stored."""
    names = {
        "repository": "the repository's address",
        "source": "its source",
        "builder": "the builder",
        "lock": "requirements.lock",
    }
    found = [f"{names[part]} changed" for part in names if stored.get(part, "") != current[part]]
    old, new = stored.get("library", {}), current["library"]
    return found + [f"{name} changed" for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def _file(package: Path, module: str) -> Path:
    path = package.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _sha(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _plain(node: ast.AST) -> Iterable[str]:
    """The tree as text, equal for every Python from 3.11 on (`ast.dump` is not)."""
    yield type(node).__name__
    for field, value in ast.iter_fields(node):
        items = value if isinstance(value, list) else [value]
        if field == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            items = items[1:] if ast.get_docstring(node, clean=False) is not None else items
        if not items or items == [None] or field in ("ctx", "type_comment", "kind", "type_ignores"):
            continue
        yield f"{field}("
        for item in items:
            yield from _plain(item) if isinstance(item, ast.AST) else [repr(item)]
        yield ")"
