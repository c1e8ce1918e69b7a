import logging

import pytest

from raidsim.errors import RaidsimError, UsageError
from raidsim.raid6 import select, select_kernel
from raidsim.raid6.isal_kernel import IsalKernel, find_isal
from raidsim.raid6.numpy_kernel import NumpyKernel


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("RAIDSIM_KERNEL", raising=False)
    monkeypatch.delenv("RAIDSIM_LIBISAL", raising=False)


@pytest.fixture
def _isal():
    if find_isal() is None:
        pytest.skip("ISA-L is missing: pip install pyeclib")


@pytest.fixture
def _no_isal(monkeypatch):
    monkeypatch.setattr(select, "find_isal", lambda: None)


class WrongKernel(NumpyKernel):
    """Stands in for an ISA-L whose sums have one bit flipped."""

    name = "isal"

    def __init__(self, _library):
        super().__init__()

    def compile(self, linear_map):
        operation = super().compile(linear_map)

        def wrong_operation(blocks, length, offset):
            operation(blocks, length, offset)
            blocks[linear_map.dests[0]][offset + length - 1] ^= 0x10

        return wrong_operation


class WrongComparison(NumpyKernel):
    """Stands in for an ISA-L that finds everything equal."""

    def __init__(self, _library):
        super().__init__()

    def equal(self, _a, _b, length, offset=0):
        return length >= 0 <= offset


@pytest.fixture(params=[WrongKernel, WrongComparison])
def _wrong_isal(monkeypatch, request):
    monkeypatch.setattr(select, "find_isal", object)
    monkeypatch.setattr(select, "IsalKernel", request.param)


@pytest.mark.usefixtures("_isal")
def test_isal_is_chosen_where_it_is_found(caplog):
    assert isinstance(select_kernel(), IsalKernel)
    assert not caplog.records


@pytest.mark.usefixtures("_isal")
def test_the_environment_chooses(monkeypatch):
    for name in ("numpy", "isal"):
        monkeypatch.setenv("RAIDSIM_KERNEL", name)
        assert select_kernel().name == name


@pytest.mark.usefixtures("_isal")
def test_a_name_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("RAIDSIM_KERNEL", "numpy")
    assert select_kernel("isal").name == "isal"


@pytest.mark.usefixtures("_no_isal")
def test_numpy_is_chosen_in_silence_where_there_is_no_isal(caplog):
    assert select_kernel().name == "numpy"
    assert not caplog.records


@pytest.mark.usefixtures("_no_isal")
def test_isal_asked_for_and_missing_is_an_error_that_says_what_to_install():
    with pytest.raises(RaidsimError, match=r"pip install 'raidsim\[isal\]'"):
        select_kernel("isal")


@pytest.mark.parametrize("name", ["avx512", "ISAL", "numpy "])
def test_an_unknown_name_is_wrong_usage(monkeypatch, name):
    with pytest.raises(UsageError, match=f"no kernel '{name}'"):
        select_kernel(name)
    monkeypatch.setenv("RAIDSIM_KERNEL", name)
    with pytest.raises(UsageError, match="RAIDSIM_KERNEL takes isal or numpy"):
        select_kernel()


@pytest.mark.usefixtures("_wrong_isal")
def test_a_library_that_computes_something_else_is_left_out_with_one_line(caplog):
    assert type(select_kernel()) is NumpyKernel
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "computes wrong syndromes here" in record.message
    assert "\n" not in record.message


@pytest.mark.usefixtures("_wrong_isal")
def test_a_library_that_computes_something_else_is_an_error_where_it_was_asked_for(monkeypatch):
    monkeypatch.setenv("RAIDSIM_KERNEL", "isal")
    with pytest.raises(RaidsimError, match="computes wrong syndromes here"):
        select_kernel()


@pytest.mark.parametrize(
    ("library", "complaint"),
    [("/nowhere/libisal.so", "cannot load ISA-L"), ("libc.so.6", "is no usable ISA-L")],
)
def test_a_library_named_in_vain_is_left_out_or_an_error(monkeypatch, caplog, library, complaint):
    monkeypatch.setenv("RAIDSIM_LIBISAL", library)
    assert select_kernel().name == "numpy"
    assert complaint in caplog.text
    with pytest.raises(RaidsimError, match=complaint):
        select_kernel("isal")


@pytest.mark.usefixtures("_isal")
def test_the_library_named_in_the_environment_is_used(monkeypatch):
    monkeypatch.setenv("RAIDSIM_LIBISAL", find_isal()._name)
    assert select_kernel("isal").name == "isal"


def test_each_call_makes_a_kernel_of_its_own():
    assert select_kernel("numpy") is not select_kernel("numpy")
