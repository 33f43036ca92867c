"""Whether bytes are the text that a file's name promises."""

import codecs
from pathlib import Path

from lakehouse.errors import BadRecord

BLOCK = 1 << 20
MAGIC = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a zip archive (or an Office file)",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF-": "a PDF",
    b"\x7fELF": "a program",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"PAR1": "a Parquet file",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def decode(data: bytes) -> str:
    """UTF-8, with or without its byte order mark. Raises BadRecord: empty, binary or not_utf8."""
    refuse_empty(data)
    _refuse_binary(data, 0)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(error.start, data[error.start]) from error


def refuse_empty(data: bytes) -> None:
    if not data.strip():
        raise _empty(len(data))


def check_text_file(path: Path, block_size: int = BLOCK) -> None:
    """The same for a file of any size, in constant memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    seen, blank = 0, True
    with path.open("rb") as file:
        while block := file.read(block_size):
            _refuse_binary(block, seen)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                raise _not_utf8(seen - pending + error.start, error.object[error.start]) from error
            seen += len(block)
            blank = blank and not block.strip()
    if blank:
        raise _empty(seen)
    if rest := decoder.getstate()[0]:
        raise _not_utf8(seen - len(rest), rest[0])


def _refuse_binary(block: bytes, offset: int) -> None:
    if offset == 0:
        if block.startswith(UTF_16):
            raise BadRecord("not_utf8", "it is UTF-16 text: save it as UTF-8")
        for magic, what in MAGIC.items():
            if block.startswith(magic):
                raise BadRecord("binary", f"its name promises text, but it is {what}")
    if (at := block.find(b"\x00")) >= 0:
        raise BadRecord(
            "binary", f"its name promises text, but it holds binary data (a zero byte at byte {offset + at})"
        )


def _empty(size: int) -> BadRecord:
    return BadRecord("empty", "the file holds nothing but white space" if size else "the file is empty")


def _not_utf8(at: int, value: int) -> BadRecord:
    return BadRecord("not_utf8", f"byte {at} (0x{value:02x}) is not UTF-8 text: save the file as UTF-8")
