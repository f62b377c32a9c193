"""Journal, keys, signer and backups on disk.

Start with `open_folder` (a node) or `create_keystore` (`thalweg init`). `identity` decides whether a journal may go on.
Backups are in `thalweg.storage.backup`.
"""

from thalweg.storage.folder import DataFolder
from thalweg.storage.identity import JournalRecord, Standing, adopt, marks_ahead, standing
from thalweg.storage.journal import SqliteJournal, new_journal_id
from thalweg.storage.keys import Keys, create_keystore, find_password, unlock
from thalweg.storage.signer import FileSigner
from thalweg.storage.start import Opened, open_folder

__all__ = [
    "DataFolder",
    "FileSigner",
    "JournalRecord",
    "Keys",
    "Opened",
    "SqliteJournal",
    "Standing",
    "adopt",
    "create_keystore",
    "find_password",
    "marks_ahead",
    "new_journal_id",
    "open_folder",
    "standing",
    "unlock",
]
