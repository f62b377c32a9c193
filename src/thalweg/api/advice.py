"""What to do about a refusal, where its own words do not say it already."""

from typing import Final

from thalweg.errors import Reason

ADVICE: Final = {
    Reason.INSUFFICIENT: "pay or trade less, or deposit more",
    Reason.UNCOVERED: "trade less, close positions, or deposit more: every position is fully collateralised",
    Reason.NO_CONSENT: "the other side does not want it; agree on other terms",
    Reason.UNKNOWN_OFFER: "list the offers that are open with `thalweg offers`",
    Reason.UNKNOWN_CHANNEL: "list the channels with `thalweg channels`",
    Reason.EXPIRED: "ask again, with more time",
    Reason.OPEN_CLAIMS: "wait until the positions settle, or close alone",
    Reason.INSTRUMENT_EXPIRED: "choose a later expiry",
    Reason.RECOVERING: "resume the channel with `thalweg resume`, or close it",
    Reason.UNREACHABLE: "check that it runs and can be reached, then try again",
    Reason.UNDECIDED_MAX: "wait until pending states are agreed, send smaller parts, or open channels with a greater "
    "--undecided-max",
    Reason.WRONG_PASSWORD: "set THALWEG_PASSWORD, or give --password-file",
    Reason.LIMIT: "wait a moment, then try again",
}


def advise(reason: Reason, detail: str) -> str:
    """Return the detail with what to do about it."""
    advice = ADVICE.get(reason, "")
    return "; ".join(part for part in (detail, advice) if part)
