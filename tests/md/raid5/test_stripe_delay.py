"""Writes that nobody waits for are held back while another stripe reads ahead."""

import numpy as np
from md_rig import Rig


def data(sectors, seed=3):
    return np.random.default_rng(seed).integers(0, 256, sectors * 512, np.uint8)


def begin(rig, sector, sectors, *, sync):
    new = data(sectors, seed=sector + 1)
    rig.model[sector * 512 : (sector + sectors) * 512] = new
    return rig.begin_write(sector, new.tobytes(), sync=sync)


def reading_ahead(rig):
    """Let row 0 read ahead of a small write, and keep its reads on the disks."""
    rig.settle()
    for disk in rig.disks:
        disk.held = []
    bio = begin(rig, 0, 8, sync=True)
    rig.run()
    assert rig.units("read") == 2
    return bio


def test_a_stripe_that_waits_is_written_without_a_read_when_its_row_is_completed():
    rig = Rig(5, 4)
    first = reading_ahead(rig)
    row = rig.geometry.chunk_sectors * rig.geometry.data_disks
    begun = begin(rig, row, 8, sync=False)
    rig.run()
    assert rig.units("read") == 2
    rest = begin(rig, row + 8, row - 8, sync=False)
    rig.run()
    rig.let_go()
    assert first.done
    assert begun.done
    assert rest.done
    assert rig.units("read") == 2
    assert not rig.wrong_parity()
    assert rig.reads_right()


def test_a_write_that_somebody_waits_for_reads_ahead_at_once():
    rig = Rig(5, 4)
    reading_ahead(rig)
    begin(rig, rig.geometry.chunk_sectors * 3, 8, sync=True)
    rig.run()
    assert rig.units("read") == 4
    rig.let_go()
    assert rig.reads_right()


def test_what_waits_reads_ahead_once_no_other_stripe_does():
    rig = Rig(6, 6)
    rig.settle()
    row = rig.geometry.chunk_sectors * rig.geometry.data_disks
    bios = [begin(rig, row * i, 8, sync=False) for i in range(4)]
    rig.run()
    assert all(bio.done for bio in bios)
    assert rig.units("read") == 4 * 3
    assert not rig.wrong_parity()
    assert rig.reads_right()
