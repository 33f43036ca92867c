"""BM25 over the chunks of one index version: tantivy files in one folder, written once, then only read."""

import shutil
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import tantivy

from rag.tokens import analyse

HEAP = 64 << 20
# What title and headings add to a term's score, beside the body's. See docs/adr/0003-lexical-engine.md.
HEAD_WEIGHT = 1.0
NONE = "-"  # stands for null: chunks that belong to no product, or are still valid, must be selectable too
OPEN_END = 1 << 62
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """`head` is where the chunk stands (title, headings), `body` what it says."""

    tenant_id: str
    chunk_id: str
    head: str
    body: str
    product: str | None
    release_key: str | None
    recorded_at: datetime
    valid_to: datetime | None


def build(path: Path, entries: Iterable[Entry]) -> int:
    """Write the index below `path`, whole or not at all, and return the number of entries. Replaces what was there."""
    building = path.with_name(f".building-{uuid.uuid4().hex}")
    building.mkdir(parents=True)
    try:
        count = _write(building, entries)
        shutil.rmtree(path, ignore_errors=True)
        building.rename(path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return count


class Lexical:
    """The open index of one version. Safe to use from several threads."""

    def __init__(self, path: Path, index_version: str) -> None:
        """Raises ValueError where the files are not an index."""
        self.index_version = index_version
        index = tantivy.Index.open(str(path))
        index.config_reader("manual")  # the files never change: no thread needs to watch them
        index.reload()
        self._schema = index.schema
        self._searcher = index.searcher()

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """Term → how many chunks of the whole index hold it in their body."""
        return {term: int(self._searcher.doc_freq("body", term)) for term in terms}

    def search(
        self,
        terms: Sequence[str],
        *,
        tenants: Collection[str],
        as_of: datetime | None = None,
        releases: Collection[str] | None = None,
        product: str | None = None,
        limit: int,
        head_weight: float = HEAD_WEIGHT,
    ) -> dict[str, float]:
        """Chunk id → BM25 score of the best, those first. The filters are those of `rag.retriever.Filters`."""
        if not terms or not tenants:
            return {}
        clauses = [self._scoring(terms, head_weight), self._among("tenant_id", tenants)]
        if releases is not None:
            clauses.append(self._among("release_key", [NONE, *releases]))
        if product is not None:
            clauses.append(self._among("product", [NONE, product]))
        clauses.extend(self._known(as_of))
        query = tantivy.Query.boolean_query([(tantivy.Occur.Must, clause) for clause in clauses])
        found = self._searcher.search(query, limit, count=False).hits
        scored = [(str(self._searcher.doc(address)["chunk_id"][0]), float(score)) for score, address in found]
        return dict(sorted(scored, key=lambda entry: (-entry[1], entry[0])))

    def _scoring(self, terms: Sequence[str], head_weight: float) -> tantivy.Query:
        should = []
        for term in sorted(set(terms)):
            body = tantivy.Query.term_query(self._schema, "body", term, "freq")
            head = tantivy.Query.term_query(self._schema, "head", term, "freq")
            should += [
                (tantivy.Occur.Should, body),
                (tantivy.Occur.Should, tantivy.Query.boost_query(head, head_weight)),
            ]
        return tantivy.Query.boolean_query(should)

    def _known(self, as_of: datetime | None) -> list[tantivy.Query]:
        if as_of is None:
            return [_unscored(tantivy.Query.term_query(self._schema, "valid_to", OPEN_END))]
        at, kind = _microseconds(as_of), tantivy.FieldType.Integer
        return [
            _unscored(tantivy.Query.range_query(self._schema, "recorded_at", kind, None, at)),
            _unscored(tantivy.Query.range_query(self._schema, "valid_to", kind, at, None, include_lower=False)),
        ]

    def _among(self, field: str, values: Collection[str]) -> tantivy.Query:
        return _unscored(tantivy.Query.term_set_query(self._schema, field, list(values)))


def _unscored(query: tantivy.Query) -> tantivy.Query:
    """A filter would add 1 to every score."""
    return tantivy.Query.const_score_query(query, 0.0)


def _write(path: Path, entries: Iterable[Entry]) -> int:
    index = tantivy.Index(_schema(), str(path))
    index.register_tokenizer("terms", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    count = 0
    with index.writer(HEAP, 1) as writer:  # one thread, so that equal inputs give equal files
        for entry in entries:
            writer.add_document(_document(entry))
            count += 1
    return count


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("chunk_id", stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("tenant_id", "product", "release_key"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("head", "body"):
        builder.add_text_field(name, tokenizer_name="terms", index_option="freq")
    for name in ("recorded_at", "valid_to"):
        builder.add_integer_field(name, indexed=True, fast=True)
    return builder.build()


def _document(entry: Entry) -> tantivy.Document:
    return tantivy.Document(
        tenant_id=entry.tenant_id,
        chunk_id=entry.chunk_id,
        head=" ".join(analyse(entry.head)),
        body=" ".join(analyse(entry.body)),
        product=entry.product or NONE,
        release_key=entry.release_key or NONE,
        recorded_at=_microseconds(entry.recorded_at),
        valid_to=_microseconds(entry.valid_to) if entry.valid_to else OPEN_END,
    )


def _microseconds(at: datetime) -> int:
    elapsed = at - EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
