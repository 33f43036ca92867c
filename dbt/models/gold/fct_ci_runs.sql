{{ config(indexes=[{'columns': ['tenant_id', 'repository', 'run_id'], 'unique': true}]) }}

with stated as (

    select * from {{ ref('stg_ci__runs') }}
    where repository is not null and run_id is not null

),

-- A run is told of when it starts and when it ends: what it was told last, stands.
settled as (

    select distinct on (tenant_id, repository, run_id) *
    from stated
    order by tenant_id, repository, run_id, ts desc, recorded_at desc, object_sha256 desc, row_number desc

)

select
    tenant_id,
    repository,
    run_id,
    workflow,
    commit_sha,
    conclusion,
    started_at,
    finished_at,
    url,
    event_id,
    object_sha256,
    recorded_at
from settled
