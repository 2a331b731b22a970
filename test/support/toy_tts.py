"""Small synthesis models, batches of random utterances, and a corpus with a codec, in seconds."""

import numpy as np
import torch
import yaml

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.extract import extract_codes, finalize_codes
from codec_ssl.codecs.spectral import SpectralGenerator
from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.wav_file import write_wav
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.features.utterances import WaveUtterances
from codec_ssl.features.vocoder_mel import MelConf, VocoderMel
from codec_ssl.tts.codec_fastspeech2 import CodecFastSpeech2
from codec_ssl.tts.extract_phones import PhoneExtractor
from codec_ssl.tts.fastspeech2 import PhoneBatch
from codec_ssl.tts.frames import open_frames, write_mel_conf
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


RATE, HOP, FRAME_RATE = 16000, 320, 50.0
# Pitch in Hz of each voiced phone; "s" is noise.
PITCH = {"a": 110.0, "e": 150.0, "i": 200.0, "o": 130.0, "u": 170.0}
CODEC = {
    "width": 16,
    "num_blocks": 1,
    "hidden_dim": 8,
    "quantizer_n_q": 4,
    "quantizer_bins": 16,
    "quantizer_target_bandwidth": [0.8],
}


def make_codec(path, seed=0):
    """Write a small codec with random weights, as an experiment directory."""
    torch.manual_seed(seed)
    generator = SpectralGenerator(CODEC)
    for layer in generator.quantizer.vq.layers:
        layer._codebook.embed.normal_(0, 0.3)
    conf = {"sampling_rate": RATE, "generator_params": CODEC}
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump({"codec": "spectral", "codec_conf": conf}))
    state = {f"codec.generator.{key}": value for key, value in generator.state_dict().items()}
    torch.save(state, path / "latest.pth")
    return path


def sound(symbol, num_samples, shift, rng):
    """A phone: harmonics of its pitch, noise, or silence."""
    if symbol == "sil":
        return np.zeros(num_samples)
    if symbol == "s":
        return 0.05 * rng.standard_normal(num_samples)
    phase = 2 * np.pi * PITCH[symbol] * shift * np.arange(num_samples) / RATE
    return 0.1 * sum(np.sin(number * phase) / number for number in range(1, 9))


def make_set(root, name, count, seed, speakers=("ann", "bob")):
    """Write the data dir ``root/data/name``; its texts are phones, its languages ``toy``."""
    rng = np.random.default_rng(seed)
    wav, text, utt2spk, phones = {}, {}, {}, {}
    for number in range(count):
        speaker = speakers[number % len(speakers)]
        utt = f"{speaker}-{name}-{number:03d}"
        shift = 1.0 + 0.2 * speakers.index(speaker)
        chosen = list(rng.choice([*PITCH, "s"], size=rng.integers(3, 7)))
        symbols = ["sil", *chosen, "sil"]
        samples = rng.integers(700, 2500, len(symbols))
        audio = [sound(s, n, shift, rng) for s, n in zip(symbols, samples, strict=True)]
        wav[utt] = str(root / "wav" / f"{utt}.wav")
        write_wav(wav[utt], np.concatenate(audio), RATE)
        ends = np.cumsum(samples) / RATE
        phones[utt] = [
            Segment(float(end - n / RATE), float(end), symbol)
            for symbol, n, end in zip(symbols, samples, ends, strict=True)
        ]
        text[utt], utt2spk[utt] = " ".join(symbols), speaker
    lang = {"lang": dict.fromkeys(wav, "toy")}
    folder = root / "data" / name
    return DataDir.write(folder, wav=wav, utt2spk=utt2spk, text=text, phones=phones, labels=lang)


def make_material(root, sets, codec_dir):
    """Data dirs, ``root/codes/name`` and ``root/phones/name`` of sets ``{name: count}``."""
    codec = load_codec(codec_dir)
    for seed, (name, count) in enumerate(sets.items()):
        data_dir = make_set(root, name, count, seed)
        extract_codes(codec, data_dir, root / "codes" / name)
        finalize_codes(codec, data_dir, root / "codes" / name)
        extract_phones(root, name)
    return root


def extract_phones(root, name, frames="codes", out="phones"):
    """Write ``root/out/name``."""
    data_dir, source = DataDir(root / "data" / name), open_frames(root / frames / name)
    extractor = PhoneExtractor(data_dir, source, root / out / name)
    extractor.run()
    return extractor.finalize()


def make_mel(root, name):
    """Write spectra into ``root/mel/name`` and their phones into ``root/mel_phones/name``."""
    conf = MelConf(n_mels=20)
    encoder, data_dir = VocoderMel(conf), DataDir(root / "data" / name)
    utterances = WaveUtterances(data_dir, encoder)
    out = root / "mel" / name
    write_cache(encoder, utterances, 0, out, dtype="float32", data_dir=data_dir)
    write_mel_conf(out, conf)
    extract_phones(root, name, "mel", "mel_phones")


def command(root, output_dir, *more, target="codes", train="train", valid="valid"):
    """Command line of a training that takes seconds."""
    cmd = f"""--output_dir {output_dir} --target {target} --max_epoch 2 --num_workers 0
        --num_iters_per_epoch 4 --batch_bins 250 --optim_conf lr=0.003 --scheduler none
        --use_tensorboard false --speakers true""".split()
    for name, value in CONF.items():
        cmd += ["--tts_conf", f"{name}={value}"]
    frames, kind, phones = "codes", "token_store", "phones"
    if target == "mel":
        frames, kind, phones = "mel", "feature_cache", "mel_phones"
        cmd += ["--tts_conf", "postnet_layers=2", "--tts_conf", "postnet_chans=8"]
    name = "features" if target == "mel" else "codes"
    for split, chosen in (("train", train), ("valid", valid)):
        option = f"--{split}_data_path_and_name_and_type"
        cmd += [option, f"{root}/{phones}/{chosen},phones,phone_store"]
        cmd += [option, f"{root}/{frames}/{chosen},{name},{kind}"]
    return [*cmd, *map(str, more)]
