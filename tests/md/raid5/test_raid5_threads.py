"""md on real worker threads: right bytes, and clean under the sanitizer."""

import numpy as np
import pytest
from md_rig import Rig

from raidsim import Machine


@pytest.mark.parametrize("sanitize", [False, True])
@pytest.mark.parametrize(("level", "lost"), [(5, [1]), (6, [0, 3])])
def test_writes_in_flight_on_threads_all_arrive(level, lost, sanitize):
    machine = Machine(engines=["threads"], kernel="numpy", sanitize=sanitize)
    rig = Rig(level, 6, machine=machine)
    generator = np.random.default_rng(level)
    sectors = rig.mddev.array_sectors
    for failed in [None, *lost]:
        if failed is not None:
            rig.fail(failed)
        bios = []
        for start in range(0, sectors - 128, 128):
            first, count = start + int(generator.integers(0, 64)), int(generator.integers(1, 64))
            data = generator.bytes(count * 512)
            bios.append(rig.begin_write(first, data))
            rig.model[first * 512 : (first + count) * 512] = np.frombuffer(data, np.uint8)
        rig.run()
        assert all(bio.done and not bio.status for bio in bios)
        assert rig.reads_right()
    rig.idle()
    assert machine.async_tx_stats.offloaded.operations["xor"]
    machine.stop()
