"""BIP-39: the seed as words. English only, no passphrase; 12 words by default, 12 to 24 taken.

The arithmetic is the reference implementation's (`mnemonic`, by the authors of the BIP). Its list of words is checked
by its hash, because other words would be other money. https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki
"""

import functools
import hashlib
import unicodedata
from typing import Final

from mnemonic import Mnemonic

from thalweg.errors import InvariantBroken, Reason, UserFault

ENTROPY_BYTES: Final = 16  # 128 bits: what breaking a secp256k1 key takes
ENTROPY_BYTES_ALLOWED: Final = (16, 20, 24, 28, 32)

_WORDS_SHA256: Final = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
_COUNTS: Final = tuple(size * 3 // 4 for size in ENTROPY_BYTES_ALLOWED)
_MNEMONIC_CHARACTERS_MAX: Final = 1024


def to_mnemonic(entropy: bytes) -> str:
    """Return the words of 16, 20, 24, 28 or 32 bytes of entropy."""
    if len(entropy) not in ENTROPY_BYTES_ALLOWED:
        raise UserFault(Reason.MALFORMED, f"entropy of {len(entropy)} bytes: BIP-39 knows {ENTROPY_BYTES_ALLOWED}")
    return _english().to_mnemonic(entropy)


def to_entropy(mnemonic: str) -> bytes:
    """Return the entropy behind a mnemonic, its checksum checked.

    Raises:
        UserFault: MALFORMED, naming the word that is not in the list, the count, or the checksum.
    """
    given = unicodedata.normalize("NFKD", mnemonic[:_MNEMONIC_CHARACTERS_MAX]).lower().split()
    if len(given) not in _COUNTS:
        raise UserFault(Reason.MALFORMED, f"a mnemonic has 12, 15, 18, 21 or 24 words, not {len(given)}")
    english = _english()
    known = set(english.wordlist)
    for position, word in enumerate(given, start=1):
        if word not in known:
            raise UserFault(Reason.MALFORMED, f"word {position} of the mnemonic is not in the BIP-39 list: check it")
    if not english.check(" ".join(given)):
        raise UserFault(Reason.MALFORMED, "the mnemonic's checksum is wrong: check the words and their order")
    return bytes(english.to_entropy(given))


def to_seed(mnemonic: str, passphrase: str = "") -> bytes:
    """Return the 64-byte seed of a mnemonic in its canonical form (as `to_mnemonic` gives it)."""
    return Mnemonic.to_seed(mnemonic, passphrase)


@functools.cache
def _english() -> Mnemonic:
    english = Mnemonic("english")
    content = "".join(f"{word}\n" for word in english.wordlist)
    if hashlib.sha256(content.encode()).hexdigest() != _WORDS_SHA256:
        raise InvariantBroken("the installed BIP-39 words are not the official ones: reinstall `mnemonic`")
    return english
