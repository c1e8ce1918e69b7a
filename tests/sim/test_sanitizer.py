"""The happens-before order, on operations that stand for anything."""

import gc

import numpy as np
import pytest

from raidsim.sim import Sanitizer, SanitizerError, SanitizerReport, Simulator
from raidsim.sim.sanitizer import MAX_IN_FLIGHT, Operation, show_site


@pytest.fixture
def sanitizer():
    return Sanitizer(Simulator().hook)


@pytest.fixture
def memory():
    return np.zeros(1 << 18, np.uint8)


def reads(name, *extents):
    return Operation(name, list(extents), [], "its end")


def writes(name, *extents):
    return Operation(name, [], list(extents), "its end")


def test_two_writers_of_the_same_bytes_are_reported_with_both_sides(sanitizer, memory):
    sanitizer.begin(writes("a", (memory, 0, 100)))
    sanitizer.begin(writes("b", (memory, 99, 100)))
    (report,) = sanitizer.reports
    assert report.what == "a and b touch the same bytes in no order"
    assert report.first.startswith("a writes bytes 0 to 99 of buffer 1 at tests/sim/test_sanit")
    assert report.second.startswith("b writes bytes 99 to 198 of buffer 1 at tests/sim/test_sanit")
    assert report.missing == "an order: submit the second after its end"


@pytest.mark.parametrize(("first", "second"), [(reads, writes), (writes, reads), (writes, writes)])
def test_a_conflict_needs_one_writer(sanitizer, memory, first, second):
    sanitizer.begin(first("a", (memory, 0, 8)))
    sanitizer.begin(second("b", (memory, 0, 8)))
    assert len(sanitizer.reports) == 1


def test_two_readers_are_no_conflict(sanitizer, memory):
    sanitizer.begin(reads("a", (memory, 0, 8)))
    sanitizer.begin(reads("b", (memory, 0, 8)))
    sanitizer.cpu_read(memory)
    assert not sanitizer.reports


def test_neighbours_are_no_conflict(sanitizer, memory):
    sanitizer.begin(writes("a", (memory, 0, 100)))
    sanitizer.begin(writes("b", (memory, 100, 100)))
    sanitizer.cpu_write(memory, 200)
    assert not sanitizer.reports


def test_views_of_one_pool_are_compared_by_their_addresses(sanitizer, memory):
    sanitizer.begin(writes("a", (memory[4096:8192], 0, 4096)))
    sanitizer.begin(reads("b", (memory[8000:], 0, 4096)))
    (report,) = sanitizer.reports
    assert "bytes 4096 to 8191 of buffer 1" in report.first
    assert "bytes 8000 to 12095 of buffer 1" in report.second


def test_far_ends_of_long_operations_are_compared(sanitizer, memory):
    sanitizer.begin(writes("a", (memory, 0, memory.size)))
    sanitizer.cpu_read(memory, memory.size - 1)
    assert "the CPU reads bytes 262143 to 262143" in sanitizer.reports[0].second


def test_arrays_that_share_memory_without_numpy_knowing_are_compared(sanitizer):
    pool = bytearray(64)
    first, second = np.frombuffer(pool, np.uint8), np.frombuffer(pool, np.uint8)
    sanitizer.begin(writes("a", (first, 0, 64)))
    sanitizer.cpu_write(second)
    assert len(sanitizer.reports) == 1


def test_a_dependency_is_an_order(sanitizer, memory):
    first, second, third = (writes(name, (memory, 0, 8)) for name in "abc")
    sanitizer.begin(first)
    sanitizer.begin(second, first)
    sanitizer.begin(third, second)
    assert not sanitizer.reports


def test_a_common_ancestor_is_no_order(sanitizer, memory):
    first = writes("a", (memory, 0, 8))
    sanitizer.begin(first)
    sanitizer.begin(writes("b", (memory, 0, 8)), first)
    sanitizer.begin(writes("c", (memory, 0, 8)), first)
    assert [report.what[:7] for report in sanitizer.reports] == ["b and c"]


def test_a_wait_is_an_order_for_all_that_was_depended_on(sanitizer, memory):
    first, second = writes("a", (memory, 0, 8)), writes("b", (memory, 8, 8))
    sanitizer.begin(first)
    sanitizer.begin(second, first)
    sanitizer.known_complete(second)
    sanitizer.cpu_write(memory)
    sanitizer.begin(writes("c", (memory, 0, 16)))
    assert not sanitizer.reports


def test_a_wait_is_no_order_for_what_depends_on_it(sanitizer, memory):
    first, second = writes("a", (memory, 0, 8)), writes("b", (memory, 8, 8))
    sanitizer.begin(first)
    sanitizer.begin(second, first)
    sanitizer.known_complete(first)
    sanitizer.cpu_read(memory, 0, 8)
    assert not sanitizer.reports
    sanitizer.cpu_read(memory, 8, 8)
    (report,) = sanitizer.reports
    assert report.what == "b and the CPU touch the same bytes in no order"
    assert report.missing == "a wait: its end comes first"


def test_one_pair_of_places_is_reported_once(sanitizer, memory):
    for _ in range(3):
        sanitizer.begin(writes("a", (memory, 0, 8)))
    assert len(sanitizer.reports) == 1


def test_reports_are_events(memory):
    sim = Simulator()
    sanitizer, seen = Sanitizer(sim.hook), []
    sim.hook.subscribe(lambda _, event: seen.append(event))
    sanitizer.begin(writes("a", (memory, 0, 8)))
    sanitizer.cpu_write(memory)
    assert seen == sanitizer.reports
    assert isinstance(seen[0], SanitizerReport)


def test_check_raises_all_that_was_found(sanitizer, memory):
    sanitizer.check()
    sanitizer.begin(writes("a", (memory, 0, 8)))
    sanitizer.cpu_write(memory)
    sanitizer.cpu_read(memory)
    with pytest.raises(SanitizerError, match=r"(?s)^the sanitizer has 2 findings:\na and the CPU"):
        sanitizer.check()


def test_a_buffer_freed_while_mapped_is_reported(sanitizer, memory):
    operation = writes("a", (memory, 0, 8))
    sanitizer.begin(operation)
    sanitizer.free(memory[8:])
    assert not sanitizer.reports
    sanitizer.free(memory[:9])
    (report,) = sanitizer.reports
    assert report.what == "a buffer was freed while a has it mapped"
    assert "frees bytes 0 to 8 of buffer 1 at tests/sim/test_sanitizer.py" in report.second
    sanitizer.known_complete(operation)
    sanitizer.free(memory)
    assert len(sanitizer.reports) == 1


def test_a_buffer_forgotten_while_mapped_is_reported(sanitizer):
    buffer = np.zeros(64, np.uint8)
    operation = writes("a", (buffer, 0, 64))
    sanitizer.begin(operation)
    # The engine is done and lets go of it, but nobody has waited.
    del buffer
    gc.collect()
    (report,) = sanitizer.reports
    assert report.what == "a buffer was forgotten while a had it mapped"


def test_a_buffer_dropped_after_the_wait_is_nobodys_business(sanitizer):
    buffer = np.zeros(64, np.uint8)
    operation = writes("a", (buffer, 0, 64))
    sanitizer.begin(operation)
    sanitizer.known_complete(operation)
    del buffer
    gc.collect()
    assert not sanitizer.reports


def test_memory_is_bounded_when_nobody_ever_waits(sanitizer, memory):
    for number in range(2 * MAX_IN_FLIGHT):
        sanitizer.begin(writes("a", (memory, number, 1)))
    assert len(sanitizer._in_flight) == MAX_IN_FLIGHT
    assert sum(map(len, sanitizer._granules.values())) == MAX_IN_FLIGHT


def test_what_is_known_complete_leaves_nothing_behind(sanitizer, memory):
    parent = None
    for _ in range(10):
        operation = writes("a", (memory, 0, 1 << 17))
        sanitizer.begin(operation, parent)
        parent = operation
    sanitizer.known_complete(parent)
    assert not sanitizer._in_flight
    assert not sanitizer._granules


def test_a_place_in_the_package_is_shown_from_the_package_on():
    code = show_site.__code__
    assert show_site((code, 7)) == "raidsim/sim/sanitizer.py:7 in show_site"
