"""`connectors.yaml`: the origins that are read every hour, or by `iotops ingest connectors`. It holds no secrets."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from lakehouse.connectors.origins import Site, Target, from_folder, from_git, from_s3, from_slack, from_web
from lakehouse.errors import Misused
from lakehouse.manifest import Flags
from lakehouse.summary import IngestSummary


@dataclass(frozen=True)
class Configured:
    """One entry of the file, checked. settings: the keys of its kind."""

    name: str
    tenant_id: str
    kind: str
    target: Target
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """keys: the settings that it takes, each with the type of its value. needed: those that it cannot do without."""

    run: Callable[[Site, Configured], IngestSummary]
    keys: Mapping[str, type]
    needed: tuple[str, ...] = ()
    brings_documents: bool = True


def _folder(site: Site, one: Configured) -> IngestSummary:
    return from_folder(site, one.target, Path(one.settings["path"]))


def _s3(site: Site, one: Configured) -> IngestSummary:
    return from_s3(site, one.target, one.settings["url"])


def _git(site: Site, one: Configured) -> IngestSummary:
    return from_git(site, one.target, **one.settings)


def _web(site: Site, one: Configured) -> IngestSummary:
    return from_web(site, one.target, **one.settings)


def _slack(site: Site, one: Configured) -> IngestSummary:
    return from_slack(site, one.target, **one.settings)


KINDS: Final[Mapping[str, Kind]] = {
    "folder": Kind(_folder, {"path": str}, ("path",)),
    "s3": Kind(_s3, {"url": str}, ("url",)),
    "git": Kind(_git, {"url": str, "tags": list, "branches": list, "subdir": str}, ("url",)),
    "web": Kind(_web, {"urls": list, "follow": int, "any_host": bool}, ("urls",)),
    "slack": Kind(_slack, {"channels": list, "lookback": int}, brings_documents=False),
}
SHARED: Final[Mapping[str, type]] = {"tenant": str, "kind": str, "name": str, "classification": str}
OF_DOCUMENTS: Final[Mapping[str, type]] = {"source": str, "product": str, "version": str, "document_kind": str}
WORDS: Final = {str: "text", list: "a list of texts", int: "a number", bool: "true or false"}


def run_configured(site: Site, one: Configured) -> IngestSummary:
    return KINDS[one.kind].run(site, one)


def read_connectors(path: Path, tenants: Collection[str]) -> list[Configured]:
    """Nothing where there is no such file. Raises Misused, whose text names the entry and what is wrong with it."""
    if not path.exists():
        return []
    try:
        entries = yaml.safe_load(path.read_bytes().decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Misused(f"{path} is not YAML ({' '.join(str(error).split())}): correct it") from error
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise Misused(f"{path} must be a list: one entry '- tenant: ...' for each connector")
    found = [_entry(path, number, entry, tenants) for number, entry in enumerate(entries, start=1)]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise Misused(f"{path}: two connectors have the name '{name}': give each its own")
    return found


def _entry(path: Path, number: int, entry: Any, tenants: Collection[str]) -> Configured:
    where = f"{path}, connector {number}"
    if not isinstance(entry, dict):
        raise Misused(f"{where}: it must have keys, at least tenant and kind")
    kind = KINDS.get(str(entry.get("kind")))
    if kind is None:
        raise Misused(f"{where}: kind '{entry.get('kind')}' is none: use one of {', '.join(sorted(KINDS))}")
    shared = {**SHARED, **OF_DOCUMENTS} if kind.brings_documents else SHARED
    values = _checked(where, entry, {**shared, **kind.keys}, ("tenant", *kind.needed))
    if values["tenant"] not in tenants:
        known = ", ".join(sorted(tenants))
        raise Misused(f"{where}: tenant '{values['tenant']}' does not exist: use one of {known}, or create it first")
    try:
        flags = Flags(
            product=values.get("product"),
            version=values.get("version"),
            kind=values.get("document_kind"),
            classification=values.get("classification", "internal"),
        )
    except Misused as error:
        raise Misused(f"{where}: {error}") from error
    settings = {key: value for key, value in values.items() if key in kind.keys}
    if "path" in settings:
        settings["path"] = str((path.parent / Path(settings["path"]).expanduser()).resolve())
    return Configured(
        name=values.get("name", f"{values['kind']}-{number}"),
        tenant_id=values["tenant"],
        kind=values["kind"],
        target=Target(values["tenant"], flags, values.get("source")),
        settings=settings,
    )


def _checked(where: str, entry: Mapping[Any, Any], keys: Mapping[str, type], needed: tuple[str, ...]) -> dict[str, Any]:
    for key, value in entry.items():
        if key not in keys:
            raise Misused(f"{where}: unknown key '{key}': use {', '.join(sorted(keys))}")
        if not _is(value, keys[key]):
            raise Misused(f"{where}: {key} must be {WORDS[keys[key]]}, and is {value!r}")
        for text in value if isinstance(value, list) else [value]:
            _refuse_password(where, key, text)
    if missing := [key for key in needed if key not in entry]:
        raise Misused(f"{where}: it has no {' and no '.join(missing)}")
    return dict(entry)


def _is(value: Any, sort: type) -> bool:
    """YAML reads `true` as a number as well as a truth, and a version 1.10 as the number 1.1: quote it."""
    if sort is list:
        return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)
    return type(value) is sort


def _refuse_password(where: str, key: str, text: Any) -> None:
    if isinstance(text, str) and "://" in text and urlsplit(text).password:
        raise Misused(f"{where}: {key} holds a password: use a key of ssh, or an address that needs none")
