"""The report in a real browser, as people use it."""

import io
import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser

from mnist.evaluation import EXAMPLE
from mnist.files import load_array
from tests.browser.opened import DESKTOP, NEEDS_CHROMIUM, PEN, PHONE, Opened, hand
from tests.handwriting import Written, written
from tests.trained import TrainedProject

pytestmark = NEEDS_CHROMIUM


def test_the_page_opens_with_nothing_but_itself(opened: Opened) -> None:
    opened.page.reload()
    opened.page.wait_for_selector("#accuracy-chart svg")
    assert set(opened.requests) == {opened.address}
    assert opened.page.title().endswith("% of the test digits right")
    assert opened.verdict == "Write a large 0 to 9 on the sheet."


def test_the_policy_lets_nothing_be_requested_and_no_other_script_run(
    browser: Browser, trained: TrainedProject
) -> None:
    context = browser.new_context()
    report = Opened(context, trained.report)
    refused = "fetch('http://127.0.0.1:9/').then(() => 'allowed', (error) => error.name)"
    assert report.page.evaluate(refused) == "TypeError"
    report.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    report.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
    )
    assert report.page.evaluate("window.ran === undefined")
    for kind in ("Connecting to", "Loading the image", "Executing inline script"):
        assert any(text.startswith(kind) and "Content Security Policy" in text for text in report.complaints), kind
    context.close()


def test_each_digit_that_is_drawn_is_read(opened: Opened) -> None:
    answers = []
    for sheet in hand(1):
        opened.draw(sheet)
        answers.append(opened.read())
    assert answers == list(range(10))


def test_handwriting_is_read_by_the_page_and_by_the_command_alike(
    opened: Opened, trained: TrainedProject, tmp_path: Path
) -> None:
    sheets = [sheet for number, sheet in enumerate(written(PEN)) if number % 5 in {0, 3}]
    assert len(sheets) == 60
    assert len({sheet.style.split(", ")[-1] for sheet in sheets}) == 5
    page, files = [], []
    for number, sheet in enumerate(sheets):
        if number % 10 == 0:  # Chromium lets a page save so many files before somebody comes back to it
            opened.page.reload()
        opened.draw_at_once(sheet)
        outputs = opened.page.eval_on_selector_all(
            ".bars .value", "bars => bars.map((bar) => parseFloat(bar.textContent))"
        )
        page.append((opened.read(), outputs))
        files.append(tmp_path / f"{number}.png")
        files[-1].write_bytes(opened.saved())
    command = json.loads(trained.mnist("predict", "--json", *files).stdout)
    expected = [sheet.digit for sheet in sheets]
    assert np.mean([digit == answer for digit, (answer, _) in zip(expected, page, strict=True)]) >= 0.95
    assert np.mean([digit == result["digit"] for digit, result in zip(expected, command, strict=True)]) >= 0.95
    for (answer, outputs), result in zip(page, command, strict=True):
        assert answer == result["digit"]
        assert np.abs(np.array(outputs) - 100 * np.array(result["outputs"])).max() < 1.5


@pytest.mark.parametrize("opened", [PHONE], indirect=True)
def test_a_finger_draws_and_does_not_scroll(opened: Opened) -> None:
    (seven,) = (sheet for sheet in hand(1) if sheet.digit == 7)
    opened.page.locator("#sheet").scroll_into_view_if_needed()
    scrolled = opened.page.evaluate("scrollY")
    touch = opened.page.context.new_cdp_session(opened.page)
    first, *rest = opened.places(seven.strokes[0])
    for kind, place in (("touchStart", first), *(("touchMove", place) for place in rest), ("touchEnd", None)):
        points = [] if place is None else [{"x": place[0], "y": place[1]}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    opened.page.wait_for_function("document.getElementById('announced').textContent !== ''")
    assert opened.read() == 7
    assert opened.page.evaluate("scrollY") == scrolled


@pytest.mark.parametrize("opened", [PHONE], indirect=True)
def test_a_second_finger_draws_nothing(opened: Opened) -> None:
    opened.page.locator("#sheet").scroll_into_view_if_needed()
    touch = opened.page.context.new_cdp_session(opened.page)

    def touches(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(opened.places(list(places)))]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touches("touchStart", (0.5, 0.2))
    touches("touchStart", (0.5, 0.2), (0.1, 0.9))
    touches("touchMove", (0.5, 0.5), (0.2, 0.9))
    touches("touchMove", (0.5, 0.8), (0.3, 0.9))
    touches("touchEnd")
    opened.page.wait_for_function("document.getElementById('announced').textContent !== ''")
    columns = np.nonzero(np.asarray(Image.open(io.BytesIO(opened.saved())).convert("L")) < 128)[1]
    assert columns.min() / columns.max() > 0.8  # one upright stroke


def test_a_tap_leaves_a_dot(opened: Opened) -> None:
    opened.draw(Written(1, [[(0.5, 0.5)]], PEN, "dot"))
    opened.read()
    picture = np.asarray(Image.open(io.BytesIO(opened.saved())).convert("L"))
    rows, columns = np.nonzero(picture < 128)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == pytest.approx((16, 16), abs=2)


def test_undo_takes_one_stroke_back_and_clear_all(opened: Opened) -> None:
    four = hand(1)[4]
    opened.draw(four)
    whole = opened.saved()
    opened.page.click("#undo")
    assert opened.saved() != whole
    opened.page.click("#undo")
    assert opened.verdict == "Write a large 0 to 9 on the sheet."
    assert all(opened.page.is_disabled(button) for button in ("#undo", "#clear", "#save"))
    opened.draw(four)
    assert opened.saved() == whole
    opened.page.click("#clear")
    assert opened.verdict == "Write a large 0 to 9 on the sheet."


def test_with_the_keyboard_alone_a_test_digit_is_chosen_and_its_reasons_looked_at(opened: Opened) -> None:
    seen = "document.getElementById('reasons').toDataURL()"
    opened.page.focus("#samples button:nth-child(4)")
    opened.page.keyboard.press("Enter")
    assert opened.read() == 3
    assert opened.page.inner_text("#announced") == opened.verdict
    for_three = opened.page.evaluate(seen)
    opened.page.focus(".bars li:nth-child(9) button")
    opened.page.keyboard.press("Space")
    assert opened.page.inner_text("#reasons-digit") == "an 8"
    assert opened.page.evaluate(seen) != for_three
    pressed = "buttons => buttons.map((button) => button.getAttribute('aria-pressed'))"
    assert opened.page.eval_on_selector_all(".bars button", pressed).index("true") == 8


def test_a_cell_of_the_confusion_matrix_shows_its_digits(opened: Opened, trained: TrainedProject) -> None:
    examples: np.ndarray = load_array(trained.root / "plots/examples.npy")
    assert examples.dtype == EXAMPLE
    shown = opened.page.evaluate("""() => [...document.querySelectorAll('#confusion button')].map((button) => {
        button.click();
        const canvases = [...document.querySelectorAll('#cell-digits canvas')];
        return {
            actual: Number(button.dataset.actual),
            predicted: Number(button.dataset.predicted),
            count: Number(button.textContent),
            title: document.getElementById('cell-title').textContent,
            numbers: canvases.map((canvas) => Number(canvas.getAttribute('aria-label').match(/\\d+/)[0])),
        };
    })""")
    assert len(shown) == len(np.unique(examples[["actual", "predicted"]]))
    for cell in shown:
        chosen = (examples["actual"] == cell["actual"]) & (examples["predicted"] == cell["predicted"])
        assert cell["numbers"] == examples["number"][chosen].tolist()
        assert len(cell["numbers"]) == min(cell["count"], 12)
        assert cell["title"].startswith(f"The {cell['actual']}, ")
    opened.page.press('#confusion [data-actual="3"][data-predicted="3"]', "Enter")
    assert opened.page.inner_text("#cell-title").startswith("The 3, read right ")


def test_hovering_over_a_curve_tells_its_values(opened: Opened, trained: TrainedProject) -> None:
    chart = opened.page.locator("#accuracy-chart svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + box["width"] - 30, box["y"] + box["height"] / 2)
    opened.page.wait_for_selector("#vg-tooltip-element.visible")
    told = opened.page.inner_text("#vg-tooltip-element").split()
    history = trained.root.joinpath("plots/history.csv").read_text().splitlines()
    epoch, _, training, _, validation, _ = history[int(told[1])].split(",")
    assert told == ["epoch", epoch, "training", f"{float(training):.2%}", "validation", f"{float(validation):.2%}"]


@pytest.mark.parametrize("width", [320, 390, 800, 1920])
def test_nothing_sticks_out_and_drawing_goes_on_after_a_resize(width: int, opened: Opened) -> None:
    opened.page.set_viewport_size({"width": width, "height": 800})
    opened.page.evaluate("new Promise(requestAnimationFrame)")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    for canvas in ("#sheet", "#loss-chart svg", "#layer canvas"):
        box = opened.page.locator(canvas).first.bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
    opened.draw(hand(1)[3])
    assert opened.read() == 3


def test_light_and_dark_follow_the_system_at_once(opened: Opened) -> None:
    opened.draw(hand(1)[2])
    answer, bright = opened.verdict, {}
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme in schemes:
        opened.page.emulate_media(color_scheme=scheme)
        picture = Image.open(io.BytesIO(opened.page.locator("#seen").screenshot())).convert("L")
        levels = np.sort(np.asarray(picture).ravel())
        bright[scheme] = np.mean(opened.colour("body", "backgroundColor")), np.median(levels)
        assert levels[-1] - levels[0] > 180
    assert bright["light"][0] > 200
    assert bright["light"][1] > 200
    assert bright["dark"][0] < 60
    assert bright["dark"][1] < 60
    assert opened.verdict == answer


def test_paper_is_white_and_has_no_buttons_to_press(opened: Opened) -> None:
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert opened.colour("body", "backgroundColor") == [255, 255, 255]
    assert not opened.page.is_visible("#draw")
    assert opened.page.is_visible("#confusion")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("opened", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)
def test_axe_finds_nothing_that_keeps_people_out(scheme: Literal["light", "dark"], opened: Opened) -> None:
    opened.page.emulate_media(color_scheme=scheme)
    opened.page.press("#samples button:nth-child(4)", "Enter")
    opened.page.press("#confusion .level-1 button >> nth=0", "Enter")
    opened.page.press("summary", "Enter")
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()


def test_without_javascript_the_results_are_there(browser: Browser, trained: TrainedProject) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(trained.report.as_uri())
    assert "of the test digits are read right" in page.inner_text("h1")
    assert page.is_visible("#confusion")
    assert not page.is_visible("#sheet")
    context.close()
