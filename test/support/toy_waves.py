"""A codec and a model of its codes, saved as their trainings leave them, and encoders of waves."""

import hashlib

import dac
import torch
import toy_corpus
from safetensors.torch import save_file

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.extract import maker_of
from codec_ssl.features.base import WaveEncoder


def make_codec(path, seed=0):
    """A DAC whose codes a toy experiment reads: 2 codebooks of 32, 64 wide."""
    torch.manual_seed(seed)
    model = dac.DAC(
        encoder_dim=4,
        encoder_rates=[2, 4, 5, 8],
        decoder_dim=32,
        decoder_rates=[8, 5, 4, 2],
        n_codebooks=2,
        codebook_size=toy_corpus.SIZE,
        sample_rate=toy_corpus.RATE,
    )
    path.mkdir(parents=True)
    model.save(path / "toy.pth", package=False)
    return path / "toy.pth"


def make_exp(root, codec_file):
    """A Codec2Vec of the codec's codes in ``exp``; returns the model."""
    codec = load_codec(codec_file)
    codes = {"a": torch.randint(toy_corpus.SIZE, (20, 2)).numpy()}
    toy_corpus.write_store(root / "store", codes, maker=maker_of(codec))
    save_file({"vectors": codec.codebook_vectors()}, root / "store" / "codebook.safetensors")
    return toy_corpus.make_exp(root / "exp", root / "store")


class Windows(WaveEncoder):
    """Frames of a waveform as they are: D samples, then silence; layer 1 is their negative."""

    name, num_layers = "windows", 1

    def __init__(self, sample_rate=24000, hop=320, width=None, whole_frames=False):
        self.sample_rate, self.frame_rate = sample_rate, sample_rate / hop
        self.hop, self.width, self.device = hop, width or hop, torch.device("cpu")
        self.whole_frames, self.longest = whole_frames, 0
        self.fingerprint = hashlib.sha256(f"{sample_rate} {hop} {width}".encode()).hexdigest()

    def encode(self, inputs, lens, layers):
        self.check_layers(layers)
        self.longest = max(self.longest, inputs.shape[1])
        inside = torch.arange(inputs.shape[1]) < lens[:, None]
        count = self.frames_of(inputs.shape[1])
        room = max(0, (count - 1) * self.hop + self.width - inputs.shape[1])
        padded = torch.nn.functional.pad(inputs * inside, (0, room))
        frames = padded.unfold(1, self.width, self.hop)[:, :count]
        lens = torch.tensor([self.frames_of(int(length)) for length in lens])
        return {layer: (1, -1)[layer] * frames for layer in layers}, lens

    def frames_of(self, num_samples):
        if self.whole_frames:
            return max(0, (num_samples - self.width) // self.hop + 1)
        return -(-num_samples // self.hop)

    def samples_for(self, num_frames):
        if self.whole_frames:
            return (num_frames - 1) * self.hop + self.width
        return num_frames * self.hop
