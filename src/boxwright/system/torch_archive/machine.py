# SPDX-License-Identifier: Apache-2.0
"""Runs a pickle program on a machine of our own whose only products are inert values (see `nodes`).

Nothing is imported or called.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from boxwright.system.torch_archive.limits import Limits
from boxwright.system.torch_archive.names import MADE_BY_NEWOBJ, MADE_BY_REDUCE, Role, named, role_of
from boxwright.system.torch_archive.nodes import GlobalName, Node, RefusedError, Storage, TensorView
from boxwright.system.torch_archive.opcodes import OPCODES, Program

if TYPE_CHECKING:
    from collections.abc import Callable

HIGHEST_PROTOCOL = 5
CHECK_CLOCK_EVERY = 4096
_PLAIN_KEYS = {str, int, float, bool, bytes, type(None)}
_SET = GlobalName("builtins", "set")
_OBJECTS = {"builtins.object", "__builtin__.object"}


class Machine:
    """One program. `persistent` turns a persistent id into a value; `names` collects what the program mentioned."""

    def __init__(self, program: Program, persistent: Callable[[Any], Any], deadline: float) -> None:
        self.program, self.limits, self.persistent, self.deadline = program, program.limits, persistent, deadline
        self.names: dict[str, GlobalName] = {}
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each mark
        self._memo: dict[int, Any] = {}
        self._made = 0
        self._table = self._bound()

    def run(self) -> Any:
        """The value that the program leaves. Raises RefusedError."""
        try:
            return self._run()
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError) as error:
            raise RefusedError(f"its program is damaged ({type(error).__name__})") from None

    def _run(self) -> Any:
        table, code_of = self._table, self.program.code
        for count in range(self.limits.instructions):
            code = code_of()
            entry = table.get(code)
            if entry is None:
                raise RefusedError(f"it uses the pickle instruction 0x{code:02x}, which no checkpoint needs")
            if count % CHECK_CLOCK_EVERY == 0 and time.monotonic() > self.deadline:
                raise RefusedError("it takes too long to read")
            argument_of, act = entry
            if act is None:
                return self._result()
            if argument_of is None:
                act()
            else:
                act(argument_of())
        raise RefusedError("its program is too long")

    def _result(self) -> Any:
        value = self._stack.pop()
        if self._stack or self._below:
            raise RefusedError("its program leaves values behind")
        return value

    def _bound(self) -> dict[int, tuple[Callable[[], Any] | None, Callable[..., None] | None]]:
        acts: dict[str, Callable[..., None] | None] = {
            "STOP": None,
            "PROTO": self._protocol,
            "FRAME": lambda _length: None,
            "MARK": self._mark,
            "NONE": lambda: self._push(None),
            "NEWTRUE": lambda: self._push(value=True),
            "NEWFALSE": lambda: self._push(value=False),
            "EMPTY_DICT": lambda: self._push({}),
            "EMPTY_LIST": lambda: self._push([]),
            "EMPTY_TUPLE": lambda: self._push(()),
            "EMPTY_SET": lambda: self._push(Node(_SET)),
            "TUPLE": lambda: self._push(tuple(self._marked())),
            "TUPLE1": lambda: self._tuple(1),
            "TUPLE2": lambda: self._tuple(2),
            "TUPLE3": lambda: self._tuple(3),
            "SETITEM": lambda: self._set_items([self._stack.pop(-2), self._stack.pop()]),
            "SETITEMS": lambda: self._set_items(self._marked()),
            "APPEND": lambda: self._append([self._stack.pop()]),
            "APPENDS": lambda: self._append(self._marked()),
            "ADDITEMS": lambda: self._append(self._marked()),
            **dict.fromkeys(("BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1"), self._push),
            **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"), self._push),
            "BINPUT": self._put,
            "LONG_BINPUT": self._put,
            "MEMOIZE": lambda: self._put(len(self._memo)),
            "BINGET": self._recall,
            "LONG_BINGET": self._recall,
            "GLOBAL": lambda words: self._global(*words),
            "STACK_GLOBAL": lambda: self._global(self._stack.pop(-2), self._stack.pop()),
            "REDUCE": self._reduce,
            "NEWOBJ": self._new_object,
            "BUILD": self._build,
            "BINPERSID": lambda: self._push(self.persistent(self._stack.pop())),
        }
        readers = {code: self.program.argument_reader(kind) if kind else None for code, (_, kind) in OPCODES.items()}
        return {code: (readers[code], acts[name]) for code, (name, _) in OPCODES.items()}

    # -- the stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _protocol(self, number: int) -> None:
        if number > HIGHEST_PROTOCOL:
            raise RefusedError(f"it is written in pickle protocol {number}")

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _marked(self) -> list[Any]:
        """What lies above the last mark, which goes."""
        items = self._stack
        self._stack = self._below.pop()
        return items

    def _tuple(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) != count:
            raise RefusedError("its program takes from an empty stack")
        del self._stack[-count:]
        self._stack.append(items)

    def _put(self, place: int) -> None:
        if len(self._memo) >= self.limits.memo:
            raise RefusedError("it remembers too many values")
        self._memo[place] = self._stack[-1]

    def _recall(self, place: int) -> None:
        self._stack.append(self._memo[place])

    # -- containers

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        pairs = list(zip(items[::2], items[1::2], strict=True))
        for key, _ in pairs:
            _require_plain_key(key, self.limits)
        if type(target) is dict:
            target.update(pairs)
        elif type(target) is Node and not target.pairs:
            target.pairs = tuple(pairs)
        elif type(target) is Node:
            self._grow(len(target.pairs))
            target.pairs += tuple(pairs)
        else:
            raise RefusedError("it puts items into something that holds none")

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is list:
            target.extend(items)
        elif type(target) is Node:
            self._grow(len(target.items))
            target.items += tuple(items)
        else:
            raise RefusedError("it appends to something that is no list")

    def _grow(self, size: int) -> None:
        """Objects grow piece by piece only so far: they are copied each time."""
        self._made += size
        if self._made > self.limits.made_bytes:
            raise RefusedError("it makes too many values")

    # -- names and objects

    def _global(self, module: object, name: object) -> None:
        found = named(module, name)
        self._stack.append(self.names.setdefault(found.text, found))

    def _called(self, action: str) -> tuple[GlobalName, Role, tuple[Any, ...]]:
        """Class and arguments on top of the stack."""
        arguments, cls = self._stack.pop(), self._stack.pop()
        if type(cls) is not GlobalName:
            raise RefusedError(f"it {action} something that is not a name")
        if type(arguments) is not tuple:
            raise RefusedError(f"it {action} {cls.text} with something that is no list of arguments")
        role = role_of(cls)
        assert role is not None  # a name off the list was refused when it was read
        return cls, role, arguments

    def _new_object(self) -> None:
        cls, role, arguments = self._called("makes an object of")
        if role not in MADE_BY_NEWOBJ:
            raise RefusedError(f"it makes an object of {cls.text}, which no checkpoint needs")
        self._stack.append(Node(cls, arguments))

    def _reduce(self) -> None:
        cls, role, arguments = self._called("calls")
        if role not in MADE_BY_REDUCE:
            raise RefusedError(f"it calls {cls.text}, which no checkpoint needs")
        if role is Role.TENSOR:
            self._stack.append(tensor_view(arguments, self.limits))
        elif role is Role.PARAMETER:
            self._stack.append(_parameter(arguments))
        elif role is Role.BYTES:
            self._stack.append(self._encoded(arguments))
        elif role is Role.BARE:
            self._stack.append(_bare(arguments))
        else:
            self._stack.append(Node(cls, arguments))

    def _encoded(self, arguments: tuple[Any, ...]) -> bytes:
        if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] != "latin1":  # noqa: PLR2004 -- text and encoding
            raise RefusedError("it encodes text in an unknown way")
        self._made += len(arguments[0])
        if self._made > self.limits.made_bytes:
            raise RefusedError("it makes too many bytes")
        made: bytes = arguments[0].encode("latin1")
        return made

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if type(target) is Node:
            if target.state is not None:
                raise RefusedError("it gives an object its state twice")
            target.state = state
        elif type(target) is not TensorView:  # what hangs on a tensor beside its numbers is left out
            raise RefusedError("it gives a state to something that is no object")


def _require_plain_key(key: object, limits: Limits) -> None:
    """A key that costs next to nothing to compare: no nesting, no long text, no long tuple."""
    parts = key if type(key) is tuple and len(key) <= limits.key_parts else (key,)
    for part in parts:
        if type(part) not in _PLAIN_KEYS or (isinstance(part, str | bytes) and len(part) > limits.key_text):
            raise RefusedError("it holds a mapping with unusual keys")


def tensor_view(arguments: tuple[Any, ...], limits: Limits) -> TensorView:
    """A tensor from storage, offset, shape and strides, inside its storage. Raises RefusedError."""
    if len(arguments) < 4 or type(arguments[0]) is not Storage:  # noqa: PLR2004 -- those four
        raise RefusedError("it holds a tensor without a storage")
    offset = arguments[1]
    if type(offset) is not int or not 0 <= offset < limits.elements:
        raise RefusedError("it holds a tensor with an impossible offset")
    shape, strides = _sizes(arguments[2], limits), _sizes(arguments[3], limits)
    if len(shape) != len(strides):
        raise RefusedError("it holds a tensor with an impossible shape")
    view = TensorView(arguments[0], offset, shape, strides)
    view.require_inside()
    return view


def _sizes(value: Any, limits: Limits) -> tuple[int, ...]:
    if type(value) is Node and role_of(value.cls) is Role.SIZE and len(value.arguments) == 1:
        value = value.arguments[0]
    if (
        type(value) is not tuple
        or len(value) > limits.dimensions
        or not all(type(part) is int and 0 <= part < limits.elements for part in value)
    ):
        raise RefusedError("it holds a tensor with an impossible shape")
    sizes: tuple[int, ...] = value
    return sizes


def _parameter(arguments: tuple[Any, ...]) -> TensorView:
    if not arguments or type(arguments[0]) is not TensorView:
        raise RefusedError("it holds a parameter without a tensor")
    data = arguments[0]
    view = TensorView(data.storage, data.offset, data.shape, data.strides)
    view.parameter = True
    return view


def _bare(arguments: tuple[Any, ...]) -> Node:
    """Copyreg's way to make an object of a class without calling it: (class, object, None) alone."""
    match arguments:
        case (GlobalName() as cls, GlobalName(text=origin), None) if role_of(cls) is Role.CLASS and origin in _OBJECTS:
            return Node(cls)
    raise RefusedError("it makes an object in an unusual way")
