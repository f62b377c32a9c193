"""docs/contracts.md holds: what is made is made anew, the example is recomputed, the diagram is tried out, and every
test that an invariant or a threat names exists."""

import importlib.util
import re
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.contracts.reference import words
from tests.contracts.reference.accounts import Account, Dispute
from tests.contracts.scene import USD, Scene, State
from tests.vectors import test_eip712 as example

from thalweg.chain.artefacts import NAMES, TEST_TOKEN, load
from thalweg.channel import hashes
from thalweg.channel.sheet import ChannelState
from thalweg.channel.terms import CloseOut, Terms
from thalweg.codec import Domain
from thalweg.contracts.build import SOURCES
from thalweg.crypto import keccak
from thalweg.units import Amount, AssetIndex, ChannelId, Hash, Version

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "contracts.md"
DEADLINE: Final = 1_780_003_600


def _tables() -> Any:
    spec = importlib.util.spec_from_file_location("contract_tables", ROOT / "docs" / "contract_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_made_is_what_the_page_has() -> None:
    assert _tables().renewed(PAGE.read_text()) == PAGE.read_text(), "run python docs/contract_tables.py"


def test_every_test_that_an_invariant_or_a_threat_names_exists() -> None:
    claimed = PAGE.read_text().partition("## Invariants")[2]
    named = set(re.findall(r"`(test_\w+)`", claimed))
    known = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) > 25
    assert named <= known


def test_the_page_names_every_function_and_event() -> None:
    page = PAGE.read_text()
    ours = chain.from_iterable(load(name).abi for name in NAMES if name != TEST_TOKEN)
    named = {str(entry["name"]) for entry in ours if entry["type"] in ("function", "event")}
    assert len(named) > 40
    assert sorted(name for name in named if not re.search(rf"`{name}[(`]", page)) == []


def test_the_page_gives_every_reason_that_a_contract_refuses_for() -> None:
    sources = (path.read_text() for path in SOURCES.glob("*.vy") if path.stem != TEST_TOKEN)
    said = set(re.findall(r'"([a-z]+: [a-z ]+)"', "".join(sources)))
    given = PAGE.read_text().partition("### Refusals")[2].partition("### Limits")[0]
    assert len(said) > 25
    assert set(re.findall(r"`([a-z]+: [a-z ]+)`", given)) == said


def test_the_page_gives_every_limit_as_the_sources_do() -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `(\w+)\.(\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) > 30
    for given, module, name in rows:
        (said,) = re.findall(
            rf"^{name}: constant\(\w+\) = ([^#\n]+)", (SOURCES / f"{module}.vy").read_text(), re.MULTILINE
        )
        assert _number(given) == _number(said), f"{module}.{name}"


def _number(text: str) -> int:
    """Return what an arithmetic expression comes to."""
    return int(eval(text.replace("^", "**").replace(",", ""), {"__builtins__": {}}))


def words_of_the_example() -> dict[str, str]:
    """Return the words of protocol.md's channel, opened and then challenged with version 7 by participant 0."""
    values = {name: bytes.fromhex(value[2:]) for name, value in example.vectors().items()}
    terms = Terms(
        (example.A, example.B), (example.A, example.B), (example.TOKEN,), AssetIndex(0), 3600, CloseOut.EXPIRY, 0,
        example.ORACLE, Hash(keccak(b"risk parameters")), 1,
    )  # fmt: skip
    shown = ChannelState(ChannelId(values["Terms"]), Version(7), Hash(values["Balances"]), Hash(values["claims root"]))
    state = State(shown, (), (), example.EXPIRY, ())
    account = Account(terms, [100_000_000, 50_000_000], [0, 0])
    opened = words.of(account)[0]
    account.dispute = Dispute(state, DEADLINE, 0)
    funding, dispute = words.of(account)
    account.dispute = Dispute(state, DEADLINE, 0, 2, [-7, 7], [5_000_000, 0])
    walked = words.of(account)[1]
    account.dispute, account.lowest, account.withdrawn = None, 8, [40_000_000, 0]
    found = {
        "`funding`, opened": opened,
        "`funding`, disputed": funding,
        "`dispute`": dispute,
        "`dispute`, two claims resolved": walked,
        "`funding`, resumed at version 8, 40000000 withdrawn": words.of(account)[0],
        "nonce of terms that participants 0 and 1 pay for, its high half 1": hashes.opening_nonce(1, terms.payouts),
        **_child_of_the_example(terms, shown.channel_id),
    }
    return {name: f"0x{value:064x}" for name, value in found.items()}


def _child_of_the_example(parents_terms: Terms, parent: ChannelId) -> dict[str, int]:
    """Return what the id of a child of the same people is made of."""
    separator = Domain(31337, example.JUDGE).separator()
    opening = hashes.child_opening((Amount(1_000_000), Amount(2_000_000)), (parent,), Hash(keccak(b"salt")))
    nonce = hashes.child_nonce(opening, example.EXPIRY)
    terms = msgspec.structs.replace(parents_terms, payouts=(), nonce=nonce)
    number = hashes.channel_id(separator, terms)
    found = {"opening": int.from_bytes(opening), "nonce": nonce, "separator": int.from_bytes(separator)}
    return {f"child: {name}": value for name, value in {**found, "id": int.from_bytes(number)}.items()}


def test_the_page_states_every_word_of_the_example() -> None:
    page = PAGE.read_text()
    assert bytes(32) == hashes.NO_CLAIMS
    assert [name for name, value in words_of_the_example().items() if f"| {name} | `{value}` |" not in page] == []


@pytest.mark.parametrize("phase", ["Open", "Disputed", "Closed"])
def test_the_diagram_is_what_the_contract_allows(scene: Scene, phase: str) -> None:
    channel = scene.opened()
    shown, newer = channel.state(5, (100 * USD, 100 * USD)), channel.state(6, (90 * USD, 110 * USD))
    final = channel.closing(channel.final((100 * USD, 100 * USD)))
    top_up, withdrawal = channel.top_up(0, 0), channel.withdrawal(shown)
    if phase != "Open":
        channel.do(channel.challenge(shown))
    calls = {
        "open": channel.invocation(channel.opening()),
        "deposit": channel.invocation(top_up),
        "withdraw": channel.invocation(withdrawal),
        "challenge": channel.invocation(channel.challenge(newer)),
        "respond": channel.invocation(channel.answer(newer)),
        "close": channel.invocation(final),
    }
    if phase == "Disputed":
        signatures = channel.resume_signatures(6, channel.deadline)
        calls["resume"] = channel.resumption(6, signatures)
    settlement = channel.invocation(channel.settlement(shown)) if phase == "Disputed" else None
    if phase == "Closed":
        channel.do(final)
    allowed = {name for name, call in calls.items() if not scene.evm.refusal(call)}
    if settlement is not None:
        channel.wait()
        allowed |= {"settle", "resolve"} if not scene.evm.refusal(settlement) else set()

    drawn = {name for start, _, names, _ in _tables().MOVES if start == phase for name in names.split(", ") if name}
    assert allowed == drawn
