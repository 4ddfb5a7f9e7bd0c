// What the tests of the page share: a server, Chromium, songs, and what `spleeterrt separate` makes of them.
//
//   SPLEETERRT_WEB_BUILD  a built site         PYTHON    with spleeterrt (python3)
//   CHROMIUM              /usr/bin/chromium    SCREENSHOTS  a folder for pictures, if wanted
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = path.resolve(fileURLToPath(import.meta.url), '../../../..');
export const python = process.env.PYTHON ?? 'python3';
export const song = path.join(root, 'tests/data/song.ogg');
export const work = fs.mkdtempSync(path.join(os.tmpdir(), 'spleeterrt-page-'));
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }));

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const FAKE_MICROPHONE = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

// What a test that failed has left open would keep this process waiting.
const opened = [];
after(() => Promise.all(opened.map((close) => close())));

export async function launch(options = { args: FAKE_MICROPHONE }) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', ...options, args: [...FLAGS, ...options.args] });
  opened.push(() => browser.close());
  return browser;
}

export const spleeterrt = (...args) => execFileSync(python, ['-m', 'spleeterrt', ...args], { encoding: 'utf8' });

// `spleeterrt web` in a process of its own.
export async function serve(...args) {
  const server = spawn(python, ['-m', 'spleeterrt', 'web', '--no-browser', '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise((resolve, reject) => {
    server.stdout.once('data', (text) => resolve(String(text)));
    server.once('exit', (code) => reject(new Error(`spleeterrt web ended with ${code}`)));
  });
  const stop = () => new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) return resolve();
    server.once('exit', resolve);
    server.kill('SIGINT');
  });
  opened.push(stop);
  process.on('exit', () => server.kill());
  return { address: line.split(' ')[0], stop };
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

// A folder on a server that knows nothing of the page: types, and no other header. { address, stop, asked: addresses }
export async function serveFolder(folder) {
  const asked = [];
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    asked.push(pathname);
    const file = path.join(folder, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    if (!fs.existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
    fs.createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const stop = () => new Promise((resolve) => { server.close(resolve), server.closeAllConnections(); });
  opened.push(stop);
  return { address: `http://127.0.0.1:${server.address().port}/`, stop, asked };
}

// A page whose console is collected: { page, context, said }.
export async function newPage(browser, options = {}, given = null) {
  const context = given ?? await browser.newContext({ acceptDownloads: true, viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage(), said = [];
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => said.push(`error: ${error.stack}`));
  page.setDefaultTimeout(120_000); // for machines with other things to do
  return { page, context, said };
}

export async function open(browser, address, options = {}, given = null) {
  const opened = await newPage(browser, options, given);
  await opened.page.goto(address);
  await opened.page.waitForSelector('html[data-ready]');
  return opened;
}

// As a user drops files on the page.
export async function drop(page, ...files) {
  const given = files.map((file) => ({ name: path.basename(file), data: fs.readFileSync(file).toString('base64') }));
  const transfer = await page.evaluateHandle((list) => {
    const made = new DataTransfer();
    for (const { name, data } of list) {
      made.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
    }
    return made;
  }, given);
  for (const type of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('body', type, { dataTransfer: transfer });
}

export const done = (page, title) => page.waitForSelector(`.row[data-state="done"]:has-text("${title}")`);

export async function saved(page, click, name) {
  const [download] = await Promise.all([page.waitForEvent('download'), click()]);
  const target = path.join(work, name);
  await download.saveAs(target);
  return { target, name: download.suggestedFilename() };
}

export const picture = async (page, name) => {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
};

// --- WAV ---

// { rate, bits, samples: Float64Array, interleaved }
export function readWav(bytes) {
  let at = 12, format;
  for (;;) {
    const name = bytes.toString('latin1', at, at + 4), size = bytes.readUInt32LE(at + 4), start = at + 8;
    if (name === 'fmt ') format = { tag: bytes.readUInt16LE(start), rate: bytes.readUInt32LE(start + 4), bits: bytes.readUInt16LE(start + 14) };
    if (name === 'data') return { ...format, samples: samplesOf(bytes.subarray(start, start + size), format) };
    at = start + size + (size & 1);
  }
}

function samplesOf(data, { tag, bits }) {
  const size = bits / 8, out = new Float64Array(data.length / size);
  for (let i = 0; i < out.length; i++) {
    out[i] = tag === 3 ? data.readFloatLE(i * 4) : data.readIntLE(i * size, size) / 2 ** (bits - 1);
  }
  return out;
}

// 16 bit; value(i): a sample of all channels.
export function writeWav(target, frames, value, { rate = 44100, channels = 2 } = {}) {
  const frame = 2 * channels, data = Buffer.alloc(44 + frames * frame);
  data.write('RIFF', 0, 'latin1');
  data.writeUInt32LE(36 + frames * frame, 4);
  data.write('WAVEfmt ', 8, 'latin1');
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(channels, 22);
  data.writeUInt32LE(rate, 24);
  data.writeUInt32LE(rate * frame, 28);
  data.writeUInt16LE(frame, 32);
  data.writeUInt16LE(16, 34);
  data.write('data', 36, 'latin1');
  data.writeUInt32LE(frames * frame, 40);
  for (let i = 0; i < frames; i++) {
    const sample = Math.round(32767 * value(i));
    for (let at = 44 + frame * i; at < 44 + frame * (i + 1); at += 2) data.writeInt16LE(sample, at);
  }
  fs.writeFileSync(target, data);
  return target;
}

// Of the difference to the signal, in dB.
export function errorLevel(found, expected) {
  let difference = 0, power = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (found[i] - expected[i]) ** 2;
    power += expected[i] ** 2;
  }
  return 10 * Math.log10(difference / power);
}
