"""Objects in S3 or anything that speaks it. Endpoint, region and credentials come from the standard AWS_* settings."""

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lakehouse.errors import IotopsError, ObjectStoreUnavailable, Refused, UnknownObject
from lakehouse.objects import check_hash, hash_file, object_key
from lakehouse.s3_patience import Patience

Result = TypeVar("Result")
Named = dict[str, Any]
ABSENT = frozenset({"404", "NoSuchKey"})  # a missing bucket is another matter: then the store is misconfigured
ALREADY_THERE = frozenset({"412", "PreconditionFailed"})
ALREADY_COMPLETED = ALREADY_THERE | {"404", "NoSuchUpload"}
BEYOND_THE_END = frozenset({"416", "InvalidRange"})
UNANSWERED: Final = (ClientError, BotoCoreError, ResponseParserError)
PATIENT: Final = Patience()
# Larger bodies are sent in parts of that size, each of them again where it fails. S3 takes 10,000 parts: 156 GiB.
PART: Final = 16 << 20


class S3Store:
    """Objects below `s3://bucket/prefix`, written with `If-None-Match: *` so that none is ever written twice.

    Where a store ignores the condition, an object may be written twice, with the same bytes: its hash is its name.
    """

    def __init__(self, bucket: str, prefix: str, *, patience: Patience = PATIENT, part: int = PART) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self._patience = patience
        self._part = part
        self._session = boto3.Session()
        self._client = self._session.client("s3", config=patience.client_config())

    def put(self, tenant_id: str, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self._put(self._key(tenant_id, sha256), sha256, io.BytesIO(data))
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
        self._put(f"{self.prefix}{path}", hashlib.sha256(data).hexdigest(), io.BytesIO(data))

    def delta_options(self) -> dict[str, str]:
        """delta-rs knows no profiles, and speaks plain HTTP and commits safely only where it is told to."""
        endpoint = self._client.meta.endpoint_url
        options = {
            "aws_endpoint_url": endpoint,
            "aws_region": self._client.meta.region_name or "us-east-1",
            "aws_conditional_put": "etag",
            "aws_allow_http": str(endpoint.startswith("http://")).lower(),
            **self._patience.delta_options(),
        }
        if credentials := self._session.get_credentials():
            keys = credentials.get_frozen_credentials()
            options |= {"aws_access_key_id": str(keys.access_key), "aws_secret_access_key": str(keys.secret_key)}
            options |= {"aws_session_token": keys.token} if keys.token else {}
        return options

    def _key(self, tenant_id: str, sha256: str) -> str:
        return self.prefix + object_key(tenant_id, sha256)

    def _exists(self, key: str) -> bool:
        return self._length(key) is not None

    def _length(self, key: str) -> int | None:
        """In bytes; None where there is no such object."""
        with self._reaching():
            try:
                return int(self._ask(self._client.head_object, Key=key)["ContentLength"])
            except ClientError as error:
                if _code(error) not in ABSENT:
                    raise
                return None

    def _put(self, key: str, sha256: str, body: IO[bytes]) -> None:
        size = body.seek(0, io.SEEK_END)
        body.seek(0)
        if (there := self._length(key)) == size:  # saves sending the bytes; the condition keeps two writers apart
            return
        # Of another length: what a server that was killed left of it, where it does not write beside the place.
        condition = {} if there is not None else {"IfNoneMatch": "*"}
        first = body.read(self._part)
        with self._reaching():
            if len(first) < self._part:
                self._put_whole(key, sha256, first, condition)
            else:
                self._put_in_parts(key, sha256, _parts(first, body, self._part), condition)

    def _put_whole(self, key: str, sha256: str, data: bytes, condition: Named) -> None:
        """The store checks the bytes against the hash that it is told, too."""
        digest = _digest(data)
        _check_unchanged(sha256, base64.b64decode(digest).hex())
        try:
            self._ask(self._client.put_object, Key=key, Body=data, ChecksumSHA256=digest, **condition)
        except ClientError as error:
            # Another writer's, or our own, whose answer was lost.
            if _code(error) not in ALREADY_THERE:
                raise

    def _put_in_parts(self, key: str, sha256: str, parts: Iterator[bytes], condition: Named) -> None:
        upload = self._ask(self._client.create_multipart_upload, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
        named: Named = {"Bucket": self.bucket, "Key": key, "UploadId": upload}
        hashed, sent, length = hashlib.sha256(), [], 0
        try:
            for number, data in enumerate(parts, start=1):
                hashed.update(data)
                length += len(data)
                part = {"PartNumber": number, "ChecksumSHA256": _digest(data)}
                sent.append(part | {"ETag": self._ask(self._client.upload_part, Body=data, **part, **named)["ETag"]})
            _check_unchanged(sha256, hashed.hexdigest())
            self._complete(length, {"MultipartUpload": {"Parts": sent}, **named, **condition})
        except (*UNANSWERED, IotopsError):
            self._abort(named)
            raise

    def _complete(self, length: int, named: Named) -> None:
        try:
            self._ask(self._client.complete_multipart_upload, **named)
        except ClientError as error:
            # An upload whose completion was not answered is gone when it is asked for again, and the object there.
            if _code(error) not in ALREADY_COMPLETED or self._length(named["Key"]) != length:
                raise
            self._abort({name: named[name] for name in ("Bucket", "Key", "UploadId")})

    def _abort(self, named: Named) -> None:
        """Parts that stay behind cost room, nothing else: a rule of the bucket takes them. So it is asked once."""
        with suppress(*UNANSWERED):
            self._client.abort_multipart_upload(**named)

    def _read(self, tenant_id: str, sha256: str, span: str) -> bytes:
        def read(**arguments: Any) -> bytes:
            answer = self._client.get_object(**arguments)
            data: bytes = answer["Body"].read()  # may break off, and is then asked for again
            return data

        with self._reaching():
            try:
                return self._ask(read, Key=self._key(tenant_id, sha256), Range=span)
            except ClientError as error:
                if _code(error) in BEYOND_THE_END:
                    return b""
                if _code(error) in ABSENT:
                    raise UnknownObject(tenant_id, sha256) from error
                raise

    def _ask(self, call: Callable[..., Result], **arguments: Any) -> Result:
        return self._patience.ask(lambda: call(**{"Bucket": self.bucket, **arguments}))

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except UNANSWERED as error:
            raise ObjectStoreUnavailable(f"s3://{self.bucket}", error) from error


def _parts(first: bytes, rest: IO[bytes], size: int) -> Iterator[bytes]:
    yield first
    while data := rest.read(size):
        yield data


def _check_unchanged(sha256: str, read: str) -> None:
    if sha256 != read:
        raise Refused(f"the file of {sha256} changed while it was read: ingest it again when nothing writes to it")


def _digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
