from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from lakehouse.connectors import s3_prefix
from lakehouse.connectors.origins import Site, Target, from_s3
from lakehouse.errors import MissingPath, Misused, OriginUnavailable, WouldDeleteEverything
from lakehouse.quarantine import list_refused
from lakehouse.summary import IngestSummary
from tests.website import Served, website

Rows = Callable[[], list[dict[str, Any]]]


class Bucket:
    def __init__(self, url: str) -> None:
        self.name = url.removeprefix("s3://").split("/")[0]
        self.url = f"s3://{self.name}/docs"
        self.client = boto3.client("s3")

    def put(self, key: str, content: str | bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)


@pytest.fixture
def bucket(s3_url: str) -> Bucket:
    """Two documents below docs/, and what is none of them."""
    bucket = Bucket(s3_url)
    bucket.put("docs/guide/install.md", "# Install\n\nTurn the valve.\n")
    bucket.put("docs/notes.txt", "Plain words.\n")
    bucket.put("docs/picture.png", b"\x89PNG")
    bucket.put("docs/.hidden.md", "x")
    bucket.put("docs/empty/", "")
    bucket.put("docs-of-others/x.md", "# X\n")
    return bucket


def test_a_prefix_lands_like_a_folder(here: Site, target: Target, bucket: Bucket, rows: Rows) -> None:
    assert from_s3(here, target, bucket.url + "/") == IngestSummary("documents", read=2, landed=2, ignored=1)
    assert [(row["source"], row["path"], row["product"]) for row in rows()] == [
        (bucket.url, "guide/install.md", "P"),
        (bucket.url, "notes.txt", "P"),
    ]
    assert from_s3(here, target, bucket.url) == IngestSummary("documents", unchanged=2, ignored=1)


def test_edits_and_deletions_arrive(here: Site, target: Target, bucket: Bucket, rows: Rows) -> None:
    from_s3(here, target, bucket.url)
    bucket.put("docs/notes.txt", "Other words.\n")
    bucket.delete("docs/guide/install.md")
    assert from_s3(here, target, bucket.url) == IngestSummary("documents", read=1, landed=1, deleted=1, ignored=1)
    assert [(row["path"], row["deleted"]) for row in rows()][2:] == [("guide/install.md", True), ("notes.txt", False)]


def test_one_object_says_nothing_about_the_others(here: Site, target: Target, bucket: Bucket, rows: Rows) -> None:
    summary = from_s3(here, target, f"{bucket.url}/guide/install.md")
    assert summary == IngestSummary("documents", read=1, landed=1)
    bucket.put("docs/guide/install.md", "# Install\n\nTwice.\n")
    assert from_s3(here, target, f"{bucket.url}/guide/install.md").landed == 1
    assert [row["path"] for row in rows()] == ["install.md", "install.md"]


def test_a_bad_object_is_kept_in_quarantine(here: Site, target: Target, bucket: Bucket) -> None:
    bucket.put("docs/latin.txt", b"caf\xe9")
    bucket.put("docs/big.txt", b"x" * 20_000_001)
    assert from_s3(here, target, bucket.url).reasons == {"not_utf8": 1, "too_large": 1}
    held = {row["path"]: row["raw_sha256"] for row in list_refused(here.bronze, "default")}
    assert here.bronze.objects.get("default", held["latin.txt"]) == b"caf\xe9"


def test_an_emptied_prefix_is_not_believed(here: Site, target: Target, bucket: Bucket, rows: Rows) -> None:
    from_s3(here, target, bucket.url)
    bucket.delete("docs/guide/install.md")
    bucket.delete("docs/notes.txt")
    with pytest.raises(WouldDeleteEverything, match="--allow-empty"):
        from_s3(here, target, bucket.url)
    assert from_s3(replace(here, allow_empty=True), target, bucket.url).deleted == 2


def test_a_cursor_that_is_older_than_the_bronze_or_lost_costs_reading_and_no_more(
    here: Site, target: Target, bucket: Bucket, rows: Rows
) -> None:
    from_s3(here, target, bucket.url)
    bucket.delete("docs/notes.txt")
    assert from_s3(replace(here, again=True), target, bucket.url) == IngestSummary(
        "documents", read=1, unchanged=1, deleted=1, ignored=1
    )


def test_the_cursor_moves_a_part_at_a_time(
    here: Site, target: Target, bucket: Bucket, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_prefix, "MOST_LISTED", 3)
    for number in range(7):
        bucket.put(f"docs/{number}.md", f"# {number}\n")
    assert from_s3(here, target, bucket.url) == IngestSummary("documents", read=9, landed=9, ignored=1)
    assert len({row["bronze_version"] for row in rows()}) == 3
    assert from_s3(here, target, bucket.url).unchanged == 9


def test_a_bucket_that_is_not_there_is_one_clear_line(here: Site, target: Target, s3_url: str) -> None:
    with pytest.raises(MissingPath, match="s3://no-such-bucket-here/docs"):
        from_s3(here, target, "s3://no-such-bucket-here/docs")
    with pytest.raises(Misused, match="write it as s3://bucket/prefix"):
        from_s3(here, target, "s3:///docs")


def test_a_store_that_is_busy_is_asked_again_and_given_up_in_the_end(
    here: Site, target: Target, s3_url: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = b"""<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents>
    <Key>docs/a.md</Key><ETag>"1"</ETag><Size>4</Size></Contents></ListBucketResult>"""
    with website() as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        path = "/b?list-type=2&prefix=docs%2F&encoding-type=url"
        store.put(path, listing, "application/xml")
        store.put("/b/docs/a.md", "# A\n", "text/plain")
        store.first(path, Served(status=503, headers={"Retry-After": "4"}), Served(status=500))
        assert from_s3(here, target, "s3://b/docs").landed == 1
        assert waits == [4.0, 1.0]
        store.put(path, listing.replace(b'"1"', b'"2"'), "application/xml")
        store.first("/b/docs/a.md", *[Served(b"# ", behaviour="reset")] * 3)
        with pytest.raises(OriginUnavailable, match="s3://b/docs does not answer"):
            from_s3(here, target, "s3://b/docs")
        store.put("/b/docs/a.md", "# B\n", "text/plain")
        assert from_s3(here, target, "s3://b/docs").landed == 1
