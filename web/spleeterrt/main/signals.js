// Signals as callers have them.
import { ArgumentError, describe, isBytes } from './common.js';

const isChannels = (value) =>
  Array.isArray(value) && value.length === 2 && value.every((channel) => channel instanceof Float32Array);
const isAudioBuffer = (value) => typeof value?.getChannelData === 'function';

export function checkChannels(channels) {
  if (!isChannels(channels))
    throw new ArgumentError(`signal: expected [left, right], two Float32Array, got ${describe(channels)}`);
  if (channels[0].length !== channels[1].length)
    throw new ArgumentError(
      `signal: expected channels of one length, got ${channels[0].length} and ${channels[1].length} samples`,
    );
  return channels;
}

// Any signal as pieces of two channels; `total`: its samples, where known; `again`: whether it can come twice.
export function piecesOf(signal, sampleRate) {
  if (isAudioBuffer(signal)) {
    if (signal.sampleRate !== sampleRate)
      throw new ArgumentError(
        `signal: expected an AudioBuffer of ${sampleRate} Hz, got one of ${signal.sampleRate} Hz; decode(file) makes one`,
      );
    const right = Math.min(1, signal.numberOfChannels - 1);
    return piecesOf([signal.getChannelData(0), signal.getChannelData(right)], sampleRate);
  }
  if (isChannels(signal)) return { pieces: [checkChannels(signal)], total: signal[0].length, again: true };
  const iterator = signal?.[Symbol.asyncIterator] ?? signal?.[Symbol.iterator];
  if (typeof iterator !== 'function' || typeof signal === 'string' || isBytes(signal))
    throw new ArgumentError(`signal: expected [left, right], an AudioBuffer or pieces, got ${describe(signal)}`);
  const total = Array.isArray(signal)
    ? signal.reduce((sum, piece) => sum + checkChannels(piece)[0].length, 0)
    : undefined;
  return { pieces: signal, total, again: Array.isArray(signal) };
}

// What comes next of the pieces, in portions of at most `most` samples.
export async function* portions(pieces, most) {
  for await (const piece of pieces) {
    const [left, right] = checkChannels(piece);
    for (let first = 0; first < left.length; first += most)
      yield [left.slice(first, first + most), right.slice(first, first + most)];
  }
}

// A promise that rejects when the signal is aborted, or by now(reason).
export function stopping(signal) {
  let now;
  const promise = new Promise((_, reject) => (now = reject));
  promise.catch(() => {});
  const abort = () => now(signal.reason);
  signal?.addEventListener('abort', abort);
  return { promise, now, end: () => signal?.removeEventListener('abort', abort) };
}
