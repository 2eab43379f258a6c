# %% [markdown] tags=["frame"]
# # 5a · The bits are real
#
# Chapter 5 read its loss as a length in bits. Here the bits go into a file, and the file is weighed.
#
# **After this chapter you can**
# - turn probabilities into bits with an arithmetic coder, by hand and with a library;
# - write images to a file of the length that an autoregressive model promises, and read them back;
# - say why a latent variable costs more than the bound, and get the surplus back with bits-back coding;
# - keep the account of a stack of bits, step by step, down to the bits that must lie there first;
# - tell what makes a file unreadable: a model that looks ahead, another model, damage;
# - shorten the file by a network that knows which pixels are neighbours.
#
# **You need** chapter 2 (the chain rule, MADE), chapter 4a (convolutions) and chapter 5 (the bound, its two readings).
# **Time:** about an hour; the code itself runs in under a minute on two cores.

# %%
import gzip
import io
from fractions import Fraction

import constriction
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from PIL import Image

from course_lib import data, notebook
from course_lib.autoregressive import Made, negative_log_likelihood
from course_lib.coding import CodingError, GaussianGrid, code_of, compress, decompress
from course_lib.exercises import exercise
from course_lib.explorers.scenes.bits_back_steps import bits_back_steps_explorer
from course_lib.figures.images import image_grid
from course_lib.figures.style import BLUE, GREEN, GREY, INK, ORANGE, RED
from course_lib.probability import mean_and_error
from course_lib.training import fit
from course_lib.vae import ConvolutionalVae, Vae, negative_elbo

notebook.start()

# %% [markdown]
# ## 5a.1 A message is an interval
#
# Give every symbol a piece of $[0,1)$ as wide as its probability. The first symbol picks a piece; the next one picks a piece
# of that piece. After $x_1,\dots,x_n$ an interval of width
#
# $$w=\prod_{t=1}^{n}p(x_t\mid x_{<t})=p(x)$$
#
# is left.

# %% tags=["nbval-check-output"]
p = {"a": Fraction(1, 2), "b": Fraction(1, 3), "c": Fraction(1, 6)}
start = {"a": Fraction(0), "b": Fraction(1, 2), "c": Fraction(5, 6)}  # where each piece begins
low, width = Fraction(0), Fraction(1)
for symbol in "abac":
    low, width = low + width * start[symbol], width * p[symbol]
    print(f"{symbol}: interval from {float(low):.4f}, width {width} = 2^-{-np.log2(float(width)):.2f}")

# %% [markdown]
# Any number inside names the message. A binary fraction of $k$ digits stands for the $2^{-k}$ that begins with it. It fits
# if $2^{-k}$ is small enough:
#
# $$k\le\lceil-\log_2p(x)\rceil+1.$$
#
# **Predict:** how many bits will `abac` take?


# %% tags=["nbval-check-output"]
def shortest_bits(low, width):
    k = 0
    while True:
        number = -(-low * 2**k // 1)  # the first multiple of 2^-k that is not below low
        if Fraction(number + 1, 2**k) <= low + width:
            return f"{int(number):0{k}b}" if k else ""
        k += 1


bits = shortest_bits(low, width)
print(f"abac -> {bits}: {len(bits)} bits, -log2 p = {-np.log2(float(width)):.2f}")

# %% [markdown]
# The decoder asks, again and again, in whose piece the number lies.


# %% tags=["nbval-check-output"]
def decode(bits, count):
    value, message = Fraction(int(bits, 2), 2 ** len(bits)), ""
    for _ in range(count):
        symbol = max((s for s in p if start[s] <= value), key=lambda s: start[s])
        value = (value - start[symbol]) / p[symbol]
        message += symbol
    return message


print(decode(bits, 4))

# %% [markdown]
# The rounding is paid once a *message*, not once a symbol. A **range coder** does the same with integers of fixed size.
#
# **Predict:** 10,000 symbols: how far from $-\log_2p$ will the library's coder be?

# %% tags=["nbval-check-output"]
probabilities = np.array([1 / 2, 1 / 3, 1 / 6])
message = np.random.default_rng(0).choice(3, 10_000, p=probabilities).astype(np.int32)
coder = constriction.stream.queue.RangeEncoder()
coder.encode(message, constriction.stream.model.Categorical(probabilities, perfect=False))
ideal = -np.log2(probabilities[message]).sum()
print(f"-log2 p {ideal:.0f} bits, range coder {coder.num_bits()} bits, one bit code word each (0, 10, 11): ", end="")
print(f"{np.array([1, 2, 2])[message].sum()} bits")

# %% [markdown]
# ## 5a.2 An autoregressive model is a code
#
# It gives exactly what the coder asks for: $p(x_t\mid x_{<t})$, in an order that the decoder can follow. Our images:
# scikit-learn's digits, 8×8 pixels, ink where the grey exceeds one half. Train on 1,297; keep 500 for the files.

# %% alt="Forty binary digits of eight by eight pixels, coarse but mostly readable."
digits = data.digits_8x8()
train = np.asarray(data.binarize(data.flatten(digits.train.images)))
kept_back = np.concatenate([digits.test.images, digits.valid.images])
test = np.asarray(data.binarize(data.flatten(kept_back)))
fig = image_grid(test[:40].reshape(-1, 8, 8), 20)

# %%
made = Made(64, [100], rngs=nnx.Rngs(0))
adam = optax.adam(3e-3)
fit(made, negative_log_likelihood, train, key=jax.random.key(0), epochs=60, optimizer=adam, progress=False)
promise = -float(made.log_prob(test).sum()) / np.log(2)
print(f"{len(test)} images, -log2 p(x): {promise / len(test):.2f} bits an image")

# %% [markdown]
# `compress` hands each conditional to the range coder. `decompress` finds a pixel, feeds it to the model, asks for the next.
#
# **Predict:** by how many percent will the *file*, header and checksums included, exceed the promise?

# %%
file = compress(made, test)
assert np.array_equal(decompress(made, file), test)  # every pixel of every image
code_bytes = code_of(made).encode(test.astype(np.int32)).nbytes
print(f"promise {promise / 8:8.1f} bytes")
print(f"code    {code_bytes:8d} bytes: {8 * code_bytes / promise - 1:+.2%}")
print(f"file    {len(file):8d} bytes: {8 * len(file) / promise - 1:+.2%}, with {len(file) - code_bytes} of header")

# %% [markdown]
# The coder wastes almost nothing. The header is a fixed price: the more images, the less it counts. All 1,797:

# %%
everything = np.concatenate([train, test])
long_file = compress(made, everything)
assert np.array_equal(decompress(made, long_file), everything)
promise_all = -float(made.log_prob(everything).sum()) / np.log(2)
print(f"promise {promise_all / 8:.1f} bytes, file {len(long_file)} bytes: {8 * len(long_file) / promise_all - 1:+.2%}")

# %% [markdown]
# Formats that know no digits, beside it. All 500 images in one file each: a favour to them.


# %%
def saved(picture, **settings):
    buffer = io.BytesIO()
    picture.save(buffer, **settings)
    back = np.asarray(Image.open(buffer).convert("L")) > 0
    assert np.array_equal(back, test.reshape(-1, 8) > 0)
    return buffer.tell()


raw = np.packbits(test.astype(bool)).tobytes()
assert gzip.decompress(gzip.compress(raw, 9)) == raw
sheet = Image.fromarray(test.reshape(-1, 8).astype(bool))
sizes = {"raw, 1 bit a pixel": len(raw), "gzip": len(gzip.compress(raw, 9))}
sizes["PNG"] = saved(sheet, format="PNG", optimize=True)
sizes["WebP, lossless"] = saved(sheet.convert("RGB"), format="WEBP", lossless=True, quality=100, exact=True)
sizes["MADE"] = len(file)
for name, size in sizes.items():
    print(f"{name:20}{8 * size / len(test):7.2f} bits an image")

# %% [markdown]
# The parameters of the model are not in the file: sender and receiver must share them, as they share a program.
#
# ### What goes wrong: a model that looks ahead
#
# Take the masks away. Each conditional may see the pixels to come, even its own. The loss falls.
#
# **Predict:** will the file be shorter? Can it be read?

# %%
leaky = Made(64, [100], rngs=nnx.Rngs(0))
for layer in leaky.layers:
    layer.mask[...] = jnp.ones_like(layer.mask[...])
fit(leaky, negative_log_likelihood, train, key=jax.random.key(0), epochs=10, progress=False)
short = compress(leaky, test)
print(f"{8 * len(short) / len(test):.2f} bits an image")
try:
    decompress(leaky, short)
except CodingError as error:
    print(error)

# %% [markdown]
# Short, and worthless: the decoder does not have what the encoder looked at. **A file that comes back is a proof** that a
# model keeps its order; a low loss is not.
#
# ## 5a.3 What a bad file says
#
# Header and file carry checksums, and the fingerprint of the model.

# %%
damaged = bytearray(file)
damaged[len(file) // 2] ^= 1  # one bit
cases = {"foreign": b"\x89PNG" + file[4:], "truncated": file[:-100], "damaged": bytes(damaged)}
for name, content in cases.items():
    try:
        decompress(made, content)
    except CodingError as error:
        print(f"{name}: {error}")

# %% [markdown]
# ### What goes wrong: not quite the same numbers
#
# A range decoder needs the encoder's probabilities to the last bit. The sum inside a network depends on how its terms are
# grouped, so another batch size may round otherwise. That is why the file records the batch size.

# %%
logits = jax.jit(made.conditional_logits)
whole = np.asarray(logits(test))
for size in (1, 7, 128):
    part = np.asarray(logits(test[:size]))
    print(f"batch of {size:3} against 500: largest difference {np.abs(part - whole[:size]).max():.1e}")
other = Made(64, [100], rngs=nnx.Rngs(1))
try:
    decompress(other, file)
except CodingError as error:
    print(error)

# %% [markdown]
# ## 5a.4 A latent variable costs too much
#
# A VAE has no $p(x_t\mid x_{<t})$. It has $p(z)$ and $p(x\mid z)$. So: draw $z\sim q(z\mid x)$, send $z$, then $x$.

# %%
vae = Vae(64, [100], 8, rngs=nnx.Rngs(0))
fit(vae, negative_elbo, train, key=jax.random.key(0), epochs=100, optimizer=optax.adam(2e-3), progress=False)
bound = -float(vae.elbo(jax.random.key(1), test, 50).mean()) / np.log(2)
print(f"-ELBO: {bound:.2f} bits an image")

# %% [markdown] tags=["derivation"]
# $z$ is a real number. Put it on a grid of step $\delta$: a cell has prior probability about $p(z)\,\delta^k$, for $k$ latents.
# The sender spends
#
# $$-\log_2p(x\mid z)-\log_2p(z)-k\log_2\delta.$$
#
# Its mean over $q$ is
#
# $$-\mathcal L+H_\delta(q),\qquad H_\delta(q)=-\mathbb E_q\log_2q(z\mid x)-k\log_2\delta,$$
#
# with $\mathcal L$ in bits: the bound **plus the entropy of $q$**. A finer grid makes it worse without end. But which $z$
# inside $q$ was sent is of no interest to the receiver. Those $H_\delta(q)$ bits carry a choice that nobody asked for.

# %% [markdown]
# Measure it. A stack of bits has two operations: *push* a symbol with its probability (the stack grows by $-\log_2p$), and
# *pop* one (it shrinks by as much). Step $2^{-9}$ first.

# %%
grid = GaussianGrid(-8.0, 2.0**-9, 2**13)
bernoulli = constriction.stream.model.Bernoulli(perfect=False)
origin, unit = np.zeros(8), np.ones(8)
ink = jax.jit(vae.decode_mean)
means, log_sigmas = map(np.asarray, vae.encode(test))
symbols = test.astype(np.int32)


def push_x_and_z(coder, x, z, grid):
    coder.encode_reverse(x, bernoulli, np.asarray(ink(grid.points(z).astype(np.float32))))
    after_x = coder.num_valid_bits()
    grid.push(coder, z, origin, unit)
    return after_x, coder.num_valid_bits()


# %% [markdown]
# **Predict:** $q$ has eight latents, a few hundred cells wide each. How many bits too many?

# %%
rng, coder = np.random.default_rng(0), constriction.stream.stack.AnsCoder()
for x, mean, log_sigma in zip(symbols, means, log_sigmas, strict=True):
    z = np.round((mean + np.exp(log_sigma) * rng.normal(size=8) - grid.low) / grid.step).astype(np.int32)
    push_x_and_z(coder, x, z, grid)
naive = coder.num_valid_bits() / len(test)
entropy = (log_sigmas / np.log(2) + 0.5 * np.log2(2 * np.pi * np.e) + 9).sum(axis=1).mean()
print(f"z, then x: measured {naive:.2f} bits an image; -ELBO + H(q) = {bound + entropy:.2f}")

# %% [markdown]
# More than the 64 raw bits.
#
# ## 5a.5 Three steps for one digit
#
# Let the choice of $z$ carry something: bits that are already on the stack. *Popping* with $q$ turns random bits into a draw
# from $q$. The receiver pushes $z$ with the same $q$ and has those bits back.

# %% [markdown] tags=["derivation"]
# | sender | the stack grows by | receiver, backwards |
# |---|---|---|
# | 1. pop $z$ with $q(z\mid x)$ | $+\log_2q(z\mid x)+k\log_2\delta$ | 3. push $z$ with $q(z\mid x)$ |
# | 2. push $x$ with $p(x\mid z)$ | $-\log_2p(x\mid z)$ | 2. pop $x$ with $p(x\mid z)$ |
# | 3. push $z$ with $p(z)$ | $-\log_2p(z)-k\log_2\delta$ | 1. pop $z$ with $p(z)$ |
#
# The step $\delta$ cancels. The sum is $\log_2\frac{q(z\mid x)}{p(x,z)}$, and its mean over $q$ is $-\mathcal L$ in bits. That is **bits-back
# coding**.


# %%
def put(coder, i, grid):
    before = coder.num_valid_bits()
    z = grid.pop_near(coder, means[i], np.exp(log_sigmas[i]))
    after_z = coder.num_valid_bits()
    return [before, after_z, *push_x_and_z(coder, symbols[i], z, grid)], z


first_bits = np.random.default_rng(0).integers(0, 2**32, 6, dtype=np.uint32)  # 192 random bits
coder = constriction.stream.stack.AnsCoder(first_bits, seal=True)
steps, latents = zip(*[put(coder, i, grid) for i in range(len(test))], strict=True)
steps = np.array(steps)
for name, bits_there in zip(("before", "pop z", "push x", "push z"), steps[0], strict=True):
    print(f"{name:8}{bits_there:5} bits on the stack")

# %% [markdown]
# **Predict, then move:** (1) Which step makes the stack shorter, and why by so much? (2) Which digit costs most: at which
# step? (3) Can the three steps together make the stack *shorter*?

# %%
some = np.asarray(ink(grid.points(np.stack(latents[:8])).astype(np.float32)))
bits_back_steps_explorer(test[:8].reshape(-1, 8, 8), some.reshape(-1, 8, 8), steps[:8])

# %% [markdown]
# Popping borrows about as many bits as pushing $z$ pays. What stays is $x$, and what $q$ differs from the prior.

# %% tags=["cover"] alt="Bits on the stack over the first eight digits as a jagged line: for each digit it falls by dozens of bits as z is taken off, rises as x is put on, and rises further as z is put on. A straight dashed line with the slope of minus the ELBO runs along its ends."
fig, ax = plt.subplots(figsize=(7.4, 3.2))
for i in range(8):
    at = i + np.array([0, 1, 2, 3]) / 3
    for j, (colour, name) in enumerate(((BLUE, "pop z"), (RED, "push x"), (GREEN, "push z"))):
        ax.plot(at[j : j + 2], steps[i, j : j + 2], color=colour, lw=2.2, label=name if i == 0 else None)
ax.plot([0, 8], steps[0, 0] + np.array([0, 8 * bound]), "--", color=INK, lw=1, label="slope −ELBO")
ax.set(xlabel="digits on the stack", ylabel="bits", ylim=(0, None))
_ = ax.legend(ncols=2)

# %% [markdown]
# ## 5a.6 The whole file
#
# **Predict:** over 500 images, how near does the mean come to $-\mathcal L$?

# %%
net = np.diff([*steps[:, 0], steps[-1, -1]])
per_image, error = mean_and_error(net)
print(f"bits back {per_image:.2f} ± {error:.2f} bits an image; -ELBO {bound:.2f}; without bits back {naive:.2f}")
file_vae = compress(vae, test)
for name, images in {"500 kept back": test, "all 1,797": everything}.items():
    long_file = compress(vae, images)
    assert np.array_equal(decompress(vae, long_file), images)
    expected = -float(vae.elbo(jax.random.key(1), images, 50).sum()) / np.log(2)
    print(f"{name:14}file {len(long_file)} bytes: {8 * len(long_file) / expected - 1:+.2%} against -ELBO")

# %% [markdown]
# What exceeds is the header and the **first bits**: fixed prices again. The first image needs bits to choose its $z$ from. There is none before it, so random bits lie on the stack. All later
# images use what the earlier ones left.

# %%
code = code_of(vae)
words, report = code.encode_with_report(symbols)
images, under = code.decode_with_clean(words, len(test))
assert np.array_equal(images, symbols)
print(f"first bits {report.initial_bits}, of them ever taken off {report.needed_bits}")
print(f"they came back: {np.array_equal(under, np.random.default_rng(0).integers(0, 2**32, 6, dtype=np.uint32))}")
for n in (1, 10, 100, 500):
    print(f"{n:4} images: {report.length_bits[n] / n:7.2f} bits an image, first bits included")

# %% [markdown]
# For one image the first bits are most of the file. They are not lost: they may be bits of another file.

# %% alt="Bars of bits per image for seven codes of the same 500 digits. Raw 64. WebP, PNG and gzip lie between raw and the models. The VAE with bits back and MADE are the shortest; a thin line on each marks what the model promised, and the bars end there. Without bits back the VAE is the longest of all."
sizes_of_vae = {
    "VAE, bits back": len(file_vae),
    "VAE, z then x": naive * len(test) / 8,
}
all_sizes = sizes | sizes_of_vae
order = sorted(all_sizes, key=all_sizes.get)
fig, ax = plt.subplots(figsize=(7, 3))
shown = [8 * all_sizes[name] / len(test) for name in order]
colours = [ORANGE if "VAE" in name else RED if name == "MADE" else GREY for name in order]
drawn = ax.barh(order, shown, color=colours, alpha=0.6)
ax.bar_label(drawn, fmt="%.1f", padding=3)
for name, promised in {"MADE": promise / len(test), "VAE, bits back": bound, "VAE, z then x": bound + entropy}.items():
    ax.plot([promised, promised], order.index(name) + np.array([-0.4, 0.4]), color=INK, lw=2)
_ = ax.set(xlabel="bits an image (black: what the model promises)", xlim=(0, 1.1 * max(shown)))

# %% [markdown]
# So the penalty $\mathrm{KL}(q\,\|\,p(z\mid x))$ of chapter 5 is real, too: with the true posterior in place of $q$, the same
# three steps would cost $-\log_2p(x)$. We can estimate what is lost.

# %%
log_p = float(vae.iwae(jax.random.key(2), test, 500).mean()) / np.log(2)
print(f"-log2 p(x), estimated with 500 draws: {-log_p:.2f} bits; paid {net.mean():.2f}")

# %% [markdown]
# ### What goes wrong: a grid that is too coarse
#
# The step cancels only while a cell is narrow against $q$.
#
# **Predict:** from which step on does the file grow, if $\sigma$ of $q$ is as the first line says?

# %%
print(f"σ of q: half of them between {' and '.join(f'{s:.2f}' for s in np.exp(np.quantile(log_sigmas, [0.25, 0.75])))}")
for exponent in (9, 4, 2, 1, 0, -1, -2):
    rough = GaussianGrid(-8.0, 2.0**-exponent, 2 ** (4 + exponent))
    coder = constriction.stream.stack.AnsCoder(first_bits, seal=True)
    lengths = [coder.num_valid_bits()] + [put(coder, i, rough)[0][-1] for i in range(len(test))]
    print(f"step {rough.step:7.4f}: {(lengths[-1] - lengths[0]) / len(test):6.2f} bits an image")

# %% [markdown]
# The first rows differ by the luck of the draws. When a cell is several times as wide as $q$, almost always the same cell is
# popped: $z$ says less than $q$ knows. The file still comes back; it is only longer.

# %% [markdown]
# ## 5a.7 Another network, a shorter file
#
# Larger images, 28 × 28 pixels: 4,000 to train, 600 to test.

# %% alt="Twenty binary handwritten digits of 28 by 28 pixels, clearly readable."
larger = data.mnist_5k()
parts = (larger.train, larger.valid, larger.test)
train_28, valid_28, test_28 = (np.asarray(data.flatten(data.binarize(part.images))) for part in parts)
fig = image_grid(test_28[:20].reshape(-1, 28, 28), 10)

# %% [markdown]
# A dense layer does not know which pixels are neighbours. Shuffle the pixels of all images in the same way: it learns just
# as well. The convolutions of chapter 4a do know. `ConvolutionalVae` has them on both sides of $z$. The loss and the code
# stay as they are.

# %%
networks = {
    "dense": (Vae(784, [128], 12, rngs=nnx.Rngs(0)), 25, 4e-3),
    "convolutional": (ConvolutionalVae((28, 28), (8, 16), 12, rngs=nnx.Rngs(0)), 14, 1.2e-2),
}
for name, (model, *_) in networks.items():
    count = sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param)))
    print(f"{name:14}{count:8,} parameters")

# %% [markdown]
# **Predict:** one network has six times as many parameters as the other. Whose file of test images will be shorter?

# %% again="it trains the same networks further"
weighed = {"gzip": len(gzip.compress(np.packbits(test_28.astype(bool)).tobytes(), 9))}
for name, (model, epochs, rate) in networks.items():
    settings = {"key": jax.random.key(2), "optimizer": optax.adam(rate), "validation": valid_28, "progress": False}
    history = fit(model, negative_elbo, train_28, epochs=epochs, **settings)
    print(f"{name:14}-ELBO: {history}")
    file_28 = compress(model, test_28)
    assert np.array_equal(decompress(model, file_28), test_28)
    weighed[name] = len(file_28)
for name, size in weighed.items():
    print(f"{name:14}{size / len(test_28):6.1f} bytes an image in the file")

# %% [markdown]
# The smaller network wins on new images. The dense one has to learn for every place anew what a stroke looks like, and
# 4,000 images are few for that: its bound is much better on those than on the validation images.
#
# ## Summary

# %% [markdown] tags=["box"]
# - A message is an interval of width $p(x)$; naming a number in it takes $-\log_2p(x)$ bits, up to two for the whole message.
# - An autoregressive model hands its conditionals to a range coder: the file is as long as $-\log_2p(x)$, and it comes back.
# - Both sides must compute the same numbers to the last bit. A model that looks ahead cannot be decoded.
# - Sending $z$ and then $x$ costs $-\mathcal L+H_\delta(q)$. Bits back pops $z$ from the stack and saves $H_\delta(q)$: $-\mathcal L$ is left.
# - The first image needs first bits; they come back at the end.
# - The code is the same for every network. A network that fits images gives a shorter file.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 5a.1 — Width to bits
# Return the ideal length in bits of a message whose symbols have probabilities `p` (an array).


# %% tags=["exercise"]
def ideal_bits(p):
    ### BEGIN SOLUTION
    return -np.log2(p).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.1") as check:
    check.close("three fair coins", ideal_bits(np.array([0.5, 0.5, 0.5])), 3.0)
    check.close("no underflow", ideal_bits(np.full(5000, 0.5)), 5000.0, hint="Add logarithms; do not multiply.")

# %% [markdown] tags=["exercise"]
# ### Exercise 5a.2 — The interval
# Return `(low, width)` for a list of symbols 0, 1, … with fixed probabilities `p` (a list of fractions).


# %% tags=["exercise"]
def interval(message, p):
    ### BEGIN SOLUTION
    low, width = Fraction(0), Fraction(1)
    for s in message:
        low, width = low + width * sum(p[:s], Fraction(0)), width * p[s]
    return low, width
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.2") as check:
    thirds = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]
    answer = interval([0, 1, 0, 2], thirds)
    mine = None if answer is None else [float(v) for v in answer]
    check.close("abac, as in section 5a.1", mine, [float(low), float(width)], hint="Move low before you narrow width.")
    whole_line = interval([], thirds)
    check.close("no symbol: all of [0, 1)", None if whole_line is None else [float(v) for v in whole_line], [0.0, 1.0])

# %% [markdown] tags=["exercise"]
# ### Exercise 5a.3 — What bits back gives back
# Return the entropy in bits of $q$ on a grid of step `step`, from `log_sigma` of shape `(n, k)`: one number for each row.


# %% tags=["exercise"]
def entropy_on_grid(log_sigma, step):
    ### BEGIN SOLUTION
    return (log_sigma / np.log(2) + 0.5 * np.log2(2 * np.pi * np.e) - np.log2(step)).sum(axis=-1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.3") as check:
    found = entropy_on_grid(log_sigmas, 2.0**-9)
    check.close(
        "section 5a.4", None if found is None else found.mean(), entropy, hint="½ log₂ 2πe σ², less log₂ of the step."
    )
    halved = entropy_on_grid(np.zeros((1, 3)), 0.5)
    finer = entropy_on_grid(np.zeros((1, 3)), 0.25)
    gain = None if finer is None or halved is None else finer - halved
    check.close("half the step: one bit a latent", gain, [3.0])

# %% [markdown] tags=["exercise"]
# ### Exercise 5a.4 — When is it worth it?
# A file has `first` bits that must lie there first, and each image adds `net` bits. Return the smallest number of images for which
# the file, first bits included, is shorter than `raw` bits an image (`net` < `raw`).


# %% tags=["exercise"]
def images_needed(first, net, raw):
    ### BEGIN SOLUTION
    return int(first // (raw - net)) + 1
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.4") as check:
    check.close("192 first bits, 40 against 64", images_needed(192, 40, 64), 9, hint="n·net + first < n·raw, strictly.")
    check.close("no first bits", images_needed(0, 40, 64), 1)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - J. Townsend, T. Bird, D. Barber, *Practical Lossless Compression with Latent Variables using Bits Back Coding*, 2019,
#   arXiv:1901.04866.
# - J. Ho, E. Lohn, P. Abbeel, *Compression with Flows via Local Bits-Back Coding*, 2019, arXiv:1905.08500.
# - C. Doersch, *Tutorial on Variational Autoencoders*, 2016, arXiv:1606.05908: the loss as a length.
# - I. H. Witten, R. M. Neal, J. G. Cleary, "Arithmetic Coding for Data Compression", *Communications of the ACM* 30, 1987.
# - R. Bamler, *Understanding Entropy Coding With Asymmetric Numeral Systems (ANS): a Statistician's Perspective*, 2022,
#   arXiv:2201.01741: by the author of the package **constriction**, whose range coder and stack of bits we use.
#
# ## Next
#
# The bound is now a file. Chapter 5b makes it tighter: more draws, a better posterior.
