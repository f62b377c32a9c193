"""The members' processes, from the outside: started, asked, killed, and none left behind."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.cli.demo.processes import send, tail
from thalweg.errors import Reason, Unavailable

READY_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 20.0
STOP_SECONDS: Final = 3.0
LINE_BYTES_MAX: Final = 16 * 2**20


class MemberProcess:
    """A running member."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.number = number
        self.process = process
        self.errors = errors
        self.address = self.peer = ""
        self._lock = asyncio.Lock()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    async def ask(self, do: str, **more: object) -> Any:
        """Give a command and return the answer.

        Raises:
            Unavailable: it does not answer; the message is what it wrote last.
        """
        assert self.process.stdin is not None
        try:
            async with self._lock, asyncio.timeout(ANSWER_SECONDS):
                self.process.stdin.write(msgspec.json.encode({"do": do, **more}) + b"\n")
                return await self.hear()
        except (TimeoutError, OSError) as error:
            raise Unavailable(Reason.UNREACHABLE, f"member {self.number}: {tail(self.errors)}") from error

    async def hear(self) -> Any:
        """Return the next thing it says."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise Unavailable(Reason.UNREACHABLE, f"member {self.number} has ended: {tail(self.errors)}")
        return msgspec.json.decode(line)

    async def kill(self) -> None:
        """End it at once, as a power cut would."""
        send(self.process, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        """End it in good order, or at once where it takes too long."""
        if self.is_running and self.process.stdin is not None:
            self.process.stdin.close()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                await self.kill()


class Members:
    """All of them, the bootstrap node first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: list[MemberProcess] = []

    @property
    def running(self) -> list[MemberProcess]:
        """Return those that have not ended."""
        return [member for member in self._all if member.is_running]

    def command(self, number: int) -> tuple[str, ...]:
        """Return what starts one, in an address group of its own."""
        return sys.executable, "-m", "thalweg.cli.demo.network.member", str(number), f"127.{number}.0.1"

    async def start(self, number: int, *bootstrap: str) -> MemberProcess:
        """Start one more.

        Raises:
            Unavailable: it ended first, or took too long.
        """
        errors = self._folder / f"member{number}.err"
        with errors.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                *self.command(number),
                *bootstrap,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
                limit=LINE_BYTES_MAX,
            )
        member = MemberProcess(number, process, errors)
        self._all.append(member)
        try:
            async with asyncio.timeout(READY_SECONDS):
                said = await member.hear()
        except TimeoutError as error:
            raise Unavailable(Reason.UNREACHABLE, f"member {number} did not start: {tail(errors)}") from error
        member.address, member.peer = said["address"], said["peer"]
        return member

    async def ask_all(self, do: str, **more: object) -> list[Any]:
        """Give every running member a command; return the answers in order."""
        return list(await asyncio.gather(*(member.ask(do, **more) for member in self.running)))

    async def stop(self) -> None:
        """End every member."""
        await asyncio.gather(*(member.stop() for member in self._all))
