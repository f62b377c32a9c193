from pathlib import Path

import pytest

from thalweg.app.oracle_memory import OracleMemory
from thalweg.app.report_messages import Want, Wanted, check_wanted
from thalweg.errors import InvariantBroken, PeerFault, Reason, UserFault
from thalweg.instruments.report import Settlement, SignedReport
from thalweg.oracle.messages import Kind, Point
from thalweg.oracle.step import Memory, Record
from thalweg.storage import SqliteJournal, Standing, new_journal_id
from thalweg.units import Address, Hash, Price, UnixSeconds

FEED = Hash(b"BTC_USDC".ljust(32, b"\0"))


def report(time: int) -> SignedReport:
    return SignedReport(Address(b"o" * 20), Settlement(FEED, UnixSeconds(time), Price(5)), (0,), ())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqliteJournal.create(tmp_path / "journal.sqlite3", new_journal_id())
    return tmp_path / "journal.sqlite3"


def test_what_was_saved_and_published_is_there_after_a_restart(path: Path) -> None:
    journal = SqliteJournal.open(path)
    memory = OracleMemory(journal, Standing.OWN)
    voted = Memory(UnixSeconds(60), (Record(Point(Kind.SETTLEMENT, FEED, UnixSeconds(120)), prepared=2),))
    memory.save(voted)
    memory.publish(report(60))
    journal.close()
    journal = SqliteJournal.open(path)
    again = OracleMemory(journal, Standing.OWN)
    journal.close()
    assert again.memory == voted
    assert again.report(Want(FEED, UnixSeconds(60))) == report(60)
    assert again.report(Want(FEED, UnixSeconds(120))) is None


def test_compaction_forgets_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.app.oracle_memory._ENTRIES_MAX", 3)
    journal = SqliteJournal.open(path)
    memory = OracleMemory(journal, Standing.OWN)
    for number in range(1, 8):
        memory.publish(report(60 * number))
        memory.save(Memory(UnixSeconds(number)))
    journal.close()
    journal = SqliteJournal.open(path)
    again = OracleMemory(journal, Standing.OWN)
    journal.close()
    assert again.memory.floor == 7
    assert again.newest() == [report(60 * number) for number in range(1, 8)]


def test_an_oracle_never_runs_on_a_restored_journal(path: Path) -> None:
    journal = SqliteJournal.open(path)
    with pytest.raises(UserFault, match="forgotten") as refusal:
        OracleMemory(journal, Standing.RECOVERING)
    journal.close()
    assert refusal.value.reason == Reason.RECOVERING


def test_a_traders_journal_is_not_an_oracles(path: Path) -> None:
    journal = SqliteJournal.open(path)
    journal.append([b'{"type":"LinkUp","now":1,"peer":""}'])
    with pytest.raises(InvariantBroken, match="not an oracle's"):
        OracleMemory(journal, Standing.OWN)
    journal.close()


@pytest.mark.parametrize(
    "want", [Want(Hash(b"short"), UnixSeconds(60)), Want(FEED, UnixSeconds(61)), Want(FEED, UnixSeconds(0))]
)
def test_what_can_never_be_reported_cannot_be_wanted(want: Want) -> None:
    with pytest.raises(PeerFault) as fault:
        check_wanted(Wanted((want,)))
    assert fault.value.reason == Reason.MALFORMED
