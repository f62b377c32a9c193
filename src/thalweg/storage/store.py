"""The journal and its signer, kept together: what is written and what is signed for it are durable by one sync.

The order of a signature is: entries and mark in one intent, synced; signed; said. The journal itself and the mark file
follow before the ring of intents is written over, and before anything is read, compacted or closed: off the path of a
signature. A crash leaves the intents; the next start brings journal and marks up to date from them (`catch_up`), so
nothing above this file can tell. docs/decisions/0035 has the measurements.

After the first failed write nothing more is accepted: what the disk holds is known only by opening everything again.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from thalweg.errors import InvariantBroken, UserFault
from thalweg.node.ports import JournalIdentity, Mark
from thalweg.storage.intents import IntentFile, entries_after, read_intents
from thalweg.storage.journal import SqliteJournal
from thalweg.storage.signer import FileSigner
from thalweg.storage.tables import entry_chain
from thalweg.units import ChannelId


class Store:
    """The journal port, on a journal, the signer beside it, and the intents of both."""

    def __init__(self, journal: SqliteJournal, signer: FileSigner, intents: IntentFile) -> None:
        self._journal = journal
        self._signer = signer
        self._intents = intents
        self._held: list[bytes] = []  # in intents, not in the journal yet
        self._chain = journal.chain  # of the last entry, held ones included
        self._failure = ""

    @property
    def identity(self) -> JournalIdentity:
        """Return the journal's identity as of this start."""
        return self._journal.identity

    @property
    def seq(self) -> int:
        """Return how many entries were ever appended."""
        return self._journal.seq + len(self._held)

    def append(self, entries: Iterable[bytes], marks: Mapping[ChannelId, Mark] | None = None) -> None:
        """Write entries in order, all or none, and with them the marks of what is signed next; durable on return.

        What is too large for an intent goes to the journal at once, and its marks are left to the signer.

        Raises:
            InvariantBroken: a mark contradicts what was signed, an entry is too large, or the disk failed or is full;
                nothing may be signed after it.
        """
        new = tuple(entries)
        if not new:
            return
        noted = self._signable(marks or {})  # a refusal comes before anything is written
        with self._writing():
            if self._intents.is_full:
                self._flush()
            if self._intents.write(self.identity.id, self.seq + 1, self._chain, new, noted):
                self._held.extend(new)
                self._signer.note(noted)
                for entry in new:
                    self._chain = entry_chain(self._chain, entry)
            else:
                self._flush()
                self._journal.append(new)
                self._chain = self._journal.chain

    def flush(self) -> None:
        """Bring the journal and the mark file up to date; the intents may be written over.

        Raises:
            InvariantBroken: the disk failed or is full. The intents still hold everything.
        """
        with self._writing():
            self._flush()

    def snapshot(self) -> bytes | None:
        """Return the newest snapshot, if any."""
        return self._journal.snapshot()

    def entries(self) -> Iterator[bytes]:
        """Yield the entries after the newest snapshot, in order."""
        self.flush()
        return self._journal.entries()

    def compact(self, snapshot: bytes) -> None:
        """Replace everything written so far by `snapshot`, atomically.

        Raises:
            InvariantBroken: it is too large, or the disk failed or is full.
        """
        with self._writing():
            self._flush()
            self._journal.compact(snapshot)
            self._chain = self._journal.chain

    def close(self) -> None:
        """Close journal, signer and intents. Closing twice is fine."""
        with contextlib.suppress(InvariantBroken):  # the intents keep what the disk does not take now
            self.flush()
        self._failure = self._failure or "the store is closed"
        self._intents.close()
        self._signer.close()
        self._journal.close()

    def _flush(self) -> None:
        self._journal.append(self._held)
        self._held = []
        self._signer.settle()
        self._intents.keep()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        if self._failure:
            raise InvariantBroken(self._failure)
        try:
            yield
        except InvariantBroken as broken:
            self._failure = str(broken)
            raise

    def _signable(self, marks: Mapping[ChannelId, Mark]) -> dict[ChannelId, Mark]:
        """Return those marks that an intent can carry: of channels that have a place in the mark file."""
        try:
            return {channel: mark for channel, mark in marks.items() if self._signer.may_note(channel, mark)}
        except UserFault as refusal:
            raise InvariantBroken(f"the journal would lead to what the signer refuses: {refusal}") from refusal


def catch_up(path: Path, journal: SqliteJournal, signer: FileSigner) -> None:
    """Bring the journal and the marks up to date from the intents of the run before, which a crash may have ended.

    Entries are taken up where they continue this very journal. The marks always count, so a channel of which the
    journal lacks something recovers. Doing it again changes nothing.

    Raises:
        UserFault: CORRUPT intents.
        InvariantBroken: the disk failed or is full.
    """
    intents = read_intents(path)
    journal.append(entries_after(intents, journal.identity.id, journal.seq, journal.chain))
    for intent in intents:
        signer.note({key: mark for key, mark in intent.marks.items() if _is_above(mark, signer.mark(key))})
    signer.settle()


def _is_above(mark: Mark, newest: Mark | None) -> bool:
    return newest is None or mark.version > newest.version
