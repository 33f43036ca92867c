"""Terms of a text for lexical search, the same for what is indexed, what is asked and what is compared.

A word is lower-cased and stemmed. A name as machines write it (`P0301`, `--config-dir`, `E_OVERHEAT`, `10.2.3`,
`/tmp/x.lock`, `NodeFilesystemFilesFillingUp`) is one term as written, and its parts are terms too.
"""

import re
import unicodedata
from functools import lru_cache

import Stemmer

NAME = "names+english/2"  # part of every index version's id: change it with the behaviour

# Words that carry no subject, those that make a question among them. "not" stays: it changes what a sentence says.
STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have how i if in into is it its me my
    of on or our s should so such t than that the their then there these they this to was we were what when where
    which who why will with would you your
    """.split()  # noqa: SIM905 - sixty quoted words would be harder to read
)
LONGEST_TERM = 100  # what is longer (base64, minified code) nobody types; its parts stay

# Sigils and connectors hold a name together only where a letter or digit follows; "-c/--confdir" is two names.
_NAME = re.compile(r"(?:--?|\.{0,2}/|[$@#.])?\w+(?:(?:::|\\|[-.:@+~&%]|/(?!-))+\w+)*")
_CONTRACTION = re.compile(r"['’](?:s|t|re|ve|ll|d|m)\b", re.IGNORECASE)
_JOINT = re.compile(r"::|[\\/:@+~&%]")  # between names that are also looked for alone
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]|\d+")
_PLAIN = re.compile(r"[^\W\d_]+")


def analyse(text: str) -> list[str]:
    """The terms of `text` in their order, with repetitions."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)  # PDF extractions hold ligatures and full-width forms
    terms: list[str] = []
    for name in _NAME.findall(_CONTRACTION.sub(" ", text)):
        terms.extend(_terms(name))
    return terms


@lru_cache(maxsize=1 << 16)
def _terms(name: str) -> tuple[str, ...]:
    if _PLAIN.fullmatch(name) and not _has_inner_capital(name):
        return _words([name])
    core = name.lstrip("-/.$@#~")
    if len(inner := [part for part in _JOINT.split(core) if part]) > 1:  # `P0301/P0302`, `10.0.0.7:8080`, a path
        written = dict.fromkeys(form.lower() for form in (name, core) if len(form) <= LONGEST_TERM)
        return tuple(dict.fromkeys([*written, *(term for part in inner for term in _terms(part))]))
    telling = [part for part in _PART.findall(core) if len(part) > (2 if part.isdigit() else 1)]
    forms = [form.lower() for form in dict.fromkeys([name, core, *_prefixes(core)]) if len(form) <= LONGEST_TERM]
    whole = set(forms)
    return (*forms, *(term for term in _words(telling) if term not in whole))


def _words(parts: list[str]) -> tuple[str, ...]:
    lowered = [part.lower() for part in parts if len(part) <= LONGEST_TERM]
    return tuple(_stem(word) for word in lowered if word not in STOP_WORDS)


def _has_inner_capital(name: str) -> bool:
    return not (name.islower() or name.isupper() or name[1:].islower())


def _prefixes(core: str) -> list[str]:
    """`v10.2.3-rc1` is also `10.2.3` and, so that its release line is found, `10.2`."""
    number = re.fullmatch(r"[vV]?(\d+(?:\.\d+)+)(?:-\w.*)?", core)
    if not number:
        return []
    groups = number[1].split(".")
    return [number[1], *([".".join(groups[:2])] if len(groups) > 2 else [])]


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english", 0)  # without its own cache, as terms are cached here


def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word)) if word.isascii() and word.isalpha() else word
