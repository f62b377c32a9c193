"""Who pays for a deployment: a key in a keystore, a file or the environment, or an account of the chain's node."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import coincurve
import msgspec

from thalweg.app.settings import parse_address
from thalweg.chain import wire
from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_KEYS
from thalweg.chain.hosted import hosted
from thalweg.chain.rpc import Rpc
from thalweg.chain.wallet import Payer, wallet
from thalweg.errors import Reason, UserFault
from thalweg.storage import find_password, v3
from thalweg.storage.folder import read_whole

KEY_VARIABLE: Final = "THALWEG_DEPLOY_KEY"
_KEY_BYTES: Final = 32


class Paying(msgspec.Struct, frozen=True, kw_only=True):
    """What the user said of who pays; at most one of them. Without any, a development account does."""

    keystore: Path | None = None
    password_file: Path | None = None
    key_file: Path | None = None
    account: str | None = None

    def is_named(self, environ: Mapping[str, str] = os.environ) -> bool:
        """Say whether anybody is named."""
        return bool(self.keystore or self.key_file or self.account or environ.get(KEY_VARIABLE))


async def payer(rpc: Rpc, paying: Paying, environ: Mapping[str, str] = os.environ) -> Payer:
    """Return who pays, and see that there is anything to pay with.

    Raises:
        UserFault: two are named; the key cannot be read, or is none; the account has no coins.
        Unavailable: the chain does not answer.
    """
    if sum(map(bool, (paying.keystore, paying.key_file, paying.account))) > 1:
        raise UserFault(Reason.MALFORMED, "name one payer: --keystore, --key-file or --account")
    if paying.account:
        found: Payer = await hosted(rpc, parse_address(paying.account))
    else:
        found = await wallet(rpc, _key(paying, environ))
    if not await wire.balance(rpc, found.address):
        hint = f": name who pays (--keystore, --key-file, --account or {KEY_VARIABLE})"
        hint = "" if paying.is_named(environ) else hint
        who = "the development account" if found.address in DEV_ADDRESSES else "the account"
        raise UserFault(Reason.INSUFFICIENT, f"{who} {wire.hexed(found.address)} has no coins at {rpc.url}{hint}")
    return found


def _key(paying: Paying, environ: Mapping[str, str]) -> bytes:
    if paying.keystore:
        secret = v3.decrypt(read_whole(paying.keystore), find_password(paying.password_file, environ))
        return _checked(secret, str(paying.keystore))
    if paying.key_file:
        if os.name == "posix" and paying.key_file.exists() and paying.key_file.stat().st_mode & 0o077:
            detail = f"other users may read {paying.key_file}, which holds a key: run `chmod 600 {paying.key_file}`"
            raise UserFault(Reason.EXPOSED, detail)
        return _parsed(read_whole(paying.key_file).decode("ascii", "replace"), str(paying.key_file))
    if text := environ.get(KEY_VARIABLE):
        return _parsed(text, KEY_VARIABLE)
    return DEV_KEYS[0]


def _parsed(text: str, where: str) -> bytes:
    try:
        secret = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        secret = b""  # never shown: it may be a key with one wrong letter
    return _checked(secret, where)


def _checked(secret: bytes, where: str) -> bytes:
    try:
        if len(secret) == _KEY_BYTES:
            return coincurve.PrivateKey(secret).secret
    except ValueError:
        pass
    raise UserFault(Reason.MALFORMED, f"{where} holds no private key: 64 hexadecimal digits")
