"""Look-alikes of doi.org, Zenodo and Hugging Face on loopback, for tests of published weights."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter

#: The one record that Zenodo has, and where the one repository of Hugging Face is.
RECORD, DOI = 1234567, "10.5281/zenodo.1234567"
REPOSITORY = "https://huggingface.co/jane/toy"

#: Where Zenodo has had a record's files: before October 2023; in the weeks after, when it did not say so; and since.
_PLACES = {
    "bucket": "/api/files/2ebf59e9-a142/{}",
    "filename": f"/records/{RECORD}/files/{{}}",
    "content": f"/api/records/{RECORD}/files/{{}}/content",
}
LAYOUTS = tuple(_PLACES)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        host, path = self.headers["Host"], unquote(urlsplit(self.path).path)
        self.server.requested.append(f"{host}{path}")
        if answer := self.server.answers.get((host, path)):
            answer(self)
        elif place := self._moved(host, path):
            self.send(b"", 302, Location=place)
        elif (content := self._content(host, path)) is None:
            self.send(b'{"status": 404, "message": "there is no such thing"}', 404)
        else:
            self.send(content)

    def _moved(self, host, path):
        """Where an address leads on to."""
        moved = {
            ("doi.org", f"/{DOI}"): f"https://zenodo.org/doi/{DOI}",
            ("zenodo.org", f"/doi/{DOI}"): f"https://zenodo.org/records/{RECORD}",
        }
        for name in self.server.files:
            moved["huggingface.co", f"/jane/toy/resolve/main/{name}"] = f"https://cdn-lfs.hf.co/repos/{name}?Expires=1"
        return moved.get((host, path))

    def _content(self, host, path):
        """What is at an address."""
        if (host, path) == ("zenodo.org", f"/records/{RECORD}"):
            return b"<!DOCTYPE html><title>Zenodo</title>"
        if (host, path) == ("zenodo.org", f"/api/records/{RECORD}"):
            return json.dumps(self._record()).encode()
        for name, content in self.server.files.items():
            here = f"https://zenodo.org{_PLACES[self.server.layout].format(name)}"
            if f"https://{host}{path}" in (here, f"https://cdn-lfs.hf.co/repos/{name}"):
                return content
        return None

    def _record(self):
        """The answer of Zenodo's API."""
        files = []
        for name, content in self.server.files.items():
            md5 = hashlib.md5(content).hexdigest()
            if self.server.layout == "filename":
                files.append({"id": f"id of {name}", "filename": name, "filesize": len(content), "checksum": md5})
            else:
                link = f"https://zenodo.org{_PLACES[self.server.layout].format(name)}"
                files.append({"key": name, "size": len(content), "checksum": f"md5:{md5}", "links": {"self": link}})
        return {"id": RECORD, "doi": DOI, "metadata": {"title": "toy"}, "files": files}

    def send(self, content, status=200, length=None, **headers):
        """Answer; with less than was promised, if ``length`` is more than there is."""
        page = content.startswith(b"<!DOCTYPE html>")
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/octet-stream")
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


class _ToLoopback(HTTPAdapter):
    """Bring what is for any host to a port of this one; whoever asks does not see it, and there is no encryption."""

    def __init__(self, port):
        super().__init__()
        self.port = port

    def send(self, request, **settings):
        address = request.url
        asked = urlsplit(address)
        request.headers["Host"] = asked.netloc
        request.url = asked._replace(scheme="http", netloc=f"127.0.0.1:{self.port}").geturl()
        response = super().send(request, **settings | {"proxies": {}})
        request.url = response.url = address
        return response


@contextlib.contextmanager
def weights_hosts(monkeypatch, files, layout="content"):
    """
    Stand in for all hosts, one of which has files.

    Parameters
    ----------
    monkeypatch : `pytest.MonkeyPatch`
    files : dict of bytes
        By name, what the record and the repository hold.
    layout : str
        Out of `LAYOUTS`.

    Yields
    ------
    `http.server.ThreadingHTTPServer`
        ``requested`` are the addresses that were asked for, without scheme; ``answers`` are functions of a handler, by
        host and path, that answer otherwise.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.files, server.layout, server.requested, server.answers = files, layout, [], {}

        def get_adapter(session, url):
            session.mount("https://", _ToLoopback(server.server_port))
            return session.adapters["https://"]

        monkeypatch.setattr(requests.Session, "get_adapter", get_adapter)  # All else is as pooch and requests do it.
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
