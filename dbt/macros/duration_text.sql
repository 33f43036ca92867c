{# Seconds as a person says them: in the largest unit of which there are two or more. #}
{% macro duration_text(seconds) -%}
    case
        when {{ seconds }} >= 172800 then floor({{ seconds }} / 86400) || ' days'
        when {{ seconds }} >= 7200 then floor({{ seconds }} / 3600) || ' hours'
        when {{ seconds }} >= 120 then floor({{ seconds }} / 60) || ' minutes'
        else floor({{ seconds }}) || ' seconds'
    end
{%- endmacro %}
