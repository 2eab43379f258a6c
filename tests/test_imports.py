"""Who may import whom: a model family needs no plotting, and importing the library has no side effects."""

import subprocess
import sys

import pytest

FAMILIES = ["probability", "distributions", "networks", "autoregressive", "flows", "autoencoders", "vae", "coding"]
# room → the rooms of ours that it may import, besides itself, validation, compiled and places; no family another one
MODELS = {"probability", "distributions", "networks"}
ALLOWED = {
    "data": set(),
    "probability": set(),
    "training": set(),
    "exercises": set(),
    "distributions": {"probability"},
    "networks": set(),
    "autoregressive": MODELS,
    "flows": MODELS,
    "autoencoders": MODELS,
    "vae": MODELS,
    "coding": MODELS | {"autoregressive", "flows", "vae"},
}


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_room_imports_only_what_it_may(room):
    code = f"""
import sys, course_lib.{room}
rooms = {{name.split(".")[1] for name in sys.modules if name.startswith("course_lib.")}}
print(*sorted(rooms))
print(*[name for name in ("matplotlib", "ipywidgets") if name in sys.modules])
"""
    rooms, drawing = (line.split() for line in run(code).split("\n")[:2])
    assert set(rooms) - {room, "validation", "compiled", "places"} <= ALLOWED[room]
    assert room in rooms
    if room in FAMILIES:
        assert drawing == []


def test_importing_everything_compiles_nothing_and_changes_no_setting():
    code = """
import logging, pkgutil, importlib
import jax, matplotlib
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **kw: compiled.append(event) if "backend_compile" in event else None)
before = dict(matplotlib.rcParams)
import course_lib
for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
    importlib.import_module(module.name)
print(len(compiled), dict(matplotlib.rcParams) == before, jax.config.jax_compilation_cache_dir)
jax.jit(lambda x: x + 1)(1.0)
print(len(compiled) > 0)
"""
    first, second = run(code).splitlines()
    assert first == "0 True None"
    assert second == "True"  # negative control: the listener does hear a compilation
