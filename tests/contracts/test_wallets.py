"""Payers that are contracts (EIP-1271), and openings whose sides pay in different ways."""

import msgspec
import pytest
from eth_abi import abi as codec
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import account
from tests.contracts.scene import USD, Channel, Scene, tampered

from thalweg.channel.hashes import open_digest, opening_nonce
from thalweg.channel.onchain import OpenChannel
from thalweg.crypto import sign
from thalweg.units import NATIVE, Address, Amount, AssetIndex, Signature

UNSIGNED = Signature(bytes(64))


def _wallet(scene: Scene, amount: int) -> Address:
    """Return bob's wallet contract, which holds tokens and lets the adjudicator take them."""
    wallet = scene.evm.create(creation_code("Wallet") + codec.encode(("address",), (account("bob").address,)))
    tell(scene.evm, scene.token, "mint(address,uint256)", wallet, amount)
    approval = codec.encode(("address", "uint256"), (scene.adjudicator, amount))
    tell(scene.evm, wallet, "execute(address,bytes)", scene.token, bytes.fromhex("095ea7b3") + approval)
    return wallet


def _opening(scene: Scene) -> tuple[Channel, OpenChannel, Address]:
    """Return a channel of alice, who pays herself, and bob, whose wallet contract pays."""
    wallet, alice = _wallet(scene, 30 * USD), account("alice")
    payers = (alice.address, wallet)
    channel = scene.channel(amounts=(70 * USD, 30 * USD), nonce=opening_nonce(scene.nonce + 10_000, payers))
    scene.give(alice, 70 * USD)
    scene.allow(alice, 70 * USD)
    return channel, channel.opening(payers=payers), wallet


def test_a_wallet_contract_pays_by_its_owners_signature(scene: Scene) -> None:
    channel, call, wallet = _opening(scene)

    channel.do(call)

    assert channel.view.deposited == (70 * USD, 30 * USD)
    assert scene.balance(wallet) == 0


def test_a_wallet_contract_pays_by_what_it_agreed_to_beforehand(scene: Scene) -> None:
    channel, call, wallet = _opening(scene)
    unsigned = msgspec.structs.replace(call, signatures=(call.signatures[0], UNSIGNED))
    assert channel.refusal(unsigned) == "adjudicator: wrong signer"
    digest = open_digest(scene.separator, channel.id, call.amounts, call.payers, call.deadline)
    tell(scene.evm, wallet, "agree(bytes32)", digest)

    channel.do(unsigned)

    assert channel.view.opened


def test_a_wallet_contract_that_does_not_agree_pays_nothing(scene: Scene) -> None:
    channel, call, _ = _opening(scene)
    digest = open_digest(scene.separator, channel.id, call.amounts, call.payers, call.deadline)
    for wrong in (sign(account("mallory").key, digest), call.signatures[0], UNSIGNED):
        refused = msgspec.structs.replace(call, signatures=(call.signatures[0], wrong))
        assert channel.refusal(refused) == "adjudicator: wrong signer"


@pytest.mark.parametrize(
    "answer",
    [
        b"\1",
        bytes.fromhex("1626ba7e"),
        bytes.fromhex("1626ba7f") + bytes(28),
        bytes.fromhex("1626ba7e") + bytes(27) + b"\1",
        bytes(32),
    ],
    ids=["reverts", "short", "another", "dirty", "zero"],
)
def test_only_the_magic_word_is_an_agreement(scene: Scene, answer: bytes) -> None:
    channel, call, wallet = _opening(scene)
    tell(scene.evm, wallet, "misbehave(bytes)", answer)

    assert channel.refusal(call) == "adjudicator: wrong signer"


def test_a_payer_without_code_agrees_by_his_key_only(scene: Scene) -> None:
    channel = scene.channel()
    channel.prepare()
    call = channel.opening()
    unsigned = msgspec.structs.replace(call, signatures=(call.signatures[0], UNSIGNED))

    assert channel.refusal(unsigned) == "adjudicator: wrong signer"


def test_channel_keys_are_never_asked_by_eip_1271(scene: Scene) -> None:
    wallet = _wallet(scene, 0)
    alice, bob = account("alice"), account("bob")
    channel = scene.channel(participants=(alice.address, wallet))
    channel.prepare()
    channel.do(channel.opening())
    state = channel.state(5, (150 * USD, 50 * USD), signers=(alice, bob))

    assert channel.refusal(channel.challenge(state)) == "adjudicator: wrong signer"


def test_a_wallet_contract_tops_up_what_it_is_paid_for(scene: Scene) -> None:
    wallet = _wallet(scene, 5)
    channel = scene.opened(payouts=(account("alice").address, wallet))
    unsigned = channel.invocation(channel.top_up(1, 5, signature=bytes(64)))

    tell(scene.evm, wallet, "execute(address,bytes)", scene.adjudicator, unsigned.data)

    assert scene.balance(scene.adjudicator) == 200 * USD + 5


def test_allowance_permit_authorization_and_coin_in_one_opening(scene: Scene) -> None:
    amounts = (10 * USD, 1, 20 * USD, 2, 30 * USD, 3)
    channel = scene.channel(
        "alice", "bob", "carol", assets=(scene.token, NATIVE), settlement=AssetIndex(0), amounts=amounts
    )
    for person, amount in zip(channel.people, amounts[::2], strict=True):
        scene.give(person, amount)
    scene.allow(channel.people[0], amounts[0])
    by_permit = scene.permit(channel.people[1], amounts[2], scene.evm.now() + 600)
    permit = (1, by_permit.deadline, (by_permit.signature[:32], by_permit.signature[32:]))
    authorization = scene.authorization(channel, 2, Amount(amounts[4]))
    nothing = (0, 0, (bytes(32), bytes(32)))
    pulls = [nothing, nothing, permit, nothing, authorization, nothing]

    channel.fold(scene.evm.send(tampered(channel.invocation(channel.opening()), "open", _5=pulls)))

    assert channel.view.deposited == amounts
    assert scene.balance(scene.adjudicator) == 60 * USD
    assert scene.evm.coins(scene.adjudicator) == 6
