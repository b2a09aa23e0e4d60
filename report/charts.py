"""Charts as SVG files, from what Vega-Lite calls a specification."""

import json
from pathlib import Path
from typing import Any

import vl_convert

from mnist.files import save_bytes


def save_chart(path: Path, specification: dict[str, Any]) -> None:
    """Draw a Vega-Lite specification."""
    save_bytes(path, vl_convert.vegalite_to_svg(json.dumps(specification)).encode())
