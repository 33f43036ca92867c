{# What the tables that are partitioned by day say of one day, as SQL: the models of gold are made of these, and
   `make_days` fills the partitions with them. #}
{% macro readings_of_a_day(received) %}
    {%- set key = ['tenant_id', 'device_id', 'metric', 'ts'] -%}
    {%- set content = ['value', 'unit', 'firmware', 'site', 'model'] %}
    with of_day as (

        {{ received_of_a_day(received) }}

    ),

    settled as (

        {{ last_said('of_day', key, content) }}

    )

    select * from settled
{% endmacro %}

{# Which is the same where no key comes twice. #}
{% macro received_of_a_day(received) -%}
    select * from {{ received }}
    where dt = '{{ var('day', '__day__') }}' and is_possible
{%- endmacro %}

{% macro hours_of_a_day(readings) %}
    with readings as (

        select * from {{ readings }}
        where {{ of_day('ts') }}

    ),

    -- `date_bin` takes half of the time of `date_trunc` in a zone, and starts hours where UTC does.
    -- A sum of floats depends on the order of its terms: in the order of time it is the same whichever way they arrived.
    hours as (

        select
            tenant_id,
            device_id,
            metric,
            date_bin('1 hour', ts, '2000-01-01 00:00+00') as hour,
            count(*) as reading_count,
            sum(value order by ts) as value_sum,
            min(value) as value_min,
            max(value) as value_max,
            sum(value order by ts) / count(*) as value_avg,
            (array_agg(value order by ts))[count(*)] as last_value,
            (array_agg(unit order by ts))[count(*)] as unit,
            min(ts) as first_ts,
            max(ts) as last_ts,
            max(recorded_at) as recorded_at
        from readings
        group by tenant_id, device_id, metric, date_bin('1 hour', ts, '2000-01-01 00:00+00')

    )

    select * from hours
{% endmacro %}

{% macro days_of_a_day(hours) %}
    with hours as (

        select
            *,
            (hour at time zone 'UTC')::date as day
        from {{ hours }}
        where {{ of_day('hour') }}

    ),

    days as (

        select
            tenant_id,
            device_id,
            metric,
            day,
            sum(reading_count)::bigint as reading_count,
            sum(value_sum order by hour) as value_sum,
            min(value_min) as value_min,
            max(value_max) as value_max,
            sum(value_sum order by hour) / sum(reading_count)::bigint as value_avg,
            (array_agg(last_value order by hour))[count(*)] as last_value,
            (array_agg(unit order by hour))[count(*)] as unit,
            min(first_ts) as first_ts,
            max(last_ts) as last_ts,
            max(recorded_at) as recorded_at
        from hours
        group by tenant_id, device_id, metric, day

    )

    select * from days
{% endmacro %}

{% macro sightings_of_a_day(readings) %}
    with readings as (

        select tenant_id, device_id, metric, ts, firmware, site, model, recorded_at from {{ readings }}
        where {{ of_day('ts') }}

    ),

    said as (

        select
            tenant_id,
            device_id,
            metric,
            firmware,
            site,
            model,
            min(ts) as first_ts,
            max(ts) as last_ts,
            min(recorded_at) as recorded_at,
            count(*) over (partition by tenant_id, device_id, metric) as sayings
        from readings
        group by tenant_id, device_id, metric, firmware, site, model

    ),

    -- Most series say one thing all day; only of the others is it asked in which order they said it.
    marked as (

        select
            *,
            {{ says_something_new(['firmware', 'site', 'model'], 'series') }} as is_new
        from readings
        where (tenant_id, device_id, metric) in (select tenant_id, device_id, metric from said where sayings > 1)
        window series as (partition by tenant_id, device_id, metric order by ts)

    ),

    numbered as (

        select
            *,
            count(*) filter (where is_new) over (partition by tenant_id, device_id, metric order by ts) as run
        from marked

    ),

    runs as (

        select
            tenant_id,
            device_id,
            metric,
            firmware,
            site,
            model,
            min(ts) as first_ts,
            max(ts) as last_ts,
            min(recorded_at) as recorded_at
        from numbered
        group by tenant_id, device_id, metric, run, firmware, site, model

    ),

    sightings as (

        select tenant_id, device_id, metric, firmware, site, model, first_ts, last_ts, recorded_at
        from said
        where sayings = 1
        union all
        select tenant_id, device_id, metric, firmware, site, model, first_ts, last_ts, recorded_at
        from runs

    )

    select
        tenant_id,
        device_id,
        metric,
        (first_ts at time zone 'UTC')::date as day,
        firmware,
        site,
        model,
        first_ts,
        last_ts,
        recorded_at
    from sightings
{% endmacro %}
