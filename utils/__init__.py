"""The rooms below the programs.

Until a program's main begins, Ctrl-C ends it silently: libraries take an interrupt in the middle of their import for an
ImportError, and nothing has been done yet that would have to be kept. `utils.system.command_line` sets it back.
"""

import signal
import sys
import threading
from pathlib import Path


def _is_ours(script):
    """Whether a file is train.py, eval.py or predict.py, which import their libraries before they begin."""
    return script is not None and Path(script).resolve().parent == Path(__file__).resolve().parent.parent


if (
    _is_ours(getattr(sys.modules.get("__main__"), "__file__", None))
    and threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else somebody wants something else
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
