import msgspec
import pytest

from thalweg.api import framing
from thalweg.api.framing import Fault, Request
from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable, UserFault


def test_a_request_is_read() -> None:
    parsed = framing.parse(b'{"jsonrpc":"2.0","id":7,"method":"pay","params":{"amount":"1"}}')
    assert parsed == Request("pay", "2.0", 7, {"amount": "1"})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", framing.PARSE_ERROR),
        (b"{", framing.PARSE_ERROR),
        (b"\xff", framing.PARSE_ERROR),
        (b"[" * 100_000, framing.INVALID_REQUEST),
        (b"[]", framing.INVALID_REQUEST),
        (b'{"id":1}', framing.INVALID_REQUEST),
        (b'{"jsonrpc":"1.0","id":1,"method":"pay"}', framing.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":"pay","params":[1]}', framing.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":{},"method":"pay"}', framing.INVALID_REQUEST),
    ],
)
def test_what_is_no_request_is_answered_with_the_standard_code(body: bytes, code: int) -> None:
    fault = framing.parse(body)
    assert isinstance(fault, Fault)
    assert (fault.status, fault.code) == (400, code)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UserFault(Reason.INSUFFICIENT, "10 is there"), 400, framing.REFUSED),
        (UserFault(Reason.UNKNOWN_CHANNEL, "none"), 404, framing.REFUSED),
        (PeerFault(Reason.WRONG_HASH, "two histories"), 502, framing.PEER_AT_FAULT),
        (Unavailable(Reason.UNREACHABLE, "away"), 503, framing.UNAVAILABLE),
    ],
)
def test_a_refusal_says_whose_fault_it_is_why_and_what_to_do(error: ThalwegError, status: int, code: int) -> None:
    fault = framing.fault_of(error)
    assert (fault.status, fault.code) == (status, code)
    body = msgspec.json.decode(framing.failure(3, fault))
    assert body["id"] == 3
    assert body["error"]["data"]["reason"] == error.reason
    assert error.detail in body["error"]["message"]
    assert len(body["error"]["message"]) > len(str(error)) or status == 502


def test_a_success_carries_its_id() -> None:
    assert msgspec.json.decode(framing.answer("a", {"x": 1})) == {"jsonrpc": "2.0", "id": "a", "result": {"x": 1}}
