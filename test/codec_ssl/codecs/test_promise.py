"""An utterance gets the same codes alone, in any batch, and in chunks of a long file."""

import os

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from codec_ssl.data.audio import read_audio, stream_audio

KINDS = ["dac_16k", "dac_24k", "dac_44k", "encodec_24k", "encodec_16k", "encodec_48k"]
# Shorter than a frame, around frame and segment boundaries, and of no particular length.
LENGTHS = [1, 37, 320, 321, 1000, 2561, 7777, 20001]


def in_pieces(wav, size=997):
    return [wav[i : i + size] for i in range(0, len(wav), size)]


def mismatches(codec, wavs, chunk_seconds):
    """Codes that differ from those of the utterance alone: in a batch, in chunks; and how many."""
    batch = pad_sequence([torch.from_numpy(w) for w in wavs], batch_first=True)
    batched, lens = codec.encode(batch, torch.tensor([len(w) for w in wavs]))
    differ = total = 0
    for wav, row, length in zip(wavs, batched, lens, strict=True):
        alone, alone_length = codec.encode(torch.from_numpy(wav)[None])
        assert alone_length.tolist() == [length] == [codec.num_frames(len(wav))]
        assert (row[length:] == 0).all()
        chunked = torch.cat(list(codec.encode_stream(in_pieces(wav), chunk_seconds)))
        assert chunked.shape == alone[0].shape
        differ += int((row[:length] != alone[0]).sum() + (chunked != alone[0]).sum())
        total += 2 * alone.numel()
    return differ, total


@pytest.mark.parametrize("kind", KINDS)
def test_same_latents_alone_batched_and_chunked(codecs, make_signal, kind):
    codec = codecs[kind]
    extra = [47_520, 47_521, 48_000, 100_001] if kind == "encodec_48k" else []
    wavs = [make_signal(n, seed=n) for n in LENGTHS + extra]
    batch = pad_sequence([torch.from_numpy(w) for w in wavs], batch_first=True)
    batched, lens = codec.latent(batch, torch.tensor([len(w) for w in wavs]))
    for wav, row, length in zip(wavs, batched, lens, strict=True):
        alone = codec.latent(torch.from_numpy(wav)[None])[0][0]
        torch.testing.assert_close(row[:length], alone, rtol=1e-4, atol=1e-5)
        blocks = (torch.from_numpy(piece)[None, None] for piece in in_pieces(wav))
        with torch.no_grad():
            pieces = list(codec._latent_stream(blocks, 3 * codec.hop_length))
        assert len(wav) < 20_000 or len(pieces) > 1 or kind == "encodec_48k"
        chunked = torch.cat(pieces, dim=-1)[0].t()
        torch.testing.assert_close(chunked, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_same_codes_alone_batched_and_chunked(codecs, make_signal, kind):
    wavs = [make_signal(n, seed=n) for n in LENGTHS]
    differ, total = mismatches(codecs[kind], wavs, chunk_seconds=0.1)
    # What may remain is the rounding of float sums at a tie.
    assert differ <= 1e-3 * total


@pytest.mark.parametrize("kind", KINDS)
def test_same_codes_on_recordings_of_all_rates(codecs, real_recordings, kind):
    codec = codecs[kind]
    wavs = [read_audio(paths[0], codec.sample_rate)[0] for paths in real_recordings.values()]
    differ, total = mismatches(codec, wavs, chunk_seconds=0.3)
    assert differ <= 1e-3 * total


def test_neighbours_in_a_batch_do_not_matter(codecs, make_signal):
    codec = codecs["encodec_24k"]
    wav = torch.from_numpy(make_signal(5000))
    loud = torch.full((1, 20_000), 0.9)
    batch = torch.cat([torch.nn.functional.pad(wav, (0, 15_000))[None], loud])
    batch[0, 5000:] = 7.0  # rubbish behind the end must not be read
    codes, lens = codec.encode(batch, torch.tensor([5000, 20_000]))
    alone, _ = codec.encode(wav[None])
    assert torch.equal(codes[0, : lens[0]], alone[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dac_16k", "encodec_24k"])
def test_memory_does_not_grow_with_the_length_of_a_file(codecs, make_signal, kind):
    codec = codecs[kind]
    seconds = 600
    second = make_signal(codec.sample_rate)
    resident, frames = [], 0
    for codes in codec.encode_stream((second for _ in range(seconds)), chunk_seconds=5):
        frames += len(codes)
        resident.append(_resident_bytes())
    assert frames == codec.num_frames(seconds * codec.sample_rate)
    # A whole pass would hold over a gigabyte of activations.
    assert max(resident) - resident[3] < 40e6


def _resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_streamed_file_gives_the_codes_of_the_file_read_whole(codecs, real_recordings):
    codec = codecs["dac_16k"]
    for paths in real_recordings.values():
        whole = torch.from_numpy(read_audio(paths[0], codec.sample_rate)[0])
        blocks = stream_audio(paths[0], codec.sample_rate, 4000)
        streamed = torch.cat(list(codec.encode_stream(blocks, chunk_seconds=0.3)))
        expected = codec.encode(whole[None])[0][0]
        assert streamed.shape == expected.shape
        assert (streamed != expected).float().mean() < 1e-3


def test_an_empty_stream_is_refused(codecs):
    with pytest.raises(Exception, match="no samples"):
        list(codecs["dac_16k"].encode_stream(iter([np.zeros(0, np.float32)])))
