import signal
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.extractor import Extractor

Pdf = Callable[..., bytes]


@pytest.fixture
def extractor() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


def refusal(extractor: Extractor, data: bytes) -> BadRecord:
    with pytest.raises(BadRecord) as refused:
        extractor.extract("pdf", data)
    return refused.value


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "lakehouse.sources.worker" in child.cmdline()]


def test_pages_become_running_text_parted_by_an_empty_line(extractor: Extractor, pdf: Pdf) -> None:
    extracted = extractor.extract("pdf", pdf("First page.", "", "Third page.", title="The \\(only\\)  manual"))
    assert extracted.text == "First page.\n\nThird page."
    assert extracted.title == "The (only) manual"


@pytest.mark.parametrize("title", ["", "Microsoft Word - draft.doc", "untitled", "manual_v3.indd"])
def test_a_title_that_a_program_made_up_is_none(title: str, extractor: Extractor, pdf: Pdf) -> None:
    assert extractor.extract("pdf", pdf("Text", title=title)).title is None


def test_html_is_read_by_the_same_worker(extractor: Extractor, pdf: Pdf) -> None:
    extractor.extract("pdf", pdf("Text"))
    before = workers()
    extracted = extractor.extract("html", "\ufeff<title>T</title><h1>Größe</h1>".encode())
    assert (extracted.text, extracted.title) == ("# Größe", "T")
    assert workers() == before
    assert len(before) == 1


@pytest.mark.parametrize("data", [b"%PDF-1.7\nnothing more", b"no PDF at all", b"%PDF-1.4\n%%EOF"])
def test_a_corrupt_pdf_is_refused(data: bytes, extractor: Extractor) -> None:
    refused = refusal(extractor, data)
    assert refused.code == "corrupt_pdf"
    assert "cannot be opened" in refused.reason


def test_a_pdf_with_a_password_is_refused(extractor: Extractor, encrypted_pdf: bytes) -> None:
    refused = refusal(extractor, encrypted_pdf)
    assert (refused.code, refused.reason) == ("encrypted_pdf", "the PDF needs a password: save a copy without one")


def test_a_pdf_of_pictures_is_refused(extractor: Extractor, pdf: Pdf) -> None:
    refused = refusal(extractor, pdf("", ""))
    assert refused.code == "no_text"
    assert "OCR" in refused.reason


def test_html_of_scripts_is_refused(extractor: Extractor) -> None:
    with pytest.raises(BadRecord, match="no text to read"):
        extractor.extract("html", b"<script>x()</script><nav>menu</nav>")


def test_control_characters_and_lone_surrogates_do_not_come_through(extractor: Extractor) -> None:
    assert extractor.extract("html", b"<p>a&#0;b&#xD800;c</p>").text.replace("\ufffd", "") == "abc"


def test_more_text_than_anyone_reads_is_refused(extractor: Extractor) -> None:
    with pytest.raises(BadRecord, match="20,000,001 characters") as refused:
        extractor.extract("html", b"<p>" + b"x" * 20_000_001)
    assert refused.value.code == "too_much_text"


def test_a_bomb_of_nested_compression_does_not_fill_the_memory(extractor: Extractor, pdf: Pdf) -> None:
    bomb = zlib.compress(zlib.compress(b" " * 400_000_000, 9), 9)
    refusal(extractor, pdf("", content=bomb, filters="/Filter [/FlateDecode /FlateDecode]"))
    assert psutil.Process().memory_info().rss < 2 << 30
    assert extractor.extract("pdf", pdf("After.")).text == "After."


def test_a_worker_that_dies_costs_one_file_and_the_next_gets_a_new_one(extractor: Extractor, pdf: Pdf) -> None:
    extractor.extract("pdf", pdf("Before."))
    (worker,) = workers()
    worker.kill()
    worker.wait()
    refused = refusal(extractor, pdf("Lost."))
    assert refused.code == "parser_crashed"
    assert extractor.extract("pdf", pdf("After.")).text == "After."
    assert [new.pid for new in workers()] != [worker.pid]


def test_a_worker_that_hangs_is_ended(pdf: Pdf) -> None:
    with Extractor(timeout_seconds=10) as extractor:
        extractor.extract("pdf", pdf("Before."))
        extractor.timeout_seconds = 0.2
        (worker,) = workers()
        worker.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        refused = refusal(extractor, pdf("Lost." * 200_000))  # more than a pipe holds
        assert refused.code == "parser_timeout"
        assert "longer than 0.2 s" in refused.reason
        assert time.monotonic() - started < 5
        extractor.timeout_seconds = 10
        assert extractor.extract("pdf", pdf("After.")).text == "After."


def test_no_worker_is_left_behind(pdf: Pdf) -> None:
    with Extractor() as extractor:
        extractor.extract("pdf", pdf("Text"))
        assert len(workers()) == 1
    assert workers() == []


def test_odd_broken_and_hostile_pdfs_neither_hang_nor_crash_the_process(
    shared_data: Path, extractor: Extractor
) -> None:
    files = sorted((shared_data / "bad-input" / "pdf").glob("*.pdf"))
    assert len(files) > 100
    outcomes = set()
    for file in files:
        try:
            extracted = extractor.extract("pdf", file.read_bytes())
        except BadRecord as refused:
            outcomes.add(refused.code)
        else:
            assert "\x00" not in extracted.text
            extracted.text.encode()
            outcomes.add("text")
    assert {"text", "no_text", "corrupt_pdf"} <= outcomes
