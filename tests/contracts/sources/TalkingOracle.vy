# pragma version 0.4.3
# pragma evm-version cancun
"""
@title An oracle that answers each question with the bytes it was told, and others with nothing
@license Apache-2.0
"""

_answers: HashMap[bytes32, Bytes[512]]


@external
def say(question: Bytes[100], answer: Bytes[512]):
    self._answers[keccak256(question)] = answer


@external
@view
@raw_return
def settlement(feed: bytes32, time: uint64) -> Bytes[512]:
    return self._answers[keccak256(slice(msg.data, 0, 68))]


@external
@view
@raw_return
def mark(feed: bytes32, time: uint64) -> Bytes[512]:
    return self._answers[keccak256(slice(msg.data, 0, 68))]


@external
@view
@raw_return
def smile(feed: bytes32, time: uint64, expiry: uint64) -> Bytes[512]:
    return self._answers[keccak256(slice(msg.data, 0, 100))]
