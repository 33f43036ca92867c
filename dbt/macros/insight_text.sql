{# Moments as insights write them, in UTC. #}
{% macro minute_text(moment) -%}
    to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
{%- endmacro %}

{% macro day_text(moment) -%}
    to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD')
{%- endmacro %}

{% macro counted(number, noun) -%}
    {{ number }} || case {{ number }} when 1 then ' {{ noun }}' else ' {{ noun }}s' end
{%- endmacro %}
