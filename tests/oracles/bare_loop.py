# SPDX-License-Identifier: Apache-2.0
"""The textbook training: one function, two nested loops, plain torch. Network, loss and batches are given."""

from __future__ import annotations

import numpy as np
import torch

from tests.oracles.loop_ema import LoopEma

CLASSES = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW, "RMSProp": torch.optim.RMSprop}


def optimizer_of(network, kind, momentum, weight_decay, **kernel):
    """Three groups: biases, weights of norms, all other weights; the last alone decay."""
    biases, still, weights = [], [], []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if name == "bias":
                biases.append(parameter)
            elif isinstance(module, torch.nn.BatchNorm2d):
                still.append(parameter)
            else:
                weights.append(parameter)
    groups = [{"params": biases}, {"params": weights, "weight_decay": weight_decay}, {"params": still}]
    if kind in {"SGD", "RMSProp"}:
        extra = {"nesterov": True} if kind == "SGD" else {}
        return CLASSES[kind](groups, lr=0.0, momentum=momentum, weight_decay=0.0, **extra, **kernel)
    return CLASSES[kind](groups, lr=0.0, betas=(momentum, 0.999), weight_decay=0.0, **kernel)


def train(network, loss, batches, batches_per_epoch, plan, *, kind, weight_decay, clip_norm, **kernel):
    """Train by `plan` (epochs, lr0, lrf, warm-up, nominal batch).

    Returns the average and, per optimizer step, the batch number.
    """
    optimizer = optimizer_of(network, kind, plan.momentum, weight_decay, **kernel)
    average, steps, last_step = LoopEma(network), [], -1
    warm = max(round(plan.warmup_epochs * batches_per_epoch), plan.warmup_min_batches)
    rates, momentum, accumulate = [plan.lr0] * 3, plan.momentum, 1
    network.train()
    for epoch in range(plan.epochs):
        level = plan.lr0 * ((1 - epoch / plan.epochs) * (1 - plan.lrf) + plan.lrf)
        optimizer.zero_grad()
        for i, batch in enumerate(batches(epoch, 0)):
            number = i + epoch * batches_per_epoch
            per_step = plan.nominal_batch / len(batch)
            if number <= warm:
                accumulate = max(1, round(np.interp(number, [0, warm], [1, per_step])))
                rates = [
                    np.interp(number, [0, warm], [plan.warmup_bias_lr if group == 0 else 0.0, level])
                    for group in range(3)
                ]
                momentum = np.interp(number, [0, warm], [plan.warmup_momentum, plan.momentum])
            images = (batch.images.float() / 255).contiguous(memory_format=torch.channels_last)
            loss(network(images), batch.targets).total.backward()  # summed until the next step, never divided
            if number - last_step >= accumulate:
                torch.nn.utils.clip_grad_norm_(
                    [p for group in optimizer.param_groups for p in group["params"]], clip_norm
                )
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate
                    if "momentum" in group:
                        group["momentum"] = momentum
                optimizer.step()
                optimizer.zero_grad()
                average.update(network)
                last_step = number
                steps.append(number)
        rates = [level] * 3  # what the next epoch runs at, unless the warm-up says otherwise
    return average, steps
