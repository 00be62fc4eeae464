"""Colours and printing without click, whose import would be a sixth of what a check takes."""

from __future__ import annotations

import re
import sys

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36}


def style(text: str, fg: str = "", bold: bool = False) -> str:
    """Return a text with ANSI codes around it, the same bytes as `click.style` gives."""
    start = (f"\033[{_COLOURS[fg]}m" if fg else "") + ("\033[1m" if bold else "")
    return f"{start}{text}\033[0m"


def emit(text: str) -> None:
    """Print a report to stdout, colours only on a terminal."""
    stream = sys.stdout
    if sys.platform == "win32" or (stream.encoding or "").lower() != "utf-8":
        import click  # knows consoles of Windows and output that claims to be ASCII

        click.echo(text, color=None if stream.isatty() else False)
        return
    if "\033" in text and not stream.isatty():
        text = re.sub(r"\033\[[;?0-9]*[a-zA-Z]", "", text)
    stream.write(f"{text}\n")
    stream.flush()
