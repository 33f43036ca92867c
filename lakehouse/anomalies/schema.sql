-- What detection found, and what it had read by then. Both are made from gold alone.
create schema if not exists detection;

create table if not exists detection.anomalies (
    tenant_id         text not null,
    anomaly_id        text not null,
    device_id         text not null,
    metric            text, -- null: the device as a whole is silent
    kind              text not null check (kind in ('gap', 'stuck', 'drift', 'level', 'spike', 'shape')),
    started_at        timestamptz not null,
    ended_at          timestamptz not null,
    first_detected_at timestamptz not null,
    method            text not null,
    measure           text not null, -- what seen, expected_low and expected_high are
    expected_low      double precision not null,
    expected_high     double precision not null,
    seen              double precision not null,
    score             double precision not null,
    window_from       timestamptz not null,
    window_to         timestamptz not null,
    window_readings   int not null,
    receipt_sql       text not null,
    receipt_params    jsonb not null,
    findings          jsonb not null, -- all that was merged into this one, the one above included
    primary key (tenant_id, anomaly_id)
);
create index if not exists anomalies_device on detection.anomalies (tenant_id, device_id, started_at);

-- silent_from: when the device would be called silent, unless it is heard before.
create table if not exists detection.seen (
    tenant_id        text not null,
    device_id        text not null,
    readings         bigint not null,
    last_ts          timestamptz not null,
    last_recorded_at timestamptz not null,
    silent_from      timestamptz,
    as_of            timestamptz not null,
    method           text not null,
    primary key (tenant_id, device_id)
);
