"""The host's queue: what mq-deadline sorts, merges and does not let starve."""

import numpy as np
import pytest

from raidsim.disk import READ, WRITE, DiskRequest
from raidsim.disk.models.elevator import Command, MqDeadline, NoElevator

SECOND = 1_000_000_000


def command(operation, sector, sectors=8, now_ns=0, *, fua=False):
    request = DiskRequest(operation, sector, np.zeros(sectors * 512, np.uint8), print, fua=fua)
    return Command(request, now_ns)


def drain(elevator, now_ns=0):
    taken = []
    while (each := elevator.next(now_ns)) is not None:
        taken.append(each)
    return taken


def added(*commands, elevator=None):
    elevator = elevator or MqDeadline()
    for each in commands:
        elevator.add(each)
    return elevator


def sectors(commands):
    return [each.sector for each in commands]


def test_none_is_first_come_first_served():
    commands = [command(READ, 64), command(WRITE, 0), command(READ, 72)]
    assert drain(added(*commands, elevator=NoElevator())) == commands


def test_reads_are_sorted_and_the_sweep_starts_again_at_the_oldest():
    elevator = added(command(READ, 500))
    assert sectors([elevator.next(0)]) == [500]
    added(*(command(READ, sector) for sector in (100, 900, 40, 700)), elevator=elevator)
    assert sectors(drain(elevator)) == [700, 900, 100, 40]


def test_what_follows_directly_is_merged():
    commands = [command(WRITE, sector) for sector in (24, 8, 16, 40)]
    first, second = drain(added(*commands))
    assert (first.sector, first.sectors, first.end) == (8, 24, 32)
    assert [request.sector for request in first.requests] == [8, 16, 24]
    assert (second.sector, second.sectors) == (40, 8)


@pytest.mark.parametrize("other", [(READ, 8, False), (WRITE, 8, True), (WRITE, 9, False)])
def test_what_is_not_alike_is_not_merged(other):
    operation, sector, fua = other
    elevator = added(command(WRITE, 0), command(operation, sector, fua=fua))
    assert len(drain(elevator)) == 2


def test_merging_has_a_limit():
    elevator = added(*(command(READ, n * 1024, 1024) for n in range(5)))
    assert [each.sectors for each in drain(elevator)] == [2048, 2048, 1024]


def test_reads_come_before_writes_but_do_not_starve_them():
    elevator = MqDeadline()
    for n in range(60):
        elevator.add(command(READ, n * 100))
    for n in range(20):
        elevator.add(command(WRITE, n * 100))
    kinds = "".join("rw"[each.operation] for each in drain(elevator))
    assert kinds == "r" * 32 + "w" * 16 + "r" * 28 + "w" * 4


def test_what_waited_too_long_begins_the_next_batch():
    elevator = added(command(READ, 1000))
    elevator.next(0)
    added(command(READ, 10, now_ns=0), elevator=elevator)
    for n in range(20):
        elevator.add(command(READ, 2000 + n * 100, now_ns=SECOND))
    taken = sectors(drain(elevator, SECOND))
    assert taken.index(10) == 15
    assert taken[:15] == [2000 + n * 100 for n in range(15)]


def test_same_sector_twice_is_two_commands_in_order():
    commands = [command(WRITE, 8), command(WRITE, 8)]
    assert drain(added(*commands)) == commands
