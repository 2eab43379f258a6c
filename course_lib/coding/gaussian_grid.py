"""Gaussians on a grid: what makes a real number a symbol."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from course_lib.coding.entropy_coder import stream


@dataclass(frozen=True)
class GaussianGrid:
    """The points low + i · step, i = 0, …, size − 1; a Gaussian gives each the mass of its cell, cut off at the ends.

    With cells narrow against σ, the code length is −log₂ N(z; μ, σ²) − log₂ step. The step cancels in bits back.

    Numerics: each symbol has probability 2⁻²⁴ at least: a grid of 2¹⁷ points takes 2⁻⁷ from the Gaussian. That costs
        0.01 bits, but every 128th symbol popped would lie anywhere. Hence `pop_near`, for what is popped to be random.
    Taught in: 05a_the_bits_are_real, "A latent variable costs too much".
    """

    low: float
    step: float
    size: int

    def points(self, symbols: Any) -> Any:
        """The numbers that symbols stand for."""
        return self.low + self.step * symbols

    def in_steps(self, mean: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and σ in steps; a mean outside counts as at the end."""
        mean = np.clip((np.asarray(mean, float) - self.low) / self.step, 0, self.size - 1)
        return mean, np.clip(np.asarray(sigma, float) / self.step, 1e-6, self.size)

    def pop(self, coder: Any, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Take one symbol for each (mean, σ) off the stack."""
        return coder.decode(stream().model.QuantizedGaussian(0, self.size - 1), *self.in_steps(mean, sigma))

    def push(self, coder: Any, symbols: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> None:
        """Put symbols on the stack; `pop` undoes it. Every point of the grid can be pushed."""
        family = stream().model.QuantizedGaussian(0, self.size - 1)
        coder.encode_reverse(symbols.astype(np.int32), family, *self.in_steps(mean, sigma))

    def near(self, mean: np.ndarray, sigma: np.ndarray) -> list[Any]:
        """The Gaussians cut off 8 σ from the mean: with random bits on the stack, popping from them is sampling."""
        models = []
        for centre, width in zip(*self.in_steps(mean, sigma), strict=True):
            low = min(max(int(centre - 8 * width), 0), self.size - 2)
            high = max(min(int(centre + 8 * width) + 1, self.size - 1), low + 1)
            models.append(stream().model.QuantizedGaussian(low, high, float(centre), float(width)))
        return models

    def pop_near(self, coder: Any, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """`pop` from `near`."""
        return np.array([coder.decode(model) for model in self.near(mean, sigma)], np.int32)

    def push_near(self, coder: Any, symbols: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> None:
        """Undo `pop_near`; other symbols, more than 8 σ away, cannot be pushed."""
        for symbol, model in reversed(list(zip(symbols, self.near(mean, sigma), strict=True))):
            coder.encode_reverse(int(symbol), model)
