"""Tokens of a store with embeddings of their own, which whatever comes behind learns.

It is ``UnitEmbeddings`` for those who have the tokens already: a codec's codes, or what a k-means
or RepCodec made of an encoder's features.

Letters: B batch, T frames, Q codebooks, K codebook size, D width.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from codec_ssl.codecs.extract import CODEBOOK_NAME
from codec_ssl.errors import CheckpointError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.frontend.codebook import read_codebook
from codec_ssl.frontend.codec_units import CodecUnitFrontend
from codec_ssl.tokenizers.base import Tokenizer
from codec_ssl.tokens.store import TokenStore


def embeddings_of(vectors: Tensor, sizes: Sequence[int], width: int) -> CodecUnitFrontend:
    """One embedding for each entry of each codebook, to be summed over codebooks.

    Args:
        vectors: What the entries stand for (Q, K, E), K the largest of ``sizes``.
        sizes: K of each codebook.
        width: D. The embeddings start as the vectors where E is D, else as standard normal
            numbers.
    """
    embeddings = CodecUnitFrontend(
        num_codebooks=len(sizes),
        codebook_size=sizes,
        codebook_dim=width,
        init="random",
        output_dim=None,
        dropout=0.0,
    )
    if vectors.shape[-1] == width:
        rows = [book[:size] for book, size in zip(vectors, sizes, strict=True)]
        with torch.no_grad():
            embeddings.table.copy_(torch.cat(rows))
    return embeddings


class LearntEmbeddings(SpeechEncoder, nn.Module):
    """An encoder that is nothing but ``embeddings_of`` codes; its only layer is 0.

    Attributes:
        embeddings: What is learnt.
    """

    num_layers = 0
    embeddings: CodecUnitFrontend

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return self.embeddings.table.device

    @property
    def learnt(self) -> nn.Module:
        """The embeddings."""
        return self.embeddings

    def codes(self, inputs: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, T, Q) of inputs, and their frames (B,): those that were given."""
        return inputs, lens

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; gradients reach the embeddings."""
        self.check_layers(layers)
        codes, frames = self.codes(inputs, lens)
        vectors, frames = self.embeddings(codes.to(self.device), frames.to(self.device))
        return {0: vectors}, frames


class TokenEmbeddings(LearntEmbeddings):
    """A sum of one embedding a codebook; its only layer is 0.

    Args:
        store: Tokens, whose sizes and frame rate it takes; any store of the same maker will do.
        vectors: What its tokens stand for (Q, K, D): the embeddings start there.
        device: Where to compute.
    """

    input_kind = "codes"

    def __init__(
        self, store: TokenStore, vectors: Tensor, device: str | torch.device = "cpu"
    ) -> None:
        nn.Module.__init__(self)
        maker, self.width = store.meta.maker, vectors.shape[-1]
        self.name, self.frame_rate = f"embeddings of {maker['name']}", store.frame_rate
        made_of = f"tokens {maker['fingerprint']} {self.width}"
        self.fingerprint = hashlib.sha256(made_of.encode()).hexdigest()
        self.embeddings = embeddings_of(vectors, store.meta.sizes, self.width).to(device)

    @classmethod
    def of_codec(cls, store: TokenStore, device: str | torch.device = "cpu") -> "TokenEmbeddings":
        """Of the codes of a codec, which start as its codebooks.

        Raises:
            ConfigError: If the store has no codebook file.
        """
        return cls(store, read_codebook(store.path / CODEBOOK_NAME), device)

    @classmethod
    def of_tokenizer(
        cls, store: TokenStore, tokenizer: Tokenizer, device: str | torch.device = "cpu"
    ) -> "TokenEmbeddings":
        """Of the tokens of a tokenizer, which start as its centroids or codebooks.

        Raises:
            CheckpointError: If something else made the store.
        """
        maker = store.meta.maker
        if maker["fingerprint"] != tokenizer.fingerprint:
            raise CheckpointError(
                f"{store.path}: expected tokens of the {tokenizer.kind}"
                f" {tokenizer.fingerprint[:12]}, found those of {maker['name']}"
                f" {maker['fingerprint'][:12]}",
                stage="codes",
            )
        return cls(store, tokenizer.vectors(), device)
