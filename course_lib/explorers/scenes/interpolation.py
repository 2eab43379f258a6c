"""From one digit to another: the mix of two codes, decoded in the browser, beside the mix of two images."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Curve, Image, Panel, Rule
from course_lib.explorers.network import Network
from course_lib.explorers.widget import Explorer, explore

Layers = Sequence[tuple[np.ndarray, np.ndarray, str]]
STEPS = 41  # places along the way


def mixing_weights(count: int) -> Layers:
    """Two layers from (A, B, t) to 2 · `count` numbers: 1 − t at place A, t at place `count` + B, 0 elsewhere.

    They are relu(1 − t − |A − j|) and relu(t − |B − j|), with |a| = relu(a) + relu(−a). All kernels hold −1, 0 and 1
    alone, so nothing is lost when they travel as 7-bit numbers.
    """
    j, signs, pair = np.arange(count), np.kron([[1.0, -1.0]], np.ones((1, count))), np.tile(np.eye(count), (2, 1))
    differences = np.pad(np.kron(np.eye(2), signs), ((0, 1), (0, 1)))  # A − j, j − A, B − j, j − B, and t
    differences[-1, -1] = 1.0
    weights = np.vstack([-np.kron(np.eye(2), pair), -signs])
    biases = np.concatenate([-j, j, -j, j, [0]]), signs[0].clip(0)
    return [(differences, biases[0], "relu"), (weights, biases[1], "relu")]


def interpolation_explorer(
    decoder: Layers,
    images: Float[Array | np.ndarray, "n h w"],
    codes: Float[Array | np.ndarray, "n k"],
    names: Sequence[str],
    cloud: Float[Array | np.ndarray, "m k"],
    usual: float,
) -> Explorer:
    """Choose two digits and walk: z(t) = (1 − t) z_A + t z_B decoded, beside (1 − t) x_A + t x_B.

    Args:
        decoder: layers from `dense_layers`, from a code to the pixels.
        images, codes, names: the digits to choose from.
        cloud: codes of the training digits; the distance to the nearest of them is drawn along the way.
        usual: the distance that 95 % of new digits stay below.

    Taught in: 04_autoencoder, "From one digit to another"
    """
    images, codes, cloud = (np.asarray(a, np.float32) for a in (images, codes, cloud))
    n, t_grid = len(images), np.linspace(0, 1, STEPS, dtype=np.float32)
    ways = [(1 - t_grid)[:, None] * a + t_grid[:, None] * b for a in codes for b in codes]
    squares = [((way**2).sum(1)[:, None] - 2 * way @ cloud.T + (cloud**2).sum(1)).min(1).clip(0) for way in ways]
    distances = jnp.asarray(np.sqrt(squares).reshape(n, n, STEPS))

    def walk(a, b, t):
        return {"distance": distances[a, b], "here": distances[a, b, jnp.round(t * (STEPS - 1)).astype(int)], "t": t}

    def mixed(name, kernel, bias, activation, *deeper):
        layers = [*mixing_weights(n), (np.vstack([kernel, kernel]), bias, activation), *deeper]
        return Network(name, layers, ["a", "b", "t"], images[0].shape)

    (kernel, bias, activation), *deeper = decoder
    way, top = Curve("t_grid", "distance", "latent", label="on the way"), 1.25 * max(float(distances.max()), usual)
    usual_line = Rule(y="usual", colour="accent", label="95 % of new digits are nearer")
    return explore(
        walk,
        [
            Choice("a", tuple(names), n // 3, label="from A"),
            Choice("b", tuple(names), n // 2, label="to B"),
            Slider("t", 0.0, 1.0, STEPS, 0.5, step=1 / (STEPS - 1)),
        ],
        [
            Panel([Image("codes_mixed")], title="codes mixed, then decoded", aspect=1.0),
            Panel([Image("pixels_mixed")], title="pixels mixed", aspect=1.0),
            Panel(
                [way, usual_line, Rule(x="t", colour="data")],
                Axis("t", 0, 1),
                Axis("distance", 0, top),
                title="from the code to the nearest training code",
                aspect=1.2,
                weight=1.2,
            ),
        ],
        title="From one digit to another",
        description="Left: the mix of the codes of A and B, decoded. Middle: the mix of their pixels. Right: along the "
        "straight way from code A to code B, the distance to the nearest code of a training digit.",
        readouts=("t = {t:.2f}", "distance {here:.2f}"),
        constants={"t_grid": t_grid, "usual": usual},
        networks=[
            mixed("codes_mixed", codes @ kernel, bias, activation, *deeper),
            mixed("pixels_mixed", images.reshape(n, -1), np.zeros(images[0].size), "linear"),
        ],
    )
