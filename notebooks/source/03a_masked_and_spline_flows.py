# %% [markdown] tags=["frame"]
# # 3a · Masked and spline flows
#
# An autoregressive model of real numbers is a flow, and a flow whose layers are autoregressive is a strong density model.
# This chapter builds such flows, replaces their straight lines by splines, and brings them to tables and images.
#
# **After this chapter you can**
# - read MADE with normal conditionals as one layer of a flow, and stack such layers into MAF;
# - say which direction of MAF and of IAF is slow, by how much, and choose between them;
# - write a rational-quadratic spline with its slope and its inverse, safely in float32;
# - mix coordinates by permutations and by a matrix whose determinant costs nothing;
# - give images a likelihood that means something: dequantize, take logits, report bits per dimension;
# - build flows of any depth that compile once.
#
# **You need** chapter 2 (MADE, orderings) and chapter 3 (change of variables, coupling).
# **Time:** about two hours; the code itself runs in a minute on two cores.

# %%
import timeit
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx
from jax.scipy import stats

# %%
from course_lib import data, flows, notebook
from course_lib.exercises import exercise
from course_lib.explorers.scenes.spline_knots import spline_knots_explorer
from course_lib.figures.flows import jacobian_picture
from course_lib.figures.images import image_rows
from course_lib.figures.style import BLUE, GREY, RED
from course_lib.flows import (
    MAF,
    Chain,
    Coupling,
    Flow,
    Logit,
    RealNVP,
    Stack,
    dequantize,
    negative_log_likelihood,
    rational_quadratic_forward,
)
from course_lib.probability import bits_per_dim, mean_and_error
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 3a.1 MADE becomes MAF
#
# MADE computes the parameters of all conditionals in one pass through a masked network. Chapter 2 had one logit for each
# bit. For real numbers take two numbers for each entry, the mean and the logarithm of the standard deviation of a
# normal distribution:
#
# $$p(x)=\prod_{i=1}^{d}\mathcal N\bigl(x_i;\,b_i,\,e^{2s_i}\bigr),\qquad (b_i,s_i)=\text{MADE}_i(x_{<i}).$$


# %%
def parameters(layer, x):
    """Shift b and log-scale s of every entry, each computed from the entries before it."""
    numbers = layer.conditioner(x)  # (n, d, 2)
    return numbers[..., 0], layer.transformer.log_scale(numbers)


def log_prob_by_conditionals(layer, x):
    shift, log_scale = parameters(layer, x)
    return stats.norm.logpdf(x, shift, jnp.exp(log_scale)).sum(axis=-1)


# %% [markdown] tags=["derivation"]
# How would you sample from it? Draw $z_i\sim\mathcal N(0,1)$, and set, one entry after the other,
#
# $$x_i=b_i+e^{s_i}z_i .$$
#
# That is a map $x=g(z)$. Its inverse needs no loop, for all of $x$ is given, and with it all $b_i$ and $s_i$:
#
# $$z_i=(x_i-b_i)\,e^{-s_i}.$$
#
# The derivative of $z_i$ by a later $x_j$, $j>i$, is zero: the Jacobian is triangular. On its diagonal stands
# $e^{-s_i}$. So the change of variables gives
#
# $$\log p(x)=\sum_i\Bigl[\log\mathcal N(z_i;0,1)-s_i\Bigr],$$
#
# and since $\mathcal N(x_i;b_i,e^{2s_i})=\mathcal N(z_i;0,1)\,e^{-s_i}$ this is the product above. **An autoregressive
# model with normal conditionals is a flow with one layer.**


# %%
def log_prob_by_change_of_variables(layer, x):
    shift, log_scale = parameters(layer, x)
    z = (x - shift) * jnp.exp(-log_scale)
    return (stats.norm.logpdf(z) - log_scale).sum(axis=-1)


# %% [markdown]
# Take one layer with random weights.
#
# **Predict:** by how much do the two log-densities differ?


# %% tags=["nbval-check-output"]
def random_layer(d, seed, ordering=None):
    """A masked layer with random weights. (A new one is the identity: its last weights are zero.)"""
    layer = flows.MaskedAutoregressive(d, [32], ordering=ordering, rngs=nnx.Rngs(seed))
    last = layer.conditioner.layers[-1].kernel
    last[...] = 0.5 * jax.random.normal(jax.random.key(seed), last.shape)
    return layer


layer = random_layer(5, seed=0)
five_wide = jax.random.normal(jax.random.key(1), (1000, 5))
ways = (
    log_prob_by_conditionals,
    log_prob_by_change_of_variables,
    lambda layer, x: Flow(5, layer).log_prob(x),
)
every_way = nnx.jit(lambda layer, x: [way(layer, x) for way in ways])
first, second, library = every_way(layer, five_wide)
print("equal:", bool(jnp.allclose(first, second, atol=1e-3)))
print("and as the library has it:", bool(jnp.allclose(first, library, atol=1e-3)))

# %% [markdown]
# One thing, read in two ways. The Jacobian of $g$ at one point:

# %% alt="A five by five matrix. Positive numbers stand on the diagonal, numbers of both signs below it, and the ten places above the diagonal are empty: exact zeros."
Dg = jax.jit(jax.jacfwd(lambda z: layer.forward(z)[0]))
fig = jacobian_picture(Dg(five_wide[0]), "12345", "one masked layer")

# %% [markdown]
# ### What one layer cannot do
#
# Its conditionals are normal, whatever the network says. Our data are an arch: $x_2\sim\mathcal N(0,2^2)$, and
# $x_1\mid x_2\sim\mathcal N(x_2^2/4,1)$. In this order both conditionals are normal. But our ordering starts with $x_1$.


# %%
@partial(jax.jit, static_argnums=1)
def draw_arch(key, n):
    second, noise = jax.random.normal(key, (2, n))
    second = 2 * second
    return jnp.stack([second**2 / 4 + noise, second], axis=-1)


@jax.jit
def arch_log_prob(x):
    return stats.norm.logpdf(x[..., 1], 0, 2) + stats.norm.logpdf(x[..., 0], x[..., 1] ** 2 / 4, 1)


arch, arch_test = jnp.split(draw_arch(jax.random.key(2), 26_000), [16_000])


def train(model, examples, epochs, rate=5e-3, loss=negative_log_likelihood, batch_size=256, validation=None):
    steps = epochs * (len(jax.tree.leaves(examples)[0]) // batch_size)
    settings = {"key": jax.random.key(0), "epochs": epochs, "batch_size": batch_size, "validation": validation}
    return fit(model, loss, examples, optimizer=cosine_adam(rate, steps), **settings)


# %% [markdown]
# A **masked autoregressive flow** (MAF) is a stack of such layers. Every second one has the reverse ordering.
#
# **Predict:** which of the two models' $z=f(x)$ will look like a round cloud?

# %%
models = {"one layer": MAF(2, 1, [32], rngs=nnx.Rngs(0)), "MAF, 4 layers": MAF(2, 4, [32], rngs=nnx.Rngs(0))}
for model in models.values():
    train(model, arch, epochs=16)

# %% alt="Three clouds of points. The data form an arch that opens to the right. Sent through one layer, they form a lopsided shape with two arms and a hollow; through four layers, a round cloud."
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2))
clouds = {"data $x$": arch_test[:3000]}
normalize = nnx.jit(lambda model, x: model.bijection.inverse(x)[0])
clouds |= {f"$z$, {name}": normalize(model, arch_test[:3000]) for name, model in models.items()}
for ax, (title, points) in zip(axes, clouds.items(), strict=True):
    ax.scatter(*points.T, s=3, c=arch_test[:3000, 1], cmap="viridis")
    ax.set(title=title, aspect="equal")
_ = axes[0].set(xlabel="$x_1$", ylabel="$x_2$")

# %% [markdown]
# If the model were the data's density, $z$ would be standard normal. Where it is not, the second layer finds something
# left to explain: that is the idea of MAF. In nats, against the exact density:


# %%
def with_error(values, unit="nats"):
    mean, error = mean_and_error(values)
    return f"{mean:.3f} ± {error:.3f} {unit}"


def gap(model, x, exact):
    """Mean of log p − log p_model on fresh points: an estimate of the KL divergence, and its standard error."""
    return with_error(exact - model.log_prob(x))


for name, model in models.items():
    print(f"{name:14} gap {gap(model, arch_test, arch_log_prob(arch_test))}")

# %% [markdown]
# ### What goes wrong: every layer in the same order
#
# Four layers, all with the ordering $x_1,x_2$.
#
# **Predict:** how much of the gap do they close?

# %%
same = Flow(2, Stack([flows.MaskedAutoregressive(2, [32], rngs=nnx.Rngs(i)) for i in range(4)]))
train(same, arch, epochs=16)
print(f"same order, 4 layers: gap {gap(same, arch_test, arch_log_prob(arch_test))}")

# %% [markdown] tags=["derivation"]
# Nothing at all. Given $x_{<i}$, the first layer stretches and shifts $z_i$; the next layer, in the same order, stretches
# and shifts the result. Two such steps are one. So at any depth all conditionals stay normal, and the model can at best
# match their means and variances. What is then missing is a difference of entropies,
#
# $$\tfrac12\log(2\pi e\operatorname{Var}x_1)+\mathbb E\bigl[\tfrac12\log(2\pi e\operatorname{Var}(x_2\mid
# x_1))\bigr]-H(x_1,x_2),$$
#
# and for the arch it can be had by quadrature.

# %%
first, second = np.linspace(-6, 60, 1321), np.linspace(-16, 16, 1281)
joint = np.exp(arch_log_prob(np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1))) * 0.05 * 0.025  # cells
marginal = joint.sum(axis=1)
variance_1 = marginal @ first**2 - (marginal @ first) ** 2
variance_2 = joint @ second**2 / (marginal + 1e-30)  # x₂ given x₁; its mean is 0 by symmetry
entropy = np.log(2 * np.pi * np.e) + np.log(2)  # of N(0, 2²) and N(·, 1) together
seen = marginal > 1e-20
best = 0.5 * np.log(2 * np.pi * np.e * variance_1) + marginal[seen] @ np.log(2 * np.pi * np.e * variance_2[seen]) / 2
print(f"normal conditionals in this order: at least {best - entropy:.3f} nats")

# %% [markdown]
# Reversing the order between layers removes the limit.

# %% [markdown] tags=["box"]
# **Errata that return here.** Two slips of the source's pages, met in chapters 2 and 3, would break MAF.
#
# - The page on autoregressive models writes the product from $t=1$ but expands it from $p(x_2\mid x_1)$ on. Without
#   $p(x_1)$ the model is no density: its total grows with the region.
# - The page on flows draws the way back as $f_1,f_2,\dots,f_N$. But the last layer must be undone first.

# %% tags=["nbval-check-output"]
t = np.linspace(-40, 40, 801)
second_alone = np.asarray(jax.jit(stats.norm.pdf)(t[None, :], t[:, None] / 2, 1))  # p(x₂ | x₁) without p(x₁)
for half in (10, 20, 40):
    inside = abs(t) <= half
    print(f"|x₁| ≤ {half}: total {second_alone[inside].sum() * 0.1**2:.1f}")
g_1, g_2 = random_layer(2, 3), random_layer(2, 4, ordering=[1, 0])
forward = nnx.jit(lambda layer, z: layer.forward(z)[0])
inverse = nnx.jit(lambda layer, x: layer.inverse(x)[0])
z = np.array([0.5, -1.0])
x = forward(g_2, forward(g_1, z))
print("z                    ", z)
print("f_2 first, then f_1: z =", np.round(inverse(g_1, inverse(g_2, x)), 3))
print("f_1 first, then f_2: z =", np.round(inverse(g_2, inverse(g_1, x)), 3))

# %% [markdown]
# ## 3a.2 The other way about
#
# In MAF the parameters are computed from the *data* before $x_i$. **Inverse autoregressive flow** (IAF) computes them
# from the *base points* before $z_i$:
#
# $$\text{MAF: } x_i=b_i(x_{<i})+e^{s_i(x_{<i})}z_i,\qquad \text{IAF: } x_i=b_i(z_{<i})+e^{s_i(z_{<i})}z_i .$$

# %% [markdown] tags=["derivation"]
# **Who must wait for whom?** To sample from MAF, $z$ is given and $x$ is wanted. But $b_2$ needs $x_1$, $b_3$ needs $x_1$
# and $x_2$: one pass through the network for each entry, $d$ in all. To evaluate its density, $x$ is given, and one pass
# computes everything.
#
# IAF has it the other way about: all of $z$ is there before a sample is drawn, so one pass suffices. But to find the
# density of a given $x$ its $z$ must be recovered, one entry after the other.
#
# | | density of given data | sample |
# |---|---|---|
# | MAF | 1 pass a layer | $d$ passes |
# | IAF | $d$ passes a layer | 1 pass |
# | coupling (RealNVP) | 1 pass | 1 pass |
#
# A coupling layer is fast both ways. The price: half of the entries are not transformed at all, and the other half do not
# see each other.

# %% [markdown]
# How much slower is the slow direction? Measured as a ratio of times, both compiled, for a batch of 256 points.


# %%
def running_time(function, *arguments):
    """The best of several runs of the compiled function."""
    compiled = jax.jit(function).lower(*arguments).compile()
    return min(timeit.repeat(lambda: jax.block_until_ready(compiled(*arguments)), number=1, repeat=9))


def slower(flow_type, d):
    """How many times longer sampling takes than evaluating the density."""
    model, x, key = flow_type(d, 1, [64], rngs=nnx.Rngs(0)), jnp.zeros((256, d)), jax.random.key(0)
    return running_time(lambda key: model.sample(key, (256,)), key) / running_time(lambda x: model.log_prob(x), x)


# %% [markdown]
# **Predict:** for $d=64$, by what factor is MAF slower at sampling? And IAF?

# %% alt="Two lines against the dimension on logarithmic axes. MAF's ratio of sampling time to density time rises with the dimension, less steeply than a dashed line of slope one; IAF's ratio falls like its mirror image. At dimension 2 both are near 1."
sizes = [2, 16, 64]
ratios = {flow_type.__name__: [slower(flow_type, d) for d in sizes] for flow_type in (MAF, flows.IAF)}
for (name, values), colour in zip(ratios.items(), (BLUE, RED), strict=True):
    plt.loglog(sizes, values, "o-", color=colour, label=name)
plt.loglog(sizes, sizes, color=GREY, ls="--", label="$d$ and $1/d$")
plt.loglog(sizes, 1 / np.array(sizes), color=GREY, ls="--")
plt.gca().set(xlabel="dimension $d$", ylabel="time to sample / time of density")
plt.xticks(sizes, map(str, sizes), minor=False)
plt.gca().xaxis.set_minor_locator(plt.NullLocator())
_ = plt.legend()

# %% [markdown]
# It grows with $d$, but less than $d$-fold: a single pass has fixed costs too. So: **MAF to fit data, IAF to draw often**
# (as $q(z\mid x)$, chapter 3b).
#
# ## 3a.3 Splines
#
# Stretch and shift make each entry *normal* given its predecessors. Any increasing curve would do instead of a straight
# line, if slope and inverse are at hand.

# %% [markdown] tags=["derivation"]
# Cut the axis at **knots** $z_0<z_1<\dots<z_K$ into $K$ **bins**. The curve goes through the points $(z_k,x_k)$, with
# $x_0<\dots<x_K$, and has the slopes $d_k>0$ there. Within a bin of width $w$ and height $h$ let
# $\xi=(z-z_k)/w\in[0,1]$, and $s=h/w$, the mean slope. The **rational-quadratic** spline (a quotient of two quadratics) is
#
# $$x=x_k+h\;\frac{s\,\xi^2+d_k\,\xi(1-\xi)}{s+(d_k+d_{k+1}-2s)\,\xi(1-\xi)} .$$
#
# It has slopes $d_k$ and $d_{k+1}$ at its ends, and in between
#
# $$\frac{dx}{dz}=\frac{s^2\bigl(d_{k+1}\xi^2+2s\,\xi(1-\xi)+d_k(1-\xi)^2\bigr)}
# {\bigl(s+(d_k+d_{k+1}-2s)\,\xi(1-\xi)\bigr)^2}>0 .$$
#
# So the curve increases whatever the slopes are. A cubic through the same points need not. Outside of all bins the curve
# goes on as a straight line.


# %% alt="Five increasing curves through the corners of the unit square, for slopes at both ends of 0.1, 0.4, 1, 3 and 10. With small slopes the curve is a steep step in the middle, with slope 1 the diagonal, with large slopes it is steep at both ends and flat in the middle."
def bin_curve(xi, mean, left, right):
    """The share of the bin's height that is reached at the share xi of its width."""
    rest = xi * (1 - xi)
    return (mean * xi**2 + left * rest) / (mean + (left + right - 2 * mean) * rest)


xi = np.linspace(0, 1, 101)
for end in (0.1, 0.4, 1.0, 3.0, 10.0):
    plt.plot(xi, bin_curve(xi, 1.0, end, end), label=f"slopes {end:g} at both ends")
plt.gca().set(xlabel=r"$\xi$", ylabel="share of the height", aspect="equal")
_ = plt.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# The slope by the formula, by automatic differentiation, and as the library computes it for one bin from 0 to 1:

# %% tags=["nbval-check-output"]
mean, left, right = 1.0, 0.4, 3.0
rest = xi * (1 - xi)
by_formula = mean**2 * (right * xi**2 + 2 * mean * rest + left * (1 - xi) ** 2)
by_formula /= (mean + (left + right - 2 * mean) * rest) ** 2
by_grad = jax.jit(jax.vmap(jax.grad(bin_curve), in_axes=(0, None, None, None)))(xi, mean, left, right)
knots = [np.broadcast_to(np.array(row, np.float32), (101, 2)) for row in ([0.0, 1.0], [0.0, 1.0], [left, right])]
x, log_slope = jax.jit(rational_quadratic_forward)(xi.astype(np.float32), *knots)
print(
    "slopes agree:",
    np.allclose(by_formula, by_grad, rtol=1e-4) and np.allclose(np.log(by_formula), log_slope, atol=1e-4),
)
print("curves agree:", np.allclose(x, bin_curve(xi, mean, left, right), atol=1e-5))

# %% [markdown] tags=["derivation"]
# **The inverse** is the root of a quadratic equation. Let $v=(x-x_k)/h$ be the share of the height. Multiplied out,
# $a\,\xi^2+b\,\xi+c=0$ with
#
# $$e=d_k+d_{k+1}-2s,\qquad a=(s-d_k)+v\,e,\qquad b=d_k-v\,e,\qquad c=-s\,v .$$

# %% [markdown]
# ### What goes wrong: the formula from school
#
# $\xi=\bigl(-b+\sqrt{b^2-4ac}\bigr)/2a$.
#
# **Predict:** what does it say for the identity, $s=d_k=d_{k+1}=1$? And for slopes that differ from 1 by a ten-thousandth?


# %% tags=["nbval-check-output"]
def coefficients(v, mean, left, right):
    bend = left + right - 2 * mean
    return (mean - left) + v * bend, left - v * bend, -mean * v


def school(a, b, c):
    return (-b + jnp.sqrt(b**2 - 4 * a * c)) / (2 * a)


def stable(a, b, c):
    return 2 * c / (-b - jnp.sqrt(b**2 - 4 * a * c))


for end in (1.0, 1.0001, 1.01, 2.0):
    v = bin_curve(0.3, 1.0, end, end)
    roots = [float(f(*coefficients(v, 1.0, end, end))) for f in (school, stable)]
    print(f"slopes {end}: school {roots[0]:.4f}, stable {roots[1]:.4f} (0.3 is right)")

# %% [markdown] tags=["derivation"]
# When the bin is nearly straight, $a$ is nearly zero, and the school formula divides a difference of nearly equal numbers
# by it. Multiply numerator and denominator by $-b-\sqrt{b^2-4ac}$: the square root leaves the numerator, and
#
# $$\xi=\frac{2c}{-b-\sqrt{b^2-4ac}}$$
#
# has no difference left, for $b>0$ whenever $a$ is near zero. Every new spline layer *is* the identity, so with the school formula training would not
# survive its first step.

# %% [markdown]
# Now take hold of a knot.
#
# **Predict, then move:** lift the knot without moving it sideways. In which of the two bins beside it does the density of
# $x$ fall, and what happens to the areas? Then raise its slope alone.

# %%
spline_knots_explorer(rational_quadratic_forward)

# %% [markdown]
# Lifted, the left bin is stretched: its density falls, its area stays. A higher slope makes a dip at the knot.
#
# In a flow, a network chooses each entry's knots: from the kept half (a `Coupling`, in `SplineFlow`), or from the
# entries before it (MAF with `SplineTransformer`). Softmax and softplus make them of any numbers:

# %% tags=["nbval-check-output"]
widths, heights, inner_slopes = np.zeros(4), np.array([1.0, 0.0, 0.0, -1.0]), np.zeros(3)
raw = np.concatenate([widths, heights, inner_slopes])
z_knots, x_knots, slopes = map(np.asarray, jax.jit(lambda raw: flows.spline_knots(raw, bound=3.0))(raw))
print("places ", z_knots.round(2))
print("heights", x_knots.round(2))
print("slopes ", slopes.round(2))
print(
    "numbers for an entry: affine",
    flows.AffineTransformer().num_parameters,
    "spline",
    flows.SplineTransformer(8).num_parameters,
)

# %% [markdown]
# ## 3a.4 Mixing the coordinates
#
# A coupling layer moves each entry by what it knows of the *kept* ones. Entries that are always kept together, and always
# moved together, never decide about each other directly. With alternating masks that is every second entry.
#
# A **permutation** between the layers costs nothing: it moves no volume, so its log-determinant is 0.

# %% tags=["nbval-check-output"]
swap = flows.Permutation([2, 0, 3, 1])
x, log_det = swap.forward(jnp.array([10.0, 20.0, 30.0, 40.0]))
print("g(z)   ", x, " log|det Dg| =", log_det)
print("f(g(z))", swap.inverse(x)[0])

# %% [markdown] tags=["derivation"]
# A matrix $W$ mixes more than a permutation does: $x=Wz$, $\log|\det\mathrm Dg|=\log|\det W|$. But a free $W$ has a
# determinant that costs $d^3$ operations, and may become singular. So it is kept in factors (Kingma and Dhariwal, 2018),
#
# $$W=P\,L\,\bigl(U+\operatorname{diag}(s)\bigr),$$
#
# with a fixed permutation $P$, a lower triangular $L$ with ones on its diagonal, and a strictly upper triangular $U$. The
# determinants of $P$ and $L$ are $\pm1$ and 1, so that
#
# $$\log|\det W|=\sum_i\log|s_i| .$$
#
# The network learns $L$, $U$ and $\log|s|$; then no $s_i$ can become 0. The inverse solves two triangular systems, $d^2$
# operations a point.

# %% alt="Four matrices of five by five entries. P has a single one in each row and column; L is lower triangular; U plus diagonal is upper triangular; their product W is full, with entries of both signs."
linear = flows.InvertibleLinear(5, rngs=nnx.Rngs(1))
linear.log_scale[...] = jnp.array([0.5, -0.2, 0.1, 0.7, -0.4])
P, L, U = linear.factors()
fig, axes = plt.subplots(1, 4, figsize=(9, 2.4))
for ax, (name, matrix) in zip(axes, {"P": P, "L": L, "U + diag(s)": U, "W": P @ L @ U}.items(), strict=True):
    ax.imshow(matrix, cmap="RdBu_r", vmin=-2, vmax=2)
    ax.set(title=name, xticks=[], yticks=[])

# %% [markdown]
# **Predict:** what is $\log|\det W|$ here? It can be read in the cell.

# %% tags=["nbval-check-output"]
print(f"read off the diagonal {linear.log_scale[...].sum():.4f}")
print(f"slogdet of the matrix {jnp.linalg.slogdet(P @ L @ U)[1]:.4f}")

# %% [markdown]
# The sign of the determinant stays as it was at the start: no $s_i$ passes through 0.
#
# ## 3a.5 A table of numbers
#
# Most data are tables. Ours is the log of a robot arm with three joints: where its hand is, and the three angles. The
# elbow bends to one side or the other, so the same place can be reached in two ways.


# %%
def hand(angles):
    """The place of the hand of an arm whose parts have lengths 1, 1 and 1/2, each turned against the one before."""
    turned = jnp.cumsum(angles, axis=-1)
    lengths = jnp.array([1.0, 1.0, 0.5])
    return jnp.stack([(lengths * jnp.cos(turned)).sum(axis=-1), (lengths * jnp.sin(turned)).sum(axis=-1)], axis=-1)


@partial(jax.jit, static_argnums=1)
def draw_arm(key, n):
    side_key, key = jax.random.split(key)
    shoulder, elbow, wrist, *noise = jax.random.normal(key, (5, n))
    elbow = jnp.where(jax.random.bernoulli(side_key, 0.5, (n,)), 1.2, -1.2) + 0.3 * elbow
    angles = jnp.stack([0.6 * shoulder, elbow, 0.4 * wrist - 0.5 * elbow], axis=-1)
    return jnp.concatenate([hand(angles) + 0.1 * jnp.stack(noise, axis=-1), angles], axis=-1)


@jax.jit
def arm_log_prob(row):
    place, (shoulder, elbow, wrist) = row[..., :2], jnp.moveaxis(row[..., 2:], -1, 0)
    sides = jnp.logaddexp(stats.norm.logpdf(elbow, 1.2, 0.3), stats.norm.logpdf(elbow, -1.2, 0.3)) - jnp.log(2)
    angles = stats.norm.logpdf(shoulder, 0, 0.6) + sides + stats.norm.logpdf(wrist, -0.5 * elbow, 0.4)
    return angles + stats.norm.logpdf(place, hand(row[..., 2:]), 0.1).sum(axis=-1)


# %% [markdown]
# The table was made here, so its exact density is known. Three flows, trained alike. The third is of spline couplings with
# a permutation, drawn at random, after each.
#
# **Predict** the order in which they will finish.


# %%
def shuffled_splines(d, num_layers, seed=0):
    rng, options = np.random.default_rng(seed), {"transformer": flows.SplineTransformer(), "rngs": nnx.Rngs(seed)}
    coupling = lambda: Coupling(np.arange(d) % 2, [64], **options)  # noqa: E731
    pair = lambda: Chain([coupling(), flows.Permutation(rng.permutation(d))])  # noqa: E731
    return Flow(d, Stack([pair() for _ in range(num_layers)]))


rows, rows_test = jnp.split(draw_arm(jax.random.key(4), 22_000), [16_000])
table = {
    "RealNVP": RealNVP(5, 6, [64], stacked=True, rngs=nnx.Rngs(0)),
    "MAF": MAF(5, 6, [64], rngs=nnx.Rngs(0)),
    "spline flow": shuffled_splines(5, 5),
}
for model in table.values():
    train(model, rows, epochs=12)

# %%
exact = arm_log_prob(rows_test)
print(f"{'exact log-density':18} {with_error(exact)}")
for name, model in table.items():
    print(f"{name:18} {with_error(model.log_prob(rows_test))}, gap {gap(model, rows_test, exact)}")

# %% [markdown]
# All flows see the same 6,000 rows, and what differs between rows cancels in the gap. So its standard error is the
# smaller one, and it decides.
#
# Samples of the last one, beside the data: where is it wrong?

# %% alt="Four panels. The places of the hand form an arc, in the data and in the samples. Elbow against wrist forms two separate clouds in the data; the samples have the same two clouds and a thin trail of points between them."
samples = nnx.jit(lambda model: model.sample(jax.random.key(5), (3000,)))(table["spline flow"])
names = ("hand, horizontal", "hand, vertical", "shoulder", "elbow", "wrist")
fig, axes = plt.subplots(1, 4, figsize=(10, 2.7))
for n, (i, j) in enumerate([(0, 1), (3, 4)]):
    for ax, cloud, title in zip(axes[2 * n :], (rows_test[:3000], samples), ("data", "samples"), strict=False):
        ax.scatter(cloud[:, i], cloud[:, j], s=1, color=GREY if title == "data" else BLUE)
        ax.set(title=title, xlabel=names[i], ylabel=names[j], xlim=(-2.6, 3), ylim=(-2.8, 2.8))

# %% [markdown]
# ## 3a.6 Images: dequantization and logits
#
# The digits have 64 pixels of 17 grey levels $k=0,\dots,16$. Levels are *numbers of a finite set*: they have
# probabilities. A flow has a density. What happens if one fits the density anyway?

# %% [markdown] tags=["derivation"]
# Put a narrow normal of width $\sigma$ on each level, weighted by how often the level occurs. As $\sigma\to0$ the mean
# log-density of the data is
#
# $$\mathbb E\log p(k)\approx-H(k)-\log\sigma-\tfrac12\log2\pi\;\longrightarrow\;+\infty .$$
#
# A perfect score, for a model that knows nothing but that levels are whole numbers. A likelihood without an upper bound
# ranks no models.

# %%
digits = data.digits_8x8()
k_train, k_valid, k_test = (
    np.round(16 * part.images).astype(int).reshape(-1, 64) for part in (digits.train, digits.valid, digits.test)
)
share = np.bincount(k_train.ravel(), minlength=17) / k_train.size


@jax.jit
def peaks(width):
    density = stats.norm.logpdf(jnp.arange(17)[:, None], jnp.arange(17), width)
    return jax.nn.logsumexp(density, axis=1, b=share)


for width in (0.3, 1e-2, 1e-4, 1e-6):
    log_p = peaks(width)
    print(f"σ = {width:g}: {-(share * log_p).sum() / np.log(2):7.2f} bits per pixel")

# %% [markdown]
# Negative bits: such a file would be shorter than nothing.
#
# **Dequantization** spreads level $k$ over an interval of width 1: $y=(k+u)/17$ with $u\in[0,1)$. A flow that learns
# finds the spikes just as well, if $u$ does not vary. Two trainings of one model, with the same loss:


# %%
def image_flow(num_context=0, seed=0):
    maf = MAF(64, 4, [128], num_context=num_context, rngs=nnx.Rngs(seed))
    return Flow(64, Chain([maf.bijection, Logit(64, alpha=0.05)]))  # y in [0, 1] to logits, and those to z


def bits(model, batch, key):
    """Mean bits per pixel of levels k with noise u = 1/2 + amount · (uniform − 1/2); batch is (k, amount)."""
    k, amount = batch
    y = (k + 0.5 + amount[:, None] * (jax.random.uniform(key, k.shape) - 0.5)) / 17
    return bits_per_dim(64 * jnp.log(17) - model.log_prob(y), 64).mean()


# %% [markdown]
# **Predict:** where do the two training losses end?

# %% alt="Training loss in bits per pixel against the epoch. With uniform noise the curve falls quickly and levels off above 2. Without noise it falls far below that and has not settled when training ends."
trained = {"no noise": image_flow(), "uniform noise": image_flow()}
for amount, (name, model) in enumerate(trained.items()):
    parts = [(k.astype(np.float32), np.full(len(k), amount, np.float32)) for k in (k_train, k_valid)]
    history = train(model, parts[0], epochs=30, rate=3e-3, loss=bits, batch_size=64, validation=parts[1])
    plt.plot(history.train_loss, label=name)
plt.gca().set(xlabel="epoch", ylabel="bits per pixel")
_ = plt.legend()

# %% [markdown]
# ### What goes wrong: a density on whole numbers
#
# Is the model without noise the better one? Both, on test digits, without noise and with it:


# %%
@nnx.jit
def test_bits(model, amount, key):
    y = (k_test + 0.5 + amount * (jax.random.uniform(key, k_test.shape) - 0.5)) / 17
    return bits_per_dim(64 * jnp.log(17) - model.log_prob(y), 64)


for name, model in trained.items():
    at_levels, spread = (test_bits(model, amount, jax.random.key(9)) for amount in (0.0, 1.0))
    print(f"{name:14} u = 1/2: {with_error(at_levels, 'bits')}   u uniform: {with_error(spread, 'bits')}")

# %% [markdown]
# The model without noise has spikes at $u=\frac12$ and nothing beside them. Only the other one's figure means something.
# What does it mean?

# %% [markdown] tags=["derivation"]
# A density $p(y)$ of the dequantized image *induces* a probability of the levels: the integral over the cell of $k$,
#
# $$P(k)=\int_{[0,1)^d}p\Bigl(\frac{k+u}{K}\Bigr)\,K^{-d}\,du,$$
#
# with $K$ levels in $d$ pixels. These do sum to 1 (if $p$ lives in the unit cube). By Jensen's inequality
#
# $$\log P(k)=\log\mathbb E_u\Bigl[p\Bigl(\frac{k+u}{K}\Bigr)K^{-d}\Bigr]\;\ge\;\mathbb E_u\log p\Bigl(\frac{k+u}{K}\Bigr)-d\log K .$$
#
# So **uniform dequantization trains on a lower bound** of a proper log-likelihood (Theis et al., 2016): bits so obtained
# are honest, at worst too many. Several draws tighten the bound: the logarithm of the mean of $M$ densities. And so does
# better noise. For any density $q(u\mid k)$ of the noise
#
# $$\log P(k)\ge\mathbb E_{q}\Bigl[\log p\Bigl(\frac{k+u}{K}\Bigr)-d\log K-\log q(u\mid k)\Bigr],$$
#
# with equality for $q(u\mid k)\propto p$ on the cell. To learn $q$, too, is **variational dequantization** (Ho et al.,
# 2019): a flow draws $u$, given $k$.

# %% [markdown]
# One pixel, where the integral can be done. Let the logit of $y$ be $\mathcal N(-1,0.3^2)$, and $K=4$.
#
# **Predict:** for which levels is the uniform bound loose?

# %% tags=["nbval-check-output"]
u = (np.arange(4000) + 0.5) / 4000
for k in range(4):
    y = (k + u) / 4
    density = np.asarray(jax.jit(stats.norm.pdf)(np.log(y / (1 - y)), -1, 0.3)) / (y * (1 - y)) / 4
    exact, uniform = np.log(density.mean()), np.log(density + 1e-30).mean()
    q = density / density.mean()  # the best noise
    best_q = (q * (np.log(density + 1e-30) - np.log(q + 1e-30))).mean()
    print(f"level {k}: log P = {exact:8.4f}   uniform noise {uniform:8.4f}   best noise {best_q:8.4f}")

# %% [markdown]
# Where the density varies within a cell. Now the digits. The trained flow stays as it is; only the noise learns.

# %%
fixed = trained["uniform noise"]
dequantizer = flows.VariationalDequantizer(
    RealNVP(64, 4, [64], num_context=64, stacked=True, rngs=nnx.Rngs(1)), num_levels=17
)


def bits_with_learned_noise(dequantizer, k, key):
    return bits_per_dim(-flows.dequantization_bound(fixed, dequantizer, key, k), 64).mean()


history = train(
    dequantizer, k_train, epochs=25, rate=5e-3, loss=bits_with_learned_noise, batch_size=64, validation=k_valid
)

# %%
draws = np.stack([test_bits(fixed, 1.0, jax.random.key(i)) for i in range(32)])
learned = bits_per_dim(-nnx.jit(flows.dequantization_bound)(fixed, dequantizer, jax.random.key(0), k_test), 64)
several = -(np.logaddexp.reduce(-draws * 64 * np.log(2), axis=0) - np.log(32)) / (64 * np.log(2))
for name, values in {"uniform, 1 draw": draws[0], "learned, 1 draw": learned, "uniform, 32 draws": several}.items():
    print(f"{name:18} {with_error(values, 'bits per pixel')}")
print(f"learned minus uniform: {with_error(learned - draws[0], 'bits per pixel')}")

# %% [markdown]
# Three bounds on *one* number, the model's probability of the test digits. Learned noise is tighter than uniform noise,
# and a mean over many draws shows that there is more to be had.
#
# ### What goes wrong: the logit's log-determinant
#
# Flows like the whole line, so they see logits: $y\mapsto\operatorname{logit}(\alpha+(1-2\alpha)y)$. The constant
# $\alpha$ keeps them finite.

# %% [markdown] tags=["derivation"]
# The logit is one more map of the chain, with a log-determinant. If the flow gives the density $p(v)$ of logits $v$, the
# bits per pixel of the *levels* are (Papamakarios et al., 2017)
#
# $$-\frac{\log p(v)}{d\log2}+\log_2K-\log_2(1-2\alpha)+\frac1d\sum_i\bigl[\log_2\sigma(v_i)+\log_2(1-\sigma(v_i))\bigr].$$
#
# Three things must be named beside a figure: levels $K$, $\alpha$, and whether it is a bound.
#
# On MNIST the paper reports $\log p(v)=-1300.5$ nats for a MAF of five layers, $-1323.2$ for RealNVP, with
# $\alpha=10^{-6}$. The last term depends on the data alone. So from these the bits can be worked out, on any digits of
# the same kind.

# %%
published = {"RealNVP(5)": -1323.2, "MAF(5)": -1300.5}  # nats in logit space: Papamakarios et al. (2017)
levels = np.round(255 * data.mnist_5k().train.images).astype(int).reshape(-1, 784)
logits = jax.jit(lambda key, k: Logit(784, 1e-6).inverse(dequantize(key, k))[0])(jax.random.key(0), levels)
for name, nats in published.items():
    per_pixel = flows.logit_bits_per_dim(jnp.full(len(levels), nats), logits, 1e-6)
    print(
        f"{name:11} {with_error(per_pixel, 'bits per pixel')}; without the log-determinant {8 - nats / (784 * np.log(2)):.2f}"
    )

# %% [markdown] tags=["box"]
# **Where 1.89 comes from.** The paper prints 1.93 and 1.89 bits per pixel for these two models: nothing but its nats,
# in another unit. (Our digits are 4,000 of the training set, the paper's the test set: hence the hundredth of a bit
# between its figures and those of the cell.) Its MADE has 2.04, a MAF with mixtures 1.52. These are bounds by uniform dequantization, in 256 levels.
# PixelCNN's figures on the same digits (chapter 2b) are exact probabilities of levels. A smaller number from another
# $K$, $\alpha$ or data set says nothing.

# %% [markdown]
# ## 3a.7 Given a class
#
# A conditional flow reads a **context** $c$ in every conditioner: $p(x\mid c)$. Here the context is the class, as ten
# numbers of which one is 1.


# %%
def bits_given_class(model, batch, key):
    k, context = batch
    return bits_per_dim(64 * jnp.log(17) - model.log_prob(dequantize(key, k, 17), context), 64).mean()


one_hot = [jax.nn.one_hot(part.labels, 10) for part in (digits.train, digits.valid)]
by_class = image_flow(num_context=10)
history = train(
    by_class, (k_train, one_hot[0]), 20, rate=3e-3, loss=bits_given_class, batch_size=64,
    validation=(k_valid, one_hot[1]),
)  # fmt: skip

# %% tags=["cover"] alt="Ten rows of ten grey digits of 8 by 8 pixels, one row for each class from 0 to 9. Many can be recognised as the digit of their row; some are noisy."
draw = nnx.jit(lambda model, key: model.sample(key, (100,), jnp.repeat(jnp.eye(10), 10, axis=0)))
samples = np.clip(draw(by_class, jax.random.key(0)), 0, 1).reshape(10, 10, 8, 8)
fig = image_rows({str(c): samples[c] for c in range(10)}, cell=0.42)

# %% [markdown]
# The same model classifies, by Bayes' rule: which class makes the digit most probable?
#
# **Predict:** will knowing the class save many bits?

# %%
y = dequantize(jax.random.key(9), k_test, 17)
per_class = np.stack([by_class.log_prob(y, c) for c in np.eye(10, dtype=np.float32)], axis=1)
right = per_class[np.arange(len(y)), digits.test.labels]
print(f"given the class    {with_error(bits_per_dim(64 * jnp.log(17) - right, 64), 'bits per pixel')}")
print(f"without the class  {with_error(test_bits(fixed, 1.0, jax.random.key(9)), 'bits per pixel')}")
print(f"classes found      {(per_class.argmax(axis=1) == digits.test.labels).mean():.1%} of 300")

# %% [markdown]
# A class is worth at most $\log_210\approx3.3$ bits an image, a twentieth of a bit a pixel.
#
# ## 3a.8 Deep flows compile once
#
# XLA compiles a whole program, and a `Chain` of 32 layers is a long one. But the layers are alike: `Stack` keeps their
# parameters in arrays with a leading axis of length $N$, and `lax.scan` walks along it. The compiler sees one layer.

# %%
jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)  # what is compiled here is not kept on disk


def compiled(container, num_layers):
    """Lines of the program for the score, and how long it takes to compile."""
    layers = [Coupling([i % 2, 1 - i % 2], [32], rngs=nnx.Rngs(i)) for i in range(0, 2 * num_layers, 2)]
    flow = Flow(2, container(layers))
    program = jax.jit(jax.grad(lambda x: flow.log_prob(x).sum())).lower(jnp.zeros((256, 2)))
    return len(program.as_text().splitlines()), timeit.timeit(program.compile, number=1)


results = {c.__name__: [compiled(c, n) for n in (4, 32)] for c in (Stack, Chain)}
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# %% [markdown]
# **Predict:** eight times as many layers: how many times as long a program, and how many times the wait?

# %%
for name, ((lines_4, time_4), (lines_32, time_32)) in results.items():
    print(f"{name}: {lines_4} lines for 4 layers, {lines_32} for 32; compile time × {time_32 / time_4:.1f}")

# %% [markdown]
# A `Stack` needs layers of equal structure. Where masks alternate, a pair of layers is repeated; where orderings alternate,
# as in MAF, they are data, and one layer is enough.
#
# ## Summary

# %% [markdown] tags=["box"]
# - MADE with normal conditionals is a flow of one layer. MAF stacks such layers *with changing orders*; in one order, any
#   number of them is one.
# - MAF: density in one pass, samples in $d$. IAF: the other way about. Coupling: one pass both ways, and less done in it.
# - A rational-quadratic spline increases whatever its slopes; its inverse is a root, to be taken in the stable form.
# - Permutations move no volume; a matrix in LU factors has its determinant on a diagonal.
# - Whole numbers have no density: dequantize. What is then reported is a bound, in bits per dimension, with all
#   log-determinants.
# - Alike layers, scanned, compile in the time of one.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 3a.1 — How many passes?
# A flow has `layers` layers in `d` dimensions. Return how many passes through a conditioner `task` takes, `"density"` or
# `"sample"`, for `kind` `"MAF"`, `"IAF"` or `"coupling"`.


# %% tags=["exercise"]
def passes(kind, task, d, layers):
    ### BEGIN SOLUTION
    slow = {"MAF": "sample", "IAF": "density"}.get(kind)
    return layers * (d if task == slow else 1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.1") as check:
    check.close("MAF, density", passes("MAF", "density", 64, 5), 5, hint="All of x is given: one pass a layer.")
    check.close("MAF, sample", passes("MAF", "sample", 64, 5), 320, hint="Each entry waits for the one before.")
    check.close("IAF, density", passes("IAF", "density", 64, 5), 320)
    check.close("IAF, sample", passes("IAF", "sample", 64, 5), 5)
    check.close("coupling, sample", passes("coupling", "sample", 64, 5), 5)

# %% [markdown] tags=["exercise"]
# ### Exercise 3a.2 — MAF turned round is IAF
# MAF's inverse is $z_i=(x_i-b_i)e^{-s_i}$. Seen as a map from $x$ to $z$ it has the form of IAF's forward direction,
# $z_i=b_i'+e^{s_i'}x_i$. Return $(b',s')$.


# %% tags=["exercise"]
def turned_round(shift, log_scale):
    ### BEGIN SOLUTION
    return -shift * jnp.exp(-log_scale), -log_scale
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.2") as check:
    x = jax.random.normal(jax.random.key(1), (4, 5))
    numbers, (z, log_det) = nnx.jit(lambda layer, x: (parameters(layer, x), layer.inverse(x)))(layer, x)
    answer = turned_round(*numbers)
    check.close(
        "b′ + exp(s′) x is MAF's z", None if answer is None else answer[0] + np.exp(answer[1]) * x,
        z, rtol=1e-3, atol=1e-3, hint="Multiply (x − b) exp(−s) out.",
    )  # fmt: skip
    check.close(
        "the log-determinant is the sum of s′", None if answer is None else answer[1].sum(axis=1),
        log_det, rtol=1e-3, atol=1e-3,
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3a.3 — Through a knot
# A spline has knots $(0,0)$, $(1,3)$, $(2,4)$ with slopes 1, `d`, 1. Return the value of the curve at $z=0.5$ (use
# `bin_curve`).


# %% tags=["exercise"]
def spline_at_one_half(d):
    ### BEGIN SOLUTION
    return 3 * bin_curve(0.5, 3.0, 1.0, d)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.3") as check:
    for d in (0.5, 2.0):
        knots = [np.array(row, np.float32) for row in ([0.0, 1.0, 2.0], [0.0, 3.0, 4.0], [1.0, d, 1.0])]
        expected, _ = jax.jit(rational_quadratic_forward)(np.float32(0.5), *knots)
        check.close(
            f"slope {d} at the middle knot", spline_at_one_half(d), expected, rtol=1e-4,
            hint="The bin has height 3 and mean slope 3; bin_curve returns a share of the height.",
        )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3a.4 — Solve with the factors
# Let $x=PLUz$, with a permutation matrix $P$, lower triangular $L$, upper triangular $U$. Return $z$ for one $x$, without
# inverting a full matrix. `jax.scipy.linalg.solve_triangular(A, b, lower=...)` is what you need.


# %% tags=["exercise"]
def solve_factors(P, L, U, x):
    ### BEGIN SOLUTION
    z = jax.scipy.linalg.solve_triangular(L, P.T @ x, lower=True)
    return jax.scipy.linalg.solve_triangular(U, z, lower=False)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.4") as check:
    x = jnp.arange(1.0, 6.0)
    check.close(
        "as the library's inverse", solve_factors(P, L, U, x), linear.inverse(x)[0], rtol=1e-3, atol=1e-4,
        hint="Undo P first; its inverse is its transpose. Then L, then U.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3a.5 — Bits from logits
# A flow gives `log_p`, the log-density in nats of the logits `v`, shape `(n, d)`, of images with `levels` grey levels,
# with $\alpha=0$. Return the bits per pixel of each image.


# %% tags=["exercise"]
def bits_from_logits(log_p, v, levels):
    ### BEGIN SOLUTION
    d = v.shape[-1]
    log_slope = (jax.nn.log_sigmoid(v) + jax.nn.log_sigmoid(-v)).sum(axis=-1)  # of y = σ(v)
    return (d * jnp.log(levels) - log_p + log_slope) / (d * jnp.log(2))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.5") as check:
    v = np.random.default_rng(2).normal(size=(6, 10))
    log_p = -0.5 * (v**2 + np.log(2 * np.pi)).sum(axis=1)
    check.close(
        "as in the library", bits_from_logits(log_p, v, 17), flows.logit_bits_per_dim(log_p, v, 0.0, 17), rtol=1e-4,
        hint="log p(y) = log p(v) − Σ log σ(v)(1 − σ(v)), and a level is an interval of width 1/K.",
    )  # fmt: skip
    uniform = -(np.logaddexp(0, v) + np.logaddexp(0, -v)).sum(axis=1)  # logits of uniform numbers
    check.close("a uniform density costs log₂ K bits", bits_from_logits(uniform, v, 256), np.full(6, 8.0), rtol=1e-4)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - **MAF**, its arch, its table of bits per pixel: G. Papamakarios, T. Pavlakou, I. Murray: *Masked Autoregressive Flow
#   for Density Estimation*, NeurIPS 2017, arXiv:1705.07057.
# - **MADE**: M. Germain, K. Gregor, I. Murray, H. Larochelle: *MADE: Masked Autoencoder for Distribution Estimation*,
#   ICML 2015, arXiv:1502.03509.
# - **IAF**: D. P. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever, M. Welling: *Improving Variational Inference
#   with Inverse Autoregressive Flow*, NeurIPS 2016, arXiv:1606.04934.
# - **RealNVP**, logits of images: L. Dinh, J. Sohl-Dickstein, S. Bengio: *Density estimation using Real NVP*, 2016,
#   arXiv:1605.08803.
# - **Splines**: C. Durkan, A. Bekasov, I. Murray, G. Papamakarios: *Neural Spline Flows*, NeurIPS 2019, arXiv:1906.04032.
# - **A matrix in LU factors**: D. P. Kingma, P. Dhariwal: *Glow: Generative Flow with Invertible 1×1 Convolutions*,
#   NeurIPS 2018, arXiv:1807.03039.
# - **Dequantization is a bound**: L. Theis, A. van den Oord, M. Bethge: *A note on the evaluation of generative models*,
#   ICLR 2016, arXiv:1511.01844.
# - **Variational dequantization**: J. Ho, X. Chen, A. Srinivas, Y. Duan, P. Abbeel: *Flow++: Improving Flow-Based
#   Generative Models with Variational Dequantization and Architecture Design*, ICML 2019, arXiv:1902.00275.
# - G. Papamakarios, E. Nalisnick, D. Rezende, S. Mohamed, B. Lakshminarayanan: *Normalizing Flows for Probabilistic
#   Modeling and Inference*, 2019, arXiv:1912.02762.
# - L. Ma: *Datumorphism*, "Generative Models", 2021: the pages on autoregressive models, which name MAF, and on flows.
# - Digits: E. Alpaydin, C. Kaynak: *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998;
#   Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: *Gradient-based learning applied to document recognition*, 1998.

# %% [markdown]
# ## Next
#
# Here flows were fitted to data. Flows can also be fitted to a density that is known up to a constant: that is
# variational inference, where IAF and the fast sampler come into their own. Chapter 3b, *Flows for inference*, does it.
