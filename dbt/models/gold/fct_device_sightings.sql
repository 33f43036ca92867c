{{ config(
    materialized='by_day',
    day_column='day',
    indexes=[{'columns': ['tenant_id', 'device_id', 'metric', 'day', 'first_ts'], 'unique': true}]
) }}

{{ sightings_of_a_day(ref('fct_readings')) }}
