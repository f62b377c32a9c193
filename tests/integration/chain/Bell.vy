# pragma version 0.4.3
"""
A contract that says whatever it is told: the adapter's tests need logs, not an adjudicator.
"""

rung: public(uint256)

@external
@payable
def ring(topic: bytes32, channel: bytes32, body: Bytes[2048]):
    assert len(body) < 2000, "bell: too long"
    self.rung += 1
    raw_log([topic, channel], body)

@external
def burn(rounds: uint256):
    for round: uint256 in range(rounds, bound=100_000):
        self.rung += 1

@external
def once():
    assert self.rung == 0, "bell: rung already"
    self.rung += 1
