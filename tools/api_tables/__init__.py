"""Reads the API of released packages from their wheels, never importing them.

`python -m tools.api_tables refresh` downloads what is new and rewrites `rules/tables/api/`.
"""
