"""All keys of a node, out of one mnemonic, and the encrypted file that holds it.

    m/44'/60'/0'/0/0   wallet: pays gas and deposits; the default payout address
    m/44'/60'/1'/0/i   channel keys: sign states
    m/44'/60'/2'/0/0   oracle key: signs reports
    m/44'/60'/3'/0/0   node key: HKDF-SHA256 of it is the Ed25519 identity on the network
    m/44'/60'/4'/0/0   backup key: HKDF-SHA256 of it encrypts backups

The first is where every Ethereum wallet looks, so the mnemonic alone brings the money back without us.
`keystore/seed.json` holds the entropy, not the seed, so that the words can be shown again.
"""

import functools
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import coincurve
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from thalweg.errors import Reason, UserFault
from thalweg.storage import v3
from thalweg.storage.derivation import derive
from thalweg.storage.folder import DataFolder, read_whole, write_whole
from thalweg.storage.identity import JournalRecord, save_record
from thalweg.storage.intents import IntentFile
from thalweg.storage.journal import new_journal_id
from thalweg.storage.marks import MarkFile
from thalweg.storage.mnemonic import ENTROPY_BYTES, to_entropy, to_mnemonic, to_seed

PASSWORD_VARIABLE: Final = "THALWEG_PASSWORD"  # noqa: S105 - its name
CHANNEL_KEYS_MAX: Final = 1 << 20


class Keys:
    """What one mnemonic gives. Made by `create_keystore` and `unlock`; printing it shows nothing."""

    def __init__(self, entropy: bytes) -> None:
        self.mnemonic = to_mnemonic(entropy)
        self._seed = to_seed(self.mnemonic)

    @functools.cached_property
    def wallet(self) -> coincurve.PrivateKey:
        """Return the key that pays."""
        return self._private_key("m/44'/60'/0'/0/0")

    def channel(self, index: int = 0) -> coincurve.PrivateKey:
        """Return a key that signs channel states. `index` is below CHANNEL_KEYS_MAX."""
        if not 0 <= index < CHANNEL_KEYS_MAX:
            raise UserFault(Reason.LIMIT, f"there are {CHANNEL_KEYS_MAX} channel keys, not one of index {index}")
        return self._private_key(f"m/44'/60'/1'/0/{index}")

    @functools.cached_property
    def oracle(self) -> coincurve.PrivateKey:
        """Return the key that signs oracle reports."""
        return self._private_key("m/44'/60'/2'/0/0")

    @functools.cached_property
    def node(self) -> bytes:
        """Return the 32-byte private key of the node's Ed25519 identity."""
        return self._expand("m/44'/60'/3'/0/0", b"thalweg node key")

    @functools.cached_property
    def backup(self) -> bytes:
        """Return the 32 bytes that each backup's own key is made from."""
        return self._expand("m/44'/60'/4'/0/0", b"thalweg backup key")

    def _private_key(self, path: str) -> coincurve.PrivateKey:
        return coincurve.PrivateKey(derive(self._seed, path).secret)

    def _expand(self, path: str, purpose: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt=None, info=purpose).derive(derive(self._seed, path).secret)


def create_keystore(folder: DataFolder, password: str, mnemonic: str | None = None) -> Keys:
    """Write a keystore for a new mnemonic, or for a given one, and the empty records that belong to it.

    The seed is written last, so a crash leaves a complete keystore or none.

    Raises:
        UserFault: EXISTS, if there is one; MALFORMED mnemonic; WRONG_PASSWORD, if the password is empty.
        Unavailable: the disk failed or is full.
    """
    if folder.seed.exists():
        raise UserFault(Reason.EXISTS, f"{folder.seed} holds a seed already: name a new folder")
    if not password:
        raise UserFault(Reason.WRONG_PASSWORD, f"an empty password protects nothing: set {PASSWORD_VARIABLE}")
    entropy = secrets.token_bytes(ENTROPY_BYTES) if mnemonic is None else to_entropy(mnemonic)
    keys = Keys(entropy)
    save_record(folder, JournalRecord(journal_id=new_journal_id(), generation=0))
    MarkFile.create(folder.marks(0))
    IntentFile.create(folder.intents)
    write_whole(folder.seed, v3.encrypt(entropy, password))
    return keys


def unlock(folder: DataFolder, password: str) -> Keys:
    """Decrypt the seed: some 110 ms, most of it on purpose.

    Raises:
        UserFault: WRONG_PASSWORD; NOT_FOUND; CORRUPT.
    """
    if not folder.seed.exists():
        raise UserFault(Reason.NOT_FOUND, f"{folder.path} has no seed yet: run `thalweg init`")
    entropy = v3.decrypt(read_whole(folder.seed), password)
    return Keys(entropy)


def find_password(
    file: Path | None = None, environ: Mapping[str, str] = os.environ, ask: Callable[[], str] | None = None
) -> str:
    """Return the password: from `file` (its first line), else THALWEG_PASSWORD, else whatever `ask` prompts for.

    Raises:
        UserFault: NOT_FOUND or MALFORMED file; WRONG_PASSWORD, if there is no other source.
    """
    if file is not None:
        try:
            return read_whole(file).decode().partition("\n")[0].removesuffix("\r")
        except UnicodeDecodeError as error:
            raise UserFault(Reason.MALFORMED, f"the password in {file} is not UTF-8 text") from error
    if password := environ.get(PASSWORD_VARIABLE):
        return password
    if ask is None:
        raise UserFault(Reason.WRONG_PASSWORD, f"no password: set {PASSWORD_VARIABLE} or name a password file")
    return ask()
