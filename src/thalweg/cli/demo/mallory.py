"""The hostile tool of scenario `stale`: takes an old agreed state out of a trader's own journal and challenges with it.

What it does anyone can do who holds one side's folder: every state in it carries both signatures.
"""

from pathlib import Path
from typing import Final

import msgspec

from thalweg.app.node import identity_of
from thalweg.app.settings import Deployment
from thalweg.chain.calls import encode
from thalweg.chain.wallet import Wallet
from thalweg.channel import hashes
from thalweg.channel.events import AnyEvent
from thalweg.channel.onchain import ChallengeState
from thalweg.channel.state import Channel, shown
from thalweg.crypto import sign
from thalweg.errors import Reason, UserFault
from thalweg.node.state import Node
from thalweg.node.step import step
from thalweg.storage import Keys, open_folder
from thalweg.units import ChannelId, UnixSeconds

_VALID_S: Final = 3_600


def oldest_agreed(folder: Path, password: str, deployment: Deployment, channel_id: ChannelId) -> Channel:
    """Return a channel as it was when its first state was agreed; its node must not be running.

    Raises:
        UserFault: the journal holds no such state.
    """
    opened = open_folder(folder, password)
    try:
        node = Node(identity_of(opened.keys, deployment))
        for entry in opened.journal.entries():
            event: AnyEvent = msgspec.json.decode(entry, type=AnyEvent)
            node = step(node, event).node
            channel = node.channels.get(channel_id)
            if channel is not None and channel.agreed.version:
                return channel
    finally:
        opened.close()
    raise UserFault(Reason.NOT_FOUND, "the journal holds no agreed state of that channel")


async def challenge(channel: Channel, keys: Keys, payer: Wallet, deployment: Deployment, now: UnixSeconds) -> int:
    """Challenge with the state this channel had; return its version.

    Raises:
        UserFault: the contract refuses.
        Unavailable: the chain does not answer.
    """
    until = UnixSeconds(now + _VALID_S)
    version = channel.agreed.version
    digest = hashes.challenge_digest(channel.separator, channel.id, version, until)
    call = ChallengeState(channel.terms, shown(channel.agreed), channel.seat, until, sign(keys.channel(0), digest))
    await payer.send(encode(call, deployment.profile().adjudicator))
    return version
