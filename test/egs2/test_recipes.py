"""Promises that hold for every recipe of the repository."""

import os
import re
from pathlib import Path

import pytest
import yaml
from recipes import RUN_SCRIPTS, begins_with_units, recipe_id, run

from codec_ssl.data.alignment import Segment

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE_SCRIPTS = sorted(ROOT.glob("egs2/TEMPLATE/*/*.sh"))
ASR_CONFIGS = sorted(ROOT.glob("egs2/*/asr2/conf/**/train*.yaml"))
TOKENIZER_CONFIGS = sorted(ROOT.glob("egs2/*/tok1/conf/**/train*.yaml"))
# audioset links to the configs of mls
CODEC_CONFIGS = sorted({p.resolve() for p in ROOT.glob("egs2/*/codec1/conf/**/train*.yaml")})
TTS_CONFIGS = sorted(ROOT.glob("egs2/*/tts1/conf/**/train*.yaml"))
VOCODER_CONFIGS = sorted(ROOT.glob("egs2/*/voc1/conf/**/train_unit_hifigan.yaml"))
F0_CONFIGS = sorted(ROOT.glob("egs2/*/voc1/conf/**/train_f0_quantizer.yaml"))
MAE_CONFIGS = sorted(
    p for p in ROOT.glob("egs2/*/mae1/conf/**/*train_*.yaml") if p.stem != "train_codec"
)
CODEC_ASR_CONFIGS = sorted(ROOT.glob("egs2/*/*/conf/**/train_*_asr*.yaml"))
SUPERB_CONFIGS = sorted(ROOT.glob("conf/superb/*.yaml")) + sorted(
    ROOT.glob("egs2/*/superb1/conf/**/train_*.yaml")
)
# Labels of the smallest training set, and the benchmark's updates.
SUPERB_LABELS = {
    "ks": (["yes"], 200_000),
    "ic": (["on", "light", "hall"], 200_000),
    "sid": (["ann"], 200_000),
    "er": (["sad"], 30_000),
    "sv": ("ann", 200_000),
    "pr": ("AH B", 100_000),
    "asr": ("A B", 200_000),
    "sf": ("A B-city B E-city", 200_000),
    "sd": ([Segment(0.0, 1.0, "ann")], 30_000),
}
# HiFi-GAN's discriminators: five of periods, three of scales, of which the first has spectral norm.
HIFIGAN_JUDGES = 5 * 8_220_130 + 9_870_209 + 2 * 9_874_306
CODEC2VEC_CONFIGS = sorted(ROOT.glob("egs2/*/ssl1/conf/**/train_codec2vec*.yaml"))


def test_there_are_recipes():
    assert len(RUN_SCRIPTS) >= 2
    assert TEMPLATE_SCRIPTS


@pytest.mark.parametrize("script", RUN_SCRIPTS, ids=recipe_id)
def test_recipe_is_small_documented_and_linked(script: Path):
    folder = script.parent
    assert len(script.read_text().splitlines()) <= 60
    assert (folder / "README.md").is_file()
    assert begins_with_units(script) or (folder / "local" / "data.sh").is_file()
    for link in ("path.sh", "cmd.sh"):
        assert (folder / link).resolve(strict=True).parent == ROOT / "egs2" / "TEMPLATE"


@pytest.mark.parametrize("script", TEMPLATE_SCRIPTS, ids=recipe_id)
def test_template_script_stays_readable(script: Path):
    assert len(script.read_text().splitlines()) < 250


@pytest.mark.parametrize("config", CODEC2VEC_CONFIGS, ids=recipe_id)
def test_codec2vec_config_builds_its_model(config: Path):
    from codec_ssl.ssl.codec2vec import build_codec2vec

    values = yaml.safe_load(config.read_text())
    sizes = {"num_codebooks": 2, "codebook_size": 16, "codebook_dim": 8, "init": "random"}
    values["frontend_conf"] = {**values["frontend_conf"], **sizes}
    model = build_codec2vec(values)
    assert model.encoder.num_layers == values["encoder_conf"]["num_layers"]


@pytest.mark.parametrize("config", SUPERB_CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_superb_config_builds_its_head_with_options_that_the_training_knows(config: Path):
    import torch

    from codec_ssl.evaluation.superb.problem import problem_class
    from codec_ssl.tasks.superb import SuperbTask
    from codec_ssl.tasks.superb_data import BatchOptions

    args = SuperbTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    task = config.stem.removeprefix("train_")
    label, updates = SUPERB_LABELS[task]
    made = problem_class(task)
    with torch.device("meta"):
        made(made.learn({"utt": label}), args.head_conf).build_head(768, 50.0)
    BatchOptions(args.batch_size, args.num_iters_per_epoch, 0, **args.batch_conf)
    if "mini" not in config.parts:
        assert args.max_epoch * args.num_iters_per_epoch == updates * args.accum_grad


@pytest.mark.parametrize("config", MAE_CONFIGS, ids=recipe_id)
def test_mae_config_builds_its_model_with_options_that_the_training_knows(config: Path):
    import torch

    from codec_ssl.ssl.encodecmae import build_encodecmae
    from codec_ssl.tasks.encodecmae import EncodecMAETask

    args = EncodecMAETask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    args.input_conf["width"] = 256 if args.input == "mel" else 128
    args.target_conf |= {"sizes": [1024] * 8, "num_classes": 1024}
    with torch.device("meta"):
        model = build_encodecmae(vars(args))
    kind, version, *rest = config.stem.split("_")
    assert args.share_positions == (version == "v1")
    targets = {"train": "codes", "selftrain": "both" if version == "v1" else "labels"}
    assert args.target == targets[kind]
    if "mini" in config.parts:
        return
    # The authors' settings, and the size of the model that is stated beside them.
    assert (
        args.max_epoch * args.num_iters_per_epoch == {"train": 500, "selftrain": 150}[kind] * 1000
    )
    assert (args.batch_size, args.crop_frames, args.seed) == (128, 300, 42)
    assert args.optim_conf == {"lr": 1e-4, "betas": [0.9, 0.95], "weight_decay": 0.05}
    assert args.scheduler is None and args.grad_clip == float("inf")
    assert model.encoder.num_layers == {"small": 5, "base": 10, "large": 20}[rest[-1]]
    if args.target == "codes" and args.input == "latent":
        stated = float(re.search(r"([\d.]+) M parameters in all", config.read_text())[1])
        count = sum(parameter.numel() for parameter in model.parameters())
        assert round(count / 1e6, 1) == stated


@pytest.mark.parametrize("config", ASR_CONFIGS, ids=recipe_id)
def test_asr_config_builds_its_model(config: Path):
    import torch

    from codec_ssl.asr.decoder_only import build_decoder_only

    values = yaml.safe_load(config.read_text())
    data = {"train": {"codes": {"sizes": [16, 16]}}, "pieces": {"vocab_size": 30}}
    with torch.device("meta"):
        model = build_decoder_only({**values, "data_record": data})
    assert model.decoder.num_layers == values["decoder_conf"]["num_layers"]
    assert model.objective == values["objective"]


@pytest.mark.parametrize("config", ASR_CONFIGS, ids=recipe_id)
def test_asr_config_has_only_options_that_the_training_knows(config: Path):
    from codec_ssl.tasks.decoder_only_asr import DecoderOnlyASRTask

    args = DecoderOnlyASRTask.get_parser().parse_args(
        ["--config", str(config), "--output_dir", "x"]
    )
    if "mini" not in config.parts and "published" not in config.parts:
        assert args.max_epoch * args.num_iters_per_epoch == 100_000


@pytest.mark.parametrize("config", CODEC_ASR_CONFIGS, ids=recipe_id)
def test_codec_asr_config_builds_its_model_with_options_that_the_training_knows(config: Path):
    import torch
    from espnet2.tasks.asr import ASRTask

    from codec_ssl.tasks.codec_asr import CodecASRTask

    args = CodecASRTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    args.token_list = ["<blank>", "<unk>", *map(str, range(1021)), "<sos/eos>"]
    if args.frontend == "codec_units":
        sizes = {"num_codebooks": 8, "codebook_size": 1024, "codebook_dim": 128}
        args.frontend_conf = {**args.frontend_conf, **sizes, "init": "random"}
    # ESPnet's own task, whose inference must build the same.
    with torch.device("meta"):
        model = ASRTask.build_model(args)
    count = sum(parameter.numel() for parameter in model.encoder.parameters()) / 1e6
    if "librispeech" in config.parts:
        assert 80 < count < 150 and args.max_seconds == 16.7
    if "mini" in config.parts:
        assert count < 2


def test_ablations_differ_from_their_model_in_one_thing():
    for folder in (ROOT / "egs2/mini/asr1/conf", ROOT / "egs2/librispeech/asr1/conf"):
        base = yaml.safe_load((folder / "train_codec_asr.yaml").read_text())
        for path in (folder / "tuning").glob("*.yaml"):
            other = yaml.safe_load(path.read_text())
            if other["encoder"] != base["encoder"] or path.stem.endswith("_ctc"):
                continue
            left, right = base.pop("frontend_conf"), other.pop("frontend_conf")
            assert base == other
            base["frontend_conf"] = left
            assert sum(left[key] != right[key] for key in left) == 1


@pytest.mark.parametrize("config", TOKENIZER_CONFIGS, ids=recipe_id)
def test_tokenizer_config_builds_its_model_with_options_that_the_training_knows(config: Path):
    import torch

    from codec_ssl.tasks.tokenizer import TokenizerTask
    from codec_ssl.tokenizers.experiment import learned_class

    command = ["--config", str(config), "--output_dir", "x"]
    args = TokenizerTask.get_parser().parse_args(command)
    with torch.device("meta"):
        tokenizer = learned_class(args.tokenizer).from_settings(
            {**args.tokenizer_conf, "width": 64}
        )
    wanted = args.tokenizer_conf
    assert tokenizer.sizes == [wanted["num_clusters"]] * wanted["num_quantizers"]
    if "mini" in config.parts:
        return
    # The paper's section 4 and appendix B.1.
    steps = {"repcodec": 200_000, "vq": 50_000}[args.tokenizer]
    assert args.max_epoch * args.num_iters_per_epoch == steps
    assert (args.batch_size, args.crop_frames, args.commitment_weight) == (32, 96, 1)
    assert args.optim_conf == {"lr": 1e-4, "betas": [0.5, 0.9], "weight_decay": 0.0}
    weight = {"train_repcodec_30": 30, "train_repcodec_60": 60}.get(config.stem, 45)
    assert args.reconstruction_weight == weight


@pytest.mark.slow
@pytest.mark.parametrize("config", CODEC_CONFIGS, ids=recipe_id)
def test_codec_config_builds_a_codec_of_the_stated_size_that_load_codec_knows(config: Path):
    import torch

    from codec_ssl.codecs.generators import MEL, build_generator
    from codec_ssl.tasks.codec import CodecTask

    args = CodecTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    codec = CodecTask.build_model(args).codec
    sizes = [
        sum(weights.numel() for weights in part.parameters()) / 1e6
        for part in (codec.generator, codec.discriminator)
    ]
    if "mini" not in config.parts:
        stated = r"Generator ([\d.]+) M parameters, discriminators? ([\d.]+) M"
        found = re.search(stated, config.read_text())
        assert [float(each) for each in found.groups()] == pytest.approx(sizes, abs=0.006)
    rate = args.codec_conf["sampling_rate"]
    # The bank of mel filters cannot be made without numbers.
    with torch.device("cpu" if args.codec == MEL else "meta"):
        loaded = build_generator(args.codec, args.codec_conf["generator_params"], rate)
    theirs = {name: each.shape for name, each in codec.generator.state_dict().items()}
    assert {name: each.shape for name, each in loaded.state_dict().items()} == theirs
    assert rate / loaded.hop_length in (50, 75, 80)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["td_rvq", "td_fsq", "mel_rvq", "mel_fsq"])
def test_codec_asrs_codecs_are_trained_with_the_stated_values(name: str):
    from codec_ssl.tasks.codec import CodecTask

    config = ROOT / "egs2/librispeech/codec1/conf" / f"train_nac_{name}.yaml"
    args = CodecTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    conf, params = args.codec_conf, args.codec_conf["generator_params"]
    coder, quantizer = name.split("_")
    assert args.codec == f"{coder}_nac" and params["quantizer"] == quantizer
    books = {"rvq": (128, "bins", 1024), "fsq": (32, "levels", [8, 5, 5, 5])}[quantizer]
    width, option, value = books
    assert (params["hidden_dim"], params["quantizer_n_q"]) == (width, 8)
    assert params[f"quantizer_{option}"] == value and "quantizer_standardize" not in params
    weights = {each.removeprefix("lambda_"): v for each, v in conf.items() if "lambda" in each}
    common = {"mel_l1": 1.0, "adv": 1.0, "feat_match": 1.0}
    if quantizer == "rvq":
        common["commit"] = 1.0
    assert args.max_epoch * args.steps_per_epoch == 200_000
    if coder == "td":
        assert weights == common | {"mel_l2": 1.0, "reconstruct": 0.1}
        assert conf["discriminator_updates"] == [2, 3]
        assert (args.optim, args.optim_conf) == ("adamw", {"lr": 1e-4, "betas": [0.8, 0.9]})
        assert (args.batch_size, args.chunk_length) == (32, 16000)
    else:
        assert weights == common | {"mel_l2": 0.0, "stft": 20.0, "reconstruct": 0.0}
        assert conf["discriminator_updates"] == [1, 2]
        assert (args.optim, args.optim_conf) == ("adam", {"lr": 2e-4, "betas": [0.8, 0.99]})
        assert (args.batch_size, args.chunk_length) == (16, 8192)
        assert (params["mel_guard"], params["band_groups"]) == (1.0, 8)


# What the authors of arXiv 2601.12205 published as soundstream4_large_v1.1.
STUDY_GENERATOR = {
    "hidden_dim": 512,
    "encdec_n_filters": 32,
    "encdec_n_residual_layers": 3,
    "encdec_ratios": [8, 5, 4, 2],
    "encdec_activation": "ELU",
    "encdec_norm": "weight_norm",
    "encdec_residual_kernel_size": 7,
    "encdec_dilation_base": 2,
    "encdec_causal": False,
    "encdec_pad_mode": "reflect",
    "encdec_compress": 2,
    "encdec_lstm": 2,
    "quantizer_n_q": 32,
    "quantizer_bins": 1024,
    "quantizer_decay": 0.99,
    "quantizer_kmeans_init": True,
    "quantizer_kmeans_iters": 50,
    "quantizer_threshold_ema_dead_code": 2,
    "quantizer_target_bandwidth": [2, 4, 8, 16, 32],
}
STUDY_SCALES = {
    "kernel_sizes": [15, 41, 5, 3],
    "channels": 128,
    "max_downsample_channels": 1024,
    "max_groups": 16,
    "downsample_scales": [2, 2, 4, 4, 1],
}
STUDY_STFT = {"n_fft": 1024, "hop_length": 256, "channels": 32, "chan_mults": [1, 2, 4, 4, 8, 8]}
STUDY_CODEC = {
    "sampling_rate": 16000,
    "use_dual_decoder": True,
    "lambda_reconstruct": 1.0,
    "lambda_adv": 1.0,
    "lambda_mel": 45.0,
    "lambda_feat_match": 2.0,
    "lambda_commit": 1.0,
}
STUDY_TRAINING = {
    "generator_first": True,
    "iterator_type": "chunk",
    "chunk_length": 32000,
    "steps_per_epoch": 5000,
    "grad_clip": -1,
    "use_amp": False,
    "use_tf32": True,
    "accum_grad": 1,
    "codec_init": "espnet",
    "best_model_criterion": [["valid", "mel_loss", "min"]],
}


@pytest.mark.parametrize(
    ("name", "differing"),
    [
        ("train_soundstream", ("adamw", 128, 360, 1.0)),
        ("train_soundstream_base", ("adam", 64, 120, 0.0)),
    ],
)
def test_the_studys_codecs_are_trained_with_the_published_values(name: str, differing: tuple):
    from codec_ssl.tasks.codec import CodecTask

    config = ROOT / "egs2/mls/codec1/conf" / f"{name}.yaml"
    args = CodecTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    conf = args.codec_conf
    assert conf["generator_params"].items() >= STUDY_GENERATOR.items()
    assert conf.items() >= STUDY_CODEC.items() and vars(args).items() >= STUDY_TRAINING.items()
    discriminator = conf["discriminator_params"]
    assert discriminator["scales"] == 3
    assert discriminator["scale_downsample_pooling"] == "AvgPool1d"
    pooling = {"kernel_size": 4, "stride": 2, "padding": 2}
    assert discriminator["scale_downsample_pooling_params"] == pooling
    assert discriminator["scale_discriminator_params"].items() >= STUDY_SCALES.items()
    assert discriminator["complexstft_discriminator_params"].items() >= STUDY_STFT.items()
    sums = {"average_by_discriminators": False, "loss_type": "mse"}
    assert conf["generator_adv_loss_params"] == conf["discriminator_adv_loss_params"] == sums
    assert set(conf["feat_match_loss_params"].items()) == {
        ("average_by_discriminators", False),
        ("average_by_layers", False),
        ("include_final_outputs", True),
    }
    # Bands of windows from 2**6 to 2**10, natural logarithm.
    mel = {"range_start": 6, "range_end": 11, "n_mels": 80, "log_base": None}
    assert conf["mel_loss_params"].items() >= mel.items()
    optimizer = {"lr": 2e-4, "betas": [0.5, 0.9], "eps": 1e-9, "weight_decay": 0.0}
    assert args.optim_conf == args.optim2_conf == optimizer
    assert args.scheduler == args.scheduler2 == "exponentiallr"
    assert args.scheduler_conf == args.scheduler2_conf == {"gamma": 0.999875}
    assert args.optim == args.optim2
    weight = conf["lambda_quantization"]
    assert (args.optim, args.batch_size, args.max_epoch, weight) == differing


@pytest.mark.parametrize("config", TTS_CONFIGS, ids=recipe_id)
def test_tts_config_builds_its_model_with_options_that_the_training_knows(config: Path):
    import torch

    from codec_ssl.tasks.tts import TTSTask
    from codec_ssl.tts.experiment import build_tts

    args = TTSTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    one = {"mean": 0.0, "deviation": 1.0}
    facts = {
        "symbols": [f"p{n}" for n in range(50)],
        "speakers": ["a", "b"] if args.speakers else [],
        "languages": ["en"],
        "pitch": one,
        "energy": one,
        "grid": {"sample_rate": 16000, "hop_length": 320, "first_centre": 160.0},
        "sizes": [1024] * 8,
    }
    if args.target == "mel":
        conf = {"sample_rate": 22050, "n_fft": 1024, "hop_length": 256, "n_mels": 80}
        spectra = {"conf": {**conf, "fmin": 80, "fmax": 7600}, "mean": [0.0], "deviation": [1.0]}
        facts |= {"sizes": [], "mel": spectra}
    with torch.device("meta"):
        model = build_tts({**vars(args), "data_record": facts})
    count = sum(parameter.numel() for parameter in model.parameters())
    assert args.target == config.stem.rpartition("_")[2]
    if "mini" in config.parts:
        return
    # ESPnet's recipe, which the paper used; a decoder of 16.5 million and a head for each stream.
    layer = 4 * (384 * 384 + 384) + 2 * 3 * 384 * 1536 + 1536 + 384 + 4 * 384
    stack = 4 * layer + 2 * 384 + 1
    conf = args.tts_conf
    assert (conf["adim"], conf["aheads"], conf["elayers"], conf["dlayers"]) == (384, 2, 4, 4)
    assert conf["eunits"] == conf["dunits"] == 1536
    assert conf["positionwise_conv_kernel_size"] == 3
    assert {v for k, v in conf.items() if k.startswith("transformer_")} == {0.2}
    assert (args.optim, args.optim_conf["lr"], args.grad_clip) == ("adam", 1.0, 1.0)
    assert args.scheduler_conf == {"model_size": 384, "warmup_steps": 4000}
    assert args.max_epoch * args.num_iters_per_epoch == 100_000
    if args.target == "codes":
        assert conf["postnet_layers"] == 0 and args.decoder_stacks == "per_stream"
        assert sum(p.numel() for p in model.decoder.parameters()) == 8 * stack
        assert sum(p.numel() for p in model.head.parameters()) == 8 * (384 + 1) * 1024
        assert count == 154_790_284
    else:
        assert conf["postnet_layers"] == 5


@pytest.mark.parametrize("config", VOCODER_CONFIGS, ids=recipe_id)
def test_vocoder_config_builds_its_model_with_options_that_the_training_knows(config: Path):
    import torch

    from codec_ssl.tasks.vocoder import VocoderTask
    from codec_ssl.tasks.vocoder_model import LossConf, build_discriminator
    from codec_ssl.vocoder.experiment import PitchFacts, VocoderFacts, build_vocoder

    args = VocoderTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    several = args.speakers != "none"
    facts = VocoderFacts(
        tokens={"sizes": [1024], "frame_rate": 50.0},
        sample_rate=16000,
        speaker_kind=args.speakers,
        speakers=[f"p{number}" for number in range(107)] if several else [],
        speaker_dim=0,
        pitch=PitchFacts(20, 12.5, "f") if several else None,
    )
    losses = LossConf.from_plain(args.loss_conf)
    with torch.device("meta"):
        model = build_vocoder({**vars(args), "data_record": {"facts": facts.to_plain()}})
        judges = build_discriminator(args.discriminator, args.discriminator_conf)
    if "mini" in config.parts:
        return
    # speech-resynthesis, and the paper's steps.
    assert args.max_epoch * args.num_iters_per_epoch == 50_000
    assert (args.batch_size, args.crop_frames * model.hop, args.seed) == (16, 8960, 1234)
    for optim, conf, schedule in (
        (args.optim, args.optim_conf, args.scheduler_conf),
        (args.optim2, args.optim2_conf, args.scheduler2_conf),
    ):
        assert optim == "adamw" and conf == {"lr": 2e-4, "betas": [0.8, 0.99]}
        assert schedule == {"gamma": 0.999}
    assert (losses.adversarial, losses.feat_match, losses.mel) == (1.0, 2.0, 45.0)
    assert sum(p.numel() for p in judges.parameters()) == HIFIGAN_JUDGES
    lj = "ljspeech" in config.parts
    assert (model.durations is not None, model.f0 is not None, several) == (lj, not lj, not lj)
    # Units alone, or with a speaker and F0 beside them: a first convolution of 7 to 512 channels.
    first = 7 * 512 * (128 if lj else 3 * 128)
    assert model.net.input_conv.weight_v.numel() == first


@pytest.mark.parametrize("config", F0_CONFIGS, ids=recipe_id)
def test_f0_quantizer_config_builds_its_model_with_options_that_the_training_knows(config: Path):
    import torch

    from codec_ssl.tasks.f0_quantizer import F0QuantizerTask
    from codec_ssl.vocoder.f0_quantizer import F0Quantizer

    args = F0QuantizerTask.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    with torch.device("meta"):
        model = F0Quantizer(**args.quantizer_conf)
    # Codes of 80 ms, whole ones a crop.
    assert (model.num_bins, model.stride, args.crop_frames % 16) == (20, 16, 0)
    assert args.commitment_weight == 0.02
    if "mini" not in config.parts:
        assert args.quantizer_conf["width"] == 32 and args.quantizer_conf["num_blocks"] == 4
        assert args.max_epoch * args.num_iters_per_epoch == 400_000
        assert args.crop_frames * 80 == 16640


@pytest.mark.parametrize("config", sorted(ROOT.glob("egs2/*/*/conf/**/*.yaml")), ids=recipe_id)
def test_config_opens_by_saying_what_it_is_for(config: Path):
    assert config.read_text().startswith("# ")


def test_no_generated_or_large_file_is_tracked():
    listed = run(["git", "ls-files", "-z"], cwd=ROOT).stdout.split("\0")
    files = [ROOT / name for name in listed if name]
    large = [str(f) for f in files if f.is_file() and os.path.getsize(f) > 1_000_000]
    assert not large
    parts = {"data", "dump", "exp"}
    generated = [f for f in listed if f.startswith("egs2/") and parts & set(Path(f).parts[3:4])]
    assert not generated
