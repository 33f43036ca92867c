import pytest
from dulwich.refs import Ref

from lakehouse.connectors.git_refs import Selection, select, version_of, web_url

REFS = [
    Ref(name)
    for name in (
        b"HEAD",
        b"refs/heads/main",
        b"refs/heads/release/1.0",
        b"refs/heads/release/2.0",
        b"refs/tags/v1.0",
        b"refs/tags/v1.0^{}",
        b"refs/tags/v10.0",
        b"refs/tags/nightly",
        b"refs/pull/7/head",
    )
]


@pytest.mark.parametrize(
    ("name", "pattern", "version"),
    [
        ("v1.2.3", "v*", "1.2.3"),
        ("v1.2.3", "*", "1.2.3"),
        ("v2.0-rc1", "v2.*", "2.0-rc1"),
        ("release/2.0", "release/*", "2.0"),
        ("release/v2.0", "release/*", "2.0"),
        ("pump-1.4", "pump-*", "1.4"),
        ("pump-1.4", "pump-1.*", "1.4"),
        ("2024.1", "20*", "2024.1"),
        ("main", "main", "main"),
        ("vanilla", "*", "vanilla"),
        ("v1.0", "v1.0", "1.0"),
    ],
)
def test_the_version_is_the_name_without_what_all_names_have(name: str, pattern: str, version: str) -> None:
    assert version_of(name, pattern) == version


def test_patterns_choose_tags_and_branches() -> None:
    assert select(REFS, Selection(tags=("v*",))) == {b"refs/tags/v1.0": "1.0", b"refs/tags/v10.0": "10.0"}
    assert select(REFS, Selection(branches=("release/*",))) == {
        b"refs/heads/release/1.0": "1.0",
        b"refs/heads/release/2.0": "2.0",
    }


def test_without_patterns_it_is_the_default_branch_and_no_version() -> None:
    assert select(REFS, Selection()) == {b"HEAD": None}
    assert select([], Selection()) == {}


def test_of_a_tag_and_a_branch_of_one_version_the_tag_is_read() -> None:
    chosen = select(REFS, Selection(tags=("v*",), branches=("release/*",)))
    assert chosen == {b"refs/tags/v1.0": "1.0", b"refs/tags/v10.0": "10.0", b"refs/heads/release/2.0": "2.0"}


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://github.com/acme/docs.git", "https://github.com/acme/docs/blob/c0ffee/a%20b/x.md"),
        ("git@github.com:acme/docs.git", "https://github.com/acme/docs/blob/c0ffee/a%20b/x.md"),
        ("ssh://git@gitlab.com/acme/sub/docs.git", "https://gitlab.com/acme/sub/docs/-/blob/c0ffee/a%20b/x.md"),
        ("https://gitlab.example.org/acme/docs", "https://gitlab.example.org/acme/docs/-/blob/c0ffee/a%20b/x.md"),
        ("https://bitbucket.org/acme/docs", "https://bitbucket.org/acme/docs/src/c0ffee/a%20b/x.md"),
        ("https://codeberg.org/acme/docs", "https://codeberg.org/acme/docs/src/commit/c0ffee/a%20b/x.md"),
        ("https://git.example.org/acme/docs.git", None),
        ("/srv/git/docs.git", None),
        ("file:///srv/git/github.com/docs.git", None),
    ],
)
def test_a_file_has_an_address_where_its_forge_is_known(origin: str, url: str | None) -> None:
    assert web_url(origin, "c0ffee", "a b/x.md") == url
