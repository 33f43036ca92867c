{# True where a row differs in `columns` from the row before it in the window. #}
{% macro says_something_new(columns, window) -%}
    ({{ columns | join(', ') }}) is distinct from (
        {%- for column in columns %}lag({{ column }}) over {{ window }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{%- endmacro %}
