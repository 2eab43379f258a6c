"""Models made of models: mixtures of probabilities, and weighted sums of the logits of each conditional."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp


def mixture_weights(log_probs: np.ndarray, steps: int = 1000, tolerance: float = 1e-7) -> np.ndarray:
    """The weights w on the simplex with the largest mean_n log Σ_k w_k p_k(x_n): EM, on a concave problem.

    Args: log_probs: (K, n) nats. One example shared evenly by all models is added, so that few examples with many
        models do not fit noise.
    """
    count, n = log_probs.shape
    weights, before = np.full(count, 1 / count), -np.inf
    scaled = np.exp(log_probs - log_probs.max(axis=0))
    for _ in range(steps):
        share = weights[:, None] * scaled
        total = share.sum(axis=0)
        weights = ((share / total).sum(axis=1) + 1 / count) / (n + 1)
        now = np.log(total).mean()
        if now - before < tolerance:
            break
        before = now
    return weights


def mixture_log_prob(weights: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
    """log Σ_k w_k p_k(x), nats; log_probs: (K, n)."""
    return logsumexp(log_probs, axis=0, b=weights[:, None])


LARGEST_LOGIT = 14.0


def combine_logits(weights: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Σ_k w_k logit_k: again one logit for each conditional, so again a normalized model; logits: (K, n, d)."""
    return np.einsum("k,knd->nd", weights, np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT))


def log_prob_of_logits(x: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """log p(x) in nats from the logits of all conditionals."""
    return (x * logits - np.logaddexp(0, logits)).sum(axis=-1)


def stacking_weights(x: np.ndarray, logits: np.ndarray, most: float = 3e6) -> np.ndarray:
    """The weights of `combine_logits` that fit x best: K numbers by logistic regression, started at the first model.

    Args: x: (n, d) validation rows; logits: (K, n, d), all under one ordering; most: entries of x that are used.
    """
    rows = min(len(x), max(1, int(most / x.shape[1])))
    x, logits = x[:rows], np.clip(logits[:, :rows], -LARGEST_LOGIT, LARGEST_LOGIT)

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        combined = np.einsum("k,knd->nd", weights, logits)
        slope = np.einsum("knd,nd->k", logits, expit(combined) - x)
        return -float(log_prob_of_logits(x, combined).mean()), slope.astype(np.float64) / len(x)

    first = np.eye(len(logits))[0]
    return minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
