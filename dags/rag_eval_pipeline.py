"""From an index version that was built to the one that questions are answered from.

The questions whose answers are known are asked of the new version first. It is promoted when it answers at least as
many of them as the active version did and cites nothing of a release that the question is not about; otherwise the
active version stays, and the failed task says what was worse. An installation without such questions promotes what is
sound.
"""

from datetime import UTC, datetime

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.chain import ACTIVE_INDEX, SEARCH_INDEX, SHARED


@dag(schedule=[SEARCH_INDEX], doc_md=__doc__, **SHARED)
def rag_eval_pipeline() -> None:
    @task
    def evaluate() -> str:
        from iotops.bootstrap import bootstrap
        from iotops.promotion import evaluate_candidate

        candidate = evaluate_candidate(bootstrap(), now=datetime.now(UTC))
        if candidate is None:
            raise AirflowSkipException("the active index is of the gold that there is: nothing to evaluate")
        return candidate

    @task(outlets=[ACTIVE_INDEX])
    def promote(index_version: str) -> None:
        from iotops.bootstrap import bootstrap
        from iotops.promotion import promote_candidate

        promote_candidate(bootstrap(), index_version, now=datetime.now(UTC))

    promote(evaluate())  # type: ignore[arg-type]  # the task's result, once it has run


rag_eval_pipeline()
