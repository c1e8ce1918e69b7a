"""``raidsim --sanitize``: commands on a machine that checks every access to memory."""

import pytest

from raidsim.cli import run
from raidsim.md.raid5 import ops


@pytest.fixture(autouse=True)
def _environment_is_put_back(monkeypatch):
    monkeypatch.setenv("RAIDSIM_SANITIZE", "")


@pytest.fixture
def array(tmp_path, capsys):
    path = str(tmp_path / "md0")
    size = ("--size", "4M", "--chunk", "64K")
    engine = ("--engine", "iop13xx")
    assert not run(["create", path, "--level", "5", "--raid-devices", "4", *size, *engine])
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    capsys.readouterr()
    return path


def test_the_arrays_own_chains_are_found_in_order(array, tmp_path):
    assert run(["--sanitize", "write", array, str(tmp_path / "data")]) == 0
    assert run(["--sanitize", "fail", array, "0"]) == 0
    assert run(["--sanitize", "read", array, "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_bytes().startswith(b"x" * 100_000)


def test_a_chain_that_lost_a_dependency_is_an_error_with_both_sides(
    array, tmp_path, monkeypatch, capsys
):
    drain = ops.ops_run_biodrain

    def forgetful_drain(conf, sh, tx):
        last = drain(conf, sh, tx)
        if last is not None:
            ops.async_tx_ack(last)

    monkeypatch.setattr(ops, "ops_run_biodrain", forgetful_drain)
    status = run(["--sanitize", "write", array, str(tmp_path / "data")])
    told = capsys.readouterr().err
    assert status == 1
    assert "in no order" in told
    assert "ops_run_biodrain" in told
    assert "missing:" in told


def test_without_it_nothing_is_checked(array, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "raidsim.machine.DmaSanitizer", lambda _sim: pytest.fail("nobody asked for it")
    )
    assert run(["write", array, str(tmp_path / "data")]) == 0
