"""Each part of a score by itself, with the figures of the default weights."""

import pytest

from thalweg.network.gossip.parameters import Caps, Weights
from thalweg.network.gossip.score import Scores

WEIGHTS = Weights()


def scores(*peers: bytes, weights: Weights = WEIGHTS, caps: Caps | None = None) -> Scores:
    made = Scores(weights, caps or Caps())
    for peer in peers:
        made.join(peer)
    return made


def test_time_in_the_mesh_earns_up_to_its_limit() -> None:
    made = scores(b"a")
    made.graft(b"a", "t", 0.0)
    made.beat(100.0)
    assert made.of(b"a") == pytest.approx(1.0)
    made.beat(10_000.0)
    assert made.of(b"a") == pytest.approx(5.0)


def test_first_deliveries_earn_up_to_their_limit_and_fade() -> None:
    made = scores(b"a")
    for _ in range(1000):
        made.first(b"a", "t")
    assert made.why(b"a", 0.0)["P2"] == pytest.approx(10.0)
    made.beat(1.0)
    assert made.of(b"a") == pytest.approx(9.5)
    for second in range(200):
        made.beat(2.0 + second)
    assert made.of(b"a") == 0


def test_missing_deliveries_cost_at_most_what_was_earned() -> None:
    made = scores(b"a", b"b")
    made.graft(b"a", "t", 0.0)
    made.graft(b"b", "t", 0.0)
    for second in range(30):
        for _ in range(10):
            made.carry("t")
            made.first(b"b", "t")
        made.beat(float(second))
    assert made.of(b"a") == pytest.approx(0.0)
    assert made.why(b"a", 29.0)["P3"] == pytest.approx(-0.29)
    assert made.why(b"b", 29.0)["P3"] == 0


def test_a_quiet_topic_and_a_new_mesh_peer_cost_nothing() -> None:
    made = scores(b"a", b"b")
    made.graft(b"a", "t", 0.0)
    for _ in range(19):
        made.carry("t")
    assert made.why(b"a", 60.0)["P3"] == 0
    for _ in range(1000):
        made.carry("t")
    made.graft(b"b", "t", 50.0)
    assert made.why(b"b", 69.0)["P3"] == 0
    assert made.why(b"a", 69.0)["P3"] < 0


def test_what_was_missing_stays_a_while_after_the_mesh() -> None:
    made = scores(b"a")
    made.graft(b"a", "t", 0.0)
    for _ in range(100):
        made.carry("t")
    made.beat(30.0)
    made.prune(b"a", "t", 30.0)
    for _ in range(10):
        made.first(b"a", "t")
    assert made.why(b"a", 30.0)["P3b"] == pytest.approx(-5.0)  # as much as the ten first deliveries earned
    for second in range(300):
        made.beat(31.0 + second)
    assert made.why(b"a", 331.0)["P3b"] == 0


def test_invalid_messages_cost_their_square_at_once() -> None:
    made = scores(b"a")
    made.invalid(b"a", "t", 0.0)
    assert made.of(b"a") == -10
    made.invalid(b"a", "t", 0.0)
    made.invalid(b"a", "t", 0.0)
    assert made.of(b"a") == -90


def test_behaviour_is_free_up_to_a_limit_and_then_costs_its_square() -> None:
    made = scores(b"a")
    made.misbehave(b"a", 3.0, 0.0)
    assert made.of(b"a") == 0
    made.misbehave(b"a", 3.0, 0.0)
    assert made.of(b"a") == -45
    assert made.why(b"a", 0.0)["P7"] == -45


def test_no_number_of_good_deeds_in_many_topics_outweighs_a_forgery() -> None:
    made = scores(b"a")
    for number in range(50):
        for _ in range(100):
            made.first(b"a", f"t{number}")
    made.beat(0.0)
    assert made.of(b"a") == WEIGHTS.topics_max
    for _ in range(12):
        made.invalid(b"a", "t0", 1.0)
    assert made.of(b"a") < -80


def test_a_bad_score_is_kept_over_a_reconnect_a_good_one_is_not_and_only_so_many() -> None:
    made = scores(b"a", b"b", b"c", caps=Caps(scores_kept_max=2))
    made.first(b"a", "t")
    for peer in (b"b", b"c"):
        made.invalid(peer, "t", 0.0)
    for peer in (b"a", b"b", b"c"):
        made.leave(peer, 0.0)
        made.join(peer)
    assert (made.of(b"a"), made.of(b"b"), made.of(b"c")) == (0, -10, -10)
    made.join(b"d")
    made.invalid(b"d", "t", 0.0)
    for peer in (b"b", b"c", b"d"):
        made.leave(peer, 0.0)
    made.join(b"b")
    assert made.of(b"b") == 0


def test_a_kept_score_is_forgotten_in_time() -> None:
    made = scores(b"a", weights=Weights(kept_seconds=60, invalid_decay=1.0))
    made.invalid(b"a", "t", 0.0)
    made.leave(b"a", 0.0)
    made.beat(59.0)
    made.join(b"a")
    assert made.of(b"a") == -10
    made.leave(b"a", 60.0)
    made.beat(121.0)
    made.join(b"a")
    assert made.of(b"a") == 0


def test_reconnecting_clears_no_misbehaviour_not_even_what_was_free() -> None:
    made = scores(b"a")
    for _ in range(10):  # each time as much as is free
        made.misbehave(b"a", 3.0, 0.0)
        made.leave(b"a", 0.0)
        made.join(b"a")
    assert made.of(b"a") < -80


def test_good_deeds_do_not_wait_for_a_return_to_cover_bad_ones() -> None:
    made = scores(b"a")
    for _ in range(100):
        made.first(b"a", "t")
    made.invalid(b"a", "t", 0.0)
    assert made.of(b"a") == 0
    made.leave(b"a", 0.0)
    made.join(b"a")
    assert made.of(b"a") == -10


def test_a_crowd_of_small_sinners_hides_no_great_one() -> None:
    made = scores(b"great", caps=Caps(scores_kept_max=100))
    for _ in range(5):
        made.invalid(b"great", "t", 0.0)
    made.leave(b"great", 0.0)
    for number in range(1000):
        made.join(b"%d" % number)
        made.misbehave(b"%d" % number, 1.0, 0.0)
        made.leave(b"%d" % number, 0.0)
    made.join(b"great")
    assert made.of(b"great") == -250


def test_peers_that_dial_from_one_address_pay_above_the_free_ones_up_to_a_limit_that_cuts_nobody() -> None:
    made = scores()
    for number in range(WEIGHTS.colocation_free):
        made.join(b"%d" % number, "1.2.3.4")
    assert made.of(b"0") == 0
    made.join(b"one more", "1.2.3.4")
    made.join(b"elsewhere", "5.6.7.8")
    made.join(b"dialled by us")
    made.beat(0.0)
    assert [made.of(peer) for peer in (b"0", b"one more", b"elsewhere", b"dialled by us")] == [-2, -2, 0, 0]
    for number in range(100):
        made.join(b"sybil %d" % number, "1.2.3.4")
    made.beat(0.0)
    assert made.why(b"0", 0.0)["P6"] == made.of(b"0") == WEIGHTS.colocation_min
    for number in range(100):
        made.leave(b"sybil %d" % number, 0.0)
    made.leave(b"one more", 0.0)
    made.beat(0.0)
    assert made.of(b"0") == 0


def test_who_comes_from_where_others_were_cut_off_has_less_for_free_for_a_while() -> None:
    made = scores()
    for number in range(5):
        made.join(b"%d" % number, "1.2.3.4")
        made.stain(b"%d" % number)
        made.leave(b"%d" % number, 0.0)
    made.join(b"new name", "1.2.3.4")
    made.join(b"elsewhere", "5.6.7.8")
    assert made.of(b"new name") == 0
    for peer in (b"new name", b"elsewhere"):
        made.misbehave(peer, 1.0, 0.0)
    assert (made.of(b"new name"), made.of(b"elsewhere")) == (-5, 0)
    for second in range(2000):
        made.beat(float(second))
    made.join(b"much later", "1.2.3.4")
    made.misbehave(b"much later", 3.0, 0.0)
    assert made.of(b"much later") == 0
