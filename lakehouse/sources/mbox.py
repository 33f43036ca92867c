"""Mail in an mbox file: each begins with a line `From …` after an empty one."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message as Mail
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path

from lakehouse.errors import BadRecord
from lakehouse.sources.messages import BadMessage, Chat, Message, clean_text

SOURCE = "mbox"
MEMBER = "messages"
LARGEST_MAIL = 32_000_000
LARGEST_KEPT = 4_000_000  # a larger one that is refused is kept within its file only
MOST_PARTS = 1_000
# "From what I see …" begins many a paragraph: without an address and a date it begins no mail.
SEPARATOR = re.compile(rb"From \S{1,400} .{0,200}\d:\d\d.{0,100}\b\d{4}\b")  # without bounds 64 kB take 8 s
QUOTED_SEPARATOR = re.compile(rb"^>(>*From )", re.M)
ID = re.compile(r"<([^<>\s]+)>")
ANSWER = re.compile(r"(?i)\s*(?:re|aw|sv|antw|fwd?|wg)\s*(?:\[\d+\])?:")
INTRODUCTION = re.compile(r"(?:On|Am|Le|El)\b.*:|.*\bwrote:")
SIGNATURE = "-- "


@dataclass
class _Box:
    """channel: of mail that came by no list. roots: of each mail that was read the one that began its thread."""

    channel: str
    roots: dict[str, str] = field(default_factory=dict)


def read_mbox(path: Path) -> Iterator[Chat]:
    """A mail that cannot be read is left out alone. Raises BadRecord where the file is no mbox."""
    box = _Box(clean_text(path.stem) or SOURCE)
    for record, raw in enumerate(_cut(path), start=1):
        try:
            message = _message(box, raw)
        except BadRecord as refused:
            kept = raw if len(raw) <= LARGEST_KEPT else None
            yield Chat(SOURCE, (), (BadMessage(MEMBER, record, refused.code, refused.reason, kept),))
            continue
        if message is not None:
            yield Chat(SOURCE, (message,), ())


def _cut(path: Path) -> Iterator[bytes]:
    """Each mail with its line `From …`. Of one that is larger than any is read, no more than that is held."""
    lines: list[bytes] = []
    size, was_empty = 0, True
    with path.open("rb") as file:
        while line := file.readline(LARGEST_MAIL):
            if not lines and line.strip() and not SEPARATOR.match(line):
                raise BadRecord("not_an_mbox", "it begins with no line 'From address date': export it again as mbox")
            if was_empty and SEPARATOR.match(line) and lines:
                yield b"".join(lines)
                lines, size = [], 0
            was_empty = not line.strip()
            if size <= LARGEST_MAIL and (lines or not was_empty):
                lines.append(line)
                size += len(line)
    if lines:
        yield b"".join(lines)


def _message(box: _Box, raw: bytes) -> Message | None:
    if len(raw) > LARGEST_MAIL:
        raise BadRecord("too_large", f"the mail has over {LARGEST_MAIL / 1e6:.0f} MB: take it out, or its attachments")
    envelope, _, content = raw.partition(b"\n")
    try:
        mail = message_from_bytes(QUOTED_SEPARATOR.sub(rb"\1", content))
        if not mail.keys():
            raise BadRecord("bad_mail", "it has no header")
        text = _text(mail)
    except (RecursionError, MessageError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadRecord("bad_mail", f"it cannot be read as mail ({error})") from error
    message_id = _first_id(mail, "Message-ID") or hashlib.sha256(raw).hexdigest()[:32]
    if message_id in box.roots:  # sent to a list and to a person, it is there twice
        return None
    box.roots[message_id] = root = _root(box, mail) or message_id
    return Message(
        channel=_channel(box, mail),
        message_id=message_id,
        thread_id=root,
        author=_author(mail),
        ts=_date(mail, envelope),
        text=text or "[empty]",
    )


def _root(box: _Box, mail: Mail) -> str | None:
    """References names the thread's first mail first; In-Reply-To names only the one before."""
    if first := _first_id(mail, "References"):
        return box.roots.get(first, first)
    before = _first_id(mail, "In-Reply-To")
    return box.roots.get(before, before) if before else None


def _channel(box: _Box, mail: Mail) -> str:
    listed = ID.search(_header(mail, "List-Id"))
    return clean_text(listed[1]) if listed else box.channel


def _first_id(mail: Mail, name: str) -> str | None:
    value = _header(mail, name)
    found = ID.search(value)
    return clean_text(found[1] if found else value.partition(" ")[0]) or None


def _author(mail: Mail) -> str | None:
    name, address = parseaddr(str(mail.get("From") or ""))
    return " ".join(clean_text(_decoded(name)).split()) or clean_text(address) or None


def _header(mail: Mail, name: str) -> str:
    return " ".join(_decoded(str(mail.get(name) or "")).split())


def _decoded(value: str) -> str:
    """Encoded words (`=?utf-8?q?…?=`) as text; what is encoded wrongly stays as it stands."""
    try:
        parts = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(_as_text(part, charset) if isinstance(part, bytes) else part for part, charset in parts)


def _date(mail: Mail, envelope: bytes) -> datetime:
    """Else when it was received, else when it was put into the file. The last word is that it has no date."""
    received = [str(value).rpartition(";")[2] for value in mail.get_all("Received") or ()]
    stamped = envelope.decode("ascii", "replace").split(None, 2)[-1]
    for text in (str(mail.get("Date") or ""), *received, stamped):
        try:
            when = parsedate_to_datetime(text.strip())
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    raise BadRecord("bad_timestamp", "it has no date that can be read: neither Date, nor Received, nor the From line")


def _text(mail: Mail) -> str:
    """The subject where it begins something, what was written, and the names of what was attached."""
    plain, html, files = [], [], []
    for part in _parts(mail):
        name = part.get_filename()
        if name or part.get_content_disposition() == "attachment" or part.get_content_type() == "message/rfc822":
            files.append(f"[file: {' '.join(_decoded(name or 'unnamed').split())}]")
        elif part.get_content_type() == "text/plain":
            plain.append(_body(part))
        elif part.get_content_type() == "text/html":
            html.append(_body(part))
    written = _own_words("\n".join(plain)) or _of_html(html)
    subject = _header(mail, "Subject")
    opening = "" if ANSWER.match(subject) else subject
    return clean_text("\n".join(part for part in (opening, written, *files) if part.strip()))


def _parts(mail: Mail) -> Iterator[Mail]:
    """Those that hold no further ones, in order. A mail that is attached to this one stays closed."""
    waiting, number = [mail], 0
    while waiting:
        part = waiting.pop()
        number += 1
        if number > MOST_PARTS:
            raise BadRecord("bad_mail", f"it has more than {MOST_PARTS:,} parts")
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            waiting += [one for one in reversed(inner) if isinstance(one, Mail)]
        else:
            yield part


def _body(part: Mail) -> str:
    payload = part.get_payload(decode=True)
    return _as_text(payload, part.get_content_charset()) if isinstance(payload, bytes) else ""


def _as_text(data: bytes, charset: str | None) -> str:
    """In the charset it names; where that is unknown or wrong, in UTF-8, else in the one that old mail is in."""
    for name in (charset, "utf-8"):
        try:
            if name:
                return data.decode(name)
        except (LookupError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _of_html(parts: list[str]) -> str:
    if not parts:
        return ""
    from lakehouse.sources.html import read_html

    return "\n".join(read_html(part).text for part in parts)


def _own_words(text: str) -> str:
    """Without the quoted mail before it, which stands in the thread already, and without the signature."""
    kept: list[str] = []
    for line in text.splitlines():
        if line == SIGNATURE:
            break
        if line.startswith(">"):
            while kept and not kept[-1].strip():
                kept.pop()
            if kept and INTRODUCTION.fullmatch(kept[-1].strip()):
                kept.pop()
            continue
        kept.append(line)
    return "\n".join(kept).strip() or text.strip()
