{# Schemas are called silver and gold everywhere: the names are a contract, so no target is put before them. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
