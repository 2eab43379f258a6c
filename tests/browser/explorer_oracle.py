"""What an explorer must show, worked out in Python from nothing but the state that a notebook saves of it."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from course_lib.explorers import Choice, Explorer, Network, Slider
from course_lib.explorers.table import Quantity, interpolate

STATE = "application/vnd.jupyter.widget-state+json"


class Table(Quantity):
    """A quantity that works its numbers out once."""

    def values(self) -> np.ndarray:
        if "numbers" not in self.__dict__:
            self.__dict__["numbers"] = super().values()
        return self.__dict__["numbers"]


@dataclass(frozen=True)
class Saved:
    """The specification of one explorer, its numbers as bytes, inflated, and how many bytes they are when packed."""

    spec: dict[str, Any]
    numbers: bytes
    packed_bytes: int = 0

    @property
    def title(self) -> str:
        return self.spec["title"]

    @cached_property
    def controls(self) -> list[Slider | Choice]:
        made: list[Slider | Choice] = []
        for entry in self.spec["controls"]:
            kind = Slider if entry["kind"] == "slider" else Choice
            given = {f.name: entry[f.name] for f in fields(kind)}
            made.append(kind(**given | ({"options": tuple(entry["options"])} if kind is Choice else {})))
        return made

    def array(self, dtype: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
        return np.frombuffer(self.numbers, dtype, int(np.prod(shape)), offset).reshape(shape)

    def levels(self, offset: int, shape: tuple[int, ...]) -> np.ndarray:
        """A table's levels, out of their folded differences along the last two axes: byte by byte, lowest first."""
        planes = self.array("u1", offset, (4, int(np.prod(shape)))).astype(np.int64)
        folded = 256 ** np.arange(4) @ planes
        steps = np.where(folded % 2, -(folded + 1) // 2, folded // 2).reshape(shape)
        for axis in range(max(0, len(shape) - 2), len(shape)):
            steps = np.cumsum(steps, axis=axis)
        return steps

    @cached_property
    def constants(self) -> dict[str, np.ndarray]:
        return {e["name"]: self.array("<f4", e["offset"], tuple(e["shape"])) for e in self.spec["constants"]}

    @cached_property
    def tables(self) -> dict[str, Table]:
        made = {}
        for entry in self.spec["tables"]:
            shape = tuple(entry["shape"])
            levels = self.levels(entry["offset"], (*entry["grid"], *shape))
            made[entry["name"]] = Table(levels, entry["low"], entry["high"], shape, entry["steps"])
        return made

    @cached_property
    def networks(self) -> dict[str, Network]:
        return {entry["name"]: self.network(entry) for entry in self.spec["networks"]}

    def at(self, values: Mapping[str, float]) -> dict[str, np.ndarray]:
        """Every quantity at these slider values."""
        shown = {name: interpolate(table, self.controls, dict(values)) for name, table in self.tables.items()}
        with np.errstate(over="ignore"):
            outputs = {n.name: n.output([values[i] for i in n.inputs]) for n in self.networks.values() if n.inputs}
        return self.constants | shown | outputs

    def network(self, entry: dict[str, Any]) -> Network:
        layers = []
        for layer in entry["layers"]:
            shape = (layer["inputs"], layer["outputs"])
            scale, bias = (self.array("<f4", layer[name], shape[1:]) for name in ("scale", "bias"))
            layers.append((self.array("i1", layer["kernel"], shape) * scale[None], bias, layer["activation"]))
        return Network(entry["name"], layers, entry["inputs"], tuple(entry["shape"]))

    def posterior(self, ink: np.ndarray) -> dict[str, np.ndarray]:
        """What the network behind the drawing pad makes of a drawing: mean and width for each slider that it sets."""
        pad = self.spec["pad"]
        mean, log_sigma = np.split(self.networks[pad["network"]].output(ink.ravel()).ravel(), 2)
        return {pad["mean"]: mean, pad["sigma"]: np.exp(log_sigma)}


def states_in(notebook: dict) -> list[dict]:
    """What a notebook saves of its widgets, in the order of the cells that show them."""
    state = notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    views = [output.get("data", {}).get("application/vnd.jupyter.widget-view+json") for output in outputs]
    return [state[view["model_id"]] for view in views if view and view["model_id"] in state]


def saved_in(notebook: dict) -> list[Saved]:
    """The explorers among them."""
    return [saved(entry) for entry in states_in(notebook) if "spec" in entry["state"]]


def live_in(notebook: dict) -> list[dict]:
    """The figures that train among them."""
    return [entry for entry in states_in(notebook) if "training" in entry["state"]]


def saved(entry: dict) -> Saved:
    """One entry of a widget state."""
    data = next(b["data"] for b in entry["buffers"] if b["path"] == ["data"])
    packed = base64.b64decode(data)
    return Saved(entry["state"]["spec"], zlib.decompress(packed), len(packed))


def saved_from(explorer: Explorer) -> Saved:
    return Saved(dict(explorer.spec), zlib.decompress(explorer.data), len(explorer.data))
