"""A Krita that answers like the real one, traps included, for quick tests with either Qt.

``install(qt_major)`` puts it into ``sys.modules`` as ``krita`` and ``pykrita``. Reproduced: blue
first in integer RGBA, ``setPixelData`` without a result and only from bytes, nodes that are
unhashable and a new wrapper each call, no protection by locks, groups without pixels of their
own, the selection mask among the layers and alone of its kind, a nested event loop in every
conversion, a history that is damaged by writing to a layer in the tree, a first layer full of
white, and what is an undo step: ``addChildNode``, also to a detached layer (of the document that
made it), ``remove``, ``setBlendingMode``, and with Qt 6, as since Krita 5.3, ``setSelection``; but
not ``setChildNodes``.
"""

from __future__ import annotations

import struct
import sys
import types
from importlib import import_module
from typing import Any

_CHANNELS = {"RGBA": 4, "GRAYA": 2, "A": 1}
_SAMPLES = {"U8": ("B", 1), "U16": ("H", 2), "F32": ("f", 4)}


def install(qt_major: int) -> types.ModuleType:
    """Make the fake modules; returns ``krita``."""
    QtCore: Any = import_module(f"PyQt{qt_major}.QtCore")
    QtWidgets: Any = import_module(f"PyQt{qt_major}.QtWidgets")
    # Qt 6 moved it.
    home_of_actions: Any = import_module(
        f"PyQt{qt_major}.{'QtGui' if qt_major == 6 else 'QtWidgets'}"
    )
    module = types.ModuleType("krita")
    pykrita = types.ModuleType("pykrita")
    if qt_major == 6:
        # Krita 5.2 lacks it.
        pykrita.qt_major_version = lambda: 6  # type: ignore[attr-defined]
    sys.modules["krita"], sys.modules["pykrita"] = module, pykrita
    QRect, QUuid, QByteArray = QtCore.QRect, QtCore.QUuid, QtCore.QByteArray

    class Pixels:
        """A layer's data: a rectangle of native bytes, transparent elsewhere."""

        def __init__(self, model: str, depth: str, profile: str) -> None:
            self.space = (model, depth, profile)
            self.rect = QRect()
            self.data = b""

        @property
        def size(self) -> int:
            return _CHANNELS[self.space[0]] * _SAMPLES[self.space[1]][1]

        def read(self, x: int, y: int, w: int, h: int) -> bytes:
            if self.rect == QRect(x, y, w, h):
                return self.data
            out = bytearray(w * h * self.size)
            both = self.rect.intersected(QRect(x, y, w, h))
            for row in range(both.top(), both.top() + both.height()):
                start = ((row - self.rect.y()) * self.rect.width() + both.x() - self.rect.x()) * (
                    self.size
                )
                to = ((row - y) * w + both.x() - x) * self.size
                count = both.width() * self.size
                out[to : to + count] = self.data[start : start + count]
            return bytes(out)

        def convert(self, space: tuple[str, str, str]) -> None:
            """Between grey and colours of 8 bits, and linear colours in float."""
            if self.space != space:
                self.data = from_linear(to_linear(self.data, self.space), space)
                self.space = space

    class Item:
        """What several node wrappers stand for."""

        def __init__(self, kind: str, name: str, pixels: Pixels | None) -> None:
            self.kind, self.name, self.pixels = kind, name, pixels
            self.uuid = QUuid.createUuid()
            self.children: list[Item] = []
            self.parent: Item | None = None
            self.locked, self.visible = False, True
            self.mode, self.animated = "normal", False
            # Of a selection mask.
            self.selection: Any = None

        def attached_to(self) -> Item:
            return self if self.parent is None else self.parent.attached_to()

        def copy(self) -> Item:
            pixels = self.pixels and Pixels(*self.pixels.space)
            if pixels:
                pixels.rect, pixels.data = QRect(self.pixels.rect), self.pixels.data
            twin = Item(self.kind, self.name, pixels)
            twin.locked, twin.visible, twin.mode = self.locked, self.visible, self.mode
            twin.animated, twin.selection = self.animated, self.selection
            twin.children = [child.copy() for child in self.children]
            for child in twin.children:
                child.parent = twin
            return twin

        def walk(self) -> Any:
            yield self
            for child in self.children:
                yield from child.walk()

    class Node(QtCore.QObject):
        __hash__ = None  # type: ignore[assignment]

        def __init__(self, item: Item, image: Any) -> None:
            super().__init__()
            self._item, self._image = item, image

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Node) and self._item is other._item

        def name(self) -> str:
            return self._item.name

        def setName(self, name: str) -> None:
            self._item.name = name

        def type(self) -> str:
            return self._item.kind

        def uniqueId(self) -> Any:
            return self._item.uuid

        def locked(self) -> bool:
            return self._item.locked

        def setLocked(self, on: bool) -> None:
            self._item.locked = on

        def visible(self) -> bool:
            return self._item.visible

        def animated(self) -> bool:
            return self._item.animated

        def _space(self) -> tuple[str, str, str]:
            return self._item.pixels.space if self._item.pixels else self._image.space

        def colorModel(self) -> str:
            return self._space()[0]

        def colorDepth(self) -> str:
            return self._space()[1]

        def colorProfile(self) -> str:
            return self._space()[2]

        def bounds(self) -> Any:
            if self._item.pixels is None:
                rect = QRect()
                for child in self._item.children:
                    if child.pixels is not None:
                        rect = rect.united(child.pixels.rect)
                return rect
            return QRect(self._item.pixels.rect)

        def pixelData(self, x: int, y: int, w: int, h: int) -> Any:
            if self._item.pixels is None:
                return QByteArray()
            return QByteArray(self._item.pixels.read(x, y, w, h))

        def projectionPixelData(self, x: int, y: int, w: int, h: int) -> Any:
            if self._item.pixels is not None:
                return self.pixelData(x, y, w, h)
            last = [c for c in self._item.children if c.pixels is not None]
            return QByteArray(last[-1].pixels.read(x, y, w, h) if last else b"")

        def blendingMode(self) -> str:
            return self._item.mode

        def setBlendingMode(self, mode: str) -> None:
            item, before = self._item, self._item.mode

            def put(value: str) -> None:
                item.mode = value

            self._image.do("Change Composite Op", lambda: put(mode), lambda: put(before))

        def setPixelData(self, data: Any, x: int, y: int, w: int, h: int) -> None:
            if not isinstance(data, (bytes, bytearray, QByteArray)):
                raise TypeError(f"setPixelData: unexpected type {type(data).__name__}")
            pixels = self._item.pixels
            if pixels is None or len(data) < w * h * pixels.size:
                return
            if self._item.attached_to() is self._image.root and self._image.views:
                self._image.history_damaged = True
            pixels.rect, pixels.data = QRect(x, y, w, h), bytes(data)

        def childNodes(self) -> list[Any]:
            return [Node(child, self._image) for child in self._item.children]

        def parentNode(self) -> Any:
            return Node(self._item.parent, self._image) if self._item.parent else None

        def addChildNode(self, child: Any, above: Any) -> bool:
            parent, item = self._item, child._item
            children = parent.children
            place = children.index(above._item) + 1 if above is not None else len(children)
            second = item.kind == "selectionmask" and any(c.kind == item.kind for c in children)

            def insert() -> None:
                if not second:
                    children.insert(place, item)
                    item.parent = parent

            self._image.do("Add Layer", insert, lambda: take_out(item))
            return True

        def setChildNodes(self, nodes: list[Any]) -> None:
            for child in list(self._item.children):
                take_out(child)
            for node in nodes:
                node._item.parent = self._item
                self._item.children.append(node._item)

        def remove(self) -> bool:
            parent, item = self._item.parent, self._item
            place = parent.children.index(item)

            def put_back() -> None:
                parent.children.insert(place, item)
                item.parent = parent

            self._image.do("Remove Layer", lambda: take_out(item), put_back)
            return True

        def duplicate(self) -> Any:
            return Node(self._item.copy(), self._image)

    def take_out(item: Item) -> None:
        if item.parent is not None:
            item.parent.children.remove(item)
            item.parent = None

    class Selection(QtCore.QObject):
        def __init__(self) -> None:
            super().__init__()
            self._pixels = Pixels("A", "U8", "")

        def select(self, x: int, y: int, w: int, h: int, value: int) -> None:
            self.setPixelData(bytes([value]) * (w * h), x, y, w, h)

        def setPixelData(self, data: Any, x: int, y: int, w: int, h: int) -> None:
            self._pixels.rect, self._pixels.data = QRect(x, y, w, h), bytes(data)

        def _box(self) -> Any:
            """What is selected at all."""
            rect, data = self._pixels.rect, self._pixels.data
            places = [i for i, value in enumerate(data) if value]
            if not places:
                return QRect()
            width = rect.width()
            left, right = min(i % width for i in places), max(i % width for i in places)
            top, bottom = places[0] // width, places[-1] // width
            return QRect(rect.x() + left, rect.y() + top, right - left + 1, bottom - top + 1)

        def x(self) -> int:
            return self._box().x()

        def y(self) -> int:
            return self._box().y()

        def width(self) -> int:
            return self._box().width()

        def height(self) -> int:
            return self._box().height()

        def duplicate(self) -> Any:
            twin = Selection()
            twin._pixels.rect, twin._pixels.data = self._pixels.rect, self._pixels.data
            return twin

        def pixelData(self, x: int, y: int, w: int, h: int) -> Any:
            return QByteArray(self._pixels.read(x, y, w, h))

    class Document(QtCore.QObject):
        """The image itself: ``==`` between two wrappers of it is not needed by these tests."""

        def __init__(self, w: int, h: int, name: str, space: tuple[str, str, str]) -> None:
            super().__init__()
            self.size, self.title, self.space = (w, h), name, space
            self.resolution = 72.0
            self.root = Item("grouplayer", "root", None)
            background = Item("paintlayer", "Background", Pixels(*space))
            background.pixels.rect = QRect(0, 0, w, h)  # type: ignore[union-attr]
            background.pixels.data = white(space, w * h)  # type: ignore[union-attr]
            background.parent = self.root
            self.root.children.append(background)
            self.annotations: dict[str, tuple[str, bytes]] = {}
            self.undo_stack: list[Any] = []
            self.redo_stack: list[Any] = []
            self.views = 0
            self.history_damaged = False
            self.active: Item | None = None
            self.changed = True
            # A stroke, or a tool that has begun something; whether it was ended by waiting for it.
            self.at_work = self.waited = False

        def do(self, name: str, redo: Any, undo: Any) -> None:
            redo()
            self.undo_stack.append((name, redo, undo))
            self.changed = True

        def undo(self) -> None:
            step = self.undo_stack.pop()
            step[2]()
            self.redo_stack.append(step)

        def redo(self) -> None:
            step = self.redo_stack.pop()
            step[1]()
            self.undo_stack.append(step)

        def xRes(self) -> float:
            return self.resolution

        def name(self) -> str:
            return self.title

        def fileName(self) -> str:
            return ""

        def width(self) -> int:
            return self.size[0]

        def height(self) -> int:
            return self.size[1]

        def colorModel(self) -> str:
            return self.space[0]

        def colorDepth(self) -> str:
            return self.space[1]

        def colorProfile(self) -> str:
            return self.space[2]

        def rootNode(self) -> Any:
            return Node(self.root, self)

        def topLevelNodes(self) -> list[Any]:
            return self.rootNode().childNodes()

        def activeNode(self) -> Any:
            return Node(self.active, self) if self.active and self.views else None

        def setActiveNode(self, node: Any) -> None:
            self.active = node._item

        def nodeByUniqueID(self, uuid: Any) -> Any:
            for item in self.root.walk():
                if item.uuid == uuid:
                    return Node(item, self)
            return None

        def createNode(self, name: str, kind: str) -> Any:
            return Node(Item(kind, name, Pixels(*self.space)), self)

        def createGroupLayer(self, name: str) -> Any:
            return Node(Item("grouplayer", name, None), self)

        def createTransparencyMask(self, name: str) -> Any:
            return Node(Item("transparencymask", name, Pixels("A", "U8", "")), self)

        def selection(self) -> Any:
            found = [c.selection for c in self.root.children if c.kind == "selectionmask"]
            return found[0] if found else None

        def setSelection(self, selection: Any) -> None:
            before = [c for c in self.root.children if c.kind == "selectionmask"]
            mask = Item("selectionmask", "Selection Mask", None)
            mask.selection = selection

            def put(old: list[Item], new: list[Item]) -> None:
                for item in old:
                    take_out(item)
                for item in new:
                    item.parent = self.root
                    self.root.children.append(item)

            if qt_major == 6:
                self.do("", lambda: put(before, [mask]), lambda: put([mask], before))
            else:
                put(before, [mask])

        def setColorSpace(self, model: str, depth: str, profile: str) -> bool:
            # Krita's event loop runs meanwhile: whatever is waiting comes in between.
            QtWidgets.QApplication.processEvents()
            for item in self.root.walk():
                if item.pixels is not None and item.pixels.data:
                    item.pixels.convert((model, depth, profile))
                elif item.pixels is not None:
                    item.pixels.space = (model, depth, profile)
            self.space = (model, depth, profile)
            return True

        def tryBarrierLock(self) -> bool:
            return not self.at_work

        def unlock(self) -> None:
            assert not self.at_work

        def waitForDone(self) -> None:
            QtWidgets.QApplication.processEvents()
            self.at_work, self.waited = False, self.at_work

        def refreshProjection(self) -> None:
            pass

        def setModified(self, on: bool) -> None:
            self.changed = on

        def modified(self) -> bool:
            return self.changed

        def close(self) -> bool:
            krita.open_documents.remove(self)
            return True

        def annotationTypes(self) -> list[str]:
            return list(self.annotations)

        def annotation(self, key: str) -> Any:
            return QByteArray(self.annotations.get(key, ("", b""))[1])

        def setAnnotation(self, key: str, description: str, data: Any) -> None:
            self.annotations[key] = (description, bytes(data))
            self.changed = True

        def removeAnnotation(self, key: str) -> None:
            del self.annotations[key]

    class View(QtCore.QObject):
        def __init__(self, document: Any) -> None:
            super().__init__()
            self.shown = document
            self.messages: list[str] = []
            self.picked: list[Any] = []

        def document(self) -> Any:
            return self.shown

        def selectedNodes(self) -> list[Any]:
            return self.picked or ([self.shown.activeNode()] if self.shown.activeNode() else [])

        def showFloatingMessage(self, text: str, icon: Any, ms: int, priority: int) -> None:
            self.messages.append(text)

    class Window(QtCore.QObject):
        def __init__(self) -> None:
            super().__init__()
            self.main = QtWidgets.QMainWindow()
            self.view: Any = None
            self.made: dict[str, tuple[Any, str]] = {}

        def qwindow(self) -> Any:
            return self.main

        def activeView(self) -> Any:
            return self.view

        def createAction(self, name: str, text: str, menu: str = "tools/scripts") -> Any:
            action = home_of_actions.QAction(text, self.main)
            action.setObjectName(name)
            self.made[name] = (action, menu)
            return action

        def addView(self, document: Any) -> Any:
            self.show(document)
            return self.view

        def show(self, document: Any) -> None:
            """Open a view of the document."""
            document.views += 1
            document.active = document.active or document.root.children[-1]
            self.view = View(document)

    class Passing:
        """The wrapper of a window that createActions gets; Krita deletes it afterwards."""

        def __init__(self, window: Any) -> None:
            self.window, self.gone = window, False

        def __getattr__(self, name: str) -> Any:
            if self.gone:
                raise RuntimeError("wrapped C/C++ object of type Window has been deleted")
            return getattr(self.window, name)

    class Notifier(QtCore.QObject):
        applicationClosing = QtCore.pyqtSignal()

        def setActive(self, on: bool) -> None:
            self.active = on

    class Krita(QtCore.QObject):
        def __init__(self) -> None:
            super().__init__()
            self.open_documents: list[Any] = []
            self.open_windows: list[Any] = []
            self.extensions: list[Any] = []
            self.factories: list[Any] = []
            self._notifier = Notifier()

        @staticmethod
        def instance() -> Any:
            return krita

        def version(self) -> str:
            return "6.0.4" if qt_major == 6 else "5.2.9 (git abc)"

        def notifier(self) -> Any:
            return self._notifier

        def documents(self) -> list[Any]:
            return list(self.open_documents)

        def windows(self) -> list[Any]:
            return list(self.open_windows)

        def activeWindow(self) -> Any:
            return self.open_windows[-1] if self.open_windows else None

        def createDocument(
            self, w: int, h: int, name: str, model: str, depth: str, profile: str, dpi: float
        ) -> Any:
            document = Document(w, h, name, (model, depth, profile))
            document.resolution = dpi
            self.open_documents.append(document)
            return document

        def addExtension(self, extension: Any) -> None:
            self.extensions.append(extension)
            extension.setup()

        def addDockWidgetFactory(self, factory: Any) -> None:
            self.factories.append(factory)

        def open_window(self) -> Any:
            """What Krita does for a new window: panels first, then the actions."""
            window = Window()
            self.open_windows.append(window)
            for factory in self.factories:
                docker = factory.createDockWidget()
                docker.setObjectName(factory.identity)
                docker.setParent(window.main)
                window.main.addDockWidget(QtCore.Qt.DockWidgetArea.RightDockWidgetArea, docker)
            window.main.show()
            for extension in self.extensions:
                passed = Passing(window)
                extension.createActions(passed)
                passed.gone = True
            return window

    class Extension(QtCore.QObject):
        pass

    class DockWidget(QtWidgets.QDockWidget):
        pass

    class DockWidgetFactoryBase:
        class DockPosition:
            DockRight = 1

    class DockWidgetFactory(DockWidgetFactoryBase):
        def __init__(self, identity: str, position: Any, maker: Any) -> None:
            self.identity, self.maker = identity, maker

        def createDockWidget(self) -> Any:
            return self.maker()

    krita = Krita()
    for made in (Krita, Extension, DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Selection):
        setattr(module, made.__name__, made)
    return module


def encode(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def decode(encoded: float) -> float:
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4


def to_linear(data: bytes, space: tuple[str, str, str]) -> list[tuple[float, ...]]:
    """Pixels as red, green, blue in linear light, and alpha."""
    if space[:2] == ("RGBA", "F32"):
        return [tuple(p) for p in struct.iter_unpack("<4f", data)]
    if space[:2] == ("GRAYA", "U8"):
        pairs = zip(data[::2], data[1::2], strict=True)
        return [(*[decode(g / 255)] * 3, a / 255) for g, a in pairs]
    if space[:2] == ("RGBA", "U8"):
        return [
            (*(decode(c / 255) for c in (r, g, b)), a / 255)
            for b, g, r, a in struct.iter_unpack("4B", data)
        ]
    raise AssertionError(f"the fake Krita knows no pixels of the space {space}")


def from_linear(pixels: list[tuple[float, ...]], space: tuple[str, str, str]) -> bytes:
    """The native bytes of what ``to_linear`` gives."""
    if space[:2] == ("RGBA", "F32"):
        return b"".join(struct.pack("<4f", *p) for p in pixels)

    def byte(value: float) -> int:
        return round(encode(min(1, max(0, value))) * 255)

    if space[:2] == ("GRAYA", "U8"):
        return bytes(v for _, g, _, a in pixels for v in (byte(g), round(a * 255)))
    if space[:2] == ("RGBA", "U8"):
        return bytes(
            v for r, g, b, a in pixels for v in (byte(b), byte(g), byte(r), round(a * 255))
        )
    raise AssertionError(f"the fake Krita knows no pixels of the space {space}")


def white(space: tuple[str, str, str], pixels: int) -> bytes:
    """So many white opaque pixels."""
    if space[1] == "F32":
        return struct.pack("<f", 1.0) * (pixels * _CHANNELS[space[0]])
    return b"\xff" * (pixels * _CHANNELS[space[0]] * _SAMPLES[space[1]][1])
