import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.documents import Parsed, first_heading, media_type, name_as_title, read_document
from lakehouse.sources.extractor import Extractor


def parse(name: str, data: bytes) -> Parsed:
    """Text types only: a worker is started for front matter alone."""
    with Extractor() as extractor:
        return read_document(name, data, extractor)


def cited(data: bytes, parsed: Parsed) -> str:
    return data[parsed.byte_start : parsed.byte_end].decode()


def test_markdown_is_cited_from_the_raw_file() -> None:
    data = "# Pümpe\n\nText.\n".encode()
    parsed = parse("a.md", data)
    assert (parsed.media_type, parsed.extraction, parsed.title, parsed.text) == ("text/markdown", "none", "Pümpe", None)
    assert cited(data, parsed) == data.decode()


def test_the_byte_order_mark_and_front_matter_are_not_text() -> None:
    data = "\ufeff---\ntitle: Größe\n---\n# Other\n".encode()
    parsed = parse("a.md", data)
    assert parsed.title == "Größe"
    assert cited(data, parsed) == "# Other\n"


def test_front_matter_of_plain_text_is_text() -> None:
    data = b"---\ntitle: x\n---\nBody"
    assert cited(data, parse("a.txt", data)) == data.decode()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("intro\n\n## Second level\n", "Second level"),
        ("# Closed ##\n", "Closed"),
        ("Underlined\n==========\n", "Underlined"),
        ("Under\n-----\n", "Under"),
        ("```sh\n# a comment\n```\n# Real\n", "Real"),
        ("~~~\n# a comment\n~~~\n", None),
        ("# The `code` of [a link](http://x) and **bold** {#anchor}\n", "The code of a link and bold"),
        ("#hashtag\n\nno heading\n", None),
        ("\n---\n", None),
        ("#\n", None),
    ],
)
def test_the_title_is_the_first_heading(text: str, title: str | None) -> None:
    assert first_heading(text) == title


@pytest.mark.parametrize("line", ["# " + "[" * 200_000, "# " + " " * 200_000 + "x", "# <a" * 50_000, "#" * 200_000])
def test_a_hostile_heading_costs_no_time(line: str) -> None:
    first_heading(line)
    assert len(first_heading(line) or "") <= 300


@pytest.mark.parametrize(
    ("name", "title"),
    [("pump.md", "pump"), ("guides/README.md", "guides"), ("guides/_index.md", "guides"), ("README.md", "README")],
)
def test_without_heading_the_title_is_the_file_name(name: str, title: str) -> None:
    assert name_as_title(name) == title


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.MD", "text/markdown"), ("b.htm", "text/html"), ("c.rst", "text/plain"), ("d.pdf", "application/pdf")],
)
def test_the_type_goes_by_extension(name: str, expected: str) -> None:
    assert media_type(name) == expected


@pytest.mark.parametrize("name", ["picture.png", "data.json", "Makefile", "a.md.bak"])
def test_what_is_no_document_has_no_type(name: str) -> None:
    assert media_type(name) is None


@pytest.mark.parametrize(
    ("name", "data", "code", "reason"),
    [
        ("a.md", b"", "empty", "the file is empty"),
        ("a.md", b" \r\n\t\n", "empty", "nothing but white space"),
        ("a.pdf", b"", "empty", "the file is empty"),
        ("a.md", b"\x89PNG\r\n\x1a\n\x00", "binary", "it is a PNG picture"),
        ("a.md", b"%PDF-1.7\n", "binary", "it is a PDF"),
        ("a.txt", b"text\x00more", "binary", "a zero byte at byte 4"),
        ("a.md", "Gr\u00f6\u00dfe".encode("latin-1"), "not_utf8", r"byte 2 \(0xf6\) is not UTF-8"),
        ("a.md", "text".encode("utf-16"), "not_utf8", "UTF-16"),
        ("a.html", b"<p>caf\xe9</p>", "not_utf8", r"byte 6 \(0xe9\)"),
        ("a.md", b"---\ntitle: x\n---\n\n", "no_text", "front matter and no text"),
        ("a.json", b"{}", "unsupported_type", "'.json' is no type of document"),
    ],
)
def test_what_cannot_be_cited_is_refused_with_a_reason(name: str, data: bytes, code: str, reason: str) -> None:
    with pytest.raises(BadRecord, match=reason) as refused:
        parse(name, data)
    assert refused.value.code == code
