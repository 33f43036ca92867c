"""Questions over what happened: chats know cause, repair and who, telemetry the figures, documents what to do."""

from datetime import datetime, timedelta
from typing import Any

from simulator.chat_files import chat_path
from simulator.draws import pick, sample, stream
from simulator.faults import BAD_RELEASE, Incident
from simulator.fleet import Tenant
from simulator.truth.aggregates import aggregate, tolerance, unit
from simulator.truth.from_documents import fact_passage, passage
from simulator.truth.phrasing import day_words, phrases
from simulator.truth.question import Aggregate, Passage, Question
from simulator.world import World

DAY = timedelta(days=1)


def incident_questions(world: World, tenant: Tenant) -> list[Question]:
    """Each incident is asked about in full or for its cause; of two, the repair and its author are asked as well."""
    mine = [one for one in world.incidents if one.tenant_id == tenant.tenant_id and one.kind != "bad_firmware"]
    mine = sample(stream(world.fleet.seed, "incidents", tenant.tenant_id), mine, len(mine))
    out = [three_source(world, tenant, incident) for incident in mine[:3]]
    out.append(three_source(world, tenant, world.incident(tenant.tenant_id, "bad_firmware")))
    out += [_from_chat(world, tenant, incident, "cause") for incident in mine[3:]]
    out.append(_from_chat(world, tenant, mine[0], "fix"))
    out.append(_from_chat(world, tenant, mine[1], "who"))
    return [*out, _repaired_in(world, tenant)]


def said(world: World, incident: Incident, mark: str) -> Passage:
    return Passage(chat_path(world.fleet, incident.tenant_id), None, None, world.talk(incident).quote(mark))


def shown_on(incident: Incident) -> datetime:
    """The day that people name when they speak of it."""
    day = incident.end if incident.kind in ("drift", "stuck", "battery") else incident.start
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def words(world: World, incident: Incident, rng_name: str) -> dict[str, str]:
    rng = stream(world.fleet.seed, rng_name, incident.tenant_id, incident.kind)
    return {
        "device": incident.device.device_id,
        "code": incident.code,
        "day": day_words(rng, shown_on(incident)),
        "product": incident.device.product.name,
        "version": world.fleet.products["gateway"].versions[BAD_RELEASE],
    }


def _from_chat(world: World, tenant: Tenant, incident: Incident, what: str) -> Question:
    table: dict[str, Any] = phrases()["troubleshoot"]
    rng = stream(world.fleet.seed, what, tenant.tenant_id, incident.kind)
    mark = "fix" if what == "who" else what
    contains = {"cause": incident.cause_key, "fix": incident.fix_key, "who": incident.fixer.first}[what]
    return Question(
        tenant_id=tenant.tenant_id,
        kind="lookup" if what == "who" else "troubleshoot",
        text=str(pick(rng, table[what][incident.kind])).format(**words(world, incident, "chat words")),
        evidence=(said(world, incident, mark),),
        contains=(contains,),
        not_contains=_elsewhere(world, incident, what),
        device_id=incident.device.device_id,
        product=incident.device.product.name,
    )


def _elsewhere(world: World, incident: Incident, what: str) -> tuple[str, ...]:
    """What the same trouble had as its cause or repair at another tenant."""
    others = [one for one in world.incidents if one.kind == incident.kind and one.tenant_id != incident.tenant_id]
    found = {"cause": [one.cause_key for one in others], "fix": [one.fix_key for one in others]}.get(what, [])
    return tuple(found)


def _repaired_in(world: World, tenant: Tenant) -> Question:
    product = world.fleet.products["gateway"]
    incident = world.incident(tenant.tenant_id, "bad_firmware")
    rng = stream(world.fleet.seed, "repaired in", tenant.tenant_id)
    return Question(
        tenant_id=tenant.tenant_id,
        kind="troubleshoot",
        text=str(pick(rng, phrases()["troubleshoot"]["repaired_in"])).format(
            **words(world, incident, "repaired words")
        ),
        evidence=(_repair_note(world), said(world, incident, "fixed_by")),
        contains=(product.versions[BAD_RELEASE + 1],),
        product=product.name,
        version=product.versions[BAD_RELEASE + 1],
    )


def _repair_note(world: World) -> Passage:
    product = world.fleet.products["gateway"]
    note = world.of_product(product.name, "release_note", product.versions[BAD_RELEASE + 1])
    if note is None:
        raise ValueError("the release that repairs the bad one has no release notes")
    return passage(note, "bug")


def three_source(world: World, tenant: Tenant, incident: Incident) -> Question:
    """The cause as told in the chat, a figure from telemetry, and what a document says to do."""
    figure, hours = _figure(world, incident)
    advice, stated = _advice(world, tenant, incident)
    rng = stream(world.fleet.seed, "three-source", tenant.tenant_id, incident.kind)
    text = str(pick(rng, phrases()["three_source"][incident.kind])).format(
        **(words(world, incident, "three words") | hours)
    )
    others = [other for other in world.fleet.tenants if other is not tenant]
    local = {"overheating": "hot_speed", "dropped": "lost_wait", "stuck": "stuck_round", "battery": "battery_day"}.get(
        incident.kind
    )
    counted = figure.function == "count"
    return Question(
        tenant_id=tenant.tenant_id,
        kind="three-source",
        text=text,
        evidence=(figure, said(world, incident, "cause"), advice),
        contains=(incident.cause_key, stated),
        not_contains=tuple(other.slots[local] for other in others) if local else (),
        value=figure.value,
        tolerance=0 if counted else tolerance(world, tenant.tenant_id, figure.metric),
        unit=None if counted else unit(world, figure.metric),
        device_id=incident.device.device_id,
        product=incident.device.product.name,
        version=incident.device.installed.version,
    )


def _figure(world: World, incident: Incident) -> tuple[Aggregate, dict[str, str]]:
    day = shown_on(incident)
    metric, function, start, end = {
        "overheating": ("temperature", "maximum", day, day + DAY),
        "drift": ("temperature", "average", day - DAY, day),
        "battery": ("battery", "minimum", day - 2 * DAY, day + DAY),
        "stuck": ("temperature", "maximum", day + timedelta(hours=1), day + timedelta(hours=9)),
        "dropped": ("signal", "count", day, day + DAY),
        "bad_firmware": ("cpu_temperature", "maximum", day + DAY, day + 4 * DAY),
    }[incident.kind]
    found = aggregate(world, incident.tenant_id, metric, function, start, end, device_id=incident.device.device_id)
    if found is None:
        raise ValueError(f"the {incident.kind} of {incident.device.device_id} left no readings")
    names = {
        "from_hour": f"{start:%H:%M}",
        "to_hour": f"{end:%H:%M}",
        "first": f"{start:%Y-%m-%d}",
        "last": f"{end - DAY:%Y-%m-%d}",
    }
    return found, names | ({"day": f"{start:%Y-%m-%d}"} if incident.kind == "drift" else {})


def _advice(world: World, tenant: Tenant, incident: Incident) -> tuple[Passage, str]:
    """The passage, and the words of it that the answer has to hold."""
    runbooks = {
        "overheating": ("pump-overheating", "hot_first", "hot_speed"),
        "dropped": ("gateway-offline", "lost_first", "lost_wait"),
        "stuck": ("cold-stuck", "stuck_first", "stuck_round"),
        "battery": ("battery-round", "battery_round", "battery_day"),
    }
    product = incident.device.product
    if incident.kind in runbooks:
        name, mark, slot = runbooks[incident.kind]
        document = world.document(f"{tenant.tenant_id}/documents/runbooks/{name}.md")
        return passage(document, mark), tenant.slots[slot]
    if incident.kind == "drift":
        release = incident.device.installed.release
        fact = product.facts["calibration_command"]
        return fact_passage(world, product, fact, release), fact.values[release]
    return _repair_note(world), product.versions[BAD_RELEASE + 1]
