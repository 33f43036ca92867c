-- What is new in landing, and what its tenants usually send. Filled in by bronze_profiles.py.

-- One pass over the new readings; rules add up what it counted.
create temp table readings_by_day as
select
    tenant_id,
    dt,
    metric,
    coalesce(unit, '') as unit,
    count(*) as rows,
    min(recorded_at) as first_recorded_at,
    max(recorded_at) as last_recorded_at,
    count(*) filter (where btrim(device_id) = '' or btrim(metric) = '') as unnamed,
    count(*) filter (where value in ('NaN', 'Infinity', '-Infinity')) as not_finite,
    count(*) filter (where octet_length(object_sha256) <> 64) as of_no_object,
    count(*) filter (where (ts at time zone 'UTC')::date <> dt) as of_another_day,
    count(*) filter (where ts > recorded_at + interval '5 minutes' or ts < '2000-01-01 00:00+00') as impossible_moment
from new_telemetry
group by tenant_id, dt, metric, coalesce(unit, '');

-- Learnt for the runs to come: hours in which something arrived, and units.
insert into quality.arrivals (tenant_id, hour)
select tenant_id, date_trunc('hour', first_recorded_at) from readings_by_day
union select tenant_id, date_trunc('hour', last_recorded_at) from readings_by_day
union select tenant_id, date_trunc('hour', recorded_at) from new_events
union select tenant_id, date_trunc('hour', recorded_at) from new_messages
union select tenant_id, date_trunc('hour', recorded_at) from new_documents
on conflict do nothing;

delete from quality.arrivals where hour < {now} - {kept} * interval '1 day';

insert into quality.units (tenant_id, metric, unit, first_recorded_at)
select tenant_id, metric, unit, min(first_recorded_at) from readings_by_day group by tenant_id, metric, unit
on conflict (tenant_id, metric, unit) do update
set first_recorded_at = least(units.first_recorded_at, excluded.first_recorded_at);

-- A unit is new where nothing before the rows that are judged had it, so a second run over them finds the same.
create temp table new_units as
with seen as (

    select
        tenant_id, metric, unit, sum(rows)::bigint as rows, min(dt) as day, min(first_recorded_at) as first_recorded_at
    from readings_by_day
    group by tenant_id, metric, unit

),

before as (

    select u.tenant_id, u.metric, u.unit
    from quality.units as u
    join (select tenant_id, min(first_recorded_at) as began from seen group by tenant_id) as now using (tenant_id)
    where u.first_recorded_at < now.began

)

select
    seen.*,
    exists (select from before where before.tenant_id = seen.tenant_id) as tenant_known,
    (
        select string_agg(coalesce(nullif(before.unit, ''), 'no unit'), ' or ' order by before.unit)
        from before
        where (before.tenant_id, before.metric) = (seen.tenant_id, seen.metric)
    ) as usual
from seen
where (tenant_id, metric, unit) not in (select * from before);

create temp table new_volume as
with days as (

    select tenant_id, day, sum(reading_count) as readings
    from {served}
    where day >= coalesce((select min(dt) from readings_by_day), 'infinity'::date) - {history}
    group by tenant_id, day

),

usual as (

    select tenant_id, count(*) as days, percentile_cont(0.5) within group (order by readings) as median
    from days
    group by tenant_id

)

select new.tenant_id, new.dt, sum(new.rows)::bigint as rows, usual.days, usual.median
from readings_by_day as new
join usual using (tenant_id)
group by new.tenant_id, new.dt, usual.days, usual.median;

-- How long each tenant has been silent, and how long it usually is.
create temp table silence as
with gaps as (

    select
        tenant_id,
        hour,
        hour - lag(hour) over (partition by tenant_id order by hour) as gap,
        max(hour) over (partition by tenant_id) as last_at
    from quality.arrivals

)

select
    tenant_id, last_at, count(*) as arrivals, max(hour) - min(hour) as span, max(gap) as usual, {now} - last_at as silent
from gaps
where hour > last_at - {history} * interval '1 day'
group by tenant_id, last_at;
