-- Where a document stands in the pages that include it, and their release where they are all of one. A page that is
-- included itself hands on where it stands, some levels deep; pages that only include each other stand nowhere.
{% set most_places = 5 %}
{% set levels = [1, 2, 3, 4] %}

with latest as (

    select distinct on (tenant_id, source, path)
        tenant_id,
        source,
        path,
        title,
        includes,
        deleted,
        jsonb_build_array(kind, product, version_from, version_to)::text as release
    from {{ ref('stg_documents__manifest') }}
    order by tenant_id, source, path, recorded_at desc, bronze_version desc, object_sha256 desc

),

in_force as (

    select * from latest
    where not deleted

),

-- By itself: joined to documents first, each page would be held against all of its source.
candidates as materialized (

    select
        pages.tenant_id,
        pages.source,
        pages.path as page,
        include.number,
        include.said -> 'heading_path' as heading_path,
        candidate.path,
        candidate.number as rank
    from in_force as pages
    cross join jsonb_array_elements(pages.includes) with ordinality as include (said, number)
    cross join jsonb_array_elements_text(include.said -> 'candidates') with ordinality as candidate (path, number)
    where pages.includes is not null and candidate.path <> pages.path

),

-- A directive means the first of its candidates that is there.
directives as (

    select distinct on (candidates.tenant_id, candidates.source, candidates.page, candidates.number) candidates.*
    from candidates
    inner join in_force as included using (tenant_id, source, path)
    order by candidates.tenant_id, candidates.source, candidates.page, candidates.number, candidates.rank

),

found_1 as (

    select
        directives.tenant_id,
        directives.source,
        directives.path,
        directives.page,
        array[directives.number] as place,
        pages.title,
        directives.heading_path,
        pages.release as first_release,
        pages.release as last_release
    from directives
    inner join in_force as pages
        on pages.tenant_id = directives.tenant_id
        and pages.source = directives.source
        and pages.path = directives.page
    where not exists (
        select from directives as above
        where above.tenant_id = directives.tenant_id
            and above.source = directives.source
            and above.path = directives.page
    )

),

{% for level in levels %}
{% if not loop.first %}
found_{{ level }} as (

    select
        directives.tenant_id,
        directives.source,
        directives.path,
        above.page,
        above.place || directives.number as place,
        above.title,
        above.heading_path || directives.heading_path as heading_path,
        above.first_release,
        above.last_release
    from directives
    inner join places_{{ level - 1 }} as above
        on above.tenant_id = directives.tenant_id
        and above.source = directives.source
        and above.path = directives.page

),
{% endif %}
-- Few of each level go on to the next, so that snippets in snippets do not multiply.
places_{{ level }} as (

    select * from (
        select
            *,
            row_number() over (partition by tenant_id, source, path order by page, place) as back
        from ({{ distinct_places('found_' ~ level) }}) as distinct_places
    ) as numbered
    where back <= {{ most_places }}

),
{% endfor %}

places as (

    {% for level in levels %}
    select {{ level }} as level, * from places_{{ level }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

numbered as (

    select
        *,
        row_number() over (partition by tenant_id, source, path order by level, page, place) as rank
    from ({{ distinct_places('places', ['level']) }}) as distinct_places

)

select
    tenant_id,
    source,
    path,
    jsonb_agg(
        jsonb_build_object('page', page, 'title', title, 'heading_path', heading_path) order by rank
    ) filter (where rank <= {{ most_places }}) as included_in,
    case when min(first_release) = max(last_release) then min(first_release)::jsonb end as release
from numbered
group by tenant_id, source, path
