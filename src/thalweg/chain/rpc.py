"""JSON-RPC over HTTP to an EVM node: one request, one checked answer.

A node that does not answer, or answers nonsense, is `Unavailable`; what it answers but will not do is `Refused`.
Several addresses of the same chain take turns when one fails.
https://www.jsonrpc.org/specification, https://github.com/ethereum/execution-apis
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

import aiohttp
import msgspec

from thalweg.errors import Reason, Unavailable

_T = TypeVar("_T")

ANSWER_BYTES_MAX: Final = 32 * 2**20
ATTEMPTS: Final = 3
_BACKOFF_S: Final = 0.1  # before the second attempt; doubles after that
_REVERTED: Final = 3
_BUSY: Final = frozenset({-32005, 429})  # "limit exceeded", as rate-limiting providers say it
_MESSAGE_MAX: Final = 300


class Refused(Exception):
    """The node understood and will not: a revert, a bad nonce, an unknown method. Not retried."""

    def __init__(self, code: int, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def reverted(self) -> bool:
        """Whether a contract refused, rather than the node."""
        return self.code == _REVERTED or bool(self.data) or "revert" in self.message.lower()


class _Fault(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Answer(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Fault | None = None


class Rpc:
    """A chain's RPC, at one or several addresses. Use it as an async context manager, or call `close`."""

    def __init__(self, urls: Sequence[str], timeout_s: float = 10.0) -> None:
        self._urls = tuple(urls)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._turn = 0
        self._identity = 0
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """The address whose turn it is."""
        return self._urls[self._turn % len(self._urls)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(self, method: str, params: Sequence[object], kind: type[_T]) -> _T:
        """Ask, up to `ATTEMPTS` times, and return the answer as `kind`.

        Raises:
            Unavailable: UNREACHABLE or MALFORMED, when no attempt brought an answer of that kind.
            Refused: the node's own error.
        """
        return cast(_T, await self._try(method, params, kind))

    async def maybe(self, method: str, params: Sequence[object], kind: type[_T]) -> _T | None:
        """Ask as `request` does, where the answer may be null."""
        return cast(_T | None, await self._try(method, params, kind | None))

    async def _try(self, method: str, params: Sequence[object], form: object) -> object:
        failed = Unavailable(Reason.UNREACHABLE)
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_BACKOFF_S * 2 ** (attempt - 1))
            turn = self._turn
            try:
                return await self._ask(method, params, form)
            except Unavailable as error:
                failed = error
                if self._turn == turn:  # else another request moved on from the same failure
                    self._turn += 1
        raise failed

    async def _ask(self, method: str, params: Sequence[object], form: object) -> object:
        self._identity += 1
        identity, url = self._identity, self.url  # others ask, and turn to another address, while this one waits
        question = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
        status, body = await self.post(url, msgspec.json.encode(question))
        try:
            answer = msgspec.json.decode(body, type=_Answer)
            if answer.error is not None:
                raise _refusal(answer.error)
            if status == 200 and answer.id == identity:
                return _decode(answer.result, form)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if status == 200:
                raise Unavailable(Reason.MALFORMED, f"{url} answered {method} with nonsense: {error}") from error
        raise Unavailable(Reason.UNREACHABLE, f"{url} answered {method} with HTTP status {status}")

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Send bytes, return the HTTP status and the bytes that come back.

        Raises:
            Unavailable: UNREACHABLE or OVERSIZED.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                found = await response.content.read(ANSWER_BYTES_MAX + 1)
                while found and len(found) <= ANSWER_BYTES_MAX and not response.content.at_eof():
                    found += await response.content.read(ANSWER_BYTES_MAX + 1 - len(found))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(Reason.UNREACHABLE, f"the chain's RPC at {url} does not answer: {why}") from error
        if len(found) > ANSWER_BYTES_MAX:
            raise Unavailable(Reason.OVERSIZED, f"{url} answered with more than {ANSWER_BYTES_MAX} bytes")
        return response.status, found


def _decode(data: bytes, form: Any) -> object:
    return msgspec.json.decode(data, type=form)


def _refusal(fault: _Fault) -> Exception:
    message = fault.message[:_MESSAGE_MAX]
    if fault.code in _BUSY and "result" not in message:
        return Unavailable(Reason.UNREACHABLE, f"the chain's RPC is busy: {message}")
    data = b""
    if isinstance(fault.data, str) and fault.data[:2] == "0x":
        try:
            data = bytes.fromhex(fault.data[2:])
        except ValueError:
            data = b""
    return Refused(fault.code, message, data)
