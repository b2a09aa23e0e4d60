"""Check the training images, hold some back for validation, and fit the normalisation to the others."""

from mnist.data.dataset import encode_prepared, read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS, check_dataset
from mnist.files import save
from mnist.recipe import Recipe
from stages.pipeline import RAW, Workspace, run


def prepare(recipe: Recipe, workspace: Workspace) -> None:
    """Write training set, validation set and normalisation; do not open the test images."""
    files = RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS
    check_dataset(recipe.data.dataset, *files)
    prepared = recipe.prepare(read_raw(*files))
    save({workspace.prepared: encode_prepared(prepared)})
    print(f"{len(prepared.training):,} training images, {len(prepared.validation):,} validation images")


if __name__ == "__main__":
    run(prepare, __doc__)
