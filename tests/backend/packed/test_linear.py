"""The replaced linear layers give the answers of the plain ones."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForTokenClassification, GPT2Config, GPT2ForTokenClassification

from vtag.backend.packed.linear import Int8Linear, LastQuantized, PackedLinear, packed, prepare, to_int8
from vtag.backend.packed.shapes import TOKENS_PER_OCTAVE, rounded
from vtag.errors import SettingError
from vtag.system.int8 import saturates

pytestmark = pytest.mark.kernels


def relative(got: torch.Tensor, want: torch.Tensor) -> float:
    return float((got.float() - want.float()).abs().max() / want.float().abs().max())


def bert() -> BertForTokenClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, num_labels=5
    )
    return BertForTokenClassification(config).eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tokens", [1, 3, 64, 300])
@torch.inference_mode()
def test_packed_weights_change_nothing_but_the_order_of_sums(tokens: int, bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(100, 36, bias=bias)
    x = torch.randn(2, tokens, 100)
    layer = packed(linear)
    assert type(layer) is PackedLinear
    assert relative(layer(x), linear(x)) < 1e-5
    linear, x = linear.bfloat16(), x.bfloat16()
    assert relative(packed(linear)(x), linear(x)) < 1e-2


@torch.inference_mode()
def test_products_have_few_sizes_whatever_the_groups_have(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = packed(nn.Linear(100, 36)), torch.randn(40, 25, 100)
    assert layer(x[:0]).shape == (0, 25, 36)
    product, seen = torch.ops.mkldnn._linear_pointwise, set()

    def counted(given: torch.Tensor, *rest: object) -> torch.Tensor:
        seen.add(given.numel() // 100)
        return product(given, *rest)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", counted)
    for texts in range(1, 41):
        for length in (24, 25):
            assert layer(x[:texts, :length]).shape == (texts, length, 36)
    assert all(size == rounded(size, TOKENS_PER_OCTAVE) for size in seen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_int8_scales_tokens_and_channels_each_by_their_own_range(bias: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(96, 40, bias=bias)
    linear.weight *= torch.logspace(-3, 3, 40)[:, None]
    x = torch.randn(1, 50, 96) * torch.logspace(-3, 3, 50)[:, None]
    int8 = Int8Linear(linear.to(dtype), linear, LastQuantized())
    for _ in range(3):
        want = linear.to(torch.float32)(x)
        error = (int8(x.to(dtype)).float() - want).abs()
        size = x.norm(dim=-1, keepdim=True) * linear.weight.norm(dim=1)
        # Activations are rounded to 8 bits, weights to 7 at the least. A CPU without bf16 rounds the product to bf16,
        # and once more the sum with the bias; half an eps is what one rounding takes.
        again = torch.finfo(dtype).eps / 2 if bias else 0
        assert float((error / (size + want.abs())).max()) < (7.5e-3 if saturates() else 5e-3) + again


@torch.inference_mode()
def test_int8_takes_activations_that_do_not_lie_in_a_row() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(16, 8)
    x = torch.randn(16, 5).t()[None]
    assert relative(Int8Linear(linear, linear, LastQuantized())(x), linear(x)) < 3e-2


@torch.inference_mode()
def test_int8_gives_the_same_bits_whatever_the_parts() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(32, 24).bfloat16(), torch.randn(1, 1000, 32).bfloat16()
    int8 = Int8Linear(linear, linear, LastQuantized())
    assert int8.step > 1000
    whole = int8(x)
    int8.step = 64
    assert torch.equal(int8(x), whole)


@torch.inference_mode()
def test_activations_are_quantised_once_for_siblings_and_again_for_others() -> None:
    last, one, other = LastQuantized(), 1, 2
    x = torch.randn(3, 16)
    first = last.get(x, one)
    assert last.get(x, one) is first
    assert last.get(x, other) is not first
    x_changed = x.clone()
    assert last.get(x_changed, other)[0] is not first[0]


@pytest.mark.parametrize(("int8", "within"), [(False, 1e-5), (True, 0.05)])
@torch.inference_mode()
def test_a_prepared_model_answers_as_before_and_keeps_its_head(int8: bool, within: float) -> None:
    model = bert()
    ids = torch.randint(1, 50, (3, 9))
    prepared = copy.deepcopy(model)
    prepare(prepared, int8=int8)
    assert type(prepared.classifier) is nn.Linear
    assert not any(type(m) is nn.Linear for m in prepared.bert.modules())
    assert relative(prepared(ids).logits, model(ids).logits) < within


def test_a_layer_that_stands_in_two_places_stays_one() -> None:
    model = bert()
    shared = model.bert.encoder.layer[0].intermediate.dense
    model.bert.encoder.layer[1].intermediate.dense = shared
    prepare(model)
    one, two = (layer.intermediate.dense for layer in model.bert.encoder.layer)
    assert one is two


def test_dtypes_that_onednn_does_not_take_keep_their_layers() -> None:
    model = bert().to(torch.float16)
    prepare(model)
    assert type(model.bert.encoder.layer[0].output.dense) is nn.Linear


def test_int8_says_so_where_it_would_do_nothing() -> None:
    config = GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2)
    with pytest.raises(SettingError, match="gpt2 models have no layer that runs in int8"):
        prepare(GPT2ForTokenClassification(config), int8=True)


@pytest.mark.parametrize("inputs", [1, 2, 7, 64])
def test_two_weights_side_by_side_are_limited_together_and_lie_as_near_as_one_limit_allows(inputs: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(50, inputs)
    each, each_scale = to_int8(weight, pairwise=False)
    assert int(each.abs().max()) == 127
    assert bool((each * each_scale - weight).abs().le(each_scale * 0.5001).all())
    pairs, scale = to_int8(weight, pairwise=True)
    assert bool((pairs * scale - weight).abs().le(scale * 0.5001).all())
    wide = nn.functional.pad(pairs.int(), (0, inputs % 2)).unflatten(1, (-1, 2))
    for sign in (1, -1):
        together = (sign * wide).clamp(min=0).sum(2)
        assert int(together.max()) <= 128
    # Never a whole bit less than a limit for each.
    assert bool((scale <= 2.0001 * each_scale).all())
    assert bool((scale >= each_scale).all())


@torch.inference_mode()
def test_int8_multiplies_without_an_error_of_its_own() -> None:
    """Beyond the rounding of weights and activations: nothing saturates, whatever the signs and the place."""
    torch.manual_seed(0)
    for inputs, outputs, tokens in [(95, 40, 1), (64, 64, 3), (98, 33, 40), (384, 200, 500)]:
        linear = nn.Linear(inputs, outputs, bias=False)
        linear.weight.copy_(torch.randn(outputs, inputs))
        linear.weight[0], linear.weight[1] = 1, -1
        int8 = Int8Linear(linear, linear, LastQuantized())
        for x in (torch.randn(tokens, inputs), torch.ones(tokens, inputs), -torch.ones(tokens, inputs)):
            rounded, scales = LastQuantized().get(x, 0)
            exact = (rounded.double() * scales) @ (int8.weights.int8.double() * int8.weights.scales.t())
            torch.testing.assert_close(int8(x).double(), exact, rtol=1e-5, atol=1e-4 * float(exact.abs().max()))
