"""Worker: the official Spleeter on TensorFlow. The networks alone, `Separator.separate`, or one session."""

from __future__ import annotations

import os
from importlib import metadata

from protocol import Runner, load_stems, serve  # first: pins the cores

# isort: split
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from spleeter.model import EstimatorSpecBuilder, InputProviderFactory
from spleeter.model.functions.unet import unet
from spleeter.separator import Separator
from spleeter.utils.configuration import load_configuration

tf1 = tf.compat.v1
LAYERS = {"conv2d": 7, "batch_normalization": 12, "conv2d_transpose": 6}  # per stem


def make_session(threads: int) -> tf1.Session:
    return tf1.Session(
        config=tf1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    )


def tensor_of(stems: list, variable: str) -> np.ndarray:
    """TensorFlow numbers layers across stems; ours start anew in each."""
    layer, part = variable.split("/")
    base, _, number = layer.rpartition("_")
    if not number.isdigit():
        base, number = layer, "0"
    stem, local = divmod(int(number), LAYERS[base])
    return stems[stem][base + (f"_{local}" if local else "") + "/" + part]


class Network(Runner):
    """Spleeter's U-Nets as one graph, one session."""

    def __init__(self, request: dict) -> None:
        self.input = np.load(request["input"])
        stems = load_stems(request)
        with tf.Graph().as_default():
            self.placeholder = tf1.placeholder(tf.float32, self.input.shape)
            self.fetches = list(unet(self.placeholder, request["stems"], request["activations"]).values())
            self.session = make_session(request["threads"])
            for variable in tf1.global_variables():
                variable.load(tensor_of(list(stems.values()), variable.op.name), self.session)

    def run(self) -> list:
        return self.session.run(self.fetches, {self.placeholder: self.input})

    def output(self, result: list) -> np.ndarray:
        return np.stack([stem[0] for stem in result])


class Separation(Runner):
    """The public call: `Separator.separate`, as it comes (it builds its graph at every call)."""

    def __init__(self, request: dict) -> None:
        self.separator = Separator(request["model"], multiprocess=False)
        self.waveform = np.load(request["input"])

    def run(self) -> dict:
        return self.separator.separate(self.waveform, "")

    def output(self, result: dict) -> np.ndarray:
        return np.stack(list(result.values()))


class OneSession(Runner):
    """The same graph from Spleeter's own builder, built once and kept in one session."""

    def __init__(self, request: dict) -> None:
        params = load_configuration(request["model"])
        self.waveform = np.load(request["input"])
        folder = os.path.join(os.environ["MODEL_PATH"], params["model_dir"])
        with tf.Graph().as_default():
            features = InputProviderFactory.get(params).get_input_dict_placeholders()
            outputs = dict(EstimatorSpecBuilder(features, params).outputs)
            outputs.pop("audio_id", None)
            self.fetches = outputs
            self.feed = {features["waveform"]: self.waveform, features["audio_id"]: ""}
            self.session = make_session(request["threads"])
            tf1.train.Saver().restore(self.session, tf.train.latest_checkpoint(folder))

    def run(self) -> dict:
        return self.session.run(self.fetches, self.feed)

    def output(self, result: dict) -> np.ndarray:
        return np.stack(list(result.values()))


KINDS = {"network": Network, "separate": Separation, "session": OneSession}

if __name__ == "__main__":
    serve(
        lambda request: KINDS[request["kind"]](request),
        lambda: {name: metadata.version(name) for name in ("spleeter", "tensorflow")},
    )
