// Which model separates: the one that came with the page, or a file of the user's. Loaded when it is first needed.
import { load } from '../spleeterrt.js';
import { assets } from './assets.js';
import { megabytes } from './text.js';
import { until } from './until.js';

const createWorker = () => assets.worker(new URL('../spleeterrt-worker.js', import.meta.url));

export class Models extends EventTarget {
  #settings;
  #loaded = null; // a Loaded of `current`
  current; // { name, source, networks, detail }
  own = null; // the user's

  constructor(settings) {
    super();
    this.#settings = settings;
    this.current = this.choices[0];
  }

  // What can be chosen: the page's model, perhaps in several ways, and the user's.
  get choices() {
    const { model, name, choices } = this.#settings;
    const built = (choices ?? [{}]).map(({ stems, label }) => ({
      name: label ? `${name}: ${label}` : name, source: model, networks: stems, detail: stems?.join(', ') ?? '' }));
    return this.own ? [...built, this.own] : built;
  }

  // For what begins from now on; a separation in progress goes on with its own.
  choose(choice) {
    if (choice.name === this.current.name && choice.source === this.current.source) return;
    this.#become(choice, null);
  }

  // A file of the user's; throws, and keeps what was there, if it is no model.
  async take(file) {
    const choice = { name: file.name.replace(/\.safetensors$/i, ''), source: file, detail: megabytes(file.size) };
    const loaded = new Loaded(choice, (status) => this.#changed(status));
    try {
      const separator = await loaded.separator;
      choice.detail = `${separator.stems.join(', ')}; ${megabytes(file.size)}`;
    } finally {
      this.#changed('');
    }
    this.own = choice;
    this.#become(choice, loaded);
  }

  // The work gets a separator of the model that is chosen, which stays open for as long as the work lasts. signal:
  // of the one who waits for it.
  async use(signal, work) {
    for (;;) {
      const loaded = (this.#loaded ??= new Loaded(this.current, (status) => this.#changed(status)));
      loaded.users += 1;
      try {
        const separator = await until(signal, loaded.separator);
        return await work(separator);
      } catch (error) {
        if (loaded.failed && this.#loaded === loaded) this.#loaded = null; // the next one tries anew
        // Another model was chosen while this one was loading.
        if (!loaded.dropped || !loaded.failed || signal?.aborted) throw error;
      } finally {
        loaded.users -= 1;
        loaded.tidy();
      }
    }
  }

  #become(choice, loaded) {
    const before = this.#loaded;
    this.current = choice;
    this.#loaded = loaded;
    before?.drop();
    this.#changed('');
  }

  #changed(status) {
    this.status = status;
    this.dispatchEvent(new Event('change'));
  }
}

// A model that is being loaded or is there, until nobody uses it and another one was chosen.
class Loaded {
  users = 0;
  dropped = false;
  failed = false;
  #abort = new AbortController();
  #ready = false;

  constructor(choice, tell) {
    this.separator = this.#load(choice, (status) => { if (!this.dropped) tell(status); });
    this.separator.then(() => { this.#ready = true; }, () => { this.failed = true; });
  }

  async #load({ source, networks }, tell) {
    tell('Loading the model…');
    const onProgress = ({ loaded, total }) => {
      if (total) tell(`Loading the model: ${Math.floor((100 * loaded) / total)} %`);
    };
    try {
      return await load(typeof source === 'string' ? await assets.model(source) : source, {
        ...(networks && { networks }), onProgress, signal: this.#abort.signal, createWorker, ...assets.loadOptions });
    } finally {
      tell('');
    }
  }

  drop() {
    this.dropped = true;
    if (!this.#ready) this.#abort.abort();
    this.tidy();
  }

  tidy() {
    if (this.dropped && this.users === 0) this.separator.then((separator) => separator.close(), () => {});
  }
}
