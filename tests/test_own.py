"""A user's own data: three forms give the same images, and every fault is rejected by the name of its file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist.data.arrays import ByteArray
from mnist.data.dataset import Dataset
from mnist.data.idx import encode_idx
from mnist.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist.errors import MnistError
from mnist.own import read_own
from mnist.reading.ink import read_digit

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (24, 28, 28), dtype=np.uint8)
LABELS = np.repeat(np.array([2, 10, 7], np.uint8), 8)
TEST, TEST_OF = TRAIN[::-1][:3], LABELS[::-1][:3]


def save_picture(path: Path, pixels: ByteArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def pictures(folder: Path) -> None:
    for part, images, labels in (("train", TRAIN, LABELS), ("test", TEST, TEST_OF)):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            save_picture(folder / part / str(label) / f"{number:03}.png", image)


def table(folder: Path) -> None:
    for part, images, labels in (("train", TRAIN, LABELS), ("test", TEST, TEST_OF)):
        rows = [[label, *image.ravel()] for image, label in zip(images, labels, strict=True)]
        header = "label," + ",".join(f"pixel{number}" for number in range(784))
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (folder / f"{part}.csv").write_text("\n".join(lines))


def idx(folder: Path) -> None:
    for name, values in (
        (TRAIN_IMAGES, TRAIN),
        (TRAIN_LABELS, LABELS),
        (TEST_IMAGES, TEST),
        (TEST_LABELS, TEST_OF),
    ):
        (folder / name).write_bytes(encode_idx(values))


def pairs(dataset: Dataset) -> list[tuple[str, bytes]]:
    """Return the images with the names of their classes, in an order of their own."""
    names = [dataset.class_names[label] for label in dataset.labels]
    return sorted(zip(names, map(bytes, dataset.images), strict=True))


@pytest.mark.parametrize("form", [pictures, table, idx])
def test_every_form_gives_the_same_images_under_the_names_of_their_classes(
    form: Callable[[Path], None], tmp_path: Path
) -> None:
    form(tmp_path)
    train, test = read_own(tmp_path)
    assert train.class_names == test.class_names == ("2", "7", "10")
    assert pairs(train) == sorted(zip(map(str, LABELS), map(bytes, TRAIN), strict=True))
    assert pairs(test) == sorted(zip(map(str, TEST_OF), map(bytes, TEST), strict=True))


def test_without_test_images_a_sixth_of_each_class_is_split_off(tmp_path: Path) -> None:
    idx(tmp_path)
    (tmp_path / TEST_IMAGES).unlink()
    train, test = read_own(tmp_path)
    assert np.bincount(test.labels).tolist() in ([2, 1, 1], [1, 2, 1], [1, 1, 2])
    assert sorted(pairs(train) + pairs(test)) == sorted(zip(map(str, LABELS), map(bytes, TRAIN), strict=True))
    assert pairs(read_own(tmp_path)[1]) == pairs(test)


def test_pictures_of_another_size_are_read_as_mnist_predict_reads_them(tmp_path: Path) -> None:
    for name in ("upright", "flat"):
        for number in range(3):
            page = np.full((90, 120), 230, np.uint8)
            page[(slice(20, 70), slice(50 + number, 58)) if name == "upright" else (slice(40, 50), slice(30, 90))] = 20
            save_picture(tmp_path / "train" / name / f"{number}.jpg", page)
    train, test = read_own(tmp_path)
    assert train.class_names == ("flat", "upright")
    with Image.open(tmp_path / "train/flat/0.jpg") as picture:
        expected = read_digit(np.asarray(picture, float) / 255)
    assert bytes(expected) in {image for name, image in pairs(train) + pairs(test) if name == "flat"}


def nothing(folder: Path) -> None:
    shutil.rmtree(folder)
    (folder / "train").mkdir(parents=True)


def one_class(folder: Path) -> None:
    for name in ("7", "10"):
        shutil.rmtree(folder / "train" / name)


def not_a_picture(folder: Path) -> None:
    (folder / "train/7/notes.txt").write_text("seven")


def cut_off(folder: Path) -> None:
    path = folder / "train/2/000.png"
    path.write_bytes(path.read_bytes()[:200])


def mixed_sizes(folder: Path) -> None:
    page = np.full((90, 120), 230, np.uint8)
    page[20:70, 50:58] = 20
    save_picture(folder / "train/7/photo.png", page)


def blank(folder: Path) -> None:
    save_picture(folder / "train/7/blank.png", np.full((90, 120), 230, np.uint8))


def unknown_class(folder: Path) -> None:
    save_picture(folder / "test/x/0.png", TRAIN[0])


def two_forms(folder: Path) -> None:
    idx(folder)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (nothing, "/train: there are no pictures in it"),
        (one_class, "/train: has 1 classes; should have 2 to 100"),
        (not_a_picture, "/train/7/notes.txt: it is not a picture in a format that Pillow reads"),
        (cut_off, "/train/2/000.png: the picture is damaged"),
        (mixed_sizes, "/train/10/008.png has 28 x 28 pixels, .*/train/7/photo.png has another size"),
        (blank, "/train/7/blank.png: there is no digit in it"),
        (unknown_class, "/test: the class 'x' is not among the training images"),
        (two_forms, "it holds more than one of them"),
    ],
)
def test_faults_of_pictures_are_named(fault: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    pictures(tmp_path)
    fault(tmp_path)
    with pytest.raises(MnistError, match=message):
        read_own(tmp_path)


def test_a_class_of_which_no_image_would_be_left_to_train_on_is_named(tmp_path: Path) -> None:
    for number, name in enumerate("aabb" * 3 + "c"):
        save_picture(tmp_path / "train" / name / f"{number}.png", TRAIN[number])
    train, test = read_own(tmp_path)
    assert set(train.labels) == {0, 1, 2}
    # Of six classes with an image each, one goes to the test images.
    for number, name in enumerate("abcdef"):
        save_picture(tmp_path / "few/train" / name / "0.png", TRAIN[number])
    with pytest.raises(MnistError, match=r"/few/train: class '[a-f]' has too few images to split test images off"):
        read_own(tmp_path / "few")
    assert len(test) == 2


ZEROS = ",".join(["0"] * 784)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "train.csv: there are no images in it"),
        (f"a,{ZEROS}\nb,{ZEROS},0", "train.csv, line 2: should be a class and 784 pixels"),
        (f"a,{ZEROS}\nb,256{ZEROS[1:]}", "train.csv, line 2: should be"),
        (f"a,{ZEROS}\nb,-1{ZEROS[1:]}", "train.csv, line 2: should be"),
        (f"a,{ZEROS}\nb,0.5{ZEROS[1:]}", "train.csv, line 2: should be"),
        (f"a,{ZEROS}\nb,{10**30}{ZEROS[1:]}", "train.csv, line 2: should be"),
        (f"a,{ZEROS}\n,{ZEROS}", "train.csv, line 2: should be"),
        ("\n".join(f"{label},{ZEROS}" for label in range(101)), "train.csv: has 101 classes; should have 2 to 100"),
    ],
    ids=range(8),
)
def test_faults_of_a_table_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(MnistError, match=message):
        read_own(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (TRAIN[:, :27], LABELS, "train-images-idx3-ubyte: should hold images of 28 x 28 pixels"),
        (TRAIN, LABELS[:-1], r"train-labels-idx1-ubyte: has shape .*, but .* holds"),
        (TRAIN, LABELS // 11, "train-labels-idx1-ubyte: has 1 classes; should have 2 to 100"),
    ],
)
def test_faults_of_idx_files_are_named(images: ByteArray, labels: ByteArray, message: str, tmp_path: Path) -> None:
    (tmp_path / TRAIN_IMAGES).write_bytes(encode_idx(images))
    (tmp_path / TRAIN_LABELS).write_bytes(encode_idx(labels))
    with pytest.raises(MnistError, match=message):
        read_own(tmp_path)
