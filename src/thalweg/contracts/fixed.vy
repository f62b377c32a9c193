# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Fixed-point functions
@license Apache-2.0
@notice The exact twin of thalweg/instruments/fixed.py. Numbers are integers scaled by 2^96 (Q96); polynomials are
        evaluated by Horner's rule, every product is shifted down by 96 bits, toward minus infinity.

            log_ratio   ln(a/b)              within 2^-67
            exp_minus   e^-z                 within 2e-15, relative, or a unit
            mills       N(-y) / n(y), y >= 0 within 6e-19
@dev Nothing overflows within the stated ranges, so nothing is checked. The coefficients are Chebyshev interpolants;
     tests/contracts/coefficients.py computes them again.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

ONE: constant(uint256) = 1 << 96
_UNIT: constant(int256) = 1 << 96
_LN2: constant(uint256) = 54916777467707473351141471128
_SQRT2: constant(uint256) = 112045541949572279837463876454
_CENTRE: constant(int256) = 6 << 96  # of the variable that maps the half-line of `mills` to -1..1


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _log_ratio(greater: uint256, lesser: uint256) -> uint256:
    """
    @notice Return ln(greater / lesser); greater >= lesser > 0, both below 2^64.
    @dev The ratio is 2^e * f with f between 1/sqrt(2) and sqrt(2), and ln(f) = 2 atanh((f - 1) / (f + 1)).
    """
    f: uint256 = unsafe_div(greater << 96, lesser)
    e: uint256 = 0
    if f >= 1 << 128:
        f >>= 32
        e = 32
    if f >= 1 << 112:
        f >>= 16
        e = unsafe_add(e, 16)
    if f >= 1 << 104:
        f >>= 8
        e = unsafe_add(e, 8)
    if f >= 1 << 100:
        f >>= 4
        e = unsafe_add(e, 4)
    if f >= 1 << 98:
        f >>= 2
        e = unsafe_add(e, 2)
    if f >= 1 << 97:
        f >>= 1
        e = unsafe_add(e, 1)
    if f > _SQRT2:
        f >>= 1
        e = unsafe_add(e, 1)
    signed: int256 = convert(f, int256)
    z: int256 = unsafe_div(unsafe_sub(signed, _UNIT) << 96, unsafe_add(signed, _UNIT))
    t: int256 = unsafe_mul(z, z) >> 96
    p: int256 = 5253660525832110218653265165
    p = unsafe_add(unsafe_mul(p, t) >> 96, 5248375773446819765912592937)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 6095482432444445185373251119)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 7202542622565696316975419990)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 8803129348379719517572755873)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 11318308929575483626274505376)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 15845632502855836170648253633)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 26409387504754775918022726721)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 79228162514264337594140030178)
    log_f: int256 = unsafe_mul(z, p) >> 95
    return convert(unsafe_add(convert(unsafe_mul(e, _LN2), int256), log_f), uint256)


@internal
@pure
def _exp_minus(z: uint256) -> uint256:
    """
    @notice Return e^-z, for z below 2^7.
    """
    halvings: uint256 = unsafe_div(z, _LN2)
    t: int256 = unsafe_sub(0, convert(unsafe_sub(z, unsafe_mul(halvings, _LN2)), int256))
    p: int256 = 15477050846052223685593
    p = unsafe_add(unsafe_mul(p, t) >> 96, 208487322631394725683633)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 1956099845339558302207561)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 15714832079468847209284744)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 110037265236970201324293410)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 660234250345655337620688888)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 3301173373488267691993811209)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 13204693746799840998920815808)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 39614081256884916865984962984)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 79228162514260058329380105803)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 79228162514264325339681796482)
    return convert(p, uint256) >> halvings


@internal
@pure
def _mills(y: uint256) -> int256:
    """
    @notice Return the Mills ratio N(-y) / n(y) of the standard normal distribution, for y below 2^6.
    """
    signed: int256 = convert(y, int256)
    t: int256 = unsafe_div(unsafe_sub(signed, _CENTRE) << 96, unsafe_add(signed, _CENTRE))
    p: int256 = 6838412086793652779
    p = unsafe_add(unsafe_mul(p, t) >> 96, 38406652285034399)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -90433015038863690097)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 32132192243387570331)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 744967745818123248133)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -796741140846199545395)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -4996474616320703590160)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 12195573348191612885626)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 22658636214561938469555)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -142228005576748277576796)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 94686656633132743511850)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 1089407976819703674546121)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -4073072785748309350095940)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 2457464950766054879258562)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 35821263509886213182908852)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -201267090964401104716463964)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 678785301272564855985163268)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -1756862829659210542456789002)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 3770868593593547524064781991)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -6961675697459862745920499183)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 11284825381231426926938828979)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -16266175211062718174861661729)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 21017663893092559642095097122)
    p = unsafe_add(unsafe_mul(p, t) >> 96, -24466323323107354482438759033)
    p = unsafe_add(unsafe_mul(p, t) >> 96, 12864883706223120778378324705)
    return p
