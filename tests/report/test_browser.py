"""The report in a real browser, as people use it."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, ViewportSize

from mnist.data.dataset import load_prepared
from mnist.examples import EXAMPLE, worst_mistakes
from mnist.files import load_array
from report.prototypes import choose_prototypes
from stages.evaluate import evaluate
from stages.plots_page import plots_page
from stages.report import PROTOTYPES, report
from studies.handwriting import Written, written
from tests.helpers import distances
from tests.report.opened import DESKTOP, NEEDS_CHROMIUM, PEN, PHONE, Opened, hand
from tests.trained import TrainedProject

pytestmark = NEEDS_CHROMIUM

INVITATION = "Write a large 0 to 9 on the sheet."


@pytest.fixture(scope="module")
def reported(trained: TrainedProject) -> TrainedProject:
    trained.call(evaluate, plots_page, report)
    return trained


@pytest.fixture(scope="module")
def tab(browser: Browser, reported: TrainedProject) -> Iterator[Opened]:
    with closing(browser.new_context(viewport=DESKTOP)) as context:
        yield Opened(context, reported.workspace.report)


@pytest.fixture
def opened(tab: Opened) -> Iterator[Opened]:
    """Return the report in a tab that the tests share: opening it takes longer than most tests."""
    yield tab
    tab.check_silence()
    tab.page.set_viewport_size(DESKTOP)
    tab.page.emulate_media(media="screen", color_scheme="light")
    tab.page.evaluate("history.replaceState(null, '', location.pathname)")
    tab.page.evaluate("document.getElementById('clear').disabled = false; document.getElementById('clear').click()")


def dark_pixels(picture: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of the ink in a PNG."""
    rows, columns = np.nonzero(np.asarray(Image.open(io.BytesIO(picture)).convert("L")) < 128)
    return rows, columns


def test_the_page_opens_without_other_files(opened: Opened, reported: TrainedProject) -> None:
    opened.check_silence()
    assert reported.workspace.report.stat().st_size < 2_500_000
    assert opened.page.title().endswith("% of the test digits read correctly")
    assert opened.verdict == INVITATION


def test_the_policy_blocks_all_requests_and_all_other_scripts(opened: Opened) -> None:
    refused = "fetch('http://127.0.0.1:9/').then(() => 'allowed', (error) => error.name)"
    assert opened.page.evaluate(refused) == "TypeError"
    opened.page.evaluate("""() => {
        const image = Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'});
        const script = Object.assign(document.createElement('script'), {textContent: 'window.ran = true'});
        document.body.append(image, script);
        image.remove();
        script.remove();
    }""")
    assert opened.page.evaluate("window.ran === undefined")
    for kind in ("Connecting to", "Loading the image", "Executing inline script"):
        assert any(text.startswith(kind) and "Content Security Policy" in text for text in opened.complaints), kind
    opened.complaints.clear()
    opened.requests.clear()


def test_the_page_and_the_command_read_handwriting_alike(
    opened: Opened, reported: TrainedProject, tmp_path: Path
) -> None:
    sheets = written(PEN)[::7]
    assert {sheet.digit for sheet in sheets} == set(range(10))
    assert len({sheet.style.split(", ")[-1] for sheet in sheets}) == 5
    answers = [opened.draw_at_once(sheet) for sheet in sheets]
    assert np.mean([sheet.digit == answer.digit for sheet, answer in zip(sheets, answers, strict=True)]) >= 0.95
    files = [tmp_path / f"{number}.png" for number in range(len(answers))]
    for file, answer in zip(files, answers, strict=True):
        file.write_bytes(answer.picture)
    command = json.loads(reported.mnist("predict", "--json", *files).stdout)
    for answer, result in zip(answers, command, strict=True):
        assert answer.digit == result["digit"]
        assert np.abs(np.array(answer.probabilities) - 100 * np.array(result["probabilities"])).max() < 1.5


SHEET = "document.getElementById('sheet').toDataURL()"
# The sheet as 28 x 28 pixels: the opacity of each cell of 10 x 10 pixels.
INPUT = """(() => {
    const { data } = document.getElementById("sheet").getContext("2d").getImageData(0, 0, 280, 280);
    const sums = Array(784).fill(0);
    for (let index = 0; index < 280 * 280; index++)
        sums[28 * Math.floor(index / 2800) + Math.floor(index % 280 / 10)] += data[4 * index + 3];
    return sums.map((sum) => Math.round(sum / 100));
})()"""


def test_with_the_mouse_strokes_are_drawn_undone_and_saved(opened: Opened) -> None:
    four = hand(1)[4]
    opened.draw(four)
    assert opened.digit == 4
    assert opened.page.inner_text("#announced") == opened.verdict
    assert opened.saved() == opened.draw_at_once(four).picture
    whole = opened.page.evaluate(SHEET)
    opened.page.click("#undo")
    assert opened.page.evaluate(SHEET) != whole
    opened.page.click("#undo")
    assert opened.verdict == INVITATION
    assert all(opened.page.is_disabled(button) for button in ("#clear", "#save", ".bars button >> nth=0"))
    opened.page.click("#redo")
    opened.page.click("#redo")
    assert opened.page.evaluate(SHEET) == whole
    assert opened.page.is_disabled("#redo")
    opened.draw(Written(1, [[(0.5, 0.5)]], PEN, "dot"))
    rows, columns = dark_pixels(opened.saved())
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == pytest.approx((16, 16), abs=2)
    opened.page.click("#clear")
    assert opened.verdict == INVITATION


def test_at_first_there_is_nothing_to_undo_to_clear_or_to_explain(browser: Browser, reported: TrainedProject) -> None:
    with closing(browser.new_context(viewport=DESKTOP)) as context:
        page = Opened(context, reported.workspace.report).page
        for button in ("#undo", "#redo", "#clear", "#save", ".bars button >> nth=0"):
            assert page.is_disabled(button)
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+Shift+Z")
        assert page.inner_text("#verdict") == INVITATION
        assert not page.is_visible("#why")


def test_a_drawing_survives_clear_and_chosen_images_and_comes_back_by_keys(opened: Opened) -> None:
    opened.draw_at_once(hand(1)[4])
    drawn = opened.page.evaluate(SHEET)
    opened.page.click("#clear")
    empty = opened.page.evaluate(SHEET)
    opened.page.click("#samples button:nth-child(8)")
    opened.page.click("#mistakes button >> nth=0")
    opened.page.click("#try")
    tried = opened.page.evaluate(SHEET)
    for _ in range(3):
        opened.page.keyboard.press("Control+z")
    assert opened.page.evaluate(SHEET) == empty
    opened.page.keyboard.press("Meta+z")
    assert opened.page.evaluate(SHEET) == drawn
    assert opened.digit == 4
    for _ in range(2):
        opened.page.keyboard.press("Control+Shift+Z")
        opened.page.keyboard.press("Control+y")
    assert opened.page.evaluate(SHEET) == tried
    opened.page.keyboard.press("Control+y")
    assert opened.page.evaluate(SHEET) == tried
    opened.draw_at_once(hand(1)[7])
    assert opened.page.is_disabled("#redo")


def test_strokes_over_a_test_image_are_added_to_it(opened: Opened) -> None:
    opened.page.click("#samples button:nth-child(2)")
    before = np.array(opened.page.evaluate(INPUT))
    saved = np.asarray(Image.open(io.BytesIO(opened.saved())).convert("L"))
    assert (saved == 255 - before.reshape(28, 28).repeat(10, axis=0).repeat(10, axis=1)).all()
    opened.page.locator("#sheet").scroll_into_view_if_needed()
    (place,) = opened.places([(0.1, 0.1)])
    opened.page.mouse.move(*place)
    opened.page.mouse.down()
    opened.page.mouse.up()
    after = np.array(opened.page.evaluate(INPUT))
    assert np.flatnonzero(after > before).tolist() == [28 * y + x for y in (2, 3) for x in (2, 3)]
    assert opened.page.inner_text("#origin").endswith(", with your strokes.")
    opened.page.click("#undo")
    assert opened.page.evaluate(INPUT) == before.tolist()


def test_one_finger_draws_and_does_not_scroll_and_a_second_draws_nothing(
    browser: Browser, reported: TrainedProject
) -> None:
    with closing(browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)) as context:
        phone = Opened(context, reported.workspace.report)
        phone.page.locator("#sheet").scroll_into_view_if_needed()
        scrolled = phone.page.evaluate("scrollY")
        touch = context.new_cdp_session(phone.page)

        def touches(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(phone.places(list(places)))]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            # The browser merges the moves of a frame, and the moves before the finger is lifted.
            phone.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

        def lift() -> None:
            touches("touchEnd")
            phone.page.wait_for_function("document.getElementById('announced').textContent !== ''")

        (stroke,) = hand(1)[7].strokes
        touches("touchStart", stroke[0])
        for place in stroke[1:]:
            touches("touchMove", place)
        lift()
        assert phone.digit == 7
        assert phone.page.evaluate("scrollY") == scrolled

        phone.page.tap("#clear")
        phone.page.wait_for_function("document.getElementById('clear').disabled")
        phone.page.wait_for_timeout(1000)  # a touch soon after a tap is a double tap, which zooms
        phone.page.evaluate("document.getElementById('announced').textContent = ''")
        touches("touchStart", (0.5, 0.2))
        touches("touchStart", (0.5, 0.2), (0.1, 0.9))
        touches("touchMove", (0.5, 0.5), (0.2, 0.9))
        touches("touchMove", (0.5, 0.8), (0.3, 0.9))
        lift()
        _, columns = dark_pixels(phone.saved())
        assert columns.min() / columns.max() > 0.8  # one upright stroke
        phone.check_silence()


def test_the_keyboard_alone_chooses_a_test_digit_and_a_class_to_compare_with(opened: Opened) -> None:
    reasons = "document.getElementById('reasons').toDataURL()"
    opened.page.focus("#samples button:nth-child(4)")
    opened.page.keyboard.press("Enter")
    assert opened.digit == 3
    assert opened.page.inner_text("#announced") == opened.verdict
    at_first = opened.page.evaluate(reasons)
    for number, digit in ((9, "an 8"), (1, "a 0")):
        opened.page.focus(f".bars li:nth-child({number}) button")
        opened.page.keyboard.press("Space")
        assert opened.page.inner_text("#announced") == f"Why a 3, and not {digit}?"
    assert opened.page.evaluate(reasons) != at_first
    pressed = "buttons => buttons.map((button) => button.getAttribute('aria-pressed'))"
    assert opened.page.eval_on_selector_all(".bars button", pressed).index("true") == 0


def test_the_visitor_says_what_a_drawing_was(opened: Opened) -> None:
    opened.draw_at_once(hand(1)[4])
    assert opened.page.inner_text("#origin") == "Was it another one? Choose what it was."
    opened.page.click(".bars li:nth-child(10) button")
    assert opened.page.inner_text("#why-title") == "Why a 4, and not a 9?"
    assert opened.page.inner_text("#origin") == "You say that it was a 9."
    # The class that the visitor has chosen stays while the drawing grows.
    opened.page.evaluate("document.getElementById('undo').click()")
    opened.page.evaluate("document.getElementById('redo').click()")
    assert opened.page.inner_text("#why-title") == "Why a 4, and not a 9?"
    opened.draw_at_once(Written(0, [[(0, 0.5), (1, 0.5)], [(0.5, 0), (0.5, 1)], [(0, 0), (1, 1)]], PEN, "a star"))
    assert opened.verdict.startswith("This does not look like a digit")
    assert opened.page.inner_text("#origin") == "The bars assume that it is one of these. Choose what it was."


def test_of_several_digits_the_visitor_chooses_the_one_to_explain(opened: Opened) -> None:
    four, two = ([[(x / 2, y / 2 + 0.25) for x, y in stroke] for stroke in hand(1)[digit].strokes] for digit in (4, 2))
    opened.draw(Written(4, four, PEN, "a 4"))
    assert not opened.page.is_visible("#parts")
    opened.draw(Written(42, four + [[(x + 0.5, y) for x, y in stroke] for stroke in two], PEN, "42"))
    assert opened.verdict.startswith("42: a 4 (")
    for number, digit in ((2, "a 2"), (1, "a 4")):
        opened.page.focus(f"#part-buttons button:nth-child({number})")
        opened.page.keyboard.press("Enter")
        assert opened.page.evaluate("document.activeElement.ariaPressed") == "true"
        title = opened.page.inner_text("#why-title")
        assert title.startswith(f"Why {digit}, and not ")
        assert opened.page.inner_text("#announced") == title
        assert opened.page.inner_text(".bars .best").split()[0] == digit[-1]
    opened.page.click("#clear")
    assert not opened.page.is_visible("#parts")


def test_a_misread_test_digit_is_explained_in_three_clicks(opened: Opened, reported: TrainedProject) -> None:
    examples, model = load_array(reported.workspace.examples, EXAMPLE), reported.model
    training = load_prepared(reported.workspace.prepared).training
    example = worst_mistakes(examples, 1)[0]
    actual, read = int(example["actual"]), int(example["predicted"])
    opened.page.click(f'#confusion [data-actual="{actual}"][data-predicted="{read}"]')
    misread = opened.page.locator(f"#cell-digits button:has([aria-label^='Test image {example['number']},'])")
    misread.click()
    assert opened.page.evaluate(INPUT) == example["image"].tolist()
    assert opened.page.evaluate("document.getElementById('draw').getBoundingClientRect().top") == pytest.approx(
        0, abs=2
    )
    assert opened.digit == read
    assert str(example["number"]) in opened.page.inner_text("#origin")
    title = opened.page.inner_text("#why-title")
    assert re.findall(r"\d", title) == [str(read), str(actual)]
    opened.page.go_back()
    in_sight = "(button) => button.getBoundingClientRect().top >= 0 && button.getBoundingClientRect().top < innerHeight"
    opened.page.wait_for_function(in_sight, arg=misread.element_handle())

    shown = opened.page.locator("#nearest figcaption").all_inner_texts()
    prototypes = choose_prototypes(training, PROTOTYPES // 10)
    for place, digit in ((0, read), (3, actual)):
        expected = np.sort(distances(example["image"][None], prototypes.images[prototypes.labels == digit])[0])[:3]
        assert shown[place : place + 3] == [f"{distance:.2f}" for distance in expected]

    opened.page.click("#try")
    assert opened.digit == actual
    changed = np.array(opened.page.evaluate(INPUT), np.uint8)
    assert model(changed[None]).argmax() == actual
    assert 0 < np.count_nonzero(changed != example["image"]) < 200


def test_on_a_phone_three_taps_lead_to_the_explanation(opened: Opened) -> None:
    opened.page.set_viewport_size(PHONE)
    opened.page.click("#confusion .level-1 button >> nth=0")
    opened.page.click("#cell-digits button >> nth=0")
    opened.page.click("#to-why")
    verdict, why = (opened.page.locator(place).bounding_box() for place in ("#verdict", "#why"))
    assert verdict is not None
    assert why is not None
    assert why["y"] == pytest.approx(verdict["y"] + verdict["height"], abs=2)


def test_hard_samples_begin_with_those_that_are_misread(opened: Opened, reported: TrainedProject) -> None:
    examples = load_array(reported.workspace.examples, EXAMPLE)
    for digit in range(10):
        own = examples[examples["actual"] == digit]
        hardest = own[np.argsort(own["probability_of_actual"], kind="stable")[:2]]
        for example in hardest:
            opened.page.evaluate(f"document.querySelectorAll('#hard-samples button')[{digit}].click()")
            assert opened.page.evaluate(INPUT) == example["image"].tolist()
            assert opened.digit == example["predicted"]


def test_the_page_shows_the_test_digits_of_each_cell_and_the_worst_mistakes(
    opened: Opened, reported: TrainedProject
) -> None:
    examples = load_array(reported.workspace.examples, EXAMPLE)
    numbers = """(selector) => [...document.querySelectorAll(selector)].map((canvas) =>
        Number(canvas.getAttribute('aria-label').match(/\\d+/)[0]))"""
    cells = opened.page.evaluate(f"""() => [...document.querySelectorAll('#confusion button')].map((button) => {{
        button.click();
        return {{
            ...button.dataset,
            count: Number(button.textContent),
            title: document.getElementById('cell-title').textContent,
            numbers: ({numbers})('#cell-digits canvas'),
        }};
    }})""")
    assert len(cells) == len(np.unique(examples[["actual", "predicted"]]))
    for cell in cells:
        chosen = (examples["actual"] == int(cell["actual"])) & (examples["predicted"] == int(cell["predicted"]))
        assert cell["numbers"] == examples["number"][chosen].tolist()
        assert len(cell["numbers"]) == min(cell["count"], 12)
        assert cell["title"].startswith(f"The {cell['actual']}, read ")
    opened.page.press('#confusion [data-actual="3"][data-predicted="3"]', "Enter")
    assert opened.page.inner_text("#cell-title").startswith("The 3, read correctly ")
    worst = worst_mistakes(examples, 24)
    assert opened.page.evaluate(numbers, "#mistakes canvas") == worst["number"].tolist()
    columns = ["actual", "predicted", "probability", "probability_of_actual"]
    actual, predicted, probability, missed = worst[columns][0].tolist()
    assert opened.page.inner_text("#mistakes figcaption >> nth=0") == (
        f"{actual}, not {predicted}\n{predicted}:\xa0{100 * probability:.1f}%, {actual}:\xa0{100 * missed:.1f}%"
    )


def test_hovering_over_a_curve_shows_its_values(opened: Opened, reported: TrainedProject) -> None:
    chart = opened.page.locator("#accuracy-chart svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + box["width"] - 30, box["y"] + box["height"] / 2)
    opened.page.wait_for_selector("#vg-tooltip-element.visible")
    shown = opened.page.inner_text("#vg-tooltip-element").split()
    history = reported.workspace.history.read_text().splitlines()
    epoch, _, training, _, validation, _ = history[int(shown[1])].split(",")
    assert shown == ["epoch", epoch, "training", f"{float(training):.2%}", "validation", f"{float(validation):.2%}"]


def test_the_page_fits_every_width_and_can_be_drawn_on(opened: Opened) -> None:
    for width in (320, 390, 800, 1920):
        opened.page.set_viewport_size({"width": width, "height": 800})
        opened.page.evaluate("new Promise(requestAnimationFrame)")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        for canvas in ("#sheet", "#loss-chart svg", ".units svg"):
            box = opened.page.locator(canvas).first.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= width
        assert opened.draw_at_once(hand(1)[3]).digit == 3


def test_light_and_dark_follow_the_system_at_once_and_paper_is_white(opened: Opened) -> None:
    opened.draw_at_once(hand(1)[2])
    answer, bright = opened.verdict, {}
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme in schemes:
        opened.page.emulate_media(color_scheme=scheme)
        picture = Image.open(io.BytesIO(opened.page.locator("#seen").screenshot())).convert("L")
        levels = np.sort(np.asarray(picture).ravel())
        bright[scheme] = np.mean(opened.colour("body", "backgroundColor")), np.median(levels)
        assert levels[-1] - levels[0] > 180
    assert min(bright["light"]) > 200
    assert max(bright["dark"]) < 60
    assert opened.verdict == answer
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert opened.colour("body", "backgroundColor") == [255, 255, 255]
    assert not opened.page.is_visible("#draw")
    assert opened.page.is_visible("#confusion")


def test_on_a_phone_the_answer_is_visible_while_drawing_and_the_sheet_does_not_move(opened: Opened) -> None:
    opened.page.set_viewport_size(PHONE)
    sheet, verdict = opened.page.locator("#sheet"), opened.page.locator("#verdict")
    places = []
    for text in (INVITATION, "An answer " * 6):
        opened.page.evaluate("(text) => { document.getElementById('verdict').textContent = text }", text)
        # Scroll the sheet as far down, then as far up, as possible with all of it visible.
        for block in ("start", "end"):
            sheet.evaluate("(sheet, block) => sheet.scrollIntoView({block})", block)
            box, place = verdict.bounding_box(), sheet.bounding_box()
            assert box is not None
            assert place is not None
            assert 0 <= box["y"] < box["y"] + box["height"] <= PHONE["height"]
            places.append(place["y"] + opened.page.evaluate("scrollY"))
    assert len(set(places)) == 1


def test_no_printed_page_ends_with_a_heading(opened: Opened) -> None:
    opened.page.emulate_media(media="print")
    kept = "elements => elements.map((element) => getComputedStyle(element).breakAfter)"
    for selector in ("h2", "h2 + p"):
        assert set(opened.page.eval_on_selector_all(selector, kept)) == {"avoid"}


# Contrast depends on the colour scheme, and layout on the width; combining both would find nothing more.
@pytest.mark.parametrize(("scheme", "device"), [("light", DESKTOP), ("dark", PHONE)], ids=["light", "dark"])
def test_axe_finds_no_barrier(scheme: Literal["light", "dark"], device: ViewportSize, opened: Opened) -> None:
    opened.page.set_viewport_size(device)
    opened.page.emulate_media(color_scheme=scheme)
    opened.page.press("#hard-samples button:nth-child(4)", "Enter")
    opened.page.press("#confusion .level-1 button >> nth=0", "Enter")
    opened.page.evaluate("document.querySelector('details').open = true")
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()


def test_without_javascript_the_results_are_there(browser: Browser, reported: TrainedProject) -> None:
    with closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(reported.workspace.report.as_uri())
        assert "of the test digits are read correctly" in page.inner_text("h1")
        for shown in (
            "#confusion",
            "#loss-chart polyline",
            "#reliability-chart circle >> nth=0",
            "noscript .tiles svg",
            ".units svg",
            ".deformed svg",
        ):
            assert page.is_visible(shown), shown
        assert re.fullmatch(
            r"\d, not (\d)\n\1:\xa0\d+\.\d%, \d:\xa0\d+\.\d%", page.inner_text("noscript figcaption >> nth=0")
        )
        for hidden in ("#sheet", "#confusion-title + p .choose"):
            assert not page.is_visible(hidden)
