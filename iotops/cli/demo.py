"""`iotops demo`."""

from typing import TYPE_CHECKING

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.ask import describe
from iotops.cli.options import Json, show

if TYPE_CHECKING:
    from iotops.demo import Demo
    from rag.answer import Answer


def demo(as_json: Json = False) -> None:
    """Simulate a fleet, run every DAG on it, print cited answers and a scorecard against the truth."""
    from iotops.demo import demo_settings, run_demo
    from iotops.supervisor import end_on_signals

    settings = bootstrap().settings
    end_on_signals()
    typer.echo(f"the demo's data is in {demo_settings(settings).home}", err=True)
    done = run_demo(settings, say=lambda line: typer.echo(line, err=as_json), show=lambda a: _show_answer(a, as_json))
    show(done.to_json(), _summary(done), as_json)


def _show_answer(answer: "Answer", as_json: bool) -> None:
    typer.echo(f"\n? {answer.question}\n{describe(answer)}", err=as_json)


def _summary(done: "Demo") -> str:
    return (
        f"\nscorecard against the simulator's truth\n{done.scorecard.describe()}\n\n"
        f"first cited answer after {done.first_answer:.1f} s; largest process {done.largest_process / 2**20:.0f} MB\n"
        f"next: IOTOPS_HOME={done.home} make up                    serves this data: page, API, Airflow\n"
        f'      IOTOPS_HOME={done.home} .venv/bin/iotops ask --tenant acme "…"'
    )
