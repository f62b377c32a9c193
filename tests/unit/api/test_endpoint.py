from pathlib import Path

import pytest

from thalweg.api.endpoint import Endpoint, new_token, read_endpoint, remove_endpoint, write_endpoint
from thalweg.errors import Reason, Unavailable, UserFault


def test_the_endpoint_is_for_its_user_alone_and_comes_back(tmp_path: Path) -> None:
    endpoint = Endpoint("http://127.0.0.1:1", new_token(), 7)
    write_endpoint(tmp_path, endpoint)
    assert read_endpoint(tmp_path) == endpoint
    assert (tmp_path / "api.json").stat().st_mode & 0o777 == 0o600


def test_tokens_are_never_the_same() -> None:
    assert len({new_token() for _ in range(100)}) == 100


def test_without_a_running_node_one_is_told_to_start_it(tmp_path: Path) -> None:
    write_endpoint(tmp_path, Endpoint("http://127.0.0.1:1", "t", 7))
    remove_endpoint(tmp_path)
    with pytest.raises(Unavailable, match="thalweg up"):
        read_endpoint(tmp_path)


def test_a_folder_that_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="thalweg init") as refusal:
        read_endpoint(tmp_path / "nowhere")
    assert refusal.value.reason == Reason.NOT_FOUND
    (tmp_path / "api.json").write_text("{")
    with pytest.raises(UserFault) as damaged:
        read_endpoint(tmp_path)
    assert damaged.value.reason == Reason.CORRUPT
