"""A small file for a picture of a page: the pictures are kept in the repository."""

from __future__ import annotations

import base64
import struct
import zlib

from playwright.async_api import Page

#: The 256 colours that are most frequent, and for each point the nearest of them.
_REDUCE = """async (png) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const { width, height } = bitmap, context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height), counts = new Map();
  const colour = (at) => data[at] << 16 | data[at + 1] << 8 | data[at + 2];
  for (let at = 0; at < data.length; at += 4) counts.set(colour(at), (counts.get(colour(at)) ?? 0) + 1);
  const palette = [...counts].sort(([, one], [, other]) => other - one).slice(0, 256).map(([found]) => found);
  const parts = (rgb) => [rgb >> 16, rgb >> 8 & 255, rgb & 255];
  const distance = (one, other) => parts(one).reduce((sum, part, index) => sum + (part - parts(other)[index]) ** 2, 0);
  const nearest = new Map(palette.map((found, index) => [found, index]));
  const indices = Uint8Array.from({ length: width * height }, (_, index) => {
    const wanted = colour(4 * index);
    if (!nearest.has(wanted)) {
      let best = 0;
      palette.forEach((found, place) => { if (distance(found, wanted) < distance(palette[best], wanted)) best = place; });
      nearest.set(wanted, best);
    }
    return nearest.get(wanted);
  });
  let text = "";
  for (let at = 0; at < indices.length; at += 32768) text += String.fromCharCode(...indices.subarray(at, at + 32768));
  return [width, height, palette, btoa(text)];
}"""


async def shrink(page: Page, png: bytes) -> bytes:
    """The picture with a palette of 256 colours. `page` is any page whose policy lets it read a picture of its own."""
    width, height, palette, indices = await page.evaluate(_REDUCE, base64.b64encode(png).decode())
    raw = base64.b64decode(indices)
    lines = b"".join(b"\0" + raw[at : at + width] for at in range(0, len(raw), width))
    colours = b"".join(colour.to_bytes(3, "big") for colour in palette)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
