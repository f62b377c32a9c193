"""The oracle as its contract says: who signs, and how many must. Read once; a contract never changes it."""

import asyncio
import logging
from typing import Final

from thalweg.chain import oracle as contract
from thalweg.chain import wire
from thalweg.chain.rpc import Refused, Rpc
from thalweg.channel.events import Quorum
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.instruments.report import oracle_domain
from thalweg.units import Address

_RETRY_S: Final = 1.0
_RETRY_S_MAX: Final = 30.0
_log: Final = logging.getLogger(__name__)


async def read_quorum(rpc: Rpc, chain_id: int, oracle: Address) -> Quorum:
    """Return the quorum of an oracle contract.

    Raises:
        UserFault: WRONG_CONTRACT, there is none at that address.
        Unavailable: the chain does not answer.
    """
    try:
        signers, threshold = await contract.signers(rpc, oracle), await contract.threshold(rpc, oracle)
    except (Refused, Unavailable) as error:
        if isinstance(error, Unavailable) and error.reason != Reason.MALFORMED:
            raise
        raise UserFault(
            Reason.WRONG_CONTRACT,
            f"chain {chain_id} has no quorum oracle at {wire.hexed(oracle)}: correct the deployment file",
        ) from error
    return Quorum(signers, threshold, oracle_domain(chain_id, oracle).separator())


class QuorumReader:
    """Knows the quorum as soon as the chain has answered once."""

    def __init__(self, rpc: Rpc, chain_id: int, oracle: Address) -> None:
        self._rpc = rpc
        self._chain_id = chain_id
        self._oracle = oracle
        self._known = asyncio.Event()
        self._quorum = Quorum()

    def quorum(self) -> Quorum:
        """Return the quorum.

        Raises:
            Unavailable: the chain has not answered yet.
        """
        if not self._known.is_set():
            raise Unavailable(
                Reason.UNREACHABLE, "who signs for the oracle is not known: the chain has not answered yet; try again"
            )
        return self._quorum

    async def wait(self) -> Quorum:
        """Return the quorum once it is known."""
        await self._known.wait()
        return self._quorum

    async def run(self) -> None:
        """Ask the chain until it answers.

        Raises:
            UserFault: there is no such oracle.
        """
        wait_s = _RETRY_S
        while True:
            try:
                self._quorum = await read_quorum(self._rpc, self._chain_id, self._oracle)
            except Unavailable as error:
                _log.warning("the oracle contract cannot be read yet: %s", error)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _RETRY_S_MAX)
            else:
                self._known.set()
                return
