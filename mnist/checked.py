"""YAML files as typed models: every fault is reported by key, value and the values that are allowed."""

import difflib
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AllowInfNan, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from mnist.errors import MnistError
from mnist.files import read_file

# The most faults that a message lists for a file, and the most characters that it shows of a value.
_FAULTS = 30
_WIDEST = 100
# Limits of a file: its bytes, the depth of nested tables and lists, the characters of a value.
_LARGEST = 100_000
_DEEPEST = 20
_LONGEST_VALUE = 1000


class RecipeError(MnistError):
    """A YAML file that cannot be read, or a value in it that is not allowed."""


def reject_bool(value: object) -> object:
    """Reject true and false, which pydantic would take for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


Number = Annotated[float, BeforeValidator(reject_bool), AllowInfNan(False)]
Count = Annotated[int, BeforeValidator(reject_bool)]


def key_of(table: Mapping[str, object]) -> BeforeValidator:
    """Annotate text that should be a key of a table, which may get more keys later; the JSON schema lists those now."""

    def check(value: object) -> object:
        if not isinstance(value, str) or value not in table:
            raise ValueError(f"should be one of {', '.join(table)}")
        return value

    return BeforeValidator(check, json_schema_input_type=Literal[*table])


class Keys(BaseModel):
    """The keys of a file or of a group in it: all are required, no others are allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def fields(cls, prefix: str = "") -> dict[str, FieldInfo]:
        """Return all keys in order; a key in a group has the name `group.key`."""
        found: dict[str, FieldInfo] = {}
        for name, field in cls.model_fields.items():
            found[prefix + name] = field
            if isinstance(field.annotation, type) and issubclass(field.annotation, Keys):
                found |= field.annotation.fields(f"{prefix}{name}.")
        return found


class CheckedFile(Keys):
    """A file of known keys."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a file; raises as `read_yaml` and `check`."""
        return cls.check(path, read_yaml(path))

    @classmethod
    def check(cls, source: object, values: dict[str, Any]) -> Self:
        """Return the model of `values`; raises RecipeError, which names `source` and lists every fault."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = [cls._describe(fault) for fault in error.errors(include_url=False)]
            more = [f"and {len(faults) - _FAULTS} more"] if len(faults) > _FAULTS else []
            raise RecipeError("\n  ".join([f"{source}:", *faults[:_FAULTS], *more])) from None

    @classmethod
    def _describe(cls, fault: Any) -> str:
        """Describe one of pydantic's findings in a line: key, value, allowed values, meaning of the key."""
        fields, parts = cls.fields(), [str(part) for part in fault["loc"]]
        key = next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in fields), "")
        if not key and fault["type"] != "extra_forbidden":
            # A lone half of a surrogate pair.
            return f"{shorten(fault['input'])}: cannot be a key, which should be text"
        if fault["type"] == "extra_forbidden":
            alike = difflib.get_close_matches(parts[-1], [name.split(".")[-1] for name in fields], n=1)
            known = [name for name in fields if alike and name.split(".")[-1] == alike[0]]
            hint = f"; did you mean {known[0]}?" if known else ""
            return f"{_shorten_text('.'.join(parts))}: there is no such key{hint}"
        meaning = f"({key}: {fields[key].description})"
        if fault["type"] == "missing":
            return f"{key}: is missing {meaning}"
        # The rest of pydantic's location names the alternative of a type that it tried, which does not help a user.
        place = ".".join([key, *(str(part) for part in fault["loc"] if isinstance(part, int))])
        rule = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        return f"{place} = {shorten(fault['input'])}: {rule} {meaning}"


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the keys and values of a YAML file.

    Raises RecipeError if the file is missing, is too large, is not YAML, repeats a key, or does not consist of keys and
    values.
    """
    try:
        values = parse_yaml(read_file(path, _LARGEST).decode())
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except (RecipeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: should be lines of `key: value`, not {shorten(values)}")
    return {str(key): value for key, value in values.items()}


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text, read as DVC reads it, so that training uses the values that DVC records.

    Raises RecipeError if the text is not YAML or repeats a key. Anchors, aliases, tags and deep nesting raise it too:
    hyperparameters do not need them, and they can take unlimited memory and time.
    """
    depth = 0
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > _DEEPEST:
                raise RecipeError("is nested too deeply for hyperparameters")
            if isinstance(event, ScalarEvent) and len(event.value) > _LONGEST_VALUE:
                raise RecipeError(f"has a value of more than {_LONGEST_VALUE:,} characters: {shorten(event.value)}")
            if isinstance(event, NodeEvent) and (event.anchor or getattr(event, "tag", None)):
                line = event.start_mark.line + 1
                raise RecipeError(f"has an anchor, alias or tag in line {line}; write the value itself")
        return YAML(typ="safe", pure=True).load(text)
    except RecipeError:
        raise
    except MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError(f"is not YAML: {error.problem or error.context}{line}") from error
    # ruamel.yaml does not catch the errors of its constructors, which fail on an impossible date, for example.
    except Exception as error:
        raise RecipeError(f"is not YAML: {error}") from error


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with some of them changed, group by group."""
    merged = dict(values)
    for key, change in changes.items():
        both_groups = isinstance(change, dict) and isinstance(values.get(key), dict)
        merged[key] = merge(values[key], change) if both_groups else change
    return merged


def flatten(table: object) -> dict[str, Any]:
    """Return a table of values and groups as one flat table with keys like `group.key`; empty if it is no table."""
    flat: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, dict) else ():
        flat |= {f"{key}.{inner}": part for inner, part in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def shorten(value: object) -> str:
    """Return a short text for a value from a file, however large or deeply nested the value is."""
    return _shorten_text(reprlib.repr(value))


def _shorten_text(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[:_WIDEST]} ..."
