{{ config(indexes=[{'columns': ['tenant_id', 'participant_id'], 'unique': true}]) }}

with messages as (

    select * from {{ ref('fct_messages') }}
    where participant_id is not null

),

participants as (

    select
        tenant_id,
        participant_id,
        min(ts) as first_message_at,
        max(ts) as last_message_at,
        count(*) as message_count,
        count(distinct (source, channel)) as channel_count,
        count(distinct (source, channel, thread_id)) as thread_count,
        max(recorded_at) as recorded_at
    from messages
    group by tenant_id, participant_id

)

select * from participants
