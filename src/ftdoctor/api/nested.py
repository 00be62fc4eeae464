def check_nested(check, call, path, items) -> None:
    pass
