import re
from html.parser import HTMLParser

import pytest
import yaml

KINDS = ("cold", "pump", "gateway")


def manuals(world, kind: str):
    product = world.fleet.products[kind]
    return [world.of_product(product.name, "manual", version) for version in product.versions[: product.manuals]]


@pytest.mark.parametrize("kind", KINDS)
def test_each_manual_states_the_values_of_its_own_release_and_of_no_other(world, kind: str) -> None:
    product = world.fleet.products[kind]
    for release, document in enumerate(manuals(world, kind)):
        for fact in product.facts.values():
            if fact.asks and fact.name not in document.spans:
                pytest.fail(f"{document.path} does not state {fact.name}")
            if fact.changed_in(release):
                assert fact.values[release] in document.spans[fact.name].quote
                assert fact.values[release - 1] not in document.text


@pytest.mark.parametrize("kind", KINDS)
def test_manuals_of_two_releases_differ_in_many_statements_and_agree_in_most_of_their_text(world, kind: str) -> None:
    for older, newer in zip(manuals(world, kind), manuals(world, kind)[1:], strict=False):
        before, after = set(older.text.splitlines()), set(newer.text.splitlines())
        assert len(after - before) >= 6
        assert len(after & before) > len(after) / 2


def test_manuals_of_different_models_have_sections_that_differ_in_numbers_only(world) -> None:
    quotes = [manuals(world, kind)[0].spans["rollback_window"].quote for kind in KINDS]
    assert len(set(quotes)) == 3
    assert len({re.sub(r"\d+", "#", quote).split(" hours")[1] for quote in quotes}) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_manual_begins_with_front_matter_that_names_product_version_kind_and_date(world, kind: str) -> None:
    product = world.fleet.products[kind]
    for document, version in zip(manuals(world, kind), product.versions, strict=False):
        _, front, _ = document.text.split("---\n", 2)
        fields = yaml.safe_load(front)
        assert (fields["product"], fields["version"], fields["kind"]) == (product.name, version, "manual")
        assert fields["date"] == world.fleet.published[kind][product.release(version)].date()
        assert product.name in fields["title"]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.items: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        fields = dict(attrs)
        if tag == "meta" and "name" in fields:
            self.meta[fields["name"]] = fields["content"]
        self.inside = tag == "li"

    def handle_data(self, data: str) -> None:
        if self.inside and data.strip():
            self.items.append(data)


@pytest.mark.parametrize("kind", KINDS)
def test_release_notes_state_each_announced_change_with_its_new_value(world, kind: str) -> None:
    product = world.fleet.products[kind]
    for release, version in enumerate(product.versions):
        document = world.of_product(product.name, "release_note", version)
        page = Page(document.text)
        assert (page.meta["product"], page.meta["version"], page.meta["kind"]) == (
            product.name,
            version,
            "release_note",
        )
        changed = [fact for fact in product.facts.values() if fact.changed_in(release) and fact.announce]
        assert bool(changed) == (release > 0)
        for fact in changed:
            assert any(fact.values[release] in item for item in page.items)
            assert document.spans[fact.name].quote in page.items


def test_the_last_release_of_the_gateway_overrules_its_manual_by_release_notes_only(world) -> None:
    product = world.fleet.products["gateway"]
    assert world.of_product(product.name, "manual", product.versions[-1]) is None
    newest, manual = product.value("keepalive", 3), manuals(world, "gateway")[-1]
    assert newest not in manual.text
    assert newest in world.of_product(product.name, "release_note", product.versions[-1]).text


def test_runbooks_of_two_tenants_have_the_same_topics_and_no_local_detail_in_common(world) -> None:
    acme, globex = ([one for one in world.documents if one.tenant_id == name] for name in ("acme", "globex"))
    assert [one.path.split("/", 1)[1] for one in acme] == [one.path.split("/", 1)[1] for one in globex]
    for documents, tenant, other in ((acme, *world.fleet.tenants), (globex, *reversed(world.fleet.tenants))):
        text = "\n".join(one.text for one in documents)
        details = {name: value for name, value in tenant.slots.items() if name in world_pools()}
        assert all(value in text for value in details.values())
        assert not [value for name, value in other.slots.items() if name in world_pools() and value in text]


def world_pools() -> set[str]:
    from simulator.catalog import read_table

    return set(read_table("tenants.toml")["pools"])


def test_nothing_that_a_template_is_made_of_is_left_in_a_document(world) -> None:
    for document in world.documents:
        assert not re.search(r"\{[a-z_0-9]+\}|\[\[|\]\]|\(\(|\)\)|\|\||^@", document.text, re.MULTILINE), document.path


def test_documents_come_as_markdown_html_and_plain_text(simulated) -> None:
    files = [path for path in simulated.out.glob("*/documents/**/*") if path.is_file()]
    assert {path.suffix for path in files} == {".md", ".html", ".txt"}
