"""Copies of a project in which all stages have run, for tests to break."""

from pathlib import Path

import pytest

from tests.stages.project import Project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy_to(tmp_path / "project")
