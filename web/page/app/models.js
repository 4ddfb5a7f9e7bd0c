// Which model separates: the one that came with the page, or a file of the user's. Loaded when it is first needed.
import { load } from '../spleeterrt.js';
import { assets } from './assets.js';
import { megabytes } from './text.js';

export class Models extends EventTarget {
  #settings;
  #loading = null; // Promise<Separator>
  #abort = null;
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

  choose(choice) {
    if (choice === this.current) return;
    this.current = choice;
    this.#drop();
    this.#changed('');
  }

  // A file of the user's; throws, and keeps what was there, if it is no model.
  async take(file) {
    const choice = { name: file.name.replace(/\.safetensors$/i, ''), source: file, detail: megabytes(file.size) };
    const before = this.current;
    this.#drop();
    this.current = choice;
    try {
      const separator = await this.separator();
      choice.detail = `${separator.stems.join(', ')}; ${megabytes(file.size)}`;
      this.own = choice;
      this.#changed('');
      return separator;
    } catch (error) {
      this.current = before;
      this.#drop();
      this.#changed('');
      throw error;
    }
  }

  separator = () => {
    this.#loading ??= this.#load().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  };

  async #load() {
    this.#abort = new AbortController();
    this.#changed('Loading the model…');
    const onProgress = ({ loaded, total }) => {
      if (total) this.#changed(`Loading the model: ${Math.floor((100 * loaded) / total)} %`);
    };
    const { source, networks } = this.current;
    try {
      return await load(typeof source === 'string' ? await assets.model(source) : source, {
        ...(networks && { networks }), onProgress, signal: this.#abort.signal, ...assets.loadOptions });
    } finally {
      this.#changed('');
    }
  }

  #drop() {
    this.#abort?.abort();
    this.#loading?.then((separator) => separator.close(), () => {});
    this.#loading = null;
  }

  #changed(status) {
    this.status = status;
    this.dispatchEvent(new Event('change'));
  }
}
