{% set key = ['tenant_id', 'event_id'] %}
{% set content = [
    'device_id', 'event_type', 'ts', 'severity', 'message', 'attributes', 'site', 'model', 'firmware'
] %}

{{ config(
    materialized='by_key',
    unique_key=key,
    indexes=[
        {'columns': key, 'unique': true},
        {'columns': ['tenant_id', 'device_id', 'ts']},
    ]
) }}

with said as (

    select * from {{ ref('stg_telemetry__events') }}
    where (tenant_id, event_id) in (
        select tenant_id, event_id from {{ ref('stg_telemetry__events') }}
        where {{ new_to_gold('events') }}
    )

),

settled as (

    {{ last_said('said', key, content) }}

)

select * from settled
