"""Calls of several channels in one transaction: what fails, or is too late, stops none of the others."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.contracts.siege.disputes import Disputes
from tests.contracts.siege.ground import picks

CALL_BYTES_MAX: Final = 1184  # Batch.vy


class Crowds(Disputes):
    """Rules about batches: as a hub would, of both channels at once."""

    @rule(one=picks, two=picks, kind=st.sampled_from(("challenge", "respond", "settle", "settle")))
    def together(self, one: int, two: int, kind: str) -> None:
        self.batch = []
        try:
            for which, pick in enumerate((one, two)):
                if kind == "challenge":
                    self.challenge(which, pick, pick, "")
                elif kind == "respond":
                    self.respond(which, pick, "")
                else:
                    self.settle(which, pick, is_patient=True, flaw="")
            calls = self.batch
        finally:
            self.batch = None
        for target in {invocation.to for invocation, _ in calls}:
            some = [call for call in calls if call[0].to == target and len(call[0].data) <= CALL_BYTES_MAX]
            if some:
                self._all(some)
