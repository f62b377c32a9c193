"""Web3 Secret Storage, version 3: a secret under a password, as Ethereum wallets write it.

AES-128-CTR under the first half of a derived key, keccak(second half | ciphertext) as the check. New files use scrypt
with N = 2^15, r = 8, p = 1: 32 MiB and some 110 ms a guess (docs/decisions/0032-keys.md). Files of other programs
may ask for more, up to 256 MiB. https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage

Own code because eth-keyfile takes a second to import, of the second and a half a node has to start in.
"""

import hashlib
import hmac
import secrets
import uuid
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from thalweg.crypto import keccak
from thalweg.errors import Reason, UserFault

SCRYPT_N: Final = 1 << 15
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
SECRET_BYTES_MAX: Final = 1024

_SCRYPT_BYTES_MAX: Final = 256 << 20
_SCRYPT_WORK_MAX: Final = 1 << 25  # N * r * p
_PBKDF2_ROUNDS_MAX: Final = 1 << 24
_KEY_BYTES: Final = 32
_SALT_BYTES_MAX: Final = 1024


class CipherParams(msgspec.Struct, frozen=True):
    """The counter's start, in hexadecimal."""

    iv: str


class KdfParams(msgspec.Struct, frozen=True, omit_defaults=True):
    """Both functions' parameters: `n`, `r`, `p` are scrypt's, `c` and `prf` PBKDF2's."""

    dklen: int
    salt: str
    n: int = 0
    r: int = 0
    p: int = 0
    c: int = 0
    prf: str = ""


class Crypto(msgspec.Struct, frozen=True):
    """The encrypted secret. Byte strings are in hexadecimal, without 0x."""

    cipher: str
    ciphertext: str
    cipherparams: CipherParams
    kdf: str
    kdfparams: KdfParams
    mac: str


class Keystore(msgspec.Struct, frozen=True):
    """A version 3 file. Unknown fields (`address`) are ignored."""

    crypto: Crypto
    id: str
    version: int


def encrypt(secret: bytes, password: str) -> bytes:
    """Return a keystore file with `secret` (at most SECRET_BYTES_MAX) under `password`."""
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    params = KdfParams(dklen=_KEY_BYTES, salt=salt.hex(), n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    key = _derive_key("scrypt", params, password)
    ciphertext = _aes_ctr(key[:16], iv, secret)
    crypto = Crypto(
        cipher="aes-128-ctr",
        ciphertext=ciphertext.hex(),
        cipherparams=CipherParams(iv.hex()),
        kdf="scrypt",
        kdfparams=params,
        mac=keccak(key[16:32] + ciphertext).hex(),
    )
    return msgspec.json.encode(Keystore(crypto, str(uuid.uuid4()), 3))


def decrypt(content: bytes, password: str) -> bytes:
    """Return the secret in a keystore file.

    Raises:
        UserFault: WRONG_PASSWORD; CORRUPT, if it is not a version 3 file, or one of functions that we do not know.
    """
    try:
        keystore = msgspec.json.decode(content, type=Keystore)
        crypto = keystore.crypto
        iv, mac, ciphertext = map(bytes.fromhex, (crypto.cipherparams.iv, crypto.mac, crypto.ciphertext))
        bytes.fromhex(crypto.kdfparams.salt)
    except (msgspec.DecodeError, ValueError) as error:
        raise _corrupt(str(error)) from error
    if keystore.version != 3 or crypto.cipher != "aes-128-ctr" or len(iv) != 16 or len(ciphertext) > SECRET_BYTES_MAX:
        raise _corrupt(f"version {keystore.version}, cipher {crypto.cipher}")
    key = _derive_key(crypto.kdf, crypto.kdfparams, password)
    if not hmac.compare_digest(keccak(key[16:32] + ciphertext), mac):
        raise UserFault(Reason.WRONG_PASSWORD, "this password does not open the keystore")
    return _aes_ctr(key[:16], iv, ciphertext)


def _derive_key(kdf: str, params: KdfParams, password: str) -> bytes:
    salt = bytes.fromhex(params.salt)
    if params.dklen != _KEY_BYTES or len(salt) > _SALT_BYTES_MAX:
        raise _corrupt(f"derived key of {params.dklen} bytes, salt of {len(salt)}")
    if kdf == "pbkdf2" and params.prf == "hmac-sha256" and 0 < params.c <= _PBKDF2_ROUNDS_MAX:
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, params.c, _KEY_BYTES)
    n, r, p = params.n, params.r, params.p
    is_sane = n > 1 and n & (n - 1) == 0 and r > 0 and p > 0
    if kdf != "scrypt" or not is_sane or 128 * n * r > _SCRYPT_BYTES_MAX or n * r * p > _SCRYPT_WORK_MAX:
        raise _corrupt(f"key derivation {kdf} with {params}")
    return _scrypt(password.encode(), salt, n, r, p)


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    if n.bit_length() - 1 >= 16 * r:
        # Early geth and eth-keyfile choose r = 1 with N = 2^18, which RFC 7914 section 2 forbids and OpenSSL refuses.
        from Crypto.Protocol.KDF import scrypt

        # Its stubs ask for str, which it would take for Latin-1; bytes it takes as they are.
        key = scrypt(password, salt, _KEY_BYTES, n, r, p)  # type: ignore[arg-type]
        return key if isinstance(key, bytes) else key[0]
    memory = 128 * r * (n + p) + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=_KEY_BYTES)


def _aes_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    transform = Cipher(algorithms.AES128(key), modes.CTR(iv)).encryptor()
    return transform.update(data) + transform.finalize()


def _corrupt(what: str) -> UserFault:
    return UserFault(Reason.CORRUPT, f"this is not a version 3 keystore that we can read: {what}")
