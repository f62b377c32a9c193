"""The node's root state: who I am, my channels and openings, the peers I know. Plain data, journalled and replayed."""

from typing import Final

import msgspec

from thalweg.channel.opening import Opening
from thalweg.channel.state import Channel
from thalweg.units import Address, ChannelId, Hash

CHANNELS_MAX: Final = 100_000
OPENINGS_MAX: Final = 64  # proposed by others; as many of my own
OPENINGS_OF_PEER_MAX: Final = 4
PEERS_MAX: Final = 4096
FEATURES: Final = frozenset({"channel/1"})


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this node is to others: network key, channel key, where it is paid, whose wallet pays, on which contract."""

    peer: bytes
    address: Address
    payout: Address
    payer: Address
    chain_id: int
    contract: Address
    separator: Hash


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a peer said of itself, its binding checked. `up`: the link is there and greeted."""

    address: Address
    payout: Address
    payer: Address
    up: bool = False


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything this node knows."""

    identity: Identity
    channels: dict[ChannelId, Channel] = {}
    openings: dict[ChannelId, Opening] = {}
    peers: dict[bytes, Peer] = {}


def snapshot(node: Node) -> bytes:
    """Return the node as bytes; a node replayed from the same journal gives the same bytes."""
    return msgspec.json.encode(node)


def restore(data: bytes) -> Node:
    """Return the node from a snapshot."""
    return msgspec.json.decode(data, type=Node)
