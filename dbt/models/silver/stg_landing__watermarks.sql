{{ config(materialized='table') }}

select
    table_name,
    delta_version
from {{ source('landing', 'watermarks') }}
