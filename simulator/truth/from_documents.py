"""Questions that a manual, a release note, a runbook or a sheet answers."""

from collections.abc import Sequence

from simulator.catalog import Fact, Product
from simulator.documents import Document
from simulator.draws import pick, sample, stream
from simulator.fleet import Device, Tenant
from simulator.truth.phrasing import ask, ask_of_version, phrases
from simulator.truth.question import Kind, Passage, Question
from simulator.world import World

Topic = tuple[Product, Fact]
OVERRULED = "keepalive"  # stated by a manual, changed by release notes that no manual followed


def document_questions(world: World, tenant: Tenant) -> list[Question]:
    constant, changing = _topics(world, tenant)
    out = [_plain(world, tenant, topic, "lookup") for topic in constant[:2]]
    told_apart = [questions for topic in changing[2:] if len(questions := _by_device(world, tenant, topic)) > 1]
    for questions in told_apart[:2]:
        out += questions
    for topic in changing[:2]:
        out += [_named_version(world, tenant, topic), _plain(world, tenant, topic, "version-dependent")]
    if tenant is world.fleet.tenants[0]:
        gateway = world.fleet.products["gateway"]
        out.append(_plain(world, tenant, (gateway, gateway.facts[OVERRULED]), "version-dependent"))
    return out + _runbook_questions(world, tenant) + _public_questions(world, tenant)


def passage(document: Document, mark: str) -> Passage:
    span = document.spans[mark]
    return (
        Passage(document.path, span.start, span.end, span.quote)
        if document.exact
        else Passage(document.path, None, None, span.quote)
    )


def fact_passage(world: World, product: Product, fact: Fact, release: int) -> Passage:
    """From the manual in force, or from the release notes where they overrule it."""
    written = min(release, product.manuals - 1)
    kind, stated = ("manual", written) if fact.values[written] == fact.values[release] else ("release_note", release)
    document = world.of_product(product.name, kind, product.versions[stated])
    if document is None:
        raise ValueError(f"no {kind} of {product.name} {product.versions[stated]} was written")
    return passage(document, fact.name)


def other_values(world: World, product: Product, fact: Fact, release: int) -> list[str]:
    """What other releases say, without what a right answer may say too because its own documents mention it."""
    own = [world.of_product(product.name, "release_note", product.versions[release])]
    own.append(world.of_product(product.name, "manual", product.versions[min(release, product.manuals - 1)]))
    allowed = " ".join(document.text for document in own if document is not None)
    others = dict.fromkeys(value for value in fact.values if value != fact.values[release])
    return [value for value in others if value not in allowed]


def _topics(world: World, tenant: Tenant) -> tuple[list[Topic], list[Topic]]:
    """Askable facts in drawn order, those that never change apart; no two tenants are asked the same."""
    asked = [
        (product, fact)
        for product in world.fleet.products.values()
        for fact in product.facts.values()
        if fact.asks and fact.name != OVERRULED
    ]
    drawn = sample(stream(world.fleet.seed, "topics"), asked, len(asked))
    index, count = world.fleet.tenants.index(tenant), len(world.fleet.tenants)
    constant = [topic for topic in drawn if len(set(topic[1].values)) == 1]
    changing = [topic for topic in drawn if len(set(topic[1].values)) > 1]
    return constant[index::count], changing[index::count]


def _plain(world: World, tenant: Tenant, topic: Topic, kind: Kind) -> Question:
    """Nobody named a version: the newest release counts."""
    product, fact = topic
    release = len(product.versions) - 1
    rng = stream(world.fleet.seed, "plain", tenant.tenant_id, product.kind, fact.name)
    return Question(
        tenant_id=tenant.tenant_id,
        kind=kind,
        text=ask(rng, product, fact),
        evidence=(fact_passage(world, product, fact, release),),
        contains=(fact.values[release],),
        not_contains=tuple(other_values(world, product, fact, release)),
        product=product.name,
        version=product.versions[release],
    )


def _named_version(world: World, tenant: Tenant, topic: Topic) -> Question:
    """A release whose value differs from the newest one's."""
    product, fact = topic
    rng = stream(world.fleet.seed, "named version", tenant.tenant_id, product.kind, fact.name)
    older = [release for release in range(product.manuals) if fact.values[release] != fact.values[-1]]
    release = pick(rng, older)
    return Question(
        tenant_id=tenant.tenant_id,
        kind="version-dependent",
        text=ask_of_version(rng, phrases(), product, fact, product.versions[release]),
        evidence=(fact_passage(world, product, fact, release),),
        contains=(fact.values[release],),
        not_contains=tuple(other_values(world, product, fact, release)),
        product=product.name,
        version=product.versions[release],
    )


def _by_device(world: World, tenant: Tenant, topic: Topic) -> list[Question]:
    """The same question for two devices whose installed firmware answers it differently."""
    product, fact = topic
    devices = world.fleet.of(tenant.tenant_id, product.kind)
    one = devices[0]
    other = next((device for device in devices if _stated(fact, device) != _stated(fact, one)), None)
    out = []
    for device in [one] if other is None else [one, other]:
        release = device.installed.release
        rng = stream(world.fleet.seed, "by device", tenant.tenant_id, product.kind, fact.name)
        out.append(
            Question(
                tenant_id=tenant.tenant_id,
                kind="version-dependent",
                text=ask(rng, product, fact, device_id=device.device_id),
                evidence=(fact_passage(world, product, fact, release),),
                contains=(fact.values[release],),
                not_contains=tuple(other_values(world, product, fact, release)),
                device_id=device.device_id,
                product=product.name,
                version=device.installed.version,
            )
        )
    return out


def _stated(fact: Fact, device: Device) -> str:
    return fact.values[device.installed.release]


def _runbook_questions(world: World, tenant: Tenant, count: int = 3) -> list[Question]:
    rows = sample(stream(world.fleet.seed, "runbook topics"), phrases()["runbook"], count * len(world.fleet.tenants))
    others = [other for other in world.fleet.tenants if other is not tenant]
    out = []
    for row in rows[world.fleet.tenants.index(tenant) :: len(world.fleet.tenants)]:
        document = world.document(f"{tenant.tenant_id}/documents/{row['file']}")
        rng = stream(world.fleet.seed, "runbook question", tenant.tenant_id, row["mark"])
        out.append(
            Question(
                tenant_id=tenant.tenant_id,
                kind="lookup",
                text=str(pick(rng, row["asks"])).format(**tenant.slots),
                evidence=(passage(document, row["mark"]),),
                contains=tuple(tenant.slots[slot] for slot in row["contains"]),
                not_contains=tuple(other.slots[slot] for other in others for slot in row["contains"]),
                product=document.product,
            )
        )
    return out


def _public_questions(world: World, tenant: Tenant) -> list[Question]:
    rows: Sequence[dict[str, str]] = phrases()["public"]
    row = rows[world.fleet.tenants.index(tenant) % len(rows)]
    rng = stream(world.fleet.seed, "public question", tenant.tenant_id)
    return [
        Question(
            tenant_id=tenant.tenant_id,
            kind="lookup",
            text=str(pick(rng, list(row["asks"]))),
            evidence=(passage(world.document(f"public/documents/{row['file']}"), row["mark"]),),
            contains=tuple(world.fleet.public_slots[slot].strip("`") for slot in row["contains"]),
        )
    ]
