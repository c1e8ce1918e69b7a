"""Which block is wrong: what the differences of P and Q say, for one error and for more."""

import numpy as np
import pytest

from raidsim.raid6.locate import CLEAN, SEVERAL, P, Q, locate
from raidsim.raid6.tables import gfexp, gfmul

PAGE = 4096


def differences(errors):
    """What errors, by slot or parity, make P and Q differ by, from the definition."""
    p = np.zeros_like(next(iter(errors.values())))
    q = np.zeros_like(p)
    for slot, error in errors.items():
        if slot == P:
            p ^= error
        elif slot == Q:
            q ^= error
        else:
            p ^= error
            q ^= gfmul[gfexp[slot]][error]
    return p, q


def at_bytes(positions, value=0x5A, pages=1):
    error = np.zeros((pages, PAGE), np.uint8)
    error[:, list(positions)] = value
    return error


def verdict(errors, slots):
    found = locate(*differences(errors), slots)
    return found.suspect.tolist(), found.evidence.tolist()


@pytest.mark.parametrize("slot", range(253))
def test_an_error_in_any_data_slot_is_found(slot):
    error = np.random.default_rng(slot).integers(0, 256, (3, PAGE), np.uint8)
    error[2] = 0
    error[2, 77] = slot % 255 + 1
    suspects, evidence = verdict({slot: error}, range(253))
    assert suspects == [slot] * 3
    assert evidence == np.count_nonzero(error, axis=1).tolist()


@pytest.mark.parametrize("value", range(1, 256))
def test_one_byte_of_any_value_is_enough(value):
    for slot in (0, 1, 5, 252):
        assert verdict({slot: at_bytes([9], value)}, range(253)) == ([slot], [1])
    assert verdict({P: at_bytes([9], value)}, range(253)) == ([P], [1])
    assert verdict({Q: at_bytes([9], value)}, range(253)) == ([Q], [1])


def test_where_nothing_differs_the_page_is_clean():
    assert verdict({0: at_bytes([], pages=2)}, range(4)) == ([CLEAN, CLEAN], [0, 0])


def test_each_page_has_its_own_verdict():
    errors = {slot: at_bytes([], pages=6) for slot in (0, 3, P, Q)}
    errors[0][0] = 1
    errors[3][1, :10] = 2
    errors[P][2, 5] = 3
    errors[Q][3, 6] = 4
    errors[0][4, 1], errors[3][4, 2] = 5, 6
    assert verdict(errors, range(4)) == ([0, 3, P, Q, SEVERAL, CLEAN], [PAGE, 10, 1, 1, 2, 0])


@pytest.mark.parametrize("one", [0, 3, P, Q])
@pytest.mark.parametrize("other", [0, 3, P, Q])
def test_two_blocks_wrong_in_different_bytes_are_several(one, other):
    if one != other:
        assert verdict({one: at_bytes([0]), other: at_bytes([PAGE - 1])}, range(4)) == (
            [SEVERAL],
            [2],
        )


@pytest.mark.parametrize("one", [0, 3, P, Q])
@pytest.mark.parametrize("other", [0, 3, P, Q])
def test_two_blocks_wrong_all_over_are_several(one, other):
    if one == other:
        return
    generator = np.random.default_rng(2)
    errors = {block: generator.integers(0, 256, (50, PAGE), np.uint8) for block in (one, other)}
    assert set(verdict(errors, range(4))[0]) == {SEVERAL}


@pytest.mark.parametrize("count", [2, 6, 10, 100])
def test_a_double_error_in_one_byte_looks_single_as_often_as_is_said(count):
    """All 255 quotients of two errors, once each: d of them point to a block that is there."""
    ratios = np.zeros((255, PAGE), np.uint8)
    ratios[:, 0] = range(1, 256)
    errors = {0: at_bytes([0], 1, pages=255), 1: ratios}
    suspects, _ = verdict(errors, range(count))
    assert sum(suspect != SEVERAL for suspect in suspects) == count


def test_a_slot_that_holds_no_data_is_no_suspect():
    """ddf: the slots of P and Q count as zeros, which can not be wrong."""
    errors = {2: at_bytes([0, 1])}
    assert verdict(errors, [0, 1, 2, 3]) == ([2], [2])
    assert verdict(errors, [0, 1, 3]) == ([SEVERAL], [2])
    assert verdict(errors, [0, 1]) == ([SEVERAL], [2])
