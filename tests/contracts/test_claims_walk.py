"""The resolver alone, asked directly: random books in random runs, and every way to tamper with a run."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.claims import curves, image, option, position
from tests.contracts.compiled import creation_code
from tests.contracts.evm import Reverted
from tests.contracts.reference.books import settled
from tests.contracts.scene import SECRET, Scene
from tests.contracts.walk import HELD, NO_PROGRESS, RUN_MAX, TOTALS, Progress, Walk

from thalweg.chain.calls import claim_words
from thalweg.channel.claims import Condition, Position
from thalweg.channel.hashes import claim_hash, leaf, leaf_salt, merkle_range, merkle_root
from thalweg.channel.sheet import Holding
from thalweg.codec import word
from thalweg.crypto import keccak
from thalweg.instruments.terms import Instrument, Payoff, knot
from thalweg.units import Address, Amount, ClaimId, Hash, Price, Quantity, Seat, UnixSeconds


@pytest.fixture(scope="module")
def walk(deployed: Scene) -> Walk:
    return Walk(deployed, deployed.evm.create(creation_code("PriceInFeed")))


def _book(walk: Walk, count: int) -> tuple[Position, ...]:
    feed = Hash(word(60_000 * 10**8))
    return tuple(
        position(number, option(walk.oracle, 59_900 + number, 1, feed=feed), 0.001 * number)
        for number in range(1, count + 1)
    )


@st.composite
def books(draw: st.DrawFn, oracle: Address, seats: int) -> tuple[Position, ...]:
    """Return up to 20 positions between `seats` people at up to 3 prices."""
    priced = draw(st.lists(st.integers(1, 2**40), min_size=1, max_size=3))
    claims = []
    for number in range(1, draw(st.integers(1, 20)) + 1):
        payoff = draw(st.sampled_from((Payoff.CALL, Payoff.PUT, Payoff.CURVE)))
        knots = draw(curves()) if payoff == Payoff.CURVE else (draw(st.integers(1, 2**40)),)
        feed = Hash(word(draw(st.sampled_from(priced))))
        instrument = Instrument(payoff, oracle, feed, UnixSeconds(60), 10**6, knots)
        long, short = draw(st.permutations(range(seats)))[:2]
        quantity = Quantity(draw(st.integers(0, 10**9)))
        claims.append(Position(ClaimId(number), Seat(long), Seat(short), quantity, instrument))
    return tuple(claims)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seats=st.integers(2, 4))
def test_random_books_in_random_runs_pay_what_the_model_says(walk: Walk, data: st.DataObject, seats: int) -> None:
    claims = data.draw(books(walk.oracle, seats))
    totals, holdings = [], []
    for _ in range(seats):
        deposited, withdrawn = data.draw(st.integers(0, 10**9)), data.draw(st.integers(0, 10**9))
        totals.append((deposited + withdrawn, withdrawn))
        free = data.draw(st.integers(0, deposited))
        holdings.append(Holding(Amount(deposited), Amount(free), Amount(deposited + withdrawn), Amount(withdrawn)))
    prices = {claim.instrument.feed: Price(int.from_bytes(claim.instrument.feed)) for claim in claims}
    expected = settled(holdings, totals, claims, prices)

    cuts = sorted(data.draw(st.sets(st.integers(0, len(claims)), max_size=4)) | {0, len(claims)})
    cuts = sorted({*cuts, *range(RUN_MAX, len(claims), RUN_MAX)})
    progress, paid, chain = NO_PROGRESS, [0] * seats, list(totals)
    for _, upto in pairwise(cuts):
        progress, due = walk.resolve(claims, holdings, chain, progress, upto)
        paid = [before + now for before, now in zip(paid, due, strict=True)]
        chain = [(inward, outward + now) for (inward, outward), now in zip(chain, due, strict=True)]

    assert tuple(paid) == expected
    assert sum(paid) == sum(inward - outward for inward, outward in totals)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 33])
def test_every_run_of_every_tree_proves_itself(walk: Walk, count: int) -> None:
    claims = _book(walk, count)
    starts = range(count) if count <= 8 else range(0, count, 8)
    for start in starts:
        for stop in range(start + 1, min(count, start + RUN_MAX) + 1, 1 if count <= 8 else 5):
            progress: Progress = (start, [(0, 0)] * 2 if start else ())
            walked, _ = walk.resolve(claims, HELD, TOTALS, progress, stop)
            assert walked[0] == stop


def test_an_omitted_repeated_or_reordered_leaf_is_refused(walk: Walk) -> None:
    claims = _book(walk, 6)
    words = [claim_words(one, leaf_salt(SECRET, one.id)) for one in claims]

    for run in (
        [words[0], words[2]],  # one left out
        [words[0], words[0]],
        [words[1], words[0]],
        [words[1], words[2]],  # not from the cursor
        [*words[:2], b""],
    ):
        with pytest.raises(Reverted):
            walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, 2, run=run)
    walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, 2, run=words[:2])


def test_a_run_cannot_go_beyond_the_leaves_or_claim_another_count(walk: Walk) -> None:
    claims = _book(walk, 3)
    root = merkle_root(tuple(leaf(claim, SECRET) for claim in claims))

    for count in (2, 4, 257):
        with pytest.raises(Reverted):
            walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, 3, tree=(count, 0, root))


def test_nobody_adds_claims_of_his_own_to_those_of_the_state(walk: Walk) -> None:
    own, added = _book(walk, 2)
    words = [claim_words(one, leaf_salt(SECRET, one.id)) for one in (own, added)]

    with pytest.raises(Reverted, match="claims: malformed"):
        walk.resolve((own,), HELD, TOTALS, NO_PROGRESS, 1, run=words)


def test_a_tree_of_more_claims_than_a_state_may_have_is_refused(walk: Walk) -> None:
    claims = _book(walk, 256)
    root = merkle_root(tuple(leaf(claim, SECRET) for claim in claims))

    with pytest.raises(Reverted, match="claims: malformed"):
        walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, RUN_MAX, tree=(257, 0, root))


def test_a_run_is_of_eight_claims_at_most(walk: Walk) -> None:
    claims = _book(walk, RUN_MAX + 1)

    with pytest.raises(Reverted):
        walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, RUN_MAX + 1)


@pytest.mark.parametrize("hashes", [8, 9])
def test_a_claim_is_of_forty_words_at_most(walk: Walk, hashes: int) -> None:
    knots = tuple(knot(Price(x), x) for x in range(16))
    curve = Instrument(Payoff.CURVE, walk.oracle, Hash(word(5)), UnixSeconds(60), 10**6, knots)
    never = Condition(tuple(image(bytes([one]) * 32) for one in range(hashes)), UnixSeconds(1))
    call = walk.call([position(1, curve, condition=never)], HELD, TOTALS, NO_PROGRESS, 1)

    assert (walk.scene.evm.refusal(call) == "") == (hashes == 8)


@pytest.mark.parametrize("kind", [3, 2**255])
def test_nobody_shows_a_position_as_something_else(walk: Walk, kind: int) -> None:
    (claim,) = _book(walk, 1)
    words = claim_words(claim, leaf_salt(SECRET, claim.id))

    with pytest.raises(Reverted, match="claim: unsupported"):
        walk.resolve((claim,), HELD, TOTALS, NO_PROGRESS, 1, run=[word(kind) + words[32:]])


def test_nobody_brings_accruals_to_the_beginning(walk: Walk) -> None:
    claims = _book(walk, 1)

    for accruals in ([(5, 0), (-5, 0)], [(0, 0)]):
        with pytest.raises(Reverted, match="adjudicator: malformed"):
            walk.resolve(claims, HELD, TOTALS, (0, accruals), 0)


@pytest.mark.parametrize(
    "condition",
    [
        Condition(),
        Condition((), UnixSeconds(7)),
        Condition((), UnixSeconds(2**200)),
        Condition((image(b"p" * 32),), UnixSeconds(0)),
        Condition((image(b"p" * 32),), UnixSeconds(7)),
    ],
)
def test_conditions_without_hashes_or_deadline_are_hashed_as_they_were_signed(walk: Walk, condition: Condition) -> None:
    instrument = option(walk.oracle, 60_000, 1, feed=Hash(word(60_000 * 10**8)))
    claim, salt = position(0, instrument, condition=condition), Hash(bytes(32))
    root = keccak(b"\0" + claim_hash(claim) + salt)

    progress, _ = walk.resolve(
        (claim,), HELD, TOTALS, NO_PROGRESS, 1, tree=(1, 0, root), run=[claim_words(claim, salt)]
    )

    assert progress[0] == 1


def test_an_inner_node_is_not_a_leaf(walk: Walk) -> None:
    claims = _book(walk, 2)
    leaves = tuple(leaf(claim, SECRET) for claim in claims)
    node = merkle_root(leaves)

    for forged in (b"".join(leaves), claim_words(claims[0], leaves[1])):
        with pytest.raises(Reverted):
            walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, 1, tree=(1, 0, node), run=[forged], proof=[])


@pytest.mark.parametrize("tail", [b"", b"\0" * 32])
def test_a_proof_is_used_to_the_last_word(walk: Walk, tail: bytes) -> None:
    claims = _book(walk, 4)
    proof = [*merkle_range(tuple(leaf(claim, SECRET) for claim in claims), 0, 1)]
    changed = [*proof, tail] if tail else proof[:-1]

    with pytest.raises(Reverted):
        walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, 1, proof=changed)


@pytest.mark.parametrize("index", range(17))
def test_every_word_of_a_claim_is_bound_by_its_leaf(walk: Walk, index: int) -> None:
    claims = _book(walk, 2)
    words = [claim_words(one, leaf_salt(SECRET, one.id)) for one in claims]
    value = int.from_bytes(words[0][32 * index : 32 * index + 32])
    words[0] = words[0][: 32 * index] + word((value + 1) % 2**256) + words[0][32 * index + 32 :]

    with pytest.raises(Reverted):
        walk.resolve(claims, HELD, TOTALS, NO_PROGRESS, 2, run=words)


def test_as_many_claims_as_a_state_may_have(walk: Walk) -> None:
    claims = _book(walk, 256)
    progress = NO_PROGRESS
    for upto in range(RUN_MAX, 257, RUN_MAX):
        progress, due = walk.resolve(claims, HELD, TOTALS, progress, upto)
    feed = claims[0].instrument.feed
    assert due == settled(HELD, TOTALS, claims, {feed: Price(60_000 * 10**8)})
