"""What happens on a click: a job has a folder for its results, which stays until its visitor goes or it is old."""

import hashlib
import secrets
import shutil
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import gradio as gr

from tools.web.clip import FORMATS, matte_clip
from tools.web.results import matte_pair, put_before
from tools.web.upload import QUOTA, preview, room
from tools.web.words import Refused
from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES, Correction
from utils.engine.backends import PACKAGES, missing_packages
from utils.engine.choice import ENGINES
from utils.engine.int8 import fastest_precision
from utils.predictor import Matting, Refine, choose_device
from utils.system.notes import Note
from utils.weights.load import DEFAULT_WEIGHTS

OFFERED = {  # key: values of a field, the first of which is chosen at first
    "align": ALIGN_MODES,
    "exposure": EXPOSURE_MODES,
    "refine": ("sampling", "thresholding", "full"),
    "engine": tuple(name for name in ENGINES if name not in PACKAGES or not missing_packages(name)),
    "form": FORMATS,
}
NETWORKS = 3  # kept in memory, one for each combination of options


class Jobs:
    """The page's functions, each of a request and a dict of the fields' values; see tools.web.answers.answering.

    Args:
        files: Path, gradio's temporary folder: uploads, results and copies of the examples are in it.
        limits: tools.web.upload.Limits.
        network: arguments of `Matting` that stay the same: `weights`, `device`.
    """

    def __init__(self, files, limits, network):
        self.files, self.results, self.quota, self.limits = files, files / "results", QUOTA, limits
        self.busy, self.left = set(), set()  # folders that are written to; those of them whose visitor has gone
        self.network = network
        self.matting = lru_cache(NETWORKS)(
            lambda mode, engine, precision: Matting(
                refine=Refine(mode, gaps=True), engine=engine, precision=precision, **network
            )
        )

    def matte(self, request, asked):
        """Matte an uploaded pair, and put the subject before a colour or a picture."""
        with self.working(request) as folder:
            require(no_src=asked["src"], no_bgr=asked["bgr"])
            matting, correction = self.chosen(asked)
            done = matte_pair(matting, asked["src"], asked["bgr"], correction, self.limits, folder)
            over, view = put_before(folder, asked["colour"], asked["target_picture"], self.limits)
        files = [next(folder.glob(f"*_{kind}.png")) for kind in ("com", "pha", "fgr")]
        views = [str(folder / f"view_{kind}.jpg") for kind in ("pha", "com")]
        outputs = [str(folder), (str(folder / "view_src.jpg"), str(view)), *views, *map(offered, (*files, over))]
        return outputs, [Note("took", engine=matting.engine, **done), *done["notes"]]

    def matte_clip(self, request, asked):
        """Matte an uploaded clip."""
        with self.working(request) as folder:
            require(no_clip_given=asked["src"])
            matting, correction = self.chosen(asked, clips=True)
            progress = gr.Progress()
            com, pha, notes = matte_clip(
                matting, asked, correction, self.limits, folder, lambda done, of: progress((done, of), unit="")
            )
        shown = None if asked["form"] == "mov" else str(com)  # browsers do not play ProRes
        return [shown, offered(com), offered(pha)], notes

    def look(self, request, asked):
        """Refuse an uploaded picture that could not be matted; give the browser one that it can show."""
        require(gone=asked["picture"])
        shown = preview(asked["picture"], self.limits)
        return [shown or gr.skip()], asked["notes"]

    def change_target(self, request, asked):
        """Put the subject of the last result before something else; what was said of it stays."""
        if not asked["folder"]:
            return [gr.skip()] * 2, asked["notes"]
        folder = Path(asked["folder"])
        over, view = put_before(folder, asked["colour"], asked["target_picture"], self.limits)
        return [(str(folder / "view_src.jpg"), str(view)), offered(over)], asked["notes"]

    def chosen(self, asked, clips=False):
        """The network and the Correction that were chosen; every option must be one that the page offers."""
        if any(asked[key] not in values for key, values in OFFERED.items() if key in asked):
            raise Refused("bad_option")
        weights, device = self.network.get("weights") or DEFAULT_WEIGHTS, choose_device(self.network.get("device"))
        precision = fastest_precision(weights, asked["engine"], device) if clips else "float32"
        matting = self.matting(asked["refine"], asked["engine"], precision)
        return matting, Correction(asked["align"], asked["exposure"])

    @contextmanager
    def working(self, request):
        """A new folder for results, which is neither swept nor taken away while it is written to."""
        if not room(self.files, 0, self.quota):
            raise Refused("no_room")
        folder = self.session_folder(request) / secrets.token_hex(16)
        folder.mkdir(parents=True)
        self.busy.add(folder)
        try:
            yield folder
        except BaseException:
            self.left.add(folder)
            raise
        finally:
            self.busy.discard(folder)
            if folder in self.left:
                self.left.discard(folder)
                shutil.rmtree(folder, ignore_errors=True)

    def session_folder(self, request):
        # The browser names its session: hashed, the name cannot lead anywhere else. Programs need not have one.
        session = request.session_hash
        return self.results / (hashlib.sha256(session.encode()).hexdigest() if session else secrets.token_hex(32))

    def leave(self, request):
        """Delete the results of somebody who has closed the page."""
        folder = self.session_folder(request)
        for results in folder.iterdir() if folder.is_dir() else ():
            if results in self.busy:
                self.left.add(results)
            else:
                shutil.rmtree(results, ignore_errors=True)


def offered(path):
    """A button's file to download."""
    return gr.update(value=str(path), interactive=True)


def require(**given):
    """Refuse with the kind of the first value that is missing."""
    for kind, value in given.items():
        if not value:
            raise Refused(kind)
