"""Unfinished trainings of a sweep's trials on disk, so that a trial goes on when the sweep does."""

from pathlib import Path

from mnist.files import save_bytes
from mnist.storage import ModelFileError, load_sealed


class States:
    """A folder with a file for each trial that is under way and each of its seeds."""

    def __init__(self, folder: Path, seeds: int) -> None:
        self._folder = folder
        self._seeds = seeds

    def load(self, trial: int) -> list[bytes] | None:
        """Return where a trial was; None: at its start, or its states are damaged, which costs time only."""
        try:
            for path in self._paths(trial):
                load_sealed(path)
            return [path.read_bytes() for path in self._paths(trial)]
        except (FileNotFoundError, ModelFileError):
            return None

    def save(self, trial: int, states: list[bytes]) -> None:
        """Keep where a trial is."""
        for path, state in zip(self._paths(trial), states, strict=True):
            save_bytes(path, state)

    def forget(self, trial: int) -> None:
        """Remove what is kept of a trial that has ended."""
        for path in self._paths(trial):
            path.unlink(missing_ok=True)

    def _paths(self, trial: int) -> list[Path]:
        return [self._folder / f"{trial}-{seed}.safetensors" for seed in range(self._seeds)]
