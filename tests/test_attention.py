"""Attention by the matrix product that is fast without a matrix unit gives what torch's own gives."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch.nn.functional import scaled_dot_product_attention

from engine.prior import attention
from engine.prior.attention import InPieces, attend, use_pieces
from engine.prior.packed import can_pack

pytestmark = pytest.mark.skipif(not can_pack(), reason="this CPU has no bfloat16 product of oneDNN")


def tokens(spread: float, *, count: int = 2, heads: int = 3, length: int = 700) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(7)
    shape = (count, length, heads, 16)
    made = [torch.randn(shape, generator=draw) for _ in range(3)]
    made[0] *= spread
    made[1] += 2 * torch.randn((1, 1, heads, 16), generator=draw)  # what all keys share changes nothing
    return [one.bfloat16().transpose(1, 2) for one in made]


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0, 20.0], ids="{}".format)
def test_it_is_near_to_the_exact_one_however_far_apart_scores_lie(spread: float) -> None:
    query, key, value = tokens(spread)
    exact = scaled_dot_product_attention(query.double(), key.double(), value.double()).transpose(1, 2)
    with torch.inference_mode():
        made = attend(query, key, value)
    assert made.shape == (2, 700, 3, 16) and made.dtype == torch.bfloat16
    assert (made.double() - exact).std() < 0.008 * exact.std()


def test_heads_whose_scores_may_lie_too_far_apart_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = tokens(1.0)
    query[0, 1] *= 20
    left: list[tuple[int, ...]] = []

    def seen(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        left.append(tuple(query.shape))
        return scaled_dot_product_attention(query, key, value, scale=scale)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", seen)
    exact = scaled_dot_product_attention(query.double(), key.double(), value.double()).transpose(1, 2)
    with torch.inference_mode():
        made = attend(query, key, value)
    assert left == [(1, 1, 700, 16)]
    assert (made.double() - exact).std() < 0.01 * exact.std() and made.isfinite().all()


def layer() -> Attention:
    torch.manual_seed(5)
    return Attention(32, heads=2, dim_head=16, cross_attention_dim=None).bfloat16().eval().requires_grad_(False)


def test_a_layer_uses_it_for_many_tokens_of_its_own_and_gives_the_same() -> None:
    plain, pieces = layer(), layer()
    use_pieces(pieces)
    assert isinstance(pieces.processor, InPieces)
    for length in (attention.FEWEST, 64):
        given = torch.randn(1, length, 32, generator=torch.Generator().manual_seed(2)).bfloat16()
        with torch.inference_mode():
            one, two = plain(given).float(), pieces(given).float()
        assert (one - two).std() < 0.01 * one.std()
        assert torch.equal(one, two) == (length == 64), "few tokens are torch's own"
    use_pieces(pieces, on=False)
    assert type(pieces.processor) is type(plain.processor)


def test_gradients_go_through_it_as_through_the_plain_one() -> None:
    gradients: list[torch.Tensor | None] = []
    for on in (False, True):
        made = layer()
        if on:
            use_pieces(made)
        given = torch.randn(1, attention.FEWEST, 32, generator=torch.Generator().manual_seed(2)).bfloat16()
        given.requires_grad_(True)
        made(given).float().square().sum().backward()
        gradients.append(given.grad)
    first, second = gradients
    assert first is not None and second is not None and torch.equal(first, second) and first.abs().max() > 0
