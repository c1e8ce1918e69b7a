"""An array that was never there, for the views to show."""

from dataclasses import replace

from raidsim.array.activity import (
    Activity,
    ChannelCounts,
    Event,
    MemberCounts,
    RequestCounts,
    StripeCounts,
)
from raidsim.array.injection import FaultSnapshot
from raidsim.array.latency import BUCKETS, bucket
from raidsim.array.snapshot import ArraySnapshot, MemberSnapshot, SyncSnapshot
from raidsim.tui.history import History

SECOND = 1_000_000_000


def requests(count, latency_ns=200_000, length_bytes=4096):
    buckets = [0] * BUCKETS
    buckets[bucket(latency_ns)] = count
    return RequestCounts(
        requests=count,
        errors=0,
        length_bytes=count * length_bytes,
        latency_ns=count * latency_ns,
        buckets=tuple(buckets),
    )


def member(number, *, slot=None, in_sync=True, faulty=False):
    return MemberSnapshot(
        path=f"/images/disk{number}.img",
        number=number,
        raid_disk=slot,
        in_sync=in_sync,
        faulty=faulty,
        recovery_offset_sectors=None,
        data_sectors=1 << 17,
    )


def counts(number, accesses):
    return MemberCounts(
        number=number,
        reads=accesses,
        writes=accesses // 2,
        flushes=0,
        read_bytes=accesses * 4096,
        written_bytes=accesses * 2048,
        latency_ns=accesses * (number + 1) * 10_000,
        in_flight=number,
        read_errors=0,
        corrected_errors=8 * (number == 2),
        bad_sectors=16 * (number == 3),
    )


def array(disks=5):
    """A RAID6 one of whose members has failed, with a spare that is being rebuilt."""
    members = [member(number, slot=number) for number in range(disks) if number != 1]
    members.append(member(1, in_sync=False, faulty=True))
    members.append(member(disks, slot=1, in_sync=False))
    return ArraySnapshot(
        path="/arrays/md0",
        set_name="host:md0",
        uuid="0:0:0:0",
        metadata="1.2",
        level=6,
        layout=2,
        raid_disks=disks,
        chunk_sectors=128,
        max_degraded=2,
        array_sectors=(disks - 2) << 17,
        dev_sectors=1 << 17,
        creation_time=0,
        update_time=0,
        events=7,
        clean=False,
        readonly=False,
        started=True,
        sync=SyncSnapshot(
            action="recovery", done_sectors=48_000, total_sectors=1 << 17, kib_per_second=2000
        ),
        resync_pending=False,
        members=tuple(members),
    )


def activity(second=0, *, disks=5):
    """What it does at some second: the later, the more."""
    total = second * (second + 1) // 2
    return Activity(
        time_ns=second * SECOND,
        timed=True,
        array=array(disks),
        reads=requests(total * 1000),
        writes=requests(total * 250, latency_ns=3_000_000, length_bytes=65536),
        flushes=requests(total, length_bytes=0),
        in_flight=12,
        members=tuple(counts(number, total * 100) for number in range(disks + 1)),
        stripes=StripeCounts(
            capacity=256,
            free=64,
            idle=100,
            handle=2,
            hold=1,
            delayed=5,
            bitmap=4,
            busy=80,
            rmw=total * 100,
            rcw=total * 20,
            full_row=0,
        ),
        channels=(
            ChannelCounts(
                name="dma0chan0",
                chosen_for=("xor", "pq"),
                queued=3,
                operations=total * 120,
                length_bytes=total * 120 * 4096,
                by_operation=(("pq", total * 100), ("xor", total * 20)),
            ),
            ChannelCounts(
                name="software",
                chosen_for=("memcpy",),
                queued=0,
                operations=0,
                length_bytes=0,
                by_operation=(),
            ),
        ),
        faults=(
            FaultSnapshot(
                number=1,
                target="disk2.img",
                kind="read-fixable",
                rule="count=1",
                enabled=True,
                seen=9,
                fired=1,
            ),
        ),
        events=(
            Event(
                number=1, time_ns=SECOND, level="warning", text="raid: disk failure on disk1.img"
            ),
            Event(number=2, time_ns=2 * SECOND, level="info", text="md: recovery of RAID array"),
        ),
    )


def history(seconds=20, *, disks=5, **changes):
    """Looks at it, one a second; ``changes`` are the last one's."""
    made = History(activity(disks=disks))
    for second in range(1, seconds + 1):
        made.add(activity(second, disks=disks))
    made.activity = replace(made.activity, **changes)
    return made
