"""What can go wrong, and whose fault it is.

Four exceptions, one rule each for when to raise them (`RuleBroken` is the blameless form of the first two):

- `PeerFault`: the other side broke a rule. State is unchanged, the peer is told the reason, the node lives.
- `UserFault`: the caller of the API or command asked for what cannot be. HTTP 4xx, exit status 2.
- `Unavailable`: a chain, network or disk did not answer. Raised by adapters only; the caller may retry.
- `InvariantBroken`: our own bug, or a disk that lies. The node stops; the journal is intact.

`Reason` is the one vocabulary of refusals: the core, the API, the wire and the contracts' revert strings use it.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused. The value is what travels on the wire and in revert strings."""

    # messages and signatures
    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    UNKNOWN_FEATURE = "unknown feature"
    UNKNOWN_CHANNEL = "unknown channel"
    WRONG_CHAIN = "wrong chain"
    WRONG_CONTRACT = "wrong contract"
    WRONG_SIGNER = "wrong signer"
    WRONG_HASH = "wrong hash"
    NOT_SEQUENCER = "not the sequencer"
    NOT_AUTHOR = "not the author"
    FLOOD = "too many messages"
    # versions and time
    STALE_VERSION = "stale version"
    SKIPPED_VERSION = "skipped version"
    OUT_OF_ORDER = "out of order"
    EXPIRED = "expired"
    NOT_YET = "not yet"
    MARK_TIME_BACK = "mark time goes back"
    MARK_TOO_OLD = "mark too old"
    # money
    NEGATIVE = "negative amount"
    OVERFLOW = "amount overflows"
    INSUFFICIENT = "insufficient balance"
    UNCOVERED = "collateral does not cover"
    UNBOUNDED = "loss is unbounded"
    NOT_CONSERVED = "balances do not add up"
    NOT_FINAL = "not final on chain"
    UNDECIDED_MAX = "undecided limit"
    # claims and instruments
    UNKNOWN_CLAIM = "unknown claim"
    TOO_MANY_CLAIMS = "too many claims"
    UNKNOWN_INSTRUMENT = "unknown instrument"
    INVALID_INSTRUMENT = "invalid instrument"
    INSTRUMENT_EXPIRED = "instrument expired"
    NO_REPORT = "no oracle report"
    BAD_REPORT = "bad oracle report"
    # consent and phases
    NO_CONSENT = "no consent"
    UNKNOWN_OFFER = "unknown offer"
    OPEN_CLAIMS = "claims are open"
    WRONG_PHASE = "wrong phase"
    LIMIT = "limit reached"
    RECOVERING = "recovering"
    # machine
    SIGNED_BEFORE = "another state of this version was signed"
    LOCKED = "data folder in use"
    EXPOSED = "others can read it"
    EXISTS = "exists already"
    NOT_FOUND = "not found"
    NEWER = "a newer one is there"
    WRONG_PASSWORD = "wrong password"  # noqa: S105 - words, not a secret
    CORRUPT = "database corrupt"
    DISK_FULL = "disk full"
    UNREACHABLE = "unreachable"


class ThalwegError(Exception):
    """Base of the four. `reason` is machine-readable; the message says what was wrong and what to do."""

    def __init__(self, reason: Reason, message: str = "") -> None:
        super().__init__(f"{reason}: {message}" if message else str(reason))
        self.reason = reason
        self.detail = message


class RuleBroken(ThalwegError):
    """A rule shared by all sides does not hold. Whoever called knows whose fault it is, and says so: see `blame`."""


class PeerFault(ThalwegError):
    """The remote side broke a rule."""


class UserFault(ThalwegError):
    """The caller asked for what cannot be done."""


class Unavailable(ThalwegError):
    """An adapter's other end did not answer; retry later."""


class InvariantBroken(Exception):
    """An invariant does not hold: our bug. Stop at once; the journal holds the story."""


def blame(error: RuleBroken, *, peer: bool) -> ThalwegError:
    """Return the same refusal with the blame: one rule, two sides it may be broken by."""
    return PeerFault(error.reason, error.detail) if peer else UserFault(error.reason, error.detail)
