from dataclasses import dataclass, replace

from rag.folding import fold

PAGE = (
    "Before the first start, rinse the filter with clean water and tighten all four bolts by hand, then open the "
    "valve slowly until the gauge shows 8 bar, and write the date into the log."
)


@dataclass(frozen=True)
class Found:
    document_id: str
    text: str
    product: str | None = "P-200"
    version_key: tuple[int, ...] = (1, 0, 0)
    kind: str = "manual"
    heading_path: tuple[str, ...] = ("First start",)
    lead: str = ""
    title: str = "Pump"
    tenant_id: str = "default"


OLD = Found("old", PAGE)


def folded(*hits: Found) -> list[tuple[str, tuple[str, ...]]]:
    return [(hit.document_id, also_in) for hit, also_in in fold(hits)]


def test_of_a_page_that_did_not_change_the_newest_release_is_shown_in_the_place_of_the_best() -> None:
    other = Found("other", "Invoices are sent at the end of the month to all customers that have an open account.")
    new = replace(OLD, document_id="new", version_key=(2, 0, 0), text=PAGE.replace("then open", "and then open"))
    assert folded(OLD, other, new) == [("new", ("old",)), ("other", ())]


def test_of_copies_of_one_release_the_best_is_shown() -> None:
    assert folded(OLD, replace(OLD, document_id="copy")) == [("old", ("copy",))]


def test_a_page_that_changed_in_a_number_or_an_option_is_another_page() -> None:
    assert len(folded(OLD, replace(OLD, document_id="new", text=PAGE.replace("8 bar", "9 bar")))) == 2
    text = f"{PAGE} Start it with --config-dir afterwards."
    assert len(folded(replace(OLD, text=text), replace(OLD, text=text.replace("--config-dir", "--conf")))) == 2


def test_pages_of_different_products_and_tenants_stay_apart() -> None:
    assert len(folded(OLD, replace(OLD, document_id="twin", tenant_id="public"))) == 2
    assert len(folded(OLD, replace(OLD, document_id="twin", product="P-300"))) == 2


def test_short_texts_are_the_same_under_the_same_heading_only() -> None:
    short = replace(OLD, text="The default is on.", heading_path=("--verbose",))
    assert len(folded(short, replace(short, document_id="b", heading_path=("--quiet",)))) == 2
    assert folded(short, replace(short, document_id="b")) == [("old", ("b",))]


def test_two_pieces_of_one_document_name_no_other_place() -> None:
    assert folded(OLD, OLD) == [("old", ())]
