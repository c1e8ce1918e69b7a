from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
from nbd_client import Client

from raidsim.nbd import protocol as p

SMALL = "--level 5 --raid-devices 3 --chunk 16K --size 2M"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("nowhere", "nowhere: no array here; make one with `raidsim create nowhere`"),
        ("arr --unix s --port 1", "--unix and --host or --port: choose one way to listen"),
        ("arr --realtime", "--realtime: say how slow the disks are, with --disk-model"),
        ("arr --disk-model 850-evo", "--disk-model: takes no time without --realtime"),
        (
            "arr --host 0.0.0.0",
            "0.0.0.0: others can reach that address; give --tls-certs, or --insecure if .*",
        ),
        (
            "arr --tls-certs here",
            "here/ca-cert.pem: no such file; --tls-certs wants ca-cert.pem, .*",
        ),
        ("arr sub/arr", "arr: two arrays would be exports of this name"),
    ],
)
def test_what_cannot_be_served_is_one_line(cli, done, arguments, complaint):
    done(f"create arr {SMALL}")
    done(f"create sub/arr {SMALL}")
    outcome = cli(f"serve {arguments}")
    assert outcome.status in {1, 2}
    assert outcome.out == ""
    assert re.fullmatch(f"raidsim: {complaint}\n", outcome.err)


def test_an_unknown_disk_model_names_those_there_are(cli, done):
    done(f"create arr {SMALL}")
    outcome = cli("serve arr --realtime --disk-model 950-evo")
    assert outcome.status == 2
    assert "did you mean '960-evo'?" in outcome.err


def test_where_arrays_are_served_is_told_and_the_socket_goes_with_the_server(done, tmp_path):
    done(f"create one {SMALL}")
    done(f"create two {SMALL}")
    command = [sys.executable, "-m", "raidsim", "serve", "one", "two", "--unix", "s"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        lines = [server.stdout.readline() for _ in range(2)]
        socket = tmp_path / "s"
        assert lines == [
            f"{name}: serving nbd+unix:///{name}?socket={socket}\n" for name in ("one", "two")
        ]
        assert socket.stat().st_mode & 0o777 == 0o600
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert not socket.exists()
    assert "clean" in done("detail one")


def test_a_full_host_ends_the_server_with_one_line(done, tmp_path):
    """The server's limit on a file's size stands for a full disk."""
    done("create arr --level 5 --raid-devices 3 --chunk 16K --size 4M")
    code = (
        "import resource, signal, sys\n"
        "from raidsim.cli import run\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "sys.exit(run(['serve', 'arr', '--port', '0']))\n"
    )
    command = [sys.executable, "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, env=os.environ, **pipes) as server:
        port = int(server.stdout.readline().rsplit(":", 1)[1].split("/")[0])
        with Client(("127.0.0.1", port)) as client:
            client.go()
            client.request(p.NBD_CMD_WRITE, 0, 3 << 20, b"x" * (3 << 20))
            assert client.closed_by_server()
        out, err = server.communicate(timeout=20)
    assert server.returncode == 1
    assert out == ""
    assert err.startswith("raidsim: ")
    assert "make room, then assemble the array again" in err
    assert err.count("\n") == 1
