"""The report in a tab of Chromium: drawing on it, and what it says, asks for and complains of."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.handwriting import Written, written

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None,
    reason="the tests of the report's page need Chromium: `sudo apt-get install chromium`, or .ci/run, which does so",
)

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
PEN = 16 / 280  # the page's


class Opened:
    """The report in a tab, and all that it asked for or complained of."""

    def __init__(self, context: BrowserContext, report: Path) -> None:
        self.page: Page = context.new_page()
        self.address = report.as_uri()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.address)
        self.page.wait_for_selector("#accuracy-chart svg")

    @property
    def verdict(self) -> str:
        return self.page.inner_text("#verdict")

    def draw(self, sheet: Written) -> None:
        """Draw with the mouse, on an empty sheet."""
        self.page.evaluate("document.getElementById('clear').click()")
        self.page.locator("#sheet").scroll_into_view_if_needed()
        for stroke in sheet.strokes:
            first, *rest = self.places(stroke)
            self.page.mouse.move(*first)
            self.page.mouse.down()
            for place in rest:
                self.page.mouse.move(*place)
            self.page.mouse.up()
        self.page.evaluate("new Promise(requestAnimationFrame)")

    def draw_at_once(self, sheet: Written) -> None:
        """Draw without a mouse, which takes a picture's time for each point: the same events, made in the page."""
        self.page.evaluate(
            """async (strokes) => {
                document.getElementById("clear").click();
                const sheet = document.getElementById("sheet"), box = sheet.getBoundingClientRect();
                // A pointer that does not exist cannot be captured.
                sheet.setPointerCapture = () => {};
                sheet.hasPointerCapture = () => true;
                const send = (kind, [x, y]) => sheet.dispatchEvent(new PointerEvent(kind, {
                    clientX: box.left + x * box.width, clientY: box.top + y * box.height, isPrimary: true,
                }));
                for (const [first, ...rest] of strokes) {
                    send("pointerdown", first);
                    for (const place of rest) send("pointermove", place);
                    send("lostpointercapture", first);
                }
                await new Promise(requestAnimationFrame);
            }""",
            sheet.strokes,
        )

    def places(self, stroke: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return where the points of a stroke are in the window."""
        box = self.page.locator("#sheet").bounding_box()
        assert box is not None
        return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]

    def read(self) -> int:
        """Return the digit that the page says it is."""
        found = re.fullmatch(r"The network reads an? (\d) \(\d+\.\d %\)\.", self.verdict)
        assert found, self.verdict
        return int(found[1])

    def saved(self) -> bytes:
        """Save the drawing, and return the file."""
        with self.page.expect_download() as download:
            self.page.click("#save")
        return Path(download.value.path()).read_bytes()

    def colour(self, selector: str, name: str) -> list[int]:
        shown = self.page.evaluate("([s, n]) => getComputedStyle(document.querySelector(s))[n]", [selector, name])
        return [int(channel) for channel in re.findall(r"\d+", shown)[:3]]


def hand(number: int) -> list[Written]:
    """Return the ten digits as one hand writes them, upright."""
    return [sheet for sheet in written(PEN) if sheet.style.endswith(f"hand {number}, upright")]
