"""Metrics as Prometheus reads them, and the port they are served on."""

import asyncio
import socket
import urllib.request

import pytest

from thalweg.api.metrics import Sample, counted, exposition
from thalweg.api.metrics_server import serve_metrics
from thalweg.errors import UserFault


def test_samples_of_a_name_stand_together_under_what_they_are() -> None:
    text = exposition([
        Sample("one", 1, (("peer", 'a"b\\c\nd'),), "first"),
        Sample("two_total", 2.5, (), "second\nline", "counter"),
        Sample("one", 3, (("peer", "e"),), "first"),
    ])  # fmt: skip
    assert text == (
        "# HELP one first\n# TYPE one gauge\n"
        'one{peer="a\\"b\\\\c\\nd"} 1\none{peer="e"} 3\n'
        "# HELP two_total second\\nline\n# TYPE two_total counter\ntwo_total 2.5\n"
    )


def test_counts_become_one_sample_a_key_and_a_bad_name_is_a_bug() -> None:
    assert [each.labels for each in counted("n_total", "", "event", {"b": 2, "a": 1})] == [
        (("event", "a"),), (("event", "b"),),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="not a metric's name"):
        exposition([Sample("a b", 1)])


def test_metrics_are_served_and_a_taken_port_is_said() -> None:
    async def scenario() -> None:
        async with serve_metrics(lambda: [Sample("one", 1)], 0) as url:
            with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                assert answer.read() == b"# HELP one \n# TYPE one gauge\none 1\n"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(UserFault, match="cannot be served"):
                async with serve_metrics(lambda: [], taken.getsockname()[1]):
                    pass
        async with serve_metrics(lambda: [], None) as nothing:
            assert nothing == ""

    asyncio.run(scenario())
