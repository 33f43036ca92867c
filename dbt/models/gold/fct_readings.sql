{% set key = ['tenant_id', 'device_id', 'metric', 'ts'] %}
{% set content = ['value', 'unit', 'firmware', 'site', 'model'] %}

{{ config(materialized='by_day', day_column='ts', indexes=[{'columns': key, 'unique': true}]) }}

with of_day as (

    select * from {{ ref('int_readings__normalised') }}
    where dt = '{{ var('day', '__day__') }}' and is_possible

),

settled as (

    {{ last_said('of_day', key, content) }}

)

select * from settled
