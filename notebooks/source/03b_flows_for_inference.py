# %% [markdown] tags=["frame"]
# # 3b · Flows for inference
#
# Chapter 3 used flows to describe data. Here there are no data points to fit: there is a formula, known up to a constant,
# and a flow has to find out what it looks like. Chapter 3 ended on one small case; this chapter does it in full.
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
from course_lib.figures.style import BLUE, GREEN, GREY, INK, LIGHT, RED
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
# $p(z\mid x)=p(x,z)/p(x)$. The numerator is a formula. The denominator is an integral over all $z$.

# %% [markdown] tags=["derivation"]
# Keep $x$ fixed and write the numerator as a function of $z$ alone:
#
# $$\tilde\pi(z)=p(x,z),\qquad Z=\int\tilde\pi(z)\,dz=p(x),\qquad \pi(z)=\frac{\tilde\pi(z)}{Z}=p(z\mid x).$$
#
# Nothing below uses that $\tilde\pi$ came from Bayes' rule: any positive function with a finite integral will do. $Z$ is
# called the **evidence**.
#
# Choose a family of densities $q_\phi(z)$ that can be sampled and evaluated, and ask for the one nearest to $\pi$:
#
# $$\mathrm{KL}(q_\phi\,\|\,\pi)=\mathbb E_{z\sim q_\phi}\bigl[\ln q_\phi(z)-\ln\tilde\pi(z)+\ln Z\bigr]
# =\ln Z-\underbrace{\mathbb E_{z\sim q_\phi}\bigl[\ln\tilde\pi(z)-\ln q_\phi(z)\bigr]}_{\mathcal L(\phi)}.$$
#
# The unknown $\ln Z$ has come out of the expectation. It does not depend on $\phi$, so its gradient is zero:
# **to maximize $\mathcal L$ is to minimize the KL divergence**, and $\mathcal L$ needs $\tilde\pi$ only. As a KL divergence
# is never negative, $\mathcal L\le\ln Z$: a lower bound on the evidence, whose **gap** is the divergence itself.
#
# Now let $q_\phi$ be a flow (Kobyzev et al., §2.2.2): $z=g_\phi(\varepsilon)$ with $\varepsilon\sim\mathcal N(0,I)$, and
# $\ln q_\phi(z)=\ln\mathcal N(\varepsilon;0,I)-\ln|\det\mathrm Dg_\phi(\varepsilon)|$. Define the **log-weight** of a draw,
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
# A first target, of which everything is known: a tilted Gaussian, multiplied by 7. Its evidence has a closed form, and in
# two dimensions an integral can also be had by adding up a fine grid (**quadrature**).

# %% tags=["nbval-check-output"]
precision = np.array([[2.0, -1.2], [-1.2, 1.5]], np.float32)
log_tilted = lambda z: jnp.log(7.0) - 0.5 * jnp.einsum("...i,ij,...j", z, precision, z)  # noqa: E731

axis = np.linspace(-7, 7, 281)
square = np.stack(np.meshgrid(axis, axis), axis=-1)
log_cell = 2 * np.log(axis[1] - axis[0])
half_log_det = 0.5 * np.linalg.slogdet(precision)[1]
print(f"closed form: ln Z = {np.log(7.0) + np.log(2 * np.pi) - half_log_det:.3f}")
print(f"quadrature:  ln Z = {logsumexp(log_tilted(square)) + log_cell:.3f}")

# %% [markdown]
# **Predict.** Let $q$ be $\mathcal N(0,I)$: a flow that does nothing. We estimate $\ln Z-\mathcal L$ from draws. Which
# closed form must it equal? And how does the *gradient* change if the factor 7 becomes 700?

# %%
nothing = Affine(shift=jnp.zeros(2), scale=jnp.ones(2))
_, log_w = weighted_draws(nothing, log_tilted, fresh)
log_Z = np.log(14 * np.pi) - half_log_det
gap, error = mean_and_error(log_Z - log_w)
print(f"ln Z - bound:             {gap:.3f} ± {error:.3f}")
print(f"KL(N(0, I) || target):    {0.5 * (np.trace(precision) - 2) - half_log_det:.3f}")


def bound(q, factor):
    return weighted_draws(q, lambda z: log_tilted(z) + jnp.log(factor), fresh)[1].mean()


slope = jax.jit(lambda factor: jax.grad(bound)(nothing, factor).log_scale[...])
print(f"gradient, factors 7, 700: {[np.asarray(slope(factor)).round(4).tolist() for factor in (1.0, 100.0)]}")

# %% [markdown]
# The gradient does not see the constant. So gradient ascent can begin. There is no data set, hence no epoch: each step
# draws fresh noise.


# %%
def trained(bijection, log_target, key, steps=3000, rate=0.01):
    """A copy of the bijection, after `steps` steps of Adam up the bound."""
    graph, start, rest = nnx.split(bijection, nnx.Param, ...)
    adam = cosine_adam(rate, steps)

    def step(carry, key):
        params, state = carry
        noise = jax.random.normal(key, (256, bijection.num_dims))
        loss = lambda params: -weighted_draws(nnx.merge(graph, params, rest), log_target, noise)[1].mean()  # noqa: E731
        updates, state = adam.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(key, steps)
    (params, _), _ = jax.lax.scan(step, (start, adam.init(start)), keys)
    return nnx.merge(graph, params, rest)


# %% [markdown]
# Around it, what we want from every training: the flow, fresh draws from it, and their log-weights, in one compiled program.


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
    return Chain([InvertibleLinear(2, rngs=nnx.Rngs(seed)), Affine(jnp.full(2, 0.1), jnp.ones(2))])


_, _, log_w = infer_jit(gaussian_flow(), log_tilted, jax.random.key(2))
print(f"gap {log_Z - log_w.mean():.5f} nats, standard deviation of the log-weights {log_w.std():.5f}")

# %% [markdown]
# Nearly zero. If $q=\pi$ then $w=\tilde\pi/q=Z$ at every point: each single draw knows the evidence.
#
# ### What goes wrong: the log-determinant is forgotten
#
# **Predict.** Drop $\ln|\det\mathrm Dg|$ from the log-weight and train again. Where does $q$ go? Is the reported bound too
# low or too high?


# %%
class Forgetful(Affine):
    def forward(self, z, context=None):
        x, log_det = super().forward(z)
        return x, 0 * log_det


start = Forgetful(shift=jnp.ones(2), scale=jnp.ones(2))
collapsed, _, reported = infer_jit(start, log_tilted, jax.random.key(3))
print(f"reported {reported.mean():.3f}, but ln Z = {log_Z:.3f}")
print("scale", np.exp(np.asarray(collapsed.log_scale[...])).round(3), " shift", np.abs(collapsed.shift[...]).round(2))

# %% [markdown]
# A "bound" above $\ln Z$: the sure sign of a wrong density. $q$ has shrunk onto the mode of $\tilde\pi$. The
# log-determinant is what pays for being wide; without it, inference becomes optimization.
#
# ## 3b.2 One planar layer, one ridge

# %% [markdown] tags=["derivation"]
# Rezende and Mohamed's **planar flow** pushes each point along one direction $u$, by an amount that depends on its place
# along another, $w$:
#
# $$x=z+u\tanh(w\cdot z+b).$$
#
# Its Jacobian is the identity plus a matrix of rank one, $I+\tanh'(w\cdot z+b)\,u\,w^{\mathsf T}$, with
# $\tanh'=1-\tanh^2$. For such a matrix, $\det(I+u\,v^{\mathsf T})=1+u\cdot v$ (the **matrix determinant lemma**), so
#
# $$\ln|\det\mathrm Dg(z)|=\ln\bigl|1+(u\cdot w)\tanh'(w\cdot z+b)\bigr| .$$
#
# That costs $d$ operations instead of $d^3$. Along a plane $w\cdot z=\text{const}$ nothing changes; at the plane
# $w\cdot z+b=0$ volumes change most. Hence the name: a planar layer acts along **one ridge**.

# %%
layers = []
for dot in (2.5, 0.0, -0.8):
    layer = Planar(2, rngs=nnx.Rngs(0))
    raw = jnp.log(jnp.expm1(dot + 1))  # the raw u·w that `constrained_direction`, below, turns into dot
    layer.w[...], layer.u[...] = jnp.array([1.5, 0.5]), jnp.array([0.3, -0.9])
    layer.u[...] += (raw - layer.u[...] @ layer.w[...]) * layer.w[...] / (layer.w[...] @ layer.w[...])
    layers.append(layer)
warp = nnx.jit(lambda layer, z: layer.forward(z)[0])

# %% [markdown]
# **Predict.** We draw the density of $x$ for $u\cdot w=2.5$, $0$ and $-0.8$, when $z$ is a round Gaussian. In which
# picture is the blob torn in two halves, in which pressed to a wall, in which sheared?

# %% alt="Three heat maps with warped grids. For u dot w = 2.5 the round blob is pulled apart into two hills with a thin valley between them along a tilted line. For 0 it is sheared into an S. For minus 0.8 it is pressed together into a narrow high ridge along that line."
lines = np.linspace(-2.5, 2.5, 200)[None], np.linspace(-2.5, 2.5, 15)[:, None]
mesh = np.stack(np.broadcast_arrays(*lines), axis=-1)
lattice = np.stack([mesh, mesh[..., ::-1]])
window = slice(40, 241)  # [−5, 5]
fig, axes = plt.subplots(1, 3, figsize=(9, 3.1))
for ax, layer, dot in zip(axes, layers, (2.5, 0.0, -0.8), strict=True):
    shade = np.exp(Flow(2, layer).log_prob(square[window, window]))
    ax.imshow(shade, origin="lower", extent=(-5, 5, -5, 5), cmap="Greens")
    warped_grid(ax, warp(layer, lattice), rf"$u\cdot w={dot}$")
    plt.setp(ax.lines, alpha=0.3)
    ax.set(xlim=(-4.5, 4.5), ylim=(-4.5, 4.5))

# %% [markdown]
# ### What goes wrong: the layer folds

# %% [markdown] tags=["derivation"]
# Along $w$ the map reads $t\mapsto t+(u\cdot w)\tanh(t+b)$, with slope $1+(u\cdot w)\tanh'(t+b)$. As $\tanh'$ lies between
# 0 and 1, the slope is positive everywhere if and only if
#
# $$u\cdot w\ge-1 .$$
#
# Below $-1$ the map turns back near the ridge: three points $z$ arrive at one $x$. The density of $x$ is then a *sum* over
# the three. The formula reports only one of them, so $\ln q$ is too small and $\ln\tilde\pi-\ln q$ too large.

# %% [markdown]
# Take one dimension: $z=s\,(\varepsilon+c\tanh3\varepsilon)$, so $u\cdot w=3c$, and the target $\mathcal N(0,1)$ with
# $\ln Z=0$. For each $c$ we choose the best scale $s$.
#
# **Predict.** Where is the reported bound highest?


# %% alt="The reported bound against u dot w from minus 4 to 3. Right of minus 1 it stays at or below zero and touches it at zero. Left of minus 1, in the shaded region, it rises above zero, to about 0.5."
noise, c, s = np.meshgrid(np.linspace(-6, 6, 601), np.linspace(-4, 3, 71) / 3, np.linspace(0.3, 3, 28), indexing="ij")
moved = s * (noise + c * np.tanh(3 * noise))
log_det = np.log(np.abs(s * (1 + 3 * c * (1 - np.tanh(3 * noise) ** 2))) + 1e-9)
weight = np.exp(-0.5 * noise**2) / np.exp(-0.5 * noise**2).sum(axis=0)
reported = (weight * (0.5 * noise**2 - 0.5 * moved**2 + log_det)).sum(axis=0).max(axis=1)
plt.plot(3 * c[0, :, 0], reported, color=BLUE)
plt.axhline(0, color=INK, ls="--", lw=1)
plt.axvspan(-4, -1, color=LIGHT)
_ = plt.gca().set(xlabel=r"$u\cdot w$ (grey: the map folds)", ylabel="reported bound", title=r"$\ln Z=0$, dashed")

# %% [markdown]
# In the folded region, above $\ln Z$: an optimizer would go there. So the condition must be built in. The library keeps the
# component of $u$ across $w$ and passes $u\cdot w$ through a function that stays above $-1$.


# %% library="course_lib.flows.planar:constrained_direction"
def constrained_direction(u, w):
    dot = jnp.vdot(u, w)
    return u + (jax.nn.softplus(dot) - 1 - dot) / (jnp.vdot(w, w) + 1e-12) * w


# %% tags=["nbval-check-output"]
w = jnp.array([1.0, 2.0])
for u in ([3.0, 1.0], [0.0, 0.0], [-2.0, -2.0], [-30.0, -40.0]):
    u = jnp.array(u)
    print(f"u·w = {u @ w:6.1f}   becomes {constrained_direction(u, w) @ w:7.4f}")

# %% [markdown]
# ## 3b.3 Four energies
#
# The paper tests the flow on four functions of the plane, $\tilde\pi(z)=e^{-U(z)}$, called **energies** $U$. With the
# helpers $w_1=\sin\frac{\pi z_1}{2}$, $w_2=3e^{-\frac12((z_1-1)/0.6)^2}$ and $w_3=3\,\sigma\bigl(\frac{z_1-1}{0.3}\bigr)$
# ($\sigma$: logistic function):

# %% [markdown] tags=["derivation"]
# $$\begin{aligned}
# U_1&=\tfrac12\Bigl(\tfrac{\lVert z\rVert-2}{0.4}\Bigr)^2-\ln\Bigl(e^{-\frac12(\frac{z_1-2}{0.6})^2}+e^{-\frac12(\frac{z_1+2}{0.6})^2}\Bigr),
# &U_2&=\tfrac12\Bigl(\tfrac{z_2-w_1}{0.4}\Bigr)^2,\\
# U_3&=-\ln\Bigl(e^{-\frac12(\frac{z_2-w_1}{0.35})^2}+e^{-\frac12(\frac{z_2-w_1+w_2}{0.35})^2}\Bigr),
# &U_4&=-\ln\Bigl(e^{-\frac12(\frac{z_2-w_1}{0.4})^2}+e^{-\frac12(\frac{z_2-w_1+w_3}{0.35})^2}\Bigr).
# \end{aligned}$$
#
# $U_2$ to $U_4$ run along the $z_1$ axis for ever, so $Z=\infty$ and there is nothing to approximate. The paper shows them
# on $|z_1|\le4$. We close them there by a soft wall, $\frac12\bigl((|z_1|-4)/0.3\bigr)^2$ for $|z_1|>4$, added to each of
# the three. Then $Z$ is finite, and the gap can be measured.


# %%
def hill(t, width):
    return -0.5 * (t / width) ** 2


def log_energies(z):
    """−U for the four energies, on a new first axis."""
    a, b, radius = z[..., 0], z[..., 1], jnp.sqrt((z**2).sum(axis=-1) + 1e-12)
    w1, w2, w3 = jnp.sin(jnp.pi * a / 2), 3 * jnp.exp(hill(a - 1, 0.6)), 3 * jax.nn.sigmoid((a - 1) / 0.3)
    wall = hill(jax.nn.relu(jnp.abs(a) - 4), 0.3)
    u1 = hill(radius - 2, 0.4) + jnp.logaddexp(hill(a - 2, 0.6), hill(a + 2, 0.6))
    u2 = hill(b - w1, 0.4) + wall
    u3 = jnp.logaddexp(hill(b - w1, 0.35), hill(b - w1 + w2, 0.35)) + wall
    u4 = jnp.logaddexp(hill(b - w1, 0.4), hill(b - w1 + w3, 0.35)) + wall
    return jnp.stack([u1, u2, u3, u4])


# %% [markdown]
# Planar layers behind one stretch, a flow for each energy. The four trainings run side by side, under one `vmap`.


# %%
def planar_flow(depth, seed=0):
    rngs = nnx.Rngs(seed)
    return Chain([Affine(jnp.zeros(2), jnp.ones(2)), Stack([Planar(2, rngs=rngs) for _ in range(depth)])])


def energy(i):
    return lambda z: log_energies(z)[i]


keys = jax.random.split(jax.random.key(4), 4)
planar_fits = {}
for depth in (2, 8, 32):
    one = lambda start, i, key: infer(start, energy(i), key, steps=3500, rate=0.02)  # noqa: E731
    every = jax.jit(jax.vmap(one, in_axes=(None, 0, 0)))
    planar_fits[depth] = every(planar_flow(depth), jnp.arange(4), keys)

# %% [markdown]
# $\ln Z$ by quadrature, $\mathcal L$ from fresh draws: their difference is $\mathrm{KL}(q\,\|\,\pi)$.
#
# **Predict.** How does the gap change from 2 to 32 layers? Which energy is hardest?

# %%
on_grid = jax.jit(log_energies)(square)
log_Z_energies = logsumexp(on_grid.reshape(4, -1), axis=1) + log_cell
print("layers     U1      U2      U3      U4    gap in nats")
for depth, (_, _, log_w) in planar_fits.items():
    gaps = np.asarray(log_Z_energies - log_w.mean(axis=1))
    print(f"{depth:6}" + "".join(f"{gap:8.3f}" for gap in gaps))

# %% tags=["cover"] alt="Four columns, one for each energy, and four rows: the exact density, then samples of planar flows with 2, 8 and 32 layers. With 2 layers each shape is only hinted at; with 8 the crescents and the wave are there, the loop of the third is broken and the fork of the fourth has one branch; with 32 layers all parts are there."
fig, axes = plt.subplots(4, 4, figsize=(7.2, 7.2), subplot_kw={"xticks": [], "yticks": []})
for i in range(4):
    axes[0, i].imshow(np.exp(on_grid[i, 50:231, 50:231]), origin="lower", extent=(-4.5, 4.5, -4.5, 4.5), cmap="viridis")
    axes[0, i].set_title(f"$U_{i + 1}$")
    fits = zip(axes[1:, i], planar_fits.values(), strict=True)
    for ax, (_, cloud, _) in fits:
        ax.hist2d(*np.asarray(cloud[i]).T, bins=70, range=[(-4.5, 4.5)] * 2, cmap="viridis")
for ax, name in zip(axes[:, 0], ("exact", "2 layers", "8 layers", "32 layers"), strict=True):
    ax.set_ylabel(name)

# %% [markdown]
# Two ridges are few; 32 suffice in the plane. With 8 a branch of $U_4$ is missing, and that costs only tenths of a nat:
# section 3b.6 comes back to it. In many dimensions one ridge at a time is slow; coupling and autoregressive layers move more
# at once.
#
# ## 3b.4 A posterior shaped like a banana

# %% [markdown] tags=["derivation"]
# A real inference problem. An enzyme turns a substrate of concentration $s$ into a product at the rate
#
# $$v(s)=\frac{V\,s}{K+s}$$
#
# (Michaelis and Menten, 1913): proportional to $s$ when $s\ll K$, and at most $V$. The unknowns are $z=(\ln V,\ln K)$. They
# are measured by rates at three concentrations, with a relative error of 20 %: for the logarithms of the rates,
#
# $$x_i=\ln v(s_i)+0.2\,\xi_i,\quad\xi_i\sim\mathcal N(0,1),\qquad\text{prior: } z_1,z_2\sim\mathcal N(0,1.5^2).$$
#
# Three points on a curve tell its height and its bend badly apart: a larger $V$ with a larger $K$ fits almost as well.

# %%
substrate, sigma, spread = jnp.array([0.5, 1.0, 2.0]), 0.2, 1.5
measured = jnp.log(jnp.array([0.50, 0.70, 0.87]))


def log_rate(z):
    return z[..., :1] + jax.nn.log_sigmoid(jnp.log(substrate) - z[..., 1:])


@jax.jit
def log_joint(z, x=measured):
    log_prior = normal_log_prob(z, 0.0, jnp.log(spread)).sum(axis=-1)
    return log_prior + normal_log_prob(x, log_rate(z), jnp.log(sigma)).sum(axis=-1)


log_evidence = logsumexp(log_joint(square)) + log_cell
# the probability of each cell of the grid
posterior = jnp.exp(log_joint(square) + log_cell - log_evidence)
print(f"ln p(x) = {log_evidence:.4f} nats")

# %% [markdown]
# On the left, curves $v(s)$ drawn from the exact posterior; on the right, that posterior.


# %% alt="Left, three measured rates with error bars and thirty curves through them, which agree near the points and fan out for larger concentrations. Right, the posterior density of ln V and ln K: a bent band, vertical at the bottom and tilted at the top, like a banana."
def show(ax, density, title="", low=(-0.9, -4.2), high=(2.5, 3.0), cmap="gray_r"):
    ax.imshow(density, origin="lower", extent=(-7, 7, -7, 7), cmap=cmap, aspect="auto", interpolation="bilinear")
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), title=title)


rng = np.random.default_rng(0)
chance = np.asarray(posterior, np.float64).ravel()
exact_draws = square.reshape(-1, 2)[rng.choice(chance.size, 20_000, p=chance / chance.sum())]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2))
V, K = np.exp(np.asarray(exact_draws[:30].T))[..., None]
dose = np.linspace(0, 4, 100)
axes[0].plot(dose, (V * dose / (K + dose)).T, color=GREEN, lw=0.5)
axes[0].errorbar(substrate, np.exp(measured), 0.2 * np.exp(measured), fmt="o", color=RED)
axes[0].set(xlabel="concentration $s$", ylabel="rate $v$", ylim=(0, 2))
show(axes[1], posterior)
_ = axes[1].set(xlabel=r"$\ln V$", ylabel=r"$\ln K$")

# %% [markdown]
# Five families for $q$, from poor to rich. **Mean-field** means independent coordinates: a stretch and a shift.

# %%
families = {
    "mean-field": Affine(jnp.zeros(2), jnp.ones(2)),
    "Gaussian": gaussian_flow(),
    "planar (16)": planar_flow(16),
    "IAF (4)": IAF(2, 4, [32], rngs=nnx.Rngs(0)).bijection,
    "RealNVP (6)": RealNVP(2, 6, [32], rngs=nnx.Rngs(0), stacked=True).bijection,
}
found = {name: infer_jit(start, log_joint, jax.random.key(6)) for name, start in families.items()}

# %% [markdown]
# And a method that shares nothing with ours: **Hamiltonian Monte Carlo**, whose chains of draws follow the gradient of
# $\ln\tilde\pi$ like a ball on a landscape. NUTS is its self-tuning form, here from NumPyro. First: do the two codes state
# the same model?


# %%
def enzyme(x):
    z = numpyro.sample("z", dist.Normal(0.0, spread).expand([2]).to_event(1))
    numpyro.sample("x", dist.Normal(log_rate(z), sigma), obs=x)


place = jnp.array([0.3, -0.5])
print(f"NumPyro {log_density(enzyme, (measured,), {}, {'z': place})[0]:.5f}   ours {log_joint(place):.5f}")
mcmc = MCMC(
    NUTS(enzyme, target_accept_prob=0.9), num_warmup=500, num_samples=1000, num_chains=4,
    chain_method="vectorized", progress_bar=False,
)  # fmt: skip
mcmc.run(jax.random.key(7), measured)
nuts = mcmc.get_samples()["z"]

# %% [markdown]
# **Predict.** Order the five by their gap. Which of them will report too small an uncertainty, and by how much?


# %%
def row(name, z, weight=None, note=""):
    z = np.asarray(z, np.float64).reshape(-1, 2)
    weight = np.ones(len(z)) if weight is None else np.asarray(weight, np.float64).ravel()
    mean, covariance = np.average(z, axis=0, weights=weight), np.cov(z.T, aweights=weight)
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance[0, 1] / sd.prod()
    print(f"{name:12}{mean[0]:7.2f}{mean[1]:7.2f}{sd[0]:8.2f}{sd[1]:7.2f}{correlation:8.2f}   {note}")


print(f"{'':12}      mean           sd     corr.   gap to ln p(x)")
row("quadrature", square, posterior)
row("NUTS", nuts, note=f"({numpyro_size(mcmc.get_samples(group_by_chain=True)['z'])[1]:.0f} effective draws)")
for name, (_, z, log_w) in found.items():
    row(name, z, note=f"{log_evidence - log_w.mean():.3f}")

# %% [markdown]
# Mean-field reports about a third of the true deviation. It must fit *inside* the band, because reverse KL punishes $q$ where
# $\pi$ is small. A tilted Gaussian is better and still too narrow. Flows and NUTS come close
# to quadrature.

# %% alt="Six panels with contours of the exact banana posterior in black. NUTS draws fill it. The mean-field density is a small upright ellipse inside; the full Gaussian is a tilted ellipse that misses the lower bend and the upper tip; planar, IAF and RealNVP samples follow the banana."
fig, axes = plt.subplots(2, 3, figsize=(8.4, 5), sharex=True, sharey=True)
clouds = {"NUTS": nuts} | {name: z[:4000] for name, (_, z, _) in found.items()}
for ax, (name, cloud) in zip(axes.flat, clouds.items(), strict=True):
    ax.scatter(*np.asarray(cloud).T, s=2, color=GREY if name == "NUTS" else BLUE, alpha=0.25, lw=0)
    levels = posterior.max() * np.array([0.01, 0.1, 0.5])
    ax.contour(axis, axis, posterior, levels, colors=INK, linewidths=0.8)
    ax.set(title=name, xlim=(-0.9, 2.5), ylim=(-4.2, 3.0))
fig.supxlabel(r"$\ln V$")
_ = fig.supylabel(r"$\ln K$")

# %% [markdown] tags=["box"]
# **Flow or chain?** NUTS has no family to choose and converges to the exact posterior, but it gives no evidence, its draws
# are correlated, and every new observation needs a new run. A flow gives independent draws, a density and a bound on the
# evidence; what its family cannot express stays wrong however long it trains.

# %% [markdown]
# ## 3b.5 Weights repair what is left

# %% [markdown] tags=["derivation"]
# A flow knows its own density, so its error can be weighed out. Draw $z_1,\dots,z_k$ from $q$, with weights
# $w_i=\tilde\pi(z_i)/q(z_i)$: **importance sampling**, chapter 5's remedy. Then
#
# $$Z=\mathbb E_q[w]\approx\frac1k\sum_iw_i,\qquad
# \mathbb E_\pi[h(z)]\approx\frac{\sum_iw_ih(z_i)}{\sum_iw_i},\qquad
# \mathrm{ESS}=\frac{(\sum_iw_i)^2}{\sum_iw_i^2}.$$
#
# The **effective sample size** tells how many of the $k$ draws count. The first formula is unbiased for every $q$ that is
# positive where $\pi$ is. How many draws it needs is another matter.

# %% [markdown]
# **Predict.** For which families will the weighted deviations in the table become right?

# %%
print(f"{'':12}      mean           sd     corr.   ESS      ln Z estimated - exact")
row("quadrature", square, posterior)
for name, (_, z, log_w) in found.items():
    size = effective_sample_size(log_w) / log_w.size
    error = iwae_bound(log_w, 0.0) - log_evidence
    row(name, z, jnp.exp(log_w - log_w.max()), f"{size:6.1%}{error:12.4f}")

# %% alt="Histograms of the log-weight minus ln Z for four families. Those of IAF and RealNVP are narrow peaks at zero. The Gaussian's is broad; the mean-field's lies mostly below minus one but has a long thin tail to plus six."
for name, colour in (("mean-field", RED), ("Gaussian", GREY), ("RealNVP (6)", GREEN), ("IAF (4)", BLUE)):
    plt.hist(
        np.asarray(found[name][2] - log_evidence),
        bins=np.linspace(-4, 8, 121),
        histtype="step",
        color=colour,
        label=name,
        log=True,
    )
plt.gca().set(xlabel=r"log-weight $-\ln Z$", ylabel="draws")
_ = plt.legend()

# %% [markdown]
# A narrow $q$ sends few draws where they are needed, with enormous weights: the tail on the right. The flows' weights are
# nearly equal.
#
# ## 3b.6 Forward and reverse

# %% [markdown] tags=["derivation"]
# So far we minimized the **reverse** divergence, $\mathrm{KL}(q\,\|\,\pi)$. The **forward** one, $\mathrm{KL}(\pi\,\|\,q)$,
# is an expectation over the target:
#
# $$\mathrm{KL}(\pi\,\|\,q_\phi)=\mathbb E_{z\sim\pi}\bigl[\ln\pi(z)\bigr]-\mathbb E_{z\sim\pi}\bigl[\ln q_\phi(z)\bigr].$$
#
# The first term is constant in $\phi$; the second is the negative log-likelihood of chapter 3. So forward KL needs
# *samples* of the target and $\ln q$ at given points; reverse KL needs the target's *formula* and samples of $q$. Forward
# KL is infinite if $q$ vanishes where $\pi$ does not: it **covers the mass**. Reverse KL is infinite if $q$ is positive
# where $\pi$ vanishes: it **seeks a mode**.

# %% [markdown]
# A target with two modes: only the product of two standard normal unknowns was measured, $x=z_1z_2+0.3\,\xi=3$. By symmetry
# each mode holds half of the posterior.
#
# Train the same IAF six times, from six random starts.


# %%
@jax.jit
def log_product(z):
    return standard_normal_log_prob(z) + normal_log_prob(3.0, z.prod(axis=-1), jnp.log(0.3))


def from_start(start, key):
    return infer(start, log_product, key, steps=2000, rate=0.005)


log_Z_modes = logsumexp(log_product(square)) + log_cell
bimodal = jnp.exp(log_product(square) + log_cell - log_Z_modes)
starts = [IAF(2, 4, [32], rngs=nnx.Rngs(seed)).bijection for seed in range(6)]
starts = jax.tree.map(lambda *leaves: np.stack(leaves), *starts)  # one flow whose arrays have an axis for the runs
keys_of_runs = jax.random.split(jax.random.key(8), 6)
from_all = jax.jit(jax.vmap(from_start))
runs, clouds, run_log_w = from_all(starts, keys_of_runs)

# %% [markdown]
# **Predict.** Here are the figures that one would look at without knowing the answer: bound, ESS, and $\ln Z$ estimated by
# importance weights. Which run would you trust most?

# %%
sizes = jax.jit(partial(effective_sample_size, axis=1))(run_log_w)
print("run            " + "".join(f"{i:8}" for i in range(6)))
for name, values in {
    "bound": run_log_w.mean(axis=1),
    "ESS / draws": sizes / run_log_w.shape[1],
    "ln Z, weighted": jax.jit(partial(iwae_bound, axis=1))(run_log_w, 0.0),
}.items():
    print(f"{name:15}" + "".join(f"{v:8.3f}" for v in np.asarray(values)))

# %% [markdown]
# ### What goes wrong: a mode is missing, and nothing says so
#
# Now look.

# %% alt="Six panels with samples of the six runs over contours of the two curved modes, one in the upper right and one in the lower left. Some runs cover both modes, joined by a thin bridge; others cover one mode only and leave the other empty."
share = np.asarray(clouds.sum(axis=-1) > 0).mean(axis=1)
fig, axes = plt.subplots(1, 6, figsize=(10, 2.1), sharey=True)
for i, ax in enumerate(axes):
    ax.scatter(*np.asarray(clouds[i, :2000]).T, s=1, color=BLUE)
    low = 0.1 * bimodal.max()
    ax.contour(axis, axis, bimodal, [low], colors=INK, linewidths=0.8)
    ax.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", title=f"run {i}: {share[i]:.0%} / {1 - share[i]:.0%}")

# %% [markdown] tags=["derivation"]
# A run with one mode has the *best* effective sample size of all. If $q$ equals $\pi$ restricted to a region $A$ of posterior
# probability $a$, then $q=\pi/a$ there, and
#
# $$\mathrm{KL}(q\,\|\,\pi)=\mathbb E_q\Bigl[\ln\frac{\pi/a}{\pi}\Bigr]=\ln\frac1a .$$
#
# For half of the mass that is $\ln2$. Every weight equals $aZ$: no scatter, and a confident estimate of $\ln Z$, too small by
# $\ln2$. No draw ever lands in the other half, so no statistic of the draws can know of it.

# %%
lost = log_Z_modes - run_log_w.mean(axis=1)
estimate = iwae_bound(run_log_w, 0.0, axis=1) - log_Z_modes
for i in range(6):
    print(f"run {i}: gap {lost[i]:.3f}, ln Z estimated - exact {estimate[i]:6.3f}, share of one mode {share[i]:.3f}")
print(f"ln 2 = {jnp.log(2.0):.3f}")

# %% [markdown]
# What helps: many starts, and trust in the highest bound, not in the highest ESS. Or the other divergence.
#
# Forward KL wants $\ln q$ at given points, the fast direction of a **MAF**: the IAF of before, turned round.

# %%
rng = np.random.default_rng(1)
chance = np.asarray(bimodal, np.float64).ravel()
cells = square.reshape(-1, 2)[rng.choice(chance.size, 20_000, p=chance / chance.sum())]
two_modes = cells + rng.uniform(-0.025, 0.025, cells.shape)  # spread over the cell
covering = MAF(2, 4, [32], rngs=nnx.Rngs(0))
decay = cosine_adam(0.005, 25 * 78)
fit(
    covering,
    negative_log_likelihood,
    two_modes,
    key=jax.random.key(9),
    epochs=25,
    batch_size=256,
    optimizer=decay,
    progress=False,
)

# %% [markdown]
# For a Gaussian $q$ forward KL needs no training: its optimum has the mean and the covariance of $\pi$ (exercise 3b.3). For
# the reverse direction we train, as in 3b.4.
#
# **Predict** which of the four is largest in each column.

# %%
seeking, _, _ = infer_jit(gaussian_flow(), log_product, jax.random.key(10))
best = jax.tree.map(lambda leaf: leaf[lost.argmin()], runs)
covariance = np.einsum("ab,abi,abj->ij", bimodal, square, square)  # mean zero
root = np.linalg.cholesky(covariance)
t = np.linspace(-7, 7, 701)  # the flows have finer detail than the target
fine = np.stack(np.meshgrid(t, t), axis=-1)
log_q = {
    "Gaussian, reverse": Flow(2, seeking).log_prob(fine),
    "Gaussian, forward": standard_normal_log_prob(fine @ np.linalg.inv(root).T) - np.log(np.diag(root)).sum(),
    "IAF, reverse": Flow(2, best).log_prob(fine),
    "MAF, forward": covering.log_prob(fine),
}

# %%
log_pi, area = log_product(fine) - log_Z_modes, (t[1] - t[0]) ** 2
print(f"{'':18}  KL(q||π)  KL(π||q)")
for name, values in log_q.items():
    reverse = area * (np.exp(values) * (values - log_pi)).sum()
    forward = area * (np.exp(log_pi) * (log_pi - values)).sum()
    print(f"{name:18}{reverse:10.2f}{forward:10.2f}")

# %% alt="Five heat maps. The exact posterior has two curved modes. The reverse Gaussian sits on one of them. The forward Gaussian is a broad ellipse over both, highest at the centre where the posterior is empty. The reverse IAF (best of six runs) has both modes with a thin bridge; the forward MAF has both modes with a faint bridge."
fig, axes = plt.subplots(1, 5, figsize=(10, 2.3), sharey=True)
for ax, (name, values) in zip(axes, ({"exact": log_pi} | log_q).items(), strict=True):
    show(ax, jnp.exp(values), name, (-4, -4), (4, 4), cmap="viridis")

# %% [markdown]
# Small where it was trained, often large in the other column. For an ordinary posterior there is no supply of exact samples;
# that is why reverse KL is the common choice. The next section shows where samples are free.
#
# ## 3b.7 One flow for every observation

# %% [markdown] tags=["derivation"]
# All this was for one $x$. Give the flow $x$ as **context**, $z=g_\phi(\varepsilon\mid x)$: its parameters are computed from
# $x$ by the layer's own network. Train on many $x$ drawn from the model, and $q_\phi(z\mid x)$ answers for a new $x$ without
# any training. This is **amortized** inference; the encoder of chapter 5 is one. Both divergences serve, averaged over $x$:
#
# $$\mathbb E_{p(x)}\bigl[\ln p(x)-\mathcal L(\phi,x)\bigr]=\mathbb E_{p(x)}\,\mathrm{KL}\bigl(q_\phi(\cdot\mid x)\,\|\,p(\cdot\mid x)\bigr),$$
#
# $$-\mathbb E_{p(x,z)}\bigl[\ln q_\phi(z\mid x)\bigr]=\mathbb E_{p(x)}\,\mathrm{KL}\bigl(p(\cdot\mid x)\,\|\,q_\phi(\cdot\mid x)\bigr)+\text{const}.$$
#
# The second needs draws $(z,x)$ of the *joint* density: take $z$ from the prior, then simulate $x$. No posterior, and not
# even a formula for $p(x\mid z)$: simulating is enough.


# %%
@partial(jax.jit, static_argnums=1)
def simulate(key, n):
    z_key, x_key = jax.random.split(key)
    z = spread * jax.random.normal(z_key, (n, 2))
    return z, log_rate(z) + sigma * jax.random.normal(x_key, (n, 3))


def amortized_log_weights(model, x, noise):
    z, log_det = model.bijection.forward(noise, x)
    return log_joint(z, x) + log_det - standard_normal_log_prob(noise)


def negative_bound(model, x, key):
    return -amortized_log_weights(model, x, jax.random.normal(key, (len(x), 2))).mean()


# %% [markdown]
# The same conditional RealNVP, trained both ways on the enzyme.

# %%
z_train, x_train = simulate(jax.random.key(11), 40_000)
amortized = {
    name: RealNVP(2, 6, [64], num_context=3, rngs=nnx.Rngs(0), stacked=True) for name in ("reverse", "forward")
}
settings = {"key": jax.random.key(12), "epochs": 10, "batch_size": 256, "progress": False}
settings["optimizer"] = cosine_adam(0.003, 10 * 156)
fit(amortized["reverse"], negative_bound, x_train, **settings)
fit(amortized["forward"], conditional_negative_log_likelihood, (z_train, x_train), **settings)

# %% [markdown]
# A hundred new observations, the exact evidence of each by quadrature, and the mean of both divergences.
#
# **Predict.** Each flow was trained to make one of the two columns small. Is each the better one in its own column?

# %%
z_test, x_test = simulate(jax.random.key(13), 100)
evidence = jax.jit(partial(jax.lax.map, lambda x: logsumexp(log_joint(square, x)) + log_cell))(x_test)
log_posterior = log_joint(z_test, x_test) - evidence
noise = jax.random.normal(jax.random.key(14), (1000, 100, 2))
many_weights = jax.jit(jax.vmap(amortized_log_weights, in_axes=(None, None, 0)))
print("trained by   mean KL(q||p)   mean KL(p||q)   median ESS")
for name, model in amortized.items():
    log_w = many_weights(model, x_test, noise)
    forward_kl = (log_posterior - model.log_prob(z_test, x_test)).mean()
    size = np.median(jax.jit(effective_sample_size)(log_w)) / len(noise)
    print(f"{name:12}{(evidence - log_w.mean(axis=0)).mean():10.3f}{forward_kl:16.3f}{size:17.1%}")

# %% [markdown]
# Both losses have the same minimum, the exact posterior at every $x$; they differ in the way there. After equally many steps,
# the forward flow is ahead here in both columns.
#
# Four observations, ordered by the first rate, and one network for all.

# %% alt="Four panels, each with the contours of an exact posterior for another observation and samples of the amortized flow for it. The banana changes place and bend from panel to panel, and the samples follow it."
chosen = np.argsort(x_test[:, 0])[[10, 40, 65, 90]]
fig, axes = plt.subplots(1, 4, figsize=(9.6, 2.7), sharey=True)
for ax, i in zip(axes, chosen, strict=True):
    exact = np.exp(log_joint(square, x_test[i]))
    cloud = amortized["forward"].sample(jax.random.key(15), (1500,), x_test[i])
    ax.scatter(*np.asarray(cloud).T, s=2, color=BLUE, alpha=0.3, lw=0)
    ax.contour(axis, axis, exact, exact.max() * np.array([0.01, 0.1, 0.5]), colors=INK, linewidths=0.8)
    ax.set(
        xlim=(-4, 5),
        ylim=(-6, 6),
        xlabel=r"$\ln V$",
        title=f"rates {', '.join(f'{r:.2g}' for r in np.exp(x_test[i]))}",
    )
_ = axes[0].set_ylabel(r"$\ln K$")

# %% [markdown]
# What does it cost to share one network among all $x$? Back to the measurement of 3b.4, which neither flow has seen.

# %%
gap_of_one = log_evidence - found["IAF (4)"][2].mean()
print(f"IAF, for this x alone      gap {gap_of_one:.3f}")
context = jnp.broadcast_to(measured, (*fresh.shape[:-1], 3))
for name, model in amortized.items():
    log_w = many_weights(model, context, fresh[None])[0]
    size = effective_sample_size(log_w) / log_w.size
    gap_of_all = log_evidence - log_w.mean()
    print(f"shared by all x, {name}   gap {gap_of_all:.3f}, ESS {size:.1%}")

# %% [markdown]
# The difference is called the **amortization gap**. It buys answers in one pass, and importance weights can take it back.
# It holds for $x$ like those of the training only: far from them the network guesses.

# %% [markdown] tags=["frame"]
# ## Summary
#
# - $\mathrm{KL}(q\,\|\,\pi)=\ln Z-\mathcal L$ with $\mathcal L=\mathbb E_\varepsilon[\ln\tilde\pi(g(\varepsilon))+\ln|\det\mathrm
#   Dg(\varepsilon)|-\ln\mathcal N(\varepsilon)]$. The constant $Z$ is not needed, nor is the inverse of the flow.
# - A bound above $\ln Z$ means that $q$ is not the density of its draws: a lost log-determinant, or a fold.
# - A planar layer acts along one ridge, and needs $u\cdot w\ge-1$. With 32 of them the four energies are fitted closely.
# - Mean-field is too narrow on a banana; a flow agrees with quadrature and with NUTS.
# - Importance weights repair a $q$ that is broad enough. ESS cannot see a mode that $q$ never visits: a missing share $1-a$
#   costs only $\ln\frac1a$ nats.
# - Forward KL covers the mass and needs samples of the target; from the joint density they are free.
# - A conditional flow answers for every $x$ at once, with an amortization gap.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 3b.1 — The bound
# Estimate $\mathcal L$ from `noise` of shape `(k, d)`. `forward(noise)` returns $(z,\ln|\det\mathrm Dg|)$.


# %% tags=["exercise"]
def lower_bound(forward, log_target, noise):
    ### BEGIN SOLUTION
    z, log_det = forward(noise)
    return (log_target(z) + log_det - standard_normal_log_prob(noise)).mean()
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.1") as check:
    double = Affine(shift=jnp.zeros(2), scale=jnp.full(2, 2.0))
    wide = lambda z: standard_normal_log_prob(z / 2) + jnp.log(3.0)  # noqa: E731
    check.close(
        "q is the target: the bound is ln Z", lower_bound(double.forward, wide, fresh), jnp.log(12.0), rtol=1e-4,
        hint="ln|det| counts with a plus: the target is 4 × 3 times a normalized density.",
    )  # fmt: skip
    got = lower_bound(nothing.forward, log_tilted, fresh)
    check.close(
        "the tilted Gaussian", got, weighted_draws(nothing, log_tilted, fresh)[1].mean(), hint="One mean, over draws."
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 3b.2 — The determinant of a ridge
# Return $\ln|\det\mathrm Dg(z)|$ of the planar map $z+u\tanh(w\cdot z+b)$ at one point $z$, without forming a matrix.


# %% tags=["exercise"]
def planar_log_det(z, u, w, b):
    ### BEGIN SOLUTION
    return jnp.log(jnp.abs(1 + (u @ w) * (1 - jnp.tanh(w @ z + b) ** 2)))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.2") as check:
    point, u, w = np.array([[0.2, -0.4, 1.0], [0.5, 1.0, -0.3], [1.0, 0.2, 0.7]])
    for b in (0.0, 0.6):
        jacobian = np.eye(3) + np.outer(u, w) * (1 - np.tanh(w @ point + b) ** 2)
        want = np.linalg.slogdet(jacobian)[1]
        check.close(
            f"three dimensions, b = {b}", planar_log_det(point, u, w, b), want, hint="tanh′ = 1 − tanh².", rtol=1e-4
        )

# %% [markdown] tags=["exercise"]
# ### Exercise 3b.3 — The Gaussian that covers
# The minimum of $\mathrm{KL}(\pi\,\|\,q)$ over all Gaussians $q$ has the mean and the covariance of $\pi$. Compute both from
# `points` of shape `(n, d)` and their probabilities `chance` of shape `(n,)`.


# %% tags=["exercise"]
def covering_gaussian(points, chance):
    ### BEGIN SOLUTION
    mean = chance @ points
    return mean, (points - mean).T @ (chance[:, None] * (points - mean))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.3") as check:
    corners = np.array([[1.0, 1.0], [-1.0, -1.0], [3.0, 0.0]])
    answer = covering_gaussian(corners, np.array([0.25, 0.25, 0.5]))
    check.close("mean of three points", answer and answer[0], [1.5, 0.0], hint="Weigh each point by its probability.")
    check.close("their covariance", answer and answer[1], [[2.75, 0.5], [0.5, 0.5]], hint="Subtract the mean first.")
    answer = covering_gaussian(square.reshape(-1, 2), bimodal.ravel())
    check.close("the two modes of 3b.6", answer and answer[1], root @ root.T, rtol=1e-3, atol=1e-3)

# %% [markdown] tags=["exercise"]
# ### Exercise 3b.4 — A weighted mean
# Estimate $\mathbb E_\pi[h(z)]$ from values $h(z_i)$ at draws of $q$ and their log-weights. Log-weights may be as low as
# $-1000$.


# %% tags=["exercise"]
def weighted_mean(values, log_w):
    ### BEGIN SOLUTION
    return jnp.sum(jax.nn.softmax(log_w) * values)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.4") as check:
    check.close("weights 1 and 3", weighted_mean(np.array([0.0, 4.0]), np.log([1.0, 3.0])), 3.0)
    tiny = np.array([-1000.0, -1000.0])
    check.close("tiny weights", weighted_mean(np.array([1.0, 2.0]), tiny), 1.5, hint="Subtract the largest first.")
    _, z, log_w = found["IAF (4)"]
    exact = (posterior * square[..., 1]).sum()
    check.close("the mean of ln K, from the IAF", weighted_mean(z[:, 1], log_w), exact, rtol=0.03)

# %% [markdown] tags=["exercise"]
# ### Exercise 3b.5 — What a missing mode costs
# A target has modes of posterior probabilities `shares` (they add to 1), far apart. A perfect $q$ of those modes in the list
# `kept`, and of nothing else, has which gap $\ln Z-\mathcal L$?


# %% tags=["exercise"]
def gap_of_missing_modes(shares, kept):
    ### BEGIN SOLUTION
    return -jnp.log(sum(shares[i] for i in kept))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3b.5") as check:
    check.close("one of two equal modes", gap_of_missing_modes([0.5, 0.5], [1]), jnp.log(2.0))
    check.close("nothing missing", gap_of_missing_modes([0.2, 0.3, 0.5], [0, 1, 2]), 0.0)
    check.close("a rare mode is cheap to miss", gap_of_missing_modes([0.01, 0.99], [1]), -jnp.log(0.99), hint="ln 1/a.")
    half = jnp.where(square.sum(axis=-1) > 0, bimodal, 0.0)
    half = half / half.sum()
    log_ratio = jnp.log(half) - jnp.log(bimodal)
    by_grid = jnp.where(half > 0, half * log_ratio, 0.0).sum()
    check.close("half of 3b.6, by quadrature", gap_of_missing_modes([0.5, 0.5], [0]), by_grid, rtol=1e-2)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - I. Kobyzev, S. Prince, M. Brubaker, *Normalizing Flows: An Introduction and Review of Current Methods*, 2019,
#   arXiv:1908.09257; §2.2.2 is the sentence that the page leaves unfinished.
# - D. Rezende, S. Mohamed, *Variational Inference with Normalizing Flows*, 2015, arXiv:1505.05770. Planar flows; the four
#   energies are its Table 1, the invertibility condition its appendix.
# - D. P. Kingma et al., *Improving Variational Inference with Inverse Autoregressive Flow*, 2016, arXiv:1606.04934.
# - G. Papamakarios, T. Pavlakou, I. Murray, *Masked Autoregressive Flow for Density Estimation*, 2017, arXiv:1705.07057.
# - G. Papamakarios, E. Nalisnick, D. Rezende, S. Mohamed, B. Lakshminarayanan, *Normalizing Flows for Probabilistic Modeling
#   and Inference*, 2019, arXiv:1912.02762; §6 on inference, forward and reverse KL.
# - L. Dinh, J. Sohl-Dickstein, S. Bengio, *Density estimation using Real NVP*, 2016, arXiv:1605.08803.
# - M. D. Hoffman, A. Gelman, *The No-U-Turn Sampler*, JMLR 15, 2014, arXiv:1111.4246.
# - D. Phan, N. Pradhan, M. Jankowiak, *Composable Effects for Flexible and Accelerated Probabilistic Programming in NumPyro*,
#   2019, arXiv:1912.11554.
# - C. Cremer, X. Li, D. Duvenaud, *Inference Suboptimality in Variational Autoencoders*, 2018, arXiv:1801.03558. The
#   amortization gap.
# - L. Michaelis, M. Menten, *Die Kinetik der Invertinwirkung*, Biochemische Zeitschrift 49, 1913.
# - L. Ma, *Datumorphism*, "Generative Models: Normalizing Flow", 2021. The page that this chapter follows.
#
# ## Next
#
# Chapter 4, **Auto-encoder**, leaves densities for a while. Chapter 5 returns to $q(z\mid x)$: there the model $p(x\mid z)$ is
# itself a network, learned together with $q$, from images.
