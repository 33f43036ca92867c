{{ config(materialized='table') }}

{% set device_line = "partition by tenant_id, coalesce(known_as, '')" %}

with told as (

    {{ named_events(['incident_opened', 'incident_acknowledged', 'incident_updated', 'incident_resolved']) }}

),

read as (

    select
        *,
        event_type = 'incident_opened' as is_opening,
        {{ attribute('incident_id') }} as stated_id,
        {{ attribute('title') }} as title,
        {{ attribute('cause') }} as cause,
        {{ severity('severity') }} as stated_severity
    from told

),

counted as (

    select
        *,
        count(*) filter (where is_opening) over ({{ device_line }} order by ts, not is_opening, event_id) as opening
    from read

),

-- An opening without an id is an incident of its own; what else comes without one is about the last that was opened on
-- its device.
placed as (

    select
        *,
        case
            when stated_id is not null then stated_id
            when is_opening then event_id
            else max(coalesce(stated_id, event_id)) filter (where is_opening) over ({{ device_line }}, opening)
        end as incident_id
    from counted

)

select
    tenant_id,
    incident_id,
    event_id,
    event_type,
    device_id,
    known_as,
    ts,
    stated_severity as severity,
    title,
    cause,
    message,
    object_sha256,
    recorded_at
from placed
where incident_id is not null
