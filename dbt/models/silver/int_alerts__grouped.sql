{{ config(materialized='table') }}

{#- Alerts of a device with no more than this between the end of one and the beginning of the next are one incident. -#}
{% set gap = "interval '30 minutes'" %}

-- What was never cleared ends here with the last time that it was raised: it must not take all that follows with it.
with alerts as (

    select
        *,
        coalesce(resolved_at, last_raised_at) as ended_at
    from {{ ref('fct_alerts') }}

),

stated as (

    select incidents.*, linked.device_id
    from {{ ref('int_incidents__stated') }} as incidents
    cross join unnest(incidents.device_ids) as linked (device_id)

),

-- An incident that events state has the alerts of its devices from shortly before it was opened until it was resolved.
claimed as (

    select distinct on (alerts.tenant_id, alerts.alert_id)
        alerts.tenant_id,
        alerts.alert_id,
        stated.incident_id
    from alerts
    inner join stated
        on stated.tenant_id = alerts.tenant_id
        and stated.device_id = alerts.known_as
        and alerts.ended_at >= stated.opened_at - {{ gap }}
        and (alerts.opened_at <= stated.resolved_at or stated.resolved_at is null)
    order by alerts.tenant_id, alerts.alert_id, stated.opened_at, stated.incident_id

),

left_over as (

    select
        alerts.*,
        max(alerts.ended_at) over (
            device order by alerts.opened_at, alerts.alert_id rows between unbounded preceding and 1 preceding
        ) as ended_before
    from alerts
    left join claimed
        on claimed.tenant_id = alerts.tenant_id
        and claimed.alert_id = alerts.alert_id
    where claimed.alert_id is null
    -- Alerts of no device have nothing in common.
    window device as (partition by alerts.tenant_id, alerts.known_as, case when alerts.known_as is null then alerts.alert_id end)

),

numbered as (

    select
        *,
        count(*) filter (where ended_before is null or opened_at > ended_before + {{ gap }}) over (
            partition by tenant_id, known_as, case when known_as is null then alert_id end
            order by opened_at, alert_id
        ) as number
    from left_over

),

grouped as (

    select
        tenant_id,
        alert_id,
        md5(json_build_array(tenant_id, 'incident', first_value(alert_id) over (
            partition by tenant_id, known_as, case when known_as is null then alert_id end, number
            order by opened_at, alert_id
        ))::text) as incident_id
    from numbered

)

select tenant_id, alert_id, incident_id, true as is_stated from claimed
union all
select tenant_id, alert_id, incident_id, false as is_stated from grouped
