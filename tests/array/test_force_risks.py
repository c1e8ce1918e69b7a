"""What a forced assembly says of itself."""

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.errors import RaidsimError

IMAGE_BYTES = 3 << 20


@pytest.fixture
def images(tmp_path):
    spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128)
    Array.create(tmp_path / "array", spec, image_bytes=IMAGE_BYTES).close()
    return sorted((tmp_path / "array").glob("*.img"))


def run_without(tmp_path, images, *slots):
    """Assemble all but these members and write, so that those fall behind."""
    rest = [image for slot, image in enumerate(images) if slot not in slots]
    with Array.assemble(tmp_path / "less", rest) as array:
        array.write(0, b"meanwhile")


def forced(tmp_path, images):
    with Array.assemble(tmp_path / "forced", images, force=True) as array:
        return array.risks


def test_nothing_is_said_where_nothing_was_forced(images, tmp_path):
    run_without(tmp_path, images, 1)
    assert forced(tmp_path, images) == []


def test_it_names_who_came_back_what_it_missed_and_since_when(images, tmp_path):
    run_without(tmp_path, images, 1, 3)
    risks = forced(tmp_path, images[:3])
    assert risks[0] == "forcing event count in disk1.img(1) from 0 up to 2"
    assert risks[1].startswith("disk1.img missed 2 updates of the superblocks since ")
    assert risks[2] == "marking array as 'clean'"
    assert risks[3].startswith("there is no redundancy left to check with")
    assert len(risks) == 4


def test_what_was_forced_is_on_disk_and_runs_without_force_from_then_on(images, tmp_path):
    run_without(tmp_path, images, 1, 3)
    forced(tmp_path, images[:3])
    with Array.open(tmp_path / "forced") as array:
        assert array.mddev.degraded == 2


def test_with_redundancy_left_check_and_repair_are_recommended(images, tmp_path):
    run_without(tmp_path, images, 1, 3)
    risks = forced(tmp_path, images[:4])
    assert [risk.split("(")[0] for risk in risks if risk.startswith("forcing")] == [
        "forcing event count in disk1.img",
        "forcing event count in disk3.img",
    ]
    assert risks[-1].startswith("`raidsim check` tells how much disagrees, `raidsim repair`")


def test_the_write_hole_of_a_dirty_degraded_array_is_told(images, tmp_path):
    array = Array.open(tmp_path / "array")
    array.fail("2")
    array.write(0, b"dirty")
    array.abandon()
    risks = forced(tmp_path, [image for slot, image in enumerate(images) if slot != 2])
    assert "marking array as 'clean'" in risks
    assert any("blocks of slot 2 may be computed wrong (write hole)" in risk for risk in risks)


def test_force_and_readonly_exclude_each_other_where_superblocks_have_to_change(images, tmp_path):
    run_without(tmp_path, images, 1, 3)
    before = [image.read_bytes() for image in images]
    with pytest.raises(RaidsimError, match="leave --readonly out"):
        Array.assemble(tmp_path / "forced", images[:3], force=True, readonly=True)
    assert [image.read_bytes() for image in images] == before
    Array.assemble(tmp_path / "whole", images, force=True, readonly=True).close()
