# SPDX-License-Identifier: Apache-2.0
"""Signs of life of the processes of a training: who gave none for too long, who lets the others wait, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


START_S = 60.0  # within which a process has to give its first sign of life


@dataclass(frozen=True)
class Sign:
    """What a process says of itself, again and again.

    `count` grows with each sign, `exchanges` with each exchange; `waiting` = inside one that others have to come to.
    """

    count: int
    host: str
    at: str  # what it works at, in words
    exchanges: int = 0
    waiting: bool = False

    def encoded(self) -> str:
        """As it is sent."""
        return json.dumps(asdict(self))

    @classmethod
    def decoded(cls, content: bytes) -> Sign:
        """As it came from a process of the same training."""
        return cls(**json.loads(content))


@dataclass
class _Seen:
    sign: Sign | None
    since: float  # when this sign came first
    exchanges_since: float  # when its number of exchanges came first


class Peers:
    """The signs of all `size` processes, seen by `rank`. Clocks are those of the one who asks, in seconds."""

    def __init__(self, rank: int, size: int, patience_s: float, now: float) -> None:
        self.rank, self.size, self.patience_s = rank, size, patience_s
        self.start_s = max(patience_s, START_S)
        self._seen = {number: _Seen(None, now, now) for number in range(size)}

    def note(self, signs: Mapping[int, Sign], now: float) -> None:
        """What was read of the others."""
        for number, sign in signs.items():
            seen = self._seen[number]
            if seen.sign is None or sign.count != seen.sign.count:
                moved = seen.sign is None or sign.exchanges != seen.sign.exchanges
                self._seen[number] = _Seen(sign, now, now if moved else seen.exchanges_since)

    def silent(self, now: float, longer_than_s: float | None = None) -> list[int]:
        """Those who gave no sign for longer than is bearable, or than was asked for."""
        bearable = self.patience_s if longer_than_s is None else longer_than_s
        limits = {n: self.start_s if seen.sign is None else bearable for n, seen in self._seen.items()}
        return [n for n, seen in self._seen.items() if n != self.rank and now - seen.since > limits[n]]

    def late(self, mine: int, now: float, fresh_s: float) -> list[int]:
        """Those who live, by a sign that is so fresh, and have not come to exchange number `mine`."""
        return [
            number
            for number, seen in self._seen.items()
            if number != self.rank and seen.sign and seen.sign.exchanges < mine and now - seen.since <= fresh_s
        ]

    def about(self, number: int, now: float) -> str:
        """Rank, host, silence and place, as a clause."""
        seen = self._seen[number]
        if seen.sign is None:
            return f"rank {number} has given no sign of life for {now - seen.since:.0f} s, and none before"
        place = f"it was last seen {seen.sign.at}"
        return f"rank {number} on {seen.sign.host} has not answered for {now - seen.since:.0f} s; {place}"

    def about_late(self, number: int, waited_s: float, name: str) -> str:
        """Of one who lives and lets the others wait."""
        sign = self._seen[number].sign
        assert sign is not None  # it is late, so it was seen
        waited = f"has kept the others waiting for {waited_s:.0f} s ({name})"
        return f"rank {number} on {sign.host} lives and {waited}; it is {sign.at}"

    def reporter(self, lost: list[int]) -> int:
        """Who tells the user: the first of those who are left."""
        return min(set(range(self.size)) - set(lost), default=self.rank)
