"""Documents that nobody should send."""

import random
import zlib
from collections.abc import Iterator

from tests.bad_files import MB, BadFile, mutations, of_bytes, repeated


def documents(chance: random.Random, many: int = 1) -> Iterator[BadFile]:
    good = b"---\ntitle: Pump\nversion: 1.2\n---\n# Pump\n\nText of the pump.\n"
    yield from mutations("turned.md", good, 10 * many, chance)
    yield from mutations(
        "turned.html",
        b"<html><head><title>T</title></head><body><p>Text</p><table><tr><td>1</td></tr></table></body></html>",
        10 * many,
        chance,
    )
    yield from mutations("turned.pdf", _pdf(b"BT /F1 12 Tf 72 700 Td (Text of a page) Tj ET"), 10 * many, chance)
    noise = chance.randbytes(5_000).hex()  # that Postgres cannot make shorter
    yield from _markdown_bombs(noise)
    yield from _html_bombs(noise, many)
    yield from _pdf_bombs()


def _markdown_bombs(noise: str) -> Iterator[BadFile]:
    def stated(block: str) -> str:
        return f"---\n{block}\n---\n# Text\n\nBody.\n"

    laughs = "a0: &a0 ha\n" + "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))
    yield of_bytes("empty.md", b"")
    yield of_bytes("aliases.md", stated(laughs))
    yield of_bytes("deep-flow.md", stated("a: " + "[" * 40_000))
    yield of_bytes("deep-flow-closed.md", stated("a: " + "[" * 20_000 + "]" * 20_000))
    yield of_bytes("deep-blocks.md", stated("\n".join(" " * n + "a:" for n in range(300))))
    yield of_bytes("many-keys.md", stated("\n".join(f"k{n}: {n}" for n in range(5_000))))
    yield of_bytes("many-questions.md", stated("? " * 20_000))
    yield of_bytes("no-characters.md", stated('title: "\\UFFFFFFFF"'))
    yield of_bytes("surrogate.md", stated('title: "a\\ud800b\\0c"'))
    yield of_bytes("tag.md", stated("title: !!python/object/apply:os.system [ls]"))
    yield of_bytes("long-product.md", stated(f"product: {noise}\nversion: 1.{noise}"))
    yield of_bytes("many-digits.md", stated("product: p\nversion: " + "9" * 190))
    yield of_bytes("no-date.md", stated("date: 0001-01-01T00:00:00+14:00"))
    yield of_bytes("utf-16.md", "# Text\n".encode("utf-16"))
    yield of_bytes("latin-1.md", "# Größe\n".encode("latin-1"))
    yield of_bytes("nul.md", b"# Te\0xt\n")
    yield of_bytes("a-line-of-19-mb.md", b"x" * 19 * MB)
    yield BadFile("a-line-of-30-mb.md", lambda path: repeated(path, b"", b"x" * MB, 30))
    yield of_bytes("all-brackets.md", b"[" * 2 * MB)
    yield of_bytes("all-quotes.md", b"> " * 200_000)


def _html_bombs(noise: str, many: int) -> Iterator[BadFile]:
    """Of two sorts the time grows with the square of the size."""
    yield of_bytes("deep.html", "<div>" * 10_000 * many + "text")
    yield of_bytes("deep-tables.html", "<table><tr><td>" * 2_000 * many + "text")
    yield of_bytes("deep-items.html", "<ul><li>" * 5_000 * many + "text")
    yield of_bytes("attributes.html", "<p " + " ".join(f"a{n}=1" for n in range(15_000 * many)) + ">text")
    yield of_bytes("wide.html", "<p>x" * 4_000_000)
    yield of_bytes("entities.html", "<p>" + "&lt;" * 4_000_000)
    yield of_bytes("a-title.html", f"<title>{'x' * 15 * MB}</title><p>text")
    yield of_bytes("metas.html", '<meta name="product" content="x">' * 400_000 + "<p>text")
    yield of_bytes("long-product.html", f'<meta name="product" content="{noise}"><p>text')
    yield of_bytes("open-comment.html", "<p>text<!--" + "-" * 10 * MB)
    yield of_bytes("formatting.html", "<b><i><u>" * 10_000 + "<p>text</p>" * 1_000)


def _pdf_bombs() -> Iterator[BadFile]:
    yield of_bytes("empty.pdf", b"")
    yield of_bytes("head-only.pdf", b"%PDF-1.7\n")
    packed = zlib.compress(zlib.compress(b" " * 300_000_000, 9), 9)
    yield of_bytes("packed-bomb.pdf", _pdf(packed, "/Filter [/FlateDecode /FlateDecode]"))
    text = zlib.compress(b"BT /F1 12 Tf (" + b"x" * 50_000_000 + b") Tj ET", 9)
    yield of_bytes("text-bomb.pdf", _pdf(text, "/Filter /FlateDecode"))
    yield of_bytes("a-circle-of-pages.pdf", _pdf(b"").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"))
    yield of_bytes("a-billion-pages.pdf", _pdf(b"BT (x) Tj ET").replace(b"/Count 1", b"/Count 1000000000"))
    yield of_bytes(
        "a-page-many-times.pdf",
        _pdf(b"BT /F1 9 Tf (x) Tj ET").replace(
            b"/Kids [4 0 R] /Count 1", b"/Kids [" + b"4 0 R " * 20_000 + b"] /Count 20000"
        ),
    )
    yield of_bytes("deep-arrays.pdf", _pdf(b"[" * 5 * MB))
    yield of_bytes(
        "deep-objects.pdf", b"%PDF-1.4\n1 0 obj\n" + b"<</A " * MB + b"\nendobj\ntrailer <</Root 1 0 R>>\n%%EOF"
    )


def _pdf(content: bytes, filters: str = "") -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>",
        f"<< /Length {len(content)} {filters} >>\nstream\n".encode() + content + b"\nendstream",
    ]
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % pair for pair in enumerate(objects, start=1))
    return b"%PDF-1.4\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF\n"
