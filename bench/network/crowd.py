"""Several members of a network in one process, each a whole node with sockets, links, scores and checks of its own.

    python -m bench.network.crowd NODES DIALLED NUMBER [BOOTSTRAP]

As a member's process (`thalweg.cli.demo.network.member`): commands in, answers out; an answer is a list, one a node.
"""

import asyncio
import sys
from typing import Any

import msgspec

from thalweg.cli.demo.network.member import Member, obey
from thalweg.cli.demo.network.members import Members
from thalweg.network import Multiaddr


class Crowds(Members):
    """Processes of several members each."""

    def __init__(self, folder: Any, size: int, dialled: int) -> None:
        """`size` members a process, each of which dials so many others and keeps the links up."""
        super().__init__(folder)
        self._size = size
        self._dialled = dialled

    def command(self, number: int) -> tuple[str, ...]:
        """Return what starts one."""
        return sys.executable, "-m", "bench.network.crowd", str(self._size), str(self._dialled), str(number)

    async def ask_nodes(self, do: str, **more: object) -> list[Any]:
        """Give every node a command; return the answers in order."""
        return [answer for answers in await self.ask_all(do, **more) for answer in answers]


async def run(size: int, dialled: int, number: int, bootstrap: tuple[Multiaddr, ...]) -> None:
    """Be members until standard input ends; the `number`-th process has the nodes from `(number - 1) * size + 1` on."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    members: list[Member] = []
    async with asyncio.TaskGroup() as group:
        lasting = []
        for each in range((number - 1) * size + 1, number * size + 1):
            member = Member(each, bootstrap, dialled)
            bootstrap = bootstrap or (await member.host.listen(f"127.{each}.0.1", 0),)
            if not member.host.addresses:
                await member.host.listen(f"127.{each}.0.1", 0)
            members.append(member)
            group.create_task(member.host.run())
            await asyncio.sleep(0)
            lasting += [group.create_task(member.finder.run()), group.create_task(member.synchroniser.run())]
        _say({"address": str(members[0].host.addresses[0]), "peer": str(members[0].host.peer_id)})
        while line := await reader.readline():
            _say([await obey(member, msgspec.json.decode(line), group) for member in members])
        for task in lasting:
            task.cancel()
        await asyncio.gather(*(member.host.aclose() for member in members))


def _say(answer: Any) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _size, _dialled, _number = map(int, sys.argv[1:4])
    asyncio.run(run(_size, _dialled, _number, tuple(map(Multiaddr.parse, sys.argv[4:]))))
