"""Recordings of tones with units of their pitch, and small vocoders of them, in seconds."""

import numpy as np
import soundfile
import torch
import yaml

from codec_ssl.data.data_dir import DataDir
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter
from codec_ssl.vocoder.experiment import PitchFacts, VocoderFacts, build_vocoder
from codec_ssl.vocoder.speakers import SpeakerVectors

RATE, HOP, FRAME_RATE, F0_RATE = 16000, 320, 50.0, 12.5
SIZES, F0_BINS = [6, 4], 5
PITCHES = np.array([110.0, 140.0, 180.0, 230.0, 290.0, 0.0])
# Frames; some are shorter than a crop, and audio ends anywhere in the frames about its end.
LENGTHS = {"train": [40, 61, 3, 75, 33, 52], "valid": [44, 20], "test": [31, 5, 44, 31]}
CROP = 8
SMALL = {
    "embed_dim": 8,
    "generator_params": {
        "channels": 32,
        "resblock_kernel_sizes": [3],
        "resblock_dilations": [[1, 3]],
    },
}
DISCRIMINATOR = {
    "scales": 1,
    "scale_discriminator_params": {
        "channels": 8,
        "max_downsample_channels": 16,
        "max_groups": 2,
        "downsample_scales": [2, 4],
    },
    "periods": [2, 3],
    "period_discriminator_params": {"channels": 4, "max_downsample_channels": 8},
}
MAKER = {"kind": "codec", "name": "pitch", "fingerprint": "of pitch"}


def speaker_of(number):
    return ("ann", "bob")[number % 2]


def codes_of(frames, rng):
    """Units ``(T, 2)``: a pitch held for some frames, and how loud it is."""
    holds = rng.integers(1, 7, frames)
    columns = [np.repeat(rng.integers(0, size, frames), holds)[:frames] for size in SIZES]
    return np.stack(columns, axis=1)


def tones(codes, shift, samples):
    """The sound of units: harmonics of their pitch, which is a speaker's."""
    pitch = np.repeat(PITCHES[codes[:, 0]] * shift, HOP)
    loud = np.repeat(0.05 + 0.05 * codes[:, 1], HOP) * (pitch > 0)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wav = loud * sum(np.sin(number * phase) / number for number in range(1, 6)) / 2
    return np.resize(np.pad(wav, (0, 2 * HOP)), samples)


def write_store(path, columns, sizes, rate=FRAME_RATE, maker=None):
    writer = TokenStoreWriter(
        path,
        utt_ids=sorted(columns),
        sizes=sizes,
        frame_rate=rate,
        sample_rate=RATE,
        maker=maker or MAKER,
    )
    for shard in writer.pending():
        writer.write_shard(shard, [(utt, columns[utt]) for utt in writer.shard_utt_ids(shard)])
    return writer.finalize()


def make_set(root, split, seed=0):
    """``root/{data,codes,f0}/split``; returns the codes by utterance."""
    rng = np.random.default_rng([seed, len(split)])
    codes, f0, wav, utt2spk = {}, {}, {}, {}
    (root / "wav").mkdir(parents=True, exist_ok=True)
    for number, frames in enumerate(LENGTHS[split]):
        speaker = speaker_of(number)
        utt = f"{speaker}-{split}{number}"
        codes[utt], utt2spk[utt] = codes_of(frames, rng), speaker
        f0[utt] = rng.integers(0, F0_BINS, (-(-frames // 4), 1))
        # As HuBERT's frames (more samples) and a codec's (fewer) do.
        samples = frames * HOP + (399, -319, 80, 0)[number % 4]
        wav[utt] = str(root / "wav" / f"{utt}.wav")
        soundfile.write(wav[utt], tones(codes[utt], 1 + 0.3 * (number % 2), samples), RATE)
    text = {utt: f"text of {utt}" for utt in codes}
    DataDir.write(root / "data" / split, wav=wav, utt2spk=utt2spk, text=text)
    write_store(root / "codes" / split, codes, SIZES)
    maker = {"kind": "f0", "name": "f0", "fingerprint": "of f0"}
    write_store(root / "f0" / split, f0, [F0_BINS], F0_RATE, maker)
    return codes


def make_corpus(root):
    return {split: make_set(root, split) for split in LENGTHS}


def nested(option, conf, prefix=""):
    """Options of the command line for nested values."""
    for name, value in conf.items():
        if isinstance(value, dict):
            yield from nested(option, value, f"{prefix}{name}.")
        else:
            yield from (option, f"{prefix}{name}={value}".replace(" ", ""))


def command(root, output_dir, *more, data="codes audio", train="train", valid="valid"):
    """Command line of a training that takes seconds."""
    cmd = f"""--output_dir {output_dir} --max_epoch 2 --num_workers 0 --num_iters_per_epoch 2
        --batch_size 2 --crop_frames {CROP} --use_tensorboard false
        --loss_conf mel_params.n_mels=20""".split()
    cmd += [*nested("--vocoder_conf", SMALL), *nested("--discriminator_conf", DISCRIMINATOR)]
    for split, chosen in (("train", train), ("valid", valid)):
        for name in data.split():
            folder = "data" if name == "audio" else name
            kind = f"audio_{RATE}" if name == "audio" else "token_store"
            option = f"--{split}_data_path_and_name_and_type"
            cmd += [option, f"{root}/{folder}/{chosen},{name},{kind}"]
    return [*cmd, *map(str, more)]


def make_exp(path, speaker_kind="none", pitch=False, conf=None, seed=0):
    """An experiment as a training leaves it, with random weights; returns its generator."""
    speakers = [] if speaker_kind == "none" else ["ann", "bob", "cat"]
    facts = VocoderFacts(
        tokens=contract.record(TokenStore(path.parent / "codes/test")),
        sample_rate=RATE,
        speaker_kind=speaker_kind,
        speakers=speakers,
        speaker_dim=4 if speaker_kind == "resemblyzer" else 0,
        pitch=PitchFacts(F0_BINS, F0_RATE, "of f0") if pitch else None,
    )
    config = {"vocoder_conf": {**SMALL, **(conf or {})}, "data_record": {"facts": facts.to_plain()}}
    config["best_model_criterion"] = [["valid", "mel_loss", "min"]]
    torch.manual_seed(seed)
    model = build_vocoder(config).eval()
    path.mkdir()
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    state = {f"vocoder.{name}": value for name, value in model.state_dict().items()}
    torch.save(state, path / "valid.mel_loss.best.pth")
    if speaker_kind == "resemblyzer":
        vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
        SpeakerVectors(speakers, vectors).save(path)
    return model
