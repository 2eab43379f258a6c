# %% [markdown] tags=["frame"]
# # 3 · Normalizing flow
#
# **After this chapter you can**
# - say why a density changes height when its axis is stretched, and compute the new height;
# - write the change of variables in both of its forms, in one dimension and in many;
# - tell the generative direction of a flow from the normalizing one;
# - chain maps, with the determinants and the numbering right;
# - build a coupling layer, check its triangular Jacobian, and train RealNVP on a density in the plane;
# - grow a flow layer by layer, and measure in nats what each layer buys;
# - say what a flow cannot do: holes, separated modes, and the stretch that they would need;
# - predict the error of a round trip in float32 from the stretch of the map;
# - say how a flow serves as $q(z\mid x)$ in variational inference.
#
# **You need** chapter 0, derivatives, and the determinant of a matrix. Logarithms are natural, so likelihoods are in
# **nats**.
# **Time:** about three hours; the code itself runs in less than a minute on two cores.

# %%
from statistics import NormalDist

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from jax.scipy import stats
from jax.scipy.special import gammaln

from course_lib import notebook
from course_lib.data import toy_density
from course_lib.exercises import exercise
from course_lib.explorers import Axis, Panel, Polygons, Slider, explore
from course_lib.explorers.scenes.change_of_variables import change_of_variables_explorer
from course_lib.explorers.scenes.coupling_steps import coupling_steps_explorer
from course_lib.explorers.scenes.flow_layers import flow_layers_explorer
from course_lib.figures import flows as draw
from course_lib.figures.style import BLUE, GREEN, GREY, RED
from course_lib.flows import Affine, AffineTransformer, Chain, Coupling, Flow, RealNVP
from course_lib.probability import mean_and_error, standard_normal_log_prob
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 3.1 Probability is conserved
#
# A **normalizing flow** describes a complicated density $p(x)$ by an invertible map $x=g(z)$ from a simple density
# $\tilde p(z)$. Our first map has one knob $b$:
#
# $$g(z)=z\cosh b+\sqrt{1+z^2}\,\sinh b .$$
#
# With $z=\sinh u$ it reads $x=\sinh(u+b)$. So the map with $-b$ undoes it: that is $f=g^{-1}$.


# %% tags=["nbval-check-output"]
@jax.jit
def bend(t, b):
    return t * jnp.cosh(b) + jnp.sqrt(1 + t**2) * jnp.sinh(b)


z = jnp.array([-2.0, 0.5, 2.0])
x = bend(z, 0.8)
print("z      ", z)
print("g(z)   ", x.round(2))
print("f(g(z))", bend(x, -0.8).round(2))

# %% [markdown]
# Cut the $z$ axis into strips and put on each a bar whose **area** is the probability of that strip under
# $\tilde p=\mathcal N(0,1)$. Then let $g$ move the edges of the strips. The points of a strip stay together, so its
# probability stays what it was.
#
# **Predict.** With $b=0.8$, where do the bars become wider? What must happen to their heights?

# %% alt="Twelve coloured bars of equal width under a bell shape on the z axis, and below them the same bars after the map: those on the left are narrow, those on the right are wide and low, each with the same area as before."
edges = np.linspace(-3, 3, 13)
areas = np.diff(stats.norm.cdf(edges))
fig = draw.equal_area_bars(areas, edges, bend(edges, 0.8), (-3.5, 8), tallest=0.45)

# %% [markdown]
# A wide bar must be low and a narrow bar tall: width times height is the probability, and that is fixed. All areas
# together make 1, before and after:
#
# $$\int p(x)\,dx=\int\tilde p(z)\,dz=1 .$$
#
# Once more in slow motion: first the edges move and the heights stay, then the heights follow.


# %%
def bars_in_two_steps(step, b):
    moved, followed = jnp.clip(step, 0, 1), jnp.clip(step - 1, 0, 1)
    x_edges = (1 - moved) * edges + moved * bend(edges, b)
    width, zero = jnp.diff(x_edges), jnp.zeros(12)
    height = (1 - followed) * areas / jnp.diff(edges) + followed * areas / width
    left, right = x_edges[:-1], x_edges[1:]
    corners = jnp.stack([left, zero, left, height, right, height, right, zero], axis=-1)
    return {"bars": corners.reshape(12, 4, 2), "total": (width * height).sum()}


# %% [markdown]
# **Predict, then move.** After the first step, is the total area above 1, below 1, or 1? Does the sign of $b$ matter?
# And after the second?

# %%
explore(
    bars_in_two_steps,
    [
        Slider("step", 0.0, 2.0, 3, 0.0, label="1: edges moved, 2: heights follow", step=0.05, smooth=False),
        Slider("b", -1.2, 1.2, 13, 0.8, label="bend b", step=0.1),
    ],
    [Panel([Polygons("bars", "decoder")], Axis("x", -6, 6), Axis("area / width", 0, 0.6), aspect=2.4)],
    title="Conservation of area, step by step",
    description="Twelve bars. In the first step their edges move with the map; in the second their heights follow.",
    readouts=("total area {total:.3f}",),
    play="step",
)  # fmt: skip

# %% [markdown]
# At first 0.997, since strips beyond $\pm3$ are left out. The first step makes areas: the total is too large for every
# $b\ne0$, by a factor that section 3.2 computes. The second step takes them away again.
#
# ## 3.2 The change of variables

# %% [markdown] tags=["derivation"]
# Make the strips so thin that the densities are constant on them. A strip of width $|dz|$ becomes one of width $|dx|$,
# and conservation reads
#
# $$p(x)\,|dx|=\tilde p(z)\,|dz|\qquad\text{with } z=f(x).$$
#
# Divide by $|dx|$. The ratio of widths is the slope of $f$, written $\mathrm Df(x)$, so
#
# $$p(x)=\tilde p(f(x))\,\bigl|\mathrm Df(x)\bigr|.$$
#
# The slope of an inverse is one over the slope of the map, taken at the matching point: $\mathrm Df(x)=1/\mathrm
# Dg(f(x))$ with $\mathrm Dg=\partial g/\partial z$. That gives the second form:
#
# $$p(x)=\tilde p(f(x))\,\bigl|\mathrm Dg(f(x))\bigr|^{-1}.$$
#
# The bars stand upright, so areas count as positive: hence the absolute value, for maps that turn the axis round. In
# logarithms, $\log p(x)=\log\tilde p(f(x))+\log|\mathrm Df(x)|$. The last term is called the **log-determinant**, a name
# that will make sense in two dimensions.


# %%
@jax.jit
def log_base(z):
    return -0.5 * z**2 - 0.5 * jnp.log(2 * jnp.pi)


slope = jax.jit(jax.vmap(jax.grad(bend), in_axes=(0, None)))


@jax.jit
def log_density(x, b):
    return log_base(bend(x, -b)) + jnp.log(jnp.abs(slope(x, -b)))  # f is the bend by −b


# %% [markdown]
# Back to the bars, cut finer and finer.
#
# **Predict.** The strips are halved. By which factor does the largest difference between a bar's height and $p(x)$ at
# its middle fall?


# %% tags=["nbval-check-output"]
@jax.jit
def largest_difference(cuts):
    heights = jnp.diff(stats.norm.cdf(cuts)) / jnp.diff(bend(cuts, 0.8))
    middles = bend(0.5 * (cuts[:-1] + cuts[1:]), 0.8)
    return jnp.abs(heights - jnp.exp(log_density(middles, 0.8))).max()


for n in (12, 24, 48, 96):
    print(f"{n:3} bars: {largest_difference(np.linspace(-3, 3, n + 1)):.5f}")

# %% [markdown]
# By about four: an error of second order, and in the limit none. Now the two forms, which must give the same numbers.

# %% tags=["nbval-check-output"]
x = jnp.array([-0.5, 1.0, 4.0])
z = bend(x, -0.8)
print("with Df(x)       ", (jnp.exp(log_base(z)) * jnp.abs(slope(x, -0.8))).round(4))
print("with 1 / Dg(f(x))", (jnp.exp(log_base(z)) / jnp.abs(slope(z, 0.8))).round(4))

# %% [markdown]
# **Predict.** We integrate $\tilde p$ over a strip of $z$, and $p$ over the image of that strip. What should the two
# columns show?


# %% tags=["nbval-check-output"]
def area(log_p, low, high, num_points=2001):
    t = np.linspace(low, high, num_points)
    return np.trapezoid(np.exp(log_p(t)), t)


for low, high in [(-3.0, -1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, 3.0)]:
    left, right = bend(low, 0.8), bend(high, 0.8)
    before, after = area(log_base, low, high), area(lambda x: log_density(x, 0.8), left, right)
    print(f"z in [{low:4.1f}, {high:4.1f}]: {before:.4f}    x in [{left:5.2f}, {right:5.2f}]: {after:.4f}")

# %% [markdown]
# ### What goes wrong: the slope is forgotten
#
# To evaluate $p$ at $x$, why not look up the matching $z=f(x)$ and take its density, $\tilde p(f(x))$?
#
# **Predict.** Is the area under that curve more than 1, less than 1, or 1?

# %% alt="The density of x as a filled curve and, above it to the right of zero, the naive curve without the slope; the naive curve encloses more area."
x = np.linspace(-4.0, 10.0, 400)
plt.fill_between(x, np.exp(log_density(x, 0.8)), color=BLUE, alpha=0.3, label=r"$\tilde p(f(x))\,|Df(x)|$")
plt.plot(x, np.exp(log_base(bend(x, -0.8))), color=RED, label=r"naive: $\tilde p(f(x))$")
plt.gca().set(xlabel="$x$", ylabel="density", ylim=(0, None))
legend = plt.legend()

# %% [markdown] tags=["derivation"]
# The wrong area is known exactly. Substitute $x=g(z)$, so that $dx=\mathrm Dg(z)\,dz$:
#
# $$\int\tilde p(f(x))\,dx=\int\tilde p(z)\,\mathrm Dg(z)\,dz=\mathbb E\Bigl[\cosh b+\tfrac{z}{\sqrt{1+z^2}}\sinh
# b\Bigr]=\cosh b ,$$
#
# because the second term is odd in $z$ and averages to zero. Only $b=0$ gives 1.

# %% tags=["nbval-check-output"]
print(f"naive area   {area(lambda x: log_base(bend(x, -0.8)), -15.0, 25.0, 20001):.4f}")
print(f"cosh(b)      {jnp.cosh(0.8):.4f}")
print(f"with slope   {area(lambda x: log_density(x, 0.8), -15.0, 25.0, 20001):.4f}")

# %% [markdown] tags=["box"]
# **Erratum.** The page defines the map by $z=f(y)$ and then speaks of the density of the variable $x$. In the review
# that it follows, the data are called $y$ throughout; the page renames them to $x$ and misses this one. It must be
# $z=f(x)$: the same $x$ in $\tilde p(f(x))$ and in $|\mathrm Df(x)|$. If $y$ is any other point, the formula
# $\tilde p(f(y))\,|\mathrm Df(x)|$ is not a density. The cell takes $y=x+1$.

# %% tags=["nbval-check-output"]
x = jnp.linspace(-15.0, 25.0, 20001)
printed = jnp.exp(log_base(bend(x + 1.0, -0.8))) * jnp.abs(slope(x, -0.8))
print(f"z = f(y), y = x + 1: total {jnp.trapezoid(printed, x):.4f}")
print(f"z = f(x):            total {jnp.trapezoid(jnp.exp(log_density(x, 0.8)), x):.4f}")

# %% [markdown]
# Now the whole picture: base density, map, and pushed-forward density, cut into matching strips.
#
# **Predict, then move.** Where the map is steep, will $p(x)$ be high or low? Which slider changes the area of a strip?

# %%
change_of_variables_explorer()

# %% [markdown]
# Neither: a steep map makes a wide, low strip.
#
# ## 3.3 The pushforward, by sampling
#
# Sample $z$ from $\tilde p$ and apply $g$. The distribution of the results is called the **pushforward** of $\tilde p$
# under $g$, written $g_*\tilde p$: it gives a set $A$ the probability that $\tilde p$ gives to $f(A)$. Sampling needs
# no determinant at all.
#
# **Predict.** Which of the two curves will the histogram follow?

# %% alt="A histogram of fifty thousand transformed samples; it follows the curve with the slope and lies well below the naive curve on the right."
samples = bend(jax.random.normal(jax.random.key(0), (50_000,)), 0.8)
x = np.linspace(-3.0, 8.0, 300)
plt.hist(np.asarray(samples), bins=80, range=(-3, 8), density=True, color=GREY, alpha=0.5, label="samples $g(z)$")
plt.plot(x, np.exp(log_density(x, 0.8)), color=BLUE, label="formula")
plt.plot(x, np.exp(log_base(bend(x, -0.8))), color=RED, lw=1, label="naive")
plt.gca().set(xlabel="$x$", ylabel="density")
legend = plt.legend()

# %% [markdown]
# By eye is not enough. We count the samples in one interval and compare with the area under the formula, in units of
# the count's own standard error.

# %%
share = jnp.mean((samples > 1.0) & (samples < 2.0))
exact = area(lambda x: log_density(x, 0.8), 1.0, 2.0)
error = jnp.sqrt(exact * (1 - exact) / samples.size)
print(
    f"samples in [1, 2]: {share:.4f}   formula: {exact:.4f}   difference: {(share - exact) / error:.1f} standard errors"
)

# %% [markdown]
# ## 3.4 Two directions, many dimensions

# %% [markdown] tags=["box"]
# **Notation.** Points $z$ and $x$ have $d$ coordinates.
#
# | | meaning |
# |---|---|
# | $\tilde p(z)$ | base density, here always the standard normal $\mathcal N(0,I)$ |
# | $g$, with $x=g(z)$ | **generative** direction: sample $z$, apply $g$. In code: `forward` |
# | $f=g^{-1}$, with $z=f(x)$ | **normalizing** direction: $f$ carries $p$ back to the simple $\tilde p$. In code: `inverse` |
# | $\mathrm Dg(z)=\partial g/\partial z$ | Jacobian matrix: row $i$, column $j$ holds $\partial g_i/\partial z_j$ |
# | $\det\mathrm Dg(z)$ | the factor by which $g$ changes the volume of a small box at $z$, with a sign |
# | $p=g_*\tilde p$ | density of $x=g(z)$, the pushforward |
#
# The volume takes the place of the width, and the two forms become
#
# $$p(x)=\tilde p(f(x))\,\bigl|\det\mathrm Dg(f(x))\bigr|^{-1}=\tilde p(f(x))\,\bigl|\det\mathrm Df(x)\bigr| .$$

# %% [markdown]
# Here is a map of the plane that bends a round blob into a banana, and its inverse. The first coordinate passes
# unchanged; it decides how the second is stretched and shifted.
#
# **Predict.** Where does this map enlarge areas, and where does it shrink them?


# %% tags=["nbval-check-output"]
def banana(z):
    return jnp.stack([z[0], z[1] * jnp.exp(0.4 * z[0]) + z[0] ** 2 - 1.5])


def unbanana(x):
    return jnp.stack([x[0], (x[1] - x[0] ** 2 + 1.5) * jnp.exp(-0.4 * x[0])])


z = jnp.array([1.0, 0.5])
Dg, Df = jax.jit(lambda z: (jax.jacfwd(banana)(z), jax.jacfwd(unbanana)(banana(z))))(z)
print(f"Dg(z)    = {np.asarray(Dg, float).round(2).tolist()}   det = {np.linalg.det(Dg):.4f}")
print(f"Df(g(z)) = {np.asarray(Df, float).round(2).tolist()}  det = {np.linalg.det(Df):.4f}")
print(f"product of the determinants: {np.linalg.det(Dg) * np.linalg.det(Df):.4f}")

# %% [markdown]
# The determinant is $e^{0.4z_1}$: areas grow on the right and shrink on the left. The change of variables for any
# inverse `f` is three lines.


# %%
def flow_log_prob(x, f):
    _, log_det = jnp.linalg.slogdet(jax.jacfwd(f)(x))  # sign and log|det|
    return log_base(f(x)).sum() + log_det


# %% alt="Left, a round green base density; right, a banana-shaped orange target density. A red arrow to the right is labelled Y equals g of Z, generative; a blue arrow back is labelled Z equals f of Y, normalizing."
def over_grid(function):
    return jax.jit(jax.vmap(jax.vmap(function)))


log_banana = over_grid(lambda x: flow_log_prob(x, unbanana))
fig = draw.base_and_target(over_grid(lambda z: log_base(z).sum()), log_banana, (-4, 4))

# %% [markdown]
# In this figure capitals name random variables, and $Y$ is the data: the letters of the review. Elsewhere the data are
# $x$.
#
# **Predict.** For drawing samples, do you need $g$ or $f$? And for the density at a given point?

# %% tags=["nbval-check-output"]
density, cell_area = draw.evaluate_on_square(log_banana, (-8.0, 32.0), 600)
print(f"total probability of the banana: {density.sum() * cell_area:.4f}")

# %% [markdown]
# Sampling uses $g$; the density uses $f$ and its determinant. Training by likelihood therefore runs in the normalizing
# direction, and pictures are made in the generative one.
#
# ## 3.5 A chain of maps
#
# One simple map bends little. Put $N$ of them in a row: $z=x_0$, then $x_i=g_i(x_{i-1})$, and finally $x_N=x$. The
# pushforward of a pushforward is the pushforward of the chain: $(g_2\circ g_1)_*\tilde p=g_{2*}(g_{1*}\tilde p)$.

# %% alt="Five boxes in a row: z equal to x 0, x 1, dots, x N minus 1, and x N equal to x. Red arrows g 1 to g N lead to the right, blue arrows f 1 to f N lead back, each f below the g of the same number."
fig = draw.chain_diagram()

# %% [markdown] tags=["derivation"]
# Write $f_i=g_i^{-1}$. Then $x_{i-1}=f_i(x_i)$, and every $x_i$ can be reached from either end:
#
# $$x_i=g_i\circ\dots\circ g_1(z)=f_{i+1}\circ\dots\circ f_N(x).$$
#
# Composition is read from right to left: $g_1$ is the first to touch $z$, and $f_N$ the first to touch $x$. So
# $g=g_N\circ\dots\circ g_1$ and $f=f_1\circ\dots\circ f_N$.
#
# By the chain rule the Jacobian matrix of a composition is a product of matrices, $\mathrm Df(x)=\mathrm
# Df_1(x_1)\,\mathrm Df_2(x_2)\cdots\mathrm Df_N(x_N)$: each factor is taken at the point where its map is applied, and
# $f_i$ is applied at $x_i$. The determinant of a product is the product of the determinants:
#
# $$\det\mathrm Df(x)=\prod_{i=1}^{N}\det\mathrm Df_i(x_i),\qquad \log|\det\mathrm Df(x)|=\sum_{i=1}^N\log|\det\mathrm
# Df_i(x_i)| .$$

# %%
turn = jnp.array([[0.8, -0.6], [0.6, 0.8]])
g = [lambda z: bend(z, 0.5), banana, lambda z: turn @ z]  # g[0] is g_1, and so on
f = [lambda x: bend(x, -0.5), unbanana, lambda x: turn.T @ x]

# %% [markdown]
# We follow one point forwards with the $g_i$ and backwards with the $f_i$.

# %% tags=["nbval-check-output"]
points = [jnp.array([0.3, -0.7])]
for g_i in g:
    points.append(g_i(points[-1]))
back = [points[-1]]
for f_i in reversed(f):
    back.insert(0, f_i(back[0]))
for i in range(4):
    print(f"x_{i}   from z: {np.asarray(points[i]).round(3)}   from x: {np.asarray(back[i]).round(3)}")

# %% [markdown]
# **Predict.** We multiply the three determinants, once with $f_i$ at $x_i$ and once one place off, with $f_i$ at
# $x_{i-1}$. Which product is the determinant of the whole map?


# %% tags=["nbval-check-output"]
def det(function, at):
    return jnp.linalg.det(jax.jacfwd(function)(at))


whole = det(lambda x: f[0](f[1](f[2](x))), points[3])
right = det(f[0], points[1]) * det(f[1], points[2]) * det(f[2], points[3])
shifted = det(f[0], points[0]) * det(f[1], points[1]) * det(f[2], points[2])
print(f"det Df(x)                {whole:.4f}")
print(f"product of det Df_i(x_i) {right:.4f}")
print(f"one place off            {shifted:.4f}")

# %% [markdown]
# The library's `Chain` takes the list $[g_1,\dots,g_N]$ in this order, and adds the log-determinants. `Affine` is the
# map $x_i=s_iz_i+b_i$, whose log-determinant is $\sum_i\log s_i$.
#
# **Predict** both log-determinants.

# %% tags=["nbval-check-output"]
chain = Chain([Affine(shift=[1.0, 0.0], scale=[2.0, 3.0]), Affine(shift=[0.0, 0.0], scale=[0.5, 4.0])])
x, log_det = chain.forward(jnp.array([1.0, 1.0]))
z, log_det_back = chain.inverse(x)
print("x =", np.asarray(x).round(3), f"  log|det Dg(z)| = {log_det:.4f}   log 12 = {np.log(12):.4f}")
print("z =", np.asarray(z).round(3), f"  log|det Df(x)| = {log_det_back:.4f}")

# %% [markdown] tags=["box"]
# **Erratum.** The page's figure of the chain numbers the way back in the order of travel,
# $x\to f_1\to f_2\to\dots\to f_N\to z$. Its own equation says $f=f_1\circ\dots\circ f_N$, so that $f_N$ comes first and
# undoes $g_N$. With $f_i=g_i^{-1}$ the figure's order fails as soon as two of the maps do not commute. Take
# $g_1(z)=z+1$ and $g_2(z)=2z$.

# %% tags=["nbval-check-output"]
add, double = (lambda z: z + 1), (lambda z: 2 * z)  # g_1, g_2
subtract, halve = (lambda x: x - 1), (lambda x: x / 2)  # f_1, f_2
z = 3.0
x = double(add(z))
right, printed = subtract(halve(x)), halve(subtract(x))
print(f"z = {z}, x = {x}")
print(f"f_2 first, as in the equation: z = {right}, and from it x = {double(add(right))}")
print(f"f_1 first, as in the figure:   z = {printed}, and from it x = {double(add(printed))}")

# %% [markdown]
# ## 3.6 A coupling layer
#
# The determinant of a full $d\times d$ matrix costs about $d^3$ operations, for every point and every step. But the
# determinant of a **triangular** matrix is the product of its diagonal. And the inverse should be a formula, not a search.
# A coupling layer has both.

# %% [markdown] tags=["derivation"]
# A **mask** $m$ of zeros and ones splits the coordinates, as the banana did. Where $m_i=1$ the coordinate is *kept*.
# From the kept ones, $m\odot z$ ($\odot$ multiplies entry by entry), any two functions compute a shift $b$ and a
# log-scale $s$; such a function is called a **conditioner**. The other coordinates are stretched and shifted:
#
# $$x=m\odot z+(1-m)\odot\bigl(z\odot e^{s}+b\bigr),\qquad \log|\det\mathrm Dg(z)|=\sum_i(1-m_i)\,s_i .$$
#
# The way back needs no inverse of the conditioner. The kept coordinates are the same on both sides, so the same $b$
# and $s$ can be computed from $x$:
#
# $$z=m\odot x+(1-m)\odot(x-b)\odot e^{-s} .$$


# %% library="course_lib.flows.coupling:coupling_forward"
def coupling_forward(z, shift, log_scale, mask):
    moved = jnp.broadcast_to(1 - mask, z.shape)
    x = z * jnp.exp(moved * log_scale) + moved * shift
    return x, jnp.sum(moved * log_scale, axis=-1)


# %% [markdown]
# Where $m_i=1$, `moved` is 0: the scale is $e^0=1$ and the shift is 0. Next, the inverse.


# %% library="course_lib.flows.coupling:coupling_inverse"
def coupling_inverse(x, shift, log_scale, mask):
    moved = jnp.broadcast_to(1 - mask, x.shape)
    z = (x - moved * shift) * jnp.exp(-moved * log_scale)
    return z, -jnp.sum(moved * log_scale, axis=-1)


# %% [markdown]
# In the plane one coordinate is kept and one is moved. Here the conditioner is a network of three tanh units.
#
# **Predict, then move.** Which lines of the grid stay straight? Which of the four steps changes the area of the marked
# cell? What must be known to go back from step 4 to step 2?

# %%
coupling_steps_explorer()

# %% [markdown]
# The upright lines stay straight: all points of a line share their copy, hence $b$ and $s$. Only scaling changes areas;
# shifting shears the cell. On the way back the copy is still there, and so are the two curves.
#
# Now six coordinates, the first three kept, and a conditioner with random weights.

# %%
mask = jnp.array([1, 1, 1, 0, 0, 0])
weights = jax.random.normal(jax.random.key(1), (2, 6, 6))


def conditioner(kept):
    return jnp.tanh(weights[0] @ kept), 0.5 * jnp.tanh(weights[1] @ kept)  # shift, log-scale


base_point = jnp.array([0.5, -1.0, 0.2, 1.5, -0.3, 0.8])
shift, log_scale = conditioner(mask * base_point)
x, log_det = coupling_forward(base_point, shift, log_scale, mask)
z_back, _ = coupling_inverse(x, *conditioner(mask * x), mask)
print("round trip:", bool(jnp.allclose(base_point, z_back, atol=1e-5)))

# %% [markdown]
# **Predict.** Which of the 36 entries of the Jacobian are exactly zero? What stands on the diagonal?


# %% alt="A six by six matrix: ones on the first three places of the diagonal, positive scales on the last three, a filled block of numbers below them on the left, and zeros everywhere else, so that the matrix is lower triangular."
def coupled(z):
    return coupling_forward(z, *conditioner(mask * z), mask)[0]


jacobian = jax.jit(jax.jacfwd(coupled))(base_point)
fig = draw.jacobian_picture(jacobian, "123456", "Jacobian of a coupling layer")

# %% [markdown]
# Above the diagonal there is nothing. The block on the lower left may be as complicated as it likes: it does not enter
# the determinant.

# %% tags=["nbval-check-output"]
print(f"returned by the layer  {log_det:.4f}")
print(f"sum of log diagonal    {np.log(np.diag(jacobian)).sum():.4f}")
print(f"slogdet of the matrix  {np.linalg.slogdet(jacobian)[1]:.4f}")

# %% [markdown]
# ### What goes wrong: the conditioner peeks
#
# Give the conditioner all of $z$, also what it is about to move. The code runs as before.
#
# **Predict.** Is the matrix still triangular? Does the inverse still work?


# %% tags=["nbval-check-output"]
def peeking(z):
    return coupling_forward(z, *conditioner(z), mask)


x, peeking_log_det = peeking(base_point)
z_back, _ = coupling_inverse(x, *conditioner(x), mask)
print(f"returned by the layer  {peeking_log_det:.4f}")
full_matrix = jax.jacfwd(lambda z: peeking(z)[0])(base_point)
print(f"slogdet of the matrix  {jnp.linalg.slogdet(full_matrix)[1]:.4f}")
print("round trip:", bool(jnp.allclose(base_point, z_back, atol=1e-5)))

# %% [markdown]
# No error message, a wrong density and no inverse. This is why the tests of this course compare every layer with
# `jacfwd` in several dimensions.
#
# ## 3.7 RealNVP on a density in the plane
#
# **RealNVP** is a chain of coupling layers whose masks alternate, so that every coordinate is moved in turn. Each
# conditioner is a small network. The data: two moons, whose exact density we know.

# %% alt="The exact density of two interlocking half moons as a heat map, with three hundred sampled points on it."
target = toy_density("two_moons")
train, validation, test = jnp.split(target.sample(jax.random.key(1), 44_000), [20_000, 24_000])
fig, ax = plt.subplots(figsize=(3.6, 3.6))
draw.density_map(ax, target.log_prob, target.bounds, "two moons")
dots = ax.scatter(*test[:300].T, s=4, color=RED)

# %% [markdown] tags=["derivation"]
# **The loss.** Write $p_\theta$ for the flow with parameters $\theta$. We maximise the mean log-density of the data, so
# we minimise the *negative log-likelihood*. Its expectation splits into a part that no model can change and a part that
# is never negative:
#
# $$\underbrace{-\mathbb E_{p}[\log p_\theta(x)]}_{\text{loss}}=\underbrace{-\mathbb E_{p}[\log
# p(x)]}_{\text{entropy of the data}}+\underbrace{\mathbb E_p\Bigl[\log\frac{p(x)}{p_\theta(x)}\Bigr]}_{\text{KL
# divergence}\ \ge\ 0} .$$
#
# For real data the entropy is unknown, and one never learns how far away the optimum is. Here we know it, so the gap
# can be measured in nats.


# %% library="course_lib.flows.flow:negative_log_likelihood"
def negative_log_likelihood(model, batch, key=None):
    return -jnp.mean(model.log_prob(batch))


# %% [markdown]
# The last layer of each conditioner starts at zero, so $b=s=0$ and a new RealNVP is the identity map.
#
# **Predict.** Which density is the new flow, and what does that say about its loss?

# %%
flow = RealNVP(num_dims=2, num_layers=8, hidden_sizes=[64, 64], rngs=nnx.Rngs(2))
print("masks of the first layers:", [layer.mask for layer in flow.bijection.bijections[:3]])
print(f"loss of the new flow:   {negative_log_likelihood(flow, test):.3f} nats")
print(f"of a standard normal:   {-log_base(test).sum(axis=1).mean():.3f}")
print(f"entropy of the data:    {target.entropy():.3f}")

# %% [markdown]
# One full training step: loss and gradient on a batch, then an optimizer moves the parameters.

# %% again="it trains the same flow for one step more"
optimizer = nnx.Optimizer(flow, optax.adam(1e-3), wrt=nnx.Param)


@nnx.jit
def step(flow, optimizer, batch):
    loss, gradients = nnx.value_and_grad(negative_log_likelihood)(flow, batch)
    optimizer.update(flow, gradients)
    return loss


before, after = step(flow, optimizer, train[:256]), negative_log_likelihood(flow, train[:256])
print(f"before the step {before:.3f}, after it {after:.3f} nats on the same batch")

# %% [markdown]
# Some two and a half thousand such steps, with a learning rate that falls to zero, make a model. `fit` repeats them, and keeps
# the state that is best on the validation points.

# %% again="it trains the same flow for 32 epochs more"
epochs, batch_size = 32, 256
optimizer = cosine_adam(2e-3, steps=epochs * (len(train) // batch_size))
history = fit(
    flow, negative_log_likelihood, train, key=jax.random.key(4), epochs=epochs, batch_size=batch_size,
    optimizer=optimizer, validation=validation,
)  # fmt: skip

# %% alt="Training and validation loss fall steeply in the first epochs and then level off slightly above a dashed line, the entropy of the data."
plt.plot(history.train_loss, label="training")
plt.plot(history.validation_loss, label="validation")
plt.axhline(target.entropy(), color=GREY, ls="--", label="entropy of the data")
plt.gca().set(xlabel="epoch", ylabel="loss [nats]")
legend = plt.legend()

# %% [markdown]
# **Predict.** The exact density is zero, for all that a picture can show, between the moons. Will the learned one be?

# %% tags=["cover"] alt="The exact two-moons density, the learned density and samples of the flow side by side; the learned density matches the moons but has a thin, faint bridge that joins them."
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.4))
log_prob = nnx.jit(lambda x: flow.log_prob(x))
flow_samples = flow.sample(jax.random.key(5), (20_000,))
draw.density_map(axes[0], target.log_prob, target.bounds, "exact", top=0.35)
draw.density_map(axes[1], log_prob, target.bounds, "learned", top=0.35, cells=400)
axes[2].set(title="samples of the flow", xlim=target.bounds, ylim=target.bounds, aspect="equal", xticks=[], yticks=[])
dots = axes[2].scatter(*flow_samples[:2000].T, s=2, color=RED)

# %% [markdown]
# How good is it? On fresh points we average $\log p(x)-\log p_\theta(x)$: an estimate of the KL divergence, with its
# standard error.

# %%
log_p, log_p_flow = target.log_prob(test), flow.log_prob(test)
gap, error = mean_and_error(log_p - log_p_flow)
print(f"held-out loss {-log_p_flow.mean():.3f} nats, entropy {target.entropy():.3f} nats")
print(f"KL(p, flow) = {gap:.3f} ± {error:.3f} nats")

# %% [markdown]
# A good fit, yet the gap is many standard errors: this flow is *not* the data's density. Section 3.9 shows one reason.
# But it is *a* density: its total must be 1.

# %%
density, cell_area = draw.evaluate_on_square(log_prob, (-6.0, 6.0), 400)
print(f"total probability of the flow: {density.sum() * cell_area:.3f}")

# %% [markdown]
# And eight layers of log-determinants must add up to the determinant of the whole map.

# %%
normalize = jax.jit(flow.bijection.inverse)
z_test, log_det_test = normalize(test)
Df = jax.jit(jax.vmap(jax.jacfwd(lambda x: normalize(x)[0])))
_, exact = np.linalg.slogdet(Df(test[:200]))
close = np.allclose(log_det_test[:200], exact, atol=1e-4)
print("equal at 200 points, to 1e-4:", close)

# %% [markdown]
# Now watch the map itself. A grid in the space of $z$ is carried through the layers two by two.
#
# **Predict.** Each layer moves one coordinate only. Can the lines of the grid ever cross?


# %%
@jax.jit
def after_each_layer(z):
    stages = [z]
    for layer in flow.bijection.bijections:
        stages.append(layer.forward(stages[-1])[0])
    return jnp.stack(stages)


# %% alt="A square grid, then the same grid after two, four, six and eight coupling layers; it is stretched and sheared step by step, and in the end follows the outline of the two moons; lines crowd together but none crosses another of its kind."
horizontal = np.stack(np.meshgrid(np.linspace(-2.5, 2.5, 2001), np.linspace(-2.5, 2.5, 21)), axis=-1)
grid = np.stack([horizontal, horizontal[..., ::-1]])  # 21 horizontal and 21 vertical lines, finely sampled
fig, axes = plt.subplots(1, 5, figsize=(11, 3.2))
for i, warped in enumerate(after_each_layer(grid)):
    if i % 2 == 0:
        draw.warped_grid(axes[i // 2], warped, f"after layer {i}" if i else "$z$")

# %% [markdown]
# They cannot: each point $x$ has one $z$. Lines crowd together instead.
#
# The same journey for samples and density. After $k$ layers the density of a point is found as always: back through
# the $k$ layers, log-determinants added.


# %%
undo = nnx.jit(lambda layer, x: layer.inverse(x))


def density_after(layers, x):
    total = 0.0
    for layer in reversed(layers):
        x, log_det = undo(layer, x)
        total += log_det
    return jnp.exp(standard_normal_log_prob(x) + total)


layers = list(flow.bijection.bijections)
square = np.stack(np.meshgrid(np.linspace(-3, 3, 64), np.linspace(3, -3, 64)), axis=-1)
densities = np.stack([density_after(layers[:k], square) for k in range(len(layers) + 1)])

# %% [markdown]
# **Predict, then move.** In which layer does the cloud first come apart into two moons? Which layers do little?

# %%
journey = after_each_layer(jax.random.normal(jax.random.key(6), (400, 2)))
nodes = after_each_layer(np.stack(np.meshgrid(*2 * [np.linspace(-2.5, 2.5, 19)]), axis=-1))
shades = densities / densities.max(axis=(1, 2), keepdims=True)
flow_layers_explorer(journey, nodes, shades, (-3.0, 3.0))

# %% [markdown]
# The normalizing direction does the opposite: data in, standard normal out. The colour of a point is its height in the
# data.

# %% alt="Left, points of the two moons coloured by height; right, the same points after the normalizing direction: a round cloud centred at zero, with the two halves of the colours on two sides of a thin seam."
fig, axes = plt.subplots(1, 2, figsize=(7, 3.5))
both_ends = {"data $x$": test, "$z=f(x)$": z_test}
for ax, (title, cloud) in zip(axes, both_ends.items(), strict=True):
    ax.scatter(*cloud[:3000].T, s=3, c=test[:3000, 1], cmap="viridis")
    ax.set(title=title, aspect="equal", xlim=(-4, 4), ylim=(-4, 4))

# %% [markdown]
# ## 3.8 A flow grown layer by layer
#
# What does each layer buy? A new coupling layer is the identity. So a trained flow can *grow*: append a layer, train on,
# append the next.
#
# **Predict.** The first layer moves the second coordinate only. What will its best density of the moons look like?

# %% [markdown] tags=["derivation"]
# The best that one layer can do is known. It keeps $x_1=z_1$, so $x_1$ stays standard normal. And given $x_1$, it makes
# $x_2=z_2e^{s(x_1)}+b(x_1)$ a normal variable. The loss is smallest if $b$ and $e^s$ are the mean and the standard
# deviation of $x_2$ given $x_1$ under the data; call the variance $v(x_1)$. A normal density with the right variance has
# cross-entropy $\frac12\log(2\pi e\,v)$, so
#
# $$\text{gap}_1=\mathbb E_p\Bigl[\tfrac12x_1^2+\tfrac12\log2\pi+\tfrac12\log\bigl(2\pi e\,v(x_1)\bigr)\Bigr]-H(p),$$
#
# where $H(p)$ is the entropy of the data. No network, however large, gets below it with one layer.

# %%
axis = np.linspace(-4.0, 4.0, 201)
cell = (axis[1] - axis[0]) ** 2
weight = cell * np.exp(target.log_prob(np.stack(np.meshgrid(axis, axis), axis=-1)))  # a row for each x_2
weight_1 = weight.sum(axis=0)
mean = (weight * axis[:, None]).sum(axis=0) / weight_1
variance = (weight * (axis[:, None] - mean[None]) ** 2).sum(axis=0) / weight_1
loss_1 = 0.5 * axis**2 + 0.5 * np.log(2 * np.pi) + 0.5 * np.log(2 * np.pi * np.e * variance)
best_with_one = (weight_1 * loss_1).sum() - target.entropy()
print(f"one layer, at best: {best_with_one:.3f} nats above the entropy")

# %% [markdown]
# Now grow. `Chain` holds the very layers it is given, so the old ones keep what they have learned.


# %%
def gap_of(model):
    return (log_p - model.log_prob(test)).mean()


def train_briefly(model, data, epochs):
    optimizer = cosine_adam(2e-3, epochs * (len(data) // 256))
    settings = {"epochs": epochs, "batch_size": 256, "optimizer": optimizer}
    return fit(model, negative_log_likelihood, data, key=jax.random.key(7), **settings)


# %%
grown, stages, joined = [], {}, {}
for k in range(1, 5):
    grown.append(Coupling([k % 2, (k + 1) % 2], [64, 64], rngs=nnx.Rngs(k)))
    if k == 3:
        continue  # the last two join together
    growing = Flow(2, Chain(grown))
    joined[k] = gap_of(growing)
    train_briefly(growing, train, epochs=6)
    stages[k] = nnx.clone(growing)

# %% [markdown]
# As a control, a flow of two layers gets all 18 epochs for itself. So we see what depth buys, and what mere patience.

# %%
control = RealNVP(2, 2, [64, 64], rngs=nnx.Rngs(0))
train_briefly(control, train, epochs=18)
print("layers   gap when joined   gap after 6 epochs")
for k, model in stages.items():
    print(f"{k:6} {joined[k]:15.3f} {gap_of(model):18.3f}")
print(f"two layers, 18 epochs at once: {gap_of(control):.3f}")

# %% alt="Gap to the entropy in nats on a logarithmic axis against the number of layers: it falls at each of three stages. A dashed line, the best possible with one layer, lies just below the first dot; a red cross, two layers trained until the others are done, lies close to the dot of two layers."
gaps = [gap_of(model) for model in stages.values()]
plt.plot(list(stages), gaps, "o-", label="grown, 6 epochs a stage")
plt.axhline(best_with_one, color=GREY, ls="--", label="one layer, at best")
plt.plot([2], [gap_of(control)], "x", color=RED, ms=9, mew=2, label="two layers, 18 epochs")
plt.gca().set(xlabel="layers", ylabel="gap to the entropy [nats]", yscale="log")
_ = plt.yticks([0.1, 0.2, 0.5, 1.0], ["0.1", "0.2", "0.5", "1"])
_ = plt.xticks([1, 2, 3, 4])
plt.minorticks_off()
legend = plt.legend()

# %% [markdown]
# The middle column repeats the gap of the stage before: joining costs nothing. And patience does not replace depth.

# %% alt="Four density maps. For one, two and four layers: an upright blob bent along a wave, then shapes that fold into two crescents, joined by a grey bridge. The last is the exact density: two thin crescents, apart."
fig, axes = plt.subplots(1, 4, figsize=(9.6, 2.6))
for ax, (k, model) in zip(axes, stages.items(), strict=False):
    draw.density_map(ax, model.log_prob, target.bounds, f"{k} layer{'s' * (k > 1)}", top=0.35, cells=100)
draw.density_map(axes[-1], target.log_prob, target.bounds, "exact", top=0.35)

# %% [markdown]
# One layer gives every upright line a single bell. Folds need more.
#
# ## 3.9 What a flow cannot do
#
# A continuous invertible map with a continuous inverse cannot tear. The base is one piece, so its image is one piece:
# two separate moons are out of reach, and a **filament** of probability stays between them. We count the samples that
# fall where the data practically never are.

# %% alt="Samples of the flow in grey and, in red, those that lie where the exact density is negligible; most red points lie in the gaps between the two moons."
threshold = np.quantile(log_p, 0.001)  # only 0.1 % of the data lie lower
stray = np.asarray(target.log_prob(flow_samples)) < threshold
print(f"stray: {stray.mean():.1%} of the samples, 0.1% of the data")
fig, ax = plt.subplots(figsize=(4, 4), subplot_kw={"aspect": "equal", "xlim": target.bounds, "ylim": target.bounds})
ax.scatter(*flow_samples[::10].T, s=1, color=GREY)
dots = ax.scatter(*flow_samples[stray].T, s=5, color=RED)

# %% [markdown]
# Probability spent there is missing elsewhere. If the data put $a$ into a region and the flow puts $s$, the KL
# divergence is at least $a\ln\frac as+(1-a)\ln\frac{1-a}{1-s}$.


# %%
def least_cost(a, s):
    return a * jnp.log(a / s) + (1 - a) * jnp.log((1 - a) / (1 - s))


print(f"strays cost at least {least_cost(0.001, stray.mean()):.3f} of the {gap:.3f} nats")

# %% [markdown]
# So strays alone do not explain the gap: along the moons, too, the density is a little too high or too low.
#
# ### Two separated modes
#
# The clearest case: two round normal distributions with $\sigma=\frac14$ at $(\pm m,0)$, half of the probability each. No
# curve, no hole; just a gap.

# %% [markdown] tags=["derivation"]
# **What an exact flow would need.** Take the one that moves each coordinate by itself. In the first, it carries the lower
# half of the base into the left mode and the upper half into the right one, with slope $\tilde p(z_1)/p(x_1)$. In the
# middle, at $z_1=x_1=0$, this is
#
# $$\frac{\tilde p(0)}{p(0)}=\frac{1/\sqrt{2\pi}}{e^{-m^2/2\sigma^2}/(\sqrt{2\pi}\,\sigma)}=\sigma\,e^{m^2/2\sigma^2}.$$
#
# **What a gentler flow must leave behind.** The *Lipschitz constant* $L$ of $g$ is its largest stretch:
# $\|g(z)-g(z')\|\le L\,\|z-z'\|$. Let the flow put probability $a$ to the left of $x_1=-\frac m2$ and $c$ to the right of
# $\frac m2$. These regions are $m$ apart, so the sets of $z$ that land there are at least $m/L$ apart. Of all sets of
# probability $a$ under $\mathcal N(0,I)$, a half-plane has the smallest neighbourhood (the *Gaussian isoperimetric
# inequality*), hence $1-c\ge\Phi\bigl(\Phi^{-1}(a)+m/L\bigr)$ with $\Phi$ the normal distribution function. The
# probability $1-a-c$ in between is the **bridge**. Solved for $L$:
#
# $$L\ge\frac{m}{\Phi^{-1}(1-c)-\Phi^{-1}(a)} .$$
#
# A thin bridge needs a large stretch, and no finite $L$ does without one (Salmona et al., 2022).

# %%
sigma = 0.25


def two_modes(key, m, n):
    side_key, noise_key = jax.random.split(key)
    side = jax.random.rademacher(side_key, (n, 1), float)
    return sigma * jax.random.normal(noise_key, (n, 2)) + side * jnp.array([m, 0.0])


# %% [markdown]
# The stretch at $z$ is the largest singular value of $\mathrm Dg(z)$. We take the largest among many samples: a little
# below the true $L$.


# %%
@nnx.jit
def left_right_stretch(model, m):
    z = jax.random.normal(jax.random.key(2), (50_000, 2))
    g = lambda z: model.bijection.forward(z)[0]  # noqa: E731
    x_1 = g(z)[:, 0]
    singular_values = jnp.linalg.svd(jax.vmap(jax.jacfwd(g))(z), compute_uv=False)
    return (x_1 < -m / 2).mean(), (x_1 > m / 2).mean(), singular_values.max()


# %%
modes = {}
for m in (0.5, 1.0, 2.0):
    modes[m] = RealNVP(2, 6, [64, 64], rngs=nnx.Rngs(0))
    train_briefly(modes[m], two_modes(jax.random.key(0), m, 20_000), epochs=15)

# %% [markdown]
# **Predict.** The modes move apart. What becomes of the bridge, and of $L$? Can it keep pace with $\sigma
# e^{m^2/2\sigma^2}$?

# %%
normal = NormalDist()
print("  m   data between   bridge   cost at least   L needed for it   L measured   exact flow")
for m, model in modes.items():
    left, right, stretch = map(float, left_right_stretch(model, m))
    between = normal.cdf(-m / 2 / sigma) - normal.cdf(-1.5 * m / sigma)  # of the right mode; the left is alike
    bridge, needed = 1 - left - right, m / (normal.inv_cdf(1 - right) - normal.inv_cdf(left))
    print(f"{m:3} {between:14.1e} {bridge:8.4f} {least_cost(between, bridge):10.4f} nats", end=" ")
    print(f"{needed:14.0f} {stretch:14.0f} {sigma * np.exp(m**2 / (2 * sigma**2)):13.1e}")

# %% alt="Three density maps, modes further and further apart, drawn so dark that both modes are black discs. From m of 1 on a thin dark thread on white ground leads from one disc to the other."
fig, axes = plt.subplots(1, 3, figsize=(9, 3.1))
for ax, (m, model) in zip(axes, modes.items(), strict=True):
    draw.density_map(ax, model.log_prob, (-3, 3), f"$m={m}$", top=0.15, cells=200)

# %% [markdown]
# The bridge becomes thin, never absent: at $m=2$ the data put three points in a hundred thousand there, the flow
# hundreds, for its $L$ stays far behind. Likelihood hardly feels a bridge; samples show it.
#
# **Predict.** Along one training, at $m=1.5$: which grows, which falls?

# %%
model, data = RealNVP(2, 6, [64, 64], rngs=nnx.Rngs(0)), two_modes(jax.random.key(0), 1.5, 20_000)
for start, end in ((0, 2), (2, 12)):
    settings = {"epochs": end - start, "batch_size": 256, "key": jax.random.key(end)}
    fit(model, negative_log_likelihood, data, optimizer=optax.adam(1e-3), **settings)
    left, right, stretch = left_right_stretch(model, 1.5)
    print(f"after epoch {end:2}: bridge {1 - left - right:.4f}, L at least {stretch:.0f}")

# %% [markdown]
# $L$ grows, the bridge falls, and neither comes to an end.
#
# ### A hole
#
# $g$ carries the plane onto the whole plane: some $z$ go to the middle of a ring. How many?

# %% alt="The learned density of a ring: dark nearly all the way round, with a ragged seam on one side; the inside is not white but faintly grey."
ring = toy_density("ring")
ring_flow = RealNVP(2, 6, [64, 64], rngs=nnx.Rngs(0))
train_briefly(ring_flow, ring.sample(jax.random.key(0), 20_000), epochs=15)
inside = {"data": ring.sample(jax.random.key(1), 100_000), "flow": ring_flow.sample(jax.random.key(2), (100_000,))}
for name, cloud in inside.items():
    within = (jnp.linalg.norm(cloud, axis=1) < 1.2).sum()
    print(f"{name}: {within} of 100,000 points within radius 1.2")
fig, ax = plt.subplots(figsize=(3.4, 3.4))
draw.density_map(ax, ring_flow.log_prob, ring.bounds, "learned ring", top=0.1, cells=200)

# %% [markdown] tags=["box"]
# **Limits of a flow**
# - *Topology.* One piece stays one piece, and a base without a hole gives a support without a hole. More layers and more
#   training make bridges thinner, never absent, and pay with a growing Lipschitz constant. A mixture of flows
#   (exercise 3.7) or extra dimensions help.
# - *Dimension.* $z$ and $x$ have the same number of coordinates, so there is no compression; and data on a thinner
#   surface have no density for a flow to find.
# - *Kind of map.* An affine coupling is a modest map; many are needed. Splines and autoregressive flows (MAF, IAF) bend
#   more for each layer.
# - *Discrete data.* Densities need continuous data: whole numbers must first receive noise (dequantization).

# %% [markdown]
# ## 3.10 The round trip in float32
#
# On paper $f(g(z))=z$. A computer rounds every result: by a relative error of up to $u=2^{-24}$ in float32, $2^{-53}$ in
# float64. A flow that stretches a lot pays for it.

# %% [markdown] tags=["derivation"]
# **One layer.** The moved coordinate $x=ze^s+b$ is stored with an error of up to $u|x|$. The way back multiplies it by
# $e^{-s}$, so
#
# $$|z'-z|\le u\,|x|\,e^{-s},$$
#
# up to a few $u|z|$ from the other roundings. Beside a shift $b$, a small $ze^s$ loses its last digits, and nothing
# brings them back.

# %% [markdown]
# **Predict.** With $b=1$: at which log-scale $s$ is nothing left of $z$? (In float32, $-\ln u\approx17$.)


# %%
@jax.jit
def error_and_bound(s, z):
    layer = jnp.array([0.0, 1.0]), jnp.array([0.0, s]), jnp.array([1, 0])  # shift, log-scale, mask
    x, _ = coupling_forward(z, *layer)
    back, _ = coupling_inverse(x, *layer)
    return jnp.abs(back - z).max(), 2.0**-24 * jnp.abs(x[:, 1]).max() * jnp.exp(-s)


z = jax.random.normal(jax.random.key(0), (1000, 2))
for s in (0.0, -4.0, -8.0, -12.0, -16.0, -20.0):
    error, bound = error_and_bound(s, z)
    print(f"s = {s:5.0f}   error {error:.0e}   u |x| exp(-s) = {bound:.0e}")

# %% [markdown] tags=["derivation"]
# **A chain.** An error $\delta$ made at $x_i$, on the way there or back, returns to $z$ through $f_i,\dots,f_1$. To first
# order it arrives as $\mathrm D(f_1\circ\dots\circ f_i)(x_i)\,\delta$. The largest stretch of that matrix is one over the
# smallest singular value $\sigma_{\min}$ of $\mathrm D(g_i\circ\dots\circ g_1)(z)$. Two roundings a layer add up to
#
# $$\|z'-z\|\le u\sum_{i=1}^{N}\frac{2\,\|x_i\|}{\sigma_{\min}\bigl(\mathrm D(g_i\circ\dots\circ g_1)(z)\bigr)} .$$
#
# A layer with $|s|\le c$ makes $\sigma_{\min}$ smaller by a factor of about $e^{-c}$ at most, and the slope of its
# conditioner adds to that. So errors may grow *exponentially* with depth.

# %% [markdown]
# Up to 64 layers whose conditioners have random weights; `scan` walks along them. First with a narrow bound
# $c=\frac14$, then with a wide one, $c=4$, and each depth in both precisions.


# %%
def with_conditioner(coupling, x, layer, c):
    first, last, mask = layer
    shift, r = jnp.split(jnp.tanh((mask * x) @ first) @ last, 2, axis=-1)
    return coupling(x, shift, c * jnp.tanh(r / c), mask)[0]


@jax.jit
def round_trip_error(layers, depth, c, z):
    def step(coupling):  # one program for all depths: layers from `depth` on do nothing
        return lambda x, layer: (jnp.where(layer[0] < depth, with_conditioner(coupling, x, layer[1:], c), x), None)

    layers = jnp.arange(len(layers[0])), *layers
    x, _ = jax.lax.scan(step(coupling_forward), z, layers)
    back, _ = jax.lax.scan(step(coupling_inverse), x, layers, reverse=True)
    return jnp.abs(back - z).max()


@jax.jit
def error_in_units_of_u(layers, c, z):
    def step(state, layer):
        x, jacobian, total = state
        g = lambda t: with_conditioner(coupling_forward, t, layer, c)  # noqa: E731
        x, jacobian = g(x), jax.vmap(jax.jacfwd(g))(x) @ jacobian
        smallest = jnp.linalg.svd(jacobian, compute_uv=False)[:, -1]
        total += 2 * jnp.linalg.norm(x, axis=-1) / smallest
        return (x, jacobian, total), total.max()

    start = z, jnp.broadcast_to(jnp.eye(2, dtype=z.dtype), (len(z), 2, 2)), jnp.zeros(len(z), z.dtype)
    return jax.lax.scan(step, start, layers)[1]  # after each layer


# %%
rng = np.random.default_rng(0)
random_layers = rng.normal(size=(64, 2, 16)), 0.5 * rng.normal(size=(64, 16, 4)), np.eye(2)[np.arange(64) % 2]
depths, z, errors = (1, 4, 16, 32, 64), rng.normal(size=(200, 2)), {}
for c in (0.25, 4.0):
    for kind in ("float32", "float64"):
        with jax.enable_x64(kind == "float64"):
            layers, at = [weights.astype(kind) for weights in random_layers], z.astype(kind)
            errors[c, kind] = [float(round_trip_error(layers, n, c, at)) for n in depths]
    with jax.enable_x64(True):  # float64 within this block
        errors[c, "units"] = np.asarray(error_in_units_of_u(layers, c, at))[np.array(depths) - 1]

# %% [markdown]
# **Predict.** On a logarithmic axis, how far apart are the curves of the two precisions? Do they run in parallel?

# %% alt="Two panels, c of one quarter and c of 4. Round-trip error on a logarithmic axis against depth: dots for float32 and for float64 rise side by side, nearly nine decades apart, each below its dashed estimate. For c of 4 they rise faster: after 64 layers the error in float32 is above 1."
fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True)
for ax, c in zip(axes, (0.25, 4.0), strict=True):
    for kind, u, colour in (("float32", 2.0**-24, RED), ("float64", 2.0**-53, BLUE)):
        ax.semilogy(depths, errors[c, kind], "o-", color=colour, label=kind)
        ax.semilogy(depths, u * errors[c, "units"], "--", color=colour, lw=1, label=f"estimate, {kind}")
    ax.set(title=f"$|s|\\leq {c:g}$", xlabel="layers", ylim=(1e-17, 1e3))
axes[0].set_ylabel("largest error of the round trip")
legend = axes[0].legend(fontsize=9)

# %% [markdown]
# By about $2^{29}$, nearly nine decades, all along. The estimate lies above the error: it adds up what partly cancels.
# After 64 wide layers the error in float32 is as large as $z$ itself.
#
# And the trained flow of section 3.7?

# %%
z, x = jax.random.normal(jax.random.key(8), (1000, 2)), test[:1000]
there_and_back = nnx.jit(lambda g, z: g.inverse(g.forward(z)[0])[0])
log_p_32 = flow.log_prob(x)
with jax.enable_x64(True):
    difference = np.abs(flow.log_prob(np.asarray(x, np.float64)) - log_p_32).max()
print(f"round trip: error {jnp.abs(there_and_back(flow.bijection, z) - z).max():.0e}")
print(f"log-density, float32 against float64: {difference:.0e} nats at most")

# %% [markdown]
# ### What goes wrong: a log-scale without bound
#
# Give a layer a linear conditioner, $s=r=x_1/10$, and one outlier, $x=(-1000,1)$. **Predict** the factor $e^{-s}$.

# %% tags=["nbval-check-output"]
outlier = jnp.array([[-1000.0, 1.0]])
for c in (1e6, 2.0):  # the first bound is never felt
    one_layer = Flow(2, Coupling([1, 0], [], transformer=AffineTransformer(c), rngs=nnx.Rngs(0)))
    kernel = one_layer.bijection.conditioner.layers[0].kernel  # at [0, -1]: from x_1 to r
    kernel[...] = jnp.zeros(kernel.shape).at[0, -1].set(0.1)
    loss, gradients = nnx.value_and_grad(negative_log_likelihood)(one_layer, outlier)
    finite = all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))
    print(f"|s| < {c:9,.0f}: loss {loss:,.0f} nats, gradient finite: {finite}")

# %% [markdown]
# One outlier, and training is over. Therefore `AffineTransformer` takes $s=c\tanh(r/c)$: near zero $s\approx r$, but no
# layer stretches or shrinks a coordinate by more than $e^c$.
#
# ## 3.11 What flows are for
#
# **Density estimation** we have done: exact likelihoods, samples in one pass.
#
# **Variational inference** is the other use: a model has data $x$ and an unobserved latent variable, and one wants
# $\ln p(x)$.

# %% [markdown] tags=["box"]
# **Erratum.** The page writes $\ln p(x)=\int\ln p(x,y)\,dy$ for a latent variable $y$. The sum rule of probability is
# $p(x)=\int p(x,y)\,dy$, so the logarithm belongs outside: $\ln p(x)=\ln\int p(x,y)\,dy$. The cell takes a joint
# distribution of two values of $x$ (rows) and three of $y$ (columns), where the integral is a sum.

# %% tags=["nbval-check-output"]
joint = jnp.array([[0.10, 0.25, 0.05], [0.30, 0.10, 0.20]])
right, printed = jnp.log(joint.sum(axis=1)), jnp.log(joint).sum(axis=1)
print("log outside:", np.asarray(right).round(3), f"  total probability {jnp.exp(right).sum():.3f}")
print("log inside: ", np.asarray(printed).round(3), f"  total probability {jnp.exp(printed).sum():.3f}")

# %% [markdown] tags=["derivation"]
# The integral is rarely available. One chooses a density $q(z\mid x)$ and uses the lower bound
# $\mathcal L=\mathbb E_q[\ln p(x,z)-\ln q(z\mid x)]\le\ln p(x)$, whose gap is the KL divergence from $q(z\mid x)$ to the
# unknown posterior $p(z\mid x)$. Chapter 5 derives it and trains with it in full.
#
# This is where the page's sentence breaks off. Its end: **let $q(z\mid x)$ be a flow** (Kobyzev et al., §2.2.2). Draw
# base noise $\varepsilon\sim\tilde p$, and set $z=g(\varepsilon\mid x)$, where the parameters of $g$ may depend on $x$.
# The density of such a $z$ is known from the change of variables, in its second form:
# $\ln q(z\mid x)=\ln\tilde p(\varepsilon)-\ln|\det\mathrm Dg(\varepsilon\mid x)|$. Hence
#
# $$\mathcal L=\mathbb E_{\varepsilon\sim\tilde p}\Bigl[\ln p\bigl(x,g(\varepsilon\mid x)\bigr)-\ln\tilde
# p(\varepsilon)+\ln\bigl|\det\mathrm Dg(\varepsilon\mid x)\bigr|\Bigr].$$
#
# The expectation is over noise that does not depend on the parameters, so gradients pass through $g$. Only the
# generative direction is used: no $f$ is needed. Note the letters: here $z$ is the output of the flow.

# %% [markdown]
# A small case. A counter shows $x=0$ events, $x\sim\text{Poisson}(e^z)$; the log-rate has the prior $z\sim\mathcal
# N(0,3^2)$. In one dimension $\ln p(x)$ can be had by quadrature.


# %%
def log_joint(z, x=0.0):
    return log_base(z / 3.0) - jnp.log(3.0) + x * z - jnp.exp(z) - gammaln(x + 1.0)


rates = np.linspace(-25.0, 8.0, 8001)
log_evidence = np.log(np.trapezoid(np.exp(jax.jit(log_joint)(rates)), rates))
print(f"ln p(x) = {log_evidence:.3f} nats")

# %% [markdown]
# The flow: bend, stretch and shift, $z=\mu+\sigma\,g_b(\varepsilon)$. With $b=0$ it is a normal distribution. The
# expectation over $\varepsilon$ is done on a grid, and gradient ascent does the rest.

# %%
noise = jnp.linspace(-8.0, 8.0, 1601)


def lower_bound(parameters, bendable):
    mu, log_sigma, b = parameters[0], parameters[1], bendable * parameters[2]
    z = mu + jnp.exp(log_sigma) * bend(noise, b)
    log_det = log_sigma + jnp.log(slope(noise, b))
    return jnp.trapezoid(jnp.exp(log_base(noise)) * (log_joint(z) - log_base(noise) + log_det), noise)


# %% [markdown]
# **Predict.** Which bound is higher, that of the normal $q$ or that of the bent one? Can either exceed $\ln p(x)$?


# %%
def best_parameters(bendable, steps=4000, rate=0.05):
    def ascend(parameters, _):
        return parameters + rate * jax.grad(lower_bound)(parameters, bendable), None

    return jax.lax.scan(ascend, jnp.zeros(3), length=steps)[0]


best = {name: jax.jit(best_parameters)(bendable) for name, bendable in (("normal", 0.0), ("bent", 1.0))}
for name, parameters in best.items():
    bound = lower_bound(parameters, float(name == "bent"))
    print(f"{name:6} q: bound {bound:.3f}, gap to ln p(x) {log_evidence - bound:.3f} nats")

# %% alt="The posterior of the log-rate leans to the left. The bent flow follows it closely; the normal distribution is symmetric, too high on the right and too low in the left tail."
plt.fill_between(
    rates, jnp.exp(log_joint(rates) - log_evidence), color=GREY, alpha=0.4, label=r"posterior $p(z\mid x)$"
)
for (name, (mu, log_sigma, b)), colour in zip(best.items(), (RED, GREEN), strict=True):
    b = b * (name == "bent")
    z = mu + jnp.exp(log_sigma) * bend(noise, b)
    plt.plot(z, jnp.exp(log_base(noise) - log_sigma) / slope(noise, b), color=colour, label=f"{name} $q$")
plt.gca().set(xlabel="$z$", ylabel="density", xlim=(-12, 5))
legend = plt.legend()

# %% [markdown] tags=["frame"]
# ## Summary
#
# - Probability is conserved; where a map stretches, the density falls:
#   $p(x)=\tilde p(f(x))\,|\det\mathrm Df(x)|=\tilde p(f(x))\,|\det\mathrm Dg(f(x))|^{-1}$. Without the determinant the
#   total is not 1.
# - Generative direction $g$: sample. Normalizing direction $f$: evaluate and train.
# - In a chain the log-determinants add, each taken where its map is applied: $f_i$ at $x_i$. The last $g$ is undone first.
# - A coupling layer is inverted by a formula, and its Jacobian is triangular, if the conditioner reads kept coordinates
#   only.
# - RealNVP comes within a tenth of a nat of the two moons, and leaves a filament between them. A flow can grow:
#   a new layer is the identity, and each one narrows the gap.
# - Separated modes stay joined by a bridge. Its probability bounds the Lipschitz constant from below.
# - Rounding errors come back to $z$ multiplied by the stretch of the inverse; bounded log-scales bound it.
# - As $q(z\mid x)$, a flow closes part of the gap between the lower bound and $\ln p(x)$.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 3.1 — The log-normal
# Let $z\sim\mathcal N(0,1)$ and $x=e^z$. Write $\log p(x)$ by the change of variables. (Use `log_base`.)


# %% tags=["exercise"]
def log_normal_log_prob(x):
    ### BEGIN SOLUTION
    return log_base(jnp.log(x)) - jnp.log(x)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3.1") as check:
    closed_form = -np.log(2.0) - 0.5 * np.log(2.0) ** 2 - 0.5 * np.log(2 * np.pi)
    check.close("the density at x = 2", log_normal_log_prob(2.0), closed_form, hint="z = log x, and Df(x) = 1/x.")
    t = np.linspace(1e-4, 60.0, 60001)
    check.close(
        "the total on (0, 60]", np.trapezoid(np.exp(log_normal_log_prob(t)), t), NormalDist().cdf(np.log(60.0)),
        rtol=1e-3, hint="Is the sign of the log-determinant right?",
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3.2 — A map that turns the axis round
# Let $x=1-2z$ with $z\sim\mathcal N(0,1)$. Write $\log p(x)$.


# %% tags=["exercise"]
def turned_log_prob(x):
    ### BEGIN SOLUTION
    return log_base((1 - x) / 2) - jnp.log(2.0)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3.2") as check:
    t = np.array([-3.0, 0.0, 1.0, 4.0])
    check.close(
        "x is normal with mean 1 and σ = 2", turned_log_prob(t), -((t - 1) ** 2) / 8 - np.log(2 * np.sqrt(2 * np.pi)),
        hint="The slope of f is −1/2. What becomes of its sign?",
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3.3 — A matrix as a flow
# Let $x=Az$ with an invertible matrix $A$ and $z\sim\mathcal N(0,I)$. Write $\log p(x)$ for one point $x$. `jnp.linalg.solve`
# and `jnp.linalg.slogdet` are what you need.


# %% tags=["exercise"]
def linear_flow_log_prob(x, A):
    ### BEGIN SOLUTION
    z = jnp.linalg.solve(A, x)
    return log_base(z).sum() - jnp.linalg.slogdet(A)[1]
    ### END SOLUTION


# %% tags=["check"]
with exercise("3.3") as check:
    A = np.array([[2.0, 1.0, 0.0], [0.0, -1.0, 0.5], [1.0, 0.0, 1.5]])
    t, covariance = np.array([0.5, -1.0, 2.0]), A @ A.T
    check.close(
        "normal with covariance A Aᵀ", linear_flow_log_prob(t, A),
        -0.5 * (t @ np.linalg.inv(covariance) @ t + np.log(np.linalg.det(2 * np.pi * covariance))), rtol=1e-4,
        hint="det Df = 1 / det A. Is it in the logarithm with a minus sign, and its absolute value?",
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3.4 — Write the chain
# `inverses` is the list $[f_1,\dots,f_N]$; each `f_i(x)` returns a pair: the point and $\log|\det\mathrm Df_i(x)|$. Return
# $z$ and $\log|\det\mathrm Df(x)|$.


# %% tags=["exercise"]
def chain_inverse(inverses, x):
    ### BEGIN SOLUTION
    total = 0.0
    for f_i in reversed(inverses):
        x, log_det = f_i(x)
        total = total + log_det
    return x, total
    ### END SOLUTION


# %% tags=["check"]
with exercise("3.4") as check:
    answer = chain_inverse([layer.inverse for layer in chain.bijections], jnp.array([1.5, 12.0]))
    check.close("z", answer and answer[0], [1.0, 1.0], hint="Which map undoes the last g?")
    check.close("log|det Df|", answer and answer[1], -jnp.log(12.0), hint="Log-determinants add.")

# %% [markdown] tags=["exercise"]
# ### Exercise 3.5 — The entropy of a flow
# The entropy of $x=g(z)$ is $H(x)=H(z)+\mathbb E_z\bigl[\log|\det\mathrm Dg(z)|\bigr]$, because
# $-\log p(g(z))=-\log\tilde p(z)+\log|\det\mathrm Dg(z)|$. Compute it for the bend with $b=0.8$, by a sum or integral over
# `noise` (a grid of $z$). $H(z)=\frac12\log(2\pi e)$.


# %% tags=["exercise"]
def entropy_of_the_bend(b):
    ### BEGIN SOLUTION
    log_det = jnp.log(slope(noise, b))
    return 0.5 * jnp.log(2 * jnp.pi * jnp.e) + jnp.trapezoid(jnp.exp(log_base(noise)) * log_det, noise)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3.5") as check:
    t = jnp.linspace(-15.0, 25.0, 20001)
    log_p_bent = log_density(t, 0.8)
    over_x = -jnp.trapezoid(jnp.exp(log_p_bent) * log_p_bent, t)
    check.close("no bend, no change", entropy_of_the_bend(0.0), 0.5 * jnp.log(2 * jnp.pi * jnp.e), rtol=1e-4)
    check.close(
        "−∫ p log p over x", entropy_of_the_bend(0.8), over_x, rtol=1e-3,
        hint="Stretching spreads probability: it raises the entropy.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3.6 — A pushforward without a flow
# $g(z)=z^2$ has no inverse: two points $z$ go to each $x>0$. The pushforward exists all the same, since both strips bring
# their probability along: $p(x)=\sum_{z:\,g(z)=x}\tilde p(z)/|\mathrm Dg(z)|$. Write $\log p(x)$ for $z\sim\mathcal N(0,1)$.


# %% tags=["exercise"]
def square_log_prob(x):
    ### BEGIN SOLUTION
    z = jnp.sqrt(x)
    return jnp.logaddexp(log_base(z), log_base(-z)) - jnp.log(2 * z)
    ### END SOLUTION


# %% tags=["check"]
with exercise("3.6") as check:
    t = np.array([0.1, 0.5, 1.0, 4.0])
    check.close(
        "chi-squared with one degree of freedom", square_log_prob(t), -0.5 * (t + np.log(2 * np.pi * t)),
        hint="The two points are ±√x, and |Dg| is 2√x at both.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 3.7 — Two flows and a coin
# A coin chooses one of several flows, each with the same probability; the flow makes $x$. Write $\log p(x)$. (It cuts the
# bridge of section 3.9, and keeps an exact likelihood. But there is no single $z$ for an $x$ any more.)


# %% tags=["exercise"]
def mixture_log_prob(flows, x):
    ### BEGIN SOLUTION
    each = jnp.stack([one.log_prob(x) for one in flows])
    return jax.nn.logsumexp(each, axis=0) - jnp.log(len(flows))
    ### END SOLUTION


# %% tags=["check"]
with exercise("3.7") as check:
    pair = [Flow(2, Affine(shift=[side * 2.0, 0.0], scale=[sigma, sigma])) for side in (-1, 1)]
    t = np.array([[-2.0, 0.1], [1.8, 0.0], [0.0, 0.0]])
    squares = [((t - [centre, 0.0]) ** 2).sum(axis=1) for centre in (-2.0, 2.0)]
    density = np.exp(-np.array(squares) / (2 * sigma**2)).mean(axis=0) / (2 * np.pi * sigma**2)
    check.close(
        "two normal densities, half each", mixture_log_prob(pair, t), np.log(density), rtol=1e-4,
        hint="Average probabilities, not logarithms; `jax.nn.logsumexp` adds without underflow.",
    )  # fmt: skip

# %% [markdown] tags=["frame"]
# ## Sources
#
# - I. Kobyzev, S. Prince, M. Brubaker: *Normalizing Flows: An Introduction and Review of Current Methods*, 2019,
#   arXiv:1908.09257. Definitions, directions and chains; §2.2.2 for variational inference.
# - L. Dinh, J. Sohl-Dickstein, S. Bengio: *Density estimation using Real NVP*, 2016, arXiv:1605.08803. Coupling layers.
# - A. Salmona, V. De Bortoli, J. Delon, A. Desolneux: *Can Push-forward Generative Models Fit Multimodal Distributions?*,
#   2022, arXiv:2206.14476. Bridges and Lipschitz constants.
# - J. Behrmann, P. Vicol, K.-C. Wang, R. Grosse, J.-H. Jacobsen: *Understanding and Mitigating Exploding Inverses in
#   Invertible Neural Networks*, 2021, arXiv:2006.09347. Round trips, and what bounds them.
# - G. Papamakarios, E. Nalisnick, D. Rezende, S. Mohamed, B. Lakshminarayanan: *Normalizing Flows for Probabilistic
#   Modeling and Inference*, 2019, arXiv:1912.02762.
# - D. Rezende, S. Mohamed: *Variational Inference with Normalizing Flows*, 2015, arXiv:1505.05770.
# - M. C. Jones, A. Pewsey: *Sinh-arcsinh distributions*, Biometrika 96 (2009), 761–780. The bend of section 3.1 is its
#   skewness parameter.
# - X. Liu et al.: *Self-supervised Learning: Generative or Contrastive*, 2020, arXiv:2006.08218.
# - L. Ma: *Datumorphism*, "Generative Models: Normalizing Flow", 2021. The page that this chapter follows.
#
# ## Next
#
# Two chapters go deeper: 3a, *Masked and spline flows*, whose layers bend more, and 3b, *Flows for inference*, which
# takes up section 3.11. All these flows keep all dimensions. Chapter 4, **Auto-encoder**, gives that up: it squeezes the
# data through a small latent space, and loses the exact likelihood on the way. Chapter 5 wins back a bound on it.
