import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import MissingPath, Misused, WouldDeleteEverything
from lakehouse.ingest import IngestSummary, ingest_documents
from lakehouse.manifest import kind_of
from lakehouse.objects import open_objects
from lakehouse.quarantine import list_refused

Pdf = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good documents."""
    folder = tmp_path / "manuals"
    write(folder / "guide" / "install.md", "# Install\n\nTurn the valve.\n")
    write(folder / "notes.txt", "Plain words.\n")
    write(folder / "page.html", "<title>Page</title><meta name=version content=2.0><h1>Head</h1><p>Body</p>")
    return folder


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(bronze: Bronze) -> list[dict[str, Any]]:
    """In the order in which they landed, and by path within a commit."""
    found: list[dict[str, Any]] = bronze.changes("documents")[0].to_pylist()
    return sorted(found, key=lambda row: (row["bronze_version"], row["path"]))


def text_of(bronze: Bronze, row: dict[str, Any]) -> str:
    return bronze.objects.get(row["tenant_id"], row["object_sha256"])[row["byte_start"] : row["byte_end"]].decode()


def versions(bronze: Bronze) -> dict[str, int | None]:
    return {table: bronze.version(table) for table in ("documents", "quarantine", "messages")}


def objects(bronze: Bronze) -> set[str]:
    root = Path(bronze.url.removeprefix("file://"))
    return {file.name for file in root.glob("*/objects/*/*")}


def test_a_folder_lands_over_any_storage(anywhere: Bronze, folder: Path, pdf: Pdf, now: datetime) -> None:
    write(folder / "sheet.pdf", pdf("Data sheet text."))
    summary = ingest_documents(anywhere, "acme", folder, now=now, product="px", version="1.0")
    assert summary == IngestSummary("documents", read=4, landed=4)
    assert {row["path"]: text_of(anywhere, row) for row in rows(anywhere)} == {
        "guide/install.md": "# Install\n\nTurn the valve.\n",
        "notes.txt": "Plain words.\n",
        "page.html": "# Head\n\nBody",
        "sheet.pdf": "Data sheet text.",
    }
    again = ingest_documents(anywhere, "acme", folder, now=now + timedelta(1), product="px", version="1.0")
    assert again == IngestSummary("documents", read=4, unchanged=4)


def test_a_row_says_all_that_is_known_of_a_document(bronze: Bronze, folder: Path, now: datetime) -> None:
    raw = write(
        folder / "guide" / "install.md",
        "---\ntitle: Setting up\nversion: 3.10\nversion_to: '4'\ndate: 2026-03-01\nclassification: public\n"
        "url: https://example.com/i\nkind: incident\n---\nTurn.\n",
    ).read_bytes()
    ingest_documents(bronze, "acme", folder, now=now, product="px", version="1.0", kind="manual")
    (row,) = [row for row in rows(bronze) if row["path"] == "guide/install.md"]
    sha256 = hashlib.sha256(raw).hexdigest()
    assert row == {
        "tenant_id": "acme",
        "source": f"folder:{folder}",
        "path": "guide/install.md",
        "kind": "incident",
        "title": "Setting up",
        "object_sha256": sha256,
        "raw_sha256": sha256,
        "media_type": "text/markdown",
        "extraction": "none",
        "byte_start": raw.index(b"Turn."),
        "byte_end": len(raw),
        "product": "px",
        "version_from": "3.10",
        "version_to": "4",
        "valid_from": datetime(2026, 3, 1, tzinfo=UTC),
        "classification": "public",
        "url": "https://example.com/i",
        "deleted": False,
        "recorded_at": now,
        "bronze_version": 1,
    }


def test_an_extraction_is_an_object_beside_the_raw_file(bronze: Bronze, folder: Path, now: datetime) -> None:
    ingest_documents(bronze, "acme", folder, now=now, version="1.0")
    (row,) = [row for row in rows(bronze) if row["path"] == "page.html"]
    assert (row["extraction"], row["title"], row["version_from"]) == ("html/1", "Page", "2.0")
    assert bronze.objects.get("acme", row["raw_sha256"]) == (folder / "page.html").read_bytes()
    assert bronze.objects.get("acme", row["object_sha256"]) == b"# Head\n\nBody"


def test_the_second_time_nothing_changes(bronze: Bronze, folder: Path, pdf: Pdf, now: datetime) -> None:
    write(folder / "sheet.pdf", pdf("Data."))
    write(folder / "bad.md", b"\xff")
    first = ingest_documents(bronze, "acme", folder, now=now)
    before = (versions(bronze), objects(bronze))
    second = ingest_documents(bronze, "acme", folder, now=now + timedelta(days=1))
    assert (versions(bronze), objects(bronze)) == before
    assert (first.landed, second.landed, second.unchanged) == (4, 0, 4)
    assert first.reasons == second.reasons == {"not_utf8": 1}


def test_one_ingest_is_one_commit_a_table(bronze: Bronze, folder: Path, now: datetime) -> None:
    for number in range(60):
        write(folder / f"{number}.md", f"# {number}\n")
        write(folder / f"{number}.txt", b"")
    ingest_documents(bronze, "acme", folder, now=now)
    assert versions(bronze) == {"documents": 1, "quarantine": 1, "messages": None}  # version 0 creates the table


def test_only_what_changed_lands_again(bronze: Bronze, folder: Path, now: datetime) -> None:
    ingest_documents(bronze, "acme", folder, now=now)
    write(folder / "notes.txt", "Other words.\n")
    summary = ingest_documents(bronze, "acme", folder, now=now)
    assert (summary.landed, summary.unchanged) == (1, 2)
    assert [text_of(bronze, row) for row in rows(bronze) if row["path"] == "notes.txt"] == [
        "Plain words.\n",
        "Other words.\n",
    ]


def test_a_document_may_go_back_to_what_it_was(bronze: Bronze, folder: Path, now: datetime) -> None:
    for words in ("one", "two", "one"):
        write(folder / "notes.txt", words)
        ingest_documents(bronze, "acme", folder, now=now)
    assert [text_of(bronze, row) for row in rows(bronze) if row["path"] == "notes.txt"] == ["one", "two", "one"]


@pytest.mark.parametrize(
    "flags", [{"product": "px"}, {"version": "2"}, {"kind": "runbook"}, {"classification": "public"}]
)
def test_another_statement_about_the_same_bytes_is_a_change(
    flags: dict[str, str], bronze: Bronze, folder: Path, pdf: Pdf, now: datetime
) -> None:
    write(folder / "sheet.pdf", pdf("Data."))
    flagless = {"page.html"} if "version" in flags else set()  # it states its version itself
    ingest_documents(bronze, "acme", folder, now=now)
    before = objects(bronze)
    summary = ingest_documents(bronze, "acme", folder, now=now, **flags)  # type: ignore[arg-type]
    assert summary.landed == 4 - len(flagless)
    assert objects(bronze) == before


def test_a_pdf_that_is_known_is_not_read_again(bronze: Bronze, folder: Path, pdf: Pdf, now: datetime) -> None:
    write(folder / "sheet.pdf", pdf("Data.", title="The sheet"))
    ingest_documents(bronze, "acme", folder, now=now)
    ingest_documents(bronze, "acme", folder, now=now, product="px")
    first, second = [row for row in rows(bronze) if row["path"] == "sheet.pdf"]
    assert first | {"product": "px", "bronze_version": 2} == second
    assert second["title"] == "The sheet"

    remembered = second | {"object_sha256": bronze.objects.put("acme", b"As read then."), "byte_end": 13}
    bronze.append("documents", pa.Table.from_pylist([remembered], schema=TABLES["documents"]), ["by hand"])
    assert ingest_documents(bronze, "acme", folder, now=now, product="px").unchanged == 4


def test_a_lost_object_is_restored_by_ingesting_its_file_again(
    bronze: Bronze, folder: Path, pdf: Pdf, now: datetime
) -> None:
    write(folder / "sheet.pdf", pdf("Data."))
    ingest_documents(bronze, "acme", folder, now=now)
    before = objects(bronze)
    for file in Path(bronze.url.removeprefix("file://")).glob("*/objects/*/*"):
        file.unlink()
    ingest_documents(bronze, "acme", folder, now=now)
    assert objects(bronze) == before
    assert versions(bronze)["documents"] == 1


class TestDeletions:
    def test_a_file_that_is_gone_is_recorded_once(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        ingest_documents(bronze, "acme", folder, now=now)
        (folder / "notes.txt").unlink()
        later = now + timedelta(hours=1)
        summary = ingest_documents(bronze, "acme", folder, now=later)
        assert (summary.deleted, summary.landed, summary.unchanged) == (1, 0, 2)
        assert ingest_documents(bronze, "acme", folder, now=later).deleted == 0
        landed, gone = [row for row in rows(bronze) if row["path"] == "notes.txt"]
        assert gone == landed | {"deleted": True, "recorded_at": later, "bronze_version": 2}

    def test_a_file_that_returns_lands_again(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        ingest_documents(bronze, "acme", folder, now=now)
        content = (folder / "notes.txt").read_bytes()
        (folder / "notes.txt").unlink()
        ingest_documents(bronze, "acme", folder, now=now)
        write(folder / "notes.txt", content)
        assert ingest_documents(bronze, "acme", folder, now=now).landed == 1
        assert [row["deleted"] for row in rows(bronze) if row["path"] == "notes.txt"] == [False, True, False]

    def test_a_file_that_turned_bad_is_not_gone(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        ingest_documents(bronze, "acme", folder, now=now)
        write(folder / "notes.txt", b"")
        summary = ingest_documents(bronze, "acme", folder, now=now)
        assert (summary.deleted, summary.quarantined) == (0, 1)

    def test_a_single_file_says_nothing_about_the_others(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        ingest_documents(bronze, "acme", folder, now=now)
        write(folder / "notes.txt", "New words.")
        summary = ingest_documents(bronze, "acme", folder / "notes.txt", now=now)
        assert (summary.read, summary.landed, summary.deleted) == (1, 1, 0)
        assert {row["source"] for row in rows(bronze)} == {f"folder:{folder}"}

    def test_another_source_is_left_alone(self, bronze: Bronze, folder: Path, tmp_path: Path, now: datetime) -> None:
        ingest_documents(bronze, "acme", folder, now=now)
        ingest_documents(bronze, "globex", folder, now=now)
        write(tmp_path / "other" / "a.md", "# A\n")
        assert ingest_documents(bronze, "acme", tmp_path / "other", now=now).deleted == 0
        assert ingest_documents(bronze, "acme", tmp_path / "other", now=now, source=f"folder:{folder}").deleted == 3
        assert {row["tenant_id"] for row in rows(bronze) if row["deleted"]} == {"acme"}

    def test_an_emptied_folder_is_not_believed(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        ingest_documents(bronze, "acme", folder, now=now)
        before = versions(bronze)
        for file in [file for file in folder.rglob("*") if file.is_file()]:
            file.unlink()
        write(folder / "left.png", b"\x89PNG")
        with pytest.raises(WouldDeleteEverything, match=r"3 documents were ingested from it: .*--allow-empty"):
            ingest_documents(bronze, "acme", folder, now=now)
        assert versions(bronze) == before
        assert ingest_documents(bronze, "acme", folder, now=now, allow_empty=True).deleted == 3
        assert ingest_documents(bronze, "acme", folder, now=now) == IngestSummary("documents", ignored=1)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("name", "content", "code", "reason"),
        [
            ("a.md", b"", "empty", "the file is empty"),
            ("a.md", b"\n \n", "empty", "the file holds nothing but white space"),
            ("a.md", b"\x89PNG\r\n\x1a\n\x00\x00", "binary", "its name promises text, but it is a PNG picture"),
            ("a.txt", b"caf\xe9", "not_utf8", "byte 3 (0xe9) is not UTF-8 text: save the file as UTF-8"),
            ("a.pdf", b"%PDF-1.4 cut off", "corrupt_pdf", "the PDF cannot be opened"),
            ("a.html", b"<script>x()</script>", "no_text", "the page holds no text to read"),
            ("a.md", b"---\nversion: 1: 2\n---\nText", "bad_front_matter", "the front matter is not YAML (line 2:"),
            ("a.md", b"x" * 20_000_001, "too_large", "the file has 20.0 MB and at most 20 MB are read: split it"),
        ],
    )
    def test_each_bad_file_is_kept_with_its_reason_and_the_rest_goes_on(
        self, name: str, content: bytes, code: str, reason: str, bronze: Bronze, folder: Path, now: datetime
    ) -> None:
        write(folder / "bad" / name, content)
        summary = ingest_documents(bronze, "acme", folder, now=now)
        assert (summary.read, summary.landed, summary.quarantined, summary.reasons) == (4, 3, 1, {code: 1})
        (row,) = list_refused(bronze, "acme")
        assert (row["path"], row["code"], row["stage"], row["record"]) == (f"bad/{name}", code, "documents", None)
        assert row["reason"].startswith(reason)
        assert (row["raw_size"], row["recorded_at"], row["source"]) == (len(content), now, f"folder:{folder}")
        assert bronze.objects.get("acme", row["raw_sha256"]) == content

    def test_an_encrypted_pdf_is_refused(
        self, bronze: Bronze, folder: Path, encrypted_pdf: bytes, now: datetime
    ) -> None:
        write(folder / "secret.pdf", encrypted_pdf)
        assert ingest_documents(bronze, "acme", folder, now=now).reasons == {"encrypted_pdf": 1}

    def test_a_file_of_exactly_twenty_megabytes_is_read(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        write(tmp_path / "big" / "a.txt", b"x" * 20_000_000)
        assert ingest_documents(bronze, "acme", tmp_path / "big", now=now).landed == 1

    def test_a_bad_file_is_recorded_once_but_reported_each_time(
        self, bronze: Bronze, folder: Path, now: datetime
    ) -> None:
        write(folder / "bad.md", b"")
        for _ in range(3):
            assert ingest_documents(bronze, "acme", folder, now=now).reasons == {"empty": 1}
        assert len(list_refused(bronze, "acme")) == 1
        write(folder / "bad.md", b"\xff")
        ingest_documents(bronze, "acme", folder, now=now)
        write(folder / "bad.md", b"\xfe")
        ingest_documents(bronze, "acme", folder, now=now)
        assert [row["code"] for row in list_refused(bronze, "acme")] == ["empty", "not_utf8", "not_utf8"]

    def test_only_bad_files_leave_no_manifest(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        write(tmp_path / "bad" / "a.md", b"")
        assert ingest_documents(bronze, "acme", tmp_path / "bad", now=now).landed == 0
        assert bronze.version("documents") is None

    def test_a_link_into_nothing_and_a_pipe_do_not_stop_it(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        (folder / "gone.md").symlink_to(folder / "nowhere.md")
        os.mkfifo(folder / "pipe.md")
        assert ingest_documents(bronze, "acme", folder, now=now) == IngestSummary("documents", read=3, landed=3)


class TestWhatIsRead:
    def test_hidden_files_and_other_types_are_passed_over(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        write(folder / ".git" / "HEAD.md", "ref")
        write(folder / ".hidden.md", "x")
        write(folder / "picture.png", b"\x89PNG")
        write(folder / "data.json", "{}")
        assert ingest_documents(bronze, "acme", folder, now=now) == IngestSummary(
            "documents", read=3, landed=3, ignored=2
        )

    def test_a_hidden_document_is_read_for_as_long_as_a_page_includes_it(
        self, bronze: Bronze, folder: Path, now: datetime
    ) -> None:
        page = write(folder / "guide" / "limits.md", '# Limits\n\n--8<-- ".snippets/limits.md"\n')
        write(folder / ".snippets" / "limits.md", "At most 7 bar.\n\n{% include deeper.md %}\n")
        write(folder / ".snippets" / "_includes" / "deeper.md", "Never more.\n")
        write(folder / ".snippets" / "other.md", "Nobody includes it.\n")
        assert ingest_documents(bronze, "acme", folder, now=now).landed == 6
        held = {row["path"]: text_of(bronze, row) for row in rows(bronze)}
        assert held[".snippets/limits.md"].startswith("At most 7 bar.")
        assert held[".snippets/_includes/deeper.md"] == "Never more.\n"
        assert ".snippets/other.md" not in held
        page.write_text("# Limits\n\nNone.\n")
        summary = ingest_documents(bronze, "acme", folder, now=now + timedelta(1))
        assert (summary.landed, summary.deleted) == (1, 2)
        gone = {row["path"] for row in rows(bronze) if row["deleted"]}
        assert gone == {".snippets/limits.md", ".snippets/_includes/deeper.md"}

    @pytest.mark.parametrize(
        "name", [".git/notes.md", ".venv/lib/readme.md", ".github/node_modules/a.md", ".env", ".hidden/picture.png"]
    )
    def test_what_is_nobodys_page_is_not_read_although_one_names_it(
        self, bronze: Bronze, folder: Path, now: datetime, name: str
    ) -> None:
        write(folder / name, "x")
        write(folder / "page.md", f'--8<-- "{name}"\n')
        assert ingest_documents(bronze, "acme", folder, now=now).landed == 4

    def test_a_hidden_link_that_leaves_the_folder_is_not_followed(
        self, bronze: Bronze, folder: Path, tmp_path: Path, now: datetime
    ) -> None:
        write(tmp_path / "secrets" / "key.md", "secret")
        (folder / ".snippets").symlink_to(tmp_path / "secrets")
        write(folder / "page.md", '--8<-- "key.md"\n\n{!../secrets/key.md!}\n')
        assert ingest_documents(bronze, "acme", folder, now=now).landed == 4

    def test_a_file_of_another_type_that_is_named_is_refused(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        summary = ingest_documents(bronze, "acme", write(folder / "data.json", "{}"), now=now)
        assert summary.reasons == {"unsupported_type": 1}
        assert "use .htm, .html, .markdown, .md" in summary.refused[0].reason

    def test_a_link_that_leaves_the_folder_is_not_followed(
        self, bronze: Bronze, folder: Path, tmp_path: Path, now: datetime
    ) -> None:
        write(tmp_path / "secrets" / "key.txt", "secret")
        (folder / "key.txt").symlink_to(tmp_path / "secrets" / "key.txt")
        (folder / "all").symlink_to(tmp_path / "secrets")
        (folder / "same.txt").symlink_to(folder / "notes.txt")
        ingest_documents(bronze, "acme", folder, now=now)
        assert "key.txt" not in {Path(row["path"]).name for row in rows(bronze)}
        assert "same.txt" in {row["path"] for row in rows(bronze)}

    def test_a_file_name_that_is_no_utf8_is_shown_with_its_odd_bytes(
        self, bronze: Bronze, folder: Path, now: datetime
    ) -> None:
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.md")).write_text("# C\n")
        ingest_documents(bronze, "acme", folder, now=now)
        assert "caf\\xe9.md" in {row["path"] for row in rows(bronze)}

    def test_a_missing_path_is_one_clear_line(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        with pytest.raises(MissingPath, match="does not exist: give the path"):
            ingest_documents(bronze, "acme", tmp_path / "nowhere", now=now)

    def test_a_kind_that_nobody_knows_is_misuse(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        with pytest.raises(Misused, match="'poem' is no kind of document: use one of manual"):
            ingest_documents(bronze, "acme", folder, now=now, kind="poem")

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("runbooks/alerts/x.md", "runbook"),
            ("docs/Runbook-pump.md", "runbook"),
            ("docs/release-notes-2.0.md", "release_note"),
            ("docs/CHANGELOG.md", "release_note"),
            ("releases/guide.md", "manual"),
            ("docs/guide.md", "manual"),
        ],
    )
    def test_the_kind_is_told_by_names(self, path: str, kind: str) -> None:
        assert kind_of(path) == kind

    def test_the_folder_itself_has_a_name_that_tells(self, bronze: Bronze, tmp_path: Path, now: datetime) -> None:
        write(tmp_path / "runbooks" / "pump.md", "# Pump\n")
        ingest_documents(bronze, "acme", tmp_path / "runbooks", now=now)
        assert [row["kind"] for row in rows(bronze)] == ["runbook"]

    def test_progress_is_told_file_by_file(self, bronze: Bronze, folder: Path, now: datetime) -> None:
        told: list[tuple[int, int]] = []
        ingest_documents(bronze, "acme", folder, now=now, progress=lambda done, total: told.append((done, total)))
        assert told == [(1, 3), (2, 3), (3, 3)]


def test_two_ingests_at_the_same_time_land_each_version_once(
    bronze: Bronze, folder: Path, tmp_path: Path, now: datetime
) -> None:
    for number in range(10):
        write(folder / f"{number}.md", f"# {number}\n")
    write(folder / "bad.md", b"")

    def ingest(_: int) -> int:
        mine = Bronze(bronze.url, open_objects(bronze.url))
        return ingest_documents(mine, "acme", folder, now=now).landed

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ingest, range(4))) == [0, 0, 0, 13]
    paths = [row["path"] for row in rows(bronze)]
    assert len(paths) == len(set(paths)) == 13
    assert len(list_refused(bronze, "acme")) == 1


def test_real_manuals_land_whole_and_once(bronze: Bronze, shared_data: Path, now: datetime) -> None:
    for folder in ("docs/manuals-pdf", "runbooks"):
        first = ingest_documents(bronze, "public", shared_data / folder, now=now)
        assert first.read == first.landed + first.quarantined
        assert first.landed > 0
        assert ingest_documents(bronze, "public", shared_data / folder, now=now).unchanged == first.landed
    for row in rows(bronze):
        assert text_of(bronze, row).strip()
