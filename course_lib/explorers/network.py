"""A dense network whose weights travel to the browser, for explorers with one slider for each latent dimension."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda a: a,
    "relu": lambda a: np.maximum(a, 0),
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "softplus": lambda a: np.logaddexp(a, 0),
    "silu": lambda a: a / (1 + np.exp(-a)),
}
LEVELS = 63  # of a weight, on each side of 0: seven bits move a grey by 0.005 (root mean square), and pack well


@dataclass(frozen=True)
class Network:
    """y = act_L(… act_1(x W_1 + b_1) … W_L + b_L), computed in the browser from the sliders named in `inputs`.

    The kernels travel as 7-bit numbers, each column with a scale of its own; the biases as float32.

    Args:
        name: the quantity that the output becomes.
        layers: (kernel (in, out), bias (out,), activation) each.
        inputs: the sliders that make up x, in order; empty for a network that only a drawing pad feeds.
        shape: the output's shape, such as (28, 28).
    """

    name: str
    layers: Sequence[tuple[np.ndarray, np.ndarray, str]]
    inputs: Sequence[str]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        width = len(self.inputs) or np.shape(self.layers[0][0])[0]
        for i, (kernel, bias, activation) in enumerate(self.layers):
            if np.shape(kernel) != (width, np.size(bias)):
                raise ValueError(
                    f"layer {i} of network {self.name!r} has a kernel of shape {np.shape(kernel)} and a bias of "
                    f"{np.size(bias)}; expected ({width}, {np.size(bias)})."
                )
            if activation not in ACTIVATIONS:
                raise ValueError(
                    f"layer {i} of network {self.name!r}: activation {activation!r} is not one of {list(ACTIVATIONS)}."
                )
            width = np.size(bias)
        if int(np.prod(self.shape)) != width:
            raise ValueError(
                f"network {self.name!r} gives {width} numbers; its shape {self.shape} needs {np.prod(self.shape)}."
            )

    def output(self, x: Sequence[float] | np.ndarray) -> np.ndarray:
        """The same computation in numpy: what the browser must show."""
        y = np.asarray(x, np.float32)
        for kernel, bias, activation in self.layers:
            y = ACTIVATIONS[activation](y @ np.asarray(kernel, np.float32) + np.asarray(bias, np.float32))
        return y.reshape(self.shape)

    def to_json(self, put: Callable[[bytes], int]) -> dict[str, Any]:
        layers = []
        for kernel, bias, activation in self.layers:
            rows, columns = np.shape(kernel)
            scale = np.maximum(np.abs(kernel).max(axis=0), 1e-30) / LEVELS
            entry = {"inputs": rows, "outputs": columns, "activation": activation}
            entry["kernel"] = put(np.rint(kernel / scale).astype(np.int8).tobytes())
            entry["scale"] = put(scale.astype("<f4").tobytes())
            entry["bias"] = put(np.asarray(bias, "<f4").tobytes())
            layers.append(entry)
        return {"name": self.name, "inputs": list(self.inputs), "shape": list(self.shape), "layers": layers}


def _flat(parts: Iterable[Any]) -> Iterable[Any]:
    """The parts of sequences within sequences, one after another."""
    for part in parts:
        yield from _flat(part.layers) if hasattr(part, "layers") else [part]


def dense_layers(parts: Iterable[Any], last: str = "linear") -> list[tuple[np.ndarray, np.ndarray, str]]:
    """(kernel, bias, activation) for each linear layer of a sequence such as `nnx.Sequential(...).layers`.

    Args:
        parts: linear layers, each followed by an activation function, except the last.
        last: the activation after the last layer, such as "sigmoid" to turn logits into probabilities.
    """
    layers: list[tuple[np.ndarray, np.ndarray, str]] = []
    for part in _flat(parts):
        if hasattr(part, "kernel"):
            layers.append((np.asarray(part.kernel[...]), np.asarray(part.bias[...]), "linear"))
        elif getattr(part, "__name__", "") in ACTIVATIONS:
            layers[-1] = (*layers[-1][:2], part.__name__)
        else:
            raise ValueError(f"{part!r} is neither a linear layer nor one of the activations {list(ACTIVATIONS)}.")
    return [*layers[:-1], (*layers[-1][:2], last)]
