"""However many authors crowd onto a shelf, it keeps its limits, and who was there and is modest loses nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.network.sync.shelves import item

from thalweg.network.sync import Caps, Shelf

ITEM_BYTES = len(item(0))
SHARE = 4  # items
CAPS = Caps(items_max=60, bytes_max=50 * ITEM_BYTES, author_items_max=12, author_share_bytes=SHARE * ITEM_BYTES)
HONEST = range(1, 6)
SECONDS = st.integers(60, 600_000)


def authors(shelf: Shelf) -> dict[int, int]:
    """Return how many items each author has."""
    counts: dict[int, int] = {}
    for payload in shelf.payloads():
        author = int(payload[:32].rstrip(b"\0").split()[1])
        counts[author] = counts.get(author, 0) + 1
    return counts


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(HONEST), SECONDS), max_size=40),
    st.lists(st.tuples(st.integers(6, 200), SECONDS), max_size=150),
)
def test_honest_authors_within_their_share_lose_nothing_to_a_crowd(
    honest: list[tuple[int, int]], crowd: list[tuple[int, int]]
) -> None:
    shelf = Shelf(CAPS)
    for number, (author, seconds) in enumerate(honest):
        shelf.add(item(number, author, seconds))
    before = authors(shelf)
    for number, (author, seconds) in enumerate(crowd, 1000):
        shelf.add(item(number, author, seconds))
        assert len(shelf) <= 50
    after = authors(shelf)
    assert all(after[author] >= min(count, SHARE) for author, count in before.items())


def test_room_is_made_at_the_one_who_takes_most() -> None:
    shelf = Shelf(CAPS)
    for number in range(12):
        shelf.add(item(number, author=1))
    for number in range(100, 180):
        shelf.add(item(number, author=2 + number % 10))
    counts = authors(shelf)
    assert sum(counts.values()) == 50
    assert set(counts.values()) <= {SHARE, SHARE + 1}  # all eleven alike, whoever came first


def test_what_is_known_of_heavy_authors_does_not_grow_with_what_comes_and_goes() -> None:
    shelf = Shelf(CAPS)
    for number in range(5_000):
        shelf.add(item(number, author=number % 2))
    assert len(shelf._heavy) <= 2 * len(shelf) + 65
