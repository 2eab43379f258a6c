"""Tolerances by name. Widening one in a test needs a comment that says why."""

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
ROUND_TRIP = {"rtol": 1e-4, "atol": 1e-4}
FLOAT64 = {"rtol": 1e-9, "atol": 1e-9}


def within_standard_errors(estimate: float, expected: float, standard_error: float, most: float = 5.0) -> bool:
    """A Monte Carlo estimate agrees if it lies within `most` of its own computed standard errors."""
    return bool(standard_error > 0) and abs(float(estimate) - float(expected)) <= most * float(standard_error)
