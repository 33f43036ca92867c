{# Schemas are called silver and gold everywhere: the names are a contract, so no target is put before them. A build puts
   the models of gold into the schema of the candidate, from which promotion takes them. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name == 'gold' -%}
        {{ env_var('DBT_GOLD_SCHEMA', 'gold') }}
    {%- else -%}
        {{ custom_schema_name or target.schema }}
    {%- endif -%}
{%- endmacro %}
