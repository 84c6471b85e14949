"""The command ``mag2euv channels``, which imports heavy packages when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_mag2euv.cli import UsageError, described
from sunpy_mag2euv.training.learning.commands import failed, read_config

if TYPE_CHECKING:
    import argparse

__all__ = ["add_channels"]


def add_channels(commands: Any) -> None:
    """Add ``mag2euv channels`` to the subparsers ``commands``."""
    channels = commands.add_parser(
        "channels",
        help="which AIA channels are enough to make the others of them",
        **described(
            "Trains a small network for each combination of AIA channels with a channel to make of them, on sets "
            "of images in the store of a configuration, and writes scores, tables and figures to a directory.",
            "mag2euv channels config.toml -o study",
            "mag2euv channels config.toml -o study --sizes 2 --model any-browse",
        ),
    )
    channels.add_argument("config", type=Path, metavar="CONFIG.toml", help="of each of the networks")
    channels.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="of the study")
    channels.add_argument(
        "--sizes", type=int, default=3, metavar="N", help="up to so many inputs (default: %(default)s)"
    )
    channels.add_argument("--exhaustive", action="store_true", help="all combinations instead of the greedy search")
    channels.add_argument(
        "--processes", type=int, metavar="N", help="networks side by side (default: one for each core)"
    )
    channels.add_argument("--model", action="append", default=[], help="a network that takes any channels, to compare")
    channels.set_defaults(command=_channels)


def _channels(arguments: "argparse.Namespace") -> int:
    import matplotlib.pyplot as plt

    from sunpy_mag2euv.models import load_model
    from sunpy_mag2euv.training.learning.combinations import leading, summarize, write_table
    from sunpy_mag2euv.training.study.channels import TABLE, greedy_path, processes, run_study
    from sunpy_mag2euv.training.study.figures import plot_best, plot_combinations, plot_pairs

    if arguments.sizes < 1:
        raise UsageError(f"--sizes must be at least 1; got {arguments.sizes}")
    if arguments.processes is not None and arguments.processes < 1:
        raise UsageError(f"--processes must be at least 1; got {arguments.processes}")
    config = read_config(arguments.config)
    directory = arguments.output
    try:
        models: list[Any] = [load_model(name) for name in arguments.model]
        with processes(arguments.processes) as executor:
            table = run_study(
                config,
                directory,
                sizes=arguments.sizes,
                exhaustive=arguments.exhaustive,
                models=models,
                executor=executor,
            )
    except (OSError, ValueError) as error:
        return failed(error)
    figures = {"combinations": plot_combinations(table), "pairs": plot_pairs(table), "best": plot_best(table)}
    for name, figure in figures.items():
        figure.savefig(directory / f"{name}.png", dpi=150)
        plt.close(figure)
    summary = summarize(table)
    for method in dict.fromkeys(summary["method"]):
        stem, chosen = method.replace(" ", "-"), summary[summary["method"] == method]
        write_table(leading(chosen), directory / f"{stem}.rst", f"{method}: single inputs, and the best of each number")
        write_table(greedy_path(table, method), directory / f"{stem}-path.rst", f"{method}: greedy path")
    path = greedy_path(table)
    for name in ("cc", "lowest", "cc_log"):
        path[name].info.format = ".3f"
    print(*path.pformat(max_lines=-1, max_width=-1), sep="\n")
    print(f"networks, {TABLE}, tables and figures are in {directory}")
    return 0
