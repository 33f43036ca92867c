"""Questions about numbers, read into a `Measure`: what is computed, over which rows of gold, in which window."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from rag.windows import Window, find_window

Function = Literal["latest", "average", "minimum", "maximum", "count", "firmware"]
Subject = Literal["readings", "events", "devices"]


def _any(phrases: str) -> re.Pattern[str]:
    """One of the phrases (regular expressions, parted by `;`), as whole words, in any case."""
    return re.compile(rf"\b(?:{'|'.join(phrase.strip() for phrase in phrases.split(';'))})\b", re.I)


_DEVICE = r"(?:device|sensor|unit|machine|pump|gateway|thermometer|logger|node|meter|tracker)s?"

# Ordered: the first that matches decides. "mean" is an average only where it is no verb ("what does it mean").
_FUNCTIONS: tuple[tuple[Function, re.Pattern[str]], ...] = (
    (
        "count",
        _any(r"how many; number of; count(?: of)?; how often; most often; (?:most|fewest)(?= \w+ (?:events|readings))"),
    ),
    ("average", _any("average; avg; (?:the|a|its|their|our) mean; mean (?:value|of); on average")),
    ("minimum", _any("minimum; min; lowest; smallest; least; coldest; weakest; how (?:low|cold)")),
    ("maximum", _any("maximum; max; highest; peak(?:ed)?; largest; greatest; hottest; warmest; strongest")),
    ("maximum", _any("how (?:hot|warm|high|strong)")),
    ("latest", _any("latest; current(?:ly)?; most recent(?:ly)?; right now; now")),
    ("latest", _any(r"last (?:\w+ )?(?:reading|value|reported|known|measured|recorded|seen)")),
)
_WHICH = _any(rf"(?:which|what) (?:of the )?(?:\w+ ){{0,2}}?{_DEVICE}")
_HOW_MANY_DEVICES = _any(
    rf"how many (?:\S+ ){{0,3}}?{_DEVICE} (?:are|do we|does|run|runs|running|were|have|had|report\w*|there|at|on)"
)
_FEWEST = _any("fewest; least")
_LEAST = _any("lowest; least; coldest; weakest; smallest")
_FIRMWARE = _any(
    r"(?:which|what) (?:firmware|version) (?:version )?(?:is|are|does|do|has|have)\b.*\b"
    r"(?:run|running|on|have|installed);"
    r"(?:which|what) (?:firmware|version) (?:runs|is) on; firmware (?:version )?(?:of|on|installed on) the device"
)
_PLAIN_VALUE = _any("what (?:is|was|were); what's; how much")
_CAUSE = _any("reason; cause; why; wrong")
NEARBY = 40  # characters after "what was the" in which the metric stands: "what was the cause" asks for no number
_FLEET_WIDE = _any("all; every; across; fleet; recorded; measured; reported")
_READINGS = _any("readings?; measurements?; samples?; data points?")
_EVENTS = _any("events?")

# Words of a question about what a document prescribes, not about what was measured.
_PRESCRIPTIVE = _any(
    r"thresholds?; limits?; allowed; permitted; supported; supports?; recommended; rated; specifi\w+; default; setting;"
    r"configur\w+; should; alarms? (?:at|above|below); trigger\w*; tolerance; manual; runbook; according to;"
    r"guarantee\w*; interval"
)
# What a device is able to do is not what it did.
_CAPABLE = _any(r"(?:can|could)(?! (?:you|we|i|one|anyone|somebody|someone)\b); able to; capable of")
_UNIT_WORDS = frozenset(re.findall(r"\w+", "c f k pct percent v mv ma a w kw dbm db mm s ms bar hpa rpm hz celsius"))
_PARTICIPLES = dict.fromkeys(("lose", "losing"), "lost") | {
    "upgrade": "upgraded",
    "update": "upgraded",
    "restore": "restored",
}
_SYNONYMS = {
    **dict.fromkeys(("temp", "hot", "hottest", "warm", "warmest", "cold", "coldest", "coolest"), "temperature"),
    **dict.fromkeys(("vibrate", "vibrating"), "vibration"),
    "humid": "humidity",
    "rssi": "signal",
    "processor": "cpu",
}


@dataclass(frozen=True)
class Vocabulary:
    """What the tenant's gold tables hold, so that words of a question can be recognised as names of it."""

    metrics: tuple[str, ...]
    sites: tuple[str, ...]
    models: tuple[str, ...]
    event_types: tuple[str, ...]


@dataclass(frozen=True)
class Measure:
    """One computation. `by_device`: the answer is the device with the greatest (or least) value, not the value."""

    subject: Subject
    function: Function
    metric: str | None = None
    event_type: str | None = None
    devices: tuple[str, ...] = ()
    site: str | None = None
    model: str | None = None
    firmware: str | None = None
    window: Window | None = None
    by_device: bool = False
    least: bool = False


@dataclass(frozen=True)
class NotMeasured:
    """The question asks for a number of the fleet that gold cannot give; `reason` says why."""

    reason: str


def read_measure(
    text: str,
    vocabulary: Vocabulary,
    now: datetime,
    *,
    devices: tuple[str, ...] = (),
    whole: str = "",
    firmware: str | None = None,
) -> Measure | NotMeasured | None:
    """None where the question is not about numbers of the fleet.

    devices: known devices that the question names. whole: the question that `text` is a clause of, for "how hot did it
    get": day and metric that the clause leaves out are taken from it.
    """
    day = find_window(whole, now)
    window = find_window(text, now, day=day) or day
    if _CAPABLE.search(text) and not window:
        return None
    words = text.replace(window.phrase, " ") if window else text
    for device in devices:  # "cold-003" is a name, not a temperature
        words = re.sub(re.escape(device), "the device", words, flags=re.I)
    site, model = _named(words, vocabulary.sites), _named(words, vocabulary.models)
    which = bool(_WHICH.search(words.replace(model, "device") if model else words))
    scope = Measure(
        "readings", "latest", devices=devices, site=site, model=model, window=window, by_device=which and not devices
    )
    if measure := _about_devices(words, scope, vocabulary, firmware):
        return measure
    function = _function(words)
    if _PRESCRIPTIVE.search(words) and not (window and devices):
        return None
    if function == "count":
        return _count(words, scope, vocabulary)
    metric = _metric(words, vocabulary.metrics) or (_metric(whole, vocabulary.metrics) if function else None)
    fleet_wide = bool(model and _FLEET_WIDE.search(words))
    anchored = bool(devices or site or window or scope.by_device or fleet_wide)
    if not anchored:
        return None
    if metric is None:
        if function in ("average", "minimum", "maximum") and (devices or (window and site)):
            return NotMeasured("no metric of that name has been reported by this tenant's devices")
        return None
    if function is None:
        named = None if _CAUSE.search(words) else _PLAIN_VALUE.search(words)
        if not (devices and named and _metric(words[named.end() : named.end() + NEARBY], vocabulary.metrics)):
            return None
        function = "average" if window else "latest"
    least = function == "minimum" or (function != "maximum" and bool(_LEAST.search(words)))
    return replace(scope, function=function, metric=metric, least=least)


def _function(words: str) -> Function | None:
    return next((name for name, pattern in _FUNCTIONS if pattern.search(words)), None)


def _about_devices(words: str, scope: Measure, vocabulary: Vocabulary, firmware: str | None) -> Measure | None:
    """Questions about the devices themselves: what firmware one runs, how many there are."""
    if scope.devices and _FIRMWARE.search(words) and not _metric(words, vocabulary.metrics):
        return replace(scope, subject="devices", function="firmware")
    if _HOW_MANY_DEVICES.search(words) and not scope.devices and _event_type(words, vocabulary.event_types) is None:
        return replace(scope, subject="devices", function="count", firmware=firmware, by_device=False)
    return None


def _count(words: str, scope: Measure, vocabulary: Vocabulary) -> Measure | NotMeasured | None:
    least = bool(_FEWEST.search(words))
    if event_type := _event_type(words, vocabulary.event_types):
        return replace(scope, subject="events", function="count", event_type=event_type, least=least)
    if _READINGS.search(words):
        return replace(scope, function="count", metric=_metric(words, vocabulary.metrics), least=least)
    if _EVENTS.search(words) and (scope.devices or scope.site or scope.window):
        return replace(scope, subject="events", function="count", least=least)
    return None


def _event_type(words: str, event_types: tuple[str, ...]) -> str | None:
    """The longest event type all of whose words stand in the text; plural, case and tense do not matter."""
    present = {_PARTICIPLES.get(word, word) for word in _words(words)}
    fitting = [name for name in event_types if set(_words(name)) <= present]
    return max(fitting, key=len, default=None)


def _metric(words: str, metrics: tuple[str, ...]) -> str | None:
    """The metric whose name shares most words with the text; a unit at the end of a name need not be said.

    "battery" finds battery_voltage, "temperature" prefers temperature_c to cpu_temperature_c.
    """
    present = set(_words(words))
    present |= {_SYNONYMS[word] for word in present if word in _SYNONYMS}
    best: tuple[int, int, str] | None = None
    for metric in sorted(metrics):
        core = [word for word in _words(metric) if word not in _UNIT_WORDS] or _words(metric)
        shared = sum(word in present for word in core)
        if shared and (best is None or (shared, -len(core)) > best[:2]):
            best = (shared, -len(core), metric)
    return best[2] if best else None


def _named(words: str, names: tuple[str, ...]) -> str | None:
    """The longest of `names` that stands in the text as words."""
    text = f" {' '.join(_raw_words(words))} "
    return max((name for name in names if f" {' '.join(_raw_words(name))} " in text), key=len, default=None)


def _words(text: str) -> list[str]:
    return [_singular(word) for word in _raw_words(text)]


def _raw_words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
