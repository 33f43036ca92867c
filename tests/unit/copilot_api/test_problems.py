import inspect
import re

import pytest

from copilot_api.problems import of_error, of_status, respond, status_of
from lakehouse import errors
from lakehouse.errors import DatabaseUnavailable, IotopsError, NotFound, UnknownTenant


def subclasses(error: type[IotopsError]) -> set[type[IotopsError]]:
    return {error} | {found for child in error.__subclasses__() for found in subclasses(child)}


def documented_statuses() -> dict[str, int]:
    """Of the tree drawn in lakehouse/errors.py, for the errors that have a status stated beside them."""
    tree = re.findall(r"── (\w+) .*HTTP (\d+)\)", inspect.getdoc(errors) or "")
    return {name: int(status) for name, status in tree}


def test_the_table_says_what_the_error_tree_documents() -> None:
    documented = documented_statuses()
    assert len(documented) == len(IotopsError.__subclasses__()), "an error directly below the root states no status"
    for name, status in documented.items():
        for error in subclasses(getattr(errors, name)):
            assert status_of(error.__new__(error)) == status, error.__name__


def test_an_error_below_the_root_that_the_table_does_not_name_is_the_fault_of_the_server() -> None:
    assert status_of(IotopsError("something")) == 500


def test_a_subclass_that_is_not_named_has_the_status_of_its_parent() -> None:
    class UnknownSensor(NotFound):
        pass

    assert status_of(UnknownSensor("sensor 'x' is not known")) == 404


def test_a_problem_carries_the_text_of_the_error_and_a_stable_type() -> None:
    problem = of_error(UnknownTenant("acme", ["default", "public"]), "/v1/ask")

    assert problem.type == "urn:iotops:problem:unknown-tenant"
    assert problem.title == "Unknown tenant"
    assert problem.detail.startswith("tenant 'acme' does not exist: use one of default, public")
    assert problem.instance == "/v1/ask"


def test_a_probe_may_give_an_error_another_status() -> None:
    assert of_error(DatabaseUnavailable("here", "refused"), "/readyz", status=503).status == 503


@pytest.mark.parametrize("text", ["plain", "naïve – 漢字", "lone surrogate \ud800"])
def test_any_text_can_be_sent(text: str) -> None:
    response = respond(of_status(404, text, "/x"))

    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == 404
    assert bytes(response.body).decode("ascii")
