"""A trained model as a file: network, normalisation, class names and recipe, in safetensors, which cannot carry code.

A file carries a digest of all it holds, so that a single flipped bit is found.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as decode
from safetensors.numpy import save as encode

from mnist.data.arrays import ByteArray
from mnist.data.batches import batches_of
from mnist.data.dataset import PIXELS, Dataset
from mnist.data.normalisation import Normalisation
from mnist.errors import MnistError
from mnist.files import check_file
from mnist.nn.activations import Output, softmax
from mnist.nn.arrays import FloatArray
from mnist.nn.network import Network
from mnist.recipe import ACTIVATIONS

_FORMAT = 3
_METADATA = "mnist"

OUTPUTS: dict[str, Output] = {**ACTIVATIONS, softmax.name: softmax}
"""The functions that can follow the last matrix product, by the names in a file."""

Tensors: TypeAlias = dict[str, NDArray[Any]]


class ModelFileError(MnistError):
    """A file that does not hold what it should in a form that this version knows."""


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
    """

    network: Network
    normalisation: Normalisation
    class_names: Sequence[str]
    recipe: dict[str, Any]

    def __call__(self, pixels: ByteArray) -> FloatArray:
        """Return the outputs (images, classes) for `pixels` (images, 784), 0..255."""
        images = Dataset(pixels, np.zeros(len(pixels), np.uint8))
        batches = batches_of(images, self.normalisation, self.network.theta.dtype.name)
        return np.concatenate([self.network(batch) for batch, _ in batches])


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
    }
    return encode_sealed(_named(network), description)


def load_model(path: Path) -> Model:
    """Return the model of a file that `encode_model` made.

    Raises ModelFileError where the file is damaged or another one, and OSError where it cannot be read.
    """
    check_file(path)
    try:
        description, tensors = decode_sealed(path.read_bytes())
        return _assemble(description, tensors)
    except (ModelFileError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: is not a model of this project: {error}") from error


def encode_sealed(tensors: Tensors, description: dict[str, Any]) -> bytes:
    """Return a file of arrays and their description (any JSON object), with a format number and a digest of it all."""
    sealed = description | {"format": _FORMAT}
    sealed["sha256"] = _digest(tensors, sealed)
    # One entry only: safetensors does not promise to keep the order of several, nor so the bytes of the file.
    return encode(tensors, {_METADATA: json.dumps(sealed, sort_keys=True)})


def decode_sealed(data: bytes) -> tuple[dict[str, Any], Tensors]:
    """Return what `encode_sealed` made a file of: the description, the arrays.

    Raises ModelFileError where the file is damaged or has an unknown format.
    """
    try:
        tensors = decode(data)
        # safetensors decodes the arrays only. A file begins with the length of a header in JSON, and that header.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        description = json.loads(header.get("__metadata__", {}).get(_METADATA, "null"))
    # KeyError: a type of number that NumPy does not have.
    except (SafetensorError, TypeError, ValueError, KeyError, RecursionError) as error:
        raise ModelFileError(f"it is not readable: {error}") from error
    if not isinstance(description, dict):
        raise ModelFileError("it does not describe its content")
    if description.get("format") != _FORMAT:
        raise ModelFileError(f"it has format {description.get('format')!r}; this version reads format {_FORMAT}")
    if description.pop("sha256", None) != _digest(tensors, description):
        raise ModelFileError("it is damaged: it does not hold what was written")
    return description, tensors


def _digest(tensors: Tensors, description: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


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
        } if (
            all(type(size) is int and size > 0 for size in sizes)
            and (sizes[:1], sizes[-1:]) == ([PIXELS], [len(class_names)])
            and activation in ACTIVATIONS
            and output in OUTPUTS
            and np.isfinite([offset, scale]).all()
            and all(isinstance(name, str) and name.isprintable() for name in class_names)
        ):
            pass
        case _:
            raise ModelFileError(f"it describes a model that this version does not know: {str(description)[:200]}")
    # Compared before anything is made of a size that only the description gives.
    shapes: dict[str, tuple[int, ...]] = {
        f"weights.{layer}": shape for layer, shape in enumerate(itertools.pairwise(sizes))
    }
    if bias:
        shapes |= {f"biases.{layer}": (fan_out,) for layer, fan_out in enumerate(sizes[1:])}
    if {name: values.shape for name, values in tensors.items()} != shapes:
        raise ModelFileError(f"its weights are not those of a network of {'-'.join(map(str, sizes))} units")
    if not all(values.dtype == dtype and np.isfinite(values).all() for values in tensors.values()):
        raise ModelFileError(f"its weights should all be finite and {dtype}")
    network = Network(sizes, ACTIVATIONS[activation], OUTPUTS[output], bias=bias, dtype=dtype)
    for name, part in _named(network).items():
        part[:] = tensors[name]
    return Model(network, Normalisation(np.array(offset), np.array(scale)), class_names, recipe)


def _named(network: Network) -> Tensors:
    """Return the weights of all layers by the names that the file uses."""
    return {f"weights.{layer}": values for layer, values in enumerate(network.weights)} | {
        f"biases.{layer}": values for layer, values in enumerate(network.biases)
    }
