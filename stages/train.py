"""Train the network on the training set, calibrate it, and keep it with the history of its training."""

import math
import time

from mnist.calibration import fit_temperature
from mnist.checkpoint import Checkpoint, locked
from mnist.cores import choose_processes
from mnist.data.batches import Batches, batches_of
from mnist.data.dataset import Prepared, load_prepared
from mnist.data.normalisation import Normalisation
from mnist.files import encode_csv, save
from mnist.fingerprint import blas_threads, describe_arithmetic, fingerprint
from mnist.model import Model, encode_model, pre_activation
from mnist.nn.arrays import Examples
from mnist.nn.network import Network
from mnist.nn.training import Epoch, Training
from mnist.novelty_training import fit_novelty
from mnist.progress import tqdm
from mnist.recipe import Recipe
from stages.pipeline import Workspace, run

# With fewer images the threshold of what is new would follow from one or two of them.
LEAST_HELD_OUT = 100


def train(recipe: Recipe, workspace: Workspace) -> None:
    """Write the trained network and the history of its training."""
    prepared = load_prepared(workspace.prepared)
    training, batches = recipe.start(prepared)
    print(training.network, flush=True)
    validation = list(batches_of(prepared.validation, batches.normalisation, batches.dtype))
    with locked(fingerprint(recipe, [workspace.prepared])) as checkpoint:
        checkpoint.restore(training, batches)
        with blas_threads(training.network.largest_product(recipe.batch_size), recipe.shards):
            print(describe_arithmetic(), flush=True)
            done = train_with_progress(training, batches, validation, checkpoint)
            model = calibrated(training.network, batches.normalisation.for_prediction, prepared, recipe)
        save(
            {
                workspace.model: encode_model(model),
                workspace.history: encode_csv(Epoch._fields, training.history),
            }
        )
        checkpoint.remove()
    print(done)


def calibrated(network: Network, normalisation: Normalisation, prepared: Prepared, recipe: Recipe) -> Model:
    """Return the model of a trained network: how sure it may be, and what looks new to it, by the validation images.

    With fewer than LEAST_HELD_OUT validation images the temperature is 1, and the training images set the threshold of
    what is new, although the network has learnt them.
    """
    training, validation = prepared.training, prepared.validation
    enough = len(validation) >= LEAST_HELD_OUT
    held_out = validation if enough else training
    z = pre_activation(network, normalisation, held_out.images)
    temperature = fit_temperature(z, validation.labels) if enough else 1.0
    novelty = fit_novelty(training, held_out.images, z, recipe.generator("novelty"))
    print(f"temperature {temperature:.3f}" + (f", fitted to {len(validation):,} validation images" if enough else ""))
    return Model(network, normalisation, training.class_names, recipe.model_dump(), temperature, novelty)


def train_with_progress(
    training: Training, batches: Batches, validation: list[Examples], checkpoint: Checkpoint
) -> str:
    """Train to the end, with a progress bar and with checkpoints, and return a line about it."""
    start, first, images = time.perf_counter(), len(training.history), len(batches.dataset)
    # disable=None: no bar where nobody looks, as in a log file.
    with tqdm(total=training.epochs * images, unit=" images", unit_scale=True, disable=None) as bar:
        bar.update(first * images)
        for epoch, score, complete in training.run(batches, validation, choose_processes(training.shards)):
            bar.set_description(f"epoch {epoch}/{training.epochs}", refresh=False)
            bar.set_postfix_str(f"loss {score.loss:.4f}, accuracy {score.accuracy:.2%}", refresh=False)
            bar.update((epoch - 1) * images + score.images - bar.n)
            if complete:
                checkpoint.save_if_due(training, batches)
    last = training.history[-1]
    return f"{last.epoch - first} epochs in {time.perf_counter() - start:.1f} s: {_describe(last)}"


def _describe(epoch: Epoch) -> str:
    validation = "" if math.isnan(epoch.validation_loss) else f", validation accuracy {epoch.validation_accuracy:.2%}"
    return f"training accuracy {epoch.train_accuracy:.2%}{validation}"


if __name__ == "__main__":
    run(train, __doc__)
