"""The house as a whole: imports go one way, and dvc.yaml and dvc.lock tell the truth about the code."""

import ast
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import mnist
from mnist.hyperparameters import Hyperparameters
from stages.report import PIECES
from tests.recipe import ROOT

PIPELINES = ["dvc.yaml", "recipes/dvc.yaml", "sweeps/dvc.yaml"]
STAGES = [
    (pipeline, name, stage)
    for pipeline in PIPELINES
    for name, stage in yaml.safe_load((ROOT / pipeline).read_text())["stages"].items()
]
# Stages of hours that do not depend on code line by line, but on what `recipes.rungs` says the code makes of a recipe.
BY_FINGERPRINT = {"seeds": set[str](), "ladder": {"recipes/ladder.py", "stages/charts.py"}}
# The modules of `mnist/` as its docstring names them: first those in reading order, then what they all stand on.
_NAMED = re.findall(r"`(\w+)`", mnist.__doc__ or "")
_FIRST = _NAMED.index("errors")
ORDER = _NAMED[_FIRST:] + _NAMED[:_FIRST]
LIBRARIES = dict.fromkeys(("pooch", "requests", "urllib3", "tqdm"), "sources") | {
    "pydantic": "hyperparameters",
    "yaml": "hyperparameters",
    "safetensors": "storage",
    "threadpoolctl": "environment",
    "PIL": "pictures",
    "jinja2": "report",
}
# Likewise for sweeps: who proposes, who runs, who certifies are each known to one module.
SWEEP_LIBRARIES = {
    "optuna": "study",
    "dask": "cluster",
    "distributed": "cluster",
    "trustme": "tls",
}


def imports(file: Path) -> Iterator[str]:
    """Yield the full names of what a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield from (f"{node.module}.{name.name}" for name in node.names)


def project_files(file: Path) -> set[Path]:
    """Return a file and all files of the project that it imports, directly or not."""
    found, waiting = set(), [file]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            names = [name.split(".") for name in imports(current)]
            paths = [ROOT.joinpath(*parts[:depth]).with_suffix(".py") for parts in names for depth in (2, len(parts))]
            waiting += [path for path in paths if path.is_file()]
    return found


def committed(file: str) -> bytes:
    """Return a file as it was committed: what somebody tries out just now is not what was recorded."""
    return subprocess.run(["git", "show", f"HEAD:{file}"], cwd=ROOT, capture_output=True, check=True).stdout


def test_every_module_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(file.stem for file in ROOT.glob("mnist/*.py") if file.stem != "__init__")


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_those_above_it_and_libraries_only_where_they_live(module: str) -> None:
    for name in imports(ROOT / f"mnist/{module}.py"):
        package, _, rest = name.partition(".")
        assert package not in {"stages", "recipes", "sweeps", "benchmarks", "tests", "vl_convert", *SWEEP_LIBRARIES}
        if package == "mnist":
            assert ORDER.index(rest.split(".")[0]) < ORDER.index(module), name
        assert LIBRARIES.get(package, module) == module, name


@pytest.mark.parametrize("file", sorted(ROOT.glob("sweeps/*.py")), ids=lambda file: file.stem)
def test_a_sweep_knows_its_libraries_in_one_place_each(file: Path) -> None:
    for name in imports(file):
        assert SWEEP_LIBRARIES.get(name.split(".")[0], file.stem) == file.stem, name


@pytest.mark.parametrize("package", ["stages", "recipes"])
def test_nothing_else_knows_of_sweeps(package: str) -> None:
    for file in ROOT.glob(f"{package}/*.py"):
        found = {name.split(".")[0] for name in imports(file)}
        assert not found & {"sweeps", "optuna", "dask", "distributed", "trustme"}, file


@pytest.mark.parametrize(
    ("name", "stage"), [entry[1:] for entry in STAGES], ids=[":".join(entry[:2]) for entry in STAGES]
)
def test_a_stage_depends_on_exactly_the_code_it_runs(name: str, stage: dict[str, Any]) -> None:
    assert stage["desc"]
    module = stage["cmd"].split()[2]
    code = {str(path.relative_to(ROOT)) for path in project_files((ROOT / module.replace(".", "/")).with_suffix(".py"))}
    if name in BY_FINGERPRINT:
        code = BY_FINGERPRINT[name]
    assert {dependency for dependency in stage["deps"] if dependency.endswith(".py")} == code


def test_the_report_depends_on_all_pieces_of_its_page() -> None:
    report = next(stage for _, name, stage in STAGES if name == "report")
    pieces = {str(path.relative_to(ROOT)) for path in PIECES.iterdir()}
    assert {dependency for dependency in report["deps"] if dependency.startswith("report/")} == pieces


def test_the_run_to_compare_with_is_the_committed_one() -> None:
    recorded = json.loads(committed("metrics/recorded.json"))
    message = "after `dvc repro`, `make record` writes metrics/recorded.json; commit it with dvc.lock and metrics/"
    assert recorded["metrics"] == json.loads(committed("metrics/scores.json")), message
    assert recorded["parameters"] == yaml.safe_load(committed("params.yaml")), message


def test_every_hyperparameter_but_those_of_evaluation_is_one_that_training_depends_on() -> None:
    parameters = {name: stage.get("params", []) for pipeline, name, stage in STAGES if pipeline == "dvc.yaml"}
    assert sorted(parameters["train"] + parameters["evaluate"]) == sorted(Hyperparameters.model_fields)
    assert set(parameters["prepare"]) <= set(parameters["train"])
    assert parameters["download"] == ["dataset"]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_recorded_results_are_those_of_this_code_and_these_parameters(pipeline: str) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    lock = yaml.safe_load(committed(str(Path(pipeline).with_suffix(".lock"))))
    for name, stage in lock["stages"].items():
        for file in [*stage["deps"], *stage.get("outs", [])]:
            if file["path"] in tracked:
                digest = hashlib.md5(committed(file["path"]), usedforsecurity=False).hexdigest()
                assert digest == file["md5"], f"{file['path']} is not what {name} ran with: `dvc repro {pipeline}`"
        for file, recorded in stage.get("params", {}).items():
            values = yaml.safe_load(committed(file))
            assert recorded == {key: values[key] for key in recorded}, f"{file} has changed since {name} ran"


def test_packages_hold_no_code_of_their_own() -> None:
    for package in ("mnist", "stages", "recipes", "sweeps", "benchmarks"):
        (statement,) = ast.parse((ROOT / package / "__init__.py").read_text()).body
        assert isinstance(statement, ast.Expr)
