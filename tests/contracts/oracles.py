"""An oracle that says what a test has it say, and a resolver that asks it about single claims."""

from collections.abc import Sequence
from typing import Any, Final

from tests.contracts.compiled import creation_code, tell
from tests.contracts.scene import SECRET, Scene
from tests.contracts.walk import HELD, NO_PROGRESS, TOTALS, Walk

from thalweg.channel.claims import Claim
from thalweg.channel.hashes import leaf, merkle_root
from thalweg.crypto import keccak
from thalweg.units import SCALE, Hash

FEED: Final = Hash(b"\5" * 32)
T: Final = 3_000_000_600  # a point of the grid
NOBODY: Final = 255
GOODS: Final = bytes([1]) * 20
_MARK: Final = 1 << 8  # among a channel's rules


class Talker:
    """An oracle, told what it answers: words, so that it can answer nonsense."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.address = scene.evm.create(creation_code("TalkingOracle"))
        self._walk = Walk(scene, self.address)

    def settles(self, time: int, price: int = 0, *, known: int = 1, void: int = 0) -> None:
        """Have it say what an expiry settles at."""
        self._say("settlement(bytes32,uint64)", (time,), (known, void, price))

    def marks(self, time: int, price: int) -> None:
        """Have it say what the index is at a tick."""
        self._say("mark(bytes32,uint64)", (time,), (1, 0, price))

    def smiles(
        self, time: int, expiry: int, forward: int = 0, *, known: int = 1, void: int = 0, weight: int = 2**64
    ) -> None:
        """Have it say what a tick's mark says of an expiry: a forward, and no variance to speak of."""
        smile = (0, 0, 0, 0, SCALE)
        self._say("smile(bytes32,uint64,uint64)", (time, expiry), (known, void, forward, weight, 0, *smile, *smile))

    def _say(self, question: str, times: Sequence[int], answer: Sequence[int]) -> None:
        asked = keccak(question.encode())[:4] + FEED + b"".join(one.to_bytes(32) for one in times)
        words = b"".join(one.to_bytes(32) for one in answer)
        tell(self._scene.evm, self.address, "say(bytes,bytes)", asked, words)

    def accruals(
        self, claims: Sequence[Claim], deadline: int, *, is_mark: bool = False, mark_time: int = 0, assets: int = 1
    ) -> list[tuple[int, int]]:
        """Return (margin, escrow) of every cell of two people once these claims are resolved."""
        (_, accruals), _ = self._walk.resolve(
            claims, HELD * assets, TOTALS * assets, NO_PROGRESS, len(claims),
            **self._how(claims, deadline, is_mark=is_mark, mark_time=mark_time, assets=assets),
        )  # fmt: skip
        return list(accruals)

    def gas(self, claims: Sequence[Claim], deadline: int) -> int:
        """Return what it takes to resolve these claims in one run."""
        how = self._how(claims, deadline, is_mark=False, mark_time=0, assets=1)
        return self._scene.evm.send(self._walk.call(claims, HELD, TOTALS, NO_PROGRESS, len(claims), **how)).gas_used

    def _how(
        self, claims: Sequence[Claim], deadline: int, *, is_mark: bool, mark_time: int, assets: int
    ) -> dict[str, Any]:
        leaves = tuple(leaf(claim, SECRET) for claim in claims)
        return {
            "dispute": (deadline << 224 | NOBODY << 176).to_bytes(32),
            "payees": ([], [bytes(20), GOODS][:assets], _MARK if is_mark else 0),
            "tree": (len(leaves), mark_time, merkle_root(leaves)),
        }

    def refusal(
        self, claims: Sequence[Claim], deadline: int, *, is_mark: bool = False, mark_time: int = 0, gas: int = 8_000_000
    ) -> str:
        """Return why these claims cannot be resolved now."""
        how = self._how(claims, deadline, is_mark=is_mark, mark_time=mark_time, assets=1)
        return self._scene.evm.refusal(self._walk.call(claims, HELD, TOTALS, NO_PROGRESS, len(claims), **how), gas=gas)
