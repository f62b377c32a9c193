"""The words that the chain keeps of a channel, and the domain that its signatures are good in."""

import pytest
from tests.contracts.reference import words
from tests.contracts.reference.accounts import Account, Dispute
from tests.contracts.scene import FEED, ORACLES, USD, Scene, invocation

from thalweg.chain.artefacts import ADJUDICATOR, QUORUM_ORACLE, SUBCHANNELS
from thalweg.crypto import sign
from thalweg.instruments.report import Settlement, oracle_domain, report_digest
from thalweg.units import Address, Price, UnixSeconds

PRICE = Price(60_000 * 10**8)
OTHER_CHAIN = 5


def test_a_dispute_is_the_two_words_of_the_specification(scene: Scene) -> None:
    channel = scene.opened()
    kept = Account(channel.terms, [*channel.amounts], [0, 0])

    def stored() -> tuple[int, ...]:
        return tuple(scene.evm.ask(scene.adjudicator, ADJUDICATOR, name, channel.id) for name in ("funding", "dispute"))

    def expected() -> tuple[int, ...]:
        return words.of(kept)

    assert stored() == expected()
    for version, answered in ((4, 7), (8, 11)):
        shown, newest = (channel.state(one, (150 * USD, 50 * USD)) for one in (version, answered))
        channel.do(channel.challenge(shown, seat=1))
        kept.dispute = Dispute(shown, channel.deadline, 1)
        assert stored() == expected()
        channel.do(channel.answer(newest))
        kept.dispute = Dispute(newest, channel.deadline, 1)
        assert stored() == expected()
        if version == 4:
            signatures = channel.resume_signatures(8, channel.deadline)
            channel.fold(scene.evm.send(channel.resumption(8, signatures)))
            kept.lowest, kept.dispute = 8, None
            assert stored() == expected()
    channel.wait()
    channel.do(channel.settlement(newest))
    kept.is_closed = True
    assert stored() == expected()


def _refusal(scene: Scene, chain: int, signed_for: Address, to: Address) -> str:
    """Return why an oracle refuses a report that was signed for one chain and contract."""
    report = Settlement(FEED, UnixSeconds(scene.tick()), PRICE)
    message = report_digest(oracle_domain(chain, signed_for).separator(), report)
    signed = [sign(ORACLES[index].key, message) for index in (0, 1, 2)]
    pairs = [(one[:32], one[32:]) for one in signed]
    return scene.evm.refusal(
        invocation(to, QUORUM_ORACLE, "register", FEED, report.time, PRICE, False, (0, 1, 2), pairs)
    )


def test_no_signature_follows_a_contract_to_a_fork_of_its_chain() -> None:
    scene = Scene()
    before = scene.evm.chain_id
    assert _refusal(scene, before, scene.oracle, scene.oracle) == ""

    scene.evm.fork(OTHER_CHAIN)

    assert _refusal(scene, before, scene.oracle, scene.oracle) == "oracle: wrong signer"
    assert _refusal(scene, OTHER_CHAIN, scene.oracle, scene.oracle) == ""


def test_no_signature_follows_a_contracts_code_to_another_address(scene: Scene) -> None:
    proxy = "3d602d80600a3d3981f3363d3d373d3d3d363d73" + scene.oracle.hex() + "5af43d82803e903d91602b57fd5bf3"
    clone = scene.evm.create(bytes.fromhex(proxy))  # a minimal one, https://eips.ethereum.org/EIPS/eip-1167

    assert _refusal(scene, scene.evm.chain_id, scene.oracle, clone) == "oracle: wrong signer"
    assert _refusal(scene, scene.evm.chain_id, clone, clone) == ""


@pytest.mark.parametrize("contract", [ADJUDICATOR, SUBCHANNELS, QUORUM_ORACLE])
def test_every_contract_names_the_domain_it_is_in(contract: str) -> None:
    scene = Scene()
    home = {ADJUDICATOR: scene.adjudicator, SUBCHANNELS: scene.subchannels, QUORUM_ORACLE: scene.oracle}[contract]
    name = "Thalweg Oracle" if contract == QUORUM_ORACLE else "Thalweg"
    for chain in (scene.evm.chain_id, OTHER_CHAIN):
        scene.evm.fork(chain)

        found = scene.evm.ask(home, contract, "eip712Domain")

        assert found == (b"\x0f", name, "1", chain, "0x" + home.hex(), bytes(32), ())
