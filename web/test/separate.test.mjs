// Whole signals through the package: the stems are those of the native build.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { collect, decibels, index, noise, part, sameBytes, song, sound, spleeterrt, starter, tiny } from './support.mjs';

const { load } = spleeterrt;

function check(stems, name) {
  assert.deepStrictEqual(Object.keys(stems), index.whole[name]);
  for (const [stem, channels] of Object.entries(stems)) {
    const wanted = sound(`${name}-${stem}`);
    assert.strictEqual(channels[0].length, wanted[0].length);
    assert(decibels(channels, wanted) > 100, `${name}, ${stem}: ${decibels(channels, wanted)} dB`);
  }
}

describe('the starter model', () => {
  let separator;
  before(async () => (separator = await load(starter, { threads: 2, build: 'plain' })));
  after(() => separator.close());

  test('says what it is', () => {
    assert.deepStrictEqual(separator.stems, index.whole.ratio);
    assert.strictEqual(separator.sampleRate, index.rate);
    assert.strictEqual(separator.threads, 2);
    assert.strictEqual(separator.build, 'plain');
  });

  test('gives the native stems of a song', async () => {
    const told = [];
    check(await collect(separator.separate(song, { onProgress: (progress) => told.push(progress) })), 'ratio');
    const fractions = told.map(({ fraction }) => fraction);
    assert.deepStrictEqual(fractions, [...fractions].sort((a, b) => a - b));
    assert(fractions.length >= 8 && fractions[0] < 0.5);
    assert.deepStrictEqual(told.at(-1), { fraction: 1, samples: song[0].length, total: song[0].length });
  });

  const options = {
    direct: { mode: 'direct', stems: ['vocals', 'drums'] },
    residual: { mode: 'residual', stems: ['vocals', 'accompaniment'] },
    three: { mode: 'three' },
    sum: { residual: true },
    mwf: { wiener: true },
  };
  for (const [name, wanted] of Object.entries(options))
    test(`gives the native stems: ${JSON.stringify(wanted)}`, async () => {
      check(await collect(separator.separate(part, wanted)), name);
    });

  test('does not care how the signal comes', async () => {
    const whole = await collect(separator.separate(part));
    async function* pieces() {
      for (let at = 0, size = 1; at < part[0].length; at += size, size = (size * 7) % 100_003)
        yield part.map((channel) => channel.subarray(at, at + size));
    }
    const told = [];
    const inPieces = await collect(separator.separate(pieces(), { onProgress: (progress) => told.push(progress) }));
    assert.strictEqual(told[0].fraction, undefined);
    assert.strictEqual(told.at(-1).fraction, 1);
    const buffer = { sampleRate: 44100, numberOfChannels: 2, length: part[0].length, getChannelData: (c) => part[c] };
    const ofBuffer = await collect(separator.separate(buffer));
    for (const stem of separator.stems)
      for (const c of [0, 1]) {
        assert(sameBytes(whole[stem][c], inPieces[stem][c]));
        assert(sameBytes(whole[stem][c], ofBuffer[stem][c]));
      }
  });

  test('takes one signal after the other', async () => {
    const short = part.map((channel) => channel.subarray(0, 100_000));
    const both = await Promise.all([collect(separator.separate(short)), collect(separator.separate(short))]);
    for (const c of [0, 1]) assert(sameBytes(both[0].vocals[c], both[1].vocals[c]));
  });

  test('the shortest signals', async () => {
    for (const samples of [0, 1, 5000]) {
      const stems = await collect(separator.separate(noise(samples)));
      assert.strictEqual(stems.vocals?.[0].length ?? 0, samples);
    }
  });

  test('can be cancelled, and goes on afterwards', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const blocks = separator.separate(song, { signal: controller.signal, onProgress: () => controller.abort(reason) });
    await assert.rejects(collect(blocks), reason);
    await assert.rejects(collect(separator.separate(song, { signal: controller.signal })), reason);
    for await (const block of separator.separate(song)) {
      assert.strictEqual(block.start, 0);
      break;
    }
    check(await collect(separator.separate(part, options.three)), 'three');
  });

  test('can be cancelled before anything was separated', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const first = separator.separate(song, { signal: controller.signal }).next();
    await Promise.resolve();
    controller.abort(reason);
    await assert.rejects(first, reason);
  });

  test('can be cancelled while another signal is separated', async () => {
    const begun = separator.separate(part);
    await begun.next();
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = separator.separate(part, { signal: controller.signal }).next();
    controller.abort(reason);
    await assert.rejects(waiting, reason); // although the first one has not ended
    await begun.return();
    check(await collect(separator.separate(part, options.direct)), 'direct');
  });

  test('lets go of pieces that are wanted no more, also of those that never come', async () => {
    let closed = 0;
    async function* pieces() {
      try {
        for (let piece = 0; piece < 20; piece++) yield noise(44100, piece);
      } finally {
        closed++;
      }
    }
    for await (const block of separator.separate(pieces())) if (block.length) break;
    assert.strictEqual(closed, 1);

    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) };
    const controller = new AbortController();
    const reason = new Error('enough');
    const first = separator.separate(never, { signal: controller.signal }).next();
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(first, reason);
    check(await collect(separator.separate(part, options.direct)), 'direct');
  });

  const wrong = [
    [{ mode: 'karaoke' }, 'mode: expected one of ratio'],
    [{ stems: ['voice'] }, 'voice'],
    [{ stems: 'vocals' }, 'stems: expected names of stems'],
    [{ wiener: true, fullBand: true }, 'fullBand'],
    [{ wiener: true, mode: 'three' }, 'wiener'],
  ];
  for (const [bad, words] of wrong)
    test(`refuses ${JSON.stringify(bad)}`, async () => {
      await assert.rejects(collect(separator.separate(part, bad)), (error) => {
        assert(error instanceof spleeterrt.ArgumentError && error instanceof spleeterrt.SpleeterrtError);
        assert(error.message.includes(words), error.message);
        return true;
      });
    });

  test('refuses signals that make no sense', async () => {
    const bad = noise(5000);
    bad[1][4321] = NaN;
    const signals = [
      [bad, 'signal: sample 4321 is no finite number'],
      [[bad[0], bad[1].subarray(1)], 'signal: expected channels of one length, got 5000 and 4999'],
      [bad[0], 'signal: expected [left, right]'],
      ['song.mp3', 'signal: expected [left, right]'],
      [{ sampleRate: 48000, getChannelData: () => bad[0], numberOfChannels: 1 }, 'expected an AudioBuffer of 44100 Hz'],
    ];
    for (const [signal, words] of signals)
      await assert.rejects(collect(separator.separate(signal)), (error) => {
        assert(error instanceof spleeterrt.ArgumentError, String(error));
        assert(error.message.includes(words), error.message);
        return true;
      });
    check(await collect(separator.separate(part, options.direct)), 'direct');
  });
});

test('a longer signal needs no more memory', async () => {
  const separator = await load(tiny, { threads: 2 });
  await collect(separator.separate(noise(30 * 44100)));
  const before = await separator.memory();
  async function* long() {
    for (let piece = 0; piece < 18; piece++) yield noise(5 * 44100, piece);
  }
  let samples = 0;
  for await (const block of separator.separate(long())) samples += block.length;
  assert.strictEqual(samples, 18 * 5 * 44100);
  assert.deepStrictEqual(await separator.memory(), before);
  separator.close();
});

test('any number of workers gives the same bytes', async () => {
  const results = [];
  for (const threads of [1, 2, 3, 4, 9]) {
    const separator = await load(tiny, { threads, build: 'plain' });
    assert.strictEqual(separator.threads, Math.min(threads, 4));
    results.push(await collect(separator.separate(part)));
    separator.close();
  }
  for (const stems of results)
    for (const stem of Object.keys(results[0]))
      for (const c of [0, 1]) assert(sameBytes(stems[stem][c], results[0][stem][c]));
});

test('networks can be left out, and come when they are wanted', async () => {
  const separator = await load(starter, { threads: 2, networks: ['vocals', 'accompaniment'], build: 'plain' });
  assert.deepStrictEqual(separator.stems, ['vocals', 'accompaniment']);
  const both = await collect(separator.separate(part));
  assert.deepStrictEqual(Object.keys(both), ['vocals', 'accompaniment']);
  const sum = both.vocals.map((channel, c) => channel.map((x, i) => x + both.accompaniment[c][i]));
  assert(decibels(sum, part) > 10); // two masks that share the song
  check(await collect(separator.separate(part, { mode: 'three' })), 'three');
  separator.close();
});

test('a closed separator says so', async () => {
  const separator = await load(readFileSync(tiny), { threads: 1 });
  const blocks = separator.separate(song);
  await blocks.next();
  separator.close();
  await assert.rejects(collect(blocks), spleeterrt.EngineError);
  await assert.rejects(collect(separator.separate(song)), spleeterrt.EngineError);
});
