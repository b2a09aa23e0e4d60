"""Photograph the report for README.md: a 3 drawn on it, and the network's answer; writes docs/report.png.

Needs Chromium, and reports/index.html as the pipeline has left it.
"""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from mnist.files import save
from tests.report.opened import CHROMIUM, Opened, hand


def main() -> None:
    """Write the picture of the section in which one draws."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1060, "height": 900}, device_scale_factor=1.3)
        opened = Opened(context, Path("reports/index.html").resolve())
        opened.draw(hand(3)[3])
        picture = opened.page.locator("#draw").screenshot()
    # Few colours make a small file.
    small = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(small, "PNG", optimize=True)
    save({Path("docs/report.png"): small.getvalue()})


if __name__ == "__main__":
    main()
