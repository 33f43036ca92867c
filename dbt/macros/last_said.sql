{#
  One row a key: what was said of it last, with the receipt (object_sha256, recorded_at) of when that was first said.

  Rows of a key that say the same one after another are a run. A repeat is no news: an export that overlaps an earlier
  one must not make a reading look recorded later than it was. bronze_version is that of the last repeat, so that its
  maximum over a table is the Delta version up to which the table has read.

  One sort carries all of it: the windows share their order, and `distinct on` sorts inside a key only. Over 1 M
  readings the runs cost 1.7 s more than a plain `distinct on` (2 cores, 64 MB of work_mem).
#}
{% macro last_said(relation, key, content) %}
    select distinct on ({{ key | join(', ') }})
        {{ key | join(', ') }},
        {{ content | join(', ') }},
        object_sha256,
        last_version as bronze_version,
        recorded_at
    from (
        select
            news.*,
            count(*) filter (where is_new) over said as run,
            max(bronze_version) over (partition by {{ key | join(', ') }}) as last_version
        from (
            select
                said_rows.*,
                {{ says_something_new(content, 'said') }} as is_new
            from {{ relation }} as said_rows
            window said as {{ _said(key) }}
        ) as news
        window said as {{ _said(key) }}
    ) as runs
    order by {{ key | join(', ') }}, run desc, recorded_at, object_sha256, row_number
{% endmacro %}

{% macro _said(key) -%}
    (partition by {{ key | join(', ') }} order by bronze_version, recorded_at, object_sha256, row_number)
{%- endmacro %}
