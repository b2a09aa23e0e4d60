"""Networks to and from disk, as safetensors: plain numbers and text, nothing that runs when it is read.

A file carries a digest of all it holds, so that a single flipped bit is found.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mnist.activations import ACTIVATIONS, OUTPUTS
from mnist.arrays import FloatArray
from mnist.dataset import CLASS_NAMES, CLASSES, PIXELS
from mnist.errors import MnistError
from mnist.files import atomic_write
from mnist.losses import LOSSES
from mnist.network import Architecture, Network
from mnist.normalisation import Normalisation

_FORMAT = 2
"""What is written. Format 1, which had no digest, is read too."""

_METADATA = "mnist"

Tensors: TypeAlias = dict[str, NDArray[Any]]


class ModelFileError(MnistError):
    """A file that does not hold what it should in a form that this version knows."""


@dataclass(frozen=True)
class Model:
    """A trained network and where it comes from.

    Attributes
    ----------
    network : Network
    hyperparameters : dict
        What it was trained with: the keys of params.yaml that training depends on.
    environment : dict
        What it was trained on, as `environment.describe_environment` says; empty in files of format 1.
    """

    network: Network
    hyperparameters: dict[str, Any]
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def loss(self) -> str:
        """The loss that the network was trained to make small, a key of LOSSES."""
        return str(self.hyperparameters["loss"])

    @property
    def dataset(self) -> str:
        """The data set that the network was trained on, a key of CLASS_NAMES; files that do not say so are older."""
        return str(self.hyperparameters.get("dataset", "mnist"))

    @property
    def class_names(self) -> tuple[str, ...]:
        """What people call the classes 0..9."""
        return CLASS_NAMES[self.dataset]


def save_model(path: Path, model: Model) -> None:
    """Write a network with everything that is needed to use it; the same network gives the same bytes."""
    network = model.network
    tensors = _named(network.weights, network.biases) | {
        "normalisation.offset": network.normalisation.offset,
        "normalisation.scale": network.normalisation.scale,
    }
    description = {
        "architecture": asdict(network.architecture),
        "hyperparameters": model.hyperparameters,
        "environment": model.environment,
    }
    save_sealed(path, tensors, description)


def load_model(path: Path) -> Model:
    """Read a network that `save_model` wrote.

    Raises
    ------
    ModelFileError
        The file is damaged, or not one of these; the text says what does not fit.
    OSError
        It cannot be read.
    """
    try:
        return _assemble(*load_sealed(path))
    except (ModelFileError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: is not a model of this project: {error}") from error


def save_sealed(path: Path, tensors: Tensors, description: dict[str, Any]) -> None:
    """Write arrays and what they are, which JSON can say, with a format number and a digest of it all."""
    sealed = description | {"format": _FORMAT}
    sealed["sha256"] = _digest(tensors, sealed)
    # One entry only: safetensors does not promise to keep the order of several, nor then the bytes of the file.
    data = save(tensors, {_METADATA: json.dumps(sealed, sort_keys=True)})
    with atomic_write(path) as file:
        file.write(data)


def load_sealed(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Return what `save_sealed` wrote: the description, the arrays.

    Raises
    ------
    ModelFileError
        The file is damaged, or of an unknown format.
    OSError
        It cannot be read.
    """
    # First by Python, whose errors name the file and say what it is instead.
    path.open("rb").close()
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    # AttributeError: a type of number that NumPy does not have.
    except (SafetensorError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"it is not readable: {error}") from error
    try:
        description = json.loads(metadata.get(_METADATA, "null"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"it is damaged: {error}") from error
    if not isinstance(description, dict):
        raise ModelFileError("it does not say what it holds")
    written = description.get("format")
    if written not in [1, _FORMAT]:
        raise ModelFileError(f"it has format {written!r}, and this version reads formats 1 to {_FORMAT}")
    if description.pop("sha256", None) != _digest(tensors, description) and written != 1:
        raise ModelFileError("it is damaged: it does not hold what was written")
    return description, tensors


def _digest(tensors: Tensors, description: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def _assemble(description: dict[str, Any], tensors: Tensors) -> Model:
    """Build the network from what the file says, believing none of it before it is checked."""
    hyperparameters = description.get("hyperparameters")
    if not isinstance(hyperparameters, dict) or hyperparameters.get("loss") not in list(LOSSES):
        raise ModelFileError("its hyperparameters do not name a loss")
    if hyperparameters.get("dataset", "mnist") not in list(CLASS_NAMES):
        raise ModelFileError("its hyperparameters name a data set that this version does not know")
    architecture = _check_architecture(description.get("architecture"))

    offset, scale = tensors.pop("normalisation.offset", None), tensors.pop("normalisation.scale", None)
    if offset is None or scale is None or offset.shape != scale.shape or not _is_normalisation(scale.shape):
        raise ModelFileError("its normalisation is missing or has the wrong shape")
    # Compared before anything is made of a size that only the description tells.
    shapes = _named(architecture.weight_shapes, architecture.bias_shapes)
    if {name: values.shape for name, values in tensors.items()} != shapes:
        raise ModelFileError(f"its weights are not those of a network {architecture}")
    for values in (*tensors.values(), offset, scale):
        if values.dtype != architecture.dtype or not np.isfinite(values).all():
            raise ModelFileError(f"its numbers should all be finite and {architecture.dtype}")
    theta: FloatArray = np.empty(architecture.count, architecture.dtype)
    for name, part in _named(*architecture.split(theta)).items():
        part[:] = tensors[name]
    environment = description.get("environment", {})
    if not isinstance(environment, dict):
        raise ModelFileError("what it says of the environment is no table")
    return Model(Network(architecture, Normalisation(offset, scale), theta), hyperparameters, environment)


def _check_architecture(values: Any) -> Architecture:
    match values:
        case {
            "sizes": [*sizes],
            "activation": str(activation),
            "output": str(output),
            "bias": bool(bias),
            "dtype": "float32" | "float64" as dtype,
        } if (
            all(type(size) is int and size > 0 for size in sizes)
            and len(sizes) >= 2
            and (sizes[0], sizes[-1]) == (PIXELS, CLASSES)
            and activation in ACTIVATIONS
            and output in OUTPUTS
        ):
            return Architecture(tuple(sizes), activation, output, bias, dtype)
    raise ModelFileError(f"it describes a network that this version does not know: {str(values)[:200]}")


def _is_normalisation(shape: tuple[int, ...]) -> bool:
    return shape == (1, 1) or (len(shape) == 2 and shape[0] > 0 and shape[1] == PIXELS)


def _named(weights: Iterable[Any], biases: Iterable[Any]) -> dict[str, Any]:
    """Return what each layer has under the names that the file uses."""
    return {f"weights.{index}": values for index, values in enumerate(weights)} | {
        f"biases.{index}": values for index, values in enumerate(biases)
    }
