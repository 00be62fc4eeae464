"""ftdoctor: says what would fail in a fine-tuning job, and why one failed."""

__version__ = "0.1.0"
