from pathlib import Path

import pytest

from thalweg.app.settings import (
    AssetForm,
    Deployment,
    LinkBook,
    folder_deployment,
    merged,
    parse_address,
    read_deployment,
    read_links,
    write_deployment,
    write_links,
)
from thalweg.errors import Reason, UserFault

ALICE = "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWF9Q4yQQRMv93ue1Mu8cZ4rwCSpgMiaf4gXno8unTdux4"
BOB = "/ip4/127.0.0.1/tcp/4002/p2p/12D3KooWLXsjfddQNjcpiVxvBmiVGsmu5VKwBjdsYcQUn5BiWDm4"
DEPLOYMENT = Deployment(
    rpc=("http://127.0.0.1:8545",),
    chain_id=31337,
    adjudicator="0x" + "11" * 20,
    oracle="0x" + "22" * 20,
    assets=(AssetForm("0x" + "33" * 20, "USDC", 6),),
)


def test_a_deployment_comes_back_from_its_file(tmp_path: Path) -> None:
    write_deployment(tmp_path / "deployment.json", DEPLOYMENT)
    assert read_deployment(tmp_path / "deployment.json") == DEPLOYMENT
    assert folder_deployment(tmp_path).tokens()[0].parse("1.5") == 1_500_000


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ('{"rpc": []}', "rpc"),
        ('{"chain": 1}', "chain"),
        ("not json", "malformed"),
    ],
)
def test_a_wrong_deployment_is_refused_by_the_field(tmp_path: Path, wrong: str, named: str) -> None:
    (tmp_path / "d.json").write_text(wrong)
    with pytest.raises(UserFault, match=named) as refusal:
        read_deployment(tmp_path / "d.json")
    assert refusal.value.reason == Reason.MALFORMED


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    assert parse_address("0x" + "ab" * 20) == bytes.fromhex("ab" * 20)
    for text in ("", "0x12", "0x" + "zz" * 20, "0x" + "ab" * 21):
        with pytest.raises(UserFault, match="not an address"):
            parse_address(text)


def test_a_folder_without_deployment_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="--deployment"):
        folder_deployment(tmp_path)


def test_links_are_remembered_by_peer_and_the_newest_address_counts(tmp_path: Path) -> None:
    moved = ALICE.replace("4001", "5001")
    assert merged((ALICE, BOB), (moved,)) == (moved, BOB)
    assert read_links(tmp_path) == LinkBook()
    write_links(tmp_path, LinkBook((ALICE,), (BOB,)))
    assert read_links(tmp_path) == LinkBook((ALICE,), (BOB,))


def test_an_address_that_names_no_peer_cannot_be_kept() -> None:
    with pytest.raises(UserFault, match="p2p"):
        merged((), ("/ip4/127.0.0.1/tcp/4001",))
