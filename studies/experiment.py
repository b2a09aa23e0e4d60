"""A recipe as an experiment of DVC: the arguments that set its differences from params.yaml."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from mnist.checked import flatten, merge
from mnist.recipe import Recipe


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `flatten`: return a table with groups."""
    table: dict[str, Any] = {}
    for name, value in flat.items():
        group, _, key = name.rpartition(".")
        table = merge(table, {group: {key: value}} if group else {key: value})
    return table


def differences(recipe: Recipe, default: Recipe) -> dict[str, Any]:
    """Return the values in which a recipe differs from the default one, by `group.key`."""
    old = flatten(default.model_dump())
    return {name: value for name, value in flatten(recipe.model_dump()).items() if value != old[name]}


def exp_arguments(changes: dict[str, Any]) -> list[str]:
    """Return the arguments of `dvc exp run` that make these changes, by `group.key`, to params.yaml."""
    texts = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in changes.items()]
    return [word for text in texts for word in ("-S", text.replace(", ", ","))]


def exp_command(recipe: Recipe, default: Recipe) -> str:
    """Return the command that makes an experiment of a recipe."""
    return shlex.join(["dvc", "exp", "run", *exp_arguments(differences(recipe, default))])
