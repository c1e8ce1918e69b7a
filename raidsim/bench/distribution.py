"""Where random requests go: uniformly, or most of them to a few places.

References: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone
discrete distributions", ACM TOMACS 6(3), 1996; fio's ``random_distribution`` and lib/zipf.c.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

NAMES = ("uniform", "zipf:THETA", "pareto:H")


def distribution_mistake(text: str) -> str:
    """What is wrong with the name of a distribution; empty when nothing is."""
    name, _, parameter = text.partition(":")
    if text == "uniform":
        return ""
    try:
        number = float(parameter)
    except ValueError:
        number = math.nan
    if name == "zipf" and 0 < number < math.inf:
        return ""
    if name == "pareto" and 0 < number < 1:
        return ""
    return f"choose from {', '.join(NAMES)}, where THETA is above 0 and H between 0 and 1"


def draw_from(text: str, count: int, random: Random) -> Callable[[], int]:
    """Return what draws numbers below ``count``.

    Args:
        text: A distribution without mistakes.
        count: How many places there are.
        random: The stream they are drawn from.
    """
    name, _, parameter = text.partition(":")
    if name == "uniform":
        return lambda: int(random.random() * count)
    rank = (_zipf if name == "zipf" else _pareto)(float(parameter), count, random)
    stride = _coprime_stride(count)
    # What is asked for most often lies scattered over the region, as in fio.
    return lambda: rank() * stride % count


def _zipf(theta: float, count: int, random: Random) -> Callable[[], int]:
    """Ranks from 0, each with a probability of ``(rank + 1) ** -theta``, by rejection-inversion."""

    def area(x: float) -> float:  # below the density, from 1 to x
        return math.log(x) if theta == 1 else (x ** (1 - theta) - 1) / (1 - theta)

    def end_of(part: float) -> float:
        if theta == 1:
            return math.exp(part)
        return math.pow(max(1 + part * (1 - theta), 0.0), 1 / (1 - theta))

    lowest, highest = area(1.5) - 1, area(count + 0.5)
    surely = 2 - end_of(area(2.5) - 2**-theta)

    def draw() -> int:
        while True:
            part = highest + random.random() * (lowest - highest)
            x = end_of(part)
            number = min(max(int(x + 0.5), 1), count)
            if number - x <= surely or part >= area(number + 0.5) - number**-theta:
                return number - 1

    return draw


def _pareto(skew: float, count: int, random: Random) -> Callable[[], int]:
    """Ranks from 0, of which a part of ``skew`` is asked for by all but ``skew`` of the draws."""
    power = math.log(skew) / math.log(1 - skew)
    return lambda: int(count * random.random() ** power)


def _coprime_stride(count: int) -> int:
    """A step by which all of ``count`` places are reached, far from the one before."""
    stride = max(1, int(count * 0.6180339887))
    while math.gcd(stride, count) != 1:
        stride += 1
    return stride
