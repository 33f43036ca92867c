{{ config(
    materialized='by_day',
    day_column='hour',
    indexes=[{'columns': ['tenant_id', 'device_id', 'metric', 'hour'], 'unique': true}]
) }}

{{ hours_of_a_day(ref('fct_readings')) }}
