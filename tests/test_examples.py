"""Examples of test images against hand-picked ones."""

import numpy as np

from mnist.data.dataset import Dataset
from mnist.examples import EXAMPLE, choose_examples, worst_mistakes
from tests.helpers import random_digits

IMAGES = random_digits(6).images


def values_of(*rows: dict[int, float]) -> np.ndarray:
    """Return a row of ten probabilities for each image, 0 but for some classes."""
    values = np.zeros((len(rows), 10), np.float32)
    for image, row in enumerate(rows):
        for digit, output in row.items():
            values[image, digit] = output
    return values


def choose(values: np.ndarray, digits: Dataset, count: int) -> np.ndarray:
    return choose_examples(values, values.argmax(axis=1), digits, count)


def test_examples_are_the_surest_mistakes_and_the_first_correct_images_of_each_cell() -> None:
    digits = Dataset(IMAGES, np.array([0, 0, 0, 1, 0, 1], np.uint8))
    values = values_of({0: 0.5}, {0: 0.9}, {1: 0.6, 0: 0.1}, {1: 0.7}, {1: 0.8, 0: 0.1}, {0: 0.9, 1: 0.1})
    found = choose(values, digits, 1)
    # Cells in order: 0 as 0 (images 0, 1), 0 as 1 (2, 4), 1 as 0 (5), 1 as 1 (3).
    assert found.dtype == EXAMPLE
    assert found["number"].tolist() == [0, 4, 5, 3]
    assert found["actual"].tolist() == [0, 0, 1, 1]
    assert found["predicted"].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(found["probability"], [0.5, 0.8, 0.9, 0.7])
    np.testing.assert_allclose(found["probability_of_actual"], [0.5, 0.1, 0.1, 0.7])
    np.testing.assert_array_equal(found["image"], IMAGES[[0, 4, 5, 3]])
    assert choose(values, digits, 12)["number"].tolist() == [0, 1, 4, 2, 5, 3]


def test_worst_mistakes_are_sorted_by_the_lead_of_the_wrong_class() -> None:
    digits = Dataset(IMAGES[:5], np.array([1, 1, 1, 0, 5], np.uint8))
    # The third leads by 0.8, the fourth by 0.6, the first by 0.2; the fifth is a tie that counts as a mistake.
    values = values_of({0: 0.6, 1: 0.4}, {0: 0.3, 1: 0.7}, {0: 0.9, 1: 0.1}, {0: 0.2, 1: 0.8}, {4: 0.5, 5: 0.5})
    examples = choose(values, digits, 12)
    assert worst_mistakes(examples, 10)["number"].tolist() == [2, 3, 0, 4]
    assert worst_mistakes(examples, 2)["number"].tolist() == [2, 3]
    assert len(worst_mistakes(examples[examples["actual"] == examples["predicted"]], 10)) == 0
