"""Bits-back coding: a latent variable costs its code, and gives back the bits that chose it."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from course_lib.coding.container import CodingError
from course_lib.coding.entropy_coder import stream


@dataclass(frozen=True)
class BitsBackReport:
    """The accounts of one message, in bits.

    Args: initial_bits: random bits that lay on the stack before the first image; the decoder gets them back.
        needed_bits: how many of them were ever taken off.
        length_bits: length of the message after 0, 1, …, n images.
    Taught in: 05a_the_bits_are_real, "The whole file".
    """

    initial_bits: int
    needed_bits: int
    length_bits: np.ndarray

    @property
    def net_bits(self) -> np.ndarray:
        """What each image added: on average −ELBO / log 2."""
        return np.diff(self.length_bits)


class BitsBackCode:
    """Encode x: pop z with q(z|x), push x with p(x|z), push z with p(z). Decode: the same, backwards.

    The stack grows by  −log₂ p(x|z) − log₂ p(z) + log₂ q(z|x),  whose mean over z is −ELBO / log 2: the first image
    needs a few random bits to choose its z from, every other image takes those that the image before left. Images
    come off in reverse order, and under them lie the first bits again. Should the stack run dry, all is still
    lossless, but z is no longer random and the code gets longer. The bits that an image takes are those of the z
    before: they are uniform as far as the codes follow p(z), so a poorly trained model pays a few percent more than
    −ELBO (3.5 % where 0.2 % were paid with fresh bits for every image; 0.0 % after more training).

    A subclass gives `append` and `take`, mirror images of each other; both work on one image at a time.

    Source: Townsend, Bird & Barber 2019 (arXiv:1901.04866).
    Taught in: 05a_the_bits_are_real, "Three steps for one digit".
    """

    kind: int
    levels: int
    event_shape: tuple[int, ...]
    batch_size, clean_bits = 1, 0

    @abstractmethod
    def append(self, coder: Any, symbols: np.ndarray) -> int:
        """Put one image (d,) on the stack. Returns: the bits that were left after z was taken off."""

    @abstractmethod
    def take(self, coder: Any) -> np.ndarray:
        """Undo `append`: take one image off and put the bits that chose its z back."""

    def encode_with_report(self, symbols: np.ndarray, clean: np.ndarray | None = None) -> tuple[Any, BitsBackReport]:
        """Words of 32 bits from symbols (n, d), and the accounts. Args: clean: the random words to begin with."""
        if clean is None:
            clean = np.random.default_rng(0).integers(0, 2**32, -(-self.clean_bits // 32), dtype=np.uint32)
        coder = stream().stack.AnsCoder(clean, seal=True)
        lengths, lowest = [coder.num_valid_bits()], coder.num_valid_bits()
        for image in symbols:
            lowest = min(lowest, self.append(coder, image))
            lengths.append(coder.num_valid_bits())
        return coder.get_compressed(), BitsBackReport(32 * len(clean), lengths[0] - lowest, np.asarray(lengths))

    def decode_with_clean(self, words: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The symbols (n, d), and the random words that lay under them. Raises: CodingError: they are not there."""
        try:
            coder = stream().stack.AnsCoder(words)
            images = []
            while len(images) < count:
                if not coder.num_valid_bits():
                    raise ValueError(f"the stack is empty after {len(images)} of {count} images")
                images.append(self.take(coder))
            return np.stack(images)[::-1], coder.get_compressed(unseal=True)
        except (ValueError, KeyError, AssertionError) as error:
            raise CodingError("the code does not end where it began: another model or machine wrote it.") from error

    def encode(self, symbols: np.ndarray) -> np.ndarray:
        """Words of 32 bits from symbols (n, d)."""
        return self.encode_with_report(symbols)[0]

    def decode(self, words: np.ndarray, count: int) -> np.ndarray:
        """The symbols (n, d) again."""
        return self.decode_with_clean(words, count)[0]
