"""Speaker similarity is the cosine of embeddings, Resemblyzer's or those of ESPnet-SPK."""

import numpy as np
import pytest
import torch
import yaml
from voice import RATE, voice

from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation.pair import CannotScore
from codec_ssl.evaluation.speaker import SpeakerSimilarity, espnet_embedder, resemblyzer_embedder

WAV = voice(1.0)


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_the_similarity_is_the_cosine_of_the_embeddings():
    score = SpeakerSimilarity(lambda wav: np.array([np.abs(wav).max(), 0.5], np.float32))
    expected = cosine(np.array([0.5, 0.5]), np.array([0.25, 0.5]))
    assert score(WAV, 0.5 * WAV, RATE) == pytest.approx(expected, rel=1e-5)


def test_a_voice_is_most_like_itself():
    score = SpeakerSimilarity(resemblyzer_embedder())
    assert score(WAV, WAV, RATE) == pytest.approx(1, abs=1e-5)
    assert score(WAV, voice(1.0, seed=7, pitch=260.0), RATE) < 0.95


def test_silence_and_snippets_have_no_score():
    score = SpeakerSimilarity(lambda wav: wav[:2])
    with pytest.raises(CannotScore, match="decoded signal is silent"):
        score(WAV, 0 * WAV, RATE)
    with pytest.raises(CannotScore, match="reference too short"):
        score(WAV[:1000], WAV, RATE)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A small random model as ESPnet-SPK leaves it."""
    from espnet2.tasks.spk import SpeakerTask

    folder = tmp_path_factory.mktemp("spk")
    arguments = [
        *("--output_dir", str(folder), "--spk_num", "3", "--encoder", "ecapa_tdnn"),
        *("--encoder_conf", "ndim=16", "--encoder_conf", "output_size=24"),
        *("--frontend", "melspec_torch", "--pooling", "chn_attn_stat"),
        *("--projector", "rawnet3", "--projector_conf", "output_size=8"),
        *("--loss", "aamsoftmax"),
    ]
    args = SpeakerTask.get_parser().parse_args(arguments)
    args.input_size = None
    torch.manual_seed(0)
    model = SpeakerTask.build_model(args).eval()
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save(model.state_dict(), folder / "valid.eer.best.pth")
    return folder, model


@pytest.mark.slow
def test_an_experiment_of_espnet_spk_gives_its_own_embeddings(experiment):
    folder, model = experiment
    for source in (folder, folder / "valid.eer.best.pth"):
        embed = espnet_embedder(str(source))
        with torch.no_grad():
            expected = model(speech=torch.from_numpy(WAV)[None], extract_embd=True)
        np.testing.assert_allclose(embed(WAV), expected[0].numpy(), atol=1e-5)
    other = voice(1.0, seed=3)
    found = SpeakerSimilarity(embed)(WAV, other, RATE)
    assert found == pytest.approx(cosine(embed(WAV), embed(other)), abs=1e-6)


@pytest.mark.slow
def test_a_folder_without_one_model_is_named(experiment, tmp_path):
    folder, _ = experiment
    with pytest.raises(CheckpointError, match=r"expected config\.yaml and one \.pth.*no \.pth"):
        espnet_embedder(str(tmp_path))
    (tmp_path / "1epoch.pth").write_bytes(b"")
    (tmp_path / "2epoch.pth").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"name the \.pth itself"):
        espnet_embedder(str(tmp_path))
    (tmp_path / "config.yaml").write_text((folder / "config.yaml").read_text())
    with pytest.raises(CheckpointError, match="could not load it"):
        espnet_embedder(str(tmp_path / "1epoch.pth"))
