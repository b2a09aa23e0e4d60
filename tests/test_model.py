"""Model files: round trips are exact, the same model gives the same bytes, and other files are rejected."""

import contextlib
import dataclasses
import json
import math
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save

from mnist.data.batches import PIECE
from mnist.data.normalisation import Unit
from mnist.model import OUTPUTS, Model, encode_model, load_model
from mnist.nn.network import Network
from mnist.recipe import ACTIVATIONS
from mnist.sealed import ModelFileError, decode_sealed, encode_sealed
from tests.helpers import VALUES, Trap, damaged, random_digits, some_novelty

NAMES = tuple("abcdefghij")


def model_of(
    hidden: tuple[int, ...] = (3,), activation: str = "relu", output: str = "softmax", **options: Any
) -> Model:
    network = Network((784, *hidden, 10), ACTIVATIONS[activation], OUTPUTS[output], **{"bias": True} | options)
    network.theta[:] = np.random.default_rng(0).standard_normal(network.theta.size)
    return Model(network, Unit.fit(np.zeros((0, 784), np.uint8)).for_prediction, NAMES, VALUES, 1.5, some_novelty())


WHOLE = encode_model(model_of())
HEADER = 8 + struct.unpack("<Q", WHOLE[:8])[0]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file, shared because Hypothesis does not make a new folder for each example."""
    return tmp_path_factory.mktemp("models") / "some.safetensors"


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "options",
    [{"hidden": (), "dtype": "float64"}, {"bias": False}, {"hidden": (6, 5, 4), "bias": False, "dtype": "float64"}],
    ids=str,
)
def test_a_model_comes_back_bit_by_bit_and_gives_the_same_bytes_again(
    options: dict[str, Any], activation: str, output: str, path: Path
) -> None:
    model = model_of(activation=activation, output=output, **options)
    path.write_bytes(encode_model(model))
    loaded = load_model(path)
    np.testing.assert_array_equal(loaded.network.theta, model.network.theta, strict=True)
    assert str(loaded.network) == str(model.network)
    assert (loaded.normalisation, loaded.recipe) == (model.normalisation, model.recipe)
    assert tuple(loaded.class_names) == model.class_names
    assert loaded.temperature == model.temperature
    images = random_digits(20).images
    np.testing.assert_array_equal(loaded(images), model(images), strict=True)
    for found, expected in zip(loaded.read(images), model.read(images), strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)
    assert encode_model(loaded) == path.read_bytes()


@pytest.mark.parametrize("extreme", [np.finfo("f4").max, np.finfo("f4").smallest_subnormal, -0.0])
def test_extreme_weights_come_back_bit_by_bit(extreme: float, path: Path) -> None:
    model = model_of()
    model.network.theta[:] = extreme
    path.write_bytes(encode_model(model))
    assert load_model(path).network.theta.tobytes() == model.network.theta.tobytes()


def test_a_model_answers_for_any_number_of_raw_pixels_by_the_formula() -> None:
    model, images = model_of(dtype="float64", hidden=()), random_digits(PIECE + 5).images
    z = images / 255 @ model.network.weights[0] + model.network.biases[0]
    np.testing.assert_allclose(model(images), np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), rtol=1e-9)


def test_the_order_of_names_and_the_machine_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = {"platform.machine": "riscv", "platform.system": "Plan 9", "threadpoolctl.threadpool_info": []}
    for name, value in fakes.items():
        monkeypatch.setattr(name, lambda value=value: value)
    for variable in ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(variable, "7")
    model = model_of()
    reordered = dataclasses.replace(model, recipe=dict(reversed(VALUES.items())))
    assert encode_model(reordered) == WHOLE


def parts() -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the description and the arrays of WHOLE."""
    return decode_sealed(WHOLE)


def message(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    start = f"{path}: is not a model of this project: "
    assert str(caught.value).startswith(start)
    assert len(str(caught.value)) < 1000
    return str(caught.value).removeprefix(start)


UNKNOWN = "it describes a model that this version does not know"
OTHER_WEIGHTS = "its arrays have other names, shapes or types than those of this network"
TOO_FEW = "it has fewer weights than a network of "
DESCRIPTIONS: list[tuple[str, Any, str]] = [
    *((key, None, UNKNOWN) for key in ("network", "normalisation", "class_names", "recipe", "temperature", "novelty")),
    *((f"network.{key}", None, UNKNOWN) for key in ("sizes", "activation", "output", "bias", "dtype")),
    *(("network.activation", value, UNKNOWN) for value in ("swish", "softmax")),
    ("network.activation", [], UNKNOWN),
    ("network.output", "swish", UNKNOWN),
    ("network.output", {}, UNKNOWN),
    ("network.bias", 1, UNKNOWN),
    ("network.bias", "true", UNKNOWN),
    *(("network.dtype", value, UNKNOWN) for value in ("float16", "object")),
    *(("network.sizes", value, UNKNOWN) for value in ([], [784], "784", [784, 3, 11], [783, 3, 10])),
    *(("network.sizes", [784, size, 10], UNKNOWN) for size in (0, -3, 3.0, True, None, "3")),
    *(("network.sizes", value, OTHER_WEIGHTS) for value in ([784, 4, 10], [784, 10])),
    *(("network.sizes", [784, size, 10], TOO_FEW) for size in (10**9, 10**30)),
    ("network.bias", False, OTHER_WEIGHTS),
    ("network.dtype", "float64", OTHER_WEIGHTS),
    *(("normalisation", [0.0, value], UNKNOWN) for value in (None, math.nan, math.inf)),
    ("normalisation", [0.0], UNKNOWN),
    ("normalisation", [0.0, "1"], UNKNOWN),
    ("class_names", list("abc"), UNKNOWN),
    ("class_names", list(range(10)), UNKNOWN),
    ("class_names", "0123456789", UNKNOWN),
    ("class_names", [*"012345678", "\ud800"], UNKNOWN),
    ("class_names", [*"012345678", "\x1b[31m"], UNKNOWN),
    ("recipe", "params.yaml", UNKNOWN),
    *(("temperature", value, UNKNOWN) for value in (0.0, -1.0, math.nan, math.inf, 1, "1", [1.0])),
    *(("novelty", [0.0, 1.0, 1.0, 1.0, 1.0, value], UNKNOWN) for value in (math.nan, math.inf, 1, None, "1")),
    *(("novelty", [0.0] * count, UNKNOWN) for count in (0, 5, 7)),
    ("novelty", 1.0, UNKNOWN),
]


@pytest.mark.parametrize(("key", "value", "fault"), DESCRIPTIONS)
def test_a_sealed_file_with_another_description_is_rejected(key: str, value: Any, fault: str, path: Path) -> None:
    """None leaves the key out."""
    description, tensors = parts()
    *groups, name = key.split(".")
    table = description[groups[0]] if groups else description
    table[name] = value
    if value is None:
        del table[name]
    assert fault in message(path, encode_sealed(tensors, description))


WEIGHTS = np.ones((784, 3), np.float32)
NOT_FINITE = "its weights should all be finite"
TENSORS: list[tuple[str, NDArray[Any] | None, str]] = [
    ("weights.0", None, OTHER_WEIGHTS),
    ("biases.1", None, OTHER_WEIGHTS),
    ("weights.2", WEIGHTS, OTHER_WEIGHTS),
    ("weights.0", WEIGHTS.T.copy(), OTHER_WEIGHTS),
    ("weights.0", WEIGHTS.ravel(), OTHER_WEIGHTS),
    ("weights.0", WEIGHTS * np.nan, NOT_FINITE),
    ("weights.0", WEIGHTS * np.inf, NOT_FINITE),
    ("weights.0", WEIGHTS.astype(np.float64), OTHER_WEIGHTS),
    ("weights.0", WEIGHTS.astype(np.int8), OTHER_WEIGHTS),
    ("weights.0", WEIGHTS.astype(np.complex64), OTHER_WEIGHTS),
    *((f"novelty.{part}", None, OTHER_WEIGHTS) for part in ("weights.0", "biases.1", "means", "axes", "rest")),
    ("novelty.rest", np.ones(9, np.float32), OTHER_WEIGHTS),
    ("novelty.axes", np.ones((10, 1, 180), np.float32), OTHER_WEIGHTS),
    ("novelty.rest", np.full(10, np.nan, np.float32), NOT_FINITE),
    ("novelty.rest", np.ones(10), OTHER_WEIGHTS),
]


@pytest.mark.parametrize(("name", "values", "fault"), TENSORS)
def test_a_sealed_file_with_other_arrays_is_rejected(
    name: str, values: NDArray[Any] | None, fault: str, path: Path
) -> None:
    description, tensors = parts()
    tensors |= {} if values is None else {name: values}
    if values is None:
        del tensors[name]
    assert fault in message(path, encode_sealed(tensors, description))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "it does not describe its content"),
        ("", "it is not readable: Expecting value"),
        ("[]", "it does not describe its content"),
        ("[" * 100_000, "it is not readable: maximum recursion"),
        ('{"format": ' + "1" * 5000 + "}", "it is not readable: Exceeds the limit"),
        ("{}", "it has format None; this version reads format 5"),
        ('{"format": 4}', "it has format 4; this version reads format 5"),
        ('{"format": []}', r"it has format []; this version reads format 5"),
        ('{"format": 5}', "it is damaged: it does not hold what was written"),
        ('{"format": 5, "sha256": 5}', "it is damaged: it does not hold what was written"),
    ],
)
def test_a_file_that_is_not_sealed_is_rejected(text: str | None, fault: str, path: Path) -> None:
    assert fault in message(path, save({"weights.0": WEIGHTS}, None if text is None else {"mnist": text}))


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999, 0.9999])
def test_a_file_that_is_cut_off_is_rejected(share: float, path: Path) -> None:
    assert "it is not readable" in message(path, WHOLE[: int(share * len(WHOLE))])


def test_a_pickle_is_rejected_and_not_run(tmp_path: Path, path: Path) -> None:
    message(path, pickle.dumps(Trap(tmp_path / "trace")))
    assert not (tmp_path / "trace").exists()


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path: Path) -> None:
    for place in (tmp_path / "missing", tmp_path):
        with pytest.raises(OSError, match=r"No such file|directory"):
            load_model(place)


def test_a_flipped_bit_is_found_anywhere(path: Path) -> None:
    for number, place in enumerate((*range(0, HEADER, 5), *range(HEADER, len(WHOLE), 1009))):
        data = bytearray(WHOLE)
        data[place] ^= 1 << number % 8
        path.write_bytes(data)
        with pytest.raises(ModelFileError):
            load_model(path)


SAFETENSORS_TYPES = [
    "F32",
    "F64",
    "F16",
    "BF16",
    "F8_E4M3",
    "F8_E5M2",
    "F8_E8M0",
    "F4",
    "I8",
    "U64",
    "BOOL",
    "C64",
    "?",
]
SIZES = st.integers(0, 16) | st.sampled_from([-1, 2**31, 2**63, 2**64, 1.5, None])
HEADERS = st.dictionaries(
    st.sampled_from(["__metadata__", "weights.0", "normalisation", ""]),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(SAFETENSORS_TYPES),
            "shape": st.lists(SIZES, max_size=3),
            "data_offsets": st.just([0, 8]) | st.lists(SIZES, max_size=3),
        }
    )
    | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    max_size=3,
).map(json.dumps)


def file_of(header: str, body: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + body


@pytest.mark.parametrize("dtype", SAFETENSORS_TYPES)
def test_arrays_of_any_type_are_no_model(dtype: str, path: Path) -> None:
    for size in (1, 2, 4, 8, 16):
        header = json.dumps({"weights.0": {"dtype": dtype, "shape": [size], "data_offsets": [0, 8]}})
        message(path, file_of(header, bytes(8)))


@settings(max_examples=100)
@given(st.one_of(st.binary(max_size=100), st.builds(file_of, HEADERS, st.binary(max_size=16))))
def test_arbitrary_bytes_are_no_model(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        load_model(path)


@settings(max_examples=200)
@given(damaged(WHOLE[:HEADER]))
def test_a_file_with_a_damaged_header_is_rejected_or_the_same_model(path: Path, data: bytes) -> None:
    path.write_bytes(data + WHOLE[HEADER:])
    with contextlib.suppress(ModelFileError):
        assert encode_model(load_model(path)) == WHOLE
