"""Options of one expiry by the COS method, with a proven bound of the error.

(F. Fang and C. Oosterlee, "A novel pricing method for European options based on Fourier-cosine series expansions",
SIAM J. Scientific Computing 31, 2008.) The density of z = ln(S_T/F) is expanded on [a, b], w = b - a,
u_k = k pi/w, A_k = (2/w) Re[phi(u_k) exp(-i a u_k)] (half of it at k = 0). With c = ln(K/F) and t = u_k (c - a), an
undiscounted put is

    K (A_0/2 (c - a - 1) + sum A_k (sin(t)/u_k - cos t)/(1 + u_k^2)) + F e^a (A_0/2 + sum A_k/(1 + u_k^2)):

one evaluation of phi a node serves all strikes; distribution and density give delta and gamma, derivatives of phi those
in time and parameters. Calls follow by parity.

The series of all k is the density folded at a and b (Poisson's summation), so cutting the range costs a put at most
K P(z outside [a, b]), which Chernoff's bound E (S_T/F)^s / e^(sb) limits; cutting the series at U costs at most
(K + F e^a)(2/pi)|phi(U)|/U where |phi| falls. Both bounds are spent in equal shares. (For bounds from moments:
G. Junike and K. Pankrashkin, "Precise option pricing by the COS method", Applied Mathematics and Computation 421,
2022.) The range is rounded outwards and the number of nodes upwards, so that a last bit in either changes nothing.
"""

from typing import Any, Final

import numpy as np
from numba import njit, types

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, bits_of, double_of, exp, log, stack_block
from thalweg.pricing.kernels.characteristic import NODES, SLOPES_MAX, block, fill, slopes_block
from thalweg.pricing.kernels.complex_plane import exponential, sine_cosine
from thalweg.pricing.kernels.moments import log_envelope, log_moment

STRIKES: Final = 64
PRICE: Final = 1  # rows of a result: price; and delta, gamma; and theta and the parameters
SENSITIVITIES: Final = 3
_PI: Final = 3.141592653589793
_GOLDEN: Final = 0.6180339887498949
_SEARCH: Final = 18
_NODES_STEP: Final = 16
_EPSILON: Final = 2.220446049250313e-16
_EXPONENT: Final = 0x7FF0000000000000
_strikes_block: Final = stack_block(STRIKES)
_sums_block: Final = stack_block(STRIKES * (SLOPES_MAX + 3))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def edge(sign: float, diffusion: int, jumps: int, years: float, p: Any, wanted: float) -> float:
    """Return a distance from the forward beyond which lies less than e^-wanted: its least bound by golden section.

    (ln E (S_T/F)^(sign z) + wanted)/z is quasiconvex in z and infinite beyond the last moment.
    """
    low, high = -4.0, 24.0  # of ln z
    best = np.inf
    for _ in range(_SEARCH):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        z = exp(left)
        at_left = (log_moment(diffusion, jumps, sign * z, years, p) + wanted) / z
        z = exp(right)
        at_right = (log_moment(diffusion, jumps, sign * z, years, p) + wanted) / z
        if at_left <= at_right or not at_right < np.inf:
            high = right
        else:
            low = left
        best = min(best, at_left, at_right)
    step = double_of(bits_of(best) & _EXPONENT) / 32.0
    return (np.floor(best / step) + 1.0) * step if best < np.inf else np.inf


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def remainder(diffusion: int, jumps: int, u: float, years: float, p: Any) -> float:
    """Return ln of the bound of what is left of a put beyond u, per unit of strike."""
    return log_envelope(diffusion, jumps, u, years, p) - log(u) + log(2.0 / _PI)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def frequency(diffusion: int, jumps: int, years: float, p: Any, wanted: float, most: float) -> float:
    """Return where the series may end: the bound is below e^-wanted there, or it is `most`."""
    low, high = 0.0, np.log2(most)
    if remainder(diffusion, jumps, most, years, p) > -wanted:
        return most
    for _ in range(14):
        middle = 0.5 * (low + high)
        if remainder(diffusion, jumps, 2.0**middle, years, p) <= -wanted:
            high = middle
        else:
            low = middle
    return 2.0**high


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def plan(diffusion, jumps, years, p, forward, strikes, tolerance, nodes_max):
    """Return a, b, the number of nodes and the bound of the error per unit of strike; `tolerance` is per forward.

    A bound of infinity says that the model has no distribution that could be expanded.
    """
    highest = 1.0
    for i in range(strikes.size):
        highest = max(highest, strikes[i] / forward)
    share = max(tolerance / (4.0 * highest), 1e-17)
    wanted = -log(share)
    a = -edge(-1.0, diffusion, jumps, years, p, wanted)
    b = edge(1.0, diffusion, jumps, years, p, wanted)
    if not b - a < np.inf:
        return a, b, 0, np.inf
    most = nodes_max * _PI / (b - a)
    u = frequency(diffusion, jumps, years, p, wanted, most)
    count = min(nodes_max, int(u * (b - a) / _PI / _NODES_STEP + 1.0) * _NODES_STEP)
    u = count * _PI / (b - a)
    return a, b, count, 2.0 * share + exp(remainder(diffusion, jumps, u, years, p))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def expand(diffusion, jumps, years, p, a, b, count, with_slopes, amplitudes):
    """Fill amplitudes: row 0 with A_k, then rows of their derivatives in time and in the parameters; A_0 is halved."""
    u, real, imaginary = block(), block(), block()
    slopes_r, slopes_i = slopes_block(), slopes_block()
    spacing = _PI / (b - a)
    size = p.size
    for start in range(0, count, NODES):
        here = min(NODES, count - start)
        for i in range(NODES):
            u[i] = spacing * max(start + i, 1e-3)  # at zero itself everything is known
        fill(diffusion, jumps, with_slopes, u, years, p, real, imaginary, slopes_r, slopes_i)
        for i in range(NODES):
            real[i], imaginary[i] = exponential(real[i], imaginary[i] - a * u[i])
        for i in range(here):
            amplitudes[0, start + i] = 2.0 / (b - a) * real[i]
        if with_slopes:
            for row in range(size + 1):
                source = (row - 1 if row else size) * NODES
                for i in range(here):
                    amplitudes[1 + row, start + i] = (
                        2.0 / (b - a) * (real[i] * slopes_r[source + i] - imaginary[i] * slopes_i[source + i])
                    )
    for row in range(amplitudes.shape[0]):
        amplitudes[row, 0] = 0.0
    amplitudes[0, 0] = 1.0 / (b - a)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def weigh(spacing, count, rows, amplitudes, sines, cosines):
    """Fill the factors of sin t and cos t by row and node (k > 0) and return by row the sum of A_k/(1 + u_k^2)."""
    constants = np.zeros(amplitudes.shape[0])
    for row in range(amplitudes.shape[0]):
        target = row if row == 0 else row + 2
        total = amplitudes[row, 0]
        for k in range(1, count):
            u = spacing * k
            share = amplitudes[row, k] / (1.0 + u * u)
            sines[target, k], cosines[target, k] = share / u, -share
            total += share
        constants[row] = total
    if rows >= SENSITIVITIES:
        for k in range(1, count):
            sines[1, k], cosines[1, k] = amplitudes[0, k] / (spacing * k), 0.0
            sines[2, k], cosines[2, k] = 0.0, amplitudes[0, k]
    return constants


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def begin(a, b, amplitude, rows, here, start, forward, strikes, centres, inside, sums):
    """Set the sums of a block of strikes to what the node k = 0 adds; note which strikes are within the range."""
    for i in range(here):
        centres[i] = log(strikes[start + i] / forward)
        inside[i] = 1.0 if a < centres[i] < b else 0.0
    for i in range(rows * STRIKES):
        sums[i] = 0.0
    for i in range(here):
        sums[i] = amplitude * (centres[i] - a - 1.0)
    if rows >= SENSITIVITIES:
        for i in range(here):
            sums[STRIKES + i] = amplitude * (centres[i] - a)
            sums[2 * STRIKES + i] = amplitude


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def add_nodes(spacing, a, first, count, rows, here, centres, sines, cosines, sums):
    """Add the nodes from `first` on to the sums of a block of strikes: angles turn by a fixed step a node."""
    sine, cosine, turn_s, turn_c = _strikes_block(), _strikes_block(), _strikes_block(), _strikes_block()
    for i in range(here):
        turn_s[i], turn_c[i] = sine_cosine(spacing * (centres[i] - a))
        sine[i], cosine[i] = sine_cosine(spacing * first * (centres[i] - a))
    for k in range(first, first + count):
        for row in range(rows):
            p, q = sines[row, k], cosines[row, k]
            for i in range(here):
                sums[row * STRIKES + i] += p * sine[i] + q * cosine[i]
        for i in range(here):
            s = sine[i] * turn_c[i] + cosine[i] * turn_s[i]
            cosine[i] = cosine[i] * turn_c[i] - sine[i] * turn_s[i]
            sine[i] = s


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def finish(forward, discount, rate, floor, constants, rows, here, start, strikes, centres, inside, sums, out):
    """Turn the sums of a block of strikes into puts and their derivatives."""
    for i in range(here):
        strike = strikes[start + i]
        if inside[i] == 0.0:
            out[0, start + i] = discount * (strike - forward) if centres[i] > 0.0 else 0.0
            if rows >= SENSITIVITIES:
                out[1, start + i] = -discount if centres[i] > 0.0 else 0.0
                for row in range(2, rows):
                    out[row, start + i] = 0.0
                if rows > SENSITIVITIES:
                    out[3, start + i] = -rate * out[0, start + i]
            continue
        put = strike * sums[i] + forward * floor * constants[0]
        out[0, start + i] = discount * put
        if rows >= SENSITIVITIES:
            out[1, start + i] = discount * (put - strike * sums[STRIKES + i]) / forward
            out[2, start + i] = discount * strike * sums[2 * STRIKES + i] / (forward * forward)
        for row in range(SENSITIVITIES, rows):
            out[row, start + i] = discount * (strike * sums[row * STRIKES + i] + forward * floor * constants[row - 2])
        if rows > SENSITIVITIES:
            out[3, start + i] -= rate * out[0, start + i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def puts(diffusion, jumps, p, years, forward, rate, strikes, rows, tolerance, nodes_max, out, errors):
    """Fill `out` (rows x strikes) with puts and derivatives in forward (twice), time and parameters; and the errors."""
    a, b, count, bound = plan(diffusion, jumps, years, p, forward, strikes, tolerance, nodes_max)
    discount = exp(-rate * years)
    if count == 0:
        for i in range(strikes.size):
            errors[i] = np.inf
            for row in range(rows):
                out[row, i] = np.nan
        return
    kinds = 1 if rows <= SENSITIVITIES else rows - 2
    amplitudes = np.empty((kinds, count))
    expand(diffusion, jumps, years, p, a, b, count, kinds > 1, amplitudes)
    sines, cosines = np.zeros((rows, count)), np.zeros((rows, count))
    spacing = _PI / (b - a)
    constants = weigh(spacing, count, rows, amplitudes, sines, cosines)
    floor = exp(a)
    centres, inside, sums = _strikes_block(), _strikes_block(), _sums_block()
    for start in range(0, strikes.size, STRIKES):
        here = min(STRIKES, strikes.size - start)
        begin(a, b, amplitudes[0, 0], rows, here, start, forward, strikes, centres, inside, sums)
        for first in range(1, count, NODES):
            add_nodes(spacing, a, first, min(NODES, count - first), rows, here, centres, sines, cosines, sums)
        finish(forward, discount, rate, floor, constants, rows, here, start, strikes, centres, inside, sums, out)
    for i in range(strikes.size):
        scale = discount * (strikes[i] + forward)
        errors[i] = scale * (bound + 16.0 * _EPSILON * np.sqrt(float(count)))


_STRIKES: Final = types.Array(types.float64, 1, "C", readonly=True)
_SIGNATURE: Final = types.void(
    types.int64, types.int64, types.float64[::1], types.float64[::1], types.float64[::1], types.float64[::1],
    types.int64[::1], _STRIKES, types.int64, types.float64, types.int64, types.float64[:, ::1],
    types.float64[::1],
)  # fmt: skip


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, cache=True)
def price(diffusion, jumps, p, years, forwards, rates, starts, strikes, rows, tolerance, nodes_max, out, errors):
    """Fill `out` (rows x strikes) with puts and their derivatives: expiry j has the strikes from starts[j] on.

    Rows: price; derivatives in the forward, first and second; in time; in the parameters.
    """
    for j in range(years.size):
        low, high = starts[j], starts[j + 1]
        piece = np.empty((rows, high - low))
        puts(
            diffusion, jumps, p, years[j], forwards[j], rates[j], strikes[low:high], rows, tolerance, nodes_max,
            piece, errors[low:high],
        )  # fmt: skip
        for row in range(rows):
            for i in range(high - low):
                out[row, low + i] = piece[row, i]
