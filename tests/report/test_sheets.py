"""Sheets of small pictures: all pixels are in their places."""

import io

import numpy as np
import pytest
from PIL import Image

from report.sheets import draw_digits, draw_strip, draw_weights


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_digits_are_dark_on_light_in_rows() -> None:
    images = np.zeros((3, 784), np.uint8)
    images[2, 0] = 255  # the third image's upper left pixel
    sheet = pixels(draw_digits(images, 2, "title", ["a", "b", "c"]))
    assert sheet.shape == (34 + 4 + 2 * (84 + 20 + 4), 4 + 2 * (84 + 4), 3)
    assert sheet[:34].min() < 100  # the title
    sheet = sheet[34:]
    second_row = 4 + 84 + 20 + 4
    assert (sheet[second_row : second_row + 3, 4:7] == 0).all()
    assert (sheet[4:88, 4:88] == 255).all()
    assert sheet[88:108, 4:88].min() < 100  # the caption


def test_a_caption_wider_than_its_picture_widens_all_columns() -> None:
    captions = ["Ankle boot, not T-shirt/top", "x"]
    sheet = pixels(draw_digits(np.full((2, 784), 255, np.uint8), 2, "", captions))[34:]
    column = (sheet.shape[1] - 4) // 2
    assert column > 2 * 84
    # Each picture in the middle of its column, and paper between the captions.
    for left in (4, 4 + column):
        dark = np.flatnonzero((sheet[10, left : left + column] == 0).all(axis=1))
        assert len(dark) == 84
        assert abs(dark.mean() - (column - 5) / 2) <= 1
    assert (sheet[88:108, column : column + 4] == 255).all()


def test_weights_are_red_above_0_blue_below_and_white_at_0() -> None:
    weights = np.zeros((784, 2), np.float32)
    weights[0], weights[1] = [5, 0], [-5, 0]
    tile = pixels(draw_weights(weights, 2, ""))[38::3, 4::3].astype(int)
    (red, green, blue), (red2, _, blue2) = tile[0, 0], tile[0, 1]
    assert red > 200
    assert green == blue == 0
    assert blue2 > 200
    assert red2 == 0
    assert (tile[1:28, :28] == 255).all()


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_give_a_picture_too(count: int) -> None:
    assert pixels(draw_digits(np.zeros((count, 784), np.uint8), 8, "", ["x"] * count)).size


def test_a_title_wider_than_the_pictures_is_whole() -> None:
    sheet = pixels(draw_digits(np.zeros((1, 784), np.uint8), 1, "Training images, deformed"))
    assert (sheet[:34, -4:] == 255).all()
    assert sheet[:34, 100:].min() < 100


def test_a_strip_shows_the_paper_through_where_a_value_is_near_0() -> None:
    strengths = np.zeros((2, 784))
    strengths[1, :4] = [1, -1, 0.5, 0]
    with Image.open(io.BytesIO(draw_strip(strengths, (200, 0, 0), (0, 0, 100)))) as picture:
        strip = np.asarray(picture.convert("RGBA"))
    assert strip.shape == (56, 28, 4)
    assert strip[28, :2].tolist() == [[200, 0, 0, 255], [0, 0, 100, 255]]
    assert strip[28, 2].tolist() == [200, 0, 0, pytest.approx(128, abs=10)]
    assert strip[28, 3, 3] == 0
    assert not strip[:28, :, 3].any()
