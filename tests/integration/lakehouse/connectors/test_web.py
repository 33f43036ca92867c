from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse.connectors import http_pages
from lakehouse.connectors.http_pages import _is_public
from lakehouse.connectors.origins import Site, Target, from_web
from lakehouse.errors import Misused, OriginUnavailable
from lakehouse.quarantine import list_refused
from lakehouse.summary import IngestSummary
from tests.website import Served, Website, website

Rows = Callable[[], list[dict[str, Any]]]
PAGE = "<title>Pump</title><h1>Pump</h1><p>Rinse it every 100 hours.</p>"


def feed(*entries: tuple[str, str]) -> str:
    items = "".join(f"<item><link>{link}</link><pubDate>{date}</pubDate></item>" for link, date in entries)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{items}</channel></rss>'


DATE = "Mon, 05 Oct 2026 08:00:00 GMT"


@pytest.fixture
def refused(here: Site) -> Callable[[], list[tuple[str, str]]]:
    return lambda: [(row["path"], row["code"]) for row in list_refused(here.bronze, "default")]


class TestAPage:
    def test_it_lands_with_its_address_and_is_not_sent_again_while_it_stays(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        url = site.put("/manuals/pump.html", PAGE)
        assert from_web(here, target, [f"{url}#top"]) == IngestSummary("documents", read=1, landed=1)
        (row,) = rows()
        assert (row["source"], row["path"], row["url"], row["title"]) == (f"web:{url}", url, url, "Pump")
        assert (row["product"], row["media_type"], row["kind"]) == ("P", "text/html", "manual")
        assert from_web(here, target, [url]) == IngestSummary("documents", unchanged=1)
        assert "If-None-Match" in site.asked[-1][1]

    def test_a_date_serves_where_there_is_no_etag(self, here: Site, target: Target, site: Website) -> None:
        url = site.put("/a.html", PAGE, Last_Modified=DATE)
        from_web(here, target, [url])
        assert from_web(here, target, [url]).unchanged == 1
        assert site.asked[-1][1]["If-Modified-Since"] == DATE

    def test_an_edit_is_a_new_version(self, here: Site, target: Target, site: Website, rows: Rows) -> None:
        url = site.put("/a.html", PAGE)
        from_web(here, target, [url])
        site.put("/a.html", PAGE.replace("100", "200"))
        assert from_web(here, target, [url]).landed == 1
        assert [row["path"] for row in rows()] == [url, url]

    def test_a_page_that_only_bears_another_token_each_time_is_no_news(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        url = site.put("/a.html", f"<meta name=token content=1>{PAGE}", No_Etag="1")
        from_web(here, target, [url])
        site.put("/a.html", f"<meta name=token content=2>{PAGE}", No_Etag="1")
        assert from_web(here, target, [url]) == IngestSummary("documents", read=1, unchanged=1)
        assert len(rows()) == 1

    @pytest.mark.parametrize("status", [404, 410])
    def test_one_that_is_gone_is_deleted_once_and_lands_again_when_it_is_back(
        self, here: Site, target: Target, site: Website, rows: Rows, status: int
    ) -> None:
        url = site.put("/a.html", PAGE)
        from_web(here, target, [url])
        site.remove("/a.html", status)
        assert from_web(here, target, [url]).deleted == 1
        assert from_web(here, target, [url]).deleted == 0
        site.put("/a.html", PAGE)
        assert from_web(here, target, [url]).landed == 1
        assert [row["deleted"] for row in rows()] == [False, True, False]

    def test_an_address_that_never_was_one_is_said(
        self, here: Site, target: Target, site: Website, refused: Any
    ) -> None:
        assert from_web(here, target, [f"{site.url}/typo"]).reasons == {"not_found": 1}
        assert refused() == [(f"{site.url}/typo", "not_found")]

    def test_a_permanent_redirect_is_noted_and_a_passing_one_is_not(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        new = site.put("/new.html", PAGE)
        moved, passing = site.redirect("/old.html", "/new.html", 301), site.redirect("/now.html", "/new.html", 302)
        from_web(here, target, [moved, passing])
        assert {row["path"]: row["url"] for row in rows()} == {moved: new, passing: passing}
        site.asked.clear()
        from_web(here, target, [moved, passing])
        assert site.paths() == ["/new.html", "/now.html", "/new.html"]

    @pytest.mark.parametrize(
        ("name", "kind", "content", "media_type"),
        [
            ("/a", "text/html", PAGE, "text/html"),
            ("/a", "application/xhtml+xml", PAGE, "text/html"),
            ("/a", "text/markdown; charset=utf-8", "# A\n\nText.", "text/markdown"),
            ("/a.md", "text/plain", "# A\n\nText.", "text/markdown"),
            ("/a.txt?x=1", "application/octet-stream", "Text.", "text/plain"),
            ("/a", "text/plain", "Text.", "text/plain"),
        ],
    )
    def test_its_type_is_what_its_host_says(
        self, here: Site, target: Target, site: Website, rows: Rows, name: str, kind: str, content: str, media_type: str
    ) -> None:
        from_web(here, target, [site.put(name, content, kind)])
        assert [row["media_type"] for row in rows()] == [media_type]

    def test_a_pdf_is_read(self, here: Site, target: Target, site: Website, rows: Rows, pdf: Any) -> None:
        from_web(here, target, [site.put("/sheet", pdf("Data sheet."), "application/pdf")])
        assert [row["extraction"] for row in rows()] == ["pdf/1"]

    @pytest.mark.parametrize("kind", ["text/html; charset=iso-8859-1", "text/html"])
    def test_another_encoding_is_read_as_its_host_or_the_page_says(
        self, here: Site, target: Target, site: Website, rows: Rows, kind: str
    ) -> None:
        page = '<meta charset="iso-8859-1"><h1>Überdruck</h1>'.encode("latin-1")
        from_web(here, target, [site.put("/a", page, kind)])
        assert [row["title"] for row in rows()] == ["Überdruck"]

    def test_what_its_page_states_wins(self, here: Site, target: Target, site: Website, rows: Rows) -> None:
        from_web(here, target, [site.put("/a", f"<meta name=version content=3.1><meta name=product content=Q>{PAGE}")])
        assert [(row["product"], row["version_from"]) for row in rows()] == [("Q", "3.1")]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("served", "code"),
        [
            (Served(b"\x89PNG", headers={"Content-Type": "image/png"}), "unsupported_type"),
            (Served(b"<script>x</script>", headers={"Content-Type": "text/html"}), "no_text"),
            (Served(b"caf\xe9", headers={"Content-Type": "text/plain"}), "not_utf8"),
        ],
    )
    def test_its_bytes_are_kept(self, here: Site, target: Target, site: Website, served: Served, code: str) -> None:
        site.pages["/a"] = served
        assert from_web(here, target, [f"{site.url}/a"]).reasons == {code: 1}
        (row,) = list_refused(here.bronze, "default")
        assert here.bronze.objects.get("default", row["raw_sha256"]) == served.body

    def test_one_that_may_not_be_read_is_named(self, here: Site, target: Target, site: Website) -> None:
        site.pages["/a"] = Served(status=403)
        assert from_web(here, target, [f"{site.url}/a"]).reasons == {"http_403": 1}

    def test_a_page_that_turned_bad_is_not_gone(self, here: Site, target: Target, site: Website, rows: Rows) -> None:
        url = site.put("/a", PAGE)
        from_web(here, target, [url])
        site.put("/a", "<script>x</script>")
        assert from_web(here, target, [url]).reasons == {"no_text": 1}
        assert [row["deleted"] for row in rows()] == [False]

    def test_no_more_than_the_limit_is_received(self, here: Site, target: Target, site: Website) -> None:
        url = site.put("/a.txt", b"x" * 20_000_001, "text/plain")
        assert from_web(here, target, [url]).reasons == {"too_large": 1}

    def test_redirects_end(self, here: Site, target: Target, site: Website) -> None:
        assert from_web(here, target, [site.redirect("/a", "/a")]).reasons == {"too_many_redirects": 1}

    @pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", ""])
    def test_a_redirect_stays_with_http(self, here: Site, target: Target, site: Website, to: str) -> None:
        assert from_web(here, target, [site.redirect("/a", to)]).reasons == {"bad_redirect": 1}

    def test_a_private_address_that_nobody_named_is_not_asked(self, here: Site, target: Target, site: Website) -> None:
        with website() as inner:
            inner.put("/secret", PAGE)
            url = site.redirect("/a", f"{inner.url}/secret")
            assert from_web(here, target, [url]).reasons == {"private_address": 1}
            assert inner.asked == []
            by_name = site.redirect("/b", f"{inner.url}/secret".replace("127.0.0.1", "localhost"))
            assert from_web(here, target, [by_name]).reasons == {"private_address": 1}
            assert inner.asked == []
            assert from_web(here, target, [f"{inner.url}/secret"]).landed == 1

    @pytest.mark.parametrize(
        ("address", "public"),
        [
            ("93.184.215.14", True),
            ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
            ("10.0.0.1", False),
            ("169.254.169.254", False),
            ("100.64.0.1", False),
            ("0.0.0.0", False),  # noqa: S104
            ("::1", False),
            ("fe80::1%eth0", False),
            ("::ffff:127.0.0.1", False),
            ("2002:7f00:1::", False),
            ("224.0.0.1", False),
        ],
    )
    def test_private_is_whatever_is_not_out_there(self, address: str, public: bool) -> None:
        assert _is_public(address) == public

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "host/x", "http://"])
    def test_only_http_is_an_address(self, here: Site, target: Target, url: str) -> None:
        with pytest.raises(Misused, match="is no address of a page: write it as https://host/path"):
            from_web(here, target, [url])


class TestAnOriginThatDoesNotAnswer:
    @pytest.mark.parametrize(
        "failure",
        [
            Served(status=500),
            Served(status=503),
            Served(b"half", behaviour="reset", headers={"Content-Type": "text/html"}),
            Served(behaviour="silent"),
        ],
        ids=["500", "503", "reset", "silent"],
    )
    def test_it_is_asked_again_a_little_later(
        self, here: Site, target: Target, site: Website, waits: list[float], failure: Served
    ) -> None:
        url = site.put("/a", PAGE)
        site.first("/a", failure, failure)
        quick = replace(here, patience=replace(here.patience, answer_seconds=0.1))
        assert from_web(quick, target, [url]).landed == 1
        assert waits == [0.5, 1.0]

    @pytest.mark.parametrize("retry_after", ["9", "Sun, 01 Nov 2026 12:00:09 GMT"])
    def test_it_is_left_alone_for_as_long_as_it_says(
        self, here: Site, target: Target, site: Website, waits: list[float], retry_after: str
    ) -> None:
        url = site.put("/a", PAGE)
        site.first("/a", Served(status=429, headers={"Retry-After": retry_after}))
        assert from_web(here, target, [url]).landed == 1
        assert waits == [9.0]

    def test_what_was_read_is_kept_and_the_rest_comes_the_next_time(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        links = [site.put(f"/{name}", f"<h1>{name}</h1>") for name in "abc"]
        news = site.put("/feed", feed(*((link, DATE) for link in links)), "application/rss+xml")
        site.first("/b", *[Served(status=502)] * 3)
        with pytest.raises(OriginUnavailable, match=r"127\.0\.0\.1:.*it answers 502"):
            from_web(here, target, [news])
        assert {row["path"] for row in rows()} == {links[0], links[2]}
        assert from_web(here, target, [news]) == IngestSummary("documents", read=1, landed=1, unchanged=2)

    def test_a_site_that_is_down_is_not_asked_for_each_of_its_pages(
        self, here: Site, target: Target, site: Website
    ) -> None:
        for number in range(9):
            site.pages[f"/{number}"] = Served(status=500)
        news = site.put("/feed", feed(*((f"/{number}", DATE) for number in range(9))), "text/xml")
        with pytest.raises(OriginUnavailable):
            from_web(here, target, [news])
        assert set(site.paths()) == {"/feed", "/0", "/1", "/2"}

    def test_one_site_that_is_down_does_not_stop_the_others(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        url = site.put("/a", PAGE)
        with pytest.raises(OriginUnavailable, match=r"127\.0\.0\.1:9 does not answer"):
            from_web(here, target, ["http://127.0.0.1:9/", url])
        assert [row["path"] for row in rows()] == [url]

    def test_a_page_that_drips_for_ever_is_given_up(
        self, here: Site, target: Target, site: Website, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_pages, "PAGE_SECONDS", -1.0)
        with pytest.raises(OriginUnavailable, match="to send the page"):
            from_web(here, target, [site.put("/a", PAGE)])


class TestAFeed:
    def test_the_pages_of_its_entries_land_with_their_dates(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        one, two = site.put("/1", "<h1>One</h1>"), site.put("/2", "<h1>Two</h1>")
        news = site.put("/feed", feed(("/1", DATE), (two, "nonsense")), "application/rss+xml")
        assert from_web(here, target, [news]) == IngestSummary("documents", read=2, landed=2)
        assert {row["path"]: row["valid_from"] for row in rows()} == {
            one: datetime(2026, 10, 5, 8, tzinfo=UTC),
            two: None,
        }
        assert {row["source"] for row in rows()} == {f"web:{news}"}
        assert from_web(here, target, [news]) == IngestSummary("documents", unchanged=2)

    def test_atom_is_a_feed_whatever_its_host_calls_it(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        site.put("/1", PAGE)
        atom = (
            '<feed xmlns="http://www.w3.org/2005/Atom"><title>N</title><entry><id>1</id><title>x</title>'
            '<link href="/1"/><updated>2026-10-05T08:00:00Z</updated></entry></feed>'
        )
        assert from_web(here, target, [site.put("/feed", atom, "text/html")]).landed == 1
        assert rows()[0]["valid_from"] == datetime(2026, 10, 5, 8, tzinfo=UTC)

    def test_a_page_that_left_the_feed_is_no_deletion_until_it_is_gone(
        self, here: Site, target: Target, site: Website, rows: Rows
    ) -> None:
        one, two = site.put("/1", "<h1>One</h1>"), site.put("/2", "<h1>Two</h1>")
        news = site.put("/feed", feed((one, DATE)), "text/xml")
        from_web(here, target, [news])
        site.put("/feed", feed((two, DATE)), "text/xml")
        assert from_web(here, target, [news]) == IngestSummary("documents", read=1, landed=1, unchanged=1)
        site.remove("/1")
        assert from_web(here, target, [news]).deleted == 1
        assert [(row["path"], row["deleted"]) for row in rows()] == [(one, False), (two, False), (one, True)]

    def test_pages_of_before_are_remembered_even_where_the_cursor_is_not(
        self, here: Site, target: Target, site: Website
    ) -> None:
        news = site.put("/feed", feed((site.put("/1", PAGE), DATE)), "text/xml")
        from_web(here, target, [news])
        site.put("/feed", feed(), "text/xml")
        site.remove("/1")
        assert from_web(replace(here, again=True), target, [news]).deleted == 1

    def test_only_the_first_entries_are_followed(self, here: Site, target: Target, site: Website) -> None:
        links = [site.put(f"/{number}", f"<h1>{number}</h1>") for number in range(5)]
        news = site.put("/feed", feed(*((link, DATE) for link in links)), "text/xml")
        summary = from_web(here, target, [news], follow=2)
        assert (summary.landed, summary.ignored) == (2, 3)

    def test_entries_on_other_hosts_are_left_alone_unless_they_are_asked_for(
        self, here: Site, target: Target, site: Website
    ) -> None:
        port = site.url.rpartition(":")[2]
        news = site.put("/feed", feed((f"http://localhost:{port}/1", DATE)), "text/xml")
        site.put("/1", PAGE)
        assert from_web(here, target, [news]) == IngestSummary("documents", ignored=1)
        # Another host it is, and a private address that nobody named.
        assert from_web(replace(here, again=True), target, [news], any_host=True).reasons == {"private_address": 1}

    def test_a_page_of_it_may_not_lead_elsewhere(self, here: Site, target: Target, site: Website) -> None:
        link = site.redirect("/1", "http://elsewhere.invalid/x")
        news = site.put("/feed", feed((link, DATE)), "text/xml")
        assert from_web(here, target, [news]).reasons == {"other_host": 1}

    def test_one_that_cannot_be_read_is_refused(self, here: Site, target: Target, site: Website) -> None:
        broken, bomb = "<rss version='2.0'><channel>&nothing", "<!DOCTYPE r [<!ENTITY a 'aaaa'>]><rss>&a;</rss>"
        assert from_web(here, target, [site.put("/feed", broken, "text/xml")]).reasons == {"bad_feed": 1}
        assert from_web(here, target, [site.put("/bomb", bomb, "text/xml")]).reasons == {"unsupported_type": 1}

    def test_many_pages_come_in_portions(self, here: Site, target: Target, site: Website, rows: Rows) -> None:
        links = [site.put(f"/{number}", f"<h1>{number}</h1>") for number in range(60)]
        news = site.put("/feed", feed(*((link, DATE) for link in links)), "text/xml")
        assert from_web(here, target, [news], follow=60).landed == 60
        assert len({row["bronze_version"] for row in rows()}) == 2
