"""Every event has a line, in fixed columns."""

import inspect
from pathlib import Path
from typing import get_type_hints

import pytest

from raidsim.cpu import model as cpu
from raidsim.disk import events as disk
from raidsim.disk.events import DiskEnded, DiskFaultFired, DiskServiced
from raidsim.dmaengine import events as dmaengine
from raidsim.dmaengine.events import Callback, Submitted
from raidsim.md import events as md
from raidsim.md.events import BioEnded, BioSubmitted, MemberFailed
from raidsim.md.raid5 import events as raid5
from raidsim.md.raid5.events import StripeOperations, WriteCosts
from raidsim.trace import event_line

LEGEND = Path(__file__).parents[2] / "docs/reference/events.md"
KINDS = [
    kind
    for module in (cpu, disk, dmaengine, md, raid5)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__ and issubclass(kind, tuple)
]
SAMPLES = {
    str: "name",
    str | None: "name",
    int: 2,
    bool: True,
    tuple[int, ...]: (1, 2),
    tuple[str, ...]: ("one", "two"),
    tuple[tuple[int, int, int], ...]: ((1, 0, 4096),),
    tuple[tuple[str, tuple[int, ...]], ...]: (("biodrain", (1, 2)),),
}


def sample(kind):
    return kind(*(SAMPLES[annotation] for annotation in get_type_hints(kind).values()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_has_a_line_in_fixed_columns(kind):
    line = event_line(1_234_567_890, sample(kind))
    assert line.startswith("     1.234567890  ")
    assert line == line.rstrip()
    assert "\n" not in line
    assert line[17:24].strip()
    assert line[24] == line[37] == " "
    assert line[38:49].strip()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (BioSubmitted(1, "write", 16, 8, True), "bio     #1           write       16+8 fua"),
        (BioEnded(1, "read", 16, 8, 5, 0), "bio     #1           ended       read 16+8 EIO"),
        (MemberFailed("disk1.img", 1), "member  disk1.img    failed      slot 1"),
        (
            WriteCosts(3, 3, 0, (0, 1, 5), (), "resync"),
            "stripe  #3           costs       rmw 3 (0 1 5) rcw 0 () resync",
        ),
        (
            StripeOperations(3, (("biodrain", (1,)), ("reconstruct6", (0, 5)))),
            "stripe  #3           run         biodrain(1) reconstruct6(0 5)",
        ),
        (
            DiskServiced("disk0.img", "read", 8, 16, 100, 350, (4, 5)),
            "disk    disk0.img    serviced    #4 #5 read 8+16 waited 250 ns",
        ),
        (
            DiskEnded("disk0.img", 4, "read", 8, 8, 0),
            "disk    disk0.img    ended       #4 read 8+8 ok",
        ),
        (
            DiskFaultFired("disk0.img", "slow", "read", 8, 8),
            "fault   disk0.img    slow        read 8+8",
        ),
        (
            Submitted("dma0chan0", 2, "xor", 4096, 12288, 3),
            "engine  dma0chan0    xor         2 4096 of 12288 for #3",
        ),
        (Callback(None, 0), "cpu                  callback    in process context"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_lines_read_as_the_legend_says(event, line):
    assert event_line(0, event) == f"     0.000000000  {line}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_legend_names_every_kind_of_event_under_its_first_word(kind):
    word = f"| `{event_line(0, sample(kind)).split()[1]}`"
    under = ""
    for row in LEGEND.read_text().splitlines():
        if not row.startswith("| | "):
            under = row
        if f"`{kind.__name__}`" in row and under.startswith(word):
            return
    pytest.fail(f"the legend has no {kind.__name__} where lines begin with {word}")


def test_what_is_no_event_has_no_line():
    assert event_line(0, "something else") is None
