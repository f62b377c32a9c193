from thalweg.network.gossip.memory import History, Seen
from thalweg.network.gossip.parameters import Caps, Times

TIMES = Times(seen_seconds=10, history_heartbeats=3, told_heartbeats=2)


def test_a_message_is_seen_for_at_least_its_time_and_at_most_twice_that() -> None:
    seen = Seen(TIMES, Caps(), 0.0)
    seen.add(b"a", is_good=True, now=0.0)
    seen.add(b"b", is_good=False, now=9.9)
    seen.add(b"c", is_good=True, now=10.0)
    assert (seen.get(b"a"), seen.get(b"b"), seen.get(b"c"), seen.get(b"d")) == (True, False, True, None)
    seen.add(b"e", is_good=True, now=20.0)
    assert (seen.get(b"a"), seen.get(b"b"), seen.get(b"c")) == (None, None, True)


def test_no_more_is_remembered_than_the_limit() -> None:
    seen = Seen(TIMES, Caps(seen_max=10), 0.0)
    for number in range(1000):
        seen.add(number.to_bytes(4), is_good=True, now=0.0)
        assert len(seen) <= 10
        assert all(seen.get(newest.to_bytes(4)) for newest in range(max(0, number - 3), number + 1))


def test_bad_messages_make_nobody_forget_a_good_one() -> None:
    seen = Seen(TIMES, Caps(seen_max=80), 0.0)
    seen.add(b"good", is_good=True, now=0.0)
    for number in range(1000):
        seen.add(number.to_bytes(4), is_good=False, now=0.0)
        assert len(seen) <= 11
    assert seen.get(b"good")


def test_the_same_payload_in_two_topics_is_kept_and_told_in_both() -> None:
    history = History(TIMES, Caps())
    history.add(b"1", "other", b"in other")
    history.shift()
    history.add(b"1", "t", b"in t")
    assert (history.told("other"), history.told("t")) == ([b"1"], [b"1"])
    kept = history.get(b"1")
    assert kept is not None
    assert set(kept.fields.values()) == {b"in other", b"in t"}
    history.shift()
    history.shift()
    assert set(kept.fields.values()) == {b"in t"}
    history.shift()
    assert len(history) == 0


def test_messages_are_told_of_shorter_than_they_are_kept() -> None:
    history = History(TIMES, Caps())
    history.add(b"1", "t", b"one")
    history.add(b"2", "u", b"two")
    assert history.told("t") == [b"1"]
    history.shift()
    assert history.told("t") == [b"1"]
    history.shift()
    assert history.told("t") == []
    kept = history.get(b"1")
    assert kept is not None
    assert kept.fields == {"t": b"one"}
    history.shift()
    assert history.get(b"1") is None
    assert len(history) == 0


def test_above_the_byte_limit_the_oldest_window_goes_early() -> None:
    history = History(TIMES, Caps(cached_bytes_max=100))
    history.add(b"old", "t", bytes(60))
    history.shift()
    history.add(b"new", "t", bytes(60))
    assert history.get(b"old") is None
    assert history.told("t") == [b"new"]
    for number in range(100):
        history.add(number.to_bytes(4), "t", bytes(60))
        assert len(history) <= 1
    history.shift()
    history.shift()
    history.shift()
    assert len(history) == 0
