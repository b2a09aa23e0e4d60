"""Measure the trained network: the only stage that opens the test images."""

from mnist.dataset import PIECE, load_prepared, prepared_kind, read_raw
from mnist.environment import blas_threads
from mnist.evaluation import (
    EVALUATION_IMAGES,
    confusion_matrix,
    examples,
    precision_and_recall,
    predict,
    score,
    worst_mistakes,
)
from mnist.files import check_digests, save_array, save_csv, save_json, together
from mnist.hyperparameters import Hyperparameters
from mnist.pictures import save_digits, save_weights
from mnist.sources import TEST_IMAGES, TEST_LABELS, refuse_others
from mnist.storage import load_model
from stages.command import RAW, Workspace, run

MISTAKES = 40
EXAMPLES = 12


def evaluate(parameters: Hyperparameters, workspace: Workspace) -> None:
    """Write the figures of the network, and what to look at beside them."""
    model = load_model(workspace.model)
    check_digests(workspace.prepared, prepared_kind(model.dataset))
    network = EVALUATION_IMAGES[parameters.evaluation_images](model.network)
    images, labels_file = RAW / TEST_IMAGES, RAW / TEST_LABELS
    refuse_others(model.dataset, images, labels_file)
    test = read_raw(images, labels_file)
    datasets = {name: load_prepared(workspace.prepared, name) for name in ("train", "validation")} | {"test": test}

    # Threads by the same rule as in training: their number decides the last bits of a loss.
    with blas_threads(network.architecture.largest_product(PIECE)):
        scores = {name: score(network, dataset, model.loss) for name, dataset in datasets.items() if len(dataset)}
        outputs = predict(network, test)
    print(", ".join(f"{name} accuracy {score.accuracy:.2%}" for name, score in scores.items()))
    predictions = outputs.argmax(axis=1)
    precision, recall = precision_and_recall(confusion_matrix(test.labels, predictions))
    names = model.class_names
    print("found of each class:", ", ".join(f"{name} {part:.1%}" for name, part in zip(names, recall, strict=True)))

    metrics: dict[str, dict[str, object]] = {
        name: {"loss": score.loss, "accuracy": score.accuracy} for name, score in scores.items()
    }
    # Lists, a figure for each class: DVC leaves them out of its tables, where twenty more columns would hide the rest.
    metrics["test"] |= {"classes": names, "precision": precision.tolist(), "recall": recall.tolist()}
    pairs = [(names[actual], names[taken]) for actual, taken in zip(test.labels, predictions, strict=True)]
    worst = worst_mistakes(outputs, test.labels, MISTAKES)
    captions = [f"{actual}, not {taken}" for actual, taken in (pairs[image] for image in worst)]
    with together():
        save_json(workspace.scores, metrics)
        save_csv(workspace.plots / "predictions.csv", ("actual", "predicted"), pairs)
        save_array(workspace.plots / "examples.npy", examples(outputs, test, EXAMPLES))
        save_digits(workspace.plots / "mistakes.png", test.images[worst], captions)
        save_weights(workspace.plots / "first_layer.png", network.weights[0])


if __name__ == "__main__":
    run(evaluate, __doc__)
