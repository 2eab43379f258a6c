# %% [markdown] tags=["frame"]
# # 2b · PixelCNN: autoregressive models of images
#
# A stroke looks the same wherever it lies in an image. PixelCNN predicts every pixel with the *same* small network,
# slid over the image, which looks up and to the left only.
#
# **After this chapter you can**
# - write a convolution that respects an ordering, with masks of types A and B;
# - find out what a prediction depends on, find the blind spot of masked convolutions, and remove it;
# - train a gated PixelCNN on black-and-white and on grey digits, with classes, and report bits per dimension;
# - give grey levels a probability by a mixture of logistic distributions, without underflow;
# - draw samples and complete images, without computing anything twice.
#
# **You need** chapter 2 (the chain rule, masks, nats, sampling in order).
# **Time:** about an hour and a half; the code itself runs in about a minute on two cores.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx

from course_lib import data, notebook
from course_lib.autoregressive import (
    Made,
    PixelCNN,
    SingleStackPixelCNN,
    enumerate_binary,
    negative_log_likelihood,
)
from course_lib.distributions import LogisticMixture
from course_lib.exercises import exercise
from course_lib.explorers.scenes.receptive_field import (
    receptive_field_explorer,
)
from course_lib.figures.autoregressive import matrices
from course_lib.figures.images import image_grid, image_rows
from course_lib.figures.receptive_field import receptive_fields
from course_lib.figures.style import BLUE
from course_lib.networks import causal_convolution
from course_lib.probability import bits_per_dim, mean_and_error
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 2b.1 One set of weights for all pixels
#
# MADE has a weight of its own for every pair of a pixel and a hidden unit. What it learns about strokes at the top of
# an image, it must learn again at the bottom. A model of images would rather learn it once.

# %% [markdown] tags=["derivation"]
# A **convolution** uses one small set of weights, the **kernel** $W$, everywhere:
#
# $$y_{ij}=\sum_{a}\sum_{b}W_{ab}\;x_{i+a,\,j+b}.$$
#
# The offsets $a$ (rows) and $b$ (columns) run over a few values around 0, and $x$ is 0 outside of the image
# (**padding**). Written as a matrix that maps all pixels to all outputs, a convolution has few different weights, and
# repeats them. (In mathematics a convolution has minus signs, $x_{i-a,\,j-b}$; with plus signs the name is
# *cross-correlation*. For a kernel that is learned the two are the same up to a reflection.)

# %% [markdown]
# **Predict:** the kernel is 3 × 3, the image 4 × 4. How many different weights does the 16 × 16 matrix hold?

# %% alt="A 16 by 16 matrix in blocks of 4 by 4. Nine colours run along its diagonals, each the place of one kernel entry; everything else is empty." caption="A convolution with a kernel of 3 × 3, written as the matrix from the 16 pixels of a 4 × 4 image to its 16 outputs. Each colour is one weight, which returns along a diagonal; empty entries are 0."
kernel = jnp.arange(1.0, 10.0).reshape(3, 3, 1, 1)  # rows, columns, in, out
pixels = jnp.eye(16).reshape(16, 4, 4, 1)  # 16 images, one pixel of ink each
matrix = causal_convolution(pixels, kernel, (1, 1)).reshape(16, 16)
shown_matrix = np.where(matrix == 0, np.nan, matrix)
fig, ax = plt.subplots(figsize=(3.6, 3.2))
ax.pcolormesh(shown_matrix, cmap="tab10", edgecolors="white", lw=0.5)
ax.set(aspect="equal", xticks=[], yticks=[])
ax.set(xlabel="output pixel", ylabel="input pixel")
ax.invert_yaxis()

# %% [markdown]
# **Answer.** The matrix holds nine different weights, those of the kernel, and it would hold no more for a larger
# image: the kernel's size alone counts. Compare a MADE of 28 × 28 pixels with 500 hidden units to a layer of 3 × 3
# kernels from 32 channels to 32. (A **channel** is one number at every pixel; a hidden layer has several.)

# %% tags=["nbval-check-output"]
print(f"MADE, 500 hidden units: {2 * 784 * 500:,} weights before masking")
print(f"3 × 3 kernels, 32 to 32 channels: {9 * 32 * 32:,} weights")

# %% [markdown]
# ## 2b.2 Two masks
#
# A model of images must be autoregressive, too. We read an image row by row: the **predecessors** of pixel $(i,j)$ are
# the rows above, and the pixels left of it. A kernel centred on the pixel sees successors as well. So mask it, as MADE
# masks its weights.

# %% [markdown] tags=["derivation"]
# $$y_{ij}=\sum_{a,b}M_{ab}\,W_{ab}\;x_{i+a,\,j+b}.$$
#
# In the first layer the pixel itself must be left out: it is what we predict. This is **mask A**. In later layers what
# stands at the pixel is a feature that has not seen it, and may be used: **mask B**.


# %% library="course_lib.networks.causal_convolution:convolution_mask"
def convolution_mask(radius, kind):
    size = 2 * radius + 1
    mask = np.arange(size * size) < (size * size // 2 + {"A": 0, "B": 1}[kind])
    return mask.astype(float).reshape(size, size)


# %% alt="Two masks of 5 by 5, columns labelled by the offset b and rows by the offset a. Both are green in the two rows above the middle and in the middle row left of the centre. Mask B is green in the centre as well." caption="The two masks for kernels of 5 × 5. A kernel may look where the mask is green; the pixel itself is the centre, $a=b=0$. Mask A leaves the centre out, mask B lets it in."
masks = {f"mask {kind}": convolution_mask(2, kind) for kind in "AB"}
fig = matrices(masks)
for ax in fig.axes:
    ax.set(xlabel="column offset $b$", ylabel="row offset $a$")
    ax.set_xticks(np.arange(5) + 0.5, np.arange(-2, 3))
    ax.set_yticks(np.arange(5) + 0.5, np.arange(-2, 3))

# %% [markdown]
# `SingleStackPixelCNN` stacks such layers: one with mask A, then as many with mask B as there are numbers in its third
# argument. Small images can be enumerated.
#
# **Predict:** what is the total probability of all $2^9$ images of 3 × 3 pixels, before any training?


# %% tags=["nbval-check-output"]
def small_model():
    shape, channels, later_layers = (3, 3), 8, (1, 1)
    return SingleStackPixelCNN(
        shape, channels, later_layers, first_radius=1, rngs=nnx.Rngs(0)
    )


tiny = small_model()
every_image = enumerate_binary(9).reshape(-1, 3, 3)
total = jnp.exp(tiny.log_prob(every_image)).sum()
print(f"total probability {total:.4f}")

# %% [markdown]
# **Answer.** The total probability is 1, whatever the weights are: the masks make the outputs conditionals of one
# ordering, and the chain rule does the rest.
#
# ### What goes wrong: mask B in the first layer
#
# One letter wrong, and every pixel sees itself. No error is raised, so we train it on fair coin tosses.
#
# **Predict:** nobody can predict coin tosses. What loss will the broken model report?

# %%
leaky = small_model()
with_centre = jnp.asarray(convolution_mask(1, "B"))[:, :, None, None]
leaky.layers[0].mask[...] = with_centre
untrained = jnp.exp(leaky.log_prob(every_image)).sum()

# %% again="it trains the broken model further"
tosses = jax.random.bernoulli(jax.random.key(1), 0.5, (2560, 3, 3)) * 1.0
leak_history = fit(
    leaky, negative_log_likelihood, tosses, key=jax.random.key(2),
    epochs=10, batch_size=64, optimizer=cosine_adam(2e-2, 400),
)  # fmt: skip
trained = jnp.exp(leaky.log_prob(every_image)).sum()
print(f"reported loss {leak_history.train_loss[-1]:.4f} nats")
print(f"least possible {9 * np.log(2):.4f} nats")
print(f"total 'probability' {untrained:.2f} before, {trained:.1f} after")

# %% [markdown]
# **Answer.** The reported loss falls to almost 0, far below what is possible: each pixel is predicted from itself. The
# numbers are no probabilities: each of the 512 images gets nearly all for itself, and the total is near 512.
#
# ## 2b.3 The receptive field, from gradients
#
# Large images cannot be enumerated. But a leak is a dependency that should not be there, and a weakness of a model one
# that is missing; derivatives show both. The **receptive field** of a pixel is the set of inputs that its prediction
# depends on.

# %% [markdown] tags=["derivation"]
# We call input $(k,m)$ *seen* by pixel $(i,j)$ if a derivative at a random point says so:
#
# $$R_{ij}=\Big\{(k,m)\;:\;\frac{\partial\,\text{feature}_{ij}}{\partial x_{km}}\neq0\Big\}.$$
#
# A derivative that is not 0 proves a dependency. Does a derivative of 0 prove that there is none? In general it does
# not: a ReLU that is switched off at that point, or a step function, has slope 0 and depends on its input all the same
# (chapter 2). But our features are made of tanh, $\sigma$, sums and products, and these are **analytic**: if such a
# function's slope is 0 at a point drawn from a density, then with probability 1 it is 0 everywhere. So here one random
# point decides, up to rounding. In section 2b.4 a second witness, which flips pixels, needs no such argument.


# %%
def fields_by_depth(model):
    """Entry [l, i, j, k, m]: after l + 1 layers, does (i, j) see (k, m)?"""
    x = jax.random.normal(jax.random.key(0), model.image_shape)

    def after_each_layer(x):
        return jnp.stack([h[0].sum(axis=-1) for h in model.features(x)])

    return np.asarray(jax.jit(jax.jacrev(after_each_layer))(x) != 0)


def four_layers(architecture):
    """13 × 13 pixels, 6 channels; four layers with kernels of 3 × 3."""
    return architecture(
        (13, 13), 6, (1, 1, 1), first_radius=1, rngs=nnx.Rngs(0)
    )


one_stack = fields_by_depth(four_layers(SingleStackPixelCNN))
print("layers, then all pairs of two pixels:", one_stack.shape)

# %% [markdown]
# All kernels here are 3 × 3.
#
# **Predict:** with each layer the field grows by one pixel in every direction that the mask allows. Will it fill the
# upper half of a square?

# %% alt="Four panels for one to four layers around the same red pixel. The green field grows upwards and to the left, but its right edge rises at 45 degrees: the earlier pixels below that edge, right of the red pixel, stay purple in every panel." caption="What the prediction of the red pixel sees after one to four layers of one masked stack. To the right of the pixel the field ends at a diagonal. The purple pixels between this diagonal and the pixel's row are never seen, however many layers follow."
target = (8, 6)
depths = [f"{n} layer{'s' * (n > 1)}" for n in range(1, 5)]
fig = receptive_fields(
    {title: field[target]
     for title, field in zip(depths, one_stack, strict=True)},
    target,
)  # fmt: skip

# %% [markdown] tags=["derivation"]
# **Answer.** It does not fill the upper half of the square: there is a **blind spot** to the right, which no depth
# removes. Follow a path from the pixel to an input. Each layer moves it by one offset of its mask: up by one row and
# sideways by at most one column, or to the left within the row. To get $b$ columns to the right it must go at least $b$
# rows up. For pixels $a$ rows above and $b$ columns to the right of the target,
#
# $$(i-a,\,j+b)\in R_{ij}\quad\Longrightarrow\quad b\le a .$$
#
# The pixels with $b>a$, which lie below the diagonal through the target, are never seen, although they are
# predecessors. Kernels that reach $\rho$ pixels far move at most $\rho$ columns with each row: then the edge is
# $b\le\rho\,a$. It is flatter, but the spot remains.

# %% tags=["nbval-check-output"]
i, j, k, m = np.indices((13,) * 4, sparse=True)  # pixel (i, j), input (k, m)
up, right = i - k, m - j
for n, field in enumerate(one_stack, start=1):
    near = (abs(right) <= n) & (up <= n)
    near &= (up > 0) | ((up == 0) & (right < 0))
    blind = near & (right > up)
    as_derived = np.array_equal(field, near & ~blind)
    print(f"{n} layers: as derived at all 169 pixels: {as_derived};", end=" ")
    print(f"blind in the middle: {blind[target].sum()}")

# %% [markdown]
# ## 2b.4 Two stacks
#
# The blind spot hides pixels that are near, and near pixels tell most. The repair (van den Oord et al., 2016) computes
# two sets of features.

# %% [markdown] tags=["derivation"]
# The **vertical stack** $v$ sees all rows above, to both sides. Its kernels are whole rectangles, without masks. The
# **horizontal stack** $h$ looks left within the row, and at every layer receives $v$. With $*$ for convolution:
#
# $$v\leftarrow W^v*v,\qquad h\leftarrow W^h*h+V\,v,$$
#
# where $V$ is a matrix that mixes channels. The vertical stack must never listen to the horizontal one.

# %% [markdown]
# **Predict:** why would $v\leftarrow W^v*v+h$ be a leak?

# %% alt="Four panels for one to four layers. The green field is the full upper half of a square around the red pixel, which grows by one pixel with each layer; no purple is left inside it." caption="The same picture with two stacks. The field is the whole upper half of a square; what is still purple is out of reach, and one more layer reaches one pixel further."
two_stacks = fields_by_depth(four_layers(PixelCNN))
fig = receptive_fields(
    {title: field[target]
     for title, field in zip(depths, two_stacks, strict=True)},
    target,
)  # fmt: skip

# %% [markdown]
# **Answer.** It would be a leak because $h$ one place to the right has seen the pixel itself, and the next vertical
# kernel, which looks to both sides, would fetch it from there. (Exercise 2b.8 meets this leak.) Now count every
# forbidden entry, and every allowed one within reach:

# %% tags=["nbval-check-output"]
order = np.arange(169).reshape(13, 13)
forbidden = order[None, None] >= order[:, :, None, None]
for n, field in enumerate(two_stacks, start=1):
    within = (abs(right) <= n) & (up <= n) & ~forbidden
    leaks, seen = (field & forbidden).sum(), (field & within).sum()
    print(f"{n} layers: forbidden entries not 0: {leaks} of", end=" ")
    print(f"{forbidden.sum()}; allowed ones: {seen} of {within.sum()}")

# %% [markdown]
# The second witness flips each pixel of a black-and-white image, one after the other, and looks which features change.
# It can find steps and switched-off units, too. It may miss a dependency, never invent one.


# %% tags=["nbval-check-output"]
@nnx.jit
def changed_by_a_flip(model, image):
    """Entry [i, j, k, m]: does (i, j) change when (k, m) is flipped?"""
    flips = jnp.eye(image.size).reshape(-1, *image.shape)
    variants = jnp.concatenate([image[None], (image + flips) % 2])
    after = model.features(variants)[-1]
    changed = (after[1:] != after[0]).any(axis=-1)
    return changed.reshape(*image.shape, *image.shape).transpose(2, 3, 0, 1)


noise_image = jax.random.bernoulli(jax.random.key(3), 0.5, (13, 13)) * 1.0
by_flips = changed_by_a_flip(four_layers(PixelCNN), noise_image)
print("forbidden changes:", int((np.asarray(by_flips) & forbidden).sum()))
print("as the derivatives say:", np.array_equal(by_flips, two_stacks[-1]))

# %% [markdown]
# **Predict, then move:** put the target into the top right corner of the image. How large is its blind spot there? And
# in the leftmost column?

# %% caption="Point at a pixel. Green: the earlier pixels that its prediction sees; purple: the earlier pixels that it does not see, because they are in the blind spot or out of reach. Switch between one stack and two."
receptive_field_explorer({"one stack": one_stack, "two stacks": two_stacks})

# %% [markdown]
# **Answer.** In the top right corner there is no blind spot: all predecessors lie to the left, and those that stay
# purple are only out of reach. In the leftmost column the spot is as large as in the middle, provided that there are
# rows above: it needs pixels that are above *and* to the right.

# %% [markdown] tags=["quiz"]
# **A colleague uses mask A in every layer. What happens?**
#
# - [ ] The model leaks: later layers see the pixel to be predicted. :: Mask A shuts more than mask B does; shutting
#   more cannot open a leak.
# - [x] The total probability stays 1, but each layer throws away what the layer before found at the pixel. :: Right: a
#   feature at the pixel has seen its predecessors only and may be used; the model is valid and weaker.
# - [ ] Nothing changes, for A and B differ in one entry only. :: In later layers that entry carries the feature of the
#   pixel itself, the one that knows most about its neighbourhood.

# %% [markdown] tags=["quiz"]
# **You stack 40 masked layers of 3 × 3 on images of 28 × 28. Does the blind spot go away?**
#
# - [ ] Yes, with 40 layers the field reaches every pixel of the image. :: It reaches far to the left and up. To the
#   right each column costs a row.
# - [x] No: a pixel two columns to the right and one row up stays unseen. :: Right: $b=2>a=1$ at any depth.
# - [ ] It does if the training runs long enough. :: The spot is a property of the masks. No weight can open a path that
#   does not exist.

# %% [markdown] tags=["quiz"]
# **In a test all derivatives at forbidden places are exactly 0 at one random image of zeros and ones. The model has
# ReLU units and steps. Is it free of leaks?**
#
# - [ ] Yes, a derivative of 0 means that nothing depends. :: Only for one point, and only for small changes: a step has
#   slope 0 on both sides.
# - [x] Not for sure: flip pixels as well, at several images. :: Right: steps and switched-off units have slope 0 and
#   still depend on their input.
# - [ ] No, for a masked network must have small derivatives everywhere. :: Closed paths give derivatives of exactly 0.

# %% [markdown]
# ## 2b.5 The gated block
#
# Convolutions alone are linear, and a stack of them is no more than one. Something curved must stand between them.

# %% [markdown] tags=["derivation"]
# PixelCNN takes half of the channels as *content* $t$ and half as a *gate* $g$, which says how much of the content
# passes:
#
# $$\operatorname{gate}(t,g)=\tanh(t)\odot\sigma(g).$$


# %% library="course_lib.autoregressive.pixelcnn:gate"
def gate(a):
    content, volume = jnp.split(a, 2, axis=-1)
    return jnp.tanh(content) * jax.nn.sigmoid(volume)


# %% alt="Four curves against the content t, each a hyperbolic tangent scaled by the gate: nearly flat for g of minus 4, a quarter of the height for minus 1, half for 0, almost full height from minus 1 to 1 for g of 4." caption="The gated unit. The content decides about the sign and shape, the gate $g$ about the height: at $g=-4$ almost nothing passes, at $g=4$ almost all."
content = jnp.linspace(-4, 4, 81)
for volume in (4.0, 0.0, -1.0, -4.0):
    pairs = jnp.stack([content, jnp.full(81, volume)], axis=-1)
    plt.plot(content, gate(pairs)[:, 0], label=f"$g={volume:.0f}$")
plt.gca().set(xlabel="content $t$", ylabel="gate$(t,g)$")
legend = plt.legend()

# %% [markdown] tags=["derivation"]
# One layer of the network, with biases $\beta_v,\beta_h$ and matrices $V$, $U$ that mix channels:
#
# $$e=W^v*v+\beta_v,\qquad v\leftarrow\operatorname{gate}(e),\qquad
# h\leftarrow h+U\operatorname{gate}\big(W^h*h+V\,e+\beta_h\big).$$
#
# The last sum is a **residual** connection: a layer adds to what is there. The first layer has none, since $h$ is the
# image there and would leak. After the last layer each pixel's features go through two small dense layers, shared by
# all pixels, to the logit.
#
# Two additions are ours to choose. In the first layer the biases differ from place to place, so that the network
# knows where it is. And if there are classes, every bias gets a term for the class.

# %% [markdown]
# Here is a layer, line by line as in the formula.


# %%
def gated_layer(layer, v, h, bias):
    bias_v, bias_h = jnp.split(bias, 2, axis=-1)
    radius = layer.radius
    above, left = (radius, radius), (0, radius)  # where the pixel lies
    e = causal_convolution(v, layer.vertical[...], above) + bias_v
    row = causal_convolution(h, layer.horizontal[...], left)
    from_above = layer.link(e) + bias_h
    return gate(e), h + layer.out(gate(row + from_above))


# %% tags=["nbval-check-output"]
second_layer = four_layers(PixelCNN).layers[1]
v, h = jax.random.normal(jax.random.key(4), (2, 5, 13, 13, 6))
bias = jax.random.normal(jax.random.key(5), (1, 1, 1, 24))
library_layer = second_layer((v, h), bias)
for name, ours, theirs in zip(
    "vh", gated_layer(second_layer, v, h, bias), library_layer, strict=True
):
    equal = bool(jnp.allclose(ours, theirs, atol=1e-5))
    print(f"{name} {ours.shape} equal: {equal}")

# %% [markdown]
# A whole network is a first layer that looks at the image, some such layers, and the read-out. The kernels' shapes are
# rows, columns, channels in, channels out; each layer makes twice its channels, content and gate.

# %% tags=["nbval-check-output"]
for n, layer in enumerate(four_layers(PixelCNN).layers, start=1):
    shapes = layer.vertical.shape, layer.horizontal.shape
    print(f"layer {n}: vertical {shapes[0]}, horizontal {shapes[1]}")

# %% [markdown]
# ## 2b.6 Black-and-white digits
#
# Does the blind spot matter, and do shared weights? The digits of chapter 2 decide: 8 × 8 pixels of ink or paper. All
# models get the same recipe, and each is trained from three different first weights, because one run may be lucky.

# %%
digits = data.digits_8x8()
parts = (digits.train, digits.valid, digits.test)
x_train, x_valid, x_test = (
    jnp.asarray(data.binarize(part.images)) for part in parts
)


# %%
def pixel_model(architecture, channels, later_layers, first_radius):
    return lambda seed: architecture(
        (8, 8), channels, later_layers, first_radius=first_radius,
        rngs=nnx.Rngs(seed),
    )  # fmt: skip


# %%
def made_from_ink(seed):
    """MADE that starts from the share of ink in each pixel."""
    model = Made(64, (512,), rngs=nnx.Rngs(seed))
    ink = (x_train.reshape(-1, 64).sum(axis=0) + 1) / (len(x_train) + 2)
    model.layers[-1].bias[...] = jnp.log(ink) - jnp.log(1 - ink)
    return model


# %% [markdown]
# One stack gets 20 channels and two stacks 16, so that they have about equally many parameters. The *wide* network has
# a first kernel of 7 × 7 and later kernels that look at every second pixel (a **dilation** of 2). How many of the
# $64\cdot63/2=2016$ pairs of a pixel and a predecessor does each network see?

# %% tags=["nbval-check-output"]
builders = {
    "one stack": pixel_model(SingleStackPixelCNN, 20, (1, 1), 2),
    "two stacks": pixel_model(PixelCNN, 16, (1, 1), 2),
    "two stacks, wide": pixel_model(PixelCNN, 16, (2, 2), 3),
}
for name, build in builders.items():
    seen_pairs = fields_by_depth(build(0))[-1].sum()
    print(f"{name:<18}sees {seen_pairs:,} of {64 * 63 // 2:,} pairs")
builders |= {
    "MADE": lambda seed: Made(64, (512,), rngs=nnx.Rngs(seed)),
    "MADE, from ink": made_from_ink,
}

# %% [markdown]
# The recipe: 240 steps, each on 64 random digits, with a rate that falls from 0.01 to 0 along half a cosine. `lax.map`
# runs it from each of the three starts, with the same batches.

# %%
steps = 240
optimizer = cosine_adam(1e-2, steps)


def train_starts(build, examples):
    """Three trained models, which differ in their first weights."""
    graph, _, fixed = nnx.split(build(0), nnx.Param, ...)
    starts = [nnx.state(build(seed), nnx.Param) for seed in range(3)]
    starts = jax.tree.map(lambda *each: jnp.stack(each), *starts)

    def step(carry, key):
        params, memory = carry
        rows = jax.random.randint(key, (64,), 0, len(examples))
        full = lambda params: nnx.merge(graph, params, fixed)  # noqa: E731
        loss = lambda p: -full(p).log_prob(examples[rows]).mean()  # noqa: E731
        update, memory = optimizer.update(jax.grad(loss)(params), memory)
        return (optax.apply_updates(params, update), memory), None

    def run(start):
        keys = jax.random.split(jax.random.key(0), steps)
        return jax.lax.scan(step, (start, optimizer.init(start)), keys)[0][0]

    ends = jax.jit(lambda starts: jax.lax.map(run, starts))(starts)

    def model_of(n):
        params = jax.tree.map(lambda end: end[n], ends)
        return nnx.merge(graph, params, fixed)

    return [model_of(n) for n in range(3)]


# %%
def open_weights(model):
    """The number of parameters, less those behind a closed mask."""
    count = sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param)))
    for layer in model.layers:
        if hasattr(layer, "mask"):
            repeats = layer.kernel[...].size // layer.mask[...].size
            count -= int((layer.mask[...] == 0).sum()) * repeats
    return count


def shaped(images, name):
    return images.reshape(-1, 64) if name.startswith("MADE") else images


# %% [markdown]
# **Predict:** which has more parameters, MADE or PixelCNN? And which of the PixelCNNs fits unseen digits best?

# %%
log_prob = nnx.jit(lambda model, *images: model.log_prob(*images))
models, scores = {}, {}
for name, build in builders.items():
    models[name] = train_starts(build, shaped(x_train, name))
    nats = [-log_prob(model, shaped(x_test, name)) for model in models[name]]
    scores[name] = np.stack(nats)  # a row for each start
    each_start = "  ".join(f"{row.mean():.2f}" for row in scores[name])
    size = open_weights(models[name][0])
    print(f"{name:<18}{each_start} nats  {size:6,} parameters")

# %%
pairs_compared = [
    ("two stacks", "one stack"),
    ("two stacks, wide", "two stacks"),
    ("two stacks, wide", "MADE"),
    ("two stacks, wide", "MADE, from ink"),
]
for name, other in pairs_compared:
    gap = scores[name].mean(axis=0) - scores[other].mean(axis=0)
    mean, error = mean_and_error(gap)
    print(f"{name} minus {other}: {mean:+.2f} ± {error:.2f} nats")

# %% [markdown] tags=["derivation"]
# **Answer.** MADE has the most parameters, even when those behind closed masks are left out. Of the PixelCNNs the wide
# one fits best. (In the table, differences within a row come from the first weights alone; the ± of the paired
# differences covers the test digits, for the mean over the starts.)
#
# - **The blind spot costs something.** At nearly equal size each start of two stacks beats each of one.
# - **A short reach costs more.** With kernels that see all predecessors the network gains again. Without them it is
#   short-sighted even on an image of only 8 rows.
# - **Shared weights or MADE's own?** From the same kind of start the wide PixelCNN wins. But MADE can begin from the
#   share of ink in every pixel, as it did in chapter 2, and then each of its starts is ahead of each of PixelCNN's.
#   With more steps MADE gains again (chapter 2); exercise 2b.9 gives PixelCNN this start. So the table does not say
#   which *architecture* suits small centred digits better. It says how much a recipe can decide, and how little a
#   comparison without one means.

# %% [markdown]
# ## 2b.7 Grey levels
#
# The digits come in 17 levels of grey. A **softmax** over 17 logits would do, but each level has a logit of its own:
# that level 9 is close to level 10 must be learned from examples. With 256 levels examples of most levels are rare.

# %% [markdown] tags=["derivation"]
# PixelCNN++ (Salimans et al., 2017) cuts a continuous density into levels. Scale level $\ell=0,\dots,L-1$ to
# $c_\ell=2\ell/(L-1)-1$, so that levels are $2\delta=2/(L-1)$ apart, and take a mixture of $K$ logistic distributions
# with means $\mu_k$, scales $s_k$ and weights $\pi_k$. The distribution function of a logistic is a sigmoid, so
#
# $$p(\ell)=\sum_{k=1}^K\pi_k\big[\sigma(z_k^+)-\sigma(z_k^-)\big],\qquad z_k^\pm=\frac{c_\ell\pm\delta-\mu_k}{s_k}.$$
#
# For the first level $\sigma(z_k^-)$ is replaced by 0, for the last $\sigma(z_k^+)$ by 1. So the terms telescope: the
# probabilities sum to 1. A pixel needs $3K$ numbers, however many levels there are. (With the library's $K=5$ that is
# 15: hardly fewer than 17 logits, but far fewer than 256.)

# %% alt="Bars of 17 probabilities with two humps, one narrow near level 4 and one wide near level 11, and a larger bar at level 16 that holds the tail." caption="A mixture of two logistic distributions, cut into 17 levels: a narrow one near level 4 and a wide one near level 11. The last bar is high because the last level gets the whole tail."
mixture = LogisticMixture(levels=17, components=2)
parameters = jnp.array(
    [0.0, 0.7, -0.5, 0.5, -3.0, -1.2]
)  # logits of the weights, means, logarithms of the scales
probabilities = np.exp(jax.jit(mixture.level_log_probs)(parameters))
plt.bar(np.arange(17), probabilities, color=BLUE)
plt.gca().set(xlabel="grey level", ylabel="probability")
ticks = plt.xticks(range(0, 17, 2))
print(f"sum: {probabilities.sum():.4f}")

# %% [markdown]
# ### What goes wrong: the difference of two sigmoids
#
# One logistic, mean 0, scale $1/100$.
#
# **Predict:** in float32, what is the logarithm of $\sigma(z^+)-\sigma(z^-)$ for the level $c=\frac12$, 50 scales away
# from the mean?

# %% tags=["nbval-check-output"]
half_step, narrow, level_value = 1 / 255, 0.01, 0.5  # of 256 levels
upper = (level_value + half_step) / narrow
lower = (level_value - half_step) / narrow
difference = jax.nn.sigmoid(upper) - jax.nn.sigmoid(lower)
factors = (
    jax.nn.log_sigmoid(upper),
    jax.nn.log_sigmoid(-lower),
    jnp.log(-jnp.expm1(lower - upper)),
)
print("log of the difference:", jnp.log(difference))
print(f"all factors as logs:   {sum(factors):.4f}")

# %% [markdown] tags=["derivation"]
# **Answer.** The logarithm is $-\infty$: both sigmoids round to 1, and their difference to 0. The second line is the
# repair. Since $\sigma(z)=e^z/(1+e^z)$,
#
# $$\sigma(z^+)-\sigma(z^-)=\frac{e^{z^+}-e^{z^-}}{(1+e^{z^+})(1+e^{z^-})}
# =\sigma(z^+)\;\sigma(-z^-)\;\big(1-e^{z^--z^+}\big),$$
#
# a product, whose logarithm is a sum of three terms, none of which underflows. (In the library log-scales below $-7$
# count as $-7$, as in the paper.)


# %% library="course_lib.distributions.logistic:discretized_logistic_mixture_log_prob"
def discretized_logistic_mixture_log_prob(level, parameters, levels):
    logits, mean, log_scale = jnp.split(parameters, 3, axis=-1)
    log_scale, level, half = (
        jnp.maximum(log_scale, -7.0),
        jnp.asarray(level)[..., None],
        1 / (levels - 1),
    )
    centred = (2 * half * level - 1) - mean
    upper, lower = (
        (centred + side) * jnp.exp(-log_scale) for side in (half, -half)
    )
    below_upper = jnp.where(
        level == levels - 1, 0.0, jax.nn.log_sigmoid(upper)
    )
    above_lower = jnp.where(level == 0, 0.0, jax.nn.log_sigmoid(-lower))
    inner = (level > 0) & (level < levels - 1)
    overlap = jnp.where(
        inner, jnp.log(-jnp.expm1(-2 * half * jnp.exp(-log_scale))), 0.0
    )
    return jax.nn.logsumexp(
        jax.nn.log_softmax(logits, axis=-1)
        + below_upper + above_lower + overlap, axis=-1,
    )  # fmt: skip


# %% [markdown]
# Now grey digits, given their class: `num_classes=10`, and pairs of images and labels. The network is the wide one.

# %%
grey_train, grey_valid, grey_test = (
    (jnp.asarray(part.images), jnp.asarray(part.labels)) for part in parts
)
grey = PixelCNN(
    (8, 8), 16, (2, 2), likelihood=LogisticMixture(17), num_classes=10,
    first_radius=3, rngs=nnx.Rngs(0),
)  # fmt: skip
grey_history = fit(
    grey, negative_log_likelihood, grey_train, key=jax.random.key(0),
    epochs=12, batch_size=64, optimizer=cosine_adam(1e-2, 12 * 20),
    validation=grey_valid,
)  # fmt: skip
print(grey_history)

# %% [markdown]
# Likelihoods of images are reported in **bits per dimension**: $-\log_2p(x)$ divided by the number of pixels. The
# baseline draws each pixel on its own, from the levels counted at its place.
#
# **Predict:** how many bits does a pixel of 17 levels need without any model?


# %%
def counted_log_prob(train_images, images, levels):
    """Independent pixels: log share of each level at each place.

    One tenth of an image is added to every level.
    """
    place = np.arange(train_images[0].size)

    def index(images):
        level = np.round(images * (levels - 1)).astype(int)
        return place * levels + level.reshape(len(images), -1)

    size = place.size * levels
    counts = np.bincount(index(train_images).ravel(), minlength=size) + 0.1
    share = counts / (len(train_images) + 0.1 * levels)
    return np.log(share[index(images)]).sum(axis=1)


# %%
def bits(log_p, num_pixels):
    mean, error = mean_and_error(bits_per_dim(-log_p, num_pixels))
    return f"{mean:.3f} ± {error:.3f} bits per dimension"


# %% [markdown]
# The network gives $p(x\mid\text{class})$, the baseline $p(x)$. To compare like with like, average over the ten
# classes, which are equally frequent: $p(x)=\frac1{10}\sum_c p(x\mid c)$.

# %%
labels = jnp.arange(10)
by_class = nnx.jit(
    lambda model, x: jax.vmap(lambda c: model.log_prob(x, c))(labels)
)
grey_images, grey_labels = grey_test
every_class = np.asarray(by_class(grey, grey_images))
grey_log_p = jax.nn.logsumexp(every_class, axis=0) - np.log(10)
counted = counted_log_prob(np.asarray(grey_train[0]), grey_images, 17)
print(f"no model            {np.log2(17):.3f}")
print("independent pixels ", bits(counted, 64))
print("PixelCNN, p(x)     ", bits(grey_log_p, 64))
print("given the class    ", bits(log_prob(grey, *grey_test), 64))
print(f"the class is worth at most {np.log2(10) / 64:.3f}")

# %% [markdown]
# **Answer.** Without any model a pixel needs $\log_217$ bits, a little more than 4. The row *given the class* must not
# be compared with the others: it is told something that they pay for. (± covers the test digits, for one training.)
# Bits per dimension compare within one data set only.
#
# ## 2b.8 Sampling without waste
#
# Drawing goes pixel by pixel. So it matters what a step costs.

# %% [markdown] tags=["derivation"]
# The obvious step passes the whole image through the network and keeps *one* pixel's parameters. An image of $D$ pixels
# then takes $D$ passes over $D$ pixels each. But almost nothing has changed since the last step. `sample` keeps what
# can be used again: once a row, it computes the vertical stacks of that row from the last few; for each pixel, one
# feature in every horizontal stack. The work grows with $D$, no longer with $D^2$.

# %% [markdown]
# **Predict:** both ways get the same random numbers. In how many pixels do their images differ?

# %%
pixelcnn = models["two stacks, wide"][0]
images = pixelcnn.sample(jax.random.key(1), (50,))
pixel_keys = jax.random.split(jax.random.key(1), 64)
u = jax.vmap(lambda key: jax.random.uniform(key, (50,)))(pixel_keys)


def full_pass(x, t):
    """All pixels' numbers are computed, one pixel's are used."""
    numbers = pixelcnn.parameters(x)[:, t // 8, t % 8]
    drawn = pixelcnn.likelihood.draw(u[t], numbers)
    return x.at[:, t // 8, t % 8].set(drawn), None


blank = jnp.zeros((50, 8, 8))
naive, _ = jax.jit(
    lambda: jax.lax.scan(full_pass, blank, jnp.arange(64))
)()  # fmt: skip
print("pixels that differ:", int((images != naive).sum()), "of", images.size)

# %% [markdown]
# **Answer.** The images differ in no pixel: each is where a uniform random number falls among the probabilities, and
# these agree up to rounding. `python -m benchmarks.sampling` measures what is saved.

# %% tags=["cover"] alt="Ten rows of ten grey digits of 8 by 8 pixels, one row for each class from 0 to 9. Most can be recognised as the digit of their row." caption="Ten samples of each class, drawn pixel by pixel from the grey PixelCNN. The label of a row is the class that was asked for."
rows_by_class = {
    str(c): grey.sample(jax.random.key(c), (10,), c) for c in range(10)
}
fig = image_rows(rows_by_class, cell=0.42)

# %% [markdown]
# **Temperature** $T$ sharpens or flattens every conditional: $p^{1/T}$, normalized.
#
# **Predict:** what do samples gain at $T=0.5$, and what do they lose?

# %% alt="Three rows of ten samples of the digit 3, at temperatures 0.5, 1 and 1.5. At 0.5 they are clean and alike, at 1 they vary, at 1.5 they are noisy and often no digit." caption="Samples of the digit 3 at three temperatures. Cold samples are clean and alike, hot ones are varied and noisy."
hot_and_cold = {
    f"T = {T}": grey.sample(jax.random.key(3), (10,), 3, temperature=T)
    for T in (0.5, 1.0, 1.5)
}
fig = image_rows(hot_and_cold)

# %%
for name, drawn in hot_and_cold.items():
    cost = bits_per_dim(-log_prob(grey, drawn, jnp.full(10, 3)), 64).mean()
    spread = drawn.std(axis=0).mean()
    print(f"{name}: {cost:.2f} bits per dimension, spread {spread:.2f}")

# %% [markdown]
# **Answer.** At $T=0.5$ samples gain probability under the model (fewer bits) and look clean; they lose variety, which
# the spread of a pixel over the ten samples measures. Sharpening each conditional is not the same as sharpening the
# joint $p(x)^{1/T}$: a conditional does not know how its choice limits the pixels that follow.

# %% [markdown]
# Completing an image needs no new method: keep the pixels that come first, draw the others. The upper half comes
# first.

# %% alt="Four rows of twelve grey images. Each starts with a test digit and the same digit with its lower half grey; ten completions follow, with the same upper half and lower halves that vary but mostly fit." caption="Each row: a test digit, its upper half (the grey part is unknown), and ten completions given the half and the class. The upper half stays as it is; the lower half is drawn."
upper_half = np.arange(64).reshape(8, 8) < 32
shown = []
for n in (0, 1, 3, 8):
    image, label = grey_images[n], grey_labels[n]
    key = jax.random.fold_in(jax.random.key(4), n)
    completed = grey.sample(
        key, (10,), label, given=image, known=upper_half
    )  # fmt: skip
    shown += [image, jnp.where(upper_half, image, 0.5), *completed]
fig = image_grid(jnp.stack(shown), columns=12)

# %% [markdown]
# The lower half cannot be given in this way: its pixels come last. The library says so.
#
# **Predict:** which mask would the model need for it?

# %% tags=["nbval-check-output"]
try:
    grey.sample(
        jax.random.key(0), (), 3, given=grey_images[0], known=~upper_half
    )
except ValueError as error:
    print(error)

# %% [markdown] numbers={"60,000": "cited: LeCun et al. 1998", "5,000": "sum(len(part.images) for part in (large.train, large.valid, large.test))"}
# **Answer.** It would need the mask turned upside down, open in the rows *below*: then the image is read from the
# bottom, and the lower half comes first. A model has one ordering; chapter 2's orderless models take any.
#
# ## 2b.9 Digits of 28 × 28 pixels
#
# How does this grow? MNIST has 256 grey levels. From its 60,000 training digits the course brings 5,000 along, 600 of
# them to test. One pass over half of those to train must do here. The dilations 2, 4 and 8 let a pixel see 17 rows up.

# %%
large = data.mnist_5k()
mnist = PixelCNN(
    (28, 28), 16, (2, 4, 8), likelihood=LogisticMixture(256),
    rngs=nnx.Rngs(0),
)  # fmt: skip
mnist_history = fit(
    mnist, negative_log_likelihood, jnp.asarray(large.train.images[:2000]),
    key=jax.random.key(0), epochs=1, batch_size=16,
    optimizer=cosine_adam(5e-3, 125),
    validation=jnp.asarray(large.valid.images[:200]),
)  # fmt: skip
print(mnist_history, f"{open_weights(mnist):,} parameters", sep="\n")

# %%
test_digits = large.test.images
counted_28 = counted_log_prob(large.train.images, test_digits, 256)
six = np.split(test_digits, 6)  # in parts, to save memory
log_p_28 = np.concatenate([log_prob(mnist, part) for part in six])
print("independent pixels", bits(counted_28, 784))
print("PixelCNN          ", bits(log_p_28, 784))

# %% alt="Five rows of ten digits of 28 by 28 pixels: test digits; samples with strokes of the right thickness that seldom form a digit; and three rows that start with the upper half of a 7, a 3 and a 0, followed by nine completions, many of which continue the strokes plausibly." caption="Test digits, samples, and completions of three upper halves (the first image of each lower row shows what is given). Free samples have strokes and seldom form a digit; half a digit tells the model where to go."
known_28 = np.arange(784).reshape(28, 28) < 14 * 28
rows_28 = {
    "test": test_digits[:10],
    "samples": mnist.sample(jax.random.key(5), (10,)),
}
for n, name in ((0, "half a 7"), (2, "half a 3"), (4, "half a 0")):
    key, digit = jax.random.fold_in(jax.random.key(6), n), test_digits[n]
    ends = mnist.sample(key, (9,), given=digit, known=known_28)
    rows_28[name] = np.stack([np.where(known_28, digit, 0.5), *ends])
fig = image_rows(rows_28)

# %% [markdown]
# The strokes are right: their width and their smooth edges are decided by near pixels. Whether a stroke closes to a
# digit is decided far away, and 2,000 digits seen once have not taught that. Given half a digit, the model goes on more
# sensibly, for the 7 more often than for the 3.

# %% [markdown] tags=["box"] numbers={"852,160": "cited: Lippe, UvA Deep Learning Tutorial 12", "150": "cited: Lippe, UvA Deep Learning Tutorial 12", "0.82": "cited: Lippe, UvA Deep Learning Tutorial 12", "60,000": "cited: LeCun et al. 1998", "50,000": "cited: Lippe, UvA Deep Learning Tutorial 12", "81.45": "cited: Hotaj, pytorch-generative, README", "81.50": "cited: Hotaj, pytorch-generative, README", "85.65": "cited: Hotaj, pytorch-generative, README", "84.87": "cited: Hotaj, pytorch-generative, README"}
# **Where this stands.** UvA Tutorial 12 (Lippe, 2022) trains a gated PixelCNN with a softmax over 256 levels and
# 852,160 parameters for 150 passes over 50,000 of the 60,000 training digits, and reports 0.82 bits per dimension on
# MNIST's own test set. Ours has fewer parameters, saw 2,000 digits once, and is tested on 600 digits from the training
# set: the two numbers belong to different experiments, and the gap says how much the small one leaves out.
#
# With *dynamic binarization* (each grey level is the chance of ink, drawn anew in every pass) the repository
# *pytorch-generative* (Hotaj, 2021) reports 81.45 nats for PixelCNN and 81.50 for its gated form, against 85.65 for
# NADE and 84.87 for MADE. `python -m benchmarks.density --mnist FILE --models pixelcnn` trains ours on full MNIST.
#
# **What came after.** A convolution reaches far only through many layers. *Self-attention* with a causal mask lets
# every pixel look at every predecessor in one layer, and decides by content what to look at: PixelSNAIL (Chen et al.,
# 2018) adds it to convolutions, Image GPT (Chen et al., 2020) uses nothing else. Its mask is the triangle of chapter 2.

# %% [markdown] tags=["quiz"] numbers={"1.9": "cited: an example", "1.2": "cited: an example"}
# **Model A reports 1.9 bits per dimension for grey digits of 8 × 8 with 17 levels, model B 1.2 for MNIST of 28 × 28
# with 256 levels. Which is the better model?**
#
# - [ ] B, since fewer bits are better. :: Fewer bits are better on the *same* images. MNIST has wide margins, whose
#   pixels cost almost nothing.
# - [ ] A, since it has fewer levels to choose from. :: The number of levels bounds the bits from above and says little
#   about the images.
# - [x] The numbers do not compare. :: Right: they depend on the images and the levels. Compare models on one data set.

# %% [markdown] tags=["quiz"] numbers={"1.70": "cited: an example", "1.73": "cited: an example"}
# **A class-conditional model needs 1.70 bits per dimension given the class, an unconditional one 1.73, on 64 pixels.
# The ten classes are equally frequent. Does the first one have the better density of images?**
#
# - [ ] Yes, 1.70 is less than 1.73. :: Given the class, one is told something for free. Only $p(x)$ compares.
# - [x] It cannot be said before $p(x)$ is averaged over the classes. :: Right: the label may be worth up to
#   $\log_2(10)/64\approx0.05$ bits a pixel, more than the difference.
# - [ ] No, conditional models are never densities of images. :: Each $p(x\mid c)$ is one, and so is their average.

# %% [markdown] tags=["quiz"]
# **Why does the vertical stack need no mask on its kernels?**
#
# - [ ] Because its weights are learned to be 0 where it must not look. :: Nothing keeps learned weights at 0.
# - [x] Because its kernels hold only rows that have been drawn completely. :: Right: in the rows above every column is
#   a predecessor, so whole rectangles are allowed.
# - [ ] Because the horizontal stack removes what it saw too much. :: What was seen cannot be removed again.

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - A masked convolution is MADE with shared weights: mask A in the first layer, mask B in the others.
# - The receptive field can be measured. A derivative that is not 0 proves a dependency; a 0 proves none only for
#   analytic networks at a random point, so flip pixels as well.
# - One masked stack of 3 × 3 kernels is blind to pixels right of the diagonal through the target, at any depth (wider
#   kernels tilt the edge). A vertical and a horizontal stack see everything in reach; the vertical one must not listen
#   to the horizontal one.
# - On our digits the blind spot costs something and a short reach costs more. Against MADE the start of the training
#   decides.
# - Grey levels: a softmax, or a mixture of logistic densities cut into levels, computed in log space. Only $p(x)$
#   compares with $p(x)$; a class given for free does not.
# - Sampling computes each feature once, and completes any image whose first pixels are given.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 2b.1 ★ — Open entries
# A kernel of radius $\rho$ has $(2\rho+1)^2$ entries. Return how many of them mask A leaves open, and how many mask B.
#
# **Hint.** As many entries come before the centre as after it.


# %% tags=["exercise"]
def open_entries(radius):
    ### BEGIN SOLUTION
    before = ((2 * radius + 1) ** 2 - 1) // 2
    return before, before + 1
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.1") as check:
    for reach in (1, 2, 3):
        counted_open = [convolution_mask(reach, kind).sum() for kind in "AB"]
        hint = "Mask B lets in the centre, mask A does not."
        got = open_entries(reach)
        check.close(f"radius {reach}", got, counted_open, hint=hint)

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 2b.2 ★ — What a label can be worth
# There are $C$ equally frequent classes and $D$ pixels. How many bits per dimension can the label save at most, on
# average?
#
# **Hint.** To name one of $C$ equally frequent classes takes $\log_2C$ bits. They are spread over $D$ pixels.


# %% tags=["exercise"]
def most_saved(num_classes, num_pixels):
    ### BEGIN SOLUTION
    return np.log2(num_classes) / num_pixels
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.2") as check:
    check.close("two classes, one pixel: a bit", most_saved(2, 1), 1.0)
    most = most_saved(10, 64)
    hint = "log₂, and divide by the number of pixels."
    check.close("grey digits", most, np.log(10) / np.log(2) / 64, hint=hint)
    saved_nats = log_prob(grey, *grey_test) - grey_log_p
    saved_bits = bits_per_dim(saved_nats, 64).mean()
    enough = None if most is None else most >= saved_bits
    check.true("no less than the label of section 2b.7 saved", enough)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2b.3 ★ — Another ordering
# Write mask A for an image that is read *column by column*, top to bottom within a column. Return an array of 0 and 1
# of shape `(2 * radius + 1, 2 * radius + 1)`.
#
# **Hint.** Which columns have been read completely? And which part of the pixel's own column?
#
# **Hint.** Rows and columns change places.


# %% tags=["exercise"]
def column_mask(radius):
    ### BEGIN SOLUTION
    return convolution_mask(radius, "A").T
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.3") as check:
    answer = column_mask(2)
    done = answer is not None
    opened = np.sum(answer) if done else None
    check.close("12 of 25 entries are open", opened, 12)
    left_columns = answer[:, :2] if done else None
    check.close("the columns left of it", left_columns, np.ones((5, 2)))
    check.close(
        "the middle column: only above the centre",
        answer[:, 2] if done else None,
        np.array([1, 1, 0, 0, 0]),
        hint="Which pixels of its own column has a prediction seen?",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2b.4 ★ — How far does it see?
# The first layer's kernels reach `first_radius` pixels far, those of later layers one pixel times their dilation (the
# distance between the pixels that they look at). How many rows up does the field of a model reach?
#
# **Hint.** Follow one path straight up, layer by layer, and add what each layer contributes.


# %% tags=["exercise"]
def rows_up(first_radius, dilations):
    ### BEGIN SOLUTION
    return first_radius + sum(dilations)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.4") as check:
    for n, field in enumerate(two_stacks):
        measured = target[0] - np.nonzero(field[target].any(axis=1))[0].min()
        check.close(f"figure, {n + 1} layers", rows_up(1, [1] * n), measured)
    wide_reach = rows_up(3, [1, 2, 4])
    check.close("kernel of 7 × 7, then dilations 1, 2, 4", wide_reach, 10)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2b.5 ★ — Which class is it?
# The model gives $\log p(x\mid c)$ for each class. With all ten classes equally likely beforehand, return the
# probabilities $p(c\mid x)$ of one image from the ten numbers `log_p`. (Bayes' rule, without underflow.)
#
# **Hint.** $p(c\mid x)$ is $p(x\mid c)$ divided by the sum over all classes: the equal prior cancels.
#
# **Hint.** Exponentials divided by their sum have a name in `jax.nn`.


# %% tags=["exercise"]
def class_probabilities(log_p):
    ### BEGIN SOLUTION
    return jax.nn.softmax(log_p)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.5") as check:
    ten = every_class[:, 0]  # log p(x | c) of the first test digit
    shifted = np.exp(ten - ten.max())
    posterior = shifted / shifted.sum()
    answer = class_probabilities(ten)
    check.close("a test digit", answer, posterior, rtol=1e-4)
    far = class_probabilities(ten - 1000)
    hint = "Subtract the largest logarithm before you exponentiate."
    check.close("no underflow", far, posterior, rtol=1e-3, hint=hint)

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 2b.6 ★★ — The size of the blind spot
# All kernels are 3 × 3, there is one stack of $n$ layers. Derive on paper how many predecessors within $n$ rows and $n$
# columns are blind, far from the borders, and return the formula.
#
# **Hint.** In the row $a$ above the target, which columns to the right are blind? Section 2b.3 has the condition.
#
# **Hint.** They are the columns $a+1$ to $n$, that is $n-a$ of them. Sum over the rows $a=1,\dots,n$; the pixel's own
# row has no predecessors to the right.


# %% tags=["exercise"]
def blind_pixels(n):
    ### BEGIN SOLUTION
    return n * (n - 1) // 2
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.6") as check:
    for n in range(1, 5):
        missing = (two_stacks[n - 1] & ~one_stack[n - 1])[target].sum()
        hint = "In the row a above, the columns a + 1 to n."
        check.close(f"{n} layers", blind_pixels(n), missing, hint=hint)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2b.7 ★★ — Levels that sum to 1
# Write the probabilities of all `levels` levels for a *single* logistic with `mean` and `scale`, as a vector, by the
# definition: differences of sigmoids, and the tails to the first and the last level.
#
# **Hint.** There are `levels - 1` edges between neighbouring levels, at $c_\ell+\delta$ for all levels but the last.
#
# **Hint.** Put a 0 in front of the sigmoids at the edges and a 1 behind them, and take differences.


# %% tags=["exercise"]
def level_probabilities(mean, scale, levels):
    ### BEGIN SOLUTION
    edges = (2 * jnp.arange(1, levels) - 1) / (levels - 1) - 1
    inside = jax.nn.sigmoid((edges - mean) / scale)
    ends = jnp.zeros(1), inside, jnp.ones(1)
    return jnp.diff(jnp.concatenate(ends))
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.7") as check:
    answer = level_probabilities(0.3, 0.2, 17)
    single = np.array([0.0, 0.3, np.log(0.2)], np.float32)
    right_one = np.exp(jax.jit(LogisticMixture(17, 1).level_log_probs)(single))
    hint = "The edge between two levels is half a step above the lower."
    check.close("as in the library", answer, right_one, rtol=1e-4, hint=hint)
    whole = np.sum(answer) if answer is not None else None
    check.close("they sum to 1", whole, 1.0, hint="Who gets the tails?")
    two = level_probabilities(0.0, 1.0, 2)
    check.close("two levels: a Bernoulli", two, [0.5, 0.5])

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 2b.8 ★★ — A leak between two stacks
# Somebody wanted the vertical stack to know more, and wrote the layer below. Some of its forbidden derivatives are not
# 0. Find the line, say why it leaks, and write `mended_layer`, which does what the formula of section 2b.5 says.
#
# ```python
# def leaking_layer(layer, v, h, bias):
#     bias_v, bias_h = jnp.split(bias, 2, axis=-1)
#     r = layer.radius
#     e = causal_convolution(v + h, layer.vertical[...], (r, r)) + bias_v
#     row = causal_convolution(h, layer.horizontal[...], (0, r))
#     b = row + layer.link(e) + bias_h
#     return gate(e), h + layer.out(gate(b))
# ```
#
# **Hint.** What has the feature $h$ one place to the right seen? And which kernel looks there?
#
# **Hint.** The vertical kernel looks to both sides, so it may read $v$ alone.


# %% tags=["exercise"]
def mended_layer(layer, v, h, bias):
    ### BEGIN SOLUTION
    bias_v, bias_h = jnp.split(bias, 2, axis=-1)
    r = layer.radius
    e = causal_convolution(v, layer.vertical[...], (r, r)) + bias_v
    row = causal_convolution(h, layer.horizontal[...], (0, r))
    b = row + layer.link(e) + bias_h
    return gate(e), h + layer.out(gate(b))
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.8") as check:
    mended = mended_layer(second_layer, v, h, bias) or (None, None)
    for name, ours, theirs in zip("vh", mended, library_layer, strict=True):
        hint = "The vertical stack must not listen to the horizontal one."
        check.close(f"{name}", ours, theirs, hint=hint, atol=1e-5)

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 2b.9 ★★★ — PixelCNN from ink
# In section 2b.6 MADE took the lead because it began from the share of ink in each pixel. Let the wide PixelCNN begin
# there, too: its logits, `builders["two stacks, wide"](0)`, shall be *corrections* that are added to `ink_logits`.
# Train it so, by the recipe of that section, 240 steps on 64 digits each, and return it. The target on the *validation*
# digits, with `ink_logits` added: a tenth of a nat less than the three starts of section 2b.6 need on average.
#
# **Hint.** A constant for each pixel depends on no pixel. So no mask is touched, and the sum is a density, too.
#
# **Hint.** `fit` takes a loss of your own, `(model, x, key)`. It must score `x` under the *sum* of the logits.
# Twelve epochs of `x_train` are 240 steps; the optimizer is `cosine_adam(1e-2, 240)`.


# %% tags=["exercise"]
share_of_ink = (x_train.sum(axis=0) + 1) / (len(x_train) + 2)
ink_logits = jnp.log(share_of_ink) - jnp.log(1 - share_of_ink)


def nats_of_logits(x, logits):
    log_p = x * jax.nn.log_sigmoid(logits)
    log_p += (1 - x) * jax.nn.log_sigmoid(-logits)
    return -log_p.sum(axis=(1, 2)).mean()


def corrections_of_ink():
    ### BEGIN SOLUTION
    # One start proves little: those of section 2b.6 scatter by more than
    # this gain. Train three, and average, before you believe it.
    begun = builders["two stacks, wide"](0)

    def loss(model, x, key):
        return nats_of_logits(x, model.conditional_logits(x) + ink_logits)

    fit(
        begun, loss, x_train, key=jax.random.key(0), epochs=12,
        batch_size=64, optimizer=cosine_adam(1e-2, 240),
    )  # fmt: skip
    return begun
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.9") as check:
    begun = corrections_of_ink()
    missing = begun is None
    corrections = 0.0 if missing else begun.conditional_logits(x_valid)
    with_ink = nats_of_logits(x_valid, corrections + ink_logits)
    without_ink = nats_of_logits(x_valid, corrections + 0 * ink_logits)
    they_correct = ... if missing else with_ink < without_ink
    hint = "The loss must score the digits under the sum of the logits."
    check.true("its logits are corrections", they_correct, hint=hint)
    of_starts = [log_prob(one, x_valid) for one in models["two stacks, wide"]]
    ahead = ... if missing else with_ink <= -np.mean(of_starts) - 0.1
    check.true("a tenth of a nat less than without", ahead, hint=hint)

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 2b.10 ★★★ — How far does it look?
# The receptive field says what a prediction *may* use. What does it use? Blank out every row that lies more than $r$
# rows above the pixel that is predicted, and let `models["two stacks, wide"][0]` predict. Return its mean nats for a
# validation digit, for $r=0$, 1, 2, 3 and 7. How many rows does a model of images need?
#
# **Hint.** For the pixels of row $i$ set the rows before $i-r$ to 0, and add up the entries of `log_probs` that belong
# to row $i$. Eight passes are enough for one $r$.
#
# **Hint.** With $r=7$ nothing is blanked out: the nats must be those of the model.


# %% tags=["exercise"]
def nats_by_reach():
    ### BEGIN SOLUTION
    # A model that was trained with all rows may fare worse without them than
    # one trained without: rows of paper are unusual. So these numbers bound
    # from above what the far rows are worth. Known: the receptive field that
    # counts is often much smaller than the possible one (Luo et al., 2016,
    # arXiv:1701.04128); language models use far words, but hardly their order
    # (Khandelwal et al., 2018, arXiv:1805.04623). How much a longer reach
    # would gain on given data is found by training, not by theory.
    model, nats_each = models["two stacks, wide"][0], []
    for r in (0, 1, 2, 3, 7):
        nats = 0.0
        for i in range(8):
            near = x_valid.at[:, : max(i - r, 0)].set(0.0)
            nats -= model.log_probs(near)[:, i].sum(axis=1).mean()
        nats_each.append(nats)
    return nats_each
    ### END SOLUTION


# %% tags=["check"]
def nats_within(model, r):
    """Blank out the far rows of all digits, for one row after the other."""
    row, nats = np.arange(8)[:, None], 0.0
    for i in range(8):
        shown_rows = jnp.where(row < i - r, 0.0, x_valid)
        nats -= model.log_probs(shown_rows)[:, i].sum() / len(x_valid)
    return nats


with exercise("2b.10") as check:
    reached = nats_by_reach()
    nearsighted = models["two stacks, wide"][0]
    for n, r in enumerate((0, 1, 2, 3, 7)):
        got = None if reached is None else reached[n]
        right_nats = 0.0 if got is None else nats_within(nearsighted, r)
        hint = "Row i keeps the rows i − r to i; sum over all eight rows."
        check.close(f"r = {r}", got, right_nats, rtol=1e-3, hint=hint)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - **PixelCNN**: A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel Recurrent Neural Networks", ICML 2016,
#   arXiv:1601.06759.
# - **Gated PixelCNN**, two stacks, classes: A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves, K.
#   Kavukcuoglu, "Conditional Image Generation with PixelCNN Decoders", NeurIPS 2016, arXiv:1606.05328.
# - **PixelCNN++**, discretized logistic mixture: T. Salimans, A. Karpathy, X. Chen, D. P. Kingma, "PixelCNN++:
#   Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications", ICLR 2017,
#   arXiv:1701.05517.
# - **Attention**: X. Chen, N. Mishra, M. Rohaninejad, P. Abbeel, "PixelSNAIL: An Improved Autoregressive Generative
#   Model", ICML 2018, arXiv:1712.09763. M. Chen, A. Radford, R. Child, J. Wu, H. Jun, D. Luan, I. Sutskever,
#   "Generative Pretraining from Pixels" (Image GPT), ICML 2020.
# - P. Lippe, "UvA Deep Learning Tutorials", Tutorial 12: Autoregressive Image Modeling, 2022.
# - E. Hotaj, *pytorch-generative*, github.com/EugenHotaj/pytorch-generative, README, 2021: the nats on MNIST with
#   dynamic binarization.
# - L. Ma, "Generative Models", *Datumorphism*, 2021: the page on autoregressive models, which names PixelCNN by way of
#   that tutorial.
# - Digits: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998;
#   Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.

# %% [markdown]
# ## Next
#
# Here an image is built pixel by pixel, from pixels alone. Chapter 2c, *DARN*, puts hidden bits in front of them.
# Chapter 3, *Normalizing flows*, builds all values at once.
