{# The digit groups of a version as numbers, so that 10.0 sorts after 9.1. A group is cut at 18 digits: a version may be
   a date or a hash, and one that overflows bigint must not stop the build. #}
{% macro version_key(version) -%}
    (
        select coalesce(array_agg(left(digits[1], 18)::bigint order by position), '{}')
        from regexp_matches({{ version }}, '\d+', 'g') with ordinality as matches (digits, position)
    )
{%- endmacro %}

{# The key without closing zeros: 2.3 and 2.3.0 are one release. #}
{% macro version_order(version) -%}
    {{ version_key("regexp_replace(" ~ version ~ ", '(\.0+)+$', '')") }}
{%- endmacro %}
