import pytest
import torch
from torch import nn

from codec_ssl.nn.ema import EMATeacher


def student():
    torch.manual_seed(0)
    return nn.ModuleDict(
        {"body": nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), "skip": nn.Linear(2, 2)}
    )


def shift(module, by):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(by)


def test_decay_rises_linearly_then_stays_then_freezes():
    teacher = EMATeacher(student())
    assert teacher.decay(15_000) == pytest.approx((0.999 + 0.9999) / 2)
    assert teacher.decay(30_000) == teacher.decay(200_000) == pytest.approx(0.9999)
    assert teacher.decay(200_001) == 1.0


def test_weights_loaded_after_construction_reach_the_teacher():
    model = student()
    teacher = EMATeacher(model)
    shift(model, 1.0)
    teacher.start(model)
    for mine, theirs in zip(teacher.module.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    shift(model, 1.0)
    teacher.start(model)
    assert not torch.equal(teacher.module["skip"].weight, model["skip"].weight)


def test_an_update_is_the_closed_form_average_and_copies_what_it_should():
    model = student()
    teacher = EMATeacher(model, decay=0.9, end_decay=0.5, anneal_updates=2, copied=["skip"])
    teacher.start(model)
    expected = model["body"][0].weight.detach().double().clone()
    for decay in (0.7, 0.5, 0.5):
        shift(model, 1.0)
        teacher.update(model)
        expected = decay * expected + (1 - decay) * model["body"][0].weight.detach().double()
        assert torch.allclose(teacher.module["body"][0].weight.double(), expected, atol=1e-6)
        assert torch.equal(teacher.module["skip"].weight, model["skip"].weight)


def test_a_frozen_teacher_does_not_move():
    model = student()
    teacher = EMATeacher(model, freeze_update=2)
    teacher.update(model)
    before = {n: p.clone() for n, p in teacher.module.named_parameters()}
    shift(model, 1.0)
    teacher.update(model)
    assert all(torch.equal(p, before[n]) for n, p in teacher.module.named_parameters())


def test_the_teacher_stays_in_eval_mode_without_gradient():
    parent = nn.ModuleDict({"teacher": EMATeacher(student())})
    parent.train()
    assert not any(m.training for m in parent["teacher"].modules())
    assert not any(p.requires_grad for p in parent["teacher"].parameters())


def test_a_loaded_teacher_goes_on_where_it_was():
    model = student()
    first, second = (EMATeacher(model, decay=0.5, anneal_updates=10) for _ in range(2))
    for _ in range(3):
        shift(model, 1.0)
        first.update(model)
    second.load_state_dict(first.state_dict())
    assert second.num_updates == 3
    shift(model, 1.0)
    for teacher in (first, second):
        teacher.update(model)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
