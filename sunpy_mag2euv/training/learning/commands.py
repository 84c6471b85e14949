"""The commands ``mag2euv train``, ``export`` and ``score``, which import heavy packages when they run."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_mag2euv.cli import UsageError, described

if TYPE_CHECKING:
    import argparse

    from sunpy_mag2euv.models import Model

__all__ = ["add_export", "add_score", "add_train", "failed", "read_config"]

#: Regions to print scores of, and what tables call them.
_REGIONS = {
    "disk": "whole disk",
    "central": "within 30° of the central meridian",
    "limb": "from 0.9 of the solar radius to the limb",
}


def add_train(commands: Any) -> None:
    """Add ``mag2euv train`` to the subparsers ``commands``."""
    train = commands.add_parser(
        "train",
        help="train a network, or go on with it",
        **described(
            "Trains the network that a configuration describes on the frames of its store, and keeps what export "
            "needs in a directory. A run that was interrupted goes on where it was.",
            "mag2euv train config.toml -o run --check",
            "mag2euv train config.toml -o run",
        ),
    )
    train.add_argument("config", type=Path, metavar="CONFIG.toml", help="see the documentation of training")
    train.add_argument("-o", "--output", type=Path, metavar="DIR", help="of the run (default: runs/ and its name)")
    train.add_argument(
        "--passband",
        nargs="+",
        metavar="BAND",
        help="what to learn, for configurations that leave data.passbands open",
    )
    train.add_argument(
        "--check", action="store_true", help="try everything, make one step, say what the run will take, leave nothing"
    )
    train.set_defaults(command=_train)


def add_export(commands: Any) -> None:
    """Add ``mag2euv export`` to the subparsers ``commands``."""
    export = commands.add_parser(
        "export",
        help="weights, registry entry and score table of a training run",
        **described(
            "Reads the directory of a training run and writes its weights as one file, which --model of other commands "
            "takes. Beside it come an entry for the registry and a table of scores.",
            "mag2euv export run model.safetensors",
            'mag2euv export run model.safetensors --creator "Doe, Jane" --license MIT',
        ),
    )
    export.add_argument("run", type=Path, metavar="DIR", help="as mag2euv train wrote it")
    export.add_argument("weights", type=Path, metavar="FILE.safetensors", help="to write")
    export.add_argument(
        "--creator",
        action="append",
        metavar="NAME",
        help='who made them, as "Family name, given names", to publish them: writes what an upload needs beside them; '
        "may be given several times",
    )
    export.add_argument("--license", metavar="ID", help="under which they are published, as SPDX calls it")
    export.set_defaults(command=_export)


def add_score(commands: Any) -> None:
    """Add ``mag2euv score`` to the subparsers ``commands``."""
    score = commands.add_parser(
        "score",
        help="models beside the baselines, on frames held out from training",
        **described(
            "Makes images of the frames that a configuration holds out from training, with weights and with simple "
            "baselines, and prints a table of their scores. Tables can be written to files as well.",
            "mag2euv score config.toml model.safetensors",
            "mag2euv score config.toml model.safetensors --region limb --images images.ecsv",
            "mag2euv score run --against park2019",
        ),
    )
    score.add_argument(
        "config",
        type=Path,
        metavar="CONFIG.toml",
        help="whose store and split are used; or the directory of a run, which is scored as well",
    )
    score.add_argument("models", nargs="*", metavar="MODEL", help="names or paths of weights, or directories of runs")
    score.add_argument("--region", choices=tuple(_REGIONS), default="disk", help="default: %(default)s")
    score.add_argument("--table", type=Path, metavar="FILE.rst", help="write the table as reStructuredText")
    score.add_argument("--images", type=Path, metavar="FILE.ecsv", help="write the scores of every image")
    score.add_argument(
        "--binning", type=int, metavar="N", help="average N by N pixels first (default: to a solar radius near 98)"
    )
    score.add_argument(
        "--reliability", type=Path, metavar="FILE.ecsv", help="write how much the standard deviations' intervals hold"
    )
    score.add_argument(
        "--left-out", action="store_true", help="score the scarce passbands instead, on images left out in turn"
    )
    score.add_argument(
        "--by",
        choices=("activity", "year"),
        help="print and write means by the mean field strength of the frames, or by their year, instead",
    )
    score.add_argument(
        "--against", choices=("park2019",), help="print and write means beside those that a paper gives, instead"
    )
    score.set_defaults(command=_score)


def _train(arguments: "argparse.Namespace") -> int:
    import logging

    from sunpy_mag2euv.training.learning.run import set_up

    config = read_config(arguments.config, arguments.passband)
    directory = arguments.output or Path("runs") / config["model"]["name"]
    if arguments.check:
        return _check(config, directory)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        run = set_up(config, directory)
    except (OSError, ValueError) as error:
        return failed(error)
    try:
        run.fit()
    except OSError as error:
        return failed(OSError(f"{error}; the same command goes on from the last checkpoint, if there is one"))
    if run.trainer.is_global_zero:
        print(f"trained; write the weights with: mag2euv export {directory} {config['model']['name']}.safetensors")
    return 0


def _check(config: dict[str, Any], directory: Path) -> int:
    """Print what was found."""
    from sunpy_mag2euv.training.learning.check import check

    try:
        found = check(config, directory)
    except (OSError, ValueError) as error:
        return failed(error)
    width = max(len(what) for what, _ in found)
    for what, says in found:
        print(f"{what:{width}}  {says}")
    return 0


def _export(arguments: "argparse.Namespace") -> int:
    from sunpy_mag2euv.training.learning.export import export
    from sunpy_mag2euv.training.learning.publication import FILES, Publication

    weights, publication = arguments.weights, None
    if not weights.suffix:
        raise UsageError(f"the weights' file needs an ending: give {weights}.safetensors")
    if bool(arguments.creator) != bool(arguments.license):
        raise UsageError("to publish weights, both --creator and --license are needed; give both, or leave both out")
    if arguments.creator:
        try:
            publication = Publication(creators=tuple(arguments.creator), license=arguments.license)
        except ValueError as error:
            raise UsageError(str(error)) from error
    try:
        model = export(arguments.run, weights, publication)
    except (OSError, ValueError) as error:
        return failed(error)
    files = [weights.with_suffix(end) for end in (weights.suffix, ".toml", ".rst")]
    files += [weights.parent / name for name in FILES if publication]
    print(f"{model.name} (sha256 {model.sha256}) written to {', '.join(map(str, files))}")
    return 0


def _score(arguments: "argparse.Namespace") -> int:
    from sunpy_mag2euv.metrics.scores import check_binning
    from sunpy_mag2euv.training.data.store import Store
    from sunpy_mag2euv.training.learning.card import score_images, summarize, write_table
    from sunpy_mag2euv.training.learning.groups import summarize_groups, write_groups
    from sunpy_mag2euv.training.learning.published import beside, load_published, statements, write_beside
    from sunpy_mag2euv.training.learning.readout import score_left_out
    from sunpy_mag2euv.training.learning.reliability import Reliability

    if arguments.left_out and arguments.reliability:
        raise UsageError("--reliability is of the frames held out; leave out either it or --left-out")
    if arguments.by and arguments.region != "disk":
        raise UsageError("--by is of the whole disk; leave --region out")
    if arguments.against and (arguments.by or arguments.left_out or arguments.region != "disk"):
        raise UsageError("--against is of the whole disk and of all frames held out; leave other choices of them out")
    if arguments.binning is not None:
        try:
            check_binning(arguments.binning)
        except ValueError as error:
            raise UsageError(str(error)) from error
    for path in (arguments.table, arguments.images, arguments.reliability):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"there is no directory {path.parent} to write {path.name} to; make it first")
    names = [*([arguments.config] if arguments.config.is_dir() else []), *arguments.models]
    if not names and not arguments.config.exists():
        raise UsageError(f"there is no configuration or run {arguments.config}")
    if not names:
        raise UsageError("there is nothing to score; name weights, or directories of runs, after the configuration")
    reliability = Reliability()
    try:
        published = load_published(arguments.against) if arguments.against else None
        models = [_load(name) for name in names]
        config = _config_of_scores(arguments.config, models)
        made = {band for model in models for band in model.image_scalings}
        if published and made.isdisjoint(config["data"]["passbands"]):
            raise ValueError(f"none of the models makes a passband of {arguments.config}; look at data.passbands")
        _note_trained_on(names, config)
        if arguments.reliability:
            _check_reliability(models, config, arguments.binning)
        if arguments.left_out:
            images = score_left_out(models, config, binning=arguments.binning)
        else:
            counted = reliability if arguments.reliability else None
            images = score_images(models, config, reliability=counted, binning=arguments.binning)
    except (OSError, ValueError) as error:
        return failed(error)
    said = []
    if published:
        summary = beside(images, published)
        said = statements(images, config, Store.open(config["data"]["store"]), published)
    else:
        summary = summarize_groups(images, arguments.by) if arguments.by else summarize(images, region=arguments.region)
    for name in summary.colnames:
        if summary[name].dtype.kind == "f":
            summary[name].info.format = ".3f"
    print(*summary.pformat(max_lines=-1, max_width=-1), *said, sep="\n")
    if arguments.table:
        scored = "Scores of images left out" if arguments.left_out else "Held-out scores"
        title = f"{scored}, {_REGIONS[arguments.region]}"
        if arguments.binning is not None:
            title += f", binning {arguments.binning}"
        if published:
            write_beside(summary, said, arguments.table, f"{title}, with 95 % intervals, beside published ones")
        elif arguments.by:
            write_groups(summary, arguments.table, f"{title}, by {arguments.by}")
        else:
            write_table(summary, arguments.table, f"{title}, with 95 % intervals")
    if arguments.images:
        images.write(arguments.images, format="ascii.ecsv", overwrite=True)
    if arguments.reliability:
        table = reliability.table()
        table.meta = {"description": "share of the pixels within intervals that should hold it", **images.meta}
        table.write(arguments.reliability, format="ascii.ecsv", overwrite=True)
    return 0


def _load(name: str) -> Any:
    """A model by its name, its weights, or the directory of its run."""
    from sunpy_mag2euv.models import load_model
    from sunpy_mag2euv.training.data.store import Store
    from sunpy_mag2euv.training.learning.export import trained_model
    from sunpy_mag2euv.training.learning.problems import usable_split
    from sunpy_mag2euv.training.learning.run import read_configuration

    if not _is_run(name):
        return load_model(name)
    config = read_configuration(Path(name))
    # Which frames can be used was found out when it was trained.
    return trained_model(Path(name), config, usable_split(config, Store.open(config["data"]["store"]), read=()))


def _is_run(name: str) -> bool:
    """Whether a directory is meant, rather than a model of that name."""
    from sunpy_mag2euv.models import available_models

    return Path(name).is_dir() and str(name) not in available_models()["name"]


def _note_trained_on(names: Any, config: dict[str, Any]) -> None:
    """Say if a run has seen what it is scored on, which it may if its split is another."""
    import numpy as np

    from sunpy_mag2euv.training.data.store import Store
    from sunpy_mag2euv.training.learning.config import split_frames
    from sunpy_mag2euv.training.learning.run import read_configuration

    store = Store.open(config["data"]["store"])
    scored = split_frames(config, store)["test"]
    for name in filter(_is_run, names):
        own = read_configuration(Path(name))
        if own["data"]["store"] == config["data"]["store"]:
            known = np.isin(scored, split_frames(own, store)["train"]).sum()
            if known:
                say = f"note: {name} was trained on {known} of the {len(scored)} frames that are scored"
                print(say, file=sys.stderr)


def _config_of_scores(path: Path, models: "Sequence[Model]") -> Any:
    """The configuration at ``path``, or of the run there; where it leaves passbands open, they are the models'."""
    from sunpy_mag2euv.training.learning.config import load_config
    from sunpy_mag2euv.training.learning.run import read_configuration

    if path.is_dir():
        return read_configuration(path)
    try:
        return load_config(path, list(dict.fromkeys(band for model in models for band in model.image_scalings)))
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error


def _check_reliability(models: "Sequence[Model]", config: dict[str, Any], binning: int | None) -> None:
    """Say now rather than after hours of scoring if there will be nothing to count."""
    from sunpy_mag2euv.training.data.store import Store
    from sunpy_mag2euv.training.learning.card import has_intervals

    if not any(model.gives_deviations for model in models):
        raise ValueError("none of the models gives standard deviations; leave --reliability out")
    grid = Store.open(config["data"]["store"]).grid
    if not any(has_intervals(model, grid, binning) for model in models):
        raise ValueError(
            "none of the models gives standard deviations of the pixels as they are binned; leave --reliability out, "
            "or try --binning 1"
        )


def read_config(path: Path, passbands: Sequence[int] | None = None) -> dict[str, Any]:
    """The configuration at ``path``, which may leave passbands open; what is wrong with it is wrong usage."""
    from sunpy_mag2euv.passbands import get_passband
    from sunpy_mag2euv.training.learning.config import load_config

    try:
        given = None if passbands is None else [get_passband(band).angstrom for band in passbands]
        config = load_config(path, given)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error
    if given and config["data"]["passbands"] != given:
        raise UsageError(f"{path} says what to learn, in data.passbands; leave --passband out")
    return config


def failed(error: BaseException) -> int:
    """Say what went wrong in a line; returns the exit status."""
    print(f"mag2euv: error: {error}", file=sys.stderr)
    return 1
