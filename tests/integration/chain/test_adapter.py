"""The chain adapter over real HTTP, the same on every EVM implementation at hand."""

import asyncio
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from thalweg.chain import wire
from thalweg.chain.calls import Invocation
from thalweg.chain.dev_accounts import DEV_KEYS
from thalweg.chain.wallet import wallet
from thalweg.channel.onchain import BlockObserved, View
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.units import Address, Amount, ChannelId, Hash

CHANNEL = ChannelId(bytes(31) + b"\x07")
OTHER = ChannelId(bytes(31) + b"\x08")


def opened(*amounts: int) -> View:
    return View(opened=True, deposited=tuple(map(Amount, amounts)), withdrawn=tuple(Amount(0) for _ in amounts))


def test_a_call_is_settled_with_its_transaction_and_gas(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter() as chain:
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            outcome = await bench.outcome("open")
            assert outcome.error == ""
            receipt = await wire.receipt(bench.rpc, Hash(HexBytes(outcome.transaction)))
            assert receipt is not None
            assert receipt.gas_used == outcome.gas_used > 21_000

    asyncio.run(story())


def test_a_call_that_would_revert_is_answered_with_the_reason_and_not_sent(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter() as chain:
            chain.send("first", bench.once())
            await bench.outcome("first")
            chain.send("second", bench.once())
            outcome = await bench.outcome("second")
            assert outcome.error == "bell: rung already"
            assert outcome.transaction == ""
            assert await wire.transaction_count(bench.rpc, chain.wallet) == 1

    asyncio.run(story())


def test_a_call_that_reverts_in_its_block_is_answered_with_the_reason_and_its_gas(benches: Any, proxy: Any) -> None:
    async def story() -> None:
        simulated = asyncio.Event()

        async def hold_until_both_are_simulated(method: str, _: list[Any]) -> None:
            if method == "eth_sendRawTransaction":
                if proxy.count(method) == 2:
                    simulated.set()
                await simulated.wait()

        async with benches() as bench, proxy.before(bench.url) as url:
            proxy.rule = hold_until_both_are_simulated
            profile = bench.profile(url)
            async with bench.adapter(profile) as alice, bench.adapter(profile, key=DEV_KEYS[2]) as bob:
                alice.send("alice", bench.once())
                bob.send("bob", bench.once())
                errors = {(await bench.outcome(tag)).error for tag in ("alice", "bob")}
        assert errors == {"", "bell: rung already"}
        assert all(bench.settled(tag).gas_used for tag in ("alice", "bob"))

    asyncio.run(story())


def test_the_same_tag_twice_is_one_transaction_and_one_answer_each_time_it_is_known(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter() as chain:
            chain.send("tag", bench.ring("Opened", CHANNEL, (1,)))
            chain.send("tag", bench.ring("Opened", CHANNEL, (1,)))
            first = await bench.outcome("tag")
            bench.events.clear()
            chain.send("tag", bench.ring("Opened", CHANNEL, (1,)))
            assert await bench.outcome("tag") == first
            assert await wire.transaction_count(bench.rpc, chain.wallet) == 1

    asyncio.run(story())


def test_many_calls_at_once_take_consecutive_nonces(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter() as chain:
            for turn in range(20):
                chain.send(f"call {turn}", bench.ring("Opened", bytes(31) + bytes((turn,)), (turn,)))
            outcomes = [await bench.outcome(f"call {turn}") for turn in range(20)]
            assert {outcome.error for outcome in outcomes} == {""}
            assert await wire.transaction_count(bench.rpc, chain.wallet) == 20

    asyncio.run(story())


def test_a_restarted_adapter_takes_up_the_nonce_where_the_chain_is(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench:
            for tag in ("before", "after"):
                async with bench.adapter() as chain:
                    chain.send(tag, bench.ring("Opened", tag.encode().ljust(32, b"\0"), (1,)))
                    assert (await bench.outcome(tag)).error == ""
            assert await wire.transaction_count(bench.rpc, chain.wallet) == 2

    asyncio.run(story())


def test_a_restarted_adapter_outbids_what_its_last_run_left_pending(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench:
            await bench.dev("evm_setAutomine", False)
            async with bench.adapter() as chain:
                chain.send("call", bench.once())
                await sent(bench, chain.wallet)
            async with bench.adapter() as chain:
                chain.send("call again", bench.ring("Opened", CHANNEL, (1,)))
                await bench.until(lambda: any(len(t.bids) > 1 for t in chain._outbox._tickets.values()))
                await bench.dev("evm_mine")
                assert (await bench.outcome("call again")).error == ""
            assert await wire.transaction_count(bench.rpc, chain.wallet) == 1

    asyncio.run(story())


def test_a_swallowed_transaction_is_sent_again_for_an_eighth_more_with_the_same_nonce(benches: Any, proxy: Any) -> None:
    async def swallow_first(method: str, params: list[Any]) -> Any:
        if method == "eth_sendRawTransaction" and proxy.count(method) == 1:
            return {"result": "0x" + "00" * 32}
        return None

    async def story() -> None:
        async with benches() as bench, proxy.before(bench.url) as url:
            proxy.rule = swallow_first
            async with bench.adapter(bench.profile(url, bump_after_s=0.05)) as chain:
                chain.send("call", bench.once())
                outcome = await bench.outcome("call")
            first, second, *_ = (
                TypedTransaction.from_bytes(HexBytes(params[0])).as_dict()
                for method, params in proxy.seen
                if method == "eth_sendRawTransaction"
            )
            assert outcome.error == ""
            assert second["nonce"] == first["nonce"]
            assert second["maxFeePerGas"] * 8 >= first["maxFeePerGas"] * 9
            assert second["maxPriorityFeePerGas"] * 8 >= first["maxPriorityFeePerGas"] * 9

    asyncio.run(story())


def test_a_call_whose_nonce_someone_else_took_is_sent_with_the_next(benches: Any, proxy: Any) -> None:
    async def swallow_first(method: str, params: list[Any]) -> Any:
        if method == "eth_sendRawTransaction" and proxy.count(method) == 1:
            return {"result": "0x" + "00" * 32}
        return None

    async def story() -> None:
        async with benches() as bench, proxy.before(bench.url) as url:
            proxy.rule = swallow_first
            async with bench.adapter(bench.profile(url)) as chain:
                chain.send("call", bench.once())
                await bench.until(lambda: proxy.count("eth_sendRawTransaction") == 1)
                rival = await wallet(bench.rpc, DEV_KEYS[1])
                await rival.send(Invocation(Address(b"\x01" * 20), b"", Amount(1)))
                assert (await bench.outcome("call")).error == ""
                assert await wire.transaction_count(bench.rpc, chain.wallet) == 2

    asyncio.run(story())


def test_a_wallet_without_coins_is_told_so(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(key=b"\x05" * 32) as chain:
            chain.send("call", bench.once())
            assert "funds" in (await bench.outcome("call")).error.lower()

    asyncio.run(story())


def test_a_call_beyond_the_gas_limit_of_the_profile_is_refused(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(bench.profile(gas_max=30_000)) as chain:
            chain.send("call", bench.once())
            assert (await bench.outcome("call")).error.startswith(Reason.LIMIT)

    asyncio.run(story())


def test_a_channel_is_observed_at_the_head_and_then_as_final(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(bench.profile(final_depth=2)) as chain:
            chain.watch(CHANNEL)
            await bench.until(lambda: len(bench.views(CHANNEL)) == 1)
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.until(lambda: bench.views(CHANNEL)[-1].head == opened(5, 6))
            assert bench.views(CHANNEL)[-1].final == View()
            await bench.dev("evm_mine")
            await bench.dev("evm_mine")
            await bench.until(lambda: bench.views(CHANNEL)[-1].final == opened(5, 6))
            assert [view.head for view in bench.views(CHANNEL)] == [View(), opened(5, 6), opened(5, 6)]

    asyncio.run(story())


def test_a_watch_that_comes_late_is_answered_with_the_present_view(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter() as chain:
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.outcome("open")
            await bench.until(lambda: chain._scanner.ledger.views(CHANNEL).head == opened(5, 6))
            chain.watch(CHANNEL)
            assert bench.views(CHANNEL) == []
            await bench.until(lambda: len(bench.views(CHANNEL)) == 1)
            assert bench.views(CHANNEL)[0].final == opened(5, 6)

    asyncio.run(story())


def test_a_restarted_adapter_finds_everything_again_from_its_resume_block(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench:
            async with bench.adapter() as chain:
                chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
                await bench.outcome("open")
                chain.send("top up", bench.ring("Deposited", CHANNEL, 1, 54))
                await bench.outcome("top up")
            bench.events.clear()
            async with bench.adapter(bench.profile(logs_range_blocks=1)) as chain:
                chain.watch(CHANNEL)
                chain.watch(OTHER)
                await bench.until(lambda: bool(bench.views(CHANNEL)) and bool(bench.views(OTHER)))
                assert bench.views(CHANNEL)[0].head == opened(5, 60)
                assert bench.views(OTHER)[0].head == View()

    asyncio.run(story())


def test_each_new_head_is_observed_once_after_the_views_it_changed(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter() as chain:
            chain.watch(CHANNEL)
            await bench.until(lambda: len(bench.events) == 2)
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.outcome("open")
            await bench.until(lambda: sum(isinstance(event, BlockObserved) for event in bench.events) == 2)
            kinds = [type(event).__name__ for event in bench.events if type(event).__name__ != "CallSettled"]
            assert kinds == ["ChannelObserved", "BlockObserved", "ChannelObserved", "BlockObserved"]
            head = await wire.head(bench.rpc)
            assert [e for e in bench.events if isinstance(e, BlockObserved)][-1] == BlockObserved(
                head.number, head.time
            )

    asyncio.run(story())


def test_a_deposit_that_a_reorganisation_drops_is_unobserved(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(bench.profile(final_depth=8)) as chain:
            chain.watch(CHANNEL)
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.until(lambda: bool(bench.views(CHANNEL)) and bench.views(CHANNEL)[-1].head == opened(5, 6))
            rival = await wallet(bench.rpc, DEV_KEYS[3])
            snapshot = await bench.dev("evm_snapshot")
            await rival.send(bench.ring("Deposited", CHANNEL, 0, 45))
            await bench.until(lambda: bench.views(CHANNEL)[-1].head == opened(50, 6))
            await bench.dev("evm_revert", snapshot)
            await bench.until(lambda: bench.views(CHANNEL)[-1].head == opened(5, 6))
            await bench.dev("evm_mine")
            await bench.dev("evm_mine")
            await rival.send(bench.ring("Deposited", CHANNEL, 0, 65))
            await bench.until(lambda: bench.views(CHANNEL)[-1].head == opened(70, 6))
            assert all(view.final == View() for view in bench.views(CHANNEL))

    asyncio.run(story())


def test_a_reorganisation_below_the_final_block_is_read_again_from_the_start(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter() as chain:
            chain.watch(CHANNEL)
            snapshot = await bench.dev("evm_snapshot")
            rival = await wallet(bench.rpc, DEV_KEYS[3])
            await rival.send(bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.until(lambda: bool(bench.views(CHANNEL)) and bench.views(CHANNEL)[-1].final == opened(5, 6))
            await bench.dev("evm_revert", snapshot)
            await bench.until(lambda: bench.views(CHANNEL)[-1].final == View())
            await rival.send(bench.ring("Opened", CHANNEL, (7, 8)))
            await bench.until(lambda: bench.views(CHANNEL)[-1].final == opened(7, 8))

    asyncio.run(story())


def test_a_transaction_that_a_reorganisation_drops_is_sent_again(benches: Any) -> None:
    async def story() -> None:
        profile: dict[str, int] = {"confirmations": 3, "final_depth": 6}
        async with benches() as bench, bench.adapter(bench.profile(**profile)) as chain:
            snapshot = await bench.dev("evm_snapshot")
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            ticket = chain._outbox._tickets["open"]
            await bench.until(lambda: ticket.receipt is not None)
            await bench.dev("evm_revert", snapshot)
            assert await wire.transaction_count(bench.rpc, chain.wallet) == 0
            await sent(bench, chain.wallet)
            await bench.dev("evm_mine")
            await bench.dev("evm_mine")
            assert (await bench.outcome("open")).error == ""

    asyncio.run(story())


def test_a_settled_transaction_is_sent_again_when_its_block_vanishes_before_it_is_final(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(bench.profile(final_depth=6)) as chain:
            snapshot = await bench.dev("evm_snapshot")
            chain.watch(CHANNEL)
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.outcome("open")
            await bench.dev("evm_revert", snapshot)
            await sent(bench, chain.wallet)
            await bench.until(lambda: bool(bench.views(CHANNEL)) and bench.views(CHANNEL)[-1].head == opened(5, 6))
            assert sum(type(event).__name__ == "CallSettled" for event in bench.events) == 1

    asyncio.run(story())


def test_an_rpc_of_another_chain_is_refused_at_the_start(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(bench.profile(chain_id=1)) as chain:
            with pytest.raises(UserFault, match="31337") as refusal:
                await chain.check()
            assert refusal.value.reason is Reason.WRONG_CHAIN
            await bench.until(lambda: bool(bench.statuses))
            assert bench.statuses[0] is not None
            assert bench.statuses[0].reason is Reason.WRONG_CHAIN
            assert bench.events == []

    asyncio.run(story())


def test_a_missing_contract_is_refused_by_name(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(bench.profile(adjudicator=Address(b"\x09" * 20))) as chain:
            with pytest.raises(UserFault, match="0x0909") as refusal:
                await chain.check()
            assert refusal.value.reason is Reason.WRONG_CONTRACT

    asyncio.run(story())


def test_the_url_of_a_chain_that_does_not_answer_is_named(benches: Any) -> None:
    async def story() -> None:
        async with benches() as bench, bench.adapter(bench.profile("http://127.0.0.1:1")) as chain:
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
                await chain.check()

    asyncio.run(story())


def test_a_second_url_takes_over_from_one_that_is_down(benches: Any) -> None:
    async def story() -> None:
        async with (
            benches() as bench,
            bench.adapter(bench.profile(urls=("http://127.0.0.1:1", bench.url))) as chain,
        ):
            chain.send("call", bench.once())
            assert (await bench.outcome("call")).error == ""

    asyncio.run(story())


async def sent(bench: Any, account: Address) -> None:
    """Wait until the chain has a transaction of an account, in a block or not."""

    async def there() -> bool:
        found = await bench.rpc.request("eth_getTransactionCount", (wire.hexed(account), "pending"), str)
        return wire.number(found) > 0

    await bench.until_asked(there)
