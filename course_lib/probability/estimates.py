"""A mean from samples, and how far it may be from the mean of the distribution."""

from typing import Any

import numpy as np

from course_lib.validation import as_doubles


def mean_and_error(values: Any, axis: int = 0) -> tuple[Any, Any]:
    """The mean of n independent values, and its standard error s/√n with s² = Σ (xᵢ − x̄)²/(n − 1).

    If the values have a finite variance and n is large, the mean of their distribution lies within two errors in 95 of
    100 cases. For two models on the same examples, give the differences: their error is that of a paired comparison.

    Args: values: real numbers, the samples on `axis`.
    Returns: in double precision, floats for values of one axis.
    Raises: ValueError: fewer than two values.
    Taught in: 01_introduction, "Do images without labels help?"; 02_autoregressive, "From conditionals to pixels".
    """
    values = as_doubles(values, "values")
    n = values.shape[axis] if values.ndim else 1
    if n < 2:
        raise ValueError(f"values has {n} entries on axis {axis}; a standard error needs at least 2.")
    mean, error = values.mean(axis=axis), values.std(axis=axis, ddof=1) / np.sqrt(n)
    return (mean, error) if mean.ndim else (float(mean), float(error))
