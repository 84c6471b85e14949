"""
Every block of code in the README, the documentation and docstrings is run, or at least read by what is to run it.

Doctests are pytest's own, and figures are drawn where the documentation is built. Here are the others: Python is run,
with made-up files under the names that it reads, and made-up answers of the network; commands are read by the command
line's own parser, and run where that takes no time; configurations are read by the training. A block of a kind that is
not known here fails.
"""

import argparse
import ast
import builtins
import doctest
import functools
import hashlib
import importlib.util
import io
import itertools
import re
import runpy
import shlex
import shutil
import sys
import tomllib
import types
import warnings
from importlib.metadata import metadata
from pathlib import Path
from unittest.mock import create_autospec

import matplotlib.pyplot as plt
import numpy as np
import pytest
from aia_images import make_aia, sun
from code_blocks import find_blocks

import sunpy.data.sample
import sunpy.map
from sunpy.coordinates import get_earth
from sunpy.net import Fido
from sunpy.net.base_client import QueryResponseTable
from sunpy.net.fido_factory import UnifiedResponse
from sunpy.net.jsoc import JSOCClient
from sunpy.net.vso import VSOClient
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv import cli, remote, vantage
from sunpy_mag2euv.cli import commands
from sunpy_mag2euv.models import registry, save_model
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.sensitivity import Sensitivity
from sunpy_mag2euv.training.learning.config import PROTOCOLS, load_config

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
PACKAGE = REPOSITORY / "sunpy_mag2euv"
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not installed with the package")

GENERATED = {"_build", "api", "generated", "sg_execution_times.rst"}
PAGES = [
    *sorted(REPOSITORY.glob("*.rst")),
    *sorted(path for path in DOCS.rglob("*.rst") if not GENERATED.intersection(path.relative_to(DOCS).parts)),
]
SOURCES = [*PAGES, *sorted(PACKAGE.rglob("*.py"))]
BLOCKS = [block for path in SOURCES for block in find_blocks(path)]

#: Kinds of blocks that the tests below read, and those that nobody runs.
RUN = {"python", "plot", "shell", "console", "toml", "literalinclude"}
SHOWN = {"text", "bibtex"}


def of_kind(*kinds):
    """The blocks of some kinds, as parameters."""
    blocks = [block for block in BLOCKS if block.kind in kinds]
    return [pytest.param(block, id=f"{block.path.relative_to(REPOSITORY)}:{block.line}") for block in blocks]


def test_kinds():
    assert len(BLOCKS) > 40
    unknown = [str(block) for block in BLOCKS if block.kind not in RUN | SHOWN]
    assert not unknown, (
        "each block of code must say its language, such as by '.. code-block:: python', and that must be one that "
        "test_docs_code.py runs; these do not"
    )


def test_doctests_are_run():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for unrun in ("+SKIP", "REMOTE_DATA", "doctest-skip", "doctest-remote-data", "__doctest_skip__"):
            assert unrun not in text, path
        # pytest looks for doctests in the documentation and in the package.
        assert ">>> " not in text or path.is_relative_to(DOCS) or path.is_relative_to(PACKAGE), path


def test_blocks_are_found(tmp_path):
    page, module = tmp_path / "page.rst", tmp_path / "module.py"
    page.write_text(
        "Such as::\n\n    text\n\n.. note::\n\n   .. code-block:: python\n      :name: first\n\n      if a:\n\n"
        "          b\n\n   Said.\n\n.. math:: a = b\n\n.. strange:: it\n\n   is\n\nHere: ``::``, ::\n\n more\n"
    )
    module.write_text('def f():\n    """\n    Do it.\n\n    ::\n\n        f()\n    """\n')
    found = [(block.line, block.kind, block.argument, block.text) for block in find_blocks(page)]
    assert found == [
        (1, "literal", "", "text\n"),
        (7, "python", "", "if a:\n\n    b\n"),
        (18, "strange", "it", "is\n"),
        (22, "literal", "", "more\n"),
    ]
    assert [(block.kind, block.text) for block in find_blocks(module)] == [("literal", "f()\n")]


# Python


@pytest.fixture
def made_up(make_magnetogram, tiny_model, tiny_weights, tiny_translator, tmp_path, monkeypatch):
    """An empty directory to work in, with small networks in place of the published ones, and stand-ins for files."""
    translator = tmp_path / "weights" / "translator.safetensors"
    translator.parent.mkdir()
    save_model(tiny_translator, translator)
    paths, entries = {}, {}
    for name, entry in registry._registry().items():
        path = paths[entry["file"]] = translator if "inputs" in entry else tiny_weights
        entries[name] = entry | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    monkeypatch.setattr(registry, "_registry", lambda: entries)
    monkeypatch.setattr(remote, "locate", lambda filename, sha256, url=None: paths[filename])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return MadeUp(make_magnetogram, tiny_weights)


class MadeUp:
    """Stand-ins for files, by their names, and for variables."""

    def __init__(self, make_magnetogram, weights):
        self.make_magnetogram, self.weights = make_magnetogram, weights

    def write(self, name):
        """Write what a file of that name may hold, if it is one that somebody else has to bring."""
        path = Path(name)
        makers = {
            r"\.safetensors$": lambda: shutil.copy(self.weights, path),
            r"response_table\.txt$": lambda: shutil.copy(carried_table(), path),
            r"^channels\.toml$": lambda: shutil.copy(DOCS / "runs" / path.name, path),
            r"^report\.ecsv$": self._report,
            r"(?i)synoptic|^chart": lambda: sample_chart().save(path),
            r"(?i)phi-fdt": lambda: self._phi().save(path),
            r"(?i)^synthetic": lambda: mag2euv.generate(self.magnetogram(), 193).save(path),
            r"(?i)aia": lambda: self.aia(name).save(path),
            r"(?i)hmi|magnetogram": lambda: self.magnetogram().save(path),
        }
        maker = next((maker for pattern, maker in makers.items() if re.search(pattern, path.name)), None)
        if maker is None or path.exists() or path.suffix == ".jp2":
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        maker()

    def value(self, name):
        """What a variable of that name may be, that a page takes for granted."""
        if re.fullmatch(r"aia_(map|\d+)", name):
            return self.aia(name)
        values = {
            "hmi_map": self.magnetogram,
            "magnetogram": self.magnetogram,
            "synthetic": lambda: mag2euv.generate(self.magnetogram(), 193),
            "correction_table": self._table,
            "paths": self._paths,
        }
        assert name in values, f"nothing says what {name} is"
        return values[name]()

    def magnetogram(self):
        return self.make_magnetogram()

    def aia(self, name):
        bands = re.findall(r"(?<!\d)0*(94|131|171|193|211|304|335|1600|1700)(?!\d)", name)
        band = int(bands[0]) if bands else 193
        return make_aia(lambda x, y: sun(x, y) / (1 if band in (171, 193) else 10), wavelength=band, hglt_obs=0.0)

    def _phi(self):
        """With what tells PHI's headers from HMI's."""
        keywords = {"obsrvtry": "Solar Orbiter", "detector": "FDT", "level": "L2", "accrowit": 1}
        keywords |= {"btype": "LOS Magnetic Field Strength", "observer": get_earth("2024-03-05")}
        return self.make_magnetogram(instrument="PHI", telescop="SOLO/PHI/FDT", rotation=121.3, **keywords)

    def _table(self):
        """In the version that aiapy fetches."""
        table = Sensitivity.read(carried_table()).table.copy()
        table["VER_NUM"] = 10
        return table

    def _paths(self):
        paths = [Path(f"hmi.{number}.fits").absolute() for number in range(2)]
        for path in paths:
            self.write(path)
        return paths

    def _report(self):
        self._paths()
        paths = map(str, Path().glob("hmi.*.fits"))
        assert cli.main(["generate", *paths, "--passband", "193", "--report", "report.ecsv"]) == 0


def carried_table():
    """AIA's sensitivity, as aiapy carries it."""
    data = pytest.importorskip("aiapy.tests.data")
    return data.get_test_filepath("aia_V8_20171210_050627_response_table.txt")


@pytest.fixture
def no_network(made_up, monkeypatch):
    """Answers in place of archives and of a cluster."""
    monkeypatch.setattr(plt, "show", lambda **settings: None)
    monkeypatch.setattr(vantage, "get_horizons_coord", lambda body, time: get_earth(time))
    read = Sensitivity.read
    monkeypatch.setattr(Sensitivity, "read", lambda source=None: read(None if source == "SSW" else source))

    def download(url, sha256):
        assert re.match(r"(https?://|doi:10\.)\S+/[\w.-]+$", url)
        return made_up.weights

    normalized = remote.normalized
    found = hashlib.sha256(made_up.weights.read_bytes()).hexdigest()
    monkeypatch.setattr(remote, "normalized", lambda sha256: found if "…" in sha256 else normalized(sha256))
    monkeypatch.setattr(remote, "download", download)

    # Fido itself finds out whose query it is: what reads it next would ask the archive.
    monkeypatch.setattr(VSOClient, "__init__", lambda self: None)
    for client in (JSOCClient, VSOClient):
        monkeypatch.setattr(client, "search", lambda self, *query: QueryResponseTable({"found": [1]}, client=self))

    def fetch(self, *found, path):
        assert all(isinstance(response, UnifiedResponse) and response.file_num for response in found)
        made_up.write(path.format(file="hmi.fits"))
        return [path.format(file="hmi.fits")]

    monkeypatch.setattr(type(Fido), "fetch", fetch)
    for name in filter(re.compile(r"HMI_LOS_IMAGE|AIA_\d+_IMAGE").fullmatch, sunpy.data.sample.__all__):
        made_up.write(f"{name}.fits")
        monkeypatch.setitem(vars(sunpy.data.sample), name, f"{name}.fits")

    make_map = sunpy.map.Map

    def read_map(*arguments, **settings):
        if str(arguments[0]).endswith(".jp2"):
            magnetogram = made_up.magnetogram()
            noise = np.random.default_rng(0).normal(0, 5, magnetogram.data.shape)
            picture = np.clip(np.nan_to_num(magnetogram.data) + noise + 250, 0, 500) / 500 * 255
            return make_map(picture.astype(np.uint8), magnetogram.meta)
        return make_map(*arguments, **settings)

    monkeypatch.setattr(sunpy.map, "Map", read_map)


@pytest.fixture
def cluster(monkeypatch):
    """A cluster in this process, in place of any other."""
    distributed = pytest.importorskip("dask.distributed")
    clients, real, local = [], distributed.Client, "127.0.0.1"

    class Cluster:
        def __init__(self, *, queue, account, cores, processes, memory, walltime):
            pass

        def adapt(self, *, maximum_jobs):
            pass

    def client(address_or_cluster):
        cluster = distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            host=local,
            dashboard_address=f"{local}:0",
            worker_dashboard_address=f"{local}:0",
            silence_logs=50,
        )
        clients.extend([cluster, real(cluster)])
        return clients[-1]

    monkeypatch.setattr(distributed, "Client", client)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", types.SimpleNamespace(SLURMCluster=Cluster))
    yield
    # Each gives back the scheduler that it found.
    for client in reversed(clients):
        client.close()


@pytest.fixture
def no_training(monkeypatch):
    """Functions that take hours, or an archive, take the arguments that they would take."""
    from sunpy_mag2euv.training.data import archive, observations, pairs, sdoml, sdoml_selection
    from sunpy_mag2euv.training.study import channels

    for module, names in (
        (archive, ["download"]),
        (pairs, ["match"]),
        (observations, ["load_calibration", "open_store", "fill"]),
        (channels, ["run_study"]),
        (sdoml, ["open_store", "fill"]),
        (sdoml_selection, ["select"]),
    ):
        for name in names:
            monkeypatch.setattr(module, name, create_autospec(getattr(module, name)))
    pairs.match.return_value = [], []


def imports_before(block):
    """What the examples above a block have imported, which a reader has done by then."""
    namespace = {}
    for example in doctest.DocTestParser().get_examples(block.path.read_text(encoding="utf-8")):
        imported = isinstance(ast.parse(example.source).body[0], ast.Import | ast.ImportFrom)
        if imported and example.lineno < block.line and "import" in example.source:
            exec(example.source, namespace)
    return namespace


def files_of(tree):
    """Names of files that a block mentions but does not write."""
    written = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("save", "savefig", "write")
        for argument in call.args
    }
    for node in ast.walk(tree):
        read = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in written
        if read and re.fullmatch(r"[\w./+-]+\.(ecsv|fits|fts|safetensors|toml|txt)", node.value):
            yield node.value


def unsaid_names(tree, namespace):
    """Names that a block uses and nobody has given a value."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    given = {name.id for name in names if not isinstance(name.ctx, ast.Load)} | {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    used = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    return used - given - set(namespace) - set(dir(builtins))


#: What is said, and the page says so.
WARNINGS = {"no conversion to HMI's field scale is known for PHI: its field is taken as it is"}

PYTHON = [list(blocks) for _, blocks in itertools.groupby((b for b in BLOCKS if b.kind == "python"), lambda b: b.path)]


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page[0].path.relative_to(REPOSITORY))) for page in PYTHON])
def test_python(page, made_up, no_network, cluster, request):
    """All blocks of a page in order, which know each other's names."""
    if any("training" in block.text for block in page):
        request.getfixturevalue("no_training")
    if any("correct_degradation" in block.text for block in page):
        pytest.importorskip("aiapy")
    # Where directories are somebody's, they are not those of whoever runs this.
    here, namespace = Path.cwd(), {"__name__": "__main__"}
    (here / "magnetograms").mkdir()
    made_up.write("magnetograms/hmi.m_720s.20140115.fits")
    for block in page:
        text = re.sub(r'"(?=/(data|scratch)/)', f'"{here}', block.text)
        tree = ast.parse(text)
        namespace = imports_before(block) | namespace
        for name in files_of(tree):
            made_up.write(name)
        namespace |= {name: made_up.value(name) for name in unsaid_names(tree, namespace)}
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", category=SunpyUserWarning)
            exec(compile(tree, str(block), "exec"), namespace)
        assert {str(warning.message) for warning in caught} <= WARNINGS
    plt.close("all")


@pytest.mark.filterwarnings("ignore::sunpy.util.exceptions.SunpyUserWarning")
@pytest.mark.parametrize("block", of_kind("plot"))
def test_plots(block, made_up):
    """Figures are drawn when the documentation is built; if they are no doctests, this is how they are tried before."""
    assert not block.argument
    if not block.text.startswith(">>> "):
        exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
        assert plt.get_fignums()
        plt.close("all")


# Commands

#: What blocks of commands begin with beside the command line of this package, Python and pip.
OTHERS = {
    "awk", "cd", "dask", "done", "find", "for", "git", "mypy", "pytest", "ruff", "sha256sum", "sphinx-build",
    "towncrier", "tox",
}  # fmt: skip

#: Words that stand for others.
PLACEHOLDERS = {
    "FILE...": "hmi.fits",
    "CHART": "chart.fits",
    "ARCHIVE": "2014",
    "@LIST": "@list.txt",
    "TABLE": "table.ecsv",
}


def command_lines(block):
    """Lists of the words of simple commands, one list for those that a pipe joins."""
    text = block.text
    if block.kind == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith(("$ ", "> ")))
    variables = {}
    for line in text.replace("\\\n", " ").replace("|\n", "| ").splitlines():
        line = re.sub(r"\$\{?(\w+)[^}\s]*\}?", lambda found: variables.get(found[1], "4"), line)
        words = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        words.whitespace_split = True
        pipe, command = [], []
        for word in [*words, ";"]:
            if not command and (found := re.fullmatch(r"(\w+)=(.*)", word)):
                variables[found[1]] = found[2]
            elif word in ("|", "&&", "||", ";"):
                pipe += [command] if command else []
                if word != "|" and pipe:
                    yield pipe
                    pipe = []
                command = []
            elif command or word not in ("do", "then"):
                command.append(word)


@functools.cache
def command_line():
    return commands.parser()


def check_command(words, monkeypatch):
    """Whether words are such as can be called."""
    name, arguments = Path(words[0]).name, words[1:]
    if name in ("srun", "torchrun"):
        name, arguments = "mag2euv", arguments[arguments.index("mag2euv") + 1 :]
    if name == "mag2euv":
        command_line().parse_args(arguments)
        assert all((REPOSITORY / word).is_file() for word in arguments if re.fullmatch(r"docs/.*\.toml", word)), words
    elif name == "pip":
        check_pip(arguments)
    elif name in ("python", "python3"):
        check_python(arguments, monkeypatch)
    else:
        assert name in OTHERS, words


def check_pip(arguments):
    """Whether the extras that are installed are there, and the files."""
    verb, *arguments = arguments
    assert verb in ("install", "wheel")
    arguments = iter(arguments)
    for argument in arguments:
        if argument == "-c":
            assert (REPOSITORY / next(arguments)).is_file()
        elif argument in ("-w", "--find-links"):
            assert next(arguments)
        elif argument not in ("-e", "-q", "--no-index"):
            name, extras = re.fullmatch(r"([\w.-]+)(?:\[([\w,-]+)\])?", argument).groups()
            for extra in (extras or "").split(",") if extras else ():
                assert extra in extras_of(name), argument


def extras_of(name):
    if name in (".", "sunpy_mag2euv"):
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return project["optional-dependencies"]
    return metadata(name).get_all("Provides-Extra")


def check_python(arguments, monkeypatch):
    """Whether the module or script is there, and what its parser says of the arguments."""
    if arguments[0] != "-m":
        assert (REPOSITORY / arguments[0]).is_file()
        return
    module, *arguments = arguments[1:]
    assert importlib.util.find_spec(module), module
    if not module.startswith(("sunpy_mag2euv", "benchmarks")):
        return

    class ParsedError(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def parse_args(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise ParsedError

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        patch.setattr(sys, "argv", [module, *arguments])
        for known in (module, f"{module}.__main__"):
            patch.delitem(sys.modules, known, raising=False)
        with pytest.raises(ParsedError):
            runpy.run_module(module, run_name="__main__", alter_sys=True)


@pytest.mark.parametrize("block", of_kind("shell", "console"))
def test_commands_can_be_read(block, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    for pipe in command_lines(block):
        for words in pipe:
            check_command(words, monkeypatch)


def is_quick(words):
    """Whether a command can be run here and now."""
    slow = {"--jobs", "--scheduler", "--png"} & set(words) or "://" in " ".join(words)
    return words[0] == "mag2euv" and words[1] in ("generate", "translate", "compare", "models") and not slow


QUICK = [
    pytest.param(pipe, id=" ".join(pipe[-1]))
    for block in BLOCKS
    if block.kind in ("shell", "console")
    for pipe in command_lines(block)
    if is_quick(pipe[-1])
]


@pytest.mark.parametrize("pipe", QUICK)
def test_commands_run(pipe, made_up, no_network, monkeypatch):
    *before, words = pipe
    for name in ("2014/hmi.720s.a.fits", "2014/05/hmi.720s.b.fits"):
        made_up.write(name)
    Path("list.txt").write_text("2014/05\n")
    if before:
        assert before[0][0] == "find"
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"2014/hmi.720s.a.fits\n")))
    words = [PLACEHOLDERS.get(word, word) for word in words[1:]]
    for number, word in enumerate(words):
        if word.endswith((".fits", ".safetensors")) and "*" not in word and "-o" not in words[number - 1 : number]:
            made_up.write(word)
    assert cli.main(words) == 0


# Configurations


@pytest.mark.parametrize("block", of_kind("toml"))
def test_configurations(block, tmp_path):
    given = tomllib.loads(block.text)
    entry = {"url"}.union(*tomllib.loads((PACKAGE / "registry.toml").read_text(encoding="utf-8")).values())
    if set(given) <= entry or set().union(*given.values()) <= entry:
        return  # Of the registry, whose entries have nothing else
    # Parts of a configuration are read with what every one must have.
    text = block.text if "data" in given else f"{block.text}\n[data]\n"
    for key, value in (("store", '"frames.zarr"'), ("passbands", "[193]")):
        if key not in given.get("data", {}):
            text = text.replace("[data]\n", f"[data]\n{key} = {value}\n")
    read, problems = [], []
    for protocol in [given["protocol"]] if "protocol" in given else PROTOCOLS:
        path = tmp_path / f"{protocol}.toml"
        path.write_text(text if "protocol" in given else f'protocol = "{protocol}"\n{text}', encoding="utf-8")
        try:
            read.append(load_config(path))
        except ValueError as error:
            problems.append(error)
    assert read, problems


@pytest.mark.parametrize("block", of_kind("literalinclude"))
def test_files_that_are_included(block):
    path = (block.path.parent / block.argument).resolve()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".txt":
        return  # What a command has printed
    assert path.suffix == ".toml", "of files with code only configurations are read here"
    if "protocols" in path.parts:
        assert tomllib.loads(text)
    else:
        assert load_config(path)
