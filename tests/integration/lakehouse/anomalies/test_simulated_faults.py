"""The simulator's faults, with seeds that nothing was chosen by."""

import pytest

from tests.simulated_faults import judge, simulate


@pytest.mark.parametrize(
    ("seed", "days", "devices", "interval"), [(201, 14, 24, 10), (202, 14, 24, 60), (203, 28, 24, 30)]
)
def test_every_fault_is_found_while_it_lasts_with_few_false_alarms(
    seed: int, days: int, devices: int, interval: int
) -> None:
    verdict = judge(simulate(seed, days, devices, interval))
    assert {kind: verdict.missed[kind] for kind in ("overheating", "drift", "stuck", "dropped")} == {
        "overheating": 0,
        "drift": 0,
        "stuck": 0,
        "dropped": 0,
    }
    assert {"drift": "drift", "stuck": "stuck", "dropped": "gap"}.items() <= {
        kind: next((one for one in ("gap", "stuck", "drift") if one in found), None)
        for kind, found in verdict.kinds.items()
    }.items()
    assert verdict.rate < 1
