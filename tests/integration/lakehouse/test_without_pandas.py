"""What takes part in Arrow's work, seen from a process that begins with it."""

import subprocess
import sys
from pathlib import Path

WRITE_AND_READ = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import pyarrow as pa
from lakehouse.bronze import TABLES, Bronze, equals
from lakehouse.objects import open_objects

url = Path(sys.argv[1]).as_uri()
bronze = Bronze(url, open_objects(url))
rows = [{"tenant_id": "acme", "device_id": device, "recorded_at": datetime.now(UTC)} for device in ("a", "b")]
bronze.append("telemetry", pa.Table.from_pylist(rows, schema=TABLES["telemetry"]), [])
bronze.remove("telemetry", equals("device_id", "b"))
(row,) = bronze.changes("telemetry")[0].to_pylist()
print(row["device_id"], "pandas" in sys.modules)
frame = pa.table({"value": [1.0, None]}).to_pandas()
print(pa.Table.from_pandas(frame)["value"].to_pylist())
"""


def test_bronze_does_without_pandas_and_what_works_on_it_has_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_READ, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("a False\n[1.0, None]\n", "")
