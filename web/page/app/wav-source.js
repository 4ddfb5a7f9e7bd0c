// A WAV file read piece by piece, so that its length does not matter. Returns null for files that the browser's own
// decoder has to read: other rates, other codecs, damaged headers.

const PIECE = 1 << 18; // frames that are read at a time
const PIPED = 0x7fff0000;
const LEAST = 8 << 20; // bytes from which on it is worth it

const READERS = {
  '1/16': [2, (view, at) => view.getInt16(at, true) / 0x8000],
  '1/24': [3, (view, at) => ((view.getUint8(at) | (view.getInt16(at + 1, true) << 8)) / 0x800000)],
  '1/32': [4, (view, at) => view.getInt32(at, true) / 0x80000000],
  '3/32': [4, (view, at) => view.getFloat32(at, true)],
};

export async function openWav(file, rate) {
  if (file.size < LEAST) return null;
  const layout = await layoutOf(file);
  const [bytes, sample] = READERS[layout && `${layout.tag}/${layout.bits}`] ?? [];
  if (!bytes || layout.rate !== rate || layout.channels < 1) return null;
  const frame = bytes * layout.channels;
  if (layout.frame !== frame) return null; // samples in containers that are wider
  const length = Math.floor(Math.min(layout.size, file.size - layout.start) / frame);
  if (length < 1) return null;
  async function* pieces() {
    for (let start = 0; start < length; start += PIECE) {
      const count = Math.min(PIECE, length - start), from = layout.start + start * frame;
      const view = new DataView(await file.slice(from, from + count * frame).arrayBuffer());
      yield channelsOf(view, count, frame, bytes, layout.channels, sample);
    }
  }
  return { length, channels: layout.channels, pieces };
}

// How much sound a WAV file says it holds, beside what it does: 0 if there is none, more than 1 if its end is missing.
// Programs that write to a pipe say the most that there can be; 1 for them, and for damaged headers.
export async function claimOf(file) {
  const layout = await layoutOf(file);
  if (!layout) return 1;
  const here = file.size - layout.start;
  if (layout.size === 0 && (await chunksFrom(file, layout.start))) return 0;
  return layout.size >= PIPED ? 1 : here <= 0 ? 0 : Math.max(1, layout.size / here);
}

// Whether nothing but chunks follows. Recorders that were interrupted leave a size of 0 as well, and samples after it,
// which browsers play.
async function chunksFrom(file, at) {
  while (at < file.size) {
    const header = await chunkOf(file, at, 8);
    if (header.byteLength < 8 || !/^[ -~]{4}$/.test(nameOf(header, 0))) return false;
    const size = header.getUint32(4, true);
    if (at + 8 + size > file.size) return false;
    at += 8 + size + (size & 1);
  }
  return true;
}

function channelsOf(view, count, frame, bytes, channels, sample) {
  const left = new Float32Array(count), right = channels > 1 ? new Float32Array(count) : left;
  for (let i = 0, at = 0; i < count; i++, at += frame) {
    left[i] = sample(view, at);
    if (channels > 1) right[i] = sample(view, at + bytes);
  }
  return [left, channels > 1 ? right : left.slice()];
}

// { tag, bits, channels, rate, start, size } of the chunks `fmt ` and `data`.
async function layoutOf(file) {
  const head = await chunkOf(file, 0, 12);
  if (head.byteLength < 12 || nameOf(head, 0) !== 'RIFF' || nameOf(head, 8) !== 'WAVE') return null;
  let format = null;
  for (let at = 12; at + 8 <= file.size; ) {
    const header = await chunkOf(file, at, 8), size = header.getUint32(4, true);
    if (nameOf(header, 0) === 'data') return format && { ...format, start: at + 8, size };
    if (nameOf(header, 0) === 'fmt ' && size >= 16) format = formatOf(await chunkOf(file, at + 8, Math.min(size, 40)));
    at += 8 + size + (size & 1);
  }
  return null;
}

const chunkOf = async (file, at, length) => new DataView(await file.slice(at, at + length).arrayBuffer());
const nameOf = (view, at) => String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));

function formatOf(view) {
  const EXTENSIBLE = 0xfffe;
  const outer = view.getUint16(0, true), inner = outer === EXTENSIBLE && view.byteLength >= 26;
  return {
    tag: inner ? view.getUint16(24, true) : outer,
    channels: view.getUint16(2, true),
    rate: view.getUint32(4, true),
    frame: view.getUint16(12, true),
    bits: view.getUint16(14, true),
  };
}
