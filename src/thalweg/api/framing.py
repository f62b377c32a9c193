"""JSON-RPC 2.0 as this API speaks it: one request a body, parameters by name. Pure.

A refusal is an error object whose `data.reason` is a `Reason`; its HTTP status says whose fault it is. No batches:
`pay` takes many payments at once. https://www.jsonrpc.org/specification
"""

from typing import Any, Final

import msgspec

from thalweg.api.advice import advise
from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable, UserFault

METHOD_CHARS_MAX: Final = 64
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
REFUSED: Final = -32000  # the caller asked for what cannot be
PEER_AT_FAULT: Final = -32001
UNAVAILABLE: Final = -32002  # try again later

_NOT_FOUND: Final = (Reason.UNKNOWN_CHANNEL, Reason.UNKNOWN_OFFER, Reason.NOT_FOUND)


class Request(msgspec.Struct, frozen=True):
    """A request: `id` comes back with the answer."""

    method: str
    jsonrpc: str = ""
    id: int | str | None = None
    params: dict[str, Any] = {}


class Fault(msgspec.Struct, frozen=True):
    """Why a request failed: the HTTP status, and JSON-RPC's error object."""

    status: int
    code: int
    message: str
    reason: Reason | None = None
    detail: str = ""


def parse(body: bytes) -> Request | Fault:
    """Read a request; what cannot be read is answered with a fault."""
    try:
        request = msgspec.json.decode(body, type=Request)
    except msgspec.ValidationError as error:
        return Fault(400, INVALID_REQUEST, f"not a request: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Fault(400, PARSE_ERROR, f"not JSON: {error}")
    if request.jsonrpc != "2.0" or len(request.method) > METHOD_CHARS_MAX:
        return Fault(400, INVALID_REQUEST, 'a request has "jsonrpc": "2.0", a "method" and "params" by name')
    return request


def fault_of(error: ThalwegError) -> Fault:
    """Return how a refusal is answered."""
    detail = advise(error.reason, error.detail)
    message = f"{error.reason}: {detail}" if detail else str(error.reason)
    match error:
        case Unavailable():
            return Fault(503, UNAVAILABLE, message, error.reason, detail)
        case PeerFault():
            return Fault(502, PEER_AT_FAULT, message, error.reason, detail)
        case UserFault() if error.reason in _NOT_FOUND:
            return Fault(404, REFUSED, message, error.reason, detail)
        case _:
            return Fault(400, REFUSED, message, error.reason, detail)


def answer(identity: int | str | None, result: object) -> bytes:
    """Return the body of a success."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": identity, "result": result})


def failure(identity: int | str | None, fault: Fault) -> bytes:
    """Return the body of a fault."""
    error: dict[str, object] = {"code": fault.code, "message": fault.message}
    if fault.reason is not None:
        error["data"] = {"reason": fault.reason, "detail": fault.detail}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": identity, "error": error})
