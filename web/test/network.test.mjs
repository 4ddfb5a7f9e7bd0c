// One segment of every network that ships, by the plain module: the bytes of the native build.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

import { Network } from '../../bench/web/forward.js';
import { floats, index, packageFolder, sameBytes, starter } from './support.mjs';

const modules = ['spleeterrt.wasm', 'spleeterrt-relaxed.wasm'].map((name) => readFileSync(join(packageFolder, name)));

test('modules are at most 600 kB, and only one needs relaxed SIMD', () => {
  for (const module of modules) assert(module.length <= 600_000, `${module.length} bytes`);
  assert(WebAssembly.validate(modules[0]));
  const madd = Buffer.from([0xfd, 0x85, 0x02]);
  assert(!modules[0].includes(madd));
  assert(modules[1].includes(madd));
});

const input = floats('segment');
const bytes = readFileSync(starter);
const source = new Uint8Array(new SharedArrayBuffer(bytes.length));
source.set(bytes);

async function open(code) {
  const worker = new Worker(pathToFileURL(join(packageFolder, 'spleeterrt-worker.js')));
  return Network.make({ worker, module: await WebAssembly.compile(code), source });
}

test('plain: every network gives the native bytes', async () => {
  const network = await open(modules[0]);
  for (const [place, name] of index.networks.entries()) {
    await network.call('load', { networks: [place] });
    const [output] = await network.call('forward', { networks: [place], input: input.slice() });
    const wanted = floats(`segment-${name}`);
    assert(wanted.some((value) => value > 0.01), `${name}: nothing to compare`);
    assert(sameBytes(output, wanted), name);
  }
  await network.worker.terminate();
});

test('plain: the first frames alone are those of the whole segment', async () => {
  const network = await open(modules[0]);
  await network.call('load', { networks: [0, 1] });
  const frame = input.length / index.frames;
  const whole = await network.call('forward', { networks: [0, 1], input: input.slice() });
  for (const wanted of [1, 37]) {
    const few = await network.call('forward', { networks: [0, 1], input: input.slice(), wanted });
    for (const [i, output] of few.entries()) {
      assert.equal(output.length, wanted * frame);
      assert(sameBytes(output, whole[i].subarray(0, output.length)), `network ${i}, ${wanted} frames`);
    }
  }
  await network.worker.terminate();
});

const relaxed = WebAssembly.validate(modules[1]);
test('relaxed: every network gives nearly the same', { skip: !relaxed && 'no relaxed SIMD here' }, async () => {
  const network = await open(modules[1]);
  for (const [place, name] of index.networks.entries()) {
    await network.call('load', { networks: [place] });
    const [output] = await network.call('forward', { networks: [place], input: input.slice() });
    const wanted = floats(`segment-${name}`);
    const most = wanted.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const worst = wanted.reduce((max, value, i) => Math.max(max, Math.abs(value - output[i])), 0);
    assert(worst < 1e-5 * most, `${name}: ${worst} of ${most}`);
  }
  await network.worker.terminate();
});
