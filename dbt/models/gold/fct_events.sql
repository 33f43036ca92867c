{% set key = ['tenant_id', 'event_id'] %}
{% set content = [
    'device_id', 'event_type', 'ts', 'severity', 'message', 'attributes', 'site', 'model', 'firmware'
] %}

{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=key,
    on_schema_change='fail',
    indexes=[
        {'columns': key, 'unique': true},
        {'columns': ['tenant_id', 'device_id', 'ts']},
        {'columns': ['bronze_version']},
    ]
) }}

with said as (

    {{ said_since(ref('stg_telemetry__events'), key, content) }}

),

settled as (

    {{ last_said('said', key, content) }}

)

select * from settled
