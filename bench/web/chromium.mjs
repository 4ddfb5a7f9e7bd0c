// How fast is it in Chromium: networks beside onnxruntime-web, one worker and two, a song of three minutes?
//
//     node bench/web/chromium.mjs FOLDER DIST STARTER --modules NODE_MODULES [--rounds 10] [--only forward,workers,song]
//
// FOLDER: what prepare.py wrote; DIST: the built package; STARTER: starter.safetensors; NODE_MODULES: with playwright-core
// and onnxruntime-web. CHROMIUM: the program (/usr/bin/chromium).
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import os from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modules: { type: 'string' },
    rounds: { type: 'string', default: '10' },
    only: { type: 'string', default: 'forward,workers,song' },
  },
});
const [folder, dist, starter] = positionals;
const { chromium } = await import(pathToFileURL(resolve(values.modules, 'playwright-core/index.mjs')));

const places = {
  bench: dirname(fileURLToPath(import.meta.url)),
  package: dist,
  data: folder,
  ort: resolve(values.modules, 'onnxruntime-web/dist'),
};
const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };
const server = createServer((request, response) => {
  const [, place, ...rest] = new URL(request.url, 'http://x').pathname.split('/');
  const file = place === 'starter' ? starter : place in places && join(places[place], ...rest);
  if (!file || !existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(response);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const load = () => os.loadavg()[0].toFixed(1);
console.log(`Chromium ${browser.version()}, ${os.cpus()[0].model}, ${os.cpus().length} cores, load ${load()}`);

async function inPage(work, ...args) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log('page:', error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/bench/page.html`);
  await page.waitForFunction(() => window.ready);
  const result = await page.evaluate(([name, given]) => window[name](...given), [work, args]);
  await page.close();
  return result;
}

const best = (times) => Math.min(...times);
const median = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];
const rounds = Number(values.rounds);
const only = values.only.split(',');

if (only.includes('forward'))
  for (const frames of [128, 512]) {
    const { times, difference } = await inPage('forward', frames, rounds);
    const other = times['onnxruntime-web'];
    for (const [name, { min, median: middle }] of Object.entries(times))
      console.log(`T=${frames} ${name.padEnd(16)} ${min.toFixed(1)} ms min, ${middle.toFixed(1)} median  ` +
        `${(other.min / min).toFixed(2)} (min) ${(other.median / middle).toFixed(2)} (median)`);
    console.log(`T=${frames} largest difference plain - onnxruntime-web ${difference.toExponential(1)}`);
  }
if (only.includes('workers'))
  for (const [name, model, seconds] of [['2 stems, full width', '/data/full.safetensors', 95], ['starter:4stems', '/starter', 95]]) {
    const { times, parts } = await inPage('workers', model, seconds, Math.ceil(rounds / 2));
    const [one, two] = times;
    console.log(`${name}, ${seconds} s: one worker ${best(one).toFixed(0)} ms min, ${median(one).toFixed(0)} median; ` +
      `two ${best(two).toFixed(0)}, ${median(two).toFixed(0)}: ${(best(one) / best(two)).toFixed(2)} (min) ` +
      `${(median(one) / median(two)).toFixed(2)} (median) times as fast; load ${load()}`);
    for (const [i, part] of parts.entries())
      console.log(`  ${i + 1}: ${Object.entries(part).map(([what, ms]) => `${what} ${ms.toFixed(0)}`).join(', ')} ms`);
  }
if (only.includes('song')) {
  const { times, memory } = await inPage('workers', '/starter', 180, 3, [2]);
  console.log(`starter:4stems, 180 s, 2 workers: ${times[0].map((ms) => (180000 / ms).toFixed(1)).join(', ')} times real time; ` +
    `memories ${memory[0].map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(' + ')} MiB; load ${load()}`);
}
await browser.close();
server.close();
