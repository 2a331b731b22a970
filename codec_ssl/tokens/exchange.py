"""Import and export of tokens in the formats of other toolkits.

========= ===================================================================================
``text``   Kaldi: ``utt_id 12 12 45``, with several codebooks ``utt_id 12,7,3 12,9,1``
``tokens`` RepCodec's ``.tokens`` and fairseq's ``.km``: ``12 12 45``, one line an utterance, one
           codebook; ids in a file of their own (one a line; a Kaldi table will do)
``npz``    NumPy: one file with an array (T, Q) or (T,) an utterance; a folder with one file each
``ark``    Kaldi: ``PATH.ark`` and ``PATH.scp``, needs kaldiio
========= ===================================================================================

Import goes through twice, for ids and for tokens, and holds one shard in memory.

Letters: T frames, Q codebooks, K codebook size.
"""

import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.data.tables import parse_entry
from codec_ssl.errors import TokenError
from codec_ssl.tokens.files import replacing
from codec_ssl.tokens.kaldi_ark import read_ark, write_ark
from codec_ssl.tokens.reader import TokenStore
from codec_ssl.tokens.writer import TokenStoreWriter

FORMATS = ("text", "tokens", "npz", "ark")
Items = Iterator[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Source:
    """Tokens in some format: ids, and as often as wanted all utterances in the order of the ids."""

    utt_ids: list[str]
    items: Callable[[], Items]


def format_codes(codes: np.ndarray) -> str:
    """Codes (T, Q) as text: ``12 12 45``, or ``12,7,3 12,9,1`` if Q > 1."""
    if codes.shape[1] == 1:
        return " ".join(map(str, codes[:, 0].tolist()))
    return " ".join(",".join(map(str, frame)) for frame in codes.tolist())


def parse_codes(text: str, where: str) -> np.ndarray:
    """The inverse of :func:`format_codes`.

    Raises:
        TokenError: If something is not a number, or frames have different numbers of codes.
    """
    frames = text.split()
    commas = frames[0].count(",") if frames else 0
    if any(frame.count(",") != commas for frame in frames):
        raise TokenError(f"{where}: expected {commas + 1} codes in each frame, found other numbers")
    try:
        flat = np.array(",".join(frames).split(",") if frames else [], dtype=np.int64)
    except ValueError as error:
        raise TokenError(f"{where}: expected whole numbers: {error}") from error
    return flat.reshape(-1, commas + 1)


def export_tokens(store: TokenStore, path: str | Path, form: str) -> None:
    """Write a store in another format.

    Args:
        store: The store.
        path: File; for ``ark`` the path without suffix; for ``npz`` a folder unless it ends in
            ``.npz``; for ``tokens`` the ids go to ``PATH.utt_ids``.
        form: One of ``FORMATS``.

    Raises:
        TokenError: If the format cannot hold the store, or the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "text":
        _write_lines(path, (f"{utt} {format_codes(codes)}" for utt, codes in store.items()))
    elif form == "tokens":
        if store.meta.num_codebooks != 1:
            raise TokenError(
                f"{store.path}: expected one codebook for the format 'tokens', found "
                f"{store.meta.num_codebooks}: choose text, npz or ark"
            )
        _write_lines(path, (format_codes(codes) for codes in store.values()))
        _write_lines(_ids_path(path), store)
    elif form == "npz":
        _write_npz(path, store)
    else:
        write_ark(path, store.items())


def open_source(path: str | Path, form: str, utt_ids: str | Path | None = None) -> Source:
    """Open tokens in another format.

    Args:
        path: File or folder; for ``ark`` the ``.ark`` or ``.scp`` file.
        form: One of ``FORMATS``.
        utt_ids: For ``tokens``, the file of ids; ``PATH.utt_ids`` where None.

    Raises:
        TokenError: If the ids cannot be read.
    """
    path = Path(path)
    if form == "text":
        keys = [parse_entry(line, f"{path}:{n}")[0] for n, line in _numbered_lines(path)]
        return Source(keys, lambda: _read_text(path))
    if form == "tokens":
        ids_path = Path(utt_ids) if utt_ids else _ids_path(path)
        keys = [parse_entry(line, f"{ids_path}:{n}")[0] for n, line in _numbered_lines(ids_path)]
        return Source(keys, lambda: _read_tokens(path, keys))
    if form == "npz":
        return _open_npz(path)
    return Source([utt for utt, _ in read_ark(path)], lambda: read_ark(path))


def import_tokens(
    source: Source,
    store_path: str | Path,
    *,
    codebook_size: Sequence[int],
    frame_rate: float,
    sample_rate: int,
    maker: Mapping[str, Any],
    shard_utterances: int = 1000,
) -> TokenStore:
    """Write a store from tokens made elsewhere; goes on where a killed import stopped.

    Args:
        source: The tokens.
        store_path: Folder of the store.
        codebook_size: K of each codebook, or one K for all of them.
        frame_rate: Frames a second.
        sample_rate: Rate in Hz of the audio that the tokens were made from.
        maker: What made them; see :class:`TokenStoreWriter`.
        shard_utterances: Utterances a shard.

    Raises:
        TokenError: If an utterance is empty, repeated, or out of range.
    """
    if not source.utt_ids:
        raise TokenError(f"{store_path}: expected utterances to import, found none")
    sizes = list(codebook_size)
    if len(sizes) == 1:
        sizes *= next(source.items())[1].shape[1]
    writer = TokenStoreWriter(
        store_path,
        utt_ids=source.utt_ids,
        sizes=sizes,
        frame_rate=frame_rate,
        sample_rate=sample_rate,
        maker=maker,
        shard_utterances=shard_utterances,
    )
    pending, items = set(writer.pending()), source.items()
    for shard in range(writer.num_shards):
        part = islice(items, len(writer.shard_utt_ids(shard)))
        if shard in pending:
            writer.write_shard(shard, part)
        else:
            deque(part, maxlen=0)
    if next(items, None) is not None:
        raise TokenError(f"{store_path}: expected {len(source.utt_ids)} utterances, found more")
    return writer.finalize()


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with replacing(path) as file:
        file.writelines(f"{line}\n".encode() for line in lines)


def _read_text(path: Path) -> Items:
    for number, line in _numbered_lines(path):
        where = f"{path}:{number}"
        utt_id, value = parse_entry(line, where)
        yield utt_id, parse_codes(value, where)


def _read_tokens(path: Path, utt_ids: Sequence[str]) -> Items:
    count = 0
    for count, line in _numbered_lines(path):
        if count <= len(utt_ids):
            yield utt_ids[count - 1], parse_codes(line, f"{path}:{count}")
    if count != len(utt_ids):
        raise TokenError(f"{path}: expected a line for each of {len(utt_ids)} ids, found {count}")


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines from 1 on without their newline; labels of 960 h are too long to be read at once."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path}: cannot be read: {error}") from error


def _ids_path(path: Path) -> Path:
    return path.with_name(path.name + ".utt_ids")


def _write_npz(path: Path, store: TokenStore) -> None:
    dtype = np.min_scalar_type(max(store.meta.sizes) - 1)
    arrays = ((utt, codes.astype(dtype)) for utt, codes in store.items())
    if path.suffix == ".npz":
        with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for utt_id, codes in arrays:
                with archive.open(f"{utt_id}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, codes, allow_pickle=False)
        return
    path.mkdir(exist_ok=True)
    for utt_id, codes in arrays:
        if "/" in utt_id:
            raise TokenError(f"{path}: expected ids without '/' for files, found {utt_id!r}")
        with replacing(path / f"{utt_id}.npz", sync=False) as file:
            np.savez_compressed(file, codes=codes)


def _open_npz(path: Path) -> Source:
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        return Source([file.stem for file in files], lambda: _read_npz_files(files))
    return Source([utt for utt, _ in _read_npz(path)], lambda: _read_npz(path))


def _read_npz_files(files: Sequence[Path]) -> Items:
    for file in files:
        arrays = list(_read_npz(file))
        if len(arrays) != 1:
            raise TokenError(f"{file}: expected one array, found {len(arrays)}")
        yield file.stem, arrays[0][1]


def _read_npz(path: Path) -> Items:
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                codes = archive[name]
                if codes.ndim not in {1, 2} or codes.dtype.kind not in "iu":
                    raise TokenError(
                        f"{path}: {name}: expected integers (T, Q) or (T,), found {codes.dtype} "
                        f"{codes.shape}"
                    )
                yield name, codes.astype(np.int64).reshape(len(codes), -1)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TokenError(f"{path}: cannot be read as npz: {error}") from error
