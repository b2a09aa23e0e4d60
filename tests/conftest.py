"""Settings and fixtures that many tests share."""

import pytest
from hypothesis import HealthCheck, settings

from tests.trained import TrainedProject

# A slow or busy machine is no reason for a test to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedProject:
    """Return a project whose network has learnt from a third of MNIST; it takes a few seconds, once in a process."""
    return TrainedProject(tmp_path_factory.mktemp("trained"))
