{# What an event's attributes say under a name: text, a number or a moment. What is none of the kind is null: attributes
   are as devices wrote them, and one that cannot be cast must not stop the build. #}
{% macro attribute(name) -%}
    nullif(btrim(attributes ->> '{{ name }}'), '')
{%- endmacro %}

{% macro attribute_number(name) -%}
    case
        -- Bounds in the pattern itself, as in \d{1,100}, take ten times as long.
        when length(attributes ->> '{{ name }}') <= 100 and attributes ->> '{{ name }}' ~ '^\s*[+-]?\d+(\.\d+)?\s*$'
            then (attributes ->> '{{ name }}')::double precision
    end
{%- endmacro %}

{# ISO 8601 with a date that exists; UTC where no zone is named, whatever the session's zone is. #}
{% macro attribute_time(name) -%}
    {%- set date = '(\d{4}-((0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)'
        ~ '|\d\d(0[48]|[2468][048]|[13579][26])-02-29)' -%}
    {%- set clock = '[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?' -%}
    {%- set zone = ' ?(Z|UTC|[+-](0\d|1[0-4])(:?[0-5]\d)?)' -%}
    case
        when {{ attribute(name) }} ~ '^(?!0000){{ date }}{{ clock }}{{ zone }}$' then ({{ attribute(name) }})::timestamptz
        when {{ attribute(name) }} ~ '^(?!0000){{ date }}({{ clock }})?$'
            then ({{ attribute(name) }})::timestamp at time zone 'UTC'
    end
{%- endmacro %}
