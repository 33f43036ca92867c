"""Directives as the documentation of each dialect writes them, and the files that they may mean."""

import time

import pytest

from lakehouse.includes import MOST_INCLUDES, candidates_of, read_includes

WAYS = {
    "pymdownx": '--8<-- "limits.md"',
    "pymdownx, indented and in single quotes": "    --8<-- 'limits.md'",
    "pymdownx with longer scissors": '---8<--- "limits.md"',
    "pymdownx, lines": '--8<-- "limits.md:3:10"',
    "pymdownx, open range": '--8<-- "limits.md::4"',
    "pymdownx, section": '--8<-- "limits.md:pump"',
    "markdown-include": "{!limits.md!}",
    "markdown-include, in a sentence": "See {! limits.md !} and go on.",
    "FastAPI": "{!> limits.md!}",
    "FastAPI, lines": "{!> limits.md[ln:1-3]!}",
    "mdBook": "{{#include limits.md}}",
    "mdBook, lines": "{{#include limits.md:1:5}}",
    "mdBook, anchor": "{{#include limits.md:pump}}",
    "Docsy": '{{% include "limits.md" %}}',
    "Kubernetes": '{{< include "limits.md" >}}',
    "Hugo readfile": '{{% readfile "limits.md" %}}',
    "Hugo readfile, named": '{{< readfile file="limits.md" >}}',
    "Jekyll": "{% include limits.md %}",
    "Jekyll with parameters": "{%- include limits.md pump='a' -%}",
    "Jekyll, relative": "{% include_relative limits.md %}",
    "Liquid and Jinja": '{% include "limits.md" %}',
    "DocFX": "[!INCLUDE [The limits](limits.md)]",
    "DocFX without a space": "> [!INCLUDE[The limits](./limits.md)]",
    "VitePress, code": "<<< @/limits.md",
    "VitePress": "<!--@include: ./limits.md{3,}-->",
    "AsciiDoc": "include::limits.md[]",
    "MyST": "```{include} limits.md\n```",
    "MyST with colons": ":::{include} limits.md\n:::",
    "reStructuredText": ".. include:: limits.md",
    "no ending": '--8<-- "limits"',
    "Windows": '--8<-- ".\\limits.md"',
}
IN_FENCES = ("pymdownx", "markdown-include", "FastAPI", "mdBook", "Docsy", "Jekyll")
ESCAPED = (
    ';--8<-- "limits.md"',
    '--8<-- "; limits.md"',
    "\\{!limits.md!}",
    "\\{{#include limits.md}}",
    '{{%/* include "limits.md" */%}}',
    '{{</* include "limits.md" */>}}',
    "{% raw %}\n{% include limits.md %}\n{% endraw %}",
    "{% raw %}{% include limits.md %}{% endraw %}",
    "````\n```{include} limits.md\n```\n````",
    "```\n[!INCLUDE [The limits](limits.md)]\n```",
    "~~~\n.. include:: limits.md\n~~~",
)
NO_FILE = (
    '--8<-- "https://example.com/limits.md"',
    "{!//example.com/limits.md!}",
    "{% include {{ page.snippet }} %}",
    "{% include limits.py %}",
    '--8<-- "C:/docs/limits.md"',
    '--8<-- ""',
    '--8<-- ".."',
    "We include limits.md, and readfile reads it.",
    "{!limits.md",
    "{{#include }}",
)


def found(text: str, path: str = "page.md") -> list[tuple[str, tuple[str, ...]]]:
    return [(include.candidates[0], include.heading_path) for include in read_includes(path, text)]


@pytest.mark.parametrize("directive", WAYS.values(), ids=WAYS.keys())
def test_a_directive_names_its_file_and_the_headings_above_it(directive: str) -> None:
    text = f"# Pump\n\n## Operation\n\n{directive}\n\n## Care\n"
    assert found(text) == [("limits.md", ("Pump", "Operation"))]


@pytest.mark.parametrize("name", IN_FENCES)
def test_what_a_dialect_resolves_in_code_counts_there(name: str) -> None:
    assert found(f"# Pump\n\n```\n# no heading\n{WAYS[name]}\n```\n") == [("limits.md", ("Pump",))]


@pytest.mark.parametrize("text", ESCAPED)
def test_what_only_shows_how_a_directive_is_written_includes_nothing(text: str) -> None:
    assert found(text) == []
    assert found(f'{text}\n\n--8<-- "other.md"\n') == [("other.md", ())]


@pytest.mark.parametrize("text", NO_FILE)
def test_what_names_no_file_of_the_source_includes_nothing(text: str) -> None:
    assert found(text) == []


def test_a_block_names_a_file_a_line() -> None:
    text = "# Pump\n\n--8<--\nlimits.md\n; left-out.md\n\nparts/care.md:2:3\n--8<--\n\nlast.md\n"
    assert found(text) == [("limits.md", ("Pump",)), ("parts/care.md", ("Pump",))]


def test_headings_are_those_that_the_splitter_gives_to_what_stands_there() -> None:
    text = (
        "Pump manual\n===========\n\n## Care ##\n\n{!a.md!}\n\n### Daily {#daily}\n\n- item\n---\n\n{!b.md!}\n\n"
        "Weekly\n------\n\n{!c.md!}\n\ntwo lines\nof text\n---\n\n{!d.md!}\n\n#no heading\n\n# Other\n\n{!e.md!}\n"
    )
    assert found(text) == [
        ("a.md", ("Pump manual", "Care")),
        ("b.md", ("Pump manual", "Care", "Daily")),
        ("c.md", ("Pump manual", "Weekly")),
        ("d.md", ("Pump manual", "Weekly")),
        ("e.md", ("Other",)),
    ]


def test_a_file_is_looked_for_beside_the_page_then_above_it_and_where_snippets_are_kept() -> None:
    assert candidates_of("guide/page.md", "limits.md") == (
        "guide/limits.md",
        "guide/_includes/limits.md",
        "guide/includes/limits.md",
        "guide/snippets/limits.md",
        "guide/.snippets/limits.md",
        "guide/docs/limits.md",
        "guide/docs_src/limits.md",
        "limits.md",
        "_includes/limits.md",
        "includes/limits.md",
        "snippets/limits.md",
        ".snippets/limits.md",
        "docs/limits.md",
        "docs_src/limits.md",
    )


def test_a_deep_page_looks_into_the_nearest_folders_and_the_root() -> None:
    candidates = candidates_of("/".join("abcdefghijklm") + "/page.md", "limits.md")
    assert candidates[0] == "a/b/c/d/e/f/g/h/i/j/k/l/m/limits.md"
    assert "limits.md" in candidates
    assert len(candidates) == 9 * 7


def test_what_leaves_the_source_is_left_out() -> None:
    assert candidates_of("page.md", "../../limits.md") == ()
    assert candidates_of("page.md", "../limits.md")[0] == "limits.md"  # as seen from one of the folders of snippets
    assert candidates_of("a/page.md", "../.gitbook/limits.md")[0] == ".gitbook/limits.md"
    assert candidates_of("a/page.md", "/limits.md")[0] == "a/limits.md"


def test_a_page_does_not_include_itself() -> None:
    assert "page.md" not in candidates_of("page.md", "page.md")


def test_a_page_of_the_web_includes_nothing() -> None:
    assert read_includes("https://example.com/a.md", '--8<-- "limits.md"') == []


def test_no_more_are_read_than_a_page_has() -> None:
    assert len(read_includes("page.md", "".join(f"{{!part-{n}.md!}}\n" for n in range(5_000)))) == MOST_INCLUDES


@pytest.mark.parametrize(
    "unit",
    [
        "{!", "{!a.md", "{!../../../x.md!}", "{{#include ", "{% include ", '{{% include "', "[!INCLUDE [", "-",
        "--8<--\n", '--8<-- "', "```{include} \n", "<!--@include: ", "# ", "#", "a\n=\n", "{% raw %}", "\\{!", "`",
        "include\n",
    ],
)  # fmt: skip
def test_a_hostile_megabyte_is_read_in_time(unit: str) -> None:
    started = time.process_time()
    read_includes("a/b/c/page.md", unit * (1_000_000 // len(unit)) + "include 8<- {!")
    assert time.process_time() - started < 2
