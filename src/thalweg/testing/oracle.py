"""A simulated oracle: four keys, three needed, one price a settlement."""

import random
from typing import Final

from thalweg.channel.events import Quorum
from thalweg.crypto import address_of, keccak, sign
from thalweg.instruments.report import GRID_S, Mark, Settlement, SignedReport, oracle_domain, report_digest
from thalweg.testing.faults import strikes
from thalweg.testing.keys import key_of
from thalweg.units import SCALE, Address, Hash, Price, UnixSeconds

SIGNERS: Final = 4
THRESHOLD: Final = 3
FEED: Final = Hash(keccak(b"BTC-USD"))
PRICE: Final = Price(100_000 * SCALE)


class SimOracle:
    """Signs settlements; each point once, so it never contradicts itself."""

    def __init__(self, seed: int, chain_id: int, address: Address, rng: random.Random) -> None:
        self.address = address
        self._separator = oracle_domain(chain_id, address).separator()
        self._keys = [key_of(seed, f"oracle {index}") for index in range(SIGNERS)]
        self._rng = rng
        self._reports: dict[UnixSeconds, SignedReport] = {}

    @property
    def signers(self) -> tuple[Address, ...]:
        """Return the signers' addresses in order."""
        return tuple(address_of(key.public_key) for key in self._keys)

    @property
    def quorum(self) -> Quorum:
        """Return what nodes are configured with."""
        return Quorum(self.signers, THRESHOLD, self._separator)

    def settle(self, point: UnixSeconds, void_rate: int = 0) -> SignedReport:
        """Return the signed settlement of a point. What it says, a price or (per mille) VOID, is drawn once."""
        known = self._reports.get(point)
        if known is None:
            price = Price(PRICE * self._rng.randint(50, 150) // 100 + self._rng.randrange(SCALE))
            is_void = strikes(self._rng, void_rate)
            known = self.sign(Settlement(FEED, point, Price(0) if is_void else price, is_void))
            self._reports[point] = known
        return known

    def mark(self, now: UnixSeconds) -> SignedReport:
        """Return the mark of the newest tick. (Nothing is computed on its price so far, only on its time.)"""
        return self.sign(Mark(FEED, UnixSeconds(now // GRID_S * GRID_S), PRICE, False, ()))

    def sign(self, report: Settlement | Mark) -> SignedReport:
        """Sign any report with a random quorum."""
        chosen = tuple(sorted(self._rng.sample(range(SIGNERS), THRESHOLD)))
        digest = report_digest(self._separator, report)
        return SignedReport(self.address, report, chosen, tuple(sign(self._keys[index], digest) for index in chosen))
