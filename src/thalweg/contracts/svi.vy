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
_WEIGHT_MAX: constant(uint256) = 1 << 80
_REACH: constant(int256) = 64 * 10**8  # of m and sigma: far beyond ln(PRICE_MAX)
_LEVEL_MAX: constant(int256) = 1024 * 10**8  # of a: Black-76 takes no greater variance
_SIGMA_MIN: constant(int256) = 10**4
_WING_MAX: constant(int256) = 2 * 10**16  # R. Lee's moment formula: no wing is steeper than 2
POINTS: constant(uint256) = 11
# @dev Log-moneyness, scaled by 2^96, at which one smile is compared with the next: 0 and 1/8 to 2 on either side.
_POINTS: constant(int256[POINTS]) = [
    -(2 << 96), -(1 << 96), -(1 << 95), -(1 << 94), -(1 << 93), 0, 1 << 93, 1 << 94, 1 << 95, 1 << 96, 2 << 96
]


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
def _is_sound(parameters: Parameters) -> bool:
    """
    @notice Say whether these are a smile's: b >= 0, |rho| < 1, sigma not too small, total variance nowhere negative,
            wings less steep than 2, everything within the bounds that the arithmetic here needs.
    """
    a: int256 = parameters.a
    if a < -_LEVEL_MAX or a > _LEVEL_MAX or parameters.m < -_REACH or parameters.m > _REACH:
        return False
    if parameters.rho <= -_SCALE or parameters.rho >= _SCALE:
        return False
    if parameters.sigma > convert(_REACH, uint256) or parameters.b > convert(2 * _SCALE, uint256):
        return False
    b: int256 = convert(parameters.b, int256)
    sigma: int256 = convert(parameters.sigma, int256)
    if sigma < _SIGMA_MIN or b * (_SCALE + abs(parameters.rho)) >= _WING_MAX:
        return False
    if a >= 0:
        return True
    # a + b * sigma * sqrt(1 - rho^2) >= 0, both sides squared
    return (a * _SCALE * _SCALE) ** 2 <= (b * sigma) ** 2 * (_SCALE * _SCALE - parameters.rho ** 2)


@internal
@pure
def _is_usable(smile: Smile) -> bool:
    """
    @notice Say whether a smile that some oracle gave can be priced with.
    """
    if smile.left_weight > _WEIGHT_MAX or smile.right_weight > _WEIGHT_MAX or not self._is_sound(smile.left):
        return False
    return smile.right_weight == 0 or self._is_sound(smile.right)


@internal
@pure
def _levels(parameters: Parameters) -> uint256[POINTS]:
    """
    @notice Return the total variance at every point of comparison.
    """
    levels: uint256[POINTS] = empty(uint256[POINTS])
    for i: uint256 in range(POINTS):
        levels[i] = self._slice_variance(parameters, _POINTS[i])
    return levels


@internal
@pure
def _is_later(
    near: Parameters, near_levels: uint256[POINTS], far: Parameters, far_levels: uint256[POINTS]
) -> bool:
    """
    @notice Say whether total variance does not fall from one expiry to the next: at every point, and in both wings.
    """
    for i: uint256 in range(POINTS):
        if far_levels[i] < near_levels[i]:
            return False
    before: int256 = convert(near.b, int256)
    after: int256 = convert(far.b, int256)
    return (
        after * (_SCALE + far.rho) >= before * (_SCALE + near.rho)
        and after * (_SCALE - far.rho) >= before * (_SCALE - near.rho)
    )


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
