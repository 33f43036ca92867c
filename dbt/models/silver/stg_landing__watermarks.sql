{# Incremental only so that the table stays, and with it the views that stand on it, which a new table would drop. #}
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='table_name') }}

select
    table_name,
    delta_version
from {{ source('landing', 'watermarks') }}
