"""What a file is that is given as an ONNX model and is none, told by its first bytes."""

from __future__ import annotations

import re

from shared_core.bridge.language import _

HEAD_BYTES = 512

_WEB_PAGE = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_LFS_POINTER = b"version https://git-lfs"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_SAFETENSORS_MOST = 100 << 20
_EXPORT = _("export the model as ONNX, or find its .onnx file")
_UNPACK = _("unpack it and give the .onnx file in it")
_FOR_A_DEVICE = _("it is made for one runtime alone; give the .onnx file it was made from")
# Offset, bytes, what it is, what to do.
_MAGIC = (
    (
        0,
        _LFS_POINTER,
        _("a Git LFS pointer"),
        _("download the file itself"),
    ),
    (0, b"PK\x03\x04", _("a zip archive"), _UNPACK),
    (0, b"\x1f\x8b", _("a gzip archive"), _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", _("a 7-Zip archive"), _UNPACK),
    (0, b"Rar!", _("a RAR archive"), _UNPACK),
    (257, b"ustar", _("a tar archive"), _UNPACK),
    (4, b"ORTM", _("a model in onnxruntime's own .ort format"), _FOR_A_DEVICE),
    (4, b"TFL3", _("a TensorFlow Lite model"), _EXPORT),
    (0, b"GGUF", _("a GGUF model"), _EXPORT),
    (0, b"\x89HDF", _("a Keras (HDF5) model"), _EXPORT),
    (0, b"7767517\n", _("an ncnn model"), _EXPORT),
    (0, b"\x93NUMPY", _("a NumPy array"), _EXPORT),
    (0, b"\x89PNG", _("a PNG picture"), _("give the model's .onnx file")),
    (0, b"\xff\xd8\xff", _("a JPEG picture"), _("give the model's .onnx file")),
    (0, b"\x7fELF", _("a program"), _("give the model's .onnx file")),
    (0, b"MZ", _("a program"), _("give the model's .onnx file")),
)


def something_else(head: bytes) -> tuple[str, str] | None:
    """What the file with these first ``HEAD_BYTES`` is, and what to do; None if it may be ONNX."""
    if not head:
        return _("empty"), _("download it again")
    if _WEB_PAGE.match(head):
        return _("a web page"), _("download the file itself, not the page about it")
    # PyTorch's newer files are zip archives whose entries lie in a folder beside data.pkl.
    if head.startswith(b"PK\x03\x04") and (b"data.pkl" in head or b"/byteorder" in head):
        return _("a PyTorch model"), _EXPORT
    if _PICKLE.match(head):
        return _("a PyTorch model (a Python pickle)"), _EXPORT
    if _is_safetensors(head):
        return _("a safetensors file, which holds weights without a network"), _EXPORT
    for offset, magic, what, advice in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return what, advice
    if not head.strip(b"\0"):
        return _("nothing but zeros"), _("download it again")
    if _is_text(head):
        return _("a text"), _("give the model's .onnx file")
    return None


def _is_safetensors(head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= _SAFETENSORS_MOST and head[8:10] in (b'{"', b"{}", b"{ ")


def _is_text(head: bytes) -> bool:
    """Whether it is JSON, XML or another text; ONNX begins with a byte that no text has."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # A character may be cut at the end.
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return all(letter.isprintable() or letter in "\r\n\t" for letter in text)
