"""What the page computes is what Python computes: the network, its reasons, and how drawings become 28 x 28 pixels."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from mnist.activations import ACTIVATIONS
from mnist.drawing import normalise
from mnist.files import load_array
from mnist.network import Network
from mnist.normalisation import NORMALIZERS, identity
from mnist.randomness import generator
from mnist.report import as_json
from tests.browser.opened import NEEDS_CHROMIUM, Opened, hand
from tests.handwriting import ink_of
from tests.recipe import random_digits, recipe
from tests.trained import TrainedProject

pytestmark = NEEDS_CHROMIUM

OUTPUTS = """([data, text]) => {
    const network = new Network(data ?? DATA.network), images = bytes(text);
    const image = (number) => images.subarray(784 * number, 784 * (number + 1));
    return Array.from({length: images.length / 784}, (_, number) => [...network.forward(image(number)).at(-1).a]);
}"""


@pytest.fixture(scope="module")
def calculator(browser: Browser, trained: TrainedProject) -> Iterator[Page]:
    """Return one tab for all tests, which leave nothing in it."""
    context = browser.new_context()
    yield Opened(context, trained.report).page
    context.close()


def text_of(values: np.ndarray) -> str:
    """Return numbers as the page's `bytes` reads them."""
    return base64.b64encode(values.tobytes()).decode()


def test_the_networks_outputs_are_those_of_python(calculator: Page, trained: TrainedProject) -> None:
    examples = load_array(trained.root / "plots/examples.npy")
    images = np.concatenate([examples["image"][:200], random_digits(50).images, np.zeros((1, 784), np.uint8)])
    outputs = calculator.evaluate(OUTPUTS, [None, text_of(images)])
    expected = trained.model.network.forward(images)[-1].a
    assert np.abs(np.array(outputs) - expected).max() < 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        *({"activation": activation, "loss": "squared_error"} for activation in ACTIVATIONS),
        *({"activation": activation, "bias": True} for activation in ACTIVATIONS),
        {"normalize": "standardize", "hidden": [40]},
        {"normalize": "min_max_by_position", "dtype": "float64"},
        {"hidden": []},
    ],
    ids=str,
)
def test_every_kind_of_network_computes_what_it_does_in_python(changes: dict[str, Any], calculator: Page) -> None:
    parameters, digits = recipe(**{"hidden": [30, 20]} | changes), random_digits(100)
    normalisation = NORMALIZERS[parameters.normalize](iter([digits.images]))
    network = Network.initialise(parameters, normalisation, generator(3, "weights"))
    for biases in network.biases:
        biases[:] = np.linspace(-1, 1, len(biases))
    # One by one: the notebook's normalisation depends on the place in the batch, and a single image has the first.
    expected = [network.forward(image[None])[-1].a[0].copy() for image in digits.images[:20]]
    outputs = calculator.evaluate(OUTPUTS, [as_json(network), text_of(digits.images[:20])])
    assert np.abs(np.array(outputs) - expected).max() < 1e-5


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_the_reasons_are_input_times_gradient(activation: str, calculator: Page) -> None:
    parameters = recipe(hidden=[30, 20], activation=activation, dtype="float64", bias=True)
    network = Network.initialise(parameters, identity(), generator(3, "weights"))
    for weights in network.weights:
        weights[:] = weights.astype(np.float32)  # as they are in the page
    pixels = random_digits(1).images[0]
    reasons = calculator.evaluate(
        "([data, image]) => [...new Network(data).contributions(image, 7)]", [as_json(network), pixels.tolist()]
    )

    def lead(image: np.ndarray) -> float:
        z = network.forward(image[None].astype(float))[-1].z[0]
        return float(z[7] - z.mean())

    for pixel in np.flatnonzero(pixels)[::60]:
        step = np.zeros(784)
        step[pixel] = 1e-4
        slope = (lead(pixels + step) - lead(pixels - step)) / 2e-4
        assert reasons[pixel] == pytest.approx(slope * pixels[pixel], rel=1e-3, abs=1e-6)


def test_for_the_default_network_the_reasons_add_up_to_the_answer(calculator: Page, trained: TrainedProject) -> None:
    image = load_array(trained.root / "plots/examples.npy")["image"][0]
    reasons = calculator.evaluate("(image) => [...new Network(DATA.network).contributions(image, 3)]", image.tolist())
    z = trained.model.network.forward(image[None])[-1].z[0]
    assert sum(reasons) == pytest.approx(float(z[3] - z.mean()), rel=1e-4, abs=1e-4)


def test_the_page_scales_and_centres_as_python_does(calculator: Page) -> None:
    rng = np.random.default_rng(0)
    inks = [rng.random(rng.integers(1, 70, 2)) ** power for power in (0.3, 1, 2) for _ in range(15)]
    inks += [ink_of(sheet, 280) for sheet in hand(1)]
    for ink in filter(lambda ink: (ink >= 0.5).any(), inks):
        theirs = calculator.evaluate(
            "([ink, height, width]) => [...normalise(new Float64Array(bytes(ink).buffer), height, width)]",
            [text_of(ink), *ink.shape],
        )
        # A grey level apart at most, where a sum in another order falls to the other side of a half.
        difference = np.abs(np.array(theirs) - normalise(ink).ravel())
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= 2
    assert calculator.evaluate("normalise(new Float64Array(100).fill(0.4), 10, 10)") is None
