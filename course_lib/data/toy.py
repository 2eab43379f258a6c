"""Six densities in the plane, all within [-4, 4]², each with its sampler and its log-density."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Key

from course_lib.validation import events, require_finite


@dataclass(frozen=True)
class ToyDensity:
    """A density in the plane that can be sampled and evaluated.

    Attributes:
        bounds: `(low, high)` of both coordinates; the square holds all but 1e-6 of the probability.
    """

    name: str
    draw: Callable[[Array, int], Array]
    log_density: Callable[[Array], Array]
    bounds: tuple[float, float] = (-4.0, 4.0)

    def sample(self, key: Key[Array, ""], n: int) -> Float[Array, "n 2"]:
        """Draw `n` independent points."""
        return jax.jit(self.draw, static_argnums=1)(key, n)

    def log_prob(self, x: Float[Array | np.ndarray, "..."]) -> Float[Array, "..."]:
        """log p(x) in nats of points `(*batch, 2)`; -inf where the density is 0.

        Raises:
            ValueError: the last axis is not 2, or x holds NaN or infinite values.
        """
        x = events(x, (2,), f"the toy density {self.name!r}")
        require_finite(x)
        return jax.jit(self.log_density)(jnp.asarray(x))

    def entropy(self) -> float:
        """-∫ p log p in nats: the lowest mean negative log-likelihood that any model can have on fresh points.

        Numerics: summed once on a grid of step 0.02 (error below 1e-4), then remembered.
        """
        return _entropy(self)


@functools.cache
def _entropy(density: ToyDensity) -> float:
    low, high = density.bounds
    axis = np.arange(low + 0.01, high, 0.02, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    by_parts = jax.jit(lambda x: jax.lax.map(density.log_density, x, batch_size=4096))
    log_p = np.asarray(by_parts(points), dtype=np.float64)
    return float(-np.sum(np.exp(log_p) * np.maximum(log_p, -1e3)) * 0.02**2)


def _noisy_curve(name: str, curve: Callable[[Array], Array], noise: float, panels: int, nodes: int) -> ToyDensity:
    """x = curve(s) + noise · ε with s uniform on [0, 1]; p(x) = ∫ N(x; curve(s), noise²) ds.

    Numerics: the integral over s is a Gauss–Legendre sum of `nodes` points in each of `panels` equal panels,
    accurate to 1e-4 in log p wherever p is not negligible.
    """

    def draw(key: Array, n: int) -> Array:
        s_key, noise_key = jax.random.split(key)
        return curve(jax.random.uniform(s_key, (n,))) + noise * jax.random.normal(noise_key, (n, 2))

    def log_density(x: Array) -> Array:
        places, weights = np.polynomial.legendre.leggauss(nodes)
        s = (np.arange(panels)[:, None] + (places[None, :] + 1) / 2).ravel() / panels
        weights = np.broadcast_to(np.tile(weights / 2, panels) / panels, (*x.shape[:-1], panels * nodes))
        centres = jnp.broadcast_to(curve(jnp.asarray(s, x.dtype)), (*x.shape[:-1], panels * nodes, 2))
        squares = jnp.sum((x[..., None, :] - centres) ** 2, axis=-1)
        return logsumexp(-0.5 * squares / noise**2, b=weights, axis=-1) - math.log(2 * math.pi * noise**2)

    return ToyDensity(name, draw, log_density)


def _polar(radius: Array | float, angle: Array) -> Array:
    return jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle)], axis=-1)


def _circle(s: Array) -> Array:
    return _polar(2.0, 2 * math.pi * s)


def _eight_points(s: Array) -> Array:
    return _polar(2.0, jnp.floor(8 * s) * (math.pi / 4))


def _moons(s: Array) -> Array:
    upper = 1.8 * (_polar(1.0, 2 * math.pi * (s % 0.5)) - jnp.full((*s.shape, 2), jnp.array([0.5, 0.25])))
    return jnp.where(s[..., None] < 0.5, upper, -upper)


def _two_spirals(s: Array) -> Array:
    angle = 3 * math.pi * jnp.sqrt(2 * (s % 0.5))  # the root spreads the points evenly along the arm
    arm = _polar(angle / math.pi, angle)
    return jnp.where(s[..., None] < 0.5, arm, -arm)


def _checkerboard_draw(key: Array, n: int) -> Array:
    square_key, inside_key = jax.random.split(key)
    row, pair = jnp.divmod(jax.random.randint(square_key, (n,), 0, 8), 2)
    return 2 * (jnp.stack([2 * pair + row % 2, row], axis=-1) + jax.random.uniform(inside_key, (n, 2))) - 4


def _checkerboard_log_density(x: Array) -> Array:
    dark = jnp.sum(jnp.floor(x / 2), axis=-1) % 2 == 0
    return jnp.where(dark & jnp.all((x >= -4) & (x < 4), axis=-1), -math.log(32), -jnp.inf)


_ARMS, _DISTANCE, _LENGTH, _WIDTH, _TWIST = 5, 1.8, 0.45, 0.15, 0.9


def _rotate(x: Array, angle: Array) -> Array:
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], axis=-1)


def _twist_angle(x: Array) -> Array:
    return _TWIST * jnp.sqrt(jnp.sum(x**2, axis=-1) + 1e-12)  # the small term keeps the gradient finite at 0


def _pinwheel_draw(key: Array, n: int) -> Array:
    arm_key, noise_key = jax.random.split(key)
    noise = jax.random.normal(noise_key, (n, 2))
    arm = jnp.stack([_DISTANCE + _LENGTH * noise[:, 0], _WIDTH * noise[:, 1]], axis=-1)
    return _rotate(arm, jax.random.randint(arm_key, (n,), 0, _ARMS) * (2 * math.pi / _ARMS) + _twist_angle(arm))


def _pinwheel_log_density(x: Array) -> Array:
    # Turning each point by an angle that depends on its radius alone keeps areas: there is no Jacobian factor.
    straight = _rotate(x, -_twist_angle(x))
    turns = jnp.broadcast_to(jnp.arange(_ARMS) * (-2 * math.pi / _ARMS), (*x.shape[:-1], _ARMS))
    arms = _rotate(straight[..., None, :], turns)
    squares = ((arms[..., 0] - _DISTANCE) / _LENGTH) ** 2 + (arms[..., 1] / _WIDTH) ** 2
    return logsumexp(-0.5 * squares, axis=-1) - math.log(_ARMS * 2 * math.pi * _LENGTH * _WIDTH)


RING = _noisy_curve("ring", _circle, 0.2, panels=80, nodes=1)
TWO_MOONS = _noisy_curve("two_moons", _moons, 0.15, panels=2, nodes=64)
PINWHEEL = ToyDensity("pinwheel", _pinwheel_draw, _pinwheel_log_density)
CHECKERBOARD = ToyDensity("checkerboard", _checkerboard_draw, _checkerboard_log_density)
EIGHT_GAUSSIANS = _noisy_curve("eight_gaussians", _eight_points, 0.2, panels=8, nodes=1)
SPIRALS = _noisy_curve("spirals", _two_spirals, 0.12, panels=2, nodes=160)
TOY_DENSITIES = {d.name: d for d in (RING, TWO_MOONS, PINWHEEL, CHECKERBOARD, EIGHT_GAUSSIANS, SPIRALS)}


def toy_density(name: str) -> ToyDensity:
    """One of the six by name: ring, two_moons, pinwheel, checkerboard, eight_gaussians, spirals.

    Raises:
        ValueError: no such density; the message lists the names.
    Taught in: 03_normalizing_flow
    """
    if name not in TOY_DENSITIES:
        raise ValueError(f"There is no toy density {name!r}; choose one of {', '.join(TOY_DENSITIES)}.")
    return TOY_DENSITIES[name]
