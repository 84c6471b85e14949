"""
The commands of the command line.

What only some of them need is imported by them, so that asking for help does not wait for torch.
"""

import argparse
import contextlib
import functools
import re
import sys
import textwrap
import warnings
from importlib.metadata import entry_points
from pathlib import Path

from sunpy_mag2euv import __version__, files
from sunpy_mag2euv.cli import PLUGINS, UsageError
from sunpy_mag2euv.console import tidying

__all__ = ["lacking", "parser"]

#: What the names of images end in, packed or not.
_ENDINGS = re.compile(r"\.(fits?|fts|fz|asdf|jp2|j2k|jpc|jpt)(\.\w+)?$", flags=re.IGNORECASE)

#: What has to be installed for files that not everybody has, by the module that is found missing.
_READERS = {"asdf": "sunpy[asdf]", "glymur": "sunpy_mag2euv[jp2]", "lxml": "sunpy_mag2euv[jp2]"}


def parser():
    """
    Make the parser of the command line.

    Returns
    -------
    `argparse.ArgumentParser`
        Its results have a ``command``, which takes them and returns the exit status.
    """
    parser = argparse.ArgumentParser(prog="mag2euv", description="Synthetic SDO/AIA images from solar magnetograms.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    network = argparse.ArgumentParser(add_help=False)
    group = network.add_argument_group("network")
    group.add_argument("--model", metavar="MODEL", help="name, path or address of the weights (default: packaged)")
    group.add_argument("--sha256", metavar="HEX", help="what the weights' hash must be; required for an address")
    group.add_argument("--device", help="such as cpu or cuda (default: a GPU if there is one)")

    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="default: this directory")
    output.add_argument("--png", action="store_true", help="a picture beside each FITS file")
    output.add_argument("--overwrite", action="store_true", help="replace files that exist")

    simultaneous = argparse.ArgumentParser(add_help=False)
    simultaneous.add_argument(
        "--max-time-difference", type=float, default=12, metavar="MINUTES", help="between them (default: %(default)s)"
    )

    level = argparse.ArgumentParser(add_help=False)
    level.add_argument(
        "--correction-table",
        metavar="FILE",
        help="what AIA has lost of its sensitivity; or SSW or JSOC, to fetch it (default: aiapy's own, good to 2017)",
    )

    generate = commands.add_parser("generate", parents=[output, network], help="images from magnetogram files")
    generate.add_argument("files", nargs="+", type=Path, metavar="FILE", help="line-of-sight magnetogram, or chart")
    generate.add_argument(
        "--passband",
        nargs="+",
        type=_passbands,
        required=True,
        metavar="BAND",
        help="such as 193 171, or all that the model has",
    )
    generate.add_argument(
        "--observer", metavar="NAME", help="who sees a chart, such as earth or stereo_a; FILEs are charts then"
    )
    generate.add_argument("--obstime", metavar="TIME", help="when (default: the chart's time)")
    generate.set_defaults(command=_generate)

    translate = commands.add_parser(
        "translate", parents=[simultaneous, level, output, network], help="images from AIA images of other passbands"
    )
    translate.add_argument("files", nargs="+", type=Path, metavar="FILE", help="AIA image, of one passband each")
    translate.add_argument(
        "--passband",
        nargs="+",
        type=_passbands,
        required=True,
        metavar="BAND",
        help="such as 335 211, or all that the model has but those given",
    )
    translate.set_defaults(command=_translate)

    compare = commands.add_parser(
        "compare", parents=[simultaneous, level], help="score a synthetic image against an observed one"
    )
    compare.add_argument("synthetic", type=Path, metavar="SYNTHETIC", help="image whose pixels are scored")
    compare.add_argument("observed", type=Path, metavar="AIA", help="AIA image of the same passband and time")
    compare.add_argument(
        "--binning", type=int, metavar="N", help="average N by N pixels first (default: to a solar radius near 98)"
    )
    compare.add_argument("-o", "--output", type=Path, metavar="TABLE", help="write the table to this file, as ECSV")
    compare.set_defaults(command=_compare, prints=True)

    models = commands.add_parser("models", help="list the published weights")
    models.set_defaults(command=_models, prints=True)

    demo = commands.add_parser("demo", parents=[network], help="all passbands of a made-up magnetogram")
    demo.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: %(default)s")
    demo.add_argument("--seed", type=int, default=0, help="another seed, another Sun (default: %(default)s)")
    demo.set_defaults(command=_demo, output=Path("mag2euv-demo"))

    for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name):
        try:
            add = plugin.load()
        except ImportError as error:
            # It stays in the list, and says what it lacks when it is called.
            add = functools.partial(_add_unusable, name=plugin.name, error=error)
        add(commands)
    return parser


def _add_unusable(commands, name, error):
    def fail(arguments):
        raise UsageError(lacking(error))

    command = commands.add_parser(name, help="needs sunpy_mag2euv[train]", add_help=False, prefix_chars="\0")
    command.add_argument("arguments", nargs="*")
    command.set_defaults(command=fail)


def lacking(error):
    """
    Say what to do about something that only some commands need and that is not installed.

    Parameters
    ----------
    error : ImportError

    Returns
    -------
    str
    """
    return f"this command needs more than is installed ({error}); install sunpy_mag2euv[train]"


def _passbands(text):
    """What one word after ``--passband`` names, which may be several; not a file, since that would go unread."""
    if not re.fullmatch(r"[\d.,\s]*", text) and (_ENDINGS.search(text) or Path(text).is_file()):
        raise argparse.ArgumentTypeError(f"{text!r} is a file: give the files before --passband, or after --")
    return text.replace(",", " ").split()


def _generate(arguments):
    """All files, each by itself: one that fails does not stop the others."""
    from tqdm import tqdm

    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.synthesis import generate

    read = _read
    if arguments.observer is not None:
        from sunpy_mag2euv.charts import read_chart as read
        from sunpy_mag2euv.vantage import DEFAULT_CHART_MODEL

        arguments.model = arguments.model or DEFAULT_CHART_MODEL
    settings = _settings(arguments, FieldModel, _chosen(arguments))
    settings |= {"observer": arguments.observer, "obstime": arguments.obstime}
    stems = _stems(arguments.files)
    _make_directory(arguments.output)
    failed, notes = 0, set()
    for path in tqdm(arguments.files, unit="file", leave=False, disable=True if len(arguments.files) == 1 else None):
        try:
            with _noted(notes):
                _make_files(stems[path], arguments, settings, lambda path=path: generate(read(path), **settings))
        except Exception as error:
            failed += 1
            _say(f"{path}: {_sentence(error)}")
    done = len(arguments.files) - failed
    print(f"{done * len(settings['passband'])} images of {done} magnetograms written to {arguments.output}")
    return 1 if failed else 0


def _translate(arguments):
    """All files together are what one translation is made of."""
    from sunpy_mag2euv.models import ImageModel
    from sunpy_mag2euv.translation import translate

    together = {"max_time_difference": _time_difference(arguments), "correction_table": _correction_table(arguments)}
    chosen = _chosen(arguments)
    settings = _settings(arguments, ImageModel, chosen)
    _make_directory(arguments.output)
    try:
        with _noted(set()):
            images = list(map(_read_named, arguments.files))
            if chosen is None:
                settings["passband"] = _others(settings["passband"], images)
            make = functools.partial(translate, images, **together, **settings)
            _make_files(_stem(arguments.files[0]), arguments, settings, make)
    except Exception as error:
        _say(f"mag2euv: error: {_sentence(error)}")
        return 1
    print(f"{len(settings['passband'])} images of {len(arguments.files)} AIA images written to {arguments.output}")
    return 0


def _make_files(stem, arguments, settings, make):
    """Write the Maps that ``make()`` returns, unless there are such files."""
    from sunpy_mag2euv.visualization import picture

    suffixes = ["fits", "png"] if arguments.png else ["fits"]
    names = [_name(stem, band, suffix) for suffix in suffixes for band in settings["passband"]]
    files.check(arguments.output, names, arguments.overwrite)
    images = make()
    writers = [image.save for image in images]
    if arguments.png:
        writers += [picture(image).savefig for image in images]
    files.write(arguments.output, dict(zip(names, writers, strict=True)), arguments.overwrite)


def _compare(arguments):
    """One pair of files."""
    from sunpy_mag2euv import compare

    if arguments.binning is not None and arguments.binning < 1:
        raise UsageError(f"--binning must be at least 1; got {arguments.binning}")
    together = {"max_time_difference": _time_difference(arguments), "correction_table": _correction_table(arguments)}
    if arguments.output is not None:
        if arguments.output.is_dir():
            raise UsageError(f"{arguments.output} is a directory; -o must name a file")
        if arguments.output.exists():
            raise UsageError(f"{arguments.output} exists already; remove it, or give another -o")
        _make_directory(arguments.output.parent)
    try:
        with _noted(set()):
            images = [_read_named(path) for path in (arguments.synthetic, arguments.observed)]
            table = compare(*images, binning=arguments.binning, **together)
            if arguments.output is not None:
                writer = functools.partial(table.write, format="ascii.ecsv")
                files.write(arguments.output.parent, {arguments.output.name: writer})
    except Exception as error:
        _say(f"mag2euv: error: {_sentence(error)}")
        return 1
    for key, value in table.meta.items():
        print(f"{key}: {value}")
    for name in table.colnames[2:]:
        table[name].info.format = ".3f"
    print(*table.pformat(max_lines=-1, max_width=-1), sep="\n")
    return 0


def _models(arguments):
    """A table that fits 80 columns: inputs and descriptions have lines of their own."""
    from sunpy_mag2euv import remote
    from sunpy_mag2euv.models import available_models

    table = available_models()
    width = max(len(name) for name in table["name"])
    print(f"{'name':{width}}  packaged  passbands (Å)")
    for row in table:
        packaged = "yes" if remote.packaged(row["file"]) else "no"
        inputs = row["inputs"] if isinstance(row["inputs"], str) else " ".join(map(str, row["inputs"]))
        print(f"{row['name']:{width}}  {packaged:8}  {' '.join(map(str, row['passbands']))}")
        for line in (f"inputs: {inputs}", row["description"]):
            print(textwrap.indent(textwrap.fill(line, 78 - width), " " * (width + 2)))
    print("The first of each kind of inputs is the default.")
    return 0


def _demo(arguments):
    """Everything that the package does, on a magnetogram that is made up; earlier output of its own is replaced."""
    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.sample import sample_magnetogram
    from sunpy_mag2euv.synthesis import generate
    from sunpy_mag2euv.visualization import contact_sheet

    if arguments.seed < 0:
        raise UsageError(f"--seed must be at least 0; got {arguments.seed}")
    settings = _settings(arguments, FieldModel)
    names = [*(_name("sample", band) for band in settings["passband"]), "contact_sheet.png"]
    _make_directory(arguments.output)
    try:
        with _noted(set()):
            files.check(arguments.output, names, overwrite=True)
            magnetogram = sample_magnetogram(arguments.seed)
            images = generate(magnetogram, **settings)
            writers = [*(image.save for image in images), contact_sheet(magnetogram, images).savefig]
            files.write(arguments.output, dict(zip(names, writers, strict=True)), overwrite=True)
    except Exception as error:
        _say(f"mag2euv: error: {_sentence(error)}")
        return 1
    print(f"{len(images)} FITS files and contact_sheet.png written to {arguments.output}")
    return 0


def _settings(arguments, kind, passbands=None):
    """
    What `generate` and `translate` take besides the Maps, with every mistake found before any file is read.

    The model is one of its ``kind``, and the passbands are all that it has unless given.
    """
    from sunpy_mag2euv.inference import resolve_device, resolve_model, resolve_passbands
    from sunpy_mag2euv.passbands import get_passband

    try:
        if passbands is not None:
            passbands = dict.fromkeys(map(get_passband, passbands))
        device = resolve_device(arguments.device)
        with tidying():  # a download
            model = resolve_model(arguments.model, kind, arguments.sha256)
        passbands = resolve_passbands(model.passbands if passbands is None else passbands, model)
        model.network(device)
    except Exception as error:
        raise UsageError(_sentence(error)) from error
    return {"passband": passbands, "model": model, "device": device}


def _chosen(arguments):
    """The words after ``--passband``, None if that means all there are."""
    words = [word for words in arguments.passband for word in words]
    return None if words == ["all"] else words


def _others(passbands, images):
    """Those of some passbands that are not among the images given."""
    from sunpy_mag2euv.passbands import get_passband

    given = set()
    for image in images:
        with contextlib.suppress(TypeError, ValueError):  # It is none of AIA's, which is not for us to say.
            given.add(get_passband(image.wavelength))
    others = [passband for passband in passbands if passband not in given]
    if not others:
        raise ValueError("the images given are of all passbands that the model makes; leave out what is to be made")
    return others


def _time_difference(arguments):
    """``--max-time-difference`` with its unit."""
    import astropy.units as u

    if not arguments.max_time_difference >= 0:
        raise UsageError(f"--max-time-difference must be a number of minutes; got {arguments.max_time_difference:g}")
    return arguments.max_time_difference * u.min


def _correction_table(arguments):
    """``--correction-table`` as it is read, None unless it is given."""
    from sunpy_mag2euv.sensitivity import Sensitivity

    if arguments.correction_table is None:
        return None
    try:
        with tidying():  # a download
            return Sensitivity.read(arguments.correction_table)
    except (ImportError, OSError, ValueError) as error:
        raise UsageError(_sentence(error)) from error


def _stems(paths):
    """What the names of each input's outputs begin with."""
    stems = {}
    for path in paths:
        stem = _stem(path)
        if stem in stems.values():
            raise UsageError(f"{path} and another input would be written to the same files; give each its own -o")
        stems[path] = stem
    return stems


def _stem(path):
    """A file's name without what says that it is an image."""
    return _ENDINGS.sub("", path.name)


def _name(stem, passband, suffix="fits"):
    return f"{stem}_aia_{passband.angstrom:04}.{suffix}"


def _read_named(path):
    """The one Map in a file, whose errors say which file it was."""
    try:
        return _read(path)
    except Exception as error:
        raise ValueError(f"{path}: {_sentence(error)}") from error


def _read(path):
    """The one Map in a file."""
    import sunpy.map

    if path.is_dir():
        raise IsADirectoryError(f"this is a directory; give the files in it, such as {path / '*.fits'}")
    if not path.exists():
        raise FileNotFoundError("there is no such file")
    if not path.is_file():
        raise ValueError("this is a pipe or a device; give a file")
    try:
        image = sunpy.map.Map(path)
    except Exception as error:
        reason = error.__cause__ or error
        if isinstance(reason, ImportError):
            needed = _READERS.get(reason.name, "sunpy[all]")
            raise ValueError(f"to read a file of this kind, install {needed} ({reason})") from error
        raise ValueError(f"cannot be read as an image with solar coordinates ({_sentence(reason)})") from error
    if isinstance(image, list):
        raise ValueError(f"the file must hold one image; it holds {len(image)}. Save one to a file of its own")
    return image


def _make_directory(directory):
    """What ``-o`` names, ready to be written to."""
    try:
        files.prepare(directory)
    except FileExistsError as error:
        raise UsageError(f"{directory} is a file; -o must name a directory") from error
    except OSError as error:
        raise UsageError(f"cannot write to the directory {directory} ({error.strerror}); give another -o") from error


@contextlib.contextmanager
def _noted(notes):
    """Say what users are warned of, each sentence once; warnings about other people's headers are not for them."""
    from sunpy.util.exceptions import SunpyUserWarning

    # This is for the whole process, and would mix up what several threads warn of; a command is one thread.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in caught:
                text = str(warning.message)
                if issubclass(warning.category, SunpyUserWarning) and text not in notes:
                    notes.add(text)
                    _say(f"note: {text}")


def _sentence(error):
    """An exception in one line."""
    text = textwrap.shorten(str(error), 500)
    expected = isinstance(error, OSError | TypeError | ValueError) and text
    return text if expected else f"{type(error).__name__}: {text}"


def _say(line):
    """Print to standard error, past a progress bar."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)
