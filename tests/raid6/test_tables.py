import pytest

from raidsim.raid6.tables import gfexi, gfexp, gfinv, gflog, gfmul


def shift_and_add(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def test_every_product_is_that_of_shift_and_add():
    assert all(gfmul[a, b] == shift_and_add(a, b) for a in range(256) for b in range(256))


def test_products_cannot_be_overwritten():
    with pytest.raises(ValueError, match="read-only"):
        gfmul[1, 1] = 2


def test_the_powers_of_two_go_through_all_255_elements():
    assert (gfexp[0], gfexp[8], gfexp[254]) == (1, 0x1D, 0x8E)
    assert sorted(gfexp[:255]) == list(range(1, 256))


def test_entry_255_of_the_powers_is_no_power():
    assert len(gfexp) == 256
    assert gfexp[255] == 0


def test_the_logarithm_undoes_the_power():
    assert [gfexp[gflog[value]] for value in range(1, 256)] == list(range(1, 256))
    assert gflog[0] == 255


def test_every_element_times_its_inverse_is_one():
    assert (gfinv[2], gfinv[3], gfinv[255]) == (0x8E, 0xF4, 0xFD)
    assert all(shift_and_add(value, gfinv[value]) == 1 for value in range(1, 256))
    assert gfinv[0] == 0


def test_gfexi_is_the_inverse_of_a_power_plus_one():
    assert (gfexi[0], gfexi[1], gfexi[2], gfexi[3], gfexi[255]) == (0, 0xF4, 0xA7, 0x9D, 1)
    assert all(shift_and_add(gfexp[i] ^ 1, gfexi[i]) == 1 for i in range(1, 256))
