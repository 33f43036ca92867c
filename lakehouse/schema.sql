-- What lies below dbt: the registry of tenants, and landing, the copy of bronze in Postgres.
create schema if not exists registry;
create table if not exists registry.tenants (
    tenant_id  text primary key check (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    created_at timestamptz not null default now()
);
insert into registry.tenants (tenant_id) values ('default'), ('public') on conflict do nothing;

-- How far each connector has read its origin.
create table if not exists registry.cursors (
    tenant_id text not null,
    source    text not null,
    cursor    text not null,
    moved_at  timestamptz not null default now(),
    primary key (tenant_id, source)
);

-- What was erased, by whom it belonged to and a hash of source and path ('' for the tenant as a whole): no content. A row
-- without finished_at is an erasure that runs, or one that was cut off and must be run again.
create table if not exists registry.erasures (
    tenant_id       text not null,
    document_sha256 text not null default '',
    erased_at       timestamptz not null,
    finished_at     timestamptz,
    primary key (tenant_id, document_sha256)
);

-- From which day on Postgres keeps readings and events. It only moves forward; the latest counts.
create table if not exists registry.retention (
    horizon  date primary key,
    moved_at timestamptz not null default now()
);

create schema if not exists landing;

-- The Delta version up to which each bronze table has been landed, moved in the transaction that lands the rows.
create table if not exists landing.watermarks (
    table_name    text primary key,
    delta_version bigint not null
);

-- By day, so that a day of gold is made from that day's rows alone; landing.py makes a partition when a day's first row comes.
create table if not exists landing.telemetry (
    tenant_id     text not null,
    dt            date not null,
    device_id     text not null,
    metric        text not null,
    ts            timestamptz not null,
    value         double precision not null,
    unit          text,
    site          text,
    model         text,
    firmware      text,
    source        text not null,
    object_sha256 text not null,
    row_number    bigint not null,
    recorded_at   timestamptz not null,
    bronze_version bigint not null
) partition by range (dt);
create index if not exists telemetry_bronze_version on landing.telemetry using brin (bronze_version);

-- Which days each landing of telemetry brought rows of, and when the first and the latest of them were recorded.
create table if not exists landing.telemetry_days (
    day               date not null,
    delta_version     bigint not null,
    first_recorded_at timestamptz not null,
    recorded_at       timestamptz not null,
    primary key (day, delta_version)
);

create table if not exists landing.events (
    tenant_id     text not null,
    event_id      text not null,
    device_id     text,
    event_type    text not null,
    ts            timestamptz not null,
    severity      text,
    message       text,
    attributes    text not null,
    site          text,
    model         text,
    firmware      text,
    source        text not null,
    object_sha256 text not null,
    row_number    bigint not null,
    recorded_at   timestamptz not null,
    bronze_version bigint not null
);

create index if not exists events_key on landing.events (tenant_id, event_id);
create index if not exists events_bronze_version on landing.events using brin (bronze_version);

-- What is still known of the time before registry.retention.horizon: since when a device ran which firmware, and where
-- and as what it was seen. Comes from <tenant>/archive/ in bronze.
create table if not exists landing.retired_firmware (
    tenant_id   text not null,
    device_id   text not null,
    firmware    text not null,
    valid_from  timestamptz not null,
    recorded_at timestamptz not null
);
create table if not exists landing.retired_devices (
    tenant_id text not null,
    device_id text not null,
    site      text,
    model     text,
    first_ts  timestamptz not null,
    last_ts   timestamptz not null
);

create table if not exists landing.messages (
    tenant_id     text not null,
    source        text not null,
    channel       text not null,
    message_id    text not null,
    thread_id     text not null,
    author        text,
    ts            timestamptz not null,
    text          text not null,
    edited_at     timestamptz,
    deleted       boolean not null,
    object_sha256 text not null,
    recorded_at   timestamptz not null,
    bronze_version bigint not null
);

create table if not exists landing.documents (
    tenant_id      text not null,
    source         text not null,
    path           text not null,
    kind           text not null,
    title          text not null,
    object_sha256  text not null,
    raw_sha256     text not null,
    media_type     text not null,
    extraction     text not null,
    byte_start     bigint not null,
    byte_end       bigint not null,
    product        text,
    version_from   text,
    version_to     text,
    valid_from     timestamptz,
    classification text not null,
    url            text,
    deleted        boolean not null,
    recorded_at    timestamptz not null,
    bronze_version bigint not null,
    text           text not null
);
-- Of each file that the page includes, where it may lie and the headings above the directive. Null: none, or landed by a
-- release that did not look.
alter table landing.documents add column if not exists includes json;

-- Gold is what is served; dbt builds a candidate beside it, and promotion moves that in. The partitions of both lie in a
-- schema of their own, as they are handed over from one to the other.
create schema if not exists gold_partitions;

-- What gold was built from. A row without built_at is a build that runs, or one that failed; one without finished_at has a
-- candidate that was not promoted. full_build: of all rows of landing, not of what is new.
create table if not exists registry.builds (
    build_id       bigint generated always as identity primary key,
    snapshot       text,
    project_sha256 text not null,
    started_at     timestamptz not null default now(),
    built_at       timestamptz,
    finished_at    timestamptz,
    full_build     boolean not null default true,
    as_of          timestamptz
);
alter table registry.builds add column if not exists built_at timestamptz;
alter table registry.builds add column if not exists full_build boolean not null default true;
alter table registry.builds add column if not exists as_of timestamptz;

-- The Delta version of each table that gold, as it is served, was built from.
create table if not exists registry.promoted (
    table_name    text primary key,
    delta_version bigint not null
);

-- What the build that runs, or ran last, reads: rows of landing beyond after_version, up to upto_version, are new to
-- gold; the days of those readings; and the moment that "now" stands for in gold.
create table if not exists registry.increments (
    table_name    text primary key,
    after_version bigint not null,
    upto_version  bigint not null
);
create table if not exists registry.touched_days (
    day date primary key
);
create table if not exists registry.as_of (
    as_of timestamptz not null
);
