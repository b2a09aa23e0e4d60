"""Put all there is to see of a trained network on one page, which also reads digits drawn on it: reports/index.html."""

from pathlib import Path

from mnist.files import load_array, load_csv, load_json, load_numbers, save_bytes
from mnist.hyperparameters import Hyperparameters
from mnist.report import Results, render
from mnist.storage import load_model
from mnist.training import Epoch
from stages.command import RECORDED, Workspace, run

PIECES = Path(__file__).parents[1] / "report"


def report(parameters: Hyperparameters, workspace: Workspace) -> None:
    """Write the page: the same bytes for the same results."""
    results = Results(
        model=load_model(workspace.model),
        evaluation_images=parameters.evaluation_images,
        scores=load_json(workspace.scores),
        history=load_numbers(workspace.history, Epoch._fields),
        predictions=load_csv(workspace.plots / "predictions.csv", ("actual", "predicted")),
        examples=load_array(workspace.plots / "examples.npy"),
        training_digits=(workspace.plots / "training_digits.png").read_bytes(),
        recorded=load_json(RECORDED),
    )
    page = render(PIECES, (workspace.plots / "vega.js").read_text(encoding="utf-8"), results)
    save_bytes(workspace.report, page.encode())
    print(f"{workspace.report}: {len(page) / 1e6:.1f} MB; open it in a browser")


if __name__ == "__main__":
    run(report, __doc__)
