"""The signer as a state machine: never two digests for one version, through restarts and writes cut short."""

import shutil
import tempfile
from pathlib import Path

import coincurve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from thalweg.crypto import signed_by
from thalweg.errors import UserFault
from thalweg.node.ports import Mark
from thalweg.storage import FileSigner
from thalweg.storage.marks import MarkFile
from thalweg.units import ChannelId, Hash, Version

KEY = coincurve.PrivateKey(b"\7" * 32)
CHANNELS = st.integers(0, 3).map(lambda number: ChannelId(bytes((number,)) * 32))
VERSIONS = st.integers(0, 8).map(Version)
DIGESTS = st.integers(0, 1).map(lambda number: Hash(bytes((number,)) * 32))


class SignerMachine(RuleBasedStateMachine):
    """One rule a thing that may happen; `signed` holds what left the machine under a signature."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.path = Path(self.folder, "marks-0")
        MarkFile.create(self.path)
        self.signer = FileSigner.open(self.path, KEY)
        self.signed: dict[tuple[ChannelId, Version], Hash] = {}
        self.newest: dict[ChannelId, Mark] = {}

    @initialize(channel=CHANNELS)
    def begin(self, channel: ChannelId) -> None:
        """Have one channel with a mark in both slots."""
        self.sign(channel, Version(0), Hash(bytes(32)))
        self.sign(channel, Version(1), Hash(bytes(32)))

    @rule(channel=CHANNELS, version=VERSIONS, digest=DIGESTS)
    def sign(self, channel: ChannelId, version: Version, digest: Hash) -> None:
        """Ask for a signature; it is given exactly if it is the newest again, or newer."""
        newest = self.newest.get(channel)
        may_sign = newest is None or version > newest.version or Mark(version, digest) == newest
        try:
            signature = self.signer.sign_state(channel, version, digest)
        except UserFault:
            assert not may_sign
            return
        assert may_sign
        assert signed_by(digest, signature, self.signer.address())
        assert self.signed.setdefault((channel, version), digest) == digest
        self.newest[channel] = Mark(version, digest)

    @rule()
    def restart(self) -> None:
        """Close and open again."""
        self.signer.close()
        self.signer = FileSigner.open(self.path, KEY)

    @rule(channel=CHANNELS, version=VERSIONS, digest=DIGESTS, data=st.data())
    def crash_in_a_write(self, channel: ChannelId, version: Version, digest: Hash, data: st.DataObject) -> None:
        """Lose power while a mark is written: any part of the slot is new, the rest is old, no signature got out."""
        before = self.path.read_bytes()
        try:
            self.signer.sign_state(channel, version, digest)
        except UserFault:
            return
        after = self.path.read_bytes()
        changed = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        cut = data.draw(st.integers(0, len(changed)))
        written = changed[:cut] if data.draw(st.booleans()) else changed[cut:]
        torn = bytearray(before)
        for place in written:
            torn[place] = after[place]
        self.signer.close()
        self.path.write_bytes(torn)
        self.signer = FileSigner.open(self.path, KEY)
        if len(written) == len(changed) and changed:  # written in full, though nobody learnt of it
            self.newest[channel] = Mark(version, digest)

    @invariant()
    def marks_are_what_was_signed(self) -> None:
        """The signer remembers the newest of each channel."""
        assert self.signer.marks() == self.newest

    def teardown(self) -> None:
        """Remove the files."""
        self.signer.close()
        shutil.rmtree(self.folder)


TestSigner = SignerMachine.TestCase
TestSigner.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
