"""`python -m tests.plants [WORDS]`: plants a bug, runs the tests that should see it, and says whether they did.

Each bug goes into a copy of the working tree, so nothing here changes. WORDS choose plants by guarantee and bug;
`--table` prints what docs/reliability.md says of them.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.planted import PLANTS, Plant

REPOSITORY: Final = Path(__file__).resolve().parents[1]
FAILED: Final = re.compile(r"^(?:FAILED|ERROR) \S*::(\S+)", re.M)


def copy_tree(to: Path) -> None:
    """What git would commit, with the installed environment beside it."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (REPOSITORY / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, to / name)
    (to / ".venv").symlink_to((REPOSITORY / ".venv").resolve())


def plant(tree: Path, one: Plant) -> list[str]:
    """The names of the tests that saw it."""
    file = tree / one.file
    text = file.read_text()
    assert text.count(one.old) == 1, f"'{one.old[:60]}' is {text.count(one.old)} times in {one.file}"
    file.write_text(text.replace(one.old, one.new))
    command = [str(tree / ".venv/bin/python"), "-m", "pytest", "-p", "no:cacheprovider", "--tb=no", "-x"]
    try:
        ended = subprocess.run(
            [*command, *shlex.split(one.tests)], cwd=tree, capture_output=True, text=True, check=False
        )
    finally:
        file.write_text(text)
    if ended.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run {one.tests}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return FAILED.findall(ended.stdout)


def table() -> str:
    """The rows of docs/reliability.md."""
    lines = ["| guarantee | planted bug | tests | N | seed | 3/N |", "|---|---|---|---|---|---|"]
    for one in PLANTS:
        seed = "all cases" if one.seed is None else one.seed
        bug = f"{one.bug} (`{one.file}`)"
        lines.append(f"| {one.guarantee} | {bug} | `{one.tests}` | {one.cases:,} | {seed} | {3 / one.cases:.1g} |")
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:] == ["--table"]:
        print(table())
        return
    words = " ".join(sys.argv[1:]).lower()
    chosen = [one for one in PLANTS if words in f"{one.guarantee} {one.bug}".lower()]
    if not chosen:
        sys.exit(f"no plant has the words '{words}': see --table")
    unseen = []
    with tempfile.TemporaryDirectory(prefix="iotops-plants-") as folder:
        copy_tree(Path(folder))
        for one in chosen:
            seen = plant(Path(folder), one)
            print(
                f"{'seen' if seen else 'NOT SEEN'}: {one.bug} ({one.guarantee}); {', '.join(seen) or one.tests}",
                flush=True,
            )
            if not seen:
                unseen.append(one)
    print(f"{len(chosen) - len(unseen)} of {len(chosen)} plants were seen")
    sys.exit(bool(unseen))


if __name__ == "__main__":
    main()
