{# The words for how bad it is, from the mildest on. #}
{% macro severities() -%}
    array['unknown', 'info', 'warning', 'critical']
{%- endmacro %}

{% macro severity(stated) -%}
    case
        when lower(btrim({{ stated }})) in ('critical', 'fatal', 'emergency', 'severe', 'error', 'high', 'major')
            then 'critical'
        when lower(btrim({{ stated }})) in ('warning', 'warn', 'medium', 'moderate', 'minor') then 'warning'
        when lower(btrim({{ stated }})) in ('info', 'informational', 'information', 'notice', 'low', 'debug') then 'info'
        else 'unknown'
    end
{%- endmacro %}

{# Of the rows of a group. #}
{% macro worst_severity(column, filter=none) -%}
    ({{ severities() }})[max(array_position({{ severities() }}, {{ column }})){% if filter %} filter (where {{ filter }}){% endif %}]
{%- endmacro %}
