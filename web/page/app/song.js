// A song on its way from a file to stems: what is known of it, and the separation itself.
import { decode } from './decode.js';
import { Peaks } from './peaks.js';
import { stemOf } from './text.js';
import { until } from './until.js';

let next = 1;

export class Song extends EventTarget {
  id = `song${next++}`;
  state = 'waiting'; // 'decoding', 'separating', 'done', 'failed', 'cancelled'
  error = '';
  note = '';
  stems = []; // names
  length = 0; // samples
  available = 0; // of each stem
  rate = 44100;
  mix = null; // Peaks
  peaks = []; // of each stem
  scale = 1;
  gains = [];
  muted = [];
  solo = [];
  loop = null;
  #abort = new AbortController();
  #since = 0;

  constructor(file) {
    super();
    this.file = file;
    this.title = stemOf(file.name);
  }

  // What it is called in the list: of what is no song the whole name of the file.
  get label() {
    return this.state === 'failed' ? this.file.name : this.title;
  }

  get fraction() {
    return this.length ? this.available / this.length : 0;
  }

  progress = 0; // 0 to 1, finer than `fraction`
  secondsLeft = NaN;

  get over() {
    return ['done', 'failed', 'cancelled'].includes(this.state);
  }

  // What is heard of each stem.
  heard() {
    const alone = this.solo.some(Boolean);
    return this.gains.map((gain, k) => (this.muted[k] || (alone && !this.solo[k]) ? 0 : gain));
  }

  cancel() {
    if (this.over) return;
    this.#abort.abort();
    if (this.state === 'waiting') this.#become('cancelled');
  }

  settled = null; // a promise, while and after it is separated

  // Never rejects: what goes wrong is in `state` and `error`.
  async separate(models, store) {
    const { signal } = this.#abort;
    try {
      this.#become('decoding');
      await models.use(signal, (separator) => this.#take(separator, store, signal));
      this.#become('done');
    } catch (error) {
      if (signal.aborted) return this.#become('cancelled');
      this.error = error.name === 'QuotaExceededError'
        ? 'There is no room left on the disk for the stems. Remove songs from the list, or free some space.'
        : error.message;
      this.#become('failed');
    }
  }

  async #take(separator, store, signal) {
    this.rate = separator.sampleRate;
    this.stems = [...separator.stems];
    const source = await until(signal, decode(this.file, this.rate));
    Object.assign(this, { length: source.length, note: source.note });
    this.mix = new Peaks(source.length);
    for await (const [left, right] of source.pieces()) {
      signal.throwIfAborted();
      this.mix.add(left, right);
      await new Promise((resolve) => { setTimeout(resolve, 0); }); // the page goes on meanwhile
    }
    this.scale = Math.max(this.mix.peak, 1e-3);
    this.peaks = this.stems.map(() => new Peaks(this.length));
    this.gains = this.stems.map(() => 1);
    this.muted = this.stems.map(() => false);
    this.solo = this.stems.map(() => false);
    await store.create(this.id, this.stems, this.rate);
    this.#since = performance.now();
    this.#become('separating');
    await this.#run(separator, store, source.signal(), signal);
  }

  async #run(separator, store, sound, signal) {
    const onProgress = ({ fraction, samples }) => this.#advance(fraction ?? samples / this.length);
    for await (const block of separator.separate(sound, { signal, onProgress })) {
      const stems = this.stems.map((name) => block.stems[name]);
      stems.forEach(([left, right], k) => this.peaks[k].add(left, right));
      await store.append(this.id, stems);
      this.available = block.start + block.length;
      this.#advance(this.fraction);
      this.dispatchEvent(new Event('more'));
    }
  }

  #advance(progress) {
    this.progress = Math.max(this.progress, Math.min(progress, 1));
    const seconds = (performance.now() - this.#since) / 1000;
    if (seconds > 0.7 && this.progress > 0.01) this.secondsLeft = (seconds / this.progress) * (1 - this.progress);
    this.dispatchEvent(new Event('progress'));
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }
}
