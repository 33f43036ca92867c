from hypothesis import given
from hypothesis import strategies as st

from rag.sentences import plain, units

MANUAL = """# Options

## ConfDir

`-c/--confdir`

Specify local configuration directory, e.g. on a gateway. Default is `./res`

| Parameter | Values |
| --- | --- |
| *push* | "yes" or "no" |

- Ensure capacity is left
  for networking.
- Replace cables.

```yaml
push: "no"
```
"""


def test_each_kind_of_unit_is_found_where_it_stands() -> None:
    found = [(unit.kind, plain(unit.text)) for unit in units(MANUAL)]
    assert found == [
        ("heading", "Options"),
        ("heading", "ConfDir"),
        ("key", "-c/--confdir"),
        ("sentence", "Specify local configuration directory, e.g. on a gateway."),
        ("sentence", "Default is ./res"),
        ("row", "| Parameter | Values |"),
        ("row", '| push | "yes" or "no" |'),
        ("item", "Ensure capacity is left for networking."),
        ("item", "Replace cables."),
        ("code", 'push: "no"'),
    ]


def test_a_chat_turn_keeps_its_author() -> None:
    text = "[2026-10-03 14:05] ana: it was the fan. Replaced it.\n[2026-10-03 14:06] bo: thanks"
    assert [unit.text for unit in units(text)] == [
        "[2026-10-03 14:05] ana: it was the fan.",
        "Replaced it.",
        "[2026-10-03 14:06] bo: thanks",
    ]


@given(st.text(alphabet=st.sampled_from("aB1 .!?\n\r\t#-*|`[]:é😀"), max_size=200))
def test_every_unit_is_an_exact_slice_and_units_do_not_overlap(text: str) -> None:
    end = 0
    for unit in units(text):
        assert unit.text == text[unit.start : unit.end]
        assert unit.text.strip() == unit.text != ""
        assert unit.start >= end
        end = unit.end


def test_plain_text_loses_markup_and_keeps_names() -> None:
    assert (
        plain("**Set** [EDGEX_CONF_DIR](./x.md#a) in `core_a.yaml`, _now_") == "Set EDGEX_CONF_DIR in core_a.yaml, now"
    )
