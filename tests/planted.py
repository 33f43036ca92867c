"""Bugs that a test must see, each with the guarantee that it would break. `python -m tests.plants` plants them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Plant:
    """old, new: text of the file, and what the bug makes of it. tests: arguments of pytest.

    cases: how many operations the tests make that the bug could spoil. Where all of them go well, the rate of failures
    is below 3/cases with 95 % confidence. seed: where the tests draw; else they go through all cases.
    """

    guarantee: str
    bug: str
    file: str
    old: str
    new: str
    tests: str
    cases: int
    seed: int | None = None


LAKE: Final = "tests/integration/lakehouse"
INDEX: Final = "tests/integration/rag/test_growth.py"

PLANTS: Final = (
    Plant(
        "a message of a stream is landed once, or not at all yet",
        "offsets are committed first, rows after them",
        "lakehouse/stream/landing.py",
        '    bronze.commit("telemetry", decide)\n    return unseen',
        "    kept: list[Commit] = []\n"
        "    def first(snapshot: Snapshot) -> Commit | None:\n"
        "        if wanted := decide(snapshot):\n"
        "            kept[:] = [wanted]\n"
        "            return Commit(wanted.rows.slice(0, 0), wanted.positions)\n"
        "        return None\n"
        '    bronze.commit("telemetry", first)\n'
        "    for one in kept:\n"
        '        bronze.commit("telemetry", lambda _: Commit(one.rows))\n'
        "    return unseen",
        f"{LAKE}/stream tests/integration/iotops/test_chaos.py",
        10_000,
        20261121,
    ),
    Plant(
        "a message of a stream is landed once, or not at all yet",
        "rows are committed first, offsets after them",
        "lakehouse/stream/landing.py",
        '    bronze.commit("telemetry", decide)\n    return unseen',
        "    kept: list[Commit] = []\n"
        "    def first(snapshot: Snapshot) -> Commit | None:\n"
        "        if wanted := decide(snapshot):\n"
        "            kept[:] = [wanted]\n"
        "            return Commit(wanted.rows)\n"
        "        return None\n"
        '    bronze.commit("telemetry", first)\n'
        "    for one in kept:\n"
        '        bronze.commit("telemetry", lambda _: Commit(one.rows.slice(0, 0), one.positions))\n'
        "    return unseen",
        "tests/integration/iotops/test_chaos.py",
        10_000,
        20261121,
    ),
    Plant(
        "a request is acknowledged once it is durable",
        "202 is sent before the commit",
        "lakehouse/intake.py",
        "                receipts = _land(self._bronze, requests)\n",
        "                for request in requests:\n"
        "                    request.done.set_result(Receipt(None, 0, (), False))\n"
        "                _land(self._bronze, requests)\n"
        "                continue\n",
        "tests/integration/iotops/test_chaos.py",
        10_000,
        20261121,
    ),
    Plant(
        "a request sent again adds nothing",
        "its key is not stored with its rows",
        "lakehouse/intake.py",
        "        return Commit(rows, {name: request.stamp for name, request in wanted.items()}, forgettable=True)\n",
        "        return Commit(rows)\n",
        f"{LAKE}/test_intake.py tests/integration/copilot_api/test_ingest.py",
        40,
    ),
    Plant(
        "rows and watermark of landing move together",
        "the watermark is committed before the rows",
        "lakehouse/landing.py",
        "        news, version = bronze.stream(",
        "        connection.execute(\n"
        '            "update landing.watermarks set delta_version = %s where table_name = %s",\n'
        "            (bronze.version(table) or -1, table),\n"
        "        )\n"
        "        connection.commit()\n"
        "        news, version = bronze.stream(",
        f"{LAKE}/test_landing.py tests/integration/iotops/test_chaos.py",
        10_000,
        20261121,
    ),
    Plant(
        "a reading that came twice counts once in gold",
        "repeats are not settled",
        "dbt/macros/tables_of_a_day.sql",
        "        {{ last_said('of_day', key, content) }}\n",
        "        select {{ (key + content) | join(', ') }}, object_sha256, recorded_at from of_day\n",
        "tests/integration/dbt",
        20,
    ),
    Plant(
        "what was acknowledged survives a power cut",
        "fsync of data files is dropped",
        "lakehouse/objects.py",
        "        os.fsync(file.fileno())\n",
        "",
        f"{LAKE}/test_crashes.py -k power_cut",
        40,
    ),
    Plant(
        "what was acknowledged survives a power cut",
        "fsync of the log's entry is dropped",
        "lakehouse/bronze.py",
        "            sync_log(folder, version)\n",
        "",
        f"{LAKE}/test_crashes.py -k power_cut",
        40,
    ),
    Plant(
        "what was acknowledged survives a power cut",
        "the names of new folders are not synced",
        "lakehouse/durable_log.py",
        "    folder.mkdir(exist_ok=True)\n    sync(folder.parent)\n",
        "    folder.mkdir(exist_ok=True)\n",
        f"{LAKE}/test_crashes.py -k power_cut",
        40,
    ),
    Plant(
        "a commit is there whole or not at all",
        "a part is written in its place, not beside it",
        "lakehouse/objects.py",
        "            os.link(file.name, target)\n",
        "            target.write_bytes(Path(file.name).read_bytes())\n",
        f"{LAKE}/test_crashes.py {LAKE}/test_objects.py",
        300,
    ),
    Plant(
        "two writers land an input once",
        "a commit is tried again without being decided again",
        "lakehouse/bronze.py",
        "            max_commit_retries=0,  # the rows bear the number of this very version\n",
        "            max_commit_retries=15,\n",
        f"{LAKE}/test_bronze.py",
        100,
    ),
    Plant(
        "a commit goes by the newest version",
        "the table that the last commit left is not read on",
        "lakehouse/bronze.py",
        "        head.target.update_incremental()\n",
        "",
        f"{LAKE}/test_bronze.py",
        100,
    ),
    Plant(
        "a table that took the place of another is read anew",
        "it is not looked at which table it is",
        "lakehouse/bronze.py",
        " or head.entry != self._entry(table, head.target.version())",
        "",
        f"{LAKE}/test_bronze.py",
        9,
    ),
    Plant(
        "a removal takes only what matches",
        "an unknown value counts as a match",
        "lakehouse/bronze.py",
        "~pc.coalesce(doomed, pc.scalar(False))",
        "~doomed",
        f"{LAKE}/test_bronze.py",
        30,
    ),
    Plant(
        "the embedded server starts again after a kill",
        "its old lock is believed",
        "lakehouse/database.py",
        '            _drop_stale_lock((home / "postgres").resolve())\n',
        "",
        f"{LAKE}/test_database.py",
        1,
    ),
    Plant(
        "what is archived is durable before it leaves Delta",
        "the file of the archive is not written",
        "lakehouse/archive.py",
        "    bronze.objects.put_part(part.path, data)\n    return part\n",
        "    return part\n",
        f"{LAKE}/test_cold.py",
        100,
        0,
    ),
    Plant(
        "what is archived is durable before it leaves Delta",
        "rows that came in meanwhile are removed as well",
        "lakehouse/cold.py",
        " & (pc.field(VERSION.name) <= snapshot.version)",
        "",
        f"{LAKE}/test_cold.py",
        1,
    ),
    Plant(
        "a row is archived once and restored once",
        "what the archive holds is written again",
        "lakehouse/cold.py",
        "        missing = archive.without(rows, pa.concat_tables([rows.slice(0, 0), *held]))\n",
        "        missing = rows\n",
        f"{LAKE}/test_cold.py",
        100,
        0,
    ),
    Plant(
        "a row is archived once and restored once",
        "what Delta holds is restored again",
        "lakehouse/cold.py",
        "lambda snapshot: archive.without(rows, snapshot.read(within))",
        "lambda _: rows",
        f"{LAKE}/test_cold.py",
        100,
        0,
    ),
    Plant(
        "a rebuild after retention gives the same content",
        "readings before the horizon stay in gold",
        "lakehouse/retention.py",
        '    "gold.fct_readings": "ts < $1",\n',
        "",
        f"{LAKE}/test_retention.py",
        2_600,
    ),
    Plant(
        "what is known of a device outlives its readings",
        "the history of devices is not loaded",
        "lakehouse/retention.py",
        "    load_history(connection, bronze, horizon)\n",
        "",
        f"{LAKE}/test_retention.py",
        6,
    ),
    Plant(
        "no byte of what was erased is left",
        "the write-ahead log is not turned over",
        "lakehouse/scrubbing.py",
        "        segments = _turn_over(connection)\n",
        "        segments = 0\n",
        "tests/integration/iotops/test_erasing.py",
        96,
    ),
    Plant(
        "no byte of what was erased is left",
        "tables are vacuumed and not written anew",
        "lakehouse/scrubbing.py",
        '"vacuum (full, verbose{}) {}"',
        '"vacuum (verbose{}) {}"',
        "tests/integration/iotops/test_erasing.py",
        96,
    ),
    Plant(
        "no byte of what was erased is left",
        "old Parquet files stay",
        "lakehouse/erasure.py",
        "    dropped = sum(files.drop_old_files(table) for table in tables)\n",
        "    dropped = 0\n",
        "tests/integration/iotops/test_erasing.py",
        96,
    ),
    Plant(
        "an erasure takes nothing of others",
        "an object goes although other rows name it",
        "lakehouse/erasure.py",
        "for sha256, what in found.items() if sha256 not in named}",
        "for sha256, what in found.items()}",
        f"{LAKE}/test_erasure.py",
        2,
    ),
    Plant(
        "an erasure takes nothing of others",
        "chunks of other tenants go as well",
        "rag/erasure.py",
        '_DOOMED: Final = "c.tenant_id = %(tenant_id)s and ',
        '_DOOMED: Final = "',
        "tests/integration/rag/test_erasure.py",
        6,
    ),
    Plant(
        "what was stored through a failing S3 is there once",
        "an applied PUT whose answer was lost counts as refused",
        "lakehouse/s3.py",
        'frozenset({"412", "PreconditionFailed"})',
        'frozenset({"PreconditionFailed_"})',
        f'{LAKE}/test_s3_faults.py -k "any_kind and (untold or lost)"',
        32,
    ),
    Plant(
        "what was stored through a failing S3 is there once",
        "a commit does not know itself again",
        "lakehouse/bronze.py",
        "            if not self._is_of(table, version, identity):\n",
        "            if True:\n",
        f"{LAKE}/test_s3_faults.py -k recognises",
        2,
    ),
    Plant(
        "what was stored through a failing S3 is there once",
        "the log is written without a condition",
        "lakehouse/s3.py",
        '"aws_conditional_put": "etag"',
        '"aws_conditional_put": "disabled"',
        f'{LAKE}/test_s3_faults.py -k "two_writers or recognises"',
        12,
        20261101,
    ),
    Plant(
        "a store that is silent is given up in time",
        "delta-rs waits for an answer by its own clock",
        "lakehouse/s3_patience.py",
        '            "timeout": _milliseconds(self.answer),\n',
        "",
        f"{LAKE}/test_s3_faults.py -k given_up",
        7,
    ),
    Plant(
        "no input fills the memory",
        "the worker has no limit",
        "lakehouse/sources/worker.py",
        "        resource.setrlimit(resource.RLIMIT_AS, (soft, MEMORY))\n",
        "        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n",
        f"{LAKE}/test_bad_input.py -k 'Made and fills'",
        232,
        20261101,
    ),
    Plant(
        "no message ends the consumer",
        "brackets within texts count as nesting",
        "lakehouse/sources/nesting.py",
        'STRING.sub(b"", text)',
        "text",
        f"{LAKE}/test_bad_input.py -k TestMessages",
        345,
    ),
    Plant(
        "one row does not stop every build",
        "names of any length land",
        "lakehouse/sources/rows.py",
        "pc.greater(pc.binary_length(read[name]), LONGEST_NAME)",
        "pc.greater(pc.binary_length(read[name]), 1 << 30)",
        f"{LAKE}/test_bad_input.py -k reaches_gold",
        232,
        20261101,
    ),
    Plant(
        "one row does not stop every build",
        "values land whose sum overflows",
        "lakehouse/sources/rows.py",
        "LARGEST_VALUE: Final = 1e300",
        "LARGEST_VALUE: Final = 1.7976931348623157e308",
        f"{LAKE}/test_bad_input.py -k reaches_gold",
        232,
        20261101,
    ),
    Plant(
        "one document does not stop every build",
        "a product of any length is taken",
        "lakehouse/sources/front_matter.py",
        "        if len(text) > LONGEST[key]:\n",
        "        if False:\n",
        f"{LAKE}/test_bad_input.py -k reaches_gold",
        232,
        20261101,
    ),
    Plant(
        "what cannot be read is not taken for deleted",
        "a folder that cannot be entered counts as empty",
        "lakehouse/connectors/folder.py",
        "is_whole = self.path.is_dir() and not any(file.is_closed for file in files)",
        "is_whole = self.path.is_dir()",
        f"{LAKE}/test_bad_input.py -k may_not_be_read",
        5,
    ),
    Plant(
        "what the worker says is checked",
        "rows are taken as they come",
        "lakehouse/sources/telemetry_wire.py",
        "    table.validate(full=True)\n",
        "",
        f"{LAKE}/sources/test_telemetry_wire.py",
        5,
    ),
    Plant(
        "a worker that dies costs one file",
        "its end is not expected",
        "lakehouse/sources/extractor.py",
        "FAILURES = (TimeoutError, BrokenPipeError, EOFError, ValueError)",
        "FAILURES = (TimeoutError, BrokenPipeError, ValueError)",
        f"{LAKE}/sources/test_telemetry_wire.py",
        1,
    ),
    Plant(
        "gold is of what was said last",
        "last is what arrived last",
        "dbt/macros/last_said.sql",
        "    recorded_at desc, object_sha256 desc, row_number desc\n",
        "    bronze_version desc, object_sha256 desc, row_number desc\n",
        f"{LAKE}/test_dirty_readings.py -k came_first",
        4,
    ),
    Plant(
        "an increment has all that is new",
        "only the days of the newest landing are touched",
        "lakehouse/increments.py",
        "delta_version > %(after)s and delta_version <= %(upto)s",
        "delta_version = %(upto)s",
        f"{LAKE}/test_increments.py",
        14,
    ),
    Plant(
        "an increment has all that is new",
        "what a failed build read counts as built",
        "lakehouse/increments.py",
        "select * from registry.promoted",
        "select table_name, upto_version from registry.increments",
        f"{LAKE}/test_increments.py",
        14,
    ),
    Plant(
        "a reading that cannot be true moves nothing",
        "a reading stamped in the future takes part",
        "dbt/models/silver/int_readings__normalised.sql",
        "ts <= recorded_at + interval '5 minutes' and ts >= '2000-01-01 00:00+00' as is_possible",
        "ts >= '2000-01-01 00:00+00' as is_possible",
        f"{LAKE}/test_dirty_readings.py -k cannot_be_true",
        6,
    ),
    Plant(
        "a metric has one unit",
        "units are named anew and values are not converted",
        "dbt/models/silver/int_readings__normalised.sql",
        "when units.unit is null then readings.value",
        "when true then readings.value",
        f"{LAKE}/test_dirty_readings.py -k mixed_units",
        5,
    ),
    Plant(
        "the same rows give the same gold whenever it is built",
        "gold reads a clock",
        "dbt/macros/as_of.sql",
        "(select as_of from {{ source('registry', 'as_of') }})",
        "now()",
        "tests/unit/dbt/test_project.py -k clock",
        66,
    ),
    Plant(
        "a day is made anew as a whole",
        "its readings are replaced and its hours are not",
        "lakehouse/promotion.py",
        '            _replace_rows(connection, _in("gold_partitions", old[bound]), day)\n',
        '            if table.name == "fct_readings":\n'
        '                _replace_rows(connection, _in("gold_partitions", old[bound]), day)\n',
        f"{LAKE}/test_dirty_readings.py -k late_readings",
        2,
    ),
    Plant(
        "what does not pass its gate is not served",
        "the candidate is promoted although the gate refused it",
        "lakehouse/warehouse.py",
        "            if gate is not None:\n                gate(database_url)\n"
        "            _promote(connection, built.build_id)\n",
        "            try:\n                if gate is not None:\n                    gate(database_url)\n"
        "            finally:\n                _promote(connection, built.build_id)\n",
        f"{LAKE}/test_promotion.py -k gate",
        1,
    ),
    Plant(
        "what does not pass its gate is not served",
        "a failed expectation stops nothing",
        "lakehouse/quality/gates.py",
        "        raise refusal(gate, failures, incident_id)\n",
        "        refusal(gate, failures, incident_id)\n",
        f"{LAKE}/quality/test_incidents.py",
        9,
    ),
    Plant(
        "gold changes at once or not at all",
        "each statement of promotion commits by itself",
        "lakehouse/warehouse.py",
        "        with connection.transaction():\n            promote_candidate(",
        "        if True:\n            promote_candidate(",
        f"{LAKE}/test_promotion.py -k cut_off",
        3,
    ),
    Plant(
        "gold changes at once or not at all",
        "a day that is served is detached, and its readers waited for",
        "lakehouse/promotion.py",
        '            _replace_rows(connection, _in("gold_partitions", old[bound]), day)\n            continue\n',
        '            old_day = _in("gold_partitions", old[bound])\n'
        '            connection.execute(SQL("alter table {} detach partition {}").format(parent, old_day))\n'
        '            connection.execute(SQL("drop table {}").format(old_day))\n',
        f"{LAKE}/test_promotion.py -k not_waited_for",
        2,
    ),
    Plant(
        "a citation of an insight finds its bytes",
        "an insight is stored under another hash",
        "lakehouse/insights.py",
        "        if bronze.objects.put(tenant_id, text.encode()) != object_sha256:\n",
        "        if not bronze.objects.put(tenant_id, text.strip().encode()):\n",
        f"{LAKE}/test_insights.py",
        2,
    ),
    Plant(
        "an index version that grew is the one that is made at once",
        "a row that was taken away stays visible",
        "rag/loading.py",
        '    return sum_of(writer, SQL(REMOVE).format(table=Identifier("search", target.table)), said)\n',
        '    said = {**said, "number": target.number + 1}\n'
        '    return sum_of(writer, SQL(REMOVE).format(table=Identifier("search", target.table)), said)\n',
        f"{INDEX} -k any_changes",
        20,
        20261122,
    ),
    Plant(
        "an index version that grew is the one that is made at once",
        "chunks of a lexical file that grew have the lengths of others",
        "rag/segments.py",
        "np.concatenate([base.lengths[kept], added.lengths])[order],",
        "np.concatenate([base.lengths[kept], added.lengths]),",
        "tests/unit/rag/test_segments.py tests/integration/rag/test_growth.py",
        80,
    ),
)
