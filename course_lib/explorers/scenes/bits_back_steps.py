"""Bits back, one step at a time: the stack of bits as a bar that shrinks and grows."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Bars, Image, Panel
from course_lib.explorers.widget import Explorer, explore

STEPS = ("before", "pop z", "push x", "push z")


def bits_back_steps_explorer(
    images: Float[Array | np.ndarray, "n h w"],
    ink: Float[Array | np.ndarray, "n h w"],
    stack: Float[Array | np.ndarray, "n steps"],
) -> Explorer:
    """Slide through the three steps that put one image on a stack of bits.

    Args:
        images: of 0 and 1; ink: p(x_d = 1 | z) at the z that was taken off for each.
        stack: bits on the stack before each image, after z is taken off with q(z|x), after x is put on with p(x|z),
            and after z is put on with p(z): 4 numbers an image.

    Taught in: 05a_the_bits_are_real, "Three steps for one digit"
    """
    pictures, chances, heights = (jnp.asarray(a, jnp.float32) for a in (images, ink, stack))

    def at(image, step):
        i = jnp.round(step).astype(int)
        bits = heights[image]
        return {
            "heights": jnp.where(jnp.arange(4) <= i, bits, 0.0),
            "digit": pictures[image],
            "chance": jnp.where(i > 0, chances[image], 0.5),
            "now": bits[i],
            "change": jnp.where(i > 0, bits[i] - bits[jnp.maximum(i - 1, 0)], 0.0),
            "sum": bits[i] - bits[0],
        }

    return explore(
        at,
        [
            Choice("image", tuple(f"digit {i + 1}" for i in range(len(pictures))), 0, label="which"),
            Slider("step", 0.0, 3.0, 4, 3.0, label="steps done", step=1.0, smooth=False),
        ],
        [
            Panel(
                [Bars("heights", STEPS, ("muted", "encoder", "decoder", "latent"), 0)],
                Axis("", -0.5, 3.5),
                Axis("bits", 0.0, 1.1 * float(np.max(stack))),
                title="bits on the stack",
            ),
            Panel([Image("digit")], title="the digit x", aspect=1.0),
            Panel([Image("chance")], title="chance of ink, given z", aspect=1.0),
        ],
        title="One digit goes on the stack",
        description="Left: the bits on the stack, before and after each step so far. Middle: the digit. Right: the "
        "chance of ink under the latent z that was taken off; grey as long as there is no z.",
        play="step",
        readouts=("on the stack: {now:.0f} bits", "this step: {change:.0f} bits", "all steps so far: {sum:.0f} bits"),
    )
