{# A version as numbers that sort as its product's scheme has it, the same as rag/version_order.py gives: numbers group by
   group (10.0 after 9.1), days, semver (3.1-rc.1 before 3.1, which is 3.1.0), letters (1.0.2a after 1.0.2). A group is cut
   at 18 digits: a version may be a date or a hash, and one that overflows bigint must not stop the build. #}
{% macro version_key(version) -%}
    (
        select
            case
                when count(part) = 0 then '{}'::bigint[]
                -- 0 ends a release; what comes before it (-1) is less, and a further group is more.
                else array_agg(part order by position) filter (where part is not null) || 0::bigint
            end
        from (
            select
                position,
                case
                    when token = '~' then -1
                    when token ~ '^[0-9]' then left(token, 18)::bigint + before
                    when token in ('v', 'version', 'release', 'rel', 'firmware', 'fw', 'final', 'ga', 'stable', 'lts')
                        then null
                    when token in ('dev', 'snapshot', 'nightly', 'canary') then 1000000000000000000
                    else 1000000000000000000 + (
                        select sum(
                            (ascii(substr(token, place, 1)) - 96)
                            * (27::numeric ^ (
                                case when before = 0 and length(token) <= 2 then length(token) else 8 end - place
                            ))::bigint
                        )::bigint
                        from generate_series(1, least(length(token), 8)) as place
                    )
                end as part
            from (
                select
                    position,
                    lower(found[1]) as token,
                    (bool_or(found[1] = '~') over (order by position))::int as before
                from regexp_matches(
                    {{ marked_version(version) }}, '~|[0-9]+|[A-Za-z]+', 'g'
                ) with ordinality as matches (found, position)
            ) as tokens
        ) as parts
    )
{%- endmacro %}

{# Without build metadata and closing zeros, short forms (1.0a1) spelt out, and a mark where what precedes a release begins. #}
{% macro marked_version(version) -%}
    regexp_replace(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(
                            regexp_replace(replace({{ version }}, '~', '-'), '[+].*$', ''),
                            '([.]0+)+(?![0-9]|[._-][0-9])', '', 'g'
                        ),
                        '([0-9])a([0-9])', '\1alpha\2', 'gi'
                    ),
                    '([0-9])b([0-9])', '\1beta\2', 'gi'
                ),
                '([0-9])c([0-9])', '\1rc\2', 'gi'
            ),
            '([0-9])m([0-9])', '\1milestone\2', 'gi'
        ),
        '(?<![A-Za-z])(dev|snapshot|nightly|canary|alpha|beta|milestone|pre|preview|rc|cr|ea)(?![A-Za-z])', '~\1', 'i'
    )
{%- endmacro %}

{% macro version_order(version) -%}
    {{ version_key(version) }}
{%- endmacro %}
