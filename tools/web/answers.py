"""How the page answers: what is refused or doubtful in a box above the result, where it stays; the rest below it."""

import html
import re

import gradio as gr

from dataset.picture import PictureError
from tools.web.words import REFUSED, WORDS, say
from utils.system import words
from utils.system.errors import UsageError, out_of_memory
from utils.system.notes import Note


def said(notes, language):
    """Box and list, HTML and Markdown, of Notes."""
    loud = {note.kind for note in notes} & {*REFUSED, *words.WARNINGS}
    box = "".join(f"<p>{sentence(note, language)}</p>" for note in notes if note.kind in loud)
    return (f'<div class="said" role="alert">{box}</div>' if box else ""), listed(notes, language, loud)


def listed(notes, language, without=()):
    """Markdown of Notes, but for some kinds."""
    return "\n".join(f"- {sentence(note, language)}" for note in notes if note.kind not in without)


def sentence(note, language):
    """HTML of a Note, with a capital letter where it is not a file's."""
    text = html.escape(say(note.kind, language, **note.values))
    return text if note.kind in REFUSED else text[:1].upper() + text[1:]


def why(error):
    """The Note on an error that a visitor can mend, which never names a folder of this machine; None of others."""
    if getattr(error, "note", None):
        return error.note
    if isinstance(error, (PictureError, UsageError)):
        return Note("failed", why=re.sub(r"(?:/[^/\s:]+)+/", "", str(error)))
    return Note("no_memory") if out_of_memory(error) else None


def answering(function, outputs):
    """What Gradio calls in place of a function (request, asked), which returns its outputs and a list of Notes.

    Args:
        function: `asked` is a dict of the values of the page's fields, `language` among them.
        outputs: how many it has. They are followed by box, list and Notes, and what is refused leaves them as they
            were. None: a program asks, which gets all that is said as one list, or an error.
    """

    def answer(request: gr.Request, **asked):
        language = asked.pop("language")
        # Of what was said before, all but what was refused is still true of the result that is there.
        asked["notes"] = [note for note in asked.get("notes", ()) if note.kind not in REFUSED]
        try:
            values, notes = function(request, asked)
            notes = [note for note in notes if "zh" in WORDS[note.kind]]  # others are for programs
        except Exception as error:
            note = why(error)
            if note is None:
                raise
            if outputs is None:
                raise gr.Error(sentence(note, language), print_exception=False) from None
            values, notes = [gr.skip()] * outputs, [note]
        if outputs is None:
            return [*values, listed(notes, language)]
        return [*values, *said(notes, language), notes]

    return answer
