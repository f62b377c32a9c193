"""The scenarios: what goes wrong, and that the honest side is paid by the newest state all the same."""

import asyncio
import signal
import time
from typing import Any, Final

from thalweg.api.decimals import format_decimal, parse_decimal
from thalweg.chain.wallet import wallet
from thalweg.cli.demo import mallory
from thalweg.cli.demo.figures import DECIMALS
from thalweg.cli.demo.processes import send
from thalweg.cli.demo.stage import PASSWORD, PATIENCE_S, TRADERS, Party
from thalweg.cli.demo.story import PAYMENT, Story, until
from thalweg.errors import InvariantBroken, Unavailable
from thalweg.units import ChannelId, UnixSeconds

CRASHES: Final = 20
_MOMENT_S_MAX: Final = 0.12  # of paying, before the power fails
_PAYMENT: Final = {"amount": format_decimal(PAYMENT, DECIMALS)}


# --- stale ----------------------------------------------------------------------------------------------------------


async def stale(story: Story) -> dict[str, Any]:
    """Bob shuts down, and somebody with his folder shows the chain an old state. Alice's node answers by itself."""
    stage, bob = story.stage, story.stage.bob
    newest = (await story.view(stage.alice))["version"]
    with story.screen.phase("Mallory") as phase:
        phase.say("bob's node stops; an old state of his goes to the chain")
        await stage.stop(bob)
        channel_id = ChannelId(bytes.fromhex(story.channel))
        old = await asyncio.to_thread(mallory.oldest_agreed, bob.folder, PASSWORD, stage.deployment, channel_id)
        payer = await wallet(stage.rpc, bob.keys.wallet.secret)
        shown = await mallory.challenge(old, bob.keys, payer, stage.deployment, await stage.time())
        phase.say(f"challenged with version {shown}; the newest is {newest}")
    with story.screen.phase("Answer") as phase:
        phase.say("alice's node watches the chain")

        async def answered() -> bool:
            dispute = (await story.view(stage.alice))["chain"]["dispute"]
            return dispute is not None and dispute["version"] == newest

        await until("answering the challenge", answered)
        phase.say(f"alice's node answered by itself with version {newest}, which both had signed")
    await settle_on_chain(story)
    return {"shown": shown, "newest": newest}


# --- vanish ---------------------------------------------------------------------------------------------------------


async def vanish(story: Story) -> dict[str, Any]:
    """Bob never signs again. Alice's node stops offering, challenges, waits, and settles on chain."""
    stage, bob = story.stage, story.stage.bob
    newest = (await story.view(stage.alice))["version"]
    with story.screen.phase("Silence") as phase:
        phase.say("bob stops answering in the middle of an update")
        assert bob.child is not None
        await stage.count(bob)
        send(bob.child.process, signal.SIGSTOP)
        try:
            await stage.alice.call("pay", channel=story.channel, payments=[_PAYMENT], wait_s=0.5)
        except Unavailable:
            phase.say("a payment is offered and not answered; bob is gone")
        await bob.child.kill()
        phase.say(f"the clock jumps {PATIENCE_S} s, as long as alice's node waits")
        await stage.jump_to(UnixSeconds(max(await stage.time(), int(time.time())) + PATIENCE_S + 1))
        await until("challenging", lambda: _is_disputed(story))
        phase.say(f"unanswered for {PATIENCE_S} s: alice's node challenged with version {newest}")
    await settle_on_chain(story)
    return {"newest": newest}


async def _is_disputed(story: Story) -> bool:
    return (await story.view(story.stage.alice))["chain"]["dispute"] is not None


async def settle_on_chain(story: Story) -> None:
    """Wait for the challenge's end and for expiry; alice's node does the rest."""
    stage = story.stage
    with story.screen.phase("Deadline") as phase:
        dispute = (await story.view(stage.alice))["chain"]["dispute"]
        phase.say("the clock jumps to the end of the challenge period")
        await stage.jump_to(UnixSeconds(dispute["deadline"] + 60))
        await until("releasing what no position can reach", lambda: _is_released(story))
        phase.say("what no position can reach was paid out; the live positions wait for their price")
    with story.screen.phase("Expiry") as phase:
        phase.say("the clock jumps to expiry, the oracles agree")
        await stage.jump_to(story.expiry)
        price = await story.settlement()
        phase.say(f"settles at {price / 10**8:,.2f}; alice's node registers the price and settles on chain")
        await until("settling on chain", lambda: _is_closed(story))
        phase.say(f"alice's node registered {price / 10**8:,.2f} on chain and settled every position there")


async def _is_released(story: Story) -> bool:
    return any(text != "0" for text in (await story.view(story.stage.alice))["chain"]["withdrawn"])


async def _is_closed(story: Story) -> bool:
    return bool((await story.view(story.stage.alice))["chain"]["closed"])


# --- crash ----------------------------------------------------------------------------------------------------------


async def crash(story: Story) -> dict[str, Any]:
    """Kill a trader in the middle of an update, start him again, see that both go on; twenty times."""
    killed = dict.fromkeys(TRADERS, 0)
    torn = 0
    with story.screen.phase("Crashes") as phase:
        for number in range(1, CRASHES + 1):
            name = story.stage.random.choice(TRADERS)
            phase.say(f"{number} of {CRASHES}: {name} is killed while alice pays")
            torn += await _crash_once(story, story.stage.parties[name])
            killed[name] += 1
        phase.say(
            f"{CRASHES} times SIGKILL in the middle of an update (alice {killed['alice']}, bob {killed['bob']}), "
            f"{torn} payments were in the balance; both went on each time"
        )
    return {"kills": CRASHES, "killed": killed, "in_the_balance": torn}


class _Payments:
    """Alice pays, one after another, until told to stop: `sent` were asked for, `told` acknowledged to her user."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.told = self.sent = 0
        self.stop = False

    async def run(self) -> None:
        """Pay until `stop`, or until alice is gone."""
        while not self.stop:
            self.sent += 1
            try:
                await self._story.stage.alice.call("pay", channel=self._story.channel, payments=[_PAYMENT])
            except Unavailable:
                return
            self.told += 1


async def _crash_once(story: Story, victim: Party) -> int:
    """Return how many payments were made of which alice's user had not been told.

    Raises:
        InvariantBroken: a payment that was acknowledged is gone, or one was made that nobody asked for.
    """
    stage = story.stage
    before = await _balance(story)
    payments = _Payments(story)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(payments.run())
        await asyncio.sleep(stage.random.uniform(0.0, _MOMENT_S_MAX))
        await stage.kill(victim)
        payments.stop = True
        await stage.start_trader(victim.name)
    await until(f"going on after {victim.name}'s crash", story.is_level)
    made, rest = divmod(before - await _balance(story), PAYMENT)
    if rest or not payments.told <= made <= payments.sent:
        raise InvariantBroken(
            f"after {victim.name}'s crash {made} payments are agreed ({rest} over); {payments.told} were acknowledged, "
            f"{payments.sent} sent"
        )
    story.book.paid += made * PAYMENT
    return made - payments.told


async def _balance(story: Story) -> int:
    """Return alice's balance by the newest agreed state."""
    view = await story.view(story.stage.alice)
    return parse_decimal(view["holdings"][0]["balance"], DECIMALS, "balance")
