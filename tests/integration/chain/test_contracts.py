"""The real contracts through the adapter, on every EVM implementation at hand: deployed, a channel funded, disputed."""

import asyncio
from typing import Any

import coincurve
import pytest

from thalweg.chain import oracle, token, wire
from thalweg.chain.artefacts import ADJUDICATOR, SUBCHANNELS
from thalweg.chain.create2 import PROXY
from thalweg.chain.deploy import Contracts, creator, deploy_contracts, deploy_oracle, deploy_token, resolver_of
from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_KEYS
from thalweg.chain.evm import EvmChain
from thalweg.chain.profile import local_profile
from thalweg.chain.rpc import Rpc
from thalweg.chain.wallet import wallet
from thalweg.channel.hashes import NO_CLAIMS, challenge_digest, channel_id, open_digest, opening_nonce
from thalweg.channel.onchain import ChallengeState, ChannelObserved, OpenChannel, Pull, Shown
from thalweg.channel.sheet import ChannelState
from thalweg.channel.terms import CloseOut, Terms
from thalweg.codec import Domain
from thalweg.contracts.addresses import canonical
from thalweg.crypto import sign
from thalweg.errors import Reason, UserFault
from thalweg.units import NATIVE, ZERO_HASH, Address, Amount, AssetIndex, Hash, Seat, UnixSeconds, Version

ALICE, BOB = 1, 2  # development accounts
AMOUNTS = (Amount(100_000_000), Amount(50_000_000))


def key(account: int) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(DEV_KEYS[account])


def terms_of(asset: Address, judge: Address) -> Terms:
    people = (DEV_ADDRESSES[ALICE], DEV_ADDRESSES[BOB])
    nonce = opening_nonce(7, people)
    return Terms(people, people, (asset,), AssetIndex(0), 600, CloseOut.EXPIRY, 0, judge, ZERO_HASH, nonce)


async def opening(rpc: Rpc, contracts: Contracts, terms: Terms, deadline: UnixSeconds) -> OpenChannel:
    """Return the call that funds both sides at once, each by his permit."""
    (asset,) = terms.assets
    separator = Domain(contracts.chain_id, contracts.adjudicator).separator()
    agreed = open_digest(separator, channel_id(separator, terms), AMOUNTS, terms.participants, deadline)
    pulls = []
    for account, amount in zip((ALICE, BOB), AMOUNTS, strict=True):
        owner = DEV_ADDRESSES[account]
        nonce = await token.permit_nonce(rpc, asset, owner)
        domain = await token.separator(rpc, asset)
        permit = token.permit_digest(domain, owner, contracts.adjudicator, amount, nonce, deadline)
        pulls.append(Pull(deadline, sign(key(account), permit)))
    signatures = tuple(sign(key(account), agreed) for account in (ALICE, BOB))
    return OpenChannel(terms, AMOUNTS, terms.participants, deadline, signatures, tuple(pulls))


def challenge_of_nothing(contracts: Contracts, terms: Terms, valid_until: UnixSeconds) -> ChallengeState:
    separator = Domain(contracts.chain_id, contracts.adjudicator).separator()
    channel = channel_id(separator, terms)
    signature = sign(key(ALICE), challenge_digest(separator, channel, Version(0), valid_until))
    state = ChannelState(channel, Version(0), ZERO_HASH, NO_CLAIMS)
    return ChallengeState(terms, Shown(state, ()), Seat(0), valid_until, signature)


def test_a_channel_is_funded_by_one_transaction_and_disputed_by_another(serve: Any) -> None:
    async def story() -> None:
        async with serve() as url, Rpc((url,)) as rpc:
            owner = await wallet(rpc, DEV_KEYS[0])
            create = await creator(owner)
            contracts = await deploy_contracts(create)
            asset = await deploy_token(create)
            judge = await deploy_oracle(create, DEV_ADDRESSES[3:7], 3)
            assert await oracle.signers(rpc, judge) == DEV_ADDRESSES[3:7]
            assert await oracle.threshold(rpc, judge) == 3
            assert await oracle.settlement(rpc, judge, Hash(b"\x01" * 32), UnixSeconds(1)) is None
            assert await token.decimals(rpc, asset) == 6
            for account, amount in zip((ALICE, BOB), AMOUNTS, strict=True):
                await owner.send(token.mint(asset, DEV_ADDRESSES[account], amount))

            observed: asyncio.Queue[ChannelObserved] = asyncio.Queue()
            errors: list[str] = []

            def hear(event: Any) -> None:
                if isinstance(event, ChannelObserved):
                    observed.put_nowait(event)
                elif getattr(event, "error", ""):
                    errors.append(event.error)

            profile = local_profile(contracts.chain_id, contracts.adjudicator, url)
            async with (
                asyncio.timeout(60),
                EvmChain(profile, DEV_KEYS[ALICE], hear, resume_block=contracts.block) as chain,
                asyncio.TaskGroup() as tasks,
            ):
                running = tasks.create_task(chain.run())
                terms = terms_of(asset, judge)
                later = UnixSeconds((await wire.head(rpc)).time + 3600)
                call = await opening(rpc, contracts, terms, later)
                chain.watch(channel_id(Domain(contracts.chain_id, contracts.adjudicator).separator(), terms))
                assert not (await observed.get()).head.opened
                chain.submit("open", call)
                funded = (await observed.get()).final
                assert funded.opened
                assert funded.deposited == AMOUNTS
                assert await token.balance(rpc, asset, contracts.adjudicator) == sum(AMOUNTS)
                assert await token.balance(rpc, asset, DEV_ADDRESSES[BOB]) == 0

                chain.submit("challenge", challenge_of_nothing(contracts, terms, later))
                disputed = (await observed.get()).final.dispute
                assert disputed is not None
                assert (disputed.version, disputed.challenger) == (0, 0)
                assert disputed.deadline == (await wire.head(rpc)).time + terms.challenge_period_s
                assert errors == []
                running.cancel()

    asyncio.run(story())


def test_a_deployment_the_contract_refuses_is_the_callers_fault(serve: Any) -> None:
    async def story() -> None:
        async with serve() as url, Rpc((url,)) as rpc:
            owner = await creator(await wallet(rpc, DEV_KEYS[0]))
            with pytest.raises(UserFault):
                await deploy_oracle(owner, DEV_ADDRESSES[3:7], 1)
            with pytest.raises(UserFault) as refusal:
                await deploy_oracle(owner, DEV_ADDRESSES[:1] * 17, 16)
            assert refusal.value.reason is Reason.LIMIT

    asyncio.run(story())


def test_coins_and_tokens_are_sent_and_counted(serve: Any) -> None:
    async def story() -> None:
        async with serve() as url, Rpc((url,)) as rpc:
            owner = await wallet(rpc, DEV_KEYS[0])
            stranger = Address(b"\x77" * 20)
            asset = await deploy_token(await creator(owner))
            await owner.send(token.transfer(NATIVE, stranger, Amount(5)))
            await owner.send(token.mint(asset, owner.address, Amount(9)))
            await owner.send(token.transfer(asset, stranger, Amount(4)))
            await owner.send(token.approve(asset, stranger, Amount(3)))
            assert await token.balance(rpc, NATIVE, stranger) == 5
            assert await token.balance(rpc, asset, stranger) == 4
            assert await token.allowance(rpc, asset, owner.address, stranger) == 3
            with pytest.raises(UserFault):
                await owner.send(token.transfer(asset, stranger, Amount(6)))

    asyncio.run(story())


def test_contracts_are_created_once_where_the_proxy_is_and_anew_where_it_cannot_be(serve: Any) -> None:
    async def story() -> None:
        async with serve() as url, Rpc((url,)) as rpc, asyncio.timeout(60):
            owner = await wallet(rpc, DEV_KEYS[0])
            first = await deploy_contracts(await creator(owner, plant=True))
            second = await deploy_contracts(await creator(owner, plant=True))
            everywhere = canonical()
            if await wire.has_code(rpc, PROXY):
                assert first.adjudicator == second.adjudicator == everywhere[ADJUDICATOR]
                assert first.subchannels == second.subchannels == everywhere[SUBCHANNELS]
            else:
                assert first.adjudicator != second.adjudicator
            assert await resolver_of(rpc, first.adjudicator) == first.resolver

    asyncio.run(story())
