"""What the embedded chain answers when it cannot do what was asked: a JSON-RPC error, with the code clients expect.

Codes: https://www.jsonrpc.org/specification#error_object and, for -32000 and 3, what geth and anvil answer.
"""

from typing import Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
SERVER_ERROR: Final = -32000
LIMIT_EXCEEDED: Final = -32005
REVERTED: Final = 3


class RpcError(Exception):
    """A refusal with a JSON-RPC code; `data` is what a call reverted with."""

    def __init__(self, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
