"""The payload as one file: a zip that Python runs, and the one line of code that carries it."""

from __future__ import annotations

import base64
import io
import zipfile
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("payload")
#: The name of the file where the payload runs, and of the package inside.
NAME, PACKAGE = "ftdoctor_smoke.pyz", "smoke_payload"
#: The earliest date that a zip can hold: the same sources always give the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_START = (
    "import sys\n"
    f"from {PACKAGE}.run import main\n"
    'if __name__ == "__main__":\n'
    "    sys.exit(main())\n"
)


@cache
def bundle() -> bytes:
    """Return the zip: `python FILE PLAN` runs it, and torchrun and accelerate launch it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        members = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in FOLDER.glob("*.py")}
        members["__main__.py"] = _START.encode()
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, members[name])
    return held.getvalue()


def program() -> str:
    """Return Python code of one line that writes the payload to a temporary file and runs it."""
    packed = base64.b64encode(bundle()).decode()
    return (
        "import base64,os,runpy,sys,tempfile;"
        f"p=os.path.join(tempfile.mkdtemp(prefix='ftdoctor-'),'{NAME}');"
        f"f=open(p,'wb');f.write(base64.b64decode('{packed}'));f.close();"
        "sys.argv[0]=p;runpy.run_path(p,run_name='__main__')"
    )
