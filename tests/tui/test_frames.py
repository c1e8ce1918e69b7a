"""Frames of the live view, as text."""

from dataclasses import replace

import pytest
from made_up import activity, array, history
from rich.console import Console

from raidsim.tui.frame import frame
from raidsim.tui.history import History
from raidsim.tui.state import VIEWS, Action, ScreenState

SIZES = [(80, 24), (60, 12), (100, 30), (200, 60), (132, 24), (40, 8), (20, 4)]


def text(made, state=None, width=80, height=24):
    lines = frame(made, state or ScreenState(), width, height)
    return "\n".join(line.plain.rstrip() for line in lines)


def test_the_overview_of_a_recovery_under_load():
    assert (
        text(history())
        == """\
 md0  RAID6, 5 disks, 64K chunk, 192.0 MiB                          at 20.000 s
 1 overview 2 members 3 stripes 4 engines 5 events
 State    active, degraded, recovering   12 requests in flight
 Sync     recovery ▕████████▊               ▏  36.6 %  2.0 MB/s  0:21 left

 requests     MB/s   req/s   median     99 %
 read         81.9   20.0k   229 µs   229 µs              ▂▂▂▂▃▃▃▄▄▅▅▅▆▆▆▇▇▇██
 write         328    5.0k   3.1 ms   3.1 ms              ▂▂▂▂▃▃▃▄▄▅▅▅▆▆▆▇▇▇██
 flush           -      20   229 µs   229 µs              ▂▂▂▂▃▃▃▄▄▅▅▅▆▆▆▇▇▇██

 Members  by slot, 1 to 5 of 6; MB/s
 slot  member        state               read   write  latency
    0  disk0.img     active sync          8.2     4.1   6.7 µs  ▃▃▃▄▄▅▅▅▆▆▆▇▇▇██
    1  disk5.img     spare rebuilding     8.2     4.1    40 µs  ▃▃▃▄▄▅▅▅▆▆▆▇▇▇██
    2  disk2.img     active sync          8.2     4.1    20 µs  ▃▃▃▄▄▅▅▅▆▆▆▇▇▇██
    3  disk3.img     active sync          8.2     4.1    27 µs  ▃▃▃▄▄▅▅▅▆▆▆▇▇▇██
    4  disk4.img     active sync          8.2     4.1    33 µs  ▃▃▃▄▄▅▅▅▆▆▆▇▇▇██

 Stripes  ▕████████████    ▏ 80 busy  12 waiting  100 idle  of 256
 Writes   rmw 2.0k/s  rcw 400/s  full rows -/s  of 4 KiB a member
 Engines  dma0chan0 9.8 MB/s queue 3

 Events   2.000 s  md: recovery of RAID array
 1-5 view  p pause  s sort  j/k select  f fail  a add  h help  q quit"""
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("disks", [4, 16])
def test_every_view_fits_every_screen(size, view, disks):
    width, height = size
    for made in (History(activity(disks=disks)), history(30, disks=disks)):
        lines = frame(made, ScreenState(view=view), width, height)
        assert len(lines) == height
        assert {line.cell_len for line in lines} == {width}


def test_members_show_what_is_wrong_with_their_disks():
    shown = text(history(), ScreenState(view="members"))
    assert "disk3.img     active sync          8.2     4.1    27 µs    3    16      0" in shown
    assert "disk2.img     active sync          8.2     4.1    20 µs    2     0      8" in shown
    assert "-  disk1.img     faulty" in shown


def test_stripes_show_the_lists_of_the_cache():
    shown = text(history(), ScreenState(view="stripes"))
    assert " delayed         5  ▍" in shown
    assert " busy           80  █████▋" in shown
    assert "read-modify-write       2.0k      21,000" in shown


def test_engines_show_channels_and_faults():
    shown = text(history(), ScreenState(view="engines"), width=120)
    assert "dma0chan0         3    2.4k      9.8       25,200  xor pq" in shown
    assert "pq 21,000 xor 4,200" in shown
    assert "1  disk2.img         read-fixable        on         1  count=1" in shown
    assert "none are injected" in text(history(faults=()), ScreenState(view="engines"))


def test_events_come_with_their_times():
    shown = text(history(), ScreenState(view="events"))
    assert " 1.000 s  raid: disk failure on disk1.img\n 2.000 s  md: recovery" in shown
    assert "nothing yet" in text(history(events=()), ScreenState(view="events"))


def test_more_members_than_there_is_room_for_follow_the_selection():
    made = history(disks=16)
    assert "by slot, 1 to 5 of 17" in text(made)
    shown = text(made, ScreenState(selected=15))
    assert "by slot, 12 to 16 of 17" in shown
    assert "disk15.img" in shown


def test_without_a_sync_it_says_what_waits():
    quiet = replace(array(), sync=None)
    assert "Sync     recovery is pending" in text(history(array=quiet))
    members = tuple(member for member in quiet.members if member.raid_disk != 1)
    assert "nothing to sync" in text(history(array=replace(quiet, members=members)))


def test_the_last_line_asks_and_answers():
    made = history()
    for state, last in (
        (ScreenState(typed="/images/new"), " Image to add: /images/new_"),
        (
            ScreenState(asked=Action("fail", "disk2.img")),
            " Fail disk2.img of md0? y yes, any other key no",
        ),
        (
            ScreenState(asked=Action("add", "new.img")),
            " Add new.img to md0? y yes, any other key no",
        ),
        (ScreenState(message="set disk2.img faulty"), " set disk2.img faulty"),
    ):
        assert text(made, state).splitlines()[-1] == last


def test_help_lists_the_keys():
    shown = text(history(), ScreenState(help=True))
    assert "f             fail the selected member, after a question" in shown


def test_a_paused_screen_says_so():
    assert "paused" in text(history(), ScreenState(paused=True)).splitlines()[0]


def test_only_the_terminals_own_colours_are_used():
    console = Console(width=80, height=24, force_terminal=True, color_system="truecolor")
    with console.capture() as captured:
        for view in VIEWS:
            for line in frame(history(), ScreenState(view=view), 80, 24):
                console.print(line)
    assert "38;" not in captured.get()
    assert "48;" not in captured.get()
    assert "\x1b[32m" in captured.get()
