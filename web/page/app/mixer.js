// The controls of one stem: mute, solo, gain and level. Songs and live sound have the same.
import { make } from './dom.js';
import { capital, decibels } from './text.js';

const LOWEST = -40, HIGHEST = 6; // dB; the lowest position is silence

export const gainOf = (value) => (value <= LOWEST ? 0 : 10 ** (value / 20));
const positionOf = (gain) => (gain <= 0 ? LOWEST : Math.max(LOWEST, 20 * Math.log10(gain)));

// state: { gains, muted, solo }, changed in place at `index`; onChange is called after each change.
export function stemControls(name, index, state, onChange) {
  const meter = make('span', { class: 'meter', 'aria-hidden': 'true' }, make('span'));
  const value = make('output', { class: 'gain-value', 'aria-hidden': 'true' });
  const slider = make('input', {
    type: 'range', class: 'gain', min: LOWEST, max: HIGHEST, step: 0.5, 'aria-label': `${capital(name)} volume`,
    title: 'Volume; double-click for 0 dB',
    oninput: () => set(gainOf(Number(slider.value))),
    ondblclick: () => { slider.value = 0; set(1); },
  });
  const toggle = (letter, what, list) => make('button', {
    type: 'button', class: `toggle ${what}`, 'aria-label': `${capital(what)} ${name}`, title: `${capital(what)} ${name}`,
    onclick: () => { list[index] = !list[index]; onChange(); },
  }, letter);
  const mute = toggle('M', 'mute', state.muted), solo = toggle('S', 'solo', state.solo);

  function set(gain) {
    state.gains[index] = gain;
    onChange();
  }

  function refresh() {
    const gain = state.gains[index];
    if (document.activeElement !== slider) slider.value = positionOf(gain);
    slider.setAttribute('aria-valuetext', gain === 0 ? 'silent' : decibels(gain));
    slider.style.setProperty('--filled', `${(100 * (positionOf(gain) - LOWEST)) / (HIGHEST - LOWEST)}%`);
    value.textContent = decibels(gain);
    mute.setAttribute('aria-pressed', state.muted[index]);
    solo.setAttribute('aria-pressed', state.solo[index]);
  }

  refresh();
  const level = (amount) => { meter.firstChild.style.transform = `scaleX(${Math.min(1, amount ** 0.6)})`; };
  return { mute, solo, slider, value, meter, refresh, level };
}
