"""docs/template.md: a script types its commands, and the smaller project runs and passes tests of its own."""

import json
import re
import sys
from pathlib import Path

from PIL import Image

from tests.helpers import ROOT, random_digits
from tests.pipeline.clone import Clone

CLASSES = ("ant", "bee", "cat", "dog")


def test_the_page_leads_to_a_smaller_project_that_runs_and_passes_its_tests(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "mine", tmp_path / "site")
    clone.root.mkdir()
    clone.copy_project()
    (clone.root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    clone.commit()
    digits = random_digits(600)
    for number, (image, label) in enumerate(zip(digits.images, digits.labels, strict=True)):
        # Bars far apart, which deformations do not mix up.
        if label % 3 == 0:
            path = clone.root / "data/own/train" / CLASSES[label // 3] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.reshape(28, 28)).save(path)

    commands = re.findall(r"^\$ (.+?)(?: {2,}#.*)?$", (ROOT / "docs/template.md").read_text(), re.MULTILINE)
    assert len(commands) == 14
    for command in commands:
        if command == "make record":
            # What it runs, in the environment that is there.
            for line in ("dvc repro", "python -m stages.baseline", "dvc repro"):
                clone.run(*line.split())
        elif command != "make test":
            clone.run("sh", "-ec", command)

    scores = json.loads(clone.read("metrics/scores.json"))["test"]
    assert scores["classes"] == list(CLASSES)
    assert scores["accuracy"] > 0.6
    assert clone.run("git", "status", "--porcelain") == ""
    # The rest of its tests are those of this project; these look at the project as it is now.
    for check in ("ruff format --check", "ruff check"):
        clone.run(*check.split())
    own_tests = (
        "tests/test_structure.py",
        "tests/test_own.py",
        "tests/test_examples.py",
        "tests/data/test_published.py",
    )
    clone.run(sys.executable, "-m", "pytest", "-q", "-n0", *own_tests)
