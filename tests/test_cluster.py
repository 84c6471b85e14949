"""Many machines, which are processes here."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import sunpy.map
from astropy.table import QTable

from sunpy_mag2euv.archive import Job
from sunpy_mag2euv.cli import main
from sunpy_mag2euv.cluster import connected

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    """Two workers on this machine."""
    local = "127.0.0.1"
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host=local,
        dashboard_address=f"{local}:0",
        worker_dashboard_address=f"{local}:0",
        silence_logs=50,
    )
    with cluster:
        yield cluster


def test_python(cluster, tiny_weights, make_magnetogram, tmp_path):
    make_magnetogram().save(tmp_path / "hmi.fits")
    job = Job(tmp_path, [193, 211], model=tiny_weights)
    with distributed.Client(cluster, set_as_default=False) as client:
        outcomes = client.gather(client.map(job, [tmp_path / "hmi.fits", "missing.fits"]))
    assert [outcome.status for outcome in outcomes] == ["done", "failed"]
    assert outcomes[1].reason == "there is no such file"


def test_a_worker_that_is_killed(cluster, tiny_weights, make_magnetogram, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_magnetogram().save(tmp_path / "hmi.fits")
    Path("archive").mkdir()
    for number in range(16):
        (tmp_path / "archive" / f"hmi{number:02}.fits").symlink_to(tmp_path / "hmi.fits")
    with distributed.Client(cluster, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
    written = []

    def kill():
        while len(written) < 6:
            time.sleep(0.01)
            written[:] = Path("out").glob("*.fits")
        os.kill(victim, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    # Workers have a directory of their own.
    options = ["--passband", "193", "304", "--model", os.path.relpath(tiny_weights), "-o", "out"]
    command = ["generate", "archive", *options, "--scheduler", cluster.scheduler_address, "--report", "report.ecsv"]
    assert main(command) == 0
    thread.join()
    assert len(written) < 32
    assert capsys.readouterr().out == f"32 images of 16 magnetograms written to {tmp_path / 'out'}\n"
    assert len(list(Path("out").iterdir())) == 32
    assert all(np.isfinite(image.data).any() for image in sunpy.map.Map("out/*.fits"))
    assert set(QTable.read("report.ecsv")["status"]) == {"done"}


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr("sunpy_mag2euv.cluster._TIMEOUT", 0.2)
    message = r"there is no scheduler at tcp://127.0.0.1:9 \(.+\); give the address"
    with pytest.raises(ConnectionError, match=message), connected("tcp://127.0.0.1:9"):
        pass


def test_addresses_that_are_none(monkeypatch):
    """No client is made, which would be in nobody's hands."""
    monkeypatch.setattr(distributed, "Client", None)
    for address in ("localhost", "http://127.0.0.1:8786", "127.0.0.1:port"):
        with pytest.raises(ConnectionError, match=rf"there is no scheduler at {address} \("), connected(address):
            pass


def test_without_what_it_takes(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r"to work on a cluster, install sunpy_mag2euv\[cluster\]"
    with pytest.raises(ImportError, match=message), connected("tcp://127.0.0.1:9"):
        pass
