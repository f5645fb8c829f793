"""Clips: the source that reads frames, the sink that writes videos or sequences of pictures, and one call for both."""

import time
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from dataset.colour import in_type
from dataset.picture import PictureError
from utils.background.checks import SAME_BELOW, Misfit, doubts, match_size, scene_doubts
from utils.background.estimate import empty_scene, quiet_scene, scene_behind
from utils.background.match import AUTOMATIC, ClipBackground, match_background
from utils.picture.write import STILLS, write_picture
from utils.prediction.loop import Capture, matte_all
from utils.prediction.outputs import output_paths, picture_of
from utils.prediction.target import open_target
from utils.system.files import refuse_to_overwrite
from utils.system.notes import Note, silent
from utils.video.reader import is_clip, open_clip, read_frame
from utils.video.writer import VIDEO, check_format, open_writer

GREEN = "#78ff9b"  # behind the composite where the format has no alpha, as in the original's videos
LOOKS, APART = 3, 12  # frames that are looked at before the work, and frames between them
SHORT = 0.1  # seconds that a whole result may be shorter than its clip


class _Source:
    """Frames of a ClipJob that its _Sink has not yet, and the background of each; see utils.prediction.loop."""

    def __init__(self, job, bgr, sink):
        self.job, self.correction, self.sink = job, job.correction, sink
        self.background = ClipBackground(bgr, self.correction.align, self.correction.exposure)
        self._told, self._looks, self._same, self._empty = set(), 0, [], True

    def __iter__(self):
        resume = self.job.output.skip_existing and self.job.format in STILLS
        return (frame for frame in self.job.clip if not (resume and self.sink.has(frame)))

    def read(self, frame):
        photo = frame.photo(self.sink.deep)
        bgr = self.background(photo.rgb)
        notes = self.background.first.notes if self.background.frames == 1 else []
        return Capture(frame, self.job.clip.path, photo.rgb, bgr, notes, photo)

    def look(self, capture, matte):
        """What is wrong with the background is looked for in a few frames, ever rarer ones, and told once."""
        self._looks += 1
        self._empty = self._empty and (matte.pha[::8, ::8] > 127).mean() <= SAME_BELOW
        if self._looks & (self._looks - 1):
            return capture.notes
        notes = doubts(capture.src, capture.bgr, matte.pha)
        self._same = [note for note in notes if note.kind == "same_scene"]  # a subject may come into the picture later
        notes = [note for note in notes if note.kind not in {"same_scene", *self._told}]
        self._told |= {note.kind for note in notes}
        return [*capture.notes, *notes]

    def spares(self, error):
        return isinstance(error, PictureError)

    @property
    def notes(self):
        """Notes on the whole: what was done to the background, and whether the subject is in no frame."""
        return [*self.background.notes, *(self._same if self._empty else [])]


class _Sink:
    """A video or a sequence a type, of a ClipJob, closed with `stack`, an ExitStack; see utils.prediction.loop.

    `deep`: whether pictures are wanted with all their bits.
    """

    def __init__(self, job, stack):
        self.format, self.target, self.written, self.writers = job.format, job.target, 0, {}
        self.foreground, self.pictures = bool({"fgr", "com"} & set(job.paths)), "debug" in job.paths
        self.dtype = STILLS.get(self.format, (None, np.uint8))[1]
        self.deep = self.format == "mov" or self.dtype != np.uint8
        channels = {"fgr": 3, "com": 4 if self.target is None else 3, "debug": 3}
        for kind, path in job.paths.items():
            writer = open_writer(path, self.format, job.clip, channels.get(kind, 1), sound=kind in ("com", "fgr"))
            self.writers[kind] = stack.enter_context(writer)

    def has(self, frame):
        """Whether all pictures of a frame are there already; each writer is to hear of it."""
        return all([writer.has(frame) for writer in self.writers.values()])

    def write(self, capture, matte):
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
        if self.target is None and "com" in output.types and self.format == "mp4":
            self.target = open_target(GREEN)
            self.tell(Note("green", colour=GREEN, format=self.format))
        name = clip.path.resolve().name if clip.path.is_dir() else clip.path.stem
        suffix = f".{self.format}" if self.format in VIDEO else ""
        self.paths = output_paths(output.folder, name, output.types, suffix)
        self._of_bgr = output_paths(output.folder, name, ("bgr", "unsure") if output.save_bgr else ())
        refuse_to_overwrite([clip.path, bgr, output.target], [*self.paths.values(), *self._of_bgr.values()])
        if output.skip_existing and suffix:
            self.paths = {kind: path for kind, path in self.paths.items() if not self._whole(path)}
            if not self.paths:
                self.tell(Note("nothing_missing"))

    def run(self, matting, tick=lambda: None):
        """Matte the clip with a utils.predictor.Matting; `tick()` is called after each frame. Returns the exit code.

        Raises:
            PictureError, OSError: nothing can be read or written. Misfit: the background is of another scene.
            KeyboardInterrupt: after what was matted so far has been completed.
        """
        bgr, start, failed, stopped = self._background(), time.perf_counter(), [], None
        with ExitStack() as stack:
            sink = _Sink(self, stack)
            source = _Source(self, bgr, sink)
            try:
                failed, times = matte_all(matting, source, sink, self.tell, tick)
                self.tell(Note("stream_times", **vars(times)))
            except KeyboardInterrupt as error:
                if not sink.written:
                    raise
                stopped = error  # once everything is completed
                for writer in sink.writers.values():
                    writer.whole = False
        notes = dict.fromkeys(note for writer in sink.writers.values() for note in writer.notes)
        size, seconds = {"width": self.clip.width, "height": self.clip.height}, time.perf_counter() - start
        done = Note("clip_done", **size, frames=sink.written, seconds=seconds, rate=sink.written / seconds)
        said = [*notes, done, *source.notes, *(Note("written", path=path) for path in self.paths.values())]
        for note in said if sink.written else ():
            self.tell(note)
        if stopped:
            raise stopped
        if failed:
            self.tell(Note("frames_failed", count=len(failed)))
        return 1 if failed else 0

    def _whole(self, path):
        """Whether an earlier run has written a video to its end; tells if it was stopped before."""
        with suppress(PictureError):  # there is none, or a damaged one
            written, whole = (float((clip.expected or 0) / clip.rate) for clip in (open_clip(path), self.clip))
            if written >= whole - SHORT:
                return True
            self.tell(Note("begun_anew", file=path, seconds=written, whole=whole))
        return False

    def _background(self):
        """The background, uint8 (H, W, 3), RGB, of the clip's size; tells what is doubtful about it."""
        clip, unsure, start = self.clip, None, time.perf_counter()
        if str(self.bgr) == "auto":
            bgr, notes = quiet_scene(clip), []
            if bgr is None:
                bgr, unsure = scene_behind(clip)
                share = float((unsure > 0).mean())
                notes = [Note("unsure", share=share)] if share > 0.05 else []
            seconds = time.perf_counter() - start
            self.tell(Note("background_found" if unsure is None else "background_estimated", seconds=seconds))
        else:
            still = not (Path(self.bgr).is_dir() or is_clip(self.bgr))
            bgr = read_frame(self.bgr).rgb if still else empty_scene(open_clip(self.bgr, None, silent, *self.bgr_time))
            bgr, notes = match_size(np.empty((clip.height, clip.width, 3), np.uint8), bgr, clip.path, self.bgr)
            if not self.force:
                self._refuse_another_scene(bgr)
        for note in notes:
            self.tell(note)
        for path, picture in zip(self._of_bgr.values(), (bgr, unsure)):
            if picture is not None:
                write_picture(path, picture)
                self.tell(Note("written", path=path))
        return bgr

    def _refuse_another_scene(self, bgr):
        """However it is aligned, and before the work: unless one of the first frames fits."""
        wrong = []
        for frame in islice(self.clip, 0, LOOKS * APART, APART):
            with suppress(PictureError):
                src = frame.rgb()
                wrong = scene_doubts(src, bgr)
                if wrong:  # to align takes up to a second, which the work itself will take once more
                    fitted, _ = match_background(src, bgr, self.correction.align, self.correction.exposure)
                    wrong = [note for note in scene_doubts(src, fitted) if note.kind == "other_scene"]
                if not wrong:
                    return
        if wrong:
            raise Misfit(Note("refused", path=self.bgr, reason=wrong[0]))
