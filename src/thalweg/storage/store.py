"""The journal and its signer, kept together: what is written and what is signed for it are durable by one sync.

The order of a signature is: entries and mark in one intent, synced; signed; said. The journal itself and the mark file
follow when the ring of intents is full, or before anything is read, compacted or closed: off the path of a signature.
A crash leaves the intents; the next start brings journal and marks up to date from them (`catch_up`), so nothing above
this file can tell. docs/decisions/0035 has the measurements.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from thalweg.errors import InvariantBroken, UserFault
from thalweg.node.ports import JournalIdentity, Mark
from thalweg.storage.intents import Intent, IntentFile, clear_intents, entries_after, read_intents
from thalweg.storage.journal import SqliteJournal
from thalweg.storage.signer import FileSigner
from thalweg.units import ChannelId

NO_GENERATION: Final = -1  # of which there are no intents


class Store:
    """The journal port, on a journal, the signer beside it, and the intents of both."""

    def __init__(self, journal: SqliteJournal, signer: FileSigner, intents: IntentFile) -> None:
        self._journal = journal
        self._signer = signer
        self._intents = intents
        self._held: list[bytes] = []  # in intents, not in the journal yet

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
        noted = self._signable(marks or {})
        if self._intents.is_full:
            self.flush()
        if self._intents.write(Intent(self.identity.id, self.identity.generation, self.seq + 1, new, noted)):
            self._held.extend(new)
            self._signer.note(noted)
        else:
            self.flush()
            self._journal.append(new)

    def flush(self) -> None:
        """Bring the journal and the mark file up to date, and free the intents.

        Raises:
            InvariantBroken: the disk failed or is full. The intents still hold everything.
        """
        self._journal.append(self._held)
        self._held = []
        self._signer.settle()
        self._intents.start_over()

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
        self.flush()
        self._journal.compact(snapshot)

    def close(self) -> None:
        """Close journal, signer and intents. Closing twice is fine."""
        with contextlib.suppress(InvariantBroken):  # the intents keep what the disk does not take now
            self.flush()
        self._intents.close()
        self._signer.close()
        self._journal.close()

    def _signable(self, marks: Mapping[ChannelId, Mark]) -> dict[ChannelId, Mark]:
        """Return those marks that an intent can carry: of channels that have a place in the mark file."""
        try:
            return {channel: mark for channel, mark in marks.items() if self._signer.may_note(channel, mark)}
        except UserFault as refusal:
            raise InvariantBroken(f"the journal would lead to what the signer refuses: {refusal}") from refusal


def catch_up(path: Path, journal: SqliteJournal, signer: FileSigner, generation: int) -> None:
    """Bring the journal and the marks up to date from the intents of the run before, which a crash may have ended.

    `generation` is that run's; its entries are taken up where they continue the journal. The marks always count, so a
    channel of which the journal lacks something recovers. Then the intents are cleared: another journal that later
    comes to the same count of starts must not take them for its own.

    Raises:
        UserFault: CORRUPT intents.
        InvariantBroken, Unavailable: the disk failed or is full; the intents are as they were.
    """
    intents = read_intents(path)
    journal.append(entries_after(intents, JournalIdentity(journal.identity.id, generation), journal.seq))
    for intent in intents:
        signer.note({key: mark for key, mark in intent.marks.items() if _is_above(mark, signer.mark(key))})
    signer.settle()
    clear_intents(path)


def _is_above(mark: Mark, newest: Mark | None) -> bool:
    return newest is None or mark.version > newest.version
