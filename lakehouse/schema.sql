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
);
create index if not exists telemetry_bronze_version on landing.telemetry using brin (bronze_version);

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

-- What gold was built from. A row without finished_at is a build that runs, or one that failed.
create table if not exists registry.builds (
    build_id       bigint generated always as identity primary key,
    snapshot       text,
    project_sha256 text not null,
    started_at     timestamptz not null default now(),
    finished_at    timestamptz
);
