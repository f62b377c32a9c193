"""Channels that close out at the mark, and the marks of a surface that every such test uses."""

from collections.abc import Sequence

from tests.contracts.scene import FEED, USD, Channel, Scene, State
from tests.contracts.surfaces import flat

from thalweg.channel.claims import Claim
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import CloseOut
from thalweg.instruments.report import GRID_S, Mark, Slice
from thalweg.instruments.surface import smile_at
from thalweg.instruments.svi import Smile
from thalweg.units import SCALE, Amount, Price, UnixSeconds

WEEK_S = 7 * 86_400
EXIT_SPREAD = 5 * 10**6  # of 1e8
INDEX = 60_000 * SCALE
SPOT = Price(61_500 * SCALE)


def held(*balances: int) -> tuple[Holding, ...]:
    """Return holdings of people who deposited 100 each, nothing of it free."""
    return tuple(Holding(Amount(balance), Amount(0), Amount(100 * USD)) for balance in balances)


def surface(tick: int) -> tuple[Slice, ...]:
    """Return a surface of a tick, for two months."""
    near = flat(tick + 86_400, 10**5, 60_100)
    return near, Slice(UnixSeconds(tick + 60 * 86_400), SPOT, 3 * 10**6, 10**7, -3 * 10**7, 10**6, 10**7)


def marked(
    scene: Scene, claims: Sequence[Claim], *, challenger: int = 0, mark_time: int = 0, spread: int = EXIT_SPREAD
) -> tuple[Channel, State, int]:
    """Challenge a channel that closes out at the mark; return it, the state, and the tick that prices it."""
    channel = scene.opened(close_out=CloseOut.MARK, exit_spread=spread)
    state = channel.state(5, held(100 * USD, 100 * USD), claims, mark_time)
    channel.do(channel.challenge(state, challenger))
    channel.wait()
    return channel, state, -(-channel.deadline // GRID_S) * GRID_S


def speak(scene: Scene, tick: int, expiry: int) -> Smile:
    """Have the oracle's mark registered; return its smile of an expiry."""
    scene.evm.travel(max(tick, scene.evm.now() + 1))
    report = Mark(FEED, UnixSeconds(tick), Price(INDEX), slices=surface(tick))
    scene.evm.send(scene.marking(report))
    smile = smile_at(report, UnixSeconds(expiry))
    assert smile is not None
    return smile


def gain(channel: Channel) -> int:
    """Return what the first participant has won."""
    return channel.wallets()[0] - 100 * USD
