from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raidsim.errors import UsageError
from raidsim.md.placement import (
    Placement,
    bitmap_space,
    default_data_offset,
    place_array,
    place_member,
)

# What mdadm 4.2 wrote when it created an array without bitmap on sparse images under Linux 6.1.
# minor, device, chunk: used size, data offset, data size, super offset, bad block log offset
MDADM_MADE = [
    (0, 4096, 128, 3968, 0, 4064, 4080, -8),
    (2, 4096, 128, 2048, 2048, 2048, 8, 16),
    (0, 8192, 128, 8064, 0, 8160, 8176, -8),
    (1, 8192, 128, 6144, 2048, 6144, 0, 16),
    (1, 8192, 1024, 4096, 4096, 4096, 0, 16),
    (2, 8192, 128, 6144, 2048, 6144, 8, 16),
    (2, 8192, 1024, 4096, 4096, 4096, 8, 16),
    (0, 38912, 128, 38784, 0, 38880, 38896, -8),
    (0, 38912, 8192, 32768, 0, 38880, 38896, -8),
    (2, 38912, 128, 36864, 2048, 36864, 8, 16),
    (2, 38912, 1024, 34816, 4096, 34816, 8, 16),
    (2, 38912, 8192, 16384, 18432, 20480, 8, 16),
    (0, 65542, 128, 65408, 0, 65504, 65520, -8),
    (2, 65542, 128, 63488, 2048, 63494, 8, 16),
    (2, 65542, 1024, 61440, 4096, 61446, 8, 16),
    (0, 522240, 128, 522112, 0, 522208, 522224, -8),
    (2, 522240, 128, 520192, 2048, 520192, 8, 16),
    (2, 522240, 1024, 518144, 4096, 518144, 8, 16),
    (0, 2097152, 128, 2097024, 0, 2097120, 2097136, -8),
    (2, 2097152, 128, 2093056, 4096, 2093056, 8, 16),
    (2, 2097152, 1024, 2093056, 4096, 2093056, 8, 16),
    (0, 8388608, 128, 8388480, 0, 8388576, 8388592, -8),
    (0, 8388608, 8192, 8380416, 0, 8388576, 8388592, -8),
    (2, 8388608, 128, 8378368, 10240, 8378368, 8, 16),
    (2, 8388608, 1024, 8378368, 10240, 8378368, 8, 16),
    (2, 8388608, 8192, 8364032, 18432, 8370176, 8, 16),
    (0, 16777224, 128, 16777088, 0, 16777192, 16777208, -8),
    (2, 16777224, 128, 16758784, 18432, 16758792, 8, 16),
    (2, 16777224, 1024, 16758784, 18432, 16758792, 8, 16),
    (0, 16777216, 128, 16777088, 0, 16777184, 16777200, -8),
    (0, 16777216, 8192, 16769024, 0, 16777184, 16777200, -8),
    (2, 16777216, 128, 16758784, 18432, 16758784, 8, 16),
    (2, 16777216, 1024, 16758784, 18432, 16758784, 8, 16),
    (2, 16777216, 8192, 16752640, 18432, 16758784, 8, 16),
    (0, 18874368, 128, 18874112, 0, 18874216, 18874352, -8),
    (2, 18874368, 128, 18855936, 18432, 18855936, 8, 136),
    (2, 18874368, 1024, 18855936, 18432, 18855936, 8, 136),
    (0, 134217728, 128, 134217472, 0, 134217576, 134217712, -8),
    (2, 134217728, 128, 134084608, 133120, 134084608, 8, 136),
    (2, 134217728, 1024, 134084608, 133120, 134084608, 8, 136),
    (0, 268435456, 128, 268435200, 0, 268435304, 268435440, -8),
    (2, 268435456, 128, 268171264, 264192, 268171264, 8, 136),
    (2, 268435456, 1024, 268171264, 264192, 268171264, 8, 136),
    (0, 419430400, 128, 419430144, 0, 419430248, 419430384, -8),
    (2, 419430400, 128, 419166208, 264192, 419166208, 8, 136),
    (2, 419430400, 1024, 419166208, 264192, 419166208, 8, 136),
    (0, 419430463, 128, 419430272, 0, 419430304, 419430440, -8),
    (2, 419430463, 128, 419166208, 264192, 419166271, 8, 136),
    (2, 419430463, 1024, 419166208, 264192, 419166271, 8, 136),
    (0, 419430528, 128, 419430144, 0, 419430376, 419430512, -8),
    (0, 419430528, 8192, 419422208, 0, 419430376, 419430512, -8),
    (2, 419430528, 128, 419166336, 264192, 419166336, 8, 136),
    (2, 419430528, 1024, 419166208, 264192, 419166336, 8, 136),
    (2, 419430528, 8192, 419160064, 264192, 419166336, 8, 136),
    (0, 419430536, 128, 419430144, 0, 419430384, 419430520, -8),
    (2, 419430536, 128, 419166336, 264192, 419166344, 8, 136),
    (2, 419430536, 1024, 419166208, 264192, 419166344, 8, 136),
    (0, 629145600, 128, 629145216, 0, 629145320, 629145584, -8),
    (1, 629145600, 128, 628881408, 264192, 628881408, 0, 264),
    (1, 629145600, 1024, 628881408, 264192, 628881408, 0, 264),
    (2, 629145600, 128, 628881408, 264192, 628881408, 8, 264),
    (2, 629145600, 1024, 628881408, 264192, 628881408, 8, 264),
    (0, 17179869184, 128, 17179868800, 0, 17179868904, 17179869168, -8),
    (2, 17179869184, 128, 17179604992, 264192, 17179604992, 8, 264),
    (2, 17179869184, 1024, 17179604992, 264192, 17179604992, 8, 264),
    (0, 25769803776, 128, 25769803392, 0, 25769803496, 25769803760, -8),
    (0, 25769803776, 8192, 25769795584, 0, 25769803496, 25769803760, -8),
    (2, 25769803776, 128, 25769539584, 264192, 25769539584, 8, 264),
    (2, 25769803776, 1024, 25769539584, 264192, 25769539584, 8, 264),
    (2, 25769803776, 8192, 25769533440, 264192, 25769539584, 8, 264),
    (0, 204807, 128, 204672, 0, 204768, 204784, -8),
    (2, 204807, 128, 202752, 2048, 202759, 8, 16),
    (2, 204807, 1024, 200704, 4096, 200711, 8, 16),
    (0, 1026, 128, 896, 0, 992, 1008, -8),
    (0, 2200, 128, 2048, 0, 2168, 2184, -8),
    (2, 2200, 128, 128, 2048, 152, 8, 16),
]


@pytest.mark.parametrize(
    ("minor", "device", "chunk", "size", "data_offset", "data_size", "super_offset", "bblog"),
    MDADM_MADE,
)
def test_placement_is_mdadms(
    minor, device, chunk, size, data_offset, data_size, super_offset, bblog
):
    placement = Placement(data_offset, data_size, super_offset, bblog, 8)
    assert place_array(minor, {"a": device}, chunk) == (size, {"a": placement})


@pytest.mark.parametrize(
    ("minor", "device", "chunk"),
    [
        (0, 4096, 8192),
        (1, 4096, 1024),
        (2, 4096, 1024),
        (2, 4096, 8192),
        (0, 1026, 1024),
        (2, 1026, 8),
        (2, 2048, 8),
        (0, 20, 8),
    ],
)
def test_device_that_mdadm_finds_too_small_is_named(minor, device, chunk):
    with pytest.raises(UsageError, match=r"^a\.img: \d+K are too small for the metadata"):
        place_array(minor, {"big.img": 2**20, "a.img": device}, chunk)


def test_first_device_settles_the_data_offset():
    small, large = 8192, 134217728
    size, placements = place_array(2, {"a": small, "b": large}, 128)
    assert {placement.data_offset for placement in placements.values()} == {2048}
    assert placements["b"].data_size == large - 2048
    assert size == 6144
    with pytest.raises(UsageError, match=r"^a: 4096K are too small"):
        place_array(2, {"b": large, "a": small}, 128)


def test_smallest_device_settles_the_size():
    size, placements = place_array(2, {"a": 20000, "b": 9000, "c": 30000}, 128)
    assert size == (9000 - 2048) // 128 * 128
    assert [placement.data_size for placement in placements.values()] == [17952, 6952, 27952]


def test_given_size_is_rounded_down_to_the_chunk():
    assert place_array(2, {"a": 8192}, 128, 1000)[0] == 896


def test_given_size_below_a_chunk_is_refused():
    with pytest.raises(UsageError, match="a size of 63K is less than a chunk of 64K"):
        place_array(2, {"a": 8192}, 128, 127)


def test_given_size_beyond_a_device_is_refused():
    with pytest.raises(UsageError, match=r"^b: 2048K are free for data, less than the size"):
        place_array(2, {"a": 2**20, "b": 8192}, 1024, 5120)


@pytest.mark.parametrize(
    ("sectors", "space"),
    [
        (127, 0), (128, 8), (16777224, 8), (16777225, 128), (419430527, 128), (419430528, 256),
    ],
)  # fmt: skip
def test_bitmap_space_grows_at_mdadms_limits(sectors, space):
    assert bitmap_space(sectors) == space


def test_metadata_1_0_starts_its_data_at_once():
    assert default_data_offset(0, 2**34, 1024) == 0


@given(
    st.sampled_from([0, 1, 2]),
    st.integers(3 * 2**13, 2**35),
    st.integers(3, 12).map(lambda exponent: 1 << exponent),
)
def test_data_log_and_superblock_never_overlap(minor, device, chunk):
    size, placements = place_array(minor, {"a": device}, chunk)
    placement = placements["a"]
    data = (placement.data_offset, placement.data_offset + placement.data_size)
    log = placement.super_offset + placement.bblog_offset
    areas = sorted([data, (placement.super_offset, placement.super_offset + 8), (log, log + 8)])
    assert areas[0][0] >= 0
    assert areas[-1][1] <= device
    assert all(ahead[1] <= behind[0] for ahead, behind in pairwise(areas))
    assert size <= placement.data_size
    assert size % chunk == 0


def test_joining_device_gets_the_arrays_offset():
    placement = place_member(2, 10000, 4096, 5120)
    assert placement == Placement(4096, 5904, 8, 16, 8)


@pytest.mark.parametrize(("minor", "device"), [(0, 5120 + 23), (2, 4096 + 5119)])
def test_joining_device_must_hold_the_used_size(minor, device):
    data_offset = 0 if minor == 0 else 4096
    with pytest.raises(UsageError, match="are too small for 2560K of data"):
        place_member(minor, device, data_offset, 5120)
    assert place_member(minor, device + 1, data_offset, 5120).data_size >= 5120


def test_log_lies_before_data_that_starts_early_or_nowhere():
    assert place_member(2, 10000, 32, 5120).bblog_offset == 16
    assert place_member(2, 10000, 24, 5120).bblog_offset == 8
    placement = place_member(2, 10000, 16, 5120)
    assert (placement.bblog_offset, placement.bblog_size) == (0, 0)
