"""Draw the pictures of README.md and from-scratch.md: the pipeline, a network of three units, the pixels of a digit."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mnist.data.dataset import SIDE, read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS
from mnist.files import save
from mnist.nn import Network, relu, sigmoid
from mnist.nn.arrays import FloatArray
from stages.pipeline import RAW

DOCS = Path("docs")

# Column and row of each stage; an arrow with its label for each kind of file that one stage hands to another.
STAGES = {
    "download": (0, 1),
    "prepare": (1, 0),
    "train": (2, 0),
    "evaluate": (3, 1),
    "plots_page": (3, 2),
    "report": (4, 1),
}
FLOWS = [
    ("download", "prepare", "training images"),
    ("download", "evaluate", "test images"),
    ("prepare", "train", "data/prepared.npz"),
    ("train", "evaluate", "models/"),
    ("evaluate", "report", "metrics/, plots/"),
    ("plots_page", "report", "chart scripts"),
]


def draw_graph(nodes: Mapping[str, tuple[float, float]], edges: list[tuple[str, str, str]], along: float = 0.5) -> str:
    """Return an SVG picture of boxes at some columns and rows, and of arrows with a label at a part of their way."""
    size = np.array([110, 34])
    centres = {name: np.array([225 * column + 65, 76 * row + 30]) for name, (column, row) in nodes.items()}
    arrows, labels, boxes = [], [], []
    for start, end, label in edges:
        way = centres[end] - centres[start]
        # The part of the way that lies inside a box.
        inside = (size / 2 / np.maximum(np.abs(way), 1)).min()
        (x1, y1), (x2, y2) = centres[start] + inside * way, centres[end] - inside * way
        arrows.append(f'<path d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}" stroke="#5b6b7b" marker-end="url(#arrow)"/>')
        x, y = x1 + along * (x2 - x1), y1 + along * (y2 - y1)
        labels.append(f'<text x="{x:.0f}" y="{y:.0f}" class="label">{label}</text>')
    for name, (x, y) in centres.items():
        corner = f'x="{x - size[0] / 2:.0f}" y="{y - size[1] / 2:.0f}" width="{size[0]}" height="{size[1]}"'
        boxes.append(f'<rect {corner} rx="6" fill="#dbe9f6" stroke="#5b6b7b"/><text x="{x}" y="{y}">{name}</text>')
    right, bottom = np.max(list(centres.values()), axis=0)
    marker = (
        '<marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#5b6b7b"/></marker>'
    )
    return make_svg(right + 65, bottom + 30, [marker, *arrows, *labels, *boxes])


def make_svg(width: float, height: float, parts: list[str]) -> str:
    """Return an SVG file on white, with centred text."""
    style = (
        "text{font:13px sans-serif;text-anchor:middle;dominant-baseline:central;fill:#1c2733}"
        ".label{font-size:11px;paint-order:stroke;stroke:white;stroke-width:4px}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">'
        f'<style>{style}</style><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def draw_network() -> str:
    """Return the picture of the network of section 1, with its weights, and its activations for the inputs 1, 2, 3."""
    network = Network((3, 2, 1), relu, sigmoid, dtype="float64")
    network.weights[0][:] = [[1, -1], [-1, 0], [1, -1]]
    network.weights[1][:] = [[1], [2]]
    inputs = np.array([[1.0, 2.0, 3.0]])
    hidden = network.forward(inputs)[1]
    layers = [
        [f"input {value:.0f}" for value in inputs[0]],
        [f"{place} relu: {value:.0f}" for place, value in zip(("first", "second"), hidden[0], strict=True)],
        [f"sigmoid: {network(inputs)[0, 0]:.3f}"],
    ]
    nodes = {
        name: (column, row + (3 - len(layer)) / 2)
        for column, layer in enumerate(layers)
        for row, name in enumerate(layer)
    }
    edges = [
        (layers[index][i], layers[index + 1][j], f"{weight:.0f}")
        for index, weights in enumerate(network.weights)
        for (i, j), weight in np.ndenumerate(weights)
    ]
    return draw_graph(nodes, edges, along=0.2)


def draw_digit(image: FloatArray) -> str:
    """Return the picture of a digit of shape (28, 28), with the value of each pixel that has ink."""
    size = 22
    parts = []
    for (row, column), value in np.ndenumerate(image):
        x, y = column * size, row * size
        if value:
            shade, text = 255 - value, "white" if value > 127 else "black"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{size}" height="{size}" fill="rgb({shade},{shade},{shade})"/>'
                f'<text x="{x + size / 2}" y="{y + size / 2}" style="font-size:9px;fill:{text}">{value}</text>'
            )
    lines = "".join(f"M0 {i * size}H{SIDE * size}M{i * size} 0V{SIDE * size}" for i in range(SIDE + 1))
    parts.append(f'<path d="{lines}" stroke="#d5dbe1" stroke-width="0.5"/>')
    return make_svg(SIDE * size, SIDE * size, parts)


def main() -> None:
    """Write the three pictures; the digit is the first one of the training images."""
    digits = read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
    pictures = {
        "pipeline": draw_graph(STAGES, FLOWS),
        "network": draw_network(),
        "digit": draw_digit(digits.images[0].reshape(SIDE, SIDE)),
    }
    save({DOCS / f"{name}.svg": picture.encode() for name, picture in pictures.items()})


if __name__ == "__main__":
    main()
