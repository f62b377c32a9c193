"""What an oracle must never forget, on disk: how it voted and what it signed, and the reports it has published.

It lies in the data folder's journal: each save is an entry, durable before anything that follows from it leaves.
A journal that is not the keystore's own (restored, or an old copy) has forgotten something, so no oracle runs on it.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from thalweg.app.report_messages import Want
from thalweg.codec import encode
from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.instruments.report import SignedReport
from thalweg.node.ports import Journal
from thalweg.oracle.step import Memory
from thalweg.storage import Standing

REPORTS_MAX: Final = 8192  # oldest forgotten first
_ENTRIES_MAX: Final = 2048


class _Saved(msgspec.Struct, frozen=True, tag=True):
    memory: Memory


class _Published(msgspec.Struct, frozen=True, tag=True):
    report: SignedReport


class _Whole(msgspec.Struct, frozen=True):
    memory: Memory
    reports: tuple[SignedReport, ...]


class OracleMemory:
    """The durable side of one oracle."""

    def __init__(self, journal: Journal, standing: Standing) -> None:
        """Read what is remembered.

        Raises:
            UserFault: RECOVERING, the journal is a restored one.
            InvariantBroken: it is not an oracle's.
        """
        if standing != Standing.OWN:
            raise UserFault(
                Reason.RECOVERING,
                "this journal is a restored or older copy and may have forgotten what this oracle signed: "
                "make a new data folder, with a new key, and have the quorum replaced",
            )
        self._journal = journal
        self.memory = Memory()
        self._reports: OrderedDict[Want, SignedReport] = OrderedDict()
        self._entries = 0
        try:
            self._replay()
        except msgspec.DecodeError as error:
            raise InvariantBroken(f"the journal is not an oracle's: {error}") from error

    def _replay(self) -> None:
        snapshot = self._journal.snapshot()
        if snapshot is not None:
            whole = msgspec.json.decode(snapshot, type=_Whole)
            self.memory = whole.memory
            for report in whole.reports:
                self._keep(report)
        for data in self._journal.entries():
            entry: _Saved | _Published = msgspec.json.decode(data, type=_Saved | _Published)
            match entry:
                case _Saved():
                    self.memory = entry.memory
                case _Published():
                    self._keep(entry.report)

    def save(self, memory: Memory) -> None:
        """Remember; durable on return."""
        self.memory = memory
        self._append(_Saved(memory))

    def publish(self, report: SignedReport) -> None:
        """Keep a whole report; durable on return."""
        self._keep(report)
        self._append(_Published(report))

    def report(self, want: Want) -> SignedReport | None:
        """Return a settlement that was published."""
        return self._reports.get(want)

    def newest(self) -> list[SignedReport]:
        """Return the reports kept, oldest first."""
        return list(self._reports.values())

    def _keep(self, signed: SignedReport) -> None:
        self._reports[Want(signed.report.feed, signed.report.time)] = signed
        if len(self._reports) > REPORTS_MAX:
            self._reports.popitem(last=False)

    def _append(self, entry: _Saved | _Published) -> None:
        self._journal.append((encode(entry),))
        self._entries += 1
        if self._entries >= _ENTRIES_MAX:
            self._journal.compact(encode(_Whole(self.memory, tuple(self._reports.values()))))
            self._entries = 0
