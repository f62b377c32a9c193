"""Journal, marks and intents as one machine: whatever was acknowledged is there after a crash at any point."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import Mark
from thalweg.storage import DataFolder, Opened, create_keystore, open_folder, v3
from thalweg.storage.backup import backup, restore
from thalweg.storage.intents import SLOT_BYTES, SLOTS, read_intents
from thalweg.storage.keys import Keys
from thalweg.storage.mnemonic import to_mnemonic
from thalweg.units import ChannelId, Hash, Version

KEYS = Keys(bytes(16))
CHANNELS = st.sampled_from([ChannelId(bytes((number,)) * 32) for number in range(3)])
SIZES = st.lists(st.sampled_from((0, 10, 700, SLOT_BYTES // 2, 2 * SLOT_BYTES)), min_size=1, max_size=3)


class StoreMachine(RuleBasedStateMachine):
    """`entries` and `marks` are what the store has acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(v3, "SCRYPT_N", 2)
        self.run = 0
        with DataFolder.create(self.path) as folder:
            create_keystore(folder, "password", to_mnemonic(bytes(16)))
        self.opened: Opened = open_folder(self.path, "password")
        self.base = 0  # entries compacted away
        self.entries: list[bytes] = []
        self.marks: dict[ChannelId, Mark] = {}

    @property
    def path(self) -> Path:
        return self.folder / str(self.run)

    def written(self, sizes: list[int]) -> list[bytes]:
        number = self.base + len(self.entries)
        return [f"{number + index} ".encode().ljust(size, b".") for index, size in enumerate(sizes)]

    def above(self, channel: ChannelId) -> Mark:
        newest = self.marks.get(channel)
        version = Version(newest.version + 1 if newest else 1)
        return Mark(version, Hash(version.to_bytes(32)))

    @rule(sizes=SIZES, channel=CHANNELS, signs=st.booleans())
    def append(self, sizes: list[int], channel: ChannelId, signs: bool) -> None:
        """Write, and sign what was written."""
        entries, mark = self.written(sizes), self.above(channel)
        self.opened.journal.append(entries, {channel: mark} if signs else None)
        self.entries += entries
        if signs:
            self.opened.signer.sign_state(channel, mark.version, mark.digest)
            self.marks[channel] = mark

    @rule(channel=CHANNELS)
    def a_second_state_of_a_version_is_neither_written_nor_signed(self, channel: ChannelId) -> None:
        """Ask for another state of the newest version."""
        if (newest := self.marks.get(channel)) is None:
            return
        other = Mark(newest.version, Hash(b"x" * 32))
        with pytest.raises(InvariantBroken, match=str(Reason.SIGNED_BEFORE)):
            self.opened.journal.append([b"never"], {channel: other})
        with pytest.raises(UserFault, match=str(Reason.SIGNED_BEFORE)):
            self.opened.signer.sign_state(channel, other.version, other.digest)

    @rule()
    def compact(self) -> None:
        """Replace all entries by a snapshot."""
        self.base += len(self.entries)
        self.entries = []
        self.opened.journal.compact(str(self.base).encode())

    @rule()
    def restart(self) -> None:
        """Stop cleanly."""
        self.opened.close()
        self.opened = open_folder(self.path, "password")

    def die(self) -> None:
        """Leave the files as they are now, as a killed process does, and go on with them in its place."""
        shutil.copytree(self.path, self.folder / str(self.run + 1))
        self.opened.close()
        self.run += 1

    @rule()
    def killed(self) -> None:
        """Be killed between two calls."""
        self.die()
        self.opened = open_folder(self.path, "password")

    @rule(broken=st.sampled_from(("catch_up", "save_record")))
    def killed_while_it_starts(self, broken: str) -> None:
        """Be killed, and again in the middle of the next start."""
        self.die()
        with pytest.MonkeyPatch.context() as patch:

            def stop(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(f"thalweg.storage.start.{broken}", stop)
            with contextlib.suppress(KeyboardInterrupt):  # a recovering start saves no record
                open_folder(self.path, "password").close()
        self.opened = open_folder(self.path, "password")

    @rule()
    def restored_elsewhere(self) -> None:
        """Go on from a backup, in a folder of its own: recovering, with no marks but those to come."""
        backup(self.path, self.folder / "moved", KEYS)
        self.opened.close()
        self.run += 1
        restore(self.folder / "moved", self.path, "password", KEYS.mnemonic)
        (self.folder / "moved").unlink()
        self.marks.clear()
        self.opened = open_folder(self.path, "password")

    @rule(size=st.sampled_from((10, 700)), channel=CHANNELS, data=st.data())
    def power_is_lost_in_a_write(self, size: int, channel: ChannelId, data: st.DataObject) -> None:
        """Any part of the record under way is new, the rest is old; nothing of it was acknowledged."""
        file = self.path / "keystore" / "intents"
        entries, mark = self.written([size]), self.above(channel)
        if channel not in self.marks or len(read_intents(file)) == SLOTS:
            return  # then more than the intents is written
        before = file.read_bytes()
        self.opened.journal.append(entries, {channel: mark})
        after = file.read_bytes()
        changed = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        cut = data.draw(st.integers(0, len(changed)))
        torn = bytearray(before)
        for place in changed[:cut] if data.draw(st.booleans()) else changed[cut:]:
            torn[place] = after[place]
        self.die()
        (self.path / "keystore" / "intents").write_bytes(torn)
        self.opened = open_folder(self.path, "password")
        if bytes(torn) == after:  # written in full, though nobody learnt of it
            self.entries += entries
            self.marks[channel] = mark

    @rule()
    def a_backup_has_everything(self) -> None:
        """Back up beside the running node, and bring it back elsewhere."""
        header = backup(self.path, self.folder / "backup", KEYS)
        assert header.entries == self.base + len(self.entries)
        (self.folder / "backup").unlink()

    @invariant()
    def nothing_is_missing(self) -> None:
        """Count what there is; the signer remembers the newest of each channel."""
        assert self.opened.journal.seq == self.base + len(self.entries)
        assert self.opened.signer.marks() == self.marks

    def teardown(self) -> None:
        """Read everything back, from here and from a backup."""
        backup(self.path, self.folder / "last", KEYS)
        self.die()
        self.opened = open_folder(self.path, "password")
        assert list(self.opened.journal.entries()) == self.entries
        assert self.opened.signer.marks() == self.marks
        self.opened.close()
        restore(self.folder / "last", self.folder / "restored", "password", KEYS.mnemonic)
        restored = open_folder(self.folder / "restored", "password")
        assert list(restored.journal.entries()) == self.entries
        restored.close()
        self.patch.undo()
        shutil.rmtree(self.folder)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
