# %% [markdown] tags=["frame"]
# # 2b · PixelCNN: autoregressive models of images
#
# A stroke looks the same wherever it lies in an image. PixelCNN predicts every pixel with the *same* small network,
# slid over the image, which looks up and to the left only.
#
# **After this chapter you can**
# - write a convolution that respects an ordering, with masks of types A and B;
# - compute from gradients what a prediction depends on, find the blind spot of masked convolutions, and remove it;
# - train a gated PixelCNN on black-and-white and on grey digits, with classes, and report bits per dimension;
# - give grey levels a probability by a mixture of logistic distributions, without underflow;
# - draw samples and complete images, without computing anything twice.
#
# **You need** chapter 2 (the chain rule, masks, nats, sampling in order).
# **Time:** about an hour; the code itself runs in less than a minute on two cores.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
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
from course_lib.explorers.scenes.receptive_field import receptive_field_explorer
from course_lib.figures.autoregressive import matrices
from course_lib.figures.images import image_grid, image_rows
from course_lib.figures.receptive_field import receptive_fields
from course_lib.figures.style import BLUE
from course_lib.figures.training import learning_curves
from course_lib.networks import causal_convolution
from course_lib.probability import bits_per_dim, mean_and_error
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 2b.1 One set of weights for all pixels
#
# MADE has a weight for every pair of a pixel and a hidden unit. What it learns about strokes at the top of an image,
# it must learn again at the bottom.

# %% [markdown] tags=["derivation"]
# A **convolution** uses one small set of weights, the **kernel** $K$, everywhere:
#
# $$y_{ij}=\sum_{a}\sum_{b}K_{ab}\;x_{i+a,\,j+b}.$$
#
# The offsets $a$ (rows) and $b$ (columns) run over a few values around 0, and $x$ is 0 outside of the image
# (**padding**). Written as a matrix that maps all pixels to all outputs, a convolution has few weights, and repeats
# them.

# %% [markdown]
# **Predict:** the kernel is 3 × 3, the image 4 × 4. How many different weights does the 16 × 16 matrix hold?

# %% alt="A 16 by 16 matrix in blocks of 4 by 4. Nine colours run along its diagonals, each the place of one kernel entry; everything else is empty."
kernel = jnp.arange(1.0, 10.0).reshape(3, 3, 1, 1)  # (rows, columns, channels in, channels out)
pixels = jnp.eye(16).reshape(16, 4, 4, 1)  # sixteen images with one pixel of ink each
matrix = causal_convolution(pixels, kernel, (1, 1)).reshape(16, 16)
plt.figure(figsize=(3.6, 3.2))
plt.pcolormesh(np.where(matrix == 0, np.nan, matrix), cmap="tab10", edgecolors="white", lw=0.5)
plt.gca().set(aspect="equal", xticks=[], yticks=[], xlabel="output pixel", ylabel="input pixel")
plt.gca().invert_yaxis()

# %% [markdown]
# Nine. And it does not matter how large the image is: a MADE of 28 × 28 pixels with 500 hidden units has
# $2\times784\times500$ weights, a layer of 3 × 3 kernels from 32 channels to 32 has $9\times32^2$.
#
# (A **channel** is one number at every pixel; a hidden layer has several.)

# %% tags=["nbval-check-output"]
print(f"MADE, 500 hidden units: {2 * 784 * 500:,} weights")
print(f"3 × 3 kernels, 32 to 32 channels: {9 * 32 * 32:,} weights")

# %% [markdown]
# ## 2b.2 Two masks
#
# We read an image row by row: the **predecessors** of pixel $(i,j)$ are the rows above, and the pixels left of it. A
# kernel centred on the pixel sees successors, too. So mask it, as MADE does.

# %% [markdown] tags=["derivation"]
# $$y_{ij}=\sum_{a,b}M_{ab}\,K_{ab}\;x_{i+a,\,j+b}.$$
#
# In the first layer the pixel itself must be left out: it is what we predict. This is **mask A**. In later layers what
# stands at the pixel is a feature that has not seen it, and may be used: **mask B**.


# %% alt="Two masks of 5 by 5. Both are green in the two rows above the middle and in the middle row left of the centre. Mask B is green in the centre as well." library="course_lib.networks.causal_convolution:convolution_mask"
def convolution_mask(radius, kind):
    size = 2 * radius + 1
    mask = np.arange(size * size) < size * size // 2 + {"A": 0, "B": 1}[kind]
    return mask.astype(float).reshape(size, size)


fig = matrices({"mask A": convolution_mask(2, "A"), "mask B": convolution_mask(2, "B")})
for ax in fig.axes:
    ax.set(xlabel="b", ylabel="a")

# %% [markdown]
# `SingleStackPixelCNN` stacks such layers: one with mask A, then as many with mask B as there are numbers in its third
# argument. Small images can be enumerated.
#
# **Predict:** what is the total probability of all $2^9$ images of 3 × 3 pixels, before any training?

# %% tags=["nbval-check-output"]
tiny = SingleStackPixelCNN((3, 3), 8, (1, 1), first_radius=1, rngs=nnx.Rngs(0))
every_image = enumerate_binary(9).reshape(-1, 3, 3)
print(f"total probability {jnp.exp(tiny.log_prob(every_image)).sum():.4f}")

# %% [markdown]
# ### What goes wrong: mask B in the first layer
#
# One letter wrong, and every pixel sees itself.

# %%
leaky = SingleStackPixelCNN((3, 3), 8, (1, 1), first_radius=1, rngs=nnx.Rngs(0))
leaky.layers[0].mask[...] = jnp.asarray(convolution_mask(1, "B"))[:, :, None, None]
print(f"total probability {jnp.exp(leaky.log_prob(every_image)).sum():.4f}")

# %% [markdown]
# The numbers are no probabilities any more, and training would soon make the loss look splendid. For images that
# cannot be enumerated, the test of chapter 2 remains: differentiate.
#
# ## 2b.3 The receptive field, from gradients
#
# The **receptive field** of a pixel is the set of inputs that its prediction depends on:
#
# $$R_{ij}=\Big\{(k,m)\;:\;\frac{\partial\,\text{prediction}_{ij}}{\partial x_{km}}\neq0\Big\}.$$


# %%
def fields_by_depth(model):
    """Entry [l, i, j, k, m]: after l + 1 layers, do the features of pixel (i, j) react to input (k, m)?"""
    x = jax.random.normal(jax.random.key(0), model.image_shape)
    after_each_layer = lambda x: jnp.stack([h[0].sum(axis=-1) for h in model.features(x)])  # noqa: E731
    return np.asarray(jax.jit(jax.jacrev(after_each_layer))(x) != 0)


one_stack = fields_by_depth(SingleStackPixelCNN((13, 13), 6, (1, 1, 1), first_radius=1, rngs=nnx.Rngs(0)))
print("layers, then one entry for each pair of pixels:", one_stack.shape)

# %% [markdown]
# All kernels here are 3 × 3. **Predict:** with each layer the field grows by one pixel in every direction that the mask
# allows. Will it fill the upper half of a square?

# %% alt="Four panels for one to four layers around the same red pixel. The green field grows upwards and to the left, but its right edge rises at 45 degrees: the earlier pixels below that edge, right of the red pixel, stay purple in every panel."
target = (8, 6)
names = [f"{n} layer{'s' * (n > 1)}" for n in range(1, 5)]
fig = receptive_fields({name: field[target] for name, field in zip(names, one_stack, strict=True)}, target)

# %% [markdown] tags=["derivation"]
# It does not: there is a **blind spot** to the right, which no depth removes. Why? Follow a path from the pixel to an
# input. Each layer moves it by one offset of its mask: up by one row and sideways by at most one column, or to the
# left within the row. To get $b$ columns to the right it must go at least $b$ rows up:
#
# $$(-a,\,b)\in R\quad\Longrightarrow\quad b\le a .$$
#
# The pixels with $b>a$, which lie below the diagonal through the target, are never seen, although they are
# predecessors.

# %% tags=["nbval-check-output"]
i, j, k, m = np.indices(one_stack.shape[1:], sparse=True)  # pixel (i, j), input (k, m)
up, right = i - k, m - j
for n, field in enumerate(one_stack, start=1):
    near = (abs(right) <= n) & (up <= n) & ((up > 0) | ((up == 0) & (right < 0)))
    blind = near & (right > up)
    print(f"{n} layers: as derived for all 169 pixels: {np.array_equal(field, near & ~blind)};", end=" ")
    print(f"blind in the middle: {blind[target].sum()}")

# %% [markdown]
# ## 2b.4 Two stacks
#
# The repair (van den Oord et al., 2016) computes two sets of features.

# %% [markdown] tags=["derivation"]
# The **vertical stack** $v$ sees all rows above, to both sides. Its kernels are whole rectangles, without masks. The
# **horizontal stack** $h$ looks left within the row, and at every layer receives $v$. With $*$ for convolution:
#
# $$v\leftarrow K^v*v,\qquad h\leftarrow K^h*h+L\,v,$$
#
# where $L$ is a matrix that mixes channels. The vertical stack must never listen to the horizontal one.

# %% [markdown]
# **Predict:** why would $v\leftarrow K^v*v+h$ be a leak?

# %% alt="Four panels for one to four layers. The green field is the full upper half of a square around the red pixel, which grows by one pixel with each layer; no purple is left inside it."
two_stacks = fields_by_depth(PixelCNN((13, 13), 6, (1, 1, 1), first_radius=1, rngs=nnx.Rngs(0)))
fig = receptive_fields({name: field[target] for name, field in zip(names, two_stacks, strict=True)}, target)

# %% [markdown]
# ($h$ one place to the right has seen the pixel itself, and the next vertical kernel looks there.) Now every forbidden
# entry, and every allowed one:

# %% tags=["nbval-check-output"]
order = np.arange(169).reshape(13, 13)
forbidden = order[None, None] >= order[:, :, None, None]
for n, field in enumerate(two_stacks, start=1):
    near = (abs(right) <= n) & (up <= n) & ~forbidden
    print(f"{n} layers: forbidden entries not 0: {(field & forbidden).sum()} of {forbidden.sum()};", end=" ")
    print(f"allowed ones not 0: {(field & near).sum()} of {near.sum()}")

# %% [markdown]
# **Predict, then move:** put the target into the top right corner of the image. How large is its blind spot there? And
# in the leftmost column?

# %%
receptive_field_explorer({"one stack": one_stack, "two stacks": two_stacks})

# %% [markdown]
# In the top row all predecessors lie to the left: nothing can be missed. The spot needs pixels above and to the right.
#
# ## 2b.5 The gated block
#
# Between convolutions there must be something that is not linear. PixelCNN takes half of the channels as *content* and
# half as a *gate*:
#
# $$\operatorname{gate}(a_1,a_2)=\tanh(a_1)\odot\sigma(a_2).$$


# %% alt="Four curves against the content a1, each a hyperbolic tangent scaled by the gate: nearly flat for a2 of minus 4, half height for 0, almost full height from minus 1 to 1 for a2 of 4." library="course_lib.autoregressive.pixelcnn:gate"
def gate(a):
    content, volume = jnp.split(a, 2, axis=-1)
    return jnp.tanh(content) * jax.nn.sigmoid(volume)


content = jnp.linspace(-4, 4, 81)
for volume in (-4.0, -1.0, 0.0, 4.0):
    pairs = jnp.stack([content, jnp.full(81, volume)], axis=-1)
    plt.plot(content, gate(pairs)[:, 0], label=f"$a_2={volume:.0f}$")
plt.gca().set(xlabel="content $a_1$", ylabel="gate$(a_1,a_2)$")
_ = plt.legend()

# %% [markdown] tags=["derivation"]
# One layer of the network, with biases $b_v,b_h$ and matrices $L$, $U$ that mix channels:
#
# $$a=K^v*v+b_v,\qquad v\leftarrow\operatorname{gate}(a),\qquad
# h\leftarrow h+U\operatorname{gate}\big(K^h*h+L\,a+b_h\big).$$
#
# The last sum is a **residual** connection: a layer adds to what is there. The first layer has none, since $h$ is the
# image there and would leak. After the last layer each pixel's features go through two small dense layers, shared by
# all pixels, to the logit.
#
# Two additions are ours to choose. In the first layer $b_v$ and $b_h$ differ from place to place, so that the network
# knows where it is. And if there are classes, every $b$ gets a term for the class.

# %% [markdown]
# ## 2b.6 Black-and-white digits
#
# The digits of chapter 2: 8 × 8 pixels of ink or paper. Three models, all trained alike: MADE, and PixelCNN with one
# stack and with two.

# %%
digits = data.digits_8x8()
x_train, x_valid, x_test = (data.binarize(part.images) for part in (digits.train, digits.valid, digits.test))


def train(model, examples, validation, epochs, rate, batch_size=64):
    steps = epochs * (len(jax.tree.leaves(examples)[0]) // batch_size)
    optimizer = cosine_adam(rate, steps)  # the rate falls to 0 along half a cosine
    settings = {"key": jax.random.key(0), "batch_size": batch_size, "validation": validation}
    return fit(model, negative_log_likelihood, examples, epochs=epochs, optimizer=optimizer, **settings)


# %% alt="Training and validation loss in nats over 11 epochs. Both fall steeply at first; the validation loss flattens out above the training loss."
pixelcnn = PixelCNN((8, 8), 16, (1, 1), first_radius=2, rngs=nnx.Rngs(0))
history = train(pixelcnn, x_train, x_valid, 11, 1e-2)
print(history)
fig = learning_curves(history)

# %%
single = SingleStackPixelCNN((8, 8), 16, (1, 1), first_radius=2, rngs=nnx.Rngs(0))
train(single, x_train, x_valid, 11, 1e-2)
made = Made(64, (512,), rngs=nnx.Rngs(0))
train(made, x_train.reshape(-1, 64), x_valid.reshape(-1, 64), 30, 6e-3)
# %% [markdown]
# **Predict:** which has more parameters, MADE or PixelCNN? Which fits unseen digits better?

# %%
log_prob = nnx.jit(lambda model, *images: model.log_prob(*images))
scores = {
    "MADE": -log_prob(made, x_test.reshape(-1, 64)),
    "one stack": -log_prob(single, x_test),
    "two stacks": -log_prob(pixelcnn, x_test),
}
scores = {name: np.asarray(nats) for name, nats in scores.items()}
for (name, nats), model in zip(scores.items(), (made, single, pixelcnn), strict=True):
    size = sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param)))
    mean, error = mean_and_error(nats)
    print(f"{name:<11}{mean:6.2f} ± {error:.2f} nats, {size:6,} parameters")
for name in ("MADE", "one stack"):
    mean, error = mean_and_error(scores["two stacks"] - scores[name])
    print(f"two stacks minus {name}: {mean:+.2f} ± {error:.2f} nats")

# %% [markdown]
# The paired differences decide, as in chapter 2. The blind spot costs something. MADE stays ahead: these digits are
# small and centred, so weights of its own for every place pay.
#
# ## 2b.7 Grey levels
#
# The digits come in 17 levels of grey. A **softmax** over 17 logits would do, but it does not know that level 9 is close
# to level 10.

# %% [markdown] tags=["derivation"]
# PixelCNN++ (Salimans et al., 2017) cuts a continuous density into levels. Scale level $\ell=0,\dots,L-1$ to
# $v=2\ell/(L-1)-1$, so that levels are $2\delta=2/(L-1)$ apart, and take a mixture of $K$ logistic distributions with
# means $\mu_k$, scales $s_k$ and weights $\pi_k$. The distribution function of a logistic is a sigmoid, so
#
# $$p(\ell)=\sum_{k}\pi_k\Big[\sigma\Big(\underbrace{\tfrac{v+\delta-\mu_k}{s_k}}_{b_k}\Big)-
# \sigma\Big(\underbrace{\tfrac{v-\delta-\mu_k}{s_k}}_{a_k}\Big)\Big].$$
#
# For the first level $\sigma(a_k)$ is replaced by 0, for the last $\sigma(b_k)$ by 1. So the terms telescope: the
# probabilities sum to 1. A pixel needs $3K$ numbers, however many levels there are.

# %% alt="Bars of 17 probabilities with two humps, one narrow near level 4 and one wide near level 11, and a larger bar at level 16 that holds the tail."
mixture = LogisticMixture(levels=17, components=2)
parameters = jnp.array([0.0, 0.7, -0.5, 0.5, -3.0, -1.2])  # logits of the weights, means, log-scales
probabilities = np.exp(jax.jit(mixture.level_log_probs)(parameters))
plt.bar(np.arange(17), probabilities, color=BLUE)
plt.gca().set(xlabel="grey level", ylabel="probability")
print(f"sum: {probabilities.sum():.4f}")

# %% [markdown]
# ### What goes wrong: the difference of two sigmoids
#
# One logistic, mean 0, scale $1/100$. **Predict:** in float32, what is the logarithm of $\sigma(b)-\sigma(a)$ for the
# level $v=\frac12$, 50 scales away from the mean?

# %% tags=["nbval-check-output"]
levels, scale, v = 256, 0.01, 0.5
b, a = (v + 1 / (levels - 1)) / scale, (v - 1 / (levels - 1)) / scale
print("log of the difference:", jnp.log(jax.nn.sigmoid(b) - jax.nn.sigmoid(a)))
print(f"all factors as logs:   {jax.nn.log_sigmoid(b) + jax.nn.log_sigmoid(-a) + jnp.log(-jnp.expm1(a - b)):.4f}")

# %% [markdown] tags=["derivation"]
# Both sigmoids round to 1, the difference to 0. The second line is the repair. Since $\sigma(t)=e^t/(1+e^t)$,
#
# $$\sigma(b)-\sigma(a)=\frac{e^b-e^a}{(1+e^b)(1+e^a)}=\sigma(b)\;\sigma(-a)\;\big(1-e^{a-b}\big),$$
#
# a product, whose logarithm is a sum of three terms, none of which underflows.


# %% library="course_lib.distributions.logistic:discretized_logistic_mixture_log_prob"
def discretized_logistic_mixture_log_prob(level, parameters, levels):
    logits, mean, log_scale = jnp.split(parameters, 3, axis=-1)
    log_scale, level, half = jnp.maximum(log_scale, -7.0), jnp.asarray(level)[..., None], 1 / (levels - 1)
    centred = (2 * half * level - 1) - mean
    upper, lower = ((centred + side) * jnp.exp(-log_scale) for side in (half, -half))
    below_upper = jnp.where(level == levels - 1, 0.0, jax.nn.log_sigmoid(upper))
    above_lower = jnp.where(level == 0, 0.0, jax.nn.log_sigmoid(-lower))
    inner = (level > 0) & (level < levels - 1)
    overlap = jnp.where(inner, jnp.log(-jnp.expm1(-2 * half * jnp.exp(-log_scale))), 0.0)
    return jax.nn.logsumexp(jax.nn.log_softmax(logits, axis=-1) + below_upper + above_lower + overlap, axis=-1)


# %% [markdown]
# Now grey digits, given their class: `num_classes=10` and pairs of images and labels.

# %%
grey_train, grey_valid, grey_test = (
    (jnp.asarray(part.images), jnp.asarray(part.labels)) for part in (digits.train, digits.valid, digits.test)
)
grey = PixelCNN((8, 8), 16, (1, 1), likelihood=LogisticMixture(17), num_classes=10, first_radius=2, rngs=nnx.Rngs(0))
print(train(grey, grey_train, grey_valid, 12, 1e-2))

# %% [markdown]
# Likelihoods of images are reported in **bits per dimension**: $-\log_2p(x)$ divided by the number of pixels. The
# baseline draws each pixel on its own, from the levels counted at its place.
#
# **Predict:** how many bits does a pixel of 17 levels need without any model?


# %%
def counted_log_prob(train_images, images, levels):
    """Independent pixels: log of the share of each level at each place, one tenth of an image added to every level."""
    place = np.arange(train_images[0].size)

    def index(images):
        return place * levels + np.round(images * (levels - 1)).astype(int).reshape(len(images), -1)

    counts = np.bincount(index(train_images).ravel(), minlength=place.size * levels) + 0.1
    return np.log(counts[index(images)] / (len(train_images) + 0.1 * levels)).sum(axis=1)


def bits(log_p, num_pixels):
    mean, error = mean_and_error(bits_per_dim(-log_p, num_pixels))
    return f"{mean:.3f} ± {error:.3f} bits per dimension"


print(f"no model            {np.log2(17):.3f}")
print("independent pixels ", bits(counted_log_prob(*(np.asarray(x[0]) for x in (grey_train, grey_test)), 17), 64))
print("PixelCNN, by class ", bits(log_prob(grey, *grey_test), 64))

# %% [markdown]
# Compare bits per dimension within one data set only: they depend on images and levels.
#
# ## 2b.8 Sampling without waste

# %% [markdown] tags=["derivation"]
# A sample takes a step a pixel. The obvious step passes the whole image through the network and keeps *one* pixel's
# parameters. But almost nothing has changed since the last step. `sample` keeps what can be used again: once a row, it
# computes the vertical stacks of that row from the last few; for each pixel, one feature in every horizontal stack.

# %% [markdown]
# **Predict:** both ways get the same random numbers. In how many pixels do their images differ?

# %%
images = pixelcnn.sample(jax.random.key(1), (50,))
keys = jax.random.split(jax.random.key(1), 64)
u = jax.vmap(lambda key: jax.random.uniform(key, (50,)))(keys)  # the numbers that `sample` uses


def full_pass(x, t):
    numbers = pixelcnn.parameters(x)[:, t // 8, t % 8]  # all pixels' numbers are computed, one pixel's are used
    return x.at[:, t // 8, t % 8].set(pixelcnn.likelihood.draw(u[t], numbers)), None


naive = jax.jit(lambda: jax.lax.scan(full_pass, jnp.zeros((50, 8, 8)), jnp.arange(64))[0])()
print("pixels that differ:", int((images != naive).sum()), "of", images.size)

# %% [markdown]
# In none: a pixel is where a uniform random number falls among the probabilities, and these agree up to rounding. The
# larger the image, the more it saves: `python -m benchmarks.sampling` measures it.

# %% tags=["cover"] alt="Ten rows of ten grey digits of 8 by 8 pixels, one row for each class from 0 to 9. Most can be recognised as the digit of their row."
labels = jnp.arange(10)
rows = {str(c): grey.sample(jax.random.key(c), (10,), c) for c in range(10)}
fig = image_rows(rows, cell=0.42)

# %% [markdown]
# **Temperature** $T$ sharpens every conditional: $p^{1/T}$, normalized. **Predict:** what do samples gain at $T=0.5$,
# and what do they lose?

# %% alt="Three rows of ten samples of the digit 3, at temperatures 0.5, 1 and 1.5. At 0.5 they are clean and alike, at 1 they vary, at 1.5 they are noisy and often no digit."
hot_and_cold = {f"T = {T}": grey.sample(jax.random.key(3), (10,), 3, temperature=T) for T in (0.5, 1.0, 1.5)}
fig = image_rows(hot_and_cold)

# %% [markdown]
# Completing an image needs no new method: keep the pixels that come first, draw the others. The upper half comes
# first.

# %% alt="Four rows of twelve grey images. Each starts with a test digit and the same digit with its lower half blank; ten completions follow, with the same upper half and lower halves that vary but mostly fit."
upper_half = np.arange(64).reshape(8, 8) < 32
shown = []
for n in (0, 1, 3, 8):
    image, label = grey_test[0][n], grey_test[1][n]
    completed = grey.sample(jax.random.fold_in(jax.random.key(4), n), (10,), label, given=image, known=upper_half)
    shown += [image, jnp.where(upper_half, image, 0.5), *completed]
fig = image_grid(jnp.stack(shown), columns=12, title="digit, upper half, ten completions given its class")

# %% [markdown]
# The lower half cannot be given in this way: its pixels come last. The library says so. **Predict:** which mask would
# the model need for it?

# %% tags=["nbval-check-output"]
try:
    grey.sample(jax.random.key(0), (), 3, given=grey_test[0][0], known=~upper_half)
except ValueError as error:
    print(error)

# %% [markdown]
# ## 2b.9 Digits of 28 × 28 pixels
#
# MNIST has 256 grey levels. From its 60,000 training digits the course brings 5,000 along, 600 of them to test. One
# pass over half of those to train must do here.

# %%
large = data.mnist_5k()
mnist = PixelCNN((28, 28), 16, (1, 2), likelihood=LogisticMixture(256), rngs=nnx.Rngs(0))
print(
    train(mnist, jnp.asarray(large.train.images[:2000]), jnp.asarray(large.valid.images[:200]), 1, 5e-3, batch_size=16)
)

# %%
print("independent pixels", bits(counted_log_prob(large.train.images, large.test.images, 256), 784))
log_p = np.concatenate([log_prob(mnist, part) for part in np.split(large.test.images, 6)])  # in parts, to save memory
print("PixelCNN          ", bits(log_p, 784))

# %% alt="Two rows of ten digits of 28 by 28 pixels. The upper row shows test digits; the lower row shows samples with strokes of the right thickness and smoothness that seldom form a digit."
fig = image_rows({"test": large.test.images[:10], "samples": mnist.sample(jax.random.key(5), (10,))})

# %% [markdown]
# Strokes are there; whole digits hardly. That takes more training than a chapter allows.

# %% [markdown] tags=["box"]
# **Where this stands.** UvA Tutorial 12 (Lippe) trains a gated PixelCNN with a softmax over 256 levels, 852,160
# parameters, for 150 passes over the full training set on a GPU, and reports 0.82 bits per dimension on MNIST's own
# test set. Ours has fewer parameters, saw 2,000 digits once, and is tested on 600 digits from the training set:
# the two numbers belong to different experiments, and the gap says how much the small one leaves out.
#
# With *dynamic binarization* (each grey level is the chance of ink, drawn anew in every pass) people report
# 81.45 nats for PixelCNN and 81.50 for its gated form, against 85.65 for NADE and 84.87 for MADE (second-hand
# numbers, other people's runs). `python -m benchmarks.density --mnist FILE --models pixelcnn` trains ours on full MNIST.

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - A masked convolution is MADE with shared weights: mask A in the first layer, mask B in the others.
# - The receptive field can be computed: a derivative that is not 0 is a dependency. Forbidden ones must be exactly 0.
# - One masked stack is blind to pixels right of the diagonal through the target, at any depth. A vertical and a
#   horizontal stack see everything; the vertical one must not listen to the horizontal one.
# - Grey levels: a softmax, or a mixture of logistic densities cut into levels, computed in log space.
# - Sampling computes each feature once, and completes any image whose first pixels are given.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 2b.1 — Another ordering
# Write mask A for an image that is read *column by column*, top to bottom within a column. Return an array of 0 and 1
# of shape `(2 * radius + 1, 2 * radius + 1)`.


# %% tags=["exercise"]
def column_mask(radius):
    ### BEGIN SOLUTION
    return convolution_mask(radius, "A").T
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.1") as check:
    answer = column_mask(2)
    check.close("12 of 25 entries are open", np.sum(answer) if answer is not None else None, 12)
    check.close("the columns to the left are open", answer[:, :2] if answer is not None else None, np.ones((5, 2)))
    check.close(
        "the middle column: only above the centre",
        answer[:, 2] if answer is not None else None,
        np.array([1, 1, 0, 0, 0]),
        hint="Which pixels of its own column has a pixel's prediction seen?",
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 2b.2 — How far does it see?
# The first layer's kernels reach `first_radius` pixels far, those of later layers one pixel times their dilation (the
# distance between the pixels that they look at). How many rows up does the field of a model reach?


# %% tags=["exercise"]
def rows_up(first_radius, dilations):
    ### BEGIN SOLUTION
    return first_radius + sum(dilations)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.2") as check:
    for n, field in enumerate(two_stacks):
        measured = target[0] - np.nonzero(field[target].any(axis=1))[0].min()
        check.close(f"{n + 1} layers of this chapter's figure", rows_up(1, [1] * n), measured)
    check.close("a first kernel of 7 × 7, then dilations 1, 2, 4", rows_up(3, [1, 2, 4]), 10)

# %% [markdown] tags=["exercise"]
# ### Exercise 2b.3 — The size of the blind spot
# All kernels are 3 × 3, there is one stack of $n$ layers. Of the pixels within $n$ rows and $n$ columns, how many
# predecessors are blind, far from the borders?


# %% tags=["exercise"]
def blind_pixels(n):
    ### BEGIN SOLUTION
    return n * (n - 1) // 2
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.3") as check:
    for n in range(1, 5):
        missing = (two_stacks[n - 1] & ~one_stack[n - 1])[target].sum()
        check.close(f"{n} layers", blind_pixels(n), missing, hint="In the row a above, the columns a + 1 to n.")

# %% [markdown] tags=["exercise"]
# ### Exercise 2b.4 — Levels that sum to 1
# Write the probabilities of all `levels` levels for a *single* logistic with `mean` and `scale`, as a vector, by the
# definition: differences of sigmoids, and the tails to the first and the last level.


# %% tags=["exercise"]
def level_probabilities(mean, scale, levels):
    ### BEGIN SOLUTION
    edges = (2 * jnp.arange(1, levels) - 1) / (levels - 1) - 1
    inside = jax.nn.sigmoid((edges - mean) / scale)
    return jnp.diff(jnp.concatenate([jnp.zeros(1), inside, jnp.ones(1)]))
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.4") as check:
    answer = level_probabilities(0.3, 0.2, 17)
    one = np.array([0.0, 0.3, np.log(0.2)], np.float32)
    from_library = np.exp(jax.jit(LogisticMixture(17, 1).level_log_probs)(one))
    check.close("as in the library", answer, from_library, rtol=1e-4, hint="The edge between two levels is v + δ.")
    check.close("they sum to 1", np.sum(answer) if answer is not None else None, 1.0, hint="Who gets the tails?")
    check.close("two levels: a Bernoulli", level_probabilities(0.0, 1.0, 2), [0.5, 0.5])

# %% [markdown] tags=["exercise"]
# ### Exercise 2b.5 — Which class is it?
# The model gives $\log p(x\mid c)$ for each class. With all ten classes equally likely beforehand, return the
# probabilities $p(c\mid x)$ of one image from the ten numbers `log_p`. (Bayes' rule, without underflow.)


# %% tags=["exercise"]
def class_probabilities(log_p):
    ### BEGIN SOLUTION
    return jax.nn.softmax(log_p)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2b.5") as check:
    by_class = nnx.jit(lambda model, x: jax.vmap(lambda c: model.log_prob(x, c))(labels))
    log_p = np.asarray(by_class(grey, grey_test[0][0]))
    by_definition = np.exp(log_p - log_p.max()) / np.exp(log_p - log_p.max()).sum()
    check.close("a test digit", class_probabilities(log_p), by_definition, rtol=1e-4)
    check.close("no underflow", class_probabilities(log_p - 1000), by_definition, rtol=1e-3, hint="jax.nn.softmax")

# %% [markdown] tags=["frame"]
# ## Sources
#
# - **PixelCNN**: A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel Recurrent Neural Networks", ICML 2016,
#   arXiv:1601.06759.
# - **Gated PixelCNN**, two stacks, classes: A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves,
#   K. Kavukcuoglu, "Conditional Image Generation with PixelCNN Decoders", NeurIPS 2016, arXiv:1606.05328.
# - **PixelCNN++**, discretized logistic mixture: T. Salimans, A. Karpathy, X. Chen, D. P. Kingma, "PixelCNN++: Improving
#   the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications", ICLR 2017, arXiv:1701.05517.
# - P. Lippe, "UvA Deep Learning Tutorials", Tutorial 12: Autoregressive Image Modeling, 2022.
# - L. Ma, "Generative Models", *Datumorphism*, 2021: the page on autoregressive models, which names PixelCNN by way of
#   that tutorial.
# - Digits: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998;
#   Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.

# %% [markdown]
# ## Next
#
# Here an image is built pixel by pixel, and the network decides only where the next one falls. Chapter 3, *Normalizing
# flows*, builds all values at once.
