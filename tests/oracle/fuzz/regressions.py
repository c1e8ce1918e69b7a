"""Plans that once showed a difference, as they were shrunk."""

from __future__ import annotations

from operations import Add, Assemble, Fail, Plan, Stop, Write

from raidsim.array import ArraySpec

REGRESSIONS = {
    "a_spare_waits_while_a_member_fails": Plan(
        seed=43,
        spec=ArraySpec(
            level=4,
            raid_disks=5,
            layout=0,
            chunk_sectors=32,
            spare_disks=2,
            size_sectors=864,
            in_sync=True,
        ),
        images=9,
        missing=(),
        used_before=False,
        operations=(Fail(4), Fail(3)),
    ),
    "spares_are_used_in_the_order_of_the_assembly": Plan(
        seed=9,
        spec=ArraySpec(
            level=6,
            raid_disks=4,
            layout=0,
            chunk_sectors=256,
            spare_disks=2,
            size_sectors=1280,
            in_sync=True,
        ),
        images=7,
        missing=(),
        used_before=False,
        operations=(Stop(), Assemble((5, 3, 1, 4, 2)), Add((6,)), Stop()),
    ),
    "the_last_straw_on_a_dirty_array": Plan(
        seed=22,
        spec=ArraySpec(
            level=5,
            raid_disks=4,
            layout=0,
            chunk_sectors=8,
            size_sectors=800,
        ),
        images=6,
        missing=(),
        used_before=True,
        operations=(Write(44544, 36864, 1), Fail(1), Write(700416, 36864, 2), Fail(2)),
    ),
}
