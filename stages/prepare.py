"""Check the training images, hold some back for validation, and fit the normalisation to the others."""

from mnist import idx
from mnist.dataset import check_raw, prepared_kind, raw_chunks, save_prepared, stratified_split
from mnist.files import save_digests, together
from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import NORMALIZERS, save_normalisation
from mnist.randomness import generator
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS, refuse_others
from stages.command import RAW, Workspace, run


def prepare(parameters: Hyperparameters, workspace: Workspace) -> None:
    """Write training set, validation set and normalisation; the test images stay closed."""
    images, labels_file = RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS
    refuse_others(parameters.dataset, images, labels_file)
    parameters.check_fits(check_raw(images, labels_file))
    labels = idx.read(labels_file)
    held_back = stratified_split(labels, parameters.validation, generator(parameters.seed, "split"))

    with together():
        for name, chosen in {"train": ~held_back, "validation": held_back}.items():
            save_prepared(workspace.prepared, name, raw_chunks(images, chosen), labels[chosen])
            print(f"{name}: {chosen.sum():,} images")

        normalisation = NORMALIZERS[parameters.normalize](raw_chunks(images, ~held_back))
        save_normalisation(workspace.normalisation, normalisation)
        save_digests(workspace.prepared, prepared_kind(parameters.dataset))


if __name__ == "__main__":
    run(prepare, __doc__)
