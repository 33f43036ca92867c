from rag.graphs import Size, breadth, prefers_graph


def prefers(chunks: int, *, allowed: int | None = None, current: int | None = None, is_as_of: bool = False) -> bool:
    allowed = chunks if allowed is None else allowed
    size = Size("acme", chunks, allowed, allowed if current is None else current, graph=True)
    return prefers_graph(size, depth=100, is_as_of=is_as_of)


def test_a_graph_is_preferred_where_a_scan_would_read_many_more_chunks() -> None:
    assert not prefers(1_000)
    assert prefers(2_000)
    assert prefers(1_000_000)


def test_the_less_a_filter_leaves_the_longer_a_graph_searches_and_the_shorter_a_scan_is() -> None:
    assert not prefers(100_000, allowed=1_000)
    assert prefers(100_000, allowed=20_000)
    assert not prefers(1_000_000, allowed=20_000)


def test_what_was_superseded_counts_for_a_question_about_earlier_times_only() -> None:
    assert not prefers(100_000, current=1_000)
    assert prefers(100_000, current=1_000, is_as_of=True)


def test_a_tenant_without_graph_or_without_chunks_is_scanned() -> None:
    assert not prefers_graph(Size("acme", 1_000_000, 1_000_000, 1_000_000, graph=False), depth=100, is_as_of=False)
    assert not prefers(0)


def test_a_graph_is_searched_wider_the_larger_it_is_and_the_less_of_it_is_visible() -> None:
    def width(chunks: int, current: int) -> int:
        return breadth(Size("acme", chunks, chunks, current, graph=True), depth=100, is_as_of=False)

    assert width(10_000, 10_000) == 125
    assert width(100_000, 100_000) == 152
    assert width(500_000, 500_000) == 582
    assert width(10_000, 2_000) == 625
    assert width(1_000_000, 1) == 1_000
