"""Integers with a name and a range: the only arithmetic signed money may use.

Money is `Amount`, in the token's base units. Signed prices and quantities are integers scaled by 1e8 (`SCALE`).
Division happens only in `mul_div_down`, `mul_div_up` and `mul_div_toward_zero`, whose names state the rounding.
`NewType` arithmetic falls back to `int`, so every result is declared again by the code that knows what it is.

The `Wire...` types are the same words in what peers say: decoding checks their length or range, building does not.
"""

from typing import Annotated, Final, NewType

import msgspec

Amount = NewType("Amount", int)  # base units of a token, 0 .. AMOUNT_MAX
Price = NewType("Price", int)  # quote currency per unit of the underlying, scaled by SCALE
Quantity = NewType("Quantity", int)  # contracts, scaled by SCALE
Version = NewType("Version", int)  # of a channel's state, 0 .. VERSION_FINAL
UnixSeconds = NewType("UnixSeconds", int)
BlockNumber = NewType("BlockNumber", int)
ClaimId = NewType("ClaimId", int)
Seat = NewType("Seat", int)  # a participant's index in the terms; seat 0 sequences
AssetIndex = NewType("AssetIndex", int)
Address = NewType("Address", bytes)  # 20 bytes
Hash = NewType("Hash", bytes)  # 32 bytes
ChannelId = NewType("ChannelId", bytes)  # 32 bytes: the EIP-712 hash of the terms
Signature = NewType("Signature", bytes)  # 64 bytes: r, then yParity and s in one word (EIP-2098)

SCALE: Final = 10**8
AMOUNT_MAX: Final = 2**128 - 1
PRICE_MAX: Final = Price(2**63 - 1)
QUANTITY_MAX: Final = Quantity(2**63 - 1)
UNIT_MAX: Final = 10**18  # base units of a token per whole token
VERSION_FINAL: Final = Version(2**40 - 1)
VERSION_JUMP: Final = 2**20
ZERO_HASH: Final = Hash(bytes(32))
NATIVE: Final = Address(bytes(20))  # the chain's own coin, in a list of assets
TIME_MAX: Final = UnixSeconds(2**63 - 1)
NUMBER_MAX: Final = 2**53  # of an author's operations: what every JSON reader counts exactly
PEER_BYTES_MAX: Final = 64  # of a PeerId

WireAddress = Annotated[Address, msgspec.Meta(min_length=20, max_length=20)]
WireHash = Annotated[Hash, msgspec.Meta(min_length=32, max_length=32)]
WireChannelId = Annotated[ChannelId, msgspec.Meta(min_length=32, max_length=32)]
WireSignature = Annotated[Signature, msgspec.Meta(min_length=64, max_length=64)]
WirePeer = Annotated[bytes, msgspec.Meta(min_length=1, max_length=PEER_BYTES_MAX)]
WireTime = Annotated[UnixSeconds, msgspec.Meta(ge=0, le=TIME_MAX)]
WireVersion = Annotated[Version, msgspec.Meta(ge=0, le=VERSION_FINAL)]
WirePrice = Annotated[Price, msgspec.Meta(ge=0, le=PRICE_MAX)]
WireQuantity = Annotated[Quantity, msgspec.Meta(ge=0, le=QUANTITY_MAX)]
WireSeat = Annotated[Seat, msgspec.Meta(ge=0, le=255)]
WireAsset = Annotated[AssetIndex, msgspec.Meta(ge=0, le=255)]
WireNumber = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


def mul_div_down(a: int, b: int, divisor: int) -> int:
    """Return floor(a * b / divisor). `divisor` must be positive."""
    return (a * b) // divisor


def mul_div_up(a: int, b: int, divisor: int) -> int:
    """Return ceil(a * b / divisor). `divisor` must be positive."""
    return -((-a * b) // divisor)


def mul_div_toward_zero(a: int, b: int, divisor: int) -> int:
    """Return a * b / divisor with the fraction dropped, as the EVM's SDIV does. `divisor` must be positive."""
    product = a * b
    return product // divisor if product >= 0 else -(-product // divisor)
