"""Range coding with an autoregressive model: each pixel costs −log₂ of its conditional probability."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from course_lib.autoregressive import Autoregressive
from course_lib.coding.container import CodingError
from course_lib.coding.entropy_coder import stream
from course_lib.compiled import compiled
from course_lib.distributions import Discrete, require_distribution
from course_lib.validation import require_finite, whole_number

MOST_IMAGES = 2**16 - 1  # in one pass: what the file has room for


@compiled
def _conditionals(model: Autoregressive, x: jax.Array) -> jax.Array:
    """Numbers (n, d, p) of every pixel's conditional."""
    return model.parameters(x.reshape(-1, *model.event_shape)).reshape(*x.shape, -1)


@compiled
def _probabilities(model: Autoregressive, numbers: jax.Array) -> jax.Array:
    """Probability (n, levels) of every value of one pixel."""
    return jnp.exp(model.likelihood.level_log_probs(numbers))


class AutoregressiveCode:
    """Code length −Σ_t log₂ p(x_{o_t} | x_{o_{<t}}) = −log₂ p(x), with any `Autoregressive` model of levels.

    The encoder has the whole image: one pass gives all conditionals. The decoder has only the pixels that it decoded,
    zeros elsewhere, and makes one pass a pixel. Range coding fails if a single probability differs in its last bit, so
    both run the same compiled program on arrays of the same shape; what differs is the pixels to come. The masks
    multiply these by exactly 0, and x + 0 is x to the last bit: that is why it works. A model that leaks the future,
    however little, cannot be decoded. The last batch is filled up with zeros.

    Args: model: without classes; batch_size: images in one pass, written to the file.
    Raises: ValueError: real numbers in place of levels; a batch size that the file has no room for; from the methods:
        probabilities that are not finite; CodingError: more images are asked for than the file can hold.
    Numerics: bit for bit on the machine that wrote the file; another processor or another version of JAX may round
        otherwise, which the checksum of the pixels reveals.
    Taught in: 05a_the_bits_are_real, "An autoregressive model is a code".
    """

    kind = 0

    def __init__(self, model: Autoregressive, batch_size: Any = 128) -> None:
        batch_size = whole_number(batch_size, "batch_size", 1, MOST_IMAGES)
        self.model, self.levels = model, require_distribution(model.likelihood, Discrete).levels
        self.event_shape, self.batch_size = model.event_shape, batch_size
        self.ordering = np.asarray(model.ordering[...])

    def conditionals(self, symbols: np.ndarray) -> np.ndarray:
        """Numbers (batch, d, p) from symbols (batch, d)."""
        return np.asarray(_conditionals(self.model, jnp.asarray(symbols / (self.levels - 1), jnp.float32)))

    def probabilities(self, numbers: np.ndarray, count: int) -> np.ndarray:
        """Probabilities (count, levels) of one pixel, for the images that are there."""
        p = np.asarray(_probabilities(self.model, numbers))[:count]
        require_finite(p, "the model's probabilities")
        return p

    def encode(self, symbols: np.ndarray) -> np.ndarray:
        """Words of 32 bits from symbols (n, d): batch by batch, pixel by pixel, image by image."""
        coder, family = stream().queue.RangeEncoder(), stream().model.Categorical(perfect=False)
        for batch in np.split(symbols, range(self.batch_size, len(symbols), self.batch_size)):
            known = np.zeros((self.batch_size, batch.shape[1]), np.int32)
            known[: len(batch)] = batch
            parameters = self.conditionals(known)
            for t in self.ordering:
                coder.encode(batch[:, t].copy(), family, self.probabilities(parameters[:, t], len(batch)))
        return coder.get_compressed()

    def decode(self, words: np.ndarray, count: int) -> np.ndarray:
        """The symbols (n, d) again."""
        coder, family, found = stream().queue.RangeDecoder(words), stream().model.Categorical(perfect=False), []
        there = 32 * len(words) + 64  # bits
        for start in range(0, count, self.batch_size):
            known, n = np.zeros((self.batch_size, self.ordering.size), np.int32), min(self.batch_size, count - start)
            for t in self.ordering:
                p = self.probabilities(self.conditionals(known)[:, t], n)
                known[:n, t] = coder.decode(family, p)
                taken = p[np.arange(n), known[:n, t]] + 2.0**-23  # the coder rounds p by less than that
                there += 0.99 * np.log2(np.minimum(taken, 1.0)).sum()
                if there < 0:
                    raise CodingError(
                        f"{count} images hold more bits than the file: its header is wrong. Copy it again."
                    )
            found.append(known[:n])
        return np.concatenate(found)
