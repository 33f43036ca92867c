import time
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.mbox import SEPARATOR, read_mbox
from lakehouse.sources.messages import Chat, Message

ENVELOPE = "From ana@example.org Fri Oct  3 14:05:00 2025\n"


def mail(body: str = "Hello.", envelope: str = ENVELOPE, **headers: str) -> bytes:
    """Headers by name, with `_` for `-`; an empty one is left out."""
    usual = {
        "From": "Ana Ruiz <ana@example.org>",
        "Date": "Fri, 03 Oct 2025 16:05:00 +0200",
        "Subject": "Re: pump",
        "Message-ID": "<1@x>",
    }
    named = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\n" for name, value in named.items() if value)
    return f"{envelope}{head}\n{body}\n\n".encode()


def read(folder: Path, *mails: bytes, name: str = "ops.mbox") -> Chat:
    path = folder / name
    path.write_bytes(b"".join(mails))
    parts = list(read_mbox(path))
    messages = tuple(message for part in parts for message in part.messages)
    return Chat("mbox", messages, tuple(bad for part in parts for bad in part.bad))


def test_a_mail_is_a_message(tmp_path: Path) -> None:
    assert read(tmp_path, mail()).messages == (
        Message(
            channel="ops",
            message_id="1@x",
            thread_id="1@x",
            author="Ana Ruiz",
            ts=datetime(2025, 10, 3, 14, 5, tzinfo=UTC),
            text="Hello.",
        ),
    )


def test_threads_go_by_references_and_else_by_what_is_answered(tmp_path: Path) -> None:
    chat = read(
        tmp_path,
        mail(),
        mail(Message_ID="<2@x>", In_Reply_To="<1@x>"),
        mail(Message_ID="<3@x>", In_Reply_To="<2@x>"),
        mail(Message_ID="<4@x>", References="<1@x> <2@x>\n <3@x>"),
        mail(Message_ID="<5@x>", In_Reply_To="<elsewhere@x>"),
        mail(Message_ID="<6@x>"),
    )
    assert [one.thread_id for one in chat.messages] == ["1@x", "1@x", "1@x", "1@x", "elsewhere@x", "6@x"]


def test_the_subject_is_said_where_it_begins_something(tmp_path: Path) -> None:
    opening, answer = read(tmp_path, mail(Subject="Pump 7"), mail(Message_ID="<2@x>", Subject="AW: Pump 7")).messages
    assert (opening.text, answer.text) == ("Pump 7\nHello.", "Hello.")


def test_encoded_words_are_read(tmp_path: Path) -> None:
    (message,) = read(
        tmp_path,
        mail(
            From="=?iso-8859-1?q?J=F6rg_M=FCller?= <j@x>", Subject="=?utf-8?b?UHVtcGUg?=\n =?utf-8?b?w7xiZXJoaXR6dA==?="
        ),
    ).messages
    assert message.author == "Jörg Müller"
    assert message.text.startswith("Pumpe überhitzt\n")


def test_the_address_stands_for_a_name_that_is_missing(tmp_path: Path) -> None:
    assert read(tmp_path, mail(From="ana@example.org")).messages[0].author == "ana@example.org"


def test_a_list_is_a_channel(tmp_path: Path) -> None:
    assert read(tmp_path, mail(List_Id="Operations <ops.example.org>")).messages[0].channel == "ops.example.org"


@pytest.mark.parametrize(
    ("headers", "when"),
    [
        (
            {"Date": "", "Received": "from a by b; Fri, 3 Oct 2025 10:00:00 +0000"},
            datetime(2025, 10, 3, 10, tzinfo=UTC),
        ),
        ({"Date": "yesterday"}, datetime(2025, 10, 3, 14, 5, tzinfo=UTC)),
        ({"Date": "Fri, 03 Oct 2025 16:05:00 -0000"}, datetime(2025, 10, 3, 16, 5, tzinfo=UTC)),
    ],
)
def test_a_missing_date_is_looked_for_elsewhere(headers: dict[str, str], when: datetime, tmp_path: Path) -> None:
    assert read(tmp_path, mail(**headers)).messages[0].ts == when


def test_a_mail_without_an_id_has_the_same_one_each_time(tmp_path: Path) -> None:
    first, second = (read(tmp_path, mail(Message_ID="")).messages[0].message_id for _ in range(2))
    assert first == second != read(tmp_path, mail("Bye.", Message_ID="")).messages[0].message_id


def test_plain_text_is_preferred_html_is_read_and_attachments_are_named(tmp_path: Path) -> None:
    both = EmailMessage()
    both["From"], both["Date"], both["Message-ID"] = "ana@x", "Fri, 03 Oct 2025 14:05:00 +0000", "<1@x>"
    both.set_content("The plain text.")
    both.add_alternative("<p>The HTML.</p>", subtype="html")
    both.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Größe.pdf")
    only = EmailMessage()
    only["From"], only["Date"], only["Message-ID"] = "ana@x", "Fri, 03 Oct 2025 14:05:00 +0000", "<2@x>"
    only.set_content("<style>p {}</style><p>Only <b>HTML</b>.</p>", subtype="html")
    forwarded = EmailMessage()
    forwarded["From"], forwarded["Date"], forwarded["Message-ID"] = "ana@x", "Fri, 03 Oct 2025 14:05:00 +0000", "<3@x>"
    forwarded.set_content("See below.")
    forwarded.add_attachment(only)
    chat = read(tmp_path, *(ENVELOPE.encode() + one.as_bytes() + b"\n" for one in (both, only, forwarded)))
    assert [one.text for one in chat.messages] == [
        "The plain text.\n[file: Größe.pdf]",
        "Only HTML.",
        "See below.\n[file: unnamed]",
    ]


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("koi8-r", "Привет".encode("koi8-r"), "Привет"),
        ("x-unknown", "Größe".encode(), "Größe"),
        ("utf-8", "Größe".encode("latin-1"), "Größe"),
        ("us-ascii", "Größe".encode(), "Größe"),
    ],
)
def test_odd_and_wrong_charsets_are_read_as_well_as_they_can(
    charset: str, data: bytes, text: str, tmp_path: Path
) -> None:
    head = mail("", Content_Type=f"text/plain; charset={charset}", Content_Transfer_Encoding="8bit").rstrip(b"\n")
    assert read(tmp_path, head + b"\n\n" + data + b"\n").messages[0].text == text


def test_what_is_quoted_and_signed_is_left_out_unless_there_is_nothing_else(tmp_path: Path) -> None:
    body = "Yes.\n\nOn Fri, Ana wrote:\n> Is it hot?\n> Really?\n\nVery.\n-- \nBo\nPlant 7"
    own, quote = read(tmp_path, mail(body), mail("> Only this", Message_ID="<2@x>")).messages
    assert (own.text, quote.text) == ("Yes.\n\nVery.", "> Only this")


def test_a_paragraph_that_begins_with_from_ends_no_mail(tmp_path: Path) -> None:
    body = "Look.\n\nFrom what I see at 10:30 it is 2025 hot.\n\n>From here on quoted by the box"
    (message,) = read(tmp_path, mail(body.replace("at 10:30 it is 2025", "now it is"))).messages
    assert message.text == "Look.\n\nFrom what I see now it is hot.\n\nFrom here on quoted by the box"


def test_a_mail_that_is_there_twice_is_one_message(tmp_path: Path) -> None:
    assert len(read(tmp_path, mail(), mail("Hello.\n_____\nfooter of the list")).messages) == 1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (f"{ENVELOPE}\nno header at all\n\n".encode(), "bad_mail"),
        (mail(envelope="From ana Fri Oct 99 14:05:00 2025\n", Date="never", Message_ID="<9@x>"), "bad_timestamp"),
    ],
)
def test_a_mail_that_is_none_is_left_out_alone_with_its_bytes(raw: bytes, code: str, tmp_path: Path) -> None:
    chat = read(tmp_path, mail(), raw, mail(Message_ID="<2@x>"))
    assert [one.message_id for one in chat.messages] == ["1@x", "2@x"]
    assert [(bad.record, bad.code, bad.raw) for bad in chat.bad] == [(2, code, raw)]


def test_parts_within_parts_without_end_are_refused_or_read_but_never_crash(tmp_path: Path) -> None:
    depth = 3000
    nested = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth))
    raw = f"{ENVELOPE}Message-ID: <1@x>\nDate: Fri, 03 Oct 2025 16:05:00 +0200\n{nested}\n\n".encode()
    chat = read(tmp_path, raw, mail(Message_ID="<2@x>"))
    assert chat.messages[-1].message_id == "2@x"
    assert [bad.code for bad in chat.bad] == ["bad_mail"]


def test_a_file_that_is_no_mbox_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecord) as refused:
        read(tmp_path, b"Subject: a mail by itself\n\nHello.\n")
    assert refused.value.code == "not_an_mbox"


def test_a_line_of_times_takes_no_time() -> None:
    started = time.monotonic()
    assert not SEPARATOR.match(b"From a " + b"1:11 " * 13_000)
    assert time.monotonic() - started < 1
