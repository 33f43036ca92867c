-- Readings of the newest days that were made anew, counted where they are served from. Filled in by gold_profiles.py.
create temp table counted_readings as
select tenant_id, (ts at time zone 'UTC')::date as day, count(*) as readings
from {schema}.fct_readings
where {days}
group by 1, 2;

create temp table repeated_readings as
select tenant_id, device_id, metric, ts, count(*) as rows
from {schema}.fct_readings
where not {is_unique} and ({days})
group by tenant_id, device_id, metric, ts
having count(*) > 1;

create temp table counted as
select tenant_id, day, coalesce(r.readings, 0) as readings, coalesce(d.readings, 0) as rolled_up
from counted_readings as r
full join (
    select tenant_id, day, sum(reading_count)::bigint as readings
    from {schema}.fct_readings_daily
    where day = any({counted})
    group by tenant_id, day
) as d using (tenant_id, day);
