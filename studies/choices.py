"""Compare alternatives to the default recipe on validation images; the study does not open the test images.

Writes studies/results/choices.csv, and prints the table.
"""

import argparse
from pathlib import Path

from mnist.errors import plain_errors
from mnist.recipe import PARAMS, Recipe
from studies.results import markdown, save_results
from studies.runs import add_jobs, load_changes, run_all

CHOICES = Path("studies/recipes/choices.yaml")
EPOCHS = 30
SEEDS = (1, 2)


def load_choices() -> dict[str, Recipe]:
    """Return every choice by name; raises RecipeError if one is not allowed."""
    default = Recipe.load(PARAMS).changed(PARAMS, {"epochs": EPOCHS})
    return {name: default.changed(f"{CHOICES}, {name}", changes) for name, changes in load_changes(CHOICES).items()}


def main() -> None:
    """Run all choices, write their figures, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_jobs(parser)
    arguments = parser.parse_args()
    with plain_errors():
        choices = load_choices()
        runs = run_all(choices, SEEDS, arguments.jobs, test=False)
        save_results("choices", runs, choices)
        print(markdown(runs))


if __name__ == "__main__":
    main()
