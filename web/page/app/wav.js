// WAV files: headers, and samples as `spleeterrt separate` writes them.

export const FORMATS = {
  int16: { bytes: 2, tag: 1, scale: 0x8000 },
  int24: { bytes: 3, tag: 1, scale: 0x800000 },
  float32: { bytes: 4, tag: 3, scale: 1 },
};

const CHANNELS = 2;
const LARGEST = 0xffffffff - 64;

// The bytes before the samples.
export function wavHeader(format, rate, frames) {
  const { bytes, tag } = FORMATS[format];
  const size = frames * CHANNELS * bytes, extra = tag === 3 ? 12 : 0; // a `fact` chunk for what is not PCM
  if (size > LARGEST) throw new Error('The song is too long for one WAV file of this bit depth; choose a smaller one.');
  const view = new DataView(new ArrayBuffer(44 + extra));
  const ascii = (at, text) => { for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i)); };
  ascii(0, 'RIFF');
  view.setUint32(4, 36 + extra + size + (size & 1), true);
  ascii(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, tag, true);
  view.setUint16(22, CHANNELS, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * CHANNELS * bytes, true);
  view.setUint16(32, CHANNELS * bytes, true);
  view.setUint16(34, 8 * bytes, true);
  if (extra) {
    ascii(36, 'fact');
    view.setUint32(40, 4, true);
    view.setUint32(44, frames, true);
  }
  ascii(36 + extra, 'data');
  view.setUint32(40 + extra, size, true);
  return new Uint8Array(view.buffer);
}

// Interleaved samples as the bytes of a file: clip(rint(x * scale)), halves to the even number. `room`: bytes at the
// beginning of a buffer, which are used for them.
export function encode(format, samples, room) {
  if (format === 'float32') return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const { bytes, scale } = FORMATS[format], out = room.subarray(0, samples.length * bytes);
  if (bytes === 2) {
    const words = new Int16Array(out.buffer, 0, samples.length);
    for (let i = 0; i < samples.length; i++) words[i] = quantised(samples[i], scale);
    return out;
  }
  for (let i = 0, at = 0; i < samples.length; i++) {
    const value = quantised(samples[i], scale);
    out[at++] = value;
    out[at++] = value >> 8;
    out[at++] = value >> 16;
  }
  return out;
}

function quantised(sample, scale) {
  const scaled = sample * scale;
  let value = Math.round(scaled);
  if (value - scaled === 0.5 && value % 2 !== 0) value -= 1;
  return value < -scale ? -scale : value > scale - 1 ? scale - 1 : value;
}
