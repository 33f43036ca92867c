-- Population stability index of each whole day over the deciles of the days before, and of each of those days as well: the
-- habit of a metric that goes with the weather, or only ever grows, is that each day is unlike the others.
create temp table sample as
select tenant_id, metric, (hour at time zone 'UTC')::date as day, false as is_usual, value_avg as value
from {schema}.fct_readings_hourly
where false;

insert into sample
select h.tenant_id, h.metric, (h.hour at time zone 'UTC')::date, true, h.value_avg
from {served} as h
join promoted as p using (tenant_id)
where h.hour >= {start}
    and h.hour >= (p.last_day - {history})::timestamp at time zone 'UTC'
    and h.hour < p.last_day::timestamp at time zone 'UTC'
    and mod(hashtext(h.device_id)::bigint + (date_part('epoch', h.hour) / 3600)::bigint, {step}) = 0;

insert into sample
select h.tenant_id, h.metric, (h.hour at time zone 'UTC')::date, false, h.value_avg
from {schema}.fct_readings_hourly as h
where h.hour >= {first} and h.hour < {last}
    and (h.tenant_id, (h.hour at time zone 'UTC')::date) in (select tenant_id, day from judged_days where whole)
    and mod(hashtext(h.device_id)::bigint + (date_part('epoch', h.hour) / 3600)::bigint, {step}) = 0;

create temp table drift as
with usual as (

    select
        tenant_id, metric, count(*) as hours, count(distinct day) as days,
        percentile_disc(array[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) within group (order by value) as deciles
    from sample
    where is_usual
    group by tenant_id, metric

),

counted as (

    select tenant_id, metric, day, is_usual, width_bucket(value, deciles) as bin, count(*) as hours
    from sample
    join usual using (tenant_id, metric)
    group by tenant_id, metric, day, is_usual, width_bucket(value, deciles)

),

expected as (

    select tenant_id, metric, bin, (sum(hours)::double precision + 0.5) / (sum(sum(hours)::double precision) over (partition by tenant_id, metric) + 5)
            as share
    from counted
    where is_usual
    group by tenant_id, metric, bin

),

days as (

    select tenant_id, metric, day, is_usual, sum(hours) as hours from counted group by tenant_id, metric, day, is_usual

),

shares as (

    select
        days.tenant_id, days.metric, days.day, days.is_usual, days.hours,
        (coalesce(counted.hours, 0)::double precision + 0.5) / (days.hours::double precision + 5) as share,
        coalesce(expected.share, 0.5 / (usual.hours::double precision + 5)) as expected
    from days
    join usual using (tenant_id, metric)
    cross join generate_series(0, 9) as bin
    left join counted using (tenant_id, metric, day, is_usual, bin)
    left join expected using (tenant_id, metric, bin)

),

indexes as (

    select
        tenant_id, metric, day, is_usual, min(hours) as hours,
        sum((share - expected) * ln(share / expected)) as psi
    from shares
    group by tenant_id, metric, day, is_usual

),

devices as (

    select tenant_id, metric, day, count(*) as devices, count(*) filter (where moved) as moved
    from ranges
    group by tenant_id, metric, day

)

select
    new.tenant_id, new.metric, new.day, new.psi, new.hours, usual.hours as usual_hours, usual.days,
    coalesce(devices.devices, 0) as devices, coalesce(devices.moved, 0) as moved,
    (
        select max(i.psi) from indexes as i
        where i.is_usual and (i.tenant_id, i.metric) = (new.tenant_id, new.metric)
    ) as habit
from indexes as new
join usual using (tenant_id, metric)
left join devices using (tenant_id, metric, day)
where not new.is_usual;
