"""A git repository of documents: each tag or branch that is selected becomes a version of all its files."""

import hashlib
import json
import shutil
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dulwich.diff_tree import TreeChange, tree_changes
from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException, ObjectMissing
from dulwich.objects import Commit, ObjectID, ShaFile, TreeEntry
from dulwich.repo import Repo

from lakehouse.connectors.git_mirror import check_url, fetch, open_mirror, without_password
from lakehouse.connectors.git_refs import Selection, select, web_url
from lakehouse.connectors.protocol import Change, Changes, Withheld
from lakehouse.connectors.retrying import Patience
from lakehouse.errors import OriginUnavailable
from lakehouse.sources.documents import LARGEST, media_type
from lakehouse.sources.files import too_large

MOST_FILES: Final = 1_000_000
MOST_LISTED: Final = 5_000  # the cursor moves after about as many changes; listing again is one short request
DAMAGED: Final = (KeyError, ChecksumMismatch, ObjectMissing, ApplyDeltaError, FileFormatException, zlib.error)
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class _Release:
    """One ref as it is now. version: None for the default branch."""

    ref: str
    version: str | None
    commit: Commit

    @property
    def sha(self) -> str:
        return str(self.commit.id.decode())


class GitRepository:
    """Close it when done: it holds its mirror open. mirrors: the folder below which it keeps it."""

    def __init__(
        self,
        url: str,
        *,
        mirrors: Path,
        tenant_id: str,
        now: datetime,
        patience: Patience,
        selection: Selection = Selection(),  # noqa: B008 - it cannot be changed
        subdir: str = "",
        source: str | None = None,
    ) -> None:
        self._url = check_url(url)
        self.url = without_password(self._url)
        self.selection, self.subdir = selection, subdir.strip("/")
        wanted = "&".join(part for part in (f"subdir={self.subdir}" if self.subdir else "", str(selection)) if part)
        self.source = source or f"git:{self.url}" + (f"?{wanted}" if wanted else "")
        # A mirror a tenant: what one may fetch is no business of the others.
        key = hashlib.sha256(json.dumps([tenant_id, self.url]).encode()).hexdigest()[:32]
        self._folder = mirrors / key
        self._now, self._patience = now, patience
        self._opened: Repo | None = None
        self._listed: set[str] = set()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def list_changes(self, cursor: str | None) -> Changes:
        """By the difference of trees between the commit that was read of a ref and the one that it names now."""
        with self._discarding_what_is_damaged():
            return self._list_changes(cursor)

    def _list_changes(self, cursor: str | None) -> Changes:
        releases = self._releases()
        read = self._read_before(cursor)
        gone = [name for ref, seen in read.items() if ref not in releases for name in self._names(seen)]
        changes = {name: Change(name, deleted=True) for name in gone}
        after = {ref: seen for ref, seen in read.items() if ref in releases}
        waiting = [release for release in releases.values() if not self._is_read(release, read)]
        known = [ref for ref in after if ref not in self._listed and self._is_read(releases[ref], read)]
        unchanged = sum(after[ref]["count"] for ref in known)
        ignored = 0
        while waiting and len(changes) < MOST_LISTED:
            release = waiting.pop(0)
            count = sum(1 for _ in self._documents(release.commit))
            listed, others = self._differences(release, read.get(release.ref))
            changes |= listed
            ignored += others
            unchanged += count - sum(not change.deleted for change in listed.values())
            self._listed.add(release.ref)
            after[release.ref] = {"version": release.version, "commit": release.sha, "count": count}
        return Changes(
            list(changes.values()),
            cursor=json.dumps({"wanted": self._wanted(), "refs": after}, sort_keys=True),
            more=bool(waiting),
            present=self._present(releases) if not read or not releases else None,
            unchanged=unchanged,
            ignored=ignored,
        )

    def fetch(self, change: Change) -> bytes:
        with self._discarding_what_is_damaged():
            data = self._object(change.facts["blob"]).as_raw_string()
        if data.startswith(LFS_POINTER):
            reason = "it only points to a file in Git LFS, which is not in the repository: commit the file itself"
            raise Withheld("lfs_pointer", reason, data)
        if len(data) > LARGEST:
            refused = too_large(len(data), LARGEST)
            raise Withheld(refused.code, refused.reason, data)
        return data

    @contextmanager
    def _discarding_what_is_damaged(self) -> Iterator[None]:
        """A mirror is a copy: the next run fetches another."""
        try:
            yield
        except DAMAGED as error:
            self.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise OriginUnavailable(self.url, f"its mirror is damaged and was discarded: {error!r}") from error

    @property
    def _repo(self) -> Repo:
        if self._opened is None:
            self._opened = open_mirror(self._folder)
        return self._opened

    def _releases(self) -> dict[str, _Release]:
        commits = fetch(self._repo, self._url, self.selection, self._patience, self._now)
        versions = select(commits.keys(), self.selection)
        found = [_Release(ref.decode("utf-8", "backslashreplace"), versions[ref], commits[ref]) for ref in versions]
        return {release.ref: release for release in found}

    def _read_before(self, cursor: str | None) -> dict[str, dict[str, Any]]:
        """Nothing where other refs were selected then, or where the mirror no longer holds what was read."""
        stored = json.loads(cursor) if cursor else {}
        refs: dict[str, dict[str, Any]] = stored.get("refs", {})
        if stored.get("wanted") != self._wanted():
            return {}
        store = self._repo.object_store
        return refs if all(ObjectID(seen["commit"].encode()) in store for seen in refs.values()) else {}

    def _wanted(self) -> str:
        return f"{self.subdir}?{self.selection}"

    @staticmethod
    def _is_read(release: _Release, read: Mapping[str, Mapping[str, Any]]) -> bool:
        return release.ref in read and read[release.ref]["commit"] == release.sha

    def _present(self, releases: Mapping[str, _Release]) -> set[str]:
        return {
            _name(release.version, entry) for release in releases.values() for entry in self._documents(release.commit)
        }

    def _names(self, seen: Mapping[str, Any]) -> list[str]:
        return [_name(seen["version"], entry) for entry in self._documents(self._commit(seen["commit"]))]

    def _object(self, sha: str) -> ShaFile:
        return self._repo.object_store[ObjectID(sha.encode())]

    def _commit(self, sha: str) -> Commit:
        found = self._object(sha)
        assert isinstance(found, Commit)  # noqa: S101 - it was one when its name was kept
        return found

    def _documents(self, commit: Commit) -> Iterator[TreeEntry]:
        entries = (change.new for change in self._tree_changes(None, commit))
        return (entry for entry in entries if entry is not None and _is_document(entry))

    def _tree_changes(self, before: Commit | None, after: Commit) -> Iterator[TreeChange]:
        paths = [self.subdir.encode()] if self.subdir else None
        tree = before.tree if before else None
        for number, change in enumerate(tree_changes(self._repo.object_store, tree, after.tree, paths=paths)):
            if number == MOST_FILES:  # a few small trees that name each other can stand for more files than atoms
                raise OriginUnavailable(self.url, f"a commit of it has over {MOST_FILES:,} files: name a --subdir")
            yield change

    def _differences(self, release: _Release, seen: Mapping[str, Any] | None) -> tuple[dict[str, Change], int]:
        """What is new, different or gone since; and how many files are none that we take."""
        before = self._commit(seen["commit"]) if seen else None
        changes: dict[str, Change] = {}
        ignored = 0
        for change in self._tree_changes(before, release.commit):
            if change.old is not None and _is_document(change.old):
                name = _name(release.version, change.old)
                changes.setdefault(name, Change(name, deleted=True))
            if change.new is not None:
                if _is_document(change.new):
                    made = self._change(release, change.new)
                    changes[made.name] = made
                else:
                    ignored += 1
        return changes, ignored

    def _change(self, release: _Release, entry: TreeEntry) -> Change:
        when = datetime.fromtimestamp(release.commit.commit_time, UTC)
        facts = {"blob": entry.sha.decode(), "valid_from": when.isoformat()}
        if release.version is not None:
            facts["version"] = release.version
        if url := web_url(self.url, release.sha, _path(entry)):
            facts["url"] = url
        return Change(_name(release.version, entry), facts=facts)


def _is_document(entry: TreeEntry) -> bool:
    """Links and submodules have modes of their own."""
    return stat.S_ISREG(entry.mode) and media_type(_path(entry)) is not None


def _path(entry: TreeEntry) -> str:
    return str(entry.path.decode("utf-8", "backslashreplace"))


def _name(version: str | None, entry: TreeEntry) -> str:
    return _path(entry) if version is None else f"{version}/{_path(entry)}"
