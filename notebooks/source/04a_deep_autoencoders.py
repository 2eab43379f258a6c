# %% [markdown] tags=["frame"]
# # 4a · Deep auto-encoders
#
# What does depth buy, what do convolutions save, and what is learned when the input is noisy? And what can a good
# reconstruction *not* tell?
#
# **After this chapter you can**
# - compare codes of many sizes with PCA, and count what tied weights and convolutions save;
# - say why a comparison of two networks is a comparison of two recipes as well;
# - train a denoiser, and say what the best one is: $\mathbb E[x\mid y]$, which points along the gradient of a
#   log-density;
# - explain why images that are no digits may be rebuilt better than digits;
# - search images by their codes, and measure whether that helps;
# - name what is missing before an auto-encoder can generate.
#
# **You need** chapter 4 (code, decoder, PCA as the linear case) and, for 4a.3, the convolution of chapter 2b.
# **Time:** about an hour and a half; the code itself runs in about a minute on two cores.

# %%
from functools import cache
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
from course_lib.figures.style import BLUE, GREEN, GREY, INK, ORANGE
from course_lib.probability import mean_and_error
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 4a.1 Why depth
#
# PCA finds the best *flat* sheet at once. Is a bent one worth the training? The digits are those of chapter 4, now in
# grey and smaller: 16 × 16 pixels, each the mean of a square of 2 × 2. The error of an image is
# $\lVert\hat x-x\rVert^2$, the sum over its 256 pixels.

# %%
digits = data.mnist_5k()


def smaller(images):
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    squares = padded.reshape(-1, 16, 2, 16, 2)
    return squares.mean(axis=(2, 4)).reshape(-1, 256)


x_train, x_valid, x_test = (
    smaller(part.images) for part in (digits.train, digits.valid, digits.test)
)


def errors(x_hat, x=x_test):
    return ((np.asarray(x_hat) - x) ** 2).sum(axis=-1)


# %%
def train(model, loss=squared_error_loss, examples=x_train, **changes):
    settings = {"epochs": 40, "rate": 3e-3, "batch_size": 64} | changes
    epochs, size = settings["epochs"], settings["batch_size"]
    steps = epochs * (len(examples) // size)
    rest = {"key": jax.random.key(1), "progress": False, "batch_size": size}
    optimizer = cosine_adam(settings["rate"], steps)
    return fit(
        model, loss, examples, epochs=epochs, optimizer=optimizer, **rest
    )


# %% [markdown]
# For this error PCA is the best sheet with $k$ directions that is *flat* (chapter 4). A deep auto-encoder may bend its
# sheet, with the activation SiLU, $s(a)=a/(1+e^{-a})$, between layers, and a sigmoid at the end:
#
# $$256\to128\to64\to k\to64\to128\to256.$$
#
# That sigmoid bends, too. A *shallow* network, $256\to k\to256$, has nothing else.
#
# **Predict:** at which $k$ does the deep network take away the largest share of the error of PCA: 2, 5, 12, or 32? Is
# that depth?

# %%
mean = x_train.mean(axis=0)
eigenvalues, axes = (a[..., ::-1] for a in np.linalg.eigh(np.cov(x_train.T)))


def pca(x, k):
    return mean + (x - mean) @ axes[:, :k] @ axes[:, :k].T


sizes = (2, 5, 12, 32)
shallow, deep = (
    {k: DeepAutoencoder(256, hidden, k, rngs=nnx.Rngs(0)) for k in sizes}
    for hidden in ([], [128, 64])
)
for k in sizes:
    flat, bent = errors(pca(x_test, k)).mean(), {}
    for name, models in {"shallow": shallow, "deep": deep}.items():
        train(models[k])
        bent[name] = errors(models[k](x_test)).mean()
    print(f"{k:2} numbers: PCA {flat:.2f}", end=", ")
    print(f"shallow {bent['shallow']:.2f}, deep {bent['deep']:.2f}", end=", ")
    print(f"deep {1 - bent['deep'] / flat:.0%} less than PCA")

# %% alt="Squared error of an image against the size of the code, 2 to 32, on a logarithmic axis. Three falling curves: PCA in grey; the shallow network in orange, above it at 2 and 5 and below it at 12 and 32; the deep network in blue, far below both at 2, 5 and 12, and between them at 32. A dotted curve for training digits runs just below the blue one." caption="The error of PCA (flat), of a shallow and of a deep auto-encoder against the length of the code."
for name, colour, rebuild in [
    ("PCA", GREY, pca),
    ("shallow", ORANGE, lambda x, k: shallow[k](x)),
]:
    curve = [errors(rebuild(x_test, k)).mean() for k in sizes]
    plt.plot(sizes, curve, "o-", color=colour, label=f"{name}, test digits")
for x, name, line in [(x_test, "test", "o-"), (x_train, "training", ":")]:
    bent = [errors(deep[k](x), x).mean() for k in sizes]
    plt.plot(sizes, bent, line, color=BLUE, label=f"deep, {name} digits")
plt.xscale("log", base=2)
plt.gca().set(
    xlabel="numbers in the code",
    ylabel="squared error of an image",
    ylim=(0, None),
)
plt.xticks(sizes, [str(k) for k in sizes])
legend = plt.legend()

# %% [markdown]
# **Answer.** The largest share goes at 12 numbers, with 5 close behind: almost half of the error. Up to 12 that is
# depth: the shallow network gains little on PCA at 12, and falls short of it at 2 and 5. At 32 it is not: the shallow
# network does no worse than the deep one. (One training each, by one recipe.) So depth pays for short codes, and
# exercise 4.9 agrees: with 64 numbers, one layer each way rebuilt digits well.


# %% alt="Five rows of twelve digits: test digits, then PCA and the deep auto-encoder with 2 numbers, then both with 12. With 2 numbers PCA gives the same blur for most, the deep one gives blurred digits; with 12 PCA shows grey shadows around strokes and the deep one clean paper." caption="Test digits rebuilt from 2 and from 12 numbers, by PCA and by a deep auto-encoder."
def as_images(x):
    return np.clip(np.asarray(x), 0, 1).reshape(-1, 16, 16)


rows = {"x": as_images(x_test[:12])}
for k in (2, 12):
    rows[f"PCA, {k}"] = as_images(pca(x_test[:12], k))
    rows[f"deep, {k}"] = as_images(deep[k](x_test[:12]))
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# ## 4a.2 Tied weights
#
# Encoder and decoder do opposite things. Need they have separate weights? The decoder may use the encoder's matrices,
# **transposed**:
#
# $$h=W_2^{\mathsf T}s(W_1^{\mathsf T}x+b_1)+b_2,\qquad
# \hat x=\operatorname{sigm}\big(W_1\,s(W_2\,h+c_2)+c_1\big).$$

# %% [markdown] tags=["derivation"]
# Why the transpose, of all matrices? In the linear case $\hat x=\bar x+W\,W^{\mathsf T}(x-\bar x)$ with $k$ columns in
# $W$. The best reconstruction is the projection onto the PCA subspace (chapter 4). When is $WW^{\mathsf T}$ a
# projection of rank $k$? Exactly if the columns of $W$ are orthonormal, $W^{\mathsf T}W=I$. If they are,
# $(WW^{\mathsf T})^2=W(W^{\mathsf T}W)W^{\mathsf T}=WW^{\mathsf T}$. If it is one, its $k$ eigenvalues 1 are the
# eigenvalues of the $k\times k$ matrix $W^{\mathsf T}W$ as well, and a symmetric matrix with no other eigenvalue is
# $I$. (For a smaller rank columns may vanish: $W=[e_1,0]$.) Then $W^{\mathsf T}$ reads coordinates and $W$ puts them
# back.
#
# So in the linear case nothing is lost by tying. Something is gained: in chapter 4 any invertible $A$ could mix the
# axes; here $WQ(WQ)^{\mathsf T}=WW^{\mathsf T}$ asks for an orthogonal $Q$, a rotation, perhaps with a reflection.

# %% [markdown]
# **Predict:** nearly half of the parameters go. Does the error rise by half, by a tenth, or not at all?


# %%
@cache
def trained(kind, rate, start, epochs=40):
    net = kind(256, [128, 64], 32, rngs=nnx.Rngs(start))
    train(net, rate=rate, epochs=epochs)
    return net


def size_of(model):
    leaves = jax.tree.leaves(nnx.state(model, nnx.Param))
    return sum(p.size for p in leaves)


def error_of(model, x=x_test):
    return errors(model(x), x).mean()


# %%
tied = trained(TiedAutoencoder, 3e-3, 0)
for name, model in {"dense": deep[32], "tied": tied}.items():
    print(f"{name:6}{size_of(model):7,} parameters", end=", ")
    print(f"error {error_of(model):.2f}")
gap = errors(tied(x_test)) - errors(deep[32](x_test))  # paired
print("difference {:+.2f} ± {:.2f}".format(*mean_and_error(gap)))

# %% [markdown]
# **Answer.** The error rises by about a tenth: so it seems, and the difference is many times its error. But that ±
# covers the test digits. It knows nothing of other random starts, nor of the step size, which was the dense network's.
#
# ### What goes wrong: one recipe for all
#
# **Predict:** choose the rate of each network on the validation digits, and take three random starts. Will the tied
# network still be worse?

# %%
for kind in (DeepAutoencoder, TiedAutoencoder):
    judged = {
        rate: error_of(trained(kind, rate, 0), x_valid)
        for rate in (3e-3, 1e-2)
    }
    best = min(judged, key=judged.get)
    on_test = [error_of(trained(kind, best, start)) for start in (0, 1, 2)]
    print(kind.__name__)
    for rate, error in judged.items():
        print(f"  validation, rate {rate:g}: {error:.2f}")
    listed = ", ".join(f"{error:.2f}" for error in on_test)
    print(f"  test, rate {best:g}, three starts: {listed}")

# %% [markdown]
# **Answer.** The tied network is now the better one, with every start. Both gain from larger steps, the tied one far
# more. A verdict on two architectures is a verdict on their recipes as well.

# %% [markdown] tags=["box"]
# **Is it capacity?** No. Copy the matrices of a tied network into a dense one: it computes the same. So the best dense
# network is at least as good on the training digits. What differs is how far the same number of steps gets.

# %% [markdown]
# ## 4a.3 Convolutions
#
# A dense layer has weights for every pixel and must learn a stroke anew at each place. A **convolution** slides one
# small layer over the image. Here it sees patches of 4 × 4 pixels, two pixels apart, so each side halves.

# %% [markdown] tags=["derivation"]
# Entry $[i,j]$ of the output reads the patch around pixel $(2i,2j)$, with $x=0$ outside of the image:
#
# $$h_{ij}=\sum_{u=0}^{3}\sum_{v=0}^{3}K_{uv}^{\mathsf T}\;x_{2i+u-1,\;2j+v-1}.$$
#
# At each pixel $x$ holds one number for each **channel**, so $K_{uv}$ is a matrix from channels in to channels out. In
# code: cut out all patches, write each as a row, and apply one linear layer to every row.

# %% library="course_lib.networks.strided_convolution:patches"
SIZE = 4  # the side of a patch


def patches(x):
    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    cut = [
        x[:, a : a + height - 1 : 2, b : b + width - 1 : 2]
        for a, b in np.ndindex(SIZE, SIZE)
    ]
    return jnp.concatenate(cut, axis=-1)


# %% [markdown]
# **Predict:** one kernel has −1 in its two left columns and +1 in its two right ones. Where on a digit does it answer?

# %% alt="Three panels: a digit seven of 16 by 16 pixels in grey, and two maps of 8 by 8 in orange and purple with a colour bar. In the first map left edges of strokes are orange and right edges purple; in the second upper edges are orange and lower edges purple." caption="A digit and the answers of two kernels. Orange: ink begins here, going right (or down); purple: it ends."
upright = np.tile([-1.0, -1.0, 1.0, 1.0], (4, 1))
kernels = np.stack([upright, upright.T], axis=-1).reshape(16, 2) / 8
seven = x_test[:1].reshape(1, 16, 16, 1)
edges = np.asarray(jax.jit(patches)(seven) @ kernels)[0]
fig, panels = plt.subplots(1, 3, figsize=(6.8, 2.2))
panels[0].imshow(seven[0, :, :, 0])
panels[0].set_title("digit")
for channel, name in enumerate(("left–right", "up–down")):
    shown = panels[channel + 1].imshow(
        edges[..., channel], cmap="PuOr_r", vmin=-1, vmax=1
    )
    panels[channel + 1].set_title(name)
for ax in panels:
    ax.set(xticks=[], yticks=[])
bar = fig.colorbar(shown, ax=panels, label="answer")

# %% [markdown]
# **Answer.** The kernel answers at upright edges of a stroke: positively at its left edge, where ink begins, and
# negatively at its right one. Inside a stroke and on bare paper the two halves cancel.
#
# The decoder must *double* the sides. Take the transpose again: cutting patches is linear, and its transpose writes
# each patch back where it was cut. Where patches overlap, they add up.


# %% library="course_lib.networks.strided_convolution:overlap_add"
def overlap_add(p):
    batch, height, width, size = p.shape
    image = jax.ShapeDtypeStruct(
        (batch, 2 * height, 2 * width, size // SIZE**2), p.dtype
    )
    return jax.linear_transpose(patches, image)(p)[0]


# %% [markdown]
# Write the cutting as a matrix $C$. Its transpose is known by $q\cdot Cx=C^{\mathsf T}q\cdot x$ for all $x$ and all
# patches $q$. And each inner pixel lies in four patches.

# %% tags=["nbval-check-output"]
integers = np.random.default_rng(0).integers
x = integers(-3, 4, (1, 8, 8, 2)).astype(np.float32)
q = integers(-3, 4, (1, 4, 4, 32)).astype(np.float32)
there = jax.jit(lambda x, q: (q * patches(x)).sum())(x, q)
back = jax.jit(lambda x, q: (overlap_add(q) * x).sum())(x, q)
print(f"q · Cx = {there:.0f}, Cᵀq · x = {back:.0f}")
ones = np.asarray(overlap_add(jnp.ones((1, 3, 3, 16))))
print(ones[0, :, :, 0].astype(int))

# %% [markdown]
# `ConvolutionalAutoencoder` has two such layers each way, with 8 and 16 channels, and one dense layer to the code:
# $16\to8\to4$ pixels a side, then 32 numbers. Its epochs take several times longer, so it gets half as many.
#
# **Predict:** by what factor has it fewer parameters than the dense network? And which has the smaller error?


# %%
@cache
def convolutional(start, permuted=False, rate=7e-3):
    net = ConvolutionalAutoencoder((16, 16), (8, 16), 32, rngs=nnx.Rngs(start))
    order = np.random.default_rng(0).permutation(256)
    examples = x_train[:, order] if permuted else x_train
    train(net, epochs=20, rate=rate, examples=examples)
    return net


# %%
on_test = [error_of(convolutional(start)) for start in (0, 1)]
print(f"{size_of(convolutional(0)):,} parameters,", end=" ")
print("error, two starts:", ", ".join(f"{e:.2f}" for e in on_test))

# %% [markdown]
# **Answer.** It has a quarter of the parameters. With half the epochs and a rate of its own its error is below that of
# every dense start of 4a.2, and a little above that of the tied ones. Is that because a stroke learned at one place
# serves at all others? Then neighbourhood must matter. Put the pixels of all digits into one and the same random order:
# a dense layer could not care less.

# %%
order = np.random.default_rng(0).permutation(256)
scrambled_dense = DeepAutoencoder(256, [128, 64], 32, rngs=nnx.Rngs(0))
train(scrambled_dense, rate=1e-2, examples=x_train[:, order])
scrambled = {
    "dense": scrambled_dense,
    "convolutional": convolutional(0, permuted=True),
}
for name, model in scrambled.items():
    error = error_of(model, x_test[:, order])
    print(f"{name:14} with scrambled pixels: {error:.2f}")

# %% [markdown]
# The dense network is as good as before; the convolutional one is lost. So its advantage is neighbourhood, and it
# exists only where neighbours belong together.

# %% [markdown] tags=["quiz"] numbers={"0.12": "error_of(tied) - error_of(deep[32])"}
# **Two networks were trained once each, with one rate, and differ by 0.12 ± 0.01 on the test digits. What does the ±
# cover?**
#
# - [ ] Everything: the difference is twelve times its error. :: Other starts and other rates may give another sign, as
#   the tied network shows.
# - [x] Other test digits, for these two trained networks. :: Right: for a verdict on the architectures, starts and
#   rates must vary as well.
# - [ ] Other random starts. :: Each was started once; nothing about starts was measured.

# %% [markdown] tags=["quiz"]
# **Why can no amount of training explain a tied network that beats the best possible dense one on the training
# digits?**
#
# - [x] Every tied network is also a dense one. :: Right: the best dense network is at least as good. What differed here
#   was how far the steps got.
# - [ ] The tied network has fewer parameters, so it overfits less. :: That may help on test digits; the question is
#   about training digits.
# - [ ] In fact it can: tying adds information. :: Tying only restricts which matrices the decoder may have.

# %% [markdown] tags=["quiz"]
# **The same scrambling is applied to all images. Why does that hurt the convolutional network and not the dense one?**
#
# - [ ] The convolutional one has fewer parameters. :: The tied network has few as well; what counts is which pixels a
#   layer sees together.
# - [x] It sees patches, and scrambled patches hold pixels that do not belong together. :: Right. A dense layer treats
#   its inputs alike, in whatever order.
# - [ ] Scrambling destroys information. :: It can be undone, so nothing is destroyed.

# %% [markdown]
# ## 4a.4 Denoising
#
# A narrow code is one way to forbid copying. Another is to spoil the input. Draw $y=x+\sigma\varepsilon$ with
# $\varepsilon\sim\mathcal N(0,I)$ and ask for the clean $x$:
#
# $$\min_f\;\mathbb E\,\lVert f(x+\sigma\varepsilon)-x\rVert^2 .$$
#
# From here on $\sigma$ is the size of the noise. No narrow code is needed; ours has 256 numbers.


# %%
def denoising(sigma):
    def loss(model, batch, key):
        noise = jax.random.normal(key, batch.shape)  # fresh in every step
        noisy = batch + sigma * noise
        return ((model(noisy) - batch) ** 2).sum(-1).mean()  # clean target

    return loss


# %%
sigma = 0.5
denoiser = DenoisingAutoencoder(256, [256], 256, rngs=nnx.Rngs(0))
history = train(denoiser, denoising(sigma), epochs=30, rate=2e-3)

# %% [markdown] tags=["derivation"]
# Whom to beat? The best *linear* denoiser is known. Let $x$ have mean $\mu$ and covariance $\Sigma$. Least squares of
# $x$ on $y$ gives $\operatorname{Cov}(x,y)\operatorname{Cov}(y)^{-1}$, and the noise is independent of $x$:
#
# $$\hat x=\mu+\Sigma\,(\Sigma+\sigma^2I)^{-1}(y-\mu).$$
#
# This is **Wiener's filter**. Along the eigenvector with eigenvalue $\lambda$ it shrinks by
# $\lambda/(\lambda+\sigma^2)$: directions with more signal than noise stay, the others go. It is PCA with soft edges.

# %% [markdown]
# **Predict:** the noise alone costs $256\,\sigma^2=64$. How much is left after Wiener's filter, and after the network?
# What does the auto-encoder of 4a.1 do, which never saw noise? (It gets $y$ clipped to $[0,1]$.)


# %%
def wiener(y):
    shrink = eigenvalues / (eigenvalues + sigma**2)
    return mean + ((y - mean) @ axes * shrink) @ axes.T


noise = np.random.default_rng(1).normal(size=x_test.shape)
noisy = x_test + sigma * noise.astype(np.float32)
cleaned = {
    "noisy": noisy,
    "Wiener": wiener(noisy),
    "denoiser": denoiser(noisy),
    "4a.1": deep[32](noisy.clip(0, 1)),
}
for name, x_hat in cleaned.items():
    print(f"{name:9} {errors(x_hat).mean():6.1f}")
gap = errors(cleaned["denoiser"]) - errors(cleaned["Wiener"])
print("denoiser - Wiener {:+.2f} ± {:.2f}".format(*mean_and_error(gap)))

# %% alt="Five rows of twelve images: clean test digits; the same under heavy grey noise; Wiener's filter leaves cloudy digits; the denoiser gives smooth digits on clean paper; the plain auto-encoder gives dark shapes, often other digits." caption="Clean digits, noisy ones, and three ways to clean them: the best linear filter, a trained denoiser, and the auto-encoder of 4a.1."
cleaned_rows = {name: as_images(x_hat)[:12] for name, x_hat in cleaned.items()}
fig = image_rows({"x": as_images(x_test[:12]), **cleaned_rows}, cell=0.5)

# %% [markdown]
# **Answer.** Wiener's filter leaves less than a tenth of the noise, and the network less still (± over the test
# digits), since it need not be linear. The auto-encoder of 4a.1 fails: its 32 numbers cannot show noise, but noise
# moves them, and the decoder draws a digit that is not there.
#
# ### What goes wrong: noise on the target
#
# "Add noise to the data" is easily done one line too early, so that input *and* target carry it.
#
# **Predict:** what is learned if the target has the *same* noise? And if it has noise of its *own*?


# %%
def fitted_error(target, draws):
    """Error of a linear filter; `draws` noisy copies of each digit."""
    often = np.repeat(x_train, draws, axis=0)
    normal = np.random.default_rng(2).normal
    noise, other = sigma * normal(size=(2, *often.shape)).astype(np.float32)
    added = {"clean": 0, "the same noise": noise, "its own noise": other}
    y = often + noise - mean
    wanted = often + added[target] - mean
    fitted = np.linalg.solve(y.T @ y, y.T @ wanted)  # least squares
    return errors(mean + (noisy - mean) @ fitted).mean()


for target in ("clean", "the same noise", "its own noise"):
    few, many = (fitted_error(target, draws) for draws in (1, 5))
    print(f"target: {target:15} 1 draw {few:5.1f}   5 draws {many:5.1f}")

# %% [markdown]
# **Answer.** With the *same* noise the filter learns to copy, and all noise stays. Noise of its *own* cannot be
# predicted from the input. It costs accuracy here, and the less the more draws there are.

# %% [markdown] tags=["derivation"]
# By how much? Add noise of variance $\sigma^2$ to the target of $n$ examples. Least squares fits 256 coefficients for
# each of 256 pixels, and the noise makes each prediction err by a variance of about $\sigma^2\cdot256/n$. That is
# $256\,\sigma^2\cdot256/n$ an image: with $\sigma=0.5$ about 4.1 for the $n=4000$ examples of one draw, and a fifth of
# that for five. With ever more draws the extra error vanishes, and the same filter is learned. So a denoiser can be
# learned without a single clean image; this is the idea of *Noise2Noise*.

# %%
for draws in (1, 5):
    extra = fitted_error("its own noise", draws) - fitted_error("clean", draws)
    theory = 256 * sigma**2 * 256 / (draws * len(x_train))
    print(f"{draws} to a digit: extra {extra:.2f}, formula {theory:.2f}")

# %% [markdown]
# ## 4a.5 Where a denoiser points
#
# The network beat the best linear denoiser. What is the best denoiser of all, linear or not? The answer connects
# denoising with densities, which auto-encoders lack.

# %% [markdown] tags=["derivation"]
# Given $y$, the answer with the least mean squared error is the mean: $f(y)=\mathbb E[x\mid y]$. Let $p_\sigma$ be the
# density of the *noisy* points,
#
# $$p_\sigma(y)=\int p(x)\,\mathcal N(y;x,\sigma^2I)\,dx .$$
#
# Differentiate under the integral, with
# $\nabla_y\mathcal N(y;x,\sigma^2I)=\frac{x-y}{\sigma^2}\,\mathcal N(y;x,\sigma^2I)$, and divide by $p_\sigma(y)$; by
# Bayes' rule $p(x)\,\mathcal N(y;x,\sigma^2I)/p_\sigma(y)=p(x\mid y)$:
#
# $$\nabla\ln p_\sigma(y)=\int\frac{x-y}{\sigma^2}\;p(x\mid y)\,dx=\frac{\mathbb E[x\mid y]-y}{\sigma^2}.$$
#
# So $\;\mathbb E[x\mid y]=y+\sigma^2\,\nabla\ln p_\sigma(y)$, called **Tweedie's formula** (Robbins 1956, Miyasawa
# 1961). The best denoiser steps uphill along the **score** $\nabla\ln p_\sigma$ of chapter 0. Whoever trains a denoiser
# learns a gradient of the log-density of noisy points, without ever computing a density.


# %% library="course_lib.autoencoders.denoising:denoised_mean"
def denoised_mean(noisy_log_prob, y, sigma):
    score = jnp.vectorize(jax.grad(noisy_log_prob), signature="(d)->(d)")
    return y + sigma**2 * score(y)


# %% [markdown]
# We test it where $p_\sigma$ is known: points near a spiral, as a mixture of 80 small normal distributions. Noise only
# widens each of them, from variance $0.1^2$ to $0.1^2+\sigma^2$.

# %%
angle = 3.5 * np.pi * np.sqrt(np.linspace(0.04, 1, 80))
circle = np.stack([np.cos(angle), np.sin(angle)])
centres = (0.28 * angle * circle).T.astype(np.float32)
noise_2d = 0.4


# %%
def noisy_log_prob(y):
    variance = 0.1**2 + noise_2d**2
    squares = ((y - centres) ** 2).sum(-1)
    constant = np.log(80 * 2 * np.pi * variance)
    return logsumexp(-0.5 * squares / variance) - constant


# %%
def spiral(seed, count):
    rng = np.random.default_rng(seed)
    chosen = centres[rng.integers(80, size=count)]
    return (chosen + 0.1 * rng.normal(size=(count, 2))).astype(np.float32)


points = spiral(3, 8000)
pointer = DenoisingAutoencoder(2, [64, 64], 64, rngs=nnx.Rngs(0))
run = {"epochs": 100, "rate": 5e-3, "batch_size": 250, "examples": points}
history = train(pointer, denoising_loss(noise_2d), **run)

# %% [markdown]
# `denoising_loss` is the loss of 4a.4, kept in the library. The network saw points alone; the formula sees the density
# alone. An arrow goes from $y$ to the answer, so the formula's arrows are $\sigma^2\nabla\ln p_\sigma(y)$.
#
# **Predict:** where will the arrows be long, and where will the two disagree?

# %%
side, fine_side = np.linspace(-3.6, 3.6, 16), np.linspace(-4, 4, 81)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
grid = grid.astype(np.float32)
fine = np.stack(np.meshgrid(fine_side, fine_side), axis=-1).astype(np.float32)
log_p = jax.jit(jnp.vectorize(noisy_log_prob, signature="(d)->()"))
best_answer = jax.jit(lambda y: denoised_mean(noisy_log_prob, y, noise_2d))
density = np.exp(log_p(fine))
seen = np.asarray(log_p(grid)) > np.log(4e-3)  # where noisy points occur
starts = grid[seen]
exact_arrows = np.asarray(best_answer(starts)) - starts
learned_arrows = np.asarray(pointer(starts)) - starts

# %% tags=["cover"] alt="The plane with a spiral band of density in blue shades and a colour bar. Grey arrows, the exact formula, and thinner orange arrows, the trained denoiser, start on a grid and point to the nearest arm of the spiral. They lie on each other almost everywhere near the band." caption="Where the best denoiser points: uphill on the density of noisy points. Grey: Tweedie's formula; orange: a network that saw samples only."
fig, ax = plt.subplots(figsize=(6.2, 5.2))
shades = ax.contourf(fine_side, fine_side, density, levels=12, cmap="Blues")
scale = {"angles": "xy", "scale_units": "xy", "scale": 1}
ax.quiver(
    *starts.T,
    *exact_arrows.T,
    color=INK,
    alpha=0.45,
    width=0.009,
    label=r"formula: $\sigma^2\nabla\ln p_\sigma(y)$",
    **scale,
)
learned_look = {"color": ORANGE, "width": 0.004, "label": "trained denoiser"}
ax.quiver(*starts.T, *learned_arrows.T, **learned_look, **scale)
ax.set(xlabel="$y_1$", ylabel="$y_2$", aspect="equal")
fig.colorbar(shades, label=r"density $p_\sigma(y)$")
legend = ax.legend(loc="upper left", fontsize=9)

# %% [markdown]
# In numbers, on fresh noisy points:

# %%
clean = spiral(4, 4000)
hidden = noise_2d * np.random.default_rng(5).normal(size=clean.shape)
y = clean + hidden.astype(np.float32)
exact, learned = np.asarray(best_answer(y)), np.asarray(pointer(y))
print(f"doing nothing {errors(y, clean).mean():.4f}")
print(f"the network   {errors(learned, clean).mean():.4f}")
print(f"the formula   {errors(exact, clean).mean():.4f}, the least possible")


# %%
def length(arrows):
    return np.sqrt((arrows**2).sum(axis=1).mean())  # root mean square


rarest, commonest = np.quantile(log_p(y), [0.1, 0.9])
outside, ridge = log_p(y) < rarest, log_p(y) > commonest
for name, here in {
    "all": y[:, 0] < 9,
    "outside": outside,
    "ridge": ridge,
}.items():
    arrow, gap = length((exact - y)[here]), length((learned - exact)[here])
    print(f"{name:8} arrows {arrow:.3f}, difference {gap:.3f}")

# %% [markdown]
# **Answer.** The arrows are long outside, where the density is lowest, and almost nothing on the ridge, where the score
# is nearly zero. Outside, where few training points fell, the two also disagree most. Against their length, though,
# arrows on the ridge are least certain.

# %% [markdown] tags=["box"]
# **Where this leads.** The error of the formula is not 0: noise has destroyed information, and $\mathbb E[x\mid y]$ is
# a mean over what $x$ may have been. Between two arms it may lie on neither: means are blurred. With *many* noise
# levels, from large to small, and a small step at each, denoisers turn noise into samples: that is how **diffusion
# models** generate.

# %% [markdown]
# ## 4a.6 Between two digits
#
# Chapter 4 showed pictures on the way between two codes. What do numbers say? Mixed pixels are *grey*: count those
# between ¼ and ¾.
#
# **Predict:** at $t=\tfrac12$, what share of the pixels is grey if pixels are mixed? And if codes are?


# %%
def grey(images):
    return ((images > 0.25) & (images < 0.75)).mean()


# %%
codes_train = np.asarray(deep[32].encode(x_train))
codes_test = np.asarray(deep[32].encode(x_test))
ways = np.linspace(0, 1, 11, dtype=np.float32)
first, last = np.arange(300), np.arange(300, 600)
pixels = [(1 - t) * x_test[first] + t * x_test[last] for t in ways]
mixed_codes = [
    (1 - t) * codes_test[first] + t * codes_test[last] for t in ways
]
mixed = [np.asarray(deep[32].decode(z)) for z in mixed_codes]

# %% alt="Share of grey pixels against t from 0 to 1. With pixels mixed the grey curve rises to a high plateau between 0.3 and 0.7. With codes mixed the green curve stays low and almost flat. A dotted line marks the digits themselves." caption="How grey the images are on the way from one digit to another, averaged over 300 pairs."
plt.figure(figsize=(6, 2.8))
for images, name, colour in [
    (pixels, "pixels mixed", GREY),
    (mixed, "codes mixed, then decoded", GREEN),
]:
    shares = [grey(image) for image in images]
    plt.plot(ways, shares, "o-", color=colour, label=name)
plt.axhline(grey(x_test), color=INK, ls=":", label="test digits")
plt.gca().set(xlabel="t", ylabel="share of grey pixels", ylim=(0, None))
legend = plt.legend(fontsize=9)

# %% [markdown]
# Little grey is not yet a digit. A second measure: how far is an image from the nearest training digit, in squared
# error?


# %%
def squared_distances(queries, shelf):
    cross = queries @ shelf.T
    return (
        (queries**2).sum(1)[:, None] - 2 * cross + (shelf**2).sum(1)[None, :]
    )


for name, images in {
    "test digits": x_test,
    "rebuilt": mixed[0],
    "halfway, codes": mixed[5],
    "halfway, pixels": pixels[5],
}.items():
    near = squared_distances(images, x_train).min(axis=1)
    away, error = mean_and_error(near)
    print(f"{name:16} grey {grey(images):5.1%}", end="   ")
    print(f"nearest training digit {away:.2f} ± {error:.2f}")

# %% alt="Six rows of eleven images: three pairs of digits, each once with pixels mixed and once with codes mixed. Mixed pixels show both digits, one fading. Mixed codes bend strokes; some images in the middle are no digit." caption="Three pairs, each with mixed pixels and with mixed codes."
rows = {}
for n in (0, 1, 2):
    rows[f"pair {n + 1}, pixels"] = as_images([m[n] for m in pixels])
    rows[f"pair {n + 1}, codes"] = as_images([m[n] for m in mixed])
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# **Answer.** Halfway, twice as many pixels are grey as in a digit if pixels are mixed, and a fifth more if codes are.
# But the decoded images are farther from all training digits than rebuilt digits are: some are no digit.
#
# ## 4a.7 Things that are no digits
#
# Would a low error on digits mean a high one on everything else? Then the error would be a detector.


# %%
def letter(rows):
    small = np.array([[dot == "#" for dot in row] for row in rows.split()])
    large = np.kron(small, np.ones((3, 3)))
    return smaller(np.pad(large, ((3, 4), (6, 7)))[None])[0]


# %%
letters = {
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "K": "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
    "X": "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
}

# %%
row, column = np.indices((16, 16))
from_middle = (row - 8) ** 2 + (column - 8) ** 2
others = {f"letter {name}": letter(drawn) for name, drawn in letters.items()}
others |= {
    "stripes": (row % 4 < 2).ravel(),
    "noise": np.random.default_rng(4).uniform(size=256),
    "inverted digit": 1 - x_test[1],
    "faint digit": 0.3 * x_test[1],
    "blank": np.zeros(256),
    "two at once": (x_test[0] + x_test[4]) / 2,
    "soft spot": 0.35 * np.exp(-from_middle / 16).ravel(),
}
strange = np.array(list(others.values()), np.float32)

# %% [markdown]
# **Predict:** sort these eleven by their error. Which will have as low an error as a digit?

# %% alt="Two rows of eleven named images: four letters, stripes, noise, an inverted digit, a faint digit, a blank, two digits on top of each other and a soft spot; below, their reconstructions. Letters come back broken; stripes, noise and the inverted digit become black smears; the last four come back in faint outline." caption="Eleven things that are no digits, or hardly, and what the auto-encoder with 32 numbers makes of them."
fig, axes_of = plt.subplots(2, 11, figsize=(9.4, 2.1))
rebuilt = deep[32](strange)
for n, name in enumerate(others):
    for ax, image in zip(axes_of[:, n], (strange[n], rebuilt[n]), strict=True):
        ax.imshow(image.reshape(16, 16), vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    axes_of[0, n].set_title(name.replace(" ", "\n"), fontsize=8)
axes_of[0, 0].set_ylabel("$x$", rotation=0, ha="right", va="center")
label = axes_of[1, 0].set_ylabel(r"$\hat x$", rotation=0, ha="right")

# %%
usual = errors(deep[32](x_test))
unusual = errors(deep[32](strange), strange)
threshold = np.quantile(usual, 0.95)
order = np.argsort(unusual)[::-1]

# %% alt="Above, a histogram of the errors of test digits on a logarithmic axis, most between 0.5 and 4. Below, one dot with a name for each strange image on the same axis: faint digit, soft spot and two at once lie among the digits, the blank just beyond them, letters, noise, stripes and the inverted digit far to the right." caption="Errors of test digits (above) and of eleven other images (below), on one logarithmic axis. The dashed line is exceeded by 5% of the test digits."
fig, (above, below) = plt.subplots(
    2, 1, figsize=(7.5, 4.4), sharex=True, height_ratios=(1, 1.3)
)
above.hist(usual, bins=np.geomspace(0.2, 200, 50), color=GREY)
above.set(ylabel="test digits", xscale="log")
below.plot(unusual[order], np.arange(len(order)), "o", color=ORANGE)
for place, n in enumerate(order):
    left = unusual[n] > 20 or 1.5 < unusual[n] < threshold
    offset, align = (-8, "right") if left else (8, "left")
    below.annotate(
        list(others)[n],
        (unusual[n], place),
        (offset, 0),
        textcoords="offset points",
        ha=align,
        va="center",
    )
for ax in (above, below):
    ax.axvline(threshold, color=INK, ls="--", lw=1)
below.set_xlabel("squared error of an image")
labels = below.set(yticks=[], ylabel="no digits")

# %% [markdown]
# **Answer.** The faint digit, the soft spot and two digits at once have as low an error as a digit. Letters, stripes,
# noise, the inverted digit and even the blank do not. Is that because the network knows the former?
#
# ### What goes wrong: the error as a detector
#
# Call an image strange if its error is beyond the dashed line, as for one test digit in twenty. One image of a kind may
# be luck, so here are whole families, each with the error as a share of the ink $\lVert x\rVert^2$.

# %%
rng = np.random.default_rng(4)
families = {
    "test digits": x_test,
    "faint digits": 0.3 * x_test,
    "two at once": (x_test[first] + x_test[last]) / 2,
    "inverted digits": 1 - x_test,
    "scrambled digits": rng.permuted(x_test, axis=1),
    "noise": rng.uniform(size=(600, 256)).astype(np.float32),
}
for name, family in families.items():
    error = errors(deep[32](family), family)
    part = np.median(error / (family**2).sum(axis=1))
    print(
        f"{name:16} error {error.mean():5.2f}, {part:4.0%} of the ink,",
        end=" ",
    )
    print(f"{(error > threshold).mean():4.0%} called strange")

# %% [markdown]
# Not one faint digit is called strange, although they are rebuilt far worse than digits, measured by their own ink.
# There is little ink to get wrong, so the error is small whatever the network does.
#
# And what the decoder itself draws? Pass it through once more.

# %%
shuffled = np.random.default_rng(5).permuted(codes_test, axis=0)
drawn = {
    "codes of digits": codes_test,
    "halfway codes": mixed_codes[5],
    "shuffled codes": shuffled,  # each number from another digit
}
for name, z in drawn.items():
    x_drawn = np.asarray(deep[32].decode(z))
    error = errors(deep[32](x_drawn), x_drawn)
    print(f"{name:16} error of their image {error.mean():.2f},", end=" ")
    print(f"{(error > threshold).mean():.0%} called strange")

# %% [markdown] tags=["box"]
# **An error is no density.** It says how far $x$ lies from the bent sheet, roughly, and nothing about *how often* that
# place is visited. What is faint and smooth can have little error. And points *on* the sheet have little error whether
# or not they are digits: the images that the decoder draws from shuffled codes, which 4a.9 will show, all pass. A
# density must add up to 1, so what it gives to blanks it takes from digits; an error need not.

# %% [markdown]
# ## 4a.8 Neighbours
#
# Images with near codes look alike, so codes can be searched. Does that help? Take the 5 nearest training digits of a
# test digit: how often do they share its label?
#
# **Predict:** pixels have 256 numbers, codes 2 to 32. Who finds better neighbours?


# %%
def neighbours(queries, shelf):
    return np.argsort(squared_distances(queries, shelf), axis=1)[:, :5]


# %%
pair = (x_test, x_train)
spaces = {"pixels": pair}
spaces["PCA, 32"] = tuple((x - mean) @ axes[:, :32] for x in pair)
for k in (2, 12, 32):
    spaces[f"code of {k}"] = tuple(np.asarray(deep[k].encode(x)) for x in pair)
spaces["denoiser, 256"] = tuple(np.asarray(denoiser.encode(x)) for x in pair)
found = {name: neighbours(*space) for name, space in spaces.items()}

# %%
right = {
    name: (digits.train.labels[near] == digits.test.labels[:, None]).mean(
        axis=1
    )
    for name, near in found.items()
}
for name, share in right.items():
    gap, error = mean_and_error(share - right["pixels"])  # paired
    print(f"{name:14} {share.mean():.1%} share the label,", end=" ")
    print(f"against pixels {100 * gap:+5.1f} ± {100 * error:.1f} points")

# %% [markdown]
# **Answer.** Nobody finds much better neighbours than pixels. The code of 32 is within two errors of them: undecided,
# with an eighth of the numbers. But PCA with 32 numbers is at least as good, without training. Codes save space; no
# label was in the loss, and they do not know classes better than pixels do. (± covers the test digits.)

# %% alt="Six rows: three hard test digits, each with its five nearest training digits by pixels and its five nearest by code. Some neighbours are other digits of similar shape, such as a 1 for a thin 3." caption="Three test digits whose neighbours by pixels are mostly wrong (first column), with their five nearest training digits by pixels and by the code of 32."
hard = np.flatnonzero(right["pixels"] <= 0.4)[:3]
rows = {}
for n in hard:
    for name in ("pixels", "code of 32"):
        images = np.vstack([x_test[n : n + 1], x_train[found[name][n]]])
        label = digits.test.labels[n]
        rows[f"no. {n}, a {label}, by {name}"] = as_images(images)
fig = image_rows(rows, cell=0.5)

# %% [markdown]
# ## 4a.9 A random point
#
# To generate, decode a random point: for each of the 32 numbers take the value that *some* test digit has there.
#
# **Predict:** each number alone is usual. Will the images be digits?

# %% alt="Two rows of twelve images. Above, test digits rebuilt, all readable. Below, codes whose numbers come from different digits, decoded: strokes and blots, few of them readable." caption="Decoded codes of test digits, and decoded codes whose numbers come from 32 different digits."
fig = image_rows(
    {
        "codes of digits": as_images(deep[32].decode(codes_test[:12])),
        "shuffled codes": as_images(deep[32].decode(shuffled[:12])),
    },
    cell=0.5,
)

# %% [markdown]
# **Answer.** Few of the images are digits. Does the encoder at least recognise what the decoder has drawn? Go round
# once more, $z\to\hat x\to z'$, and compare $z'$ with $z$.

# %%
spread = errors(codes_test, codes_test.mean(axis=0)).mean()
for name in ("codes of digits", "shuffled codes"):
    z = drawn[name]
    again = np.asarray(deep[32].encode(deep[32].decode(z)))
    off = np.sqrt(errors(again, z).mean() / spread)
    print(f"{name:16} z' is off by {off:.0%} of the spread of the codes")

# %% [markdown] tags=["box"]
# The encoder reads shuffled codes back wrongly: it maps their images to other places, nearer to those it knows. The
# numbers of a code depend on each other, and nothing in the loss says how: there is **no density on codes**. Chapter 4
# fitted one afterwards. The variational auto-encoder has one from the start: a prior $p(z)$, an encoder that answers
# with a distribution, and a loss that is a bound on $-\ln p(x)$. Then a draw from the prior is a sample of a model, and
# an image, strange or not, has a likelihood.

# %% [markdown] tags=["quiz"]
# **A denoiser's training data are noisy, and its target carries the same noise as its input. What is learned?**
#
# - [x] To copy. :: Right: copying brings the loss to 0, and all noise stays.
# - [ ] Nothing, since noise cannot be predicted. :: This noise can: it is there in the input.
# - [ ] The same denoiser as with clean targets. :: That is so for targets with noise of their own, given enough of
#   them.

# %% [markdown] tags=["quiz"]
# **At a maximum of $p_\sigma$, where does the best denoiser send $y$?**
#
# - [ ] To the nearest training point. :: The best denoiser gives a mean over all points that may have led to $y$.
# - [x] It leaves $y$ where it is. :: Right: there the score is 0, and
#   $\mathbb E[x\mid y]=y+\sigma^2\nabla\ln p_\sigma(y)=y$.
# - [ ] As far as $\sigma$ away. :: The step is $\sigma^2$ times the score, and the score is 0.

# %% [markdown] tags=["quiz"]
# **An image has a small reconstruction error. What follows?**
#
# - [ ] It is probably a digit. :: Faint digits and images of shuffled codes have small errors, too.
# - [ ] It was among the training images. :: Test digits have small errors as well.
# - [x] It lies near what the decoder can draw, or has little ink to get wrong. :: Right: neither says how often such an
#   image occurs.

# %% [markdown] tags=["box"]
# ## Summary
#
# - Depth pays for short codes: of PCA's error the deep network took away almost half with 5 and 12 numbers. With 32, one
#   layer each way did as well.
# - Tied weights reuse the encoder's matrices, transposed. In the linear case nothing is lost, and only rotations and
#   reflections of the axes remain free. With bends the verdict depended on the recipe, so a fair comparison chooses
#   each recipe.
# - A convolution is one small layer on every patch; its transpose writes patches back. It saves most of the parameters,
#   where neighbours belong together.
# - Denoising: noise on the input, never the same noise on the target. The best linear denoiser is Wiener's filter, the
#   best of all is $y+\sigma^2\nabla\ln p_\sigma(y)$.
# - Mixed codes are hardly grey, but need not be digits. Codes find neighbours about as well as pixels or PCA do. An
#   error is no density, and a random code is no sample.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 4a.1 ★ — What a patch costs
#
# A layer of 4a.3 reads patches of 4 × 4 pixels with 8 channels and answers with 16 channels at each place. How many
# numbers does it learn, biases included? Would it be more for images with four times as many pixels?
#
# **Hint.** One linear layer serves all places. How many numbers come in, how many go out?


# %% tags=["exercise"]
def numbers_of_a_layer():
    ### BEGIN SOLUTION
    return (4 * 4 * 8) * 16 + 16  # for images of any size
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.1") as check:
    hint = "A matrix from 4 · 4 · 8 numbers to 16, and 16 biases."
    second_layer = convolutional(0).down.layers[1]
    count = size_of(second_layer)
    check.close("the second layer", numbers_of_a_layer(), count, hint=hint)

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 4a.2 ★ — From a step to a slope
#
# Points on a line carry noise with $\sigma=0.5$. The best denoiser moves $y=2$ to 1.7. What is the slope of
# $\ln p_\sigma$ at $y=2$?
#
# **Hint.** The step of the best denoiser is $\sigma^2$ times the slope.


# %% tags=["exercise"]
def slope_at_two():
    ### BEGIN SOLUTION
    return (1.7 - 2) / 0.5**2
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.2") as check:
    hint = "Divide by the variance of the noise; mind the sign."
    check.close("the slope", slope_at_two(), -1.2, hint=hint)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 4a.3 ★ — Count what is tied
#
# How many numbers does `TiedAutoencoder` learn? `sizes` lists the widths from input to code, such as
# `[256, 128, 64, 32]`. Count each matrix once, and the biases of both halves.
#
# **Hint.** `pairwise(sizes)` gives the widths on the two sides of each matrix.
#
# **Hint.** The encoder has a bias for each width but the first, the decoder for each but the last.


# %% tags=["exercise"]
def count_tied(sizes):
    ### BEGIN SOLUTION
    matrices = sum(a * b for a, b in pairwise(sizes))
    return matrices + sum(sizes[1:]) + sum(sizes[:-1])
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.3") as check:
    check.close(
        "the model of this chapter",
        count_tied([256, 128, 64, 32]),
        size_of(tied),
        hint="Two lists of biases.",
    )
    hint = "A matrix of 10 numbers, and biases for both widths."
    check.close("one layer, 5 to 2", count_tied([5, 2]), 17, hint=hint)

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 4a.4 ★★ — The price of linearity
#
# Along an eigenvector with eigenvalue $\lambda$ Wiener's filter shrinks by $r=\lambda/(\lambda+\sigma^2)$. Its expected
# squared error there is $(1-r)^2\lambda+r^2\sigma^2$: what is lost of the signal, plus what stays of the noise.
# Simplify, and return the sum over all `eigenvalues`.
#
# **Hint.** $1-r=\sigma^2/(\lambda+\sigma^2)$. Put both terms over $(\lambda+\sigma^2)^2$.
#
# **Hint.** The numerator is $\lambda\sigma^4+\lambda^2\sigma^2=\lambda\sigma^2(\sigma^2+\lambda)$.


# %% tags=["exercise"]
def wiener_error(eigenvalues, sigma):
    ### BEGIN SOLUTION
    return (eigenvalues * sigma**2 / (eigenvalues + sigma**2)).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.4") as check:
    answer = wiener_error(eigenvalues, sigma)
    one_direction = wiener_error(np.ones(1), 1.0)
    hint = "Here r = ½: a quarter of each of the two variances."
    check.close("λ = 1, σ = 1", one_direction, 0.5, hint=hint)
    measured = errors(cleaned["Wiener"]).mean()
    hint = "Sum over all directions."
    what = "the test digits, within 5 %"
    check.close(what, answer, measured, rtol=0.05, hint=hint)

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 4a.5 ★★ — Two points
#
# Let $x$ be $-1$ or $+1$, equally likely, and $y=x+\sigma\varepsilon$. Derive $\mathbb E[x\mid y]$. What happens for
# $\sigma\to0$, and for large $\sigma$?
#
# **Hint.** The posterior probabilities of $+1$ and $-1$ are proportional to $e^{-(y-1)^2/2\sigma^2}$ and
# $e^{-(y+1)^2/2\sigma^2}$.
#
# **Hint.** What both share cancels: $e^{y/\sigma^2}$ and $e^{-y/\sigma^2}$ remain, and their difference over their sum
# is a tanh.


# %% tags=["exercise"]
def mean_of_two(y, sigma):
    ### BEGIN SOLUTION
    return np.tanh(y / sigma**2)
    ### END SOLUTION


# %% tags=["check"]
def two_log_prob(y):
    return logsumexp(-0.5 * (y - jnp.array([-1.0, 1.0])) ** 2 / 0.8**2)


with exercise("4a.5") as check:
    ys = np.linspace(-2, 2, 9, dtype=np.float32)
    denoise_two = jax.jit(lambda y: denoised_mean(two_log_prob, y, 0.8))
    tweedie = denoise_two(ys[:, None])[:, 0]
    mine = mean_of_two(ys, 0.8)
    hint = "The odds of +1 against −1 are exp(2y/σ²)."
    what = "as Tweedie says"
    check.close(what, mine, tweedie, rtol=1e-3, atol=1e-5, hint=hint)
    hint = "It is an odd function of y."
    middle = mean_of_two(np.zeros(1), 0.3)
    check.close("halfway nobody knows", middle, np.zeros(1), hint=hint)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 4a.6 ★★ — A transposed layer by hand
#
# In one dimension: `p` has shape `(n, 4)`, and row $i$ is a patch that was cut at places $2i-1,\dots,2i+2$ of a signal
# of length $2n$. Write all patches back and add where they overlap. What falls outside of the signal is dropped.
#
# **Hint.** Begin with a signal that is one place longer at either end, and cut those places off at last.
#
# **Hint.** In the longer signal patch $i$ covers the places $2i,\dots,2i+3$.


# %% tags=["exercise"]
def overlap_add_line(p):
    ### BEGIN SOLUTION
    signal = np.zeros(2 * len(p) + 2)  # one place more at either end
    for i, patch in enumerate(p):
        signal[2 * i : 2 * i + 4] += patch
    return signal[1:-1]
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.6") as check:
    flat_patches = overlap_add_line(np.ones((3, 4)))
    hint = "Patches are 2 apart."
    check.close("ones, 3 patches", flat_patches, [1, 2, 2, 2, 2, 1], hint=hint)
    normal = np.random.default_rng(6).normal
    line, some = normal(size=10), normal(size=(5, 4))
    cut = np.stack([np.pad(line, 1)[2 * i : 2 * i + 4] for i in range(5)])
    written = overlap_add_line(some)
    inner = None if written is None else np.sum(written * line)
    hint = "Each patch goes back to the place where it was cut."
    check.close("q · Cx = Cᵀq · x", inner, (some * cut).sum(), hint=hint)

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 4a.7 ★★ — A noisy target
#
# The target carries noise of its own, $x+\tau\varepsilon'$, independent of everything else, in $d$ dimensions. A
# denoiser has the expected loss `clean_loss` against clean targets. Derive its expected loss against the noisy ones.
# (So why is the best denoiser the same?)
#
# **Hint.** Write the error as $(f(y)-x)-\tau\varepsilon'$ and square it.
#
# **Hint.** The cross term has the mean 0, since $\varepsilon'$ is independent of $f(y)-x$.


# %% tags=["exercise"]
def loss_with_noisy_target(clean_loss, tau, d):
    ### BEGIN SOLUTION
    # plus a constant, which cannot change which denoiser is best
    return clean_loss + d * tau**2
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.7") as check:
    own = np.random.default_rng(7).normal(size=x_test.shape)
    noisy_target = x_test + 0.3 * own
    for name in ("Wiener", "denoiser"):
        clean_loss = errors(cleaned[name]).mean()
        expected = loss_with_noisy_target(clean_loss, 0.3, 256)
        against = errors(cleaned[name], noisy_target).mean()
        hint = "The cross term is 0."
        check.close(name, expected, against, rtol=0.02, hint=hint)

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 4a.8 ★★ — The denoiser that leaves the noise
#
# A colleague's loss falls almost to 0, yet the trained network returns its input, noise and all. Find the fault and
# write the loss right.
#
# ```python
# def colleagues_loss(model, batch, key):
#     batch = batch + 0.5 * jax.random.normal(key, batch.shape)
#     return ((model(batch) - batch) ** 2).sum(-1).mean()
# ```
#
# **Hint.** Which loss does the colleague's function give a network that copies?
#
# **Hint.** One name stands for two things: the noisy input and the target.


# %% tags=["exercise"]
def mended_loss(model, batch, key):
    ### BEGIN SOLUTION
    noisy = batch + 0.5 * jax.random.normal(key, batch.shape)
    return ((model(noisy) - batch) ** 2).sum(-1).mean()
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.8") as check:
    copying = mended_loss(lambda y: y, x_test, jax.random.key(8))
    hint = "The target must be clean."
    what = "copying costs the noise, 64"
    check.close(what, copying, 64.0, rtol=0.02, hint=hint)
    paper = mended_loss(lambda y: 0 * y, x_test, jax.random.key(8))
    blank_error = (x_test**2).sum(axis=1).mean()
    what = "white paper costs the ink alone"
    check.close(what, paper, blank_error, rtol=1e-4)

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 4a.9 ★★ — One denoiser for much and for little noise
#
# The denoiser of 4a.4 has seen one $\sigma$ only. Train a network of the same size whose $\sigma$ is drawn anew for
# each image, and return it. The target on test digits: less error than Wiener's filter for that noise at $\sigma=0.2$,
# at 0.5 and at 0.8, where one network must serve all three.
#
# **Hint.** In the loss of 4a.4 draw one $\sigma$ for each row of `batch`: `jax.random.uniform` with the shape
# `(len(batch), 1)`, and a second key for the noise.
#
# **Hint.** Squared errors of strong noise weigh most, so let small $\sigma$ occur often enough: draw it between 0.05
# and 0.85, say, and train somewhat longer than in 4a.4.


# %% tags=["exercise"]
def one_for_all():
    ### BEGIN SOLUTION
    def loss(model, batch, key):
        noise_key, sigma_key = jax.random.split(key)
        shape = (len(batch), 1)
        sigmas = jax.random.uniform(sigma_key, shape, minval=0.05, maxval=0.85)
        noisy = batch + sigmas * jax.random.normal(noise_key, batch.shape)
        return ((model(noisy) - batch) ** 2).sum(-1).mean()

    net = DenoisingAutoencoder(256, [256], 256, rngs=nnx.Rngs(0))
    train(net, loss, epochs=40, rate=2e-3)
    return net
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.9") as check:
    one_net = one_for_all()
    hint = "Does the training show noise of this size often enough?"
    for size in (0.2, 0.5, 0.8):
        given = x_test + size * noise.astype(np.float32)
        shrink = eigenvalues / (eigenvalues + size**2)
        filtered = mean + ((given - mean) @ axes * shrink) @ axes.T
        less = ...
        if one_net is not None:
            less = errors(one_net(given)).mean() < errors(filtered).mean()
        check.true(f"σ = {size}: less than Wiener's", less, hint=hint)

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 4a.10 ★★★ — How sure is the denoiser?
#
# In one dimension, Tweedie's formula gives the mean of $x$ given $y$. The second derivative of $\ln p_\sigma$ gives its
# variance. Derive $\operatorname{Var}[x\mid y]$ from $\sigma$ and `curvature`, the value of $(\ln p_\sigma)''(y)$.
#
# **Hint.** Differentiate $\mathbb E[x\mid y]=\int x\,p(x)\,\mathcal N(y;x,\sigma^2)\,dx\,/\,p_\sigma(y)$ by $y$: you
# find $\operatorname{Var}[x\mid y]/\sigma^2$.
#
# **Hint.** Differentiate the other side as well: $1+\sigma^2(\ln p_\sigma)''(y)$.


# %% tags=["exercise"]
def posterior_variance(curvature, sigma):
    ### BEGIN SOLUTION
    return sigma**2 * (1 + sigma**2 * curvature)
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.10") as check:
    second = jax.vmap(jax.grad(jax.grad(two_log_prob)))
    places = jnp.linspace(-2, 2, 9)
    variances = posterior_variance(second(places), 0.8)
    by_hand = 1 - jnp.tanh(places / 0.8**2) ** 2  # E[x²] - E[x]², x = ±1
    what = "two points, as in 4a.5"
    hint = "Two expressions for the slope of E[x | y], set equal."
    check.close(what, variances, by_hand, rtol=1e-3, atol=1e-4, hint=hint)
    normal_prior = posterior_variance(-1 / (3.0 + 1.0), 1.0)
    what = "x normal, variance 3, σ = 1"
    check.close(what, normal_prior, 0.75, hint=hint)

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 4a.11 ★★★ — Why does a denoiser not learn its examples by heart?
#
# Suppose that the 4,000 training digits were all digits there are, each equally likely. Then $\mathbb E[x\mid y]$ is
# known: the mean of the training digits, each weighted by $e^{-\lVert y-x\rVert^2/2\sigma^2}$. No denoiser does better
# on training digits with noise. Return its answers for the rows of `y`, and compare it with the trained one on `noisy`.
#
# **Hint.** `squared_distances(y, x_train)` and `jax.nn.softmax` along the training digits.


# %% tags=["exercise"]
def by_heart(y, sigma):
    ### BEGIN SOLUTION
    # Over all functions this has the least loss on the training digits. On
    # test digits the network has less: not to reach that least loss helps
    # it. Kadkhodaie et al. (2024, arXiv:2310.02557) trained two networks
    # on different images; once the images were many, both became nearly
    # the same denoiser. They describe what such networks prefer. Why
    # training prefers it, and how many images are enough, is open.
    weights = jax.nn.softmax(-squared_distances(y, x_train) / (2 * sigma**2))
    return weights @ x_train
    ### END SOLUTION


# %% tags=["check"]
with exercise("4a.11") as check:
    answer = by_heart(noisy[:3], sigma)
    expected = []
    for one in noisy[:3].astype(float):
        log_w = -((one - x_train) ** 2).sum(axis=1) / (2 * sigma**2)
        w = np.exp(log_w - log_w.max())
        expected.append(w @ x_train / w.sum())
    hint = "A softmax along the training digits, axis 1, of −d²/2σ²."
    check.close("three digits", answer, expected, atol=1e-3, hint=hint)
    if answer is not None:
        more = errors(by_heart(noisy, sigma)) - errors(cleaned["denoiser"])
        told = "by heart - network {:+.2f} ± {:.2f} on test digits"
        print(told.format(*mean_and_error(more)))

# %% [markdown] tags=["frame"]
# ## Sources
#
# - P. Lippe, *UvA Deep Learning Tutorials*, Tutorial 9, "Deep Autoencoders", 2022: the questions of 4a.1, 4a.3 and
#   4a.6–4a.8, asked there of small colour images.
# - G. Hinton, R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", *Science* 313:504–507,
#   2006.
# - P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol, "Extracting and composing robust features with denoising
#   autoencoders", ICML 2008; with I. Lajoie, "Stacked denoising autoencoders", *JMLR* 11:3371–3408, 2010 (tied weights
#   there, too).
# - P. Vincent, "A connection between score matching and denoising autoencoders", *Neural Computation* 23:1661–1674,
#   2011.
# - H. Robbins, "An empirical Bayes approach to statistics", *Proc. Third Berkeley Symposium*, 1956 (where Tweedie's
#   formula appears); K. Miyasawa, "An empirical Bayes estimator of the mean of a normal population", *Bull. Inst.
#   Internat. Statist.* 38, 1961.
# - N. Wiener, *Extrapolation, Interpolation, and Smoothing of Stationary Time Series*, 1949.
# - J. Lehtinen and others, "Noise2Noise", ICML 2018, arXiv:1803.04189.
# - V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.
# - S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units", *Neural Networks* 107:3–11, 2018, arXiv:1702.03118:
#   the SiLU.
# - L. Ma, "Generative Models", *Datumorphism*, 2021: its page on auto-encoders names the tutorial above.
#
# ## Next
#
# Chapter 5 is the **variational auto-encoder**: the encoder answers with a distribution, codes get a density, and
# decoding a random code becomes a model of the data.
