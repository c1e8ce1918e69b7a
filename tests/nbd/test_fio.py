"""fio writes with checksums and reads back, while the array's members come and go."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import pytest
from nbd_rig import make_array, served

from raidsim.array import Array

pytestmark = [pytest.mark.oracle]

_JOB = {
    "rw": "randwrite",
    "bsrange": "512-64k",
    "bs_unaligned": "0",
    "iodepth": "32",
    "numjobs": "4",
    "size": "4M",
    "offset_increment": "4M",
    "verify": "crc32c",
    "verify_fatal": "1",
    "verify_state_save": "0",
    "group_reporting": "1",
    "randseed": "7",
}


def fio(server, **options):
    """Begin a job; its process."""
    if shutil.which("fio") is None:
        pytest.skip("fio is not installed")
    job = _JOB | options
    words = [f"--{key}={value}" for key, value in job.items()]
    command = [
        "fio",
        "--name=job",
        "--ioengine=nbd",
        f"--uri=nbd+unix:///?socket={server.address}",
        *words,
    ]
    return subprocess.Popen(
        [*command, "--output-format=json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended_well(process):
    """Wait for the job, which must have read back whatever it wrote, without an error."""
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, (out, err)
    (job,) = json.loads(out[out.index("{") :])["jobs"]
    assert job["error"] == 0
    assert job["write"]["total_ios"] > 100
    assert job["read"]["total_ios"] >= job["write"]["total_ios"]


@pytest.fixture(params=[5, 6])
def level(request):
    return request.param


@pytest.fixture
def server(tmp_path, level):
    path = make_array(tmp_path / "array", level=level, disks=level, image_bytes=8 << 20)
    with served(path) as server:
        yield server
    with Array.open(path) as array:
        assert array.mddev.in_sync
        if not array.mddev.degraded:
            assert array.check().mismatch_sectors == 0


def fail(server, *slots):
    for slot in slots:
        server.call(server.array.fail, str(slot))


def wait_until_rebuilt(server):
    """The server rebuilds by itself."""
    while server.call(lambda: server.array.mddev.degraded):
        time.sleep(0.01)


def test_healthy(server):
    ended_well(fio(server))


def test_degraded(server, level):
    fail(server, *range(level - 4))
    ended_well(fio(server))


def test_during_a_rebuild(server, level, tmp_path):
    array = server.array
    server.call(array.set, "sync_speed_max", "1000")  # so that it lasts
    fail(server, *range(level - 4))
    for number in range(level - 4):
        server.call(array.add, tmp_path / f"new{number}.img")
    process = fio(server)
    ended_well(process)
    assert server.call(lambda: array.mddev.degraded) > 0
    server.call(array.set, "sync_speed_max", "1000000")
    wait_until_rebuilt(server)


def test_while_disks_fail_and_are_replaced(server, level, tmp_path):
    array = server.array
    process = fio(server, loops="2")
    number = 0
    while process.poll() is None:
        for slot in range(level - 4):
            server.call(array.fail, str(slot))
        for _ in range(level - 4):
            server.call(array.add, tmp_path / f"new{number}.img")
            number += 1
        wait_until_rebuilt(server)
    ended_well(process)
    assert number > 2
