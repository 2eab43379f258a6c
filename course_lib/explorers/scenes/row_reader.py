"""Part of an image: read it row by row and see what each row does to the probability of its class."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Curve, Image, Panel, Points
from course_lib.explorers.widget import Explorer, explore

UNREAD = 0.2  # a grey that is neither paper nor ink
REACH = 10  # the slider's prior log-odds, in nats: from 1 in 22,000 to the reverse


def row_reader_explorer(
    images: Float[Array | np.ndarray, "n rows columns"],
    labels: Int[Array | np.ndarray, " n"],
    log_odds: Float[Array | np.ndarray, "n rows_read"],
    class_names: Sequence[str],
    start: int = 0,
) -> Explorer:
    """The posterior after the first r rows: p(C₁ | x_1…x_r) = σ(ln π₁/π₀ + ln p(x_1…x_r | C₁)/p(x_1…x_r | C₀)).

    Args:
        images: pixels between 0 and 1.
        labels: 0 or 1, the class of each image.
        log_odds: ln p(first r rows | C₁) − ln p(first r rows | C₀) in nats, for r = 0 to all rows.
        class_names: of C₀ and C₁.
        start: the image shown first.

    Raises:
        ValueError: the log-odds do not run from no row to all rows.

    Taught in: 01_introduction, "What else a likelihood answers"
    """
    pictures, evidence = jnp.asarray(images), jnp.asarray(log_odds)
    count, rows, _ = pictures.shape
    if evidence.shape != (count, rows + 1):
        raise ValueError(f"log_odds has shape {evidence.shape}; expected {(count, rows + 1)}: from no row to all rows.")
    names = tuple(f"image {i}, a {class_names[int(label)]}" for i, label in enumerate(labels))
    row, places = jnp.arange(rows)[:, None], jnp.arange(rows + 1.0)

    def at(image, rows_read, prior_odds):
        posterior = jax.nn.sigmoid(evidence[image] + prior_odds)
        now = posterior[jnp.round(rows_read).astype(int)]
        return {
            "picture": jnp.where(row < rows_read, pictures[image], UNREAD),
            "posterior": posterior,
            "here": jnp.stack([rows_read, now])[None],
            "now": now,
            "log_odds": evidence[image][jnp.round(rows_read).astype(int)] + prior_odds,
            "prior": jax.nn.sigmoid(prior_odds),
        }

    of_class = f"p({class_names[1]} | rows read)"
    return explore(
        at,
        [
            Choice("image", names, start),
            Slider("rows_read", 0, rows, rows + 1, min(10, rows), label="rows read", step=1),
            Slider("prior_odds", -REACH, REACH, 2 * REACH + 1, 0, label="log prior odds", unit="nats", step=1),
        ],
        [
            Panel([Image("picture")], title="grey: not read yet", aspect=1.0, weight=0.7),
            Panel(
                [Curve("places", "posterior", "muted"), Points("here", "accent", size=4, opacity=1.0)],
                Axis("rows read", 0, rows),
                Axis(of_class, -0.05, 1.05),
                aspect=1.7,
            ),
        ],
        title="Read an image row by row",
        description=f"Left: an image whose lower rows are grey until they are read. Right: the probability of a "
        f"{class_names[1]} against the number of rows read; it starts at the prior, and goes to 0 or 1 once the rows "
        "that decide are read.",
        readouts=(
            f"prior p({class_names[1]}) = {{prior:.4f}}",
            f"{of_class} = {{now:.3f}}",
            "log-odds {log_odds:.1f} nats",
        ),
        constants={"places": places},
        play="rows_read",
    )
