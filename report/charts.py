"""Vega-Lite: draws charts as SVG, and bundles the scripts that draw charts in a browser without internet."""

from typing import Any

import vl_convert


def draw_chart(specification: dict[str, Any]) -> bytes:
    """Return the SVG file of a Vega-Lite specification."""
    return vl_convert.vegalite_to_svg(specification).encode()


def bundle_scripts() -> str:
    """Return the JavaScript that defines `vegaEmbed`: Vega, Vega-Lite and Vega-Embed in one script."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed")
