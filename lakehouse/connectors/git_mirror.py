"""The bare mirror of a repository: what of it was fetched once is not fetched again."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import urllib3
from dulwich.client import (
    GitClient,
    HTTPUnauthorized,
    StrangeHostname,
    Urllib3HttpGitClient,
    default_urllib3_manager,
    get_transport_and_path,
)
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.object_store import peel_sha
from dulwich.objects import Commit, ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from lakehouse.connectors.git_refs import BRANCHES, HEAD, SCP, TAGS, Selection, select
from lakehouse.connectors.retrying import TRANSIENT_STATUS, Patience, Transient, ask, seconds_to_wait
from lakehouse.errors import MissingPath, Misused, OriginUnavailable

SCHEMES: Final = ("file", "http", "https", "ssh")
TIMEOUT: Final = urllib3.Timeout(connect=10, read=60)
ONCE: Final = urllib3.Retry(
    total=None, connect=0, read=0, other=0, status=0, redirect=5, respect_retry_after_header=False
)
# Without it ssh would ask at the terminal, and a DAG has none to answer at.
SSH: Final = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20"
REFUSED_BY_SSH: Final = ("permission denied", "host key verification failed", "could not resolve", "not found")


def check_url(url: str) -> str:
    """A local path as it can be kept; a URL as it is. Raises Misused or MissingPath."""
    if "://" not in url:
        if Path(url).exists():
            return str(Path(url).resolve())
        if SCP.fullmatch(url) is None:
            raise MissingPath(url)
        return url
    if (scheme := urlsplit(url).scheme) not in SCHEMES:
        raise Misused(f"'{scheme}' is no way to a git repository: use a path, {', '.join(SCHEMES)}")
    return url


def without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def open_mirror(folder: Path) -> Repo:
    """For one process at a time. One that a crash left half made, or that cannot be opened, is made anew."""
    for left in folder.rglob("*.lock"):  # of a run that was killed
        left.unlink()
    try:
        return Repo(str(folder))
    except (NotGitRepository, OSError, ValueError):
        shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    Repo.init_bare(str(made)).close()
    made.rename(folder)
    return Repo(str(folder))


def fetch(mirror: Repo, url: str, selection: Selection, patience: Patience, now: datetime) -> Mapping[Ref, Commit]:
    """The commit of each selected ref, all of whose files are in the mirror. Raises OriginUnavailable."""
    refs = ask(lambda: _fetch(mirror, url, selection, now), without_password(url), patience)
    peeled = {ref: peel_sha(mirror.object_store, sha)[1] for ref, sha in refs.items()}
    # A tag may name a file or a tree as well, which stands for no release.
    commits = {ref: found for ref, found in peeled.items() if isinstance(found, Commit)}
    _hold(mirror, commits)
    return commits


def _hold(mirror: Repo, commits: Mapping[Ref, Commit]) -> None:
    """As branches, since dulwich tells an origin of no others that it has them; under names that are ours, since those
    of an origin may be anything."""
    held = {Ref(BRANCHES + hashlib.sha256(ref).hexdigest().encode()): commit.id for ref, commit in commits.items()}
    for ref in mirror.refs.keys() - held.keys() - {HEAD}:
        mirror.refs.remove_if_equals(ref, None)
    for ref, sha in held.items():
        mirror.refs[ref] = sha


def _fetch(mirror: Repo, url: str, selection: Selection, now: datetime) -> dict[Ref, ObjectID]:
    client, path = _client(url, now)
    chosen: dict[Ref, ObjectID] = {}

    def determine_wants(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001
        chosen.update({ref: refs[ref] for ref in select(refs.keys(), selection) if refs[ref]})
        return _missing(mirror, chosen.values())

    try:
        client.fetch(path, mirror, determine_wants, ref_prefix=[HEAD, BRANCHES, TAGS])
    except NotGitRepository as error:
        raise OriginUnavailable(without_password(url), "there is no git repository that it shows us") from error
    except HTTPUnauthorized as error:
        raise OriginUnavailable(without_password(url), "it asks for a user and a password") from error
    except (StrangeHostname, FileNotFoundError) as error:
        raise OriginUnavailable(without_password(url), f"{type(error).__name__}: {error}") from error
    except (GitProtocolError, HangupException, urllib3.exceptions.HTTPError, OSError, EOFError) as error:
        raise _failure(error, url) from error
    finally:
        client.close()
        if isinstance(client, Urllib3HttpGitClient):
            client.pool_manager.clear()
    return chosen


def _missing(mirror: Repo, wanted: Iterable[ObjectID]) -> list[ObjectID]:
    return sorted({sha for sha in wanted if sha not in mirror.object_store})


def _failure(error: Exception, url: str) -> Exception:
    """Whether waiting may help."""
    cause = str(error).replace(url, without_password(url))
    lower = cause.lower()
    if "unexpected http resp" in lower or any(reason in lower for reason in REFUSED_BY_SSH):
        return OriginUnavailable(without_password(url), cause)
    return Transient(cause or type(error).__name__)


def _client(url: str, now: datetime) -> tuple[GitClient, str]:
    if urlsplit(url).scheme not in ("http", "https"):
        return get_transport_and_path(url, ssh_command=SSH)
    pool: Any = default_urllib3_manager(None, _Pool, _Proxy, base_url=url)  # a proxy, where the environment names one
    pool.now = now
    return get_transport_and_path(url, pool_manager=pool)


class _OneRequest:
    """A request at a time: urllib3 would try again by itself, and sleep for as long as the origin says."""

    now: datetime

    def request(self, method: str, url: str, **arguments: Any) -> Any:
        answer = super().request(method, url, **{**arguments, "retries": ONCE, "timeout": TIMEOUT})  # type: ignore[misc]
        if answer.status != 200:
            answer.close()  # nobody reads it
        if answer.status in TRANSIENT_STATUS:
            wait = seconds_to_wait(answer.headers.get("Retry-After"), self.now)
            raise Transient(f"it answers {answer.status} {answer.reason}", wait)
        return answer


class _Pool(_OneRequest, urllib3.PoolManager):  # type: ignore[misc]
    pass


class _Proxy(_OneRequest, urllib3.ProxyManager):  # type: ignore[misc]
    pass
