# %% [markdown] tags=["frame"]
# # 4a · Deep auto-encoders
#
# What does depth buy, what do convolutions save, and what is learned when the input is noisy? And what can a good
# reconstruction *not* tell?
#
# **After this chapter you can**
# - compare codes of many sizes with PCA, and count what tied weights and convolutions save;
# - train a denoiser, and say what the best one is: $\mathbb E[x\mid y]$, which points along the gradient of a log-density;
# - explain why images that are no digits may be rebuilt better than digits;
# - search images by their codes, and measure whether that helps;
# - name what is missing before an auto-encoder can generate.
#
# **You need** chapter 4 (code, decoder, PCA as the linear case) and, for 4a.3, the convolution of chapter 2b.
# **Time:** about an hour; the code itself runs in less than a minute on two cores.

# %%
from itertools import pairwise

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx
from jax.scipy.special import logsumexp

from course_lib import data, notebook
from course_lib.autoencoders import (
    ConvolutionalAutoencoder,
    DeepAutoencoder,
    DenoisingAutoencoder,
    TiedAutoencoder,
    denoising_loss,
    squared_error_loss,
)
from course_lib.exercises import exercise
from course_lib.figures.images import image_rows
from course_lib.figures.style import BLUE, GREY, INK, RED
from course_lib.probability import mean_and_error
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 4a.1 Why depth
#
# The digits of chapter 4, now in grey and smaller, which is quicker: 16 × 16 pixels, each the mean of a square of 2 × 2. The
# error of an image is $\lVert\hat x-x\rVert^2$, the sum over its 256 pixels.

# %%
digits = data.mnist_5k()


def smaller(images):
    return np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(-1, 256)


x_train, x_test = smaller(digits.train.images), smaller(digits.test.images)


def train(model, loss=squared_error_loss, epochs=40, rate=3e-3, batch_size=64, examples=x_train):
    optimizer = cosine_adam(rate, epochs * (len(examples) // batch_size))
    settings = {"key": jax.random.key(1), "batch_size": batch_size, "progress": False}
    return fit(model, loss, examples, epochs=epochs, optimizer=optimizer, **settings)


def errors(x_hat, x=x_test):
    return ((np.asarray(x_hat) - x) ** 2).sum(axis=-1)


# %% [markdown]
# For this error PCA is the best *flat* sheet with $k$ directions (chapter 4). A deep auto-encoder may bend its sheet:
#
# $$256\to128\to64\to k\to64\to128\to256.$$
#
# **Predict:** at which $k$ does bending pay most: 2, 5, 12, or 32?

# %%
mean = x_train.mean(axis=0)
eigenvalues, axes = (a[..., ::-1] for a in np.linalg.eigh(np.cov(x_train.T)))


def pca(x, k):
    return mean + (x - mean) @ axes[:, :k] @ axes[:, :k].T


deep = {k: DeepAutoencoder(256, [128, 64], k, rngs=nnx.Rngs(0)) for k in (2, 5, 12, 32)}
for k, model in deep.items():
    train(model)
    print(f"{k:2} numbers: PCA {errors(pca(x_test, k)).mean():5.2f}, deep {errors(model(x_test)).mean():5.2f}")

# %% alt="Squared error of a test digit against the size of the code, 2 to 32, on a logarithmic axis. Two falling curves: PCA, and below it the deep auto-encoder; the gap is widest at 5 and narrow at 32."
sizes = list(deep)
plt.plot(sizes, [errors(pca(x_test, k)).mean() for k in sizes], "o-", color=GREY, label="PCA")
plt.plot(sizes, [errors(deep[k](x_test)).mean() for k in sizes], "o-", color=BLUE, label="deep, test digits")
plt.plot(
    sizes, [errors(deep[k](x_train), x_train).mean() for k in sizes], ":", color=BLUE, label="deep, training digits"
)
plt.xscale("log", base=2)
plt.gca().set(xlabel="numbers in the code", ylabel="squared error of an image", ylim=(0, None))
plt.xticks(sizes, [str(k) for k in sizes])
_ = plt.legend()


# %% alt="Five rows of twelve digits: test digits, then PCA and the deep auto-encoder with 2 numbers, then both with 12. With 2 numbers PCA gives the same blur for most, the deep one gives blurred digits; with 12 PCA shows grey shadows around strokes and the deep one clean paper."
def as_images(x):
    return np.clip(np.asarray(x), 0, 1).reshape(-1, 16, 16)


rows = {"x": as_images(x_test[:12])}
for k in (2, 12):
    rows |= {f"PCA, {k}": as_images(pca(x_test[:12], k)), f"deep, {k}": as_images(deep[k](x_test[:12]))}
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# With 5 and 12 numbers bending takes away almost half of the error. With a longer code the flat sheet catches up, and PCA
# needs no training.
#
# ## 4a.2 Tied weights
#
# The decoder may use the encoder's matrices, **transposed**, instead of its own:
#
# $$h=W_2^{\mathsf T}s(W_1^{\mathsf T}x+b_1)+b_2,\qquad\hat x=\sigma\big(W_1\,s(W_2\,h+c_2)+c_1\big),\quad s=\text{SiLU}.$$

# %% [markdown] tags=["derivation"]
# Why the transpose, of all matrices? In the linear case $\hat x=\bar x+W\,W^{\mathsf T}(x-\bar x)$. The best reconstruction is
# the projection onto the PCA subspace (chapter 4). For a $W$ of full column rank, $WW^{\mathsf T}$ is a projection exactly if
# the columns of $W$ are orthonormal, $W^{\mathsf T}W=I$: then $W^{\mathsf T}$ reads coordinates and $W$ puts them back. So nothing is lost by tying. Something is gained:
# in chapter 4 any invertible $A$ could mix the axes, here only a rotation or a reflection can.

# %% [markdown]
# **Predict:** nearly half of the parameters go. Does the error rise by half, by a tenth, or not at all?


# %%
def size_of(model):
    return sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param)))


def compare(name, model):
    mean, error = mean_and_error(errors(model(x_test)) - errors(deep[32](x_test)))  # paired: the same digits
    print(f"{name:14}{size_of(model):8,} parameters, error {errors(model(x_test)).mean():5.2f},", end=" ")
    print(f"difference {mean:+.2f} ± {error:.2f}")


tied = TiedAutoencoder(256, [128, 64], 32, rngs=nnx.Rngs(0))
train(tied)
compare("dense", deep[32])
compare("tied", tied)

# %% [markdown]
# A small price. With bends the best decoder is no longer the transpose.
#
# ## 4a.3 Convolutions
#
# A dense layer has weights for every pixel and learns a stroke anew at each place. A **convolution** slides one small
# layer over the image. Here it sees patches of 4 × 4 pixels, two pixels apart, so each side halves.

# %% [markdown] tags=["derivation"]
# Entry $[i,j]$ of the output reads the patch around pixel $(2i,2j)$, with $x=0$ outside of the image:
#
# $$y_{ij}=\sum_{a=0}^{3}\sum_{b=0}^{3}K_{ab}^{\mathsf T}\;x_{2i+a-1,\;2j+b-1}.$$
#
# At each pixel $x$ holds one number for each **channel**, so $K_{ab}$ is a matrix from channels in to channels out. In code: cut
# out all patches, write each as a row, and apply one linear layer to every row.

# %% library="course_lib.networks.strided_convolution:patches"
SIZE = 4  # the side of a patch


def patches(x):
    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    cut = [x[:, a : a + height - 1 : 2, b : b + width - 1 : 2] for a, b in np.ndindex(SIZE, SIZE)]
    return jnp.concatenate(cut, axis=-1)


# %% [markdown]
# **Predict:** one kernel has −1 in its two left columns and +1 in its two right ones. Where on a digit does it answer?

# %% alt="Three panels: a digit of 16 by 16 pixels, and two maps of 8 by 8 in orange and purple. In the first map left and right edges of strokes have opposite colours, in the second upper and lower edges."
upright = np.tile([-1.0, -1.0, 1.0, 1.0], (4, 1))
kernels = np.stack([upright, upright.T], axis=-1).reshape(16, 2) / 8
edges = np.asarray(jax.jit(patches)(x_test[:1].reshape(1, 16, 16, 1)) @ kernels)[0]
fig, panels = plt.subplots(1, 3, figsize=(6, 2.2))
panels[0].imshow(x_test[0].reshape(16, 16))
for channel, name in enumerate(("left–right", "up–down")):
    panels[channel + 1].imshow(edges[..., channel], cmap="PuOr_r", vmin=-1, vmax=1)
    panels[channel + 1].set_title(name)
for ax in panels:
    ax.set(xticks=[], yticks=[])

# %% [markdown]
# The decoder must *double* the sides. Take the transpose again: cutting patches is linear, and its transpose writes
# each patch back where it was cut. Where patches overlap, they add up.


# %% library="course_lib.networks.strided_convolution:overlap_add"
def overlap_add(p):
    batch, height, width, size = p.shape
    image = jax.ShapeDtypeStruct((batch, 2 * height, 2 * width, size // SIZE**2), p.dtype)
    return jax.linear_transpose(patches, image)(p)[0]


# %% [markdown]
# Any matrix $C$ obeys $p\cdot Cx=C^{\mathsf T}p\cdot x$. And each inner pixel lies in four patches.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
x, p = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((1, 8, 8, 2), (1, 4, 4, 32)))
there, back = jax.jit(lambda x, p: ((p * patches(x)).sum(), (overlap_add(p) * x).sum()))(x, p)
print(f"p · Cx = {there:.0f}, Cᵀp · x = {back:.0f}")
print(np.asarray(overlap_add(jnp.ones((1, 3, 3, 16))))[0, :, :, 0].astype(int))

# %% [markdown]
# `ConvolutionalAutoencoder` has two such layers each way, with 8 and 16 channels, and one dense layer to the code:
# $16\to8\to4$ pixels a side, then 32 numbers.
#
# **Predict:** which has fewer parameters, and by what factor? And which the smaller error?

# %%
convolutional = ConvolutionalAutoencoder((16, 16), (8, 16), 32, rngs=nnx.Rngs(0))
train(convolutional, epochs=20, rate=5e-3)
for name, model in {"dense": deep[32], "tied": tied, "convolutional": convolutional}.items():
    compare(name, model)

# %% [markdown]
# A quarter of the parameters, and the smallest error: a stroke learned at one place serves at all others.
#
# ## 4a.4 Denoising
#
# Another way to forbid copying: spoil the input. Draw $y=x+\sigma\varepsilon$ with $\varepsilon\sim\mathcal N(0,I)$ and ask for the
# clean $x$:
#
# $$\min_f\;\mathbb E\,\lVert f(x+\sigma\varepsilon)-x\rVert^2 .$$
#
# No narrow code is needed any more. Ours has 256 numbers.


# %%
def denoising(sigma):
    def loss(model, batch, key):
        noisy = batch + sigma * jax.random.normal(key, batch.shape)  # fresh noise in every step
        return ((model(noisy) - batch) ** 2).sum(-1).mean()  # the target is clean

    return loss


sigma = 0.5
denoiser = DenoisingAutoencoder(256, [256], 256, rngs=nnx.Rngs(0))
_ = train(denoiser, denoising(sigma), epochs=30, rate=2e-3)

# %% [markdown] tags=["derivation"]
# Whom to beat? The best *linear* denoiser is known. Let $x$ have mean $\mu$ and covariance $\Sigma$. Least squares of $x$ on
# $y$ gives $\operatorname{Cov}(x,y)\operatorname{Cov}(y)^{-1}$, and the noise is independent of $x$:
#
# $$\hat x=\mu+\Sigma\,(\Sigma+\sigma^2I)^{-1}(y-\mu).$$
#
# This is **Wiener's filter**. Along the eigenvector with eigenvalue $\lambda$ it shrinks by $\lambda/(\lambda+\sigma^2)$: directions with more
# signal than noise stay, the others go. It is PCA with soft edges.

# %% [markdown]
# **Predict:** the noise alone costs $256\,\sigma^2=64$. How much is left after Wiener's filter, and after the network? What
# does the auto-encoder of 4a.1 do, which never saw noise?


# %%
def wiener(y):
    shrink = eigenvalues / (eigenvalues + sigma**2)
    return mean + ((y - mean) @ axes * shrink) @ axes.T


noisy = x_test + sigma * np.random.default_rng(1).normal(size=x_test.shape).astype(np.float32)
cleaned = {"noisy": noisy, "Wiener": wiener(noisy), "denoiser": denoiser(noisy), "4a.1": deep[32](noisy.clip(0, 1))}
for name, x_hat in cleaned.items():
    print(f"{name:9} {errors(x_hat).mean():6.1f}")

# %% alt="Five rows of twelve images: clean test digits; the same under heavy grey noise; Wiener's filter leaves cloudy digits; the denoiser gives smooth digits on clean paper; the plain auto-encoder gives dark shapes, often other digits."
pictures = {name: as_images(x_hat)[:12] for name, x_hat in cleaned.items()}
fig = image_rows({"x": as_images(x_test[:12]), **pictures}, cell=0.5)

# %% [markdown]
# ### What goes wrong: noise on the target
#
# "Add noise to the data" is easily done one line too early, so that input *and* target carry it. For linear filters we need
# no training: least squares of the target on the noisy input.
#
# **Predict:** what is learned if the target has the *same* noise? And if it has noise of its *own*?

# %%
often = np.repeat(x_train, 5, axis=0)  # each digit with five draws of the noise
noise, other_noise = sigma * np.random.default_rng(2).normal(size=(2, *often.shape)).astype(np.float32)
y = often + noise - mean
for name, added in {"clean": 0, "with the same noise": noise, "with noise of its own": other_noise}.items():
    filter_ = np.linalg.solve(y.T @ y, y.T @ (often + added - mean))
    print(f"target {name:21} error on test digits {errors(mean + (noisy - mean) @ filter_).mean():6.1f}")

# %% [markdown]
# The same noise: the filter copies, and all noise stays. Noise of its own cannot be predicted, so in the mean it changes
# nothing: a denoiser can be learned without a single clean image (*Noise2Noise*).
#
# ## 4a.5 Where a denoiser points
#
# What is the best denoiser of all, linear or not?

# %% [markdown] tags=["derivation"]
# Given $y$, the answer with the least mean squared error is the mean: $f(y)=\mathbb E[x\mid y]$. Let $p_\sigma$ be the density of
# the *noisy* points,
#
# $$p_\sigma(y)=\int p(x)\,\mathcal N(y;x,\sigma^2I)\,dx .$$
#
# Differentiate under the integral, with $\nabla_y\mathcal N(y;x,\sigma^2I)=\frac{x-y}{\sigma^2}\,\mathcal N(y;x,\sigma^2I)$, and divide by $p_\sigma(y)$:
#
# $$\nabla\ln p_\sigma(y)=\int\frac{x-y}{\sigma^2}\;p(x\mid y)\,dx=\frac{\mathbb E[x\mid y]-y}{\sigma^2}.$$
#
# So $\;\mathbb E[x\mid y]=y+\sigma^2\,\nabla\ln p_\sigma(y)$, called **Tweedie's formula** (Robbins 1956, Miyasawa 1961). The best denoiser steps uphill
# along the **score** $\nabla\ln p_\sigma$ of chapter 0. Whoever trains a denoiser learns a gradient of a log-density, without ever
# computing a density.


# %% library="course_lib.autoencoders.denoising:denoised_mean"
def denoised_mean(noisy_log_prob, y, sigma):
    score = jnp.vectorize(jax.grad(noisy_log_prob), signature="(d)->(d)")
    return y + sigma**2 * score(y)


# %% [markdown]
# We test it where $p_\sigma$ is known: points near a spiral, as a mixture of 80 small normal distributions. Noise only
# widens each of them, from variance $0.1^2$ to $0.1^2+\sigma^2$.

# %%
angle = 3.5 * np.pi * np.sqrt(np.linspace(0.04, 1, 80))
centres = (0.28 * angle * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32)
noise_2d = 0.4


def noisy_log_prob(y):
    variance = 0.1**2 + noise_2d**2
    squares = ((y - centres) ** 2).sum(-1)
    return logsumexp(-0.5 * squares / variance) - np.log(80 * 2 * np.pi * variance)


rng = np.random.default_rng(3)
points = (centres[rng.integers(80, size=8000)] + 0.1 * rng.normal(size=(8000, 2))).astype(np.float32)
pointer = DenoisingAutoencoder(2, [64, 64], 64, rngs=nnx.Rngs(0))
_ = train(pointer, denoising_loss(noise_2d), epochs=100, rate=5e-3, batch_size=250, examples=points)

# %% [markdown]
# `denoising_loss` is the loss of 4a.4, kept in the library. The network saw points alone; the formula sees the density
# alone.
#
# **Predict:** where will the arrows be long, and where will the two disagree?

# %% tags=["cover"] alt="The plane with a spiral band of density in blue shades. Grey arrows, the exact formula, and thinner red arrows, the trained denoiser, start on a grid and point to the nearest arm of the spiral. They lie on each other almost everywhere near the band."
grid = np.stack(np.meshgrid(*2 * [np.linspace(-3.6, 3.6, 16)]), axis=-1).reshape(-1, 2).astype(np.float32)
fine = np.stack(np.meshgrid(*2 * [np.linspace(-4, 4, 81)]), axis=-1).astype(np.float32)
density, log_p, best = jax.jit(
    lambda f, g: (
        jnp.exp(jax.vmap(jax.vmap(noisy_log_prob))(f)),
        jax.vmap(noisy_log_prob)(g),
        denoised_mean(noisy_log_prob, g, noise_2d),
    )
)(fine, grid)
seen = np.asarray(log_p) > np.log(4e-3)  # draw arrows where noisy points occur
fig, ax = plt.subplots(figsize=(5.4, 5.2))
ax.contourf(fine[0, :, 0], fine[:, 0, 1], density, levels=12, cmap="Blues")
scale = {"angles": "xy", "scale_units": "xy", "scale": 1}
exact, learned = (np.asarray(to) - grid for to in (best, pointer(grid)))
ax.quiver(*grid[seen].T, *exact[seen].T, color=INK, alpha=0.45, width=0.009, label="y + σ² ∇ ln p(y)", **scale)
ax.quiver(*grid[seen].T, *learned[seen].T, color=RED, width=0.004, label="trained denoiser", **scale)
ax.set(xlabel="$y_1$", ylabel="$y_2$", aspect="equal")
_ = ax.legend(loc="upper left", fontsize=9)

# %% [markdown]
# The picture agrees. Now the numbers, on fresh noisy points.

# %%
rng = np.random.default_rng(4)
clean = centres[rng.integers(80, size=4000)] + 0.1 * rng.normal(size=(4000, 2))
clean = clean.astype(np.float32)
y = clean + noise_2d * rng.normal(size=clean.shape).astype(np.float32)
exact = np.asarray(jax.jit(lambda y: denoised_mean(noisy_log_prob, y, noise_2d))(y))
learned = np.asarray(pointer(y))
off, length = (np.sqrt((d**2).sum(axis=1).mean()) for d in (learned - exact, exact - y))
print(f"arrows: length {length:.3f}, difference {off:.3f} (root mean squares): {off / length:.1%}")
print(f"error of doing nothing {errors(y, clean).mean():.4f} (2 σ² = {2 * noise_2d**2:.4f})")
print(f"error of the network   {errors(learned, clean).mean():.4f}")
print(f"error of the formula   {errors(exact, clean).mean():.4f}, the least possible")

# %% [markdown] tags=["box"]
# **Where this leads.** The error of the formula is not 0: noise has destroyed information, and $\mathbb E[x\mid y]$ is a mean over
# what $x$ may have been. Between two arms it may lie on neither. With *many* noise levels, from large to small, and a small
# step at each, denoisers turn noise into samples: that is how **diffusion models** generate. This course stops before them.

# %% [markdown]
# ## 4a.6 Between two digits
#
# Chapter 4 walked on a straight line from one digit's code to another's. Does it hold up in numbers? Mixed pixels are
# *grey*: count the pixels between ¼ and ¾.
#
# **Predict:** at $t=\tfrac12$, what share of the pixels is grey if pixels are mixed? And if codes are?


# %%
def grey(images):
    return ((images > 0.25) & (images < 0.75)).mean()


codes_train, codes_test = (np.asarray(deep[32].encode(x)) for x in (x_train, x_test))
ways = np.linspace(0, 1, 11, dtype=np.float32)
first, last = np.arange(300), np.arange(300, 600)
pixels = [(1 - t) * x_test[first] + t * x_test[last] for t in ways]
mixed = [np.asarray(deep[32].decode((1 - t) * codes_test[first] + t * codes_test[last])) for t in ways]

# %% alt="Share of grey pixels against t from 0 to 1. With pixels mixed the curve jumps to a high plateau between one quarter and three quarters. With codes mixed it stays low and almost flat. A dotted line marks the digits themselves."
plt.figure(figsize=(6, 2.8))
plt.plot(ways, [grey(images) for images in pixels], "o-", color=GREY, label="pixels mixed")
plt.plot(ways, [grey(images) for images in mixed], "o-", color=BLUE, label="codes mixed, then decoded")
plt.axhline(grey(x_test), color=INK, ls=":", label="test digits")
plt.gca().set(xlabel="t", ylabel="share of grey pixels", ylim=(0, None))
_ = plt.legend(fontsize=9)

# %% alt="Six rows of eleven images: three pairs of digits, each once with pixels mixed and once with codes mixed. Mixed pixels show both digits, one fading. Mixed codes bend strokes; some images in the middle are no digit."
rows = {}
for n in (0, 1, 2):
    rows |= {
        f"pair {n + 1}, pixels": as_images([m[n] for m in pixels]),
        f"pair {n + 1}, codes": as_images([m[n] for m in mixed]),
    }
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# Mixed codes give ink and paper, hardly more grey than digits. That does not make every one of them a digit: nobody asked
# the decoder to be right *between* codes.
#
# ## 4a.7 Things that are no digits
#
# A low error on digits, a high one on everything else? Then the error would be a detector. Let us draw some things.


# %%
def letter(rows):
    small = np.array([[pixel == "#" for pixel in row] for row in rows.split()])
    return smaller(np.pad(np.kron(small, np.ones((3, 3))), ((3, 4), (6, 7)))[None])[0]


letters = {
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "K": "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
    "X": "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
}
row, column = np.indices((16, 16))
others = {f"letter {name}": letter(drawn) for name, drawn in letters.items()}
others |= {"stripes": (row % 4 < 2).ravel(), "noise": np.random.default_rng(4).uniform(size=256)}
others |= {"inverted digit": 1 - x_test[1], "faint digit": 0.3 * x_test[1], "blank": np.zeros(256)}
others["two at once"] = (x_test[0] + x_test[4]) / 2
others["soft spot"] = 0.35 * np.exp(-((row - 8) ** 2 + (column - 8) ** 2) / 16).ravel()
strange = np.array(list(others.values()), np.float32)

# %% [markdown]
# **Predict:** sort these eleven by their error. Which will be rebuilt as well as a digit?

# %% alt="Two rows of eleven images: four letters, stripes, noise, an inverted digit, a faint digit, a blank, two digits on top of each other and a soft spot; below, their reconstructions. Letters become digit-like strokes; stripes, noise and the inverted digit become black smears; the last four come back in faint outline."
fig = image_rows({"x": as_images(strange), "x̂": as_images(deep[32](strange))}, cell=0.6)

# %% alt="Above, a histogram of the errors of test digits on a logarithmic axis, most between 0.5 and 4. Below, one dot with a name for each strange image on the same axis: faint digit, soft spot and two at once lie among the digits, the blank at their right end, letters, noise, stripes and the inverted digit far to the right."
usual, unusual = errors(deep[32](x_test)), errors(deep[32](strange), strange)
fig, (above, below) = plt.subplots(2, 1, figsize=(7.5, 4.4), sharex=True, height_ratios=(1, 1.3))
above.hist(usual, bins=np.geomspace(0.2, 200, 50), color=BLUE, alpha=0.6)
above.set(ylabel="test digits", xscale="log")
order = np.argsort(unusual)[::-1]
below.plot(unusual[order], np.arange(len(order)), "o", color=RED)
for place, n in enumerate(order):
    left = unusual[n] > 20
    offset, side = (-8, "right") if left else (8, "left")
    below.annotate(list(others)[n], (unusual[n], place), (offset, 0), textcoords="offset points", ha=side, va="center")
_ = below.set(xlabel="squared error of an image", yticks=[], ylabel="no digits")

# %% [markdown]
# ### What goes wrong: the error as a detector
#
# Call an image strange if its error exceeds that of 95% of the test digits.

# %%
threshold = np.quantile(usual, 0.95)
for name, error in zip(others, unusual, strict=True):
    share = (usual < error).mean()
    print(
        f"{name:15} error {error:6.1f}, above {share:4.0%} of the digits: {'strange' if error > threshold else 'passes'}"
    )

# %% [markdown] tags=["box"]
# **An error is no density.** It says how far $x$ lies from the bent sheet, in pixels, and nothing about *how often* that
# place is visited. What is faint and smooth can have little error. And points *on* the sheet have little error or
# none, the ones between the digits included. A density must add up to 1, so what it gives to blanks it takes from digits; an error need not.
# (Densities have troubles of their own with strange images, but at least the question is well posed.)

# %% [markdown]
# ## 4a.8 Neighbours
#
# Images with near codes look alike, so codes can be searched. How often do the neighbours of a test digit among the
# training digits share its label?
#
# **Predict:** pixels have 256 numbers, codes 2 to 32. Who finds better neighbours?


# %%
def neighbours(queries, shelf, number=5):
    squares = (queries**2).sum(1)[:, None] - 2 * queries @ shelf.T + (shelf**2).sum(1)[None, :]
    return np.argsort(squares, axis=1)[:, :number]


spaces = {"pixels": (x_test, x_train), "PCA, 32": tuple((x - mean) @ axes[:, :32] for x in (x_test, x_train))}
spaces |= {f"code of {k}": tuple(np.asarray(deep[k].encode(x)) for x in (x_test, x_train)) for k in (2, 12, 32)}
spaces["denoiser, 256"] = tuple(np.asarray(denoiser.encode(x)) for x in (x_test, x_train))
found = {name: neighbours(*pair) for name, pair in spaces.items()}
for name, near in found.items():
    share, error = mean_and_error((digits.train.labels[near] == digits.test.labels[:, None]).mean(axis=1))
    print(f"{name:14} {share:6.1%} ± {error:.1%} of the 5 nearest share the label")

# %% alt="Six rows: three hard test digits, each with its five nearest training digits by pixels and its five nearest by code. Some neighbours are other digits of similar shape, such as a 9 for a 4."
right = (digits.train.labels[found["pixels"]] == digits.test.labels[:, None]).sum(axis=1)
rows = {}
for n in np.flatnonzero(right <= 2)[:3]:  # digits whose neighbours by pixels are mostly wrong
    for name in ("pixels", "code of 32"):
        rows[f"{digits.test.labels[n]} (no. {n}), {name}"] = as_images(
            np.vstack([x_test[n : n + 1], x_train[found[name][n]]])
        )
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# The code of 32 does about as well as pixels, with an eighth of the numbers. No label was in the loss.
#
# ## 4a.9 A random point
#
# To generate, decode a random point. Let us be kind: for each of the 32 numbers take the value that *some* test digit
# has there.
#
# **Predict:** each number alone is now usual. Will the images be digits?

# %% alt="Two rows of twelve images. Above, test digits rebuilt, all readable. Below, codes whose numbers come from different digits, decoded: strokes and blots, few of them readable."
shuffled = np.random.default_rng(5).permuted(codes_test, axis=0)
fig = image_rows(
    {
        "codes of digits": as_images(deep[32].decode(codes_test[:12])),
        "shuffled codes": as_images(deep[32].decode(shuffled[:12])),
    },
    cell=0.5,
)

# %% [markdown]
# Does the encoder recognise what the decoder has drawn? Go round once more, $z\to\hat x\to z'$, and compare $z'$ with $z$.

# %%
for name, z in {"codes of digits": codes_test, "shuffled codes": shuffled}.items():
    again = np.asarray(deep[32].encode(deep[32].decode(z)))
    off = np.sqrt(errors(again, z).mean() / errors(z, codes_test.mean(axis=0)).mean())
    print(f"{name:16} z' is off by {off:.0%} of the spread of the codes")

# %% [markdown] tags=["box"]
# The numbers of a code depend on each other, and nothing in the loss says how: there is **no density on codes**. Chapter 4
# fitted one afterwards. The variational auto-encoder has it from the start: a prior $p(z)$, an encoder that answers with a
# distribution, and a loss that is a bound on $\ln p(x)$. Then a random point is a sample, and strange images have a
# likelihood to be judged by.

# %% [markdown] tags=["box"]
# ## Summary
#
# - A deep auto-encoder bends the sheet of PCA. That pays more for codes of middle length than for the longest one.
# - Tied weights reuse the encoder's matrices, transposed. In the linear case nothing is lost, and only rotations and
#   reflections of the axes remain free.
# - A convolution is one small layer on every patch; its transpose writes patches back. It saves most of the parameters.
# - Denoising: noise on the input, never the same noise on the target. The best linear denoiser is Wiener's filter, the best of all
#   is $y+\sigma^2\nabla\ln p_\sigma(y)$.
# - Mixed codes are not fog, but need not be digits. Codes find neighbours; an error is no density; a random code is no sample.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 4a.1 — Count what is tied
# How many numbers does `TiedAutoencoder` learn? `sizes` lists the widths from input to code, such as `[256, 128, 64, 32]`.
# Count each matrix once, and the biases of both halves.


# %% tags=["exercise"]
def count_tied(sizes):
    ### BEGIN SOLUTION
    matrices = sum(a * b for a, b in pairwise(sizes))
    return matrices + sum(sizes[1:]) + sum(sizes[:-1])
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.1") as check:
    check.close("the model of this chapter", count_tied([256, 128, 64, 32]), size_of(tied), hint="Two lists of biases.")
    check.close("one layer, 5 to 2", count_tied([5, 2]), 17)

# %% [markdown] tags=["exercise"]
# ### Exercise 4a.2 — The price of linearity
# Along an eigenvector with eigenvalue $\lambda$ Wiener's filter shrinks by $s=\lambda/(\lambda+\sigma^2)$. Its expected squared error there is
# $(1-s)^2\lambda+s^2\sigma^2$: what is lost of the signal, plus what stays of the noise. Return the sum over all `eigenvalues`,
# in as short a form as you find.


# %% tags=["exercise"]
def wiener_error(eigenvalues, sigma):
    ### BEGIN SOLUTION
    return (eigenvalues * sigma**2 / (eigenvalues + sigma**2)).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.2") as check:
    answer = wiener_error(eigenvalues, sigma)
    check.close("one direction: λ = 1, σ = 1", wiener_error(np.ones(1), 1.0), 0.5)
    measured = errors(cleaned["Wiener"]).mean()
    check.close("the test digits, within 5 %", answer, measured, rtol=0.05, hint="Sum over all directions.")

# %% [markdown] tags=["exercise"]
# ### Exercise 4a.3 — Two points
# Let $x$ be $-1$ or $+1$, equally likely, and $y=x+\sigma\varepsilon$. Return $\mathbb E[x\mid y]$. (Write down the two posterior
# probabilities; or use Tweedie's formula on paper.) What happens for $\sigma\to0$, and for large $\sigma$?


# %% tags=["exercise"]
def mean_of_two(y, sigma):
    ### BEGIN SOLUTION
    return np.tanh(y / sigma**2)
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.3") as check:
    ys = np.linspace(-2, 2, 9, dtype=np.float32)
    two = lambda y: logsumexp(-0.5 * (y - jnp.array([-1.0, 1.0])) ** 2 / 0.8**2)  # noqa: E731
    tweedie = jax.jit(lambda y: denoised_mean(two, y, 0.8))(ys[:, None])[:, 0]
    check.close("as Tweedie says, σ = 0.8", mean_of_two(ys, 0.8), tweedie, rtol=1e-3, atol=1e-5)
    check.close("halfway nobody knows", mean_of_two(np.zeros(1), 0.3), np.zeros(1), hint="It is an odd function of y.")

# %% [markdown] tags=["exercise"]
# ### Exercise 4a.4 — A transposed layer by hand
# In one dimension: `p` has shape `(n, 4)`, and row $i$ is a patch that was cut at places $2i-1,\dots,2i+2$ of a signal of length $2n$.
# Write all patches back and add where they overlap. What falls outside of the signal is dropped.


# %% tags=["exercise"]
def overlap_add_line(p):
    ### BEGIN SOLUTION
    signal = np.zeros(2 * len(p) + 2)  # one place more at either end
    for i, patch in enumerate(p):
        signal[2 * i : 2 * i + 4] += patch
    return signal[1:-1]
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.4") as check:
    check.close("ones, 3 patches", overlap_add_line(np.ones((3, 4))), [1, 2, 2, 2, 2, 1], hint="Patches are 2 apart.")
    rng = np.random.default_rng(6)
    line, p = rng.normal(size=10), rng.normal(size=(5, 4))
    cut = np.stack([np.pad(line, 1)[2 * i : 2 * i + 4] for i in range(5)])
    answer = overlap_add_line(p)
    check.close("p · Cx = Cᵀp · x", None if answer is None else np.sum(answer * line), (p * cut).sum())

# %% [markdown] tags=["exercise"]
# ### Exercise 4a.5 — A noisy target
# The target carries noise of its own, $x+\tau\varepsilon'$, independent of everything else, in $d$ dimensions. A denoiser has the expected
# loss `clean_loss` against clean targets. What is its expected loss against the noisy ones? (So why is the best denoiser the same?)


# %% tags=["exercise"]
def loss_with_noisy_target(clean_loss, tau, d):
    ### BEGIN SOLUTION
    return clean_loss + d * tau**2  # a constant: it cannot change which denoiser is best
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.5") as check:
    noisy_target = x_test + 0.3 * np.random.default_rng(7).normal(size=x_test.shape)
    for name in ("Wiener", "denoiser"):
        expected = loss_with_noisy_target(errors(cleaned[name]).mean(), 0.3, 256)
        check.close(name, expected, errors(cleaned[name], noisy_target).mean(), rtol=0.02, hint="The cross term is 0.")

# %% [markdown] tags=["frame"]
# ## Sources
#
# - P. Lippe, *UvA Deep Learning Tutorials*, Tutorial 9, "Deep Autoencoders", 2022: the questions of 4a.1, 4a.3 and 4a.6–4a.8, asked there of
#   small colour images.
# - G. Hinton, R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", *Science* 313:504–507, 2006.
# - P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol, "Extracting and composing robust features with denoising autoencoders",
#   ICML 2008; with I. Lajoie, "Stacked denoising autoencoders", *JMLR* 11:3371–3408, 2010 (tied weights there, too).
# - P. Vincent, "A connection between score matching and denoising autoencoders", *Neural Computation* 23:1661–1674, 2011.
# - H. Robbins, "An empirical Bayes approach to statistics", *Proc. Third Berkeley Symposium*, 1956 (where Tweedie's formula appears);
#   K. Miyasawa, "An empirical Bayes estimator of the mean of a normal population", *Bull. Inst. Internat. Statist.* 38, 1961.
# - N. Wiener, *Extrapolation, Interpolation, and Smoothing of Stationary Time Series*, 1949.
# - J. Lehtinen and others, "Noise2Noise", ICML 2018, arXiv:1803.04189.
# - V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
# - L. Ma, "Generative Models", *Datumorphism*, 2021: its page on auto-encoders names the tutorial above.
#
# ## Next
#
# Chapter 5 is the **variational auto-encoder**: the encoder answers with a distribution, codes get a density, and decoding a
# random code becomes a model of the data.
