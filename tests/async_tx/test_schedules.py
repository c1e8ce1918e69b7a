"""Schedule exploration: whatever order channels complete in, the bytes are those of software."""

import pytest
from test_chains import run_chains

ENGINES = ("iop32x", "iop13xx", "mv_xor-kirkwood", "each", "each-polled")


def explore(every_engine, seeds):
    logs = set()
    for seed in seeds:
        name = ENGINES[seed % len(ENGINES)]
        timed = bool(seed // len(ENGINES) % 2)
        expected = run_chains([], seed)[:2]
        *found, log = run_chains(
            every_engine[name], seed, timed=timed, explore=True, sanitize=not timed
        )
        assert tuple(found) == expected, f"seed {seed} on {name}, timed={timed}"
        logs.add(tuple(log))
    return logs


def test_dozens_of_schedules_of_random_chains_end_in_the_bytes_of_software(every_engine):
    explore(every_engine, range(60))


@pytest.mark.slow
def test_a_thousand_schedules_of_random_chains_end_in_the_bytes_of_software(every_engine):
    explore(every_engine, range(1000, 2000))


def test_a_schedule_is_repeated_by_its_seed(every_engine):
    first, second = (run_chains(every_engine["each"], 11, explore=True)[2] for _ in range(2))
    assert first == second
