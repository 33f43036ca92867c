"""Questions that nothing in the files answers, close to questions that something does."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from simulator.draws import pick, sample, stream
from simulator.faults import Incident
from simulator.fleet import Tenant
from simulator.truth.from_incidents import shown_on, words
from simulator.truth.phrasing import ask, day_words, metric_words, phrases
from simulator.truth.question import Question
from simulator.world import World

DAY = timedelta(days=1)


def unanswerable_questions(world: World, tenant: Tenant) -> list[Question]:
    table: dict[str, Any] = phrases()
    rng = stream(world.fleet.seed, "unanswerable", tenant.tenant_id)
    drawn = [
        _unknown_device(world, tenant, table, rng),
        _unknown_metric(world, tenant, table, rng),
        _before_history(world, tenant, table, rng),
        _in_the_gap(world, tenant, table, rng),
        _unknown_release(world, table, rng),
        _stranger(world, tenant, table, rng),
        _calm_device(world, tenant, table, rng),
        _unknown_code(world, table, rng),
    ]
    texts = [_of_a_namesake(world, tenant, table, rng), _absent_topic(world, tenant, table), *sample(rng, drawn, 5)]
    return [Question(tenant_id=tenant.tenant_id, kind="unanswerable", text=text) for text in texts]


def _some_day(world: World, rng: np.random.Generator) -> datetime:
    return world.fleet.start + int(rng.integers(1, (world.fleet.end - world.fleet.start).days)) * DAY


def _unknown_device(world: World, tenant: Tenant, table: dict[str, Any], rng: np.random.Generator) -> str:
    """A device of the neighbour, which this tenant must not even learn to exist."""
    own = {device.device_id for device in world.fleet.of(tenant.tenant_id)}
    foreign = [
        device.device_id
        for device in world.fleet.devices
        if device.device_id not in own and device.product.kind == "cold"
    ]
    form = str(pick(rng, table["unanswerable"]["unknown_device"]))
    return form.format(device=pick(rng, foreign), day=day_words(rng, _some_day(world, rng)))


def _unknown_metric(world: World, tenant: Tenant, table: dict[str, Any], rng: np.random.Generator) -> str:
    device = pick(rng, world.fleet.of(tenant.tenant_id))
    form = str(pick(rng, table["unanswerable"]["metric"][device.product.kind]))
    return form.format(device=device.device_id, day=day_words(rng, _some_day(world, rng)))


def _absent_topic(world: World, tenant: Tenant, table: dict[str, Any]) -> str:
    rng = stream(world.fleet.seed, "absent topics")
    forms = sample(rng, table["unanswerable"]["topic"], len(world.fleet.tenants))
    product = pick(rng, list(world.fleet.products.values()))
    return str(forms[world.fleet.tenants.index(tenant)]).format(product=product.name)


def _before_history(world: World, tenant: Tenant, table: dict[str, Any], rng: np.random.Generator) -> str:
    device = pick(rng, world.fleet.of(tenant.tenant_id))
    metric = pick(rng, [one.metric.name for one in world.series if one.device is device])
    day = world.fleet.start - int(rng.integers(3, 60)) * DAY
    form = str(pick(rng, table["unanswerable"]["no_data"]))
    return form.format(device=device.device_id, metric=metric_words(rng, table, metric), day=day_words(rng, day))


def _in_the_gap(world: World, tenant: Tenant, table: dict[str, Any], rng: np.random.Generator) -> str:
    incident = world.incident(tenant.tenant_id, "dropped")
    hour = incident.start.replace(minute=0, second=0) + timedelta(hours=1)
    hours = {"from_hour": f"{hour:%H:%M}", "to_hour": f"{hour + timedelta(hours=2):%H:%M}"}
    form = str(pick(rng, table["unanswerable"]["gap"]))
    return form.format(device=incident.device.device_id, day=f"{hour:%Y-%m-%d}", **hours)


def _unknown_release(world: World, table: dict[str, Any], rng: np.random.Generator) -> str:
    product = pick(rng, list(world.fleet.products.values()))
    fact = pick(rng, [fact for fact in product.facts.values() if fact.asks])
    newest = product.versions[-1].split(".")
    text = ask(rng, product, fact)
    form = str(pick(rng, table["unanswerable"]["version"]))
    return form.format(version=f"{int(newest[0]) + 2}.{int(rng.integers(1, 6))}", ask=text[0].lower() + text[1:])


def _of_a_namesake(world: World, tenant: Tenant, table: dict[str, Any], rng: np.random.Generator) -> str:
    """What happened to a device of the neighbour, asked where a device of the same name had no such trouble."""
    own = {device.device_id for device in world.fleet.of(tenant.tenant_id)}
    foreign = [one for one in world.incidents if one.tenant_id != tenant.tenant_id and one.kind != "bad_firmware"]
    shared = [one for one in foreign if one.device.device_id in own and not _same_here(world, tenant, one)]
    incident = pick(rng, shared or foreign)
    return str(pick(rng, table["troubleshoot"]["cause"][incident.kind])).format(**words(world, incident, "leak words"))


def _same_here(world: World, tenant: Tenant, incident: Incident) -> bool:
    own = world.incident(tenant.tenant_id, incident.kind)
    return own.device.device_id == incident.device.device_id


def _stranger(world: World, tenant: Tenant, table: dict[str, Any], rng: np.random.Generator) -> str:
    other = pick(rng, [one for one in world.fleet.tenants if one is not tenant])
    person = pick(rng, [other.people["lead"], other.people["quality"], other.people["network"]])
    return str(pick(rng, table["unanswerable"]["other_contact"])).format(person=person.name)


def _calm_device(world: World, tenant: Tenant, table: dict[str, Any], rng: np.random.Generator) -> str:
    """A pump that did not overheat, on the day on which another one did."""
    incident = world.incident(tenant.tenant_id, "overheating")
    calm = [device for device in world.fleet.of(tenant.tenant_id, "pump") if device is not incident.device]
    form = str(pick(rng, table["unanswerable"]["calm"]))
    return form.format(device=pick(rng, calm).device_id, day=day_words(rng, shown_on(incident)))


def _unknown_code(world: World, table: dict[str, Any], rng: np.random.Generator) -> str:
    """In the style of the product's own codes, but with a number beyond them."""
    product = pick(rng, list(world.fleet.products.values()))
    stated = [
        product.value(name, 0) for name in product.facts if name.startswith("code_") and not name.endswith("meaning")
    ]
    letter, number = max(stated).split("-")
    form = str(pick(rng, table["unanswerable"]["code"]))
    return form.format(code=f"{letter}-{int(number) + 20 + int(rng.integers(8))}", product=product.name)
