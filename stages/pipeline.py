"""The paths of the pipeline, and the command line of its stages."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mnist.errors import plain_errors
from mnist.files import save
from mnist.recipe import PARAMS, Recipe

RAW = Path("data/raw")
"""The folder of the downloaded files, which all recipes share."""

BASELINE = Path("metrics/baseline.json")
"""The run that other runs are compared with; git keeps the file."""

# Files that a killed process leaves beside its output; DVC leaves `.tmp` files when it links data/raw.
_LEFTOVERS = [f"{folder}/.*.partial" for folder in ("data", "data/raw", "models", "metrics", "plots", "reports")]
_LEFTOVERS += ["data/raw/.*.tmp", ".checkpoints/.*.partial"]
# Seconds without a change after which such a file is a leftover: another process may still be writing a newer one.
_ABANDONED = 60.0


class Workspace:
    """The files that the stages write for one recipe, in the folder of the project or of a study."""

    def __init__(self, root: Path) -> None:
        self.prepared = root / "data/prepared.npz"
        self.model = root / "models/model.safetensors"
        self.scores = root / "metrics/scores.json"
        self.plots = root / "plots"
        self.history = root / "plots/history.csv"
        self.predictions = root / "plots/predictions.csv"
        self.reliability = root / "plots/reliability.csv"
        self.examples = root / "plots/examples.npy"
        self.chart_scripts = root / "plots/vega.js"
        self.report = root / "reports/index.html"


def run(stage: Callable[[Recipe, Workspace], None], description: str | None) -> None:
    """Run a stage as a command, with the recipe of params.yaml, in the current folder; `description` is its help."""
    argparse.ArgumentParser(description=description).parse_args()
    with plain_errors():
        remove_leftovers()
        # Check the whole recipe, even if the stage needs only a part: a fault should show before an hour of work.
        try:
            stage(Recipe.load(PARAMS), Workspace(Path()))
        except BaseException:
            if running := os.environ.get("DVC_STAGE"):
                restore_outputs(running)
            raise


def restore_outputs(stage: str) -> None:
    """Restore the outputs of the last successful run of a stage from DVC's cache.

    DVC deletes the outputs before it runs the stage. `dvc checkout` would restore them too, but cannot run inside a
    stage.
    """
    from dvc.repo import Repo  # noqa: PLC0415 (takes half a second, and only a failure needs it)

    try:
        (found,) = Repo().stage.collect(stage)
        for out in found.outs:
            cached = Path(out.cache.oid_to_path(out.hash_info.value)) if out.hash_info else None
            if cached and cached.is_file() and not out.exists:
                save({Path(out.fs_path): cached.read_bytes()})
    except Exception as error:  # noqa: BLE001 (the stage's own error matters more than DVC's)
        print(f"warning: `dvc checkout` restores the last good results ({error})", file=sys.stderr)


def remove_leftovers() -> None:
    """Delete the files that killed processes have left in the current folder."""
    for path in (path for pattern in _LEFTOVERS for path in Path().glob(pattern)):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
