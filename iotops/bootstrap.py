"""The composition root: the one place where settings become parts."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from iotops.settings import Settings, read_settings

if TYPE_CHECKING:
    from lakehouse.bronze import Bronze
    from lakehouse.objects import ObjectStore
    from rag.copilot import Copilot
    from rag.embedder import Embedder
    from rag.rerank import Reranker


@dataclass(frozen=True)
class App:
    """Parts are built when first asked for, so that a command pays (in imports, in processes) only for what it uses."""

    settings: Settings

    @cached_property
    def database_url(self) -> str:
        """Of a database that answers and holds the schema below dbt. Starts the embedded one where none is named."""
        from importlib.resources import files

        from lakehouse import database

        url = self.settings.database_url or database.start_embedded(self.settings.home)
        with database.connect(url) as connection:
            for package in ("lakehouse", "lakehouse.quality", "lakehouse.anomalies", "rag"):
                database.apply_schema(connection, files(package).joinpath("schema.sql").read_text())
        return url

    @cached_property
    def objects(self) -> "ObjectStore":
        from lakehouse.objects import open_objects

        return open_objects(self.settings.bronze_url)

    @cached_property
    def bronze(self) -> "Bronze":
        from lakehouse.bronze import Bronze

        return Bronze(self.settings.bronze_url, self.objects)

    @cached_property
    def embedder(self) -> "Embedder":
        from rag.embedder import open_embedder

        return open_embedder(self.settings.home / "models")

    @cached_property
    def reranker(self) -> "Reranker | None":
        from rag.rerank import open_reranker

        settings = self.settings
        return open_reranker(settings.rerank_url, settings.rerank_key, settings.rerank_model)

    @cached_property
    def copilot(self) -> "Copilot":
        from rag.copilot import Copilot

        return Copilot(
            database_url=self.database_url,
            objects=self.objects,
            embedder=self.embedder,
            indexes=self.settings.home / "indexes",
            reranker=self.reranker,
        )

    def close(self) -> None:
        """The connections that a copilot keeps: an embedded server that has clients is not stopped."""
        if "copilot" in vars(self):
            self.copilot.close()


def bootstrap(settings: Settings | None = None) -> App:
    return App(settings or read_settings())
