import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.bronze import Bronze
from lakehouse.errors import CorruptObject, ObjectStoreUnavailable, UnknownObject
from lakehouse.objects import FolderStore, ObjectStore, object_key, open_objects

ABSENT = "0" * 64


@pytest.fixture
def store(bronze_url: str) -> ObjectStore:
    return open_objects(bronze_url)


class TestEveryStore:
    """Over a folder and over S3: what callers rely on is the same."""

    def test_bytes_come_back_under_their_hash(self, store: ObjectStore) -> None:
        sha256 = store.put("acme", b"some bytes")
        assert sha256 == hashlib.sha256(b"some bytes").hexdigest()
        assert store.get("acme", sha256) == b"some bytes"

    def test_no_bytes_at_all_are_an_object_too(self, store: ObjectStore) -> None:
        assert store.get("acme", store.put("acme", b"")) == b""

    def test_a_part_is_read_like_a_slice(self, store: ObjectStore) -> None:
        data = b"0123456789"
        sha256 = store.put("acme", data)
        for start, end in [(0, 3), (3, 7), (7, None), (3, 3), (5, 2), (8, 99), (99, None), (0, 0), (0, 99)]:
            assert store.get("acme", sha256, start, end) == data[start:end], (start, end)

    def test_a_file_is_stored_like_its_bytes(self, store: ObjectStore, tmp_path: Path) -> None:
        file = tmp_path / "big.bin"
        file.write_bytes(os.urandom(3_000_000))
        sha256 = store.put_file("acme", file)
        assert store.get("acme", sha256) == file.read_bytes()
        assert store.put("acme", file.read_bytes()) == sha256

    def test_what_one_tenant_stored_another_does_not_have(self, store: ObjectStore) -> None:
        sha256 = store.put("acme", b"of acme")
        assert store.exists("acme", sha256)
        assert not store.exists("globex", sha256)
        with pytest.raises(UnknownObject):
            store.get("globex", sha256)

    def test_an_absent_object_is_named_with_what_to_do(self, store: ObjectStore) -> None:
        assert not store.exists("acme", ABSENT)
        with pytest.raises(UnknownObject, match=f"{ABSENT} of tenant 'acme' is not stored: restore"):
            store.get("acme", ABSENT)
        with pytest.raises(UnknownObject):
            store.get("acme", ABSENT, 2, 5)

    def test_many_writers_of_the_same_bytes_all_succeed(self, store: ObjectStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            names = set(pool.map(lambda _: store.put("acme", b"the same"), range(24)))
        assert len(names) == 1
        assert store.get("acme", names.pop()) == b"the same"


class TestAFolder:
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "bronze")

    def test_an_object_that_is_there_is_never_written_again(self, store: FolderStore) -> None:
        sha256 = store.put("acme", b"once")
        path = store.root / object_key("acme", sha256)
        before = path.stat()
        store.put("acme", b"once")
        after = path.stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)

    def test_an_object_cannot_be_opened_for_writing_by_mistake(self, store: FolderStore) -> None:
        path = store.root / object_key("acme", store.put("acme", b"immutable"))
        assert path.stat().st_mode & 0o777 == 0o444

    def test_a_damaged_object_is_not_returned(self, store: FolderStore) -> None:
        sha256 = store.put("acme", b"as it was")
        path = store.root / object_key("acme", sha256)
        path.chmod(0o644)
        path.write_bytes(b"as it Was")
        with pytest.raises(CorruptObject, match="damaged or changed"):
            store.get("acme", sha256)

    def test_nothing_but_objects_is_left_behind(self, store: FolderStore) -> None:
        names = {store.put("acme", bytes([number])) for number in range(10)}
        assert {file.name for file in store.root.rglob("*") if file.is_file()} == names

    def test_a_write_that_fails_leaves_nothing_and_says_where(self, tmp_path: Path) -> None:
        (tmp_path / "bronze").write_bytes(b"a file where the folder should be")
        with pytest.raises(ObjectStoreUnavailable, match="check IOTOPS_BRONZE_URL"):
            FolderStore(tmp_path / "bronze").put("acme", b"x")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.binary(max_size=2_000), cut=st.tuples(st.integers(0, 2_100), st.integers(0, 2_100) | st.none()))
    def test_any_bytes_come_back_whole_and_in_parts(
        self, store: FolderStore, data: bytes, cut: tuple[int, int | None]
    ) -> None:
        sha256 = store.put("acme", data)
        assert store.get("acme", sha256) == data
        assert store.get("acme", sha256, *cut) == data[slice(*cut)]


class TestS3:
    @pytest.mark.usefixtures("s3_url")
    def test_a_missing_bucket_is_not_taken_for_an_empty_one(self) -> None:
        store = open_objects("s3://no-such-bucket/fleet")
        with pytest.raises(ObjectStoreUnavailable, match="NoSuchBucket"):
            store.put("acme", b"x")
        with pytest.raises(ObjectStoreUnavailable, match="NoSuchBucket"):
            store.get("acme", ABSENT)

    def test_an_endpoint_that_is_down_is_one_clear_line(self, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        store = open_objects(s3_url)
        with pytest.raises(ObjectStoreUnavailable, match=r"does not answer .*check IOTOPS_BRONZE_URL and AWS_\*"):
            store.exists("acme", ABSENT)
        with pytest.raises(ObjectStoreUnavailable, match=r"does not answer .*check IOTOPS_BRONZE_URL and AWS_\*"):
            Bronze(s3_url, store).version("documents")
