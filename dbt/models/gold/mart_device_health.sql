{{ config(indexes=[{'columns': ['tenant_id', 'device_id'], 'unique': true}]) }}

with moment as (

    select {{ as_of() }} as as_of

),

devices as (

    select
        devices.*,
        case when devices.firmware is not null then {{ version_order('devices.firmware') }} end as firmware_order
    from {{ ref('dim_devices') }} as devices

),

newest as (

    select tenant_id, model, max({{ version_order('firmware') }}) as firmware_order
    from (
        select distinct tenant_id, model, firmware
        from {{ ref('dim_device_history') }}
        where model is not null and firmware is not null
    ) as installed
    group by tenant_id, model

),

heard as (

    select tenant_id, known_as as device_id, max(last_reading_at) as last_reading_at
    from {{ ref('dim_device_names') }}
    group by tenant_id, known_as

),

hours as (

    select
        names.tenant_id,
        names.known_as as device_id,
        hours.hour,
        sum(hours.reading_count) as readings,
        min(hours.first_ts) as first_ts,
        max(hours.last_ts) as last_ts,
        min(hours.recorded_at - hours.last_ts) as delay
    from {{ ref('fct_readings_hourly') }} as hours
    inner join {{ ref('dim_device_names') }} as names
        on {{ is_named('hours', 'hours.last_ts') }}
    where hours.hour > {{ as_of() }} - interval '7 days' and hours.hour <= {{ as_of() }}
    group by names.tenant_id, names.known_as, hours.hour

),

hour_gaps as (

    select
        *,
        first_ts - lag(last_ts) over (partition by tenant_id, device_id order by hour) as gap
    from hours

),

-- Of a hundred gaps between hours the longest is left out: that may have been an outage.
by_hour as (

    select
        tenant_id,
        device_id,
        coalesce(sum(readings) filter (where hour > {{ as_of() }} - interval '24 hours'), 0) as readings_24h,
        percentile_disc(0.99) within group (order by gap) as gap
    from hour_gaps
    group by tenant_id, device_id

),

days as (

    select
        names.tenant_id,
        names.known_as as device_id,
        days.day,
        sum(days.reading_count) as readings,
        min(days.first_ts) as first_ts,
        max(days.last_ts) as last_ts
    from {{ ref('fct_readings_daily') }} as days
    inner join {{ ref('dim_device_names') }} as names
        on {{ is_named('days', 'days.last_ts') }}
    where days.day >= ({{ as_of() }} at time zone 'UTC')::date - 35
        and days.day <= ({{ as_of() }} at time zone 'UTC')::date
    group by names.tenant_id, names.known_as, days.day

),

day_gaps as (

    select
        *,
        first_ts - lag(last_ts) over (partition by tenant_id, device_id order by day) as gap
    from days

),

-- A device that reports once a day, or a week, shows that between days only.
by_day as (

    select
        tenant_id,
        device_id,
        percentile_disc(0.5) within group (order by readings) filter (
            where day >= ({{ as_of() }} at time zone 'UTC')::date - 14
            and day < ({{ as_of() }} at time zone 'UTC')::date
        ) as expected_24h,
        percentile_disc(0.95) within group (order by gap) as gap
    from day_gaps
    group by tenant_id, device_id

),

-- Rows come in files, hours or days after the readings: up to here a tenant's readings can be expected to be known.
known_until as (

    select
        heard.tenant_id,
        greatest(max(heard.last_reading_at), {{ as_of() }} - min(delays.delay)) as known_until
    from heard
    left join (
        select tenant_id, percentile_disc(0.99) within group (order by delay) as delay
        from hours
        group by tenant_id
    ) as delays
        on delays.tenant_id = heard.tenant_id
    group by heard.tenant_id

),

open_alerts as (

    select
        tenant_id,
        known_as as device_id,
        count(*) as open_alerts,
        {{ worst_severity('severity') }} as severity
    from {{ ref('fct_alerts') }}
    where opened_at <= {{ as_of() }} and (resolved_at is null or resolved_at > {{ as_of() }})
    group by tenant_id, known_as

),

incidents as (

    select
        tenant_id,
        device_id,
        count(*) filter (where resolved_at is null or resolved_at > {{ as_of() }}) as open_incidents,
        count(*) filter (where opened_at > {{ as_of() }} - interval '30 days') as incidents_30d,
        {{ worst_severity('severity', 'resolved_at is null or resolved_at > ' ~ as_of()) }} as severity
    from (
        select incidents.tenant_id, linked.device_id, incidents.opened_at, incidents.resolved_at, incidents.severity
        from {{ ref('fct_incidents') }} as incidents
        cross join unnest(incidents.device_ids) as linked (device_id)
        where incidents.opened_at <= {{ as_of() }}
    ) as of_devices
    group by tenant_id, device_id

),

maintenance as (

    select tenant_id, known_as as device_id, max(coalesce(ended_at, started_at)) as last_maintenance_at
    from {{ ref('fct_maintenance') }}
    where coalesce(ended_at, started_at) <= {{ as_of() }}
    group by tenant_id, known_as

),

set_aside as (

    select readings.tenant_id, names.known_as as device_id, count(*) as set_aside_30d
    from {{ ref('fct_readings_set_aside') }} as readings
    inner join {{ ref('dim_device_names') }} as names
        on {{ is_named('readings', 'readings.recorded_at') }}
    where readings.recorded_at > {{ as_of() }} - interval '30 days' and readings.recorded_at <= {{ as_of() }}
    group by readings.tenant_id, names.known_as

),

joined as (

    select
        devices.tenant_id,
        devices.device_id,
        devices.model,
        devices.site,
        devices.firmware,
        devices.firmware_order >= newest.firmware_order as is_newest_firmware_of_model,
        devices.last_seen_at,
        greatest(extract(epoch from moment.as_of - devices.last_seen_at), 0)::double precision as silent_for,
        extract(epoch from greatest(by_hour.gap, by_day.gap))::double precision as usual_silence,
        known_until.known_until - heard.last_reading_at
        > greatest(2 * coalesce(greatest(by_hour.gap, by_day.gap), interval '1 day'), interval '15 minutes') as is_silent,
        coalesce(by_hour.readings_24h, 0)::bigint as readings_24h,
        by_day.expected_24h::bigint as expected_24h,
        coalesce(open_alerts.open_alerts, 0) as open_alerts,
        open_alerts.severity as worst_open_severity,
        coalesce(incidents.open_incidents, 0) as open_incidents,
        incidents.severity as incident_severity,
        coalesce(incidents.incidents_30d, 0) as incidents_30d,
        maintenance.last_maintenance_at,
        coalesce(set_aside.set_aside_30d, 0) as set_aside_30d,
        moment.as_of
    from devices
    cross join moment
    left join newest using (tenant_id, model)
    left join known_until using (tenant_id)
    left join heard using (tenant_id, device_id)
    left join by_hour using (tenant_id, device_id)
    left join by_day using (tenant_id, device_id)
    left join open_alerts using (tenant_id, device_id)
    left join incidents using (tenant_id, device_id)
    left join maintenance using (tenant_id, device_id)
    left join set_aside using (tenant_id, device_id)

),

judged as (

    select
        *,
        coalesce('critical' in (worst_open_severity, incident_severity), false) as is_critical,
        coalesce(readings_24h < 0.5 * expected_24h, false) as is_sparse
    from joined

)

select
    tenant_id,
    device_id,
    model,
    site,
    firmware,
    is_newest_firmware_of_model,
    last_seen_at,
    silent_for,
    usual_silence,
    readings_24h,
    expected_24h,
    open_alerts,
    worst_open_severity,
    open_incidents,
    incidents_30d,
    last_maintenance_at,
    set_aside_30d,
    case
        when is_critical then 'critical'
        when is_silent then 'silent'
        when open_alerts > 0 or open_incidents > 0 or is_sparse or set_aside_30d > 0 then 'attention'
        else 'ok'
    end as status,
    array_remove(array[
        case when open_alerts > 0 then open_alerts || ' open alerts, the worst ' || worst_open_severity end,
        case when open_incidents > 0 then open_incidents || ' open incidents, the worst ' || incident_severity end,
        case when is_silent then 'no reading for ' || {{ duration_text('silent_for') }} || coalesce(
            ', usually not more than ' || {{ duration_text('usual_silence') }} || ' apart', ''
        ) end,
        case when is_sparse then readings_24h || ' readings in 24 hours, usually ' || expected_24h end,
        case when set_aside_30d > 0 then set_aside_30d || ' readings with impossible times in 30 days' end
    ], null) as reasons,
    as_of
from judged
