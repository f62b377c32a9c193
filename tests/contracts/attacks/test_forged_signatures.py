"""Signatures that nobody made."""

import coincurve
import msgspec
import pytest
from tests.contracts.evm import account
from tests.contracts.scene import CHALLENGE_S, FEED, USD, Scene, invocation

from thalweg.chain.artefacts import QUORUM_ORACLE
from thalweg.channel.hashes import challenge_digest, deposit_digest, open_digest, resume_digest, state_digest
from thalweg.channel.onchain import Shown
from thalweg.channel.sheet import Holding
from thalweg.crypto import address_of, sign
from thalweg.instruments.report import Settlement, oracle_domain, report_digest
from thalweg.units import Address, Price, Signature, UnixSeconds, Version

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_GENERATOR_X = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798
_PRICE = 60_000 * 10**8


def _signer_of(digest: bytes, r: int, s: int) -> Address:
    """Return who the curve says made a signature that was made up."""
    made_up = r.to_bytes(32) + s.to_bytes(32) + b"\0"
    return address_of(coincurve.PublicKey.from_signature_and_message(made_up, digest, hasher=None))


@pytest.mark.parametrize(("s", "reason"), [(_HALF_ORDER, ""), (_HALF_ORDER + 1, "oracle: wrong signer")])
def test_a_signature_above_half_the_order_is_nobodys(scene: Scene, s: int, reason: str) -> None:
    here = scene.evm.snapshot()
    where = scene.evm.deploy(QUORUM_ORACLE, (account("any").address,), 1)
    scene.evm.revert(here)  # the next contract gets the same address, whoever its signers are
    time = UnixSeconds(scene.tick())
    report = Settlement(FEED, time, Price(_PRICE))
    digest = report_digest(oracle_domain(scene.evm.chain_id, where).separator(), report)
    signer = _signer_of(digest, _GENERATOR_X, s)
    assert scene.evm.deploy(QUORUM_ORACLE, (signer,), 1) == where

    signature = (_GENERATOR_X.to_bytes(32), s.to_bytes(32))
    call = invocation(where, QUORUM_ORACLE, "register", FEED, time, _PRICE, False, (0,), (signature,))

    assert scene.evm.refusal(call) == reason


@pytest.mark.parametrize("junk", [bytes(64), b"\1" * 64, b"\xff" * 64, bytes(32) + b"\1" * 32])
def test_what_recovers_to_nobody_is_not_the_zero_address(scene: Scene, junk: bytes) -> None:
    alice = account("alice")
    channel = scene.opened(participants=(alice.address, Address(bytes(20))))
    state = channel.state(5, (150 * USD, 50 * USD))
    digest = state_digest(scene.separator, state.state)
    forged = Shown(state.state, (sign(alice.key, digest), Signature(junk)))

    call = channel.challenge(state)

    assert channel.refusal(msgspec.structs.replace(call, shown=forged)) == "adjudicator: wrong signer"


@pytest.mark.parametrize("place", ["open", "deposit", "challenge", "state", "resume"])
def test_no_type_of_message_passes_for_another_of_the_same_numbers(scene: Scene, place: str) -> None:
    channel = scene.channel()
    channel.prepare()
    start = scene.evm.now() + 100
    end, version = UnixSeconds(start + CHALLENGE_S), Version(6)  # of the dispute, and of everything's validity
    opening = channel.opening(deadline=end)
    if place != "open":
        channel.do(opening)
    older, newer = (channel.state(number, (Holding(), Holding())) for number in (5, version))
    scene.evm.travel(start)
    if place in ("state", "resume"):
        channel.do(channel.challenge(older))
        assert channel.deadline == end
    total = 101 * USD
    digests = {
        "open": open_digest(scene.separator, channel.id, opening.amounts, opening.payers, end),
        "deposit": deposit_digest(scene.separator, channel.id, 0, 0, total, end),
        "challenge": challenge_digest(scene.separator, channel.id, version, end),
        "state": state_digest(scene.separator, newer.state),
        "resume": resume_digest(scene.separator, channel.id, version, end),
    }

    def refusal(digest: bytes) -> str:
        """Return why what stands in this place is refused with signatures over that digest."""
        one, two = (sign(person.key, digest) for person in channel.people)
        replace = msgspec.structs.replace
        match place:
            case "open":
                return channel.refusal(replace(opening, signatures=(one, two)))
            case "deposit":
                call = channel.invocation(replace(channel.top_up(0, USD), deadline=end, signature=one))
                scene.give(account("payer"), USD)
                scene.allow(account("payer"), USD)
                return scene.evm.refusal(call, account("payer"))
            case "challenge":
                return channel.refusal(replace(channel.challenge(newer, valid_until=end), signature=one))
            case "state":
                return channel.refusal(replace(channel.answer(newer), shown=Shown(newer.state, (one, two))))
            case _:
                signed = [(each[:32], each[32:]) for each in (one, two)]
                return scene.evm.refusal(channel.resumption(version, signed))

    found = {name: refusal(digest) for name, digest in digests.items()}
    assert found == {name: "" if name == place else "adjudicator: wrong signer" for name in digests}
