"""How far what an explorer shows may be from the function that it explores."""

import numpy as np

from course_lib.explorers import Choice, Explorer


def random_values(explorer: Explorer, rng: np.random.Generator) -> dict[str, float]:
    """A place that its controls can reach: a slider whose steps are its grid never stands between two of them."""
    values: dict[str, float] = {}
    for c in explorer.controls:
        if isinstance(c, Choice):
            values[c.name] = int(rng.integers(len(c.options)))
        else:
            values[c.name] = c.low + rng.uniform() * (c.high - c.low)
            if c.stepped and c.step:
                values[c.name] = c.low + c.step * round((values[c.name] - c.low) / c.step)
    return values


def table_errors(explorer: Explorer, places: int = 40) -> dict[str, float]:
    """For each tabulated quantity the largest difference from the exact function, as a fraction of its range.

    An area that is constant by design has no range: there the error is relative to the value.
    """
    rng, worst = np.random.default_rng(0), dict.fromkeys(explorer.tables, 0.0)
    for _ in range(places):
        values = random_values(explorer, rng)
        exact, shown = explorer.exact(**values), explorer.shown(**values)
        for name, quantity in explorer.tables.items():
            scale = max(quantity.high - quantity.low, 0.01 * abs(quantity.high))
            gaps = np.isnan(exact[name])
            assert np.array_equal(gaps, np.isnan(shown[name])), f"{name}: gaps in different places at {values}"
            error = np.abs(np.where(gaps, 0.0, shown[name] - exact[name])).max(initial=0.0)
            worst[name] = max(worst[name], float(error / max(scale, 1e-12)))
    return worst


def table_error(explorer: Explorer) -> float:
    """The largest of all its quantities' errors."""
    return max(table_errors(explorer).values(), default=0.0)
