"""Decimal text and the integers behind it, exactly: the only way numbers enter and leave over the API.

JSON numbers pass through floats in browsers, so every amount, price and quantity is a string: "1500.25".
"""

import re
from typing import Final

from thalweg.errors import Reason, UserFault

DIGITS_MAX: Final = 60
_DECIMAL: Final = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]+)(\.(?P<part>[0-9]+))?")


def parse_decimal(text: str, decimals: int, what: str) -> int:
    """Return `text` as an integer with `decimals` implied decimals. Nothing is rounded.

    Raises:
        UserFault: MALFORMED, if it is no decimal number or has more decimals than there are.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= DIGITS_MAX else None
    if match is None:
        raise UserFault(Reason.MALFORMED, f"{what} {text[:DIGITS_MAX]!r} is not a decimal number such as 1500.25")
    part = (match["part"] or "").rstrip("0")
    if len(part) > decimals:
        raise UserFault(Reason.MALFORMED, f"{what} {text} has more than {decimals} decimals")
    value: int = int(match["whole"]) * 10**decimals + int(part.ljust(decimals, "0") or "0")
    return -value if match["sign"] else value


def format_decimal(value: int, decimals: int) -> str:
    """Return an integer with `decimals` implied decimals as text, without trailing zeros."""
    whole, part = divmod(abs(value), 10**decimals)
    fraction = f"{part:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{'-' if value < 0 else ''}{whole}{'.' + fraction if fraction else ''}"
