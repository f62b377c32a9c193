"""Where mutants are tried out: one process has everything imported, collected and compiled, and forks for each mutant.

A child compiles what the mutant reaches, puts the code in the place of the right one, and runs the tests, the likeliest
to fail within a second first, until one does. Compiling takes as long as tests do, so the smallest contract has a
moment of tests of its own before the others are compiled. Which contracts a line reaches and what of their code, the
compiler says; what of that a test runs, a run of all tests on the contracts as they are. Those that run the changed
line come first.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import tempfile
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.contracts import compiled, evm
from tests.contracts.interpreter import EXECUTED
from tests.contracts.mutations import Mutant
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.ir import compile_ir

from thalweg.chain import artefacts, calls
from thalweg.contracts.build import SOURCES
from thalweg.units import Address

MUTANT_S_MAX: Final = 600  # a mutant that runs for ever has been noticed
SHIPPED: Final = tuple(name for name in artefacts.NAMES if name != artefacts.TEST_TOKEN)
_MINE: Final = 3  # times the weight of a test that killed a neighbour, over one that killed elsewhere in the source
_HOPE: Final = 0.05  # kills that a test is thought to have made before the first, so that quick ones are tried early
_JUMPI, _JUMPDEST, _PUSH0, _PUSH32 = 0x57, 0x5B, 0x5F, 0x7F
_STATEMENT_LINES: Final = 6  # what is longer is a block, whose first line counts
_MOMENT_S: Final = 2  # of tests on the smallest contract that a mutant reaches, before the others are compiled


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    STILLBORN = "does not compile"
    SAME = "the same code"


class Verdict(msgspec.Struct, frozen=True):
    """What became of a mutant, and which test noticed it."""

    fate: Fate
    killer: str = ""


class Known(msgspec.Struct, frozen=True):
    """What a run on the right contracts tells of a test."""

    seconds: float
    contracts: frozenset[str]
    places: frozenset[int]  # the lines it runs, by their numbers


class Reach:
    """Which contracts the lines of each source come to be part of."""

    def __init__(self) -> None:
        self._functions: dict[str, list[tuple[str, int, int]]] = {}
        self._sources: dict[str, set[str]] = {}
        self.codes: dict[str, bytes] = {}
        self.places: dict[tuple[str, int], int] = {}  # a number for each line of a source that code is made of
        self._runs: dict[str, dict[int, set[int]]] = {}  # of a contract's code, where straight runs begin: their lines
        for path in (*(SOURCES / f"{name}.vy" for name in SHIPPED), *sorted(compiled.HERE.glob("*.vy"))):
            self._look_at(path)

    def contracts(self, mutant: Mutant) -> tuple[str, ...]:
        """Return the contracts that a mutant may change."""
        inside = [where for where in self._functions.get(mutant.source, []) if where[1] <= mutant.line <= where[2]]
        if inside:
            return tuple(sorted({contract for contract, _, _ in inside}))
        return tuple(sorted(name for name, sources in self._sources.items() if mutant.source in sources))

    def lines(self, contract: str, begun: Iterable[int]) -> set[int]:
        """Return the lines, by their numbers, of straight runs of a contract's code."""
        runs = self._runs[contract]
        return {place for start in begun for place in runs.get(start, ())}

    def _read(self, code: bytes, nodes: dict[int, Any]) -> dict[int, set[int]]:
        runs: dict[int, set[int]] = {}
        start = at = 0
        while at < len(code):
            instruction = code[at]
            if instruction == _JUMPDEST:
                start = at
            if (node := nodes.get(at)) is not None and node.lineno is not None:
                name = Path(node.module_node.path).name
                last = node.end_lineno if node.end_lineno - node.lineno < _STATEMENT_LINES else node.lineno
                for line in range(node.lineno, last + 1):
                    number = self.places.setdefault((name, line), len(self.places))
                    runs.setdefault(start, set()).add(number)
            at += 1 + max(0, instruction - _PUSH0) if instruction <= _PUSH32 else 1
            if instruction == _JUMPI:
                start = at
        return runs

    def _look_at(self, path: Path) -> None:
        bundle = FilesystemInputBundle([SOURCES, path.parent])
        with bundle.search_path(path.parent), bundle.search_path(SOURCES):
            data = CompilerData(bundle.load_file(path.name), bundle)
            module = data.global_ctx
            self.codes[path.stem] = bytes(data.bytecode)
            code, maps = compile_ir.assembly_to_evm(data.assembly_runtime, compiler_metadata=None)
            self._runs[path.stem] = self._read(code, maps["pc_raw_ast_map"])
        roots = [*module.exposed_functions, *([module.init_function] if module.init_function else [])]
        functions = {one for root in roots for one in (root, *root.reachable_internal_functions)}
        for function in functions:
            node = function.decl_node
            if node is not None and node.lineno is not None:
                name = Path(node.module_node.path).name
                self._functions.setdefault(name, []).append((path.stem, node.lineno, node.end_lineno))
        self._sources[path.stem] = {path.name, *(Path(one._module.path).name for one in _modules(module))}


def bare(code: bytes) -> bytes:
    """Return a contract's creation code without what the compiler notes behind it, such as a hash of the source.

    Its last two bytes say how long the note is.
    """
    return code[: -int.from_bytes(code[-2:])]


def _modules(module: Any) -> Iterator[Any]:
    for one in module.imported_modules.values():
        imported = getattr(one, "module_t", None)
        if imported is not None and hasattr(imported, "imported_modules"):
            yield imported
            yield from _modules(imported)


class Laboratory:
    """A pytest plugin: instead of running the tests once, it runs them on every mutant.

    `told` hears each verdict, `known` are those of earlier runs. A mutant that no test noticed after `patience_s` of
    processor time counts as surviving.
    """

    def __init__(
        self,
        mutants: Sequence[Mutant],
        jobs: int,
        deadline: float,
        patience_s: float,
        told: Callable[[Mutant, Verdict], None],
        known: Mapping[Mutant, Verdict],
    ) -> None:
        self._waiting = list(reversed(mutants))
        self._jobs = jobs
        self._patience_s = patience_s
        self._deadline = deadline
        self._told = told
        self._reach = Reach()
        self._kills: Counter[tuple[str, str]] = Counter()
        self._tests: dict[str, Known] = {}
        self._failed = ""
        self.is_sound = False
        for mutant, verdict in known.items():
            self._learn(mutant, verdict)

    # -- pytest's hooks ---------------------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        baseline = self._fork(lambda: self._baseline(session.items))
        found = baseline.wait()
        if not isinstance(found, dict):
            return True
        self.is_sound = True
        for node, (seconds, names, places) in found.items():
            self._tests[node] = Known(seconds, frozenset(names), frozenset(places))
        running: dict[int, tuple[_Child, Mutant]] = {}
        while running or (self._waiting and time.monotonic() < self._deadline):
            while self._waiting and len(running) < self._jobs and time.monotonic() < self._deadline:
                mutant = self._waiting.pop()
                child = self._fork(partial(self._try_out, mutant, session.items))
                running[child.pipe] = (child, mutant)
            for pipe in select.select(list(running), [], [], 1)[0]:
                child, mutant = running.pop(pipe)
                self._heard(mutant, child.wait())
            for pipe, (child, mutant) in list(running.items()):
                if time.monotonic() > child.started + MUTANT_S_MAX:
                    child.kill()
                    del running[pipe]
                    self._told(mutant, Verdict(Fate.KILLED, "time"))
        return True

    # -- in the parent ----------------------------------------------------------------------------------------------

    def _heard(self, mutant: Mutant, answer: Any) -> None:
        verdict = Verdict(Fate(answer[0]), answer[1]) if answer else Verdict(Fate.KILLED, "crash")
        self._learn(mutant, verdict)
        self._told(mutant, verdict)

    def _learn(self, mutant: Mutant, verdict: Verdict) -> None:
        if verdict.fate is Fate.KILLED:
            for place in (mutant.source, self._place(mutant)):
                self._kills[place, verdict.killer] += 1

    def _place(self, mutant: Mutant) -> str:
        return f"{mutant.source}:{mutant.line // 20}"

    def _ordered(self, mutant: Mutant, items: Sequence[pytest.Item], reached: set[str]) -> list[pytest.Item]:
        here = self._reach.places.get((mutant.source, mutant.line))

        def worth(item: pytest.Item) -> tuple[bool, float]:
            kills = self._kills[mutant.source, item.nodeid] + _MINE * self._kills[self._place(mutant), item.nodeid]
            known = self._tests[item.nodeid]
            return here in known.places, (kills + _HOPE) / (known.seconds + 0.01)

        chosen = [item for item in items if self._tests[item.nodeid].contracts & reached]
        return sorted(chosen, key=worth, reverse=True)

    @staticmethod
    def _fork(work: Callable[[], Any]) -> "_Child":
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            return _Child(pid, reader)
        os.close(reader)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        with contextlib.suppress(BaseException), os.fdopen(writer, "w") as out:
            json.dump(work(), out)
        os._exit(0)

    # -- in a child -------------------------------------------------------------------------------------------------

    def _baseline(self, items: Sequence[pytest.Item]) -> dict[str, tuple[float, list[str], list[int]]] | None:
        names: dict[bytes, str] = {}
        created: set[str] = set()  # or tried to: what a constructor refuses has no code
        create = evm.Evm.create

        def noted(machine: evm.Evm, code: bytes, value: int = 0) -> Address:
            name = next((name for name, known in self._reach.codes.items() if code.startswith(known)), "")
            created.add(name)
            address = create(machine, code, value)
            names[machine.code(address)] = name
            return address

        vars(evm)["Evm"].create = noted
        found = {}
        for item, following in _pairs(items):
            EXECUTED.clear()
            created.clear()
            started = time.monotonic()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return None
            seconds = time.monotonic() - started
            ran = {name: begun for code, begun in EXECUTED.items() if (name := names.get(code, ""))}
            lines = {line for name, begun in ran.items() for line in self._reach.lines(name, begun)}
            found[item.nodeid] = (seconds, sorted({*ran, *created} - {""}), sorted(lines))
        return found

    def _try_out(self, mutant: Mutant, items: Sequence[pytest.Item]) -> tuple[Fate, str]:
        names = sorted(self._reach.contracts(mutant), key=lambda name: len(self._reach.codes[name]))
        changed: dict[str, bytes] = {}
        with tempfile.TemporaryDirectory(prefix="thalweg-mutant-") as folder:
            sources = Path(folder)
            for path in SOURCES.glob("*.vy*"):
                shutil.copy(path, sources)
            (sources / mutant.source).write_text(mutant.text)
            for stage, is_last in ((names[:1], False), (names[1:], True)):
                try:
                    codes = {name: self._compiled(name, sources) for name in stage}
                except Exception:
                    return Fate.STILLBORN, ""
                changed |= {name: code for name, code in codes.items() if bare(code) != bare(self._reach.codes[name])}
                _install(changed)
                tests = self._ordered(mutant, items, set(changed))
                if self._is_noticed(tests if is_last else self._moment(tests)):
                    return Fate.KILLED, self._failed
        return (Fate.SURVIVED if changed else Fate.SAME), ""

    def _moment(self, items: Sequence[pytest.Item]) -> Sequence[pytest.Item]:
        """Return the first of some tests: whole ones, that leave nothing set up behind them."""
        ends = list(accumulate(self._tests[item.nodeid].seconds for item in items))
        return items[: bisect(ends, _MOMENT_S)]

    def _is_noticed(self, items: Sequence[pytest.Item]) -> bool:
        begun = time.process_time()
        for item, following in _pairs(items):
            if time.process_time() - begun > self._patience_s:
                return False
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return True
        return False

    @staticmethod
    def _compiled(name: str, sources: Path) -> bytes:
        home = sources if name in SHIPPED else compiled.HERE
        return compiled.compile_code(home / f"{name}.vy", sources)


def _install(codes: dict[str, bytes]) -> None:
    """Let this process deploy these codes from now on."""
    right = artefacts.load
    changed = {
        name: msgspec.structs.replace(right(name), bytecode="0x" + codes[name].hex())
        for name in SHIPPED
        if name in codes
    }
    vars(calls)["load"] = lambda name: changed.get(name) or right(name)
    compiled.CODES.update({name: code for name, code in codes.items() if name not in SHIPPED})


def _pairs(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    yield from zip(items, [*items[1:], None], strict=True)


class _Child:
    """A process that answers once, in JSON, and ends."""

    def __init__(self, pid: int, pipe: int) -> None:
        self._pid = pid
        self.pipe = pipe
        self.started = time.monotonic()

    def wait(self) -> Any:
        """Return its answer; None where it died."""
        with os.fdopen(self.pipe) as answer:
            text = answer.read()
        os.waitpid(self._pid, 0)
        return json.loads(text) if text else None

    def kill(self) -> None:
        """End it."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.pipe)
