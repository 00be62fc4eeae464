"""One training step under fake tensors on the CPU. Needs torch, transformers and peft."""
