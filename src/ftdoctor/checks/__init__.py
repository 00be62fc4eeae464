"""The named checks that a rule's `before` calls. They read a Job and facts; they do no I/O.

A check is a function `(context, **params) -> Iterable[Hit | Unsure]`; nothing yielded means that
all is well. A rule names it as `module.function`, so only the modules that the selected rules
need are imported.
"""
