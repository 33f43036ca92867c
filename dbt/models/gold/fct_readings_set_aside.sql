{% set key = ['tenant_id', 'device_id', 'metric', 'ts'] %}

{{ config(materialized='by_key', unique_key=key, indexes=[{'columns': key, 'unique': true}]) }}

-- A day all of whose readings were recorded after it holds none that is stamped later than it was recorded; of the
-- others the days are spelt out, as the planner leaves out partitions by constants only.
{% set days = days_of_wrong_clocks() %}

with suspect as (

    select * from {{ ref('int_readings__normalised') }}
    where not is_possible
        and dt in ({{ days | join(', ') or 'null' }})

),

said as (

    select * from suspect
    where (tenant_id, device_id, metric, ts) in (
        select tenant_id, device_id, metric, ts from suspect
        where {{ new_to_gold('telemetry') }}
    )

),

settled as (

    {{ last_said('said', key, ['value', 'unit', 'set_aside']) }}

)

select
    tenant_id,
    device_id,
    metric,
    ts,
    value,
    unit,
    set_aside as reason,
    object_sha256,
    recorded_at
from settled
