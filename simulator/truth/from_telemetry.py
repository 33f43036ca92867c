"""Questions that an aggregate over readings or events answers."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from simulator.draws import pick, sample, stream
from simulator.fleet import Device, Tenant
from simulator.truth.aggregates import aggregate, count_events, tolerance, unit
from simulator.truth.phrasing import day_words, metric_words, phrases
from simulator.truth.question import Aggregate, Question
from simulator.world import World

DAY = timedelta(days=1)


def telemetry_questions(world: World, tenant: Tenant, count: int = 9) -> list[Question]:
    """The first two kinds always, because they show leaks and joins; of the others the seed takes some."""
    drawn = sample(stream(world.fleet.seed, "telemetry kinds", tenant.tenant_id), KINDS[2:], count - 2)
    out = []
    for at, kind in enumerate([*KINDS[:2], *drawn]):
        names = ("telemetry", tenant.tenant_id, str(at))
        tries = (kind(Asker(world, tenant, stream(world.fleet.seed, *names, str(attempt)))) for attempt in range(99))
        out.append(_first(tries))
    return out


def _first(tries: Iterator[Question | None]) -> Question:
    """Some draws have no single answer (no rows, a tie): draw again."""
    return next(question for question in tries if question is not None)


class Asker:
    """One draw of device, metric and time for one tenant."""

    def __init__(self, world: World, tenant: Tenant, rng: np.random.Generator) -> None:
        self.world, self.tenant, self.rng = world, tenant, rng
        self.table: dict[str, Any] = phrases()
        self.days = (world.fleet.end - world.fleet.start).days
        self.first = world.fleet.start + int(rng.integers(1, self.days - 4)) * DAY
        self.last = self.first + int(rng.integers(1, 4)) * DAY
        self.device: Device = pick(rng, world.fleet.of(tenant.tenant_id))
        self.metric: str = pick(rng, self._metrics())

    def of_a_namesake(self) -> Question | None:
        """Of a device whose id the other tenants use as well."""
        tenants = self.world.fleet.tenants
        shared = [
            device
            for device in self.world.fleet.of(self.tenant.tenant_id)
            if all(
                device.device_id in {one.device_id for one in self.world.fleet.of(other.tenant_id)} for other in tenants
            )
        ]
        self.device = pick(self.rng, shared)
        self.metric = pick(self.rng, self._metrics())
        return self._on_a_day("average_day", "average")

    def average_on_a_day(self) -> Question | None:
        return self._on_a_day("average_day", "average")

    def minimum_on_a_day(self) -> Question | None:
        return self._on_a_day("minimum_day", "minimum")

    def count_on_a_day(self) -> Question | None:
        return self._on_a_day("count_day", "count")

    def _on_a_day(self, form: str, function: str) -> Question | None:
        found = self._over(function, self.first, self.first + DAY, device_id=self.device.device_id)
        return self._question(form, found, device=self.device.device_id, day=self._day(self.first))

    def maximum_over_days(self) -> Question | None:
        found = self._over("maximum", self.first, self.last + DAY, device_id=self.device.device_id)
        return self._question("maximum_days", found, device=self.device.device_id, **self._between())

    def latest(self) -> Question | None:
        fleet = self.world.fleet
        found = self._over("last", fleet.start, fleet.end, device_id=self.device.device_id)
        return self._question("latest", found, device=self.device.device_id)

    def device_at_site(self) -> Question | None:
        site = pick(self.rng, self.tenant.sites)
        found = self._over("device_of_maximum", self.first, self.last + DAY, site=site)
        return self._question("device_highest", found, site=site, **self._between())

    def device_of_model(self) -> Question | None:
        product = self.device.product.name
        found = self._over("device_of_minimum", self.first, self.first + DAY, model=product)
        return self._question("device_lowest", found, product=product, day=self._day(self.first))

    def site_minimum(self) -> Question | None:
        """The last week of a month where the history ends with it, else some days."""
        end, site = self.world.fleet.end, self.device.site
        if end.day == 1:
            found = self._over("minimum", end - 7 * DAY, end, site=site)
            return self._question("site_minimum_week", found, site=site, month=f"{end - DAY:%B %Y}")
        found = self._over("minimum", self.first, self.last + DAY, site=site)
        return self._question("site_minimum_days", found, site=site, **self._between())

    def model_average(self) -> Question | None:
        product = self.device.product.name
        found = self._over("average", self.first, self.first + DAY, model=product)
        return self._question("model_average", found, product=product, day=self._day(self.first))

    def lost_connections(self) -> Question | None:
        """Of a gateway that ran the bad release, in days that hold some."""
        self.device = self.world.incident(self.tenant.tenant_id, "bad_firmware").device
        device_id = self.device.device_id
        found = count_events(
            self.world, self.tenant.tenant_id, "connection_lost", self.first, self.last + DAY, device_id
        )
        return self._question("events", found, device=device_id, **self._between()) if found.value else None

    def yesterday(self) -> Question | None:
        end = self.world.fleet.end
        found = self._over("average", end - DAY, end, device_id=self.device.device_id)
        return self._question("yesterday", found, device=self.device.device_id)

    def within_hours(self) -> Question | None:
        hour = int(self.rng.integers(0, 12))
        start, end = (
            self.first + timedelta(hours=hour),
            self.first + timedelta(hours=hour + int(self.rng.integers(4, 12))),
        )
        found = self._over("maximum", start, end, device_id=self.device.device_id)
        hours = {"from_hour": f"{start:%H:%M}", "to_hour": f"{end:%H:%M}"}
        return self._question("hours", found, device=self.device.device_id, day=self._day(self.first), **hours)

    def _metrics(self) -> list[str]:
        return [one.metric.name for one in self.world.series if one.device is self.device]

    def _over(self, function: str, start: datetime, end: datetime, **filters: str) -> Aggregate | None:
        return aggregate(self.world, self.tenant.tenant_id, self.metric, function, start, end, **filters)

    def _day(self, day: datetime) -> str:
        return day_words(self.rng, day)

    def _between(self) -> dict[str, str]:
        """Both days belong to the time that is meant."""
        return {"first": f"{self.first:%Y-%m-%d}", "last": f"{self.last:%Y-%m-%d}"}

    def _question(self, form: str, found: Aggregate | None, **words: str) -> Question | None:
        if found is None:
            return None
        counted = found.function in ("count", "count_events")
        metric = found.metric if found.function == "count_events" else metric_words(self.rng, self.table, found.metric)
        return Question(
            tenant_id=self.tenant.tenant_id,
            kind="telemetry",
            text=str(pick(self.rng, self.table["telemetry"][form])).format(metric=metric, **words),
            evidence=(found,),
            contains=(found.winner,) if found.winner else (),
            value=None if found.winner else found.value,
            tolerance=0 if counted else tolerance(self.world, self.tenant.tenant_id, found.metric),
            unit=None if counted else unit(self.world, found.metric),
            device_id=found.device_id,
            product=self.device.product.name if found.device_id else found.model,
        )


KINDS: tuple[Callable[[Asker], Question | None], ...] = (
    Asker.of_a_namesake,
    Asker.device_at_site,
    Asker.average_on_a_day,
    Asker.minimum_on_a_day,
    Asker.count_on_a_day,
    Asker.maximum_over_days,
    Asker.latest,
    Asker.device_of_model,
    Asker.site_minimum,
    Asker.model_average,
    Asker.lost_connections,
    Asker.yesterday,
    Asker.within_hours,
)
