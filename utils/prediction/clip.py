"""Clips: the source that reads frames, the sink that writes videos or sequences of pictures, and one call for both."""

import time
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from dataset.colour import in_type
from dataset.picture import PictureError
from utils.background.checks import SAME_BELOW, Misfit, doubts, match_size, scene_doubts
from utils.background.estimate import empty_scene, quiet_scene, scene_behind, unsure_notes
from utils.background.match import AUTOMATIC, ClipBackground, match_background
from utils.picture.write import STILLS, write_picture
from utils.prediction.loop import Capture, matte_all
from utils.prediction.outputs import output_paths, picture_of, with_transparency
from utils.prediction.target import open_target
from utils.system.files import refuse_to_overwrite
from utils.system.notes import Note, silent
from utils.video.reader import is_clip, open_clip, read_frame
from utils.video.writer import VIDEO, check_format, open_writer

GREEN = "#78ff9b"  # behind the composite where the format has no alpha, as in the original's videos
LOOKS, APART = 3, 12  # frames that are looked at before the work, and frames between them
SHORT = 0.1  # seconds that a whole result may be shorter than its clip


class _Source:
    """Frames of a clip, and the background of each; see utils.prediction.loop.

    `done` tells of a Frame whether to leave it out, `deep` whether its pictures are wanted with all their bits.
    `nobody` is the Note, if any, that the subject is in no frame looked at.
    """

    def __init__(self, clip, bgr, correction, done, deep):
        self.clip, self.correction, self.done, self.deep = clip, correction, done, deep
        self.background = ClipBackground(bgr, correction.align, correction.exposure)
        self.told, self.nobody = set(), []
        self._looks = self._failed = 0

    def __iter__(self):
        read = 0
        for frame in self.clip:
            if not self.done(frame):
                read += 1
                yield frame
        if read and self._failed == read:
            raise PictureError(f"{self.clip.path}: not one of its {read} frames could be read")

    def read(self, frame):
        try:
            photo = frame.photo(self.deep)
        except PictureError:
            self._failed += 1
            raise
        bgr = self.background(photo.rgb)
        notes = self.background.first.notes if self.background.frames == 1 else []
        return Capture(frame, self.clip.path, photo.rgb, bgr, notes, photo=photo)

    def look(self, capture, matte):
        """What is wrong with the background is looked for in a few frames, ever rarer ones, and told once."""
        self._looks += 1
        if self._looks & (self._looks - 1):
            if self.nobody and (matte.pha[::8, ::8] > 127).mean() > SAME_BELOW:
                self.nobody = []
            return capture.notes
        notes = doubts(capture.src, capture.bgr, matte.pha)
        nobody = [note for note in notes if note.kind == "same_scene"]  # a subject may come into the picture later
        self.nobody = nobody if self._looks == 1 or self.nobody else []
        notes = [note for note in notes if note.kind not in {"same_scene", *self.told}]
        self.told |= {note.kind for note in notes}
        return [*capture.notes, *notes]

    def spares(self, error):
        return isinstance(error, PictureError)


class _Sink:
    """A video or a sequence a type, of paths as in ClipJob; see utils.prediction.loop.

    Ctrl-C completes what has been written. `deep` is what a _Source has to give it.
    """

    def __init__(self, clip, paths, output_format, target, tell):
        self.clip, self.paths, self.format, self.target, self.tell = clip, paths, output_format, target, tell
        self.foreground, self.pictures = bool({"fgr", "com"} & set(paths)), "debug" in paths
        self.dtype = STILLS.get(output_format, (None, np.uint8))[1]
        self.deep = output_format == "mov" or self.dtype != np.uint8
        self.written, self.writers = 0, {}

    def __enter__(self):
        channels = {"fgr": 3, "com": 4 if self.target is None else 3, "debug": 3}
        with ExitStack() as stack:
            for kind, path in self.paths.items():
                sound = kind in ("com", "fgr")
                writer = open_writer(path, self.format, self.clip, channels.get(kind, 1), sound)
                self.writers[kind] = stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, error, trace):
        if kind and issubclass(kind, KeyboardInterrupt) and self.written:
            kind = error = trace = None
            for writer in self.writers.values():
                writer.whole = False
        for note in dict.fromkeys(note for writer in self.writers.values() for note in writer.notes):
            self.tell(note)
        self._stack.__exit__(kind, error, trace)

    def has(self, frame):
        """Whether all pictures of a frame are there already; each writer is to hear of it."""
        return all([writer.has(frame) for writer in self.writers.values()])

    def write(self, capture, matte):
        if capture.photo.alpha is not None:
            matte = with_transparency(matte, capture.photo.alpha)
        for kind, writer in self.writers.items():
            writer.write(self._picture(kind, matte, capture), capture.item, capture.photo)
        self.written += 1

    def _picture(self, kind, matte, capture):
        """What a writer gets of a matte: as a photograph's; of a video alpha always in 8 bits."""
        if kind == "com" and self.target is None and self.format in VIDEO:
            fgr = self._picture("fgr", matte, capture)  # not black outside, which a video would smear into edges
            return np.dstack([fgr, in_type(matte.pha, fgr.dtype)])
        photo, dtype = capture.photo, self.dtype
        if self.format in VIDEO:
            wide = self.deep and not photo.profile and photo.pixels.dtype != np.uint8 and kind in ("fgr", "com")
            capture, dtype = (capture, np.uint16) if wide else (capture._replace(photo=None), np.uint8)
        return picture_of(kind, matte, capture, dtype, self.target, capture.item.time)


class ClipJob:
    """A clip that is to be matted, checked before any work: `run` does it.

    Args:
        clip: see utils.video.reader.open_clip.
        bgr: picture, video or folder of frames of the empty scene; or `"auto"`: estimated from the clip.
        output: utils.prediction.outputs.Output.
        correction: utils.background.match.Correction.
        bgr_time: (start, end), seconds of a `bgr` that is a video, which may be the clip itself; None: all of it.
        force: go on with a background that does not belong to the clip.
        tell: function of a Note.

    Attributes:
        paths: dict of type -> path; empty if nothing is missing.

    Raises UsageError, PictureError: nothing can be done.
    """

    def __init__(self, clip, bgr, output, correction=AUTOMATIC, bgr_time=None, force=False, tell=silent):
        self.clip, self.bgr, self.output, self.correction = clip, bgr, output, correction
        self.bgr_time, self.force = bgr_time or (None, None), force
        self.tell = lambda note: tell(note if note.kind in ("written", "failed") else note.on(clip.path))
        self.format = output.format or ("png" if clip.path.is_dir() else "mp4")
        check_format(self.format)
        self.target = open_target(output.target) if output.target else None
        if self.target is None and "com" in output.types and VIDEO.get(self.format, (0, 0, True))[2] is None:
            self.target = open_target(GREEN)
            self.tell(Note("green", colour=GREEN, format=self.format))
        self.name = clip.path.resolve().name if clip.path.is_dir() else clip.path.stem
        suffix = f".{self.format}" if self.format in VIDEO else ""
        self.paths = self._checked(output_paths(output.folder, self.name, output.types, suffix))
        if output.skip_existing and suffix:
            self.paths = {kind: path for kind, path in self.paths.items() if not self._whole(path)}
            if not self.paths:
                self.tell(Note("nothing_missing"))

    def run(self, matting, tick=None):
        """Matte the clip with a utils.predictor.Matting; `tick()` is called after each frame. Returns the exit code.

        Raises:
            PictureError, OSError: nothing can be read or written. Misfit: the background is of another scene.
            KeyboardInterrupt: after what was matted so far has been completed.
        """
        bgr = self._background()
        sink = _Sink(self.clip, self.paths, self.format, self.target, self.tell)
        resume = self.output.skip_existing and self.format in STILLS
        done = sink.has if resume else lambda frame: False
        source = _Source(self.clip, bgr, self.correction, done, sink.deep)
        start = time.perf_counter()
        try:
            failed, times = matte_all(matting, source, sink, self.tell, tick)
            self.tell(Note("stream_times", **vars(times)))
        finally:
            if sink.written:
                size, seconds = {"width": self.clip.width, "height": self.clip.height}, time.perf_counter() - start
                self.tell(Note("clip_done", **size, frames=sink.written, seconds=seconds, rate=sink.written / seconds))
                for note in [*source.background.notes, *source.nobody]:
                    self.tell(note)
                for path in self.paths.values():
                    self.tell(Note("written", path=path))
        if failed:
            self.tell(Note("frames_failed", count=len(failed)))
        return 1 if failed else 0

    def _checked(self, paths):
        refuse_to_overwrite([self.clip.path, self.bgr, self.output.target], paths.values())
        return paths

    def _whole(self, path):
        """Whether an earlier run has written a video to its end; tells if it was stopped before."""
        try:
            clips = open_clip(path), self.clip
        except PictureError:  # none, or a damaged one
            return False
        if not all(clip.expected for clip in clips):
            return True
        written, whole = (float(clip.expected / clip.rate) for clip in clips)
        if written < whole - SHORT:
            self.tell(Note("begun_anew", file=path, seconds=written, whole=whole))
        return written >= whole - SHORT

    def _background(self):
        """The background, uint8 (H, W, 3), RGB, of the clip's size; tells what is doubtful about it."""
        clip, unsure, start = self.clip, None, time.perf_counter()
        if str(self.bgr) == "auto":
            bgr, notes = quiet_scene(clip), []
            if bgr is None:
                bgr, unsure = scene_behind(clip)
                notes = unsure_notes(unsure)
            seconds = time.perf_counter() - start
            self.tell(Note("background_found" if unsure is None else "background_estimated", seconds=seconds))
        else:
            still = not (Path(self.bgr).is_dir() or is_clip(self.bgr))
            bgr = read_frame(self.bgr).rgb if still else empty_scene(open_clip(self.bgr, None, silent, *self.bgr_time))
            bgr, notes = match_size(np.empty((clip.height, clip.width, 3), np.uint8), bgr, clip.path, self.bgr)
            self._refuse_another_scene(bgr)
        for note in notes:
            self.tell(note)
        if self.output.save_bgr:
            paths = self._checked(output_paths(self.output.folder, self.name, ("bgr", "unsure")))
            for path, picture in zip(paths.values(), (bgr, unsure)):
                if picture is not None:
                    write_picture(path, picture)
                    self.tell(Note("written", path=path))
        return bgr

    def _refuse_another_scene(self, bgr):
        """However it is aligned, and before the work."""
        correction, wrong = self.correction, []
        for frame in islice(self.clip, 0, LOOKS * APART, APART):
            with suppress(PictureError):
                src = frame.rgb()
                wrong = scene_doubts(src, bgr)
                if wrong:
                    wrong = scene_doubts(src, match_background(src, bgr, correction.align, correction.exposure)[0])
                wrong = [note for note in wrong if note.kind == "other_scene"]
                if not wrong:
                    return
        if wrong and not self.force:
            raise Misfit(Note("refused", path=self.bgr, reason=wrong[0]))
