// Does live sound keep up in the page: load, late masks, gaps, delay, for each quality?
//
//     node bench/web/live.mjs SITE SOUND.wav --modules NODE_MODULES [--model "starter: 2 stems" | FILE] [--qualities quick,balanced,full]
//         [--seconds 30] [--python python3]
//
// SITE: a built site; SOUND.wav: what Chromium's microphone for tests plays, again and again; NODE_MODULES: with playwright-core.
// CHROMIUM: the program (/usr/bin/chromium). The page is used as a person would; what it shows twice a second is kept, and at the
// beginning and after each quarter of the time how much memory its process takes.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { memory } from './memory.mjs';

const { values, positionals: [site, sound] } = parseArgs({
  allowPositionals: true,
  options: { modules: { type: 'string' }, model: { type: 'string', default: 'starter: 4 stems' }, qualities: { type: 'string', default: 'quick,balanced,full' },
    seconds: { type: 'string', default: '30' }, python: { type: 'string', default: 'python3' } },
});
const { chromium } = await import(pathToFileURL(path.resolve(values.modules, 'playwright-core/index.mjs')));
const server = spawn(values.python, ['-m', 'spleeterrt', 'web', '--no-browser', '--port', '0', '--site', site], { stdio: ['ignore', 'pipe', 'inherit'] });
const address = await new Promise((resolve) => { server.stdout.once('data', (line) => resolve(String(line).split(' ')[0])); });
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'live-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', permissions: ['microphone'],
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-audio-capture=${path.resolve(sound)}`] });
const page = await context.newPage();
page.on('pageerror', (error) => console.log('page:', error.message));
await page.goto(address);
await page.waitForSelector('html[data-ready]');
await page.evaluate(async () => {
  const { Live } = await import('./app/live.js'), { report } = Live.prototype;
  window.reports = [];
  Live.prototype.report = async function kept() {
    const found = await report.call(this);
    if (found) window.reports.push(found);
    return found;
  };
});
if (/\.safetensors$/.test(values.model)) {
  await page.setInputFiles('#model-file', values.model);
  await page.waitForFunction((name) => document.getElementById('model-name').textContent === name, path.basename(values.model, '.safetensors'));
} else {
  await page.click('#model-button');
  await page.click(`label:has-text("${values.model}")`);
  await page.keyboard.press('Escape');
}
console.log(`Chromium ${context.browser()?.version() ?? ''}, ${os.cpus()[0].model}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}; ${path.basename(values.model)}`);
await page.click('#to-live');
const ms = (seconds) => `${(1000 * seconds).toFixed(1)} ms`;
for (const quality of values.qualities.split(',')) {
  await page.selectOption('#live select >> nth=1', quality);
  await page.evaluate(() => { window.reports.length = 0; });
  await page.click('#live button.primary');
  await page.waitForSelector('#live .facts dd');
  const sizes = [memory(profile).renderer];
  for (let part = 0; part < 4; part++) {
    await page.waitForTimeout(250 * Number(values.seconds));
    sizes.push(memory(profile).renderer);
  }
  const shown = await page.locator('#live .facts div').evaluateAll((all) => all.map((each) => each.innerText.replace(/\s*\n\s*/, ' ')).join(', '));
  const reports = await page.evaluate(() => window.reports), last = reports.at(-1), loads = reports.map(({ load }) => Math.round(100 * load)).sort((a, b) => a - b);
  console.log(`${quality}, ${values.seconds} s: shown: ${shown}; load ${loads[loads.length >> 1]} % median, ${loads.at(-1)} % most; runs ${last.runs}, `
    + `late ${last.underruns}, dropped ${last.dropped}, frames covered ${last.coveredFrames}, repaired ${last.repaired}; a run ${ms(last.runSeconds)}, `
    + `longest ${ms(last.worstRunSeconds)}; missed ${(last.silence * 1000).toFixed(0)} ms (first second ${(reports[1]?.silence * 1000).toFixed(0)}); the page's process ${sizes.map(Math.round).join(', ')} MB`);
  await page.click('#live button.primary');
  await page.waitForFunction(() => document.querySelector('#live button.primary').textContent === 'Start');
}
await context.close();
fs.rmSync(profile, { recursive: true, force: true });
server.kill('SIGINT');
