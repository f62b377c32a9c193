"""Characteristic functions E exp(iu ln(S_T/F)) of the models, node block by node block, with their derivatives.

A model is a diffusion and a jump part; the logarithm of its characteristic function is the sum of theirs. Both are
martingales: the value at u = -i is one. With m = u^2 + iu:

- Black-Scholes: -m sigma^2 T/2.
- Heston (Rev. Financial Studies 6, 1993), in the form that never crosses a branch cut (Albrecher, Mayer, Schoutens and
  Tistaert, "The little Heston trap", Wilmott 2007), without cancellation: xi = kappa - i rho sigma u,
  d = sqrt(xi^2 + sigma^2 m), E = e^(-dT), Q = xi (1 - E) + d (1 + E), D = -m (1 - E)/Q,
  C = -(m T/(xi + d) + 2 ln(1 + w)/sigma^2), w = -sigma^2 m (1 - E)/(2 d (xi + d)); v0 D + kappa theta C.
  Derivatives by the chain rule (as Cui, del Bano Rollin and Germano, EJOR 263, 2017, in these variables).
- Variance gamma (Madan, Carr and Chang, European Finance Review 1998):
  -(T/nu) ln(1 - i theta nu u + sigma^2 nu u^2/2).
- Jumps at `intensity` a year: lognormal (Merton, J. Financial Economics 3, 1976; with Heston: Bates, Rev. Financial
  Studies 9, 1996), double exponential (Kou, Management Science 48, 2002): intensity T (J(u) - 1 - iu (J(-i) - 1)).

Parameters by kind: (volatility), (v0, kappa, theta, sigma, rho), (sigma, nu, theta); then (intensity, mean, deviation)
or (intensity, up probability, up rate, down rate). Derivatives come in the same order, then that in time.
"""

from typing import Any, Final

from numba import njit

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, stack_block
from thalweg.pricing.kernels.complex_plane import exponential, logarithm_one_plus, over, root, times

BLACK_SCHOLES: Final = 0
HESTON: Final = 1
VARIANCE_GAMMA: Final = 2
NO_JUMPS: Final = 0
LOGNORMAL: Final = 1
DOUBLE_EXPONENTIAL: Final = 2
NODES: Final = 64
SLOPES_MAX: Final = 9  # eight parameters and time
SIGMA_MIN: Final = 1e-7
block: Final = stack_block(NODES)
slopes_block: Final = stack_block(NODES * SLOPES_MAX)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def heston_base(u: float, years: float, kappa: float, sigma: float, rho: float) -> Any:
    """Return m, xi, d, E, xi + d, D and C as pairs (xi without its real part, which is kappa)."""
    m_r, m_i = u * u, u
    x_i = -rho * sigma * u
    s2 = sigma * sigma
    d_r, d_i = root(kappa * kappa - x_i * x_i + s2 * m_r, 2.0 * kappa * x_i + s2 * m_i)
    e_r, e_i = exponential(-years * d_r, -years * d_i)
    sum_r, sum_i = kappa + d_r, x_i + d_i
    k_r, k_i = times(m_r, m_i, 1.0 - e_r, -e_i)
    a_r, a_i = times(kappa, x_i, 1.0 - e_r, -e_i)
    b_r, b_i = times(d_r, d_i, 1.0 + e_r, e_i)
    q_r, q_i = a_r + b_r, a_i + b_i
    big_d_r, big_d_i = over(-k_r, -k_i, q_r, q_i)
    t_r, t_i = over(m_r, m_i, sum_r, sum_i)
    h_r, h_i = times(t_r, t_i, 1.0 - e_r, -e_i)
    w_r, w_i = over(-0.5 * s2 * h_r, -0.5 * s2 * h_i, d_r, d_i)
    l_r, l_i = logarithm_one_plus(w_r, w_i)
    c_r, c_i = -(t_r * years + 2.0 * l_r / s2), -(t_i * years + 2.0 * l_i / s2)
    return m_r, m_i, x_i, d_r, d_i, e_r, e_i, q_r, q_i, big_d_r, big_d_i, c_r, c_i


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def heston_gradient(u: float, years: float, v0: float, kappa: float, theta: float, sigma: float, rho: float) -> Any:
    """Return the logarithm and its derivatives in v0, kappa, theta, sigma, rho and time, as pairs."""
    m_r, m_i, x_i, d_r, d_i, e_r, e_i, q_r, q_i, dd_r, dd_i, c_r, c_i = heston_base(u, years, kappa, sigma, rho)
    s2 = sigma * sigma
    # in xi: d' = xi/d
    g_r, g_i = over(kappa, x_i, d_r, d_i)
    eg_r, eg_i = times(e_r, e_i, g_r, g_i)
    eg_r, eg_i = years * eg_r, years * eg_i
    # Q' = (1 - E) + d'(1 + E) + (xi - d) T E d'
    y_r, y_i = times(g_r, g_i, 1.0 + e_r, e_i)
    z_r, z_i = times(kappa - d_r, x_i - d_i, eg_r, eg_i)
    p_r, p_i = 1.0 - e_r + y_r + z_r, -e_i + y_i + z_i
    over_r, over_i = over(p_r, p_i, q_r, q_i)
    # D' = -m T E d'/Q - D Q'/Q
    n_r, n_i = times(m_r, m_i, eg_r, eg_i)
    n_r, n_i = over(n_r, n_i, q_r, q_i)
    o_r, o_i = times(dd_r, dd_i, over_r, over_i)
    dx_r, dx_i = -n_r - o_r, -n_i - o_i
    # C' = ((1 - d') T - 2 Q'/Q + 2 d'/d)/sigma^2
    r_r, r_i = over(g_r, g_i, d_r, d_i)
    cx_r = ((1.0 - g_r) * years - 2.0 * over_r + 2.0 * r_r) / s2
    cx_i = (-g_i * years - 2.0 * over_i + 2.0 * r_i) / s2
    kt = kappa * theta
    in_xi_r, in_xi_i = v0 * dx_r + kt * cx_r, v0 * dx_i + kt * cx_i
    # in sigma, xi fixed: d' = sigma m/d
    g_r, g_i = over(sigma * m_r, sigma * m_i, d_r, d_i)
    eg_r, eg_i = times(e_r, e_i, g_r, g_i)
    eg_r, eg_i = years * eg_r, years * eg_i
    y_r, y_i = times(g_r, g_i, 1.0 + e_r, e_i)
    z_r, z_i = times(kappa - d_r, x_i - d_i, eg_r, eg_i)
    over_r, over_i = over(y_r + z_r, y_i + z_i, q_r, q_i)
    n_r, n_i = times(m_r, m_i, eg_r, eg_i)
    n_r, n_i = over(n_r, n_i, q_r, q_i)
    o_r, o_i = times(dd_r, dd_i, over_r, over_i)
    ds_r, ds_i = -n_r - o_r, -n_i - o_i
    r_r, r_i = over(g_r, g_i, d_r, d_i)
    cs_r = (-g_r * years - 2.0 * over_r + 2.0 * r_r) / s2 - 2.0 * c_r / sigma
    cs_i = (-g_i * years - 2.0 * over_i + 2.0 * r_i) / s2 - 2.0 * c_i / sigma
    # chain: xi = kappa - i rho sigma u
    sigma_r = v0 * ds_r + kt * cs_r + rho * u * in_xi_i
    sigma_i = v0 * ds_i + kt * cs_i - rho * u * in_xi_r
    rho_r, rho_i = sigma * u * in_xi_i, -sigma * u * in_xi_r
    kappa_r, kappa_i = theta * c_r + in_xi_r, theta * c_i + in_xi_i
    # time: C' = D, D' = sigma^2 D^2/2 - xi D - m/2
    sq_r, sq_i = times(dd_r, dd_i, dd_r, dd_i)
    xd_r, xd_i = times(kappa, x_i, dd_r, dd_i)
    time_r = kt * dd_r + v0 * (0.5 * s2 * sq_r - xd_r - 0.5 * m_r)
    time_i = kt * dd_i + v0 * (0.5 * s2 * sq_i - xd_i - 0.5 * m_i)
    return (
        v0 * dd_r + kt * c_r, v0 * dd_i + kt * c_i, dd_r, dd_i, kappa_r, kappa_i, kappa * c_r, kappa * c_i,
        sigma_r, sigma_i, rho_r, rho_i, time_r, time_i,
    )  # fmt: skip


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_heston(with_slopes, u, years, p, real, imaginary, slopes_r, slopes_i):
    """Fill the blocks of the logarithm and, if asked, of its six derivatives."""
    v0, kappa, theta, sigma, rho = p[0], p[1], p[2], max(p[3], SIGMA_MIN), p[4]
    if not with_slopes:
        for i in range(NODES):
            base = heston_base(u[i], years, kappa, sigma, rho)
            real[i] = v0 * base[9] + kappa * theta * base[11]
            imaginary[i] = v0 * base[10] + kappa * theta * base[12]
        return
    for i in range(NODES):
        (
            real[i], imaginary[i], slopes_r[i], slopes_i[i], slopes_r[NODES + i], slopes_i[NODES + i],
            slopes_r[2 * NODES + i], slopes_i[2 * NODES + i], slopes_r[3 * NODES + i], slopes_i[3 * NODES + i],
            slopes_r[4 * NODES + i], slopes_i[4 * NODES + i], slopes_r[5 * NODES + i], slopes_i[5 * NODES + i],
        ) = heston_gradient(u[i], years, v0, kappa, theta, sigma, rho)  # fmt: skip


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_black_scholes(u, years, p, real, imaginary, slopes_r, slopes_i):
    """Fill the blocks of the logarithm and of its derivatives in volatility and time."""
    variance = p[0] * p[0]
    for i in range(NODES):
        real[i] = -0.5 * variance * years * u[i] * u[i]
        imaginary[i] = -0.5 * variance * years * u[i]
    for i in range(NODES):
        slopes_r[i], slopes_i[i] = -p[0] * years * u[i] * u[i], -p[0] * years * u[i]
        slopes_r[NODES + i], slopes_i[NODES + i] = -0.5 * variance * u[i] * u[i], -0.5 * variance * u[i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_variance_gamma(u, years, p, real, imaginary, slopes_r, slopes_i):
    """Fill the blocks of the logarithm and of its derivatives in sigma, nu, theta and time."""
    sigma, nu, theta = p[0], p[1], p[2]
    inside = -theta * nu - 0.5 * sigma * sigma * nu  # of the logarithm at u = -i, less one
    drift, _ = logarithm_one_plus(inside, 0.0)
    share = 1.0 / (1.0 + inside)
    for i in range(NODES):
        x = u[i]
        a, b = 0.5 * sigma * sigma * nu * x * x, -theta * nu * x
        log_r, log_i = logarithm_one_plus(a, b)
        per_r, per_i = -log_r / nu, (x * drift - log_i) / nu
        real[i], imaginary[i] = years * per_r, years * per_i
        inverse_r, inverse_i = over(1.0, 0.0, 1.0 + a, b)
        slopes_r[i] = -years * sigma * x * x * inverse_r
        slopes_i[i] = -years * sigma * (x * x * inverse_i + x * share)
        ratio_r, ratio_i = times(a, b, inverse_r, inverse_i)
        slopes_r[NODES + i] = (-years / nu) * (per_r + ratio_r / nu)
        slopes_i[NODES + i] = (-years / nu) * (per_i + (ratio_i - x * inside * share) / nu)
        slopes_r[2 * NODES + i] = -years * x * inverse_i
        slopes_i[2 * NODES + i] = years * x * (inverse_r - share)
        slopes_r[3 * NODES + i], slopes_i[3 * NODES + i] = per_r, per_i


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def add_lognormal(first, time, u, years, p, real, imaginary, slopes_r, slopes_i):
    """Add lognormal jumps: derivatives in intensity, mean and deviation at `first`, in time at `time`."""
    rate, mean, deviation = p[first], p[first + 1], p[first + 2]
    grown = exp(mean + 0.5 * deviation * deviation)
    for i in range(NODES):
        x = u[i]
        jump_r, jump_i = exponential(-0.5 * deviation * deviation * x * x, mean * x)
        per_r, per_i = jump_r - 1.0, jump_i - x * (grown - 1.0)
        real[i] += rate * years * per_r
        imaginary[i] += rate * years * per_i
        k = first * NODES + i
        slopes_r[k], slopes_i[k] = years * per_r, years * per_i
        k += NODES
        slopes_r[k], slopes_i[k] = -rate * years * x * jump_i, rate * years * x * (jump_r - grown)
        k += NODES
        slopes_r[k] = -rate * years * deviation * x * x * jump_r
        slopes_i[k] = -rate * years * deviation * (x * x * jump_i + x * grown)
        slopes_r[time * NODES + i] += rate * per_r
        slopes_i[time * NODES + i] += rate * per_i


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def add_double_exponential(first, time, u, years, p, real, imaginary, slopes_r, slopes_i):
    """Add double exponential jumps: derivatives in intensity, up probability and both rates."""
    rate, share, up, down = p[first], p[first + 1], p[first + 2], p[first + 3]
    grown_up, grown_down = up / (up - 1.0), down / (down + 1.0)
    grown = share * grown_up + (1.0 - share) * grown_down
    for i in range(NODES):
        x = u[i]
        a_r, a_i = over(up, 0.0, up, -x)
        b_r, b_i = over(down, 0.0, down, x)
        per_r = share * a_r + (1.0 - share) * b_r - 1.0
        per_i = share * a_i + (1.0 - share) * b_i - x * (grown - 1.0)
        real[i] += rate * years * per_r
        imaginary[i] += rate * years * per_i
        k = first * NODES + i
        slopes_r[k], slopes_i[k] = years * per_r, years * per_i
        k += NODES
        slopes_r[k] = rate * years * (a_r - b_r)
        slopes_i[k] = rate * years * (a_i - b_i - x * (grown_up - grown_down))
        k += NODES  # d/d eta of eta/(eta - iu) is -iu/(eta - iu)^2
        sq_r, sq_i = times(a_r, a_i, a_r, a_i)
        slopes_r[k] = rate * years * share * x * sq_i / (up * up)
        slopes_i[k] = rate * years * share * x * (grown_up * grown_up - sq_r) / (up * up)
        k += NODES
        sq_r, sq_i = times(b_r, b_i, b_r, b_i)
        slopes_r[k] = -rate * years * (1.0 - share) * x * sq_i / (down * down)
        slopes_i[k] = rate * years * (1.0 - share) * x * (sq_r - grown_down * grown_down) / (down * down)
        slopes_r[time * NODES + i] += rate * per_r
        slopes_i[time * NODES + i] += rate * per_i


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def fill(diffusion, jumps, with_slopes, u, years, p, real, imaginary, slopes_r, slopes_i):
    """Fill the blocks of the logarithm at the nodes u and of its derivatives."""
    time = p.size
    first = 5 if diffusion == HESTON else (1 if diffusion == BLACK_SCHOLES else 3)
    if diffusion == HESTON:
        fill_heston(with_slopes, u, years, p, real, imaginary, slopes_r, slopes_i)
    elif diffusion == BLACK_SCHOLES:
        fill_black_scholes(u, years, p, real, imaginary, slopes_r, slopes_i)
    else:
        fill_variance_gamma(u, years, p, real, imaginary, slopes_r, slopes_i)
    if time > first:
        for i in range(NODES):  # the diffusion's derivative in time moves behind the jumps' parameters
            slopes_r[time * NODES + i] = slopes_r[first * NODES + i]
            slopes_i[time * NODES + i] = slopes_i[first * NODES + i]
    if jumps == LOGNORMAL:
        add_lognormal(first, time, u, years, p, real, imaginary, slopes_r, slopes_i)
    elif jumps == DOUBLE_EXPONENTIAL:
        add_double_exponential(first, time, u, years, p, real, imaginary, slopes_r, slopes_i)
