"""WebAssembly text → binary, for the one function that the page needs: a matrix product. No other tool is needed."""

import re
import struct
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("matmul.wat")
TYPES = {"i32": 0x7F, "v128": 0x7B}
# Instruction → its bytes in the specification (core 2.0, "Instructions"). What reads or writes memory takes an offset.
PLAIN = {
    "i32.add": [0x6A], "i32.sub": [0x6B], "i32.mul": [0x6C], "i32.and": [0x71], "i32.or": [0x72], "i32.shl": [0x74],
    "i32.eq": [0x46], "i32.lt_s": [0x48], "i32.gt_s": [0x4A], "i32.le_s": [0x4C], "select": [0x1B],
    "f32x4.splat": [0xFD, 0x13], "f32x4.add": [0xFD, 0xE4, 0x01], "f32x4.mul": [0xFD, 0xE6, 0x01],
}  # fmt: skip
MEMORY = {
    "f32.load": ([0x2A], 2), "f32.store": ([0x38], 2), "v128.load": ([0xFD, 0x00], 2), "v128.store": ([0xFD, 0x0B], 2),
    "v128.load32_splat": ([0xFD, 0x09], 2),
}  # fmt: skip
LOOP, IF, ELSE, END, BR_IF, EMPTY = 0x03, 0x04, 0x05, 0x0B, 0x0D, 0x40


def unsigned(n: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def signed(n: int) -> bytes:
    """Signed LEB128 of a small number that is not negative."""
    return unsigned(n) if n < 64 else bytes([n & 0x7F | 0x80]) + signed(n >> 7)


def parse(text: str) -> list[Any]:
    """The text as lists of lists."""
    stack: list[list[Any]] = [[]]
    for token in re.findall(r'\(|\)|"[^"]*"|[^\s()]+', re.sub(r";;.*", "", text)):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token.strip('"'))
    return stack[0]


def _instruction(form: list[Any], slots: dict[str, int], labels: list[str]) -> bytes:
    name, *rest = form

    def several(forms: list[Any], inner: list[str] = labels) -> bytes:
        return b"".join(_instruction(f, slots, inner) for f in forms)

    match name:
        case "local.get":
            return b"\x20" + unsigned(slots[rest[0]])
        case "local.set":
            return several(rest[1:]) + b"\x21" + unsigned(slots[rest[0]])
        case "i32.const":
            return b"\x41" + signed(int(rest[0]))
        case "f32.const":
            return b"\x43" + struct.pack("<f", float(rest[0]))
        case "loop":
            return bytes([LOOP, EMPTY]) + several(rest[1:], [rest[0], *labels]) + bytes([END])
        case "br_if":
            return several(rest[1:]) + bytes([BR_IF]) + unsigned(labels.index(rest[0]))
        case "if":
            condition, then, *otherwise = rest
            inner = ["", *labels]
            tail = bytes([ELSE]) + several(otherwise[0][1:], inner) if otherwise else b""
            return several([condition]) + bytes([IF, EMPTY]) + several(then[1:], inner) + tail + bytes([END])
        case _ if name in MEMORY:
            code, align = MEMORY[name]
            at = int(rest.pop(0).removeprefix("offset=")) if isinstance(rest[0], str) else 0
            return several(rest) + bytes(code) + unsigned(align) + unsigned(at)
    return several(rest) + bytes(PLAIN[name])


def assemble(text: str) -> bytes:
    """A module with one imported memory and one exported function.

    Raises:
        KeyError: an instruction that is not in the tables above.
    """
    ((_, memory, function),) = parse(text)
    _, (_, exported), *parts = function
    params = [p for p in parts if p[0] == "param"]
    locals_ = [p for p in parts if p[0] == "local"]
    slots = {p[1]: i for i, p in enumerate([*params, *locals_])}
    code = b"".join(_instruction(p, slots, []) for p in parts if p[0] not in ("param", "local"))
    declared = unsigned(len(locals_)) + b"".join(bytes([1, TYPES[p[2]]]) for p in locals_)
    body = declared + code + bytes([END])

    def name(text: str) -> bytes:
        return unsigned(len(text)) + text.encode()

    sections = {
        1: b"\x01\x60" + unsigned(len(params)) + bytes(TYPES[p[2]] for p in params) + b"\x00",
        2: b"\x01" + name(memory[1]) + name(memory[2]) + b"\x02\x00" + unsigned(int(memory[3][1])),
        3: b"\x01\x00",
        7: b"\x01" + name(exported) + b"\x00\x00",
        10: b"\x01" + unsigned(len(body)) + body,
    }
    return b"\0asm\x01\0\0\0" + b"".join(bytes([k]) + unsigned(len(v)) + v for k, v in sections.items())


def matmul_binary() -> bytes:
    """The matrix product, ready for `WebAssembly.instantiate`."""
    return assemble(SOURCE.read_text(encoding="utf-8"))
