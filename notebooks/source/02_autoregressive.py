# %% [markdown] tags=["frame"]
# # 2 · Autoregressive models
#
# An autoregressive model predicts one number at a time, each from those before it. Multiply the predictions, and you
# have the probability of the whole, exactly.
#
# **After this chapter you can**
# - write any joint distribution as a product of conditionals, in any ordering, and check it by enumeration;
# - fit an autoregressive process to a time series, and read AR(1) as a differential equation;
# - train three models of binary digits, from one logistic regression a pixel to NADE and MADE, and compare them in
#   nats;
# - build a model that cannot see what it must predict, and find the leak where one can;
# - draw samples pixel by pixel or of one class, and complete a picture from any of its pixels;
# - combine several orderings into one distribution, and say why a mixture of their conditionals is none.
#
# **You need** chapter 0 (arrays, `vmap`, `grad`, random keys, one training step) and conditional probabilities.
# **Time:** three to four hours with the exercises; the code itself runs in about a minute on two cores.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from scipy.special import expit, logsumexp, softmax

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
from course_lib.figures.images import image_grid, image_rows
from course_lib.figures.style import BLUE, DATA, GREY, MODEL, PURPLE, SKY
from course_lib.probability import mean_and_error, normal_log_prob
from course_lib.training import fit

notebook.start()

# %% [markdown]
# ## 2.1 The chain rule
#
# An image, a melody, a year of temperatures: each is a list of numbers $x=(x_1,\dots,x_T)$. A generative model must
# give every such list a probability. There are far too many lists to do so one by one. The chain rule of probability
# cuts the task into small ones: predict one number at a time.

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

# %% alt="Five rows, one for each factor. In row t a red dot is the target x t, green dots left of it are its predecessors, empty dots right of it are not used. Beside it stands the factor: p of x1, times p of x2 given x1, and so on to p of x5 given x1 to x4." caption="The chain rule for five numbers, one factor a row: the target in red, its predecessors in green. The first factor, $p(x_1)$, has no predecessors."
fig = figures.chain_written_out()

# %% [markdown]
# Write $\{x_{<t}\}$ for the predecessors of $x_t$: the values with a smaller index. For $x_5$ they are $x_1$ to $x_4$.

# %% alt="Four green dots x1 to x4 with a brace below them labelled x less than 5, and an arrow from them to one red dot, x5." caption="The predecessors of $x_5$, together $\\{x_{<5}\\}$, and their target."
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

# %% alt="Three boxes joined by arrows: the joint distribution p of x1 to xT; by the chain rule, the product over t of p of x t given its predecessors; by the logarithm, the sum over t of the log-probabilities." caption="From one joint distribution to a product of conditionals, and to the sum that models are trained on."
fig = figures.chain_rule_overview()

# %% [markdown] tags=["box"]
# **Notation.** Several ways to write the same conditional:
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
# A table of two bits is enough for a first check. It holds $p(x_1,x_2)$:
#
# | | $x_2=0$ | $x_2=1$ |
# |---|---|---|
# | $x_1=0$ | 0.4 | 0.1 |
# | $x_1=1$ | 0.2 | 0.3 |
#
# **Predict:** what is the conditional $p(x_2=1\mid x_1=1)$?

# %% tags=["nbval-check-output"]
joint = jnp.array([[0.4, 0.1], [0.2, 0.3]])
p_first = joint.sum(axis=1)
p_second_given_first = joint / p_first[:, None]
product = p_first[:, None] * p_second_given_first
print("p(x1):", p_first)
print("p(x2 | x1), one row for each x1:", p_second_given_first, sep="\n")
print("their product:", product, sep="\n")

# %% [markdown]
# **Answer.** The conditional $p(x_2=1\mid x_1=1)$ is 0.6: the row $x_1=1$ has the total 0.5, of which the entry 0.3 is
# three fifths. Each row of conditionals sums to 1, and multiplied by $p(x_1)$ it gives back the row of the table.
#
# ## 2.2 Digits as rows of bits
#
# To compare models we need data on which training takes seconds. We take handwritten digits of 8 × 8 pixels. A pixel
# darker than one half becomes 1 (ink), any other 0 (paper).

# %% alt="Fourteen handwritten digits in pure black and white, 8 by 8 pixels each, coarse but readable." caption="Fourteen test digits. Read row by row, each is a list of 64 bits."
digits = data.digits_8x8()
x_train, x_valid, x_test = (
    data.flatten(data.binarize(part.images))
    for part in (digits.train, digits.valid, digits.test)
)
print(x_train.shape, x_valid.shape, x_test.shape)
fig = image_rows({"test digits": x_test[:14].reshape(-1, 8, 8)})

# %% [markdown]
# A model gives each pixel a probability $\sigma(a)$ of ink. The number $a$, any real number, is the **logit**;
# $\sigma(a)=1/(1+e^{-a})$ is the sigmoid. As $1-\sigma(a)=\sigma(-a)$, the log-probability of a bit $x$ is
#
# $$\log p(x)=x\log\sigma(a)+(1-x)\log\sigma(-a),$$
#
# and by the chain rule the log-probabilities of all bits are added.


# %% library="course_lib.probability.densities:bernoulli_log_prob course_lib.autoregressive.chain_rule:chain_rule_log_prob"
def bernoulli_log_prob(x, logits):
    return x * jax.nn.log_sigmoid(logits) + (1 - x) * jax.nn.log_sigmoid(
        -logits
    )


def chain_rule_log_prob(x, logits):
    return bernoulli_log_prob(x, logits).sum(axis=-1)


# %% [markdown]
# We report the mean of $-\log p(x)$ over the 300 test digits, the **negative log-likelihood**: smaller is better. With
# it goes its standard error $s/\sqrt{300}$, where $s$ is the standard deviation over the digits. So this ± says how
# much the choice of test digits matters. It does not say how much another training run would differ.


# %%
scores = {}  # name of a model: -log p of each test digit


def report(name, log_p):
    scores[name] = -log_p
    mean, error = mean_and_error(scores[name])
    print(f"{name:<22}{mean:6.2f} ± {error:.2f} nats")


# %% [markdown]
# The simplest model ignores all predecessors: $p(x)=\prod_d p(x_d)$, with the share of ink in each pixel of the
# training digits. It is our baseline.

# %%
# As if one more digit had ink in a pixel and one had not: none is impossible.
ink = (x_train.sum(axis=0) + 1) / (len(x_train) + 2)
baseline_logits = jnp.log(ink) - jnp.log(1 - ink)
report("independent pixels", chain_rule_log_prob(x_test, baseline_logits))
in_bits = scores["independent pixels"].mean() / jnp.log(2)
print(f"that is {in_bits:.1f} bits; 64 coin flips take 64")

# %% [markdown]
# **Predict:** what does a sample look like when every pixel is drawn on its own?

# %% alt="Fourteen samples of independent pixels: blots of ink in the middle, none of them a digit." caption="Samples of the baseline, which draws every pixel on its own."
samples = jax.random.bernoulli(jax.random.key(0), ink, (14, 64)).astype(float)
fig = image_rows({"independent": samples.reshape(-1, 8, 8)})

# %% [markdown]
# **Answer.** The samples look like blots. Each pixel has ink as often as it should, but no sample is a digit: a stroke
# is a fact about several pixels together, and this model knows nothing of the kind.
#
# ## 2.3 The chain rule on real pixels
#
# Before we train anything, let us see the chain rule hold on real data. Nine bits have only 512 joint values. So for a
# patch of 3 × 3 pixels we can write down the whole joint distribution of the training digits: count.

# %% alt="The ten commonest patches of 3 by 3 pixels: vertical bars, corners and diagonal strokes; one has ink in a single corner." caption="The ten commonest patches from the middle of the training digits; most are pieces of strokes."
middle = np.asarray(x_train).reshape(-1, 8, 8)[:, 3:6, 3:6]
patches = middle.reshape(-1, 9)
powers = 2 ** np.arange(9)[::-1]  # the bits read as a binary number
counts = np.bincount((patches @ powers).astype(int), minlength=512)
joint = jnp.array(counts / len(patches))
every_patch = enumerate_binary(9)  # row i holds the binary digits of i
commonest = jnp.argsort(joint)[::-1][:10]
fig = image_grid(every_patch[commonest].reshape(-1, 3, 3))
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
conditionals = {n: exact_conditionals(joint, o) for n, o in orderings.items()}
for name, factors in conditionals.items():
    same = bool(jnp.allclose(factors.prod(axis=1), joint, atol=1e-7))
    print(f"{name:<12} returns the joint: {same}")

# %% [markdown]
# **Answer.** Every ordering returns the joint. The factors differ, since each ordering asks other questions; their
# product does not, as the chain rule may split off the pixels in any sequence. Below, the log-conditionals of one patch
# are added up step by step.

# %% alt="Three falling staircase curves, one for each ordering, of the running sum of log-conditionals against the step. They take different paths and meet at step 9 in the same value, the log-probability of the patch." caption="One patch, predicted in three orderings: the running sums take different ways and end in the same $\\log p(x)$."
patch = commonest[3]
looks = zip(("o-", "s-", "^-"), (BLUE, PURPLE, SKY), strict=True)
for (name, o), (look, colour) in zip(orderings.items(), looks, strict=True):
    terms = jnp.log(conditionals[name][patch, o])
    sums = np.concatenate([[0], np.cumsum(terms)])
    plt.plot(np.arange(10), sums, look, color=colour, label=name)
end = float(jnp.log(joint[patch]))
plt.axhline(end, color=GREY, ls=":", label="log p(x) from the table")
plt.gca().set(xlabel="pixels predicted", ylabel="sum so far [nats]")
legend = plt.legend()

# %% [markdown]
# What if the first factor is forgotten, as it easily is? What remains, $p(x_2,\dots,x_9\mid x_1)$, sums to 1 for *each*
# value of $x_1$, and so to 2 over all patches.

# %% tags=["nbval-check-output"]
nine = conditionals["row by row"]
print(f"all nine factors:   {nine.prod(axis=1).sum():.4f}")
print(f"without p(x1):      {nine[:, 1:].prod(axis=1).sum():.4f}")

# %% [markdown]
# ### What goes wrong: a table for everything
#
# A table is exact, so why not use one for good?
#
# **Predict:** what is the negative log-likelihood of the *test* patches under the table of the training patches?

# %% tags=["nbval-check-output"]
test_middle = np.asarray(x_test).reshape(-1, 8, 8)[:, 3:6, 3:6]
p_test = joint[(test_middle.reshape(-1, 9) @ powers).astype(int)]
print("negative log-likelihood:", -jnp.log(p_test).mean(), "nats")
unseen = int((p_test == 0).sum())
print("test patches never seen in training:", unseen, "of", len(p_test))
print(f"numbers in a table for 64 pixels: {2**64 - 1:,}")

# %% [markdown]
# **Answer.** The negative log-likelihood is infinite: an unseen patch is impossible to the table, and 16 of the 300
# test patches are new to it. A table of whole digits has $2^{64}-1$ entries, to be filled by 1,297 digits. The repair:
# keep the chain rule, but replace each table by a function with few parameters.
#
# ## 2.4 Time series
#
# The oldest such function is linear, and a series comes in an order of its own. An **autoregressive process of order
# $p$**, AR($p$), predicts the next value of a series from the last $p$.

# %% [markdown] tags=["derivation"]
# With the time $t$ as an index at the top (no power),
#
# $$\textcolor{#D55E00}{T^t}=\sum_{i=1}^{p}\beta_i\,\textcolor{#009E73}{T^{t-i}}+\beta^0+\varepsilon^t,\qquad
# \varepsilon^t\sim\mathcal N(0,\sigma^2)\ \text{independent}.$$
#
# $T^t$ is a value of the series (in section 2.1 $T$ was the length of a list). $\beta_i$ weighs the value $i$
# steps back, $\beta^0$ is a constant, $\varepsilon^t$ is noise with standard deviation $\sigma$ (the sigmoid is always
# written with its argument, $\sigma(a)$). So each conditional is a normal distribution whose mean is linear in the
# predecessors, and only the last $p$ of them count:
#
# $$p(T^t\mid\{T^{<t}\})=\mathcal N\Big(T^t\;\Big|\;\beta^0+\sum_{i=1}^p\beta_iT^{t-i},\;\sigma^2\Big).$$
#
# The logarithm of this density is $-(T^t-\text{mean})^2/2\sigma^2$ plus a constant. So to make
# $\sum_t\log p(T^t\mid\{T^{<t}\})$ large is to make the sum of squared errors small: **least squares**.

# %% alt="A series of 300 values that swings around 10 in irregular waves, with a period of about 13 steps." caption="A series drawn from AR(2) with $\\beta_1=1.6$, $\\beta_2=-0.8$ and noise of standard deviation 1."
true_beta = jnp.array([2.0, 1.6, -0.8])  # the constant, then lag 1 and lag 2
series = data.ar_process(
    jax.random.key(2), true_beta[1:], length=300, sigma=1.0, intercept=2.0
)
plt.plot(series, color=DATA, lw=1.2)
labels = plt.gca().set(xlabel="time t [steps]", ylabel="$T^t$")

# %% [markdown]
# Each row of the matrix below holds the predecessors of one target.

# %%
ones = np.ones(298)
lags = np.stack([ones, series[1:-1], series[:-2]], axis=1)  # 1, lag 1, lag 2
target = np.asarray(series[2:])
beta = np.linalg.lstsq(lags, target)[0]
predicted = lags @ beta
sigma = (target - predicted).std()
beta_error = sigma * np.sqrt(np.diag(np.linalg.inv(lags.T @ lags)))
for name, b, error, truth in zip(
    ("constant", "lag 1", "lag 2"), beta, beta_error, true_beta, strict=True
):
    print(f"{name:<9} {b:6.2f} ± {error:.2f}   true {truth:5.2f}")

# %% [markdown]
# All three coefficients come back to within one of their standard errors.
#
# **Predict:** how much does a step gain, in nats, over a model that knows mean and variance of the series, but no
# predecessors?

# %% alt="The last 80 of the 300 values as black dots and, as a blue line, the mean predicted for each from the two before it. The line follows the waves closely." caption="The last 80 values (dots), and the mean predicted for each from the two values before it (line)."
spread = target.std()
without = normal_log_prob(target, target.mean(), np.log(spread))
gain = (normal_log_prob(target, predicted, np.log(sigma)) - without).mean()
print(f"standard deviation: series {spread:.2f}, errors {sigma:.2f}")
print(f"gain {gain:.2f} nats a step; log of the ratio", end=" ")
print(f"{np.log(spread / sigma):.2f}")
last = np.arange(220, 300)
plt.plot(last, target[-80:], "o", ms=4, color=DATA, label="series")
plt.plot(last, predicted[-80:], color=MODEL, label="predicted mean")
plt.gca().set(xlabel="time t [steps]", ylabel="$T^t$")
legend = plt.legend()

# %% [markdown]
# **Answer.** The gain is 1.32 nats a step, the logarithm of the ratio of two standard deviations: that of the series
# over that of the errors. Each density is as wide as its own errors, so that only the width is left in its mean
# logarithm. (The fit is scored on the values that it was fitted to; with three coefficients for 298 values this hardly
# matters.)

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
# In the limit $\tau$ and $T_\infty$ stay fixed, so that $\beta_1=1-\Delta/\tau\to1$ and
# $\beta^0=T_\infty\Delta/\tau\to0$: the shorter a step, the less may change in it. The limit is a first-order linear
# equation, in which the distance from $T_\infty$ decays as $e^{-t/\tau}$. AR(1) is this equation solved in steps
# (Euler's method), and with noise it is the equation with random kicks. For $\beta_1>1$ the distance grows; for
# $\beta_1<0$ it changes sign at every step, which no first-order equation does.

# %% alt="Temperature against time, from 10 down towards 2. The exact exponential is a grey line. Blue dots of AR(1) with step 1 lie below it at first; sky-blue dots with step 0.2 lie nearly on it. A thin purple path with noise wanders around it." caption="AR(1) is a differential equation solved in steps: the shorter the step $\\Delta$, the nearer the dots come to the exact solution. Here $\\tau=2$ and $T_\\infty=2$."
tau, limit = 2.0, 2.0
fine = np.linspace(0, 10, 200)
decay = limit + 8 * np.exp(-fine / tau)
plt.plot(fine, decay, color=GREY, lw=3, label="differential equation")
for step, colour, noise in (
    (1.0, BLUE, 0.0),
    (0.2, SKY, 0.0),
    (0.2, PURPLE, 0.3),
):
    beta_1, path, kicks = 1 - step / tau, [10.0], np.random.default_rng(1)
    for _ in range(round(10 / step)):
        kick = noise * kicks.normal()
        path.append(beta_1 * path[-1] + limit * step / tau + kick)
    style = (
        {"lw": 1} if noise else {"ls": "", "marker": ".", "ms": 6 + 5 * step}
    )
    label = f"AR(1), step {step}" + (", with noise" if noise else "")
    plt.plot(
        step * np.arange(len(path)), path, color=colour, label=label, **style
    )
plt.gca().set(xlabel="time", ylabel="T")
legend = plt.legend()

# %% [markdown]
# ## 2.5 From conditionals to pixels
#
# A pixel is a bit, so its conditional is a probability of ink. The simplest function that gives one is a logistic
# regression. The logit of pixel $d$ (of $D=64$) is linear in its predecessors:
#
# $$a_d=b_d+\sum_{j<d}W_{jd}\,x_j,\qquad p(x_d=1\mid\{x_{<d}\})=\sigma(a_d).$$
#
# This is the **fully visible sigmoid belief network** (FVSBN): one regression a pixel. All of them are one matrix
# product, if a **mask** $M$ of zeros and ones removes the weights with $j\ge d$: $a=b+x\,(W\odot M)$, where $\odot$
# multiplies entry by entry.


# %% alt="An 8 by 8 corner of the mask: green above the diagonal, grey on it and below. Column d is green in the rows before d." caption="A corner of the mask: pixel $d$ (column) may see pixel $j$ (row) where the cell is green." library="course_lib.networks.masked:masked_linear"
def masked_linear(x, kernel, bias, mask):
    y = x @ (kernel * mask)
    return y + jnp.broadcast_to(bias, y.shape)


mask = jnp.triu(jnp.ones((64, 64)), k=1)  # row j, column d: 1 if j < d
fig = figures.matrices({"mask (first 8 pixels)": mask[:8, :8]})

# %% [markdown]
# Here is a whole training step: the loss in nats, its gradient, the update. The loss of a logistic regression is
# convex: no start can lead to a poor local minimum.


# %%
def loss(params, mask, batch):
    logits = masked_linear(batch, params["W"], params["b"], mask)
    return -chain_rule_log_prob(batch, logits).mean()


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
fvsbn_logits = masked_linear(x_test, fvsbn["W"], fvsbn["b"], mask)
report("FVSBN", chain_rule_log_prob(x_test, fvsbn_logits))

# %% [markdown]
# How sure is the gain over independent pixels? Both models saw the same digits, and a digit that is hard for one is
# hard for the other. So compare digit by digit: between similar models the difference has a much smaller error than
# either mean.


# %%
def compare(name, other):
    """A paired comparison: ± covers the choice of test digits."""
    mean, error = mean_and_error(scores[name] - scores[other])
    print(f"{name} minus {other}: {mean:+.2f} ± {error:.2f} nats")


compare("FVSBN", "independent pixels")

# %% [markdown]
# Linear predictors alone gain more than six nats.
#
# ### What goes wrong: a pixel that sees itself
#
# All rests on the mask. Suppose that one character is wrong, `k=0` for `k=1`, so that the diagonal is kept.
#
# **Predict:** what happens to the loss?

# %%
leaky_mask = jnp.triu(jnp.ones((64, 64)), k=0)
leaky, leaky_loss = train(leaky_mask)
leaky_logits = masked_linear(x_test, leaky["W"], leaky["b"], leaky_mask)
leaky_mean = chain_rule_log_prob(x_test, leaky_logits).mean()
print(f"test 'negative log-likelihood' with the slip: {-leaky_mean:.2f} nats")

# %% [markdown]
# **Answer.** The loss falls far below that of every honest model of this chapter, since each pixel is predicted from
# itself. But the number is no negative log-likelihood, because the "conditionals" are none. This is called a **leak**.
# A score too good to be true is a leak until proven otherwise.
#
# How does one find it? For short lists, add up the probabilities of all lists: the total must be 1.

# %%
short = {"W": fvsbn["W"][27:37, 27:37], "b": fvsbn["b"][27:37]}  # ten pixels
leaky_short = {"W": leaky["W"][27:37, 27:37], "b": leaky["b"][27:37]}
ten_bits = enumerate_binary(10)
for name, params, k in (("right", short, 1), ("leaky", leaky_short, 0)):
    ten_mask = jnp.triu(jnp.ones((10, 10)), k)
    logits = masked_linear(ten_bits, params["W"], params["b"], ten_mask)
    total = jnp.exp(chain_rule_log_prob(ten_bits, logits)).sum()
    print(f"{name} mask: total probability {total:.4f}")

# %% [markdown]
# For long lists, look at what each logit reacts to. Two ways: differentiate, with real numbers as inputs for a moment;
# or flip each bit in turn. A forbidden reaction, of $a_d$ to an $x_j$ with $j\ge d$, is a leak.


# %%
def dependencies(conditional_logits, num_inputs):
    """Tables [j, d]: does logit d react to input j? By slopes; by flips."""
    keys = jax.random.split(jax.random.key(1))
    points = jax.random.normal(keys[0], (64, num_inputs))
    slopes = jax.jit(jax.vmap(jax.jacobian(conditional_logits)))(points)
    bits = jax.random.bernoulli(keys[1], 0.5, points.shape).astype(float)
    flipped = jnp.abs(bits[:, None, :] - jnp.eye(num_inputs))  # flip one each
    change = conditional_logits(flipped) - conditional_logits(bits)[:, None]
    return (slopes != 0).any(axis=0).T, (jnp.abs(change) > 1e-4).any(axis=0)


# %% alt="Three pictures of 16 by 16 cells, pixels 17 to 32; rows are inputs, columns outputs. Left, the right mask: cells are green strictly above the diagonal. Middle, the leaky mask: the diagonal is green as well. Right, the forbidden reactions of the leaky mask: the diagonal alone. In all, some rows are grey throughout." caption="What each logit (column) reacts to (row, green), pixels 17 to 32. The slip shows on the diagonal, and alone on the right. Rows without green belong to pixels that have no ink in any training digit."
found = {}
for name, params, m in (("right", fvsbn, mask), ("leaky", leaky, leaky_mask)):

    def logits_of(x, params=params, m=m):
        return masked_linear(x, params["W"], params["b"], m)

    slope, flip = dependencies(logits_of, 64)
    found[f"{name} mask"] = (slope | flip)[16:32, 16:32]
    seen = int(jnp.diag(slope).sum()), int(jnp.diag(flip).sum())
    print(f"{name} mask: pixels that see themselves {seen} (slopes, flips)")
found["forbidden"] = found["leaky mask"] & (mask[16:32, 16:32] == 0)
print("pixels with ink in a training digit:", int(x_train.any(axis=0).sum()))
fig = figures.matrices(found, unit=0.14)

# %% [markdown]
# The leaky mask lets all 64 pixels see themselves, yet the tests find it in 51 only: the other 13 pixels never had ink,
# and their weights stayed 0. So a test may miss a leak. It can miss more, as two hostile examples show: logits that
# jump, and logits that do not react at all.

# %% tags=["nbval-check-output"]
examples = {
    "jump": lambda x: 5 * (2.0 * (x > 0.5) - 1),  # each bit predicts itself
    "dead": lambda x: jax.nn.relu(x - 100),  # would, but never wakes up
}
for name, logits_of in examples.items():
    slope, flip = dependencies(logits_of, 10)
    all_p = jnp.exp(chain_rule_log_prob(ten_bits, logits_of(ten_bits)))
    print(f"{name}: reactions by slopes {int(slope.sum())}, by flips", end=" ")
    print(f"{int(flip.sum())}; total probability {all_p.sum():.1f}")

# %% [markdown]
# The jump leaks, as its total of 957 shows, but all slopes are 0; the flips find it. The dead logits pass both tests,
# as does any network that ignores its inputs. So flip as well, and ask that the *allowed* reactions are there. Even
# then a test can only find a leak; the masks prove that there is none.

# %% [markdown] tags=["box"]
# **Predict, then play.** The browser trains 64 logistic regressions, one for each pixel. Open three bits of the mask's
# diagonal, so that three pixels read their own answer. May the loss then fall below the line, the best that the masked
# model reached?

# %% caption="One logistic regression a pixel, trained in this page by the same step as in Python: the weights, samples, and the loss in nats. The line is what the masked model reaches after 4,000 steps."
from course_lib.autoregressive import Fvsbn
from course_lib.explorers.scenes.live_masks import live_masks_explorer

live_masks_explorer(
    lambda rngs: Fvsbn(64),
    negative_log_likelihood,
    data.binarize(digits.train.images),
    pixels=(27, 35, 43),
)

# %% [markdown] tags=["answer"]
# Yes. Three pixels cost nothing any more, for each is told what it is. The number that falls is no longer minus the
# logarithm of a distribution's probability: it is a leak, and a lower loss is the first sign of it.

# %% [markdown]
# ## 2.6 NADE
#
# A linear logit cannot say "ink if exactly one of these two pixels has ink"; a hidden layer can. But 64 separate
# networks have too many weights for 1,297 digits.

# %% [markdown] tags=["derivation"]
# **NADE**, the neural autoregressive distribution estimator, has one weight matrix $W$ ($D\times H$) and one bias $c$
# for all its conditionals. With an ordering $o$,
#
# $$h_d=\sigma\Big(c+\sum_{j<d}x_{o_j}W_{o_j}\Big),\qquad
# p(x_{o_d}=1\mid\mathbf x_{o_{<d}})=\sigma\big(b_{o_d}+h_d\cdot V_{o_d}\big).$$
#
# $W_j$ is the row of $W$ that belongs to pixel $j$, and $V_j$ the output weights of pixel $j$.
#
# Computed as written, $h_d$ costs $(d-1)\times H$ multiplications, and all of them about $\tfrac12D^2H$. But the sum
# inside grows by one term a step. Carry it along:
#
# $$s_1=c,\qquad s_{d+1}=s_d+x_{o_d}W_{o_d},\qquad h_d=\sigma(s_d).$$
#
# Here $s_d$ is the input of the hidden layer; the logit is $b_{o_d}+h_d\cdot V_{o_d}$. Now each step costs $H$
# multiplications for the sum and $H$ for the output: $2DH$ in all. In the code `a` holds $s_d$.


# %% library="course_lib.autoregressive.nade:nade_step course_lib.autoregressive.nade:nade_logits"
def nade_step(a, now):
    x_d, w, v, b = now
    return a + jnp.tensordot(x_d, w, axes=0), jax.nn.sigmoid(a) @ v + b


def nade_logits(x, kernel, hidden_bias, output_kernel, output_bias, ordering):
    a_1 = jnp.broadcast_to(hidden_bias, (*x.shape[:-1], hidden_bias.size))
    weights = (
        kernel[ordering],
        output_kernel[ordering],
        output_bias[ordering],
    )
    _, logits = jax.lax.scan(
        nade_step, a_1, (jnp.moveaxis(x[..., ordering], -1, 0), *weights)
    )
    return jnp.moveaxis(logits[jnp.argsort(ordering)], 0, x.ndim - 1)


# %% [markdown]
# `lax.scan` runs the recursion; the last line puts the logits back from the order of prediction into the order of the
# pixels.
#
# **Predict:** does the recursion agree with the definition, and how many times fewer multiplications does it take for
# MNIST ($D=784$, $H=500$)?

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
W, V = rng.normal(size=(9, 5)), rng.normal(size=(9, 5))
c, b = rng.normal(size=5), rng.normal(size=9)
o, x = orderings["shuffled"], patches[0]
by_definition = np.empty(9)
for d in range(9):
    h = expit(c + x[o[:d]] @ W[o[:d]])
    by_definition[o[d]] = b[o[d]] + h @ V[o[d]]
recursion = nade_logits(x, W, jnp.array(c), V, b, o)
print("as defined:", bool(np.allclose(recursion, by_definition, atol=1e-5)))
anew, carried = 784**2 * 500 // 2 + 784 * 500, 2 * 784 * 500
print(
    f"{anew:,} against {carried:,} multiplications: {anew / carried:.0f} to 1"
)

# %% [markdown]
# **Answer.** The recursion agrees with the definition, and takes about 196 times fewer multiplications, a quarter of
# $D$.
#
# `Nade` holds these parameters, and `log_prob` adds up the log-conditionals. Whatever the weights are, the total
# probability is 1, in every ordering.

# %% tags=["nbval-check-output"]
for name, o in orderings.items():
    model = Nade(9, 16, ordering=o, rngs=nnx.Rngs(0))
    total = jnp.exp(model.log_prob(every_patch)).sum()
    print(f"{name:<12} total probability {total:.4f}")

# %% [markdown]
# Training is the step of section 2.5, repeated by `fit`. After each pass over the data (an *epoch*) it looks at the
# validation digits, keeps the best state, and stops after ten epochs without a better one. With a hidden layer the
# start matters, so we train from three random starts.


# %%
settings = {
    "key": jax.random.key(0), "batch_size": 64, "epochs": 60,
    "validation": x_valid, "patience": 10,
}  # fmt: skip


def train_nade(seed):
    model = Nade(64, 128, rngs=nnx.Rngs(seed))
    model.output_bias[...] = baseline_logits[:, None]  # begin as the baseline
    adam = optax.adam(2e-2)
    print(
        fit(
            model, negative_log_likelihood, x_train, optimizer=adam, **settings
        )
    )
    return model


nades = [train_nade(seed) for seed in range(3)]
nade = nades[0]
report("NADE", nade.log_prob(x_test))

# %% [markdown]
# ## 2.7 MADE
#
# NADE, as written above, goes through the pixels one by one (exercise 2.6 does without a loop), and has one hidden
# layer. **MADE**, the masked autoencoder for distribution estimation, computes all conditionals in one pass through an
# ordinary network of any depth, from which the forbidden connections have been removed.

# %% [markdown] tags=["derivation"]
# How to choose what to remove? Give every unit a **degree** $m$: it may know the first $m$ pixels of the ordering.
#
# - The input of pixel $o_d$ knows itself: $m=d$.
# - Each hidden unit gets some $m$ between 1 and $D-1$.
# - A hidden unit may listen to a unit below that knows no more than itself: $M_{jk}=1$ if $m_k\ge m_j$.
# - The output of pixel $o_d$ must know less than $d$: $M_{kd}=1$ if $d>m_k$.
#
# Then on any path from input to output the degrees never fall, and at the last step they rise. So it leads from a pixel
# to a *later* pixel, whatever the weights are: this is the proof that no test can give. The masks have the shape (in,
# out) of the weights they multiply.

# %% alt="A network of four inputs, six hidden units and four outputs, each showing its degree. The output of degree 1 has no connection; the output of degree 4 is connected with all hidden units; the input of degree 4 has no connection." caption="A MADE for four pixels. Every unit shows its degree; a line is a connection that the masks keep. Along a path from left to right the degrees never fall, and before the output they rise."
from course_lib.networks import made_degrees, made_masks

degrees = made_degrees(np.arange(4), (6,))
columns = ["inputs", "hidden units", "outputs"]
fig = figures.network_of_degrees([*degrees, degrees[0]], columns)

# %% [markdown]
# The two formulas in code, next to the library's `made_masks`. The product of the masks counts the paths from each
# input (row) to each output (column).
#
# **Predict:** where is the product 0?

# %% tags=["nbval-check-output"]
m_in, m_hidden = degrees
hidden_mask = (m_hidden[None, :] >= m_in[:, None]).astype(float)
output_mask = (m_in[None, :] > m_hidden[:, None]).astype(float)
made_by_us = (hidden_mask, output_mask)
for ours, theirs in zip(
    made_by_us, made_masks(np.arange(4), (6,)), strict=True
):
    print("as in the library:", np.array_equal(ours, theirs))
print(hidden_mask @ output_mask)

# %% [markdown]
# **Answer.** The product is 0 on the diagonal and below it: no path leads from a pixel to itself or to an earlier one.
#
# One of the two signs is $\ge$, the other $>$, and it is easy to mix them up.
#
# **Predict:** what happens if the signs are exchanged? If both are $\ge$, or both $>$?

# %% tags=["nbval-check-output"]
signs = {"≥": np.greater_equal, ">": np.greater}
for into_hidden, into_output in (
    ("≥", ">"),
    (">", "≥"),
    ("≥", "≥"),
    (">", ">"),
):
    first = signs[into_hidden](m_hidden[None, :], m_in[:, None]).astype(int)
    second = signs[into_output](m_in[None, :], m_hidden[:, None]).astype(int)
    open_ways = first @ second > 0
    leaks, kept = (
        int(np.tril(open_ways).sum()),
        int(np.triu(open_ways, 1).sum()),
    )
    print(
        f"{into_hidden} then {into_output}: {leaks} leaks, {kept} of 6 allowed"
    )

# %% [markdown]
# **Answer.** Exchanged signs give a valid model that is partly blind: one rise a path is enough against leaks, but a
# hidden unit of degree $m$ then sees only $m-1$ pixels, and none can pass pixel 3 on to pixel 4. (With more hidden
# layers each loses one more.) With $\ge$ twice there are leaks. With $>$ twice no pixel sees its direct predecessor.
#
# For more layers the rule for hidden units is used again.

# %% alt="Four masks side by side for 8 pixels in a shuffled ordering and two hidden layers of 16 units, then their product. The product looks irregular, with an empty diagonal; with rows and columns sorted by the ordering it is a strict upper triangle." caption="The masks of a MADE with two hidden layers in a shuffled ordering, and their product. Sorted by the ordering, the product is a strict upper triangle."
o = np.random.default_rng(3).permutation(8)
masks = [np.asarray(m) for m in made_masks(o, (16, 16))]
ways = masks[0] @ masks[1] @ masks[2]
names = ("into layer 1", "into layer 2", "into outputs", "product", "sorted")
shown = dict(zip(names, (*masks, ways, ways[np.ix_(o, o)]), strict=True))
fig = figures.matrices(shown, unit=0.15)

# %% [markdown]
# **Predict, then move:** in the ordering from left to right, which output may look at nothing at all? Which one is that
# in the shuffled ordering?

# %% caption="The open paths to the chosen output (left), the inputs that it may look at (middle), and the same for all outputs (right). In the matrix a row is an input and a column an output."
from course_lib.explorers.scenes.masks import mask_explorer

six_pixel_orderings = {
    "left to right": [0, 1, 2, 3, 4, 5],
    "right to left": [5, 4, 3, 2, 1, 0],
    "shuffled": [3, 0, 5, 1, 4, 2],
}
masks_of = {
    name: made_masks(np.array(ordering), (8, 8))
    for name, ordering in six_pixel_orderings.items()
}
mask_explorer(masks_of)

# %% [markdown]
# **Answer.** The output that may look at nothing is always the first of the ordering: $x_1$ from left to right, $x_4$
# in the shuffled ordering. It has no predecessors, so its probability of ink is a constant.
#
# `is_autoregressive` tests the masks alone. Take the two-layer MADE from above and flip one entry of its middle mask.
#
# **Predict:** does every flip of a 0 to a 1 break the model?

# %% tags=["nbval-check-output"]
from course_lib.networks import allowed_dependencies, is_autoregressive

zeros = np.argwhere(masks[1] == 0)
broken = 0
for j, k in zeros:
    changed = masks[1].copy()
    changed[j, k] = 1
    broken += not is_autoregressive([masks[0], changed, masks[2]], o)
print("right masks pass:", is_autoregressive(masks, o))
print(f"flips that break the model: {broken} of {len(zeros)}")

# %% [markdown]
# **Answer.** Every flip in this mask breaks the model, 109 of 109: it lets a unit listen to one that knows more, and
# opens a path from a pixel to itself or to an earlier one. So the mask is as open as it can be.
#
# The pass through the network is short: masked layers, with a relu between them.


# %%
def made_logits(x, layers):
    h = x
    for depth, layer in enumerate(layers):
        h = jax.nn.relu(h) if depth else h
        h = masked_linear(
            h, layer.kernel[...], layer.bias[...], layer.mask[...]
        )
    return h


def train_made(ordering, seed, hidden):
    model = Made(64, (hidden,), ordering=ordering, rngs=nnx.Rngs(seed))
    model.layers[-1].bias[...] = baseline_logits
    adam = optax.adam(6e-3)
    fit(model, negative_log_likelihood, x_train, optimizer=adam, **settings)
    return model


# %%
rows_first = np.arange(64)
mades = [train_made(rows_first, seed, hidden=512) for seed in range(3)]
made = mades[0]
report("MADE", made.log_prob(x_test))
same_logits = made_logits(x_test, made.layers), made.conditional_logits(x_test)
print(
    "our pass is the library's:", bool(jnp.allclose(*same_logits, atol=1e-4))
)

# %% [markdown]
# Now the leak test on the trained model: no forbidden reaction, and every allowed one.

# %%
slope, flip = dependencies(made.conditional_logits, 64)
allowed = allowed_dependencies(rows_first)
reacts = slope | flip
for kind, pairs in (("forbidden", ~allowed), ("allowed", allowed)):
    count = int((reacts & pairs).sum())
    print(f"{kind}: {count} of {int(pairs.sum())} reactions found")

# %% alt="Horizontal bars of the test negative log-likelihood with standard errors. Independent pixels are by far the worst at almost 25 nats, FVSBN is near 18, NADE and MADE are lower, near 17 and close together." caption="Test negative log-likelihood; shorter is better. The bars' errors cover the choice of test digits."
names = list(scores)[::-1]
bars = [mean_and_error(scores[n]) for n in names]
colours = [GREY if n == "independent pixels" else BLUE for n in names]
means, errors = zip(*bars, strict=True)
plt.barh(names, means, xerr=errors, color=colours, height=0.6)
labels = plt.gca().set(xlabel="test negative log-likelihood [nats]")

# %% [markdown]
# Two comparisons: digit by digit for one start of each model, and the means of all starts, whose ± is the error from
# start to start.

# %%
compare("NADE", "FVSBN")
compare("MADE", "FVSBN")
compare("MADE", "NADE")
averages = {}
for name, models in (("NADE", nades), ("MADE", mades)):
    nats = np.array([-model.log_prob(x_test).mean() for model in models])
    averages[name] = mean_and_error(nats)
    print(f"{name}, 3 starts:", nats.round(2), end=" ")
    print(f"mean {averages[name][0]:.2f} ± {averages[name][1]:.2f} nats")

# %% [markdown]
# Hidden layers help, by about 1.3 nats. Between NADE and MADE nothing is decided: digit by digit and between starts
# the difference is no larger than its error. (The recipes differ: each has the learning rate that suited it, and MADE
# twice the weights.) Training digits cost about two nats less than others, as section 2.6 printed for NADE.

# %% [markdown] tags=["quiz"]
# **A colleague's new model of 64 bits scores 3 nats, and all derivatives $\partial a_d/\partial x_j$ with $j\ge d$ are
# 0 at a thousand random points. What do you conclude?**
#
# - [ ] There is no leak: the derivatives show it. :: A logit that jumps has slope 0 almost everywhere and may still
#   depend on its own pixel. Slopes at some points prove nothing.
# - [x] There may be a leak; flip inputs, add up probabilities of a short version, and read the masks. :: Right. A score
#   that no other model comes near is a reason to look further, and only the structure proves that there is no leak.
# - [ ] There is a leak: no model can score 3 nats. :: On data with little variety 3 nats may be honest. The score gives
#   cause for suspicion; it proves nothing.

# %% [markdown] tags=["quiz"]
# **You train FVSBNs in two orderings on the same digits. Will they give a digit the same probability?**
#
# - [ ] Yes: the chain rule holds in every ordering. :: It holds for the exact conditionals. Two trained models need not
#   be the same distribution.
# - [x] In general no: linear logits in one ordering and in another describe different sets of distributions. :: Right.
#   The true conditionals multiply to the same joint in every ordering; those of a limited model do not.
# - [ ] No, as the chain rule holds for the ordering of the rows only. :: The rule may split off the variables in any
#   sequence; section 2.3 did so in three.

# %% [markdown] tags=["quiz"]
# **In a MADE, why may the connections into the outputs not follow the rule of the hidden layers, $m_k\ge m_j$?**
#
# - [x] The output of pixel $d$ could then listen to units that know pixel $d$. :: Right: a unit of degree $d$ may have
#   seen pixel $d$ itself, and so the output must know strictly less.
# - [ ] The network would have too many weights to train. :: It would have more, but that does no harm to a valid model.
#   The harm is a leak.
# - [ ] The last pixel would be left without connections. :: With $\ge$ outputs get more connections, not fewer.

# %% [markdown]
# ## 2.8 Sampling in order
#
# A likelihood ranks models; a sample shows what one has learned. Follow the ordering: draw $x_{o_1}$, then $x_{o_2}$
# given $x_{o_1}$, and so on. This is **ancestral sampling**.


# %% library="course_lib.autoregressive.model:sample_in_order"
def sample_in_order(conditional_logits, ordering, key, num_samples):
    def draw(x, step):
        pixel, step_key = step
        p = jax.nn.sigmoid(conditional_logits(x)[:, pixel])
        return x.at[:, pixel].set(
            jax.random.bernoulli(step_key, p).astype(float)
        ), None

    steps = (ordering, jax.random.split(key, len(ordering)))
    x, _ = jax.lax.scan(draw, jnp.zeros((num_samples, len(ordering))), steps)
    return x


# %% [markdown]
# Each step calls the model on the pixels drawn so far; those still to come are 0 and, thanks to the masks, without
# effect.
#
# **Predict:** MADE gives all conditionals of a *finished* digit in one pass. How many passes does a *new* digit take?

# %% tags=["cover"] alt="Five rows of fourteen images: test digits, then samples. Samples of independent pixels are blots. FVSBN samples have connected strokes. NADE and MADE samples more often look like a digit, though many are not quite one." caption="Test digits, and samples of four models. The last three rows used the same random numbers."
rows = jnp.arange(64)


def logits_fvsbn(x):
    return masked_linear(x, fvsbn["W"], fvsbn["b"], mask)


drawn = {
    "test digits": x_test[:14],
    "independent": samples,
    "FVSBN": sample_in_order(logits_fvsbn, rows, jax.random.key(1), 14),
    "NADE": nade.sample(jax.random.key(1), (14,)),
    "MADE": made.sample(jax.random.key(1), (14,)),
}
pictures = {name: np.reshape(x, (-1, 8, 8)) for name, x in drawn.items()}
fig = image_rows(pictures)

# %% [markdown]
# **Answer.** A new digit takes 64 passes, one a pixel, since no pixel can be drawn before its predecessors.
#
# That is what `sample_in_order` does. `sample` is thriftier: NADE runs its recursion once; MADE computes a hidden unit
# once, as soon as its last input has been drawn.

# %%
slow = sample_in_order(made.conditional_logits, rows, jax.random.key(1), 14)
differing = int((slow != drawn["MADE"]).sum())
print("pixels on which the samplers differ:", differing, "of", slow.size)

# %% [markdown]
# The same loop completes a picture: keep the pixels that are known, and draw the others. In `sample`, `known` marks the
# pixels to keep, and `given` holds their values.


# %%
def complete(model, image, num_known, key, num_samples):
    """Keep the first `num_known` pixels of the ordering; draw the others."""
    known = jnp.argsort(model.ordering[...]) < num_known
    return model.sample(key, (num_samples,), given=image, known=known)


# %% alt="Four rows of nine images. In each row the first is a test digit, the second the same with its lower half hidden in grey, the others seven different completions by MADE: the upper half is the same, the lower halves vary." caption="A test digit, its upper half, and seven completions by MADE, four times. Where the upper half fits several digits, the completions differ."
halves = []
for i in range(4):
    hidden = x_test[i].at[32:].set(0.5)
    key = jax.random.fold_in(jax.random.key(2), i)
    halves += [x_test[i], hidden, *complete(made, x_test[i], 32, key, 7)]
fig = image_grid(jnp.stack(halves).reshape(-1, 8, 8), columns=9)

# %% [markdown]
# This is right only because the known pixels come *first* in the ordering; for others, `sample` refuses. Section 2.12
# removes this limit.
#
# ### One wrong pixel
#
# In training, each pixel is predicted from the *true* pixels before it. This is called **teacher forcing**. In
# sampling, a model is given its own draws instead, mistakes included, and such predecessors it may never have seen in
# training (**exposure bias**). So flip one pixel of each test digit, the 20th, and let MADE go on from there.

# %%
wrong = x_test.at[:, 19].set(1 - x_test[:, 19])
lost = made.log_probs(x_test) - made.log_probs(wrong)
print(f"the flipped pixel itself: {lost[:, 19].mean():.2f} nats")
mean, error = mean_and_error(lost[:, 20:].sum(axis=1))
print(f"the 44 true pixels after it: {mean:.2f} ± {error:.2f} nats")

# %% [markdown]
# The digit becomes less likely twice: by the wrong pixel, and by the right pixels after it, which are now predicted
# from a wrong one. And how do completions differ, drawn with the *same* random numbers?

# %% alt="Share of differing pixels against the row of the picture, from row 3 to row 8. The purple curve is for one flipped pixel and the same random numbers, the grey curve for other random numbers." caption="How far two completions of the same upper rows differ. Purple: one pixel was flipped, all random numbers are the same. Grey: nothing was flipped, the random numbers differ."
known = rows < 20
draw = lambda x, seed: made.sample(  # noqa: E731
    jax.random.key(seed), (300,), given=x, known=known
)
truth, by_rows = draw(x_test, 8), {}
for name, x, seed, colour in (
    ("one pixel flipped", wrong, 8, PURPLE),
    ("other random numbers", x_test, 9, GREY),
):
    differ = (draw(x, seed) != truth)[:, 20:]
    print(f"{name}: {differ.sum(axis=1).mean():.1f} of 44 pixels differ")
    by_row = differ[:, 4:].reshape(300, 5, 8).mean(axis=(0, 2))
    by_rows[name] = np.array([differ[:, :4].mean(), *by_row])
    plt.plot(range(3, 9), by_rows[name], "o-", color=colour, label=name)
flipped, redrawn = by_rows.values()
print("row by row, the first over the second:", (flipped / redrawn).round(2))
plt.ylim(0, 0.27)
plt.gca().set(xlabel="row of the picture", ylabel="share of pixels")
legend = plt.legend()

# %% [markdown]
# One wrong pixel changes 3.7 of the 44 that follow, with every random number kept; new random numbers change 8.7. The
# first share rises from 28 % of the second in row 3 to 55 % in row 8: each pixel that comes out otherwise is one more
# wrong predecessor. So errors compound.
#
# Next, watch three samples grow. After each step we average 20 completions: the picture that the model expects so far.

# %%
from course_lib.explorers.scenes.generation import generation_explorer

three = made.sample(jax.random.key(15), (3,))
steps, keys = jnp.arange(65), jax.random.split(jax.random.key(6), 65)


@jax.jit
def expected_picture(x):
    def average(t, key):
        return complete(made, x, t, key, 20).mean(axis=0)

    return jax.vmap(average)(steps, keys)


expected = jnp.stack([expected_picture(x) for x in three])
exact = jax.nn.sigmoid(made.conditional_logits(three))

# %% [markdown]
# The next pixel is red, its predecessors are green.
#
# **Predict, then move:** at which steps is the model sure of the next pixel, and when does the expected picture settle?

# %% caption="A sample grows pixel by pixel. Left: the next pixel and its predecessors. Middle: the pixels drawn so far. Right: the probability of ink in every pixel, given these."
already_drawn = jnp.arange(64)[None, :] < steps[:, None]
upcoming = jnp.arange(64)[None, :] == steps[:, None]
images = jnp.where(already_drawn, three[:, None], 0.5)
chances = jnp.where(upcoming, exact[:, None], expected)
where = 0.5 * already_drawn + upcoming
stacks = images.reshape(3, 65, 8, 8), chances.reshape(3, 65, 8, 8)
generation_explorer(*stacks, where.reshape(65, 8, 8))

# %%
sure = (jnp.maximum(exact, 1 - exact) > 0.95).reshape(3, 8, 8)
print(f"sure steps: at the margins {sure[..., [0, 7]].mean():.0%}", end=", ")
print(f"elsewhere {sure[..., 1:7].mean():.0%}")
far = jnp.abs(expected - three[:, None]).mean(axis=0)
for t in (0, 16, 32, 48, 64):
    print(
        f"after {t:2} pixels the picture is off by {far[t].sum():4.1f}", end=""
    )
    print(f" pixels, {far[t, 32:].sum():.1f} of them in the lower half")

# %% [markdown]
# **Answer.** The model is sure of the next pixel (one value has a probability above 0.95) at all steps in the left and
# right margins, where there is hardly any ink, and at 44 % of the others. The expected picture settles little by
# little: its lower half is off by 8.6 pixels at first, and by 4.1 given the upper half.
#
# ## 2.9 Samples of one class
#
# With labels one can ask for a *seven*. Let every conditional know the class $y$: $p(x\mid
# y)=\prod_dp(x_d\mid\{x_{<d}\},y)$. In MADE, the class adds a vector to each layer.

# %%
by_class = Made(64, (512,), num_classes=10, rngs=nnx.Rngs(0))
by_class.layers[-1].bias[...] = baseline_logits
labelled = settings | {"validation": (x_valid, digits.valid.labels)}
labelled["optimizer"] = optax.adam(6e-3)
pairs_train = (x_train, digits.train.labels)
history = fit(by_class, negative_log_likelihood, pairs_train, **labelled)

# %% [markdown]
# Now we can ask for a class. We can also divide every logit by a number, the **temperature**.
#
# **Predict:** what becomes of the samples if the temperature is below 1?

# %% alt="Four rows of ten images, one column for each class from 0 to 9. Two rows at temperature 1: most are readable as their class, some have stray pixels. Two rows at temperature one half: cleaner strokes, and the two rows look more alike." caption="One sample of each class, from 0 to 9: twice at temperature 1, twice at temperature 0.5."
every_class = jnp.arange(10)
rows_drawn = {}
for i, temperature in enumerate((1.0, 1.0, 0.5, 0.5)):
    x = by_class.sample(
        jax.random.key(20 + i),
        (10,),
        label=every_class,
        temperature=temperature,
    )
    name = f"temperature {temperature}, {('first', 'second')[i % 2]}"
    rows_drawn[name] = x.reshape(-1, 8, 8)
fig = image_rows(rows_drawn)

# %%
for temperature in (1.0, 0.5):
    sample = lambda i, t=temperature: by_class.sample(  # noqa: E731
        jax.random.key(i), (50, 10), label=jnp.tile(jnp.arange(10), (50, 1)),
        temperature=t,
    )  # fmt: skip
    apart = jnp.abs(sample(30) - sample(31)).sum(axis=-1).mean()
    print(
        f"temperature {temperature}: two samples of one class differ", end=" "
    )
    print(f"in {apart:.1f} pixels")

# %% [markdown]
# **Answer.** Below 1 the samples become cleaner and more alike: likely pixels become likelier, and two samples of a
# class differ in fewer pixels. They are no longer samples of the model.
#
# Bayes' rule gives back what the labels were about: $p(x)=\sum_yp(y)\,p(x\mid y)$, and $p(y\mid x)=p(y)\,p(x\mid
# y)/p(x)$.
#
# **Predict:** which is larger, $p(x)$ or $p(x\mid y)$ for the right $y$?

# %%
log_p_given = jnp.stack(
    [by_class.log_prob(x_test, y) for y in range(10)], axis=1
)
log_prior = jnp.log(jnp.bincount(digits.train.labels) / len(x_train))
log_joint = log_p_given + log_prior  # log p(y) + log p(x | y)
report("MADE, all classes", jax.nn.logsumexp(log_joint, axis=1))
right = jnp.arange(300), digits.test.labels
print(f"given the right class {-log_p_given[right].mean():.2f} nats")
log_posterior = jax.nn.log_softmax(log_joint, axis=1)
print(f"-log p(y)     {-log_prior[digits.test.labels].mean():.2f} nats")
print(f"-log p(y | x) {-log_posterior[right].mean():.2f} nats")
named = (log_joint.argmax(axis=1) == digits.test.labels).mean()
print(f"classes named right by p(y | x): {named:.0%}")
compare("MADE, all classes", "MADE")

# %% [markdown]
# **Answer.** $p(x\mid y)$ is larger. By Bayes' rule $\log p(x\mid y)-\log p(x)=\log p(y\mid x)-\log p(y)$: the class
# saves the 2.30 nats that name it, less the 0.20 nats by which the picture leaves it in doubt.
#
# Only $p(x)$ may be compared with other models. It gains 0.51 nats on that of MADE, but this model alone used labels.
#
# ## 2.10 An ensemble over orderings
#
# The chain rule is exact in every ordering; a trained network is not. Is one ordering better than another? Are several
# better than one? To tell orderings from chance, we train four orderings from four random starts each.

# %%
image_orderings = {
    "rows": rows_first,
    "backwards": rows_first[::-1],
    "columns": rows_first.reshape(8, 8).T.ravel(),
    "shuffled": np.random.default_rng(0).permutation(64),
}
grid = [
    [train_made(ordering, seed, hidden=256) for seed in range(4)]
    for ordering in image_orderings.values()
]
log_ps = np.array(  # (orderings, starts, digits)
    [[m.log_prob(x_test) for m in members] for members in grid], float
)
print("4 starts, their mean ± the error from start to start [nats]")
for name, nats in zip(image_orderings, -log_ps.mean(axis=2), strict=True):
    mean, error = mean_and_error(nats)
    print(f"{name:<10}", nats.round(2), f"mean {mean:.2f} ± {error:.2f}")
gap, error = mean_and_error((log_ps[0] - log_ps[2]).mean(axis=0))
print(f"columns minus rows, digit by digit: {gap:+.2f} ± {error:.2f} nats")

# %% alt="Test negative log-likelihood of sixteen models: one row of four dots for each of four orderings. Rows, backwards and shuffled lie between 17.0 and 17.15 nats; the four dots of columns lie apart, near 17.3." caption="Sixteen MADEs: four orderings (rows of the figure), four random starts each (dots)."
for y, nats in enumerate(-log_ps.mean(axis=2)):
    plt.plot(nats, np.full(4, y), "o", ms=7, alpha=0.7, color=MODEL)
plt.yticks(range(4), image_orderings)
plt.ylim(3.5, -0.5)
labels = plt.gca().set(xlabel="test negative log-likelihood [nats]")

# %% [markdown]
# Column by column is worse than the other three orderings, in each of the four starts; digit by digit it loses 0.22 ±
# 0.09 nats to row by row. Among the other three nothing is decided. But do two orderings err on the *same* digits?

# %%
two_orderings = (log_ps[0, 0] - log_ps[1, 0]).std()
two_starts = (log_ps[0, 0] - log_ps[0, 1]).std()
print(f"two orderings differ on a digit by {two_orderings:.2f} nats")
print(f"two starts differ on a digit by    {two_starts:.2f} nats")
best = np.bincount(log_ps[:, 0].argmax(axis=0), minlength=4)
print("digits on which each ordering is best:", best)

# %% [markdown]
# Only in part: on a single digit two orderings differ by 2.24 nats (standard deviation), and even two starts by 1.73.
# So take them all. A mixture with equal weights averages the **probabilities** that the $K$ models give to the whole
# picture,
#
# $$p(x)=\frac1K\sum_{k=1}^Kp_k(x),\qquad \log p(x)=\log\sum_k e^{\log p_k(x)}-\log K.$$
#
# **Predict:** can the mixture be worse than the average member? Which four make the better one: four orderings, or four
# starts of one ordering?


# %% library="course_lib.autoregressive.chain_rule:ensemble_log_prob"
def ensemble_log_prob(log_probs, axis=0):
    return jax.nn.logsumexp(log_probs, axis=axis) - jnp.log(
        log_probs.shape[axis]
    )


# %%
mixtures_of = {
    "four orderings": ensemble_log_prob(log_ps, axis=0),
    "four starts": ensemble_log_prob(log_ps, axis=1),
}
print(f"average of the 16 members {-log_ps.mean():.2f} nats")
print("4 mixtures of each kind, their mean ± the error between them:")
gains = {}
for name, log_p in mixtures_of.items():
    nats = -np.asarray(log_p, float).mean(axis=1)
    gains[name] = mean_and_error(-log_ps.mean() - nats)
    mean, error = mean_and_error(nats)
    print(f"{name}: {nats.round(2)} mean {mean:.2f} ± {error:.2f}")
for name, (mean, error) in gains.items():
    print(f"{name} gain {mean:.2f} ± {error:.2f} nats")

# %%
every_one = ensemble_log_prob(log_ps.reshape(16, 300))
print(f"all sixteen: {-every_one.mean():.2f} nats")
report("4 orderings", ensemble_log_prob(log_ps[:, 0]))
report("4 starts", ensemble_log_prob(log_ps[0]))
compare("4 orderings", "4 starts")

# %% [markdown]
# **Answer.** The mixture cannot be worse: the logarithm is concave, so the log of an average is at least the average of
# the logs. Four orderings make the better one, as they disagree more: they gain 0.62 nats, four starts 0.36. So more
# than half of the gain is that of any mixture.
#
# ## 2.11 Averages that are no distribution
#
# ### What goes wrong: averaging conditionals of several orderings
#
# Why not average earlier, pixel by pixel? A widely copied implementation averages the *logits* of the orderings. One
# may also average conditional probabilities. Here are all three averages, for four orderings and for four starts.


# %%
def three_averages(models, x):
    logits = jnp.stack([m.conditional_logits(x) for m in models])
    ink_mean = jax.nn.sigmoid(logits).mean(axis=0)
    pixelwise = jnp.log(ink_mean) - jnp.log1p(-ink_mean)  # back to a logit
    return {
        "joint probabilities": ensemble_log_prob(
            chain_rule_log_prob(x, logits)
        ),
        "conditionals": chain_rule_log_prob(x, pixelwise),
        "logits": chain_rule_log_prob(x, logits.mean(axis=0)),
    }


four_orderings = [members[0] for members in grid]
four_starts = grid[0]
for title, models in (("orderings", four_orderings), ("starts", four_starts)):
    for name, log_p in three_averages(models, x_test).items():
        print(f"four {title}: average of {name:<20}{-log_p.mean():6.2f}")

# %% [markdown]
# For four starts the three averages agree to a few hundredths. For four orderings the new ones score 14.77 and 13.90,
# against 16.52 of the mixture. Too good to be true? The sum over all $x$ is too long, but it is a mean over samples of
# the honest mixture $p$: for any other $\tilde p$, $\sum_x\tilde p(x)=\mathbb E_{x\sim p}[\tilde p(x)/p(x)]$.
#
# **Predict:** for which of the averages is the total 1?

# %%
for title, models in (("orderings", four_orderings), ("starts", four_starts)):
    seeds = jax.random.split(jax.random.key(5), 4)
    fair = [m.sample(k, (600,)) for m, k in zip(models, seeds, strict=True)]
    honest, *others = three_averages(models, jnp.concatenate(fair)).items()
    for name, log_p in others:
        mass, error = mean_and_error(jnp.exp(log_p - honest[1]))
        print(
            f"four {title}, average of {name}: total {mass:.2f} ± {error:.2f}"
        )

# %% [markdown]
# **Answer.** The total is 1 for all averages within one ordering, and for the average of joint probabilities. It is far
# above 1 where conditionals or logits of *different* orderings are averaged: there each pixel has been predicted partly
# from those before it and partly from those after it. This is a leak. Two bits show it best.

# %% [markdown] tags=["derivation"]
# Take the *copy distribution* of two bits: $x_1$ is a fair coin and $x_2=x_1$. With a large number $L$ for certainty,
# both orderings state it by their logits:
#
# | ordering | logit of $x_1$ | logit of $x_2$ |
# |---|---|---|
# | 1, 2 | $0$ | $L\,(2x_1-1)$ |
# | 2, 1 | $L\,(2x_2-1)$ | $0$ |
# | average | $\tfrac L2(2x_2-1)$ | $\tfrac L2(2x_1-1)$ |
#
# In the average of logits both bits predict each other. For $x=00$ both are certain, so "$p$" is 1. For $x=11$
# likewise. The total is 2.
#
# Average the conditional probabilities instead: for $x=00$ each bit gets $\tfrac12(\tfrac12+1)=\tfrac34$, together
# $\tfrac9{16}$; for $x=01$ each gets $\tfrac12(\tfrac12+0)=\tfrac14$, together $\tfrac1{16}$. The total is
# $2\cdot\tfrac9{16}+2\cdot\tfrac1{16}=\tfrac54$.
#
# Within *one* ordering any average of conditionals is again a conditional: a number between 0 and 1 that depends on
# predecessors alone. So the chain rule makes a distribution of it.

# %% tags=["nbval-check-output"]
two_bits, L = enumerate_binary(2), 50.0
sign = 2 * two_bits - 1
coin = jnp.zeros(4)
one_two = jnp.stack([coin, L * sign[:, 0]], axis=1)
two_one = jnp.stack([L * sign[:, 1], coin], axis=1)
both = jnp.stack([one_two, two_one])
p_mean = jax.nn.sigmoid(both).mean(axis=0)
of_joint = ensemble_log_prob(chain_rule_log_prob(two_bits, both))
of_conditionals = jnp.log(jnp.where(two_bits == 1, p_mean, 1 - p_mean))
of_logits = chain_rule_log_prob(two_bits, both.mean(axis=0))
results = (of_joint, of_conditionals.sum(axis=1), of_logits)
kinds = ("joint probabilities", "conditionals", "logits")
for name, log_p in zip(kinds, results, strict=True):
    p = jnp.exp(log_p)
    print(f"{name:<20}{np.round(p, 4)}  total {p.sum():.4f}")

# %% [markdown]
# The rule is: average the joint probabilities, and never mix conditionals of several orderings, neither as
# probabilities nor as logits. What the logits gained above is no more than their total: divided by it, their score is
# about that of the mixture.

# %%
flattering = three_averages(four_orderings, x_test)["logits"]
samples_fair = jnp.concatenate(
    [m.sample(k, (600,)) for m, k in zip(four_orderings, seeds, strict=True)]
)
on_samples = three_averages(four_orderings, samples_fair)
ratio = on_samples["logits"] - on_samples["joint probabilities"]
log_mass = jnp.log(jnp.exp(ratio).mean())
print(f"log of the total {log_mass:.2f} nats")
print(f"score divided by the total {-(flattering - log_mass).mean():.2f} nats")
print(f"the honest mixture {scores['4 orderings'].mean():.2f} nats")

# %% [markdown]
# ## 2.12 One network for all orderings
#
# There are $64!$ orderings, so one model for each will not do. And a model with one ordering can complete only what
# comes first in it. Uria et al. train one network for all orderings, which removes both limits.

# %% [markdown] tags=["derivation"]
# A conditional $p(x_i\mid x_O)$ depends on *which* pixels $O$ are observed, not on the order in which they came. So
# give the network two lists: the values, with 0 where nothing is observed, and a list that is 1 on $O$ and 0 elsewhere.
# Let it predict all other pixels at once. This is **orderless NADE**.
#
# What to train it on? For a random ordering, $-\log p_\theta(x)$ is a sum of $D$ terms, and we want its mean over the
# orderings. Draw one term at random: the one with $n$ predecessors, $n$ uniform on $0,\dots,D-1$, and multiply by $D$
# to make up for the others. Its predecessors $O$ are then a random subset of $n$ pixels, and its target is equally
# likely each of the $D-n$ other pixels. The mean over these targets needs no second pass, as all are predicted at once:
#
# $$-\frac{D}{D-n}\sum_{i\notin O}\log p_\theta(x_i\mid x_O).$$
#
# Its mean over $n$ and $O$ is $-\log p_\theta(x)$, averaged over all orderings.


# %%
from course_lib.autoregressive import OrderlessNade, orderless_loss


def subset_loss(model, x, key):
    number_key, subset_key = jax.random.split(key)
    n = jax.random.randint(number_key, (len(x), 1), 0, 64)
    shuffle = jax.random.uniform(subset_key, x.shape)
    rank = shuffle.argsort(axis=1).argsort(axis=1)
    observed = (rank < n).astype(float)  # n random pixels of each digit
    logits = model.from_observed(x, observed)[..., 0]
    log_p = bernoulli_log_prob(x, logits) * (1 - observed)
    return -(log_p.sum(axis=1) * 64 / (64 - n[:, 0])).mean()


# %% [markdown]
# `orderless_loss` is the same in the library. The loss is noisy, so the recipe differs from that of MADE: two
# hidden layers, 80 epochs, and steps that become smaller and smaller.

# %%
orderless = OrderlessNade(64, (256, 256), rngs=nnx.Rngs(0))
orderless.network.layers[-1].bias[...] = baseline_logits
slower = optax.adam(optax.cosine_decay_schedule(5e-3, 80 * 20))
longer = settings | {"patience": None, "epochs": 80, "optimizer": slower}
print(fit(orderless, orderless_loss, x_train, **longer))

# %% [markdown]
# First a check of the derivation: the loss from random subsets, and $-\log p(x)$ in random orderings.

# %%
keys_32 = jax.random.split(jax.random.key(4), 32)
by_subsets = jax.lax.map(lambda k: subset_loss(orderless, x_test, k), keys_32)
in_library = orderless_loss(orderless, x_test, keys_32[0])
print("ours is the library's:", bool(jnp.allclose(by_subsets[0], in_library)))
readings = jax.lax.map(  # 32 orderings of one network
    lambda key: orderless.redrawn(key).log_prob(x_test), keys_32
)
by_orderings = -readings.mean(axis=1)
for name, draws in (("subsets", by_subsets), ("orderings", by_orderings)):
    mean, error = mean_and_error(draws)
    print(f"mean over 32 draws of {name:<10}{mean:.2f} ± {error:.2f} nats")

# %% [markdown]
# Both estimate the same number. A term costs one pass, an ordering 64, and the subsets are noisier for it.
#
# Any ordering makes a density of the network.
#
# **Predict:** is one of them better or worse than a MADE that was trained for its own ordering? And 32 of them
# averaged?

# %% alt="Test negative log-likelihood against the number of orderings averaged, from 1 to 32 on a logarithmic axis. The curve of orderless NADE falls steadily, fast at first, and is still falling slightly at 32. A solid line marks one MADE, a dotted one below it the ensemble of four MADEs." caption="One orderless network, read in 1 to 32 orderings whose probabilities are averaged; for comparison one MADE, and a mixture of four."
report("orderless, 1", readings[0])
report("orderless, 32", ensemble_log_prob(readings))
numbers = 2 ** np.arange(6)
curve = [-float(ensemble_log_prob(readings[:k]).mean()) for k in numbers]
one, four = -log_ps.mean(), scores["4 orderings"].mean()
print(f"one MADE, mean of 16: {one:.2f}; four orderings: {four:.2f} nats")
plt.semilogx(numbers, curve, "o-", base=2, label="orderless NADE")
plt.axhline(float(one), color=GREY, lw=1, label="one MADE (mean of 16)")
plt.axhline(float(four), color=GREY, lw=1, ls=":", label="four orderings")
labels = plt.gca().set(
    xlabel="orderings averaged", ylabel="test neg. log-likelihood [nats]",
    xticks=numbers, xticklabels=numbers,
)  # fmt: skip
legend = plt.legend()

# %% [markdown]
# **Answer.** A single ordering is worse than a MADE of its own: one network must serve all orderings. The average over
# 32 makes good most of the difference. No further training is needed for it, but 32 evaluations are, of 64 steps each.
#
# And now *any* subset can be completed: it goes first in the ordering, whichever it is.

# %% alt="Five rows of nine images. First the test digit, then what is seen of it with the rest in grey: its left half, its lower half, every other pixel, all but a square in the middle, nothing. Then seven completions, which agree with the seen pixels; with every other pixel seen they nearly agree with each other, with nothing seen they are all different." caption="Five digits, the part of each that is seen, and seven completions by the orderless network. The more is seen, the less the completions differ."
r, c = rows // 8, rows % 8
border = (r < 2) | (r > 5) | (c < 2) | (c > 5)
subsets = [c < 4, r >= 4, (r + c) % 2 == 0, border, r < 0]
completed = []
for i, kept_pixels in enumerate(subsets):
    part = jnp.where(kept_pixels, x_test[i], 0.5)
    completions = orderless.sample(
        jax.random.key(30 + i), (7,), given=x_test[i], known=kept_pixels
    )
    completed += [x_test[i], part, *completions]
fig = image_grid(jnp.stack(completed).reshape(-1, 8, 8), columns=9)

# %% [markdown] tags=["quiz"]
# **Two models of the same bits have the orderings "forwards" and "backwards". For each pixel you take the mean of their
# two conditional probabilities of ink and multiply these over the pixels. Is the result a distribution?**
#
# - [ ] Yes: a mean of probabilities is a probability, unlike a mean of logits. :: Each factor is a number between 0 and
#   1, but it depends on pixels on both sides. For the copy distribution the total is $\tfrac54$.
# - [x] In general no: it mixes conditionals of different orderings. :: Right. Average the two joint probabilities
#   instead.
# - [ ] Yes, after division by the number of orderings. :: The total is no simple constant; for the four orderings above
#   it had to be estimated from samples.

# %% [markdown] tags=["quiz"]
# **Four MADEs have equal mean scores, and their mixture is 0.5 nats better than each. Where does the gain come from?**
#
# - [ ] The mixture was trained longer. :: Nothing was trained further; the mixture only averages what the members say.
# - [ ] The worst member on each digit is left out. :: All four have the same weight, on every digit.
# - [x] On each digit the best members dominate the average, and they are not the same ones on every digit. :: Right:
#   the log of an average is near the largest term, so members that disagree help most.

# %% [markdown] tags=["quiz"]
# **What must be paid for $\log p(x)$ of one digit with orderless NADE in one ordering?**
#
# - [ ] One pass, as with MADE. :: One pass gives conditionals for one set of observed pixels. The chain rule needs 64
#   such sets.
# - [x] One evaluation a pixel, each with one more pixel observed. :: Right. Only the first layer's sum can be carried
#   along.
# - [ ] One pass for each of the $64!$ orderings. :: One ordering already is a density; more of them only improve it.

# %% [markdown]
# ## 2.13 One table
#
# Which of these models should one use? To see what the hidden layers are worth, we add two rivals from outside the
# family, then set all models that saw the same digits and no label side by side.
#
# ### Further models
#
# A **mixture** of $K$ lists of independent pixels, $p(x)=\sum_k\pi_k\prod_dp_k(x_d)$, is fitted by EM (chapter 5):
# share out each digit among the parts, then count the ink of each part anew.


# %%
def mixture_log_p(x, weight, ink_of):
    parts = x @ np.log(ink_of).T + (1 - x) @ np.log1p(-ink_of).T
    return parts + np.log(weight)  # log π_k + log p_k(x), one column a part


def mixture_of_bernoullis(parts, rounds=30):
    x, typical = np.asarray(x_train), np.asarray(ink)
    share = np.random.default_rng(0).dirichlet(np.full(parts, 0.1), len(x))
    for _ in range(rounds):
        weight = (share.sum(axis=0) + 1) / (len(x) + parts)
        count = (
            share.sum(axis=0)[:, None] + 1
        )  # one average digit for each part
        ink_of = (share.T @ x + typical) / count
        share = softmax(mixture_log_p(x, weight, ink_of), axis=1)
    return lambda x: logsumexp(mixture_log_p(x, weight, ink_of), axis=1)


mixtures = {parts: mixture_of_bernoullis(parts) for parts in (20, 60, 180)}
by_validation = lambda k: mixtures[k](np.asarray(x_valid)).mean()  # noqa: E731
parts = max(mixtures, key=by_validation)
report(f"mixture of {parts}", mixtures[parts](np.asarray(x_test)))

# %% [markdown]
# And the FVSBN of section 2.5, with a penalty: minimize $-\log p(x)+\lambda\sum_{jd}s_j|W_{jd}|$, where $s_j$ is the
# standard deviation of pixel $j$. Such a penalty sets many weights to exactly 0. The validation digits choose
# $\lambda$.
#
# **Predict:** how does it compare with the FVSBN without penalty?

# %%
from course_lib.autoregressive.fvsbn import fvsbn_path

path_of = fvsbn_path(
    x_train, 0.01 / 1.6 ** np.arange(7)
)  # from large to small
fitted = [model for _, model in path_of]
sparse = max(fitted, key=lambda m: float(m.log_prob(x_valid).mean()))
report("FVSBN + penalty", sparse.log_prob(x_test))
compare("FVSBN + penalty", "FVSBN")
weights_kept = int((sparse.kernel[...] != 0).sum())
print("weights kept:", weights_kept, "of", int(sparse.mask[...].sum()))

# %% [markdown]
# **Answer.** The FVSBN with penalty is better by 0.09 nats, two of its errors, which decides little. What is sure is
# that half of the weights can go without harm; 1,026 of 2,016 remain.
#
# Now the table. A weight behind a closed mask is not counted as a parameter.
#
# **Predict:** which model wins, and by how much?


# %%
def free_parameters(*models):
    stored = [nnx.state(model, nnx.Param) for model in models]
    layers = [part for m in models for part in getattr(m, "layers", ())]
    closed = sum(int((part.mask[...] == 0).sum()) for part in layers)
    return sum(p.size for p in jax.tree.leaves(stored)) - closed


size = {
    "independent pixels": 64,
    f"mixture of {parts}": 65 * parts - 1,
    "FVSBN": 64 * 63 // 2 + 64,
    "FVSBN + penalty": 64 + weights_kept,
    "NADE": free_parameters(nade),
    "MADE": free_parameters(made),
    "4 starts": free_parameters(*four_starts),
    "4 orderings": free_parameters(*four_orderings),
    "orderless, 32": free_parameters(orderless),
}

# %%
from course_lib.probability import bits_per_dim

print(f"{'':<20}{'test nats':>12}{'bits/pixel':>14}{'parameters':>12}")
ranking = sorted(size, key=lambda name: scores[name].mean())
for name in ranking:
    mean, error = mean_and_error(scores[name])
    row = f"{name:<20}{mean:7.2f} ± {error:.2f}"
    print(f"{row}{bits_per_dim(mean, 64):11.3f}{size[name]:13,}")

# %% [markdown]
# The first rows differ by less than their errors. So compare digit by digit.

# %%
for name in ranking[1:]:
    compare(name, ranking[0])

# %% [markdown]
# **Answer.** The mixture of four orderings wins, 0.19 nats before the mixture of four starts. Linear predictors lose to
# hidden layers by more than a nat. They also lose to a mixture without any chain rule, which on digits so small comes
# close to NADE.

# %% [markdown] tags=["box"]
# **Read the table with care.** It has 300 test digits, and one random start for most rows: the next start would move a
# row by up to a tenth of a nat, as sections 2.7 and 2.10 show. The recipes are not equal. The FVSBN takes 150 full
# steps without validation, the ensembles' members have half of MADE's units, and settings were tried by hand, a few of
# them with the test digits in view.

# %% [markdown]
# ## 2.14 Systems, and what each changes
#
# The names in the literature are many, the ideas few. This table says what each system changes.

# %% [markdown] tags=["box"] numbers={"88.33": "cited: Germain et al. 2015, Table 6", "88.04": "cited: Germain et al. 2015, Table 6", "86.64": "cited: Germain et al. 2015, Table 6", "84.13": "cited: Germain et al. 2015, Table 6", "137.64": "cited: Germain et al. 2015, Table 6"}
# | system | what it changes | where |
# |---|---|---|
# | **AR($p$)** | a linear predictor of the last $p$ values, Gaussian noise | 2.4 |
# | **AR-Net** (Triebe et al.) | AR($p$) as a network without hidden layer, trained by gradient descent and with a penalty that makes coefficients sparse; many lags become affordable | chapter 2a |
# | **FVSBN** | a logistic regression for each bit | 2.5 |
# | **NADE** (Uria et al.) | a hidden layer with shared weights and running sums, any ordering; orderless: one network and ensembles for all orderings | 2.6, 2.12 |
# | **MADE** (Germain et al.) | an autoencoder with masked weights: all conditionals in one pass; one network can be trained on many orderings and masks | 2.7, 2.9 |
# | **MAF** (Papamakarios et al.) | real numbers: each conditional is a normal density, and layers are stacked; an autoregressive model read as a normalizing flow | chapter 3a |
# | **PixelCNN** (van den Oord et al.; UvA Tutorial 12 by Lippe) | the mask sits in a convolution, so that all pixels share the weights; grey levels or colours in place of bits | chapter 2b |
# | **DARN** (Gregor et al.) | hidden bits, autoregressive within each layer and between layers; trained on a description length | chapter 2c |
# | **Transformer** (Vaswani et al.) | the mask sits in an attention matrix, so that a target weighs its predecessors by what they contain; this is how language models predict the next word | not in this course |
#
# Two overviews: Ho's survey (2019) sets deep autoregressive models beside recurrent networks: they are feed-forward, so
# training sees all steps at once, and they pay with a limited memory. The repository *Deep-Autoregressive-Model* trains
# NADE, MADE, MAF and PixelCNN-like models on MNIST and shows their samples; it prints no likelihood, so its models
# cannot be compared with each other or with ours.
#
# Numbers in the papers are for other data. On MNIST with one fixed binarization they report, as $-\log p$ in nats: a
# mixture of 500 lists of independent pixels 137.64; NADE 88.33; MADE with one hidden layer and 32 masks 88.04, with two
# layers 86.64; DARN about 84.13. A number from our 8 × 8 digits must not be set beside them.

# %% [markdown] tags=["box"]
# **Erratum.** The page that this chapter follows starts its product at $t=1$, but writes it out as $p(x)=p(x_2\mid
# x_1)\,p(x_3\mid x_1,x_2)\cdots p(x_T\mid x_1,\dots,x_{T-1})$. The factor $p(x_1)$ is missing, so what is left adds up
# to the number of values of $x_1$ (section 2.3 shows it for nine pixels).

# %% tags=["nbval-check-output"]
print(f"two bits, without p(x1): total {p_second_given_first.sum():.4f}")
print(f"two bits, with p(x1):    total {product.sum():.4f}")

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - $\log p(x)=\sum_t\log p(x_t\mid\{x_{<t}\})$ holds for every distribution, in every ordering, and starts with
#   $p(x_1)$.
# - A model is a choice of functions for the conditionals: a line (AR), a logistic regression (FVSBN), a shared hidden
#   layer (NADE), a masked network (MADE).
# - The likelihood is exact. FVSBN and MADE give it in one pass, NADE by one recursion, orderless NADE by one evaluation
#   a pixel. A sample takes one step a pixel with all of them.
# - Masks prove that there is no leak. Tests (total probability 1, slopes, flips) can find one, and may miss one.
# - In training a model sees true predecessors (teacher forcing), in sampling its own: one wrong pixel makes others
#   wrong.
# - Models are combined by averaging joint probabilities. Conditionals of different orderings must not be mixed, neither
#   as probabilities nor as logits: pixels would predict each other, and the total need not be 1.
# - Much of the gain of an ensemble over orderings is the gain of any ensemble.
# - A network that also sees *which* pixels are observed serves every ordering, and completes a picture from any subset.
# - With labels, $p(x)=\sum_yp(y)\,p(x\mid y)$; only $p(x)$ may be compared with models that know no class.

# %% [markdown] tags=["exercise"] kind="recall"
# ## Exercises
#
# ### Exercise 2.1 ★ — Nine tables
# Nine bits are predicted from table to table, in the ordering $1,\dots,9$: for $x_d$ there is one number, the
# probability of a 1, for each possible list of its predecessors. Return how many numbers each of the nine tables holds,
# that of $x_1$ first. What do they add up to, and what does the chain rule alone save?
#
# **Hint.** $x_1$ has no predecessors and needs one number. How many lists of predecessors has $x_2$, and $x_3$?


# %% tags=["exercise"]
def numbers_in_tables():
    ### BEGIN SOLUTION
    # Together 2⁹ − 1, as many as the joint table needs. The chain rule alone
    # saves nothing; functions with few parameters do.
    return 2 ** np.arange(9)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.1") as check:
    rows_of_bits = every_patch.astype(int).tolist()
    pasts = [len({tuple(row[:d]) for row in rows_of_bits}) for d in range(9)]
    hint = "x_d has d − 1 predecessors, and each of them two values."
    check.close("nine tables", numbers_in_tables(), pasts, hint=hint)

# %% [markdown] tags=["exercise"] kind="recall"
# ### Exercise 2.2 ★ — What nats are worth
# `scores` holds $-\log p(x)$ of each test digit. By which factor does NADE make a test digit more probable than
# independent pixels do, in the geometric mean over the digits? Return the factor.
#
# **Hint.** A gain of one nat is a factor of $e$. The logarithm of a geometric mean is the mean of the logarithms.


# %% tags=["exercise"]
def times_more_probable():
    ### BEGIN SOLUTION
    return np.exp((scores["independent pixels"] - scores["NADE"]).mean())
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.2") as check:
    log_ratio = np.asarray(scores["independent pixels"] - scores["NADE"])
    geometric = np.exp(log_ratio.astype(float) / 300).prod()
    hint = "Which of the two scores is larger? The mean, not the sum."
    factor = times_more_probable()
    check.close("the factor", factor, geometric, rtol=1e-3, hint=hint)

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2.3 ★ — A conditional from a table
# `joint` has shape `(2, 2, 2)` and holds $p(x_1,x_2,x_3)$. Return the table of $p(x_2=1\mid x_1,x_3)$, shape `(2, 2)`,
# with $x_1$ on the first axis and $x_3$ on the second. (An ordering such as 1, 3, 2 needs it.)
#
# **Hint.** A conditional is a ratio: the joint probability over that of what is given.
#
# **Hint.** What is given has the probability $p(x_1,x_3)$, the sum of `joint` over the axis of $x_2$.


# %% tags=["exercise"]
def second_given_others(joint):
    ### BEGIN SOLUTION
    return joint[:, 1, :] / joint.sum(axis=1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.3") as check:
    eighths = jnp.full((2, 2, 2), 1 / 8)
    half = jnp.full((2, 2), 0.5)
    check.close("three coins: 1/2", second_given_others(eighths), half)
    some = jnp.array([[[0.1, 0.2], [0.3, 0.0]], [[0.05, 0.15], [0.15, 0.05]]])
    in_ordering = exact_conditionals(some.ravel(), [0, 2, 1])
    expected_table = in_ordering[:, 1].reshape(2, 2, 2)[:, 1, :]
    check.close(
        "an uneven table",
        second_given_others(some),
        expected_table,
        hint="Sum over x2 alone: axis 1.",
    )

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 2.4 ★ — How many numbers?
# Count the free parameters of a model of $D$ bits: a full table; an FVSBN; a NADE with $H$ hidden units.
#
# **Hint.** The entries of a table sum to 1, so the last one is not free.
#
# **Hint.** In an FVSBN pixel $d$ has $d-1$ weights and a bias. In a NADE count $W$, $V$, $b$ and $c$.


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
with exercise("2.4") as check:
    hint = "The probabilities sum to 1."
    check.close("a table of one bit", parameters_of_table(1), 1, hint=hint)
    check.close("a table of nine bits", parameters_of_table(9), 511)
    check.close("an FVSBN of one bit: its bias", parameters_of_fvsbn(1), 1)
    free = int(mask.sum()) + 64
    hint = "Masked weights are not free."
    check.close("FVSBN, 64 bits", parameters_of_fvsbn(64), free, hint=hint)
    stored = free_parameters(nade)
    hint = "W, V, b and c."
    found_count = parameters_of_nade(64, 128)
    check.close("the NADE of section 2.6", found_count, stored, hint=hint)

# %% [markdown] tags=["exercise"] kind="derivation"
# ### Exercise 2.5 ★★ — Where AR(1) settles
# For $T^t=\beta_1T^{t-1}+\beta^0+\varepsilon^t$ with $|\beta_1|<1$, mean and variance stop changing after a while. Set
# both equal before and after one step, and solve by hand. Return the mean and the standard deviation.
#
# **Hint.** For the mean $\mu$: $\mu=\beta_1\mu+\beta^0$, as the noise has mean 0.
#
# **Hint.** $T^{t-1}$ and $\varepsilon^t$ are independent, so their variances add; a factor $\beta_1$ scales a variance
# by $\beta_1^2$.


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
with exercise("2.5") as check:
    check.close("no memory: mean β⁰", settled_mean(3.0, 0.0, 2.0), 3.0)
    check.close("no memory: the noise's σ", settled_std(3.0, 0.0, 2.0), 2.0)
    mean, variance = 0.0, 0.0
    for _ in range(200):
        mean, variance = 0.8 * mean + 1.0, 0.8**2 * variance + 0.5**2
    check.close("β₁ = 0.8: the mean", settled_mean(1.0, 0.8, 0.5), mean)
    check.close(
        "β₁ = 0.8: the deviation",
        settled_std(1.0, 0.8, 0.5),
        variance**0.5,
        hint="β₁ scales a variance by β₁².",
    )

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2.6 ★★ — NADE without a loop
# If the whole list is known, no loop is needed. For the ordering $1,\dots,D$ all sums $s_1,\dots,s_D$ of section 2.6
# can be had at once with `jnp.cumsum`. Take one list `x` of shape `(D,)`, the kernel `W` of shape `(D, H)` and the bias
# `c` of shape `(H,)`; return shape `(D, H)`. Mind what $s_d$ must not see.
#
# **Hint.** The terms of the sums are $x_jW_j$, one row each.
#
# **Hint.** `jnp.cumsum(terms, axis=0)` has in row $d$ the terms up to $d$; the last of them is one too many.


# %% tags=["exercise"]
def pre_activations(x, W, c):
    ### BEGIN SOLUTION
    terms = x[:, None] * W
    return c + jnp.cumsum(terms, axis=0) - terms
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.6") as check:
    x_small, W_small = (
        jnp.array([1.0, 0.0, 1.0]),
        jnp.arange(6.0).reshape(3, 2),
    )
    c_small = jnp.array([0.5, -0.5])
    got = pre_activations(x_small, W_small, c_small)
    hint = "s_1 = c: it has seen nothing."
    by_hand = jnp.array([[0.5, -0.5], [0.5, 0.5], [0.5, 0.5]])
    check.close("three pixels", got, by_hand, hint=hint)
    weights, bias = W_small + 1, c_small
    slopes = jax.jacobian(lambda x: 1.0 * pre_activations(x, weights, bias))
    blind = (jnp.triu(slopes(x_small)[:, 0, :]) == 0).all()
    check.true("no s_d reacts to x_d or a later pixel", blind, hint="A leak!")

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2.7 ★★ — Unequal votes
# Generalise `ensemble_log_prob` to weights $w_k\ge0$ with $\sum_kw_k=1$. `log_probs` has shape `(K, n)`, `weights`
# shape `(K,)`; return shape `(n,)`. It must survive log-probabilities of −1000.
#
# **Hint.** $\log\sum_kw_kp_k=\log\sum_kw_ke^{\log p_k}$, and `jax.nn.logsumexp` does not underflow.
#
# **Hint.** `jax.nn.logsumexp` takes factors of the terms as `b`; they need a second axis. (With $\log w_k$ added
# instead, a weight of 0 gives $-\infty$, which is right as well.)


# %% tags=["exercise"]
def weighted_ensemble(log_probs, weights):
    ### BEGIN SOLUTION
    return jax.nn.logsumexp(log_probs, axis=0, b=weights[:, None])
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.7") as check:
    pair = jnp.log(jnp.array([[0.2, 0.6], [0.4, 0.1]]))
    quarter = jnp.array([0.25, 0.75])
    averaged = [0.25 * 0.2 + 0.75 * 0.4, 0.25 * 0.6 + 0.75 * 0.1]
    logs = jnp.log(jnp.array(averaged))
    got = weighted_ensemble(pair, quarter)
    check.close("averaged probabilities", got, logs, hint="Not the logs.")
    got = weighted_ensemble(pair - 1000, quarter)
    check.close("no underflow", got, logs - 1000, hint="Use logsumexp's b.")
    got = weighted_ensemble(pair, jnp.array([1.0, 0.0]))
    check.close("all weight on one model", got, pair[0])

# %% [markdown] tags=["exercise"] kind="fill-in"
# ### Exercise 2.8 ★★ — From classes to a class
# `log_p_given` has shape `(n, C)` and holds $\log p(x\mid y)$; `prior` has shape `(C,)` and holds $p(y)$. Return
# $\log p(x)$, shape `(n,)`, and the table of $p(y\mid x)$, shape `(n, C)`. It must survive log-probabilities of −1000.
#
# **Hint.** Both start from $\log p(y)+\log p(x\mid y)$.
#
# **Hint.** The sum over classes is a `logsumexp`; divided by it, the terms are a `softmax`.


# %% tags=["exercise"]
def sum_over_classes(log_p_given, prior):
    ### BEGIN SOLUTION
    with_class = log_p_given + jnp.log(prior)[None, :]
    return (
        jax.nn.logsumexp(with_class, axis=1),
        jax.nn.softmax(with_class, axis=1),
    )
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.8") as check:
    given_class = jnp.log(jnp.array([[0.2, 0.6], [0.5, 0.1]]))
    uneven = jnp.array([0.75, 0.25])
    got = sum_over_classes(given_class, uneven)
    low = sum_over_classes(given_class - 1000, uneven)
    log_p, posterior = (None, None) if got is None else got
    logs = jnp.log(jnp.array([0.3, 0.4]))
    hint = "Weigh each p(x | y) by p(y), then add."
    check.close("log p(x)", log_p, logs, hint=hint)
    shares = jnp.array([[0.5, 0.5], [0.9375, 0.0625]])
    check.close("p(y | x)", posterior, shares, hint="Each row sums to 1.")
    low = None if low is None else low[0]
    hint = "logsumexp and softmax."
    check.close("no underflow", low, logs - 1000, hint=hint)

# %% [markdown] tags=["exercise"] kind="bug hunt"
# ### Exercise 2.9 ★★ — A leak in the masks
# A student's masks for a MADE with one hidden layer. It trains well, suspiciously well, and only when the ordering is
# not that of the rows. Find the mistake and write the function right. (`m_hidden` holds the degrees of the hidden
# units.)
#
# ```python
# def masks_for(ordering, m_hidden):
#     m_in = np.asarray(ordering) + 1
#     into_hidden = m_hidden[None, :] >= m_in[:, None]
#     into_output = m_in[None, :] > m_hidden[:, None]
#     return into_hidden, into_output
# ```
#
# **Hint.** `ordering[d]` is the pixel that comes $d$-th. The degree of a pixel is its place in the ordering. Are these
# the same table?
#
# **Hint.** The one is the inverse permutation of the other; `np.argsort` gives it.


# %% tags=["exercise"]
def masks_for(ordering, m_hidden):
    ### BEGIN SOLUTION
    m_in = np.argsort(ordering) + 1
    into_hidden = m_hidden[None, :] >= m_in[:, None]
    into_output = m_in[None, :] > m_hidden[:, None]
    return into_hidden, into_output
    ### END SOLUTION


# %% tags=["check"]
with exercise("2.9") as check:
    hidden_degrees = np.array([1, 1, 2, 2, 3, 3])
    for ordering_4 in ([0, 1, 2, 3], [2, 0, 3, 1]):
        got = masks_for(ordering_4, hidden_degrees)
        right_masks = made_masks(np.array(ordering_4), (6,))
        if got is None:
            got, passes = (None, None), None
        else:
            passes = is_autoregressive(got, ordering_4)
        what = f"ordering {ordering_4}:"
        check.true(f"{what} no leak", passes, hint="Use its inverse.")
        check.close(f"{what} into hidden units", got[0], right_masks[0])
        check.close(f"{what} into outputs", got[1], right_masks[1])

# %% [markdown] tags=["exercise"] kind="experiment"
# ### Exercise 2.10 ★★★ — A model that forgives
# In section 2.8 one wrong pixel made the true pixels after it less likely: in training MADE had seen true predecessors
# only. Train a MADE that is harder to mislead. The target, on the *validation* digits: after a flip of the 20th pixel
# the 44 true pixels that follow lose at most six tenths of what they lose under `made`, and the digits themselves cost
# at most a quarter of a nat more than under `made`. Return the model.
#
# **Hint.** Show it wrong predecessors: flip a few bits of the *input* at random, and score the true digit. The masks
# are the same, so the model stays a density.
#
# **Hint.** `fit` calls a loss with three arguments, as in section 2.12: the model, a batch and a key.
# `jax.random.bernoulli(key, 0.02, x.shape)` says which bits to flip, and `jnp.abs(x - flips)` flips them. How many
# flips are enough?


# %% tags=["exercise"]
def forgiving():
    ### BEGIN SOLUTION
    # The noise costs little: it also keeps the network from learning the
    # training digits by heart.
    def noisy_loss(model, x, key):
        flips = jax.random.bernoulli(key, 0.1, x.shape)
        logits = model.conditional_logits(jnp.abs(x - flips))
        return -chain_rule_log_prob(x, logits).mean()

    robust = Made(64, (512,), rngs=nnx.Rngs(0))
    robust.layers[-1].bias[...] = baseline_logits
    fit(robust, noisy_loss, x_train, optimizer=optax.adam(6e-3), **settings)
    return robust
    ### END SOLUTION


# %% tags=["check"]
def lost_and_cost(member):
    flipped_20 = x_valid.at[:, 19].set(1 - x_valid[:, 19])
    of_pixels = member.log_probs(x_valid)
    lost_there = (of_pixels - member.log_probs(flipped_20))[:, 20:]
    return lost_there.sum() / len(x_valid), -of_pixels.sum() / len(x_valid)


with exercise("2.10") as check:
    robust = forgiving()
    lost_before, cost_before = lost_and_cost(made)
    lost_now, cost_now = (
        (None, None) if robust is None else lost_and_cost(robust)
    )
    much_less = ... if robust is None else lost_now <= 0.6 * lost_before
    hint = "Flip more bits of the input in training."
    check.true("a wrong pixel costs far less", much_less, hint=hint)
    still_good = ... if robust is None else cost_now <= cost_before + 0.25
    hint = "Flip fewer bits, or start as `train_made` does."
    check.true("the digits cost hardly more", still_good, hint=hint)

# %% [markdown] tags=["exercise"] kind="open"
# ### Exercise 2.11 ★★★ — Which ordering?
# In section 2.10 one ordering was worse than three others. Does the simplest model agree? Train an FVSBN in each of the
# four `image_orderings`, with `train`, and return the four mean $-\log p(x)$ of the *validation* digits. All four start
# alike, and the loss is convex: what differs is the ordering alone. Could one know a good ordering before training?
#
# **Hint.** The mask is open in row $j$ and column $d$ if pixel $j$ comes before pixel $d$. `np.argsort(ordering)` is
# the place of each pixel in the ordering.
#
# **Hint.** `train(some_mask)` returns the parameters and the loss; `masked_linear` gives the logits.


# %% tags=["exercise"]
def nats_of_orderings():
    ### BEGIN SOLUTION
    # Known: exact conditionals give the same p(x) in every ordering, those
    # of a limited model do not. If each pixel may look at one other only,
    # Chow and Liu (1968) find the best tree, without trying all. For networks
    # Vinyals, Bengio and Kudlur (2016, arXiv:1511.06391) saw the ordering
    # matter, and searched for a good one during training; Uria, Murray and
    # Larochelle (2014) train for all orderings at once. How to find the best
    # of D! orderings without training many models is open.
    nats_each = []
    for ordering in image_orderings.values():
        place = np.argsort(ordering)
        earlier = jnp.asarray(place[:, None] < place[None, :], float)
        params, _ = train(earlier)
        logits = masked_linear(x_valid, params["W"], params["b"], earlier)
        nats_each.append(-chain_rule_log_prob(x_valid, logits).mean())
    return nats_each
    ### END SOLUTION


# %% tags=["check"]
def fvsbn_nats(ordering):
    open_pairs = jnp.asarray(allowed_dependencies(ordering), float)
    fit_of_it, _ = train(open_pairs)
    with_it = masked_linear(
        x_valid, fit_of_it["W"], fit_of_it["b"], open_pairs
    )
    return -chain_rule_log_prob(x_valid, with_it).mean()


with exercise("2.11") as check:
    four_nats = nats_of_orderings()
    missing = four_nats is None
    for n, (name, ordering) in enumerate(image_orderings.items()):
        measured = None if missing else four_nats[n]
        expected_nats = 0.0 if missing else fvsbn_nats(ordering)
        hint = "Row j is open in column d if j comes before d."
        check.close(name, measured, expected_nats, rtol=1e-3, hint=hint)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - L. Ma, "Generative Models", *Datumorphism*, 2021: the page on autoregressive models that this chapter follows, and
#   those linked from it.
# - X. Liu, F. Zhang, Z. Hou, Z. Wang, L. Mian, J. Zhang, J. Tang, "Self-supervised Learning: Generative or
#   Contrastive", 2020, arXiv:2006.08218.
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
# - **Transformer**: A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762.
# - **FVSBN**: B. J. Frey, *Graphical Models for Machine Learning and Digital Communication*, MIT Press, 1998.
# - G. Ho, "Autoregressive Models in Deep Learning — A Brief Survey", 2019, eigenfoo.xyz/deep-autoregressive-models.
# - *Deep-Autoregressive-Model*, github.com/rogen-george/Deep-Autoregressive-Model.
# - Digits: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.

# %% [markdown]
# ## Next
#
# Three chapters go deeper: 2a, *Time series*; 2b, *PixelCNN*; and 2c, *DARN*, with hidden bits. Here a list is built
# value by value, and the order of the values decides. Chapter 3, *Normalizing flows*, builds all values at once: it
# bends a simple density into a complicated one, and keeps the likelihood exact.
