"""Calls to the API. Whatever goes wrong becomes an `ApiProblem`, whose text is one line for the reader."""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

import httpx

from ui.wire import Answer, DocumentSource, Evaluation, Series, Verification

TIMEOUT = httpx.Timeout(60, connect=5)


class ApiProblem(Exception):
    pass


@dataclass(frozen=True)
class Scope:
    """What the sidebar sets. Empty strings are left out of requests."""

    tenant_id: str
    device_id: str = ""
    product: str = ""
    version: str = ""
    as_of: datetime | None = None

    def to_json(self) -> dict[str, str]:
        names = {"device_id": self.device_id, "product": self.product, "version": self.version}
        if self.as_of:  # as picked, without a zone: the label of the field says UTC
            names["as_of"] = self.as_of.replace(tzinfo=UTC).isoformat()
        return {"tenant_id": self.tenant_id, **{name: text.strip() for name, text in names.items() if text.strip()}}


@dataclass(frozen=True)
class Api:
    url: str

    def ask(self, question: str, scope: Scope) -> Answer:
        return cast(Answer, self._call("POST", "/v1/ask", json={"question": question, **scope.to_json()}))

    def verify(self, answer: Answer) -> Verification:
        path = f"/v1/answers/{_part(answer['answer_id'])}/verification"
        return cast(Verification, self._call("GET", path, params={"tenant_id": answer["tenant_id"]}))

    def series(self, answer: Answer, claim: int, citation: int) -> Series:
        path = f"/v1/answers/{_part(answer['answer_id'])}/series"
        params = {"tenant_id": answer["tenant_id"], "claim": claim, "citation": citation}
        return cast(Series, self._call("GET", path, params=params))

    def document(self, document_id: str, tenant_id: str) -> DocumentSource:
        path = f"/v1/documents/{_part(document_id)}"
        return cast(DocumentSource, self._call("GET", path, params={"tenant_id": tenant_id}))

    def evaluations(self) -> list[Evaluation]:
        return cast(list[Evaluation], self._call("GET", "/v1/evaluations")["runs"])

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            # trust_env off: a proxy named in the environment cannot reach an API on this machine.
            with httpx.Client(base_url=self.url, timeout=TIMEOUT, trust_env=False) as client:
                response = client.request(method, path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiProblem(
                f"the API at {self.url} does not answer ({_one_line(error)}): start it with 'iotops serve api'"
            ) from error
        return _body(response)


def api_url(arguments: list[str]) -> str:
    """From the command line of a page."""
    parser = argparse.ArgumentParser(prog="page.py", exit_on_error=False)
    parser.add_argument("--api", default="http://127.0.0.1:8000", metavar="URL")
    return str(parser.parse_known_args(arguments)[0].api).rstrip("/")


def _body(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.is_success and body is not None:
        return body
    if isinstance(body, dict) and response.headers.get("content-type") == "application/problem+json":
        raise ApiProblem(f"{body['title']}: {body['detail']}")
    raise ApiProblem(f"{response.url} answered {response.status_code} {response.reason_phrase}: is this the API?")


def _part(name: str) -> str:
    return quote(name, safe="")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
