"""Great Expectations over one connection to Postgres, on which the profiles are temporary tables."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lakehouse.database import Connection
from lakehouse.errors import StepFailed
from lakehouse.quality.rules import Rule, unexpected_places

SEVERITY = {"error": "critical", "warn": "warning"}


def warm() -> None:
    """Import Great Expectations, which takes 5 s and 280 MB: in a thread, while dbt, another process, works."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python has deprecated
        import great_expectations.expectations  # noqa: F401


@contextmanager
def source_on(connection: Connection) -> Iterator[Any]:
    """A data source that runs its queries on this connection, and so sees its temporary tables.

    The context lives in memory, so no file is written. Release 1.24 has no code that reports usage any more; analytics
    are off in its configuration all the same.
    """
    warm()
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
    from sqlalchemy.pool import StaticPool

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars={"globally": False},  # type: ignore[arg-type]  # its own type cannot be given: it is read as a dict
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    connected = {"creator": lambda: connection, "poolclass": StaticPool}
    yield context.data_sources.add_postgres(
        "warehouse",
        connection_string="postgresql+psycopg://made@by.creator/",
        kwargs=connected,  # type: ignore[call-arg]  # not in its stub
    )


def validate(source: Any, gate: str, rules: Sequence[Rule]) -> Iterator[tuple[Rule, list[Mapping[str, Any]]]]:
    """Each rule with the places that break it; one suite a profile. Raises StepFailed."""
    for profile in dict.fromkeys(rule.profile for rule in rules):
        yield from _validate(source, gate, profile, [rule for rule in rules if rule.profile == profile])


def _validate(
    source: Any, gate: str, profile: str, rules: list[Rule]
) -> Iterator[tuple[Rule, list[Mapping[str, Any]]]]:
    from great_expectations import ExpectationSuite, expectations

    gxe: Any = expectations  # its types do not export the names
    expected = [
        gxe.UnexpectedRowsExpectation(
            unexpected_rows_query=unexpected_places(gate, rule),
            description=rule.name,
            severity=SEVERITY[rule.severity],
            meta={"rule": number},
        )
        for number, rule in enumerate(rules)
    ]
    batch = source.add_table_asset(profile, table_name=profile).add_batch_definition_whole_table("all").get_batch()
    result = batch.validate(ExpectationSuite(name=profile, expectations=expected), result_format="COMPLETE")
    for outcome in result.results:
        rule = rules[outcome.expectation_config.meta["rule"]]
        if "details" not in outcome.result:
            raise StepFailed(
                f"Great Expectations could not check '{rule.name}' of {rule.schema}.{rule.table}: "
                f"{_messages(outcome.exception_info)}"
            )
        yield rule, [] if outcome.success else outcome.result["details"]["unexpected_rows"]


def _messages(exception_info: Mapping[str, Any]) -> str:
    """It is one exception, or one for each metric that the expectation needs."""
    exceptions = [exception_info] if "exception_message" in exception_info else list(exception_info.values())
    return " ".join(" ".join(str(each["exception_message"]) for each in exceptions).split())[:300]
