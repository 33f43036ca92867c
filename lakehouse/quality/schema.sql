-- What the gates found, and when they stopped a promotion. Neither is made from bronze, so a rebuild leaves both.
create schema if not exists quality;

create table if not exists quality.runs (
    run_id     bigint generated always as identity primary key,
    gate       text not null,
    checked_at timestamptz not null,
    seconds    double precision not null,
    passed     int not null,
    errors     int not null,
    warnings   int not null
);

-- One row an expectation a run; where it does not hold, one for each tenant whose rows break it. examples: places and keys.
create table if not exists quality.results (
    run_id           bigint not null references quality.runs on delete cascade,
    gate             text not null,
    suite            text not null,
    "table"          text not null,
    tenant_id        text,
    expectation      text not null,
    severity         text not null check (severity in ('error', 'warn')),
    success          boolean not null,
    observed         text not null,
    expected         text not null,
    unexpected_count bigint not null,
    examples         jsonb not null,
    checked_at       timestamptz not null
);
create index if not exists results_run on quality.results (run_id);
create index if not exists results_tenant on quality.results (tenant_id, run_id) where tenant_id is not null;

-- At most one of a gate is open: a gate that goes on failing goes on with the same incident.
create table if not exists quality.incidents (
    incident_id  text primary key,
    gate         text not null,
    opened_at    timestamptz not null,
    last_seen_at timestamptz not null,
    resolved_at  timestamptz,
    failures     jsonb not null,
    build_id     bigint
);
create unique index if not exists incidents_open on quality.incidents (gate) where resolved_at is null;
create sequence if not exists quality.incident_numbers;

-- Findings that a person took for true: they stop nothing any more. keys: the place, as the finding names it.
create table if not exists quality.accepted (
    gate        text not null,
    expectation text not null,
    tenant_id   text not null,
    keys        jsonb not null,
    incident_id text not null,
    accepted_at timestamptz not null,
    primary key (gate, expectation, tenant_id, keys)
);

-- What a tenant usually sends, as the bronze gate learns it from the rows that are new to it: hours in which something
-- was recorded, and the units of each metric.
create table if not exists quality.arrivals (
    tenant_id text not null,
    hour      timestamptz not null,
    primary key (tenant_id, hour)
);
create table if not exists quality.units (
    tenant_id         text not null,
    metric            text not null,
    unit              text not null,
    first_recorded_at timestamptz not null,
    primary key (tenant_id, metric, unit)
);
