"""Take off what stands around a program's own words: colours, timestamps, ranks, bars.

Prefixes are those of torchrun and c10d (`[rank3]:`, `[default0]:`), accelerate and DeepSpeed
(`[RANK 0]`, pdsh's `host: `), srun (`3: `), mpirun (`[1,3]<stderr>:`), Ray (`(pid=…)`), docker
compose (`name  | `), the container runtime interface (`TIME stderr F `), GitHub Actions, and the
rows of `gcloud ai custom-jobs stream-logs` (vertex-ai, one row a message, tab-separated).
"""

from __future__ import annotations

from ftdoctor.lazy import lazy
from ftdoctor.logs.lines import Line

_ANSI = lazy(
    r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_=>])"
    # The same where a log viewer swallowed the escape character.
    r"|\[(?:[0-4]|7|2[2-9]|[349][0-9]|10[0-7]|[345]8;[25];[\d;]{1,11})(?:;\d{1,3}){0,4}m(?!\])"
    r"|(?<=[\]\s])\[A(?=\S)"
)
_ISO = r"\d{4}[-/]\d\d[-/]\d\d[T _]\d\d:\d\d:\d\d(?:[.,:]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_TIME = rf"(?:{_ISO}|(?:\d\d/\d\d|\d\d-\d\d|[A-Z][a-z]{{2}} [ \d]\d) {_CLOCK}|{_CLOCK})"
_ROW = lazy(
    rf"(?:(?:DEFAULT|DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY)\s{{1,12}})?({_ISO})\s{{1,12}}"
    r"(service|workerpool\d+-\d+|master-replica-\d+|worker-replica-\d+|replica-\d+|(?:chief|worker|master)-?\d*)(?=\s)"
)
_PREFIX = lazy(
    r"(?:"
    rf"(?P<cri>{_ISO}) (?:stdout|stderr) [FP] "
    rf"|\[(?P<btime>{_TIME})\][ :]*"
    # logging's usual format: time, logger, level; only where the three stand together.
    rf"|(?P<logged>{_TIME}) - [\w.-]{{1,60}} - (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) - "
    # vLLM's format: level, day, the place in its source.
    rf"|(?P<vllm>(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d {_CLOCK}) "
    r"\[[\w./-]{1,60}:\d+\] ?"
    rf"|(?P<time>{_TIME})(?: ?[-|>:] | *$| ?:? ?(?=\[)|\t| )"
    r"|\[(?P<rank>rank ?\d+|default\d+|trainer\d+|worker\d+|RANK \d+|Rank \d+)\][: ] ?"
    r"|\((?P<pool>workerpool\d+-\d+|worker-\d+|rank ?\d+)\)[: ] ?"
    r"|(?P<host>\w[\w.-]{0,60}\[\d+\]|(?:worker|node|rank|pod)[-_]?\d+|\d{1,3}(?:\.\d{1,3}){3}): "
    r"|\[(?P<mpi>\d+,\d+)\]<(?:stdout|stderr)>: ?"
    r"|\((?P<ray>[\w ]{0,60}pid=\d+(?:, ip=[\d.]+)?)\) ?"
    r"|(?P<compose>[\w.-]{1,60}-\d+) +\| "
    r"|(?P<kubectl>\[pod/[^\]\s]{1,200}\]) "
    r")"
)
#: Levels in a prefix that say that the line is no failure by itself.
_MILD = lazy(r"(?:^|[\s|\[])(?:DEBUG|INFO|WARN(?:ING)?)(?=[\s|\]:])")
_NUMBERED = lazy(r"\s?(\d{1,3}): ?")
#: A tqdm bar up to its closing bracket: several are glued into one line when \r was lost.
_BAR = lazy(
    r"[^\n|]{0,80}?\d{1,3}%\|[^|\n]{0,400}\|[^\[\n]{0,60}\[[^\]\n]{0,120}\]"
    r"|Generating \w+ split: \d+ examples \[[^\]\n]{0,60}\]"
)
_BOX = lazy(r"^\s*[│┃|║]\s?(.*?)\s*[│┃|║]?\s*$")
#: A first cheap look: lines that start like one of the prefixes.
_MAYBE = lazy(
    r"[\[(\d]|[A-Z]{4,9}\s|[A-Z][a-z]{2} [ \d]\d |\w[\w.-]{0,60}(?:\[\d+\]|\d): "
    r"|[\w.-]{1,60}-\d+ +\|"
)
#: Escaped newlines of a message that was printed as data (`error.message`, repr of an exception).
_ESCAPED = lazy(
    r"\\n(?=\s{0,40}(?:File |Traceback|During handling|The above exception"
    r"|[A-Za-z_.]{1,80}(?:Error|Exception)\b)|\\n)"
)
#: Longest text kept of one line, in characters: the two ends.
KEEP = 16_000


def strip_ansi(text: str) -> str:
    """Return the text without terminal control sequences (also those whose escape was lost)."""
    if "\x1b" in text or "[" in text:
        return _ANSI.sub("", text)
    return text


def without_prefix(text: str, *, numbered: bool = False) -> tuple[str, str, str]:
    """Return (text, stream, time) with prefixes taken off; indentation of the message is kept."""
    stream = time = ""
    if numbered:
        match = _NUMBERED.match(text)
        if match:
            stream, text = match[1], text[match.end() :]
    row = _ROW.match(text)
    if row:
        end = row.end()
        rest = text[end:]
        if rest.startswith("\t"):
            rest = rest[1:]
        else:
            # Tabs that were expanded: the message starts at the next tab stop.
            stop = end + 8 - end % 8
            rest = text[stop:] if not text[end:stop].strip() else rest.lstrip(" ")
        return rest, row[2], row[1]
    for _ in range(6):
        if not _MAYBE.match(text):
            break
        match = _PREFIX.match(text)
        if not match:
            break
        kind = match.lastgroup
        assert kind is not None
        if kind in ("cri", "btime", "logged", "time", "vllm"):
            time = time or match[kind]
        else:
            stream = match[kind]
        text = text[match.end() :]
    return text, stream, time


def split_bars(text: str) -> list[str]:
    """Split a line at the progress bars glued into it, so that what follows a bar stands alone."""
    if "%|" not in text and "examples [" not in text:
        return [text]
    parts: list[str] = []
    at = 0
    for match in _BAR.finditer(text):
        between = text[at : match.start()]
        if between.strip():
            parts.append(between)
        parts.append(match[0])
        at = match.end()
    rest = text[at:]
    if rest.strip() or not parts:
        parts.append(rest if not parts else rest.lstrip(" "))
    return parts


def clean_line(
    raw: str, number: int, stream: str = "", time: str = "", *, numbered: bool = False
) -> list[Line]:
    """Return the lines in one raw line: several when bars or escaped newlines are in it."""
    if len(raw) > 2 * KEEP:
        raw = f"{raw[:KEEP]} … {raw[-KEEP:]}"
    text = strip_ansi(raw).rstrip()
    found: list[Line] = []
    for part in split_bars(text):
        if "\\n" in part and _ESCAPED.search(part):
            pieces = part.replace('\\"', '"').split("\\n")
        else:
            pieces = [part]
        for piece in pieces:
            body, own, stamp = without_prefix(piece, numbered=numbered)
            line = Line(number, unbox(body), own or stream, stamp or time)
            taken = len(piece) - len(body)
            line.mild = taken > 9 and bool(_MILD.search(piece[:taken]))
            found.append(line)
    return found


def unbox(text: str) -> str:
    """Return the inside of a line of a Rich traceback box, else the text itself."""
    stripped = text.lstrip()
    if stripped[:1] in ("│", "┃", "║"):
        match = _BOX.match(text)
        if match:
            return match[1]
    return text


def looks_quoted(sample: list[str]) -> bool:
    """Whether (nearly) every line of a sample was quoted, as in a mail or an issue."""
    lines = [line for line in sample if line.strip()]
    return len(lines) >= 3 and sum(line.startswith(">") for line in lines) >= 0.9 * len(lines)


def looks_numbered(sample: list[str]) -> bool:
    """Whether srun's `N: ` stands before (nearly) every line of a sample."""
    lines = [line for line in sample if line.strip()]
    hits = sum(1 for line in lines if _NUMBERED.match(line))
    return len(lines) >= 4 and hits >= 0.8 * len(lines)
