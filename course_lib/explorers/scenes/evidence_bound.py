"""The ELBO in one dimension: move q, watch the bound, the gap and the two terms, all known by quadrature."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from course_lib.explorers.controls import Choice, Slider
from course_lib.explorers.marks import Axis, Bars, Curve, Panel
from course_lib.explorers.widget import Explorer, explore
from course_lib.probability import kl_standard_normal, normal_log_prob

Z = np.linspace(-4, 4, 101, dtype=np.float32)
_FINE = np.linspace(-14, 14, 1401, dtype=np.float32)
_LOG_STEP = float(np.log(_FINE[1] - _FINE[0]))
OBSERVED, NOISE = 1.5, 0.6


def _log_likelihood(z, model):
    """ln p(x|z) = ln N(x; f(z), 0.6²) at x = 1.5, with f(z) = 1.2 z, or f(z) = z² (two values of z explain x)."""
    return normal_log_prob(OBSERVED, jnp.where(model == 0, 1.2 * z, z**2), float(np.log(NOISE)))


def evidence_quantities(model, mean, sigma):
    """Posterior p(z|x), q(z), ln p(x), ELBO, its gap KL(q‖p(z|x)), and its terms, by quadrature in z, in nats."""
    log_sigma = jnp.log(sigma)
    log_joint = normal_log_prob(_FINE, 0.0, 0.0) + _log_likelihood(_FINE, model)
    log_evidence = logsumexp(log_joint) + _LOG_STEP
    q = jnp.exp(normal_log_prob(_FINE, mean, log_sigma) + _LOG_STEP)
    reconstruction = jnp.sum(q * _log_likelihood(_FINE, model))
    kl = kl_standard_normal(mean[None], log_sigma[None]).sum()
    bound = reconstruction - kl
    return {
        "prior": jnp.exp(normal_log_prob(Z, 0.0, 0.0)),
        "posterior": jnp.exp(normal_log_prob(Z, 0.0, 0.0) + _log_likelihood(Z, model) - log_evidence),
        "q": jnp.exp(normal_log_prob(Z, mean, log_sigma)),
        "levels": jnp.stack([log_evidence, bound]),
        "terms": jnp.stack([reconstruction, -kl]),
        "log_evidence": log_evidence,
        "elbo": bound,
        "gap": log_evidence - bound,
        "reconstruction": reconstruction,
        "kl": kl,
    }


def evidence_explorer() -> Explorer:
    """Move q(z) and see ln p(x) = ELBO + KL(q‖p(z|x)): the gap closes where q lies on the posterior.

    Taught in: 05_variational_autoencoder, "Two terms: decoder and encoder"
    """
    return explore(
        evidence_quantities,
        [
            Choice("model", ("f(z) = 1.2 z", "f(z) = z²"), 0, label="x = f(z) + noise, with"),
            Slider("mean", -2.5, 2.5, 41, -0.5, label="mean of q"),
            Slider("sigma", 0.2, 2.0, 21, 0.6, label="σ of q", log=True),
        ],
        [
            Panel(
                [
                    Curve("z", "prior", "muted", "prior p(z)", dashed=True),
                    Curve("z", "posterior", "data", "posterior p(z|x)", fill=True),
                    Curve("z", "q", "encoder", "q(z)", fill=True),
                ],
                Axis("z", -4, 4),
                Axis("density", 0, 1.6),
                title="what q should look like",
                weight=1.5,
            ),
            Panel(
                [Bars("levels", ("ln p(x)", "ELBO"), ("data", "encoder"))],
                Axis("", -0.5, 1.5),
                Axis("nats", -12, 0),
                title="the bound",
                aspect=0.9,
                weight=0.7,
            ),
            Panel(
                [Bars("terms", ("E ln p", "−KL"), ("decoder", "latent"))],
                Axis("", -0.5, 1.5),
                Axis("nats", -12, 0),
                title="its two terms",
                aspect=0.9,
                weight=0.7,
            ),
        ],
        title="The evidence lower bound",
        description="Left: prior, exact posterior and q. Middle: ln p(x) and the bound below it. "
        "Right: its two terms, E ln p(x|z) and −KL(q‖p(z)).",
        readouts=("ln p(x) = {log_evidence:.3f}", "ELBO = {elbo:.3f}", "gap = KL(q‖p(z|x)) = {gap:.3f} nats"),
        constants={"z": Z},
    )
