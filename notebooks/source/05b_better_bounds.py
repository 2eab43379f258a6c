# %% [markdown] tags=["frame"]
# # 5b · Better bounds
#
# The ELBO of chapter 5 is below $\ln p(x)$ by a gap. This chapter measures the gap, narrows it in three ways, and asks
# what is lost when a number gets better.
#
# **After this chapter you can**
# - tighten the bound with importance weights, and say how the gap falls with the number of samples;
# - explain why a tighter bound can be worse for the encoder;
# - recognize a code that nobody reads (**posterior collapse**), provoke it, and cure it;
# - trade rate against distortion with $\beta$, and read the two on trained models;
# - choose a likelihood for grey pixels;
# - split the gap into what the family of $q$ lacks and what the shared encoder lacks.
#
# **You need** chapter 5; chapter 3a for the name IAF. All quantities are in **nats**.
# **Time:** about an hour and a half; the code itself runs in about a minute on two cores.

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
from course_lib.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED
from course_lib.flows import IAF
from course_lib.probability import (
    bernoulli_log_prob,
    effective_sample_size,
    kl_standard_normal,
    mean_and_error,
    normal_log_prob,
    standard_normal_log_prob,
)
from course_lib.training import cosine_adam
from course_lib.vae import Vae, active_units, kl_per_latent, rate_parts, reparameterize

notebook.start()

# %% [markdown]
# ## 5b.1 More samples, a tighter bound

# %% [markdown] tags=["derivation"]
# Draw $z_1,\dots,z_k$ from $q(z\mid x)$ and weigh them by $w_i=p(x,z_i)/q(z_i\mid x)$. Each weight has the mean
# $\mathbb E_q\,w_i=\int p(x,z)\,dz=p(x)$, and so has their average. The logarithm is concave, so by Jensen's inequality
#
# $$\mathcal L_k=\mathbb E\,\ln\frac1k\sum_{i=1}^k w_i\;\le\;\ln p(x).$$
#
# $\mathcal L_1$ is the ELBO. The bound never falls with $k$: the average of $k$ weights is the mean, over all subsets of
# $k-1$ of them, of the subsets' averages; apply Jensen to that mean. If the variance of $w$ is finite, a Taylor expansion of
# the logarithm at $p(x)$ gives the size of the gap for large $k$ (Domke and Sheldon, 2018):
#
# $$\ln p(x)-\mathcal L_k\approx\frac1{2k}\,\mathrm{Var}_q\!\left[\frac{w}{p(x)}\right].$$

# %% [markdown]
# A model where $\ln p(x)$ is a formula: $z\sim\mathcal N(0,I)$ in 3 dimensions, $x\mid z\sim\mathcal N(Wz,\sigma^2I)$ in 5.
# The posterior is Gaussian with correlated latents. Our $q$ has the right means and variances, but **no correlations**.

# %%
rng = np.random.default_rng(0)
W, sigma = rng.normal(size=(5, 3)), 1.2
x = W @ rng.normal(size=3) + sigma * rng.normal(size=5)
exact = multivariate_normal(np.zeros(5), W @ W.T + sigma**2 * np.eye(5)).logpdf(x)
covariance = np.linalg.inv(np.eye(3) + W.T @ W / sigma**2)
mean, spread = covariance @ W.T @ x / sigma**2, np.sqrt(np.diag(covariance))
gap = 0.5 * np.linalg.slogdet(covariance)[1] - np.log(spread).sum()  # KL(q || posterior), in closed form
gap += 0.5 * np.trace(np.linalg.inv(covariance) * spread**2) - 1.5
print(f"ln p(x) = {exact:.3f}, ELBO = ln p(x) - KL = {exact - gap:.3f}")

# %% [markdown]
# Now the bound from samples: 200,000 weights, in groups of $k$.
#
# **Predict:** when $k$ doubles, by which factor does the gap fall, in the end?

# %%
z = mean + spread * np.random.default_rng(1).normal(size=(2**18, 3))
log_w = norm.logpdf(z).sum(1) + norm.logpdf(x, z @ W.T, sigma).sum(1) - norm.logpdf(z, mean, spread).sum(1)
sizes = 2 ** np.arange(0, 11)
groups = [logsumexp(log_w.reshape(-1, k), axis=1) - np.log(k) for k in sizes]
bounds, errors = np.array([mean_and_error(g) for g in groups]).T
print(f"k = 1: {bounds[0]:.3f} ± {errors[0]:.3f}; k = {sizes[-1]}: {bounds[-1]:.4f} ± {errors[-1]:.4f}")
print(f"effective sample size: {float(effective_sample_size(log_w)) / len(log_w):.1%} of the draws")

# %% alt="Two panels against the number of samples k from 1 to 1024. Left, the bound with error bars rises from the ELBO to the dashed line of the exact ln p(x). Right, on logarithmic axes, the gap falls; from k near 30 on it approaches the dashed straight line of the variance over 2k."
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.errorbar(sizes, bounds, 3 * errors, fmt="o-", ms=4, color=BLUE, label="bound, ± 3 standard errors")
left.axhline(exact, color=INK, ls="--", lw=1, label=r"exact $\ln p(x)$")
left.set(xscale="log", xlabel="samples $k$", ylabel="nats")
left.legend(fontsize=9)
ratios = [np.exp(g - exact) for g in groups]  # mean 1
below = [r - 1 - np.log(r) for r in ratios]
gap_below, error_below = np.array([mean_and_error(b) for b in below]).T
right.errorbar(sizes, gap_below, 3 * error_below, fmt="o", ms=4, label="gap")
variance = np.exp(2 * (log_w - exact)).mean() - 1
right.loglog(sizes, variance / (2 * sizes), color=INK, ls="--", lw=1, label=r"Var$(w/p(x))\,/\,2k$")
right.set(xlabel="samples $k$", ylabel="gap [nats]")
legend = right.legend(fontsize=9)

# %% [markdown]
# In the end it halves. (On the right, $\frac1k\sum_iw_i/p(x)-1$, of mean 0, is subtracted: less noise.) Nothing was trained. The
# price is $k$ passes through the decoder.

# %% [markdown]
# ## 5b.2 What the encoder hears

# %% [markdown] tags=["derivation"]
# Train on $\mathcal L_k$ and its gradient is a weighted mean. With the **normalized weights** $\tilde w_i=w_i/\sum_jw_j$ and
# reparametrized $z_i$,
#
# $$\nabla\ln\frac1k\sum_iw_i=\sum_i\tilde w_i\,\nabla\ln w_i .$$
#
# As $k$ grows, the bound depends less and less on $q$: with many samples any $q$ will do. So the *mean* of the
# encoder's gradient falls like $1/k$. Its standard deviation falls like $1/\sqrt k$ only, as for any average. The
# **signal-to-noise ratio** of the encoder, mean over standard deviation, falls like $1/\sqrt k$; the decoder's, whose mean
# does not vanish, rises like $\sqrt k$ (Rainforth et al., 2018).
#
# Tucker et al. (2018) apply the reparametrization a second time, to the score term that hides in $\nabla\tilde w_i$. For
# the encoder this gives an estimator of the same mean and less noise, the **doubly reparametrized gradient**:
#
# $$\sum_i\tilde w_i^2\,\frac{\partial\ln w_i}{\partial z_i}\,\frac{\partial z_i}{\partial\phi}.$$

# %% [markdown]
# One latent: $z\sim\mathcal N(\theta,1)$, $x\mid z\sim\mathcal N(z,1)$, $q=\mathcal N(x/2+\phi,\tfrac23)$. For $x=1$ the best
# values are $\theta=1$ and $\phi=\frac12$; we stand at $\theta=0$, $\phi=0.4$.
#
# **Predict:** at $k=256$, which of the two gradients can still be told from noise?

# %%
s = np.sqrt(2 / 3)
noise = np.random.default_rng(2).normal(size=2**21)
z = 0.5 + 0.4 + s * noise  # x = 1, theta = 0
log_joint = norm.logpdf(z) + norm.logpdf(1.0, z)
toy_log_w = log_joint - norm.logpdf(noise) + np.log(s)
of_phi = -z + (1 - z)  # d ln w / d phi along the path; ln q does not change along it
of_z = of_phi + noise / s  # ∂ ln w / ∂ z, q held fixed
ks = 2 ** np.arange(0, 9)
ratios = {"decoder": [], "encoder": [], "encoder, doubly reparametrized": []}
for k in ks:
    grouped = toy_log_w.reshape(-1, k)
    w = np.exp(grouped - logsumexp(grouped, axis=1, keepdims=True))
    estimates = [(w * z.reshape(-1, k)).sum(1), (w * of_phi.reshape(-1, k)).sum(1), (w**2 * of_z.reshape(-1, k)).sum(1)]
    for values, g in zip(ratios.values(), estimates, strict=True):
        values.append(abs(g.mean()) / g.std())

# %% alt="Signal-to-noise ratio against the number of samples k from 1 to 256, both axes logarithmic. The decoder's rises in a straight line with slope one half. The encoder's falls. The doubly reparametrized encoder gradient rises."
fig, ax = plt.subplots(figsize=(6.4, 3))
for (name, values), colour, marker in zip(ratios.items(), [RED, BLUE, GREEN], "os^", strict=True):
    ax.loglog(ks, values, marker + "-", ms=4, color=colour, label=name)
ax.axhline(1, color=GREY, ls=":", lw=1)
ax.set(xlabel="samples $k$", ylabel="signal-to-noise ratio", xscale="log")
legend = ax.legend(fontsize=9)

# %% [markdown]
# A tighter bound teaches the decoder more and the encoder less.
#
# ## 5b.3 Training on the tighter bound
#
# Digits of 14 × 14 binary pixels, and one function that trains any model on any loss. It takes one $\beta$ a step, for
# section 5b.4.


# %%
def shrink(part):
    return (part.images.reshape(-1, 14, 2, 14, 2).mean((2, 4)) > 0.5).astype(np.float32).reshape(-1, 196)


@partial(jax.jit, static_argnums=(0, 2))
def adam_steps(graph, state, loss, x, betas):
    adam, (start, rest) = cosine_adam(4e-3, len(betas)), state

    def step(carry, inputs):
        (params, moments), (beta, key) = carry, inputs
        row_key, noise_key = jax.random.split(key)
        batch = x[jax.random.randint(row_key, (100,), 0, len(x))]
        gradient = jax.grad(lambda params: loss(nnx.merge(graph, params, rest), batch, noise_key, beta))(params)
        updates, moments = adam.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), None

    keys = jax.random.split(jax.random.key(0), len(betas))
    return jax.lax.scan(step, (start, adam.init(start)), (betas, keys))[0][0]


# %%
def trained(model, loss, x, betas):
    graph, *state = nnx.split(model, nnx.Param, ...)
    return nnx.merge(graph, adam_steps(graph, nnx.as_pure(state), loss, x, betas), state[1])


digits = data.mnist_5k()
train, test = shrink(digits.train), shrink(digits.test)
always_1 = np.ones(1000, np.float32)
fresh = lambda: Vae(196, [100], 10, rngs=nnx.Rngs(0))  # noqa: E731

# %% [markdown]
# The loss with importance weights is one line. The other is $-\mathcal L$, with two knobs that section 5b.4 explains;
# as they stand, they change nothing.


# %% library="course_lib.vae.losses:negative_iwae"
def negative_iwae(model, batch, key, num_samples):
    return -model.iwae(key, batch, num_samples).mean()


# %% library="course_lib.vae.losses:regularized_loss"
def regularized_loss(model, batch, key, beta=1.0, free_nats=0.0):
    mean, log_sigma = model.encode(batch)
    z = reparameterize(key, mean, log_sigma)
    kl = kl_standard_normal(mean, log_sigma).mean(axis=0)
    return -model.log_likelihood(batch, z).mean() + beta * jnp.maximum(kl, free_nats).sum()


# %%
def iwae_8(model, batch, key, beta):
    return negative_iwae(model, batch, key, 8)


@nnx.jit
def measure(model, x):
    """Rate, distortion, and the number of active units."""
    reconstruction, kl = model.elbo_terms(jax.random.key(1), x)
    return kl.mean(), -reconstruction.mean(), active_units(model, x).sum()


evidence = nnx.jit(lambda model: model.iwae(jax.random.key(2), test, 100).mean())


def report(models):
    print(f"{'':24} rate R  distortion D   bound  est. ln p(x)  active units")
    for name, model in models.items():
        r, d, active = map(float, measure(model, test))
        print(f"{name:24}{r:7.2f}{d:14.2f}{-r - d:8.2f}{evidence(model):14.2f}{active:14.0f}")


# %% [markdown]
# The bound is $-R-D$ with the **rate** $R=\mathbb E\,\mathrm{KL}(q\,\|\,p(z))$ and the **distortion**
# $D=-\mathbb E\ln p(x\mid z)$. $\ln p(x)$ is estimated by $\mathcal L_{100}$.
#
# **Predict:** which model has the higher ELBO, the one trained on $\mathcal L_1$ or on $\mathcal L_8$? And the higher $\ln p(x)$?

# %%
models = {"trained on the ELBO": trained(fresh(), regularized_loss, train, always_1)}
models["trained on L_8"] = trained(fresh(), iwae_8, train, always_1)
report(models)

# %% [markdown]
# Each wins by its own measure. $\mathcal L_8$ forgives a $q$ that hits once in eight draws; so the decoder may have
# posteriors that no Gaussian fits.
#
# ## 5b.4 A code that nobody reads

# %% [markdown] tags=["derivation"]
# The rate pays for every latent that says something. If the decoder can do without, the cheapest encoder is
# $q(z\mid x)=p(z)$: rate 0. This is **posterior collapse**. Two ways to look at it:
#
# - the KL of each latent, $\mathrm{KL}_j=\mathbb E_x\,\mathrm{KL}(q(z_j\mid x)\,\|\,p(z_j))$;
# - the **active units**: latents whose mean moves with $x$, $\mathrm{Var}_x\,\mathbb E[z_j\mid x]>0.01$ (Burda et al., 2015).
#
# Three changes of the loss are in use. With $\mathrm{KL}_j$ the mean over the batch,
#
# $$\text{loss}=-\mathbb E\ln p(x\mid z)+\beta\sum_j\max(\lambda,\mathrm{KL}_j).$$
#
# **β** weighs the rate. **KL annealing** lets $\beta$ rise from 0 to 1 during training. **Free bits** ($\lambda>0$): a
# latent below $\lambda$ nats pays no less if it says nothing, so it may as well speak.


# %% [markdown]
# ### What goes wrong: a decoder that needs no code
#
# Let the decoder also see the pixels before the present one, as in chapter 2: $a_i(z)+\sum_{j<i}x_jU_{ji}$ is the logit of
# pixel $i$.


# %%
class SeesPixels(Vae):
    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        self.before = nnx.Param(jnp.zeros((196, 196)))

    def log_likelihood(self, x, z):
        earlier = x @ jnp.triu(self.before[...], 1)
        return bernoulli_log_prob(x, self.decode(z) + earlier).sum(axis=-1)


def free_half(model, batch, key, beta):
    return regularized_loss(model, batch, key, beta, 0.5)


strong = lambda: SeesPixels(196, [100], 10, rngs=nnx.Rngs(0))  # noqa: E731
rising = np.minimum(1, np.arange(1000) / 500).astype(np.float32)

# %% [markdown]
# **Predict:** four trainings of this model: $\beta=2$, $\beta=1$, annealed to 1, and free bits. Order them by rate. Will
# their bounds differ as much?

# %%
collapse = {"strong, β = 2": trained(strong(), regularized_loss, train, 2 * always_1)}
collapse["strong, β = 1"] = trained(strong(), regularized_loss, train, always_1)
collapse["strong, annealed"] = trained(strong(), regularized_loss, train, rising)
collapse["strong, free bits"] = trained(strong(), free_half, train, always_1)
report(collapse)

# %% alt="Four bar charts of the KL of each of ten latents, sorted. With beta 2 all bars are zero. With beta 1 four of them are near zero. Annealed: nearly all are clearly above zero. With free bits: all lie near or above the dashed line at half a nat."
fig, axes = plt.subplots(1, 4, figsize=(9, 2.4), sharey=True)
for ax, (name, model) in zip(axes, collapse.items(), strict=True):
    ax.bar(np.arange(10), np.sort(kl_per_latent(model, test))[::-1], color=GREEN)
    ax.set(title=name, xlabel="latent, sorted", xticks=[])
axes[3].axhline(0.5, color=INK, ls="--", lw=1)
label = axes[0].set_ylabel("KL [nats]")

# %% [markdown]
# The last three bounds lie close together, their rates do not. **The bound does not say whether the code is used.**
#
# ## 5b.5 Rate against distortion

# %% [markdown] tags=["derivation"]
# With $\beta$ the loss is $D+\beta R$: a Lagrangian. Each $\beta$ picks the point of the curve of reachable pairs $(R,D)$
# whose slope is $dD/dR=-\beta$ (Alemi et al., 2018). At $\beta=1$ the loss is $R+D=-\mathcal L$. Since $R\ge0$,
# $D+\beta R\ge D+R\ge-\ln p(x)$ for every $\beta\ge1$: all of these are bounds, the tightest at 1. For $\beta<1$ nothing is
# guaranteed. And the rate has two parts (Hoffman and Johnson, 2016). With the **aggregate posterior**
# $q(z)=\frac1n\sum_iq(z\mid x_i)$,
#
# $$R=\underbrace{\mathbb E\,\ln\frac{q(z\mid x)}{q(z)}}_{\text{mutual information of }x\text{ and }z}
# +\underbrace{\mathrm{KL}(q(z)\,\|\,p(z))}_{\text{codes that the prior does not draw}} .$$
#
# The first is what the code says. The second is why samples fail: the decoder has learned on $q(z)$, and samples come from
# $p(z)$.

# %% [markdown]
# Seven models from $\beta=\frac1{16}$ to $4$. Measured on 600 images, the information cannot exceed $\ln600\approx6.4$ nats.
#
# **Predict:** which $\beta$ gives the best reconstructions, which the best samples?

# %%
log2_betas = np.arange(-4, 3)
sweep = [trained(fresh(), regularized_loss, train, always_1 * 2.0**b) for b in log2_betas.astype(np.float32)]
measured = np.array([[*map(float, measure(model, test)[:2]), float(evidence(model))] for model in sweep])
parts = nnx.jit(rate_parts)
split = np.array([[*map(float, parts(jax.random.key(3), model, test))] for model in sweep])
print("     β      R      D    R+D  -ln p(x)  information  KL(q(z)||p(z))")
for b, (r, d, log_p), (information, away) in zip(log2_betas, measured, split, strict=True):
    print(f"{2.0**b:6.3f}{r:7.2f}{d:7.2f}{r + d:7.2f}{-log_p:10.2f}{information:13.2f}{away:16.2f}")

# %% tags=["cover"] alt="Left, distortion against rate for seven trained models: a falling convex curve; the dashed line of constant R plus D touches it at beta equal 1. Right, the rate of each model in two parts: the mutual information saturates near 6.4 nats for small beta, while the KL of the aggregate posterior grows."
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.1))
rate, distortion = measured[:, 0], measured[:, 1]
left.plot(rate, distortion, "o-", color=RED)
for b, r, d in zip(log2_betas, rate, distortion, strict=True):
    name = f"{2 ** int(b)}" if b >= 0 else f"1/{2 ** -int(b)}"
    left.annotate(name, (r, d), xytext=(0, 7), textcoords="offset points", fontsize=9)
line = np.array([0, 1.1 * rate.max()])
left.plot(line, (rate + distortion).min() - line, color=INK, ls="--", lw=1, label="least $R+D$")
left.legend(loc="lower left", fontsize=9)
left.set(xlabel="rate $R$ [nats]", ylabel="distortion $D$ [nats]", ylim=(0, 1.2 * distortion.max()))
left.set_title(r"the number at each dot: $\beta$")
right.bar(log2_betas, split[:, 0], color=GREEN, label="mutual information")
right.bar(log2_betas, split[:, 1], bottom=split[:, 0], color=ORANGE, label="KL$(q(z)\\|p(z))$")
right.set(xlabel=r"$\log_2\beta$", ylabel="rate [nats]")
legend = right.legend()

# %% [markdown]
# A small $\beta$ buys sharp reconstructions with codes that the prior never draws.
#
# **Predict, then move:** at which $\beta$ does the first latent fall silent? Where do samples begin to look like digits, and
# where like nothing but an average?

# %%
codes = np.random.default_rng(4).normal(size=(16, 10)).astype(np.float32)
pictures = nnx.jit(lambda model: (model.reconstruct(test[:16]), model.decode_mean(codes)))
rebuilt, drawn = (np.stack(rows).reshape(-1, 16, 14, 14) for rows in zip(*map(pictures, sweep), strict=True))
kl = np.stack([np.sort(kl_per_latent(model, test))[::-1] for model in sweep])
beta_models_explorer(log2_betas, kl, rate, distortion, rebuilt, drawn)

# %% [markdown]
# Nothing is interpolated: each step of the slider is a trained model.
#
# ## 5b.6 Which likelihood for grey pixels?

# %% [markdown] tags=["derivation"]
# With a Gaussian $p(x\mid z)$ of fixed $\sigma$ the loss is $\frac1{2\sigma^2}\lVert x-f(z)\rVert^2+R$ and a constant.
# Multiplied by $2\sigma^2$: the squared error plus $2\sigma^2R$. So $\sigma^2$ acts as a $\beta$, and a careless $\sigma=1$ is
# a large one. The repair is to **learn** $\sigma$: its optimum is the root mean squared error.
#
# But grey levels are not real numbers: 8 × 8 digits have 17 levels $0,\frac1{16},\dots,1$. A density may be compared with
# a probability only after multiplying by the width of a level, $\frac1{16}$ for each pixel. The **discretized
# logistic** has no such question: with $v=2x-1$, $\delta=\frac1{16}$ and a learned scale $s$ for each pixel, it gives a level the
# probability $\sigma\!\left(\frac{v+\delta-a}{s}\right)-\sigma\!\left(\frac{v-\delta-a}{s}\right)$, and the outermost levels all
# that lies beyond.

# %% [markdown]
# ### What goes wrong: σ = 1 for pixels between 0 and 1
#
# **Predict:** how many of eight latents will the first model use?

# %%
small = data.digits_8x8()
grey, grey_test = (part.images.reshape(-1, 64) for part in (small.train, small.test))
likelihoods = {
    "Gaussian, σ = 1": {"likelihood": Gaussian(1.0)},
    "Gaussian, σ learned": {"likelihood": Gaussian(), "scale": "common"},
    "discretized logistic": {"likelihood": Logistic(17), "scale": "of the pixel"},
}
grey_models = {}
for name, options in likelihoods.items():
    model = Vae(64, [64], 8, rngs=nnx.Rngs(0), **options)
    grey_models[name] = trained(model, regularized_loss, grey, always_1)

# %%
for name, model in grey_models.items():
    r, d, active = map(float, measure(model, grey_test))
    width = 0.0 if name == "discretized logistic" else 64 * np.log(16)  # ln of the level's width, 64 times
    print(f"{name:22} rate {r:5.2f}   active {active:.0f} of 8   {(r + d + width) / 64 / np.log(2):.2f} bits per pixel")
rebuild = nnx.jit(lambda model, x: model.reconstruct(x))
learned = np.exp(grey_models["Gaussian, σ learned"].decoder.log_scale[...])
redraw = nnx.jit(lambda model: model.decode(model.draw(jax.random.key(4), *model.encode(grey))[0]))
error = grey - np.asarray(redraw(grey_models["Gaussian, σ learned"]))
print(f"learned σ {learned:.3f}; root mean squared error at drawn z, training images: {np.sqrt((error**2).mean()):.3f}")

# %% alt="Four rows of ten small grey digits: test images; reconstructions with sigma 1, all the same blur; with learned sigma, clear digits; with the discretized logistic, clear digits."
rows = {"x": grey_test[:10]} | {name: rebuild(model, grey_test)[:10] for name, model in grey_models.items()}
fig = image_rows({name: np.reshape(images, (-1, 8, 8)) for name, images in rows.items()})

# %% [markdown]
# $\sigma=1$ collapses all latents; nobody set a $\beta$. Learning one number repairs it. A scale for each pixel and honest
# levels save many bits more: the margins are always white.
#
# ## 5b.7 A posterior that bends

# %% [markdown] tags=["derivation"]
# Why is there a gap at all? For one model $p$ and one $x$, let $q^*$ be the best member of the family of $q$. Then
#
# $$\ln p(x)-\mathcal L(q_\phi)=\underbrace{\ln p(x)-\mathcal L(q^*)}_{\text{approximation gap}}
# +\underbrace{\mathcal L(q^*)-\mathcal L(q_\phi)}_{\text{amortization gap}}.$$
#
# The first is the family's fault: no diagonal Gaussian fits. The second is the encoder's: one network for all $x$ misses
# the best one for this $x$ (Cremer et al., 2018). To measure both we need the exact $\ln p(x)$. With **two** latents it is
# a sum over a fine grid.

# %%
planar = trained(Vae(196, [100], 2, rngs=nnx.Rngs(1)), regularized_loss, train, always_1)
axis = np.linspace(-5, 5, 101, dtype=np.float32)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
logits = np.asarray(nnx.jit(lambda model: model.decode(grid))(planar))
images = test[:100]
log_joint = images @ logits.T - np.logaddexp(0, logits).sum(axis=1) + norm.logpdf(grid).sum(axis=1)
log_p = logsumexp(log_joint, axis=1) + 2 * np.log(axis[1] - axis[0])
posterior = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True)).reshape(-1, 101, 101)
print(f"exact ln p(x), mean of 100 images: {log_p.mean():.2f}; posterior at the rim: {posterior[:, 0].sum():.1e}")

# %% [markdown]
# The decoder stays as it is from here on. $q^*$: 150 steps of Adam on the mean and $\ln\sigma$ of *each image alone*, from the
# encoder's answer.


# %%
def log_weights(model, key, x):
    """ln w of one draw of the model's q, under the fixed decoder."""
    z, log_q = model.draw(key, *model.encode(x))
    return planar.log_likelihood(x, z) + standard_normal_log_prob(z) - log_q


@jax.jit
def optimized(q, noise):
    def loss(q):
        z = q[0] + jnp.exp(q[1]) * noise
        log_p_xz = bernoulli_log_prob(images, planar.decode(z)).sum(-1) + standard_normal_log_prob(z)
        return -(log_p_xz - normal_log_prob(z, *q).sum(-1)).mean(0).sum()

    adam = optax.adam(0.03)

    def step(carry, _):
        updates, moments = adam.update(jax.grad(loss)(carry[0]), carry[1])
        return (optax.apply_updates(carry[0], updates), moments), None

    return jax.lax.scan(step, (q, adam.init(q)), None, length=150)[0][0]


# %% [markdown]
# Against it: a larger encoder, and a **flow posterior**. The draw of the Gaussian goes through four layers of an inverse
# autoregressive flow, which read $\mu(x)$ and $\ln\sigma(x)$ as context:
# $\ln q(z\mid x)=\ln\mathcal N(z_0;\mu,\sigma^2)-\ln|\det\mathrm Dg(z_0)|$.
#
# **Predict:** which gap will each of the two narrow?


# %%
def encoder_alone(model, batch, key, beta):
    return -log_weights(model, key, batch).mean()


flow = IAF(2, 4, [32], num_context=4, rngs=nnx.Rngs(2)).bijection
others = {"larger encoder": Vae(196, [300, 300], 2, rngs=nnx.Rngs(1))}
others["flow posterior"] = Vae(196, [300, 300], 2, flow=flow, rngs=nnx.Rngs(1))
families = {"encoder": planar} | {n: trained(m, encoder_alone, train, always_1) for n, m in others.items()}

# %%
keys = jax.random.split(jax.random.key(5), 100)
many = nnx.jit(lambda model: jax.lax.map(lambda key: log_weights(model, key, images), keys))
gaps = {name: log_p - np.asarray(many(model)).mean(0) for name, model in families.items()}
best = optimized(
    nnx.jit(lambda model: model.encode(images))(planar), jax.random.normal(jax.random.key(6), (50, 100, 2))
)
noise = np.random.default_rng(7).normal(size=(200, 100, 2)).astype(np.float32)
z = np.asarray(best[0]) + np.exp(best[1]) * noise
logits_z = np.asarray(jax.jit(planar.decode)(z))
log_p_xz = (images * logits_z - np.logaddexp(0, logits_z)).sum(-1) + norm.logpdf(z).sum(-1)
gaps["best Gaussian for each x"] = log_p - (log_p_xz - norm.logpdf(z, best[0], np.exp(best[1])).sum(-1)).mean(0)
for name, each in gaps.items():
    mean_gap, error = mean_and_error(each)
    print(f"{name:25} gap {mean_gap:.3f} ± {error:.3f} nats")
approximation = gaps["best Gaussian for each x"].mean()
print(f"approximation gap {approximation:.3f}, amortization gap {gaps['encoder'].mean() - approximation:.3f}")

# %% alt="Four panels, one for each of four test images with a poorly fitting Gaussian: the exact posterior in the latent plane as grey contours, bent or with two tops; the encoder's Gaussian as a blue ellipse, the best Gaussian as an orange ellipse on part of it; dots of the flow posterior follow its shape."
worst = np.argsort(gaps["best Gaussian for each x"])[[-1, -3, -6, -10]]
centres, log_widths = nnx.jit(lambda m: m.encode(images))(planar)
draws = np.asarray(
    nnx.jit(lambda m: jax.lax.map(lambda key: m.draw(key, *m.encode(images))[0], keys))(families["flow posterior"])
)
angle = np.linspace(0, 2 * np.pi, 60)
circle = 1.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
fig, axes = plt.subplots(1, 4, figsize=(9.4, 2.7))
for ax, i in zip(axes, worst, strict=True):
    ax.plot([], color=GREY, lw=1, label="exact posterior")
    ax.contour(axis, axis, posterior[i], posterior[i].max() * np.array([0.05, 0.3, 0.8]), colors=GREY, linewidths=1)
    ax.plot(*draws[:, i].T, ".", ms=2, color=PURPLE, label="flow posterior, draws")
    shapes = {"encoder": (centres[i], log_widths[i], BLUE)}
    shapes["best Gaussian"] = best[0][i], best[1][i], ORANGE
    for name, (centre, log_width, colour) in shapes.items():
        ax.plot(*(centre + np.exp(log_width) * circle).T, color=colour, label=name)
    centre, reach = draws[:, i].mean(0), 5 * draws[:, i].std(0).max()
    ax.set(xlim=centre[0] + np.array([-reach, reach]), ylim=centre[1] + np.array([-reach, reach]), xlabel="$z_1$")
axes[0].set_ylabel("$z_2$")
legend = fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)

# %% [markdown]
# Most of this encoder's gap is amortization. The larger encoder has a smaller gap; but it was also trained longer, against a
# decoder that no longer moved, so its size is not the only cause. The flow, trained in the same way, has a smaller one still. It can also do what no ellipse can: follow a tilt or a bend.
#
# ## Summary

# %% [markdown] tags=["box"]
# - $\mathcal L_k\le\ln p(x)$ rises with $k$; its gap ends as $\mathrm{Var}(w/p(x))/2k$.
# - The signal-to-noise ratio of the encoder's gradient falls like $1/\sqrt k$; the doubly reparametrized gradient mends it.
# - Posterior collapse: $q(z\mid x)=p(z)$, rate 0. A strong decoder or a large $\beta$ provokes it; annealing and free bits
#   cure it. The bound hardly shows it: look at the KL of each latent and at the active units.
# - $\beta$ chooses a point on the curve of rate and distortion. The loss bounds $-\ln p(x)$ for $\beta\ge1$, most
#   tightly at 1.
# - The rate is mutual information plus $\mathrm{KL}(q(z)\,\|\,p(z))$; the second part spoils samples.
# - A Gaussian's $\sigma^2$ acts as a $\beta$: learn it. Grey levels have a probability; a density needs the width of a level.
# - Gap = approximation gap (the family) + amortization gap (the shared encoder).

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 5b.1 — The gradient of the tighter bound
# From `log_w` of shape `(k,)` and the gradients $\nabla\ln w_i$, `gradients` of shape `(k, n)`, compute the gradient of
# $\ln\frac1k\sum_iw_i$. The log-weights may be as low as $-1000$.


# %% tags=["exercise"]
def iwae_gradient(log_w, gradients):
    ### BEGIN SOLUTION
    return jax.nn.softmax(log_w) @ gradients
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.1") as check:
    some = jnp.array([[1.0, 2.0], [3.0, -2.0], [0.0, 1.0]])
    got = iwae_gradient(jnp.log(jnp.array([1.0, 3.0, 0.0])), some)
    check.close("weights 1, 3 and 0", got, [2.5, -1.0], hint="Divide each weight by their sum.")
    tiny = iwae_gradient(jnp.array([-1000.0, -1000.0, -1000.0]), some)
    check.close("tiny weights", tiny, some.mean(axis=0), hint="Subtract the largest log-weight first.", rtol=1e-4)

# %% [markdown] tags=["exercise"]
# ### Exercise 5b.2 — Annealing in cycles
# Fu et al. (2019) anneal more than once. Each of the `cycles` equal parts of the training begins with $\beta=0$; $\beta$ rises
# evenly, reaches 1 after half of the part, and stays. Return $\beta$ for `step` $0,1,\dots$ of `steps`.


# %% tags=["exercise"]
def cyclical_beta(step, steps, cycles):
    ### BEGIN SOLUTION
    length = steps / cycles
    return jnp.minimum(1.0, (step % length) / (0.5 * length))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.2") as check:
    check.close("start and middle of the rise", [cyclical_beta(s, 400, 1) for s in (0, 100)], [0.0, 0.5])
    check.close("it stays at 1", cyclical_beta(350, 400, 1), 1.0, hint="Not above 1.")
    check.close("the second cycle", [cyclical_beta(s, 400, 2) for s in (199, 200, 250)], [1.0, 0.0, 0.5], hint="%")

# %% [markdown] tags=["exercise"]
# ### Exercise 5b.3 — The best σ
# A Gaussian likelihood with one $\sigma$ for all $n$ entries of `error` $=x-f(z)$ gives
# $-\ln p(x\mid z)=\sum\frac{e^2}{2\sigma^2}+\frac n2\ln(2\pi\sigma^2)$. Return the best $\sigma$.


# %% tags=["exercise"]
def best_sigma(error):
    ### BEGIN SOLUTION
    return jnp.sqrt(jnp.mean(jnp.square(error)))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.3") as check:
    sample = jnp.array([0.3, -0.5, 0.1, 0.7])
    check.close("four errors", best_sigma(sample), float(np.sqrt((np.asarray(sample) ** 2).mean())))
    found = best_sigma(sample)
    slope = found and jax.grad(lambda log_s: normal_log_prob(sample, 0.0, log_s).sum())(jnp.log(found))
    check.close("no slope there", slope, 0.0, atol=1e-4, hint="Set the derivative by ln σ to zero.")

# %% [markdown] tags=["exercise"]
# ### Exercise 5b.4 — Which latents are read?
# From the means $\mathbb E[z_j\mid x]$ of `n` images, an array of shape `(n, k)`, return how many latents are active:
# variance over the images above 0.01.


# %% tags=["exercise"]
def count_active(means):
    ### BEGIN SOLUTION
    return int((jnp.var(jnp.asarray(means), axis=0) > 0.01).sum())
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.4") as check:
    constant = np.stack([np.full(6, 3.0), np.arange(6.0), 0.01 * np.arange(6.0)], axis=1)
    check.close("a constant, a wide and a narrow one", count_active(constant), 1, hint="The variance, not the mean.")
    model = collapse["strong, β = 2"]
    check.close("the collapsed model", count_active(model.encode(test)[0]), active_units(model, test).sum())

# %% [markdown] tags=["exercise"]
# ### Exercise 5b.5 — The two parts of the rate
# A latent with a few states: `q` of shape `(n, states)` holds $q(z\mid x_i)$, `prior` of shape `(states,)` holds $p(z)$; all
# entries are positive. Return mutual information and $\mathrm{KL}(q(z)\,\|\,p(z))$.


# %% tags=["exercise"]
def two_parts(q, prior):
    ### BEGIN SOLUTION
    aggregate = q.mean(axis=0)
    information = (q * jnp.log(q / aggregate)).sum(axis=1).mean()
    return information, (aggregate * jnp.log(aggregate / prior)).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("5b.5") as check:
    table = jax.nn.softmax(2 * jax.random.normal(jax.random.key(8), (5, 3)), axis=1)
    prior = jnp.array([0.5, 0.3, 0.2])
    answer = two_parts(table, prior)
    rate_of_table = (table * jnp.log(table / prior)).sum(axis=1).mean()
    check.close("together they are the rate", answer and sum(answer), rate_of_table, rtol=1e-4)
    blind = two_parts(jnp.tile(prior, (4, 1)), prior)
    check.close("a collapsed code says nothing", blind and blind[0], 0.0, atol=1e-6, hint="q(z) is the mean over x.")
    sharp = two_parts(jnp.array([[1 - 2e-7, 1e-7, 1e-7], [1e-7, 1 - 2e-7, 1e-7]]), prior)
    check.close("two images told apart", sharp and sharp[0], np.log(2), rtol=1e-3)

# %% [markdown] tags=["box"]
# ## Sources
#
# - Y. Burda, R. Grosse, R. Salakhutdinov, *Importance Weighted Autoencoders*, 2015, arXiv:1509.00519.
# - J. Domke, D. Sheldon, *Importance Weighting and Variational Inference*, 2018, arXiv:1808.09034. The size of the gap.
# - T. Rainforth et al., *Tighter Variational Bounds are Not Necessarily Better*, 2018, arXiv:1802.04537.
# - G. Tucker, D. Lawson, S. Gu, C. Maddison, *Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives*, 2018,
#   arXiv:1810.04152.
# - S. Bowman et al., *Generating Sentences from a Continuous Space*, 2016, arXiv:1511.06349. Collapse and KL annealing.
# - D. P. Kingma et al., *Improving Variational Inference with Inverse Autoregressive Flow*, 2016, arXiv:1606.04934. Free bits.
# - I. Higgins et al., *β-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework*, ICLR 2017.
# - A. Alemi et al., *Fixing a Broken ELBO*, 2018, arXiv:1711.00464.
# - M. Hoffman, M. Johnson, *ELBO Surgery: yet another way to carve up the variational evidence lower bound*, NIPS workshop, 2016.
# - O. Rybkin, K. Daniilidis, S. Levine, *Simple and Effective VAE Training with Calibrated Decoders*, 2021, arXiv:2006.13202.
# - C. Cremer, X. Li, D. Duvenaud, *Inference Suboptimality in Variational Autoencoders*, 2018, arXiv:1801.03558.
# - H. Fu et al., *Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing*, 2019, arXiv:1903.10145.
#
# ## Next
#
# `python -m benchmarks.bounds` trains the two models of 5b.3 on all of MNIST, in the architecture of Burda et al. Chapter 5c
# asks what a code is worth when labels are few.
