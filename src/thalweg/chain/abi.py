"""The contract ABI's codec: eth-abi, imported when first used, for its import costs a node 0.3 s and 13 MB.

https://docs.soliditylang.org/en/latest/abi-spec.html
"""

from collections.abc import Sequence
from typing import Any


class Unreadable(ValueError):
    """The bytes are not values of these types."""


class Unencodable(ValueError):
    """The values are not of these types."""


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """Return values as the arguments of a call.

    Raises:
        Unencodable: a value is not of its type.
    """
    from eth_abi import abi
    from eth_abi.exceptions import EncodingError

    try:
        return abi.encode(types, values)
    except (EncodingError, OverflowError, TypeError, ValueError) as error:
        raise Unencodable(str(error)) from error


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Parse the members of a log, or what a call returned.

    Raises:
        Unreadable: the data is not of these types.
    """
    from eth_abi import abi
    from eth_abi.exceptions import DecodingError

    try:
        return abi.decode(types, data)
    except (DecodingError, OverflowError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error
