"""The example of docs/network.md runs as printed; and a swarm brings what was said before one came."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.network import Swarm

GUIDE = Path(__file__).parents[3] / "docs" / "network.md"


def test_the_example_in_the_guide_has_ten_lines_and_works() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert sum(bool(line.strip()) for line in example.splitlines()) <= 10
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "hello from" in ran.stdout


def test_who_comes_later_gets_what_is_alive() -> None:
    async def scenario() -> None:
        async with asyncio.timeout(60), Swarm() as alice, Swarm(bootstrap=[alice.address]) as bob:
            alice.subscribe("news")
            alice.publish("news", b"early")
            with pytest.raises(UserFault) as caught:
                alice.subscribe("news")
            assert caught.value.reason is Reason.EXISTS
            message = await anext(bob.subscribe("news"))
            assert (message.author, message.body) == (alice.peer_id, b"early")

    asyncio.run(scenario())
