"""Save the current run as the baseline, which the report compares later runs with; `make record` does it."""

from mnist.files import encode_json, load_json, save
from mnist.model import load_model
from mnist.recipe import Recipe
from stages.pipeline import BASELINE, Workspace, run


def baseline(_: Recipe, workspace: Workspace) -> None:
    """Write the hyperparameters and the metrics of the trained network."""
    parameters, metrics = load_model(workspace.model).recipe, load_json(workspace.scores)
    save({BASELINE: encode_json({"parameters": parameters, "metrics": metrics})})


if __name__ == "__main__":
    run(baseline, __doc__)
