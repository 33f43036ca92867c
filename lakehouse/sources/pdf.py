"""PDF to running text by PDFium. Runs in the worker: PDFium is native code and the file is a stranger's."""

import re
from dataclasses import dataclass

import pypdfium2 as pdfium
from pypdfium2.raw import FPDF_ERR_PASSWORD

from lakehouse.errors import BadRecord

# PDFium marks the hyphen of a word that it knows to be broken over two lines.
BROKEN_WORD = re.compile("[\x02\ufffe][ \t]*\n?")
FILE_NAME_AS_TITLE = re.compile(r"^(microsoft word|untitled|powerpoint)|\.(docx?|odt|pdf|indd|tex|xlsx?|pptx?)$", re.I)


@dataclass(frozen=True)
class Pages:
    text: str
    title: str | None


def read_pdf(data: bytes) -> Pages:
    """Raises BadRecord for a file that cannot be opened or holds no text."""
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == FPDF_ERR_PASSWORD:
            raise BadRecord("encrypted_pdf", "the PDF needs a password: save a copy without one") from error
        raise BadRecord("corrupt_pdf", f"the PDF cannot be opened ({error}): export it again") from error
    try:
        pages = [_page_text(document, number) for number in range(len(document))]
        title = " ".join(document.get_metadata_value("Title").split())
    finally:
        document.close()
    if not pages:
        raise BadRecord("corrupt_pdf", "the PDF has no pages: export it again")
    text = "\n\n".join(page for page in pages if page)
    if not any(character.isalnum() for character in text):
        raise BadRecord("no_text", "the PDF holds no text, only pictures or drawings: run OCR on it first")
    return Pages(text, title if title and not FILE_NAME_AS_TITLE.search(title) else None)


def _page_text(document: pdfium.PdfDocument, number: int) -> str:
    try:
        page = document[number]
    except pdfium.PdfiumError:
        return ""  # viewers show such a page as blank, and the others can still be read
    try:
        text = page.get_textpage().get_text_range()
    finally:
        page.close()
    text = BROKEN_WORD.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n"))
    lines = [line.rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
