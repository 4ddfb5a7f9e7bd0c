// What the page says and refuses, and that it works offline, from disk, and for everybody.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let browser, server;

before(async () => {
  [browser, server] = await Promise.all([h.launch(), h.serve()]);
});

after(async () => {
  await browser.close();
  await server.stop();
});

const file = (name, content) => {
  const target = path.join(h.work, name);
  fs.writeFileSync(target, content);
  return target;
};

test('files that cannot be decoded are named, and do not stop the others', async () => {
  const { page, said } = await h.open(browser, server.address);
  const silent = fs.readFileSync(h.writeWav(path.join(h.work, 'g.wav'), 0, () => 0));
  const interrupted = fs.readFileSync(h.writeWav(path.join(h.work, 'i.wav'), 44100, (i) => 0.4 * Math.sin(i / 15)));
  interrupted.writeUInt32LE(0, 40); // what a recorder leaves that could not write the size
  await h.drop(page,
    file('a.aiff', 'FORM\0\0\0\x20AIFFCOMM'), file('b.wma', Buffer.from('3026b2758e66cf11', 'hex')), file('c.mp3', 'these are words'),
    file('d.wav', ''), file('e.flac', 'fLaC and then nothing'), file('f.pdf', '%PDF-1.7'), path.join(h.work, 'g.wav'),
    file('h.wav', Buffer.concat([silent, Buffer.from('LIST\x05\0\0\0INFOx\0', 'latin1')])), file('i.wav', interrupted), h.song);
  await h.done(page, 'song');
  const expected = { 'a.aiff': /AIFF file, which this browser does not decode.*FLAC or WAV/, 'b.wma': /WMA file, which this browser does not decode/,
    'c.mp3': /not a sound file that browsers know/, 'd.wav': /The file is empty/, 'e.flac': /FLAC file is damaged/, 'f.pdf': /PDF file, which holds no sound/,
    'g.wav': /The file holds no sound/, 'h.wav': /The file holds no sound/, i: /^0:01 · 4 stems$/ };
  for (const [name, message] of Object.entries(expected)) {
    await page.locator('.row-open', { has: page.getByText(name, { exact: true }) }).click();
    assert.match(await page.textContent('.song-status'), message);
  }
  assert.deepEqual(said, []);
  await page.context().close();
});

test('sound of any rate, length and number of channels; files that end early or are gone', async () => {
  const { page, said } = await h.open(browser, server.address);
  const wav = (name, frames, options) => h.writeWav(path.join(h.work, name), frames, (i) => 0.4 * Math.sin(i / 15), options);
  const short = wav('cut.wav', 44100 * 2), long = wav('cut in pieces.wav', 44100 * 50), gone = wav('gone.wav', 44100);
  fs.truncateSync(short, 44 + 44100 * 4);
  fs.truncateSync(long, 44 + 44100 * 4 * 49 + 1);
  const name = 'n'.repeat(240);
  const expected = {
    one: /^0:00 · 4 stems$/, mono: /^0:03 · 4 stems$/, slow: /^0:03 · 4 stems$/, fast: /^0:03 · 4 stems$/, [name]: /^0:01 · 4 stems$/,
    six: /^0:03 · 4 stems · Only the first two of 6 channels are used\.$/, cut: /^0:01 · 4 stems · The file ends early/,
    'cut in pieces': /^0:49 · 4 stems · The file ends early/, 'gone.wav': /^The file cannot be read/,
  };
  await page.setInputFiles('#files', [long, wav('one.wav', 1), wav('mono.wav', 132300, { channels: 1 }), wav('slow.wav', 24000, { rate: 8000 }),
    wav('fast.wav', 576000, { rate: 192000 }), wav('six.wav', 132300, { channels: 6 }), wav(`${name}.wav`, 44100), short, gone]);
  fs.rmSync(gone);
  await page.waitForFunction((count) => document.querySelectorAll('.row[data-state="done"], .row[data-state="failed"]').length === count, Object.keys(expected).length);
  for (const [title, status] of Object.entries(expected)) {
    assert.match(await page.textContent(`.row:has(.row-title:text-is("${title}")) .row-status`), status, title);
  }
  assert.deepEqual(said, []);
  await page.context().close();
});

test('a page that is loaded again while it separates begins anew, and leaves nothing on the disk', async () => {
  const { page, said } = await h.open(browser, server.address);
  page.on('dialog', (dialog) => dialog.accept()); // that a song would be lost
  await h.drop(page, h.writeWav(path.join(h.work, 'lost.wav'), 44100 * 60, (i) => 0.3 * Math.sin(i / 20) * Math.sin(i / 9000)));
  await page.waitForSelector('.row[data-state="separating"]');
  await page.waitForSelector('.play:not(:disabled)');
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  assert.ok(await page.isVisible('#drop'));
  assert.equal(await page.title(), 'spleeterrt: the stems of a song');
  await page.waitForFunction(async () => {
    const sessions = [];
    for await (const name of (await (await navigator.storage.getDirectory()).getDirectoryHandle('spleeterrt')).keys()) sessions.push(name);
    return sessions.length === 1;
  });
  await h.drop(page, h.song);
  await h.done(page, 'song');
  assert.deepEqual(said, []);
  await page.context().close();
});

test('models of the user', async () => {
  const { page, said } = await h.open(browser, server.address);
  const starter = fs.readFileSync(path.join(h.root, 'src/spleeterrt/models/starter.safetensors'));
  await h.drop(page, file('short.safetensors', starter.subarray(0, 5_000_000)));
  await page.waitForSelector('#model-problem:not(:empty)');
  assert.match(await page.textContent('#model-problem'), /short\.safetensors.*outside the file/);
  await page.keyboard.press('Escape');
  await h.drop(page, file('words.safetensors', 'not a model at all'));
  await page.waitForFunction(() => /words\.safetensors/.test(document.getElementById('model-problem').textContent));
  await page.keyboard.press('Escape');
  assert.equal(await page.textContent('#model-name'), 'starter: 4 stems');

  const tiny = path.join(h.work, 'tiny.safetensors');
  h.spleeterrt('models', 'convert', path.join(h.root, 'tests/data/golden/tiny-2stems/config.json'), tiny);
  await h.drop(page, tiny);
  await page.waitForFunction(() => document.getElementById('model-name').textContent === 'tiny');
  await h.drop(page, h.song);
  await h.done(page, 'song');
  assert.deepEqual(await page.locator('.stem-name').allTextContents(), ['Vocals', 'Accompaniment']);
  await page.click('#model-button');
  await page.click('label:has-text("starter: 2 stems")');
  await page.keyboard.press('Escape');
  assert.equal(await page.textContent('#model-name'), 'starter: 2 stems');
  await page.click('[aria-label="Remove song"]');
  await h.drop(page, h.song);
  await h.done(page, 'song');
  assert.deepEqual(await page.locator('.stem-name').allTextContents(), ['Vocals', 'Accompaniment']);
  assert.deepEqual(said, []);
  await page.context().close();
});

test('another model, or a damaged one, does not stop the song that is being separated', async () => {
  const { page, said } = await h.open(browser, server.address);
  const long = h.writeWav(path.join(h.work, 'going on.wav'), 44100 * 40, (i) => 0.3 * Math.sin(i / 20) * Math.sin(i / 9000));
  await h.drop(page, long);
  await page.waitForSelector('.row[data-state="separating"]');
  await h.drop(page, file('words.safetensors', 'not a model at all'));
  await page.waitForSelector('#model-problem:not(:empty)');
  await page.click('label:has-text("starter: 2 stems")');
  await page.keyboard.press('Escape');
  assert.equal(await page.textContent('#model-name'), 'starter: 2 stems');
  await h.done(page, 'going on');
  assert.deepEqual(await page.locator('.stem-name').allTextContents(), ['Vocals', 'Drums', 'Bass', 'Other']);
  assert.deepEqual(said, []);
  await page.context().close();
});

test('WAV files that are read piece by piece', async () => {
  const { page, said } = await h.open(browser, server.address);
  const found = await page.evaluate(async () => {
    const { openWav } = await import('./app/wav-source.js');
    const frames = 3_000_000;
    const wav = (channels, bits, container, put) => {
      const frame = channels * container, bytes = new ArrayBuffer(56 + frames * frame), view = new DataView(bytes);
      const word = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
      word(0, 'RIFF'), word(8, 'WAVEodd '), view.setUint32(16, 3, true); // a chunk of an odd length
      word(24, 'fmt '), view.setUint32(28, 16, true), view.setUint16(32, 1, true), view.setUint16(34, channels, true);
      view.setUint32(36, 44100, true), view.setUint16(44, frame, true), view.setUint16(46, bits, true);
      word(48, 'data'), view.setUint32(52, 0xffffffff, true); // of one that was written to a pipe
      put(view, 56 + (frames - 1) * frame);
      return new Blob([bytes]);
    };
    const last = async (blob) => {
      const source = await openWav(blob, 44100);
      if (!source) return null;
      let samples = 0, end;
      for await (const [left, right] of source.pieces()) {
        samples += left.length;
        end = [left.at(-1), right.at(-1)];
      }
      return { samples, channels: source.channels, end };
    };
    return {
      mono: await last(wav(1, 24, 3, (view, at) => { view.setUint8(at, 1); view.setInt16(at + 1, -0x4000, true); })),
      surround: await last(wav(6, 16, 2, (view, at) => { view.setInt16(at, 0x2000, true); view.setInt16(at + 2, -0x8000, true); })),
      wide: await last(wav(2, 24, 4, () => {})),
    };
  });
  assert.deepEqual(found, {
    mono: { samples: 3_000_000, channels: 1, end: [-0.5 + 2 ** -23, -0.5 + 2 ** -23] },
    surround: { samples: 3_000_000, channels: 6, end: [0.25, -1] },
    wide: null, // samples in wider containers are left to the browser's decoder
  });
  assert.deepEqual(said, []);
  await page.context().close();
});

test('what is read of stems beyond their end is silence, with and without a disk', async () => {
  const { page, said } = await h.open(browser, server.address);
  const found = await page.evaluate(async () => {
    const read = `import { openDisk } from '${new URL('./app/disk.js', location)}';
      const disk = await openDisk('session-of-a-test'), track = await disk.track('song/stem0');
      track.append(new Float32Array([1, 2]));
      track.append(new Float32Array([3]));
      postMessage({ kind: disk.constructor.name, samples: await track.read(1, 4, new Float32Array(4).fill(9)) });`;
    const without = "navigator.storage.getDirectory = () => Promise.reject(new Error('none'));";
    const results = {};
    for (const text of [read, read.replace('const disk', `${without} const disk`)]) {
      const { kind, samples } = await new Promise((resolve, reject) => {
        const worker = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), { type: 'module' });
        Object.assign(worker, { onmessage: ({ data }) => resolve(data), onerror: reject });
      });
      results[kind] = [...samples];
    }
    return results;
  });
  assert.deepEqual(found, { FileDisk: [2, 3, 0, 0], BlobDisk: [2, 3, 0, 0] });
  assert.deepEqual(said, []);
  await page.context().close();
});

test('nothing leaves the page', async (t) => {
  const asked = [];
  const elsewhere = http.createServer((request, response) => { asked.push(request.url); response.end(); });
  await new Promise((resolve) => { elsewhere.listen(0, '127.0.0.1', resolve); });
  t.after(() => elsewhere.close());
  const { page } = await h.open(browser, server.address);
  const outcome = await page.evaluate(async (address) => {
    const tried = {
      fetch: () => fetch(address + 'fetch', { mode: 'no-cors' }),
      image: () => new Promise((resolve, reject) => Object.assign(new Image(), { onload: resolve, onerror: reject, src: address + 'image' })),
      script: () => import(address + 'script.js'),
      socket: () => new Promise((resolve, reject) => Object.assign(new WebSocket(address.replace('http', 'ws')), { onopen: resolve, onerror: reject })),
      beacon: () => (navigator.sendBeacon(address + 'beacon', 'song') ? new Promise((resolve, reject) => { setTimeout(reject, 300); }) : Promise.reject()),
      worker: () => new Promise((resolve, reject) => {
        const text = `fetch('${address}worker', { mode: 'no-cors' }).then(() => postMessage(true), () => postMessage(false))`;
        const made = new Worker(URL.createObjectURL(new Blob([text])));
        Object.assign(made, { onmessage: ({ data }) => (data ? resolve() : reject()), onerror: reject });
      }),
      frame: () => new Promise((resolve, reject) => {
        document.body.append(Object.assign(document.createElement('iframe'), { src: address + 'frame' }));
        setTimeout(reject, 300);
      }),
      style: () => new Promise((resolve, reject) => {
        document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href: address + 'style', onload: resolve, onerror: reject }));
      }),
    };
    const results = {};
    for (const [name, attempt] of Object.entries(tried)) results[name] = await attempt().then(() => 'done', () => 'refused');
    return results;
  }, `http://127.0.0.1:${elsewhere.address().port}/`);
  assert.deepEqual(new Set(Object.values(outcome)), new Set(['refused']), JSON.stringify(outcome));
  assert.deepEqual(asked, []);
  await page.context().close();
});

test('it works without the server after the first visit', async () => {
  const own = await h.serve();
  const { page, said } = await h.open(browser, own.address);
  await page.waitForSelector('#offline:visible');
  assert.equal(await page.textContent('#offline'), 'Works without a network from now on.');
  await own.stop();
  await page.goto(`${own.address}index.html`);
  await page.waitForSelector('html[data-ready]');
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  await h.drop(page, h.song);
  await h.done(page, 'song');
  // The settings were asked for anew, in vain.
  assert.deepEqual(said.filter((line) => !/settings\.json|ERR_CONNECTION_REFUSED|sw\.js/.test(line)), []);
  await page.context().close();
});

test('as one file, from disk', async () => {
  const target = path.join(h.work, 'one.html');
  h.spleeterrt('web', '--single', target);
  const { page, said } = await h.open(browser, `file://${target}`);
  await h.drop(page, h.song);
  await h.done(page, 'song');
  await page.selectOption('.downloads select', 'float32');
  const { target: stem } = await h.saved(page, () => page.click('.lane:nth-child(1) .save'), 'from-disk.wav');
  h.spleeterrt('separate', '-q', '-p', 'starter:4stems', '--stems', 'vocals', '--bit-depth', 'float32', '-o', path.join(h.work, 'disk'), h.song);
  const found = h.readWav(fs.readFileSync(stem)), wanted = h.readWav(fs.readFileSync(path.join(h.work, 'disk/song/vocals.wav')));
  assert.ok(h.errorLevel(found.samples, wanted.samples) < -100);
  assert.deepEqual(said, []);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`for everybody: axe finds nothing serious, ${colorScheme}, wide and narrow`, async () => {
    for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
      const { page } = await h.open(browser, server.address, { colorScheme, viewport, bypassCSP: true, reducedMotion: 'reduce' });
      const look = async (where) => {
        const name = `${where}-${viewport.width}-${colorScheme}`;
        await h.picture(page, name);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run());
        const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
        assert.deepEqual(serious.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${name}: ${wide} pixels too wide`);
      };
      await look('start');
      await h.drop(page, h.song, file('a.aiff', 'FORM\0\0\0\x20AIFFCOMM'));
      await h.done(page, 'song');
      await page.waitForSelector('.row[data-state="failed"]');
      await page.click('.lane:nth-child(2) .mute');
      await page.click('.lane:nth-child(3) .solo');
      await page.keyboard.press('l');
      await look('player');
      await page.click('.row[data-state="failed"] .row-open');
      await look('failed');
      await page.click('#model-button');
      await look('model');
      await page.keyboard.press('Escape');
      await page.click('#keys-button');
      await look('keys');
      await page.keyboard.press('Escape');
      await page.click('#to-live');
      await look('live');
      await page.context().close();
    }
  });
}

test('by keyboard alone', async () => {
  const { page, said } = await h.open(browser, server.address);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.focus('#choose').then(() => page.keyboard.press('Enter'))]);
  await chooser.setFiles(h.song);
  await h.done(page, 'song');
  await page.waitForFunction(() => document.querySelector('#announcer').textContent === 'song is separated'); // a moment later
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('Space');
  await page.waitForFunction(() => document.querySelector('.play').getAttribute('aria-label') === 'Pause');
  await page.keyboard.press('2');
  assert.equal(await page.getAttribute('.lane:nth-child(2) .mute', 'aria-pressed'), 'true');
  await page.focus('.lane:nth-child(1) .gain');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await page.getAttribute('.lane:nth-child(1) .gain', 'aria-valuetext'), '−0.5 dB');
  await page.focus('.play');
  await page.keyboard.press('Space');
  assert.equal(await page.getAttribute('.play', 'aria-label'), 'Play');
  assert.deepEqual(said, []);
  await page.context().close();
});

test('live sound where a source and its context have to have one rate', async () => {
  const { page, said } = await h.open(browser, server.address, { permissions: ['microphone'] });
  await page.evaluate(() => {
    const Node = MediaStreamAudioSourceNode, Context = AudioContext;
    window.MediaStreamAudioSourceNode = class extends Node {
      constructor(context, options) {
        if (context.sampleRate === 44100) throw new DOMException('Different sample rates.', 'NotSupportedError');
        super(context, options);
      }
    };
    window.AudioContext = class extends Context {
      constructor(options) {
        super({ sampleRate: 48000, ...options });
        window.rate = this.sampleRate;
      }
    };
  });
  await page.click('#to-live');
  await page.selectOption('#live select >> nth=1', 'quick');
  await page.click('#live button.primary');
  await page.waitForFunction(() => [...document.querySelectorAll('#live .meter span')].some((bar) => /scaleX\(0\.[1-9]/.test(bar.style.transform)));
  assert.equal(await page.evaluate(() => window.rate), 48000);
  await page.click('#live button.primary');
  assert.deepEqual(said, []);
  await page.context().close();
});

test('files that were cancelled leave the disk', async () => {
  const { page, said } = await h.open(browser, server.address);
  await h.drop(page, h.writeWav(path.join(h.work, 'some.wav'), 44100 * 20, (i) => 0.3 * Math.sin(i / 20)));
  await h.done(page, 'some');
  const exported = () => page.evaluate(async () => {
    const names = [];
    const look = async (folder) => {
      for await (const [name, entry] of folder.entries()) {
        if (entry.kind === 'directory') await look(entry);
        else if (name.startsWith('export')) names.push(name);
      }
    };
    await look(await navigator.storage.getDirectory());
    return names;
  });
  await page.evaluate(() => { // as soon as there is something to cancel
    document.querySelector('.downloads .primary').click();
    document.querySelector('.working button').click();
  });
  await page.waitForSelector('.downloads .primary:not(:disabled)');
  assert.deepEqual(await exported(), []);
  await h.saved(page, () => page.click('.lane:nth-child(1) .save'), 'some.wav.saved');
  assert.equal((await exported()).length, 1);
  await page.click('[aria-label="Remove some"]');
  await page.waitForFunction(async () => {
    for await (const [, session] of (await (await navigator.storage.getDirectory()).getDirectoryHandle('spleeterrt')).entries())
      for await (const name of session.keys()) if (name) return false;
    return true;
  });
  assert.deepEqual(said, []);
  await page.context().close();
});

test('live sound', async () => {
  const { page, said } = await h.open(browser, server.address, { permissions: ['microphone'] });
  await page.evaluate(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.tracks = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const media = await open(wanted);
      window.tracks.push(...media.getAudioTracks());
      return media;
    };
  });
  await page.click('#to-live');
  // Left while it starts, it does not begin behind the other view.
  await page.click('#live button.primary');
  await page.click('#to-songs');
  await page.waitForFunction(() => window.tracks.length === 1 && window.tracks[0].readyState === 'ended');
  await page.click('#to-live');
  assert.equal(await page.textContent('#live button.primary'), 'Start');
  await page.selectOption('#live select >> nth=1', 'quick');
  await page.click('#live button.primary');
  await page.waitForSelector('#live .facts dd');
  const delay = Number.parseInt(await page.textContent('#live .facts dd'), 10);
  assert.ok(delay > 20 && delay < 2000, `${delay} ms`);
  // The browser's own test sound beeps.
  await page.waitForFunction(() => [...document.querySelectorAll('#live .meter span')].some((bar) => /scaleX\(0\.[1-9]/.test(bar.style.transform)));
  await h.picture(page, 'live');
  await page.click('#live button.primary');
  await page.waitForFunction(() => document.querySelector('#live button.primary').textContent === 'Start');
  assert.deepEqual(await page.evaluate(() => window.tracks.map(({ readyState }) => readyState)), ['ended', 'ended']);
  // A microphone that is unplugged.
  await page.click('#live button.primary');
  await page.waitForSelector('#live .facts dd');
  await page.evaluate(() => window.tracks[2].dispatchEvent(new Event('ended')));
  await page.waitForSelector('#live [role="alert"]:not(:empty)');
  assert.match(await page.textContent('#live [role="alert"]'), /The sound has ended/);
  assert.equal(await page.textContent('#live button.primary'), 'Start');
  // One that is unplugged while the page asks how it goes.
  await page.click('#live button.primary');
  await page.waitForSelector('#live .facts dd');
  await page.evaluate(async () => {
    const { Live } = await import('./app/live.js'), { report } = Live.prototype;
    Live.prototype.report = function unplugged() {
      Live.prototype.report = report;
      const asked = report.call(this);
      window.tracks.at(-1).dispatchEvent(new Event('ended'));
      return asked;
    };
  });
  await page.waitForSelector('#live [role="alert"]:not(:empty)');
  assert.match(await page.textContent('#live [role="alert"]'), /The sound has ended/);
  assert.equal(await page.textContent('#live button.primary'), 'Start');
  // An engine that fails while it runs.
  await page.click('#live button.primary');
  await page.waitForSelector('#live .facts dd');
  await page.evaluate(async () => {
    const { Live } = await import('./app/live.js');
    Live.prototype.report = async () => { throw new Error('out of memory'); };
  });
  await page.waitForSelector('#live [role="alert"]:not(:empty)');
  assert.equal(await page.textContent('#live [role="alert"]'), 'Live sound stopped: out of memory');
  assert.equal(await page.textContent('#live button.primary'), 'Start');
  assert.deepEqual(said, []);
  await page.context().close();
});
