// Small helpers for the document.

export const $ = (id) => document.getElementById(id);

// make('button', { class: 'x', onclick, 'aria-label': 'y' }, 'text', child): an element. Functions become listeners,
// `true` an empty attribute; null, undefined and false leave an attribute out.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';
const PATHS = {
  play: 'M7 4.5v15l12-7.5z',
  pause: 'M6.5 4.5h4v15h-4zM13.5 4.5h4v15h-4z',
  start: 'M5 5h2.5v14H5zM19 5v14L8.5 12z',
  loop: 'M17 2.6 21.4 7 17 11.4V8.2H8.6A3.4 3.4 0 0 0 5.2 11.6v1H2.8v-1a5.8 5.8 0 0 1 5.8-5.8H17zM7 21.4 2.6 17 7 12.6v3.2h8.4a3.4 3.4 0 0 0 3.4-3.4v-1h2.4v1a5.8 5.8 0 0 1-5.8 5.8H7z',
  download: 'M10.7 4h2.6v7.5h3.2L12 16.2 7.5 11.5h3.2zM5 17.7h14V20H5z',
  close: 'M6.4 4.9 12 10.5l5.6-5.6 1.5 1.5-5.6 5.6 5.6 5.6-1.5 1.5-5.6-5.6-5.6 5.6-1.5-1.5 5.6-5.6-5.6-5.6z',
  plus: 'M10.8 5h2.4v5.8H19v2.4h-5.8V19h-2.4v-5.8H5v-2.4h5.8z',
  retry: 'M12 5a7 7 0 0 1 6.3 4H21l-4.1 4.3L12.8 9h3a4.7 4.7 0 1 0 .3 5l2 1.1A7 7 0 1 1 12 5z',
};

// An icon for the eye; what it means stands in the label of its button.
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

// Says something to screen readers, once.
export function announce(text) {
  const region = $('announcer');
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 50);
}
