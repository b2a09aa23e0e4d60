"""Write the recipe of one rung of the ladder, and a fingerprint of what the code makes of it.

The rung is measured again when one of the two files changes: an edit of the code that leaves all figures as they are
does not ask for an hour of training.
"""

import argparse
from pathlib import Path
from typing import Any

import yaml

from mnist.dataset import Dataset, read_raw
from mnist.evaluation import EVALUATION_IMAGES, score
from mnist.files import save_bytes, save_json
from mnist.hyperparameters import HyperparameterError, Hyperparameters, read_yaml
from mnist.normalisation import NORMALIZERS
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS, refuse_others
from mnist.training import TrainingState, train
from stages.command import RAW, told_in_words

START = Path("recipes/notebook.yaml")
STEPS = Path("recipes/ladder.yaml")
LADDER = Path("recipes/ladder")

IMAGES = 2000


def load_rungs(start: Path = START, steps: Path = STEPS) -> dict[str, Hyperparameters]:
    """Return all rungs by name, the notebook first; raises HyperparameterError where a step is not allowed."""
    values = read_yaml(start)
    rungs = {start.stem: Hyperparameters.check(start, values)}
    for name, changes in load_changes(steps).items():
        values |= changes
        rungs[name] = Hyperparameters.check(f"{steps}, {name}", values)
    return rungs


def load_changes(path: Path) -> dict[str, dict[str, Any]]:
    """Return the changes to a recipe that a file gives under their names."""
    named = read_yaml(path)
    for name, changes in named.items():
        if not isinstance(changes, dict):
            raise HyperparameterError(f"{path}, {name}: should be lines of `key: value`, not {changes!r}")
    return named


def fingerprint(parameters: Hyperparameters, digits: Dataset) -> dict[str, float]:
    """Return figures, to three digits, that move when the code makes something else of the recipe.

    One epoch on `digits`, of the three hundred or so that the recipe asks for; a processor that sums in another order
    gives the same three digits.
    """
    short = parameters.model_copy(update={"epochs": 1, "validation": 0})
    state = TrainingState.initial(short, NORMALIZERS[short.normalize]([digits.images]))
    for _ in train(state, digits, digits, short):
        pass
    after = score(EVALUATION_IMAGES[short.evaluation_images](state.network), digits, short.loss)
    figures = {"train_loss": state.history[0].train_loss, "loss": after.loss, "accuracy": after.accuracy}
    return {name: float(f"{value:.3g}") for name, value in figures.items()}


def main() -> None:
    """Read the command line, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rung", help="a step of recipes/ladder.yaml")
    arguments = parser.parse_args()
    with told_in_words():
        rungs = load_rungs()
        if arguments.rung not in rungs:
            raise HyperparameterError(f"{STEPS}: has no step {arguments.rung!r}; there are {', '.join(rungs)}")
        parameters = rungs[arguments.rung]
        recipe = yaml.safe_dump(parameters.model_dump(), sort_keys=False)
        save_bytes(LADDER / arguments.rung / "recipe.yaml", recipe.encode())
        images, labels_file = RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS
        refuse_others(parameters.dataset, images, labels_file)
        raw = read_raw(images, labels_file)
        digits = Dataset(raw.images[:IMAGES], raw.labels[:IMAGES])
        save_json(LADDER / arguments.rung / "fingerprint.json", fingerprint(parameters, digits))


if __name__ == "__main__":
    main()
