"""A terminal as a model: what one sees of what was written, also after its size was changed.

Knows what the view of runs writes (lines, erasing, moving by whole lines) and refuses the rest.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\n|\r|[^\x1b\n\r]+")


class Screen:
    """Rows of text, some of them scrolled out above; a row that was full goes on in the next."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._rows: list[tuple[str, bool]] = [("", False)]
        """Each with whether it goes on in the next one."""
        self._row = self._column = 0

    @property
    def lines(self) -> list[str]:
        """All that was ever shown and not written over, folded rows joined."""
        joined, going = [], ""
        for text, on in self._rows:
            going += text
            if not on:
                joined.append(going.rstrip())
                going = ""
        while joined and not joined[-1]:
            joined.pop()
        return joined

    @property
    def seen(self) -> list[str]:
        """The rows that are on the screen."""
        return [text.rstrip() for text, _ in self._rows[self._top :]]

    @property
    def _top(self) -> int:
        return max(0, len(self._rows) - self.height)

    def write(self, text: str) -> None:
        at = 0
        for token in _TOKEN.finditer(text):
            assert token.start() == at, repr(text[at : at + 20])
            at = token.end()
            if token[2]:
                self._control(token[1], token[2])
            elif token[0] == "\n":
                self._down()
                self._column = 0
            elif token[0] == "\r":
                self._column = 0
            else:
                self._put(token[0])
        assert at == len(text), repr(text[at : at + 20])

    def resize(self, width: int, height: int) -> None:
        """Fold all lines anew, as terminals of today do; the cursor goes with its place."""
        lines: list[str] = []
        going, cursor = "", (0, 0)
        for number, (text, on) in enumerate(self._rows):
            if number == self._row:
                cursor = (len(lines), len(going) + self._column)
            going += text.ljust(self.width) if on else text
            if not on:
                lines.append(going)
                going = ""
        self.width, self.height = width, height
        self._rows = []
        for number, line in enumerate(lines):
            if number == cursor[0]:
                self._row = len(self._rows) + cursor[1] // width
                self._column = cursor[1] % width
            line = line.rstrip()
            parts = [line[at : at + width] for at in range(0, len(line), width)] or [""]
            self._rows += [(part, part is not parts[-1]) for part in parts]

    def _control(self, numbers: str, name: str) -> None:
        count = int(numbers or 1) if name in "EF" else 0
        text, _ = self._rows[self._row]
        if name == "F":
            self._row, self._column = max(self._top, self._row - count), 0
        elif name == "E":
            self._row, self._column = min(len(self._rows) - 1, self._row + count), 0
        elif name == "K":
            assert numbers == ""
            self._rows[self._row] = (text[: self._column], False)
        elif name == "J":
            assert numbers == ""
            self._rows[self._row] = (text[: self._column], False)
            del self._rows[self._row + 1 :]
        else:
            assert name == "m", name

    def _put(self, text: str) -> None:
        for mark in text:
            if self._column == self.width:
                self._rows[self._row] = (self._rows[self._row][0], True)
                self._down()
                self._column = 0
            row, on = self._rows[self._row]
            row = row.ljust(self._column)
            self._rows[self._row] = (row[: self._column] + mark + row[self._column + 1 :], on)
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append(("", False))
