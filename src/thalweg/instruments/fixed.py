"""Fixed-point functions of the close-out's model price: the exact twin of contracts/fixed.vy, integers only.

Numbers are integers scaled by 2^96 (Q96). Polynomials are evaluated by Horner's rule; every product is shifted down by
96 bits, toward minus infinity, as the EVM's SAR does. The coefficients are Chebyshev interpolants;
tests/contracts/coefficients.py computes them again.
"""

from typing import Final

from thalweg.units import mul_div_down, mul_div_toward_zero

SHIFT: Final = 96
ONE: Final = 1 << SHIFT
LN2: Final = 54916777467707473351141471128
SQRT2: Final = 112045541949572279837463876454
CENTRE: Final = 6 * ONE  # of the variable that maps the half-line of `mills` to -1..1

# atanh(z) / z in z^2, for |z| up to that of sqrt(2)
ATANH: Final = (
    79228162514264337594140030178,
    26409387504754775918022726721,
    15845632502855836170648253633,
    11318308929575483626274505376,
    8803129348379719517572755873,
    7202542622565696316975419990,
    6095482432444445185373251119,
    5248375773446819765912592937,
    5253660525832110218653265165,
)
# e^t for t in -ln(2)..0
EXP: Final = (
    79228162514264325339681796482,
    79228162514260058329380105803,
    39614081256884916865984962984,
    13204693746799840998920815808,
    3301173373488267691993811209,
    660234250345655337620688888,
    110037265236970201324293410,
    15714832079468847209284744,
    1956099845339558302207561,
    208487322631394725683633,
    15477050846052223685593,
)
# N(-y) / n(y) in (y - 6) / (y + 6)
MILLS: Final = (
    12864883706223120778378324705,
    -24466323323107354482438759033,
    21017663893092559642095097122,
    -16266175211062718174861661729,
    11284825381231426926938828979,
    -6961675697459862745920499183,
    3770868593593547524064781991,
    -1756862829659210542456789002,
    678785301272564855985163268,
    -201267090964401104716463964,
    35821263509886213182908852,
    2457464950766054879258562,
    -4073072785748309350095940,
    1089407976819703674546121,
    94686656633132743511850,
    -142228005576748277576796,
    22658636214561938469555,
    12195573348191612885626,
    -4996474616320703590160,
    -796741140846199545395,
    744967745818123248133,
    32132192243387570331,
    -90433015038863690097,
    38406652285034399,
    6838412086793652779,
)


def log_ratio(greater: int, lesser: int) -> int:
    """Return ln(greater / lesser); greater >= lesser > 0, both below 2^64. Within 2^-67.

    The ratio is 2^e * f with f between 1/sqrt(2) and sqrt(2), and ln(f) = 2 atanh((f - 1) / (f + 1)).
    """
    f = mul_div_down(greater, ONE, lesser)
    e = f.bit_length() - 1 - SHIFT
    f >>= e
    if f > SQRT2:
        f >>= 1
        e += 1
    z = mul_div_toward_zero(f - ONE, ONE, f + ONE)
    return e * LN2 + (z * _horner(ATANH, z * z >> SHIFT) >> SHIFT - 1)


def exp_minus(z: int) -> int:
    """Return e^-z, for z in 0..2^7. Within 2e-15, relative, or one unit."""
    halvings = mul_div_down(z, 1, LN2)
    return _horner(EXP, halvings * LN2 - z) >> halvings


def mills(y: int) -> int:
    """Return the Mills ratio N(-y) / n(y) of the standard normal distribution, for y in 0..2^6. Within 6e-19."""
    return _horner(MILLS, mul_div_toward_zero(y - CENTRE, ONE, y + CENTRE))


def square_root(value: int) -> int:
    """Return floor(sqrt(value)), for value >= 0."""
    if value == 0:
        return 0
    root = 1 << (value.bit_length() + 1 >> 1)
    while True:
        better = root + mul_div_down(value, 1, root) >> 1
        if better >= root:
            return root
        root = better


def _horner(coefficients: tuple[int, ...], t: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * t >> SHIFT) + coefficient
    return value
