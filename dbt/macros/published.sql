{# The table that is served, next to which this model's candidate is built; none where all of it is built anew. #}
{% macro published() %}
    {%- if execute and not should_full_refresh() -%}
        {{ return(adapter.get_relation(database=this.database, schema='gold', identifier=this.identifier)) }}
    {%- endif -%}
    {{ return(none) }}
{% endmacro %}

{# Where the rows lie that a model of `by_day` or `by_key` computed; the model's own name is a view over these and what
   stays of the table that is served. #}
{% macro news_of(relation) %}
    {{ return(relation.incorporate(path={'identifier': relation.identifier ~ '__new'})) }}
{% endmacro %}

{# Generic tests of a model that is computed in parts read the new part: the rest was tested when it was new. #}
{% macro get_where_subquery(relation) %}
    {%- set in_parts = namespace(found=false) -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == relation.identifier -%}
            {%- set in_parts.found = node.config.materialized in ('by_day', 'by_key') -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(news_of(relation) if in_parts.found else relation) }}
{% endmacro %}
