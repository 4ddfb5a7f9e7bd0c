"""What is read of ONNX graphs: this U-Net however it is written down, and nothing else."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spleeterrt import ModelError, load_model
from spleeterrt.models.checkpoint import open_checkpoint
from spleeterrt.models.onnx_files import save_onnx
from spleeterrt.network.config import ModelConfig
from support.checkpoint_writer import field, random_tensors, write_checkpoint

onnx = pytest.importorskip("onnx")

FILTERS = (1, 2, 2, 3, 3, 4)
SMALL: dict[str, Any] = {"T": 64, "F": 64, "frame_length": 256, "frame_step": 64, "conv_n_filters": FILTERS}
helper = onnx.helper


def small_weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of both signs, such that masks are neither all zeros nor all ones."""
    changed = {name: value - 1 for name, value in tensors.items() if name.endswith(("kernel", "bias"))}
    return {**tensors, **changed}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One stem of a sigmoid model, and three of a softmax model."""
    folder = tmp_path_factory.mktemp("onnx")
    paths = {}
    for kind, stems in (("unet", ("vocals",)), ("softmax_unet", ("vocals", "drums", "bass"))):
        config = ModelConfig(instruments=stems, model_type=f"unet.{kind}", **SMALL)
        write_checkpoint(folder / kind, small_weights(random_tensors(len(stems), FILTERS)))
        (paths[kind],) = save_onnx(folder / kind, config, open_checkpoint(folder / kind, config))
    return paths


def first(model: Any, kind: str, number: int = 0) -> Any:
    return [node for node in model.graph.node if node.op_type == kind][number]


def attribute(node: Any, name: str) -> Any:
    return next(entry for entry in node.attribute if entry.name == name)


def initializer(model: Any, name: str) -> Any:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def replace_value(model: Any, name: str, value: np.ndarray) -> None:
    initializer(model, name).CopyFrom(onnx.numpy_helper.from_array(value, name))


def reverse(names: Any) -> None:
    names[:] = list(reversed(names))


def node(model: Any, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
    model.graph.node.append(helper.make_node(kind, inputs, outputs, **attributes))


def set_attribute(kind: str, **values: Any) -> Callable[[Any], None]:
    """Of the first operation of a kind."""

    def change(model: Any) -> None:
        target = first(model, kind)
        for name, value in values.items():
            kept = [entry for entry in target.attribute if entry.name != name]
            del target.attribute[:]
            target.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


def between(
    kind: str, number: int, operation: str, inputs: tuple[str, ...] = (), **attributes: Any
) -> Callable[[Any], None]:
    """Put an operation before the first input of another."""

    def change(model: Any) -> None:
        target = first(model, kind, number)
        node(model, operation, [target.input[0], *inputs], ["put between"], **attributes)
        target.input[0] = "put between"

    return change


def rename_output(model: Any, old: str, new: str) -> None:
    next(value for value in model.graph.output if value.name == old).name = new


# --- refused ------------------------------------------------------------------------


def skip_after_activation(model: Any) -> None:
    first(model, "Concat").input[0] = first(model, "LeakyRelu").output[0]


def skip_of_another_layer(model: Any) -> None:
    first(model, "Concat", 0).input[0], first(model, "Concat", 1).input[0] = (
        first(model, "Concat", 1).input[0],
        first(model, "Concat", 0).input[0],
    )


def tanh(model: Any) -> None:
    first(model, "Relu").op_type = "Tanh"


def hard_sigmoid(model: Any) -> None:
    first(model, "Sigmoid").op_type = "HardSigmoid"


def output_transposed(model: Any) -> None:
    first(model, "Mul").output[0] = "product"
    node(model, "Transpose", ["product"], ["vocals"], perm=[0, 2, 1, 3])


def not_a_number(model: Any) -> None:
    replace_value(model, "vocals/conv2d/bias", np.full(1, np.nan, np.float32))


def mask_squared(model: Any) -> None:
    target = first(model, "Mul")
    target.input[1] = target.input[0]


def mix_squared(model: Any) -> None:
    target = first(model, "Mul")
    target.input[0] = target.input[1]


def no_product(model: Any) -> None:
    first(model, "Mul").op_type = "Add"


def mask_alone(model: Any) -> None:
    target = first(model, "Mul")
    target.op_type = "Identity"
    del target.input[1]


def four_inputs(model: Any) -> None:
    del first(model, "BatchNormalization").input[4]


def wrong_dims(model: Any) -> None:
    initializer(model, "vocals/conv2d/kernel").dims[:] = [7]


def negative_dims(model: Any) -> None:
    initializer(model, "vocals/conv2d/kernel").dims[:] = [-1, 2, 5, 5]


def no_stems(model: Any) -> None:
    del model.metadata_props[[entry.key for entry in model.metadata_props].index("stems")]


def other_stem(model: Any) -> None:
    for entry in model.metadata_props:
        entry.value = entry.value.replace('"vocals"', '"vocals", "drums"')
        if entry.key == "stems":
            entry.value = "drums"


def odd_metadata(model: Any) -> None:
    for entry in model.metadata_props:
        entry.value = entry.value[:-1]


def odd_size(model: Any) -> None:
    """As a file from elsewhere would have it."""
    del model.metadata_props[:]
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 100


def two_outputs(model: Any) -> None:
    model.graph.output.append(model.graph.output[0])


def cyclic(model: Any) -> None:
    first(model, "Sigmoid").input[0] = "a"
    node(model, "Identity", ["b"], ["a"])
    node(model, "Identity", ["a"], ["b"])


def cyclic_constant(model: Any) -> None:
    first(model, "Conv").input[1] = "a"
    node(model, "Reshape", ["b", "b"], ["a"])
    node(model, "Reshape", ["a", "a"], ["b"])


def made_twice(model: Any) -> None:
    node(model, "Identity", ["magnitude"], [first(model, "Conv").output[0]])


def endless_constant(model: Any) -> None:
    """A kernel of 2**60 numbers, in a few bytes."""
    replace_value(model, "vocals/conv2d/kernel", np.array([2**30, 2**30], np.int64))
    node(model, "ConstantOfShape", ["vocals/conv2d/kernel"], ["large"])
    first(model, "Conv").input[1] = "large"


def doubling_constant(model: Any) -> None:
    name = "vocals/conv2d/kernel"
    for k in range(40):
        node(model, "Concat", [name, name], [f"doubled {k}"], axis=0)
        name = f"doubled {k}"
    first(model, "Conv").input[1] = name


def computed_constant(model: Any) -> None:
    node(model, "Exp", ["vocals/conv2d/kernel"], ["computed"])
    first(model, "Conv").input[1] = "computed"


def foreign_domain(model: Any) -> None:
    first(model, "Conv").domain = "com.example"


def own_relu(model: Any) -> None:
    """A function of the file takes the name of a standard operation."""
    model.functions.append(
        helper.make_function(
            "", "Relu", ["x"], ["y"], [helper.make_node("Tanh", ["x"], ["y"])], model.opset_import
        )
    )


def integer_weights(model: Any) -> None:
    first(model, "Conv").op_type = "ConvInteger"


def dequantized(model: Any) -> None:
    node(model, "DequantizeLinear", ["vocals/conv2d/kernel"], ["scaled"])
    first(model, "Conv").input[1] = "scaled"


def double_weights(model: Any) -> None:
    replace_value(model, "vocals/conv2d/kernel", np.ones((1, 2, 5, 5), np.complex64))


def integer_input(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64


def flat_input(model: Any) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[2:]


def second_output(model: Any) -> None:
    target = first(model, "BatchNormalization")
    target.output[:] = ["other", *target.output]


def more_outputs(model: Any) -> None:
    """Before opset 14, a batch norm in training had five."""
    model.opset_import[0].version = 13
    first(model, "BatchNormalization").output.extend(["mean", "variance", "saved mean", "saved variance"])


def old_opset(model: Any) -> None:
    model.opset_import[0].version = 7


def no_opset(model: Any) -> None:
    del model.opset_import[:]


REFUSED: dict[str, tuple[Callable[[Any], None], str]] = {
    "skip after the activation": (skip_after_activation, "decoder layer 2.*the skip"),
    "skip of another layer": (skip_of_another_layer, "its skip takes"),
    "concat the other way round": (lambda m: reverse(first(m, "Concat").input), "decoder layer 2.*the skip"),
    "concat of other dimensions": (set_attribute("Concat", axis=2), "along dimension 2"),
    "symmetric padding": (set_attribute("Conv", pads=[2, 2, 2, 2]), r"conv2d: .*pads \[2, 2, 2, 2\]"),
    "auto_pad": (set_attribute("ConvTranspose", auto_pad="SAME_LOWER"), "auto_pad SAME_LOWER, expected"),
    "output_padding": (set_attribute("ConvTranspose", output_padding=[1, 1]), r"output_padding \[1, 1\]"),
    "output_shape": (set_attribute("ConvTranspose", output_shape=[64, 64]), "not expected, 'output_shape'"),
    "dilations": (set_attribute("Conv", dilations=[2, 1]), r"dilations \[2, 1\], expected \[1, 1\]"),
    "strides": (set_attribute("Conv", strides=[2, 1]), r"strides \[2, 1\], expected \[2, 2\]"),
    "groups": (set_attribute("Conv", group=2), "group 2, expected 1"),
    "kernel_shape": (set_attribute("Conv", kernel_shape=[3, 3]), r"kernel_shape \[3, 3\]"),
    "an attribute of another type": (set_attribute("Conv", group=[1]), "'group' is of another type"),
    "an attribute that nobody knows": (set_attribute("Relu", flipped=1), "not expected, 'flipped' = 1"),
    "another slope": (set_attribute("LeakyRelu", alpha=0.01), "alpha = 0.01, expected 0.2"),
    "a slope that is no number": (set_attribute("LeakyRelu", alpha=float("nan")), "alpha = nan"),
    "training mode": (set_attribute("BatchNormalization", training_mode=1), "training mode"),
    "training mode of old": (more_outputs, "training mode"),
    "negative epsilon": (set_attribute("BatchNormalization", epsilon=-1.0), "epsilon -1"),
    "another activation": (lambda m: setattr(first(m, "Relu"), "op_type", "Elu"), "different activations"),
    "another operation": (tanh, "expected LeakyRelu or Relu or Elu, got Tanh"),
    "another mask": (hard_sigmoid, "expected Squeeze or Sigmoid"),
    "mask squared": (mask_squared, "not the product of a mask and the input"),
    "mix squared": (mix_squared, "not the product of a mask and the input"),
    "a sum for the product": (no_product, "expected Mul, got Add"),
    "the mask alone": (mask_alone, "expected Mul"),
    "frames and bins exchanged": (set_attribute("Transpose", perm=[0, 3, 2, 1]), "no layout"),
    "the mask's frames and bins exchanged": (
        lambda m: attribute(first(m, "Transpose", 1), "perm").ints.__setitem__(slice(None), [0, 3, 2, 1]),
        "the mask's dimensions are not in the order",
    ),
    "the mask transposed": (between("Mul", 0, "Transpose", perm=[0, 2, 1, 3]), "in the order of the input's"),
    "the output transposed": (output_transposed, "its dimensions are not in the order of the input's"),
    "no permutation": (set_attribute("Transpose", perm=[0, 3, 1]), "an order of four dimensions"),
    "a cast to integers": (between("Conv", 2, "Cast", to=7), "other numbers than floating-point"),
    "dropout in training": (between("Conv", 2, "Dropout", ("", "mode")), "training mode"),
    "a pad of ones": (between("Conv", 2, "Pad", ("amounts", "one")), "pads"),
    "four inputs": (four_inputs, "4 inputs, expected 5"),
    "wrong dimensions": (wrong_dims, "is damaged"),
    "negative dimensions": (negative_dims, r"the shape \[-1"),
    "no names of stems": (no_stems, "do not name its stems"),
    "the name of another stem": (other_stem, "its output is 'vocals', its metadata name 'drums'"),
    "metadata cut off": (odd_metadata, "its metadata: "),
    "100 frames": (odd_size, "multiple of 64"),
    "two outputs": (two_outputs, "2 outputs, expected 1"),
    "a cycle": (cyclic, "depends on itself"),
    "a cycle of constants": (cyclic_constant, "depends on itself"),
    "a value made twice": (made_twice, "is made twice"),
    "a vast constant": (endless_constant, "larger than its weights"),
    "a constant that doubles": (doubling_constant, "larger than its weights"),
    "a computed constant": (computed_constant, "Exp .*cannot be computed"),
    "another domain": (foreign_domain, "Conv of 'com.example'"),
    "an operation redefined": (own_relu, "defines standard operations anew"),
    "integer weights": (integer_weights, "its weights are integers"),
    "dequantized weights": (dequantized, "its weights are integers"),
    "complex weights": (double_weights, "COMPLEX64"),
    "integers in": (integer_input, "not of floating-point numbers"),
    "two dimensions in": (flat_input, "4 dimensions, got 2"),
    "a second output": (second_output, "a second output of BatchNormalization"),
    "an old opset": (old_opset, "opset 7"),
    "no opset": (no_opset, "none"),
    "not a number": (not_a_number, "not finite"),
}  # fmt: skip


def split_permuted(model: Any) -> None:
    outputs = first(model, "Split").output
    outputs[:] = [*outputs[1:], outputs[0]]


def outputs_permuted(model: Any) -> None:
    outputs = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend(reversed(outputs))


def names_permuted(model: Any) -> None:
    for entry in model.metadata_props:
        if entry.key == "stems":
            entry.value = "drums,vocals,bass"


def unequal_split(model: Any) -> None:
    replace_value(model, "sizes", np.array([2, 1, 0], np.int64))


def other_squeeze(model: Any) -> None:
    node(model, "Constant", [], ["second"], value_ints=[2])
    first(model, "Squeeze").input[1] = "second"


def old_softmax(model: Any) -> None:
    model.opset_import[0].version = 12


def one_sigmoid(model: Any) -> None:
    first(model, "Squeeze", 1).op_type = "Sigmoid"
    del first(model, "Sigmoid").input[1]


REFUSED_SOFTMAX: dict[str, tuple[Callable[[Any], None], str]] = {
    "parts permuted": (split_permuted, "the stems are in another order"),
    "outputs permuted": (outputs_permuted, "the stems are in another order"),
    "names permuted": (names_permuted, "its outputs are vocals, drums, bass, its metadata name drums"),
    "along the channels": (set_attribute("Softmax", axis=2), "is not across the stems"),
    "split along the channels": (set_attribute("Split", axis=2), "does not part single stems"),
    "unequal parts": (unequal_split, "does not part single stems"),
    "squeezed elsewhere": (other_squeeze, "is not along the stems"),
    "a softmax of old": (old_softmax, "opset 12 is not across stems"),
    "a sigmoid among them": (one_sigmoid, "neither from a sigmoid each nor from one softmax"),
}


def read_changed(path: Path, change: Callable[[Any], None], tmp_path: Path) -> Any:
    model = onnx.load(str(path))
    change(model)
    changed = tmp_path / path.name
    changed.write_bytes(model.SerializeToString())
    return load_model(changed)


@pytest.mark.parametrize("name", REFUSED)
def test_other_graphs_are_refused(name: str, files: dict[str, Path], tmp_path: Path) -> None:
    change, message = REFUSED[name]
    with pytest.raises(ModelError, match=rf"vocals\.onnx: .*{message}"):
        read_changed(files["unet"], change, tmp_path)


@pytest.mark.parametrize("name", REFUSED_SOFTMAX)
def test_other_ends_are_refused(name: str, files: dict[str, Path], tmp_path: Path) -> None:
    """Read silently, these would be the stems in another order, or other masks."""
    change, message = REFUSED_SOFTMAX[name]
    with pytest.raises(ModelError, match=rf"stems\.onnx: .*{message}"):
        read_changed(files["softmax_unet"], change, tmp_path)


# --- read all the same --------------------------------------------------------------


def renamed(model: Any) -> None:
    """Every tensor and operation but the input and the output."""
    names: dict[str, str] = {"magnitude": "magnitude", "vocals": "vocals"}

    def new(name: str) -> str:
        return names.setdefault(name, f"t{len(names)}")

    for target in model.graph.node:
        target.name = ""
        target.input[:] = map(new, target.input)
        target.output[:] = map(new, target.output)
    for tensor in model.graph.initializer:
        tensor.name = new(tensor.name)


def identities(model: Any) -> None:
    """Behind every input of every operation."""
    for number, target in enumerate(list(model.graph.node)):
        for k, name in enumerate(list(target.input)):
            node(model, "Identity", [name], [f"same {number} {k}"])
            target.input[k] = f"same {number} {k}"


def shuffled(model: Any) -> None:
    nodes = list(model.graph.node)
    random.Random(0).shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def constants_as_operations(model: Any) -> None:
    for tensor in model.graph.initializer:
        node(model, "Constant", [], [tensor.name], value=tensor)
    del model.graph.initializer[:]


def folded_constants(model: Any) -> None:
    """A kernel that is stored in halves, flattened, in float64."""
    whole = onnx.numpy_helper.to_array(initializer(model, "vocals/conv2d_1/kernel")).astype(np.float64)
    for name, part in zip("ab", np.split(whole.reshape(-1), 2), strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(part, name))
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array(whole.shape[::-1], np.int64), "reversed")
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1], np.int64), "minus one"))
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([-(2**63) + 1], np.int64), "the end")
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0], np.int64), "zero"))
    node(model, "Concat", ["a", "b"], ["joined"], axis=-1)
    node(model, "Slice", ["reversed", "minus one", "the end", "zero", "minus one"], ["shape"])
    node(model, "Reshape", ["joined", "shape"], ["shaped"])
    node(model, "Cast", ["shaped"], ["single"], to=1)
    node(model, "Unsqueeze", ["single", "minus one"], ["deeper"])
    node(model, "Transpose", ["deeper"], ["turned"])
    node(model, "Transpose", ["turned"], ["turned back"], perm=[4, 3, 2, 1, 0])
    node(model, "Squeeze", ["turned back", "minus one"], ["whole"])
    first(model, "Conv", 1).input[1] = "whole"


def pads_and_slices(model: Any) -> None:
    """TensorFlow's padding as PyTorch writes it; of some with the dimensions named."""
    add = model.graph.initializer.append
    add(onnx.numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 2, 2], np.int64), "amounts"))
    add(onnx.numpy_helper.from_array(np.array([1, 1], np.int64), "starts"))
    add(onnx.numpy_helper.from_array(np.array([-2, -2], np.int64), "ends"))
    add(onnx.numpy_helper.from_array(np.array([3, -2], np.int64), "axes"))
    for number in range(6):
        set_pads(first(model, "Conv", number), [0, 0, 0, 0])
        between("Conv", number, "Pad", ("amounts",))(model)
        model.graph.node[-1].output[0] = first(model, "Conv", number).input[0] = f"padded {number}"
        target = first(model, "ConvTranspose", number)
        set_pads(target, [0, 0, 0, 0])
        whole, target.output[0] = target.output[0], f"uncropped {number}"
        node(model, "Slice", [target.output[0], "starts", "ends", "axes"], [whole])


def set_pads(target: Any, pads: list[int]) -> None:
    attribute(target, "pads").ints[:] = pads


def half_precision(model: Any) -> None:
    between("Conv", 3, "Cast", to=10)(model)
    node(model, "Cast", ["put between"], ["put back"], to=1)
    first(model, "Conv", 3).input[0] = "put back"


def product_the_other_way_round(model: Any) -> None:
    reverse(first(model, "Mul").input)


def product_channels_first(model: Any) -> None:
    """Transposed behind the product instead of before."""
    last, product = first(model, "Transpose", 1), first(model, "Mul")
    product.input[:] = [last.input[0], first(model, "Transpose", 0).output[0]]
    product.output[0] = "product"
    last.input[0], last.output[0] = "product", "vocals"


def sigmoid_behind(model: Any) -> None:
    """Of the transposed logits."""
    last, sigmoid = first(model, "Transpose", 1), first(model, "Sigmoid")
    last.input[0], sigmoid.input[0] = sigmoid.input[0], "transposed logits"
    sigmoid.output[0], last.output[0] = last.output[0], "transposed logits"


def loose_ends(model: Any) -> None:
    """Operations that no output depends on."""
    node(model, "Tanh", ["magnitude"], ["unused"])
    node(model, "Constant", [], ["unused too"], value_float=1.0)


def other_epsilon(model: Any) -> None:
    set_attribute("BatchNormalization", epsilon=1e-5)(model)


def negative_axes(model: Any) -> None:
    for target in model.graph.node:
        if target.op_type == "Concat":
            attribute(target, "axis").i = -3


def sleeping_dropout(model: Any) -> None:
    between("ConvTranspose", 2, "Dropout")(model)


def initializers_as_inputs(model: Any) -> None:
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))


HARMLESS = (
    renamed,
    identities,
    shuffled,
    constants_as_operations,
    folded_constants,
    pads_and_slices,
    half_precision,
    product_the_other_way_round,
    product_channels_first,
    sigmoid_behind,
    loose_ends,
    other_epsilon,
    negative_axes,
    sleeping_dropout,
    initializers_as_inputs,
)


def computed(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """By onnx's own evaluator, in numpy, of nodes in any order."""
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(str(path))
    known = {"", "magnitude", *(tensor.name for tensor in model.graph.initializer)}
    pending, ordered = list(model.graph.node), []
    while pending:
        ready = [target for target in pending if known.issuperset(target.input)]
        ordered += ready
        known |= {name for target in ready for name in target.output}
        pending = [target for target in pending if not known.issuperset(target.output)]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    del model.graph.input[1:]
    evaluator = ReferenceEvaluator(model)
    return dict(zip(evaluator.output_names, evaluator.run(None, {"magnitude": x}), strict=True))


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__)
def test_other_ways_of_writing_it_are_read(
    change: Callable[[Any], None], files: dict[str, Path], tmp_path: Path
) -> None:
    """And are what a runtime computes from them."""
    model = read_changed(files["unet"], change, tmp_path)
    x = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    expected = computed(tmp_path / "vocals.onnx", x)["vocals"]
    assert (expected / x).std() > 0.01  # of the mask
    limit = 5e-3 if change is half_precision else 1e-5
    np.testing.assert_allclose(model.predict(x)["vocals"], expected, atol=limit)


def logits_permuted(model: Any) -> None:
    reverse(first(model, "Concat", -1).input)


def negative_softmax(model: Any) -> None:
    set_attribute("Softmax", axis=-4)(model)
    set_attribute("Split", axis=-4)(model)


def split_by_default(model: Any) -> None:
    """Into parts of equal size, as many as there are names."""
    del first(model, "Split").input[1]


@pytest.mark.parametrize(
    "change", [logits_permuted, negative_softmax, split_by_default], ids=lambda c: c.__name__
)
def test_other_softmaxes_are_read(
    change: Callable[[Any], None], files: dict[str, Path], tmp_path: Path
) -> None:
    """A stem is what its output is computed from, whatever the tensors on the way are called."""
    model = read_changed(files["softmax_unet"], change, tmp_path)
    x = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    for stem, expected in computed(tmp_path / "stems.onnx", x).items():
        np.testing.assert_allclose(model.predict(x)[stem], expected, atol=1e-5)


# --- long and wide graphs -----------------------------------------------------------


def test_long_chains_take_linear_time(files: dict[str, Path], tmp_path: Path) -> None:
    """In the worst order, too. (In quadratic time this would take minutes.)"""
    length = 20_000

    def chains(model: Any) -> None:
        kernel, x = first(model, "Conv").input[1], first(model, "Sigmoid").input[0]
        for k in reversed(range(length)):
            node(model, "Identity", [f"kernel {k}" if k else kernel], [f"kernel {k + 1}"])
            node(model, "Identity", [f"x {k}" if k else x], [f"x {k + 1}"])
        first(model, "Conv").input[1] = f"kernel {length}"
        first(model, "Sigmoid").input[0] = f"x {length}"

    assert read_changed(files["unet"], chains, tmp_path).instruments == ("vocals",)


@pytest.mark.parametrize("message", [b"\x0a\x00", b"\x62\x00", b"\x2a\x00", b"\x0a\x02\x2a\x00"])
def test_files_that_a_parser_would_blow_up(message: bytes, tmp_path: Path) -> None:
    """Two bytes each, a hundred in memory: operations, outputs, tensors, attributes."""
    graph = message * 200_000
    path = tmp_path / "vocals.onnx"
    path.write_bytes(b"\x08\x08\x42\x02\x10\x11" + field(7, graph))
    with pytest.raises(ModelError, match=r"vocals\.onnx: it has more operations, names or comments"):
        load_model(path)


def test_only_the_bytes_of_a_tensor_are_read(files: dict[str, Path], tmp_path: Path) -> None:
    """Of a file beside the model that has no end to speak of, and whose part is not told."""
    model = onnx.load(str(files["unet"]))
    tensor = model.graph.initializer[0]
    (tmp_path / "w.data").write_bytes(tensor.raw_data)
    try:
        os.truncate(tmp_path / "w.data", 1 << 40)
    except OSError:
        pytest.skip("no files with holes here")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.data")
    (tmp_path / "vocals.onnx").write_bytes(model.SerializeToString())
    x = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    got = load_model(tmp_path / "vocals.onnx").predict(x)["vocals"]
    np.testing.assert_array_equal(got, load_model(files["unet"]).predict(x)["vocals"])


def test_weights_beside_the_file(files: dict[str, Path], tmp_path: Path) -> None:
    """Tensors in a file of their own, as PyTorch's exporter leaves them; not outside of the folder."""
    model = onnx.load(str(files["unet"]))
    onnx.save(
        model, str(tmp_path / "vocals.onnx"), save_as_external_data=True, location="w.data", size_threshold=0
    )
    x = np.random.default_rng(0).random((1, 64, 64, 2), np.float32)
    got = load_model(tmp_path / "vocals.onnx").predict(x)["vocals"]
    np.testing.assert_array_equal(got, load_model(files["unet"]).predict(x)["vocals"])
    model = onnx.load(str(tmp_path / "vocals.onnx"), load_external_data=False)
    told = [entry for entry in model.graph.initializer[0].external_data if entry.key == "length"]
    assert told[0].value == "200"
    told[0].value = "204"
    (tmp_path / "vocals.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="has 204 bytes, expected 200"):
        load_model(tmp_path / "vocals.onnx")
    (tmp_path / "inside").mkdir()
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../w.data"
    (tmp_path / "inside" / "vocals.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"vocals\.onnx: .*is damaged"):
        load_model(tmp_path / "inside" / "vocals.onnx")
    (tmp_path / "w.data").unlink()
    with pytest.raises(ModelError, match=r"vocals\.onnx: .*weights cannot be read"):
        load_model(tmp_path / "vocals.onnx")
