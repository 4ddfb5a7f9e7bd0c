// The page of live sound.
import { announce, make } from './dom.js';
import { Live, QUALITIES, sources } from './live.js';
import { stemControls } from './mixer.js';
import { capital } from './text.js';

const BUSY = 0.95; // of the time between two runs of the networks

export class LiveView {
  #root;
  #models;
  #live = new Live();
  #mix = null; // { gains, muted, solo } of the stems that are shown
  #controls = [];
  #timer;
  #abort = null; // while it starts or runs

  constructor(root, models) {
    this.#root = root;
    this.#models = models;
    this.#live.addEventListener('change', () => this.#refresh());
    this.#build();
    const frame = () => {
      if (this.#live.running) this.#live.levels().forEach((level, k) => this.#controls[k].level(level));
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  #build() {
    const kinds = Object.entries(sources).filter(([, kind]) => kind.available());
    const choice = (name, label, options) => make('label', { class: 'field' }, make('span', {}, label),
      this[name] = make('select', { onchange: () => this.#describe() }, ...options.map(([value, text]) => make('option', { value }, text))));
    this.button = make('button', { type: 'button', class: 'primary large', onclick: () => this.#toggle() }, 'Start');
    this.problem = make('p', { class: 'error', role: 'alert' });
    this.about = make('p', { class: 'hint live-about' });
    this.facts = make('dl', { class: 'facts' });
    this.advice = make('p', { class: 'error', role: 'status', hidden: true },
      'This machine is too busy for this quality. Stop, and choose another one, or a model with fewer stems.');
    this.lanes = make('ul', { class: 'lane-list live-lanes', 'aria-label': 'Stems' });
    const hint = kinds.length ? 'With a microphone, wear headphones: otherwise it hears the loudspeakers.'
      : 'This browser gives pages no live sound here. It needs a secure address: https, or this machine’s own (localhost).';
    this.button.disabled = kinds.length === 0;
    this.#root.replaceChildren(
      make('h2', {}, 'Live'),
      make('p', { class: 'lead' }, 'Take the voice out of what is playing, or bring it out, while it plays.'),
      make('div', { class: 'live-form' }, choice('source', 'Source', kinds.map(([key, kind]) => [key, kind.label])),
        choice('quality', 'Quality', Object.entries(QUALITIES).map(([key, { label }]) => [key, label])), this.button, this.about),
      make('p', { class: 'hint' }, hint), this.problem, this.facts, this.advice, this.lanes);
    this.quality.value = 'balanced';
    this.#describe();
  }

  #describe() {
    this.about.textContent = QUALITIES[this.quality.value].about;
  }

  async #toggle() {
    if (this.#abort) return this.stop();
    this.problem.textContent = '';
    const abort = (this.#abort = new AbortController());
    this.#refresh();
    const begin = (stems) => {
      this.#show(stems);
      announce('Live sound is being separated');
      return this.#heard();
    };
    try {
      await this.#live.run(this.source.value, this.#models, QUALITIES[this.quality.value].options, begin, abort.signal);
      if (this.#abort === abort) this.problem.textContent = 'The sound has ended: its source was closed or taken away.';
    } catch (error) {
      if (!abort.signal.aborted) this.problem.textContent = messageOf(error);
    } finally {
      if (this.#abort === abort) this.stop();
    }
  }

  get running() {
    return Boolean(this.#abort);
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    this.#live.stop();
    this.#refresh();
  }

  #show(stems) {
    this.#mix = { gains: stems.map(() => 1), muted: stems.map(() => false), solo: stems.map(() => false) };
    this.#controls = stems.map((name, index) => stemControls(name, index, this.#mix, () => this.#changed()));
    this.lanes.replaceChildren(...stems.map((name, index) => {
      const { mute, solo, slider, value, meter } = this.#controls[index];
      return make('li', { class: 'lane', 'data-stem': name }, make('div', { class: 'lane-head', role: 'group', 'aria-label': capital(name) },
        make('span', { class: 'stem-name' }, capital(name)), mute, solo, slider, value, meter));
    }));
  }

  #heard() {
    const { gains, muted, solo } = this.#mix, alone = solo.some(Boolean);
    return gains.map((gain, k) => (muted[k] || (alone && !solo[k]) ? 0 : gain));
  }

  #changed() {
    const heard = this.#heard();
    heard.forEach((gain, index) => this.#live.setGain(index, gain));
    this.#controls.forEach((controls) => controls.refresh());
    [...this.lanes.children].forEach((lane, index) => lane.classList.toggle('silent', heard[index] === 0));
  }

  #refresh() {
    const { running } = this.#live;
    this.button.textContent = running ? 'Stop' : this.#abort ? 'Cancel' : 'Start';
    this.source.disabled = this.quality.disabled = Boolean(this.#abort);
    clearInterval(this.#timer);
    if (!running) {
      this.advice.hidden = true;
      this.facts.replaceChildren();
      this.lanes.replaceChildren();
      return;
    }
    this.#timer = setInterval(() => this.#report(), 500);
    this.#report();
  }

  async #report() {
    const abort = this.#abort;
    let report;
    try {
      report = await this.#live.report();
    } catch (error) {
      if (!abort || this.#abort !== abort || !this.#live.running) return; // it was stopped, or its sound has ended
      this.stop();
      this.problem.textContent = `Live sound stopped: ${error.message}`;
      return;
    }
    if (!report || !this.#live.running) return;
    const { latency, load, underruns, silence } = report;
    const facts = [['Delay', `${Math.round(1000 * latency)} ms`], ['Load', `${Math.round(100 * load)} %`],
      ['Late results', underruns ? String(underruns) : 'none'], ['Gaps', silence >= 0.05 ? `${silence.toFixed(1)} s` : silence ? '< 0.1 s' : 'none']];
    this.facts.replaceChildren(...facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
    const strained = load > BUSY;
    this.facts.classList.toggle('strained', strained);
    this.advice.hidden = !strained;
  }
}

function messageOf(error) {
  if (error.name === 'NotAllowedError') return 'The browser did not allow it. Allow the sound for this page, and start again.';
  if (error.name === 'NotFoundError') return 'There is no microphone or line input on this machine.';
  return error.message;
}
