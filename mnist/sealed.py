"""Files of named arrays with a description and a digest, in the format safetensors, which cannot contain code.

The digest covers the whole content, so that it reveals a single flipped bit.
"""

import hashlib
import json
from typing import Any, TypeAlias

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as decode
from safetensors.numpy import save as encode

from mnist.errors import MnistError

_FORMAT = 5
_METADATA = "mnist"

Tensors: TypeAlias = dict[str, NDArray[Any]]


class ModelFileError(MnistError):
    """A file is damaged, or has a format that this version does not know."""


def encode_sealed(tensors: Tensors, description: dict[str, Any]) -> bytes:
    """Return a file of arrays and their description (any JSON object), with a format number and a digest of it all."""
    sealed = description | {"format": _FORMAT}
    sealed["sha256"] = _digest(tensors, sealed)
    # A single entry: safetensors does not promise to keep the order of several, which would change the file's bytes.
    return encode(tensors, {_METADATA: json.dumps(sealed, sort_keys=True)})


def decode_sealed(data: bytes) -> tuple[dict[str, Any], Tensors]:
    """Return the description and the arrays of a file that `encode_sealed` made.

    Raises ModelFileError if the file is damaged or has an unknown format.
    """
    try:
        tensors = decode(data)
        # safetensors decodes only the arrays. A file begins with the length of its JSON header and the header itself.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        description = json.loads(header.get("__metadata__", {}).get(_METADATA, "null"))
    # KeyError: the file has a type of number that NumPy does not have.
    except (SafetensorError, TypeError, ValueError, KeyError, RecursionError) as error:
        raise ModelFileError(f"it is not readable: {error}") from error
    if not isinstance(description, dict):
        raise ModelFileError("it does not describe its content")
    if description.get("format") != _FORMAT:
        raise ModelFileError(f"it has format {description.get('format')!r}; this version reads format {_FORMAT}")
    if description.pop("sha256", None) != _digest(tensors, description):
        raise ModelFileError("it is damaged: it does not hold what was written")
    return description, tensors


def fill(places: Tensors, tensors: Tensors) -> None:
    """Copy the arrays of a file into `places`; raises ModelFileError, and copies nothing, if one does not fit."""
    expected, found = (
        {name: (part.shape, part.dtype) for name, part in arrays.items()} for arrays in (places, tensors)
    )
    if found != expected:
        raise ModelFileError("its arrays have other names, shapes or types than those of this network")
    for name, values in tensors.items():
        places[name][:] = values


def _digest(tensors: Tensors, description: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
