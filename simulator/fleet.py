"""Who owns which devices, where they stand and which firmware ran on them when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from simulator.catalog import KINDS, Product, build_product, read_table
from simulator.draws import pick, sample, stream

MINIMUM_DEVICES = 24
MINIMUM_DAYS = 7

# One path a device: (release, share of the history at which it was installed); 0 stands for "before the history".
# Release 2 of the gateway is the bad one: the first and last path leave it for its successor, the second goes back.
PATHS: Mapping[str, tuple[tuple[tuple[int, float], ...], ...]] = {
    "cold": (((0, 0), (1, 0.35)), ((1, 0), (2, 0.55)), ((0, 0),), ((1, 0), (2, 0.7))),
    "pump": (((1, 0),), ((0, 0), (2, 0.4)), ((1, 0), (2, 0.3), (1, 0.5)), ((0, 0),)),
    "gateway": (((1, 0), (2, 0.3), (3, 0.74)), ((1, 0), (2, 0.33), (1, 0.5)), ((0, 0),), ((1, 0), (2, 0.36), (3, 0.8))),
}
# Day of publication: a share of the history, or days before it where negative.
PUBLISHED: Mapping[str, tuple[float, ...]] = {
    "cold": (-430, -150, 0.45),
    "pump": (-390, -120, 0.2),
    "gateway": (-410, -170, 0.2, 0.65),
}


@dataclass(frozen=True)
class Stretch:
    """From `start` on, this release ran on the device."""

    start: datetime
    release: int
    version: str


@dataclass(frozen=True)
class Device:
    """path: index into PATHS of its kind.  phase: seconds after the full interval at which its readings are stamped."""

    tenant_id: str
    device_id: str
    product: Product
    site: str
    path: int
    phase: int
    firmware: tuple[Stretch, ...]

    def at(self, moment: datetime) -> Stretch:
        return [stretch for stretch in self.firmware if stretch.start <= moment][-1]

    @property
    def installed(self) -> Stretch:
        return self.firmware[-1]


@dataclass(frozen=True)
class Person:
    name: str
    extension: str

    @property
    def first(self) -> str:
        return self.name.split()[0]

    @property
    def handle(self) -> str:
        return self.name.lower().replace(" ", ".")


@dataclass(frozen=True)
class Tenant:
    """slots: the local details that its runbooks state, none of them shared with another tenant."""

    tenant_id: str
    name: str
    sites: tuple[str, ...]
    people: Mapping[str, Person]
    slots: Mapping[str, str]


@dataclass(frozen=True)
class Fleet:
    seed: int
    start: datetime
    end: datetime
    interval: timedelta
    products: Mapping[str, Product]
    published: Mapping[str, tuple[datetime, ...]]
    tenants: tuple[Tenant, ...]
    devices: tuple[Device, ...]
    public_slots: Mapping[str, str]

    def at_share(self, share: float) -> datetime:
        return self.start + share * (self.end - self.start)

    def of(self, tenant_id: str, kind: str | None = None, path: int | None = None) -> list[Device]:
        return [
            device
            for device in self.devices
            if device.tenant_id == tenant_id
            and (kind is None or device.product.kind == kind)
            and (path is None or device.path == path)
        ]

    def tenant(self, tenant_id: str) -> Tenant:
        return next(tenant for tenant in self.tenants if tenant.tenant_id == tenant_id)


def build_fleet(seed: int, end: datetime, days: int, devices: int, interval_minutes: int) -> Fleet:
    """Raises ValueError where the script of faults would not fit into what is asked for."""
    if devices < MINIMUM_DEVICES:
        raise ValueError(f"the script of faults needs at least {MINIMUM_DEVICES} devices")
    if days < MINIMUM_DAYS:
        raise ValueError(f"the script of faults needs at least {MINIMUM_DAYS} days")
    if not 1 <= interval_minutes <= 120 or 1440 % interval_minutes:
        raise ValueError("the interval must divide a day and last at most 120 minutes")
    if end.utcoffset() != timedelta(0) or (end.hour, end.minute, end.second, end.microsecond) != (0, 0, 0, 0):
        raise ValueError("the history must end at midnight UTC")
    start = end - timedelta(days=days)
    products = {kind: build_product(kind, seed) for kind in KINDS}
    tenants = build_tenants(seed)
    public = read_table("tenants.toml")["public"]
    return Fleet(
        seed=seed,
        start=start,
        end=end,
        interval=timedelta(minutes=interval_minutes),
        products=products,
        published={kind: _published(kind, seed, start, days) for kind in KINDS},
        tenants=tenants,
        devices=_devices(seed, tenants, products, devices, start, days),
        public_slots={name: pick(stream(seed, "public", name), pool) for name, pool in public.items()},
    )


def build_tenants(seed: int) -> tuple[Tenant, ...]:
    """Neighbours share one site name on purpose; everything else differs."""
    table = read_table("tenants.toml")
    ids: list[str] = table["ids"]
    roles: list[str] = table["roles"]
    sites = sample(stream(seed, "sites"), table["sites"], 2 * len(ids) + 1)
    names = sample(stream(seed, "people"), table["people"], len(roles) * len(ids))
    extensions = sample(stream(seed, "extensions"), range(2010, 7990, 7), len(names))
    pools = {name: sample(stream(seed, "pool", name), pool, len(ids)) for name, pool in table["pools"].items()}
    tenants = []
    for index, tenant_id in enumerate(ids):
        mine = range(index * len(roles), (index + 1) * len(roles))
        people = {role: Person(names[at], str(extensions[at])) for role, at in zip(roles, mine, strict=True)}
        own = tuple(sites[2 * index : 2 * index + 3])
        slots = {name: drawn[index] for name, drawn in pools.items()}
        slots |= {role: person.name for role, person in people.items()}
        slots |= {f"{role}_ext": person.extension for role, person in people.items()}
        slots |= {f"site_{at}": site for at, site in enumerate(own)}
        slots |= {"tenant_name": table["names"][tenant_id], "tenant_upper": table["names"][tenant_id].upper()}
        tenants.append(Tenant(tenant_id, table["names"][tenant_id], own, people, slots))
    return tuple(tenants)


def _published(kind: str, seed: int, start: datetime, days: int) -> tuple[datetime, ...]:
    rng = stream(seed, "published", kind)
    return tuple(
        start + timedelta(days=int(share * days))
        if share > 0
        else start + timedelta(days=share - int(rng.integers(20)))
        for share in PUBLISHED[kind]
    )


def _devices(
    seed: int, tenants: tuple[Tenant, ...], products: Mapping[str, Product], count: int, start: datetime, days: int
) -> tuple[Device, ...]:
    """The first two numbers of a kind are the same for every tenant; their paths are shifted, so that they differ."""
    out = []
    slots = [(index, kind) for index in range(len(tenants)) for kind in KINDS]
    for at, (index, kind) in enumerate(slots):
        tenant, product = tenants[index], products[kind]
        size = count // len(slots) + (at < count % len(slots))
        others = sample(stream(seed, "numbers", kind), range(3, 3 + 4 * count), 2 * count)
        mine = sorted([1, 2, *others[index :: len(tenants)][: size - 2]])
        for position, number in enumerate(mine):
            path = (position + index) % len(PATHS[kind])
            device_id = f"{product.prefix}-{number:03d}"
            rng = stream(seed, "device", tenant.tenant_id, device_id)
            firmware = tuple(
                Stretch(_installed(rng, start, days, share), release, product.versions[release])
                for release, share in PATHS[kind][path]
            )
            site = tenant.sites[(position + at) % len(tenant.sites)]
            out.append(Device(tenant.tenant_id, device_id, product, site, path, int(rng.integers(3, 58)), firmware))
    return tuple(out)


def _installed(rng: np.random.Generator, start: datetime, days: int, share: float) -> datetime:
    """In working hours of the day that the path names; before the history where the device came with the release."""
    moment = timedelta(hours=8, minutes=int(rng.integers(9 * 60)), seconds=int(rng.integers(60)))
    day = int(share * days) if share > 0 else -40 - int(rng.integers(40))
    return start + timedelta(days=day) + moment
