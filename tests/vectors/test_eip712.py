"""The worked example of docs/protocol.md: computed here, kept in eip712.json, and required to stand in the document.

`python -m tests.vectors.test_eip712` writes the vectors again.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

import coincurve

from thalweg.channel import hashes
from thalweg.channel.claims import Condition, HashLock, Position, Subchannel
from thalweg.channel.sheet import ChannelState, Holding
from thalweg.channel.terms import CloseOut, Terms
from thalweg.codec import Domain
from thalweg.crypto import address_of, keccak, sign
from thalweg.instruments import report
from thalweg.instruments.report import Mark, Settlement, Slice, oracle_domain, report_digest
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.units import (
    SCALE,
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

VECTORS: Final = Path(__file__).parent / "eip712.json"
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "protocol.md"

ALICE, BOB = (coincurve.PrivateKey(keccak(name)) for name in (b"alice", b"bob"))
A, B = (address_of(key.public_key) for key in (ALICE, BOB))
ADJUDICATOR, TOKEN, ORACLE = (Address(bytes((number,)) * 20) for number in (0xAD, 0x70, 0x0C))
JUDGE: Final = Address(b"\x5c" * 20)
FEED: Final = Hash(b"BTC-USD".ljust(32, b"\0"))
SECRET: Final = keccak(b"shared secret")
EXPIRY: Final = UnixSeconds(1_783_238_400)  # 2026-07-05 08:00 UTC


def vectors() -> dict[str, str]:
    """Return every value of the example by name, in hex."""
    separator = Domain(31337, ADJUDICATOR).separator()
    terms = Terms(
        (A, B), (A, B), (TOKEN,), AssetIndex(0), 3600, CloseOut.EXPIRY, 0, ORACLE, Hash(keccak(b"risk parameters")), 1
    )
    channel = hashes.channel_id(separator, terms)
    amounts = (Amount(100_000_000), Amount(50_000_000))
    opening = hashes.open_digest(separator, channel, amounts, (A, B), UnixSeconds(1_780_000_000))
    holdings = (
        Holding(Amount(92_500_000), Amount(60_000_000), Amount(100_000_000), Amount(0)),
        Holding(Amount(57_500_000), Amount(57_500_000), Amount(50_000_000), Amount(0)),
    )
    version = Version(7)
    salt = hashes.balances_salt(SECRET, version)
    claims = _claims()
    leaves = tuple(hashes.leaf(claim, SECRET) for claim in claims)
    mark_time = UnixSeconds(1_779_999_960)
    root = hashes.claims_root(leaves, mark_time)
    balances = hashes.balances_hash(holdings, salt)
    state = hashes.state_digest(separator, ChannelState(channel, version, balances, root))
    oracle = oracle_domain(31337, ORACLE).separator()
    values: dict[str, bytes] = {
        "separator": separator,
        "participant 0": A,
        "participant 1": B,
        "Terms": channel,
        "Open": opening,
        "salt of version 7": salt,
        "Balances": balances,
        "Instrument": hashes.instrument_hash(claims[0].instrument),
        "Condition": hashes.condition_hash(claims[1].condition),
        "Position": hashes.claim_hash(claims[0]),
        "HashLock": hashes.claim_hash(claims[1]),
        "Subchannel": hashes.claim_hash(claims[2]),
        "leaf 1": leaves[0],
        "leaf 2": leaves[1],
        "leaf 3": leaves[2],
        "Merkle root": hashes.merkle_root(leaves),
        "claims root": root,
        "ChannelState": state,
        "ChannelState, signature 0": sign(ALICE, state),
        "ChannelState, signature 1": sign(BOB, state),
        "Challenge": hashes.challenge_digest(separator, channel, version, UnixSeconds(1_780_000_600)),
        "Deposit": hashes.deposit_digest(separator, channel, 1, 0, 75_000_000, UnixSeconds(1_780_000_600)),
        "Resume": hashes.resume_digest(separator, channel, Version(8), UnixSeconds(1_780_003_600)),
        "Refusal": hashes.refusal_digest(separator, channel, 1, 5, "expired"),
        "Binding": hashes.binding_digest(separator, b"\0\x24" + bytes(36), A, A),
        "oracle separator": oracle,
        "Settlement": report_digest(oracle, Settlement(FEED, EXPIRY, Price(60_500 * SCALE))),
        "Mark": report_digest(oracle, _mark(mark_time)),
    }
    return {name: "0x" + value.hex() for name, value in values.items()}


def _claims() -> tuple[Position, HashLock, Subchannel]:
    call = Instrument(Payoff.CALL, ORACLE, FEED, EXPIRY, 10**6, (60_000 * SCALE,))
    condition = Condition((Hash(sha256(b"\x2a" * 32).digest()),), UnixSeconds(1_780_100_000))
    child = Hash(keccak(b"child"))
    lent = (Amount(1_000_000), Amount(2_000_000))
    return (
        Position(ClaimId(1), Seat(1), Seat(0), Quantity(10_000_000), call),
        HashLock(ClaimId(2), Seat(0), Seat(1), AssetIndex(0), Amount(5_000_000), condition),
        Subchannel(
            ClaimId(3), ADJUDICATOR, ChannelId(child), (Seat(0), Seat(255)), lent, Hash(keccak(b"opening")), EXPIRY
        ),
    )


def _mark(time: UnixSeconds) -> Mark:
    surface = Slice(EXPIRY, Price(60_800 * SCALE), 1_000_000, 8_000_000, -30_000_000, 2_000_000, 15_000_000)
    return Mark(FEED, time, Price(60_450 * SCALE), False, (surface,))


def test_the_vectors_are_what_the_code_computes() -> None:
    assert json.loads(VECTORS.read_text()) == vectors()


def test_the_document_states_every_value_of_the_example() -> None:
    text = DOCUMENT.read_text()
    missing = [name for name, value in vectors().items() if value not in text]
    assert not missing


def test_the_document_states_every_type_string() -> None:
    stated = {keccak(text.encode()) for text in DOCUMENT.read_text().replace("\n", "").split("`")}
    types = {
        name: value for module in (hashes, report) for name, value in vars(module).items() if name.endswith("_TYPE")
    }
    referenced = {"CONDITION_TYPE", "INSTRUMENT_TYPE", "SLICE_TYPE"}  # stated within those that refer to them
    missing = [name for name, value in types.items() if value not in stated and name not in referenced]
    assert not missing


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n")
