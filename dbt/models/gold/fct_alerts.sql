{{ config(indexes=[
    {'columns': ['tenant_id', 'alert_id'], 'unique': true},
    {'columns': ['tenant_id', 'known_as', 'opened_at']},
]) }}

{% set line = "partition by tenant_id, device_key, kind, code_key, metric_key order by ts, is_clearing, event_id" %}

with told as (

    {{ named_events([
        'alarm', 'alarm_cleared', 'alarm_acknowledged', 'battery_low', 'battery_ok', 'battery_replaced', 'connection_lost',
        'connection_restored',
    ]) }}

),

read as (

    select
        *,
        coalesce(known_as, '') as device_key,
        split_part(event_type, '_', 1) as kind,
        event_type in ('alarm', 'battery_low', 'connection_lost') as is_raising,
        {{ attribute('code') }} as code,
        {{ attribute('metric') }} as metric,
        {{ attribute_number('value') }} as value,
        {{ attribute_number('limit') }} as limit_value,
        {{ attribute('cause') }} as cause,
        {{ severity('severity') }} as stated_severity
    from told

),

-- A device has one connection and is told of its battery as a whole; alarms are told apart by code and metric.
raised as (

    select
        *,
        case when kind = 'alarm' then coalesce(code, '') else '' end as code_key,
        case when kind = 'alarm' then coalesce(metric, '') else '' end as metric_key,
        false as is_clearing
    from read
    where is_raising

),

raised_lines as (

    select distinct tenant_id, device_key, kind, code_key, metric_key
    from raised

),

-- What a clearing leaves out, it does not tell apart.
cleared as (

    select
        read.*,
        raised_lines.code_key,
        raised_lines.metric_key,
        true as is_clearing
    from read
    inner join raised_lines
        on raised_lines.tenant_id = read.tenant_id
        and raised_lines.device_key = read.device_key
        and raised_lines.kind = read.kind
        and (raised_lines.code_key in ('', read.code) or read.code is null)
        and (raised_lines.metric_key in ('', read.metric) or read.metric is null)
    where not read.is_raising and read.event_type <> 'alarm_acknowledged'

),

marked as (

    select
        *,
        not is_clearing and coalesce(lag(is_clearing) over ({{ line }}), true) as is_opening
    from (
        select * from raised
        union all
        select * from cleared
    ) as either

),

numbered as (

    select
        *,
        count(*) filter (where is_opening) over ({{ line }}) as number,
        is_clearing and not lag(is_clearing) over ({{ line }}) as is_closing
    from marked

),

-- Number 0 is a clearing of what was never raised; one that follows another clearing clears nothing either.
alerts as (

    select
        tenant_id,
        device_key,
        kind,
        code_key,
        metric_key,
        min(event_id) filter (where is_opening) as opening_event_id,
        min(event_id) filter (where is_closing) as closing_event_id,
        min(known_as) as known_as,
        min(device_id) filter (where is_opening) as device_id,
        min(code) filter (where is_opening) as code,
        min(metric) filter (where is_opening) as metric,
        min(ts) as opened_at,
        max(ts) filter (where not is_clearing) as last_raised_at,
        min(ts) filter (where is_closing) as resolved_at,
        count(*) filter (where not is_clearing) as raised_count,
        {{ worst_severity('stated_severity', 'not is_clearing') }} as severity,
        min(value) filter (where is_opening) as value,
        min(limit_value) filter (where is_opening) as limit_value,
        min(message) filter (where is_opening) as message,
        min(object_sha256) filter (where is_opening) as object_sha256,
        (array_agg(cause order by ts desc, event_id desc) filter (where cause is not null))[1] as cause,
        max(recorded_at) as recorded_at
    from numbered
    where number > 0 and (is_closing or not is_clearing)
    group by tenant_id, device_key, kind, code_key, metric_key, number

),

followed as (

    select
        *,
        lead(opened_at) over (
            partition by tenant_id, device_key, kind, code_key, metric_key order by opened_at, opening_event_id
        ) as next_opened_at
    from alerts

),

acknowledged as (

    select distinct on (followed.tenant_id, followed.opening_event_id)
        followed.tenant_id,
        followed.opening_event_id,
        read.ts as acknowledged_at,
        read.event_id as acknowledging_event_id,
        read.cause,
        read.recorded_at
    from followed
    inner join read
        on read.tenant_id = followed.tenant_id
        and read.device_key = followed.device_key
        and read.ts >= followed.opened_at
        and (read.ts < followed.next_opened_at or followed.next_opened_at is null)
        and (read.code = followed.code or read.code is null or followed.code is null)
        and (read.metric = followed.metric or read.metric is null or followed.metric is null)
    where read.event_type = 'alarm_acknowledged'
    order by followed.tenant_id, followed.opening_event_id, read.ts, read.event_id

)

select
    followed.tenant_id,
    md5(json_build_array(followed.tenant_id, 'alert', followed.opening_event_id)::text) as alert_id,
    followed.device_id,
    followed.known_as,
    followed.kind,
    followed.code,
    followed.metric,
    followed.severity,
    followed.opened_at,
    followed.last_raised_at,
    followed.raised_count,
    acknowledged.acknowledged_at,
    followed.resolved_at,
    followed.value,
    followed.limit_value,
    followed.message,
    coalesce(acknowledged.cause, followed.cause) as cause,
    followed.opening_event_id,
    acknowledged.acknowledging_event_id,
    followed.closing_event_id,
    followed.object_sha256,
    greatest(followed.recorded_at, acknowledged.recorded_at) as recorded_at
from followed
left join acknowledged
    on acknowledged.tenant_id = followed.tenant_id
    and acknowledged.opening_event_id = followed.opening_event_id
