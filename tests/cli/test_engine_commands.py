"""`raidsim engines`, `raidsim dmatest` and `raidsim raid6test`."""

from __future__ import annotations

import json
import random

import pytest

from raidsim.dmaengine.dmatest import Dmatest
from raidsim.dmaengine.drivers import profile_names
from raidsim.dmaengine.drivers.ring import RingChannel

OWN = 'description = "mine"\n[[devices]]\ncapabilities = ["memcpy", "interrupt"]\nchannels = 2\n'


# -- engines --------------------------------------------------------------------------------------


def test_all_profiles_are_listed(done):
    assert [line.split()[0] for line in done("engines").splitlines()] == profile_names()
    listed = json.loads(done("engines --json"))
    assert [entry["name"] for entry in listed] == profile_names()
    assert all(entry["description"] for entry in listed)


def test_one_profile_is_shown_in_full(done):
    shown = done("engines ioat3.2-raid")
    for text in (
        "dma0: 4 channels",
        "Capabilities : memcpy memset xor xor_val pq pq_val interrupt",
        "Max pq : 8 sources, continuation emulated",
        "Alignment : xor 64 bytes, pq 64 bytes",
        "Ring : 256 slots, doubling up to 65536",
        "Issued : at 5 slots",
        "Completion : interrupt",
        "Order : in order",
        "Rate : 1000 MB/s, memcpy 2000 MB/s",
        "Quirks : needs_two_pq_sources",
        "dma0chan3         1            0                 0  1 public client",
    ):
        assert text in shown
    assert "async_tx uses dma0chan0 for memcpy, dma0chan1 for xor, dma0chan2 for pq," in shown


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_can_be_shown(done, name):
    assert done(f"engines {name}").startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("xgene", "Withheld : pq"),
        ("mv_xor_v2", "Completion : interrupt after 20 descriptors or 50000 ns"),
        ("bcm-sba-v1", "Completion : interrupt for each descriptor"),
        ("bcm-sba-v1", "Order : 8 at once, ordered by fences"),
        ("mv_xor", "Issued : at 1 slots"),
        ("fsl_raideng", "Issued : when asked to"),
        ("slave-only", "dma0chan7         0            0                 0  -"),
    ],
)
def test_what_is_special_is_shown(done, name, text):
    assert text in done(f"engines {name}")


def test_a_profile_is_also_told_as_json(done):
    facts = json.loads(done("engines xgene+pq --json"))
    (device,) = facts["devices"]
    assert device["max_pq"] == 5
    assert device["quirks"]["ignores_pq_continue"] is True
    assert facts["channels"]["dma0chan0"] == {
        "in_use": 1,
        "memcpy_count": 0,
        "bytes_transferred": 0,
    }
    assert facts["summary"] == {"dma0chan0": "1 public client"}
    assert facts["channel_table"] == {"xor": "dma0chan0", "pq": "dma0chan0"}


def test_a_profile_of_ones_own_is_shown_and_used(done, tmp_path):
    (tmp_path / "mine.toml").write_text(OWN)
    assert done("engines mine.toml").startswith("mine.toml: mine\n")
    assert "dma0chan1-copy0: summary 2 tests" in done("dmatest --engine mine.toml --iterations 2")


def test_an_unknown_profile_is_refused(refused):
    assert refused("engines iop99", status=2).startswith("no engine profile 'iop99'")
    assert refused("engines mine.toml", status=2).startswith("engine profile 'mine.toml'")


# -- dmatest --------------------------------------------------------------------------------------


def test_dmatest_prints_the_modules_summary(done):
    assert done("dmatest --engine iop32x --iterations 10 --norandom --test-buf-size 4K") == (
        "dmatest: Started 3 threads using dma0chan0 dma1chan0 dma2chan0\n"
        "dmatest: dma0chan0-copy0: summary 10 tests, 0 failures 196232.33 iops 784929 KB/s (0)\n"
        "dmatest: dma1chan0-copy0: summary 10 tests, 0 failures 196232.33 iops 784929 KB/s (0)\n"
        "dmatest: dma2chan0-xor0: summary 10 tests, 0 failures 75255.86 iops 301023 KB/s (0)\n"
    )


def test_dmatest_takes_the_modules_parameters(done):
    line = (
        "dmatest --engine iop13xx --device dma2 --channel dma2chan0 --threads-per-chan 2"
        " --max-channels 1 --iterations 3 --xor-sources 5 --pq-sources 7 --timeout -1 --dmatest 1"
        " --alignment 3 --transfer-size 1K --polled --noverify --gf --json"
    )
    threads = json.loads(done(line))
    kinds = ("set", "xor", "pq", "gf", "xorval", "pqval")
    assert {thread["name"] for thread in threads} == {
        f"dma2chan0-{kind}{number}" for kind in kinds for number in range(2)
    }
    assert {thread["transferred_bytes"] for thread in threads} == {3 * 1024}


def test_dmatest_fails_with_its_tests(cli, monkeypatch):
    monkeypatch.setattr(RingChannel, "prep_dma_memcpy", lambda *_: None)
    outcome = cli("dmatest --engine ioat1 --iterations 1 --max-channels 1")
    assert outcome.status == 1
    assert "dmatest: dma0chan0-copy0: result #1: 'prep error' with" in outcome.out
    assert "summary 1 tests, 1 failures" in outcome.out


@pytest.mark.parametrize(
    "line", ["dmatest", "dmatest --engine none", "dmatest --engine ioat1 --device dma7"]
)
def test_dmatest_without_a_channel_is_refused(refused, line):
    assert refused(line, status=1) == (
        "dmatest: no channel to test; name an engine that has one by --engine"
    )


@pytest.mark.parametrize(
    "option",
    ["--iterations -1", "--timeout -2", "--dmatest 2", "--test-buf-size 0", "--alignment 13"],
)
def test_dmatest_parameters_that_make_no_sense_are_refused(refused, option):
    assert refused(f"dmatest --engine mv_xor {option}", status=2)


def test_dmatest_tells_what_it_has_done_when_interrupted(cli, monkeypatch):
    def interrupted(_test):
        raise KeyboardInterrupt

    monkeypatch.setattr(Dmatest, "wait", interrupted)
    outcome = cli("dmatest --engine ioat1 --iterations 0 --max-channels 1")
    assert outcome.status == 130
    assert "dma0chan0-copy0: summary 0 tests" in outcome.out


# -- raid6test ------------------------------------------------------------------------------------


def test_raid6test_tells_what_ran_where(done):
    assert done("raid6test") == (
        "raid6test: on engines: nothing\n"
        "raid6test: in software: 38 xor, 48 pq, 257 pq_val, 38 datap, 176 2data\n"
        "raid6test: complete (257 tests, 0 failures)\n"
    )
    assert "raid6test: on engines: 5 memcpy, " in done("raid6test --engine iop13xx --disks 16")


def test_raid6test_prints_json(done):
    facts = json.loads(done("raid6test --engine iop13xx --disks 5 --json"))
    assert (facts["tests"], facts["failures"], facts["passed"]) == (16, [], True)
    assert facts["software"] == {}
    assert facts["offloaded"]["pq"] > 0


def test_raid6test_fails_where_an_engine_is_wrong(cli):
    outcome = cli("raid6test --engine xgene+pq --disks 11")
    assert outcome.status == 1
    assert "raid6test: 11 disks: faila=0(D) failb=1(D) ERRAB, validation 0x3" in outcome.out
    assert outcome.out.endswith("failures)\n")
    facts = json.loads(cli("raid6test --engine xgene+pq --disks 11 --json").out)
    assert facts["passed"] is False
    assert {case["disks"] for case in facts["failures"]} == {11}


def test_raid6test_needs_4_to_255_disks(refused):
    for disks in (3, 256):
        assert "--disks" in refused(f"raid6test --disks {disks}", status=2)


@pytest.mark.parametrize(("engine", "status"), [("xgene", 0), ("xgene+pq", 1)])
def test_an_engine_that_is_wrong_is_used_by_arrays_only_when_asked_for(
    cli, done, tmp_path, engine, status
):
    (tmp_path / "content").write_bytes(random.Random(1).randbytes(1 << 20))
    done(f"create arr --level 6 --raid-devices 12 --size 4M --chunk 64K --engine {engine}")
    done("write arr content")
    assert cli("check arr").status == status
