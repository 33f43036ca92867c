{# What "now" is in gold: as the build was told, else when the latest row of landing was recorded. Gold reads no clock. #}
{% macro as_of() -%}
    (select as_of from {{ source('registry', 'as_of') }})
{%- endmacro %}
