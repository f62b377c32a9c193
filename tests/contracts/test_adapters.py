"""Oracles of other makes: the first price at or after a time, and nobody chooses another one."""

from typing import Any

import pytest
from eth_abi import abi as codec
from tests.contracts.claims import option, position
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import Reverted
from tests.contracts.scene import USD, Scene

from thalweg.chain.artefacts import AGGREGATOR_ORACLE, PULL_ORACLE, entries
from thalweg.chain.calls import Invocation
from thalweg.channel.sheet import Holding
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
        self.decimals(8)
        self.evm.travel(T + 1000)

    def decimals(self, count: int) -> None:
        tell(self.evm, self.proxy, "set_decimals(uint8)", count)

    def rounds(self, *rounds: tuple[int, int, int]) -> None:
        for number, answer, updated in rounds:
            tell(self.evm, self.proxy, "transmit(uint80,int256,uint256)", number, answer, updated)

    def register(self, number: int, ended: int = 0, time: int = T) -> str:
        try:
            self.evm.tell(self.adapter, AGGREGATOR_ORACLE, "register", self.feed, time, number, ended)
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
        (77, 5, (True, True, 0)),
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
        self.evm.travel(T + 1000)
        scene.evm.fund(scene.evm.sender)

    def register(self, *updates: bytes, value: int = 1, time: int = T) -> str:
        entry = entries(PULL_ORACLE)["register"]
        data = entry.selector + codec.encode(entry.inputs, (FEED, time, updates))
        try:
            self.evm.send(Invocation(self.adapter, data, Amount(value)))
        except Reverted as refused:
            return str(refused)
        return ""

    def settlement(self) -> Any:
        return self.evm.ask(self.adapter, PULL_ORACLE, "settlement", FEED, T)


@pytest.fixture
def pull(scene: Scene) -> Pull:
    return Pull(scene)


def test_the_first_update_at_or_after_the_time_settles(pull: Pull) -> None:
    assert pull.register(_update(5, T - 1, T - 2)).startswith("pyth")
    assert pull.register(_update(7, T + 2, T + 1)).startswith("pyth")  # one came before it
    assert pull.register(_update(7, T + 61, T - 1)).startswith("pyth")  # a minute is over
    assert pull.register(_update(7, T + 1, T - 1, feed=b"\6" * 32)).startswith("pyth")
    assert pull.settlement() == (False, False, 0)

    assert pull.register(_update(6, T + 1, T - 1)) == ""

    assert pull.settlement() == (True, False, 6)
    assert pull.register(_update(6, T + 1, T - 1)) == "oracle: exists already"


def test_the_fee_is_paid_and_no_more(pull: Pull) -> None:
    assert pull.register(_update(6, T, T - 1), value=0) == "oracle: insufficient balance"

    assert pull.register(_update(6, T, T - 1), value=500) == ""

    assert pull.evm.coins(pull.pyth) == 1
    assert pull.evm.coins(pull.adapter) == 0


def test_nothing_is_registered_before_its_time(pull: Pull) -> None:
    assert pull.register(_update(6, T + 9000, T - 1), time=T + 9000) == "oracle: not yet"


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
        (5, -9, (True, True, 0)),
        (2**62, 10, (True, True, 0)),
    ],
)
def test_published_prices_are_scaled_and_what_is_no_price_is_void(
    pull: Pull, price: int, expo: int, expected: tuple[bool, bool, int]
) -> None:
    assert pull.register(_update(price, T, T - 1, expo=expo)) == ""

    assert pull.settlement() == expected
    assert pull.evm.ask(pull.adapter, PULL_ORACLE, "smile", FEED, T, T + 60)[:2] == (True, True)
