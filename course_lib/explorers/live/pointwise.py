"""Primitives that take numbers one by one."""

from typing import Any

import numpy as np

from course_lib.explorers.live.lowering import Lowering, Unsupported, Value, shape_and_dtype
from course_lib.explorers.live.memory import View
from course_lib.explorers.live.rules import NUMPY, elementwise, is_key, result, rule

FLOAT_UNARY = (
    "neg", "exp", "log", "log1p", "expm1", "tanh", "logistic", "sqrt", "rsqrt", "sin", "cos", "abs", "sign", "floor",
    "ceil", "erf_inv",
)  # fmt: skip
BINARY = ("add", "sub", "mul", "div", "max", "min", "rem", "atan2")
INTEGER = (
    "add", "sub", "mul", "div", "max", "min", "rem", "and", "or", "xor", "shift_left", "shift_right_logical", "neg",
    "sign", "abs",
)  # fmt: skip
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")


@rule(*FLOAT_UNARY, *BINARY, *INTEGER, *COMPARE, "add_any", "not", "is_finite")
def _pointwise(low: Lowering, eqn: Any, *ins: Value) -> View:
    shape, dtype = result(eqn)
    name = "add" if eqn.primitive.name == "add_any" else str(eqn.primitive.name)
    source = shape_and_dtype(eqn.invars[0].aval)[1]
    if name == "not" and source == "b":
        name = "no"
    if source != "f":
        if name not in (*INTEGER, *COMPARE, "not", "no"):
            raise Unsupported(f"of {NUMPY[source]}; the page has it for float32 alone.")
        name = f"{'u' if source == 'u' else 'i'}.{name}"
    return elementwise(low, name, shape, dtype, *ins)


@rule("square")
def _square(low: Lowering, eqn: Any, x: Value) -> View:
    return elementwise(low, "mul", *result(eqn), x, x)


@rule("integer_pow")
def _integer_pow(low: Lowering, eqn: Any, x: Value) -> Value:
    """By repeated squaring, as XLA does."""
    shape, dtype = result(eqn)
    n, out, power = abs(eqn.params["y"]), None, x
    while n:
        if n & 1:
            out = power if out is None else elementwise(low, "mul", shape, dtype, out, power)
        n >>= 1
        power = elementwise(low, "mul", shape, dtype, power, power) if n else power
    one = np.ones((), np.float32)
    out = np.ones(shape, np.float32) if out is None else out
    return elementwise(low, "div", shape, dtype, one, out) if eqn.params["y"] < 0 else out


@rule("pow")
def _pow(low: Lowering, eqn: Any, x: Value, y: Value) -> View:
    """The exponent may be an integer, such as the number of steps in Adam's corrections."""
    shape, dtype = result(eqn)
    power = low.view(y)
    if power.dtype != "f":
        power = elementwise(low, f"to_f_from_{power.dtype}", power.shape, "f", power)
    return elementwise(low, "pow", shape, dtype, x, power)


@rule("round")
def _round(low: Lowering, eqn: Any, x: Value) -> View:
    return elementwise(low, "round_even" if int(eqn.params["rounding_method"]) == 1 else "round", *result(eqn), x)


@rule("clamp")
def _clamp(low: Lowering, eqn: Any, least: Value, x: Value, most: Value) -> View:
    shape, dtype = result(eqn)
    kind = "" if dtype == "f" else f"{dtype}."
    return elementwise(low, f"{kind}min", shape, dtype, elementwise(low, f"{kind}max", shape, dtype, x, least), most)


@rule("select_n")
def _select(low: Lowering, eqn: Any, which: Value, *cases: Value) -> View:
    if len(cases) != 2:
        raise Unsupported(f"between {len(cases)} cases; the page has it for two.")
    shape, dtype = result(eqn)
    if is_key(eqn):
        raise Unsupported("between keys; choose between the numbers that are drawn instead.")
    return elementwise(low, "select", shape, dtype, which, *cases)


@rule("convert_element_type")
def _convert(low: Lowering, eqn: Any, x: Value) -> Value:
    shape, dtype = result(eqn)
    view = low.view(x)
    if view.dtype == dtype or {view.dtype, dtype} in ({"i", "u"},) or (view.dtype == "b" and dtype in "iu"):
        return view.seen(view.array, dtype)
    return elementwise(low, f"to_{dtype}_from_{'i' if view.dtype == 'b' else view.dtype}", shape, dtype, view)


@rule("bitcast_convert_type")
def _bitcast(low: Lowering, eqn: Any, x: Value) -> View:
    view = low.view(x)
    return view.seen(view.array, result(eqn)[1])


@rule("stop_gradient", "copy", "copy_p", "reduce_precision", "random_wrap", "random_unwrap", "optimization_barrier")
def _same(low: Lowering, eqn: Any, *ins: Value) -> list[Value]:
    return list(ins)
