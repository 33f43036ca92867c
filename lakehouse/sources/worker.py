"""The process that opens strangers' files: `python -m lakehouse.sources.worker`. It may crash; its parent goes on.

A request on stdin is one line of JSON (`{"kind": "pdf", "size": 123}`) and `size` bytes. A reply on stdout is one
line with the size of a JSON document, the document, and the bytes that it says are `attached`, by their sizes. There
may be several to a request, of which one may be a refusal; the last says `end`, and nothing else.
"""

import json
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from lakehouse.errors import BadRecord
from lakehouse.without_pandas import leave_pandas_out

MEMORY = 900 << 20  # of address space, whatever it reads
MEMORY_OF_FILE = 400 << 20  # beyond what the code takes
MEMORY_KEPT = 100 << 20  # of a file that was read; with more a new process is better for the next
CPU_SECONDS = 30  # ends a worker whose parent was killed and can no longer end it
LONGEST_TEXT = 20_000_000  # characters; a bomb of a few kB unfolds to more
LONGEST_TITLE = 1_000

Request = Mapping[str, Any]
# What is said in JSON, and the bytes that follow it.
Reply = tuple[dict[str, Any], tuple[Any, ...]]
Reader = Callable[[Request, bytes], Iterator[Reply]]


def main() -> None:
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(MEMORY)
    readers: dict[str, Reader] = {}
    idle = _mapped()
    while line := requests.readline():
        request = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime + request.get("seconds", 0)) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        data = requests.read(request["size"])
        if request["kind"] not in readers:
            before = _mapped()
            readers[request["kind"]] = READERS[request["kind"]]()
            idle += _mapped() - before
        _limit_memory(min(MEMORY, idle + MEMORY_OF_FILE))
        for said, attached in _read(readers[request["kind"]], request, data):
            _send(replies, said, attached)
        _limit_memory(MEMORY)
        _send(replies, {"end": True, "tired": _mapped() > idle + MEMORY_KEPT})


def _send(replies: IO[bytes], said: dict[str, Any], attached: tuple[Any, ...] = ()) -> None:
    sizes = {"attached": [len(part) for part in attached]} if attached else {}
    text = json.dumps(said | sizes).encode()
    replies.write(b"%d\n%b" % (len(text), text))
    for part in attached:
        replies.write(part)
    replies.flush()


def _read(reader: Reader, request: Request, data: bytes) -> Iterator[Reply]:
    try:
        yield from reader(request, data)
    except BadRecord as error:
        yield {"code": error.code, "reason": error.reason}, ()
    except MemoryError:
        yield {"code": "out_of_memory", "reason": "reading it takes more memory than it may have: split it"}, ()
    except FileNotFoundError:
        yield {"code": "unreadable", "reason": "it was removed while it was read"}, ()


def _mapped() -> int:
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _limit_memory(soft: int) -> None:
    if sys.platform == "linux":  # macOS refuses a limit on address space
        resource.setrlimit(resource.RLIMIT_AS, (soft, MEMORY))


def _chat() -> Reader:
    from lakehouse.sources.chat_wire import replies

    return lambda request, _: ((said, ()) for said in replies(Path(request["path"]), request["sort"]))


def _telemetry() -> Reader:
    leave_pandas_out()
    import pyarrow as pa

    from lakehouse.sources.telemetry_wire import replies

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    return lambda request, _: (
        ({}, tables) for tables in replies(Path(request["path"]), request["device"], request["metric"])
    )


def _row() -> Reader:
    leave_pandas_out()
    from lakehouse.sources.telemetry_wire import row_as_json

    return lambda request, _: iter([({"text": row_as_json(Path(request["path"]), request["number"])}, ())])


def _pdf() -> Reader:
    from lakehouse.sources.pdf import read_pdf

    def read(_: Request, data: bytes) -> Iterator[Reply]:
        pages = read_pdf(data)
        yield _text(pages.text, pages.title)

    return read


def _html() -> Reader:
    from lakehouse.sources.html import read_html

    def read(_: Request, data: bytes) -> Iterator[Reply]:
        page = read_html(data.decode("utf-8-sig"))
        if not page.text.strip():
            raise BadRecord("no_text", "the page holds no text to read: scripts, navigation and pictures do not count")
        yield _text(page.text, page.title, page.meta)

    return read


def _feed() -> Reader:
    from lakehouse.sources.feeds import read_feed

    return lambda _, data: iter([_text(json.dumps([[entry.link, entry.dated] for entry in read_feed(data)]))])


def _front_matter() -> Reader:
    from lakehouse.sources.front_matter import read_keys

    return lambda _, data: iter([_text(json.dumps(read_keys(data.decode())))])


READERS: Mapping[str, Callable[[], Reader]] = {
    "chat": _chat,
    "feed": _feed,
    "front_matter": _front_matter,
    "html": _html,
    "pdf": _pdf,
    "row": _row,
    "telemetry": _telemetry,
}


def _text(text: str, title: str | None = None, meta: Mapping[str, str] | None = None) -> Reply:
    if len(text) > LONGEST_TEXT:
        raise BadRecord("too_much_text", f"it unfolds to {len(text):,} characters of text: split it")
    meta = {_clean(name): _clean(value) for name, value in (meta or {}).items()}
    return {"text": _clean(text), "title": _clean((title or "")[:LONGEST_TITLE]), "meta": meta}, ()


def _clean(text: str) -> str:
    """Without what neither Postgres (NUL) nor UTF-8 (lone surrogates) can hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


if __name__ == "__main__":
    main()
