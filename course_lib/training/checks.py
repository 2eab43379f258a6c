"""What `fit` looks at before it begins: data, optimizer, parameters, and every value that the loss would refuse."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Key

from course_lib.training.epoch import Loss, scalar_loss
from course_lib.validation import as_floats, refuse_bad_values, require_finite, whole_number


def checked(
    model: nnx.Module,
    data: Any,
    validation: Any,
    epochs: int,
    batch_size: int,
    patience: int | None,
    validation_loss: Loss | None,
) -> tuple[Any, Any, int]:
    """Data and validation as JAX arrays, and the number of examples. Raises: ValueError: see `fit`."""
    for name, value in {"epochs": epochs, "batch_size": batch_size, "patience": patience}.items():
        if value is not None:
            whole_number(value, name)
    if validation is None and (patience is not None or validation_loss is not None):
        raise ValueError("patience and validation_loss need validation examples; give validation as well.")
    data, size = on_device(data, "data")
    if validation is not None:
        validation, _ = on_device(validation, "validation")
    if batch_size > size:
        raise ValueError(f"batch_size is {batch_size}, but data has {size} examples; choose at most {size}.")
    require_finite_parameters(nnx.state(model, nnx.Param))
    return data, validation, size


def on_device(data: Any, name: str) -> tuple[Any, int]:
    """The data as JAX arrays, and the number of examples."""
    leaves = jax.tree.leaves(data)
    shapes = [np.shape(x) for x in leaves]
    if () in shapes and isinstance(data, list):
        raise ValueError(f"{name} is a list of numbers; make it an array first: numpy.array({name}).")
    if not leaves or () in shapes or len({shape[0] for shape in shapes}) > 1 or shapes[0][0] == 0:
        raise ValueError(
            f"{name} has shapes {shapes[:6]}; expected an array or a tuple of arrays whose first axes, "
            "the examples, are equal and not empty."
        )
    data = jax.tree.map(lambda x: x if is_whole(x) else as_floats(x, name), data)
    for leaf in jax.tree.leaves(data):
        require_finite(leaf, name)
    return jax.tree.map(_native, data), shapes[0][0]


def _native(x: Any) -> Array:
    """On the device; of a file's byte order, the machine's own."""
    return jnp.asarray(x.astype(x.dtype.newbyteorder("="), copy=False) if isinstance(x, np.ndarray) else x)


def is_whole(x: Any) -> bool:
    """True for whole numbers and booleans, which stay what they are: labels, pixels of 0 and 1."""
    return isinstance(x, np.ndarray | jax.Array) and x.dtype.kind in "biu"


def require_optimizer(optimizer: Any) -> optax.GradientTransformation:
    """The optimizer itself. Raises: TypeError: a number, a schedule, or anything else that makes no steps."""
    if not (callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None))):
        raise TypeError(f"optimizer is {optimizer!r}; expected an optax transformation, such as optax.adam(1e-3).")
    return optimizer


def require_finite_parameters(params: Any) -> None:
    """Raises ValueError for NaN or infinite parameters, and names them."""
    bad = [
        jax.tree_util.keystr(path)
        for path, x in jax.tree_util.tree_leaves_with_path(nnx.as_pure(params))
        if not np.isfinite(np.asarray(x, float)).all()
    ]
    if bad:
        raise ValueError(
            f"before the first step, {len(bad)} parameters of the model hold NaN or infinite values: "
            f"{', '.join(bad[:3])}. Build the model anew."
        )


def let_refuse(loss: Loss, model: nnx.Module, data: Any, key: Key[Array, ""], rows: int = 1000) -> None:
    """Let the loss refuse bad values in any row: a compiled epoch does not look at them."""
    if data is None:
        return
    graphdef, state = nnx.split(model)

    def show(state: Any, batch: Any) -> None:
        scalar_loss(loss, nnx.merge(graphdef, state), batch, jax.random.fold_in(key, 0))

    size = len(jax.tree.leaves(data)[0])
    starts = [min(start, size - min(rows, size)) for start in range(0, size, rows)]
    batches = (jax.tree.map(lambda x: x[start : start + rows], data) for start in starts)  # noqa: B023
    refuse_bad_values(show, state, batches=batches)
