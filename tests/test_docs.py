"""README, CONTRIBUTING and docs/: all links, paths, tests and commands exist, code blocks run, the site builds."""

import html.parser
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from dvc.cli.parser import get_main_parser

from docs.draw_pictures import FLOWS, STAGES, draw_graph, draw_network
from mnist import cli
from mnist.recipe import PARAMS, Recipe
from studies.results import RESULTS, Run, load_rows, summarize
from tests.helpers import ROOT
from tests.trained import TrainedProject

FIRST = ("README.md", "CONTRIBUTING.md", "data/README.md", "data/own/README.md", "benchmarks/README.md")
PAGES = [*(ROOT / name for name in FIRST), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]*)#?([^)\s]*)\)")
PATH = re.compile(r"`((?:\w[\w-]*/)+[\w./-]*|\w[\w-]*\.(?:py|yaml|md|txt|toml))`")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WRITTEN = (
    "data/",
    "models/",
    "plots/",
    "reports/",
    "metrics/",
    "dvc_plots/",
    "site/",
)  # by the stages, which git does not keep


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
    for module in re.findall(r"python -m ((?:studies|stages|benchmarks|docs|mnist|tests)[\w.]*)", text):
        file = ROOT.joinpath(*module.split("."))
        assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), module


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_default_recipe_is_as_accurate_as_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (default,) = summarize(load_rows(RESULTS / "default.csv", Run))
    row = f"{default.mean:.2f}% ± {default.deviation:.2f} | {default.seeds} | {default.seconds:.0f} s |"
    assert row in (ROOT / "README.md").read_text()


def test_every_page_and_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for _, target, _ in LINK.findall(page.read_text())}
    assert {*ROOT.glob("docs/*.md"), *ROOT.glob("docs/*.png"), *ROOT.glob("docs/*.svg")} <= shown


def test_the_pictures_are_drawn_from_the_code_and_the_pipeline() -> None:
    assert (ROOT / "docs/network.svg").read_text() == draw_network()
    assert (ROOT / "docs/pipeline.svg").read_text() == draw_graph(STAGES, FLOWS)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert STAGES.keys() == stages.keys()
    for giver, taker, _ in FLOWS:
        results = [*stages[giver]["outs"], *stages[giver].get("metrics", [])]
        assert {name for result in results for name in ([result] if isinstance(result, str) else result)} & set(
            stages[taker]["deps"]
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_in_console_blocks_can_be_typed(page: Path) -> None:
    targets = re.findall(r"^([\w ]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for language, text in BLOCK.findall(page.read_text()):
        assert language in ("console", "python"), language
        for line in re.findall(r"^\$ (.+)$", text.replace("\\\n", ""), re.MULTILINE) if language == "console" else ():
            for part in re.split(r" && ", line):
                words = shlex.split(part, comments=True)
                while re.fullmatch(r"\w+=.*", words[0]):
                    del words[0]
                check_command(words, " ".join(targets).split())


def check_command(words: list[str], targets: list[str]) -> None:
    """Parse a command of this project or of DVC, without running it; other commands must only be known."""
    match words:
        case ["make", *names]:
            assert {name for name in names if "=" not in name} <= {*targets, "setup"}, names
        case ["dvc", *arguments]:
            parsed = get_main_parser().parse_args(arguments)
            changes = [change.partition("=") for change in getattr(parsed, "set_param", None) or ()]
            for key, _, value in changes:
                check_change(key, value)
        case ["mnist", *arguments]:
            cli._parser().parse_args(arguments)  # noqa: SLF001
        case ["python" | ".venv/bin/python", "-m", module, *arguments]:
            file = ROOT.joinpath(*module.split("."))
            files = list(file.glob("*.py")) or [file.with_suffix(".py")]
            source = "".join(path.read_text() for path in files)
            assert all(f'"{word}"' in source for word in arguments if word.startswith("--")), words
        case [name, *_]:
            known = {
                ".",
                "git",
                "grep",
                "pip",
                "python3",
                "cd",
                "sed",
                "ruff",
                "mypy",
                "pytest",
                "apt",
                "dask",
                "openssl",
                "export",
            }
            assert name in known | {"for", "uv"}, words


def check_change(key: str, value: str) -> None:
    """Check each value of a key of params.yaml as the stages do; NAME stands for any."""
    for each in [value] if value.startswith("[") else value.split(","):
        if each != "NAME":
            group, _, name = key.rpartition(".")
            parsed = json.loads(each) if re.fullmatch(r"[\d.\[\],]+", each) else each
            Recipe.load(ROOT / PARAMS).changed(key, {group: {name: parsed}} if group else {name: parsed})


def test_the_python_blocks_of_all_pages_run(trained: TrainedProject) -> None:
    blocks = [
        text
        for page in PAGES
        if page.name != "from-scratch.md"  # its own test runs them, in order
        for language, text in BLOCK.findall(page.read_text())
        if language == "python"
    ]
    assert blocks
    for block in blocks:
        done = trained.run("-c", block)
        assert done.returncode == 0, block + done.stderr


class Parsed(html.parser.HTMLParser):
    """The links, the loaded files and the anchors of a page of the site."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.loaded, self.anchors = set[str](), set[str](), set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        links = self.links if tag == "a" else self.loaded
        links |= {values[name] for name in ("href", "src") if name in values}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Parsed]:
    """Build the site, without a warning, and return its pages."""
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "docs.make_site", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    return {path: Parsed(path.read_text()) for path in folder.joinpath("html").rglob("*.html")}


def test_every_link_of_the_site_leads_to_something_and_it_loads_nothing_from_the_web(site: dict[Path, Parsed]) -> None:
    for path, page in site.items():
        assert [file for file in page.loaded if urlsplit(file).scheme not in ("", "data")] == [], path
        for link in map(urlsplit, page.links | page.loaded):
            if path.name == "404.html" or link.scheme:
                continue
            target = Path(os.path.normpath(path.parent / unquote(link.path))) if link.path else path
            assert target.exists(), f"{path}: {link.geturl()}"
            if link.fragment and target.suffix == ".html":
                assert unquote(link.fragment) in site[target].anchors, f"{path}: {link.geturl()}"


def test_the_site_lists_every_page_and_documents_every_module(site: dict[Path, Parsed]) -> None:
    folder = min(site, key=lambda path: len(path.parts)).parent
    listed = {Path(os.path.normpath(folder / link)) for link in site[folder / "index.html"].links if "#" not in link}
    pages = {path.name.replace("README", "index").replace(".md", ".html") for path in ROOT.glob("docs/*.md")}
    assert {folder / "docs" / page for page in pages} <= listed
    documented = set[str]().union(*(page.anchors for page in site.values()))
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("mnist/**/[!_]*.py")}
    assert modules <= documented


def test_the_site_draws_every_formula(site: dict[Path, Parsed]) -> None:
    drawn = {path.stem: path.read_text().count("<math") for path in site if path.parent.name == "docs"}
    formulas = {
        page.stem: page.read_text().count("$$") // 2 for page in ROOT.glob("docs/*.md") if page.stem != "README"
    }
    assert {name: drawn[name] for name in formulas} == formulas
    assert formulas["from-scratch"]


def test_the_files_that_other_tools_read_fit_their_schemas() -> None:
    tools = Path(sys.executable).parent
    for schema, files in (
        ("github-workflows", sorted(ROOT.glob(".github/workflows/*.yml"))),
        ("citation-file-format", [ROOT / "CITATION.cff"]),
    ):
        command = [str(tools / "check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    subprocess.run([tools / "pre-commit", "validate-config", ROOT / ".pre-commit-config.yaml"], check=True)
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert set(container) == {"name", "image", "postCreateCommand"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
