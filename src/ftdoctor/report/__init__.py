"""One renderer a format. They know findings and nothing else."""
