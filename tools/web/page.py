"""The web page of tools/app.py: what is where, and what a click calls."""

import shutil
from functools import partial
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from tools.web import hooks
from tools.web.guard import Guard
from tools.web.jobs import Jobs, answering
from tools.web.upload import original, room, sweep
from tools.web.words import said, say
from utils.video.writer import VIDEO

LANGUAGES = [("English", "en"), ("中文", "zh")]
SESSIONS = 200  # whose state is kept
# Where the columns do not lie side by side, what was asked for appears below all fields: it comes into view.
TO_VIEW = "() => { if (innerWidth < 800) document.querySelector('ID')?.scrollIntoView({behavior: 'smooth'}); }"
HIDDEN = {"api_visibility": "private"}
AT_ONCE = {**HIDDEN, "queue": False, "show_progress": "hidden"}  # no clocks over a page that changes its words
IN_TURN = {"concurrency_limit": 1, "concurrency_id": "network"}


def uploaded_path(_self, payload):
    """What the page's functions get of an upload: its path. Gradio itself decodes nothing."""
    return original(payload.path) if payload else None


class UploadedPicture(gr.Image):
    is_template, preprocess = True, uploaded_path


class UploadedClip(gr.Video):
    is_template, preprocess = True, uploaded_path


class Page(Jobs):
    """The page and what it needs to answer.

    Args:
        files, args: see tools.web.jobs.Jobs.
        examples: pairs of paths, sources and backgrounds, to try the page with.
    """

    def __init__(self, files, args, examples=()):
        super().__init__(files, args)
        # What the page serves lies in its own folder, and so do the addresses; what is static goes with no visitor.
        (files / "examples").mkdir()
        self.examples = [[shutil.copy(path, files / "examples") for path in pair] for pair in examples]
        gr.set_static_paths([path for pair in self.examples for path in pair])
        self.worded = []  # (component, {property: function of a language}): what a change of language changes
        self.answers = []  # (box, list, State of the Notes that they say), of each tab
        with gr.Blocks(title="Background matting", analytics_enabled=False) as self.blocks:
            with gr.Row(equal_height=True):
                with gr.Column(scale=5):
                    self.field(gr.Markdown, {"value": "title"})
                with gr.Column(scale=1, min_width=180):
                    bare = {"show_label": False, "container": False, "elem_id": "language"}
                    self.language = gr.Radio(LANGUAGES, value="en", **bare)
            with self.field(gr.Tab, "pictures"):
                self.build_pictures()
            with self.field(gr.Tab, "clips"):
                self.build_clips()
            words, notes = [component for component, _ in self.worded], [notes for _, _, notes in self.answers]
            translated = [*words, *(part for box, listed, _ in self.answers for part in (box, listed))]
            self.language.change(self.translate, [self.language, *notes], translated, **AT_ONCE)
            self.blocks.load(self.greet, None, [self.language, *words], **AT_ONCE)
            self.blocks.unload(self.unload)
        self.blocks.queue(max_size=args.queue, default_concurrency_limit=1, api_open=False)
        hooks.be_fair(self.blocks._queue)

    def launch(self, host, port=None, root=None):
        """Serve the page on an address of this machine; `root` is the one that it has behind a proxy, or None."""
        largest = max(self.args.max_megabytes, self.args.max_clip_megabytes) * 10**6
        enough = {"upload_bytes": largest + 100_000, "room": lambda more: room(self.files, more, self.quota)}
        guard = Middleware(Guard, **enough, host=host, root=root)
        where = {"server_name": host, "server_port": port, "root_path": root, "prevent_thread_lock": True}
        closed = {"allowed_paths": [], "show_error": False, "ssr_mode": False, "run_history": False, "quiet": True}
        bounds = {"max_file_size": largest, "state_session_capacity": SESSIONS, "app_kwargs": {"middleware": [guard]}}
        fonts = {"font": "system-ui", "font_mono": "monospace"}  # others come from a server
        look = {"theme": gr.themes.Soft(primary_hue="teal", secondary_hue="teal", **fonts), "footer_links": []}
        script, style = (Path(__file__).with_name(name).read_text("utf-8") for name in ("page.js", "page.css"))
        self.blocks.launch(**where, **closed, **bounds, **look, css=style, js=script)

    def sweep(self):
        """Delete what has become old, but neither the examples nor what somebody works on or waits for."""
        spared = {self.files / "examples", *self.busy, *hooks.files_in_use(self.blocks._queue)}
        sweep(self.files, self.args.keep_minutes * 60, spared)

    # What is where

    def field(self, kind, words, **options):
        """A component with words: the key of its label, or {property: key, or function of a language}."""
        words = {"label": words} if isinstance(words, str) else words
        words = {name: key if callable(key) else partial(say, key) for name, key in words.items()}
        component = kind(**{name: of("en") for name, of in words.items()}, **options)
        self.worded.append((component, words))
        return component

    def build_pictures(self):
        folder = gr.State()
        with gr.Row():
            with gr.Column(scale=2):
                with gr.Row():
                    src, bgr = self.picture("src"), self.picture("bgr")
                swap = self.field(gr.Button, {"value": "swap"}, size="sm", elem_id="swap")
                swap.click(None, [src, bgr], [src, bgr], js="(src, bgr) => [bgr, src]", **HIDDEN)
                examples = gr.Examples(self.examples, [src, bgr], visible_columns=[0], **HIDDEN)
                self.worded.append((examples.dataset, {"label": partial(say, "examples")}))
                run = self.field(gr.Button, {"value": "run"}, variant="primary", elem_id="run")
                target = self.target()
            with gr.Column(scale=3, elem_id="result"):
                box = gr.HTML(elem_id="said", elem_classes="answer", padding=False)
                shown = {"interactive": False, "buttons": ["fullscreen"]}
                compare = self.field(gr.ImageSlider, "compare", type="filepath", max_height=460, **shown)
                with gr.Row():
                    views = [self.field(gr.Image, kind, height=200, **shown) for kind in ("pha", "com")]
                files = self.downloads("get_com", "get_pha", "get_fgr", "get_over")
                answer = box, gr.Markdown(elem_id="notes"), gr.State([])
        asked = {"src": src, "bgr": bgr, **target, "language": self.language}
        self.offer(run, self.matte, asked, [compare, *views, *files, folder], answer)
        self.field(gr.Markdown, {"value": partial(say, "limits", **vars(self.args))})
        asked = {"folder": folder, **target, "notes": answer[-1], "language": self.language}
        change = {**IN_TURN, **HIDDEN, "show_progress": "hidden", "trigger_mode": "always_last", "inputs_kwargs": asked}
        for component in target.values():
            component.change(answering(self.change_target, 2), None, [compare, files[-1], *answer], **change)

    def build_clips(self):
        with gr.Row():
            with gr.Column(scale=2):
                src = self.field(UploadedClip, "clip", sources=["upload"], height=210, elem_id="clip")
                bgr = self.picture("clip_bgr")
                run = self.field(gr.Button, {"value": "run"}, variant="primary", elem_id="run_clip")
                words = {"label": "form", "choices": lambda language: [(say(form, language), form) for form in VIDEO]}
                form = self.field(gr.Radio, words, value="mp4")
                target = self.target()
            with gr.Column(scale=3, elem_id="clip_result"):
                box = gr.HTML(elem_id="clip_said", elem_classes="answer", padding=False)
                result = self.field(gr.Video, "result", height=460, autoplay=True, interactive=False, buttons=[])
                files = self.downloads("get_clip", "get_clip_pha")
                answer = box, gr.Markdown(elem_id="clip_notes"), gr.State([])
        asked = {"src": src, "bgr": bgr, **target, "form": form, "language": self.language}
        self.offer(run, self.matte_clip, asked, [result, *files], answer)
        self.field(gr.Markdown, {"value": partial(say, "clip_limits", **vars(self.args))})

    def target(self):
        with self.field(gr.Accordion, "target", open=True), gr.Row():
            colour = self.field(gr.ColorPicker, "colour", value="#2d9c6f", min_width=120)
            return {"colour": colour, "target_picture": self.picture("target_picture", 150)}

    def picture(self, key, height=210):
        words = {"label": key, "placeholder": "drop"}
        options = {"type": "filepath", "sources": ["upload", "clipboard"], "height": height, "buttons": []}
        return self.field(UploadedPicture, words, elem_id=key, **options)

    def downloads(self, *keys):
        with gr.Row():
            return [self.field(gr.DownloadButton, key, interactive=False, size="sm", elem_id=key) for key in keys]

    # What is called

    def offer(self, run, function, asked, outputs, answer):
        """Let a button call a function, and programs under its name; look at its pictures when they are uploaded."""
        self.answers.append(answer)
        show = {"js": TO_VIEW.replace("ID", f"#{outputs[0].parent.elem_id}"), **HIDDEN}
        run.click(None, **show)
        job = {"inputs_kwargs": asked, "api_name": function.__name__, "show_progress_on": outputs[0], **IN_TURN}
        run.click(answering(function, len(outputs)), None, [*outputs, *answer], **job).then(None, **show)
        look = {**HIDDEN, "show_progress": "hidden", "concurrency_id": "look", "concurrency_limit": 2}
        for picture in [field for field in asked.values() if isinstance(field, UploadedPicture)]:
            look["inputs_kwargs"] = {"picture": picture, "notes": answer[-1], "language": self.language}
            looked = picture.upload(answering(self.look, 1), None, [picture, *answer], **look)
            looked.then(None, js=TO_VIEW.replace("ID", ".said"), **HIDDEN)

    def translate(self, language, *notes):
        """The page's words in a language, and what has been said."""
        words = [gr.update(**{name: of(language) for name, of in words.items()}) for _, words in self.worded]
        return [*words, *(part for of_tab in notes for part in said(of_tab, language))]

    def greet(self, request: gr.Request):
        """Open the page in the browser's language."""
        language = "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
        return [language, *self.translate(language)]

    async def unload(self, request: gr.Request):
        """Forget the jobs of somebody who has closed the page, and delete their results."""
        await self.blocks._queue.clean_events(session_hash=request.session_hash)
        self.leave(request)
