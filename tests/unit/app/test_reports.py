"""What a node asks oracles for, and what becomes of their answers."""

import asyncio
from typing import Any

from thalweg.app.report_messages import Want
from thalweg.app.reports import ReportKeeper, wants_of
from thalweg.channel.operations import Leg
from thalweg.channel.reports import awaited
from thalweg.instruments.report import GRID_S, Settlement, SignedReport
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.network.peer_id import PeerId
from thalweg.testing.oracle import FEED
from thalweg.testing.table import NOW, ORACLE, Table
from thalweg.units import SCALE, Price, Quantity, Seat, UnixSeconds

EXPIRY = UnixSeconds(NOW - NOW % GRID_S + 3_600)
PUT = Instrument(Payoff.PUT, ORACLE, FEED, EXPIRY, 10**6, (Price(50_000 * SCALE),))


def traded() -> Table:
    table = Table().open()
    table.trade(0, 1, Leg(PUT, Seat(0), Seat(1), Quantity(SCALE), 10))
    return table


def settlement(table: Table, step: int, price: int = 0) -> SignedReport:
    time = UnixSeconds(EXPIRY + step * GRID_S)
    return table.oracle.sign(Settlement(FEED, time, Price(price * SCALE), is_void=not price))


def wanted(table: Table) -> set[Want]:
    wants = wants_of([table.channels[0]])
    assert wants == {Want(feed, time) for feed, time in awaited(table.channels[0])}
    return wants


def test_each_void_makes_the_node_ask_for_the_next_point_until_there_is_a_price() -> None:
    table = traded()
    table.now = UnixSeconds(EXPIRY + 5 * GRID_S)
    for step in range(3):
        assert wanted(table) == {Want(FEED, UnixSeconds(EXPIRY + step * GRID_S))}
        table.report(settlement(table, step))
    table.report(settlement(table, 3, 40_000))
    assert wanted(table) == set()


class Quorum:
    """The quorum of a table's oracle, known at once."""

    def __init__(self, table: Table) -> None:
        self._quorum = table.oracle.quorum

    async def wait(self) -> Any:
        return self._quorum


def test_a_report_that_came_before_a_channel_waited_for_it_is_delivered_when_it_does() -> None:
    table = traded()
    void = settlement(table, 0)
    delivered: list[SignedReport] = []

    async def work() -> None:
        keeper = ReportKeeper(ORACLE, Quorum(table), delivered.append)  # type: ignore[arg-type]
        await keeper._take(void, PeerId(b"oracle"))
        await keeper._take(void, PeerId(b"another"))
        assert delivered == [void]
        for _ in range(2):
            keeper.want([table.channels[0]])
            assert delivered == [void, void]
        assert keeper.newest() == [void]

    asyncio.run(work())
