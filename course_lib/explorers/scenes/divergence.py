"""KL between a movable Gaussian q and a fixed p: densities, integrands, both directions."""

import jax.numpy as jnp
import numpy as np

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Bars, Curve, Panel
from course_lib.explorers.widget import Explorer, explore
from course_lib.probability import nats_to_bits, normal_log_prob

Z = np.linspace(-6, 6, 101, dtype=np.float32)
_FINE = np.linspace(-24, 24, 1201, dtype=np.float32)


def _log_p(z, target):
    """ln p: one Gaussian N(0.5, 1), or the mixture 0.6 N(−2, 0.5²) + 0.4 N(2, 0.6²)."""
    gaussian = normal_log_prob(z, 0.5, 0.0)
    left = jnp.log(0.6) + normal_log_prob(z, -2.0, float(np.log(0.5)))
    right = jnp.log(0.4) + normal_log_prob(z, 2.0, float(np.log(0.6)))
    return jnp.where(target == 0, gaussian, jnp.logaddexp(left, right))


def divergence_quantities(target, mean, sigma):
    """p, q, the two integrands q ln(q/p) and p ln(p/q), and both divergences by quadrature, in nats and in bits."""
    log_sigma = jnp.log(sigma)

    def log_densities(z):
        return normal_log_prob(z, mean, log_sigma), _log_p(z, target)

    log_q, log_p = log_densities(Z)
    wide_q, wide_p = log_densities(_FINE)
    step = float(_FINE[1] - _FINE[0])
    kl_qp = step * jnp.sum(jnp.exp(wide_q) * (wide_q - wide_p))
    kl_pq = step * jnp.sum(jnp.exp(wide_p) * (wide_p - wide_q))
    return {
        "p": jnp.exp(log_p),
        "q": jnp.exp(log_q),
        "integrand_qp": jnp.exp(log_q) * (log_q - log_p),
        "integrand_pq": jnp.exp(log_p) * (log_p - log_q),
        "kl": jnp.stack([kl_qp, kl_pq]),
        "kl_qp": kl_qp,
        "kl_pq": kl_pq,
        "kl_qp_bits": nats_to_bits(kl_qp),
        "kl_pq_bits": nats_to_bits(kl_pq),
    }


def divergence_explorer() -> Explorer:
    """Move q and watch KL(q‖p) = ∫ q ln(q/p) dz and KL(p‖q) = ∫ p ln(p/q) dz, with their integrands.

    Taught in: 05_variational_autoencoder, "A Gaussian against a mixture"
    """
    density, nats = Axis("density", 0, 1.0), Axis("nats per unit of z", -0.6, 3.0)
    return explore(
        divergence_quantities,
        [
            Choice("target", ("one Gaussian", "a mixture of two"), 1, label="p is"),
            Slider("mean", -3.0, 3.0, 25, 0.0, label="mean of q"),
            Slider("sigma", 0.4, 2.5, 15, 1.0, label="σ of q", log=True),
        ],
        [
            Panel(
                [Curve("z", "p", "data", "p", fill=True), Curve("z", "q", "model", "q", fill=True)],
                Axis("z", -6, 6),
                density,
                title="densities",
            ),
            Panel(
                [
                    Curve("z", "integrand_qp", "model", "q ln(q/p)", fill=True),
                    Curve("z", "integrand_pq", "second", "p ln(p/q)", fill=True),
                ],
                Axis("z", -6, 6),
                nats,
                title="integrands",
            ),
            Panel(
                [Bars("kl", ("q‖p", "p‖q"), ("model", "second"))],
                Axis("", -0.5, 1.5),
                Axis("nats", 0, 6),
                title="KL: areas",
                aspect=0.9,
                weight=0.6,
            ),
        ],
        title="Two directions of KL",
        description="Left: the densities p and q. Middle: the two integrands, whose areas are the divergences. "
        "Right: the divergences in nats.",
        readouts=(
            "KL(q‖p) = {kl_qp:.3f} nats = {kl_qp_bits:.3f} bits",
            "KL(p‖q) = {kl_pq:.3f} nats = {kl_pq_bits:.3f} bits",
        ),
        constants={"z": Z},
    )
