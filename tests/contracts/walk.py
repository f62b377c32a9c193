"""The resolver asked directly: no channel, no deposits, only claims and what they come to, run by run."""

from collections.abc import Sequence
from typing import Any, Final

from eth_abi import abi as codec
from tests.contracts.compiled import creation_code
from tests.contracts.scene import SECRET, Scene

from thalweg.chain.artefacts import RESOLVER, entries
from thalweg.chain.calls import Invocation, claim_words
from thalweg.channel.claims import Claim
from thalweg.channel.hashes import leaf, leaf_salt, merkle_range, merkle_root
from thalweg.channel.sheet import Holding
from thalweg.units import Address, Amount

Progress = tuple[int, Sequence[tuple[int, int]]]
NO_PROGRESS: Final[Progress] = (0, ())
RUN_MAX: Final = 8
HELD: Final = (Holding(Amount(10**9), Amount(0), Amount(10**9)), Holding(Amount(10**9), Amount(0), Amount(10**9)))
TOTALS: Final = ((10**9, 0), (10**9, 0))


class Walk:
    """A book of claims being resolved, run by run."""

    def __init__(self, scene: Scene, oracle: Address) -> None:
        self.scene = scene
        self.oracle = oracle
        self.listener = scene.evm.create(creation_code("Listener"))

    def resolve(
        self,
        claims: Sequence[Claim],
        holdings: Sequence[Holding],
        totals: Sequence[tuple[int, int]],
        progress: Progress,
        upto: int,
        **changes: Any,
    ) -> tuple[Progress, tuple[int, ...]]:
        """Return (progress, what every cell is due) as the contract has it."""
        (log,) = self.scene.evm.send(self.call(claims, holdings, totals, progress, upto, **changes)).logs
        due, progress = codec.decode(("uint256[]", "(uint256,(int256,uint256)[])"), log.data)
        return progress, due

    def call(
        self,
        claims: Sequence[Claim],
        holdings: Sequence[Holding],
        totals: Sequence[tuple[int, int]],
        progress: Progress,
        upto: int,
        **changes: Any,
    ) -> Invocation:
        """Return the call that resolves claims up to one; arguments of it can be changed by their names."""
        leaves = tuple(leaf(claim, SECRET) for claim in claims)
        cursor = progress[0]
        arguments = {
            "judge": self.listener,
            "dispute": bytes(32),
            "payees": ([], [bytes(20)], 0),
            "totals": [deposited << 128 | withdrawn for deposited, withdrawn in totals],
            "holdings": [(one.balance << 128 | one.free, one.deposited << 128 | one.withdrawn) for one in holdings],
            "salt": bytes(32),
            "tree": (len(leaves), 0, merkle_root(leaves)),
            "progress": progress,
            "proof": merkle_range(leaves, cursor, upto) if cursor < upto else (),
            "run": [claim_words(one, leaf_salt(SECRET, one.id)) for one in claims[cursor:upto]],
        }
        arguments.update(changes)
        entry = entries(RESOLVER)["resolve"]
        return Invocation(self.scene.resolver, entry.selector + codec.encode(entry.inputs, tuple(arguments.values())))
