"""What programs written for Spleeter import, call and subclass, under spleeterrt's name and under Spleeter's.

Each use is a few lines of a program, in which S stands for the package.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import spleeterrt
from spleeterrt.network import config
from support.checkpoint_writer import random_tensors, write_checkpoint
from support.examples import some
from support.model_server import archive_of, serving

FILTERS = (1, 2, 2, 3, 3, 4)
RATE = 44100

USES = {
    # the package, the separator
    "root": "import S; assert issubclass(S.SpleeterError, Exception); S.SpleeterError('x')",
    "star": "from S import *; from S.utils import *; SpleeterError",
    "modules": """
        import S
        import S.audio.adapter
        import S.utils.configuration
        import S.separator
        S.audio.adapter.AudioAdapter; S.utils.configuration.load_configuration; S.separator.Separator
    """,
    "as": "import S.separator as separation; separation.Separator('spleeter:2stems')",
    "descriptor": "from S.separator import Separator; Separator('spleeter:2stems', MWF=True)",
    "keyword": "from S.separator import Separator; Separator(params_descriptor='spleeter:4stems')",
    "configuration": """
        import json
        from S.separator import Separator
        from S.utils.configuration import load_configuration
        params = {**load_configuration('spleeter:2stems')}
        params['model']['params']['conv_n_filters'] = list(FILTERS)
        json.dump(params, open('own.json', 'w'))
        assert list(Separator('own.json').separate(waveform)) == ['vocals', 'accompaniment']
    """,
    "backend": """
        from S.audio import STFTBackend
        from S.separator import Separator
        Separator('spleeter:2stems', stft_backend='librosa', multiprocess=False)
        Separator('spleeter:2stems', False, STFTBackend.TENSORFLOW, True)
        assert Separator('spleeter:2stems', False, 'librosa', False)._pool is None
        with raises(ValueError, match="stft_backend: expected one of"):
            Separator('spleeter:2stems', stft_backend='torch')
    """,
    "backends": """
        from S.audio import STFTBackend
        assert [b.value for b in STFTBackend] == ['auto', 'tensorflow', 'librosa']
        assert STFTBackend.resolve('auto') == 'librosa' and STFTBackend.resolve('tensorflow') == 'tensorflow'
        with raises(ValueError): STFTBackend.resolve('torch')
    """,
    "subclass": """
        from S.separator import Separator, STFTBackend
        class Mine(Separator):
            def __init__(self, params_descriptor, MWF=False, stft_backend=STFTBackend.AUTO, multiprocess=1):
                super().__init__(params_descriptor, MWF, stft_backend, multiprocess)
                self._params['attack'] = 4
                self._sample_rate = 44100
        assert set(Mine('spleeter:2stems').separate(waveform)) == {'vocals', 'accompaniment'}
    """,
    "arrays": """
        from S.separator import Separator
        stems = Separator('spleeter:5stems').separate(waveform, 'song.wav')
        assert list(stems) == ['vocals', 'piano', 'drums', 'bass', 'other']
        assert all(stem.shape == waveform.shape and stem.dtype == np.float32 for stem in stems.values())
    """,
    "files": """
        from S.separator import Codec, Separator
        separator = Separator('spleeter:2stems')
        separator.separate_to_file('song.wav', 'out')
        separator.separate_to_file(audio_descriptor='song.wav', destination='out', codec=Codec.FLAC)
        separator.separate_to_file('song.wav', 'out', codec='mp3', bitrate='320k', duration=0.5, offset=0)
        separator.separate_to_file(
            'song.wav', 'out', filename_format='{foldername}_{filename}_{instrument}.{codec}',
            synchronous=False,
        )
        separator.join()
        names = {path.name for path in Path('out').rglob('*.*')}
        assert {'vocals.wav', 'accompaniment.flac', 'vocals.mp3'} < names
        assert any(name.endswith('_song_vocals.wav') for name in names)
    """,
    "save_to_file": """
        from S.separator import Separator
        separator = Separator('spleeter:2stems', multiprocess=False)
        separator.save_to_file(separator.separate(waveform), 'a/song.wav', 'out')
        assert Path('out/song/vocals.wav').exists()
    """,
    "conflict": """
        from S import SpleeterError
        from S.separator import Separator
        with raises(SpleeterError):
            Separator('spleeter:2stems').separate_to_file('song.wav', 'out', filename_format='one name')
    """,
    # its attributes
    "sample_rate": """
        from S.audio.adapter import AudioAdapter
        from S.separator import Separator
        separator = Separator('spleeter:2stems')
        _, rate = AudioAdapter.default().load('song.wav', sample_rate=separator._sample_rate)
        assert rate == separator._sample_rate == 44100
    """,
    "params": """
        from S.separator import Separator
        separator = Separator('spleeter:4stems')
        separator._params['stft_backend'] = 'librosa'
        assert separator._params['instrument_list'] == ['vocals', 'drums', 'bass', 'other']
        assert separator._params['frame_length'] == 4096 and separator._params['T'] == 512
        assert not separator._MWF and separator._tasks == []
    """,
    "pool": """
        from S.separator import Separator
        separator = Separator('spleeter:2stems')
        task = separator._pool.apply_async(divmod, (7, 2))
        assert task.get() == (3, 1)
        separator._tasks.append(separator._pool.apply_async(int, ('no number',)))
        with raises(ValueError): separator.join()
        separator._pool.close(); separator._pool.join(); separator._pool.terminate()
        assert Separator('spleeter:2stems', multiprocess=False)._pool is None
    """,
    "tensorflow attribute": """
        from S.separator import Separator
        assert not hasattr(Separator('spleeter:2stems'), '_session')
    """,
    # adapters
    "default adapter": """
        from S.audio.adapter import AudioAdapter
        adapter = AudioAdapter.default()
        assert adapter is AudioAdapter.default() is AudioAdapter._DEFAULT
        waveform, rate = adapter.load('song.wav', 0, 600.0, 22050)
        assert rate == 22050 and waveform.shape == (22050, 2)
    """,
    "save": """
        from S.audio import Codec
        from S.audio.adapter import AudioAdapter
        adapter = AudioAdapter.default()
        adapter.save('a.wav', waveform, 44100)
        adapter.save('a.mp3', waveform, 44100, 'mp3', '128k')
        adapter.save(path=Path('b.flac'), data=waveform, sample_rate=44100, codec=Codec.FLAC, bitrate=None)
        assert all(Path(name).stat().st_size > 1000 for name in ('a.wav', 'a.mp3', 'b.flac'))
    """,
    "named adapter": """
        from S.audio.adapter import AudioAdapter
        name = 'spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter'
        assert isinstance(AudioAdapter.get(name), AudioAdapter)
        assert AudioAdapter.get(name.replace('spleeter', 'S')).load('song.wav')[0].shape == (44100, 2)
    """,
    "adapter of 1.5": """
        from S.audio.adapter import AudioAdapter, get_audio_adapter, get_default_audio_adapter
        assert get_default_audio_adapter() is AudioAdapter.default() is get_audio_adapter(None)
    """,
    "adapter of 1.4": """
        from S.audio.adapter import AudioAdapter
        from S.utils.audio.adapter import get_default_audio_adapter
        from S.utils.audio.adapter import AudioAdapter as same
        from S.utils.audio.ffmpeg import FFMPEGProcessAudioAdapter
        from S.utils.audio.convertor import to_stereo
        assert same is AudioAdapter and isinstance(get_default_audio_adapter(), FFMPEGProcessAudioAdapter)
    """,
    "names through other modules": """
        from S.audio.adapter import AudioAdapter, Codec
        from S.separator import Codec as same, Separator, SpleeterError, STFTBackend
        from S.separator import AudioAdapter, get_default_audio_adapter, to_stereo
        assert get_default_audio_adapter() is AudioAdapter.default() and same is Codec
    """,
    "FFmpeg's": """
        from S.audio.adapter import AudioAdapter
        from S.audio.ffmpeg import FFMPEGProcessAudioAdapter
        assert issubclass(FFMPEGProcessAudioAdapter, AudioAdapter)
        assert isinstance(AudioAdapter.default(), FFMPEGProcessAudioAdapter)
        waveform, rate = FFMPEGProcessAudioAdapter().load('song.wav', sample_rate=None)
        assert rate == 44100 and waveform.dtype == np.float32
    """,
    "FFmpeg's, subclassed": """
        from S.audio.ffmpeg import FFMPEGProcessAudioAdapter
        from S.separator import Separator
        saved = []
        class Mono(FFMPEGProcessAudioAdapter):
            def save(self, path, data, sample_rate, codec=None, bitrate=None):
                saved.append(path)
                super().save(path, data.mean(axis=1, keepdims=True), sample_rate, codec, bitrate)
        Separator('spleeter:2stems').separate_to_file('song.wav', 'out', audio_adapter=Mono())
        assert len(saved) == 2 and soundfile.info('out/song/vocals.wav').channels == 1
    """,
    "own adapter": """
        from S.audio.adapter import AudioAdapter
        from S.separator import Separator
        class Memory(AudioAdapter):
            def load(self, audio_descriptor, offset=None, duration=None, sample_rate=None, dtype=b'float32'):
                return waveform, sample_rate
            def save(self, path, data, sample_rate, codec=None, bitrate=None):
                kept[Path(path).stem] = data
        kept = {}
        Separator('spleeter:2stems').separate_to_file('anything', 'out', audio_adapter=Memory())
        assert set(kept) == {'vocals', 'accompaniment'}
    """,
    "missing file": """
        from S import SpleeterError
        from S.audio.adapter import AudioAdapter
        with raises(SpleeterError): AudioAdapter.default().load('no such file', 0, 600.0, 44100)
    """,
    "bad adapter": """
        from S import SpleeterError
        from S.audio.adapter import AudioAdapter
        with raises(SpleeterError): AudioAdapter.get('pathlib.Path')
    """,
    "stereo": """
        from S.audio.convertor import to_n_channels, to_stereo
        assert (to_stereo(waveform[:, :1]) == waveform[:, [0, 0]]).all()
        assert to_stereo(np.zeros((5, 6))).shape == (5, 2) and to_stereo(waveform) is waveform
        assert (to_n_channels(waveform, 3) == waveform[:, [0, 1, 0]]).all()
    """,
    "decibels": """
        from S.audio.convertor import db_to_gain, gain_to_db
        assert np.allclose(gain_to_db(np.float32([1, 10, 0])), [0, 20, -180])
        assert np.allclose(db_to_gain(gain_to_db([0.5, 2.0])), [0.5, 2.0])
    """,
    "bytes of decibels": """
        from S.audio.convertor import db_uint_spectrogram_to_gain, spectrogram_to_db_uint
        spectrogram = np.geomspace(1e-3, 10, 50)
        coded = spectrogram_to_db_uint(spectrogram)
        assert coded['tensor'].dtype == np.uint8
        assert (coded['tensor'].min(), coded['tensor'].max()) == (0, 255)
        decoded = db_uint_spectrogram_to_gain(coded['tensor'], coded['min'], coded['max'])
        assert np.allclose(decoded, spectrogram, rtol=0.04)
    """,
    "types": "from S.types import AudioDescriptor, Signal",
    # configurations and models
    "load_configuration": """
        from S.utils.configuration import load_configuration
        params = load_configuration('spleeter:5stems-16kHz')
        assert params['F'] == 1536 and params['model']['type'] == 'unet.softmax_unet'
        assert params['mix_name'] == 'mix' and params['batch_size'] == 4  # of training
        assert load_configuration('starter:4stems')['instrument_list'] == ['vocals', 'drums', 'bass', 'other']
    """,
    "no configuration": """
        from S import SpleeterError
        from S.utils.configuration import load_configuration
        Path('list.json').write_text('[1]'); Path('half.json').write_text('{')
        for name in ('spleeter:3stems', 'no.json', 'list.json', 'half.json', 'spleeter:../own'):
            with raises(SpleeterError): load_configuration(name)
    """,
    "resources": """
        import importlib.resources as loader, json
        import S.resources
        assert json.loads(loader.files(S.resources).joinpath('2stems.json').read_text())['T'] == 512
        assert Path(S.resources.__file__).with_name('5stems.json').exists()
    """,
    "provider": """
        from S.model.provider import ModelProvider
        assert ModelProvider.default().get('4stems') == os.path.join(MODELS, '4stems')
        assert ModelProvider.default().get(os.path.join(MODELS, '2stems')) == os.path.join(MODELS, '2stems')
        assert ModelProvider.MODEL_PROBE_PATH == '.probe'
        assert isinstance(ModelProvider.DEFAULT_MODEL_PATH, str)
    """,
    "provider of 1.5": """
        from S.model.provider import get_default_model_provider
        get_default_model_provider().download('2stems', os.path.join(MODELS, '2stems'))  # is there
    """,
    "own provider": """
        import shutil
        from S.model.provider import ModelProvider
        class Copier(ModelProvider):
            DEFAULT_MODEL_PATH = 'fetched'
            def download(self, name, path):
                shutil.copytree(os.path.join(MODELS, name.removesuffix('-copy')), path, dirs_exist_ok=True)
        provider = Copier()
        folder = provider.get('2stems-copy')
        assert folder == os.path.join('fetched', '2stems-copy') == provider.get('2stems-copy')
        assert Path(folder, '.probe').read_text() == 'OK'
        with raises(TypeError): ModelProvider()
    """,
    "provider that fails": """
        from S.model.provider import ModelProvider
        class Failing(ModelProvider):
            DEFAULT_MODEL_PATH = 'fetched'
            def download(self, name, path): raise OSError('no disk')
        with raises(SpleeterError): Failing().get('6stems')
        assert not Path('fetched/6stems').exists()
    """,
    "models beside the program": """
        from S.model.provider import ModelProvider
        before = ModelProvider.DEFAULT_MODEL_PATH
        ModelProvider.DEFAULT_MODEL_PATH = Path('frozen')
        assert os.environ['MODEL_PATH'] == 'frozen'
        ModelProvider.DEFAULT_MODEL_PATH = before
    """,
    "GitHub": """
        from S.model.provider import ModelProvider, github
        provider = github.GithubModelProvider.from_environ()
        assert isinstance(provider, ModelProvider) and provider.checksum('2stems').startswith('f3a90b39')
        with raises(ValueError): provider.checksum('three stems')
        github.GithubModelProvider('github.com', 'deezer/spleeter', 'v1.4.0').checksum('5stems')
    """,
    "checksum of a file": """
        import hashlib
        from S.model.provider.github import compute_file_checksum
        assert compute_file_checksum('song.wav') == hashlib.sha256(Path('song.wav').read_bytes()).hexdigest()
    """,
    # logging
    "logger": """
        import logging
        from S.utils.logging import configure_logger, logger
        configure_logger(False); assert logger.level == logging.INFO
        configure_logger(True); assert logger.level == logging.DEBUG
        logger.setLevel(logging.ERROR)
        assert not logging.getLogger('spleeterrt').isEnabledFor(logging.INFO)
        logger.setLevel(logging.INFO)
    """,
    "lines": """
        import contextlib, io
        from S.audio.adapter import AudioAdapter
        from S.utils.logging import logger
        with contextlib.redirect_stdout(io.StringIO()) as out:
            AudioAdapter.default().save('line.wav', waveform, 44100)
        assert out.getvalue().startswith('INFO:spleeter:File line.wav written succesfully'), out.getvalue()
    """,
    "lines of a separation": """
        import contextlib, io
        from S.separator import Separator
        from S.utils.logging import logger
        separator = Separator('spleeter:2stems')
        with contextlib.redirect_stdout(io.StringIO()) as out:
            separator.separate_to_file('song.wav', 'lines')
            separator.save_to_file({'vocals': waveform}, 'song.wav', 'saved')
        assert out.getvalue().splitlines() == [
            f'INFO:spleeter:File {Path(name)} written succesfully' for name in (
                'lines/song/vocals.wav', 'lines/song/accompaniment.wav', 'saved/song/vocals.wav'
            )
        ]
    """,
    "logging of 1.5": """
        from S.utils.logging import enable_logging, enable_tensorflow_logging, get_logger
        from S.utils.logging import enable_verbose_logging, logger
        enable_tensorflow_logging(); enable_verbose_logging(); assert get_logger().level == 10
        enable_logging(); assert get_logger() is logger and logger.level == 20
    """,
    # the commands
    "separate": """
        from S.__main__ import separate
        from S.audio import Codec, STFTBackend
        separate(
            deprecated_files=None, files=['song.wav'],
            adapter='spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter',
            bitrate='128k', codec=Codec.WAV, duration=0.5, offset=0, output_path='out',
            stft_backend=STFTBackend.AUTO, filename_format='{filename}/{instrument}.{codec}',
            params_filename='spleeter:2stems', mwf=False, verbose=False,
        )
        assert soundfile.info('out/song/vocals.wav').frames == 22050
    """,
    "separate with defaults": """
        import contextlib, io
        from S.__main__ import separate
        with contextlib.redirect_stdout(io.StringIO()) as out:
            separate(files=['song.wav'], output_path='out', params_filename='spleeter:4stems')
        lines = out.getvalue().splitlines()
        assert lines == [f'INFO:spleeter:File {path} written succesfully' for path in (
            Path('out', 'song', f'{stem}.wav') for stem in ('vocals', 'drums', 'bass', 'other')
        )]
        assert len(list(Path('out/song').iterdir())) == 4
    """,
    "nothing to separate": """
        from S.__main__ import evaluate, separate
        with raises(SpleeterError, match='expected files'): separate(output_path='out')
        with raises(SpleeterError, match='mus_dir'): evaluate(output_path='out')
    """,
    "separate by -i": """
        from S.__main__ import separate
        with raises(BaseException) as caught: separate(deprecated_files='song.wav', files=[])
        assert getattr(caught.value, 'code', None) or caught.value.exit_code == 20
    """,
    "command line": """
        from S.__main__ import entrypoint, spleeter
        sys.argv = ['spleeter', '--version']
        with raises(SystemExit) as caught: entrypoint()
        assert caught.value.code == 0 and callable(spleeter)
    """,
    "train": """
        from S import SpleeterError
        from S.__main__ import train
        with raises(SpleeterError, match='TensorFlow'): train(data='.', params_filename='spleeter:2stems')
    """,
    "options": """
        from S.options import *
        def mine(bitrate: str = AudioBitrateOption, output: str = AudioOutputOption): return bitrate
        assert mine() == '128k' or mine().default == '128k'
        VersionOption, MUSDBDirectoryOption, TrainingDataDirectoryOption, AudioInputArgument
    """,
    "commands of 1.5": """
        from S.commands import create_argument_parser
        from S.commands.separate import entrypoint
        from S.utils.configuration import load_configuration
        arguments = 'separate -i song.wav -o out -d 0.5'.split()
        arguments = create_argument_parser().parse_args(arguments)
        assert arguments.command == 'separate' and not arguments.verbose
        entrypoint(arguments, load_configuration(arguments.configuration))
        assert soundfile.info('out/song/accompaniment.wav').frames == 22050
    """,
    # TensorFlow: imported, but not used
    "training": """
        from S import SpleeterError
        from S.commands.train import entrypoint
        from S.dataset import DatasetBuilder, get_training_dataset, get_validation_dataset
        for name in (entrypoint, DatasetBuilder, get_training_dataset, get_validation_dataset):
            with raises(SpleeterError, match='TensorFlow'): name({}, None, 'path')
    """,
    "networks": """
        from S import SpleeterError
        from S.model import EstimatorSpecBuilder, InputProviderFactory, get_model_function, model_fn
        from S.model.functions.unet import softmax_unet, unet
        from S.model.functions.blstm import blstm
        with raises(SpleeterError, match='spleeter.model.InputProviderFactory'): InputProviderFactory.get({})
        with raises(SpleeterError):
            class Mine(EstimatorSpecBuilder): pass
        assert 'model_fn' in repr(model_fn) and not hasattr(model_fn, '__wrapped__')
    """,
    "estimators": """
        from S import SpleeterError
        from S.separator import DataGenerator, EstimatorSpecBuilder, create_estimator, load_configuration
        from S.utils.estimator import to_predictor
        params = load_configuration('spleeter:2stems')
        with raises(SpleeterError, match='TensorFlow'): create_estimator(params, False)
    """,
    "tensors": """
        from S import SpleeterError
        from S.audio.spectrogram import compute_spectrogram_tf
        from S.utils.tensor import pad_and_partition, pad_and_reshape
        with raises(SpleeterError, match='TensorFlow'): pad_and_partition([[1]], 2)
    """,
    "no such name": """
        with raises(ImportError): from S.separator import Seperator
        with raises(ImportError): from S.audio.adapter import AudioAdaptor
        with raises(ImportError): import S.no_such_module
        with raises(ImportError): from S.__main__ import main_window
    """,
    # the same objects, so that they can be pickled and compared
    "pickle": """
        import pickle
        from S import SpleeterError
        from S.audio import Codec
        from S.audio.adapter import AudioAdapter
        from S.separator import Separator
        for thing in (Codec.MP3, Separator, AudioAdapter, SpleeterError):
            assert pickle.loads(pickle.dumps(thing)) is thing
        assert str(pickle.loads(pickle.dumps(SpleeterError('why')))) == 'why'
        assert pickle.loads(b'c' b'S.audio\\nCodec\\n(Vwav\\ntR.') is Codec.WAV  # as Spleeter pickles it
    """,
    "identity": """
        import spleeterrt
        from S import SpleeterError
        from S.separator import Separator
        assert Separator is spleeterrt.Separator and SpleeterError is spleeterrt.SpleeterError
    """,
}


@pytest.fixture(autouse=True)
def _loggers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `utils.logging` sets up is gone afterwards."""
    own, spleeters = logging.getLogger("spleeterrt"), logging.getLogger("spleeter")
    parent, level, handlers = own.parent, spleeters.level, list(spleeters.handlers)
    monkeypatch.setattr(own, "level", logging.NOTSET)  # whatever a command in this process made of it
    monkeypatch.setattr(own, "propagate", True)
    yield
    own.parent, spleeters.handlers = parent, handlers
    spleeters.setLevel(level)  # also empties the caches of levels
    sys.modules.pop("spleeterrt.utils.logging", None)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for count in (2, 4, 5):
        write_checkpoint(folder / f"{count}stems", random_tensors(count, FILTERS, count))
    return folder


@pytest.fixture
def program(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that a use may take for granted, and a folder to work in."""
    for name, official in config.OFFICIAL_CONFIGS.items():
        monkeypatch.setitem(config.OFFICIAL_CONFIGS, name, official.replace(conv_n_filters=FILTERS))
    monkeypatch.setenv("MODEL_PATH", str(models))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, 2)).astype(np.float32)
    soundfile.write("song.wav", waveform, RATE)
    names = {"np": np, "os": __import__("os"), "sys": sys, "Path": Path, "soundfile": soundfile}
    spleeter_error = {"SpleeterError": spleeterrt.SpleeterError}
    return {
        **names,
        **spleeter_error,
        "raises": pytest.raises,
        "waveform": waveform,
        "MODELS": str(models),
        "FILTERS": FILTERS,
    }


@pytest.fixture
def as_spleeter() -> Iterator[None]:
    before = list(sys.meta_path)
    spleeterrt.install_as_spleeter()
    yield
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if re.match(r"spleeter(\.|$)", name)]:
        del sys.modules[name]


def run(use: str, package: str, names: dict[str, Any]) -> None:
    code = re.sub(r"\bS\b", package, USES[use])
    lines = code.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    exec(compile("\n".join(line[indent:] for line in lines), use, "exec"), {**names, "__name__": "program"})


@pytest.mark.parametrize("use", some([*USES][::-1]))  # others than below
def test_under_spleeterrts_name(use: str, program: dict[str, Any]) -> None:
    run(use, "spleeterrt", program)


@pytest.mark.parametrize("use", some([*USES]))
def test_under_spleeters_name(use: str, program: dict[str, Any], as_spleeter: None) -> None:
    run(use, "spleeter", program)


def test_configurations_are_those_of_the_package() -> None:
    from spleeterrt.network.config import ModelConfig

    load_configuration = importlib.import_module("spleeterrt.utils.configuration").load_configuration
    for name, official in config.OFFICIAL_CONFIGS.items():
        assert ModelConfig.from_dict(load_configuration(f"spleeter:{name}")) == official


def test_a_provider_fetches(program: dict[str, Any], models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    github = importlib.import_module("spleeterrt.model.provider.github")
    monkeypatch.setattr(github.GithubModelProvider, "DEFAULT_MODEL_PATH", "fetched")
    with serving() as server:
        server.publish("2stems-mine", archive_of(models / "2stems"))
        provider = github.GithubModelProvider(server.url, "deezer/spleeter", "v1.4.0")
        folder = Path(provider.get("2stems-mine"))
        assert folder == Path("fetched", "2stems-mine")
        assert (folder / "model.index").exists()
        assert (folder / ".probe").read_text() == "OK"
        assert provider.get("2stems-mine") == str(folder)
        assert len(server.archive_requests) == 1
        with pytest.raises(ValueError, match="No checksum for model 9stems"):
            provider.checksum("9stems")
        with pytest.raises(spleeterrt.ModelError):
            provider.get("9stems")
        assert not Path("fetched", "9stems").exists()


def test_evaluate(program: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Spleeter's form of the scores: a stem's and metric's medians, one for each track that has any."""
    from spleeterrt import evaluate

    scores = {"song0": 1.5, "song1": None, "song2": -2.0}
    for name in scores:
        track = Path("musdb", "test", name)
        track.mkdir(parents=True)
        soundfile.write(track / "mixture.wav", program["waveform"], RATE)

    def score(separator: spleeterrt.Separator, track: Path, *, bsseval: bool) -> dict[str, Any]:
        assert bsseval
        metrics = dict.fromkeys(("uSDR", *evaluate.BSSEVAL_METRICS), scores[track.name])
        return {"targets": [{"name": stem, "metrics": metrics} for stem in separator.stems]}

    monkeypatch.setattr(evaluate, "museval_version", lambda: "0")
    monkeypatch.setattr(evaluate, "evaluate_track", score)
    found = importlib.import_module("spleeterrt.__main__").evaluate(
        adapter="spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter",
        output_path="scores",
        params_filename="spleeter:4stems",
        mus_dir="musdb",
        mwf=False,
        verbose=False,
    )
    one = {metric: [1.5, -2.0] for metric in ("SDR", "SAR", "SIR", "ISR")}
    assert found == dict.fromkeys(("vocals", "drums", "bass", "other"), one)
