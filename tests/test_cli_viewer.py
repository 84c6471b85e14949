"""When a picture is opened on the screen."""

import subprocess
from types import SimpleNamespace

import pytest

from sunpy_mag2euv.cli import viewer
from sunpy_mag2euv.cli.viewer import show

REMOTE = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


@pytest.fixture
def opened(monkeypatch):
    """Commands that were started; a terminal of a desktop unless a test says otherwise."""
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda words, **settings: started.append((words, settings)))
    # pytest puts standard output back before a test begins.
    system = SimpleNamespace(platform="linux", stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(viewer, "sys", system)
    for name in (*REMOTE, *DISPLAYS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    return started


@pytest.mark.parametrize(("platform", "opener"), [("linux", "xdg-open"), ("darwin", "open")])
def test_opened_on_a_desktop(opened, monkeypatch, tmp_path, platform, opener):
    monkeypatch.setattr(viewer.sys, "platform", platform)
    assert show(tmp_path / "-sheet.png")
    ((words, settings),) = opened
    assert words == [opener, tmp_path / "-sheet.png"]
    assert settings["stdout"] == settings["stderr"] == settings["stdin"] == subprocess.DEVNULL


def test_opened_on_windows(opened, monkeypatch, tmp_path):
    files = []
    monkeypatch.setattr(viewer.sys, "platform", "win32")
    monkeypatch.setattr("os.startfile", files.append, raising=False)
    monkeypatch.delenv("DISPLAY")
    assert show(tmp_path / "sheet.png")
    assert files == [tmp_path / "sheet.png"]
    assert opened == []


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_not_opened_over_ssh(opened, monkeypatch, tmp_path, platform, name):
    monkeypatch.setattr(viewer.sys, "platform", platform)
    monkeypatch.setenv(name, "192.0.2.1 22")
    assert not show(tmp_path / "sheet.png")
    assert opened == []


def test_not_opened_without_a_display(opened, monkeypatch, tmp_path):
    monkeypatch.delenv("DISPLAY")
    assert not show(tmp_path / "sheet.png")
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    assert not show(tmp_path / "sheet.png")
    assert opened == []
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert show(tmp_path / "sheet.png")


def _closed():
    raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize(
    "stream",
    [None, SimpleNamespace(isatty=lambda: False), SimpleNamespace(isatty=_closed)],
    ids=["none", "pipe", "closed"],
)
def test_not_opened_where_nobody_reads(opened, monkeypatch, tmp_path, stream):
    monkeypatch.setattr(viewer.sys, "stdout", stream)
    assert not show(tmp_path / "sheet.png")
    assert opened == []


def test_without_a_viewer(opened, monkeypatch, tmp_path):
    def popen(*words, **settings):
        raise FileNotFoundError("xdg-open")

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert not show(tmp_path / "sheet.png")
