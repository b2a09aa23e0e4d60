"""The structure of the project: imports go one way, and dvc.yaml and dvc.lock agree with the code."""

import ast
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import ROOT

FOLDERS = ("mnist", "report", "stages", "studies", "benchmarks")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
IDS = [str(path.relative_to(ROOT)) for path in FILES]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]

# The other parts that each part of the project may import; `mnist` alone means all of it.
MAY_IMPORT = {
    "mnist.nn": set[str](),
    "mnist.errors": set[str](),
    "mnist.progress": set[str](),
    "mnist.files": {"mnist.errors"},
    "mnist.checked": {"mnist.errors", "mnist.files"},
    "mnist.data": {"mnist.nn.arrays", "mnist.errors", "mnist.files", "mnist.progress"},
    "mnist.reading": {"mnist.errors"},
    "mnist.sealed": {"mnist.errors"},
    "mnist.calibration": {"mnist.nn"},
    "mnist.answer": set[str](),
    "mnist.novelty": {"mnist.nn", "mnist.data"},
    "mnist.novelty_training": {"mnist.nn", "mnist.data", "mnist.cores", "mnist.novelty"},
    "mnist.own": {"mnist.data", "mnist.reading", "mnist.errors", "mnist.files"},
    "mnist.examples": {"mnist.nn", "mnist.data"},
    "mnist.recipe": {"mnist.nn", "mnist.data", "mnist.checked"},
    "mnist.model": {"mnist.nn", "mnist.data", "mnist.files", "mnist.sealed", "mnist.recipe"}
    | {"mnist.calibration", "mnist.novelty"},
    "mnist.checkpoint": {"mnist.nn", "mnist.data", "mnist.files", "mnist.sealed"},
    "mnist.fingerprint": {"mnist.recipe"},
    "mnist.cores": {"mnist.nn", "mnist.errors"},
    "mnist.cli": {"mnist"},
    "mnist.__main__": {"mnist"},
    "report": {"mnist"},
    "stages": {"mnist", "report"},
    "studies": {"mnist", "report", "stages"},
    "benchmarks": {"mnist", "report", "stages", "studies"},
}
# Where each library is used; NumPy may be used everywhere.
HOMES = {
    "pydantic": {"mnist.checked", "mnist.recipe", "studies.sweep"},
    "ruamel": {"mnist.checked"},
    "yaml": {"studies"},
    "requests": {"mnist.data.web"},
    "urllib3": {"mnist.data.web"},
    "platformdirs": {"mnist.data.sources"},
    "tqdm": {"mnist.progress"},
    "safetensors": {"mnist.sealed"},
    "threadpoolctl": {"mnist.fingerprint"},
    "filelock": {"mnist.checkpoint", "studies"},
    "PIL": {"mnist.reading", "report", "studies.handwriting"},
    "jinja2": {"report"},
    "vl_convert": {"report"},
    "dvc": {"stages"},
    "optuna": {"studies.sweep"},
    "dask": {"studies.sweep"},
    "distributed": {"studies.sweep"},
}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path) -> Iterator[str]:
    """Yield the full names that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield from (f"{node.module}.{name.name}" for name in node.names)


def part_of(name: str) -> str | None:
    """Return the key of MAY_IMPORT that a name belongs to, if there is one."""
    return next((part for part in MAY_IMPORT if f"{name}.".startswith(f"{part}.")), None)


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_a_module_imports_only_parts_below_it_and_libraries_only_at_home(file: Path) -> None:
    module = module_of(file)
    part = part_of(module)
    assert part or not list(imports(file)), f"{module} has no place in MAY_IMPORT"
    for name in imports(file):
        package = name.split(".")[0]
        if package in FOLDERS:
            allowed = MAY_IMPORT[part or ""] | {part}
            assert any(f"{name}.".startswith(f"{one}.") for one in allowed), f"{module} should not import {name}"
        elif package not in sys.stdlib_module_names | {"numpy"}:
            assert part == "benchmarks" or any(
                f"{module}.".startswith(f"{home}.") for home in HOMES.get(package, ())
            ), f"{name} is not at home in {module}"


def test_the_network_needs_numpy_alone() -> None:
    script = """
import sys
before = set(sys.modules)
import mnist.nn
new = set(sys.modules) - before
print(*{name.split(".")[0] for name in new if getattr(sys.modules[name], "__spec__", None)})
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"mnist", "numpy"}


def test_every_part_can_be_read_in_one_sitting() -> None:
    lines = {path.relative_to(ROOT / "mnist"): path.read_text().count("\n") for path in (ROOT / "mnist").rglob("*.py")}
    assert {str(path): count for path, count in lines.items() if count > 200} == {}
    # Parallel training does not count: the lesson is complete without it.
    assert sum(count for path, count in lines.items() if path.parts[0] == "nn" and path.stem != "parallel") <= 750
    assert (ROOT / "dvc.yaml").read_text().count("\n") <= 120


def imported_files(script: Path) -> set[Path]:
    """Return a script and all files of the project that it imports, directly or indirectly; skip empty files."""
    found, waiting = set(), {script}
    while waiting:
        file = waiting.pop()
        found.add(file)
        for name in imports(file):
            # Importing a module runs the packages that it is in.
            for parts in itertools.accumulate(([part] for part in name.split(".")), list.__add__):
                places = ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts, "__init__.py")
                waiting |= {place for place in places if place.is_file()} - found
    return {file for file in found if len(ast.parse(file.read_text()).body) > 1}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_that_it_runs(stage: str) -> None:
    script = ROOT / f"{STAGES[stage]['cmd'].split()[2].replace('.', '/')}.py"
    code = imported_files(script)
    dependencies = {ROOT / name for name in STAGES[stage]["deps"] if name.split("/")[0] in FOLDERS}
    covered = {dependency: {file for file in code if file.is_relative_to(dependency)} for dependency in dependencies}
    # Code opens other files, such as templates, by name.
    named = {path for path in dependencies if any(f'"{path.name}"' in file.read_text() for file in code)}
    missing, needless = code.difference(*covered.values()), {path for path in covered if not covered[path]} - named
    assert not missing, f"dvc.yaml, {stage}: deps lack {', '.join(str(file.relative_to(ROOT)) for file in missing)}"
    assert not needless, (
        f"dvc.yaml, {stage}: does not use {', '.join(str(file.relative_to(ROOT)) for file in needless)}"
    )


def changes(parts: list[Any]) -> Iterator[str]:
    """Yield the changes of a stage in `dvc status --json`; ignore files that are missing because no stage has run."""
    for part in parts:
        if isinstance(part, str):
            yield part
        else:
            files = {name: change for kind in part.values() for name, change in kind.items()}
            yield from (f"{name}: {files[name]}" for name in files if files[name] not in ("deleted", "not in cache"))


def test_dvc_lock_is_up_to_date_with_code_and_parameters() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = {stage: list(changes(status)) for stage, status in json.loads(done.stdout).items()}
    stale = "\n".join(f"  {stage}: {', '.join(names)}" for stage, names in found.items() if names)
    assert not stale, f"dvc.lock is not up to date; run `make record`, and commit dvc.lock and metrics/ too:\n{stale}"


def staged(file: str) -> bytes:
    """Return a file as git would commit it, without a user's experiments and another machine's bits."""
    return subprocess.run(["git", "show", f":{file}"], cwd=ROOT, capture_output=True, check=True).stdout


def test_the_baseline_is_the_recorded_run() -> None:
    baseline = json.loads(staged("metrics/baseline.json"))
    message = "metrics/baseline.json holds another run; run `make record`, and commit dvc.lock and metrics/ too"
    assert baseline["metrics"] == json.loads(staged("metrics/scores.json")), message
    assert baseline["parameters"] == yaml.safe_load(staged("params.yaml")), message


def test_init_files_hold_only_the_public_names_of_the_network() -> None:
    for file in FILES:
        if file.name == "__init__.py" and file.parent.name != "nn":
            (statement,) = ast.parse(file.read_text()).body
            assert isinstance(statement, ast.Expr), file
