import numpy as np
import pytest

from raidsim import Machine
from raidsim.dmaengine import DMA_MEMCPY, DMA_PRIVATE, dma_request_channel, dmaengine_put
from raidsim.dmaengine.dmatest import Dmatest, DmatestParameters
from raidsim.dmaengine.dmatest_transfer import odd_count
from raidsim.dmaengine.drivers import arithmetic, load_profile, profile_names
from raidsim.dmaengine.drivers.ring import RingChannel
from raidsim.dmaengine.errors import DmatestError


def free_machine(*engines, timed=True):
    """A machine on which nobody holds the public channels."""
    machine = Machine(timed=timed, engines=engines)
    dmaengine_put(machine)
    return machine


def run(machine, **parameters):
    test = Dmatest(machine, DmatestParameters(**{"iterations": 5} | parameters))
    test.start()
    return test.wait()


def test_each_kind_of_operation_of_each_channel_has_a_thread():
    threads = run(free_machine("iop13xx"))
    assert [thread.name for thread in threads] == [
        *("dma0chan0-copy0", "dma0chan0-xor0", "dma1chan0-copy0", "dma1chan0-xor0"),
        *("dma2chan0-copy0", "dma2chan0-xor0", "dma2chan0-pq0"),
    ]
    assert {thread.tests for thread in threads} == {5}
    assert not any(thread.failures for thread in threads)


def test_gf_adds_multiplication_and_the_validations():
    names = {thread.name for thread in run(free_machine("iop13xx"), device="dma2", gf=True)}
    assert names == {
        f"dma2chan0-{kind}0" for kind in ("copy", "xor", "pq", "gf", "xorval", "pqval")
    }


def test_fills_are_tested_instead_of_copies():
    names = [thread.name for thread in run(free_machine("iop13xx"), device="dma0", dmatest=1)]
    assert names == ["dma0chan0-set0", "dma0chan0-xor0"]


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("name", [*profile_names(), "xgene+pq", "ppc440spe+pq+pq_val"])
def test_every_profile_passes(name, timed):
    for parameters in ({"gf": True}, {"dmatest": 1}, {"polled": True, "xor_sources": 255}):
        threads = run(free_machine(name, timed=timed), **parameters)
        assert not any(thread.messages for thread in threads)
    capable = {"memcpy", "xor", "pq"}
    offers = any(capable & set(device.capabilities) for device in load_profile(name).devices)
    assert bool(threads) is offers


# -- channels -------------------------------------------------------------------------------------


def test_channels_are_held_exclusively_by_name_and_given_back():
    machine = free_machine("ioat1")
    test = Dmatest(machine, DmatestParameters(iterations=1))
    test.start()
    held = [chan.name for chan in test.channels]
    assert held == ["dma0chan0", "dma0chan1", "dma0chan2", "dma0chan3"]
    assert {chan.client_name for chan in test.channels} == {"dmatest"}
    assert dma_request_channel(machine, {DMA_MEMCPY}) is None
    test.wait()
    assert dma_request_channel(machine, {DMA_MEMCPY}).client_name == ""


def test_no_channel_is_to_be_had_while_async_tx_holds_them_all():
    assert run(Machine(engines=["iop13xx"])) == []


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"max_channels": 2}, {"dma0chan0-copy0", "dma0chan1-copy0"}),
        ({"channel": "dma0chan2"}, {"dma0chan2-copy0"}),
        ({"device": "dma0", "max_channels": 1}, {"dma0chan0-copy0"}),
        ({"device": "dma1"}, set()),
        (
            {"max_channels": 1, "threads_per_chan": 2},
            {"dma0chan0-copy0", "dma0chan0-copy1"},
        ),
    ],
)
def test_channels_are_chosen_by_the_modules_parameters(parameters, names):
    assert {thread.name for thread in run(free_machine("ioat1"), **parameters)} == names


def test_a_private_device_can_be_tested_beside_async_tx():
    machine = Machine(engines=["iop13xx"])
    machine.dmaengine.devices[0].cap_mask.add(DMA_PRIVATE)
    machine.dmaengine.devices[0].channels[0].client_count = 0
    assert [thread.name for thread in run(machine)] == ["dma0chan0-copy0", "dma0chan0-xor0"]


# -- transfers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "most", "count"), [(3, 8, 3), (4, 8, 5), (9, 8, 7), (9, 9, 9)])
def test_source_counts_are_odd_so_that_the_xor_of_like_sources_is_a_source(wanted, most, count):
    assert odd_count(wanted, most) == count


def lengths(monkeypatch, **parameters):
    seen = []
    prep = RingChannel.prep_dma_memcpy

    def watch(chan, dest, dest_offset, src, src_offset, length, flags):
        seen.append((dest_offset, src_offset, length))
        return prep(chan, dest, dest_offset, src, src_offset, length, flags)

    monkeypatch.setattr(RingChannel, "prep_dma_memcpy", watch)
    run(free_machine("mv_xor"), channel="dma0chan0", iterations=50, **parameters)
    return np.array(seen).T


def test_lengths_and_offsets_are_random_and_not_below_what_the_engine_takes(monkeypatch):
    dest_offsets, src_offsets, length = lengths(monkeypatch, test_buf_size=1000)
    assert length.min() >= 128
    assert len(set(length)) > 10
    assert len(set(dest_offsets)) > 10
    assert (dest_offsets + length).max() <= 1000
    assert (src_offsets + length).max() <= 1000


def test_norandom_transfers_whole_buffers(monkeypatch):
    assert [set(row) for row in lengths(monkeypatch, norandom=True)] == [{0}, {0}, {16384}]


def test_transfer_size_and_alignment_are_kept(monkeypatch):
    dest_offsets, src_offsets, length = lengths(monkeypatch, transfer_size=1025, alignment=6)
    assert set(length) == {1024}
    assert not (dest_offsets | src_offsets).max() & 63 & ~64
    assert {*(dest_offsets % 64), *(src_offsets % 64)} == {0}


def test_buffers_smaller_than_the_engine_takes_are_refused():
    with pytest.raises(DmatestError, match="takes no less than 128 bytes"):
        run(free_machine("mv_xor"), test_buf_size=100)


# -- what goes wrong ------------------------------------------------------------------------------


def failures(machine, **parameters):
    """The one thread's messages without its name; every test of it has to fail."""
    (thread,) = run(machine, max_channels=1, **parameters)
    assert thread.failures == thread.tests
    return [message.removeprefix(f"{thread.name}: ") for message in thread.messages]


def damage(monkeypatch, function):
    memcpy = arithmetic.memcpy

    def damaged(dest, dest_offset, src, src_offset, length):
        memcpy(dest, dest_offset, src, src_offset, length)
        function(dest, dest_offset, src, src_offset, length)

    monkeypatch.setattr(arithmetic, "memcpy", damaged)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda dest, at, *_: dest.__setitem__(at, dest[at] ^ 0x40), "not copied!"),
        (lambda dest, at, *_: dest.__setitem__(at, dest[at] ^ 1), "mismatch!"),
        (
            lambda dest, at, src, start, length: dest.__setitem__(at + length, src[start]),
            "was copied!",
        ),
        (lambda _dest, _at, src, start, _length: src.__setitem__(start, 0), "overwritten!"),
    ],
)
def test_a_wrong_byte_is_told_of_by_its_kind(monkeypatch, function, complaint):
    damage(monkeypatch, function)
    messages = failures(free_machine("ioat1"), iterations=1, transfer_size=512)
    assert complaint in messages[0]
    assert "Expected" in messages[0]
    assert "result #1: 'data error' with src_off=" in messages[-1]
    assert messages[-1].endswith("len=0x200")


def test_at_most_32_wrong_bytes_are_told_of(monkeypatch):
    damage(monkeypatch, lambda dest, at, *_: dest[at : at + 100].fill(0))
    messages = failures(free_machine("ioat1"), iterations=1, transfer_size=100)
    assert len(messages) == 34
    assert messages[32] == "68 errors suppressed"


def test_noverify_does_not_look(monkeypatch):
    damage(monkeypatch, lambda dest, at, *_: dest[at : at + 100].fill(0))
    (thread,) = run(free_machine("ioat1"), max_channels=1, noverify=True)
    assert thread.failures == 0


def test_no_descriptor_is_a_prep_error(monkeypatch):
    monkeypatch.setattr(RingChannel, "prep_dma_memcpy", lambda *_: None)
    assert "result #1: 'prep error'" in failures(free_machine("ioat1"))[0]


@pytest.mark.parametrize("timed", [False, True])
def test_what_never_completes_times_out(monkeypatch, timed):
    machine = free_machine("ioat1", timed=timed)
    monkeypatch.setattr(RingChannel, "_start", lambda _chan: None)
    messages = failures(machine, iterations=3, timeout=20)
    assert len(messages) == 3
    assert all("'test timed out'" in message for message in messages)
    if timed:
        assert machine.sim.now_ns == pytest.approx(60_000_000, rel=0.5)


def test_what_never_completes_is_an_error_when_polled(monkeypatch):
    machine = free_machine("ioat1")
    monkeypatch.setattr(RingChannel, "_start", lambda _chan: None)
    assert "'completion error status'" in failures(machine, iterations=1, polled=True)[0]


def test_the_modules_pq_test_is_blind_to_multiplication_and_gf_is_not(monkeypatch):
    prep = RingChannel.prep_dma_pq

    def wrong(chan, pq, sources, coefficients, *more):
        return prep(chan, pq, sources, [1] * len(coefficients), *more)

    monkeypatch.setattr(RingChannel, "prep_dma_pq", wrong)
    threads = {
        thread.name: thread for thread in run(free_machine("iop13xx"), device="dma2", gf=True)
    }
    assert threads["dma2chan0-pq0"].failures == 0
    assert threads["dma2chan0-gf0"].failures == 5
    assert "Q of" in threads["dma2chan0-gf0"].messages[0]


@pytest.mark.parametrize("kind", ["xor_val", "pq_val"])
def test_a_validation_that_always_says_yes_is_found(monkeypatch, kind):
    def yes(*arguments):
        arguments[-1].flags = 0

    monkeypatch.setattr(arithmetic, kind, yes)
    threads = run(free_machine("iop13xx"), device="dma2", gf=True, iterations=20)
    (found,) = (thread for thread in threads if thread.failures)
    assert found.name == f"dma2chan0-{kind.replace('_', '')}0"
    assert 0 < found.failures < 20


# -- the summary ----------------------------------------------------------------------------------


def test_the_summary_tells_rates_in_virtual_time():
    (thread,) = run(free_machine("ioat1"), max_channels=1, norandom=True, test_buf_size=1000)
    assert thread.runtime_ns == 5 * 2000
    assert thread.transferred_bytes == 5000
    assert thread.summary == (
        "dma0chan0-copy0: summary 5 tests, 0 failures 500000.00 iops 488281 KB/s (0)"
    )


def test_the_same_seed_makes_the_same_run():
    def outcome(seed):
        machine = Machine(seed, timed=True, engines=["iop13xx"])
        dmaengine_put(machine)
        return [(thread.summary, thread.runtime_ns) for thread in run(machine, gf=True)]

    assert outcome(1) == outcome(1)
    assert outcome(1) != outcome(2)
