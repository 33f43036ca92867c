{#
  Places of the same title and headings once, the first of them; of the releases, which are compared over all places, the
  first and the last.
#}
{% macro distinct_places(relation, first=[]) -%}
    select distinct on (tenant_id, source, path, title, heading_path)
        {% for column in first %}{{ column }}, {% endfor %}
        tenant_id,
        source,
        path,
        page,
        place,
        title,
        heading_path,
        min(first_release) over of_document as first_release,
        max(last_release) over of_document as last_release
    from {{ relation }}
    window of_document as (partition by tenant_id, source, path)
    order by tenant_id, source, path, title, heading_path, {{ (first + ['page', 'place']) | join(', ') }}
{%- endmacro %}
