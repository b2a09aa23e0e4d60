"""The temperature and the expected calibration error, against their definitions and on data made to fit."""

import numpy as np
import pytest

from mnist.calibration import BINS, calibration_error, fit_temperature, probabilities, reliability

RNG = np.random.default_rng(0)
TRUE_Z = RNG.normal(0, 2, (20_000, 4))
LABELS = (TRUE_Z + RNG.gumbel(size=TRUE_Z.shape)).argmax(axis=1)  # drawn from softmax(TRUE_Z)


def negative_log_likelihood(z: np.ndarray, temperature: float) -> float:
    return float(-np.log(probabilities(z, temperature)[np.arange(len(z)), LABELS]).mean())


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_factor_and_minimises_the_likelihood(factor: float) -> None:
    z = (factor * TRUE_Z).astype(np.float32)
    temperature = fit_temperature(z, LABELS)
    assert temperature == pytest.approx(factor, rel=0.03)
    least = negative_log_likelihood(z, temperature)
    assert least <= min(negative_log_likelihood(z, temperature * change) for change in (0.99, 1.01))


def test_the_temperature_stays_in_its_bounds() -> None:
    z = np.eye(4) * 5
    assert fit_temperature(z, np.arange(4)) == pytest.approx(0.1)
    assert fit_temperature(z, np.array([1, 2, 3, 0])) == pytest.approx(10)


def test_probabilities_add_up_to_1_and_keep_the_order() -> None:
    found = probabilities(TRUE_Z.astype(np.float32) * 1000, 1.5)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == TRUE_Z.argmax(axis=1)).all()


def test_the_error_is_that_of_the_definition() -> None:
    confidences = np.array([0.01, 0.95, 0.99, 1.0, 0.5])
    correct = np.array([False, True, False, True, True])
    bins = reliability(confidences, correct, calibrated=True)
    assert [(each.images, each.calibrated) for each in bins] == [(1, 1), (1, 1), (3, 1)]
    expected = (abs(0 - 0.01) + abs(1 - 0.5) + 3 * abs(2 / 3 - 0.98)) / 5
    assert calibration_error(bins) == pytest.approx(expected)


def test_calibrated_probabilities_have_a_small_error_and_overconfident_ones_do_not() -> None:
    def error(temperature: float) -> float:
        found = probabilities(TRUE_Z, temperature)
        bins = reliability(found.max(axis=1), found.argmax(axis=1) == LABELS, calibrated=True)
        assert len(bins) <= BINS
        assert sum(each.images for each in bins) == len(LABELS)
        return calibration_error(bins)

    assert error(1) < 0.015
    assert error(0.3) > 0.1
