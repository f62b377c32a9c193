"""py-evm's loop with the commonest instructions spelled out: the same machine, three times as fast.

Pushes, copies, swaps, jumps, memory words and plain arithmetic are done here, on integers; everything else, and
everything out of the ordinary (no gas, no stack, a bad jump), is left to py-evm's own functions. `test_interpreter.py`
holds the two loops against each other.
"""

from collections.abc import Callable
from typing import Any, Final

from eth.exceptions import Halt
from eth.vm.computation import NO_RESULT
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.logic.invalid import InvalidOpcode

EXECUTED: Final[dict[bytes, set[int]]] = {}  # of every code where straight runs began, to see what a test reaches
_WORD: Final = 2**256
_TOP: Final = 2**256 - 1
_STACK_MAX: Final = 1024
_VERY_LOW, _MID, _HIGH = 3, 8, 10
_Decoded = tuple[dict[int, tuple[int, int]], frozenset[int]]
_DECODED: Final[dict[bytes, _Decoded]] = {}


def _decode(code: bytes) -> _Decoded:
    """Return what each push pushes and where it ends, and where one may jump to."""
    pushes: dict[int, tuple[int, int]] = {}
    jumps = set()
    at = 0
    while at < len(code):
        instruction = code[at]
        if 0x5F <= instruction <= 0x7F:
            size = instruction - 0x5F
            pushes[at] = (int.from_bytes(code[at + 1 : at + 1 + size].ljust(size, b"\0")), at + 1 + size)
            at += size
        elif instruction == 0x5B:
            jumps.add(at)
        at += 1
    return pushes, frozenset(jumps)


class Computation(PragueComputation):  # type: ignore[misc]  # py-evm is untyped at our border
    """One call being executed."""

    def extend_memory(self, start_position: int, size: int) -> None:
        if start_position + size > len(self._memory):
            super().extend_memory(start_position, size)

    @classmethod
    def apply_computation(
        cls, state: Any, message: Any, transaction_context: Any, parent_computation: Any = None
    ) -> Any:
        with cls(state, message, transaction_context) as computation:
            if computation.is_origin_computation:
                computation.contracts_created = []
                if message.is_create:
                    cls.consume_initcode_gas_cost(computation)
            if parent_computation is not None:
                computation.contracts_created = parent_computation.contracts_created
            if message.is_create:
                computation.contracts_created.append(message.storage_address)
            precompile = computation.precompiles.get(message.code_address, NO_RESULT)
            if precompile is not NO_RESULT:
                if not message.is_delegation:
                    precompile(computation)
                return computation
            _run(computation, message.code)
        return computation


def _run(computation: Any, code: bytes) -> None:  # noqa: C901 - one branch an instruction
    if code not in _DECODED:
        _DECODED[code] = _decode(code)
    pushes, jumps = _DECODED[code]
    begun = EXECUTED.setdefault(code, set())
    begun.add(0)
    opcodes, stream, meter = computation.opcodes, computation.code, computation._gas_meter
    stack: list[Any] = computation._stack.values
    memory = computation._memory._bytes
    end, at = len(code), 0
    while True:
        instruction = code[at] if at < end else 0
        depth = len(stack)
        if meter.gas_remaining >= _HIGH and 2 <= depth < _STACK_MAX:
            if 0x60 <= instruction <= 0x7F:  # PUSH1 ... PUSH32
                value, at = pushes[at]
                stack.append(value)
                meter.gas_remaining -= _VERY_LOW
                continue
            if 0x80 <= instruction <= 0x8F and depth >= instruction - 0x7F:  # DUP1 ... DUP16
                stack.append(stack[0x7F - instruction])
                meter.gas_remaining -= _VERY_LOW
                at += 1
                continue
            if 0x90 <= instruction <= 0x9F and depth > instruction - 0x8F:  # SWAP1 ... SWAP16
                other = 0x8E - instruction
                stack[-1], stack[other] = stack[other], stack[-1]
                meter.gas_remaining -= _VERY_LOW
                at += 1
                continue
            if instruction == 0x5B:  # JUMPDEST
                meter.gas_remaining -= 1
                begun.add(at)
                at += 1
                continue
            if instruction == 0x50:  # POP
                stack.pop()
                meter.gas_remaining -= 2
                at += 1
                continue
            if instruction in (0x56, 0x57):  # JUMP, JUMPI
                target = _integer(stack[-1])
                if instruction == 0x57 and not _integer(stack[-2]):
                    del stack[-2:]
                    meter.gas_remaining -= _HIGH
                    at += 1
                    begun.add(at)
                    continue
                if target in jumps:
                    del stack[-1 if instruction == 0x56 else -2 :]
                    meter.gas_remaining -= _MID if instruction == 0x56 else _HIGH
                    at = target
                    continue
            elif instruction == 0x51:  # MLOAD
                where = _integer(stack[-1])
                if where + 32 <= len(memory):
                    stack[-1] = int.from_bytes(memory[where : where + 32])
                    meter.gas_remaining -= _VERY_LOW
                    at += 1
                    continue
            elif instruction == 0x52:  # MSTORE
                where = _integer(stack[-1])
                if where + 32 <= len(memory):
                    value = stack[-2]
                    memory[where : where + 32] = value.to_bytes(32) if type(value) is int else value.rjust(32, b"\0")
                    del stack[-2:]
                    meter.gas_remaining -= _VERY_LOW
                    at += 1
                    continue
            elif instruction in _SIMPLE:
                first = _integer(stack.pop())
                stack[-1] = _SIMPLE[instruction](first, _integer(stack[-1]))
                meter.gas_remaining -= _VERY_LOW
                at += 1
                continue
            elif instruction == 0x15:  # ISZERO
                stack[-1] = int(not _integer(stack[-1]))
                meter.gas_remaining -= _VERY_LOW
                at += 1
                continue
        stream.program_counter = at + 1
        try:
            (opcodes.get(instruction) or InvalidOpcode(instruction))(computation=computation)
        except Halt:
            return
        at = stream.program_counter
        memory = computation._memory._bytes


def _integer(value: Any) -> int:
    return value if type(value) is int else int.from_bytes(value)


_SIMPLE: Final[dict[int, Callable[[int, int], int]]] = {
    0x01: lambda a, b: (a + b) % _WORD,
    0x03: lambda a, b: (a - b) % _WORD,
    0x10: lambda a, b: int(a < b),
    0x11: lambda a, b: int(a > b),
    0x14: lambda a, b: int(a == b),
    0x16: lambda a, b: a & b,
    0x17: lambda a, b: a | b,
    0x18: lambda a, b: a ^ b,
    0x1B: lambda a, b: b << a & _TOP if a < 256 else 0,
    0x1C: lambda a, b: b >> a if a < 256 else 0,
}
