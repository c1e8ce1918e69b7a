"""The choice of a kernel: the fastest that is here and computes what the reference computes."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import numpy as np

from raidsim.errors import RaidsimError, UsageError
from raidsim.raid6.isal_kernel import IsalKernel, find_isal
from raidsim.raid6.numpy_kernel import NumpyKernel

if TYPE_CHECKING:
    from raidsim.raid6.kernel import Raid6Kernel
    from raidsim.raid6.linear_map import Block

_KERNELS = ("isal", "numpy")
_logger = logging.getLogger(__name__)


def select_kernel(name: str | None = None) -> Raid6Kernel:
    """Return a new kernel: ISA-L where it is found and right, or else NumPy.

    An ISA-L that is found but cannot be used is left out with a notice on the logger
    ``raidsim.raid6.select``.

    Args:
        name: ``isal`` or ``numpy``; None takes what the environment's ``RAIDSIM_KERNEL`` says, and
            chooses where that is unset.

    Raises:
        UsageError: There is no kernel of that name.
        RaidsimError: ISA-L was asked for by name and cannot be used.
    """
    wanted = name or os.environ.get("RAIDSIM_KERNEL")
    if wanted and wanted not in _KERNELS:
        raise UsageError(f"no kernel {wanted!r}; RAIDSIM_KERNEL takes {' or '.join(_KERNELS)}")
    if wanted == "numpy":
        return NumpyKernel()
    try:
        library = find_isal()
        if library is not None:
            return _tested(IsalKernel(library))
    except RaidsimError as error:
        if wanted:
            raise
        _logger.warning("%s; computing with NumPy instead", error)
        return NumpyKernel()
    if wanted:
        raise RaidsimError(
            "kernel isal: ISA-L not found; install pyeclib (pip install 'raidsim[isal]') or name "
            "the library in RAIDSIM_LIBISAL"
        )
    return NumpyKernel()


def _tested(kernel: Raid6Kernel) -> Raid6Kernel:
    """Return ``kernel`` if it computes what NumPy does; raises RaidsimError if not.

    Lengths below, beside and above the vector sizes, offsets off their alignment.
    """
    reference = NumpyKernel()
    for data_count, length, offset in ((1, 31, 1), (2, 64, 0), (5, 257, 3), (11, 4096, 64)):
        expected, found = (_stripe(data_count, offset + length) for _ in range(2))
        _exercise(reference, expected, length, offset)
        _exercise(kernel, found, length, offset)
        if not np.array_equal(expected, found):
            raise RaidsimError(
                f"kernel {kernel.name} computes wrong syndromes here; remove the library or set "
                "RAIDSIM_KERNEL=numpy"
            )
    return kernel


def _stripe(data_count: int, size: int) -> Block:
    """Return the blocks of a stripe in rows, with bytes that look random."""
    words = np.arange((data_count + 2) * size, dtype=np.uint32) * np.uint32(2654435761)
    return (words >> np.uint32(24)).astype(np.uint8).reshape(data_count + 2, size)


def _exercise(kernel: Raid6Kernel, stripe: Block, length: int, offset: int) -> None:
    """Leave in ``stripe`` something of every operation of ``kernel``."""
    blocks = list(stripe)
    data, p, q = blocks[:-2], blocks[-2], blocks[-1]
    last = len(data) - 1
    kernel.gen_syndrome(blocks, length, offset)
    kernel.mul(data[0], data[0], 0x8E, length, offset)
    kernel.xor_syndrome(blocks, 0, last, length, offset)
    kernel.recover_datap(blocks, last, length, offset)
    if last:
        kernel.recover_2data(blocks, 0, last, length, offset)
    kernel.xor_blocks(p, data, length, offset)
    kernel.sum_product(q, (q, *data), range(3, last + 5), length, offset)
    kernel.xor_gen(data[0], (p, q), length, offset)
    if kernel.equal(p, q, length, offset) or not kernel.equal(p, p, length, offset):
        p.fill(0)
    if kernel.is_zero(p, length, offset):
        q.fill(0)
