"""Settings and fixtures that many tests share."""

import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mnist.fingerprint import blas_threads
from tests.once import make_once
from tests.stages.project import Project
from tests.trained import TrainedProject

# A shell starts its background jobs with Ctrl-C ignored, and the programs that the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Beside other programs the threads of BLAS wait for each other, and a training takes many times as long.
blas_threads(largest_product=0)

# A slow or busy machine is no reason for a test to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Files that take longest, in the order in which they begin, before all others: what begins last should be short.
_LONGEST = ["pipeline/test_pipeline", "pipeline/test_week", "pipeline/test_sharing", "test_torture", "sweep/test_run"]
_LONGEST += ["stages/test_resume", "pipeline/test_template", "report/test_browser", "studies/test_studies"]
_LONGEST += ["sweep/test_faults", "sweep/test_grid", "stages/test_stages", "stages/test_faults"]
_PLACES = {Path(__file__).parent / f"{name}.py": place for place, name in enumerate(_LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first."""
    items.sort(key=lambda item: _PLACES.get(item.path, len(_PLACES)))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedProject:
    """Return a project whose network has learnt from a third of MNIST, which takes seconds; tests add files to it."""
    made = make_once(tmp_path_factory, "trained project", lambda folder: TrainedProject(folder).train())
    return TrainedProject(Path(shutil.copytree(made, tmp_path_factory.mktemp("trained"), dirs_exist_ok=True)))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a small project in which all stages have run, for tests to read and to copy."""
    return Project.at(make_once(tmp_path_factory, "finished project", lambda folder: Project(folder).finish()))
