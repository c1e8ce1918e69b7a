"""Tables of the Galois field GF(2^8) that RAID-6 computes in (Linux lib/raid6/mktables.c).

The field is that of the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), its generator is 2.

Attributes:
    gfmul: ``gfmul[a, b]`` is the product of ``a`` and ``b``; 256 x 256, uint8, read-only.
    gfexp: ``gfexp[i]`` is 2 to the power of ``i``, for ``i`` from 0 to 254; entry 255 is 0.
    gflog: The inverse of ``gfexp``: ``gflog[0]`` is 255.
    gfinv: ``gfinv[a]`` is 1/``a``; ``gfinv[0]`` is 0.
    gfexi: ``gfexi[i]`` is 1/(2^``i`` + 1); ``gfexi[0]`` is 0.
"""

import numpy as np
import numpy.typing as npt

POLYNOMIAL = 0x11D


def _powers_of_two() -> tuple[int, ...]:
    powers = [1]
    while len(powers) < 255:
        doubled = powers[-1] << 1
        powers.append(doubled ^ POLYNOMIAL if doubled & 0x100 else doubled)
    return (*powers, 0)


def _products() -> npt.NDArray[np.uint8]:
    power = np.array(gfexp[:255], np.uint8)
    log = np.array(gflog, np.intp)
    products: npt.NDArray[np.uint8] = power[(log[:, None] + log) % 255]
    products[0, :] = products[:, 0] = 0
    products.flags.writeable = False
    return products


gfexp: tuple[int, ...] = _powers_of_two()
gflog: tuple[int, ...] = tuple(gfexp.index(value) for value in range(256))
gfinv: tuple[int, ...] = (0, *(gfexp[-gflog[value] % 255] for value in range(1, 256)))
gfexi: tuple[int, ...] = tuple(gfinv[power ^ 1] for power in gfexp)
gfmul: npt.NDArray[np.uint8] = _products()
