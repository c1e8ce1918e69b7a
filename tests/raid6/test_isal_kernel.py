"""ISA-L picks its routines by the processor; those that older ones get must serve as well."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from raidsim.raid6.isal_kernel import IsalKernel, find_isal
from raidsim.raid6.numpy_kernel import NumpyKernel


@pytest.fixture(params=["base", "sse", "avx", "avx2"])
def older_kernel(request):
    library = find_isal()
    if library is None:
        pytest.skip("ISA-L is missing: pip install pyeclib")
    processor = Path("/proc/cpuinfo").read_text().split()
    if request.param not in {"base", *processor}:
        pytest.skip(f"this processor has no {request.param}")
    if not hasattr(library, f"ec_encode_data_{request.param}"):
        pytest.skip(f"this ISA-L has no ec_encode_data_{request.param}")
    return IsalKernel(
        SimpleNamespace(
            ec_init_tables=library.ec_init_tables_base,
            ec_encode_data=getattr(library, f"ec_encode_data_{request.param}"),
            isal_zero_detect=library.isal_zero_detect,
        )
    )


def exercise(kernel, blocks, length):
    last = len(blocks) - 3
    kernel.gen_syndrome(blocks, length, 3)
    kernel.recover_datap(blocks, 0, length, 5)
    kernel.xor_syndrome(blocks, 0, last, length, 9)
    kernel.mul(blocks[0], blocks[0], 0x53, length, 1)
    kernel.xor_blocks(blocks[-1], blocks[:-1], length, 20)
    if last:
        kernel.recover_2data(blocks, last, 0, length, 2)


@pytest.mark.parametrize("data_count", [1, 2, 3, 7])
def test_every_length_comes_out_as_in_numpy(older_kernel, data_count):
    random = np.random.default_rng(data_count)
    for length in (*range(1, 131), 1000, 4096):
        found = random.integers(0, 256, (data_count + 2, length + 20), np.uint8)
        expected = found.copy()
        exercise(older_kernel, list(found), length)
        exercise(NumpyKernel(), list(expected), length)
        assert np.array_equal(found, expected), length
