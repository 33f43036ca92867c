with said as (

    select
        *,
        -- An export has no row numbers; within one, the later edit stands.
        row_number() over (
            partition by tenant_id, source, channel, message_id, recorded_at, object_sha256
            order by edited_at nulls first, text
        ) as row_number
    from {{ ref('stg_chats__messages') }}

),

settled as (

    {{ last_said(
        'said',
        key=['tenant_id', 'source', 'channel', 'message_id'],
        content=['thread_id', 'author', 'ts', 'text', 'edited_at', 'deleted']
    ) }}

)

select * from settled
