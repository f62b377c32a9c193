"""A tick's surface: contract and twin call the same ones valid, and find the same smile at every expiry."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
import pytest
from eth_abi import abi as codec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.contracts.compiled import creation_code
from tests.contracts.evm import Reverted
from tests.contracts.scene import FEED, Scene
from tests.contracts.surfaces import TIME, flat, surfaces

from thalweg.chain.calls import Invocation
from thalweg.crypto import keccak
from thalweg.instruments.report import SLICES_MAX, Mark, Slice
from thalweg.instruments.surface import is_valid, smile_at
from thalweg.instruments.svi import WEIGHT_ONE, Parameters, is_later, is_sound
from thalweg.units import PRICE_MAX, SCALE, Price, UnixSeconds

_SLICES: Final = "(uint64,uint256,int256,uint256,int256,int256,uint256)[]"
_PARAMETERS: Final = "(int256,uint256,int256,int256,uint256)"
_SMILE: Final = f"(uint256,uint256,uint256,{_PARAMETERS},{_PARAMETERS})"
SLOW: Final = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Surfaces:
    """The module of surfaces on the chain."""

    def __init__(self, scene: Scene) -> None:
        self._evm = scene.evm
        self._address = scene.evm.create(creation_code("Surfaces"))

    def is_valid(self, slices: Sequence[Slice], time: int) -> bool:
        return bool(self._ask("is_valid", (_SLICES, "uint64"), "bool", list(map(_tuple, slices)), time))

    def smile(self, slices: Sequence[Slice], time: int, expiry: int) -> Any:
        arguments = list(map(_tuple, slices)), time, expiry
        return self._ask("smile", (_SLICES, "uint64", "uint64"), _SMILE, *arguments)

    def _ask(self, name: str, inputs: Sequence[str], output: str, *arguments: Any) -> Any:
        data = keccak(f"{name}({','.join(inputs)})".encode())[:4] + codec.encode(inputs, arguments)
        (answer,) = codec.decode((output,), self._evm.view(Invocation(self._address, data)))
        return answer


def _tuple(one: Slice) -> tuple[Any, ...]:
    return msgspec.structs.astuple(one)


@pytest.fixture(scope="module")
def chain(deployed: Scene) -> Surfaces:
    return Surfaces(deployed)


words = st.integers(-(2**63), 2**63 - 1) | st.integers(-3 * SCALE, 3 * SCALE)


@st.composite
def wild(draw: st.DrawFn) -> Slice:
    """Return a slice that need not be sound."""
    a, m = draw(words), draw(words)
    b, sigma = abs(draw(words)), abs(draw(words))
    rho = draw(st.integers(-SCALE - 2, SCALE + 2))
    expiry, forward = UnixSeconds(draw(st.integers(0, 2**40))), Price(draw(st.integers(0, PRICE_MAX)))
    return Slice(expiry, forward, a, b, rho, m, sigma)


@SLOW
@given(data=st.data(), slices=surfaces())
def test_contract_and_twin_find_the_same_smile(chain: Surfaces, data: st.DataObject, slices: tuple[Slice, ...]) -> None:
    last = slices[-1].expiry
    near = st.sampled_from([one.expiry + shift for one in slices for shift in (-1, 0, 1)])
    expiry = UnixSeconds(max(data.draw(near | st.integers(TIME + 1, 2 * last - TIME) | st.just(2**63 - 1)), TIME + 1))

    smile = smile_at(Mark(FEED, TIME, Price(1), slices=slices), expiry)

    assert smile is not None
    left, right = msgspec.structs.astuple(smile.left), msgspec.structs.astuple(smile.right)
    expected = (smile.forward, smile.left_weight, smile.right_weight, left, right)
    assert chain.smile(slices, TIME, expiry) == expected
    forwards = [one.forward for one in slices]
    assert min(forwards) - 1 <= smile.forward <= max(forwards)


@SLOW
@given(data=st.data(), slices=surfaces())
def test_contract_and_twin_call_the_same_surfaces_valid(
    chain: Surfaces, data: st.DataObject, slices: tuple[Slice, ...]
) -> None:
    assert chain.is_valid(slices, TIME)
    assert is_valid(slices, TIME)
    index = data.draw(st.integers(0, len(slices) - 1))
    member = data.draw(st.sampled_from(Slice.__struct_fields__))
    by = data.draw(st.sampled_from((-1, 1)) | st.integers(-SCALE, SCALE))
    low = 0 if member in ("expiry", "forward", "b", "sigma") else -(2**63)
    shifted = max(getattr(slices[index], member) + by, low)
    changed = (*slices[:index], msgspec.structs.replace(slices[index], **{member: shifted}), *slices[index + 1 :])

    assert chain.is_valid(changed, TIME) == is_valid(changed, TIME)


@SLOW
@given(slices=st.lists(wild(), max_size=3), time=st.integers(0, 2**40))
def test_contract_and_twin_call_the_same_nonsense_invalid(chain: Surfaces, slices: list[Slice], time: int) -> None:
    assert chain.is_valid(slices, time) == is_valid(slices, UnixSeconds(time))


_SOUND: Final = Parameters(4 * 10**6, 10**7, -3 * 10**7, 10**6, 10**7)
_DIP: Final = Parameters(-(8 * 10**7), SCALE, 6 * 10**7, 0, SCALE)  # least variance exactly zero


@pytest.mark.parametrize(
    ("changes", "sound"),
    [
        ({}, True),
        ({"rho": SCALE - 1}, True),
        ({"rho": SCALE}, False),
        ({"rho": -SCALE}, False),
        ({"sigma": 10**4}, True),
        ({"sigma": 10**4 - 1}, False),
        ({"sigma": 64 * SCALE}, True),
        ({"sigma": 64 * SCALE + 1}, False),
        ({"m": 64 * SCALE}, True),
        ({"m": 64 * SCALE + 1}, False),
        ({"m": -64 * SCALE}, True),
        ({"m": -64 * SCALE - 1}, False),
        ({"a": 1024 * SCALE}, True),
        ({"a": 1024 * SCALE + 1}, False),
        ({"rho": 0, "b": 2 * SCALE - 1}, True),  # Lee's bound is not reached
        ({"rho": 0, "b": 2 * SCALE}, False),
        ({"rho": SCALE // 2, "b": 4 * SCALE // 3}, True),
        ({"rho": SCALE // 2, "b": 4 * SCALE // 3 + 1}, False),
        ({"a": -953_000}, True),
        ({"a": -955_000}, False),
    ],
)
def test_what_makes_a_smile_sound(chain: Surfaces, changes: dict[str, int], sound: bool) -> None:
    one = msgspec.structs.replace(_SOUND, **changes)
    slices = (Slice(UnixSeconds(TIME + 1), Price(SCALE), *msgspec.structs.astuple(one)),)

    assert is_sound(one) == chain.is_valid(slices, TIME) == sound


def test_the_least_variance_may_be_zero_and_not_less(chain: Surfaces) -> None:
    for lower, sound in ((0, True), (1, False)):
        one = msgspec.structs.replace(_DIP, a=_DIP.a - lower)
        slices = (Slice(UnixSeconds(TIME + 1), Price(SCALE), *msgspec.structs.astuple(one)),)
        assert is_sound(one) == chain.is_valid(slices, TIME) == sound


@pytest.mark.parametrize(
    ("near", "far"),
    [
        (_SOUND, msgspec.structs.replace(_SOUND, a=_SOUND.a - 1)),  # lower everywhere
        (_SOUND, msgspec.structs.replace(_SOUND, m=_SOUND.m + 10**7)),  # lower on one side
        (_SOUND, msgspec.structs.replace(_SOUND, a=10**8, rho=0)),  # flatter in a wing
        (_SOUND, msgspec.structs.replace(_SOUND, a=10**8, rho=-6 * 10**7)),
    ],
)
def test_total_variance_may_not_fall(chain: Surfaces, near: Parameters, far: Parameters) -> None:
    for first, second, valid in ((near, far, False), (near, near, True)):
        slices = tuple(
            Slice(UnixSeconds(TIME + after), Price(SCALE), *msgspec.structs.astuple(one))
            for after, one in enumerate((first, second), 1)
        )
        assert is_later(first, second) == chain.is_valid(slices, TIME) == valid


@pytest.mark.parametrize("sixteenths", [*range(-4, 5), -8, 8, -16, 16, -32, 32])
def test_a_dip_of_total_variance_is_found_at_every_point_that_is_compared(chain: Surfaces, sixteenths: int) -> None:
    near = flat(TIME + 60, SCALE // 10)
    dip = Slice(UnixSeconds(TIME + 120), near.forward, SCALE // 20, SCALE, 0, sixteenths * SCALE // 16, 10**4)

    is_compared = sixteenths in (0, *(sign * reach for sign in (-1, 1) for reach in (2, 4, 8, 16, 32)))

    assert chain.is_valid((near, dip), TIME) == is_valid((near, dip), TIME) == (not is_compared)


def test_a_surface_may_touch_the_one_before_it_at_the_forward(chain: Surfaces) -> None:
    near = Parameters(32_800_004, SCALE, SCALE // 2, 0, SCALE)
    far = Parameters(
        near.a + SCALE - 19_000, 19 * SCALE // 10, 0, 0, 10**4
    )  # as much there, less just above, then more
    slices = tuple(
        Slice(UnixSeconds(TIME + after), Price(SCALE), *msgspec.structs.astuple(one))
        for after, one in enumerate((near, far), 1)
    )

    assert is_later(near, far)
    assert chain.is_valid(slices, TIME)


@pytest.mark.parametrize(("forward", "valid"), [(0, False), (1, True), (PRICE_MAX, True), (PRICE_MAX + 1, False)])
def test_a_forward_is_a_price(chain: Surfaces, forward: int, valid: bool) -> None:
    slices = (msgspec.structs.replace(flat(TIME + 60, SCALE), forward=Price(forward)),)

    assert chain.is_valid(slices, TIME) == is_valid(slices, TIME) == valid


@pytest.mark.parametrize(("first", "second", "valid"), [(0, 1, False), (1, 1, False), (2, 1, False), (1, 2, True)])
def test_expiries_lie_ahead_and_increase(chain: Surfaces, first: int, second: int, valid: bool) -> None:
    slices = (flat(TIME + first, 4 * 10**6), flat(TIME + second, 5 * 10**6))

    assert is_valid(slices, TIME) == chain.is_valid(slices, TIME) == valid


@given(slices=surfaces())
@example((flat(TIME + 10, 10**6), flat(TIME + 30, 3 * 10**6)))
def test_total_variance_of_one_strike_never_falls_with_time(slices: tuple[Slice, ...]) -> None:
    ends = (TIME, *(one.expiry for one in slices), slices[-1].expiry + 86_400)
    mark = Mark(FEED, TIME, Price(1), slices=slices)
    totals = []
    for start, end in pairwise(ends):
        for expiry in sorted({start + 1, (start + end) // 2, end}):
            smile = smile_at(mark, UnixSeconds(expiry)) if expiry > TIME else None
            if smile is not None:
                totals.append(smile.left_weight * smile.left.a + smile.right_weight * smile.right.a)
    if all(one.b == 0 for one in slices):
        slack = 2 * slices[-1].a
        assert all(earlier <= later + slack for earlier, later in pairwise(totals))
    assert totals


def test_between_two_expiries_forward_and_variance_are_in_between() -> None:
    slices = (flat(TIME + 100, 10**6, 60_000), flat(TIME + 300, 3 * 10**6, 60_600))
    mark = Mark(FEED, TIME, Price(1), slices=slices)

    before, middle, after = (smile_at(mark, UnixSeconds(TIME + wait)) for wait in (50, 200, 600))

    assert before is not None
    assert middle is not None
    assert after is not None
    assert (before.forward, before.left_weight) == (60_000 * SCALE, WEIGHT_ONE // 2)
    assert abs(middle.forward - 60_000 * SCALE * 1.01**0.5) < 1000
    assert (middle.left_weight, middle.right_weight) == (WEIGHT_ONE // 2, WEIGHT_ONE // 2)
    assert (after.forward, after.left_weight, after.right_weight) == (60_600 * SCALE, 2 * WEIGHT_ONE, 0)


def test_a_mark_says_nothing_about_what_is_past_and_a_void_one_nothing_at_all() -> None:
    slices = (flat(TIME + 100, 10**6),)

    assert smile_at(Mark(FEED, TIME, Price(1), slices=slices), TIME) is None
    assert smile_at(Mark(FEED, TIME, Price(0), True), UnixSeconds(TIME + 5)) is None
    assert smile_at(Mark(FEED, TIME, Price(1)), UnixSeconds(TIME + 5)) is None
    assert smile_at(Mark(FEED, UnixSeconds(TIME + 100), Price(1), slices=slices), UnixSeconds(TIME + 500)) is None


def test_the_greatest_surface_is_read_back(chain: Surfaces) -> None:
    slices = tuple(flat(TIME + 60 * number, 10**6 * number) for number in range(1, SLICES_MAX + 1))

    assert chain.is_valid(slices, TIME)
    assert chain.smile(slices, TIME, slices[-1].expiry)[3][0] == 10**6 * SLICES_MAX
    with pytest.raises(Reverted):
        chain.is_valid((*slices, flat(slices[-1].expiry + 60, SCALE)), TIME)


@pytest.mark.parametrize("times", [4095, 4096, 4097])
def test_beyond_the_last_expiry_volatility_is_its_own_up_to_4096_times_as_long(chain: Surfaces, times: int) -> None:
    slices = (flat(TIME + 30, 10**6), flat(TIME + 60, 10**6))

    assert chain.smile(slices, TIME, TIME + 60 * times)[1] == min(times, 4096) * WEIGHT_ONE


@pytest.mark.parametrize("index", [0, 1, 2])
def test_at_an_expiry_of_the_surface_its_smile_is_that_slice(chain: Surfaces, index: int) -> None:
    slices = tuple(flat(TIME + 60 * number, 10**6 * number, 60_000 + number) for number in (1, 2, 3))
    one = slices[index]

    forward, *weights, left, right = chain.smile(slices, TIME, one.expiry)

    assert (forward, weights) == (one.forward, [WEIGHT_ONE, 0])
    assert left == right == (one.a, one.b, one.rho, one.m, one.sigma)
