"""The documents below `s3://bucket/prefix`. Endpoint, region and credentials come from the standard AWS_* settings."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NotConnected

from lakehouse.connectors.protocol import Change, Changes
from lakehouse.connectors.retrying import TRANSIENT_STATUS, Patience, Transient, ask, seconds_to_wait
from lakehouse.errors import BadRecord, MissingPath, Misused, OriginUnavailable
from lakehouse.sources.documents import LARGEST, media_type
from lakehouse.sources.files import too_large

Result = TypeVar("Result")
MOST_LISTED: Final = 5_000  # changes a listing; the cursor moves after each, and listing again costs a request a 1,000
SLOW_DOWN = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestLimitExceeded"})
NO_SUCH_PLACE = frozenset({"NoSuchBucket", "404"})
BROKEN = (HTTPClientError, NotConnected, IncompleteReadError)


class S3Prefix:
    """One object where the URL names a document, else all documents below it. Its cursor: ETag and size of each."""

    def __init__(self, url: str, *, now: datetime, patience: Patience, source: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise Misused(f"'{url}' is no S3 prefix: write it as s3://bucket/prefix")
        self.bucket, self.key = parts.netloc, parts.path.strip("/")
        self.url = f"s3://{self.bucket}/{self.key}".rstrip("/")
        self.source = source or self.url
        self._now, self._patience = now, patience
        self._listed: set[str] = set()
        config = Config(connect_timeout=10, read_timeout=60, retries={"total_max_attempts": 1})
        self._client = boto3.client("s3", config=config)

    def list_changes(self, cursor: str | None) -> Changes:
        before: Mapping[str, str] = json.loads(cursor) if cursor else {}
        found, is_object = self._list()
        stamps = {name: entry.stamp for name, entry in found.items() if media_type(name)}
        differing = sorted(name for name, stamp in stamps.items() if before.get(name) != stamp)
        later = set(differing[MOST_LISTED:])
        unchanged = stamps.keys() - set(differing) - self._listed
        self._listed |= set(differing)
        covered = {name: stamp for name, stamp in stamps.items() if name not in later}
        return Changes(
            [Change(name, facts={"key": found[name].key}) for name in differing[:MOST_LISTED]],
            cursor=json.dumps({**{name: before[name] for name in later if name in before}, **covered}),
            more=bool(later),
            present=None if is_object else stamps.keys(),
            unchanged=0 if later else len(unchanged),
            ignored=0 if later else len(found) - len(stamps),
        )

    def fetch(self, change: Change) -> bytes:
        """An object that nobody lets us read is refused; the others are read."""
        key = change.facts["key"]
        try:
            return self._ask(lambda: self._read(key))
        except ClientError as error:
            reason = f"s3://{self.bucket}/{key} cannot be read ({_one_line(error)}): check its permissions"
            raise BadRecord("unreadable", reason) from error

    def _read(self, key: str) -> bytes:
        answer = self._client.get_object(Bucket=self.bucket, Key=key)
        body = answer["Body"]
        try:  # as a context it would hand out what is below it, whose errors are not botocore's
            if (size := answer["ContentLength"]) > LARGEST:
                raise too_large(size, LARGEST)
            data: bytes = body.read()
        finally:
            body.close()
        return data

    def _list(self) -> tuple[dict[str, "_Entry"], bool]:
        """By name, and whether it is one object that the URL names; hidden ones are left out as in a folder."""
        try:
            entries, is_object = self._ask(self._list_all)
        except ClientError as error:
            if _code(error) in NO_SUCH_PLACE:
                raise MissingPath(self.url) from error
            raise OriginUnavailable(self.url, error) from error
        shown = [entry for entry in entries if not re.search(r"(?:^|/)\.|\x00|/$", entry.name)]
        return {entry.name: entry for entry in shown}, is_object

    def _list_all(self) -> tuple[list["_Entry"], bool]:
        """One object that is named wins over a prefix of the same name."""
        if media_type(self.key):
            listed = self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.key, MaxKeys=1).get("Contents", ())
            if exact := [_entry(one, self.key.rpartition("/")[0]) for one in listed if one["Key"] == self.key]:
                return exact, True
        prefix = f"{self.key}/" if self.key else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [_entry(one, self.key) for page in pages for one in page.get("Contents", ())], False

    def _ask(self, call: Callable[[], Result]) -> Result:
        return ask(lambda: self._reaching(call), self.url, self._patience)

    def _reaching(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except BROKEN as error:
            raise Transient(error) from error
        except ClientError as error:
            answer: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
            if answer.get("HTTPStatusCode") in TRANSIENT_STATUS or _code(error) in SLOW_DOWN:
                header = answer.get("HTTPHeaders", {}).get("retry-after")
                raise Transient(_one_line(error), seconds_to_wait(header, self._now)) from error
            raise
        except BotoCoreError as error:  # no credentials, no region: nothing that waiting would mend
            raise OriginUnavailable(self.url, error) from error


@dataclass(frozen=True)
class _Entry:
    name: str
    key: str
    stamp: str


def _entry(listed: Mapping[str, Any], below: str) -> _Entry:
    key = listed["Key"]
    return _Entry(key[len(below) + 1 if below else 0 :], key, f"{listed['ETag']} {listed['Size']}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
