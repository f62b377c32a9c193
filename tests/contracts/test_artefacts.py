import pytest
from tests.contracts.scene import Scene

from thalweg.chain.artefacts import ADJUDICATOR, NAMES, RESOLVER, load
from thalweg.codec import words
from thalweg.contracts.build import ARTEFACTS, artefact
from thalweg.crypto import keccak

SIZE_MAX = 24_576  # EIP-170


@pytest.mark.parametrize("name", NAMES)
def test_artefacts_are_what_the_sources_compile_to(name: str) -> None:
    assert (ARTEFACTS / f"{name}.json").read_text() == artefact(name), "run python -m thalweg.contracts"


@pytest.mark.parametrize("name", NAMES)
def test_every_contract_fits_on_every_chain(name: str) -> None:
    assert len(load(name).creation_code()) < SIZE_MAX


def test_a_channel_is_two_words_at_slots_that_never_change(scene: Scene) -> None:
    channel = scene.opened()
    channel.do(channel.challenge(channel.implicit()))

    for slot, name in enumerate(("funding", "dispute")):
        word = scene.evm.ask(scene.adjudicator, ADJUDICATOR, name, channel.id)
        place = int.from_bytes(keccak(words((slot, channel.id))))
        assert word == scene.evm.slot(scene.adjudicator, place) != 0


def test_the_funding_word_is_the_only_one_written_at_opening(scene: Scene) -> None:
    channel = scene.opened()

    word = scene.evm.ask(scene.adjudicator, ADJUDICATOR, "funding", channel.id)
    totals = keccak(words((32, len(channel.amounts), *(amount << 128 for amount in channel.amounts))))
    assert word == 1 << 248 | int.from_bytes(totals) % 2**208
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "dispute", channel.id) == 0


def test_the_adjudicator_names_its_resolver(scene: Scene) -> None:
    assert bytes.fromhex(scene.evm.ask(scene.adjudicator, ADJUDICATOR, "RESOLVER")[2:]) == scene.resolver
    assert scene.evm.ask(scene.resolver, RESOLVER, "revealed", bytes(32)) == 0
