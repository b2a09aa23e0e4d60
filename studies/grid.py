"""Runs `dvc exp run -S` for every combination of lists: `python -m studies.grid eta=0.05,0.1 alpha=0,0.5`.

It skips experiments that already exist, and continues after a failure.
"""

import argparse
import hashlib
import itertools
import subprocess
import sys
from typing import Any

from mnist.checked import RecipeError, parse_yaml
from mnist.errors import MnistError, plain_errors
from mnist.recipe import PARAMS, Recipe
from studies.experiment import exp_arguments, nest

_TABLE = ("--no-pager", "--only-changed", "--sort-by", "validation.accuracy", "--sort-order", "desc")


def parse_combinations(texts: list[str]) -> list[dict[str, Any]]:
    """Return the changes of each experiment; raises RecipeError if an argument is not a list."""
    lists = {}
    for name, _, values in (text.partition("=") for text in texts):
        try:
            lists[name] = parse_yaml(f"[{values}]")
        except RecipeError:
            lists[name] = None
        if not lists[name]:
            raise RecipeError(f"{name}={values}: should be key=value,value")
    return [dict(zip(lists, point, strict=True)) for point in itertools.product(*lists.values())]


def run(*words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run `dvc exp`."""
    return subprocess.run([sys.executable, "-m", "dvc", "exp", *words], check=False, text=True, **options)  # noqa: S603


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m studies.grid", description=__doc__)
    parser.add_argument("lists", nargs="+", metavar="KEY=VALUE,VALUE", help="such as network.bias=true,false")
    with plain_errors():
        default, points = Recipe.load(PARAMS), parse_combinations(parser.parse_args().lists)
        recipes = [default.changed("an experiment", nest(point)).model_dump_json() for point in points]
        names = [f"grid-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}" for recipe in recipes]
        there = run("list", "--name-only", stdout=subprocess.PIPE).stdout.split()
        new = [(name, point) for name, point in zip(names, points, strict=True) if name not in there]
        # Each experiment runs in its own folder, so that the workspace does not change.
        failed = [name for name, point in new if run("run", "--temp", "--name", name, *exp_arguments(point)).returncode]
        if run("show", *_TABLE).returncode or failed:
            raise MnistError(f"{len(failed)} of {len(points)} experiments failed: {', '.join(failed)}")
