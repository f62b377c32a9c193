"""The caller's side of the API, for commands: one request, one answer, no event loop."""

import http.client
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from thalweg.api.endpoint import PATH, Endpoint, read_endpoint
from thalweg.api.framing import PEER_AT_FAULT, UNAVAILABLE
from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable, UserFault

PATIENCE_S: Final = 660.0  # longer than any wait a method allows
ANSWER_BYTES_MAX: Final = 64 * 2**20


class _Detail(msgspec.Struct, frozen=True):
    reason: str = ""
    detail: str = ""


class _Error(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: _Detail = _Detail()


class _Answer(msgspec.Struct, frozen=True):
    result: Any = None
    error: _Error | None = None


class Client:
    """Calls one node."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @classmethod
    def of_folder(cls, folder: Path) -> "Client":
        """Return the client of the node that runs on a data folder.

        Raises:
            UserFault: there is no such folder.
            Unavailable: no node runs on it.
        """
        return cls(read_endpoint(folder))

    def call(self, method: str, **params: object) -> Any:
        """Ask the node to do something; return what it answers.

        Raises:
            UserFault, PeerFault, Unavailable: as the node says, or Unavailable where it does not answer.
        """
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        body = self._post(msgspec.json.encode(question))
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except msgspec.DecodeError as error:
            raise Unavailable(Reason.MALFORMED, f"{self._endpoint.url} is not a node's API: {error}") from error
        if answer.error is not None:
            raise _raised(answer.error)
        return answer.result

    def _post(self, body: bytes) -> bytes:
        target = urlsplit(self._endpoint.url)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=PATIENCE_S)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._endpoint.token}"}
        try:
            connection.request("POST", PATH, body, headers)
            return connection.getresponse().read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                Reason.UNREACHABLE,
                f"the node at {self._endpoint.url} does not answer ({str(error) or type(error).__name__}): "
                "start it with `thalweg up`",
            ) from error
        finally:
            connection.close()


def _raised(error: _Error) -> ThalwegError:
    known = {reason.value: reason for reason in Reason}
    reason = known.get(error.data.reason, Reason.MALFORMED)
    detail = error.data.detail if error.data.reason in known else error.message
    match error.code:
        case code if code == UNAVAILABLE:
            return Unavailable(reason, detail)
        case code if code == PEER_AT_FAULT:
            return PeerFault(reason, detail)
        case _:
            return UserFault(reason, detail)
