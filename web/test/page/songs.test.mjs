// A song from the drop to the files, compared with what `spleeterrt separate` writes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

const STEMS = ['vocals', 'drums', 'bass', 'other'];
let browser, server;

before(async () => {
  [browser, server] = await Promise.all([h.launch(), h.serve()]);
});

after(async () => {
  await browser.close();
  await server.stop();
});

test('a song is dropped, heard while it is separated, and saved as the command line saves it', async () => {
  const { page, said } = await h.open(browser, server.address);
  await page.evaluate(() => { // what the page shows on the way
    window.seen = [];
    new MutationObserver(() => window.seen.push(document.querySelector('.song-status')?.textContent ?? ''))
      .observe(document.getElementById('player'), { subtree: true, childList: true, characterData: true });
  });
  await h.drop(page, h.song);
  await page.waitForSelector('.play:not(:disabled)');
  await page.click('.play');
  await h.done(page, 'song');
  await page.waitForFunction(() => /^0:0[1-9]/.test(document.querySelector('.time').textContent));
  assert.equal(await page.getAttribute('.play', 'aria-label'), 'Pause');
  await h.picture(page, 'done');

  const shown = await page.evaluate(() => window.seen);
  const percent = shown.map((text) => /Separating: (\d+) %/.exec(text)?.[1]).filter(Boolean).map(Number);
  assert.ok(percent.length > 1 && percent.every((value, i) => i === 0 || value >= percent[i - 1]), String(percent));
  assert.equal(await page.textContent('.song-status'), '0:16 · 4 stems');
  assert.deepEqual(await page.locator('.stem-name').allTextContents(), ['Vocals', 'Drums', 'Bass', 'Other']);

  await page.selectOption('.downloads select', 'float32');
  h.spleeterrt('separate', '-q', '-p', 'starter:4stems', '--bit-depth', 'float32', '--clip', 'none', '-o', path.join(h.work, 'float32'), h.song);
  for (const [index, stem] of STEMS.entries()) {
    const { target, name } = await h.saved(page, () => page.click(`.lane:nth-child(${index + 1}) .save`), `${stem}.wav`);
    assert.equal(name, `song (${stem}).wav`);
    const found = h.readWav(fs.readFileSync(target)), wanted = h.readWav(fs.readFileSync(path.join(h.work, 'float32/song', `${stem}.wav`)));
    assert.equal(found.rate, 44100);
    assert.equal(found.samples.length, wanted.samples.length);
    const level = h.errorLevel(found.samples, wanted.samples);
    assert.ok(level < -100, `${stem}: ${level} dB`);
  }

  await page.selectOption('.downloads select', 'int16');
  const { target, name } = await h.saved(page, () => page.click('.downloads .primary'), 'all.zip');
  assert.equal(name, 'song (stems).zip');
  h.spleeterrt('separate', '-q', '-p', 'starter:4stems', '-o', path.join(h.work, 'int16'), h.song);
  const unpacked = path.join(h.work, 'unpacked');
  execFileSync(h.python, ['-c', 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])', target, unpacked]);
  for (const stem of STEMS) {
    const found = h.readWav(fs.readFileSync(path.join(unpacked, 'song', `${stem}.wav`)));
    const wanted = h.readWav(fs.readFileSync(path.join(h.work, 'int16/song', `${stem}.wav`)));
    const most = found.samples.reduce((worst, x, i) => Math.max(worst, Math.abs(x - wanted.samples[i])), 0);
    assert.ok(most <= 2 ** -15, `${stem}: ${most}`); // a rounding to the other side
    assert.ok(h.errorLevel(found.samples, wanted.samples) < -60);
  }
  assert.deepEqual(said, []);
  await page.context().close();
});

test('mute, solo and volume change what is heard and what is saved', async () => {
  const { page, said } = await h.open(browser, server.address);
  await h.drop(page, h.song);
  await h.done(page, 'song');
  await page.selectOption('.downloads select', 'float32');
  const stems = [];
  for (let k = 1; k <= 4; k++) {
    const { target } = await h.saved(page, () => page.click(`.lane:nth-child(${k}) .save`), `stem${k}.wav`);
    stems.push(h.readWav(fs.readFileSync(target)).samples);
  }
  const level = (k) => page.$eval(`.lane:nth-child(${k}) .meter span`, (bar) => Number(/scaleX\((.*)\)/.exec(bar.style.transform)[1]));

  await page.click('.lane:nth-child(2) .mute');
  assert.equal(await page.getAttribute('.lane:nth-child(2) .mute', 'aria-pressed'), 'true');
  await page.fill('.lane:nth-child(3) .gain', '-6');
  await page.click('.play');
  await page.waitForFunction(() => /scaleX\(0\.[1-9]/.test(document.querySelector('.lane:nth-child(4) .meter span').style.transform));
  assert.equal(await level(2), 0);
  const mixed = h.readWav(fs.readFileSync((await h.saved(page, () => page.click('button:has-text("What you hear")'), 'mix.wav')).target)).samples;
  const gain = 10 ** (-6 / 20), wanted = mixed.map((_, i) => stems[0][i] + gain * stems[2][i] + stems[3][i]);
  assert.ok(h.errorLevel(mixed, wanted) < -120);

  await page.keyboard.press('Shift+1');
  assert.equal(await page.getAttribute('.lane:nth-child(1) .solo', 'aria-pressed'), 'true');
  const alone = h.readWav(fs.readFileSync((await h.saved(page, () => page.click('button:has-text("What you hear")'), 'solo.wav')).target)).samples;
  assert.deepEqual(alone, stems[0]);
  assert.deepEqual(said, []);
  await page.context().close();
});

test('seeking and loops', async () => {
  const { page, said } = await h.open(browser, server.address);
  await h.drop(page, h.song);
  await h.done(page, 'song');
  const seconds = () => page.$eval('.time', (time) => time.textContent.split(' / ')[0].split(':').reduce((all, x) => 60 * all + Number(x), 0));
  const box = await page.locator('.lane:nth-child(1) .wave').boundingBox();
  await page.mouse.click(box.x + box.width * 0.5, box.y + 20);
  assert.equal(await seconds(), 8);
  for (const line of await page.locator('.playhead').all()) {
    const { x, width } = await line.boundingBox();
    assert.ok(Math.abs(x + width / 2 - (box.x + box.width * 0.5)) < 2, `${x}`);
  }
  await page.keyboard.press('ArrowRight');
  assert.equal(await seconds(), 13);
  await page.focus('.ruler');
  await page.keyboard.press('Home');
  assert.equal(await seconds(), 0);
  assert.equal(await page.getAttribute('.ruler', 'aria-valuetext'), '0 seconds of 16 seconds');

  // From 12.5 % to 18.75 %: 2 to 3 seconds.
  await page.mouse.move(box.x + box.width * 0.125, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.1875, box.y + 30, { steps: 4 });
  await page.mouse.up();
  assert.match(await page.textContent('.loop-info'), /^0:0[12]\.[09] – 0:0[23]\.[09]$/);
  assert.equal(await seconds(), 2); // playing goes on inside the loop
  await page.click('.play');
  const heard = new Set();
  for (let i = 0; i < 25; i++) {
    heard.add(await seconds());
    await page.waitForTimeout(100);
  }
  assert.ok([...heard].every((second) => second >= 1 && second <= 3), [...heard].join());
  await page.keyboard.press('l');
  assert.equal(await page.textContent('.loop-info'), '');
  await page.waitForFunction(() => /^0:0[4-9]/.test(document.querySelector('.time').textContent));

  // What has been heard is let go, even where nothing is drawn, as in a tab that is not seen.
  await page.evaluate(() => {
    window.requestAnimationFrame = () => 0;
    window.gone = 0;
    const { disconnect } = AudioNode.prototype;
    AudioNode.prototype.disconnect = function counted(...to) {
      window.gone += this instanceof AudioBufferSourceNode;
      return disconnect.apply(this, to);
    };
  });
  await page.waitForFunction(() => window.gone >= 4);
  assert.deepEqual(said, []);
  await page.context().close();
});

test('what is scheduled are the samples of the stems', async () => {
  const { page, said } = await h.open(browser, server.address);
  await h.drop(page, h.song);
  await h.done(page, 'song');
  await page.selectOption('.downloads select', 'float32');
  const { target } = await h.saved(page, () => page.click('.lane:nth-child(1) .save'), 'scheduled.wav');
  const left = h.readWav(fs.readFileSync(target)).samples.filter((_, i) => i % 2 === 0);
  await page.evaluate(() => {
    window.starts = [];
    const { start } = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function noted(...when) {
      window.starts.push(this.buffer.getChannelData(0).slice());
      return start.apply(this, when);
    };
  });
  const box = await page.locator('.lane:nth-child(1) .wave').boundingBox();
  // Of the first stem, after a command: what the pieces have in common with the stem from a second on.
  const scheduled = async (pieces) => {
    await page.waitForFunction((count) => window.starts.length >= count, 4 * pieces);
    return page.evaluate((count) => window.starts.splice(0, Infinity).filter((_, i) => i % 4 === 0).slice(0, count).map((samples) => Array.from(samples)), pieces);
  };
  await page.click('.play');
  await scheduled(2);
  for (const fraction of [0.5, 0.25]) {
    await page.evaluate((clientX) => { // at once, so that no piece of before comes between
      const wave = document.querySelector('.wave'), at = { bubbles: true, button: 0, pointerId: 1, clientX };
      wave.setPointerCapture = () => {};
      window.starts.length = 0;
      for (const type of ['pointerdown', 'pointerup']) wave.dispatchEvent(new PointerEvent(type, at));
    }, box.x + box.width * fraction);
    const from = Math.round(left.length * fraction);
    const [first, second] = await scheduled(2), size = first.length;
    const at = left.findIndex((x, i) => Math.abs(i - from) < 2000 && x === first[0] && left[i + 1] === first[1] && left[i + 700] === first[700]);
    assert.ok(at >= 0, `${fraction}`);
    assert.ok(first.concat(second).every((x, i) => x === left[at + i]));
    assert.equal(second.length, size);
  }
  // A loop of half a second.
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.53125, box.y + 30, { steps: 4 });
  await page.evaluate(() => { window.starts.length = 0; });
  await page.mouse.up();
  const looped = (await scheduled(4)).at(-1);
  assert.ok(looped.length > 15000 && looped.length < 30000, `${looped.length}`);
  const at = left.findIndex((x, i) => i > left.length * 0.49 && x === looped[0] && left[i + 1] === looped[1] && left[i + 700] === looped[700]);
  assert.ok(looped.every((x, i) => x === left[at + i]));
  assert.deepEqual(said, []);
  await page.context().close();
});

test('several songs one after the other; one is cancelled, and separated after all', async () => {
  const { page, said } = await h.open(browser, server.address);
  const long = h.writeWav(path.join(h.work, 'long.wav'), 44100 * 120, (i) => 0.3 * Math.sin(i / 20) * Math.sin(i / 9000));
  await h.drop(page, long, h.song);
  await page.waitForSelector('.row[data-state="separating"]:has-text("long") >> nth=0');
  assert.equal(await page.getAttribute('.row:has-text("song")', 'data-state'), 'waiting');
  await page.waitForFunction(() => / left$/.test(document.querySelector('.row-status').textContent));
  await h.picture(page, 'queue');
  assert.match(await page.title(), /^\d+ % · long$/);
  await page.waitForSelector('.play:not(:disabled)');
  // A loop of the whole song, in the part that is still to come.
  await page.keyboard.press('l');
  assert.equal(await page.textContent('.loop-info'), '0:00.0 – 2:00.0');
  await page.focus('.ruler');
  await page.keyboard.press('End');
  await page.click('.play');
  await page.waitForSelector('.play.waiting');
  await page.click('[aria-label="Cancel long"]');
  await page.waitForSelector('.row[data-state="cancelled"]:has-text("long")');
  // It is now one of what there is, and goes on.
  assert.equal(await page.getAttribute('.play', 'aria-label'), 'Pause');
  const whole = /^0:00\.0 – (\d):(\d\d\.\d)$/.exec(await page.textContent('.loop-info'));
  const there = 60 * Number(whole[1]) + Number(whole[2]);
  assert.ok(there > 2 && there < 110, whole[0]);
  await page.click('.play');
  await h.done(page, 'song');
  assert.equal(await page.title(), 'spleeterrt: the stems of a song');
  // What there is of it can be heard; then it stops.
  await page.click('.row:has-text("long") .row-open');
  assert.match(await page.textContent('.song-status'), /^Cancelled after \d:\d\d$/);
  assert.equal(await page.textContent('.size'), 'Only whole songs can be saved.');
  await page.click('.play');
  await page.waitForSelector('.play[aria-label="Pause"]');
  // The loop's end is the end of what there is.
  await page.evaluate(() => {
    window.pieces = 0;
    const { start } = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function counted(...when) {
      window.pieces += 1;
      return start.apply(this, when);
    };
  });
  const box = await page.locator('.lane:nth-child(1) .wave').boundingBox();
  const drag = async (from, to) => {
    const x = (seconds) => box.x + box.width * seconds / 120;
    await page.mouse.move(x(from), box.y + 30);
    await page.mouse.down();
    await page.mouse.move(x(to), box.y + 30, { steps: 4 });
    await page.mouse.up();
  };
  await drag(there - 2, 119);
  assert.match(await page.textContent('.loop-info'), new RegExp(` – ${whole[1]}:${whole[2].replace('.', '\\.')}$`));
  await page.waitForFunction(() => window.pieces >= 6 * 4); // of four stems: two or three each time
  assert.equal(await page.getAttribute('.play', 'aria-label'), 'Pause');
  await drag(there + 2, 119); // where there is nothing
  assert.equal(await page.textContent('.loop-info'), '');
  assert.equal(await page.getAttribute('.play', 'aria-label'), 'Pause');
  await page.focus('.ruler');
  await page.keyboard.press('End');
  await page.waitForSelector('.play[aria-label="Play"]');
  await page.click('[aria-label="Remove song"]');
  await page.click('.song-again');
  await h.done(page, 'long');
  await page.click('[aria-label="Remove long"]');
  await page.waitForSelector('#drop:visible');
  assert.deepEqual(said, []);
  await page.context().close();
});

test('who listens goes on listening while songs are added; files are written while another song is shown', async () => {
  const { page, said } = await h.open(browser, server.address);
  const tone = (name, seconds) => h.writeWav(path.join(h.work, name), 44100 * seconds, (i) => 0.3 * Math.sin(i / 20) * Math.sin(i / 9000));
  await h.drop(page, tone('first.wav', 20));
  await h.done(page, 'first');
  await page.click('.play');
  await h.drop(page, tone('second.wav', 60), tone('third.wav', 2));
  assert.equal(await page.textContent('.song-title'), 'first');
  assert.equal(await page.getAttribute('.play', 'aria-label'), 'Pause');
  await page.waitForSelector('.row[data-state="separating"]:has-text("second")');
  const [download, shown] = await Promise.all([page.waitForEvent('download'), page.evaluate(() => {
    document.querySelector('.downloads .primary').click();
    const row = document.querySelector('.row:nth-child(2)');
    row.querySelector('.row-open').click();
    return { state: row.dataset.state, disabled: document.querySelector('.lane:nth-child(1) .save').disabled };
  })]);
  assert.deepEqual(shown, { state: 'separating', disabled: true }); // it is not ready because the other one is
  assert.equal(download.suggestedFilename(), 'first (stems).zip');
  assert.equal(await page.textContent('.song-title'), 'second');
  await h.done(page, 'third');
  assert.ok(await page.isEnabled('.lane:nth-child(1) .save'));
  // Two at once.
  const [one, other] = await Promise.all([page.waitForEvent('download', (each) => /second/.test(each.suggestedFilename())),
    page.waitForEvent('download', (each) => /first/.test(each.suggestedFilename())), page.evaluate(() => {
      document.querySelector('.downloads .primary').click();
      document.querySelector('.row:nth-child(1) .row-open').click();
      document.querySelector('.downloads .primary').click();
    })]);
  for (const [name, zip] of Object.entries({ one, other })) {
    const target = path.join(h.work, `${name}.zip`);
    await zip.saveAs(target);
    execFileSync(h.python, ['-c', 'import sys, zipfile; assert zipfile.ZipFile(sys.argv[1]).testzip() is None', target]);
  }
  assert.deepEqual(said, []);
  await page.context().close();
});

test('the plain build makes the bytes of the native generic kernels', async () => {
  const { page, said } = await h.open(browser, server.address);
  let state = 1;
  const noise = h.writeWav(path.join(h.work, 'noise.wav'), 44100 * 3, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 0.6 * (state / 2 ** 31 - 1);
  });
  const env = { ...process.env, SPLEETERRT_ISA: 'generic' };
  execFileSync(h.python, ['-m', 'spleeterrt', 'separate', '-q', '-p', 'starter:4stems', '--bit-depth', 'float32', '--clip', 'none',
    '-o', path.join(h.work, 'generic'), noise], { env });
  const samples = h.readWav(fs.readFileSync(noise)).samples;
  const left = Buffer.from(new Float32Array(samples.filter((_, i) => i % 2 === 0)).buffer).toString('base64');
  const found = await page.evaluate(async ({ left, stems }) => {
    const { load } = await import('./spleeterrt.js');
    const channel = new Float32Array(Uint8Array.from(atob(left), (c) => c.charCodeAt(0)).buffer);
    const separator = await load('starter.safetensors', { build: 'plain', networks: stems });
    const parts = Object.fromEntries(stems.map((stem) => [stem, []]));
    for await (const block of separator.separate([channel, channel.slice()])) {
      for (const stem of stems) parts[stem] = parts[stem].concat(Array.from(block.stems[stem][0]));
    }
    separator.close();
    return parts;
  }, { left, stems: STEMS });
  for (const stem of STEMS) {
    const wanted = h.readWav(fs.readFileSync(path.join(h.work, 'generic/noise', `${stem}.wav`))).samples.filter((_, i) => i % 2 === 0);
    assert.equal(found[stem].length, wanted.length);
    assert.ok(found[stem].every((x, i) => x === wanted[i]), stem);
  }
  assert.deepEqual(said, []);
  await page.context().close();
});
