"""A process to be killed: `writer.py <folder>` appends and signs for ever, saying on standard output what is durable.

Entry number n is `entry(n)`; version n of the channel is signed after entry n was appended; every hundred or so entries
are compacted into a snapshot that says how many there were.
"""

import hashlib
import sys
from pathlib import Path

from thalweg.node.ports import Mark
from thalweg.storage import open_folder
from thalweg.units import ChannelId, Hash, Version

CHANNEL = ChannelId(b"\5" * 32)


def entry(number: int) -> bytes:
    """Return the entry of a number: up to 6,000 bytes, now and then none."""
    seed = hashlib.sha256(number.to_bytes(8)).digest()
    return seed * (seed[0] * (seed[1] % 4) // 4)


def digest(number: int) -> Hash:
    """Return what is signed as a version."""
    return Hash(hashlib.sha256(b"state" + number.to_bytes(8)).digest())


def main(path: Path) -> None:
    """Write until killed."""
    opened = open_folder(path, "password")
    done = opened.journal.seq
    sys.stdout.write("ready\n")
    while True:
        count = 1 + done % 7
        entries = [entry(number) for number in range(done + 1, done + 1 + count)]
        done += count
        opened.journal.append(entries, {CHANNEL: Mark(Version(done), digest(done))})
        if done % 100 < count:
            opened.journal.compact(done.to_bytes(8))
        opened.signer.sign_state(CHANNEL, Version(done), digest(done))
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
