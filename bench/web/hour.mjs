// How much memory does the page need for an hour of music? Every process of the browser, all the time.
//
//     node bench/web/hour.mjs SITE --modules NODE_MODULES [--minutes 60] [--listen 10] [--python python3] [--zip]
//
// SITE: a built site; NODE_MODULES: with playwright-core. CHROMIUM: the program (/usr/bin/chromium). The song is a WAV file of
// noise and tones, 16 bit, which the page reads piece by piece. --listen: seconds for which its end is played. --zip also saves all
// stems.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { memory } from './memory.mjs';

const { values, positionals: [site] } = parseArgs({
  allowPositionals: true,
  options: { modules: { type: 'string' }, minutes: { type: 'string', default: '60' }, listen: { type: 'string', default: '10' }, python: { type: 'string', default: 'python3' }, zip: { type: 'boolean' } },
});
const { chromium } = await import(pathToFileURL(path.resolve(values.modules, 'playwright-core/index.mjs')));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hour-'));
const RATE = 44100, SECOND = RATE * 4, seconds = 60 * Number(values.minutes);

// A minute of sound, again and again.
function writeSong(target) {
  const header = Buffer.alloc(44), minute = Buffer.alloc(60 * SECOND);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + seconds * SECOND, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  [[16, 4, 16], [1, 2, 20], [2, 2, 22], [RATE, 4, 24], [SECOND, 4, 28], [4, 2, 32], [16, 2, 34]].forEach(([value, size, at]) => header.writeUIntLE(value, at, size));
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(seconds * SECOND, 40);
  for (let i = 0; i < 60 * RATE; i++) {
    const beat = Math.exp(-(i % 22050) / 3000), tone = Math.sin(i * 0.0157) * 0.3 + Math.sin(i * 0.0627 * (1 + (i % 176400 > 88200))) * 0.2;
    const value = Math.round(16000 * (tone + beat * (Math.random() - 0.5)));
    minute.writeInt16LE(value, 4 * i);
    minute.writeInt16LE(value >> 1, 4 * i + 2);
  }
  const file = fs.openSync(target, 'w');
  fs.writeSync(file, header);
  for (let s = 0; s < seconds; s += 60) fs.writeSync(file, minute, 0, Math.min(60, seconds - s) * SECOND);
  fs.closeSync(file);
}

const song = path.join(folder, 'hour.wav'), profile = path.join(folder, 'profile');
writeSong(song);
const server = spawn(values.python, ['-m', 'spleeterrt', 'web', '--no-browser', '--port', '0', '--site', site], { stdio: ['ignore', 'pipe', 'inherit'] });
const address = await new Promise((resolve) => { server.stdout.once('data', (line) => resolve(String(line).split(' ')[0])); });
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', acceptDownloads: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const page = await context.newPage();
await page.goto(address);
await page.waitForSelector('html[data-ready]');
const samples = [];
const look = (phase) => {
  const sizes = memory(profile);
  samples.push({ phase, total: Object.values(sizes).reduce((a, b) => a + b, 0), ...sizes });
};
const watch = async (phase, promise) => {
  const timer = setInterval(() => look(phase), 2000), start = performance.now();
  look(phase);
  try {
    await promise;
  } finally {
    clearInterval(timer);
  }
  look(phase);
  const those = samples.filter((sample) => sample.phase === phase), most = Math.max(...those.map(({ total }) => total));
  const peak = those.find(({ total }) => total === most);
  const parts = Object.entries(peak).filter(([name]) => !['phase', 'total'].includes(name)).map(([name, size]) => `${name} ${Math.round(size)}`).join(', ');
  const quarters = (part) => [0, 1, 2, 3].map((q) => {
    const first = Math.floor(q * those.length / 4), those4 = those.slice(first, Math.max(Math.floor((q + 1) * those.length / 4), first + 1));
    return Math.round(Math.max(...those4.map((sample) => sample[part] ?? 0)));
  }).join(', ');
  console.log(`${phase}: ${((performance.now() - start) / 1000).toFixed(1)} s; peak ${Math.round(most)} MB (${parts}); highest of each quarter of the time `
    + `${quarters('total')}; of the page's process ${quarters('renderer')}`);
};
console.log(`${values.minutes} minutes, ${(fs.statSync(song).size / 1e6).toFixed(0)} MB; Chromium ${context.browser()?.version() ?? ''}, ${os.cpus().length} cores, ${os.cpus()[0].model}`);
look('before');
console.log(`page open: ${Math.round(samples[0].total)} MB`);
await page.setInputFiles('#files', song);
await watch('separating', page.waitForSelector('.row[data-state="done"], .row[data-state="failed"]', { timeout: 3_600_000 }));
console.log(await page.textContent('.song-status'));
const listen = Number(values.listen), from = Math.max(0, Math.min(0.98, 1 - (listen + 5) / seconds));
await page.evaluate((from) => { // there, and listen
  const box = document.querySelector('.wave').getBoundingClientRect(), at = { bubbles: true, button: 0, pointerId: 1, clientX: box.left + box.width * from, clientY: box.top + 5 };
  const wave = document.querySelector('.wave');
  wave.setPointerCapture = () => {};
  for (const type of ['pointerdown', 'pointerup']) wave.dispatchEvent(new PointerEvent(type, at));
  document.querySelector('.play').click();
}, from);
await watch('playing', page.waitForTimeout(1000 * listen));
console.log(await page.textContent('.time'));
await page.click('.play');
if (values.zip) {
  const saved = page.waitForEvent('download', { timeout: 900_000 });
  await page.click('.downloads .primary');
  await watch('zip', saved.then((download) => download.path()));
  const target = await (await saved).path();
  console.log(`${(fs.statSync(target).size / 1e6).toFixed(0)} MB; ${execFileSync(values.python, ['-c', 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print("damaged:", z.testzip(), [(i.filename, i.file_size) for i in z.infolist()])', target], { encoding: 'utf8' }).trim()}`);
}
await context.close();
server.kill('SIGINT');
fs.rmSync(folder, { recursive: true, force: true });
