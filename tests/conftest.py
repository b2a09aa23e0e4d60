"""What many tests share: Hypothesis on any machine, and a project in which a network has been trained on MNIST."""

import pytest
from hypothesis import HealthCheck, settings

from tests.trained import TrainedProject

# A slow or busy machine is no reason for a test to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedProject:
    """Return a project whose network has seen MNIST, deformed, for a few epochs: ten seconds, once for all."""
    return TrainedProject(tmp_path_factory.mktemp("trained"))
