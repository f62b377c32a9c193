"""Where a node's API is and what opens it: `api.json` in its data folder, readable by its user alone.

A new token is made at each start, so an old copy of the file opens nothing.
"""

import secrets
from pathlib import Path
from typing import Final

import msgspec

from thalweg.codec import encode
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.storage.folder import read_whole, write_whole

FILE_NAME: Final = "api.json"
PATH: Final = "/api/v1"
_TOKEN_BYTES: Final = 32


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The API's address and its bearer token; never print it."""

    url: str
    token: str
    process: int


def new_token() -> str:
    """Return a bearer token nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def write_endpoint(folder: Path, endpoint: Endpoint) -> None:
    """Tell those who may read the data folder how to reach this node.

    Raises:
        Unavailable: the disk failed or is full.
    """
    write_whole(folder / FILE_NAME, encode(endpoint))


def read_endpoint(folder: Path) -> Endpoint:
    """Return how to reach the node that uses a data folder.

    Raises:
        UserFault: NOT_FOUND, if there is no such folder; CORRUPT.
        Unavailable: UNREACHABLE, if no node runs on it.
    """
    if not folder.is_dir():
        raise UserFault(Reason.NOT_FOUND, f"{folder} does not exist: create it with `thalweg init --data {folder}`")
    if not (folder / FILE_NAME).exists():
        raise Unavailable(Reason.UNREACHABLE, f"no node runs on {folder}: start it with `thalweg up --data {folder}`")
    try:
        return msgspec.json.decode(read_whole(folder / FILE_NAME), type=Endpoint)
    except msgspec.DecodeError as error:
        raise UserFault(Reason.CORRUPT, f"{folder / FILE_NAME} is damaged ({error}): restart the node") from error


def remove_endpoint(folder: Path) -> None:
    """Say that no node runs any more."""
    (folder / FILE_NAME).unlink(missing_ok=True)
