"""The same faults on real md and here leave the same data, superblocks and bad-block lists.

Before a read meets a fault the array is assembled anew, since what is in the stripe cache is not
read, and which stripes are in it is each side's own affair.
"""

from __future__ import annotations

import random
import subprocess

import pytest
from draw import CHECK, disk
from members import superblock
from trial import CHUNK_SECTORS, IMAGE_BYTES, UNIT, Trial

from raidsim.array import Array
from raidsim.md.badblocks import examine_badblocks_lines

CHUNK = CHUNK_SECTORS * 512


@pytest.fixture
def content(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(random.Random(1).randbytes(IMAGE_BYTES * 3))
    return path


def row_bytes(level, members):
    return CHUNK * (members - (2 if level == 6 else 1))


def examined_by_mdadm(image):
    run = subprocess.run(
        ["/sbin/mdadm", "--examine-badblocks", image], capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.mark.parametrize(("level", "members", "minor_version"), [(4, 3, 0), (6, 5, 1)])
def test_write_errors_leave_the_kernels_lists(
    level, members, minor_version, content, real_md, tmp_path
):
    trial = Trial(tmp_path, content, level=level, members=members, minor_version=minor_version)
    row = row_bytes(level, members)
    trial.write(0, 6 * row)
    trial.snap("written")
    trial.hole(1, 40)
    trial.write(0, 3 * row)
    trial.snap("bad")
    trial.heal(1)
    trial.write(0, 3 * row)
    trial.check()
    trial.snap("skipped")
    trial.read_all()
    trial.reassemble()
    trial.snap("reassembled")
    trial.read_all()
    trial.write(4 * row, UNIT)
    trial.snap("cured")
    trial.hole(0, 72)
    trial.write(0, 3 * row)
    trial.snap("bad-again")
    trial.reassemble()
    trial.heal(0)
    trial.write(0, row)
    trial.write(4 * row, UNIT)
    trial.snap("written-over")
    trial.run(real_md)
    trial.compare()
    assert [trial.bad_blocks(name, 1) for name in trial.snaps] == [
        [],
        [(40, 8)],
        [(40, 8)],
        [(40, 8)],
        [],
        [],
        [],
    ]
    for number in range(members):
        image = trial.snapshot("theirs", "bad", number)
        shown = examine_badblocks_lines(superblock(image), str(image))
        assert "\n".join(shown) + "\n" == examined_by_mdadm(image)


@pytest.mark.parametrize(("level", "members", "minor_version"), [(6, 5, 0)])
def test_read_errors_are_cured_and_counted(
    level, members, minor_version, content, real_md, tmp_path
):
    trial = Trial(tmp_path, content, level=level, members=members, minor_version=minor_version)
    row = row_bytes(level, members)
    trial.write(0, 12 * row)
    trial.reassemble()
    # In two rows it is a block of data, in the others of parity, which no read comes by.
    trial.dust(1, *(128 * i + 8 * i for i in range(members)))
    trial.read_all()
    trial.write(11 * row, UNIT)
    trial.snap("read")
    trial.check()
    trial.snap("checked")
    trial.reassemble()
    # A whole chunk.
    trial.dust(0, *range(256, 384, 8))
    trial.read_all()
    trial.check()
    trial.snap("whole-chunk")
    trial.run(real_md)
    trial.compare()
    assert superblock(trial.snapshot("theirs", "checked", 1)).cnt_corrected_read == (8 * members)


@pytest.mark.parametrize(("level", "members"), [(5, 4), (6, 5)])
def test_without_redundancy_a_read_error_is_recorded_and_a_rebuild_hands_it_on(
    level, members, content, real_md, tmp_path
):
    gone = [1, 2] if level == 6 else [1]
    trial = Trial(tmp_path, content, level=level, members=members, spares=len(gone))
    row = row_bytes(level, members)
    spares = range(members, members + len(gone))
    trial.write(0, 30 * row)
    trial.reassemble()
    for member in gone:
        trial.fail(member)
    trial.hole(0, 128 * 5 + 40)
    trial.read_all()
    trial.snap("read")
    trial.write(5 * row, row, fails=True)
    trial.snap("write-refused")
    for member in gone:
        trial.remove(member)
    # This one the rebuild finds.
    trial.heal(0)
    trial.hole(0, 128 * 20 + 8)
    trial.add(*spares)
    trial.snap("rebuilt")
    trial.heal(0)
    trial.check()
    trial.read_all()
    trial.snap("checked")
    trial.reassemble()
    trial.write(20 * row, row, fails=True)
    trial.read_all()
    trial.snap("reassembled")
    trial.run(real_md)
    trial.compare()
    expected = [(128 * 5 + 40, 8), (128 * 20 + 8, 8)]
    for member in (0, *spares):
        assert trial.bad_blocks("reassembled", member) == expected


@pytest.mark.parametrize("seed", [1])
def test_ranges_merge_and_split_as_in_the_kernel(seed, content, real_md, tmp_path):
    rng = random.Random(seed)
    trial = Trial(tmp_path, content, level=5, members=3)
    trial.write(0, 2 << 20)
    trial.reassemble()
    dense = [8 * i for i in range(1, 250)]
    rng.shuffle(dense)
    trial.mark_bad(1, dense[:180])
    trial.write(3 << 20, UNIT)
    trial.snap("some")
    upwards = list(range(2400, 3040, 8))
    downwards = list(range(4000, 3360, -8))
    trial.mark_bad(1, dense[180:] + upwards + downwards)
    trial.write(3 << 20, UNIT)
    trial.snap("all")
    for sector in rng.sample(range(0, 4000, 8), 8):
        trial.write(sector * 512, UNIT)
    trial.snap("written-over")
    trial.read_all()
    trial.write(3 << 20, UNIT)
    trial.snap("read")
    trial.run(real_md)
    trial.compare()
    assert len(trial.bad_blocks("some", 1)) > 20
    assert max(length for _, length in trial.bad_blocks("all", 1)) == 512
    # Left are only those in rows of which member 1 holds the parity.
    assert {sector // CHUNK_SECTORS % 3 for sector, _ in trial.bad_blocks("read", 1)} == {1}


def test_either_side_takes_over_bad_blocks_and_reads_around_them(content, real_md, tmp_path):
    """How many updates of the superblocks several units take depends on timing: events differ."""
    trial = Trial(tmp_path, content, level=6, members=5)
    row = row_bytes(6, 5)
    trial.write(0, 8 * row)
    trial.hole(1, 36, 40)
    trial.hole(3, 200)
    trial.write(0, 8 * row)
    trial.snap("bad")
    trial.run(real_md)
    trial.compare(ignored=("events",))
    assert trial.bad_blocks("bad", 1) == [(32, 48)]
    written = content.read_bytes()[: 8 * row]
    theirs, ours = (
        [trial.snapshot(side, "bad", i) for i in range(5)] for side in ("theirs", "ours")
    )
    with Array.assemble(tmp_path / "taken over", theirs) as array:
        assert array.read(0, len(written)) == written
        assert array.check().mismatch_sectors == 0
    length = len(written)
    script = f"""
    mdadm --assemble /dev/md0 {" ".join(disk(i) for i in range(5))}
    section read
    head -c {length} /dev/md0 | cmp - <(head -c {length} {content})
    section check
    {CHECK}
    section bad blocks
    cat /sys/block/md0/md/dev-*/bad_blocks
    """
    found = real_md.run(ours, script).sections
    assert found["read"] == ""
    assert found["check"] == "0\n"
    assert found["bad blocks"] == ""
