"""Runs a command that ends when its owner ends, even by SIGKILL.

`python tether.py OWNER_PID SIGNAL USER COMMAND …` asks the kernel to send SIGNAL on the owner's death,
becomes USER ("-" keeps the present one) and then becomes the command: the pid stays the same. Only the
standard library is used, and this file is run by its path, so that it starts in milliseconds.

The kernel ties a process to the *thread* that started it: start tethered commands from a thread that lives as
long as the owner. Elsewhere than on Linux the command runs untethered, and its owner's own clean-up has to
do.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tethered(
    command: Sequence[str | os.PathLike[str]], *, signal_name: str = "SIGKILL", user: str = "-"
) -> list[str]:
    """Return the command line that runs `command` tied to the calling process."""
    prefix = [sys.executable, "-I", "-S", __file__, str(os.getpid()), signal_name, user]
    return prefix + [os.fspath(part) for part in command]


def become(owner_pid: int, signal_name: str, user: str, command: list[str]) -> None:
    """Replace this process with `command`; exit at once if the owner is already gone."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if user != "-":
        account = pwd.getpwnam(user)
        os.initgroups(user, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    if libc is not None:
        # After the change of user: that change clears the request.
        libc.prctl(PR_SET_PDEATHSIG, signal.Signals[signal_name].value, 0, 0, 0)
    if os.getppid() != owner_pid:
        sys.exit(1)
    os.execvp(command[0], command)  # nosec B606 # the command that it was started with


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
