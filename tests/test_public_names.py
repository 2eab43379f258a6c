"""What the library makes public is there for somebody: a chapter, another room, or the reader of a signature."""

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.parent.name for path in (ROOT / "course_lib").glob("*/__init__.py"))


def words(*paths: Path) -> set[str]:
    return set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in paths)))


def public(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", []))


def said_of(thing: object) -> str:
    """The signatures and docstrings of a function, or of a class, its bases and its methods."""
    if not inspect.isclass(thing):
        return f"{getattr(thing, '__annotations__', '')} {thing.__doc__}" if callable(thing) else ""
    bases = " ".join(base.__name__ for base in thing.__mro__)
    return " ".join([bases, thing.__doc__ or "", *(said_of(v) for v in vars(thing).values() if inspect.isfunction(v))])


def nobody_s(room: str, chapters: set[str], names: list[str], module: ModuleType) -> list[str]:
    """The names that neither a chapter, nor another room or a tool, nor the signature of a name that they use has."""
    others = [path for path in (ROOT / "course_lib").rglob("*.py") if room not in path.parts or "scenes" in path.parts]
    used = chapters | words(*others, *(ROOT / "tools").rglob("*.py"))
    known = {name for name in names if name in used}
    while True:
        text = set(re.findall(r"\w+", " ".join(said_of(getattr(module, name)) for name in known)))
        kin = {n for n in names if any(b.__name__ in known for b in getattr(getattr(module, n), "__mro__", ()))}
        more = known | {name for name in names if name in text} | kin
        if more == known:
            return sorted(set(names) - known)
        known = more


CHAPTERS = words(*(ROOT / "notebooks" / "source").glob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_used(room):
    module = importlib.import_module(f"course_lib.{room}")
    assert nobody_s(room, CHAPTERS, public(module), module) == []


def test_a_name_that_nobody_uses_is_noticed():
    module = importlib.import_module("course_lib.autoregressive.orderless")
    assert nobody_s("autoregressive", CHAPTERS, ["OrderlessNade", "known_first"], module) == ["known_first"]


def test_what_only_a_benchmark_uses_lives_there():
    library = words(*(ROOT / "course_lib").rglob("*.py"))
    assert not library & {"Ensemble", "redrawn_loss", "see_mask", "RedrawnMade", "draw_degrees"}
