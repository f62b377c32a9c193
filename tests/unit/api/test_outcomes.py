import asyncio
from collections.abc import Iterable

import pytest

from thalweg.api.outcomes import LISTENERS_MAX, Outcomes
from thalweg.api.verdicts import Agreement, CallJudge, ClosingJudge, OfferJudge, OpeningJudge, OperationsJudge
from thalweg.channel.effects import Notify, Topic
from thalweg.errors import PeerFault, Reason, Unavailable, UserFault
from thalweg.units import ChannelId

CHANNEL, OTHER = ChannelId(b"\1" * 32), ChannelId(b"\2" * 32)
OFFER = "ab" * 32


def judged(judge: object, notices: Iterable[Notify]) -> object:
    """Return the first outcome a judge comes to, or None."""
    assert callable(judge)
    return next((outcome for notice in notices if (outcome := judge(notice)) is not None), None)


def accepted(first: int, last: int) -> Notify:
    return Notify(Topic.ACCEPTED, CHANNEL, request="r", numbers=(first, last))


def agreed(version: int, *numbers: int, detail: str = "") -> Notify:
    return Notify(Topic.AGREED, CHANNEL, version=version, numbers=numbers, detail=detail)


def refused(number: int) -> Notify:
    return Notify(Topic.REFUSED, CHANNEL, numbers=(number,), reason=Reason.INSUFFICIENT, detail="too much")


def test_operations_are_settled_by_the_state_that_holds_the_last_of_them() -> None:
    judge = OperationsJudge("r", CHANNEL, 1)
    notices = [agreed(3, 9, 9), accepted(4, 6), agreed(4, 9, 5), agreed(5, 9, 6)]
    assert judged(judge, notices) == Agreement(5, 3)


def test_operations_of_another_channel_or_request_settle_nothing() -> None:
    judge = OperationsJudge("r", CHANNEL, 0)
    stranger = Notify(Topic.ACCEPTED, CHANNEL, request="s", numbers=(1, 1))
    elsewhere = Notify(Topic.AGREED, OTHER, version=1, numbers=(9, 9))
    assert judged(judge, [stranger, elsewhere, agreed(1, 9, 9)]) is None


def test_one_refused_operation_of_several_is_reported_and_the_rest_agreed() -> None:
    outcome = judged(OperationsJudge("r", CHANNEL, 0), [accepted(1, 2), refused(1), agreed(1, 2, 0)])
    assert outcome == Agreement(1, 1, ("insufficient balance: too much",))


def test_a_request_whose_every_operation_is_refused_fails_with_the_reason() -> None:
    with pytest.raises(UserFault) as refusal:
        judged(OperationsJudge("r", CHANNEL, 0), [accepted(1, 2), refused(2), refused(1)])
    assert refusal.value.reason == Reason.INSUFFICIENT


def test_a_channel_that_goes_to_the_chain_ends_the_wait() -> None:
    stalled = Notify(Topic.STALLED, CHANNEL, detail="version 4 was not answered")
    with pytest.raises(Unavailable, match="not answered"):
        judged(OperationsJudge("r", CHANNEL, 0), [accepted(1, 1), stalled])


def test_an_offer_is_settled_by_the_state_that_names_it() -> None:
    made = Notify(Topic.ACCEPTED, CHANNEL, request="r", detail=OFFER)
    outcome = judged(OfferJudge("r", CHANNEL), [made, agreed(1, 0, 0), agreed(2, 0, 0, detail=f"{'cd' * 32} {OFFER}")])
    assert outcome == 2


def test_a_declined_offer_fails_with_what_the_taker_said() -> None:
    made = Notify(Topic.ACCEPTED, CHANNEL, request="r", detail=OFFER)
    no = Notify(Topic.OFFER_DECLINED, CHANNEL, reason=Reason.NO_CONSENT, detail=f"{OFFER} too dear")
    with pytest.raises(UserFault, match="too dear"):
        judged(OfferJudge("r", CHANNEL), [made, no])


def test_an_opening_is_settled_when_the_chain_shows_it_and_fails_when_declined() -> None:
    begun = Notify(Topic.ACCEPTED, CHANNEL, request="r")
    assert judged(OpeningJudge("r"), [begun, Notify(Topic.OPENED, OTHER), Notify(Topic.OPENED, CHANNEL)]) == CHANNEL
    with pytest.raises(UserFault, match="no money"):
        judged(OpeningJudge("r"), [begun, Notify(Topic.OPENING_DECLINED, CHANNEL, detail="no money")])


def test_a_call_gives_its_transaction_or_the_contracts_reason() -> None:
    judge = CallJudge(CHANNEL, "TopUp")
    assert (
        judged(
            judge,
            [Notify(Topic.CALL, CHANNEL, detail="OpenChannel 0xaa"), Notify(Topic.CALL, CHANNEL, detail="TopUp 0xbb")],
        )
        == "0xbb"
    )
    with pytest.raises(UserFault, match="adjudicator: expired"):
        judged(judge, [Notify(Topic.CALL, CHANNEL, detail="TopUp adjudicator: expired")])


def test_closing_together_fails_when_the_others_do_not_sign_and_this_node_goes_alone() -> None:
    begun = accepted(3, 3)
    assert judged(ClosingJudge("r", CHANNEL), [begun, Notify(Topic.CLOSED, CHANNEL)]) == "closed"
    with pytest.raises(PeerFault, match="alone"):
        judged(ClosingJudge("r", CHANNEL), [begun, Notify(Topic.STALLED, CHANNEL, detail="not signed")])
    assert judged(ClosingJudge("r", CHANNEL, disputed=True), [Notify(Topic.DISPUTED, CHANNEL)]) == "disputed"


def test_the_outcome_may_come_while_the_request_is_made() -> None:
    outcomes = Outcomes()

    async def work() -> str | None:
        notice = Notify(Topic.CLOSED, CHANNEL)
        return await outcomes.settle(lambda: outcomes.tell(notice), lambda heard: str(heard.topic), 1)

    assert asyncio.run(work()) == "closed"


def test_nothing_is_returned_when_the_time_is_up_and_nobody_listens_any_more() -> None:
    outcomes = Outcomes()

    async def work() -> object:
        return await outcomes.settle(lambda: None, lambda heard: True, 0)

    assert asyncio.run(work()) is None
    outcomes.tell(Notify(Topic.CLOSED, CHANNEL))


def test_a_request_that_cannot_be_made_raises_what_the_engine_said() -> None:
    outcomes = Outcomes()

    def refuse() -> None:
        raise UserFault(Reason.WRONG_PHASE, "closed")

    with pytest.raises(UserFault, match="closed"):
        asyncio.run(outcomes.settle(refuse, lambda heard: True, 1))


def test_the_number_of_those_who_wait_is_limited() -> None:
    async def work() -> None:
        outcomes = Outcomes()
        async with asyncio.TaskGroup() as tasks:
            waiting = [
                tasks.create_task(outcomes.settle(lambda: None, lambda heard: True, 60)) for _ in range(LISTENERS_MAX)
            ]
            await asyncio.sleep(0)
            with pytest.raises(UserFault) as refusal:
                await outcomes.settle(lambda: None, lambda heard: True, 60)
            assert refusal.value.reason == Reason.LIMIT
            outcomes.tell(Notify(Topic.CLOSED, CHANNEL))
            assert all([await task for task in waiting])

    asyncio.run(work())
