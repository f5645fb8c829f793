"""A web page for background matting: two photographs in, alpha, foreground and cut-out back.

pip install -r requirements.txt -r requirements/app.txt
python -m tools.app                                   http://127.0.0.1:7860, on this machine only
python -m tools.app --host 0.0.0.0 --port 8080        for the network
"""

import sys

from utils.system.cpu import prepare

prepare()

import argparse
import os
import shutil
import socket
import threading
import time
from importlib.util import find_spec

from dataset.errors import install
from tools.web.storage import own_folder
from tools.web.upload import Limits
from utils.engine.choice import ENGINES
from utils.picture.sample_pair import SAMPLE_BGR, SAMPLE_SRC
from utils.prediction.flags import add_network_flags
from utils.system.command_line import UsageError, command_line, terminable

LIMITS = ("max_megabytes", "max_megapixels", "max_clip_megabytes", "max_seconds", "keep_minutes", "queue")
EXAMPLES = [(SAMPLE_SRC, SAMPLE_BGR)]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", help="address to listen on (default: $GRADIO_SERVER_NAME, or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="(default: $GRADIO_SERVER_PORT, or the first free one from 7860 on)")
    add_network_flags(parser, "--model-path", "--device")
    parser.add_argument("--engine", choices=ENGINES, default="auto", help="chosen at first (default: auto)")
    parser.add_argument("--max-megabytes", type=int, default=30, help="largest picture file (default: 30)")
    parser.add_argument("--max-megapixels", type=int, default=64, help="largest picture, million pixels (default: 64)")
    parser.add_argument("--max-clip-megabytes", type=int, default=100, help="largest video file (default: 100)")
    parser.add_argument("--max-seconds", type=int, default=20, help="longest video (default: 20)")
    parser.add_argument("--keep-minutes", type=int, default=10, help="after which files are deleted (default: 10)")
    parser.add_argument(
        "--queue", type=int, default=24, help="visitors who may wait; further are refused (default: 24)"
    )
    args = parser.parse_args(argv)
    for flag in LIMITS:
        if getattr(args, flag) < 1:
            raise UsageError(f"--{flag.replace('_', '-')} must be 1 or more, not {getattr(args, flag)}")
    return args


@command_line
def main(argv=None):
    args = parse(argv)
    if find_spec("gradio") is None:
        raise UsageError(f"the page needs gradio: {install('app')}")
    files = own_folder()
    try:
        with terminable():
            serve(args, files)
    finally:
        shutil.rmtree(files, ignore_errors=True)


def serve(args, files):
    """Serve the page until Ctrl-C; `files` is the folder for everything uploaded and made."""
    # Read by gradio when it is imported: nobody is called, and files lie in our folder alone.
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_OFFLINE="1",
        GRADIO_SHARE="False",
        GRADIO_TEMP_DIR=str(files),
        GRADIO_EXAMPLES_CACHE=str(files / "cached"),
        GRADIO_ALLOWED_PATHS="",
        GRADIO_BLOCKED_PATHS="",
        GRADIO_RUN_HISTORY="False",
    )
    from tools.web.page import Page

    limits = Limits(
        args.max_megabytes, args.max_megapixels, args.max_clip_megabytes, args.max_seconds, args.keep_minutes
    )
    network = {"weights": args.model_path, "device": args.device}
    clips = find_spec("av") is not None
    if not clips:
        print(f"no videos: for these, {install('video')}")
    page = Page(files, EXAMPLES, limits, network, args.engine, args.queue, clips)
    matting = page.matting("sampling", args.engine)  # wrong weights are reported now, not to the first visitor
    print(f"device {matting.device}, engine {matting.engine}, weights {matting.weights}", flush=True)
    host = args.host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    if args.port and not free(host, args.port):
        raise UsageError(f"--port {args.port} cannot be listened on at this --host: choose another")
    page.launch(host, args.port, os.environ.get("GRADIO_ROOT_PATH"))
    print(f"open {page.blocks.local_url} (Ctrl-C ends it and deletes all files)", flush=True)
    threading.Thread(target=sweep_always, args=(page,), daemon=True).start()
    page.blocks.block_thread()


def sweep_always(page):
    while True:
        time.sleep(30)
        page.sweep()


def free(host, port):
    """Whether one can listen on a port of an address."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
