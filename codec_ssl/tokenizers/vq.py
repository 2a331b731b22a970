"""The plain VQ baseline of the RepCodec paper (arXiv 2309.00169, 4.1): a quantizer, nothing else.

Nothing in it has a gradient: the codebooks follow the features by moving averages.
"""

from codec_ssl.tokenizers.learned import LearnedTokenizer, RepresentationCodec, VQOptions


class VQ(LearnedTokenizer):
    """Nearest codebook entry; with several codebooks, of what the ones before left over."""

    kind = "vq"
    options_class = VQOptions

    @staticmethod
    def build(options: VQOptions) -> RepresentationCodec:
        """See ``LearnedTokenizer.build``."""
        return RepresentationCodec(options)
