"""What trl, transformers, peft, ... accept, release by release, and how a script fits the release
that will run it. Everything is read from tables (`rules/tables/api`); none of the packages is
imported. The entry points:

- `ftdoctor.api.lint.lint(source, path, versions)`
- `ftdoctor.api.migrate.migrate(source, path, old, new)`
- `ftdoctor.api.explain.explain_unexpected_keyword`, `explain_missing_import`
- `ftdoctor.api.cli.check_flags`, `check_command`; `ftdoctor.api.parser_args.check_script_flags`
- `ftdoctor.api.resolver.companions` (releases that fit the given ones, then or today)
- `ftdoctor.api.view.describe`
"""
