"""One fault of one device is one anomaly, in however many readings, metrics and methods it shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakehouse.anomalies.findings import KINDS, Finding
from lakehouse.anomalies.setting import SETTING, Setting


@dataclass(frozen=True)
class Fault:
    """chief: the finding that tells most of it.  start, end, known: of all its findings."""

    chief: Finding
    start: float
    end: float
    known: float
    findings: tuple[Finding, ...]


def merge(findings: Iterable[Finding], setting: Setting = SETTING) -> list[Fault]:
    """By the order in which they became known, so that later ones never take an earlier one apart.

    A finding belongs to a fault that it overlaps, or follows within `apart`. A drift takes in only what its own metric
    shows: in its weeks another metric may well fail of something else.
    """
    groups: list[list[Finding]] = []
    for finding in sorted(findings, key=_order):
        home = next((group for group in reversed(groups) if _belongs(finding, group, setting.apart)), None)
        if home is None:
            groups.append([finding])
        else:
            home.append(finding)
    return sorted((_fault(group) for group in groups), key=lambda fault: (fault.start, fault.known))


def _order(finding: Finding) -> tuple[float, int, str]:
    return finding.known, KINDS.index(finding.kind), finding.metric or ""


def _belongs(finding: Finding, group: Sequence[Finding], apart: float) -> bool:
    drifting = {one.metric for one in (*group, finding) if one.kind == "drift"}
    if drifting and finding.metric not in {one.metric for one in group}:
        return False
    return any(_touch(finding, one, apart) for one in group)


def _touch(one: Finding, other: Finding, apart: float) -> bool:
    return one.start <= other.end + apart and other.start <= one.end + apart


def _fault(group: Sequence[Finding]) -> Fault:
    chief = min(group, key=lambda one: (KINDS.index(one.kind), one.known, -one.score, one.metric or ""))
    return Fault(
        chief=chief,
        start=min(one.start for one in group),
        end=max(one.end for one in group),
        known=min(one.known for one in group),
        findings=tuple(group),
    )
