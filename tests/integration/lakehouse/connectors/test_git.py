import json
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import make_server

import pytest
from dulwich.objects import Blob, Commit, Tag, Tree
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import WSGIRequestHandlerLogger, WSGIServerLogger, make_wsgi_chain

from lakehouse.connectors import git
from lakehouse.connectors.git import GitRepository
from lakehouse.connectors.git_refs import Selection
from lakehouse.connectors.origins import Site, Target, from_git
from lakehouse.connectors.retrying import Patience
from lakehouse.errors import MissingPath, Misused, OriginUnavailable, WouldDeleteEverything
from lakehouse.quarantine import list_refused
from lakehouse.summary import IngestSummary
from tests.website import Served, Website

Rows = Callable[[], list[dict[str, Any]]]
FIRST = 1_790_000_000
SHARED = {"guide/install.md": "# Install\n\nTurn the valve.\n", "notes.txt": "Plain words.\n"}


class Origin:
    """A repository whose every commit is exactly the files given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repo = Repo.init_bare(str(path), mkdir=True, default_branch=b"main")
        self.commits = 0

    def commit(self, files: dict[str, str | bytes], *, branch: str = "main", tag: str | None = None) -> str:
        tree = self._tree({tuple(name.split("/")): content for name, content in files.items()})
        return self.commit_tree(tree, branch=branch, tag=tag)

    def commit_tree(self, tree: bytes, *, branch: str = "main", tag: str | None = None) -> str:
        ref = f"refs/heads/{branch}".encode()
        commit = Commit()
        commit.tree = tree
        commit.parents = [self.repo.refs[ref]] if ref in self.repo.refs else []
        commit.author = commit.committer = b"A <a@example.com>"
        commit.author_time = commit.commit_time = FIRST + self.commits
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b"change"
        self.commits += 1
        self.repo.object_store.add_object(commit)
        self.repo.refs[ref] = commit.id
        if tag:
            self.repo.refs[f"refs/tags/{tag}".encode()] = commit.id
        return commit.id.decode()

    def annotate(self, tag: str, commit: str) -> None:
        made = Tag()
        made.name, made.message, made.tagger = tag.encode(), b"release", b"A <a@example.com>"
        made.tag_time, made.tag_timezone = FIRST + 99, 0
        made.object = (Commit, commit.encode())
        self.repo.object_store.add_object(made)
        self.repo.refs[f"refs/tags/{tag}".encode()] = made.id

    def delete(self, ref: str) -> None:
        del self.repo.refs[ref.encode()]

    def _tree(self, files: dict[tuple[str, ...], str | bytes]) -> bytes:
        tree = Tree()
        for name in {path[0] for path in files}:
            below = {path[1:]: content for path, content in files.items() if path[0] == name}
            if () in below:
                content = below[()]
                tree.add(name.encode(), stat.S_IFREG | 0o644, self.blob(content))
            else:
                tree.add(name.encode(), stat.S_IFDIR, self._tree(below))
        self.repo.object_store.add_object(tree)
        return tree.id

    def blob(self, content: str | bytes) -> bytes:
        blob = Blob.from_string(content.encode() if isinstance(content, str) else content)
        self.repo.object_store.add_object(blob)
        return blob.id


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    made = Origin(tmp_path / "manuals.git")
    yield made
    made.repo.close()


@contextmanager
def over_http(origin: Origin) -> Iterator[str]:
    """Dulwich's own server of git over HTTP."""
    chain = make_wsgi_chain(DictBackend({"/manuals.git": origin.repo}))
    server = make_server("127.0.0.1", 0, chain, server_class=WSGIServerLogger, handler_class=WSGIRequestHandlerLogger)
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/manuals.git"
        finally:
            server.shutdown()
            thread.join()


def paths(rows: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    return [(row["path"], row["deleted"]) for row in rows]


class TestReleases:
    def test_each_tag_is_a_version_of_all_its_files(
        self, here: Site, target: Target, origin: Origin, rows: Rows
    ) -> None:
        origin.commit(SHARED, tag="v1.0")
        origin.annotate("v2.0", origin.commit({**SHARED, "notes.txt": "Other words.\n"}))
        assert from_git(here, target, str(origin.path), tags=["v*"]) == IngestSummary("documents", read=4, landed=4)
        assert [(row["path"], row["version_from"], row["valid_from"], row["product"]) for row in rows()] == [
            ("1.0/guide/install.md", "1.0", datetime.fromtimestamp(FIRST, UTC), "P"),
            ("1.0/notes.txt", "1.0", datetime.fromtimestamp(FIRST, UTC), "P"),
            ("2.0/guide/install.md", "2.0", datetime.fromtimestamp(FIRST + 1, UTC), "P"),
            ("2.0/notes.txt", "2.0", datetime.fromtimestamp(FIRST + 1, UTC), "P"),
        ]
        again = from_git(here, target, str(origin.path), tags=["v*"])
        assert again == IngestSummary("documents", unchanged=4)

    def test_a_new_tag_is_all_that_is_read_the_next_time(self, here: Site, target: Target, origin: Origin) -> None:
        origin.commit(SHARED, tag="v1.0")
        from_git(here, target, str(origin.path), tags=["v*"])
        origin.commit(SHARED, tag="v1.1")
        summary = from_git(here, target, str(origin.path), tags=["v*"])
        assert summary == IngestSummary("documents", read=2, landed=2, unchanged=2)

    def test_a_branch_that_moved_lands_its_differences(
        self, here: Site, target: Target, origin: Origin, rows: Rows
    ) -> None:
        origin.commit({**SHARED, "old.md": "# Old\n"}, branch="release/1.0")
        from_git(here, target, str(origin.path), branches=["release/*"])
        origin.commit({**SHARED, "notes.txt": "Other words.\n"}, branch="release/1.0")
        summary = from_git(here, target, str(origin.path), branches=["release/*"])
        assert summary == IngestSummary("documents", read=1, landed=1, deleted=1, unchanged=1)
        assert paths(rows())[3:] == [("1.0/notes.txt", False), ("1.0/old.md", True)]

    def test_a_tag_that_names_another_commit_is_read_again(self, here: Site, target: Target, origin: Origin) -> None:
        origin.commit(SHARED, tag="v1.0")
        from_git(here, target, str(origin.path), tags=["v*"])
        origin.commit({"notes.txt": "Other words.\n"}, tag="v1.0")
        summary = from_git(here, target, str(origin.path), tags=["v*"])
        assert (summary.landed, summary.deleted) == (1, 1)

    def test_a_tag_that_is_deleted_takes_its_documents_along(
        self, here: Site, target: Target, origin: Origin, rows: Rows
    ) -> None:
        origin.commit(SHARED, tag="v1.0")
        origin.commit(SHARED, tag="v2.0")
        from_git(here, target, str(origin.path), tags=["v*"])
        origin.delete("refs/tags/v1.0")
        assert from_git(here, target, str(origin.path), tags=["v*"]) == IngestSummary(
            "documents", deleted=2, unchanged=2
        )
        assert paths(rows())[4:] == [("1.0/guide/install.md", True), ("1.0/notes.txt", True)]

    def test_that_all_tags_are_gone_is_not_believed(self, here: Site, target: Target, origin: Origin) -> None:
        origin.commit(SHARED, tag="v1.0")
        from_git(here, target, str(origin.path), tags=["v*"])
        origin.delete("refs/tags/v1.0")
        with pytest.raises(WouldDeleteEverything, match=r"2 documents were ingested from it: .*--allow-empty"):
            from_git(here, target, str(origin.path), tags=["v*"])
        allowing = replace(here, allow_empty=True)
        assert from_git(allowing, target, str(origin.path), tags=["v*"]).deleted == 2

    def test_without_a_pattern_the_default_branch_is_read_and_has_no_version(
        self, here: Site, target: Target, origin: Origin, rows: Rows
    ) -> None:
        origin.commit(SHARED, tag="v1.0")
        from_git(here, target, str(origin.path))
        assert [(row["path"], row["version_from"]) for row in rows()] == [
            ("guide/install.md", None),
            ("notes.txt", None),
        ]
        assert {row["source"] for row in rows()} == {f"git:{origin.path}"}

    def test_tags_and_branches_of_one_repository_are_sources_of_their_own(
        self, here: Site, target: Target, origin: Origin, rows: Rows
    ) -> None:
        origin.commit(SHARED, tag="v1.0")
        from_git(here, target, str(origin.path), tags=["v*"])
        assert from_git(here, target, str(origin.path), branches=["main"]).deleted == 0
        assert {row["source"] for row in rows()} == {
            f"git:{origin.path}?tag=v*",
            f"git:{origin.path}?branch=main",
        }

    def test_under_one_name_another_choice_of_tags_replaces_the_first(
        self, here: Site, target: Target, origin: Origin
    ) -> None:
        docs = replace(target, source="docs")
        origin.commit(SHARED, tag="v1.0")
        origin.commit(SHARED, tag="v2.0")
        from_git(here, docs, str(origin.path), tags=["v*"])
        assert from_git(here, docs, str(origin.path), tags=["v2*"]).deleted == 2

    def test_only_what_lies_below_the_subdirectory_is_read(
        self, here: Site, target: Target, origin: Origin, rows: Rows
    ) -> None:
        origin.commit({**SHARED, "guide-old/x.md": "# X\n"}, tag="v1.0")
        from_git(here, target, str(origin.path), tags=["v*"], subdir="/guide/")
        assert paths(rows()) == [("1.0/guide/install.md", False)]

    def test_what_a_document_states_wins(self, here: Site, target: Target, origin: Origin, rows: Rows) -> None:
        origin.commit({"a.md": "---\nversion: 9\nproduct: Q\ndate: 2026-01-01\n---\n# A\n"}, tag="v1.0")
        from_git(here, target, str(origin.path), tags=["v*"])
        (row,) = rows()
        assert (row["path"], row["version_from"], row["product"]) == ("1.0/a.md", "9", "Q")
        assert row["valid_from"] == datetime(2026, 1, 1, tzinfo=UTC)

    def test_a_text_that_stays_keeps_its_time_though_all_is_read_again(
        self, here: Site, target: Target, origin: Origin
    ) -> None:
        origin.commit(SHARED)
        from_git(here, target, str(origin.path))
        origin.commit({**SHARED, "new.md": "# New\n"})
        assert from_git(replace(here, again=True), target, str(origin.path)) == IngestSummary(
            "documents", read=3, landed=1, unchanged=2
        )


class TestWhatIsNoDocument:
    def test_links_and_submodules_are_passed_over(self, here: Site, target: Target, origin: Origin) -> None:
        tree = Tree()
        tree.add(b"a.md", stat.S_IFREG | 0o755, origin.blob("# A\n"))
        tree.add(b"link.md", stat.S_IFLNK, origin.blob("a.md"))
        tree.add(b"module.md", 0o160000, b"c" * 40)
        tree.add(b"picture.png", stat.S_IFREG | 0o644, origin.blob(b"\x89PNG"))
        origin.repo.object_store.add_object(tree)
        origin.commit_tree(tree.id)
        assert from_git(here, target, str(origin.path)) == IngestSummary("documents", read=1, landed=1, ignored=3)

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "lfs_pointer"),
            (b"\x00\x01", "binary"),
            (b"x" * 20_000_001, "too_large"),
        ],
    )
    def test_what_cannot_be_read_is_kept_with_its_reason(
        self, here: Site, target: Target, origin: Origin, content: bytes, code: str
    ) -> None:
        origin.commit({"a.md": content, "b.md": "# B\n"})
        summary = from_git(here, target, str(origin.path))
        assert (summary.landed, summary.reasons) == (1, {code: 1})
        (row,) = list_refused(here.bronze, "default")
        assert here.bronze.objects.get("default", row["raw_sha256"]) == content

    def test_a_tag_of_a_file_stands_for_no_release(self, here: Site, target: Target, origin: Origin) -> None:
        origin.commit(SHARED, tag="v1.0")
        origin.repo.refs[b"refs/tags/v2.0"] = origin.blob("a file")
        assert from_git(here, target, str(origin.path), tags=["v*"]).landed == 2

    def test_trees_that_unfold_without_end_are_given_up(
        self, here: Site, target: Target, origin: Origin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(git, "MOST_FILES", 1000)
        tree = Tree()
        tree.add(b"a.md", stat.S_IFREG | 0o644, origin.blob("# A\n"))
        for _ in range(10):
            origin.repo.object_store.add_object(tree)
            around = Tree()
            for number in range(10):
                around.add(b"%d" % number, stat.S_IFDIR, tree.id)
            tree = around
        origin.repo.object_store.add_object(tree)
        origin.commit_tree(tree.id)
        with pytest.raises(OriginUnavailable, match="over 1,000 files"):
            from_git(here, target, str(origin.path))


class TestTheWayThere:
    def test_over_http_only_what_is_new_is_fetched(
        self, here: Site, target: Target, origin: Origin, tmp_path: Path
    ) -> None:
        origin.commit(SHARED, tag="v1.0")
        with over_http(origin) as url:
            assert from_git(here, target, url, tags=["v*"]).landed == 2
            (mirror,) = (tmp_path / "mirrors").iterdir()
            with closing(Repo(str(mirror))) as repo:
                before = set(repo.object_store)
            new = origin.commit({**SHARED, "new.md": "# New\n"}, tag="v1.1")
            assert from_git(here, target, url, tags=["v*"]).landed == 3
            with closing(Repo(str(mirror))) as repo:
                fetched = set(repo.object_store) - before
                packs = [len(pack) for pack in repo.object_store.packs]
        assert len(fetched) == 3  # a commit, a tree and a file
        assert new.encode() in fetched
        assert sorted(packs) == [3, 5]

    def test_a_file_url_is_a_path(self, here: Site, target: Target, origin: Origin) -> None:
        origin.commit(SHARED)
        assert from_git(here, target, origin.path.as_uri()).landed == 2

    def test_a_mirror_that_is_lost_is_fetched_again(
        self, here: Site, target: Target, origin: Origin, tmp_path: Path
    ) -> None:
        origin.commit(SHARED, branch="one", tag="v1.0")
        origin.commit(SHARED, branch="two", tag="v2.0")
        from_git(here, target, str(origin.path), tags=["v*"])
        origin.delete("refs/tags/v1.0")
        elsewhere = replace(here, mirrors=tmp_path / "other-machine")
        summary = from_git(elsewhere, target, str(origin.path), tags=["v*"])
        assert summary == IngestSummary("documents", read=2, unchanged=2, deleted=2)

    def test_a_mirror_that_a_crash_left_half_made_is_made_anew(
        self, here: Site, target: Target, origin: Origin, tmp_path: Path
    ) -> None:
        origin.commit(SHARED)
        from_git(here, target, str(origin.path))
        (mirror,) = (tmp_path / "mirrors").iterdir()
        (mirror / "HEAD").unlink()
        assert from_git(here, target, str(origin.path)).landed == 0

    def test_what_a_killed_run_left_locked_is_no_hindrance(
        self, here: Site, target: Target, origin: Origin, tmp_path: Path
    ) -> None:
        origin.commit(SHARED)
        from_git(here, target, str(origin.path))
        for ref in (tmp_path / "mirrors").rglob("refs/heads/*"):
            ref.with_name(f"{ref.name}.lock").touch()
        origin.commit({**SHARED, "new.md": "# New\n"})
        assert from_git(here, target, str(origin.path)).landed == 1

    def test_a_damaged_mirror_is_discarded_and_the_next_run_is_whole(
        self, here: Site, target: Target, origin: Origin, tmp_path: Path
    ) -> None:
        origin.commit(SHARED)
        from_git(here, target, str(origin.path))
        for pack in (tmp_path / "mirrors").rglob("*.pack"):
            pack.chmod(0o644)
            pack.write_bytes(pack.read_bytes()[:40] + b"\0" * 400)
        with pytest.raises(OriginUnavailable, match="its mirror is damaged and was discarded"):
            from_git(replace(here, again=True), target, str(origin.path))
        assert from_git(replace(here, again=True), target, str(origin.path)).unchanged == 2

    def test_two_tenants_have_a_mirror_each(self, here: Site, target: Target, origin: Origin, tmp_path: Path) -> None:
        origin.commit(SHARED)
        from_git(here, target, str(origin.path))
        from_git(here, replace(target, tenant_id="public"), str(origin.path))
        assert len(list((tmp_path / "mirrors").iterdir())) == 2

    def test_the_cursor_moves_a_part_at_a_time(
        self, here: Site, target: Target, origin: Origin, rows: Rows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(git, "MOST_LISTED", 2)
        for number in range(3):
            origin.commit({"a.md": f"# {number}\n", "b.md": "# B\n"}, tag=f"v{number}.0")
        assert from_git(here, target, str(origin.path), tags=["v*"]) == IngestSummary("documents", read=6, landed=6)
        assert len({row["bronze_version"] for row in rows()}) == 3

    def test_a_busy_host_is_left_alone_for_as_long_as_it_says(
        self, here: Site, target: Target, site: Website, waits: list[float]
    ) -> None:
        path = "/x.git/info/refs?service=git-upload-pack"
        site.first(path, *[Served(status=429, headers={"Retry-After": "8"})] * 3)
        with pytest.raises(OriginUnavailable, match="it answers 429"):
            from_git(here, target, f"{site.url}/x.git")
        assert waits == [8.0, 8.0]

    def test_what_waiting_does_not_mend_is_said_at_once(
        self, here: Site, target: Target, site: Website, waits: list[float]
    ) -> None:
        with pytest.raises(OriginUnavailable, match="no git repository that it shows us"):
            from_git(here, target, f"{site.url}/x.git")
        site.pages["/x.git/info/refs?service=git-upload-pack"] = Served(status=401)
        with pytest.raises(OriginUnavailable, match="asks for a user and a password"):
            from_git(here, target, f"{site.url}/x.git")
        assert waits == []

    def test_a_password_in_the_address_is_not_told(
        self, here: Site, target: Target, site: Website, tmp_path: Path, now: datetime
    ) -> None:
        url = f"{site.url}/x.git".replace("//", "//user:s3cret@")
        site.pages["/x.git/info/refs?service=git-upload-pack"] = Served(status=500)
        with pytest.raises(OriginUnavailable) as caught:
            from_git(here, target, url)
        assert "s3cret" not in str(caught.value)
        assert "Authorization" in {name.title() for name in site.asked[0][1]}
        repository = GitRepository(url, mirrors=tmp_path, tenant_id="default", now=now, patience=Patience())
        assert "s3cret" not in repository.source

    @pytest.mark.parametrize(
        ("url", "error", "reason"),
        [
            ("/no/such/place", MissingPath, "does not exist"),
            ("git://host/x.git", Misused, "'git' is no way to a git repository"),
            ("ext::sh -c true", MissingPath, "does not exist"),
        ],
    )
    def test_other_addresses_are_refused(
        self, here: Site, target: Target, url: str, error: type[Exception], reason: str
    ) -> None:
        with pytest.raises(error, match=reason):
            from_git(here, target, url)

    def test_a_folder_that_is_no_repository_is_one_clear_line(self, here: Site, target: Target, tmp_path: Path) -> None:
        with pytest.raises(OriginUnavailable, match="no git repository"):
            from_git(here, target, str(tmp_path))

    def test_what_a_forge_shows_is_named(self, origin: Origin, tmp_path: Path, now: datetime) -> None:
        commit = origin.commit(SHARED, tag="v1.0")
        repository = GitRepository(
            str(origin.path),
            mirrors=tmp_path / "mirrors",
            tenant_id="default",
            now=now,
            patience=Patience(),
            selection=Selection(tags=("v*",)),
        )
        repository.url = "https://github.com/acme/manuals.git"
        with closing(repository):
            listed = repository.list_changes(None)
        assert listed.changes[0].facts["url"] == f"https://github.com/acme/manuals/blob/{commit}/guide/install.md"
        assert json.loads(listed.cursor)["refs"]["refs/tags/v1.0"]["commit"] == commit
