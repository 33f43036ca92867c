import pytest

from lakehouse.sources.html import read_html


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<h1>One</h1><h3>Three</h3><p>Text", "# One\n\n### Three\n\nText"),
        ("<p>a <b>bold</b>\n word<br>next</p>", "a bold word\nnext"),
        ("<ul><li>one<li>two<ul><li>deep</ul></ul>after", "- one\n- two\n  - deep\n\nafter"),
        ("<ol><li><p>first</p><p>more</p></li></ol>", "- first\n  more"),
        ("<table><tr><th>a<th>b<tr><td>1<td><p>2</p><p>3</p></table>", "| a | b |\n| 1 | 2 3 |"),
        ("<table><tr><td>x<table><tr><td>inner</table></table>", "x\n\n| inner |"),
        ("<table><tr><td><h1>Page</h1><p>in a<td><p>table</table>", "# Page\n\nin a\n\ntable"),
        ("<pre>  $ ls\n\n  a &lt; b\n</pre>", "```\n  $ ls\n\n  a < b\n```"),
        ("<dl><dt>Term<dd>Meaning</dl>", "Term\n\nMeaning"),
        ("loose <i>text</i>", "loose text"),
        ("<h2>See <a href=x>this</a><a class=headerlink href=#>¶</a></h2>", "## See this"),
        ("", ""),
    ],
)
def test_structure_survives_as_text(markup: str, text: str) -> None:
    assert read_html(markup).text == text


@pytest.mark.parametrize(
    "boilerplate",
    [
        "<script>x()</script>",
        "<style>p{}</style>",
        "<nav><ul><li>Home</ul></nav>",
        "<footer>© us</footer>",
        "<div role=navigation>Home</div>",
        "<div hidden>secret</div>",
        "<span aria-hidden=true>→</span>",
        "<!-- a comment -->",
        "<template><p>later</p></template>",
        "<noscript>enable it</noscript>",
        "<button>Copy</button>",
    ],
)
def test_what_a_reader_does_not_read_is_left_out(boilerplate: str) -> None:
    assert read_html(f"<body><p>before</p>{boilerplate}<p>after</p></body>").text == "before\n\nafter"


def test_the_main_part_is_taken_where_there_is_one() -> None:
    assert read_html("<body><div>menu</div><main><p>content</p></main></body>").text == "content"
    assert read_html("<body><div>content</div><main></main></body>").text == "content"


def test_title_and_stated_facts_are_read_from_the_head() -> None:
    page = read_html(
        "<head><title>Pump &amp;\n valve</title><meta name=Version content=2.1><meta charset=utf-8>"
        '<meta name="empty" content=""></head><body>x'
    )
    assert page.title == "Pump & valve"
    assert page.meta == {"version": "2.1"}


def test_a_page_without_title_has_none() -> None:
    assert read_html("<p>x").title is None
    assert read_html("<title> </title><p>x").title is None


def test_a_page_may_nest_as_deep_as_it_likes() -> None:
    assert read_html("<div>" * 5_000 + "deep").text == "deep"
