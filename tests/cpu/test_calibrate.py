"""Calibration measures what an operation's bytes take, and writes it as a profile."""

import itertools
import tomllib

import pytest

from raidsim.cpu import cpu_profile
from raidsim.cpu.calibrate import SOURCE_COUNTS, calibrate, to_toml

CALL_NS = 700


class TimedKernel:
    """A kernel whose operations advance a clock, by a known rate, and compute nothing."""

    def __init__(self):
        self.ns = 0

    def take(self, source_count, length):
        self.ns += CALL_NS + source_count * length // 16

    def remember(self, pool):
        assert pool.nbytes > 16 << 20

    def xor_gen(self, _dest, sources, length):
        self.take(len(sources), length)

    def gen_syndrome(self, blocks, length):
        self.take(2 * (len(blocks) - 2), length)

    def xor_syndrome(self, _blocks, start, stop, length):
        self.take(4 * (stop - start + 1), length)

    def recover_datap(self, blocks, _faila, length):
        self.take(8 * (len(blocks) - 3), length)

    def recover_2data(self, blocks, _faila, _failb, length):
        self.take(16 * (len(blocks) - 4), length)

    def sum_product(self, _dest, sources, _coefficients, length):
        self.take(32 * len(sources), length)

    def equal(self, _a, _b, length):
        self.take(1, length)
        return True


@pytest.fixture(scope="module")
def profile():
    kernel = TimedKernel()
    # A look at the clock takes so long that each round is one call: what is the same cancels.
    ticks = itertools.count(0, 1_000_000)
    return calibrate(kernel, "a CPU", clock=lambda: kernel.ns + next(ticks))


@pytest.mark.parametrize(
    ("operation", "count", "rate"),
    [
        *(("xor", count, 16e9) for count in SOURCE_COUNTS),
        *(("xor_val", count, 16e9) for count in SOURCE_COUNTS),
        *(("pq", count, 8e9) for count in SOURCE_COUNTS),
        *(("pq_val", count, 16e9 / (2 + 2 / count)) for count in SOURCE_COUNTS),
        *(("xor_syndrome", count, 4e9) for count in (1, *SOURCE_COUNTS)),
        ("datap", 3, 2e9),
        ("datap", 23, 2e9),
        ("2data", 2, 1e9),
        ("2data", 22, 1e9),
        ("sum_product", 1, 0.5e9),
        ("sum_product", 2, 0.5e9),
    ],
)
def test_the_rate_is_that_of_the_bytes_alone(profile, operation, count, rate):
    assert profile.cost(operation).rate(count) == pytest.approx(rate, rel=1e-3)
    assert profile.cost(operation).operation_ns == 0


def test_the_file_is_the_profile(profile):
    text = to_toml(profile, "Where it comes from.")
    assert text.startswith("# Where it comes from.\n")
    assert cpu_profile(tomllib.loads(text)) == profile


def test_md_s_own_steps_are_left_out(profile):
    assert profile.stripe_ns == profile.request_ns == profile.descriptor_ns == 0
