"""Bronze in a folder, and in an S3 that answers over HTTP from a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from lakehouse.bronze import Bronze
from lakehouse.objects import open_objects


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    # In a thread of this process it would wait for ever: delta-rs holds the GIL while it plans a read.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        endpoint = f"http://127.0.0.1:{port}"
        _wait_for(endpoint, server)
        yield endpoint
        server.kill()


def _wait_for(endpoint: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2]))):
                return
        except OSError:
            continue
    raise RuntimeError("the S3 server for tests did not start")


@pytest.fixture
def s3_url(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, reached as anyone would reach it: by the standard AWS_* variables."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    bucket = f"bronze-{uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/fleet"


@pytest.fixture(params=["folder", "s3"])
def bronze_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return (tmp_path / "bronze").as_uri()
    return str(request.getfixturevalue("s3_url"))


@pytest.fixture
def anywhere(bronze_url: str) -> Bronze:
    """Each test that asks for this runs twice: over a folder, and over S3."""
    return Bronze(bronze_url, open_objects(bronze_url))


@pytest.fixture
def bronze(tmp_path: Path) -> Bronze:
    url = (tmp_path / "bronze").as_uri()
    return Bronze(url, open_objects(url))


def build_pdf(
    *pages: str, title: str = "", trailer: str = "", content: bytes | None = None, filters: str = ""
) -> bytes:
    """A PDF of one Helvetica text a page; `content` stands for the first page's drawing commands as they are."""
    streams = [f"BT /F1 12 Tf 72 700 Td ({page}) Tj ET".encode() if page else b"0 0 m 9 9 l S" for page in pages]
    if content is not None:
        streams[0] = content
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, stream in enumerate(streams):
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R"
        objects.append(f"{page} /Resources << /Font << /F1 3 0 R >> >> >>".encode())
        objects.append(f"<< /Length {len(stream)} {filters} >>\nstream\n".encode() + stream + b"\nendstream")
    objects.append(f"<< /Title ({title}) >>".encode())
    body = b"%PDF-1.4\n" + b"".join(b"%d 0 obj\n%b\nendobj\n" % pair for pair in enumerate(objects, start=1))
    return body + f"trailer << /Root 1 0 R /Info {len(objects)} 0 R {trailer} >>\n%%EOF\n".encode()


@pytest.fixture(scope="session")
def pdf() -> Callable[..., bytes]:
    return build_pdf


@pytest.fixture(scope="session")
def encrypted_pdf() -> bytes:
    keys = f"/O <{'00' * 32}> /U <{'11' * 32}>"
    return build_pdf("secret", trailer=f"/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 {keys} >>")
