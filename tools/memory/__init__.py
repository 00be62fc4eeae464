"""Tools that make and check the memory tables."""
