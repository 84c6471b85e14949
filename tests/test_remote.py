"""Fetching weights, against a real HTTP server on loopback."""

import contextlib
import gc
import gzip
import hashlib
import multiprocessing
import os
import re
import socket
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest
from weights_hosts import DOI, LAYOUTS, RECORD, REPOSITORY, weights_hosts

from sunpy_mag2euv import files, remote

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "weights.safetensors"
CACHED = f"{SHA256[:16]}-{NAME}"


class Handler(SimpleHTTPRequestHandler):
    """Serve a folder, unless the server has a special ``answer``."""

    def do_GET(self):
        self.server.requested.append(self.path)
        if self.server.answer is None:
            super().do_GET()
        else:
            self.server.answer(self)

    def send_file(self, content=CONTENT, length=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no mirror, no packaged weights, and no proxy between us and the loopback."""
    path = tmp_path / "cache"
    monkeypatch.setenv("SUNPY_MAG2EUV_CACHE", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("SUNPY_MAG2EUV_WEIGHTS_URL", raising=False)
    monkeypatch.setattr(remote, "_PACKAGED", tmp_path / "packaged")
    return path


@pytest.fixture
def server(tmp_path):
    """A server of the folder ``server.root``; ``server.requested`` are the paths that it was asked for."""
    root = tmp_path / "served"
    root.mkdir()
    (root / NAME).write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as server:
        server.root, server.requested, server.answer = root, [], None
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_url():
    """An address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken, so that nobody else gets it, but not listening
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


def names(folder):
    """What is in a folder that may not exist."""
    return sorted(path.name for path in folder.glob("*"))


def test_cache_dir(cache, monkeypatch):
    assert remote.cache_dir() == cache
    monkeypatch.setenv("SUNPY_MAG2EUV_CACHE", "~/elsewhere")
    assert remote.cache_dir() == Path.home() / "elsewhere"
    for unset in (partial(monkeypatch.setenv, value=""), monkeypatch.delenv):
        unset("SUNPY_MAG2EUV_CACHE")
        assert remote.cache_dir() == pooch.os_cache("sunpy_mag2euv")


def test_check(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    assert remote.check(str(path), SHA256.upper()) == path
    with pytest.raises(ValueError, match=f"{SHA256}, not the expected {'0' * 64}; replace it"):
        remote.check(path, "0" * 64)
    with pytest.raises(ValueError, match=r"64 hexadecimal digits .* got None"):
        remote.check(path, None)
    for absent in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"no weights file {absent};"):
            remote.check(absent, SHA256)


def test_download_once(server, cache):
    path = remote.download(f"{server.url}/{NAME}", SHA256)
    assert path == cache / CACHED
    assert path.read_bytes() == CONTENT
    assert remote.download(f"{server.url}/{NAME}", SHA256.upper()) == path
    assert len(server.requested) == 1
    assert names(cache) == [CACHED]


def test_cached_file_needs_no_server(cache, closed_url):
    # This is also what the advice of a failed download relies on: a copy made by hand is found
    cache.mkdir()
    (cache / CACHED).write_bytes(CONTENT)
    assert remote.download(f"{closed_url}/{NAME}", SHA256) == cache / CACHED


def test_damaged_cached_file_is_fetched_again(server, cache):
    cache.mkdir()
    (cache / CACHED).write_bytes(CONTENT[:100])
    assert remote.download(f"{server.url}/{NAME}", SHA256).read_bytes() == CONTENT
    assert len(server.requested) == 1


def test_same_name_other_file(server, cache):
    other = b"of a later release"
    (server.root / "v2").mkdir()
    (server.root / "v2" / NAME).write_bytes(other)
    old = remote.download(f"{server.url}/{NAME}", SHA256)
    new = remote.download(f"{server.url}/v2/{NAME}", hashlib.sha256(other).hexdigest())
    assert (old.read_bytes(), new.read_bytes()) == (CONTENT, other)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (f"a/b/{NAME}?download=1/x#y", NAME),
        ("folder/", "folder"),
        ("..%2Fevil:name", ".._2Fevil_name"),
        ("x" * 300, "x" * 100),
    ],
)
def test_cached_name(server, cache, address, name):
    server.answer = Handler.send_file
    assert remote.download(f"{server.url}/{address}", SHA256) == cache / f"{SHA256[:16]}-{name}"


def test_wrong_hash(server, cache):
    hashes = f"expected sha256:{'0' * 64} but got {SHA256}"
    with pytest.raises(ValueError, match=f"nothing was kept of {server.url}.*{hashes}"):
        remote.download(f"{server.url}/{NAME}", "0" * 64)
    assert len(server.requested) == 1
    assert names(cache) == []


@pytest.mark.parametrize("promised", [len(CONTENT), len(CONTENT) // 2], ids=["broken off", "short file"])
def test_truncated(server, cache, promised):
    server.answer = partial(Handler.send_file, content=CONTENT[: len(CONTENT) // 2], length=promised)
    with pytest.raises(ValueError, match="nothing was kept"):
        remote.download(f"{server.url}/{NAME}", SHA256)
    assert names(cache) == []


def assert_says_how_to_go_on(message, path):
    """Every way that does not need the server is named."""
    for way in (str(path), "load_model", "SUNPY_MAG2EUV_WEIGHTS_URL", "packaged default model"):
        assert way in message


def test_not_on_the_server(server, cache):
    with pytest.raises(ConnectionError, match="404 Client Error") as error:
        remote.download(f"{server.url}/absent", SHA256)
    assert_says_how_to_go_on(str(error.value), cache / f"{SHA256[:16]}-absent")
    assert names(cache) == []


def test_server_down(cache, closed_url):
    with pytest.raises(ConnectionError, match="refused") as error:
        remote.download(f"{closed_url}/{NAME}", SHA256)
    assert_says_how_to_go_on(str(error.value), cache / CACHED)
    assert names(cache) == []


@pytest.mark.parametrize("sent", [0, 1000])
def test_server_hangs(server, cache, monkeypatch, sent):
    monkeypatch.setattr(remote, "_TIMEOUT", 0.2)
    given_up = threading.Event()

    def answer(handler):
        if sent:
            handler.send_file(CONTENT[:sent], len(CONTENT))
        given_up.wait(10)
        handler.close_connection = True

    server.answer = answer
    with pytest.raises(ConnectionError, match="Read timed out") as error:
        remote.download(f"{server.url}/{NAME}", SHA256)
    given_up.set()
    assert_says_how_to_go_on(str(error.value), cache / CACHED)
    assert names(cache) == []


@pytest.mark.parametrize("part", ["status", "header", "body"])
def test_servers_that_drip(server, cache, monkeypatch, part):
    """Each byte comes well before anybody would give up, and the last one never."""
    monkeypatch.setattr(remote, "_DEADLINE", 0.5)
    given_up = threading.Event()

    def answer(handler):
        if part == "body":
            handler.send_file(b"", len(CONTENT))
        beginning = {"status": b"HTTP/1.0 ", "header": b"HTTP/1.0 200 OK\r\nX-Long: ", "body": b""}[part]
        handler.wfile.write(beginning)
        with contextlib.suppress(OSError):
            for _ in range(1000):
                if given_up.wait(0.02):
                    break
                handler.wfile.write(b"0")
        handler.close_connection = True

    server.answer = answer
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=r"it took longer than 0\.5 s") as error:
        remote.download(f"{server.url}/{NAME}", SHA256)
    assert time.monotonic() - start < 5
    assert_says_how_to_go_on(str(error.value), cache / CACHED)
    assert names(cache) == []
    given_up.set()
    for thread in threading.enumerate():
        if thread.name == "sunpy_mag2euv download":
            thread.join(10)
            assert not thread.is_alive()
    assert names(cache) == []


def test_slow_servers_are_waited_for(server, cache):
    def answer(handler):
        handler.send_file(b"", len(CONTENT))
        for start in range(0, len(CONTENT), len(CONTENT) // 5):
            time.sleep(0.02)
            handler.wfile.write(CONTENT[start : start + len(CONTENT) // 5])

    server.answer = answer
    assert remote.download(f"{server.url}/{NAME}", SHA256).read_bytes() == CONTENT


def endless(handler):
    """A file without a length that does not end."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(CONTENT)


def bomb(handler):
    """A small answer that unfolds to a large one."""
    content = gzip.compress(bytes(50 * 2**20))
    assert len(content) < 2**17
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(content)


def boastful(handler):
    """A file whose length is said to be beyond measure."""
    handler.send_file(b"", 2**60)
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(CONTENT)


@pytest.mark.parametrize("answer", [endless, bomb, boastful])
def test_files_that_are_too_large(server, cache, monkeypatch, answer):
    monkeypatch.setattr(remote, "_LARGEST", 2**20)
    server.answer = answer
    with pytest.raises(ValueError, match=f"nothing was kept of {server.url}.*the file is larger than 1 MB"):
        remote.download(f"{server.url}/{NAME}", SHA256)
    assert names(cache) == []
    # The socket is closed when the last that knows of it goes.
    gc.collect()


def test_the_largest_file_that_is_fetched(server, cache, monkeypatch):
    monkeypatch.setattr(remote, "_LARGEST", len(CONTENT))
    assert remote.download(f"{server.url}/{NAME}", SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["-5", "abc", "1e9", ""])
def test_lengths_that_are_none(server, cache, length):
    def answer(handler):
        handler.send_file(length=length)

    server.answer = answer
    # Whatever the length, it is the file or it is not.
    try:
        path = remote.download(f"{server.url}/{NAME}", SHA256)
    except ValueError as error:
        path = None
        message = str(error)
    if path is None:
        assert message.startswith(f"nothing was kept of {server.url}/{NAME}; try again")
        assert names(cache) == []
    else:
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("target", ["/again", "file:///etc/hostname", "ftp://127.0.0.1/file", "http://", "//"])
def test_redirections_that_lead_nowhere(server, cache, target):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.answer = answer
    with pytest.raises(ConnectionError, match="cannot fetch") as error:
        remote.download(f"{server.url}/{NAME}", SHA256)
    assert_says_how_to_go_on(str(error.value), cache / CACHED)
    assert len(server.requested) <= 31
    assert names(cache) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_cached_files_have_the_permissions_of_new_files(server, cache, tmp_path):
    (tmp_path / "usual").touch()
    path = remote.download(f"{server.url}/{NAME}", SHA256)
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert path.stat().st_mode & 0o600 == 0o600


def test_two_processes_at_once(server, cache, monkeypatch):
    both_ask = threading.Barrier(2)

    def answer(handler):
        both_ask.wait(120)  # neither is answered before the other has asked, so neither finds the other's file
        handler.send_file()

    server.answer = answer
    # This one and another, for whose start it may have to wait.
    monkeypatch.setattr(remote, "_TIMEOUT", 120)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        other = pool.submit(remote.download, f"{server.url}/{NAME}", SHA256)
        paths = [remote.download(f"{server.url}/{NAME}", SHA256), other.result()]
    assert paths == [cache / CACHED] * 2
    assert len(server.requested) == 2
    assert names(cache) == [CACHED]
    assert (cache / CACHED).read_bytes() == CONTENT


@pytest.mark.skipif(os.name != "posix", reason="processes are not asked after")
@pytest.mark.parametrize("alive", [True, False])
def test_what_killed_processes_left_is_removed(server, cache, alive):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=time.sleep, args=(0 if not alive else 60,))
    process.start()
    try:
        with files.scratch(cache.parent) as own:
            left = cache / own.name.replace(f"-{os.getpid()}-", f"-{process.pid}-")
        left.mkdir(parents=True)
        (left / CACHED).write_bytes(CONTENT[:100])
        if not alive:
            process.join(60)
        path = remote.download(f"{server.url}/{NAME}", SHA256)
        assert names(cache) == sorted([path.name, left.name] if alive else [path.name])
    finally:
        process.kill()
        process.join(60)


@pytest.mark.parametrize(
    "sha256", [None, "", "abc", "g" * 64, "0" * 65, f"md5:{'0' * 32}", 5, int("1" * 64), b"0" * 64, f"{'0' * 64}\n"]
)
def test_needs_a_hash(server, sha256):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        remote.download(f"{server.url}/{NAME}", sha256)
    assert server.requested == []


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://127.0.0.1/{NAME}",
        f"file:///tmp/{NAME}",
        f"/tmp/{NAME}",
        NAME,
        "https://example.org",
        "https://example.org/",
        "https:///file",
        "doi:10.5281/zenodo.1234567",
        "doi://10.5281/zenodo.1234567/file",
        Path("weights.safetensors"),
        None,
    ],
)
def test_not_an_address(cache, url):
    with pytest.raises(ValueError, match=r"cannot fetch .* expected https://"):
        remote.download(url, SHA256)
    assert not cache.exists()


# -- Archives, whose look-alikes pooch's own downloader asks -----------------------------------------------------------

PUBLISHED = f"doi:{DOI}/{NAME}", f"{REPOSITORY}/resolve/main/{NAME}"


@pytest.fixture
def hosts(monkeypatch):
    with weights_hosts(monkeypatch, {NAME: CONTENT, "README.md": b"# toy"}) as hosts:
        yield hosts


@pytest.mark.parametrize("layout", LAYOUTS)
def test_doi(hosts, cache, layout):
    hosts.layout = layout
    assert remote.download(f"doi:{DOI}/{NAME}", SHA256) == cache / CACHED
    assert (cache / CACHED).read_bytes() == CONTENT
    resolved = [f"doi.org/{DOI}", f"zenodo.org/doi/{DOI}", f"zenodo.org/records/{RECORD}"]
    assert hosts.requested[:-1] == [*resolved, f"zenodo.org/api/records/{RECORD}"]
    assert remote.download(f"doi:{DOI}/{NAME}", SHA256) == cache / CACHED
    assert len(hosts.requested) == 5
    assert names(cache) == [CACHED]


def test_hugging_face(hosts, cache):
    assert remote.download(f"{REPOSITORY}/resolve/main/{NAME}", SHA256) == cache / CACHED
    assert hosts.requested == [f"huggingface.co/jane/toy/resolve/main/{NAME}", f"cdn-lfs.hf.co/repos/{NAME}"]
    # The same file, wherever it is.
    assert remote.download(f"doi:{DOI}/{NAME}", SHA256) == cache / CACHED
    assert len(hosts.requested) == 2


@pytest.mark.parametrize("url", PUBLISHED)
@pytest.mark.parametrize("sha256", ["0" * 64, None])
def test_published_files_need_the_right_hash(hosts, cache, url, sha256):
    with pytest.raises(ValueError, match="64 hexadecimal digits" if sha256 is None else f"{'0' * 64} but got {SHA256}"):
        remote.download(url, sha256)
    assert bool(hosts.requested) == (sha256 is not None)
    assert names(cache) == []


def refuse(status):
    """Answers, by a page or by a word of the API, that there is nothing to have."""
    return [
        lambda handler: handler.send(b"<!DOCTYPE html><title>no</title>", status),
        lambda handler: handler.send(f'{{"status": {status}}}'.encode(), status),
    ]


#: Everything that is asked on the way to a file.
STEPS = [
    (PUBLISHED[0], "doi.org", f"/{DOI}"),
    (PUBLISHED[0], "zenodo.org", f"/doi/{DOI}"),
    (PUBLISHED[0], "zenodo.org", f"/records/{RECORD}"),
    (PUBLISHED[0], "zenodo.org", f"/api/records/{RECORD}"),
    (PUBLISHED[0], "zenodo.org", f"/api/records/{RECORD}/files/{NAME}/content"),
    (PUBLISHED[1], "huggingface.co", f"/jane/toy/resolve/main/{NAME}"),
    (PUBLISHED[1], "cdn-lfs.hf.co", f"/repos/{NAME}"),
]


@pytest.mark.parametrize(("url", "host", "path"), STEPS)
@pytest.mark.parametrize("status", [401, 404, 410, 429, 503])
def test_archives_that_refuse(hosts, cache, url, host, path, status):
    for answer in refuse(status):
        hosts.answers[host, path] = answer
        with pytest.raises(ConnectionError, match=rf"\({status} .* for url: https://{host}{path}") as error:
            remote.download(url, SHA256)
        advice = "try again later" if status in (429, 503) else "correct the address"
        assert f"; {advice}, or, to go on offline" in str(error.value)
        assert_says_how_to_go_on(str(error.value), cache / CACHED)
        assert len(str(error.value).splitlines()) == 1
        assert names(cache) == []


@pytest.mark.parametrize(("url", "host", "path"), [STEPS[4], STEPS[6]])
@pytest.mark.parametrize("promised", [len(CONTENT), 1000])
def test_archives_that_break_off(hosts, cache, url, host, path, promised):
    hosts.answers[host, path] = lambda handler: handler.send(CONTENT[:1000], length=promised)
    with pytest.raises(ValueError, match=f"{re.escape(url)}.* try again"):
        remote.download(url, SHA256)
    assert names(cache) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_that_a_record_does_not_have(hosts, cache, layout):
    hosts.layout = layout
    with pytest.raises(ConnectionError, match=rf"\(File 'absent' not found .*{RECORD}.*\); correct the address, or"):
        remote.download(f"doi:{DOI}/absent", SHA256)
    assert names(cache) == []


def test_dois_of_something_else(hosts, cache):
    hosts.answers["doi.org", "/10.3847/2041-8213/ab46bb"] = lambda handler: handler.send(
        b"", 302, Location="https://iopscience.example.org/article"
    )
    hosts.answers["iopscience.example.org", "/article"] = lambda handler: handler.send(b"a paper")
    for doi in ("10.3847/2041-8213/ab46bb", "10.5281/zenodo.7654321"):
        with pytest.raises(ConnectionError, match=r"\((Invalid data repository|404 .*doi\.org).*; correct the address"):
            remote.download(f"doi:{doi}/{NAME}", SHA256)
    assert names(cache) == []


@pytest.mark.parametrize(
    "answer",
    ["[]", "null", "5", "{}", '{"files": null}', '{"files": [5]}', '{"files": [{"key": 5}]}', "<html>", ""]
    + [f'{{"files": [{{"key": "{NAME}"{links}}}]}}' for links in ("", ', "links": null', ', "links": {"self": "x"}')],
)
def test_archives_that_answer_something_else(hosts, cache, answer):
    hosts.answers["zenodo.org", f"/api/records/{RECORD}"] = lambda handler: handler.send(answer.encode())
    with pytest.raises(ConnectionError, match=rf"cannot fetch doi:{DOI}/{NAME} \(.+\); .*to go on offline") as error:
        remote.download(f"doi:{DOI}/{NAME}", SHA256)
    assert len(str(error.value).splitlines()) == 1
    assert names(cache) == []


def test_pages_instead_of_files(hosts, cache):
    page = b"<!DOCTYPE html><title>toy</title>"
    hosts.answers["huggingface.co", f"/jane/toy/blob/main/{NAME}"] = lambda handler: handler.send(page)
    with pytest.raises(ConnectionError, match=r"a web page came instead of the file\); correct the address"):
        remote.download(f"{REPOSITORY}/blob/main/{NAME}", SHA256)
    assert names(cache) == []
    # Whatever it is called, what has the hash is the file.
    path = remote.download(f"{REPOSITORY}/blob/main/{NAME}", hashlib.sha256(page).hexdigest())
    assert path.read_bytes() == page


@pytest.mark.parametrize("url", PUBLISHED)
def test_published_files_offline(monkeypatch, cache, url):
    def fail(*arguments, **settings):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", fail)
    monkeypatch.setattr("urllib3.util.connection.create_connection", fail)
    with pytest.raises(ConnectionError, match=r"Network is unreachable.*; to go on offline, copy the file") as error:
        remote.download(url, SHA256)
    assert_says_how_to_go_on(str(error.value), cache / CACHED)
    assert names(cache) == []
    (cache / CACHED).write_bytes(CONTENT)
    assert remote.download(url, SHA256) == cache / CACHED


def test_cache_that_cannot_be_written(server, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=f"cannot write to the cache {cache} .* set SUNPY_MAG2EUV_CACHE"):
        remote.download(f"{server.url}/{NAME}", SHA256)


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_bar_only_on_a_terminal(server, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    remote.download(f"{server.url}/{NAME}", SHA256)
    assert ("100%" in capsys.readouterr().err) == terminal


def test_quiet(server, caplog):
    pooch_log = pooch.get_logger()
    level = pooch_log.level
    pooch_log.addHandler(caplog.handler)
    try:
        remote.download(f"{server.url}/{NAME}", SHA256)
    finally:
        pooch_log.removeHandler(caplog.handler)
    assert caplog.records == []
    assert pooch_log.level == level


def test_locate_packaged_first(tmp_path, monkeypatch, closed_url, cache):
    packaged = tmp_path / "packaged" / NAME
    packaged.parent.mkdir()
    packaged.write_bytes(CONTENT)
    monkeypatch.setenv("SUNPY_MAG2EUV_WEIGHTS_URL", closed_url)
    assert remote.locate(NAME, SHA256, f"{closed_url}/{NAME}") == packaged
    with pytest.raises(ValueError, match="not the expected"):
        remote.locate(NAME, "0" * 64, f"{closed_url}/{NAME}")
    assert not cache.exists()


def test_locate_published(server, cache):
    assert remote.locate(NAME, SHA256, f"{server.url}/{NAME}") == cache / CACHED
    assert server.requested == [f"/{NAME}"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_locate_on_a_mirror(server, cache, monkeypatch, closed_url, slash):
    (server.root / "mirror").mkdir()
    (server.root / NAME).rename(server.root / "mirror" / NAME)
    monkeypatch.setenv("SUNPY_MAG2EUV_WEIGHTS_URL", f"{server.url}/mirror{slash}")
    assert remote.locate(NAME, SHA256, f"{closed_url}/{NAME}") == cache / CACHED
    assert server.requested == [f"/mirror/{NAME}"]


def test_locate_nowhere(cache):
    with pytest.raises(FileNotFoundError, match=f"{NAME} is not packaged .* set SUNPY_MAG2EUV_WEIGHTS_URL"):
        remote.locate(NAME, SHA256)
    assert not cache.exists()
