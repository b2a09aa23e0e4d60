"""The report without a browser: its text, its Content-Security-Policy, and unusual or damaged input."""

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist.calibration import Bin
from mnist.data.dataset import Prepared, encode_prepared
from mnist.data.normalisation import Normalisation
from mnist.errors import MnistError
from mnist.examples import choose_examples
from mnist.files import encode_array, encode_csv, encode_json, load_json, save
from mnist.model import Model, encode_model
from mnist.nn.activations import relu, softmax
from mnist.nn.initializers import he_normal
from mnist.nn.network import Network
from mnist.nn.training import Epoch
from report.page import Results, render
from stages.pipeline import BASELINE, Workspace
from stages.report import report
from tests.helpers import ROOT, random_digits, recipe, some_novelty

CHARTS = "window.vegaEmbed = () => {}; // '</script>'"
RECIPE = recipe(deformation={"rotation": 15})
DIGITS = random_digits(1000)
CALIBRATION = {"ece": 0.0123, "ece_before": 0.0345, "unknown": 0.0107}
BINS = [Bin(0, 0.3, 0.2, 700), Bin(0, 0.5, 0.25, 300), Bin(1, 0.2, 0.2, 1000)]
UNIT = Normalisation(np.array(0.0), np.array(1 / 255))


def untrained() -> Model:
    network = Network((784, 30, 10), relu, softmax)
    network.initialize(he_normal, np.random.default_rng(0))
    # As in a model file, the recipe's keys are in another order than in params.yaml.
    recipe = json.loads(json.dumps(RECIPE.model_dump(), sort_keys=True))
    return Model(network, UNIT, list("0123456789"), recipe, 1.25, some_novelty())


@pytest.fixture(scope="module")
def results() -> Results:
    """Return the results of a network that guesses."""
    model = untrained()
    answers = model(DIGITS.images).argmax(axis=1)
    score = {"loss": 2.5, "accuracy": float(np.mean(answers == DIGITS.labels))}
    test = score | {"precision": [0.5] * 10, "recall": [0.25] * 10} | CALIBRATION
    return Results(
        model=model,
        scores={"train": score, "validation": score, "test": test},
        history=[Epoch(epoch, 2.6, 0.1, 2.5, 0.11, 0.1)._asdict() for epoch in range(1, 4)],
        reliability=[each._asdict() for each in BINS],
        predictions=[
            {"actual": str(actual), "predicted": str(answer)}
            for actual, answer in zip(DIGITS.labels, answers, strict=True)
        ],
        examples=choose_examples(model.read(DIGITS.images).probabilities, answers, DIGITS, 12),
        prototypes=DIGITS[:20],
        training_digits=DIGITS.images[:60],
        baseline={
            "parameters": recipe(epochs=200, data={"validation": 5000}).model_dump(),
            "metrics": {"test": {"loss": 0.02, "accuracy": 0.9922}},
        },
    )


@pytest.fixture
def workspace(results: Results, tmp_path: Path) -> Workspace:
    """Return a folder in which these results are files, and `stages.report` has run."""
    workspace = Workspace(tmp_path)
    save(
        {
            workspace.model: encode_model(results.model),
            workspace.prepared: encode_prepared(Prepared(DIGITS, DIGITS[:0], UNIT.offset, UNIT.scale)),
            workspace.scores: encode_json(results.scores),
            workspace.history: encode_csv(Epoch._fields, [tuple(row.values()) for row in results.history]),
            workspace.reliability: encode_csv(Bin._fields, BINS),
            workspace.predictions: encode_csv(
                ("actual", "predicted"), [tuple(row.values()) for row in results.predictions]
            ),
            workspace.examples: encode_array(results.examples),
            workspace.plots / "vega.js": CHARTS.encode(),
            tmp_path / BASELINE: encode_json(results.baseline),
            tmp_path / "params.yaml": encode_json(RECIPE.model_dump()),
        }
    )
    run_report(tmp_path)
    return workspace


def run_report(root: Path) -> None:
    with contextlib.chdir(root):
        report(RECIPE, Workspace(Path()))


def page_of(results: Results, **changes: Any) -> str:
    return render(dataclasses.replace(results, **changes), CHARTS).decode()


def model_of(results: Results, **changes: Any) -> Model:
    return dataclasses.replace(results.model, **changes)


def words(page: str) -> str:
    """Return the text of a page without its markup."""
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def comparison(page: str) -> str:
    """Return the text of the section about the baseline."""
    return words(page).rpartition("Comparison with the baseline")[2].partition("The recipe")[0].strip()


def test_the_stage_writes_the_page_and_the_pictures_and_the_same_bytes_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    outputs = {path: path.read_bytes() for path in (workspace.report, *workspace.plots.glob("*.png"))}
    assert {path.stem for path in outputs} == {"index", "mistakes", "first_layer", "training_digits"}
    for path in outputs:
        path.unlink()
    run_report(tmp_path)
    assert outputs == {path: path.read_bytes() for path in outputs}


def test_the_page_names_no_address_and_lets_only_its_own_scripts_and_style_run(results: Results) -> None:
    page = page_of(results)
    assert re.findall(r"""(?:src|href|action)\s*=\s*["'](?!data:|#)[^"']*""", page) == []
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert policy.startswith("default-src 'none'; ")
    pieces = re.findall(r"<(script|style)>(.*?)</\1>", page, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(piece.encode()).digest()).decode() for _, piece in pieces]
    assert re.findall(r"'sha256-(.*?)'", policy) == [*digests[1:], digests[0]]
    assert "unsafe" not in policy


def test_the_headline_is_the_test_accuracy(results: Results) -> None:
    accuracy = results.scores["test"]["accuracy"]
    mistakes = round(1000 * (1 - accuracy))
    text = words(page_of(results))
    assert f"{100 * accuracy:.2f}% of the test digits are read correctly" in text
    assert f"and misread {mistakes} of them: one in {1000 / mistakes:.0f}." in text


def test_the_page_describes_the_calibration(results: Results) -> None:
    text = words(page_of(results))
    assert "A temperature of 1.250, fitted to validation images, corrects the probabilities" in text
    assert "is 3.45 points before and 1.23 points after the correction." in text
    assert "It wrongly says this about 1.07% of the test digits." in text


def test_the_interval_is_wilsons(results: Results) -> None:
    # Newcombe (1998), table I, 81 of 263: 0.2553 to 0.3662.
    scores = {"test": results.scores["test"] | {"accuracy": 81 / 263}}
    text = words(page_of(results, scores=scores, predictions=results.predictions[:263]))
    assert "expect an accuracy between 25.53% and 36.62%: the 95% confidence interval" in text


def test_the_recipe_has_a_line_for_each_parameter_with_its_meaning(results: Results) -> None:
    text = words(page_of(results)).partition("The recipe")[2]
    assert "eta 0.1 learning rate alpha 0.9 momentum" in text
    assert "network.hidden [12] width of each hidden layer" in text


def test_the_comparison_shows_the_parameters_that_differ_and_all_figures(results: Results) -> None:
    now = results.scores["test"]["accuracy"]
    text = comparison(page_of(results))
    assert "this run epochs 200 3 data.validation 5000 50 deformation.rotation 0.0 15.0 figure" in text
    assert f"test accuracy 99.22% {100 * now:.2f}% {100 * now - 99.22:+.2f} points" in text
    assert "test loss 0.0200 2.5000 +2.4800" in text
    assert "validation loss - 2.5000 -" in text


def test_equal_parameters_and_equal_figures_need_no_table(results: Results) -> None:
    same = {"parameters": results.model.recipe, "metrics": results.scores}
    sentence = "This run has the parameters and the figures of the baseline, metrics/baseline.json ."
    assert comparison(page_of(results, baseline=same)) == sentence
    loss = results.scores["test"]["loss"]
    shifted = [results.scores | {"test": results.scores["test"] | {"loss": loss + change}} for change in (1e-6, 0.001)]
    assert comparison(page_of(results, baseline=same | {"metrics": shifted[0]})) == sentence
    text = comparison(page_of(results, baseline=same | {"metrics": shifted[1]}))
    assert text.startswith("The parameters are those of the baseline, metrics/baseline.json ; the figures are not:")
    assert (text.count("+0.00 points"), text.count("+0.0000"), text.count("-0.0010")) == (3, 2, 1)
    other = {"parameters": results.model.recipe | {"eta": 0.5}, "metrics": results.scores}
    text = comparison(page_of(results, baseline=other))
    assert text.startswith("The baseline, metrics/baseline.json , had other parameters:")
    assert text.endswith("this run eta 0.5 0.1 The figures are the same.")


@pytest.mark.parametrize(
    "baseline",
    [
        {},
        {"parameters": [], "metrics": {"test": None, "train": 3}},
        {"parameters": {"network": 1, "eta": {"x": {}}}, "metrics": {"test": {"loss": None, "accuracy": 10**400}}},
        {"parameters": {"eta": float("nan"), "\ud800": "\ud800"}, "metrics": {"test": {"loss": float("inf")}}},
    ],
)
def test_an_odd_baseline_counts_as_missing_where_it_is_odd(baseline: dict[str, Any], results: Results) -> None:
    now = results.scores["test"]["accuracy"]
    text = comparison(page_of(results, baseline=baseline))
    assert f"test accuracy - {100 * now:.2f}% -" in text
    assert "epochs - 3" in text


def test_a_model_with_an_incomplete_recipe_and_a_broken_name_gets_a_page(results: Results) -> None:
    names = ("\ud800", *results.model.class_names[1:])
    page = page_of(results, model=model_of(results, class_names=names, recipe={"eta": 0.1, "old": [1]}))
    assert "eta 0.1 learning rate old [1]" in words(page)
    assert '<th scope="row">?</th>' in page


def test_without_validation_and_deformation_the_page_does_not_mention_them(results: Results) -> None:
    nothing = dict.fromkeys(("validation_loss", "validation_accuracy"), float("nan"))
    page = page_of(
        results,
        training_digits=None,
        history=[row | nothing for row in results.history],
        scores={name: score for name, score in results.scores.items() if name != "validation"},
        baseline={"parameters": results.model.recipe},
    )
    text = words(page).partition("The recipe")[0]
    assert "deformed" not in text
    assert 'id="training"' not in page
    assert "validation" not in text
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page)[0])
    assert {row["validation_loss"] for row in data["history"]} == {None}


def test_a_network_without_mistakes_gets_a_page_too(results: Results) -> None:
    right = results.examples[results.examples["actual"] == results.examples["predicted"]]
    correct = [{"actual": digit, "predicted": digit} for digit in "0123456789"]
    scores = {"test": {"accuracy": 1.0, "loss": 0.001, "precision": [1.0] * 10, "recall": [1.0] * 10} | CALIBRATION}
    text = words(page_of(results, predictions=correct, examples=right, scores=scores))
    assert "100.00% of the test digits are read correctly" in text
    assert "and misread 0 of them." in text
    assert "There are none." in text


def test_units_that_learnt_nothing_are_counted_and_shown_last(results: Results) -> None:
    assert "learnt nothing" not in words(page_of(results))
    network = Network((784, 30, 10), relu, softmax)
    network.theta[:] = results.model.network.theta
    network.weights[0][:, [3, 8]] = -1  # no ink excites them
    page = page_of(results, model=model_of(results, network=network))
    assert "2 units have learnt nothing" in words(page)
    shown = [int(top) // 28 for top in re.findall(r'viewBox="0 (\d+) 28 28"><use href="#unit"/>', page)]
    assert shown == [unit for unit in range(30) if unit not in {3, 8}] + [3, 8]
    network.weights[0][:, 8] = 1
    assert "One unit has learnt nothing" in words(page_of(results, model=model_of(results, network=network)))


def test_the_contents_lead_to_every_section(results: Results) -> None:
    page = page_of(results)
    (contents,) = re.findall(r'<nav aria-label="Contents">(.*?)</nav>', page, flags=re.DOTALL)
    links = re.findall(r'<a href="#(.*?)">(.*?)</a>', contents)
    assert links == re.findall(r'<h2 id="(.*?)"[^>]*>(.*?)</h2>', page)
    assert len(links) == page.count("<section")


def test_a_network_too_large_for_a_page_is_left_out_of_it(results: Results) -> None:
    page = page_of(results, model=model_of(results, network=Network((784, 1024, 10), relu, softmax)))
    assert len(page) < 3_000_000
    text = words(page)
    assert "This network is too large to be put into a page" in text
    assert "The first 100 of its 1024 units" in text


def test_text_from_files_is_escaped(results: Results) -> None:
    evil = {"eta": "</script><script>alert(1)</script>"}
    page = page_of(results, baseline={"parameters": evil}, model=model_of(results, class_names=tuple("012345678<")))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert '"8", "\\u003c"]' in page


def test_a_damaged_or_missing_input_is_named_and_the_last_page_stays(workspace: Workspace, tmp_path: Path) -> None:
    page = workspace.report.read_bytes()
    for file in (
        *("data/prepared.npz", "models/model.safetensors", "metrics/scores.json", "metrics/baseline.json"),
        *("plots/history.csv", "plots/predictions.csv", "plots/reliability.csv", "plots/examples.npy"),
    ):
        path = tmp_path / file
        whole = path.read_bytes()
        path.write_bytes(whole[:15])
        with pytest.raises(MnistError, match=f"^{file}: "):
            run_report(tmp_path)
        path.unlink()
        with pytest.raises((FileNotFoundError, MnistError), match=file):
            run_report(tmp_path)
        path.write_bytes(whole)
    assert workspace.report.read_bytes() == page


def test_the_command_saves_this_run_as_the_baseline(workspace: Workspace, results: Results, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stages.baseline"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert load_json(tmp_path / BASELINE) == {"parameters": results.model.recipe, "metrics": results.scores}
    run_report(tmp_path)
    assert comparison(workspace.report.read_text(encoding="utf-8")).startswith("This run has the parameters")
