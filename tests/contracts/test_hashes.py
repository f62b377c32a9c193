"""Every signed type, three ways: our hashes, eth-account's, and (by its accepting the signatures) the contract's."""

from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from tests.contracts.claims import lock
from tests.contracts.scene import FEED

from thalweg.channel import hashes
from thalweg.channel.claims import Condition, Position, Subchannel
from thalweg.channel.sheet import ChannelState, Holding
from thalweg.channel.terms import CloseOut, Terms
from thalweg.codec import Domain
from thalweg.crypto import keccak
from thalweg.instruments.report import Mark, Settlement, Slice, oracle_domain, report_digest
from thalweg.instruments.terms import Instrument, Payoff, Style
from thalweg.units import (
    Address,
    Amount,
    AssetIndex,
    ChannelId,
    ClaimId,
    Hash,
    Price,
    Quantity,
    Seat,
    UnixSeconds,
    Version,
)

CONTRACT = Address(bytes.fromhex("11" * 20))
DOMAIN = Domain(31337, CONTRACT)
SEPARATOR = DOMAIN.separator()
ONE, TWO, THREE = (Address(bytes((number,)) * 20) for number in (1, 2, 3))
WORD = Hash(keccak(b"a word"))

TYPES: dict[str, str] = {
    "Terms": "address[] participants,address[] payouts,address[] assets,uint8 settlement,uint32 challengePeriod,"
    "uint8 closeOut,uint64 exitSpread,address oracle,bytes32 riskParamsHash,uint256 nonce",
    "Open": "bytes32 channelId,uint256[] amounts,address[] payers,uint64 deadline",
    "ChannelState": "bytes32 channelId,uint40 version,bytes32 balancesHash,bytes32 claimsRoot",
    "Challenge": "bytes32 channelId,uint40 version,uint64 validUntil",
    "Deposit": "bytes32 channelId,uint8 participant,uint8 asset,uint256 total,uint64 deadline",
    "Resume": "bytes32 channelId,uint40 version,uint64 disputeDeadline",
    "Refusal": "bytes32 channelId,uint8 author,uint64 number,string reason",
    "Binding": "bytes peer,address payout,address payer",
    "Balances": "uint256[] balance,uint256[] free,uint256[] deposited,uint256[] withdrawn,bytes32 salt",
    "Condition": "bytes32[] hashes,uint64 deadline",
    "Instrument": "uint8 payoff,uint8 style,uint8 deliver,address oracle,bytes32 feed,uint64 expiry,uint64 unit,"
    "uint256[] knots",
    "Position": "uint64 id,uint8 long,uint8 short,uint64 quantity,Instrument instrument,int256 premium,"
    "Condition condition",
    "HashLock": "uint64 id,uint8 payer,uint8 payee,uint8 asset,uint256 amount,Condition condition",
    "Subchannel": "uint64 id,address judge,bytes32 child,uint8[] seats,uint256[] allocations,bytes32 opening,"
    "uint64 until,Condition condition",
    "Settlement": "bytes32 feed,uint64 time,uint256 price,bool isVoid",
    "Slice": "uint64 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma",
    "Mark": "bytes32 feed,uint64 time,uint256 price,bool isVoid,Slice[] slices",
}


def _wallet(primary: str, message: dict[str, Any], domain: Domain = DOMAIN) -> tuple[bytes, bytes]:
    """Return (struct hash, digest) as a wallet computes them from the type strings."""
    types = {
        name: [dict(zip(("type", "name"), member.split(" "), strict=True)) for member in members.split(",")]
        for name, members in TYPES.items()
    }
    types["EIP712Domain"] = [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ]
    signable = encode_typed_data(
        full_message={
            "types": _reachable(types, primary),
            "primaryType": primary,
            "domain": {
                "name": domain.name,
                "version": domain.version,
                "chainId": domain.chain_id,
                "verifyingContract": "0x" + domain.contract.hex(),
            },
            "message": message,
        }
    )
    return signable.body, keccak(b"\x19\x01" + signable.header + signable.body)


def _reachable(types: dict[str, Any], primary: str) -> dict[str, Any]:
    names, waiting = {"EIP712Domain"}, [primary]
    while waiting:
        name = waiting.pop()
        names.add(name)
        waiting += [m["type"].removesuffix("[]") for m in types[name] if m["type"].removesuffix("[]") in types]
    return {name: types[name] for name in types if name in names}


TERMS = Terms(
    (ONE, TWO, THREE),
    (TWO, THREE, ONE),
    (ONE, Address(bytes(20))),
    AssetIndex(1),
    3600,
    CloseOut.MARK,
    5,
    THREE,
    WORD,
    7,
)
CONDITION = Condition((WORD, Hash(keccak(b"another"))), UnixSeconds(99))
INSTRUMENT = Instrument(Payoff.CURVE, THREE, FEED, UnixSeconds(10**9), 10**6, (1, 2**255 + 5), Style.PHYSICAL, 1)
_CONDITION_JSON = {"hashes": list(CONDITION.hashes), "deadline": 99}
_INSTRUMENT_JSON = {
    "payoff": 2, "style": 2, "deliver": 1, "oracle": THREE, "feed": FEED, "expiry": 10**9, "unit": 10**6,
    "knots": [1, 2**255 + 5],
}  # fmt: skip


def test_terms() -> None:
    message = {
        "participants": [ONE, TWO, THREE], "payouts": [TWO, THREE, ONE], "assets": [ONE, bytes(20)], "settlement": 1,
        "challengePeriod": 3600, "closeOut": 1, "exitSpread": 5, "oracle": THREE, "riskParamsHash": WORD, "nonce": 7,
    }  # fmt: skip
    assert hashes.channel_id(SEPARATOR, TERMS) == _wallet("Terms", message)[1]


@pytest.mark.parametrize("amounts", [(1, 2), (1, 2, 3), ()])
def test_open(amounts: tuple[int, ...]) -> None:
    message = {"channelId": WORD, "amounts": list(amounts), "payers": [ONE, TWO], "deadline": 9}
    ours = hashes.open_digest(SEPARATOR, ChannelId(WORD), tuple(map(Amount, amounts)), (ONE, TWO), UnixSeconds(9))
    assert ours == _wallet("Open", message)[1]


def test_state() -> None:
    state = ChannelState(ChannelId(WORD), Version(2**40 - 1), Hash(b"\1" * 32), Hash(b"\2" * 32))
    message = {"channelId": WORD, "version": 2**40 - 1, "balancesHash": b"\1" * 32, "claimsRoot": b"\2" * 32}
    assert hashes.state_digest(SEPARATOR, state) == _wallet("ChannelState", message)[1]


def test_challenge_deposit_and_resume() -> None:
    channel = ChannelId(WORD)
    challenge = {"channelId": WORD, "version": 5, "validUntil": 6}
    ours = hashes.challenge_digest(SEPARATOR, channel, Version(5), UnixSeconds(6))
    assert ours == _wallet("Challenge", challenge)[1]
    deposit = {"channelId": WORD, "participant": 1, "asset": 3, "total": 10**30, "deadline": 8}
    ours = hashes.deposit_digest(SEPARATOR, channel, 1, 3, 10**30, UnixSeconds(8))
    assert ours == _wallet("Deposit", deposit)[1]
    resume = {"channelId": WORD, "version": 5, "disputeDeadline": 6}
    ours = hashes.resume_digest(SEPARATOR, channel, Version(5), UnixSeconds(6))
    assert ours == _wallet("Resume", resume)[1]


def test_refusal_and_binding() -> None:
    refusal = {"channelId": WORD, "author": 1, "number": 5, "reason": "expired"}
    assert hashes.refusal_digest(SEPARATOR, ChannelId(WORD), 1, 5, "expired") == _wallet("Refusal", refusal)[1]
    binding = {"peer": b"\0\x24peer", "payout": ONE, "payer": TWO}
    assert hashes.binding_digest(SEPARATOR, b"\0\x24peer", ONE, TWO) == _wallet("Binding", binding)[1]


def test_balances() -> None:
    holdings = tuple(Holding(*(Amount(10 * cell + column) for column in range(4))) for cell in range(6))
    columns = {
        name: [10 * cell + column for cell in range(6)]
        for column, name in enumerate(("balance", "free", "deposited", "withdrawn"))
    }
    assert hashes.balances_hash(holdings, WORD) == _wallet("Balances", {**columns, "salt": WORD})[0]


@pytest.mark.parametrize("premium", [5, -5])
def test_position_with_its_instrument_and_condition(premium: int) -> None:
    claim = Position(ClaimId(4), Seat(2), Seat(1), Quantity(8), INSTRUMENT, premium, CONDITION)
    message = {
        "id": 4, "long": 2, "short": 1, "quantity": 8, "instrument": _INSTRUMENT_JSON, "premium": premium,
        "condition": _CONDITION_JSON,
    }  # fmt: skip
    assert hashes.claim_hash(claim) == _wallet("Position", message)[0]
    assert hashes.instrument_hash(INSTRUMENT) == _wallet("Instrument", _INSTRUMENT_JSON)[0]
    assert hashes.condition_hash(CONDITION) == _wallet("Condition", _CONDITION_JSON)[0]


def test_hash_lock_and_subchannel() -> None:
    message = {"id": 4, "payer": 1, "payee": 0, "asset": 2, "amount": 77, "condition": _CONDITION_JSON}
    assert hashes.claim_hash(lock(4, 77, CONDITION, 1, 0, 2)) == _wallet("HashLock", message)[0]
    child = Subchannel(
        ClaimId(4), TWO, ChannelId(WORD), (Seat(0), Seat(255)), (Amount(5), Amount(6)), WORD, UnixSeconds(9), CONDITION
    )
    message = {
        "id": 4, "judge": TWO, "child": WORD, "seats": [0, 255], "allocations": [5, 6], "opening": WORD, "until": 9,
        "condition": _CONDITION_JSON,
    }  # fmt: skip
    assert hashes.claim_hash(child) == _wallet("Subchannel", message)[0]


def test_reports() -> None:
    domain = oracle_domain(31337, CONTRACT)
    message: dict[str, Any] = {"feed": FEED, "time": 60, "price": 5, "isVoid": True}
    ours = report_digest(domain.separator(), Settlement(FEED, UnixSeconds(60), Price(5), True))
    assert ours == _wallet("Settlement", message, domain)[1]
    slices = (Slice(UnixSeconds(1), Price(2), -3, 4, -5, -6, 7), Slice(UnixSeconds(8), Price(9), 10, 11, 12, 13, 14))
    names = ("expiry", "forward", "a", "b", "rho", "m", "sigma")
    message["slices"] = [{name: getattr(one, name) for name in names} for one in slices]
    ours = report_digest(domain.separator(), Mark(FEED, UnixSeconds(60), Price(5), True, slices))
    assert ours == _wallet("Mark", message, domain)[1]
