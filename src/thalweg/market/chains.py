"""A snapshot's whole chain, as the pricing engine calibrates surfaces from."""

import io
from pathlib import Path

from thalweg.errors import Reason, UserFault
from thalweg.market.snapshot import bytes_of, read_quotes
from thalweg.pricing.black import YEAR_S
from thalweg.pricing.quotes import Quotes, quotes_of


def load_chain(path: Path, currency: str = "BTC") -> Quotes:
    """Return the quotes of one currency in a snapshot (see `snapshot` for its columns), prices in coin.

    Raises:
        UserFault: UNREACHABLE, OVERSIZED or MALFORMED, naming the file, and the line where one is to blame.
    """
    try:
        rows = read_quotes(io.StringIO(bytes_of(path).decode(), newline=""), currency)
    except OSError as error:
        raise UserFault(Reason.UNREACHABLE, f"cannot read {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UserFault(Reason.MALFORMED, f"{path} is not text: {error}") from error
    except UserFault as fault:
        raise UserFault(fault.reason, f"{path}: {fault.detail}") from fault
    if not rows:
        raise UserFault(Reason.MALFORMED, f"{path}: no rows of {currency}")
    newest = max(row.at for row in rows)
    return quotes_of(
        [row.is_call for row in rows],
        [row.strike for row in rows],
        [(row.expiry - newest) / YEAR_S for row in rows],
        [row.bid for row in rows],
        [row.ask for row in rows],
        forward=[row.forward for row in rows],
        age_s=[newest - row.at for row in rows],
        inverse=True,
    )
