"""Make the run that is here just now the one that reports compare others with; `make record` runs it, no stage does."""

from mnist.files import load_json, save_json
from mnist.hyperparameters import Hyperparameters
from mnist.storage import load_model
from stages.command import RECORDED, Workspace, run


def record(parameters: Hyperparameters, workspace: Workspace) -> None:
    """Write the parameters that the network was trained with, and its figures, to a file that git keeps."""
    used = load_model(workspace.model).hyperparameters | {"evaluation_images": parameters.evaluation_images}
    save_json(RECORDED, {"parameters": used, "metrics": load_json(workspace.scores)})


if __name__ == "__main__":
    run(record, __doc__)
