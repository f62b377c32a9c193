"""Shelves with items in them, and a session driven against a peer's without a network."""

import struct
from collections.abc import Callable, Iterable

from thalweg.network.sync import Caps, Outcome, Session, Shelf, answer
from thalweg.network.sync.messages import Answer, Give, Items, Request, encode, read_answer, read_request

NOW = 1_800_000_000
TOPIC = "orders"
ROOMY = Caps(author_items_max=1_000_000, items_max=1_000_000)


def item(number: int, author: int = 0, expires_in: float = 3600) -> bytes:
    """Return an unsigned item of 200 bytes: shelves leave signatures to whoever fills them."""
    head = struct.pack(">32sQ", b"author %d" % author, round((NOW + expires_in) * 1000) + number % 50)
    return head + number.to_bytes(96) + bytes(64)


def shelf(numbers: Iterable[int], caps: Caps = ROOMY) -> Shelf:
    made = Shelf(caps)
    for number in numbers:
        made.add(item(number))
    return made


class Talk:
    """A session between two shelves over encoded messages."""

    def __init__(self, mine: Shelf, theirs: Shelf, tamper: Callable[[Request, Answer], Answer] | None = None) -> None:
        self.mine, self.theirs, self.tamper = mine, theirs, tamper
        self.bytes = self.rounds = 0

    def run(self, session: Session) -> Outcome:
        request = next(session)
        while True:
            try:
                request = session.send(self._exchange(request))
            except StopIteration as end:
                outcome = end.value
                assert isinstance(outcome, Outcome)
                return outcome

    def _exchange(self, request: Request) -> Answer:
        asked = encode(request)
        read = read_request(asked)
        assert read == request
        if isinstance(read, Give):
            for payload in read.payloads:
                self.theirs.add(payload)
        said = answer({TOPIC: self.theirs}, read)
        if self.tamper is not None:
            said = self.tamper(read, said)
        told = encode(said)
        self.bytes += len(asked) + len(told)
        self.rounds += 1
        heard = read_answer(told)
        if isinstance(heard, Items):
            for payload in heard.payloads:
                self.mine.add(payload)
        return heard
