"""What the command lines of all stages have in common: a recipe, a folder to work in, errors in words."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnist.errors import MnistError
from mnist.hyperparameters import Hyperparameters

RAW = Path("data/raw")
"""Where the downloaded files are, for all recipes."""


@dataclass(frozen=True)
class Workspace:
    """The folder that a recipe's results go to: the project itself, or one beside the recipe."""

    root: Path

    @property
    def prepared(self) -> Path:
        """The folder of images, labels and normalisation."""
        return self.root / "data/prepared"

    @property
    def model(self) -> Path:
        """The file of the trained network."""
        return self.root / "models/model.safetensors"

    @property
    def metrics(self) -> Path:
        """The folder of figures that are compared between experiments."""
        return self.root / "metrics"

    @property
    def plots(self) -> Path:
        """The folder of tables and pictures to look at."""
        return self.root / "plots"


def run(stage: Callable[[Hyperparameters, Workspace], None], description: str | None) -> None:
    """Run a stage as a command; what the user can mend is told in words, without a traceback."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--recipe", type=Path, default=Path("params.yaml"), help="hyperparameters (%(default)s)")
    parser.add_argument("--workspace", type=Path, default=Path(), help="folder for the results (%(default)s)")
    arguments = parser.parse_args()
    try:
        # All of it, whatever the stage needs: a slip is better found before an hour of work than after it.
        stage(Hyperparameters.load(arguments.recipe), Workspace(arguments.workspace))
    except MnistError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
