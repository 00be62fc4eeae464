def check_traps(script) -> None:
    pass
