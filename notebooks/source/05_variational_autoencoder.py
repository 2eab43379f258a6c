# %% [markdown] tags=["frame"]
# # 5 · The variational auto-encoder
#
# Chapter 4's auto-encoder rebuilds digits, but it cannot make them: nothing in its loss says where codes lie, and the
# loss is no probability of an image. This chapter builds a model with a latent space to draw from and a bound on
# $p(x)$, and measures how far each promise is kept.
#
# **After this chapter you can**
# - say what inference is, and why $p(x)$ stands in its way;
# - measure how far two distributions are apart with the Kullback–Leibler divergence, in both directions;
# - derive the evidence lower bound (ELBO) in two ways;
# - show why samples from the prior do not suffice, and what $q(z\mid x)$ repairs;
# - differentiate through a random draw, and train a variational auto-encoder on digits;
# - test whether draws from the prior are as good as reconstructions;
# - read the loss as a length in bits.
#
# **You need** chapter 4 (encoder, latent space, decoder), the normal distribution, and derivatives.
# **Time:** about three hours; the code itself runs in about a minute.

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
from sklearn.mixture import GaussianMixture

# %%
from course_lib import data, notebook, probability
from course_lib.exercises import exercise
from course_lib.explorers import dense_layers
from course_lib.explorers.scenes.divergence import divergence_explorer
from course_lib.explorers.scenes.evidence_bound import evidence_explorer
from course_lib.explorers.scenes.latent_plane import latent_plane_explorer
from course_lib.explorers.scenes.latent_sliders import latent_sliders_explorer
from course_lib.explorers.scenes.reparameterization import (
    reparameterization_explorer,
)
from course_lib.explorers.scenes.ring import ring_explorer
from course_lib.figures import inference
from course_lib.figures.autoencoders import decoded_plane
from course_lib.figures.images import image_grid, image_rows
from course_lib.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RED,
)
from course_lib.figures.training import learning_curves
from course_lib.training import fit
from course_lib.vae import Vae

notebook.start()
plt.rcParams["figure.dpi"] = 72  # many pictures: the file stays small

# %% [markdown] tags=["box"]
# **Notation.** $x$: what we observe. $z$: a **latent** variable, which we do not. $p(z)$: the **prior**, before we see
# $x$. $p(x\mid z)$: the **likelihood**. $p(x,z)=p(x\mid z)\,p(z)$: the **joint**. $p(x)$: the **evidence**.
# $p(z\mid x)$: the **posterior**, after we have seen $x$. $\theta$: the parameters of the generative model $p_\theta$.
# $q_\phi(z\mid x)$: the approximation to the posterior, with **variational parameters** $\phi$; we write $q$ where no
# doubt arises. $f$ is always the decoder's function, $h$ any function of $z$.
# $\mathbb E_q\,h(z)=\sum_z q(z)h(z)$, or $\int q(z)h(z)\,dz$ for a continuous $z$. $\sigma$ is a standard deviation.
# $\ln$ is the natural logarithm: all quantities are in nats until the loss is read as bits in section 5.10.

# %% [markdown]
# ## 5.1 Inference, and why it is hard
#
# Why is $e^{-\text{loss}}$ of chapter 4 not the $p(x)$ of chapter 1? Take an auto-encoder that copies: it gives each
# pixel of *any* image the probability 0.99, once it has seen the image's code. Add up $e^{-\text{loss}}$ over all
# binary images:

# %% tags=["nbval-check-output"]
for pixels in (4, 784):
    log2_total = pixels * math.log2(2 * 0.99)
    print(
        f"{pixels:3} pixels: exp(-loss) adds up to 2^{log2_total:.1f}, not 1"
    )

# %% [markdown]
# The loss asks how well $x$ is rebuilt *from its own code*. A probability must also say how probable that code is. With
# a prior over codes, $p(x)=\sum_zp(x\mid z)\,p(z)$ adds up to 1.
#
# The encoder's task then is **inference**: which $z$ was it? A small example: a track in the snow has one of four
# sizes $x$. Which animal $z$ made it, a hare, a fox, or a deer?

# %% tags=["nbval-check-output"]
prior = jnp.array([0.5, 0.3, 0.2])  # p(z): hare, fox, deer
likelihood = jnp.array(  # p(x|z): one row for each animal
    [
        [0.70, 0.20, 0.05, 0.05],
        [0.10, 0.30, 0.50, 0.10],
        [0.05, 0.05, 0.30, 0.60],
    ]
)
joint = prior[:, None] * likelihood  # p(x, z)
print("total probability:", round(float(joint.sum()), 4))

# %% [markdown]
# Inference goes back from $x$ to $z$ by Bayes' rule:
#
# $$p(z\mid x)=\frac{p(x,z)}{p(x)},\qquad p(x)=\sum_z p(x\mid z)\,p(z).$$
#
# **Predict:** we see the third size. Hares are the most common animal. Is the hare now the most probable one?

# %% tags=["nbval-check-output"]
seen = 2
evidence = joint.sum(axis=0)
posterior = joint[:, seen] / evidence[seen]
print(f"p(x) = {evidence[seen]:.3f}")
animals = zip(["hare", "fox", "deer"], prior, posterior, strict=True)
for animal, before, after in animals:
    print(f"{animal:5}  before {before:.3f}   after {after:.3f}")

# %% [markdown]
# **Answer.** The hare is no longer the most probable animal: the fox is, with 0.638. Hares leave a track of this size
# only once in twenty times, foxes every second time.
#
# Here the evidence was a sum of three terms. With $n$ binary latents it has $2^n$ terms, and for a continuous $z$ and a
# neural network it is an integral without a closed form:

# %% tags=["nbval-check-output"]
for n in (10, 50, 200):
    print(f"{n:4} binary latents: {2.0**n:.1e} terms in the sum")

# %% [markdown]
# So $p(x)$ is out of reach, and with it the posterior. **Variational inference** replaces the sum by a search: among
# simple distributions $q(z\mid x)$, find the one nearest to $p(z\mid x)$.

# %% alt="A green box, latent z, and a grey box, data x. A red arrow from z to x reads p of x given z, generate. A blue arrow from x back to z reads q of z given x, infer." caption="The two directions of the chapter: in red the generative model, the decoder; in blue the inference, the encoder."
fig = inference.generation_and_inference()

# %% [markdown]
# ## 5.2 How different are two distributions?
#
# "Nearest" needs a measure: the **Kullback–Leibler divergence** of $q$ from $p$, the mean, under $q$, of the
# difference of the log-probabilities,
#
# $$\mathrm{KL}(q\,\|\,p)=\mathbb E_q\left[\ln q(z)-\ln p(z)\right].$$
#
# **Predict:** does exchanging $q$ and $p$ change the KL?


# %% tags=["nbval-check-output"]
def kl(q, p):
    return jnp.sum(q * (jnp.log(q) - jnp.log(p)))


print(f"KL(posterior || prior)     = {kl(posterior, prior):.4f} nats")
print(f"KL(prior || posterior)     = {kl(prior, posterior):.4f} nats")
print(f"KL(posterior || posterior) = {kl(posterior, posterior):.4f} nats")

# %% [markdown] tags=["derivation"]
# **Answer.** Exchanging $q$ and $p$ does change the KL: it is 0.3796 nats in one order and 0.4984 in the other, because
# the mean is taken over another distribution. So the KL is no distance.
#
# But **it is never negative**. Since $\ln u\le u-1$ for all $u>0$, with equality at $u=1$ only,
#
# $$-\mathrm{KL}(q\,\|\,p)=\sum_z q(z)\ln\frac{p(z)}{q(z)}\le\sum_z q(z)\left(\frac{p(z)}{q(z)}-1\right)\le1-1=0,$$
#
# and it is 0 only if $q=p$. (The sums are over $q(z)>0$.) The same holds for densities, with integrals.
#
# ### Two uniforms
#
# Let $q$ be uniform on an interval of width $\Delta_q$ and $p$ on one of width $\Delta_p$ that contains it. Where $q$
# is not 0, the ratio $q/p$ is $\Delta_p/\Delta_q$ everywhere. So
#
# $$\mathrm{KL}(q\,\|\,p)=\ln\frac{\Delta_p}{\Delta_q}.$$
#
# In the other order, with $p$ inside $q$, $\mathrm{KL}(p\,\|\,q)=\ln(\Delta_q/\Delta_p)$: the wider one is on top.
#
# **Predict:** what is $\mathrm{KL}(q\,\|\,p)$ if $q$ sticks out of $p$?

# %% alt="Three panels with two uniform densities each, q in blue and p in grey. q narrow inside p: KL 1.10 nats. q equal to p: KL 0. q reaching beyond p: KL infinite." caption="Two uniform densities. The KL of $q$ from $p$ depends on the widths alone as long as $q$ stays inside $p$."
fig, axes = plt.subplots(1, 3, figsize=(8, 2.3), sharey=True)
low_p, high_p = 0.0, 3.0
intervals = [(1.0, 2.0), (0.0, 3.0), (2.0, 3.6)]
for ax, (low, high) in zip(axes, intervals, strict=True):
    pair = {"$q$": (low, high, BLUE), "$p$": (low_p, high_p, INK)}
    for name, (a, b, colour) in pair.items():
        look = {"color": colour, "alpha": 0.35, "label": name}
        ax.stairs([1 / (b - a)], (a, b), fill=True, **look)
    value = probability.kl_uniform(low, high, low_p, high_p)
    ax.set(xlabel="$z$", xlim=(-0.6, 4.2))
    ax.set_title(f"KL$(q\\|p)$ = {value:.2f} nats")
axes[0].set_ylabel("density")
legend = axes[0].legend()

# %% [markdown]
# **Answer.** If $q$ sticks out of $p$, the KL is infinite: where $p=0$ and $q>0$, $\ln q-\ln p=\infty$.
#
# ### Two Gaussians of equal width
#
# $\ln q-\ln p$ is a difference of two parabolas with equal curvature: a straight line. Its mean under $q$ is
#
# $$\mathrm{KL}(q\,\|\,p)=\frac{(\mu_p-\mu_q)^2}{2\sigma^2}.$$
#
# Where no formula is known, samples **of q** give an estimate. Here both are possible:

# %%
mean_q, mean_p, log_width = 1.0, 0.0, math.log(0.8)
drawn = mean_q + 0.8 * jax.random.normal(jax.random.key(0), (10_000,))
log_q = probability.normal_log_prob(drawn, mean_q, log_width)
log_p = probability.normal_log_prob(drawn, mean_p, log_width)
estimate, error = probability.kl_monte_carlo(log_q, log_p)
print(f"formula:      {(mean_p - mean_q) ** 2 / (2 * 0.8**2):.3f} nats")
print(f"from samples: {estimate:.3f} ± {error:.3f} nats (± over samples)")

# %% [markdown]
# ### A Gaussian against a mixture
#
# For a mixture of two Gaussians there is no formula. We sum the **integrand** $q\ln(q/p)$ over a fine grid; it is
# negative where $q<p$.
#
# **Predict, then move:** where must $q$ lie for the smallest $\mathrm{KL}(q\,\|\,p)$: between the hills, or on one of
# them? And for the smallest $\mathrm{KL}(p\,\|\,q)$?

# %% caption="Left, the densities. Middle, the two integrands, whose areas are the two divergences on the right. Without a kernel the sliders still move."
divergence_explorer()

# %% [markdown] tags=["answer"]
# For the smallest $\mathrm{KL}(q\,\|\,p)$, $q$ must lie on one hill, the heavier one on the left, with its mean and
# width. It then costs about $-\ln0.6=0.51$ nats; on the right hill $-\ln0.4=0.92$. Between the hills, where $p$ has
# almost no mass, $q$ would be expensive.
#
# For the smallest $\mathrm{KL}(p\,\|\,q)$, $q$ must lie between the hills and be wide: the mean is now over $p$, so
# wherever $p$ has mass, $q$ must have some.

# %% [markdown]
# ### The direction matters
#
# We minimise both divergences by gradient descent, for hills at $\pm2$ of width 0.5 that hold 0.4 and 0.6 of the
# mass.

# %%
line = jnp.linspace(-12, 12, 2401)


def two_hills(width):
    """ln p on the line: 0.4 of the mass at -2, 0.6 of it at 2."""
    left, right = (
        probability.normal_log_prob(line, centre, math.log(width))
        for centre in (-2.0, 2.0)
    )
    return jnp.logaddexp(left + math.log(0.4), right + math.log(0.6))


@partial(jax.jit, static_argnums=1)
def divergence(parameters, order, log_p):
    log_q = probability.normal_log_prob(line, *parameters)
    a, b = (log_q, log_p) if order == "q, p" else (log_p, log_q)
    return jnp.sum(jnp.exp(a) * (a - b)) * (line[1] - line[0])


# %%
@partial(jax.jit, static_argnums=1)
def best_gaussian(start, order, log_p):
    def step(i, now):
        return now - 0.1 * jax.grad(divergence)(now, order, log_p)

    return jax.lax.fori_loop(0, 1000, step, start)


STARTS = {  # mean and ln σ
    "the left": jnp.array([-1.5, -0.5]),
    "between": jnp.array([0.3, 0.6]),
    "the right": jnp.array([1.5, -0.5]),
}
hills = two_hills(0.5)
fits = {s: best_gaussian(at, "q, p", hills) for s, at in STARTS.items()}
covering = best_gaussian(STARTS["between"], "p, q", hills)

# %% [markdown]
# **Predict:** from the three starts, how many different fits does the search for the smallest $\mathrm{KL}(q\,\|\,p)$
# find? And where does $\mathrm{KL}(p\,\|\,q)$ put its mean?


# %% alt="A mixture of two hills filled in grey, and four fitted Gaussians. Two narrow blue ones sit on one hill each. A dotted blue one and a purple one are wide and low, with their centres between the hills." caption="The fits. The three blue ones are where the search for the smallest $\\mathrm{KL}(q\\,\\|\\,p)$ ends, from three starts; the purple one has the smallest $\\mathrm{KL}(p\\,\\|\\,q)$."
@jax.jit
def gaussian_density(x, mean, log_sigma):
    return jnp.exp(probability.normal_log_prob(x, mean, log_sigma))


fig, ax = plt.subplots(figsize=(7, 2.9))
ax.fill_between(line, np.exp(hills), color=GREY, alpha=0.3, label="$p$")
for (side, fitted), style in zip(fits.items(), ["-", ":", "--"], strict=True):
    label = f"KL$(q\\|p)$ from {side}"
    ax.plot(line, gaussian_density(line, *fitted), BLUE, ls=style, label=label)
wide = gaussian_density(line, *covering)
ax.plot(line, wide, color=PURPLE, label="KL$(p\\|q)$")
ax.set(xlabel="$z$", ylabel="density", xlim=(-6, 6), ylim=(0, 1.3))
legend = ax.legend(fontsize=9, ncols=2, loc="upper center")


# %% tags=["nbval-check-output"]
def describe(name, fitted, order, log_p):
    mean, sigma = fitted[0], jnp.exp(fitted[1])
    paid = divergence(fitted, order, log_p)
    print(f"{name:22} mean {mean:5.2f}, σ {sigma:.2f}: {paid:.2f} nats")


for side, fitted in fits.items():
    describe(f"KL(q||p), {side}", fitted, "q, p", hills)
describe("KL(p||q)", covering, "p, q", hills)
mean_of_p = 0.4 * -2 + 0.6 * 2
variance_of_p = 0.5**2 + 0.4 * 2**2 + 0.6 * 2**2 - mean_of_p**2
print(f"p: mean {mean_of_p:.2f}, σ {variance_of_p**0.5:.2f}")
print(f"-ln 0.4 = {-math.log(0.4):.2f}, -ln 0.6 = {-math.log(0.6):.2f}")

# %% [markdown]
# **Answer.** The search finds three different fits, one from each start. Two sit on a hill of mass $\alpha$ and pay
# about $-\ln\alpha$ for what they leave out; the third is a bridge, and the worst. $\mathrm{KL}(p\,\|\,q)$ puts its
# mean at that of $p$, with the variance of $p$.
#
# So one says: $\mathrm{KL}(q\,\|\,p)$ **seeks a mode**, $\mathrm{KL}(p\,\|\,q)$ **covers the mass**. The first is a
# habit, not a law. With wider hills:

# %% tags=["nbval-check-output"]
wider_hills = two_hills(0.7)
for side, at in STARTS.items():
    fitted = best_gaussian(at, "q, p", wider_hills)
    describe(f"width 0.7, {side}", fitted, "q, p", wider_hills)

# %% [markdown]
# Now the bridge is better than the lighter hill, at 0.73 against 0.91 nats.
#
# Variational inference uses $\mathrm{KL}(q\,\|\,p)$, because from $q$ we can sample, and from the unknown posterior
# we cannot.

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5.1 ★ — Two uniforms
# Write $\mathrm{KL}(q\,\|\,p)$ for uniform distributions that start at 0 and have widths `width_q` and `width_p`. Mind
# the case in which $q$ sticks out.
#
# **Hint.** Which of the two widths goes on top of the ratio is said below the heading "Two uniforms".
#
# **Hint.** $q$ sticks out if `width_q > width_p`. `jnp.where(condition, a, b)` chooses, and infinity is `jnp.inf`.


# %% tags=["exercise"]
def kl_two_uniforms(width_q, width_p):
    ### BEGIN SOLUTION
    inside = jnp.log(width_p / width_q)
    return jnp.where(width_q <= width_p, inside, jnp.inf)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.1") as check:
    check.close("equal widths give 0", kl_two_uniforms(1.0, 1.0), 0.0)
    which = "Which width goes on top?"
    narrow = kl_two_uniforms(1.0, 2.0)
    check.close("width 1 inside width 2", narrow, np.log(2.0), hint=which)
    beyond = kl_two_uniforms(2.0, 1.0)
    where = "Where p = 0, q is not."
    check.close("width 2 sticks out of width 1", beyond, np.inf, hint=where)

# %% [markdown] tags=["quiz"]
# **A search minimises $\mathrm{KL}(q\,\|\,p)$ over Gaussians $q$; $p$ has two narrow hills far apart. What is a likely
# mistake of the result?**
#
# - [x] It reports too little uncertainty: one hill is missing. :: Right: leaving a hill of mass $1-\alpha$ out costs
#   only $-\ln\alpha$.
# - [ ] It reports too much uncertainty: it covers the valley as well. :: That is what $\mathrm{KL}(p\,\|\,q)$ does.
# - [ ] Its mean is right and only its width is wrong. :: The mean of $p$ lies in the valley; this $q$ sits on a hill.

# %% [markdown] tags=["quiz"]
# **An estimate of $\mathrm{KL}(q\,\|\,p)$ from 100 samples of $q$ is $-0.02$. What follows?**
#
# - [ ] There is an error in the code, because a KL is never negative. :: The KL is not; its estimate scatters.
# - [x] The KL is small against the error of the estimate. :: Right: look at the standard error before the sign.
# - [ ] $q$ is closer to $p$ than $p$ itself. :: Nothing is closer: $\mathrm{KL}(p\,\|\,p)=0$ is the minimum.

# %% [markdown] tags=["quiz"]
# **$q$ is uniform on $[0,1]$ and $p$ a standard normal. Which of the two divergences is infinite?**
#
# - [ ] Both are. :: Where $q$ has mass, $p$ is positive, so $\ln q-\ln p$ stays finite.
# - [ ] $\mathrm{KL}(q\,\|\,p)$. :: The mean is over $q$, and where $q$ has mass, $p$ is positive.
# - [x] $\mathrm{KL}(p\,\|\,q)$. :: Right: $p$ has mass outside $[0,1]$, where $q=0$.

# %% [markdown] tags=["derivation"]
# ## 5.3 The derivation, line by line
#
# The measure asks for the posterior, the very thing that we lack. The way out is a rearrangement. Expand the KL:
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
# weights $q$ add up to 1. What remains is
#
# $$\mathcal L=\sum_z q(z\mid x)\,\ln\frac{p(x,z)}{q(z\mid x)}.$$
#
# **Predict:** for some $q$ that is not the posterior, which of the four lines give the same number?

# %% tags=["nbval-check-output"]
q = jnp.array([0.3, 0.4, 0.3])
p_x, p_xz = evidence[seen], joint[:, seen]
third = jnp.sum(q * jnp.log(q / p_xz)) + jnp.log(p_x) * jnp.sum(q)
print(f"(1) {jnp.sum(q * jnp.log(q / posterior)):.4f}")
print(f"(2) {jnp.sum(q * jnp.log(q * p_x / p_xz)):.4f}")
print(f"(3) {third:.4f}")
print(f"(4) {-jnp.sum(q * jnp.log(p_xz / q)) + jnp.log(p_x):.4f}")

# %% [markdown]
# **Answer.** All four lines give the same number, for this $q$ and for any other: each step was an equality.
# Rearranged:
#
# $$\ln p(x)=\mathrm{KL}(q(z\mid x)\,\|\,p(z\mid x))+\mathcal L.$$
#
# The KL is never negative. So $\mathcal L\le\ln p(x)$: it is the **evidence lower bound**, the ELBO. It needs the
# joint, never the posterior.
#
# **Predict:** we move $q$ through the uniform distribution to the posterior and beyond. What will $\mathcal L$ do?


# %% alt="The bound as a blue curve under the dashed level of ln p(x). It rises, touches the level at one point, where q is the posterior, and falls again. The gap between them is shaded and labelled KL of q from the posterior." caption="The bound along a path of distributions $q\\propto p(z\\mid x)^t$. The shaded gap is the KL; it closes at $t=1$ only."
def elbo_of(q):
    return jnp.sum(q * (jnp.log(p_xz) - jnp.log(q)))


t = np.linspace(-1.0, 3.0, 81)
path = np.asarray(posterior) ** t[:, None]
path /= path.sum(axis=1, keepdims=True)
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.set(xlabel="$t$   (0: uniform, 1: posterior)", ylabel="nats")
ax.set(ylim=(-2.5, -1.35))
bounds_on_path = jax.jit(jax.vmap(elbo_of))(path)
inference.bound_and_gap(ax, t, bounds_on_path, np.log(p_x))
# %% [markdown]
# **Answer.** $\mathcal L$ rises, touches $\ln p(x)$ where $q$ is the posterior, and falls again. So *maximising*
# $\mathcal L$ over $q$ *minimises* the KL, without the posterior.

# %% [markdown] tags=["derivation"]
# ### Why the KL may be dropped
#
# For $\phi$ nothing is lost: $\ln p(x)$ does not depend on $\phi$, so the gradient of $\mathcal L$ is exactly minus
# that of the KL. For $\theta$ something is lost: $\ln p(x)$ and the KL both depend on $\theta$, so raising
# $\mathcal L$ raises $\ln p(x)$ **or** closes the gap. The promise stays: $\ln p(x)$ is at least $\mathcal L$. If $q$
# is the posterior, the KL is at its minimum 0, its gradient vanishes, and the gradients of $\mathcal L$ and
# $\ln p(x)$ agree.
#
# Here $\phi$ are the log-probabilities (up to a constant) of $q$, and $\theta$ those of the prior.
#
# **Predict:** which two of the three pairs of gradients below agree?


# %%
def terms(phi, theta):
    q = jax.nn.softmax(phi)
    joint = jax.nn.softmax(theta) * likelihood[:, seen]
    return jnp.sum(q * jnp.log(joint / q)), jnp.log(joint.sum())


def gap(phi, theta):
    bound, log_evidence = terms(phi, theta)
    return log_evidence - bound


def show(name, *vectors):
    columns = (" ".join(f"{v:+.3f}" for v in each) for each in vectors)
    print(f"{name:24}", *(f"({column})" for column in columns))


# %% tags=["nbval-check-output"]
phi, theta = jnp.log(q), jnp.log(prior)
by_phi, by_theta = (jax.jit(jax.jacrev(terms, argnums=i)) for i in (0, 1))
of_gap = jax.jit(jax.grad(gap))(phi, theta)
show("dL/dphi and -dKL/dphi", by_phi(phi, theta)[0], -of_gap)
show("dL/dtheta and dlnp/dtheta", *by_theta(phi, theta))
show("the same, q = posterior", *by_theta(jnp.log(posterior), theta))

# %% [markdown]
# **Answer.** The first and the third pair of gradients agree. The second does not: a $q$ that is not the posterior
# pulls $\theta$ another way than $\ln p(x)$ would. In this sense a poor $q$ teaches a model wrong things.

# %% [markdown] tags=["derivation"]
# ### Two terms: decoder and encoder
#
# Put $p(x,z)=p(x\mid z)\,p(z)$ into $\mathcal L$:
#
# $$\mathcal L=\underbrace{\mathbb E_{q(z\mid x)}\ln p_\theta(x\mid z)}_{\text{decoder: reconstruct }x}
# -\underbrace{\mathrm{KL}(q_\phi(z\mid x)\,\|\,p(z))}_{\text{encoder: stay near the prior}}.$$
#
# The first term is large if $z$, drawn from $q$, lets the decoder give $x$ a high probability. The second is what the
# encoder pays for departing from the prior. Note the two KLs: *this* one compares $q$ with the **prior** and can be
# computed; the gap compares $q$ with the **posterior** and cannot.

# %% tags=["nbval-check-output"]
reconstructed = jnp.sum(q * jnp.log(likelihood[:, seen]))
print(f"E_q ln p(x|z)   {reconstructed:.4f}")
print(f"KL(q || p(z))   {kl(q, prior):.4f}")
print(f"difference      {reconstructed - kl(q, prior):.4f}")
print(f"L               {elbo_of(q):.4f}")

# %% [markdown]
# The same works with a continuous latent. The prior is $\mathcal N(0,1)$, the likelihood
# $p(x\mid z)=\mathcal N(x;f(z),0.6^2)$, and we have seen $x=1.5$. On a fine grid of $z$ even the posterior can be
# computed.
#
# **Predict, then move:** lay $q$ on the posterior. How large is the gap then? For $f(z)=z^2$ two values of $z$ explain
# $x$: can the gap be closed?

# %% caption="Left, prior, posterior and a movable $q$. Middle, the bound below $\\ln p(x)$; the difference of the bars is the gap. Right, the bound's two terms."
evidence_explorer()

# %% [markdown] tags=["answer"]
# With $f(z)=1.2z$ the posterior is a Gaussian of mean $1$ and standard deviation $1/\sqrt5\approx0.45$. With $q$ laid
# on it the gap is 0.
#
# With $f(z)=z^2$ the posterior has two hills of equal mass, and a Gaussian cannot close the gap. At best $0.75$ nats
# remain: $\ln2\approx0.69$ for leaving one half of the mass out, and a little for the shape of the hill.

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5.2 ★★ — The bound for any track
# Write the ELBO of a distribution `q` over the animals when the track has size `x`. Use `prior` and `likelihood` only.
#
# **Hint.** Either form will do: the one with the joint, or the one with decoder and encoder.
#
# **Hint.** Column `x` of `likelihood` holds $p(x\mid z)$ for every $z$: `likelihood[:, x]`.


# %% tags=["exercise"]
def elbo_of_track(q, x):
    ### BEGIN SOLUTION
    reconstruction = jnp.sum(q * jnp.log(likelihood[:, x]))
    return reconstruction - jnp.sum(q * jnp.log(q / prior))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.2") as check:
    even = jnp.ones(3) / 3
    which = "Which column of likelihood?"
    yours = elbo_of_track(even, 2)
    check.close("size 2, uniform q", yours, elbo_of(even), hint=which)
    given_0 = joint[:, 0] / evidence[0]
    yours, exact_0 = elbo_of_track(given_0, 0), jnp.log(evidence[0])
    check.close("size 0, q = posterior", yours, exact_0, hint="Signs?")
    no_kl = jnp.sum(prior * jnp.log(likelihood[:, 3]))
    check.close("q = prior: no KL is left", elbo_of_track(prior, 3), no_kl)

# %% [markdown] tags=["derivation"]
# ## 5.4 The bound, seen another way
#
# A second derivation takes one line, and will tell us how to tighten the bound.
#
# **Jensen's inequality.** For a *concave* function $c$, such as the logarithm, $c(\mathbb E\,u)\ge\mathbb E\,c(u)$; for
# a *convex* one, $\le$. Use it on $u=p(x,z)/q(z\mid x)$, whose mean under $q$ is the evidence:
#
# $$\ln p(x)=\ln\sum_z q(z\mid x)\,\frac{p(x,z)}{q(z\mid x)}=\ln\mathbb E_q\,u\;\ge\;\mathbb E_q\ln u=\mathcal L.$$
#
# The difference, the **Jensen gap**, is $\mathrm{KL}(q\,\|\,p(z\mid x))$, by section 5.3. We take a $q$ that favours
# the hare and draw the three values of $u$ on the curve $\ln u$.
#
# **Predict:** the weighted mean of the three points must lie in the triangle that they span. Which point of the picture
# stands for $\ln p(x)$, and which for $\mathcal L$?

# %% alt="The grey curve ln u with three green points on it, joined to a pale green triangle below the curve. At u = 0.235, a dark dot on the curve is ln p(x). Straight below it, inside the triangle, a blue dot is the bound. An orange line between them is the Jensen gap." caption="Jensen's inequality for three animals. The blue dot is the mean of the green ones, weighted by $q$ (the area of the dots); it lies in their triangle, below the curve."
q_far = jnp.array([0.6, 0.2, 0.2])
u = p_xz / q_far
curve = np.linspace(0.035, 0.85, 200)
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.plot(curve, np.log(curve), color=GREY, label=r"$\ln u$")
ax.fill(u, np.log(u), color=GREEN, alpha=0.15)
areas = 250 * q_far
spots = ax.scatter(u, np.log(u), s=areas, color=GREEN, zorder=3)
spots.set_label("one for each $z$, area $q(z)$")
heights = [elbo_of(q_far), jnp.log(p_x)]
ax.plot([p_x, p_x], heights, color=ORANGE, lw=3, label="Jensen gap")
ax.plot(p_x, heights[1], "o", color=INK, label=r"$\ln p(x)=\ln E_q u$")
ax.plot(p_x, heights[0], "o", color=BLUE, label=r"$\mathcal{L}=E_q\ln u$")
ax.set(xlabel="$u=p(x,z)\\,/\\,q(z|x)$", ylabel="nats")
legend = ax.legend(fontsize=9)

# %% [markdown]
# **Answer.** $\ln p(x)$ is the dark point on the curve above the mean of $u$; $\mathcal L$ is the blue one straight
# below, the mean of the three heights. The orange line between them is the gap:

# %% tags=["nbval-check-output"]
jensen_gap = jnp.log(jnp.sum(q_far * u)) - jnp.sum(q_far * jnp.log(u))
print(f"Jensen gap            {jensen_gap:.4f}")
print(f"KL(q || posterior)    {kl(q_far, posterior):.4f}")
u_exact = p_xz / posterior
print("u if q = posterior   ", [round(float(v), 4) for v in u_exact])

# %% [markdown]
# If $q$ is the posterior, $u$ is the same for every $z$, and equal numbers have no Jensen gap. The less $u$ scatters,
# the tighter the bound. Section 5.6 uses that: an *average* of several $u$ scatters less.

# %% [markdown] tags=["derivation"]
# ### Entropy, cross-entropy, free energy
#
# The bound has a third form, in the words of physics and information theory. The **entropy** $H(q)=-\sum_z q\ln q$ is
# the mean surprise of $q$; the **cross-entropy** $H(q,p)=-\sum_z q\ln p$ is the mean surprise when one believes $p$.
# The energy below is the cross-entropy of $q$ and the joint. In these words
#
# $$\mathcal L=\mathbb E_q\ln p(x,z)+H(q),\qquad
# F=-\mathcal L=\underbrace{\mathbb E_q\left[-\ln p(x,z)\right]}_{\text{energy}}-\underbrace{H(q)}_{\text{entropy}}.$$
#
# $F$ is the **free energy** of physics. It is what we minimise: loss $=F=-\mathcal L\ge-\ln p(x)$.

# %% tags=["nbval-check-output"]
energy = -jnp.sum(q * jnp.log(p_xz))
entropy = -jnp.sum(q * jnp.log(q))
print(f"energy {energy:.4f} - entropy {entropy:.4f} = {energy - entropy:.4f}")
print(f"-L                              = {-elbo_of(q):.4f}")

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
# It is maximal, and equal to $\ln p(x)$, if and only if $q$ is the posterior. A mean over samples of $q$ estimates it
# without bias. The logarithm of a mean of $k$ values of $u$ is too low for $\ln p(x)$ on average, for every fixed
# $k$, unless $q$ is the posterior. (With a random $k$ even this bias can be removed: Luo et al., 2020.)

# %% [markdown] tags=["quiz"]
# **Is $\mathbb E_q\ln p(x\mid z)-2\,\mathrm{KL}(q\,\|\,p(z))$ a lower bound on $\ln p(x)$?**
#
# - [ ] No, only the expression with one KL is. :: Taking off another KL can only lower the value.
# - [x] Yes, but in general a looser one. :: Right: it is at most $\mathcal L$, which is at most $\ln p(x)$.
# - [ ] It depends on the decoder. :: The inequality needs only that a KL is not negative.

# %% [markdown] tags=["quiz"]
# **With the decoder fixed, training raises the mean of $\mathcal L$ by $5$ nats. What has happened to $\ln p(x)$?**
#
# - [ ] It rose by $5$ nats. :: $\ln p(x)$ belongs to the generative model, which did not change.
# - [ ] It rose, but one cannot know by how much. :: That would be possible if $\theta$ had moved as well.
# - [x] Nothing; the gap became $5$ nats smaller. :: Right: only $q$ moved, and
#   $\ln p(x)=\mathcal L+\mathrm{KL}(q\,\|\,p(z\mid x))$.

# %% [markdown] tags=["quiz"]
# **Which KL can be computed while training, and which one is the gap?**
#
# - [x] The one from the prior can be computed; the one from the posterior is the gap. :: Right: both $q$ and the prior
#   are known densities, while the posterior needs $p(x)$.
# - [ ] The one from the posterior can be computed; the one from the prior is the gap. :: The posterior contains the
#   unknown $p(x)$.
# - [ ] They are the same KL, written in two ways. :: They compare $q$ with two distributions, which are equal only
#   where $x$ tells nothing about $z$.

# %% [markdown]
# ## 5.5 Why have latent variables?
#
# So far a latent variable made things harder. But **marginalising adds expressive power**. Each $p(x\mid z)$ below is
# one Gaussian. Their weighted sum, the **mixture** $p(x)=\sum_z p(z)\,p(x\mid z)$, is not.

# %% alt="Three thin green Gaussian curves of different heights and places, each weighted by its prior, and their sum as a thick dark curve with three uneven bumps." caption="A mixture: the dark curve $p(x)$ is the sum of the green ones, $p(z)\\,p(x\\mid z)$ for three values of $z$."
weights = jnp.array([0.5, 0.3, 0.2])
means = jnp.array([-2.0, 0.5, 3.0])
sigmas = jnp.array([0.6, 0.9, 0.4])
grid = np.linspace(-5, 5, 400)
columns = means[:, None], np.log(sigmas)[:, None]
parts = weights[:, None] * gaussian_density(grid, *columns)
fig, ax = plt.subplots(figsize=(6.4, 2.6))
green = ax.plot(grid, parts.T, color=GREEN, lw=1)
green[0].set_label("$p(z)\\,p(x|z)$")
ax.plot(grid, parts.sum(axis=0), color=INK, label="$p(x)$")
ax.set(xlabel="$x$", ylabel="density")
legend = ax.legend()

# %% [markdown] tags=["box"]
# **Tricks.** Three choices turn this into a machine for complicated densities.
#
# 1. *The likelihood is Gaussian, with a flexible mean:* $p(x\mid z)=\mathcal N(x;f(z,\theta),\sigma^2I)$, where $f$ is
#    a neural network. (For bits, a Bernoulli.)
# 2. *The prior is a standard normal,* $p(z)=\mathcal N(0,I)$. Little is lost: the first layers of $f$ can bend it into
#    many another shape, as a flow does in chapter 3.
# 3. *Marginalising does the rest.* With a continuous $z$, $p(x)=\int p(x\mid z)\,p(z)\,dz$ is a mixture of infinitely
#    many Gaussians.

# %% [markdown]
# Tricks 1 to 3 with one latent and one $x$: $f(z)=2\tanh 3z+z/2$ and $\sigma=0.3$.
#
# **Predict:** $z$ has one hump. How many has $p(x)$?

# %% alt="Left, the function f as a red curve with a steep step at zero, and a cloud of grey points around it. Right, the marginal density of x turned by ninety degrees: two sharp humps, although z has a single one." caption="Left, draws $(z,x)$ around the decoder's function $f$. Right, what remains if one looks at $x$ alone."
some_z, noise = np.asarray(jax.random.normal(jax.random.key(2), (2, 1000)))
some_x = 2 * np.tanh(3 * some_z) + some_z / 2 + 0.3 * noise
fig, axes = plt.subplots(
    1, 2, figsize=(7, 2.9), sharey=True, width_ratios=[2, 1]
)
axes[0].scatter(some_z, some_x, s=3, color=GREY, alpha=0.5)
steps = np.linspace(-3.5, 3.5, 300)
mean_of_x = 2 * np.tanh(3 * steps) + steps / 2
axes[0].plot(steps, mean_of_x, color=RED, label="$f(z)$")
axes[0].set(xlabel="$z$", ylabel="$x$")
look = {"orientation": "horizontal", "color": GREY}
axes[1].hist(some_x, bins=40, density=True, **look)
axes[1].set(xlabel="density of $x$")
legend = axes[0].legend()

# %% [markdown]
# **Answer.** $p(x)$ has two humps. Where $f$ is steep, few draws of $z$ must cover a long stretch of $x$; where it is
# flat, many draws pile up.
#
# An example in two dimensions is
#
# $$g(z)=\frac{z}{10}+\frac{z}{\lVert z\rVert},$$
#
# which turns a round normal cloud into a **ring**. Below are the same points, in the same colours, before and after.
#
# **Predict:** which points end up at the inner edge?

# %% alt="Left, a round normal cloud of points, coloured by their distance from 0: dark in the middle, light outside. Right, on the same scale, the points after g: a thin ring of radius about 1.1, dark at its inner edge and light at its outer edge. A colour bar gives the distance of z from 0." caption="A cloud becomes a ring. The colour is the distance of $z$ from 0, in both panels."
cloud = np.asarray(jax.random.normal(jax.random.key(3), (500, 2)))
distance = np.linalg.norm(cloud, axis=1, keepdims=True)
ring = cloud / 10 + cloud / distance
fig, axes = plt.subplots(1, 2, figsize=(7, 3), sharex=True, sharey=True)
for ax, spots, name in zip(axes, [cloud, ring], ["z", "g(z)"], strict=True):
    dots = ax.scatter(*spots.T, c=distance[:, 0], cmap="viridis", s=5)
    ax.set(xlabel=f"first entry of ${name}$", aspect="equal")
    ax.set_ylabel(f"second entry of ${name}$")
bar = fig.colorbar(dots, ax=axes, label="distance of $z$ from 0")

# %% [markdown]
# **Answer.** The inner edge is made of the points nearest to 0, since $\lVert g(z)\rVert=1+\lVert z\rVert/10$.
#
# **Predict, then move:** on the way from $z$ to $g(z)$, which of the circles around 0 move outwards?

# %% caption="Left, draws of $z$ and circles around 0. Right, the same on their way to $g(z)$."
ring_explorer()

# %% [markdown] tags=["answer"]
# A circle of radius $r$ ends at radius $1+r/10$. It moves outwards if $1+r/10>r$, that is, if $r<10/9$; so the three
# inner ones move outwards, and the three outer ones inwards.

# %% [markdown]
# ## 5.6 Why not simply draw from the prior?
#
# $p(x)=\mathbb E_{p(z)}\,p(x\mid z)$ is a mean. Why not draw $z$ from the prior and average?

# %% [markdown] tags=["derivation"]
# **Importance sampling** is more general: draw $z_1,\dots,z_k$ from any $q$, and weight each
# (by the $u$ of section 5.4):
#
# $$p(x)=\mathbb E_q\,w,\quad w_i=\frac{p(x,z_i)}{q(z_i)},\qquad
# \widehat{p}(x)=\frac1k\sum_i w_i.$$
#
# With $q=p(z)$ the weight is $w=p(x\mid z)$. The mean of the weights has no bias. Its logarithm is (by Jensen) too low
# on average, less so as $k$ grows: the **importance-weighted bound**. The mean of the logarithms is the ELBO. The
# **effective sample size** says how many of the $k$ samples carry the weight:
#
# $$\mathrm{ESS}=\frac{\left(\sum_i w_i\right)^2}{\sum_i w_i^2},\qquad 1\le\mathrm{ESS}\le k.$$


# %% library="course_lib.probability.bounds:elbo"
def elbo(log_joint, log_q, axis=0):
    return (log_joint - log_q).mean(axis=axis)


# %% library="course_lib.probability.bounds:iwae_bound"
def iwae_bound(log_joint, log_q, axis=0):
    log_weights = log_joint - log_q
    return logsumexp(log_weights, axis=axis) - math.log(
        log_weights.shape[axis]
    )


# %% [markdown]
# We need a model in $d$ dimensions whose $p(x)$ is known: $z\sim\mathcal N(0,I)$ and $x\mid z\sim\mathcal N(z,s^2I)$.
# Then $x\sim\mathcal N(0,(1+s^2)I)$, and the posterior is normal with mean $x/(1+s^2)$ and variance $s^2/(1+s^2)$.
#
# The dimensions are independent: a running sum of their log-weights gives every $d\le40$ at once.


# %%
s, num_draws, most = 0.5, 20_000, 40
normal_log_prob = probability.normal_log_prob


def log_weights_of(key, x, mean, sigma):
    """For each of many draws, ln w in 1, 2, …, 40 dimensions."""
    z = mean + sigma * jax.random.normal(key, (num_draws, most))
    log_joint = normal_log_prob(z, 0.0, 0.0)
    log_joint += normal_log_prob(x, z, math.log(s))
    log_q = normal_log_prob(z, mean, math.log(sigma))
    return jnp.cumsum(log_joint - log_q, axis=1)


@jax.jit
def known_case(key):
    """An x of the model, the exact ln p(x), and the posterior's mean."""
    x = math.sqrt(1 + s**2) * jax.random.normal(key, (most,))
    each = normal_log_prob(x, 0.0, 0.5 * math.log(1 + s**2))
    return x, jnp.cumsum(each), x / (1 + s**2)


# %% [markdown]
# ### What goes wrong
#
# We compare the prior with a $q$ that has the posterior's mean and a width a tenth too large, on eight different $x$.
#
# **Predict:** 20,000 draws from the prior, 40 dimensions. How many of them count?

# %%
posterior_sigma = s / math.sqrt(1 + s**2)


@partial(jax.jit, static_argnums=1)
def quality(key, proposal):
    x_key, z_key = jax.random.split(key)
    x, exact, mean = known_case(x_key)
    centre = mean if proposal == "near" else 0.0
    sigma = 1.1 * posterior_sigma if proposal == "near" else 1.0
    log_w = log_weights_of(z_key, x, centre, sigma)
    size = probability.effective_sample_size(log_w)
    return iwae_bound(log_w, 0.0) - exact, size


eight = jax.random.split(jax.random.key(5), 8)
outcomes = {  # for each proposal: eight x, error and size, 40 dimensions
    name: np.array([quality(key, name) for key in eight])
    for name in ("prior", "near")
}
# %% alt="Two panels against the dimension from 1 to 40, with eight grey and eight blue curves. Left, the estimate minus the exact ln p(x): the grey ones fall from zero to tens of nats below; the blue ones stay on the zero line. Right, the effective sample size on a logarithmic scale: the grey ones fall exponentially from thousands to about one, the blue ones decline slowly." caption="Draws from the prior (grey) and from a $q$ near the posterior (blue), for eight different $x$ each. Left, the error of the estimate of $\\ln p(x)$; right, how many of the 20,000 draws count."
fig, axes = plt.subplots(1, 2, figsize=(8, 3))
dimensions = np.arange(1, most + 1)
for colour, (name, found) in zip([GREY, BLUE], outcomes.items(), strict=True):
    for i, ax in enumerate(axes):
        lines = ax.plot(dimensions, found[:, i].T, color=colour, lw=1)
        ax.set(xlabel="dimension of $z$")
    lines[0].set_label({"near": "$q$ near the posterior"}.get(name, name))
axes[0].set(ylabel="estimate − exact [nats]")
axes[1].set(ylabel="effective sample size", yscale="log")
legend = axes[1].legend()

# %%
print(f"{most} dimensions, {num_draws} draws; mean ± error over eight x")
for name, found in outcomes.items():
    (off, size), (off_error, size_error) = probability.mean_and_error(
        found[:, :, -1]
    )
    print(
        f"{name:6} {size:8.1f} ± {size_error:5.1f} count, "
        f"ln p(x) off by {off:+6.2f} ± {off_error:.2f} nats"
    )

# %% [markdown] tags=["box"]
# **Answer.** Of the 20,000 draws from the prior, hardly more than one counts. Almost every $z$ of the prior gives $x$
# almost no probability. In each dimension only a fraction of the draws lands where $p(x\mid z)$ is not tiny; the
# fractions multiply, and so here the number of samples needed grows exponentially with $\dim z$. The estimate has no
# bias, but its logarithm is wrong by many nats, and only the effective sample size warns of it. $q(z\mid x)$ proposes
# the few $z$ that could have made this $x$; it need not be exact.

# %% [markdown]
# With $q$ the exact posterior every weight is $p(x)$, and one sample is enough in any dimension:

# %% tags=["nbval-check-output"]
some_image, exact_log_p, exact_mean = known_case(jax.random.key(4))
ideal_log_w = log_weights_of(
    jax.random.key(6), some_image, exact_mean, posterior_sigma
)[:, -1]
print(f"spread of the log-weights: {np.std(ideal_log_w):.4f} nats")
same = np.isclose(elbo(ideal_log_w, 0.0), exact_log_p[-1], atol=1e-3)
print("ELBO equals exact ln p(x):", bool(same))

# %% [markdown]
# ## 5.7 The reparametrization trick
#
# To improve $q_\phi$ we need the gradient of $\mathbb E_{q_\phi}h(z)$, and $\phi$ stands in the *distribution* of the
# samples. We take a test with a known answer:
#
# $$q=\mathcal N(\mu,\sigma^2),\quad h(z)=z^2,\quad \mathbb E_qh=\mu^2+\sigma^2,\quad
# \frac{\partial}{\partial\mu}\mathbb E_qh=2\mu.$$
#
# ### What goes wrong
#
# A direct way to sample is a table of the density, and a draw from the table.
#
# **Predict:** the value will be about $1.5^2+1=3.25$. And the gradient, which should be 3?


# %%
def mean_of_square(mean, key):
    table = jnp.linspace(-8, 10, 4001)
    density = jnp.exp(normal_log_prob(table, mean, 0.0))
    share = density / density.sum()
    z = jax.random.choice(key, table, (10_000,), p=share)
    return jnp.mean(z**2)


value_and_gradient = jax.jit(jax.value_and_grad(mean_of_square))
value, gradient = value_and_gradient(1.5, jax.random.key(6))
print(f"value {value:.2f}, gradient {gradient:.2f}")

# %% [markdown]
# **Answer.** The gradient is 0, and no error is raised. A draw picks an *entry* of the table, and a small change of
# $\mu$ picks the same entry.
#
# The repair is to let the randomness come from outside: $z=\mu+\sigma\varepsilon$ with
# $\varepsilon\sim\mathcal N(0,1)$.

# %% alt="Two rows of boxes joined by arrows. Upper row: phi, then q, then a draw z, then h of z; the blue arrow back from h of z ends in a cross at the draw. Lower row: phi, then mu and sigma, then z = mu + sigma epsilon with epsilon entering from above, then h of z; the blue arrow back runs all the way to phi." caption="Where the gradient (blue) can go. A draw is a dead end; in $z=\\mu+\\sigma\\varepsilon$ only arithmetic lies between $\\phi$ and $h(z)$."
fig = inference.gradient_paths()


# %% library="course_lib.vae.reparameterization:reparameterize"
def reparameterize(key, mean, log_sigma):
    noise = jax.random.normal(key, mean.shape)
    return mean + jnp.exp(log_sigma) * noise


# %% [markdown] tags=["derivation"]
# The mean over $q_\phi$ has become a mean over $\varepsilon$, whose distribution contains no $\phi$. So the gradient
# may go **inside the expectation**:
#
# $$\nabla_\phi\,\mathbb E_{q_\phi(z)}h(z)=\nabla_\phi\,\mathbb E_{\varepsilon}\,h(\mu+\sigma\varepsilon)
# =\mathbb E_{\varepsilon}\,\nabla_\phi h(\mu+\sigma\varepsilon).$$
#
# This change of variables needs a differentiable $h$ and a continuous $z$. The alternative needs neither. The
# **score-function** estimator uses $\nabla q=q\,\nabla\ln q$:
#
# $$\nabla_\phi\,\mathbb E_{q_\phi}h(z)=\mathbb E_{q_\phi}\left[h(z)\,\nabla_\phi\ln q_\phi(z)\right].$$
#
# **Predict:** both have the mean 3. Which one scatters more?


# %%
def pathwise(key):
    def one(mean):
        return reparameterize(key, mean, 0.0) ** 2

    return jax.grad(one)(jnp.array(1.5))


def score_function(key):
    z = reparameterize(key, jnp.array(1.5), 0.0)
    return z**2 * jax.grad(normal_log_prob, argnums=1)(z, 1.5, 0.0)


keys = jax.random.split(jax.random.key(7), 20_000)
estimators = {"reparametrization": pathwise, "score function": score_function}
gradients = {
    name: np.asarray(jax.jit(jax.vmap(one))(keys))
    for name, one in estimators.items()
}

# %%
for name, samples in gradients.items():
    centre, error = probability.mean_and_error(samples)
    spread = f"variance {samples.var():5.1f}"
    print(f"{name:18} mean {centre:.2f} ± {error:.2f}   {spread}")
exact_variances = 4.0, 1.5**4 + 14 * 1.5**2 + 15
print("exact variances:  ", *(f"{v:.1f}" for v in exact_variances))
print(f"their ratio:       {exact_variances[1] / exact_variances[0]:.1f}")

# %% alt="Histograms of 20,000 single-sample gradients. The blue reparametrization gradients form a narrow bell around 3. The purple score-function gradients have a sharp peak at zero and a long tail to the right, beyond 50. The density axis is logarithmic." caption="The gradient from one sample, 20,000 times, by both estimators. They have the same mean."
fig, ax = plt.subplots(figsize=(6.4, 2.7))
bins = np.linspace(-20, 60, 81)
for (name, samples), colour in zip(
    gradients.items(), [BLUE, PURPLE], strict=True
):
    look = {"color": colour, "alpha": 0.6, "label": name}
    ax.hist(samples, bins=bins, density=True, **look)
ax.axvline(3, color=INK, ls="--", lw=1, label="exact gradient")
ax.set(xlabel="gradient from one sample", ylabel="density", yscale="log")
legend = ax.legend()

# %% [markdown]
# **Answer.** The score function scatters more. The exact variances are $4\sigma^2$ and
# $\mu^4/\sigma^2+14\mu^2+15\sigma^2$; here it needs 12.9 times as many samples for the same accuracy. It sees only
# the *value* of $h$ at $z$, while the other estimator sees its *slope*.
#
# Now the gradient of $\mathbb E\,(z-1)^2$ with respect to $\mu$, by both estimators from the same noise.
#
# **Predict, then move:** set $\mu=-2$, then make $\sigma$ small. Which of the two clouds shrinks, and which one grows?

# %% caption="Left, the noise and the samples that it becomes. Right, one dot for each sample: estimates of one gradient by each estimator; both clouds have the dashed line as their mean."
reparameterization_explorer()

# %% [markdown] tags=["answer"]
# The pathwise cloud shrinks onto the exact gradient, because $z$ hardly varies. The score function divides by $\sigma$:
# its cloud grows once $\sigma$ is below about $|\mu-1|/2$.

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5.3 ★ — Another distribution
# Draw from the uniform distribution between `low` and `high` so that gradients pass. Use
# `jax.random.uniform(key, (n,))`, which draws between 0 and 1.
#
# **Hint.** The drawn numbers play the part of $\varepsilon$. Stretch them, then shift them.


# %% tags=["exercise"]
def reparameterize_uniform(key, low, high, n):
    ### BEGIN SOLUTION
    return low + (high - low) * jax.random.uniform(key, (n,))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.3") as check:

    def mean_up_to(high):
        key = jax.random.key(8)
        return jnp.mean(reparameterize_uniform(key, -1.0, high, 20_000))

    yours = np.asarray(
        reparameterize_uniform(jax.random.key(8), -1, 3, 20_000)
    )
    check.close("mean", yours.mean(), 1.0, rtol=0.03)
    first = "Stretch first, then shift."
    check.close("width²/12", yours.var(), 16 / 12, rtol=0.03, hint=first)
    slope = jax.grad(mean_up_to)(3.0)
    inside = "high must enter by arithmetic."
    check.close("d mean / d high", slope, 0.5, rtol=0.03, hint=inside)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5.4 ★★ — A quieter score function
# Subtracting a constant $b$ from $h$ changes nothing in the mean, because $\mathbb E_q\nabla\ln q=0$. It does change
# the variance. Write the score-function gradient by $\mu$ of $h(z)=z^2$ with the **baseline** $b$, for an array `z` of
# samples of $\mathcal N(\mu,1)$: one gradient for each sample.
#
# **Hint.** For $\mathcal N(\mu,1)$, $\partial\ln q/\partial\mu=z-\mu$.
#
# **Hint.** The baseline is subtracted from $h(z)$, and the result is multiplied by $z-\mu$.


# %% tags=["exercise"]
def with_baseline(z, mean, b):
    ### BEGIN SOLUTION
    return (z**2 - b) * (z - mean)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.4") as check:
    draws = 1.5 + np.random.default_rng(9).normal(size=40_000)
    at_2 = with_baseline(np.array([2.0]), 1.5, 0.0)
    check.close("b = 0 at z = 2", at_2, [2.0], hint="∂ln q/∂μ = z − μ here.")
    yours = with_baseline(draws, 1.5, 3.25)
    check.close("the mean is still 3", np.mean(yours), 3.0, rtol=0.03)
    smaller = np.var(yours) < 0.6 * np.var(with_baseline(draws, 1.5, 0.0))
    before = "Subtract b from h, before the product."
    check.true("b = E h lowers the variance", smaller, hint=before)

# %% [markdown] tags=["derivation"]
# ## 5.8 The variational auto-encoder
#
# **From one image to many.** For a data set $x_1,\dots,x_N$ the goal is the sum of the bounds,
# $\sum_n\mathcal L(x_n;\theta,\phi)$. Classical variational inference gives each image a $q$ of its own, say
# $\mathcal N(\mu_n,\mathrm{diag}\,\sigma_n^2)$. Its $2J$ numbers (for $J$ latents) are found by a search, for each
# image anew.
#
# The **encoder** $Q$ replaces the searches by one function. A network with weights $\phi$ computes $\mu(x)$ and
# $\sigma(x)$, and $q_\phi(z\mid x)=\mathcal N(\mu(x),\Sigma(x))$ with $\Sigma(x)=\mathrm{diag}\,\sigma^2(x)$. The
# cost of inference is paid once, in training, and shared by all images: this is **amortized inference**. Its price is
# that the network may miss the best $q$ for a given image, the *amortization gap* (chapter 5b). A draw $z$ then goes
# through the decoder $P$, which computes $p_\theta(x\mid z)$.

# %% alt="From left to right: x enters the blue encoder Q, which gives mu of x and Sigma of x in green; together with noise epsilon from outside they give z = mu + sigma epsilon; the red decoder P turns z into x hat. Dashed lines join mu and Sigma to the KL to the prior below them, and x hat to minus ln p of x given z." caption="The variational auto-encoder. The two terms of the loss stand below what they are computed from."
fig = inference.vae_structure()

# %% [markdown] tags=["derivation"]
# **The encoder's term** has a closed form. For one latent, $\mathbb E_q\ln q=-\frac12\ln(2\pi\sigma^2)-\frac12$,
# because $\mathbb E_q(z-\mu)^2=\sigma^2$; and $\mathbb E_q\ln p=-\frac12\ln(2\pi)-\frac12(\mu^2+\sigma^2)$, because
# $\mathbb E_qz^2=\mu^2+\sigma^2$. The difference, summed over $J$ latents, is
#
# $$\mathrm{KL}(q\,\|\,p(z))=\frac12\sum_{j=1}^{J}\left(\mu_j^2+\sigma_j^2-1-\ln\sigma_j^2\right).$$
#
# **The decoder's term** is, for binary pixels, the cross-entropy of chapter 4. With a Gaussian likelihood of fixed
# $\sigma$ (the decoder's, not the encoder's) it is the squared error, in $d$ dimensions:
#
# $$-\ln p(x\mid z)=\frac{\lVert x-f(z)\rVert^2}{2\sigma^2}+\frac d2\ln(2\pi\sigma^2).$$
#
# So $\sigma$ sets the exchange rate between reconstruction and KL. In the literature one often meets a factor $\beta$
# in front of the KL; only $\beta=1$ gives this bound. To forget the weight $1/2\sigma^2$ is to take
# $\beta=1/2\sigma^2$ (section 5.12 runs an example); chapter 5b uses $\beta$ on purpose.

# %% [markdown] numbers={"5,000": "len(train) + len(valid) + len(test)"}
# ### The data and the model
#
# The data are 5,000 binary digits. The decoder computes the logits of 784 Bernoulli distributions.

# %%
digits = data.mnist_5k()
train, valid, test = (
    data.flatten(data.binarize(part.images))
    for part in (digits.train, digits.valid, digits.test)
)
untrained = Vae(784, [128], 12, rngs=nnx.Rngs(0))
mean, log_sigma = untrained.encode(train[:5])
logits = untrained.decode(mean)
print(len(train), "images for training,", len(test), "for the test")
print("images", train[:5].shape, "→ latents", mean.shape)
print("latents", mean.shape, "→ logits", logits.shape)

# %% [markdown]
# Does amortization save numbers? A $q$ of its own for each training image would need 24 of them an image:

# %%
encoder_weights = nnx.state(untrained.encoder, nnx.Param)
in_encoder = sum(w.size for w in jax.tree.leaves(encoder_weights))
print(f"own q for each training image: {2 * 12 * len(train):,} numbers")
print(f"one encoder for all images:    {in_encoder:,} numbers")

# %% [markdown]
# Here it saves none, only the search for each new image.
#
# The bound for each image has sums over pixels and over latents, **never means**:


# %%
def elbo_terms(vae, key, x):
    mean, log_sigma = vae.encode(x)
    z = reparameterize(key, mean, log_sigma)
    log_p = probability.bernoulli_log_prob(x, vae.decode(z))
    variance = jnp.exp(2 * log_sigma)
    kl = 0.5 * (mean**2 + variance - 1 - 2 * log_sigma).sum(axis=-1)
    return log_p.sum(axis=-1), kl


in_library = nnx.jit(Vae.elbo_terms)
arguments = untrained, jax.random.key(10), train[:5]
ours, theirs = nnx.jit(elbo_terms)(*arguments), in_library(*arguments)
print("the library computes the same:", bool(np.allclose(ours, theirs)))

# %% [markdown] tags=["box"]
# **Algorithm: one step of training.**
#
# 1. Take a batch of images $x$.
# 2. Encode: $\mu(x)$ and $\ln\sigma(x)$, by the network with weights $\phi$.
# 3. Draw $\varepsilon\sim\mathcal N(0,I)$, one for each image, and put $z=\mu+\sigma\varepsilon$.
# 4. Decode: $\ln p_\theta(x\mid z)$, by the network with weights $\theta$.
# 5. The loss is the batch mean of $-\ln p_\theta(x\mid z)+\mathrm{KL}(q_\phi(z\mid x)\,\|\,p(z))$, an unbiased estimate
#    of $-\mathcal L$.
# 6. Change $\theta$ and $\phi$ against its gradient. That of $\phi$ comes from the KL directly, and from step 4 through
#    $z$, which only the reparametrization lets pass.

# %% [markdown]
# ### One training step
#
# **Predict:** before training, every pixel is about a fair coin. What is the loss, roughly?


# %% library="course_lib.vae.vae:negative_elbo"
def negative_elbo(model, batch, key):
    return -model.elbo(key, batch).mean()


# %%
@nnx.jit
def train_step(model, optimizer, batch, key):
    loss, slopes = nnx.value_and_grad(negative_elbo)(model, batch, key)
    optimizer.update(model, slopes)
    return loss


trial = Vae(784, [128], 12, rngs=nnx.Rngs(0))
optimizer = nnx.Optimizer(trial, optax.adam(1e-3), wrt=nnx.Param)
for i in range(4):
    batch = train[100 * i : 100 * (i + 1)]
    step_key = jax.random.fold_in(jax.random.key(11), i)
    loss = train_step(trial, optimizer, batch, step_key)
    print(f"step {i}: {loss:.0f} nats")
print(f"784 fair coins: {784 * math.log(2):.0f} nats")

# %% [markdown]
# **Answer.** The loss starts at 594 nats, a little above the 543 of fair coins: the random weights are a little sure
# of what is wrong.
#
# The loop does this for all batches, 40 times, and keeps the state that is best on validation images. We train three
# models that differ in their random numbers only. The first one is our `vae`.


# %%
def trained(seed, loss=negative_elbo):
    model = Vae(784, [128], 12, rngs=nnx.Rngs(seed))
    recipe = {"epochs": 40, "optimizer": optax.adam(4e-3)}
    key = jax.random.key(12 + seed)
    return model, fit(model, loss, train, key=key, validation=valid, **recipe)


runs = [trained(seed) for seed in range(3)]
vae, vae_history = runs[0]
for seed, (model, _) in enumerate(runs):
    loss = nnx.jit(negative_elbo)(model, test, jax.random.key(18))
    print(f"seed {seed}: {loss:.1f} nats on test images")

# %% alt="Loss against epoch for training and validation images: both fall steeply within five epochs from above 200 nats, then slowly; the training curve ends lower than the validation curve." caption="The loss of the first model. What lies between the curves at the end is overfitting: the model knows its training images better than new ones."
fig = learning_curves(vae_history)

# %% [markdown]
# ## 5.9 What it has learned
#
# Chapter 4 drew codes for a plain auto-encoder, and failed. Here the KL pulls every $q(z\mid x)$ towards
# $\mathcal N(0,I)$. Is drawing from $\mathcal N(0,I)$ right now?
#
# **Predict:** we draw some and decode. Will all of them be digits?

# %% alt="Twenty decoded samples in two rows. More than half look like handwritten digits; the others are broken or between two digits." caption="Twenty draws from the prior, decoded. Shown are probabilities of ink, $\\mathbb E[x\\mid z]$."
z = jax.random.normal(jax.random.key(13), (20, 12))
fig = image_grid(vae.decode_mean(z).reshape(-1, 28, 28), columns=10)

# %% [markdown]
# **Answer.** Not all of them are digits. Reconstructions of test images are better:

# %% alt="Three rows of ten digits. First the binary test images, then their reconstructions, which are smooth and mostly right, then binary samples from p(x|z), which are the same digits with ragged edges." caption="Test images, the mean of $p(x\\mid z)$ for the code of each, and one sample of $p(x\\mid z)$."
codes_of_ten = vae.encode(test[:10])[0]
expected = vae.decode_mean(codes_of_ten)
pixels = jax.random.bernoulli(jax.random.key(14), expected)
rows = {"x": test[:10], "E[x|z]": expected, "sample": pixels}
fig = image_rows({k: row.reshape(-1, 28, 28) for k, row in rows.items()})

# %% [markdown]
# **Why means blur.** Many images share a code, nearly. Their strokes lie a pixel apart, and the probability of ink is
# the average over all of them: grey where they differ. In a *sample* each pixel throws its own coin, so its edges are
# ragged instead. All that pixels have in common must go through $z$.
#
# ### Is drawing from the prior right?

# %% [markdown] tags=["derivation"]
# Chapter 4 asked two questions of a sampler: is its code *off the cloud* of codes, and can its images be *told apart*
# from reconstructions? The yardstick is what the encoder really sends to the decoder, a draw from
#
# $$q(z)=\frac1N\sum_{n=1}^Nq(z\mid x_n),$$
#
# the **aggregate posterior**. Were it $p(z)$, draws from the prior would decode like reconstructions. Five samplers:
#
# - the prior $\mathcal N(0,I)$;
# - $q(z)$ of the training images;
# - as in chapter 4, one normal distribution and a mixture of 20, both fitted to draws from that $q(z)$;
# - $q(z)$ of the validation images, as what an honest sampler of new digits would reach.
#
# **Predict:** will draws from the prior be told apart from reconstructions?


# %%
def squared_distances(a, b):
    products = 2 * a @ b.T
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - products


def off_the_cloud(z, cloud, held_out):
    """Share of z farther from the cloud than 95% of held-out codes."""
    far = squared_distances(z, cloud).min(axis=1)
    usual = squared_distances(held_out, cloud).min(axis=1)
    return (far > np.quantile(usual, 0.95)).mean()


def told_apart(images, reference):
    """How often the nearest neighbour is of the same kind."""
    both = np.concatenate([images, reference])
    kind = np.arange(len(both)) < len(images)
    distances = squared_distances(both, both)
    np.fill_diagonal(distances, np.inf)
    return (kind[distances.argmin(axis=1)] == kind).mean()


# %%
def codes_drawn(model, key, images):
    return np.asarray(reparameterize(key, *model.encode(images)))


def samplers(model, seed, number=400):
    rng = np.random.default_rng(seed)
    cloud = codes_drawn(model, jax.random.key(seed), train)
    center, spread = cloud.mean(axis=0), np.cov(cloud.T.astype(float))
    twenty = GaussianMixture(
        20, tol=1e-2, reg_covar=1e-3, random_state=seed
    ).fit(cloud.astype(float))
    return cloud, {
        "prior": rng.normal(size=(number, 12)),
        "q(z), training": rng.permutation(cloud)[:number],
        "matched normal": rng.multivariate_normal(center, spread, number),
        "mixture of 20": rng.permutation(twenty.sample(number)[0]),
        "q(z), validation": codes_drawn(model, jax.random.key(30), valid),
    }


# %%
scores, drawn_codes = {}, {}
for seed, (model, _) in enumerate(runs):
    held_out = codes_drawn(model, jax.random.key(31), test)
    rebuilt = np.asarray(model.decode_mean(held_out[:400]))
    codes, found = samplers(model, seed)
    if seed == 0:
        drawn_codes = found
    for name, some in found.items():
        some = some.astype(np.float32)
        off = off_the_cloud(some, codes, held_out)
        apart = told_apart(np.asarray(model.decode_mean(some)), rebuilt)
        scores.setdefault(name, []).append([off, apart])

# %%
print("mean over three trainings ± error over them")
for name, pairs in scores.items():
    (off, apart), (e_off, e_apart) = probability.mean_and_error(pairs)
    print(
        f"{name:17} off the cloud {off:5.1%} ± {e_off:.1%}"
        f"   told apart {apart:5.1%} ± {e_apart:.1%}"
    )

# %% [markdown]
# **Answer.** Draws from the prior *are* told apart from reconstructions, in 69.6% of the cases, where one half would
# be chance; one matched normal does about as badly. The decoder is not to blame: given codes of new images, it
# passes, at 51.4%. The mixture comes close.

# %% [markdown] tags=["box"]
# **Holes.** Why is the prior wrong, if the loss pulls towards it? The pull is one term against another. It does press
# the *sum* of the small clouds $q(z\mid x)$ towards $\mathcal N(0,I)$, but the decoder must tell them apart, and
# between them are **holes**: places that the prior calls probable and where no image has its code. There the decoder
# was never trained. Of the draws from the prior 41.5% lie off the cloud of codes, of the codes of new images 4.4%.
#
# The loss prices the mismatch: its KL is, on average, what $z$ tells about $x$ plus $\mathrm{KL}(q(z)\,\|\,p(z))$
# (chapter 5b). How much of it more images, a longer training, or a better network would remove, we have not tested.
#
# The repair is chapter 4's: a density for the codes, here the mixture. One can also *learn the prior* along with the
# rest (Tomczak and Welling, 2018). The test has a blind spot: $q(z)$ of the training images passes it by showing
# training digits once more.

# %% alt="Three rows of twelve images. Row prior: some digits, the others broken or faint. Row mixture: mostly readable digits, some broken. Row q(z): nearly all readable, soft digits." caption="Twelve draws from each of three samplers, decoded by the same model. The last row shows training images, encoded with noise and decoded."
shown = {
    "prior": "prior",
    "mixture": "mixture of 20",
    "q(z)": "q(z), training",
}
decoded = {
    label: vae.decode_mean(drawn_codes[name][:12].astype(np.float32))
    for label, name in shown.items()
}
fig = image_rows(
    {k: row.reshape(-1, 28, 28) for k, row in decoded.items()}, cell=0.5
)

# %% [markdown]
# ### One latent at a time
#
# The KL is a sum over latents, so each has its price. A latent that is not used, with $q(z_j\mid x)=p(z_j)$, costs
# nothing. The sliders are sorted by price. Start from a test digit, or draw one; the blue bar is its posterior.
#
# **Predict, then move:** will the dearest latent change the picture more than the cheapest? And what happens far
# outside the blue bar?

# %% caption="One slider for each of the twelve latents, the dearest first. Right, for each of them the prior (grey), the posterior of the digit (blue), and where $z$ stands (green)."
test_mean, test_log_sigma = vae.encode(test)
kl_table = probability.kl_standard_normal(test_mean, test_log_sigma)
kl_per_latent = kl_table.mean(axis=0)
first_of = [np.argmax(digits.test.labels == k) for k in range(10)]
first_of = jnp.array(first_of)  # one test image of each digit
heads = [vae.encoder.mean, vae.encoder.log_sigma]
both_heads = [
    jnp.concatenate([getattr(head, part)[...] for head in heads], axis=-1)
    for part in ("kernel", "bias")
]
hidden = dense_layers(vae.encoder.hidden.layers, last="relu")
latent_sliders_explorer(
    [*hidden, (*both_heads, "linear")],
    dense_layers(vae.decoder.network.layers, last="sigmoid"),
    kl_per_latent,
    test_mean[first_of],
    test_log_sigma[first_of],
    digits.test.labels[first_of],
    (28, 28),
)


# %%
@jax.jit
def ink_moved(j):
    """Mean change of the picture when z_j goes from -1 to 1, in pixels."""
    low, high = (test_mean.at[:, j].set(v) for v in (-1.0, 1.0))
    change = jnp.abs(vae.decode_mean(high) - vae.decode_mean(low))
    return change.sum(axis=-1).mean()


moved = np.array([ink_moved(j) for j in range(12)])
for name, j in [
    ("dearest", kl_per_latent.argmax()),
    ("cheapest", kl_per_latent.argmin()),
]:
    print(f"{name:8}: {kl_per_latent[j]:.2f} nats, {moved[j]:.0f} pixels")
agreement = np.corrcoef(kl_per_latent, moved)[0, 1]
print(f"correlation over the 12 latents: {agreement:.2f}")

# %% [markdown]
# **Answer.** In this model the dearest latent does change the picture more than the cheapest; over all twelve, price
# and effect have a correlation of 0.94. Far outside the blue bar lie codes of other images, or holes: the picture
# becomes another one, or no digit.
#
# ### What goes wrong
#
# Many programs take the *mean* over pixels and still sum the KL. The reconstruction is then 784 times too cheap, which
# is the same as $\beta=784$.
#
# **Predict:** what will this encoder do with its latents?


# %%
def pixel_mean_loss(model, batch, key):
    reconstruction, kl = model.elbo_terms(key, batch)
    return -(reconstruction / 784 - kl).mean()


careless, _ = trained(0, pixel_mean_loss)
for name, model in {"pixel mean": careless, "sum": vae}.items():
    log_p, rate = in_library(model, jax.random.key(15), test)
    print(
        f"{name:10}  -E ln p(x|z) {-log_p.mean():6.1f} nats"
        f"   KL {rate.mean():5.2f} nats"
    )


# %%
@nnx.jit
def iwae_16(model, key, x):
    return model.iwae(key, x, 16).mean()


claimed = -nnx.jit(pixel_mean_loss)(careless, test, jax.random.key(16))
reached = iwae_16(careless, jax.random.key(16), test)
print(f"the careless 'bound':              {claimed:.2f} nats")
print(f"ln p(x) of its model, estimated: {reached:.1f} nats")

# %% alt="Three rows of ten digits: the test images; the careless model's reconstructions, which are all the same grey blur; the right model's reconstructions, which resemble the images." caption="Test images and their reconstructions by two models of the same recipe, trained on a pixel mean and on the bound."
rows_of = {
    "x": test[:10],
    "pixel mean": careless.reconstruct(test[:10]),
    "sum": vae.reconstruct(test[:10]),
}
fig = image_rows({k: row.reshape(-1, 28, 28) for k, row in rows_of.items()})

# %% [markdown]
# **Answer.** This encoder does nothing with its latents. It sends every image to the prior, so the KL is 0 and the code
# says nothing: *posterior collapse*. The number that was maximised lies far above $\ln p(x)$; it is no bound.
#
# ### A latent map
#
# With two latents (and one more hidden layer, and fewer epochs) the code can be drawn.

# %%
planar = Vae(784, [200, 200], 2, rngs=nnx.Rngs(2))
planar_history = fit(
    planar,
    negative_elbo,
    train,
    key=jax.random.key(17),
    epochs=16,
    optimizer=optax.adam(3e-3),
    validation=valid,
)
plane_codes, plane_log_sigmas = planar.encode(test)
widths = np.exp(2 * plane_log_sigmas).mean(axis=0)
spread = np.sqrt(np.var(plane_codes, axis=0) + widths)
print(f"spread of z over all test images: {spread[0]:.1f}, {spread[1]:.1f}")
loss = nnx.jit(negative_elbo)(planar, test, jax.random.key(18))
print(f"loss with two latents: {loss:.0f} nats on test images")

# %% tags=["cover"] alt="Left, the latent means of 600 test images in the plane, coloured by digit, with a legend: the classes form neighbouring regions around the origin; 0, 1 and 6 lie apart, the others overlap in the middle. Right, the plane decoded on a grid of 12 by 12 points: the digits change smoothly into one another." caption="Left, the codes of 600 test images; no label was used in training. Right, what the decoder makes of a grid of codes."
fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.8))
palette = plt.get_cmap("tab10")
for digit in range(10):
    spots = plane_codes[digits.test.labels == digit]
    axes[0].scatter(*spots.T, s=6, color=palette(digit), label=str(digit))
axes[0].set(xlabel="$z_1$", ylabel="$z_2$", title="test images")
axes[0].set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
decoded_plane(
    axes[1], planar.decode_mean, (-2.5, 2.5), (-2.5, 2.5), 28, number=12
)
axes[1].set(xlabel="$z_1$", ylabel="$z_2$", title="decoder", aspect="equal")
legend = axes[0].legend(
    fontsize=8, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5)
)
# %% [markdown]
# Chapter 4's plane, too, decoded to something at every point. Now we know *where* to look: the codes crowd around 0
# with a spread of 1.3 and 1.1, where the prior says 1.
#
# **Predict, then move:** walk from one digit to another. Do you cross a third?

# %% caption="The same map. Point at a code, and the decoder draws it."
latent_plane_explorer(
    dense_layers(planar.decoder.network.layers, last="sigmoid"),
    plane_codes,
    digits.test.labels,
    (28, 28),
    title="A walk through the latent map",
)

# %% [markdown] tags=["answer"]
# Often you do cross a third digit. From a 0 at the upper left, a straight way to a 1 on the right leads through a 3.
# Regions that touch, such as those of 0 and 6 on the left, pass into each other: between them the decoder draws
# something that is half of each.

# %% [markdown] tags=["quiz"]
# **A variational auto-encoder reconstructs well, and its draws from the prior are poor. Which remedy goes to the cause
# found above?**
#
# - [ ] A larger decoder. :: The decoder does well on the codes that the encoder sends.
# - [x] Draw $z$ from a density fitted to the codes. :: Right: the draws then fall where the decoder was trained.
# - [ ] Show samples instead of means of $p(x\mid z)$. :: That changes ragged for smooth; the code stays where it was.

# %% [markdown] tags=["quiz"]
# **The KL of one latent is 0 on average. What does it do?**
#
# - [x] Nothing: its $q(z_j\mid x)$ is the prior for every $x$. :: Right: a mean of numbers that are never negative is 0
#   only if all of them are.
# - [ ] Its width may carry information. :: A width other than 1 costs as well.
# - [ ] It carries information for free. :: To say something about $x$, $q(z_j\mid x)$ must leave the prior.

# %% [markdown] tags=["quiz"]
# **Why do two programs that use the same networks report losses of $0.2$ and $110$ for the same digits?**
#
# - [ ] The second has not finished training. :: The numbers do not tell.
# - [ ] The first has $\beta<1$. :: $\beta$ weighs the KL only; the reconstruction alone would be tens of nats.
# - [x] They may use different units: a mean over pixels in one, a sum in the other. :: Right: only the sum is a bound
#   on $-\ln p(x)$, in nats for a whole image.

# %% [markdown] tags=["box"]
# **Predict, then play.** The browser trains a VAE with two latents. Its loss gives the KL a weight $\beta$, which is a
# slider *during* the training: $-\mathbb E\ln p(x\mid z)+\beta\,\mathrm{KL}$. Train with $\beta=8$ from the start. What
# becomes of the KL of each latent? And when you then move $\beta$ to 1?

# %% caption="A VAE with two latents that is trained in this page: the means of $q(z\\mid x)$, coloured by class, the decoded plane, the KL of each latent and the loss, in nats."
from course_lib.explorers.scenes.live_vae import live_vae_explorer
from course_lib.vae import regularized_loss

eight_by_eight = data.digits_8x8().train
live_vae_explorer(
    lambda rngs: Vae(64, [64], 2, rngs=rngs),
    regularized_loss,
    data.binarize(eight_by_eight.images),
    eight_by_eight.labels,
)

# %% [markdown] tags=["answer"]
# It falls almost to 0: the code has collapsed onto the prior, and the decoder draws the same grey digit everywhere.
# With $\beta=1$ each latent keeps more than a nat, and a code that had collapsed comes back, for nothing but $\beta$
# kept it down. Section 5b.4 has a stronger decoder, with which a collapsed code hardly wakes at $\beta=1$.

# %% [markdown] tags=["derivation"]
# ## 5.10 The loss read as bits
#
# An ideal code spends $-\log_2p(x)$ bits on $x$, so a loss is a **length**: nats divided by $\ln2$ are bits. Divide
# $-\mathcal L$ in two ways:
#
# $$\underbrace{-\ln p(x)}_{\text{ideal code for }x}
# +\underbrace{\mathrm{KL}(q\,\|\,p(z\mid x))}_{\text{penalty: }q\text{ is not the posterior}}
# \;=\;-\mathcal L\;=\;
# \underbrace{-\mathbb E_q\ln p(x\mid z)}_{\text{rebuild }x\text{ from }z}
# +\underbrace{\mathrm{KL}(q\,\|\,p(z))}_{\text{extra for }z\text{ from }q,\text{ not from the prior}}$$
#
# The right side we know. The left needs $\ln p(x)$, which section 5.6 taught us to estimate: by importance
# sampling with our encoder.


# %%
images = test[:100]
their_mean, their_log_sigma = vae.encode(images)


def log_weight(key):
    z = reparameterize(key, their_mean, their_log_sigma)
    log_q = normal_log_prob(z, their_mean, their_log_sigma).sum(axis=-1)
    log_prior = probability.standard_normal_log_prob(z)
    return vae.log_likelihood(images, z) + log_prior - log_q


weight_keys = jax.random.split(jax.random.key(19), 512)
log_w = jax.lax.map(log_weight, weight_keys)  # (samples, images)

# %% [markdown]
# The importance-weighted bound rises with the number of samples $k$ from $\mathcal L$ towards $\ln p(x)$.
#
# **Predict:** has it stopped rising at $k=512$?

# %% alt="The importance-weighted bound against the number of samples k from 1 to 512 on a logarithmic axis: it rises by several nats, ever more slowly, and has not levelled off at the end." caption="The bound on $\\ln p(x)$ from $k$ samples, mean of 100 test images."
numbers = [2**i for i in range(10)]
bounds = [
    iwae_bound(log_w.reshape(-1, k, 100), jnp.zeros(()), axis=1).mean(axis=0)
    for k in numbers
]
fig, ax = plt.subplots(figsize=(6.4, 2.7))
ax.set(xlabel="samples $k$", ylabel="bound on $\\ln p(x)$ [nats]")
dots = ax.semilogx(numbers, [b.mean() for b in bounds], "o-", base=2)
# %%
rise, rise_error = probability.mean_and_error(bounds[-1] - bounds[-2])
print(f"from k = 256 to 512: {rise:+.2f} ± {rise_error:.2f} nats")
sizes = jax.jit(probability.effective_sample_size)(log_w)
print(f"median effective sample size: {np.median(sizes):.0f} of 512")
log_p_images = bounds[-1]
print(f"ELBO                    {log_w.mean():.1f} nats")
print(f"estimate of ln p(x)     {log_p_images.mean():.1f} nats")
z = jax.random.normal(jax.random.key(20), (512, 1, 12))
copies = jnp.broadcast_to(z, (512, 100, 12))
by_prior = jax.lax.map(lambda z: vae.log_likelihood(images, z), copies)
by_prior = iwae_bound(by_prior, 0.0).mean()
print(f"the same, from the prior {by_prior:.1f} nats")

# %% [markdown]
# **Answer.** The bound has not stopped rising at $k=512$, since few samples carry the weight. So the estimate of
# $\ln p(x)$ is still too low, and the true penalty for $q$ larger than what we find. As many samples from the prior
# fall far short.
#
# Now the two divisions of the same length, for the mean of the 100 images:

# %% alt="Two bars of equal length in bits. The upper is divided into minus log2 p(x) in grey and a small orange penalty for q not being the posterior. The lower is divided into the bits to rebuild x from z in red and, in blue, the bits for z." caption="One length, divided in two ways. Upper bar: the ideal code and the penalty for $q$. Lower bar: the bits to rebuild $x$ from $z$ and the extra bits for $z$."
bit_keys = jax.random.split(jax.random.key(21), 64)
log_p_x_given_z, kl_prior = jax.lax.map(
    lambda key: vae.elbo_terms(key, images), bit_keys
)
rebuild, extra, ideal = (
    probability.nats_to_bits(v.mean())
    for v in (-log_p_x_given_z, kl_prior, -log_p_images)
)
penalty = rebuild + extra - ideal
upper = [("$-\\log_2p(x)$", ideal, GREY)]
upper += [("KL$(q\\|p(z|x))$", penalty, ORANGE)]
lower = [("$-E_q\\log_2p(x|z)$", rebuild, RED)]
lower += [("KL$(q\\|p(z))$", extra, BLUE)]
fig = inference.stacked_lengths({"ideal + penalty": upper, "x + z": lower})

# %% [markdown]
# Compare with the plain 784 bits, and with a code that knows how often each pixel has ink.

# %%
ink = np.clip(np.mean(train, axis=0), 1e-3, 1 - 1e-3)
log_ink = images * np.log(ink) + (1 - images) * np.log(1 - ink)
by_ink = np.asarray(probability.nats_to_bits(-log_ink.sum(axis=1)))
lengths = (kl_prior - log_p_x_given_z).mean(axis=0)
by_vae = np.asarray(probability.nats_to_bits(lengths))
saved, saved_error = probability.mean_and_error(by_ink - by_vae)
print("one bit a pixel:           784 bits")
print(f"each pixel by its ink:     {by_ink.mean():.0f} bits")
print(f"variational auto-encoder:  {by_vae.mean():.0f} bits")
print(f"saved against the ink:     {saved:.0f} ± {saved_error:.0f} bits")

# %% [markdown]
# The latent variables save much more than their own price. (± covers the 100 images.) Are these real bits? Sending
# $z$ and then $x$ would cost more than $-\mathcal L$; **bits-back coding** gets the surplus back (chapter 5a).
#
# ## 5.11 Appendix: learning a mixture by EM
#
# The algorithm that fits a mixture of Gaussians, in chapter 4 and in section 5.9, is the bound at work.

# %% [markdown] tags=["derivation"]
# **Expectation–maximization** (EM) serves data $x_1,\dots,x_N$ and a discrete $z$:
#
# - **E-step:** set $q(z\mid x_n)$ to the exact posterior. The gap closes: $\mathcal L=\ln p(x)$.
# - **M-step:** maximise $\mathcal L$ over $\theta$ with $q$ fixed. For a Gaussian mixture: weighted means and
#   variances.
#
# Why does $\ln p_\theta(x)$ never fall? Write $\theta$ before and $\theta'$ after the M-step, and
# $\mathcal L(q,\theta)$ for the bound. Then
#
# $$\ln p_{\theta'}(x)\;\ge\;\mathcal L(q,\theta')\;\ge\;\mathcal L(q,\theta)\;=\;\ln p_\theta(x).$$
#
# The first is the bound, the second the M-step, the equality the E-step. A variational auto-encoder climbs
# $\mathcal L$ too, in small steps in $\theta$ and $\phi$ at once; its $q$ is not exact, so $\ln p(x)$ may fall.


# %%
@jax.jit
def e_step(x, log_weights, means, log_sigmas):
    each = normal_log_prob(x[:, None], means, log_sigmas)
    log_joint = log_weights + each
    return jax.nn.softmax(log_joint, axis=1), log_joint


@jax.jit
def m_step(x, q):
    count = q.sum(axis=0)
    means = (q * x[:, None]).sum(axis=0) / count
    variances = (q * (x[:, None] - means) ** 2).sum(axis=0) / count
    return jnp.log(count / len(x)), means, 0.5 * jnp.log(variances)


# %% [markdown]
# The data are 600 points of the mixture of section 5.5. To *see* the two steps, we first let a single number be
# unknown, the mean of the first hill.

# %%
rng = np.random.default_rng(5)
state = rng.choice(3, size=600, p=np.array([0.5, 0.3, 0.2]))
points = rng.normal(np.asarray(means)[state], np.asarray(sigmas)[state])
points = points.astype(np.float32)


@jax.jit
@jax.vmap
def log_joint_at(first_mean):
    moved_means = means.at[0].set(first_mean)
    return e_step(points, jnp.log(weights), moved_means, jnp.log(sigmas))[1]


candidates = np.linspace(-4.5, 1.5, 121)
joints = log_joint_at(candidates)  # (candidates, points, 3)
log_evidences = logsumexp(joints, axis=2).mean(axis=1)

# %% alt="A dark curve, ln p of the data against the mean of the first hill, with a maximum near -2. Three blue curves below it touch it at one dot each; each dot lies straight above the maximum of the curve before, and the dots climb to the left towards the maximum." caption="Three rounds of EM in one number. Each blue curve is the bound for the $q$ of one E-step, and touches $\\ln p$ there (dot); the M-step goes to its maximum, where the next E-step lifts it back to the dark curve."
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.plot(candidates, log_evidences, color=INK, label="mean $\\ln p(x)$")
at = int(np.argmin(abs(candidates + 0.3)))
for round_number, style in enumerate([":", "--", "-"]):
    log_r = jax.nn.log_softmax(joints[at], axis=1)
    curve_below = (jnp.exp(log_r) * (joints - log_r)).sum(axis=2).mean(axis=1)
    label = f"bound, round {round_number + 1}"
    ax.plot(candidates, curve_below, color=BLUE, ls=style, label=label)
    ax.plot(candidates[at], log_evidences[at], "o", color=ORANGE, zorder=3)
    at = int(curve_below.argmax())
ax.set(xlabel="mean of the first hill", ylabel="nats", ylim=(-3.6, -1.7))
legend = ax.legend(fontsize=9, loc="right")

# %% [markdown]
# Now all nine numbers are unknown. We start with three equal Gaussians at $-1,0,1$.
#
# **Predict:** will the curve of the log-likelihood rise evenly, or in steps?

# %%
unknown = (np.log(np.full(3, 1 / 3)), np.array([-1.0, 0.0, 1.0]), np.zeros(3))
log_likelihoods = []
for _ in range(40):
    shares, log_joints = e_step(points, *unknown)
    each_point = np.logaddexp.reduce(log_joints, axis=1)
    log_likelihoods.append(each_point.mean())
    unknown = m_step(points, shares)
log_ratios = log_joints - np.log(shares + 1e-30)
after_e_step = np.sum(shares * log_ratios, axis=1).mean()
lowered = int((np.diff(log_likelihoods) < -1e-6).sum())
print("steps that lowered the log-likelihood:", lowered)
touches = np.isclose(after_e_step, log_likelihoods[-1], atol=1e-5)
print("after an E-step the bound is ln p(x): ", bool(touches))

# %% alt="Left, histogram of the 600 points and the fitted mixture with its three humps, close to the true density. Right, the mean log-likelihood over 40 EM iterations: it only rises, steeply at first, with a slower stretch, then flat." caption="EM on 600 points. Left, the data, the fitted mixture (blue) and the truth (dashed). Right, the log-likelihood after each round."
fitted_density = np.exp(e_step(grid, *unknown)[1]).sum(axis=1)
fig, axes = plt.subplots(1, 2, figsize=(7.6, 2.8))
axes[0].hist(points, bins=40, density=True, color=GREY, alpha=0.4)
axes[0].plot(grid, fitted_density, color=BLUE, label="EM")
truth = parts.sum(axis=0)
axes[0].plot(grid, truth, color=INK, ls="--", lw=1.2, label="truth")
axes[0].set(xlabel="$x$", ylabel="density")
axes[1].plot(log_likelihoods)
axes[1].set(xlabel="round", ylabel="mean $\\ln p(x)$ [nats]")
legend = axes[0].legend()

# %% [markdown]
# **Answer.** The log-likelihood rises in steps: steeply at first, then slowly for a dozen rounds, then a little faster
# again, and hardly at all from round 17 on. It never falls.

# %% [markdown] tags=["derivation"]
# ### MLE and MAP
#
# EM seeks the **maximum-likelihood estimate** (MLE), $\arg\max_\theta\ln p(\text{data}\mid\theta)$. The **maximum a
# posteriori** estimate (MAP) adds a prior over the parameters:
# $\arg\max_\theta\,[\ln p(\text{data}\mid\theta)+\ln p(\theta)]$. For mixtures the difference is serious. Put one
# component exactly on one data point and let its $\sigma$ shrink. As $\ln p(\theta)$ we take $-0.01/\sigma^2$, up to a
# constant: an exponential prior on the precision $1/\sigma^2$, which finds tiny $\sigma$ improbable.
#
# **Predict:** which $\sigma$ is best for each of the two?


# %% tags=["nbval-check-output"]
def spiked(sigma):
    centres, spans = np.array([points[0], 0.0]), np.log([sigma, 2.5])
    log_joint = e_step(points[:12], np.log(0.5), centres, spans)[1]
    return np.logaddexp.reduce(log_joint, axis=1).sum()


print("  sigma   likelihood   with the prior")
for width in (1.0, 0.1, 1e-4, 1e-8, 1e-16):
    value = spiked(width)
    print(f"{width:7.0e}{value:13.1f}{value - 0.01 / width**2:17.3g}")

# %% [markdown]
# **Answer.** For the likelihood no $\sigma$ is best: as $\sigma\to0$ it grows without end. This MLE **does not exist**,
# and a spike on one point is no knowledge. With the prior the best $\sigma$ of the list is 0.1. (EM above found a
# *local* maximum.)
#
# ## 5.12 Errata of the page that this course follows
#
# The page's formulas contain slips, which a computation shows. You may skip them.

# %% [markdown] tags=["box"]
# **Two distributions in one bound.** The page prints the bound as $\sum_z q(z)\ln\frac{p(x,z)}{q(z\mid x)}$. The
# distribution that weights the sum must be the one under the logarithm. Mixed, it is no bound: it can exceed
# $\ln p(x)$.

# %% tags=["nbval-check-output"]
q_z, q_zx = jnp.array([0.1, 0.8, 0.1]), jnp.array([0.45, 0.1, 0.45])
mixed_up = jnp.sum(q_z * jnp.log(p_xz / q_zx))
print(f"ln p(x)                     {jnp.log(p_x):.4f}")
print(f"printed, q(z) and q(z|x)    {mixed_up:.4f}   above ln p(x)")
print(f"right,   q(z|x) throughout  {elbo_of(q_zx):.4f}")

# %% [markdown] tags=["box"]
# **Maximum for minimum, twice.** The page says that we cannot *maximize* the KL from the posterior, and asks for the
# *minimal* ELBO. What we want is to **minimize** the KL. Since
# $\mathrm{KL}=\ln p(x)-\mathcal L$, the smallest KL belongs to the **maximal** ELBO.


# %% tags=["nbval-check-output"]
@jax.jit
@jax.vmap
def kl_and_elbo(q):
    return kl(q, posterior), elbo_of(q)


random_logits = 3 * jax.random.normal(jax.random.key(1), (200_000, 3))
tried = jax.nn.softmax(random_logits, axis=1)
divergences, elbos = kl_and_elbo(tried)
for name, which in {
    "smallest KL, what we want": divergences.argmin(),
    "largest ELBO": elbos.argmax(),
    "smallest ELBO, as printed": elbos.argmin(),
}.items():
    print(f"{name:26}", [round(float(v), 1) for v in tried[which]])
print(f"{'posterior':26}", [round(float(v), 1) for v in posterior])

# %% [markdown] tags=["box"]
# **Concave for convex.** The card on Jensen's inequality prints $c(\mathbb E\,u)\ge\mathbb E\,c(u)$ for a convex $c$.
# Take the convex $u^2$, or $e^u$: the printed sign fails.

# %% tags=["nbval-check-output"]
for name, c in {
    "u^2   (convex) ": jnp.square,
    "exp u (convex) ": jnp.exp,
    "ln u  (concave)": jnp.log,
}.items():
    of_mean, mean_of = c(jnp.sum(q_far * u)), jnp.sum(q_far * c(u))
    sign = ">=" if of_mean >= mean_of else "<="
    print(f"{name}  c(E u) = {of_mean:.4f}  {sign}  E c(u) = {mean_of:.4f}")

# %% [markdown] tags=["box"]
# **A logarithm inside an integral.** The page prints $\ln p_\theta(x)=\int\ln p_\theta(x\mid z)\,p(z)\,dz$. The
# logarithm belongs outside; inside, Jensen makes it a lower bound: the ELBO of the single choice $q=p(z)$, which
# ignores what we see.

# %% tags=["nbval-check-output"]
printed = jnp.sum(prior * jnp.log(likelihood[:, seen]))
print(f"ln p(x)                    {jnp.log(p_x):.4f}")
print(f"printed: E_p(z) ln p(x|z)  {printed:.4f}")
print(f"ELBO with q = p(z)         {elbo_of(prior):.4f}")
print(f"ELBO with our q            {elbo_of(q):.4f}")

# %% [markdown] tags=["box"]
# **An entropy below zero.** The page prints the entropy as $\sum_z q\ln q$, without its minus sign. For probabilities
# that is negative, and an entropy is not; with it, the decomposition of $\mathcal L$ fails.

# %% tags=["nbval-check-output"]
print(f"L                          {elbo_of(q):.4f}")
print(f"-energy + entropy, right   {-energy + entropy:.4f}")
print(f"-energy + entropy, printed {-energy - entropy:.4f}")

# %% [markdown] tags=["box"]
# **An encoder that looks at $z$.** The page writes the mean and the covariance of $q$ as functions that may involve
# $z$. They can depend on $x$ only. A "Gaussian" over $z$ whose own mean moves with $z$ is not normalised: take the mean
# $z/2$.

# %% tags=["nbval-check-output"]
z_line = np.linspace(-30, 30, 6001)
constant = np.full(6001, 0.7)
for name, mean in {"z/2": z_line / 2, "0.7": constant}.items():
    total = np.sum(gaussian_density(z_line, mean, 0.0)) * 0.01
    print(f"mean {name}: total probability {total:.3f}")

# %% [markdown] tags=["box"]
# **A Gaussian without its half.** The page prints the exponent as $-(x-f)^2/\sigma^2$. Without the $\tfrac12$ it is no
# density: the total is $1/\sqrt2$.

# %% tags=["nbval-check-output"]
step, width = 0.001, 0.5
x_line = np.arange(-8, 8, step)
norm = np.sqrt(2 * np.pi * width**2)
for name, factor in {"printed": 1.0, "right": 0.5}.items():
    bell = np.exp(-factor * x_line**2 / width**2) / norm
    print(f"{name:8} {bell.sum() * step:.4f}")

# %% [markdown] tags=["box"]
# **A weight that was lost.** The page's final line is $\lVert x-f(z)\rVert^2+\mathrm{KL}$: the factor $1/2\sigma^2$ was
# dropped, and with it the weight of the reconstruction. Test it where the answer is known:
# $x\mid z\sim\mathcal N(z,\sigma^2)$ with $\sigma=0.1$ and $x=1$ has the posterior mean $1/(1+\sigma^2)$. Minimise both
# versions, and the right one with $\beta=1/2\sigma^2$, over the mean $\mu$ of $q$.

# %% tags=["nbval-check-output"]
mu, width = np.linspace(0, 1.2, 12001), 0.1
misfit, kl_mean = (1.0 - mu) ** 2, 0.5 * mu**2  # what depends on mu
weight = 1 / (2 * width**2)
for name, objective in {
    "with the weight": weight * misfit + kl_mean,
    "printed, without it": misfit + kl_mean,
    "with it, and beta": weight * misfit + weight * kl_mean,
}.items():
    print(f"{name:20} {mu[np.argmin(objective)]:.3f}")
print(f"{'posterior mean':20} {1 / (1 + width**2):.3f}")

# %% [markdown] tags=["box"]
# ## Summary
#
# - Inference needs $p(x)$, which is out of reach. Variational inference searches a simple $q$ instead; an encoder
#   amortizes the search.
# - $\ln p(x)=\mathrm{KL}(q\,\|\,p(z\mid x))+\mathcal L$, so $\mathcal L\le\ln p(x)$. Jensen's inequality gives the same
#   bound; its gap is the KL.
# - $\mathcal L=\mathbb E_q\ln p(x\mid z)-\mathrm{KL}(q\,\|\,p(z))$: decoder and encoder. The loss is $-\mathcal L$, in
#   nats, summed over pixels and latents.
# - $\mathrm{KL}(q\,\|\,p)$ tends to seek a mode, $\mathrm{KL}(p\,\|\,q)$ covers the mass.
# - The samples from the prior that one needs grow exponentially with the latents that $x$ tells about; a good
#   $q(z\mid x)$ needs few.
# - $z=\mu+\sigma\varepsilon$ puts the gradient inside the expectation.
# - Draws from the prior decode worse than draws from the aggregate posterior: the codes leave holes in the prior.
# - The loss is a code length: ideal length + penalty for $q$ = bits to rebuild $x$ + bits for $z$.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# Exercises 5.1 to 5.4 stand in the text above.
#
# ### Exercise 5.5 ★ — One image, four numbers
# For some image $\ln p(x)=-80$ nats, the ELBO is $-84.5$ nats, and the encoder's term $\mathrm{KL}(q\,\|\,p(z))$ is
# 20 nats. How far is $q$ from the posterior, and what does it cost to rebuild the image, $-\mathbb E_q\ln p(x\mid z)$?
# Return both, in nats.
#
# **Hint.** Section 5.10 divides the same loss in two ways.


# %% tags=["exercise"]
def gap_and_rebuilding():
    ### BEGIN SOLUTION
    return 84.5 - 80, 84.5 - 20
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.5") as check:
    answer = gap_and_rebuilding() or (None, None)
    gap_alone = answer[0]
    check.close(
        "ideal code and gap are the loss",
        None if gap_alone is None else 80 + gap_alone,
        84.5,
        hint="-ELBO = -ln p(x) + KL(q || posterior).",
    )
    check.close(
        "rebuilding and the encoder's term are the loss",
        None if answer[1] is None else answer[1] + 20,
        84.5,
        hint="-ELBO = -E ln p(x|z) + KL(q || prior).",
    )

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 5.6 ★ — Draws from the prior
# In each dimension one draw in four lands where $p(x\mid z)$ is not tiny, independently of the others. How many draws
# from the prior of 20 dimensions does it take for one good $z$, on average?
#
# **Hint.** The shares multiply (section 5.6).


# %% tags=["exercise"]
def draws_for_a_hit():
    ### BEGIN SOLUTION
    return 4**20
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.6") as check:
    check.close(
        "the number of draws",
        draws_for_a_hit(),
        1 / np.prod(np.full(20, 0.25)),
        hint="One in four in one dimension, one in sixteen in two.",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5.7 ★ — The encoder's term
# Write $\mathrm{KL}(\mathcal N(\mu,\mathrm{diag}\,\sigma^2)\,\|\,\mathcal N(0,I))$ for arrays `mean` and `log_sigma` of
# shape `(batch, latents)`: one number for each row.
#
# **Hint.** `log_sigma` is $\ln\sigma$. So $\sigma^2$ is `jnp.exp(2 * log_sigma)`, and $\ln\sigma^2$ is `2 * log_sigma`.
#
# **Hint.** Sum over the last axis only.


# %% tags=["exercise"]
def kl_to_prior(mean, log_sigma):
    ### BEGIN SOLUTION
    each = mean**2 + jnp.exp(2 * log_sigma) - 1 - 2 * log_sigma
    return 0.5 * jnp.sum(each, axis=-1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.7") as check:
    some_means = jnp.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5]])
    some_logs = jnp.array([[0.0, 0.0, 0.0], [0.3, -1.0, 0.0]])
    right_kl = probability.kl_standard_normal(some_means, some_logs)
    yours = kl_to_prior(some_means, some_logs)
    why = "σ² = exp(2 ln σ). A sum over latents, no mean."
    name = "the prior itself, and another"
    check.close(name, yours, right_kl.sum(axis=-1), hint=why)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5.8 ★ — A Gaussian decoder
# Write $-\ln p(x\mid z)$ for a Gaussian likelihood with mean `prediction` and standard deviation `sigma`, for one
# vector `x`. Use the squared error, the weight, **and** the constant.
#
# **Hint.** The formula stands in section 5.8, below "The decoder's term"; $d$ is `x.size`.


# %% tags=["exercise"]
def gaussian_reconstruction(x, prediction, sigma):
    ### BEGIN SOLUTION
    squared = jnp.sum((x - prediction) ** 2)
    constant = 0.5 * x.size * jnp.log(2 * jnp.pi * sigma**2)
    return squared / (2 * sigma**2) + constant
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.8") as check:
    target, guess = np.array([1.0, 2.0, -0.5]), np.array([0.5, 2.5, 0.0])
    for width in (1.0, 0.3):
        right = -normal_log_prob(target, guess, np.log(width)).sum()
        yours = gaussian_reconstruction(target, guess, width)
        both_parts = "1/2σ², and d/2 ln 2πσ²."
        check.close(f"sigma = {width}", yours, right, hint=both_parts)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5.9 ★★ — A bound that survives small numbers
# Write the importance-weighted bound from log-weights of shape `(k,)`. `jnp.log(jnp.mean(jnp.exp(...)))` fails for
# weights like $e^{-1000}$, so shift by the largest first. Do not use `logsumexp`.
#
# **Hint.** $\ln\frac1k\sum_ie^{a_i}=m+\ln\frac1k\sum_ie^{a_i-m}$ for every $m$.
#
# **Hint.** With $m=\max_ia_i$ the largest term becomes $e^0=1$, and nothing can underflow that matters.


# %% tags=["exercise"]
def stable_bound(log_weights):
    ### BEGIN SOLUTION
    largest = jnp.max(log_weights)
    return largest + jnp.log(jnp.mean(jnp.exp(log_weights - largest)))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.9") as check:
    yours = stable_bound(np.log([1.0, 3.0]))
    no_sum = "A mean, not a sum."
    check.close("weights 1 and 3", yours, np.log(2.0), hint=no_sum)
    tiny = jnp.array([-1000.0, -1001.0, -1003.0])
    lost = "exp(-1000) is 0 in float32."
    right = iwae_bound(tiny, 0.0)
    check.close("tiny weights", stable_bound(tiny), right, hint=lost)
    check.close("one weight", stable_bound(jnp.array([-5.0])), -5.0)

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 5.10 ★★ — A bound with four bugs
# A colleague's estimate of $\mathcal L$ runs without an error and trains badly. Find the four bugs and write it right.
# (Use `reparameterize` as it is: it is not one of them.)
#
# ```python
# def colleagues_bound(model, key, x):
#     mean, log_sigma = model.encode(x)
#     z = reparameterize(key, mean, jnp.exp(log_sigma))
#     log_p = probability.bernoulli_log_prob(x, model.decode(z))
#     kl = 0.5 * (mean**2 + jnp.exp(2 * log_sigma) - 1 - log_sigma)
#     return log_p.mean(axis=-1) + kl.sum(axis=-1)
# ```
#
# **Hint.** Two bugs are in the last line, one in each of two other lines.
#
# **Hint.** What does `reparameterize` take as its third argument? What is $\ln\sigma^2$ in terms of `log_sigma`?
#
# **Hint.** The bound is a sum over pixels, less a KL.


# %% tags=["exercise"]
def mended_bound(model, key, x):
    ### BEGIN SOLUTION
    mean, log_sigma = model.encode(x)
    z = reparameterize(key, mean, log_sigma)
    log_p = probability.bernoulli_log_prob(x, model.decode(z))
    kl = 0.5 * (mean**2 + jnp.exp(2 * log_sigma) - 1 - 2 * log_sigma)
    return log_p.sum(axis=-1) - kl.sum(axis=-1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.10") as check:
    bug_key = jax.random.key(22)
    log_p, rate = in_library(vae, bug_key, test[:50])
    yours = mended_bound(vae, bug_key, test[:50])
    shape = None if yours is None else yours.shape
    check.close("one number for each image", shape, (50,))
    place = "Compare each line with elbo_terms in section 5.8."
    check.close(
        "equal to the library's", yours, log_p - rate, rtol=1e-4, hint=place
    )

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 5.11 ★★★ — The best baseline
# Exercise 5.4 used $b=\mathbb E\,h$. Which constant is best? Find, by hand, the $b$ for which the variance of
# $(z^2-b)(z-\mu)$ with $z\sim\mathcal N(\mu,1)$ is smallest, and that variance, both as functions of $\mu$. Return the
# pair.
#
# **Hint.** The mean does not depend on $b$, so minimise $\mathbb E\,(z^2-b)^2\varepsilon^2$ with $z=\mu+\varepsilon$.
# It is a parabola in $b$.
#
# **Hint.** The minimum is at $b=\mathbb E[z^2\varepsilon^2]/\mathbb E[\varepsilon^2]$. The moments are
# $\mathbb E\,\varepsilon^2=1$, $\mathbb E\,\varepsilon^4=3$, $\mathbb E\,\varepsilon^6=15$; the odd ones are 0.
#
# **Hint.** At $b=0$ the variance is $\mu^4+14\mu^2+15$ (section 5.7). The best $b$ takes off $b^2$.


# %% tags=["exercise"]
def best_baseline(mean):
    ### BEGIN SOLUTION
    b = mean**2 + 3
    return b, mean**4 + 14 * mean**2 + 15 - b**2
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.11") as check:
    draws = 1.5 + np.random.default_rng(10).normal(size=200_000)
    levels = np.linspace(0, 10, 41)
    trials = [(draws**2 - b) * (draws - 1.5) for b in levels]
    spreads = np.array([np.var(values) for values in trials])
    yours = best_baseline(1.5) or (None, None)
    found_b, found_v = levels[spreads.argmin()], spreads.min()
    check.close("b, found by search", yours[0], found_b, rtol=0.1)
    check.close("the variance there", yours[1], found_v, rtol=0.05)
    b_zero = best_baseline(0.0) or (None, None)
    by_hand = "At μ = 0 the variance is E ε⁶ − (E ε⁴)²."
    check.close("the variance at μ = 0", b_zero[1], 15 - 3**2, hint=by_hand)

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 5.12 ★★★ — Fewer holes
# What if the loss pulls harder towards the prior? Train a model with twelve latents by a loss of your own, for 20
# epochs. Two targets: draws from its prior are told apart from reconstructions in less than 66% of the cases (our
# models: about 70%), and its ELBO on the test images stays above $-128$ nats. Return the model. What do you pay?
#
# **Hint.** Let the KL weigh more in the loss than it should. `model.elbo_terms(key, batch)` gives both terms.
#
# **Hint.** The loss is `-(log_p - beta * kl).mean()`; try a $\beta$ between 2 and 3. `trained` shows how to call `fit`.


# %% tags=["exercise"]
def fewer_holes():
    ### BEGIN SOLUTION
    # In one run of 40 epochs β = 2 gave 64% instead of 70%, and an ELBO
    # about 2 nats lower: fewer holes, but less about each image in its code.
    def pulled(model, batch, key):
        log_p, kl = model.elbo_terms(key, batch)
        return -(log_p - 2.5 * kl).mean()

    model = Vae(784, [128], 12, rngs=nnx.Rngs(0))
    recipe = {"epochs": 20, "optimizer": optax.adam(4e-3)}
    key = jax.random.key(12)
    fit(model, pulled, train, key=key, validation=valid, **recipe)
    return model
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.12") as check:
    smoother = fewer_holes()
    missing, shares_apart = smoother is None, []
    if not missing:
        its_codes = codes_drawn(smoother, jax.random.key(31), test)
        its_images = np.asarray(smoother.decode_mean(its_codes[:400]))
        for draw_key in jax.random.split(jax.random.key(32), 4):
            its_z = jax.random.normal(draw_key, (400, 12))
            its_draws = np.asarray(smoother.decode_mean(its_z))
            shares_apart.append(told_apart(its_draws, its_images))
        its_log_p, its_kl = in_library(smoother, jax.random.key(15), test)
    check.true(
        "the prior is told apart in less than 66%, mean of four draws",
        ... if missing else np.mean(shares_apart) < 0.66,
        hint="More weight on the KL.",
    )
    check.true(
        "the ELBO, with a weight of 1, is above -128 nats",
        ... if missing else (its_log_p - its_kl).mean() > -128,
        hint="Less weight on the KL.",
    )

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 5.13 ★★★ — Do the latents mean anything?
# Turn the latent space by any rotation $R$: encode to $R\mu(x)$ and decode $R^{-1}z$. The prior is the same from all
# sides, so $p(x)$ is as before. Is a single $z_j$ then more than a label on an arbitrary axis? Measure whether two
# trainings agree: to each latent of `runs[0]` find the latent of `runs[1]` whose means over the 600 test images have
# the largest correlation with its own, regardless of sign. Return these twelve correlations, in the order of the
# latents.
#
# **Hint.** `model.encode(test)[0]` are the means $\mu(x)$; `runs[0][0]` is the first model.
#
# **Hint.** `np.corrcoef(a.T, b.T)[:12, 12:]` is the table of correlations between the latents of both.


# %% tags=["exercise"]
def best_partners():
    ### BEGIN SOLUTION
    # What is known: the data alone cannot name the axes. Without further
    # assumptions every model has an equally good one with mixed-up latents
    # (Locatello et al., 2019, arXiv:1811.12359), and these authors found
    # that the seed matters more than the method. Yet a q with a diagonal
    # covariance is not the same from all sides: it prefers axes along
    # which posteriors are uncorrelated, much like principal components
    # (Rolinek, Zietlow and Martius, 2019, arXiv:1812.06775). Which
    # assumptions make latents meaningful in practice is open. A yardstick:
    # between codes turned at random, uncorrelated and equally wide, the
    # largest of twelve numbers is about 0.58.
    a, b = (np.asarray(model.encode(test)[0]) for model, _ in runs[:2])
    return np.abs(np.corrcoef(a.T, b.T)[:12, 12:]).max(axis=1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5.13") as check:
    answer = best_partners()
    pair = [np.asarray(m.encode(test)[0], float) for m, _ in runs[:2]]
    ones = [(c - c.mean(axis=0)) / c.std(axis=0) for c in pair]
    table = np.abs(ones[0].T @ ones[1]) / len(test)
    check.close(
        "the largest correlations, one for each latent",
        answer,
        table.max(axis=1),
        rtol=1e-3,
        hint="Sizes without signs; the largest over the other's latents.",
    )

# %% [markdown] tags=["box"]
# ## Sources
#
# - X. Liu, F. Zhang, Z. Hou, Z. Wang, L. Mian, J. Zhang, J. Tang, *Self-supervised Learning: Generative or
#   Contrastive*, 2020, arXiv:2006.08218.
# - C. Doersch, *Tutorial on Variational Autoencoders*, 2016, arXiv:1606.05908. The ring is its Figure 2.
# - D. P. Kingma, M. Welling, *An Introduction to Variational Autoencoders*, 2019, arXiv:1906.02691.
# - D. P. Kingma, M. Welling, *Auto-Encoding Variational Bayes*, 2013, arXiv:1312.6114.
# - D. J. Rezende, S. Mohamed, D. Wierstra, *Stochastic Backpropagation and Approximate Inference in Deep Generative
#   Models*, 2014, arXiv:1401.4082.
# - Y. Burda, R. Grosse, R. Salakhutdinov, *Importance Weighted Autoencoders*, 2015, arXiv:1509.00519.
# - Y. Luo and others, *SUMO: Unbiased Estimation of Log Marginal Probability for Latent Variable Models*, 2020,
#   arXiv:2004.00353.
# - J. M. Tomczak, M. Welling, *VAE with a VampPrior*, 2018, arXiv:1705.07120: a prior that is learned.
# - J. Jordan, *Variational autoencoders*, blog post, 2018, <https://www.jeremyjordan.me/variational-autoencoders/>.
# - A. Ghodsi, *Deep Learning, Lecture 6.2: Variational Autoencoder*, University of Waterloo, video, 2017.
# - L. Ma, *Datumorphism*: "Generative Models", 2021.
# - A. P. Dempster, N. M. Laird, D. B. Rubin, *Maximum Likelihood from Incomplete Data via the EM Algorithm*, J. R.
#   Stat. Soc. B 39, 1977.
# - R. J. Williams, *Simple Statistical Gradient-Following Algorithms* (the score-function estimator), Machine Learning
#   8, 1992.
# - J. Townsend, T. Bird, D. Barber, *Practical Lossless Compression with Latent Variables using Bits Back Coding*,
#   2019, arXiv:1901.04866.
#
# ## Next
#
# Chapter 5a, **The bits are real**, makes a file of the loss. Chapter 5b, **Better bounds**, measures the gap and
# narrows it. Chapter 5c, **Fewer labels**, puts a class beside $z$. Chapter 6 then weighs all families on one scale.
#
# To try now: `Vae(..., likelihood=Gaussian(0.3))`, with `Gaussian` from `course_lib.distributions`,
# takes the grey images as they are.
