"""The widget: what Python says it shows, its still picture, and clear errors."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib import explorers as ex
from course_lib.autoencoders import DeepAutoencoder
from course_lib.vae import Vae

X = np.linspace(-3, 3, 41, dtype=np.float32)


def bell(mean):
    y = jnp.exp(-0.5 * (X - mean) ** 2)
    return {
        "y": y, "top": y.max(), "pair": jnp.stack([mean, mean + 1]), "image": jnp.outer(y[:8], y[:8]),
        "shapes": jnp.zeros((3, 4, 2)) + mean, "nodes": jnp.zeros((3, 3, 2)) + mean, "xy": jnp.zeros((5, 2)) + mean,
    }  # fmt: skip


SLIDER = ex.Slider("mean", -1.0, 1.0, 9, 0.0, label="mean", unit="m")
AXES = (ex.Axis("x", -3, 3), ex.Axis("y", 0, 1))
ALL_MARKS = [
    ex.Curve("x", "y", fill=True, label="bell"),
    ex.Curve("x", "y", dashed=True),
    ex.Points("xy", classes="classes"),
    ex.Points("xy", label="dots"),
    ex.Polygons("shapes", label="strips"),
    ex.Mesh("nodes"),
    ex.Arrows("xy", "xy"),
    ex.Rule(x="top", label="top"),
    ex.Rule(y="top"),
    ex.Intervals("pair", "pair", label="spread"),
]


def make(**changes):
    arguments = {
        "title": "A bell",
        "description": "A bell that moves.",
        "readouts": ["top {top:.2f}"],
        "constants": {"x": X, "classes": np.arange(5)},
    }
    panels = [
        ex.Panel(ALL_MARKS, *AXES, title="marks"),
        ex.Panel([ex.Bars("pair", ("a", "b"))], ex.Axis("", -1, 2), ex.Axis("v", 0, 2), weight=0.5),
        ex.Panel([ex.Image("image", map="diverging")], aspect=1.0, weight=0.5),
    ]
    return ex.explore(bell, [SLIDER], panels, **{**arguments, **changes})


def test_shown_is_close_to_exact_and_follows_the_slider():
    widget = make()
    for mean in (-1.0, -0.33, 0.9):
        widget.values = {"mean": mean}
        exact, shown = widget.exact(), widget.shown()
        assert set(exact) == set(shown)
        for name in exact:
            np.testing.assert_allclose(shown[name], exact[name], atol=2e-3)
    assert abs(widget.exact(mean=-1.0)["y"] - widget.exact(mean=1.0)["y"]).max() > 0.5


def test_the_extremes_are_finite_and_of_the_declared_shape():
    widget = make()
    for mean in (-1.0, 1.0):
        for name, value in widget.shown(mean=mean).items():
            assert np.isfinite(value).all()
            assert value.shape == widget.exact()[name].shape


def test_a_still_picture_with_alt_text_stands_before_the_live_figure(monkeypatch):
    """Each an output of its own: a program shows every output, but only one form of each."""
    shown = []
    monkeypatch.setattr("course_lib.explorers.widget.display", lambda data, **more: shown.append((data, more)))
    widget = make()
    widget._ipython_display_()
    (picture, more), (line, _), (live, _) = shown
    assert picture["image/png"].startswith(b"\x89PNG")
    assert more["metadata"]["image/png"]["alt"] == "A bell. A bell that moves."
    assert "still picture" in line["text/html"]
    assert live["text/html"] == "", "nothing to be read where there are no widgets"
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id


def test_the_javascript_is_one_module_without_imports():
    assert "\nimport " not in ex.Explorer.module
    assert ex.Explorer.module.count("export default") == 1
    assert "http" not in ex.Explorer.module


def test_the_repr_is_stable():
    assert repr(make()) == repr(make()) == "Explorer('A bell')"


def test_a_network_is_computed_alike_in_python():
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(2, 6)), rng.normal(size=6)
    net = ex.Network("picture", [(w, b, "tanh")], ["mean", "other"], (2, 3))
    sliders = [SLIDER, ex.Slider("other", -1.0, 1.0, 2, 0.5)]
    panels = [ex.Panel([ex.Image("picture")])]
    widget = ex.explore(
        lambda mean, other: {"sum": mean + other}, sliders, panels, title="t", description="d", networks=[net]
    )
    expected = np.tanh(np.array([0.25, 0.5]) @ w + b).reshape(2, 3)
    np.testing.assert_allclose(widget.shown(mean=0.25)["picture"], expected, rtol=1e-5)


def test_layers_taken_from_a_model_compute_what_the_model_computes():
    """Activations included, also where a sequence holds another."""
    z = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    plane, vae = DeepAutoencoder(6, [5, 4], 3, rngs=nnx.Rngs(0)), Vae(6, [5, 4], 3, rngs=nnx.Rngs(1))
    for parts, decode in [(plane.decoder.layers, plane.decode), (vae.decoder.network.layers, vae.decode_mean)]:
        net = ex.Network("x", ex.dense_layers(parts, last="sigmoid"), ["a", "b", "c"], (6,))
        for row in z:
            np.testing.assert_allclose(net.output(row), decode(row), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="neither a linear layer nor one of the activations"):
        ex.dense_layers([plane.decoder.layers[0], np.cos])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"play": "nothing"}, "'nothing' is no control"),
        ({"links": {"nothing": {"mean": [1.0]}}}, "'nothing' is no control"),
        ({"constants": {}}, r"draws 'x'; there is only"),
    ],
)
def test_unknown_names_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_bad_panels_and_networks_are_refused():
    with pytest.raises(ValueError, match="colour 'mauve'"):
        ex.Panel([ex.Curve("x", "y", colour="mauve")]).check({"x", "y"}, set())
    with pytest.raises(ValueError, match="drags 'z'; the sliders are"):
        ex.Panel([], drag=("z", "z")).check(set(), {"mean"})
    w = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"kernel of shape \(2, 3\).*expected \(1, 3\)"):
        ex.Network("n", [(w, np.zeros(3), "tanh")], ["a"], (3,))
    with pytest.raises(ValueError, match="activation 'nope'"):
        ex.Network("n", [(w, np.zeros(3), "nope")], ["a", "b"], (3,))
    with pytest.raises(ValueError, match=r"gives 3 numbers; its shape \(4,\)"):
        ex.Network("n", [(w, np.zeros(3), "relu")], ["a", "b"], (4,))


@pytest.mark.parametrize("readout", ["top {top:+.2f}", "top {top:d}", "y {y:.2f}", "what is {nothing:.2f}"])
def test_a_readout_that_the_browser_cannot_write_is_refused(readout):
    with pytest.raises(ValueError, match=r"expected a single number by name.*Single numbers here: \['top'"):
        make(readouts=[readout])
    make(readouts=["top {top:.2f}, or {top}"])
