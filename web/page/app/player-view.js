// The player of one song: transport, a lane per stem, and downloads.
import { icon, make, announce } from './dom.js';
import { Downloads } from './downloads.js';
import { stemControls } from './mixer.js';
import { capital, clock, timeLeft } from './text.js';
import { Timeline } from './timeline.js';
import { drawWaveform } from './waveform.js';

const SHORTEST_LOOP = 0.05; // seconds

export class PlayerView {
  #root;
  #player;
  #store;
  #song = null;
  #again;
  #downloads = new WeakMap();
  #listening = null; // an AbortController for the listeners on a song
  #lanes = [];

  // again(song): separates it once more.
  constructor(root, player, store, again) {
    this.#root = root;
    this.#again = again;
    this.#player = player;
    this.#store = store;
    player.addEventListener('state', () => this.#refreshTransport());
    player.addEventListener('seek', () => this.#refreshPosition());
    player.addEventListener('problem', ({ detail }) => {
      player.pause();
      if (this.#song && this.status) this.status.textContent = `Playback stopped: ${detail.message}`;
      announce(`Playback stopped: ${detail.message}`);
    });
    new ResizeObserver(() => this.#layout()).observe(root);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    const frame = () => {
      if (player.state === 'playing') this.#refreshPosition();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  get song() {
    return this.#song;
  }

  show(song) {
    if (song === this.#song) return;
    this.#listening?.abort();
    this.#player.stop();
    this.#song = song;
    this.#lanes = [];
    this.downloads = null;
    this.#root.replaceChildren();
    this.#root.hidden = !song;
    if (!song) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    song.addEventListener('state', () => this.#build(), { signal });
    song.addEventListener('more', () => this.#more(), { signal });
    song.addEventListener('progress', () => this.#refreshProgress(), { signal });
    this.#build();
  }

  get playing() {
    return this.#player.state !== 'stopped';
  }

  // --- what commands do; keys and buttons call the same ---

  toggle() {
    if (!this.#song?.available) return;
    if (this.#player.state === 'stopped') this.#player.play();
    else this.#player.pause();
  }

  pause() {
    if (this.#player.state !== 'stopped') this.#player.pause();
  }

  seekBy(seconds) {
    if (this.#lanes.length) this.#player.seek(this.#player.position + seconds * this.#song.rate);
  }

  flip(list, index) {
    if (!this.#song || index >= this.#song.stems.length) return;
    this.#song[list][index] = !this.#song[list][index];
    this.#mixChanged();
    const what = list === 'muted' ? 'muted' : 'solo';
    announce(`${capital(this.#song.stems[index])} ${this.#song[list][index] ? what : `not ${what}`}`);
  }

  toggleLoop() {
    if (!this.#lanes.length) return;
    this.#setLoop(this.#song.loop ? null : { start: 0, end: this.#song.length }, true);
  }

  // One end of the loop to where the song is.
  loopFrom(end) {
    const song = this.#song;
    if (!this.#lanes.length) return;
    const here = Math.round(this.#player.position), loop = song.loop ?? { start: 0, end: song.length };
    this.#setLoop(end === 'start' ? { start: here, end: loop.end > here ? loop.end : song.length }
      : { start: loop.start < here ? loop.start : 0, end: here }, true);
  }

  // --- the document ---

  #build() {
    const song = this.#song;
    if (song.stems.length && song.length && this.#lanes.length === 0) this.#open();
    else if (this.#lanes.length === 0) this.#root.replaceChildren(this.#heading());
    this.#refreshProgress();
    if (song.over) { // what there is of it is all there will be
      song.loop = this.#within(song.loop);
      this.#player.loop = song.loop;
      this.#player.more();
    }
    this.#refreshTransport();
    this.downloads?.refresh();
  }

  #heading() {
    const song = this.#song;
    this.status = make('p', { class: 'song-status' });
    this.bar = make('progress', { max: 1, 'aria-label': `Separation of ${song.title}` });
    this.retry = make('button', { type: 'button', class: 'song-again', onclick: () => this.#again(song) }, icon('retry'), 'Separate again');
    return make('div', { class: 'song-head' }, make('h2', { class: 'song-title', tabindex: -1, title: song.label }, song.label),
      this.status, this.bar, this.retry);
  }

  #open() {
    const song = this.#song;
    this.#player.open({ store: this.#store, id: song.id, rate: song.rate, length: song.length,
      get available() { return song.available; }, get over() { return song.over; } }, song.heard());
    this.#player.loop = song.loop;
    this.frame = make('div', { class: 'lanes' });
    this.timeline = new Timeline({ song, player: this.#player, frame: this.frame, onLoop: (loop, done) => this.#setLoop(loop, done) });
    const list = make('ul', { class: 'lane-list', 'aria-label': 'Stems' });
    this.#lanes = song.stems.map((name, index) => this.#lane(name, index));
    list.append(...this.#lanes.map((lane) => lane.element));
    this.frame.append(make('div', { class: 'ruler-row' }, make('span'), this.timeline.element), list);
    if (!this.#downloads.has(song)) this.#downloads.set(song, new Downloads(song, this.#store)); // they go on while others are shown
    this.downloads = this.#downloads.get(song);
    this.downloads.saves = this.#lanes.map(({ download }) => download);
    this.#root.replaceChildren(this.#heading(), this.#transport(), this.frame, this.downloads.element);
    this.#layout();
    this.#mixChanged();
  }

  #transport() {
    const button = (name, label, onclick, key) => make('button', {
      type: 'button', class: 'round', 'aria-label': label, title: key ? `${label} (${key})` : label, onclick }, icon(name));
    this.playButton = make('button', { type: 'button', class: 'play', onclick: () => this.toggle() }, icon('play'));
    this.time = make('span', { class: 'time' });
    this.loopButton = button('loop', 'Loop', () => this.toggleLoop(), 'L');
    const small = (text, label, onclick) => make('button', { type: 'button', class: 'small', 'aria-label': label, title: label, onclick }, text);
    this.loopInfo = make('span', { class: 'loop-info' });
    return make('div', { class: 'transport', role: 'group', 'aria-label': 'Playback' },
      button('start', 'To the beginning', () => this.#player.seek(this.#song.loop?.start ?? 0), 'Home'),
      this.playButton, this.time, make('span', { class: 'space' }), this.loopInfo,
      make('span', { class: 'loop-tools' }, small('[', 'Loop from here ([)', () => this.loopFrom('start')), this.loopButton,
        small(']', 'Loop until here (])', () => this.loopFrom('end'))));
  }

  #lane(name, index) {
    const canvas = make('canvas', { 'aria-hidden': 'true' });
    const wave = make('div', { class: 'wave' }, canvas, make('div', { class: 'loop-mark' }), this.timeline.playhead());
    const controls = stemControls(name, index, this.#song, () => this.#mixChanged());
    this.timeline.listen(wave);
    const download = make('button', {
      type: 'button', class: 'round save', 'aria-label': `Download ${name}`, title: `Download ${name} (WAV)`,
      onclick: () => this.downloads.stem(index) }, icon('download'));
    const element = make('li', { class: 'lane', 'data-stem': name },
      make('div', { class: 'lane-head', role: 'group', 'aria-label': capital(name) },
        make('span', { class: 'stem-name' }, capital(name)), controls.mute, controls.solo, controls.slider, controls.value,
        controls.meter, download), wave);
    return { element, canvas, controls, download };
  }

  // --- refreshing ---

  #more() {
    this.#draw();
    this.#refreshTransport();
    this.#player.more();
  }

  #mixChanged() {
    const heard = this.#song.heard();
    heard.forEach((gain, index) => this.#player.setGain(index, gain));
    this.#lanes.forEach(({ element, controls }, index) => {
      controls.refresh();
      element.classList.toggle('silent', heard[index] === 0);
    });
    this.downloads?.refresh();
  }

  // A loop as far as there is, or will be, sound for it; null if that is nothing.
  #within(loop) {
    const song = this.#song, end = loop && Math.min(loop.end, song.over ? song.available : song.length);
    return loop && end - loop.start >= SHORTEST_LOOP * song.rate ? { start: loop.start, end } : null;
  }

  #setLoop(loop, done) {
    const song = this.#song;
    song.loop = this.#within(loop);
    this.#refreshPosition();
    if (!done) return;
    this.#player.loop = song.loop;
    const here = this.#player.position;
    // Pieces that are scheduled already would go on past the loop's end.
    if (song.loop && (here < song.loop.start || here >= song.loop.end)) this.#player.seek(song.loop.start);
    else if (this.#player.state === 'playing') this.#player.seek(here);
    this.#refreshTransport();
    announce(song.loop ? `Loop from ${clock(song.loop.start / song.rate, true)} to ${clock(song.loop.end / song.rate, true)}` : 'No loop');
  }

  #refreshTransport() {
    if (!this.#lanes.length) return;
    const { state } = this.#player, song = this.#song, label = state === 'stopped' ? 'Play' : 'Pause';
    this.playButton.replaceChildren(icon(state === 'stopped' ? 'play' : 'pause'));
    this.playButton.setAttribute('aria-label', label);
    this.playButton.title = `${label} (space)`;
    this.playButton.disabled = !song.available;
    this.playButton.classList.toggle('waiting', state === 'waiting');
    this.loopButton.setAttribute('aria-pressed', Boolean(song.loop));
    this.loopInfo.textContent = song.loop ? `${clock(song.loop.start / song.rate, true)} – ${clock(song.loop.end / song.rate, true)}` : '';
    this.#refreshPosition();
  }

  #refreshPosition() {
    if (!this.#lanes.length) return;
    const { rate, length } = this.#song;
    const time = `${clock(this.#player.position / rate)} / ${clock(length / rate)}`;
    if (this.time.textContent !== time) this.time.textContent = time;
    this.timeline.refresh();
    const levels = this.#player.state === 'playing' ? this.#player.levels() : [];
    this.#lanes.forEach(({ controls }, index) => controls.level(levels[index] ?? 0));
  }

  #refreshProgress() {
    const song = this.#song, working = ['waiting', 'decoding', 'separating'].includes(song.state);
    this.bar.hidden = !working;
    this.retry.hidden = !['failed', 'cancelled'].includes(song.state);
    if (song.state === 'separating') this.bar.value = song.progress;
    else this.bar.removeAttribute('value');
    this.status.classList.toggle('error', song.state === 'failed');
    this.status.textContent = statusOf(song);
  }

  #layout() {
    this.timeline?.layout();
    this.#draw();
  }

  #draw() {
    const song = this.#song;
    this.#lanes.forEach(({ canvas, element }, index) => {
      const style = getComputedStyle(element);
      drawWaveform(canvas, { stem: song.peaks[index], mix: song.mix, length: song.length, scale: song.scale,
        colour: style.getPropertyValue('--stem').trim(), shadow: style.getPropertyValue('--shadow').trim() });
    });
  }
}

// A song's state in words.
export function statusOf(song) {
  const parts = {
    waiting: ['Waiting for its turn'],
    decoding: ['Reading the file'],
    separating: [`Separating: ${Math.floor(100 * song.progress)} %`, timeLeft(song.secondsLeft)],
    done: [clock(song.length / song.rate), `${song.stems.length} stems`],
    cancelled: [song.available ? `Cancelled after ${clock(song.available / song.rate)}` : 'Cancelled'],
    failed: [song.error],
  }[song.state];
  return [...parts, song.state === 'failed' ? '' : song.note].filter(Boolean).join(' · ');
}
