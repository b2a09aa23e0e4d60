"""Measure the trained network: the only stage that opens the test images."""

from typing import Any

import numpy as np

from mnist.answer import KNOWN
from mnist.calibration import Bin, calibration_error, probabilities, reliability
from mnist.data.batches import PIECE, batches_of
from mnist.data.dataset import load_prepared, read_raw
from mnist.data.published import TEST_IMAGES, TEST_LABELS, check_dataset
from mnist.examples import choose_examples
from mnist.files import encode_array, encode_csv, encode_json, save
from mnist.fingerprint import blas_threads
from mnist.model import load_model, pre_activation
from mnist.nn.metrics import confusion_matrix, precision_and_recall, score
from mnist.recipe import LOSSES, Recipe
from stages.pipeline import RAW, Workspace, run

EXAMPLES = 12


def evaluate(recipe: Recipe, workspace: Workspace) -> None:
    """Write the metrics of the network, and the test images to look at."""
    model = load_model(workspace.model)
    files = RAW / TEST_IMAGES, RAW / TEST_LABELS
    check_dataset(recipe.data.dataset, *files)
    test, prepared = read_raw(*files), load_prepared(workspace.prepared)
    datasets = {"train": prepared.training, "validation": prepared.validation, "test": test}

    network, loss = model.network, LOSSES[recipe.loss]
    # Threads by the same rule as in training: their number decides the last bits of a loss.
    with blas_threads(network.largest_product(PIECE)):
        scores = {
            name: score(network, batches_of(dataset, model.normalisation, recipe.network.dtype), loss)
            for name, dataset in datasets.items()
            if len(dataset)
        }
        z = pre_activation(network, model.normalisation, test.images)
        flagged = float(np.mean(model.novelty(test.images, z) > KNOWN))
    predictions = network.output(z.copy()).argmax(axis=1)
    corrected = probabilities(z, model.temperature)
    precision, recall = precision_and_recall(confusion_matrix(test.labels, predictions, len(model.class_names)))
    names = model.class_names

    metrics: dict[str, dict[str, Any]] = {
        name: {"loss": score.loss, "accuracy": score.accuracy} for name, score in scores.items()
    }
    bins = {
        calibrated: reliability(confidence.max(axis=1), predictions == test.labels, calibrated=calibrated)
        for calibrated, confidence in ((False, probabilities(z, 1.0)), (True, corrected))
    }
    metrics["test"] |= {
        "ece": calibration_error(bins[True]),
        "ece_before": calibration_error(bins[False]),
        "unknown": flagged,
    }
    # Lists, a figure for each class: DVC leaves them out of its tables, where twenty more columns would hide the rest.
    metrics["test"] |= {"classes": names, "precision": precision.tolist(), "recall": recall.tolist()}
    pairs = [(names[actual], names[predicted]) for actual, predicted in zip(test.labels, predictions, strict=True)]
    save(
        {
            workspace.scores: encode_json(metrics),
            workspace.predictions: encode_csv(("actual", "predicted"), pairs),
            workspace.reliability: encode_csv(Bin._fields, bins[False] + bins[True]),
            workspace.examples: encode_array(choose_examples(corrected, predictions, test, EXAMPLES)),
        }
    )
    print(", ".join(f"{name} accuracy {score.accuracy:.2%}" for name, score in scores.items()))
    print("recall of each class:", ", ".join(f"{name} {part:.1%}" for name, part in zip(names, recall, strict=True)))


if __name__ == "__main__":
    run(evaluate, __doc__)
