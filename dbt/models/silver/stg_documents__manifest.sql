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
        deleted,
        bronze_version,
        recorded_at
    from source
    where bronze_version <= (
        select delta_version from {{ ref('stg_landing__watermarks') }} where table_name = 'documents'
    )

)

select * from renamed
