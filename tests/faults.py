"""What provokes faults: mirrors that misbehave, disks that are full or closed, processes."""

import contextlib
import http.server
import os
import subprocess
import sys
import threading
import time

import pytest


@contextlib.contextmanager
def mirror(answer):
    """Serve on this machine; `answer(handler)` plays the mirror. Yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def status(code):
    return lambda handler: handler.send_error(code)


def content(data, announced=None):
    """Answer with `data`; `announced` is the length that the header claims."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) if announced is None else announced))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def silence(handler):
    """Take the request and say nothing, for longer than anybody here waits."""
    time.sleep(3)


def hang_up(handler):
    handler.connection.close()


def nonsense(handler):
    handler.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")


@contextlib.contextmanager
def mounted(folder, options):
    """Mount a small file system in memory at `folder`: the way to a full or a read-only disk.

    Skips the test where that is not allowed, which takes root. File modes would not do: root
    may write anywhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a file system takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def close(folder):
    """Make a mounted folder read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def fill(folder, leave=0):
    """Fill a mounted folder's disk, but for `leave` bytes."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    (folder / "filler").write_bytes(bytes(max(free - leave, 0)))


def start_python(code, *arguments, **environment):
    """Start a Python process of its own, with the tests' environment and a few more variables."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **{k: str(v) for k, v in environment.items()}},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
