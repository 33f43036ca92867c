import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.feeds import Entry, is_feed, read_feed

RSS = """<?xml version="1.0"?><!-- made by x --><rss version="2.0"><channel><title>N</title>
<item><link>https://h/1</link><pubDate>Mon, 05 Oct 2026 08:00:00 +0200</pubDate></item>
<item><link>/2</link><pubDate>some day</pubDate></item>
<item><link>https://h/1</link></item>
<item><title>without a link</title></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="https://h/1"/>
<published>2026-10-01T00:00:00Z</published><updated>2026-10-05T00:00:00Z</updated></entry></feed>"""
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<item><link>https://h/1</link></item></rdf:RDF>"""


def test_rss_gives_each_link_once_with_its_date_in_utc() -> None:
    assert read_feed(RSS.encode()) == [Entry("https://h/1", "2026-10-05T06:00:00+00:00"), Entry("/2", None)]


def test_atom_gives_the_day_on_which_it_was_published() -> None:
    assert read_feed(ATOM.encode()) == [Entry("https://h/1", "2026-10-01T00:00:00+00:00")]


def test_rdf_is_a_feed_as_well() -> None:
    assert read_feed(RDF.encode()) == [Entry("https://h/1", None)]


def test_a_feed_without_entries_is_one() -> None:
    assert read_feed(b"<rss version='2.0'><channel/></rss>") == []


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadRecord, match="the feed cannot be read"):
        read_feed(b"<rss><channel>&nothing")


def test_the_name_of_a_file_is_not_opened() -> None:
    with pytest.raises(BadRecord):
        read_feed(b"/etc/hostname")


@pytest.mark.parametrize("text", [RSS, ATOM, RDF, "\ufeff" + RSS, "\n" + ATOM, "<rss>"])
def test_a_feed_is_told_by_its_first_element(text: str) -> None:
    assert is_feed(text.encode())


@pytest.mark.parametrize("text", ["", "<html><rss>", "<rsss>", "# <rss>", "<!-- <rss> -->"])
def test_a_page_about_feeds_is_none(text: str) -> None:
    assert not is_feed(text.encode())


@pytest.mark.parametrize("part", [b"<!---->", b"<??>", b"<!DOCTYPE>", b" ", b"<!--"])
def test_no_beginning_takes_long(part: bytes) -> None:
    """Fifty comments took for ever."""
    assert not is_feed(part * 4_000)
