"""What is trained of a network, and the small delta that is stored of it.

A delta names weights of the network and what is added to each: `NAME.down` and `NAME.up` with `NAME.alpha` are two
LoRA matrices, `NAME.diff` is the difference itself, `NAME.rows` with `NAME.rows_at` are some rows of it. Whatever the
recipe trained, applying it is adding; so strength is a factor and nothing is slower afterwards.

A network is never changed here: a copy shares every weight with it that is not trained or added to.
"""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import EngineError
from engine.tuning.recipe import NAMED_PARTS, Pivot

ADAPTER = "person"
LAYERS = (nn.Linear, nn.Conv2d)
"""What LoRA matrices can stand beside."""

Delta = dict[str, Tensor]


class NoSuchPart(EngineError):
    """No layer of a network has a name that was asked for."""


class BadDelta(EngineError):
    """A stored delta does not belong to this network."""


def patterns_of(targets: Iterable[str]) -> tuple[str, ...]:
    """Give the patterns that targets stand for; see `recipe.NAMED_PARTS`."""
    return tuple(chain.from_iterable(NAMED_PARTS.get(target, (target,)) for target in targets))


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Say whether a layer's name ends in one of some patterns, or is like it when that holds a `*`."""
    return any(
        fnmatch.fnmatchcase(name, pattern) if "*" in pattern else f".{name}".endswith(f".{pattern}")
        for pattern in patterns
    )


def layers_for_lora(network: nn.Module, targets: Iterable[str]) -> list[str]:
    """Give the names of the linear and convolutional layers that targets mean.

    Raises:
        NoSuchPart: there are none.
    """
    patterns = patterns_of(targets)
    found = [name for name, layer in network.named_modules() if isinstance(layer, LAYERS) and matches(name, patterns)]
    return found or _none(network, targets)


def weights_for_full(network: nn.Module, targets: Iterable[str]) -> list[str]:
    """Give the names of the weights in the layers that targets mean. Raises as `layers_for_lora`."""
    patterns = patterns_of(targets)
    found = [
        name
        for name, _ in network.named_parameters()
        if matches(name.rpartition(".")[0], patterns) or matches(name, patterns)
    ]
    return found or _none(network, targets)


def _none(network: nn.Module, targets: Iterable[str]) -> list[str]:
    known = sorted({name.rpartition(".")[2] for name, layer in network.named_modules() if isinstance(layer, LAYERS)})
    raise NoSuchPart(
        f"No layer is named {' or '.join(map(repr, targets))}. Use one of {', '.join(NAMED_PARTS)}, a pattern with *, "
        f"or an end such as {', '.join(k for k in known if not k.isdigit())}."
    )


def shared_copy(network: nn.Module) -> nn.Module:
    """Give a copy with layers of its own and the very weights of the network: nothing is held in memory twice."""
    memo: dict[int, Any] = {id(t): t for t in chain(network.parameters(), network.buffers())}
    return copy.deepcopy(network, memo)


def trainable(network: nn.Module, pivot: Pivot) -> nn.Module:
    """Give a copy in which the pivot's part alone can be trained; so far it does what the network does.

    Raises:
        NoSuchPart: no layer has a name that the pivot asks for.
    """
    made = shared_copy(network)
    if pivot.method == "lora":
        return _with_lora(made, pivot.rank, pivot.alpha, layers_for_lora(network, pivot.targets))
    for name in weights_for_full(network, pivot.targets):
        # In half precision the small changes of a step would be lost.
        whole = made.get_parameter(name).detach().to(torch.float32, copy=True)
        set_weight(made, name, nn.Parameter(whole))
    return made


def with_text_lora(network: nn.Module, pivot: Pivot) -> nn.Module:
    """Give a copy of a text encoder with LoRA matrices beside its attention."""
    names = layers_for_lora(network, ("q_proj", "k_proj", "v_proj", "out_proj"))
    return _with_lora(shared_copy(network), pivot.rank, pivot.alpha, names)


def _with_lora(made: nn.Module, rank: int, alpha: float, names: list[str]) -> nn.Module:
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, lora_dropout=0.0)  # pyright: ignore[reportArgumentType]
    # peft marks all else as not to be trained; those weights are shared, and are so marked already.
    return inject_adapter_in_model(config, made, adapter_name=ADAPTER)


def trained_of(made: nn.Module, base: nn.Module) -> dict[str, nn.Parameter]:
    """Give what of a copy is its own, by name: that is what is trained."""
    shared = {id(p) for p in base.parameters()}
    return {name: p for name, p in made.named_parameters() if id(p) not in shared}


def set_weight(network: nn.Module, name: str, weight: nn.Parameter) -> None:
    """Put a weight into a network in place of the one of that name."""
    layer, _, last = name.rpartition(".")
    setattr(network.get_submodule(layer), last, weight)


def delta_of(made: nn.Module, base: nn.Module, pivot: Pivot) -> Delta:
    """Give what a trained copy adds to its network, on the CPU in float32."""
    trained = trained_of(made, base)
    delta: Delta = {}
    for name, weight in trained.items():
        value = weight.detach().float().cpu()
        if ".lora_A." in name:
            delta[f"{name.partition('.lora_A.')[0]}.weight.down"] = value
        elif ".lora_B." in name:
            layer = name.partition(".lora_B.")[0]
            delta[f"{layer}.weight.up"] = value
            delta[f"{layer}.weight.alpha"] = torch.tensor(float(pivot.alpha))
        else:
            difference = value - base.get_parameter(name).detach().float().cpu()
            delta.update(stored_difference(name, difference, pivot.store_rank))
    return delta


def stored_difference(name: str, difference: Tensor, rank: int) -> Delta:
    """Give a difference as it is stored: whole, or as two matrices of a rank where that is smaller."""
    rows, columns = difference.shape[0], difference[0].numel()
    if rank == 0 or difference.dim() < 2 or rank * (rows + columns) >= rows * columns:
        return {f"{name}.diff": difference}
    u, s, v = torch.linalg.svd(difference.reshape(rows, columns), full_matrices=False)
    root = s[:rank].sqrt()
    up, down = u[:, :rank] * root, root[:, None] * v[:rank]
    if difference.dim() == 4:
        up, down = up[..., None, None], down.reshape(rank, *difference.shape[1:])
    return {f"{name}.down": down, f"{name}.up": up, f"{name}.alpha": torch.tensor(float(rank))}


def load_delta(made: nn.Module, base: nn.Module, delta: Mapping[str, Tensor]) -> None:
    """Put a stored delta into a copy made by `trainable`, so that its training goes on from there.

    Raises:
        BadDelta: it was made by a pivot that trains something else.
    """
    with torch.no_grad():
        for name, weight in trained_of(made, base).items():
            layer = name.partition(".lora_")[0]
            key = f"{layer}.weight.{'down' if '.lora_A.' in name else 'up'}" if layer != name else f"{name}.diff"
            if key in delta and delta[key].shape == weight.shape:
                held = delta[key].to(weight)
                weight.copy_(held if layer != name else base.get_parameter(name) + held)
            elif layer == name and f"{name}.down" in delta:
                weight.copy_(base.get_parameter(name) + added(delta, name).to(weight))
            else:
                raise BadDelta(f"The tuned model holds nothing for {name}. It can only go on with the recipe it had.")


def weights_named(delta: Mapping[str, Tensor]) -> list[str]:
    """Give the names of the weights that a delta adds to."""
    return sorted({name.rpartition(".")[0] for name in delta})


def added(delta: Mapping[str, Tensor], name: str) -> Tensor:
    """Give what a delta adds to a weight, whole, in float32; of rows, those rows alone.

    Raises:
        BadDelta: a half of it is missing, or its shapes do not belong together.
    """
    try:
        for kind in ("diff", "rows"):
            if f"{name}.{kind}" in delta:
                return delta[f"{name}.{kind}"].float()
        down, up, alpha = (delta[f"{name}.{part}"].float() for part in ("down", "up", "alpha"))
        rank = down.shape[0]
        product = up.reshape(up.shape[0], rank) @ down.reshape(rank, -1)
    except (KeyError, RuntimeError) as error:
        raise BadDelta(f"The tuned model's part {name} is not whole. Personalize the person again.") from error
    return (product * (alpha / rank)).reshape(up.shape[0], *down.shape[1:])


def with_delta(network: nn.Module, delta: Mapping[str, Tensor], strength: float) -> nn.Module:
    """Give a copy of a network with a delta added, `strength` times; the rest of its weights is shared.

    Raises:
        BadDelta: it names weights that the network does not have, or of other shapes.
    """
    made = shared_copy(network)
    known = dict(network.named_parameters())
    for name in weights_named(delta):
        if name not in known:
            raise BadDelta(f"The tuned model does not fit this prior: it has no {name}. Personalize the person again.")
        base = known[name].detach()
        more = added(delta, name).to(base.device) * strength
        whole = base.float().clone()
        try:
            if f"{name}.rows" in delta:
                whole[delta[f"{name}.rows_at"].to(base.device)] += more
            else:
                whole += more.reshape(base.shape) if more.numel() == base.numel() else more
        except (RuntimeError, IndexError) as error:
            raise BadDelta(
                f"The tuned model does not fit this prior: {name} is {tuple(base.shape)} and not {tuple(more.shape)}. "
                "Personalize the person again."
            ) from error
        kept = torch.empty_like(base).copy_(whole)  # in the network's precision and memory format
        set_weight(made, name, nn.Parameter(kept, requires_grad=False))
    return made


def token_rows(text: Any, prompt: str, class_prompt: str) -> list[int]:
    """Give the rows of a text encoder's embedding that one prompt reads and the other does not.

    Found by what a gradient reaches, so that any tokenizer will do.
    """
    rows: list[set[int]] = []
    for said in (prompt, class_prompt):
        tower = shared_copy(text)
        name = embedding_name(tower)
        weight = nn.Parameter(tower.get_parameter(name).detach().clone())
        set_weight(tower, name, weight)
        whole: Any = tower
        # Squared: the sum over a normalised width has no gradient.
        whole.encode([said]).float().pow(2).sum().backward()
        reached = weight.grad if weight.grad is not None else torch.zeros_like(weight)
        rows.append(set(reached.abs().sum(1).nonzero().flatten().tolist()))
    return sorted(rows[0] - rows[1])


def embedding_name(text: nn.Module) -> str:
    """Give the name of the table of a text encoder's token embeddings: its largest embedding.

    Raises:
        NoSuchPart: it has none.
    """
    tables = [(layer.num_embeddings, name) for name, layer in text.named_modules() if isinstance(layer, nn.Embedding)]
    if not tables:
        raise NoSuchPart("This prior's text encoder has no table of tokens. Choose text_encoder frozen in the recipe.")
    return f"{max(tables)[1]}.weight"
