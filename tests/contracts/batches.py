"""Many calls of the adjudicator in one transaction."""

from collections.abc import Sequence

from eth_abi import abi as codec
from tests.contracts.evm import Receipt
from tests.contracts.scene import Scene

from thalweg.chain.artefacts import BATCH, entries
from thalweg.chain.calls import Invocation
from thalweg.chain.revert import revert_reason
from thalweg.units import Address


def deploy_batch(scene: Scene) -> Address:
    """Deploy the contract that sends them."""
    return scene.evm.deploy(BATCH)


def batched(batch: Address, calls: Sequence[Invocation]) -> Invocation:
    """Return one call that makes all of these, which go to one contract."""
    entry = entries(BATCH)["call_all"]
    arguments = calls[0].to, [call.data for call in calls]
    return Invocation(batch, entry.selector + codec.encode(entry.inputs, arguments))


def failures(receipt: Receipt) -> dict[int, str]:
    """Return which of a batch's calls failed, and why."""
    entry = entries(BATCH)["Failed"]
    failed = [codec.decode(entry.inputs, log.data) for log in receipt.logs if log.topics[0] == entry.hash]
    return {index: revert_reason(reason) or "reverted" for index, reason in failed}
