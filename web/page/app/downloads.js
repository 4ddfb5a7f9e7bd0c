// Stems and mixes as files.
import { announce, icon, make } from './dom.js';
import { megabytes, safe } from './text.js';
import { FORMATS } from './wav.js';

const LABELS = { int16: 'WAV, 16 bit', int24: 'WAV, 24 bit', float32: 'WAV, 32-bit float' };

export class Downloads {
  #song;
  #store;
  #abort = null;
  saves = []; // the buttons of the lanes

  constructor(song, store) {
    this.#song = song;
    this.#store = store;
    this.format = make('select', { 'aria-label': 'File format', onchange: () => this.refresh() },
      ...Object.entries(LABELS).map(([value, label]) => make('option', { value }, label)));
    this.all = make('button', { type: 'button', class: 'primary', onclick: () => this.#everything() }, icon('download'), 'All stems (zip)');
    this.mix = make('button', { type: 'button', onclick: () => this.#mixture() }, icon('download'), 'What you hear');
    this.mix.title = 'One file with the volumes as they are set now: the song without its vocals, for instance';
    this.size = make('span', { class: 'size' });
    this.bar = make('progress', { max: 1, 'aria-label': 'Writing the file' });
    this.stop = make('button', { type: 'button', onclick: () => this.#abort?.abort() }, 'Cancel');
    this.working = make('div', { class: 'working', hidden: true }, this.bar, this.stop);
    this.problem = make('p', { class: 'error', role: 'alert' });
    this.element = make('div', { class: 'downloads', role: 'group', 'aria-label': 'Downloads' },
      make('div', { class: 'download-row' }, this.format, this.all, this.mix, this.size), this.working, this.problem);
    this.refresh();
  }

  refresh() {
    const { state, length, stems } = this.#song, ready = state === 'done' && !this.#abort;
    this.all.disabled = !ready;
    this.mix.disabled = !ready || this.#song.heard().every((gain) => gain === 0);
    for (const button of this.saves) button.disabled = !ready;
    const whole = length * 2 * FORMATS[this.format.value].bytes * stems.length;
    this.size.textContent = state === 'done' ? `${megabytes(whole)} together`
      : this.#song.over ? 'Only whole songs can be saved.' : 'Downloads are ready when the song is.';
  }

  stem(index) {
    const name = this.#song.stems[index];
    return this.#save(`${safe(this.#song.title)} (${safe(name)}).wav`, [this.#file(`${safe(name)}.wav`, index)], false);
  }

  #everything() {
    const files = this.#song.stems.map((name, index) => this.#file(`${safe(this.#song.title)}/${safe(name)}.wav`, index));
    return this.#save(`${safe(this.#song.title)} (stems).zip`, files, true);
  }

  #mixture() {
    return this.#save(`${safe(this.#song.title)} (mix).wav`, [{ name: 'mix.wav', gains: this.#song.heard() }], false);
  }

  #file(name, stem) {
    return { name, gains: this.#song.stems.map((_, index) => (index === stem ? 1 : 0)) };
  }

  async #save(name, files, zip) {
    this.#abort = new AbortController();
    this.problem.textContent = '';
    this.bar.value = 0;
    this.working.hidden = false;
    this.refresh();
    try {
      const file = await this.#store.export(this.#song.id, files, this.format.value, {
        zip, signal: this.#abort.signal, onProgress: (done) => { this.bar.value = done; } });
      offer(file, name);
      announce(`${name} is ready`);
    } catch (error) {
      if (error.name !== 'AbortError') this.problem.textContent = messageOf(error);
    } finally {
      this.#abort = null;
      this.working.hidden = true;
      this.refresh();
    }
  }
}

function messageOf(error) {
  return error.name === 'QuotaExceededError' ? 'There is no room left on the disk for the file.' : error.message;
}

function offer(file, name) {
  const address = URL.createObjectURL(file);
  make('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 600_000); // a download may ask where to first
}
