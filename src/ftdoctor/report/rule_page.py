"""The page of one rule: JSON, Markdown, or text for a terminal. click is not needed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftdoctor.rulebook.model import Rule


def rule_json(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON, in the terms of its file."""
    return {
        "code": rule.code,
        "name": rule.name,
        "parent": rule.parent or None,
        "severity": rule.severity,
        "since": rule.since,
        "platforms": list(rule.platforms),
        "summary": rule.summary,
        "before": {"check": rule.before.check, "params": dict(rule.before.params)}
        if rule.before
        else None,
        "after": {
            "any": list(rule.after.any),
            "unless": list(rule.after.unless),
            "near": list(rule.after.near),
            "role": rule.after.role,
            "decide": rule.after.decide or None,
        }
        if rule.after
        else None,
        "explain": rule.explain,
        "fixes": [
            {"text": f.text, "command": f.command or None, "edit": f.edit, "safe": f.safe}
            for f in rule.fixes
        ],
        "verify": list(rule.verify),
        "references": list(rule.references),
    }


def seen_by(rule: Rule) -> str:
    """Return which commands see this cause: "check", "explain" or both."""
    halves = [name for name, half in (("check", rule.before), ("explain", rule.after)) if half]
    return " and ".join(halves)


def _proof(rule: Rule) -> str:
    from ftdoctor.rulebook.verify import command

    return command(rule.code, rule.verify)


def rule_markdown(rule: Rule) -> str:
    """Return the page of a rule."""
    rows = [
        f"# {rule.code} {rule.name}",
        "",
        f"**{rule.severity}**, seen by {seen_by(rule)}, since {rule.since}"
        + (f", a kind of `{rule.parent}`" if rule.parent else "")
        + (f", on {', '.join(rule.platforms)}" if rule.platforms else ""),
        "",
        rule.summary,
        "",
        rule.explain,
        "",
    ]
    if rule.fixes:
        rows += ["## Fix", ""]
        for fix in rule.fixes:
            rows.append(
                f"- {fix.text}" + (" (safe: `--fix` does it)" if fix.edit and fix.safe else "")
            )
            if fix.command:
                rows += [
                    "",
                    "  ```sh",
                    *(f"  {line}" for line in fix.command.splitlines()),
                    "  ```",
                ]
        rows.append("")
    if proof := _proof(rule):
        rows += ["## Prove the fix", "", "```sh", proof, "```", ""]
    if rule.references:
        rows += ["## References", "", *(f"- {url}" for url in rule.references), ""]
    return "\n".join(rows).rstrip()


def rule_terminal(rule: Rule, *, colour: bool = False) -> str:
    """Return the page of a rule as plain text, its title bold with `colour`."""
    import textwrap

    title = f"{rule.code} {rule.name}"

    def wrap(text: str, indent: str = "") -> str:
        return textwrap.fill(
            text, 96, initial_indent=indent, subsequent_indent=indent, break_long_words=False
        )

    rows = [
        f"\033[1m{title}\033[0m" if colour else title,
        f"{rule.severity}, seen by {seen_by(rule)}"
        + (f", a kind of {rule.parent}" if rule.parent else ""),
        "",
        wrap(rule.summary),
        "",
        wrap(rule.explain),
    ]
    for fix in rule.fixes:
        rows += ["", wrap(f"fix: {fix.text}", "  ")]
        rows += [f"    $ {line}" for line in fix.command.splitlines()]
    if proof := _proof(rule):
        rows += ["", f"  prove the fix:  {proof}"]
    if rule.references:
        rows += ["", *(f"  see {url}" for url in rule.references)]
    return "\n".join(rows)
