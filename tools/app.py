"""A web page for background matting: two photographs in, alpha, foreground and cut-out back.

pip install -r requirements.txt -r requirements/app.txt
python -m tools.app                                   http://127.0.0.1:7860, on this machine only
python -m tools.app --host 0.0.0.0 --port 8080        for the network
"""

import sys

from utils.system.cpu import prepare

prepare()

import os
import shutil
import time
from importlib.util import find_spec

from dataset.errors import install
from tools.web.upload import LIMITS, own_folder
from utils.picture.sample_pair import SAMPLE_BGR, SAMPLE_SRC
from utils.prediction.flags import add_network_flags
from utils.system.command_line import UsageError, command_line
from utils.system.parser import Parser, at_least_1


def parse(argv):
    parser = Parser(__doc__)
    parser.add_argument("--host", help="address to listen on (default: $GRADIO_SERVER_NAME, or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="(default: $GRADIO_SERVER_PORT, or the first free one from 7860 on)")
    add_network_flags(parser, "--model-path", "--engine", "--device")
    for name, (default, meaning) in LIMITS.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=at_least_1, default=default, help=f"{meaning} (default: {default})")
    return parser.parse_args(argv)


@command_line
def main(argv=None):
    args = parse(argv)
    if not (find_spec("gradio") and find_spec("av")):
        raise UsageError(f"the page needs gradio and PyAV: {install('app')}")
    files = own_folder()
    try:
        serve(args, files)
    finally:
        shutil.rmtree(files, ignore_errors=True)


def serve(args, files):
    """Serve the page until Ctrl-C; `files` is the folder for everything uploaded and made."""
    # Read by gradio when it is imported: nobody is called, and files lie in our folder alone.
    names = ("ANALYTICS_ENABLED", "SHARE", "RUN_HISTORY", "ALLOWED_PATHS", "BLOCKED_PATHS")
    os.environ.update({f"GRADIO_{name}": "" if "PATHS" in name else "False" for name in names})
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_OFFLINE="1")
    os.environ.update(GRADIO_TEMP_DIR=str(files), GRADIO_EXAMPLES_CACHE=str(files / "cached"))
    from tools.web.page import Page

    page = Page(files, args, [(SAMPLE_SRC, SAMPLE_BGR)])
    # Wrong weights are reported now, not to the first visitor, who gets this very network.
    matting = page.matting("float32")
    print(f"device {matting.device}, engine {matting.engine}, weights {matting.weights}", flush=True)
    host = args.host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    try:
        page.launch(host, args.port, os.environ.get("GRADIO_ROOT_PATH"))
    except OSError:
        raise UsageError(f"--port {args.port} cannot be listened on at {host}: choose another") from None
    print(f"open {page.blocks.local_url} (Ctrl-C ends it and deletes uploads and results)", flush=True)
    try:
        while True:
            time.sleep(30)
            page.sweep()
    except KeyboardInterrupt:
        page.blocks.close(verbose=False)


if __name__ == "__main__":
    sys.exit(main())
