"""tqdm, which draws progress bars: imported here only, since a setting of the user's can stop its import."""

import os
import sys

try:
    from tqdm import tqdm
except ValueError as error:
    # It reads TQDM_MININTERVAL and the like on import, where no caller can catch the error.
    _settings = ", ".join(sorted(name for name in os.environ if name.startswith("TQDM_")))
    sys.exit(f"error: the environment has a value that tqdm cannot read ({error}); unset {_settings}")

__all__ = ["tqdm"]
