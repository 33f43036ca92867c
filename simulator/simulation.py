"""From arguments to files: an inbox for each tenant and, beside it, the truth about it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from simulator.chat_files import chat_files
from simulator.documents import document_files
from simulator.files import replace_files
from simulator.telemetry_files import event_files, reading_files
from simulator.truth.writer import QUESTIONS, write_truth
from simulator.world import build_world


@dataclass(frozen=True)
class Simulation:
    """What was written. `now` is the end of the history: what "today" means to the questions."""

    out: Path
    truth: Path
    now: datetime
    tenants: tuple[str, ...]
    readings: int
    events: int
    documents: int
    messages: int
    questions: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"out": str(self.out), "truth": str(self.truth), "now": self.now.isoformat()}

    def describe(self) -> str:
        return (
            f"{self.readings} readings, {self.events} events, {self.documents} documents and {self.messages} messages "
            f"of {' and '.join(self.tenants)} in {self.out}; {self.questions} questions in {self.truth}"
        )


def simulate(
    out: Path, truth: Path, *, seed: int, end: datetime, days: int = 14, devices: int = 24, interval_minutes: int = 30
) -> Simulation:
    """`out` gets `<tenant>/{documents,chats,telemetry}`, `truth` gets questions.jsonl and the hashes of all files.

    The same arguments give the same bytes. Raises ValueError for arguments that the script does not fit into.
    """
    world = build_world(seed=seed, end=end, days=days, devices=devices, interval_minutes=interval_minutes)
    files = chain(
        reading_files(world.fleet, world.series),
        event_files(world.fleet, world.events),
        document_files(world.documents),
        chat_files(world.fleet, world.conversations),
    )
    replace_files(out, truth, files)
    questions = write_truth(truth, world)
    return Simulation(
        out=out,
        truth=truth / QUESTIONS,
        now=end,
        tenants=tuple(tenant.tenant_id for tenant in world.fleet.tenants),
        readings=sum(len(one.values) for one in world.series),
        events=len(world.events),
        documents=len(world.documents),
        messages=sum(len(one.messages) for one in world.conversations),
        questions=questions,
    )
