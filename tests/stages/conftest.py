"""A project in which all stages have run once for each file of tests, and copies of it for tests to break."""

from pathlib import Path

import pytest

from tests.stages.project import Project

STAGES = ["stages.prepare", "stages.train", "stages.evaluate", "stages.plots_page", "stages.report"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("finished"))
    project.run(*STAGES)
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy_to(tmp_path / "project")
