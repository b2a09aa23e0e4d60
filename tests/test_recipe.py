"""Recipes: every fault in a YAML file gives an error with the allowed values; every key has an effect."""

import json
import os
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist.checked import RecipeError, merge, parse_yaml, read_yaml
from mnist.data.batches import batches_of
from mnist.data.dataset import DatasetError, Prepared
from mnist.nn.training import Training
from mnist.recipe import Purpose, Recipe
from tests.helpers import ROOT, TABLES, VALUES, random_digits, recipe

FIELDS = Recipe.fields()
GROUPS = ["data", "network", "deformation"]
NAMES: dict[str, list[str]] = {key: list(table) for key, table in TABLES.items()} | {
    "network.dtype": ["float32", "float64"]
}

# The smallest and the largest value that are allowed, and some beyond them.
BOUNDS: dict[str, tuple[list[float], list[float]]] = {
    "seed": ([0, 2**63 - 1], [-1, 2**63, 10**900]),
    "eta": ([1e-300, 1e300], [0, -0.1]),
    "alpha": ([0, 0.999], [-0.1, 1]),
    "epochs": ([1, 1_000_000], [0, 1_000_001]),
    "batch_size": ([1], [0, -1]),
    "shards": ([1, 64], [0, 65]),
    "weight_decay": ([0, 1], [-0.1, 1.1]),
    "negligible": ([0, 0.999], [-0.1, 1]),
    "data.validation": ([0], [-1]),
    "deformation.rotation": ([0, 180], [-1, 181]),
    "deformation.scaling": ([0, 0.99], [-0.1, 1]),
    "deformation.shear": ([0, 1], [-0.1, 1.1]),
    "deformation.shift": ([0, 28], [-1, 29]),
    "deformation.elastic": ([0, 28], [-0.1, 28.1]),
    "deformation.smoothness": ([0.1, 28], [0, 28.1]),
    "deformation.fading": ([0, 1], [-0.1, 1.1]),
}
COUNTS = ["seed", "epochs", "batch_size", "shards", "data.validation"]
NO_NUMBERS = ["abc", "true", ".nan", ".inf", "'1e400'", "null", "[]", "{}", "''", "2001-01-01", "1:30", "yes"]
FAULTS: dict[str, list[str]] = {
    **{
        key: [*map(str, beyond), *NO_NUMBERS, *(["2.5", "'2.5'"] * (key in COUNTS))]
        for key, (_, beyond) in BOUNDS.items()
    },
    **{key: ["swish", "null", "1", "true", "[]", "{}", "''"] for key in NAMES},
    **{group: ["1", "null", "abc", "[]", "true"] for group in GROUPS},
    "network.bias": ["1", "0", "'true'", "null", "[]", "maybe", "yes", "off"],
    "network.hidden": ["100", "null", "abc", "{}", "true", str([5] * 101)],
}


def nested(key: str, value: object) -> dict[str, Any]:
    """Return the changes that give a key, such as `network.hidden`, a value."""
    *groups, name = key.split(".")
    return {groups[0]: {name: value}} if groups else {name: value}


def value_of(values: Mapping[str, Any], key: str) -> Any:
    for name in key.split("."):
        values = values[name]
    return values


def yaml_of(key: str, text: str) -> str:
    """Return VALUES as YAML, with `text` as the value of one key."""
    return json.dumps(merge(VALUES, nested(key, "?"))).replace('"?"', text)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file, shared because Hypothesis does not make a new folder for each example."""
    return tmp_path_factory.mktemp("recipes") / "some.yaml"


def load(path: Path, text: str | bytes) -> Recipe:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Recipe.load(path)


def faults(path: Path, text: str | bytes) -> list[str]:
    """Return the faults that the error lists, one in each line, or the single fault of the whole file."""
    with pytest.raises(RecipeError) as caught:
        load(path, text)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert len(message) < 5000
    return [line.strip() for line in message.removeprefix(f"{path}:").strip().split("\n  ")]


def test_params_yaml_is_valid_and_its_values_are_read_as_they_are() -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_bytes())
    assert Recipe.load(ROOT / "params.yaml").model_dump() == values


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("eta", "1e-05", 1e-05),
        ("eta", "1e-2", 0.01),
        ("eta", '"0.1"', 0.1),
        ("eta", "1", 1.0),
        ("epochs", "5.0", 5),
        ("epochs", "1e3", 1000),
        ("batch_size", '"50"', 50),
        ("seed", f'"{2**53 + 1}"', 2**53 + 1),
        ("network.hidden", "[]", []),
        ("network.hidden", '["30", 2e1]', [30, 20]),
        ("network.hidden", str([1, 100_000] * 50), [1, 100_000] * 50),
        *((key, json.dumps(value), value) for key, (allowed, _) in BOUNDS.items() for value in allowed),
    ],
)
def test_numbers_may_be_written_in_any_way_up_to_their_bounds(key: str, text: str, value: Any, path: Path) -> None:
    found = value_of(load(path, yaml_of(key, text)).model_dump(), key)
    assert found == value
    assert isinstance(found, int | list) == (key in COUNTS or key == "network.hidden")


def test_every_number_has_its_bounds_here_and_every_name_its_table() -> None:
    schema = Recipe.model_json_schema()
    parts = {"": schema} | {f"{name}.": schema["$defs"][f"{name.capitalize()}Keys"] for name in GROUPS}
    fields = {prefix + key: field for prefix, part in parts.items() for key, field in part["properties"].items()}
    assert fields.keys() == FIELDS.keys()
    assert {key for key, field in fields.items() if field.get("type") in ("number", "integer")} == BOUNDS.keys()
    assert {key: field["enum"] for key, field in fields.items() if "enum" in field} == NAMES
    assert fields["network.hidden"]["items"] == {"type": "integer", "minimum": 1, "maximum": 100_000}
    # Editors complain about a missing key and about an unknown one.
    assert all(set(part["required"]) == part["properties"].keys() for part in parts.values())
    assert not any(part["additionalProperties"] for part in parts.values())


def listed_names(comment: str) -> set[str]:
    """Return the names in a comment: `one, two`, `meaning: one, two` or `one: meaning; two: meaning`."""
    names = set()
    for clause in comment.replace(" ->", ":").split(";"):
        *parts, last = clause.split(": ")
        single = [part.strip() for part in parts if " " not in part.strip()]
        names |= set(single or last.strip().split(", "))
    return names


def test_the_comments_of_params_yaml_list_the_names_of_the_tables() -> None:
    group, found = "", {}
    for line in (ROOT / "params.yaml").read_text().splitlines():
        if match := re.fullmatch(r"(  )?(\w+):( \S+)?(?: +# (.*))?", line):
            inside, key, value, comment = match.groups()
            group = group if inside else "" if value else f"{key}."
            if value and (name := group * bool(inside) + key) in NAMES:
                found[name] = listed_names(comment)
    assert found == {key: set(names) for key, names in NAMES.items()}


@pytest.mark.parametrize("key", FIELDS)
def test_the_error_for_a_bad_value_names_key_value_allowed_values_and_meaning(key: str, path: Path) -> None:
    for text in FAULTS[key]:
        (fault,) = faults(path, yaml_of(key, text))
        shown = reprlib.repr(parse_yaml(text)).strip("'")
        assert fault.startswith(f"{key} = ")
        assert shown[:60] in fault
        assert " should " in fault
        assert fault.endswith(f" ({key}: {FIELDS[key].description})")
        assert all(allowed in fault for allowed in NAMES.get(key, []))


def test_the_error_for_a_bad_width_names_its_position_in_the_list(path: Path) -> None:
    for width in ("0", "-1", "2.5", "true", "abc", ".inf", "null", "[]", "100001", "9" * 400):
        (fault,) = faults(path, yaml_of("network.hidden", f"[30, {width}, 20]"))
        assert fault.startswith("network.hidden.1 = ")
        assert f"(network.hidden: {FIELDS['network.hidden'].description})" in fault


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"learning_rate": 1}, "learning_rate: there is no such key"),
        ({"etaa": 1}, "etaa: there is no such key; did you mean eta?"),
        ({"batchsize": 1}, "batchsize: there is no such key; did you mean batch_size?"),
        ({"data": {"normalise": "unit"}}, "data.normalise: there is no such key; did you mean data.normalize?"),
        # A key outside its group, or in a group that it does not belong to.
        ({"hidden": [5]}, "hidden: there is no such key; did you mean network.hidden?"),
        ({"network": {"eta": 1}}, "network.eta: there is no such key; did you mean eta?"),
        ({"network.hidden": [5]}, "network.hidden: there is no such key"),
        ({"1": 1}, "1: there is no such key"),
        ({"a b" * 100: 1}, "a ba ba ba ba ba"),
    ],
)
def test_the_error_for_an_unknown_key_suggests_the_nearest_one(
    changes: dict[str, Any], answer: str, path: Path
) -> None:
    (fault,) = faults(path, json.dumps(merge(VALUES, changes)))
    assert fault.startswith(answer)
    assert len(fault) < 150


def test_half_a_character_cannot_be_a_key(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps(VALUES | {"\ud800": 1}))
    with pytest.raises(RecipeError, match="cannot be a key, which should be text"):
        Recipe.load(path)


@pytest.mark.parametrize("key", FIELDS)
def test_no_key_may_be_missing(key: str, path: Path) -> None:
    values = json.loads(json.dumps(VALUES))
    *group, name = key.split(".")
    del (values[group[0]] if group else values)[name]
    assert faults(path, json.dumps(values)) == [f"{key}: is missing ({key}: {FIELDS[key].description})"]


def test_all_faults_are_listed_up_to_a_limit(path: Path) -> None:
    changes = {"eta": "abc", "epochs": 0, "etaa": 1, "network": {"activation": "rleu"}, "data": {"sed": 1}}
    listed = faults(path, json.dumps(merge(VALUES, changes)))
    assert sorted(re.split("[: ]", line)[0] for line in listed) == sorted(
        ["eta", "epochs", "etaa", "network.activation", "data.sed"]
    )
    many = faults(path, json.dumps(VALUES | {f"key{number}": 1 for number in range(100)}))
    assert len(many) == 31
    assert many[-1] == "and 70 more"


LISTS = "x0: &x0 [lol]\n" + "".join(
    f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]\n" for level in range(1, 10)
)
MERGES = "x0: &x0 {a: 1}\n" + "".join(
    f"x{level}: &x{level} {{<<: [{', '.join([f'*x{level - 1}'] * 10)}]}}\n" for level in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "should be lines of `key: value`, not None"),
        ("- 1\n- 2\n", "should be lines of `key: value`, not [1, 2]"),
        ("hello", "should be lines of `key: value`, not 'hello'"),
        ("eta: [1", "is not YAML"),
        ("eta: 1\n\teta: 2", "is not YAML"),
        ("a: 1\n---\nb: 2\n", "is not YAML"),
        ("[a]: 1\n", "('a',): there is no such key"),
        (
            "eta: !!python/object/apply:os.system ['false']",
            "has an anchor, alias or tag in line 1; write the value itself",
        ),
        ("eta: !!int ''", "has an anchor, alias or tag in line 1"),
        ("eta: 1\nnetwork: {hidden: !!set {5}}", "has an anchor, alias or tag in line 2"),
        ("eta: &a [*a]", "has an anchor, alias or tag in line 1"),
        ("eta: *x", "has an anchor, alias or tag in line 1"),
        (LISTS, "has an anchor, alias or tag in line 1"),
        (MERGES, "has an anchor, alias or tag in line 1"),
        ("seed: " + "1" * 5000, "has a value of more than 1,000 characters"),
        ("eta: 2001-99-99", "is not YAML"),
        ("eta: 0.1\nalpha: 0.9\neta: 0.2\n", 'is not YAML: found duplicate key "eta" with value'),
        ("data:\n  validation: 1\n  validation: 2\n", 'is not YAML: found duplicate key "validation" with value'),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "can't decode byte 0x89"),
        (b"\xff\xfe\xfd", "can't decode byte 0xff"),
        (b"%YAML 9.9\n---\neta: 1", "is not YAML"),
        ("[" * 50_000, "nested too deeply"),
        ("eta: " + "{a: " * 1000, "nested too deeply"),
        ("eta: 1 #" + "x" * 100_000, "cannot be read: has more than 100,000 bytes"),
        (f"{'k' * 900}: 1\n", "kkk ...: there is no such key"),
        (f'"{chr(92)}e[31mred{chr(92)}x07": 1\n', "there is no such key"),
    ],
)
def test_a_file_that_is_not_a_recipe_is_rejected_with_a_short_message(
    text: str | bytes, fault: str, path: Path
) -> None:
    assert fault in "\n".join(faults(path, text))


@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "/proc/kmsg"])
def test_a_path_that_is_not_a_file_is_rejected_at_once(place: str, tmp_path: Path) -> None:
    if place == "pipe":
        os.mkfifo(tmp_path / place)
    with pytest.raises(RecipeError, match=r"is not a regular file|not None"):
        Recipe.load(tmp_path / place)


SCALARS = st.one_of(
    st.from_regex(r"[-+]?[0-9_]{1,4}(:[0-9]{1,2}|\.[0-9_]{0,3})?([eE][-+]?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"[-+]?0[xob]?[0-9a-f_]{1,4}", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{2}:[0-9]{2})?", fullmatch=True),
    st.sampled_from(
        ["y", "Y", "yes", "NO", "on", "Off", "true", "TRUE", "False", "~", "null", "NULL", ".inf", "-.Inf"]
    ),
    st.sampled_from(["-.Inf", ".nan", ".NaN", "=", "<<", "'010'", '"1e-5"', "1e-05", "010", "1:30", "1_000"]),
    st.sampled_from([*"-?:,[]{}#&*!|>'\"%@`", "!!set {a}", "!!float 1", "!!omap [a: 1]", "&a 1", "|\n  x", "\ufeff1"]),
    st.text(st.characters(codec="utf-8"), max_size=6),
)


@settings(max_examples=300)
@given(SCALARS, st.sampled_from(["", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n"]), st.sampled_from(["{}", "[{}, 1]"]))
def test_a_value_is_read_as_dvc_reads_it_or_rejected(path: Path, scalar: str, version: str, frame: str) -> None:
    path.write_text(f"{version}a: {frame.format(scalar)}\n", encoding="utf-8", newline="")
    try:
        value = read_yaml(path)
    except RecipeError:
        return
    # With the types, since 1 == 1.0 == true; nan is not itself.
    assert repr(value) == repr({str(key): part for key, part in load_yaml(str(path)).items()})


@pytest.mark.parametrize(("text", "seed"), [("010", 10), ("0o10", 8), ("0b11", 3), ("0x1f", 31), ("1_000", 1000)])
def test_a_number_is_what_dvc_records(text: str, seed: int, path: Path) -> None:
    assert load(path, yaml_of("seed", text)).seed == seed == load_yaml(str(path))["seed"]


def test_a_missing_file_and_a_folder_are_rejected_by_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"missing\.yaml: cannot be read: No such file"):
        Recipe.load(tmp_path / "missing.yaml")
    with pytest.raises(RecipeError, match=rf"{tmp_path}: cannot be read: Is a directory"):
        Recipe.load(tmp_path)


def test_an_overlay_changes_some_values_group_by_group(tmp_path: Path) -> None:
    base, overlay = tmp_path / "base.yaml", tmp_path / "overlay.yaml"
    base.write_text(json.dumps(VALUES))
    overlay.write_text("eta: 0.5\nnetwork:\n  hidden: [7]\n")
    changes = {"eta": 0.5, "network": {"hidden": [7]}}
    expected = recipe(**changes)
    assert Recipe.load_overlay(overlay, base) == recipe().changed("a test", changes) == expected
    assert expected.network.activation == VALUES["network"]["activation"]
    assert read_yaml(base) == VALUES


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"etta": 0.1}, "etta: there is no such key; did you mean eta?"),
        ({"network": {"depth": 3}}, "network.depth: there is no such key"),
        ({"network": [30]}, "network = [30]: should be"),
        ({"optimizer": "warp"}, "optimizer = 'warp': should be one of nesterov, heavy_ball"),
    ],
)
def test_a_change_that_is_not_allowed_is_rejected_with_its_source(
    changes: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    (tmp_path / "base.yaml").write_text(json.dumps(VALUES))
    (tmp_path / "overlay.yaml").write_text(json.dumps(changes))
    with pytest.raises(RecipeError) as caught:
        Recipe.load_overlay(tmp_path / "overlay.yaml", tmp_path / "base.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/overlay.yaml:\n  {fault}")
    with pytest.raises(RecipeError) as caught:
        recipe().changed("trial 7", changes)
    assert str(caught.value).startswith(f"trial 7:\n  {fault}")


TAGS = [f"!!{name} " for name in ("int", "float", "null", "bool", "str", "binary", "timestamp", "set", "omap", "map")]
WORDS = st.sampled_from(
    [
        *(key.split(".")[-1] for key in FIELDS),
        *(name for names in NAMES.values() for name in names),
        *NO_NUMBERS,
        *TAGS,
        *(": ", "- ", "&a ", "*a", "<<: "),
        *"\n :-[]{},&*?|>\"'#=~%!0x1_.",
    ]
)
VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates()
TREES = st.recursive(
    VALUE, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2), max_leaves=3
)


@settings(max_examples=100)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(WORDS, max_size=15).map(lambda words: "".join(words).encode()),
        st.builds(
            lambda key, words: yaml_of(key, "".join(words)).encode(),
            st.sampled_from(list(FIELDS)),
            st.lists(WORDS, max_size=4),
        ),
    )
)
def test_any_bytes_are_a_valid_recipe_or_a_recipe_error(path: Path, data: bytes) -> None:
    try:
        loaded = load(path, data)
    except RecipeError:
        return
    assert Recipe.check("again", loaded.model_dump()) == loaded


@settings(max_examples=100)
@given(st.sampled_from(list(FIELDS)), TREES)
def test_any_value_makes_a_valid_recipe_or_a_recipe_error(key: str, value: Any) -> None:
    try:
        checked = recipe(**nested(key, value))
    except RecipeError:
        return
    assert Recipe.check("again", checked.model_dump()) == checked


PURPOSES = get_args(Purpose)


def test_generators_are_the_children_that_numpy_spawns() -> None:
    children = np.random.SeedSequence(7).spawn(len(PURPOSES))
    for purpose, child in zip(PURPOSES, children, strict=True):
        expected = np.random.default_rng(child).bit_generator.state
        assert recipe(seed=7).generator(purpose).bit_generator.state == expected
        assert recipe(seed=8).generator(purpose).bit_generator.state != expected


DIGITS = random_digits(280)
EFFECTS: dict[str, Any] = {
    "seed": 2,
    "eta": 0.05,
    "alpha": 0.8,
    "epochs": 2,
    "batch_size": 30,
    "shards": 3,
    "optimizer": "heavy_ball",
    "schedule": "linear",
    "weight_decay": 0.1,
    "loss": "squared_error",
    "reduction": "sum",
    "negligible": 0.5,
    "order": "file",
    "data.validation": 60,
    "data.normalize": "standardize",
    "network.hidden": [13],
    "network.activation": "tanh",
    "network.bias": True,
    "network.initializer": "lecun_normal",
    "network.dtype": "float64",
    "deformation.rotation": 9,
    "deformation.scaling": 0.1,
    "deformation.shear": 0.1,
    "deformation.shift": 2,
    "deformation.elastic": 2,
    "deformation.smoothness": 9,
    "deformation.fading": 0.5,
}
# Deformed, so that smoothness and fading have an effect.
WARPED = recipe(deformation={"elastic": 1})


def trained(recipe: Recipe) -> Training:
    prepared = recipe.prepare(DIGITS)
    training, batches = recipe.start(prepared)
    list(training.run(batches, list(batches_of(prepared.validation, batches.normalisation, batches.dtype))))
    return training


def result(recipe: Recipe) -> tuple[bytes, str]:
    training = trained(recipe)
    return training.network.theta.tobytes(), str(training.history)


def test_the_same_recipe_gives_the_same_bits() -> None:
    assert result(WARPED) == result(WARPED)


def test_every_key_is_expected_to_have_an_effect_but_the_data_set() -> None:
    assert EFFECTS.keys() | {"data.dataset", *GROUPS} == FIELDS.keys()


@pytest.mark.parametrize("key", EFFECTS)
def test_every_key_has_an_effect_on_the_weights(key: str) -> None:
    assert result(WARPED.changed(key, nested(key, EFFECTS[key])))[0] != result(WARPED)[0]


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, names in NAMES.items() for name in names])
def test_training_with_any_name_of_the_tables_learns(key: str, name: str) -> None:
    # A learning rate at which everything learns: the sum of a batch's gradients is twenty times their mean.
    history = trained(recipe(epochs=40, eta=0.005 if name == "sum" else 0.02, **nested(key, name))).history
    assert history[-1].train_loss < history[0].train_loss / 2


def test_a_training_has_the_parts_that_the_recipe_names() -> None:
    given = recipe(network={"hidden": [7, 6], "activation": "tanh", "bias": True}, eta=0.5, schedule="linear")
    training, batches = given.start(given.prepare(DIGITS))
    assert str(training.network).startswith("784-7-6-10 with biases, tanh, softmax outputs")
    assert [training.eta(progress) for progress in (0, 0.5)] == [0.5, 0.25]
    assert (training.epochs, batches.batch_size, len(batches.dataset)) == (3, 20, 230)
    assert batches.generators["shuffling"].bit_generator.state == given.generator("shuffling").bit_generator.state
    assert batches.generators["deformation"].bit_generator.state == given.generator("deformation").bit_generator.state


def test_the_normalisation_is_fitted_to_the_training_images_alone() -> None:
    standardized = recipe(data={"normalize": "standardize"})
    prepared = standardized.prepare(DIGITS)
    assert (len(prepared.training), len(prepared.validation)) == (230, 50)
    pixels = standardized.normalisation(prepared)(prepared.training.images, np.empty((230, 784)))
    assert (pixels.mean(), pixels.std()) == pytest.approx((0, 1), abs=1e-12)
    both = np.concatenate([prepared.training.images, prepared.validation.images])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(DIGITS.images, axis=0))


def test_too_large_a_validation_set_and_too_large_a_batch_are_rejected() -> None:
    with pytest.raises(DatasetError, match=r"data\.validation = 280: should leave some of the 280 training images"):
        recipe(data={"validation": 280}).prepare(DIGITS)
    prepared: Prepared = recipe().prepare(DIGITS)
    assert recipe(batch_size=230).start(prepared)
    with pytest.raises(
        RecipeError, match=r"batch_size = 231: should be at most 230, .* that data\.validation = 50 leav"
    ):
        recipe(batch_size=231).start(prepared)
