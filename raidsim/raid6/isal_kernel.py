"""The fast kernel: Intel's ISA-L, called through ctypes.

``ec_encode_data`` applies a matrix over GF(2^8) to blocks of any alignment and length, which is
all that RAID-6 asks. ISA-L's ``pq_gen`` and ``xor_gen`` would save a sixth of a call on 4 KiB
blocks (0.3 of 2 µs), but demand alignment and do two of the operations only.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import struct
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from raidsim.errors import RaidsimError
from raidsim.raid6.kernel import Raid6Kernel, address_of, check_extent, check_length, picker
from raidsim.raid6.numpy_kernel import NumpyKernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raidsim.raid6.kernel import Operation
    from raidsim.raid6.linear_map import Block, LinearMap

# ISA-L expands each coefficient to a table of this size.
_TABLE_BYTES = 32
# A length that is no multiple of the vector size ends with a vector that overlaps the one
# before; where dest is a source, that part would be computed twice.
_VECTOR_BYTES = 64
_POINTER_BYTES = 8


def find_isal() -> ctypes.CDLL | None:
    """Return ISA-L, or None where there is none.

    Looked at are the file that the environment names in ``RAIDSIM_LIBISAL``, or else the system's
    library and the one that the wheel of pyeclib carries.

    Raises:
        RaidsimError: ``RAIDSIM_LIBISAL`` names no library that can be loaded.
    """
    named = os.environ.get("RAIDSIM_LIBISAL")
    if named:
        try:
            return ctypes.CDLL(named)
        except OSError as error:
            raise RaidsimError(f"RAIDSIM_LIBISAL: cannot load ISA-L: {error}") from error
    for path in ("libisal.so.2", *_libraries_of_pyeclib()):
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def _libraries_of_pyeclib() -> Iterator[str]:
    # auditwheel puts what a wheel carries beside the package. importlib.metadata would know the
    # file too, but takes longer to import than all the rest of the choice.
    spec = importlib.util.find_spec("pyeclib")
    for package in (spec and spec.submodule_search_locations) or ():
        yield from map(str, sorted(Path(f"{package}.libs").glob("libisal*.so*")))


class IsalKernel(Raid6Kernel):
    """GF(2^8) arithmetic in ISA-L.

    Raises:
        RaidsimError: ``library`` is not ISA-L, or too old.
    """

    name: ClassVar[str] = "isal"

    def __init__(self, library: ctypes.CDLL) -> None:
        super().__init__()
        try:
            self._init_tables = library.ec_init_tables
            self._encode_data = library.ec_encode_data
            self._zero_detect = library.isal_zero_detect
        except AttributeError as error:
            raise RaidsimError(f"{library._name} is no usable ISA-L: {error}") from error  # noqa: SLF001  the only name a CDLL has
        self._memcmp = ctypes.CDLL(None).memcmp
        # The encoder gets none: it is given ints and pointers only, which need no conversion.
        self._zero_detect.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        self._numpy = NumpyKernel()

    def is_zero(self, buffer: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are all zero."""
        check_length(length, buffer.size - offset)
        return not self._zero_detect(address_of(buffer) + offset, length)

    def equal(self, a: Block, b: Block, length: int, offset: int = 0) -> bool:
        """Return whether ``length`` bytes from ``offset`` are the same in ``a`` and ``b``."""
        check_length(length, min(a.size, b.size) - offset)
        return not self._memcmp(address_of(a) + offset, address_of(b) + offset, length)

    def compile(self, linear_map: LinearMap) -> Operation:
        """Return the operation that applies ``linear_map`` to a list of blocks."""
        dests, sources, rows = linear_map
        if not sources:  # ISA-L wants one: nothing at all is 0 times something.
            sources, rows = dests[:1], ((0,),) * len(dests)
        dest_count, source_count = len(dests), len(sources)
        tables = self._make_tables(rows)
        # One array of pointers serves both, also where it is P and Q that are brought up to date.
        places = sources if sources[:dest_count] == dests else (*dests, *sources)
        pick = picker(places)
        pointers = (ctypes.c_void_p * len(places))()
        point = partial(struct.Struct(f"{len(places)}P").pack_into, pointers, 0)
        # ctypes passes what byref returns in half the time of an array.
        dest_pointers = ctypes.byref(pointers)
        source_pointers = ctypes.byref(pointers, (len(places) - source_count) * _POINTER_BYTES)
        table_pointer = ctypes.byref(tables)
        known_address, encode_data = self._known.__getitem__, self._encode_data

        def operation(blocks: Sequence[Block | None], length: int, offset: int) -> None:
            chosen = pick(blocks)
            check_extent(chosen, length, offset)
            if not length:
                return
            try:
                addresses = list(map(known_address, map(id, chosen)))
            except KeyError:
                addresses = self._get_to_know(chosen)
            if offset:
                addresses = [address + offset for address in addresses]
            if length % _VECTOR_BYTES and not set(addresses[:dest_count]).isdisjoint(
                addresses[-source_count:]
            ):
                self._numpy.compile(linear_map)(blocks, length, offset)
                return
            point(*addresses)
            encode_data(
                length, source_count, dest_count, table_pointer, source_pointers, dest_pointers
            )

        return operation

    def _look_at(self, block: Block) -> int:
        return address_of(block)

    def _make_tables(self, rows: tuple[tuple[int, ...], ...]) -> ctypes.Array[ctypes.c_char]:
        dest_count, source_count = len(rows), len(rows[0])
        matrix = b"".join(map(bytes, rows))
        tables = ctypes.create_string_buffer(_TABLE_BYTES * source_count * dest_count)
        self._init_tables(source_count, dest_count, matrix, tables)
        return tables
