# %% [markdown] tags=["frame"]
# # 5b · Better bounds
#
# A variational auto-encoder never computes $\ln p(x)$. It has a bound, the ELBO of chapter 5, which lies below by a
# gap that nobody sees. This chapter measures the gap where it can be measured, narrows it in three ways (more samples,
# another training, a richer $q$), and asks what is lost when a number gets better.
#
# **After this chapter you can**
# - tighten the bound with importance weights, and say how the gap falls with the number of samples;
# - explain why a tighter bound can be worse for the encoder, and mend its gradient;
# - recognize a code that nobody reads (**posterior collapse**), provoke it, and get out of it;
# - trade rate against distortion with $\beta$, and read the two on trained models;
# - choose a likelihood for grey pixels;
# - split the gap into what the family of $q$ lacks and what the shared encoder lacks.
#
# **You need** chapter 5 (ELBO, reparametrization), section 2.5 for the decoder of section 5b.4, section 2b.7 for grey
# levels, and chapter 3a for the name IAF. All quantities are in **nats** unless bits are named.
# **Time:** about two hours; the code itself runs in about a minute on two cores.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

# %%
from course_lib import data, notebook
from course_lib.distributions import Gaussian, Logistic
from course_lib.exercises import exercise
from course_lib.explorers.scenes.beta_models import beta_models_explorer
from course_lib.figures.images import image_rows
from course_lib.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    PURPLE,
    RED,
)
from course_lib.flows import IAF

# %%
from course_lib.probability import (
    bernoulli_log_prob,
    effective_sample_size,
    kl_standard_normal,
    mean_and_error,
    normal_log_prob,
    standard_normal_log_prob,
)
from course_lib.training import cosine_adam
from course_lib.vae import (
    Vae,
    active_units,
    kl_per_latent,
    rate_parts,
    reparameterize,
)

notebook.start()
plt.rcParams["figure.dpi"] = 80

# %% [markdown]
# ## 5b.1 More samples, a tighter bound
#
# A bound with an unknown gap ranks two models only by luck: the lower one may have the higher $\ln p(x)$. The cheapest
# way to a smaller gap needs no training at all. It averages several weights *inside* the logarithm.

# %% [markdown] tags=["derivation"]
# Draw $z_1,\dots,z_k$ independently from $q(z\mid x)$ and weigh them by $w_i=p(x,z_i)/q(z_i\mid x)$. Each weight has
# the mean $\mathbb E_q\,w_i=\int p(x,z)\,dz=p(x)$, and so has their average. The logarithm is concave, so by Jensen's
# inequality
#
# $$\mathcal L_k=\mathbb E\,\ln\frac1k\sum_{i=1}^k w_i\;\le\;\ln\mathbb E\,\frac1k\sum_{i=1}^kw_i=\ln p(x).$$
#
# $\mathcal L_1$ is the ELBO. The bound never falls when $k$ rises. Write the average of $k$ weights as the mean, over
# the $k$ ways to leave one of them out, of the averages of the other $k-1$. By Jensen, the logarithm of this mean is at
# least the mean of the logarithms, and each of those has the expectation $\mathcal L_{k-1}$.
#
# How large is the gap? Let $u=\frac1k\sum_iw_i/p(x)$, of mean 1 and variance $\mathrm{Var}[w/p(x)]/k$. If this variance
# is finite, $u$ is close to 1 for large $k$, and $\ln u\approx(u-1)-\frac12(u-1)^2$. In the mean the first term
# vanishes, and the second one stays (Domke and Sheldon, 2018, give the conditions):
#
# $$\ln p(x)-\mathcal L_k=-\mathbb E\ln u\approx\frac1{2k}\,\mathrm{Var}_q\!\left[\frac{w}{p(x)}\right].$$

# %% [markdown]
# We test it on a model whose $\ln p(x)$ is a formula: $z\sim\mathcal N(0,I)$ in 3 dimensions,
# $x\mid z\sim\mathcal N(Wz,\sigma^2I)$ in 5. The posterior is Gaussian with correlated latents. Our $q$ has the right
# means and variances, but **no correlations**.

# %%
rng = np.random.default_rng(0)
W, sigma = rng.normal(size=(5, 3)), 2.0
x = W @ rng.normal(size=3) + sigma * rng.normal(size=5)
marginal = multivariate_normal(np.zeros(5), W @ W.T + sigma**2 * np.eye(5))
exact = marginal.logpdf(x)
precision = np.eye(3) + W.T @ W / sigma**2  # of the posterior
covariance = np.linalg.inv(precision)
mean = covariance @ W.T @ x / sigma**2
spread = np.sqrt(np.diag(covariance))
gap = 0.5 * np.linalg.slogdet(covariance)[1] - np.log(spread).sum()
gap += 0.5 * np.trace(precision * spread**2) - 1.5  # KL(q || posterior)
print(f"ln p(x) = {exact:.3f}, ELBO = ln p(x) - KL = {exact - gap:.3f}")

# %% [markdown]
# The variance of $w/p(x)$ is an integral over $p(z\mid x)^2/q(z)$. It is finite only if twice the posterior's
# precision exceeds that of $q$; then it is a formula, too.

# %%
doubled = 2 * precision - np.diag(1 / spread**2)
print("eigenvalues, all positive:", np.linalg.eigvalsh(doubled).round(2))
log_second = np.linalg.slogdet(precision)[1] + np.log(spread).sum()
log_second -= 0.5 * np.linalg.slogdet(doubled)[1]
variance = np.exp(log_second) - 1
print(f"Var(w / p(x)) = {variance:.2f}")

# %% [markdown]
# Now the bound from samples: $2^{18}$ weights, in groups of $k$.
#
# **Predict:** when $k$ doubles, by which factor does the gap fall for large $k$?

# %%
z = mean + spread * np.random.default_rng(1).normal(size=(2**18, 3))
log_w = norm.logpdf(z).sum(1) + norm.logpdf(x, z @ W.T, sigma).sum(1)
log_w -= norm.logpdf(z, mean, spread).sum(1)
sizes = 2 ** np.arange(0, 11)
groups = [logsumexp(log_w.reshape(-1, k), axis=1) - np.log(k) for k in sizes]
bounds, errors = np.array([mean_and_error(g) for g in groups]).T
for i in (0, 5, 10):
    print(f"k = {sizes[i]:4}: {bounds[i]:.4f} ± {errors[i]:.4f} (draws)")
size = float(effective_sample_size(log_w)) / len(log_w)
print(f"effective sample size: {size:.1%} of the draws")

# %% [markdown]
# The gap has less noise as the mean of $u-1-\ln u$, for $u-1$ has the mean 0.

# %%
ratios = [np.exp(g - exact) for g in groups]  # of mean 1
below = [r - 1 - np.log(r) for r in ratios]  # of mean ln p(x) - L_k
gaps_k, gap_errors = np.array([mean_and_error(b) for b in below]).T
for i in range(7, 11):
    halves = gaps_k[i] / gaps_k[i - 1]
    print(f"gap({sizes[i]}) / gap({sizes[i - 1]}) = {halves:.2f}")

# %% alt="Two panels against the number of samples k from 1 to 1024. Left, the bound rises from the ELBO, steeply at first, to the dashed line of the exact ln p(x). Right, on logarithmic axes, the gap falls; at k = 1 it is half of what the dashed straight line of the variance over 2k says, and from k near 30 on it lies on the line." caption="Left, the bound $\\mathcal L_k$ and the exact $\\ln p(x)$; right, their difference beside $\\mathrm{Var}(w/p(x))/2k$. Bars are 3 standard errors over the draws; they are smaller than the dots where none is seen."
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.errorbar(sizes, bounds, 3 * errors, fmt="o-", ms=4, label="$L_k$")
left.axhline(exact, color=INK, ls="--", lw=1, label=r"exact $\ln p(x)$")
left.set(xscale="log", xlabel="samples $k$", ylabel="bound [nats]")
left.legend(fontsize=9)
right.errorbar(sizes, gaps_k, 3 * gap_errors, fmt="o", ms=4, label="gap")
dashes = {"color": INK, "ls": "--", "lw": 1}
theory = variance / (2 * sizes)
right.loglog(sizes, theory, **dashes, label=r"Var$(w/p(x))\,/\,2k$")
right.set(xlabel="samples $k$", ylabel="gap [nats]")
legend = right.legend(fontsize=9)

# %% [markdown]
# **Answer.** The gap falls by the factor 2: each ratio above is one half, up to its noise. For few samples the formula
# fails: $u$ is not close to 1. Nothing was trained; the price is $k$ passes through the decoder.

# %% [markdown] tags=["derivation"]
# ## 5b.2 What the encoder hears
#
# If $\mathcal L_k$ is the better number, why not maximise it in training? Because a gradient must be told from its
# noise, and for the encoder that becomes harder as $k$ grows.
#
# The gradient of $\ln\frac1k\sum_iw_i$ is a weighted mean. With the **normalized weights**
# $\tilde w_i=w_i/\sum_jw_j$ and reparametrized $z_i$,
#
# $$\nabla\ln\frac1k\sum_iw_i=\sum_i\tilde w_i\,\nabla\ln w_i .$$
#
# As $k$ grows, the bound depends less and less on $q$: with many samples any $q$ will do. By section 5b.1 what is left
# of $q$ in it falls like $1/k$, and so does the *mean* of the encoder's gradient. Its standard deviation falls like
# $1/\sqrt k$ only, as for any average. The **signal-to-noise ratio** of the encoder, mean over standard deviation,
# therefore falls like $1/\sqrt k$. The mean of the decoder's gradient tends to that of $\ln p(x)$, which does not
# vanish, and its ratio rises like $\sqrt k$ (Rainforth et al., 2018).

# %% [markdown] tags=["derivation"]
# **The repair** (Tucker et al., 2018). The encoder's parameters $\phi$ enter $\ln w_i$ by two ways: through $z_i$, and
# directly through $\ln q_\phi(z_i\mid x)$,
#
# $$\nabla_\phi\ln\frac1k\sum_iw_i=\sum_i\tilde w_i\left[
# \frac{\partial\ln w_i}{\partial z_i}\frac{\partial z_i}{\partial\phi}
# -\frac{\partial\ln q_\phi(z_i\mid x)}{\partial\phi}\right].$$
#
# The last term is a score, as in section 5.7, weighted by a function of $z_i$. There two estimators had the same mean;
# read that equality backwards, with $h(z_i)=\tilde w_i$ and all other samples held fixed:
#
# $$\mathbb E\,\tilde w_i\,\frac{\partial\ln q_\phi(z_i\mid x)}{\partial\phi}
# =\mathbb E\,\frac{\partial\tilde w_i}{\partial z_i}\frac{\partial z_i}{\partial\phi},\qquad
# \frac{\partial\tilde w_i}{\partial z_i}=\tilde w_i(1-\tilde w_i)\frac{\partial\ln w_i}{\partial z_i}.$$
#
# Put it in, and $\tilde w_i-\tilde w_i(1-\tilde w_i)=\tilde w_i^2$ is left. This **doubly reparametrized gradient** has
# the same mean as the first line, and no score in it:
#
# $$\sum_i\tilde w_i^2\,\frac{\partial\ln w_i}{\partial z_i}\,\frac{\partial z_i}{\partial\phi}.$$

# %% [markdown]
# All three, where every derivative is one line: $z\sim\mathcal N(\theta,1)$, $x\mid z\sim\mathcal N(z,1)$, $q=\mathcal
# N(x/2+\phi,\tfrac23)$. For $x=1$ the best values are $\theta=1$ and $\phi=\frac12$; we stand at $\theta=0$,
# $\phi=0.4$.
#
# **Predict:** at $k=256$, which of the two gradients, the decoder's by $\theta$ or the encoder's by $\phi$, can still
# be told from noise?

# %%
s = np.sqrt(2 / 3)
noise = np.random.default_rng(2).normal(size=2**21)
drawn_z = 0.5 + 0.4 + s * noise  # x = 1, theta = 0
toy_log_w = norm.logpdf(drawn_z) + norm.logpdf(1.0, drawn_z)
toy_log_w -= norm.logpdf(noise) - np.log(s)
of_theta = drawn_z  # d ln w / d theta = z - theta
of_phi = -drawn_z + (1 - drawn_z)  # both ways; along them ln q is constant
of_z = of_phi + noise / s  # ∂ ln w / ∂ z, q held fixed

# %%
ks = 2 ** np.arange(0, 9)
signal = {"decoder": [], "encoder": [], "encoder, doubly reparametrized": []}
for k in ks:
    grouped = toy_log_w.reshape(-1, k)
    w = np.exp(grouped - logsumexp(grouped, axis=1, keepdims=True))
    terms = w * of_theta.reshape(-1, k), w * of_phi.reshape(-1, k)
    terms = *terms, w**2 * of_z.reshape(-1, k)
    for values, term in zip(signal.values(), terms, strict=True):
        estimates = term.sum(axis=1)
        values.append(abs(estimates.mean()) / estimates.std())
for name, values in signal.items():
    print(f"{name:31} k = 1: {values[0]:.2f}   k = 256: {values[-1]:.3f}")

# %% alt="Signal-to-noise ratio against the number of samples k from 1 to 256, both axes logarithmic. The decoder's, in red, rises in a straight line from about 1 to about 10. The encoder's, in blue, with error bars that grow to the right, falls from one half to a few hundredths. The doubly reparametrized encoder gradient, dashed blue, rises even above the decoder's." caption="Signal-to-noise ratio of one gradient estimate. Below the dotted line the noise is larger than the signal. Bars are 2 standard errors over the draws. At these $\\theta$ and $\\phi$; elsewhere the lines lie higher or lower, with the same slopes in the end."
fig, ax = plt.subplots(figsize=(6.4, 3))
looks = [(RED, "o-"), (BLUE, "s-"), (BLUE, "^--")]
toy_errors = np.sqrt(ks / len(noise))
for (name, values), (colour, look) in zip(signal.items(), looks, strict=True):
    ax.errorbar(ks, values, 2 * toy_errors, fmt=look, color=colour, label=name)
ax.axhline(1, color=GREY, ls=":", lw=1)
ax.set(xscale="log", yscale="log", xlabel="samples $k$")
ax.set_ylabel("signal-to-noise ratio")
legend = ax.legend(fontsize=9)

# %% [markdown]
# **Answer.** The decoder's gradient can be told from noise, the encoder's cannot: at $k=256$ its signal is a small part
# of its noise. The tighter bound teaches the decoder more and the encoder less.
#
# The doubly reparametrized gradient mends it: its signal-to-noise ratio rises, because the term with the large scatter
# is gone.

# %% [markdown]
# ## 5b.3 Training on the tighter bound
#
# Does the choice of the bound matter when a model is trained? We need one function that trains any model on any loss.
# The data are digits of 14 × 14 binary pixels.


# %%
def shrink(part):
    halves = part.images.reshape(-1, 14, 2, 14, 2)
    return (halves.mean((2, 4)) > 0.5).astype(np.float32).reshape(-1, 196)


digits = data.mnist_5k()
train, test = shrink(digits.train), shrink(digits.test)
print(f"{len(train)} images to train, {len(test)} to test")

# %% [markdown]
# Each step of Adam takes 100 images, and a $\beta$ and a $\lambda$ of which section 5b.4 makes use. With $\beta=1$ and
# $\lambda=0$ they change nothing.


# %%
@partial(jax.jit, static_argnums=(0, 2))
def adam_steps(graph, state, loss, x, betas, free_nats, seed):
    adam, (start, rest) = cosine_adam(4e-3, len(betas)), state

    def step(carry, inputs):
        (params, moments), (beta, key) = carry, inputs
        row_key, key = jax.random.split(key)
        batch = x[jax.random.randint(row_key, (100,), 0, len(x))]

        def batch_loss(params):
            model = nnx.merge(graph, params, rest)
            return loss(model, batch, key, beta, free_nats)

        updates, moments = adam.update(jax.grad(batch_loss)(params), moments)
        return (optax.apply_updates(params, updates), moments), None

    keys = jax.random.split(jax.random.key(seed), len(betas))
    return jax.lax.scan(step, (start, adam.init(start)), (betas, keys))[0][0]


# %%
always_1 = np.ones(600, np.float32)  # a β for each of 600 steps


def trained(model, loss, x, betas=always_1, free_nats=0.0, seed=0):
    """A trained copy of the model; the seed chooses batches and noise."""
    graph, *state = nnx.split(model, nnx.Param, ...)
    pure = nnx.as_pure(state)
    params = adam_steps(graph, pure, loss, x, betas, free_nats, seed)
    return nnx.merge(graph, params, state[1])


# %%
SEEDS = range(3)


def fresh(seed):
    return Vae(196, [100], 10, rngs=nnx.Rngs(seed))


# %% [markdown]
# The loss with importance weights is one line. The other is $-\mathcal L$, the ELBO's, with the two knobs.


# %% library="course_lib.vae.losses:negative_iwae"
def negative_iwae(model, batch, key, num_samples):
    return -model.iwae(key, batch, num_samples).mean()


# %% library="course_lib.vae.losses:regularized_loss"
def regularized_loss(model, batch, key, beta=1.0, free_nats=0.0):
    mean, log_sigma = model.encode(batch)
    z = reparameterize(key, mean, log_sigma)
    kl = kl_standard_normal(mean, log_sigma).mean(axis=0)
    return -model.log_likelihood(batch, z).mean() + (
        beta * jnp.maximum(kl, free_nats).sum()
    )


# %% [markdown]
# What we report: the **rate** $R=\mathbb E\,\mathrm{KL}(q\,\|\,p(z))$, the **distortion** $D=-\mathbb E\ln p(x\mid
# z)$, the ELBO $-R-D$, and $\mathcal L_{50}$, a closer bound on $\ln p(x)$. Two ways to count the latents that are
# used wait for section 5b.4.


# %%
@nnx.jit
def measure(model, x):
    log_p_xz, kl = model.elbo_terms(jax.random.key(1), x)
    l_50 = model.iwae(jax.random.key(2), x, 50)
    used = (kl_per_latent(model, x) > 0.1).sum()
    active = active_units(model, x).sum()
    elbo = log_p_xz - kl
    return jnp.stack(
        [kl.mean(), -log_p_xz.mean(), elbo.mean(), l_50.mean(), active, used]
    )


# %%
def measured(models):
    """One row a model: R, D, ELBO, L_50, active units, latents > 0.1."""
    return np.array([measure(model, test) for model in models], float)


# %%
def report(groups):
    """One line a group of models that differ in their seeds alone."""
    print(f"{'':19} rate R    D           ELBO          L_50", end="")
    print("   active  > 0.1 nats")
    for name, values in groups.items():
        means, errors = mean_and_error(values)
        r, d, elbo, l_50, active, used = means
        print(
            f"{name:19} {r:6.2f} {d:6.2f}  {elbo:.2f} ± {errors[2]:.2f}",
            end="",
        )
        print(f"  {l_50:.2f} ± {errors[3]:.2f}  {active:4.1f}  {used:4.1f}")


# %%
def compare(name, ones, others, column):
    """Paired by seed: the same first weights and the same batches."""
    mean, error = mean_and_error(ones[:, column] - others[:, column])
    print(f"{name}: {mean:+.2f} ± {error:.2f} (seeds)")


# %% [markdown]
# Two trainings of the same model, three seeds each: one on $\mathcal L_1$, one on $\mathcal L_8$. They have the same
# number of steps; a step on $\mathcal L_8$ costs eight passes through the decoder.
#
# **Predict:** which model has the higher ELBO, the one trained on $\mathcal L_1$ or on $\mathcal L_8$? And which the
# higher $\mathcal L_{50}$?


# %%
def iwae_8(model, batch, key, beta, free_nats):
    return negative_iwae(model, batch, key, 8)


by_elbo = [trained(fresh(s), regularized_loss, train, seed=s) for s in SEEDS]
by_iwae = [trained(fresh(s), iwae_8, train, seed=s) for s in SEEDS]
elbo_values, iwae_values = measured(by_elbo), measured(by_iwae)
report({"trained on the ELBO": elbo_values, "trained on L_8": iwae_values})
compare("L_8 minus ELBO, in the ELBO ", iwae_values, elbo_values, 2)
compare("L_8 minus ELBO, in the L_50", iwae_values, elbo_values, 3)

# %% [markdown]
# **Answer.** Each training wins by its own measure: training on $\mathcal L_1$ gives the higher ELBO, training on
# $\mathcal L_8$ the higher $\mathcal L_{50}$. But $\mathcal L_{50}$ is a bound, too. How much is missing?


# %%
def closer(model, k):
    return model.iwae(jax.random.key(3), test[:200], k)


gauge = nnx.jit(closer, static_argnums=1)
for name, model in {"ELBO": by_elbo[0], "L_8": by_iwae[0]}.items():
    rise, error = mean_and_error(gauge(model, 1000) - gauge(model, 50))
    print(f"trained on {name:4}: L_1000 - L_50 =", end=" ")
    print(f"{rise:.2f} ± {error:.2f} (images)")

# %% [markdown]
# Twenty times as many samples add far less than what separates the models: the ranking by $\ln p(x)$ stands.
#
# A likely reason for the disagreement: $\mathcal L_8$ forgives a $q$ that hits once in eight draws. It urges the decoder
# less than the ELBO does to have posteriors that a Gaussian fits.

# %% [markdown] tags=["quiz"]
# **$\mathcal L_{1000}$ of model A is $-35.0$, the ELBO of model B is $-34.8$, both on the same images. Which model has
# the higher $\ln p(x)$?**
#
# - [ ] Model A: more samples make a more reliable number. :: More samples make its gap smaller. Small or not, the gap
#   has a sign: A's $\ln p(x)$ is $-35.0$ or more, and that alone decides nothing.
# - [x] That is not known. :: Right: both numbers are lower bounds. If A's gap at $k=1000$ exceeds B's by more than
#   $0.2$, A is better. Compare the same bound on both.
# - [ ] Model B, for its bound is higher. :: It is a bound on B's own $\ln p(x)$. It says nothing of what A's is.

# %% [markdown] tags=["quiz"]
# **For a certain $q$ the posterior is exact: $q(z\mid x)=p(z\mid x)$. What do more samples bring?**
#
# - [ ] The gap falls like $1/k$, as for any $q$. :: It would, but it is $0/2k$: the variance of the weights is zero.
# - [x] Nothing: every weight equals $p(x)$. :: Right: $p(x,z)/p(z\mid x)=p(x)$ whatever $z$ is, and Jensen's gap is 0
#   already for one sample.
# - [ ] A bound above $\ln p(x)$. :: $\mathcal L_k\le\ln p(x)$ for every $q$ and $k$, with equality here.

# %% [markdown] tags=["quiz"]
# **Why does the signal-to-noise ratio of the encoder's gradient fall with $k$, although an average of $k$ terms has
# less noise?**
#
# - [ ] Because the weights of most samples are nearly 0. :: That happens for a bad $q$, and it hurts the decoder as
#   well. The fall comes for a good $q$, too.
# - [ ] Because the bound is tighter and its value larger. :: The value of a function says nothing about its slope.
# - [x] Because the signal falls faster: like $1/k$, the noise only like $1/\sqrt k$. :: Right: in the limit the bound
#   no longer depends on the encoder, so there is no slope left to find.

# %% [markdown] tags=["derivation"]
# ## 5b.4 A code that nobody reads
#
# A good bound is no proof of a good code. The rate is a price, and a model may find it cheapest to pay nothing and to
# leave the latents unused. Whoever wants the code, to search images or to change them, then has nothing.
#
# If the decoder can do without $z$, the cheapest encoder is $q(z\mid x)=p(z)$: rate 0. This is **posterior collapse**.
# Two ways to see it:
#
# - the KL of each latent, $\mathrm{KL}_j=\mathbb E_x\,\mathrm{KL}(q(z_j\mid x)\,\|\,p(z_j))$;
# - the **active units**: latents whose mean moves with $x$, $\mathrm{Var}_x\,\mathbb E[z_j\mid x]>0.01$ (Burda et al.,
#   2015). This count is lenient: a mean with the variance $0.01$ costs about $\frac12\cdot0.01$ nats and says
#   about as little. We also count the latents with more than 0.1 nats.
#
# Three changes of the loss are in use against it. With $\mathrm{KL}_j$ the mean over the batch,
#
# $$\text{loss}=-\mathbb E\ln p(x\mid z)+\beta\sum_j\max(\lambda,\mathrm{KL}_j).$$
#
# **β** weighs the rate: a $\beta>1$ furthers collapse, a $\beta<1$ hinders it. **KL annealing** lets $\beta$ rise from
# 0 to 1 during the training: first the code is free, then it is paid. **Free bits** ($\lambda>0$): below $\lambda$ nats
# a latent pays the same, whether it speaks or not. So it may as well speak.


# %% [markdown]
# ### What goes wrong: a decoder that needs no code
#
# Let the decoder also see the pixels before the present one, with one weight for each pair, as the network of
# section 2.5 does: $a_i(z)+\sum_{j<i}x_jU_{ji}$ is the logit of pixel $i$. (Training on the true predecessors is called
# **teacher forcing**.)


# %%
class SeesPixels(Vae):
    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        self.before = nnx.Param(jnp.zeros((196, 196)))

    def log_likelihood(self, x, z):
        earlier = x @ jnp.triu(self.before[...], 1)
        logits = self.decode(z) + earlier
        return bernoulli_log_prob(x, logits).sum(axis=-1)


def strong(seed):
    return SeesPixels(196, [100], 10, rngs=nnx.Rngs(seed))


# %% [markdown]
# To know what $z$ is worth we need the same decoder with $z$ deleted: a constant in its place, trained for two rounds
# of 600 steps. Its $\ln p(x)$ is exact. Then we provoke the collapse with one round at $\beta=2$.


# %%
def without_code(model, batch, key, beta, free_nats):
    nothing = jnp.ones((len(batch), 10))
    return -model.log_likelihood(batch, nothing).mean()


def twice(seed):
    once = trained(strong(seed), without_code, train, seed=seed)
    return trained(once, without_code, train, seed=seed + 10)


# %%
yardstick = [twice(seed) for seed in SEEDS]
exactly = nnx.jit(lambda model: -without_code(model, test, None, 1, 0))
value, error = mean_and_error([float(exactly(m)) for m in yardstick])
print(f"z deleted, two rounds: ln p(x) = {value:.2f} ± {error:.3f} (seeds)")

# %%
two = 2 * always_1
collapsed = [
    trained(strong(s), regularized_loss, train, two, seed=s) for s in SEEDS
]
report({"collapsed, β = 2": measured(collapsed)})

# %% [markdown]
# Two rounds: this was the first. The second one starts from the collapsed models in three ways, with the same number of
# steps, the same rates of Adam, the same seeds.
#
# **Predict:** will a round at $\beta=1$ wake the code? Order the three second rounds, $\beta=1$, annealed from 0 to 1,
# and free bits with $\lambda=\frac12$, by their rate. Will the bounds differ as much?

# %%
rising = np.minimum(1, np.arange(600) / 300).astype(np.float32)
ways = {
    "then β = 1": (always_1, 0.0),
    "then annealed": (rising, 0.0),
    "then free bits": (always_1, 0.5),
}

# %%
second = {"collapsed, β = 2": collapsed}
for name, knobs in ways.items():
    second[name] = [
        trained(model, regularized_loss, train, *knobs, seed=seed + 10)
        for seed, model in zip(SEEDS, collapsed, strict=True)
    ]
second_values = {name: measured(models) for name, models in second.items()}
report(second_values)

# %%
_, plain, annealed, free = second_values.values()
for column, name in {2: "ELBO", 3: "L_50"}.items():
    compare(f"annealed minus β = 1, {name:5}", annealed, plain, column)
    compare(f"free bits minus β = 1, {name:5}", free, plain, column)

# %% alt="Four panels with the KL of each of ten latents, sorted, as green dots on a logarithmic axis. Collapsed, beta 2: all dots lie near a hundredth of a nat. Then beta 1: two lie at a tenth, the others below, down to two hundredths. Then annealed: nine lie between 0.3 and 0.7, one below a tenth. Then free bits: all lie on the dashed line at half a nat or just above it." caption="KL of each latent, sorted, for the models of seed 0; note the logarithmic scale. Dotted, 0.1 nats; dashed, the $\\lambda=\\frac12$ of the free bits."
fig, axes = plt.subplots(1, 4, figsize=(9, 2.6), sharey=True)
for ax, (name, models) in zip(axes, second.items(), strict=True):
    costs = np.sort(kl_per_latent(models[0], test))[::-1]
    ax.semilogy(np.arange(1, 11), costs, "o", color=GREEN)
    ax.axhline(0.1, color=GREY, ls=":", lw=1)
    ax.set(title=name, xlabel="latent, sorted", xticks=[1, 5, 10])
axes[3].axhline(0.5, color=INK, ls="--", lw=1)
label = axes[0].set_ylabel("KL [nats]")

# %% [markdown]
# **Answer.** A round at $\beta=1$ hardly wakes the code: its rate stays below one nat. Annealing and free bits bring
# it up several-fold. The bounds differ too, but by far less than the rates do.

# %% [markdown] tags=["derivation"]
# **Why is collapse a trap?** Where the decoder ignores $z_j$, the distortion has no slope by the encoder's output, and
# the KL alone moves it: towards the prior. Where $q(z_j\mid x)$ is the prior, $z_j$ is mere noise to the decoder, and
# in the mean no weight that reads it is rewarded. Each waits for the other. Only a small dependence of both at once
# gains anything, and its gain must first exceed its price. Annealing takes the price away for a while; free bits take
# it away for the first $\lambda$ nats.
#
# **Which count to trust?** After the round at $\beta=1$ the lenient count calls nearly all latents active, while two
# have more than 0.1 nats. Read the KLs themselves.
#
# **Is a collapsed model a bad one?** After the second round at $\beta=1$ its ELBO, −35.10, is that of the yardstick,
# −35.09: by this measure the model would lose nothing with its code. Both rescued models are better than the
# yardstick by their bounds already. So here the collapse was a failure of the training. Where a decoder is so strong
# that the yardstick wins, the collapse is the right answer, and a code must be asked for in another way.

# %% [markdown]
# Between the three second rounds the ELBO moves little, while the rate is several times larger in one than in another.
# **The bound does not say whether the code is used.** Look at the KL of the latents.

# %% [markdown] tags=["derivation"]
# ## 5b.5 Rate against distortion
#
# Chapter 5 left the weights of rate and distortion at 1 and 1. Somebody who needs sharp reconstructions, or a short
# code, would set them otherwise. What does that cost, and what is it still a bound of?
#
# With $\beta$ the loss is $D+\beta R$: a Lagrangian. Each $\beta$ picks the point on the curve of the best reachable
# pairs $(R,D)$ whose slope is $dD/dR=-\beta$ (Alemi et al., 2018). The point $\beta=1$ minimises $R+D=-\mathcal L$.
#
# **Which losses are bounds?** $R+D\ge-\ln p(x)$ holds for every encoder and decoder. As $R\ge0$, the loss $D+\beta R$
# is an upper bound on $-\ln p(x)$ for every $\beta\ge1$, the tightest at $\beta=1$. For $\beta<1$ nothing is
# guaranteed.
#
# **The rate has two parts** (Hoffman and Johnson, 2016). With the **aggregate posterior** $q(z)=\mathbb E_x\,q(z\mid
# x)$,
#
# $$R=\underbrace{\mathbb E\,\ln\frac{q(z\mid x)}{q(z)}}_{\text{mutual information of }x\text{ and }z}
# +\underbrace{\mathrm{KL}(q(z)\,\|\,p(z))}_{\text{codes that the prior does not draw}} .$$
#
# The first is what the code says. The second is why samples fail: the decoder has learned on $q(z)$, and samples come
# from $p(z)$.

# %% [markdown] tags=["derivation"]
# **How far can the two parts be measured?** From $n$ images we know $q(z)$ only as the mixture of their $n$ posteriors.
# With it the information comes out as at most $\ln n$, for no code can say more than which of $n$ images it was. (In
# the mean it is at most the true one.) What is missing there is booked as a KL. So a rate far above $\ln n$ cannot be
# split by this formula.
#
# The KL has a lower bound of its own. Let $m$ be the Gaussian with the mean $\mu$ and the covariance $C$ of $q(z)$.
# Because $\ln m-\ln p$ is quadratic, its mean under $q(z)$ is that under $m$:
#
# $$\mathrm{KL}(q(z)\,\|\,p)=\mathrm{KL}(q(z)\,\|\,m)+\mathrm{KL}(m\,\|\,p)\;\ge\;\mathrm{KL}(m\,\|\,p)
# =\tfrac12\bigl[\operatorname{tr}C+\mu^{\mathsf T}\mu-\ln\det C-\dim z\bigr].$$
#
# Two lower bounds, and a rest that may be either.


# %%
def least_mismatch(model, x):
    """KL(m || p) for the Gaussian m with the moments of q(z)."""
    means, log_sigma = model.encode(x)
    centre = means.mean(axis=0)
    within = jnp.diag(jnp.exp(2 * log_sigma).mean(axis=0))
    total = jnp.cov(means.T, bias=True) + within
    quadratic = jnp.trace(total) + centre @ centre - len(centre)
    return 0.5 * (quadratic - jnp.linalg.slogdet(total)[1])


# %%
@nnx.jit
def split(model, x):
    """The two lower bounds: information, and KL(q(z) || p(z))."""
    information, _ = rate_parts(jax.random.key(4), model, x)
    return jnp.stack([information, least_mismatch(model, x)])


# %% [markdown]
# Seven values of $\beta$ from $\frac1{16}$ to $4$, three seeds each; those of $\beta=1$ are trained already. With 600
# images, $\ln600\approx6.4$.
#
# **Predict:** which $\beta$ gives the best reconstructions, that is the least $D$? Which the best model, by
# $\mathcal L_{50}$?

# %%
betas = 2.0 ** np.arange(-4, 3)
names = ["1/16", "1/8", "1/4", "1/2", "1", "2", "4"]
sweep = {
    name: [
        trained(fresh(s), regularized_loss, train, beta * always_1, seed=s)
        for s in SEEDS
    ]
    for name, beta in zip(names, betas.astype(np.float32), strict=True)
    if name != "1"
} | {"1": by_elbo}
swept = {name: measured(sweep[name]) for name in names}
report({f"β = {name}": values for name, values in swept.items()})
compare("β = 1 minus 1/2, ELBO ", swept["1"], swept["1/2"], 2)
compare("β = 1 minus 1/2, L_50", swept["1"], swept["1/2"], 3)

# %%
rate, distortion = np.array([swept[name][0, :2] for name in names]).T
parts = np.array([split(sweep[name][0], test) for name in names])
print(f"information is at most ln {len(test)} = {np.log(len(test)):.2f} nats")
print("   β   rate  information ≥  KL(q(z)||p(z)) ≥   either")
for name, r, (info, away) in zip(names, rate, parts, strict=True):
    print(f"{name:>4}{r:7.2f}{info:15.2f}", end="")
    print(f"{away:19.2f}{r - info - away:9.2f}")

# %% tags=["cover"] alt="Left, distortion against rate for seven trained models, a falling convex curve; the dashed line of the least R plus D touches it at beta equal 1. Right, a bar for each beta: the certain information in green rises to 6.4 nats as beta falls and stays there; the certain KL in orange is visible from beta one quarter down; the grey rest, either of the two, makes up most of the bar at small beta." caption="Left, rate and distortion of one model for each $\\beta$ (the number at the dot); along the dashed line $R+D$ is constant. Right, how the rate divides: at least so much information, at least so much $\\mathrm{KL}(q(z)\\,\\|\\,p(z))$, and a rest that 600 images cannot divide."
fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2))
left.plot(rate, distortion, "o-", color=INK)
for name, r, d in zip(names, rate, distortion, strict=True):
    left.annotate(name, (r + 0.4, d + 1.2), fontsize=9)
line = np.array([0, 1.1 * rate.max()])
least = (rate + distortion).min()
left.plot(line, least - line, color=GREY, ls="--", lw=1, label="least $R+D$")
left.legend(loc="lower left", fontsize=9)
left.set(xlabel="rate $R$ [nats]", ylabel="distortion $D$ [nats]")
left.set(ylim=(0, 1.2 * distortion.max()))
info, away = parts.T
right.bar(names, info, color=GREEN, label="information")
right.bar(names, away, bottom=info, color=ORANGE, label="KL$(q(z)\\|p(z))$")
rest = rate - info - away
right.bar(names, rest, bottom=info + away, color=LIGHT, label="either")
right.set(xlabel=r"$\beta$", ylabel="rate [nats]")
legend = right.legend(fontsize=9)

# %% [markdown]
# **Answer.** The least $\beta$ gives the best reconstructions: each halving lowers $D$. The best model by
# $\mathcal L_{50}$ is that of $\beta=1$ or of $\frac12$: three seeds do not decide. The ELBO is highest at $\beta=1$.
#
# A small $\beta$ buys its reconstructions with a large rate, of which some nats at least go to codes that the prior
# does not draw.

# %% [markdown]
# **Predict, then move:** at which $\beta$ does the first latent fall silent? Where do draws from the prior look like
# digits, and where like nothing but an average?

# %% caption="One trained model for each step of the slider; nothing is interpolated. Left, the KL of each latent, sorted; then the place on the curve of rate and distortion; sixteen test digits rebuilt from their codes; sixteen draws from the prior, decoded."
codes = np.random.default_rng(4).normal(size=(16, 10)).astype(np.float32)
one_of_each = [sweep[name][0] for name in names]


@nnx.jit
def pictures(model):
    return model.reconstruct(test[:16]), model.decode_mean(codes)


shown = zip(*map(pictures, one_of_each), strict=True)
rebuilt, drawn = (np.stack(rows).reshape(-1, 16, 14, 14) for rows in shown)
kl = np.stack([np.sort(kl_per_latent(m, test))[::-1] for m in one_of_each])
beta_models_explorer(range(-4, 3), kl, rate, distortion, rebuilt, drawn)

# %% [markdown] tags=["answer"]
# The first latent falls silent between $\beta=\frac12$ and $1$: at $\frac12$ all ten have more than 0.1 nats in every
# seed, at 1 no longer (last column of the first table). At $\beta=4$ hardly one is left, and the decoder has little to
# tell digits apart by: reconstructions and draws all resemble an average digit. At the other end the reconstructions
# are sharp, and the draws from the prior are broken strokes, some on a speckled ground, for the prior does not draw
# codes like those of images. The draws that look most like digits lie around $\beta=1$. That is a judgement by eye, of
# sixteen draws a model.

# %% [markdown] tags=["quiz"]
# **Is $D+2R$ an upper bound on $-\ln p(x)$?**
#
# - [ ] No, only $D+R$ is. :: $R\ge0$, so adding one more $R$ can only raise it.
# - [x] Yes, but a looser one than $D+R$. :: Right: $D+2R\ge D+R\ge-\ln p(x)$.
# - [ ] It depends on the decoder. :: The inequality holds for every decoder, since a KL is never negative.

# %% [markdown] tags=["quiz"]
# **A model with a strong decoder has the ELBO $-34.1$ and the rate 0. What is its $\ln p(x)$?**
#
# - [x] $-34.1$, exactly. :: Right: at rate 0 $q(z\mid x)$ is the prior. If the decoder ignores $z$, every weight is
#   $p(x)$, and there is no gap.
# - [ ] More than $-34.1$, for the ELBO always has a gap. :: The gap is the KL from $q$ to the posterior. If $z$ says
#   nothing of $x$, the posterior is the prior, and so is $q$.
# - [ ] It cannot be known without importance samples. :: It can: all weights are equal, so one sample is enough.

# %% [markdown] tags=["quiz"]
# **On a thousand images a rate of $20$ nats splits into $6.9$ nats of information and $13.1$ nats of
# $\mathrm{KL}(q(z)\,\|\,p(z))$. What may be concluded?**
#
# - [ ] About two thirds of the code are wasted on codes that the prior does not draw. :: $\ln1000\approx6.9$: the
#   information has reached the most that a thousand images can show. The rest may be information as well.
# - [ ] The true information is $6.9$ nats. :: It is at least about that. With more images the estimate would rise.
# - [x] The information is at least about $6.9$ nats; how the rest divides is open. :: Right: the estimate is capped at
#   $\ln n$.

# %% [markdown] tags=["derivation"]
# ## 5b.6 Which likelihood for grey pixels?
#
# All pixels so far were black or white. For grey ones many programs take the squared error as reconstruction loss. That
# is a Gaussian with a $\sigma$ that nobody chose, and it can silence the code.
#
# With a Gaussian $p(x\mid z)$ of fixed $\sigma$ the loss is $\frac1{2\sigma^2}\lVert x-f(z)\rVert^2+R$ and a constant.
# Multiplied by $2\sigma^2$: the squared error plus $2\sigma^2R$. So $\sigma^2$ acts as a $\beta$, and for pixels
# between 0 and 1 a careless $\sigma=1$ is a large one. The repair is to **learn** $\sigma$: its optimum is the root
# mean squared error.
#
# But grey levels are not real numbers: 8 × 8 digits have 17 levels $0,\frac1{16},\dots,1$. A density times the width
# $\frac1{16}$ of a level is about the probability of the level. Nothing makes the 17 products add up to 1.
#
# A **discretized** likelihood has no such question: it gives a level the mass of its interval, and the outermost levels
# all that lies beyond. For the logistic of section 2b.7, with $v=2x-1$, mean $m$, scale $s$ and
# $F(t)=1/(1+e^{-t})$,
#
# $$P(x)=F\!\left(\frac{v+\frac1{16}-m}{s}\right)-F\!\left(\frac{v-\frac1{16}-m}{s}\right),\qquad
# F(\dots)\to1\text{ at }x=1,\quad F(\dots)\to0\text{ at }x=0 .$$

# %%
levels = np.arange(17) / 16
for width in (1.0, 0.146, 0.01):
    at_edge = norm.pdf(levels, 0.0, width).sum() / 16
    inside = norm.pdf(levels, 0.5, width).sum() / 16
    print(f"σ = {width:<5}  17 products add up to ", end="")
    print(f"{at_edge:.2f} (mean at 0), {inside:.2f} (mean at 1/2)")

# %% [markdown]
# A wide Gaussian wastes mass beyond the levels, and a white pixel always loses half of it. A narrow one counts more
# than there is: its bits would be too few. What must a model beat? Pixels that are independent, each with its own
# histogram from the training images.

# %%
small = data.digits_8x8()
grey, grey_test = (
    part.images.reshape(-1, 64) for part in (small.train, small.test)
)
counts = (np.round(16 * grey)[None] == np.arange(17)[:, None, None]).sum(1)
share = (counts + 1 / 17) / (len(grey) + 1)  # (17, 64), never 0
seen = share[np.round(16 * grey_test).astype(int), np.arange(64)]
print(f"17 equal levels    {np.log2(17):.2f} bits a pixel")
print(f"independent pixels {-np.log2(seen).mean():.2f} bits a pixel")

# %% [markdown]
# ### What goes wrong: σ = 1 for pixels between 0 and 1
#
# **Predict:** how many of eight latents will the Gaussian with $\sigma=1$ use? And what saves more bits: honest levels,
# or a scale for each pixel?

# %%
likelihoods = {
    "Gaussian, σ = 1": {"likelihood": Gaussian(1.0)},
    "Gaussian, σ learned": {"likelihood": Gaussian(), "scale": "common"},
    "logistic, one scale": {"likelihood": Logistic(17), "scale": "common"},
    "logistic, 64 scales": {
        "likelihood": Logistic(17),
        "scale": "of the pixel",
    },
}

# %%
longer = np.ones(1500, np.float32)
grey_models = {}
for name, options in likelihoods.items():
    model = Vae(64, [64], 8, rngs=nnx.Rngs(0), **options)
    grey_models[name] = trained(model, regularized_loss, grey, longer)

# %%
for name, model in grey_models.items():
    r, _, elbo, _, _, used = map(float, measure(model, grey_test))
    if name.startswith("Gaussian"):
        elbo -= 64 * np.log(16)  # the width of a level, for each pixel
    print(f"{name}  rate {r:5.2f}  {used:.0f} of 8 latents > 0.1", end="")
    print(f"  {-elbo / 64 / np.log(2):.2f} bits a pixel")

# %% [markdown]
# How much of the Gaussian's loss is due to the levels alone? We give the *same* trained model the mass of each level's
# interval in the place of its density.

# %%
gauss = grey_models["Gaussian, σ learned"]
learned = float(np.exp(gauss.decoder.log_scale[...]))


@nnx.jit
def redrawn(model, x):
    z, _ = model.draw(jax.random.key(5), *model.encode(x))
    return model.decode(z), kl_per_latent(model, x).sum()


centres, r = map(np.asarray, redrawn(gauss, grey_test))
upper = norm.cdf(grey_test + 1 / 32, centres, learned)
lower = norm.cdf(grey_test - 1 / 32, centres, learned)
mass = np.where(grey_test == 1, 1, upper) - np.where(grey_test == 0, 0, lower)
bits = (r - np.log(mass).sum(axis=1).mean()) / 64 / np.log(2)
print(f"Gaussian, σ learned, cut into levels: {bits:.2f} bits a pixel")

# %%
misses = grey - np.asarray(redrawn(gauss, grey)[0])
print(
    f"σ {learned:.3f}; root mean squared error {(misses**2).mean() ** 0.5:.3f}"
)

# %% alt="Four rows of ten small grey digits: test images; reconstructions with sigma 1, all the same blur; with learned sigma, clear digits; with the discretized logistic of one scale, clear digits." caption="Test digits and their reconstructions. With $\\sigma=1$ all are the mean digit; with a learned width they can be told apart."
rows = {"x": grey_test[:10]} | {
    name: nnx.jit(lambda m: m.reconstruct(grey_test[:10]))(model)
    for name, model in list(grey_models.items())[:3]
}
fig = image_rows(
    {name: np.reshape(row, (-1, 8, 8)) for name, row in rows.items()}
)

# %% [markdown]
# **Answer.** The Gaussian with $\sigma=1$ uses no latent, though nobody set a $\beta$. Learning one number wakes all
# eight. Honest levels save far more than a scale for each pixel: cutting the same Gaussian into levels saves about a
# bit, and a logistic trained on levels half a bit more; 64 scales save next to nothing (one seed).
#
# As a density even the learned Gaussian loses to independent pixels. The margins are always white, and there half of
# its mass lies below zero.

# %% [markdown] tags=["derivation"]
# ## 5b.7 A posterior that bends
#
# Why is there a gap at all? If we knew whose fault it is, we would know what to improve: the shape of $q$, or the
# network that computes it.
#
# For one model $p$ and one $x$, let $q^*$ be the best member of the family of $q$. Then
#
# $$\ln p(x)-\mathcal L(q_\phi)=\underbrace{\ln p(x)-\mathcal L(q^*)}_{\text{approximation gap}}
# +\underbrace{\mathcal L(q^*)-\mathcal L(q_\phi)}_{\text{amortization gap}}.$$
#
# The first is the family's fault: no diagonal Gaussian fits. The second is the encoder's. **Amortization** means that
# one network answers for all $x$, so that the work of finding $q$ is shared; it misses the best one for this $x$
# (Cremer et al., 2018). To measure both we need the exact $\ln p(x)$. With **two** latents it is a sum over a fine
# grid.

# %%
plane = Vae(196, [100], 2, rngs=nnx.Rngs(1))
planar = trained(plane, regularized_loss, train)
axis = np.linspace(-4, 4, 81, dtype=np.float32)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
area = (axis[1] - axis[0]) ** 2
grid_logits = np.asarray(nnx.jit(lambda model: model.decode(grid))(planar))

# %%
images = test[:100]
log_joint = images @ grid_logits.T + norm.logpdf(grid).sum(axis=1)
log_joint -= np.logaddexp(0, grid_logits).sum(axis=1)
log_p = logsumexp(log_joint, axis=1) + np.log(area)
log_posterior = (log_joint - log_p[:, None]).astype(np.float32)
posterior = np.exp(log_posterior).reshape(-1, 81, 81)
print(f"exact ln p(x), mean of {len(images)} images: {log_p.mean():.2f}")
print(f"posterior at the rim: {area * posterior[:, 0].sum():.1e}")

# %% [markdown]
# The gap is $\mathrm{KL}(q\,\|\,p(z\mid x))$, on the grid again. For $q^*$ we descend along it for *each image alone*:
# over the mean and $\ln\sigma$ (a diagonal Gaussian), and once more with a tilt,
# $z_2=m_2+c\,(z_1-m_1)+\sigma_2\varepsilon_2$.


# %%
def log_gaussian(q):
    """ln q at each point of the grid, for each image's mean, ln σ, tilt."""
    centre, log_width, tilt = q
    d = grid - centre[:, None]
    d = d.at[..., 1].add(-tilt * d[..., 0])
    return normal_log_prob(d, 0.0, log_width[:, None]).sum(axis=-1)


def gap_on_grid(q):
    log_q = log_gaussian(q)
    return area * (jnp.exp(log_q) * (log_q - log_posterior)).sum(axis=1)


@jax.jit
def best_gaussian(q, may_tilt):
    adam = optax.adam(0.05)

    def step(carry, _):
        slopes = jax.grad(lambda q: gap_on_grid(q).sum())(carry[0])
        slopes = *slopes[:2], may_tilt * slopes[2]
        updates, moments = adam.update(slopes, carry[1])
        return (optax.apply_updates(carry[0], updates), moments), None

    return jax.lax.scan(step, (q, adam.init(q)), None, length=80)[0][0]


# %%
encoded = nnx.jit(lambda model: model.encode(images))
start = *encoded(planar), jnp.zeros((len(images), 1))
upright = best_gaussian(start, 0.0)
tilted = best_gaussian(upright, 1.0)
gaps = {"encoder, trained with the decoder": gap_on_grid(start)}
gaps["best Gaussian for each x"] = gap_on_grid(upright)
gaps["best tilted Gaussian"] = gap_on_grid(tilted)
for name, each in gaps.items():
    print("{:34} {:.3f} ± {:.3f} (images)".format(name, *mean_and_error(each)))

# %% [markdown]
# So most of this encoder's gap is amortization, and of the small rest a tilt would take away the larger part. Can a
# better encoder close it? The decoder stays as it is, and three encoders are trained from scratch, with the same
# steps: one of the same size as a **control**, a larger one, and the larger one with a **flow posterior**.


# %%
def log_weights(model, key, x):
    """ln w of one draw of the model's q, under the fixed decoder."""
    z, log_q = model.draw(key, *model.encode(x))
    log_p_xz = planar.log_likelihood(x, z) + standard_normal_log_prob(z)
    return log_p_xz - log_q


def encoder_alone(model, batch, key, beta, free_nats):
    return -log_weights(model, key, batch).mean()


# %% [markdown]
# The draw of the Gaussian goes through four layers of an inverse autoregressive flow, which read $\mu(x)$ and
# $\ln\sigma(x)$ as context: $\ln q(z\mid x)=\ln\mathcal N(z_0;\mu,\sigma^2)-\ln|\det\mathrm Dg(z_0)|$.
#
# **Predict:** which gap can the larger encoder narrow, and which the flow? Which of the three comes below the best
# Gaussian for each $x$?


# %%
def flow(seed):
    rngs = nnx.Rngs(seed + 20)
    return IAF(2, 4, [32], num_context=4, rngs=rngs).bijection


def encoders(seed):
    wide = [200, 200]
    rngs = [nnx.Rngs(seed + 10) for _ in range(3)]
    return {
        "same size, trained again": Vae(196, [100], 2, rngs=rngs[0]),
        "larger encoder": Vae(196, wide, 2, rngs=rngs[1]),
        "larger, flow": Vae(196, wide, 2, flow=flow(seed), rngs=rngs[2]),
    }


# %%
new = {name: [] for name in encoders(0)}
for seed in SEEDS:
    for name, model in encoders(seed).items():
        new[name].append(trained(model, encoder_alone, train, seed=seed))

# %%
keys = jax.random.split(jax.random.key(6), 60)
many = nnx.jit(
    lambda model: jax.lax.map(
        lambda key: log_weights(model, key, images), keys
    )
)
by_seed = {
    name: np.stack([log_p - np.asarray(many(m)).mean(0) for m in models])
    for name, models in new.items()
}  # (seeds, images), from 60 draws each

# %%
both = "{:24} {:+.3f} ± {:.3f} (seeds) ± {:.3f} (images)"


def errors_of(d):
    return d.mean(), mean_and_error(d.mean(1))[1], mean_and_error(d.mean(0))[1]


for name, each in by_seed.items():
    print(both.format(name, *errors_of(each)))

# %%
control, larger, flowing = by_seed.values()
first = np.asarray(gaps["encoder, trained with the decoder"])
best = np.asarray(gaps["best Gaussian for each x"])
differences = {
    "control − old encoder": control - first,
    "larger − control": larger - control,
    "flow − larger": flowing - larger,
    "flow − best Gaussian": flowing - best,
}
for name, each in differences.items():
    print(both.format(name, *errors_of(each)))

# %% alt="Four panels of equal scale, one for each of four test images with a poorly fitting Gaussian: the exact posterior in the latent plane as grey contours, tilted or bent; the encoder's Gaussian as a blue ellipse, the best upright Gaussian as an orange one, which covers a part, the best tilted one as a dashed dark ellipse along the contours; purple dots of the flow posterior." caption="Four of the images that the best upright Gaussian fits worst; all panels have the same scale. Grey: contours of the exact posterior at 5, 30 and 80 % of its peak. Ellipses: 1.5 standard deviations. Dots: draws of the flow posterior (seed 0)."
worst = np.argsort(best)[[-1, -3, -6, -10]]
flow_model = new["larger, flow"][0]
draw_once = nnx.jit(
    lambda key: flow_model.draw(key, *flow_model.encode(images))
)
draws = np.asarray(jax.lax.map(lambda key: draw_once(key)[0], keys))
angle = np.linspace(0, 2 * np.pi, 60)
circle = 1.5 * np.stack([np.cos(angle), np.sin(angle)])
ellipses = {"encoder": (start, BLUE, "-")}
ellipses["best upright Gaussian"] = upright, ORANGE, "-"
ellipses["best tilted Gaussian"] = tilted, INK, "--"
fig, axes = plt.subplots(1, 4, figsize=(9.4, 2.9))
for ax, i in zip(axes, worst, strict=True):
    ax.plot([], color=GREY, lw=1, label="exact posterior")
    peaks = posterior[i].max() * np.array([0.05, 0.3, 0.8])
    ax.contour(axis, axis, posterior[i], peaks, colors=GREY, linewidths=1)
    ax.plot(*draws[:, i].T, ".", ms=3, color=PURPLE, label="flow, draws")
    for name, ((m, log_s, tilt), colour, look) in ellipses.items():
        one, other = circle * np.exp(log_s[i])[:, None]
        ring = m[i, 0] + one, m[i, 1] + other + tilt[i] * one
        ax.plot(*ring, look, color=colour, lw=1.5, label=name)
    x_mid, y_mid = np.asarray(tilted[0][i])
    ax.set(xlim=(x_mid - 1.5, x_mid + 1.5), ylim=(y_mid - 1.5, y_mid + 1.5))
    ax.set(xlabel="$z_1$", aspect="equal")
axes[0].set_ylabel("$z_2$")
handles = axes[0].get_legend_handles_labels()
legend = fig.legend(*handles, loc="outside upper center", ncols=5, fontsize=9)

# %% [markdown]
# **Answer.** The larger encoder can narrow the amortization gap alone, for its $q$ is still a diagonal Gaussian. A flow
# could narrow both. None of the three comes below the best Gaussian for each $x$.

# %% [markdown] tags=["derivation"]
# What the differences say. Training the same encoder again, with the decoder at rest, takes away 0.141 nats by itself,
# about as much as the larger size then does (0.118), perhaps because the first encoder had to follow a decoder that
# moved. Without this control we would have credited the size with both. The flow takes away a little more (0.056).
#
# Is the flow's share approximation gap? This table cannot say. The flow's gap is still larger than that of the best
# diagonal Gaussian, so all of the improvement may be amortization. What a richer family can do is seen at the tilted
# Gaussian, found for each image alone. In the picture the flow's dots fill some of the contours and only a part of
# others.
#
# For this model a better encoder gains more than a better family.

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - $\mathcal L_k\le\ln p(x)$ rises with $k$; for large $k$ its gap is $\mathrm{Var}(w/p(x))/2k$, if that is finite.
# - The signal-to-noise ratio of the encoder's gradient falls like $1/\sqrt k$; the doubly reparametrized gradient
#   mends it. Training on $\mathcal L_8$ gave a higher $\mathcal L_{50}$ and a lower ELBO than training on the ELBO.
# - Posterior collapse: $q(z\mid x)=p(z)$, rate 0. From a collapsed model a round at $\beta=1$ did not lead out,
#   annealing and free bits did. The ELBO hardly shows it: look at the KL of each latent. A model with $z$ deleted says
#   what the code is worth.
# - $\beta$ chooses a point on the curve of rate and distortion. $D+\beta R$ bounds $-\ln p(x)$ for every $\beta\ge1$,
#   most tightly at 1; for $\beta<1$ it need not.
# - The rate is mutual information plus $\mathrm{KL}(q(z)\,\|\,p(z))$. From $n$ images the first is seen up to $\ln n$
#   only.
# - A Gaussian's $\sigma^2$ acts as a $\beta$: learn it. Grey levels have a probability; a density times the width of a
#   level need not add up to 1.
# - Gap = approximation gap (the family) + amortization gap (the shared encoder). Here the second was the larger. A
#   control of the same size showed how much came from training again.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 5b.1 ★ — How many samples?
# At $k=64$ the gap of $\mathcal L_k$ is 0.2 nats, and $k=64$ is large already. Which $k$ makes it 0.025 nats?
#
# **Hint.** The gap falls like $1/k$.


# %% tags=["exercise"]
def samples_needed():
    ### BEGIN SOLUTION
    return 64 * 0.2 / 0.025
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.1") as check:
    check.close("k", samples_needed(), 2**9, hint="Eight times less gap.")

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 5b.2 ★ — What a set of images can show
# A code has a rate of 25 nats and is measured on $n$ images. How many images does it take at least before the estimate
# of section 5b.5 could book all 25 nats as information? Return $\log_{10}n$.
#
# **Hint.** The estimate is at most $\ln n$.


# %% tags=["exercise"]
def digits_of_n():
    ### BEGIN SOLUTION
    return 25 / np.log(10)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.2") as check:
    check.close(
        "the logarithm of n",
        digits_of_n(),
        np.log10(np.exp(25)),
        hint="ln n = 25.",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5b.3 ★ — The gradient of the tighter bound
# From `log_w` of shape `(k,)` and the gradients $\nabla\ln w_i$, `gradients` of shape `(k, n)`, compute the gradient of
# $\ln\frac1k\sum_iw_i$. The log-weights may be as low as $-1000$.
#
# **Hint.** It is a weighted mean of the rows of `gradients`; section 5b.2 gives the weights.
#
# **Hint.** Weights that are normalized after `exp` are a softmax of `log_w`, and a softmax does not underflow.


# %% tags=["exercise"]
def iwae_gradient(log_w, gradients):
    ### BEGIN SOLUTION
    return jax.nn.softmax(log_w) @ gradients
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.3") as check:
    some = jnp.array([[1.0, 2.0], [3.0, -2.0], [0.0, 1.0]])
    got = iwae_gradient(jnp.log(jnp.array([1.0, 3.0, 0.0])), some)
    check.close(
        "weights 1, 3 and 0",
        got,
        [2.5, -1.0],
        hint="Divide each weight by their sum.",
    )
    tiny = iwae_gradient(jnp.array([-1000.0, -1000.0, -1000.0]), some)
    check.close(
        "tiny weights",
        tiny,
        some.mean(axis=0),
        hint="Subtract the largest log-weight first.",
        rtol=1e-4,
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5b.4 ★ — Annealing in cycles
# Fu et al. (2019) anneal more than once. Each of the `cycles` equal parts of the training begins with $\beta=0$;
# $\beta$ rises evenly, reaches 1 after half of the part, and stays. Return $\beta$ for `step` $0,1,\dots$ of `steps`.
#
# **Hint.** A part has `steps / cycles` steps. How far into its part is a step? Python's `%` says it.
#
# **Hint.** Divide that by half of the part's length, and cut off above 1.


# %% tags=["exercise"]
def cyclical_beta(step, steps, cycles):
    ### BEGIN SOLUTION
    length = steps / cycles
    return jnp.minimum(1.0, (step % length) / (0.5 * length))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.4") as check:
    check.close(
        "start and middle of the rise",
        [cyclical_beta(s, 400, 1) for s in (0, 100)],
        [0.0, 0.5],
    )
    check.close(
        "it stays at 1", cyclical_beta(350, 400, 1), 1.0, hint="Not above 1."
    )
    check.close(
        "the second cycle",
        [cyclical_beta(s, 400, 2) for s in (199, 200, 250)],
        [1.0, 0.0, 0.5],
        hint="%",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5b.5 ★★ — The best σ
# A Gaussian likelihood with one $\sigma$ for all $n$ entries of `error` $=x-f(z)$ gives
# $-\ln p(x\mid z)=\sum\frac{e^2}{2\sigma^2}+\frac n2\ln(2\pi\sigma^2)$. Return the best $\sigma$.
#
# **Hint.** Differentiate by $t=\ln\sigma$: the first term is $\frac12e^{-2t}\sum e^2$, the second one $nt$ and a
# constant.
#
# **Hint.** $-\sum e^2/\sigma^2+n=0$.


# %% tags=["exercise"]
def best_sigma(error):
    ### BEGIN SOLUTION
    return jnp.sqrt(jnp.mean(jnp.square(error)))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.5") as check:
    sample = jnp.array([0.3, -0.5, 0.1, 0.7])
    check.close(
        "four errors",
        best_sigma(sample),
        float(np.sqrt((np.asarray(sample) ** 2).mean())),
    )
    found = best_sigma(sample)
    slope = found and jax.grad(
        lambda log_s: normal_log_prob(sample, 0.0, log_s).sum()
    )(jnp.log(found))
    check.close(
        "no slope there",
        slope,
        0.0,
        atol=1e-4,
        hint="Set the derivative by ln σ to zero.",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5b.6 ★ — Which latents are active?
# From the means $\mathbb E[z_j\mid x]$ of `n` images, an array of shape `(n, latents)`, return how many latents are
# active: variance over the images above 0.01.
#
# **Hint.** Take the variance along the images, axis 0, and count.


# %% tags=["exercise"]
def count_active(means):
    ### BEGIN SOLUTION
    return int((jnp.var(jnp.asarray(means), axis=0) > 0.01).sum())
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.6") as check:
    constant = np.stack(
        [np.full(6, 3.0), np.arange(6.0), 0.01 * np.arange(6.0)], axis=1
    )
    check.close(
        "a constant, a wide and a narrow one",
        count_active(constant),
        1,
        hint="The variance, not the mean.",
    )
    model = collapsed[0]
    check.close(
        "the collapsed model",
        count_active(model.encode(test)[0]),
        active_units(model, test).sum(),
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5b.7 ★★ — The two parts of the rate
# A latent with a few states: `q` of shape `(n, states)` holds $q(z\mid x_i)$, `prior` of shape `(states,)` holds
# $p(z)$; all entries are positive. Return mutual information and $\mathrm{KL}(q(z)\,\|\,p(z))$.
#
# **Hint.** First $q(z)$: the mean of `q` over the images.
#
# **Hint.** The information is the mean over images of $\sum_zq(z\mid x_i)\ln\frac{q(z\mid x_i)}{q(z)}$.


# %% tags=["exercise"]
def two_parts(q, prior):
    ### BEGIN SOLUTION
    aggregate = q.mean(axis=0)
    information = (q * jnp.log(q / aggregate)).sum(axis=1).mean()
    return information, (aggregate * jnp.log(aggregate / prior)).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.7") as check:
    table = jax.nn.softmax(
        2 * jax.random.normal(jax.random.key(8), (5, 3)), axis=1
    )
    prior = jnp.array([0.5, 0.3, 0.2])
    answer = two_parts(table, prior)
    rate_of_table = (table * jnp.log(table / prior)).sum(axis=1).mean()
    check.close(
        "together they are the rate",
        answer and sum(answer),
        rate_of_table,
        rtol=1e-4,
    )
    blind = two_parts(jnp.tile(prior, (4, 1)), prior)
    check.close(
        "a collapsed code says nothing",
        blind and blind[0],
        0.0,
        atol=1e-6,
        hint="q(z) is the mean over x.",
    )
    sharp = two_parts(
        jnp.array([[1 - 2e-7, 1e-7, 1e-7], [1e-7, 1 - 2e-7, 1e-7]]), prior
    )
    check.close(
        "two images told apart", sharp and sharp[0], np.log(2), rtol=1e-3
    )

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 5b.8 ★★★ — The price of a missing correlation
# The posterior of two latents is Gaussian with mean 0, variances 1 and the correlation $r$; $q$ is a Gaussian without
# correlation. Find, by hand, the variance $v$ (the same for both latents) for which $\mathrm{KL}(q\,\|\,p)$ is least,
# and the KL there: the approximation gap. Return the pair as functions of $r$. Is $v$ smaller or larger than 1?
#
# **Hint.** For two Gaussians of mean 0 with covariances $vI$ and $C$,
# $\mathrm{KL}=\frac12\bigl[\operatorname{tr}(C^{-1}vI)-2-\ln\det(vI)+\ln\det C\bigr]$.
#
# **Hint.** Both diagonal entries of $C^{-1}$ are $1/(1-r^2)$, and $\det C=1-r^2$.
#
# **Hint.** Set the derivative of $v/(1-r^2)-\ln v$ to zero.


# %% tags=["exercise"]
def best_uncorrelated(r):
    ### BEGIN SOLUTION
    return 1 - r**2, -0.5 * np.log(1 - r**2)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.8") as check:
    tight = np.array([[1.0, 0.8], [0.8, 1.0]])
    trials = np.linspace(0.05, 2, 1951)
    costs_of = trials * np.trace(np.linalg.inv(tight)) / 2 - 1
    costs_of += 0.5 * np.linalg.slogdet(tight)[1] - np.log(trials)
    yours = best_uncorrelated(0.8) or (None, None)
    found_v = trials[costs_of.argmin()]
    check.close("the variance, found by search", yours[0], found_v, rtol=1e-3)
    check.close("the gap there", yours[1], costs_of.min(), rtol=1e-4)
    none = best_uncorrelated(0.0) or (None, None)
    check.close("no correlation: no gap", none[1], 0.0)

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 5b.9 ★★ — A tighter bound with three bugs
# A colleague's $\mathcal L_k$ is sometimes above $\ln p(x)$, and it does not rise with $k$. Find the three bugs and
# write it right: one number for each image. (`model.draw` returns $z$ and $\ln q(z\mid x)$.)
#
# ```python
# def colleagues_bound(model, key, x, k):
#     mean, log_sigma = model.encode(x)
#     log_w = []
#     for _ in range(k):
#         z, log_q = model.draw(key, mean, log_sigma)
#         log_w.append(model.log_likelihood(x, z) - log_q)
#     return jnp.stack(log_w).mean(axis=0)
# ```
#
# **Hint.** Do the $k$ draws differ? Is $p(x,z)$ complete? Where does the average stand, inside the logarithm or
# outside?
#
# **Hint.** `jax.random.split(key, k)` gives one key for each draw; `standard_normal_log_prob(z)` is $\ln p(z)$.
#
# **Hint.** The logarithm of a mean of weights is `jax.nn.logsumexp(log_w, axis=0) - jnp.log(k)`.


# %% tags=["exercise"]
def mended_bound(model, key, x, k):
    ### BEGIN SOLUTION
    mean, log_sigma = model.encode(x)
    log_w = []
    for one_key in jax.random.split(key, k):
        z, log_q = model.draw(one_key, mean, log_sigma)
        log_p_xz = model.log_likelihood(x, z) + standard_normal_log_prob(z)
        log_w.append(log_p_xz - log_q)
    return jax.nn.logsumexp(jnp.stack(log_w), axis=0) - jnp.log(k)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.9") as check:
    tries = []
    for seed in range(20):
        answer = mended_bound(planar, jax.random.key(seed), images[:5], 50)
        tries.append(answer)
    shape = None if answer is None else answer.shape
    check.close("one number for each image", shape, (5,))
    if answer is not None:
        tries = np.stack(tries)
        slack = 5 * tries.std(axis=0) / 20**0.5 + 0.05
        gaps_50 = log_p[:5] - tries.mean(axis=0)
        where = "Above ln p(x), or too far below?"
    near = None if answer is None else np.abs(gaps_50) < slack
    check.true(
        "close to the exact ln p(x)", near, hint="" if near is None else where
    )

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 5b.10 ★★ — Wake the code
# Take the collapsed model of seed 0, `collapsed[0]`, and give it one round of 600 steps in a way of your own: any
# `betas` and any `free_nats` for `trained(...)`. The target on the test images: a rate of 8 nats or more, and an
# $\mathcal L_{50}$ not below that of the round at $\beta=1$, `second["then β = 1"][0]`. Return the model.
#
# **Hint.** `measure(model, test)` gives $R$, $D$, the ELBO and $\mathcal L_{50}$ first. What did annealing do in
# section 5b.4, and what would more of it do?
#
# **Hint.** Keep $\beta$ at 0 for the first quarter of the steps, and let it rise to less than 1.


# %% tags=["exercise"]
def awake():
    ### BEGIN SOLUTION
    slow = np.clip(np.arange(600) / 300 - 0.5, 0.0, 0.7).astype(np.float32)
    return trained(collapsed[0], regularized_loss, train, slow, seed=10)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.10") as check:
    model = awake()
    plain_50 = float(measure(second["then β = 1"][0], test)[3])
    values = None if model is None else np.asarray(measure(model, test))
    check.true(
        "8 nats of rate",
        ... if values is None else values[0] >= 8,
        hint="Leave the code free for longer, or pay less for it.",
    )
    check.true(
        "the bound is no worse",
        ... if values is None else values[3] >= plain_50,
        hint="L_50 falls when β stays too small to the end.",
    )

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 5b.11 ★★★ — Which code is of use?
# The bound prefers $\beta$ near 1. Does a user of the code? Measure one use: to each of the 600 test images find the
# training image with the nearest mean $\mathbb E[z\mid x]$, by squared distance. Return in which share of cases both
# show the same digit, for the models `sweep["1/16"][0]` and `sweep["4"][0]`. What should a code be judged by?
#
# **Hint.** `model.encode(x)[0]` are the means; `digits.train.labels` and `digits.test.labels` the digits.
#
# **Hint.** $\lVert a-b\rVert^2=\lVert a\rVert^2-2a\cdot b+\lVert b\rVert^2$ needs no large table of differences.


# %% tags=["exercise"]
def share_of_like_neighbours():
    ### BEGIN SOLUTION
    # Known: models with equal bounds can have any rate between 0 and the
    # entropy of the data (Alemi et al., 2018), so the likelihood cannot say
    # how good a code is. A task can, but each task asks for another code.
    # Whether one number suits many tasks is open.
    shares = []
    for name in ("1/16", "4"):
        known, asked = (sweep[name][0].encode(x)[0] for x in (train, test))
        far = (known**2).sum(axis=1) - 2 * asked @ known.T
        near = np.asarray(far.argmin(axis=1))
        like = digits.train.labels[near] == digits.test.labels
        shares.append(like.mean())
    return shares
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.11") as check:
    answer = share_of_like_neighbours() or (None, None)
    for name, share in zip(("1/16", "4"), answer, strict=True):
        known, asked = (
            np.asarray(sweep[name][0].encode(x)[0], float)
            for x in (train, test)
        )
        near = [((known - one) ** 2).sum(axis=1).argmin() for one in asked]
        like = digits.train.labels[near] == digits.test.labels
        check.close(f"β = {name}", share, like.mean(), atol=0.005, rtol=0)

# %% [markdown] tags=["box"]
# ## Sources
#
# - Y. Burda, R. Grosse, R. Salakhutdinov, *Importance Weighted Autoencoders*, 2015, arXiv:1509.00519.
# - J. Domke, D. Sheldon, *Importance Weighting and Variational Inference*, 2018, arXiv:1808.09034. The size of the
#   gap.
# - T. Rainforth et al., *Tighter Variational Bounds are Not Necessarily Better*, 2018, arXiv:1802.04537.
# - G. Tucker, D. Lawson, S. Gu, C. Maddison, *Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives*,
#   2018, arXiv:1810.04152.
# - S. Bowman et al., *Generating Sentences from a Continuous Space*, 2016, arXiv:1511.06349. Collapse and KL
#   annealing.
# - D. P. Kingma et al., *Improving Variational Inference with Inverse Autoregressive Flow*, 2016, arXiv:1606.04934.
#   Free bits.
# - I. Higgins et al., *β-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework*, ICLR 2017.
# - A. Alemi et al., *Fixing a Broken ELBO*, 2018, arXiv:1711.00464.
# - M. Hoffman, M. Johnson, *ELBO Surgery: yet another way to carve up the variational evidence lower bound*, NIPS
#   workshop, 2016.
# - O. Rybkin, K. Daniilidis, S. Levine, *Simple and Effective VAE Training with Calibrated Decoders*, 2021,
#   arXiv:2006.13202.
# - C. Cremer, X. Li, D. Duvenaud, *Inference Suboptimality in Variational Autoencoders*, 2018, arXiv:1801.03558.
# - H. Fu et al., *Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing*, 2019, arXiv:1903.10145.
#
# ## Next
#
# `python -m benchmarks.bounds` trains the two models of 5b.3 on all of MNIST, in the architecture of Burda et al.
# Chapter 5c asks what a code is worth when labels are few.
