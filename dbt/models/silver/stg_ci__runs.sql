with source as (

    select * from {{ ref('stg_telemetry__events') }}
    where event_type = 'ci_run'

),

renamed as (

    select
        tenant_id,
        event_id,
        {{ attribute('repository') }} as repository,
        {{ attribute('workflow') }} as workflow,
        {{ attribute('run_id') }} as run_id,
        {{ attribute('conclusion') }} as conclusion,
        {{ attribute_time('started_at') }} as started_at,
        {{ attribute_time('finished_at') }} as finished_at,
        {{ attribute('url') }} as url,
        {{ attribute('commit') }} as commit_sha,
        ts,
        object_sha256,
        row_number,
        recorded_at
    from source

)

select * from renamed
