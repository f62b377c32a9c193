"""The tests' accounts in memory and py-evm's own, side by side: whatever is asked of both, both answer the same."""

from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.account import AccountDB
from eth.db.atomic import AtomicDB
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contracts.accounts import Accounts

addresses = st.sampled_from((b"\1" * 20, b"\2" * 20))
slots = st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set_storage"), addresses, slots, st.integers(0, 2)),
        st.tuples(st.just("mark_storage_warm"), addresses, slots),
        st.tuples(st.just("mark_address_warm"), addresses),
        st.tuples(st.just("set_balance"), addresses, st.integers(0, 2)),
        st.tuples(st.just("increment_nonce"), addresses),
        st.tuples(st.just("set_code"), addresses, st.sampled_from((b"", b"\0"))),
        st.tuples(st.just("touch_account"), addresses),
        st.tuples(st.sampled_from(("record", "discard", "commit", "end"))),
    ),
    max_size=40,
)


def _answers(accounts: Any) -> list[object]:
    found: list[object] = []
    for address in (b"\1" * 20, b"\2" * 20):
        found += [accounts.get_balance(address), accounts.get_nonce(address), accounts.get_code_hash(address)]
        found += [accounts.account_exists(address), accounts.account_is_empty(address)]
        found += [accounts.is_address_warm(address), accounts.account_has_code_or_nonce(address)]
        for slot in range(3):
            found += [accounts.get_storage(address, slot), accounts.get_storage(address, slot, from_journal=False)]
            found.append(accounts.is_storage_warm(address, slot))
    return found


@settings(deadline=None)
@given(steps=steps)
def test_accounts_in_memory_answer_as_py_evms_do(steps: list[tuple[Any, ...]]) -> None:
    ours, theirs = Accounts(), AccountDB(AtomicDB(), BLANK_ROOT_HASH)
    open_calls: list[tuple[int, Any]] = []
    for name, *arguments in steps:
        if name == "record":
            open_calls.append((ours.record(), theirs.record()))
        elif name in ("discard", "commit"):
            if open_calls:
                one, other = open_calls.pop()
                getattr(ours, name)(one)
                getattr(theirs, name)(other)
        elif name == "end":
            for one, other in reversed(open_calls):
                ours.commit(one)
                theirs.commit(other)
            open_calls.clear()
            ours.lock_changes()
            theirs.lock_changes()
        else:
            getattr(ours, name)(*arguments)
            getattr(theirs, name)(*arguments)
        assert _answers(ours) == _answers(theirs)


@settings(deadline=None)
@given(before=steps, after=steps)
def test_going_back_undoes_everything_since(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> None:
    accounts = Accounts()
    plain = ("record", "discard", "commit", "end")
    for name, *arguments in before:
        if name not in plain:
            getattr(accounts, name)(*arguments)
    accounts.lock_changes()
    length, answers = accounts.length, _answers(accounts)
    for name, *arguments in after:
        if name not in plain:
            getattr(accounts, name)(*arguments)

    accounts.lock_changes()
    accounts.rewind(length)

    assert _answers(accounts) == answers
