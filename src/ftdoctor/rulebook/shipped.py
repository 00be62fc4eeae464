"""One rule of the rulebook that ships, found without reading the others."""

from __future__ import annotations


def page(code: str, *, colour: bool = False) -> str:
    """Return the page of a shipped rule, "" when it is not there (a team's rule, a wrong code)."""
    import json
    from glob import glob

    from ftdoctor.paths import compiled_rulebook, rules_dir
    from ftdoctor.report.rule_page import rule_terminal
    from ftdoctor.rulebook.parse import CODE, parse_rule

    if not CODE.match(code):
        return ""
    packed = compiled_rulebook()
    data = None
    if packed.is_file():
        mark = f'{{"code":"{code}",'.encode()
        text = packed.read_bytes()
        start = text.find(mark)
        if start >= 0:
            data, _ = json.JSONDecoder().raw_decode(text[start:].decode("utf-8"))
    else:
        for path in glob(str(rules_dir() / code.split("-")[1] / f"{code}-*.yaml")):
            import yaml

            with open(path, "rb") as file:
                data = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return rule_terminal(parse_rule(data, code, trusted=True), colour=colour) if data else ""
