"""Print the last lines of `make`: how the results compare with the recorded ones, what to open, what to try next."""

from mnist.files import load_json
from mnist.fingerprint import describe_blas
from mnist.recipe import Recipe
from stages.pipeline import BASELINE, Workspace, run


def closing(recipe: Recipe, workspace: Workspace) -> None:
    """Print two lines, and two more if the recorded run had the same hyperparameters but other figures."""
    scores, baseline = load_json(workspace.scores), load_json(BASELINE)
    accuracy = scores["test"]["accuracy"]
    print(f"\nTest accuracy {accuracy:.2%}. Open {workspace.report} in a browser, and draw something for the network.")
    print("Next: `. .venv/bin/activate`, then `dvc exp run -S epochs=20`; docs/experiments.md has more.")
    if recipe.model_dump() == baseline.get("parameters") and scores != baseline.get("metrics"):
        recorded = baseline["metrics"]["test"]["accuracy"]
        kernels = " and ".join(sorted({str(pool["architecture"]) for pool in describe_blas()}))
        print(
            f"\nThese figures are this machine's own ({kernels} kernels): its test accuracy is "
            f"{100 * (accuracy - recorded):+.2f} points from the recorded {recorded:.2%}.\n"
            'To go back to them later: make record && git commit --all --message "My baseline"'
        )


if __name__ == "__main__":
    run(closing, __doc__)
