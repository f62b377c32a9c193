"""The demonstration's processes: started, told apart, stopped, and never left behind.

Each child gets a pipe as standard input and ends when it closes, so it ends even where this process is killed. Each has
a session of its own, so Ctrl-C reaches only this process, which then stops the children in order.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.errors import Reason, Unavailable

READY_S: Final = 60.0
STOP_S: Final = 3.0
_TAIL_BYTES: Final = 2000


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal; to a process that has ended it is nothing.

    Not by `Process.send_signal`: that looks whether it has ended, and so takes its status from asyncio, which waits.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


class Child:
    """A running process. `ready` is what it said when it was."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, errors: Path, ready: dict[str, Any]) -> None:
        self.name = name
        self.process = process
        self.errors = errors
        self.ready = ready

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    async def kill(self) -> None:
        """End it at once, as a power cut would."""
        send(self.process, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        """End it in good order, or at once where it takes too long."""
        if self.is_running:
            send(self.process, signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await self.process.wait()
            except TimeoutError:
                await self.kill()


class Processes:
    """All children. `folder` takes their standard errors; `password` opens their keystores."""

    def __init__(self, folder: Path, password: str) -> None:
        self._folder = folder
        self._environment = {**os.environ, "THALWEG_PASSWORD": password}
        self._children: list[Child] = []

    async def start(self, name: str, *arguments: str) -> Child:
        """Run `thalweg` with these arguments; return when it says that it is ready.

        Raises:
            Unavailable: it ended first, or took too long; the message is what it said.
        """
        errors = self._folder / f"{name}.err"
        command = [sys.executable, "-m", "thalweg.cli", *arguments, "--attached", "--json"]
        with errors.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env=self._environment,
                start_new_session=True,
            )
        child = Child(name, process, errors, {})
        self._children.append(child)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = await process.stdout.readline()
            child.ready = msgspec.json.decode(line)
        except TimeoutError as error:
            detail = f"{name} was not ready within {READY_S:g} s (a busy machine?): {tail(errors)}"
            raise Unavailable(Reason.UNREACHABLE, detail) from error
        except msgspec.DecodeError as error:
            raise Unavailable(Reason.UNREACHABLE, f"{name} did not start: {tail(errors)}") from error
        if not child.ready.get("ready"):
            raise Unavailable(Reason.UNREACHABLE, f"{name} did not start: {child.ready.get('error')}")
        return child

    async def stop(self) -> None:
        """End every child: those that use the chain first."""
        async with asyncio.TaskGroup() as tasks:
            for child in self._children[1:]:
                tasks.create_task(child.stop())
        for child in self._children[:1]:
            await child.stop()


def tail(file: Path) -> str:
    """Return the last lines a child wrote to its standard error."""
    text = file.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip() if file.exists() else ""
    return text or "it said nothing"
