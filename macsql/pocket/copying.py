"""Random weights whose first attention heads already look where copying looks.

An answer is mostly copied: names from the schema, values from the question, for the Refiner the query itself. Random
weights need thousands of steps until their attention finds what follows a word that was just written. Such heads, known
from trained models, can be drawn as they will be needed (the last is an induction head: Olsson et al., In-context
Learning and Induction Heads, 2022; weights drawn in the image of trained ones: Trockman and Kolter, Mimetic
Initialization of Self-Attention Layers, 2023):

    encoder, first layer   head 0 reads the token before and writes which one it was
                           head 1 reads other places of the same token
                           head 2 reads the token two before and writes which one it was
    decoder, first layer   head 0 reads the token before and writes which one it was
    decoder, each layer    head 0 of the attention to the encoder looks for the places before which the last two tokens
                           stand that were written, and writes what stands there

Two tokens, because one of them is often a mark that stands in every name: the _ of net_worth, the sign of a capital
letter. Everything else stays random and all of it is trained.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Of T5's 32 buckets of distances, those of distance 0, of the token before and of the one before that.
SAME, BEFORE, TWO_BEFORE = 0, 1, 2
SURE = 8.0  # a bias that leaves one in thirty to all other places of a prompt of 100 tokens
NOT_ITSELF = -6.0
WRITTEN = 0.2  # strength of what a head writes that reads a token before, beside an embedding
COPIED = 0.3  # strength of what the decoder's copying head writes
SAME_QUERY, SAME_KEY, NEXT_QUERY, NEXT_KEY = 0.25, 0.5, 0.3, 0.5  # their products are a match's score, per dimension


def draw_copying_heads(network: Any, deviation: float) -> None:
    """Draw these heads of a T5ForConditionalGeneration anew, from torch's generator as it stands.

    `deviation` is that of the embeddings: what a layer adds to them is scaled to it, so that they are still seen behind
    it. The network needs three heads in a layer at least.
    """
    import torch

    size, width = network.config.d_kv, network.config.d_model

    def directions() -> "torch.Tensor":
        """[size, width]: as many directions at right angles to each other, the same scale in each."""
        return torch.linalg.qr(torch.randn(max(width, size), max(width, size)))[0][:size, :width]

    first, second, third = slice(0, size), slice(size, 2 * size), slice(2 * size, 3 * size)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith((".o.weight", ".wo.weight")):
                weight.mul_(deviation)
        own = network.encoder.block[0].layer[0].SelfAttention
        written = network.decoder.block[0].layer[0].SelfAttention
        distances = own.relative_attention_bias.weight  # [buckets, heads], of all layers
        distances[:, :3] = 0
        distances[BEFORE, 0], distances[SAME, 1], distances[TWO_BEFORE, 2] = SURE, NOT_ITSELF, SURE
        written.relative_attention_bias.weight[:, 0] = 0
        written.relative_attention_bias.weight[BEFORE, 0] = SURE
        token, told, told_two, told_written, same = (directions() for _ in range(5))
        for attention, head, place in ((own, first, told), (own, third, told_two), (written, first, told_written)):
            attention.v.weight[head], attention.o.weight[:, head] = token, WRITTEN * place.T
        own.q.weight[second], own.k.weight[second] = SAME_QUERY * same, SAME_KEY * same
        turn = torch.linalg.qr(torch.randn(size, size))[0]  # keeps the match of one token apart from that of the other
        for block in network.encoder.block:
            block.layer[0].SelfAttention.q.weight[first] = 0  # its place alone decides
            block.layer[0].SelfAttention.q.weight[third] = 0
        for block in network.decoder.block:
            block.layer[0].SelfAttention.q.weight[first] = 0
            across, copied = block.layer[1].EncDecAttention, directions()
            across.q.weight[first] = NEXT_QUERY * (token + turn @ told_written)
            across.k.weight[first] = NEXT_KEY * (told + turn @ told_two)
            across.v.weight[first], across.o.weight[:, first] = copied, COPIED * copied.T
