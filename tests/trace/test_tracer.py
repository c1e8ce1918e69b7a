"""A trace can be read, says what happened, and says it in the same bytes each time."""

import io
from typing import NamedTuple

import numpy as np
import pytest
from trace_reader import TraceReader

from raidsim.cpu import CpuWork
from raidsim.disk.events import DiskSubmitted, PowerFailed
from raidsim.dmaengine.events import Completed, Software, Submitted
from raidsim.md.bio import WRITE, Bio
from raidsim.md.events import BioSubmitted
from raidsim.md.raid5.events import StripeTaken
from raidsim.trace import Tracer


def work(array):
    """Writes of some kinds, a rebuild and reads, with the array degraded meanwhile."""
    array.write(1000, b"a" * 5000)
    array.write(1 << 20, b"b" * 300_000)
    array.fail("1")
    array.write(64 << 10, b"c" * 4096)
    array.read(0, 200_000)
    array.add(array.directory.path / "spare.img")
    array.rebuild()
    array.read(1 << 20, 4096)
    array.close()


class Traced:
    def __init__(self, array, do=work):
        file = io.StringIO()
        self.events = []
        with Tracer(file) as tracer:
            array.machine.sim.hook.subscribe(tracer.listen)
            array.machine.sim.hook.subscribe(lambda _, event: self.events.append(event))
            do(array)
        self.text = file.getvalue()

    def count(self, *kinds):
        return sum(isinstance(event, kinds) for event in self.events)

    @property
    def trace(self):
        return TraceReader(self.text)


ENGINES = [(), ("iop13xx",), ("ioat3.2-raid",), ("bcm-sba-v2",), ("mv_xor", "ioat1")]


@pytest.mark.parametrize("engines", ENGINES, ids=lambda engines: "+".join(engines) or "software")
@pytest.mark.parametrize("timed", [True, False], ids=["timed", "untimed"])
def test_slices_nest_and_every_flow_joins_two_of_them(make_array, engines, timed):
    array = make_array(engines=engines, timed=timed)
    trace = Traced(array).trace
    assert trace.arrows_between("requests", "stripe cache")
    assert trace.arrows_between("stripe cache", "disks")
    assert trace.arrows_between("disks", "stripe cache")
    assert trace.arrows_between("stripe cache", "requests")
    assert trace.arrows_between("requests", "disks")
    assert trace.arrows_between("array", "disks")


def test_everything_that_happened_is_drawn_once(make_array):
    traced = Traced(make_array(engines=["iop13xx"]))
    trace = traced.trace
    assert len(trace.of_group("requests")) == traced.count(BioSubmitted)
    assert len(trace.of_group("stripe cache")) == traced.count(StripeTaken)
    assert len(trace.of_group("channels")) == traced.count(Completed) == traced.count(Submitted)
    assert len(trace.of_group("disks")) == traced.count(DiskSubmitted)
    assert len(trace.of_group("CPU")) == traced.count(Software)


def test_what_is_done_one_after_the_other_is_drawn_on_one_track(make_array):
    trace = Traced(make_array()).trace
    assert [name for group, name in trace.slices if group == "requests"] == ["requests"]


def test_a_disk_is_drawn_as_busy_as_its_model_counts(make_array):
    array = make_array()
    trace = Traced(array).trace
    for disk in array.bench.disks:
        accesses = [one for one in trace.slices["disks", disk.name] if one.name != "flush"]
        assert sum(one.duration_ns for one in accesses) == disk.busy_ns > 0


@pytest.mark.parametrize("engines", [(), ("iop13xx",)], ids=["software", "iop13xx"])
def test_a_cpu_is_drawn_with_what_keeps_it_busy(make_array, engines):
    array = make_array(engines=engines, cpu="generic")
    traced = Traced(array)
    trace = traced.trace
    drawn = trace.of_group("CPU")
    assert len(drawn) == traced.count(CpuWork)
    spun_ns = sum(one.duration_ns for one in drawn if one.name == "spin")
    assert sum(one.duration_ns for one in drawn) - spun_ns <= array.machine.cpu.busy_ns
    assert array.machine.cpu.busy_ns <= sum(one.duration_ns for one in drawn)
    assert trace.arrows_between("stripe cache", "CPU")


def test_marks_are_drawn_with_their_words(make_array):
    class Noted(NamedTuple):
        name: str
        text: str

    array = make_array()
    file = io.StringIO()
    with Tracer(file, marks=(Noted,)) as tracer:
        array.machine.sim.hook.subscribe(tracer.listen)
        array.machine.sim.hook.emit(Noted("first", "begin"))
    [(name, _, details)] = TraceReader(file.getvalue()).instants["array", "0 events"]
    assert (name, details) == ("first: begin", {"name": "first", "text": "begin"})


def test_a_channel_is_drawn_with_what_it_counts(make_array):
    array = make_array(engines=["iop13xx"])
    trace = Traced(array).trace
    channels = [chan for device in array.machine.dmaengine.devices for chan in device.channels]
    drawn = 0
    for chan in channels:
        slices = trace.slices["channels", chan.name]
        assert sum(one.details["length"] for one in slices) == sum(
            chan.counts.length_bytes.values()
        )
        drawn += len(slices)
    assert drawn == sum(sum(chan.counts.operations.values()) for chan in channels) > 0


def test_an_arrow_leads_from_each_stripe_to_each_of_its_descriptors(make_array):
    trace = Traced(make_array(engines=["iop13xx"])).trace
    arrows = trace.arrows_between("stripe cache", "channels")
    assert len(arrows) == len(trace.of_group("channels"))
    assert all(stripe.details["number"] == of.details["origin"] for stripe, of in arrows)


@pytest.mark.parametrize("engine", ["iop13xx", "bcm-sba-v2", "mv_xor-kirkwood"])
def test_an_arrow_leads_back_from_each_descriptor_however_late_it_is_noticed(make_array, engine):
    trace = Traced(make_array(engines=[engine])).trace
    arrows = trace.arrows_between("channels", "stripe cache")
    assert {descriptor.details["cookie"] for descriptor, _ in arrows}
    assert all(of.details["origin"] == stripe.details["number"] for of, stripe in arrows)


def test_an_access_that_ends_long_after_the_drive_was_done_leads_back_all_the_same(make_array):
    slow = [{"kind": "slow", "delay_ns": 5_000_000, "interval": 3}]
    trace = Traced(make_array(faults=slow)).trace
    stripes = {stripe.details["number"]: stripe for stripe in trace.of_group("stripe cache")}
    arrows = trace.arrows_between("disks", "stripe cache")
    assert arrows
    assert all(stripes[stripe.details["number"]] is stripe for _, stripe in arrows)
    assert all(access.start_ns <= stripe.end_ns for access, stripe in arrows)


def test_arrows_go_forward_in_time_to_where_a_disk_turned_to_the_access(make_array):
    trace = Traced(make_array()).trace
    for stripe, access in trace.arrows_between("stripe cache", "disks"):
        assert stripe.start_ns <= access.start_ns <= access.end_ns <= stripe.end_ns


def test_rebuilds_members_and_the_dirty_array_have_tracks(make_array):
    trace = Traced(make_array()).trace
    [sync] = trace.slices["array", "3 sync"]
    assert (sync.name, sync.details["interrupted"]) == ("recover", False)
    assert [name for name, _, _ in trace.instants["array", "2 members"]] == [
        "disk1.img: MemberFailed",
        "spare.img: MemberAssigned",
        "spare.img: MemberActive",
    ]
    assert {one.name for one in trace.slices["array", "1 state"]} == {"dirty"}


def test_the_same_run_gives_the_same_bytes(make_array):
    texts = [Traced(make_array(engines=["iop13xx"], name=name)).text for name in ("one", "two")]
    assert texts[0] == texts[1]


def test_what_is_under_way_at_the_end_ends_with_the_trace(make_array):
    def begin_a_write(array):
        array.mddev.submit_bio(Bio(WRITE, 0, np.zeros(4096, np.uint8)))
        array.machine.sim.run_until_ns(150_000)

    trace = Traced(make_array(), begin_a_write).trace
    [request] = trace.of_group("requests")
    assert request.details["ended"] == "the trace ends"


def test_what_was_under_way_ends_with_the_power(make_array):
    def cut(array):
        hook = array.machine.sim.hook
        array.mddev.submit_bio(Bio(WRITE, 0, np.zeros(4096, np.uint8)))
        array.machine.sim.run_until_ns(150_000)
        hook.emit(PowerFailed(("disk0.img",), 1))

    trace = Traced(make_array(), cut).trace
    [request] = trace.of_group("requests")
    assert request.details["ended"] == "the power was cut"
    assert ("power cut", 150_000) in [
        (name, time_ns) for name, time_ns, _ in trace.instants["disks", "disk0.img"]
    ]


def test_a_trace_may_begin_in_the_middle_of_something(make_array):
    array = make_array(engines=["iop13xx"])
    for sector in range(0, 4096, 128):
        array.mddev.submit_bio(Bio(WRITE, sector, np.zeros(4096, np.uint8)))
    array.machine.sim.run_until_ns(450_000)
    assert Traced(array, lambda array: array.close()).trace.slices
