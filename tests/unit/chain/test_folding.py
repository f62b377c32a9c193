"""What an RPC may say of a channel that no contract ever said: refused before a view is made of it."""

from typing import Any

import pytest

from thalweg.chain import abi
from thalweg.chain.artefacts import ADJUDICATOR, entries
from thalweg.chain.calls import CELLS_MAX, TIME_MAX, Log, fold
from thalweg.channel.claims import CLAIMS_MAX
from thalweg.channel.onchain import View
from thalweg.channel.terms import PARTICIPANTS_MAX
from thalweg.errors import InvariantBroken
from thalweg.units import AMOUNT_MAX, Address, UnixSeconds

HASH = bytes(32)
CHALLENGED = (3, HASH, HASH, 1, 2_000)


def log(event: str, *members: Any) -> Log:
    entry = entries(ADJUDICATOR)[event]
    kinds = [kind for kind, indexed in zip(entry.inputs, entry.indexed, strict=True) if not indexed]
    return Log(Address(bytes(20)), (entry.hash, HASH), abi.encode(kinds, members))


def folded(*logs: Log) -> View:
    view = View()
    for said in logs:
        view = fold(view, said)
    return view


OPENED = log("Opened", (5, 6))


@pytest.mark.parametrize(
    "story",
    [
        (log("Opened", ()),),
        (log("Opened", (5,)),),
        (log("Opened", (1,) * (CELLS_MAX + 1)),),
        (log("Opened", (5, AMOUNT_MAX + 1)),),
        (OPENED, log("Deposited", 2, 1)),
        (OPENED, log("Deposited", 0, AMOUNT_MAX)),
        (OPENED, log("Withdrawn", 1, ())),
        (OPENED, log("Withdrawn", 1, (1,))),
        (OPENED, log("Withdrawn", 1, (1, AMOUNT_MAX + 1))),
        (OPENED, log("Challenged", 3, HASH, HASH, PARTICIPANTS_MAX, 2_000)),
        (OPENED, log("Challenged", 3, HASH, HASH, 1, TIME_MAX + 1)),
        (OPENED, log("Challenged", *CHALLENGED), log("Progressed", (1, 1), (1, ()))),
        (OPENED, log("Challenged", *CHALLENGED), log("Progressed", (1, 1), (1, ((0, 0),) * 3))),
        (OPENED, log("Challenged", *CHALLENGED), log("Progressed", (1,), (1, ((0, 0),) * 2))),
        (OPENED, log("Challenged", *CHALLENGED), log("Progressed", (1, 1), (CLAIMS_MAX + 1, ((0, 0),) * 2))),
    ],
)  # fmt: skip
def test_a_log_that_no_contract_sends_is_refused(story: tuple[Log, ...]) -> None:
    with pytest.raises(InvariantBroken):
        folded(*story)


def test_the_same_story_told_rightly_is_a_view() -> None:
    view = folded(
        log("Opened", (1,) * CELLS_MAX), log("Challenged", 3, HASH, HASH, PARTICIPANTS_MAX - 1, TIME_MAX)
    )  # fmt: skip
    assert view.dispute is not None
    assert view.dispute.deadline == UnixSeconds(TIME_MAX)
    walked = folded(OPENED, log("Challenged", *CHALLENGED), log("Progressed", (1, 2), (CLAIMS_MAX, ((-1, 0), (1, 4)))))
    assert walked.withdrawn == (1, 2)
    assert walked.dispute is not None
    assert (walked.dispute.progress.deltas, walked.dispute.progress.escrow) == ((-1, 1), (0, 4))
