"""yamux: a table of frames, flow control, and peers that break the rules."""

from collections.abc import Iterator
from itertools import pairwise, zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import yamux
from thalweg.network.limits import YAMUX_WINDOW_BYTES as WINDOW
from thalweg.network.yamux import BULK, CONTROL_FRAMES_MAX, URGENT, Ended, Event, Opened, Ponged, Received, WasReset
from thalweg.network.yamux_frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, header

BUDGET = 65_519


def session(*, dialer: bool, inbound_max: int = 8, outbound_max: int = 8) -> yamux.Session:
    return yamux.Session(dialer=dialer, inbound_max=inbound_max, outbound_max=outbound_max)


def taken(end: yamux.Session, budget: int = BUDGET) -> bytes:
    return b"".join(end.take(budget))


def everything(end: yamux.Session) -> bytes:
    return b"".join(iter(lambda: taken(end), b""))


def plain(events: list[Event]) -> list[object]:
    """Events with the pieces of a stream's bytes joined, so that splits do not show."""
    joined: list[object] = []
    data: dict[int, bytes] = {}
    for event in events:
        if isinstance(event, Received):
            data[event.stream_id] = data.get(event.stream_id, b"") + bytes(event.data)
        else:
            joined.append(event)
    return [*joined, data]


@pytest.fixture
def pair() -> tuple[yamux.Session, yamux.Session]:
    return session(dialer=True), session(dialer=False)


# the specification's header: version, type, flags, stream id, length, big-endian
TABLE = [
    (header(DATA, 0, 1, 5), "00 00 0000 00000001 00000005"),
    (header(DATA, FIN, 2, 0), "00 00 0004 00000002 00000000"),
    (header(WINDOW_UPDATE, SYN, 1, 0), "00 01 0001 00000001 00000000"),
    (header(WINDOW_UPDATE, ACK, 1, 262144), "00 01 0002 00000001 00040000"),
    (header(WINDOW_UPDATE, RST, 3, 0), "00 01 0008 00000003 00000000"),
    (header(PING, SYN, 0, 0xDEADBEEF), "00 02 0001 00000000 deadbeef"),
    (header(PING, ACK, 0, 7), "00 02 0002 00000000 00000007"),
    (header(GO_AWAY, 0, 0, 1), "00 03 0000 00000000 00000001"),
]


@pytest.mark.parametrize(("frame", "bytes_"), TABLE)
def test_frames_are_laid_out_as_specified(frame: bytes, bytes_: str) -> None:
    assert frame == bytes.fromhex(bytes_)


def test_a_stream_carries_bytes_both_ways_and_ends(pair: tuple[yamux.Session, yamux.Session]) -> None:
    dialer, listener = pair
    stream = dialer.open(BULK)
    assert stream == 1
    dialer.write(stream, b"question")
    dialer.finish(stream)
    sent = taken(dialer)
    assert sent == header(WINDOW_UPDATE, SYN, 1, 0) + header(DATA, 0, 1, 8) + b"question" + header(
        WINDOW_UPDATE, FIN, 1, 0
    )
    assert plain(listener.feed(sent)) == [Opened(1), Ended(1), {1: b"question"}]
    listener.write(stream, b"answer")
    listener.finish(stream)
    answer = taken(listener)
    assert answer == header(WINDOW_UPDATE, ACK, 1, 0) + header(DATA, 0, 1, 6) + b"answer" + header(
        WINDOW_UPDATE, FIN, 1, 0
    )
    assert plain(dialer.feed(answer)) == [Ended(1), {1: b"answer"}]
    assert dialer.done == listener.done == [1]


def test_a_sender_stops_at_the_window_and_goes_on_after_credit(pair: tuple[yamux.Session, yamux.Session]) -> None:
    dialer, listener = pair
    stream = dialer.open(BULK)
    sent = bytes(range(256)) * (3 * WINDOW // 256)
    dialer.write(stream, sent)
    received = b""
    for _ in range(3):
        part = plain(listener.feed(everything(dialer)))[-1]
        assert isinstance(part, dict)
        assert len(part[stream]) == WINDOW
        received += part[stream]
        assert taken(dialer) == b""
        assert listener.credit(stream, WINDOW)
        dialer.feed(taken(listener))
    assert received == sent
    assert dialer.queued == 0


def test_credit_is_told_in_batches(pair: tuple[yamux.Session, yamux.Session]) -> None:
    dialer, listener = pair
    stream = dialer.open(BULK)
    listener.feed(taken(dialer))
    taken(listener)
    assert not listener.credit(stream, WINDOW // 2 - 1)
    assert taken(listener) == b""
    assert listener.credit(stream, 1)
    assert taken(listener) == header(WINDOW_UPDATE, 0, stream, WINDOW // 2)


def test_urgent_bytes_overtake_queued_ones_and_equals_take_turns(pair: tuple[yamux.Session, yamux.Session]) -> None:
    dialer, _ = pair
    bulk, other, urgent = dialer.open(BULK), dialer.open(BULK), dialer.open(BULK)
    dialer.prioritise(urgent, URGENT)
    taken(dialer)
    dialer.write(bulk, bytes(1000))
    dialer.write(other, bytes(1000))
    dialer.write(urgent, b"now")
    frames = [taken(dialer, 112) for _ in range(4)]
    assert frames[0].startswith(header(DATA, 0, urgent, 3) + b"now")
    turns = [int.from_bytes(frame[4:8]) for frame in frames[1:]]
    assert sorted(set(turns)) == [bulk, other]
    assert all(before != after for before, after in pairwise(turns))


def test_a_reset_drops_what_is_queued_and_is_told(pair: tuple[yamux.Session, yamux.Session]) -> None:
    dialer, listener = pair
    stream = dialer.open(BULK)
    dialer.write(stream, bytes(100))
    listener.feed(taken(dialer))
    dialer.write(stream, bytes(100))
    dialer.reset(stream)
    assert dialer.queued == 0
    sent = taken(dialer)
    assert sent == header(WINDOW_UPDATE, RST, stream, 0)
    assert listener.feed(sent) == [WasReset(stream)]
    assert listener.done == [stream]


def test_a_ping_is_answered_with_its_value(pair: tuple[yamux.Session, yamux.Session]) -> None:
    dialer, listener = pair
    dialer.ping(42)
    assert listener.feed(taken(dialer)) == []
    assert dialer.feed(taken(listener)) == [Ponged(42)]


def test_what_crosses_our_reset_is_dropped_up_to_the_window(pair: tuple[yamux.Session, yamux.Session]) -> None:
    dialer, listener = pair
    stream = dialer.open(BULK)
    listener.feed(taken(dialer))
    listener.reset(stream)
    for _ in range(4):
        assert listener.feed(header(DATA, 0, stream, WINDOW // 4) + bytes(WINDOW // 4)) == []
    with pytest.raises(PeerFault) as caught:
        listener.feed(header(DATA, 0, stream, 1) + b"x")
    assert caught.value.reason is Reason.FLOOD


def test_streams_above_the_limit_are_reset_and_the_others_live() -> None:
    listener = session(dialer=False, inbound_max=2)
    opened = listener.feed(b"".join(header(WINDOW_UPDATE, SYN, stream, 0) for stream in (1, 3, 5)))
    assert opened == [Opened(1), Opened(3)]
    assert header(WINDOW_UPDATE, RST, 5, 0) in taken(listener)
    assert listener.feed(header(DATA, 0, 5, 3) + b"abc" + header(DATA, 0, 1, 2) + b"ok") == [
        Received(1, memoryview(b"ok"))
    ]
    listener.reset(1)
    assert listener.feed(header(WINDOW_UPDATE, SYN, 7, 0)) == [Opened(7)]


def test_opening_above_our_own_limit_says_so() -> None:
    dialer = session(dialer=True, outbound_max=1)
    stream = dialer.open(BULK)
    with pytest.raises(Unavailable) as caught:
        dialer.open(BULK)
    assert caught.value.reason is Reason.LIMIT
    dialer.reset(stream)
    assert dialer.open(BULK) == 3


SYN_1 = header(WINDOW_UPDATE, SYN, 1, 0)
HOSTILE = {
    "version": (b"\x01" + header(PING, SYN, 0, 0)[1:], Reason.MALFORMED),
    "type": (b"\x00\x04" + bytes(10), Reason.MALFORMED),
    "flags": (header(PING, 16, 0, 0), Reason.MALFORMED),
    "http": (b"GET / HTTP/1.1\r\n\r\n", Reason.MALFORMED),
    "stream zero": (header(DATA, SYN, 0, 0), Reason.MALFORMED),
    "our parity": (header(DATA, SYN, 2, 0), Reason.MALFORMED),
    "opened twice": (SYN_1 + SYN_1, Reason.MALFORMED),
    "ids go back": (header(DATA, SYN, 5, 0) + header(DATA, SYN, 3, 0), Reason.MALFORMED),
    "never opened": (header(DATA, 0, 1, 0), Reason.MALFORMED),
    "never opened by us": (header(WINDOW_UPDATE, 0, 2, 1), Reason.MALFORMED),
    "one byte over the window": (SYN_1 + header(DATA, 0, 1, WINDOW + 1), Reason.OVERSIZED),
    "over the window in two": (
        SYN_1 + header(DATA, 0, 1, WINDOW) + bytes(WINDOW) + header(DATA, 0, 1, 1),
        Reason.OVERSIZED,
    ),
    "four gigabytes": (header(DATA, SYN, 1, 2**32 - 1), Reason.OVERSIZED),
    "window overflow": (SYN_1 + header(WINDOW_UPDATE, 0, 1, 2**32 - 1), Reason.OVERFLOW),
    "data behind the end": (header(DATA, SYN | FIN, 1, 0) + header(DATA, 0, 1, 1), Reason.FLOOD),
    "pings nobody reads": (header(PING, SYN, 0, 0) * (CONTROL_FRAMES_MAX + 1), Reason.FLOOD),
    "streams nobody reads": (
        b"".join(header(DATA, SYN, 1 + 2 * i, 0) for i in range(CONTROL_FRAMES_MAX + 1)),
        Reason.FLOOD,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_peer_that_breaks_the_rules_is_at_fault(name: str) -> None:
    data, reason = HOSTILE[name]
    with pytest.raises(PeerFault) as caught:
        session(dialer=False).feed(data)
    assert caught.value.reason is reason


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    for start, stop in pairwise(sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})):
        yield data[start:stop]


@given(st.lists(st.integers(0, 2**16), max_size=12), st.lists(st.binary(max_size=90), min_size=1, max_size=5))
def test_however_the_bytes_are_split_the_same_happens(cuts: list[int], messages: list[bytes]) -> None:
    dialer = session(dialer=True)
    streams = [dialer.open(BULK) for _ in messages]
    for stream, message in zip(streams, messages, strict=True):
        dialer.write(stream, message)
        dialer.finish(stream)
    dialer.ping(1)
    dialer.reset(streams[-1])
    dialer.go_away(0)
    sent = everything(dialer)
    whole, split = session(dialer=False), session(dialer=False)
    expected = whole.feed(sent)
    got = [event for piece in pieces(sent, cuts) for event in split.feed(piece)]
    assert plain(got) == plain(expected)
    assert taken(whole) == taken(split)


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    try:
        session(dialer=False).feed(data)
    except PeerFault:
        return


frames = st.builds(
    lambda kind, flags, stream, size, body: header(kind, flags, stream, size) + body[:size] * (kind == DATA),
    st.integers(0, 3),
    st.integers(0, 15),
    st.integers(0, 8),
    st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)),
    st.binary(min_size=40, max_size=40),
)


@given(st.lists(frames, max_size=12), st.lists(st.sampled_from(["open", "write", "finish", "reset"]), max_size=12))
def test_no_order_of_frames_and_calls_breaks_the_books(received: list[bytes], calls: list[str]) -> None:
    end, ours = session(dialer=False), 2
    try:
        for call, frame in zip_longest(calls, received):
            if call == "open":
                ours = end.open(BULK)
            elif call is not None:
                getattr(end, call)(ours, *((bytes(1000),) if call == "write" else ()))
            if frame is not None:
                end.feed(frame)
            assert len(taken(end, 500)) <= 500
    except (PeerFault, Unavailable):
        pass
    assert end.queued == sum(end.queued_on(stream) for stream in range(40))
