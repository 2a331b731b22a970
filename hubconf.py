"""Encoders of this repository for ``torch.hub``, as upstreams of s3prl.

    torch.hub.load("path/of/this/folder", "codec_ssl_local", source="local", ckpt="exp/codec2vec")

For s3prl itself call ``codec_ssl.evaluation.superb.upstream.register()`` once in the process, then
``s3prl.nn.S3PRLUpstream("codec_ssl_local", "exp/codec2vec")``.
"""

from codec_ssl.evaluation.superb.upstream import codec_ssl_local

__all__ = ["codec_ssl_local"]

dependencies = ["codec_ssl", "torch"]
