"""A crash with a write-intent bitmap: the other side resyncs what the bits say, and that alone."""

from __future__ import annotations

import random

from draw import CHECK, disk
from members import make_images, superblock

from raidsim.array import Array, ArraySpec
from raidsim.disk import ImageDisk
from raidsim.md.bitmap_superblock import read_bitmap
from raidsim.md.examine_bitmap import dirty_chunks, examine_bitmap_lines
from raidsim.md.placement import BitmapWish

KIB = 1 << 10
CHUNK = 64 * KIB
IMAGE_BYTES = 6 << 20
DISKS = " ".join(disk(i) for i in range(4))
WRITTEN_ROW, CLEAN_ROW = 5, 20
ROW_BYTES = 3 * CHUNK
# A chunk of 64K whose parity is wrong: sectors that a check finds.
ONE_CHUNK = CHUNK // 512
SPEC = ArraySpec(
    level=5,
    raid_disks=4,
    layout=2,
    chunk_sectors=CHUNK // 512,
    in_sync=True,
    bitmap=BitmapWish(internal=True, chunksize=CHUNK),
)


def bitmap(image):
    member = ImageDisk(image, readonly=True)
    raw = read_bitmap(member.read, superblock(image))
    member.close()
    return raw


def spoil_parity(images, row):
    """Make the parity of a row wrong, as a write cut short would."""
    image = images[3 - row % 4]
    with image.open("r+b") as file:
        file.seek(superblock(image).data_offset * 512 + row * CHUNK)
        file.write(random.Random(row).randbytes(CHUNK))


def test_bits_that_real_md_left_in_a_crash_are_resynced_here_and_nothing_else(real_md, tmp_path):
    images = make_images(tmp_path, 4, IMAGE_BYTES)
    content = random.Random(1).randbytes(ROW_BYTES)
    (tmp_path / "content").write_bytes(content)
    script = f"""
    mdadm --create /dev/md0 --run --assume-clean --bitmap=internal --bitmap-chunk=64K --level=5 \
        --raid-devices=4 --metadata=1.2 --chunk=64 {DISKS}
    mdadm --stop /dev/md0
    mdadm --assemble /dev/md0 {DISKS}
    echo 60 > /sys/block/md0/md/safe_mode_delay
    dd status=none if={tmp_path}/content of=/dev/md0 bs={ROW_BYTES} seek={WRITTEN_ROW} oflag=direct
    mdadm --examine-bitmap /dev/ubda
    echo written
    sleep 60
    """
    with real_md(images, script) as machine:
        machine.wait_for("written")
        machine.kill()
        shown = machine.output
    raw = bitmap(images[0])
    assert "\n".join(examine_bitmap_lines(raw, "/dev/ubda")) in shown
    assert dirty_chunks(raw) == 1
    spoil_parity(images, WRITTEN_ROW)
    spoil_parity(images, CLEAN_ROW)
    with Array.assemble(tmp_path / "array", images) as array:
        assert [report.action for report in array.rebuild()] == ["resync"]
        assert array.check().mismatch_sectors == ONE_CHUNK
        assert array.read(WRITTEN_ROW * ROW_BYTES, ROW_BYTES) == content
    assert dirty_chunks(bitmap(images[3])) == 0


def test_bits_left_in_a_crash_here_are_resynced_by_real_md_and_nothing_else(real_md, tmp_path):
    images = make_images(tmp_path, 4, IMAGE_BYTES)
    content = random.Random(2).randbytes(ROW_BYTES)
    with Array.create(tmp_path / "array", SPEC, images):
        pass
    array = Array.open(tmp_path / "array")
    array.write(WRITTEN_ROW * ROW_BYTES, content)
    array.abandon()
    assert dirty_chunks(bitmap(images[2])) == 1
    spoil_parity(images, WRITTEN_ROW)
    spoil_parity(images, CLEAN_ROW)
    shown = "\n".join(examine_bitmap_lines(bitmap(images[0]), "/dev/ubda"))

    run = real_md.run(
        images,
        f"""
        section bitmap
        mdadm --examine-bitmap /dev/ubda
        mdadm --assemble /dev/md0 {DISKS}
        until [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; do sleep 0.05; done
        section mismatches
        {CHECK}
        section content
        dd status=none if=/dev/md0 bs={ROW_BYTES} skip={WRITTEN_ROW} count=1 iflag=direct \
            of={tmp_path}/read
        """,
    )
    assert run.sections["bitmap"].startswith(shown)
    assert run.sections["mismatches"].split() == [str(ONE_CHUNK)]
    assert (tmp_path / "read").read_bytes() == content
