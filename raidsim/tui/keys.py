"""Keys from a terminal, each as it is pressed."""

from __future__ import annotations

import os
import select
import signal
import termios
import tty
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

_SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\r": "enter",
    b"\n": "enter",
    b"\t": "tab",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x1b": "escape",
}


def keys_of(raw: bytes) -> list[str]:
    """Return the keys that a terminal has sent: characters, or the names of other keys."""
    keys = []
    while raw:
        found = next((s for s in _SEQUENCES if len(s) > 1 and raw.startswith(s)), raw[:1])
        if found == b"\x1b" and raw[1:2] in {b"[", b"O"}:
            # A key that is none of ours: it ends with a letter or a tilde.
            end = next((i for i in range(2, len(raw)) if raw[i] in b"~" or raw[i] >= 64), len(raw))
            raw = raw[end + 1 :]
            continue
        if found in _SEQUENCES:
            keys.append(_SEQUENCES[found])
        else:
            length = _utf8_length(raw[0])
            found = raw[:length]
            text = found.decode(errors="ignore")
            keys += [text] if text.isprintable() and text else []
        raw = raw[len(found) :]
    return keys


def _utf8_length(first: int) -> int:
    return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4


class Keyboard:
    """The terminal on standard input, without echo and line by line no more, in a ``with``."""

    def __init__(self) -> None:
        self._input = 0

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._input)
        self._resized, self._tell_resized = os.pipe()
        os.set_blocking(self._tell_resized, False)
        tty.setcbreak(self._input)
        self._handler = signal.signal(signal.SIGWINCH, self._note_resize)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGWINCH, self._handler)
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        os.close(self._resized)
        os.close(self._tell_resized)

    def wait(self, seconds: float) -> list[str]:
        """Return the keys that are pressed; none after that time, or when the screen changes."""
        ready, _, _ = select.select([self._input, self._resized], [], [], max(seconds, 0))
        if self._resized in ready:
            os.read(self._resized, 64)
        if self._input not in ready:
            return []
        raw = os.read(self._input, 1024)
        return keys_of(raw) if raw else ["q"]  # there is no terminal any more

    def _note_resize(self, _number: int, _frame: FrameType | None) -> None:
        os.write(self._tell_resized, b"!")
