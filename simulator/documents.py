"""Manuals, release notes, runbooks and sheets, each with the bytes at which a fact stands."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from simulator.catalog import Fact, Product
from simulator.draws import pick, stream
from simulator.files import File
from simulator.fleet import Fleet, Tenant
from simulator.writing import Span, Written, compose, content, include, unwrap

RUNBOOKS = (
    "pump-overheating",
    "pump-vibration",
    "cold-drift",
    "cold-stuck",
    "cold-too-warm",
    "gateway-offline",
    "gateway-rollback",
    "battery-round",
)


@dataclass(frozen=True)
class Document:
    """path: below the output folder, `<tenant>/documents/…`.  spans: their offsets hold where `exact`."""

    tenant_id: str
    path: str
    kind: str
    product: str | None
    version: str | None
    text: str
    spans: Mapping[str, Span]

    @property
    def exact(self) -> bool:
        return not self.path.endswith(".html")


def build_documents(fleet: Fleet) -> list[Document]:
    out = []
    for product in fleet.products.values():
        out += [_manual(fleet, product, release) for release in range(product.manuals)]
        out += [_release_notes(fleet, product, release) for release in range(len(product.versions))]
    out.append(
        _sheet(fleet, "public", "transport-and-air-freight.txt", content("sheets", "transport.txt"), _names(fleet))
    )
    for tenant in fleet.tenants:
        out += [_runbook(fleet, tenant, name) for name in RUNBOOKS]
        slots = {**_names(fleet), **tenant.slots}
        out.append(_sheet(fleet, tenant.tenant_id, "site-contacts.txt", content("sheets", "site-contacts.txt"), slots))
    return out


def document_files(documents: Sequence[Document]) -> Iterator[File]:
    for document in documents:
        yield File(document.path, document.text.encode())


def slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _manual(fleet: Fleet, product: Product, release: int) -> Document:
    version = product.versions[release]
    slots = {
        **product.slots(release),
        "product": product.name,
        "noun": product.noun,
        "version": version,
        "transmit": f"{int(fleet.interval.total_seconds() // 60)} minutes",
        "update_condition": product.update_condition.format(**product.slots(release)),
    }
    front = _front_matter(
        title=f"{product.name} – Operating Manual {version}",
        product=product.name,
        version=version,
        kind="manual",
        date=fleet.published[product.kind][release],
    )
    rng = stream(fleet.seed, "manual", product.kind)
    written = compose(
        front + unwrap(include(content("manuals", f"{product.kind}.md"))), rng=rng, slots=slots, release=release
    )
    return _document(
        "public",
        f"manuals/{slug(product.name)}/{slug(product.name)}-manual-{version}.md",
        "manual",
        product,
        version,
        written,
    )


def _front_matter(*, title: str, product: str, version: str, kind: str, date: datetime) -> str:
    return (
        f'---\ntitle: "{title}"\nproduct: {product}\nversion: "{version}"\nkind: {kind}\ndate: {date:%Y-%m-%d}\n---\n\n'
    )


def _document(
    tenant_id: str, name: str, kind: str, product: Product | None, version: str | None, written: Written
) -> Document:
    return Document(
        tenant_id,
        f"{tenant_id}/documents/{name}",
        kind,
        product.name if product else None,
        version,
        written.text,
        written.spans,
    )


def changes(product: Product, release: int) -> dict[str, str]:
    """What the release notes tell: fact → sentence."""
    return {
        fact.name: _announcement(product, fact, release)
        for fact in product.facts.values()
        if fact.changed_in(release) and fact.announce
    }


def _announcement(product: Product, fact: Fact, release: int) -> str:
    sentence = fact.announce or ""
    return sentence.format(old=fact.values[release - 1], new=fact.values[release], **product.slots(release))


def _release_notes(fleet: Fleet, product: Product, release: int) -> Document:
    """HTML as a vendor's content system writes it."""
    version, date = product.versions[release], fleet.published[product.kind][release]
    rng = stream(fleet.seed, "release", product.kind, version)
    told = changes(product, release)
    other = list(product.notes[release])
    spans = {name: Span(0, 0, sentence) for name, sentence in told.items()}
    if "bug" in product.facts and release == product.manuals:
        other.insert(0, _repair(product))
        spans["bug"] = Span(0, 0, other[0])
    lead = pick(
        rng,
        [
            f"Firmware {version} for the {product.noun} {product.name} has been released.",
            f"This page lists what is new in firmware {version} of the {product.name}.",
        ],
    )
    advice = pick(
        rng,
        [
            "Read the manual of this release before you update a whole site.",
            "We recommend to update one device first and to watch it for a day.",
        ],
    )
    sections = [("Changed behaviour", list(told.values())), ("Improvements and corrections", other)]
    text = _page(
        f"{product.name} firmware {version} – release notes", product.name, version, date, [lead, advice], sections
    )
    name = f"release-notes/{slug(product.name)}-release-notes-{version}.html"
    return Document("public", f"public/documents/{name}", "release_note", product.name, version, text, spans)


def _repair(product: Product) -> str:
    bug = product.value("bug", product.manuals)
    bad = product.versions[product.manuals - 1]
    symptoms = "which heated up the processor and made the gateway lose its connection several times a day"
    return f"Firmware {product.versions[product.manuals]} corrects a fault of {bad}: {bug}, {symptoms}."


def _page(
    title: str, product: str, version: str, date: datetime, lead: list[str], sections: list[tuple[str, list[str]]]
) -> str:
    meta = {"product": product, "version": version, "kind": "release_note", "date": f"{date:%Y-%m-%d}"}
    head = "".join(f'  <meta name="{name}" content="{html.escape(value)}">\n' for name, value in meta.items())
    body = f"  <h1>{html.escape(title)}</h1>\n" + "".join(
        f"  <p>{html.escape(text, quote=False)}</p>\n" for text in lead
    )
    for heading, items in sections:
        if items:
            rows = "".join(f"    <li>{html.escape(item, quote=False)}</li>\n" for item in items)
            body += f"  <h2>{heading}</h2>\n  <ul>\n{rows}  </ul>\n"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n  <meta charset="utf-8">\n'
        f"  <title>{html.escape(title)}</title>\n{head}</head>\n<body>\n"
        '  <nav><a href="/">Support</a> · <a href="/firmware">Firmware</a></nav>\n'
        f"{body}  <footer>All dates are dates of first delivery.</footer>\n</body>\n</html>\n"
    )


def _names(fleet: Fleet) -> dict[str, str]:
    return {**fleet.public_slots, **{kind: product.name for kind, product in fleet.products.items()}}


def _runbook(fleet: Fleet, tenant: Tenant, name: str) -> Document:
    """Codes that runbooks name are the same in each release."""
    kind = name.split("-")[0]
    product = fleet.products.get(kind)
    slots = {**_names(fleet), **tenant.slots, **(product.slots(0) if product else {})}
    written = compose(
        unwrap(content("runbooks", f"{name}.md")),
        rng=stream(fleet.seed, "runbook", tenant.tenant_id, name),
        slots=slots,
    )
    return _document(tenant.tenant_id, f"runbooks/{name}.md", "runbook", product, None, written)


def _sheet(fleet: Fleet, tenant_id: str, name: str, template: str, slots: Mapping[str, str]) -> Document:
    written = compose(template, rng=stream(fleet.seed, "sheet", tenant_id, name), slots=slots)
    return _document(tenant_id, name, "manual", None, None, written)
