select former.tenant_id, former.document_id, former.superseded_by
from {{ ref('documents') }} as former
left join {{ ref('documents') }} as later
    on later.tenant_id = former.tenant_id
    and later.document_id = former.superseded_by
where former.superseded_by is not null and later.document_id is null
