"""Marks on the chain: surfaces registered tick by tick, and proofs that a signer lied."""

from typing import Any

import msgspec
import pytest
from eth_abi import abi as codec
from tests.contracts.evm import Reverted
from tests.contracts.scene import FEED, ORACLES, Scene
from tests.contracts.surfaces import flat

from thalweg.chain.artefacts import QUORUM_ORACLE
from thalweg.chain.calls import encode
from thalweg.codec import array_hash, words
from thalweg.crypto import keccak, sign
from thalweg.instruments.quorum import Equivocation, verify_equivocation
from thalweg.instruments.report import SLICE_TYPE, Mark, Settlement, oracle_domain, report_digest
from thalweg.instruments.surface import smile_at
from thalweg.units import SCALE, Hash, Price, UnixSeconds

PRICE = Price(60_000 * SCALE)


def _mark(scene: Scene, tick: int) -> Any:
    return scene.evm.ask(scene.oracle, QUORUM_ORACLE, "mark", FEED, tick)


def _smile(scene: Scene, tick: int, expiry: int) -> Any:
    return scene.evm.ask(scene.oracle, QUORUM_ORACLE, "smile", FEED, tick, expiry)


def _surface(tick: int) -> tuple[Any, ...]:
    return flat(tick + 86_400, 10**5, 60_100), flat(tick + 7 * 86_400, 8 * 10**5, 60_700)


def test_a_mark_gives_the_index_and_a_smile_for_every_expiry(scene: Scene) -> None:
    tick = scene.tick()
    report = Mark(FEED, UnixSeconds(tick), PRICE, slices=_surface(tick))

    scene.evm.send(scene.marking(report))

    assert _mark(scene, tick) == (True, False, PRICE)
    expected = smile_at(report, UnixSeconds(tick + 3 * 86_400))
    assert expected is not None
    known, is_void, smile = _smile(scene, tick, tick + 3 * 86_400)
    assert (known, is_void) == (True, False)
    assert smile[:3] == (expected.forward, expected.left_weight, expected.right_weight)
    assert smile[3:] == (msgspec.structs.astuple(expected.left), msgspec.structs.astuple(expected.right))


def test_a_mark_says_nothing_of_what_has_expired(scene: Scene) -> None:
    tick = scene.tick()
    scene.mark(tick, PRICE, _surface(tick))

    for expiry, is_void in ((tick - 60, True), (tick, True), (tick + 1, False)):
        assert _smile(scene, tick, expiry)[:2] == (True, is_void)


def test_a_registration_is_told_as_it_is(scene: Scene) -> None:
    tick = UnixSeconds(scene.tick())
    kinds = ("bool", "bool", "uint256")
    settled = scene.evm.send(encode(scene.register(tick, PRICE), scene.adjudicator)).logs[0]
    voided = scene.evm.send(encode(scene.register(tick - 60, 0, is_void=True), scene.adjudicator)).logs[0]
    marked = scene.mark(tick, PRICE, _surface(tick)).logs[0]
    falling = scene.mark(tick - 60, PRICE, (flat(tick + 60, 2 * 10**6), flat(tick + 120, 10**6))).logs[0]

    told = [codec.decode(kinds, log.data) for log in (settled, voided, marked, falling)]

    assert told == [(False, False, PRICE), (False, True, 0), (True, False, PRICE), (True, True, 0)]
    assert settled.topics[1:] == (FEED, tick.to_bytes(32))


def test_a_mark_is_another_kind_of_report_than_a_settlement(scene: Scene) -> None:
    tick = scene.tick()

    scene.mark(tick, PRICE)

    assert scene.evm.ask(scene.oracle, QUORUM_ORACLE, "settlement", FEED, tick) == (False, False, 0)


def test_a_mark_without_a_surface_has_an_index_and_no_smile(scene: Scene) -> None:
    tick = scene.tick()
    assert _smile(scene, tick, tick + 60)[:2] == (False, False)

    scene.mark(tick, PRICE)

    assert _mark(scene, tick) == (True, False, PRICE)
    assert _smile(scene, tick, tick + 60)[:2] == (True, True)


def test_a_surface_that_does_not_hold_together_counts_as_void(scene: Scene) -> None:
    tick = scene.tick()
    falling = (flat(tick + 60, 2 * 10**6), flat(tick + 120, 10**6))

    scene.mark(tick, PRICE, falling)

    assert _mark(scene, tick) == (True, True, 0)
    assert _smile(scene, tick, tick + 60)[:2] == (True, True)
    assert scene.evm.refusal(scene.marking(Mark(FEED, UnixSeconds(tick), PRICE, slices=_surface(tick)))) == (
        "oracle: exists already"
    )


def test_a_void_mark_has_neither_price_nor_surface(scene: Scene) -> None:
    tick = UnixSeconds(scene.tick())
    assert scene.evm.refusal(scene.marking(Mark(FEED, tick, PRICE, True))) == "oracle: bad oracle report"
    with_surface = Mark(FEED, tick, Price(0), True, _surface(tick))
    assert scene.evm.refusal(scene.marking(with_surface)) == "oracle: bad oracle report"

    scene.mark(tick, 0, is_void=True)

    assert _mark(scene, tick) == (True, True, 0)


def test_marks_are_on_the_grid_and_not_of_the_future(scene: Scene) -> None:
    tick = scene.tick()
    for beside in (tick - 1, tick - 59):
        beside_the_grid = Mark(FEED, UnixSeconds(beside), PRICE)
        assert scene.evm.refusal(scene.marking(beside_the_grid)) == "oracle: bad oracle report"
    soon = Mark(FEED, UnixSeconds(tick + 120), PRICE)
    assert scene.evm.refusal(scene.marking(soon)) == "oracle: not yet"
    scene.evm.travel(tick + 120)
    assert scene.evm.refusal(scene.marking(soon)) == ""


def test_the_same_mark_again_trips_nobody_and_another_one_is_refused(scene: Scene) -> None:
    tick = UnixSeconds(scene.tick())
    report = Mark(FEED, tick, PRICE, slices=_surface(tick))
    scene.evm.send(scene.marking(report))

    assert scene.evm.send(scene.marking(report, (0, 1, 2))).logs == ()

    others = (
        Mark(FEED, tick, Price(PRICE + 1), slices=report.slices),
        Mark(FEED, tick, PRICE, slices=report.slices[:1]),
        Mark(FEED, tick, PRICE, slices=(flat(tick + 60, 10**5), *report.slices)),
        Mark(FEED, tick, PRICE),
        Mark(FEED, tick, Price(0), True),
    )
    for other in others:
        assert scene.evm.refusal(scene.marking(other)) == "oracle: exists already"
    without = UnixSeconds(tick - 60)
    scene.mark(without, PRICE)
    assert scene.evm.refusal(scene.marking(Mark(FEED, without, PRICE, slices=_surface(tick)))) == (
        "oracle: exists already"
    )


def test_every_member_of_a_surface_is_signed(scene: Scene) -> None:
    tick = scene.tick()
    report = Mark(FEED, UnixSeconds(tick), PRICE, slices=_surface(tick))
    signed = scene.marking(report).data
    for index in range(len(report.slices)):
        for member in report.slices[index].__struct_fields__:
            one = msgspec.structs.replace(report.slices[index], **{member: getattr(report.slices[index], member) + 1})
            slices = (*report.slices[:index], one, *report.slices[index + 1 :])
            changed = scene.marking(msgspec.structs.replace(report, slices=slices))
            forged = msgspec.structs.replace(changed, data=changed.data[: -32 * 6] + signed[-32 * 6 :])
            assert scene.evm.refusal(forged) == "oracle: wrong signer"


# --- equivocation ---------------------------------------------------------------------------------------------------


def _said(scene: Scene, report: Mark | Settlement, signer: int) -> tuple[Any, ...]:
    message = report_digest(oracle_domain(scene.evm.chain_id, scene.oracle).separator(), report)
    signature = sign(ORACLES[signer].key, message)
    surface = Hash(bytes(32))
    if isinstance(report, Mark):
        surface = array_hash(keccak(words((SLICE_TYPE, *msgspec.structs.astuple(one)))) for one in report.slices)
    return report.price, report.is_void, surface, (signature[:32], signature[32:])


def _accuse(scene: Scene, one: Mark | Settlement, other: Mark | Settlement, key: int = 1, **changes: Any) -> str:
    arguments = {
        "feed": one.feed,
        "time": one.time,
        "is_mark": isinstance(one, Mark),
        "signer": key,
        "first": _said(scene, one, key),
        "second": _said(scene, other, key),
        **changes,
    }
    try:
        receipt = scene.evm.tell(scene.oracle, QUORUM_ORACLE, "prove_equivocation", *arguments.values())
    except Reverted as refused:
        return str(refused)
    assert len(receipt.logs) == 1
    return ""


def _is_liar(scene: Scene, signer: int) -> bool:
    return bool(scene.evm.ask(scene.oracle, QUORUM_ORACLE, "is_liar", ORACLES[signer].address))


@pytest.mark.parametrize("kind", ["settlement", "void", "mark", "surface"])
def test_two_values_of_one_point_prove_a_lie_on_chain_and_off(scene: Scene, kind: str) -> None:
    tick = UnixSeconds(scene.tick())
    pairs: dict[str, tuple[Mark | Settlement, Mark | Settlement]] = {
        "settlement": (Settlement(FEED, tick, PRICE), Settlement(FEED, tick, Price(PRICE + 1))),
        "void": (Settlement(FEED, tick, PRICE), Settlement(FEED, tick, Price(0), True)),
        "mark": (Mark(FEED, tick, PRICE), Mark(FEED, tick, Price(1))),
        "surface": (Mark(FEED, tick, PRICE, slices=_surface(tick)), Mark(FEED, tick, PRICE)),
    }
    first, second = pairs[kind]

    assert _accuse(scene, first, second) == ""

    assert [_is_liar(scene, signer) for signer in range(4)] == [False, True, False, False]
    separator = oracle_domain(scene.evm.chain_id, scene.oracle).separator()
    signatures = tuple(sign(ORACLES[1].key, report_digest(separator, one)) for one in (first, second))
    proof = Equivocation(scene.oracle, 1, first, second, (signatures[0], signatures[1]))
    verify_equivocation(proof, tuple(one.address for one in ORACLES), separator)


def test_a_lie_that_was_proven_takes_back_no_report(scene: Scene) -> None:
    tick = UnixSeconds(scene.tick())
    scene.speak(tick, PRICE)

    _accuse(scene, Settlement(FEED, tick, PRICE), Settlement(FEED, tick, Price(1)))

    assert scene.evm.ask(scene.oracle, QUORUM_ORACLE, "settlement", FEED, tick) == (True, False, PRICE)


def test_what_proves_nothing_is_refused(scene: Scene) -> None:
    tick = UnixSeconds(scene.tick())
    first, second = Settlement(FEED, tick, PRICE), Settlement(FEED, tick, Price(1))
    later = Settlement(FEED, UnixSeconds(tick + 60), Price(1))
    unsigned = (*_said(scene, second, 1)[:3], (bytes(32), bytes(32)))

    assert _accuse(scene, first, first) == "oracle: malformed"
    assert _accuse(scene, first, second, 3, first=_said(scene, first, 2)) == "oracle: wrong signer"
    assert _accuse(scene, first, second, 3, second=_said(scene, second, 2)) == "oracle: wrong signer"
    assert _accuse(scene, first, second, signer=4) == "oracle: malformed"
    assert _accuse(scene, first, later) == "oracle: wrong signer"
    assert _accuse(scene, first, second, second=unsigned) == "oracle: wrong signer"
    assert _accuse(scene, first, second, is_mark=True) == "oracle: wrong signer"
    assert _accuse(scene, first, second, feed=bytes(32)) == "oracle: wrong signer"
    assert not any(_is_liar(scene, signer) for signer in range(4))
