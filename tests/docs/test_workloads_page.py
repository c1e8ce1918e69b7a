"""The page about workloads: its code runs, its job file is fio's, and it names every option."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from raidsim.array import Array, ArraySpec
from raidsim.bench import Contents, Workload, read_fio_job, run_workloads
from raidsim.bench.fio_job import _FIELDS, _OTHERS, IGNORED

PAGE = (Path(__file__).parents[2] / "docs/reference/workloads.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_its_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "workloads.md", "exec"), names)  # noqa: S102  our own page
    assert capsys.readouterr().out == "100 requests, 0 sectors wrong\n"


def test_it_names_every_key_and_option():
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert named >= set(Workload.__dataclass_fields__)
    assert named >= {*_FIELDS, *_OTHERS, *IGNORED}


def test_its_job_file_runs(tmp_path):
    path = tmp_path / "page.fio"
    path.write_text(blocks("ini")[0])
    spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128)
    with Array.create(tmp_path / "demo", spec, image_bytes=4 << 20) as array:
        contents = Contents(array.size, zeros=True)
        ((database, log),) = [run_workloads(array, it, contents) for it in read_fio_job(path)]
        assert not len(contents.wrong_sectors_of(array))
    assert database.reads.bytes + database.writes.bytes == 1 << 20
    assert log.flushes.requests == log.writes.requests // 8


@pytest.mark.oracle
def test_its_job_file_is_fios_and_fios_log_of_it_is_read(tmp_path):
    if not shutil.which("fio"):
        pytest.skip("fio is not installed")
    job = tmp_path / "page.fio"
    job.write_text(blocks("ini")[0].replace("/dev/md0", str(tmp_path / "file")))
    log = tmp_path / "log"
    options = ["--ioengine=psync", "--direct=0", f"--write_iolog={log}"]
    subprocess.run(
        ["fio", *options, "--section=log", job], check=True, capture_output=True, cwd=tmp_path
    )
    job.write_text(f"[replay]\nread_iolog={log}\nreplay_no_stall=1\n")
    spec = ArraySpec(level=6, raid_disks=5, layout=2, chunk_sectors=128)
    with Array.create(tmp_path / "demo", spec, image_bytes=4 << 20) as array:
        (group,) = read_fio_job(job)
        (report,) = run_workloads(array, group, Contents(array.size))
    assert report.writes.bytes == 1 << 20
    assert report.flushes.requests == report.writes.requests // 8
