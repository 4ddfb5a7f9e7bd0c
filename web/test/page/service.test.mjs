// The page of `spleeterrt serve`: songs chosen and dropped, followed, heard, saved and removed. Skipped where there is no
// Chromium, or no starlette for the service.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import * as h from './harness.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const MODEL = 'starter:2stems', RATE = 44100;
let browser, server;

const missing = () => {
  if (!fs.existsSync(process.env.CHROMIUM ?? '/usr/bin/chromium')) return 'no Chromium';
  const found = spawnSync(h.python, ['-c', 'import starlette, uvicorn, python_multipart']);
  return found.status === 0 ? false : 'no starlette, uvicorn or python-multipart';
};

async function serve(...args) {
  const child = spawn(h.python, ['-m', 'spleeterrt', 'serve', '-p', MODEL, '--threads', '1', '--port', '0',
    '--folder', path.join(h.work, 'songs'), ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  process.on('exit', () => child.kill());
  const line = await new Promise((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(String(text)));
    child.once('exit', (code) => reject(new Error(`spleeterrt serve ended with ${code}`)));
  });
  const stop = () => new Promise((resolve) => {
    if (child.exitCode !== null) return resolve(child.exitCode);
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
  return { address: line.split(' ')[0], stop };
}

async function open(address) {
  const { page, said } = await h.newPage(browser);
  await page.goto(address);
  await page.waitForSelector('#stems input');
  return { page, said };
}

const row = (page, name) => page.locator('#songs > li', { has: page.locator('h3', { hasText: name }) });
const until = (page, name, text) => row(page, name).locator('.state', { hasText: text }).waitFor();

// A tone of one second, and what `spleeterrt separate` makes of it.
function song(name, frequency) {
  const file = h.writeWav(path.join(h.work, name), RATE, (i) => 0.3 * Math.sin(2 * Math.PI * frequency * i / RATE));
  return { file, stems: (...options) => {
    const out = path.join(h.work, `${name}-stems`);
    h.spleeterrt('separate', '-q', '-p', MODEL, '-o', out, ...options, file);
    return path.join(out, path.parse(name).name);
  } };
}

describe('the page of the service', { skip: missing() }, () => {
  before(async () => {
    [browser, server] = await Promise.all([h.launch(), serve('--max-size', '1M')]);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test('a chosen song: its stems are those of separate, can be heard, saved and removed', async () => {
    const { page, said } = await open(server.address);
    const { file, stems } = song('tone.wav', 440);
    assert.equal(await page.locator('#stems input').count(), 2);
    await page.setInputFiles('#song', file);
    await page.selectOption('#codec', 'flac');
    await page.click('#send');
    await until(page, 'tone.wav', 'is done');
    const links = row(page, 'tone.wav').locator('a');
    assert.deepEqual(await links.evaluateAll((all) => all.map((link) => link.download)), ['vocals.flac', 'accompaniment.flac', 'stems.zip']);
    const folder = stems('-c', 'flac');
    for (const name of ['vocals.flac', 'accompaniment.flac']) {
      const { target, name: called } = await h.saved(page, () => links.filter({ hasText: name }).click(), name);
      assert.equal(called, name);
      assert.deepEqual(fs.readFileSync(target), fs.readFileSync(path.join(folder, name)));
    }
    const zip = await h.saved(page, () => links.filter({ hasText: 'ZIP' }).click(), 'stems.zip');
    assert.equal(fs.readFileSync(zip.target).toString('latin1', 0, 2), 'PK');
    const seconds = await row(page, 'tone.wav').locator('audio').first().evaluate((player) => new Promise((resolve, reject) => {
      player.addEventListener('loadedmetadata', () => resolve(player.duration));
      player.addEventListener('error', () => reject(new Error(player.error.message)));
      player.load();
      player.preload = 'metadata';
    }));
    assert.ok(Math.abs(seconds - 1) < 0.01, `${seconds} s`);
    assert.match(await page.textContent('#news'), /tone\.wav: is done/);
    const address = new URL(await links.first().getAttribute('href'), server.address);
    await row(page, 'tone.wav').getByRole('button', { name: 'Remove' }).click();
    await page.waitForSelector('#none:not([hidden])');
    assert.equal((await fetch(address)).status, 404);
    assert.deepEqual(said, []);
    await page.context().close();
  });

  test('dropped files: one stem alone, and one that is no sound does not stop the other', async () => {
    const { page, said } = await open(server.address);
    const words = path.join(h.work, 'words.wav'), large = path.join(h.work, 'large.wav');
    fs.writeFileSync(words, 'these are words');
    fs.writeFileSync(large, Buffer.alloc(1_500_000));
    const { file, stems } = song('low.wav', 110);
    await page.getByLabel('accompaniment').uncheck();
    await h.drop(page, words, large, file);
    await until(page, 'low.wav', 'is done');
    for (const [name, text] of [['words.wav', /the song/i], ['large.wav', /1\.0 MB|1000000|too large/i]]) {
      await row(page, name).locator('.state.failed').waitFor();
      assert.match(await row(page, name).locator('.state').textContent(), text);
      assert.equal(await row(page, name).locator('a').count(), 0);
    }
    const links = row(page, 'low.wav').locator('a');
    assert.equal(await links.count(), 2); // vocals, and all in one file
    const { target } = await h.saved(page, () => links.first().click(), 'low-vocals.wav');
    assert.deepEqual(fs.readFileSync(target), fs.readFileSync(path.join(stems(), 'vocals.wav')));
    assert.deepEqual(said.filter((line) => !line.includes('413')), []); // which Chromium logs
    await page.context().close();
  });

  test('for everybody: no violation that axe finds, before and after a song, in the light and in the dark', async () => {
    for (const colorScheme of ['light', 'dark']) {
      const { page } = await open(server.address);
      await page.emulateMedia({ colorScheme });
      await page.setInputFiles('#song', song('axe.wav', 220).file);
      await page.keyboard.press('Tab');
      await page.locator('#send').press('Enter');
      await until(page, 'axe.wav', 'is done');
      const violations = await page.evaluate(`${axe}; axe.run().then((found) => found.violations.map((v) => v.id + ': ' + v.nodes[0].html))`);
      assert.deepEqual(violations, []);
      await page.context().close();
    }
  });

  test('without scripts the form is answered all the same', async () => {
    const { page } = await h.newPage(browser, { javaScriptEnabled: false });
    await page.goto(server.address);
    await page.setInputFiles('#song', song('plain.wav', 330).file);
    await page.click('#send');
    const shown = JSON.parse(await page.textContent('body'));
    assert.match(shown.url, /^\/songs\//);
    await page.context().close();
  });

  test('a server that has gone is told', async () => {
    const { page } = await open(server.address);
    await page.setInputFiles('#song', song('late.wav', 550).file);
    assert.equal(await server.stop(), 0);
    await page.click('#send');
    await until(page, 'late.wav', 'The server cannot be reached.');
    await page.context().close();
  });
});
