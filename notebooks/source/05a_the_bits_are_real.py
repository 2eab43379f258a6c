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
# **Time:** an hour and a half with the exercises; the code itself runs in under a minute on two cores.

# %%
from fractions import Fraction

import constriction
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx

from course_lib import data, notebook
from course_lib.autoregressive import Made, negative_log_likelihood
from course_lib.coding import (
    CodingError,
    GaussianGrid,
    code_of,
    compress,
    decompress,
)
from course_lib.exercises import exercise
from course_lib.explorers.scenes.bits_back_steps import (
    bits_back_steps_explorer,
)
from course_lib.figures.images import image_grid
from course_lib.figures.style import BLUE, GREEN, GREY, INK, ORANGE, RED
from course_lib.probability import mean_and_error
from course_lib.training import fit
from course_lib.vae import ConvolutionalVae, Vae, negative_elbo

notebook.start()

# %% [markdown]
# ## 5a.1 A message is an interval
#
# A likelihood promises a length: $-\log_2p(x)$ bits. How can a file keep such a promise, when a bit cannot be cut?
#
# Give every symbol a piece of $[0,1)$ as wide as its probability. The first symbol picks a piece; the next one picks
# a piece of that piece. After $x_1,\dots,x_n$ an interval of width
#
# $$w=\prod_{t=1}^{n}p(x_t\mid x_{<t})=p(x)$$
#
# is left.

# %% tags=["nbval-check-output"]
p = {"a": Fraction(1, 2), "b": Fraction(1, 3), "c": Fraction(1, 6)}
start = {"a": Fraction(0), "b": Fraction(1, 2), "c": Fraction(5, 6)}
low, width = Fraction(0), Fraction(1)
for symbol in "abac":
    low, width = low + width * start[symbol], width * p[symbol]
    length = -np.log2(float(width))
    print(f"{symbol}: from {float(low):.4f}, width {width} = 2^-{length:.2f}")

# %% [markdown]
# Any number inside names the message. A binary fraction of $m$ digits stands for all numbers that begin with it, an
# interval of width $2^{-m}$. The shortest one that fits into the interval of the message has
#
# $$m\le\lceil-\log_2p(x)\rceil+1$$
#
# digits: an interval of width $w$ holds a whole cell of every grid that is finer than $w/2$.
#
# **Predict:** how many bits will `abac` take?


# %% tags=["nbval-check-output"]
def shortest_bits(low, width):
    m = 0
    while True:
        number = -(-low * 2**m // 1)  # the first cell not below low
        if Fraction(number + 1, 2**m) <= low + width:
            return f"{int(number):0{m}b}" if m else ""
        m += 1


bits = shortest_bits(low, width)
print(f"abac -> {bits}: {len(bits)} bits; -log2 p = {length:.2f}")

# %% [markdown]
# **Answer.** Seven bits. The promise is a little over six, and whole digits cost the rest.
#
# The decoder asks, again and again, in whose piece the number lies.


# %% tags=["nbval-check-output"]
def decode(bits, count):
    value, message = Fraction(int(bits, 2), 2 ** len(bits)), ""
    for _ in range(count):
        symbol = max(s for s in p if start[s] <= value)
        value = (value - start[symbol]) / p[symbol]
        message += symbol
    return message


print(decode(bits, 4))

# %% [markdown]
# The rounding is paid once a *message*, not once a symbol. Huffman's code (1952) pays it for each symbol: here `a`, `b`
# and `c` are `0`, `10` and `11`. A **range coder** does what we did by hand with integers of fixed size.
#
# **Predict:** for 10,000 symbols, how far from $-\log_2p$ will the range coder be, and how far Huffman's code?

# %% tags=["nbval-check-output"]
probs = np.array([1 / 2, 1 / 3, 1 / 6])
message = np.random.default_rng(0).choice(3, 10_000, p=probs).astype("i4")
categorical = constriction.stream.model.Categorical(probs, perfect=False)
coder = constriction.stream.queue.RangeEncoder()
coder.encode(message, categorical)
print(f"-log2 p      {-np.log2(probs[message]).sum():.0f} bits")
print(f"range coder  {coder.num_bits()} bits")
print(f"Huffman code {np.array([1, 2, 2])[message].sum()} bits")

# %% [markdown]
# **Answer.** The range coder is within a few bits of the promise. Huffman's code loses about three percent, for
# `b` and `c` get two bits each whatever their probabilities.

# %% [markdown] tags=["quiz"]
# **A message has the probability $2^{-20.3}$. How long is the shortest binary fraction that names it?**
#
# - [ ] Exactly $20.3$ bits. :: That is the promise. A file has whole digits.
# - [x] $21$ or $22$ bits. :: Right: at least $\lceil20.3\rceil$, and at most one more.
# - [ ] As many bits as the message has symbols. :: The number of symbols does not matter, only their probabilities.

# %% [markdown] tags=["quiz"]
# **Sender and receiver use the model $p$, but the symbols come from another distribution $r$. What does a symbol cost
# on average?**
#
# - [ ] $H(r)$, the entropy of the source. :: That is the least any code could take. It needs $p=r$.
# - [ ] $H(p)$, the entropy of the model. :: The average is taken over what really comes, which is drawn from $r$.
# - [x] $H(r)+\mathrm{KL}(r\,\|\,p)$. :: Right: $-\mathbb E_r\log_2p$, the cross-entropy. A wrong model costs its
#   divergence from the source.

# %% [markdown]
# ## 5a.2 An autoregressive model is a code
#
# Such a model gives exactly what the coder asks for: $p(x_t\mid x_{<t})$, in an order that the decoder can follow.
#
# Our images are scikit-learn's digits of 8×8 pixels, with ink where the grey exceeds one half. We train on 1,297 and
# keep 500 for the files.

# %% alt="Forty binary digits of eight by eight pixels, coarse but mostly readable." caption="Forty of the 500 images that go into the files. Each takes 64 bits if it is stored pixel by pixel."
digits = data.digits_8x8()
train = np.asarray(data.binarize(data.flatten(digits.train.images)))
kept = np.concatenate([digits.test.images, digits.valid.images])
test = np.asarray(data.binarize(data.flatten(kept)))
print(f"{len(train)} to train on, {len(test)} for the files")
fig = image_grid(test[:40].reshape(-1, 8, 8), 20)


# %%
def trained(model, loss, epochs, rate=1e-3):
    options = {"optimizer": optax.adam(rate), "progress": False}
    fit(model, loss, train, key=jax.random.key(0), epochs=epochs, **options)
    return model


made = Made(64, [100], rngs=nnx.Rngs(0))
made = trained(made, negative_log_likelihood, 60, 3e-3)
promise = -float(made.log_prob(test).sum()) / np.log(2)
print(f"-log2 p(x): {promise / len(test):.2f} bits an image")

# %% [markdown]
# `compress` hands each conditional to the range coder. `decompress` finds a pixel, feeds it to the model, and asks for
# the next conditional.
#
# **Predict:** by how many percent will the *file*, header and checksums included, exceed the promise?

# %%
file = compress(made, test)
assert np.array_equal(decompress(made, file), test)  # every pixel
code_bytes = code_of(made).encode(test.astype(np.int32)).nbytes
print(f"promise {promise / 8:7.1f} bytes")
for name, size in {"code": code_bytes, "file": len(file)}.items():
    print(f"{name:7} {size:7.1f} bytes: {8 * size / promise - 1:+.2%}")

# %% [markdown]
# **Answer.** By a few percent; nearly all of it is the header. The code itself wastes a fraction of a percent.
#
# The header is a fixed price: the more images, the less it counts. Here all 1,797 images are one file.

# %%
everything = np.concatenate([train, test])
long_file = compress(made, everything)
assert np.array_equal(decompress(made, long_file), everything)
promise_all = -float(made.log_prob(everything).sum()) / np.log(2)
print(f"{len(everything)} images, promise {promise_all / 8:.1f} bytes")
over = 8 * len(long_file) / promise_all - 1
print(f"file {len(long_file)} bytes: {over:+.2%}")

# %% [markdown]
# How do formats do that know nothing of digits? They get all 500 images in one file each, which is a favour to them:
# one header for all.


# %%
import io

from PIL import Image


def saved(picture, **settings):
    buffer = io.BytesIO()
    picture.save(buffer, **settings)
    back = np.asarray(Image.open(buffer).convert("L")) > 0
    assert np.array_equal(back, test.reshape(-1, 8) > 0)
    return buffer.tell()


# %%
import gzip

raw = np.packbits(test.astype(bool)).tobytes()
sheet = Image.fromarray(test.reshape(-1, 8).astype(bool))
webp = {"lossless": True, "quality": 100, "exact": True}
sizes = {
    "raw, 1 bit a pixel": len(raw),
    "gzip": len(gzip.compress(raw, 9)),
    "PNG": saved(sheet, format="PNG", optimize=True),
    "WebP, lossless": saved(sheet.convert("RGB"), format="WEBP", **webp),
    "MADE": len(file),
}
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
leaky = trained(leaky, negative_log_likelihood, 10)
short = compress(leaky, test)
print(f"{8 * len(short) / len(test):.2f} bits an image")
try:
    decompress(leaky, short)
except CodingError as error:
    print(error)

# %% [markdown]
# **Answer.** The file is shorter and worthless: the decoder does not have what the encoder looked at. **A file that
# comes back is a proof** that a model keeps its order; a low loss is not.

# %% [markdown] tags=["quiz"]
# **Why are the parameters of the model not counted in the length of the file?**
#
# - [x] Because both sides have the model already, as they have the program. :: Right. Where they do not, the parameters
#   must be sent once, and that pays only for many images.
# - [ ] Because they are small. :: They are larger than the file of 500 images.
# - [ ] Because the fingerprint in the header contains them. :: It only tells whether the receiver's model is the same.

# %% [markdown]
# ## 5a.3 What a bad file says
#
# A file travels, and it may arrive damaged, or meet another model. A coder without checks would then return noise that
# looks like data. So header and code carry checksums, and the header carries a fingerprint of the model.

# %%
damaged = bytearray(file)
damaged[len(file) // 2] ^= 1  # one bit
cases = {"foreign": b"\x89PNG" + file[4:], "truncated": file[:-100]}
for name, content in (cases | {"damaged": bytes(damaged)}).items():
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
    apart = np.abs(np.asarray(logits(test[:size])) - whole[:size]).max()
    print(f"batch of {size:3} against 500: at most {apart:.1e} apart")

# %%
other = Made(64, [100], rngs=nnx.Rngs(1))
try:
    decompress(other, file)
except CodingError as error:
    print(error)

# %% [markdown] tags=["quiz"]
# **The decoder's conditional probabilities differ from the encoder's in the last bit of one pixel. What comes out?**
#
# - [ ] The image with one wrong pixel. :: Each pixel feeds all later conditionals, and the coder's state moves with
#   every symbol.
# - [x] Perhaps the right image, perhaps nonsense from that pixel on. :: Right: the piece that the number lies in may
#   change. From the first wrong symbol on, everything is read with wrong probabilities.
# - [ ] The right image always, for the difference is tiny. :: Only as long as the number does not lie between the two
#   borders. With millions of pixels it will.

# %% [markdown]
# ## 5a.4 A latent variable costs too much
#
# A VAE has no $p(x_t\mid x_{<t})$ to hand to a coder. It has $p(z)$ and $p(x\mid z)$. So the obvious way is to draw
# $z\sim q(z\mid x)$, send $z$, and then send $x$ given $z$. What does that cost?

# %%
vae = trained(Vae(64, [100], 8, rngs=nnx.Rngs(0)), negative_elbo, 100, 2e-3)
draws = jax.random.key(1)
bound = -float(vae.elbo(draws, test, 50).mean()) / np.log(2)
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
# with $\mathcal L$ in bits: the bound **plus the entropy of $q$** on the grid. A finer grid makes it worse without end.
# But which $z$ inside $q$ was sent is of no interest to the receiver. Those $H_\delta(q)$ bits carry a choice that nobody
# asked for.

# %% [markdown]
# We measure it with a stack of bits. It has two operations: *push* a symbol with its probability (the stack grows by
# $-\log_2p$), and *pop* one (it shrinks by as much). Such a coder is called an **asymmetric numeral system**, ANS (Duda,
# 2009). The step is $2^{-9}$ first.

# %%
grid = GaussianGrid(-8.0, 2.0**-9, 2**13)
bernoulli = constriction.stream.model.Bernoulli(perfect=False)
origin, unit = np.zeros(8), np.ones(8)
ink = jax.jit(vae.decode_mean)
means, log_sigmas = map(np.asarray, vae.encode(test))
symbols = test.astype(np.int32)


# %%
def push_x_and_z(coder, x, z, grid):
    of_ink = np.asarray(ink(grid.points(z).astype(np.float32)))
    coder.encode_reverse(x, bernoulli, of_ink)
    after_x = coder.num_valid_bits()
    grid.push(coder, z, origin, unit)
    return after_x, coder.num_valid_bits()


# %% [markdown]
# **Predict:** $q$ has eight latents, a few hundred cells wide each. How many bits too many will each image take?

# %%
rng, coder = np.random.default_rng(0), constriction.stream.stack.AnsCoder()
for x, mean, log_sigma in zip(symbols, means, log_sigmas, strict=True):
    drawn = mean + np.exp(log_sigma) * rng.normal(size=8)
    z = np.round((drawn - grid.low) / grid.step).astype(np.int32)
    push_x_and_z(coder, x, z, grid)
naive = coder.num_valid_bits() / len(test)
entropies = log_sigmas / np.log(2) + 0.5 * np.log2(2 * np.pi * np.e) + 9
entropy = entropies.sum(axis=1).mean()
print(f"z, then x: {naive:.2f} bits an image, measured")
print(f"-ELBO + H(q) = {bound:.2f} + {entropy:.2f} = {bound + entropy:.2f}")

# %% [markdown]
# **Answer.** About ten bits for each latent, some eighty in all: the entropy of $q$ on the grid. The image then takes more
# than its 64 raw bits.
#
# But nobody would send so fine a step. Take the best step for each of two ways: a drawn $z$, and the mean of $q$ rounded
# to a multiple of $\delta$. The lengths are ideal ones, $-\log_2$ of the probabilities.

# %%
from scipy.stats import norm

deltas = np.array([0.125, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3])
noise = np.random.default_rng(1).normal(size=means.shape)
sent = {"drawn z": means + np.exp(log_sigmas) * noise, "rounded mean": means}


def ideal_cost(z, step):
    """Bits of each image: x given z, and z in cells of a given width."""
    z = step * np.round(z / step)
    cell = norm.cdf(-abs(z) + step / 2) - norm.cdf(-abs(z) - step / 2)
    pixels = np.asarray(vae.log_likelihood(test, z.astype(np.float32)))
    return -pixels / np.log(2) - np.log2(cell).sum(axis=1)


# %%
costs, cheapest = {}, {}
for name, z in sent.items():
    costs[name] = np.array([ideal_cost(z, step) for step in deltas])
    best = costs[name].mean(axis=1).argmin()
    cheapest[name] = costs[name][best]
    print(f"{name:13} best step {deltas[best]}: ", end="")
    print(f"{cheapest[name].mean():.2f} bits an image")

# %% alt="Bits an image against the width of a cell, on a logarithmic axis. Both curves fall as cells widen, reach a minimum between widths of one and two, and rise again. The curve of the rounded mean lies below that of the drawn z. A dashed horizontal line, minus the ELBO, lies below both." caption="What one image costs when $z$ is sent in cells of width $\\delta$ and nothing is given back: the mean over the 500 images. Dashed, $-\\mathcal L$."
fig, ax = plt.subplots(figsize=(6, 3))
for (name, cost), colour in zip(costs.items(), (ORANGE, BLUE), strict=True):
    ax.semilogx(deltas, cost.mean(axis=1), "o-", color=colour, label=name)
ax.axhline(bound, color=INK, ls="--", lw=1, label="−ELBO")
ax.set(xlabel="width of a cell $δ$", ylabel="bits an image")
ax.minorticks_off()
ax.set_xticks([1 / 8, 1 / 4, 1 / 2, 1, 2], ["1/8", "1/4", "1/2", "1", "2"])
_ = ax.legend()

# %% [markdown]
# A coarse step makes $z$ cheap and $x$ dear. The rounded mean, at its best step, is the code to beat. The steps are
# chosen on the images that are sent, a favour to both; each image has one draw.

# %% [markdown] tags=["quiz"]
# **The step $\delta$ is halved, from an already fine one. What happens to the cost of "drawn $z$, then $x$"?**
#
# - [ ] It falls, for $x$ is reconstructed better. :: Once a cell is narrow against $q$, the reconstruction hardly changes.
# - [x] It rises by one bit for each latent. :: Right: $-k\log_2\delta$ grows by $k$, and nothing else changes.
# - [ ] It stays, for the step cancels. :: It cancels in bits back, where the choice of the cell is not paid for.

# %% [markdown]
# ## 5a.5 Three steps for one digit
#
# The choice of $z$ tells the receiver nothing. So let it carry something: bits that are already on the stack. *Popping*
# with $q$ turns random bits into a draw from $q$. The receiver pushes $z$ with the same $q$ and has those bits back.

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


# %%
words = np.random.default_rng(0).integers(0, 2**32, 6, dtype=np.uint32)
coder = constriction.stream.stack.AnsCoder(words, seal=True)  # 192 random bits
rows = [put(coder, i, grid) for i in range(len(test))]
steps, latents = np.array([r for r, _ in rows]), np.stack([z for _, z in rows])
names = ("before", "pop z", "push x", "push z")
for name, bits_there in zip(names, steps[0], strict=True):
    print(f"{name:8}{bits_there:5} bits on the stack")

# %% [markdown]
# **Predict, then move:** (1) Which step makes the stack shorter, and why by so much? (2) Which digit costs most: at which
# step? (3) Can the three steps together make the stack *shorter*?

# %% caption="Bits on the stack after each of the three steps, for eight digits and what the decoder makes of their $z$."
some = np.asarray(ink(grid.points(latents[:8]).astype(np.float32)))
shape = (8, 8, 8)
bits_back_steps_explorer(
    test[:8].reshape(shape), some.reshape(shape), steps[:8]
)

# %% [markdown] tags=["answer"]
# (1) The pop: it takes off $H_\delta(q)$ bits, about ten for each of the eight latents. (2) The fifth: its
# push of $x$ takes most, while the steps of $z$ hardly differ between digits. (3) In principle, for one draw: when it is unlikely under $q$ and likely under the prior, the pop takes more than the pushes give. On average
# it cannot, since $-\mathcal L$ is never negative.

# %% [markdown]
# Popping borrows about as many bits as pushing $z$ pays. What stays is $x$, and what $q$ differs from the prior.

# %% tags=["cover"] alt="Bits on the stack over the first eight digits as a jagged line: for each digit it falls by dozens of bits as z is taken off, rises as x is put on, and rises further as z is put on. A straight dashed line with the slope of minus the ELBO runs along its ends." caption="The stack over the first eight digits. Each digit takes $z$ off (blue), puts $x$ on (red) and puts $z$ on (green). The ends follow the dashed line of slope $-\\mathcal L$."
fig, ax = plt.subplots(figsize=(7.4, 3.2))
parts = ((BLUE, "pop z"), (RED, "push x"), (GREEN, "push z"))
for i, row in enumerate(steps[:8]):
    at = i + np.arange(4) / 3
    for j, (colour, name) in enumerate(parts):
        label = name if i == 0 else None
        ax.plot(at[j : j + 2], row[j : j + 2], color=colour, label=label)
ends = steps[0, 0] + np.array([0, 8 * bound])
ax.plot([0, 8], ends, "--", color=INK, lw=1, label="slope −ELBO")
ax.set(xlabel="digits on the stack", ylabel="bits", ylim=(0, None))
_ = ax.legend(ncols=2)

# %% [markdown] tags=["quiz"]
# **Which step does the receiver do first?**
#
# - [ ] Push $z$ with $q(z\mid x)$. :: For that it needs $x$, which still lies on the stack.
# - [ ] Pop $x$ with $p(x\mid z)$. :: For that it needs $z$, which lies on top of $x$.
# - [x] Pop $z$ with $p(z)$. :: Right: a stack gives back last in, first out, and the prior needs nothing else.

# %% [markdown]
# ## 5a.6 The whole file
#
# **Predict:** over 500 images, how near does the mean come to $-\mathcal L$?

# %%
net = np.diff([*steps[:, 0], steps[-1, -1]])
promised = -np.asarray(vae.elbo(draws, test, 50)) / np.log(2)
gap, error = mean_and_error(net - promised)
print(f"bits back {net.mean():.2f} bits an image; -ELBO {bound:.2f}")
print(f"difference, paired by image: {gap:+.2f} ± {error:.2f}")
for name, cost in cheapest.items():
    more, error = mean_and_error(cost - net)
    print(f"{name} at its best step: {more:.2f} ± {error:.2f} bits more")

# %% [markdown]
# **Answer.** To within the error, a tenth of a bit. The error is that of the 500 images; the model is one training. Both
# ways without bits back cost more, even at their best steps.
#
# Now the files themselves.

# %%
file_vae = compress(vae, test)
for name, images in {"500 kept back": test, "all 1,797": everything}.items():
    long_file = compress(vae, images)
    assert np.array_equal(decompress(vae, long_file), images)
    expected = -float(vae.elbo(draws, images, 50).sum()) / np.log(2)
    over = 8 * len(long_file) / expected - 1
    print(f"{name:14}file {len(long_file)} bytes: {over:+.2%} against -ELBO")

# %% [markdown]
# What exceeds is the header and the **first bits** (clean bits, the literature says): fixed prices again. The first
# image needs bits to choose its $z$ from. Nothing comes before it, so random bits lie on the stack. All later images use
# what the earlier ones left.

# %%
code = code_of(vae)
code_words, report = code.encode_with_report(symbols)
images, under = code.decode_with_clean(code_words, len(test))
assert np.array_equal(images, symbols)
print(f"first bits {report.initial_bits}, taken off {report.needed_bits}")
print(f"they came back: {np.array_equal(under, words)}")
for n in (1, 10, 100, 500):
    print(f"{n:4} images: {report.length_bits[n] / n:7.2f} bits an image")

# %% [markdown]
# How many are needed? About what the first *pop* takes, $H_\delta(q)$ of the first image: each halving of $\delta$ adds one
# bit a latent. Who pays? The file does, once, unless those bits are data that must be sent anyway.
#
# For one image the first bits are most of the file. They are not lost: they may be bits of another file.

# %% alt="Bars of bits per image for eight codes of the same 500 digits. The VAE with bits back and MADE are among the shortest; a thin line on each marks what the model promised. Raw, 64 bits, is the longest." caption="The same 500 digits in eight codes. The VAE without bits back is shown at its best step, in ideal lengths without a header; the rest are files. A black line marks what a model promised."
all_sizes = sizes | {"VAE, bits back": len(file_vae)}
all_sizes |= {f"VAE, {n}": c.sum() / 8 for n, c in cheapest.items()}
order = sorted(all_sizes, key=all_sizes.get)
shown = [8 * all_sizes[name] / len(test) for name in order]
kinds = {"VAE": ORANGE, "MADE": RED}
colours = [kinds.get(name.split(",")[0], GREY) for name in order]
fig, ax = plt.subplots(figsize=(7, 3))
ax.bar_label(ax.barh(order, shown, color=colours, alpha=0.6), fmt="%.1f")
kept_promises = {"MADE": promise / len(test), "VAE, bits back": bound}
for name, value in kept_promises.items():
    at = order.index(name)
    ax.plot([value, value], [at - 0.4, at + 0.4], color=INK, lw=2)
ax.set(xlabel="bits an image", xlim=(0, 1.1 * max(shown)))
ax.invert_yaxis()

# %% [markdown]
# So the penalty $\mathrm{KL}(q\,\|\,p(z\mid x))$ of chapter 5 is real, too: with the true posterior in place of $q$, the same
# three steps would cost $-\log_2p(x)$. We can estimate what is lost.

# %%
log_p = float(vae.iwae(jax.random.key(2), test, 500).mean()) / np.log(2)
print(f"-log2 p(x), estimated with 500 draws: {-log_p:.2f} bits")
print(f"paid: {net.mean():.2f} bits")

# %% [markdown]
# ### What goes wrong: a grid that is too coarse
#
# The step cancels only while a cell is narrow against $q$.
#
# **Predict:** from which step on does the file grow, if $\sigma$ of $q$ is as the first line says?

# %%
quarter, three_quarters = np.exp(np.quantile(log_sigmas, [0.25, 0.75]))
print(f"σ of q: half of them from {quarter:.2f} to {three_quarters:.2f}")
for exponent in (9, 4, 2, 1, 0, -1, -2):
    rough = GaussianGrid(-8.0, 2.0**-exponent, 2 ** (4 + exponent))
    coder = constriction.stream.stack.AnsCoder(words, seal=True)
    ends = [put(coder, i, rough)[0][-1] for i in range(len(test))]
    cost = (ends[-1] - steps[0, 0]) / len(test)
    print(f"step {rough.step:7.4f}: {cost:6.2f} bits an image")

# %% [markdown]
# **Answer.** Between steps 1 and 2, where a cell is two to four times as wide as $\sigma$. The rows above differ by the
# luck of the draws. In a wider cell almost always the same one is popped: $z$ says less than $q$ knows. The file still
# comes back; it is only longer.

# %% [markdown] tags=["quiz"]
# **Who pays for the first bits?**
#
# - [ ] Nobody: they come back at the end. :: They come back to the receiver. But they had to be in the file.
# - [ ] Every image, $H_\delta(q)$ bits each. :: Each image borrows them from those before it and gives them back.
# - [x] The file pays them once, unless they are data that must be sent anyway. :: Right. For one image they are most
#   of the file, for 500 they hardly count.

# %% [markdown]
# ## 5a.7 Another network, a shorter file
#
# The code asks nothing of the network but $q(z\mid x)$ and $p(x\mid z)$. So a network that fits images better shortens
# the file at once. We try it on larger images, of 28 × 28 pixels.

# %% alt="Twenty binary handwritten digits of 28 by 28 pixels, clearly readable." caption="Twenty of the 600 test images of 28 × 28 pixels."
larger = data.mnist_5k()
parts = (larger.train, larger.valid, larger.test)
train_28, valid_28, test_28 = (
    np.asarray(data.flatten(data.binarize(part.images))) for part in parts
)
print(f"{len(train_28)} images to train on, {len(test_28)} for the files")
fig = image_grid(test_28[:20].reshape(-1, 28, 28), 10)

# %% [markdown]
# A dense layer does not know which pixels are neighbours: shuffle the pixels of all images in the same way, and it has
# the same problem to solve. The convolutions of chapter 4a do know. `ConvolutionalVae` has them on both sides of $z$.
# The loss and the code stay as they are.

# %%
shape = (28, 28)
dense = Vae(784, [128], 12, rngs=nnx.Rngs(0))
convolutional = ConvolutionalVae(shape, (8, 16), 12, rngs=nnx.Rngs(0))
networks = {  # the model, its epochs, its learning rate
    "dense": (dense, 25, 4e-3),
    "convolutional": (convolutional, 14, 1.2e-2),
}
for name, (model, *_) in networks.items():
    count = sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param)))
    print(f"{name:14}{count:8,} parameters")

# %% [markdown]
# **Predict:** one network has six times as many parameters as the other. Whose file of test images will be shorter?

# %% again="it trains the same networks further"
options = {"validation": valid_28, "progress": False}
for name, (model, epochs, rate) in networks.items():
    options |= {"key": jax.random.key(2), "optimizer": optax.adam(rate)}
    history = fit(model, negative_elbo, train_28, epochs=epochs, **options)
    print(f"{name:14}-ELBO: {history}")

# %%
packed = np.packbits(test_28.astype(bool)).tobytes()
weighed = {"gzip": len(gzip.compress(packed, 9))}
for name, (model, *_) in networks.items():
    file_28 = compress(model, test_28)
    assert np.array_equal(decompress(model, file_28), test_28)
    weighed[name] = len(file_28)
for name, size in weighed.items():
    print(f"{name:14}{size / len(test_28):6.1f} bytes an image in the file")

# %% [markdown]
# **Answer.** The smaller network's. Its loss is lower on the images to train on as well, so overfitting is not the whole
# reason: with these epochs and rates the convolutions also fit better. It is one training of each, with a recipe of its
# own each, so small differences would not count.
#
# ## Summary

# %% [markdown] tags=["box"]
# - A message is an interval of width $p(x)$; naming a number in it takes $-\log_2p(x)$ bits, up to two for the whole message.
# - An autoregressive model hands its conditionals to a range coder: the file is as long as $-\log_2p(x)$, and it comes back.
# - Both sides must compute the same numbers to the last bit. A model that looks ahead cannot be decoded.
# - Sending $z$ and then $x$ costs $-\mathcal L+H_\delta(q)$. Bits back pops $z$ from the stack and saves $H_\delta(q)$: $-\mathcal L$ is left.
# - The first image needs first bits; they come back at the end.
# - The code is the same for every network. A network that fits images gives a shorter file.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 5a.1 ★ — Width to bits
# Return the ideal length in bits of a message whose symbols have probabilities `p` (an array).
#
# **Hint.** The width of the interval is the product of the probabilities. The product of 5,000 of them is 0 in floating
# point.


# %% tags=["exercise"]
def ideal_bits(p):
    ### BEGIN SOLUTION
    return -np.log2(p).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.1") as check:
    check.close("three fair coins", ideal_bits(np.full(3, 0.5)), 3.0)
    check.close(
        "no underflow",
        ideal_bits(np.full(5000, 0.5)),
        5000.0,
        hint="Add logarithms; do not multiply.",
    )

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 5a.2 ★ — When is it worth it?
# A file has `first` bits that must lie there first, and each image adds `net` bits. Return the smallest number of images
# for which the file, first bits included, is shorter than `raw` bits an image (`net` < `raw`).
#
# **Hint.** Which inequality must the number $n$ of images satisfy?
#
# **Hint.** $n\cdot$`net` $+$ `first` $<n\cdot$`raw`, strictly.


# %% tags=["exercise"]
def images_needed(first, net, raw):
    ### BEGIN SOLUTION
    return int(first // (raw - net)) + 1
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.2") as check:
    needed = images_needed(192, 40, 64)
    check.close("192 first bits, 40 against 64", needed, 9, hint="Strictly.")
    check.close("no first bits", images_needed(0, 40, 64), 1)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5a.3 ★ — The interval
# Return `(low, width)` for a list of symbols 0, 1, … with fixed probabilities `p` (a list of fractions).
#
# **Hint.** The piece of symbol $s$ begins at the sum of the probabilities before it.


# %% tags=["exercise"]
def interval(message, p):
    ### BEGIN SOLUTION
    low, width = Fraction(0), Fraction(1)
    for s in message:
        low, width = low + width * sum(p[:s], Fraction(0)), width * p[s]
    return low, width
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.3") as check:
    thirds = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]
    for name, sent_symbols, wanted in (
        ("abac, as in section 5a.1", [0, 1, 0, 2], [low, width]),
        ("no symbol: all of [0, 1)", [], [0, 1]),
    ):
        answer = interval(sent_symbols, thirds)
        mine = None if answer is None else [float(v) for v in answer]
        expected = [float(v) for v in wanted]
        check.close(name, mine, expected, hint="Move low, then narrow width.")

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 5a.4 ★★ — What bits back gives back
# Return the entropy in bits of $q$ on a grid of step `step`, from `log_sigma` of shape `(n, k)`: one number for each row.
#
# **Hint.** A Gaussian's entropy is $\frac12\log_2(2\pi e\,\sigma^2)$ bits for each latent.
#
# **Hint.** A grid of step $\delta$ adds $-\log_2\delta$ for each latent.


# %% tags=["exercise"]
def entropy_on_grid(log_sigma, step):
    ### BEGIN SOLUTION
    gaussian = log_sigma / np.log(2) + 0.5 * np.log2(2 * np.pi * np.e)
    return (gaussian - np.log2(step)).sum(axis=-1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.4") as check:
    found = entropy_on_grid(log_sigmas, 2.0**-9)
    check.close(
        "section 5a.4",
        None if found is None else found.mean(),
        entropy,
        hint="½ log₂ 2πe σ², less log₂ of the step.",
    )
    halved = entropy_on_grid(np.zeros((1, 3)), 0.5)
    finer = entropy_on_grid(np.zeros((1, 3)), 0.25)
    gain = None if finer is None or halved is None else finer - halved
    check.close("half the step: one bit a latent", gain, [3.0])

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 5a.5 ★★ — The price of a wrong model
# Symbols come from a distribution $r$; the coder believes $p$. Derive how many bits a symbol costs beyond the entropy of
# $r$, and show that it is never negative. Return that surplus for two arrays.
#
# **Hint.** A symbol $s$ costs $-\log_2p(s)$ bits and comes with probability $r(s)$.
#
# **Hint.** Subtract $-\sum_sr(s)\log_2r(s)$. Use $\ln a\le a-1$ for the sign.


# %% tags=["exercise"]
def surplus_bits(r, p):
    ### BEGIN SOLUTION
    # Σ r (−log₂ p) − Σ r (−log₂ r) = Σ r log₂(r/p) = KL(r‖p) in bits. And
    # −KL ln 2 = Σ r ln(p/r) ≤ Σ r (p/r − 1) = 0, with equality for p = r only.
    return (r * np.log2(r / p)).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.5") as check:
    believed = np.full(3, 1 / 3)
    model = constriction.stream.model.Categorical(believed, perfect=False)
    coder = constriction.stream.queue.RangeEncoder()
    coder.encode(message, model)
    came = np.bincount(message) / len(message)
    spent = coder.num_bits() / len(message) + (came * np.log2(came)).sum()
    surplus = surplus_bits(came, believed)
    off = None if surplus is None else abs(surplus - spent) < 0.01
    check.true("what the range coder spends beyond the entropy", off)
    check.close("the right model", surplus_bits(came, came), 0.0)

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 5a.6 ★★ — Shorter than the bound
# A colleague computes the ideal net length of bits back in bits, one number an image, at the draws `sent["drawn z"]`.
# The mean is far from $-\mathcal L$. Find the two bugs and write it right.
#
# ```python
# def colleagues_length(z, mean, log_sigma):
#     log_q = norm.logpdf(z, mean, log_sigma).sum(axis=1)
#     log_prior = norm.logpdf(z).sum(axis=1)
#     log_x = np.asarray(vae.log_likelihood(test, z.astype("f4")))
#     return (-log_q - log_prior - log_x) / np.log(2)
# ```
#
# **Hint.** What does `norm.logpdf` want as its third argument?
#
# **Hint.** Popping $z$ with $q$ makes the stack *shorter*. Which sign has $\log_2q$ in the table of section 5a.5?


# %% tags=["exercise"]
def net_length(z, mean, log_sigma):
    ### BEGIN SOLUTION
    log_q = norm.logpdf(z, mean, np.exp(log_sigma)).sum(axis=1)
    log_prior = norm.logpdf(z).sum(axis=1)
    log_x = np.asarray(vae.log_likelihood(test, z.astype("f4")))
    return (log_q - log_prior - log_x) / np.log(2)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.6") as check:
    lengths = net_length(sent["drawn z"], means, log_sigmas)
    shape = None if lengths is None else lengths.shape
    check.close("one number for each image", shape, test.shape[:1])
    near = None
    if lengths is not None:
        gap, error = mean_and_error(lengths - promised)
        near = abs(gap) < 5 * error
    check.true("its mean is -ELBO", near, hint="Width, then sign.")

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 5a.7 ★★★ — A shorter file
# The file of section 5a.2 needs about 27 bits an image. Train a `Made` that promises at most 26 bits an image on the
# same 500 images, and return it. Choose its width, the number of epochs and the rate.
#
# **Hint.** `trained(model, negative_log_likelihood, epochs, rate)` is the function of section 5a.2.
#
# **Hint.** Compare the loss on `train` with that on `test`: is the model of the chapter too small, or trained too short?


# %% tags=["exercise"]
def better_made():
    ### BEGIN SOLUTION
    # The chapter's model was trained too short: both losses still fall.
    wider = Made(64, [200], rngs=nnx.Rngs(0))
    return trained(wider, negative_log_likelihood, 50, 6e-3)
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.7") as check:
    mine = better_made()
    reached = None
    if mine is not None:
        reached = -float(mine.log_prob(test).mean()) / np.log(2)
        print(
            f"{reached:.2f} bits an image; the chapter's {promise / 500:.2f}"
        )
    enough = None if mine is None else reached <= 26
    check.true("at most 26 bits an image", enough, hint="Train longer.")
    there = None
    if mine is not None:
        there = np.array_equal(decompress(mine, compress(mine, test)), test)
    check.true("and the file comes back", there)

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 5a.8 ★★★ — A file of one image
# For one image the first bits are most of the file. How much does a coarser grid help? Return a dictionary: for each
# step in `(2**-9, 2**-5, 2**-2)` the entropy $H_\delta(q)$ in bits of the first image's $q$. Could a code do without
# first bits?
#
# **Hint.** `entropy_on_grid` of exercise 5a.4 gives it, or the formula of section 5a.4; the first row is
# `log_sigmas[:1]`.


# %% tags=["exercise"]
def first_bits_needed():
    ### BEGIN SOLUTION
    # Known: Bit-Swap (Kingma et al., 2019) needs first bits for one layer of
    # a deep model only. Relative entropy coding (Flamich et al., 2020) sends
    # a draw from q itself at about KL(q‖p) bits and needs none, but its time
    # grows exponentially with that KL. No fast way for every q is known.
    gaussian = log_sigmas[0] / np.log(2) + 0.5 * np.log2(2 * np.pi * np.e)
    steps = (2**-9, 2**-5, 2**-2)
    return {step: (gaussian - np.log2(step)).sum() for step in steps}
    ### END SOLUTION


# %% tags=["check"]
with exercise("5a.8") as check:
    answer = first_bits_needed() or {}
    for exponent in (9, 5, 2):
        wanted = entropies[0].sum() - 8 * (9 - exponent)
        name = f"step 2^-{exponent}"
        check.close(name, answer.get(2**-exponent), wanted)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - J. Townsend, T. Bird, D. Barber, *Practical Lossless Compression with Latent Variables using Bits Back Coding*, 2019,
#   arXiv:1901.04866.
# - J. Ho, E. Lohn, P. Abbeel, *Compression with Flows via Local Bits-Back Coding*, 2019, arXiv:1905.08500.
# - C. Doersch, *Tutorial on Variational Autoencoders*, 2016, arXiv:1606.05908: the loss as a length.
# - F. H. Kingma, P. Abbeel, J. Ho, *Bit-Swap: Recursive Bits-Back Coding for Lossless Compression with Hierarchical Latent
#   Variables*, 2019, arXiv:1905.06845.
# - G. Flamich, M. Havasi, J. M. Hernández-Lobato, *Compressing Images by Encoding Their Latent Representations with
#   Relative Entropy Coding*, 2020, arXiv:2010.01185.
# - D. A. Huffman, "A Method for the Construction of Minimum-Redundancy Codes", *Proceedings of the IRE* 40, 1952.
# - J. Duda, *Asymmetric numeral systems*, 2009, arXiv:0902.0271: ANS, the stack of bits.
# - I. H. Witten, R. M. Neal, J. G. Cleary, "Arithmetic Coding for Data Compression", *Communications of the ACM* 30, 1987.
# - R. Bamler, *Understanding Entropy Coding With Asymmetric Numeral Systems (ANS): a Statistician's Perspective*, 2022,
#   arXiv:2201.01741: by the author of the package **constriction**, whose range coder and stack of bits we use.
#
# ## Next
#
# The bound is now a file. Chapter 5b makes it tighter: more draws, a better posterior.
