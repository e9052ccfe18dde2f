# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint file holds, key by key, and the check that its parts make sense and belong together.

A digest says that a file is whole, not that it makes sense. `checkpoint_keys.py` beside this makes a value of what
passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from boxwright.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "checkpoint"
MOST_NAMES, LONGEST_NAMES = 100_000, 16 << 20  # classes, and characters of all their names: as in a data set
MOST_EPOCHS = 1 << 31
MOST_RANKS = 1 << 14  # processes of one training
MOST_SHOWN = 60  # characters of a value that an error repeats
# What an optimizer has to remember of a parameter that it has moved.
MEMORY: dict[str, frozenset[str]] = {
    "SGD": frozenset({"momentum_buffer"}),
    "Adam": frozenset({"step", "exp_avg", "exp_avg_sq"}),
    "AdamW": frozenset({"step", "exp_avg", "exp_avg_sq"}),
    "RMSProp": frozenset({"step", "square_avg"}),
}


def _plain(value: Any) -> Any:
    """A value without tensors that can be compared, printed and written as JSON."""
    match value:
        case dict():
            for key, item in value.items():
                _plain(key)
                _plain(item)
        case list() | tuple():
            for item in value:
                _plain(item)
        case str():
            _writable(value)
        case bool() | None | float():
            return value
        case int():
            if not -(1 << 63) <= value < 1 << 64:
                raise ValueError("a number beyond 64 bits")
        case _:
            raise ValueError(f"a {type(value).__name__} where a plain value belongs")
    return value


def _writable(text: str) -> str:
    text.encode("utf-8")  # half of a pair of surrogates cannot be written; UnicodeEncodeError is a ValueError
    return text


def _whole_path(text: str) -> str:
    if "\0" in text:
        raise ValueError("a path with a zero byte")
    return text


def _names(names: list[str]) -> list[str]:
    if sum(map(len, names)) > LONGEST_NAMES:
        raise ValueError("endless names")
    return names


def _generator_state(state: torch.Tensor) -> torch.Tensor:
    try:
        torch.Generator().set_state(state)
    except (RuntimeError, TypeError):
        raise ValueError("no state of a generator of random numbers") from None
    return state


Plain = Annotated[Any, AfterValidator(_plain)]
PlainMapping = Annotated[dict[str, Any], AfterValidator(_plain)]
Text = Annotated[str, AfterValidator(_writable)]
PathText = Annotated[Text, Field(max_length=4096), AfterValidator(_whole_path)]
NetworkText = Annotated[Text, Field(max_length=1 << 18)]  # a hundred times the longest packaged network
Names = Annotated[list[Text], Field(min_length=1, max_length=MOST_NAMES), AfterValidator(_names)]
Epoch = Annotated[int, Field(ge=-1, lt=MOST_EPOCHS)]
Count = Annotated[int, Field(ge=0, lt=1 << 40)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Stride = Annotated[int, Field(ge=1, le=4096)]
Strides = Annotated[list[Stride], Field(max_length=100)]
Tensors = dict[Text, torch.Tensor]
Row = dict[Text, float | None]  # results of an epoch; NaN is a result, too


class _Part(BaseModel):
    """Every value in its own type. Keys that nobody knows are another version's, and left alone."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, strict=True, extra="ignore", arbitrary_types_allowed=True
    )


class StoredEvaluation(_Part):
    """How a run validates: what `boxwright val` takes up to repeat its numbers."""

    data: PathText = ""
    imgsz: int = Field(640, ge=32, le=1 << 16)
    batch_size: int = Field(32, ge=1, le=1 << 21)  # validation takes twice what a training may ask for
    pad: float = Field(0.5, ge=0, le=32)
    grid: int = Field(32, ge=1, le=4096)
    conf_thres: Share = 0.001
    iou_thres: float = Field(0.6, gt=0, lt=1)
    max_det: int = Field(300, ge=1, le=1 << 20)
    single_cls: bool = False
    dtype: Literal["uint8", "uint16"] = "uint8"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    threads: int = Field(0, ge=0, le=1 << 16)


class StoredPatience(_Part):
    """Early stopping."""

    epochs: Count
    best_fitness: Finite = 0.0
    best_epoch: Epoch = 0
    last_epoch: Epoch = -1


class StoredState(_Part):
    """Where a run stands."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # beside the rules of every part

    patience: StoredPatience
    epoch: Annotated[int, Field(ge=0, lt=MOST_EPOCHS)] = 0
    batch: Count = 0
    last_step: int = Field(-1, ge=-(1 << 40), lt=1 << 40)
    best_fitness: Finite = -1.0
    best_epoch: Epoch = -1
    results: Row = {}
    history: list[Row] = []
    class_maps: list[float] = []
    parts: int = Field(1, ge=1, le=1 << 20)
    skipped_in_a_row: Count = 0
    skipped: Count = 0
    restored: Count = 0

    @model_validator(mode="after")
    def _is_numbered(self) -> StoredState:
        if any(
            type(row.get("epoch")) not in {int, float} or not 0 <= (row["epoch"] or 0) < MOST_EPOCHS
            for row in self.history
        ):
            raise ValueError("a row of its history has no number of an epoch")
        return self


class StoredOptimizer(_Part):
    """The optimizer's memory by name of the parameter."""

    groups: list[str] = []
    memory: dict[str, dict[str, torch.Tensor | float | None]]


class StoredScale(_Part):
    """The scale of gradients in half precision; all of it, or nothing."""

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    growth_factor: Annotated[float, Field(gt=1, allow_inf_nan=False)]
    backoff_factor: Annotated[float, Field(gt=0, lt=1)]
    growth_interval: Annotated[int, Field(ge=1)]
    growth_tracker: Count = Field(alias="_growth_tracker")


class StoredPrecision(_Part):
    """How numbers were held."""

    name: Literal["fp32", "bf16", "fp16"]
    scaler: StoredScale | Annotated[dict[str, Any], Field(max_length=0)] = {}


class StoredRunning(_Part):
    """Sums of the loss items of an epoch so far. sums (3,)"""

    sums: torch.Tensor
    batches: Count


class StoredRank(_Part):
    """What one of several processes had for itself."""

    buffers: Tensors
    gradients: Tensors


class StoredData(_Part):
    """The data of the run: its YAML, and what tells its splits from others."""

    yaml: PathText
    fingerprints: dict[Text, Text]
    contents: dict[Text, Text] = {}
    folder: PathText = ""
    started_in: PathText = ""


class StoredCheckpoint(_Part):
    """A checkpoint.

    Without `state` it is for use; with it a run can go on, and everything that this takes has to be there.
    """

    model: Annotated[Tensors, Field(min_length=1)]
    network: NetworkText
    names: Names
    kind: Literal["checkpoint"] = "checkpoint"
    network_name: Text = ""
    strides: Strides | None = None
    program: Text | None = None
    date: Text | None = None
    epoch: Epoch = -1
    stripped_from_epoch: Epoch = -1
    evaluation: StoredEvaluation = StoredEvaluation()
    settings: PlainMapping = {}
    sources: dict[Text, Text] = {}
    data: StoredData | None = None
    data_prints: Tensors = {}
    machine: dict[Text, Text | int] = {}
    thresholds: dict[Text, float] = {}
    bests: dict[Text, float] = {}
    logged: PlainMapping | None = None
    sinks: PlainMapping = {}
    ema: Tensors | None = None
    ema_updates: Annotated[float, Field(ge=0, lt=1 << 40)] | None = None
    state: StoredState | None = None
    optimizer: StoredOptimizer | None = None
    gradients: Tensors | None = None
    precision: StoredPrecision | None = None
    balance: torch.Tensor | None = None
    running: StoredRunning | None = None
    torch_rng: Annotated[torch.Tensor, AfterValidator(_generator_state)] | None = None
    ranks: Annotated[list[StoredRank], Field(max_length=MOST_RANKS)] = []

    @model_validator(mode="after")
    def _fits_together(self) -> StoredCheckpoint:
        shapes = {name: tensor.shape for name, tensor in self.model.items()}
        if self.ema is not None and {name: tensor.shape for name, tensor in self.ema.items()} != shapes:
            raise ValueError("its average is not one of its network")
        if self.state is not None:
            self._require_resumable(self.state, shapes)
        return self

    def _require_resumable(self, state: StoredState, shapes: Mapping[str, torch.Size]) -> None:
        """Everything that going on takes is there, and belongs to the network. Raises ValueError."""
        needed = (
            "ema",
            "ema_updates",
            "optimizer",
            "gradients",
            "precision",
            "balance",
            "running",
            "torch_rng",
            "data",
        )
        given = {"settings", "sources", "machine", "evaluation", "network_name", "strides"} - self.model_fields_set
        if lacking := [name for name in (*needed, *sorted(given)) if name in given or getattr(self, name) is None]:
            raise ValueError(f"it lacks {', '.join(lacking)}, and a run needs that to go on")
        assert self.optimizer is not None
        assert self.gradients is not None
        assert self.balance is not None
        assert self.running is not None
        if len(state.class_maps) not in {0, len(self.names)}:
            raise ValueError("its state has numbers of other classes")
        if any(
            shapes.get(name) != tensor.shape or tensor.dtype != torch.float32 for name, tensor in self.gradients.items()
        ):
            raise ValueError("its gradients are not those of its network")
        own = [{**rank.buffers, **rank.gradients} for rank in self.ranks]
        if any(shapes.get(name) != tensor.shape for tensors in own for name, tensor in tensors.items()) or any(
            rank.buffers.keys() != self.ranks[0].buffers.keys() for rank in self.ranks
        ):
            raise ValueError("what its processes had for themselves is not of its network")
        required = MEMORY.get(str(self.settings.get("optimizer")), frozenset())
        for name, memory in self.optimizer.memory.items():
            if (
                name not in shapes
                or (memory and not required <= memory.keys())
                or not all(_remembers(value, shapes[name]) for value in memory.values())
            ):
                raise ValueError(f"its optimizer remembers something else than it should of {name[:MOST_SHOWN]!r}")
        if (
            self.balance.dim() != 1
            or not self.balance.is_floating_point()
            or len(self.balance) != len(self.strides or self.balance)
        ):
            raise ValueError("its balance is not one number for every level")
        if self.running.sums.shape != (3,) or not self.running.sums.is_floating_point():
            raise ValueError("its running losses are not three")


def _remembers(value: torch.Tensor | float | None, shape: torch.Size) -> bool:
    return not isinstance(value, torch.Tensor) or (
        value.shape in {shape, torch.Size()} and value.dtype == torch.float32
    )


class StoredDescription(_Part):
    """What tensors of another format have to say about themselves, so that a network can be made of them."""

    network: NetworkText
    names: Names
    evaluation: dict[str, Any]
    network_name: Text = ""
    program: Text = ""
    strides: Strides | None = None


def require_sound(document: Mapping[str, Any], where: str) -> None:
    """Check every part of a checkpoint. Raises WeightsError that names the key."""
    try:
        StoredCheckpoint.model_validate(dict(document))
    except ValidationError as error:
        raise WeightsError(
            where, f"is no sound checkpoint: {first_fault(error)}", "Give one as it was written"
        ) from None


def first_fault(error: ValidationError) -> str:
    """The first thing that a schema found wrong, in words: which key, and why."""
    first = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part)[:MOST_SHOWN] for part in first["loc"])
    why = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    shown = (
        f"{given!r:.{MOST_SHOWN}}" if isinstance(given, str | int | float | None) and first["type"] != "missing" else ""
    )
    return f"{key}: {why}{f' ({shown})' if shown else ''}" if key else why


def sound_evaluation(how: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody else's header says about validation, as far as it makes sense."""
    kept = {}
    for key in how.keys() & StoredEvaluation.model_fields.keys():
        try:
            StoredEvaluation.model_validate({key: how[key]})
        except ValidationError:
            continue
        kept[key] = how[key]
    return kept
