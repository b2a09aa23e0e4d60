"""The page of `dvc plots show`, in a real browser."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dvc_render.html import render_html
from dvc_render.vega import VegaRenderer
from playwright.sync_api import Browser, Page

from report.charts import bundle_scripts
from tests.helpers import ROOT
from tests.report.opened import NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Return the page that DVC writes for a curve of 200 epochs, and for 97 images read as 3 classes, 7 wrongly."""
    root = tmp_path_factory.mktemp("plots")
    history = [{"rev": "workspace", "epoch": str(epoch), "loss": str(1 / epoch)} for epoch in range(1, 201)]
    counts = {("0", "0"): 50, ("1", "1"): 40, ("0", "1"): 1, ("1", "2"): 6}
    predictions = [
        {"rev": "workspace", "actual": actual, "predicted": predicted}
        for (actual, predicted), count in counts.items()
        for _ in range(count)
    ]
    matrix = {"template": "mistakes", "template_dir": ROOT / ".dvc/plots", "x": "predicted", "y": "actual"}
    charts = [
        VegaRenderer(history, "Loss", x="epoch", y="loss"),
        VegaRenderer(predictions, "Matrix", title="Confusion matrix", **matrix),
    ]
    (root / "plots").mkdir()
    (root / "plots/vega.js").write_text(bundle_scripts())
    written = Path(render_html(charts, root / "dvc_plots/index.html", html_template=ROOT / "report/plots.html"))
    with closing(browser.new_context(color_scheme="dark")) as context:
        page = context.new_page()
        page.goto(written.as_uri())
        page.wait_for_selector("#Matrix svg")
        yield page


def test_the_confusion_matrix_colours_mistakes_and_leaves_out_the_others(page: Page) -> None:
    cells = page.locator("#Matrix .layer_0_marks path, #Matrix .child_layer_0_marks path")
    colours = {cell.get_attribute("aria-label"): cell.get_attribute("fill") for cell in cells.all()}
    assert len(colours) == 2
    assert len(set(colours.values())) == 2
    shown = set(page.locator("#Matrix .mark-text.role-mark text").all_text_contents())
    assert shown == {"50", "40", "1", "6"}


def test_labels_of_an_axis_do_not_touch(page: Page) -> None:
    boxes = [label.bounding_box() for label in page.locator("#Loss .role-axis-label >> nth=0").locator("text").all()]
    places = sorted((box["x"], box["x"] + box["width"]) for box in boxes if box and box["width"])
    assert len(places) > 3
    assert all(right + 4 < left for (_, right), (left, _) in itertools.pairwise(places))


def test_text_is_light_on_a_dark_page(page: Page) -> None:
    for selector in ("body", "#Matrix .role-title-text text", "#Loss .role-axis-label text >> nth=0"):
        element = page.locator(selector).first
        name = "color" if selector == "body" else "fill"
        assert element.evaluate("(element, name) => getComputedStyle(element)[name]", name) == "rgb(232, 234, 238)"
