"""Four oracles of tests: their keys, and the contract that they sign for."""

import coincurve

from thalweg.crypto import address_of, sign
from thalweg.instruments.report import oracle_domain
from thalweg.oracle.messages import Said, Statement, statement_digest
from thalweg.units import Address

KEYS = [coincurve.PrivateKey(bytes([seat + 1]) * 32) for seat in range(4)]
SIGNERS = tuple(address_of(key.public_key) for key in KEYS)
ORACLE = Address(b"\x0c" * 20)
SEPARATOR = oracle_domain(1, ORACLE).separator()


def say(sender: int, statement: Statement) -> Said:
    """Return a statement, signed."""
    return Said(sender, statement, sign(KEYS[sender], statement_digest(SEPARATOR, statement)))
