# %% [markdown] tags=["frame"]
# # 2c · DARN: bits that nobody sees
#
# A digit has causes that are not among its pixels. DARN gives them bits of their own, and stays autoregressive throughout.
# It is the bridge from chapter 2 to the variational auto-encoder.
#
# **After this chapter you can**
# - write a model with hidden bits as one autoregressive model, half of whose inputs are missing from the data;
# - train it on a description length, with an unbiased gradient through drawn bits;
# - see why hidden bits stay silent, and make them speak;
# - measure by enumeration what the bound leaves out.
#
# **You need** chapter 2 (the chain rule, MADE, sampling in order).
# **Time:** about three quarters of an hour; the code itself runs in less than a minute on two cores.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx

import course_lib.figures.autoregressive as figures
from course_lib import data, notebook
from course_lib.autoregressive import (
    Darn,
    Made,
    chain_rule_log_prob,
    description_length,
    enumerate_binary,
    negative_log_likelihood,
)
from course_lib.exercises import exercise
from course_lib.figures.images import image_grid
from course_lib.figures.style import GREY
from course_lib.probability import bits_per_dim, mean_and_error
from course_lib.training import fit

notebook.start()

# %% [markdown]
# The digits of chapter 2: 64 bits each, and the share of ink in every pixel to start from.

# %%
digits = data.digits_8x8()
x_train, x_valid, x_test = (
    data.flatten(data.binarize(part.images)) for part in (digits.train, digits.valid, digits.test)
)
ink = (x_train.sum(axis=0) + 1) / (len(x_train) + 2)  # one digit of each kind added: no pixel is impossible
baseline_logits = jnp.log(ink) - jnp.log(1 - ink)
settings = {"key": jax.random.key(0), "batch_size": 64, "validation": x_valid, "patience": 10}
scores = {}


def report(name, log_p):
    scores[name] = -log_p
    mean, error = mean_and_error(scores[name])
    print(f"{name:<20}{mean:6.2f} ± {error:.2f} nats")


# %% [markdown]
# ## 2c.1 Bits that nobody sees
#
# The models of chapter 2 speak of pixels alone. But a digit has causes: which digit, how slanted, how bold. **DARN**, the deep
# autoregressive network, puts a layer of hidden bits $h=(h_1,\dots,h_K)$ in front of the pixels.

# %% alt="Two rows of dots: three green hidden bits h1 to h3 above, four red pixels x1 to x4 below. Curved arrows lead from each bit to the later ones of its row. Straight lines lead from every hidden bit down to every pixel."
fig = figures.hidden_and_visible()

# %% [markdown] tags=["derivation"]
# Its arrows are of two kinds. *Within* a layer, each bit is predicted from those before it in the layer. *Between* layers,
# each bit is predicted from all bits of the layer above (there may be several):
#
# $$p(h)=\prod_jp(h_j\mid h_{<j}),\qquad p(x\mid h)=\prod_dp(x_d\mid x_{<d},h),\qquad p(x)=\sum_hp(h)\,p(x\mid h).$$
#
# Together, the two products are one autoregressive model of the $K+D$ bits $(h,x)$. So a `Made` will do, with $h$ first
# in the ordering. What is new is that half of its inputs are missing from the data.
#
# With $K$ hidden bits the sum has $2^K$ terms. For large $K$ nobody can add them up, so DARN trains an **encoder**
# $q(h\mid x)=\prod_jq(h_j\mid x)$ along with it and minimizes a **description length**. To send $x$, pick $h$ from
# $q(h\mid x)$, send $h$, then $x$ given $h$. Since any $h$ that $q$ allows would do, the choice itself can carry a message,
# and its nats are refunded:
#
# $$L(x)=\sum_hq(h\mid x)\Big[\underbrace{-\log p(h)}_{\text{send }h}\;\underbrace{-\log p(x\mid h)}_{\text{send }x}\;
# +\underbrace{\log q(h\mid x)}_{\text{refund}}\Big]=-\log p(x)+\mathrm{KL}\big(q(h\mid x)\,\|\,p(h\mid x)\big)
# \ge-\log p(x).$$
#
# $\mathrm{KL}(q\,\|\,p)=\sum_hq\log(q/p)\ge0$ measures how far the encoder is from the true posterior
# $p(h\mid x)=p(h,x)/p(x)$. So $L(x)$ is a **bound**: a model may be better than its $L(x)$ says, never worse.

# %% [markdown]
# Small enough, a DARN can be enumerated twice over. **Predict:** over which bits must we sum to get 1?

# %% tags=["nbval-check-output"]
tiny = Darn(6, 3, rngs=nnx.Rngs(0))
tiny_table = tiny.log_joint_table(enumerate_binary(6))  # log p(h, x): a row for each x, a column for each h
print("table:", tiny_table.shape, f" sum over h and x: {jnp.exp(tiny_table).sum():.4f}")
print("sums over h alone, p(x), for four x:", np.round(jnp.exp(tiny_table).sum(axis=1)[:4], 4))

# %% [markdown] tags=["derivation"]
# ## 2c.2 A gradient through bits
#
# The encoder's logits $a_j$ decide how often $h_j=1$. For any $f$, the mean
# $\mathbb E_q f(h)$ is a smooth function of $a$. But a *drawn* bit is 0 or 1, and its derivative is 0. Draw a pair instead,
# from one uniform $u_j$ for each bit:
#
# $$h_j=1\ \text{if}\ u_j<\sigma(a_j),\qquad \tilde h_j=1\ \text{if}\ 1-u_j<\sigma(a_j),\qquad
# \hat g_j=\tfrac12\big(f(h)-f(\tilde h)\big)\big(h_j-\tilde h_j\big)\,\sigma(|a_j|).$$
#
# Each alone is a fair draw. For one bit with $a>0$ they differ with probability $2(1-\sigma(a))$, and then
# $\hat g=\tfrac12(f(1)-f(0))\,\sigma(a)$. So $\mathbb E\,\hat g=\sigma(a)(1-\sigma(a))(f(1)-f(0))$, which is
# $\frac{\mathrm d}{\mathrm da}\big[\sigma(a)f(1)+(1-\sigma(a))f(0)\big]$. It holds for $a<0$ and for many bits as well.
#
# This is the **DisARM** estimator (Dong, Mnih and Tucker, 2020). Gregor et al. used a simpler one that is biased.


# %% library="course_lib.autoregressive.darn:antithetic_bits course_lib.autoregressive.darn:disarm_slope"
def antithetic_bits(key, logits):
    u, p = jax.random.uniform(key, logits.shape), jax.nn.sigmoid(logits)
    return (u < p).astype(float), (1 - u < p).astype(float)


def disarm_slope(logits, h, mirror, value, mirror_value):
    return 0.5 * (value - mirror_value)[..., None] * (h - mirror) * jax.nn.sigmoid(jnp.abs(logits))


# %% [markdown]
# For three bits the exact gradient is a sum over eight terms. **Predict:** will the mean of 20,000 estimates agree with it?

# %%
logits, f_table = jnp.array([0.8, -1.2, 0.1]), jnp.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.5, -1.0, 2.0])
every_h = enumerate_binary(3)
exact = jax.grad(lambda a: (f_table * jnp.exp(chain_rule_log_prob(every_h, a))).sum())(logits)
h, mirror = antithetic_bits(jax.random.key(0), jnp.broadcast_to(logits, (20_000, 3)))
f = lambda h: f_table[(h @ jnp.array([4, 2, 1])).astype(int)]  # noqa: E731
slopes = disarm_slope(logits, h, mirror, f(h), f(mirror))
for right, mean, error in zip(exact, *mean_and_error(slopes), strict=True):
    print(f"exact {right:6.3f}   estimated {mean:6.3f} ± {error:.3f}")

# %% [markdown]
# It does, within its errors.
#
# ## 2c.3 Eight hidden bits for digits
#
# Eight hidden bits, so that all 256 lists $h$ can be enumerated in the end.
#
# ### What goes wrong: hidden bits that stay silent


# %%
def new_darn():
    model = Darn(64, 8, (128,), encoder_sizes=(64,), rngs=nnx.Rngs(0))
    model.joint.layers[-1].bias[...] = jnp.concatenate([jnp.zeros(8), baseline_logits])
    return model


silent = new_darn()
decay = optax.adamw(5e-3, weight_decay=0.1)  # Adam that also shrinks the weights a little: the model is large
history = fit(silent, description_length, x_train, epochs=50, optimizer=decay, **settings)
print(history)

# %% [markdown]
# How much of the work does $h$ do? What it costs to send, less the refund, is $\mathrm{KL}(q(h\mid x)\,\|\,p(h))$. If it is
# 0, then $q(h\mid x)=p(h)$: the bits do not depend on $x$.


# %%
@nnx.jit
def code_lengths(model, x):
    """Exact means over q(h|x), in nats: to send h, to send x, the refund."""
    every_h = enumerate_binary(model.num_latents)
    log_q = chain_rule_log_prob(every_h, model.encode(x)[:, None, :])
    log_prior = model.log_prior_and_likelihood(every_h, x[0])[0]
    send_h, refund = -(jnp.exp(log_q) * log_prior).sum(axis=1), (jnp.exp(log_q) * log_q).sum(axis=1)
    send_x = -(jnp.exp(log_q) * (model.log_joint_table(x) - log_prior)).sum(axis=1)
    return send_h, send_x, refund


def show_code(model):
    send_h, send_x, refund = (part.mean() for part in code_lengths(model, x_test))
    print(f"send h {send_h:.2f}, send x {send_x:.2f}, refund {refund:.2f}: L = {send_h + send_x + refund:.2f} nats")
    print(f"net price of h: {send_h + refund:.2f} nats")


show_code(silent)

# %% [markdown]
# Almost none: what $h$ costs is refunded, so it says nothing. The pixels learned to predict each other before $h$ had a
# meaning, and then it paid to leave $h$ alone. The repair, a **warm-up**: first charge only 30 % of its price, then all.

# %%
darn = new_darn()
cheap_bits = partial(description_length, kl_weight=0.3)  # 0.3 × [log q(h|x) − log p(h)]: not yet a bound
warm_up = {"key": jax.random.key(1), "batch_size": 64}
fit(darn, cheap_bits, x_train, epochs=40, optimizer=decay, **warm_up)
history = fit(darn, description_length, x_train, epochs=60, optimizer=decay, **settings)
print(history)
show_code(darn)

# %% [markdown]
# Now $h$ carries a message, and sending $x$ costs less. The price of $h$ takes most of that back: the bound hardly moves.
# What the message is worth shows in $p(x)$ itself.
#
# ## 2c.4 What the bound leaves out
#
# Add up all 256 $h$, and $-\log p(x)$ is exact.
#
# **Predict:** by how much does $L(x)$ overstate $-\log p(x)$?

# %% alt="For each of the 300 test digits a dot: the gap between the bound and the exact negative log-probability, against the latter. All gaps are above 0, most are below half a nat; they grow for improbable digits, up to about two nats."
bound, exact = sum(code_lengths(darn, x_test)), -darn.exact_log_prob(x_test)
report("DARN, bound", -bound)
report("DARN, exact", -exact)
report("silent, exact", silent.exact_log_prob(x_test))
print(f"smallest gap {float((bound - exact).min()):.3f}, mean gap {float((bound - exact).mean()):.2f} nats")
plt.plot(exact, bound - exact, ".", ms=4)
plt.axhline(0, color=GREY, lw=1)
_ = plt.gca().set(xlabel="$-\\log p(x)$ by enumeration [nats]", ylabel="$L(x)+\\log p(x)$ [nats]")

# %% [markdown]
# Never below 0. Where $2^K$ is too many, average *weights* of several draws, as in chapter 5:
#
# $$\log p(x)\approx\log\frac1k\sum_{i=1}^k\frac{p(h_i,x)}{q(h_i\mid x)},\qquad h_i\sim q(h\mid x).$$
#
# It is still a bound on average, and a tighter one the larger $k$ is.

# %%
for k in (5, 50):
    print(f"k = {k:>2}: {-darn.iwae(jax.random.key(7), x_test, k).mean():.2f} nats, exact {exact.mean():.2f}")

# %% [markdown]
# ## 2c.5 What the bits mean
#
# Draw $h$ once, keep it, and draw the pixels eight times: `joint` holds all 72 bits, and $h$
# comes first.

# %% tags=["cover"] alt="Six rows of eight images. Within a row all share the same hidden bits, and they are alike: the same digit or the same slant and place of the strokes. From row to row they differ."
first_bits = jnp.arange(72) < 8
six = jnp.repeat(darn.joint.sample(jax.random.key(40), (6,)), 8, axis=0)  # each of six samples eight times
families = darn.joint.sample(jax.random.key(50), (48,), given=six, known=first_bits)[:, 8:]
fig = image_grid(families.reshape(-1, 8, 8), columns=8, title="each row: one h, eight draws of x")

# %% [markdown]
# ## 2c.6 Against a model without hidden bits
#
# Is it worth the trouble? The rival: a `Made` of the pixels alone, with a hidden layer of the same width, trained with the
# same optimizer.
#
# **Predict:** who wins, and which rows of the table are likelihoods?

# %%
made = Made(64, (128,), rngs=nnx.Rngs(0))
made.layers[-1].bias[...] = baseline_logits
fit(made, negative_log_likelihood, x_train, epochs=60, optimizer=decay, **settings)
report("MADE", made.log_prob(x_test))
report("independent pixels", chain_rule_log_prob(x_test, baseline_logits))
print(f"\n{'':<20}{'test nats':>14}{'bits per pixel':>16}")
for name in sorted(scores, key=lambda name: scores[name].mean()):
    mean, error = mean_and_error(scores[name])
    kind = "bound" if "bound" in name else "exact"
    print(f"{name:<20}{mean:7.2f} ± {error:.2f}{bits_per_dim(mean, 64):14.3f}   {kind}")

# %%
mean, error = mean_and_error(scores["DARN, exact"] - scores["MADE"])
print(f"DARN minus MADE, digit by digit: {mean:+.2f} ± {error:.2f} nats")

# %% [markdown]
# With silent bits DARN is about a MADE. With bits that speak, $p(x)$ is a mixture of 256 models of the pixels, and it gains
# as the ensembles of chapter 2 did. A wider MADE, as there, closes much of the gap. (Settings were tried by hand, a few
# with the test digits in view.)
#
# ## Summary

# %% [markdown] tags=["box"]
# - DARN is one autoregressive model of hidden and visible bits, $h$ first. $p(x)$ is a sum over $h$.
# - It is trained on a description length: send $h$, send $x$ given $h$, less a refund. It bounds $-\log p(x)$; the gap is
#   the divergence of the encoder from the true posterior.
# - Drawn bits have no derivative. A pair of draws from one uniform gives an unbiased slope.
# - Hidden bits stay silent if the pixels learn to do without them first. A warm-up of their price mends it.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 2c.1 — What the bound leaves out
# For one $x$, `log_joint` holds $\log p(h,x)$ and `log_q` holds $\log q(h\mid x)$, both for all $h$: shape `(2**K,)`.
# Return the gap $\log p(x)-\sum_hq(h\mid x)\,[\log p(h,x)-\log q(h\mid x)]$.


# %% tags=["exercise"]
def gap_of_the_bound(log_joint, log_q):
    ### BEGIN SOLUTION
    return jax.nn.logsumexp(log_joint) - (jnp.exp(log_q) * (log_joint - log_q)).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("2c.1") as check:
    log_joint = jnp.log(jnp.array([0.1, 0.2, 0.05, 0.15]))
    posterior = jax.nn.log_softmax(log_joint)
    other = jnp.log(jnp.array([0.4, 0.3, 0.2, 0.1]))
    divergence = (jnp.exp(other) * (other - posterior)).sum()
    check.close("no gap for the true posterior", gap_of_the_bound(log_joint, posterior), 0.0, hint="Σ q = 1.")
    check.close("otherwise the divergence from it", gap_of_the_bound(log_joint, other), divergence, hint="Weigh by q.")
    check.close(
        "a uniform q", gap_of_the_bound(log_joint, jnp.log(jnp.full(4, 0.25))), -(posterior + jnp.log(4.0)).mean()
    )

# %% [markdown] tags=["exercise"]
# ### Exercise 2c.2 — The true posterior
# `log_joint` holds $\log p(h,x)$, shape `(n, 2**K)`: a row for each $x$, a column for each $h$. Return $\log p(h\mid x)$, in
# the same shape.


# %% tags=["exercise"]
def log_posterior(log_joint):
    ### BEGIN SOLUTION
    return jax.nn.log_softmax(log_joint, axis=1)
    ### END SOLUTION


# %% tags=["check"]
with exercise("2c.2") as check:
    table = jnp.log(jnp.array([[0.1, 0.3], [0.06, 0.02]]))
    want = jnp.log(jnp.array([[0.25, 0.75], [0.75, 0.25]]))
    check.close("Bayes' rule in each row", log_posterior(table), want, hint="Divide by p(x), the sum of the row.")
    check.close("no underflow", log_posterior(table - 1000), want, hint="log_softmax, axis 1.", atol=1e-3)

# %% [markdown] tags=["exercise"]
# ### Exercise 2c.3 — Averaged weights
# For one $x$, the arrays `log_joint` and `log_q` hold $\log p(h_i,x)$ and $\log q(h_i\mid x)$ for $k$ draws $h_i$ from
# $q$. Return $\log\frac1k\sum_ip(h_i,x)/q(h_i\mid x)$.


# %% tags=["exercise"]
def averaged_weights(log_joint, log_q):
    ### BEGIN SOLUTION
    return jax.nn.logsumexp(log_joint - log_q) - jnp.log(len(log_q))
    ### END SOLUTION


# %% tags=["check"]
with exercise("2c.3") as check:
    log_p = jnp.log(jnp.array([0.1, 0.4]))
    check.close("weights 0.2 and 0.8", averaged_weights(log_p, jnp.log(jnp.array([0.5, 0.5]))), jnp.log(0.5))
    check.close("q the posterior: always log p(x)", averaged_weights(log_p, log_p - jnp.log(0.5)), jnp.log(0.5))
    check.close("no underflow", averaged_weights(log_p - 1000, jnp.log(jnp.array([0.5, 0.5]))), jnp.log(0.5) - 1000)

# %% [markdown] tags=["exercise"]
# ### Exercise 2c.4 — How long is the message?
# $h$ has $K$ bits, `prior` holds $p(h)$ and `q` holds $q(h\mid x)$, both for all $h$. Return the net price of $h$ in
# **bits**: what it costs to send, less the refund. A state with $q=0$ is never sent; the check has one.


# %% tags=["exercise"]
def net_price_bits(prior, q):
    ### BEGIN SOLUTION
    return jnp.where(q > 0, q * (jnp.log2(jnp.where(q > 0, q, 1)) - jnp.log2(prior)), 0).sum()
    ### END SOLUTION


# %% tags=["check"]
with exercise("2c.4") as check:
    even = jnp.full(4, 0.25)
    check.close("q is the prior: nothing", net_price_bits(even, even), 0.0)
    check.close("one state of four for certain: 2 bits", net_price_bits(even, jnp.array([0.0, 1.0, 0.0, 0.0])), 2.0)
    check.close("two of four: 1 bit", net_price_bits(even, jnp.array([0.5, 0.5, 0.0, 0.0])), 1.0, hint="Base 2.")

# %% [markdown] tags=["frame"]
# ## Sources
#
# - **DARN**: K. Gregor, I. Danihelka, A. Mnih, C. Blundell, D. Wierstra, "Deep AutoRegressive Networks", ICML 2014,
#   arXiv:1310.8499.
# - **DisARM**: Z. Dong, A. Mnih, G. Tucker, "DisARM: An Antithetic Gradient Estimator for Binary Latent Variables",
#   NeurIPS 2020, arXiv:2006.10680. The antithetic pair: M. Yin, M. Zhou, "ARM", ICLR 2019, arXiv:1807.11143.
# - **Warm-up**: S. R. Bowman, L. Vilnis, O. Vinyals, A. M. Dai, R. Jozefowicz, S. Bengio, "Generating Sentences from a
#   Continuous Space", 2016, arXiv:1511.06349. **Averaged weights**: Y. Burda, R. Grosse, R. Salakhutdinov, "Importance
#   Weighted Autoencoders", ICLR 2016, arXiv:1509.00519.
# - Digits: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.

# %% [markdown]
# ## Next
#
# Chapter 3, *Normalizing flows*, bends a simple density into a complicated one. Chapter 5, *The variational auto-encoder*,
# takes up what began here: hidden variables, an encoder, a bound.
