"""The report: what is on the page, how it is sealed, and what is refused."""

import base64
import dataclasses
import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest

from mnist.evaluation import EXAMPLE
from mnist.files import DamagedFileError, load_array, load_csv, load_json, load_numbers
from mnist.network import Network
from mnist.normalisation import unit
from mnist.randomness import generator
from mnist.report import Results, render
from mnist.storage import Model
from mnist.training import Epoch
from stages.report import PIECES
from tests.recipe import recipe
from tests.trained import TrainedProject

CHARTS = "window.vegaEmbed = () => {}; // '</script>'"


@pytest.fixture(scope="module")
def results(trained: TrainedProject) -> Results:
    plots = trained.root / "plots"
    return Results(
        model=trained.model,
        evaluation_images="normalized",
        scores=load_json(trained.root / "metrics/scores.json"),
        history=load_numbers(plots / "history.csv", Epoch._fields),
        predictions=load_csv(plots / "predictions.csv", ("actual", "predicted")),
        examples=load_array(plots / "examples.npy"),
        training_digits=(plots / "training_digits.png").read_bytes(),
        recorded=load_json(trained.root / "metrics/recorded.json"),
    )


def page_of(results: Results, **changes: Any) -> str:
    return render(PIECES, CHARTS, dataclasses.replace(results, **changes))


def words(page: str) -> str:
    """Return what is to be read on a page, without its markup."""
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def test_the_stage_writes_the_page_in_less_than_5_mb_and_the_same_again(trained: TrainedProject) -> None:
    page = trained.report.read_bytes()
    assert len(page) < 5_000_000
    trained.report.unlink()
    assert trained.run("-m", "stages.report").returncode == 0
    assert trained.report.read_bytes() == page


def test_the_policy_names_exactly_the_scripts_and_the_style_of_the_page(results: Results) -> None:
    page = page_of(results)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert policy.startswith("default-src 'none'; ")
    pieces = re.findall(r"<(script|style)>(.*?)</\1>", page, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(piece.encode()).digest()).decode() for _, piece in pieces]
    assert re.findall(r"'sha256-(.*?)'", policy) == [*digests[1:], digests[0]]
    assert "unsafe" not in policy


def test_the_page_names_no_address(results: Results) -> None:
    assert re.findall(r"""(?:src|href|action)\s*=\s*["'](?!data:|#)[^"']*""", page_of(results)) == []


def test_the_headline_is_the_test_accuracy_with_what_it_means(results: Results) -> None:
    accuracy = results.scores["test"]["accuracy"]
    mistakes = round(10_000 * (1 - accuracy))
    text = words(page_of(results))
    assert f"{100 * accuracy:.2f} % of the test digits are read right" in text
    assert f"took {mistakes} of them for something else: one in {10_000 / mistakes:.0f}." in text


def test_the_comparison_tells_what_differs_from_the_recorded_run_and_nothing_else(results: Results) -> None:
    text = words(page_of(results))
    start = text.index("Compared with the recorded run")
    section = text[start : text.index("The recipe", start)]
    recorded, here = results.recorded["metrics"]["test"]["accuracy"], results.scores["test"]["accuracy"]
    assert "epochs 200 10" in section
    assert "eta" not in section
    assert f"test accuracy {100 * recorded:.2f} % {100 * here:.2f} % {100 * (here - recorded):+.2f} points" in section


def test_the_recorded_run_itself_has_no_differences(results: Results) -> None:
    used = results.model.hyperparameters | {"evaluation_images": "normalized"}
    text = words(page_of(results, recorded={"parameters": used, "metrics": results.scores}))
    assert "The parameters are those of the recorded run" in text
    assert text.count("+0.00 points") == 3
    assert text.count("+0.0000") == 3


def test_without_validation_and_deformation_nothing_is_told_of_them(results: Results) -> None:
    nothing = dict.fromkeys(("validation_loss", "validation_accuracy"), float("nan"))
    plain = results.model.hyperparameters | dict.fromkeys(("rotation", "scaling", "shear", "shift", "elastic"), 0)
    page = page_of(
        results,
        model=dataclasses.replace(results.model, hyperparameters=plain),
        history=[row | nothing for row in results.history],
        scores={name: score for name, score in results.scores.items() if name != "validation"},
        recorded={"parameters": plain, "metrics": {"test": results.scores["test"], "train": results.scores["train"]}},
    )
    text = words(page)
    assert "deformed" not in text
    assert "data:image/png" not in page
    assert "validation accuracy" not in text
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page)[0])
    assert {row["validation_loss"] for row in data["history"]} == {None}


def test_a_network_without_mistakes_gets_a_page_too(results: Results) -> None:
    right = [{"actual": digit, "predicted": digit} for digit in "0123456789"]
    scores = {"test": {"accuracy": 1.0, "loss": 0.001}}
    text = words(page_of(results, predictions=right, examples=np.empty(0, EXAMPLE), scores=scores))
    assert "100.00 % of the test digits are read right" in text
    assert "took 0 of them for something else." in text
    assert "There are none." in text


def test_a_network_that_is_too_large_for_a_page_is_left_out_of_it(results: Results) -> None:
    parameters = recipe(hidden=[1024, 1024])
    network = Network.initialise(parameters, unit([]), generator(1, "weights"))
    page = page_of(results, model=Model(network, parameters.model_dump(exclude={"evaluation_images"})))
    assert len(page) < 3_000_000
    text = words(page)
    assert "This network is too large to be put into a page" in text
    assert "The first 100 of its 1024 units" in text


def test_what_comes_from_files_is_escaped(results: Results) -> None:
    evil = results.recorded["parameters"] | {"eta": "</script><script>alert(1)</script>"}
    page = page_of(results, recorded={"parameters": evil, "metrics": results.recorded["metrics"]})
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({"scores": {}}, "metrics/scores.json"),
        ({"scores": {"test": {"loss": None, "accuracy": 1}}}, "metrics/scores.json"),
        ({"recorded": {}}, "metrics/recorded.json"),
        ({"recorded": {"parameters": [], "metrics": {}}}, "metrics/recorded.json"),
        ({"examples": np.zeros(3)}, "plots/examples.npy"),
        ({"predictions": []}, "plots/predictions.csv"),
        ({"predictions": [{"actual": 10.0, "predicted": 1.0}]}, "plots/predictions.csv"),
        ({"history": []}, "plots/history.csv"),
    ],
)
def test_what_the_stages_do_not_write_is_refused_by_name(changes: dict[str, Any], file: str, results: Results) -> None:
    with pytest.raises(DamagedFileError, match=f"^{file}: "):
        page_of(results, **changes)


@pytest.mark.parametrize(
    "file", ["plots/history.csv", "plots/predictions.csv", "plots/examples.npy", "metrics/scores.json", "plots/vega.js"]
)
def test_a_damaged_or_missing_input_is_named_and_the_last_page_stays(file: str, trained: TrainedProject) -> None:
    path, page = trained.root / file, trained.report.read_bytes()
    whole = path.read_bytes()
    try:
        if file != "plots/vega.js":
            path.write_bytes(whole[: len(whole) // 2])
            damaged = trained.run("-m", "stages.report")
            assert damaged.returncode == 1
            assert damaged.stderr.startswith(f"error: {file}: ")
        path.unlink()
        missing = trained.run("-m", "stages.report")
        assert missing.stderr == f"error: {file}: No such file or directory\n"
    finally:
        path.write_bytes(whole)
    assert trained.report.read_bytes() == page


def test_record_makes_this_run_the_one_to_compare_with(trained: TrainedProject) -> None:
    path = trained.root / "metrics/recorded.json"
    before = path.read_bytes()
    try:
        assert trained.run("-m", "stages.record").returncode == 0
        recorded = json.loads(path.read_bytes())
    finally:
        path.write_bytes(before)
    assert recorded["parameters"]["epochs"] == 10
    assert recorded["metrics"] == load_json(trained.root / "metrics/scores.json")
