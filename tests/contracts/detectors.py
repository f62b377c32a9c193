"""What Slither looks for in Vyper, on the compiler's own annotated tree, as Slither cannot read modules (decision 19).

A finding is a place to think about, not a verdict: `test_static.py` holds why each one is harmless. The names are those
of Slither's detectors: https://github.com/crytic/slither/wiki/Detector-Documentation. Internal calls are followed,
across modules; order is the order of the source, a loop counts as run twice.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from vyper import ast
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.phases import CompilerData

from thalweg.contracts.build import SOURCES

_RANDOM: Final = {("block", "prevrandao"), ("block", "difficulty"), ("block", "prevhash")}
_LOW_LEVEL: Final = {"raw_call", "send"}
_CREATES: Final = {"raw_create", "create_minimal_proxy_to", "create_copy_of", "create_from_blueprint", "selfdestruct"}
_CHANGES: Final = {"append", "pop"}
_DIVIDES: Final = (ast.FloorDiv, ast.Div)


class Finding(NamedTuple):
    """One thing found: by which detector, and where."""

    detector: str
    place: str


def findings(contract: str, sources: Path = SOURCES) -> set[Finding]:
    """Return everything found in a contract and the modules it is made of."""
    module = _module(contract, sources)
    found: set[Finding] = set()
    exposed = [function for function in module.exposed_functions if function.decl_node is not None]
    entries = [function for function in exposed if isinstance(function.decl_node, ast.FunctionDef)]
    if module.init_function is not None:
        found |= set(_zero_addresses(contract, module.init_function))
    for entry in entries:
        found |= set(_of_entry(contract, entry))
        for function in (entry, *entry.reachable_internal_functions):
            found |= set(_of_function(function))
    return found


def reached(contract: str) -> set[str]:
    """Return the names of the functions that can run in a contract, as `module.function`."""
    module = _module(contract, SOURCES)
    roots = [*module.exposed_functions, *([module.init_function] if module.init_function else [])]
    return {
        _name(function)
        for root in roots
        for function in (root, *root.reachable_internal_functions)
        if isinstance(function.decl_node, ast.FunctionDef)
    }


def internal_functions() -> set[str]:
    """Return the names of all internal functions in the sources, as `module.function`."""
    names = set()
    for path in SOURCES.glob("*.vy"):
        for node in ast.parse_to_ast(path.read_text()).get_children(ast.FunctionDef):
            decorators = {getattr(decorator, "id", "") for decorator in node.decorator_list}
            if "internal" in decorators:
                names.add(f"{path.stem}.{node.name}")
    return names


@cache
def _module(contract: str, sources: Path) -> Any:
    bundle = FilesystemInputBundle([sources])
    with bundle.search_path(sources):
        data = CompilerData(bundle.load_file(f"{contract}.vy"), input_bundle=bundle)
        return data.annotated_vyper_module._metadata["type"]


# --- a whole transaction --------------------------------------------------------------------------------------------


class _Deed(NamedTuple):
    kind: str  # "call", "write" or "log"
    what: str


def _of_entry(contract: str, entry: Any) -> Iterator[Finding]:
    if entry.mutability.value in ("view", "pure"):
        return
    deeds = list(_deeds(entry.decl_node))
    if not entry.nonreentrant:
        called = False
        for deed in deeds:
            called |= deed.kind == "call"
            if called and deed.kind == "write":
                yield Finding("reentrancy", f"{contract}.{entry.name}: {deed.what}")
    if any(deed.kind == "write" for deed in deeds) and not any(deed.kind == "log" for deed in deeds):
        yield Finding("events", f"{contract}.{entry.name}")


def _deeds(node: Any) -> Iterator[_Deed]:
    """Yield what a piece of code does to the world, in order."""
    if isinstance(node, ast.For):
        for statement in (*node.body, *node.body):
            yield from _deeds(statement)
        return
    function = _internal(node)
    parts = node.args if function is not None else _children(node)
    for part in parts:
        yield from _deeds(part)
    if function is not None:
        yield from _deeds(function.decl_node)
    elif (deed := _deed(node)) is not None:
        yield deed


def _deed(node: Any) -> _Deed | None:
    """Return what this very node does."""
    name = None
    match node:
        case ast.Log():
            return _Deed("log", "")
        case ast.ExtCall():
            return _Deed("call", "")
        case ast.Call() if _builtin(node) in _LOW_LEVEL:
            return None if _option(node, "is_static_call") else _Deed("call", "")
        case ast.Call() if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
            name = _stored(node.func.value)
        case ast.Assign() | ast.AugAssign():
            name = _stored(node.target)
        case _:
            pass
    return None if name is None else _Deed("write", name)


def _children(node: Any) -> list[Any]:
    if isinstance(node, ast.FunctionDef):
        return list(node.body)
    return sorted(node.get_children(), key=lambda child: (child.lineno or 0, child.col_offset or 0))


def _internal(call: Any) -> Any:
    """Return the function that a node runs, where it is an internal call."""
    if not isinstance(call, ast.Call):
        return None
    called = call.func._metadata.get("type")
    node = getattr(called, "decl_node", None)
    return called if isinstance(node, ast.FunctionDef) and getattr(called, "is_internal", False) else None


def _stored(target: Any) -> str | None:
    """Return the state variable that an assignment changes, if it is one."""
    while isinstance(target, ast.Subscript | ast.Attribute):
        owner, info = target.value, target._expr_info
        is_stored = info is not None and info.location.name == "STORAGE"
        if is_stored and isinstance(target, ast.Attribute) and isinstance(owner, ast.Name):
            return f"{owner.id}.{target.attr}"
        target = owner
    return None


# --- one function ---------------------------------------------------------------------------------------------------


def _of_function(function: Any) -> Iterator[Finding]:
    node, name = function.decl_node, _name(function)
    found = {
        "tx-origin": any(_is(part, "tx", "origin") for part in node.get_descendants(ast.Attribute)),
        "weak-prng": any(_is(part, *pair) for part in node.get_descendants(ast.Attribute) for pair in _RANDOM),
        "incorrect-equality": any(map(_equals_now, node.get_descendants(ast.Compare))),
        "divide-before-multiply": any(map(_multiplies_quotient, node.get_descendants(ast.BinOp))),
        "calls-loop": any(_reaches_out(part) for loop in node.get_descendants(ast.For) for part in loop.body),
        "msg-value-loop": any(
            _is(part, "msg", "value")
            for loop in node.get_descendants(ast.For)
            for statement in loop.body
            for part in statement.get_descendants(ast.Attribute)
        ),
        "unused-return": any(
            isinstance(statement.value, ast.ExtCall) and _returns(statement.value.value)
            for statement in node.get_descendants(ast.Expr)
        ),
    }
    yield from (Finding(detector, name) for detector, is_found in found.items() if is_found)
    for call in node.get_descendants(ast.Call):
        yield from _of_builtin(call, name)


def _of_builtin(call: Any, name: str) -> Iterator[Finding]:
    builtin = _builtin(call)
    if builtin in _CREATES:
        yield Finding(builtin, name)
    if builtin.startswith("unsafe_"):
        yield Finding("unchecked-arithmetic", name)
    if builtin == "raw_call":
        if _option(call, "is_delegate_call"):
            yield Finding("controlled-delegatecall", name)
        if _option(call, "revert_on_failure") is False and _is_dropped(call):
            yield Finding("unchecked-lowlevel", name)


def _zero_addresses(contract: str, constructor: Any) -> Iterator[Finding]:
    """Yield the addresses a constructor keeps without having compared them with anything."""
    compared = {
        part.id
        for test in constructor.decl_node.get_descendants(ast.Compare)
        for part in test.get_descendants(ast.Name)
    }
    for argument in constructor.arguments:
        if str(argument.typ) == "address" and argument.name not in compared:
            yield Finding("missing-zero-check", f"{contract}.{argument.name}")


def _option(call: Any, name: str) -> object:
    """Return the constant that a built-in is given by name; None where it is not."""
    return next((keyword.value.value for keyword in call.keywords if keyword.arg == name), None)


def _is_dropped(call: Any) -> bool:
    """Say whether the success of a low-level call is put into a variable that nobody reads."""
    kept = call.get_ancestor((ast.AnnAssign, ast.Assign))
    if kept is None:
        return False
    target = kept.target.elements[0] if isinstance(kept.target, ast.Tuple) else kept.target
    written = {ast.AnnAssign, ast.Assign, ast.Tuple}
    names = call.get_ancestor(ast.FunctionDef).get_descendants(ast.Name, {"id": target.id})
    return all(type(use.get_ancestor()) in written for use in names)


def _returns(call: Any) -> bool:
    return call.func._metadata["type"].return_type is not None


def _reaches_out(node: Any) -> bool:
    return any(deed.kind == "call" for deed in _deeds(node))


def _multiplies_quotient(product: Any) -> bool:
    sides = (product.left, product.right)
    return isinstance(product.op, ast.Mult) and any(
        isinstance(side, ast.BinOp) and isinstance(side.op, _DIVIDES) for side in sides
    )


def _equals_now(compared: Any) -> bool:
    sides = (compared.left, compared.right)
    return isinstance(compared.op, ast.Eq | ast.NotEq) and any(_is(side, "block", "timestamp") for side in sides)


def _is(node: Any, owner: str, member: str) -> bool:
    return isinstance(node, ast.Attribute) and (getattr(node.value, "id", ""), node.attr) == (owner, member)


def _builtin(node: Any) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _name(function: Any) -> str:
    path = function.decl_node.module_node.resolved_path or ""
    return f"{path.rsplit('/', 1)[-1].removesuffix('.vy')}.{function.name}"
