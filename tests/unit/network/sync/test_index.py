"""A set of keys that changes gives the same index, always, as its keys put in order anew."""

import random
from hashlib import sha256

import pytest

from thalweg.network import items
from thalweg.network.peer_id import Identity
from thalweg.network.sync import Caps, Shelf
from thalweg.network.sync.index import BLOCK_KEYS, Index, Key, Ordered
from thalweg.network.sync.shelf import short_id


def key(chance: random.Random) -> Key:
    return chance.randrange(50), chance.randbytes(32)


def plain(keys: set[Key], bound: Key) -> int:
    return sum(each < bound for each in keys)


@pytest.mark.parametrize("seed", range(4))
def test_an_index_after_changes_is_one_made_anew(seed: int) -> None:
    chance = random.Random(seed)
    kept: set[Key] = set()
    ordered = Ordered()
    for turn in range(6 * BLOCK_KEYS):
        if kept and chance.random() < (0.2 if turn < 4 * BLOCK_KEYS else 0.7):
            gone = chance.choice(sorted(kept))
            kept.discard(gone)
            ordered.remove(gone)
        else:
            new = key(chance)
            kept.add(new)
            ordered.add(new)
        if turn % 97 == 0:
            index, anew = ordered.frozen(), Index(kept)
            assert list(index.keys) == list(anew.keys) == sorted(kept)
            assert len(index) == len(index.keys) == len(kept)
            for _ in range(10):
                start, end = sorted(chance.randrange(len(kept) + 1) for _ in range(2))
                assert index.fingerprint(start, end) == anew.fingerprint(start, end)
                assert index.keys[start:end] == sorted(kept)[start:end]
                bound = (chance.randrange(52), chance.randbytes(chance.randrange(3)))
                assert index.find(bound) == plain(kept, bound)
            assert all(index.keys[place] == sorted(kept)[place] for place in range(0, len(kept), 50))


def test_an_index_is_frozen_and_an_empty_one_is_whole() -> None:
    ordered = Ordered()
    empty = ordered.frozen()
    assert (len(empty), empty.find((1, b"")), list(empty.keys), empty.keys[0:0]) == (0, 0, [], [])
    assert empty.fingerprint(0, 0) == Index().fingerprint(0, 0)
    ordered.add((1, bytes(32)))
    before = ordered.frozen()
    ordered.add((2, bytes(32)))
    ordered.remove((1, bytes(32)))
    assert (list(before.keys), list(ordered.frozen().keys)) == ([(1, bytes(32))], [(2, bytes(32))])
    with pytest.raises(IndexError):
        before.keys[1]


def test_a_change_leaves_all_blocks_but_one_as_they_are() -> None:
    chance = random.Random(1)
    ordered = Ordered()
    for _ in range(20 * BLOCK_KEYS):
        ordered.add(key(chance))
    before = ordered.frozen()
    ordered.add(key(chance))
    after = ordered.frozen()
    assert len(set(map(id, after._blocks)) - set(map(id, before._blocks))) <= 2


def test_short_ids_are_prepared_a_few_at_a_time_and_follow_what_comes_and_goes() -> None:
    author, salt, other = Identity(bytes(32)), b"salt 123", b"salt 456"
    shelf = Shelf(Caps(author_items_max=60))
    payloads = [items.sign(author, "t", b"%d" % number, 1_000_000.0 + number) for number in range(90)]
    for payload in payloads[:50]:
        shelf.add(payload)
    assert not shelf.shorten(salt, 20)
    assert not shelf.has_shortened(salt)
    for payload in payloads[50:]:  # thirty of the first expire soonest and go
        shelf.add(payload)
    while not shelf.shorten(salt, 20):
        assert not shelf.has_shortened(salt)
    assert shelf.has_shortened(salt)
    expected = {short_id(salt, key[1]): key[1] for key in shelf.index.keys}
    assert len(expected) == 60
    assert shelf.short_ids(salt) == expected
    assert set(shelf.short_ids(other).values()) == set(expected.values())
    assert shelf.has_shortened(other)
    assert shelf.short_ids(salt) == expected


def test_what_is_young_is_here_but_not_compared_until_its_time_has_passed() -> None:
    author = Identity(bytes(32))
    old, young, dropped = (items.sign(author, "t", name, 1_000_000.0) for name in (b"old", b"young", b"dropped"))
    shelf, other = Shelf(Caps(author_items_max=3)), Shelf()
    shelf.add(old)
    other.add(old)
    assert shelf.add(young, young_until=10.0)
    assert not shelf.add(young)  # it is here
    assert shelf.get(sha256(young).digest()) == young
    assert set(shelf.payloads()) == {old, young}
    assert shelf.fingerprint((0, b"")) == other.fingerprint((0, b""))
    shelf.add(dropped, young_until=10.5)
    shelf.settle(9.9)
    assert shelf.fingerprint((0, b"")) == other.fingerprint((0, b""))
    shelf.settle(10.0)
    other.add(young)
    assert shelf.fingerprint((0, b"")) == other.fingerprint((0, b""))
    shelf.expire(2_000_000.0)  # while one is young
    assert not len(shelf)
    shelf.settle(11.0)
    assert not shelf.index.keys
