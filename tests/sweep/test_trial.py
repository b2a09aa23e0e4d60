"""A trial is a pure function, and gives the same result as the pipeline for the same recipe."""

from pathlib import Path

import pytest

from mnist.files import load_numbers
from mnist.nn.training import Epoch
from stages.pipeline import Workspace
from stages.prepare import prepare
from stages.train import train
from studies.sweep.trial import advance
from tests.helpers import recipe
from tests.sweep.faults import DIGITS, Project

RECIPE = recipe(epochs=4, deformation={"rotation": 10})


@pytest.mark.parametrize("optimizer", ["nesterov", "heavy_ball"])
def test_a_trial_in_legs_is_the_whole_training(optimizer: str) -> None:
    changed = RECIPE.changed("", {"optimizer": optimizer})
    prepared = RECIPE.prepare(DIGITS)
    whole = advance(prepared, changed, None, 4)
    first = advance(prepared, changed, None, 1)
    second = advance(prepared, changed, first.state, 2)
    last = advance(prepared, changed, second.state, 4)
    assert last[:2] == whole[:2]
    # The call has not changed its arguments: it gives the same leg again.
    assert advance(prepared, changed, first.state, 2)[:2] == second[:2] != first[:2]


@pytest.mark.parametrize("normalize", ["unit", "standardize"])
def test_a_trial_gives_what_the_pipeline_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalize: str) -> None:
    Project(tmp_path)
    monkeypatch.chdir(tmp_path)
    changed, workspace = RECIPE.changed("", {"data": {"normalize": normalize}, "seed": 5}), Workspace(tmp_path)
    prepare(changed, workspace)
    train(changed, workspace)
    last = load_numbers(workspace.history, Epoch._fields)[-1]
    leg = advance(changed.prepare(DIGITS), changed, None, changed.epochs)
    assert leg.last._asdict() == last
