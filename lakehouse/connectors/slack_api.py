"""Calls of Slack's Web API: one policy of trying again, and what each error means for the one who runs it."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from traceback import clear_frames
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError

from lakehouse.connectors.retrying import Patience, Transient, ask, seconds_to_wait
from lakehouse.errors import BadRecord, Misused, OriginRefused, OriginUnavailable

URL = "https://slack.com/api/"
PAGE = 200  # what Slack recommends; apps outside its marketplace get 15 of them whatever they ask for
PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
TOKEN = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"})
CHANNEL = {
    "channel_not_found": "Slack shows it to this app no more: it was deleted or made private",
    "not_in_channel": "the app is no member of it: invite it in the channel with /invite",
}
GONE = "thread_not_found"


@dataclass(frozen=True)
class Page:
    """A reply as it came, and what it says."""

    raw: bytes
    said: dict[str, Any]


class _Client(WebClient):
    """Keeps the bytes of the last reply, which the SDK parses and forgets."""

    raw = b""

    def _perform_urllib_http_request(self, *, url: str, args: dict[str, dict[str, Any]]) -> dict[str, Any]:
        reply = super()._perform_urllib_http_request(url=url, args=args)
        body = reply["body"]
        self.raw = body.encode() if isinstance(body, str) else body
        return reply


class SlackApi:
    def __init__(self, token: str | None, *, now: datetime, url: str | None = None, patience: Patience | None = None):
        if not token:
            raise Misused("IOTOPS_SLACK_TOKEN is not set: set it to the bot token (xoxb-…) of the Slack app")
        self._now = now
        self._patience = patience or Patience()
        silent = logging.Logger("slack_sdk", logging.CRITICAL)  # the SDK logs what is reported here
        self._client = _Client(
            token,
            base_url=url or URL,
            timeout=max(1, round(self._patience.answer_seconds)),
            retry_handlers=[],
            logger=silent,
        )

    def call(self, method: str, **params: str | int) -> Page:
        """Raises OriginUnavailable, OriginRefused, and BadRecord where only this channel or thread cannot be had."""
        return ask(lambda: self._once(method, params), "Slack", self._patience)

    def pages(self, method: str, **params: str | int) -> Iterator[Page]:
        cursor = ""
        while True:
            page = self.call(method, **params, limit=PAGE, **({"cursor": cursor} if cursor else {}))
            yield page
            before, cursor = cursor, str((page.said.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return
            if cursor == before:
                raise OriginUnavailable("Slack", f"{method} gives the same page again and again")

    def _once(self, method: str, params: dict[str, str | int]) -> Page:
        try:
            response = self._client.api_call(method, params=params)
        except SlackApiError as error:
            raise self._meaning(method, error) from error
        except SlackRequestError as error:
            raise Misused(f"IOTOPS_SLACK_URL cannot be used ({error}): it must start with https://") from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            clear_frames(error.__traceback__)  # the SDK's hold the reply that broke off, and its connection with it
            raise Transient(error) from error
        if not isinstance(response.data, dict):
            raise Transient(f"{method} gave no JSON")
        return Page(self._client.raw, response.data)

    def _meaning(self, method: str, error: SlackApiError) -> Exception:
        response = error.response
        said = response.data if isinstance(response.data, dict) else {}
        code = str(said.get("error") or "")
        if response.status_code == 429 or code in PASSING:
            asked = next((value for name, value in response.headers.items() if name.lower() == "retry-after"), None)
            return Transient(f"{method}: {code or 'ratelimited'}", seconds_to_wait(asked, self._now))
        if response.status_code >= 500 or not _is_json(self._client.raw):
            return Transient(f"{method}: HTTP {response.status_code}")
        if code in TOKEN:
            return OriginRefused("Slack", code, "set IOTOPS_SLACK_TOKEN to the bot token (xoxb-…) of an installed app")
        if code in ("missing_scope", "no_permission", "not_allowed_token_type"):
            scope = said.get("needed") or "channels:read, channels:history and users:read"
            return OriginRefused("Slack", code, f"give the app the scope {scope} and install it again")
        if code in CHANNEL or code == GONE:
            return BadRecord(code, CHANNEL.get(code, "Slack has the thread no more"))
        return OriginUnavailable("Slack", f"{method}: {code or f'HTTP {response.status_code}'}")


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True
