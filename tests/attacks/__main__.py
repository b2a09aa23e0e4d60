"""Try all families, and write docs/attacks.csv."""

import itertools
import sys
import tempfile
from pathlib import Path

from mnist.files import encode_csv, save
from tests.attacks import files, surroundings
from tests.attacks.engine import Ending, try_all
from tests.helpers import ROOT
from tests.stages.project import Project

CSV = ROOT / "docs/attacks.csv"
_VERDICTS = ("accepted", "rejected", "hung", "lost", "traceback")
HEADER = ("family", "tried", *_VERDICTS, "longest, s", "peak, MB")


def rows(endings: list[Ending]) -> list[list[object]]:
    """Return a line for each family."""
    families = itertools.groupby(endings, lambda ending: ending.case.family)
    table = []
    for family, members in ((family, list(members)) for family, members in families):
        counts = [sum(ending.verdict == verdict for ending in members) for verdict in _VERDICTS]
        longest, peak = max(ending.seconds for ending in members), max(ending.megabytes for ending in members)
        table.append([family, len(members), *counts, f"{longest:.1f}", f"{peak:.0f}"])
    return table


def main() -> None:
    """Try all families, or the named ones; the exit code is 1 if a case did not end well."""
    names = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, surroundings.mirrors() as mirrors:
        cases = itertools.chain(
            files.parameters(), files.pictures(), files.models(), files.results(), mirrors, surroundings.folders(),
            surroundings.kills(), surroundings.environments(),
        )  # fmt: skip
        project = Project(Path(folder))
        project.finish()
        endings = try_all((case for case in cases if not names or case.family in names), project)
    bad = [ending for ending in endings if ending.verdict not in ("accepted", "rejected")]
    for ending in bad:
        print(f"--- {ending.verdict}: {ending.case.family}, {ending.case.name!r}: {ending.output!r}")
    for row in rows(endings):
        print(*row, sep=", ")
    if not names:
        save({CSV: encode_csv(HEADER, rows(endings))})
        print(f"{CSV}; `python -m benchmarks.publish` puts it into the docs")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
