# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from boxwright.documents import parse_yaml
from boxwright.engine.precision_check import answers_of
from boxwright.model.detector import build
from boxwright.model.spec import read_spec
from boxwright.system import precision
from boxwright.system.precision import Precision, candidates, choose, not_offered
from tests.support.networks import FOCUS, TINY
from tests.support.training import CPU, frozen, loss_of, machines, same_bits, trainer

CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("asked", "device", "has_bf16", "allowed_on_cpu", "expected"),
    [
        ("auto", CPU, True, True, ["bf16", "fp32"]),
        ("auto", CPU, True, False, ["fp32"]),
        ("auto", CPU, False, True, ["fp32"]),
        ("auto", CUDA, True, False, ["bf16", "fp32"]),
        ("auto", CUDA, False, False, ["fp16", "fp32"]),
        ("bf16", CPU, False, False, ["bf16", "fp32"]),
        ("fp16", CUDA, True, False, ["fp16", "fp32"]),
        ("fp16", CPU, True, True, ["fp32"]),
        ("off", CUDA, True, True, ["fp32"]),
        ("fp32", CPU, True, True, ["fp32"]),
    ],
)
def test_the_precisions_to_try_follow_what_was_asked_and_what_the_device_has(
    monkeypatch, asked, device, has_bf16, allowed_on_cpu, expected
):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has_bf16)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bf16)
    assert candidates(asked, device, on_cpu=allowed_on_cpu) == expected


def answering(full: torch.Tensor, mixed: torch.Tensor):
    """A device that says one thing in float32 and another in mixed precision."""
    return lambda how: full if how.name == "fp32" else mixed


SOUND = torch.cat((torch.linspace(-1, 1, 100), torch.tensor([5.0])))  # what was said, and last the norm of the gradient


@pytest.mark.parametrize(
    ("mixed", "reason"),
    [
        (SOUND * torch.nan, "not finite"),
        (torch.cat((SOUND[:-1], torch.tensor([torch.inf]))), "not finite"),
        (torch.cat((-SOUND[:-1], SOUND[-1:])), "agree with float32 to -1.00 only"),
        (torch.cat((torch.zeros(100), SOUND[-1:])), "agree with float32 to nan only"),
        (torch.cat((SOUND[:-1], SOUND[-1:] * 3)), "3.00 times as large"),
        (torch.cat((SOUND[:-1], SOUND[-1:] * 0)), "0.00 times as large"),
    ],
    ids=["nan", "infinite gradient", "reversed", "constant", "large gradient", "no gradient"],
)
@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_device_that_computes_nonsense_trains_in_float32_and_the_note_says_why(name, mixed, reason):
    chosen, note = choose([name, "fp32"], CPU, answering(SOUND, mixed))
    assert chosen.name == "fp32"
    assert f"mixed precision {name} failed its self-test" in note
    assert reason in note


def test_a_device_that_agrees_within_rounding_is_believed_without_a_word():
    noisy = SOUND * (1 + 0.05 * torch.sin(torch.arange(101.0) * 7))
    chosen, note = choose(["bf16", "fp32"], CPU, answering(SOUND, noisy))
    assert (chosen.name, note) == ("bf16", "")


@pytest.mark.parametrize(
    ("asked", "chosen", "note"),
    [
        ("fp16", "fp32", "mixed precision fp16 is not offered on cpu; training in float32"),
        ("bf16", "bf16", ""),
        ("auto", "fp32", ""),
        ("off", "fp32", ""),
    ],
)
def test_nobody_gets_another_precision_than_asked_for_without_a_word(asked, chosen, note):
    assert not_offered(asked, Precision(chosen, CPU)) == note


def test_full_precision_needs_no_second_opinion():
    asked = []
    chosen, note = choose(["fp32"], CPU, lambda how: asked.append(how.name) or SOUND)
    assert (chosen.name, note, asked) == ("fp32", "", ["fp32"])


def test_a_real_network_passes_in_bf16_and_stays_as_it_was():
    made = machines()
    before = frozen(made.detector)
    torch.manual_seed(5)
    chosen, note = choose(["bf16", "fp32"], CPU, answers_of(made.detector, loss_of(made.detector), 32))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))  # the global generator was left alone
    assert (chosen.name, note) == ("bf16", "")
    assert same_bits(before, made.detector.state_dict())
    assert all(parameter.grad is None for parameter in made.detector.parameters())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("text", [TINY, FOCUS], ids=["Conv", "Focus"])
def test_the_test_picture_has_the_channels_of_the_images_whatever_the_first_layer_makes_of_them(text, channels):
    network = build(read_spec(parse_yaml(text, "tiny.yaml"), in_channels=channels))
    chosen, note = choose(["bf16", "fp32"], CPU, answers_of(network, loss_of(network), 32))
    assert (chosen.name, note) == ("bf16", "")


def test_the_self_test_does_not_move_an_automatic_balance():
    network = machines().detector
    loss = loss_of(network)
    loss.rules = replace(loss.rules, autobalance=True)
    before = loss.balance.clone()
    choose(["bf16", "fp32"], CPU, answers_of(network, loss, 32))
    assert torch.equal(loss.balance, before)


def test_a_real_network_whose_kernels_are_wrong_in_bf16_is_caught():
    made = machines()

    def wrong(_module, _inputs, output):
        return output.flip(1) if torch.is_autocast_enabled("cpu") else output

    made.detector.model[3].register_forward_hook(wrong)
    chosen, note = choose(["bf16", "fp32"], CPU, answers_of(made.detector, loss_of(made.detector), 32))
    assert chosen.name == "fp32"
    assert "agree with float32" in note


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_computed_in_the_precision_that_was_chosen(name, dtype):
    layer, images = torch.nn.Conv2d(3, 4, 1), torch.rand(1, 3, 8, 8)
    with Precision(name, CPU).autocast():
        assert layer(images).dtype == dtype


def test_only_fp16_scales_its_loss_and_the_scale_survives_a_restart():
    for name in ("fp32", "bf16"):
        assert not Precision(name, CPU).scaler.is_enabled()
    first = Precision("fp16", CPU)
    weight = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.0)
    first.backward(weight.sum())
    assert torch.equal(weight.grad, torch.full((3,), 65536.0))
    weight.grad[0] = torch.inf
    first.scaler.step(optimizer)
    first.scaler.update()
    second = Precision("fp16", CPU)
    second.restore(first.state())
    assert first.scaler.get_scale() == second.scaler.get_scale() == 32768.0


def test_a_training_in_bf16_learns_what_one_in_float32_learns():
    losses = {}
    for name in ("fp32", "bf16"):
        made = trainer(machines(precision=name))
        made.fit()
        losses[name] = torch.tensor(made.running.means())
    assert torch.allclose(losses["fp32"], losses["bf16"], rtol=0.05)
    assert not torch.equal(losses["fp32"], losses["bf16"])
