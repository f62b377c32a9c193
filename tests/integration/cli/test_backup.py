from pathlib import Path

from tests.integration.cli.world import World

from thalweg.app.settings import DEPLOYMENT_FILE
from thalweg.cli.demo.stage import Party


def balance(world: World, party: Party, channel: str) -> str:
    view = world.ask(party, "channels", channel)
    mine: str = next(holding["balance"] for holding in view["holdings"] if holding["me"])
    return mine


def test_a_backup_of_a_running_node_is_written_and_never_replaces_a_newer_one(
    world: World, channel: str, tmp_path: Path
) -> None:
    alice = world.stage.alice
    older, newer = tmp_path / "older", tmp_path / "newer"
    first = world.ask(alice, "backup", str(older))
    world.ask(alice, "pay", "0.01", "-c", channel)
    second = world.ask(alice, "backup", str(newer))
    assert second["entries"] > first["entries"]
    world.ask(alice, "backup", str(older))
    restored = tmp_path / "restored"
    (tmp_path / "words").write_text(alice.keys.mnemonic)
    words = ("--mnemonic-file", str(tmp_path / "words"))
    world.ask(None, "restore", str(newer), "--data", str(restored), *words)
    assert world.refuse(None, "restore", str(older), "--data", str(restored)) in (
        "a newer one is there",
        "exists already",
    )
    assert world.refuse(None, "backup", str(newer), "--data", str(world.stage.bob.folder)) == "exists already"


def test_a_damaged_backup_and_one_of_other_words_are_refused(world: World, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    world.ask(world.stage.alice, "backup", str(file))
    (tmp_path / "words").write_text(world.stage.bob.keys.mnemonic)
    words = ("--mnemonic-file", str(tmp_path / "words"))
    assert world.refuse(None, "restore", str(file), "--data", str(tmp_path / "a"), *words) == "wrong password"
    file.write_bytes(file.read_bytes()[:-20])
    (tmp_path / "words").write_text(world.stage.alice.keys.mnemonic)
    assert world.refuse(None, "restore", str(file), "--data", str(tmp_path / "b"), *words) == "wrong password"
    file.write_bytes(b"not a backup")
    assert world.refuse(None, "restore", str(file), "--data", str(tmp_path / "b"), *words) == "database corrupt"
    assert not (tmp_path / "b").exists()


def test_a_restored_node_only_closes_or_resumes_and_then_goes_on(world: World, tmp_path: Path) -> None:
    stage = world.stage
    carol = world.join("carol", tmp_path / "carol")
    channel = world.ask(stage.alice, "open", carol.address, "100")["id"]
    world.ask(stage.alice, "pay", "10", "-c", channel)
    file, words = tmp_path / "backup", tmp_path / "words"
    world.ask(carol, "backup", str(file))
    world.ask(stage.alice, "pay", "7", "-c", channel)  # what the backup has forgotten
    world.wait(stage.kill(carol))
    words.write_text(carol.keys.mnemonic)
    deployment = ("--deployment", str(carol.folder / DEPLOYMENT_FILE))
    carol.folder = tmp_path / "restored"
    result = world.ask(carol, "restore", str(file), "--mnemonic-file", str(words), *deployment)
    assert result["recovering"] is True
    world.wait(stage.start_trader("carol"))
    assert world.ask(carol, "connect", stage.alice.address)["up"] is True
    assert world.ask(carol, "status")["recovering"] is True
    assert world.refuse(carol, "pay", "1", "-c", channel) == "recovering"
    world.ask(carol, "resume", "-c", channel)
    assert balance(world, carol, channel) == "17"
    assert world.ask(carol, "pay", "1", "-c", channel)["agreed"] == 1
    assert world.ask(carol, "status")["recovering"] is False
    world.wait(stage.kill(carol))
