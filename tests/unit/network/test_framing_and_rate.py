from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason
from thalweg.network.framing import MessageReader, frame
from thalweg.network.rate import BURST_SECONDS, Bucket


@given(st.lists(st.binary(max_size=300), max_size=12), st.data())
def test_however_the_bytes_are_split_the_messages_are_the_same(messages: list[bytes], data: st.DataObject) -> None:
    sent = b"".join(map(frame, messages))
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=20))
    edges = sorted({0, *cuts, len(sent)})
    reader, read = MessageReader(300), []
    for start, stop in pairwise(edges):
        read += reader.feed(memoryview(sent)[start:stop])
    assert read == messages
    assert not reader.inside
    assert reader.pending == 0


def test_a_length_one_over_the_limit_is_refused_before_a_byte_of_it_is_kept() -> None:
    reader = MessageReader(1000)
    assert reader.feed(frame(bytes(1000))) == [bytes(1000)]
    with pytest.raises(PeerFault) as caught:
        reader.feed(frame(bytes(1001))[:2])
    assert caught.value.reason is Reason.OVERSIZED
    assert reader.pending == 0


@pytest.mark.parametrize("size", [0, 127, 128, 129, 16_383, 16_384, 70_000])
def test_a_length_of_any_size_is_read(size: int) -> None:
    assert MessageReader(100_000).feed(frame(bytes(size)) * 2) == [bytes(size)] * 2


def test_a_length_not_in_its_shortest_form_is_refused() -> None:
    with pytest.raises(PeerFault) as caught:
        MessageReader(1000).feed(b"\x80\x00")
    assert caught.value.reason is Reason.MALFORMED


def test_an_endless_length_is_refused() -> None:
    with pytest.raises(PeerFault) as caught:
        MessageReader(1000).feed(b"\xff" * 10)
    assert caught.value.reason is Reason.MALFORMED


def test_only_what_arrived_of_a_message_is_held() -> None:
    reader = MessageReader(10**9)
    assert reader.feed(frame(bytes(10**6))[:100]) == []
    assert reader.inside
    assert reader.pending == 97  # the length took three


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = Bucket(10, 0.0)
    assert bucket.take(10 * BURST_SECONDS, 0.0)
    assert not bucket.take(1, 0.0)
    assert not bucket.take(2, 0.2)  # one is owed, two came back, two are asked
    assert bucket.take(5, 1.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=40))
def test_a_bucket_never_gives_more_than_burst_and_rate_together(asks: list[tuple[float, int]]) -> None:
    bucket, now, given_ = Bucket(10, 0.0), 0.0, 0
    for pause, amount in asks:
        now += pause
        if bucket.take(amount, now):
            given_ += amount
        assert given_ <= 10 * BURST_SECONDS + 10 * now + 1e-6
