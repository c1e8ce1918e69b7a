"""fio's job files, read as they are."""

import pytest

from raidsim.bench import Trace, Workload, read_fio_job
from raidsim.bench.fio_job import IGNORED
from raidsim.errors import UsageError
from raidsim.tables import TableError

SECOND = 1_000_000_000


@pytest.fixture
def job(tmp_path):
    def read(text):
        path = tmp_path / "job.fio"
        path.write_text(text)
        return read_fio_job(str(path))

    return read


def test_a_job_file_is_read_as_it_is(job):
    groups = job(
        """
        ; a database beside its log
        [global]
        ioengine=libaio
        direct=1
        filename=/dev/md0
        group_reporting
        bs=8k   # of the database

        [tables]
        rw=randrw
        rwmixread=70
        iodepth=16
        random_distribution=zipf:1.2
        runtime=30
        time_based
        size=2g
        numjobs=2

        [log]
        rw=write
        bssplit=512/20:4k/
        offset=2g
        size=64m
        rate_iops=500
        rate_process=poisson
        fdatasync=1
        startdelay=500ms

        [afterwards]
        stonewall
        readwrite=read
        verify=crc32c
        thinktime=100
        runtime=1m
        """
    )
    tables = Workload(
        name="tables", rw="randrw", read_percent=70, block_bytes=8192, depth=16,
        distribution="zipf:1.2", duration_ns=30 * SECOND, size_bytes=2 << 30, verify=False,
    )  # fmt: skip
    log = Workload(
        name="log", rw="write", block_bytes=8192, block_split=((512, 20), (4096, 80)),
        offset_bytes=2 << 30, size_bytes=64 << 20, rate_per_second=500, arrivals="poisson",
        flush_every=1, start_ns=SECOND // 2, verify=False,
    )  # fmt: skip
    afterwards = Workload(
        name="afterwards", rw="read", block_bytes=8192, verify=True, think_ns=100_000,
        duration_ns=60 * SECOND, passes=1,
    )  # fmt: skip
    assert groups == [[tables, tables, log], [afterwards]]


def test_bytes_a_second_become_requests_a_second(job):
    ((workload,),) = job("[a]\nrw=read\nbsrange=4k-12k\nrate=8m\n")
    assert workload.block_split == ((4096, 1), (8192, 1), (12288, 1))
    assert workload.rate_per_second == 1024


def test_an_iolog_may_be_named(job):
    ((paced,), (stalled,)) = job(
        "[global]\nread_iolog=db.log\n[a]\nreplay_time_scale=50\n[b]\nstonewall\nreplay_no_stall=1\n"
    )
    assert paced.trace == Trace(path="db.log", time_scale=0.5)
    assert stalled.trace == Trace(path="db.log", time_scale=0)


def test_all_that_is_wrong_is_told_at_once(job):
    with pytest.raises(TableError) as refused:
        job("[a]\nrw=randread\niodpeth=4\nbs=4q\nzonemode=zbd\n[b]\nrw=trim\nrwmixread=200\n")
    assert refused.value.mistakes == (
        "[a] iodpeth: unknown; did you mean 'iodepth'?",
        "[a] bs = '4q': expected a size, with k, m, g or t for powers of 1024 behind it if need be",
        "[a] zonemode: unknown, or of no meaning here",
        "[b] rw = 'trim': choose from randread, randrw, randwrite, read, rw, write",
        "[b] read_percent = 200: from 0 to 100",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no jobs in it"),
        ("rw=read\n", "no job file of fio"),
        ("[a]\nrw=read\n[a]\nrw=read\n", "already exists"),
    ],
)
def test_what_is_no_job_file_is_refused(job, text, message):
    with pytest.raises(UsageError, match=message):
        job(text)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"none\.fio: No such file"):
        read_fio_job("none.fio")


def test_options_that_say_nothing_here_are_passed_over(job):
    lines = "\n".join(f"{option}=1" for option in sorted(IGNORED))
    assert job(f"[a]\nrw=read\n{lines}\n") == [[Workload(name="a", rw="read", verify=False)]]
