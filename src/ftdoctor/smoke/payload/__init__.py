"""What a smoke run really runs, in the job's own image.

Nothing here imports ftdoctor: `ftdoctor.smoke.bundle` joins these modules to one file, which any
Python from 3.9 on runs. Imports among them are relative, and torch and its friends are imported
where they are used, so that a stage can fail on them.
"""
