"""The same arrays under real md and here, both ways round, over a seeded draw of shapes."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from draw import CHECK, MARK_CLEAN, NEVER_IDLE, READ_SUM, Draw, disk
from members import assert_same_superblock, data_area, examined_by_mdadm, make_images, superblock
from reports import SHOW, masked, report

from raidsim.array import Array
from raidsim.md.examine import examine_lines

SEEDS = range(int(os.environ.get("RAIDSIM_ORACLE_SEEDS", "40")))


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
def draw(request, monkeypatch) -> Draw:
    draw = Draw(request.param)
    monkeypatch.setenv("RAIDSIM_KERNEL", draw.kernel)
    return draw


def carry_out(array: Array, content: bytes, writes) -> None:
    for write in writes:
        array.write(write.offset, content[write.offset : write.offset + write.length])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def assembled_report(directory: Path, images: list[Path], without=()) -> list[str]:
    """What is to be said of the array once it is assembled of some of its ``images``."""
    members = [image for number, image in enumerate(images) if number not in without]
    with Array.assemble(directory, members) as array:
        return masked(report(array, images))


def test_real_md_runs_what_raidsim_wrote(draw, real_md, tmp_path):
    spec = draw.spec
    images = make_images(tmp_path / "ours", spec.raid_disks, draw.image_bytes)
    first, second = draw.content("first"), draw.content("second")
    with Array.create(tmp_path / "array", spec, images, engines=draw.engines) as array:
        carry_out(array, first, draw.writes)
    healthy = [Path(shutil.copy(image, tmp_path / f"healthy{image.name}")) for image in images]
    with Array.open(tmp_path / "array") as array:
        for slot in draw.failures:
            array.fail(str(slot))
        carry_out(array, second, draw.degraded_writes)
    for image in images:
        lines = examine_lines(superblock(image), str(image), image.stat().st_size // 512)
        assert examined_by_mdadm(image) == lines
    members = [disk(i) for i in range(spec.raid_disks)]
    survivors = [name for i, name in enumerate(members) if i not in draw.failures]

    expected = assembled_report(tmp_path / "healthy", healthy)
    run = real_md.run(
        healthy,
        f"""
        {SHOW}
        mdadm --assemble /dev/md0 {" ".join(members)}
        show assembled
        section healthy
        {READ_SUM}
        section mismatches
        {CHECK}
        section degraded
        mdadm --fail /dev/md0 {" ".join(members[slot] for slot in draw.failures)}
        {READ_SUM}
        """,
    )
    assert masked(run.sections["assembled"]) == expected
    written = draw.expected((first, draw.writes))
    assert run.sections["healthy"].split()[0] == digest(written)
    assert run.sections["mismatches"].split() == ["0"]
    assert run.sections["degraded"].split()[-2] == digest(written)

    expected = assembled_report(tmp_path / "degraded", images, without=draw.failures)
    run = real_md.run(
        images,
        f"""
        {SHOW}
        mdadm --assemble --run /dev/md0 {" ".join(survivors)}
        show assembled
        section sum
        {READ_SUM}
        section mismatches
        {CHECK}
        """,
    )
    assert masked(run.sections["assembled"]) == expected
    written = draw.expected((first, draw.writes), (second, draw.degraded_writes))
    assert run.sections["sum"].split()[0] == digest(written)
    assert run.sections["mismatches"].split() == ["0"]


def test_raidsim_runs_what_real_md_wrote(draw, real_md, tmp_path):
    spec = draw.spec
    theirs = make_images(tmp_path / "theirs", spec.raid_disks, draw.image_bytes)
    first, second = draw.content("first"), draw.content("second")
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "second").write_bytes(second)
    newline = "\n"
    real_md.run(
        theirs,
        f"""
        {draw.create_command()}
        {NEVER_IDLE}
        {newline.join(write.command(tmp_path / "first") for write in draw.writes)}
        {MARK_CLEAN}
        {newline.join(f"mdadm --fail /dev/md0 {disk(i)}; sleep 0.5" for i in draw.failures)}
        {newline.join(write.command(tmp_path / "second") for write in draw.degraded_writes)}
        {MARK_CLEAN}
        """,
    )
    ours = make_images(tmp_path / "ours", spec.raid_disks, draw.image_bytes)
    with Array.create(tmp_path / "array", spec, ours, engines=draw.engines) as array:
        carry_out(array, first, draw.writes)
        array.mddev.idle()
        for slot in draw.failures:
            array.fail(str(slot))
        carry_out(array, second, draw.degraded_writes)

    survivors = [i for i in range(spec.raid_disks) if i not in draw.failures]
    for i in range(spec.raid_disks):
        assert data_area(theirs[i]) == data_area(ours[i]), f"data of member {i}"
        assert_same_superblock(theirs[i], ours[i])

    written = draw.expected((first, draw.writes), (second, draw.degraded_writes))
    with Array.assemble(tmp_path / "assembled", [theirs[i] for i in survivors]) as array:
        assert array.read(0, array.size) == written
        assert array.check().mismatch_sectors == 0


def test_raidsim_finishes_a_recovery_that_real_md_began(draw, real_md, tmp_path):
    spec = draw.spec
    count = spec.raid_disks + len(draw.failures)
    images = make_images(tmp_path / "theirs", count, draw.image_bytes)
    first, second = draw.content("first"), draw.content("second")
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "second").write_bytes(second)
    newline = "\n"
    assert spec.size_sectors is not None
    half = spec.size_sectors // 2 // spec.chunk_sectors * spec.chunk_sectors
    failed = " ".join(disk(slot) for slot in draw.failures)
    run = real_md.run(
        images,
        f"""
        {draw.create_command()}
        {newline.join(write.command(tmp_path / "first") for write in draw.writes)}
        mdadm --fail /dev/md0 {failed}
        sleep 0.5
        mdadm --remove /dev/md0 {failed}
        echo frozen > /sys/block/md0/md/sync_action
        mdadm --add /dev/md0 {" ".join(disk(i) for i in range(spec.raid_disks, count))}
        echo {half} > /sys/block/md0/md/sync_max
        echo idle > /sys/block/md0/md/sync_action
        until grep -q "^{half} /" /sys/block/md0/md/sync_completed; do sleep 0.05; done
        {newline.join(write.command(tmp_path / "second") for write in draw.degraded_writes)}
        section action
        cat /sys/block/md0/md/sync_action
        """,
    )
    assert run.sections["action"].split() == ["recover"]

    members = [images[i] for i in range(count) if i not in draw.failures]
    offsets = [superblock(image).recovery_offset for image in members]
    assert max(offsets) == half
    written = draw.expected((first, draw.writes), (second, draw.degraded_writes))
    with Array.assemble(tmp_path / "assembled", members) as array:
        assert array.mddev.degraded == len(draw.failures)
        assert array.read(0, array.size) == written
        (report,) = array.rebuild()
        assert report.action == "recover"
        assert array.mddev.degraded == 0
        assert array.check().mismatch_sectors == 0
        assert array.read(0, array.size) == written
