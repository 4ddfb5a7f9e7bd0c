// Choosing the model.
import { $, announce, make } from './dom.js';

export class ModelDialog {
  #models;

  constructor(models) {
    this.#models = models;
    models.addEventListener('change', () => this.#refresh());
    $('model-button').addEventListener('click', () => this.#open());
    $('choose-model').addEventListener('click', () => $('model-file').click());
    $('model-file').addEventListener('change', ({ target }) => {
      const [file] = target.files;
      target.value = '';
      if (file) this.take(file);
    });
    this.#refresh();
  }

  // A file of the user's; what is wrong with it is shown in the dialog.
  async take(file) {
    $('model-problem').textContent = '';
    try {
      await this.#models.take(file);
      this.#list();
      announce(`The model ${file.name} is ready`);
    } catch (error) {
      this.#open();
      $('model-problem').textContent = `${file.name}: ${error.message}`;
    }
  }

  #open() {
    $('model-problem').textContent = '';
    this.#list();
    if (!$('model-dialog').open) $('model-dialog').showModal();
  }

  #list() {
    const legend = $('model-choices').querySelector('legend');
    const rows = this.#models.choices.map((choice) => make('label', { class: 'choice' },
      make('input', {
        type: 'radio', name: 'model', checked: choice.name === this.#models.current.name, onchange: () => this.#models.choose(choice) }),
      make('span', { class: 'choice-name' }, choice.name), make('span', { class: 'choice-detail' }, choice.detail)));
    $('model-choices').replaceChildren(legend, ...rows);
  }

  #refresh() {
    $('model-name').textContent = this.#models.status || this.#models.current.name;
  }
}
