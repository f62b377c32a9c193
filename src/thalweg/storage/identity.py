"""Is this journal the one the keystore knows? Pure but for the two functions that read and write the record.

A node that signed states its journal does not remember must not go on as if nothing happened: it could sign a second,
different state of one version. So each start counts, durably, first in the journal and then in the keystore:

- same id and the journal has counted further: OWN. A crash between the two counts leaves the journal further ahead.
- another id (restored backup), or a count the keystore has already seen (an old copy): RECOVERING, and the record
  says so until `adopt`, so that restarting does not heal it.
- a copy taken within one run has a good count; `marks_ahead` finds it: the signer signed what the journal lacks.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from thalweg.codec import encode
from thalweg.errors import Reason, UserFault
from thalweg.node.ports import JournalIdentity, Mark
from thalweg.storage.folder import DataFolder, read_whole, write_whole
from thalweg.units import ChannelId, Version

JOURNAL_ID_BYTES: Final = 16
_NONE: Final = Version(-1)


class Standing(StrEnum):
    """What a start may do: go on, or only close and resume by a jump (DESIGN.md section 5, Updating)."""

    OWN = "own"
    RECOVERING = "recovering"


class JournalRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the keystore knows of its journal. Generation 0: none was started yet."""

    journal_id: bytes
    generation: int
    recovering: bool = False


def standing(journal: JournalIdentity, record: JournalRecord) -> Standing:
    """Judge a journal, as of this start, by the keystore's record of the starts before it."""
    if record.recovering or journal.id != record.journal_id or journal.generation <= record.generation:
        return Standing.RECOVERING
    return Standing.OWN


def marks_ahead(marks: Mapping[ChannelId, Mark], newest_signed: Mapping[ChannelId, Version]) -> set[ChannelId]:
    """Return the channels in which the signer signed a version that the replayed state does not know of."""
    return {channel for channel, mark in marks.items() if mark.version > newest_signed.get(channel, _NONE)}


def load_record(folder: DataFolder) -> JournalRecord:
    """Read the keystore's record of its journal.

    Raises:
        UserFault: CORRUPT, if it is missing or damaged: the keystore is not whole.
    """
    path = folder.journal_record
    try:
        record = msgspec.json.decode(read_whole(path), type=JournalRecord)
    except (msgspec.DecodeError, UserFault) as error:
        raise UserFault(
            Reason.CORRUPT, f"{path} is missing or damaged ({error}): bring back the keystore folder"
        ) from error
    if len(record.journal_id) != JOURNAL_ID_BYTES or record.generation < 0:
        raise UserFault(Reason.CORRUPT, f"{path} is damaged: bring back the keystore folder")
    return record


def save_record(folder: DataFolder, record: JournalRecord) -> None:
    """Write the keystore's record of its journal, durably."""
    write_whole(folder.journal_record, encode(record))


def adopt(folder: DataFolder, identity: JournalIdentity) -> None:
    """Make a recovered journal the keystore's own: only once every channel is closed or has resumed by a jump."""
    save_record(folder, JournalRecord(journal_id=identity.id, generation=identity.generation))
