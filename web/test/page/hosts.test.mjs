// The page on a host that knows nothing of it: its policy, its next version. And the sound of another tab.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

let browser;

before(async () => {
  browser = await h.launch();
});

after(() => browser.close());

// The page as a folder for any host; of another version, if it is given another title.
function exported(name, title) {
  const folder = path.join(h.work, name);
  if (!title) {
    h.spleeterrt('web', '--export', folder);
    return folder;
  }
  const page = path.join(h.work, `${name} source`), site = path.join(h.work, `${name} site`);
  fs.cpSync(path.join(h.root, 'web/page'), page, { recursive: true });
  const index = path.join(page, 'index.html'), text = fs.readFileSync(index, 'utf8');
  fs.writeFileSync(index, text.replace(/<title>.*<\/title>/, `<title>${title}</title>`));
  execFileSync('cmake', [`-DPAGE=${page}`, `-DPACKAGE=${process.env.SPLEETERRT_WEB_PACKAGE}`, `-DSITE=${site}`,
    '-P', path.join(h.root, 'web/page/site.cmake')]);
  h.spleeterrt('web', '--site', site, '--export', folder);
  return folder;
}

test('workers obey the page, whatever the server says', async () => {
  const elsewhere = await h.serveFolder(h.work);
  const folder = exported('plain');
  fs.writeFileSync(path.join(folder, 'probe.js'),
    `fetch('${elsewhere.address}song', { mode: 'no-cors' }).then(() => postMessage('sent'), () => postMessage('refused'));`);
  const host = await h.serveFolder(folder);
  const { page, said } = await h.open(browser, host.address);
  await h.drop(page, h.song);
  await h.done(page, 'song');
  assert.deepEqual(said, []);
  const workers = page.workers().map((worker) => new URL(worker.url()).protocol);
  assert.ok(workers.length > 1 && workers.every((protocol) => protocol === 'blob:'), String(workers));
  const heard = (start) => page.evaluate(async (start) => {
    const { assets } = await import('./app/assets.js'), address = new URL('probe.js', location);
    const worker = start === 'as the page does' ? assets.worker(address) : new Worker(address);
    return new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
  }, start);
  assert.equal(await heard('as the page does'), 'refused');
  assert.deepEqual(elsewhere.asked, []);
  assert.equal(await heard('by its file'), 'sent'); // what the policy does not reach
  assert.deepEqual(elsewhere.asked, ['/song']);
  await page.context().close();
  await Promise.all([host.stop(), elsewhere.stop()]);
});

test('a new version: at once where nothing is lost, and when the user says so where songs are', async () => {
  const folder = exported('site'), host = await h.serveFolder(folder);
  const next = (title) => fs.cpSync(exported(title, title), folder, { recursive: true });
  const { page, said } = await h.open(browser, host.address);
  await page.waitForSelector('#offline:visible');
  const caches = () => page.evaluate(() => window.caches.keys());
  const [first] = await caches();

  next('the second');
  await page.reload(); // by the version that is kept, which then looks for another one
  await page.waitForFunction(() => document.title === 'the second');
  await page.waitForSelector('html[data-ready]');
  await page.waitForFunction(async (first) => !(await window.caches.keys()).includes(first), first);
  assert.equal((await caches()).length, 1);

  await h.drop(page, h.song);
  await h.done(page, 'song');
  next('the third');
  await page.evaluate(async () => (await navigator.serviceWorker.getRegistration()).update());
  await page.waitForSelector('#offline >> text=A new version is here.');
  assert.equal(await page.title(), 'the second');
  assert.equal(await page.locator('.row[data-state="done"]').count(), 1);
  await page.click('#offline >> text=Load it');
  await page.waitForFunction(() => document.title === 'the third');
  await page.waitForSelector('html[data-ready]');
  await page.waitForFunction(async () => (await window.caches.keys()).length === 1);

  await host.stop();
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  assert.equal(await page.title(), 'the third');
  assert.deepEqual(said.filter((line) => !/ERR_CONNECTION_REFUSED|settings\.json|sw\.js/.test(line)), []);
  await page.context().close();
});

test('the sound of another tab', async () => {
  const server = await h.serve();
  // Chromium shares a tab's sound only where it is not muted, and chooses the tab by its title.
  const own = await h.launch({ args: ['--auto-select-tab-capture-source-by-title=a tab that plays'], ignoreDefaultArgs: ['--mute-audio'] });
  const context = await own.newContext(), player = await context.newPage();
  await player.setContent('<title>a tab that plays</title>');
  await player.click('body');
  await player.evaluate(() => {
    const sound = new AudioContext();
    window.tone = new OscillatorNode(sound, { frequency: 220 });
    window.tone.connect(sound.destination);
    window.tone.start();
    return sound.resume();
  });
  const { page, said } = await h.open(own, server.address, {}, context);
  await page.evaluate(() => { // what comes in: how much of it is separated in time depends on the machine
    const open = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getDisplayMedia = async (wanted) => {
      const media = await open(wanted), context = new AudioContext();
      window.meter = new AnalyserNode(context);
      new MediaStreamAudioSourceNode(context, { mediaStream: media }).connect(window.meter);
      return media;
    };
  });
  await page.click('#to-live');
  await page.selectOption('#live select >> nth=0', 'tab');
  await page.selectOption('#live select >> nth=1', 'full');
  await page.click('#live button.primary');
  await page.waitForSelector('#live .facts dd');
  await page.waitForFunction(() => {
    const samples = new Float32Array(2048);
    window.meter.getFloatTimeDomainData(samples);
    return Math.max(...samples) > 0.1;
  });
  await h.picture(page, 'live-tab');
  await player.close(); // with the tab the sound ends, and says so
  await page.waitForFunction(() => document.querySelector('#live button.primary').textContent === 'Start');
  assert.match(await page.textContent('#live .error'), /^The sound has ended/);
  // Chromium also asks whether a page that shares a tab may use the camera, which the server forbids.
  assert.deepEqual(said.filter((line) => !/violation: camera is not allowed/.test(line)), []);
  await own.close();
  await server.stop();
});
