"""
Stores as SDOML's: zarr's format 2, chunks of 15 frames, headers as lists, days out of order; and a server for them.

After the code that made SDOML (https://github.com/SDOML/SDOML and SDOMLv2) and what others read it by. Frames have 128
pixels a side rather than 512, and a day has frames around 00, 06, 12 and 18 UT only.
"""

import collections
import contextlib
import functools
import http.server
import json
import threading
from pathlib import Path

import numpy as np

from astropy.time import Time

SIZE = 128
CHUNK = 15

#: Of the Sun, as in SDOML: 203.3 pixels of 512.
RADIUS = SIZE * 976 / 4.8 / 512

#: Of one year, neither in order nor next to each other.
DAYS = ("2011-05-20", "2011-01-01", "2011-03-08", "2011-02-09", "2011-04-25", "2011-06-18")

HOURS = (0, 6, 12, 18)

#: Around the full hours.
AIA_MINUTES, HMI_MINUTES = (-12, -6, 0, 6, 12), (-12, 0, 12)

SPOT = (0.45, -0.3)

#: In DN/s, of the disk.
LEVELS = {94: 0.5, 131: 4, 171: 110, 193: 170, 211: 50, 304: 200, 335: 4, 1600: 60, 1700: 800}


def coordinates(size=SIZE):
    """x and y of an image's pixels in solar radii; the first row is south."""
    axis = (np.arange(size) - (size - 1) / 2) / (RADIUS * size / SIZE)
    return np.meshgrid(axis, axis)


def make_bz(number, size=SIZE):
    """A field with spots that differ from frame to frame, in gauss; exactly 0 off the limb."""
    x, y = coordinates(size)
    rng = np.random.default_rng(number)
    field = rng.normal(0, 8, x.shape)
    for sign, (x0, y0) in ((1, SPOT), *((rng.choice([-1, 1]), rng.uniform(-0.5, 0.5, 2)) for _ in range(4))):
        field += sign * 900 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 2 / 0.05**2)
    return np.where(np.hypot(x, y) < 1, field, 0).astype(np.float32)


def make_image(number, band, size=SIZE):
    """An image in DN/s at launch level that goes with the field of a number; its sky is 0 in part."""
    x, y = coordinates(size)
    field = np.abs(make_bz(number, size))
    # The limb is bright.
    radius = np.hypot(x, y)
    image = LEVELS[band] * np.where(radius < 1, 1 + radius**2 + field / 100, 0.1)
    image[-size // 8 :] = 0
    return image.astype(np.float32)


def seen(minutes, days=DAYS, hours=HOURS):
    """Times at which frames were taken, with the number of what they show, in the order of the store."""
    for day in days:
        for hour in hours:
            for minute in minutes:
                time = Time(day).unix + 3600 * hour + 60 * minute
                # What is seen is the same for all within a quarter of an hour.
                yield time, round(time / 3600)


def write_sdoml(root, bands=(171, 193, 304), *, days=DAYS, hours=HOURS, change=None):
    """
    Write a store.

    Parameters
    ----------
    root : path-like
        Where ``sdomlv2.zarr`` and ``sdomlv2_hmi.zarr`` are made.
    bands : sequence of int
    days : sequence of str
        On which there are frames, in the order of the arrays.
    hours : sequence of int
        Around which there are.
    change : callable, optional
        Given channel, frames (a list of arrays) and headers (a dict of lists), it may change both in place, or return
        False to leave the channel out.
    """
    import zarr

    for file, channels in (("sdomlv2_hmi.zarr", ("Bx", "By", "Bz")), ("sdomlv2.zarr", [f"{band}A" for band in bands])):
        root_group = zarr.create_group(Path(root) / file, zarr_format=2)
        for year in sorted({day[:4] for day in days}):
            group = root_group.create_group(year)
            for channel in channels:
                of_year = [day for day in days if day.startswith(year)]
                frames, headers = (_hmi if channel.startswith("B") else _aia)(channel, of_year, hours)
                if change is not None and change(channel, frames, headers) is False:
                    continue
                _write_array(group, channel, frames)
                # As zarr 2 wrote it.
                path = Path(root) / file / year / channel / ".zattrs"
                path.write_text(json.dumps(headers, indent=4, sort_keys=True), encoding="ascii")


def _write_array(group, channel, frames):
    import numcodecs

    stack = np.stack(frames)
    array = group.create_array(
        channel,
        shape=stack.shape,
        chunks=(CHUNK, *stack.shape[1:]),
        dtype="f4",
        compressors=numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.BITSHUFFLE),
    )
    array[:] = stack


def _hmi(channel, days, hours):
    # On the clock of TAI, which is half a minute ahead.
    frames, times = zip(*((make_bz(number), time - 34) for time, number in seen(HMI_MINUTES, days, hours)), strict=True)
    if channel != "Bz":
        frames = [0.5 * frame for frame in frames]
    written = [f"{Time(time, format='unix').tai.strftime('%Y.%m.%d_%H:%M:%S')}_TAI" for time in times]
    return list(frames), _headers(len(frames), T_OBS=written, INSTRUME="HMI_SIDE1", PIXLUNIT="Gauss", BUNIT="deg")


def _aia(channel, days, hours):
    band = int(channel[:-1])
    frames, times = zip(
        *((make_image(number, band), time) for time, number in seen(AIA_MINUTES, days, hours)), strict=True
    )
    # Some seconds after the full minute, other ones for every passband.
    written = [Time(time + band % 12 + 0.84, format="unix").isot[:-1] + "Z" for time in times]
    headers = _headers(len(frames), T_OBS=written, INSTRUME="AIA_3", PIXLUNIT="DN/s", EXPTIME=2.0, DEG_COR=0.9)
    return list(frames), headers


def _headers(count, **keywords):
    """Lists with an entry for each frame; CRPIX1 is off by a fraction of a pixel, as in SDOML."""
    keywords = {
        "QUALITY": 0,
        "RSUN_OBS": 960.0,
        "CDELT1": 4.8 * 512 / SIZE * 960 / 976,
        "CRPIX1": SIZE / 2 + 0.25,
        "DATAMIN": float("nan"),
        "COMMENT": 'said "so", {or} [not]',
        **keywords,
    }
    return {key: list(value) if isinstance(value, list) else [value] * count for key, value in keywords.items()}


class Server:
    """
    A directory on loopback.

    Attributes
    ----------
    root : str
        Its address.
    gets : `collections.Counter`
        How often every file was asked for, or every part of it: a path, and the bytes in words or nothing.
    sent : `collections.Counter`
        Bytes of every file that were sent.
    ranges : bool
        Whether it sends parts of files to those who ask for them.
    faults : dict
        For some files, a list of what is wrong with the next answers: a status, or "cut" for a connection that ends
        in the middle of a file.
    """

    def __init__(self, root):
        self.gets, self.sent, self.faults = collections.Counter(), collections.Counter(), {}
        self.ranges = True
        handler = functools.partial(_Handler, self, Path(root))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def chunks(self):
        """What was asked for of chunks, and how often."""
        return {asked: number for asked, number in self.gets.items() if asked[0][-1].isdigit()}

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server, directory, *arguments, **keywords):
        self._about, self._directory = server, directory
        super().__init__(*arguments, **keywords)

    def do_HEAD(self):
        path = self._directory / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        self._say(200, path.stat().st_size, path)

    def do_GET(self):
        name, part = self.path.lstrip("/"), self.headers.get("Range", "")
        self._about.gets[name, part] += 1
        path, faults = self._directory / name, self._about.faults.get(name)
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int) or not path.is_file():
            self.send_error(fault or 404)
            return
        content, status = path.read_bytes(), 200
        if part and self._about.ranges:
            first, last = map(int, part.removeprefix("bytes=").split("-"))
            if first >= len(content):
                self.send_error(416)
                return
            content, status = content[first : last + 1], 206
        with contextlib.suppress(ConnectionError):
            self._say(status, len(content), path)
            if fault == "cut":
                content, self.close_connection = content[: len(content) // 2], True
            self._about.sent[name] += len(content)
            self.wfile.write(content)

    def _say(self, status, size, path):
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        self.send_header("ETag", f'"{path.stat().st_mtime_ns:x}"')
        self.end_headers()

    def log_message(self, *arguments):
        """Nobody wants to know."""
