"""What the world says: each fact is a value, or Unknown with the reason."""
