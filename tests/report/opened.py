"""The report in a tab of Chromium: draws on it, and records its answers, requests and errors."""

import base64
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize

from studies.handwriting import Written, written

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None,
    reason="the tests of the report's page need Chromium: `sudo apt-get install chromium`, or .ci/run",
)

DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)
PEN = 16 / 280  # the page's
PATIENCE = 300_000  # milliseconds that Chromium has for a step, on a machine that is slow or busy


class Answer(NamedTuple):
    """The digit that the page reads, its ten probabilities in percent, and the drawing as PNG."""

    digit: int
    probabilities: list[float]
    picture: bytes


class Opened:
    """The report in a tab, with all its requests and all its errors."""

    def __init__(self, context: BrowserContext, report: Path) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.address = report.as_uri()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.address)
        for selector in ("#accuracy-chart svg.marks", "#drawing"):  # Vega's, which replaces the static one
            self.page.wait_for_selector(selector)

    @property
    def verdict(self) -> str:
        return self.page.inner_text("#verdict")

    @property
    def digit(self) -> int:
        """The digit that the page reads."""
        return digit_in(self.verdict)

    def check_silence(self) -> None:
        """Assert that the page requested only itself and files that it made, and reported no error."""
        assert [url for url in self.requests if url != self.address and not url.startswith("blob:")] == []
        assert self.complaints == []

    def draw(self, sheet: Written) -> None:
        """Draw with the mouse on an empty sheet."""
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

    def draw_at_once(self, sheet: Written) -> Answer:
        """Draw with events that the page makes itself: a mouse would need a frame for each point."""
        verdict, probabilities, picture = self.page.evaluate(
            """(strokes) => {
                document.getElementById("clear").click();
                const sheet = document.getElementById("sheet"), box = sheet.getBoundingClientRect();
                const send = (kind, [x, y]) => sheet.dispatchEvent(new PointerEvent(kind, {
                    clientX: box.left + x * box.width, clientY: box.top + y * box.height, isPrimary: true,
                }));
                // A pointer that does not exist cannot be captured.
                sheet.setPointerCapture = () => {};
                sheet.hasPointerCapture = () => true;
                for (const [first, ...rest] of strokes) {
                    send("pointerdown", first);
                    for (const place of rest) send("pointermove", place);
                    send("lostpointercapture", first);
                }
                delete sheet.setPointerCapture;
                delete sheet.hasPointerCapture;
                // Chromium limits how many files a page saves; this is the picture that would be in the file.
                const { toBlob } = HTMLCanvasElement.prototype;
                let picture;
                HTMLCanvasElement.prototype.toBlob = function () { picture = this.toDataURL(); };
                document.getElementById("save").click();
                HTMLCanvasElement.prototype.toBlob = toBlob;
                const values = [...document.querySelectorAll(".bars .value")];
                const verdict = document.getElementById("verdict").textContent;
                return [verdict, values.map((value) => parseFloat(value.textContent)), picture.split(",")[1]];
            }""",
            sheet.strokes,
        )
        return Answer(digit_in(verdict), probabilities, base64.b64decode(picture))

    def places(self, stroke: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return where the points of a stroke are in the window."""
        box = self.page.locator("#sheet").bounding_box()
        assert box is not None
        return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]

    def saved(self) -> bytes:
        """Save the drawing, and return the file."""
        with self.page.expect_download() as download:
            self.page.click("#save")
        return Path(download.value.path()).read_bytes()

    def colour(self, selector: str, name: str) -> list[int]:
        shown = self.page.evaluate("([s, n]) => getComputedStyle(document.querySelector(s))[n]", [selector, name])
        return [int(channel) for channel in re.findall(r"\d+", shown)[:3]]


def digit_in(verdict: str) -> int:
    """Return the digit that the page says it reads, surely or not."""
    found = re.match(r"(?:This does not look like a digit; the nearest is )?An? (\d)\b", verdict, re.IGNORECASE)
    assert found, verdict
    return int(found[1])


def hand(number: int) -> list[Written]:
    """Return the ten digits as one hand writes them, upright."""
    return [sheet for sheet in written(PEN) if sheet.style.endswith(f"hand {number}, upright")]
