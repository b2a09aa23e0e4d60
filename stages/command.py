"""What the command lines of all stages have in common: a recipe, a folder to work in, errors in words."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mnist.errors import MnistError
from mnist.hyperparameters import Hyperparameters

RAW = Path("data/raw")
"""Where the downloaded files are, for all recipes."""

RECORDED = Path("metrics/recorded.json")
"""The run that others are compared with: `stages.record` writes it, and git keeps it."""


@dataclass(frozen=True)
class Workspace:
    """The folder that a recipe's results go to: the project itself, or one beside the recipe."""

    root: Path

    @property
    def prepared(self) -> Path:
        """Folder of images, labels and normalisation."""
        return self.root / "data/prepared"

    @property
    def normalisation(self) -> Path:
        """How pixels become the network's input."""
        return self.prepared / "normalisation.npy"

    @property
    def model(self) -> Path:
        """The trained network."""
        return self.root / "models/model.safetensors"

    @property
    def history(self) -> Path:
        """How training went, a line an epoch."""
        return self.root / "plots/history.csv"

    @property
    def scores(self) -> Path:
        """The figures that experiments are compared by."""
        return self.root / "metrics/scores.json"

    @property
    def report(self) -> Path:
        """All there is to see, on one page."""
        return self.root / "reports/index.html"

    @property
    def plots(self) -> Path:
        """Folder of tables and pictures to look at."""
        return self.root / "plots"


def run(stage: Callable[[Hyperparameters, Workspace], None], description: str | None) -> None:
    """Run a stage as a command."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--recipe", type=Path, default=Path("params.yaml"), help="hyperparameters (%(default)s)")
    parser.add_argument("--workspace", type=Path, default=Path(), help="folder for the results (%(default)s)")
    arguments = parser.parse_args()
    with told_in_words():
        # All of it, whatever the stage needs: a slip is better found before an hour of work than after it.
        stage(Hyperparameters.load(arguments.recipe), Workspace(arguments.workspace))


@contextmanager
def told_in_words(interrupted: str = "the same command goes on") -> Iterator[None]:
    """End the program with a message and no traceback where something went wrong that the user can mend.

    `interrupted` is what to know after Ctrl-C, beyond that nothing is lost.
    """
    try:
        yield
    except MnistError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except MemoryError as error:
        sys.exit(f"error: there is not enough memory: {error}; narrower layers and a smaller batch_size need less")
    except KeyboardInterrupt:
        sys.exit(f"interrupted; what was there before is still there, and {interrupted}")
