"""Freshness: for which device, product and release a question is asked, and which releases may be cited for it."""

import re
from dataclasses import dataclass

from lakehouse.database import Connection
from lakehouse.tenants import readable
from rag.answer import Context, Question
from rag.names import Device, all_names, named
from rag.version_order import version_key
from rag.windows import find_window

_WORD = re.compile(r"[^\s,;?!()\"']+")
_TRAILING = ".:"
_NUMBER = r"v?(?P<version>\d+(?:\.\d+)*(?:[-.]?(?:rc|beta|alpha)\.?\d*)?)"
_MARKED = re.compile(rf"\b(?:version|firmware|release|fw|ver|rev(?:ision)?|v)\.?\s*{_NUMBER}(?![\w.]*[%°])", re.I)
_BARE = re.compile(
    rf"(?<![\w.-]){_NUMBER}(?![\w%°]|\.\d|\s*(?:%|°|[mk]?[vagw]\b|mm|cm|hz|bar|rpm|s\b|sec|min|hour|day|c\b|f\b))", re.I
)

RELEASES = """
select tenant_id, product, kind, version
from gold.releases
where tenant_id = any(%(tenants)s)
  and case
    when %(as_of)s::timestamptz is null then valid_to is null
    else first_recorded_at <= %(as_of)s and (valid_to is null or valid_to > %(as_of)s)
  end
"""

_ASKS_FOR_RELEASE = re.compile(r"\b(?:which|what)\b(?:\W+\w+){0,4}?\W+(?:firmware|release|version)\b", re.I)

FIRMWARE = """
select firmware
from gold.dim_device_firmware
where tenant_id = %(tenant_id)s and device_id = %(device_id)s
  and (%(as_of)s::timestamptz is null or (recorded_at <= %(as_of)s and valid_from <= %(as_of)s))
order by valid_from desc
limit 1
"""


SIBLINGS = """
select distinct regexp_replace(lower(device_id), '[0-9]+$', '')
from gold.dim_devices
where tenant_id = %(tenant_id)s and regexp_replace(lower(device_id), '[0-9]+$', '') = any(%(stems)s)
"""


@dataclass(frozen=True, order=True)
class Release:
    """One release of one kind of document of a product, as some tenant holds it. `version` None: it was not stated."""

    tenant_id: str
    product: str
    kind: str
    version: str | None

    @property
    def key(self) -> str:
        return release_key(self.tenant_id, self.product, self.kind, self.version)


@dataclass(frozen=True)
class Scope:
    """What a question may draw on.

    devices: the devices of the tenant that the question names, and the one given with it, as they are called today.
    renamed: those that it calls by a former name. names: all names of the devices.
    releases: keys (see `release_key`) of the releases that may be cited; documents of no product always may.
    versions: those that the question names, lowest first. known: all releases that the tenant may read of.
    """

    context: Context
    devices: tuple[str, ...]
    releases: frozenset[str]
    renamed: tuple[Device, ...] = ()
    names: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    known: tuple[Release, ...] = ()


def release_key(tenant_id: str, product: str, kind: str, version: str | None) -> str:
    return "|".join((tenant_id, product, kind, version or ""))


def resolve_scope(connection: Connection, question: Question) -> Scope:
    """Device → its model and installed firmware; else product and version named in the text; else the current releases.

    What is given with the question wins over what stands in its text.
    """
    releases = known_releases(connection, question)
    devices = named_devices(connection, question)
    called = {device.device_id: device for device in devices}
    (device,) = called.values() if len(called) == 1 else (None,)
    product = question.context.product or named_product(question.text, releases)
    versions = (
        [question.context.version] if question.context.version else named_versions(question.text, releases, product)
    )
    history = not question.context.version and _ASKS_FOR_RELEASE.search(question.text) is not None
    if history:  # the release that the text names is what was wrong, not what the answer is about
        versions = []
    if device:
        product = product or device.model
        if (
            not versions
            and same_name(product, device.model)
            and (installed := firmware(connection, question, device.today))
        ):
            versions = [installed]
    if versions and not product:
        product = only_product_with(versions, releases)
    device_id = device.device_id if device else question.context.device_id
    return Scope(
        Context(device_id, product, versions[-1] if versions else None),
        tuple(called),
        frozenset(r.key for r in allowed(releases, product, versions, history=history)),
        tuple(one for one in devices if one.asked != one.device_id),
        (all_names(connection, question.tenant_id, tuple(called), question.as_of) if called else None) or tuple(called),
        tuple(named_versions(question.text, releases, product)),
        tuple(releases),
    )


def earlier_releases(scope: Scope, product: str | None, than: tuple[int, ...]) -> list[str]:
    """Keys of what the product's releases before one said, newest first."""
    versions = {r.key: version_key(r.version) for r in scope.known if r.product == product and r.version}
    earlier = [key for key, version in versions.items() if version < than]
    return sorted(earlier, key=lambda key: (versions[key], key), reverse=True)


def notes_between(scope: Scope, old: str | None, new: str | None) -> frozenset[str]:
    """Keys of the release notes after one version, up to another, of the product that the scope is about."""
    low, high = version_key(old or ""), version_key(new or "")
    return frozenset(
        r.key
        for r in scope.known
        if r.kind == "release_note"
        and (scope.context.product is None or same_name(r.product, scope.context.product))
        and low < version_key(r.version or "") <= high
    )


def pages_of(scope: Scope, product: str | None, version: str | None, kind: str) -> frozenset[str]:
    """Keys of the pages of one kind of one version."""
    return frozenset(
        r.key
        for r in scope.known
        if (r.product, r.kind) == (product, kind) and version_key(r.version or "") == version_key(version or "")
    )


def known_releases(connection: Connection, question: Question) -> list[Release]:
    rows = connection.execute(RELEASES, {"tenants": readable(question.tenant_id), "as_of": question.as_of})
    return sorted(
        (Release(str(t), str(p), str(k), None if v is None else str(v)) for t, p, k, v in rows),
        key=lambda release: (release.tenant_id, release.product, release.kind, version_key(release.version or "")),
    )


def named_devices(connection: Connection, question: Question) -> list[Device]:
    """Each device of the tenant that is given with the question or stands in its text, by any name that it had."""
    words = {
        word.rstrip(_TRAILING).lower().removesuffix("'s").removesuffix("’s") for word in _WORD.findall(question.text)
    }
    if question.context.device_id:
        words = {question.context.device_id.lower()}
    window = find_window(question.text, question.now)
    until = window.end if window else None
    return named(connection, question.tenant_id, words, until=until, as_of=question.as_of)


def unknown_devices(connection: Connection, question: Question, scope: Scope) -> list[str]:
    """Names formed like the tenant's device ids (`pump-` and a number, where pump-001 exists) that are none of them."""
    if question.context.device_id and not scope.devices:
        return [question.context.device_id]
    known = {device.lower() for device in (*scope.devices, *(one.asked for one in scope.renamed))}
    names = {word.lower() for word in re.findall(r"\b[A-Za-z][\w-]*?\d+\b", question.text)} - known
    stems = {name: re.sub(r"\d+$", "", name) for name in names}
    rows = connection.execute(SIBLINGS, {"tenant_id": question.tenant_id, "stems": sorted(set(stems.values()))})
    formed_alike = {str(row[0]) for row in rows}
    return sorted(name for name, stem in stems.items() if stem in formed_alike)


def firmware(connection: Connection, question: Question, device_id: str) -> str | None:
    """The firmware last seen on the device, of what was recorded by `as_of`."""
    row = connection.execute(
        FIRMWARE, {"tenant_id": question.tenant_id, "device_id": device_id, "as_of": question.as_of}
    ).fetchone()
    return str(row[0]) if row else None


def named_product(text: str, releases: list[Release]) -> str | None:
    """The longest product name that stands in the text, whatever its case and separators."""
    words = f" {_normal(text)} "
    named = {r.product for r in releases if f" {_normal(r.product)} " in words}
    return max(named, key=len, default=None)


def named_versions(text: str, releases: list[Release], product: str | None) -> list[str]:
    """Versions in the text, lowest first: after a word like "firmware", or a bare number that is a known release."""
    known = {r.version for r in releases if r.version and (product is None or same_name(product, r.product))}
    found = {match["version"] for match in _MARKED.finditer(text)}
    found |= {match["version"] for match in _BARE.finditer(text) if match["version"] in known}
    return sorted(found, key=version_key)


def only_product_with(versions: list[str], releases: list[Release]) -> str | None:
    """The product whose releases include one of the versions, where there is exactly one such product."""
    products = {r.product for r in releases if r.version in versions}
    return products.pop() if len(products) == 1 else None


def allowed(
    releases: list[Release], product: str | None, versions: list[str], *, history: bool = False
) -> list[Release]:
    """The releases that may be cited.

    A release covers its own version up to, but not including, the next of the same tenant, product and kind. A question
    about one product draws on no other; a version without a product is held against every product. history: the
    question asks for a release ("which firmware fixes …"), so the release notes of all of them may be cited.
    """
    chosen: list[Release] = []
    lines: dict[tuple[str, str, str], list[Release]] = {}
    for release in releases:
        if product is None or same_name(product, release.product):
            if release.version is None:
                chosen.append(release)
            else:
                lines.setdefault((release.tenant_id, release.product, release.kind), []).append(release)
    for (_, _, kind), line in lines.items():
        chosen.extend(line if history and kind == "release_note" else _covering(line, versions))
    return chosen


def _covering(line: list[Release], versions: list[str]) -> list[Release]:
    """Of the releases of one line, those in force at each of `versions`; the newest where none is named.

    The newest release covers what follows it only within its own major version: a manual of 3.1 does not speak for 6.4.
    """
    if not versions:
        return line[-1:]
    covering = []
    for version in map(version_key, versions):
        before = [release for release in line if version_key(release.version or "") <= version]
        if before and (before[-1] != line[-1] or version_key(before[-1].version or "")[:1] == version[:1]):
            covering.append(before[-1])
    return covering


def same_name(left: str | None, right: str | None) -> bool:
    return left is not None and right is not None and _normal(left) == _normal(right)


def _normal(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))
