"""An edit and a deletion at an origin, followed to gold and into the index."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from iotops.bootstrap import App
from lakehouse import database
from lakehouse.connectors.origins import Site, Target, from_web
from lakehouse.warehouse import build_warehouse
from rag.indexing import build_index
from rag.versions import promote
from tests.website import Website


def page(title: str, text: str) -> str:
    return f"<title>{title}</title><h1>{title}</h1><p>{text}</p>"


def test_an_edit_and_a_deletion_reach_gold_and_the_index(
    app: App, here: Site, target: Target, site: Website, tmp_path: Path
) -> None:
    kept = site.put("/kept.html", page("Kept", "The fan runs."))
    edited = site.put("/edited.html", page("Edited", "Rinse it every 100 hours."))
    gone = site.put("/gone.html", page("Gone", "Grease it weekly."))
    from_web(here, target, [kept, edited, gone])
    assert indexed(app, here, tmp_path) == {"Rinse it every 100 hours.", "Grease it weekly.", "The fan runs."}

    later = replace(here, now=here.now + timedelta(hours=1))
    site.put("/edited.html", page("Edited", "Rinse it every 200 hours."))
    site.remove("/gone.html")
    from_web(later, target, [kept, edited, gone])
    assert indexed(app, later, tmp_path) == {"Rinse it every 200 hours.", "The fan runs."}

    with database.transaction(here.database_url) as connection:
        documents = connection.execute(
            "select a.title, a.valid_to, b.text from gold.documents as a "
            "left join gold.documents as b on b.document_id = a.superseded_by order by a.title, a.recorded_at"
        ).fetchall()
    assert documents == [
        ("Edited", later.now, "# Edited\n\nRinse it every 200 hours."),
        ("Edited", None, None),
        ("Gone", later.now, None),
        ("Kept", None, None),
    ]


def indexed(app: App, site: Site, folder: Path) -> set[str]:
    """The last lines of all chunks that are current in a new index over what bronze holds."""
    build_warehouse(site.database_url, site.bronze, dbt_project=app.settings.dbt_project, work=folder / "dbt")
    built = build_index(site.database_url, app.embedder, folder / "indexes", now=site.now)
    promote(site.database_url, built.version.index_version, now=site.now)
    with database.transaction(site.database_url) as connection:
        found = connection.execute(
            "select text from search.chunks where family = %s and removed is null and valid_to is null",
            (built.version.family,),
        ).fetchall()
    return {str(text).splitlines()[-1] for (text,) in found}
