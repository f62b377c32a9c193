"""web3.py, the client most Python users have, speaks to the embedded chain as to any other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from eth_account import Account
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractLogicError, Web3RPCError

from thalweg.chain.artefacts import TEST_TOKEN, load
from thalweg.chain.dev_accounts import DEV_KEYS


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Any]:
    provider = AsyncHTTPProvider(url)
    try:
        yield AsyncWeb3(provider)
    finally:
        await provider.disconnect()


def test_web3_deploys_sends_reads_and_finds_events(serve: Any) -> None:
    async def story() -> None:
        async with serve() as url, client(url) as chain:
            artefact, alice = load(TEST_TOKEN), Account.from_key(DEV_KEYS[0])

            async def send(call: Any) -> Any:
                nonce = await chain.eth.get_transaction_count(alice.address, "pending")
                unsigned = await call.build_transaction({"from": alice.address, "nonce": nonce})
                raw = alice.sign_transaction(unsigned).raw_transaction
                return await chain.eth.wait_for_transaction_receipt(await chain.eth.send_raw_transaction(raw))

            factory = chain.eth.contract(abi=list(artefact.abi), bytecode=artefact.bytecode)
            created = await send(factory.constructor())
            coin = chain.eth.contract(address=created["contractAddress"], abi=list(artefact.abi))
            minted = await send(coin.functions.mint(alice.address, 7))
            assert minted["status"] == 1
            assert await coin.functions.balanceOf(alice.address).call() == 7
            (transfer,) = await coin.events.Transfer().get_logs(from_block=minted["blockNumber"])
            assert transfer["args"]["value"] == 7
            assert coin.events.Transfer().process_receipt(minted)[0]["args"] == transfer["args"]
            with pytest.raises((ContractLogicError, Web3RPCError)):
                await coin.functions.transfer(alice.address, 8).call({"from": alice.address})

            block = await chain.eth.get_block("latest", full_transactions=True)
            assert block["transactions"][0]["hash"] == minted["transactionHash"]
            assert (await chain.eth.get_transaction(minted["transactionHash"]))["blockHash"] == block["hash"]
            assert (await chain.eth.get_block("finalized"))["number"] <= block["number"]
            assert len((await chain.eth.fee_history(2, "latest", [50]))["baseFeePerGas"]) == 3
            assert await chain.eth.chain_id == 31337
            assert await chain.eth.get_balance(alice.address) < 10_000 * 10**18
            assert await chain.eth.get_code(coin.address)
            assert not await chain.eth.syncing

    asyncio.run(story())
