"""Which tags and branches of a repository are read, which release each stands for, and where a person sees a file."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import quote, urlsplit

from dulwich.refs import Ref

HEAD: Final = Ref(b"HEAD")
TAGS: Final = b"refs/tags/"
BRANCHES: Final = b"refs/heads/"
# What stands before the number in the names of releases; a name without a number is left as it is.
BEFORE_A_NUMBER: Final = re.compile(r"^(?:releases?[/_-]?|rel[/_-]|version[/_-]?|v[._-]?)(?=v?\d)", re.I)
SCP: Final = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//|:)(.+)")

FORGES: Final[Mapping[str, str]] = {
    "github.com": "{repository}/blob/{commit}/{path}",
    "gitlab.com": "{repository}/-/blob/{commit}/{path}",
    "bitbucket.org": "{repository}/src/{commit}/{path}",
    "codeberg.org": "{repository}/src/commit/{commit}/{path}",
    "gitea.com": "{repository}/src/commit/{commit}/{path}",
    "git.sr.ht": "{repository}/tree/{commit}/item/{path}",
}


@dataclass(frozen=True)
class Selection:
    """Patterns of names. Nothing selected is the default branch, which stands for no release."""

    tags: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "&".join([f"tag={tag}" for tag in self.tags] + [f"branch={branch}" for branch in self.branches])


def select(refs: Collection[Ref], selection: Selection) -> dict[Ref, str | None]:
    """The refs to read, and the version of each. Of a tag and a branch of the same version the tag is read."""
    if not selection.tags and not selection.branches:
        return {HEAD: None} if HEAD in refs else {}
    chosen: dict[str, Ref] = {}
    for prefix, patterns in ((TAGS, selection.tags), (BRANCHES, selection.branches)):
        for ref in sorted(ref for ref in refs if ref.startswith(prefix) and not ref.endswith(b"^{}")):
            name = ref.removeprefix(prefix).decode("utf-8", "backslashreplace")
            pattern = next((pattern for pattern in patterns if fnmatchcase(name, pattern)), None)
            if pattern is not None:
                chosen.setdefault(version_of(name, pattern), ref)
    return {ref: version for version, ref in chosen.items()}


def version_of(name: str, pattern: str) -> str:
    """`v1.2` and `release/1.2` are 1.2; so is `pump-1.2` where the pattern is `pump-*`."""
    literal = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    before_number = re.split(r"\d", literal, maxsplit=1)[0] if literal != pattern else ""
    rest = name.removeprefix(before_number) or name
    while (shorter := BEFORE_A_NUMBER.sub("", rest)) != rest:
        rest = shorter
    return rest


def web_url(origin: str, commit: str, path: str) -> str | None:
    """Where a known forge shows that file of that commit; None for other origins."""
    scp = SCP.fullmatch(origin) if "://" not in origin else None
    host, repository = (scp[1], scp[2]) if scp else _host_and_path(origin)
    shape = FORGES.get(host) or FORGES.get(f"{host.split('.')[0]}.com")  # gitlab.example.org is a GitLab
    repository = repository.strip("/").removesuffix(".git")
    if shape is None or not repository:
        return None
    return f"https://{host}/" + shape.format(repository=quote(repository, safe="/~"), commit=commit, path=quote(path))


def _host_and_path(origin: str) -> tuple[str, str]:
    parts = urlsplit(origin)
    return (parts.hostname or "", parts.path) if parts.scheme in ("http", "https", "ssh") else ("", "")
