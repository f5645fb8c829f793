"""The error of everything that reads pictures, errors as one line of text, and what to do about a missing package."""


class PictureError(ValueError):
    """A picture file cannot be used; the message is one sentence that names the file and the remedy."""


def one_line(error):
    """What an exception says, on one line and without control characters; the name of its class if it says nothing."""
    return printable(" ".join(str(error).split())) or type(error).__name__


def printable(text):
    """A text from outside as a terminal may show it: what would move the cursor or turn the writing is escaped."""
    return "".join(x if x.isprintable() else x.encode("unicode_escape").decode() for x in text)


def install(name):
    """The command that installs the optional packages of requirements/NAME.txt, for messages that one is missing."""
    return f"pip install -r requirements/{name}.txt"
