"""Write the report, a page that shows the results and reads digits drawn on it, and the pictures for `dvc plots`."""

from typing import Any

import numpy as np

from mnist.calibration import Bin
from mnist.data.dataset import PIXELS, load_prepared
from mnist.data.deformation import Deformation, deform
from mnist.errors import MnistError
from mnist.examples import EXAMPLE, worst_mistakes
from mnist.files import DamagedFileError, load_array, load_csv, load_json, load_numbers, save
from mnist.model import load_model
from mnist.nn.training import Epoch
from mnist.recipe import Recipe
from report.page import Results, render
from report.prototypes import choose_prototypes
from report.sheets import draw_digits, draw_weights
from stages.pipeline import BASELINE, Workspace, run

MISTAKES = 40
ROWS, COLUMNS = 6, 10
PROTOTYPES = 500


def report(recipe: Recipe, workspace: Workspace) -> None:
    """Write the page and the pictures."""
    model, scores = load_model(workspace.model), load_json(workspace.scores)
    examples = load_array(workspace.examples, EXAMPLE)
    deformation = Deformation(**recipe.deformation.model_dump())
    training = load_prepared(workspace.prepared).training
    rng = recipe.generator("deformation")
    digits = training.images[:ROWS]
    versions = [digits, *(deform(digits, deformation, rng) for _ in range(COLUMNS - 1))]
    training_digits = np.stack(versions, axis=1).reshape(-1, PIXELS)
    results = Results(
        model=model,
        scores=scores,
        history=load_numbers(workspace.history, Epoch._fields),
        reliability=load_numbers(workspace.reliability, Bin._fields),
        predictions=load_csv(workspace.predictions, ("actual", "predicted")),
        examples=examples,
        prototypes=choose_prototypes(training, max(1, PROTOTYPES // len(training.class_names))),
        training_digits=None if deformation.is_none else training_digits,
        baseline=load_baseline(),
    )
    try:
        page = render(results, workspace.chart_scripts.read_text(encoding="utf-8"))
    # Each file is intact, but they come from different runs; this can raise many kinds of errors.
    except Exception as error:
        raise DamagedFileError(
            f"the results in {workspace.scores.parent}, {workspace.plots} and {workspace.model.parent} do not belong "
            f"together ({error}); `dvc repro` makes them again"
        ) from error
    mistakes, names = worst_mistakes(examples, MISTAKES), model.class_names
    captions = [f"{names[actual]}, not {names[predicted]}" for actual, predicted in mistakes[["actual", "predicted"]]]
    save(
        {
            workspace.report: page,
            workspace.plots / "mistakes.png": draw_digits(
                mistakes["image"], 8, "The most confident mistakes on test images", captions
            ),
            workspace.plots / "first_layer.png": draw_weights(
                model.network.weights[0], COLUMNS, "Weights of the first layer: red excites a unit, blue inhibits it"
            ),
            workspace.plots / "training_digits.png": draw_digits(
                training_digits, COLUMNS, "Training images: each row begins with the original, deformed versions follow"
            ),
        }
    )
    print(f"{workspace.report}: {len(page) / 1e6:.1f} MB; open it in a browser")


def load_baseline() -> dict[str, Any]:
    """Return the run to compare with; raises MnistError if its file is missing or damaged."""
    try:
        return load_json(BASELINE)
    except (DamagedFileError, FileNotFoundError) as error:
        raise MnistError(f"{BASELINE}: is missing or damaged; `git checkout {BASELINE}` restores it") from error


if __name__ == "__main__":
    run(report, __doc__)
