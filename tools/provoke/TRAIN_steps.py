"""Steps that fail or teach nothing."""

from __future__ import annotations

from tiny import arguments, case, lora, model, trainer


@case("FT-TRAIN-002")
def everything_frozen() -> None:
    made = model()
    for weight in made.parameters():
        weight.requires_grad = False
    trainer(model=made).train()


@case("FT-TRAIN-002")
def checkpointing_without_input_grads() -> None:
    from peft import get_peft_model

    made = get_peft_model(model(), lora())
    trainer(
        model=made,
        args=arguments(
            gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": True}
        ),
    ).train()


@case("FT-TRAIN-003", quiet=True)
def learning_rate_far_too_high() -> None:
    trainer(args=arguments(learning_rate=1e6, max_steps=12, max_grad_norm=0)).train()


@case("FT-TRAIN-003", quiet=True)
def weights_not_a_number() -> None:
    import torch

    made = model()
    with torch.no_grad():
        made.lm_head.weight[0, 0] = float("nan")
    trainer(model=made, args=arguments(max_steps=6)).train()


@case("FT-TRAIN-201")
def sampling_from_nan() -> None:
    import torch

    made = model()
    with torch.no_grad():
        made.lm_head.weight.fill_(float("nan"))
    made.generate(input_ids=torch.tensor([[3, 4]]), do_sample=True, max_new_tokens=2)


@case("FT-TRAIN-005")
def block_differs_when_recomputed() -> None:
    import torch
    from torch.utils.checkpoint import checkpoint

    calls: list[int] = []

    def block(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return (x[:, : 4 + len(calls)] ** 2).sum()

    checkpoint(block, torch.ones((2, 9), requires_grad=True), use_reentrant=False).backward()


@case("FT-TRAIN-005")
def fewer_tensors_when_recomputed() -> None:
    import torch
    from torch.utils.checkpoint import checkpoint

    calls: list[int] = []

    def block(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return (x**2).sum() if len(calls) == 1 else x.sum() * 2

    checkpoint(block, torch.ones((2, 9), requires_grad=True), use_reentrant=False).backward()
