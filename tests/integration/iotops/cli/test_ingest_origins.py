import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo

from tests.website import website


def iotops(environment: dict[str, str], *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "iotops.cli.main", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One tag, v1.0, of one document."""
    repo = Repo.init_bare(str(tmp_path / "manuals.git"), mkdir=True)
    blob, tree, commit = Blob.from_string(b"# Pump\n"), Tree(), Commit()
    tree.add(b"pump.md", stat.S_IFREG | 0o644, blob.id)
    commit.tree, commit.message, commit.author, commit.committer = tree.id, b"x", b"A <a@b>", b"A <a@b>"
    commit.author_time = commit.commit_time = 1_790_000_000
    commit.author_timezone = commit.commit_timezone = 0
    for made in (blob, tree, commit):
        repo.object_store.add_object(made)
    repo.refs[b"refs/tags/v1.0"] = commit.id
    repo.close()
    return tmp_path / "manuals.git"


def test_a_repository_is_read_by_its_tags(environment: dict[str, str], repository: Path) -> None:
    done = iotops(environment, "ingest", "git", repository, "--tag", "v*", "--product", "P")
    assert done.stdout.splitlines() == ["documents: 1 read, 1 landed, 0 unchanged, 0 quarantined"], done.stderr
    again = iotops(environment, "ingest", "git", repository, "--tag", "v*", "--product", "P", "--json")
    assert json.loads(again.stdout)["unchanged"] == 1


def test_a_page_is_read_and_a_site_that_is_down_is_one_line(environment: dict[str, str]) -> None:
    with website() as site:
        url = site.put("/a", "<h1>A</h1>")
        assert iotops(environment, "ingest", "web", url).stdout.startswith("documents: 1 read, 1 landed")
        missing = iotops(environment, "ingest", "web", f"{site.url}/typo")
        assert missing.stdout.splitlines()[1] == (
            f"quarantined: {site.url}/typo: there is no such page: correct its address"
        )
    misused = iotops(environment, "ingest", "web", "ftp://host/x")
    assert (misused.returncode, misused.stderr.count("\n")) == (2, 1)
    unknown = iotops(environment, "ingest", "web", url, "--tenant", "acme")
    assert (unknown.returncode, "tenant 'acme' does not exist" in unknown.stderr) == (1, True)


class TestConnectors:
    @pytest.fixture
    def file(self, environment: dict[str, str], tmp_path: Path) -> Path:
        file = tmp_path / "connectors.yaml"
        environment["IOTOPS_CONNECTORS"] = str(file)
        return file

    def test_without_any_it_says_where_they_are_written(self, environment: dict[str, str], file: Path) -> None:
        done = iotops(environment, "ingest", "connectors")
        assert done.returncode == 1
        assert done.stderr == f"iotops: {file} lists no connector: docs/connectors.md says how it is written\n"

    def test_one_that_fails_stops_no_other_and_is_told_at_the_end(
        self, environment: dict[str, str], file: Path, repository: Path, tmp_path: Path
    ) -> None:
        file.write_text(
            f"- {{tenant: default, kind: git, name: broken, url: {tmp_path}}}\n"
            f"- {{tenant: default, kind: git, name: manuals, url: {repository}, tags: ['v*']}}\n"
        )
        done = iotops(environment, "ingest", "connectors")
        assert done.returncode == 1
        assert done.stdout == "manuals: documents: 1 read, 1 landed, 0 unchanged, 0 quarantined\n"
        assert done.stderr.startswith(f"iotops: 1 of 2 connectors failed: broken: {tmp_path} does not answer")
        assert done.stderr.count("\n") == 1
        only = iotops(environment, "ingest", "connectors", "--only", "manuals", "--json")
        assert (only.returncode, [one["unchanged"] for one in json.loads(only.stdout)]) == (0, [1])
        nothing = iotops(environment, "ingest", "connectors", "--only", "no")
        assert (nothing.returncode, "it lists broken, manuals" in nothing.stderr) == (1, True)

    def test_slack_needs_its_token(self, environment: dict[str, str], file: Path) -> None:
        file.write_text("- {tenant: default, kind: slack, channels: [ops]}\n")
        environment["IOTOPS_SLACK_TOKEN"] = ""
        done = iotops(environment, "ingest", "connectors")
        assert (done.returncode, "slack-1: IOTOPS_SLACK_TOKEN is not set" in done.stderr) == (1, True)
