"""What a reverted call said: Error(string) and Panic(uint256), the two forms compilers emit.

https://docs.soliditylang.org/en/latest/control-structures.html#panic-via-assert-and-error-via-require
"""

from typing import Final

_ERROR_SELECTOR: Final = bytes.fromhex("08c379a0")
_PANIC_SELECTOR: Final = bytes.fromhex("4e487b71")
_REASON_MAX: Final = 512  # characters kept of a reason: a contract may revert with megabytes
_SHOWN_BYTES_MAX: Final = 64


def revert_reason(data: bytes) -> str:
    """Return the reason in revert data: the string of Error(string), else a short description; "" for no data."""
    if not data:
        return ""
    if data[:4] == _ERROR_SELECTOR and (text := _string(data[4:])) is not None:
        return text
    if data[:4] == _PANIC_SELECTOR and len(data) == 36:
        return f"panic 0x{int.from_bytes(data[4:]):02x}"
    return f"custom error 0x{data[:_SHOWN_BYTES_MAX].hex()}"


def _string(body: bytes) -> str | None:
    if len(body) < 64 or int.from_bytes(body[:32]) != 32:
        return None
    size = int.from_bytes(body[32:64])
    if size > len(body) - 64:
        return None
    return body[64 : 64 + min(size, _REASON_MAX)].decode(errors="replace")
