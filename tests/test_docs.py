"""README, CONTRIBUTING and docs/: links, paths, tests and commands that exist, and a figure that was measured."""

import re
from pathlib import Path

import pytest

from studies.results import load_results, summarize
from tests.helpers import ROOT

FIRST = ("README.md", "CONTRIBUTING.md", "data/README.md", "benchmarks/README.md")
PAGES = [*(ROOT / name for name in FIRST), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]*)#?([^)\s]*)\)")
PATH = re.compile(r"`((?:\w[\w-]*/)+[\w./-]*|\w[\w-]*\.(?:py|yaml|md|txt|toml))`")
WRITTEN = ("data/", "models/", "plots/", "reports/", "metrics/", "dvc_plots/")  # by the stages, which git does not keep


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_paths_tests_and_commands_lead_to_something(page: Path) -> None:
    text = page.read_text()
    for words, target, anchor in LINK.findall(text):
        file = (page.parent / target).resolve() if target else page
        if target.startswith("http"):
            continue
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"
        for name in {*re.findall(r"\btest_\w+", words)} - {file.stem}:
            assert name in re.findall(r"def (\w+)\(", file.read_text()), target
    for path in PATH.findall(text):
        found = (ROOT / path).exists() or list(ROOT.glob(f"*/{path}")) or path.startswith(WRITTEN) or "NAME" in path
        assert found, path
    for module in re.findall(r"python -m ((?:studies|stages|benchmarks|mnist|tests)[\w.]*)", text):
        file = ROOT.joinpath(*module.split("."))
        assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), module


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_default_recipe_is_as_accurate_as_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (default,) = summarize(load_results("default"))
    row = f"{default.mean:.2f}% ± {default.deviation:.2f} | {default.seeds} | {default.seconds:.0f} s |"
    assert row in (ROOT / "README.md").read_text()


def test_every_page_and_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for _, target, _ in LINK.findall(page.read_text())}
    assert {*ROOT.glob("docs/*.md"), *ROOT.glob("docs/*.png")} <= shown
