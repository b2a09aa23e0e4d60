"""Run recipes with several seeds, from the split of the data to the test set, and print how the accuracy varies.

The seed decides the validation images, the initial weights, the order of the images and their deformations.
"""

import argparse
from pathlib import Path

from mnist.errors import plain_errors
from mnist.recipe import Recipe
from studies.results import RESULTS, markdown, save_results
from studies.runs import add_jobs, positive, run_all


def main() -> None:
    """Read the command line, run the seeds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "recipes", type=Path, nargs="+", metavar="RECIPE", help="params.yaml, or a file of its changes (an overlay)"
    )
    parser.add_argument("--seeds", type=positive, default=10, help="number of seeds: 1, 2, ... (%(default)s)")
    parser.add_argument("--save", metavar="NAME", help=f"also write {RESULTS}/NAME.csv")
    add_jobs(parser)
    arguments = parser.parse_args()
    with plain_errors():
        recipes = {path.stem: Recipe.load_overlay(path) for path in arguments.recipes}
        runs = run_all(recipes, range(1, arguments.seeds + 1), arguments.jobs)
        print(markdown(runs))
        if arguments.save:
            save_results(arguments.save, runs, recipes)


if __name__ == "__main__":
    main()
