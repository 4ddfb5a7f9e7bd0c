// The real-time engine in a worker.
import assert from 'node:assert';
import { after, before, describe, test } from 'node:test';

import { decibels, index, join2, part, sound, spleeterrt, starter, tiny } from './support.mjs';

const { load } = spleeterrt;

async function through(stream, signal, size) {
  const pieces = [];
  for (let at = 0; at < signal[0].length; at += size)
    pieces.push(await stream.process(...signal.map((channel) => channel.subarray(at, at + size))));
  pieces.push(await stream.flush());
  const length = signal[0].length + stream.latency;
  return stream.stems.map((_, stem) => join2(pieces.map((piece) => piece[stem]), length));
}

describe('a stream', () => {
  let separator;
  before(async () => (separator = await load(starter, { threads: 1, networks: ['vocals'], build: 'plain' })));
  after(() => separator.close());

  test('gives the native stems', async () => {
    const stream = await separator.openStream({ frames: 128, hopFrames: 32, realtime: false, stems: index.stream.stems });
    assert.strictEqual(stream.latency, index.stream.latency);
    assert.deepStrictEqual([...stream.stems], index.stream.stems);
    const stems = await through(stream, part, 5000);
    stream.stems.forEach((stem, i) => {
      const wanted = sound(`stream-${stem}`);
      assert.strictEqual(stems[i][0].length, wanted[0].length);
      assert(decibels(stems[i], wanted) > 100, `${stem}: ${decibels(stems[i], wanted)} dB`);
    });
    const stats = await stream.stats();
    assert(stats.runs > 8 && stats.underruns === 0 && stats.runSeconds > 0);
    stream.close();
  });

  test('in real time computes between blocks', async () => {
    const stream = await separator.openStream({ frames: 64, hopFrames: 16, stems: ['vocals'], mode: 'direct' });
    for (let at = 0; at < part[0].length / 4; at += 512) {
      await stream.process(...part.map((channel) => channel.subarray(at, at + 512)));
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    assert((await stream.stats()).runs >= 2);
    stream.close();
  });

  test('resamples', async () => {
    const stream = await separator.openStream({ frames: 64, sampleRate: 48000, realtime: false });
    assert(stream.latency > 64 * 1024);
    assert.strictEqual(stream.sampleRate, 48000);
    assert.deepStrictEqual([...stream.stems], ['vocals']); // the network that was chosen
    assert.strictEqual((await stream.process(new Float32Array(480), new Float32Array(480)))[0][0].length, 480);
    await stream.reset();
    stream.close();
  });

  test('refuses what makes no sense', async () => {
    await assert.rejects(separator.openStream({ frames: 100 }), { name: 'ArgumentError', message: /frames/ });
    await assert.rejects(separator.openStream({ frames: '128' }), { name: 'ArgumentError', message: /frames/ });
    await assert.rejects(separator.openStream({ stems: ['voice'] }), { name: 'ArgumentError', message: /voice/ });
    await assert.rejects(separator.openLive({}), { name: 'UnsupportedError' });
  });
});

test('closing the separator closes its streams', async () => {
  const separator = await load(tiny, { threads: 1 });
  const stream = await separator.openStream({ frames: 64 });
  separator.close();
  await assert.rejects(stream.process(new Float32Array(64), new Float32Array(64)), spleeterrt.EngineError);
  await assert.rejects(separator.openStream({ frames: 64 }), { name: 'EngineError', message: /closed/ });
});
