// The list of songs; one is separated at a time, in order.
import { announce, icon, make } from './dom.js';
import { statusOf } from './player-view.js';
import { Song } from './song.js';

const TITLE = document.title;

export class Queue extends EventTarget {
  songs = [];
  #list;
  #store;
  #models;
  #rows = new Map();
  #working = false;
  #selected = null;

  constructor(list, store, models) {
    super();
    this.#list = list;
    this.#store = store;
    this.#models = models;
  }

  get selected() {
    return this.#selected;
  }

  get busy() {
    return this.songs.some((song) => !song.over);
  }

  // stay: whether the song that is shown remains in view.
  add(files, { stay = false } = {}) {
    const songs = [...files].map((file) => new Song(file));
    for (const song of songs) {
      this.songs.push(song);
      this.#show(song);
      song.addEventListener('state', () => this.#changed(song));
      song.addEventListener('progress', () => this.#refresh(song));
    }
    const idle = !this.#selected || this.#selected.over;
    if (songs.length && idle && !(stay && this.#selected)) this.select(songs[0]);
    this.#work();
  }

  select(song) {
    this.#selected = song;
    for (const [other, row] of this.#rows) {
      row.element.classList.toggle('selected', other === song);
      if (other === song) row.open.setAttribute('aria-current', 'true');
      else row.open.removeAttribute('aria-current');
    }
    this.dispatchEvent(new Event('select'));
  }

  remove(song) {
    song.cancel();
    const index = this.songs.indexOf(song);
    this.songs.splice(index, 1);
    this.#rows.get(song).element.remove();
    this.#rows.delete(song);
    this.#forget(song);
    const next = this.songs[Math.min(index, this.songs.length - 1)] ?? null;
    if (this.#selected === song) this.select(next);
    (this.#rows.get(next)?.open ?? document.getElementById('choose')).focus();
    announce(`${song.title} removed`);
    this.dispatchEvent(new Event('change'));
  }

  // Once more from the start, after an error or with another model.
  again(song) {
    const fresh = new Song(song.file), index = this.songs.indexOf(song), old = this.#rows.get(song).element;
    this.songs[index] = fresh;
    this.#show(fresh);
    old.replaceWith(this.#rows.get(fresh).element);
    this.#rows.delete(song);
    this.#forget(song);
    fresh.addEventListener('state', () => this.#changed(fresh));
    fresh.addEventListener('progress', () => this.#refresh(fresh));
    this.select(fresh);
    this.#rows.get(fresh).open.focus();
    this.#work();
  }

  async #forget(song) {
    await song.settled;
    await this.#store.remove(song.id).catch(() => {});
  }

  async #work() {
    if (this.#working) return;
    this.#working = true;
    try {
      for (let song; (song = this.songs.find((each) => each.state === 'waiting')); ) {
        song.settled = song.separate(this.#models, this.#store);
        await song.settled;
      }
    } finally {
      this.#working = false;
    }
  }

  #changed(song) {
    this.#refresh(song);
    if (song.state === 'separating') announce(`Separating ${song.title}`);
    if (song.state === 'done') announce(`${song.title} is separated`);
    if (song.state === 'failed') announce(`${song.label}: ${song.error}`);
    this.dispatchEvent(new Event('change'));
  }

  #show(song) {
    const title = make('span', { class: 'row-title' }), status = make('span', { class: 'row-status' });
    const bar = make('span', { class: 'row-bar', 'aria-hidden': 'true' }, make('span'));
    const open = make('button', { type: 'button', class: 'row-open', onclick: () => this.select(song) },
      title, status, bar);
    const again = make('button', { type: 'button', class: 'round', 'aria-label': `Separate ${song.title} again`, title: 'Separate again',
      onclick: () => this.again(song) }, icon('retry'));
    const stop = make('button', { type: 'button', class: 'round', onclick: () => (song.over ? this.remove(song) : song.cancel()) }, icon('close'));
    const element = make('li', { class: 'row' }, open, again, stop);
    this.#rows.set(song, { element, open, title, status, bar, stop, again });
    this.#list.append(element);
    this.#refresh(song);
    this.dispatchEvent(new Event('change'));
  }

  #refresh(song) {
    const row = this.#rows.get(song);
    if (!row) return;
    const text = statusOf(song);
    if (song.state === 'separating') document.title = `${Math.floor(100 * song.progress)} % · ${song.title}`;
    else if (!this.songs.some(({ state }) => state === 'separating')) document.title = TITLE;
    if (row.title.textContent !== song.label) row.title.textContent = song.label;
    if (row.status.textContent !== text) row.status.textContent = text;
    row.element.dataset.state = song.state;
    row.bar.firstChild.style.transform = `scaleX(${song.state === 'done' ? 1 : song.progress})`;
    row.again.hidden = !['failed', 'cancelled'].includes(song.state);
    const label = song.over ? `Remove ${song.label}` : `Cancel ${song.label}`;
    row.stop.setAttribute('aria-label', label);
    row.stop.title = song.over ? 'Remove' : 'Cancel';
  }
}
