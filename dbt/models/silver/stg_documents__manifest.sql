with source as (

    select * from {{ source('landing', 'documents') }}

),

renamed as (

    select
        tenant_id,
        source,
        path,
        kind,
        title,
        text,
        object_sha256,
        byte_start,
        byte_end,
        product,
        version_from,
        version_to,
        valid_from,
        classification,
        url,
        includes::jsonb as includes,
        deleted,
        bronze_version,
        recorded_at
    from source
    where {{ landed_by_this_build('documents') }}

)

select * from renamed
