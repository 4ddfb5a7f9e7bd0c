// What the tests in node share. SPLEETERRT_WEB_PACKAGE: the built package; SPLEETERRT_WEB_NATIVE: what native.py wrote.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

function folder(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set; see .ci/web`);
  return resolve(value);
}

export const packageFolder = folder('SPLEETERRT_WEB_PACKAGE');
const native = folder('SPLEETERRT_WEB_NATIVE');
export const spleeterrt = await import(pathToFileURL(join(packageFolder, 'spleeterrt.js')));
export const index = JSON.parse(readFileSync(join(native, 'index.json'), 'utf8'));
export const starter = index.starter;
export const tiny = join(native, 'tiny.safetensors');

export function floats(name) {
  const bytes = readFileSync(join(native, `${name}.f32`));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

export function sound(name) {
  const both = floats(name);
  return [both.subarray(0, both.length / 2), both.subarray(both.length / 2)];
}

export const song = sound('song');
export const part = song.map((channel) => channel.subarray(0, index.part));

// The stems of a signal, whole: blocks have to follow one another.
export async function collect(blocks) {
  const pieces = {};
  let end = 0;
  for await (const { start, length, stems } of blocks) {
    if (start !== end) throw new Error(`a block begins at ${start}, the one before ended at ${end}`);
    for (const [stem, channels] of Object.entries(stems)) {
      if (channels.some((channel) => channel.length !== length)) throw new Error(`${stem}: not ${length} samples`);
      (pieces[stem] ??= []).push(channels);
    }
    end += length;
  }
  return Object.fromEntries(Object.entries(pieces).map(([stem, all]) => [stem, join2(all, end)]));
}

export function join2(pieces, length) {
  return [0, 1].map((c) => {
    const joined = new Float32Array(length);
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece[c], at);
      at += piece[c].length;
    }
    return joined;
  });
}

// The energy of a - b below that of b, in decibels; Infinity where they are equal.
export function decibels(a, b) {
  let error = 0;
  let energy = 0;
  for (let c = 0; c < 2; c++)
    for (let i = 0; i < b[c].length; i++) {
      error += (a[c][i] - b[c][i]) ** 2;
      energy += b[c][i] ** 2;
    }
  return 10 * Math.log10(energy / error);
}

export const sameBytes = (a, b) => Buffer.compare(Buffer.from(a.buffer, a.byteOffset, a.byteLength),
  Buffer.from(b.buffer, b.byteOffset, b.byteLength)) === 0;

export function noise(samples, seed = 1) {
  let state = seed;
  return [0, 1].map(() =>
    Float32Array.from({ length: samples }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state / 2 ** 32 - 0.5) * 0.5;
    }),
  );
}
