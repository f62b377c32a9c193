"""`thalweg deploy`: who pays, what is there afterwards, and what happens when it stops half-way."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import coincurve
import pytest

from thalweg.app.deploying import Unfinished, Wanted, deploy
from thalweg.app.paying import KEY_VARIABLE, Paying, payer
from thalweg.app.settings import parse_address, read_deployment
from thalweg.chain import token, wire
from thalweg.chain.artefacts import PULL_ORACLE
from thalweg.chain.create2 import PROXY
from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_KEYS
from thalweg.chain.embedded import serve_chain
from thalweg.chain.rpc import Rpc
from thalweg.chain.wallet import Done, Wallet, wallet
from thalweg.cli.chains import Order, canonical_addresses, deploy_on
from thalweg.contracts.addresses import canonical
from thalweg.crypto import address_of
from thalweg.errors import Reason, ThalwegError, Unavailable, UserFault
from thalweg.storage import v3
from thalweg.units import NATIVE, Address, Amount

KEY = bytes.fromhex("11" * 32)
OWNER = address_of(coincurve.PrivateKey(KEY).public_key)
SIGNERS = tuple(wire.hexed(one) for one in DEV_ADDRESSES[3:7])
ORDER = Order(signers=SIGNERS, test_token=True)


def _on_a_chain(story: Callable[[str, Rpc], Awaitable[None]]) -> None:
    async def told() -> None:
        async with serve_chain() as url, Rpc((url,)) as rpc, asyncio.timeout(120):
            await story(url, rpc)

    asyncio.run(told())


async def _give_coins(rpc: Rpc, to: Address) -> None:
    await (await wallet(rpc, DEV_KEYS[1])).send(token.transfer(NATIVE, to, Amount(10**18)))


def _deploy(url: str, file: Path, order: Order = ORDER, paying: Paying | None = None) -> Any:
    return asyncio.to_thread(deploy_on, url, file, order, paying or Paying())


def _with_keystore(folder: Path) -> Paying:
    (folder / "key.json").write_bytes(v3.encrypt(KEY, "secret"))
    (folder / "password").write_text("secret\n")
    return Paying(keystore=folder / "key.json", password_file=folder / "password")


def _with_key_file(folder: Path) -> Paying:
    file = folder / "key"
    file.write_text(f"0x{KEY.hex()}\n")
    file.chmod(0o600)
    return Paying(key_file=file)


@pytest.mark.parametrize("named", [_with_keystore, _with_key_file])
def test_a_key_the_user_names_pays_for_every_contract(tmp_path: Path, named: Callable[[Path], Paying]) -> None:
    async def story(url: str, rpc: Rpc) -> None:
        await _give_coins(rpc, OWNER)
        file, spent_before = tmp_path / "deployment.json", await wire.balance(rpc, DEV_ADDRESSES[0])

        result = await _deploy(url, file, paying=named(tmp_path))

        described = read_deployment(file)
        assert described.contracts == canonical_addresses()
        assert result["same_everywhere"]
        assert not described.development
        for address in (*canonical().values(), parse_address(described.oracle)):
            assert await wire.has_code(rpc, address)
        assert await wire.balance(rpc, DEV_ADDRESSES[0]) == spent_before
        assert 0 < await wire.balance(rpc, OWNER) < 10**18

    _on_a_chain(story)


def test_an_account_of_the_node_pays_too_and_nobody_pays_twice(tmp_path: Path) -> None:
    async def story(url: str, rpc: Rpc) -> None:
        paying = Paying(account=wire.hexed(DEV_ADDRESSES[2]))
        first = await _deploy(url, tmp_path / "first.json", paying=paying)
        spent = await wire.balance(rpc, DEV_ADDRESSES[2])

        second = await _deploy(url, tmp_path / "second.json", paying=paying)

        assert {**second, "block": 0} == {**first, "block": 0}
        assert await wire.balance(rpc, DEV_ADDRESSES[2]) == spent

    _on_a_chain(story)


def test_what_is_there_is_used_and_named_by_what_it_says_of_itself(tmp_path: Path) -> None:
    async def story(url: str, rpc: Rpc) -> None:
        first = await _deploy(url, tmp_path / "first.json")
        paying = Paying(account=wire.hexed(DEV_ADDRESSES[2]))
        order = Order(oracle=first["oracle"], tokens=(first["assets"][0]["address"],), pyth=first["oracle"])

        second = await _deploy(url, tmp_path / "second.json", order, paying)

        assert second["oracle"] == first["oracle"]
        assert second["assets"] == ({**first["assets"][0], "symbol": "TTD"},)
        assert await wire.has_code(rpc, parse_address(second["contracts"][PULL_ORACLE]))

    _on_a_chain(story)


class _Dropping(Wallet):
    """A wallet whose line drops after some transactions."""

    left = 0

    async def send(self, invocation: Any) -> Done:
        if not self.left:
            raise Unavailable(Reason.UNREACHABLE, "the line dropped")
        self.left -= 1
        return await super().send(invocation)


@pytest.mark.parametrize("plant", [True, False])
def test_a_deployment_that_stopped_anywhere_goes_on_and_creates_nothing_twice(tmp_path: Path, plant: bool) -> None:
    async def story(url: str, rpc: Rpc) -> None:
        wanted = Wanted(signers=DEV_ADDRESSES[3:7])
        plain = await wallet(rpc, DEV_KEYS[0])
        dropping = _Dropping(rpc, DEV_KEYS[0], plain.profile)
        file, attempts = tmp_path / "unfinished", 0
        before = await wire.transaction_count(rpc, plain.address)
        while True:
            created = Unfinished(file, await wire.chain_id(rpc))
            dropping.left, attempts = 2, attempts + 1
            try:
                described = await deploy(dropping, wanted, local=True, plant=plant, created=created)
                break
            except Unavailable:
                continue

        assert attempts > 3
        assert await wire.has_code(rpc, PROXY) == plant
        assert all([await wire.has_code(rpc, parse_address(one)) for one in described.contracts.values()])
        planting = 2 if plant else 0
        assert await wire.transaction_count(rpc, plain.address) - before == 8 + planting

    _on_a_chain(story)


@pytest.mark.parametrize(
    ("order", "paying", "reason", "words"),
    [
        (Order(test_token=True), Paying(account=wire.hexed(DEV_ADDRESSES[1])), Reason.MALFORMED, "--signer"),
        (Order(signers=SIGNERS), Paying(account=wire.hexed(DEV_ADDRESSES[1])), Reason.MALFORMED, "--token"),
        (Order(signers=SIGNERS, threshold=2), Paying(), Reason.LIMIT, "at least 3"),
        (Order(signers=SIGNERS, oracle=SIGNERS[0]), Paying(), Reason.MALFORMED, "not both"),
        (Order(oracle=SIGNERS[0]), Paying(), Reason.NOT_FOUND, "no oracle at"),
        (Order(tokens=(SIGNERS[0],)), Paying(), Reason.NOT_FOUND, "no token at"),
        (Order(pyth=SIGNERS[0]), Paying(), Reason.NOT_FOUND, "no contract at"),
        (Order(tokens=(SIGNERS[0],), accounts=SIGNERS), Paying(), Reason.MALFORMED, "--fund"),
        (ORDER, Paying(account="0x" + "77" * 20), Reason.NOT_FOUND, "no account 0x7777"),
        (ORDER, Paying(account=SIGNERS[0], key_file=Path("key")), Reason.MALFORMED, "one payer"),
        (ORDER, Paying(key_file=Path("/nowhere/key")), Reason.NOT_FOUND, "/nowhere/key"),
    ],
)
def test_what_cannot_be_is_said_clearly(
    tmp_path: Path, order: Order, paying: Paying, reason: Reason, words: str
) -> None:
    async def story(url: str, rpc: Rpc) -> None:
        with pytest.raises(ThalwegError) as refused:
            await _deploy(url, tmp_path / "deployment.json", order, paying)
        assert (refused.value.reason, words in refused.value.detail) == (reason, True), refused.value.detail
        assert not (tmp_path / "deployment.json").exists()

    _on_a_chain(story)


def test_keys_that_are_none_and_accounts_without_coins_are_refused(tmp_path: Path) -> None:
    async def story(url: str, rpc: Rpc) -> None:
        async def refusal(paying: Paying, **environ: str) -> tuple[Reason, str]:
            with pytest.raises(UserFault) as refused:
                await payer(rpc, paying, environ)
            return refused.value.reason, refused.value.detail

        exposed = _with_key_file(tmp_path)
        assert exposed.key_file is not None
        assert (await refusal(exposed))[0] is Reason.INSUFFICIENT
        exposed.key_file.chmod(0o644)
        assert (await refusal(exposed))[0] is Reason.EXPOSED
        for text in ("", "0x", "zz" * 32, "11" * 31, "00" * 32, "ff" * 32):
            exposed.key_file.write_text(text)
            exposed.key_file.chmod(0o600)
            reason, detail = await refusal(exposed)
            assert reason is Reason.MALFORMED
            assert len(text) < 10 or text not in detail
        reason, detail = await refusal(Paying(), **{KEY_VARIABLE: "22" * 32})
        assert reason is Reason.INSUFFICIENT
        assert (await payer(rpc, Paying(), {KEY_VARIABLE: DEV_KEYS[4].hex()})).address == DEV_ADDRESSES[4]

    _on_a_chain(story)


def test_an_unfinished_deployment_of_another_chain_is_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "unfinished"
    file.write_text(json.dumps({"chain_id": 7, "created": {}}))
    with pytest.raises(UserFault, match="chain 7"):
        Unfinished(file, 8)
    file.write_text("{")
    with pytest.raises(UserFault, match="remove it"):
        Unfinished(file, 7)
