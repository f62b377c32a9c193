"""BIP-39: the seed as words. English only, no passphrase; 12 words by default, 12 to 24 taken.

The list of words is eth-account's copy of the official one, read as a file: importing eth-account takes a second,
which a starting node has not got. It is checked by its hash, because other words would be other money.
https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki
"""

import functools
import hashlib
import importlib.util
import unicodedata
from pathlib import Path
from typing import Final

from thalweg.errors import InvariantBroken, Reason, UserFault

ENTROPY_BYTES: Final = 16  # 128 bits: what breaking a secp256k1 key takes
ENTROPY_BYTES_ALLOWED: Final = (16, 20, 24, 28, 32)

_WORDS: Final = 2048
_WORD_BITS: Final = 11
_WORDS_SHA256: Final = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
_ROUNDS: Final = 2048
_MNEMONIC_CHARACTERS_MAX: Final = 1024


def to_mnemonic(entropy: bytes) -> str:
    """Return the words of 16, 20, 24, 28 or 32 bytes of entropy."""
    if len(entropy) not in ENTROPY_BYTES_ALLOWED:
        raise UserFault(Reason.MALFORMED, f"entropy of {len(entropy)} bytes: BIP-39 knows {ENTROPY_BYTES_ALLOWED}")
    checksum_bits = len(entropy) // 4
    number = int.from_bytes(entropy) << checksum_bits | _checksum(entropy)
    count = (len(entropy) * 8 + checksum_bits) // _WORD_BITS
    words = _words()
    return " ".join(words[number >> _WORD_BITS * place & (_WORDS - 1)] for place in reversed(range(count)))


def to_entropy(mnemonic: str) -> bytes:
    """Return the entropy behind a mnemonic, its checksum checked.

    Raises:
        UserFault: MALFORMED, naming the word that is not in the list, the count, or the checksum.
    """
    given = unicodedata.normalize("NFKD", mnemonic[:_MNEMONIC_CHARACTERS_MAX]).lower().split()
    entropy_bytes = len(given) * 4 // 3  # 33 bits, of which one is checksum, are three words
    if entropy_bytes not in ENTROPY_BYTES_ALLOWED or len(given) % 3:
        raise UserFault(Reason.MALFORMED, f"a mnemonic has 12, 15, 18, 21 or 24 words, not {len(given)}")
    places = {word: place for place, word in enumerate(_words())}
    number = 0
    for position, word in enumerate(given, start=1):
        if word not in places:
            raise UserFault(Reason.MALFORMED, f"word {position} of the mnemonic is not in the BIP-39 list: check it")
        number = number << _WORD_BITS | places[word]
    checksum_bits = entropy_bytes // 4
    entropy = (number >> checksum_bits).to_bytes(entropy_bytes)
    if number & ((1 << checksum_bits) - 1) != _checksum(entropy):
        raise UserFault(Reason.MALFORMED, "the mnemonic's checksum is wrong: check the words and their order")
    return entropy


def to_seed(mnemonic: str, passphrase: str = "") -> bytes:
    """Return the 64-byte seed of a mnemonic in its canonical form (as `to_mnemonic` gives it)."""
    password, salt = (unicodedata.normalize("NFKD", text).encode() for text in (mnemonic, "mnemonic" + passphrase))
    return hashlib.pbkdf2_hmac("sha512", password, salt, _ROUNDS)


def _checksum(entropy: bytes) -> int:
    """Return the first bits of the entropy's SHA-256: one for every 32."""
    return hashlib.sha256(entropy).digest()[0] >> 8 - len(entropy) // 4


@functools.cache
def _words() -> tuple[str, ...]:
    spec = importlib.util.find_spec("eth_account")
    if spec is None or not spec.submodule_search_locations:
        raise InvariantBroken("eth-account, which carries the BIP-39 words, is not installed")
    content = Path(spec.submodule_search_locations[0], "hdaccount", "wordlist", "english.txt").read_bytes()
    if hashlib.sha256(content).hexdigest() != _WORDS_SHA256:
        raise InvariantBroken("the installed BIP-39 words are not the official ones: reinstall eth-account")
    return tuple(content.decode("ascii").split())
