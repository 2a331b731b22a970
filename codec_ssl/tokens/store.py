"""The token store: packed token sequences in a folder, with what made them.

==========================  =====================================================================
``shard-00000.safetensors``  ``data`` packed utterances, each starting at a byte; ``num_frames``
                             and ``ids`` of them; in its metadata the plan, and why utterances
                             were skipped
``index.safetensors``        ids, frame counts and a hash table from id to position
``meta.json``                maker, sizes, rates, counts, checksums, histogram; written last
==========================  =====================================================================

    >>> writer = TokenStoreWriter("dump/train", utt_ids=ids, sizes=[1024] * 12, frame_rate=50,
    ...                           sample_rate=16000, maker=maker)  # doctest: +SKIP
    >>> for shard in writer.pending():  # doctest: +SKIP
    ...     writer.write_shard(shard, ((utt, encode(utt)) for utt in writer.shard_utt_ids(shard)))
    >>> store = writer.finalize()  # doctest: +SKIP
    >>> store["1034-121119-0005"].shape  # doctest: +SKIP
    (611, 12)
"""

from codec_ssl.tokens.index import UnknownUtterance
from codec_ssl.tokens.meta import ShardMeta, StoreMeta
from codec_ssl.tokens.reader import TokenStore
from codec_ssl.tokens.writer import TokenStoreWriter

__all__ = ["ShardMeta", "StoreMeta", "TokenStore", "TokenStoreWriter", "UnknownUtterance"]
