{#- A table, as three models of gold read it. -#}
{{ config(materialized='table') }}

{% set content = ['firmware', 'site', 'model'] %}
{% set series = ['tenant_id', 'device_id', 'series'] %}
{% set said_in = "partition by " ~ series | join(', ') ~ " order by ts, last_ts, " ~ content | join(', ') %}
{% set later = "partition by tenant_id, device_id, attribute, series order by ts, last_ts, value" %}

with events as not materialized (

    select
        events.tenant_id,
        names.known_as as device_id,
        events.event_id,
        events.event_type,
        events.ts,
        case
            when events.event_type in ('firmware_upgraded', 'firmware_rolled_back')
                then coalesce({{ attribute('to_version') }}, events.firmware)
        end as firmware,
        events.site,
        events.model,
        events.attributes,
        events.recorded_at
    from {{ ref('fct_events') }} as events
    inner join {{ ref('dim_device_names') }} as names
        on {{ is_named('events', 'events.ts') }}

),

said as not materialized (

    select
        names.tenant_id,
        names.known_as as device_id,
        sightings.metric as series,
        sightings.first_ts as ts,
        sightings.last_ts,
        {% for name in content %}sightings.{{ name }}, {% endfor %}
        sightings.recorded_at
    from {{ ref('fct_device_sightings') }} as sightings
    inner join {{ ref('dim_device_names') }} as names
        on {{ is_named('sightings', 'sightings.first_ts') }}
    union all
    select tenant_id, device_id, '' as series, ts, ts as last_ts, {{ content | join(', ') }}, recorded_at
    from events
    where coalesce({{ content | join(', ') }}) is not null
    union all
    select
        names.tenant_id,
        names.known_as as device_id,
        '' as series,
        retired.valid_from as ts,
        retired.valid_from as last_ts,
        retired.firmware,
        null as site,
        null as model,
        retired.recorded_at
    from {{ ref('stg_retention__firmware') }} as retired
    inner join {{ ref('dim_device_names') }} as names
        on {{ is_named('retired', 'retired.valid_from') }}
    union all
    select
        names.tenant_id,
        names.known_as as device_id,
        '' as series,
        retired.first_ts as ts,
        retired.last_ts,
        null as firmware,
        retired.site,
        retired.model,
        null as recorded_at
    from {{ ref('stg_retention__devices') }} as retired
    inner join {{ ref('dim_device_names') }} as names
        on {{ is_named('retired', 'retired.first_ts') }}

),

grouped as (

    select
        {{ series | join(', ') }},
        {{ content | join(', ') }},
        min(ts) as ts,
        max(last_ts) as last_ts,
        min(recorded_at) as recorded_at
    from said
    group by {{ series | join(', ') }}, {{ content | join(', ') }}

),

-- A change of firmware speaks in every series of its device: what a series goes on saying against it is news then.
changes as (

    select
        events.tenant_id,
        events.device_id,
        named.series,
        events.firmware,
        null as site,
        null as model,
        events.ts,
        events.ts as last_ts,
        events.recorded_at
    from events
    inner join (select distinct tenant_id, device_id, series from grouped where series <> '') as named
        on named.tenant_id = events.tenant_id
        and named.device_id = events.device_id
    where events.firmware is not null

),

-- Where a series said one thing after another, and nothing came back, that is all. Of the others it is asked in which
-- order they said it: those are few, and the sort of all sightings would take most of the time of this model.
mixed as (

    select distinct tenant_id, device_id, series
    from (
        select
            *,
            max(last_ts) over ({{ said_in }} rows between unbounded preceding and 1 preceding) >= ts as is_mixed
        from (
            select * from grouped
            union all
            select * from changes
        ) as spans
    ) as compared
    where is_mixed

),

marked as (

    select
        *,
        {{ says_something_new(content, 'series_line') }} as is_new
    from (
        select {{ series | join(', ') }}, {{ content | join(', ') }}, ts, last_ts, recorded_at
        from said
        union all
        select * from changes
    ) as either
    where ({{ series | join(', ') }}) in (select {{ series | join(', ') }} from mixed)
    window series_line as ({{ said_in }})

),

numbered as (

    select
        *,
        count(*) filter (where is_new) over ({{ said_in }}) as run
    from marked

),

runs as (

    select
        {{ series | join(', ') }},
        {{ content | join(', ') }},
        min(ts) as ts,
        max(last_ts) as last_ts,
        min(recorded_at) as recorded_at
    from numbered
    group by {{ series | join(', ') }}, run, {{ content | join(', ') }}
    union all
    select * from grouped
    where ({{ series | join(', ') }}) not in (select {{ series | join(', ') }} from mixed)

),

-- The settings that were changed, and the others as they were.
configured as (

    select distinct on (tenant_id, device_id, ts)
        tenant_id,
        device_id,
        '' as series,
        'configuration' as attribute,
        (jsonb_object_agg(key, setting) over (partition by tenant_id, device_id order by ts, event_id))::text as value,
        ts,
        ts as last_ts,
        recorded_at
    from events
    cross join lateral jsonb_each(attributes) as settings (key, setting)
    where event_type = 'configuration_changed'
    order by tenant_id, device_id, ts, event_id desc

),

statements as (

    {% for attribute in content %}
    select tenant_id, device_id, series, '{{ attribute }}' as attribute, {{ attribute }} as value, ts, last_ts, recorded_at
    from runs
    where {{ attribute }} is not null
    union all
    {% endfor %}
    select tenant_id, device_id, series, attribute, value, ts, last_ts, recorded_at
    from configured

),

-- A series that goes on saying what it said is no news, whatever another one says meanwhile.
news as (

    select
        *,
        value is distinct from lag(value) over ({{ later }}) as is_new
    from statements

),

sayings as (

    select
        *,
        count(*) filter (where is_new) over ({{ later }}) as saying
    from news

),

sayings_as_one as (

    select
        tenant_id,
        device_id,
        attribute,
        value,
        min(ts) as ts,
        max(last_ts) as last_ts,
        min(recorded_at) as recorded_at
    from sayings
    group by tenant_id, device_id, series, attribute, value, saying

),

-- Two series that disagree from one moment on: the one that says so longer is right.
one_a_moment as (

    select distinct on (tenant_id, device_id, attribute, ts) *
    from sayings_as_one
    order by tenant_id, device_id, attribute, ts, last_ts desc, value desc

),

turned as (

    select
        *,
        value is distinct from lag(value) over device as is_new
    from one_a_moment
    window device as (partition by tenant_id, device_id, attribute order by ts)

),

stretched as (

    select
        *,
        count(*) filter (where is_new) over (partition by tenant_id, device_id, attribute order by ts) as stretch
    from turned

),

stretches as (

    select
        tenant_id,
        device_id,
        attribute,
        value,
        min(ts) as valid_from,
        min(recorded_at) as recorded_at
    from stretched
    group by tenant_id, device_id, attribute, value, stretch

)

select * from stretches
