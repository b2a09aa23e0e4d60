"""A trained model as a file: network, normalisation, class names, calibration and recipe."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mnist.calibration import probabilities
from mnist.data.arrays import ByteArray
from mnist.data.batches import batches_of
from mnist.data.dataset import PIXELS, Dataset
from mnist.data.edges import FEATURES
from mnist.data.normalisation import Normalisation
from mnist.files import check_file
from mnist.nn.activations import Output, softmax
from mnist.nn.arrays import FloatArray
from mnist.nn.network import Network
from mnist.novelty import Novelty, axes_for, novelty_network
from mnist.recipe import ACTIVATIONS
from mnist.sealed import ModelFileError, Tensors, decode_sealed, encode_sealed, fill

OUTPUTS: dict[str, Output] = {**ACTIVATIONS, softmax.name: softmax}
"""The functions that can follow the last matrix product, by the names in a file."""


class Readings(NamedTuple):
    """What a model says of some images.

    Attributes
    ----------
    probabilities : FloatArray, float64, shape (images, classes)
        Of each class, calibrated.
    novelty : FloatArray, float64, shape (images,)
        The score of mnist/novelty.py.
    outputs : FloatArray, shape (images, classes)
        The network's own.
    """

    probabilities: FloatArray
    novelty: FloatArray
    outputs: FloatArray


@dataclass(frozen=True)
class Model:
    """A trained network with everything that is needed to use it.

    Attributes
    ----------
    network : Network
    normalisation : Normalisation
        One offset and one scale for all pixels.
    class_names : sequence of str
        The names of the classes, in the order of the outputs.
    recipe : dict
        The hyperparameters that it was trained with, for people to read.
    temperature : float
        What the last layer's `z` is divided by, so that probabilities are as high as the network is often right.
    novelty : Novelty
        How little an image looks like the training images.
    """

    network: Network
    normalisation: Normalisation
    class_names: Sequence[str]
    recipe: dict[str, Any]
    temperature: float
    novelty: Novelty

    def __call__(self, pixels: ByteArray) -> FloatArray:
        """Return the outputs (images, classes) for `pixels` (images, 784), 0..255."""
        return self.network.output(pre_activation(self.network, self.normalisation, pixels))

    def read(self, pixels: ByteArray) -> Readings:
        """Return everything the model says of `pixels` (images, 784), 0..255."""
        z = pre_activation(self.network, self.normalisation, pixels)
        return Readings(probabilities(z, self.temperature), self.novelty(pixels, z), self.network.output(z))


def pre_activation(network: Network, normalisation: Normalisation, pixels: ByteArray) -> FloatArray:
    """Return the last layer's `z` (images, classes) for `pixels` (images, 784), 0..255."""
    images = Dataset(pixels, np.zeros(len(pixels), np.uint8))
    batches = batches_of(images, normalisation, network.theta.dtype.name)
    return np.concatenate([network.forward(batch)[-1] for batch, _ in batches])


def encode_model(model: Model) -> bytes:
    """Return the file of a model: the same model gives the same bytes, on every machine."""
    network, normalisation = model.network, model.normalisation
    description = {
        "network": {
            "sizes": network.sizes,
            "activation": network.activation.name,
            "output": network.output.name,
            "bias": bool(network.biases),
            "dtype": network.theta.dtype.name,
        },
        "normalisation": [float(normalisation.offset), float(normalisation.scale)],
        "class_names": list(model.class_names),
        "recipe": model.recipe,
        "temperature": model.temperature,
        "novelty": [model.novelty.offset, model.novelty.scale, *model.novelty.factors.tolist(), model.novelty.constant],
    }
    return encode_sealed(_arrays(network, model.novelty), description)


def load_model(path: Path) -> Model:
    """Return the model of a file that `encode_model` made.

    Raises ModelFileError where the file is damaged or another one, and OSError where it cannot be read.
    """
    check_file(path)
    try:
        # Some files of Linux's /proc have no size, and reading them waits forever.
        if not path.stat().st_size:
            raise ModelFileError("it is not readable: it is empty")
        description, tensors = decode_sealed(path.read_bytes())
        return _assemble(description, tensors)
    except (ModelFileError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: is not a model of this project: {error}") from error


def _assemble(description: dict[str, Any], tensors: Tensors) -> Model:
    """Build the model that the file describes, once every part of it is checked."""
    match description:
        case {
            "network": {
                "sizes": [*sizes],
                "activation": str(activation),
                "output": str(output),
                "bias": bool(bias),
                "dtype": "float32" | "float64" as dtype,
            },
            "normalisation": [float(offset), float(scale)],
            "class_names": [*class_names],
            "recipe": dict(recipe),
            "temperature": float(temperature),
            "novelty": [float(), float(), float(), float(), float(), float()] as numbers,
        } if (
            all(type(size) is int and size > 0 for size in sizes)
            and (sizes[:1], sizes[-1:]) == ([PIXELS], [len(class_names)])
            and activation in ACTIVATIONS
            and output in OUTPUTS
            and np.isfinite([offset, scale, temperature, *numbers]).all()
            and temperature > 0
            and all(isinstance(name, str) and name.isprintable() for name in class_names)
        ):
            pass
        case _:
            raise ModelFileError(f"it describes a model that this version does not know: {str(description)[:200]}")
    # Checked before anything of these sizes is made: so far, only the description gives them.
    if sum(map(math.prod, itertools.pairwise(sizes))) > sum(values.size for values in tensors.values()):
        raise ModelFileError(f"it has fewer weights than a network of {'-'.join(map(str, sizes))} units")
    network = Network(sizes, ACTIVATIONS[activation], OUTPUTS[output], bias=bias, dtype=dtype)
    classes = len(class_names)
    shapes = (classes, FEATURES), (classes, axes_for(classes), FEATURES), (classes,)
    means, axes, rest = (np.empty(shape, np.float32) for shape in shapes)
    inner_offset, inner_scale, *factors, constant = numbers
    novelty = Novelty(
        novelty_network(classes), inner_offset, inner_scale, means, axes, rest, np.array(factors), constant
    )
    fill(_arrays(network, novelty), tensors)
    if not all(np.isfinite(values).all() for values in tensors.values()):
        raise ModelFileError("its weights should all be finite")
    normalisation = Normalisation(np.array(offset), np.array(scale))
    return Model(network, normalisation, class_names, recipe, temperature, novelty)


def _arrays(network: Network, novelty: Novelty) -> Tensors:
    """Return all arrays of a model by the names that the file uses."""
    new = _layers(novelty.network) | {"means": novelty.means, "axes": novelty.axes, "rest": novelty.rest}
    return _layers(network) | {f"novelty.{name}": values for name, values in new.items()}


def _layers(network: Network) -> Tensors:
    return {f"weights.{layer}": values for layer, values in enumerate(network.weights)} | {
        f"biases.{layer}": values for layer, values in enumerate(network.biases)
    }
