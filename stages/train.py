"""Train the network on the training set, and keep the network and how it got there."""

import math
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mnist.dataset import PIXELS, Dataset, load_prepared, prepared_kind
from mnist.deformation import Strength, deform
from mnist.environment import blas_threads, describe_environment
from mnist.files import check_digests, save_csv, together
from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import load_normalisation
from mnist.pictures import save_digits
from mnist.randomness import generator
from mnist.storage import Model, save_model
from mnist.training import Epoch, TrainingState, train
from stages.checkpoint import Checkpoint, locked, name_of
from stages.command import Workspace, run

ROWS, COLUMNS = 6, 10


def train_network(parameters: Hyperparameters, workspace: Workspace) -> None:
    """Write the trained network and the history of its training."""
    inputs = check_digests(workspace.prepared, prepared_kind(parameters.dataset))
    training = load_prepared(workspace.prepared, "train")
    validation = load_prepared(workspace.prepared, "validation")
    normalisation = load_normalisation(workspace.normalisation)

    state = TrainingState.initial(parameters, normalisation)
    print(state.network.architecture, flush=True)
    with locked(name_of(parameters, inputs)) as checkpoint:
        checkpoint.restore(state)
        with blas_threads(state.network.architecture.largest_product(parameters.batch_size)):
            train_with_progress(state, training, validation, parameters, checkpoint)
            environment = describe_environment()
        with together():
            draw_training_digits(parameters, training, workspace.plots / "training_digits.png")
            save_csv(workspace.history, Epoch._fields, state.history)
            recipe = parameters.model_dump(exclude={"evaluation_images"})
            save_model(workspace.model, Model(state.network, recipe, environment))
        checkpoint.remove()


def train_with_progress(
    state: TrainingState, training: Dataset, validation: Dataset, parameters: Hyperparameters, checkpoint: Checkpoint
) -> None:
    """Train to the end, with a bar for people to watch, and with checkpoints."""
    start, first = time.perf_counter(), len(state.history)
    # disable=None: no bar where nobody looks, as in a log file.
    with tqdm(total=parameters.epochs * len(training), unit=" images", unit_scale=True, disable=None) as bar:
        bar.update(first * len(training))
        for progress in train(state, training, validation, parameters):
            bar.set_description(f"epoch {progress.epoch}/{parameters.epochs}", refresh=False)
            bar.set_postfix_str(f"loss {progress.loss:.4f}, accuracy {progress.accuracy:.2%}", refresh=False)
            bar.update((progress.epoch - 1) * len(training) + progress.images - bar.n)
            if progress.epoch == len(state.history):
                checkpoint.save_if_due(state)
    last = state.history[-1]
    print(f"{last.epoch - first} epochs in {time.perf_counter() - start:.1f} s: {_describe(last)}")


def draw_training_digits(parameters: Hyperparameters, training: Dataset, path: Path) -> None:
    """Draw some digits, a row each: as they are, then as training sees them in different epochs."""
    digits = training.images[:ROWS]
    strength, rng = Strength.of(parameters), generator(parameters.seed, "deformation")
    versions = [digits, *(deform(digits, strength, rng) for _ in range(COLUMNS - 1))]
    captions = ["original", *[""] * (COLUMNS - 1)] * len(digits)
    save_digits(path, np.stack(versions, axis=1).reshape(-1, PIXELS), captions, COLUMNS)


def _describe(epoch: Epoch) -> str:
    validation = "" if math.isnan(epoch.validation_loss) else f", validation accuracy {epoch.validation_accuracy:.2%}"
    return f"training accuracy {epoch.train_accuracy:.2%}{validation}"


if __name__ == "__main__":
    run(train_network, __doc__)
