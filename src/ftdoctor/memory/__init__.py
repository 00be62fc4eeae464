"""GPU memory of a fine-tuning step, predicted before it runs.

`resolve.settings_from` turns plain values into `TrainingSettings`, `closed_form.predict` gives the
peak, `verdict` compares it with a GPU and `advise` searches for the cheapest change that fits.
Nothing here imports torch; `simulate` does, and only when asked.
"""
