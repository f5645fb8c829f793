"""What happens on a click: a job has a folder for its results, which stays until its visitor goes or it is old.

NAME_pha.png, NAME_fgr.png, NAME_com.png (cut-out, RGBA) and NAME_over.png (on the new background) are at full size, as
predict.py writes them; `view_*.jpg` are small copies for the page.
"""

import hashlib
import itertools
import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
import numpy as np
from PIL import ImageColor

from dataset.picture import PictureError, read_alpha, read_rgb
from tools.web.upload import PREVIEW, QUOTA, check_clip, read_upload, room
from tools.web.words import REFUSED, WORDS, Refused, said, sentence, shown_name, why
from utils.background.checks import doubts, match_size
from utils.background.match import match_background
from utils.engine.int8 import fastest_precision
from utils.picture.blend import blend
from utils.picture.resize import cover, reduced
from utils.picture.write import write_picture
from utils.prediction.clip import ClipJob
from utils.prediction.loop import cleaned
from utils.prediction.outputs import Output
from utils.predictor import Matting, Refine, choose_device
from utils.system.notes import Note
from utils.video.reader import open_clip
from utils.weights.load import DEFAULT_WEIGHTS

VIEW = 1280  # long side of what the page shows, pixels


def answering(function, outputs):
    """What Gradio calls in place of a function (request, asked), which returns its outputs and a list of Notes.

    `asked` is a dict of the values of the page's fields, `language` among them. The outputs, so many, are followed by
    box, list and Notes; what is refused leaves them as they were. A program gets all as one list, or an error.
    """

    def answer(request: gr.Request, **asked):
        language, by_page = asked.pop("language"), request.headers.get("x-gradio-user") == "app"
        # Of what was said before, all but what was refused is still true of the result that is there.
        asked["notes"] = [note for note in asked.get("notes", ()) if note.kind not in REFUSED]
        try:
            values, notes = function(request, asked)
        except Exception as error:
            note = why(error)
            if note is None:
                raise
            if not by_page:
                raise gr.Error(sentence(note, language), print_exception=False) from None
            values, notes = [gr.skip()] * outputs, [note]
        notes = [note for note in notes if "zh" in WORDS[note.kind]]  # others are for programs
        return [*values, *said(notes, language, by_page), notes]

    return answer


class Jobs:
    """The page's functions, each of a request and a dict of the fields' values; see `answering`.

    They raise Refused or PictureError: something cannot be used, or does not belong together.

    Args:
        files: Path, gradio's temporary folder: uploads, results and copies of the examples are in it.
        args: flags of tools/app.py: `model_path`, `device`, `engine`, and those of tools.web.upload.LIMITS.
    """

    def __init__(self, files, args):
        self.files, self.results, self.quota, self.args = files, files / "results", QUOTA, args
        self.busy = set()  # folders that are written to and whose visitor has not gone
        network, refine = {"weights": args.model_path, "engine": args.engine, "device": args.device}, Refine(gaps=True)
        self.matting = lru_cache(None)(lambda precision: Matting(**network, refine=refine, precision=precision))

    def matte(self, request, asked):
        """Matte an uploaded pair, `src` and `bgr`, and put the subject before a colour or a picture."""
        with self.working(request, no_src=asked["src"], no_bgr=asked["bgr"]) as folder:
            matting = self.matting("float32")
            src, bgr = (read_upload(asked[kind], self.args) for kind in ("src", "bgr"))
            bgr, resized = match_size(src, bgr)
            start = time.perf_counter()
            bgr, match = match_background(src, bgr)
            matte = cleaned(matting(src, bgr, False), src, bgr)
            seconds = time.perf_counter() - start
            files = [folder / f"{result_name(asked['src'])}_{kind}.png" for kind in ("com", "pha", "fgr")]
            for path, picture in zip(files, (matte.com, matte.pha, matte.fgr)):
                write_picture(path, picture)
            pha = reduced(matte.pha, VIEW)
            squares = np.where((np.indices(pha.shape) // 16).sum(0) % 2, 255, 204)  # stand for transparency
            cut_out = blend(reduced(matte.fgr, VIEW), pha, np.dstack([squares] * 3))
            views = [folder / f"view_{kind}.jpg" for kind in ("src", "pha", "com")]
            for path, picture in zip(views, (reduced(src, VIEW), pha, cut_out)):
                write_picture(path, picture)
            compared, over = self.put_before(folder, asked)
        took = Note("took", engine=matting.engine, height=src.shape[0], width=src.shape[1], seconds=seconds)
        notes = [took, *doubts(src, bgr, matte.pha), *resized, *match.notes]
        return [compared, *map(str, views[1:]), *map(offered, files), over, str(folder)], notes

    def change_target(self, request, asked):
        """Put the subject of the last result before something else; what was said of it stays."""
        folder = asked["folder"]
        return (self.put_before(Path(folder), asked) if folder else [gr.skip()] * 2), asked["notes"]

    def put_before(self, folder, asked):
        """Put the subject in a folder before an uploaded picture, `target_picture`, or a `colour`; two outputs.

        The small copy has a new name each time: the browser keeps what it has seen under a name.
        """
        try:
            name = next(folder.glob("*_fgr.png")).name[: -len("_fgr.png")]
            fgr, pha = read_rgb(folder / f"{name}_fgr.png"), read_alpha(folder / f"{name}_pha.png")
        except (StopIteration, PictureError):
            raise Refused("gone") from None
        if asked["target_picture"]:
            behind = cover(read_upload(asked["target_picture"], self.args), *pha.shape)
        else:
            behind = parse_colour(asked["colour"])
        composite = blend(fgr, pha, behind)
        for old in folder.glob("view_over_*.jpg"):
            old.unlink(missing_ok=True)
        over, view = folder / f"{name}_over.png", folder / f"view_over_{secrets.token_hex(4)}.jpg"
        write_picture(over, composite)
        write_picture(view, reduced(composite, VIEW))
        return [(str(folder / "view_src.jpg"), str(view)), offered(over)]

    def matte_clip(self, request, asked):
        """Matte an uploaded clip, `src`, to a `form` of VIDEO: mp4 on the new background, others with alpha.

        Without `bgr`, an uploaded picture, the background is estimated from the clip, whose camera stood still.
        """
        src, form, notes, progress, numbers = asked["src"], asked["form"], [], gr.Progress(), itertools.count(1)

        def counted():
            done = next(numbers)
            if done > frames:  # its index, which was counted, may be anything
                raise Refused("too_many_frames", name=shown_name(src))
            progress((done, frames), unit="")

        with self.working(request, no_clip_given=src) as folder, TemporaryDirectory(dir=folder) as ours:
            network = self.args.model_path or DEFAULT_WEIGHTS, self.args.engine, choose_device(self.args.device)
            matting = self.matting(fastest_precision(*network))
            frames = check_clip(src, self.args)
            # Under names of ours: what a visitor calls a picture must not make a video or a folder of it.
            clip, given = Path(ours, f"{result_name(src)}.mp4"), {}
            os.link(src, clip)
            for kind in ("bgr", "target_picture"):
                if asked[kind]:
                    given[kind] = Path(ours, f"{kind}.png")
                    write_picture(given[kind], read_upload(asked[kind], self.args))
            given.setdefault("target_picture", "#" + bytes(parse_colour(asked["colour"])).hex())
            output = Output(folder, ("com", "pha"), form, given["target_picture"] if form == "mp4" else None)
            job = ClipJob(open_clip(clip, tell=notes.append), given.get("bgr", "auto"), output, tell=notes.append)
            job.run(matting, counted)
        com, pha = job.paths["com"], job.paths["pha"]
        return [None if form == "mov" else str(com), offered(com), offered(pha)], notes  # browsers play no ProRes

    def look(self, request, asked):
        """Refuse an uploaded picture that could not be matted; give the browser one that it can show, and sooner."""
        view = f"{asked['picture']}{PREVIEW}"
        write_picture(view, reduced(read_upload(asked["picture"], self.args), VIEW))
        return [view], asked["notes"]

    @contextmanager
    def working(self, request, **given):
        """A new folder for results, which is neither swept nor taken away while it is written to.

        Of what is given, kind=value, the first kind whose value is missing is refused.
        """
        for kind, value in given.items():
            if not value:
                raise Refused(kind)
        if not room(self.files, 0, self.quota):
            raise Refused("no_room")
        folder, wanted = self.session_folder(request) / secrets.token_hex(16), False
        folder.mkdir(parents=True)
        self.busy.add(folder)
        try:
            yield folder
            wanted = folder in self.busy
        finally:
            self.busy.discard(folder)
            if not wanted:
                shutil.rmtree(folder, ignore_errors=True)

    def session_folder(self, request):
        # The browser names its session: hashed, the name cannot lead anywhere else. Programs need not have one.
        session = request.session_hash
        return self.results / (hashlib.sha256(session.encode()).hexdigest() if session else secrets.token_hex(32))

    def leave(self, request):
        """Delete the results of somebody who has closed the page."""
        for folder in self.session_folder(request).glob("*"):
            if folder not in self.busy:
                shutil.rmtree(folder, ignore_errors=True)
            self.busy.discard(folder)


def offered(path):
    """A button's file to download."""
    return gr.update(value=str(path), interactive=True)


def parse_colour(text):
    """Red, green, blue, 0..255, of what a ColorPicker gives, as `#rrggbb` or `rgba(r, g, b, a)`; of others green."""
    try:
        colour = ImageColor.getrgb(re.sub(r"\.\d+", "", str(text)))
    except ValueError:
        return 0, 255, 0
    return tuple(min(255, value) for value in colour[:3])


def result_name(path):
    """What results are called after: letters, digits, - and _ of the uploaded name, without `_src`."""
    return re.sub(r"[^\w-]+", "_", Path(path).stem.removesuffix("_src")).strip("_")[:40] or "picture"
