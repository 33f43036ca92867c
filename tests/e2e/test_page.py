"""The page in a real browser, over a real API, with data that came in by the command line."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]

# Chromium's own services would look outward; the rest is what it needs where no display, GPU or user is.
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

MANUAL = """# P-200 manual

## Filter

![logo](http://example.com/logo.png) <img src="http://example.com/x.png">

The filter is rinsed with clean water at 5 °C every 500 hours. Solvents damage its mesh.

"""
FILLING = "The gasket at flange {0} is tightened to {0} Nm before the pump is started.\n\n"
SPAN_QUESTION = "How often is the filter rinsed?"
ROWS_QUESTION = "What was the average pressure of pump-07 on 2026-10-20?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation with a long manual and a day of readings, all by commands."""
    folder = tmp_path_factory.mktemp("page")
    home = folder / "home"
    manuals = folder / "manuals"
    manuals.mkdir()
    gaskets = [FILLING.format(number) for number in range(200)]
    (manuals / "p-200.md").write_text("".join([*gaskets[:100], MANUAL, *gaskets[100:]]), encoding="utf-8")
    readings = [f"pump-07,pressure_bar,2026-10-20T{n // 4:02}:{n % 4 * 15:02}:00Z,{5 + n % 4},bar" for n in range(96)]
    (folder / "readings.csv").write_text("\n".join(["device_id,metric,ts,value,unit", *readings]) + "\n")
    try:
        iotops(home, "ingest", "documents", str(manuals), "--product", "P-200", "--version", "2.1")
        iotops(home, "ingest", "telemetry", str(folder / "readings.csv"))
        iotops(home, "warehouse", "build")
        iotops(home, "index", "build")
        yield home
    finally:
        iotops(home, "db", "stop")


@pytest.fixture(scope="module")
def api(home: Path) -> Iterator[str]:
    port = free_port()
    with served(home, "api", "--port", str(port), health=f"http://127.0.0.1:{port}/healthz"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def page_url(home: Path, api: str) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with served(home, "ui", "--port", str(port), "--api", api, health=f"{url}/_stcore/health"):
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield started
        started.close()


@pytest.fixture
def requested() -> list[str]:
    """Every URL that the browser asked for."""
    return []


@pytest.fixture
def page(browser: Browser, page_url: str, requested: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, timezone_id="America/New_York")
    context.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    opened = context.new_page()
    opened.on("request", lambda request: requested.append(request.url))
    opened.on("websocket", lambda websocket: requested.append(websocket.url))
    opened.goto(page_url)
    yield opened
    context.close()


def environment(home: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("IOTOPS_")}
    return {**ours, "IOTOPS_HOME": str(home)}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "iotops.cli.main", *arguments]


def iotops(home: Path, *arguments: str) -> None:
    done = subprocess.run(command(*arguments), env=environment(home), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@contextmanager
def served(home: Path, *arguments: str, health: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server of ours, from when it answers until SIGTERM, on which it must leave with 0."""
    log = home / f"{arguments[0]}.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command("serve", *arguments), env=environment(home), stdout=output, stderr=output)
    try:
        # Retries after 0, 0.5, 1, 2, 4, 8 and 16 s: half a minute in all.
        with httpx.Client(transport=httpx.HTTPTransport(retries=7), trust_env=False) as client:
            assert client.get(health).is_success, log.read_text()
        yield server
    finally:
        server.terminate()
        code = server.wait(timeout=20)
    assert code == 0, log.read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ask(page: Page, question: str) -> None:
    page.get_by_label("Question", exact=True).fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".status")).to_be_visible()


def test_the_source_opens_at_the_marked_quote_in_sight(page: Page, api: str) -> None:
    ask(page, SPAN_QUESTION)
    page.get_by_role("button", name="Open source").first.click()

    mark = page.locator("mark").first
    expect(mark).to_be_in_viewport(ratio=1)
    given = httpx.post(f"{api}/v1/ask", json={"question": SPAN_QUESTION}, timeout=30, trust_env=False).json()
    assert mark.text_content() == given["claims"][0]["citations"][0]["quote"]
    expect(page.locator(".document")).to_contain_text("bytes above")
    expect(page.locator(".document")).to_contain_text('<img src="http://example.com/x.png">')


def test_the_readings_behind_a_number_are_drawn(page: Page) -> None:
    ask(page, ROWS_QUESTION)
    expect(page.locator(".claim")).to_contain_text("6.5")
    page.get_by_role("button", name="Open readings").first.click()

    line = page.locator("[data-testid=stVegaLiteChart] .mark-line path").first
    expect(line).to_be_visible()
    assert len(re.findall("[ML]", line.get_attribute("d") or "")) == 96
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_contain_text(
        "20 Oct 00:00"
    )  # in UTC, not in the browser's zone


def test_a_verified_answer_says_that_its_citations_hold(page: Page) -> None:
    ask(page, SPAN_QUESTION)
    page.get_by_role("button", name="Verify").click()

    expect(page.locator(".ok").first).to_have_text("✓ verified")


def test_a_problem_is_told_on_the_page(page: Page) -> None:
    page.get_by_label("Tenant").fill("nobody")
    page.get_by_label("Question", exact=True).fill(SPAN_QUESTION)
    page.get_by_role("button", name="Ask", exact=True).click()

    expect(page.locator(".problem")).to_contain_text("tenant 'nobody' does not exist")


def test_nothing_is_asked_of_any_other_machine(page: Page, requested: list[str]) -> None:
    for question, button in ((SPAN_QUESTION, "Open source"), (ROWS_QUESTION, "Open readings")):
        ask(page, question)
        page.get_by_role("button", name=button).first.click()
        expect(page.get_by_role("button", name=button.replace("Open", "Close")).first).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart] .mark-line path").first).to_be_visible()

    assert len(requested) > 5
    assert {urlsplit(url).hostname for url in requested if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
