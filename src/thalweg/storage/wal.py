"""Did SQLite's write-ahead log lose something it had acknowledged? Looks at the file before SQLite does.

SQLite takes a log up to its first bad frame and drops the rest in silence: right for a write that a crash cut short,
wrong for a log that rotted. Every commit is synced before the next one starts, so a crash can cut short only the last.
Hence the rule: beyond the first bad frame there may be frames of one commit; if there are frames of two, it rotted.
What a rotten last commit takes with it cannot be told from a crash here; the signer's marks tell it (`identity`).

Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_HEADER: Final = struct.Struct(">8I")  # magic, format, page size, checkpoint, salt 1, salt 2, checksum 1, checksum 2
_FRAME: Final = struct.Struct(">6I")  # page, database size after commit (else 0), salt 1, salt 2, checksum 1 and 2
_MAGIC: Final = 0x377F0682  # its last bit says that checksums read words in big-endian order
_MASK: Final = 0xFFFFFFFF
_PAGE_BYTES_MAX: Final = 65536


def log_is_whole(path: Path) -> bool:
    """Say whether the log at `path` is one that SQLite left, at worst cut short in its last commit."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        if not any(head):
            return not any(any(chunk) for chunk in iter(lambda: file.read(_PAGE_BYTES_MAX), b""))
        if len(head) < _HEADER.size:
            return False
        magic, _, page_bytes, _, *salts_and_sums = _HEADER.unpack(head)
        order = ">" if magic & 1 else "<"
        sums = _checksum(head[:24], (0, 0), order)
        if magic & ~1 != _MAGIC or not 0 < page_bytes <= _PAGE_BYTES_MAX or sums != tuple(salts_and_sums[2:]):
            return False
        return not _lost_a_commit(_frames(file, page_bytes), salts_and_sums[:2], sums, order)


def _lost_a_commit(frames: Iterator[tuple[bytes, bytes]], salts: list[int], sums: tuple[int, int], order: str) -> bool:
    """Say whether, from the first bad frame on, a commit of this log is followed by more of this log.

    Frames of an earlier log lie beyond the end of this one; both their salts differ.
    """
    is_good, has_lost = True, False
    for header, page in frames:
        _, commit, salt1, salt2, *claimed = _FRAME.unpack(header)
        if is_good:
            sums = _checksum(page, _checksum(header[:8], sums, order), order)
            is_good = [salt1, salt2] == salts and sums == tuple(claimed)
        if is_good or (salt1 != salts[0] and salt2 != salts[1]):
            continue
        if has_lost:
            return True
        has_lost = commit != 0
    return False


def _frames(file: BinaryIO, page_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the header and the page of every frame that is there in full."""
    size = _FRAME.size + page_bytes
    while len(frame := file.read(size)) == size:
        yield frame[: _FRAME.size], frame[_FRAME.size :]


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """Carry SQLite's running checksum on over `data`, whose length is a multiple of 8."""
    first, second = sums
    numbers = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for left, right in zip(numbers, numbers, strict=True):
        first = (first + left + second) & _MASK
        second = (second + right + first) & _MASK
    return first, second
