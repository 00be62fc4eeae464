"""This machine, read without importing torch: packages, GPU and driver, token, Google account."""
