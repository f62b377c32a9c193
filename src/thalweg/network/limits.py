"""A limit on everything a peer can make us hold or do. Times are seconds, sizes bytes, rates per second."""

from typing import Final

import msgspec

MIB: Final = 2**20
YAMUX_WINDOW_BYTES: Final = 256 * 1024  # fixed by yamux: what each side may send before the other grants more


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a host accepts. The defaults suit a trading node; tests and small machines tighten them."""

    # who may connect
    links_max: int = 1024
    outbound_reserve: int = 64  # of `links_max`, at most half of them: nobody can dial us full
    half_open_max: int = 128  # accepted, not yet authenticated
    half_open_per_address_max: int = 16  # per IPv4 address, per IPv6 /64
    links_per_address_max: int = 256
    connects_per_address_per_second: int = 20  # from elsewhere; a handshake costs half a millisecond
    connects_per_second: int = 200  # from everywhere
    faults_per_address_max: int = 32  # rules broken from one address, as many again are forgotten in `fault_seconds`
    fault_seconds: float = 60.0
    addresses_max: int = 4096  # whose rates and faults are remembered
    handshake_seconds: float = 10.0
    handshake_bytes_max: int = 16 * 1024
    dial_seconds: float = 10.0  # TCP connect; the handshake has its own limit
    ban_seconds: float = 30.0  # how long a peer that broke a rule is refused
    bans_max: int = 4096  # remembered at once, oldest forgotten first
    kept_max: int = 1024  # peers the node may ask to stay connected to
    # how long a silent link lives
    ping_after_seconds: float = 15.0  # of silence, we ask
    measure_seconds: float = 30.0  # between two measurements of the round trip
    silent_seconds_max: float = 45.0  # of silence, we drop
    linger_seconds: float = 2.0  # for the last bytes of a link that is closing
    # streams of a link
    streams_inbound_max: int = 64
    streams_outbound_max: int = 64
    negotiation_seconds: float = 10.0  # for a stream to agree on its protocol
    streams_per_second: int = 4_000  # that a peer opens; beyond two seconds of it the link is dropped
    resets_per_second: int = 200  # that a peer resets: to open and reset costs it nothing
    # bytes
    message_bytes_max: int = 4 * MIB
    receive_bytes_max: int = 4 * MIB  # received and not yet read, all streams of a link together
    send_bytes_max: int = 16 * MIB  # queued for a peer; beyond it the link is dropped
    memory_bytes_max: int = 256 * MIB  # received or queued, all links together; beyond it the heaviest link is dropped
    stream_send_bytes_max: int = 1 * MIB  # queued on a stream before `write_message` waits
    # rates: a bucket holds two seconds of its rate
    messages_per_second: int = 10_000  # of the message stream, a peer
    message_bytes_per_second: int = 32 * MIB
    frames_per_second: int = 50_000  # of a link, every kind of yamux frame
    # reconnecting to peers we keep
    retry_seconds_min: float = 0.25
    retry_seconds_max: float = 60.0
