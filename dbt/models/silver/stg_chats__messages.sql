with source as (

    select * from {{ source('landing', 'messages') }}

),

renamed as (

    select
        tenant_id,
        source,
        channel,
        message_id,
        thread_id,
        author,
        ts,
        text,
        edited_at,
        deleted,
        object_sha256,
        bronze_version,
        recorded_at
    from source
    where {{ landed_by_this_build('messages') }}

)

select * from renamed
