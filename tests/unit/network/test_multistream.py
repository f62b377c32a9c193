from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network.multistream import HEADER, LINE_BYTES_MAX, PROPOSALS_MAX, Dialer, Listener, line


def serves(protocol: str) -> bool:
    return protocol in ("/noise", "/yamux/1.0.0")


def test_lines_look_as_the_specification_shows_them() -> None:
    assert line(HEADER) == b"\x13/multistream/1.0.0\n"
    assert line("na") == b"\x03na\n"


def test_both_ends_agree_on_a_known_protocol_and_keep_what_follows() -> None:
    dialer, listener = Dialer("/noise"), Listener(serves)
    answer = listener.feed(dialer.start() + b"first bytes")
    assert answer == line(HEADER) + line("/noise")
    assert (listener.agreed, listener.protocol, listener.rest) == (True, "/noise", b"first bytes")
    assert dialer.feed(answer + b"their bytes") == b""
    assert (dialer.agreed, dialer.rest) == (True, b"their bytes")


def test_an_unknown_protocol_is_refused_by_name_and_another_may_follow() -> None:
    dialer, listener = Dialer("/tls/1.0.0"), Listener(serves)
    answer = listener.feed(dialer.start())
    assert answer == line(HEADER) + line("na")
    with pytest.raises(Unavailable, match=r"'/tls/1\.0\.0'") as caught:
        dialer.feed(answer)
    assert caught.value.reason is Reason.UNKNOWN_FEATURE
    assert listener.feed(line("/noise")) == line("/noise")
    assert listener.agreed


def test_a_listener_stops_answering_after_too_many_proposals() -> None:
    listener = Listener(serves)
    listener.feed(line(HEADER) + line("/x") * PROPOSALS_MAX)
    with pytest.raises(PeerFault) as caught:
        listener.feed(line("/x"))
    assert caught.value.reason is Reason.LIMIT


HOSTILE = [
    b"\x00",
    b"\x03abc",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x81\x02" + b"x" * LINE_BYTES_MAX + b"\n",
    b"\x03\xff\xff\n",
    line("/multistream/0.0.1"),
    b"GET / HTTP/1.1\r\n" * 20,
    line(HEADER) + line(HEADER),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_what_is_not_the_protocol_is_refused_by_the_dialer(data: bytes) -> None:
    with pytest.raises(PeerFault) as caught:
        Dialer("/noise").feed(data)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("data", HOSTILE[:-1])
def test_what_is_not_the_protocol_is_refused_by_the_listener(data: bytes) -> None:
    with pytest.raises(PeerFault) as caught:
        Listener(serves).feed(data)
    assert caught.value.reason is Reason.MALFORMED


@given(st.lists(st.integers(0, 60), max_size=8))
def test_however_the_bytes_are_split_the_outcome_is_the_same(cuts: list[int]) -> None:
    sent = line(HEADER) + line("/tls/1.0.0") + line("/yamux/1.0.0") + b"rest"
    listener, answer = Listener(serves), b""
    whole = b""
    for start, stop in pairwise(sorted({0, *cuts, len(sent)})):
        piece = sent[start:stop]
        if listener.agreed:
            whole += piece
        else:
            answer += listener.feed(piece)
            whole = listener.rest
    assert answer == line(HEADER) + line("na") + line("/yamux/1.0.0")
    assert whole == b"rest"


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    for end in (Dialer("/noise"), Listener(serves)):
        try:
            end.feed(data)
        except PeerFault:
            continue


def test_data_behind_a_refused_proposal_is_no_fault_and_garbage_before_one_is() -> None:
    listener = Listener("/x/1".__eq__)
    with pytest.raises(Unavailable):
        listener.feed(line(HEADER) + line("/y/1") + bytes(100))
    with pytest.raises(PeerFault):
        Listener("/x/1".__eq__).feed(line(HEADER) + bytes(100))
