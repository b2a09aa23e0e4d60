"""Everything that params.yaml says, as one typed model, checked as a whole before any work starts."""

import difflib
import json
import math
import reprlib
import textwrap
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError, model_validator

from mnist.errors import MnistError

BATCH_POSITIONS = 100
"""The number of positions that `normalize: min_max_by_position` tells apart: the notebook's batch size."""

DEFORMATIONS = ("rotation", "scaling", "shear", "shift", "elastic")
"""The hyperparameters that say how far training images are deformed: none of them where all are 0."""

# More faults of one file than these, or longer values than that, help nobody.
_FAULTS = 30
_WIDEST = 100


class HyperparameterError(MnistError):
    """A file of hyperparameters that cannot be read, or a value in it that is not allowed."""


def _number(value: object) -> object:
    """Read text that is a number, such as the 1e-05 that YAML 1.1 takes for text, and refuse true and false."""
    if isinstance(value, bool):
        raise ValueError("Input should be a number, not true or false")
    if isinstance(value, str):
        try:
            value = int(value) if value.isdecimal() else float(value)
        except ValueError:
            raise ValueError("Input should be a number") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("Input should be a finite number")
    return value


Number = Annotated[float, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_number)]
Width = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_number)]


class CheckedFile(BaseModel):
    """What a YAML file of known keys says, all of it checked, every fault told by key, value and what is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def load(cls, path: Path, **overrides: Any) -> Self:
        """Read and check a file, `overrides` in place of its values; raises as `read_yaml` and `check`."""
        return cls.check(path, read_yaml(path) | overrides)

    @classmethod
    def check(cls, source: object, values: dict[str, Any]) -> Self:
        """Return what `values` say.

        Raises
        ------
        HyperparameterError
            They are not all that is needed and allowed; the text names `source` and lists every fault.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = [cls._describe(fault) for fault in error.errors(include_url=False)]
            more = [f"and {len(faults) - _FAULTS} more"] if len(faults) > _FAULTS else []
            raise HyperparameterError("\n  ".join([f"{source}:", *faults[:_FAULTS], *more])) from None

    @classmethod
    def _describe(cls, fault: Any) -> str:
        """Put one of pydantic's findings into a line: key, value, what is allowed, what the key means."""
        if not fault["loc"]:
            return str(fault["ctx"]["error"])
        key = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            alike = difflib.get_close_matches(key, cls.model_fields, n=1)
            return f"{key}: there is no such key" + (f"; did you mean {alike[0]}?" if alike else "")
        meaning = f"({key}: {cls.model_fields[key].description})"
        if fault["type"] == "missing":
            return f"{key}: is missing {meaning}"
        # The rest of pydantic's place tells which alternative of a type it tried.
        place = ".".join([key, *(str(part) for part in fault["loc"][1:] if isinstance(part, int))])
        rule = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        return f"{place} = {_shorten(fault['input'])}: {rule} {meaning}"


class Hyperparameters(CheckedFile):
    """A complete recipe: what to prepare, what to build, how to train it, how to evaluate it.

    No key has a default here: what a run does stands in its params.yaml and nowhere else.
    """

    model_config = ConfigDict(title="Hyperparameters of the MNIST pipeline")

    seed: Count = Field(ge=0, lt=2**63, description="every random choice follows from this number")

    dataset: Literal["mnist", "fashion-mnist"] = Field(description="what is learnt: handwritten digits; clothes")
    validation: Count = Field(ge=0, description="training images that are held back to measure progress; 0: none")
    normalize: Literal["unit", "standardize", "min_max_by_position"] = Field(
        description="from pixels 0..255 to network inputs: 0..1; mean 0 and deviation 1; the notebook's"
    )

    hidden: list[Width] = Field(max_length=100, description="widths of the hidden layers; []: none")
    activation: Literal["sigmoid", "tanh", "relu", "sigmoid_rounded_derivative"] = Field(
        description="what follows the matrix product in each hidden layer; the last is the notebook's"
    )
    bias: StrictBool = Field(description="whether layers add a bias after the matrix product")
    initializer: Literal["lecun_normal", "he_normal", "standard_normal"] = Field(
        description="variance of the first weights: 1 / fan-in; 2 / fan-in; 1, the notebook's"
    )
    dtype: Literal["float32", "float64"] = Field(description="precision of all arithmetic")

    loss: Literal[
        "softmax_cross_entropy", "binary_cross_entropy", "squared_error", "squared_error_shown_as_cross_entropy"
    ] = Field(description="what training makes small; the last is the notebook's")
    reduction: Literal["mean", "sum"] = Field(description="eta multiplies this of the gradients of a batch")
    weight_decay: Number = Field(
        ge=0, le=1, description="the part of each weight and bias that an update takes off, times eta; 0: none"
    )
    eta: Number = Field(gt=0, description="learning rate")
    alpha: Number = Field(ge=0, lt=1, description="momentum: how much of the last update goes into the next; 0: none")
    momentum: Literal["heavy_ball", "nesterov", "last_step"] = Field(
        description="how it goes in; last_step, the notebook's, forgets all but one update"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(description="how eta falls from its first value to 0")
    epochs: Count = Field(ge=1, le=1_000_000, description="passes over the training images")
    batch_size: Count = Field(ge=1, description="images in one update")
    negligible: Number = Field(
        ge=0, lt=1, description="an image is left out of the gradient where no output's error is above this; 0: none is"
    )
    order: Literal["shuffled", "shuffled_blocks", "file"] = Field(
        description="of the training images in an epoch; by blocks, for millions of images; as in the file, the "
        "notebook's, which drops a partial last batch"
    )

    rotation: Number = Field(ge=0, le=180, description="each training image is turned by up to so many degrees; 0: off")
    scaling: Number = Field(ge=0, lt=1, description="made higher or wider by up to this fraction; 0: off")
    shear: Number = Field(ge=0, le=1, description="slanted sideways by up to this part of its height; 0: off")
    shift: Number = Field(ge=0, le=28, description="moved by up to so many pixels each way; 0: off")
    elastic: Number = Field(ge=0, le=28, description="warped: each point moves by so many pixels on average; 0: off")
    smoothness: Number = Field(gt=0, le=28, description="over how many pixels neighbouring points are warped alike")
    fading: Number = Field(
        ge=0, le=1, description="the part of rotation to elastic that is gone at the end of training; 0: none"
    )

    evaluation_images: Literal["normalized", "raw"] = Field(
        description="evaluate on images normalised as in training or, as the notebook did, on raw ones"
    )

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.normalize == "min_max_by_position" and self.batch_size % BATCH_POSITIONS:
            raise ValueError(
                f"normalize = 'min_max_by_position' tells {BATCH_POSITIONS} positions in a batch apart; batch_size "
                f"should be a multiple of {BATCH_POSITIONS}, not {self.batch_size}; or set normalize = 'unit'"
            )
        if self.normalize == "min_max_by_position" and self.deforms:
            raise ValueError(
                "normalize = 'min_max_by_position' fits only images as they are: rotation, scaling, shear, shift and "
                "elastic should be 0; or set normalize = 'unit'"
            )
        if self.loss == "squared_error_shown_as_cross_entropy" and not self.activation.startswith("sigmoid"):
            raise ValueError(
                "loss = 'squared_error_shown_as_cross_entropy' needs outputs between 0 and 1, so that activation "
                f"should be a sigmoid, not {self.activation!r}; or set loss = 'squared_error'"
            )
        return self

    @property
    def deforms(self) -> bool:
        """Whether training images are deformed at all."""
        return any(getattr(self, name) for name in DEFORMATIONS)

    def check_fits(self, images: int) -> None:
        """Refuse, with a HyperparameterError, what a file of that many training images is too small for."""
        if self.validation >= images:
            raise HyperparameterError(
                f"validation = {self.validation}: should leave some of the {images} training images to train on"
            )
        if self.batch_size > images - self.validation:
            raise HyperparameterError(
                f"batch_size = {self.batch_size}: should be at most {images - self.validation}, the training images "
                f"that validation = {self.validation} leaves"
            )


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but that a key may stand in a table once only, where PyYAML keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for name, count in names.items():
            if count > 1:
                raise yaml.YAMLError(f"{_shorten(name)} is there {count} times; keep one")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the lines of `key: value` that a YAML file holds.

    Raises
    ------
    HyperparameterError
        The file is missing, is not YAML, has a key twice, or holds something else.
    """
    try:
        values = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 (a safe one)
    except OSError as error:
        raise HyperparameterError(f"{path}: cannot be read: {error.strerror}") from error
    except RecursionError:
        raise HyperparameterError(f"{path}: nested too deeply to be a file of hyperparameters") from None
    # PyYAML lets through what its constructors raise: for dates that no calendar has, for `!!bool x`, and so on.
    except Exception as error:
        raise HyperparameterError(f"{path}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise HyperparameterError(f"{path}: should be lines of `key: value`, not {_shorten(values)}")
    return {str(key): value for key, value in values.items()}


def _shorten(value: object) -> str:
    """Show a value from a file in a bounded space, however large or nested it is."""
    return textwrap.shorten(reprlib.repr(value), _WIDEST, placeholder=" ...")


if __name__ == "__main__":
    print(json.dumps(Hyperparameters.model_json_schema(), indent=2))
