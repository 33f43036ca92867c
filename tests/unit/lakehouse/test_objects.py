import pytest

from lakehouse.errors import Misused
from lakehouse.objects import FolderStore, object_key, open_objects

SHA256 = "ab" * 32


def test_an_object_lies_below_its_tenant_and_the_start_of_its_hash() -> None:
    assert object_key("acme", SHA256) == f"acme/objects/ab/{SHA256}"


@pytest.mark.parametrize("tenant_id", ["", ".", "..", "../public", "a/b", "A", "-a", "a\n", "a" * 64, "/etc"])
def test_what_is_no_tenant_name_never_becomes_a_path(tenant_id: str) -> None:
    with pytest.raises(Misused, match="no tenant name"):
        object_key(tenant_id, SHA256)


@pytest.mark.parametrize("sha256", ["", "ab", SHA256.upper(), SHA256 + "\n", "../" + SHA256, "g" * 64, SHA256 + "00"])
def test_what_is_no_hash_never_becomes_a_path(sha256: str) -> None:
    with pytest.raises(Misused, match="no SHA-256"):
        object_key("acme", sha256)


def test_a_file_url_may_hold_spaces() -> None:
    store = open_objects("file:///srv/my%20data/bronze")
    assert isinstance(store, FolderStore)
    assert str(store.root) == "/srv/my data/bronze"


@pytest.mark.parametrize("url", ["/srv/bronze", "http://host/bronze", "s3:///bronze"])
def test_a_url_that_names_no_store_is_misuse(url: str) -> None:
    with pytest.raises(Misused, match="file:///folder or s3://bucket"):
        open_objects(url)
