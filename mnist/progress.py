"""Imports tqdm, which draws progress bars, in this one place: a bad setting in the environment stops its import."""

import os
import sys

try:
    from tqdm import tqdm
except ValueError as error:
    # tqdm reads TQDM_MININTERVAL and similar variables when it is imported, where no caller can catch the error.
    _settings = ", ".join(sorted(name for name in os.environ if name.startswith("TQDM_")))
    sys.exit(f"error: the environment has a value that tqdm cannot read ({error}); unset {_settings}")

__all__ = ["tqdm"]
