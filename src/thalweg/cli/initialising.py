"""Data folders: made, given a deployment, unlocked."""

import shutil
import sys
from pathlib import Path
from typing import Any

import typer

from thalweg.app.settings import DEPLOYMENT_FILE, read_deployment, write_deployment
from thalweg.crypto import address_of
from thalweg.errors import Reason, UserFault
from thalweg.network.peer_id import Identity
from thalweg.storage import DataFolder, Keys, create_keystore, find_password
from thalweg.storage.folder import read_whole
from thalweg.storage.keys import unlock


def ask_password(file: Path | None, *, new: bool = False) -> str:
    """Return the password from a file, the environment, or the terminal.

    Raises:
        UserFault: there is no terminal to ask at either.
    """

    def prompt() -> str:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=new, err=True))

    return find_password(file, ask=prompt if sys.stdin.isatty() else None)


def read_words(file: Path) -> str:
    """Return the mnemonic in a file.

    Raises:
        UserFault: it cannot be read.
    """
    try:
        return " ".join(read_whole(file).decode("ascii").split())
    except UnicodeDecodeError as error:
        raise UserFault(Reason.MALFORMED, f"{file} holds no mnemonic: words of plain letters") from error


def unlock_folder(data: Path, password: str) -> Keys:
    """Return a folder's keys without taking the folder: its node may be running."""
    if not (data / "keystore").is_dir():
        raise UserFault(Reason.NOT_FOUND, f"{data} is not a data folder: create it with `thalweg init --data {data}`")
    return unlock(DataFolder(data, -1), password)


def initialise(
    data: Path, deployment: Path | None, mnemonic_file: Path | None, password_file: Path | None
) -> dict[str, Any]:
    """Make a data folder, or give one its deployment; return who it is. New words are in "mnemonic".

    Raises:
        UserFault: what is wrong; a folder that was there is as it was.
        Unavailable: the disk failed or is full.
    """
    described = None if deployment is None else read_deployment(deployment)
    fresh = not (data / "keystore" / "seed.json").exists()
    if not fresh and described is None:
        raise UserFault(Reason.EXISTS, f"{data} has its keys already: name a new folder, or give --deployment")
    words = None if mnemonic_file is None else read_words(mnemonic_file)
    password = ask_password(password_file, new=fresh)
    keys = _create(data, password, words) if fresh else unlock_folder(data, password)
    if described is not None:
        write_deployment(data / DEPLOYMENT_FILE, described)
    who = describe_keys(keys)
    if fresh and words is None:
        who["mnemonic"] = keys.mnemonic
    return {"data": str(data), **who}


def _create(data: Path, password: str, words: str | None) -> Keys:
    existed = data.exists()
    try:
        with DataFolder.create(data) as folder:
            return create_keystore(folder, password, words)
    except UserFault:
        if not existed and data.exists():
            shutil.rmtree(data)
        raise


def give_deployment(data: Path, deployment: Path) -> None:
    """Give a data folder its deployment."""
    write_deployment(data / DEPLOYMENT_FILE, read_deployment(deployment))


def describe_keys(keys: Keys) -> dict[str, Any]:
    """Return the public side of a folder's keys."""
    return {
        "peer": str(Identity(keys.node).peer_id),
        "wallet": f"0x{address_of(keys.wallet.public_key).hex()}",
        "channel_key": f"0x{address_of(keys.channel(0).public_key).hex()}",
        "oracle_key": f"0x{address_of(keys.oracle.public_key).hex()}",
    }
