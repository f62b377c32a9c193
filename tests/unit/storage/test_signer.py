"""The signer and its marks: one state a version, whatever happens to the caller or the disk."""

import os
from pathlib import Path

import coincurve
import pytest

from thalweg.crypto import address_of, signed_by
from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import Mark, Signer
from thalweg.node.state import CHANNELS_MAX
from thalweg.storage import FileSigner, marks
from thalweg.storage.marks import CHUNK_CHANNELS, HEADER_BYTES, SLOT_BYTES, MarkFile
from thalweg.units import VERSION_FINAL, ChannelId, Hash, Version

KEY = coincurve.PrivateKey(b"\1" * 32)
CHANNEL, SECOND = ChannelId(b"\1" * 32), ChannelId(b"\2" * 32)
ONE, TWO = Hash(b"\1" * 32), Hash(b"\2" * 32)
A = HEADER_BYTES
B = HEADER_BYTES + CHUNK_CHANNELS * SLOT_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "marks-0"
    MarkFile.create(path)
    return path


def channel(number: int) -> ChannelId:
    return ChannelId(number.to_bytes(32))


def test_it_signs_as_its_address(path: Path) -> None:
    file_signer = FileSigner.open(path, KEY)
    signer: Signer = file_signer
    assert signer.address() == address_of(KEY.public_key)
    assert signer.mark(CHANNEL) is None
    assert signed_by(ONE, signer.sign_state(CHANNEL, Version(1), ONE), signer.address())
    assert signed_by(TWO, signer.sign_digest(TWO), signer.address())
    assert signer.mark(CHANNEL) == Mark(Version(1), ONE)
    file_signer.close()


@pytest.mark.parametrize("reopen", [False, True])
def test_a_second_state_of_a_version_and_a_lower_version_are_refused(path: Path, reopen: bool) -> None:
    signer = FileSigner.open(path, KEY)
    first = signer.sign_state(CHANNEL, Version(5), ONE)
    if reopen:
        signer.close()
        signer = FileSigner.open(path, KEY)
    for version, digest in ((5, TWO), (4, ONE), (4, TWO), (0, ONE)):
        with pytest.raises(UserFault, match="version 5") as refused:
            signer.sign_state(CHANNEL, Version(version), digest)
        assert refused.value.reason is Reason.SIGNED_BEFORE
    assert signer.sign_state(CHANNEL, Version(5), ONE) == first
    signer.sign_state(CHANNEL, Version(9), TWO)
    signer.sign_state(SECOND, Version(0), ONE)
    signer.sign_state(SECOND, VERSION_FINAL, ONE)
    assert signer.marks() == {CHANNEL: Mark(Version(9), TWO), SECOND: Mark(VERSION_FINAL, ONE)}
    signer.close()


@pytest.mark.parametrize(
    ("channel_id", "version", "digest"),
    [(b"", 1, ONE), (CHANNEL, -1, ONE), (CHANNEL, VERSION_FINAL + 1, ONE), (CHANNEL, 1, b"short")],
)
def test_what_is_no_state_is_not_signed(path: Path, channel_id: bytes, version: int, digest: bytes) -> None:
    signer = FileSigner.open(path, KEY)
    with pytest.raises(InvariantBroken):
        signer.sign_state(ChannelId(channel_id), Version(version), Hash(digest))
    assert signer.marks() == {}
    signer.close()


def test_thousands_of_channels_grow_the_file_and_come_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "write_synced", os.pwrite)  # this test is about places, not about power
    file = MarkFile.open(path)
    count = 2 * CHUNK_CHANNELS + 1
    for number in range(count):
        file.put(channel(number), Mark(Version(number), ONE))
    for number in range(0, count, 3):
        file.put(channel(number), Mark(Version(number + 1), TWO))
    before = file.all()
    file.close()
    file = MarkFile.open(path)
    assert file.all() == before
    assert len(before) == count
    file.close()


def test_there_is_a_limit_of_channels(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = MarkFile.open(path)
    monkeypatch.setattr(marks, "CHANNELS_MAX", 2)
    file.put(channel(0), Mark(Version(1), ONE))
    file.put(channel(1), Mark(Version(1), ONE))
    with pytest.raises(UserFault) as refused:
        file.put(channel(2), Mark(Version(1), ONE))
    assert refused.value.reason is Reason.LIMIT
    file.put(channel(1), Mark(Version(2), ONE))
    file.close()


def test_there_are_marks_for_more_channels_than_a_node_ever_knows() -> None:
    assert marks.CHANNELS_MAX > CHANNELS_MAX


def test_room_is_what_channels_without_a_mark_leave(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = FileSigner.open(path, KEY)
    monkeypatch.setattr(marks, "CHANNELS_MAX", 4)
    assert signer.room(set()) == 4
    signer.sign_state(CHANNEL, Version(1), ONE)
    assert signer.room(set()) == signer.room({CHANNEL}) == 3
    assert signer.room({CHANNEL, SECOND}) == 2
    assert signer.room({CHANNEL, *(channel(number) for number in range(7, 10))}) == 0
    signer.close()


def test_marks_are_not_created_over_others(path: Path) -> None:
    MarkFile.create(path)
    file = MarkFile.open(path)
    file.put(CHANNEL, Mark(Version(1), ONE))
    file.close()
    with pytest.raises(UserFault) as refused:
        MarkFile.create(path)
    assert refused.value.reason is Reason.EXISTS


def test_missing_marks_are_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="missing") as refused:
        FileSigner.open(tmp_path / "marks-0", KEY)
    assert refused.value.reason is Reason.CORRUPT
    assert list(tmp_path.iterdir()) == []


def test_a_mark_cut_short_leaves_the_one_before_and_is_mended(path: Path) -> None:
    signer = FileSigner.open(path, KEY)
    signer.sign_state(CHANNEL, Version(1), ONE)  # slot A
    signer.sign_state(CHANNEL, Version(2), ONE)  # slot B
    signer.sign_state(SECOND, Version(1), ONE)
    signer.close()
    for offset in (B, B, A + SLOT_BYTES):
        damage(path, offset + 50)
        signer = FileSigner.open(path, KEY)
        assert signer.mark(CHANNEL) == Mark(Version(1), ONE)
        signer.close()
    signer = FileSigner.open(path, KEY)
    assert signer.mark(SECOND) is None  # its first mark was the one cut short
    signer.sign_state(CHANNEL, Version(2), TWO)
    signer.sign_state(SECOND, Version(1), TWO)
    signer.close()
    assert FileSigner.open(path, KEY).marks() == {CHANNEL: Mark(Version(2), TWO), SECOND: Mark(Version(1), TWO)}


def test_more_damage_than_one_write_can_do_is_refused(path: Path) -> None:
    signer = FileSigner.open(path, KEY)
    for number in range(3):
        for version in (1, 2):
            signer.sign_state(channel(number), Version(version), ONE)
    signer.close()
    good = path.read_bytes()
    a, b = good[A : A + SLOT_BYTES], good[B : B + SLOT_BYTES]
    empty = bytes(SLOT_BYTES)
    broken = {
        "two damaged slots": [(A + 1, b"\xff"), (B + SLOT_BYTES + 1, b"\xff")],
        "both slots of a channel": [(A + 1, b"\xff"), (B + 1, b"\xff")],
        "an A that is gone": [(A, empty)],
        "a channel in the middle that is gone": [(A + SLOT_BYTES, empty), (B + SLOT_BYTES, empty)],
        "slots in each other's place": [(A, b), (B, a)],
        "slots of two channels": [(A, good[A + SLOT_BYTES : A + 2 * SLOT_BYTES])],
        "a channel twice": [(A + SLOT_BYTES, a), (B + SLOT_BYTES, b)],
        "the header": [(3, b"\xff")],
        "the padding of the header": [(200, b"\xff")],
    }
    for what, changes in broken.items():
        content = bytearray(good)
        for offset, piece in changes:
            content[offset : offset + len(piece)] = piece
        path.write_bytes(content)
        with pytest.raises(UserFault) as refused:
            FileSigner.open(path, KEY)
        assert refused.value.reason is Reason.CORRUPT, what
    for length in (0, 10, HEADER_BYTES, B + 1, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(UserFault) as refused:
            FileSigner.open(path, KEY)
        assert refused.value.reason is Reason.CORRUPT, length
    path.write_bytes(good + bytes(1000))  # growth that a crash cut short
    assert len(FileSigner.open(path, KEY).marks()) == 3


def test_a_failing_disk_stops_the_signer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = FileSigner.open(path, KEY)
    signer.sign_state(CHANNEL, Version(1), ONE)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(marks, "write_synced", fail)
        with pytest.raises(InvariantBroken, match="Input/output error"):
            signer.sign_state(CHANNEL, Version(2), ONE)
    with pytest.raises(InvariantBroken, match="Input/output error"):
        signer.sign_state(CHANNEL, Version(2), TWO)
    signer.close()


def test_a_full_disk_stops_the_signer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = FileSigner.open(path, KEY)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        patch.setattr(os, "pwritev", full, raising=False)
        with pytest.raises(InvariantBroken, match="disk full"):
            signer.sign_state(CHANNEL, Version(1), ONE)
    signer.close()


def test_a_closed_signer_signs_no_new_state(path: Path) -> None:
    signer = FileSigner.open(path, KEY)
    signer.close()
    signer.close()
    with pytest.raises(InvariantBroken, match="closed"):
        signer.sign_state(CHANNEL, Version(1), ONE)


def damage(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)
