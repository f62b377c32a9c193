"""What befalls nodes from outside: power cuts, partitions, a blind chain connection, a lost disk, a wrong clock."""

import random
from typing import Final

from thalweg.testing.checks import Watchdog
from thalweg.testing.clock import Timeline
from thalweg.testing.disk import Backup
from thalweg.testing.faults import NO_FAULTS, Faults, strikes
from thalweg.testing.network import SimNetwork
from thalweg.testing.participant import Participant

FUSE_STEPS_MAX: Final = 30
DOWN_MS: Final = (300, 20_000)
LONG_DOWN_MS: Final = (60_000, 200_000)
CUT_MS: Final = (1_000, 150_000)
BLIND_MS: Final = (5_000, 100_000)
BACKUP_RATE: Final = 50  # per mille of ticks, where disks may be lost at all


class Troubles:
    """Strikes nodes at random until it is told to stop; then it puts everything right."""

    def __init__(
        self,
        timeline: Timeline,
        rng: random.Random,
        faults: Faults,
        participants: list[Participant],
        network: SimNetwork,
        watchdog: Watchdog,
    ) -> None:
        self._timeline = timeline
        self._rng = rng
        self._faults = faults
        self._participants = participants
        self._network = network
        self._watchdog = watchdog
        self._backups: dict[str, Backup] = {}

    def strike(self) -> None:
        """Have one tick's troubles, and bring up again who is down."""
        rng, faults = self._rng, self._faults
        if strikes(rng, faults.partition):
            one, two = rng.sample(self._participants, 2)
            self._network.cut(one.peer, two.peer, rng.randint(*CUT_MS))
        for one in self._participants:
            if strikes(rng, faults.crash):
                one.disk.fuse.light(rng.randrange(FUSE_STEPS_MAX))
            if strikes(rng, faults.blind):
                self._blind(one)
            if strikes(rng, faults.clock_jump):
                one.set_clock(rng.randint(-faults.skew_s_max, faults.skew_s_max))
            if faults.restore and strikes(rng, BACKUP_RATE):
                self._backups[one.name] = one.disk.backup()
            if one.name in self._backups and strikes(rng, faults.restore):
                self._lose_disk(one, self._backups.pop(one.name))
            if not one.is_up and not one.is_awaited:
                self._plan_start(one)

    def heal(self) -> None:
        """Have no more troubles; everybody runs and sees the chain."""
        self._faults = NO_FAULTS
        for one in self._participants:
            one.disk.fuse.put_out()
            one.blind(False)
            if not one.is_up:
                one.start()

    def _plan_start(self, one: Participant) -> None:
        is_long = strikes(self._rng, self._faults.long_downtime)
        one.is_awaited = True

        def start() -> None:
            one.is_awaited = False
            if not one.is_up:
                one.start()

        self._timeline.after(self._rng.randint(*(LONG_DOWN_MS if is_long else DOWN_MS)), start)

    def _blind(self, one: Participant) -> None:
        one.blind(True)
        self._timeline.after(self._rng.randint(*BLIND_MS), lambda: one.blind(False))

    def _lose_disk(self, one: Participant, backup: Backup) -> None:
        one.stop()
        one.disk.restore(backup)
        self._watchdog.forget(one)
