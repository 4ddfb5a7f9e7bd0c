// Files into samples, by the browser's decoder; what it cannot decode is said plainly.

import { openWav } from './wav-source.js';

const PIECE = 1 << 19; // samples

// What a file is, by its first bytes: [name, test of (text, bytes), whether browsers decode it].
const KINDS = [
  ['AIFF', (t) => t.startsWith('FORM') && /^AIF[FC]/.test(t.slice(8)), false],
  ['WMA', (t, b) => b[0] === 0x30 && b[1] === 0x26 && b[2] === 0xb2 && b[3] === 0x75, false],
  ['WAV', (t) => /^RI(FF|FX)/.test(t) && t.slice(8, 12) === 'WAVE', true],
  ['Wave64 or RF64', (t) => /^(riff|RF64|BW64)/.test(t), false],
  ['FLAC', (t) => t.startsWith('fLaC'), true],
  ['Ogg', (t) => t.startsWith('OggS'), true],
  ['MP4', (t) => t.slice(4, 8) === 'ftyp', true],
  ['Matroska or WebM', (t, b) => b[0] === 0x1a && b[1] === 0x45 && b[2] === 0xdf && b[3] === 0xa3, true],
  ['CAF', (t) => t.startsWith('caff'), false],
  ['AU', (t) => t.startsWith('.snd'), false],
  ['WavPack', (t) => t.startsWith('wvpk'), false],
  ["Monkey's Audio", (t) => t.startsWith('MAC '), false],
  ['DSD', (t) => t.startsWith('DSD ') || t.startsWith('FRM8'), false],
  ['MIDI', (t) => t.startsWith('MThd'), null],
  ['zip', (t) => t.startsWith('PK\x03\x04'), null],
  ['PDF', (t) => t.startsWith('%PDF'), null],
  ['PNG', (t) => t.startsWith('\x89PNG'), null],
  ['JPEG', (t, b) => b[0] === 0xff && b[1] === 0xd8, null],
  ['HTML', (t) => /^\s*<(!doctype|html)/i.test(t), null],
  ['MP3', (t, b) => t.startsWith('ID3') || (b[0] === 0xff && (b[1] & 0xe0) === 0xe0), true],
];

export class SongError extends Error {}

export async function kindOf(blob) {
  const bytes = new Uint8Array(await blob.slice(0, 64).arrayBuffer());
  const text = String.fromCharCode(...bytes);
  return KINDS.find(([, matches]) => matches(text, bytes)) ?? [null, null, undefined];
}

export const isModel = (file) => /\.safetensors$/i.test(file.name);

// { length, note, signal(): what a separator takes, pieces(): [left, right] one after the other }, at `rate` Hz. Large
// WAV files are read while they are needed; others are in memory as a whole, as the browser's decoder has no other way.
export async function decode(file, rate) {
  const [kind, , decodable] = await kindOf(file);
  if (file.size === 0) throw new SongError('The file is empty.');
  if (decodable === null) throw new SongError(`This is a ${kind} file, which holds no sound.`);
  const wav = kind === 'WAV' ? await openWav(file, rate) : null;
  if (wav) return { length: wav.length, note: noteOn(wav.channels), signal: wav.pieces, pieces: wav.pieces };
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new SongError('The file cannot be read: it was moved or changed, or is too large for this browser.');
  }
  let audio;
  try {
    audio = await new OfflineAudioContext(2, 1, rate).decodeAudioData(bytes);
  } catch (error) {
    throw new SongError(undecodable(file, kind, decodable, error));
  }
  if (audio.length === 0) throw new SongError('The file holds no sound.');
  const left = audio.getChannelData(0), right = audio.numberOfChannels > 1 ? audio.getChannelData(1) : left;
  const channels = [left, right];
  return { length: audio.length, note: noteOn(audio.numberOfChannels), signal: () => channels, pieces: () => cut(channels) };
}

function* cut([left, right]) {
  for (let at = 0; at < left.length; at += PIECE) yield [left.subarray(at, at + PIECE), right.subarray(at, at + PIECE)];
}

const noteOn = (channels) => (channels > 2 ? `Only the first two of ${channels} channels are used.` : '');

function undecodable(file, kind, decodable, error) {
  const help = 'Convert it to FLAC or WAV (with a sound editor, or “ffmpeg -i song.xyz song.flac”), or use the program: '
    + 'spleeterrt separate reads it.';
  if (decodable === false) return `This is ${/^[AM]/.test(kind) ? 'an' : 'a'} ${kind} file, which this browser does not decode. ${help}`;
  if (error instanceof RangeError || /memory/i.test(error.message)) {
    return 'The song is too long: the browser has not enough memory to decode it. Cut it into parts, or use the program: '
      + 'spleeterrt separate needs no more memory for long songs.';
  }
  if (kind) return `This ${kind} file is damaged, or holds sound in a form that this browser does not decode. ${help}`;
  return 'This is not a sound file that browsers know. They play MP3, WAV, FLAC, Ogg, Opus and M4A. If it is one, it is damaged.';
}
