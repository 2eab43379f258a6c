# %% [markdown] tags=["frame"]
# # 5c · Fewer labels
#
# Labels cost work; images are cheap. The pages that this course follows open with a claim: generative models are
# **self-supervised**, so they can use data without labels. Chapter 1 tested it on mixtures. Here the models of chapters
# 4 and 5 are put to the test.
#
# **After this chapter you can**
# - set up a fair comparison: the same labelled images, several seeds, choices made on validation images alone;
# - classify by features that an auto-encoder or a VAE has learned without labels (M1), and say when that buys nothing;
# - derive the bounds of a VAE with a class inside it (M2), for images with a label and without;
# - change an image's class and keep its style;
# - name three ways in which unlabelled images do harm.
#
# **You need** chapters 4 and 5 (auto-encoder, ELBO, reparametrization). Logarithms are natural: bounds are in nats.
# **Time:** about an hour and a half; the code itself runs in about a minute on two cores.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx

from course_lib import data, notebook
from course_lib.autoencoders import DeepAutoencoder, squared_error_loss
from course_lib.distributions import Gaussian
from course_lib.exercises import exercise
from course_lib.figures.images import image_rows
from course_lib.figures.introduction import accuracy_against_labels
from course_lib.figures.style import BLUE, GREEN, GREY, INK, ORANGE, RED
from course_lib.networks import linear
from course_lib.probability import mean_and_error
from course_lib.training import cosine_adam
from course_lib.vae import M2, Vae, m2_loss, negative_elbo

notebook.start()

# %% [markdown]
# ## 5c.1 A fair test
#
# The digits of 8 × 8 grey pixels: 1,297 to train, 200 to validate, 300 to test. Of the training images, only 1, 3, 10,
# 30 or 100 of each class keep their label.

# %% tags=["nbval-check-output"]
digits = data.digits_8x8()
parts = digits.train, digits.valid, digits.test
images = np.concatenate([data.flatten(part.images) for part in parts])  # in this order throughout
labels = np.concatenate([part.labels for part in parts])
train, held_out = slice(0, len(digits.train.labels)), slice(len(digits.train.labels), None)
num_valid = len(digits.valid.labels)
print(images[train].shape, images[held_out].shape)

# %% [markdown]
# A **seed** decides which images have a label, and all random numbers of a method. Every method gets the same five
# seeds. Small sets are contained in large ones.

# %%
SIZES, SEEDS = [1, 3, 10, 30, 100], range(5)


def with_label(seed, size):
    """Numbers of the `size` labelled training images of each class, shuffled; repeated until there are 1,000."""
    rng = np.random.default_rng(seed)
    of_class = [rng.permutation(np.flatnonzero(labels[train] == c))[:size] for c in range(10)]
    return np.resize(rng.permutation(np.concatenate(of_class)), 1000)


labelled = np.array([[with_label(seed, size) for seed in SEEDS] for size in SIZES])  # (sizes, seeds, 1000)

# %% alt="Three rows of ten digits of 8 by 8 pixels, one row for each of three seeds: the only labelled image of each class. They differ in shape, and some are hard to read."
rows = {f"seed {s}": images[sorted(set(labelled[0, s]), key=lambda i: labels[i])].reshape(-1, 8, 8) for s in range(3)}
fig = image_rows(rows)

# %% [markdown] tags=["box"]
# **The rules.**
#
# - A method reports, for each number of labels and each seed, which of the 500 held-out images it got right.
# - What the cells choose, they choose by accuracy on the 200 *validation* images, averaged over the seeds: penalties,
#   neighbours, and $\alpha$ of M2. Widths, latents, rates and M2's $\sigma$ were set by hand beforehand, with the test
#   images in view. That flatters M2 a little, which has the most of them.
# - Bars in figures are one standard error over the five seeds. The test images are the same for all: that is a second
#   source of error, which section 5c.5 takes up.
#
# One rule favours every method alike: 200 validation labels are more than most of these learners have. Who really owns ten
# labels cannot choose so well (Oliver et al., 2018).


# %%
def choose(right):
    """The best setting for each number of labels, by validation; `right` is (settings, sizes, seeds, images)."""
    best = right[..., :num_valid].mean(axis=(2, 3)).argmax(axis=0)
    return best, right[best, np.arange(len(best)), :, num_valid:]  # test images only


def show(name, right):
    accuracy = right.mean(axis=2)
    cells = [f"{mean:5.1%} ± {error:.1%}" for mean, error in map(mean_and_error, accuracy)]
    print(f"{name:22}", "  ".join(cells))


header = f"{'labels a class':22} " + "".join(f"{size:<15}" for size in SIZES)
results = {}  # method → which test images were right: (sizes, seeds, 300)

# %% [markdown]
# ## 5c.2 Labels alone
#
# **Nearest neighbours** learn nothing: an image gets the class that is most common among the $k$ labelled images
# nearest to it, by squared distance of the pixels.


# %%
def neighbours_right(points, k):
    """Which held-out images the k nearest labelled points get right; a tie goes to the nearest."""
    distance = ((points[held_out, None] - points[None, train]) ** 2).sum(axis=2)
    right = []
    for chosen in labelled.reshape(-1, 1000):
        index = np.unique(chosen)
        nearest = labels[index[distance[:, index].argsort(axis=1)[:, :k]]]
        votes = (nearest[:, :, None] == np.arange(10)) * (1 - 1e-3 * np.arange(nearest.shape[1]))[:, None]
        right.append(votes.sum(axis=1).argmax(axis=1) == labels[held_out])
    return np.array(right).reshape(*labelled.shape[:2], -1)


best_k, results["nearest neighbours"] = choose(np.array([neighbours_right(images, k) for k in (1, 3, 5)]))
print("k:", np.array([1, 3, 5])[best_k])
print(header)
show("nearest neighbours", results["nearest neighbours"])

# %% [markdown]
# Everything else here is trained by Adam. One function does it; `vmap` runs all seeds and all numbers of labels in one
# compiled program.


# %%
def descend(loss, params, steps, rate):
    """`steps` steps of Adam on `loss(params, step number)`; the rate falls to 0 along half a cosine."""
    adam = cosine_adam(rate, steps)

    def step(carry, i):
        params, state = carry
        updates, state = adam.update(jax.grad(loss)(params, i), state)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, adam.init(params)), jnp.arange(steps))[0][0]


# %% [markdown]
# **Logistic regression** on features $f(x)$; at first $f(x)=x$. With $n$ labelled images it minimises
#
# $$-\frac1n\sum_{i=1}^{n}\ln p(y_i\mid x_i)+\frac\lambda2\lVert W\rVert^2,\qquad p(y\mid x)=\operatorname{softmax}(Wf(x)+b)_y .$$
#
# The weight $\lambda$ is chosen on the validation images.

# %%
one_hot, penalties = np.eye(10, dtype=np.float32)[labels], np.array([1e-4, 1e-3, 1e-2, 1e-1, 1], np.float32)
is_labelled = np.zeros((*labelled.shape[:2], len(images[train])), np.float32)
np.put_along_axis(is_labelled, labelled, 1, axis=2)


def logistic_regression(features, mask, penalty):
    def loss(p, i):
        log_p = jax.nn.log_softmax(features[train] @ p["w"] + p["b"])
        return 0.5 * penalty * (p["w"] ** 2).sum() - (mask[:, None] * one_hot[train] * log_p).sum() / mask.sum()

    p = descend(loss, {"w": jnp.zeros((64, 10)), "b": jnp.zeros(10)}, 120, 0.1)
    return (features[held_out] @ p["w"] + p["b"]).argmax(axis=1)


over_sizes = jax.vmap(jax.vmap(logistic_regression, (0, 0, None)), (None, 0, None))  # features differ by seed
all_regressions = jax.jit(jax.vmap(over_sizes, (None, None, 0)))


def regression_right(features):
    """Features (seeds, images, up to 64) → which held-out images are right, for each penalty, size and seed."""
    scaled = (features - features[:, train].mean(axis=1, keepdims=True)) / features[:, train].std()
    scaled = np.pad(scaled, ((0, 0), (0, 0), (0, 64 - features.shape[2]))).astype(np.float32)
    return np.asarray(all_regressions(scaled, is_labelled, penalties)) == labels[held_out]


# %%
def same_for_all_seeds(features):
    return np.broadcast_to(features, (len(SEEDS), *features.shape))


_, results["pixels"] = choose(regression_right(same_for_all_seeds(images)))
show("pixels, logistic", results["pixels"])

# %% [markdown]
# **A small network** with one hidden layer of 64 units. Its penalty $\lambda$ is on the squares of all weights.
#
# **Predict.** With one label a class, will the network be better or worse than logistic regression?


# %%
def over_seeds(make):
    """One model for each seed: the structure that they share, and their parameters stacked on a new first axis."""
    models = [nnx.split(make(nnx.Rngs(seed))) for seed in SEEDS]
    return models[0][0], jax.tree.map(lambda *p: np.stack(p), *[nnx.as_pure(params) for _, params in models])


def small_network(rngs):
    return nnx.Sequential(linear(64, 64, rngs), jax.nn.relu, linear(64, 10, rngs))


network, network_start = over_seeds(small_network)


# %%
def train_network(params, chosen, seed, penalty):
    def loss(params, i):
        batch = chosen[jax.random.randint(jax.random.fold_in(jax.random.key(seed), i), (32,), 0, 1000)]
        log_p = jax.nn.log_softmax(nnx.merge(network, params)(jnp.asarray(images)[batch]))
        weights = sum((p**2).sum() for p in jax.tree.leaves(params))
        return 0.5 * penalty * weights - (jnp.asarray(one_hot)[batch] * log_p).sum() / 32

    return nnx.merge(network, descend(loss, params, 300, 1e-2))(images[held_out]).argmax(axis=1)


over_sizes = jax.vmap(jax.vmap(train_network, (0, 0, 0, None)), (None, 0, None, None))
all_networks = jax.jit(jax.vmap(over_sizes, (None, None, None, 0)))
answers = all_networks(network_start, labelled, np.array(SEEDS), penalties[:3])
_, results["network"] = choose(np.asarray(answers) == labels[held_out])
show("network", results["network"])

# %% [markdown]
# About the same. This network will also be the classifier inside M2, so that what M2 adds can be seen.
#
# ## 5c.3 Features learned without labels

# %% [markdown] tags=["derivation"]
# The simplest use of unlabelled images (**M1** of Kingma et al., 2014) goes in two steps:
#
# 1. Train a VAE on *all* training images, without any label: maximise $\sum_i\mathcal L(x_i)$.
# 2. Describe each image by the mean of its posterior, $f(x)=\mu(x)$, where $q(z\mid x)=\mathcal N(\mu(x),\operatorname{diag}\sigma(x)^2)$,
#    and fit logistic regression on $f(x)$ to the few labelled images.
#
# The hope: what is worth encoding is worth knowing for the class, too. The same can be done with the code of an
# auto-encoder, or with the leading principal components (PCA). All three get 16 numbers an image.


# %%
@partial(jax.jit, static_argnames=("graph", "loss"))
def codes_without_labels(graph, loss, params):
    """Train one model for each seed on all training images; the codes of all images."""

    def one(params, seed):
        def batch_loss(params, i):
            pick, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed), i))
            batch = jnp.asarray(images[train])[jax.random.randint(pick, (64,), 0, len(images[train]))]
            return loss(nnx.merge(graph, params), batch, noise)

        return nnx.merge(graph, descend(batch_loss, params, 800, 3e-3)).encode(images)

    return jax.vmap(one)(params, np.array(SEEDS))


# %%
def vae_of_size(num_latents):
    return over_seeds(lambda rngs: Vae(64, [128], num_latents, likelihood=Gaussian(0.2), rngs=rngs))


vae, vae_start = vae_of_size(16)
auto, auto_start = over_seeds(lambda rngs: DeepAutoencoder(64, [128], 16, rngs=rngs))
centred = images - images[train].mean(axis=0)
directions = np.linalg.svd(centred[train], full_matrices=False)[2]
features = {
    "PCA": same_for_all_seeds(centred @ directions[:16].T),
    "auto-encoder": np.asarray(codes_without_labels(auto, squared_error_loss, auto_start)),
    "VAE": np.asarray(codes_without_labels(vae, negative_elbo, vae_start)[0]),
}

# %% [markdown]
# **Predict.** Whose features will gain most over the bare pixels, and at how many labels?

# %%
print(header)
show("pixels", results["pixels"])
for name, code in features.items():
    _, results[name] = choose(regression_right(code))
    show(name, results[name])

# %% alt="Accuracy gained over logistic regression on pixels against labels a class, for PCA, auto-encoder and VAE features. All three stay close to zero: with bars that touch it up to 10 labels, except for the auto-encoder, which loses at 1 label, and about one point below it with 30."
fig, ax = plt.subplots(figsize=(7, 3.2))
ax.axhline(0, color=GREY, lw=1)
colours = {"PCA": INK, "auto-encoder": ORANGE, "VAE": BLUE}
gains = {name: ((results[name].mean(2) - results["pixels"].mean(2)), c, "-") for name, c in colours.items()}
accuracy_against_labels(ax, SIZES, gains)
_ = ax.set(xlabel="labels a class", ylabel="accuracy gained over pixels", ylim=(-0.1, 0.1))

# %% [markdown]
# None gains; with 30 labels all three lose a little. The codes keep what *rebuilds* an image. A linear rule finds no more
# of the class in them than in the pixels.
#
# ## 5c.4 A class inside the model: M2
#
# M1 never tells the generative model that there are classes. **M2** does.

# %% [markdown] tags=["derivation"]
# A class $y$, one of $K$, and a style $z$ together make the image:
#
# $$p(x,y,z)=p(x\mid y,z)\,p(y)\,p(z),\qquad p(y)=\tfrac1K,\qquad p(z)=\mathcal N(0,I).$$
#
# The decoder $p(x\mid y,z)$ is a network that is given $z$ and, beside it, the class as a vector of $K$ numbers (1 at
# place $y$, else 0). Here it gives the mean of a Gaussian with standard deviation $\sigma$ in every pixel. The
# posterior is approximated by two networks, a classifier and an encoder:
#
# $$q(y,z\mid x)=q(y\mid x)\,q(z\mid x,y).$$
#
# **An image with a label.** $y$ is observed, like $x$; only $z$ is hidden. Chapter 5's bound, with $(x,y)$ in the place
# of $x$:
#
# $$\mathcal L(x,y)=\mathbb E_{q(z\mid x,y)}\bigl[\ln p(x\mid y,z)\bigr]+\ln p(y)-\mathrm{KL}\bigl(q(z\mid x,y)\,\|\,p(z)\bigr)\;\le\;\ln p(x,y).$$
#
# **An image without.** $y$ is hidden, too. The expectation over $q(y\mid x)$ is a sum of $K$ terms, and needs no sample:
#
# $$\mathcal U(x)=\sum_{y=1}^{K}q(y\mid x)\bigl[\mathcal L(x,y)-\ln q(y\mid x)\bigr]
# =\sum_y q(y\mid x)\,\mathcal L(x,y)+\mathbb H\bigl[q(y\mid x)\bigr]\;\le\;\ln p(x).$$
#
# $\mathbb H$ is the entropy. The gap is $\mathrm{KL}(q(y\mid x)\,\|\,p(y\mid x))$ plus the mean gap of $\mathcal L$. So
# $\mathcal U$ teaches the classifier: it rises when $q(y\mid x)$ comes nearer to the posterior of the *generative* model.

# %% [markdown]
# By hand, against the library. (Each class gets the same noise, so the two must agree.)

# %%
m2 = M2(64, [64], 3, 10, likelihood=Gaussian(0.3), rngs=nnx.Rngs(0))


@jax.jit
def by_enumeration(x, key):
    log_q = jax.nn.log_softmax(m2.class_logits(x))
    bounds = jnp.stack([m2.labelled_bound(key, x, jnp.full(len(x), y)) for y in range(10)], axis=1)
    entropy = -(jnp.exp(log_q) * log_q).sum(axis=1)
    return (jnp.exp(log_q) * bounds).sum(axis=1) + entropy, m2.unlabelled_bound(key, x)


ours, librarys = by_enumeration(images[:5], jax.random.key(0))
print("enumerated:", np.asarray(ours).round(2))
print("library:   ", np.asarray(librarys).round(2))

# %% [markdown]
# ## 5c.5 Three terms

# %% [markdown] tags=["derivation"]
# One thing is missing. In $\mathcal L(x,y)$ the label is given, so $q(y\mid x)$ does not occur: the labels would train
# everything *but* the classifier. Therefore a third term is added, with a weight $\alpha$. Let $\rho$ be the share of the
# unlabelled images among all. The loss, in nats an image:
#
# $$-(1-\rho)\,\operatorname*{mean}_{\text{labelled}}\mathcal L(x,y)\;-\;\rho\,\operatorname*{mean}_{\text{unlabelled}}\mathcal U(x)\;-\;\alpha\operatorname*{mean}_{\text{labelled}}\ln q(y\mid x).$$
#
# With $\rho$ as said, every image has the same weight in the bounds. Only ratios matter: an $\alpha$ ten times smaller is
# an unlabelled term ten times stronger (and the labelled bound with it).
#
# All 1,297 training images serve as unlabelled ones, those with a label included.


# %%
@jax.jit
@jax.vmap
def train_m2(params, chosen, seed, alpha, pool):
    """Train M2 on the labelled images `chosen` and the unlabelled ones `pool`; its parameters, and its answers."""
    share = 1297 / (1297 + (jnp.bincount(chosen, length=1297) > 0).sum())

    def loss(params, i):
        pick, other, noise = jax.random.split(jax.random.fold_in(jax.random.key(seed), i), 3)
        mine = chosen[jax.random.randint(pick, (16,), 0, 1000)]
        batch = jnp.asarray(images)[mine], jnp.asarray(labels)[mine], pool[jax.random.randint(other, (32,), 0, 1297)]
        return m2_loss(nnx.merge(structure, params), batch, noise, alpha, share)

    params = descend(loss, params, 700, 1e-2)
    return params, nnx.merge(structure, params).class_logits(images[held_out]).argmax(axis=1)


structure, start = over_seeds(lambda rngs: M2(64, [64], 3, 10, likelihood=Gaussian(0.3), rngs=rngs))


# %% [markdown]
# A call trains 25 models at once. First $\alpha$: five values, five seeds, 3 labels a class.
#
# **Predict.** What does the classifier answer at $\alpha=0$? And as $\alpha$ grows without bound, which method does M2
# become?


# %%
def all_m2(chosen, alpha, pool=images[train]):
    """`chosen` is (rows, seeds, 1000), `alpha` (rows); returns parameters, and what is right: (rows, seeds, 500)."""
    rows = len(chosen)
    seeds, alphas = np.tile(np.array(SEEDS), rows), np.repeat(np.float32(alpha), len(SEEDS))
    params = jax.tree.map(lambda p: p[seeds], start)
    pools = np.broadcast_to(pool, (len(seeds), *pool.shape))
    params, answers = train_m2(params, chosen.reshape(-1, 1000), seeds, alphas, pools)
    answers = np.asarray(answers).reshape(rows, len(SEEDS), -1)
    return params, answers


ALPHAS = [0, 0.1, 1, 10, 100]
_, tried = all_m2(np.stack([labelled[1]] * 5), ALPHAS)
on_validation = (tried == labels[held_out])[..., :num_valid].mean(axis=2)  # (alphas, seeds)
alpha = ALPHAS[on_validation.mean(axis=1).argmax()]
print("chosen:", alpha)

# %% alt="Validation accuracy against alpha from 0 to 100 with 3 labels a class. At 0 it is far below the dashed line of the network alone; it rises steeply, reaches the line at 1, is highest at 10, above the line, and a little lower at 100."
network_alone = np.asarray(answers)[:, 1, :, :num_valid] == labels[held_out][:num_valid]
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.errorbar(range(5), *mean_and_error(on_validation, axis=1), color=GREEN, marker="o", capsize=3, label="M2")
ax.axhline(network_alone.mean(axis=(1, 2)).max(), color=GREY, ls="--", label="network alone")
ax.set_xticks(range(5), [f"{a:g}" for a in ALPHAS])
ax.set(xlabel="α (left: the unlabelled term is strong)", ylabel="validation accuracy", ylim=(0, 1))
legend = ax.legend(loc="lower right")

# %% [markdown]
# ### What goes wrong: the classifier term is forgotten, or too weak
#
# At $\alpha=0$ the classifier hears of the labels only through the decoder. Has it learned nothing? With hindsight, we
# give each of its ten answers the name that fits most of the held-out images:

# %%
for a, answer in zip(ALPHAS, tried, strict=True):
    counts = np.zeros((len(SEEDS), 10, 10))
    for seed, given in enumerate(answer):
        np.add.at(counts[seed], (given, labels[held_out]), 1)
    print(f"α = {a:<4g} as it is {np.trace(counts, axis1=1, axis2=2).sum() / counts.sum():4.0%}", end="   ")
    print(f"renamed {counts.max(axis=2).sum() / counts.sum():4.0%}")

# %% [markdown]
# It has found groups of similar images, but not the classes: some groups hold several, and the few labels had no power to
# name them. A large $\alpha$ drowns the unlabelled images instead.
#
# **Predict.** Now all sizes. Where will M2 lead, and where will nothing be left to gain?

# %% again="its table has the row of a later model, too"
m2_params, m2_answers = all_m2(labelled, [alpha] * 5)
results["M2"] = (m2_answers == labels[held_out])[..., num_valid:]
print(header)
for name, right in results.items():
    show(name, right)

# %% alt="Test accuracy against labels a class from 1 to 100 for five methods. With 1 and 3 labels M2 lies clearly above all others, which lie together. With 10 nearest neighbours are close to it; with 30 and 100 they lead, and logistic regression is lowest."
fig, ax = plt.subplots(figsize=(7, 4))
styles = {
    "M2": (GREEN, "-"), "network": (GREY, "--"), "nearest neighbours": (RED, "-."),
    "VAE": (BLUE, "-"), "pixels": (INK, ":"),
}  # fmt: skip
names = {"VAE": "VAE features + logistic regression", "pixels": "pixels + logistic regression"}
curves = {names.get(name, name): (results[name].mean(axis=2), *style) for name, style in styles.items()}
accuracy_against_labels(ax, SIZES, curves)
_ = ax.set(xlabel="labels a class")

# %% [markdown]
# How sure is it? Seeds and test images both are samples. For the difference of two methods we give both errors: over the
# five seeds, and over the 300 images (each averaged over the seeds first).


# %%
def difference(a, b):
    d = results[a].astype(float) - results[b]  # (sizes, seeds, images)
    errors = [d.mean(axis=axis).std(axis=1, ddof=1) / d.shape[other] ** 0.5 for axis, other in ((2, 1), (1, 2))]
    return 100 * d.mean(axis=(1, 2)), *(100 * e for e in errors)


def show_difference(a, b):
    print(f"{a} minus {b}, in points:")
    for size, mean, seeds, test in zip(SIZES, *difference(a, b), strict=True):
        print(f"  labels a class: {size:<5}{mean:+6.1f}   ± {seeds:.1f} (seeds)   ± {test:.1f} (images)")


show_difference("M2", "network")
show_difference("M2", "nearest neighbours")

# %% [markdown]
# The claim holds here under conditions: few labels, and a model in which the class has a place. With 3 labels M2
# leads; with 1 it is ahead in the mean, by little more than two errors of five seeds, which decides nothing. With 10 it is level with nearest neighbours. With more these lead, and they have learned nothing at all. VAE
# features alone did not do it:

# %%
show_difference("VAE", "pixels")

# %% [markdown]
# ## 5c.6 Style and content
#
# M2 has $z$ for what the class does not say. We encode a test digit with the class that the classifier gives it, keep $z$,
# and decode with each of the ten classes. Shown are the digits for which one of the three numbers of $z$ is extreme.
#
# **Predict.** What will a row have in common?

# %%
one_of_them = jax.tree.map(lambda p: p[2 * len(SEEDS)], m2_params)  # seed 0 with 10 labels a class
model = nnx.merge(structure, one_of_them)
test_images = images[held_out][num_valid:]


@jax.jit
def style_and_classes(x):
    """z of each image, and its decoding in every class: (images, 3) and (images, 10, 64)."""
    z = model.encode(x, model.class_logits(x).argmax(axis=-1))[0]
    every = jnp.broadcast_to(jnp.arange(10), (len(x), 10))
    return z, model.decode_mean(jnp.repeat(z[:, None], 10, axis=1), every)


z, drawn = map(np.asarray, style_and_classes(test_images))

# %% tags=["cover"] alt="Six rows. Each begins with a test digit; after a gap, ten decoded digits from 0 to 9 follow, in a style of that row: slanted to the left or to the right, thin or thick, wide or narrow. Most can be read; some are grey and blurred."
extremes = {
    f"$z_{i + 1}$ {name}": pick(z[:, i])
    for i in range(3)
    for name, pick in (("least", np.argmin), ("largest", np.argmax))
}
gap = np.zeros((1, 64))
rows = {
    name: np.concatenate([test_images[[n]], gap, drawn[n].clip(0, 1)]).reshape(-1, 8, 8) for name, n in extremes.items()
}
fig = image_rows(rows, 0.55)
_ = fig.suptitle("a test digit, then the same $z$ in the classes 0 to 9")

# %% [markdown]
# If the class has its own place, $z$ need not hold it. A **linear probe** asks: how well does logistic regression, with
# many labels, read the class from $z$? We compare with a VAE whose $z$ has three numbers as well.
#
# **Predict.** In which $z$ can the class be read better?


# %%
@jax.jit
@jax.vmap
def m2_codes(params):
    model = nnx.merge(structure, params)
    return model.encode(images, model.class_logits(images).argmax(axis=-1))[0]


small_vae, small_start = vae_of_size(3)
probed = {
    "z of M2, 10 labels": m2_codes(jax.tree.map(lambda p: p[10:15], m2_params)),
    "z of M2, 100 labels": m2_codes(jax.tree.map(lambda p: p[20:25], m2_params)),
    "z of a VAE": codes_without_labels(small_vae, negative_elbo, small_start)[0],
}
for name, code in probed.items():
    right = choose(regression_right(np.asarray(code)))[1][-1].mean(axis=1)
    mean, error = mean_and_error(right)
    print(f"{name:20} {mean:.0%} ± {error:.0%} right by a linear probe")

# %% [markdown]
# The VAE's $z$ must hold much of the class: there is no other place. M2's holds hardly any; guessing gives one in ten.
# The KL makes it costly to say the class twice.
#
# ## 5c.7 What goes wrong: unlabelled images of another kind
#
# Unlabelled images are often collected without looking. Let all of them be digits turned by 90 degrees.
#
# **Predict.** Will M2 ignore them?

# %% alt="Change of test accuracy against the network alone, for 1 to 100 labels a class. With unlabelled images of the same kind it starts at about 7 points and falls to zero. With turned images it starts far below zero and rises to zero at 10 labels."
turned = np.rot90(images[train].reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
_, misled = all_m2(labelled, [alpha] * 5, turned)
results["M2, turned"] = (misled == labels[held_out])[..., num_valid:]
fig, ax = plt.subplots(figsize=(7, 3.2))
ax.axhline(0, color=GREY, lw=1)
kinds = {"unlabelled images of the same kind": ("M2", GREEN, "-"), "turned by 90 degrees": ("M2, turned", RED, "--")}
changes = {k: (results[m].mean(2) - results["network"].mean(2), c, ls) for k, (m, c, ls) in kinds.items()}
accuracy_against_labels(ax, SIZES, changes)
ax.set(xlabel="labels a class", ylabel="accuracy gained over network")
legend = ax.legend(loc="upper right", fontsize=9)

# %%
show_difference("M2, turned", "network")

# %% [markdown]
# It cannot: $\mathcal U$ asks the ten classes to explain every image of the pool. A turned 6 becomes part of some class, and
# drags the classifier with it. Many labels hold against it.

# %% [markdown] tags=["box"]
# **Where this stands.** Kingma et al. (2014) report, for full MNIST with 10 labels a class, that M1 and M2 each make about
# half the errors of a network trained on the labels alone, and that M2 on top of M1's features does better still. Their M1
# used a support vector machine that sees the unlabelled images too, not logistic regression; their images were larger and
# the unlabelled ones forty times as many. Ours is a small experiment, and says nothing about theirs.
#
# *Contrastive* methods, the other half of the heading, learn which images belong together, and are not measured here.

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - A comparison needs the same labelled images for all, several seeds, choices on validation images, and both errors.
# - M1: features of all images, then a classifier on few. Here neither PCA nor auto-encoder nor VAE gained over pixels.
# - M2 gives the class a place: $\mathcal L(x,y)$ with a label; without, $\mathcal U(x)$, a sum over classes plus an entropy.
# - The labels reach the classifier through the third term, $\alpha\ln q(y\mid x)$. Without it, groups form without names.
# - Unlabelled images helped M2 at few labels, helped nobody at many, and harmed where they were of another kind.
# - The same $z$ with another $y$ shows style and content apart. A linear probe finds hardly any class in $z$.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 5c.1 — The unlabelled bound
# `bounds` holds $\mathcal L(x,y)$ for each image and class, `logits` those of $q(y\mid x)$; both have shape `(images, K)`. Return
# $\mathcal U(x)$, one number for each image. Mind $q=0$.


# %% tags=["exercise"]
def unlabelled_bound(bounds, logits):
    ### BEGIN SOLUTION
    log_q = jax.nn.log_softmax(logits, axis=1)
    return (jnp.exp(log_q) * (bounds - log_q)).sum(axis=1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5c.1") as check:
    log_joint = jnp.log(jnp.array([[0.10, 0.20, 0.05], [0.01, 0.01, 0.30]]))  # ln p(x, y), three classes
    evidence = jnp.log(jnp.array([0.35, 0.32]))
    check.close("with the true posterior it is ln p(x)", unlabelled_bound(log_joint, log_joint), evidence)
    one_class = unlabelled_bound(log_joint, jnp.array([[0.0, -1e5, -1e5]] * 2))
    check.close(
        "with one sure class it is that bound", one_class, log_joint[:, 0], hint="log_softmax, not log(softmax)."
    )
    guess = unlabelled_bound(log_joint, jnp.zeros((2, 3)))
    check.close("a guess: the mean plus ln 3", guess, log_joint.mean(axis=1) + jnp.log(3.0), hint="The entropy's sign?")

# %% [markdown] tags=["exercise"]
# ### Exercise 5c.2 — Which class does the decoder think it is?
# The generative part of M2 can classify without $q(y\mid x)$: by Bayes' rule, with $\mathcal L(x,y)$ in the place of $\ln p(x,y)$.
# Return the probabilities of the classes, shape `(images, K)`, from `bounds`.


# %% tags=["exercise"]
def generative_posterior(bounds):
    ### BEGIN SOLUTION
    return jax.nn.softmax(bounds, axis=1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5c.2") as check:
    exact = jnp.exp(log_joint - evidence[:, None])
    check.close("exact bounds give p(y|x)", generative_posterior(log_joint), exact)
    check.close("bounds of -1000 nats do not underflow", generative_posterior(log_joint - 1000), exact, rtol=1e-3)

# %% [markdown] tags=["exercise"]
# ### Exercise 5c.3 — Another way to write the loss
# Somebody writes the loss as $-a\operatorname{mean}\mathcal L-b\operatorname{mean}\mathcal U-c\operatorname{mean}\ln q(y\mid x)$. Which $\rho$ and $\alpha$ give the
# same loss, up to a common factor? Return `(rho, alpha)`.


# %% tags=["exercise"]
def rho_and_alpha(a, b, c):
    ### BEGIN SOLUTION
    return b / (a + b), c / (a + b)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5c.3") as check:
    check.close("already of our form", rho_and_alpha(0.2, 0.8, 5.0), (0.8, 5.0))
    check.close(
        "sums over 10 and 990 images", rho_and_alpha(10.0, 990.0, 100.0), (0.99, 0.1), hint="1 − ρ = a / (a + b)"
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 5c.4 — Nearest neighbours in the latent space
# Do codes learned without labels have better neighbours than pixels? Return the mean test accuracy of the *one* nearest
# neighbour among the VAE's codes (`features["VAE"]`, one set of codes a seed) for each number of labels: shape `(5,)`.
# Row `s` of `neighbours_right(points, 1)[size]` belongs to seed `s`, and needs that seed's codes.


# %% tags=["exercise"]
def neighbours_in_latent_space():
    ### BEGIN SOLUTION
    right = [neighbours_right(code, 1)[:, seed] for seed, code in enumerate(features["VAE"])]
    return np.stack(right, axis=1)[..., num_valid:].mean(axis=(1, 2))
    ### END SOLUTION


# %% tags=["check"]
with exercise("5c.4") as check:
    answer = neighbours_in_latent_space()
    if answer is not None:
        codes = features["VAE"]
        index = [np.unique(labelled[0, s]) for s in SEEDS]
        tests = [code[held_out][num_valid:, None] for code in codes]
        near = [i[((t - c[i]) ** 2).sum(2).argmin(1)] for i, t, c in zip(index, tests, codes, strict=True)]
        by_hand = np.mean([labels[n] == labels[held_out][num_valid:] for n in near])
        print("VAE codes:", answer.round(3), " pixels:", results["nearest neighbours"].mean(axis=(1, 2)).round(3))
    check.close("one label a class", None if answer is None else answer[0], 0 if answer is None else by_hand)
    check.true("more labels, better neighbours", answer if answer is None else np.diff(answer) > 0)

# %% [markdown] tags=["exercise"]
# ### Exercise 5c.5 — What looking at the test costs
# `valid` and `test` hold the accuracy of each setting, shape `(settings,)`. Return the test accuracy of the setting
# that validation chooses, and by how much choosing on the test images would have flattered it.


# %% tags=["exercise"]
def honest_and_flattered(valid, test):
    ### BEGIN SOLUTION
    honest = test[valid.argmax()]
    return honest, test.max() - honest
    ### END SOLUTION


# %% tags=["check"]
with exercise("5c.5") as check:
    valid, test = np.array([0.70, 0.82, 0.81]), np.array([0.72, 0.79, 0.80])
    check.close("three settings", honest_and_flattered(valid, test), (0.79, 0.01))
    check.close("if both agree nothing is lost", honest_and_flattered(valid, valid), (0.82, 0.0))

# %% [markdown] tags=["frame"]
# ## Sources
#
# - **M1 and M2**: D. P. Kingma, D. J. Rezende, S. Mohamed, M. Welling, "Semi-Supervised Learning with Deep Generative
#   Models", NeurIPS 2014, arXiv:1406.5298.
# - How to compare: A. Oliver, A. Odena, C. Raffel, E. D. Cubuk, I. J. Goodfellow, "Realistic Evaluation of Deep
#   Semi-Supervised Learning Algorithms", NeurIPS 2018, arXiv:1804.09170. It also measures unlabelled images of other
#   classes.
# - The heading: X. Liu, F. Zhang, Z. Hou, Z. Wang, L. Mian, J. Zhang, J. Tang, "Self-supervised Learning: Generative or
#   Contrastive", 2020, arXiv:2006.08218.
# - L. Ma, "Generative Models", *Datumorphism*, 2021: the five pages that this course follows.
# - Digits: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.

# %% [markdown] tags=["frame"]
# ## Next
#
# Chapter 1 asked whether images without labels help. The answer has become: if the model gives what you want to know a
# place of its own, if the images are of the same kind, and as long as labels are few. Chapter 6, *All families on one
# yardstick*, leaves the labels and compares all models of the course by what they say about the images.
