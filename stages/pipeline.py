"""The paths of the pipeline, and the command line of its stages."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from mnist.errors import plain_errors
from mnist.files import save
from mnist.recipe import PARAMS, Recipe

RAW = Path("data/raw")
"""The downloaded files, which all recipes share."""

BASELINE = Path("metrics/baseline.json")
"""The run that others are compared with; git keeps it."""


class Workspace:
    """The files that the stages write for one recipe, below a folder: the project itself, or one of a study."""

    def __init__(self, root: Path) -> None:
        self.prepared = root / "data/prepared.npz"
        self.model = root / "models/model.safetensors"
        self.scores = root / "metrics/scores.json"
        self.plots = root / "plots"
        self.history = root / "plots/history.csv"
        self.predictions = root / "plots/predictions.csv"
        self.examples = root / "plots/examples.npy"
        self.chart_scripts = root / "plots/vega.js"
        self.report = root / "reports/index.html"


def run(stage: Callable[..., None], description: str | None, **switches: str) -> None:
    """Run a stage as a command, with the recipe of params.yaml, in the present folder.

    Parameters
    ----------
    stage : (recipe, workspace, **switches) -> None
    description : str
        The help of the command.
    **switches : str
        The help of each of its options: `save_baseline="..."` is `--save-baseline` and passed as True or False.
    """
    parser = argparse.ArgumentParser(description=description)
    for name, meaning in switches.items():
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=meaning)
    arguments = parser.parse_args()
    with plain_errors():
        # The whole recipe is checked, whatever the stage needs of it: before an hour of work, not after.
        try:
            stage(Recipe.load(PARAMS), Workspace(Path()), **vars(arguments))
        except BaseException:
            if running := os.environ.get("DVC_STAGE"):
                restore_outputs(running)
            raise


def restore_outputs(stage: str) -> None:
    """Restore from DVC's cache the outputs of a stage's last success, which DVC deletes before it runs the stage.

    `dvc checkout` does the same, but not while a stage is running.
    """
    from dvc.repo import Repo  # noqa: PLC0415 (half a second, which only a failure takes)

    (found,) = Repo().stage.collect(stage)
    for out in found.outs:
        cached = Path(out.cache.oid_to_path(out.hash_info.value)) if out.hash_info else None
        if cached and cached.is_file() and not out.exists:
            save({Path(out.fs_path): cached.read_bytes()})
