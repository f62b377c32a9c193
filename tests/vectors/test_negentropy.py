"""Conversations of the reference implementation with itself, byte for byte.

tests/vectors/negentropy_v1.json: github.com/hoytech/negentropy at 6edb041d, js/Negentropy.js, no frame limit. Item i
of n has time 1800000000 + 7 * (i // 3) and id SHA-256("thalweg " + i); each side lacks those whose i % mod is its own
number.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from thalweg.network.sync import negentropy, reconciling
from thalweg.network.sync.index import Index

CASES = json.loads((Path(__file__).parent / "negentropy_v1.json").read_text())


def _index(case: dict[str, Any], skipped: int) -> Index:
    return Index(
        (1_800_000_000 + i // 3 * 7, sha256(f"thalweg {i}".encode()).digest())
        for i in range(case["n"])
        if i % case["mod"] != skipped
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["n"]))
def test_every_message_is_read_and_written_as_the_reference_does(case: dict[str, Any]) -> None:
    for text in case["messages"]:
        message = bytes.fromhex(text)
        assert negentropy.encode(negentropy.decode(message)) == message


@pytest.mark.parametrize("case", [case for case in CASES if case["n"] >= 60], ids=lambda case: str(case["n"]))
def test_our_fingerprints_are_the_references(case: dict[str, Any]) -> None:
    client, server = _index(case, case["client_skips"]), _index(case, case["server_skips"])
    asked = bytes.fromhex(case["messages"][0])
    skipped = [each.bound for each in negentropy.decode(reconciling.answer(server, asked)) if each.is_skipped]
    theirs = [each.bound for each in negentropy.decode(bytes.fromhex(case["messages"][1])) if each.is_skipped]
    assert skipped == theirs
    assert all(each.is_skipped for each in negentropy.decode(reconciling.answer(client, asked)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["n"]))
def test_our_asker_learns_from_the_references_answers_what_it_learnt(case: dict[str, Any]) -> None:
    client, found = _index(case, case["client_skips"]), reconciling.Differences()
    for text in case["messages"][1::2]:
        reconciling.proceed(client, bytes.fromhex(text), found)
    assert (len(found.ours), len(found.theirs)) == (case["have"], case["need"])
