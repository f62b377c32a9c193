"""The same address on every chain: contracts created by a proxy that anybody can plant anywhere (CREATE2, EIP-1014).

The proxy is https://github.com/Arachnid/deterministic-deployment-proxy: its transaction is signed by nobody's key and
for no chain in particular, so it makes the same contract wherever it is accepted. Where it is not (a chain that insists
on replay protection), contracts are created in the ordinary way, at addresses of that chain's own.
"""

from typing import Final

from thalweg.chain import token, wire
from thalweg.chain.calls import Invocation
from thalweg.chain.rpc import Refused
from thalweg.chain.wallet import Payer
from thalweg.crypto import keccak
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.units import NATIVE, ZERO_HASH, Address, Amount, Hash

PROXY: Final = Address(bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c"))
PLANTER: Final = Address(bytes.fromhex("3fab184622dc19b6109349b94811493bf2a45362"))  # who seems to have signed it
PLANTING_WEI: Final = Amount(10**16)  # 100,000 gas at the 100 gwei that were signed
PROXY_CREATION: Final = bytes.fromhex(
    "604580600e600039806000f350fe"
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd"
    "5b8082525050506014600cf3"
)
PLANTING: Final = bytes.fromhex(
    "f8a58085174876e800830186a08080b853" + PROXY_CREATION.hex() + "1ba0" + "22" * 32 + "a0" + "22" * 32
)
SALT: Final = ZERO_HASH


def create2_address(code: bytes, creator: Address = PROXY, salt: Hash = SALT) -> Address:
    """Return where `creator` puts the contract that this creation code (arguments included) makes."""
    return Address(keccak(b"\xff" + creator + salt + keccak(code))[12:])


async def plant_proxy(payer: Payer) -> bool:
    """See that the proxy is on the chain, and say whether it is; the payer pays for planting it.

    Raises:
        Unavailable: the chain does not answer.
    """
    if await wire.has_code(payer.rpc, PROXY):
        return True
    try:
        missing = PLANTING_WEI - await wire.balance(payer.rpc, PLANTER)
        if missing > 0:
            await payer.send(token.transfer(NATIVE, PLANTER, Amount(missing)))
        await payer.rpc.request("eth_sendRawTransaction", (wire.hexed(PLANTING),), str)
        await payer.send(token.transfer(NATIVE, payer.address, Amount(0)))  # another block
    except (Refused, UserFault):
        return False
    return await wire.has_code(payer.rpc, PROXY)


async def create_once(payer: Payer, code: bytes) -> Address:
    """Create a contract through the proxy, unless it is there already; return its address.

    Raises:
        UserFault, Unavailable: as `Payer.send`; or the code cannot be created.
    """
    address = create2_address(code)
    if not await wire.has_code(payer.rpc, address):
        await payer.send(Invocation(PROXY, SALT + code))
        if not await wire.has_code(payer.rpc, address):
            raise Unavailable(Reason.MALFORMED, f"{payer.rpc.url} has no contract at {wire.hexed(address)}")
    return address
