{{ config(indexes=[
    {'columns': ['tenant_id', 'source', 'channel', 'message_id'], 'unique': true},
    {'columns': ['tenant_id', 'ts']},
]) }}

with messages as (

    select
        *,
        {{ participant_of('author') }} as participant_id
    from {{ ref('int_messages__settled') }}
    where not deleted

),

words as (

    select
        tenant_id,
        source,
        channel,
        message_id,
        case when word like '%''s' or word like '%’s' then left(word, -2) else rtrim(word, '.:') end as word
    from messages
    cross join string_to_table(translate(lower(text), e',;!?()[]{}<>"`*\n\r\t', repeat(' ', 18)), ' ') as word
    where word <> ''

),

-- A name that several devices had means the one that has, or had, it last.
devices as (

    select distinct on (tenant_id, lower(device_id))
        tenant_id,
        lower(device_id) as word,
        known_as
    from {{ ref('dim_device_names') }}
    order by tenant_id, lower(device_id), valid_from desc, device_id

),

named as (

    select
        words.tenant_id,
        words.source,
        words.channel,
        words.message_id,
        array_agg(distinct devices.known_as) as device_ids
    from words
    inner join devices
        on devices.tenant_id = words.tenant_id
        and devices.word = words.word
    group by words.tenant_id, words.source, words.channel, words.message_id

)

select
    messages.tenant_id,
    messages.source,
    messages.channel,
    messages.message_id,
    messages.thread_id,
    messages.participant_id,
    messages.ts,
    messages.edited_at,
    length(messages.text) as text_length,
    coalesce(named.device_ids, array[]::text[]) as device_ids,
    messages.object_sha256,
    messages.recorded_at
from messages
left join named
    on named.tenant_id = messages.tenant_id
    and named.source = messages.source
    and named.channel = messages.channel
    and named.message_id = messages.message_id
