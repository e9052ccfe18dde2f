# SPDX-License-Identifier: Apache-2.0
"""What rich draws on a terminal: tables that fit, words in colour, and a line that is drawn again and again.

Rich lays out and colours; system/terminal.py escapes and prints, so that no text of a file is ever markup or a code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, RenderableType, detect_legacy_windows
from rich.style import Style
from rich.table import Table
from rich.text import Text

from boxwright.system.places import cursor_moves, wants_colour
from boxwright.system.terminal import Piece, draw_over, finish_open_line, say_pieces, width_of, wrapped, writable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

STYLES = {"error": "bold red", "warning": "yellow"}
GAP = 2  # columns between two of a table
NARROWEST_TEXT = 12  # columns that a column of text is given before a table is taken apart
FULL_NAME, FULL_NUMBER = 22, 11  # columns of numbers by name where there is room
USUAL_NUMBER = 7  # letters of most numbers of three digits; so that tables of the same things stand alike
HEIGHT = 25  # rich asks for one; nothing here depends on it


class Tabular(Protocol):
    """A table as `draw` takes it; see structures/answer.py."""

    @property
    def rows(self) -> Sequence[Sequence[str]]: ...
    @property
    def right(self) -> Sequence[bool]: ...
    @property
    def header(self) -> bool: ...
    @property
    def by_name(self) -> bool: ...


class Screen:
    """A terminal. `moves`: a line can be drawn over; where it cannot, nothing is coloured either."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.moves = cursor_moves() and not detect_legacy_windows()
        self._colours = ColorSystem.STANDARD if self.moves and wants_colour() else None

    @property
    def width(self) -> int:
        """Columns, as of now: windows change."""
        return width_of(self.out)

    def text(self, words: str, style: str = "") -> Text:
        """Somebody's words as they will be printed, so that they are measured right."""
        return Text(writable(words, self.out.encoding), style, no_wrap=True, overflow="crop", end="")

    def shortened(self, words: str, width: int) -> str:
        """Words in so many columns at most; what is too much is left out in the middle."""
        clear = writable(words, self.out.encoding)
        if cell_len(clear) <= width:
            return clear
        mark = "\u2026" if writable("\u2026", self.out.encoding) == "\u2026" else ".."
        room = max(width - len(mark), 0)
        return f"{_begin(clear, room - room // 2)}{mark}{_begin(clear[::-1], room // 2)[::-1]}"

    def say(self, what: RenderableType) -> None:
        """Print what rich lays out."""
        say_pieces(self._pieces(what), self.out)

    def say_marked(self, label: str, words: str) -> None:
        """Print an error or a warning, its first word in colour."""
        mark = f"{label}:"
        lines = wrapped(writable(f"{mark} {words}", self.out.encoding), self.width)
        style = Style.parse(STYLES[label])
        first = [Piece(mark, self._painter(style)), Piece(lines[0].removeprefix(mark))]
        say_pieces([first, *([Piece(line)] for line in lines[1:])], self.out)

    def draw_over(self, what: RenderableType) -> None:
        """Draw one line in place of the one that was drawn last."""
        draw_over(next(iter(self._pieces(what)), []), self.out)

    def finish(self) -> None:
        """Go on below the line that was drawn last."""
        finish_open_line(self.out)

    def draw(self, table: Tabular) -> None:
        """Print a table of an answer or of a validation."""
        if table.by_name:
            self.numbers_by_name(table.rows)
        else:
            self.table(table.rows, table.right, header=table.header)

    def table(self, rows: Sequence[Sequence[str]], right: Sequence[bool], *, header: bool) -> None:
        """Print a table: as wide as its words where there is room; else words are folded; else in several parts.

        `right`: the columns of numbers, which are never folded. The first column is in every part.
        """
        cells = [[writable(cell, self.out.encoding) for cell in row] for row in rows]
        natural = [max(cell_len(row[i]) for row in cells) for i in range(len(right))]
        words = [max(cell_len(word) for row in cells for word in (row[i].split() or [""])) for i in range(len(right))]
        longest = max(NARROWEST_TEXT, self.width // 2)  # a word that is longer, such as a path, is folded as well
        least = [
            wide if to_right else min(wide, max(NARROWEST_TEXT, min(word, longest)))
            for wide, word, to_right in zip(natural, words, right, strict=True)
        ]
        for number, part in enumerate(_parts(least, self.width)):
            if number:
                self.say(Text(""))
            widths = _narrowed([natural[i] for i in part], [least[i] for i in part], self.width)
            self.say(_laid_out(cells, dict(zip(part, widths, strict=True)), right, header=header))

    def numbers_by_name(self, rows: Sequence[Sequence[str]]) -> None:
        """Print a table of a name and numbers in each row, the header first.

        Long names are shortened; the first number of each row is left out where no room would be left for a name.
        """
        numbers = [list(row[1:]) for row in rows]
        wide = [max(USUAL_NUMBER, *(len(row[i]) for row in numbers)) for i in range(len(numbers[0]))]
        if self.width - sum(wide) - GAP * len(wide) < NARROWEST_TEXT:
            numbers, wide = [row[1:] for row in numbers], wide[1:]
        roomy = (self.width - FULL_NAME) // len(wide)
        wide = [max(one, min(roomy, FULL_NUMBER) - GAP) for one in wide]
        room = self.width - sum(wide) - GAP * len(wide)
        names = [self.shortened(row[0], room) for row in rows]
        names = [f"{' ' * (min(FULL_NAME, room) - cell_len(name))}{name}" for name in names]
        aligned = [[f"{cell:>{one}}" for cell, one in zip(row, wide, strict=True)] for row in numbers]
        table = [[name, *row] for name, row in zip(names, aligned, strict=True)]
        self.table(table, [True] * (1 + len(wide)), header=True)

    def _pieces(self, what: RenderableType) -> list[list[Piece]]:
        console = Console(
            file=self.out,
            width=self.width,
            height=HEIGHT,
            force_terminal=True,
            force_jupyter=False,
            color_system=None if self._colours is None else "standard",
            no_color=False,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
        )
        lines = []
        for line in console.render_lines(what, pad=False):
            pieces = [Piece(part.text, self._painter(part.style)) for part in line if not part.control]
            while pieces and not pieces[-1].text.strip():
                pieces.pop()
            if pieces:
                pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip())
            lines.append(pieces)
        return lines

    def _painter(self, style: Style | None) -> _Painter:
        return _Painter(style or Style.null(), self._colours)


class _Painter:
    """Puts the codes of a style around text."""

    def __init__(self, style: Style, colours: ColorSystem | None) -> None:
        self.style, self.colours = style, colours

    def __call__(self, text: str) -> str:
        return self.style.render(text, color_system=self.colours)


def _laid_out(cells: list[list[str]], widths: dict[int, int], right: Sequence[bool], *, header: bool) -> Table:
    """The columns that have a width."""
    table = Table(box=None, show_header=header, pad_edge=False, padding=(0, GAP, 0, 0), header_style="")
    for i, wide in widths.items():
        head = Text(cells[0][i], "bold" if header else "")
        table.add_column(head, justify="right" if right[i] else "left", no_wrap=right[i], overflow="fold", width=wide)
    for row in cells[1 if header else 0 :]:
        table.add_row(*(Text(row[i]) for i in widths))
    return table


def _narrowed(natural: list[int], least: list[int], width: int) -> list[int]:
    """Widths that fit: the widest columns give way first, none beyond its least."""
    widths = list(natural)
    while sum(widths) + GAP * (len(widths) - 1) > width:
        able = [i for i in range(len(widths)) if widths[i] > least[i]]
        if not able:
            break
        widths[max(able, key=lambda i: widths[i])] -= 1
    return widths


def _parts(least: list[int], width: int) -> list[list[int]]:
    """Columns that stand side by side, so that each part fits."""
    parts, used = [[0]], least[0]
    for i, wide in enumerate(least[1:], start=1):
        if used + GAP + wide > width and len(parts[-1]) > 1:
            parts.append([0])
            used = least[0]
        parts[-1].append(i)
        used += GAP + wide
    return parts


def _begin(text: str, width: int) -> str:
    """As many letters as so many columns hold."""
    taken = 0
    for place, letter in enumerate(text):
        taken += cell_len(letter)
        if taken > width:
            return text[:place]
    return text
