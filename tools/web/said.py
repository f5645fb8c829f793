"""How the page answers: what is refused or doubtful in a box above the result, where it stays; the rest below it."""

import html
import inspect
from functools import wraps

import gradio as gr

from tools.web.words import Refused, say_note
from utils.system import words
from utils.system.errors import UsageError, out_of_memory


def said(things, language):
    """Box and list, HTML and Markdown, of Refused and Notes."""
    loud = [x for x in things if isinstance(x, Refused) or x.kind in words.WARNINGS]
    box = "".join(f"<p>{html.escape(sentence(x, language))}</p>" for x in loud)
    return (f'<div class="said" role="alert">{box}</div>' if box else ""), listed(things, language, loud)


def listed(things, language, without=()):
    """A list of Notes in Markdown."""
    return "\n".join(f"- {html.escape(sentence(x, language))}" for x in things if not any(x is y for y in without))


def sentence(thing, language):
    """The words of a Refused or a Note."""
    if isinstance(thing, Refused):
        return thing.line(language)
    text = say_note(thing, language)
    return text[:1].upper() + text[1:]


def refused(error):
    """The Refused of an error that a visitor can mend, which never names a folder of this machine; None of others."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, UsageError):
        return Refused("failed", why=str(error))
    return Refused("no_memory") if out_of_memory(error) else None


def for_page(function, outputs):
    """Let a function, which returns (outputs, things to say), answer the page: outputs, box, list, things.

    What is refused leaves its outputs as they were.
    """

    @wraps(function)
    def answer(*given):
        try:
            values, things = function(*given)
        except Exception as error:
            things = [refused(error)]
            if things == [None]:
                raise
            values = [gr.skip()] * outputs
        return [*values, *said(things, _language(function, given)), things]

    return answer


def for_programs(function):
    """Let the same function answer a program: outputs and all that is said as a list, or an error."""

    @wraps(function)
    def answer(*given):
        language = _language(function, given)
        try:
            values, things = function(*given)
        except Exception as error:
            if refused(error) is None:
                raise
            line = html.escape(sentence(refused(error), language))
            raise gr.Error(line, print_exception=False) from None
        return [*values, listed(things, language)]

    return answer


def _language(function, given):
    return inspect.signature(function).bind(*given).arguments["language"]
