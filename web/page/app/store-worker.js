// Keeps the stems of all songs, and makes files of them, beside the page's own thread.
import { answer, passed } from './rpc.js';
import { openDisk } from './disk.js';
import { FORMATS, encode, wavHeader } from './wav.js';
import { crc32, directory, localHeader } from './zip.js';

const CHUNK = 1 << 17; // frames that are converted at a time
const KEPT = 15 * 60_000; // milliseconds for which a file is kept after it was made: longer than its address is good

let disk;
let exports = 0;
const songs = new Map(); // id -> { tracks, rate, frames }
const cancelled = new Set(); // ids of exports
let made = []; // { path, time } of files that are on the disk

answer({
  async open({ session }) {
    disk = await openDisk(session);
    return disk.constructor.name === 'FileDisk';
  },

  async create({ song, stems, rate }) {
    const tracks = await Promise.all(stems.map((_, index) => disk.track(`${song}/stem${index}`)));
    songs.set(song, { tracks, rate, frames: 0 });
  },

  // stems: of each [left, right], which follow what came before.
  append({ song, stems }) {
    const { tracks } = songs.get(song);
    stems.forEach(([left, right], index) => tracks[index].append(interleaved(left, right)));
    songs.get(song).frames += stems[0][0].length;
  },

  async read({ song, start, count }) {
    const { tracks } = songs.get(song);
    const stems = await Promise.all(tracks.map(async (track) => planar(await track.read(start * 2, count * 2))));
    return passed(stems, stems.flat().map((channel) => channel.buffer));
  },

  // files: [{ name, gains }], gains by stem; several files, or `zip`, make an archive. Returns a Blob or File.
  async export({ id, song, files, format, zip }, progress) {
    const { tracks, rate, frames } = songs.get(song);
    await forgetOld();
    const path = `${song}/export${exports++}`, output = await disk.output(path);
    const date = new Date(), entries = [];
    const size = wavHeader(format, rate, frames).length + frames * 2 * FORMATS[format].bytes;
    let done = 0, whole = false;
    const advance = (count) => {
      if (cancelled.delete(id)) throw new DOMException('Cancelled.', 'AbortError');
      done += count;
      progress(done / (frames * files.length));
    };
    try {
      for (const { name, gains } of files) {
        const entry = { name, size, date, offset: output.size };
        if (zip) output.write(localHeader(entry));
        entry.crc = await writeWav(output, { tracks, gains, format, rate, frames, zip }, advance);
        if (zip) output.patch(entry.offset, localHeader(entry));
        entries.push(entry);
      }
      if (zip) for (const part of directory(entries, output.size)) output.write(part);
      whole = true;
    } finally {
      cancelled.delete(id);
      if (!whole) await output.finish().then(() => disk.discard(path)).catch(() => {});
    }
    const file = await output.finish();
    made.push({ path, time: performance.now() });
    return file;
  },

  cancel({ id }) {
    cancelled.add(id);
  },

  async remove({ song }) {
    songs.delete(song);
    await disk.remove(song);
  },
});

// Those of songs that were removed are gone already.
async function forgetOld() {
  const now = performance.now(), old = made.filter(({ time }) => now - time > KEPT);
  made = made.filter((entry) => !old.includes(entry));
  await Promise.all(old.map(({ path }) => disk.discard(path).catch(() => {})));
}

// Returns the CRC-32 of all bytes of the file, if it is wanted. The arrays are used again for each chunk: gigabytes of
// files would otherwise leave as much garbage.
async function writeWav(output, { tracks, gains, format, rate, frames, zip }, onChunk) {
  const sum = new Float32Array(CHUNK * 2), part = new Float32Array(CHUNK * 2), encoded = new Uint8Array(CHUNK * 2 * FORMATS[format].bytes);
  let crc = 0;
  const write = (bytes) => {
    output.write(bytes);
    if (zip) crc = crc32(bytes, crc);
  };
  write(wavHeader(format, rate, frames));
  for (let start = 0; start < frames; start += CHUNK) {
    const count = Math.min(CHUNK, frames - start);
    write(encode(format, await mixed(tracks, gains, start, sum.subarray(0, count * 2), part.subarray(0, count * 2)), encoded));
    onChunk(count);
    await turn(); // for whoever wants to listen meanwhile
  }
  return crc;
}

// The sum of stems from a frame on, each by its gain, in `sum`. One stem at full gain stays as it is, to the bit.
async function mixed(tracks, gains, start, sum, part) {
  let first = true;
  for (let k = 0; k < tracks.length; k++) {
    if (gains[k] === 0) continue;
    const samples = await tracks[k].read(start * 2, sum.length, first ? sum : part);
    if (gains[k] !== 1) for (let i = 0; i < samples.length; i++) samples[i] *= gains[k];
    if (!first) for (let i = 0; i < sum.length; i++) sum[i] += part[i];
    first = false;
  }
  return first ? sum.fill(0) : sum;
}

// Lets messages that came meanwhile be answered. (A timer would wait for 4 ms each time.) Of files that are written at
// once each waits for a message of its own.
const { port1: here, port2: there } = new MessageChannel();
const turns = [];
here.onmessage = () => turns.shift()();
const turn = () => new Promise((resolve) => {
  turns.push(resolve);
  there.postMessage(null);
});

function interleaved(left, right) {
  const samples = new Float32Array(2 * left.length);
  for (let i = 0; i < left.length; i++) {
    samples[2 * i] = left[i];
    samples[2 * i + 1] = right[i];
  }
  return samples;
}

function planar(samples) {
  const left = new Float32Array(samples.length / 2), right = new Float32Array(samples.length / 2);
  for (let i = 0; i < left.length; i++) {
    left[i] = samples[2 * i];
    right[i] = samples[2 * i + 1];
  }
  return [left, right];
}
