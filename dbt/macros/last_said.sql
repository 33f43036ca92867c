{#
  One row a key: what was said of it last, with the receipt (object_sha256, recorded_at) of when that was first said.

  Rows of a key that say the same one after another are a run. A repeat is no news: an export that overlaps an earlier
  one must not make a reading look recorded later than it was. What is last is told by when it was recorded and not by
  the order of arrival, so that the same rows give the same table whichever way they came.

  One sort carries all of it, newest first: window and `distinct on` share their order. Over 334,000 readings 1.1 s,
  where a plain `distinct on` takes 0.9 s (2 cores, 128 MB of work_mem).
#}
{% macro last_said(relation, key, content) %}
    select distinct on ({{ key | join(', ') }})
        {{ key | join(', ') }},
        {{ content | join(', ') }},
        object_sha256,
        recorded_at
    from (
        select
            said_rows.*,
            ({{ content | join(', ') }}) is distinct from (
                {%- for column in content %}lead({{ column }}) over said{{ ', ' if not loop.last }}{% endfor -%}
            ) as is_new
        from {{ relation }} as said_rows
        window said as (partition by {{ key | join(', ') }} order by {{ newest_first() }})
    ) as runs
    where is_new
    order by {{ key | join(', ') }}, {{ newest_first() }}
{% endmacro %}

{% macro newest_first() -%}
    recorded_at desc, object_sha256 desc, row_number desc
{%- endmacro %}
