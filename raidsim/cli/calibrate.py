"""``raidsim calibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from raidsim.cli.output import write_text
from raidsim.raid6 import select_kernel


@click.command("calibrate")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the profile to this file instead of standard output.",
)
def command(output: Path | None) -> None:
    """Measure how fast this machine computes, and print it as a CPU profile.

    The profile is a TOML file that a simulated machine takes as its CPU. Medians of the arithmetic
    kernel in use; RAIDSIM_KERNEL chooses another.
    """
    from raidsim.cpu.calibrate import calibrate, to_toml  # noqa: PLC0415  only here

    kernel = select_kernel()
    model = _cpu_model()
    text = to_toml(
        calibrate(kernel, f"{model}, one core, {kernel.name}"),
        "Measured by raidsim calibrate: medians of 7 rounds.",
    )
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)


def _cpu_model() -> str:
    """What the host calls its CPU."""
    import platform  # noqa: PLC0415  only here

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0].replace('"', "'")
