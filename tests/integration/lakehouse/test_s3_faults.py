"""Bronze in an S3 whose requests are struck: nothing acknowledged is lost, nothing is there twice, nothing hangs."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest

from lakehouse.bronze import TABLES, Bronze
from lakehouse.errors import ObjectStoreUnavailable, Refused
from lakehouse.s3 import PATIENT, S3Store
from lakehouse.s3_patience import Patience
from tests.crashing import NOW, rows
from tests.fault_proxy import Chance, FaultProxy, Strike, fault_proxy
from tests.s3_client import PART, Client

SEED = 20261101
HASTY = Patience(connecting=1.0, answer=0.4, asks_until=0.5, first_pause=0.02)
QUICK = Patience(first_pause=0.02)
# Every kind of request that our code makes, by what it is about.
WRITING = {"HEAD object", "PUT object"} | {
    f"{verb} object" for verb in ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
}
LANDING = {"GET log", "LIST log", "PUT log", "HEAD part", "PUT part"}
READING = {"GET object", "GET part"}
CARE = {"LIST part", "DeleteObjects part", "HEAD log"}
PASSING = ("429", "500", "503", "untold", "slow")  # asked again below us, whatever the request
BROKEN = ("reset", "lost", "cut")  # a conditional PUT of delta-rs is not sent again after these


@pytest.fixture(scope="module")
def proxy(s3_endpoint: str) -> Iterator[FaultProxy]:
    with fault_proxy(s3_endpoint) as running:
        yield running


@pytest.fixture
def client_with(
    s3_url: str, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Patience], Client]]:
    """A client whose requests go through the proxy, before which two commits were made."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)

    def create(patience: Patience) -> Client:
        bucket = s3_url.removeprefix("s3://").partition("/")[0]
        store = S3Store(bucket, "fleet", patience=patience, part=PART)
        client = Client(Bronze(s3_url, store), tmp_path, random.Random(SEED))  # noqa: S311
        client.append()
        client.append()
        assert client.refusals == []
        proxy.strike()
        return client

    yield create
    proxy.strike()


@pytest.mark.parametrize("fault", [*PASSING, *BROKEN, "late"])
def test_a_fault_of_any_kind_in_a_request_of_any_kind(
    client_with: Callable[[Patience], Client], proxy: FaultProxy, fault: str
) -> None:
    """Each step is made while the first request of each kind is struck; a commit also while the second is."""
    client = client_with(HASTY if fault == "late" else QUICK)
    struck = set()

    def step(call: Callable[[], None], *strikes: Strike) -> None:
        proxy.strike(*strikes)
        call()
        struck.update(asked.operation for asked in proxy.strike() if asked.fault)

    step(lambda: client.put(300), Strike(fault))
    step(lambda: client.put(11_000_000), Strike(fault))
    # Where delta-rs does not ask again, the first request that is struck is the last: the next try meets the others.
    for kinds, call in ((LANDING, client.append), (READING, client.read), (CARE, client.care)):
        for _ in kinds:
            if kinds - struck:
                step(call, *(Strike(fault, operation) for operation in kinds - struck))
    step(client.append, Strike(fault, nth=2))
    assert struck >= WRITING | LANDING | READING | CARE
    refused = {what for what, _ in client.refusals}
    if fault in PASSING:
        assert refused == set()
    elif fault in BROKEN:
        assert not refused & {"put", "put_file", "get"}
    client.settle(proxy)


@pytest.mark.parametrize(("fault", "entries"), [("untold", (1, 2, 3)), ("lost", (1,))])
def test_a_commit_of_the_care_whose_answer_is_lost_doubles_and_loses_nothing(
    client_with: Callable[[Patience], Client], proxy: FaultProxy, fault: str, entries: tuple[int, ...]
) -> None:
    """The entry of the compaction, then those with which the vacuum begins and ends."""
    client = client_with(QUICK)
    for nth in entries:
        proxy.strike(Strike(fault, "PUT log", nth))
        client.care()
        assert [asked.fault for asked in proxy.strike() if asked.fault] == [fault]
        client.read()
        client.append()
    client.settle(proxy)


def test_hundreds_of_requests_of_which_one_in_ten_is_struck(
    client_with: Callable[[Patience], Client], proxy: FaultProxy
) -> None:
    client = client_with(QUICK)
    proxy.strike(chance=Chance(SEED, 0.1, [*PASSING, *BROKEN]))
    steps = [client.append, client.append, client.append, client.read, client.care]
    steps += [lambda: client.put(client.dice.randrange(1, 9_000)), lambda: client.put(PART + 1)]
    for _ in range(15):
        client.dice.choice(steps)()
    asked = proxy.strike()
    assert len(asked) > 200
    assert len([one for one in asked if one.fault]) > 20
    client.settle(proxy)


@pytest.mark.parametrize("operation", ["PUT object", "CompleteMultipartUpload object", "PUT log", "PUT part"])
def test_what_a_store_refuses_throughout_is_refused_and_leaves_nothing(
    client_with: Callable[[Patience], Client], proxy: FaultProxy, operation: str
) -> None:
    client = client_with(QUICK)
    before = client.rows()
    proxy.strike(Strike("503", operation, times=10_000))
    if operation in WRITING:
        client.put(200 if operation == "PUT object" else 11_000_000)
    else:
        client.append()
    assert {type(error) for _, error in client.refusals} == {ObjectStoreUnavailable}
    proxy.strike()
    assert client.rows() == before
    assert client.stored() == set()
    client.settle(proxy)


def test_two_writers_whose_commits_are_struck_land_each_row_once(
    client_with: Callable[[Patience], Client], proxy: FaultProxy
) -> None:
    """Both land the same inputs, each in its own order: what one does not hear of, the other finds there."""
    client = client_with(QUICK)
    names = [client.dice.randbytes(32).hex() for _ in range(6)]
    client.names += names
    landed: list[str] = []

    def write(order: list[str]) -> None:
        for name in order:
            try:
                landed.extend(client.bronze.append_missing("telemetry", {name: rows(name, 7)}))
            except ObjectStoreUnavailable:
                continue

    proxy.strike(*(Strike(fault, "PUT log", nth) for nth, fault in enumerate(("untold", "lost", "409", "500") * 3, 1)))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, [names, names[::-1]]))
    assert len([asked for asked in proxy.strike() if asked.fault]) >= 6
    assert len(landed) == len(set(landed)), "two were told that they landed it"
    client.acknowledged |= set(landed)
    client.settle(proxy)


@pytest.mark.parametrize(("fault", "answers"), [("untold", [200, 412]), ("lost", [200])])
def test_a_commit_whose_answer_is_lost_recognises_itself(
    client_with: Callable[[Patience], Client], proxy: FaultProxy, fault: str, answers: list[int]
) -> None:
    """After a 500 it is asked for again, and the store says that there is one already; after silence it looks."""
    client = client_with(PATIENT)
    client.bronze.append("telemetry", rows("b" * 64, 7), ["b" * 64])  # the table is there
    client.names.append("b" * 64)
    proxy.strike(Strike(fault, "PUT log"))
    assert client.bronze.append_missing("telemetry", {"a" * 64: rows("a" * 64, 7)}) == {"a" * 64}
    assert [asked.status for asked in proxy.strike() if asked.operation == "PUT log"] == answers
    client.names.append("a" * 64)
    client.settle(proxy)


def test_bodies_that_delta_sends_in_parts_survive_faults(
    client_with: Callable[[Patience], Client], proxy: FaultProxy
) -> None:
    """Texts that no compression makes small; one compaction writes them as one file."""
    client = client_with(QUICK)

    def message(number: int) -> pa.Table:
        text = client.dice.randbytes(8_000_000).decode("latin-1")
        row = {"tenant_id": "acme", "message_id": str(number), "text": text, "ts": NOW, "object_sha256": "a" * 64}
        return pa.Table.from_pylist([row], TABLES["messages"])

    sent = {str(number): message(number) for number in range(2)}
    for name, rows_of_one in sent.items():
        client.bronze.append("messages", rows_of_one, [name])
    kinds = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
    proxy.strike(*(Strike("503", f"{kind} part") for kind in kinds), Strike("untold", "UploadPart part", nth=3))
    client.care()
    assert {asked.operation.split()[0] for asked in proxy.strike() if asked.fault} == set(kinds)
    found = client.bronze.changes("messages")[0]
    expected = [table["text"][0].as_py() for table in sent.values()]
    assert sorted(found["text"].to_pylist()) == sorted(expected)
    client.settle(proxy)


class TestObjects:
    @pytest.fixture
    def client(self, client_with: Callable[[Patience], Client]) -> Client:
        return client_with(PATIENT)

    def test_a_store_that_wants_to_be_left_alone_for_a_second_is(self, client: Client, proxy: FaultProxy) -> None:
        proxy.strike(Strike("429", "PUT object", retry_after=1))
        started = time.monotonic()
        client.put(10)
        assert client.refusals == []
        assert time.monotonic() - started >= 1
        proxy.strike(Strike("503", "PUT object", retry_after=3600))
        client.put(11)
        assert [what for what, _ in client.refusals] == ["put"]
        assert len([asked for asked in proxy.strike() if asked.operation == "PUT object"]) == 1

    @pytest.mark.parametrize("operation", ["PUT object", "CompleteMultipartUpload object"])
    def test_two_writers_at_once_of_whom_one_is_told_to_try_again(
        self, client: Client, proxy: FaultProxy, operation: str
    ) -> None:
        """S3 answers 409 to conditional writes of the same key that meet."""
        proxy.strike(Strike("409", operation))
        client.put(10)
        client.put(11_000_000)
        assert client.refusals == []
        client.settle(proxy)

    def test_an_upload_that_fails_after_a_good_beginning_is_asked_for_again(
        self, client: Client, proxy: FaultProxy
    ) -> None:
        """S3 answers 200 before it knows."""
        proxy.strike(Strike("200", "CompleteMultipartUpload object"))
        client.put(11_000_000)
        assert client.refusals == []
        client.settle(proxy)

    def test_two_who_put_the_same_at_once_store_it_once(self, client: Client, proxy: FaultProxy) -> None:
        """Both look before either writes, so it is the condition of the write that the second meets."""
        data = client.dice.randbytes(9)
        proxy.strike(Strike("slow", "HEAD object", times=2))
        with ThreadPoolExecutor(2) as pool:
            names = set(pool.map(lambda _: client.bronze.objects.put("acme", data), range(2)))
        statuses = sorted(asked.status for asked in proxy.strike() if asked.operation == "PUT object")
        assert statuses == [200, 412]
        client.objects[names.pop()] = data
        client.settle(proxy)

    def test_an_upload_that_is_refused_leaves_no_parts(self, client: Client, proxy: FaultProxy) -> None:
        proxy.strike(Strike("403", "CompleteMultipartUpload object", times=10_000))
        client.put(11_000_000)
        assert len(client.refusals) == 1
        proxy.strike()
        assert isinstance(client.bronze.objects, S3Store)
        listed = boto3.client("s3").list_multipart_uploads(Bucket=client.bronze.objects.bucket)
        assert "Uploads" not in listed

    def test_a_file_that_grows_meanwhile_is_not_stored_under_the_wrong_name(self, client: Client) -> None:
        class Growing(type(Path())):  # type: ignore[misc]
            """It is longer when it is opened for the second time."""

            opened = 0

            def open(self, *arguments: Any, **named: Any) -> Any:
                Growing.opened += 1
                if Growing.opened == 2:
                    with super().open("ab") as file:
                        file.write(b"more")
                return super().open(*arguments, **named)

        for size in (9, 11_000_000):
            path = client.folder / str(size)
            path.write_bytes(client.dice.randbytes(size))
            Growing.opened = 0
            with pytest.raises(Refused, match="changed while it was read"):
                client.bronze.objects.put_file("acme", Growing(path))
        assert client.stored() == client.objects.keys()


class TestSilence:
    """A store that takes a request and says nothing more, in each kind of request."""

    def test_what_one_request_may_take_is_less_than_half_a_minute(self) -> None:
        assert PATIENT.longest < 30

    def test_it_is_given_up_in_the_time_that_is_set(
        self, client_with: Callable[[Patience], Client], proxy: FaultProxy
    ) -> None:
        client = client_with(HASTY)
        for step, operation in [
            (lambda: client.put(200), "HEAD object"),
            (lambda: client.put(PART), "UploadPart object"),
            (client.append, "GET log"),
            (client.append, "PUT log"),
            (client.append, "PUT part"),
            (client.care, "GET part"),
            (lambda: client.attempt("read", client.rows), "GET part"),
        ]:
            proxy.strike(Strike("silent", operation, times=10_000))
            started, before = time.monotonic(), len(client.refusals)
            step()
            assert time.monotonic() - started < HASTY.longest + 3, operation
            assert [type(error) for _, error in client.refusals[before:]] == [ObjectStoreUnavailable], operation
        client.settle(proxy)
