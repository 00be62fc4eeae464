"""The platforms that run jobs, behind one small interface."""
