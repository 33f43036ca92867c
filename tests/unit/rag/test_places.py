import pytest

from rag.places import Place, places_of, telling_name


def test_a_document_that_nobody_includes_stands_by_itself() -> None:
    assert places_of("Pump", None) == places_of("Pump", []) == [Place("Pump")]


def test_a_snippet_stands_once_at_each_of_its_places_and_not_by_itself() -> None:
    one = {"page": "a.md", "title": "A", "heading_path": ["A", "Care"]}
    places = places_of("snippet", [one, {**one, "page": "b.md"}, {**one, "heading_path": []}])
    assert places == [Place("A", ("A", "Care")), Place("A")]
    assert places[0].describe() == "A › A › Care"


@pytest.mark.parametrize(
    ("path", "title", "text", "name"),
    [
        ("runbooks/KubePodCrashLooping.md", "A pod restarts", "Look at its log.", "KubePodCrashLooping"),
        ("runbooks/KubePodCrashLooping.md", "KubePodCrashLooping", "Look at its log.", ""),
        ("runbooks/KubePodCrashLooping.md", "A pod restarts", "`KubePodCrashLooping` fires: a looping pod.", ""),
        ("runbooks/KubePodCrashLooping/README.md", "A pod restarts", "Look.", "KubePodCrashLooping"),
        ("faults/P0301.md", "Misfire", "Change the plug.", "P0301"),
        ("guide/install-pump.md", "Installing a pump", "Turn it.", ""),
        ("guide/install-pump.md", "Start", "The pump is turned.", "install pump"),
        ("guide/install-pump.md", "Start", "Install the pump.", ""),
        ("guide/E_OVERHEAT.md", "Overheat", "It is hot.", "E_OVERHEAT"),
    ],
)
def test_the_name_of_a_file_is_told_where_nothing_else_says_it(path: str, title: str, text: str, name: str) -> None:
    assert telling_name(path, "runbook", title, text) == name


@pytest.mark.parametrize(
    ("path", "kind"),
    [(None, "insight"), ("https://example.com/QX.html", "manual"), ("ops/1759500000.0001", "chat_thread")],
)
def test_what_is_no_name_that_a_person_gave_is_not_told(path: str | None, kind: str) -> None:
    assert telling_name(path, kind, "Title", "Text") == ""
