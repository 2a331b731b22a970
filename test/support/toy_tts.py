"""Small synthesis models and batches of random utterances."""

import numpy as np
import torch

from codec_ssl.tts.codec_fastspeech2 import CodecFastSpeech2
from codec_ssl.tts.fastspeech2 import PhoneBatch
from codec_ssl.tts.mel_fastspeech2 import MelFastSpeech2

NUM_SYMBOLS, SIZES, MELS = 12, [16, 16, 8], 10
CONF = {
    "adim": 16,
    "aheads": 2,
    "elayers": 2,
    "eunits": 24,
    "dlayers": 2,
    "dunits": 24,
    "positionwise_conv_kernel_size": 3,
    "duration_predictor_chans": 16,
    "pitch_predictor_chans": 16,
    "energy_predictor_chans": 16,
}
KINDS = ("shared", "per_stream", "mel")


def build(kind, num_speakers=3, **conf):
    torch.manual_seed(0)
    conf = {**CONF, **conf}
    if kind == "mel":
        more = {"postnet_layers": 2, "postnet_chans": 8}
        return MelFastSpeech2(NUM_SYMBOLS, MELS, num_speakers, **{**more, **conf})
    return CodecFastSpeech2(NUM_SYMBOLS, SIZES, num_speakers, decoder_stacks=kind, **conf)


def utterances(lengths=(7, 3, 12), seed=0):
    """Phones, speaker, durations, pitch, energy and targets of utterances, each by itself."""
    rng = np.random.default_rng(seed)
    made = []
    for count in lengths:
        durations = torch.from_numpy(rng.integers(0, 5, count))
        durations[0] = 3
        frames = int(durations.sum())
        made.append(
            {
                "phones": torch.from_numpy(rng.integers(1, NUM_SYMBOLS + 1, count)),
                "speaker": int(rng.integers(3)),
                "durations": durations,
                "pitch": torch.from_numpy(rng.normal(size=count)).float(),
                "energy": torch.from_numpy(rng.normal(size=count)).float(),
                "codes": torch.from_numpy(rng.integers(0, SIZES, (frames, len(SIZES)))),
                "mel": torch.from_numpy(rng.normal(size=(frames, MELS))).float(),
            }
        )
    return made


def batch_of(some, given=True, pad=0):
    """A padded batch; ``pad`` is what stands behind the ends, where it may be anything."""

    def padded(name):
        return torch.nn.utils.rnn.pad_sequence([each[name] for each in some], True, pad)

    more = {name: padded(name) for name in ("durations", "pitch", "energy")} if given else {}
    lens = torch.tensor([len(each["phones"]) for each in some])
    return PhoneBatch(padded("phones"), lens, torch.tensor([e["speaker"] for e in some]), **more)


def target_of(some, kind, pad=0):
    name = "mel" if kind == "mel" else "codes"
    return torch.nn.utils.rnn.pad_sequence([each[name] for each in some], True, pad)
