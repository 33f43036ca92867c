"""HTML to text that keeps `#` headings, `- ` items, `| a | b |` rows and fenced code. Runs in the worker."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from selectolax.lexbor import LexborHTMLParser

HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
ITEM = "- "
BLOCK = re.compile(
    "address|article|aside|blockquote|body|caption|center|dd|details|dialog|div|dl|dt|fieldset|figcaption|figure|form|"
    "header|hgroup|hr|legend|main|ol|option|p|section|summary|tbody|tfoot|thead|ul"
)
LAID_OUT = "table, h1, h2, h3, h4, h5, h6, pre"
# What a reader of the page does not read as its text.
DROPPED = re.compile(
    "script|style|noscript|template|nav|footer|head|svg|math|iframe|object|embed|canvas|audio|video|button|select|"
    "textarea|input|-comment"
)
DROPPED_ROLE = re.compile("navigation|search|contentinfo|banner")
DROPPED_CLASSES = frozenset({"headerlink", "anchor-link", "sr-only", "visually-hidden"})


@dataclass(frozen=True)
class Page:
    text: str
    title: str | None
    meta: dict[str, str]


def read_html(markup: str) -> Page:
    """The text of the `main` element where the page has one, else of its body."""
    tree = LexborHTMLParser(markup)
    title = tree.css_first("title")
    meta = {
        str(node.attributes["name"]).lower(): str(node.attributes["content"])
        for node in tree.css("meta[name][content]")
        if node.attributes.get("content")
    }
    text = ""
    for selector in ("main, [role=main]", "body"):
        if not text and (node := tree.css_first(selector)) is not None:
            text = _render(node)
    return Page(text, " ".join(title.text().split()) or None if title is not None else None, meta)


@dataclass
class _Writer:
    """Blocks of text as they close, each with its sort: text, heading, item, row or code.

    lead: what the next block starts with, a heading's or an item's mark.
    tables: of each open table, whether it only lays out the page; then its cells are blocks like others.
    cells: of the open row.
    """

    blocks: list[tuple[str, str]] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)
    lead: str = ""
    items: int = 0
    pre: int = 0
    tables: list[bool] = field(default_factory=list)
    cells: list[str] | None = None

    def close(self, sort: str = "text") -> None:
        """End the running block. Inside a table's cell, blocks only part words."""
        if self.cells is not None:
            self.inline.append(" ")
            return
        raw = "".join(self.inline)
        self.inline.clear()
        if sort == "code":
            text = f"```\n{raw.strip(chr(10))}\n```" if raw.strip() else ""
        else:
            text = "\n".join(line for line in (" ".join(part.split()) for part in raw.split("\n")) if line)
        if text:
            depth = self.items - 1 if self.lead == ITEM else self.items
            sort = "item" if self.items and sort == "text" else sort
            self.blocks.append((sort, f"{'  ' * depth if sort == 'item' else ''}{self.lead}{text}"))
            self.lead = ""

    def close_cell(self) -> None:
        if self.cells is not None:
            self.cells.append(" ".join("".join(self.inline).split()))
            self.inline.clear()

    def close_row(self) -> None:
        cells, self.cells = self.cells, None
        if cells and any(cells):
            self.blocks.append(("row", f"| {' | '.join(cells)} |"))

    def text(self) -> str:
        """Items and rows that follow each other stand on neighbouring lines, all else is parted by an empty one."""
        parts: list[str] = []
        before = ""
        for sort, block in self.blocks:
            parts.append("" if not parts else "\n" if sort == before and sort in ("item", "row") else "\n\n")
            parts.append(block)
            before = sort
        return "".join(parts)


def _render(root: Any) -> str:
    writer = _Writer()
    for entering, node in _walk(root):
        if node.tag == "-text":
            _add_text(writer, node.text_content or "")
        elif entering:
            _enter(writer, node)
        else:
            _leave(writer, node.tag)
    writer.close()
    return writer.text()


def _add_text(writer: _Writer, text: str) -> None:
    # A line break in the source of a paragraph is a space; only `br` and `pre` break lines.
    writer.inline.append(text if writer.pre else text.replace("\n", " "))


def _enter(writer: _Writer, node: Any) -> None:
    tag = node.tag
    if tag == "br":
        writer.inline.append("\n")
    elif tag in HEADINGS or tag in ("li", "tr", "pre", "table") or BLOCK.fullmatch(tag):
        writer.close()
    if tag in HEADINGS:
        writer.lead = HEADINGS[tag]
    elif tag == "li":
        writer.items += 1
        writer.lead = ITEM
    elif tag == "table":
        writer.tables.append(any(found.mem_id != node.mem_id for found in node.css(LAID_OUT)))
    elif tag == "tr":
        writer.cells = None if writer.tables[-1:] == [True] else []
    elif tag == "pre":
        writer.pre += 1


def _leave(writer: _Writer, tag: str) -> None:
    if tag in ("td", "th") and writer.cells is not None:
        writer.close_cell()
    elif tag == "pre":
        writer.close("code")
        writer.pre -= 1
    elif tag in HEADINGS or tag in ("li", "tr", "td", "th", "table") or BLOCK.fullmatch(tag):
        writer.close()
    if tag in HEADINGS or tag == "li":
        writer.lead = ""
    if tag == "li":
        writer.items -= 1
    elif tag == "tr":
        writer.close_row()
    elif tag == "table":
        writer.tables.pop()


def _walk(root: Any) -> Iterator[tuple[bool, Any]]:
    """Elements when entered and when left, in order, without recursion: a hostile page nests as deep as it likes."""
    stack: list[tuple[bool, Any]] = [(True, root)]
    while stack:
        entering, node = stack.pop()
        yield entering, node
        if entering and node.tag != "-text":
            stack.append((False, node))
            child = node.last_child
            while child is not None:
                if not _dropped(child):
                    stack.append((True, child))
                child = child.prev


def _dropped(node: Any) -> bool:
    if node.tag == "-text":
        return False
    if DROPPED.fullmatch(node.tag):
        return True
    attributes = node.attributes
    return bool(
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or DROPPED_ROLE.fullmatch(attributes.get("role") or "")
        or not DROPPED_CLASSES.isdisjoint((attributes.get("class") or "").split())
    )
