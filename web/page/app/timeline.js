// The ruler above the lanes: where the song is, going elsewhere, and the part that is played again and again.
// A press goes there; a drag marks a loop.
import { make } from './dom.js';
import { clock, spoken } from './text.js';

const DRAG = 6; // CSS pixels from which on a press is a drag
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800];
const LABEL = 90; // CSS pixels between two times, at least

export class Timeline {
  #song;
  #player;
  #frame; // the element with the variables --loop-start and --loop-width
  #playheads = [];
  #width = 0; // CSS pixels
  #at = -1; // of the playheads
  #onLoop;

  constructor({ song, player, frame, onLoop }) {
    this.#song = song;
    this.#player = player;
    this.#frame = frame;
    this.#onLoop = onLoop;
    this.ticks = make('div', { class: 'ticks', 'aria-hidden': 'true' });
    this.element = make('div', {
      class: 'ruler', role: 'slider', tabindex: 0, 'aria-label': 'Position', 'aria-valuemin': 0,
      title: 'Click to go there, drag to mark a loop', onkeydown: (event) => this.#key(event),
    }, this.ticks, make('div', { class: 'loop-mark' }), this.playhead());
    this.listen(this.element);
  }

  // Another one, for an element that is as wide as the song.
  playhead() {
    const line = make('div', { class: 'playhead' });
    this.#playheads.push(line);
    return line;
  }

  get #seconds() {
    return this.#song.length / this.#song.rate;
  }

  // Presses and drags on an element that is as wide as the song.
  listen(element) {
    let from = null, dragged = false;
    const at = (event) => {
      const box = element.getBoundingClientRect();
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || !this.#song.length) return;
      from = { x: event.clientX, at: at(event) };
      dragged = false;
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener('pointermove', (event) => {
      if (!from) return;
      dragged ||= Math.abs(event.clientX - from.x) > DRAG;
      if (dragged) this.#onLoop(this.#between(from.at, at(event)), false);
    });
    element.addEventListener('pointerup', (event) => {
      if (!from) return;
      const start = from.at;
      from = null;
      if (dragged) this.#onLoop(this.#between(start, at(event)), true);
      else this.#player.seek(start * this.#song.length);
    });
    element.addEventListener('pointercancel', () => { from = null; });
  }

  #between(a, b) {
    const { length } = this.#song;
    return { start: Math.round(Math.min(a, b) * length), end: Math.round(Math.max(a, b) * length) };
  }

  #key(event) {
    const moves = { ArrowLeft: -5, ArrowRight: 5, ArrowDown: -5, ArrowUp: 5, PageDown: -30, PageUp: 30 };
    const { rate, length } = this.#song, now = this.#player.position;
    let to;
    if (event.key in moves) to = now + moves[event.key] * rate;
    else if (event.key === 'Home') to = 0;
    else if (event.key === 'End') to = Math.max(0, length - rate);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#player.seek(to);
  }

  // The times, for the width that there is.
  layout() {
    const width = this.element.clientWidth;
    if (!width || !this.#song.length) return;
    this.#width = width;
    this.refresh();
    const most = Math.max(1, Math.floor(width / LABEL));
    const step = STEPS.find((seconds) => this.#seconds / seconds <= most) ?? 3600;
    const marks = [];
    for (let t = 0; t < this.#seconds - step * 0.35; t += step) {
      const mark = make('span', {}, clock(t));
      mark.style.left = `${(100 * t) / this.#seconds}%`;
      marks.push(mark);
    }
    this.ticks.replaceChildren(...marks);
  }

  refresh() {
    const { length, rate, loop } = this.#song;
    if (!length) return;
    const position = this.#player.position;
    this.#move((position / length) * this.#width);
    this.#frame.classList.toggle('looped', Boolean(loop));
    if (loop && loop !== this.#marked) {
      this.#marked = loop;
      this.#frame.style.setProperty('--loop-start', `${(100 * loop.start) / length}%`);
      this.#frame.style.setProperty('--loop-width', `${(100 * (loop.end - loop.start)) / length}%`);
    }
    const now = Math.floor(position / rate);
    if (now === this.#said) return;
    this.#said = now;
    this.element.setAttribute('aria-valuemax', Math.ceil(this.#seconds));
    this.element.setAttribute('aria-valuenow', now);
    this.element.setAttribute('aria-valuetext', `${spoken(now)} of ${spoken(this.#seconds)}`);
  }

  // By a transform, and only to the next pixel: styles that are computed anew for all lanes in every frame cost time, and
  // memory that browsers are slow to collect.
  #move(pixels) {
    const dense = devicePixelRatio || 1, at = Math.round(pixels * dense) / dense;
    if (at === this.#at) return;
    this.#at = at;
    for (const { style } of this.#playheads) style.transform = `translateX(${at}px)`;
  }

  #marked = null;
  #said = -1;
}
