"""`python -m thalweg.market FILE CURRENCY SOURCE`: fit a snapshot and print the market as JSON.

So `default.json` was made, from the snapshot that its `source` names: fitted figures, none of the snapshot's rows.
"""

import sys
from pathlib import Path

import msgspec

from thalweg.codec import encode
from thalweg.errors import UserFault
from thalweg.market.snapshot import load_market


def main(arguments: list[str]) -> int:
    """Return the exit status: 2 for the caller's mistakes."""
    if len(arguments) != 3:
        sys.stderr.write("usage: python -m thalweg.market FILE CURRENCY SOURCE\n")
        return 2
    file, currency, source = arguments
    try:
        market = msgspec.structs.replace(load_market(Path(file), currency), source=source)
    except UserFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    sys.stdout.write(msgspec.json.format(encode(market), indent=1).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
