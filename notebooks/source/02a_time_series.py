# %% [markdown] tags=["frame"]
# # 2a · Time series
#
# A time series is the oldest thing that an autoregressive model was made for: sunspots, prices, temperatures. With a
# linear predictor almost everything has a closed form, so here each claim can be checked to the last digit.
#
# **After this chapter you can**
# - write the exact density of AR($p$), draw from it, and read AR(1) as a differential equation with noise;
# - tell from the coefficients whether a series settles, how long its memory is, and at which period it swings;
# - fit AR($p$) by least squares and by Yule–Walker, and say when the second one misleads;
# - forecast with intervals, and count on data that the model has not seen how often they are right;
# - train AR-Net with its sparsity penalty, repeat the comparison of its paper, and judge its claims.
#
# **You need** chapter 2 (the chain rule, AR($p$) in section 2.4) and chapter 0 (one training step).
# **Time:** about an hour; the code itself runs in about half a minute on two cores.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import statsmodels.api as sm
from flax import nnx
from scipy.stats import multivariate_normal, norm
from sklearn.linear_model import LassoCV
from statsmodels.tsa.ar_model import AutoReg

from course_lib import notebook
from course_lib.autoregressive import ArNet, LinearAr, ar_net_loss, lag_matrix, least_squares, yule_walker
from course_lib.autoregressive import symmetric_total_percentage_error as stpe
from course_lib.exercises import exercise
from course_lib.explorers.scenes.ar2_triangle import ar2_triangle_explorer
from course_lib.figures.style import BLUE, GREEN, GREY, INK, LIGHT, ORANGE, RED
from course_lib.probability import mean_and_error
from course_lib.training import cosine_adam, fit

notebook.start()

# %% [markdown]
# ## 2a.1 A density and a sampler
#
# Chapter 2 wrote the process. Each value is a linear function of the $p$ before it, plus noise:
#
# $$\textcolor{#D55E00}{T^t}=\beta^0+\sum_{i=1}^{p}\beta_i\,\textcolor{#009E73}{T^{t-i}}+\varepsilon^t,\qquad
# \varepsilon^t\sim\mathcal N(0,\sigma^2).$$
#
# ($t$ on top is an index.) So each conditional is normal. What is missing for a density is the first factor.

# %% [markdown] tags=["derivation"]
# Take $p=1$. The chain rule says
#
# $$p(T^1,\dots,T^n)=p(\textcolor{#D55E00}{T^1})\prod_{t=2}^{n}\mathcal N\big(\textcolor{#D55E00}{T^t}\mid
# \beta^0+\beta_1\textcolor{#009E73}{T^{t-1}},\sigma^2\big).$$
#
# If the process has run for long, $T^1$ has the mean $\mu$ and the variance $\gamma_0$ that one more step leaves as they
# are: $\mu=\beta^0+\beta_1\mu$ and $\gamma_0=\beta_1^2\gamma_0+\sigma^2$. Hence, for $|\beta_1|<1$,
#
# $$T^1\sim\mathcal N(\mu,\gamma_0),\qquad\mu=\frac{\beta^0}{1-\beta_1},\qquad\gamma_0=\frac{\sigma^2}{1-\beta_1^2}.$$


# %%
def ar1_log_prob(series, beta_0, beta_1, sigma):
    mean, spread = beta_0 / (1 - beta_1), sigma / np.sqrt(1 - beta_1**2)
    first = norm.logpdf(series[0], mean, spread)
    return first + norm.logpdf(series[1:], beta_0 + beta_1 * series[:-1], sigma).sum()


# %% [markdown]
# The same from two other sides: `LinearAr`, the library's AR($p$), and one big normal density with covariance
# $\gamma_0\,\beta_1^{|s-t|}$ between $T^s$ and $T^t$.
#
# **Predict:** will the three agree?

# %% tags=["nbval-check-output"]
decay = LinearAr(np.array([0.9]), intercept=1.0, sigma=2.0)
series = np.array([8.0, 11.0, 9.5, 13.0, 10.0])
apart = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
joint = multivariate_normal(np.full(5, 10.0), 2.0**2 / (1 - 0.9**2) * 0.9**apart)
print(f"factor by factor {ar1_log_prob(series, 1.0, 0.9, 2.0):.4f} nats")
print(f"LinearAr         {decay.log_prob(series):.4f} nats")
print(f"one big normal   {joint.logpdf(series):.4f} nats")

# %% [markdown]
# To sample, go the same way: draw $T^1$, then each value from its predecessors. Three processes, all with $\sigma=1$:

# %% alt="Three series of 150 values. The first is jagged noise around zero. The second wanders slowly, staying above or below zero for long. The third swings in irregular waves of about 13 steps."
processes = {
    "noise": LinearAr(np.array([0.0])),
    "slow": LinearAr(np.array([0.95])),
    "waves": LinearAr(np.array([1.6, -0.8])),
}
fig, axes = plt.subplots(3, 1, figsize=(7, 4.2), sharex=True)
for ax, (name, process), key in zip(axes, processes.items(), jax.random.split(jax.random.key(0), 3), strict=True):
    ax.plot(process.sample(key, (150,)), color=INK, lw=1.2)
    ax.set_title(f"{name}: β = {', '.join(f'{b:g}' for b in process.coefficients)}", loc="left")
_ = axes[-1].set_xlabel("t")

# %% [markdown]
# They look very different. **Predict:** which of them costs the fewest nats a step, $-\log p/n$, if the true process is
# known?

# %%
for name, process in processes.items():
    long = process.sample(jax.random.key(1), (20_000,))
    print(f"{name:<22}{-process.log_prob(long) / len(long):.2f} nats a step")
print(f"{'entropy of the noise':<22}{0.5 * np.log(2 * np.pi * np.e):.2f} nats")

# %% [markdown]
# All the same. What can be predicted costs nothing; what is paid for is the noise, and that is equal.
#
# ## 2a.2 A differential equation, sampled
#
# Tea cools towards the room's temperature $T_\infty$, with time constant $\tau$. Look every $\Delta$ minutes.

# %% [markdown] tags=["derivation"]
# The equation and its exact solution over one step of length $\Delta$:
#
# $$\frac{\mathrm dT}{\mathrm dt}=-\frac{T-T_\infty}{\tau}\quad\Longrightarrow\quad
# T(t+\Delta)=T_\infty+e^{-\Delta/\tau}\,\big(T(t)-T_\infty\big).$$
#
# That is AR(1) without noise, with
#
# $$\beta_1=e^{-\Delta/\tau},\qquad\beta^0=(1-\beta_1)\,T_\infty,\qquad\tau=-\frac{\Delta}{\ln\beta_1}.$$
#
# Add random kicks: in each short time $\mathrm dt$ an independent one of variance $s^2\,\mathrm dt$. This is the
# **Ornstein–Uhlenbeck process**. A kick at time $u$ before the end of the step has shrunk to $e^{-u/\tau}$ of itself, so
# the noise of a whole step has variance
#
# $$\sigma^2=\int_0^\Delta s^2e^{-2u/\tau}\,\mathrm du=\frac{s^2\tau}{2}\,\big(1-\beta_1^2\big).$$
#
# Seen every $\Delta$, the process *is* AR(1), exactly, for any $\Delta$. (Section 2.4 took one Euler step,
# $\beta_1\approx1-\Delta/\tau$: right only for small $\Delta/\tau$.)

# %% [markdown]
# Simulate in steps of 0.01, look once a minute, and fit. **Predict:** with $\tau=2$, which $\beta_1$ comes out: Euler's
# $1-\frac12=0.5$, or $e^{-1/2}\approx0.61$?

# %% tags=["nbval-check-output"]
tau, limit, strength, fine = 2.0, 20.0, 1.0, 0.01
rng = np.random.default_rng(0)
path = [limit]
for kick in rng.normal(scale=strength * np.sqrt(fine), size=1_000_000):
    path.append(path[-1] - fine * (path[-1] - limit) / tau + kick)
seen = least_squares(path[::100], 1)
predicted_sigma = strength * np.sqrt(tau / 2 * (1 - np.exp(-2 / tau)))
error = np.sqrt((1 - seen.coefficients[0] ** 2) / 10_000)
print(f"fitted    β₁ = {seen.coefficients[0]:.2f} ± {error:.2f}, σ = {seen.sigma:.2f}")
print(f"predicted β₁ = {np.exp(-1 / tau):.2f},        σ = {predicted_sigma:.2f}")

# %% [markdown] tags=["box"]
# **Erratum.** The page that this chapter follows rewrites AR(1) (with its noise written $\beta^t$) as
#
# $$T(t)=-\Delta\,\frac{\beta_1}{1-\beta_1}\,T'(t)+\frac{\beta^t+\beta^0}{1-\beta_1},$$
#
# that is, $\tau=\Delta\,\beta_1/(1-\beta_1)$. This puts the difference $T^t-T^{t-1}$ in the place of $\Delta\,T'$ at the
# *end* of the step; section 2.4 put it at the beginning and got $\tau=\Delta/(1-\beta_1)$. The exact value,
# $-\Delta/\ln\beta_1$, lies between the two. All agree when $\beta_1$ is near 1. For $\beta_1<0$ the page's $\tau$ is
# negative, which means growth without end, while the series shrinks and changes sign at each step: no first-order
# equation does that. Nor is $\beta^t$ a function of time that one may divide by $1-\beta_1$: the variance of the noise
# grows with $\Delta$, its deviation with $\sqrt\Delta$.

# %% tags=["nbval-check-output"]
print("  β₁    page   Euler   exact   distance from the limit after 5 steps: page, exact")
for beta_1 in (0.95, 0.8, 0.5, 0.1, -0.5):
    page, euler = beta_1 / (1 - beta_1), 1 / (1 - beta_1)
    exact = -1 / np.log(beta_1) if beta_1 > 0 else np.nan
    print(f"{beta_1:5.2f}{page:8.2f}{euler:8.2f}{exact:8.2f}{np.exp(-5 / page):20.4f}{beta_1**5:10.4f}")

# %% [markdown] tags=["box"]
# **Erratum.** The page reads AR(2), too, as a *first-order* equation, with the backward differences over one and over
# two steps both replaced by $T'$:
#
# $$T(t)=-\Delta\,\frac{\beta_1+2\beta_2}{1-\beta_1-\beta_2}\,T'(t)+\frac{\beta^t+\beta^0}{1-\beta_1-\beta_2}.$$
#
# A first-order equation has one exponential and cannot swing. For our waves, $\beta=(1.6,-0.8)$, it even gives
# $\tau=\Delta\,(1.6-1.6)/0.2=0$: all is forgotten at once. In fact the waves live for tens of steps.
#
# AR(2) is a *second-order* equation: a pendulum with friction. If $\lambda=r\,e^{\pm i\omega}$ are the two solutions of
# $\lambda^2=\beta_1\lambda+\beta_2$ (next section), then $T''+2cT'+(c^2+\omega^2)(T-T_\infty)=0$ with $c=-\ln r$, in
# units of the step, has solutions $r^t\cos(\omega t+\text{const})$, which pass through the noise-free AR(2) at every step.

# %% alt="Values of the noise-free AR(2) process from 1 on, as dots, swing with a period of about 13 steps and shrink. The damped pendulum, a red line, passes through every dot. The page's reading, a grey dashed line, drops to zero at once."
beta = np.array([1.6, -0.8])
root = np.roots([1, *-beta])[0]
values = [1.0, 0.8]
for _ in range(38):
    values.append(beta @ values[:-3:-1])
amplitude = 1 + 1j * (root.real - values[1]) / root.imag  # matches the first two values
time = np.linspace(0, 39, 391)
pendulum = (amplitude * np.exp(np.log(root) * time)).real
apart = np.abs(pendulum[::10] - values).max()
plt.plot(values, "o", ms=4, color=INK, label="AR(2), no noise")
plt.plot(time, pendulum, color=RED, lw=1.2, label="pendulum with friction")
plt.plot([0, 0, 39], [1, 0, 0], "--", color=GREY, label=r"page: first order, $\tau=0$")
plt.gca().set(xlabel="t", ylabel="$T^t$", title=f"largest difference at the steps: {apart:.0e}")
_ = plt.legend()

# %% [markdown]
# ## 2a.3 Does it settle?
#
# Leave the noise out and try $T^t=\lambda^t$. It solves the recursion (with $\beta^0=0$) if
#
# $$\lambda^p=\beta_1\lambda^{p-1}+\dots+\beta_p.$$
#
# There are $p$ **roots**. Each start is a sum of such terms. All fade if every $|\lambda|<1$: then mean and variance
# settle, and the process is **stationary**.

# %% alt="Roots in the complex plane with the unit circle. The slow process has one real root at 0.95. The waves have a pair at 0.8 plus and minus 0.4 i. A third process, coefficients 0.5 and 0.6, has a root at 1.06, outside the circle."
cases = {"slow": [0.95], "waves": [1.6, -0.8], "(0.5, 0.6)": [0.5, 0.6]}
fig, ax = plt.subplots(figsize=(3.9, 3.6))
ax.add_patch(plt.Circle((0, 0), 1, fc="none", ec=GREY))
for (name, b), marker, colour in zip(cases.items(), "o^s", (GREEN, BLUE, RED), strict=True):
    roots = LinearAr(np.array(b)).roots()
    ax.plot(roots.real, roots.imag, marker, color=colour, label=f"{name}: largest {np.abs(roots).max():.2f}")
ax.set(aspect="equal", xlim=(-1.3, 1.3), ylim=(-1.3, 1.9), xlabel="real part", ylabel="imaginary part")
_ = ax.legend(loc="upper center", fontsize=9)

# %% [markdown]
# **Predict:** the process with the root at 1.06 has two harmless-looking coefficients, 0.5 and 0.6. What will the library
# say when asked for a sample?

# %% tags=["nbval-check-output"]
try:
    LinearAr(np.array([0.5, 0.6])).sample(jax.random.key(0), (100,))
except ValueError as error:
    print(error)

# %% [markdown]
# Its variance grows for ever, so the first value has no density.
#
# ### The triangle of AR(2)

# %% [markdown] tags=["derivation"]
# For $p=2$ the roots are those of $f(\lambda)=\lambda^2-\beta_1\lambda-\beta_2$. Their product is $-\beta_2$, and $f$ is a
# parabola that opens upwards. Both roots lie inside the unit circle exactly if
#
# $$f(1)=1-\beta_1-\beta_2>0,\qquad f(-1)=1+\beta_1-\beta_2>0,\qquad\beta_2>-1.$$
#
# Three straight edges: a triangle with corners $(-2,-1)$, $(2,-1)$ and $(0,1)$. Below the parabola $\beta_2=-\beta_1^2/4$
# the roots are complex, $r\,e^{\pm i\omega}$ with $r=\sqrt{-\beta_2}$, and the series swings with period $2\pi/\omega$.

# %% [markdown] tags=["derivation"]
# Two more things follow from the coefficients. The **autocorrelation** is the correlation of $T^t$ with $T^{t-k}$, its
# memory. The **spectral density** says how the variance is spread over frequencies $\nu$:
#
# $$f(\nu)=\frac{\sigma^2}{\big|1-\sum_j\beta_je^{-2\pi i\nu j}\big|^2},\qquad\int_{-1/2}^{1/2}f(\nu)\,\mathrm d\nu=\gamma_0.$$

# %% [markdown]
# **Predict, then move:** (1) Go along the bottom edge from right to left: what happens to the period? (2) Where does the
# series change its sign at every step? (3) What becomes of spectrum and memory as the dot comes close to an edge?

# %%
ar2_triangle_explorer()

# %% [markdown]
# On the upper right edge a root reaches 1: the series wanders. On the upper left one it reaches −1: it flips. On the bottom
# edge a pair has modulus 1: a wave that never fades, faster towards the left. Close to an edge the spectrum grows a sharp
# peak, and memory lasts.

# %% tags=["nbval-check-output"]
waves = LinearAr(np.array([1.6, -0.8]))
nu = (np.arange(2000) + 0.5) / 2000 - 0.5
print(f"area under the spectral density {waves.spectral_density(nu).mean():.4f}")
print(f"variance                        {waves.autocovariance(0)[0]:.4f}")
print(f"period of the largest root      {2 * np.pi / np.abs(np.angle(waves.roots()[0])):.1f} steps")
print(f"period of the spectrum's peak   {1 / np.abs(nu[waves.spectral_density(nu).argmax()]):.1f} steps")

# %% [markdown]
# ## 2a.4 Fitting by least squares
#
# Given the first $p$ values, $\log p$ is a sum of squares: to maximize it over $\beta$ is a linear regression of each
# value on its predecessors. The best $\sigma^2$ is the mean squared residual.

# %% [markdown]
# `lag_matrix` lists the predecessors of each target, the newest first. Here is the fit, written out.

# %% tags=["nbval-check-output"]
true_waves = LinearAr(np.array([1.6, -0.8]), intercept=2.0)
wave_series = true_waves.sample(jax.random.key(2), (400,))
design = np.column_stack([np.ones(398), lag_matrix(wave_series, 2)])
target = wave_series[2:]
beta = np.linalg.lstsq(design, target)[0]
sigma = np.sqrt(np.mean((target - design @ beta) ** 2))
error = sigma * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
for name, b, se, true in zip(("β⁰", "β₁", "β₂"), beta, error, (2.0, 1.6, -0.8), strict=True):
    print(f"{name} {b:6.2f} ± {se:.2f}   true {true:5.2f}")

# %% [markdown]
# An independent library must find the same numbers; not nearly, the same.

# %% tags=["nbval-check-output"]
ours, theirs = least_squares(wave_series, 2), AutoReg(wave_series, 2).fit()
print("coefficients equal:", np.allclose([ours.intercept, *ours.coefficients], theirs.params, rtol=1e-9))
our_log_prob = ours.conditional_log_prob(wave_series)
print("log-likelihood equal:", np.isclose(our_log_prob, theirs.llf, rtol=1e-9))

# %% [markdown]
# ## 2a.5 Fitting by Yule–Walker
#
# Another way in: choose the process whose autocovariances are those of the sample.

# %% [markdown] tags=["derivation"]
# Let $\gamma_k=\operatorname{Cov}(T^t,T^{t-k})$. Subtract the mean, multiply the process by $T^{t-k}$, take expectations. The
# noise of step $t$ is independent of all that came before, so for $k\ge1$
#
# $$\gamma_k=\sum_{i=1}^p\beta_i\,\gamma_{|k-i|},\qquad k=1,\dots,p:$$
#
# $p$ linear equations for $p$ coefficients, the **Yule–Walker equations**. For $k=0$ the noise remains:
# $\sigma^2=\gamma_0-\sum_i\beta_i\gamma_i$. From data, put
# $\hat\gamma_k=\frac1n\sum_t(T^t-\bar T)(T^{t-k}-\bar T)$ in.
#
# The matrix $\gamma_{|k-i|}$ is constant along its diagonals. Therefore the solution of order $k$ follows from that of order
# $k-1$ in $k$ operations (Levinson, Durbin). Each round adds one number, the **partial autocorrelation** of lag $k$: the
# correlation of $T^t$ and $T^{t-k}$ that the values between them do not explain.


# %% library="course_lib.autoregressive.linear_ar:levinson"
def levinson(gamma):
    beta, partials, variance = np.zeros(0), [], gamma[0]
    for k in range(1, len(gamma)):
        partial = (gamma[k] - beta @ gamma[k - 1 : 0 : -1]) / variance
        beta = np.append(beta - partial * beta[::-1], partial)
        variance = variance * (1 - partial**2)
        partials.append(partial)
    return beta, np.array(partials), float(variance)


# %% [markdown]
# All partial autocorrelations lie between −1 and 1, and with such numbers the roots always lie inside the circle. For an
# AR($p$) those beyond lag $p$ are 0: a way to see $p$. **Predict:** how many bars will stand out for our waves?

# %% alt="Bars of the sample partial autocorrelation for lags 1 to 20. Lag 1 is about 0.9, lag 2 about minus 0.8; all others lie within or near the grey band of two standard errors around zero."
centred = wave_series - wave_series.mean()
gamma = np.array([centred[k:] @ centred[: 400 - k] for k in range(21)]) / 400
partials = levinson(gamma)[1]
plt.axhspan(-1.96 / 20, 1.96 / 20, color=LIGHT, label="95 % of all bars, if there were nothing")
plt.bar(np.arange(1, 21), partials, color=GREEN, width=0.6)
plt.gca().set(xlabel="lag", ylabel="partial autocorrelation", xticks=range(0, 21, 2), ylim=(-1, 1))
_ = plt.legend(loc="lower right")

# %% tags=["nbval-check-output"]
methods = {"least squares": least_squares, "Yule–Walker": yule_walker}
for name, method in methods.items():
    fitted = method(wave_series, 2)
    print(f"{name:<14}{np.round(fitted.coefficients, 2)}  σ {fitted.sigma:.2f}  mean {fitted.mean():.1f}")

# %% [markdown]
# ### What goes wrong: a random walk
#
# With $\beta_1=1$ the series never settles: $T^t=T^{t-1}+\varepsilon^t$. **Predict:** what does Yule–Walker make of it?

# %%
walks = np.cumsum(np.random.default_rng(0).normal(size=(500, 120)), axis=1)
fits = {method: [method(walk[:100], 1) for walk in walks] for method in (least_squares, yule_walker)}
for method, models in fits.items():
    beta_1 = np.array([m.coefficients[0] for m in models])
    settled = np.mean([m.is_stationary() for m in models])
    print(
        f"{method.__name__:<14} β₁ = {beta_1.mean():.3f} on average (true 1), called stationary: {100 * settled:.0f} %"
    )

# %% [markdown]
# Yule–Walker calls *every* walk stationary: a property of the method, not of the data. With coefficients below 1, forecasts
# bend back towards a level that is not there. The repair: model the differences $T^t-T^{t-1}$, which do settle.
#
# **Predict:** how often does each method's 80 % interval hold the truth?

# %% alt="Share of 500 random walks inside the 80 % interval, against steps ahead from 1 to 20. With differences it stays near 80 % throughout. Least squares falls from about 80 to 56 %, Yule-Walker to about 52 %."
ahead, truth = np.arange(1, 21), walks[:, 100:]
for (method, models), colour in zip(fits.items(), (GREEN, RED), strict=True):
    forecasts = [m.forecast(walk[:100], 20) for m, walk in zip(models, walks, strict=True)]
    inside = [np.abs(x - mean) < 1.2816 * width for x, (mean, width) in zip(truth, forecasts, strict=True)]
    plt.plot(ahead, 100 * np.mean(inside, axis=0), color=colour, label=method.__name__)
width = np.diff(walks[:, :100]).std(axis=1)[:, None] * np.sqrt(ahead)
inside = np.abs(truth - walks[:, 99:100]) < 1.2816 * width
plt.plot(ahead, 100 * inside.mean(axis=0), color=BLUE, label="differences")
plt.axhline(80, color=GREY, ls=":")
plt.gca().set(xlabel="steps ahead", ylabel="inside [%]", ylim=(40, 100), xticks=range(0, 21, 5))
_ = plt.legend(ncols=3)

# %% [markdown]
# ## 2a.6 Forecasts with intervals
#
# The mean of the next value is the formula without noise. Feed it back, and you have the mean of the one after. How wrong
# will it be?

# %% [markdown] tags=["derivation"]
# A unit of noise at one step is worth $\psi_k$ units $k$ steps later, with $\psi_0=1$ and
#
# $$\psi_k=\sum_{i=1}^{p}\beta_i\,\psi_{k-i}\qquad(\psi_j=0\text{ for }j<0).$$
#
# The error of a forecast $k$ steps ahead is the noise of the $k$ steps to come, each with its weight:
# $\varepsilon^{t+k}+\psi_1\varepsilon^{t+k-1}+\dots+\psi_{k-1}\varepsilon^{t+1}$. It is normal, with variance
#
# $$\sigma_k^2=\sigma^2\,\big(\psi_0^2+\psi_1^2+\dots+\psi_{k-1}^2\big)\;\longrightarrow\;\gamma_0 .$$
#
# An 80 % interval is the mean $\pm1.28\,\sigma_k$. It takes the coefficients as known.

# %% alt="The last 40 values of the waves and a forecast of 40 steps. The mean continues the wave, smaller and smaller, towards the mean 10. The 80 % band widens within five steps and then keeps its width. Twenty grey continuations drawn from the model fill the band."
model = least_squares(wave_series, 2)
mean, width = model.forecast(wave_series, 40)
futures = np.tile(wave_series, (20, 1))
noise = np.random.default_rng(3).normal(scale=model.sigma, size=(20, 40))
for t in range(40):
    value = model.forecast(futures, 1)[0] + noise[:, t : t + 1]
    futures = np.append(futures, value, axis=1)
plt.plot(np.arange(40), wave_series[-40:], color=INK)
plt.plot(np.arange(40, 80), futures[:, 400:].T, color=GREY, lw=0.5, alpha=0.6)
plt.plot(np.arange(40, 80), mean, color=RED)
plt.fill_between(np.arange(40, 80), mean - 1.28 * width, mean + 1.28 * width, color=RED, alpha=0.2, lw=0)
_ = plt.gca().set(xlabel="t", title="a forecast: mean, 80 % interval, and twenty samples")

# %% [markdown]
# **Predict:** over 4,000 fresh series from the true process, which share falls inside the 80 % interval of the true model,
# 1 step and 10 steps ahead? And inside that of a model fitted to only 30 values?

# %%
fresh = LinearAr(np.array([1.6, -0.8])).sample(jax.random.key(4), (4000, 40))
small = [least_squares(x[:30], 2) for x in fresh]
for k in (1, 10):
    mean, width = waves.forecast(fresh[:, :30], k)
    known = np.abs(fresh[:, 29 + k] - mean[:, -1]) < 1.2816 * width[-1]
    guessed = [m.forecast(x[:30], k) for m, x in zip(small, fresh, strict=True)]
    fitted = [abs(x[29 + k] - m[-1]) < 1.2816 * w[-1] for x, (m, w) in zip(fresh, guessed, strict=True)]
    print(
        f"{k:2d} steps ahead: true model {100 * known.mean():.0f} %, fitted to 30 values {100 * np.mean(fitted):.0f} %"
    )

# %% [markdown]
# The intervals keep their promise if the coefficients are true. Fitted to few values they are too narrow.
#
# ## 2a.7 Sunspots
#
# Real data: the yearly number of spots on the sun. Large counts vary more; the square root evens that out. We fit the years
# 1700 to 1908; a hundred are kept back.

# %% alt="Sunspot numbers from 1700 to 2008: cycles of about eleven years with peaks between 50 and 190. The years from 1909 on, kept back for the test, are shaded."
sunspots = sm.datasets.sunspots.load_pandas().data
year, count = sunspots["YEAR"].to_numpy(), sunspots["SUNACTIVITY"].to_numpy()
root_count, n = np.sqrt(count), 209
past = root_count[:n]
plt.plot(year, count, color=INK, lw=1)
plt.axvspan(1909, 2008, color=LIGHT, label="kept back")
plt.gca().set(xlabel="year", ylabel="sunspots", xlim=(1700, 2008))
_ = plt.legend(loc="upper left")

# %% [markdown]
# How many lags? A longer model always fits the past better. Two criteria charge for parameters (here $p+2$): AIC 2 each, BIC
# $\log n$ each, added to $-2\log p$. **Predict:** which of the two picks the longer model?

# %% alt="AIC and BIC against the order p from 1 to 15, both relative to their minimum. AIC is lowest at 9, BIC at 2; both fall steeply from 1 to 2."
orders, most = np.arange(1, 16), 15
criteria = {"AIC": 2.0, "BIC": np.log(n - most)}
costs = {name: [] for name in criteria}
for p in orders:
    fitted = least_squares(past[most - p :], int(p))  # the same targets for all orders
    for name, price in criteria.items():
        costs[name].append(-2 * fitted.conditional_log_prob(past[most - p :]) + price * (p + 2))
for (name, cost), colour in zip(costs.items(), (BLUE, ORANGE), strict=True):
    cost = np.array(cost) - min(cost)
    plt.plot(orders, cost, "o-", color=colour, label=f"{name}: best p = {orders[cost.argmin()]}")
plt.gca().set(xlabel="order p", ylabel="above its best", ylim=(-3, 60))
_ = plt.legend()

# %% [markdown]
# They disagree. The kept-back century decides: the mean log-probability of each year given those before it, with
# coefficients from the past alone.

# %%
for p in (1, 2, 9):
    fitted = least_squares(past, p)
    nats = fitted.conditional_log_prob(root_count[n - p :]) / (len(count) - n)
    largest = max(fitted.roots(), key=abs)
    period = f"largest root {abs(largest):.2f}, period {2 * np.pi / max(abs(np.angle(largest)), 1e-9):.1f} years"
    print(f"AR({p}): {-nats:.2f} nats a year kept back" + (f"; {period}" if p > 1 else ""))

# %% [markdown]
# The longer model is better by far on years it never saw: here BIC was too careful. And the roots found the sun's cycle.
#
# A good model leaves nothing behind: its residuals must look like noise. **Predict:** at which lag will AR(2) have left
# something?

# %% alt="Autocorrelation of the residuals on the training years for AR(2) and AR(9), lags 1 to 20, with the band of two standard errors. AR(2) has bars outside the band at lags 9, 11 and 12; those of AR(9) stay inside or touch the band."
fig, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for ax, p in zip(axes, (2, 9), strict=True):
    left = past[p:] - least_squares(past, p).predict(past)
    left = left - left.mean()
    correlation = [left[k:] @ left[:-k] / (left @ left) for k in range(1, 21)]
    band = 1.96 / np.sqrt(len(left))
    ax.axhspan(-band, band, color=LIGHT)
    ax.bar(np.arange(1, 21), correlation, color=GREEN, width=0.6)
    ax.set(title=f"residuals of AR({p})", xlabel="lag [years]", ylim=(-0.35, 0.35))
_ = axes[0].set_ylabel("autocorrelation")

# %% [markdown]
# Something with the period of the cycle was left in AR(2). Now forecasts from AR(9). Squared back, they are medians and
# intervals of the counts themselves: an interval survives any increasing map.

# %% alt="Two panels. Left: one-step forecasts for 1909 to 2008 follow the observed cycles, a few years early or late at the steep flanks, most observations inside the 80 % band. Right: one forecast made in 1975 for 22 years has two cycles at the right time, but both observed peaks lie above the band." tags=["cover"]
sun = least_squares(past, 9)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
one_step = sun.predict(root_count[n - 9 :])
far, far_width = sun.forecast(root_count[: 1976 - 1700], 22)
for ax, when, mean, width in (
    (axes[0], year[n:], one_step, sun.sigma),
    (axes[1], np.arange(1976, 1998), far, far_width),
):
    low, high = (np.maximum(mean + z * width, 0) ** 2 for z in (-1.28, 1.28))
    ax.fill_between(when, low, high, color=RED, alpha=0.2, lw=0)
    ax.plot(when, np.maximum(mean, 0) ** 2, color=RED, lw=1.2)
    ax.plot(when, count[when.astype(int) - 1700], "o", ms=3, color=INK)
axes[0].set(title="each year from those before it", xlabel="year", ylabel="sunspots")
_ = axes[1].set(title="all from the years up to 1975", xlabel="year")

# %% [markdown]
# On the right the timing is good, but both peaks lie above the band: so strong cycles were rare before 1909.
#
# Count, over the kept-back century, how often the interval was right: 1, 2, 5 and 11 years ahead, from every year.
# **Predict:** 80 % at each distance?

# %%
for k in (1, 2, 5, 11):
    starts = range(n, len(count) - k + 1)
    ahead = [sun.forecast(root_count[:t], k) for t in starts]
    inside = [
        abs(root_count[t + k - 1] - mean[-1]) < 1.2816 * width[-1]
        for t, (mean, width) in zip(starts, ahead, strict=True)
    ]
    print(f"{k:2d} years ahead: {100 * np.mean(inside):.0f} % of {len(inside)}")
print(f"standard error for 100 independent years: {100 * np.sqrt(0.8 * 0.2 / 100):.0f} %")

# %% [markdown]
# Near the promise at every distance. (Forecasts for several years overlap: these shares are less certain.)
#
# ## 2a.8 AR-Net
#
# AR($p$) as a network: one linear layer, trained by gradient steps on small batches.

# %% [markdown] tags=["box"]
# **What the paper claims** (Triebe, Laptev and Rajagopal, 2019):
# 1. AR-Net finds the coefficients that least squares ("classic AR") finds.
# 2. Its cost grows linearly with $p$, that of classic AR with the square.
# 3. With a sparsity penalty it finds which lags count, without being told: on a process with the lags 1, 3 and 10, fitted
#    with $p=20$ to $N=1000$ values with $\sigma=1$, its error is 3.2, that of classic AR 18.3.
#
# The error is the *symmetric total percentage error* between the found $\hat w$ and the true $w$:
# $\mathrm{sTPE}=100\,\sum_i|\hat w_i-w_i|\,\big/\sum_i(|\hat w_i|+|w_i|)$. The penalty, added to the loss with a factor
# $\lambda$, is
#
# $$R(\theta)=\frac1p\sum_{i=1}^p\Big[\frac{2}{1+\exp(-c_1|\theta_i|^{1/c_2})}-1\Big],\qquad c_1\approx c_2\approx3.$$

# %% [markdown]
# Claim 1, on a *dense* process: three lags, all of which count. **Predict:** how large is the mean squared error on new
# values, at best?

# %%
dense = LinearAr(np.array([0.2, 0.3, -0.5]))
series, new = dense.sample(jax.random.key(5), (2, 10_000))
data = (lag_matrix(series[:1000], 3), series[3:1000])
network, settings = ArNet(3, rngs=nnx.Rngs(0)), {"key": jax.random.key(6), "epochs": 100, "batch_size": 64}
fit(network, ar_net_loss, data, optimizer=cosine_adam(0.03, steps=1500), **settings)
predictions = {
    "true": (dense.coefficients, dense.predict(new)),
    "classic AR": (least_squares(series[:1000], 3).coefficients, least_squares(series[:1000], 3).predict(new)),
    "AR-Net": (np.asarray(network.first_weights[:, 0]), np.asarray(network(lag_matrix(new, 3)))),
}
for name, (w, mean) in predictions.items():
    print(f"{name:<11}{np.round(w, 2)}  mean squared error {np.mean((new[3:] - mean) ** 2):.2f}")

# %% [markdown]
# Both find the same coefficients, and nobody can predict the noise, whose variance is 1.
#
# Now many lags of which few count. A small coefficient pays nearly as much as a large one: few large ones are cheaper. The **Lasso**'s absolute value charges
# in proportion and shrinks the large ones too.


# %% alt="Two panels. Left, from minus 1 to 1: the AR-Net penalty has a sharp cusp at zero and is nearly flat further out; the absolute value of the Lasso is a V. Right, from minus 0.01 to 0.01: the printed penalty falls to zero in a spike, the smoothed one is rounded off at 0.15."
def penalty(theta, smoothing, c1=3.0, c2=3.0):
    magnitude = (theta**2 + smoothing**2) ** (0.5 / c2)
    return 2 / (1 + jnp.exp(-c1 * magnitude)) - 1


fig, axes = plt.subplots(1, 2, figsize=(8, 3))
for ax, reach in zip(axes, (1.0, 0.01), strict=True):
    theta = np.linspace(-reach, reach, 2001)
    ax.plot(theta, penalty(theta, 0.0), color=BLUE, label="AR-Net, as printed")
    ax.plot(theta, penalty(theta, 1e-3), "--", color=RED, lw=1.2, label="AR-Net, rounded off")
    ax.plot(theta, np.abs(theta), ":", color=INK, label="Lasso: |θ|")
    ax.set(xlabel="coefficient θ", ylim=(0, 1), title="far" if reach == 1 else "near 0")
axes[0].set_ylabel("penalty")
_ = axes[1].legend(loc="upper center", fontsize=9)

# %% [markdown]
# ### What goes wrong: the cusp
#
# The slope of $|\theta|^{1/3}$ at 0 is infinite, and 0 is where we want most coefficients. **Predict:** what does a gradient
# step from $\theta=0$ return?

# %% tags=["nbval-check-output"]
for smoothing in (0.0, 1e-3):
    slope = jax.grad(penalty)
    shown = (f"{slope(t, smoothing):9.2f}" for t in (0.0, 1e-6, 1e-3, 0.2))
    print(f"smoothing {smoothing:5}: slope at 0, 0.000001, 0.001 and 0.2:", *shown)

# %% [markdown]
# As printed: not a number at 0, and steps of thousands beside it. The repair replaces $|\theta|$ by
# $\sqrt{\theta^2+0.001^2}$, as the library's `sparsity_penalty` does. Beyond a few thousandths nothing has changed.

# %% [markdown] tags=["box"]
# **The experiment.** Ten series of the paper's sparse process; its authors' code has the weights 0.2, 0.3 and −0.5. The loss
# is the mean of $-\log p$ a step, plus $\lambda R$. (The paper has squared error plus penalty. With $\sigma$ known that is
# the same, but for a factor $2\sigma^2$ in $\lambda$. Ours learns $\sigma$, too.)

# %%
true_weights = np.zeros(20)
true_weights[[0, 2, 9]] = 0.2, 0.3, -0.5
series = LinearAr(true_weights).sample(jax.random.key(0), (10, 1000))
lags, target = jnp.array(lag_matrix(series, 20)), jnp.array(series[:, 20:])
strengths = jnp.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8])
steps = 2000
optimizer = cosine_adam(0.03, steps)
graph, start = nnx.split(ArNet(20, rngs=nnx.Rngs(0)))


# %% [markdown]
# One training: 2,000 steps, each on 64 random rows. `vmap` runs it for all series and all strengths at once.


# %%
def train(lags, target, strength, key):
    def loss(state, rows):
        return ar_net_loss(nnx.merge(graph, state), (lags[rows], target[rows]), None, strength)

    def step(carry, key):
        state, memory = carry
        gradient = jax.grad(loss)(state, jax.random.randint(key, (64,), 0, len(target)))
        update, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(state, update), memory), None

    return jax.lax.scan(step, (start, optimizer.init(start)), jax.random.split(key, steps))[0][0]


train_all = jax.jit(jax.vmap(jax.vmap(train, (None, None, 0, None)), (0, 0, None, 0)))

# %% [markdown]
# **Predict:** without a penalty ($\lambda=0$), how far will AR-Net be from least squares, in sTPE?

# %% alt="Error sTPE against the strength lambda of the penalty, mean of ten series with standard errors. AR-Net falls from about 23 without penalty to about 3.5 from 0.2 on. Classic AR is a level line at about 22 to 23, the paper's 18.3 and 3.2 are dotted lines."
keys = jax.random.split(jax.random.key(1), 10)
found = train_all(lags, target, strengths, keys)
weights = jax.vmap(jax.vmap(lambda state: nnx.merge(graph, state).first_weights[:, 0]))(found)
error = np.array([[stpe(w, true_weights) for w in row] for row in weights])
classic = np.array([least_squares(x, 20).coefficients for x in series])
classic_error = np.array([stpe(w, true_weights) for w in classic])
x = np.arange(len(strengths))
plt.errorbar(x, *mean_and_error(error), color=RED, marker="o", label="AR-Net")
plt.axhline(classic_error.mean(), color=GREEN, label="classic AR")
for paper in (18.3, 3.2):
    plt.axhline(paper, color=GREY, ls=":", label="paper's two numbers" if paper > 10 else None)
plt.gca().set(xlabel="strength λ", ylabel="sTPE", ylim=(0, 27))
plt.xticks(x, [f"{s:g}" for s in strengths])
_ = plt.legend(loc="center right")

# %%
apart = [stpe(w, c) for w, c in zip(weights[:, 0], classic, strict=True)]
print(f"AR-Net without penalty against least squares: sTPE {np.mean(apart):.0f}")
best = error.mean(axis=0).argmin()
for name, e in {"classic AR": classic_error, f"AR-Net, λ = {strengths[best]:.1f}": error[:, best]}.items():
    percent, percent_error = mean_and_error(e)
    print(f"{name:<18}sTPE {percent:4.1f} ± {percent_error:.1f}")

# %% [markdown]
# Claim 3 holds, too. (Ours are means of ten series. Classic AR errs a little more here than in the paper.)

# %% alt="Two panels of the 20 coefficients of one series: black ticks are the true values 0.2 at lag 1, 0.3 at lag 3, minus 0.5 at lag 10. Left: classic AR has small bars at all other lags too. Right: AR-Net has exactly three bars of visible height."
fig, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
for ax, w, name in ((axes[0], classic[0], "classic AR"), (axes[1], weights[0, best], "AR-Net")):
    ax.bar(np.arange(1, 21), w, color=RED, width=0.6)
    ax.plot(np.arange(1, 21), true_weights, "_", color=INK, ms=9, mew=2, label="true")
    ax.set(title=f"{name}: sTPE {stpe(w, true_weights):.1f}", xlabel="lag")
axes[0].set_ylabel("coefficient")
_ = axes[0].legend(loc="lower left")

# %% [markdown]
# But $\lambda$ was picked by looking at the answer, and the rivals were left at home. A fair contest: AR-Net's $\lambda$ from
# a fifth of each series kept back; the **Lasso**, its strength from cross-validation; and least squares **fitted twice**: keep
# the lags whose coefficients exceed $\sqrt{\log N}$ standard errors (BIC's price), then fit those alone.


# %%
def fitted_twice(lags, target):
    def regress(keep):
        design = np.column_stack([np.ones(len(target)), lags[:, keep]])
        beta = np.linalg.lstsq(design, target)[0]
        sigma = np.sqrt(np.mean((target - design @ beta) ** 2))
        return beta[1:], sigma * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))[1:]

    beta, error = regress(np.arange(lags.shape[1]))
    keep = np.flatnonzero(np.abs(beta) > np.sqrt(np.log(len(target))) * error)
    weights = np.zeros(lags.shape[1])
    weights[keep] = regress(keep)[0]
    return weights


# %% [markdown]
# **Predict:** who wins?

# %%
early = train_all(lags[:, :784], target[:, :784], strengths, keys)
held = jax.vmap(jax.vmap(lambda s, x, y: nnx.merge(graph, s).step_log_prob(x, y).mean(), (0, None, None)))(
    early, lags[:, 784:], target[:, 784:]
)
pairs = list(zip(np.asarray(lags), np.asarray(target), strict=True))
rivals = {
    "classic AR": classic,
    "Lasso, cross-validated": [LassoCV(cv=5).fit(x, y).coef_ for x, y in pairs],
    "AR-Net, λ from a kept-back fifth": [w[i] for w, i in zip(weights, held.argmax(axis=1), strict=True)],
    "least squares, fitted twice": [fitted_twice(x, y) for x, y in pairs],
    "the three lags known": [fitted_twice(x[:, [0, 2, 9]], y) for x, y in pairs],
}
for name, found in rivals.items():
    truth = true_weights[[0, 2, 9]] if len(found[0]) == 3 else true_weights
    e = np.array([stpe(w, truth) for w in found])
    percent, percent_error = mean_and_error(e)
    print(f"{name:<36}sTPE {percent:4.1f} ± {percent_error:.1f}")

# %% [markdown]
# Least squares, fitted twice, does nearly as well as if it knew the lags, and needs no $\lambda$. AR-Net beats the Lasso.
#
# ## 2a.9 What it costs
#
# Claim 2: linear in $p$ against quadratic. Count multiplications for $N$ values.

# %% [markdown] tags=["derivation"]
# - Least squares: the matrix of all products of lags takes $Np^2$, solving $p^3/3$. **Quadratic** in $p$, then cubic.
# - AR-Net: a row of a batch takes $2p$ for the prediction and $4p$ for the gradient. **Linear** in $p$. With our 2,000 steps
#   of 64 rows: $768{,}000\,p$, *whatever* $N$ is.
# - Yule–Walker: all autocovariances by one Fourier transform, about $10N\log_2N$, then Levinson's $2p^2$. Quadratic too, but
#   the square is not multiplied by $N$.

# %% [markdown]
# **Predict:** for a thousand values, from which $p$ on is AR-Net cheaper than least squares? And for a hundred thousand?

# %% alt="Two panels, a thousand and a hundred thousand values: multiplications against the order p, both axes logarithmic. Least squares rises with slope two, AR-Net with slope one. On the left least squares stays below AR-Net up to p = 100, on the right it crosses below 10. Yule-Walker is flat and lies far below AR-Net on the left, and below it from about 20 on the right."
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for ax, N in zip(axes, (1_000, 100_000), strict=True):
    p = np.geomspace(1, N / 10, 200)
    ax.loglog(p, N * p**2 + p**3 / 3, color=GREEN, label="least squares")
    ax.loglog(p, 6 * 64 * 2000 * p, color=RED, label="AR-Net, 2,000 steps")
    ax.loglog(p, 10 * N * np.log2(N) + 2 * p**2, color=BLUE, label="Yule–Walker")
    ax.set(xlabel="order p", title=f"N = {N:,} values")
axes[0].set_ylabel("multiplications")
_ = axes[0].legend(fontsize=9)

# %% [markdown]
# Claim 2 holds: on a long series with many lags AR-Net is far cheaper than least squares from a matrix. For $N=1000$, as in
# the paper's experiment, it is dearer at any sensible $p$. Yule–Walker is cheaper than both from a few dozen lags on.
#
# Multiplications are not seconds: `python -m benchmarks.ar_net` measures those, with statsmodels and scikit-learn in the race.

# %% [markdown]
# ## Summary

# %% [markdown] tags=["box"]
# - AR($p$) is a density: normal conditionals, and for the first $p$ values the process's own covariance.
# - AR(1) is a first-order equation with noise, seen every $\Delta$: $\beta_1=e^{-\Delta/\tau}$. AR(2) is a pendulum.
# - It settles if all roots lie inside the unit circle; for $p=2$, if the coefficients lie in a triangle.
# - Least squares maximizes the conditional likelihood. Yule–Walker matches autocovariances and calls everything stationary.
# - Intervals come from $\psi$-weights; count on unseen data whether they are right.
# - AR-Net's penalty finds sparse lags, at a cost linear in $p$. Least squares, fitted twice, finds them better.

# %% [markdown] tags=["exercise"]
# ## Exercises
#
# ### Exercise 2a.1 — Inside the triangle
# Without computing roots: return whether AR(2) with coefficients $\beta_1,\beta_2$ is stationary.


# %% tags=["exercise"]
def settles(beta_1, beta_2):
    ### BEGIN SOLUTION
    return beta_2 < 1 - abs(beta_1) and beta_2 > -1
    ### END SOLUTION


# %% tags=["check"]
with exercise("2a.1") as check:
    check.true("the waves settle", settles(1.6, -0.8))
    answers = [settles(0.5, 0.6), settles(-0.5, 0.6), settles(0.5, -1.2)]
    check.close("three that do not", None if None in answers else [bool(a) for a in answers], [False] * 3)
    grid = [(a, b) for a in np.linspace(-2.45, 2.45, 15) for b in np.linspace(-1.45, 1.45, 15)]
    expected = [float(LinearAr(np.array(pair)).is_stationary()) for pair in grid]
    got = [settles(*pair) for pair in grid]
    check.close("on a grid, as the roots say", None if None in got else [float(g) for g in got], expected)

# %% [markdown] tags=["exercise"]
# ### Exercise 2a.2 — From tea to AR(1)
# An Ornstein–Uhlenbeck process has time constant $\tau$, limit $T_\infty$ and kicks of variance $s^2\,\mathrm dt$. It is
# seen every $\Delta$. Return its AR(1) as a tuple $(\beta^0,\beta_1,\sigma)$.


# %% tags=["exercise"]
def seen_every(tau, limit, strength, step):
    ### BEGIN SOLUTION
    beta_1 = np.exp(-step / tau)
    return (1 - beta_1) * limit, beta_1, strength * np.sqrt(tau / 2 * (1 - beta_1**2))
    ### END SOLUTION


# %% tags=["check"]
with exercise("2a.2") as check:
    half = seen_every(1.0, 10.0, 1.0, np.log(2))
    check.close("after a half-life, half is left", half, (5.0, 0.5, np.sqrt(0.375)))
    once, twice = seen_every(3.0, 4.0, 0.5, 2.0), seen_every(3.0, 4.0, 0.5, 1.0)
    check.close("one step of 2 is two steps of 1: β₁", once and once[1], twice and twice[1] ** 2)
    two = twice and np.sqrt(1 + twice[1] ** 2) * twice[2]
    check.close("and its noise", once and once[2], two, hint="The first kick shrinks by β₁ before the second comes.")

# %% [markdown] tags=["exercise"]
# ### Exercise 2a.3 — What a shock is worth
# Return $\psi_0,\dots,\psi_{n-1}$ for given coefficients $\beta_1,\dots,\beta_p$.


# %% tags=["exercise"]
def shock(coefficients, n):
    ### BEGIN SOLUTION
    psi = [1.0]
    for k in range(1, n):
        psi.append(sum(b * psi[k - i] for i, b in enumerate(coefficients, start=1) if i <= k))
    return psi
    ### END SOLUTION


# %% tags=["check"]
with exercise("2a.3") as check:
    check.close("AR(1): powers of β₁", shock([0.5], 5), 0.5 ** np.arange(5))
    check.close("lag 3 alone: nothing at steps 1 and 2", shock([0.0, 0.0, 0.7], 7), [1, 0, 0, 0.7, 0, 0, 0.49])
    check.close("the waves, 30 steps", shock([1.6, -0.8], 30), waves.impulse_response(30))

# %% [markdown] tags=["exercise"]
# ### Exercise 2a.4 — Scoring coefficients
# Return the sTPE of estimated against true coefficients. What is its largest possible value?


# %% tags=["exercise"]
def percentage_error(estimated, true):
    ### BEGIN SOLUTION
    estimated, true = np.asarray(estimated), np.asarray(true)
    return 100 * np.abs(estimated - true).sum() / (np.abs(estimated) + np.abs(true)).sum()
    ### END SOLUTION


largest_error = ...
### BEGIN SOLUTION
largest_error = 100
### END SOLUTION

# %% tags=["check"]
with exercise("2a.4") as check:
    check.close("equal coefficients", percentage_error([0.2, -0.5], [0.2, -0.5]), 0.0)
    check.close("the wrong lag", percentage_error([0.5, 0.0], [0.0, 0.5]), 100.0)
    check.close("one series of section 2a.8", percentage_error(classic[0], true_weights), classic_error[0])
    check.close("the largest value", largest_error, 100, hint="|a − b| ≤ |a| + |b|.")

# %% [markdown] tags=["exercise"]
# ### Exercise 2a.5 — Nats of what?
# Section 2a.7 modelled $u=\sqrt y$. To compare with a model of the counts $y$ themselves, its log-density must be that of
# $y$: $\log p(y)=\log p(u)+\log\big|\mathrm du/\mathrm dy\big|$ (chapter 3 says why). Given the log-densities of $u$ and
# the counts $y$, return those of $y$.


# %% tags=["exercise"]
def log_prob_of_counts(log_prob_u, y):
    ### BEGIN SOLUTION
    return log_prob_u - np.log(2 * np.sqrt(y))
    ### END SOLUTION


# %% tags=["check"]
with exercise("2a.5") as check:
    y = np.linspace(1e-9, 60, 200_001)
    density_u = norm.logpdf(np.sqrt(y), 4.0, 0.5)
    log_p = log_prob_of_counts(density_u, y)
    total = None if log_p is None else np.exp(log_p).sum() * (y[1] - y[0])
    check.close("a density of y: total 1", total, 1.0, rtol=1e-3, hint="du/dy of the square root.")
    kept = norm.logpdf(root_count[n:], one_step, sun.sigma)
    raw = least_squares(count[:n], 9)
    mine = log_prob_of_counts(kept, count[n:])
    gain = None if mine is None else np.mean(mine) - raw.conditional_log_prob(count[n - 9 :]) / 100
    check.true("the square root gains on a model of the counts", gain if gain is None else gain > 0)

# %% [markdown] tags=["frame"]
# ## Sources
#
# - L. Ma, "Generative Models" and "Autoregressive Model", *Datumorphism*, 2018 and 2021: the pages that this chapter follows.
# - **AR-Net**: O. Triebe, N. Laptev, R. Rajagopal, "AR-Net: A simple Auto-Regressive Neural Network for time-series",
#   2019, arXiv:1911.12436.
# - G. U. Yule, "On a Method of Investigating Periodicities in Disturbed Series, with Special Reference to Wolfer's Sunspot
#   Numbers", *Philosophical Transactions of the Royal Society A* 226, 1927: the first AR(2), for these very sunspots.
# - G. Walker, "On Periodicity in Series of Related Terms", *Proceedings of the Royal Society A* 131, 1931.
# - J. Durbin, "The Fitting of Time-Series Models", *Review of the International Statistical Institute* 28, 1960.
# - G. E. Uhlenbeck, L. S. Ornstein, "On the Theory of the Brownian Motion", *Physical Review* 36, 1930.
# - R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", *Journal of the Royal Statistical Society B* 58, 1996.
# - J. D. Hamilton, *Time Series Analysis*, Princeton University Press, 1994.
# - S. Seabold, J. Perktold, "statsmodels: Econometric and Statistical Modeling with Python", *SciPy Conference*, 2010; its
#   sunspot series is that of the National Geophysical Data Center.

# %% [markdown]
# ## Next
#
# A series has one natural order. A picture has none, but it has neighbours: chapter 2b, *PixelCNN*, predicts each pixel from
# those above and to the left, with one small set of weights for the whole picture.
