from dataclasses import replace
from itertools import permutations

from lakehouse.anomalies.findings import Finding
from lakehouse.anomalies.merging import merge

HOUR = 3600.0
LEVEL = Finding("cpu", "level", 0.0, HOUR, 600.0, "", "", (0.0, 1.0), 2.0, 3.0, (0.0, 600.0, 2))


def test_one_fault_in_several_metrics_is_one_anomaly() -> None:
    other = replace(LEVEL, metric="latency", kind="spike", start=HOUR / 2, end=3 * HOUR, known=HOUR / 2)
    (fault,) = merge([other, LEVEL])
    assert (fault.start, fault.end, fault.known) == (0.0, 3 * HOUR, 600.0)
    assert fault.chief is LEVEL
    assert len(fault.findings) == 2


def test_what_comes_long_after_is_another_anomaly() -> None:
    later = replace(LEVEL, start=8 * HOUR, end=9 * HOUR, known=8 * HOUR)
    assert len(merge([LEVEL, later])) == 2


def test_a_cause_goes_before_its_symptoms() -> None:
    stuck = replace(LEVEL, kind="stuck", known=HOUR)
    silent = replace(LEVEL, metric=None, kind="gap", known=2 * HOUR)
    assert merge([LEVEL, stuck])[0].chief is stuck
    assert merge([LEVEL, stuck, silent])[0].chief is silent


def test_a_drift_of_weeks_does_not_swallow_what_another_metric_shows() -> None:
    drift = replace(LEVEL, kind="drift", end=400 * HOUR, known=100 * HOUR)
    own, other = (replace(LEVEL, metric=metric, start=200 * HOUR, known=200 * HOUR) for metric in ("cpu", "signal"))
    own, other = (replace(one, end=201 * HOUR) for one in (own, other))
    assert [len(fault.findings) for fault in merge([drift, own, other])] == [2, 1]


def test_the_order_of_findings_does_not_matter() -> None:
    some = [replace(LEVEL, start=at * HOUR, end=(at + 1) * HOUR, known=at * HOUR) for at in (0, 5, 20, 30)]
    merged = merge(some)
    assert all(merge(order) == merged for order in permutations(some))
