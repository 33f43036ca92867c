{#- All that follows joins it: not knowing that it is small, the planner would make a hash of the facts. -#}
{{ config(
    indexes=[{'columns': ['tenant_id', 'device_id', 'valid_from'], 'unique': true}],
    post_hook='analyze {{ this }}',
) }}

{#- So long after a renaming may a report still bear the former name: the device had not heard of it, or had stored it. -#}
{% set grace = "interval '24 hours'" %}

with recursive reports as (

    select tenant_id, device_id, first_ts, last_ts, last_ts as last_reading, false as is_renaming, recorded_at
    from {{ ref('fct_device_sightings') }}
    union all
    select tenant_id, device_id, ts, ts, null, event_type = 'device_renamed', recorded_at
    from {{ ref('fct_events') }}
    where device_id is not null
    union all
    select tenant_id, device_id, first_ts, last_ts, null, false, null
    from {{ ref('stg_retention__devices') }}

),

stated as (

    select
        tenant_id,
        event_id,
        ts,
        coalesce({{ attribute('from') }}, nullif(device_id, {{ attribute('to') }})) as from_id,
        coalesce({{ attribute('to') }}, nullif(device_id, {{ attribute('from') }})) as to_id,
        object_sha256,
        recorded_at
    from {{ ref('fct_events') }}
    where event_type = 'device_renamed'

),

sides as (

    select tenant_id, event_id, ts, from_id as name, to_id as other, true as is_given_up
    from stated
    where from_id <> to_id
    union all
    select tenant_id, event_id, ts, to_id as name, from_id as other, false as is_given_up
    from stated
    where from_id <> to_id

),

-- Said again while nothing took the name over, it is the same renaming.
turns as (

    select
        *,
        is_given_up
        and (is_given_up, other) is not distinct from (lag(is_given_up) over name_line, lag(other) over name_line)
        as is_repeated
    from sides
    window name_line as (partition by tenant_id, name order by ts, is_given_up desc, event_id)

),

renamings as (

    select stated.*
    from stated
    inner join turns
        on turns.tenant_id = stated.tenant_id
        and turns.event_id = stated.event_id
        and turns.is_given_up
        and not turns.is_repeated

),

-- From one renaming to the next of the same device. Time only moves forward; within one moment no name comes twice, so
-- that a chain is followed and two devices that swap their names do not go round in a circle.
followed as (

    select tenant_id, event_id, ts as started_at, to_id as known_as, ts, array[from_id, to_id] as names, recorded_at
    from renamings
    union all
    select
        followed.tenant_id,
        followed.event_id,
        followed.started_at,
        later.to_id as known_as,
        later.ts,
        case when later.ts = followed.ts then followed.names else array[later.from_id] end || later.to_id as names,
        greatest(followed.recorded_at, later.recorded_at) as recorded_at
    from followed
    cross join lateral (
        select renamings.*
        from renamings
        where renamings.tenant_id = followed.tenant_id
            and renamings.from_id = followed.known_as
            and renamings.ts >= followed.ts
            and (renamings.ts > followed.ts or renamings.to_id <> all(followed.names))
        order by renamings.ts, renamings.event_id
        limit 1
    ) as later

),

today as (

    select distinct on (tenant_id, event_id) tenant_id, event_id, known_as, recorded_at
    from followed
    order by tenant_id, event_id, ts desc, cardinality(names) desc

),

-- What a device was called when all that happened at that moment had happened.
taken as (

    select distinct on (tenant_id, event_id) tenant_id, event_id, known_as as name, ts
    from followed
    where ts = started_at
    order by tenant_id, event_id, cardinality(names) desc

),

-- A name that was given up means the device that gave it up until another takes it over, or until the grace is over.
given_up as (

    select
        renamings.*,
        today.known_as,
        today.recorded_at as known_at,
        least(
            renamings.ts + {{ grace }},
            (
                select min(taken.ts) from taken
                where taken.tenant_id = renamings.tenant_id
                    and taken.name = renamings.from_id
                    and taken.ts >= renamings.ts
            )
        ) as ends_at
    from renamings
    inner join today
        on today.tenant_id = renamings.tenant_id
        and today.event_id = renamings.event_id

),

spans as (

    select
        *,
        lag(ends_at) over name_line as starts_at,
        lead(ends_at) over name_line is null as is_last
    from given_up
    window name_line as (partition by tenant_id, from_id order by ends_at, event_id)

),

meanings as (

    select tenant_id, from_id, starts_at, ends_at, known_as, ts as renamed_at, event_id, object_sha256, known_at
    from spans
    union all
    -- Whoever reports under the name after that is a new device.
    select tenant_id, from_id, ends_at, null, from_id, null, null, null, null
    from spans
    where is_last

),

names as (

    select
        reports.tenant_id,
        reports.device_id,
        coalesce(meanings.known_as, reports.device_id) as known_as,
        min(reports.first_ts) as valid_from,
        max(reports.last_ts) as last_reported_at,
        max(reports.last_reading) as last_reading_at,
        min(reports.recorded_at) as first_recorded_at,
        bool_and(reports.is_renaming) as is_renaming_only,
        meanings.renamed_at,
        meanings.event_id,
        meanings.object_sha256,
        meanings.known_at as recorded_at
    from reports
    left join meanings
        on meanings.tenant_id = reports.tenant_id
        and meanings.from_id = reports.device_id
        and (reports.first_ts >= meanings.starts_at or meanings.starts_at is null)
        and (reports.first_ts < meanings.ends_at or meanings.ends_at is null)
    group by
        reports.tenant_id,
        reports.device_id,
        meanings.ends_at,
        meanings.known_as,
        meanings.renamed_at,
        meanings.event_id,
        meanings.object_sha256,
        meanings.known_at

),

-- That a renaming is told again, long after it, is no sign of life of what bore the name.
alive as (

    select *
    from (
        select *, bool_and(is_renaming_only) over (partition by tenant_id, device_id) as is_never_seen
        from names
    ) as told
    where not is_renaming_only or is_never_seen

)

select
    tenant_id,
    device_id,
    valid_from,
    lead(valid_from) over (partition by tenant_id, device_id order by valid_from) as valid_to,
    known_as,
    last_reported_at,
    last_reading_at,
    first_recorded_at,
    renamed_at,
    event_id,
    object_sha256,
    recorded_at
from alive
