# %% [markdown] tags=["frame"]
# # 6 · All families on one yardstick
#
# NADE, MADE, PixelCNN, RealNVP, MAF, a spline flow, a variational auto-encoder trained on two bounds: eight models, the
# same images, the same unit. What can be compared, what cannot, and which to choose when.
#
# **After this chapter you can**
# - bring probabilities, densities and bounds to one unit, and say for each figure what it is;
# - compare models by paired differences with error bars;
# - check a likelihood by the size of a file from which every pixel comes back;
# - complete half an image with each family, and say which answers are exact;
# - name the family that suits a given task.
#
# **You need** chapters 2 (NADE, MADE), 2b (PixelCNN), 3a (dequantization) and 5 (the bound).
# **Time:** about two hours; the code itself runs in two minutes on two cores.

# %%
import timeit
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx

# %%
from course_lib import data, notebook
from course_lib.autoregressive import (
    Made,
    Nade,
    PixelCNN,
    negative_log_likelihood,
)
from course_lib.distributions import LogisticMixture
from course_lib.exercises import exercise
from course_lib.explorers.scenes.families import families_explorer
from course_lib.figures.images import image_rows
from course_lib.figures.style import BLUE, GREEN, GREY, RED
from course_lib.flows import (
    MAF,
    Chain,
    Flow,
    Logit,
    RealNVP,
    SplineFlow,
    dequantize,
)
from course_lib.probability import (
    effective_sample_size,
    mean_and_error,
    standard_normal_log_prob,
)
from course_lib.training import cosine_adam, fit
from course_lib.vae import Vae, negative_elbo, negative_iwae

notebook.start()

# %% [markdown]
# ## 6.1 One unit
#
# The images are the course's 8 × 8 digits. A pixel has one of 17 grey levels, so an image $x$ is one of $17^{64}$
# possibilities. The yardstick is its **probability** $P(x)$, as $-\ln P(x)$ nats, or as bits per dimension
# $-\log_2P(x)/64$.

# %%
digits = data.digits_8x8()
x_train, x_valid, x_test = (
    data.flatten(part.images)
    for part in (digits.train, digits.valid, digits.test)
)
images_test = x_test.reshape(-1, 8, 8)
k_train, k_valid, k_test = (
    np.round(16 * x).astype(np.int32) for x in (x_train, x_valid, x_test)
)  # levels


def independent_log_prob(k, spare=0.1):
    """Each pixel on its own: the share of each level at each place among the training images."""
    counts = (k_train[:, :, None] == np.arange(17)).sum(axis=0) + spare
    return np.log(counts / counts.sum(axis=1, keepdims=True))[
        np.arange(64), k
    ].sum(axis=1)


print(
    f"no model: {64 * np.log(17):.1f} nats; independent pixels: {-independent_log_prob(k_test).mean():.1f} nats"
)

# %% [markdown] tags=["derivation"]
# Three kinds of answers come to that unit.
#
# - **Autoregressive models** give $\ln P(x)$ itself.
# - **A variational auto-encoder** with a probability $P(x\mid z)$ of levels gives a lower bound on $\ln P(x)$. With $k$
#   draws $z_i\sim q(z\mid x)$ the bound is $\ln\frac1k\sum_iP(x\mid z_i)\,p(z_i)/q(z_i\mid x)$.
# - **A flow** gives a density of $y=(x+u)/17$, where $x$ holds the levels and $u\in[0,1)^{64}$ is noise. The probability
#   of the levels is the integral over their cell, and $\ln\frac1k\sum_ip\bigl((x+u_i)/17\bigr)-64\ln17$, with uniform
#   $u_i$, is a lower bound on its logarithm.
#
# So the last two have one form: the mean of $k$ weights, in logarithms. It is a bound in expectation, rises with $k$ and
# tends to $\ln P(x)$. We shall give both, $k=1$ and $k=128$.

# %% [markdown]
# ## 6.2 One law for a pixel
#
# One idea for all models: **a model is a structure and a distribution**. The structure says what a pixel may
# depend on; a network computes a few numbers from that. The distribution says what the numbers mean.
#
# Four of ours differ in structure alone. They share the distribution: three logistic densities, mixed and cut into 17
# levels (chapter 2b).

# %%
PIXEL = LogisticMixture(17, 3)  # 9 numbers for each pixel

# %% [markdown] tags=["derivation"]
# In NADE, MADE and PixelCNN the numbers $\theta_d$ of pixel $d$ depend on the pixels before it, in a VAE on the code $z$
# alone:
#
# $$P(x)=\prod_dP(x_d;\theta_d(x_{<d})),\qquad P(x\mid z)=\prod_dP(x_d;\theta_d(z)).$$
#
# - **NADE** keeps one hidden vector, which the pixels enter one by one.
# - **MADE** is a dense network with masks. `direct` lets its outputs see their predecessors themselves, too.
# - **PixelCNN** looks at the neighbourhood above and to the left, with the same weights everywhere.
# - **The VAE** turns 16 numbers $z$ into all $\theta_d$ at once.
#
# The VAE is trained twice, on two losses: the bound with one draw of $z$, its KL in closed form, and the bound with five
# draws. The second is the **importance-weighted auto-encoder** (IWAE).


# %%
def iwae_loss(model, x, key):
    return negative_iwae(model, x, key, num_samples=5)


# %% [markdown]
# ## 6.3 Densities, brought down to levels
#
# Three flows see logits of $y$, as in chapter 3a. Their loss is the bound of 6.1 with one draw of the noise.


# %%
def on_images(flow):
    return Flow(64, Chain([flow.bijection, Logit(64, alpha=0.05)]))


def noisy_log_prob(model, k, key):
    """log p(y) − 64 log 17 at one draw of the noise."""
    return model.log_prob(dequantize(key, k, 17)) - 64 * np.log(17)


def flow_loss(model, k, key):
    return -noisy_log_prob(model, k, key).mean()


# %% [markdown]
# ### What goes wrong: a density among probabilities
#
# **Predict:** independent pixels again, but as a density of $x/16$ in $[0,1]^{64}$: each level a bar of width $w$ with
# the level's share as its area. How many nats does it "need"?

# %% tags=["nbval-check-output"]
for width in (1 / 17, 1e-2, 1e-4):
    nats = -(independent_log_prob(k_test) - 64 * np.log(width)).mean()
    print(f"bars of width {width:<8.4g}: {nats:8.1f} nats")

# %% [markdown]
# The same knowledge in all three. A density has a unit, one over volume, and narrow bars buy any figure. In the table it
# is multiplied by the volume of a cell that noise fills.
#
# ## 6.4 Eight trainings
#
# One recipe: Adam, batches of 64, a rate that falls to 0. Validation digits choose epochs, sizes and the state kept.


# %%
def train(model, loss, examples, validation, epochs, rate):
    steps = epochs * (len(examples) // 64)
    settings = {
        "key": jax.random.key(0),
        "batch_size": 64,
        "validation": validation,
        "progress": False,
    }
    optimizer = cosine_adam(rate, steps)
    return fit(
        model, loss, examples, epochs=epochs, optimizer=optimizer, **settings
    )


seed = nnx.Rngs(0)
models = {
    "NADE": Nade(64, 64, likelihood=PIXEL, rngs=seed),
    "MADE": Made(64, [256], direct=True, likelihood=PIXEL, rngs=seed),
    "PixelCNN": PixelCNN(
        (8, 8), 16, (1, 1), likelihood=PIXEL, first_radius=2, rngs=seed
    ),
    "RealNVP": on_images(RealNVP(64, 6, [128], stacked=True, rngs=seed)),
    "MAF": on_images(MAF(64, 4, [128], rngs=seed)),
    "spline flow": on_images(SplineFlow(64, 4, [128], rngs=seed)),
    "VAE": Vae(64, [128], 16, likelihood=PIXEL, rngs=nnx.Rngs(1)),
    "IWAE": Vae(64, [128], 16, likelihood=PIXEL, rngs=nnx.Rngs(1)),
}
AUTOREGRESSIVE, FLOWS, LATENT = (
    ("NADE", "MADE", "PixelCNN"),
    ("RealNVP", "MAF", "spline flow"),
    ("VAE", "IWAE"),
)

# %% [markdown]
# **Predict:** which family will need the fewest nats? Which is fastest to train, which to sample from?

# %% again="it trains the same models further"
rows, levels = (x_train, x_valid), (k_train, k_valid)
images = tuple(x.reshape(-1, 8, 8) for x in rows)  # as PixelCNN takes them
recipes = {
    "NADE": (negative_log_likelihood, *rows, 30, 1e-2),
    "MADE": (negative_log_likelihood, *rows, 14, 3e-3),
    "PixelCNN": (negative_log_likelihood, *images, 10, 1e-2),
    "RealNVP": (flow_loss, *levels, 40, 3e-3),
    "MAF": (flow_loss, *levels, 40, 3e-3),
    "spline flow": (flow_loss, *levels, 15, 3e-3),
    "VAE": (negative_elbo, *rows, 35, 3e-3),
    "IWAE": (iwae_loss, *rows, 35, 3e-3),
}
histories = {
    name: train(models[name], *recipe) for name, recipe in recipes.items()
}
for name, history in histories.items():
    print(f"{name:12} {history}")

# %% [markdown]
# ## 6.5 The yardstick
#
# Now the 300 test digits, which nothing has seen. The autoregressive models are asked once. For the others, 128 weights
# an image.


# %%
def weights_of(model, name, k=128):
    """Log-weights (k, 300): their log-mean-exp over the first axis bounds ln P(x)."""
    one = (
        noisy_log_prob
        if name in FLOWS
        else lambda m, x, key: m.iwae(key, x, 1)
    )
    test = k_test if name in FLOWS else x_test
    draw = nnx.jit(
        lambda model, keys: jax.lax.map(
            lambda key: one(model, test, key), keys, batch_size=32
        )
    )
    return np.asarray(
        draw(model, jax.random.split(jax.random.key(1), k)), float
    )


def factors(name):
    """log P(x_d | the pixels before it), (300, 64): the terms of the chain rule."""
    x = x_test.reshape(-1, *models[name].event_shape)
    return np.asarray(
        nnx.jit(lambda model: model.log_probs(x))(models[name]), float
    ).reshape(300, 64)


log_p = {name: factors(name).sum(axis=1) for name in AUTOREGRESSIVE}
weights = {name: weights_of(models[name], name) for name in (*FLOWS, *LATENT)}

# %% [markdown]
# **Predict:** by how many nats does a bound gain from $k=1$ to $k=128$? For which family most?

# %% alt="Five curves of nats against the number of draws, 1 to 128, on a logarithmic axis. All fall as draws are added, fast at first and then more slowly."
draws = 2 ** np.arange(8)
for (name, w), colour in zip(
    weights.items(), (BLUE, GREY, GREEN, RED, "black"), strict=True
):
    # of all 128 draws, as many groups of k as there are
    bounds = [
        -(
            np.logaddexp.reduce(w.reshape(-1, k, 300), axis=1) - np.log(k)
        ).mean()
        for k in draws
    ]
    plt.semilogx(draws, bounds, "o-", base=2, color=colour, label=name)
plt.gca().set(xlabel="draws $k$ for each image", ylabel="nats, at most")
_ = plt.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# All still fall at the right end: the models' true figures lie lower yet. The table gives the bound at 128, and calls it
# a bound.


# %%
nats = {name: -log_p[name] for name in AUTOREGRESSIVE}
nats |= {
    name: np.log(128) - np.logaddexp.reduce(w, axis=0)
    for name, w in weights.items()
}
first = {name: -w[0] for name, w in weights.items()}  # one draw
size = {
    name: sum(p.size for p in jax.tree.leaves(nnx.state(m, nnx.Param)))
    for name, m in models.items()
}


# %% [markdown]
# To sample, every model gets the same random numbers: $u\in[0,1)^{64}$. An autoregressive model turns $u_d$ into pixel
# $d$ by its conditional distribution function. A flow starts from $z=\Phi^{-1}(u)$, $\Phi$ the normal distribution
# function. The VAE draws pixels by $u$, after 16 more numbers for $z$.


# %%
@partial(jax.jit, static_argnums=1)
def numbers(key, n):
    u = jax.vmap(lambda key: jax.random.uniform(key, (n,)))(
        jax.random.split(key, 64)
    ).T  # as in `sample`
    base = jax.scipy.special.ndtri(jnp.clip(u, 1e-6, 1 - 1e-6))
    return u, base, jax.random.normal(jax.random.fold_in(key, 1), (n, 16))


@nnx.jit
def flow_images(model, z, temperature):
    y, _ = model.bijection.forward(temperature * z)
    return (jnp.clip(jnp.floor(17 * y), 0, 16) / 16).reshape(-1, 8, 8)


@nnx.jit
def vae_images(model, z, u, temperature):
    return PIXEL.draw(
        u, model.parameters(temperature * z), temperature
    ).reshape(-1, 8, 8)


def sample(name, key, n=100, temperature=1.0):
    if name in AUTOREGRESSIVE:
        return (
            models[name]
            .sample(key, (n,), temperature=temperature)
            .reshape(-1, 8, 8)
        )
    u, base, z = numbers(key, n)
    model = models[name]
    return (
        flow_images(model, base, temperature)
        if name in FLOWS
        else vae_images(model, z, u, temperature)
    )


# %% again="it measures times"
def milliseconds(name):
    """For one image, in a batch of 100, compiled before."""
    run = lambda: jax.block_until_ready(sample(name, jax.random.key(2)))  # noqa: E731
    run()
    return 1000 * min(timeit.repeat(run, number=1, repeat=3)) / 100


print(
    "              nats          bits per dimension              parameters  training  sample"
)
for name, values in {
    "independent": -independent_log_prob(k_test),
    **nats,
}.items():
    (mean, error), kind = (
        mean_and_error(values),
        "exact"
        if name in AUTOREGRESSIVE or name == "independent"
        else "bound",
    )
    row = f"{name:12} {mean:6.2f} ± {error:.2f}   {mean / 64 / np.log(2):.3f} ± {error / 64 / np.log(2):.3f}   {kind}"
    if name in models:
        row += f"{size[name]:14,} {histories[name].seconds:8.1f} s {milliseconds(name):7.3f} ms"
    print(row)

# %% [markdown]
# Training is the time of the epochs without compilation; both times are those of the machine that made this page. The
# errors are large, for some digits are hard for every model. That part cancels in differences *on the same images*.

# %% alt="One level interval for each model: its mean difference in nats from the best model, with a bar of two standard errors. The best stands at zero. NADE and the two variational auto-encoders come close, MADE and the spline flow follow, RealNVP and MAF are last."
best = min(nats, key=lambda name: nats[name].mean())
paired = {
    name: mean_and_error(values - nats[best]) for name, values in nats.items()
}
plt.figure(figsize=(6.5, 3))
for place, (name, (mean, error)) in enumerate(paired.items()):
    colour = (
        GREEN if name in AUTOREGRESSIVE else BLUE if name in FLOWS else RED
    )
    plt.errorbar(mean, place, xerr=2 * error, fmt="o", color=colour, capsize=3)
plt.yticks(
    range(len(paired)),
    [
        f"{name}{'' if name in AUTOREGRESSIVE else ' (bound)'}"
        for name in paired
    ],
)
plt.gca().set(xlabel=f"nats more than {best} (± 2 standard errors)")
plt.gca().invert_yaxis()

# %% [markdown]
# ### What goes wrong: error bars of means, side by side
#
# **Predict:** two models whose bars of $\pm2$ standard errors overlap: are they equally good?

# %%
pairs = [(a, b) for i, a in enumerate(nats) for b in list(nats)[i + 1 :]]
for a, b in pairs:
    difference, paired_error = mean_and_error(nats[a] - nats[b])
    apart = np.hypot(mean_and_error(nats[a])[1], mean_and_error(nats[b])[1])
    if abs(difference) < 2 * apart and abs(difference) > 2 * paired_error:
        print(
            f"{a} − {b}: {difference:+.2f} ± {paired_error:.2f} paired, ± {apart:.2f} as if the images were others"
        )

# %% [markdown]
# The printed pairs would have been called equal. But mind two limits: a bound that still falls may overtake an exact
# figure, and the bars are over *images*. Other seeds for the weights would move every model.
#
# ### What goes wrong: choosing on test digits
#
# Forty models, all equally good, are tested on the same number of digits, and the best figure is reported.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
luck = rng.normal(
    0, 1, (2000, 40)
)  # the error of each model's test figure, in standard errors
print(
    f"the best of 40 seems better than it is by {-luck.min(axis=1).mean():.1f} standard errors"
)

# %% [markdown]
# So validation digits choose, and test digits are asked once.
#
# ### Why the auto-encoder has no row
#
# An auto-encoder of the same shape: 16 numbers in the middle, trained on the squared error.


# %%
from course_lib.autoencoders import DeepAutoencoder, squared_error_loss

autoencoder = DeepAutoencoder(64, [128], 16, rngs=nnx.Rngs(1))
train(autoencoder, squared_error_loss, *rows, 30, 3e-3)
rebuild = nnx.jit(lambda model, x: model(x))
noise = np.random.default_rng(0).integers(0, 17, x_test.shape) / 16
for name, x in {"test digits": x_test, "noise": noise}.items():
    print(
        f"{name:12} mean error of a pixel {np.sqrt(np.mean((rebuild(autoencoder, x) - x) ** 2)):.3f}"
    )

# %% [markdown]
# An error is no probability: with 64 numbers in the middle, *every* image could have error 0. For a row, say how likely
# each code is, and each pixel given it: the VAE.
#
# ## 6.6 Files
#
# A likelihood is a promise of a file. Autoregressive models are range coders; flows and VAEs
# use **bits back**: the bound with *one* draw.


# %%
import tempfile
import zlib
from pathlib import Path

from course_lib.coding import code_of

# %% [markdown]
# **Predict:** how many bytes does a digit take? By how much will the IWAE's file miss its figure in the table?


# %%
def file_of(name, k, folder):
    """Write k to a file, read it back, compare. Returns: bytes an image, without those that start the stack; bits of each."""
    code, clean, bits = code_of(models[name], 17, batch_size=len(k)), 0, None
    if name in AUTOREGRESSIVE:
        words = code.encode(k)
    else:
        words, report = code.encode_with_report(k)
        clean, bits = report.initial_bits // 8, report.net_bits
    path = Path(folder) / "digits.bin"
    path.write_bytes(words.tobytes())
    assert np.array_equal(
        code.decode(np.fromfile(path, np.uint32), len(k)), k
    ), "a pixel did not come back"
    return (path.stat().st_size - clean) / len(k), bits


with tempfile.TemporaryDirectory() as folder:
    files = {name: file_of(name, k_test[:50], folder) for name in models}

# %%
packed = len(zlib.compress(k_test.astype(np.uint8).tobytes(), 9)) / 300
print(
    f"17 levels, no model: {64 * np.log2(17) / 8:.1f} bytes an image; zlib, all 300 together: {packed:.1f}"
)
for name, (stored, bits) in files.items():
    one, table = (
        values[name][:50] / np.log(2) for values in (nats | first, nats)
    )
    line = f"{name:12} {stored:5.2f} bytes in the file; promised {one.mean() / 8:5.2f}, in the table {table.mean() / 8:5.2f}"
    if bits is not None:
        line += f"; bits too many: median {np.median(bits - one):+.0f}, worst image {(bits - one).max():+.0f}"
    print(line)

# %% [markdown]
# Every pixel came back. (Means over 50 test digits, without the few random bytes that start bits back; the receiver gets
# those, too.) What many draws gain, this code cannot use: it sends *one* $z$. So the IWAE, better in the table, has the
# larger file.

# %% [markdown] tags=["box"]
# **When a file breaks its promise.** The code of a flow keeps each entry of $z$ on a grid from $-8$ to $8$. A test digit
# that the model finds nearly impossible lies outside, and costs hundreds of bits; the other digits keep the promise, as
# the medians say. The next cell looks for such digits.

# %%
normalize = nnx.jit(
    lambda model, y: jnp.abs(model.bijection.inverse(y)[0]).max(axis=-1)
)
for name in FLOWS:
    far = [
        normalize(models[name], dequantize(jax.random.key(i), k_test[:50], 17))
        for i in range(20)
    ]
    print(
        f"{name:12} largest |z| of 50 digits, in 20 draws of the noise: {np.max(far):.1f}"
    )

# %% [markdown]
# ## 6.7 Samples from the same numbers

# %% tags=["cover"] alt="Nine rows of fourteen small grey images: test digits, then samples of eight models. Most samples show strokes of the right kind, and many a digit that can be named; a few of MADE's break up into scattered dots."
shown = {"test digits": images_test[:14]} | {
    name: sample(name, jax.random.key(5))[:14] for name in models
}
fig = image_rows(shown, cell=0.42)

# %% [markdown]
# A column is one draw of $u$. The autoregressive models read it alike, and their columns resemble each other. Some of
# MADE's fall apart: a rare pixel leads it where no data were.
#
# **Predict, then move:** what does a temperature below 1 do to each family? Which suffers least at 1.5?

# %%
temperatures = np.linspace(0.5, 1.5, 5)
families_explorer(
    {
        name: np.stack(
            [
                sample(name, jax.random.key(5), 100, float(t))[:24]
                for t in temperatures
            ]
        )
        for name in models
    },
    (0.5, 1.5),
)

# %% [markdown]
# Temperature is not one thing: in the autoregressive models it sharpens each conditional, in flows it shrinks $z$, in the
# VAE both $z$ and the pixels. Only at $T=1$ do samples follow the model of the table.
#
# ### What goes wrong: ranking by samples
#
# A sampler that looks perfect: it copies a training digit, and once in a million draws independent pixels.

# %%
copies = {k.tobytes() for k in k_train}
seen = np.array([k.tobytes() in copies for k in k_test])
thief = np.logaddexp(
    np.log(1e-6) + independent_log_prob(k_test),
    np.where(seen, np.log(1 / len(k_train)), -np.inf),
)
mean, error = mean_and_error(-thief)
print(
    f"the copier: {mean:.1f} ± {error:.1f} nats; {seen.sum()} of 300 test digits are among its {len(copies)}"
)

# %% [markdown]
# No eye would reject its samples; its figure is worse than that of independent pixels. The reverse happens, too (Theis et
# al., 2016). Samples and likelihood answer different questions.
#
# ## 6.8 Half an image
#
# Given the upper half, draw the lower. For an autoregressive model in reading order this is sampling, begun in the
# middle: exact.

# %% [markdown] tags=["derivation"]
# The others know $p(y)$ or $p(x,z)$, but not the conditional. Its logarithm is known up to a constant, with its
# gradient, and that is enough for **Langevin** steps with a Metropolis test (MALA). From $v$ propose
#
# $$v'=v+\tfrac{\varepsilon^2}{2}\nabla\log\pi(v)+\varepsilon\,\eta,\qquad\eta\sim\mathcal N(0,I),$$
#
# and accept it with probability $\min\bigl(1,\tfrac{\pi(v')\,q(v\mid v')}{\pi(v)\,q(v'\mid v)}\bigr)$, where $q$ is
# the density of the proposal. The chain has the right limit. How near it is after finitely many steps, nobody says: it
# hardly ever crosses from one digit to another.
#
# - **Flow**: $v$ is the lower half in logits, and $\pi(v)$ the flow's density with the upper half held fixed.
# - **VAE**: $v$ is $z$, and $\pi(z)=p(z)\prod_{\text{upper}}P(x_i\mid z)$. Then the lower half is drawn from $P(x\mid z)$.
#
# Where a chain starts matters. We draw 500 samples of the model and take one by chance, with weights: for the VAE
# $\prod_{\text{upper}}P(x_i\mid z)$, for the flow a number that falls with the distance in the upper half.


# %%
def mala(log_density, start, key, step, num_steps=400):
    """Chains (n, d) after so many steps, and the share of accepted proposals."""
    both = jax.vmap(jax.value_and_grad(log_density))

    def move(now, key):
        v, value, grad = now
        noise_key, accept_key = jax.random.split(key)
        there = (
            v
            + step**2 / 2 * grad
            + step * jax.random.normal(noise_key, v.shape)
        )
        new_value, new_grad = both(there)
        forth = ((there - v - step**2 / 2 * grad) ** 2).sum(axis=1)
        back = ((v - there - step**2 / 2 * new_grad) ** 2).sum(axis=1)
        ratio = new_value - value + (forth - back) / (2 * step**2)
        accept = jnp.log(jax.random.uniform(accept_key, ratio.shape)) < ratio
        choose = lambda a, b: jnp.where(
            accept.reshape(-1, *[1] * (a.ndim - 1)), a, b
        )  # noqa: E731
        return jax.tree.map(
            choose, (there, new_value, new_grad), now
        ), accept.mean()

    begin = (
        start,
        jnp.full(len(start), -jnp.inf),
        jnp.zeros_like(start),
    )  # whatever comes first is accepted
    (v, _, _), accepted = jax.lax.scan(
        move, begin, jax.random.split(key, num_steps)
    )
    return v, accepted.mean()


# %% [markdown]
# For one upper half and three chains. The noise in a flow's upper half is drawn once and held.


# %%
@nnx.jit
def flow_completions(model, k, key, n=3):
    keys = jax.random.split(key, 4)
    logit = lambda y: model.bijection.bijections[-1].inverse(y)[0]  # noqa: E731
    density = Flow(64, model.bijection.bijections[0])
    upper = logit((k + jax.random.uniform(keys[0], k.shape)) / 17)[:32]
    drawn = density.bijection.forward(jax.random.normal(keys[1], (500, 64)))[0]
    fit_to_upper = -((drawn[:, :32] - upper) ** 2).sum(axis=1)
    chosen = drawn[jax.random.categorical(keys[2], fit_to_upper, shape=(n,))]
    whole = lambda lower: jnp.concatenate([upper, lower])  # noqa: E731
    lower, accepted = mala(
        lambda v: density.log_prob(whole(v)), chosen[:, 32:], keys[3], 0.1
    )
    y = model.bijection.bijections[-1].forward(jax.vmap(whole)(lower))[0]
    return (jnp.clip(jnp.floor(17 * y), 0, 16) / 16).reshape(n, 8, 8), accepted


@nnx.jit
def vae_completions(model, x, key, n=3):
    keys = jax.random.split(key, 4)
    explained = lambda z: PIXEL.log_prob(x, model.parameters(z))[..., :32].sum(
        axis=-1
    )  # noqa: E731
    drawn = jax.random.normal(keys[0], (500, model.num_latents))
    weight = explained(drawn)
    start = drawn[jax.random.categorical(keys[1], weight, shape=(n,))]
    z, accepted = mala(
        lambda z: explained(z) + standard_normal_log_prob(z),
        start,
        keys[2],
        0.15,
    )
    completed = jnp.where(
        jnp.arange(64) < 32, x, PIXEL.sample(keys[3], model.parameters(z))
    )
    return completed.reshape(n, 8, 8), accepted, effective_sample_size(weight)


# %% [markdown]
# **Predict:** of 500 draws of $z$ from the prior, how many explain a given upper half?

# %%
chosen = [
    int(np.flatnonzero(digits.test.labels == c)[0]) for c in (0, 2, 3, 4, 5, 7)
]
upper_half, completions, notes = np.arange(64) < 32, {}, {}
blank = lambda image: np.where(upper_half.reshape(8, 8), image, 0.5)  # noqa: E731
first_row = [
    (images_test[n], blank(images_test[n]), np.full((8, 8), 0.15))
    for n in chosen
]
completions["digit, half"] = np.concatenate(first_row)
for name in AUTOREGRESSIVE:
    given, known = (
        a.reshape(-1, *models[name].event_shape)
        for a in (np.repeat(x_test[chosen], 3, 0), upper_half)
    )
    completions[name] = models[name].sample(
        jax.random.key(6), (18,), given=given, known=known[0]
    )
for name in (*FLOWS, *LATENT):
    complete, test = (
        (flow_completions, k_test)
        if name in FLOWS
        else (vae_completions, x_test)
    )
    found = [
        complete(models[name], test[n], jax.random.key(n)) for n in chosen
    ]
    completions[name] = np.concatenate([f[0] for f in found])
    notes[name] = [
        np.mean([f[i] for f in found]) for i in range(1, len(found[0]))
    ]

# %% alt="Nine rows of six groups of three images. The first row shows six test digits, each beside its upper half. Each further row, one for each model, shows three completions of every upper half."
fig = image_rows(
    {name: np.reshape(x, (-1, 8, 8)) for name, x in completions.items()},
    cell=0.4,
)

# %%
for name, (accepted, *effective) in notes.items():
    print(
        f"{name:12} accepted {accepted:.0%}",
        *(f"; effective draws of 500: {e:.1f}" for e in effective),
    )

# %% [markdown]
# With so few effective draws a chain starts almost always from the same $z$, and stays near it: completions of one group
# are more alike than the model's conditional would have them. Only the three autoregressive rows are exact samples; they
# alone also say how many nats the lower half costs, given the upper.

# %%
for name in AUTOREGRESSIVE:
    halves = -factors(name).reshape(300, 2, 32).sum(axis=2)
    mean, error = mean_and_error(halves[:, 1])
    print(
        f"{name:9} upper {halves[:, 0].mean():.2f}, lower given upper {mean:.2f} ± {error:.2f} nats"
    )

# %% [markdown]
# ## 6.9 Which family when

# %% [markdown] tags=["box"]
# | you want | take | because | but |
# |---|---|---|---|
# | the best likelihood, or the smallest file | autoregressive | exact, and first on this page | a sample takes a step a pixel |
# | exact completion | autoregressive | the known part comes first | only in its order (or train for all orders, chapter 2) |
# | probabilities of discrete data | autoregressive, VAE | they speak of levels | a flow must dequantize |
# | a density of real numbers | flow | exact, no noise to add | as many latents as dimensions |
# | density *and* fast samples | coupling flow | one pass both ways | more layers for the same fit |
# | a posterior to draw from, often | IAF, coupling flow | one pass (chapter 3b) | reverse KL loses modes |
# | a short code, features for other tasks | VAE | 16 numbers an image here | a bound; blur where pixels depend on each other |
# | few labels, many images | VAE | features from unlabelled images | measure it: chapter 1 met harm, too |
# | a tighter bound | IWAE | the same networks | $k$ times the work; one draw codes no better |
# | compression to a code, nothing else | auto-encoder | simplest | no likelihood, no samples |
#
# The order of the table in 6.5 is that of small models on 1,297 small digits with one training each. Large images, other
# budgets and other data can reverse it. What stays is the kind of answer that each family gives.

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - One unit for all: nats, or bits, of the probability of *levels*. A density enters by the volume of a cell.
# - Beside each figure stands its kind: exact, or a bound, and with how many draws.
# - Differences on the same images decide, with their standard errors; test images are asked once.
# - A file is the test of a figure. Autoregressive models keep the promise of the table; bits back keeps that of one draw.
# - Samples do not rank models, and a reconstruction error is no likelihood.
# - A conditional question is exact only for a model built to answer it; elsewhere it is a chain that one must watch.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 6.1 — From nats to bytes
# A model needs `nats` for an image of `pixels` pixels. Return its bits per dimension and its bytes an image.


# %% tags=["exercise"]
def bits_and_bytes(nats_of_image, pixels):
    ### BEGIN SOLUTION
    bits = nats_of_image / np.log(2)
    return bits / pixels, bits / 8
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.1") as check:
    answer = bits_and_bytes(64 * np.log(17), 64)
    check.close(
        "no model: bits",
        None if answer is None else answer[0],
        np.log2(17),
        hint="A bit is ln 2 nats.",
    )
    check.close(
        "no model: bytes",
        None if answer is None else answer[1],
        8 * np.log2(17),
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 6.2 — A bound from weights
# Log-weights `w` have shape `(k, n)`. Return the bound on $\ln P(x)$ of each of the $n$ images, safely for weights of
# $-1000$.


# %% tags=["exercise"]
def bound(w):
    ### BEGIN SOLUTION
    return np.logaddexp.reduce(w, axis=0) - np.log(len(w))
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.2") as check:
    w = np.array([[-1000.0, 0.0], [-1001.0, np.log(3.0)]])
    expected = [-1000 + np.log((1 + np.exp(-1)) / 2), np.log(2)]
    check.close(
        "two draws, two images",
        bound(w),
        expected,
        hint="np.logaddexp.reduce, and the mean has a 1/k.",
    )
    check.close("the VAE of this chapter", bound(weights["VAE"]), -nats["VAE"])

# %% [markdown] tags=["exercise"]
# ### Exercise 6.3 — Paired or not
# `a` and `b` hold the nats of two models on the same images. Return the mean difference and its standard error, paired.


# %% tags=["exercise"]
def paired_difference(a, b):
    ### BEGIN SOLUTION
    d = a - b
    return d.mean(), d.std(ddof=1) / len(d) ** 0.5
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.3") as check:
    answer = paired_difference(nats["MAF"], nats["MAF"] + np.arange(300) % 2)
    check.close("mean", None if answer is None else answer[0], -0.5)
    check.close(
        "standard error", None if answer is None else answer[1], np.std(np.arange(300) % 2, ddof=1) / 300**0.5,
        hint="Subtract first; then the standard deviation.",
    )  # fmt: skip

# %% [markdown] tags=["exercise"]
# ### Exercise 6.4 — Two models in one
# Mix two models with weights $\frac12,\frac12$: $P(x)=\frac12P_a(x)+\frac12P_b(x)$. Return the mixture's nats for each image
# from those of `a` and `b`. By how many nats can it be worse than the better of the two?


# %% tags=["exercise"]
def mixed_nats(a, b):
    ### BEGIN SOLUTION
    return np.log(2) - np.logaddexp(-a, -b)
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.4") as check:
    answer = mixed_nats(nats["NADE"], nats["PixelCNN"])
    missing = answer is None
    check.close(
        "a model mixed with itself",
        mixed_nats(nats["NADE"], nats["NADE"]),
        nats["NADE"],
        hint="ln of a sum of e^(−nats).",
    )
    better = np.minimum(nats["NADE"], nats["PixelCNN"])
    check.true(
        "never worse than the better one by more than ln 2",
        ... if missing else answer <= better + np.log(2) + 1e-9,
    )
    check.close(
        "all test digits",
        answer,
        -np.logaddexp(log_p["NADE"], log_p["PixelCNN"]) + np.log(2),
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 6.5 — The price of a copy
# A sampler copies one of `n` training images with probability $1-\varepsilon$ and else draws from a model that needs
# `model_nats` for an image. Return the nats of an image that is *not* among the $n$.


# %% tags=["exercise"]
def price_of_a_new_image(model_nats, epsilon):
    ### BEGIN SOLUTION
    return model_nats - np.log(epsilon)
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.5") as check:
    check.close("no copies: the model", price_of_a_new_image(90.0, 1.0), 90.0)
    check.close(
        "one draw in a million",
        price_of_a_new_image(90.0, 1e-6),
        90 + 6 * np.log(10),
        hint="ln of a product.",
    )

# %% [markdown] tags=["frame"]
# ## Sources
#
# - L. Theis, A. van den Oord, M. Bethge: *A note on the evaluation of generative models*, ICLR 2016, arXiv:1511.01844:
#   samples and likelihood, dequantization as a bound.
# - **NADE**: B. Uria, M.-A. Côté, K. Gregor, I. Murray, H. Larochelle, *Neural Autoregressive Distribution Estimation*,
#   JMLR 2016, arXiv:1605.02226. **MADE**: M. Germain et al., ICML 2015, arXiv:1502.03509.
# - **PixelCNN**: A. van den Oord et al., NeurIPS 2016, arXiv:1606.05328; mixture of logistics: T. Salimans et al., ICLR
#   2017, arXiv:1701.05517.
# - **RealNVP**: L. Dinh et al., arXiv:1605.08803. **MAF**: G. Papamakarios et al., NeurIPS 2017, arXiv:1705.07057.
#   **Splines**: C. Durkan et al., NeurIPS 2019, arXiv:1906.04032.
# - **VAE**: D. P. Kingma, M. Welling, arXiv:1312.6114. **IWAE**: Y. Burda, R. Grosse, R. Salakhutdinov, arXiv:1509.00519.
# - **Bits back**: J. Townsend, T. Bird, D. Barber, arXiv:1901.04866; for flows: J. Ho, E. Lohn, P. Abbeel,
#   *Compression with Flows via Local Bits-Back Coding*, NeurIPS 2019, arXiv:1905.08500.
# - **Langevin steps with a test**: G. O. Roberts, R. L. Tweedie, *Exponential convergence of Langevin distributions and
#   their discrete approximations*, Bernoulli 2(4), 1996.
# - L. Ma: *Datumorphism*, "Generative Models", 2021: the pages that this course follows.
# - Digits: E. Alpaydin, C. Kaynak: *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998.

# %% [markdown]
# ## Next
#
# This is the last chapter. From here: take data of your own, begin with independent entries, and put one model of each
# family on this yardstick. Ask of newer models, such as diffusion, the same: which number, in which unit, exact or a
# bound, and does the file come back?
