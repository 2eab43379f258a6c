"""What every explorer of the chapters must hold: small, finite to its ends, and within 1 % of the exact function."""

import dataclasses
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from course_lib.autoregressive import LinearAr
from course_lib.explorers import Choice, Explorer
from course_lib.explorers.scenes.coupling_steps import CELL
from course_lib.flows import Coupling, coupling_forward
from tests.explorers.accuracy import random_values, table_errors
from tests.explorers.registry import EXPLORERS
from tests.flows.affine_coupling import shift_and_log_scale

BUILT: dict[str, Explorer] = {}


@pytest.fixture(params=sorted(EXPLORERS))
def explorer(request) -> Explorer:
    if request.param not in BUILT:
        BUILT[request.param] = EXPLORERS[request.param]()
    return BUILT[request.param]


def test_at_most_500_kilobytes(explorer):
    assert len(explorer.data) <= 500_000


def test_every_corner_is_finite_and_of_the_declared_shape(explorer):
    ends = [(0, len(c.options) - 1) if isinstance(c, Choice) else (c.low, c.high) for c in explorer.controls]
    shapes = {name: np.shape(v) for name, v in explorer.exact().items()}
    corners = list(itertools.product(*ends))
    for corner in corners[:: max(1, len(corners) // 16)]:
        shown = explorer.shown(**{c.name: v for c, v in zip(explorer.controls, corner, strict=True)})
        assert {name: np.shape(v) for name, v in shown.items()} == shapes
        gaps = {"edge_x", "edge_y"} | ({"posterior_mean", "posterior_sigma"} if corner[0] in (0, 11) else set())
        if explorer is BUILT.get("ar2_triangle"):  # what only a stationary series has; one of two dots; real roots
            gaps |= {"memory", "spectrum", "deviation", "inside", "outside", "period"}
        for name, value in shown.items():
            if name not in gaps:  # closed connections, and a start without a posterior, are drawn as gaps
                assert np.isfinite(value).all(), name


def test_what_is_shown_is_within_one_percent_of_the_range(explorer):
    assert {name: e for name, e in table_errors(explorer).items() if not e <= 0.01} == {}


def test_an_error_is_noticed():
    """Negative control: a table stretched by two hundredths of its range is not within one."""
    explorer = EXPLORERS["divergence"]()
    for name, quantity in explorer.tables.items():
        stretched = dataclasses.replace(quantity, high=quantity.high + 0.02 * (quantity.high - quantity.low))
        explorer.tables[name] = stretched
    assert max(table_errors(explorer).values()) > 0.01


def test_every_control_moves_something(explorer):
    """A slider that moves nothing is a defect."""
    base = {c.name: c.start for c in explorer.controls}
    for c in explorer.controls:
        other = (c.start + 1) % len(c.options) if isinstance(c, Choice) else (c.low if c.start > c.low else c.high)
        before, after = explorer.shown(**base), explorer.shown(**{**base, c.name: other})
        assert any(not np.array_equal(before[n], after[n], equal_nan=True) for n in before), c.name


def test_every_panel_and_control_has_words_for_a_screen_reader(explorer):
    assert explorer.spec["title"]
    assert len(explorer.spec["description"]) > 40
    assert all(c["label"] for c in explorer.spec["controls"])


def test_the_two_directions_of_kl_agree_with_the_closed_form():
    shown = BUILT.setdefault("divergence", EXPLORERS["divergence"]()).shown(target=0, mean=-1.0, sigma=2.0)
    q, p = (-1.0, 2.0), (0.5, 1.0)
    for name, (a, b) in {"kl_qp": (q, p), "kl_pq": (p, q)}.items():
        closed = np.log(b[1] / a[1]) + (a[1] ** 2 + (a[0] - b[0]) ** 2) / (2 * b[1] ** 2) - 0.5
        assert shown[name] == pytest.approx(closed, rel=1e-2)


def test_the_bound_is_tight_at_the_true_posterior_and_nowhere_above():
    explorer = BUILT.setdefault("evidence_bound", EXPLORERS["evidence_bound"]())
    precision = 1 + 1.2**2 / 0.6**2
    mean, sigma = 1.2 * 1.5 / 0.6**2 / precision, precision**-0.5
    assert explorer.exact(model=0, mean=mean, sigma=sigma)["gap"] == pytest.approx(0, abs=1e-4)
    rng = np.random.default_rng(0)
    assert all(explorer.exact(**random_values(explorer, rng))["gap"] > -1e-4 for _ in range(50))


def test_every_strip_keeps_its_area():
    explorer = BUILT.setdefault("change_of_variables", EXPLORERS["change_of_variables"]())
    for tilt, wave in [(0.0, 0.0), (1.0, 0.5), (0.3, -0.8)]:
        strips = explorer.exact(tilt=tilt, wave=wave)["strips"]
        x, y = strips[..., 0], strips[..., 1]
        area = 0.5 * np.abs(np.sum(x * np.roll(y, -1, 1) - np.roll(x, -1, 1) * y, axis=1))
        base = explorer.constants["base"]
        u, v = base[..., 0], base[..., 1]
        np.testing.assert_allclose(
            area, 0.5 * np.abs(np.sum(u * np.roll(v, -1, 1) - np.roll(u, -1, 1) * v, axis=1)), rtol=0.02
        )


@pytest.mark.parametrize(("scale", "shift"), [(0.9, 0.8), (-1.0, 1.2), (0.4, -0.7)])
def test_the_coupling_steps_are_those_of_the_library_s_layer(scale, shift):
    explorer = BUILT.setdefault("coupling_steps", EXPLORERS["coupling_steps"]())
    layer = Coupling([1, 0], [3], rngs=nnx.Rngs(0))
    first, _, final = layer.conditioner.layers
    kernel, last = first.kernel, final.kernel  # its last column: r of the moved coordinate
    b_column = last.shape[1] // 2 - 1
    kernel[...] = jnp.zeros(kernel.shape).at[0].set(2.0)
    first.bias[...] = jnp.array([2.0, 0.0, -2.0])
    last[...] = jnp.zeros(last.shape).at[1, b_column].set(shift).at[0, -1].set(scale).at[2, -1].set(-scale)
    final.bias[...] = jnp.zeros(last.shape[1]).at[-1].set(-scale)
    at = {"scale": scale, "shift": shift}
    z = jnp.asarray(explorer.exact(step=0.0, **at)["nodes"])
    b, s = shift_and_log_scale(layer, z)
    mask = jnp.asarray(layer.mask)
    for step, b_part, s_part in [(1.7, 0.0, 0.0), (2.3, 0.0, 0.3), (3.0, 0.0, 1.0), (3.6, 0.6, 1.0)]:
        x, _ = coupling_forward(z, b_part * b, s_part * s, mask)
        np.testing.assert_allclose(explorer.exact(step=step, **at)["nodes"], x, rtol=1e-5, atol=1e-5)
    done = explorer.exact(step=4.0, **at)
    np.testing.assert_allclose(done["nodes"], layer.forward(z)[0], rtol=1e-5, atol=1e-5)
    low, high, bottom, top = CELL
    centre, within = jnp.array([(low + high) / 2, 0.0]), jnp.stack([jnp.linspace(low, high, 101), jnp.zeros(101)], 1)
    assert done["log_det"] == pytest.approx(float(layer.forward(centre)[1]), abs=1e-6)
    area = (top - bottom) * jnp.trapezoid(jnp.exp(layer.forward(within)[1]), within[:, 0])
    assert done["area"] == pytest.approx(float(area), rel=2e-3)


def test_both_gradient_estimators_have_the_exact_mean():
    from course_lib.explorers.scenes.reparameterization import gradient_estimates

    noise = np.random.default_rng(0).normal(size=400_000)
    for estimates in gradient_estimates(noise, 0.3, 0.8):
        error = np.std(estimates) / np.sqrt(noise.size)
        assert abs(np.mean(estimates) - 2 * (0.3 - 1.0)) < 5 * error


def test_the_ar2_triangle_shows_the_process_of_its_coefficients():
    explorer = BUILT.setdefault("ar2_triangle", EXPLORERS["ar2_triangle"]())
    grids = {c.name: c.grid.round(2) for c in explorer.controls}
    for beta_1, beta_2 in itertools.product(grids["beta_1"][::7], grids["beta_2"][::4]):
        process = LinearAr(np.array([beta_1, beta_2], float))
        shown = explorer.shown(beta_1=float(beta_1), beta_2=float(beta_2))
        modulus = np.abs(process.roots()).max()
        assert shown["modulus"] == pytest.approx(modulus, abs=1e-3)
        assert np.isfinite(shown["inside"]).all() == np.isfinite(shown["memory"]).all() == (modulus < 1 - 1e-3)
        assert np.isfinite(shown["inside"]).all() != np.isfinite(shown["outside"]).all()
        if modulus < 1 - 1e-3:
            gamma = process.autocovariance(20)
            np.testing.assert_allclose(shown["memory"], gamma / gamma[0], atol=1e-3)
            assert shown["deviation"] == pytest.approx(np.sqrt(gamma[0]), rel=1e-3)
            density = np.clip(np.log10(process.spectral_density(np.linspace(0, 0.5, 33))), -2.5, 2.5)
            np.testing.assert_allclose(shown["spectrum"], density, atol=2e-3)


def test_the_moving_spline_is_the_library_s_and_its_bins_keep_their_areas():
    import jax.numpy as jnp

    from course_lib.flows.spline import rational_quadratic_forward, rational_quadratic_inverse

    explorer = BUILT.setdefault("spline_knots", EXPLORERS["spline_knots"]())
    rng = np.random.default_rng(0)
    for base in (0, 1):
        values = {**random_values(explorer, rng), "base": base}
        exact = explorer.exact(**values)
        places = [-3.0, -1.5, values["knot_z"], 1.5, 3.0], [-3.0, -1.5, values["knot_x"], 1.5, 3.0]
        rows = [jnp.asarray(row, jnp.float32) for row in (*places, [1.0, 1.0, values["slope"], 1.0, 1.0])]
        knots = [jnp.broadcast_to(row, (len(exact["z"]), 5)) for row in rows]
        x, log_slope = rational_quadratic_forward(jnp.asarray(exact["z"]), *knots)
        np.testing.assert_allclose(exact["x"], x, atol=1e-5)
        np.testing.assert_allclose(np.log(exact["slope"]), log_slope, atol=1e-4)
        np.testing.assert_allclose(
            rational_quadratic_inverse(jnp.asarray(exact["x"]), *knots)[0], exact["z"], atol=1e-3
        )
        assert exact["area"] == pytest.approx(exact["area_before"], abs=1e-3)
        strips = [exact["base_strips"], exact["strips"]]
        areas = [
            0.5 * np.abs(np.sum(s[..., 0] * np.roll(s[..., 1], -1, 1) - np.roll(s[..., 0], -1, 1) * s[..., 1], axis=1))
            for s in strips
        ]
        np.testing.assert_allclose(areas[0], areas[1], atol=0.01)


def test_each_family_shows_the_image_of_its_seed_and_temperature():
    from course_lib.explorers.scenes.families import families_explorer

    images = np.random.default_rng(5).integers(0, 17, (2, 5, 24, 8, 8)) / 16
    explorer = families_explorer({"a": images[0], "b": images[1]}, (0.5, 1.5))
    for seed, temperature in itertools.product((0, 7, 23), range(5)):
        shown = explorer.shown(seed=seed, temperature=0.5 + 0.25 * temperature)
        for i in range(2):
            np.testing.assert_allclose(shown[f"image_{i}"], images[i, temperature, seed], atol=1e-3)
    with pytest.raises(ValueError, match="expected one shape"):
        families_explorer({"a": images[0], "b": images[1][:, :3]}, (0.5, 1.5))


def test_a_slim_decoder_draws_what_the_decoder_draws():
    """Over the plane, also between the places that it was made from; with too few directions it does not."""
    from course_lib.explorers.network import Network
    from course_lib.explorers.scenes import latent_plane
    from tests.explorers.registry import random_layers

    rng = np.random.default_rng(0)
    whole, ends = random_layers(rng, 2, 200, 200, 784), (np.array([-4.0, -4.0]), np.array([4.0, 4.0]))

    def numbers(layers):
        return sum(kernel.size for kernel, _, _ in layers)

    def error(layers):
        pictures = [Network("x", layers, ["a", "b"], (784,)) for layers in (whole, layers)]
        places = rng.uniform(*ends, (100, 2))
        return max(np.abs(pictures[0].output(z) - pictures[1].output(z)).max() for z in places)

    slim = latent_plane.slim(whole, *ends)
    assert numbers(slim) < numbers(whole) / 4
    assert error(slim) < 0.01
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_plane, "RANK", 2)
        assert error(latent_plane.slim(whole, *ends)) > 0.02
