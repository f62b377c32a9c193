from pathlib import Path

import pytest

from thalweg.app.horizon import ScanHorizon
from thalweg.errors import UserFault
from thalweg.units import ChannelId

OLD, NEW = ChannelId(b"\1" * 32), ChannelId(b"\2" * 32)


def test_the_chain_is_read_from_before_the_oldest_open_channel(tmp_path: Path) -> None:
    horizon = ScanHorizon(tmp_path, 100, 10)
    assert horizon.resume_block([]) == 100
    horizon.observe(500)
    horizon.watch(OLD)
    horizon.observe(900)
    horizon.watch(NEW)
    horizon.watch(OLD)
    again = ScanHorizon(tmp_path, 100, 10)
    assert again.resume_block([OLD, NEW]) == 490
    again.forget([OLD])
    assert ScanHorizon(tmp_path, 100, 10).resume_block([NEW]) == 890


def test_a_channel_the_record_does_not_know_means_from_the_contracts_block(tmp_path: Path) -> None:
    horizon = ScanHorizon(tmp_path, 100, 10)
    horizon.observe(500)
    horizon.watch(NEW)
    assert horizon.resume_block([OLD, NEW]) == 100


def test_without_open_channels_only_the_newest_blocks_are_read(tmp_path: Path) -> None:
    horizon = ScanHorizon(tmp_path, 100, 10)
    horizon.observe(5_000)
    horizon.watch(OLD)
    horizon.forget([OLD])
    assert ScanHorizon(tmp_path, 100, 10).resume_block([]) == 4_990


def test_a_damaged_record_is_refused_and_may_be_removed(tmp_path: Path) -> None:
    (tmp_path / "scan.json").write_text("{")
    with pytest.raises(UserFault, match="remove it"):
        ScanHorizon(tmp_path, 100, 10)
