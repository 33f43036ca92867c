"""The gate over gold: what must hold of the data, whoever wrote the models. Great Expectations counts what does not."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.conninfo import conninfo_to_dict

from lakehouse.database import connect
from lakehouse.errors import Refused, StepFailed, WarehouseNotBuilt

EXAMPLES: Final = 3
KEYS: Final[Mapping[str, list[str]]] = {
    "documents": ["tenant_id", "document_id"],
    "fct_readings": ["tenant_id", "device_id", "metric", "ts"],
}
LARGEST_FLOAT: Final = 1.7976931348623157e308  # Postgres sorts infinity and NaN behind it


@dataclass(frozen=True)
class FailedExpectation:
    """rows: how many break it. examples: the keys of some of them."""

    table: str
    expectation: str
    rows: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        such_as = f", such as {'; '.join(self.examples)}" if self.examples else ""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        return f"gold.{self.table}: {self.expectation} does not hold in {rows}{such_as}"


def check_gold(database_url: str) -> None:
    """Raises Refused, whose text names table, expectation and number of rows of each failure."""
    if failed := validate_gold(database_url):
        raise Refused(
            f"gold must not be served as it is: {' | '.join(map(str, failed))}. "
            "Correct the source and ingest it again, then run 'iotops warehouse build --check'"
        )


def validate_gold(database_url: str) -> list[FailedExpectation]:
    """The expectations that fail; none is good. Raises WarehouseNotBuilt.

    The context lives in memory, so no file is written. Release 1.24 has no code that reports usage any more; analytics
    are off in its configuration all the same.
    """
    _require_gold(database_url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python has deprecated
        # 5 s and 280 MB: only who asks for a check pays for it.
        import great_expectations as gx
        from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars={"globally": False},  # type: ignore[arg-type]  # its own type cannot be given: it is read as a dict
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    # The URL must be of a form that a socket folder does not fit; what is in connect_args goes before it.
    source = context.data_sources.add_postgres(
        "warehouse",
        connection_string="postgresql+psycopg2://user@connect.args/",
        kwargs={"connect_args": _connect_args(database_url)},  # type: ignore[call-arg]  # not in its stub
    )
    try:
        return [
            failure for table, expected in _expectations().items() for failure in _failures(source, table, expected)
        ]
    finally:
        source.get_engine().dispose()


def _expectations() -> dict[str, list[Any]]:
    from great_expectations import expectations

    gxe: Any = expectations  # its types do not export the names

    return {
        "documents": [
            gxe.ExpectCompoundColumnsToBeUnique(column_list=KEYS["documents"]),
            gxe.ExpectColumnValuesToNotBeNull(column="text"),
            gxe.ExpectColumnValueLengthsToBeBetween(column="text", min_value=1),
            gxe.ExpectColumnValuesToBeBetween(column="byte_start", min_value=0),
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="byte_end", column_B="byte_start"),
        ],
        "fct_readings": [
            gxe.ExpectColumnValuesToNotBeNull(column="value"),
            gxe.ExpectColumnValuesToBeBetween(column="value", min_value=-LARGEST_FLOAT, max_value=LARGEST_FLOAT),
        ],
    }


def _failures(source: Any, table: str, expected: list[Any]) -> Iterator[FailedExpectation]:
    from great_expectations import ExpectationSuite

    batch = source.add_table_asset(table, table_name=table).add_batch_definition_whole_table("all").get_batch()
    result = batch.validate(
        ExpectationSuite(name=table, expectations=expected),
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": EXAMPLES,
            "unexpected_index_column_names": KEYS[table],
        },
    )
    for outcome in result.results:
        if not outcome.success:
            yield _failure(table, outcome)


def _failure(table: str, outcome: Any) -> FailedExpectation:
    config, counted = outcome.expectation_config, outcome.result
    stated = [value for name, value in config.kwargs.items() if name.startswith("column")]
    columns = [name for value in stated for name in (value if isinstance(value, list) else [value])]
    name = f"{config.type} ({', '.join(columns)})"
    if counted.get("unexpected_count") is None:
        raise StepFailed(
            f"Great Expectations could not check {name} of gold.{table}: {_messages(outcome.exception_info)}"
        )
    found = counted.get("partial_unexpected_index_list") or counted.get("partial_unexpected_list") or []
    examples = tuple(", ".join(str(row[key]) for key in KEYS[table]) for row in found[:EXAMPLES])
    return FailedExpectation(table, name, int(counted["unexpected_count"]), examples)


def _messages(exception_info: Mapping[str, Any]) -> str:
    """It is one exception, or one for each metric that the expectation needs."""
    exceptions = [exception_info] if "exception_message" in exception_info else list(exception_info.values())
    return " ".join(" ".join(str(each["exception_message"]) for each in exceptions).split())[:300]


def _connect_args(database_url: str) -> dict[str, str]:
    given = {name: str(value) for name, value in conninfo_to_dict(database_url).items()}
    return given | {"options": f"{given.get('options', '')} -c search_path=gold".strip()}


def _require_gold(database_url: str) -> None:
    with connect(database_url) as connection:
        tables = connection.execute("select to_regclass('gold.documents'), to_regclass('gold.fct_readings')").fetchone()
    if tables is None or None in tables:
        raise WarehouseNotBuilt
