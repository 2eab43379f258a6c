# %% [markdown] tags=["frame"]
# # 3b · Flows for inference
#
# Chapter 3 used flows to describe data. Here there are no data points to fit: there is a formula, known up to a
# constant, and a flow has to find out what it looks like. Chapter 3 ended on one small case; this chapter does it in
# full.
#
# **After this chapter you can**
# - state the variational problem, and say why a density without its constant suffices;
# - train a flow on it by the reparametrized gradient, and measure its distance from the exact answer;
# - say what a planar layer can do, and what happens if it folds;
# - approximate a curved posterior, and judge the result against quadrature and against Hamiltonian Monte Carlo;
# - repair a flow's errors by importance weights, and recognize the error that they cannot repair;
# - choose between forward and reverse KL, and train one flow that serves every observation.
#
# **You need** chapter 3, and chapter 3a for the names IAF and MAF. Logarithms are natural: everything is in **nats**.
# **Time:** about an hour and a half; the code itself runs in about a minute on two cores.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from flax import nnx
from jax.scipy.special import logsumexp
from numpyro.diagnostics import effective_sample_size as numpyro_size
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import log_density

# %%
from course_lib import notebook
from course_lib.exercises import exercise
from course_lib.figures.flows import warped_grid
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

# %%
from course_lib.flows import (
    IAF,
    MAF,
    Affine,
    Chain,
    Flow,
    InvertibleLinear,
    Planar,
    RealNVP,
    Stack,
    conditional_negative_log_likelihood,
    negative_log_likelihood,
)
from course_lib.probability import (
    effective_sample_size,
    iwae_bound,
    mean_and_error,
    normal_log_prob,
    standard_normal_log_prob,
)
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 3b.1 The variational problem
#
# A model gives a joint density $p(x,z)$ of data $x$ and unknowns $z$. We have seen $x$, and want the **posterior**
# $p(z\mid x)=p(x,z)/p(x)$: what the data say about the unknowns. The numerator is a formula. The denominator is an
# integral over all $z$, and a formula alone tells neither a mean nor a spread. A flow that can be sampled would tell
# both.

# %% [markdown] tags=["derivation"]
# Keep $x$ fixed and write the numerator as a function of $z$ alone:
#
# $$\tilde\pi(z)=p(x,z),\qquad Z=\int\tilde\pi(z)\,dz=p(x),\qquad \pi(z)=\frac{\tilde\pi(z)}{Z}=p(z\mid x).$$
#
# (In chapter 3 a tilde marked the base density. From here on it marks a density whose constant is missing.) Nothing
# below uses that $\tilde\pi$ came from Bayes' rule: any positive function with a finite integral will do. $Z$ is called
# the **evidence**.
#
# Choose a family of densities $q_\phi(z)$ that can be sampled and evaluated, and ask for the one nearest to $\pi$. This
# is **variational inference**:
#
# $$\mathrm{KL}(q_\phi\,\|\,\pi)=\mathbb E_{z\sim q_\phi}\bigl[\ln q_\phi(z)-\ln\tilde\pi(z)+\ln Z\bigr]
# =\ln Z-\underbrace{\mathbb E_{z\sim q_\phi}\bigl[\ln\tilde\pi(z)-\ln q_\phi(z)\bigr]}_{\mathcal L(\phi)}.$$
#
# The unknown $\ln Z$ has come out of the expectation. It does not depend on $\phi$, so its gradient is zero: **to
# maximize $\mathcal L$ is to minimize the KL divergence**, and $\mathcal L$ needs $\tilde\pi$ only. As a KL divergence
# is never negative, $\mathcal L\le\ln Z$: a lower bound on the evidence, whose **gap** is the divergence itself.
#
# Now let $q_\phi$ be a flow (Kobyzev et al., §2.2.2): $z=g_\phi(\varepsilon)$ with $\varepsilon\sim\mathcal N(0,I)$,
# and $\ln q_\phi(z)=\ln\mathcal N(\varepsilon;0,I)-\ln|\det\mathrm Dg_\phi(\varepsilon)|$. Define the **log-weight** of
# a draw,
#
# $$\ln w_\phi(\varepsilon)=\ln\tilde\pi\bigl(g_\phi(\varepsilon)\bigr)+\ln\bigl|\det\mathrm Dg_\phi(\varepsilon)\bigr|
# -\ln\mathcal N(\varepsilon;0,I),\qquad \mathcal L(\phi)=\mathbb E_\varepsilon\bigl[\ln w_\phi(\varepsilon)\bigr].$$
#
# The expectation is over noise that knows nothing of $\phi$, so the gradient goes inside and through the flow:
#
# $$\nabla_\phi\mathcal L=\mathbb E_\varepsilon\bigl[\nabla_\phi\ln w_\phi(\varepsilon)\bigr].$$
#
# This is the **reparametrized gradient**. It uses the generative direction $g_\phi$ alone; $f=g^{-1}$ is not needed.


# %%
def weighted_draws(bijection, log_target, noise):
    """Draws of q and the log-weight of each."""
    z, log_det = bijection.forward(noise)
    return z, log_target(z) + log_det - standard_normal_log_prob(noise)


fresh = jax.random.normal(jax.random.key(0), (50_000, 2))

# %% [markdown]
# A first target, of which everything is known: a tilted Gaussian, multiplied by 7. Its evidence has a closed form, and
# in two dimensions an integral can also be had by adding up a fine grid (**quadrature**).


# %%
precision = np.array([[2.0, -1.2], [-1.2, 1.5]], np.float32)


def log_tilted(z):
    squared = jnp.einsum("...i,ij,...j", z, precision, z)
    return jnp.log(7.0) - 0.5 * squared


# %% tags=["nbval-check-output"]
axis = np.linspace(-7, 7, 281)
square = np.stack(np.meshgrid(axis, axis), axis=-1)
log_cell = 2 * np.log(axis[1] - axis[0])
half_log_det = 0.5 * np.linalg.slogdet(precision)[1]
log_Z = np.log(14 * np.pi) - half_log_det
print(f"closed form: ln Z = {log_Z:.3f}")
print(f"quadrature:  ln Z = {logsumexp(log_tilted(square)) + log_cell:.3f}")

# %% [markdown]
# **Predict.** Let $q$ be $\mathcal N(0,I)$: a flow that does nothing. We estimate $\ln Z-\mathcal L$ from draws. Which
# closed form must it equal? And how does the *gradient* change if the factor 7 becomes 700?

# %%
nothing = Affine(shift=jnp.zeros(2), scale=jnp.ones(2))
_, log_w = weighted_draws(nothing, log_tilted, fresh)
gap, error = mean_and_error(log_Z - log_w)
closed = 0.5 * (np.trace(precision) - 2) - half_log_det
print(f"ln Z - bound:          {gap:.3f} ± {error:.3f}")
print(f"KL(N(0, I) || target): {closed:.3f}")


# %%
def bound(q, factor):
    log_target = lambda z: log_tilted(z) + jnp.log(factor)  # noqa: E731
    return weighted_draws(q, log_target, fresh)[1].mean()


def slope(factor):
    return jax.grad(bound)(nothing, factor).log_scale[...]


for factor in (1.0, 100.0):
    by_scale = np.asarray(jax.jit(slope)(factor))
    print(f"gradient, factor {7 * factor:3.0f}:", by_scale.round(4))

# %% [markdown]
# **Answer.** The gap equals the KL divergence between the two Gaussians, within about one error (± covers draws, here
# and below). The gradient does not change at all: $\ln700-\ln7$ is a constant. So gradient ascent can begin. There is
# no data set, hence no epoch: each step draws fresh noise.


# %%
def trained(bijection, log_target, key, steps=3000, rate=0.01):
    """A copy of the bijection, after `steps` steps of Adam up the bound."""
    graph, first, rest = nnx.split(bijection, nnx.Param, ...)
    adam = cosine_adam(rate, steps)

    def loss(params, noise):
        q = nnx.merge(graph, params, rest)
        return -weighted_draws(q, log_target, noise)[1].mean()

    def step(carry, key):
        params, state = carry
        noise = jax.random.normal(key, (256, bijection.num_dims))
        updates, state = adam.update(jax.grad(loss)(params, noise), state)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(key, steps)
    (params, _), _ = jax.lax.scan(step, (first, adam.init(first)), keys)
    return nnx.merge(graph, params, rest)


# %% [markdown]
# Around it, what we want from every training: the flow, fresh draws from it, and their log-weights, in one compiled
# program.


# %%
def infer(start, log_target, key, **settings):
    q = trained(start, log_target, key, **settings)
    return q, *weighted_draws(q, log_target, fresh)


infer_jit = jax.jit(infer, static_argnames=("log_target", "steps", "rate"))

# %% [markdown]
# A linear map, then a shift: that is every Gaussian of the plane (a linear flow), so it contains the target.
#
# **Predict.** When $q$ equals $\pi$, what is the variance of the log-weights?


# %%
def gaussian_flow(seed=0):
    shift = Affine(jnp.full(2, 0.1), jnp.ones(2))
    return Chain([InvertibleLinear(2, rngs=nnx.Rngs(seed)), shift])


_, _, log_w = infer_jit(gaussian_flow(), log_tilted, jax.random.key(2))
print(f"gap {abs(log_Z - log_w.mean()):.4f} nats,", end=" ")
print(f"standard deviation of the log-weights {log_w.std():.4f}")

# %% [markdown]
# **Answer.** The variance is zero if $q=\pi$, for then $w=\tilde\pi/q=Z$ at every point: each single draw knows the
# evidence. The trained flow comes close.
#
# ### What goes wrong: the log-determinant is forgotten
#
# **Predict.** Drop $\ln|\det\mathrm Dg|$ from the log-weight and train again. Where does $q$ go? Is the reported bound
# too low or too high?


# %%
class Forgetful(Affine):
    def forward(self, z, context=None):
        x, log_det = super().forward(z)
        return x, 0 * log_det


careless = Forgetful(shift=jnp.ones(2), scale=jnp.ones(2))
collapsed, _, reported = infer_jit(careless, log_tilted, jax.random.key(3))
scale = np.exp(np.asarray(collapsed.log_scale[...]))
print(f"reported {reported.mean():.3f}, but ln Z = {log_Z:.3f}")
print("scale", scale.round(3), " shift", np.abs(collapsed.shift[...]).round(2))

# %% [markdown]
# **Answer.** $q$ shrinks onto the mode of $\tilde\pi$, and the reported bound is too high. A "bound" above $\ln Z$ is
# the sure sign of a wrong density. The log-determinant is what pays for being wide; without it, inference becomes
# optimization.
#
# ## 3b.2 One planar layer, one ridge
#
# The first flow that was used for inference is also the simplest to see through, and it shows what can go wrong with
# one.

# %% [markdown] tags=["derivation"]
# Rezende and Mohamed's **planar flow** pushes each point along one direction $\mathbf u$, by an amount that depends on
# its place along another, $\mathbf w$. (Bold, to keep it apart from the weight $w$ of a draw. The library calls the two
# points $z$ and $x$, as chapter 3 does.)
#
# $$z=\varepsilon+\mathbf u\tanh(\mathbf w\cdot\varepsilon+b).$$
#
# Its Jacobian is the identity plus a matrix of rank one,
# $I+\tanh'(\mathbf w\cdot\varepsilon+b)\,\mathbf u\,\mathbf w^{\mathsf T}$, with $\tanh'=1-\tanh^2$. For such a matrix
# $\det(I+\mathbf u\,\mathbf v^{\mathsf T})=1+\mathbf u\cdot\mathbf v$ (the **matrix determinant lemma**;
# exercise 3b.9): every vector across $\mathbf v$ is left alone, and only one eigenvalue is not 1. So
#
# $$\ln|\det\mathrm Dg(\varepsilon)|=\ln\bigl|1+(\mathbf u\cdot\mathbf w)\tanh'(\mathbf w\cdot\varepsilon+b)\bigr| .$$
#
# That costs $d$ operations instead of $d^3$. All points of a plane $\mathbf w\cdot\varepsilon=\text{const}$ are pushed
# alike; at the plane $\mathbf w\cdot\varepsilon+b=0$ volumes change most. Hence the name: a planar layer acts along
# **one ridge**.

# %%
dots = (2.5, 0.0, -0.8)  # the three values of u·w
layers = []
for dot in dots:
    layer = Planar(2, rngs=nnx.Rngs(0))
    w = jnp.array([1.5, 0.5])
    u = jnp.array([0.3, -0.9])
    raw = jnp.log(jnp.expm1(dot + 1))  # the layer turns it into dot, see below
    layer.w[...] = w
    layer.u[...] = u + (raw - u @ w) * w / (w @ w)
    layers.append(layer)
warp = nnx.jit(lambda layer, points: layer.forward(points)[0])

# %% [markdown]
# **Predict.** We draw the density of $z$ for $\mathbf u\cdot\mathbf w=2.5$, $0$ and $-0.8$, when $\varepsilon$ is a
# round Gaussian. In which picture is the blob torn in two halves, in which pressed to a wall, in which sheared?

# %% alt="Three heat maps with warped grids on equal axes, each with its own colour bar. For u dot w = 2.5 the round blob is pulled apart into two hills with a valley between them along a tilted line. For 0 it is sheared into a slanting S. For minus 0.8 it is pressed together into a narrow ridge along that line, several times as dense as the others." caption="A round Gaussian after one planar layer, with the grid that the layer bends. $\\mathbf u\\cdot\\mathbf w$ decides: 2.5 pulls apart along the ridge, 0 shears, $-0.8$ presses together (note the three scales)."
line = np.linspace(-2.5, 2.5, 200)[None], np.linspace(-2.5, 2.5, 15)[:, None]
mesh = np.stack(np.broadcast_arrays(*line), axis=-1)
lattice = np.stack([mesh, mesh[..., ::-1]])
window = square[40:241, 40:241]  # [−5, 5] in both directions
fig, axes = plt.subplots(1, 3, figsize=(10, 2.8))
for ax, layer, dot in zip(axes, layers, dots, strict=True):
    shade = np.exp(Flow(2, layer).log_prob(window))
    extent = (-5, 5, -5, 5)
    picture = ax.imshow(shade, origin="lower", extent=extent, cmap="Greens")
    warped_grid(ax, warp(layer, lattice), rf"$\mathbf{{u\cdot w}}={dot}$")
    plt.setp(ax.lines, alpha=0.3)
    ax.set(xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), xlabel="$z_1$", ylabel="$z_2$")
    ax.set(xticks=[-4, 0, 4], yticks=[-4, 0, 4])
    bar = fig.colorbar(picture, ax=ax, label="density")

# %% [markdown]
# **Answer.** At 2.5 the blob is torn in two halves, since points on both sides of the ridge are pushed away from it; at
# $-0.8$ they are pushed towards it, as to a wall. At 0 the push runs along the ridge: the blob is sheared, and no
# volume changes.
#
# ### What goes wrong: the layer folds

# %% [markdown] tags=["derivation"]
# Along $\mathbf w$ the map reads $t\mapsto t+(\mathbf u\cdot\mathbf w)\tanh(t+b)$, with slope $1+(\mathbf u\cdot\mathbf
# w)\tanh'(t+b)$. As $\tanh'$ lies between 0 and 1, the map increases if and only if
#
# $$\mathbf u\cdot\mathbf w\ge-1 .$$
#
# Below $-1$ it turns back near the ridge: three points $\varepsilon$ arrive at one $z$. The density of $z$ is then a
# *sum* over the three. The formula reports only one of them, so $\ln q$ is too small and $\ln\tilde\pi-\ln q$ too
# large.

# %% [markdown]
# Take one dimension: $z=\rho\,(\varepsilon+c\tanh3\varepsilon)$, so $\mathbf u\cdot\mathbf w=3c$, and the target
# $\mathcal N(0,1)$ with $\ln Z=0$. For each $c$ we choose the best stretch $\rho$.
#
# **Predict.** Where is the reported bound highest?

# %%
eps, c, rho = np.meshgrid(
    np.linspace(-6, 6, 1201), np.linspace(-4, 3, 71) / 3,
    np.linspace(0.3, 3, 41), indexing="ij",
)  # fmt: skip
push = np.tanh(3 * eps)
moved = rho * (eps + c * push)
log_det = np.log(np.abs(rho * (1 + 3 * c * (1 - push**2))) + 1e-9)
weight = np.exp(-0.5 * eps**2)
log_ratio = 0.5 * eps**2 - 0.5 * moved**2 + log_det
reports = (weight * log_ratio).sum(axis=0) / weight.sum(axis=0)
highest = reports.max(axis=1)  # over ρ

# %% alt="The reported bound against u dot w from minus 4 to 3. Right of minus 1 it stays at or below zero and touches it at zero. Left of minus 1, in the shaded region, it rises from its lowest value through the dashed line at zero to about 0.5." caption="The bound that the formula reports, for the best stretch $\\rho$. It must not exceed $\\ln Z=0$ (dashed). Where the map folds far enough (left, in grey) it does."
plt.plot(3 * c[0, :, 0], highest, color=BLUE)
plt.axhline(0, color=INK, ls="--", lw=1)
plt.axvspan(-4, -1, color=LIGHT)
labels = plt.gca().set(
    xlabel=r"$\mathbf{u\cdot w}$ (grey: the map folds)",
    ylabel="reported bound (nats)", title=r"$\ln Z=0$, dashed",
)  # fmt: skip

# %% [markdown]
# **Answer.** The reported bound is highest in the folded region, about half a nat above $\ln Z$. A valley lies before
# it, but an optimizer that crosses it will not return. So the condition must be built in. The library keeps the
# component of $\mathbf u$ across $\mathbf w$ and passes $\mathbf u\cdot\mathbf w$ through a function that stays above
# $-1$.


# %% library="course_lib.flows.planar:constrained_direction"
def constrained_direction(u, w):
    dot = jnp.vdot(u, w)
    return u + (jax.nn.softplus(dot) - 1 - dot) / (jnp.vdot(w, w) + 1e-12) * w


# %% tags=["nbval-check-output"]
across = jnp.array([1.0, 2.0])
for pair in ([3.0, 1.0], [0.0, 0.0], [-2.0, -2.0]):
    free = jnp.array(pair)
    kept = constrained_direction(free, across) @ across
    print(f"u·w = {free @ across:6.1f}   becomes {kept:7.4f}")

# %% [markdown] tags=["quiz"]
# **A training run reports $\mathcal L=-3.1$, and quadrature gives $\ln Z=-3.4$. What has happened?**
#
# - [ ] The flow is better than the exact posterior. :: The exact posterior has gap 0, and no density has less.
# - [x] The $\ln q$ in the bound is not the log-density of the draws. :: Right: a lost log-determinant or a fold does
#   that. A true bound, averaged over many draws, lies below $\ln Z$.
# - [ ] It has trained too long. :: Training moves $\mathcal L$ towards $\ln Z$ from below, however long it lasts.

# %% [markdown] tags=["quiz"]
# **Somebody multiplies $\tilde\pi$ by a thousand and trains the same flow again, with the same noise. What changes?**
#
# - [x] The bound rises by $\ln 1000$; the trained flow is the same. :: Right: the constant comes out of the expectation
#   and has no gradient.
# - [ ] The flow becomes narrower, as the peak is higher. :: All of $\tilde\pi$ is a thousand times higher, so its shape
#   is what it was.
# - [ ] Nothing, since $\pi$ is normalized. :: $\pi$ is unchanged, but the bound is one on $\ln Z$, and $Z$ has grown.

# %% [markdown] tags=["quiz"]
# **Why does training by $\mathcal L$ need no inverse of the flow?**
#
# - [ ] Because a flow's inverse is always cheap. :: An IAF's inverse takes $d$ passes a layer, and a planar layer's has
#   no closed form.
# - [x] Because $q$ is evaluated only at its own draws, whose $\varepsilon$ is known. :: Right: the forward pass gives
#   $z$ and $\ln|\det\mathrm Dg|$ together.
# - [ ] Because $\ln q$ drops out of the gradient. :: It does not: without it the flow would shrink onto the mode.

# %% [markdown]
# ## 3b.3 Four energies
#
# How far does one get with many ridges? The paper tests planar flows on four functions of the plane,
# $\tilde\pi(z)=e^{-U(z)}$, called **energies** $U$. With the helpers $r_1=\sin\frac{\pi z_1}{2}$,
# $r_2=3e^{-\frac12((z_1-1)/0.6)^2}$ and $r_3=3\,\sigma\bigl(\frac{z_1-1}{0.3}\bigr)$ ($\sigma$: logistic function):

# %% [markdown] tags=["derivation"]
# $$\begin{aligned}
# U_1&=\tfrac12\Bigl(\tfrac{\lVert z\rVert-2}{0.4}\Bigr)^2-\ln\Bigl(e^{-\frac12(\frac{z_1-2}{0.6})^2}+e^{-\frac12(\frac{z_1+2}{0.6})^2}\Bigr),
# &U_2&=\tfrac12\Bigl(\tfrac{z_2-r_1}{0.4}\Bigr)^2,\\
# U_3&=-\ln\Bigl(e^{-\frac12(\frac{z_2-r_1}{0.35})^2}+e^{-\frac12(\frac{z_2-r_1+r_2}{0.35})^2}\Bigr),
# &U_4&=-\ln\Bigl(e^{-\frac12(\frac{z_2-r_1}{0.4})^2}+e^{-\frac12(\frac{z_2-r_1+r_3}{0.35})^2}\Bigr).
# \end{aligned}$$
#
# $U_2$ to $U_4$ run along the $z_1$ axis for ever, so $Z=\infty$ and there is nothing to approximate. The paper shows
# them on $|z_1|\le4$. We close them there by a soft wall, $\frac12\bigl((|z_1|-4)/0.3\bigr)^2$ for $|z_1|>4$, added to
# each of the three. Then $Z$ is finite, and the gap can be measured.


# %%
def hill(t, width):
    return -0.5 * (t / width) ** 2


def log_energies(z):
    """−U for the four energies, on a new first axis."""
    a, b = z[..., 0], z[..., 1]
    r1, r2 = jnp.sin(jnp.pi * a / 2), 3 * jnp.exp(hill(a - 1, 0.6))
    r3 = 3 * jax.nn.sigmoid((a - 1) / 0.3)
    radius = jnp.sqrt((z**2).sum(axis=-1) + 1e-12)
    wall = hill(jax.nn.relu(jnp.abs(a) - 4), 0.3)
    sides = jnp.logaddexp(hill(a - 2, 0.6), hill(a + 2, 0.6))
    u1 = hill(radius - 2, 0.4) + sides
    u2 = hill(b - r1, 0.4) + wall
    u3 = jnp.logaddexp(hill(b - r1, 0.35), hill(b - r1 + r2, 0.35)) + wall
    u4 = jnp.logaddexp(hill(b - r1, 0.4), hill(b - r1 + r3, 0.35)) + wall
    return jnp.stack([u1, u2, u3, u4])


# %% [markdown]
# Planar layers behind one stretch, a flow for each energy, each trained from two random starts. The eight trainings of
# one depth run side by side, under `vmap`.


# %%
def planar_flow(depth, seed=0):
    rngs = nnx.Rngs(seed)
    ridges = Stack([Planar(2, rngs=rngs) for _ in range(depth)])
    return Chain([Affine(jnp.zeros(2), jnp.ones(2)), ridges])


def side_by_side(flows):
    """One flow whose arrays have a first axis for the runs."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *flows)


def fit_energy(start, i, key):
    energy = lambda z: log_energies(z)[i]  # noqa: E731
    return infer(start, energy, key, steps=3500, rate=0.02)


# %%
energies = jnp.tile(jnp.arange(4), 2)
energy_keys = jax.random.split(jax.random.key(4), 8)
planar_fits = {}
for depth in (2, 8, 32):
    two = [planar_flow(depth, seed) for seed in (0, 1) for _ in range(4)]
    every_energy = jax.jit(jax.vmap(fit_energy))
    planar_fits[depth] = every_energy(side_by_side(two), energies, energy_keys)

# %% [markdown]
# $\ln Z$ by quadrature, $\mathcal L$ from fresh draws: their difference is $\mathrm{KL}(q\,\|\,\pi)$.
#
# **Predict.** How does the gap change from 2 to 32 layers? Which energy is hardest?

# %%
on_grid = jax.jit(log_energies)(square)
log_Z_energies = logsumexp(on_grid.reshape(4, -1), axis=1) + log_cell
print("layers  start      U1      U2      U3      U4   gap in nats")
for depth, (_, _, log_w) in planar_fits.items():
    exact = np.tile(log_Z_energies, 2)[:, None]
    gaps, errors = mean_and_error(exact - np.asarray(log_w), axis=1)
    for seed, four in enumerate(gaps.reshape(2, 4)):
        print(f"{depth:6}{seed:7}", "".join(f"{value:8.3f}" for value in four))
    print(f"         each ± {errors.max():.3f} at most")

# %% [markdown]
# **Answer.** From 2 to 8 layers every gap falls to a quarter or less. From 8 to 32 it falls on, or stays near zero,
# from the first start, and hardly moves or grows from the second. A deeper flow can be at least as good as a shallower
# one, so here training fails, not the family. The hardest energy is $U_4$, from 8 layers on. The first start, drawn:

# %% tags=["cover"] alt="Four columns, one for each energy, and four rows on equal axes: the exact density, then samples of planar flows with 2, 8 and 32 layers. With 2 layers each shape is only hinted at; with 8 the crescents and the wave are there, the loop of the third is broken and the fork of the fourth has one branch; with 32 layers the loop has a faint lower side and the fork a second branch, which ends early." caption="The four energies (top row: the exact densities) and draws of planar flows from the first start. Brighter is denser, in each panel by its own scale. With more layers more parts appear; the lower branch of $U_4$ comes last, and stays incomplete."
half = (-4.5, 4.5)
fig, axes = plt.subplots(
    4, 4, figsize=(7.4, 7.4), sharex=True, sharey=True
)  # fmt: skip
for i in range(4):
    exact = np.exp(on_grid[i, 50:231, 50:231])
    axes[0, i].imshow(exact, origin="lower", extent=half * 2, cmap="viridis")
    axes[0, i].set_title(f"$U_{i + 1}$")
    fits = zip(axes[1:, i], planar_fits.values(), strict=True)
    for ax, (_, cloud, _) in fits:
        first, second = np.asarray(cloud[i]).T
        ax.hist2d(first, second, bins=70, range=[half] * 2, cmap="viridis")
        ax.set_aspect("equal")
    axes[3, i].set(xlabel="$z_1$", xticks=[-4, 0, 4], yticks=[-4, 0, 4])
rows = ("exact", "2 layers", "8 layers", "32 layers")
for ax, name in zip(axes[:, 0], rows, strict=True):
    ax.set_ylabel(f"{name}\n$z_2$")

# %% [markdown]
# Two ridges are few. With 8 a branch of $U_4$ is missing, and that costs only tenths of a nat: section 3b.6 comes back
# to it.
#
# ## 3b.4 A posterior shaped like a banana
#
# Now a real inference problem, small enough that quadrature gives the exact answer, so that every method can be judged.

# %% [markdown] tags=["derivation"]
# An enzyme turns a substrate of concentration $s$ into a product at the rate
#
# $$v(s)=\frac{V\,s}{K+s}$$
#
# (Michaelis and Menten, 1913): proportional to $s$ when $s\ll K$, and at most $V$. The unknowns are $z=(\ln V,\ln K)$.
# They are measured by rates at three concentrations, with a relative error of 20 %: for the logarithms of the rates,
#
# $$x_i=\ln v(s_i)+0.2\,\xi_i,\quad\xi_i\sim\mathcal N(0,1),\qquad\text{prior: } z_1,z_2\sim\mathcal N(0,1.5^2).$$
#
# Three points on a curve tell its height and its bend badly apart: a larger $V$ with a larger $K$ fits almost as well.

# %%
substrate, blur, spread = jnp.array([0.5, 1.0, 2.0]), 0.2, 1.5
measured = jnp.log(jnp.array([0.50, 0.70, 0.87]))


def log_rate(z):
    return z[..., :1] + jax.nn.log_sigmoid(jnp.log(substrate) - z[..., 1:])


@jax.jit
def log_joint(z, x=measured):
    log_prior = normal_log_prob(z, 0.0, jnp.log(spread)).sum(axis=-1)
    log_likelihood = normal_log_prob(x, log_rate(z), jnp.log(blur))
    return log_prior + log_likelihood.sum(axis=-1)


# %%
log_evidence = logsumexp(log_joint(square)) + log_cell
# the probability of each cell of the grid
posterior = jnp.exp(log_joint(square) + log_cell - log_evidence)
print(f"ln p(x) = {log_evidence:.4f} nats")


# %%
def grid_draws(points, chances, width, n, seed):
    """Draws from the cells of a grid, each spread over its cell."""
    rng = np.random.default_rng(seed)
    chances = np.asarray(chances, np.float64).ravel()
    chosen = rng.choice(chances.size, n, p=chances / chances.sum())
    jitter = rng.uniform(-width / 2, width / 2, (n, 2))
    return (points.reshape(-1, 2)[chosen] + jitter).astype(np.float32)


def show(ax, density, title="", low=(-0.9, -4.2), high=(2.5, 3.0), **options):
    picture = ax.imshow(
        density, origin="lower", extent=(-7, 7, -7, 7), aspect="auto",
        interpolation="bilinear", **options,
    )  # fmt: skip
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), title=title)
    return picture


# %% alt="Left, three measured rates with error bars and thirty curves through them, which agree near the points and fan out for larger concentrations. Right, the posterior density of ln V and ln K with a colour bar: a bent band, vertical at the bottom and tilted at the top, like a banana." caption="Left: three measured rates (red, with their 20 % errors) and 30 curves $v(s)$ drawn from the exact posterior (green). They agree where there are data. Right: that posterior. Height and bend of the curve are told badly apart, so it is long, narrow and bent."
V, K = np.exp(grid_draws(square, posterior, 0.05, 30, 0).T)[..., None]
dose = np.linspace(0, 4, 100)
fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
axes[0].plot(dose, (V * dose / (K + dose)).T, color=GREEN, lw=0.5)
rates = np.exp(measured)
axes[0].errorbar(substrate, rates, blur * rates, fmt="o", color=RED)
axes[0].set(xlabel="concentration $s$", ylabel="rate $v$", ylim=(0, 2))
picture = show(axes[1], posterior / np.exp(log_cell))
axes[1].set(xlabel=r"$\ln V$", ylabel=r"$\ln K$")
bar = fig.colorbar(picture, ax=axes[1], label="density")

# %% [markdown]
# Five families for $q$, from poor to rich. **Mean-field** means independent coordinates: a stretch and a shift.

# %%
families = {
    "mean-field": Affine(jnp.zeros(2), jnp.ones(2)),
    "Gaussian": gaussian_flow(),
    "planar (16)": planar_flow(16),
    "IAF (4)": IAF(2, 4, [32], rngs=nnx.Rngs(0)).bijection,
    "RealNVP (6)": RealNVP(
        2, 6, [32], rngs=nnx.Rngs(0), stacked=True
    ).bijection,
}
found = {}
for name, start in families.items():
    found[name] = infer_jit(start, log_joint, jax.random.key(6))

# %% [markdown]
# And a method that shares nothing with ours: **Hamiltonian Monte Carlo**, whose chains of draws follow the gradient of
# $\ln\tilde\pi$ like a ball on a landscape. NUTS is its self-tuning form, here from NumPyro. First: do the two codes
# state the same model?


# %%
def enzyme(x):
    z = numpyro.sample("z", dist.Normal(0.0, spread).expand([2]).to_event(1))
    numpyro.sample("x", dist.Normal(log_rate(z), blur), obs=x)


place = jnp.array([0.3, -0.5])
theirs = log_density(enzyme, (measured,), {}, {"z": place})[0]
print(f"NumPyro {theirs:.5f}   ours {log_joint(place):.5f}")

# %%
mcmc = MCMC(
    NUTS(enzyme, target_accept_prob=0.9), num_warmup=500, num_samples=2000,
    num_chains=4, chain_method="vectorized", progress_bar=False,
)  # fmt: skip
mcmc.run(jax.random.key(7), measured)
nuts = mcmc.get_samples()["z"]
chains = mcmc.get_samples(group_by_chain=True)["z"]
effective = numpyro_size(chains)[1]  # for ln K

# %% [markdown]
# **Predict.** Order the five by their gap. Which of them will report too small an uncertainty, and by how much?


# %%
def row(name, z, weight=None, note=""):
    z = np.asarray(z, np.float64).reshape(-1, 2)
    weight = np.ones(len(z)) if weight is None else weight
    weight = np.asarray(weight, np.float64).ravel()
    mean = np.average(z, axis=0, weights=weight)
    covariance = np.cov(z.T, aweights=weight)
    sd = np.sqrt(np.diag(covariance))
    numbers = (*mean, *sd, covariance[0, 1] / sd.prod())
    print(f"{name:12}" + "".join(f"{v:7.2f}" for v in numbers), "  ", note)


heading = f"{'':12}  mean: V, K      sd: V, K   corr."
print(heading, "  gap to ln p(x)")
row("quadrature", square, posterior)
row("NUTS", nuts, note=f"({effective:.0f} effective draws)")
for name, (_, z, log_w) in found.items():
    gap, error = mean_and_error(log_evidence - log_w)
    row(name, z, note=f"{gap:.4f} ± {error:.4f}")

# %% [markdown]
# **Answer.** By their gaps: mean-field, Gaussian, planar, then IAF and RealNVP, between which these two trainings do
# not decide. Mean-field reports about a third of the true deviations, the Gaussian about seven tenths: reverse KL
# punishes $q$ where $\pi$ is small, so each fits *inside* the band. Planar is a little too narrow in $\ln K$; the other
# flows, and NUTS, agree with quadrature.

# %% alt="Six panels with contours of the exact banana posterior in black. NUTS draws fill it. The mean-field density is a small upright ellipse inside; the full Gaussian is a tilted ellipse that misses the lower bend and the upper tip; planar, IAF and RealNVP samples follow the banana." caption="Draws of NUTS (grey) and of five families (blue) over contours of the exact posterior, at 1, 10 and 50 % of its peak. Mean-field and Gaussian fit inside; the three flows follow the bend."
fig, axes = plt.subplots(2, 3, figsize=(8.4, 5), sharex=True, sharey=True)
clouds = {"NUTS": nuts} | {k: z[:4000] for k, (_, z, _) in found.items()}
heights = posterior.max() * np.array([0.01, 0.1, 0.5])
for ax, (name, cloud) in zip(axes.flat, clouds.items(), strict=True):
    colour = GREY if name == "NUTS" else BLUE
    dots_at = np.asarray(cloud)[:4000].T
    ax.scatter(*dots_at, s=2, color=colour, alpha=0.25, lw=0)
    ax.contour(axis, axis, posterior, heights, colors=INK, linewidths=0.8)
    ax.set(title=name, xlim=(-0.9, 2.5), ylim=(-4.2, 3.0))
fig.supxlabel(r"$\ln V$")
label = fig.supylabel(r"$\ln K$")

# %% [markdown] tags=["box"]
# **Flow or chain?** NUTS has no family to choose and nears the exact posterior as it runs on, but it gives no evidence,
# its draws are correlated, and every new observation needs a new run. A flow gives independent draws, a density and a
# bound on the evidence; what its family cannot express stays wrong however long it trains.

# %% [markdown]
# ## 3b.5 Weights repair what is left
#
# A trained flow is never exact. Since it knows its own density, its remaining error can be corrected, and the
# correction tells how large the error was.

# %% [markdown] tags=["derivation"]
# Draw $z_1,\dots,z_k$ from $q$, with weights $w_i=\tilde\pi(z_i)/q(z_i)$: **importance sampling**, chapter 5's remedy.
# Then
#
# $$Z=\mathbb E_q[w]\approx\frac1k\sum_iw_i,\qquad
# \mathbb E_\pi[h(z)]\approx\frac{\sum_iw_ih(z_i)}{\sum_iw_i},\qquad
# \mathrm{ESS}=\frac{(\sum_iw_i)^2}{\sum_iw_i^2}.$$
#
# The **effective sample size** tells how many of the $k$ draws count: all of them if the weights are equal, one if a
# single weight outdoes the rest. The first formula is unbiased for every $q$ that is positive where $\pi$ is. How many
# draws it needs is another matter.

# %% [markdown]
# **Predict.** For which families will the weighted deviations in the table become right?

# %%
print(heading, "     ESS   ln Z estimated - exact")
row("quadrature", square, posterior)
for name, (_, z, log_w) in found.items():
    size = effective_sample_size(log_w) / log_w.size
    off = iwae_bound(log_w, 0.0) - log_evidence
    relative = jnp.exp(log_w - log_w.max())
    row(name, z, relative, f"{size:6.1%}{off:12.4f}")

# %% [markdown]
# **Answer.** The weighted deviations become right for planar, whose $\ln K$ was too narrow, and stay right for IAF and
# RealNVP. The Gaussian's come nearer without arriving, the mean-field's remain far too small: of its draws one in a
# hundred counts, and the far ends of the band have next to none.

# %% alt="Histograms of the log-weight minus ln Z for four families, on a logarithmic scale of draws. Those of IAF and RealNVP are narrow peaks at zero. The Gaussian's is broader; the mean-field's lies mostly below minus one, reaches down beyond minus ten, and has a long thin tail to the right up to about plus seven." caption="Log-weights of 50,000 draws, less $\\ln Z$. If $q=\\pi$, all would be 0. The flows come near; mean-field (orange) has most draws too low, and to the right the few enormous weights that spoil its ESS."
colours = {"mean-field": ORANGE, "Gaussian": GREY}
colours |= {"RealNVP (6)": PURPLE, "IAF (4)": BLUE}
for name, colour in colours.items():
    excess = np.asarray(found[name][2] - log_evidence)
    plt.hist(
        excess, bins=np.linspace(-18, 9, 136), histtype="step", color=colour,
        label=name, log=True,
    )  # fmt: skip
plt.gca().set(xlabel=r"log-weight $-\ln Z$ (nats)", ylabel="draws per bin")
legend = plt.legend(loc="upper left")

# %% [markdown]
# A narrow $q$ sends few draws where they are needed, with enormous weights: the tail on the right. The flows' weights
# are nearly equal.
#
# ## 3b.6 Forward and reverse
#
# A KL divergence has two directions, and so far we used one, without asking what it favours. That shows as soon as a
# target has two modes.

# %% [markdown] tags=["derivation"]
# So far we minimized the **reverse** divergence, $\mathrm{KL}(q\,\|\,\pi)$. The **forward** one,
# $\mathrm{KL}(\pi\,\|\,q)$, is an expectation over the target:
#
# $$\mathrm{KL}(\pi\,\|\,q_\phi)=\mathbb E_{z\sim\pi}\bigl[\ln\pi(z)\bigr]-\mathbb E_{z\sim\pi}\bigl[\ln q_\phi(z)\bigr].$$
#
# The first term is constant in $\phi$; the second is the negative log-likelihood of chapter 3. So forward KL needs
# *samples* of the target and $\ln q$ at given points; reverse KL needs the target's *formula* and samples of $q$.
# Forward KL is infinite if $q$ vanishes where $\pi$ does not: it **covers the mass**. Reverse KL is infinite if $q$ is
# positive where $\pi$ vanishes: it **seeks a mode**.

# %% [markdown]
# A target with two modes: only the product of two standard normal unknowns was measured, $x=z_1z_2+0.3\,\xi=3$. By
# symmetry each mode holds half of the posterior. Train the same IAF six times, from six random starts.


# %%
@jax.jit
def log_product(z):
    log_likelihood = normal_log_prob(3.0, z.prod(axis=-1), jnp.log(0.3))
    return standard_normal_log_prob(z) + log_likelihood


def from_start(start, key):
    return infer(start, log_product, key, steps=2000, rate=0.005)


log_Z_modes = logsumexp(log_product(square)) + log_cell
bimodal = jnp.exp(log_product(square) + log_cell - log_Z_modes)

# %%
six = [IAF(2, 4, [32], rngs=nnx.Rngs(seed)).bijection for seed in range(6)]
run_keys = jax.random.split(jax.random.key(8), 6)
from_all = jax.jit(jax.vmap(from_start))
runs, run_clouds, run_log_w = from_all(side_by_side(six), run_keys)

# %% [markdown]
# **Predict.** Here are the figures that one would look at without knowing the answer: bound, ESS, and $\ln Z$ estimated
# by importance weights. Which run would you trust most?

# %%
measures = {
    "bound": run_log_w.mean(axis=1),
    "ESS / draws": jax.jit(partial(effective_sample_size, axis=1))(run_log_w)
    / run_log_w.shape[1],
    "ln Z, weighted": jax.jit(partial(iwae_bound, axis=1))(run_log_w, 0.0),
}
print("run            " + "".join(f"{i:8}" for i in range(6)))
for name, values in measures.items():
    print(f"{name:15}" + "".join(f"{v:8.3f}" for v in np.asarray(values)))

# %% [markdown]
# ### What goes wrong: a mode is missing, and nothing says so
#
# Now look.

# %% alt="Six panels with samples of the six runs over contours of the two curved modes, one in the upper right and one in the lower left. Five runs cover both modes in unequal shares, with a few stray points between them; run 4 covers the lower left mode only and leaves the other empty." caption="Draws of the six runs (blue) over the contour of the exact posterior at a tenth of its peak (black). The titles give the shares of draws in the upper right and the lower left mode; each should be 50 %."
share = np.asarray(run_clouds.sum(axis=-1) > 0).mean(axis=1)
fig, axes = plt.subplots(1, 6, figsize=(10, 2.3), sharey=True)
for i, ax in enumerate(axes):
    ax.scatter(*np.asarray(run_clouds[i, :2000]).T, s=1, color=BLUE)
    low = 0.1 * bimodal.max()
    ax.contour(axis, axis, bimodal, [low], colors=INK, linewidths=0.8)
    ax.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", xlabel="$z_1$")
    ax.set_title(f"run {i}: {share[i]:.0%} / {1 - share[i]:.0%}")
label = axes[0].set_ylabel("$z_2$")

# %% [markdown] tags=["derivation"]
# **Answer.** The run to trust most is run 3, which has the highest bound, and it does cover both modes. The effective
# sample size would have chosen run 4, the best by far: all its draws lie in one mode. Why does nothing in its figures
# warn us?
#
# If $q$ equals $\pi$ restricted to a region $A$ of posterior probability $a$, then $q=\pi/a$ there, and
#
# $$\mathrm{KL}(q\,\|\,\pi)=\mathbb E_q\Bigl[\ln\frac{\pi/a}{\pi}\Bigr]=\ln\frac1a .$$
#
# For half of the mass that is $\ln2$. Every weight equals $aZ$: no scatter, and a confident estimate of $\ln Z$, too
# small by $\ln2$. No draw ever lands in the other half, so no statistic of the draws can know of it.

# %%
lost, lost_error = mean_and_error(log_Z_modes - run_log_w, axis=1)
estimate = iwae_bound(run_log_w, 0.0, axis=1) - log_Z_modes
print(f"ln 2 = {jnp.log(2.0):.3f}")
for i in range(6):
    print(f"run {i}: gap {lost[i]:.3f} ± {lost_error[i]:.3f},", end=" ")
    print(f"ln Z estimated - exact {estimate[i]:6.3f},", end=" ")
    print(f"share of one mode {share[i]:.3f}")

# %% [markdown]
# What helps: many starts, and trust in the highest bound, not in the highest ESS. Or the other divergence. Forward KL
# wants $\ln q$ at given points, the fast direction of a **MAF**: the IAF of before, turned round. The points are exact
# draws, which only a grid can give us here.

# %%
two_modes = grid_draws(square, bimodal, 0.05, 20_000, 1)
covering = MAF(2, 4, [32], rngs=nnx.Rngs(0))
history = fit(
    covering, negative_log_likelihood, two_modes, key=jax.random.key(9),
    epochs=20, batch_size=256, optimizer=cosine_adam(0.005, 20 * 78),
    progress=False,
)  # fmt: skip

# %% [markdown]
# For a Gaussian $q$ forward KL needs no training: its optimum has the mean and the covariance of $\pi$ (exercise 3b.6).
# For the reverse direction we train, as in 3b.4. Of the six IAFs we keep the one with the highest bound.

# %%
seeking, _, _ = infer_jit(gaussian_flow(), log_product, jax.random.key(10))
best = jax.tree.map(lambda leaf: leaf[lost.argmin()], runs)
covariance = np.einsum("ab,abi,abj->ij", bimodal, square, square)  # mean 0
root = np.linalg.cholesky(covariance)


def log_wide(z):
    """The forward Gaussian, N(0, covariance)."""
    noise = z @ np.linalg.inv(root).T
    return standard_normal_log_prob(noise) - np.log(np.diag(root)).sum()


# %% [markdown]
# Both divergences are means of a difference of log-densities: the reverse one over draws of $q$, the forward one over
# draws of $\pi$.
#
# **Predict** which of the four is largest in each column.

# %%
densities = {
    "Gaussian, reverse": (Flow(2, seeking).log_prob, seeking.forward),
    "Gaussian, forward": (log_wide, lambda noise: (noise @ root.T, None)),
    "IAF, reverse": (Flow(2, best).log_prob, best.forward),
    "MAF, forward": (covering.log_prob, covering.bijection.forward),
}
t = np.linspace(-7, 7, 701)
fine = np.stack(np.meshgrid(t, t), axis=-1)
log_pi = lambda z: log_product(z) - log_Z_modes  # noqa: E731
target_draws = grid_draws(fine, np.exp(log_pi(fine)), t[1] - t[0], 20_000, 2)

# %%
print(f"{'':20}KL(q||π)          KL(π||q)")
for name, (log_q, draw) in densities.items():
    own = draw(fresh)[0]
    columns = (log_q(own) - log_pi(own), log_pi(target_draws))
    columns = (columns[0], columns[1] - log_q(target_draws))
    numbers = [mean_and_error(values) for values in columns]
    print(f"{name:18}", *(f"{m:8.2f} ± {e:6.3f}" for m, e in numbers))

# %% [markdown]
# **Answer.** Largest in the reverse column is the *forward* Gaussian, which has to lie across the empty middle; largest
# in the forward column is the *reverse* Gaussian, which leaves a mode out. Of the two flows each is the better one in
# the column that it was trained by. (± covers draws; each flow is one training, the IAF the best of six.)

# %% alt="Five heat maps of log densities with one colour bar. The exact posterior has two curved modes. The reverse Gaussian sits on one of them. The forward Gaussian is a broad ellipse over both and over the empty middle. The reverse IAF has both modes, joined by a very thin bridge; the forward MAF has both modes, a broader bridge and a spur beside it." caption="The target and four approximations, on a logarithmic scale that shows what is faint: which modes are there, what lies where the posterior is empty, and the bridges that join the modes of the two flows."
fig, axes = plt.subplots(1, 5, figsize=(10.4, 2.5), sharey=True)
panels = {"exact": log_pi} | {k: log_q for k, (log_q, _) in densities.items()}
limits = {"cmap": "viridis", "vmin": -6, "vmax": 0}
for ax, (name, log_q) in zip(axes, panels.items(), strict=True):
    tens = np.asarray(log_q(fine)) / np.log(10)
    picture = show(ax, tens, name, (-4, -4), (4, 4), **limits)
    ax.set(aspect="equal", xlabel="$z_1$")
axes[0].set_ylabel("$z_2$")
bar = fig.colorbar(picture, ax=axes, label=r"$\log_{10}$ of the density")

# %% [markdown]
# Both flows bridge the modes. They must: each maps the plane onto the plane, continuously both ways, so its density is
# positive everywhere. A bridge can be thin, not absent.
#
# An ordinary posterior comes without exact samples; hence reverse KL is the common choice. Next: where samples are
# free.

# %% [markdown] tags=["quiz"]
# **By their effective sample size, nearly all draws of a flow count. What does that prove?**
#
# - [ ] $q$ is close to $\pi$. :: On the region that $q$ visits, perhaps. A run with one of two modes had the best ESS
#   of all.
# - [ ] $\ln Z$ is known to a per cent. :: Only the part of $Z$ that lies where $q$ has draws; the rest is not in the
#   average.
# - [x] Where $q$ has draws it is nearly proportional to $\pi$, and nothing about the rest. :: Right: a missing mode
#   changes no weight of any draw.

# %% [markdown] tags=["quiz"]
# **Why is mean-field variational inference too narrow on a tilted or bent posterior?**
#
# - [ ] Because it is trained on too few draws. :: With infinitely many the best mean-field density is just as narrow.
# - [x] Because reverse KL punishes $q$ where $\pi$ is small, and an upright shape as wide as the band's ends would lie
#   largely off the band. :: Right: fitting inside costs less than sticking out.
# - [ ] Because independent coordinates always have small variances. :: They may have any variance; forward KL would
#   choose the exact ones.

# %% [markdown] tags=["quiz"]
# **You can evaluate $\tilde\pi$ everywhere but have no sample of $\pi$. Which divergence can you train by directly?**
#
# - [x] The reverse one, $\mathrm{KL}(q\,\|\,\pi)$. :: Right: its expectation is over draws of $q$, and the constant
#   drops out.
# - [ ] The forward one, $\mathrm{KL}(\pi\,\|\,q)$. :: Its expectation is over draws of $\pi$, which you lack.
# - [ ] Neither, without $\ln Z$. :: $\ln Z$ is a constant in both, and has no gradient.

# %% [markdown] tags=["box"]
# **Predict, then play.** The browser fits a Gaussian without correlation to the same points in both directions at once.
# Which of them will put its mass between the two modes? Then draw a posterior of your own.

# %% caption="One posterior, fitted in this page by the reverse KL (left) and by the forward KL (right). The loss is the sum of both, in nats."
from course_lib.explorers.scenes.live_directions import (
    live_directions_explorer,
)

live_directions_explorer(lambda rngs: Flow(2, Affine(np.zeros(2), np.ones(2))))

# %% [markdown] tags=["answer"]
# The forward one: it must cover both modes, and so it covers the gap between them as well. The reverse one ends on one
# of the modes, since mass in the gap costs it more than a mode that it leaves out.

# %% [markdown]
# ## 3b.7 One flow for every observation
#
# All this was for one $x$; a new measurement would need a new training. Where many are to come, one network can learn
# to answer them all, and samples for forward KL turn out to be free.

# %% [markdown] tags=["derivation"]
# Give the flow $x$ as **context**, $z=g_\phi(\varepsilon\mid x)$: its parameters are computed from $x$ by the layer's
# own network. Train on many $x$ drawn from the model, and $q_\phi(z\mid x)$ answers for a new $x$ without any training.
# This is **amortized** inference: the cost of training is shared by all later answers. The encoder of chapter 5 is one.
# Both divergences serve, averaged over $x$:
#
# $$\mathbb E_{p(x)}\bigl[\ln p(x)-\mathcal L(\phi,x)\bigr]=\mathbb E_{p(x)}\,\mathrm{KL}\bigl(q_\phi(\cdot\mid x)\,\|\,p(\cdot\mid x)\bigr),$$
#
# $$-\mathbb E_{p(x,z)}\bigl[\ln q_\phi(z\mid x)\bigr]=\mathbb E_{p(x)}\,\mathrm{KL}\bigl(p(\cdot\mid x)\,\|\,q_\phi(\cdot\mid x)\bigr)+\text{const}.$$
#
# The second needs draws $(z,x)$ of the *joint* density: take $z$ from the prior, then simulate $x$. Such a $z$ is an
# exact draw of the posterior of its $x$. No formula for $p(x\mid z)$ is needed: simulating is enough. Under the names
# **neural posterior estimation** and simulation-based inference this is used where a likelihood cannot be written down
# (Papamakarios and Murray, 2016).


# %%
@partial(jax.jit, static_argnums=1)
def simulate(key, n):
    z_key, x_key = jax.random.split(key)
    z = spread * jax.random.normal(z_key, (n, 2))
    return z, log_rate(z) + blur * jax.random.normal(x_key, (n, 3))


def amortized_log_weights(model, x, noise):
    z, log_det = model.bijection.forward(noise, x)
    return log_joint(z, x) + log_det - standard_normal_log_prob(noise)


def negative_bound(model, x, key):
    noise = jax.random.normal(key, (len(x), 2))
    return -amortized_log_weights(model, x, noise).mean()


# %% [markdown]
# The same conditional RealNVP, trained both ways on the enzyme by one recipe, from two starts each.

# %%
z_train, x_train = simulate(jax.random.key(11), 40_000)
ways = {
    "reverse": (negative_bound, x_train),
    "forward": (conditional_negative_log_likelihood, (z_train, x_train)),
}
shape = {"hidden_sizes": [64], "num_context": 3, "stacked": True}

# %%
amortized = {}
for way, (loss, examples) in ways.items():
    for seed in (0, 1):
        model = RealNVP(2, 6, rngs=nnx.Rngs(seed), **shape)
        history = fit(
            model, loss, examples, key=jax.random.key(12 + seed), epochs=10,
            batch_size=256, optimizer=cosine_adam(0.003, 10 * 156),
            progress=False,
        )  # fmt: skip
        amortized[way, seed] = model

# %% [markdown]
# Two thousand new pairs, the exact evidence of each observation by quadrature, and the mean of both divergences.
#
# **Predict.** Each flow was trained to make one of the two columns small. Is each the better one in its own column?

# %%
z_test, x_test = simulate(jax.random.key(13), 2000)
log_sum = lambda x: logsumexp(log_joint(square, x))  # noqa: E731
evidence = jax.jit(partial(jax.lax.map, log_sum))(x_test) + log_cell
log_posterior = log_joint(z_test, x_test) - evidence
many_noise = jax.random.normal(jax.random.key(14), (50, 2000, 2))
many_weights = jax.jit(
    jax.vmap(amortized_log_weights, in_axes=(None, None, 0))
)  # fmt: skip

# %%
kl = {}
print("trained by, start    mean KL(q||p)    mean KL(p||q)   median ESS")
for (way, seed), model in amortized.items():
    log_w = many_weights(model, x_test, many_noise)
    pair = (
        np.asarray(evidence - log_w.mean(axis=0)),
        np.asarray(log_posterior - model.log_prob(z_test, x_test)),
    )
    kl[way, seed] = np.array(pair)
    size = np.median(jax.jit(effective_sample_size)(log_w)) / 50
    numbers = [mean_and_error(values) for values in pair]
    print(f"{way}, {seed}      ", end="")
    print(*(f"{m:8.3f} ± {e:.3f}" for m, e in numbers), f"{size:10.1%}")

# %%
print("reverse minus forward, by the pair:")
for seed in (0, 1):
    ahead = kl["reverse", seed] - kl["forward", seed]
    differences = [mean_and_error(values) for values in ahead]
    print(f"start {seed}       ", end="")
    print(*(f"{m:8.3f} ± {e:.3f}" for m, e in differences))

# %% [markdown]
# **Answer.** No: the forward flow is the better one in both columns, from both starts and by many errors. The two
# losses have one minimum, the exact posterior at every $x$, but take different ways there, and after equally many steps
# of this recipe the reverse one is behind. (± covers pairs. ESS is that of 50 draws.)
#
# Four observations, ordered by the first rate, and one network for all.

# %% alt="Four panels on equal axes, each with black contours of an exact posterior for another observation and blue samples of the amortized flow for it. The banana changes place and bend from panel to panel, and the samples follow it." caption="Four new observations (their three rates in the titles): contours of the exact posterior at 1, 10 and 50 % of its peak, and 1,500 draws of one network that was trained on none of them."
order = np.argsort(x_test[:, 0])
chosen = order[[200, 800, 1300, 1800]]
fig, axes = plt.subplots(1, 4, figsize=(9.8, 2.9), sharey=True)
for ax, i in zip(axes, chosen, strict=True):
    exact = np.exp(log_joint(square, x_test[i]))
    heights = exact.max() * np.array([0.01, 0.1, 0.5])
    cloud = amortized["forward", 0].sample(
        jax.random.key(15), (1500,), x_test[i]
    )
    ax.scatter(*np.asarray(cloud).T, s=2, color=BLUE, alpha=0.3, lw=0)
    ax.contour(axis, axis, exact, heights, colors=INK, linewidths=0.8)
    rates = ", ".join(f"{r:.2g}" for r in np.exp(x_test[i]))
    ax.set(xlim=(-5, 5), ylim=(-6, 6), xlabel=r"$\ln V$", aspect="equal")
    ax.set_title(f"rates {rates}", fontsize=10)
label = axes[0].set_ylabel(r"$\ln K$")

# %% [markdown]
# What does it cost to share one network among all $x$? For each of these four, a RealNVP of the same layers and widths,
# trained on that observation alone:

# %%
alone = RealNVP(2, 6, [64], stacked=True, rngs=nnx.Rngs(0)).bijection


def for_one(x, key):
    return infer(alone, lambda z: log_joint(z, x), key, steps=2000)[2]


four_keys = jax.random.split(jax.random.key(16), 4)
four_alone = jax.jit(jax.vmap(for_one))(x_test[chosen], four_keys)
four_noise = jax.random.normal(jax.random.key(17), (20_000, 4, 2))
shared = many_weights(amortized["forward", 0], x_test[chosen], four_noise).T

# %%
print("rates                gap, alone        gap, shared")
for i, *both in zip(chosen, four_alone, shared, strict=True):
    numbers = [mean_and_error(evidence[i] - log_w) for log_w in both]
    rates = ", ".join(f"{r:.2g}" for r in np.exp(x_test[i]))
    print(f"{rates:20}", "   ".join(f"{m:.4f} ± {e:.4f}" for m, e in numbers))

# %% [markdown]
# The difference between the two columns is the **amortization gap** (Cremer et al., 2018): one family, trained for one
# $x$ or for all. It is large for the smallest rates, small for the next two, and undecided for the last, where training
# alone has not arrived either. The gap buys answers in one pass, and importance weights can take it back. All of this
# is for $x$ like those of the training; nothing is promised for others.

# %% [markdown] tags=["frame"]
# ## Summary
#
# - $\mathrm{KL}(q\,\|\,\pi)=\ln Z-\mathcal L$ with
#   $\mathcal L=\mathbb E_\varepsilon[\ln\tilde\pi(g(\varepsilon))+\ln|\det\mathrm Dg(\varepsilon)|-\ln\mathcal N(\varepsilon)]$.
#   The constant $Z$ is not needed, nor is the inverse of the flow.
# - A bound above $\ln Z$ means that $q$ is not the density of its draws: a lost log-determinant, or a fold.
# - A planar layer acts along one ridge, and needs $\mathbf u\cdot\mathbf w\ge-1$. Many of them fit curved densities,
#   though not from every start.
# - Mean-field is too narrow on a banana; a flow agrees with quadrature and with NUTS.
# - Importance weights repair a $q$ that is broad enough. ESS cannot see a mode that $q$ never visits: a missing share
#   $1-a$ costs only $\ln\frac1a$ nats.
# - Forward KL covers the mass and needs samples of the target; from the joint density they are free.
# - A conditional flow answers for every $x$ at once, with an amortization gap.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 3b.1 ★ — One outdoes the rest
# Of a hundred draws ninety-nine have the same weight, and the last one has as much weight as all the others together.
# How many draws count? Return the effective sample size.
#
# **Hint.** Let the equal weights be 1. What is the last one, what their sum, and what the sum of their squares?


# %% tags=["exercise"]
def draws_that_count():
    ### BEGIN SOLUTION
    return effective_sample_size(jnp.log(jnp.ones(100).at[-1].set(99.0)))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.1") as check:
    check.close(
        "ESS", draws_that_count(), (99 + 99) ** 2 / (99 + 99**2), rtol=1e-4,
        hint="The square of the sum, over the sum of the squares.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 3b.2 ★ — Pressed together
# A planar layer with $\mathbf u\cdot\mathbf w=-0.8$ moves a round Gaussian, as in section 3b.2. A point $\varepsilon$
# lies on the ridge, $\mathbf w\cdot\varepsilon+b=0$. How many times as high as at $\varepsilon$ before is the density
# at its image after the layer?
#
# **Hint.** By which factor does the layer change areas on the ridge, where $\tanh'=1$?


# %% tags=["exercise"]
def times_as_high():
    ### BEGIN SOLUTION
    return 1 / (1 - 0.8)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.2") as check:
    pressing, foot = layers[-1], jnp.zeros(2)  # b = 0: on the ridge
    check.close(
        "the factor", times_as_high(),
        jnp.exp(-pressing.forward(foot)[1]), rtol=1e-4,
        hint="A density becomes higher where areas shrink.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 3b.3 ★ — The bound
# Estimate $\mathcal L$ from `noise` of shape `(k, d)`. `forward(noise)` returns $(z,\ln|\det\mathrm Dg|)$.
#
# **Hint.** $\mathcal L$ is the mean of the log-weights, and a log-weight has three terms.
#
# **Hint.** Target at $z$, plus log-determinant, minus the base density at the *noise*.


# %% tags=["exercise"]
def lower_bound(forward, log_target, noise):
    ### BEGIN SOLUTION
    z, log_det = forward(noise)
    return (log_target(z) + log_det - standard_normal_log_prob(noise)).mean()
    ### END SOLUTION


# %% tags=["check"]
def twice_as_wide(z):
    return standard_normal_log_prob(z / 2) + jnp.log(3.0)


with exercise("3b.3") as check:
    double = Affine(shift=jnp.zeros(2), scale=jnp.full(2, 2.0))
    check.close(
        "q is the target: the bound is ln Z",
        lower_bound(double.forward, twice_as_wide, fresh), jnp.log(12.0),
        rtol=1e-4,
        hint="ln|det| counts with a plus.",
    )  # fmt: skip
    check.close(
        "the tilted Gaussian", lower_bound(nothing.forward, log_tilted, fresh),
        weighted_draws(nothing, log_tilted, fresh)[1].mean(),
        hint="One mean, over draws.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 3b.4 ★ — The determinant of a ridge
# Return $\ln|\det\mathrm Dg(\varepsilon)|$ of the planar map $\varepsilon+\mathbf u\tanh(\mathbf w\cdot\varepsilon+b)$
# at one point $\varepsilon$, without forming a matrix.
#
# **Hint.** The Jacobian is $I+\mathbf u\mathbf v^{\mathsf T}$ with $\mathbf v=\tanh'(\dots)\,\mathbf w$; use the lemma
# of 3b.2.


# %% tags=["exercise"]
def planar_log_det(eps, u, w, b):
    ### BEGIN SOLUTION
    slope = 1 - jnp.tanh(w @ eps + b) ** 2
    return jnp.log(jnp.abs(1 + (u @ w) * slope))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.4") as check:
    point, u_3, w_3 = np.array(
        [[0.2, -0.4, 1.0], [0.5, 1.0, -0.3], [1.0, 0.2, 0.7]]
    )
    for b in (0.0, 0.6):
        bend = 1 - np.tanh(w_3 @ point + b) ** 2
        want = np.linalg.slogdet(np.eye(3) + np.outer(u_3, w_3) * bend)[1]
        check.close(
            f"three dimensions, b = {b}", planar_log_det(point, u_3, w_3, b),
            want, hint="tanh′ = 1 − tanh².", rtol=1e-4,
        )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 3b.5 ★ — An evidence of minus infinity
# Somebody estimates $\ln Z$ from log-weights as the formula of 3b.5 says:
#
# ```python
# def log_evidence_of(log_w):
#     return jnp.log(jnp.mean(jnp.exp(log_w)))
# ```
#
# On a data set with thousands of observations it returns $-\infty$, although $q$ is nearly perfect. Find the fault, and
# write the function anew.
#
# **Hint.** A thousand observations have log-weights near $-1000$. What is $e^{-1000}$ in float32?
#
# **Hint.** `logsumexp` is $\ln\sum e^{\dots}$ without leaving the logarithm; what must be subtracted to make it a mean?


# %% tags=["exercise"]
def log_evidence_of(log_w):
    ### BEGIN SOLUTION
    return logsumexp(log_w) - jnp.log(len(log_w))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.5") as check:
    some_log_w = found["Gaussian"][2][:1000]
    expected_Z = np.log(np.mean(np.exp(np.float64(some_log_w))))
    for shift in (0.0, -1000.0):
        check.close(
            f"log-weights shifted by {shift:.0f}",
            log_evidence_of(some_log_w + shift), expected_Z + shift,
            rtol=1e-4, hint="Never leave the logarithm.",
        )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 3b.6 ★★ — The Gaussian that covers
# The minimum of $\mathrm{KL}(\pi\,\|\,q)$ over all Gaussians $q$ has the mean and the covariance of $\pi$. Compute both
# from `points` of shape `(n, d)` and their probabilities `chance` of shape `(n,)`.
#
# **Hint.** A mean under $\pi$ is a sum in which each point counts with its probability: a product of a vector and a
# matrix.
#
# **Hint.** Covariance: subtract the mean, then sum $p_n\,r_nr_n^{\mathsf T}$ over the points; no factor $n/(n-1)$ here.


# %% tags=["exercise"]
def covering_gaussian(points, chance):
    ### BEGIN SOLUTION
    mean = chance @ points
    rest = points - mean
    return mean, rest.T @ (chance[:, None] * rest)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.6") as check:
    corners = np.array([[1.0, 1.0], [-1.0, -1.0], [3.0, 0.0]])
    of_three = covering_gaussian(corners, np.array([0.25, 0.25, 0.5]))
    check.close(
        "mean of three points", of_three and of_three[0], [1.5, 0.0],
        hint="Weigh each point by its probability.",
    )  # fmt: skip
    check.close(
        "their covariance", of_three and of_three[1],
        [[2.75, 0.5], [0.5, 0.5]], hint="Subtract the mean first.",
    )  # fmt: skip
    of_modes = covering_gaussian(square.reshape(-1, 2), bimodal.ravel())
    check.close(
        "the two modes of 3b.6", of_modes and of_modes[1], root @ root.T,
        rtol=1e-3, atol=1e-3, hint="The same, on the grid.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 3b.7 ★★ — A weighted mean
# Estimate $\mathbb E_\pi[h(z)]$ from values $h(z_i)$ at draws of $q$ and their log-weights. Log-weights may be as low
# as $-1000$.
#
# **Hint.** Only the *ratios* of weights matter. What may you therefore subtract from all log-weights?
#
# **Hint.** `jax.nn.softmax(log_w)` gives $w_i/\sum_jw_j$ safely.


# %% tags=["exercise"]
def weighted_mean(values, log_w):
    ### BEGIN SOLUTION
    return jnp.sum(jax.nn.softmax(log_w) * values)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.7") as check:
    check.close(
        "weights 1 and 3", weighted_mean(np.array([0.0, 4.0]),
        np.log([1.0, 3.0])), 3.0, hint="Divide by the sum of the weights.",
    )  # fmt: skip
    tiny = np.array([-1000.0, -1000.0])
    check.close(
        "tiny weights", weighted_mean(np.array([1.0, 2.0]), tiny), 1.5,
        hint="Subtract the largest first.",
    )  # fmt: skip
    _, z_iaf, log_w_iaf = found["IAF (4)"]
    check.close(
        "the mean of ln K, from the IAF",
        weighted_mean(z_iaf[:, 1], log_w_iaf),
        (posterior * square[..., 1]).sum(), rtol=0.03,
        hint="Values times normalized weights.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 3b.8 ★★ — What a missing mode costs
# A target has modes of posterior probabilities `shares` (they add to 1), far apart. A perfect $q$ of those modes in the
# list `kept`, and of nothing else, has which gap $\ln Z-\mathcal L$?
#
# **Hint.** What is the probability $a$ of the region that $q$ covers?
#
# **Hint.** On that region $q=\pi/a$; the gap is the mean of $\ln(q/\pi)$.


# %% tags=["exercise"]
def gap_of_missing_modes(shares, kept):
    ### BEGIN SOLUTION
    return -jnp.log(sum(shares[i] for i in kept))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.8") as check:
    for what, shares, kept_modes, want in (
        ("one of two equal modes", [0.5, 0.5], [1], np.log(2.0)),
        ("nothing missing", [0.2, 0.3, 0.5], [0, 1, 2], 0.0),
        ("a rare mode is cheap", [0.01, 0.99], [1], -np.log(0.99)),
    ):
        cost = gap_of_missing_modes(shares, kept_modes)
        check.close(what, cost, want, hint="ln 1/a.")
    one_side = jnp.where(square.sum(axis=-1) > 0, bimodal, 0.0)
    one_side = one_side / one_side.sum()
    log_excess = jnp.log(one_side) - jnp.log(bimodal)
    by_grid = jnp.where(one_side > 0, one_side * log_excess, 0.0).sum()
    check.close(
        "half of 3b.6, by quadrature", gap_of_missing_modes([0.5, 0.5], [0]),
        by_grid, rtol=1e-2, hint="a is one half.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 3b.9 ★★ — The determinant lemma
# Section 3b.2 uses $\det(I+\mathbf u\,\mathbf v^{\mathsf T})=1+\mathbf u\cdot\mathbf v$. Show it: find all $d$
# eigenvalues of $I+\mathbf u\,\mathbf v^{\mathsf T}$ (for $\mathbf u\cdot\mathbf v\ne0$), and return them in an array
# of length $d$, the one that differs last. Their product is the determinant.
#
# **Hint.** What does the matrix do to a vector $\mathbf a$ with $\mathbf v\cdot\mathbf a=0$? How many independent ones
# are there?
#
# **Hint.** One direction is left. Try $\mathbf u$ itself.


# %% tags=["exercise"]
def eigenvalues_of_ridge(u, v):
    ### BEGIN SOLUTION
    return jnp.ones(len(u)).at[-1].set(1 + u @ v)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.9") as check:
    for d in (2, 5):
        u_d, v_d = np.random.default_rng(d).normal(size=(2, d))
        theirs_sorted = np.sort(
            np.linalg.eigvals(np.eye(d) + np.outer(u_d, v_d)).real
        )
        mine = eigenvalues_of_ridge(u_d, v_d)
        check.close(
            f"{d} dimensions", None if mine is None else np.sort(mine),
            theirs_sorted, rtol=1e-4, atol=1e-4,
            hint="d − 1 vectors stay as they are; u is stretched.",
        )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 3b.10 ★★★ — Both modes, from the bad start
# Run 4 of section 3b.6 lost a mode. Begin with its first weights, `six[4]`, train in a way of your own, and return the
# trained flow. The target on fresh draws: at least a quarter of them in each mode, and a gap of at most half a nat.
#
# **Hint.** $\tau\ln\tilde\pi$ with $\tau<1$ has the same modes, and is flatter between them. A trained flow may be the
# start of the next training.
#
# **Hint.** `trained(six[4], lambda z: 0.05 * log_product(z), key, steps=1000)` first; then again from there with a
# larger $\tau$, and at last with $\tau=1$.


# %% tags=["exercise"]
def both_modes():
    ### BEGIN SOLUTION
    def flattened(q, tau, key):
        flat = lambda z: tau * log_product(z)  # noqa: E731
        return trained(q, flat, key, steps=1000, rate=0.01)

    q, one_stage = six[4], jax.jit(flattened)
    for stage, tau in enumerate((0.05, 0.2, 1.0)):
        q = one_stage(q, tau, jax.random.key(20 + stage))
    return q
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.10") as check:
    q = both_modes()
    missing = q is None
    if not missing:
        z, log_w = weighted_draws(q, log_product, fresh)
        upper = (z.sum(axis=-1) > 0).mean()
    check.true(
        "a quarter of the draws in each mode",
        ... if missing else 0.25 <= upper <= 0.75,
        hint="Let the flow see both modes before the target is steep.",
    )
    check.true(
        "at most half a nat of gap",
        ... if missing else log_Z_modes - log_w.mean() <= 0.5,
        hint="End with enough steps on the target itself.",
    )

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 3b.11 ★★★ — Can one see what is not there?
# Nothing in the draws of run 4 told that a mode is missing. Ask another run. Let $q_3$ and $q_4$ be the densities of
# runs 3 and 4. Return the pair of means of $\ln(q_3/q_4)$ over the first 2,000 draws of run 3, and of $\ln(q_4/q_3)$
# over those of run 4. Which of the two warns? What if all runs had lost the same mode?
#
# **Hint.** `jax.tree.map(lambda leaf: leaf[4], runs)` is the bijection of run 4, and `Flow(2, …).log_prob` its density
# anywhere. The draws are `run_clouds[4, :2000]`.


# %% tags=["exercise"]
def ask_each_other():
    ### BEGIN SOLUTION
    # Draws of run 3 land where run 4 has next to no density, so the first
    # mean is large: tens of nats. The second is about one. But runs tell
    # only what one of them has found: if all lose the same mode, all agree.
    # Yao et al. (2018, arXiv:1802.02538) judge a q by the tail of its
    # weights, which are those of its own draws; Yao et al. (2022,
    # arXiv:2006.12335) combine many runs. No affordable check is known that
    # finds every missing mode.
    flows = {}
    for i in (3, 4):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], runs)
        flows[i] = Flow(2, one).log_prob
    means = []
    for i, j in ((3, 4), (4, 3)):
        z = run_clouds[i, :2000]
        means.append(float((flows[i](z) - flows[j](z)).mean()))
    return means
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.11") as check:
    answer = ask_each_other() or (None, None)
    for (i, j), mean in zip(((3, 4), (4, 3)), answer, strict=True):
        z = run_clouds[i, :2000]
        own = log_product(z) - run_log_w[i, :2000]
        other = Flow(2, jax.tree.map(lambda leaf, j=j: leaf[j], runs))
        expected = (own - other.log_prob(z)).mean()
        check.close(
            f"draws of run {i}", mean, expected, rtol=0.01, atol=0.01,
            hint="The mean of the difference of two log-densities.",
        )  # fmt: skip

# %% [markdown] tags=["frame"]
# ## Sources
#
# - I. Kobyzev, S. Prince, M. Brubaker, *Normalizing Flows: An Introduction and Review of Current Methods*, 2019,
#   arXiv:1908.09257; §2.2.2 is the sentence that the page leaves unfinished.
# - E. Tabak, C. Turner, *A Family of Nonparametric Density Estimation Algorithms*, Communications on Pure and Applied
#   Mathematics 66, 2013. Flows of simple maps, before the name.
# - D. Rezende, S. Mohamed, *Variational Inference with Normalizing Flows*, 2015, arXiv:1505.05770. Planar flows; the
#   four energies are its Table 1, the invertibility condition its appendix.
# - D. P. Kingma et al., *Improving Variational Inference with Inverse Autoregressive Flow*, 2016, arXiv:1606.04934.
# - G. Papamakarios, T. Pavlakou, I. Murray, *Masked Autoregressive Flow for Density Estimation*, 2017,
#   arXiv:1705.07057.
# - G. Papamakarios, I. Murray, *Fast ε-free Inference of Simulation Models with Bayesian Conditional Density
#   Estimation*, 2016, arXiv:1605.06376. Forward KL from simulations: neural posterior estimation.
# - G. Papamakarios, E. Nalisnick, D. Rezende, S. Mohamed, B. Lakshminarayanan, *Normalizing Flows for Probabilistic
#   Modeling and Inference*, 2019, arXiv:1912.02762; §6 on inference, forward and reverse KL.
# - L. Dinh, J. Sohl-Dickstein, S. Bengio, *Density estimation using Real NVP*, 2016, arXiv:1605.08803.
# - M. D. Hoffman, A. Gelman, *The No-U-Turn Sampler*, JMLR 15, 2014, arXiv:1111.4246.
# - D. Phan, N. Pradhan, M. Jankowiak, *Composable Effects for Flexible and Accelerated Probabilistic Programming in
#   NumPyro*, 2019, arXiv:1912.11554.
# - C. Cremer, X. Li, D. Duvenaud, *Inference Suboptimality in Variational Autoencoders*, 2018, arXiv:1801.03558. The
#   amortization gap.
# - L. Michaelis, M. Menten, *Die Kinetik der Invertinwirkung*, Biochemische Zeitschrift 49, 1913.
# - L. Ma, *Datumorphism*, "Generative Models: Normalizing Flow", 2021. The page that this chapter follows.
#
# ## Next
#
# Chapter 4, **Auto-encoder**, leaves densities for a while. Chapter 5 returns to $q(z\mid x)$: there the model
# $p(x\mid z)$ is itself a network, learned together with $q$, from images.
