"""Any model is a compressor: images to a file and back, without a loss."""

from typing import Any

import numpy as np
from jaxtyping import ArrayLike

from course_lib.autoregressive import Autoregressive
from course_lib.coding.autoregressive import AutoregressiveCode
from course_lib.coding.bits_back import BitsBackCode
from course_lib.coding.container import KINDS, CodingError, Header, checksum, fingerprint, pack, unpack
from course_lib.coding.flow import FlowCode
from course_lib.coding.vae import VaeCode
from course_lib.distributions import level_of
from course_lib.flows import Flow
from course_lib.vae import Vae
from course_lib.validation import events, require_binary


def code_of(model: Any, levels: Any = None, batch_size: Any = 128) -> AutoregressiveCode | BitsBackCode:
    """The code that a model defines. Args: as `compress`. Raises: ValueError, TypeError: as `compress`."""
    if isinstance(model, Flow):
        if levels is None:
            raise ValueError(
                "a flow has a density, not probabilities: say with levels= how many grey levels there are."
            )
        return FlowCode(model, levels)
    if isinstance(model, Autoregressive):
        code = AutoregressiveCode(model, batch_size)
    elif isinstance(model, Vae):
        code = VaeCode(model)
    else:
        raise TypeError(f"{type(model).__name__} is no code; give a Nade, Made, PixelCNN, Vae or Flow.")
    if levels not in (None, code.levels):
        raise ValueError(f"levels is {levels}; this {type(model).__name__} has {code.levels}. Leave levels out.")
    return code


def symbols_of(code: Any, images: ArrayLike) -> np.ndarray:
    """Integers (n, d) from values level / (levels − 1). Raises: ValueError: as `compress`."""
    images = events(images, code.event_shape, type(code).__name__)
    if np.ndim(images) != len(code.event_shape) + 1 or not len(np.asarray(images)):
        raise ValueError(f"images have shape {np.shape(images)}; expected (n, …) with n ≥ 1 and one batch axis.")
    if code.levels == 2:
        require_binary(images, "images")
    return np.asarray(level_of(images, code.levels), np.int32).reshape(len(np.asarray(images)), -1)


def compress(model: Any, images: ArrayLike, *, levels: Any = None, batch_size: Any = 128) -> bytes:
    """A file from which the same model gets the same images back. Its length in bits is about −log₂ p(images).

    Args:
        model: an autoregressive model (range coding) or a `Vae` (bits back: −ELBO / log 2) of levels, or a
            `Flow` of dequantized images (local bits back).
        images: (n, *event), values level / (levels − 1): 0 and 1, or grey levels.
        levels: for a flow, how many grey levels there are; other models know.
        batch_size: autoregressive models evaluate so many images at a time.
    Raises: ValueError: values outside of the alphabet, a wrong shape, no image; TypeError: a model that is no code.
    Taught in: 05a_the_bits_are_real, "An autoregressive model is a code".
    """
    code = code_of(model, levels, batch_size)
    symbols = symbols_of(code, images)
    shape = (len(symbols), *code.event_shape)
    header = Header(code.kind, code.levels, shape, code.batch_size, fingerprint(model), checksum(symbols))
    return pack(header, code.encode(symbols))


def decompress(model: Any, file: bytes) -> np.ndarray:
    """The images of `compress`, float32 of the same shape.

    Raises: CodingError: a file that is foreign, truncated or damaged, that another model wrote, or whose pixels do not
        come out as they went in.
    Taught in: 05a_the_bits_are_real, "What a bad file says".
    """
    header, words = unpack(file)
    own = fingerprint(model)
    if header.model != own:
        raise CodingError(
            f"the file was written with model {header.model.hex()} ({KINDS[header.kind]}); this {type(model).__name__} "
            f"is {own.hex()}. Decode with the very parameters that encoded."
        )
    try:
        code = code_of(model, header.levels, header.batch_size)
    except ValueError as error:
        raise CodingError(f"the file's header does not fit its model: {error}") from error
    wanted = (code.kind, *code.event_shape)
    if (header.kind, *header.shape[1:]) != wanted or header.shape[0] < 1:
        raise CodingError(
            f"the file's header says {header.shape[0]} images of shape {header.shape[1:]} by a {KINDS[header.kind]}; "
            f"this model writes one or more, of shape {code.event_shape}, by a {KINDS[code.kind]}."
        )
    try:
        symbols = code.decode(words, header.shape[0])
    except AssertionError:  # the range decoder met bits that no symbol has
        symbols = np.empty(0)
    if checksum(symbols) != header.pixels:
        raise CodingError(
            "the pixels that came out are not those that went in (checksum). Either the model's conditionals look at "
            "pixels to come, or this machine or version of JAX rounds otherwise than the one that wrote the file."
        )
    return (symbols / (header.levels - 1)).astype(np.float32).reshape(header.shape)
