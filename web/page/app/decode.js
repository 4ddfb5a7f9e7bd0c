// Files into samples, by the browser's decoder; what it cannot decode is said plainly.

import { identify } from '../spleeterrt.js';
import { claimOf, openWav } from './wav-source.js';

const PIECE = 1 << 19; // samples

export class SongError extends Error {}

export const isModel = (file) => /\.safetensors$/i.test(file.name);

// { length, note, signal(): what a separator takes, pieces(): [left, right] one after the other }, at `rate` Hz. Large
// WAV files are read while they are needed; others are in memory as a whole, as the browser's decoder has no other way.
export async function decode(file, rate) {
  const format = await readable(identify(file)), kind = format?.name;
  if (file.size === 0) {
    await readable(file.arrayBuffer()); // of one that is gone browsers say that it is empty
    throw new SongError('The file is empty.');
  }
  if (format && !format.sound) throw new SongError(`This is a ${kind} file, which holds no sound.`);
  const claim = kind === 'WAV' ? await readable(claimOf(file)) : 1;
  if (claim === 0) throw new SongError('The file holds no sound.');
  const notes = (channels) => [noteOn(channels), claim > 1 ? 'The file ends early: the rest of it is missing.' : ''].filter(Boolean).join(' ');
  const wav = kind === 'WAV' ? await readable(openWav(file, rate)) : null;
  if (wav) return { length: wav.length, note: notes(wav.channels), signal: wav.pieces, pieces: wav.pieces };
  const bytes = await readable(file.arrayBuffer());
  let audio;
  try {
    audio = await new OfflineAudioContext(2, 1, rate).decodeAudioData(bytes);
  } catch (error) {
    throw new SongError(undecodable(format, error));
  }
  if (audio.length === 0) throw new SongError('The file holds no sound.');
  const left = audio.getChannelData(0), right = audio.numberOfChannels > 1 ? audio.getChannelData(1) : left;
  const channels = [left, right];
  return { length: audio.length, note: notes(audio.numberOfChannels), signal: () => channels, pieces: () => cut(channels) };
}

// What is read of a file, or why not.
async function readable(reading) {
  try {
    return await reading;
  } catch {
    throw new SongError('The file cannot be read: it is a folder, was moved or changed, or is too large for this browser.');
  }
}

function* cut([left, right]) {
  for (let at = 0; at < left.length; at += PIECE) yield [left.subarray(at, at + PIECE), right.subarray(at, at + PIECE)];
}

const noteOn = (channels) => (channels > 2 ? `Only the first two of ${channels} channels are used.` : '');

function undecodable(format, error) {
  const kind = format?.name;
  const help = 'Convert it to FLAC or WAV (with a sound editor, or “ffmpeg -i song.xyz song.flac”), or use the program: '
    + 'spleeterrt separate reads it.';
  if (format && !format.decodable) return `This is ${/^[AM]/.test(kind) ? 'an' : 'a'} ${kind} file, which this browser does not decode. ${help}`;
  if (error instanceof RangeError || /memory/i.test(error.message)) {
    return 'The song is too long: the browser has not enough memory to decode it. Cut it into parts, or use the program: '
      + 'spleeterrt separate needs no more memory for long songs.';
  }
  if (format) return `This ${kind} file is damaged, or holds sound in a form that this browser does not decode. ${help}`;
  return 'This is not a sound file that browsers know. They play MP3, WAV, FLAC, Ogg, Opus and M4A. If it is one, it is damaged.';
}
