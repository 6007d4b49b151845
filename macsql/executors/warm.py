"""The process that has imported torch and transformers once and starts each trial by forking itself (Linux).

`python -m macsql.executors.warm SOCKET PARENT MODULE`, started by `macsql.executors.forked`. For each trial that is to
start, one message comes through the socket with two descriptors: the trial's own channel and its log. The trial then
does what `python -m MODULE FOLDER` does in a process of its own, without the imports:

    channel, to the trial:     what to run, as one line of JSON
    channel, from the trial:   its process id; by then it leads a session of its own and the sweep is its parent
    channel, to the trial:     go; where the channel closes instead, the trial ends before it has done anything

The trial is forked twice, so that the sweep adopts it (it is a subreaper meanwhile): this process may die, and the
trials neither notice nor lose their exit codes. This process ends with the sweep, whose end closes the socket.
"""

import atexit
import gc
import json
import os
import runpy
import socket
import sys
import threading
import time
from typing import Any

from macsql.trials.stopping import StopRequest, stop_with_parent

TRIAL = "macsql.train"  # the module whose imports are known
GO = b"g"
HANDOVER = 0.0005  # seconds between two looks at who the parent is


def main() -> None:
    """Import, then fork a trial for each message until the socket closes; in a trial: run its module."""
    inherited, parent, module = sys.argv[1:4]
    asked = StopRequest()
    stop_with_parent(asked)
    if asked.requested:
        return
    if module == TRIAL:
        import_all()
    order = serve(socket.socket(fileno=int(inherited)), int(parent))
    if order is not None:
        run(order["module"], order["folder"])


def run(module: str, folder: str) -> None:
    """In a trial: what `python -m MODULE FOLDER` does, and its end without the clearing up of all that is imported."""
    sys.argv[1:] = [folder]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)


def import_all() -> None:
    """Import what every trial imports. Nothing may start a thread or touch a GPU here: neither outlives a fork."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, T5ForConditionalGeneration, T5Tokenizer  # noqa: F401
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    import macsql.app
    import macsql.constraints.guides
    import macsql.metrics.decomposer
    import macsql.metrics.selector
    import macsql.training.stages
    import macsql.training.trainer  # noqa: F401

    get_checkpoint_conversion_mapping("t5")  # a thousand regular expressions, which the first saving or loading makes


def serve(requests: socket.socket, parent: int) -> dict[str, Any] | None:
    """Fork a trial for each message; None at the end of the messages, in a trial what it is to run.

    Raises RuntimeError where something has started a thread: a copy of this process would wait for it for ever.
    """
    if threading.active_count() > 1:
        raise RuntimeError("an import has started a thread")
    gc.collect()
    gc.freeze()  # what is here stays: collecting garbage in a trial does not copy its pages
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1, 2)
        if not message:
            return None
        sys.stdout.flush()
        sys.stderr.flush()
        first = os.fork()
        if first == 0:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            requests.close()
            return ready(descriptors[0], descriptors[1], between, parent)
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(first, 0)


def ready(channel: int, log: int, between: int, parent: int) -> dict[str, Any]:
    """Make of this copy the process that `launch` would have started; returns what it is to run.

    Ends here where the sweep has died, or does not say go.
    """
    from setproctitle import setproctitle

    while os.getppid() == between:
        time.sleep(HANDOVER)
    os.setsid()
    for target in (1, 2):
        os.dup2(log, target)
    os.close(log)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    with socket.socket(fileno=channel) as line:
        asked = line.makefile("rb").readline()
        if not asked.endswith(b"\n") or os.getppid() != parent:
            os._exit(1)
        order: dict[str, Any] = json.loads(asked)
        setproctitle(f"{sys.executable} -m {order['module']} {order['folder']}")  # needs the environment as it was
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        try:
            line.sendall(b"%d\n" % os.getpid())
            told = line.recv(1)
        except OSError:
            told = b""
    if told != GO:
        os._exit(1)
    return order


if __name__ == "__main__":
    main()
