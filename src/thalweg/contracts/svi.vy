# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Total variance of a smile
@license Apache-2.0
@notice Raw SVI, the exact twin of thalweg/instruments/svi.py. At log-moneyness k = ln(K / F)

            w(k) = a + b * (rho * (k - m) + sqrt((k - m)^2 + sigma^2))

        with parameters scaled by 1e8, k and w by 2^96. https://arxiv.org/abs/1204.0646
"""


# -- constants ---------------------------------------------------------------------------------------------------------

_SCALE: constant(int256) = 10**8
_WEIGHT_SHIFT: constant(uint256) = 64


# -- structs -----------------------------------------------------------------------------------------------------------

# Raw SVI parameters of one expiry, scaled by 1e8 each.
struct Parameters:
    a: int256
    b: uint256
    rho: int256
    m: int256
    sigma: uint256


# What an oracle says about one expiry: its forward, and the total variance as a sum of the two neighbouring slices',
# weights scaled by 2^64. At a slice's own expiry the second weight is zero.
struct Smile:
    forward: uint256
    left_weight: uint256
    right_weight: uint256
    left: Parameters
    right: Parameters


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _variance(smile: Smile, k: int256) -> uint256:
    """
    @notice Return the total variance at log-moneyness k.
    """
    variance: uint256 = unsafe_mul(self._slice_variance(smile.left, k), smile.left_weight)
    if smile.right_weight != 0:
        variance = unsafe_add(variance, unsafe_mul(self._slice_variance(smile.right, k), smile.right_weight))
    return variance >> _WEIGHT_SHIFT


@internal
@pure
def _slice_variance(parameters: Parameters, k: int256) -> uint256:
    """
    @notice Return a slice's total variance; zero where it would be negative.
    @dev For parameters that `_is_sound` and |k| < 2^6 every number here stays below 2^230. Distances are scaled by
         2^70 * 1e8, the variance by 1e24 * 2^70 until the division.
    """
    distance: int256 = unsafe_sub(unsafe_mul(k, _SCALE), parameters.m << 96) >> 26
    width: int256 = convert(parameters.sigma << 70, int256)
    root: int256 = convert(
        isqrt(convert(unsafe_add(unsafe_mul(distance, distance), unsafe_mul(width, width)), uint256)), int256
    )
    scaled: int256 = unsafe_add(
        unsafe_mul(parameters.a, (10**16) << 70),
        unsafe_mul(
            convert(parameters.b, int256), unsafe_add(unsafe_mul(parameters.rho, distance), unsafe_mul(_SCALE, root))
        ),
    )
    if scaled < 0:
        return 0
    return unsafe_div(convert(scaled, uint256) << 26, 10**24)
