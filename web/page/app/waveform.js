// Draws a stem: its peaks lightly, its power on top; what is not separated yet as a shadow of the whole song.
import { BIN } from './peaks.js';

const BAR = 3, GAP = 1; // of the shadow's and the stem's bars, in CSS pixels

// stem, mix: Peaks; length: samples; scale: the highest peak of the mix.
export function drawWaveform(canvas, { stem, mix, length, scale, colour, shadow }) {
  const width = canvas.clientWidth, height = canvas.clientHeight, dense = devicePixelRatio || 1;
  if (width === 0 || height === 0) return;
  const pixels = [Math.round(width * dense), Math.round(height * dense)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  const pen = canvas.getContext('2d');
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, width, height);
  const middle = height / 2, loudest = middle - 2, bars = Math.floor(width / (BAR + GAP));
  const done = stem ? stem.filled / length : 0;
  for (let bar = 0; bar < bars; bar++) {
    const from = bar / bars, to = (bar + 1) / bars, ready = to <= done + 1e-9;
    const source = ready ? stem : mix;
    if (!source) continue;
    const { high, low, rms } = reduced(source, Math.floor((from * length) / BIN), Math.ceil((to * length) / BIN));
    const x = bar * (BAR + GAP);
    pen.fillStyle = ready ? colour : shadow;
    pen.globalAlpha = ready ? 0.45 : 1;
    column(pen, x, middle, shown(high / scale) * loudest, shown(low / scale) * loudest);
    if (!ready) continue;
    pen.globalAlpha = 1;
    column(pen, x, middle, shown(rms / scale) * loudest, shown(-rms / scale) * loudest);
  }
  pen.globalAlpha = 1;
}

// Quiet sounds somewhat larger than they are, as they are heard.
const shown = (part) => Math.sign(part) * Math.abs(part) ** 0.75;

function column(pen, x, middle, up, down) {
  const top = middle - Math.max(up, 0.5), bottom = middle - Math.min(down, -0.5);
  pen.beginPath();
  if (pen.roundRect) pen.roundRect(x, top, BAR, bottom - top, 1.5);
  else pen.rect(x, top, BAR, bottom - top);
  pen.fill();
}

function reduced({ low, high, power }, from, to) {
  let least = 0, most = 0, sum = 0;
  const end = Math.min(Math.max(to, from + 1), low.length);
  for (let i = from; i < end; i++) {
    if (low[i] < least) least = low[i];
    if (high[i] > most) most = high[i];
    sum += power[i];
  }
  return { low: least, high: most, rms: Math.sqrt(sum / Math.max(end - from, 1)) };
}
