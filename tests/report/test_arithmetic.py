"""The page computes the same as Python: outputs, their reasons, distances, and the 28 x 28 pixels of a drawing."""

import base64
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

import report
from mnist.answer import Thing, choose_things, describe
from mnist.data.normalisation import Normalisation
from mnist.model import Model
from mnist.nn.activations import Activation, Output, relu, sigmoid, softmax, tanh
from mnist.nn.initializers import he_normal
from mnist.nn.network import Network
from mnist.novelty_training import fit_novelty
from mnist.reading.pieces import split_digits
from mnist.reading.placement import place_digit
from report.page import encode_network, encode_novelty
from studies.handwriting import ink_of
from tests.helpers import distances, random_digits, some_novelty
from tests.report.opened import NEEDS_CHROMIUM, hand

pytestmark = NEEDS_CHROMIUM

ACTIVATIONS = pytest.mark.parametrize("activation", [relu, tanh, sigmoid], ids=lambda activation: activation.name)


@pytest.fixture(scope="module")
def calculator(browser: Browser) -> Iterator[Page]:
    """Return an empty page with the scripts that compute."""
    with closing(browser.new_context()) as context:
        page = context.new_page()
        for script in ("placement.js", "pieces.js", "network.js", "novelty.js", "answer.js", "why.js", "pad.js"):
            page.add_script_tag(path=Path(report.__file__).parent / script)
        yield page


def text_of(values: np.ndarray) -> str:
    """Return numbers as the page's `bytes` reads them."""
    return base64.b64encode(values.tobytes()).decode()


def model(
    *hidden: int,
    activation: Activation,
    output: Output = softmax,
    bias: bool = True,
    dtype: str = "float32",
    offset_and_scale: tuple[float, float] = (0, 1 / 255),
) -> Model:
    network = Network((784, *hidden, 10), activation, output, bias=bias, dtype=dtype)
    network.initialize(he_normal, np.random.default_rng(3))
    for biases in network.biases:
        biases[:] = np.linspace(-1, 1, len(biases))
    network.theta[:] = network.theta.astype(np.float32)  # as in the page
    return Model(network, Normalisation(*map(np.array, offset_and_scale)), "0123456789", {}, 1.7, some_novelty())


@ACTIVATIONS
def test_every_kind_of_network_gives_the_outputs_of_python(activation: Activation, calculator: Page) -> None:
    images = np.concatenate([random_digits(20).images, np.zeros((1, 784), np.uint8)])
    for example in (
        model(30, 20, activation=activation),
        model(30, activation=activation, output=activation, bias=False, dtype="float64"),
        model(activation=activation, output=sigmoid, offset_and_scale=(33.3, 1 / 78.6)),
    ):
        outputs = calculator.evaluate(
            """([data, text]) => {
                const network = new Network(data), images = bytes(text);
                return Array.from({length: images.length / 784}, (_, number) =>
                    [...network.outputs(images.subarray(784 * number, 784 * (number + 1)))]);
            }""",
            [encode_network(example), text_of(images)],
        )
        assert np.abs(np.array(outputs) - example(images)).max() < 1e-5


@ACTIVATIONS
def test_the_reasons_for_one_class_against_another_are_input_times_gradient(
    activation: Activation, calculator: Page
) -> None:
    example = model(30, 20, activation=activation, dtype="float64", offset_and_scale=(33.3, 1 / 78.6))
    pixels = random_digits(1).images[0]
    reasons = calculator.evaluate(
        "([data, image]) => [...new Network(data).contributions(image, 7, 2)]",
        [encode_network(example), pixels.tolist()],
    )

    def lead(image: np.ndarray) -> float:
        z = example.network.forward((image[None] - 33.3) / 78.6)[-1][0]
        return float(z[7] - z[2])

    for pixel in np.flatnonzero(pixels)[::60]:
        step = np.zeros(784)
        step[pixel] = 1e-4
        slope = (lead(pixels + step) - lead(pixels - step)) / 2e-4
        assert reasons[pixel] == pytest.approx(slope * pixels[pixel], rel=1e-3, abs=1e-6)


def test_for_relu_without_biases_the_reasons_add_up_to_the_lead(calculator: Page) -> None:
    example = model(30, 20, activation=relu, bias=False)
    image = random_digits(1).images
    reasons = calculator.evaluate(
        "([data, image]) => [...new Network(data).contributions(image, 3, 8)]",
        [encode_network(example), image[0].tolist()],
    )
    z = example.network.forward((image / 255).astype(np.float32))[-1][0]
    assert sum(reasons) == pytest.approx(float(z[3] - z[8]), rel=1e-5, abs=1e-5)


def test_the_page_finds_the_same_nearest_prototypes_as_python(calculator: Page) -> None:
    prototypes, digit = random_digits(50), random_digits(1, seed=1).images
    found = calculator.evaluate(
        """async ([text, labels, digit]) => {
            const images = await decodeImages(text);
            return nearest(digit, { images, labels }, 4, 3).map(({ image, distance }) => [[...image], distance]);
        }""",
        [
            base64.b64encode(zlib.compress(prototypes.images.tobytes())).decode(),
            prototypes.labels.tolist(),
            digit[0].tolist(),
        ],
    )
    fours = prototypes.images[prototypes.labels == 4]
    expected = distances(digit, fours)[0]
    order = np.argsort(expected)[:3]
    assert [image for image, _ in found] == fours[order].tolist()
    assert [distance for _, distance in found] == pytest.approx(expected[order], rel=1e-5)


@ACTIVATIONS
def test_after_the_smallest_change_python_reads_the_other_class(activation: Activation, calculator: Page) -> None:
    example = model(30, 20, activation=activation)
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:15] = 255
    (before,) = example(image.reshape(1, 784)).argmax(axis=1)
    changes = calculator.evaluate(
        """([data, image]) => {
            const network = new Network(data);
            return Array.from({length: 10}, (_, digit) => {
                const change = smallestChange(network, Uint8Array.from(image), digit);
                return change && { touches: change.touches, image: [...change.image] };
            });
        }""",
        [encode_network(example), image.ravel().tolist()],
    )
    assert changes[before] == {"touches": [], "image": image.ravel().tolist()}
    found = {digit: change for digit, change in enumerate(changes) if change}
    assert set(found) > {before}
    for digit, change in found.items():
        after = np.array(change["image"], np.uint8).reshape(1, 784)
        assert example(after).argmax() == digit
        # Only pixels under the brush change; its touches are 3 pixels wide.
        reached = {touch["at"] + 28 * y + x for touch in change["touches"] for y in (-1, 0, 1) for x in (-1, 0, 1)}
        assert set(np.flatnonzero(after[0] != image.ravel())) <= reached


@pytest.mark.parametrize("output", [softmax, sigmoid], ids=lambda output: output.name)
def test_the_page_has_the_probabilities_of_python(output: Output, calculator: Page) -> None:
    example, images = model(20, activation=tanh, output=output), random_digits(10).images
    found = calculator.evaluate(
        """([data, images]) => images.map((image) => {
            const network = new Network(data);
            return [...network.probabilities(network.forward(image).at(-1))];
        })""",
        [encode_network(example), images.tolist()],
    )
    assert np.abs(np.array(found) - example.read(images).probabilities).max() < 1e-5


def test_the_page_has_the_novelty_of_python(calculator: Page) -> None:
    strokes = np.stack([place_digit(ink_of(sheet, 280)).ravel() for sheet in hand(1)])
    images = np.concatenate(
        [random_digits(10).images, strokes, np.full((1, 784), 255, np.uint8), np.zeros((1, 784), np.uint8)]
    )
    digits, rng = random_digits(300), np.random.default_rng(0)
    z = rng.standard_normal((300, 10))
    for novelty in (some_novelty(2), fit_novelty(digits, digits.images, z, rng)):
        found = calculator.evaluate(
            "([data, images, z]) => images.map((image, number) => new Novelty(data).score(image, z[number]))",
            [encode_novelty(novelty), images.tolist(), z[: len(images)].tolist()],
        )
        expected = novelty(images, z[: len(images)])
        assert np.abs(np.array(found) - expected).max() < 1e-5 * max(1, np.abs(expected).max())


THINGS = st.builds(
    Thing,
    st.lists(st.floats(0, 1) | st.sampled_from([0.5, 0.9, 0.05, 0.999]), min_size=3, max_size=3),
    st.sampled_from([-1.0, 0.5, 1.0, 1.001, 7.0]),
)
NAMES = st.sampled_from(
    [("0", "8", "11"), ("A", "b", "F"), ("ankle boot", "shirt", "Über"), ("é", "x", "٣"), ("", "18", "1")]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(whole=THINGS, parts=st.lists(THINGS, max_size=11), names=NAMES)
def test_the_page_says_what_python_says(
    whole: Thing, parts: list[Thing], names: tuple[str, ...], calculator: Page
) -> None:
    said = calculator.evaluate(
        "([whole, parts, names]) => describe(chooseThings(whole, parts), names)",
        [whole._asdict(), [part._asdict() for part in parts], names],
    )
    assert said == describe(choose_things(whole, parts), names)


def test_the_page_scales_and_centres_as_python_does(calculator: Page) -> None:
    rng = np.random.default_rng(0)
    inks = [rng.random(rng.integers(1, 70, 2)) ** power for power in (0.3, 1, 2) for _ in range(8)]
    inks += [ink_of(sheet, 280) for sheet in hand(1)[::2]]
    inks += [ink_of(sheet._replace(pen=pen), 280) for sheet in hand(2)[1::2] for pen in (0.1, 0.2)]  # to be thinned
    for ink in filter(lambda ink: (ink >= 0.5).any(), inks):
        digit = calculator.evaluate(
            "([ink, height, width]) => [...placeDigit(new Float64Array(bytes(ink).buffer), height, width)]",
            [text_of(ink), *ink.shape],
        )
        # The difference is at most one grey level, if a sum in another order is rounded the other way.
        difference = np.abs(np.array(digit) - place_digit(ink).ravel())
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= 2
    assert calculator.evaluate("placeDigit(new Float64Array(100).fill(0.4), 10, 10)") is None


def test_the_page_splits_a_row_of_digits_as_python_does(calculator: Page) -> None:
    rng = np.random.default_rng(0)
    # Blots of all sizes, and digits beside each other.
    inks = [rng.random(rng.integers(1, 40, 2)) ** power for power in (1, 3, 6) for _ in range(15)]
    inks += [np.hstack([ink_of(sheet, 60) for sheet in pair]) for pair in zip(hand(3)[::2], hand(2)[1::2], strict=True)]
    inks.append(np.zeros((5, 5)))
    for ink in inks:
        parts = calculator.evaluate(
            """([text, height, width]) =>
                splitDigits(new Float64Array(bytes(text).buffer), height, width).map((part) => [...part])""",
            [text_of(ink), *ink.shape],
        )
        expected = split_digits(ink)
        assert len(parts) == len(expected)
        for part, own in zip(parts, expected, strict=True):
            assert np.array_equal(np.reshape(part, ink.shape), own)
