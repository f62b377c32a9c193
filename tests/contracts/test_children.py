"""Child channels: no deposits of their own, one outcome, mirrored by every parent."""

from typing import Any

import msgspec
import pytest
from eth_abi import abi as codec
from tests.contracts.claims import image, lock, option, position
from tests.contracts.compiled import creation_code
from tests.contracts.evm import Reverted, account
from tests.contracts.family import NOBODY, Kid, disputed, lending
from tests.contracts.scene import CHALLENGE_S, FEED, USD, Channel, Scene, State
from tests.contracts.surfaces import flat

from thalweg.chain.artefacts import ADJUDICATOR, RESOLVER, SUBCHANNELS, entries
from thalweg.chain.calls import Invocation
from thalweg.chain.children import Child, walked_hash
from thalweg.channel.claims import Claim, Condition, Subchannel
from thalweg.channel.hashes import state_digest
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import CloseOut
from thalweg.crypto import sign
from thalweg.instruments.closeout import Leaver, exit_amount
from thalweg.instruments.report import GRID_S, Mark
from thalweg.instruments.surface import smile_at
from thalweg.units import (
    SCALE,
    ZERO_HASH,
    Address,
    Amount,
    ChannelId,
    ClaimId,
    Hash,
    Price,
    Quantity,
    Seat,
    UnixSeconds,
)

DAY_S = 86_400
DECIDED = 2


def _virtual(scene: Scene, *, until_s: int = 10 * DAY_S, **changes: Any) -> tuple[Kid, Channel, Channel]:
    """Return a channel of alice and bob over hal, who has one with each; both lend it 30 and 20."""
    kid = Kid(scene, ("alice", "bob"), (30 * USD, 20 * USD), scene.evm.now() + until_s, **changes)
    return kid, scene.opened("alice", "hal"), scene.opened("hal", "bob")


def _lent(kid: Kid, parent: Channel) -> State:
    return lending(parent, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD))])


def _settle(parent: Channel, state: State) -> None:
    parent.wait() if parent.evm.now() < parent.deadline else None
    parent.do(parent.settlement(state))


def test_a_virtual_channel_is_exited_alone_and_the_hub_ends_where_it_began(scene: Scene) -> None:
    kid, near, far = _virtual(scene)
    one, two = _lent(kid, near), _lent(kid, far)
    newest = kid.state(9, (45 * USD, 5 * USD))
    disputed(near, one)
    kid.do(kid.challenge(newest, near, one))
    kid.wait()
    assert near.refusal(near.settlement(one)) == "claim: child not decided"

    kid.do(kid.settlement(newest))
    _settle(near, one)
    disputed(far, two)
    _settle(far, two)

    assert kid.outcome() == ((DECIDED, 45 * USD), (DECIDED, 5 * USD))
    hal = account("hal").address
    assert scene.balance(account("alice").address) == 115 * USD
    assert scene.balance(account("bob").address) == 85 * USD
    assert scene.balance(hal) == 200 * USD


def test_a_child_begins_with_its_opening_and_is_answered_with_its_newest_state(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    one = _lent(kid, near)
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near, one))
    middle, newest = kid.state(3, (0, 50 * USD)), kid.state(7, (40 * USD, 10 * USD))
    kid.do(kid.answer(middle))
    assert kid.refusal(kid.answer(middle)) == "adjudicator: stale version"

    kid.do(kid.answer(newest))
    assert kid.refusal(kid.settlement(newest)) == "adjudicator: not yet"
    kid.wait()
    assert kid.refusal(kid.answer(kid.final((0, 50 * USD)))) == "adjudicator: expired"
    assert kid.refusal(kid.settlement(middle)) == "adjudicator: wrong hash"
    kid.do(kid.settlement(newest))

    assert kid.outcome() == ((DECIDED, 40 * USD), (DECIDED, 10 * USD))


def test_a_child_nobody_signed_anything_in_ends_as_it_began(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    one = _lent(kid, near)
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near, one))
    kid.wait()

    kid.do(kid.settlement(kid.implicit()))
    _settle(near, one)

    assert near.wallets() == (100 * USD, 100 * USD)


def test_who_may_start_a_childs_dispute(scene: Scene) -> None:
    kid, near, far = _virtual(scene)
    one, two = _lent(kid, near), _lent(kid, far)
    start = kid.challenge(kid.implicit())
    assert kid.refusal(start) == "adjudicator: wrong phase"  # no parent, and not past `until`
    assert kid.refusal(kid.challenge(kid.implicit(), near, one)) == "adjudicator: wrong phase"

    disputed(near, one)
    assert kid.refusal(kid.challenge(kid.implicit(), far, two)) == "adjudicator: wrong phase"
    other = lending(near, (30 * USD, 20 * USD), [kid.claim(2, (0, 1), (30 * USD, 20 * USD))])
    assert kid.refusal(kid.challenge(kid.implicit(), near, other)) == "adjudicator: wrong hash"
    assert kid.refusal(kid.challenge(kid.implicit(), near, one)) == ""

    scene.evm.travel(kid.child.until)
    assert kid.refusal(start) == "adjudicator: wrong phase"
    scene.evm.travel(kid.child.until + 1)
    assert kid.refusal(start) == ""


def test_a_parents_claim_on_one_child_starts_no_other(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    stranger, _, _ = _virtual(scene)
    one = _lent(kid, near)
    disputed(near, one)
    posing = Kid.__new__(Kid)
    posing.__dict__.update(stranger.__dict__)
    good = kid.challenge(kid.implicit(), near, one)
    posing.child = msgspec.structs.replace(stranger.child, id=kid.child.id)  # only names the claim to point at

    assert kid.refusal(posing.challenge(posing.implicit(), near, one)) == "adjudicator: malformed"
    assert kid.refusal(good) == ""


@pytest.mark.parametrize(("index", "reason"), [(0, ""), (1, "adjudicator: wrong hash"), (2, "adjudicator: malformed")])
def test_the_claim_must_be_among_the_leaves(scene: Scene, index: int, reason: str) -> None:
    kid, near, _ = _virtual(scene)
    claims: list[Claim] = [kid.claim(1, (0, 1), (30 * USD, 20 * USD)), lock(2, 5, Condition((), UnixSeconds(0)))]
    state = lending(near, (30 * USD, 20 * USD), claims)
    disputed(near, state)

    shifted = _at_index(kid.challenge(kid.implicit(), near, state), index)

    assert kid.refusal(shifted) == reason


def _at_index(invocation: Invocation, index: int) -> Invocation:
    entry = entries(SUBCHANNELS)["challenge"]
    arguments = list(codec.decode(entry.inputs, invocation.data[4:]))
    parent = list(arguments[7])
    parent[5] = index
    arguments[7] = tuple(parent)
    return msgspec.structs.replace(invocation, data=entry.selector + codec.encode(entry.inputs, arguments))


@pytest.mark.parametrize("change", ["amounts", "salt", "until", "payouts", "alone", "assets"])
def test_a_childs_terms_bind_how_it_begins(scene: Scene, change: str) -> None:
    kid, near, _ = _virtual(scene)
    state = _lent(kid, near)
    disputed(near, state)
    child, terms = kid.child, kid.child.terms
    changed: dict[str, Child] = {
        "amounts": msgspec.structs.replace(child, amounts=(Amount(20 * USD), Amount(30 * USD))),
        "salt": msgspec.structs.replace(child, salt=Hash(bytes(32))),
        "until": msgspec.structs.replace(child, terms=msgspec.structs.replace(terms, nonce=terms.nonce % 2**192)),
        "payouts": msgspec.structs.replace(child, terms=msgspec.structs.replace(terms, payouts=terms.participants)),
        "alone": msgspec.structs.replace(
            child, terms=msgspec.structs.replace(terms, participants=terms.participants[:1])
        ),
        "assets": msgspec.structs.replace(child, terms=msgspec.structs.replace(terms, assets=terms.assets * 2)),
    }
    kid.child = changed[change]

    reason = "wrong hash" if change in ("amounts", "salt") else "malformed"
    assert kid.refusal(kid.challenge(kid.implicit(), near, state)) == f"adjudicator: {reason}"


def test_a_childs_id_can_never_be_opened_with_deposits(scene: Scene) -> None:
    kid, *_ = _virtual(scene)
    channel = scene.channel()
    channel.terms = kid.child.terms

    assert channel.refusal(channel.opening()) == "adjudicator: malformed"


def test_a_childs_states_are_worth_nothing_to_the_adjudicator_and_the_other_way(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    one = _lent(kid, near)
    disputed(near, one)
    foreign = near.state(8, (0, 200 * USD))
    shown = msgspec.structs.replace(kid.state(8, (0, 50 * USD)), signatures=foreign.signatures)

    assert kid.refusal(kid.challenge(shown, near, one)) == "adjudicator: wrong signer"
    for signers in ((), (kid.people[0],), kid.people[::-1]):
        unsigned = kid.state(8, (0, 50 * USD), signers=signers)
        assert kid.refusal(kid.challenge(unsigned, near, one)) == "adjudicator: wrong signer"


def test_an_outcome_is_fixed_once(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    one = _lent(kid, near)
    disputed(near, one)
    newest = kid.state(9, (45 * USD, 5 * USD))
    kid.do(kid.challenge(newest, near, one))
    assert kid.refusal(kid.challenge(newest, near, one)) == "adjudicator: wrong phase"
    kid.wait()
    kid.do(kid.settlement(newest))

    scene.evm.travel(kid.child.until + 1)
    for again in (kid.challenge(kid.implicit()), kid.answer(kid.final((0, 50 * USD)))):
        assert kid.refusal(again) == "adjudicator: wrong phase"
    assert kid.refusal(kid.settlement(newest)) == "adjudicator: wrong phase"
    assert kid.refusal(kid.call_off(newest)) == "adjudicator: wrong phase"
    assert scene.evm.ask(scene.subchannels, SUBCHANNELS, "dispute", kid.child.id) == 0


def test_only_the_resolver_decides(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    nothing = (0, ())
    for contract, name in ((scene.subchannels, SUBCHANNELS), (scene.adjudicator, ADJUDICATOR)):
        with pytest.raises(Reverted, match="wrong signer"):
            scene.evm.tell(contract, name, "apply", kid.child.id, ((), (), 0), (), (), nothing, 0, 0)
    assert near.view.opened


def test_positions_of_a_child_that_are_alive_at_its_end_close_at_the_mark(scene: Scene) -> None:
    kid, near, _ = _virtual(scene, until_s=2 * DAY_S)
    one = _lent(kid, near)
    soon, later = scene.evm.now() + DAY_S, scene.evm.now() + 200 * DAY_S
    short, long = option(scene.oracle, 60_000, soon), option(scene.oracle, 60_000, later)
    claims = [position(1, short, 0.01), position(2, long, 0.002)]
    held = [Holding(amount, Amount(0), amount) for amount in kid.child.amounts]
    state = kid.state(4, held, claims)
    disputed(near, one)
    kid.do(kid.challenge(state, near, one))
    kid.wait()
    kid.do(kid.settlement(state, upto=0))
    assert kid.refusal(kid.settlement(state)) == "claim: no oracle report"
    scene.evm.travel(soon)
    scene.speak(soon, 60_300 * SCALE)
    kid.do(kid.settlement(state, upto=1))
    assert kid.progress.deltas == (3 * USD, -3 * USD)
    assert kid.refusal(kid.settlement(state)) == "claim: no oracle report"
    tick = -(-kid.child.until // GRID_S) * GRID_S
    scene.evm.travel(tick)
    report = Mark(FEED, UnixSeconds(tick), Price(60_000 * SCALE), slices=(flat(later, 2 * 10**6, 60_500),))
    scene.evm.send(scene.marking(report))
    smile = smile_at(report, UnixSeconds(later))
    assert smile is not None

    kid.do(kid.settlement(state))
    _settle(near, one)

    worth = exit_amount(long, Quantity(SCALE // 500), smile, 0, Leaver.NEITHER)
    assert kid.outcome() == ((DECIDED, 33 * USD + worth), (DECIDED, 17 * USD - worth))
    assert near.wallets() == (103 * USD + worth, 97 * USD - worth)


def test_a_child_that_closes_out_at_the_mark_does_so_at_its_own_deadline(scene: Scene) -> None:
    kid, near, _ = _virtual(scene, close_out=CloseOut.MARK)
    one = _lent(kid, near)
    later = scene.evm.now() + 200 * DAY_S
    call = option(scene.oracle, 60_000, later)
    held = [Holding(amount, Amount(0), amount) for amount in kid.child.amounts]
    state = kid.state(4, held, [position(1, call, 0.005)])
    disputed(near, one)
    kid.do(kid.challenge(state, near, one))
    tick = -(-(scene.evm.now() + CHALLENGE_S) // GRID_S) * GRID_S
    scene.evm.travel(tick)
    report = Mark(FEED, UnixSeconds(tick), Price(60_000 * SCALE), slices=(flat(later, 2 * 10**6, 60_500),))
    scene.evm.send(scene.marking(report))

    kid.do(kid.settlement(state))

    smile = smile_at(report, UnixSeconds(later))
    assert smile is not None
    worth = exit_amount(call, Quantity(SCALE // 200), smile, 0, Leaver.NEITHER)
    assert kid.outcome()[0] == (DECIDED, 30 * USD + worth)


def test_a_lock_in_a_child_resolves_by_the_same_registry(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    one = _lent(kid, near)
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    held = [
        Holding(Amount(23 * USD), Amount(0), Amount(30 * USD)),
        Holding(Amount(20 * USD), Amount(0), Amount(20 * USD)),
    ]
    state = kid.state(4, held, [lock(1, 7 * USD, condition)])
    disputed(near, one)
    kid.do(kid.challenge(state, near, one))
    kid.wait()

    kid.do(kid.settlement(state))

    assert kid.outcome() == ((DECIDED, 23 * USD), (DECIDED, 27 * USD))


def test_a_childs_own_child_gives_its_lenders_their_own_back(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    one = _lent(kid, near)
    nested = Subchannel(
        ClaimId(1), scene.subchannels, ChannelId(b"\7" * 32), (Seat(0), Seat(1)), (Amount(9), Amount(4)), ZERO_HASH,
        UnixSeconds(2**60),
    )  # fmt: skip
    held = [Holding(Amount(10), Amount(0), Amount(30 * USD)), Holding(Amount(20), Amount(0), Amount(20 * USD))]
    state = kid.state(4, held, [nested])
    disputed(near, one)
    kid.do(kid.challenge(state, near, one))
    kid.wait()

    kid.do(kid.settlement(state))

    assert kid.outcome() == ((DECIDED, 50 * USD - 24), (DECIDED, 24))  # the rest is the lowest seat's


def test_a_child_that_nobody_disputes_gives_its_lenders_their_own_back_after_a_month(scene: Scene) -> None:
    kid, near, _ = _virtual(scene, until_s=400 * DAY_S)
    one = _lent(kid, near)
    disputed(near, one)
    scene.evm.travel(near.deadline + 30 * DAY_S)
    assert near.refusal(near.settlement(one)) == "claim: child not decided"
    scene.evm.travel(near.deadline + 30 * DAY_S + 1)

    near.do(near.settlement(one))

    assert near.wallets() == (100 * USD, 100 * USD)


def test_a_child_whose_claims_nobody_can_show_is_called_off_after_three_months(scene: Scene) -> None:
    kid, near, _ = _virtual(scene, until_s=2 * DAY_S)
    one = _lent(kid, near)
    junk = kid.state(4, (0, 50 * USD))
    junk = msgspec.structs.replace(junk, state=msgspec.structs.replace(junk.state, claims_root=Hash(b"\1" * 32)))
    signed = _signed(kid, junk)
    disputed(near, one)
    kid.do(kid.challenge(signed, near, one))
    scene.evm.travel(kid.child.until + 90 * DAY_S)
    assert kid.refusal(kid.call_off(signed)) == "adjudicator: not yet"
    scene.evm.travel(kid.child.until + 90 * DAY_S + 1)
    assert kid.refusal(kid.call_off(kid.implicit())) == "adjudicator: wrong hash"

    kid.do(kid.call_off(signed))
    near.do(near.settlement(one))

    assert kid.outcome() == ((DECIDED, 30 * USD), (DECIDED, 20 * USD))
    assert near.wallets() == (100 * USD, 100 * USD)


def test_a_child_that_is_stuck_in_the_middle_is_called_off_too(scene: Scene) -> None:
    kid, near, _ = _virtual(scene, until_s=2 * DAY_S)
    one = _lent(kid, near)
    never = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 4000 * DAY_S))
    now = Condition((), UnixSeconds(0))
    held = [
        Holding(Amount(20 * USD), Amount(0), Amount(30 * USD)),
        Holding(Amount(20 * USD), Amount(0), Amount(20 * USD)),
    ]
    state = kid.state(4, held, [lock(1, 5 * USD, now), lock(2, 5 * USD, never)])
    disputed(near, one)
    kid.do(kid.challenge(state, near, one))
    kid.wait()
    kid.do(kid.settlement(state, upto=1))
    assert kid.refusal(kid.settlement(state)) == "preimages: not yet"
    scene.evm.travel(kid.child.until + 90 * DAY_S + 1)
    assert kid.refusal(kid.call_off(state)) == "adjudicator: wrong hash"

    kid.do(kid.call_off(state, walked_hash(kid.progress)))

    assert kid.outcome() == ((DECIDED, 30 * USD), (DECIDED, 20 * USD))


def _signed(kid: Kid, state: State) -> State:
    message = state_digest(kid.separator, state.state)
    return msgspec.structs.replace(state, signatures=tuple(sign(one.key, message) for one in kid.people))


@pytest.mark.parametrize("is_met", [True, False])
def test_a_conditional_loan_stands_or_goes_back(scene: Scene, is_met: bool) -> None:
    kid, near, _ = _virtual(scene)
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    one = lending(near, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD), condition)])
    if is_met:
        scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    disputed(near, one)
    newest = kid.state(9, (45 * USD, 5 * USD))
    kid.do(kid.challenge(newest, near, one))
    kid.wait()
    kid.do(kid.settlement(newest))

    _settle(near, one)

    assert near.wallets() == ((115 * USD, 85 * USD) if is_met else (100 * USD, 100 * USD))


def test_a_room_over_a_hub_with_one_parent_a_participant(scene: Scene) -> None:
    kid = Kid(scene, ("alice", "bob", "carol"), (10 * USD, 20 * USD, 30 * USD), scene.evm.now() + DAY_S)
    parents = [scene.opened(name, "hal") for name in ("alice", "bob", "carol")]
    lent = [(begun, 60 * USD - begun) for begun in kid.child.amounts]
    states = [
        lending(parent, loan, [kid.claim(1, (seat, NOBODY), loan)])
        for seat, (parent, loan) in enumerate(zip(parents, lent, strict=True))
    ]
    newest = kid.state(9, (60 * USD, 0, 0))
    disputed(parents[0], states[0])
    kid.do(kid.challenge(newest, parents[0], states[0]))
    kid.wait()
    kid.do(kid.settlement(newest))

    for parent, state in zip(parents, states, strict=True):
        if parent.view.dispute is None:
            disputed(parent, state)
        _settle(parent, state)

    assert [parent.wallets()[0] for parent in parents] == [150 * USD, 80 * USD, 70 * USD]
    assert scene.balance(account("hal").address) == 300 * USD


def test_a_room_within_a_room(scene: Scene) -> None:
    kid = Kid(scene, ("bob", "carol"), (10 * USD, 10 * USD), scene.evm.now() + DAY_S)
    room = scene.opened("alice", "bob", "carol", amounts=(100 * USD,) * 3)
    lent = (0, 10 * USD, 10 * USD)
    state = lending(room, lent, [kid.claim(1, (NOBODY, 0, 1), lent)])
    newest = kid.state(9, (3 * USD, 17 * USD))
    disputed(room, state)
    kid.do(kid.challenge(newest, room, state))
    kid.wait()
    kid.do(kid.settlement(newest))

    _settle(room, state)

    assert room.wallets() == (100 * USD, 93 * USD, 107 * USD)


def test_a_child_of_two_assets_pays_each_in_its_own(scene: Scene) -> None:
    gold = scene.evm.create(creation_code("SilentToken"))
    assets = (scene.token, gold)
    kid = Kid(scene, ("alice", "bob"), (5, 6, 7, 8), scene.evm.now() + DAY_S, assets=(gold, scene.token))
    parent = scene.opened("alice", "bob", assets=assets, amounts=(100, 200, 100, 200))
    lent = (6, 5, 8, 7)  # the parent has its assets in the other order
    state = lending(parent, lent, [kid.claim(1, (0, 1), lent)])
    newest = kid.state(9, (12, 1, 0, 13))
    disputed(parent, state)
    kid.do(kid.challenge(newest, parent, state))
    kid.wait()
    kid.do(kid.settlement(newest))

    _settle(parent, state)

    assert parent.wallets() == (95, 105)
    assert [scene.balance(one, gold) for one in parent.terms.payouts] == [207, 193]


@pytest.mark.parametrize("balances", [(90 * USD, 70 * USD), (0, 0), (50 * USD, 50 * USD)])
def test_a_parent_pays_no_more_than_it_lent_and_no_less(scene: Scene, balances: tuple[int, int]) -> None:
    kid, near, _ = _virtual(scene)
    one = _lent(kid, near)
    disputed(near, one)
    newest = kid.state(9, balances)
    kid.do(kid.challenge(newest, near, one))
    kid.wait()
    kid.do(kid.settlement(newest))

    _settle(near, one)

    assert sum(near.wallets()) == 200 * USD
    assert 70 * USD <= near.wallets()[0] <= 120 * USD


def test_a_judge_that_does_not_exist_locks_nobody_for_ever(scene: Scene) -> None:
    kid, near, _ = _virtual(scene)
    claim = msgspec.structs.replace(kid.claim(1, (0, 1), (30 * USD, 20 * USD)), judge=Address(b"\x66" * 20))
    one = lending(near, (30 * USD, 20 * USD), [claim])
    disputed(near, one)
    scene.evm.travel(near.deadline + 30 * DAY_S + 1)

    near.do(near.settlement(one))

    assert near.wallets() == (100 * USD, 100 * USD)
