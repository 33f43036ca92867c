"""An answer's text, cut where its claims stand in it, so that each claim is read together with its receipts."""

from dataclasses import dataclass

from ui.wire import Answer


@dataclass(frozen=True)
class Segment:
    """`claim` counts from 0; None is text between claims, such as what could not be answered."""

    text: str
    claim: int | None


def segments(answer: Answer) -> list[Segment]:
    """Every claim is in the result once: where the text words it otherwise, after the text."""
    found: list[Segment] = []
    reworded: list[Segment] = []
    rest = answer["text"]
    for index, claim in enumerate(answer["claims"]):
        before, match, after = rest.partition(claim["text"])
        if match:
            found += [Segment(before, None), Segment(match, index)]
            rest = after.removeprefix(f" [{index + 1}]")
        else:
            reworded.append(Segment(claim["text"], index))
    stripped = (Segment(segment.text.strip(), segment.claim) for segment in (*found, Segment(rest, None), *reworded))
    return [segment for segment in stripped if segment.text]
