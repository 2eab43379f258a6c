"""The figure that trains, as a widget: the programs, their memory and what to draw travel with it."""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import jax
import numpy as np
import optax
import traitlets
from flax import nnx

from course_lib.explorers.controls import Control
from course_lib.explorers.live.assembly import matmul_binary
from course_lib.explorers.live.training import OWN, Functions, Recipe, Run, lowered, own_points
from course_lib.explorers.marks import Axis, Curve, Panel, Rule
from course_lib.explorers.still import still_png
from course_lib.explorers.widget import one_module, packed, show_with_still

_HERE = Path(__file__).parent / "js"
_SHARED = _HERE.parents[1] / "js"
_FILES = [*(_SHARED / f"{name}.js" for name in ("draw", "page"))]
_FILES += [_HERE / f"{name}.js" for name in ("kernels", "machine", "live")]
ADVICE = "Choose a smaller learning rate, then press Reset."


class LiveTraining(anywidget.AnyWidget):
    """A training that runs in the page. Made by `live_training`; `recipe.train(steps)` is the same run in Python."""

    module = one_module(*_FILES)
    _esm = packed(module)
    _css = "\n".join(f.read_text(encoding="utf-8") for f in (_SHARED / "explorer.css", _HERE / "live.css")).replace(
        ".course-explorer", ".course-live"
    )
    training = traitlets.Dict().tag(sync=True)  # what to draw and say, and how many bytes of `data` are the programs
    data = traitlets.Bytes().tag(sync=True)  # the programs as JSON, what the memory holds at first, the matrix product

    recipe: Recipe
    machine: dict[str, Any]
    still_steps: int

    def __repr__(self) -> str:
        return f"LiveTraining({self.training.get('title', '')!r})"

    def quantities(self, run: Run) -> dict[str, np.ndarray]:
        """Everything that the panels draw, where a run in Python has ended."""
        out = {"batch": np.asarray(jax.tree.leaves(run.batch)[0])}
        for name in self.recipe.views:
            shown = jax.jit(self.recipe.view, static_argnums=0)(name, run.params, run.key, run.inputs)
            out |= {k: np.asarray(v) for k, v in shown.items()}
        mean = [run.losses[0]]
        for step, loss in enumerate(run.losses[1:], start=2):
            mean.append(mean[-1] + max(0.03, 3 / (step + 2)) * (loss - mean[-1]))
        steps = np.arange(1, len(run.losses) + 1)
        return out | {"loss_step": steps, "loss_value": run.losses, "loss_mean": np.asarray(mean)}

    def still(self) -> bytes:
        """A picture of a run of `still_steps` steps, for print and for pages without a live figure."""
        run = self.recipe.train(self.still_steps, self.training["seed"])
        quantities, reference = self.quantities(run), self.training["reference"][0]
        known = reference is not None
        loss = {**self.training["loss"], "marks": [{**m, "label": ""} for m in self.training["loss"]["marks"]]}
        later = quantities["loss_mean"][self.still_steps // 10 :]
        shown = [*later, reference] if known else later
        low, high = float(np.min(shown)), float(np.max(shown))
        room = max(high - low, 1e-3)
        loss["x"] = {**loss["x"], "high": self.still_steps}
        loss["y"] = {**loss["y"], "low": low - 0.08 * room, "high": high + 0.08 * room}
        if known:
            quantities["reference"] = np.asarray(reference)
        else:
            loss["marks"] = [m for m in loss["marks"] if m["kind"] != "rule"]
        words = [f"after {self.still_steps} steps; blue: the running mean of the loss"]
        words += [f"dashed: {self.training['referenceLabel']}"] if known else []
        spec = {"panels": [*self.training["panels"], loss], "readouts": words}
        return still_png(spec, quantities)

    def alt(self) -> str:
        return f"{self.training['title']}. {self.training['description']}"

    def _ipython_display_(self) -> None:
        show_with_still(self, super()._repr_mimebundle_(), self.still(), self.alt())


def live_training(
    build: Callable[[nnx.Rngs], nnx.Module],
    loss: Callable[..., Any],
    optimizer: Callable[..., optax.GradientTransformation],
    batches: Callable[..., Any] | Functions,
    views: Functions,
    controls: Sequence[Control],
    panels: Sequence[Panel],
    *,
    title: str,
    description: str,
    reference: float | int | Mapping[str, float] | None = None,
    reference_label: str = "the best possible",
    unit: str = "nats",
    draw_on: int | None = None,
    batch_size: int = 256,
    seed: int = 0,
    pace: int = 8,
    still_steps: int = 600,
    advice: str = ADVICE,
) -> LiveTraining:
    """Make a figure in which the reader's browser trains the model, with the same step as Python.

    One step θ ← θ + u(∇θ loss), the batches, the first weights and the views are traced, lowered to a checked list of
    primitives, and executed in the page by an interpreter over one memory. No code is made of text there: under a
    Content-Security-Policy the page needs `wasm-unsafe-eval`, for a matrix product of 1 kB, and not `unsafe-eval`.
    Run i of step t draws its batch from the key of the seed folded with t: equal keys draw equal batches, bit for bit.

    A control is an argument: each function receives those controls that its signature names, at their present values,
    so that a slider acts during training.

    Args:
        build: rngs → model. The page draws the first weights, from its key.
        loss: (model, batch, key, …controls) → a number in `unit`; the chapter's own loss.
        optimizer: (…controls) → an optax transformation, such as `lambda rate: optax.adam(rate)`.
        batches: (key, …controls) → a batch; or several by name, among which the reader chooses.
        views: name → (model, …controls) → a dict of arrays. One that asks for `key` gets the same one
            always: samples then move as the model does.
        controls: sliders and choices; a slider's `count` is not used.
        panels: what to draw, by the names that the views define; "batch" is the present batch. The loss curve is added.
        reference: the loss that no model can beat, or the best known, drawn as a line; by name of the batches. A whole
            number: the mean loss of the last tenth of so many steps in Python, for each of the batches.
        draw_on: the number of the panel on which a reader draws points, which become the data "my own points".
        batch_size: of the points drawn by hand.
        seed: of the first run; *Reset* adds 1.
        pace: steps between two pictures, at most, so that one can watch; a slow machine takes fewer.
        still_steps: steps of the run whose picture stands where nothing moves.
        advice: what to do where the loss is not finite.

    Returns:
        the widget; `recipe.train(steps, seed, source, **controls)` is the same run in Python.

    Raises:
        Unsupported: the page cannot do something; the message names the primitive and the line of Python.
        ValueError: an unknown name in a panel, with what there is.

    Taught in: CONTRIBUTING, "How to make a figure that trains"
    """
    sources = dict(batches) if isinstance(batches, Mapping) else {"data": batches}
    if draw_on is not None:
        sources[OWN] = lambda key, drawn, drawn_count: own_points(key, drawn, drawn_count, batch_size)
    recipe = Recipe(build, loss, optimizer, sources, dict(views), controls)
    machine, blobs = lowered(recipe)
    names = {c.name for c in controls}
    for panel in panels:
        panel.check(set(machine["places"]), names)
    wasm = matmul_binary()
    machine["wasm"] = [sum(map(len, blobs)), len(wasm)]
    programs = json.dumps(machine, separators=(",", ":")).encode()
    if isinstance(reference, int):
        runs = {name: recipe.train(reference, seed, name) for name in sources if name != OWN}
        reference = {name: float(run.losses[-(reference // 10) :].mean()) for name, run in runs.items()}
    known = reference if isinstance(reference, Mapping) else dict.fromkeys(sources, reference)
    marks = [
        Curve("loss_step", "loss_value", "muted"),
        Curve("loss_step", "loss_mean", "model", "loss, and its running mean"),
        Rule(y="reference", colour="accent", label=reference_label),
    ]
    loss_panel = Panel(marks, Axis("step", 0, 100), Axis(f"loss ({unit})", 0, 1), title="loss", aspect=1.15)
    spec = {
        "title": title,
        "description": description,
        "controls": [c.to_json() for c in controls],
        "panels": [p.to_json() for p in panels],
        "loss": loss_panel.to_json(),
        "unit": unit,
        "reference": [known.get(s) for s in sources],
        "referenceLabel": reference_label,
        "draw": None if draw_on is None else {"panel": draw_on, "source": len(sources) - 1},
        "seed": seed,
        "pace": pace,
        "advice": advice,
        "machine": len(programs),
    }
    widget = LiveTraining(training=spec, data=zlib.compress(b"".join([programs, *blobs, wasm]), 9))
    widget.recipe, widget.machine, widget.still_steps = recipe, machine, still_steps
    return widget
