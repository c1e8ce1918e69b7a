"""What one side left in the middle of something, the other takes up."""

from __future__ import annotations

import hashlib
import random

from draw import CHECK, READ_SUM, disk
from members import make_images, superblock

from raidsim.array import Array, ArraySpec
from raidsim.md.spares import activate_spares
from raidsim.md.superblock import MAX_SECTOR
from raidsim.md.sync import SyncThread

MIB = 1 << 20
IMAGE_BYTES = 9 * MIB
SPEC = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128, in_sync=True)
DISKS = " ".join(disk(i) for i in range(5))
CREATE = (
    "mdadm --create /dev/md0 --run --bitmap=none --level=6 --raid-devices=5 --metadata=1.2"
    f" --chunk=64 {DISKS}"
)


def stop_half_way(array: Array, action: str) -> None:
    """Run a sync to its middle and let go of the array as a crash would."""
    thread = SyncThread(array.mddev, action)
    thread.start()
    array.machine.sim.run_until(lambda: thread.position >= thread.end_sector // 2)
    array.abandon()


def test_a_kernel_that_lost_its_power_leaves_a_dirty_array_that_is_resynced_here(real_md, tmp_path):
    images = make_images(tmp_path, 5, IMAGE_BYTES)
    content = random.Random(1).randbytes(3 * MIB)
    (tmp_path / "content").write_bytes(content)
    script = f"""
    {CREATE} --assume-clean
    echo 60 > /sys/block/md0/md/safe_mode_delay
    dd status=none if={tmp_path}/content of=/dev/md0 bs=1M oflag=direct
    echo written
    sleep 60
    """
    with real_md(images, script) as machine:
        machine.wait_for("written")
        machine.kill()
    assert {superblock(image).resync_offset for image in images} == {0}

    with Array.assemble(tmp_path / "array", images) as array:
        assert array.read(0, len(content)) == content
        assert [report.action for report in array.rebuild()] == ["resync"]
        assert array.check().mismatch_sectors == 0
    assert {superblock(image).resync_offset for image in images} == {MAX_SECTOR}


def test_a_resync_that_real_md_was_stopped_in_goes_on_here(real_md, tmp_path):
    images = make_images(tmp_path, 5, IMAGE_BYTES)
    for image in images:
        # Parity that is wrong everywhere, as on disks that were used before.
        image.write_bytes(random.Random(image.name).randbytes(IMAGE_BYTES))
    real_md.run(
        images,
        f"""
        echo 100 > /proc/sys/dev/raid/speed_limit_min
        echo 1500 > /proc/sys/dev/raid/speed_limit_max
        {CREATE}
        until [ $(cut -d' ' -f1 /sys/block/md0/md/sync_completed) -gt 2000 ]; do sleep 0.1; done
        """,
    )
    stopped_at = superblock(images[0]).resync_offset
    assert 0 < stopped_at < superblock(images[0]).size

    with Array.assemble(tmp_path / "array", images) as array:
        assert array.mddev.recovery_cp == stopped_at
        assert [report.action for report in array.rebuild()] == ["resync"]
        assert array.check().mismatch_sectors == 0


def test_a_recovery_that_was_cut_short_here_is_finished_by_real_md(real_md, tmp_path):
    images = make_images(tmp_path, 6, IMAGE_BYTES)
    content = random.Random(2).randbytes(5 * MIB)
    with Array.create(tmp_path / "array", SPEC, images[:5]) as array:
        array.write(0, content)
        array.fail("1")
        array.write(MIB, content[:MIB])
        array.add(images[5])
    array = Array.open(tmp_path / "array")
    assert activate_spares(array.mddev)
    stop_half_way(array, "recover")
    assert 0 < superblock(images[5]).recovery_offset < superblock(images[5]).size

    expected = content[:MIB] + content[:MIB] + content[2 * MIB :]
    run = real_md.run(
        [images[i] for i in (0, 2, 3, 4, 5)],
        f"""
        mdadm --assemble --run /dev/md0 {DISKS}
        until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done
        section state
        cat /proc/mdstat
        section mismatches
        {CHECK}
        section sum
        head -c {len(expected)} /dev/md0 | sha256sum
        """,
    )
    assert "[5/5] [UUUUU]" in run.sections["state"]
    assert run.sections["mismatches"].split() == ["0"]
    assert run.sections["sum"].split()[0] == hashlib.sha256(expected).hexdigest()


def test_a_resync_that_was_cut_short_here_is_finished_by_real_md(real_md, tmp_path):
    images = make_images(tmp_path, 5, IMAGE_BYTES)
    for image in images:
        image.write_bytes(random.Random(image.name).randbytes(IMAGE_BYTES))
    spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128)
    array = Array.create(tmp_path / "array", spec, images)
    content = array.read(0, array.size)
    stop_half_way(array, "resync")
    (begun,) = {superblock(image).resync_offset for image in images}
    assert 0 < begun < MAX_SECTOR

    run = real_md.run(
        images,
        f"""
        mdadm --assemble /dev/md0 {DISKS}
        until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done
        section mismatches
        {CHECK}
        section sum
        {READ_SUM}
        """,
    )
    assert run.sections["mismatches"].split() == ["0"]
    assert run.sections["sum"].split()[0] == hashlib.sha256(content).hexdigest()


def test_a_replacement_that_real_md_was_stopped_in_goes_on_here(real_md, tmp_path):
    images = make_images(tmp_path, 7, IMAGE_BYTES)
    content = random.Random(3).randbytes(5 * MIB)
    (tmp_path / "content").write_bytes(content)
    real_md.run(
        images,
        f"""
        {CREATE} --assume-clean
        dd status=none if={tmp_path}/content of=/dev/md0 bs=1M oflag=direct
        echo 100 > /proc/sys/dev/raid/speed_limit_min
        echo 1500 > /proc/sys/dev/raid/speed_limit_max
        mdadm /dev/md0 --fail {disk(4)}
        mdadm /dev/md0 --remove {disk(4)}
        echo frozen > /sys/block/md0/md/sync_action
        mdadm /dev/md0 --add {disk(5)}
        mdadm /dev/md0 --add {disk(6)}
        mdadm /dev/md0 --replace {disk(1)}
        echo idle > /sys/block/md0/md/sync_action
        until grep -q / /sys/block/md0/md/sync_completed &&
            [ $(cut -d' ' -f1 /sys/block/md0/md/sync_completed) -gt 2000 ]; do sleep 0.1; done
        dd status=none if={tmp_path}/content of=/dev/md0 bs=1M count=1 seek=2 oflag=direct
        """,
    )
    stopped_at = {superblock(image).recovery_offset for image in images[5:]}
    assert 0 < min(stopped_at) < superblock(images[5]).size
    assert {superblock(image).feature_map for image in images[5:]} == {0x2, 0x12}

    expected = content[: 2 * MIB] + content[:MIB] + content[3 * MIB :]
    with Array.assemble(tmp_path / "array", [*images[:4], *images[5:]]) as array:
        assert array.read(0, len(expected)) == expected
        assert [report.action for report in array.rebuild()] == ["recover"]
        assert (array.mddev.degraded, array.check().mismatch_sectors) == (0, 0)
        assert array.read(0, len(expected)) == expected
        assert [rdev.name for rdev in array.mddev.rdevs if rdev.faulty] == [images[1].name]


def test_a_replacement_that_was_cut_short_here_is_finished_by_real_md(real_md, tmp_path):
    images = make_images(tmp_path, 7, IMAGE_BYTES)
    content = random.Random(4).randbytes(5 * MIB)
    with Array.create(tmp_path / "array", SPEC, images[:5]) as array:
        array.write(0, content)
        array.fail(images[4].name)
        array.remove(images[4].name)
        array.add(images[5])
        array.add(images[6])
        array.replace([images[1].name])
    array = Array.open(tmp_path / "array")
    stop_half_way(array, "recover")
    reached = superblock(images[5]).recovery_offset
    assert 0 < reached < superblock(images[5]).size

    run = real_md.run(
        images,
        f"""
        echo 100 > /proc/sys/dev/raid/speed_limit_min
        echo 100 > /proc/sys/dev/raid/speed_limit_max
        mdadm --assemble /dev/md0 {" ".join(disk(i) for i in (0, 1, 2, 3, 5, 6))}
        section assembled
        cat /proc/mdstat
        echo 100000 > /proc/sys/dev/raid/speed_limit_max
        until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done
        section state
        cat /proc/mdstat
        section mismatches
        {CHECK}
        section sum
        head -c {len(content)} /dev/md0 | sha256sum
        """,
    )
    assert "(R)" in run.sections["assembled"]
    assert "[5/5] [UUUUU]" in run.sections["state"]
    assert "ubdb[1](F)" in run.sections["state"]
    assert run.sections["mismatches"].split() == ["0"]
    assert run.sections["sum"].split()[0] == hashlib.sha256(content).hexdigest()
