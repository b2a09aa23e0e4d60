"""Model files: bit-exact round trips, the same bytes for the same model, nothing believed of a file that is not one."""

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from mnist.network import Network
from mnist.normalisation import Normalisation, unit
from mnist.storage import Model, ModelFileError, load_model, save_model
from tests.recipe import random_digits, recipe
from tests.test_files import Trap
from tests.test_idx import damaged

BY_POSITION = Normalisation(*np.random.default_rng(1).random((2, 100, 784)))


def model_of(normalisation: Normalisation | None = None, **changes: Any) -> Model:
    parameters = recipe(**{"hidden": [3], "bias": True, **changes})
    network = Network.initialise(parameters, normalisation or unit([]), np.random.default_rng(0))
    network.theta += network.theta.dtype.type(0.1)  # biases begin at zero, where a loss of them would not show
    return Model(network, parameters.model_dump(exclude={"evaluation_images"}))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a place for one file, shared because Hypothesis does not make a new one for each example."""
    return tmp_path_factory.mktemp("models") / "some.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model file with nothing wrong."""
    whole = tmp_path_factory.mktemp("models") / "whole.safetensors"
    save_model(whole, model_of())
    return whole


@pytest.mark.parametrize("normalisation", [unit([]), BY_POSITION], ids=["(1, 1)", "(100, 784)"])
@pytest.mark.parametrize("hidden", [[], [7], [6, 5, 4]], ids=str)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_comes_back_bit_by_bit(
    dtype: str, bias: bool, hidden: list[int], normalisation: Normalisation, path: Path
) -> None:
    model = model_of(normalisation, dtype=dtype, bias=bias, hidden=hidden)
    save_model(path, model)
    loaded = load_model(path)
    assert loaded.hyperparameters == model.hyperparameters
    assert loaded.loss == "softmax_cross_entropy"
    old, new = model.network, loaded.network
    assert new.architecture == old.architecture
    for before, after in [
        (old.theta, new.theta),
        (old.normalisation.offset, new.normalisation.offset),
        (old.normalisation.scale, new.normalisation.scale),
        (old.forward(random_digits(20).images)[-1].a, new.forward(random_digits(20).images)[-1].a),
    ]:
        np.testing.assert_array_equal(after, before, strict=True)


@pytest.mark.parametrize("extreme", [np.finfo("f4").max, np.finfo("f4").smallest_subnormal, -0.0])
def test_extreme_weights_come_back_bit_by_bit(extreme: float, path: Path) -> None:
    model = model_of()
    model.network.theta[:] = extreme
    save_model(path, model)
    assert load_model(path).network.theta.tobytes() == model.network.theta.tobytes()


def test_the_same_model_gives_the_same_bytes(whole: Path, path: Path) -> None:
    save_model(path, model_of())
    assert path.read_bytes() == whole.read_bytes()
    again = load_model(whole)
    save_model(path, Model(again.network, dict(reversed(again.hyperparameters.items()))))
    assert path.read_bytes() == whole.read_bytes()


def rewrite(whole: Path, path: Path, description: Any, tensors: dict[str, NDArray[Any] | None]) -> None:
    """Write a model file of format 1, which has no digest, with some of what it holds changed or, where None, left out.

    A description that is no dictionary takes the place of the whole text.
    """
    with safe_open(whole, framework="numpy") as file:
        text: Any = file.metadata()["mnist"]
        all_tensors = {name: file.get_tensor(name) for name in file.keys()} | tensors  # noqa: SIM118 (not a mapping)
    if isinstance(description, dict):
        changes = json.loads(text) | {"format": 1}
        for key, change in description.items():
            changes[key] = changes[key] | change if isinstance(change, dict) else change
        text = json.dumps(changes)
    else:
        text = description
    kept = {name: tensor for name, tensor in all_tensors.items() if tensor is not None}
    path.write_bytes(save(kept, None if text is None else {"mnist": text}))


def architecture(**changes: Any) -> dict[str, Any]:
    return {"architecture": changes}


UNKNOWN_NETWORK = "describes a network that this version does not know"
BAD_LOSS = "hyperparameters do not name a loss"
BAD_DATASET = "hyperparameters name a data set that this version does not know"
OTHER_WEIGHTS = "weights are not those of a network"
BAD_NUMBERS = "should all be finite and float32"
BAD_NORMALISATION = "normalisation is missing or has the wrong shape"

BAD_DESCRIPTIONS: list[tuple[Any, str]] = [
    (None, "does not say what it holds"),
    ("", "Expecting value"),
    ("null", "does not say what it holds"),
    ("[]", "does not say what it holds"),
    ("{", "Expecting property name"),
    ("[" * 100_000, "recursion"),
    ('{"format": ' + "1" * 5000 + "}", "digits"),
    ({"format": 3}, "has format 3, and this version reads formats 1 to 2"),
    ({"format": []}, r"has format \[\]"),
    ({"format": 2, "sha256": "0" * 64}, "is damaged: it does not hold what was written"),
    ({"environment": []}, "says of the environment is no table"),
    ({"format": None}, "has format None"),
    ({"format": "1"}, "has format '1'"),
    ({"hyperparameters": None}, BAD_LOSS),
    ({"hyperparameters": []}, BAD_LOSS),
    ({"hyperparameters": {"loss": None}}, BAD_LOSS),
    ({"hyperparameters": {"loss": "hinge"}}, BAD_LOSS),
    ({"hyperparameters": {"loss": []}}, BAD_LOSS),
    ({"hyperparameters": {"loss": "squared_error", "dataset": "cifar"}}, BAD_DATASET),
    ({"hyperparameters": {"loss": "squared_error", "dataset": []}}, BAD_DATASET),
    ({"architecture": None}, UNKNOWN_NETWORK),
    (architecture(activation="swish"), UNKNOWN_NETWORK),
    (architecture(activation="softmax"), UNKNOWN_NETWORK),
    (architecture(activation=[]), UNKNOWN_NETWORK),
    (architecture(output="swish"), UNKNOWN_NETWORK),
    (architecture(bias=1), UNKNOWN_NETWORK),
    (architecture(dtype="float16"), UNKNOWN_NETWORK),
    (architecture(dtype="object"), UNKNOWN_NETWORK),
    (architecture(sizes=[]), UNKNOWN_NETWORK),
    (architecture(sizes=[784]), UNKNOWN_NETWORK),
    (architecture(sizes="784"), UNKNOWN_NETWORK),
    (architecture(sizes=[784, 0, 10]), UNKNOWN_NETWORK),
    (architecture(sizes=[784, -3, 10]), UNKNOWN_NETWORK),
    (architecture(sizes=[784, 3.0, 10]), UNKNOWN_NETWORK),
    (architecture(sizes=[784, True, 10]), UNKNOWN_NETWORK),
    (architecture(sizes=[784, 3, 11]), UNKNOWN_NETWORK),
    (architecture(sizes=[783, 3, 10]), UNKNOWN_NETWORK),
    (architecture(sizes=[784, 4, 10]), OTHER_WEIGHTS),
    (architecture(sizes=[784, 10]), OTHER_WEIGHTS),
    (architecture(bias=False), OTHER_WEIGHTS),
    (architecture(sizes=[784, 10**9, 10]), OTHER_WEIGHTS),
    (architecture(sizes=[784, 10**30, 10]), OTHER_WEIGHTS),
    (architecture(dtype="float64"), "should all be finite and float64"),
]

WEIGHTS, OFFSET = np.ones((784, 3), np.float32), np.zeros((1, 1), np.float32)
BAD_TENSORS: list[tuple[dict[str, NDArray[Any] | None], str]] = [
    ({"weights.0": None}, OTHER_WEIGHTS),
    ({"biases.1": None}, OTHER_WEIGHTS),
    ({"weights.2": WEIGHTS}, OTHER_WEIGHTS),
    ({"weights.0": WEIGHTS.T.copy()}, OTHER_WEIGHTS),
    ({"weights.0": WEIGHTS.ravel()}, OTHER_WEIGHTS),
    ({"weights.0": WEIGHTS * np.nan}, BAD_NUMBERS),
    ({"weights.0": WEIGHTS * np.inf}, BAD_NUMBERS),
    ({"weights.0": WEIGHTS.astype(np.float64)}, BAD_NUMBERS),
    ({"weights.0": WEIGHTS.astype(np.int8)}, BAD_NUMBERS),
    ({"weights.0": WEIGHTS.astype(np.complex64)}, BAD_NUMBERS),
    ({"normalisation.scale": None}, BAD_NORMALISATION),
    ({"normalisation.offset": None}, BAD_NORMALISATION),
    ({"normalisation.offset": OFFSET.ravel()}, BAD_NORMALISATION),
    ({"normalisation.offset": np.zeros((1, 784), np.float32)}, BAD_NORMALISATION),
    ({f"normalisation.{name}": np.zeros((0, 784), np.float32) for name in ("offset", "scale")}, BAD_NORMALISATION),
    ({f"normalisation.{name}": np.zeros((1, 783), np.float32) for name in ("offset", "scale")}, BAD_NORMALISATION),
    ({"normalisation.offset": OFFSET * np.nan}, BAD_NUMBERS),
    ({"normalisation.offset": OFFSET.astype(np.float64)}, BAD_NUMBERS),
]


@pytest.mark.parametrize(
    ("description", "tensors", "fault"),
    [
        *((change, {}, fault) for change, fault in BAD_DESCRIPTIONS),
        *(({}, change, fault) for change, fault in BAD_TENSORS),
    ],
)
def test_a_model_that_does_not_fit_is_refused_by_name_and_fault(
    description: Any, tensors: dict[str, NDArray[Any] | None], fault: str, whole: Path, path: Path
) -> None:
    rewrite(whole, path, description, tensors)
    with pytest.raises(ModelFileError, match=rf"some\.safetensors: is not a model of this project: .*{fault}"):
        load_model(path)


def test_the_file_that_these_faults_are_put_into_is_whole(whole: Path, path: Path) -> None:
    rewrite(whole, path, {}, {})
    np.testing.assert_array_equal(load_model(path).network.theta, model_of().network.theta, strict=True)


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999, 0.9999])
def test_a_model_cut_off_anywhere_is_refused_by_name(share: float, whole: Path, path: Path) -> None:
    data = whole.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelFileError, match=r"some\.safetensors: is not a model of this project: it is not readable"):
        load_model(path)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, path: Path) -> None:
    trace = tmp_path / "trace"
    path.write_bytes(pickle.dumps(Trap(trace)))
    with pytest.raises(ModelFileError, match="is not a model of this project: it is not readable"):
        load_model(path)
    assert not trace.exists()


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path: Path) -> None:
    for place in (tmp_path / "missing", tmp_path):
        with pytest.raises(OSError, match=r"No such (file|device)|directory"):
            load_model(place)


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
NUMBERS = st.integers(0, 16) | st.sampled_from([-1, 2**31, 2**63, 2**64, 1.5, None])
HEADERS = st.dictionaries(
    st.sampled_from(["__metadata__", "weights.0", "normalisation.scale", ""]),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(SAFETENSORS_TYPES),
            "shape": st.lists(NUMBERS, max_size=3),
            "data_offsets": st.just([0, 8]) | st.lists(NUMBERS, max_size=3),
        }
    )
    | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    max_size=3,
).map(json.dumps)


def file_of(header: str, body: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + body


@pytest.mark.parametrize("dtype", SAFETENSORS_TYPES)
@pytest.mark.parametrize("shape", [[1], [2], [4], [8], [16]], ids=str)
def test_tensors_of_any_type_are_no_model(dtype: str, shape: list[int], path: Path) -> None:
    header = json.dumps({"weights.0": {"dtype": dtype, "shape": shape, "data_offsets": [0, 8]}})
    path.write_bytes(file_of(header, bytes(8)))
    with pytest.raises(ModelFileError):
        load_model(path)


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=100), st.builds(file_of, HEADERS, st.binary(max_size=16))))
def test_arbitrary_bytes_are_no_model(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        load_model(path)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_model_is_refused_or_still_the_same_model(whole: Path, path: Path, data: st.DataObject) -> None:
    original = whole.read_bytes()
    # Most of the file is weights; the header is where damage is most dangerous.
    split = data.draw(st.sampled_from([len(original), 8, 8 + struct.unpack("<Q", original[:8])[0]]))
    path.write_bytes(data.draw(damaged(original[:split])) + original[split:])
    try:
        network = load_model(path).network
    except (ModelFileError, OSError):
        return
    np.testing.assert_array_equal(network.theta, model_of().network.theta, strict=True)


def test_every_flipped_bit_of_the_weights_is_found(whole: Path, path: Path) -> None:
    original = whole.read_bytes()
    for place in range(len(original) - 4 * 784 * 3, len(original), 97):
        data = bytearray(original)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match="is damaged: it does not hold what was written"):
            load_model(path)


def test_a_model_knows_its_data_set_and_what_the_classes_are_called(path: Path) -> None:
    save_model(path, model_of(dataset="fashion-mnist"))
    model = load_model(path)
    assert model.dataset == "fashion-mnist"
    assert model.class_names[9] == "Ankle boot"


def test_a_file_from_before_there_were_several_data_sets_is_one_of_mnist(path: Path) -> None:
    model = model_of()
    save_model(
        path, Model(model.network, {key: value for key, value in model.hyperparameters.items() if key != "dataset"})
    )
    assert load_model(path).dataset == "mnist"
    assert load_model(path).class_names == tuple("0123456789")


def test_a_file_of_format_1_is_still_read(whole: Path, path: Path) -> None:
    # What the first version wrote: no digest, nothing of the environment.
    rewrite(whole, path, {}, {})
    with safe_open(path, framework="numpy") as file:
        text = json.loads(file.metadata()["mnist"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    first = {key: text[key] for key in ("format", "architecture", "hyperparameters")}
    path.write_bytes(save(tensors, {"mnist": json.dumps(first, sort_keys=True)}))
    model = load_model(path)
    assert model == Model(model.network, model_of().hyperparameters, {})
    np.testing.assert_array_equal(model.network.theta, model_of().network.theta, strict=True)
