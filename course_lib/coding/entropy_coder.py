"""The entropy coders themselves: range coding and asymmetric numeral systems, from the package constriction."""

import importlib
from typing import Any


def stream() -> Any:
    """The module `constriction.stream`, imported when it is first needed.

    Both coders turn symbols into bits at a cost of −log₂ p(symbol), for any p that encoder and decoder both know.
    They count in integers: p is rounded to a multiple of 2⁻²⁴, never to 0, so that every symbol can be coded.

    Raises: ImportError: constriction is not there.
    Source: Bamler 2022 (arXiv:2201.01741).
    """
    try:
        return importlib.import_module("constriction").stream
    except ImportError as error:
        raise ImportError(
            "course_lib.coding needs the package constriction, which has no ready-made file for Linux on ARM "
            "processors; elsewhere `make setup` installs it. Everything else in the course works without it."
        ) from error
