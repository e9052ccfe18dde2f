# SPDX-License-Identifier: Apache-2.0
"""How the processes of one attempt find each other at a store that may hold what earlier attempts left.

Launchers count restarts for each host by itself, and a host that came back counts from 0: no count tells attempts
apart. Here each process leaves a token of its own. Rank 0 offers a name to the tokens that it sees, until all of them
have taken the same one; what processes left that are gone is never taken.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Protocol

from boxwright.errors import SettingError
from boxwright.system.distributed.peers import START_S

LOOK_S = 0.02  # between looks at the store
LATER_S = 2.0  # that others wait longer than rank 0, who can say who is missing
REMEDY = "Look whether all were started, and what they say"


class Board(Protocol):
    """Where processes leave what others look at."""

    def set(self, key: str, value: str) -> None:
        """Leave it."""
        ...

    def get(self, key: str) -> bytes:
        """Look at it."""
        ...

    def check(self, keys: list[str]) -> bool:
        """Whether they are all there."""
        ...


def meet(store: Board, rank: int, size: int, patience_s: float) -> str:
    """The name that all processes of this attempt have agreed on. Raises SettingError where some do not come."""
    token, until = uuid.uuid4().hex, time.monotonic() + max(patience_s, START_S)
    store.set(f"hello/{rank}", token)
    if rank == 0:
        return _offered(store, size, until, patience_s)
    return _taken(store, rank, size, token, until + LATER_S)


def _offered(store: Board, size: int, until: float, patience_s: float) -> str:
    name, offered, began = "", list[str](), 0.0
    while True:
        missing = [rank for rank in range(size) if not store.check([f"hello/{rank}"])]
        if not missing:
            tokens = [store.get(f"hello/{rank}").decode() for rank in range(size)]
            if tokens != offered:
                name, offered, began = uuid.uuid4().hex, tokens, time.monotonic()
                store.set("offer", json.dumps({"name": name, "tokens": tokens}))
            missing = [rank for rank in range(1, size) if not store.check([f"here/{name}/{rank}"])]
            if not missing:
                store.set(f"begin/{name}", "1")
                return name
        now = time.monotonic()
        if now > until and (not name or now - began > patience_s):
            raise _not_there(missing, to_tell=True)
        time.sleep(LOOK_S)


def _taken(store: Board, rank: int, size: int, token: str, until: float) -> str:
    while True:
        offer = json.loads(store.get("offer")) if store.check(["offer"]) else {"name": "", "tokens": []}
        if len(offer["tokens"]) == size and offer["tokens"][rank] == token:
            store.set(f"here/{offer['name']}/{rank}", "1")
            if store.check([f"begin/{offer['name']}"]):
                return str(offer["name"])
        if store.get(f"hello/{rank}").decode() != token:
            what = f"another process has come as rank {rank} of this training"
            raise SettingError("MASTER_ADDR", what, "Give each training a port, or a --rdzv-id, of its own")
        if time.monotonic() > until:
            missing = [other for other in range(rank) if not store.check([f"hello/{other}"])]
            raise _not_there(missing or [0], to_tell=len(missing) == rank)
        time.sleep(LOOK_S)


def _not_there(missing: list[int], *, to_tell: bool) -> SettingError:
    ranks = ", ".join(map(str, missing))
    error = SettingError("MASTER_ADDR", f"rank {ranks} of this training did not come", REMEDY)
    error.is_to_tell = to_tell
    return error
