{% set key = ['tenant_id', 'device_id', 'metric', 'ts'] %}
{% set content = ['value', 'unit', 'firmware', 'site', 'model'] %}

{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=key,
    on_schema_change='fail',
    indexes=[
        {'columns': key, 'unique': true},
        {'columns': ['tenant_id', 'metric', 'ts']},
        {'columns': ['bronze_version']},
    ]
) }}

with said as (

    {{ said_since(ref('stg_telemetry__readings'), key, content) }}

),

settled as (

    {{ last_said('said', key, content) }}

)

select * from settled
