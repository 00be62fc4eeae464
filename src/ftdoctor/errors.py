"""Errors that end a command. Each knows its exit code and tells what to do next."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_NOTHING = 3
EXIT_INCOMPLETE = 4


class FtdoctorError(Exception):
    """An error with a message for the user, one thing to do, and an exit code."""

    exit_code = EXIT_USAGE

    def __init__(self, message: str, todo: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.message}\n  {self.todo}" if self.todo else self.message


class UsageError(FtdoctorError):
    """Wrong use of the command line, or a broken configuration."""


class RuleError(FtdoctorError):
    """A rule file that cannot be used; the message names the file and the line."""


class MissingExtra(FtdoctorError):
    """A part of ftdoctor that was not installed."""

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(
            f"{what} needs the '{extra}' extra, which is not installed.",
            f'Install it:  pip install "ftdoctor-cli[{extra}]"',
        )


class UnreadableInput(FtdoctorError):
    """An input that could not be read whole."""

    exit_code = EXIT_INCOMPLETE
