"""NAB over the series that are shipped beside the checkout, with the one setting."""

from pathlib import Path

import pytest

from tests.nab_corpus import label, read_corpus
from tests.nab_scoring import PROFILES, normalised


def test_the_standard_profile_is_above_55_whichever_series_is_left_out(shared_data: Path) -> None:
    folder = shared_data / "telemetry" / "nab"
    if not (folder / "windows.json").exists():
        pytest.skip("NAB's series are not beside this checkout")
    labelled = label(read_corpus(folder))
    assert len(labelled) == 14
    assert sum(len(one.windows) for one in labelled.values()) == 14
    assert normalised(list(labelled.values()), PROFILES["standard"]) > 55
    for left in labelled:
        rest = [one for name, one in labelled.items() if name != left]
        assert normalised(rest, PROFILES["standard"]) > 55, f"without {left}"
