"""Every number of gossip: the mesh's shape, times, limits, and what each deed does to a peer's score.

Times are seconds, sizes bytes. The names in brackets are the specification's; its defaults where it has one.
https://github.com/libp2p/specs/blob/master/pubsub/gossipsub/gossipsub-v1.1.md
"""

from typing import Final

import msgspec

PROTOCOL: Final = "/meshsub/1.1.0"
ID_BYTES: Final = 32  # a message's id is the SHA-256 of its payload
TOPIC_BYTES_MAX: Final = 128


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many peers of a topic a message is pushed to, and how many are only told of it."""

    degree: int = 6  # [D]
    degree_min: int = 4  # [D_low] below it we graft
    degree_max: int = 12  # [D_high] above it we prune
    best_min: int = 4  # [D_score] kept for their score when pruning
    outbound_min: int = 2  # [D_out] that we dialled: nobody can fill the mesh by dialling us
    told_min: int = 6  # [D_lazy] peers outside the mesh that get our IHAVE
    told_share: float = 0.25  # [gossip factor] of the peers outside the mesh, where that is more
    better_peers: int = 2  # [opportunistic graft peers]
    exchanged_max: int = 16  # peers named in a PRUNE, and taken from one peer a heartbeat


class Times(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things last. Everything periodic happens in heartbeats."""

    heartbeat_seconds: float = 1.0
    gather_seconds: float = 0.03  # at most, by chance, until a good message is passed on with what came meanwhile
    between_seconds: float = 0.06  # at least, between two times that messages are passed on
    backoff_seconds: float = 60.0  # [prune backoff]
    leave_backoff_seconds: float = 10.0  # [unsubscribe backoff]
    backoff_seconds_max: float = 3600.0  # of what a peer asks for
    backoff_slack_seconds: float = 1.0  # we graft this much later than allowed
    graft_flood_seconds: float = 10.0  # a GRAFT this soon after a PRUNE is counted twice
    fanout_seconds: float = 60.0  # topics we publish to without reading them
    seen_seconds: float = 120.0
    promise_seconds: float = 3.0  # what IHAVE offered must come within this time of our IWANT
    better_heartbeats: int = 60  # between two looks at the mesh's median score
    history_heartbeats: int = 5  # messages that IWANT can still get
    told_heartbeats: int = 3  # messages that IHAVE tells of


class Caps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a peer may send and make us hold; a bucket holds two seconds of its rate."""

    rpc_bytes_max: int = 1024 * 1024
    payload_bytes_max: int = 64 * 1024  # of topics whose validator says nothing smaller
    fields_per_rpc_max: int = 12_288  # nested ones included
    messages_per_rpc_max: int = 1024
    gathered_max: int = 512  # messages that wait to be passed on
    messages_per_step: int = 4  # looked at before the shell sees to others: a signature takes a tenth of a millisecond
    topics_max: int = 256  # that a peer may subscribe to
    controls_per_rpc_max: int = 256  # IHAVE, IWANT, GRAFT and PRUNE together
    ids_per_rpc_max: int = 5000
    ihaves_per_heartbeat: int = 10  # RPCs that carry one
    ids_asked_per_heartbeat: int = 5000
    ids_told_max: int = 5000
    served_times_max: int = 3  # a message to one peer by IWANT
    served_bytes_per_heartbeat: int = 4 * 1024 * 1024
    seen_max: int = 200_000  # ids remembered in a topic
    recent_max: int = 8_192  # messages whose copies are not parsed again
    recent_bytes_max: int = 1_024  # of one of them
    cached_bytes_max: int = 64 * 1024 * 1024  # payloads kept for IWANT
    messages_per_second: int = 4_000  # of a peer; what is above is dropped unread
    message_bytes_per_second: int = 8 * 1024 * 1024
    controls_per_second: int = 200
    backoffs_max: int = 20_000  # remembered, of peers that are here or were
    flood_factor: int = 8  # a peer at so many times its rates is cut off
    author_messages_per_second: int = 100  # whoever forwards them; late ones come at once, so twice what is needed
    authors_max: int = 50_000  # whose rates are remembered
    scores_kept_max: int = 10_000  # of peers that have left
    records_bytes_max: int = 2048  # of a signed peer record


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What deeds are worth. Decays are factors a heartbeat; what decayed below `zero` is nothing."""

    mesh_time: float = 0.01  # [P1] a second in the mesh
    mesh_time_max: float = 5.0
    first: float = 0.5  # [P2] a message we had from nobody before
    first_decay: float = 0.95
    first_max: float = 10.0
    deficit: float = -8.0  # [P3] squared share (0..1) missing of what a mesh peer must deliver
    deficit_decay: float = 0.97
    deficit_share: float = 0.05  # of the topic's messages a mesh peer must deliver, first or soon after
    deficit_after_seconds: float = 20.0  # in the mesh
    deficit_messages_min: float = 20.0  # carried by the topic meanwhile, for a deficit to mean anything
    soon_seconds: float = 2.0  # a duplicate so soon after the first copy still counts as delivered
    failure: float = -8.0  # [P3b] what a deficit leaves behind when the peer leaves the mesh
    failure_decay: float = 0.97
    invalid: float = -10.0  # [P4] squared
    invalid_decay: float = 0.995
    behaviour: float = -5.0  # [P7] squared, above the free ones
    behaviour_free: float = 3.0
    behaviour_decay: float = 0.97
    colocation: float = -2.0  # [P6] squared, of the peers of one address above the free ones
    colocation_free: int = 8
    colocation_min: float = -40.0  # many people may be behind one address: out of the mesh, but not cut off for it
    stain: float = 1.0  # of a peer's address for each time a peer there is cut off: newcomers have less for free
    stain_decay: float = 0.995
    topics_max: float = 15.0  # [topic score cap] of all topics together
    zero: float = 0.01
    kept_seconds: float = 600.0  # a score outlives the link by this: reconnecting does not clear it


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which score on a peer is treated how."""

    told: float = -20.0  # [gossip] below: no IHAVE to it, none of its taken
    published: float = -50.0  # [publish] below: it does not get what we publish
    heard: float = -80.0  # [graylist] below: cut off
    exchanged: float = 5.0  # [accept PX] from here on the peers it names are dialled
    better: float = 1.0  # [opportunistic graft] a mesh whose median is below looks for better peers


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them."""

    shape: Shape = Shape()
    times: Times = Times()
    caps: Caps = Caps()
    weights: Weights = Weights()
    thresholds: Thresholds = Thresholds()
