"""Hyperparameters: the shipped files are valid; every slip is found, named, and answered with what is allowed."""

import json
import reprlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist.hyperparameters import HyperparameterError, Hyperparameters
from tests.recipe import DEFAULT, NUMBERS, ROOT

NO_RECIPES = {"dvc.yaml", "ladder.yaml", "choices.yaml"}
SHIPPED = [ROOT / "params.yaml", *(path for path in ROOT.glob("recipes/*.yaml") if path.name not in NO_RECIPES)]
FIELDS = Hyperparameters.model_fields

COUNTS = ["seed", "validation", "epochs", "batch_size"]
NAMES = {
    key: schema["enum"] for key, schema in Hyperparameters.model_json_schema()["properties"].items() if "enum" in schema
}
NO_NUMBERS = ["abc", "true", ".nan", ".inf", "'1e400'", "-1", "null", "[]", "{}", "''", "2001-01-01", "!!set {a}"]


def yaml_of(**texts: str) -> str:
    """Return the default recipe as YAML, the values of some keys written as given."""
    return "".join(f"{key}: {text}\n" for key, text in ({k: json.dumps(v) for k, v in DEFAULT.items()} | texts).items())


def load(folder: Path, text: str | bytes) -> Hyperparameters:
    path = folder / "some.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Hyperparameters.load(path)


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(HyperparameterError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'some.yaml'}:")
    return message


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_files_are_valid(path: Path) -> None:
    loaded = Hyperparameters.load(path)
    assert loaded.model_dump() == yaml.safe_load(path.read_bytes())


def test_an_override_takes_the_place_of_the_files_value() -> None:
    assert Hyperparameters.load(ROOT / "recipes/notebook.yaml", seed=7).seed == 7


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("eta", "1e-05", 1e-05),
        ("eta", "1e-2", 0.01),
        ("eta", '"0.1"', 0.1),
        ("eta", "1", 1.0),
        ("alpha", "0", 0.0),
        ("epochs", "5.0", 5),
        ("epochs", "1e3", 1000),
        ("batch_size", '"50"', 50),
        ("seed", str(2**63 - 1), 2**63 - 1),
        ("seed", f'"{2**53 + 1}"', 2**53 + 1),
        ("hidden", "[]", []),
        ("hidden", '["30", 2e1]', [30, 20]),
    ],
)
def test_numbers_may_be_written_in_any_way(key: str, text: str, value: object, tmp_path: Path) -> None:
    read = getattr(load(tmp_path, yaml_of(**{key: text})), key)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((key, text) for key in COUNTS for text in [*NO_NUMBERS, "2.5", "'2.5'"]),
        *((key, text) for key in NUMBERS for text in [*NO_NUMBERS, "1" + 400 * "0"]),
        *((key, text) for key in NAMES for text in ["nonsense", "null", "1", "true", "[]", "{}", "''"]),
        *(("bias", text) for text in ["1", "0", "'true'", "null", "[]", "maybe"]),
        *(("hidden", text) for text in ["100", "null", "abc", "{}", "true"]),
        ("seed", str(2**63)),
        ("seed", "9" * 4000),
        ("epochs", "0"),
        ("epochs", "1_000_001"),
        ("batch_size", "0"),
        ("eta", "0"),
        ("alpha", "1"),
        ("weight_decay", "1.5"),
        ("negligible", "1"),
    ],
)
def test_a_bad_value_is_answered_with_key_value_what_is_allowed_and_meaning(
    key: str, text: str, tmp_path: Path
) -> None:
    first, second = complaint(tmp_path, yaml_of(**{key: text})).splitlines()
    shown = reprlib.repr(yaml.safe_load(text)).strip("'")
    assert first == f"{tmp_path}/some.yaml:"
    assert second.startswith(f"  {key} = ")
    assert shown in second
    assert ": should " in second
    assert second.endswith(f" ({key}: {FIELDS[key].description})")
    assert all(repr(allowed) in second for allowed in NAMES.get(key, []))


@pytest.mark.parametrize("width", ["0", "-1", "2.5", "true", "abc", ".inf", "null", "[]", "100001", "9" * 400])
def test_a_bad_width_is_answered_with_its_place_in_the_list(width: str, tmp_path: Path) -> None:
    assert "hidden.1 = " in complaint(tmp_path, yaml_of(hidden=f"[30, {width}, 20]"))


def test_a_network_of_absurd_depth_is_refused(tmp_path: Path) -> None:
    assert "at most 100 items" in complaint(tmp_path, yaml_of(hidden=str([5] * 101)))


@pytest.mark.parametrize("batch_size", [1, 150, 199])
def test_min_max_by_position_needs_batches_of_hundreds(batch_size: int, tmp_path: Path) -> None:
    message = complaint(tmp_path, yaml_of(normalize="min_max_by_position", batch_size=str(batch_size)))
    assert f"batch_size should be a multiple of 100, not {batch_size}; or set normalize = 'unit'" in message


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_notebooks_loss_needs_a_sigmoid(activation: str, tmp_path: Path) -> None:
    message = complaint(tmp_path, yaml_of(loss="squared_error_shown_as_cross_entropy", activation=activation))
    assert f"activation should be a sigmoid, not '{activation}'; or set loss = 'squared_error'" in message


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("learning_rate", "learning_rate: there is no such key"),
        ("ETA", "ETA: there is no such key"),
        ("etaa", "etaa: there is no such key; did you mean eta?"),
        ("batchsize", "batchsize: there is no such key; did you mean batch_size?"),
        ("normalise", "normalise: there is no such key; did you mean normalize?"),
        ("1", "1: there is no such key"),
        ("true", "True: there is no such key"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one(key: str, answer: str, tmp_path: Path) -> None:
    assert complaint(tmp_path, f"{yaml_of()}{key}: 1\n").splitlines()[1:] == [f"  {answer}"]


@pytest.mark.parametrize("key", FIELDS)
def test_no_key_may_be_missing(key: str, tmp_path: Path) -> None:
    rest = {name: value for name, value in DEFAULT.items() if name != key}
    (fault,) = complaint(tmp_path, json.dumps(rest)).splitlines()[1:]
    assert fault == f"  {key}: is missing ({key}: {FIELDS[key].description})"


def test_every_fault_is_listed_not_only_the_first(tmp_path: Path) -> None:
    text = yaml_of(eta="abc", epochs="0", activation="rleu", etaa="1").replace("seed:", "sed:")
    faults = [line.split()[0].rstrip(":") for line in complaint(tmp_path, text).splitlines()[1:]]
    assert sorted(faults) == sorted(["eta", "epochs", "activation", "etaa", "seed", "sed"])


LISTS = "".join(f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]\n" for level in range(1, 10))
BOMB = "x0: &x0 [lol]\n" + LISTS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "should be lines of `key: value`, not None"),
        ("# nothing but a comment\n", "should be lines of `key: value`, not None"),
        ("- 1\n- 2\n", r"should be lines of `key: value`, not [1, 2]"),
        ("hello", "should be lines of `key: value`, not 'hello'"),
        ("eta: [1", "is not YAML"),
        ("eta: 1\n\teta: 2", "is not YAML"),
        ("a: 1\n---\nb: 2\n", "is not YAML"),
        ("[a]: 1\n", "is not YAML"),
        ("eta: !!python/object/apply:os.system ['false']", "is not YAML"),
        ("eta: !!int ''", "is not YAML"),
        ("eta: !!float ''", "is not YAML"),
        ("eta: !!bool x", "is not YAML"),
        ("eta: !!timestamp x", "is not YAML"),
        ("seed: " + "1" * 5000, "is not YAML"),
        ("eta: 0.1\nalpha: 0.9\neta: 0.2\n", "is not YAML: 'eta' is there 2 times; keep one"),
        ("eta: 2001-99-99", "is not YAML"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not YAML"),
        (b"\xff\xfe\xfd", "is not YAML"),
        ("[" * 5000, "nested too deeply"),
        ("eta: " + "{a: " * 5000, "nested too deeply"),
        ("eta: &a [*a]", "eta = [["),
        ("&a {eta: *a}", "eta = {'eta': {"),
        (BOMB + yaml_of(eta="*x9"), "eta = [["),
        (BOMB + yaml_of(hidden="*x9"), "hidden.0 = [["),
    ],
)
def test_what_is_not_a_recipe_is_refused_in_few_words(text: str | bytes, fault: str, tmp_path: Path) -> None:
    message = complaint(tmp_path, text)
    assert fault in message
    assert len(message) < 5000


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(HyperparameterError, match=r"missing\.yaml: cannot be read: No such file"):
        Hyperparameters.load(tmp_path / "missing.yaml")
    with pytest.raises(HyperparameterError, match=rf"{tmp_path}: cannot be read: Is a directory"):
        Hyperparameters.load(tmp_path)


TAGS = [f"!!{name} " for name in ("int", "float", "null", "bool", "str", "binary", "timestamp", "set", "omap", "map")]
WORDS = st.sampled_from(
    [
        *FIELDS,
        *(name for names in NAMES.values() for name in names),
        *NO_NUMBERS,
        *TAGS,
        ": ",
        "- ",
        "&a ",
        "*a",
        "<<: ",
        *"\n :-[]{},&*?|>\"'#=~%!0x1_.",
    ]
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all examples of a test share, as Hypothesis wants it."""
    return tmp_path_factory.mktemp("hyperparameters")


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.lists(WORDS, max_size=15).map(lambda words: "".join(words).encode()),
        st.builds(
            lambda key, words: yaml_of(**{key: "".join(words)}).encode(),
            st.sampled_from(list(FIELDS)),
            st.lists(WORDS, max_size=4),
        ),
    )
)
def test_any_bytes_are_a_valid_recipe_or_a_hyperparameter_error(scratch: Path, data: bytes) -> None:
    try:
        loaded = load(scratch, data)
    except HyperparameterError:
        return
    assert Hyperparameters.model_validate(loaded.model_dump()) == loaded


def test_the_schema_beside_params_yaml_is_the_models() -> None:
    schema = json.dumps(Hyperparameters.model_json_schema(), indent=2) + "\n"
    assert (ROOT / "params.schema.json").read_text() == schema
