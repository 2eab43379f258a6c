# %% [markdown] tags=["frame"]
# # 2 · Autoregressive models
#
# An autoregressive model predicts one number at a time, each from those before it. Multiply the predictions, and you
# have the probability of the whole, exactly.
#
# **After this chapter you can**
# - write any joint distribution as a product of conditionals, in any ordering, and check it by enumeration;
# - fit an autoregressive process to a time series, and read AR(1) as a differential equation;
# - train three models of binary digits, from one logistic regression a pixel to NADE and MADE, and compare them in nats;
# - prove that a model does not see what it must predict, and find the leak when it does;
# - draw samples pixel by pixel or of one class, and complete a picture from any of its pixels;
# - combine several orderings into one distribution, and say why averaging logits does not.
#
# **You need** chapter 0 (arrays, `vmap`, `grad`, random keys, one training step) and conditional probabilities.
# **Time:** about two hours; the code itself runs in less than a minute on two cores.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from scipy.special import expit, softmax

import course_lib.figures.autoregressive as figures
from course_lib import data, notebook
from course_lib.autoregressive import (
    Made,
    Nade,
    enumerate_binary,
    exact_conditionals,
    negative_log_likelihood,
)
from course_lib.exercises import exercise
from course_lib.explorers.scenes.generation import generation_explorer
from course_lib.explorers.scenes.masks import mask_explorer
from course_lib.figures.images import image_grid, image_rows
from course_lib.figures.style import BLUE, GREEN, GREY, RED
from course_lib.networks import allowed_dependencies, is_autoregressive, made_degrees, made_masks
from course_lib.probability import bits_per_dim, mean_and_error, nats_to_bits, normal_log_prob
from course_lib.training import fit

notebook.start()

# %% [markdown]
# ## 2.1 The chain rule
#
# An image, a melody, a year of temperatures: each is a list of numbers $x=(x_1,\dots,x_T)$. A generative model must
# give every such list a probability. One rule cuts this task into small ones.

# %% [markdown] tags=["derivation"]
# Conditional probability says $p(a,b)=p(a)\,p(b\mid a)$. Split off $x_1$, then $x_2$, and so on:
#
# $$\begin{aligned}
# p(x_1,\dots,x_T)&=p(\textcolor{#D55E00}{x_1})\;p(x_2,\dots,x_T\mid x_1)\\
# &=p(\textcolor{#D55E00}{x_1})\;p(\textcolor{#D55E00}{x_2}\mid\textcolor{#009E73}{x_1})\;p(x_3,\dots,x_T\mid x_1,x_2)\\
# &=p(\textcolor{#D55E00}{x_1})\;p(\textcolor{#D55E00}{x_2}\mid\textcolor{#009E73}{x_1})\;
# p(\textcolor{#D55E00}{x_3}\mid\textcolor{#009E73}{x_1,x_2})\cdots
# p(\textcolor{#D55E00}{x_T}\mid\textcolor{#009E73}{x_1,\dots,x_{T-1}}).
# \end{aligned}$$
#
# In every factor the **target** is red and its **predecessors**, what it is predicted from, are green. Nothing was
# assumed: the rule holds for every $p$.

# %% alt="Five rows, one for each factor. In row t a red dot is the target x t, green dots left of it are its predecessors, empty dots right of it are not used. Beside it stands the factor: p of x1, times p of x2 given x1, and so on to p of x5 given x1 to x4."
fig = figures.chain_written_out()

# %% [markdown]
# Write $\{x_{<t}\}$ for the predecessors of $x_t$: the values with a smaller index. For $x_5$ they are four.

# %% alt="Four green dots x1 to x4 with a brace below them labelled x less than 5, and an arrow from them to one red dot, x5."
fig = figures.predecessors_to_target()

# %% [markdown] tags=["derivation"]
# In short, and with $\theta$ for the parameters of a model:
#
# $$p_\theta(x)=\prod_{t=1}^{T}p_\theta(\textcolor{#D55E00}{x_t}\mid\textcolor{#009E73}{\{x_{<t}\}}).$$
#
# For $t=1$ the set is empty, and the factor is $p_\theta(x_1)$. The logarithm turns the product into a sum, which is
# what a computer can add without underflow and what we train on:
#
# $$\log p_\theta(x)=\sum_{t=1}^{T}\log p_\theta(\textcolor{#D55E00}{x_t}\mid\textcolor{#009E73}{\{x_{<t}\}}).$$

# %% alt="Three boxes joined by arrows: the joint distribution p of x1 to xT; by the chain rule, the product over t of p of x t given its predecessors; by the logarithm, the sum over t of the log-probabilities."
fig = figures.chain_rule_overview()

# %% [markdown] tags=["box"]
# **Notation.** Three ways to write the same conditional:
#
# | papers | conditional | reading |
# |---|---|---|
# | Uria et al. (NADE) | $p(x_{o_d}\mid\mathbf x_{o_{<d}})$ | $o$ is any ordering of the entries; $o_d$ is the $d$-th to be predicted |
# | Liu et al.; Papamakarios et al. (MAF) | $p(x_t\mid\mathbf x_{1:t-1})$ | a slice of the vector; the ordering is $1,2,\dots,T$ |
# | Germain et al. (MADE) | $p(x_t\mid\mathbf x_{<t})$ | all entries that come before $t$ |
# | this course | $p(x_t\mid\{x_{<t}\})$ | the same, as a set |
#
# Why a set? The predecessors need not be a vector, nor a contiguous piece of one. In an image they are the pixels
# above and to the left; in a shuffled ordering they lie anywhere. Which values are known is all that matters. Where the
# ordering matters, we write it as Uria et al. do.

# %% [markdown]
# Two bits will do for a first check. The table holds $p(x_1,x_2)$: row $x_1$, column $x_2$.
#
# **Predict:** what is $p(x_2=1\mid x_1=1)$?

# %% tags=["nbval-check-output"]
joint = jnp.array([[0.4, 0.1], [0.2, 0.3]])
p_first = joint.sum(axis=1)
p_second_given_first = joint / p_first[:, None]
print("p(x1):", p_first)
print("p(x2 | x1), one row for each x1:", p_second_given_first, sep="\n")
print("their product:", p_first[:, None] * p_second_given_first, sep="\n")

# %% [markdown] tags=["box"]
# **Erratum.** The page that this chapter follows starts its product at $t=1$, but writes it out as
#
# $$p(x)=p(x_2\mid x_1)\,p(x_3\mid x_1,x_2)\cdots p(x_T\mid x_1,\dots,x_{T-1}).$$
#
# The factor $p(x_1)$ is missing. What is left is $p(x_2,\dots,x_T\mid x_1)$: for *each* $x_1$ it sums to 1. Summed over
# all $x$ it gives the number of values of $x_1$: 2 for bits.

# %% tags=["nbval-check-output"]
print(f"total without p(x1): {p_second_given_first.sum():.4f}")
print(f"total with p(x1):    {(p_first[:, None] * p_second_given_first).sum():.4f}")

# %% [markdown]
# ## 2.2 Digits as rows of bits
#
# Our data: handwritten digits of 8 × 8 pixels. A pixel darker than one half becomes 1 (ink), any other 0 (paper). Read
# row by row, each digit is a list of 64 bits.

# %% alt="Fourteen handwritten digits in pure black and white, 8 by 8 pixels each, coarse but readable."
digits = data.digits_8x8()
x_train, x_valid, x_test = (
    data.flatten(data.binarize(part.images)) for part in (digits.train, digits.valid, digits.test)
)
print(x_train.shape, x_valid.shape, x_test.shape)
fig = image_rows({"test digits": x_test[:14].reshape(-1, 8, 8)})

# %% [markdown]
# A model gives each pixel a probability $\sigma(a)$ of ink. The number $a$, any real number, is the **logit**;
# $\sigma(a)=1/(1+e^{-a})$. The log-probability of a bit $x$ is then
#
# $$\log p(x)=x\log\sigma(a)+(1-x)\log\sigma(-a).$$


# %% library="course_lib.probability.densities:bernoulli_log_prob course_lib.autoregressive.chain_rule:chain_rule_log_prob"
def bernoulli_log_prob(x, logits):
    return x * jax.nn.log_sigmoid(logits) + (1 - x) * jax.nn.log_sigmoid(-logits)


def chain_rule_log_prob(x, logits):
    return bernoulli_log_prob(x, logits).sum(axis=-1)


# %% [markdown]
# The simplest model ignores all predecessors: $p(x)=\prod_d p(x_d)$, with the share of ink in each pixel of the
# training digits. It is our baseline. We report the mean of $-\log p(x)$ over the test digits, the **negative
# log-likelihood**, with its standard error; smaller is better.

# %%
scores = {}


def report(name, log_p):
    scores[name] = -log_p
    mean, error = mean_and_error(scores[name])  # s / √n, s the standard deviation of n digits
    print(f"{name:<22}{mean:6.2f} ± {error:.2f} nats")


ink = (x_train.sum(axis=0) + 1) / (len(x_train) + 2)  # one digit of each kind added: no pixel is impossible
baseline_logits = jnp.log(ink) - jnp.log(1 - ink)
report("independent pixels", chain_rule_log_prob(x_test, baseline_logits))
print(f"that is {nats_to_bits(scores['independent pixels'].mean()):.1f} bits; without any model it takes 64")

# %% [markdown]
# **Predict:** what does a digit look like when every pixel is drawn on its own?

# %% alt="Fourteen samples of independent pixels: blots of ink in the middle, none of them a digit."
samples = jax.random.bernoulli(jax.random.key(0), ink, (14, 64)).astype(float)
fig = image_rows({"independent": samples.reshape(-1, 8, 8)})

# %% [markdown]
# Each pixel is right on average. What is missing is how pixels go together.
#
# ## 2.3 The chain rule on real pixels
#
# Nine bits have only 512 joint values. So for a patch of 3 × 3 pixels we can write down the whole joint distribution
# of the training digits: count.

# %% alt="The ten commonest patches of 3 by 3 pixels: vertical bars, corners and diagonal strokes; one has ink in a single corner."
patches = np.asarray(x_train).reshape(-1, 8, 8)[:, 3:6, 3:6].reshape(-1, 9)
number = (patches @ 2 ** np.arange(9)[::-1]).astype(int)  # the bits read as a binary number
joint = jnp.array(np.bincount(number, minlength=512) / len(patches))
every_patch = enumerate_binary(9)  # row i holds the binary digits of i
commonest = jnp.argsort(joint)[::-1][:10]
fig = image_grid(every_patch[commonest].reshape(-1, 3, 3), title="the ten commonest patches")
print("probabilities [%]:", *(f"{100 * p:.1f}" for p in joint[commonest]))

# %% [markdown]
# A conditional is a ratio of two sums over this table. For pixel 5 given pixels 1 to 4:
#
# $$p(x_5\mid x_1,\dots,x_4)=\frac{\sum_{x_6,\dots,x_9}p(x)}{\sum_{x_5,\dots,x_9}p(x)}.$$

# %% tags=["nbval-check-output"]
table = joint.reshape((2,) * 9)  # one axis a pixel
present = table.sum(axis=(5, 6, 7, 8))  # p(x1, ..., x5)
past = present.sum(axis=4)  # p(x1, ..., x4)
p_5 = present[..., 1] / past
print(f"p(x5 = 1 | 1 1 1 1) = {p_5[1, 1, 1, 1]:.3f}")
print(f"p(x5 = 1 | 0 0 1 0) = {p_5[0, 0, 1, 0]:.3f}")

# %% [markdown]
# `exact_conditionals` does so for all nine pixels and all 512 patches, in any ordering $o$.
#
# **Predict:** we multiply the nine conditionals back together, in three orderings. Which ordering returns the joint?

# %% tags=["nbval-check-output"]
orderings = {
    "row by row": np.arange(9),
    "backwards": np.arange(9)[::-1],
    "shuffled": np.random.default_rng(0).permutation(9),
}
conditionals = {name: exact_conditionals(joint, o) for name, o in orderings.items()}
for name, factors in conditionals.items():
    print(f"{name:<12} returns the joint: {bool(jnp.allclose(factors.prod(axis=1), joint, atol=1e-7))}")

# %% [markdown]
# All do. The factors differ, their product does not. Here is the running sum of the log-conditionals of one patch.

# %% alt="Three falling staircase curves, one for each ordering, of the running sum of log-conditionals against the step. They take different paths and meet at step 9 in the same value, the log-probability of the patch."
patch = commonest[3]
for (name, o), style in zip(orderings.items(), ("o-", "s-", "^-"), strict=True):
    steps = jnp.log(conditionals[name][patch, o])
    plt.plot(np.arange(10), np.concatenate([[0], np.cumsum(steps)]), style, label=name)
plt.axhline(float(jnp.log(joint[patch])), color=GREY, ls=":", label="log p(x) from the table")
plt.gca().set(xlabel="pixels predicted", ylabel="sum so far [nats]")
_ = plt.legend()
# %% [markdown]
# Now the erratum on nine real pixels: drop the first factor, keep the others.

# %% tags=["nbval-check-output"]
factors = conditionals["row by row"]
print(f"all nine factors:   {factors.prod(axis=1).sum():.4f}")
print(f"without p(x1):      {factors[:, 1:].prod(axis=1).sum():.4f}")

# %% [markdown]
# ### What goes wrong: a table for everything
#
# A table is exact, so why not use one? **Predict:** what is the negative log-likelihood of the *test* patches?

# %% tags=["nbval-check-output"]
test_patches = np.asarray(x_test).reshape(-1, 8, 8)[:, 3:6, 3:6].reshape(-1, 9)
p_test = joint[(test_patches @ 2 ** np.arange(9)[::-1]).astype(int)]
print("negative log-likelihood:", -jnp.log(p_test).mean(), "nats")
print("test patches never seen in training:", int((p_test == 0).sum()), "of", len(p_test))
print(f"numbers in a table for 64 pixels: {2**64 - 1:,}")

# %% [markdown]
# An unseen patch is impossible to the table, and a table for whole digits will never be filled. The repair: keep the
# chain rule, replace each table by a function with few parameters.
#
# ## 2.4 Time series
#
# The oldest such function is linear. An **autoregressive process of order $p$**, AR($p$), predicts the next value of a
# series from the last $p$.

# %% [markdown] tags=["derivation"]
# With $t$ as an index at the top (no power),
#
# $$\textcolor{#D55E00}{T^t}=\sum_{i=1}^{p}\beta_i\,\textcolor{#009E73}{T^{t-i}}+\beta^0+\varepsilon^t,\qquad
# \varepsilon^t\sim\mathcal N(0,\sigma^2)\ \text{independent}.$$
#
# $\beta_i$ weighs the value $i$ steps back, $\beta^0$ is a constant, $\varepsilon^t$ is noise with standard deviation
# $\sigma$ (the sigmoid is always written with its argument, $\sigma(a)$). So each conditional is a normal distribution
# whose mean is linear in the predecessors, and only the last $p$ of them count:
#
# $$p(T^t\mid\{T^{<t}\})=\mathcal N\Big(T^t\;\Big|\;\beta^0+\sum_{i=1}^p\beta_iT^{t-i},\;\sigma^2\Big).$$

# %% alt="A series of 300 values that swings around 10 in irregular waves, with a period of about 13 steps."
true_beta = jnp.array([2.0, 1.6, -0.8])  # the constant, then lag 1, then lag 2
series = data.ar_process(jax.random.key(2), true_beta[1:], length=300, sigma=1.0, intercept=2.0)
plt.plot(series)
_ = plt.gca().set(xlabel="t", ylabel="$T^t$")
# %% [markdown]
# To make $\sum_t\log p(T^t\mid\{T^{<t}\})$ large is to make the squared errors small: **least squares**. Each row of the
# matrix below holds the predecessors of one target.

# %%
lags = np.stack([np.ones(298), series[1:-1], series[:-2]], axis=1)  # 1, one step back, two steps back
target = np.asarray(series[2:])
beta = np.linalg.lstsq(lags, target)[0]
residual = target - lags @ beta
sigma = residual.std()
standard_error = sigma * np.sqrt(np.diag(np.linalg.inv(lags.T @ lags)))
for name, b, se, truth in zip(("constant", "lag 1", "lag 2"), beta, standard_error, true_beta, strict=True):
    print(f"{name:<9} {b:6.2f} ± {se:.2f}   true {truth:5.2f}")

# %% [markdown]
# The coefficients come back, within their standard errors. **Predict:** how much does a step gain, in nats, over a model
# that knows mean and variance of the series, but no predecessors?

# %% alt="The last 80 values of the series as green dots and, as a red line, the mean predicted for each from the two before it. The line follows the waves closely."
gain = normal_log_prob(target, lags @ beta, np.log(sigma)) - normal_log_prob(
    target, series.mean(), np.log(series.std())
)
plt.plot(target[-80:], "o", ms=4, color=GREEN, label="series")
plt.plot((lags @ beta)[-80:], color=RED, label="mean predicted from two predecessors")
plt.gca().set(xlabel="t", title=f"gain over independent values: {gain.mean():.2f} nats a step")
_ = plt.legend()
# %% [markdown] tags=["box"]
# **AR(1) read as a differential equation.** Leave out the noise and subtract $T^{t-1}$ on both sides of
# $T^t=\beta_1T^{t-1}+\beta^0$:
#
# $$T^t-T^{t-1}=-(1-\beta_1)\,T^{t-1}+\beta^0.$$
#
# Let one step last $\Delta$ units of time and call $\tau=\Delta/(1-\beta_1)$ and $T_\infty=\beta^0/(1-\beta_1)$. Then
#
# $$\frac{T^t-T^{t-1}}{\Delta}=-\frac{T^{t-1}-T_\infty}{\tau}\qquad\xrightarrow{\;\Delta\to0\;}\qquad
# \frac{\mathrm dT}{\mathrm dt}=-\frac{T-T_\infty}{\tau}.$$
#
# A first-order linear equation: the distance from $T_\infty$ decays as $e^{-t/\tau}$. AR(1) is this equation solved in
# steps (Euler's method), and with noise it is the equation with random kicks. For $\beta_1>1$ the distance grows; for
# $\beta_1<0$ it changes sign at every step, which no first-order equation does.

# %% alt="Temperature against time, from 10 down towards 2. The exact exponential is a grey line. Red dots of AR(1) with step 1 lie below it at first; blue dots with step 0.2 lie nearly on it. A thin green path with noise wanders around it."
tau, limit = 2.0, 2.0
fine = np.linspace(0, 10, 200)
plt.plot(fine, limit + 8 * np.exp(-fine / tau), color=GREY, lw=3, label="differential equation")
for step, colour, noise in ((1.0, RED, 0.0), (0.2, BLUE, 0.0), (0.2, GREEN, 0.3)):
    beta_1, path, kicks = 1 - step / tau, [10.0], np.random.default_rng(1)
    for _ in range(round(10 / step)):
        path.append(beta_1 * path[-1] + limit * step / tau + noise * kicks.normal())
    label = f"AR(1), step {step}, " + ("with noise" if noise else f"$\\beta_1={beta_1:.1f}$")
    plt.plot(step * np.arange(len(path)), path, "-" if noise else ".", ms=6 + 5 * step, lw=1, color=colour, label=label)
plt.gca().set(xlabel="time", ylabel="T")
_ = plt.legend()

# %% [markdown]
# ## 2.5 From conditionals to pixels
#
# For bits, take a logistic regression. The logit of pixel $d$ (of $D=64$) is linear in its predecessors:
#
# $$a_d=b_d+\sum_{j<d}W_{jd}\,x_j,\qquad p(x_d=1\mid\{x_{<d}\})=\sigma(a_d).$$
#
# This is the **fully visible sigmoid belief network** (FVSBN): one regression a pixel.

# %% [markdown]
# All 64 are one matrix product, if the weights with $j\ge d$ are removed. A **mask** $M$ of zeros and ones does that:
# $a=b+x\,(W\odot M)$, where $\odot$ multiplies entry by entry.


# %% alt="An 8 by 8 corner of the mask: green above the diagonal, grey on it and below. Column d is green in the rows before d." library="course_lib.networks.masked:masked_linear"
def masked_linear(x, kernel, bias, mask):
    y = x @ (kernel * mask)
    return y + jnp.broadcast_to(bias, y.shape)


mask = jnp.triu(jnp.ones((64, 64)), k=1)  # row j, column d: 1 if j < d
fig = figures.matrices({"mask (first 8 pixels)": mask[:8, :8]})

# %% [markdown]
# Here is a whole training step: the loss in nats, its gradient, the update. The loss has no local minima, since each
# logistic regression is convex.


# %%
def loss(params, mask, batch):
    return -chain_rule_log_prob(batch, masked_linear(batch, params["W"], params["b"], mask)).mean()


optimizer = optax.adam(0.05)


@jax.jit
def train_step(params, state, mask, batch):
    value, gradients = jax.value_and_grad(loss)(params, mask, batch)
    updates, state = optimizer.update(gradients, state)
    return optax.apply_updates(params, updates), state, value


# %%
def train(mask, steps=150):
    params = {"W": jnp.zeros((64, 64)), "b": baseline_logits}
    state = optimizer.init(params)
    for _ in range(steps):
        params, state, value = train_step(params, state, mask, x_train)
    return params, value


fvsbn, value = train(mask)
print(f"training loss {value:.2f} nats")
report("FVSBN", chain_rule_log_prob(x_test, masked_linear(x_test, fvsbn["W"], fvsbn["b"], mask)))

# %% [markdown]
# A gain of more than six nats over independent pixels, from linear predictors alone.
#
# ### What goes wrong: a pixel that sees itself
#
# One slip in the mask, `k=0` for `k=1`, keeps the diagonal. **Predict:** what happens to the loss?

# %%
leaky_mask = jnp.triu(jnp.ones((64, 64)), k=0)
leaky, value = train(leaky_mask)
leaky_log_p = chain_rule_log_prob(x_test, masked_linear(x_test, leaky["W"], leaky["b"], leaky_mask))
print(f"test 'negative log-likelihood' with the slip: {-leaky_log_p.mean():.2f} nats")

# %% [markdown]
# Far better than any model can be: each pixel is predicted from itself. The number is no log-probability, because the
# "conditionals" are none. Two tests find such a **leak**.
#
# The first works for short lists: the total probability of all lists must be 1.

# %%
short = {"W": fvsbn["W"][27:37, 27:37], "b": fvsbn["b"][27:37]}  # ten pixels of the middle
leaky_short = {"W": leaky["W"][27:37, 27:37], "b": leaky["b"][27:37]}
ten_bits = enumerate_binary(10)
for name, params, k in (("right mask", short, 1), ("leaky mask", leaky_short, 0)):
    logits = masked_linear(ten_bits, params["W"], params["b"], jnp.triu(jnp.ones((10, 10)), k))
    print(f"{name}: total probability {jnp.exp(chain_rule_log_prob(ten_bits, logits)).sum():.4f}")

# %% [markdown]
# The second works for any size: differentiate. Let the inputs be real numbers for a moment. If
# $\partial a_d/\partial x_j$ is exactly 0 for all $j\ge d$, then $a_d$ cannot depend on what it predicts.


# %% alt="Two 64 by 64 pictures of which output depends on which input. Left, the right mask: green strictly above the diagonal. Right, the leaky mask: the diagonal is green as well, which can hardly be seen. In both, the rows of 13 pixels are grey throughout."
def dependencies(conditional_logits, num_inputs):
    """Entry [j, d]: does logit d react to input j, at any of 64 random points?"""
    points = jax.random.normal(jax.random.key(1), (64, num_inputs))
    jacobians = jax.jit(jax.vmap(jax.jacobian(conditional_logits)))(points)
    return (jacobians != 0).any(axis=0).T


found = dependencies(lambda x: masked_linear(x, fvsbn["W"], fvsbn["b"], mask), 64)
found_leaky = dependencies(lambda x: masked_linear(x, leaky["W"], leaky["b"], leaky_mask), 64)
print("pixels that see themselves:", int(jnp.diag(found).sum()), "and", int(jnp.diag(found_leaky).sum()))
print("pixels that have ink in some training digit:", int(x_train.any(axis=0).sum()))
fig = figures.matrices({"right mask": found, "leaky mask": found_leaky}, unit=0.035)

# %% [markdown]
# The eye may miss it; the test does not. (Grey rows: pixels without ink in all training digits; their weights stayed 0.)
# A score too good to be true is a leak until proven otherwise.
#
# ## 2.6 NADE
#
# A linear logit cannot say "ink if exactly one of these two pixels has ink". With a hidden layer of $H$ units it can.

# %% [markdown] tags=["derivation"]
# But 64 separate networks would have too many weights. **NADE**, the neural autoregressive distribution estimator,
# lets all of them share one weight matrix $W$ ($D\times H$) and one bias $c$. With an ordering $o$,
#
# $$h_d=\sigma\Big(c+\sum_{j<d}x_{o_j}W_{o_j}\Big),\qquad
# p(x_{o_d}=1\mid\mathbf x_{o_{<d}})=\sigma\big(b_{o_d}+h_d\cdot V_{o_d}\big).$$
#
# $W_j$ is the row of $W$ that belongs to pixel $j$, and $V_j$ the output weights of pixel $j$.
#
# Computed as written, $h_d$ costs $d\times H$ multiplications, and all of them $\tfrac12D^2H$. But the sum inside grows by
# one term a step. Carry it along:
#
# $$a_1=c,\qquad a_{d+1}=a_d+x_{o_d}W_{o_d},\qquad h_d=\sigma(a_d).$$
#
# Here $a_d$ is the input of the hidden layer; the logit is $b_{o_d}+h_d\cdot V_{o_d}$. Now each step costs $H$
# multiplications for the sum and $H$ for the output: $2DH$ in all.


# %% library="course_lib.autoregressive.nade:nade_step course_lib.autoregressive.nade:nade_logits"
def nade_step(a, now):
    x_d, w, v, b = now
    return a + jnp.tensordot(x_d, w, axes=0), jax.nn.sigmoid(a) @ v + b


def nade_logits(x, kernel, hidden_bias, output_kernel, output_bias, ordering):
    a_1 = jnp.broadcast_to(hidden_bias, (*x.shape[:-1], hidden_bias.size))
    weights = (kernel[ordering], output_kernel[ordering], output_bias[ordering])
    _, logits = jax.lax.scan(nade_step, a_1, (jnp.moveaxis(x[..., ordering], -1, 0), *weights))
    return jnp.moveaxis(logits[jnp.argsort(ordering)], 0, x.ndim - 1)


# %% [markdown]
# `lax.scan` runs the recursion; the last line puts the logits back from the order of prediction into the order of the
# pixels. **Predict:** does it agree with the definition, and how many multiplications does it save for MNIST?

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
W, c, V, b = rng.normal(size=(9, 5)), rng.normal(size=5), rng.normal(size=(9, 5)), rng.normal(size=9)
o, x = orderings["shuffled"], patches[0]
by_definition = np.empty(9)
for d in range(9):
    h = expit(c + x[o[:d]] @ W[o[:d]])
    by_definition[o[d]] = b[o[d]] + h @ V[o[d]]
recursion = nade_logits(x, W, jnp.array(c), V, b, o)
print("equal to the definition:", bool(np.allclose(recursion, by_definition, atol=1e-5)))
print(f"D = 784, H = 500: {784**2 * 500 // 2 + 784 * 500:,} against {2 * 784 * 500:,} multiplications")

# %% [markdown]
# `Nade` holds these parameters, and `log_prob` adds up the log-conditionals. Whatever the weights are, the total
# probability is 1, in every ordering.

# %% tags=["nbval-check-output"]
for name, o in orderings.items():
    model = Nade(9, 16, ordering=o, rngs=nnx.Rngs(0))
    print(f"{name:<12} total probability {jnp.exp(model.log_prob(every_patch)).sum():.4f}")

# %% [markdown]
# Training is the step of section 2.5, repeated by `fit`. After each pass over the data (an *epoch*) it looks at the
# validation digits, and it keeps the best state.

# %%
nade = Nade(64, 128, rngs=nnx.Rngs(0))
nade.output_bias[...] = baseline_logits[:, None]  # start from the independent pixels
settings = {"key": jax.random.key(0), "batch_size": 64, "validation": x_valid, "patience": 10}
history = fit(nade, negative_log_likelihood, x_train, epochs=60, optimizer=optax.adam(2e-2), **settings)
print(history)
report("NADE", nade.log_prob(x_test))

# %% [markdown]
# ## 2.7 MADE
#
# NADE must take its $D$ steps one after the other. **MADE**, the masked autoencoder for distribution estimation,
# computes all conditionals in one pass through an ordinary network, from which the forbidden connections have been
# removed.

# %% [markdown] tags=["derivation"]
# How to choose what to remove? Give every unit a **degree** $m$: it may know the first $m$ pixels of the ordering.
#
# - The input of pixel $o_d$ knows itself: $m=d$.
# - Each hidden unit gets some $m$ between 1 and $D-1$.
# - A hidden unit may listen to a unit below that knows no more than itself: $M_{jk}=1$ if $m_k\ge m_j$.
# - The output of pixel $o_d$ must know less than $d$: $M_{kd}=1$ if $d>m_k$.
#
# Then any path from input to output goes through degrees that never fall and at the end rise. So it leads from a pixel
# to a *later* pixel. The masks have the shape (in, out) of the weights they multiply.

# %% alt="A network of four inputs, six hidden units and four outputs, each showing its degree. The output of degree 1 has no connection; the output of degree 4 is connected with all hidden units; the input of degree 4 has no connection."
degrees = made_degrees(np.arange(4), (6,))
fig = figures.network_of_degrees([*degrees, degrees[0]], ["inputs", "hidden units", "outputs"])

# %% [markdown]
# The two formulas in code, next to the library's `made_masks`. The product of the masks counts the paths from each input
# to each output. **Predict:** where is it 0?

# %% tags=["nbval-check-output"]
m_in, m_hidden = degrees
hidden_mask = (m_hidden[None, :] >= m_in[:, None]).astype(float)
output_mask = (m_in[None, :] > m_hidden[:, None]).astype(float)
same = [np.array_equal(a, b) for a, b in zip(made_masks(np.arange(4), (6,)), (hidden_mask, output_mask), strict=True)]
print("as in the library:", same)
print(hidden_mask @ output_mask)

# %% [markdown]
# Strictly above the diagonal, as it must be. For more layers the rule for hidden units is used again.

# %% alt="Four masks side by side for 8 pixels in a shuffled ordering and two hidden layers of 16 units, then their product. The product looks irregular, with an empty diagonal; with rows and columns sorted by the ordering it is a strict upper triangle."
o = np.random.default_rng(3).permutation(8)
masks = [np.asarray(m) for m in made_masks(o, (16, 16))]
paths = masks[0] @ masks[1] @ masks[2]
shown = {"into layer 1": masks[0], "into layer 2": masks[1], "into outputs": masks[2]}
fig = figures.matrices(shown | {"product": paths, "in the ordering": paths[np.ix_(o, o)]}, unit=0.15)

# %% [markdown]
# **Predict, then move:** in the ordering from left to right, which output may look at nothing at all? Which one is that in
# the shuffled ordering?

# %%
six_pixel_orderings = {
    "left to right": [0, 1, 2, 3, 4, 5],
    "right to left": [5, 4, 3, 2, 1, 0],
    "shuffled": [3, 0, 5, 1, 4, 2],
}
masks_of = {}
for name, ordering in six_pixel_orderings.items():
    masks_of[name] = made_masks(np.array(ordering), (8, 8))
mask_explorer(masks_of)

# %% [markdown]
# Always the first pixel of the ordering. `is_autoregressive` makes that test on the masks alone. **Predict:** we flip one of the entries. Does every flip of a 0
# to a 1 break the model?

# %% tags=["nbval-check-output"]
zeros = np.argwhere(masks[1] == 0)
broken = 0
for j, k in zeros:
    flipped = masks[1].copy()
    flipped[j, k] = 1
    broken += not is_autoregressive([masks[0], flipped, masks[2]], o)
print("right masks pass:", is_autoregressive(masks, o))
print(f"flips that break the model: {broken} of {len(zeros)}")

# %% [markdown]
# Every single one. Each would open a path from a pixel to itself or to an earlier one. Now the whole model, with 512
# hidden units.

# %%
made = Made(64, (512,), rngs=nnx.Rngs(0))
made.layers[-1].bias[...] = baseline_logits
history = fit(made, negative_log_likelihood, x_train, epochs=60, optimizer=optax.adam(6e-3), **settings)
print(history)
report("MADE", made.log_prob(x_test))

# %% [markdown]
# The leak test on the trained model: forbidden entries exactly 0, allowed ones not.

# %%
found = dependencies(made.conditional_logits, 64)
allowed = allowed_dependencies(np.arange(64))
print("forbidden entries that are not 0:", int((found & ~allowed).sum()), "of", int((~allowed).sum()))
print("allowed entries that are not 0:  ", int((found & allowed).sum()), "of", int(allowed.sum()))

# %% alt="Horizontal bars of the test negative log-likelihood with standard errors. Independent pixels are by far the worst at almost 25 nats, FVSBN is near 18, NADE and MADE are lower, near 17 and close together."
names = list(scores)[::-1]
means = [float(scores[n].mean()) for n in names]
plt.barh(names, means, xerr=[mean_and_error(scores[n])[1] for n in names], color=[BLUE] * 3 + [GREY], height=0.6)
_ = plt.gca().set(xlabel="test negative log-likelihood [nats]", xlim=(0, 27))

# %% [markdown]
# The bars of NADE and MADE overlap, but both saw the same digits. Compare digit by digit: the difference has a much
# smaller error.


# %%
def compare(name, other):
    difference = scores[name] - scores[other]
    mean, error = mean_and_error(difference)
    print(f"{name} minus {other}: {mean:+.2f} ± {error:.2f} nats")


compare("FVSBN", "independent pixels")
compare("NADE", "FVSBN")
compare("MADE", "FVSBN")
compare("MADE", "NADE")

# %% [markdown]
# Hidden layers help. Between NADE and MADE the difference is no larger than its error: no verdict. Both fit the training
# digits far better than new ones, as the printed losses show: 1,297 digits are few.
#
# ## 2.8 Sampling in order
#
# To draw a sample, follow the ordering: draw $x_{o_1}$, then $x_{o_2}$ given $x_{o_1}$, and so on. This is called
# ancestral sampling.


# %% library="course_lib.autoregressive.model:sample_in_order"
def sample_in_order(conditional_logits, ordering, key, num_samples):
    def draw(x, step):
        pixel, step_key = step
        p = jax.nn.sigmoid(conditional_logits(x)[:, pixel])
        return x.at[:, pixel].set(jax.random.bernoulli(step_key, p).astype(float)), None

    steps = (ordering, jax.random.split(key, len(ordering)))
    x, _ = jax.lax.scan(draw, jnp.zeros((num_samples, len(ordering))), steps)
    return x


# %% [markdown]
# Each step calls the model on the pixels drawn so far; those still to come are 0 and, thanks to the masks, without
# effect. **Predict:** MADE gives all conditionals of a *finished* digit in one pass. How many passes does a *new* one take?

# %% tags=["cover"] alt="Five rows of fourteen images: test digits, then samples. Samples of independent pixels are blots. FVSBN samples have connected strokes. NADE and MADE samples more often look like a digit, though many are not quite one."
rows_first = jnp.arange(64)
fvsbn_logits = lambda x: masked_linear(x, fvsbn["W"], fvsbn["b"], mask)  # noqa: E731
drawn = {
    "test digits": x_test[:14],
    "independent": samples,
    "FVSBN": sample_in_order(fvsbn_logits, rows_first, jax.random.key(1), 14),
    "NADE": nade.sample(jax.random.key(1), (14,)),
    "MADE": made.sample(jax.random.key(1), (14,)),
}
fig = image_rows({name: np.reshape(x, (-1, 8, 8)) for name, x in drawn.items()})

# %% [markdown]
# Sixty-four in the loop above, one a pixel. The three models used the same random numbers, so their samples resemble
# each other.
#
# `sample` is thriftier. NADE runs its recursion once; MADE computes a hidden unit once, as soon as its last input has
# been drawn.

# %%
slow = sample_in_order(made.conditional_logits, rows_first, jax.random.key(1), 14)
print("pixels on which the two samplers differ:", int((slow != drawn["MADE"]).sum()), "of", slow.size)

# %% [markdown]
# The same loop completes a picture: a known pixel gets a logit of $\pm\infty$, which leaves no choice. In `sample`,
# `known` marks the pixels to keep, and `given` holds their values.


# %%
def complete(model, image, num_known, key, num_samples):
    """Draw the pixels that come after the first `num_known` of the ordering; keep those."""
    known = jnp.argsort(model.ordering[...]) < num_known
    return model.sample(key, (num_samples,), given=image, known=known)


# %% alt="Four rows of nine images. In each row the first is a test digit, the second the same with its lower half hidden in grey, the others seven different completions by MADE: the upper half is the same, the lower halves vary."
halves = []
for i in range(4):
    hidden = x_test[i].at[32:].set(0.5)
    completions = complete(made, x_test[i], 32, jax.random.fold_in(jax.random.key(2), i), 7)
    halves += [x_test[i], hidden, *completions]
fig = image_grid(jnp.stack(halves).reshape(-1, 8, 8), columns=9, title="digit, upper half, seven completions")

# %% [markdown]
# This is right only because the known pixels come *first* in the ordering; for others, `sample` refuses. Section 2.10
# removes this limit.
#
# Next, watch three samples grow. After each step we average 20 completions: the picture that the model expects so far.

# %%
three = made.sample(jax.random.key(15), (3,))
after = jax.jit(jax.vmap(lambda x, t, key: complete(made, x, t, key, 20).mean(axis=0), (None, 0, 0)))
steps, keys = jnp.arange(65), jax.random.split(jax.random.key(6), 65)
expected = jnp.stack([after(x, steps, keys) for x in three])
exact = jax.nn.sigmoid(made.conditional_logits(three))  # all 64 conditionals of each finished sample

# %% [markdown]
# The next pixel in red, its predecessors in green.
#
# **Predict, then move:** at which steps is the model sure of the next pixel, and when does the expected picture settle?

# %%
already_drawn = jnp.arange(64)[None, :] < steps[:, None]
upcoming = jnp.arange(64)[None, :] == steps[:, None]
images = jnp.where(already_drawn, three[:, None], 0.5)
chances = jnp.where(upcoming, exact[:, None], expected)
where = 0.5 * already_drawn + upcoming
generation_explorer(images.reshape(3, 65, 8, 8), chances.reshape(3, 65, 8, 8), where.reshape(65, 8, 8))

# %% [markdown]
# ## 2.9 Samples of one class
#
# So far the labels were not used. Let every conditional also know the class $c$ of the digit:
# $p(x\mid c)=\prod_dp(x_d\mid\{x_{<d}\},c)$. In MADE, the class adds a vector of its own to each layer. No mask: every
# pixel may know the class.

# %%
by_class = Made(64, (256,), num_classes=10, rngs=nnx.Rngs(0))
by_class.layers[-1].bias[...] = baseline_logits
labelled = settings | {"validation": (x_valid, digits.valid.labels)}
pairs = (x_train, digits.train.labels)
history = fit(by_class, negative_log_likelihood, pairs, epochs=50, optimizer=optax.adam(6e-3), **labelled)

# %% [markdown]
# Now we can ask for a class. We can also divide every logit by a **temperature** $\tau$.
#
# **Predict:** what becomes of the samples for $\tau<1$?

# %% alt="Four rows of ten images, one column for each class from 0 to 9. Two rows at temperature 1: most are readable as their class, some have stray pixels. Two rows at temperature one half: cleaner strokes, and the two rows look more alike."
every_class = jnp.arange(10)
rows_drawn = {}
for i, temperature in enumerate((1.0, 1.0, 0.5, 0.5)):
    x = by_class.sample(jax.random.key(20 + i), (10,), label=every_class, temperature=temperature)
    rows_drawn[f"τ = {temperature}" + " " * (i % 2)] = x.reshape(-1, 8, 8)
fig = image_rows(rows_drawn)

# %% [markdown]
# Likely pixels become likelier: cleaner digits, less variety, and no longer samples of the model. Bayes' rule gives back
# what the labels were about:
#
# $$p(x)=\sum_cp(c)\,p(x\mid c),\qquad p(c\mid x)=p(c)\,p(x\mid c)/p(x).$$
#
# **Predict:** which is larger, $p(x)$ or $p(x\mid c)$ for the right $c$?

# %%
log_p_given = jnp.stack([by_class.log_prob(x_test, c) for c in range(10)], axis=1)
with_class = log_p_given + jnp.log(jnp.bincount(digits.train.labels) / len(x_train))  # log p(c) + log p(x | c)
report("MADE, all classes", jax.nn.logsumexp(with_class, axis=1))
right_class = log_p_given[jnp.arange(300), digits.test.labels]
print(f"given the right class {-right_class.mean():.2f} nats")
print(f"classes named right by p(c | x): {(with_class.argmax(axis=1) == digits.test.labels).mean():.0%}")

# %% [markdown]
# Knowing the class saves about two nats; to name it takes $\log10\approx2.3$. Only $p(x)$ can be compared with other
# models, and it alone learned from labels.
#
# ## 2.10 An ensemble over orderings
#
# The chain rule is exact in every ordering; a trained network is not. Four models, equal but for the ordering. And to know
# what chance does, four that differ in their random start:


# %%
def train_made(ordering, seed):
    model = Made(64, (256,), ordering=ordering, rngs=nnx.Rngs(seed))
    model.layers[-1].bias[...] = baseline_logits
    fit(model, negative_log_likelihood, x_train, epochs=50, optimizer=optax.adam(6e-3), **settings)
    return model


rows, shuffled = np.arange(64), np.random.default_rng(0).permutation(64)
image_orderings = {"rows": rows, "backwards": rows[::-1], "columns": rows.reshape(8, 8).T.ravel(), "shuffled": shuffled}
members = {name: train_made(o, 1) for name, o in image_orderings.items()}
other_starts = [members["rows"], *(train_made(rows, seed) for seed in (2, 3, 4))]

# %% alt="Test negative log-likelihood of eight models as dots with error bars. Upper row: four orderings, spread over about 0.3 nats. Lower row: four random starts, spread over about 0.1 nats. Every error bar is about 0.3 nats to each side."
log_ps = jnp.stack([model.log_prob(x_test) for model in members.values()])
log_ps_starts = jnp.stack([model.log_prob(x_test) for model in other_starts])
for y, group, colour in ((1, log_ps, BLUE), (0, log_ps_starts, GREY)):
    heights = y + 0.2 * np.arange(4)[::-1]
    mean, error = mean_and_error(-group, axis=1)
    plt.errorbar(mean, heights, xerr=error, fmt="o", color=colour)
    print(f"spread (standard deviation) {group.mean(axis=1).std(ddof=1):.2f} nats")
for name, x, y in zip(members, -log_ps.mean(axis=1), 1 + 0.2 * np.arange(4)[::-1], strict=True):
    plt.annotate(name, (float(x), y), xytext=(4, 3), textcoords="offset points", size=9)
plt.gca().set(yticks=[0.3, 1.3], yticklabels=["four starts,\nrows", "four orderings"], ylim=(-0.2, 1.85))
_ = plt.gca().set(xlabel="test negative log-likelihood [nats]")

# %% [markdown]
# With four of each, there is no clear winner among the orderings. But do they err on the *same* digits?

# %%
print("digits on which each ordering is best:", np.bincount(log_ps.argmax(axis=0), minlength=4))
print(f"how far two orderings are apart on a digit:  {(log_ps[0] - log_ps[1]).std():.2f} nats")
print(f"how far two random starts are apart on it:   {(log_ps_starts[0] - log_ps_starts[1]).std():.2f} nats")

# %% [markdown]
# They do not. So take them all: a mixture with equal weights averages the **probabilities** of the $K$ models,
#
# $$p(x)=\frac1K\sum_{k=1}^Kp_k(x),\qquad \log p(x)=\log\sum_k e^{\log p_k(x)}-\log K.$$
#
# **Predict:** can it be worse than the average member? Which four make the better ensemble?


# %% library="course_lib.autoregressive.chain_rule:ensemble_log_prob"
def ensemble_log_prob(log_probs, axis=0):
    return jax.nn.logsumexp(log_probs, axis=axis) - jnp.log(log_probs.shape[axis])


# %%
print(f"average of the members {-log_ps.mean():6.2f} nats")
report("4 orderings", ensemble_log_prob(log_ps))
report("4 starts", ensemble_log_prob(log_ps_starts))
compare("4 orderings", "4 starts")

# %% [markdown]
# It cannot: the logarithm is concave, so the log of the average is at least the average of the logs. Orderings gain more
# than starts, as they disagree more. To sample, pick a member and let it draw.
#
# ### What goes wrong: averaging logits
#
# A widely copied implementation averages the *logits* of the orderings, pixel by pixel, and adds up the
# log-probabilities.

# %%
mean_logits = jnp.stack([model.conditional_logits(x_test) for model in members.values()]).mean(axis=0)
scores["logits"] = -chain_rule_log_prob(x_test, mean_logits)
print(f"average of logits: {scores['logits'].mean():.2f} nats (?)")

# %% [markdown]
# Far better than the ensemble. Too good to be true? Each pixel has now been predicted partly from the pixels before it
# and partly from those after it: a leak. Two bits show it best.

# %% [markdown] tags=["box"]
# **Erratum.** Averaging logits over orderings gives no distribution. Take the *copy distribution* of two bits:
# $x_1$ is a fair coin and $x_2=x_1$. With a large number $L$ for certainty, both orderings state it exactly:
#
# | ordering | logit of $x_1$ | logit of $x_2$ |
# |---|---|---|
# | 1, 2 | $0$ | $L\,(2x_1-1)$ |
# | 2, 1 | $L\,(2x_2-1)$ | $0$ |
# | average | $\tfrac L2(2x_2-1)$ | $\tfrac L2(2x_1-1)$ |
#
# In the average both bits predict each other. For $x=00$ both are certain, so $p=1$. For $x=11$ likewise. Total: 2.

# %% tags=["nbval-check-output"]
two_bits, L = enumerate_binary(2), 50.0
sign = 2 * two_bits - 1
forward = jnp.stack([jnp.zeros(4), L * sign[:, 0]], axis=1)
backward = jnp.stack([L * sign[:, 1], jnp.zeros(4)], axis=1)
right = ensemble_log_prob(jnp.stack([chain_rule_log_prob(two_bits, logits) for logits in (forward, backward)]))
wrong = chain_rule_log_prob(two_bits, (forward + backward) / 2)
for name, log_p in (("average of probabilities", right), ("average of logits", wrong)):
    print(f"{name:<25}{np.round(jnp.exp(log_p), 4)}  total {jnp.exp(log_p).sum():.4f}")

# %% [markdown]
# For 64 pixels we cannot enumerate. But a sum over all $x$ is a mean over samples of the right ensemble $p$: if $\tilde
# p$ is the wrong one, $\sum_x\tilde p(x)=\mathbb E_{x\sim p}\big[\tilde p(x)/p(x)\big]$.
#
# **Predict:** is it 1?

# %%
fair = jnp.concatenate(
    [m.sample(key, (600,)) for m, key in zip(members.values(), jax.random.split(jax.random.key(5), 4), strict=True)]
)
log_p = ensemble_log_prob(jnp.stack([m.log_prob(fair) for m in members.values()]))
wrong_log_p = chain_rule_log_prob(fair, sum(m.conditional_logits(fair) for m in members.values()) / 4)
ratio = jnp.exp(wrong_log_p - log_p)
mass, error = mean_and_error(ratio)
print(f"total 'probability': {mass:.1f} ± {error:.1f}, which flatters every digit by {jnp.log(mass):.2f} nats")
print(
    f"divided by it: {scores['logits'].mean() + jnp.log(mass):.2f} nats; ensemble: {scores['4 orderings'].mean():.2f} nats"
)

# %% [markdown]
# The advantage was that constant: divided by it, the score is about that of the honest ensemble. And nothing can be
# drawn from it pixel by pixel. The repair is the ensemble above: average probabilities, never logits.
#
# ### One network for all orderings
#
# There are $64!$ orderings, so one model for each will not do. Uria et al. train one network for all.

# %% [markdown] tags=["derivation"]
# A conditional $p(x_i\mid x_O)$ depends on *which* pixels $O$ are observed, not on the order in which they came. So give
# the network two lists: the values, with 0 where nothing is observed, and a mask $m$ that is 1 on $O$. Let it predict all
# other pixels at once. This is **orderless NADE**.
#
# Training draws the number $d$ of observed pixels, uniform on $0,\dots,D-1$, and $d$ pixels $O$ at random. A uniformly
# drawn ordering has each $i\notin O$ as its next pixel equally often, and it has $D$ terms. So
#
# $$-\frac{D}{D-d}\sum_{i\notin O}\log p_\theta(x_i\mid x_O)$$
#
# is right on average for $-\log p_\theta(x)$ in a random ordering.

# %%
from course_lib.autoregressive import OrderlessNade, orderless_loss

orderless = OrderlessNade(64, (256, 256), rngs=nnx.Rngs(0))
orderless.network.layers[-1].bias[...] = baseline_logits
slower = optax.cosine_decay_schedule(5e-3, 80 * 20)  # 80 epochs of 20 steps, ever smaller ones
longer = settings | {"patience": None}  # the loss depends on random subsets, so its curve is rough
history = fit(orderless, orderless_loss, x_train, epochs=80, optimizer=optax.adam(slower), **longer)
print(history)

# %% [markdown]
# Any ordering makes a density of it. **Predict:** is one of them better or worse than a MADE trained for its own ordering?
# And 32 of them together?

# %% alt="Test negative log-likelihood against the number of orderings averaged, from 1 to 32 on a logarithmic axis. The curve of orderless NADE falls steadily, fast at first, and is still falling slightly at 32. A solid line marks one MADE, a dotted one below it the ensemble of four MADEs."
keys = jax.random.split(jax.random.key(4), 32)
readings = jax.lax.map(lambda key: orderless.redrawn(key).log_prob(x_test), keys)  # 32 orderings of one network
report("orderless, 1", readings[0])
report("orderless, 32", ensemble_log_prob(readings))
numbers = 2 ** np.arange(6)
curve = [-float(ensemble_log_prob(readings[:k]).mean()) for k in numbers]
plt.semilogx(numbers, curve, "o-", base=2, label="orderless NADE")
plt.axhline(float(-log_ps.mean()), color=GREY, lw=1, label="one MADE (mean of four)")
plt.axhline(float(scores["4 orderings"].mean()), color=GREY, lw=1, ls=":", label="four MADEs averaged")
plt.gca().set(xlabel="orderings averaged", ylabel="test nats", xticks=numbers, xticklabels=numbers)
_ = plt.legend()

# %% [markdown]
# A single reading is worse: one network must serve all orderings. The average makes good most of it, at no cost in
# training. And now *any* subset can be completed: it goes first in the ordering, whichever it is.

# %% alt="Five rows of nine images. First the test digit, then what is seen of it with the rest in grey: its left half, its lower half, every other pixel, all but a square in the middle, nothing. Then seven completions, which agree with the seen pixels; with every other pixel seen they nearly agree with each other, with nothing seen they are all different."
r, c = rows // 8, rows % 8
subsets = [c < 4, r >= 4, (r + c) % 2 == 0, (r < 2) | (r > 5) | (c < 2) | (c > 5), r < 0]
pictures = []
for i, known in enumerate(subsets):
    seen = jnp.where(known, x_test[i], 0.5)
    completions = orderless.sample(jax.random.key(30 + i), (7,), given=x_test[i], known=known)
    pictures += [x_test[i], seen, *completions]
fig = image_grid(jnp.stack(pictures).reshape(-1, 8, 8), columns=9, title="digit, what is seen, seven completions")

# %% [markdown]
# ## 2.11 One table
#
# ### Further models
#
# Two more rivals. A **mixture** of $K$ lists of independent pixels, $p(x)=\sum_k\pi_k\prod_dp_k(x_d)$, is fitted by EM
# (chapter 5): share out each digit among the parts, then count the ink of each part anew.


# %%
def mixture_of_bernoullis(parts, steps=30):
    x, typical = np.asarray(x_train), np.asarray(ink)
    share = np.random.default_rng(0).dirichlet(np.full(parts, 0.1), len(x))
    for _ in range(steps):
        weight = (share.sum(axis=0) + 1) / (len(x) + parts)
        ink_of = (share.T @ x + typical) / (share.sum(axis=0)[:, None] + 1)  # each part gets one average digit
        share = softmax(x @ np.log(ink_of).T + (1 - x) @ np.log1p(-ink_of).T + np.log(weight), axis=1)
    return lambda x: jax.nn.logsumexp(x @ jnp.log(ink_of).T + (1 - x) @ jnp.log1p(-ink_of).T + jnp.log(weight), axis=1)


mixtures = {parts: mixture_of_bernoullis(parts) for parts in (20, 60, 180)}
parts = max(mixtures, key=lambda k: float(mixtures[k](x_valid).mean()))
report(f"mixture of {parts}", mixtures[parts](x_test))

# %% [markdown]
# And the FVSBN of section 2.5, with a penalty: minimize $-\log p(x)+\lambda\sum|W_{jd}|$. Of many weights nothing is left
# but 0. **Predict:** how does it compare with the FVSBN without penalty?

# %%
from course_lib.autoregressive.fvsbn import fvsbn_path

path = [model for _, model in fvsbn_path(x_train, 0.01 / 1.6 ** np.arange(7))]  # penalties from large to small
sparse = max(path, key=lambda model: float(model.log_prob(x_valid).mean()))
report("FVSBN + penalty", sparse.log_prob(x_test))
print("weights kept:", int((sparse.kernel[...] != 0).sum()), "of", int(sparse.mask[...].sum()))

# %% [markdown]
# Now all models that saw the same digits and no label. A weight behind a closed mask is not counted as a parameter.
#
# **Predict:** who wins?


# %%
def free_parameters(*models):
    stored = sum(p.size for model in models for p in jax.tree.leaves(nnx.state(model, nnx.Param)))
    masks = [layer.mask[...] for m in models for layer in getattr(m, "layers", ()) if hasattr(layer, "mask")]
    return stored - sum(int((closed == 0).sum()) for closed in masks)


size = {
    "independent pixels": 64, f"mixture of {parts}": 65 * parts - 1, "FVSBN": 64 * 63 // 2 + 64,
    "FVSBN + penalty": 64 + int((sparse.kernel[...] != 0).sum()),
    "NADE": free_parameters(nade), "MADE": free_parameters(made), "4 orderings": free_parameters(*members.values()),
    "orderless, 32": free_parameters(orderless),
}  # fmt: skip
print(f"{'':<20}{'test nats':>14}{'bits per pixel':>16}{'parameters':>12}")
for name in sorted(size, key=lambda name: scores[name].mean()):
    nats = scores[name]
    mean, error = mean_and_error(nats)
    row = f"{name:<20}{mean:7.2f} ± {error:.2f}{bits_per_dim(mean, 64):14.3f}"
    print(f"{row}{size[name]:14,}")

# %% [markdown]
# The first rows differ by less than their errors. So compare digit by digit.

# %%
best = min(size, key=lambda name: scores[name].mean())
for name in sorted(set(size) - {best}, key=lambda name: scores[name].mean()):
    compare(name, best)

# %% [markdown]
# Every row is an exact likelihood. Read it with care: 1,297 digits, one random start for most models, settings tried by
# hand, a few of them with the test digits in view. What it does show: linear predictors lose to hidden layers, and to
# average over orderings helps more than the choice between NADE and MADE.
#
# ## 2.12 Systems, and what each changes

# %% [markdown] tags=["box"]
# | system | what it changes | where |
# |---|---|---|
# | **AR($p$)** | a linear predictor of the last $p$ values, Gaussian noise | 2.4 |
# | **AR-Net** (Triebe et al.) | AR($p$) as a network without hidden layer, trained by gradient descent and with a penalty that makes coefficients sparse; many lags become affordable | chapter 2a |
# | **FVSBN** | a logistic regression for each bit | 2.5 |
# | **NADE** (Uria et al.) | a hidden layer with shared weights and running sums, any ordering; orderless: one network and ensembles for all orderings | 2.6, 2.10 |
# | **MADE** (Germain et al.) | an autoencoder with masked weights: all conditionals in one pass; one network can be trained on many orderings and masks | 2.7, 2.9 |
# | **MAF** (Papamakarios et al.) | real numbers: each conditional is a normal density, and layers are stacked; an autoregressive model read as a normalizing flow | chapter 3 and later |
# | **PixelCNN** (van den Oord et al.; UvA Tutorial 12 by Lippe) | the mask sits in a convolution, so that all pixels share the weights; grey levels or colours in place of bits | chapter 2b |
# | **DARN** (Gregor et al.) | hidden bits, autoregressive within each layer and between layers; trained on a description length | chapter 2c |
#
# Two overviews: Ho's survey (2019) sets deep autoregressive models beside recurrent networks: they are feed-forward, so
# training sees all steps at once, and they pay with a limited memory. The repository *Deep-Autoregressive-Model* trains
# NADE, MADE, MAF and PixelCNN-like models on MNIST and shows their samples; it prints no likelihood, so its models
# cannot be compared with each other or with ours.
#
# Numbers in the papers are for other data. On MNIST with one fixed binarization they report, as $-\log p$ in nats:
# NADE 88.33; MADE with one hidden layer and 32 masks 88.04, with two layers 86.64; DARN about 84.13. A number from
# our 8 × 8 digits must not be set beside them.

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - $\log p(x)=\sum_t\log p(x_t\mid\{x_{<t}\})$ holds for every distribution, in every ordering, and starts with $p(x_1)$.
# - A model is a choice of functions for the conditionals: a line (AR), a logistic regression (FVSBN), a shared hidden
#   layer (NADE), a masked network (MADE).
# - The likelihood is exact. One pass gives $\log p(x)$; a sample takes one step a pixel.
# - Two tests for leaks: total probability 1, and forbidden derivatives exactly 0.
# - Orderings are combined by averaging probabilities. Averaging logits lets pixels predict each other; the total
#   is then not 1.
# - A network that also sees *which* pixels are observed serves every ordering, and completes a picture from any subset.
# - With labels, $p(x)=\sum_cp(c)\,p(x\mid c)$; only $p(x)$ may be compared with models that know no class.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 2.1 — A conditional from a table
# `joint` has shape `(2, 2, 2)` and holds $p(x_1,x_2,x_3)$. Return the table of $p(x_2=1\mid x_1,x_3)$, shape `(2, 2)`,
# with $x_1$ on the first axis and $x_3$ on the second. (An ordering such as 1, 3, 2 needs it.)


# %% tags=["exercise"]
def second_given_others(joint):
    ### BEGIN SOLUTION
    return joint[:, 1, :] / joint.sum(axis=1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.1") as check:
    coins = jnp.full((2, 2, 2), 1 / 8)
    check.close("three fair coins give 1/2 everywhere", second_given_others(coins), jnp.full((2, 2), 0.5))
    some = jnp.array([[[0.1, 0.2], [0.3, 0.0]], [[0.05, 0.15], [0.15, 0.05]]])
    expected_table = exact_conditionals(some.ravel(), [0, 2, 1])[:, 1].reshape(2, 2, 2)[:, 1, :]
    check.close("an uneven table", second_given_others(some), expected_table, hint="Sum over x2 alone: axis 1.")

# %% [markdown] tags=["exercise"]
# ### Exercise 2.2 — Where AR(1) settles
# For $T^t=\beta_1T^{t-1}+\beta^0+\varepsilon^t$ with $|\beta_1|<1$, mean and variance stop changing after a while. Set
# both equal before and after one step, and solve. Return the mean and the standard deviation.


# %% tags=["exercise"]
def settled_mean(beta_0, beta_1, sigma):
    ### BEGIN SOLUTION
    return beta_0 / (1 - beta_1)
    ### END SOLUTION


def settled_std(beta_0, beta_1, sigma):
    ### BEGIN SOLUTION
    return sigma / (1 - beta_1**2) ** 0.5
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.2") as check:
    check.close("without memory: mean β⁰", settled_mean(3.0, 0.0, 2.0), 3.0)
    check.close("without memory: the noise's σ", settled_std(3.0, 0.0, 2.0), 2.0)
    mean, variance = 0.0, 0.0
    for _ in range(200):
        mean, variance = 0.8 * mean + 1.0, 0.8**2 * variance + 0.5**2
    check.close("β₁ = 0.8: the mean after 200 steps", settled_mean(1.0, 0.8, 0.5), mean)
    check.close(
        "β₁ = 0.8: the deviation", settled_std(1.0, 0.8, 0.5), variance**0.5, hint="β₁ scales a variance by β₁²."
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 2.3 — How many numbers?
# Count the free parameters of a model of $D$ bits: a full table; an FVSBN; a NADE with $H$ hidden units.


# %% tags=["exercise"]
def parameters_of_table(D):
    ### BEGIN SOLUTION
    return 2**D - 1
    ### END SOLUTION


def parameters_of_fvsbn(D):
    ### BEGIN SOLUTION
    return D * (D - 1) // 2 + D
    ### END SOLUTION


def parameters_of_nade(D, H):
    ### BEGIN SOLUTION
    return 2 * D * H + D + H
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.3") as check:
    check.close("a table of one bit has one", parameters_of_table(1), 1, hint="The probabilities sum to 1.")
    check.close("a table of nine bits", parameters_of_table(9), 511)
    check.close("an FVSBN of one bit has its bias", parameters_of_fvsbn(1), 1)
    check.close(
        "an FVSBN of 64 bits", parameters_of_fvsbn(64), int(mask.sum()) + 64, hint="Masked weights are not free."
    )
    count = sum(p.size for p in jax.tree.leaves(nnx.state(nade, nnx.Param)))
    check.close("the NADE of section 2.6", parameters_of_nade(64, 128), count, hint="W, V, b and c.")

# %% [markdown] tags=["exercise"]
# ### Exercise 2.4 — NADE without a loop
# For the ordering $1,\dots,D$ all pre-activations $a_1,\dots,a_D$ can be had at once with `jnp.cumsum`. Take one list `x`
# of shape `(D,)`, the kernel `W` of shape `(D, H)` and the bias `c` of shape `(H,)`; return shape `(D, H)`. Mind what
# $a_d$ must not see.


# %% tags=["exercise"]
def pre_activations(x, W, c):
    ### BEGIN SOLUTION
    terms = x[:, None] * W
    return c + jnp.cumsum(terms, axis=0) - terms
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.4") as check:
    x_small, W_small, c_small = jnp.array([1.0, 0.0, 1.0]), jnp.arange(6.0).reshape(3, 2), jnp.array([0.5, -0.5])
    by_hand = jnp.array([[0.5, -0.5], [0.5, 0.5], [0.5, 0.5]])
    check.close(
        "three pixels", pre_activations(x_small, W_small, c_small), by_hand, hint="a_1 = c: it has seen nothing."
    )
    slopes = jax.jacobian(lambda x: 1.0 * pre_activations(x, W_small + 1, c_small))(x_small)
    check.true("no a_d reacts to x_d or to a later pixel", (jnp.triu(slopes[:, 0, :]) == 0).all(), hint="A leak!")

# %% [markdown] tags=["exercise"]
# ### Exercise 2.5 — Unequal votes
# Generalise `ensemble_log_prob` to weights $w_k\ge0$ with $\sum_kw_k=1$. `log_probs` has shape `(K, n)`, `weights` shape
# `(K,)`; return shape `(n,)`. It must survive log-probabilities of −1000.


# %% tags=["exercise"]
def weighted_ensemble(log_probs, weights):
    ### BEGIN SOLUTION
    return jax.nn.logsumexp(log_probs, axis=0, b=weights[:, None])
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.5") as check:
    pair = jnp.log(jnp.array([[0.2, 0.6], [0.4, 0.1]]))
    quarter = jnp.array([0.25, 0.75])
    by_hand = jnp.log(jnp.array([0.25 * 0.2 + 0.75 * 0.4, 0.25 * 0.6 + 0.75 * 0.1]))
    check.close("probabilities are averaged", weighted_ensemble(pair, quarter), by_hand, hint="Not the logs.")
    check.close(
        "no underflow", weighted_ensemble(pair - 1000, quarter), by_hand - 1000, hint="Use logsumexp; see its b."
    )
    check.close("all weight on one model", weighted_ensemble(pair, jnp.array([1.0, 0.0])), pair[0])

# %% [markdown] tags=["exercise"]
# ### Exercise 2.6 — From classes to a class
# `log_p_given` has shape `(n, C)` and holds $\log p(x\mid c)$; `prior` has shape `(C,)` and holds $p(c)$. Return
# $\log p(x)$, shape `(n,)`, and the table of $p(c\mid x)$, shape `(n, C)`. It must survive log-probabilities of −1000.


# %% tags=["exercise"]
def sum_over_classes(log_p_given, prior):
    ### BEGIN SOLUTION
    with_class = log_p_given + jnp.log(prior)[None, :]
    return jax.nn.logsumexp(with_class, axis=1), jax.nn.softmax(with_class, axis=1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.6") as check:
    given = jnp.log(jnp.array([[0.2, 0.6], [0.5, 0.1]]))
    uneven = jnp.array([0.75, 0.25])
    answer = sum_over_classes(given, uneven)
    low = sum_over_classes(given - 1000, uneven)
    log_p, posterior = answer if isinstance(answer, tuple) else (None, None)
    check.close("log p(x)", log_p, jnp.log(jnp.array([0.3, 0.4])), hint="Weigh each p(x | c) by p(c), then add.")
    check.close("p(c | x)", posterior, jnp.array([[0.5, 0.5], [0.9375, 0.0625]]), hint="Each row sums to 1.")
    low = low[0] if isinstance(low, tuple) else None
    check.close("no underflow", low, jnp.log(jnp.array([0.3, 0.4])) - 1000, hint="logsumexp and softmax.")

# %% [markdown] tags=["frame"]
# ## Sources
#
# - L. Ma, "Generative Models", *Datumorphism*, 2021: the page on autoregressive models that this chapter follows, and
#   those linked from it.
# - X. Liu, F. Zhang, Z. Hou, Z. Wang, L. Mian, J. Zhang, J. Tang, "Self-supervised Learning: Generative or Contrastive",
#   2020, arXiv:2006.08218.
# - **NADE**: B. Uria, M.-A. Côté, K. Gregor, I. Murray, H. Larochelle, "Neural Autoregressive Distribution Estimation",
#   JMLR 17(205), 2016, arXiv:1605.02226.
# - **Orderless NADE**: B. Uria, I. Murray, H. Larochelle, "A Deep and Tractable Density Estimator", ICML 2014,
#   arXiv:1310.1757.
# - **MADE**: M. Germain, K. Gregor, I. Murray, H. Larochelle, "MADE: Masked Autoencoder for Distribution Estimation",
#   ICML 2015, arXiv:1502.03509.
# - **MAF**: G. Papamakarios, T. Pavlakou, I. Murray, "Masked Autoregressive Flow for Density Estimation", NeurIPS 2017,
#   arXiv:1705.07057.
# - **AR-Net**: O. Triebe, N. Laptev, R. Rajagopal, "AR-Net: A simple Auto-Regressive Neural Network for time-series",
#   2019, arXiv:1911.12436.
# - **DARN**: K. Gregor, I. Danihelka, A. Mnih, C. Blundell, D. Wierstra, "Deep AutoRegressive Networks", ICML 2014,
#   arXiv:1310.8499.
# - **PixelCNN**: A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel Recurrent Neural Networks", ICML 2016,
#   arXiv:1601.06759; P. Lippe, "UvA Deep Learning Tutorials", Tutorial 12: Autoregressive Image Modeling.
# - **FVSBN**: B. J. Frey, *Graphical Models for Machine Learning and Digital Communication*, MIT Press, 1998.
# - G. Ho, "Autoregressive Models in Deep Learning — A Brief Survey", 2019, eigenfoo.xyz/deep-autoregressive-models.
# - *Deep-Autoregressive-Model*, github.com/rogen-george/Deep-Autoregressive-Model.
# - Digits: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.

# %% [markdown]
# ## Next
#
# Three chapters go deeper: 2a, *Time series*; 2b, *PixelCNN*; and 2c, *DARN*, with hidden bits. Here a list is built
# value by value, and the order of the values decides. Chapter 3, *Normalizing flows*, builds all values at once: it bends
# a simple density into a complicated one, and keeps the likelihood exact.
