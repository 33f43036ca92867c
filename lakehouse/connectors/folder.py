"""A folder, or a single file. It is listed whole each time, as a file's date says little about its bytes."""

from pathlib import Path

from lakehouse.connectors.protocol import Change, Changes, Withheld
from lakehouse.connectors.snippets import hidden_files
from lakehouse.errors import BadRecord
from lakehouse.sources.documents import LARGEST, media_type
from lakehouse.sources.files import SourceFile, default_source, list_files, refuse_larger


class Folder:
    def __init__(self, path: Path, source: str | None = None) -> None:
        self.path = path
        self.source = source or default_source(path)
        self._files: dict[str, SourceFile] = {}

    def list_changes(self, _cursor: str | None) -> Changes:
        """A single file says nothing about the others of its folder, nor does a folder in which another cannot be
        entered. Of what is hidden, only what a page includes is listed. Raises MissingPath."""
        found = list_files(self.path)
        files = [file for file in found if self.path.is_file() or file.is_closed or media_type(file.name)]
        ignored = len(found) - len(files)
        files += hidden_files(self.path, files) if self.path.is_dir() else []
        is_whole = self.path.is_dir() and not any(file.is_closed for file in files)
        self._files = {file.name: file for file in files}
        return Changes(
            [Change(file.name) for file in files],
            cursor="",
            present=self._files.keys() if is_whole else None,
            ignored=ignored,
        )

    def fetch(self, change: Change) -> bytes:
        path = self._files[change.name].path
        try:
            refuse_larger(path, LARGEST)
            return path.read_bytes()
        except BadRecord as refused:
            raise Withheld(refused.code, refused.reason, path) from refused
        except OSError as error:
            if error.filename is None or Path(error.filename) != path:
                raise
            raise BadRecord("unreadable", f"it cannot be read ({error.strerror}): check its permissions") from error
