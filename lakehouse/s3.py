"""Objects in S3 or anything that speaks it. Endpoint, region and credentials come from the standard AWS_* settings."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.errors import ObjectStoreUnavailable, UnknownObject
from lakehouse.objects import check_hash, hash_file, object_key

ABSENT = frozenset({"404", "NoSuchKey"})  # a missing bucket is another matter: then the store is misconfigured
ALREADY_THERE = frozenset({"412", "PreconditionFailed"})
BEYOND_THE_END = frozenset({"416", "InvalidRange"})

# By default delta-rs tries for three minutes to reach an endpoint that is down.
GIVING_UP = {"connect_timeout": "5s", "timeout": "60s", "max_retries": "3", "retry_timeout": "15s"}


class S3Store:
    """Objects below `s3://bucket/prefix`, written with `If-None-Match: *` so that none is ever written twice."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self._session = boto3.Session()
        config = Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 3, "mode": "standard"})
        self._client = self._session.client("s3", config=config)

    def put(self, tenant_id: str, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self._put(self._key(tenant_id, sha256), sha256, data)
        return sha256

    def put_file(self, tenant_id: str, path: Path) -> str:
        sha256 = hash_file(path)
        with path.open("rb") as file:
            self._put(self._key(tenant_id, sha256), sha256, file)
        return sha256

    def get(self, tenant_id: str, sha256: str, start: int = 0, end: int | None = None) -> bytes:
        key = self._key(tenant_id, sha256)
        if start == 0 and end is None:
            data = self._read(tenant_id, sha256, "bytes=0-")
            return check_hash(sha256, data, f"s3://{self.bucket}/{key}")
        if end is not None and end <= start:
            return b""
        return self._read(tenant_id, sha256, f"bytes={start}-{'' if end is None else end - 1}")

    def exists(self, tenant_id: str, sha256: str) -> bool:
        return self._exists(self._key(tenant_id, sha256))

    def put_part(self, path: str, data: bytes | memoryview) -> None:
        digest = hashlib.sha256(data).hexdigest()
        self._put(f"{self.prefix}{path}", digest, bytes(data))

    def delta_options(self) -> dict[str, str]:
        """delta-rs knows no profiles, and speaks plain HTTP and commits safely only where it is told to."""
        endpoint = self._client.meta.endpoint_url
        options = {
            "aws_endpoint_url": endpoint,
            "aws_region": self._client.meta.region_name or "us-east-1",
            "aws_conditional_put": "etag",
            "aws_allow_http": str(endpoint.startswith("http://")).lower(),
            **GIVING_UP,
        }
        if credentials := self._session.get_credentials():
            keys = credentials.get_frozen_credentials()
            options |= {"aws_access_key_id": str(keys.access_key), "aws_secret_access_key": str(keys.secret_key)}
            options |= {"aws_session_token": keys.token} if keys.token else {}
        return options

    def _key(self, tenant_id: str, sha256: str) -> str:
        return self.prefix + object_key(tenant_id, sha256)

    def _exists(self, key: str) -> bool:
        with self._reaching():
            try:
                self._client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if _code(error) not in ABSENT:
                    raise
                return False
        return True

    def _put(self, key: str, sha256: str, body: bytes | IO[bytes]) -> None:
        """The store checks the bytes against the hash that names them, so a file that grows meanwhile is refused."""
        if self._exists(key):  # saves sending the bytes; the condition below is what keeps two writers apart
            return
        digest = base64.b64encode(bytes.fromhex(sha256)).decode()
        with self._reaching():
            try:
                self._client.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*", ChecksumSHA256=digest)
            except ClientError as error:
                if _code(error) not in ALREADY_THERE:
                    raise

    def _read(self, tenant_id: str, sha256: str, span: str) -> bytes:
        with self._reaching():
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=self._key(tenant_id, sha256), Range=span)
                return answer["Body"].read()
            except ClientError as error:
                if _code(error) in BEYOND_THE_END:
                    return b""
                if _code(error) in ABSENT:
                    raise UnknownObject(tenant_id, sha256) from error
                raise

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise ObjectStoreUnavailable(f"s3://{self.bucket}", error) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
