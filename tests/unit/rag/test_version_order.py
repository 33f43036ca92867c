from itertools import pairwise

import pytest

from rag.version_order import version_key


@pytest.mark.parametrize(
    "ascending",
    [
        "9.1 9.1.2 10.0-rc2 10.0 10.0.1 10.1",
        "1.0.0-dev 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0",
        "1.0a1 1.0b1 1.0rc1 1.0 1.0.1",
        "22.10 23.04 23.10 2023-11-15 2024-01-02",
        "1.0.2 1.0.2a 1.0.2b 1.0.2za 1.1",
        "A B Z AA AB Fuji Geneva Napa",
        "3.1-snapshot 3.1-rc1 3.1-rc2 3.1 3.1.1-rc1 3.1.1",
    ],
)
def test_versions_sort_by_the_scheme_of_their_product(ascending: str) -> None:
    keys = [version_key(version) for version in ascending.split()]
    assert all(lower < higher for lower, higher in pairwise(keys))


@pytest.mark.parametrize("same", ["3.1 3.1.0 v3.1 V3.1.0 3.1+build.7", "2.0-rc1 2.0.0-rc.1 v2.0rc1", "1.0-final 1.0 1"])
def test_spellings_of_one_version_have_one_key(same: str) -> None:
    assert len({version_key(version) for version in same.split()}) == 1


def test_what_names_no_version_has_an_empty_key_and_sorts_first() -> None:
    assert version_key("") == version_key("–") == ()
    assert version_key("") < version_key("0.0.1-dev")
