"""Static analysis in place of Slither: every finding has its reason here, and every reason its finding."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from tests.contracts.detectors import Finding, findings, internal_functions, reached

from thalweg.chain.artefacts import NAMES, TEST_TOKEN
from thalweg.contracts.build import SOURCES

# By detector and place, `*` for anything: why it is harmless.
EXPLAINED = {
    ("reentrancy", "Adjudicator.* self.claimable"): "grows by a payout that failed, the last thing that happens to it",
    ("reentrancy", "PullOracle.register: self._reports"): "only Pyth could call back, and it names the price anyway",
    ("calls-loop", "Adjudicator.open*"): "at most 16 payers, who all signed; one that reverts spoils his own opening",
    ("calls-loop", "payments.*"): "at most 64 payouts, each with bounded gas; one that fails becomes claimable",
    ("calls-loop", "Batch.call_all"): "what a batch is; a call that fails leaves the others alone",
    ("unchecked-lowlevel", "tokens._pull"): "a permit may be used already; transferFrom decides",
    ("missing-zero-check", "*"): "given once, by `deploy`; a contract that is nobody's holds nothing",
    ("raw_create", "surface._store"): "a surface's data as code, behind a STOP: nothing runs in it (decision 80)",
    ("divide-before-multiply", "Resolver._court"): "the next point of the grid",
    ("unchecked-arithmetic", "fixed.*"): "arguments are bounded; tests compare with mpmath over the whole domain",
    ("unchecked-arithmetic", "black.*"): "below 2^63 times 2^96; the same tests",
    ("unchecked-arithmetic", "svi.*"): "below 2^230 for sound parameters, as the source works out; the same tests",
    ("unchecked-arithmetic", "cells.*"): "sums of a few numbers of 128 bits; one is meant modulo 2^256",
    ("unchecked-arithmetic", "payoffs.*"): "`_are_payable` bounds each factor; tests compare with `instruments`",
    ("unchecked-arithmetic", "valuation._amount"): "the same bounds",
    ("unchecked-arithmetic", "payments.*"): "`paid` is at most `left`",
    ("unchecked-arithmetic", "quotes.*"): "an expiry of 64 bits and a few minutes",
    ("unchecked-arithmetic", "TestToken.*"): "no balance exceeds the supply, which is checked",
}


@pytest.fixture(scope="module")
def found() -> set[Finding]:
    return {finding for name in NAMES for finding in findings(name)}


def _explains(reason: tuple[str, str], finding: Finding) -> bool:
    return reason[0] == finding.detector and fnmatchcase(finding.place, reason[1])


def test_every_finding_is_explained(found: set[Finding]) -> None:
    assert not sorted(item for item in found if not any(_explains(reason, item) for reason in EXPLAINED))


def test_every_explanation_explains_something(found: set[Finding]) -> None:
    assert not [reason for reason in EXPLAINED if not any(_explains(reason, item) for item in found)]


def test_a_contract_that_does_everything_wrong_is_found_out() -> None:
    everything = {
        "calls-loop", "controlled-delegatecall", "create_minimal_proxy_to", "divide-before-multiply", "events",
        "incorrect-equality", "missing-zero-check", "msg-value-loop", "reentrancy", "tx-origin", "unchecked-arithmetic",
        "unchecked-lowlevel", "unused-return", "weak-prng",
    }  # fmt: skip
    found = findings("Sinner", Path(__file__).parent / "sources")
    assert {item.detector for item in found} == everything
    assert Finding("reentrancy", "Sinner.pay: self.owed") in found
    assert Finding("reentrancy", "Sinner.pay_in_order: self.owed") not in found


def test_no_function_is_dead_code() -> None:
    assert internal_functions() <= set().union(*(reached(name) for name in NAMES))


# Where it matters who calls: no owner, no pause, no upgrade, no key of an administrator, no switch of fees.
ASKED_WHO_THEY_ARE = {
    "Adjudicator.deposit": "pays out of his own wallet; the participant's payout address needs no signature",
    "Adjudicator.apply": "the resolver, which was named at construction for good",
    "Subchannels.apply": "the same",
    "payments.collect": "the payee, of what is his",
    "PullOracle.register": "gets back what is over of the fee that he sent",
}


def test_nobody_has_rights_that_others_lack() -> None:
    asked, forbidden = set(), set()
    for path in SOURCES.glob("*.vy"):
        for name, body in re.findall(r"^def (\w+)\((.*?)(?=^@|\Z)", path.read_text(), re.MULTILINE | re.DOTALL):
            if path.stem != TEST_TOKEN and "msg.sender" in body:
                asked.add(f"{path.stem}.{name}")
            if re.search(r"is_delegate_call|selfdestruct|tx\.origin", body):
                forbidden.add(f"{path.stem}.{name}")
    assert asked == ASKED_WHO_THEY_ARE.keys()
    assert not forbidden
