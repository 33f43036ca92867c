"""What a passage says without its Markdown, to be embedded. Offsets do not survive this, so nothing cites it."""

import re

# Dashes and pipes of table rules cost a wordpiece each: uncleaned, most table passages overflow the embedder.
_RULES = (
    (re.compile(r"<!--.*?-->", re.DOTALL), " "),
    (re.compile(r"^[ \t]*(?:`{3,}|~{3,}).*$", re.MULTILINE), " "),
    (
        re.compile(
            r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$|^[ \t]*[-=*_]{3,}[ \t]*$", re.MULTILINE
        ),
        " ",
    ),
    (re.compile(r"!?\[([^\[\]]*)\]\((?:[^()\s]|\([^()]*\))*(?:[ \t]+[\"'][^\"']*[\"'])?\)(?:\{[^}]*\})?"), r"\1"),
    (re.compile(r"!?\[([^\[\]]+)\]\[[^\]]*\]"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>]*>"), " "),
    (re.compile(r"^[ \t]*(?:#{1,6}|>+|!!!|\?\?\?\+?|===[+!]?|[-*+])[ \t]+", re.MULTILINE), ""),
    (re.compile(r"\{[#.:%{][^}]*\}+"), " "),
    (re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|~~)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"[ \t]*\|[ \t]*"), " | "),
    (re.compile(r"`+"), ""),
)
_SPACE = re.compile(r"\s+")
_EMPTY_CELLS = re.compile(r"(?:\| )+\|")


def plain_text(markdown: str) -> str:
    """On one line."""
    text = markdown.replace("\r\n", "\n")
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _EMPTY_CELLS.sub("|", _SPACE.sub(" ", text)).strip(" |")
