# %% [markdown] tags=["frame"]
# # 3a · Masked and spline flows
#
# An autoregressive model of real numbers is a flow, and a flow whose layers are autoregressive is a strong density
# model. This chapter builds such flows, replaces their straight lines by splines, and brings them to tables and images.
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
from course_lib.figures.style import BLUE, GREY, INK, ORANGE
from course_lib.flows import (
    MAF,
    Affine,
    Chain,
    Coupling,
    Flow,
    Logit,
    RealNVP,
    SplineFlow,
    SplineTransformer,
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
# A coupling layer (chapter 3) leaves half of its entries as they are. MADE (chapter 2) lets every entry depend on all
# entries before it, in one pass through a masked network, but it had one logit for each bit. Real numbers need two
# numbers for each entry, the mean $b_i$ and the logarithm $s_i$ of the standard deviation of a normal distribution:
#
# $$p(x)=\prod_{i=1}^{d}\mathcal N\bigl(x_i;\,b_i,\,e^{2s_i}\bigr),\qquad (b_i,s_i)=\text{MADE}_i(x_{<i}).$$


# %%
def parameters(layer, x):
    """Shift b and log-scale s of each entry, from the entries before it."""
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
# Neither $b_i$ nor $s_i$ depends on $x_i$ or on a later entry. So the derivative of $z_i$ by a later $x_j$, $j>i$, is
# zero: the Jacobian is triangular. On its diagonal stands $e^{-s_i}$, and the determinant of a triangular matrix is the
# product of its diagonal. The change of variables gives
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
# Take one layer with random weights. (A new layer is the identity, because its last weights are zero; so they are drawn
# anew here.)
#
# **Predict:** by how much do the two log-densities differ?


# %%
def random_layer(d, seed, ordering=None):
    """A masked layer with random weights."""
    layer = flows.MaskedAutoregressive(
        d, [32], ordering=ordering, rngs=nnx.Rngs(seed)
    )
    last = layer.conditioner.layers[-1].kernel
    last[...] = 0.5 * jax.random.normal(jax.random.key(seed), last.shape)
    return layer


layer = random_layer(5, seed=0)
five_wide = jax.random.normal(jax.random.key(1), (1000, 5))

# %% tags=["nbval-check-output"]
ways = (
    log_prob_by_conditionals,
    log_prob_by_change_of_variables,
    lambda layer, x: Flow(5, layer).log_prob(x),
)
every_way = nnx.jit(lambda layer, x: [way(layer, x) for way in ways])
by_product, by_change, library = every_way(layer, five_wide)
print("equal:", bool(jnp.allclose(by_product, by_change, atol=1e-3)))
print("library too:", bool(jnp.allclose(by_product, library, atol=1e-3)))

# %% [markdown]
# **Answer.** The two log-densities differ by nothing but rounding, at every point: they are the same product, read once
# as conditionals and once as a change of variables. The Jacobian of $g$ at one point shows the triangle:

# %% alt="A five by five matrix of derivatives. Positive numbers stand on the diagonal, numbers of both signs below it, and the ten places above the diagonal are empty: exact zeros." caption="The Jacobian $\\partial x_i/\\partial z_j$ of one masked layer in five dimensions. Above the diagonal every entry is exactly zero; the diagonal holds the scales $e^{s_i}$, and their product is the determinant."
Dg = jax.jit(jax.jacfwd(lambda z: layer.forward(z)[0]))
fig = jacobian_picture(Dg(five_wide[0]), "12345", "one masked layer")

# %% [markdown]
# ### What one layer cannot do
#
# The conditionals of one layer are normal, whatever the network says. Our data are an arch: $x_2\sim\mathcal N(0,2^2)$,
# and $x_1\mid x_2\sim\mathcal N(x_2^2/4,1)$. In the order $x_2,x_1$ both conditionals are normal. But our ordering
# starts with $x_1$, and given a large $x_1$ the other entry lies on one of two arms.


# %%
@partial(jax.jit, static_argnums=1)
def draw_arch(key, n):
    base, noise = jax.random.normal(key, (2, n))
    return jnp.stack([base**2 + noise, 2 * base], axis=-1)


# %%
@jax.jit
def arch_log_prob(x):
    given = stats.norm.logpdf(x[..., 0], x[..., 1] ** 2 / 4, 1)
    return stats.norm.logpdf(x[..., 1], 0, 2) + given


arch, arch_test = jnp.split(draw_arch(jax.random.key(2), 26_000), [16_000])


# %%
def train(
    model, examples, epochs, rate=5e-3, loss=negative_log_likelihood,
    batch_size=256, validation=None,
):  # fmt: skip
    size = len(jax.tree.leaves(examples)[0])
    return fit(
        model, loss, examples, key=jax.random.key(0), epochs=epochs,
        batch_size=batch_size, validation=validation,
        optimizer=cosine_adam(rate, epochs * (size // batch_size)),
    )  # fmt: skip


# %% [markdown]
# A **masked autoregressive flow** (MAF) is a stack of such layers. Every second one has the reverse ordering.
#
# **Predict:** which of the two models' $z=f(x)$ will look like a round cloud?

# %%
models = {
    "one layer": MAF(2, 1, [32], rngs=nnx.Rngs(0)),
    "MAF, 4 layers": MAF(2, 4, [32], rngs=nnx.Rngs(0)),
}
for model in models.values():
    train(model, arch, epochs=16)

# %% alt="Three clouds of points, coloured by the second entry of the data. The data form an arch that opens to the right. Sent through one layer, they form a lopsided shape with two arms that leave a dashed circle to the right; through four layers, a nearly round cloud about that circle." caption="Test points $x$ (left), and where two trained models send them. All $z$ of a perfect model would be standard normal: a round cloud in which 86 % lie inside of the dashed circle of radius 2. One layer leaves two arms, four layers a slight tail."
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.1))
normalize = nnx.jit(lambda model, x: model.bijection.inverse(x)[0])
seen = arch_test[:3000]
clouds = {"data $x$": seen}
clouds |= {f"$z$, {k}": normalize(m, seen) for k, m in models.items()}
for ax, (title, points) in zip(axes, clouds.items(), strict=True):
    dots = ax.scatter(*points.T, s=3, c=seen[:, 1], cmap="viridis")
    ax.set(title=title, aspect="equal")
for ax in axes[1:]:
    ax.add_patch(plt.Circle((0, 0), 2, fill=False, ls="--", ec=INK))
    ax.set(xlim=(-4.5, 9), ylim=(-5.5, 5.5), xlabel="$z_1$", ylabel="$z_2$")
axes[0].set(xlabel="$x_1$", ylabel="$x_2$")
bar = fig.colorbar(dots, ax=axes, label="$x_2$ of the data")

# %% [markdown] numbers={"86": "100 * (1 - np.exp(-2))"}
# **Answer.** Four layers give a nearly round cloud, one layer does not: where its conditionals fail, the $z$ still have
# a pattern. A further layer finds that pattern and explains it. That is the idea of MAF. In nats, against the exact
# density:


# %%
def with_error(values, unit="nats"):
    mean, error = mean_and_error(values)
    return f"{mean:.3f} ± {error:.3f} {unit}"


def gap(model, x, exact):
    """Mean of log p − log p_model: an estimate of the KL divergence."""
    return with_error(exact - model.log_prob(x))


for name, model in models.items():
    print(f"{name:14} gap {gap(model, arch_test, arch_log_prob(arch_test))}")

# %% [markdown]
# Here and below, ± is a standard error over the fresh test points, for this one training.
#
# ### What goes wrong: every layer in the same order
#
# Four layers, all with the ordering $x_1,x_2$.
#
# **Predict:** how much of the gap do they close?

# %%
same = Stack(
    [
        flows.MaskedAutoregressive(2, [32], rngs=nnx.Rngs(seed))
        for seed in range(4)
    ]
)
same_order = Flow(2, same)
train(same_order, arch, epochs=16)
print("same order:", gap(same_order, arch_test, arch_log_prob(arch_test)))

# %% [markdown] tags=["derivation"]
# **Answer.** Four layers in one order close none of the gap: to about a thousandth of a nat it is that of one layer.
# Given $x_{<i}$, the first layer shifts and stretches $x_i$; the next layer, in the same order, shifts and stretches
# the result. Two such steps are one (exercise 3a.7). So at any depth all conditionals stay normal, and the model can at
# best match their means and variances. What is then missing is a difference of entropies,
#
# $$\tfrac12\log(2\pi e\operatorname{Var}x_1)+\mathbb E\bigl[\tfrac12\log(2\pi e\operatorname{Var}(x_2\mid
# x_1))\bigr]-H(x_1,x_2),$$
#
# and for the arch it can be had by quadrature, that is, by adding up the cells of a fine grid.

# %%
first, second = np.linspace(-6, 60, 1321), np.linspace(-16, 16, 1281)
grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1)
joint = np.exp(np.float64(arch_log_prob(grid))) * 0.05 * 0.025  # of a cell
marginal = joint.sum(axis=1) + 1e-30
variance_1 = marginal @ first**2 - (marginal @ first) ** 2
variance_2 = joint @ second**2 / marginal  # given x₁; its mean is 0
positive = marginal > 1e-20
spread_2 = marginal[positive] @ np.log(variance_2[positive]) / 2
best = np.log(2 * np.pi * np.e) + np.log(variance_1) / 2 + spread_2
entropy = np.log(2 * np.pi * np.e) + np.log(2)  # N(0, 2²) and N(·, 1)
print(f"normal conditionals, x₁ first: at least {best - entropy:.3f} nats")

# %% [markdown] tags=["derivation"]
# **Is the order itself to blame, or the triangle?** Neither. Let $F_1$ be the distribution function of $x_1$, and
# $F_2(\cdot\mid x_1)$ that of $x_2$ given $x_1$. A number put into its own distribution function becomes uniform on
# $[0,1]$, and $\Phi^{-1}$, the inverse of the normal distribution function, makes a uniform number normal. So
#
# $$z_1=\Phi^{-1}\bigl(F_1(x_1)\bigr),\qquad z_2=\Phi^{-1}\bigl(F_2(x_2\mid x_1)\bigr)$$
#
# are standard normal, and $z_2$ is so whatever $x_1$ was: they are independent. The same works in $d$ dimensions
# (**Rosenblatt**, 1952): *for every positive density and every order there is a triangular map, increasing in each
# entry, that makes it exactly standard normal.* One layer would be enough if its curves $x_i\mapsto z_i$ were free.
# Ours are straight lines. On the grid the exact curves are known:


# %%
def rosenblatt(x):
    """The exact triangular map, from distribution functions on the grid."""
    column = np.rint((x[:, 0] + 6) / 0.05).astype(int)
    rows = (joint / marginal[:, None]).cumsum(axis=1)[column]
    ends = second + 0.0125  # of the cells
    u_1 = np.interp(x[:, 0], first + 0.025, marginal.cumsum())
    u_2 = [np.interp(x[n, 1], ends, row) for n, row in enumerate(rows)]
    return stats.norm.ppf(jnp.stack([u_1, jnp.array(u_2)], axis=-1))


exact_z = np.asarray(rosenblatt(np.asarray(arch_test, np.float64)))
for name, power in {"z": 1, "z²": 2, "z⁴": 4}.items():
    means = [with_error(exact_z[:, i] ** power, "") for i in (0, 1)]
    print(f"mean of {name:3} first {means[0]}  second {means[1]}")
print("mean of z₁² z₂²", with_error((exact_z**2).prod(axis=1), ""))

# %% [markdown]
# A standard normal has the means 0, 1, 3 and 1: within two errors all agree. There are two repairs, then: lines with
# *changing* orders, as above, or curves (section 3a.3).

# %% [markdown]
# ## 3a.2 The other way about
#
# A model judges given points and draws new ones. An autoregressive layer is slow at one of the two, and we may choose
# which. MAF computes its parameters from the *data* before $x_i$, **inverse autoregressive flow** (IAF) from the *base
# points* before $z_i$:
#
# $$\text{MAF: } x_i=b_i(x_{<i})+e^{s_i(x_{<i})}z_i,\qquad \text{IAF: } x_i=b_i(z_{<i})+e^{s_i(z_{<i})}z_i .$$

# %% [markdown] tags=["derivation"]
# **Who must wait for whom?** To sample from MAF, $z$ is given and $x$ is wanted. But $b_2$ needs $x_1$, $b_3$ needs
# $x_1$ and $x_2$: a layer takes one pass through its network for each entry, $d$ in all. To evaluate its density, $x$
# is given, and one pass computes everything.
#
# IAF has it the other way about: all of $z$ is there before a sample is drawn, so one pass suffices. But to find the
# density of a given $x$ its $z$ must be recovered, one entry after the other.
#
# | passes through a network, for each layer | density of given points | a sample | density of its own samples |
# |---|---|---|---|
# | MAF | 1 | $d$ | $d$ |
# | IAF | $d$ | 1 | 1 |
# | coupling (NICE, RealNVP) | 1 | 1 | 1 |
#
# The last column is the one that variational inference needs (chapter 3b): draw from the model, and ask for the density
# of what was drawn. The forward direction returns both, so the slow direction of IAF is never used there.
#
# A coupling layer is fast both ways. The price: half of the entries are not transformed at all, and the other half do
# not see each other.

# %% [markdown]
# How much slower is the slow direction? We time both on a batch of 256 points.


# %%
def running_time(function, points):
    """The best of several runs of the compiled function."""
    ready = jax.jit(function).lower(points).compile()
    run = lambda: jax.block_until_ready(ready(points))  # noqa: E731
    return min(timeit.repeat(run, number=1, repeat=15))


# %%
def sampling_against_density(flow_type, d):
    """The time of z to x, which draws, over that of x to z, which judges."""
    g = flow_type(d, 1, [64], rngs=nnx.Rngs(0)).bijection
    points = jax.random.normal(jax.random.key(0), (256, d))
    return running_time(g.forward, points) / running_time(g.inverse, points)


# %% [markdown]
# **Predict:** for $d=64$, by what factor is MAF slower at sampling? And IAF?

# %% alt="Two lines against the dimension, 2 to 64, on logarithmic axes. MAF's ratio of sampling time to density time starts a little above 1 and rises with the dimension, below a dashed line of slope one; IAF's ratio falls from below 1, like its mirror image." caption="Time from $z$ to $x$ (sampling) over time from $x$ to $z$ (density), one layer, 256 points. MAF's ratio grows with $d$, IAF's is its mirror image; the dashed lines are $d$ and $1/d$, where all time would go into passes of equal cost."
sizes = [2, 16, 64]
for flow_type, colour in ((MAF, BLUE), (flows.IAF, ORANGE)):
    ratios = [sampling_against_density(flow_type, d) for d in sizes]
    plt.loglog(sizes, ratios, "o-", color=colour, label=flow_type.__name__)
plt.loglog(sizes, sizes, color=GREY, ls="--", label="$d$ and $1/d$")
plt.loglog(sizes, 1 / np.array(sizes), color=GREY, ls="--")
plt.gca().set(
    xlabel="dimension $d$", ylabel="sampling time / density time"
)  # fmt: skip
plt.xticks(sizes, map(str, sizes), minor=False)
plt.gca().xaxis.set_minor_locator(plt.NullLocator())
legend = plt.legend()

# %% [markdown]
# **Answer.** At $d=64$ MAF takes more than ten times as long to sample as to judge, and IAF has the same factor the
# other way about, since the two run the same code with the directions exchanged. The factor stays below $d$, because
# every call has costs that no pass repeats. So: **MAF to fit data, IAF to draw often** (as $q(z\mid x)$, chapter 3b).

# %% [markdown] tags=["quiz"]
# **Eight masked layers with normal conditionals, all in the order $x_1,\dots,x_d$, are trained on skewed data. What can
# they become?**
#
# - [ ] Any density, since the triangular maps of Rosenblatt's theorem are exact. :: The theorem's curves are free. A
#   layer's curves are straight lines, and lines put into lines are lines.
# - [x] Only products of normal conditionals in that order, as one layer can. :: Right: given the entries before it,
#   each entry is shifted and stretched eight times, which is one shift and one stretch.
# - [ ] Only normal distributions. :: The shifts and scales depend on the entries before in any way the network likes,
#   so the joint density need not be normal; its conditionals are.

# %% [markdown] tags=["quiz"]
# **You draw a point from an IAF and want its density under that IAF. What does it cost?**
#
# - [ ] $d$ passes a layer, for IAF is slow at densities. :: That holds for points from elsewhere, whose $z$ is unknown.
# - [x] One pass a layer. :: Right: the $z$ it came from is known, and the pass that makes $x$ also yields the
#   log-determinant.
# - [ ] Nothing can be said without the inverse. :: The change of variables needs $z$ and a log-determinant; both are
#   there after drawing.

# %% [markdown] tags=["quiz"]
# **A sensor gives a million readings of 60 numbers, and each must be judged: how probable is it? Which flow, and why?**
#
# - [x] MAF: one pass for each layer judges a reading. :: Right: all of $x$ is given, so all parameters come at once.
# - [ ] IAF: one pass for each layer. :: IAF's single pass goes from $z$ to $x$. Here $x$ is given, and its $z$ would
#   have to be found entry by entry.
# - [ ] It makes no difference, as both are triangular. :: Both determinants are cheap, but one of the two directions
#   takes as many passes as there are entries.

# %% [markdown]
# ## 3a.3 Splines
#
# Rosenblatt's theorem asks for curves where MAF has lines. Any increasing curve will do, if its slope and its inverse
# are at hand.

# %% [markdown] tags=["derivation"]
# Cut the axis at **knots** $z_0<z_1<\dots<z_J$ into $J$ **bins**. The curve goes through the points $(z_j,x_j)$, with
# $x_0<\dots<x_J$, and has the slopes $\delta_j>0$ there. Within a bin of width $w$ and height $h$ let
# $\xi=(z-z_j)/w\in[0,1]$ be the share of the width, and $m=h/w$ the mean slope. The **rational-quadratic** spline (a
# quotient of two quadratics) is
#
# $$x=x_j+h\;\frac{m\,\xi^2+\delta_j\,\xi(1-\xi)}{m+(\delta_j+\delta_{j+1}-2m)\,\xi(1-\xi)} .$$
#
# It has slopes $\delta_j$ and $\delta_{j+1}$ at its ends, and in between
#
# $$\frac{dx}{dz}=\frac{m^2\bigl(\delta_{j+1}\xi^2+2m\,\xi(1-\xi)+\delta_j(1-\xi)^2\bigr)}
# {\bigl(m+(\delta_j+\delta_{j+1}-2m)\,\xi(1-\xi)\bigr)^2}>0 .$$
#
# The numerator is a sum of positive terms. The denominator is never zero, since $\xi(1-\xi)\le\frac14$ and so
# $m-2m\,\xi(1-\xi)\ge\frac m2$. So the curve increases whatever the slopes $\delta_j>0$ are. Outside of all
# bins the curve goes on as a straight line of slope 1.


# %%
def bin_curve(xi, mean, left, right):
    """The share of the bin's height at the share xi of its width."""
    rest = xi * (1 - xi)
    top = mean * xi**2 + left * rest
    return top / (mean + (left + right - 2 * mean) * rest)


# %% alt="Five increasing curves through the corners of the unit square, for slopes at both ends of 0.1, 0.4, 1, 3 and 10. With small slopes the curve is flat at both ends and steep in the middle, with slope 1 the diagonal, with large slopes it is steep at both ends and flat in the middle." caption="One bin of mean slope 1, with equal slopes at its two ends. All curves increase, from nearly flat ends (0.1) to nearly upright ones (10); with slope 1 the curve is the straight line."
xi = np.linspace(0, 1, 101)
for end in (0.1, 0.4, 1.0, 3.0, 10.0):
    curve = bin_curve(xi, 1.0, end, end)
    plt.plot(xi, curve, label=f"slopes {end:g} at both ends")
plt.gca().set(
    xlabel=r"$\xi$, share of the width", ylabel="share of the height",
    aspect="equal",
)  # fmt: skip
legend = plt.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# The slope by the formula, by automatic differentiation, and as the library computes it for one bin from 0 to 1:

# %%
mean, left, right = 1.0, 0.4, 3.0
rest = xi * (1 - xi)
by_formula = right * xi**2 + 2 * mean * rest + left * (1 - xi) ** 2
by_formula *= mean**2 / (mean + (left + right - 2 * mean) * rest) ** 2
slope_of = jax.vmap(jax.grad(bin_curve), in_axes=(0, None, None, None))
by_grad = jax.jit(slope_of)(xi, mean, left, right)

# %% tags=["nbval-check-output"]
one_bin = [
    np.broadcast_to(np.array(row, np.float32), (101, 2))
    for row in ([0.0, 1.0], [0.0, 1.0], [left, right])
]
height, log_slope = jax.jit(rational_quadratic_forward)(
    xi.astype(np.float32), *one_bin
)
by_library = np.exp(log_slope)
print("formula and gradient:", np.allclose(by_formula, by_grad, rtol=1e-4))
print("formula and library: ", np.allclose(by_formula, by_library, rtol=1e-3))
expected_height = bin_curve(xi, mean, left, right)
print("curves:              ", np.allclose(height, expected_height, atol=1e-5))

# %% [markdown] tags=["derivation"]
# **The inverse** is the root of a quadratic equation. Let $\eta=(x-x_j)/h$ be the share of the height. Multiplied out,
# $A\,\xi^2+B\,\xi+C=0$ with
#
# $$r=\delta_j+\delta_{j+1}-2m,\qquad A=(m-\delta_j)+\eta\,r,\qquad B=\delta_j-\eta\,r,\qquad C=-m\,\eta .$$

# %% [markdown]
# ### What goes wrong: the formula from school
#
# $\xi=\bigl(-B+\sqrt{B^2-4AC}\bigr)/2A$.
#
# **Predict:** what does it say for the identity, $m=\delta_j=\delta_{j+1}=1$? And for slopes that differ from 1 by a
# ten-thousandth?


# %%
def coefficients(eta, mean, left, right):
    bend = left + right - 2 * mean
    return (mean - left) + eta * bend, left - eta * bend, -mean * eta


def school(A, B, C):
    return (-B + jnp.sqrt(B**2 - 4 * A * C)) / (2 * A)


def stable(A, B, C):
    return 2 * C / (-B - jnp.sqrt(B**2 - 4 * A * C))


# %% tags=["nbval-check-output"]
for end in (1.0, 1.0001, 1.01, 2.0):
    eta = bin_curve(0.3, 1.0, end, end)
    numbers = coefficients(eta, 1.0, end, end)
    roots = f"school {school(*numbers):.4f}, stable {stable(*numbers):.4f}"
    print(f"slopes {end}: {roots} (0.3 is right)")

# %% [markdown] tags=["derivation"]
# **Answer.** For the identity the school formula says "not a number", since it divides zero by zero. For slopes that
# differ from 1 by a ten-thousandth it is wrong in the third decimal: $A$ is nearly zero, and a difference of nearly
# equal numbers is divided by it. Multiply numerator and denominator by $-B-\sqrt{B^2-4AC}$: the square root leaves the
# numerator, and
#
# $$\xi=\frac{2C}{-B-\sqrt{B^2-4AC}}$$
#
# has no such difference left, since $B\approx m>0$ whenever $A$ is near zero. Every new spline layer *is* the identity,
# so with the school formula training would not survive its first step.

# %% [markdown]
# Now take hold of a knot.
#
# **Predict, then move:** lift the knot without moving it sideways. In which of the two bins beside it does the density
# of $x$ fall, and what happens to the areas? Then raise its slope alone.

# %% caption="A spline through five knots, and what it makes of a base density. Drag the large knot, or change its slope: the shaded areas over the two bins beside it never change, only their widths and heights do."
spline_knots_explorer(rational_quadratic_forward)

# %% [markdown]
# **Answer.** The density falls in the *left* bin: lifting the knot stretches it. No area changes, for a bin's
# probability goes wherever the bin goes. A higher slope alone makes a dip in the density at the knot, where the curve
# now spreads points fastest.
#
# In a flow, a network chooses each entry's knots: from the kept half (`SplineFlow`, couplings), or from the entries
# before it (MAF with `SplineTransformer`). Softmax and softplus turn any numbers into knots:

# %% tags=["nbval-check-output"]
widths, heights = np.zeros(4), np.array([1.0, 0.0, 0.0, -1.0])
raw = np.concatenate([widths, heights, np.zeros(3)])  # 3 inner slopes
knots_of = jax.jit(lambda raw: flows.spline_knots(raw, bound=3.0))
z_knots, x_knots, slopes = map(np.asarray, knots_of(raw))
print("knots in z", z_knots.round(2))
print("knots in x", x_knots.round(2))
print("slopes    ", slopes.round(2))
print(
    "numbers for an entry, line:  ", flows.AffineTransformer().num_parameters
)
print("numbers for an entry, spline:", SplineTransformer(8).num_parameters)

# %% [markdown]
# Now the promise of Rosenblatt's theorem: *one* layer, in the order that failed, with splines for lines. A fixed
# stretch brings the arch between the outer knots.

# %%
curved = flows.MaskedAutoregressive(
    2, [32], transformer=SplineTransformer(8, 5.0), rngs=nnx.Rngs(0)
)
stretch = Affine(shift=jnp.array([1.0, 0.0]), scale=jnp.array([4.0, 2.0]))
curved_layer = Flow(2, Chain([curved, stretch]))
train(curved_layer, arch, epochs=16)
for name, model in {
    "lines": models["one layer"],
    "splines": curved_layer,
}.items():
    exact = arch_log_prob(arch_test)
    print(f"one layer, {name:8} gap {gap(model, arch_test, exact)}")

# %% [markdown]
# One layer of curves does about as well as four layers of lines. It pays in numbers for each entry.

# %% [markdown]
# ## 3a.4 Mixing the coordinates
#
# Entries that couplings always keep together, and always move together, never decide about each other directly. With
# alternating masks that is every second entry. So something should mix entries between the layers, without a dear
# determinant. A **permutation** moves no volume: its log-determinant is 0. (MAF's reverse ordering is one.)

# %% tags=["nbval-check-output"]
swap = flows.Permutation([2, 0, 3, 1])
mixed, log_det = swap.forward(jnp.array([10.0, 20.0, 30.0, 40.0]))
print("g(z)   ", mixed, " log|det Dg| =", log_det)
print("f(g(z))", swap.inverse(mixed)[0])

# %% [markdown] tags=["derivation"]
# A matrix $W$ mixes more than a permutation does: $x=Wz$, $\log|\det\mathrm Dg|=\log|\det W|$. But a free $W$ has a
# determinant that costs $d^3$ operations, and may become singular. So it is kept in factors (Kingma and Dhariwal,
# 2018),
#
# $$W=P\,L\,\bigl(U+\operatorname{diag}(\lambda)\bigr),$$
#
# with a fixed permutation $P$, a lower triangular $L$ with ones on its diagonal, and a strictly upper triangular $U$.
# The determinants of $P$ and $L$ are $\pm1$ and 1, so that
#
# $$\log|\det W|=\sum_i\log|\lambda_i| .$$
#
# Training changes $L$, $U$ and $\log|\lambda|$; then no $\lambda_i$ can become 0. The inverse solves two triangular
# systems, $d^2$ operations a point. In an image, $W$ mixes the channels at each place: a 1×1 convolution. Flows for
# large images (Glow) build on it, and split off half of the channels after every halving of the picture.

# %% alt="Four matrices of five by five coloured cells with one colour bar from minus 2 to 2. P has a single one in each row and column; L is lower triangular; U plus diagonal is upper triangular; their product W is full, with entries of both signs." caption="A matrix kept in factors: a permutation, a lower triangular matrix with ones on its diagonal, an upper triangular one. Their product $W$ is full, yet its determinant can be read off the diagonal of the third."
linear = flows.InvertibleLinear(5, rngs=nnx.Rngs(1))
linear.log_scale[...] = jnp.array([0.5, -0.2, 0.1, 0.7, -0.4])
P, L, U = linear.factors()
factors = {"P": P, "L": L, r"U + diag(λ)": U, "W": P @ L @ U}
fig, axes = plt.subplots(1, 4, figsize=(9.4, 2.3))
for ax, (name, matrix) in zip(axes, factors.items(), strict=True):
    cells = ax.imshow(matrix, cmap="RdBu_r", vmin=-2, vmax=2)
    ax.set(title=name, xticks=[], yticks=[])
bar = fig.colorbar(cells, ax=axes, label="entry", ticks=[-2, 0, 2])

# %% [markdown]
# **Predict:** what is $\log|\det W|$ here? It can be read in the cell.

# %% tags=["nbval-check-output"]
print(f"read off the diagonal {linear.log_scale[...].sum():.4f}")
print(f"slogdet of the matrix {jnp.linalg.slogdet(P @ L @ U)[1]:.4f}")

# %% [markdown]
# **Answer.** $\log|\det W|$ is the sum of the five log-scales that the cell sets, 0.7; the other factors have
# determinants $\pm1$. The sign of $\det W$ stays as it was at the start, since no $\lambda_i$ passes through 0.
#
# ## 3a.5 A table of numbers
#
# Most data are tables, with columns that depend on each other in bent ways. Ours is the log of a robot arm with three
# joints: where its hand is, and the three angles. The elbow bends to one side or the other, so the same place can be
# reached in two ways.


# %%
def hand(angles):
    """Where the hand is: three parts, each turned against the one before."""
    turned = jnp.cumsum(angles, axis=-1)
    lengths = jnp.array([1.0, 1.0, 0.5])
    across, up = lengths * jnp.cos(turned), lengths * jnp.sin(turned)
    return jnp.stack([across.sum(axis=-1), up.sum(axis=-1)], axis=-1)


# %%
@partial(jax.jit, static_argnums=1)
def draw_arm(key, n):
    side_key, key = jax.random.split(key)
    shoulder, elbow, wrist, *noise = jax.random.normal(key, (5, n))
    side = jnp.where(jax.random.bernoulli(side_key, 0.5, (n,)), 1.2, -1.2)
    elbow = side + 0.3 * elbow
    angles = [0.6 * shoulder, elbow, 0.4 * wrist - 0.5 * elbow]
    angles = jnp.stack(angles, axis=-1)
    place = hand(angles) + 0.1 * jnp.stack(noise, axis=-1)
    return jnp.concatenate([place, angles], axis=-1)


# %% [markdown]
# The table was made here, so its exact density is known: that of the angles, times that of the place given the angles.


# %%
@jax.jit
def arm_log_prob(row):
    place, angles = row[..., :2], row[..., 2:]
    shoulder, elbow, wrist = jnp.moveaxis(angles, -1, 0)
    one_side = stats.norm.logpdf(elbow, 1.2, 0.3)
    other_side = stats.norm.logpdf(elbow, -1.2, 0.3)
    log_p = jnp.logaddexp(one_side, other_side) - jnp.log(2)
    log_p += stats.norm.logpdf(shoulder, 0, 0.6)
    log_p += stats.norm.logpdf(wrist, -0.5 * elbow, 0.4)
    return log_p + stats.norm.logpdf(place, hand(angles), 0.1).sum(axis=-1)


rows, rows_test = jnp.split(
    draw_arm(jax.random.key(4), 22_000), [16_000]
)  # fmt: skip

# %% [markdown]
# Two choices make four flows: couplings or masked layers, lines or splines. Each has four layers of width 32, and each
# is trained twice by the same recipe, from two random starts.
#
# **Predict** the order in which they will finish.

# %%
shape = (5, 4, [32])  # entries, layers, widths
kinds = {
    "coupling, lines": partial(RealNVP, *shape, stacked=True),
    "coupling, splines": partial(SplineFlow, *shape),
    "masked, lines": partial(MAF, *shape),
    "masked, splines": partial(MAF, *shape, transformer=SplineTransformer()),
}

# %%
table = {}
for name, kind in kinds.items():
    table[name] = [kind(rngs=nnx.Rngs(seed)) for seed in (0, 1)]
    for model in table[name]:
        train(model, rows, epochs=10)

# %%
exact_arm = arm_log_prob(rows_test)
print(f"exact mean log-density {with_error(exact_arm)}")
for name, pair in table.items():
    weights = jax.tree.leaves(nnx.state(pair[0], nnx.Param))
    gaps = "  ".join(gap(model, rows_test, exact_arm) for model in pair)
    print(f"{name:18} {sum(w.size for w in weights):6,} weights, gap {gaps}")

# %% [markdown]
# **Answer.** In order of finish: masked splines, coupling splines, masked lines, coupling lines. That holds for both
# starts, but not at equal size: splines come with many more weights, masked layers with more than couplings.
#
# All flows see the same test rows. What differs between rows cancels in the gap, so its ± is smaller than that of the
# exact mean. The ± covers rows; two starts may differ by more.
#
# Samples of the best flow, beside the data: where is it wrong?

# %% alt="Four panels. The places of the hand form an arc, in the data and in the samples. Elbow against wrist forms two separate tilted clouds in the data; the samples have the same two clouds and a few points between them." caption="Data (grey) and samples of the masked spline flow (blue). Left: the arc of places that the hand reaches. Right: the two ways to bend the elbow. In the data almost no point lies between the two clouds. The samples leave a few there: the flow pulls one round cloud apart, and has not pulled far enough."
samples = nnx.jit(lambda model: model.sample(jax.random.key(5), (3000,)))(
    table["masked, splines"][0]
)
names = ("hand, horizontal", "hand, vertical", "shoulder", "elbow", "wrist")
pairs = {"data": (rows_test[:3000], GREY), "samples": (samples, BLUE)}
fig, axes = plt.subplots(1, 4, figsize=(10, 2.9))
for n, (i, j) in enumerate([(0, 1), (3, 4)]):
    for ax, (title, (cloud, colour)) in zip(
        axes[2 * n : 2 * n + 2], pairs.items(), strict=True
    ):
        ax.scatter(cloud[:, i], cloud[:, j], s=1, color=colour)
        unit = "" if n == 0 else " (radians)"
        ax.set(title=title, xlabel=names[i] + unit, ylabel=names[j] + unit)
        ax.set(xlim=(-2.8, 2.8), ylim=(-2.8, 2.8), aspect="equal")

# %% [markdown]
# ## 3a.6 Images: dequantization and logits
#
# Grey levels are whole numbers, and a flow gives a density. The two do not fit, and a likelihood of images means
# nothing until they are made to. The digits have 64 pixels of 17 grey levels $k=0,\dots,16$: *numbers of a finite set*,
# which have probabilities. What happens if one fits a density anyway?

# %% [markdown] tags=["derivation"]
# Put a narrow normal of width $\epsilon$ on each level, weighted by how often the level occurs. As $\epsilon\to0$ the
# mean log-density of the data is
#
# $$\mathbb E\log p(k)\approx-H(k)-\log\epsilon-\tfrac12\log2\pi\;\longrightarrow\;+\infty .$$
#
# A perfect score, for a model that knows nothing but that levels are whole numbers. A likelihood without an upper bound
# ranks no models.

# %%
digits = data.digits_8x8()
k_train, k_valid, k_test = (
    np.round(16 * part.images).astype(int).reshape(-1, 64)
    for part in (digits.train, digits.valid, digits.test)
)
share = np.bincount(k_train.ravel(), minlength=17) / k_train.size


# %%
@jax.jit
def peaks(width):
    level = jnp.arange(17)
    density = stats.norm.logpdf(level[:, None], level, width)
    return jax.nn.logsumexp(density, axis=1, b=share)


for width in (0.3, 1e-2, 1e-4, 1e-6):
    bits_per_pixel = -(share * peaks(width)).sum() / np.log(2)
    print(f"ε = {width:g}: {bits_per_pixel:7.2f} bits per pixel")

# %% [markdown]
# Negative bits: such a file would be shorter than nothing.
#
# **Dequantization** spreads level $k$ over an interval of width 1: $y=(k+u)/17$ with $u\in[0,1)$. Flows like the whole
# line, so they see **logits** of $y$, $v=\operatorname{logit}(\alpha+(1-2\alpha)y)$; the constant $\alpha$ keeps $v$
# finite.


# %%
def image_flow(num_context=0, seed=0):
    """A MAF of logits of y in [0, 1]."""
    maf = MAF(64, 4, [128], num_context=num_context, rngs=nnx.Rngs(seed))
    return Flow(64, Chain([maf.bijection, Logit(64, alpha=0.05)]))


# %%
def bits(model, batch, key):
    """Mean bits per pixel of levels k; batch is (k, amount of noise)."""
    k, amount = batch
    u = 0.5 + amount[:, None] * (jax.random.uniform(key, k.shape) - 0.5)
    log_prob = model.log_prob((k + u) / 17)
    return bits_per_dim(64 * jnp.log(17) - log_prob, 64).mean()


# %% [markdown]
# A flow that learns finds the spikes just as well, if $u$ does not vary. Two trainings of one model by the same loss,
# one with $u=\frac12$ throughout, one with uniform $u$.
#
# **Predict:** where do the two training losses end?

# %% alt="Training loss in bits per pixel against the epoch. With uniform noise the curve falls quickly and levels off a little above 2. Without noise it falls far below that, to about a half, and still falls slowly when training ends." caption="Training loss of the same model on the same digits, with $u=\\frac12$ throughout (orange) and with uniform $u$ (blue). Without noise the loss is far lower, and has no floor."
colours = {"no noise": ORANGE, "uniform noise": BLUE}
trained = {name: image_flow() for name in colours}
for amount, (name, colour) in enumerate(colours.items()):
    parts = [
        (k.astype(np.float32), np.full(len(k), amount, np.float32))
        for k in (k_train, k_valid)
    ]
    history = train(
        trained[name], parts[0], epochs=25, rate=3e-3, loss=bits,
        batch_size=64, validation=parts[1],
    )  # fmt: skip
    plt.plot(history.train_loss, label=name, color=colour)
plt.gca().set(xlabel="epoch", ylabel="training loss (bits per pixel)")
legend = plt.legend()

# %% [markdown]
# **Answer.** The loss with uniform noise ends a little above two bits per pixel, that without noise far below, and
# still falling: spikes can always be made narrower.
#
# ### What goes wrong: a density on whole numbers
#
# Is the model without noise the better one? Both, on test digits, without noise and with it:


# %%
@nnx.jit
def test_bits(model, amount, key):
    u = 0.5 + amount * (jax.random.uniform(key, k_test.shape) - 0.5)
    log_prob = model.log_prob((k_test + u) / 17)
    return bits_per_dim(64 * jnp.log(17) - log_prob, 64)


for name, model in trained.items():
    for amount, noise in ((0.0, "u = 1/2:  "), (1.0, "u uniform:")):
        values = test_bits(model, amount, jax.random.key(9))
        print(f"{name:14} {noise} {with_error(values, 'bits per pixel')}")

# %% [markdown]
# The model without noise has spikes at $u=\frac12$ and almost no density beside them: with uniform $u$ it needs more
# than a hundred bits a pixel. Its low figure speaks of $u=\frac12$, not of digits. What does the other figure mean?
#
# ## 3a.7 What the bits bound
#
# We want the probability of whole numbers, since that is what a file would cost. A density of dequantized images yields
# one.

# %% [markdown] tags=["derivation"]
# A density $p(y)$ of the dequantized image *induces* a probability of the levels: the integral over the cell of $k$,
#
# $$P(k)=\int_{[0,1)^d}p\Bigl(\frac{k+u}{K}\Bigr)\,K^{-d}\,du,$$
#
# with $K$ levels in $d$ pixels. These do sum to 1 (if $p$ lives in the unit cube). By Jensen's inequality
#
# $$\log P(k)=\log\mathbb E_u\Bigl[p\Bigl(\frac{k+u}{K}\Bigr)K^{-d}\Bigr]\;\ge\;\mathbb E_u\log p\Bigl(\frac{k+u}{K}\Bigr)-d\log K .$$
#
# So **uniform dequantization trains on a lower bound** of a proper log-likelihood (Theis et al., 2016): bits so
# obtained are honest, at worst too many. For any density $q(u\mid k)$ of the noise, likewise,
#
# $$\log P(k)\ge\mathbb E_{q}\Bigl[\log p\Bigl(\frac{k+u}{K}\Bigr)-d\log K-\log q(u\mid k)\Bigr].$$
#
# **What is lost?** Given $k$, the model itself says where in the cell $u$ lies:
# $p(u\mid k)=p\bigl(\frac{k+u}K\bigr)K^{-d}/P(k)$. Solve this for $p$ and put it into the bound:
#
# $$\log P(k)-\text{bound}=\mathbb E_q\bigl[\log q(u\mid k)-\log p(u\mid k)\bigr]=\mathrm{KL}\bigl(q(u\mid k)\,\|\,p(u\mid k)\bigr).$$
#
# The loss is a KL divergence, zero for $q=p(u\mid k)$ alone. To learn $q$ as well is **variational dequantization** (Ho
# et al., 2019): a flow draws $u$, given $k$. Several draws tighten the bound, too: take the logarithm of the mean of
# $M$ densities, in place of the mean of $M$ logarithms.

# %% [markdown]
# One pixel, where the integral can be done. Let the logit of $y$ be $\mathcal N(-1,0.3^2)$, and $K=4$.
#
# **Predict:** for which levels is the uniform bound loose?


# %% tags=["nbval-check-output"]
def log_mean_exp(values):
    return np.logaddexp.reduce(values) - np.log(len(values))


u = (np.arange(4000) + 0.5) / 4000
print("level   log P    uniform noise    KL   best noise")
for k in range(4):
    y = (k + u) / 4
    log_p = stats.norm.logpdf(np.log(y / (1 - y)), -1, 0.3)
    log_p = np.float64(log_p) - np.log(y * (1 - y)) - np.log(4)  # p(y) / K
    log_q = log_p - log_mean_exp(log_p)  # the best noise, p(u | k)
    best_noise = (np.exp(log_q) * (log_p - log_q)).mean()
    numbers = (log_mean_exp(log_p), log_p.mean(), -log_q.mean(), best_noise)
    print(f"{k}   " + "".join(f"{number:11.2f}" for number in numbers))

# %% [markdown]
# **Answer.** The uniform bound is loose for levels 3, 0 and 2, by 36.25, 12.63 and 5.31 nats, and least so for level 1,
# where the density has its peak. The loss is the KL divergence from flat noise to the density within the cell: large
# where that density changes by many powers of ten. With the best noise nothing is lost.
#
# Now the digits. The trained flow stays as it is; only the noise learns.

# %%
fixed = trained["uniform noise"]


def bits_with_learned_noise(dequantizer, k, key):
    bound = flows.dequantization_bound(fixed, dequantizer, key, k)
    return bits_per_dim(-bound, 64).mean()


# %%
noise_flow = RealNVP(
    64, 4, [64], num_context=64, stacked=True, rngs=nnx.Rngs(1)
)  # fmt: skip
dequantizer = flows.VariationalDequantizer(noise_flow, num_levels=17)
history = train(
    dequantizer, k_train, epochs=25, rate=5e-3, batch_size=64,
    loss=bits_with_learned_noise, validation=k_valid,
)  # fmt: skip

# %%
keys = map(jax.random.key, range(32))
draws = np.stack([test_bits(fixed, 1.0, key) for key in keys])
learned_bound = nnx.jit(flows.dequantization_bound)(
    fixed, dequantizer, jax.random.key(0), k_test
)
learned = bits_per_dim(-learned_bound, 64)
in_nats = -draws * 64 * np.log(2)
several = bits_per_dim(
    np.log(32) - np.logaddexp.reduce(in_nats, axis=0), 64
)  # fmt: skip

# %%
results = {"uniform, 1 draw": draws[0], "learned, 1 draw": learned}
results |= {"uniform, 32 draws": several}
results |= {"learned minus uniform": learned - draws[0]}
for name, values in results.items():
    print(f"{name:21} {with_error(values, 'bits per pixel')}")

# %% [markdown]
# Three bounds on *one* number, the model's probability of the test digits; the model is the same in all three rows.
# Learned noise is tighter than uniform noise, by many errors of the paired difference, and a mean over many draws shows
# that there is more to be had.
#
# ## 3a.8 What a published number says
#
# Bits per pixel are compared across papers, and it is easy to get them wrong by a forgotten constant. One published
# pair of numbers, taken apart:

# %% [markdown] tags=["derivation"]
# The logit is one more map of the chain, with a log-determinant. If the flow gives the density $p(v)$ of logits $v$,
# the bits per pixel of the *levels* are (Papamakarios et al., 2017)
#
# $$-\frac{\log p(v)}{d\log2}+\log_2K-\log_2(1-2\alpha)+\frac1d\sum_i\bigl[\log_2\sigma(v_i)+\log_2(1-\sigma(v_i))\bigr],$$
#
# with the logistic function $\sigma$. Three things must be named beside a figure: levels $K$, $\alpha$, and whether it
# is a bound.
#
# On MNIST the paper reports $\log p(v)=-1300.5$ nats for a MAF of five layers, $-1323.2$ for RealNVP, with
# $\alpha=10^{-6}$. The last term depends on the data alone. So from these the bits can be worked out, on any digits of
# the same kind.

# %%
published = {"RealNVP(5)": -1323.2, "MAF(5)": -1300.5}  # nats of logits
mnist = data.mnist_5k().train
levels = np.round(255 * mnist.images).astype(int).reshape(-1, 784)
to_logits = jax.jit(lambda y: Logit(784, 1e-6).inverse(y)[0])
logits = to_logits(dequantize(jax.random.key(0), levels))
for name, nats in published.items():
    log_p = jnp.full(len(levels), nats)
    per_image = flows.logit_bits_per_dim(log_p, logits, 1e-6)
    forgotten = 8 - nats / (784 * np.log(2))
    print(f"{name:11} {with_error(per_image, 'bits per pixel')};", end=" ")
    print(f"without the log-determinant {forgotten:.2f}")

# %% [markdown] numbers={"1.93": "cited: Papamakarios et al. 2017, bits per pixel", "1.89": "cited: Papamakarios et al. 2017, bits per pixel"}
# The paper prints 1.93 and 1.89, about a hundredth less. Our 4,000 digits hold each class equally often; the paper's
# test set does not, and ones, which need the fewest bits, are the most frequent there. Weighted by its frequencies:

# %%
counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # MNIST, test
by_digit = [mean_and_error(per_image[mnist.labels == c]) for c in range(10)]
middle, error = np.array(by_digit).T
frequency = np.array(counts) / 10_000
extra = {name: (nats + 1300.5) / 784 for name, nats in published.items()}
for name, shift in extra.items():
    weighted = frequency @ middle - shift / np.log(2)
    uncertain = np.sqrt(frequency**2 @ error**2)
    print(f"{name:11} {weighted:.3f} ± {uncertain:.3f} bits per pixel")

# %% [markdown] tags=["box"] numbers={"2.04": "cited: Papamakarios et al. 2017, bits per pixel", "1.52": "cited: Papamakarios et al. 2017, bits per pixel", "1.93": "cited: the same", "1.89": "cited: the same"}
# **Where 1.89 comes from.** So the paper's 1.93 and 1.89 bits per pixel are its nats in another unit: weighted by the
# same class frequencies, and allowing for rounding, they agree within about an error and a half. Its MADE has 2.04, a
# MAF with mixtures 1.52. These are bounds by uniform dequantization, in 256 levels. PixelCNN's figures on the same
# digits (chapter 2b) are exact probabilities of levels. A smaller number from another $K$, $\alpha$ or data set says
# nothing.

# %% [markdown] tags=["quiz"]
# **A flow trained on whole grey levels, without noise, reports fewer than 0 bits per pixel on new images. What
# follows?**
#
# - [ ] It compresses better than any code can. :: No code needs fewer than no bits. The figure is a log-density, and
#   densities may exceed 1.
# - [x] Nothing about how probable the images are: spikes on the levels give any figure. :: Right: the narrower the
#   spikes, the higher the density on them.
# - [ ] It has overfitted, and more data would help. :: New images have whole levels too, so the spikes pay there as
#   well.

# %% [markdown] tags=["quiz"]
# **The flow is kept, only the noise is learned, and the reported bits fall. What has become better?**
#
# - [ ] The flow's probability of the images. :: The flow is untouched, so $P(k)$ is what it was.
# - [x] The bound: the noise now resembles the flow's own density within a cell. :: Right: what the bound loses is
#   $\mathrm{KL}(q(u\mid k)\,\|\,p(u\mid k))$, and that has shrunk.
# - [ ] The images, as learned noise is smaller. :: Noise that avoids parts of the cell pays for it by its own
#   log-density $\log q$.

# %% [markdown] tags=["quiz"]
# **One paper reports fewer bits per pixel with 32 grey levels than another with 256, both on the same photographs.
# Which model is the better one?**
#
# - [ ] The first, since bits are bits. :: Rounding to 32 levels throws three bits of each pixel away before any model
#   begins.
# - [ ] The second, since it handles more levels. :: It may be better or worse; the figures do not say.
# - [x] The figures cannot tell. :: Right: $K$ differs, so they are bits of different messages.

# %% [markdown]
# ## 3a.9 Given a class
#
# Often one wants not any digit but a certain one, or the reverse: which digit is this? A conditional flow answers both.
# It reads a **context** $c$ in every conditioner: $p(x\mid c)$. Here the context is the class, as ten numbers of which
# one is 1; everything else is as in section 3a.6.


# %%
def bits_given_class(model, batch, key):
    k, context = batch
    log_prob = model.log_prob(dequantize(key, k, 17), context)
    return bits_per_dim(64 * jnp.log(17) - log_prob, 64).mean()


# %%
one_hot = [
    jax.nn.one_hot(part.labels, 10) for part in (digits.train, digits.valid)
]
by_class = image_flow(num_context=10)
history = train(
    by_class, (k_train, one_hot[0]), epochs=25, rate=3e-3, batch_size=64,
    loss=bits_given_class, validation=(k_valid, one_hot[1]),
)  # fmt: skip

# %% tags=["cover"] alt="Ten rows of ten grey digits of 8 by 8 pixels, one row for each class from 0 to 9. Many can be recognised as the digit of their row; some are noisy." caption="Samples of the conditional flow, one row for each class. Most can be recognised; the noise in the paper around them is part of the model, which knows no exact white."
draw = nnx.jit(
    lambda model, key: model.sample(
        key, (100,), jnp.repeat(jnp.eye(10), 10, axis=0)
    )
)
drawn = np.clip(draw(by_class, jax.random.key(0)), 0, 1).reshape(10, 10, 8, 8)
fig = image_rows({str(c): drawn[c] for c in range(10)}, cell=0.42)

# %% [markdown]
# The same model classifies, by Bayes' rule: which class makes the digit most probable? And it has a density without the
# class, its own mean over ten classes, $p(y)=\frac1{10}\sum_cp(y\mid c)$.
#
# **Predict:** how many bits a pixel can the class save at most, and how many does it save?

# %%
y = dequantize(jax.random.key(9), k_test, 17)
classes = np.eye(10, dtype=np.float32)
per_class = np.stack([by_class.log_prob(y, c) for c in classes], axis=1)
right_class = per_class[np.arange(len(y)), digits.test.labels]
own_mean = np.logaddexp.reduce(per_class, axis=1) - np.log(10)
given, mixture = (
    bits_per_dim(64 * np.log(17) - log_p, 64)
    for log_p in (right_class, own_mean)
)

# %%
separate = test_bits(fixed, 1.0, jax.random.key(9))
for name, values in {
    "given the class": given,
    "mean over classes": mixture,
    "trained without": separate,
    "class saves": mixture - given,
    "trained without - mean": separate - mixture,
}.items():
    print(f"{name:23} {with_error(values, 'bits per pixel')}")
print(f"at most                 {np.log2(10) / 64:.3f} bits per pixel")

# %% [markdown]
# **Answer.** The class saves 0.048 bits a pixel, nearly all that it can: it is worth at most $\log_210\approx3.3$ bits
# an image, which is 0.052 bits a pixel. That bound holds against the model's *own* mean over classes only. The model
# trained without classes is another one, and in these two trainings the worse one (row "trained without - mean").
#
# How good is the classifier? The simplest rival takes the class of the nearest training digit:

# %%
squares = ((k_test[:, None] - k_train[None]) ** 2).sum(axis=-1)
nearest = digits.train.labels[squares.argmin(axis=1)]
for name, guess in {
    "Bayes' rule": per_class.argmax(axis=1),
    "nearest digit": nearest,
}.items():
    correct, uncertain = mean_and_error(guess == digits.test.labels)
    print(f"{name:14} {correct:.1%} ± {uncertain:.1%} of {len(y)} digits")

# %% [markdown]
# So few digits cannot decide between the two. (The ± covers digits.)
#
# ## 3a.10 Deep flows compile once
#
# Depth helps a flow, but waiting for the compiler does not. XLA compiles a whole program, and a `Chain` of 32 layers is
# a long one. But the layers are alike: `Stack` keeps their parameters in arrays with a leading axis of length $N$, and
# `lax.scan` walks along it. The compiler sees one layer. (Nothing is trained here, so all layers may have one mask.)

# %%
# What is compiled here is not kept on disk.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)


def compiled(container, num_layers):
    """Lines of the program for the score, and the time to compile it."""
    rngs = nnx.Rngs(0)
    layers = [Coupling([0, 1], [32], rngs=rngs) for _ in range(num_layers)]
    flow = Flow(2, container(layers))
    score = jax.grad(lambda x: flow.log_prob(x).sum())
    program = jax.jit(score).lower(jnp.zeros((256, 2)))
    length = len(program.as_text().splitlines())
    return length, timeit.timeit(program.compile, number=1)


costs = {c.__name__: [compiled(c, n) for n in (4, 32)] for c in (Stack, Chain)}
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# %% [markdown]
# **Predict:** eight times as many layers: how many times as long a program, and how many times the wait?

# %%
for name, ((lines_4, time_4), (lines_32, time_32)) in costs.items():
    print(f"{name}: {lines_4} lines for 4 layers, {lines_32} for 32;", end=" ")
    print(f"compile time × {time_32 / time_4:.1f}")

# %% [markdown]
# **Answer.** The program of a `Stack` is exactly as long for 32 layers as for 4, and the wait does not grow. That
# of a `Chain` is more than seven times as long, and the wait grows with it, though less, since some of it is spent on
# every program.
#
# A `Stack` needs layers of equal structure. Where masks alternate, a pair of layers is repeated; where orderings
# alternate, as in MAF, they are data, and one layer is enough.

# %% [markdown] tags=["box"]
# ## Summary
#
# - MADE with normal conditionals is a flow of one layer. MAF stacks such layers *with changing orders*; in one order,
#   any number of them is one.
# - A triangular map with free curves can make any positive density normal (Rosenblatt). Lines cannot; splines come
#   close.
# - MAF: density in one pass a layer, samples in $d$. IAF: the other way about. Coupling: one pass both ways, and less
#   done in it.
# - A rational-quadratic spline increases whatever its slopes; its inverse is a root, to be taken in the stable form.
# - Permutations move no volume; a matrix in LU factors has its determinant on a diagonal.
# - Whole numbers have no density: dequantize. What is then reported is a bound, in bits per dimension, with all
#   log-determinants; it loses the KL divergence from the noise to the model's own density within a cell.
# - Alike layers, scanned, compile in the time of one.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 3a.1 ★ — How many passes?
# A flow has `layers` layers in `d` dimensions. Return how many passes through a conditioner `task` takes, `"density"`
# or `"sample"`, for `kind` `"MAF"`, `"IAF"` or `"coupling"`.
#
# **Hint.** Ask for each pair what is given. If everything that the conditioner reads is given, one pass a layer is
# enough.
#
# **Hint.** Two of the six pairs are slow, and they take `d` passes in *every* layer.


# %% tags=["exercise"]
def passes(kind, task, d, layers):
    ### BEGIN SOLUTION
    slow = {"MAF": "sample", "IAF": "density"}.get(kind)
    return layers * (d if task == slow else 1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.1") as check:
    for kind, task, answer, hint in (
        ("MAF", "density", 5, "All of x is given: one pass a layer."),
        ("MAF", "sample", 320, "Each entry waits for the one before."),
        ("IAF", "density", 320, "Its z must be found entry by entry."),
        ("IAF", "sample", 5, "All of z is given: one pass a layer."),
        ("coupling", "sample", 5, "The kept half is given either way."),
    ):
        got = passes(kind, task, 64, 5)
        check.close(f"{kind}, {task}", got, answer, hint=hint)

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 3a.2 ★ — What a label is worth
# A model of images with `dims` numbers each is told which of `classes` equally frequent classes an image shows. By at
# most how many bits per dimension does that help, against its own mean over the classes?
#
# **Hint.** How many bits does it take to name one of `classes` classes? They are spread over the whole image.


# %% tags=["exercise"]
def most_that_a_label_saves(classes, dims):
    ### BEGIN SOLUTION
    return np.log2(classes) / dims
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.2") as check:
    check.close(
        "ten digits of 64 pixels", most_that_a_label_saves(10, 64),
        bits_per_dim(np.log(10), 64),
        hint="The logarithm of the number of classes, over the pixels.",
    )  # fmt: skip
    check.close(
        "a thousand classes, 3,072 numbers",
        most_that_a_label_saves(1000, 3072), 3 * np.log2(10) / 3072,
        hint="Bits: a logarithm to the base 2.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 3a.3 ★ — MAF turned round is IAF
# MAF's inverse is $z_i=(x_i-b_i)e^{-s_i}$. Seen as a map from $x$ to $z$ it has the form of IAF's forward direction,
# $z_i=b_i'+e^{s_i'}x_i$. Return $(b',s')$.
#
# **Hint.** Multiply the bracket out, and compare the two factors of $x_i$ first.


# %% tags=["exercise"]
def turned_round(shift, log_scale):
    ### BEGIN SOLUTION
    return -shift * jnp.exp(-log_scale), -log_scale
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.3") as check:
    both = nnx.jit(lambda layer, x: (parameters(layer, x), layer.inverse(x)))
    some = jax.random.normal(jax.random.key(1), (4, 5))
    given_pair, (expected_z, expected_det) = both(layer, some)
    turned = turned_round(*given_pair)
    check.close(
        "b′ + exp(s′) x is MAF's z",
        turned and turned[0] + np.exp(turned[1]) * some,
        expected_z, rtol=1e-3, atol=1e-3,
        hint="Multiply (x − b) exp(−s) out.",
    )  # fmt: skip
    check.close(
        "the log-determinant is the sum of s′",
        turned and turned[1].sum(axis=1),
        expected_det, rtol=1e-3, atol=1e-3,
        hint="s′ is the exponent in front of x.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 3a.4 ★ — Through a knot
# A spline has knots $(0,0)$, $(1,3)$, $(2,4)$ with slopes 1, `slope`, 1. Return the value of the curve at $z=0.5$ (use
# `bin_curve`).
#
# **Hint.** $z=0.5$ lies in the first bin. Which share of its width is that, and what are its height and its mean slope?
#
# **Hint.** `bin_curve` returns a *share* of the height; the bin begins at $x=0$.


# %% tags=["exercise"]
def spline_at_one_half(slope):
    ### BEGIN SOLUTION
    return 3 * bin_curve(0.5, 3.0, 1.0, slope)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.4") as check:
    for slope in (0.5, 2.0):
        two_bins = [
            np.array(row, np.float32)
            for row in ([0.0, 1.0, 2.0], [0.0, 3.0, 4.0], [1.0, slope, 1.0])
        ]
        spline = jax.jit(rational_quadratic_forward)
        check.close(
            f"slope {slope} at the middle knot", spline_at_one_half(slope),
            spline(np.float32(0.5), *two_bins)[0], rtol=1e-4,
            hint="Height 3, mean slope 3; bin_curve gives a share.",
        )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 3a.5 ★★ — Solve with the factors
# Let $x=PLUz$, with a permutation matrix $P$, lower triangular $L$, upper triangular $U$. Return $z$ for one $x$,
# without inverting a full matrix. `jax.scipy.linalg.solve_triangular(A, b, lower=...)` is what you need.
#
# **Hint.** Undo the outermost factor first. The inverse of a permutation matrix is its transpose.
#
# **Hint.** Two calls are left: one with $L$ and `lower=True`, then one with $U$ and `lower=False`.


# %% tags=["exercise"]
def solve_factors(P, L, U, x):
    ### BEGIN SOLUTION
    z = jax.scipy.linalg.solve_triangular(L, P.T @ x, lower=True)
    return jax.scipy.linalg.solve_triangular(U, z, lower=False)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.5") as check:
    image = jnp.arange(1.0, 6.0)
    check.close(
        "as the library's inverse", solve_factors(P, L, U, image),
        linear.inverse(image)[0], rtol=1e-3, atol=1e-4,
        hint="Undo P first; its inverse is its transpose. Then L, then U.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 3a.6 ★★ — Bits from logits
# A flow gives `log_p`, the log-density in nats of the logits `v`, shape `(n, d)`, of images with `num_levels` grey
# levels, with $\alpha=0$. Return the bits per pixel of each image.
#
# **Hint.** First the density of $y=\sigma(v)$: which log-determinant turns $\log p(v)$ into $\log p(y)$?
#
# **Hint.** $\log p(y)=\log p(v)-\sum_i\log\sigma(v_i)(1-\sigma(v_i))$. A level is an interval of width $1/K$ in each
# pixel; and nats become bits by $\log2$. `jax.nn.log_sigmoid` is safe for large $v$.


# %% tags=["exercise"]
def bits_from_logits(log_p, v, num_levels):
    ### BEGIN SOLUTION
    d = v.shape[-1]
    log_slope = jax.nn.log_sigmoid(v) + jax.nn.log_sigmoid(-v)  # of y = σ(v)
    nats = d * jnp.log(num_levels) - log_p + log_slope.sum(axis=-1)
    return nats / (d * jnp.log(2))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.6") as check:
    v = np.random.default_rng(2).normal(size=(6, 10))
    nats_of_v = -0.5 * (v**2 + np.log(2 * np.pi)).sum(axis=1)
    check.close(
        "as in the library", bits_from_logits(nats_of_v, v, 17),
        flows.logit_bits_per_dim(nats_of_v, v, 0.0, 17), rtol=1e-4,
        hint="log p(y) = log p(v) − Σ log σ(v)(1 − σ(v)); then levels.",
    )  # fmt: skip
    flat = -(np.logaddexp(0, v) + np.logaddexp(0, -v)).sum(axis=1)
    check.close(
        "a uniform density costs log₂ K bits", bits_from_logits(flat, v, 256),
        np.full(6, 8.0), rtol=1e-4, hint="Here log p(y) = 0.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 3a.7 ★★ — Two layers in one order are one
# Section 3a.1 says that two layers in the same order can be written as one. Show it. Going from data to base points,
# the first layer makes $t_i=(x_i-b_i)e^{-s_i}$, the second $z_i=(t_i-b_i')e^{-s_i'}$, where all four numbers depend on
# entries before the $i$-th alone. Find $B_i$ and $S_i$ with $z_i=(x_i-B_i)e^{-S_i}$, and return them.
#
# **Hint.** Put the first formula into the second, and take $e^{-s_i}$ out of the bracket.
#
# **Hint.** $b_i'=\bigl(b_i'e^{s_i}\bigr)e^{-s_i}$.


# %% tags=["exercise"]
def two_in_one(b, s, b_next, s_next):
    ### BEGIN SOLUTION
    return b + b_next * jnp.exp(s), s + s_next
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.7") as check:
    b, s, b_next, s_next, x_i = np.random.default_rng(3).normal(size=(5, 8))
    joined = two_in_one(b, s, b_next, s_next)
    z_i = ((x_i - b) * np.exp(-s) - b_next) * np.exp(-s_next)
    check.close(
        "z by one layer", joined and (x_i - joined[0]) * np.exp(-joined[1]),
        z_i, rtol=1e-3, atol=1e-4, hint="b′ is a shift of t, not of x.",
    )  # fmt: skip
    check.close(
        "the log-determinants add", joined and joined[1], s + s_next,
        rtol=1e-4, hint="Stretch by exp(−s), then by exp(−s′).",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 3a.8 ★★ — A sampler that does not invert
# Somebody wrote MAF's sampler by hand. It runs, the first entry is right, and the others are wrong:
#
# ```python
# def sample_by_hand(layer, z):
#     x = jnp.zeros_like(z)
#     shift, log_scale = parameters(layer, x)
#     for i in range(z.shape[-1]):
#         x = x.at[:, i].set(shift[:, i] + jnp.exp(log_scale[:, i]) * z[:, i])
#     return x
# ```
#
# Find the fault, and write the function anew.
#
# **Hint.** From which $x$ are the parameters of the second entry computed?
#
# **Hint.** $b_2$ needs $x_1$. When the parameters are computed, $x_1$ is still 0.


# %% tags=["exercise"]
def sample_by_hand(layer, z):
    ### BEGIN SOLUTION
    x = jnp.zeros_like(z)
    for i in range(z.shape[-1]):
        shift, log_scale = parameters(layer, x)
        x = x.at[:, i].set(shift[:, i] + jnp.exp(log_scale[:, i]) * z[:, i])
    return x
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.8") as check:
    base_points = jax.random.normal(jax.random.key(2), (4, 5))
    check.close(
        "as the library's forward direction",
        sample_by_hand(layer, base_points),
        layer.forward(base_points)[0], rtol=1e-3, atol=1e-3,
        hint="Compute shift and log-scale again after each new entry.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 3a.9 ★★ — One order, mixed
# In section 3a.1 four masked layers in one order closed none of the gap. Keep the order of all four, put something of
# section 3a.4 between them, train on `arch`, and return the flow. The target: a gap of at most 0.1 nats on
# `arch_test`.
#
# **Hint.** A `Chain` may mix maps of any kind. Which of them lets the second layer see the other entry first?
#
# **Hint.** `Chain([layer, flows.Permutation([1, 0])])` four times, in a `Stack`; then `train(…, arch, epochs=16)`.


# %% tags=["exercise"]
def mixed_between():
    ### BEGIN SOLUTION
    pairs = []
    for seed in range(4):
        masked = flows.MaskedAutoregressive(2, [32], rngs=nnx.Rngs(seed))
        pairs.append(Chain([masked, flows.Permutation([1, 0])]))
    model = Flow(2, Stack(pairs))
    train(model, arch, epochs=16)
    return model
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.9") as check:
    model = mixed_between()
    missing = model is None
    if not missing:
        parts = [part for _, part in nnx.iter_graph(model)]
        orders = np.vstack(
            [p.ordering[...] for p in parts if hasattr(p, "ordering")]
        )
        alike = len(orders) == 4 and bool((orders == orders[0]).all())
        left_over = arch_log_prob(arch_test) - model.log_prob(arch_test)
    check.true(
        "four masked layers in one order",
        ... if missing else alike,
        hint="Leave `ordering` alone, and use no MAF: it reverses.",
    )
    check.true(
        "at most 0.1 nats of gap",
        ... if missing else left_over.mean() <= 0.1,
        hint="Does each layer see the entries in another order?",
    )

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 3a.10 ★★★ — In which order?
# Train one layer of lines on the arch, as `models["one layer"]` was, but in the order $x_2,x_1$. Return the flow and
# its mean gap in nats on `arch_test`. With $d$ entries there are $d!$ orders: how would you choose one?
#
# **Hint.** `flows.MaskedAutoregressive` takes `ordering=[1, 0]`; `Flow(2, layer)` makes a density of it.


# %% tags=["exercise"]
def the_other_order():
    ### BEGIN SOLUTION
    # In this order both conditionals are normal, and most of the gap goes;
    # the rest is the network's, whose tanh units meet a mean that grows
    # without bound. With free curves every order is exact (Rosenblatt,
    # 1952). With lines the order matters so much that under conditions it
    # can be told from the density, and Khemakhem et al. (2021,
    # arXiv:2011.02268) read causes from it: here x₂ makes x₁. How to find
    # a good order of many entries without trying them is open.
    layer = flows.MaskedAutoregressive(
        2, [32], ordering=[1, 0], rngs=nnx.Rngs(0)
    )
    model = Flow(2, layer)
    train(model, arch, epochs=16)
    rest = arch_log_prob(arch_test) - model.log_prob(arch_test)
    return model, float(rest.mean())
    ### END SOLUTION


# %% tags=["check"]
with exercise("3a.10") as check:
    model, found_gap = the_other_order() or (None, None)
    missing = model is None
    order = None if missing else model.bijection.ordering[...]
    hint = "The layer takes `ordering=[1, 0]`."
    check.close("the order", order, [1, 0], hint=hint)
    if not missing:
        left_over = arch_log_prob(arch_test) - model.log_prob(arch_test)
    check.close(
        "the gap, measured", found_gap,
        None if missing else left_over.mean(), rtol=1e-3, atol=1e-4,
        hint="The mean of log p − log p_model over `arch_test`.",
    )  # fmt: skip
    check.true(
        "less than 0.1 nats",
        ... if missing else left_over.mean() < 0.1,
        hint="Both conditionals are normal in this order: train on.",
    )

# %% [markdown] tags=["box"]
# **Errata that return here.** Two slips of the source's pages, met in chapters 2 and 3, would break MAF.
#
# - The page on autoregressive models writes the product from $t=1$ but expands it from $p(x_2\mid x_1)$ on. Without
#   $p(x_1)$ the model is no density: its total grows with the region.
# - The page on flows draws the way back as $f_1,f_2,\dots,f_N$. But the last layer must be undone first.

# %% tags=["nbval-check-output"]
line = np.linspace(-40, 40, 801)
given_first = jax.jit(stats.norm.pdf)(line[None, :], line[:, None] / 2, 1)
without_first = np.asarray(given_first)  # p(x₂ | x₁) alone
for half in (10, 20, 40):
    inside = abs(line) <= half
    print(f"|x₁| ≤ {half}: total {without_first[inside].sum() * 0.1**2:.1f}")

# %% tags=["nbval-check-output"]
g_1, g_2 = random_layer(2, 3), random_layer(2, 4, ordering=[1, 0])
forward = nnx.jit(lambda layer, z: layer.forward(z)[0])
inverse = nnx.jit(lambda layer, x: layer.inverse(x)[0])
start = np.array([0.5, -1.0])
made = forward(g_2, forward(g_1, start))
print("z                    ", start)
last_first = np.round(inverse(g_1, inverse(g_2, made)), 3)
print("f_2 first, then f_1: z =", last_first)
first_first = np.round(inverse(g_2, inverse(g_1, made)), 3)
print("f_1 first, then f_2: z =", first_first)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - **MAF**, its arch, its table of bits per pixel: G. Papamakarios, T. Pavlakou, I. Murray: *Masked Autoregressive Flow
#   for Density Estimation*, NeurIPS 2017, arXiv:1705.07057.
# - **MADE**: M. Germain, K. Gregor, I. Murray, H. Larochelle: *MADE: Masked Autoencoder for Distribution Estimation*,
#   ICML 2015, arXiv:1502.03509.
# - **The triangular map**: M. Rosenblatt: *Remarks on a Multivariate Transformation*, Annals of Mathematical Statistics
#   23, 1952.
# - **IAF**: D. P. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever, M. Welling: *Improving Variational
#   Inference with Inverse Autoregressive Flow*, NeurIPS 2016, arXiv:1606.04934.
# - **Couplings**: L. Dinh, D. Krueger, Y. Bengio: *NICE: Non-linear Independent Components Estimation*, 2014,
#   arXiv:1410.8516. **RealNVP**, logits of images: L. Dinh, J. Sohl-Dickstein, S. Bengio: *Density estimation using
#   Real NVP*, 2016, arXiv:1605.08803.
# - **Splines**: C. Durkan, A. Bekasov, I. Murray, G. Papamakarios: *Neural Spline Flows*, NeurIPS 2019,
#   arXiv:1906.04032.
# - **A matrix in LU factors**: D. P. Kingma, P. Dhariwal: *Glow: Generative Flow with Invertible 1×1 Convolutions*,
#   NeurIPS 2018, arXiv:1807.03039.
# - **Dequantization is a bound**: L. Theis, A. van den Oord, M. Bethge: *A note on the evaluation of generative
#   models*, ICLR 2016, arXiv:1511.01844.
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
