"""The published data sets: complete, and distinguished by the digests of their files."""

from hashlib import sha256
from pathlib import Path

import pytest

from mnist.data.dataset import DIGITS
from mnist.data.published import (
    DATASETS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetMixupError,
    Publication,
    RawFile,
    check_dataset,
)


def test_every_data_set_has_four_files_of_its_own_and_ten_class_names() -> None:
    for published in DATASETS.values():
        assert [file.name for file in published.files] == [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]
        assert [file.size for file in published.files] == [16 + 60000 * 784, 8 + 60000, 16 + 10000 * 784, 8 + 10000]
        assert len(set(published.class_names)) == len(DIGITS)
    digests = [file.sha256 for published in DATASETS.values() for file in published.files]
    assert len(set(digests)) == len(digests)


def test_a_file_of_another_data_set_is_rejected_and_one_that_nobody_knows_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("some", "other", "own"):
        (tmp_path / name).write_bytes(name.encode())
        if name != "own":
            file = RawFile("labels", len(name), sha256(name.encode()).hexdigest())
            monkeypatch.setitem(DATASETS, name, Publication([file], [], [], None))
    check_dataset("some", tmp_path / "some", tmp_path / "own")
    with pytest.raises(DatasetMixupError) as caught:
        check_dataset("some", tmp_path / "some", tmp_path / "other")
    assert str(caught.value).startswith(f"{tmp_path}/other: belongs to other, not to some; set `dataset: other` in")
