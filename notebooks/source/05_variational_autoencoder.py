# %% [markdown] tags=["frame"]
# # 5 · The variational auto-encoder
#
# **After this chapter you can**
# - say what inference is, and why $p(x)$ stands in its way;
# - measure how far two distributions are apart with the Kullback–Leibler divergence, in both directions;
# - derive the evidence lower bound (ELBO) in two ways and check every line with numbers;
# - show why samples from the prior do not suffice, and what $q(z\mid x)$ repairs;
# - differentiate through a random draw, and train a variational auto-encoder on digits;
# - read its loss as a length in bits.
#
# **You need** chapter 4 (encoder, latent space, decoder), the normal distribution, and derivatives.
# **Time:** about three hours, in sections that stand alone; the code itself runs in under a minute.

# %%
import math
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from jax.scipy.special import logsumexp

from course_lib import data, notebook, probability
from course_lib.exercises import exercise
from course_lib.explorers import dense_layers
from course_lib.explorers.scenes.divergence import divergence_explorer
from course_lib.explorers.scenes.evidence_bound import evidence_explorer
from course_lib.explorers.scenes.latent_plane import latent_plane_explorer
from course_lib.explorers.scenes.latent_sliders import latent_sliders_explorer
from course_lib.explorers.scenes.reparameterization import reparameterization_explorer
from course_lib.explorers.scenes.ring import ring_explorer
from course_lib.figures import inference
from course_lib.figures.autoencoders import decoded_plane
from course_lib.figures.images import image_grid, image_rows, scatter_by_class
from course_lib.figures.style import BLUE, GREEN, GREY, INK, ORANGE, RED
from course_lib.figures.training import learning_curves
from course_lib.training import fit
from course_lib.vae import Vae

notebook.start()
plt.rcParams["figure.dpi"] = 80  # many pictures: the file stays small

# %% [markdown] tags=["box"]
# **Notation.** $x$: what we observe. $z$: a **latent** variable, which we do not. $p(z)$: the **prior**, before we see
# $x$. $p(x\mid z)$: the **likelihood**. $p(x,z)=p(x\mid z)\,p(z)$: the **joint**. $p(x)$: the **evidence**.
# $p(z\mid x)$: the **posterior**, after we have seen $x$. $\theta$: the parameters of the generative model $p_\theta$.
# $q_\phi(z\mid x)$: the approximation to the posterior, with **variational parameters** $\phi$; we write $q$ where no
# doubt arises. $\mathbb E_q\,f(z)=\sum_z q(z)f(z)$, or $\int q(z)f(z)\,dz$ for a continuous $z$. $\ln$ is the natural
# logarithm: all quantities are in nats until the last section.

# %% [markdown]
# ## 5.1 Inference, and why it is hard
#
# A track in the snow has one of four sizes $x$. Which animal $z$ made it: a hare, a fox, or a deer? The prior says how
# common each animal is, the likelihood what tracks it leaves. Their product is the joint.

# %% tags=["nbval-check-output"]
prior = jnp.array([0.5, 0.3, 0.2])  # p(z): hare, fox, deer
likelihood = jnp.array(  # p(x|z): one row for each animal
    [[0.70, 0.20, 0.05, 0.05], [0.10, 0.30, 0.50, 0.10], [0.05, 0.05, 0.30, 0.60]]
)
joint = prior[:, None] * likelihood  # p(x, z)
print("total probability:", round(float(joint.sum()), 4))

# %% [markdown]
# **Inference** goes back from $x$ to $z$:
#
# $$p(z\mid x)=\frac{p(x,z)}{p(x)},\qquad p(x)=\sum_z p(x\mid z)\,p(z).$$
#
# **Predict:** we see the third size. Hares are the most common animal. Is the hare now the most probable one?

# %% tags=["nbval-check-output"]
seen = 2
evidence = joint.sum(axis=0)
posterior = joint[:, seen] / evidence[seen]
print(f"p(x) = {evidence[seen]:.3f}")
for animal, before, after in zip(["hare", "fox", "deer"], prior, posterior, strict=True):
    print(f"{animal:5}  before {before:.3f}   after {after:.3f}")

# %% [markdown]
# The evidence was a sum of three terms. With $n$ binary latents it has $2^n$, and for a continuous $z$ and a neural
# network it is an integral without a closed form. Then $p(x)$ is unknown, and with it the posterior.

# %% tags=["nbval-check-output"]
for n in (10, 50, 200):
    print(f"{n:4} binary latents: {2.0**n:.1e} terms in the sum")

# %% [markdown]
# **Variational inference** replaces the sum by a search: among simple distributions $q(z\mid x)$, find the one nearest to
# $p(z\mid x)$. In red the generative direction, in blue the inference.

# %% alt="A green box, latent z, and a grey box, data x. A red arrow from z to x reads p of x given z, generate. A blue arrow from x back to z reads q of z given x, infer."
fig = inference.generation_and_inference()

# %% [markdown]
# ## 5.2 How different are two distributions?
#
# "Nearest" needs a measure. The **Kullback–Leibler divergence** of $q$ from $p$ is the mean, under $q$, of the
# difference of the log-probabilities:
#
# $$\mathrm{KL}(q\,\|\,p)=\mathbb E_q\left[\ln q(z)-\ln p(z)\right].$$
#
# **Predict:** does exchanging $q$ and $p$ change it?


# %% tags=["nbval-check-output"]
def kl(q, p):
    return jnp.sum(q * (jnp.log(q) - jnp.log(p)))


print(f"KL(posterior || prior)     = {kl(posterior, prior):.4f} nats")
print(f"KL(prior || posterior)     = {kl(prior, posterior):.4f} nats")
print(f"KL(posterior || posterior) = {kl(posterior, posterior):.4f} nats")

# %% [markdown] tags=["derivation"]
# It is not symmetric, so it is no distance; but **it is never negative**. Since $\ln u\le u-1$ for all $u>0$, with
# equality at $u=1$ only,
#
# $$-\mathrm{KL}(q\,\|\,p)=\sum_z q(z)\ln\frac{p(z)}{q(z)}\le\sum_z q(z)\left(\frac{p(z)}{q(z)}-1\right)=1-1=0,$$
#
# and it is 0 only if $q=p$. The same holds for densities, with integrals in place of sums.
#
# ### Two uniforms
#
# Let $q$ be uniform on an interval of width $\Delta_q$ and $p$ on one of width $\Delta_p$ that contains it. Where $q$ is
# not 0, the ratio $q/p$ is $\Delta_p/\Delta_q$ everywhere. So
#
# $$\mathrm{KL}(q\,\|\,p)=\ln\frac{\Delta_p}{\Delta_q}.$$
#
# In the other order, with $p$ inside $q$, $\mathrm{KL}(p\,\|\,q)=\ln(\Delta_q/\Delta_p)$: the wider one is on top.
#
# **Predict:** what if $q$ sticks out of $p$?

# %% alt="Three panels with two uniform densities each, q in blue and p in red. q narrow inside p: KL 1.10 nats. q equal to p: KL 0. q reaching beyond p: KL infinite."
fig, axes = plt.subplots(1, 3, figsize=(8, 2.3), sharey=True)
low_p, high_p = 0.0, 3.0
for ax, (low, high) in zip(axes, [(1.0, 2.0), (0.0, 3.0), (2.0, 3.6)], strict=True):
    for edges, colour, name in [((low, high), BLUE, "$q$"), ((low_p, high_p), RED, "$p$")]:
        ax.stairs([1 / (edges[1] - edges[0])], edges, fill=True, color=colour, alpha=0.35, label=name)
    kl_value = probability.kl_uniform(low, high, low_p, high_p)
    ax.set(title=f"KL$(q\\|p)$ = {kl_value:.2f}", xlim=(-0.6, 4.2), xlabel="$x$")
axes[0].set_ylabel("density")
legend = axes[0].legend()

# %% [markdown]
# An event that $p$ calls impossible must not happen under $q$: the price is infinite.
#
# ### Two Gaussians of equal width
#
# $\ln q-\ln p$ is a difference of two parabolas with equal curvature, a straight line. Its mean under $q$ is
#
# $$\mathrm{KL}(q\,\|\,p)=\frac{(\mu_p-\mu_q)^2}{2\sigma^2}.$$
#
# A mean can also be estimated from samples **of q**:

# %%
mean_q, mean_p, log_sigma = 1.0, 0.0, math.log(0.8)
x = mean_q + 0.8 * jax.random.normal(jax.random.key(0), (10_000,))
log_q = probability.normal_log_prob(x, mean_q, log_sigma)
log_p = probability.normal_log_prob(x, mean_p, log_sigma)
estimate, error = probability.kl_monte_carlo(log_q, log_p)
print(f"formula:      {(mean_p - mean_q) ** 2 / (2 * 0.8**2):.3f}")
print(f"from samples: {estimate:.3f} ± {error:.3f}")

# %% [markdown]
# ### A Gaussian against a mixture
#
# For a mixture of two Gaussians there is no formula. We sum the **integrand** $q\ln(q/p)$ over a fine grid. It is negative
# where $q<p$; the total area is never negative.
#
# **Predict, then move:** where must $q$ lie for the smallest $\mathrm{KL}(q\,\|\,p)$: between the hills, or on one of them?
# And for the smallest $\mathrm{KL}(p\,\|\,q)$?

# %%
divergence_explorer()

# %% [markdown]
# ### The direction matters
#
# $\mathrm{KL}(q\,\|\,p)$ punishes $q$ where $p$ is small: it **seeks a mode**. $\mathrm{KL}(p\,\|\,q)$ punishes $q$ where it
# misses some of $p$: it **covers the mass**. We minimise both, for a mixture with hills at $\pm2$ of weights $0.4$, $0.6$.
#
# **Predict:** how many different best fits has the first? Where does the second put its mean?

# %%
line = jnp.linspace(-12, 12, 2401)
hills = [probability.normal_log_prob(line, centre, math.log(0.7)) for centre in (-2.0, 2.0)]
log_mixture = jnp.logaddexp(hills[0] + math.log(0.4), hills[1] + math.log(0.6))


@partial(jax.jit, static_argnums=1)
def divergence(parameters, order):
    log_q = probability.normal_log_prob(line, *parameters)
    a, b = (log_q, log_mixture) if order == "q, p" else (log_mixture, log_q)
    return jnp.sum(jnp.exp(a) * (a - b)) * (line[1] - line[0])


@partial(jax.jit, static_argnums=1)
def best_gaussian(start, order):
    gradient = jax.grad(divergence)
    return jax.lax.fori_loop(0, 300, lambda _, parameters: parameters - 0.2 * gradient(parameters, order), start)


fits = {"KL(q‖p) from the left": best_gaussian(jnp.array([-1.5, -0.5]), "q, p")}
fits["KL(q‖p) from the right"] = best_gaussian(jnp.array([1.5, -0.5]), "q, p")
fits["KL(p‖q)"] = best_gaussian(jnp.array([0.5, 0.5]), "p, q")

# %% alt="The mixture of two hills filled in grey, and three fitted Gaussians. Two narrow ones, the minima of KL of q from p, each sit on one hill. A wide one, the minimum of KL of p from q, covers both hills and is high in the valley between them."
gaussian_density = jax.jit(lambda x, mean, log_sigma: jnp.exp(probability.normal_log_prob(x, mean, log_sigma)))
fig, ax = plt.subplots(figsize=(7, 2.9))
ax.fill_between(line, np.exp(log_mixture), color=GREY, alpha=0.3, label="$p$")
for (name, fitted), colour, style in zip(fits.items(), [BLUE, BLUE, ORANGE], ["-", "--", "-"], strict=True):
    ax.plot(line, gaussian_density(line, *fitted), color=colour, ls=style, label=name)
ax.set(xlabel="$x$", ylabel="density", xlim=(-6, 6), ylim=(0, 0.8))
legend = ax.legend(fontsize=9, ncols=2)

# %% [markdown]
# The covering fit has the mean and the variance of $p$. A fit that sits on a hill of weight $w$ pays $-\ln w$ for all that
# it leaves out.

# %% tags=["nbval-check-output"]
mean, sigma = fits["KL(p‖q)"][0], math.exp(fits["KL(p‖q)"][1])
print(f"fit:     mean {mean:.3f}, variance {sigma**2:.2f}")
print(f"mixture: mean {-2 * 0.4 + 2 * 0.6:.3f}, variance {0.7**2 + 4 * (1 - 0.2**2):.2f}")
for side, weight in {"left": 0.4, "right": 0.6}.items():
    paid = divergence(fits[f"KL(q‖p) from the {side}"], "q, p")
    print(f"{side:5} hill: KL {paid:.2f}, -ln {weight} = {-math.log(weight):.2f}")

# %% [markdown] tags=["exercise"]
# Variational inference uses $\mathrm{KL}(q\,\|\,p)$, the mode-seeking order, because its mean is over $q$: from $q$ we can
# sample; from the unknown posterior we cannot.
#
# ### Exercise 5.1 — Two uniforms
# Write $\mathrm{KL}(q\,\|\,p)$ for uniform distributions that start at 0 and have widths `width_q` and `width_p`. Mind the
# case in which $q$ sticks out.


# %% tags=["exercise"]
def kl_two_uniforms(width_q, width_p):
    ### BEGIN SOLUTION
    return jnp.where(width_q <= width_p, jnp.log(width_p / width_q), jnp.inf)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.1") as check:
    check.close("equal widths give 0", kl_two_uniforms(1.0, 1.0), 0.0)
    check.close("width 1 inside width 2", kl_two_uniforms(1.0, 2.0), np.log(2.0), hint="Which width goes on top?")
    check.close("width 2 sticks out of width 1", kl_two_uniforms(2.0, 1.0), np.inf, hint="Where p = 0, q is not.")

# %% [markdown] tags=["derivation"]
# ## 5.3 The derivation, line by line
#
# We look for $\min_q\mathrm{KL}(q(z\mid x)\,\|\,p(z\mid x))$, but the posterior contains the unknown $p(x)$. Expand it:
#
# $$
# \begin{aligned}
# \mathrm{KL}(q(z\mid x)\,\|\,p(z\mid x))&=\sum_z q(z\mid x)\,\ln\frac{q(z\mid x)}{p(z\mid x)} &&(1)\\
# &=\sum_z q(z\mid x)\,\ln\frac{q(z\mid x)\,p(x)}{p(x,z)} &&(2)\\
# &=\sum_z q(z\mid x)\,\ln\frac{q(z\mid x)}{p(x,z)}+\ln p(x)\sum_z q(z\mid x) &&(3)\\
# &=-\mathcal L+\ln p(x) &&(4)
# \end{aligned}
# $$
#
# (2) puts in $p(z\mid x)=p(x,z)/p(x)$. In (3) $\ln p(x)$ leaves the sum, because it does not depend on $z$; in (4) the
# weights $q$ add up to 1. What remains is named
#
# $$\mathcal L=\sum_z q(z\mid x)\,\ln\frac{p(x,z)}{q(z\mid x)}.$$
#
# **Predict:** for some $q$ that is not the posterior, which of the four lines give the same number?

# %% tags=["nbval-check-output"]
q = jnp.array([0.3, 0.4, 0.3])
p_x, p_xz = evidence[seen], joint[:, seen]
bound = jnp.sum(q * jnp.log(p_xz / q))
print(f"(1) {jnp.sum(q * jnp.log(q / posterior)):.4f}")
print(f"(2) {jnp.sum(q * jnp.log(q * p_x / p_xz)):.4f}")
print(f"(3) {jnp.sum(q * jnp.log(q / p_xz)) + jnp.log(p_x) * jnp.sum(q):.4f}")
print(f"(4) {-bound + jnp.log(p_x):.4f}")

# %% [markdown]
# All four. Rearranged:
#
# $$\ln p(x)=\mathrm{KL}(q(z\mid x)\,\|\,p(z\mid x))+\mathcal L.$$
#
# The KL is never negative. So $\mathcal L\le\ln p(x)$: it is the **evidence lower bound**, the ELBO. It needs the joint,
# never the posterior.
#
# **Predict:** we move $q$ from the uniform distribution through the posterior and beyond. What will $\mathcal L$ do?


# %% alt="The bound as a curve under the dashed level of ln p(x). It rises, touches the level at one point, where q is the posterior, and falls again. The gap between them is shaded and labelled KL of q from the posterior."
def elbo_of(q):
    return jnp.sum(q * (jnp.log(p_xz) - jnp.log(q)))


t = np.linspace(-1.0, 3.0, 81)
path = np.asarray(posterior) ** t[:, None]
path /= path.sum(axis=1, keepdims=True)
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.set(xlabel="$t$   (0: uniform, 1: posterior)", ylabel="nats", ylim=(-2.5, -1.35))
inference.bound_and_gap(ax, t, jax.jit(jax.vmap(elbo_of))(path), np.log(p_x))
# %% [markdown]
# It touches $\ln p(x)$ where $q$ is the posterior. Three errata of the pages that this course follows belong here.

# %% [markdown] tags=["box"]
# **Erratum.** The page prints the bound as $\sum_z q(z)\ln\frac{p(x,z)}{q(z\mid x)}$. It mixes two distributions: the one
# that weights the sum must be the one under the logarithm. Mixed, it is no bound: it can exceed $\ln p(x)$.

# %% tags=["nbval-check-output"]
q_z, q_zx = jnp.array([0.1, 0.8, 0.1]), jnp.array([0.45, 0.1, 0.45])
print(f"ln p(x)                     {jnp.log(p_x):.4f}")
print(f"printed, q(z) and q(z|x)    {jnp.sum(q_z * jnp.log(p_xz / q_zx)):.4f}   above ln p(x)")
print(f"right,   q(z|x) throughout  {jnp.sum(q_zx * jnp.log(p_xz / q_zx)):.4f}")

# %% [markdown] tags=["box"]
# **Erratum.** The page says that we cannot *maximize* this KL. What we want, and cannot do directly, is to **minimize** it.
# The KL has no useful maximum: it is largest where $q$ is most wrong.

# %% tags=["nbval-check-output"]
candidates = jax.nn.softmax(3 * jax.random.normal(jax.random.key(1), (200_000, 3)), axis=1)
divergences, bounds = jax.jit(jax.vmap(lambda q: (kl(q, posterior), elbo_of(q))))(candidates)
rounded = [round(float(v), 1) for v in posterior]
print("posterior               ", rounded)
print("q of the smallest KL    ", [round(float(v), 1) for v in candidates[divergences.argmin()]])
print("q of the largest KL     ", [round(float(v), 1) for v in candidates[divergences.argmax()]])

# %% [markdown] tags=["box"]
# **Erratum.** The page asks for the *minimal* ELBO. Since $\mathrm{KL}=\ln p(x)-\mathcal L$, the smallest KL belongs to the
# **maximal** ELBO.

# %% tags=["nbval-check-output"]
print("q of the smallest ELBO, as printed:", [round(float(v), 1) for v in candidates[bounds.argmin()]])
print("q of the largest ELBO:             ", [round(float(v), 1) for v in candidates[bounds.argmax()]])

# %% [markdown] tags=["derivation"]
# ### Why the KL may be dropped
#
# We maximise $\mathcal L$ and never compute $\mathrm{KL}(q\,\|\,p(z\mid x))$. For $\phi$ nothing is lost: $\ln p(x)$ does not
# depend on $\phi$, so the gradient of $\mathcal L$ is exactly minus that of the KL. For $\theta$ something is lost: $\ln p(x)$ and
# the KL both depend on $\theta$. Raising $\mathcal L$ then raises $\ln p(x)$ **or** closes the gap; what we dropped is never
# negative, so the result stays a promise: $\ln p(x)$ is at least $\mathcal L$. If $q$ is the posterior, the KL is at its
# minimum 0, its gradient vanishes, and the gradients of $\mathcal L$ and $\ln p(x)$ agree.
#
# Here $\phi$ are the log-probabilities (up to a constant) of $q$, and $\theta$ those of the prior.
#
# **Predict:** which two of the three pairs of gradients below agree?


# %% tags=["nbval-check-output"]
def terms(phi, theta):
    q, joint = jax.nn.softmax(phi), jax.nn.softmax(theta) * likelihood[:, seen]
    return jnp.sum(q * jnp.log(joint / q)), jnp.log(joint.sum())  # the bound, ln p(x)


def gap(phi, theta):
    return terms(phi, theta)[1] - terms(phi, theta)[0]


def show(name, *vectors):
    print(f"{name:30}", *([f"{float(v) + 0.0:+.3f}" for v in vector] for vector in vectors))


phi, theta = jnp.log(q), jnp.log(prior)
by_phi, by_theta = (jax.jit(jax.jacrev(terms, argnums=i)) for i in (0, 1))
show("dL/dphi and -dKL/dphi", by_phi(phi, theta)[0], -jax.jit(jax.grad(gap))(phi, theta))
show("dL/dtheta and dlnp/dtheta", *by_theta(phi, theta))
show("the same, q = posterior", *by_theta(jnp.log(posterior), theta))

# %% [markdown] tags=["derivation"]
# ### Two terms: decoder and encoder
#
# Put $p(x,z)=p(x\mid z)\,p(z)$ into $\mathcal L$:
#
# $$\mathcal L=\underbrace{\mathbb E_{q(z\mid x)}\ln p_\theta(x\mid z)}_{\text{decoder: reconstruct }x}
# -\underbrace{\mathrm{KL}(q_\phi(z\mid x)\,\|\,p(z))}_{\text{encoder: stay near the prior}}.$$
#
# The first term is large if $z$, drawn by the encoder $q$, lets the decoder $p$ give $x$ a high probability. The second is
# what the encoder pays for every departure from the prior. Note the two KLs: *this* one compares $q$ with the
# **prior** and can be computed; the gap compares $q$ with the **posterior** and cannot.

# %% tags=["nbval-check-output"]
reconstruction = jnp.sum(q * jnp.log(likelihood[:, seen]))
print(
    f"E_q ln p(x|z) - KL(q || p(z)) = {reconstruction:.4f} - {kl(q, prior):.4f} = {reconstruction - kl(q, prior):.4f}"
)
print(f"L                             = {elbo_of(q):.4f}")

# %% [markdown]
# The same with a continuous latent. The prior is $\mathcal N(0,1)$, the likelihood $p(x\mid z)=\mathcal N(x;f(z),0.6^2)$, and we
# have seen $x=1.5$. On a fine grid of $z$ even the posterior can be computed.
#
# **Predict, then move:** lay $q$ on the posterior. How large is the gap then? For $f(z)=z^2$ two values of $z$ explain $x$:
# can the gap be closed?

# %%
evidence_explorer()

# %% [markdown]
# With $f(z)=1.2z$ the posterior is a Gaussian: at its mean and width the gap is 0. With $f(z)=z^2$ it has two hills, and
# one Gaussian must choose: some gap remains.

# %% [markdown] tags=["exercise"]
# ### Exercise 5.2 — The bound for any track
# Write the ELBO of a distribution `q` over the animals when the track has size `x`. Use `prior` and `likelihood` only.


# %% tags=["exercise"]
def elbo_of_track(q, x):
    ### BEGIN SOLUTION
    return jnp.sum(q * jnp.log(likelihood[:, x])) - jnp.sum(q * jnp.log(q / prior))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.2") as check:
    uniform = jnp.ones(3) / 3
    check.close("size 2, uniform q", elbo_of_track(uniform, 2), elbo_of(uniform), hint="Which column of likelihood?")
    given_size_0 = joint[:, 0] / evidence[0]
    check.close("size 0, q = posterior: ln p(x)", elbo_of_track(given_size_0, 0), jnp.log(evidence[0]), hint="Signs?")
    check.close("q = prior: no KL is left", elbo_of_track(prior, 3), jnp.sum(prior * jnp.log(likelihood[:, 3])))

# %% [markdown] tags=["derivation"]
# ## 5.4 The bound, seen another way
#
# **Jensen's inequality.** For a *concave* function $f$, such as the logarithm, $f(\mathbb E\,u)\ge\mathbb E\,f(u)$; for a *convex*
# one, $\le$. Use it on $u=p(x,z)/q(z\mid x)$, whose mean under $q$ is the evidence:
#
# $$\ln p(x)=\ln\sum_z q(z\mid x)\,\frac{p(x,z)}{q(z\mid x)}=\ln\mathbb E_q\,u\;\ge\;\mathbb E_q\ln u=\mathcal L.$$
#
# The difference is the **Jensen gap**. From section 5.3 we know what it is: $\mathrm{KL}(q\,\|\,p(z\mid x))$.
#
# We take a $q$ that favours the hare, against the evidence.
#
# **Predict:** in the picture, which point will stand for $\ln p(x)$, and which for $\mathcal L$?

# %% alt="The curve ln u with three green points on it, one for each animal, at u = p(x,z) / q(z). At the mean of u, the point on the curve is ln p(x). Straight below it, on the mean height of the three points, lies the bound. The vertical distance is the Jensen gap."
q_far = jnp.array([0.6, 0.2, 0.2])
u = p_xz / q_far
curve = np.linspace(0.035, 0.85, 200)
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.plot(curve, np.log(curve), color=GREY, label=r"$\ln u$")
ax.scatter(u, jnp.log(u), s=250 * q_far, color=GREEN, zorder=3, label="the three states, area $q(z)$")
ax.plot([p_x, p_x], [elbo_of(q_far), jnp.log(p_x)], color=ORANGE, lw=3, label="Jensen gap")
ax.plot(p_x, jnp.log(p_x), "o", color=INK, label=r"$\ln p(x)=\ln E_q u$")
ax.plot(p_x, elbo_of(q_far), "o", color=BLUE, label=r"$\mathcal{L}=E_q\ln u$")
ax.set(xlabel="$u=p(x,z)/q(z|x)$", ylabel="nats")
legend = ax.legend(fontsize=9)

# %% tags=["nbval-check-output"]
print(f"Jensen gap            {jnp.log(jnp.sum(q_far * u)) - jnp.sum(q_far * jnp.log(u)):.4f}")
print(f"KL(q || posterior)    {kl(q_far, posterior):.4f}")
u_exact = p_xz / posterior
print("u if q = posterior   ", [round(float(v), 4) for v in u_exact])

# %% [markdown]
# If $q$ is the posterior, $u$ is the same for every $z$. A mean of equal numbers has no Jensen gap.

# %% [markdown] tags=["box"]
# **Erratum.** The card on Jensen's inequality has concave and convex exchanged: it prints
# $f(\mathbb E\,u)\ge\mathbb E f(u)$ for convex $f$. Take the convex $f(u)=u^2$, or $e^u$: the printed sign fails.

# %% tags=["nbval-check-output"]
for name, f in {"u^2   (convex) ": jnp.square, "exp u (convex) ": jnp.exp, "ln u  (concave)": jnp.log}.items():
    of_mean, mean_of = f(jnp.sum(q_far * u)), jnp.sum(q_far * f(u))
    print(f"{name}  f(E u) = {of_mean:.4f}  {'>=' if of_mean >= mean_of else '<='}  E f(u) = {mean_of:.4f}")

# %% [markdown] tags=["box"]
# **Erratum.** The page prints $\ln p_\theta(x)=\int\ln p_\theta(x\mid z)\,p(z)\,dz$. The logarithm belongs outside the
# integral; inside, Jensen makes it a lower bound. And it is not the ELBO of our $q$: it is the one for the single choice
# $q=p(z)$, which has no encoder and ignores what we see.

# %% tags=["nbval-check-output"]
print(f"ln p(x)                    {jnp.log(p_x):.4f}")
print(f"printed: E_p(z) ln p(x|z)  {jnp.sum(prior * jnp.log(likelihood[:, seen])):.4f}")
print(f"ELBO with q = p(z)         {elbo_of(prior):.4f}")
print(f"ELBO with our q            {elbo_of(q):.4f}")

# %% [markdown] tags=["derivation"]
# ### Entropy, cross-entropy, free energy
#
# The **entropy** $H(q)=-\sum_z q\ln q$ is the mean surprise of $q$; the **cross-entropy** $H(q,p)=-\sum_z q\ln p$ is the mean
# surprise when one believes $p$. The energy below is the cross-entropy of $q$ and the joint. In these words
#
# $$\mathcal L=\mathbb E_q\ln p(x,z)+H(q),\qquad F=-\mathcal L=\underbrace{\mathbb E_q\left[-\ln p(x,z)\right]}_{\text{energy}}
# -\underbrace{H(q)}_{\text{entropy}}.$$
#
# $F$ is the **free energy** of physics. It is what we minimise: loss $=F=-\mathcal L\ge-\ln p(x)$.

# %% [markdown] tags=["box"]
# **Erratum.** The page prints the entropy as $\sum_z q\ln q$, without its minus sign. For probabilities that is negative,
# and an entropy is not; with it, the decomposition of $\mathcal L$ fails.

# %% tags=["nbval-check-output"]
printed, entropy = jnp.sum(q * jnp.log(q)), -jnp.sum(q * jnp.log(q))
energy = -jnp.sum(q * jnp.log(p_xz))
print(f"L = {elbo_of(q):.4f}")
print(f"-energy + entropy, right   {-energy + entropy:.4f}   (entropy {entropy:.4f})")
print(f"-energy + entropy, printed {-energy + printed:.4f}   (entropy {printed:.4f})")

# %% [markdown] tags=["box"]
# **More about this ELBO.** One quantity, five readings:
#
# | written as | says |
# |---|---|
# | $\ln p(x)-\mathrm{KL}(q\,\|\,p(z\mid x))$ | evidence less the error of $q$ |
# | $\mathbb E_q\ln\frac{p(x,z)}{q(z\mid x)}$ | Jensen's bound; needs the joint only |
# | $\mathbb E_q\ln p(x\mid z)-\mathrm{KL}(q\,\|\,p(z))$ | decoder and encoder |
# | $\mathbb E_q\ln p(x,z)+H(q)$ | likely states, but spread out |
# | $-F$ | minus the free energy |
#
# It is maximal, and equal to $\ln p(x)$, if and only if $q$ is the posterior. It can be estimated from samples of $q$
# without bias; $\ln p(x)$ cannot.

# %% [markdown]
# ## 5.5 Why have latent variables?
#
# Because **marginalising adds expressive power**. Each $p(x\mid z)$ below is one Gaussian. Their weighted sum, the
# **mixture** $p(x)=\sum_z p(z)\,p(x\mid z)$, is not.

# %% alt="Three thin Gaussian curves of different heights and places, each weighted by its prior, and their sum as a thick dark curve with three uneven bumps."
weights, means, sigmas = jnp.array([0.5, 0.3, 0.2]), jnp.array([-2.0, 0.5, 3.0]), jnp.array([0.6, 0.9, 0.4])
grid = np.linspace(-5, 5, 400)
parts = weights[:, None] * gaussian_density(grid, means[:, None], np.log(sigmas)[:, None])
fig, ax = plt.subplots(figsize=(6.4, 2.6))
ax.plot(grid, parts.T, color=GREEN, lw=1)
ax.plot(grid, parts.sum(axis=0), color=INK, label="$p(x)$")
ax.set(xlabel="$x$", ylabel="density")
legend = ax.legend()

# %% [markdown] tags=["box"]
# **Tricks.** Three choices turn this into a machine for complicated densities.
#
# 1. *The likelihood is Gaussian, with a flexible mean:* $p(x\mid z)=\mathcal N(x;f(z,\theta),\sigma^2I)$, where $f$ is a neural
#    network. (For bits, a Bernoulli.)
# 2. *The prior is a standard normal,* $p(z)=\mathcal N(0,I)$. Nothing is lost: the first layers of $f$ can bend it into
#    another shape.
# 3. *Marginalising does the rest.* With a continuous $z$, $p(x)=\int p(x\mid z)\,p(z)\,dz$ is a mixture of infinitely many
#    Gaussians.

# %% [markdown]
# Tricks 1 to 3 with one latent and one $x$: $f(z)=2\tanh 3z+z/2$ and $\sigma=0.3$.
#
# **Predict:** $z$ has one hump. How many has $p(x)$?

# %% alt="Left, the function f as a red curve with a steep step at zero, and a cloud of points around it. Right, the marginal density of x turned by ninety degrees: two sharp humps, although z has a single one."
z, noise = np.asarray(jax.random.normal(jax.random.key(2), (2, 2000)))
x = 2 * np.tanh(3 * z) + z / 2 + 0.3 * noise
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.9), sharey=True, width_ratios=[2, 1])
left.scatter(z, x, s=3, color=GREY, alpha=0.5)
steps = np.linspace(-3.5, 3.5, 300)
left.plot(steps, 2 * np.tanh(3 * steps) + steps / 2, color=RED, label="$f(z)$")
left.set(xlabel="$z$", ylabel="$x$")
right.hist(x, bins=60, density=True, orientation="horizontal", color=GREY)
right.set(xlabel="$p(x)$")
legend = left.legend()

# %% [markdown]
# In two dimensions, a famous example: the function
#
# $$g(z)=\frac{z}{10}+\frac{z}{\lVert z\rVert}$$
#
# turns a round normal cloud into a **ring**. The same points, the same colours, before and after.
#
# **Predict:** which points end up at the inner edge?

# %% alt="Left, a round normal cloud of points, coloured by their direction. Right, the same points after g: a thin ring of radius about 1.1, with the colours in the same directions."
z = np.asarray(jax.random.normal(jax.random.key(3), (1000, 2)))
ring = z / 10 + z / np.linalg.norm(z, axis=1, keepdims=True)
fig, axes = plt.subplots(1, 2, figsize=(6.6, 3.2))
for ax, points, name in [(axes[0], z, "$z$"), (axes[1], ring, "$g(z)$")]:
    ax.scatter(*points.T, c=np.arctan2(z[:, 1], z[:, 0]), cmap="twilight", s=5)
    ax.set(title=name, aspect="equal")

# %% [markdown]
# **Predict, then move:** between $z$ and $g(z)$, where do the circles around 0 go? Which of them moves outwards?

# %%
ring_explorer()

# %% [markdown] tags=["derivation"]
# Since $\lVert g(z)\rVert=1+\lVert z\rVert/10$, the inner edge is made of the points that were nearest to 0.
#
# ### Learning a mixture: EM
#
# The **expectation–maximization** algorithm is the ELBO at work. For data $x_1,\dots,x_N$ and discrete $z$:
#
# - **E-step:** set $q(z\mid x_n)$ to the exact posterior. The gap closes: $\mathcal L=\ln p(x)$.
# - **M-step:** maximise $\mathcal L$ over $\theta$ with $q$ fixed. For a Gaussian mixture: weighted means and variances.
#
# $\mathcal L$ rises in each M-step, and $\ln p(x)\ge\mathcal L$; so $\ln p(x)$ never falls.


# %%
@jax.jit
def e_step(x, log_weights, means, log_sigmas):
    log_joint = log_weights + probability.normal_log_prob(x[:, None], means, log_sigmas)
    return jax.nn.softmax(log_joint, axis=1), log_joint


@jax.jit
def m_step(x, q):
    count = q.sum(axis=0)
    means = (q * x[:, None]).sum(axis=0) / count
    variances = (q * (x[:, None] - means) ** 2).sum(axis=0) / count
    return jnp.log(count / len(x)), means, 0.5 * jnp.log(variances)


# %% [markdown]
# The data: 600 points of the mixture above. We start with three equal Gaussians at $-1,0,1$.
#
# **Predict:** will the curve of the log-likelihood rise evenly, or in steps?

# %%
rng = np.random.default_rng(5)
state = rng.choice(3, size=600, p=np.array([0.5, 0.3, 0.2]))
points = rng.normal(np.asarray(means)[state], np.asarray(sigmas)[state]).astype(np.float32)
theta = (np.log(np.full(3, 1 / 3)), np.array([-1.0, 0.0, 1.0]), np.zeros(3))
log_likelihoods = []
for _ in range(40):
    responsibilities, log_joint = e_step(points, *theta)
    log_likelihoods.append(np.logaddexp.reduce(log_joint, axis=1).mean())
    theta = m_step(points, responsibilities)
log_ratios = log_joint - np.log(responsibilities + 1e-30)
bound = np.sum(responsibilities * log_ratios, axis=1).mean()
print("steps that lowered the log-likelihood:", int((np.diff(log_likelihoods) < -1e-6).sum()))
print("after an E-step the bound is ln p(x): ", bool(np.isclose(bound, log_likelihoods[-1], atol=1e-5)))

# %% alt="Left, histogram of the 600 points and the fitted mixture with its three humps, close to the true density. Right, the mean log-likelihood over 40 EM iterations: it only rises, steeply at first, with a slower stretch, then flat."
fitted = np.exp(e_step(grid, *theta)[1]).sum(axis=1)
fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.8))
left.hist(points, bins=40, density=True, color=GREY, alpha=0.4)
left.plot(grid, fitted, color=BLUE, label="EM")
left.plot(grid, parts.sum(axis=0), color=INK, ls="--", lw=1.2, label="truth")
left.set(xlabel="$x$", ylabel="density")
right.plot(log_likelihoods)
right.set(xlabel="iteration", ylabel="mean $\\ln p(x)$ [nats]")
legend = left.legend()

# %% [markdown] tags=["derivation"]
# ### MLE and MAP
#
# EM seeks the **maximum-likelihood estimate** (MLE), $\arg\max_\theta\ln p(\text{data}\mid\theta)$. The **maximum a posteriori**
# estimate (MAP) adds a prior over the parameters: $\arg\max_\theta\,[\ln p(\text{data}\mid\theta)+\ln p(\theta)]$. For mixtures
# the difference is serious. Put one component exactly on one data point and let its $\sigma$ shrink. As $\ln p(\theta)$ we
# take $-0.01/\sigma^2$, up to constants: an inverse-gamma prior on $\sigma^2$, which finds tiny $\sigma$ improbable.
#
# **Predict:** which $\sigma$ is best for each of the two?


# %% tags=["nbval-check-output"]
def spiked(sigma):
    centres, widths = np.array([points[0], 0.0]), np.log([sigma, 2.5])
    log_joint = e_step(points[:12], np.log(0.5), centres, widths)[1]
    return np.logaddexp.reduce(log_joint, axis=1).sum()


for sigma in (1.0, 0.1, 1e-4, 1e-8, 1e-16):
    print(
        f"sigma {sigma:6.0e}   likelihood {spiked(sigma):6.1f}   with the prior {spiked(sigma) - 0.01 / sigma**2:8.3g}"
    )

# %% [markdown]
# The likelihood grows without end: this MLE **does not exist**, and a spike on one point is no knowledge. The prior ends it.
# (EM above found a good *local* maximum.)
#
# ## 5.6 Why not simply draw from the prior?
#
# $p(x)=\mathbb E_{p(z)}\,p(x\mid z)$ is a mean. So draw $z$ from the prior and average?

# %% [markdown] tags=["derivation"]
# **Importance sampling** is more general: draw $z_1,\dots,z_k$ from any $q$, and weight each:
#
# $$p(x)=\mathbb E_q\,w,\quad w_i=\frac{p(x,z_i)}{q(z_i)},\qquad
# \widehat{p}(x)=\frac1k\sum_i w_i.$$
#
# With $q=p(z)$ the weight is $w=p(x\mid z)$. The logarithm of the mean of the weights is (by Jensen) too low on average, less so as
# $k$ grows: the **importance-weighted bound**. The mean of the logarithms is the ELBO. The **effective sample size** says how
# many of the $k$ samples carry the weight:
#
# $$\mathrm{ESS}=\frac{\left(\sum_i w_i\right)^2}{\sum_i w_i^2},\qquad 1\le\mathrm{ESS}\le k.$$


# %% library="course_lib.probability.bounds:elbo"
def elbo(log_joint, log_q, axis=0):
    return (log_joint - log_q).mean(axis=axis)


# %% library="course_lib.probability.bounds:iwae_bound"
def iwae_bound(log_joint, log_q, axis=0):
    log_weights = log_joint - log_q
    return logsumexp(log_weights, axis=axis) - math.log(log_weights.shape[axis])


# %% [markdown]
# A model in $d$ dimensions whose $p(x)$ is known: $z\sim\mathcal N(0,I)$ and $x\mid z\sim\mathcal N(z,s^2I)$. Then
# $x\sim\mathcal N(0,(1+s^2)I)$, and the posterior is normal with mean $x/(1+s^2)$ and variance $s^2/(1+s^2)$.
#
# The dimensions are independent: a running sum of their log-weights gives every $d\le40$ at once.


# %%
s, k, most = 0.5, 20_000, 40
x_key, z_key, noise_key = jax.random.split(jax.random.key(5), 3)
x = jax.random.normal(z_key, (most,)) + s * jax.random.normal(x_key, (most,))
exact = jnp.cumsum(probability.normal_log_prob(x, 0.0, 0.5 * math.log(1 + s**2)))
noise = jax.random.normal(noise_key, (k, most))


@jax.jit
def log_weights(mean, sigma):
    z = mean + sigma * noise
    log_joint = probability.normal_log_prob(z, 0.0, 0.0) + probability.normal_log_prob(x, z, math.log(s))
    return jnp.cumsum(log_joint - probability.normal_log_prob(z, mean, jnp.log(sigma)), axis=1)


# %% [markdown]
# ### What goes wrong
#
# **Predict:** 20,000 draws from the prior, 40 dimensions. How many of them count?

# %% alt="Two panels against the dimension from 1 to 40. Left, the estimate minus the exact ln p(x): for the prior it falls from zero to many nats below; for a q near the posterior it stays on the zero line. Right, the effective sample size on a logarithmic scale: for the prior it falls exponentially from 20,000 to about one, for q it declines slowly."
posterior_mean, posterior_sigma = x / (1 + s**2), s / math.sqrt(1 + s**2)
choices = {"prior": (np.zeros(most), 1.0, RED), "q near the posterior": (posterior_mean, 1.1 * posterior_sigma, BLUE)}
quality = jax.jit(lambda log_w: (iwae_bound(log_w, 0.0) - exact, probability.effective_sample_size(log_w)))
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
for name, (mean, sigma, colour) in choices.items():
    errors, sizes = quality(log_weights(mean, sigma))
    left.plot(range(1, most + 1), errors, color=colour, label=name)
    right.semilogy(range(1, most + 1), sizes, color=colour, label=name)
left.axhline(0, color=INK, ls="--", lw=1)
left.set(xlabel="dimension of $z$", ylabel="estimate − exact [nats]")
right.set(xlabel="dimension of $z$", ylabel="effective sample size")
legend = left.legend()

# %% [markdown] tags=["box"]
# **Why not simply draw from $p(z)$?** Almost every $z$ of the prior gives $x$ almost no probability. In each dimension only a
# fraction of the draws lands where $p(x\mid z)$ is not tiny; the fractions multiply. The number of samples needed grows
# exponentially with $\dim z$. The estimate has no bias, but its logarithm is wrong by many nats, and it does not warn
# you: it looks like any other number. $q(z\mid x)$ proposes the few $z$ that could have made this $x$. It need not be exact:
# here it is 10 % too wide.

# %%
for name, (mean, sigma, _) in choices.items():
    errors, sizes = quality(log_weights(mean, sigma))
    print(f"d = {most}, {name}: {sizes[-1]:.1f} of {k} samples count, error {errors[-1]:+.2f} nats")

# %% [markdown]
# With $q=$ the exact posterior every weight is $p(x)$: one sample is enough, in any dimension.

# %% tags=["nbval-check-output"]
log_w = np.asarray(log_weights(posterior_mean, posterior_sigma)[:, -1])
print(f"spread of the log-weights: {np.std(log_w):.4f} nats")
print("ELBO equals exact ln p(x):", bool(np.isclose(elbo(log_w, 0.0), exact[-1], atol=1e-3)))

# %% [markdown]
# ## 5.7 The reparametrization trick
#
# To improve $q_\phi$ we need the gradient of $\mathbb E_{q_\phi}f(z)$, where $\phi$ is in the *distribution* of the samples. A
# test with a known answer:
#
# $$q=\mathcal N(\mu,\sigma^2),\quad f(z)=z^2,\quad \mathbb E_qf=\mu^2+\sigma^2,\quad
# \frac{\partial}{\partial\mu}\mathbb E_qf=2\mu.$$
#
# ### What goes wrong
#
# A direct way to sample: a table of the density, and a draw from the table.
#
# **Predict:** the value will be about $1.5^2+1=3.25$. And the gradient, which should be 3?


# %%
def mean_of_square(mean, key):
    table = jnp.linspace(-8, 10, 4001)
    density = jnp.exp(probability.normal_log_prob(table, mean, 0.0))
    z = jax.random.choice(key, table, (10_000,), p=density / density.sum())
    return jnp.mean(z**2)


value, gradient = jax.jit(jax.value_and_grad(mean_of_square))(1.5, jax.random.key(6))
print(f"value {value:.2f}, gradient {gradient:.2f}")

# %% [markdown]
# The gradient is 0, and no error is raised: a draw picks an *entry*, and a small change of $\mu$ picks the same entry. An
# encoder trained like this learns nothing from the decoder.
#
# The repair: let the randomness come from outside, $z=\mu+\sigma\varepsilon$ with $\varepsilon\sim\mathcal N(0,1)$.


# %% library="course_lib.vae.reparameterization:reparameterize"
def reparameterize(key, mean, log_sigma):
    noise = jax.random.normal(key, mean.shape)
    return mean + jnp.exp(log_sigma) * noise


# %% [markdown] tags=["derivation"]
# The mean over $q_\phi$ has become a mean over $\varepsilon$, whose distribution contains no $\phi$. So the gradient may go **inside the
# expectation**:
#
# $$\nabla_\phi\,\mathbb E_{q_\phi(z)}f(z)=\nabla_\phi\,\mathbb E_{\varepsilon}\,f(\mu+\sigma\varepsilon)
# =\mathbb E_{\varepsilon}\,\nabla_\phi f(\mu+\sigma\varepsilon).$$
#
# This is a change of variables in the mean: an expectation over one distribution written as an expectation over another.
# It needs a differentiable $f$ and a continuous $z$. The alternative needs neither. The **score-function** estimator uses
# $\nabla q=q\,\nabla\ln q$:
#
# $$\nabla_\phi\,\mathbb E_{q_\phi}f(z)=\mathbb E_{q_\phi}\left[f(z)\,\nabla_\phi\ln q_\phi(z)\right].$$
#
# **Predict:** both have the mean 3. Which one scatters more?


# %%
def pathwise(key):
    return jax.grad(lambda mean: reparameterize(key, mean, 0.0) ** 2)(jnp.array(1.5))


def score_function(key):
    z = reparameterize(key, jnp.array(1.5), 0.0)
    return z**2 * jax.grad(probability.normal_log_prob, argnums=1)(z, 1.5, 0.0)


keys = jax.random.split(jax.random.key(7), 20_000)
estimators = {"reparametrization": pathwise, "score function": score_function}
gradients = {name: np.asarray(jax.jit(jax.vmap(one))(keys)) for name, one in estimators.items()}
for name, samples in gradients.items():
    gradient, error = probability.mean_and_error(samples)
    print(f"{name:18} mean {gradient:.2f} ± {error:.2f}   variance {samples.var():5.1f}")

# %% alt="Histograms of 20,000 single-sample gradients. The reparametrization gradients form a narrow bell around 3. The score-function gradients have a sharp peak at zero and a long tail to the right, beyond 50. The density axis is logarithmic."
fig, ax = plt.subplots(figsize=(6.4, 2.7))
for (name, samples), colour in zip(gradients.items(), [BLUE, ORANGE], strict=True):
    ax.hist(samples, bins=np.linspace(-20, 60, 121), density=True, alpha=0.6, color=colour, label=name)
ax.axvline(3, color=INK, ls="--", lw=1, label="exact gradient")
ax.set(xlabel="gradient from one sample", ylabel="density", yscale="log")
legend = ax.legend()

# %% [markdown]
# Here the variances are known: $4\sigma^2$ against $\mu^4/\sigma^2+14\mu^2+15\sigma^2$. Equal means, but the score function needs
# about ten times as many samples for the same accuracy.

# %% tags=["nbval-check-output"]
print(f"exact variances: {4.0:.1f} and {1.5**4 + 14 * 1.5**2 + 15:.1f}")

# %% [markdown]
# Another example to play with: the gradient of $\mathbb E\,(z-1)^2$ with respect to $\mu$, from the same 150 noise values.
#
# **Predict, then move:** make $\sigma$ small. Which of the two clouds shrinks, and which one grows?

# %%
reparameterization_explorer()

# %% [markdown]
# The pathwise estimates close in on the exact gradient, because $z$ hardly varies. The score function divides by
# $\sigma$: away from $\mu=1$ its estimates scatter more and more.

# %% [markdown] tags=["exercise"]
# ### Exercise 5.3 — Another distribution
# Draw from the uniform distribution between `low` and `high` so that gradients pass. Use `jax.random.uniform(key, (n,))`,
# which draws between 0 and 1.


# %% tags=["exercise"]
def reparameterize_uniform(key, low, high, n):
    ### BEGIN SOLUTION
    return low + (high - low) * jax.random.uniform(key, (n,))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.3") as check:
    z = np.asarray(reparameterize_uniform(jax.random.key(8), -1.0, 3.0, 20_000))
    check.close("mean", z.mean(), 1.0, rtol=0.03)
    check.close("variance = width²/12", z.var(), 16 / 12, rtol=0.03, hint="Stretch first, then shift.")
    slope = jax.grad(lambda high: jnp.mean(reparameterize_uniform(jax.random.key(8), -1.0, high, 20_000)))(3.0)
    check.close("d mean / d high", slope, 0.5, rtol=0.03, hint="high must enter by arithmetic.")

# %% [markdown] tags=["exercise"]
# ### Exercise 5.4 — A quieter score function
# Subtracting a constant $b$ from $f$ changes nothing in the mean, because $\mathbb E_q\nabla\ln q=0$. It does change the variance.
# Write the score-function gradient by $\mu$ of $f(z)=z^2$ with the **baseline** $b$, for an array `z` of samples of
# $\mathcal N(\mu,1)$: one gradient for each sample.


# %% tags=["exercise"]
def with_baseline(z, mean, b):
    ### BEGIN SOLUTION
    return (z**2 - b) * (z - mean)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.4") as check:
    z = 1.5 + np.random.default_rng(9).normal(size=40_000)
    check.close("b = 0 at z = 2", with_baseline(np.array([2.0]), 1.5, 0.0), [2.0], hint="∂ln q/∂μ = z − μ here.")
    check.close("the mean is still 3", np.mean(with_baseline(z, 1.5, 3.25)), 3.0, rtol=0.03)
    smaller = np.var(with_baseline(z, 1.5, 3.25)) < 0.6 * np.var(with_baseline(z, 1.5, 0.0))
    check.true("b = E f lowers the variance", smaller, hint="Subtract b from f, before the product.")

# %% [markdown]
# ## 5.8 The variational auto-encoder
#
# Now both distributions become neural networks. The encoder $Q$ computes mean and variance of
# $q_\phi(z\mid x)=\mathcal N(\mu(x),\Sigma(x))$, with $\Sigma$ diagonal; a draw $z$ goes through the decoder $P$.

# %% alt="From left to right: x enters the blue encoder Q, which gives mu of x and Sigma of x in green; together with noise epsilon from outside they give z = mu + sigma epsilon; the red decoder P turns z into x hat. Below mu and Sigma stands the KL to the prior, below the decoder minus ln p of x given z."
fig = inference.vae_structure()

# %% [markdown] tags=["box"]
# **Erratum.** The page writes the mean and the covariance of $q$ as functions that may involve $z$. They can depend on $x$
# only. A "Gaussian" over $z$ whose own mean moves with $z$ is not normalised: take the mean $z/2$.

# %% tags=["nbval-check-output"]
z_line = np.linspace(-30, 30, 6001)
for name, mean in {"mean z/2": z_line / 2, "mean 0.7 = mu(x)": np.full(6001, 0.7)}.items():
    total = np.sum(gaussian_density(z_line, mean, 0.0)) * 0.01
    print(f"{name:17} total probability {total:.3f}")

# %% [markdown] tags=["derivation"]
# **The encoder's term** has a closed form. With $J$ latents, standard deviations $\sigma_j$ and the prior $\mathcal N(0,I)$,
#
# $$\mathrm{KL}(q\,\|\,p(z))=\frac12\sum_{j=1}^{J}\left(\mu_j^2+\sigma_j^2-1-\ln\sigma_j^2\right).$$
#
# **The decoder's term** with a Gaussian likelihood of fixed $\sigma$ is the squared error, in $d$ dimensions:
#
# $$-\ln p(x\mid z)=\frac{\lVert x-f(z)\rVert^2}{2\sigma^2}+\frac d2\ln(2\pi\sigma^2).$$
#
# So $\sigma$ sets the exchange rate between reconstruction and KL. Two more errata are about just this line.

# %% [markdown] tags=["box"]
# **Erratum.** The page prints the exponent of the Gaussian as $-(x-f)^2/\sigma^2$. Without the $\tfrac12$ it is no density: the
# total is $1/\sqrt2$.

# %% tags=["nbval-check-output"]
step, sigma = 0.001, 0.5
x_line = np.arange(-8, 8, step)
norm = np.sqrt(2 * np.pi * sigma**2)
print(f"printed: {np.sum(np.exp(-(x_line**2) / sigma**2)) / norm * step:.4f}")
print(f"right:   {np.sum(np.exp(-0.5 * x_line**2 / sigma**2)) / norm * step:.4f}")

# %% [markdown] tags=["box"]
# **Erratum.** The page's final line is $\lVert x-f(z)\rVert^2+\mathrm{KL}$: the factor $1/2\sigma^2$ was dropped, and with it the weight
# of the reconstruction. Test it where the answer is known: $x\mid z\sim\mathcal N(z,\sigma^2)$ with $\sigma=0.1$ and $x=1$ has the
# posterior mean $1/(1+\sigma^2)$. Minimise both versions over the mean $\mu$ of $q$.

# %% tags=["nbval-check-output"]
mu, sigma = np.linspace(0, 1.2, 12001), 0.1
error, kl_mean = (1.0 - mu) ** 2, 0.5 * mu**2  # the terms that depend on mu
print(f"posterior mean               {1 / (1 + sigma**2):.3f}")
print(f"with 1/(2 sigma^2)           {mu[np.argmin(error / (2 * sigma**2) + kl_mean)]:.3f}")
print(f"printed, without the weight  {mu[np.argmin(error + kl_mean)]:.3f}")

# %% [markdown]
# ### The data and the model
#
# The 5,000 digits, made binary: each $p(x\mid z)$ is a product of 784 Bernoulli distributions, whose logits the decoder
# computes.

# %%
digits = data.mnist_5k()
train, valid, test = (data.flatten(data.binarize(part.images)) for part in (digits.train, digits.valid, digits.test))
vae = Vae(784, [128], 12, rngs=nnx.Rngs(0))
mean, log_sigma = vae.encode(train[:5])
logits = vae.decode(mean)
print("images", train[:5].shape, "→ latents", mean.shape, "→ logits", logits.shape)

# %% [markdown]
# The bound for each image, written out: sums over pixels and over latents, **never means**.


# %%
def elbo_terms(vae, key, x):
    mean, log_sigma = vae.encode(x)
    z = reparameterize(key, mean, log_sigma)
    reconstruction = probability.bernoulli_log_prob(x, vae.decode(z)).sum(axis=-1)
    kl = 0.5 * (mean**2 + jnp.exp(2 * log_sigma) - 1 - 2 * log_sigma).sum(axis=-1)
    return reconstruction, kl


in_library = nnx.jit(Vae.elbo_terms)
ours, theirs = nnx.jit(elbo_terms)(vae, jax.random.key(10), train[:5]), in_library(vae, jax.random.key(10), train[:5])
print("the library computes the same:", bool(np.allclose(ours, theirs)))

# %% [markdown]
# ### One training step
#
# The loss is $-\mathcal L$, with one draw of $z$ for each image, averaged over the batch. Its gradient reaches $\theta$ in the
# decoder directly, and $\phi$ in the encoder through $z=\mu+\sigma\varepsilon$.
#
# **Predict:** before training, every pixel is about a fair coin. What is the loss, roughly?


# %% library="course_lib.vae.vae:negative_elbo"
def negative_elbo(model, batch, key):
    return -model.elbo(key, batch).mean()


# %% again="it trains the same VAE for four steps more"
@nnx.jit
def train_step(model, optimizer, batch, key):
    loss, gradients = nnx.value_and_grad(negative_elbo)(model, batch, key)
    optimizer.update(model, gradients)
    return loss


optimizer = nnx.Optimizer(vae, optax.adam(1e-3), wrt=nnx.Param)
for i in range(4):
    loss = train_step(vae, optimizer, train[100 * i : 100 * (i + 1)], jax.random.fold_in(jax.random.key(11), i))
    print(f"step {i}: {loss:.0f} nats   (784 fair coins: {784 * math.log(2):.0f})")

# %% [markdown]
# Step 0 is worse than fair coins: random weights are wrong and sure of it. The loop does this for all batches, 40 times, and
# keeps the state that is best on validation images.

# %% alt="Loss against epoch for training and validation images: both fall steeply within five epochs from above 200 nats, then slowly; the training curve ends lower than the validation curve." again="it trains the same VAE for 40 epochs more"
history = fit(
    vae, negative_elbo, train, key=jax.random.key(12), epochs=40, optimizer=optax.adam(4e-3), validation=valid
)
fig = learning_curves(history)

# %% [markdown]
# ## 5.9 What it has learned
#
# **Predict:** chapter 4 sampled from a plain auto-encoder's latent space, and failed. Here the KL has kept the codes near
# $\mathcal N(0,I)$. Draw $z$ from it and decode:

# %% alt="Forty decoded samples in four rows. About two thirds look like handwritten digits, the others are broken or between two digits."
z = jax.random.normal(jax.random.key(13), (40, 12))
fig = image_grid(vae.decode_mean(z).reshape(-1, 28, 28), columns=10)

# %% [markdown]
# Not all of them are digits: after 4,000 images and a short training, the codes fill $\mathcal N(0,I)$ only roughly. Shown are
# probabilities of ink, $\mathbb E[x\mid z]$; a sample of the *model* is binary, with independent noise in each pixel.
# Reconstructions of test images:

# %% alt="Three rows of ten digits. First the binary test images, then their reconstructions, which are smooth and mostly right, then binary samples from p(x|z), which are the same digits with ragged edges."
mean, log_sigma = vae.encode(test[:10])
expected = vae.decode_mean(mean)
draws = jax.random.bernoulli(jax.random.key(14), expected)
rows = {"x": test[:10], "E[x|z]": expected, "sample": draws}
fig = image_rows({name: images.reshape(-1, 28, 28) for name, images in rows.items()})

# %% [markdown]
# The KL is a sum over latents: a latent that is used pays, one that is not costs nothing. The sliders are sorted by that
# price. Start from a test digit, or draw one; the blue bar is its posterior.
#
# **Predict, then move:** will the first slider change the picture more than the last? And far outside the blue bar?

# %%
mean, log_sigma = vae.encode(test)
kl_per_latent = probability.kl_standard_normal(mean, log_sigma).mean(axis=0)
first = jnp.array([jnp.argmax(digits.test.labels == k) for k in range(10)])  # one test image of each digit
heads = [vae.encoder.mean, vae.encoder.log_sigma]
both = [jnp.concatenate([getattr(h, part)[...] for h in heads], axis=-1) for part in ("kernel", "bias")]
latent_sliders_explorer(
    [*dense_layers(vae.encoder.hidden.layers, last="relu"), (*both, "linear")],
    dense_layers(vae.decoder.network.layers, last="sigmoid"),
    kl_per_latent, mean[first], log_sigma[first], digits.test.labels[first], (28, 28),
)  # fmt: skip

# %% [markdown]
# ### What goes wrong
#
# Many programs take the *mean* over pixels and still sum the KL. The reconstruction is then 784 times too cheap.
#
# **Predict:** what will this encoder do with its latents?


# %%
def pixel_mean_loss(model, batch, key):
    reconstruction, kl = model.elbo_terms(key, batch)
    return -(reconstruction / 784 - kl).mean()


careless = Vae(784, [128], 12, rngs=nnx.Rngs(0))
fit(careless, pixel_mean_loss, train, key=jax.random.key(12), epochs=3, optimizer=optax.adam(3e-3))
for name, model in {"pixel mean": careless, "sum": vae}.items():
    reconstruction, kl_prior = in_library(model, jax.random.key(15), test)
    print(f"{name:10}  -E ln p(x|z) {-reconstruction.mean():6.1f} nats   KL {kl_prior.mean():5.2f} nats")
claimed = -nnx.jit(pixel_mean_loss)(careless, test, jax.random.key(16))
reached = nnx.jit(lambda model, key, x: model.iwae(key, x, 16))(careless, jax.random.key(16), test)
print(f"the careless 'bound': {claimed:.2f} nats; ln p(x) of its model, estimated: {reached.mean():.0f} nats")

# %% alt="Three rows of ten digits: the test images; the careless model's reconstructions, which are all the same grey blur; the right model's reconstructions, which resemble the images."
rows = {"x": test[:10], "pixel mean": careless.reconstruct(test[:10]), "sum": vae.reconstruct(test[:10])}
fig = image_rows({name: images.reshape(-1, 28, 28) for name, images in rows.items()})

# %% [markdown]
# The encoder sends every image to the prior: the KL is 0, and the code says nothing. The number that was maximised lies far
# above $\ln p(x)$: it is no bound.
#
# ### A latent map
#
# With two latents (and one more hidden layer) the code can be drawn.

# %%
planar = Vae(784, [200, 200], 2, rngs=nnx.Rngs(2))
fit(planar, negative_elbo, train, key=jax.random.key(17), epochs=16, optimizer=optax.adam(3e-3), validation=valid)
codes, log_sigmas = planar.encode(test)
spread = np.sqrt(np.var(codes, axis=0) + np.exp(2 * log_sigmas).mean(axis=0))
print(f"spread of z over all test images: {spread[0]:.1f}, {spread[1]:.1f}")
for latents, model in {2: planar, 12: vae}.items():
    loss = nnx.jit(negative_elbo)(model, test, jax.random.key(18))
    print(f"test images, {latents:2} latents: {loss:.0f} nats")

# %% tags=["cover"] alt="Left, the latent means of 600 test images in the plane, coloured by digit: the classes form neighbouring regions around the origin; 3, 5 and 8 overlap in the middle, 4, 7 and 9 beside them. Right, the plane decoded on a grid of 12 by 12 points: the digits change smoothly into one another."
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.9))
scatter_by_class(left, codes, digits.test.labels)
left.set(xlabel="$z_1$", ylabel="$z_2$", title="test images", xlim=(-4, 4), ylim=(-4, 4))
right.set(xlabel="$z_1$", title="decoder")
decoded_plane(right, planar.decode_mean, (-2.5, 2.5), (-2.5, 2.5), 28, number=12)
# %% [markdown]
# Unlike chapter 4's, this map is full: the codes crowd around 0 with a spread near 1, and every point decodes to something.
#
# **Predict, then move:** walk from one digit to another. Do you cross a third?

# %%
latent_plane_explorer(
    dense_layers(planar.decoder.network.layers, last="sigmoid"),
    codes,
    digits.test.labels,
    (28, 28),
    title="A walk through the latent map",
)

# %% [markdown] tags=["derivation"]
# ## 5.10 The loss read as bits
#
# An ideal code spends $-\log_2p(x)$ bits on $x$. So a loss in nats is a **length**. Divide $-\mathcal L$ in two ways:
#
# $$\underbrace{-\ln p(x)}_{\text{ideal code for }x}+\underbrace{\mathrm{KL}(q\,\|\,p(z\mid x))}_{\text{penalty: }q\text{ is not the posterior}}
# \;=\;-\mathcal L\;=\;
# \underbrace{-\mathbb E_q\ln p(x\mid z)}_{\text{rebuild }x\text{ from }z}+\underbrace{\mathrm{KL}(q\,\|\,p(z))}_{\text{extra for }z\text{ from }q,\text{ not from the prior}}$$
#
# The right side we know. The left needs $\ln p(x)$, which section 5.6 taught us to estimate: by importance
# sampling with our encoder.


# %%
images = test[:100]
mean, log_sigma = vae.encode(images)


def log_weight(key):
    z = reparameterize(key, mean, log_sigma)
    log_q = probability.normal_log_prob(z, mean, log_sigma).sum(axis=-1)
    return vae.log_likelihood(images, z) + probability.standard_normal_log_prob(z) - log_q


log_w = jax.lax.map(log_weight, jax.random.split(jax.random.key(19), 512))  # (samples, images)

# %% [markdown]
# The importance-weighted bound rises with the number of samples $k$ from $\mathcal L$ towards $\ln p(x)$.
#
# **Predict:** has it stopped rising at $k=512$?

# %% alt="The importance-weighted bound against the number of samples k from 1 to 512 on a logarithmic axis: it rises by several nats, ever more slowly, and has not quite levelled off at the end."
sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
groups = jax.jit(lambda w: [iwae_bound(w.reshape(-1, k, 100), jnp.zeros(()), axis=1).mean() for k in sizes])
fig, ax = plt.subplots(figsize=(6.4, 2.7))
ax.set(xlabel="samples $k$", ylabel="bound on $\\ln p(x)$ [nats]")
dots = ax.semilogx(sizes, groups(log_w), "o-", base=2)
# %%
log_p, sizes = jax.jit(lambda w: (iwae_bound(w, 0.0), probability.effective_sample_size(w)))(log_w)
print(f"median effective sample size: {np.median(sizes):.0f} of 512")
print(f"ELBO {log_w.mean():.1f}, estimate of ln p(x) {log_p.mean():.1f} nats")
z = jax.random.normal(jax.random.key(20), (512, 1, 12))
log_w_prior = jax.lax.map(lambda z: vae.log_likelihood(images, jnp.broadcast_to(z, mean.shape)), z)
print(f"the same number of samples from the prior: {iwae_bound(log_w_prior, 0.0).mean():.1f} nats")

# %% [markdown]
# Few samples carry the weight, so the estimate is still too low, and the true penalty for $q$ larger. As many samples
# from the prior fall far short, as section 5.6 said. Now the two divisions of the same length, for the mean of 100 test images:

# %% alt="Two bars of equal length in bits. The upper is divided into minus ln p(x) and a small penalty for q not being the posterior. The lower is divided into the bits to rebuild x from z and the bits for z."
keys = jax.random.split(jax.random.key(21), 16)
reconstruction, kl_prior = jax.lax.map(lambda key: vae.elbo_terms(key, images), keys)
rebuild, extra, ideal = (probability.nats_to_bits(v.mean()) for v in (-reconstruction, kl_prior, -log_p))
penalty = rebuild + extra - ideal
fig = inference.stacked_lengths(
    {
        "left side": [("$-\\ln p(x)$", ideal, GREY), ("KL$(q\\|p(z|x))$", penalty, ORANGE)],
        "right side": [("$-E_q\\ln p(x|z)$", rebuild, RED), ("KL$(q\\|p(z))$", extra, BLUE)],
    }
)

# %% [markdown]
# What is that worth? Compare with the plain 784 bits, and with a code that knows how often each pixel is black.

# %%
ink = np.clip(np.mean(train, axis=0), 1e-3, 1 - 1e-3)
per_pixel = -(images * np.log(ink) + (1 - images) * np.log(1 - ink)).sum(axis=1).mean()
print("one bit a pixel:           784 bits")
print(f"each pixel by its ink:     {probability.nats_to_bits(per_pixel):.0f} bits")
print(f"variational auto-encoder:  {rebuild + extra:.0f} bits")

# %% [markdown]
# Are these real bits? Sending $z$ and then $x$ would cost more than $-\mathcal L$. A scheme called **bits-back coding** gets
# the surplus back; a later chapter builds it.
#
# ## Summary

# %% [markdown] tags=["box"]
# - Inference needs $p(z\mid x)=p(x,z)/p(x)$, and $p(x)$ is out of reach. Variational inference searches a simple $q$ instead.
# - $\ln p(x)=\mathrm{KL}(q\,\|\,p(z\mid x))+\mathcal L$, so $\mathcal L\le\ln p(x)$. Jensen's inequality gives the same bound; its gap is the KL.
# - $\mathcal L=\mathbb E_q\ln p(x\mid z)-\mathrm{KL}(q\,\|\,p(z))$: decoder and encoder. The loss is $-\mathcal L$, in nats, summed over pixels and latents.
# - $\mathrm{KL}(q\,\|\,p)$ seeks a mode, $\mathrm{KL}(p\,\|\,q)$ covers the mass.
# - Samples from the prior fail exponentially fast in $\dim z$; a good $q(z\mid x)$ does not.
# - $z=\mu+\sigma\varepsilon$ puts the gradient inside the expectation, with far less variance than the score function.
# - The loss is a code length: ideal length + penalty for $q$ = bits to rebuild $x$ + bits for $z$.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# Exercises 5.1 to 5.4 stand in the text above.
#
# ### Exercise 5.5 — The encoder's term
# Write $\mathrm{KL}(\mathcal N(\mu,\mathrm{diag}\,\sigma^2)\,\|\,\mathcal N(0,I))$ for arrays `mean` and `log_sigma` of shape `(batch, latents)`: one
# number for each row.


# %% tags=["exercise"]
def kl_to_prior(mean, log_sigma):
    ### BEGIN SOLUTION
    return 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_sigma) - 1 - 2 * log_sigma, axis=-1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.5") as check:
    some = jnp.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5]]), jnp.array([[0.0, 0.0, 0.0], [0.3, -1.0, 0.0]])
    expected = probability.kl_standard_normal(*some).sum(axis=-1)
    got = kl_to_prior(*some)
    check.close(
        "the prior itself, and another", got, expected, hint="log_sigma is ln σ: σ² = exp(2 ln σ). Sum, no mean."
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 5.6 — A bound that survives small numbers
# Write the importance-weighted bound from log-weights of shape `(k,)`. `jnp.log(jnp.mean(jnp.exp(...)))` fails for
# weights like $e^{-1000}$, so shift by the largest first. Do not use `logsumexp`.


# %% tags=["exercise"]
def stable_bound(log_weights):
    ### BEGIN SOLUTION
    largest = jnp.max(log_weights)
    return largest + jnp.log(jnp.mean(jnp.exp(log_weights - largest)))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.6") as check:
    check.close("weights 1 and 3", stable_bound(np.log([1.0, 3.0])), np.log(2.0), hint="A mean, not a sum.")
    tiny = jnp.array([-1000.0, -1001.0, -1003.0])
    check.close("tiny weights", stable_bound(tiny), iwae_bound(tiny, 0.0), hint="exp(-1000) is 0 in float32.")
    check.close("one weight", stable_bound(jnp.array([-5.0])), -5.0)

# %% [markdown] tags=["exercise"]
# ### Exercise 5.7 — A Gaussian decoder
# Write $-\ln p(x\mid z)$ for a Gaussian likelihood with mean `prediction` and standard deviation `sigma`, for one vector `x`.
# Use the squared error, the weight, **and** the constant.


# %% tags=["exercise"]
def gaussian_reconstruction(x, prediction, sigma):
    ### BEGIN SOLUTION
    squared = jnp.sum((x - prediction) ** 2)
    return squared / (2 * sigma**2) + 0.5 * x.size * jnp.log(2 * jnp.pi * sigma**2)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.7") as check:
    a, b = np.array([1.0, 2.0, -0.5]), np.array([0.5, 2.5, 0.0])
    for sigma in (1.0, 0.3):
        right = -probability.normal_log_prob(a, b, np.log(sigma)).sum()
        check.close(f"sigma = {sigma}", gaussian_reconstruction(a, b, sigma), right, hint="1/2σ², and d/2 ln 2πσ².")

# %% [markdown] tags=["box"]
# ## Sources
#
# - X. Liu, F. Zhang, Z. Hou, Z. Wang, L. Mian, J. Zhang, J. Tang, *Self-supervised Learning: Generative or Contrastive*, 2020, arXiv:2006.08218.
# - C. Doersch, *Tutorial on Variational Autoencoders*, 2016, arXiv:1606.05908. The ring is its Figure 2.
# - D. P. Kingma, M. Welling, *An Introduction to Variational Autoencoders*, 2019, arXiv:1906.02691.
# - D. P. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2013, arXiv:1312.6114.
# - D. J. Rezende, S. Mohamed, D. Wierstra, *Stochastic Backpropagation and Approximate Inference in Deep Generative Models*, 2014, arXiv:1401.4082.
# - Y. Burda, R. Grosse, R. Salakhutdinov, *Importance Weighted Autoencoders*, 2015, arXiv:1509.00519.
# - J. Jordan, *Variational autoencoders*, blog post, 2018, <https://www.jeremyjordan.me/variational-autoencoders/>.
# - A. Ghodsi, *Deep Learning, Lecture 6.2: Variational Autoencoder*, University of Waterloo, video, October 2017.
# - L. Ma, *Datumorphism*: "Generative Models", with the pages on the ELBO, the KL divergence, latent-variable models and
#   reparametrization, 2021.
# - A. P. Dempster, N. M. Laird, D. B. Rubin, *Maximum Likelihood from Incomplete Data via the EM Algorithm*, J. R. Stat. Soc. B 39, 1977.
# - R. J. Williams, *Simple Statistical Gradient-Following Algorithms* (the score-function estimator), Machine Learning 8, 1992.
# - J. Townsend, T. Bird, D. Barber, *Practical Lossless Compression with Latent Variables using Bits Back Coding*, 2019, arXiv:1901.04866.
#
# ## Next
#
# You have met all four families: autoregressive models, flows, auto-encoders, and the variational auto-encoder. Try other
# latent sizes in section 5.9, or the Gaussian likelihood: `Vae(..., likelihood=Gaussian(0.3))` takes the grey
# images as they are.
