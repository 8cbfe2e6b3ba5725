"""A SLURM of one node on loopback, in a folder, as whoever runs the tests: munged, slurmctld, slurmd."""

import getpass
import os
import platform
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue")
UP_WITHIN_S = 90

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def one_node_slurm(folder: Path, *, cpus: int) -> Iterator[Path]:
    """Run a SLURM while the context lasts; skips the test where it cannot be had, and says why.

    Args:
        folder: an empty folder with a short path (a socket lies in it).
        cpus: how many tasks fit at a time, however many the machine has.

    Yields:
        Its slurm.conf, for ``SLURM_CONF``.
    """
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    if missing := [name for name in NEEDED if not shutil.which(name, path=path)]:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install slurmctld slurmd slurm-client munge")
    ports = [free_port(), free_port()]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key, conf = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = platform.node().split(".")[0]
    conf.write_text(CONF.format(folder=folder, user=getpass.getuser(), host=host, ports=ports, cpus=cpus))
    (folder / "cgroup.conf").touch()
    places = {"key-file": key, "socket": folder / "munge.socket"}
    places |= {f"{name}-file": folder / f"munge.{name}" for name in ("pid", "log", "seed")}
    munged = ["munged", "--foreground", "--force", *(f"--{name}={place}" for name, place in places.items())]
    environment = os.environ | {"SLURM_CONF": str(conf), "PATH": path}
    with ExitStack() as stack:
        for command in (munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D"]):
            daemon = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=(folder / f"{command[0]}.err").open("wb")
            )
            stack.callback(_end, daemon)
            _wait_for(folder / "munge.socket", daemon)
        _wait_for_idle(folder, environment)
        yield conf


def _end(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:  # slurmd waits for a job that does not end
        daemon.kill()
        daemon.wait(5)


def _wait_for(path: Path, daemon: subprocess.Popen) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while not path.exists() and daemon.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)


def _wait_for_idle(folder: Path, environment: dict[str, str]) -> None:
    deadline, said = time.monotonic() + UP_WITHIN_S, ""
    while "idle" not in said:
        if time.monotonic() > deadline:
            logs = " | ".join(log.read_text(errors="replace")[-200:] for log in folder.glob("*.err"))
            pytest.skip(f"SLURM does not come up here: {logs}")
        time.sleep(0.3)
        said = subprocess.run(
            ["sinfo", "--noheader", "--format", "%T"],
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        ).stdout
