"""Make a static site of README.md and all that can be reached from it, and of the docstrings.

A link leads to the same file on the site and on GitHub: the pages keep their paths, and a source file or a folder that
a page links to becomes a page as well, whose name is that of the file with `.md` added.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from latex2mathml.converter import convert

from mnist.files import save

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)\s#]+)")
AS_THEY_ARE = (".md", ".png", ".svg")
PACKAGES = ("mnist.nn", "mnist.data", "mnist.reading", "mnist")


def write_pages(pages: Path) -> None:
    """Write README.md, and every file and folder that a link leads to, as pages and pictures."""
    waiting, found = [ROOT / "README.md"], set[Path]()
    while waiting:
        path = waiting.pop()
        # A link to a file that does not exist stays as it is, so that the build names it.
        if path in found or not path.exists():
            continue
        found.add(path)
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in AS_THEY_ARE[1:]:
            save({pages / name: path.read_bytes()})
            continue
        text = read_page(path)
        waiting += [Path(os.path.normpath(path.parent / link)) for link in LINK.findall(text)]
        save({pages / (name if path.suffix == ".md" else f"{name}.md"): translate(text).encode()})


def read_page(path: Path) -> str:
    """Return the Markdown of a page, of a source file as a block of code, or of a folder as a list of its files."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        text = "\n".join(f"- [{name}]({path.name}/{name})" for name in names)
    else:
        text = f"````{path.suffix[1:]}\n{path.read_text(encoding='utf-8')}````"
    return f"# `{path.relative_to(ROOT).as_posix()}`\n\n{text}\n"


def translate(text: str) -> str:
    """Return a page with its links to sources, its formulas and its hidden answers as the site needs them."""
    text = LINK.sub(lambda link: link[0] if link[0].endswith(AS_THEY_ARE) else f"{link[0].rstrip('/')}.md", text)
    # Browsers draw MathML by themselves; scripts that draw LaTeX come from the web.
    text = re.sub(r"\$\$(.+?)\$\$", lambda formula: convert(formula[1], display="block"), text)
    return text.replace("<details>", '<details markdown="1">')


def write_reference(folder: Path) -> None:
    """Write a page for each package, in which mkdocstrings fills in the docstrings of its modules."""
    for package in PACKAGES:
        modules = sorted(path.stem for path in ROOT.joinpath(*package.split(".")).glob("[!_]*.py"))
        names = "\n\n".join(f"::: {package}.{module}" for module in modules)
        save({folder / f"{package}.md": f"# {package}\n\n{names}\n".encode()})


def list_pages() -> str:
    """Return the sections of docs/README.md, each with its pages, between README.md and the reference, as TOML."""
    _, *parts = (ROOT / "docs/README.md").read_text(encoding="utf-8").split("\n## ")
    sections = {part.partition("\n")[0]: re.findall(r"^\| \[.*?\]\((.+?)\)", part, re.MULTILINE) for part in parts}
    groups = {name: [os.path.normpath(f"docs/{page}") for page in pages] for name, pages in sections.items()}
    groups["API reference"] = [f"reference/{package}.md" for package in PACKAGES]
    lines = (f'{{ "{name}" = {json.dumps(pages)} }}' for name, pages in groups.items())
    return ", ".join(['{ "Start" = "README.md" }', '{ "All pages" = "docs/README.md" }', *lines])


def main() -> None:
    """Write the pages, and let Zensical make the site of them; it fails where a link leads to nothing."""
    site = Path(sys.argv[1])
    shutil.rmtree(site, ignore_errors=True)
    write_pages(site / "pages")
    write_reference(site / "pages/reference")
    settings = (ROOT / "docs/zensical.toml").read_text(encoding="utf-8").replace("nav = []", f"nav = [{list_pages()}]")
    save({site / "zensical.toml": settings.encode()})
    build = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(site / "zensical.toml")]
    sys.exit(subprocess.run(build, cwd=ROOT, check=False).returncode)  # noqa: S603 (no input from outside)


if __name__ == "__main__":
    main()
