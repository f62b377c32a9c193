"""Oracles of other makes: the first price at or after a time, and nobody chooses another one."""

from typing import Any

import pytest
from eth_abi import abi as codec
from tests.contracts.claims import option, position
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import Reverted
from tests.contracts.scene import USD, Scene

from thalweg.chain.artefacts import AGGREGATOR_ORACLE, PULL_ORACLE, entries
from thalweg.chain.calls import Invocation, Log
from thalweg.channel.sheet import Holding
from thalweg.crypto import keccak
from thalweg.units import SCALE, Address, Amount, Hash

PHASE = 1 << 64
T = 3_000_000_400
FEED = Hash(b"\5" * 32)


class Chainlink:
    """An adapter and the proxy it reads."""

    def __init__(self, scene: Scene) -> None:
        self.evm = scene.evm
        self.adapter = scene.evm.deploy(AGGREGATOR_ORACLE)
        self.proxy = scene.evm.create(creation_code("Aggregator"))
        self.feed = Hash(self.proxy.rjust(32, b"\0"))
        self.logs: tuple[Log, ...] = ()
        self.decimals(8)
        self.evm.travel(T + 1000)

    def decimals(self, count: int) -> None:
        tell(self.evm, self.proxy, "set_decimals(uint8)", count)

    def rounds(self, *rounds: tuple[int, int, int]) -> None:
        for number, answer, updated in rounds:
            tell(self.evm, self.proxy, "transmit(uint80,int256,uint256)", number, answer, updated)

    def register(self, number: int, ended: int = 0, time: int = T, feed: Hash | None = None) -> str:
        feed = self.feed if feed is None else feed
        try:
            self.logs = self.evm.tell(self.adapter, AGGREGATOR_ORACLE, "register", feed, time, number, ended).logs
        except Reverted as refused:
            return str(refused)
        return ""

    def ask(self, question: str, *arguments: Any, time: int = T) -> Any:
        return self.evm.ask(self.adapter, AGGREGATOR_ORACLE, question, self.feed, time, *arguments)


@pytest.fixture
def link(scene: Scene) -> Chainlink:
    return Chainlink(scene)


def test_the_first_round_at_or_after_the_time_settles(link: Chainlink) -> None:
    link.rounds((PHASE + 1, 5, T - 90), (PHASE + 2, 6, T - 30), (PHASE + 3, 7, T), (PHASE + 4, 8, T + 30))
    assert link.ask("settlement") == (False, False, 0)
    assert link.ask("smile", T + 60)[:2] == (False, False)

    assert link.register(PHASE + 2) == "oracle: not yet"
    assert link.register(PHASE + 4) == "oracle: bad oracle report"
    assert link.register(PHASE + 5) == "oracle: not yet"
    assert link.register(PHASE + 3) == ""

    assert link.ask("settlement") == link.ask("mark") == (True, False, 7)
    assert link.ask("smile", T + 60)[:2] == (True, True)  # it knows no surfaces
    assert link.register(PHASE + 3) == "oracle: exists already"


def test_a_round_without_one_before_it_proves_nothing(link: Chainlink) -> None:
    link.rounds((PHASE + 1, 5, T + 1), (PHASE + 9, 5, T + 1))

    assert link.register(PHASE + 1) == "oracle: malformed"
    assert link.register(PHASE + 9) == "oracle: bad oracle report"


def test_nothing_came_before_the_first_phase(link: Chainlink) -> None:
    link.rounds((PHASE + 1, 5, T - 90), (PHASE + 2, 7, T))

    assert link.register(PHASE + 2, ended=1) == "oracle: malformed"
    assert link.register(PHASE + 2) == ""


def test_a_round_of_this_very_second_counts_and_one_to_come_does_not(link: Chainlink) -> None:
    link.rounds((PHASE + 1, 5, T - 90))
    at = link.evm.upcoming + 1
    for late, reason in ((1, "oracle: not yet"), (0, "")):
        here = link.evm.snapshot()
        link.rounds((PHASE + 2, 7, at + late))
        assert link.evm.upcoming == at
        assert link.register(PHASE + 2) == reason
        link.evm.revert(here)


def test_a_feed_that_no_contract_answers_for_knows_nothing(link: Chainlink) -> None:
    assert link.register(PHASE + 2, feed=Hash(b"\x77" * 20 + bytes(12))) == "reverted"
    assert link.register(PHASE + 2, feed=Hash(bytes(12) + b"\x77" * 20)) == "oracle: not yet"


@pytest.mark.parametrize("is_mild", [False, True])
def test_a_new_aggregator_begins_a_new_phase(link: Chainlink, is_mild: bool) -> None:
    tell(link.evm, link.proxy, "be_mild(bool)", is_mild)
    link.rounds((PHASE + 7, 5, T - 90), (PHASE + 8, 6, T - 30), (2 * PHASE + 1, 9, T + 10), (2 * PHASE + 2, 9, T + 20))

    assert link.register(2 * PHASE + 1) == "oracle: malformed"
    assert link.register(2 * PHASE + 1, PHASE + 7) == "oracle: bad oracle report"  # not the last of its phase
    assert link.register(2 * PHASE + 1, PHASE + 9) == "oracle: bad oracle report"  # there is none
    assert link.register(2 * PHASE + 2, PHASE + 8) == "oracle: bad oracle report"  # not the first
    assert link.register(2 * PHASE + 1, PHASE + 8) == ""

    assert link.ask("settlement") == (True, False, 9)


def test_while_the_old_aggregator_still_reports_it_counts(link: Chainlink) -> None:
    link.rounds((PHASE + 8, 6, T - 30), (PHASE + 9, 7, T + 5), (2 * PHASE + 3, 1, T - 40), (2 * PHASE + 4, 2, T + 1))

    assert link.register(2 * PHASE + 4, PHASE + 8) == "oracle: bad oracle report"
    assert link.register(2 * PHASE + 4, PHASE + 9) == "oracle: bad oracle report"
    assert link.register(PHASE + 9) == ""


@pytest.mark.parametrize(
    ("decimals", "answer", "expected"),
    [
        (8, 5 * 10**8, (True, False, 5 * SCALE)),
        (18, 5 * 10**18, (True, False, 5 * SCALE)),
        (0, 5, (True, False, 5 * SCALE)),
        (8, 0, (True, True, 0)),
        (8, -5, (True, True, 0)),
        (8, 2**63, (True, True, 0)),
        (0, 2**200, (True, True, 0)),
        (0, 2**255 - 1, (True, True, 0)),
        (8, 1, (True, False, 1)),
        (8, 2**63 - 1, (True, False, 2**63 - 1)),
        (36, 5 * 10**36, (True, False, 5 * SCALE)),
        (37, 5 * 10**37, (True, True, 0)),
        (77, 5, (True, True, 0)),
        (255, 5, (True, True, 0)),
        (18, 5, (True, True, 0)),
    ],
)
def test_answers_are_scaled_and_what_is_no_price_is_void(
    link: Chainlink, decimals: int, answer: int, expected: tuple[bool, bool, int]
) -> None:
    link.decimals(decimals)
    link.rounds((PHASE + 1, 5, T - 90), (PHASE + 2, answer, T))

    assert link.register(PHASE + 2) == ""

    assert link.ask("settlement") == expected
    assert link.ask("smile", T + 60)[:2] == (True, True)
    assert codec.decode(("uint80", "bool", "uint256"), link.logs[0].data) == (PHASE + 2, *expected[1:])


def test_a_channel_settles_by_an_aggregator(scene: Scene, link: Chainlink) -> None:
    channel = scene.opened()
    held = (Holding(Amount(100 * USD), Amount(0), Amount(100 * USD)),) * 2
    claim = position(1, option(link.adapter, 60_000, T, feed=link.feed), 0.1)
    state = channel.state(5, held, [claim])
    channel.do(channel.challenge(state))
    channel.wait()
    link.rounds((PHASE + 1, 59_000 * SCALE, T - 90), (PHASE + 2, 60_300 * SCALE, T + 7))
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    link.register(PHASE + 2)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (130 * USD, 70 * USD)


# --- pulled updates -------------------------------------------------------------------------------------------------

_FEED_TYPE = "(bytes32,(int64,uint64,int32,uint256),(int64,uint64,int32,uint256))"


def _update(price: int, published: int, before: int, feed: bytes = FEED, expo: int = -8) -> bytes:
    told = (price, 1, expo, published)
    return codec.encode((_FEED_TYPE, "uint64"), ((feed, told, told), before))


class Pull:
    """An adapter and the oracle it reads."""

    def __init__(self, scene: Scene) -> None:
        self.evm = scene.evm
        self.pyth = scene.evm.create(creation_code("Pyth"))
        self.adapter: Address = scene.evm.deploy(PULL_ORACLE, self.pyth)
        self.logs: tuple[Log, ...] = ()
        self.evm.travel(T + 1000)
        scene.evm.fund(scene.evm.sender)

    def register(self, *updates: bytes, value: int = 1, time: int = T) -> str:
        try:
            self.logs = self.evm.send(self.call(*updates, value=value, time=time)).logs
        except Reverted as refused:
            return str(refused)
        return ""

    def call(self, *updates: bytes, value: int = 1, time: int = T) -> Invocation:
        entry = entries(PULL_ORACLE)["register"]
        return Invocation(
            self.adapter, entry.selector + codec.encode(entry.inputs, (FEED, time, updates)), Amount(value)
        )

    def settlement(self) -> Any:
        return self.evm.ask(self.adapter, PULL_ORACLE, "settlement", FEED, T)

    def smile(self) -> Any:
        return self.evm.ask(self.adapter, PULL_ORACLE, "smile", FEED, T, T + 60)


@pytest.fixture
def pull(scene: Scene) -> Pull:
    return Pull(scene)


def test_the_first_update_at_or_after_the_time_settles(pull: Pull) -> None:
    assert pull.register(_update(5, T - 1, T - 2)).startswith("pyth")
    assert pull.register(_update(7, T + 2, T + 1)).startswith("pyth")  # one came before it
    assert pull.register(_update(7, T + 61, T - 1)).startswith("pyth")  # a minute is over
    assert pull.register(_update(7, T + 1, T - 1, feed=b"\6" * 32)).startswith("pyth")
    assert pull.settlement() == (False, False, 0)
    assert pull.smile()[:2] == (False, False)

    assert pull.register(_update(6, T + 1, T - 1)) == ""

    assert pull.settlement() == (True, False, 6)
    assert pull.register(_update(6, T + 1, T - 1)) == "oracle: exists already"


def test_the_fee_is_paid_and_no_more(pull: Pull) -> None:
    assert pull.register(_update(6, T, T - 1), value=0) == "oracle: insufficient balance"

    assert pull.register(_update(6, T, T - 1), value=500) == ""

    assert pull.evm.coins(pull.pyth) == 1
    assert pull.evm.coins(pull.adapter) == 0


def test_nothing_is_registered_before_its_time(pull: Pull) -> None:
    update = _update(6, T + 9000, T - 1)
    pull.evm.travel(T + 8999)
    assert pull.evm.refusal(pull.call(update, time=T + 9000)) == "oracle: not yet"
    pull.evm.travel(T + 9000)
    assert pull.evm.refusal(pull.call(update, time=T + 9000)) == ""


@pytest.mark.parametrize(
    ("feed", "after_s", "reason"),
    [
        (FEED, 0, ""),
        (FEED, 60, ""),
        (FEED, -1, "oracle: bad oracle report"),
        (FEED, 61, "oracle: bad oracle report"),
        (b"\6" * 32, 0, "oracle: bad oracle report"),
        (b"", 0, "oracle: bad oracle report"),
    ],
)
def test_what_the_oracle_answers_is_looked_at(pull: Pull, feed: bytes, after_s: int, reason: str) -> None:
    told = (5, 1, -8, T + after_s)
    answer = codec.encode((f"{_FEED_TYPE}[]",), ([(feed, told, told)] if feed else [],))
    tell(pull.evm, pull.pyth, "lie(bytes)", answer)

    assert pull.register(_update(5, T, T - 1)) == reason


@pytest.mark.parametrize(("count", "size", "is_taken"), [(2, 8192, True), (3, 352, False), (1, 8193, False)])
def test_updates_are_two_at_most_of_eight_kilobytes_each(pull: Pull, count: int, size: int, is_taken: bool) -> None:
    updates = [_update(6, T, T - 1).ljust(size, b"\0")] * count

    assert (pull.register(*updates, value=count) == "") == is_taken


def test_a_contract_that_takes_no_coins_registers_for_the_exact_fee(pull: Pull) -> None:
    wallet = pull.evm.create(creation_code("Wallet") + bytes(32))
    call = pull.call(_update(6, T, T - 1))
    data = keccak(b"execute(address,bytes)")[:4] + codec.encode(("address", "bytes"), (call.to, call.data))

    pull.evm.send(Invocation(wallet, data, Amount(1)))

    assert pull.settlement() == (True, False, 6)


@pytest.mark.parametrize(
    ("price", "expo", "expected"),
    [
        (5, 0, (True, False, 5 * SCALE)),
        (5 * 10**12, -12, (True, False, 5 * SCALE)),
        (5, -8, (True, False, 5)),
        (0, -8, (True, True, 0)),
        (-1, -8, (True, True, 0)),
        (5, -27, (True, True, 0)),
        (5, 11, (True, True, 0)),
        (5, 10, (True, False, 5 * 10**18)),
        (9 * 10**18, -26, (True, False, 9)),
        (5, 2**31 - 1, (True, True, 0)),
        (5, -(2**31), (True, True, 0)),
        (1, -8, (True, False, 1)),
        (2**63 - 1, -8, (True, False, 2**63 - 1)),
        (5, -9, (True, True, 0)),
        (2**62, 10, (True, True, 0)),
        (10**18, -7, (True, True, 0)),
    ],
)
def test_published_prices_are_scaled_and_what_is_no_price_is_void(
    pull: Pull, price: int, expo: int, expected: tuple[bool, bool, int]
) -> None:
    assert pull.register(_update(price, T, T - 1, expo=expo)) == ""

    assert pull.settlement() == expected
    assert pull.smile()[:2] == (True, True)
    assert codec.decode(("bool", "uint256"), pull.logs[0].data) == expected[1:]
