"""Memory and time do not grow with the array: each test runs in a process of its own."""

import subprocess
import sys

PEAK = """
import sys
from pathlib import Path
from raidsim.array import Array, ArraySpec
path = Path(sys.argv[1])
def peak_mib():
    # getrusage would tell that of the process that started this one.
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
"""

HUGE = """
import random
images = [path / f"disk{number}.img" for number in range(24)]
for image in images:
    with image.open("xb") as file:
        file.truncate((16 << 40) - 4096)
spec = ArraySpec(level=6, raid_disks=24, layout=2, chunk_sectors=1024, in_sync=True)
Array.create(path / "made", spec, images).close()
with Array.assemble(path / "array", images) as array:
    data = random.Random(1).randbytes(3 << 20)
    ends = (0, array.size - len(data))
    for offset in ends:
        array.write(offset, data)
    for image in (images[3], images[9]):
        array.fail(str(image))
    for offset in ends:
        assert array.read(offset, len(data)) == data
    array.write(ends[1], data[::-1])
with Array.open(path / "array") as array:
    assert array.read(ends[1], len(data)) == data[::-1]
    assert array.size > 350 << 40
cache_mib = 24 * 256 * 4096 / 2**20
assert peak_mib() < cache_mib + 100, peak_mib()
"""

STREAM = """
images = [path / f"disk{number}.img" for number in range(6)]
for image in images:
    with image.open("xb") as file:
        file.truncate(64 << 20)
spec = ArraySpec(level=6, raid_disks=6, layout=2, chunk_sectors=1024, in_sync=True)
with Array.create(path / "array", spec, images) as array:
    piece = bytes(range(256)) * 4096
    for offset in range(0, array.size, len(piece)):
        array.write(offset, piece[: array.size - offset])
    for number in (1, 4):
        array.fail(str(images[number]))
        array.remove(str(images[number]))
        array.add(path / f"new{number}.img")
    array.rebuild()
    assert not array.mddev.degraded
    assert array.check().mismatch_sectors == 0
cache_mib = 6 * 256 * 4096 / 2**20
assert peak_mib() < cache_mib + 100, peak_mib()
"""


def run(script, path):
    child = subprocess.run(
        [sys.executable, "-c", PEAK + script, str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr


def test_24_members_of_16_tib_are_made_assembled_written_at_both_ends_and_read_degraded(tmp_path):
    run(HUGE, tmp_path)


def test_a_sequential_write_and_a_rebuild_take_the_stripe_cache_and_less_than_100_mb(tmp_path):
    run(STREAM, tmp_path)
