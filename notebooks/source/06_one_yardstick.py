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
# - say which differences between families hold for other seeds, and name the family that suits a task.
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
from scipy.stats import t as student

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
from course_lib.figures.style import BLUE, GREEN, RED
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
# Eight models can be ranked only if each answers the same question in the same unit. The images are the course's 8 × 8
# digits. A pixel has one of 17 grey levels, so an image $x$ is one of $17^{64}$ possibilities. The yardstick is its
# **probability** $P(x)$, as $-\ln P(x)$ nats, or as bits per dimension $-\log_2P(x)/64$.

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


def independent_factors(k, spare=0.1):
    """Each pixel on its own: the training share of each level there."""
    counts = (k_train[:, :, None] == np.arange(17)).sum(axis=0) + spare
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.log(shares)[np.arange(64), k]


apart_nats = -independent_factors(k_test).sum(axis=1)
print(f"no model: {64 * np.log(17):.1f} nats")
print(f"independent pixels: {apart_nats.mean():.1f} nats")

# %% [markdown] tags=["derivation"]
# The models answer in three ways, and each answer must be brought to that unit.
#
# - **Autoregressive models** give $\ln P(x)$ itself.
# - **A variational auto-encoder** with a probability $P(x\mid z)$ of levels gives a lower bound on $\ln P(x)$. With $m$
#   draws $z_i\sim q(z\mid x)$ the bound is $\ln\frac1m\sum_iP(x\mid z_i)\,p(z_i)/q(z_i\mid x)$.
# - **A flow** gives a density of $y=(x+u)/17$, where $x$ holds the levels and $u\in[0,1)^{64}$ is noise. The probability
#   of the levels is the integral over their cell, and $\ln\frac1m\sum_ip\bigl((x+u_i)/17\bigr)-64\ln17$, with uniform
#   $u_i$, is a lower bound on its logarithm.
#
# So the last two have one form: the logarithm of the mean of $m$ weights, each of which has the expectation $P(x)$. By
# Jensen's inequality the logarithm is, in expectation, a lower bound on $\ln P(x)$. The bound rises with $m$ and tends
# to $\ln P(x)$. The chapter gives both $m=1$ and $m=128$.

# %% [markdown]
# ## 6.2 One law for a pixel
#
# A fair comparison changes one thing at a time. One view helps: **a model is a structure and a distribution**. The
# structure says what a pixel may depend on; a network computes a few numbers from that. The distribution says what the
# numbers mean.
#
# Five of the eight share their distribution: three logistic densities, mixed and cut into 17 levels (chapter 2b). They
# still differ in more than structure: each has its own size, number of epochs and learning rate, which 6.4 lists.

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
# One VAE is trained on each of two losses: the bound with one draw of $z$, its KL in closed form, and the bound with
# five draws. The second is the **importance-weighted auto-encoder** (IWAE).


# %%
def iwae_loss(model, x, key):
    return negative_iwae(model, x, key, num_samples=5)


# %% [markdown]
# ## 6.3 Densities, brought down to levels
#
# Flows model real numbers, so they reach the yardstick only through noise that fills the cells. Three flows see logits
# of $y$, as in chapter 3a. Their loss is the bound of 6.1 with one draw of the noise.


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
    nats = (apart_nats + 64 * np.log(width)).mean()
    print(f"bars of width {width:<8.4g}: {nats:8.1f} nats")

# %% [markdown]
# **Answer.** It "needs" as few nats as one likes: the figures fall without end as the bars get narrower. A density has
# a unit, one over volume, and narrow bars put the same probability on less volume. The table below therefore multiplies
# a density by the volume of a cell that noise fills.
#
# ## 6.4 Eight trainings
#
# All models get the same images, batches and optimizer: Adam, with a rate that falls to 0. Epochs, sizes and rates
# differ; validation digits chose them and the state kept.


# %%
def train(model, loss, examples, validation, epochs, rate, seed=0):
    steps = epochs * (len(examples) // 64)
    settings = {
        "key": jax.random.key(seed),
        "batch_size": 64,
        "validation": validation,
        "progress": False,
    }
    optimizer = cosine_adam(rate, steps)
    return fit(
        model, loss, examples, epochs=epochs, optimizer=optimizer, **settings
    )


# %%
def new_models(seed):
    rngs, latent = nnx.Rngs(seed), partial(Vae, 64, [128], 16)
    return {
        "NADE": Nade(64, 64, likelihood=PIXEL, rngs=rngs),
        "MADE": Made(64, [256], direct=True, likelihood=PIXEL, rngs=rngs),
        "PixelCNN": PixelCNN(
            (8, 8), 16, (1, 1), likelihood=PIXEL, first_radius=2, rngs=rngs
        ),
        "RealNVP": on_images(RealNVP(64, 6, [128], stacked=True, rngs=rngs)),
        "MAF": on_images(MAF(64, 4, [128], rngs=rngs)),
        "spline flow": on_images(SplineFlow(64, 4, [128], rngs=rngs)),
        "VAE": latent(likelihood=PIXEL, rngs=nnx.Rngs(seed + 1)),
        "IWAE": latent(likelihood=PIXEL, rngs=nnx.Rngs(seed + 1)),
    }


models = new_models(0)

# %%
AUTOREGRESSIVE = ("NADE", "MADE", "PixelCNN")
FLOWS, LATENT = ("RealNVP", "MAF", "spline flow"), ("VAE", "IWAE")
FAMILY_COLOUR = {
    **dict.fromkeys(AUTOREGRESSIVE, GREEN),
    **dict.fromkeys(FLOWS, BLUE),
    **dict.fromkeys(LATENT, RED),
}

# %% [markdown]
# **Predict:** which model will need the fewest nats on the validation digits?

# %%
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

# %% again="it trains the same models further"
histories = {}
for name in AUTOREGRESSIVE:
    histories[name] = train(models[name], *recipes[name])
    print(f"{name:12} {histories[name]}")


# %% again="it trains the same models further"
for name in FLOWS:
    histories[name] = train(models[name], *recipes[name])
    print(f"{name:12} {histories[name]}")


# %% again="it trains the same models further"
for name in LATENT:
    histories[name] = train(models[name], *recipes[name])
    print(f"{name:12} {histories[name]}")

# %% [markdown]
# **Answer.** PixelCNN needs the fewest nats, with 83.74 on the validation digits, and NADE follows with 84.78. A likely
# reason: PixelCNN uses the same weights at each place, so every image gives it 64 examples. The latent models and the
# flows are shown here by training losses with few draws, so the lines are not yet comparable.
#
# ## 6.5 The yardstick
#
# Now the 300 test digits. The autoregressive models give one exact answer; for the others, 128 weights are drawn for
# each image.


# %%
@partial(nnx.jit, static_argnums=1)
def draw_weights(model, is_flow, keys):
    def one(key):
        if is_flow:
            return noisy_log_prob(model, k_test, key)
        return model.iwae(key, x_test, 1)

    return jax.lax.map(one, keys, batch_size=32)


def weights_of(model, name, num_draws=128):
    """Log-weights (num_draws, 300) of the test images: see 6.1."""
    keys = jax.random.split(jax.random.key(1), num_draws)
    return np.asarray(draw_weights(model, name in FLOWS, keys), float)


log_factors = nnx.jit(lambda model, x: model.log_probs(x))


def factors(model):
    """log P(x_d | the pixels before it), shape (300, 64)."""
    x = x_test.reshape(-1, *model.event_shape)
    return np.asarray(log_factors(model, x), float).reshape(300, 64)


log_p = {n: factors(models[n]).sum(axis=1) for n in AUTOREGRESSIVE}
weights = {name: weights_of(models[name], name) for name in (*FLOWS, *LATENT)}

# %% [markdown]
# **Predict:** by how many nats does a bound gain from $m=1$ to $m=128$? For which model most?

# %% alt="Five curves of nats against the number of draws, 1 to 128, on a logarithmic axis: three flows in blue, two variational auto-encoders in red. All fall as draws are added, fast at first and then more slowly; the IWAE falls most and ends lowest." caption="The bound on $-\\ln P(x)$, averaged over the test digits, against the number $m$ of draws: flows in blue, the VAEs in red. No curve is flat at the right end."
draws = 2 ** np.arange(8)
styles = ("o-", "s--", "^:", "o-", "s--")
for (name, w), style in zip(weights.items(), styles, strict=True):
    bounds = []
    for m in draws:  # of all 128 draws, as many groups of m as there are
        groups = np.logaddexp.reduce(w.reshape(-1, m, 300), axis=1)
        bounds.append(np.log(m) - groups.mean())
    colour = FAMILY_COLOUR[name]
    curve = plt.semilogx(draws, bounds, style, base=2, c=colour, label=name)
plt.gca().set(xlabel="draws $m$ for each image", ylabel="bound in nats")
_ = plt.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %%
nats = {name: -log_p[name] for name in AUTOREGRESSIVE}
for name, w in weights.items():
    nats[name] = np.log(128) - np.logaddexp.reduce(w, axis=0)
first = {name: -w[0] for name, w in weights.items()}  # one draw
for name in weights:
    gain, gain_error = mean_and_error(first[name] - nats[name])
    print(f"{name:12} gains {gain:.2f} ± {gain_error:.2f} nats")

# %% [markdown]
# **Answer.** From 1 to 128 draws the bounds gain several nats, and the IWAE gains most (± is the standard error over
# images). A likely reason: its loss already allows five draws, so its $q(z\mid x)$ may spread wider; one draw then often
# misses, many draws do not. All curves still fall at the right end: the models' true figures lie lower yet.

# %% [markdown] tags=["derivation"]
# Speed counts, too. To sample, every model gets the same random numbers: $u\in[0,1)^{64}$. An autoregressive model
# turns $u_d$ into pixel $d$ by its conditional distribution function. A flow starts from $z=\Phi^{-1}(u)$, $\Phi$ the
# normal distribution function. The VAE draws pixels by $u$, after 16 more numbers for $z$.


# %%
@partial(jax.jit, static_argnums=1)
def numbers(key, n):
    per_pixel = jax.vmap(lambda key: jax.random.uniform(key, (n,)))
    u = per_pixel(jax.random.split(key, 64)).T  # as in `sample`
    base = jax.scipy.special.ndtri(jnp.clip(u, 1e-6, 1 - 1e-6))
    return u, base, jax.random.normal(jax.random.fold_in(key, 1), (n, 16))


# %%
@nnx.jit
def flow_images(model, z, temperature):
    y, _ = model.bijection.forward(temperature * z)
    return (jnp.clip(jnp.floor(17 * y), 0, 16) / 16).reshape(-1, 8, 8)


@nnx.jit
def vae_images(model, z, u, temperature):
    parameters = model.parameters(temperature * z)
    return PIXEL.draw(u, parameters, temperature).reshape(-1, 8, 8)


# %%
def sample(name, key, n=100, temperature=1.0, model=None):
    model = models[name] if model is None else model
    if name in AUTOREGRESSIVE:
        x = model.sample(key, (n,), temperature=temperature)
        return x.reshape(-1, 8, 8)
    u, base, z = numbers(key, n)
    if name in FLOWS:
        return flow_images(model, base, temperature)
    return vae_images(model, z, u, temperature)


# %% [markdown]
# **Predict:** which model is fastest to sample from, and why?


# %%
def milliseconds(name, model=None):
    """For one image, in a batch of 100, compiled before."""

    def run():
        images = sample(name, jax.random.key(2), model=model)
        return jax.block_until_ready(images)

    run()
    return 1000 * min(timeit.repeat(run, number=1, repeat=3)) / 100


def num_parameters(model):
    return sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param)))


# %% again="it measures times"
print(" " * 13 + "nats             bits per dimension       ", end="")
print("parameters training sample")
for name, values in {"independent": apart_nats, **nats}.items():
    mean, error = mean_and_error(values)
    bit = 64 * np.log(2)
    kind = "bound" if name in weights else "exact"
    row = f"{name:12} {mean:6.2f} ± {error:.2f} {kind}"
    row += f"   {mean / bit:.3f} ± {error / bit:.3f}"
    if name in models:
        row += f"{num_parameters(models[name]):19,}"
        row += f"{histories[name].seconds:7.1f} s"
        row += f" {milliseconds(name):6.3f} ms"
    print(row)

# %% [markdown]
# **Answer.** RealNVP and the spline flow are fastest to sample from: one pass of their couplings gives all 64 pixels,
# while NADE, MADE, PixelCNN and MAF take a step for each pixel. (Times without compilation, on the machine that made
# this page.)
#
# The ± are standard errors over images. Some digits are hard for every model; that part cancels in differences *on the
# same images*.

# %% alt="One level interval for each model: its mean difference in nats from PixelCNN, with a bar of two standard errors. PixelCNN stands at zero. NADE and the two variational auto-encoders come close, MADE and the spline flow follow, RealNVP and MAF are last." caption="Paired differences from the model with the fewest nats, on the same test digits: autoregressive models in green, flows in blue, VAEs in red. The bars cover images, not seeds."
best = min(nats, key=lambda name: nats[name].mean())
paired = {name: mean_and_error(nats[name] - nats[best]) for name in nats}
plt.figure(figsize=(6.5, 3))
for place, (name, (mean, error)) in enumerate(paired.items()):
    style = {"fmt": "o", "color": FAMILY_COLOUR[name], "capsize": 3}
    plt.errorbar(mean, place, xerr=2 * error, **style)
names = [f"{name} (bound)" if name in weights else name for name in paired]
plt.yticks(range(len(paired)), names)
plt.gca().set(xlabel=f"nats more than {best} (± 2 standard errors)")
plt.gca().invert_yaxis()

# %%
for name, (mean, error) in paired.items():
    if name != best:
        print(f"{name:12} {mean:+.2f} ± {error:.2f} nats from {best}")

# %% [markdown]
# On these images PixelCNN leads each other model by more than two standard errors. That ranks eight *trained* models;
# 6.9 asks other seeds. A bound of 128 draws flatters none of the five it is given for.
#
# ### What goes wrong: error bars of means, side by side
#
# **Predict:** two models whose bars of $\pm2$ standard errors overlap: are they equally good?

# %%
pairs = [(a, b) for i, a in enumerate(nats) for b in list(nats)[i + 1 :]]
single = {name: mean_and_error(values)[1] for name, values in nats.items()}
for a, b in pairs:
    difference, paired_error = mean_and_error(nats[a] - nats[b])
    overlap = abs(difference) < 2 * (single[a] + single[b])
    if overlap and abs(difference) > 2 * paired_error:
        print(
            f"{a} − {b}: {difference:+.2f} ± {paired_error:.2f} paired;",
            end="",
        )
        print(f" ± {np.hypot(single[a], single[b]):.2f} if unpaired")

# %% [markdown]
# **Answer.** No: two models whose bars overlap need not be equally good. The bars of each printed pair overlap, yet the
# paired difference is more than two of its own errors, for what makes an image hard for both cancels. Mind two limits:
# a bound that still falls may overtake an exact figure, and among many pairs a few pass two errors by luck.
#
# ### What goes wrong: choosing on test digits
#
# Forty models, all equally good, are each tested on digits of their own, and the best figure is reported.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
luck = rng.normal(0, 1, (2000, 40))  # errors of the 40 test figures
gift = -luck.min(axis=1).mean()
print(f"the best of 40 seems better than it is by {gift:.1f} standard errors")

# %% [markdown]
# On *shared* digits the common part of the errors cancels, as it did above, so the gift is smaller.

# %% tags=["nbval-check-output"]
shared = rng.normal(0, 1, (2000, 1)) * 0.9**0.5 + luck * 0.1**0.5
print(f"90 % of the variance shared: {-shared.min(axis=1).mean():.1f}")

# %% [markdown]
# So validation digits choose, and test digits are asked once.
#
# ### Why the auto-encoder has no row
#
# Its squared error looks like a figure for the table. Here is an auto-encoder with 16 numbers in the middle, as in the
# VAE, trained on that error.

# %%
from course_lib.autoencoders import DeepAutoencoder, squared_error_loss

autoencoder = DeepAutoencoder(64, [128], 16, rngs=nnx.Rngs(1))
train(autoencoder, squared_error_loss, *rows, 30, 3e-3)
rebuild = nnx.jit(lambda model, x: model(x))
noise = np.random.default_rng(0).integers(0, 17, x_test.shape) / 16
for name, x in {"test digits": x_test, "noise": noise}.items():
    squares = (rebuild(autoencoder, x) - x) ** 2
    print(f"{name:12} root mean square error {squares.mean() ** 0.5:.3f}")

# %% [markdown]
# An error is no probability. With 64 numbers in the middle *every* image could have the error 0, while probabilities sum
# to 1 over all images. To earn a row, a model must say how likely each code is, and each pixel given the code; the VAE
# is an auto-encoder that does.


# %% [markdown] tags=["quiz"]
# **A flow trained on $x/16$ without noise reports $-480$ nats, PixelCNN $+84$. Which is the better model of levels?**
#
# - [ ] The flow, since it needs fewer nats. :: Its figure is a density. Narrow peaks on the levels make it as low as one likes.
# - [ ] PixelCNN, since nats cannot be negative. :: Those of a probability cannot; a density may well exceed 1.
# - [x] The two figures do not say. :: Right: a density must first be integrated over the cell of each image.

# %% [markdown] tags=["quiz"]
# **A VAE's bound with 128 draws is 86.7 nats. What does that say about its $-\ln P(x)$?**
#
# - [x] On average it is at most that. :: Right: in expectation the bound lies above the true figure, and falls towards it.
# - [ ] It equals that up to the standard error. :: The ± covers images. The gap of a bound is systematic, and not in it.
# - [ ] It is at least that. :: Jensen's inequality works the other way: the mean logarithm is below $\ln P(x)$.

# %% [markdown] tags=["quiz"]
# **Model A beats B by $1.2\pm0.3$ nats, paired over the test images, with one training each. What is shown?**
#
# - [ ] The family of A is better than that of B. :: One training each says nothing about other seeds, sizes or budgets.
# - [x] This trained A is better than this trained B on such images. :: Right: the error covers the choice of images only.
# - [ ] Nothing, since each mean has an error of $\pm0.6$. :: Most of it is common to both models, and cancels in the pairs.

# %% [markdown]
# ## 6.6 Files
#
# A likelihood is a promise of a file, and a file cannot flatter. Autoregressive models drive a range coder. Flows and
# VAEs use **bits back**, whose length is the bound with *one* draw.

# %%
import tempfile
import zlib
from pathlib import Path

from course_lib.coding import code_of

# %% [markdown]
# **Predict:** how many bytes does a digit take? By how much will the IWAE's file miss its figure in the table?


# %%
def file_of(name, k, folder):
    """Write levels to a file, read them back, compare.

    Returns: bytes an image, without those that start the stack; bits of each.
    """
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
print(f"no model: {64 * np.log2(17) / 8:.1f} bytes an image")
print(f"zlib, all 300 together: {packed:.1f} bytes an image")
to_bytes = 1 / (8 * np.log(2))
for name, (stored, _) in files.items():
    promised = (nats | first)[name][:50].mean() * to_bytes
    table = nats[name][:50].mean() * to_bytes
    print(
        f"{name:12} file {stored:5.2f} bytes; promised {promised:5.2f}", end=""
    )
    print(f" ({stored / promised - 1:+.1%}); in the table {table:5.2f}")

# %%
for name, (_, bits) in files.items():
    if bits is not None:
        over = bits - first[name][:50] / np.log(2)
        print(
            f"{name:12} bits too many: median {np.median(over):+.0f},", end=""
        )
        print(f" worst image {over.max():+.0f}")
worse = mean_and_error(first["IWAE"] - first["VAE"])
print(f"one draw, IWAE − VAE: {worse[0]:+.2f} ± {worse[1]:.2f} nats")

# %% [markdown] numbers={"1.42": "files['IWAE'][0] - nats['IWAE'][:50].mean() * to_bytes"}
# **Answer.** A digit takes 15 to 21 bytes, and the IWAE's file is 1.42 bytes an image above its figure in the table.
# Bits back sends *one* $z$, so it cannot use what 128 draws gain; with one draw the IWAE is worse than the VAE. Every
# pixel came back. Autoregressive files keep their promise, VAE and spline flow nearly so. RealNVP and MAF miss theirs by
# 15 % and more. (Means over 50 test digits, without the random bytes that start bits back.)

# %% [markdown] tags=["box"]
# **When a file breaks its promise.** The medians show that at least half of the digits keep it, so a few make the loss.
# The code of a flow keeps each entry of $z$ on a grid from $-8$ to $8$; a digit outside can cost hundreds of bits.


# %%
@nnx.jit
def largest_z(model, y):
    return jnp.abs(model.bijection.inverse(y)[0]).max()


print("largest |z| of 50 digits, in 20 draws of the noise:")
for name in FLOWS:
    far = [
        largest_z(models[name], dequantize(key, k_test[:50], 17))
        for key in jax.random.split(jax.random.key(0), 20)
    ]
    print(f"{name:12} {np.max(far):.1f}")

# %% [markdown]
# RealNVP and MAF have entries outside the grid; the spline flow, whose file is nearly as promised, has none.
#
# ## 6.7 Samples from the same numbers
#
# Samples show *what* a model has learned. Here all models start from the same random numbers.

# %% tags=["cover"] alt="Nine rows of fourteen small grey images: test digits, then samples of eight models. Most samples show strokes of the right kind, and many a digit that can be named; a few of MADE's break up into scattered dots." caption="Test digits, and samples of all models. In one column all samples come from one draw of $u$."
shown = {"test digits": images_test[:14]} | {
    name: sample(name, jax.random.key(5))[:14] for name in models
}
fig = image_rows(shown, cell=0.42)

# %% [markdown]
# A column is one draw of $u$. The autoregressive models read it alike, pixel by pixel, and many of their columns
# resemble each other. Some of MADE's samples fall apart.
#
# **Predict, then move:** what does a temperature below 1 do to each family?

# %% caption="One image of each model, all from the same random numbers. Move the temperature: below 1 images keep to what the model finds likely, above 1 they stray."
temperatures = np.linspace(0.5, 1.5, 5)
moved = {
    name: np.stack(
        [
            sample(name, jax.random.key(5), 100, float(t))[:24]
            for t in temperatures
        ]
    )
    for name in models
}
families_explorer(moved, (0.5, 1.5))

# %% [markdown]
# **Answer.** A temperature below 1 makes each family keep to what it finds likely, but by different means. In the
# autoregressive models it sharpens each conditional; in flows it shrinks $z$ towards 0, so that the seeds look more
# alike; in the VAE it does both to $z$ and the pixels.
#
# ### What goes wrong: ranking by samples
#
# A sampler can look perfect and know nothing: this one copies a training digit, and once in a million draws independent
# pixels.

# %%
copies = {k.tobytes() for k in k_train}
seen = np.array([k.tobytes() in copies for k in k_test])
copied = np.where(seen, np.log(1 / len(k_train)), -np.inf)
thief = np.logaddexp(np.log(1e-6) - apart_nats, copied)
mean, error = mean_and_error(-thief)
print(f"the copier: {mean:.1f} ± {error:.1f} nats")
print(f"{seen.sum()} of 300 test digits are among its {len(copies)}")

# %% [markdown]
# Its figure is worse than that of independent pixels, since no test digit is a copy and each pays $\ln 10^6$ nats. The
# reverse happens, too: good figures with poor samples (Theis et al., 2016).
#
# ## 6.8 Half an image
#
# Repairing an image asks for a conditional: given the upper half, draw the lower. For an autoregressive model in reading
# order this is sampling, begun in the middle: exact.

# %% [markdown] tags=["derivation"]
# The others know $p(y)$ or $p(x,z)$, but not the conditional. Its logarithm is known up to a constant, with its
# gradient, and that is enough for **Langevin** steps with a Metropolis test (MALA). From $v$ propose
#
# $$v'=v+\tfrac{\varepsilon^2}{2}\nabla\log\pi(v)+\varepsilon\,\eta,\qquad\eta\sim\mathcal N(0,I),$$
#
# and accept it with probability $\min\bigl(1,\tfrac{\pi(v')\,g(v\mid v')}{\pi(v)\,g(v'\mid v)}\bigr)$, where $g$
# is the density of the proposal. The chain tends to $\pi$, but nothing tells how near it is after finitely many steps.
#
# - **Flow**: $v$ is the lower half in logits, and $\pi(v)$ the flow's density with the upper half held fixed, noise
#   included. So even the limit is that of the lower half given $y$, with one draw of the noise. Given *levels*, the noise
#   of the upper half would have to be sampled along.
# - **VAE**: $v$ is $z$, and $\pi(z)=p(z)\prod_{\text{upper}}P(x_i\mid z)$. Then the lower half is drawn from
#   $P(x\mid z)$. Here the limit is the right one.
#
# Where a chain starts matters. We draw 500 samples of the model and take one by chance, with weights: for the VAE
# $\prod_{\text{upper}}P(x_i\mid z)$, for the flow a number that falls with the distance in the upper half.


# %%
def mala(log_density, start, key, step, num_steps=400):
    """Chains (n, d) after so many steps, and the share of acceptances."""
    both = jax.vmap(jax.value_and_grad(log_density))

    def move(now, key):
        v, value, grad = now
        noise_key, accept_key = jax.random.split(key)
        noise = jax.random.normal(noise_key, v.shape)
        there = v + step**2 / 2 * grad + step * noise
        new_value, new_grad = both(there)
        forth = ((there - v - step**2 / 2 * grad) ** 2).sum(axis=1)
        back = ((v - there - step**2 / 2 * new_grad) ** 2).sum(axis=1)
        ratio = new_value - value + (forth - back) / (2 * step**2)
        accept = jnp.log(jax.random.uniform(accept_key, ratio.shape)) < ratio
        new = there, new_value, new_grad
        kept = [
            jnp.where(accept[:, None] if b.ndim == 2 else accept, a, b)
            for a, b in zip(new, now, strict=True)
        ]
        return tuple(kept), accept.mean()

    # whatever comes first is accepted
    begin = start, jnp.full(len(start), -jnp.inf), jnp.zeros_like(start)
    keys = jax.random.split(key, num_steps)
    (v, _, _), accepted = jax.lax.scan(move, begin, keys)
    return v, accepted.mean()


# %% [markdown]
# For one upper half and three chains. The noise in a flow's upper half is drawn once and held.


# %%
@nnx.jit
def flow_completions(model, k, key, n=3):
    keys = jax.random.split(key, 4)
    density_map, to_images = model.bijection.bijections
    density = Flow(64, density_map)
    y = (k + jax.random.uniform(keys[0], k.shape)) / 17
    upper = to_images.inverse(y)[0][:32]
    drawn = density_map.forward(jax.random.normal(keys[1], (500, 64)))[0]
    near = -((drawn[:, :32] - upper) ** 2).sum(axis=1)
    start = drawn[jax.random.categorical(keys[2], near, shape=(n,)), 32:]

    def whole(lower):
        return jnp.concatenate([upper, lower])

    log_pi = lambda v: density.log_prob(whole(v))  # noqa: E731
    lower, accepted = mala(log_pi, start, keys[3], 0.1)
    images = to_images.forward(jax.vmap(whole)(lower))[0]
    levels = jnp.clip(jnp.floor(17 * images), 0, 16)
    return (levels / 16).reshape(n, 8, 8), accepted


# %%
@nnx.jit
def vae_completions(model, x, key, n=3):
    keys = jax.random.split(key, 4)

    def explained(z):
        pixels = PIXEL.log_prob(x, model.parameters(z))
        return pixels[..., :32].sum(axis=-1)

    drawn = jax.random.normal(keys[0], (500, model.num_latents))
    weight = explained(drawn)
    start = drawn[jax.random.categorical(keys[1], weight, shape=(n,))]
    log_pi = lambda z: explained(z) + standard_normal_log_prob(z)  # noqa: E731
    z, accepted = mala(log_pi, start, keys[2], 0.15)
    pixels = PIXEL.sample(keys[3], model.parameters(z))
    completed = jnp.where(jnp.arange(64) < 32, x, pixels)
    return completed.reshape(n, 8, 8), accepted, effective_sample_size(weight)


# %% [markdown]
# **Predict:** of 500 draws of $z$ from the prior, how many explain a given upper half? Count them by the effective
# sample size of their weights.

# %%
labels = digits.test.labels
chosen = [int(np.flatnonzero(labels == c)[0]) for c in (0, 2, 4, 7)]
upper_half, completions, notes = np.arange(64) < 32, {}, {}
asked = np.repeat(x_test[chosen], 3, axis=0)  # three completions each
completions["digit"] = asked
completions["given"] = np.where(upper_half, asked, 0.5)
for name in AUTOREGRESSIVE:
    shape = models[name].event_shape
    given, known = asked.reshape(-1, *shape), upper_half.reshape(shape)
    completions[name] = models[name].sample(
        jax.random.key(6), (12,), given=given, known=known
    )

# %%
for name in (*FLOWS, *LATENT):
    if name in FLOWS:
        complete, test = flow_completions, k_test
    else:
        complete, test = vae_completions, x_test
    found = [
        complete(models[name], test[n], jax.random.key(n)) for n in chosen
    ]
    completions[name] = np.concatenate([f[0] for f in found])
    notes[name] = [
        np.mean(values) for values in list(zip(*found, strict=True))[1:]
    ]

# %% alt="Ten rows of twelve images, in four groups of three. The first row shows four test digits, 0, 2, 4 and 7, each three times, the second their upper halves above a grey lower half. Each further row, one for each model, shows three completions of every upper half; most continue its strokes." caption="Three completions of each upper half by every model. The rows of NADE, MADE and PixelCNN are exact samples of their conditionals; the others are ends of chains."
rows_shown = {
    name: np.reshape(x, (-1, 8, 8)) for name, x in completions.items()
}
completed_rows = image_rows(rows_shown, cell=0.6)

# %%
for name, (accepted, *effective) in notes.items():
    print(
        f"{name:12} accepted {accepted:.0%}",
        *(f"; effective draws of 500: {e:.1f}" for e in effective),
    )

# %% [markdown]
# **Answer.** Of 500 draws of $z$ only about two explain a given upper half, by the effective sample size. So the three
# chains of a VAE often start from the same $z$, and may stay near it: completions of one group can be more alike than
# the model's conditional would have them. A high share of accepted steps proves nothing: small steps suffice for it.
# Only the three autoregressive rows are exact samples; they alone also say how many nats the lower half costs, given
# the upper.

# %%
top, bottom = -independent_factors(k_test).reshape(300, 2, 32).sum(2).mean(0)
print(f"apart     upper {top:.2f} nats, lower {bottom:.2f} nats")
for name in AUTOREGRESSIVE:
    halves = -factors(models[name]).reshape(300, 2, 32).sum(axis=2)
    (top, _), (bottom, error) = map(mean_and_error, halves.T)
    print(f"{name:9} upper {top:.2f} nats", end="")
    print(f", lower given upper {bottom:.2f} ± {error:.2f} nats")

# %% [markdown]
# As independent pixels both halves cost about 54 nats. In each model the lower half, given the upper, costs less than
# the upper did.

# %% [markdown] tags=["quiz"]
# **A model's samples are sharp and all look like digits. What follows for its likelihood?**
#
# - [ ] It is high, since samples come from the distribution. :: The copier's samples are perfect, and its figure is poor.
# - [ ] It is low, since sharp samples mean memory. :: Sharp samples do not show memory either; PixelCNN's are sharp, too.
# - [x] Nothing by itself. :: Right: a model may forget most digits and draw the rest well.

# %% [markdown] tags=["quiz"]
# **Two VAEs are used for bits back. A has the better bound with 128 draws, B with one. Whose file is smaller?**
#
# - [ ] A's, since its $-\ln P(x)$ is closer to the truth. :: The code sends one $z$; it cannot average over 128.
# - [x] B's. :: Right: bits back pays the bound with one draw.
# - [ ] Both have the same size if the decoders agree. :: The encoder decides how many bits come back.

# %% [markdown] tags=["quiz"]
# **A Langevin chain accepts 95 % of its steps. Has it reached the conditional distribution?**
#
# - [ ] Yes, since nearly every proposal was a good one. :: Tiny steps are nearly always accepted and lead nowhere.
# - [ ] No, since a correct chain accepts all. :: The test must reject some, or the limit would be another.
# - [x] The share does not tell. :: Right: a chain may move freely on one hill and never see the next.

# %% [markdown]
# ## 6.9 Which family when
#
# First the winners, with errors that cover seeds. All eight models are trained twice more, from other weights and with
# the batches in another order.
#
# **Predict:** which lead of the table in 6.5 will hold?


# %%
def measure(models, histories, known=None):
    """Criterion → model → one number for each test image, or one alone."""
    whole, one, lower = {}, {}, {}
    for name in AUTOREGRESSIVE:
        parts = -factors(models[name])
        whole[name] = one[name] = parts.sum(axis=1)
        lower[name] = parts[:, 32:].sum(axis=1)
    for name in (*FLOWS, *LATENT):
        w = known[name] if known else weights_of(models[name], name)
        whole[name] = np.log(128) - np.logaddexp.reduce(w, axis=0)
        one[name] = -w.mean(axis=0)  # of 128 bounds with one draw
    train_s = {name: [histories[name].seconds] for name in models}
    sample_ms = {name: [milliseconds(name, models[name])] for name in models}
    return whole, one, lower, train_s, sample_ms


# %%
NUM_SEEDS = 3
seeds = [measure(models, histories, weights)]
for seed in range(1, NUM_SEEDS):
    others = new_models(seed)
    runs = {n: train(others[n], *recipes[n], seed=seed) for n in others}
    seeds.append(measure(others, runs))
whole, one, lower, train_s, sample_ms = (
    {name: np.stack([run[i][name] for run in seeds]) for name in seeds[0][i]}
    for i in range(5)
)  # model → (seeds, images)

# %% [markdown]
# Each lead is a mean of paired differences over seeds and images. The 95 % interval adds the two errors in squares,
# each times its $t$: 4.3 for three seeds, 2.0 for 300 images. (What both share counts twice: that is on the safe
# side.)


# %%
def lead(a, b):
    """How much less a needs than b, (seeds, images); half its interval."""
    d, half = b - a, 0.0
    for means in (d.mean(axis=1), d.mean(axis=0)):
        if len(means) > 1:
            t = student.ppf(0.975, len(means) - 1)
            half = np.hypot(half, t * mean_and_error(means)[1])
    return d.mean(), half


t_values = student.ppf(0.975, [NUM_SEEDS - 1, 299])
print(f"95 % of Student's t: {t_values[0]:.1f} and {t_values[1]:.1f}")


# %%
criteria = {
    "nats, all models": (whole, models),
    "  the flows": (whole, FLOWS),
    "  the VAEs": (whole, LATENT),
    "nats with one draw, all": (one, models),
    "  the VAEs with one draw": (one, LATENT),
    "lower half, given upper": (lower, AUTOREGRESSIVE),
    "ms to sample an image": (sample_ms, models),
    "s to train": (train_s, models),
}
print(f"{'criterion':25} winner       before            by          decided")
for criterion, (values, names) in criteria.items():
    first_two = sorted(names, key=lambda name: values[name].mean())[:2]
    mean, half = lead(*(values[name] for name in first_two))
    print(f"{criterion:25} {first_two[0]:12} {first_two[1]:12}", end="")
    print(f"{mean:7.3f} ± {half:.3f}  {'yes' if mean > half else 'no'}")

# %% [markdown]
# **Answer.** PixelCNN's lead over NADE holds, and the spline flow's over the other flows. That of the IWAE over the VAE
# is not decided by three seeds; with one draw, where the VAE leads, it is. Given the upper half, PixelCNN and NADE
# cannot be told apart. "No" means undecided, not equal, and a winner chosen on the same digits is flattered a little.
#
# What each family can answer at all matters more.

# %% [markdown] tags=["box"]
# | you want | take | because | but |
# |---|---|---|---|
# | the best likelihood, or the smallest file | autoregressive | exact; PixelCNN is first on this page | a sample takes a step a pixel; MADE is behind both VAEs here |
# | exact completion | autoregressive | the known part comes first | only in its order (or train for all orders, chapter 2) |
# | probabilities of discrete data | autoregressive, VAE | they speak of levels | a flow must dequantize |
# | a density of real numbers | flow | exact, no noise to add | as many latents as dimensions |
# | density *and* fast samples | coupling flow | one pass both ways | six layers did here about what four of MAF did |
# | a posterior to draw from, often | IAF, coupling flow | one pass (chapter 3b) | reverse KL loses modes |
# | a short code, features for other tasks | VAE | 16 numbers an image here | a bound; pixels are drawn independently given $z$ |
# | few labels, many images | VAE with labels (M2) | unlabelled images helped it with 3 and with 10 labels a class (chapter 5c) | over nearest neighbours its lead was decided with 3 labels alone; features alone gained nothing |
# | a tighter bound | IWAE | the same networks | $m$ times the work; its lead is not decided here, and with one draw it codes worse |
# | compression to a code, nothing else | auto-encoder | simplest | no likelihood, no samples |
#
# The orders above are those of small models on 1,297 small digits. Large images, other budgets and other data can
# reverse them. What stays is the kind of answer that each family gives.

# %% [markdown]
# ### Beyond this course
#
# The question to each family of today is the same: which number does it give?

# %% [markdown] tags=["box"]
# | family | its number | ancestor in this course | one paper |
# |---|---|---|---|
# | language model (transformer) | exact | autoregressive models (chapter 2) | Vaswani et al. 2017, arXiv:1706.03762 |
# | VQ-VAE | a bound | auto-encoder, discrete code, autoregressive prior | van den Oord et al. 2017, arXiv:1711.00937 |
# | diffusion | a bound | a deep VAE whose decoder is a denoiser (chapters 4a and 5) | Ho et al. 2020, arXiv:2006.11239 |
# | flow matching | a density, by solving an equation | a flow in continuous time (chapter 3) | Lipman et al. 2023, arXiv:2210.02747 |
# | GAN | none | a sampler alone | Goodfellow et al. 2014, arXiv:1406.2661 |
# | energy model | up to a constant | the chains of 6.8 | Du and Mordatch 2019, arXiv:1903.08689 |

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - One unit for all: nats, or bits, of the probability of *levels*. A density enters by the volume of a cell.
# - Beside each figure stands its kind: exact, or a bound, and with how many draws.
# - Differences on the same images decide, with their standard errors, for *these* trained models; for a family the
#   error must cover seeds as well. Test images are asked once.
# - A file is the test of a figure. Autoregressive models keep the promise of the table. Bits back keeps that of *one* draw
#   for the VAEs and the spline flow; RealNVP and MAF miss it where a digit leaves their grid.
# - Samples do not rank models, and a reconstruction error is no likelihood.
# - A conditional question is exact only for a model built to answer it; elsewhere it is a chain that
#   one must watch.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 6.1 ★ — From nats to bytes
# A model needs `nats` for an image of `pixels` pixels. Return its bits per dimension and its bytes an image.
#
# **Hint.** A bit is $\ln 2$ nats, and a byte is 8 bits.


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

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 6.2 ★ — The price of a copy
# A sampler copies one of `n` training images with probability $1-\varepsilon$ and else draws from a model that needs
# `model_nats` for an image. Return the nats of an image that is *not* among the $n$.
#
# **Hint.** Such an image comes only from the model, which is asked with probability $\varepsilon$.
#
# **Hint.** Its probability is $\varepsilon P(x)$. Take the logarithm of the product.


# %% tags=["exercise"]
def price_of_a_new_image(model_nats, epsilon):
    ### BEGIN SOLUTION
    return model_nats - np.log(epsilon)
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.2") as check:
    check.close("no copies: the model", price_of_a_new_image(90.0, 1.0), 90.0)
    check.close(
        "one draw in a million",
        price_of_a_new_image(90.0, 1e-6),
        90 + 6 * np.log(10),
        hint="ln of a product.",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 6.3 ★ — A bound from weights
# Log-weights `w` have shape `(m, n)`. Return the bound on $\ln P(x)$ of each of the $n$ images, safely for weights of
# $-1000$.
#
# **Hint.** The bound is the logarithm of a mean over the first axis: a sum, and a division by $m$.
#
# **Hint.** `np.logaddexp.reduce(w, axis=0)` sums without underflow; the division becomes a subtraction of a logarithm.


# %% tags=["exercise"]
def bound(w):
    ### BEGIN SOLUTION
    return np.logaddexp.reduce(w, axis=0) - np.log(len(w))
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.3") as check:
    w = np.array([[-1000.0, 0.0], [-1001.0, np.log(3.0)]])
    expected = [-1000 + np.log((1 + np.exp(-1)) / 2), np.log(2)]
    check.close(
        "two draws, two images",
        bound(w),
        expected,
        hint="np.logaddexp.reduce, and the mean has a 1/m.",
    )
    check.close("the VAE of this chapter", bound(weights["VAE"]), -nats["VAE"])

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 6.4 ★ — Paired or not
# `a` and `b` hold the nats of two models on the same images. Return the mean difference and its standard error, paired.
#
# **Hint.** Subtract first, image by image; what is hard for both models is then gone.
#
# **Hint.** The error of a mean is the standard deviation (with `ddof=1`) over the root of the number of images.


# %% tags=["exercise"]
def paired_difference(a, b):
    ### BEGIN SOLUTION
    d = a - b
    return d.mean(), d.std(ddof=1) / len(d) ** 0.5
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.4") as check:
    answer = paired_difference(nats["MAF"], nats["MAF"] + np.arange(300) % 2)
    check.close("mean", None if answer is None else answer[0], -0.5)
    expected = np.std(np.arange(300) % 2, ddof=1) / 300**0.5
    check.close(
        "standard error",
        None if answer is None else answer[1],
        expected,
        hint="Subtract first; then the standard deviation.",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 6.5 ★★ — Two models in one
# Mix two models with weights $\frac12,\frac12$: $P(x)=\frac12P_a(x)+\frac12P_b(x)$. Return the mixture's nats for each
# image
# from those of `a` and `b`. How much worse than the better of the two can it be?
#
# **Hint.** $P_a(x)=e^{-a}$; `np.logaddexp` adds two such numbers in logarithms.
#
# **Hint.** $P(x)\ge\frac12\max(P_a(x),P_b(x))$. Take logarithms.


# %% tags=["exercise"]
def mixed_nats(a, b):
    ### BEGIN SOLUTION
    return np.log(2) - np.logaddexp(-a, -b)
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.5") as check:
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

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 6.6 ★★★ — What more draws gain
# Suppose the log-weights of an image are normal, $\ln w\sim\mathcal N(\mu,s^2)$. Find, by hand, how far the bound lies
# from $-\ln P(x)$ in expectation: exactly for $m=1$, and to the order $1/m$ for large $m$. Return the pair, in nats.
#
# **Hint.** $P(x)=\mathbb E\,w=e^{\mu+s^2/2}$, and $\mathbb E\,w^2=e^{2\mu+2s^2}$.
#
# **Hint.** Divide by $P(x)$: the mean of $m$ weights becomes $1+\delta$ with $\mathbb E\,\delta=0$ and
# $\operatorname{Var}\delta=(e^{s^2}-1)/m$. Expand $-\ln(1+\delta)$ to the second order.


# %% tags=["exercise"]
def expected_gaps(s, m):
    ### BEGIN SOLUTION
    return s**2 / 2, (np.exp(s**2) - 1) / (2 * m)
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.6") as check:
    answer = expected_gaps(0.5, 100) or (None, None)
    normal = np.random.default_rng(0).normal(size=(100, 20_000))
    relative = np.exp(0.5 * normal - 0.5**2 / 2)  # weights over P(x)
    check.close("one draw", answer[0], -np.log(relative).mean(), rtol=0.01)
    mean = relative.mean(axis=0)
    found = (mean - 1 - np.log(mean)).mean()  # the mean of mean − 1 is 0
    check.close(
        "100 draws, simulated",
        answer[1],
        found,
        rtol=0.03,
        hint="Half of the variance of the mean of m weights.",
    )

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 6.7 ★★ — A flow that wins by three mistakes
# A colleague compares a flow, of which `density` holds $\ln p(y)$ in shape `(m, n)` for $y=(x+u)/17$, with an exact
# `log_p` of shape `(n,)`. Find the three mistakes and write it right: mean difference in nats (flow minus exact) and its
# standard error.
#
# ```python
# def colleagues_comparison(density, log_p):
#     flow = -density.mean(axis=0)
#     exact = -log_p
#     difference = flow.mean() - exact.mean()
#     return difference, np.hypot(flow.std(), exact.std()) / len(log_p) ** 0.5
# ```
#
# **Hint.** In which unit is `flow`? Is it the tightest bound that $m$ draws give? Are the images the same?
#
# **Hint.** Subtract $64\ln17$ from each $\ln p(y)$, take the logarithm of the mean weight, then differences image by
# image.


# %% tags=["exercise"]
def mended_comparison(density, log_p):
    ### BEGIN SOLUTION
    w = density - 64 * np.log(17)
    log_bound = np.logaddexp.reduce(w, axis=0) - np.log(len(w))
    d = log_p - log_bound
    return d.mean(), d.std(ddof=1) / len(d) ** 0.5
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.7") as check:
    density = weights["spline flow"] + 64 * np.log(17)
    answer = mended_comparison(density, log_p["NADE"]) or (None, None)
    expected = mean_and_error(nats["spline flow"] - nats["NADE"])
    check.close(
        "difference",
        answer[0],
        expected[0],
        hint="The volume of a cell, and the logarithm outside the mean.",
    )
    check.close("error", answer[1], expected[1], hint="Pair the images.")

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 6.8 ★★ — Three are better than one
# Train two more MADEs with other seeds and mix the three with equal weights, as in exercise 6.5. Return the mixture's
# nats for each of the 200 *validation* digits. The target: on average at least half a nat fewer than
# `models["MADE"]` needs alone.
#
# **Hint.** `new_models(seed)["MADE"]` and `train(model, *recipes["MADE"], seed=seed)`; `model.log_prob(x_valid)`.
#
# **Hint.** The mixture's logarithm is `np.logaddexp.reduce` over the models, minus $\ln3$.


# %% tags=["exercise"]
def mixture_of_three():
    ### BEGIN SOLUTION
    members = [models["MADE"]]
    for seed in (1, 2):
        members.append(new_models(seed)["MADE"])
        train(members[-1], *recipes["MADE"], seed=seed)
    log_probs = [np.asarray(made.log_prob(x_valid)) for made in members]
    return np.log(3) - np.logaddexp.reduce(log_probs, axis=0)
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.8") as check:
    answer = mixture_of_three()
    alone = -np.asarray(models["MADE"].log_prob(x_valid))
    check.true(
        "never worse than a member by more than ln 3",
        ... if answer is None else answer <= alone + np.log(3) + 1e-3,
    )
    check.true(
        "half a nat fewer than one MADE",
        ... if answer is None else np.mean(answer) < alone.mean() - 0.5,
        hint="Three different seeds? The logarithm of the mean?",
    )

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 6.9 ★★★ — Does a model know what it has not seen?
# A low probability seems to say: this is no digit. Measure it. Return the mean nats that PixelCNN needs for the test
# digits with black and white exchanged, $1-x$, and the nats for one blank image, all entries 0. Would a threshold on
# $-\ln P(x)$ find either of them?
#
# **Hint.** `models["PixelCNN"].log_prob` takes images of shape `(n, 8, 8)`.


# %% tags=["exercise"]
def strange_images():
    ### BEGIN SOLUTION
    # An image may cost few nats and yet resemble no digit: one point, or a
    # few, can be likelier than each digit, and rare all the same. Nalisnick
    # et al. (2019, arXiv:1810.09136) found flows, VAEs and PixelCNNs that
    # give images of another data set more probability than their own. How
    # to tell strangeness from likelihood is open; ratios of two models and
    # tests for typical values help in some cases, in none always.
    model = models["PixelCNN"]
    inverse = -model.log_prob(1 - images_test).mean()
    return float(inverse), float(-model.log_prob(np.zeros((1, 8, 8)))[0])
    ### END SOLUTION


# %% tags=["check"]
with exercise("6.9") as check:
    answer = strange_images() or (None, None)
    model, blank = models["PixelCNN"], np.zeros((1, 8, 8))
    inverse = -np.asarray(model.log_prob(1 - images_test)).mean()
    check.close("exchanged", answer[0], inverse, rtol=1e-4)
    check.close(
        "blank", answer[1], -float(model.log_prob(blank)[0]), rtol=1e-4
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
# - E. Nalisnick et al., *Do Deep Generative Models Know What They Don't Know?*, ICLR 2019, arXiv:1810.09136.
# - L. Ma: *Datumorphism*, "Generative Models", 2021: the pages that this course follows.
# - Digits: E. Alpaydin, C. Kaynak: *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998.

# %% [markdown]
# ## Next
#
# This is the last chapter. From here: take data of your own, begin with independent entries, and put one model of each
# family on this yardstick.
