"""All that the page can do: importing this module fills the register."""

from course_lib.explorers.live import pointwise, products, shapes
from course_lib.explorers.live.rules import RULES, constant_result

__all__ = ["RULES", "constant_result", "pointwise", "products", "shapes"]
