-- Measures of a candidate's new days beside those of the days before. Filled in by gold_profiles.py.
create temp table usual_days as
select d.tenant_id, d.device_id, d.metric, d.day, d.reading_count, d.value_min, d.value_max
from {served} as d
join promoted as p using (tenant_id)
where d.day >= {start} and d.day >= p.last_day - {history} and d.day < p.last_day;

create temp table judged_days as
select d.*, d.day < max(d.day) over (partition by d.tenant_id) as whole
from {schema}.fct_readings_daily as d
join promoted as p using (tenant_id)
where d.day >= {first} and d.day >= p.last_day;

analyze usual_days;
analyze judged_days;

create temp table volume as
with days as (

    select
        tenant_id, day,
        sum(reading_count)::double precision as readings,
        count(*)::double precision as series,
        count(distinct device_id) as devices
    from usual_days
    group by tenant_id, day

),

usual as (

    select
        tenant_id,
        count(*) as days,
        percentile_cont(0.5) within group (order by readings) as median,
        percentile_cont(0.5) within group (order by readings / series) as by_series,
        percentile_cont(0.5) within group (order by devices) as devices,
        min(readings) as lowest,
        max(readings) as highest
    from days
    group by tenant_id

),

spread as (

    select tenant_id, 1.4826 * percentile_cont(0.5) within group (order by abs(readings - median)) as deviation
    from days
    join usual using (tenant_id)
    group by tenant_id

)

select
    tenant_id, day, whole, sum(reading_count)::bigint as readings, count(*) as series,
    usual.days, usual.median, usual.by_series, usual.devices, usual.lowest, usual.highest, spread.deviation
from judged_days
join usual using (tenant_id)
join spread using (tenant_id)
group by
    tenant_id, day, whole, usual.days, usual.median, usual.by_series, usual.devices, usual.lowest, usual.highest,
    spread.deviation;

create temp table missing_metrics as
with usual as (

    select tenant_id, metric, count(distinct day) as days from usual_days group by tenant_id, metric

)

select day.tenant_id, day.day, usual.metric, usual.days
from (select distinct tenant_id, day from judged_days where whole) as day
join usual using (tenant_id)
where not exists (
    select from judged_days as d
    where (d.tenant_id, d.day, d.metric) = (day.tenant_id, day.day, usual.metric)
);

create temp table ranges as
with usual as (

    select
        tenant_id, device_id, metric, count(*) as days, min(value_min) as lowest, max(value_max) as highest
    from usual_days
    group by tenant_id, device_id, metric

)

select
    tenant_id, device_id, metric, d.day, d.whole, d.value_min, d.value_max, d.value_avg,
    usual.days, usual.lowest, usual.highest,
    greatest(d.value_max - usual.highest, usual.lowest - d.value_min, 0) as beyond,
    d.value_avg > usual.highest or d.value_avg < usual.lowest as moved
from judged_days as d
join usual using (tenant_id, device_id, metric);
