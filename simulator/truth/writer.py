"""questions.jsonl: one question a line."""

import json
from pathlib import Path

from simulator.truth.from_documents import document_questions
from simulator.truth.from_incidents import incident_questions
from simulator.truth.from_nothing import unanswerable_questions
from simulator.truth.from_telemetry import telemetry_questions
from simulator.truth.question import Question
from simulator.world import World

QUESTIONS = "questions.jsonl"
SOURCES = (document_questions, incident_questions, telemetry_questions, unanswerable_questions)


def build_questions(world: World) -> list[tuple[str, Question]]:
    """Each with an id of tenant, kind and number."""
    found = [question for tenant in world.fleet.tenants for source in SOURCES for question in source(world, tenant)]
    counts: dict[str, int] = {}
    out = []
    for question in found:
        stem = f"{question.tenant_id}-{question.kind}"
        counts[stem] = counts.get(stem, 0) + 1
        out.append((f"{stem}-{counts[stem]:02d}", question))
    return out


def write_truth(folder: Path, world: World) -> int:
    rows = [question.to_json(question_id, world.fleet.end) for question_id, question in build_questions(world)]
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / QUESTIONS).write_text(text, encoding="utf-8")
    return len(rows)
